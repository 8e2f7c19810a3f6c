"""Reads a part of a file of records, checks each line, and keeps little of it.

A file is cut into ranges of bytes, which workers read independently: a line belongs to the range in
which it begins, and goes by its number within that range. What is only to be judged over all files
(ids, questions, images) is left in a folder: 64-bit hashes in the order of the lines, and images
by folder, each once for a range, in as many shards as there are jobs for looking at them. Each kind
and each shard has a folder of its own there: thirty million records have a thousand ranges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from spatial_engine.checks.record_contents import Contents
from spatial_engine.checks.record_lines import Record, parse, question_key
from spatial_engine.utils.questions.record_files import image_root, place_of, scene_of
from spatial_engine.utils.questions.record_rules import check_record, is_inside
from spatial_engine.utils.questions.records import MAX_LINE_BYTES
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.storage.os_errors import naming

RANGE_BYTES = 32 * 2**20  # read by a worker at a time; a trade of memory against overhead
NUM_SHARDS = 32  # of the images: jobs that look at whole folders of them
MAX_REPORTED = 10_000  # faults of one kind kept for the report, for each file
MAX_COLUMN_SETS = 1000  # sets of columns told apart in a part; a sound file has one
_TYPES = {str: "text", int: "int", float: "float", bool: "bool", dict: "object"}
KINDS = ("ids", "questions", "images")  # of hashes

Columns = tuple[tuple[str, str], ...]  # columns of a record with their types


@dataclass(frozen=True)
class FileToCheck:
    """A file to check. `task` is "" where only its records say it; `uniform` is its form."""

    number: int
    path: Path
    split: str
    task: str
    uniform: bool


@dataclass(frozen=True)
class Part:
    """A range of bytes [start, end) of a file."""

    file: FileToCheck
    root: Path
    start: int
    end: int
    folder: Path  # for what is left for later
    images: bool = True  # whether they are to be looked at

    @property
    def place(self) -> tuple[int, int]:
        """Orders parts as their lines are."""
        return self.file.number, self.start


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line, which counts from 1 within the part until parts are joined."""

    kind: str
    line: int
    id: str
    cause: str


@dataclass
class Faults:
    """Faults by kind: all are counted, the first `MAX_REPORTED` lines are kept."""

    counts: Counter[str] = field(default_factory=Counter)
    kept: dict[str, list[Fault]] = field(default_factory=dict)

    def add(self, fault: Fault) -> None:
        """Faults come in the order of their lines."""
        self.counts[fault.kind] += 1
        kept = self.kept.setdefault(fault.kind, [])
        if len(kept) < MAX_REPORTED:
            kept.append(fault)


@dataclass
class PartContents:
    """What was found in a part."""

    place: tuple[int, int]
    lines: int = 0
    images: int = 0
    faults: Faults = field(default_factory=Faults)
    contents: dict[str, Contents] = field(default_factory=dict)
    # (scene or clip, its place of `place_of`, whether of ScanNet) -> first line, its id
    scenes: dict[tuple[str, str, bool], tuple[int, str]] = field(default_factory=dict)
    columns: dict[Columns, tuple[int, int, str]] = field(default_factory=dict)  # count, line, id


def parts_of(file: FileToCheck, root: Path, folder: Path, images: bool) -> list[Part]:
    """The ranges that a file is read in; none where it is empty."""
    size = file.path.stat().st_size
    return [
        Part(file, root, start, min(start + RANGE_BYTES, size), folder, images)
        for start in range(0, size, RANGE_BYTES)
    ]


def lines_of(part: Part) -> Iterator[bytes]:
    """Lines that begin in the part; of one that is too long only the beginning."""
    with naming(part.file.path), open(part.file.path, "rb") as file:
        read = partial(file.readline, MAX_LINE_BYTES + 1)
        if part.start:
            file.seek(part.start - 1)
            _skip_line(read)
        while file.tell() < part.end and (line := read()):
            if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
                _skip_line(read)
            yield line


def _skip_line(read: partial) -> None:
    while (rest := read()) and not rest.endswith(b"\n"):
        pass


