"""Which way surfaces face, from scattered points alone. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Sides of the cubes, in metres, whose points are taken for a piece of one surface: the first at
# which most points are in cubes that hold enough. A mesh of usual density has enough in the first.
SIDES = (0.14, 0.28, 0.56)
FEWEST = 5  # points of a cube; fewer tell nothing
# A plane leaves at most this share of the variance of a cube's points; an edge or a corner more.
FLAT_SHARE = 0.02
ROOM_OF_CUBES = 4  # cubes for each point, up to which all of them are counted, empty ones too
AGREEING = np.cos(np.deg2rad(11))  # of the normals of two cubes that hold a point


def surface_normals(points: np.ndarray) -> np.ndarray:
    """Unit normals (n, 3) at points (n, 3), metres, of either sign; NaN where a point does not lie
    on a plane with what is around it. Axis by axis in memory.

    Two grids of cubes, half a cube apart, must agree: a point at the side of a cube, where an edge
    just outside would not be noticed, is well inside a cube of the other grid.
    """
    normals = np.full((len(points), 3), np.nan, order="F")
    finite = np.isfinite(points).all(axis=1)
    if finite.any():
        axes = np.ascontiguousarray(points[finite].T)
        axes -= axes.min(axis=1, keepdims=True)
        for side in SIDES:
            cubes = _Cubes.of(axes / side)
            if cubes.are_enough:
                break
        moved = axes / side + 0.5
        others = _Cubes.of(moved)
        one, other = _of_cubes(axes / side, cubes), _of_cubes(moved, others)
        mine = [axis.take(cubes.cube_of) for axis in one]
        cosine = sum(a * axis.take(others.cube_of) for a, axis in zip(mine, other, strict=True))
        unlike = ~(np.abs(cosine) > AGREEING)  # NaN is
        for number, axis in enumerate(mine):
            axis[unlike] = np.nan
            normals[finite, number] = axis
    return normals


class _Cubes(NamedTuple):
    """Of points the unit cube that holds each, by number, and how many each cube holds."""

    cube_of: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, axes: np.ndarray) -> _Cubes:
        """Of points (3, n), all 0 or more. Cubes that hold any count from 0."""
        cubes = axes.astype(np.int64)
        shape = cubes.max(axis=1) + 1
        numbers = np.ravel_multi_index(tuple(cubes), tuple(shape))
        if shape.prod(dtype=float) > ROOM_OF_CUBES * len(numbers):
            _, cube_of, counts = np.unique(numbers, return_inverse=True, return_counts=True)
            return cls(cube_of, counts)
        counts = np.bincount(numbers)  # no need to sort
        used = np.flatnonzero(counts)
        number_of = np.empty(len(counts), np.intp)
        number_of[used] = np.arange(len(used))
        return cls(number_of[numbers], counts[used])

    @property
    def are_enough(self) -> bool:
        """Whether most points are in cubes that hold enough of them."""
        return bool(np.mean(self.counts[self.cube_of] >= 2 * FEWEST) > 0.5)


def _of_cubes(axes: np.ndarray, cubes: _Cubes) -> np.ndarray:
    """Normals of the unit cubes that hold points (3, n): (3, cubes), NaN where those of a cube lie
    on no plane."""
    cube_of, counts = cubes

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(cube_of, weights=values) / counts

    away = [axis - mean(axis).take(cube_of) for axis in axes]
    spread = np.empty((len(counts), 3, 3))
    for i, j in ((0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)):
        spread[:, i, j] = spread[:, j, i] = mean(away[i] * away[j])
    variances, axes_of = np.linalg.eigh(spread)
    least = FLAT_SHARE * variances.sum(axis=1)
    flat = (variances[:, 0] <= least) & (variances[:, 1] > least)  # a line has no normal
    flat &= counts >= FEWEST
    return np.where(flat, axes_of[:, :, 0].T, np.nan)
