"""The MultiSPA benchmark: 26 subtasks x 300 questions in one file of one schema.

Reads  every file of records in evaluation_data/ and, to make sure that no scene or recording is
       trained on, in training_data/.
Writes evaluation_data/multispa/v1_0/multispa.jsonl, which `datasets.load_dataset("json")` reads;
       images.txt beside it, the images it needs, relative to --root.
Costs  the time to read all records once.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.paths import FOLDERS, benchmark_path
from spatial_engine.utils.questions.plain_record import from_uniform
from spatial_engine.utils.questions.record_fields import WORDINGS
from spatial_engine.utils.questions.record_files import (
    RecordFile,
    dataset_shown,
    find_record_files,
    place_of,
    places_in,
    read_records,
    read_uniform,
    to_uniform,
)
from spatial_engine.utils.questions.records import write_jsonl
from spatial_engine.utils.questions.tasks import SUBTASKS
from spatial_engine.utils.running import cli, provenance
from spatial_engine.utils.running.step import Step

log = logging.getLogger(__name__)

# Questions of each subtask, as published; where evaluation files hold fewer, all of them.
SAMPLES_PER_SUBTASK = 300


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse_args(argv)
    step = Step("make_benchmark", args, {"SAMPLES_PER_SUBTASK": args.samples_per_subtask}, __file__)
    datasets = args.datasets_of_scenes
    found = find_record_files(args.root, ["val"], args.version, datasets)
    files = [file for file in found if file.task in SUBTASKS]
    training = _training_files(args.root, args.version)
    benchmark = benchmark_path(args.root, args.version)
    images = benchmark.with_name("images.txt")
    inputs = {
        provenance.file_fingerprint(file.path, args.root)[0]: provenance.file_fingerprint(
            file.path, args.root
        )
        for file in [*files, *training]
    }
    step.present_scenes(
        sorted(set(provenance.read_inputs(benchmark)) - set(inputs)),
        lambda name: (args.root / name).is_file() or not name.startswith(FOLDERS["val"]),
        "files of the finished benchmark, not there any more",
    )

    def write(path: Path) -> int:
        written = write_jsonl(path, gather(files, args.root, args.samples_per_subtask))
        check_is_held_out(path, training)
        return written

    step.make_file("benchmark", benchmark, inputs, write)
    made_of = {"benchmark": provenance.file_fingerprint(benchmark, args.root)}
    step.make_file("images", images, made_of, lambda path: list_images(benchmark, path, args.root))
    code = step.close()
    say_what_is_short(benchmark, args.samples_per_subtask, args.root)
    return code


def gather(files: Sequence[RecordFile], root: Path, wanted: int) -> Iterator[dict[str, Any]]:
    """The first `wanted` records of each subtask, uniform; several data sets take turns. Lines of a
    file are in random order already; of object perception, files of two-image sets come first.
    """
    by_task: dict[str, list[RecordFile]] = {}
    for file in files:
        by_task.setdefault(file.task, []).append(file)
    for mine in by_task.values():
        yield from islice(_of_a_task(mine, root), wanted)


def _of_a_task(files: Sequence[RecordFile], root: Path) -> Iterator[dict[str, Any]]:
    """Records of one task, the larger sets of images of all data sets before the smaller ones."""
    ids: set[str] = set()
    for number in sorted({file.images_per_record for file in files}, reverse=True):
        by_dataset: dict[str, list[RecordFile]] = {}
        for file in files:
            if file.images_per_record == number:
                by_dataset.setdefault(file.dataset, []).append(file)
        yield from _in_turns([_distinct(mine, root, ids) for mine in by_dataset.values()])


def _distinct(files: Sequence[RecordFile], root: Path, ids: set[str]) -> Iterator[dict[str, Any]]:
    """Records of files that are not among `ids`, which grow: files of one task that were made with
    other numbers of samples can lie side by side."""
    for file in files:
        for record in read_records(file):
            if record["id"] not in ids:
                ids.add(record["id"])
                yield to_uniform(record, file, root)


def _in_turns(sources: Sequence[Iterator[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """One of each source after the other, until all are at their end."""
    for turn in zip_longest(*sources):
        yield from (record for record in turn if record is not None)


def check_is_held_out(benchmark: Path, training: Sequence[RecordFile]) -> None:
    """Raise `BadDataError` when a scene or recording of the benchmark is trained on."""
    asked = {place_of(record["task"], record["image"][0]) for record in read_uniform(benchmark)}
    for file in training:
        shared = sorted(asked & places_in(file))
        if shared:
            raise BadDataError(
                f"{file.path}: {shared[0]} ({len(shared)} in all) is in the evaluation data too; "
                "correct the split lists in data/, then make both again"
            )
    if training:
        log.info(
            "%d training files: none of %d scenes and recordings is in them",
            len(training),
            len(asked),
        )
    else:
        log.warning("no training data here: whether scenes are shared with it was not checked")


def list_images(benchmark: Path, output: Path, root: Path) -> int:
    """Write the distinct images of the benchmark, sorted; each must be there."""
    names = sorted({name for record in read_uniform(benchmark) for name in record["image"]})
    for name in names:
        if not (root / name).is_file():
            raise MissingInputError(f"{root / name}: no such image; make the questions again")
    output.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return len(names)


def say_what_is_short(benchmark: Path, wanted: int, root: Path) -> None:
    """Print the subtasks with fewer questions than requested, how many are asked in which wording
    and, of several data sets of scenes, about which."""
    found: Counter[str] = Counter()
    wordings: Counter[str] = Counter()
    datasets: Counter[str] = Counter()
    for record in map(from_uniform, read_uniform(benchmark)):
        found[record["task"]] += 1
        wordings[record.get("wording", "")] += 1
        if not SUBTASKS[record["task"]].of_clips:
            datasets[dataset_shown(root, record["task"], root / record["image"][0])] += 1
    short = [f"{task} {found[task]}" for task in SUBTASKS if found[task] < wanted]
    print(f"{len(SUBTASKS) - len(short)} of {len(SUBTASKS)} subtasks have {wanted} questions")
    if short:
        print(f"fewer: {', '.join(short)}")
    asked = [f"{wordings[wording]} {wording}" for wording in WORDINGS if wordings[wording]]
    if asked:
        print(f"wording: {', '.join(asked)}")
    if len(datasets) > 1:
        listed = ", ".join(f"{number} of {name}" for name, number in datasets.items())
        print(f"about scenes: {listed}")


def _training_files(root: Path, version: str) -> list[RecordFile]:
    try:
        return find_record_files(root, ["train"], version)
    except MissingInputError:
        return []


def _parse_args(argv: Sequence[str] | None):
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True)
    cli.add_constant(
        parser, "SAMPLES_PER_SUBTASK", SAMPLES_PER_SUBTASK, "questions of each subtask", 1
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.run(main))