def scan(part: Part) -> PartContents:
    """Check every line of a part; leaves hashes and images in the part's folder."""
    found = PartContents(part.place)
    ids: list[int] = []
    questions: list[int] = []
    images: dict[tuple[str, int, int], tuple[int, str]] = {}
    prefixes = _prefixes(part)
    for line in lines_of(part):
        found.lines += 1
        record, faults = _check_line(line, part)
        record_id = record.get("id")
        named = isinstance(record_id, str)
        shown = record_id if named else ""
        for kind, cause in faults:
            found.faults.add(Fault(kind, found.lines, shown, cause))
        kinds = {kind for kind, _ in faults}
        ids.append(short_hash(record_id.encode()) if named else 0)
        usable = record and not kinds & {"field", "task", "json"}
        questions.append(short_hash(question_key(record)) if usable else 0)
        if not usable:
            continue
        _note_images(record, found, images, prefixes, shown)
        if not faults:
            found.contents.setdefault(record["task"], Contents()).add(record)
            columns = columns_of(orjson.loads(line)) if part.file.uniform else columns_of(record)
            if columns not in found.columns and len(found.columns) == MAX_COLUMN_SETS:
                continue
            count, first, first_id = found.columns.get(columns, (0, found.lines, shown))
            found.columns[columns] = (count + 1, first, first_id)
    paths = [short_hash(path.encode()) for path in {path for path, _, _ in images}]
    for kind, numbers in zip(KINDS, (ids, questions, paths), strict=True):
        np.save(hash_path(part.folder, part.place, kind), np.array(numbers, np.uint64))
    if part.images:
        _write_images(part, images)
    return found


def _check_line(line: bytes, part: Part) -> tuple[Record, list[tuple[str, str]]]:
    if len(line) > MAX_LINE_BYTES:
        return {}, [("json", f"longer than {MAX_LINE_BYTES >> 20} MiB")]
    record, faults = parse(line)
    if record:
        faults = faults + check_record(record, part.file.split, part.file.task)
    elif not faults:
        faults = [("field", "an empty record")]
    return record, faults


def _prefixes(part: Part) -> dict[str, str]:
    """What the image paths of each task begin with."""
    root = part.root
    return {
        task: f"{root if part.file.uniform else image_root(root, task, part.file.path)}/"
        for task in TASKS
    }


def _note_images(
    record: Record,
    found: PartContents,
    images: dict[tuple[str, int, int], tuple[int, str]],
    prefixes: dict[str, str],
    record_id: str,
) -> None:
    task = record["task"]
    widths, heights = record["width_list"], record["height_list"]
    names = record["image"]
    found.images += len(names)
    if not len(widths) == len(heights) == len(names):
        widths = heights = [0] * len(names)  # not told
    for name, width, height in zip(names, widths, heights, strict=True):
        if is_inside(name):
            first = (found.lines, record_id)
            images.setdefault((prefixes[task] + name, width, height), first)
            of_scannet = not TASKS[task].of_clips
            found.scenes.setdefault((scene_of(name), place_of(task, name), of_scannet), first)


def _write_images(part: Part, images: dict[tuple[str, int, int], tuple[int, str]]) -> None:
    """Write the images of a part to a file for each shard; a part that is processed again writes
    the same."""
    shards: dict[int, list[bytes]] = {}
    for (path, width, height), (line, record_id) in images.items():
        folder, name = path.rsplit("/", 1)
        entry = (folder, name, width, height, *part.place, line, record_id)
        shards.setdefault(short_hash(folder.encode()) % NUM_SHARDS, []).append(orjson.dumps(entry))
    for number, entries in shards.items():
        path = shard_folder(part.folder, number) / f"{part.place[0]}_{part.place[1]}.jsonl"
        path.write_bytes(b"\n".join([*entries, b""]))


def columns_of(record: Record) -> Columns:
    """Columns and their types as loaders infer them; null fits any type."""
    return tuple((name, _type_of(value)) for name, value in record.items() if value is not None)


def _type_of(value: Any) -> str:
    return _TYPES.get(type(value)) or _type_of_list(frozenset(map(type, value)))


@cache
def _type_of_list(types: frozenset[type]) -> str:
    """The type of a list by those of its entries, of which there are few; null fits any."""
    kinds = sorted({_TYPES.get(kind, "list") for kind in types - {type(None)}})
    return f"list of {' and '.join(kinds)}" if kinds else "list"


def hash_path(folder: Path, place: tuple[int, int], kind: str) -> Path:
    """Where the hashes of a part are."""
    return folder / kind / f"{place[0]}_{place[1]}.npy"


def shard_folder(folder: Path, number: int) -> Path:
    """Where the images of a shard are listed, a file for each part."""
    return folder / f"shard_{number}"


def make_folders(folder: Path) -> None:
    """The folders that parts write to, in `folder`."""
    for path in (
        *map(folder.joinpath, KINDS),
        *(shard_folder(folder, n) for n in range(NUM_SHARDS)),
    ):
        path.mkdir(exist_ok=True)


def short_hash(data: bytes) -> int:
    """64 bits, the same in every process; 0 is kept for "none"."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little") or 1
