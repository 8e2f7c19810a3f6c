"""Reads files of records once: counts them, sums up their answers and points, draws some.

What is kept of a file is small, however long it is: counts, one number for each record, and the
drawn records.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.report import record_view
from spatial_engine.report.boxes import ObjectBox
from spatial_engine.report.spread import Workers, spread
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.questions.plain_record import from_uniform, is_uniform
from spatial_engine.utils.questions.record_fields import MAX_COORDINATE
from spatial_engine.utils.questions.record_files import RecordFile, image_root, scene_of
from spatial_engine.utils.questions.record_rules import check_readable
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.questions.tasks import (
    LETTER,
    NAMED_POINT,
    NUMBER,
    TASKS,
    VECTOR,
    WORD,
)

GRID = (40, 32)  # cells of a heat map, over width and height
OVERLAP_BINS = 100  # one percent each
Key = tuple[str, str]  # task, split


@dataclass(frozen=True)
class Drawn:
    """A record that is shown, in the engine's own form; its images are relative to `image_root`.
    The records of a task and split are in the order of `rank`, which is random. `box` is that of
    the object asked about, where it is known."""

    rank: float
    record: dict[str, Any]
    split: str
    image_root: Path
    box: ObjectBox | None = None

    @property
    def image_paths(self) -> list[Path]:
        """Where its images are."""
        return [self.image_root / name for name in self.record["image"]]

    @property
    def facts(self) -> list[str]:
        """What helps to judge the label."""
        return record_view.facts_of(self.record) + (self.box.facts if self.box else [])

    @property
    def warnings(self) -> list[str]:
        """What the check of records finds wrong with it, and where it contradicts the box."""
        found = record_view.warnings_of(self.record, self.split)
        return found + (self.box.contradictions if self.box else [])


@dataclass
class Group:
    """What the records of one task and split hold, summed up.

    `words` counts words and letters, `values` are numbers or lengths of vectors, one a record;
    `asked` and `answered` (GRID) count points, where the right one of two named points is both,
    `overlaps` (OVERLAP_BINS) pairs of images.
    """

    records: int = 0
    scenes: set[str] = field(default_factory=set)
    images: set[str] = field(default_factory=set)
    words: Counter[str] = field(default_factory=Counter)
    values: array = field(default_factory=lambda: array("d"))
    asked: np.ndarray = field(default_factory=lambda: np.zeros(GRID, np.int64))
    answered: np.ndarray = field(default_factory=lambda: np.zeros(GRID, np.int64))
    overlaps: np.ndarray = field(default_factory=lambda: np.zeros(OVERLAP_BINS, np.int64))
    drawn: list[Drawn] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def add(self, record: dict[str, Any]) -> None:
        """Count one record that can be shown (`check_readable`)."""
        marks = record_view.marks_of(record)
        self.records += 1
        self.images.update(record["image"])
        self.scenes |= _scenes_of(record)
        task = TASKS[record["task"]]
        for mark in marks:
            scale = MAX_COORDINATE + 1
            cell = mark.x * GRID[0] // scale, mark.y * GRID[1] // scale
            self.asked[cell] += mark.kind == record_view.ASKED or (
                task.num_points > 1 and mark.label != ""
            )
            self.answered[cell] += mark.kind in (record_view.ANSWERED, record_view.MATCH)
        overlap = record.get("overlap")
        if isinstance(overlap, float | int) and 0 <= overlap <= 100:
            self.overlaps[min(int(overlap), OVERLAP_BINS - 1)] += 1
        value, form = record["gt_value"], task.answer
        if form in (WORD, LETTER):
            self.words[value] += 1
        elif form == NUMBER:
            self.values.append(value)
        elif form == VECTOR:
            self.values.append(math.hypot(*value))
        elif form == NAMED_POINT:
            self.words[_place_of_answer(marks)] += 1

    def merge(self, other: Group) -> None:
        """Add what another file holds."""
        self.records += other.records
        self.scenes |= other.scenes
        self.images |= other.images
        self.words += other.words
        self.values += other.values
        self.asked += other.asked
        self.answered += other.answered
        self.overlaps += other.overlaps
        self.drawn += other.drawn
        self.files += other.files


@dataclass(frozen=True)
class Wanted:
    """What is wanted of every file: so many records drawn, of these scenes only (None: of all)."""

    root: Path
    seed: int
    at_most: int
    scenes: frozenset[str] | None = None


@dataclass
class FileSummary:
    """What one file holds by task and split; `fault` says what is wrong with it, if anything."""

    groups: dict[Key, Group]
    fault: str = ""


def gather(
    sources: Sequence[RecordFile | Path], wanted: Wanted, workers: Workers
) -> tuple[dict[Key, Group], dict[str, str]]:
    """Read all files, found ones or given ones; return groups by task and split, in the order of
    the benchmark, and faults by file."""
    summaries = spread(partial(_summarize, wanted), sources, workers, "reading", "file")
    groups: dict[Key, Group] = {}
    faults: dict[str, str] = {}
    for source, summary in zip(sources, summaries, strict=True):
        if summary.fault:
            faults[str(_path_of(source))] = summary.fault
        for key, group in summary.groups.items():
            groups.setdefault(key, Group()).merge(group)
    for group in groups.values():
        group.drawn = sorted(group.drawn, key=lambda drawn: drawn.rank)[: wanted.at_most]
    order = [(task, split) for task in TASKS for split in ("train", "val")]
    return {key: groups[key] for key in order if key in groups}, faults


def _summarize(wanted: Wanted, source: RecordFile | Path) -> FileSummary:
    """Read one file."""
    path = _path_of(source)
    summary = FileSummary({})
    if isinstance(source, RecordFile):  # in the table even where it holds nothing
        summary.groups[source.task, source.split] = Group(files=[path])
    draws = {key: _Draw(wanted, key, path.name) for key in summary.groups}
    bad, first = 0, ""
    try:
        for line, (key, record, folder) in enumerate(_records(source, wanted.root), 1):
            causes = [cause for _, cause in check_readable(record)]
            if not causes and record["task"] != key[0]:
                causes = [f"task is not {key[0]}"]
            if causes:
                bad += 1
                first = first or f"line {line}: {causes[0]}"
                continue
            if key not in summary.groups:
                summary.groups[key] = Group(files=[path])
                draws[key] = _Draw(wanted, key, path.name)
            if wanted.scenes is None or not wanted.scenes.isdisjoint(_scenes_of(record)):
                summary.groups[key].add(record)
                draws[key].offer(record, folder)
    except BadDataError as error:
        summary.fault = f"{error}; the rest of it was not read"
    if bad:
        told = f"{bad:,} records are damaged and were left out ({first})"
        summary.fault = f"{told}; {summary.fault}" if summary.fault else told
    for key, draw in draws.items():
        summary.groups[key].drawn = draw.taken()
    return summary


class _Draw:
    """A uniform draw without replacement from records that come one by one. It depends on the
    name of the file, not on which other files are read."""

    def __init__(self, wanted: Wanted, key: Key, name: str):
        self._split = key[1]
        self._rng = sampling.generator(wanted.seed, "report", *key, name)
        self._at_most = wanted.at_most
        self._heap: list[tuple[float, int, Drawn]] = []  # the largest rank first
        self._offered = 0

    def offer(self, record: dict[str, Any], folder: Path) -> None:
        rank = float(self._rng.random())
        self._offered += 1
        if len(self._heap) == self._at_most and (not self._heap or rank >= -self._heap[0][0]):
            return
        entry = (-rank, self._offered, Drawn(rank, record, self._split, folder))
        if len(self._heap) < self._at_most:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heapreplace(self._heap, entry)

    def taken(self) -> list[Drawn]:
        return [drawn for _, _, drawn in self._heap]


def _records(source: RecordFile | Path, root: Path) -> Iterator[tuple[Key, dict[str, Any], Path]]:
    """Records of a file in the engine's own form, each with its task and split and the folder that
    its images are relative to."""
    if isinstance(source, RecordFile):
        for record in read_jsonl(source.path):
            yield (source.task, source.split), record, source.image_root
        return
    for number, record in enumerate(read_jsonl(source), 1):
        try:
            plain = from_uniform(record)
        except (ValueError, KeyError, TypeError) as error:
            raise BadDataError(f"{source}:{number}: not in uniform form ({error})") from None
        task = str(plain.get("task"))
        own = task in TASKS and not is_uniform(record)
        folder = image_root(root, task, source) if own else root
        yield (task, record_view.split_of(plain)), plain, folder


def _path_of(source: RecordFile | Path) -> Path:
    return source if isinstance(source, Path) else source.path


def _scenes_of(record: dict[str, Any]) -> set[str]:
    return {scene_of(name) for name in record["image"]}


def _place_of_answer(marks: Sequence[record_view.Mark]) -> str:
    """Which of the named points is the answer, in the order of the question."""
    kinds = [mark.kind for mark in marks]
    places = ("first named", "second named")
    found = [place for place, kind in zip(places, kinds, strict=False) if kind != record_view.ASKED]
    return found[0] if found else "neither"
