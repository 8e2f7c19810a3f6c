"""The training mix: how many records of each file, as the trainer's meta json (SPEC 11).

The proportions are those of the full set. InternVL takes the first part of a file for
`repeat_time` below 1 and repeats a whole file for a whole number, so a file that is wanted two and
a half times makes two entries (docs/training.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spatial_engine.utils.paths import SCANNET
from spatial_engine.utils.questions.tasks import TASKS

TOTAL = 3_000_000  # records of the mix, as published

# Records of the full set by group, in the paper's table; they give the proportions.
GROUP_RECORDS = {
    "depth": 1_600_000,
    "correspondence": 1_500_000,
    "camera orientation": 4_000_000,
    "camera translation": 9_000_000,
    "object movement": 13_000_000,
    "object perception": 1_500_000,
}
TILES = 6  # of each image; the trainer divides max_dynamic_patch by the images of a record


@dataclass(frozen=True)
class MixFile:
    """A file to draw from; paths as in the meta json. `uniform`: the name of its uniform file."""

    task: str
    annotation: str
    image_root: str
    length: int
    num_images: int
    uniform: str
    dataset: str = SCANNET

    @property
    def name(self) -> str:
        """What its entry is called: the task, and before it a data set other than ScanNet."""
        return self.task if self.dataset == SCANNET else f"{self.dataset}_{self.task}"


@dataclass(frozen=True)
class Mix:
    """Records wanted of each file, in the order of the files, and their share of what was asked
    for (below 1 where a group is too small to keep the proportions)."""

    wanted: list[int]
    scale: float
    short: str  # the group that limits; empty where none does


def plan_mix(files: Sequence[MixFile], total: int, max_repeat: int = 1) -> Mix:
    """How many records of each file make `total` in the proportions of the full set.

    Within a group files count by their length. Groups without any file are left out. Where a
    group cannot give its part, even if each record is used `max_repeat` times, the whole mix is
    made smaller, so that the proportions stay.
    """
    there: dict[str, int] = dict.fromkeys(GROUP_RECORDS, 0)
    for file in files:
        there[TASKS[file.task].group] += file.length
    there = {group: length for group, length in there.items() if length}
    whole = sum(GROUP_RECORDS[group] for group in there)
    asked = {group: total * GROUP_RECORDS[group] / whole for group in there}
    scales = {group: max_repeat * there[group] / asked[group] for group in there}
    short = min(scales, key=scales.get)
    scale = min(scales[short], 1.0)
    wanted = [
        scale * asked[group] * file.length / there[group]
        for file in files
        for group in (TASKS[file.task].group,)
    ]
    return Mix(round_to_sum(wanted), scale, short if scale < 1 else "")


def make_meta(files: Sequence[MixFile], wanted: Sequence[int]) -> dict[str, dict[str, Any]]:
    """The meta json: the entries of each file of which any record is wanted, by `MixFile.name`."""
    meta: dict[str, dict[str, Any]] = {}
    for file, number in zip(files, wanted, strict=True):
        entry = {
            "root": file.image_root,
            "annotation": file.annotation,
            "data_augment": False,
            "length": file.length,
            "max_dynamic_patch": TILES * file.num_images,
        }
        meta |= entries_of(file.name, entry, number)
    return meta


def entries_of(name: str, entry: Mapping[str, Any], number: int) -> dict[str, dict[str, Any]]:
    """Entries of which the trainer makes `number` records of a file with `entry["length"]`: of the
    whole file, and `<name>_rest` of its first part where both are needed."""
    times, rest = divmod(number, entry["length"])
    part = f"{name}_rest" if times else name
    parts = {name: times, part: _first_part(rest, entry["length"])}
    return {key: {**entry, "repeat_time": repeat} for key, repeat in parts.items() if repeat}


def taken(repeat_time: float, length: int) -> int:
    """Records that the trainer makes of a file of so many."""
    return int(length * repeat_time)


def round_to_sum(numbers: Sequence[float]) -> list[int]:
    """Whole numbers with the sum rounded down: the largest remainders are rounded up."""
    whole = [int(number) for number in numbers]
    by_remainder = sorted(range(len(whole)), key=lambda i: whole[i] - numbers[i])
    for index in by_remainder[: int(sum(numbers) + 1e-6) - sum(whole)]:
        whole[index] += 1
    return whole


def _first_part(number: int, length: int) -> float:
    """A repeat_time below 1 of which the trainer, which rounds down, makes so many records."""
    return (number + 0.5) / length if number else 0
