"""What can be wrong with one record (SPEC 10), for the checks of files and for the report page.

Pure: no file is opened here. A fault is (kind, cause); causes hold text of the record as it is and
are escaped where they are shown. What depends on a field that is wrong already is not looked at, so
that one mistake is one fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from spatial_engine.utils.paths import FOLDERS
from spatial_engine.utils.questions.plain_record import format_value
from spatial_engine.utils.questions.record_fields import (
    COMMON,
    MAX_COORDINATE,
    PIXELS,
    WITH_POINTS,
    Fault,
    Record,
    are_integers,
    check_fields,
    cut_short,
    is_in_image,
    is_text,
    placed_points,
    points_asked,
)
from spatial_engine.utils.questions.records import RESERVED_FIELDS
from spatial_engine.utils.questions.tasks import (
    COORDINATES,
    LETTERS,
    NAMED_POINT,
    NUMBER,
    TASKS,
    Task,
)

IMAGE_MARK = "<image>"
MAX_DEGREES = 180
MAX_TURN = 7 * 90  # of a camera through eight frames
MAX_NUMBER = 10**9  # mm: beyond, a number is a mistake
_NEEDED = ("id", "image", "task", "gt_value")  # fields without which there is nothing to read
_SPAN = re.compile("`+([^`]*)`+")
_NAMED = re.compile(r"\[\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*\]")
_CORNERS = ([0, 0], [MAX_COORDINATE, MAX_COORDINATE])  # questions explain by these what x, y are


def check_record(record: Record, split: str, file_task: str = "") -> list[Fault]:
    """Everything wrong with a record of its own; `file_task` is what its file is for, if known."""
    reserved = sorted(RESERVED_FIELDS & record.keys())
    faults = [("reserved field", f"{name} has a meaning for trainers") for name in reserved]
    wrong = _check_all_fields(record, COMMON)
    if wrong:
        return faults + wrong
    task = TASKS[record["task"]]
    if record["question_type"] != task.question_type:
        cause = f"question_type {record['question_type']} is not {task.question_type}"
        faults.append(("task", cause))
    elif file_task and task.name != file_task:
        faults.append(("task", f"task {task.name} in a file of {file_task}"))
    faults += _check_images(record, task)
    faults += (wrong_value := check_value(record, task))
    if form := _check_form(record, split):
        return faults + form
    question, answer = _said_in(record)
    marks = question.count(IMAGE_MARK)
    if marks != len(record["image"]):
        text = f"{marks} {IMAGE_MARK} for {len(record['image'])} images"
        faults.append(("image marks", text))
    if IMAGE_MARK in answer:
        faults.append(("image marks", f"{IMAGE_MARK} in an answer"))
    faults += (wrong_place := [*_check_points(record), *_check_named(record, task, question)])
    if not wrong_value:
        faults += _check_answer(record, task, split, question, answer)
    if not wrong_value and not wrong_place and (cause := task.rule(record, task)):
        value = format_value(record["gt_value"])
        faults.append(("contradiction", f"gt_value is {value}, but {cause}"))
    return faults


def check_readable(record: Record) -> list[Fault]:
    """Why a record can be neither shown nor scored: what it is about, its points or its value
    cannot be read, whatever else is wrong with it."""
    wrong = _check_all_fields(record, _NEEDED, WITH_POINTS)
    if wrong:
        return wrong
    task = TASKS[record["task"]]
    return [*_check_paths(record), *_check_form_of_value(record, task), *_check_points(record)]


def check_value(record: Record, task: Task) -> list[Fault]:
    """What is wrong with `gt_value`, given the answer that the task asks for."""
    value = record["gt_value"]
    if task.answer == LETTERS:
        letters = value.split(", ") if isinstance(value, str) else []
        if letters and letters == sorted({*letters} & {*task.options}):
            return []
        return [("gt_value", f"gt_value must be some of {', '.join(task.options)}, in order")]
    if task.options:
        if isinstance(value, str) and value in task.options:
            return []
        return [("gt_value", f"gt_value must be one of {', '.join(task.options)}")]
    if wrong := _check_form_of_value(record, task):
        return wrong
    limit = MAX_DEGREES if task.unit == "degree" else MAX_NUMBER
    if task.unit == "signed degree":
        if not -MAX_TURN <= value <= MAX_TURN:
            return [("gt_value", f"gt_value must be an integer from -{MAX_TURN} to {MAX_TURN}")]
    elif task.answer == NUMBER and not 0 <= value <= limit:
        return [("gt_value", f"gt_value must be an integer from 0 to {limit:,}")]
    return []


@lru_cache(2**16)  # the images of a scene are named again and again
def is_inside(path: str) -> bool:
    """Whether an image path names a file in a folder below its root."""
    parts = path.split("/")
    return len(parts) > 1 and not {"", ".", ".."} & set(parts) and not {"\\", "\0"} & set(path)


# ---- parts ---------------------------------------------------------------------------------------


def _check_all_fields(
    record: Record, common: tuple[str, ...], extra: tuple[str, ...] | None = None
) -> list[Fault]:
    """Fields that every record has, then those of its task (of them the `extra` ones, if given)."""
    wrong = list(check_fields(record, common))
    task = record.get("task")
    if is_text(task) and task not in TASKS:
        wrong.append(("task", f"unknown task {task}"))
    if wrong:
        return wrong
    fields = [name for name in TASKS[task].fields if extra is None or name in extra]
    wrong = list(check_fields(record, [*fields, PIXELS] if PIXELS in record else fields))
    if PIXELS in record and not wrong and len(record[PIXELS]["sizes"]) != len(record["image"]):
        wrong.append(("size", f"{PIXELS} has other sizes than for {len(record['image'])} images"))
    return wrong


def _check_form_of_value(record: Record, task: Task) -> list[Fault]:
    """Whether `gt_value` is a text, or as many numbers as it should be; a place, in the image."""
    value, count = record["gt_value"], task.num_numbers
    if not count:
        return [] if isinstance(value, str) else [("gt_value", "gt_value must be a text")]
    numbers = [value] if count == 1 else value
    if not are_integers(numbers, count) or max(map(abs, numbers)) > MAX_NUMBER:
        what = "an integer" if count == 1 else f"{count} integers"
        return [("gt_value", f"gt_value must be {what} of at most {MAX_NUMBER:,}")]
    last = len(record["image"]) - 1
    if task.answer in (COORDINATES, NAMED_POINT) and not is_in_image(record, last, value):
        return [("coordinates", f"gt_value {value} is not in {_bounds(record, last)}")]
    return []


def _check_images(record: Record, task: Task) -> Iterator[Fault]:
    images = record["image"]
    if len(images) not in task.image_counts:
        usual = "3 to 8" if task.of_frames else task.num_images
        yield "image count", f"{len(images)} images, {task.name} has {usual}"
    for name in ("height_list", "width_list"):
        if len(record[name]) != len(images):
            yield "size", f"{name} has {len(record[name])} sizes for {len(images)} images"
    if "mark_points" in task.fields:  # one mark in each image
        for name in ("mark_points", "mark_colors"):
            if len(record[name]) != len(images):
                yield "marks", f"{name} has {len(record[name])} marks for {len(images)} images"
    yield from _check_paths(record)


def _check_paths(record: Record) -> Iterator[Fault]:
    for path in record["image"]:
        if not is_inside(path):
            yield "image path", f"{cut_short(path)} is not <folder>/<name> below the image root"


def _check_form(record: Record, split: str) -> list[Fault]:
    """A training record holds turns of human and gpt, an evaluation record a question alone, and
    its wording unless it is of an older engine."""
    expected, other = ("conversations", "text") if split == "train" else ("text", "conversations")
    folder = FOLDERS[split].replace("_", " ")
    if other in record:
        return [("form", f"{other} in {folder}")]
    if expected not in record:
        return [("form", f"no {expected} in {folder}")]
    if split == "val":
        wrong = [] if is_text(record["text"]) else [("form", "text must be a text")]
        return wrong + (list(check_fields(record, ["wording"])) if "wording" in record else [])
    if "wording" in record:
        return [("form", f"wording in {folder}")]
    turns = record["conversations"]
    if not isinstance(turns, list) or not turns or len(turns) % 2:
        return [("form", "conversations must be pairs of human and gpt")]
    for number, turn in enumerate(turns):
        role = ("human", "gpt")[number % 2]
        if not isinstance(turn, dict) or turn.get("from") != role:
            return [("form", f"turn {number + 1} must be of {role}")]
        if not is_text(turn.get("value")) or not turn["value"].strip():
            return [("form", f"turn {number + 1} says nothing")]
    return []


def _said_in(record: Record) -> tuple[str, str]:
    """What the human says in a sound record, and what gpt says ("" in an evaluation record)."""
    if "text" in record:
        return record["text"], ""
    turns = record["conversations"]
    human = (turn["value"] for turn in turns[::2])
    return "\n".join(human), "\n".join(turn["value"] for turn in turns[1::2])


def _check_points(record: Record) -> Iterator[Fault]:
    for image, point in placed_points(record):
        if not is_in_image(record, image, point):
            yield "coordinates", f"{point} is not in {_bounds(record, image)}"


def _bounds(record: Record, image: int) -> str:
    if PIXELS in record:
        return f"the pixels of image {image + 1}"
    return f"0..{MAX_COORDINATE}"


def _check_named(record: Record, task: Task, question: str) -> Iterator[Fault]:
    """A question by coordinates names the points that it asks about; none names others."""
    named = [[int(x), int(y)] for x, y in _NAMED.findall(question)]
    asked = [] if task.marked else points_asked(record)
    for point in asked:
        if point not in named:
            yield "coordinates", f"the question does not name the point {format_value(point)}"
    for point in named:
        if point not in asked and point not in _CORNERS:
            yield (
                "coordinates",
                f"the question names {format_value(point)}, not a point of the record",
            )


def _check_answer(
    record: Record, task: Task, split: str, question: str, answer: str
) -> Iterator[Fault]:
    """The answer is in backticks once, and the question does not give it away: it may show all
    options in backticks, never the answer alone."""
    expected = format_value(record["gt_value"])
    if split == "train":
        spans = _SPAN.findall(answer)
        if spans != [expected] or answer.count("`") != 2:
            yield "answer", f"{cut_short(spans)} in backticks, not `{expected}` once"
    offered = {span.strip() for span in _SPAN.findall(question)}
    choices = set(task.options)
    if task.answer == NAMED_POINT:
        choices = set(map(format_value, points_asked(record)))
    if expected in offered and not (offered & choices) - {expected}:
        yield "given away", f"the question holds the answer `{expected}`"
