"""Tells a jump of the poses from a drift, by how far frames of a scene have to be moved. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LOST_M = 0.5  # an error that is not known is at least so large, and a larger one counts no more
EXPLAINED = 0.25  # of the errors, which a jump or a drift explains


class PoseErrors(NamedTuple):
    """kind: "jump", "drift", "offset" (all frames alike) or "unsteady"; size: metres; start, end:
    the frames [start, end) that are off, counted among those that were looked at."""

    kind: str
    size: float
    start: int
    end: int


def explain(times: np.ndarray, errors: np.ndarray, found: np.ndarray) -> PoseErrors:
    """What kind of error poses have.

    `times` (n,) ascending; `errors` (n, 3 k) metres by which k places have to move, each with the
    camera of a frame, so that it agrees: one place alone does not show a turn about it. `found`
    (n,) bool, whether it agrees then: where it does not the error is not known.
    """
    models = [*_jumps(times, errors, found), *_drifts(times, errors, found)]
    costs = [_cost(predicted, errors, found) for _, predicted in models]
    best = int(np.argmin(costs))
    told, _ = models[best]
    if costs[best] > (1 - EXPLAINED) * _cost(np.zeros_like(errors), errors, found):
        return told._replace(kind="unsteady", size=float(distance(errors[found]).max(initial=0)))
    return told


def _jumps(times, errors, found):
    """Frames from one to another are off by the same."""
    count = len(times)
    for start in range(count):
        for end in range(start + 1, count + 1):
            inside = np.arange(count)[start:end]
            known = inside[found[inside]]
            size = (
                np.median(errors[known], axis=0) if len(known) else np.full_like(errors[0], LOST_M)
            )
            predicted = np.zeros_like(errors)
            predicted[inside] = size
            kind = "jump" if end - start < count else "offset"
            yield PoseErrors(kind, float(distance(size)), start, end), predicted


def _drifts(times, errors, found):
    """From one frame on, or up to one, or both, frames are off in proportion to time."""
    count = len(times)
    for place in range(count):
        since = (times - times[place]).astype(float)
        for part in (np.maximum(since, 0), np.minimum(since, 0), since):
            known = np.flatnonzero(found & (part != 0))
            if len(known) < 2:
                continue
            weights = np.abs(part[known])
            slope = [_weighted_median(each / part[known], weights) for each in errors[known].T]
            predicted = part[:, None] * np.array(slope)
            size = float(distance(predicted).max())
            off = np.flatnonzero(part)
            yield PoseErrors("drift", size, int(off[0]), int(off[-1]) + 1), predicted


def _cost(predicted: np.ndarray, errors: np.ndarray, found: np.ndarray) -> float:
    """Metres that are not explained; of a frame that is not found none where it is far off."""
    apart = np.minimum(distance(predicted - errors), LOST_M)
    lost = np.maximum(LOST_M - distance(predicted), 0)
    return float(np.where(found, apart, lost).sum())


def distance(errors: np.ndarray) -> np.ndarray:
    """(...) lengths of errors (..., 3 k): root mean square over the k places."""
    return np.linalg.norm(errors, axis=-1) / np.sqrt(errors.shape[-1] / 3)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])
