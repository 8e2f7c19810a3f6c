"""What a person is shown of a record: question, answer, points in its images, a few facts.

Pure, and wary: records may come from anywhere, so every field is looked at before it is used, and
`ValueError` says what is wrong with one.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from spatial_engine.utils.questions.records import format_value
from spatial_engine.utils.questions.subtasks import (
    COORDINATES,
    LETTER,
    NAMED_POINT,
    NUMBER,
    SUBTASKS,
    VECTOR,
    WORD,
)

# Kinds of marks, and what they are called: MATCH is the same point in another image, where that is
# not what is asked for.
ASKED, ANSWERED, OPTION, MATCH = "asked", "answered", "option", "match"
BOX, SIDE = "box", "side"  # kinds of lines
NAMES = {
    ASKED: "point asked about",
    ANSWERED: "right answer",
    OPTION: "other option",
    MATCH: "where the point is in Image-2",
    BOX: "box of the object",
    SIDE: "side that is asked for",
}
OBJECT_SIDES = {f"object_{side}": side for side in ("height", "length", "width")}
FULL_SCALE = 1000  # coordinates are thousandths of width and height
MAX_VALUE = 10**9  # mm: beyond, a number is a mistake
UNITS = {"mm": "mm", "degree": "°"}  # those that are written behind a value
_FORMS = {COORDINATES: 2, NAMED_POINT: 2, VECTOR: 3}  # numbers in a value
_SHOWN_FIELDS = frozenset(
    ("id", "image", "conversations", "text", "task", "gt_value", "height_list", "width_list")
)
_ANSWER = re.compile(r"`([^`]*)`")
_IMAGE_LINE = re.compile(r"^(Image-\d+: )?<image>$")
# Control characters, and marks that change the direction of text: shown by their numbers, so that
# a text reads as it is.
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Mark(NamedTuple):
    """A point in the image number `image` (from 0), x and y of 0 to 1000; `label` may be empty."""

    image: int
    kind: str
    x: int
    y: int
    label: str = ""


def check_record(record: dict[str, Any]) -> None:
    """Raise `ValueError` unless the fields that are shown have the types they should."""
    if not isinstance(record.get("id"), str):
        raise ValueError("`id` is not a text")
    task = record.get("task")
    if not isinstance(task, str) or task not in SUBTASKS:
        raise ValueError(f"`task` is none of the {len(SUBTASKS)} subtasks")
    images = record.get("image")
    if not (isinstance(images, list) and images and all(isinstance(name, str) for name in images)):
        raise ValueError("`image` is not a list of paths")
    for name in images:
        if name.startswith("/") or "/" not in name or ".." in name.split("/") or "\0" in name:
            raise ValueError("`image` names a path that is not <scene>/<file> under its folder")
    value, form = record.get("gt_value"), SUBTASKS[task].answer
    if form in (WORD, LETTER):
        right = isinstance(value, str)
    elif form == NUMBER:
        right = _is_number(value)
    else:
        right = isinstance(value, list) and len(value) == _FORMS[form] and _all_numbers(value)
    if not right:
        raise ValueError(f"`gt_value` does not have the form: {form}")


def split_of(record: dict[str, Any]) -> str:
    """train for a record that holds its answer in words, val for one that does not."""
    return "train" if "conversations" in record else "val"


def marks_of(record: dict[str, Any]) -> list[Mark]:
    """The points that a checked record asks about and answers with; of many tasks there are none.

    What counts as answered is what `gt_value` says, so that a wrong one is seen in the picture.
    """
    task, value = record["task"], record["gt_value"]
    if task.startswith("depth_"):
        return _depth_marks(record)
    if task == "correspondence_coor":
        return [Mark(0, ASKED, *_point(record, "p1")), Mark(1, ANSWERED, *value)]
    if task == "correspondence_multichoice":
        options = record.get("options")
        if not isinstance(options, dict):
            raise ValueError("`options` is not an object")
        marks = [Mark(0, ASKED, *_point(record, "p1"))]
        for letter in sorted(options):
            kind = ANSWERED if letter == value else OPTION
            marks.append(Mark(1, kind, *_point(options, letter), letter))
        return marks
    if task.startswith("movement_"):
        return [Mark(0, ASKED, *_point(record, "p1")), Mark(1, MATCH, *_point(record, "p2"))]
    return []


def has_dots(record: dict[str, Any]) -> bool:
    """Whether the record's pictures carry dots, and letters, at its points already."""
    task = record["task"]
    return task == "correspondence_multichoice" or "dot" in task.split("_")


