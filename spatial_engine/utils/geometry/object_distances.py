"""How far objects are from each other by their vertices, and which frames show their near sides
(SPEC 13). Pure.

The near sides of objects a and b are seen by a set of frames if the least distance of the vertices
that its frames see exceeds that of all by a tolerance at most. That is so where a frame of the set
sees a vertex of a, and a frame of it a vertex of b, that are so close: a matter of two frames,
which need not differ. So one table of frames by frames answers it for every set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

NEAR_SIDE_M = 0.05  # by so much the near sides may be farther apart than the objects are
NEAR_SIDE_SHARE = 0.05  # or by this share of the distance, whichever is more
FEW = 64  # vertices of an object that give a first bound of a distance
AT_ONCE = 1024  # vertices of one object that are held against those of another


@dataclass(frozen=True)
class NearFrames:
    """Which frames show the near sides of two objects: `first` (f,) and `second` (g,) are the
    frames that see a near vertex of the one and of the other, ascending; `near` (f, g) bool says
    which two of them show vertices that are close enough."""

    first: np.ndarray
    second: np.ndarray
    near: np.ndarray


def least_distance(one: np.ndarray, two: np.ndarray, tree: cKDTree) -> float:
    """The least distance of points `one` (n, 3) to points `two` (m, 3), metres; `tree` is that of
    `two`. A bound from few of them tells which can be the nearest at all."""
    few = one[:: max(len(one) // FEW, 1)]
    bound = float(tree.query(few)[0].min())
    close = one[_from_box(one, two.min(axis=0), two.max(axis=0)) <= bound]
    return min(bound, float(tree.query(close, distance_upper_bound=bound)[0].min(initial=bound)))


def tolerance(distance: float) -> float:
    """By how much the near sides that are seen may be farther apart than the objects, metres."""
    return max(NEAR_SIDE_M, NEAR_SIDE_SHARE * distance)


def near_frames(
    one: np.ndarray,
    two: np.ndarray,
    reach: float,
    one_seen: np.ndarray,
    two_seen: np.ndarray,
    frames: Sequence[np.ndarray],
) -> NearFrames:
    """The frames that see vertices of two objects within `reach` metres of each other.

    `one` (n, 3), `two` (m, 3) are the vertices; `one_seen` (f, n), `two_seen` (g, m) bool tell
    which of them the frames `frames` ((f,), (g,)) see.
    """
    mine = np.flatnonzero(_from_box(one, two.min(axis=0), two.max(axis=0)) <= reach)
    other = np.flatnonzero(_from_box(two, one.min(axis=0), one.max(axis=0)) <= reach)
    rows = np.flatnonzero(one_seen[:, mine].any(axis=1))
    columns = np.flatnonzero(two_seen[:, other].any(axis=1))
    mine = mine[one_seen[np.ix_(rows, mine)].any(axis=0)]
    other = other[two_seen[np.ix_(columns, other)].any(axis=0)]
    seen = two_seen[np.ix_(columns, other)].T.astype(np.float32)
    near = np.zeros((len(rows), len(columns)), bool)
    for start in range(0, len(mine), AT_ONCE):
        some = mine[start : start + AT_ONCE]
        close = (_squared(one[some], two[other]) <= reach**2).astype(np.float32)
        found = one_seen[np.ix_(rows, some)].astype(np.float32) @ close > 0
        near |= found.astype(np.float32) @ seen > 0
    return NearFrames(frames[0][rows], frames[1][columns], near)


def _squared(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Squared distances of points (n, 3) and (m, 3), (n, m), in float64."""
    total = np.zeros((len(one), len(two)))
    for axis in range(3):
        apart = one[:, axis, None] - two[None, :, axis]
        apart *= apart
        total += apart
    return total


def _from_box(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Metres of points (n, 3) from a box."""
    return np.linalg.norm(np.maximum(np.maximum(low - points, points - high), 0), axis=1)
