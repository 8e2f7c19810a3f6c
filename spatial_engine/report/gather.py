"""Reads files of records once: counts them, sums up their answers and points, draws some.

What is kept of a file is small, however long it is: counts, one number for each record and one for
each image, and the drawn records.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.report import record_view
from spatial_engine.report.boxes import ObjectBox
from spatial_engine.report.distinct import Distinct
from spatial_engine.report.plans.plan import Plan
from spatial_engine.report.spread import Workers, spread
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.questions.plain_record import from_uniform, is_uniform
from spatial_engine.utils.questions.record_fields import MAX_COORDINATE
from spatial_engine.utils.questions.record_files import RecordFile, image_root, scene_of
from spatial_engine.utils.questions.record_rules import check_readable
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.questions.tasks import (
    LETTER,
    LETTERS,
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
    the object asked about, or those of all objects named, where they are known; `plan` shows the
    scene from above, or says in words why there is none; "" where none is wanted. `stratum` is
    what records are drawn evenly over, if anything (`Wanted`)."""

    rank: float
    record: dict[str, Any]
    split: str
    image_root: Path
    box: ObjectBox | None = None
    plan: Plan | str = ""
    stratum: str = ""

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

    `words` counts words and letters, each letter of an answer of several, `values` are numbers or
    lengths of vectors, one a record; `counts` are records of many frames by the number of images;
    `asked` and `answered` (GRID) count points, where the right one of two named points is both,
    `overlaps` (OVERLAP_BINS) pairs of images, `strata` records (`Wanted`).
    """

    records: int = 0
    scenes: set[str] = field(default_factory=set)
    images: Distinct = field(default_factory=Distinct)
    words: Counter[str] = field(default_factory=Counter)
    values: array = field(default_factory=lambda: array("d"))
    counts: Counter[int] = field(default_factory=Counter)
    asked: np.ndarray = field(default_factory=lambda: np.zeros(GRID, np.int64))
    answered: np.ndarray = field(default_factory=lambda: np.zeros(GRID, np.int64))
    overlaps: np.ndarray = field(default_factory=lambda: np.zeros(OVERLAP_BINS, np.int64))
    strata: Counter[str] = field(default_factory=Counter)
    drawn: list[Drawn] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def add(self, record: dict[str, Any]) -> None:
        """Count one record that can be shown (`check_readable`)."""
        marks = record_view.marks_of(record)
        self.records += 1
        self.images.update(record["image"])
        self.scenes |= _scenes_of(record)
        task = TASKS[record["task"]]
        if task.of_frames:
            self.counts[len(record["image"])] += 1
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
        elif form == LETTERS:
            self.words.update(sorted(set(value.split(", "))))
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
        self.images.merge(other.images)
        self.words += other.words
        self.values += other.values
        self.counts += other.counts
        self.asked += other.asked
        self.answered += other.answered
        self.overlaps += other.overlaps
        self.strata += other.strata
        self.drawn += other.drawn
        self.files += other.files


@dataclass(frozen=True)
class Wanted:
    """What is wanted of every file: so many records drawn, of these scenes only (None: of all), as
    evenly as can be over the `strata` of their ids."""

    root: Path
    seed: int
    at_most: int
    scenes: frozenset[str] | None = None
    strata: Mapping[str, str] = field(default_factory=dict)


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
        summary.groups.clear()  # of which there is a copy now
    for group in groups.values():
        group.drawn = _even(group.drawn, wanted.at_most)
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
                stratum = wanted.strata.get(record["id"], "")
                summary.groups[key].add(record)
                summary.groups[key].strata[stratum] += 1
                draws[key].offer(record, folder, stratum)
    except BadDataError as error:
        summary.fault = f"{error}; the rest of it was not read"
    if bad:
        told = f"{bad:,} records are damaged and were left out ({first})"
        summary.fault = f"{told}; {summary.fault}" if summary.fault else told
    for key, draw in draws.items():
        summary.groups[key].drawn = draw.taken()
    return summary


class _Draw:
    """A uniform draw without replacement from the records of each stratum, which come one by one.
    It depends on the name of the file, not on which other files are read."""

    def __init__(self, wanted: Wanted, key: Key, name: str):
        self._split = key[1]
        self._rng = sampling.generator(wanted.seed, "report", *key, name)
        self._at_most = wanted.at_most
        self._heaps: dict[str, list[tuple[float, int, Drawn]]] = {}  # the largest rank first
        self._offered = 0

    def offer(self, record: dict[str, Any], folder: Path, stratum: str) -> None:
        rank = float(self._rng.random())
        self._offered += 1
        heap = self._heaps.setdefault(stratum, [])
        if len(heap) == self._at_most and (not heap or rank >= -heap[0][0]):
            return
        drawn = Drawn(rank, record, self._split, folder, stratum=stratum)
        entry = (-rank, self._offered, drawn)
        if len(heap) < self._at_most:
            heapq.heappush(heap, entry)
        else:
            heapq.heapreplace(heap, entry)

    def taken(self) -> list[Drawn]:
        return [drawn for heap in self._heaps.values() for _, _, drawn in heap]


def _even(drawn: Sequence[Drawn], at_most: int) -> list[Drawn]:
    """At most so many, those of the lowest ranks, as evenly over the strata as can be."""
    before: Counter[str] = Counter()
    turns = []
    for one in sorted(drawn, key=lambda one: one.rank):
        turns.append((before[one.stratum], one.rank, one))
        before[one.stratum] += 1
    taken = sorted(turns, key=lambda turn: turn[:2])[:at_most]
    return sorted((one for *_, one in taken), key=lambda one: one.rank)


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
