"""Fields that every record has, and how values are rounded and written.

Every check returns complaints, each one line saying what is wrong, expected and found.

How docs/spec.md was read where it leaves a choice, by section:
- 10 the nearest integer: an exact half, or what is within ROUNDING_TIE of one, may go either way.
- 10 coordinates of a point with 0 <= u < W are 0 to 1000, both included.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

SPLITS = ("train", "val")
WORDINGS = ("seen", "heldout", "plain")  # of an evaluation record; older ones have none
FORBIDDEN_FIELDS = ("length", "label", "objects", "solution")  # trainers give these a meaning
ROUNDING_TIE = 1e-6  # of a unit (mm, degree, 1/1000) from a half: either neighbour is right


def check_split(split: str) -> None:
    """Raise ValueError for an unknown split."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r}, expected one of {SPLITS}")


def check_fields(record: dict, split: str, task_of: dict[str, str]) -> list[str]:
    """Names and types of the fields every record has. task_of: {question type: its task}."""
    complaints = []
    if not isinstance(record.get("id"), str) or not record["id"]:
        complaints.append(f"id: {record.get('id')!r} is not a non-empty string")
    question_type = known_type(record, task_of)
    if question_type is None:
        complaints.append(f"question_type: {record.get('question_type')!r} is unknown")
    elif record.get("task") != task_of[question_type]:
        complaints.append(f"task: {record.get('task')!r}, expected {task_of[question_type]!r}")
    for field in FORBIDDEN_FIELDS:
        if field in record:
            complaints.append(f"{field}: a field of this name means something to trainers")
    if split == "val" and "conversations" in record:
        complaints.append("conversations: must not be in an evaluation record")
    if split == "train" and "wording" in record:
        complaints.append("wording: must not be in a training record")
    elif record.get("wording", WORDINGS[0]) not in WORDINGS:
        complaints.append(f"wording: {record['wording']!r} is none of {WORDINGS}")
    return complaints


def known_type(record: dict, known: Iterable[str]) -> str | None:
    """The record's question type, None where it is none of `known` (it may be any JSON value)."""
    found = record.get("question_type")
    return found if isinstance(found, str) and found in known else None


def acceptable_integers(value: float) -> set[int]:
    """The nearest integer; both neighbours within ROUNDING_TIE of a half."""
    below = math.floor(value)
    fraction = value - below
    if abs(fraction - 0.5) <= ROUNDING_TIE:
        return {below, below + 1}
    return {below} if fraction < 0.5 else {below + 1}


def rounds_to(values: np.ndarray, integers: object) -> np.ndarray:
    """Whether float values round to the integers (arrays that broadcast), halves either way."""
    return np.abs(values - np.asarray(integers)) <= 0.5 + ROUNDING_TIE


def answer_text(value: object) -> str:
    """An answer as written between backticks (SPEC 10)."""
    if isinstance(value, list):
        return "[ " + " , ".join(str(x) for x in value) + " ]"
    return str(value)


def is_coordinate(value: object) -> bool:
    """Whether it is [x, y], two int from 0 to 1000."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(x) is int and 0 <= x <= 1000 for x in value)
    )
