"""Score a model's predictions on the MultiSPA benchmark, or on that of three to eight frames.

Reads  evaluation_data/multispa/v1_0/multispa.jsonl (make_benchmark.py), with `--name
       multispa_frames` that of this name; predictions as .jsonl, .json, .tsv, .csv or .xlsx
       (predictions.py says in which form).
Writes beside the predictions: <name>.scores.json, .scores.csv, .scores.png (a plot of the rows),
       <name>.verdicts.jsonl (each prediction, what was read from it, and whether it is right).
Costs  little.

`score_predictions.py A.jsonl` prints the 26 subtasks and the 12 rows of the paper's Table 2, and
the rows by wording (seen in training, held out, plain) beside each other.
`score_predictions.py --compare A.jsonl B.jsonl` compares models side by side, and says by how
much they differ from the first (also in comparison.{png,csv,json} and differences.png). `--paper`
adds what the paper reports. The rules are in scoring.py; how an answer is found in a text, in
docs/answers.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.evaluation import differences, score_tables
from spatial_engine.evaluation.predictions import read_predictions
from spatial_engine.evaluation.results import (
    Line,
    Results,
    Scores,
    counts_of,
    read_paper_rows,
    score_model,
)
from spatial_engine.utils.paths import benchmark_path
from spatial_engine.utils.questions.record_files import read_uniform
from spatial_engine.utils.questions.records import write_jsonl
from spatial_engine.utils.questions.tasks import MULTISPA, MULTISPA_FRAMES
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.storage.files import atomic_path, dump_json


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse_args(argv)
    path = args.benchmark or benchmark_path(args.root, args.version, args.name)
    records = read_benchmark(path)
    ids = [record["id"] for record in records]
    models = {}
    for name, path in args.models.items():
        models[name] = score_model(records, read_predictions(path, ids), args.seed)
        write_scores((args.output or path.parent) / name, name, models[name])
    published = read_paper_rows() if args.paper else {}
    plots, found = [], differences.compare_to_first(models) if args.compare else []
    if args.compare:  # first: printing may be cut short
        folder = args.output or args.compare[0].parent
        plots.append(folder / "comparison.png")
        with atomic_path(plots[0]) as partial:
            score_tables.plot_rows(models, published, partial)
        if found:
            plots.append(differences.write_differences(found, args.seed, folder))
    for name, results in models.items():
        if len(models) == 1 or not args.compare:
            score_tables.print_results(name, results)
    if args.compare:
        score_tables.print_comparison(models, published)
        if found:
            differences.print_differences(found)
        print(*plots, sep="\n")
    return 0


def read_benchmark(path: Path) -> list[dict[str, Any]]:
    """Records of the benchmark; all 7,800 fit into memory easily."""
    if not path.is_file():
        remedy = "run spatial_engine/evaluation/make_benchmark.py"
        if path.stem == MULTISPA_FRAMES.name:
            remedy += f" --name {path.stem}"
        raise MissingInputError(f"{path}: no such file; {remedy}")
    return list(read_uniform(path))


def write_scores(base: Path, name: str, results: Results) -> None:
    """Write `<base>.scores.json`, `.scores.csv`, `.scores.png` and `.verdicts.jsonl`."""
    dump_json(
        {
            "model": name,
            "counts": dict(counts_of(results)),
            "unparsable_by_reason": results.unparsable_by_reason(),
            **_as_json(results),
            "wordings": {name: _as_json(scores) for name, scores in results.wordings.items()},
        },
        f"{base}.scores.json",
    )
    with atomic_path(f"{base}.scores.csv") as partial:
        score_tables.write_csv(results, partial)
    with atomic_path(f"{base}.scores.png") as partial:
        score_tables.plot_rows({name: results}, {}, partial)
    with atomic_path(f"{base}.verdicts.jsonl") as partial:
        write_jsonl(partial, results.verdicts)


def _as_json(scores: Scores) -> dict[str, Any]:
    return {
        "subtasks": [_plain(line) for line in scores.subtasks],
        "rows": [_plain(line) for line in scores.rows],
    }


def _plain(line: Line) -> dict[str, Any]:
    """A line as JSON; null for missing values."""
    plain = asdict(line)
    return {k: None if v != v else v for k, v in (plain | plain.pop("measures")).items()}


def _parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__, seed=True)
    kind = flag_types.file
    text = "file of one model's predictions"
    parser.add_argument("predictions", nargs="*", type=kind, help=text)
    text = "files of predictions to compare in one table"
    cli.add_list(parser, "--compare", kind, "FILE", text)
    text = "also print the scores that the paper reports"
    parser.add_argument("--paper", action="store_true", help=text)
    cli.add_benchmark(parser)
    text = "folder of the scores (default: that of the predictions)"
    parser.add_argument("--output", type=flag_types.folder, metavar="FOLDER", help=text)
    args = parser.parse_args(argv)
    if args.paper and args.name != MULTISPA.name:
        raise SettingsError(f"--paper: the paper reports no scores of {args.name}; leave it out")
    args.compare = args.compare or []
    paths = [*args.predictions, *args.compare]
    if not paths:
        raise SettingsError("no predictions given: score_predictions.py PREDICTIONS.jsonl")
    args.models = {path.stem: path for path in paths}
    if len(args.models) < len(set(paths)):
        raise SettingsError("two files of predictions have the same name, which names the model")
    args.compare = args.compare or (paths if args.paper else [])
    return args


if __name__ == "__main__":
    sys.exit(cli.run(main))
