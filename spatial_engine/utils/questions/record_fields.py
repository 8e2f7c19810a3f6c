"""The fields of a record (SPEC 10): of what type each must be, and which of them hold points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from spatial_engine.utils.questions.tasks import TASKS

Record = Mapping[str, Any]
Fault = tuple[str, str]  # kind, cause
# How an evaluation record asks: in sentences that training has, in sentences that it does not have,
# or in the one plain sentence.
WORDINGS = ("seen", "heldout", "plain")
MAX_COORDINATE = 1000  # SPEC 10: thousandths of width and height


def is_text(value: Any) -> bool:
    """Whether it is a text with something in it."""
    return isinstance(value, str) and bool(value)


def are_integers(value: Any, count: int) -> bool:
    """Whether it is a list of so many integers."""
    return isinstance(value, list) and len(value) == count and all(type(x) is int for x in value)


def is_in_image(point: list[int]) -> bool:
    """Whether a point lies in its image."""
    return all(0 <= x <= MAX_COORDINATE for x in point)


def _is_point(value: Any) -> bool:
    return are_integers(value, 2)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_text, value))


def _is_mark_points(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_point, value))


def _is_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(size) is int and size > 0 for size in value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_points_info(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(point, dict)
        and all(type(point.get(name)) is int for name in ("x", "y", "depth_mm"))
        and "letter" in point
        and (point["letter"] is None or is_text(point["letter"]))
        for point in value
    )


# What each field must be: (is it so?, in words).
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "id": (is_text, "a text"),
    "image": (_is_texts, "a list of paths"),
    "height_list": (_is_sizes, "a list of positive integers"),
    "width_list": (_is_sizes, "a list of positive integers"),
    "task": (is_text, "a text"),
    "question_type": (is_text, "a text"),
    "gt_value": (lambda value: value is not None, "a value"),
    "wording": (lambda value: value in WORDINGS, f"one of {', '.join(WORDINGS)}"),
    "answer_values": (lambda value: isinstance(value, dict), "an object"),
    "overlap": (
        lambda value: type(value) in (int, float) and 0 <= value <= 100,
        "a number from 0 to 100",
    ),
    "points_info": (_is_points_info, "a list of x, y, depth_mm and letter"),
    "is_closer_question": (_is_flag, "true or false"),
    "object_id": (lambda value: type(value) is int and value >= 0, "an integer from 0"),
    "raw_category": (is_text, "a text"),
    "p1": (_is_point, "two integers"),
    "p2": (_is_point, "two integers"),
    "options": (
        lambda value: isinstance(value, dict) and all(map(_is_point, value.values())),
        "an object of letters and points",
    ),
    "mark_points": (_is_mark_points, "a list of points of two integers"),
    "mark_colors": (_is_texts, "a list of colours"),
    "point_moving": (_is_flag, "true or false"),
    "cam_moving": (_is_flag, "true or false"),
}
COMMON = ("id", "image", "height_list", "width_list", "task", "question_type", "gt_value")
WITH_POINTS = ("points_info", "p1", "p2", "options", "mark_points")


def check_fields(record: Record, names: Iterable[str]) -> Iterator[Fault]:
    """(kind, cause) of each of the fields that is missing or of another type."""
    for name in names:
        is_so, what = _KINDS[name]
        if name not in record:
            yield "field", f"no field {name}"
        elif not is_so(record[name]):
            yield "field", f"{name} must be {what}, not {cut_short(record[name])}"


def points_asked(record: Record) -> list[list[int]]:
    """The points that a record asks about, [] where it asks about none."""
    fields = TASKS[record["task"]].fields
    if "points_info" in fields:
        return [[point["x"], point["y"]] for point in record["points_info"]]
    return [record["p1"]] if "p1" in fields else []


def all_points(record: Record) -> list[list[int]]:
    """Every point among a record's fields."""
    fields = TASKS[record["task"]].fields
    matches = [record["p2"]] if "p2" in fields else []
    options = record["options"].values() if "options" in fields else ()
    marks = record["mark_points"] if "mark_points" in fields else []
    return [*points_asked(record), *matches, *options, *marks]


def cut_short(value: Any) -> str:
    """A value in a cause, cut short."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}..."
