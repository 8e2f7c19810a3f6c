"""Which way surfaces face, from scattered points alone. Pure."""

from __future__ import annotations

import numpy as np

# Sides of the cubes, in metres, whose points are taken for a piece of one surface: the first at
# which most points are in cubes that hold enough. A mesh of usual density has enough in the first.
SIDES = (0.14, 0.28, 0.56)
FEWEST = 5  # points of a cube; fewer tell nothing
# A plane leaves at most this share of the variance of a cube's points; an edge or a corner more.
FLAT_SHARE = 0.02
AGREEING = np.cos(np.deg2rad(11))  # of the normals of two cubes that hold a point


def surface_normals(points: np.ndarray) -> np.ndarray:
    """Unit normals (n, 3) at points (n, 3), metres, of either sign; NaN where a point does not lie
    on a plane with what is around it.

    Two grids of cubes, half a cube apart, must agree: a point at the side of a cube, where an edge
    just outside would not be noticed, is well inside a cube of the other grid.
    """
    normals = np.full((len(points), 3), np.nan)
    finite = np.isfinite(points).all(axis=1)
    if finite.any():
        kept = points[finite] - points[finite].min(axis=0)
        side = next((side for side in SIDES if _is_enough(kept, side)), SIDES[-1])
        one, other = (_of_cubes(kept / side + shift) for shift in (0.0, 0.5))
        agree = np.abs((one * other).sum(axis=1)) > AGREEING  # NaN does not
        normals[finite] = np.where(agree[:, None], one, np.nan)
    return normals


def _is_enough(points: np.ndarray, side: float) -> bool:
    """Whether most points are in cubes of this side that hold enough of them."""
    _, cube_of, counts = _cubes(points / side)
    return bool(np.mean(counts[cube_of] >= 2 * FEWEST) > 0.5)


def _cubes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of the unit cubes that hold points (n, 3), all 0 or more; the cube of each point; how
    many each holds."""
    cubes = points.astype(np.int64)
    numbers = np.ravel_multi_index(cubes.T, cubes.max(axis=0) + 1)
    return np.unique(numbers, return_inverse=True, return_counts=True)


def _of_cubes(points: np.ndarray) -> np.ndarray:
    """Normal of the unit cube that holds each of the points (n, 3), which are 0 or more: (n, 3),
    NaN where the cube's points lie on no plane."""
    _, cube_of, counts = _cubes(points)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(cube_of, weights=values) / counts

    away = points - np.stack([mean(axis) for axis in points.T], axis=1)[cube_of]
    spread = np.empty((len(counts), 3, 3))
    for i, j in ((0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)):
        spread[:, i, j] = spread[:, j, i] = mean(away[:, i] * away[:, j])
    variances, axes = np.linalg.eigh(spread)
    least = FLAT_SHARE * variances.sum(axis=1)
    flat = (variances[:, 0] <= least) & (variances[:, 1] > least)  # a line has no normal
    flat &= counts >= FEWEST
    return np.where(flat[:, None], axes[:, :, 0], np.nan)[cube_of]
