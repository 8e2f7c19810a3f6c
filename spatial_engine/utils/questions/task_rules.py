"""Where the value of a record contradicts the fields that it follows from: a rule for each task.

A rule gets a record whose fields have their types, and the task, and returns what contradicts
`gt_value`; "" where nothing does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatial_engine.utils.questions.tasks import Task

Record = Mapping[str, Any]


def nothing_to_contradict(record: Record, task: Task) -> str:
    """Of an object's size no other field tells."""
    return ""


def value_among_answers(record: Record, task: Task) -> str:
    """The answers to all types of questions about the pair hold the one to this."""
    other = record["answer_values"].get(task.question_type)
    return "" if other == record["gt_value"] else f"answer_values says {other!s:.60}"


def depth_of_the_point(record: Record, task: Task) -> str:
    """The value is the depth of the point."""
    points = record["points_info"]
    if len(points) != task.num_points:
        return _other_number(points, task)
    depth = points[0]["depth_mm"]
    return "" if depth == record["gt_value"] else f"depth_mm is {depth}"


def compared_depths(record: Record, task: Task) -> str:
    """The value is the letter, or the place, of the closer or farther one of two points."""
    points = record["points_info"]
    if len(points) != task.num_points:
        return _other_number(points, task)
    near, far = sorted(points, key=lambda point: point["depth_mm"])
    if near["depth_mm"] == far["depth_mm"]:
        return "both points have the same depth"
    right = near if record["is_closer_question"] else far
    answer = right["letter"] if task.options else [right["x"], right["y"]]
    if record["gt_value"] == answer:
        return ""
    asked = "closer" if record["is_closer_question"] else "farther"
    return f"the {asked} point by depth_mm is {answer!s:.60}"


def matched_coordinates(record: Record, task: Task) -> str:
    """The value is the place of the match in the second image."""
    value, match = record["gt_value"], record["p2"]
    return "" if value == match else f"p2 is {match}"


def matched_option(record: Record, task: Task) -> str:
    """All options are there, and the one that the value names is the match."""
    options, match = record["options"], record["p2"]
    if set(options) != set(task.options):
        return f"options are not {', '.join(task.options)}"
    place = options[record["gt_value"]]
    return "" if place == match else f"that is {place}, p2 is {match}"


def moved_or_still(record: Record, task: Task) -> str:
    """A point that moved did so by something, one that is still by nothing."""
    value = record["gt_value"]
    moved = any(value if isinstance(value, list) else [value])
    if moved == record["point_moving"]:
        return ""
    return f"the point {'moved' if record['point_moving'] else 'did not move'} (point_moving)"


def _other_number(points: list[Any], task: Task) -> str:
    return f"points_info holds {len(points)} points, not {task.num_points}"
