"""What a person is shown of a record of three to eight frames: what its letters stand for, which
images the right answer names, what its fields say of each image, and the objects that it names.

Pure. The records given here have passed `check_readable` (record_rules.py); any field that this
does not check may be missing, or hold anything, and then counts as missing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from spatial_engine.report.visible_text import escaped
from spatial_engine.utils.questions.record_fields import check_fields
from spatial_engine.utils.questions.tasks import TASKS

MAX_OBJECTS = 40  # named in one record: more are a mistake, and nobody could tell them apart
_IMAGE = re.compile(r"\bImage-(\d{1,3})\b")


class Choice(NamedTuple):
    """What a letter of a question stands for; `note` is what the record says of it, or empty."""

    letter: str
    text: str
    right: bool
    note: str = ""


class Note(NamedTuple):
    """What is told of an image: the id of its frame, what the record says of it (both may be
    empty), and whether the right answer names it."""

    frame: str
    fact: str
    right: bool


def known(record: dict[str, Any], name: str) -> Any:
    """A field of the record's task; None where it is missing or of another type."""
    is_there = name in TASKS[record["task"]].fields and not any(check_fields(record, [name]))
    return record[name] if is_there else None


def choices_of(record: dict[str, Any]) -> list[Choice]:
    """What the letters of a record stand for; [] where it offers nothing, or nothing readable."""
    choices, right = known(record, "choices") or {}, _right_letters(record)
    distances = known(record, "distances_mm") or []
    notes = [f"{mm} mm away" for mm in distances[: len(choices)]]
    notes += [""] * (len(choices) - len(notes))
    return [
        Choice(letter, escaped(text), letter in right, note)
        for (letter, text), note in zip(choices.items(), notes, strict=True)
    ]


def right_images(record: dict[str, Any]) -> list[int]:
    """Numbers (from 0) of the images that the right answer names, in order."""
    if known(record, "object_ids") is not None:  # its letters stand for objects
        return []
    named = [
        int(number) - 1
        for choice in choices_of(record)
        if choice.right
        for number in _IMAGE.findall(choice.text)
    ]
    return sorted({number for number in named if 0 <= number < len(record["image"])})


def notes_of(record: dict[str, Any]) -> list[Note]:
    """One note for each image of a record of many frames; [] for any other record."""
    if not TASKS[record["task"]].of_frames:
        return []
    count, right = len(record["image"]), right_images(record)
    frames = frames_of(record) or [""] * count
    facts: list[list[str]] = [[] for _ in range(count)]
    for number, fact in _facts(record):
        if number < count:
            facts[number].append(fact)
    return [
        Note(escaped(frame), escaped(", ".join(told)), number in right)
        for number, (frame, told) in enumerate(zip(frames, facts, strict=True))
    ]


def frames_of(record: dict[str, Any]) -> list[str]:
    """Ids of the frames in the order of the images; [] where they are not one for each."""
    frames = known(record, "frames") or []
    return frames if len(frames) == len(record["image"]) else []


def named_objects(record: dict[str, Any]) -> dict[int, str]:
    """Names by id of the objects that a record is about: their categories, with the id where
    several have the same."""
    category = known(record, "raw_category")
    if (one := known(record, "object_id")) is not None:
        return {one: category or "object"} if TASKS[record["task"]].of_frames else {}
    ids = known(record, "object_ids")
    categories = known(record, "categories") or []
    if ids is None:
        ids = sorted({i for mine in known(record, "seen_objects") or [] for i in mine})
        categories = [category or "object"] * len(ids)
    if len(categories) != len(ids):
        categories = ["object"] * len(ids)
    often = Counter(categories)
    names = {
        i: name if often[name] == 1 else f"{name} {i}"
        for i, name in zip(ids, categories, strict=True)
    }
    return dict(list(names.items())[:MAX_OBJECTS])


def _right_letters(record: dict[str, Any]) -> list[str]:
    value = record["gt_value"]
    return value.split(", ") if isinstance(value, str) else []


def _facts(record: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """(number of the image, what a field says of it)."""
    for number, depth in enumerate(known(record, "depths_mm") or []):
        yield number, f"{depth} mm deep"
    for number, seen in enumerate(known(record, "seen") or []):
        yield number, "shows the point" if seen else "does not show the point"
    for number, turn in enumerate(known(record, "turns_deg") or [], 1):
        yield number, f"turned {abs(turn)}° {'left' if turn > 0 else 'right'}"
    positions = known(record, "positions_mm") or []
    for number, ends in enumerate(pairwise(positions), 1):
        yield number, f"{math.dist(*ends):.0f} mm from Image-{number}"
    for number, bounds in enumerate(known(record, "bounds_mm") or []):
        yield number, _extent(bounds)
    for one, other in known(record, "links") or []:
        yield other - 1, f"linked to Image-{one}"
    names = named_objects(record)
    for number, ids in enumerate(known(record, "seen_objects") or []):
        told = ", ".join(names[i] for i in ids[:MAX_OBJECTS] if i in names)
        yield number, f"shows {told or 'none of the objects'}"


def _extent(bounds: list[int] | None) -> str:
    """What an image shows of the size of an object, from its bounds, None for nothing."""
    if bounds is None:
        return "shows nothing of the object"
    x1, y1, z1, x2, y2, z2 = bounds
    return f"shows {z2 - z1} mm of the height, {x2 - x1} x {y2 - y1} mm from above"
