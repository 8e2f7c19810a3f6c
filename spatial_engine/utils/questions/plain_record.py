"""A record as plain data: its values as text, and the uniform form back into the engine's own.

Imports orjson and the standard library alone: the task of lmms-eval and the scorer build on it, in
environments that have nothing else of the engine's packages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain
from typing import Any

import orjson

Value = str | int | list[int]
MAX_NESTING = 100  # a record has five levels; orjson reads 1,024 of them and writes 254
IMAGE_MARK = "<image>"
_IMAGE_MARKS = re.compile(r"^(?:Image-\d+: )?<image>\n", re.MULTILINE)


def format_value(value: Value) -> str:
    """A value as written in an answer: a word, a number, or `[ x , y ]`."""
    return f"[ {' , '.join(map(str, value))} ]" if isinstance(value, list) else str(value)


def answer_of(record: Mapping[str, Any]) -> str:
    """The right answer of a uniform record, as written between backticks in training."""
    return format_value(parse_json(record["gt_value"]))


def question_of(record: Mapping[str, Any]) -> str:
    """What is asked: the text of an evaluation record, what the human says in a training record."""
    return record["text"] if "text" in record else record["conversations"][0]["value"]


def check_marks(record: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless the question has a mark for each image of the record."""
    marks, images = question_of(record).count(IMAGE_MARK), len(record["image"])
    if marks != images:
        raise ValueError(f"{marks} marks {IMAGE_MARK} in the text for {images} images")


def parts_of(question: str) -> list[str | int]:
    """A question as its texts and, where a mark `<image>` stands, the 0-based number of the image,
    in the order of reading; no part is empty."""
    parts: list[str | int] = []
    for number, text in enumerate(question.split(IMAGE_MARK)):
        parts += [number - 1] if number else []
        parts += [text] if text else []
    return parts


def without_image_marks(text: str) -> str:
    """A question for models that get the images before the text: "Image-1" stays true by order."""
    return _IMAGE_MARKS.sub("", text)


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text that is not from us: one that can be written again.

    Raises `orjson.JSONDecodeError`, also for more than `MAX_NESTING` levels of lists and objects.
    """
    value = orjson.loads(text)
    opening = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if sum(map(text.count, opening)) <= MAX_NESTING:  # each level begins with one
        return value
    level = [value]
    for _ in range(MAX_NESTING + 1):
        outer = [one.values() if isinstance(one, dict) else one for one in level if _nests(one)]
        if not outer:
            return value
        level = list(chain.from_iterable(outer))
    raise orjson.JSONDecodeError(f"more than {MAX_NESTING} levels of lists and objects", "", 0)


def _nests(value: Any) -> bool:
    return isinstance(value, (list, dict))


def is_uniform(record: dict[str, Any]) -> bool:
    """Whether a record is in uniform form (record_files.py makes it)."""
    return "gt_unit" in record


def from_uniform(record: dict[str, Any]) -> dict[str, Any]:
    """The record with its values and extra fields as they were; images stay relative to the root.

    A record in the engine's own form is returned as it is. Raises `ValueError` when a JSON text is
    not JSON.
    """
    if not is_uniform(record):
        return record
    plain = {k: v for k, v in record.items() if k not in ("gt_unit", "extra", "gt_value")}
    extra = parse_json(record.get("extra"))  # without it: as of a text that is no JSON
    if not isinstance(extra, dict):
        raise ValueError("`extra` is not a JSON object")
    return {**plain, "gt_value": parse_json(record.get("gt_value")), **extra}
