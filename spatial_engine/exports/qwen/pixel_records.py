"""Records whose coordinates are pixels of the resized image, as Qwen2.5-VL counts them.

A coordinate x of thousandths becomes round(x W' / 1000), at most W' - 1, where W' is the width at
which the model looks at the image that the point is in; y likewise. That is changed wherever a
record holds it: in the question, its sentences about coordinates and the answer, and in the fields
`gt_value`, `points_info`, `p1`, `p2`, `options` and `mark_points`. The field `pixel_coordinates`
holds the rule and the sizes; `width_list` and `height_list` stay those of the image files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from spatial_engine.exports.qwen.smart_resize import smart_resize
from spatial_engine.utils.questions.pixel_sentences import PixelSentences, names_points
from spatial_engine.utils.questions.plain_record import (
    format_value,
    from_uniform,
    question_of,
)
from spatial_engine.utils.questions.record_fields import (
    MAX_COORDINATE,
    PIXELS,
    move_points,
    points_asked,
)
from spatial_engine.utils.questions.tasks import NAMED_POINT, TASKS

UNIT = "pixel"  # `gt_unit` of an answer that is a point


@dataclass(frozen=True)
class Resizing:
    """How the model's image processor resizes images: the arguments of `smart_resize`."""

    factor: int
    min_pixels: int
    max_pixels: int

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) at which the model looks at an image."""
        numbers = (self.factor, self.min_pixels, self.max_pixels)
        return smart_resize(height, width, *numbers)[::-1]


@dataclass(frozen=True)
class Pixels:
    """What makes records in pixels: with it given, a function of a record, for another process."""

    resizing: Resizing
    sentences: Mapping[str, PixelSentences]

    def __call__(self, uniform: Mapping[str, Any]) -> dict[str, Any] | None:
        """The uniform record in pixels; None if two points between which it asks to choose fall on
        one pixel.

        Raises `ValueError` for a record that is not of this engine.
        """
        plain = from_uniform(dict(uniform))
        task = TASKS[plain["task"]]
        if PIXELS in plain:
            raise ValueError("its coordinates are pixels already")
        shown = zip(plain["width_list"], plain["height_list"], strict=True)
        sizes = [self.resizing.size_of(*size) for size in shown]

        def move(image: int, point: Sequence[int]) -> list[int]:
            return to_pixels(point, sizes[image])

        moved = move_points(plain, move)
        if (
            task.answer == NAMED_POINT
            and len(set(map(tuple, points_asked(moved)))) < task.num_points
        ):
            return None
        question, answer = question_of(uniform), ""
        if names_points(task):
            slots, slots_px = (
                dict(zip(task.slots, map(format_value, points_asked(record)), strict=True))
                for record in (plain, moved)
            )
            listed = plain.get("choices", {})
            sentences = self.sentences[task.sentences]
            question = sentences.said_in_pixels(question, slots, slots_px, listed)
        if "conversations" in uniform:
            answer = uniform["conversations"][1]["value"]
            if moved["gt_value"] != plain["gt_value"]:
                answer = _with_answer(answer, plain["gt_value"], moved["gt_value"])
        return _uniform(uniform, plain, moved, question, answer, self._told(sizes))

    def _told(self, sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
        return {**vars(self.resizing), "sizes": [[*size] for size in sizes]}


def to_pixels(point: Sequence[int], size: Sequence[int]) -> list[int]:
    """A point in thousandths as a pixel of an image of (width, height); halves go to the even
    number, as in `round`."""
    return [
        min(round(x * side / MAX_COORDINATE), side - 1) for x, side in zip(point, size, strict=True)
    ]


def _with_answer(answer: str, value: Any, value_px: Any) -> str:
    said = f"`{format_value(value)}`"
    if answer.count(said) != 1 or answer.count("`") != 2:
        raise ValueError(f"its answer does not hold {said} once")
    return answer.replace(said, f"`{format_value(value_px)}`")


def _uniform(
    uniform: Mapping[str, Any],
    plain: Mapping[str, Any],
    moved: Mapping[str, Any],
    question: str,
    answer: str,
    told: Mapping[str, Any],
) -> dict[str, Any]:
    """The record with what was moved, in uniform form."""
    kept = uniform.keys() - {"extra"}
    extra = {name: value for name, value in moved.items() if name not in kept}
    record = {
        **uniform,
        "gt_value": orjson.dumps(moved["gt_value"]).decode(),
        "extra": orjson.dumps({**extra, PIXELS: told}).decode(),
    }
    if uniform["gt_unit"] == "permille":
        record["gt_unit"] = UNIT
    if "conversations" in uniform:
        said = (question, answer)
        turns = zip(uniform["conversations"], said, strict=True)
        record["conversations"] = [{**turn, "value": text} for turn, text in turns]
    else:
        record["text"] = question
    return record
