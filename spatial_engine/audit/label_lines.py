"""Which lines of a file are to be checked, and of which scene or clip each is.

Reads a jsonl file from front to back, once, or twice where a sample is drawn, a line at a time. Of
each line that is to be checked some 30 bytes are kept: a file of three million lines takes 100 MB.
"""

from __future__ import annotations

import hashlib
import random
from array import array
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from spatial_engine.audit.captures.opened import scene_datasets
from spatial_engine.audit.label_complaints import Complaints
from spatial_engine.audit.label_records import (
    LabelFile,
    Question,
    canonical,
    question_of,
    read_record,
)
from spatial_engine.audit.oracles.movement import is_held_out
from spatial_engine.audit.oracles.object_size import check_object_name
from spatial_engine.audit.raw.ids import DATASETS, read_clip_list, read_split_list
from spatial_engine.audit.raw.limits import RawDataError

MAX_LINE_BYTES = 16 * 2**20  # a record takes a few kB; memory is not given to what is none

Place = tuple[str, str]  # data set of scenes, or set of clips; scene or clip


class Lines(NamedTuple):
    """Lines of a file: their numbers from 1 and first bytes, (n,) int64 each, ascending."""

    numbers: np.ndarray
    starts: np.ndarray


class Index(NamedTuple):
    """What a file holds. records: its lines; drawn: those to be checked; of_place: where they are;
    complaints: what is wrong with lines, between them or with the file, without a look at the raw
    data."""

    records: int
    drawn: int
    of_place: dict[Place, Lines]
    complaints: Complaints


def ids_of_split(root: Path, split: str) -> dict[str, frozenset[str] | str]:
    """{data set or set of clips: its scenes or clips, or why there is no list of them}."""
    readers = {name: partial(read_split_list, root, split, name) for name in scene_datasets(root)}
    readers |= {dataset: partial(read_clip_list, root, dataset, split) for dataset in DATASETS}
    found: dict[str, frozenset[str] | str] = {}
    for source, read in readers.items():
        try:
            found[source] = frozenset(read())
        except RawDataError as err:  # no fault where no record needs it
            found[source] = str(err)
    return found


def index_file(
    file: LabelFile,
    root: Path,
    sample: int,
    seed: int,
    listed: dict[str, frozenset[str] | str],
    datasets: frozenset[str] | None = None,
) -> Index:
    """Look through a file.

    sample: lines to draw uniformly, -1 = all, which also finds duplicates.
    datasets: those whose records are checked, None for all.
    listed: `ids_of_split` of the file; a text there is raised as `RawDataError` when it is needed.
    """
    with open(file.path, "rb") as f:
        records = sum(1 for _ in read_lines(f))
        numbers = _drawn(records, sample, f"{seed} {file.name}")
        f.seek(0)
        return _look_through(f, file, root, records, numbers, listed, datasets)