def _depth_marks(record: dict[str, Any]) -> list[Mark]:
    points, value = record.get("points_info"), record["gt_value"]
    if not isinstance(points, list):
        raise ValueError("`points_info` is not a list")
    marks = []
    for number, point in enumerate(points, 1):
        if not isinstance(point, dict):
            raise ValueError("`points_info` contains something that is not a point")
        x, y = _checked([point.get("x"), point.get("y")], "points_info")
        letter = point.get("letter")
        named = isinstance(letter, str)
        is_answer = value == (letter if isinstance(value, str) else [x, y])
        label = letter if named else str(number) if len(points) > 1 else ""
        marks.append(Mark(0, ANSWERED if is_answer else ASKED, x, y, label))
    if isinstance(value, list) and all(mark.kind == ASKED for mark in marks):
        marks.append(Mark(0, ANSWERED, *_checked(value, "gt_value")))  # none of those asked about
    return marks


def question_of(record: dict[str, Any]) -> tuple[str, str]:
    """(task description, question), without the lines that stand for images."""
    if "conversations" in record:
        text = _turn(record, 0)
    else:
        text = record.get("text")
        text = text if isinstance(text, str) else ""
    lines = [line for line in text.split("\n") if not _IMAGE_LINE.match(line)]
    description, _, question = "\n".join(lines).rpartition("\n")
    return visible(description), visible(question)


def answer_of(record: dict[str, Any]) -> str:
    """The answer in words; empty for an evaluation record, which has none."""
    return visible(_turn(record, 1)) if "conversations" in record else ""


def value_of(record: dict[str, Any]) -> str:
    """`gt_value` with its unit, as people read it."""
    unit = UNITS.get(SUBTASKS[record["task"]].unit, "")
    space = " " if unit.isalpha() else ""
    return visible(f"{format_value(record['gt_value'])}{space}{unit}")


def contradictions_of(record: dict[str, Any]) -> list[str]:
    """Where a checked record contradicts itself, in a few words each: `gt_value` against the
    answer in words and against the fields that it follows from."""
    found, value = [], record["gt_value"]
    if "conversations" in record and _ANSWER.findall(_turn(record, 1)) != [format_value(value)]:
        found.append("the answer in words and gt_value differ")
    values = record.get("answer_values")
    if isinstance(values, dict) and values.get(record.get("question_type")) != value:
        found.append("answer_values and gt_value differ")
    options = record.get("options")
    matched = options.get(value) if isinstance(options, dict) else value
    if record["task"].startswith("correspondence_") and matched != record.get("p2"):
        found.append("p2 and gt_value differ")
    if record["task"].startswith("depth_") and not _fits_depths(record):
        found.append("depth_mm and gt_value differ")
    return found


def _fits_depths(record: dict[str, Any]) -> bool:
    """Whether the answer to a question about depth is that of the points' depths."""
    points, value = record["points_info"], record["gt_value"]
    depths = [point.get("depth_mm") for point in points]
    if not (depths and _all_numbers(depths)):
        return False
    if _is_number(value):
        return depths == [value]
    wanted = (min if record.get("is_closer_question") else max)(depths)
    answered = [mark.kind == ANSWERED for mark in marks_of(record)]
    return [depth == wanted for depth in depths] == answered


def facts_of(record: dict[str, Any]) -> list[str]:
    """What helps to judge the label, in a few words each."""
    facts = []
    points = record.get("points_info")
    if isinstance(points, list):
        for mark, point in zip(marks_of(record), points, strict=False):
            name = f"point {mark.label}" if mark.label else "point"
            facts.append(f"{name}: {point.get('depth_mm')} mm deep")
    closer = record.get("is_closer_question")
    if closer is not None:
        facts.append(f"asks for the {'closer' if closer else 'farther'} point")
    for field, name in (("point_moving", "point"), ("cam_moving", "camera")):
        if field in record:
            facts.append(f"{name} {'moves' if record[field] else 'is still'}")
    if isinstance(record.get("overlap"), float | int):
        facts.append(f"overlap {record['overlap']:.0f} %")
    if "raw_category" in record:
        facts.append(f"category {record['raw_category']}")
    return [visible(fact) for fact in facts]


def other_fields(record: dict[str, Any]) -> dict[str, Any]:
    """The fields that nothing above shows."""
    return {name: value for name, value in record.items() if name not in _SHOWN_FIELDS}


def visible(text: str) -> str:
    """A text in which nothing is invisible: control and direction marks are shown by number."""
    return _INVISIBLE.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def _turn(record: dict[str, Any], number: int) -> str:
    turns = record["conversations"]
    turn = turns[number] if isinstance(turns, list) and len(turns) > number else None
    value = turn.get("value") if isinstance(turn, dict) else None
    return value if isinstance(value, str) else ""


def _point(fields: dict[str, Any], name: str) -> list[int]:
    return _checked(fields.get(name), name)


def _checked(value: Any, name: str) -> list[int]:
    inside = isinstance(value, list) and len(value) == 2 and _all_numbers(value)
    if not (inside and all(0 <= number <= FULL_SCALE for number in value)):
        raise ValueError(f"`{name}` is not a point from 0 to {FULL_SCALE}")
    return value


def _all_numbers(values: list[Any]) -> bool:
    return all(_is_number(value) for value in values)


def _is_number(value: Any) -> bool:
    return type(value) is int and abs(value) <= MAX_VALUE
