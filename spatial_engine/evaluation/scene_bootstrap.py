"""How far a score depends on which scenes were asked about.

Questions about one scene share its images and its objects: a model tends to be right about all of
them, or wrong. What is drawn again is therefore a scene (of clips a recording), not a question. A
resample draws as many scenes as there are, with replacement; a question counts as often as its
scene was drawn, and scores are made of that as the scorer makes them: a row is the mean of its
subtasks, the total that of the rows, those left out that have no question in the resample.

The resamples depend on the seed and on the names of the scenes alone, so that those of two models
on the same questions are pairs.

The interval takes percentiles that are wider than 2.5 and 97.5 where scenes are few, as a t
interval is wider than a normal one (Hesterberg 2015, "expanded percentiles").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor, nan, sqrt

import numpy as np
from scipy import special

from spatial_engine.utils.geometry import sampling

RESAMPLES = 10_000
FEW_SCENES = 10  # below, an interval is told but not to be trusted
LEAST_SCENES = 2  # below, there is none
BLOCK = 4_000_000  # counts of scenes held at a time: 32 MB


@dataclass(frozen=True)
class Resamples:
    """By line of the results: its scores in the resamples, (n,) percent, nan where none of its
    questions was drawn, and the number of scenes that it asks about."""

    scores: dict[str, np.ndarray]
    scenes: dict[str, int]

    def interval(self, name: str) -> tuple[float, float]:
        """95 percent interval of a line's score."""
        return interval(self.scores[name], self.scenes[name])


def resample(
    questions: Sequence[tuple[str, str]],
    right: Sequence[float],
    rows: Mapping[str, Sequence[str]],
    mean: str,
    seed: int,
    number: int = RESAMPLES,
) -> Resamples:
    """Scores of each task, each row of tasks and their mean in `number` resamples. `questions` are
    (task, scene), of each of which `right` says how right its answer is, from 0 to 1."""
    scenes, place = np.unique([scene for _, scene in questions], return_inverse=True)
    tasks, column = np.unique([task for task, _ in questions], return_inverse=True)
    asked, hit = (np.zeros((len(scenes), len(tasks))) for _ in range(2))
    np.add.at(asked, (place, column), 1)
    np.add.at(hit, (place, column), np.asarray(right, float))
    blocks = []
    for weights in draw_weights(len(scenes), seed, number):
        with np.errstate(invalid="ignore"):  # 0 / 0: none of the task's questions was drawn
            blocks.append(100 * (weights @ hit) / (weights @ asked))
    scores = dict(zip(tasks.tolist(), np.concatenate(blocks).T, strict=True))
    shows = dict(zip(tasks.tolist(), (asked > 0).T, strict=True))
    there = {row: [task for task in names if task in shows] for row, names in rows.items()}
    for row, names in there.items():
        if names:
            scores[row] = _mean([scores[task] for task in names])
            shows[row] = np.any([shows[task] for task in names], axis=0)
    named = [row for row in rows if there[row]]
    if named:
        scores[mean] = _mean([scores[row] for row in named])
        shows[mean] = np.any([shows[row] for row in named], axis=0)
    return Resamples(scores, {name: int(mine.sum()) for name, mine in shows.items()})


def draw_weights(scenes: int, seed: int, number: int = RESAMPLES) -> Iterator[np.ndarray]:
    """How often each scene is drawn, (some, scenes) float in blocks, `number` resamples in all."""
    rng = sampling.generator(seed, "scenes")
    shares = np.full(scenes, 1 / scenes)
    step = max(1, BLOCK // scenes)
    for start in range(0, number, step):
        size = min(step, number - start)
        yield rng.multinomial(scenes, shares, size=size).astype(float)


def interval(values: np.ndarray, scenes: int) -> tuple[float, float]:
    """95 percent interval from values (n,) in the resamples; nan with fewer scenes than two. That
    of the negated values is the negated one, exactly."""
    ordered = np.sort(values[~np.isnan(values)])
    if scenes < LEAST_SCENES or not len(ordered):
        return nan, nan
    reach = sqrt(scenes / (scenes - 1)) * special.stdtrit(scenes - 1, 0.975)
    outside = floor(special.ndtr(-reach) * len(ordered))  # so many values lie beyond each end
    return float(ordered[outside]), float(ordered[-1 - outside])


def _mean(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of those that are there, (n,); nan where none is."""
    stacked = np.array(parts)
    there = ~np.isnan(stacked)
    with np.errstate(invalid="ignore"):
        return np.where(there, stacked, 0).sum(axis=0) / there.sum(axis=0)
