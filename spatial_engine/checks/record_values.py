"""Whether a record's value fits its subtask, its points lie in the image, and its fields agree.

Pure; the records given here have all their fields, each of its type (`record_checks`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from spatial_engine.utils.questions.records import format_value
from spatial_engine.utils.questions.subtasks import LETTER, NUMBER, VECTOR, Subtask

Record = dict[str, Any]

MAX_COORDINATE = 1000  # SPEC 10: thousandths of width and height
MAX_DEGREES = 180
_NAMED = re.compile(r"\[\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*\]")
_CORNERS = ([0, 0], [MAX_COORDINATE, MAX_COORDINATE])  # questions explain by these what x, y are


def is_point(value: Any) -> bool:
    """Whether it is two integers."""
    return _are_integers(value, 2)


def points_of(record: Record) -> list[list[int]]:
    """The points of a depth record, [] of any other."""
    return [[point["x"], point["y"]] for point in record.get("points_info", ())]


def all_points(record: Record) -> list[list[int]]:
    """Every point among a record's fields."""
    own = [record[name] for name in ("p1", "p2") if name in record]
    return [*own, *record.get("options", {}).values(), *points_of(record)]


def check_value(record: Record, subtask: Subtask) -> list[tuple[str, str]]:
    """What is wrong with `gt_value`, given the answer that the subtask asks for."""
    value = record["gt_value"]
    if subtask.options:
        if isinstance(value, str) and value in subtask.options:
            return []
        return [("gt_value", f"gt_value must be one of {', '.join(subtask.options)}")]
    if subtask.answer == NUMBER:
        limit = MAX_DEGREES if subtask.unit == "degree" else None
        if type(value) is int and value >= 0 and (limit is None or value <= limit):
            return []
        to = f" to {limit}" if limit else ""
        return [("gt_value", f"gt_value must be an integer from 0{to}")]
    length = 3 if subtask.answer == VECTOR else 2
    if not _are_integers(value, length):
        return [("gt_value", f"gt_value must be {length} integers")]
    if subtask.answer != VECTOR and not _in_image(value):
        return [("coordinates", f"gt_value {value} is not in 0..{MAX_COORDINATE}")]
    return []


def check_coordinates(record: Record, question: str) -> list[tuple[str, str]]:
    """Points outside the image, among the fields and in the question, or not the same in both."""
    faults = [
        ("coordinates", f"{point} is not in 0..{MAX_COORDINATE}")
        for point in all_points(record)
        if not _in_image(point)
    ]
    named = [[int(x), int(y)] for x, y in _NAMED.findall(question)]
    asked = _points_asked(record)
    faults += [
        ("coordinates", f"the question does not name the point {format_value(point)}")
        for point in asked
        if point not in named
    ]
    faults += [
        ("coordinates", f"the question names {format_value(point)}, not a point of the record")
        for point in named
        if point not in asked and point not in _CORNERS
    ]
    return faults


def contradictions(record: Record, subtask: Subtask) -> Iterator[tuple[str, str]]:
    """Where the value contradicts the record's other fields."""
    value, family = record["gt_value"], subtask.name.partition("_")[0]
    cause = ""
    if family == "camera":
        other = record["answer_values"].get(subtask.name.removeprefix("camera_"))
        if other != value:
            cause = f"answer_values says {other!s:.60}"
    elif family == "depth":
        cause = _depth_contradiction(record, subtask)
    elif family == "correspondence":
        matched = record["options"].get(value) if subtask.options else value
        if subtask.options and set(record["options"]) != set(subtask.options):
            cause = f"options are not {', '.join(subtask.options)}"
        elif matched != record["p2"]:
            cause = f"that is {matched}, p2 is {record['p2']}"
    elif family == "movement":
        moved = any(value if isinstance(value, list) else [value])
        if moved and not record["point_moving"]:
            cause = "the point did not move (point_moving)"
    if cause:
        yield "contradiction", f"gt_value is {format_value(value)}, but {cause}"


def _depth_contradiction(record: Record, subtask: Subtask) -> str:
    points, value = record["points_info"], record["gt_value"]
    wanted = 2 if "comparison" in subtask.name else 1
    if len(points) != wanted:
        return f"points_info holds {len(points)} points, not {wanted}"
    if wanted == 1:
        depth = points[0]["depth_mm"]
        return "" if depth == value else f"depth_mm is {depth}"
    near, far = sorted(points, key=lambda point: point["depth_mm"])
    if near["depth_mm"] == far["depth_mm"]:
        return "both points have the same depth"
    right = near if record["is_closer_question"] else far
    answer = right["letter"] if subtask.answer == LETTER else [right["x"], right["y"]]
    if value == answer:
        return ""
    asked = "closer" if record["is_closer_question"] else "farther"
    return f"the {asked} point by depth_mm is {answer!s:.60}"


def _points_asked(record: Record) -> list[list[int]]:
    """Points that a question must name: those of tasks by coordinates."""
    task = record["task"]
    if task in ("depth_comparison_coor", "depth_estimation_coor"):
        return points_of(record)
    return [record["p1"]] if task.startswith(("correspondence_coor", "movement_coord_")) else []


def _are_integers(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(type(x) is int for x in value)


def _in_image(point: list[int]) -> bool:
    return all(0 <= x <= MAX_COORDINATE for x in point)
