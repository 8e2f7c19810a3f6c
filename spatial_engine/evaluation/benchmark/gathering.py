"""Which records a benchmark asks: of each task the first ones, data sets in turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from spatial_engine.utils.questions.record_files import RecordFile, read_records, to_uniform


def gather(files: Sequence[RecordFile], root: Path, wanted: int) -> Iterator[dict[str, Any]]:
    """The first `wanted` records of each subtask, uniform."""
    for records in by_task(files, root):
        yield from islice(records, wanted)


def by_task(files: Sequence[RecordFile], root: Path) -> Iterator[Iterator[dict[str, Any]]]:
    """All records of each subtask, uniform; several data sets take turns. Lines of a file are in
    random order already; of object perception, files of two-image sets come first."""
    found: dict[str, list[RecordFile]] = {}
    for file in files:
        found.setdefault(file.task, []).append(file)
    for mine in found.values():
        yield _of_a_task(mine, root)


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
