"""What can be wrong with one record (SPEC 10), in the engine's own or the uniform form.

Pure: no file is opened here. A fault is (kind, cause); causes hold text of the record as it is and
are made fit for a terminal where they are shown. What depends on a field that is wrong is not
checked, so that one mistake gives one fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson

from spatial_engine.checks.record_fields import COMMON, EXTRA, check_fields, is_text, shown
from spatial_engine.checks.record_values import (
    check_coordinates,
    check_value,
    contradictions,
    points_of,
)
from spatial_engine.utils.paths import FOLDERS
from spatial_engine.utils.questions.plain_record import from_uniform, is_uniform
from spatial_engine.utils.questions.records import RESERVED_FIELDS, format_value, parse_json
from spatial_engine.utils.questions.subtasks import SUBTASKS, Subtask

Fault = tuple[str, str]  # kind, cause
Record = dict[str, Any]

IMAGE_MARK = "<image>"
_SPAN = re.compile("`+([^`]*)`+")


def parse(line: bytes) -> tuple[Record, list[Fault]]:
    """A line's record in the engine's own form, or {} and what is wrong with the line."""
    try:
        record = parse_json(line)
        if not isinstance(record, dict):
            return {}, [("json", f"a record is an object, not {shown(record)}")]
    except orjson.JSONDecodeError as error:
        return {}, [("json", f"not json ({error})" if line.strip() else "an empty line")]
    if not is_uniform(record):
        return record, []
    texts = ("gt_value", "gt_unit", "extra")
    wrong = [name for name in texts if not isinstance(record.get(name), str)]
    if wrong:
        return {}, [("field", f"{name} must be a text in uniform form") for name in wrong]
    try:
        plain = from_uniform(record)
    except ValueError as error:
        return {}, [("field", f"gt_value and extra must be JSON texts ({error})")]
    repeated = sorted(set(orjson.loads(record["extra"])) & set(record))
    if repeated:
        return {}, [("field", f"extra holds {repeated[0]}, which is a field of its own")]
    subtask = SUBTASKS.get(plain.get("task")) if is_text(plain.get("task")) else None
    if subtask and record["gt_unit"] != subtask.unit:
        return plain, [("field", f"gt_unit is {record['gt_unit']}, not {subtask.unit}")]
    return plain, []


def question_type_of(task: str) -> str:
    """The published name of what a subtask asks (SPEC 10)."""
    family, _, rest = task.partition("_")
    if family == "camera":
        return rest
    if family == "correspondence":
        kind = {"coor": "coor_2_coor", "multichoice": "dot_2_multichoice"}[rest]
        return f"visual_correspondence_{kind}"
    if family == "object":
        return f"object_perception_{rest}_estimation"
    if family == "movement":
        quantity = {"distance": "total_distance", "vector": "displacement_vector"}
        return f"tapvid3d_{quantity[rest.split('_')[1]]}"
    return task


def check_record(record: Record, split: str, file_task: str = "") -> list[Fault]:
    """Everything wrong with a record of its own; `file_task` is what its file is for, if known."""
    reserved = sorted(RESERVED_FIELDS & record.keys())
    faults = [("reserved field", f"{name} has a meaning for trainers") for name in reserved]
    wrong = list(check_fields(record, COMMON))
    task = record.get("task")
    if wrong or task not in SUBTASKS:
        if is_text(task) and task not in SUBTASKS:
            wrong.append(("task", f"unknown task {task}"))
        return faults + wrong
    wrong += check_fields(record, EXTRA[task])
    if wrong:
        return faults + wrong
    subtask = SUBTASKS[task]
    expected = question_type_of(task)
    if record["question_type"] != expected:
        faults.append(("task", f"question_type {record['question_type']} is not {expected}"))
    elif file_task and task != file_task:
        faults.append(("task", f"task {task} in a file of {file_task}"))
    faults += _check_images(record, subtask)
    faults += (wrong_value := check_value(record, subtask))
    form = _check_form(record, split)
    if form:
        return faults + form
    question, answer = said_in(record)
    marks = question.count(IMAGE_MARK)
    if marks != len(record["image"]):
        text = f"{marks} {IMAGE_MARK} for {len(record['image'])} images"
        faults.append(("image marks", text))
    if IMAGE_MARK in answer:
        faults.append(("image marks", f"{IMAGE_MARK} in an answer"))
    faults += (wrong_place := check_coordinates(record, question))
    if not wrong_value:
        faults += _check_answer(record, subtask, split, question, answer)
    if not wrong_value and not wrong_place:
        faults += contradictions(record, subtask)
    return faults


def said_in(record: Record) -> tuple[str, str]:
    """What the human says in a sound record, and what gpt says ("" in an evaluation record)."""
    if "text" in record:
        return record["text"], ""
    turns = record["conversations"]
    human = (turn["value"] for turn in turns[::2])
    return "\n".join(human), "\n".join(turn["value"] for turn in turns[1::2])


def question_key(record: Record) -> bytes:
    """What a sound record asks, whatever the words: two records with one key ask the same.

    The images (of an object in any order, as they are shuffled), the points named or marked, and
    the object: two objects of one category in the same images are two questions, as published, and
    so are two tracks whose points round to one place in the first image and part in the second.
    """
    images = record["image"]
    about: list[Any] = [record["task"], images]
    if record["task"].startswith("object_"):
        about = [record["task"], sorted(images), record["object_id"]]
    elif "points_info" in record:
        about += [sorted(points_of(record)), record.get("is_closer_question")]
    elif "p1" in record:
        moving = record["task"].startswith("movement_")
        about += [record["p1"], record["p2"] if moving else None]
    return orjson.dumps(about)


# ---- parts ---------------------------------------------------------------------------------------


def _check_images(record: Record, subtask: Subtask) -> Iterator[Fault]:
    images = record["image"]
    allowed = (1, 2) if subtask.name.startswith("object_") else (subtask.num_images,)
    if len(images) not in allowed:
        yield "image count", f"{len(images)} images, {subtask.name} has {allowed[-1]}"
    for name in ("height_list", "width_list"):
        if len(record[name]) != len(images):
            yield "size", f"{name} has {len(record[name])} sizes for {len(images)} images"
    for path in images:
        if not is_inside(path):
            yield "image path", f"{shown(path)} is not <folder>/<name> below the image root"


@lru_cache(2**16)  # the images of a scene are named again and again
def is_inside(path: str) -> bool:
    """Whether an image path names a file in a folder below its root."""
    parts = path.split("/")
    return len(parts) > 1 and not {"", ".", ".."} & set(parts) and not {"\\", "\0"} & set(path)


def _check_form(record: Record, split: str) -> list[Fault]:
    """A training record holds turns of human and gpt, an evaluation record a question alone."""
    expected, other = ("conversations", "text") if split == "train" else ("text", "conversations")
    folder = FOLDERS[split].replace("_", " ")
    if other in record:
        return [("form", f"{other} in {folder}")]
    if expected not in record:
        return [("form", f"no {expected} in {folder}")]
    if split == "val":
        return [] if is_text(record["text"]) else [("form", "text must be a text")]
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


def _check_answer(
    record: Record, subtask: Subtask, split: str, question: str, answer: str
) -> Iterator[Fault]:
    """The answer is in backticks once, and the question does not give it away: it may show all
    options in backticks, never the answer alone."""
    expected = format_value(record["gt_value"])
    if split == "train":
        spans = _SPAN.findall(answer)
        if spans != [expected] or answer.count("`") != 2:
            yield "answer", f"{shown(spans)} in backticks, not `{expected}` once"
    offered = {span.strip() for span in _SPAN.findall(question)}
    choices = subtask.options or [format_value(point) for point in points_of(record)]
    if expected in offered and not (offered & set(choices)) - {expected}:
        yield "given away", f"the question holds the answer `{expected}`"
