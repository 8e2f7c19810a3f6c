"""The tables of the page: how much there is of each task, and what was left out of it and why."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.report.gather import Group, Key
from spatial_engine.utils.paths import inputs_check_path
from spatial_engine.utils.questions.marked_images import FOLDER as PICTURES
from spatial_engine.utils.questions.tasks import FRAME_TASKS, SUBTASKS, TASKS, Task
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables import suspects
from spatial_engine.utils.tables.suspects import Suspect


@dataclass
class Row:
    """One task and split: counts, bytes on disk, reasons. `picture_bytes` are those of the folder
    of pictures beside the records, which the files of a folder share."""

    split: str
    records: int = 0
    scenes: int = 0
    images: int = 0
    shown: int = 0
    bytes: int = 0
    picture_bytes: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)  # scenes, each with its cause

    @property
    def left_out(self) -> int:
        """Records or frames that were not taken, for whatever reason."""
        return sum(self.drops.values())


@dataclass
class Overview:
    """`rows` by task; `totals` by name, for the top of the page; `suspects` of the input check."""

    rows: dict[str, list[Row]]
    totals: list[tuple[str, str]]
    suspects: Sequence[tuple[str, Suspect]] = ()  # with the ids of their scenes and clips

    @property
    def by_group(self) -> dict[str, list[str]]:
        """Tasks by their group in the training mix, both in the order of the benchmark."""
        tasks: dict[str, list[str]] = {}
        for task in self.rows:
            tasks.setdefault(TASKS[task].group, []).append(task)
        return tasks


def make_overview(groups: Mapping[Key, Group]) -> Overview:
    """Sum up groups and the provenance files beside the files they were read from."""
    rows: dict[str, list[Row]] = {}
    folders: dict[Path, int] = {}
    for (task, split), group in groups.items():
        row = Row(split, group.records, len(group.scenes), len(group.images), len(group.drawn))
        for path in group.files:
            row.bytes += path.stat().st_size
            _add_provenance(row, provenance.read_meta(path))
        for folder in sorted({path.parent / PICTURES for path in group.files}):
            if folder not in folders:
                folders[folder] = folder_bytes(folder)
            row.picture_bytes += folders[folder]
        rows.setdefault(task, []).append(row)
    paths = {path for group in groups.values() for path in group.files}
    num_bytes = sum(path.stat().st_size for path in paths) + sum(folders.values())
    return Overview(rows, _totals(groups, num_bytes))


def read_suspects(root: Path, faults: dict[str, str]) -> list[tuple[str, Suspect]]:
    """(id, suspect) of the scenes and clips that the input check named, none where it was not run.
    A report that cannot be read is added to `faults`, by file."""
    try:
        checked = suspects.read(root)
    except MissingInputError:
        return []
    except BadDataError as error:
        faults[inputs_check_path(root).name] = str(error)
        return []
    return [(i, s) for group in checked.values() for i, one in group.items() for s in one.suspects]


def _totals(groups: Mapping[Key, Group], num_bytes: int) -> list[tuple[str, str]]:
    def of(split: str) -> int:
        return sum(group.records for (_, mine), group in groups.items() if mine == split)

    scenes = set().union(*(group.scenes for group in groups.values()))
    splits = {split for _, split in groups}
    of_frames = any(task in FRAME_TASKS for task, _ in groups)
    names = {"train": "training records", "val": "evaluation records"}
    counts = [(name, f"{of(split):,}") for split, name in names.items() if split in splits]
    return [
        *(counts if len(counts) > 1 else [("records", f"{sum(map(of, splits)):,}")]),
        ("tasks", _share_of(SUBTASKS, groups)),
        *([("tasks of many frames", _share_of(FRAME_TASKS, groups))] if of_frames else []),
        ("scenes and clips", f"{len(scenes):,}"),
        ("records and pictures on disk", human_bytes(num_bytes)),
    ]


def _share_of(tasks: Mapping[str, Task], groups: Mapping[Key, Group]) -> str:
    """How many of some tasks there are."""
    return f"{len({task for task, _ in groups} & tasks.keys())} of {len(tasks)}"


def folder_bytes(folder: Path) -> int:
    """Bytes of the files below a folder; 0 where there is none."""
    return sum(
        os.lstat(os.path.join(place, name)).st_size
        for place, _, names in os.walk(folder)
        for name in names
    )


def human_bytes(number: float) -> str:
    """A number of bytes as people say it: three digits and a unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} TB"


def reasons(row: Row) -> Sequence[tuple[str, list[tuple[str, int]]]]:
    """(heading, [(reason, count)]) of what a row has to tell, most frequent first."""
    found = (("left out", row.drops), ("counted", row.notes))
    return [(heading, counts.most_common()) for heading, counts in found if counts]


def _add_provenance(row: Row, meta: Mapping[str, Any]) -> None:
    """Add what a provenance file says; it may be anyone's, so only what has the right type."""
    row.drops.update(_counts(meta.get("drops")))
    row.notes.update(_counts(meta.get("notes")))
    failed = meta.get("failed_scenes")
    if isinstance(failed, dict):
        row.failed += [f"{scene}: {cause}" for scene, cause in failed.items()]


def _counts(told: Any) -> dict[str, int]:
    if not isinstance(told, dict):
        return {}
    return {str(reason): n for reason, n in told.items() if type(n) is int and n > 0}
