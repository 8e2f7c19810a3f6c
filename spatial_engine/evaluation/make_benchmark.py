"""The MultiSPA benchmark: 26 subtasks x 300 questions in one file of one schema; with `--name
multispa_frames` that of three to eight frames: 14 tasks x 300 questions. With `--debias` a file of
its own, of questions that text alone answers no better than chance.

Reads  every file of records in evaluation_data/ and, to make sure that no scene or recording is
       trained on, in training_data/.
Writes evaluation_data/multispa/v1_0/multispa.jsonl (or evaluation_data/<name>/v1_0/<name>.jsonl),
       which `datasets.load_dataset("json")` reads; images.txt beside it, the images it needs,
       relative to --root. With `--debias` beside them multispa_debiased.jsonl,
       images_debiased.txt, and debias.json: what was exchanged, and what text alone answers.
Costs  the time to read all records once; with `--debias` up to two minutes a subtask.
"""

from __future__ import annotations

import spatial_engine.evaluation.debiasing.one_thread  # noqa: F401  # first, before numpy

# isort: split
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.evaluation.benchmark.benchmark_checks import (
    check_is_held_out,
    list_images,
    say_what_is_short,
)
from spatial_engine.evaluation.benchmark.gathering import by_task, gather
from spatial_engine.evaluation.debiasing.more_candidates import say_where_more_come_from
from spatial_engine.evaluation.debiasing.whole_file import debiased, say_what_was_done
from spatial_engine.utils.paths import FOLDERS, benchmark_path
from spatial_engine.utils.questions.record_files import RecordFile, find_record_files
from spatial_engine.utils.questions.records import write_jsonl
from spatial_engine.utils.questions.tasks import BENCHMARKS, MULTISPA
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import provenance

# Questions of each subtask, as published; where evaluation files hold fewer, all of them.
SAMPLES_PER_SUBTASK = 300
# Of --debias: into so many parts scenes are divided, so many times at most; candidates of each
# subtask that are considered, about ten for each question.
FOLDS = 5
ROUNDS = 30
MAX_CANDIDATES = 5000

DEBIAS_TABLE = "debias.json"


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse_args(argv)
    constants = dict(args.constants)
    if not args.debias:
        constants = {"SAMPLES_PER_SUBTASK": args.samples_per_subtask}
    seed = {"seed": args.seed} if args.debias else {}
    step = Step("make_benchmark", args, constants | seed, __file__)
    datasets = args.datasets_of_scenes
    found = find_record_files(args.root, ["val"], args.version, datasets)
    tasks = BENCHMARKS[args.name].tasks
    files = [file for file in found if file.task in tasks]
    if not files:
        raise MissingInputError(
            f"{args.root / FOLDERS['val']}: no records of {args.name}; run its question scripts"
        )
    training = _training_files(args.root, args.version)
    benchmark = benchmark_path(args.root, args.version, args.name)
    images, companions = benchmark.with_name("images.txt"), {}
    if args.debias:
        benchmark = benchmark.with_name(f"{args.name}_debiased.jsonl")
        images = benchmark.with_name("images_debiased.txt")
        companions = {"table": benchmark.with_name(DEBIAS_TABLE)}
    prints = (provenance.file_fingerprint(f.path, args.root) for f in [*files, *training])
    inputs = {found[0]: found for found in prints}
    step.present_scenes(
        sorted(set(provenance.read_inputs(benchmark)) - set(inputs)),
        lambda name: (args.root / name).is_file() or not name.startswith(FOLDERS["val"]),
        "files of the finished benchmark, not there any more",
    )

    def write(path: Path) -> int:
        if args.debias:
            table = path.with_name(DEBIAS_TABLE)
            records = debiased(by_task(files, args.root), constants, args.seed, table)
        else:
            records = gather(files, args.root, args.samples_per_subtask)
        written = write_jsonl(path, records)
        check_is_held_out(path, training)
        return written

    step.make_file("benchmark", benchmark, inputs, write, companions)
    made_of = {"benchmark": provenance.file_fingerprint(benchmark, args.root)}
    step.make_file("images", images, made_of, lambda path: list_images(benchmark, path, args.root))
    code = step.close()
    say_what_is_short(benchmark, tasks, args.samples_per_subtask, args.root)
    if args.debias:
        told = json.loads(companions["table"].read_bytes())
        say_what_was_done(told)
        say_where_more_come_from(told, files, args.root, args.version)
    return code


def _training_files(root: Path, version: str) -> list[RecordFile]:
    try:
        return find_record_files(root, ["train"], version)
    except MissingInputError:
        return []


def _parse_args(argv: Sequence[str] | None):
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True, seed=True)
    cli.add_benchmark_name(parser)
    text = "make a file of its own, of questions that text alone does not answer"
    parser.add_argument("--debias", action="store_true", help=text)
    cli.add_constant(
        parser, "SAMPLES_PER_SUBTASK", SAMPLES_PER_SUBTASK, "questions of each subtask", 1
    )
    cli.add_constant(parser, "FOLDS", FOLDS, "parts into which --debias divides the scenes", 2)
    cli.add_constant(parser, "ROUNDS", ROUNDS, "times that --debias does so at most", 1)
    text = "candidates of each subtask that --debias considers at most"
    cli.add_constant(parser, "MAX_CANDIDATES", MAX_CANDIDATES, text, 1)
    args = parser.parse_args(argv)
    if args.debias and args.name != MULTISPA.name:
        raise SettingsError(
            f"--debias: only multispa can be debiased; leave out --name {args.name}"
        )
    return args


if __name__ == "__main__":
    sys.exit(cli.run(main))
