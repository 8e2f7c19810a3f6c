"""Whether a prediction is right, by the rules of MultiSPA (SPEC 11).

Words, letters     equal, ignoring case
Numbers, vectors   |prediction - truth| <= 20 percent of |truth|; a truth of 0 needs 0
Coordinates        within 5 percent of the image's width, measured in pixels
Named point        nearer, in pixels, to the right one of the two points that the question names

Bounds are included and computed without rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from spatial_engine.evaluation.answer_reading.answers import Answer, read
from spatial_engine.utils.questions.plain_record import Value, format_value, from_uniform
from spatial_engine.utils.questions.tasks import COORDINATES, NAMED_POINT, TASKS

TOLERANCE = Fraction(20, 100)  # of the truth
COORDINATE_TOLERANCE = Fraction(5, 100)  # of the image's width


@dataclass(frozen=True)
class Score:
    """The verdict on one prediction; `parsed` is the answer as read, None where there is none, for
    the reason `unread` (answers.py)."""

    task: str
    correct: bool
    parsed: str | None
    unread: str = ""


def score_record(record: Mapping[str, Any], prediction: str) -> Score:
    """Score what a model said to an evaluation record, in the engine's own form or uniform."""
    record = from_uniform(dict(record))
    task = TASKS[record["task"]]
    reading = read(prediction, task)
    answer = reading.answer
    if answer is None:
        return Score(task.name, False, None, reading.reason)
    truth: Value = record["gt_value"]
    if isinstance(answer, str):
        return Score(task.name, answer.casefold() == str(truth).casefold(), answer)
    shown = format_value([_shown(number) for number in answer]) if len(answer) > 1 else None
    parsed = shown or str(_shown(answer[0]))
    size = (record["width_list"][-1], record["height_list"][-1])  # of the image answered about
    if task.answer == COORDINATES:
        correct = _squared_px(answer, truth, size) <= (COORDINATE_TOLERANCE * size[0]) ** 2
    elif task.answer == NAMED_POINT:
        correct = _names(answer, truth, record["points_info"], size)
    else:
        correct = is_within_tolerance(answer, truth if isinstance(truth, list) else [truth])
    return Score(task.name, correct, parsed)


def is_within_tolerance(answer: Sequence[Fraction], truth: Sequence[int]) -> bool:
    """Whether the vector's error is at most 20 percent of the true vector's length."""
    error = sum((a - t) ** 2 for a, t in zip(answer, truth, strict=True))
    return error <= TOLERANCE**2 * sum(t**2 for t in truth)


def _names(
    answer: Answer, truth: Sequence[int], points: Sequence[Mapping[str, Any]], size: Sequence[int]
) -> bool:
    """Whether the answer is nearer to the true point than to the other; midway it is not."""
    others = [[p["x"], p["y"]] for p in points if [p["x"], p["y"]] != list(truth)]
    mine = _squared_px(answer, truth, size)
    return all(mine < _squared_px(answer, other, size) for other in others)


def _squared_px(answer: Answer, truth: Sequence[int], size: Sequence[int]) -> Fraction:
    """Squared distance in pixels of two points in thousandths of the image's (width, height)."""
    return sum(
        ((Fraction(a) - t) * extent / 1000) ** 2
        for a, t, extent in zip(answer, truth, size, strict=True)
    )


def _shown(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 else round(float(number), 6)
