"""Depth images of captures in whole millimetres, with what an honest program may get otherwise.

What was chosen where the definitions leave a choice:
- depth in whole millimetres: rounded half to even from the source's value. Of a value that is
  as near to a tie as float32 can tell, either may be; also 0 or 65535 beyond 65535 mm.
- masked: a depth pixel is dropped where the mask drops all of the colour pixels around it, kept
  where it drops none of them; between, either may be.
- registered: each depth pixel goes to the colour camera's pixel nearest to where it is seen; of
  several the nearest surface stays; nothing is filled.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

from spatial_engine.audit.captures.lens import FAR, LENS_TIE, nearest, positions, scaled_camera
from spatial_engine.audit.captures.rotations import turned_image
from spatial_engine.audit.captures.scan import DepthCamera

MAX_MM = 65535
LEAST_SLACK_MM, FLOAT32 = 1e-4, 2e-7  # mm; share of a value
SPLAT_TIE = 1e-3  # px


class Depth(NamedTuple):
    """(h, w) float64 whole millimetres, 0 = none: by float64, and the least and most it may be."""

    plain: np.ndarray
    low: np.ndarray
    high: np.ndarray


def whole_mm(exact: np.ndarray, truncated: bool) -> Depth:
    """(h, w) float64 millimetres in whole ones; 0 or not finite = none."""
    measured = np.isfinite(exact) & (exact > 0)
    exact = np.where(measured, np.minimum(np.where(measured, exact, 0), 1e9), 0.0)
    slack = np.maximum(LEAST_SLACK_MM, FLOAT32 * exact)
    if truncated:
        plain, low, high = (np.floor(exact + shift) for shift in (0, -slack, slack))
    else:
        plain = np.rint(exact)
        low, high = np.ceil(exact - 0.5 - slack), np.floor(exact + 0.5 + slack)
    beyond = high > MAX_MM
    found = (plain, np.where(beyond, 0, low), high)
    return Depth(*(np.where(measured, np.clip(one, 0, MAX_MM), 0.0) for one in found))


def masked(depth: Depth, keep: np.ndarray) -> Depth:
    """Without what (H, W) bool drops. Of each depth pixel the colour pixels around it count that
    are less than the side of a depth pixel away."""
    height, width = depth.plain.shape
    step_y, step_x = keep.shape[0] / height, keep.shape[1] / width
    top, bottom = _spans(height, step_y, keep.shape[0])
    left, right = _spans(width, step_x, keep.shape[1])
    sums = np.zeros((keep.shape[0] + 1, keep.shape[1] + 1), dtype=np.int64)
    sums[1:, 1:] = keep.cumsum(axis=0).cumsum(axis=1)  # of what is above and to the left
    upper, lower = sums[top], sums[bottom]
    kept = lower[:, right] - lower[:, left] - upper[:, right] + upper[:, left]
    every = kept == np.outer(bottom - top, right - left)
    rows, columns = (
        (np.arange(height) * step_y).astype(int),
        (np.arange(width) * step_x).astype(int),
    )
    return Depth(
        np.where(keep[np.ix_(rows, columns)], depth.plain, 0),
        np.where(every, depth.low, 0),
        np.where(kept > 0, depth.high, 0),
    )


def _spans(count: int, step: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """First and end of the colour pixels around each of `count` depth pixels; one at least."""
    places = np.arange(count)
    first = np.clip(np.floor((places - 1) * step) + 1, 0, size - 1).astype(int)
    end = np.clip(np.ceil((places + 1) * step), 0, size).astype(int)
    return first, np.maximum(end, first + 1)


def undistorted(depth: Depth, K: np.ndarray, size: tuple[int, int], lens: np.ndarray) -> Depth:
    """Without distortion; K and size (width, height) are those of the colour image."""
    shape = depth.plain.shape[1], depth.plain.shape[0]
    u, v = positions(shape, scaled_camera(K, size, shape), lens)
    low, high = nearest(depth.low, u, v), nearest(depth.high, u, v)
    for dx, dy in product((-LENS_TIE, 0, LENS_TIE), repeat=2):
        low = np.minimum(low, nearest(depth.low, u + dx, v + dy))
        high = np.maximum(high, nearest(depth.high, u + dx, v + dy))
    return Depth(nearest(depth.plain, u, v), low, high)


def registered(exact: np.ndarray, camera: DepthCamera, K: np.ndarray) -> Depth:
    """The depth that the colour camera of K sees, at the size of the depth image.

    exact: (h, w) float64 millimetres in the depth camera. K is that of colour images of this size.
    """
    height, width = exact.shape
    v, u = np.nonzero(np.isfinite(exact) & (exact > 0))
    z = exact[v, u]
    with np.errstate(all="ignore"):
        x, y = (u - camera.K[0, 2]) / camera.K[0, 0] * z, (v - camera.K[1, 2]) / camera.K[1, 1] * z
    rotation, shift = camera.colour_from_depth[:3, :3], 1000 * camera.colour_from_depth[:3, 3]
    x, y, z = (np.stack([x, y, z], axis=1) @ rotation.T + shift).T
    with np.errstate(all="ignore"):
        column, row = K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2]
    front = (z > 0) & (np.abs([column, row]) < FAR).all(axis=0)
    z, column, row = z[front], column[front], row[front]

    def buffer(which: np.ndarray, dx: float, dy: float, values: np.ndarray) -> np.ndarray:
        """Nearest of the values that fall on each pixel, inf where none does."""
        found = np.full((height, width), np.inf)
        c, r = np.rint(column + dx), np.rint(row + dy)
        which = which & (c >= 0) & (c < width) & (r >= 0) & (r < height)
        place = r[which].astype(np.int64), c[which].astype(np.int64)
        np.minimum.at(found, place, values[which])
        return found

    mm = whole_mm(z[None], truncated=False)
    every = np.ones(len(z), dtype=bool)
    sure = (np.rint(column - SPLAT_TIE) == np.rint(column + SPLAT_TIE)) & (
        np.rint(row - SPLAT_TIE) == np.rint(row + SPLAT_TIE)
    )
    plain, certain = buffer(every, 0, 0, mm.plain[0]), buffer(sure, 0, 0, mm.high[0])
    low, high = np.full_like(plain, np.inf), np.zeros_like(plain)
    for dx, dy in product((-SPLAT_TIE, SPLAT_TIE), repeat=2):
        low = np.minimum(low, buffer(every, dx, dy, mm.low[0]))
        some = buffer(every, dx, dy, mm.high[0])
        high = np.maximum(high, np.where(np.isfinite(some), some, 0))
    high = np.where(np.isfinite(certain), certain, high)
    low = np.where(np.isfinite(certain), low, 0)
    return Depth(np.where(np.isfinite(plain), plain, 0), low, high)


def turned(depth: Depth, sky: str) -> Depth:
    return Depth(*(turned_image(one, sky) for one in depth))
