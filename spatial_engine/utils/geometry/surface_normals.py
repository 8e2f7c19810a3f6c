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
    axes = np.ascontiguousarray(points.T)
    normals = np.full(axes.shape, np.nan)
    finite = np.isfinite(axes).all(axis=0)
    if finite.any():
        axes = axes if finite.all() else axes[:, finite]
        axes = axes - axes.min(axis=1, keepdims=True)
        for side in SIDES:
            cubes = _Cubes.of(axes / side)
            if cubes.are_enough:
                break
        axes /= side
        one = _of_cubes(axes, cubes)
        axes += 0.5
        others = _Cubes.of(axes)
        other = _of_cubes(axes, others)
        found = np.stack([axis.take(cubes.cube_of) for axis in one])
        cosine = sum(a * b.take(others.cube_of) for a, b in zip(found, other, strict=True))
        unlike = ~(np.abs(cosine) > AGREEING)  # NaN is
        for axis in found:
            axis[unlike] = np.nan
        if finite.all():
            return found.T
        normals[:, finite] = found
    return normals.T


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

    x, y, z = (axis - mean(axis).take(cube_of) for axis in axes)
    squares, products = (x * x, y * y, z * z), (y * z, x * z, x * y)
    normals = _normals_of(np.array([*map(mean, squares)]), np.array([*map(mean, products)]))
    normals[:, counts < FEWEST] = np.nan
    return normals


def _normals_of(variances: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Normals (3, n) of scattered points of `variances` (3, n) and `covariances` (3, n), those of
    y z, x z and x y; NaN where they lie on no plane: where not just one of the variances along
    their own axes is within `FLAT_SHARE` of the sum.

    Eigenvectors of all 3x3 matrices at once, by Cardano's formula: one after the other they take
    more than all the rest.
    """
    total = variances.sum(axis=0)
    with np.errstate(all="ignore"):  # what is no plane may be anything
        flat = _determinant(variances - FLAT_SHARE * total, covariances) < 0
        middle = total / 3
        away = variances - middle
        size = np.sqrt((away**2).sum(axis=0) / 6 + (covariances**2).sum(axis=0) / 3)
        cosine = _determinant(away / size, covariances / size) / 2
        turn = (np.arccos(np.clip(cosine, -1, 1)) + 2 * np.pi) / 3
        a, b, c = away - 2 * size * np.cos(turn)  # less the least eigenvalue: a matrix of rank two
        yz, xz, xy = covariances
        # Whatever two of its rows span is across the normal: the two that tell most of it.
        across = np.array(
            [
                [b * c - yz**2, xz * yz - xy * c, xy * yz - xz * b],
                [xz * yz - xy * c, a * c - xz**2, xy * xz - yz * a],
                [xy * yz - xz * b, xy * xz - yz * a, a * b - xy**2],
            ]
        )
        lengths = np.sqrt((across**2).sum(axis=1))
        best, columns = lengths.argmax(axis=0), np.arange(len(total))
        normals = across[best, :, columns].T / lengths[best, columns]
    normals[:, ~flat] = np.nan
    return normals


def _determinant(diagonal: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Determinants (n,) of symmetric matrices: `diagonal` (3, n), `others` (3, n) in the order of
    `_normals_of`."""
    product = diagonal.prod(axis=0) + 2 * others.prod(axis=0)
    return product - (diagonal * others**2).sum(axis=0)
