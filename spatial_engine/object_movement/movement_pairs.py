"""Which two frames of a tracked point are asked about: balanced over how far it moved. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STATIC_M = 0.01  # a point, or a camera, that moves less counts as still
NUM_BINS = 10
LIMITING_BIN = 4  # 0-based: the 5th; displacements are long-tailed, and it holds few enough
SWAPPED_SHARE = 0.05  # so many more pairs of a clip, their frames swapped


@dataclass(frozen=True)
class PointPairs:
    """Pairs of frames of points: numbers `points`, `first`, `second` (n,) int, and how far the
    point moved in the world, `moved` (n,) metres."""

    points: np.ndarray
    first: np.ndarray
    second: np.ndarray
    moved: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[PointPairs]) -> PointPairs:
        """All pairs of several, in order."""
        empty = cls(*(np.zeros(0, np.int64) for _ in range(3)), np.zeros(0))
        columns = zip(*(vars(part).values() for part in (empty, *parts)), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def where(self, rows: np.ndarray) -> PointPairs:
        """Some of the pairs, by their numbers."""
        return PointPairs(*(column[rows] for column in vars(self).values()))

    def __len__(self) -> int:
        return len(self.points)


def draw_point_pairs(
    rng: np.random.Generator, point: int, frames: np.ndarray, positions: np.ndarray, per_bin: int
) -> PointPairs:
    """Pairs of the `frames` (n,), ascending, in which a point is at `positions` (n, 3) metres.

    One pair in which it is static, if there is any. The moving ones are put into ten bins of equal
    width between the least and the greatest displacement; of each as many are drawn as the fifth
    bin holds, at least 1 and at most `per_bin`; one pair, where all displacements are equal.
    """
    one, two = np.triu_indices(len(frames), k=1)
    moved = np.linalg.norm(positions[two] - positions[one], axis=1)
    is_static = moved < STATIC_M
    chosen = [_draw(rng, np.flatnonzero(is_static), 1)]
    moving = np.flatnonzero(~is_static)
    bins = displacement_bins(moved[moving])
    counts = np.bincount(bins, minlength=NUM_BINS)
    limit = min(max(int(counts[LIMITING_BIN]), 1), per_bin)
    for number in np.flatnonzero(counts):
        chosen.append(_draw(rng, moving[bins == number], limit))
    rows = np.concatenate(chosen)
    return PointPairs(np.full(len(rows), point), frames[one[rows]], frames[two[rows]], moved[rows])


def displacement_bins(moved: np.ndarray) -> np.ndarray:
    """Bin of each displacement (n,): 0 to 9 between the least and the greatest; 0 for all where
    these are equal."""
    if not len(moved):
        return np.zeros(0, np.int64)
    low, high = moved.min(), moved.max()
    if high <= low:
        return np.zeros(len(moved), np.int64)
    scaled = (moved - low) / (high - low) * NUM_BINS
    return np.minimum(scaled.astype(np.int64), NUM_BINS - 1)


def swapped_extra(rng: np.random.Generator, pairs: PointPairs) -> PointPairs:
    """Some of the pairs again, with the frames swapped."""
    rows = _draw(rng, np.arange(len(pairs)), int(SWAPPED_SHARE * len(pairs)))
    return PointPairs(pairs.points[rows], pairs.second[rows], pairs.first[rows], pairs.moved[rows])


def _draw(rng: np.random.Generator, numbers: np.ndarray, count: int) -> np.ndarray:
    """`count` of the numbers, or all where there are fewer, without replacement, in order."""
    count = min(count, len(numbers))
    return np.sort(rng.choice(numbers, size=count, replace=False, shuffle=False))
