"""Whether a prediction is right, by the rules of MultiSPA (SPEC 11).

Words, letters     equal, ignoring case
Numbers, vectors   |prediction - truth| <= 20 percent of |truth|; a truth of 0 needs 0
Coordinates        within 5 percent of the image's width, measured in pixels of the image
Named point        nearer, in pixels, to the right one of the two points that the question names

Bounds are included and computed without rounding. Where a record's coordinates are pixels of a
resized image (exports/export_qwen.py), so are the answers, and distances are those in the image.

Of three to eight frames (SPEC 13) letters and counts are right if equal, and stand beside that:

mra    of numbers and vectors: the share of theta = 0.50, 0.55, ... 0.95 for which
       |prediction - truth| <= (1 - theta) |truth|
sign   of signed numbers: whether the sign is right
f1     of sets of letters: 2 |both| / (|predicted| + |true|)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from spatial_engine.evaluation.answer_reading.answers import Answer, read
from spatial_engine.evaluation.answer_reading.units import PIXEL
from spatial_engine.utils.questions.plain_record import Value, format_value, from_uniform
from spatial_engine.utils.questions.record_fields import PIXELS, extent_of
from spatial_engine.utils.questions.tasks import (
    COORDINATES,
    LETTERS,
    NAMED_POINT,
    NUMBER,
    TASKS,
    VECTOR,
    Task,
)

TOLERANCE = Fraction(20, 100)  # of the truth
COORDINATE_TOLERANCE = Fraction(5, 100)  # of the image's width
MRA_TOLERANCES = [Fraction(number, 20) for number in range(1, 11)]  # of the truth
MEASURES = ("mra", "sign", "f1")


@dataclass(frozen=True)
class Score:
    """The verdict on one prediction; `parsed` is the answer as read, None where there is none, for
    the reason `unread` (answers.py). `measures` are those of `MEASURES` that the task has, from 0
    to 1."""

    task: str
    correct: bool
    parsed: str | None
    unread: str = ""
    measures: dict[str, float] = field(default_factory=dict)


def score_record(record: Mapping[str, Any], prediction: str) -> Score:
    """Score what a model said to an evaluation record, in the engine's own form or uniform."""
    record = from_uniform(dict(record))
    task = TASKS[record["task"]]
    reading = read(prediction, asked_task(record), record.get("choices"))
    answer, truth = reading.answer, record["gt_value"]
    measures = measure(answer, truth, task)
    if answer is None:
        return Score(task.name, False, None, reading.reason, measures)
    correct = is_right(answer, record)
    if isinstance(answer, str):
        return Score(task.name, correct, answer, measures=measures)
    shown = format_value([_shown(number) for number in answer]) if len(answer) > 1 else None
    return Score(task.name, correct, shown or str(_shown(answer[0])), measures=measures)


def asked_task(record: Mapping[str, Any]) -> Task:
    """The task of a record as it asks it: a copy in pixels is answered by pixels."""
    task = TASKS[record["task"]]
    in_pixels = PIXELS in record and task.answer in (COORDINATES, NAMED_POINT)
    return replace(task, unit=PIXEL) if in_pixels else task


def is_right(answer: Answer, record: Mapping[str, Any]) -> bool:
    """Whether an answer as read is right; the record is in the engine's own form."""
    task, truth = TASKS[record["task"]], record["gt_value"]
    if isinstance(answer, str):
        return answer.casefold() == str(truth).casefold()
    if task.answer == COORDINATES:
        bound = COORDINATE_TOLERANCE * record["width_list"][-1]
        return squared_px(answer, truth, unit_px(record)) <= bound**2
    if task.answer == NAMED_POINT:
        return _names(answer, truth, record["points_info"], unit_px(record))
    if task.unit == "count":
        return answer[0] == truth
    return is_within_tolerance(answer, _numbers(truth))


def is_within_tolerance(
    answer: Sequence[Fraction], truth: Sequence[int], tolerance: Fraction = TOLERANCE
) -> bool:
    """Whether the vector's error is at most so much of the true vector's length."""
    error = sum((a - t) ** 2 for a, t in zip(answer, truth, strict=True))
    return error <= tolerance**2 * sum(t**2 for t in truth)


def measure(answer: Answer | None, truth: Value, task: Task) -> dict[str, float]:
    """What stands beside the verdict on an answer, of tasks of three to eight frames; without an
    answer 0."""
    if not task.of_frames:
        return {}
    measures = {}
    if task.answer in (NUMBER, VECTOR):
        measures["mra"] = mra(answer, truth) if answer else 0.0
    if task.unit == "signed degree":
        measures["sign"] = float(bool(answer) and answer[0] * truth > 0)
    if task.answer == LETTERS:
        measures["f1"] = f1(answer, truth) if answer else 0.0
    return measures


def mra(answer: Answer, truth: Value) -> float:
    """Mean relative accuracy of numbers: the share of `MRA_TOLERANCES` that their error keeps."""
    near = [is_within_tolerance(answer, _numbers(truth), one) for one in MRA_TOLERANCES]
    return sum(near) / len(near)


def f1(answer: str, truth: str) -> float:
    """F1 of a set of letters, both as `A, C`."""
    said, right = set(answer.split(", ")), set(truth.split(", "))
    return 2 * len(said & right) / (len(said) + len(right))


def unit_px(record: Mapping[str, Any]) -> list[Fraction]:
    """Pixels of the image that is answered about, the last, which make one unit of a coordinate in
    width and in height."""
    size = (record["width_list"][-1], record["height_list"][-1])
    return [Fraction(*pair) for pair in zip(size, extent_of(record, -1), strict=True)]


def _names(
    answer: Answer,
    truth: Sequence[int],
    points: Sequence[Mapping[str, Any]],
    unit: Sequence[Fraction],
) -> bool:
    """Whether the answer is nearer to the true point than to the other; midway it is not."""
    others = [[p["x"], p["y"]] for p in points if [p["x"], p["y"]] != list(truth)]
    mine = squared_px(answer, truth, unit)
    return all(mine < squared_px(answer, other, unit) for other in others)


def squared_px(answer: Answer, truth: Sequence[int], unit: Sequence[Fraction]) -> Fraction:
    """Squared distance in pixels of two points whose coordinates count so many pixels each, in
    width and in height (`unit_px`)."""
    return sum(
        ((Fraction(a) - t) * pixels) ** 2 for a, t, pixels in zip(answer, truth, unit, strict=True)
    )


def _numbers(truth: Value) -> list[int]:
    return truth if isinstance(truth, list) else [truth]


def _shown(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 else round(float(number), 6)
