"""What a check found, joined over the parts of all files, and faults that only all files together
show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatial_engine.checks.image_checks import ImageFault
from spatial_engine.checks.record_contents import Contents
from spatial_engine.checks.record_scan import (
    MAX_REPORTED,
    Columns,
    Fault,
    FileToCheck,
    Part,
    PartContents,
)
from spatial_engine.checks.repeated_records import KINDS, Text, pair_up, sorted_hashes

Place = tuple[int, int]  # file, start of the part
Scene = tuple[str, str, bool]  # scene or clip, what must not be shared of it, whether of ScanNet
_ROOM = re.compile(r"(scene\d{4})_\d{2}")


@dataclass
class FileFindings:
    """What was found in a file; lines count from 1 within it."""

    file: FileToCheck
    name: str  # as shown: relative to the root where it is below it
    records: int = 0
    images: int = 0
    distinct_images: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # faults by kind
    faults: list[Fault] = field(default_factory=list)  # the first of each kind
    contents: dict[str, Contents] = field(default_factory=dict)
    scenes: dict[Scene, tuple[int, str]] = field(default_factory=dict)
    columns: dict[Columns, tuple[int, int, str]] = field(default_factory=dict)

    def add(self, faults: Iterable[Fault]) -> None:
        """Take in faults, in any order."""
        faults = list(faults)
        self.add_counted(Counter(fault.kind for fault in faults), faults)

    def add_counted(self, counts: Mapping[str, int], kept: Iterable[Fault]) -> None:
        """Take in so many faults by kind, of which the first of each kind are given."""
        self.counts.update(counts)
        self.faults += kept
        if len(self.faults) > 2 * MAX_REPORTED * len(self.counts):
            self.settle()

    def settle(self) -> None:
        """Sort the faults by kind and line; leave out what the report has no room for."""
        kept: Counter[str] = Counter()
        faults, self.faults = sorted(self.faults, key=lambda f: (f.kind, f.line, f.cause)), []
        for fault in faults:
            kept[fault.kind] += 1
            if kept[fault.kind] <= MAX_REPORTED:
                self.faults.append(fault)


class Findings:
    """Everything found, by file. `parts` come in the order of `Part.place`."""

    def __init__(self, root: Path, files: Sequence[FileToCheck], parts: Sequence[Part]):
        self.files = [FileFindings(file, _shown_name(file.path, root)) for file in files]
        self.parts = parts
        self.notes: list[str] = []
        self.images_seen = self.images_decoded = 0
        self._before: dict[Place, int] = {}  # lines of the file before the part

    def join(self, part: Part, found: PartContents) -> None:
        """Join what was found in a part; parts of a file come in their order."""
        file = self.files[part.file.number]
        before = self._before[part.place] = file.records
        file.records += found.lines
        file.images += found.images
        file.add_counted(found.faults.counts, (
            Fault(fault.kind, fault.line + before, fault.id, fault.cause)
            for kept in found.faults.kept.values() for fault in kept
        ))  # fmt: skip
        for task, contents in found.contents.items():
            file.contents.setdefault(task, Contents()).join(contents)
        for scene, (line, record_id) in found.scenes.items():
            file.scenes.setdefault(scene, (line + before, record_id))
        for columns, (count, line, record_id) in found.columns.items():
            known, *first = file.columns.get(columns, (0, line + before, record_id))
            file.columns[columns] = (known + count, *first)

    def settle(self) -> None:
        """What only all parts of a file show."""
        for file in self.files:
            file.add(_odd_columns(file.columns))
            if not file.records:
                file.add([Fault("empty", 1, "", "no records")])
            parts = [part for part in self.parts if part.file is file.file]
            paths = sorted_hashes(parts, "images")
            file.distinct_images = bool(len(paths)) + int((paths[1:] != paths[:-1]).sum())

    def add_repeated(self, texts: dict[Place, dict[str, list[Text]]]) -> None:
        """Ids and questions of files that are to be compared with each other."""
        for kind in KINDS:
            of_kind = ((p, text) for p in sorted(texts) for text in texts[p].get(kind, ()))
            for place, text, first_place, first in pair_up(of_kind):
                where = f"{self._name(first_place)}:{self._line(first_place, first.line)}"
                is_id = kind == "ids"
                fault = "duplicate id" if is_id else "duplicate question"
                cause = (
                    f"{where} has the same id" if is_id else f"{where} asks the same ({first.id})"
                )
                line = self._line(place, text.line)
                self.files[place[0]].add([Fault(fault, line, text.id, cause)])

    def add_images(self, faults: Iterable[ImageFault]) -> None:
        """What is wrong with images."""
        for fault in faults:
            number, start, line, record_id = fault.place
            line = self._line((number, start), line)
            self.files[number].add([Fault(fault.kind, line, record_id, fault.cause)])

    def add_leaks(self) -> None:
        """Scenes and recordings of evaluation files that training files show, too.

        Two scans of one room are two scenes; that the lists of the splits part them is noted.
        """
        trained: dict[str, str] = {}
        rooms: dict[str, str] = {}
        for file in self.files:
            for (scene, place, of_scannet), (line, _) in file.scenes.items():
                if file.file.split == "train":
                    for name in (scene, place):
                        trained.setdefault(name, f"{file.name}:{line}")
                    if of_scannet and (room := _ROOM.fullmatch(scene)):
                        rooms.setdefault(room[1], scene)
        shared_rooms: dict[str, str] = {}
        for file in self.files:
            for (scene, place, _), (line, record_id) in file.scenes.items():
                if file.file.split == "train":
                    continue
                name = place if place in trained else scene
                if name in trained:
                    cause = f"{name} is in training data too ({trained[name]})"
                    file.add([Fault("leak", line, record_id, cause)])
                elif (room := _ROOM.fullmatch(scene)) and room[1] in rooms:
                    shared_rooms.setdefault(room[1], scene)
        for room, scene in sorted(shared_rooms.items()):
            self.notes.append(
                f"{rooms[room]} (training) and {scene} (evaluation) are scans of one room"
            )

    def as_json(self) -> dict[str, Any]:
        """The report."""
        return {
            "faults": sum(sum(file.counts.values()) for file in self.files),
            "files": [_file_json(file) for file in self.files],
            "images": {"looked_at": self.images_seen, "decoded": self.images_decoded},
            "notes": self.notes,
        }

    def _name(self, place: Place) -> str:
        return self.files[place[0]].name

    def _line(self, place: Place, line: int) -> int:
        return line + self._before[place]


def _file_json(file: FileFindings) -> dict[str, Any]:
    faults: dict[str, Any] = {
        kind: {"count": count, "lines": []} for kind, count in sorted(file.counts.items())
    }
    for fault in file.faults:
        line = {"line": fault.line, "id": fault.id, "cause": fault.cause}
        faults[fault.kind]["lines"].append(line)
    return {
        "path": file.name,
        "split": file.file.split,
        "form": "uniform" if file.file.uniform else "native",
        "records": file.records,
        "scenes": len(file.scenes),
        "images": file.images,
        "distinct_images": file.distinct_images,
        "contents": {task: c.as_json() for task, c in sorted(file.contents.items())},
        "faults": faults,
    }


def _odd_columns(found: dict[Columns, tuple[int, int, str]]) -> Iterator[Fault]:
    """Columns, or their types, that differ from those of most records: loaders infer both from the
    beginning of a file."""
    if len(found) < 2:
        return
    usual = dict(min(found, key=lambda columns: (-found[columns][0], found[columns][1])))
    for columns, (count, line, record_id) in found.items():
        columns = dict(columns)
        if columns == usual:
            continue
        differences = [
            f"{name} is {columns.get(name, 'absent')}, {usual.get(name, 'absent')} in most records"
            for name in sorted(columns.keys() | usual.keys())
            if columns.get(name) != usual.get(name)
        ]
        more = f" (so in {count:,} records)" if count > 1 else ""
        yield Fault("column", line, record_id, f"{'; '.join(differences[:3])}{more}")


def _shown_name(path: Path, root: Path) -> str:
    path, root = path.absolute(), root.absolute()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
