"""Answers about one's own frames as curves over time: png and csv.

Reads  predictions (as ask_model.py writes them; .json, .xlsx, .tsv and .csv too) to the questions
       of ask_about_frames.py, which are looked for in the folder above, or are --questions.
Writes beside the first predictions, or as --output: <name>.rewards.png, a plot for each task with
       a line for each file of predictions, and <name>.rewards.csv, a row for each question.
Costs  little.

A model that tells how far an arm has come is a reward for the one that moves it. Frames without a
readable answer are gaps in the curve; they are counted, and the csv says why.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.evaluation.own_frames import curves
from spatial_engine.evaluation.own_frames.curves import Answered
from spatial_engine.evaluation.predictions import read_predictions
from spatial_engine.utils.questions.record_files import read_questions
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.storage import files


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse_args(argv)
    first: Path = args.predictions[0]
    path = args.questions or first.absolute().parent.parent / "questions.jsonl"
    if not path.is_file():
        raise MissingInputError(f"{path}: no such file; give --questions of ask_about_frames.py")
    asked = [one for one in read_questions(path) if TASKS[one["task"]].num_numbers]
    if not asked:
        raise SettingsError(f"{path}: no question is answered by numbers; there is no curve")
    models: dict[str, dict[str, list[Answered]]] = {}
    rows = []
    for predictions in args.predictions:
        name = predictions.stem
        if name in models:
            raise SettingsError(f"{predictions}: two files of this name; rename one")
        texts = read_predictions(predictions, [record["id"] for record in asked]).texts
        said = [curves.answered(record, texts.get(record["id"])) for record in asked]
        models[name] = defaultdict(list)
        for one in said:
            models[name][one.task].append(one)
        rows += curves.rows(name, said)
        why = Counter(one.unread for one in said if one.unread)
        told = "".join(f", {number:,} without ({reason})" for reason, number in why.items())
        print(f"{name}: {sum(not one.unread for one in said):,} answers read{told}")
    output = args.output or first.with_name(f"{first.stem}.rewards.png")
    with (
        files.atomic_path(output.with_suffix(".csv")) as partial,
        open(partial, "w", encoding="utf-8", newline="") as file,
    ):
        csv.writer(file).writerows([curves.COLUMNS, *rows])
    with files.atomic_path(output) as partial:
        curves.plot(models, partial)
    print(f"{output}\n{output.with_suffix('.csv')}")
    return 0


def _parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_bare_parser(__doc__)
    text = "files of predictions, a line in the plots for each"
    parser.add_argument(
        "predictions", nargs="+", type=flag_types.file, metavar="PREDICTIONS", help=text
    )
    text = "the questions (default: questions.jsonl in the folder above the predictions)"
    parser.add_argument("--questions", type=flag_types.file, metavar="FILE", help=text)
    text = "the plot, a .png; the table is a .csv beside it (default: beside the predictions)"
    parser.add_argument("--output", type=flag_types.file, metavar="FILE", help=text)
    args = parser.parse_args(argv)
    if args.output and args.output.suffix != ".png":
        raise SettingsError(f"--output {args.output}: the plot is a .png")
    return args


if __name__ == "__main__":
    sys.exit(cli.run(main))
