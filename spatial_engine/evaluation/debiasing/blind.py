"""How many questions text alone answers, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any

import numpy as np

from spatial_engine.evaluation.debiasing.predictors import (
    WORDS,
    choose_wording,
    folds_of,
    predict,
)
from spatial_engine.evaluation.results import chance_levels, wilson
from spatial_engine.evaluation.scene_bootstrap import FEW_SCENES, resample

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """The candidates of one subtask, as the predictors see them: which answers are right (A, n),
    features and words of the texts, scenes by name."""

    name: str
    records: Sequence[Record]
    right: np.ndarray
    features: Mapping[str, np.ndarray]
    words: np.ndarray
    places: Sequence[str]

    def chance(self, chosen: np.ndarray) -> float:
        """Percent right by chance, as the scorer says, of the chosen questions."""
        mine = [self.records[one] for one in np.flatnonzero(chosen)]
        return chance_levels(mine)[self.name]


@dataclass(frozen=True)
class Blind:
    """The best of the predictors: its score, its 95 percent interval and chance, in percent; nan
    where questions of a single scene leave nothing to try it on. `over` says what the interval is
    over: scenes, or questions (Wilson's) where there are fewer than ten."""

    score: float
    low: float
    high: float
    chance: float
    predictor: str
    over: str

    @property
    def is_chance(self) -> bool:
        """Whether it is no better than chance: the interval does not lie above it."""
        return not self.low > self.chance

    def as_json(self) -> dict[str, Any]:
        """A line of the table; null for what is missing."""
        plain = asdict(self) | {"is_chance": nan if isnan(self.score) else self.is_chance}
        return {name: None if value != value else value for name, value in plain.items()}


def measure(task: Task, chosen: np.ndarray, folds: int, seed: int) -> Blind:
    """The best of four predictors on the chosen questions (n,) bool: wording and words, trained on
    the chosen questions or on all candidates, always of other scenes. The scenes are divided anew,
    not as they were for the exchange."""
    chance, number = task.chance(chosen), int(chosen.sum())
    if len({task.places[one] for one in np.flatnonzero(chosen)}) < 2:
        return Blind(nan, nan, nan, chance, "", "")
    tried = {}
    parts = folds_of(task.places, folds, seed, task.name, "measured")
    for origin, trained in (("itself", chosen), ("all candidates", np.ones_like(chosen))):
        solved = predict(task.right, task.features, task.words, parts, trained)
        tried[f"wording, of {origin}"] = choose_wording(solved, parts, chosen)[chosen]
        tried[f"words, of {origin}"] = solved[WORDS][chosen]
    best = max(tried, key=lambda name: np.count_nonzero(tried[name]))  # the first of equals
    low, high, over = _interval(task, chosen, tried[best], seed)
    share = int(np.count_nonzero(tried[best])) / number
    return Blind(100 * share, low, high, chance, best, over)


def _interval(
    task: Task, chosen: np.ndarray, right: np.ndarray, seed: int
) -> tuple[float, float, str]:
    questions = [(task.name, task.places[one]) for one in np.flatnonzero(chosen)]
    if len(set(questions)) >= FEW_SCENES:
        found = resample(questions, right.astype(float), {}, "", seed).interval(task.name)
        if not any(map(isnan, found)):
            return *found, "scenes"
    low, high = wilson(float(right.mean()), len(right))
    return 100 * low, 100 * high, "questions"
