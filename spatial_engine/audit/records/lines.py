"""One line of a file of records: how it is read, and what a task asks of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from typing import NamedTuple

from spatial_engine.audit.raw.posed import PosedScene

MAX_LEVELS = 32  # of lists and objects within each other


class TaskRules(NamedTuple):
    """What a task asks of the records of a file.

    asked: a record's (scene id, what must not be asked twice), or a complaint.
    again: the complaint about asking it twice; {} is the line that asked first.
    check: complaints about one record, given its raw scene.
    """

    asked: Callable[[dict], tuple[str, Hashable] | str]
    again: str
    check: Callable[[dict, PosedScene], list[str]]


def parse_line(line: bytes) -> dict | str:
    """A line's record, or a complaint. NaN and Infinity are not JSON.

    What is nested more deeply than any record is refused: it could be parsed and not be written.
    """

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        record = json.loads(line.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as err:
        return f"not JSON: {err}"
    if _levels(record) > MAX_LEVELS:
        return f"line: over {MAX_LEVELS} levels of lists and objects"
    return record if isinstance(record, dict) else "the record is not a JSON object"


def _levels(value: object) -> int:
    """How many lists and objects stand within each other; counted to one more than is allowed."""
    here, levels = [value], 0
    while levels <= MAX_LEVELS:
        here = [item for item in here if isinstance(item, (list, dict))]
        if not here:
            break
        levels += 1
        here = [
            inner for item in here for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return levels
