"""What a person is shown of a record: question, answer, points in its images, a few facts.

Pure. The records given here have passed `check_readable` (record_rules.py): what they are about,
their points and their value can be read; any other field may be missing, or hold anything.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson

from spatial_engine.report.frames_view import known, right_images
from spatial_engine.report.visible_text import escaped
from spatial_engine.utils.questions.plain_record import format_value
from spatial_engine.utils.questions.record_fields import MAX_COORDINATE, points_asked
from spatial_engine.utils.questions.record_rules import check_record
from spatial_engine.utils.questions.records import list_choices
from spatial_engine.utils.questions.tasks import COORDINATES, NAMED_POINT, TASKS

# Kinds of marks, and what they are called: MATCH is the same point in another image, where that is
# not what is asked for.
ASKED, ANSWERED, OPTION, MATCH = "asked", "answered", "option", "match"
BOX, SIDE = "box", "side"  # kinds of lines
RIGHT = "right"  # a frame around an image
SAID = ("said0", "said1")  # points that a model answered with, and a second model
NAMES = {
    ASKED: "point asked about",
    ANSWERED: "right answer",
    OPTION: "other option",
    MATCH: "where the point is in Image-2",
    BOX: "box of the object",
    SIDE: "side that is asked for",
    RIGHT: "image of the right answer",
}
LINES = (BOX, SIDE, RIGHT)  # those that a legend shows as a line
# Those that are written behind a value; a number of things has none.
UNITS = {"mm": "mm", "degree": "°", "signed degree": "°", "count": ""}
_SHOWN_FIELDS = frozenset(
    ("id", "image", "conversations", "text", "task", "gt_value", "height_list", "width_list")
)
_IMAGE_LINE = re.compile(r"^(Image-\d+: )?<image>$")


class Said(NamedTuple):
    """The words of a question: what is told before it, the question, and what follows the choices
    that it lists. Each may be empty."""

    description: str
    question: str
    ending: str = ""


class Mark(NamedTuple):
    """A point in the image number `image` (from 0), x and y of 0 to 1000; `label` may be empty."""

    image: int
    kind: str
    x: int
    y: int
    label: str = ""


def split_of(record: dict[str, Any]) -> str:
    """train for a record that holds its answer in words, val for one that does not."""
    return "train" if "conversations" in record else "val"


def marks_of(record: dict[str, Any]) -> list[Mark]:
    """The points that a record asks about and answers with; of many tasks there are none.

    What counts as answered is what `gt_value` says, so that a wrong one is seen in the picture.
    """
    task, value = TASKS[record["task"]], record["gt_value"]
    if "points_info" in task.fields:
        return _depth_marks(record)
    marks = [Mark(0, ASKED, *point) for point in points_asked(record)]
    if task.answer == COORDINATES:
        marks.append(Mark(1, ANSWERED, *value))
    elif "options" in task.fields:
        for letter, place in sorted(record["options"].items()):
            marks.append(Mark(1, ANSWERED if letter == value else OPTION, *place, letter))
    elif "p2" in task.fields:
        marks.append(Mark(1, MATCH, *record["p2"]))
    elif "mark_points" in task.fields:  # one in each image
        right = right_images(record)
        places = list(enumerate(record["mark_points"]))[: len(record["image"])]
        marks = [
            Mark(number, ANSWERED if number in right else ASKED, *place) for number, place in places
        ]
    return marks


def _depth_marks(record: dict[str, Any]) -> list[Mark]:
    points, value = record["points_info"], record["gt_value"]
    marks = []
    for number, point in enumerate(points, 1):
        letter, place = point["letter"], [point["x"], point["y"]]
        is_answer = value == (letter if isinstance(value, str) else place)
        label = letter or (str(number) if len(points) > 1 else "")
        marks.append(Mark(0, ANSWERED if is_answer else ASKED, *place, label))
    if isinstance(value, list) and all(mark.kind == ASKED for mark in marks):
        marks.append(Mark(0, ANSWERED, *value))  # none of those asked about
    return marks


def marks_of_answer(record: dict[str, Any], read: str | None, number: int) -> list[Mark]:
    """The point that model `number` answered with, where its answer is one, or names one by its
    letter. `read` is the answer as the scorer reads it; a point outside the image has no mark."""
    task, place = TASKS[record["task"]], None
    if read is None:
        return []
    if task.answer in (COORDINATES, NAMED_POINT):
        place = orjson.loads(read)
    elif "options" in task.fields:
        place = record["options"].get(read.upper())
    elif "points_info" in task.fields:
        places = {point["letter"]: [point["x"], point["y"]] for point in record["points_info"]}
        place = places.get(read.upper())
    if place is None or not all(0 <= value <= MAX_COORDINATE for value in place):
        return []
    return [Mark(0 if "points_info" in task.fields else 1, SAID[number], *place)]


def question_of(record: dict[str, Any]) -> Said:
    """What is asked, without the lines that stand for images and those that list choices."""
    if "conversations" in record:
        text = _turn(record, 0)
    else:
        text = record.get("text")
        text = text if isinstance(text, str) else ""
    lines = [line for line in text.split("\n") if not _IMAGE_LINE.match(line)]
    text, ending = "\n".join(lines), ""
    choices = known(record, "choices")
    if choices and (listed := list_choices(choices)) in text:
        text, _, ending = text.rpartition(listed)
    description, _, question = text.rpartition("\n")
    return Said(escaped(description), escaped(question), escaped(ending.strip()))


def spoken_answer(record: dict[str, Any]) -> str:
    """The answer in words; empty for an evaluation record, which has none."""
    return escaped(_turn(record, 1)) if "conversations" in record else ""


def value_of(record: dict[str, Any]) -> str:
    """`gt_value` with its unit, as people read it."""
    return with_unit(record, format_value(record["gt_value"]))


def with_unit(record: dict[str, Any], value: str) -> str:
    """An answer to the record with its unit."""
    unit = UNITS.get(TASKS[record["task"]].unit, "")
    space = " " if unit.isalpha() else ""
    return escaped(f"{value}{space}{unit}")


def warnings_of(record: dict[str, Any], split: str) -> list[str]:
    """What the check of records finds wrong with a record."""
    return [escaped(cause) for _, cause in check_record(record, split)]


def facts_of(record: dict[str, Any]) -> list[str]:
    """What helps to judge the label, in a few words each."""
    facts = []
    if "points_info" in TASKS[record["task"]].fields:
        for mark, point in zip(marks_of(record), record["points_info"], strict=False):
            name = f"point {mark.label}" if mark.label else "point"
            facts.append(f"{name}: {point['depth_mm']} mm deep")
    angle = known(record, "angle_deg")
    if angle is not None:
        facts.append(f"{abs(angle)}° to the {'left' if angle > 0 else 'right'} of facing")
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
    if isinstance(record.get("wording"), str):
        facts.append(f"wording {record['wording']}")
    return [escaped(fact) for fact in facts]


def other_fields(record: dict[str, Any]) -> dict[str, Any]:
    """The fields that nothing above shows."""
    return {name: value for name, value in record.items() if name not in _SHOWN_FIELDS}


def _turn(record: dict[str, Any], number: int) -> str:
    turns = record["conversations"]
    turn = turns[number] if isinstance(turns, list) and len(turns) > number else None
    value = turn.get("value") if isinstance(turn, dict) else None
    return value if isinstance(value, str) else ""
