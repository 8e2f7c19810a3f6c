"""What is in files of records: counts, balance of the answers, ranges of numbers and points.

Gathered record by record, joined over parts of a file in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from spatial_engine.utils.questions.record_fields import all_points
from spatial_engine.utils.questions.tasks import LETTERS, TASKS, Task

Range = tuple[int, int]  # least and greatest


@dataclass
class Contents:
    """Of one task in a file: how often each word, letter, count or side is (among) the answer, the
    range of the answers (of each component) and of all points named in the fields (x, y), and of
    three to eight frames how many records have so many."""

    records: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    values: list[Range] = field(default_factory=list)
    points: list[Range] = field(default_factory=list)
    frames: Counter[str] = field(default_factory=Counter)

    def add(self, record: dict[str, Any]) -> None:
        """Count a sound record."""
        self.records += 1
        value, task = record["gt_value"], TASKS[record["task"]]
        self.answers.update(_answers_among(value, task))
        if task.of_frames:
            self.frames[str(len(record["image"]))] += 1
        if not isinstance(value, str):
            numbers = value if isinstance(value, list) else [value]
            self.values = _wider(self.values, [(number, number) for number in numbers])
        for x, y in all_points(record):
            self.points = _wider(self.points, [(x, x), (y, y)])

    def join(self, other: Contents) -> None:
        """Take in what another part of the file holds."""
        self.records += other.records
        self.answers.update(other.answers)
        self.values = _wider(self.values, other.values)
        self.points = _wider(self.points, other.points)
        self.frames.update(other.frames)

    def as_json(self) -> dict[str, Any]:
        """For the report; what does not apply is left out."""
        whole = {
            "records": self.records,
            "answers": dict(sorted(self.answers.items())),
            "values": self.values,
            "points": self.points,
            "frames": dict(sorted(self.frames.items())),
        }
        return {name: value for name, value in whole.items() if value}


def described(task: str, contents: Contents) -> str:
    """Balance of the answers or their range, and the range of the points; of three to eight frames
    also how many records have so many."""
    parts, answers = [], contents.answers
    if contents.values:
        parts.append(f"{_ranges(contents.values)} {TASKS[task].unit}")
    if options := TASKS[task].options or sorted(answers, key=lambda name: (len(name), name)):
        parts.append(_shares(answers, options, contents.records))
    if contents.points:
        parts.append(f"points {_ranges(contents.points)}")
    if contents.frames:
        parts.append(
            f"images {_shares(contents.frames, sorted(contents.frames), contents.records)}"
        )
    return "; ".join(parts)


def _answers_among(value: Any, task: Task) -> list[str]:
    """What is counted of an answer: the word, each of its letters, the count, or the side."""
    if isinstance(value, str):
        return value.split(", ") if task.answer == LETTERS else [value]
    if task.unit == "count":
        return [str(value)]
    return ["left" if value > 0 else "right"] if task.unit == "signed degree" else []


def _shares(counts: Counter[str], names: Iterable[str], records: int) -> str:
    return ", ".join(f"{name} {100 * counts[name] / records:.1f} %" for name in names)


def _ranges(ranges: Iterable[Range]) -> str:
    return ", ".join(f"{low}..{high}" for low, high in ranges)


def _wider(ranges: list[Range], others: list[Range]) -> list[Range]:
    if not ranges or not others:
        return ranges or others
    return [
        (min(low, other_low), max(high, other_high))
        for (low, high), (other_low, other_high) in zip(ranges, others, strict=True)
    ]