def read_lines(f: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """(number from 1, first byte, line); of a line that is too long a piece that is too long."""
    number = start = 0
    while line := f.readline(MAX_LINE_BYTES + 1):
        number += 1
        yield number, start, line
        start += len(line)
        while len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = f.readline(MAX_LINE_BYTES + 1)
            start += len(line)


def _drawn(records: int, sample: int, seed: str) -> set[int] | None:
    """Numbers of the lines to be checked, None for all."""
    if not 0 <= sample < records:
        return None
    return set(random.Random(seed).sample(range(1, records + 1), sample))


def _look_through(
    f: BinaryIO,
    file: LabelFile,
    root: Path,
    records: int,
    numbers: set[int] | None,
    listed: dict[str, frozenset[str] | str],
    datasets: frozenset[str] | None,
) -> Index:
    complaints = Complaints()
    places: dict[Place, tuple[array, array]] = {}
    ids, questions = _Seen(), _Seen()
    drawn = 0
    for number, start, line in read_lines(f):
        if numbers is not None and number not in numbers:
            continue
        drawn += 1
        if len(line) > MAX_LINE_BYTES:
            complaints.add(number, f"line: over {MAX_LINE_BYTES >> 20} MiB, too long")
            continue
        read = read_record(line, file, root)
        if isinstance(read, str):
            complaints.add(number, read)
            continue
        record, images = read
        question = question_of(record, file, images)
        if isinstance(question, str):
            complaints.add(number, question, record)
            continue
        if datasets is not None and question.source not in datasets:
            drawn -= 1
            continue
        wrong = _check_place(question, file.split, listed)
        if wrong:
            complaints.add(number, wrong, record)
        of_place = places.setdefault((question.source, question.place), (array("q"), array("q")))
        of_place[0].append(number)
        of_place[1].append(start)
        if isinstance(record.get("id"), str):
            ids.add(record["id"], number, start)
        if question.asked is not None:
            key = record["task"], question.source, question.place, question.asked
            questions.add(canonical(key), number, start)
    for number, text, record in _check_twice(f, file, root, ids, questions):
        complaints.add(number, text, record)
    complaints.add_of_file(_check_whole(file, records))
    of_place = {
        place: Lines(*(np.frombuffer(column, np.int64) for column in columns))
        for place, columns in places.items()
    }
    return Index(records, drawn, of_place, complaints)


def _check_whole(file: LabelFile, records: int) -> list[str]:
    """What is wrong with a file of so many records, not with a line."""
    if not records:
        return ["no records"]
    if file.path.name.startswith("object_perception_"):
        return check_object_name(file.path, records)
    return []


def _check_place(question: Question, split: str, listed: dict[str, frozenset[str] | str]) -> str:
    """Complaint about a scene or clip that is not of the split, or ""."""
    what = "clip" if question.source in DATASETS else "scene"
    of_split = listed.get(question.source, f"{question.source}: no such data set")
    if isinstance(of_split, str):
        raise RawDataError(of_split)
    if question.place not in of_split:
        return f"image: {what} {question.place} is not in split {split}"
    held_out = what == "clip" and is_held_out(question.source, question.place)
    if split == "train" and held_out:
        return f"image: clip {question.place} is of a held-out activity"
    return ""


# ---- what stands there twice ---------------------------------------------------------------------


class _Seen:
    """Texts of lines, eight bytes of each; the few that agree in those are looked at again."""

    def __init__(self) -> None:
        self._hashes, self._numbers, self._starts = array("Q"), array("q"), array("q")

    def add(self, text: str, number: int, start: int) -> None:
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self._hashes.append(int.from_bytes(digest, "little"))
        self._numbers.append(number)
        self._starts.append(start)

    def twice(self) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """(number, first byte) of a line and of the first one with the same eight bytes."""
        hashes = np.frombuffer(self._hashes, np.uint64)
        order = np.argsort(hashes, kind="stable")
        same = np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]])
        first: dict[int, int] = {}  # place in the order: that of the first of its equals
        for k in same.tolist():
            first[k + 1] = first.get(k, k)
            one, other = int(order[first[k + 1]]), int(order[k + 1])
            yield (
                (self._numbers[other], self._starts[other]),
                (self._numbers[one], self._starts[one]),
            )


def _check_twice(
    f: BinaryIO, file: LabelFile, root: Path, ids: _Seen, questions: _Seen
) -> Iterator[tuple[int, str, dict]]:
    """(line, complaint, record) of each id and each question that was there before."""

    def read(start: int) -> tuple[dict, Path | None]:
        f.seek(start)
        return read_record(f.readline(), file, root)

    for (number, start), (first, first_start) in ids.twice():
        record, _ = read(start)
        if record.get("id") == read(first_start)[0].get("id"):
            yield number, f"id: is that of line {first} too", record
    for (number, start), (first, first_start) in questions.twice():
        (record, images), (other, of_other) = read(start), read(first_start)
        question = question_of(record, file, images)
        if record["task"] == other["task"] and question == question_of(other, file, of_other):
            yield number, question.again.format(first), record
