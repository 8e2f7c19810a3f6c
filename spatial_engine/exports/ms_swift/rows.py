"""Records in ms-swift's own form: points as `objects`, and questions with what a reward needs."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spatial_engine.evaluation.rewards import solution_of
from spatial_engine.exports.shared.client_records import client_record
from spatial_engine.utils.questions.pixel_sentences import PixelSentences
from spatial_engine.utils.questions.plain_record import format_value, from_uniform, question_of
from spatial_engine.utils.questions.record_fields import MAX_COORDINATE, points_asked
from spatial_engine.utils.questions.tasks import COORDINATES, NAMED_POINT, TASKS

POINT_MARK = "<bbox>"
_SLOT_MARKS = re.compile(r"<(point\d?)>")


@dataclass(frozen=True)
class ObjectRows:
    """What makes records with `objects`: with it given, a function of a uniform training record.

    `pixels` are sentences that say pixels where the engine's say thousandths, by `Task.sentences`;
    None keeps the engine's, for models whose template writes thousandths.
    """

    pixels: Mapping[str, PixelSentences] | None = None

    def __call__(self, uniform: Mapping[str, Any]) -> dict[str, Any]:
        """The record whose points are `objects`, two numbers from 0 to 1 each (`norm1`), with a
        mark `<bbox>` for each in its texts.

        The points of a question are in the first image, that of an answer is in the last, which is
        the second where there are two. Raises `ValueError` for texts that are not the engine's.
        """
        record, plain = client_record(uniform), from_uniform(dict(uniform))
        task, said = TASKS[record.task], record.answer or ""
        named = dict(zip(task.slots, points_asked(plain), strict=True))
        asked = self._with_slots(question_of(uniform), named, plain)
        points = [named[slot] for slot in _SLOT_MARKS.findall(asked)]
        if {*map(tuple, points)} != {*map(tuple, named.values())}:
            raise ValueError("its question does not name its points")
        image_ids = [0] * len(points)
        if task.answer in (COORDINATES, NAMED_POINT):
            answer = f"`{format_value(plain['gt_value'])}`"
            if said.count(answer) != 1:
                raise ValueError(f"its answer does not hold {answer} once")
            said = said.replace(answer, f"`{POINT_MARK}`")
            points.append(plain["gt_value"])
            image_ids.append(len(record.images) - 1)
        return {
            "id": record.id,
            "images": record.images,
            "messages": [
                {"role": "user", "content": _SLOT_MARKS.sub(POINT_MARK, asked)},
                {"role": "assistant", "content": said},
            ],
            "objects": {
                "bbox": [[value / MAX_COORDINATE for value in point] for point in points],
                "bbox_type": "norm1",
                "image_id": image_ids,
            },
        }

    def _with_slots(
        self, question: str, named: Mapping[str, list[int]], plain: Mapping[str, Any]
    ) -> str:
        """The question with `<point1>` for the text of the point of that name."""
        texts = {slot: format_value(point) for slot, point in named.items()}
        marks = {slot: f"<{slot}>" for slot in named}
        if self.pixels is not None:
            sentences = self.pixels[TASKS[plain["task"]].sentences]
            return sentences.said_in_pixels(question, texts, marks, plain.get("choices", {}))
        # A convention that names a corner, [ 1000 , 1000 ], is filled with the same numbers again.
        for slot, text in texts.items():
            question = question.replace(text, marks[slot])
        return question


def grpo_row(uniform: Mapping[str, Any], forms: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The question of a uniform training record, and `solution`, JSON text of what a reward needs.

    Every question asks for the bare answer, as in evaluation: one that does not gets one of the
    `forms` of its task (`templates.load_forms`), the same one each time.
    """
    record, plain = client_record(uniform), from_uniform(dict(uniform))
    asked = question_of(uniform)
    if record.answer != f"`{format_value(plain['gt_value'])}`":  # the form given is that asked for
        lines = forms[TASKS[record.task].form]
        asked += "\n" if "choices" in plain else " "
        asked += lines[zlib.crc32(record.id.encode()) % len(lines)]
    return {
        "id": record.id,
        "images": record.images,
        "messages": [{"role": "user", "content": asked}],
        "solution": solution_of(uniform),
    }
