"""Which answers to the questions of one task can be guessed, and for which questions each is right.

Every predictor chooses among these answers, whatever their form: a word, a letter, the first or the
second point named, a number, a vector, coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spatial_engine.evaluation.baselines.wording_baseline import named_points
from spatial_engine.evaluation.results import right_rows, values_of
from spatial_engine.utils.questions.tasks import NAMED_POINT, TASKS

MAX_ANSWERS = 200  # numbers tried as answers; spread evenly over the sorted ones

Record = Mapping[str, Any]


def offers_choices(task: str) -> bool:
    """Whether its answers are few, so that they can be equally frequent."""
    return bool(TASKS[task].options) or TASKS[task].answer == NAMED_POINT


def answers_to(records: Sequence[Record]) -> np.ndarray:
    """(A, n) bool: for which of the questions of one task each of A answers is right."""
    task = TASKS[records[0]["task"]]
    if task.answer == NAMED_POINT:
        return np.array([
            [points[place] == record["gt_value"] for record, points in _named(records)]
            for place in range(task.num_points)
        ])  # fmt: skip
    if task.options:
        truths = np.array([record["gt_value"] for record in records])
        return np.array([truths == option for option in task.options])
    distinct = np.unique(values_of(records), axis=0)
    tried = distinct[:: -(-len(distinct) // MAX_ANSWERS)]
    return np.array(list(right_rows(records, tried)))


def _named(records: Sequence[Record]) -> list[tuple[Record, list[list[int]]]]:
    return [(record, named_points(record)) for record in records]
