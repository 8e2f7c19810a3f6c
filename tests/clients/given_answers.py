"""Writes two files of predictions for a benchmark, with verdicts of all kinds, and scores them.

Reads  evaluation_data/NAME/v1_0/NAME.jsonl.
Writes evaluation_data/NAME/v1_0/client_answers/{truth,mixed}.jsonl, and beside them what
       score_predictions.py writes. In `mixed` every fourth answer is right and bare, right within
       a sentence, that of the next question, or none.

Runs in the engine's environment, before check_lmms_eval.py and check_vlmevalkit.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from spatial_engine.evaluation import score_predictions
from spatial_engine.utils.paths import benchmark_path
from spatial_engine.utils.questions.plain_record import answer_of
from spatial_engine.utils.questions.record_files import read_uniform
from spatial_engine.utils.running import cli


def mixed(answers: list[str], number: int) -> str:
    """One of four ways to answer, by the number of the question."""
    right, other = answers[number], answers[(number + 1) % len(answers)]
    ways = (f"`{right}`", f"I looked closely. The answer is `{right}`.", f"`{other}`")
    return (*ways, "I cannot tell from these images.")[number % 4]


def main(argv: Sequence[str] | None = None) -> int:
    parser = cli.make_records_parser(__doc__)
    cli.add_benchmark_name(parser)
    args = parser.parse_args(argv)
    path = benchmark_path(args.root, args.version, args.name)
    records = list(read_uniform(path))
    answers = [answer_of(record) for record in records]
    folder = path.parent / "client_answers"
    folder.mkdir(exist_ok=True)
    numbers = range(len(records))
    for name, said in (
        ("truth", [f"`{answer}`" for answer in answers]),
        ("mixed", [mixed(answers, number) for number in numbers]),
    ):
        with open(folder / f"{name}.jsonl", "w", encoding="utf-8") as file:
            for record, text in zip(records, said, strict=True):
                file.write(json.dumps({"id": record["id"], "prediction": text}) + "\n")
        flags = ["--root", str(args.root), "--name", args.name]
        score_predictions.main([*flags, str(folder / f"{name}.jsonl")])
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
