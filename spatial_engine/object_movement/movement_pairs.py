"""Which two frames of a tracked point are asked about: balanced over how far it moved. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatial_engine.utils.geometry.body_motion import BodyMotion
from spatial_engine.utils.geometry.sampling import balanced_quotas

NUM_BINS = 10
LIMITING_BIN = 4  # 0-based: the 5th; displacements are long-tailed, and it holds few enough
SWAPPED_SHARE = 0.05  # so many more pairs of a clip, their frames swapped


@dataclass(frozen=True)
class MovementRule:
    """What counts as still and as moved, and how many records are about still points: the constants
    of the scripts.

    A point that moves less than `still_m` metres is still, from `moved_m` and `jitter_times` the
    jitter of the clip on it has moved; in between the data do not tell. `static_share` of a clip's
    training records are about still points; 0: one pair of frames at most for each point.
    """

    still_m: float
    moved_m: float
    jitter_times: float
    static_share: float

    def moved_from(self, jitter: float) -> float:
        """Metres from which a point has moved in a clip of this jitter, NaN where not known."""
        least = max(self.still_m, self.moved_m)
        return least if np.isnan(jitter) else max(least, self.jitter_times * jitter)


@dataclass(frozen=True)
class Limits:
    """A point of a clip that moves less than `still_m` metres is still, from `moved_m` on it has
    moved. `one_body`: all points are of one body, so that either all are still or none is."""

    still_m: float
    moved_m: float
    one_body: bool = False

    @classmethod
    def of(cls, rule: MovementRule, jitter: float) -> Limits:
        """In a clip of this jitter."""
        return cls(rule.still_m, rule.moved_from(jitter))

    @classmethod
    def of_body(cls, rule: MovementRule, motion: BodyMotion) -> Limits:
        """In a clip whose points all lie on one body: nothing is known of small motions, and of
        still points only where the body is parked."""
        least = max(rule.still_m, rule.moved_m)
        return cls(motion.still_below, motion.moved_from(least, rule.jitter_times), one_body=True)


PUBLISHED = MovementRule(still_m=0.01, moved_m=0.01, jitter_times=0.0, static_share=0.0)


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


def pairs_of(point: int, frames: np.ndarray, positions: np.ndarray) -> PointPairs:
    """All pairs of the `frames` (n,), ascending, in which a point is at `positions` (n, 3)
    metres."""
    one, two = np.triu_indices(len(frames), k=1)
    moved = np.linalg.norm(positions[two] - positions[one], axis=1)
    return PointPairs(np.full(len(one), point), frames[one], frames[two], moved)


def draw_point_pairs(
    rng: np.random.Generator, pairs: PointPairs, still_m: float, per_bin: int, most_still: int = 1
) -> PointPairs:
    """Draw from the pairs of one point.

    At most `most_still` pairs in which it is still. The moving ones are put into ten bins of equal
    width between the least and the greatest displacement; of each as many are drawn as the fifth
    bin holds, at least 1 and at most `per_bin`; one pair, where all displacements are equal.
    """
    is_still = pairs.moved < still_m
    chosen = [_draw(rng, np.flatnonzero(is_still), most_still)]
    moving = np.flatnonzero(~is_still)
    bins = displacement_bins(pairs.moved[moving])
    counts = np.bincount(bins, minlength=NUM_BINS)
    limit = min(max(int(counts[LIMITING_BIN]), 1), per_bin)
    for number in np.flatnonzero(counts):
        chosen.append(_draw(rng, moving[bins == number], limit))
    return pairs.where(np.concatenate(chosen))


def with_still_share(
    rng: np.random.Generator, pairs: PointPairs, still_m: float, share: float
) -> tuple[PointPairs, int]:
    """The moving pairs of a clip, and of its still ones so many that they are `share` of all, at
    least one, evenly over the points; and how many still pairs are missing to that."""
    if not len(pairs):
        return pairs, 0
    is_still = pairs.moved < still_m
    wanted = max(1, round(share / (1 - share) * int(np.count_nonzero(~is_still))))
    still = rng.permutation(np.flatnonzero(is_still))
    _, owners, counts = np.unique(pairs.points[still], return_inverse=True, return_counts=True)
    order, quotas = rng.permutation(len(counts)), np.zeros_like(counts)
    quotas[order] = balanced_quotas(counts[order], wanted)
    rank = np.arange(len(still)) - np.repeat(np.cumsum(counts) - counts, counts)
    by_owner = still[np.argsort(owners, kind="stable")]
    chosen = by_owner[rank < np.repeat(quotas, counts)]
    rows = np.sort(np.concatenate([np.flatnonzero(~is_still), chosen]))
    return pairs.where(rows), wanted - len(chosen)


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
