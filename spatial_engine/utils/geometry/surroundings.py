"""Which points lie around a point, and whether they lie on a plane with it. Pure."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

NEAREST = 64  # of the points around a point that are known at most
CHOSEN = 12  # of them that are given, from the nearest to the farthest


class Surroundings:
    """The points within `radius` metres of points of a scene."""

    def __init__(self, points: np.ndarray, radius: float):
        """`points` (m, 3), metres; those that are not finite are around none."""
        self._points, self._radius = points, radius
        self._numbers = np.flatnonzero(np.isfinite(points).all(axis=1))
        self._tree = cKDTree(points[self._numbers])

    def around(self, numbers: np.ndarray) -> np.ndarray:
        """For each of the points `numbers` (n,), which are finite, `CHOSEN` of the points around
        it, (n, CHOSEN) int; the point itself again where there are fewer."""
        if not len(numbers):
            return np.zeros((0, CHOSEN), int)
        neighbours = np.arange(1, min(NEAREST, len(self._numbers)) + 1)
        away, found = self._tree.query(self._points[numbers], k=neighbours)
        count = np.count_nonzero(away <= self._radius, axis=1)  # with the point itself
        ranks = np.linspace(0, 1, CHOSEN) * (count - 1)[:, None]
        return self._numbers[np.take_along_axis(found, np.rint(ranks).astype(int), axis=1)]


def off_plane(points: np.ndarray, normals: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How far `others` (n, k, 3) lie from the planes through `points` (n, 3) with these `normals`
    (n, 3): (n, k) metres."""
    return np.abs(np.einsum("nkx,nx->nk", others - points[:, None], normals))
