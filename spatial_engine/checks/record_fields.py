"""Which fields a record has (SPEC 10), and of what type each must be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from spatial_engine.checks.record_values import is_point
from spatial_engine.utils.questions.subtasks import SUBTASKS

Record = dict[str, Any]


def is_text(value: Any) -> bool:
    """Whether it is a text with something in it."""
    return isinstance(value, str) and bool(value)


def is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_text, value))


def _is_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(size) is int and size > 0 for size in value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_percent(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 100


def _is_points_info(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(point, dict)
        and all(type(point.get(name)) is int for name in ("x", "y", "depth_mm"))
        and "letter" in point
        and (point["letter"] is None or is_text(point["letter"]))
        for point in value
    )


def _is_options(value: Any) -> bool:
    return isinstance(value, dict) and all(map(is_point, value.values()))


Fields = dict[str, tuple[Callable[[Any], bool], str]]  # name -> (is it so?, what it must be)
COMMON: Fields = {
    "id": (is_text, "a text"),
    "image": (is_texts, "a list of paths"),
    "height_list": (_is_sizes, "a list of positive integers"),
    "width_list": (_is_sizes, "a list of positive integers"),
    "task": (is_text, "a text"),
    "question_type": (is_text, "a text"),
    "gt_value": (lambda value: value is not None, "a value"),
}
_POINT = (is_point, "two integers")
_FLAG = (_is_flag, "true or false")
_OVERLAP = (_is_percent, "a number from 0 to 100")
_POINTS = (_is_points_info, "a list of x, y, depth_mm and letter")


def _extra_fields(task: str) -> Fields:
    """Further fields of a task (docs/outputs.md)."""
    if task.startswith("camera_"):
        values = (lambda value: isinstance(value, dict), "an object")
        return {"answer_values": values, "overlap": _OVERLAP}
    if task.startswith("depth_"):
        closer: Fields = {"is_closer_question": _FLAG} if "comparison" in task else {}
        return {"points_info": _POINTS, **closer}
    if task.startswith("object_"):
        return {
            "object_id": (_is_count, "an integer from 0"),
            "raw_category": (is_text, "a text"),
        }
    points: Fields = {"p1": _POINT, "p2": _POINT}
    if task.startswith("movement_"):
        return {**points, "point_moving": _FLAG, "cam_moving": _FLAG}
    if SUBTASKS[task].options:
        points["options"] = (_is_options, "an object of letters and points")
    return {**points, "overlap": _OVERLAP}


EXTRA = {task: _extra_fields(task) for task in SUBTASKS}


def check_fields(record: Record, fields: Fields) -> Iterator[tuple[str, str]]:
    """(kind, cause) of each of the fields that is missing or of another type."""
    for name, (is_so, what) in fields.items():
        if name not in record:
            yield "field", f"no field {name}"
        elif not is_so(record[name]):
            yield "field", f"{name} must be {what}, not {shown(record[name])}"


def shown(value: Any) -> str:
    """A value in a cause, cut short."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}..."
