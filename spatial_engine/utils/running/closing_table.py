"""What a command says at its end: records by output, what was left out and why, what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spatial_engine.errors import MissingInputError
from spatial_engine.utils.running.finished_scenes import PartResult

NOT_AVAILABLE = "requested but not available"  # a drop: fewer records than the limit lets in
UP_TO_DATE = "up to date"  # the remark on an output that was not made again


@dataclass(frozen=True)
class Tally:
    """What an output holds, what was left out of it by reason, what else was counted."""

    records: int
    drops: dict[str, int]
    notes: dict[str, int]

    @classmethod
    def of(
        cls, name: str, results: Iterable[PartResult], drops: Mapping[str, int] | None = None
    ) -> Tally:
        """Sum up the results of scenes for one output; `drops` were counted before."""
        records, dropped, noted = 0, Counter(drops or {}), Counter()
        for result in results:
            records += result.counts.get(name, 0)
            dropped.update(result.drops.get(name, {}))
            noted.update(result.notes.get(name, {}))
        return cls(records, _positive(dropped), _positive(noted))

    def limited_to(self, wanted: int) -> Tally:
        """The tally after keeping at most `wanted` records; a shortfall is added to the drops."""
        if wanted < 0:
            return self
        surplus, missing = max(self.records - wanted, 0), max(wanted - self.records, 0)
        more = {"more than requested": surplus, NOT_AVAILABLE: missing}
        return Tally(self.records - surplus, _positive({**self.drops, **more}), self.notes)

    @property
    def left_out(self) -> str:
        """What is not in the output and why; empty for nothing."""
        return f"left out: {listed(self.drops)}" if self.drops else ""

    @property
    def counted(self) -> str:
        """Further counts about what was read; most of it is in the output."""
        return f"counted: {listed(self.notes)}" if self.notes else ""


@dataclass(frozen=True)
class Row:
    """One output in the table."""

    name: str
    tally: Tally
    seconds: float
    path: str
    remark: str = ""


class ClosingTable:
    """Collects while a command runs; `close` prints and gives the exit code."""

    def __init__(self, title: str):
        self.title = title
        self.rows: list[Row] = []
        self.failures: dict[str, str] = {}
        self.damaged: dict[str, list[str]] = {}  # by scene, which went on without it
        self.absent: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()  # what other code made, and what has changed of it
        self.empty: list[str] = []

    def close(self) -> int:
        """Print everything; 0 when all is well, 1 when something failed, was damaged and left out,
        or an output is empty.

        Raises `MissingInputError` when nothing at all was there. Lines are left as long as they
        are, so that a path can be copied from any terminal.
        """
        if self.rows:
            print(self.title)
            width = max(len(row.name) for row in self.rows)
            for row in self.rows:
                number = f"{row.tally.records:,}"
                print(f"  {row.name:<{width}}  {number:>10}  {row.seconds:7.1f} s  {row.path}")
                remarks = "; ".join(filter(None, (row.remark, row.tally.left_out)))
                for line in filter(None, (remarks, row.tally.counted)):
                    print(f"  {'':<{width}}  {line}")
        for what, number in self.absent.items():
            print(f"{number} left out: {what}")
        for what, number in self.accepted.items():
            print(f"{number} accepted: {what}")
        for name, cause in sorted(self.failures.items()):
            print(f"failed: {name}: {cause}")
        for name, lines in sorted(self.damaged.items()):
            more = f" (and {len(lines) - 1} more such frames)" if len(lines) > 1 else ""
            print(f"damaged: {name}: {lines[0]}{more}")
        for line in self.empty:
            print(f"error: {line}")
        if not (self.rows or self.failures or self.empty):
            what = ", ".join(self.absent) or "no scene was given"
            raise MissingInputError(f"{self.title}: nothing to do: {what}")
        return 1 if self.failures or self.damaged or self.empty else 0


def listed(numbers: Mapping[str, int]) -> str:
    """`reason number, reason number`."""
    return ", ".join(f"{reason} {number:,}" for reason, number in numbers.items())


def _positive(numbers: Mapping[str, int]) -> dict[str, int]:
    return {reason: number for reason, number in sorted(numbers.items()) if number}
