"""What a person is shown of a record: question, answer, points in its images, a few facts.

Pure. The records given here have passed `check_readable` (record_rules.py): what they are about,
their points and their value can be read; any other field may be missing, or hold anything.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from spatial_engine.utils.questions.plain_record import format_value
from spatial_engine.utils.questions.record_fields import points_asked
from spatial_engine.utils.questions.record_rules import check_record
from spatial_engine.utils.questions.tasks import COORDINATES, TASKS

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
UNITS = {"mm": "mm", "degree": "°"}  # those that are written behind a value
_SHOWN_FIELDS = frozenset(
    ("id", "image", "conversations", "text", "task", "gt_value", "height_list", "width_list")
)
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
        places = zip(range(len(record["image"])), record["mark_points"], strict=False)
        marks += [Mark(number, ASKED, *place) for number, place in places]
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


def question_of(record: dict[str, Any]) -> tuple[str, str]:
    """(what is told before the question, question), without the lines that stand for images."""
    if "conversations" in record:
        text = _turn(record, 0)
    else:
        text = record.get("text")
        text = text if isinstance(text, str) else ""
    lines = [line for line in text.split("\n") if not _IMAGE_LINE.match(line)]
    description, _, question = "\n".join(lines).rpartition("\n")
    return escaped(description), escaped(question)


def spoken_answer(record: dict[str, Any]) -> str:
    """The answer in words; empty for an evaluation record, which has none."""
    return escaped(_turn(record, 1)) if "conversations" in record else ""


def value_of(record: dict[str, Any]) -> str:
    """`gt_value` with its unit, as people read it."""
    unit = UNITS.get(TASKS[record["task"]].unit, "")
    space = " " if unit.isalpha() else ""
    return escaped(f"{format_value(record['gt_value'])}{space}{unit}")


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


def escaped(text: str) -> str:
    """A text in which nothing is invisible: control and direction marks are shown by number."""
    return _INVISIBLE.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def _turn(record: dict[str, Any], number: int) -> str:
    turns = record["conversations"]
    turn = turns[number] if isinstance(turns, list) and len(turns) > number else None
    value = turn.get("value") if isinstance(turn, dict) else None
    return value if isinstance(value, str) else ""
