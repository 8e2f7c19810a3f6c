"""What is in files of records: counts, balance of the answers, ranges of numbers and points.

Gathered record by record, joined over parts of a file in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from spatial_engine.utils.questions.record_fields import all_points
from spatial_engine.utils.questions.tasks import TASKS

Range = tuple[int, int]  # least and greatest


@dataclass
class Contents:
    """Of one task in a file: how often each word or letter is the answer, the range of the
    answers (of each component) and of all points named in the fields (x, y)."""

    records: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    values: list[Range] = field(default_factory=list)
    points: list[Range] = field(default_factory=list)

    def add(self, record: dict[str, Any]) -> None:
        """Count a sound record."""
        self.records += 1
        value = record["gt_value"]
        if isinstance(value, str):
            self.answers[value] += 1
        else:
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

    def as_json(self) -> dict[str, Any]:
        """For the report; what does not apply is left out."""
        whole = {
            "records": self.records,
            "answers": dict(sorted(self.answers.items())),
            "values": self.values,
            "points": self.points,
        }
        return {name: value for name, value in whole.items() if value}


def described(task: str, contents: Contents) -> str:
    """Balance of the answers or their range, and the range of the points."""
    options, parts = TASKS[task].options, []
    if options:
        shares = (
            f"{option} {100 * contents.answers[option] / contents.records:.1f} %"
            for option in options
        )
        parts.append(", ".join(shares))
    else:
        parts.append(f"{_ranges(contents.values)} {TASKS[task].unit}")
    if contents.points:
        parts.append(f"points {_ranges(contents.points)}")
    return "; ".join(parts)


def _ranges(ranges: Iterable[Range]) -> str:
    return ", ".join(f"{low}..{high}" for low, high in ranges)


def _wider(ranges: list[Range], others: list[Range]) -> list[Range]:
    if not ranges or not others:
        return ranges or others
    return [
        (min(low, other_low), max(high, other_high))
        for (low, high), (other_low, other_high) in zip(ranges, others, strict=True)
    ]
