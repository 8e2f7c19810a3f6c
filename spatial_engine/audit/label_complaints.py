"""Complaints of an audit, counted all and kept up to a number: files may be wrong in every line."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

KEPT = 10_000  # complaints of a file that are kept in words; more are only counted
MAX_TEXT = 1000  # characters kept of a complaint or an id


class Complaint(NamedTuple):
    """What the oracle finds. where: the number of a line, 0 = the file; or the scene of a table."""

    where: int | str
    record_id: str
    text: str


class Complaints:
    """Those of one file. numbers: of the lines, or scenes, they are about, in the order found."""

    def __init__(self) -> None:
        self.kept: list[Complaint] = []
        self.kinds: Counter[str] = Counter()
        self.numbers = array("q")

    def add(self, number: int, text: str, record: object = None, scene_id: str = "") -> None:
        """One more. number: of the line or scene, 0 = the file as a whole."""
        self.kinds[kind_of(text)] += 1
        if number:
            self.numbers.append(number)
        if len(self.kept) < KEPT:
            found = record.get("id") if isinstance(record, dict) else None
            record_id = str(found or "")[:MAX_TEXT]
            self.kept.append(Complaint(scene_id or number, record_id, text[:MAX_TEXT]))

    def add_of_file(self, texts: Iterable[str]) -> None:
        """What is wrong with the file as a whole."""
        for text in texts:
            self.add(0, f"file: {text}")

    def extend(self, other: Complaints) -> None:
        self.kinds.update(other.kinds)
        self.numbers.extend(other.numbers)
        self.kept += other.kept[: KEPT - len(self.kept)]

    def ordered(self) -> list[Complaint]:
        """Those kept, of the whole file first, then by line or scene."""
        return sorted(self.kept, key=lambda c: (str(type(c.where)), c.where))


def kind_of(text: str) -> str:
    """What a complaint is about: its field, without numbers and letters that tell two apart."""
    head = text.partition(":")[0]
    return re.sub(r"\[\d+\]|[ -](\d+|[A-D])$", "", head)[:40]
