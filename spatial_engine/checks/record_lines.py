"""A line of a file of records: its record, whichever of our forms it has, and what that asks."""

from __future__ import annotations

from typing import Any

import orjson

from spatial_engine.utils.questions.plain_record import from_uniform, is_uniform, parse_json
from spatial_engine.utils.questions.record_fields import Fault, cut_short, is_text, points_asked
from spatial_engine.utils.questions.record_files import scene_of
from spatial_engine.utils.questions.tasks import TASKS

Record = dict[str, Any]


def parse(line: bytes) -> tuple[Record, list[Fault]]:
    """A line's record in the engine's own form, or {} and what is wrong with the line."""
    try:
        record = parse_json(line)
        if not isinstance(record, dict):
            return {}, [("json", f"a record is an object, not {cut_short(record)}")]
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
    task = TASKS.get(plain.get("task")) if is_text(plain.get("task")) else None
    if task and record["gt_unit"] != task.unit:
        return plain, [("field", f"gt_unit is {record['gt_unit']}, not {task.unit}")]
    return plain, []


def question_key(record: Record) -> bytes:
    """What a sound record asks, whatever the words: two records with one key ask the same.

    The images (of an object in any order, as they are shuffled), the points named or marked, and
    the object: two objects of one category in the same images are two questions, as published, and
    so are two tracks whose points round to one place in the first image and part in the second.
    """
    task, images = TASKS[record["task"]], record["image"]
    if task.of_frames:
        return orjson.dumps([task.name, scene_of(images[0]), *_asked_of_frames(record)])
    about: list[Any] = [task.name, images]
    if "object_id" in task.fields:
        about = [task.name, sorted(images), record["object_id"]]
    elif "points_info" in task.fields:
        about += [sorted(points_asked(record)), record.get("is_closer_question")]
    elif "p1" in task.fields:
        about += [record["p1"], record["p2"] if task.of_clips else None]
    return orjson.dumps(about)


# Objects that a question of these tasks names each for itself; the others are in no order.
_NAMED_OBJECTS = {"relation_nearest_object": 1, "relation_direction": 3}


def _asked_of_frames(record: Record) -> list[Any]:
    """A set of frames, whatever their order, and what is asked about: a frame, a point, objects."""
    task = TASKS[record["task"]]
    ids, named = record.get("object_ids", []), _NAMED_OBJECTS.get(task.name, 0)
    return [
        sorted(record["frames"]),
        record["frames"][-1] if "image" in task.slots else None,
        [record.get(name) for name in ("point_id", "object_id", "raw_category")],
        [*ids[:named], *sorted(ids[named:])],
    ]
