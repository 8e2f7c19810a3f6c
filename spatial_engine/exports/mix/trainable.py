"""What a record of InternVL must be to be trained on by it, LLaMA-Factory and ms-swift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatial_engine.utils.questions.plain_record import IMAGE_MARK


def check_trainable(record: Any) -> None:
    """Raise `ValueError`, `TypeError` or `KeyError` unless the trainer can use a record: turns that
    alternate, and a mark for each image. One image that is no list may have none: the trainer puts
    it first."""
    turns = record["conversations"]
    said = turns[1:] if turns and turns[0]["from"] == "system" else turns
    if not said or [turn["from"] for turn in said] != ["human", "gpt"] * (len(said) // 2):
        raise ValueError("turns do not alternate human and gpt")
    if not all(isinstance(turn["value"], str) for turn in turns):
        raise ValueError("a turn is not a text")
    if any(IMAGE_MARK in turn["value"] for turn in turns if turn["from"] != "human"):
        raise ValueError(f"a mark {IMAGE_MARK} outside human turns")
    images = images_of(record)
    marks = [turn["value"].count(IMAGE_MARK) for turn in said[::2]]
    single = isinstance(record.get("image"), str)
    if sum(marks) != len(images) and not (single and not sum(marks)):
        raise ValueError(f"{sum(marks)} marks {IMAGE_MARK} in human turns for {len(images)} images")
    if single and sum(marks) and not marks[0]:
        raise ValueError(f"the mark {IMAGE_MARK} of the one image is not in the first turn")


def images_of(record: Mapping[str, Any]) -> list[str]:
    """Paths of the images of a record: none, one, or a list."""
    image = record.get("image", [])
    images = [image] if isinstance(image, str) and image else list(image)
    if not all(isinstance(name, str) and name for name in images):
        raise ValueError("image is neither a path nor a list of paths")
    return images
