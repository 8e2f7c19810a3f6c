"""What an audit found, as a table for people and as a JSON file for programs."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from spatial_engine.audit.label_complaints import Complaints

SHOWN = 20  # complaints of a file that are printed
SHOWN_KINDS = 12  # of complaints of a file that are named in the table
SHOWN_TEXT = 240  # characters of a complaint that are printed


class FileReport:
    """Counts and complaints of one file. unit: what is counted in it, records or scenes."""

    def __init__(self, name: str, unit: str, records: int, drawn: int) -> None:
        self.name, self.unit, self.records, self.drawn = name, unit, records, drawn
        self.complaints = Complaints()
        self.unread: dict[str, tuple[int, str]] = {}  # place: how many, why
        self._unread: list[np.ndarray] = []

    @property
    def kinds(self) -> Counter[str]:
        """How many complaints there are of each kind."""
        return self.complaints.kinds

    def add_unread(self, place: str, numbers: np.ndarray, why: str) -> None:
        """Lines that could not be judged, for want of raw data."""
        if len(numbers):
            self.unread[place] = len(numbers), why
            self._unread.append(numbers)

    def add_scene(self, number: int, scene_id: str, complaints: Iterable[str], why: str) -> None:
        """What a table says of a scene, numbered from 1; why it was not checked, "" if it was."""
        self.drawn += 1
        if why:
            self.add_unread(scene_id, np.array([number], np.int64), why)
        for text in complaints:
            self.complaints.add(number, text, scene_id=scene_id)

    @property
    def not_checked(self) -> int:
        return len(_union(self._unread))

    @property
    def checked(self) -> int:
        return self.drawn - self.not_checked

    @property
    def agree(self) -> int:
        wrong = np.array(self.complaints.numbers, np.int64)
        return self.drawn - len(_union([*self._unread, wrong]))

    def content(self) -> dict:
        """Everything as plain data."""
        ordered = self.complaints.ordered()
        return {
            "unit": self.unit,
            "in_file": self.records,
            "checked": self.checked,
            "agree": self.agree,
            "not_checked": {
                place: {"count": count, "why": why}
                for place, (count, why) in sorted(self.unread.items())
            },
            "complaints_by_kind": dict(sorted(self.kinds.items())),
            "complaints": [
                {"line" if self.unit == "records" else "scene": c.where,
                 "id": c.record_id, "complaint": c.text}
                for c in ordered
            ],
            "complaints_left_out": sum(self.kinds.values()) - len(ordered),
        }  # fmt: skip


def _union(parts: list[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def write_report(path: Path, reports: Sequence[FileReport], settings: dict) -> None:
    """The JSON file, whole or not at all; the same for any number of workers."""
    content = {**settings, "files": {report.name: report.content() for report in reports}}
    for left in path.parent.glob(f"{path.name}.*.partial"):
        if not _is_at_work(
            left.name[len(path.name) + 1 :].removesuffix(".partial")
        ):  # of an audit that was killed
            left.unlink(missing_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _is_at_work(number: str) -> bool:
    """Whether a process of that number is there."""
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True


def table(reports: Sequence[FileReport]) -> list[str]:
    """Lines of a table, a row for each file."""
    heads = ["file", "holds", "checked", "agree", "not checked", "complaints"]
    rows = [
        [
            printable(report.name),
            f"{report.records:,} {report.unit}",
            f"{report.checked:,}",
            f"{report.agree:,}",
            f"{report.not_checked:,}",
            printable(_kinds(report.kinds)) or "-",
        ]
        for report in reports
    ]
    widths = [max(len(row[k]) for row in [heads, *rows]) for k in range(len(heads))]
    return [
        "  ".join(
            cell.ljust(width) if k in (0, 5) else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [heads, *rows]
    ]


def _kinds(kinds: Counter[str]) -> str:
    """The kinds of complaints that there are most of, with how many of each."""
    shown = [f"{kind} {count:,}" for kind, count in kinds.most_common(SHOWN_KINDS)]
    more = len(kinds) - len(shown)
    return ", ".join([*shown, f"{more:,} more kinds"] if more else shown)


def complaint_lines(report: FileReport) -> list[str]:
    """The first complaints of a file, a line each: file:line: id: what the oracle finds."""
    lines = []
    for where, record_id, text in report.complaints.ordered()[:SHOWN]:
        place = f"{report.name}:{where}" if where != 0 else report.name
        parts = [place, record_id, text] if record_id else [place, text]
        lines.append(printable(": ".join(parts), SHOWN_TEXT + len(place) + len(record_id)))
    more = sum(report.kinds.values()) - len(lines)
    return [*lines, f"{printable(report.name)}: {more:,} more"] if more else lines


def say(reports: Sequence[FileReport]) -> None:
    """Print what was found; what could not be read goes to the error stream, in one line."""
    print("\n".join(table(reports)))
    for report in reports:
        for line in complaint_lines(report):
            print(line)
    for unit in dict.fromkeys(report.unit for report in reports):
        of_unit = [report for report in reports if report.unit == unit]
        checked, agree = (sum(getattr(r, n) for r in of_unit) for n in ("checked", "agree"))
        print(f"{checked:,} {unit} of {len(of_unit)} files checked, {agree:,} agree")
    unread: Counter[str] = Counter()
    for report in reports:
        for count, why in report.unread.values():
            unread[why] += count
    if unread:
        why, count = next(iter(unread.items()))
        others = f"; {len(unread) - 1} more causes, see the report" if len(unread) > 1 else ""
        print(f"error: {printable(why)} ({count:,} not checked{others})", file=sys.stderr)


def exit_code(reports: Sequence[FileReport]) -> int:
    """0 all agree, 1 complaints, 2 something, or everything, could not be checked."""
    if any(report.kinds for report in reports):
        return 1
    unread = any(report.unread for report in reports)
    return 2 if unread or not any(report.checked for report in reports) else 0


def printable(text: str, most: int = 1000) -> str:
    """Text of others as one line that a terminal shows and does not obey."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: most + 1])
    return shown if len(text) <= most else f"{shown[:most]} ..."
