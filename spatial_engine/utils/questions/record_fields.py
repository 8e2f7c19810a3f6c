"""The fields of a record (SPEC 10): of what type each must be, and which of them hold points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from spatial_engine.utils.questions.tasks import COORDINATES, NAMED_POINT, TASKS

Record = Mapping[str, Any]
Fault = tuple[str, str]  # kind, cause
# How an evaluation record asks: in sentences that training has, in sentences that it does not have,
# or in the one plain sentence.
WORDINGS = ("seen", "heldout", "plain")
MAX_COORDINATE = 1000  # SPEC 10: thousandths of width and height
# Of a copy whose coordinates are pixels (exports/export_qwen.py): the rule that made its images'
# sizes, and these sizes.
PIXELS = "pixel_coordinates"


def is_text(value: Any) -> bool:
    """Whether it is a text with something in it."""
    return isinstance(value, str) and bool(value)


def are_integers(value: Any, count: int) -> bool:
    """Whether it is a list of so many integers."""
    return isinstance(value, list) and len(value) == count and all(type(x) is int for x in value)


def is_in_image(record: Record, image: int, point: Sequence[int]) -> bool:
    """Whether a point lies in the image of a number from 0."""
    if PIXELS not in record:
        return all(0 <= x <= MAX_COORDINATE for x in point)
    sizes = record[PIXELS]["sizes"][image:][:1]
    return bool(sizes) and all(0 <= x < size for x, size in zip(point, sizes[0], strict=True))


def extent_of(record: Record, image: int) -> tuple[int, int]:
    """What coordinates in an image (a number from 0, or -1 for the last) are parts of: 1000 of
    width and height, or in a copy in pixels its (width, height) there."""
    if PIXELS not in record:
        return MAX_COORDINATE, MAX_COORDINATE
    width, height = record[PIXELS]["sizes"][image]
    return width, height


def _is_point(value: Any) -> bool:
    return are_integers(value, 2)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_text, value))


def _is_mark_points(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_point, value))


def _is_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(size) is int and size > 0 for size in value)


def _are_integers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(x) is int for x in value)


def _are_rows(count: int) -> Callable[[Any], bool]:
    """Whether it is a list of lists of so many integers."""
    return lambda value: (
        isinstance(value, list) and bool(value) and all(are_integers(row, count) for row in value)
    )


def _are_bounds(value: Any) -> bool:
    """By frame six integers, or null."""
    return isinstance(value, list) and all(one is None or are_integers(one, 6) for one in value)


def _are_links(value: Any) -> bool:
    """Pairs of numbers of images, in order."""
    return _are_rows(2)(value) and all(1 <= one < other for one, other in value)


def _are_ids_by_frame(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(ids, list) and all(type(x) is int and x >= 0 for x in ids) for ids in value
    )


def _are_choices(value: Any) -> bool:
    """Texts by the letters from A on."""
    return (
        isinstance(value, dict)
        and list(value) == list("ABCDEFGH"[: len(value)])
        and bool(value)
        and all(map(is_text, value.values()))
    )


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


def _is_rule_of_pixels(value: Any) -> bool:
    numbers = ("factor", "min_pixels", "max_pixels")
    return (
        isinstance(value, dict)
        and _is_sizes([value.get(name) for name in numbers])
        and _are_rows(2)(value.get("sizes"))
        and all(map(_is_sizes, value["sizes"]))
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
    # Of three to eight frames (SPEC 13); lists by frame are in the order of the images.
    "frames": (_is_texts, "a list of frames"),
    "choices": (_are_choices, "an object of texts by letters from A on"),
    "positions_mm": (_are_rows(3), "a list of positions of three integers"),
    "turns_deg": (_are_integers, "a list of integers"),
    "depths_mm": (_are_integers, "a list of integers"),
    "distances_mm": (_are_integers, "a list of integers"),
    "bounds_mm": (_are_bounds, "a list of bounds of six integers or null"),
    "links": (_are_links, "a list of pairs of images, the lower number first"),
    "angle_deg": (lambda value: type(value) is int, "an integer"),
    "point_id": (lambda value: type(value) is int and value >= 0, "an integer from 0"),
    "seen": (
        lambda value: isinstance(value, list) and all(map(_is_flag, value)),
        "a list of true or false",
    ),
    "object_ids": (_are_integers, "a list of integers"),
    "categories": (_is_texts, "a list of categories"),
    "seen_objects": (_are_ids_by_frame, "a list of lists of object ids"),
    "clip_set": (is_text, "a text"),
    PIXELS: (_is_rule_of_pixels, "factor, min_pixels, max_pixels and sizes of images"),
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
    if TASKS[record["task"]].of_frames and "mark_points" in fields:
        return record["mark_points"][:1]
    return [record["p1"]] if "p1" in fields else []


def all_points(record: Record) -> list[list[int]]:
    """Every point among a record's fields."""
    return [point for _, point in placed_points(record)]


def placed_points(record: Record) -> list[tuple[int, list[int]]]:
    """Every point among a record's fields, behind the number from 0 of the image that it is in."""
    found: list[tuple[int, list[int]]] = []

    def note(image: int, point: Sequence[int]) -> list[int]:
        found.append((image, list(point)))
        return [*point]

    move_points({**record, "gt_value": None}, note)
    return found


def move_points(record: Record, move: Callable[[int, Sequence[int]], list[int]]) -> dict[str, Any]:
    """The record with `move(image, point)` for each point among its fields and for a right answer
    that is one; `image` is the number from 0 of the image that the point is in.

    `points_info` and `p1` are in the first image; `p2`, `options` and an answer are in the last,
    which is the second where there are two; `mark_points` are in one image each.
    """
    task, moved, last = TASKS[record["task"]], dict(record), len(record["image"]) - 1
    if "points_info" in task.fields:
        moved["points_info"] = [
            {**point, **dict(zip("xy", move(0, (point["x"], point["y"])), strict=True))}
            for point in record["points_info"]
        ]
    if "p1" in task.fields:
        moved["p1"] = move(0, record["p1"])
    if "p2" in task.fields:
        moved["p2"] = move(last, record["p2"])
    if "options" in task.fields:
        options = record["options"].items()
        moved["options"] = {letter: move(last, point) for letter, point in options}
    if "mark_points" in task.fields:
        moved["mark_points"] = [move(*placed) for placed in enumerate(record["mark_points"])]
    if task.answer in (COORDINATES, NAMED_POINT) and record["gt_value"] is not None:
        moved["gt_value"] = move(last, record["gt_value"])
    return moved


def cut_short(value: Any) -> str:
    """A value in a cause, cut short."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}..."
