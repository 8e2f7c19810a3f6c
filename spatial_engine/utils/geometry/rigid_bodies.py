"""Which tracked points move as one body (SPEC 9.2). Pure.

Points of one rigid body keep their distances, whatever the body and the camera do, so that the
coordinates of either frame of reference will do.
"""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist

TRACKING_NOISE_M = 0.01  # smaller changes of a distance from frame to frame are noise
CUT_M = 0.1  # points whose distances change by less in all, on average, are one body
MIN_POINTS = 6  # "more than 5": a body needs so many points
# Most changes sum up to 0, and of equal ones any may be joined first. So much of what was left out
# as noise is counted after all, which puts points that truly keep their distance before others.
NOISE_SHARE = 1e-6
UNKNOWN_M = 10.0  # change of a distance that two points never show in two frames running
BLOCK = 64  # points whose distances are summed at a time


def distance_changes(tracks: np.ndarray) -> np.ndarray:
    """How much the distance of every two points changes in the course of a clip, in metres.

    `tracks` (frames, n, 3) metres, NaN where unknown. Sums the absolute change of each distance
    from frame to frame where both points are finite in both frames, noise counts by a millionth
    only. Returns the condensed form of scipy, (n (n - 1) / 2,): pairs (0, 1), (0, 2), ... in this
    order.
    """
    num_points = tracks.shape[1]
    finite = np.isfinite(tracks).all(axis=2)
    points = np.where(finite[:, :, None], tracks, np.nan)
    total = np.empty(num_points * (num_points - 1) // 2)
    end = 0
    for first in range(0, num_points, BLOCK):
        changes = _block_changes(points, first, not finite.all())
        for row, to_others in enumerate(changes):
            count = num_points - first - row - 1
            total[end : end + count] = to_others[row + 1 :]
            end += count
    return total


def _block_changes(points: np.ndarray, first: int, gaps: bool) -> np.ndarray:
    """Changes of the distances from `BLOCK` points to all from `first` on, (block, n - first).

    A block goes through all frames at once, so that its few arrays stay in the cache.
    """
    block, others = points[:, first : first + BLOCK], points[:, first:]
    before = cdist(block[0], others[0])
    total, noise = np.zeros_like(before), np.zeros_like(before)
    known = np.zeros(before.shape, bool)
    for block_now, others_now in zip(block[1:], others[1:], strict=True):
        now = cdist(block_now, others_now)
        np.abs(np.subtract(now, before, out=before), out=before)
        if gaps:
            unknown = np.isnan(before)
            known |= ~unknown
            before[unknown] = 0
        noise += before
        before *= before > TRACKING_NOISE_M
        total += before
        before = now
    total += NOISE_SHARE * noise
    return np.where(known, total, UNKNOWN_M) if gaps else total


def rigid_bodies(tracks: np.ndarray) -> list[np.ndarray]:
    """Groups of points that keep their distances, each (k,) ascending numbers of points.

    `tracks` (frames, n, 3) metres, NaN where unknown; points that are never finite are in no
    group. Groups come in the order of their first points; small ones are left out.
    """
    tracked = np.flatnonzero(np.isfinite(tracks).all(axis=2).any(axis=0))
    if len(tracked) < MIN_POINTS:
        return []
    tree = linkage(distance_changes(tracks[:, tracked]), method="average")
    labels = fcluster(tree, CUT_M, criterion="distance")
    groups = [tracked[labels == label] for label in np.unique(labels)]
    return sorted((g for g in groups if len(g) >= MIN_POINTS), key=lambda group: group[0])
