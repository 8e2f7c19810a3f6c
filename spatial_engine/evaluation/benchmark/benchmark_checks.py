"""What a benchmark that is written holds: no scene that is trained on, images that are there, and
how many questions of which kind."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.questions.plain_record import from_uniform
from spatial_engine.utils.questions.record_fields import WORDINGS
from spatial_engine.utils.questions.record_files import (
    RecordFile,
    dataset_shown,
    place_of,
    places_in,
    read_uniform,
)
from spatial_engine.utils.questions.tasks import Task

log = logging.getLogger(__name__)


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


def say_what_is_short(benchmark: Path, tasks: Mapping[str, Task], wanted: int, root: Path) -> None:
    """Print the subtasks with fewer questions than requested, how many are asked in which wording,
    of three to eight frames how many about each number and, of several data sets of scenes, about
    which."""
    found: Counter[str] = Counter()
    wordings: Counter[str] = Counter()
    datasets: Counter[str] = Counter()
    frames: Counter[int] = Counter()
    for record in map(from_uniform, read_uniform(benchmark)):
        found[record["task"]] += 1
        wordings[record.get("wording", "")] += 1
        frames[len(record["image"])] += tasks[record["task"]].of_frames
        if not tasks[record["task"]].of_clips:
            datasets[dataset_shown(root, record, root / record["image"][0])] += 1
    short = [f"{task} {found[task]}" for task in tasks if found[task] < wanted]
    print(f"{len(tasks) - len(short)} of {len(tasks)} subtasks have {wanted} questions")
    if short:
        print(f"fewer: {', '.join(short)}")
    asked = [f"{wordings[wording]} {wording}" for wording in WORDINGS if wordings[wording]]
    if asked:
        print(f"wording: {', '.join(asked)}")
    if frames.total():
        shown = (f"{number} of {count}" for count, number in sorted(frames.items()))
        print(f"images: {', '.join(shown)}")
    if len(datasets) > 1:
        listed = ", ".join(f"{number} of {name}" for name, number in datasets.items())
        print(f"about scenes: {listed}")
