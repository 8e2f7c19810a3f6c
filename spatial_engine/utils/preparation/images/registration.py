"""Depth as the colour camera would measure it, where the two cameras of a device see from two
places.

Each depth pixel is a small patch of surface: as large as the distance between two neighbours, seen
from the colour camera. A pixel of the result takes the patch that covers its centre, the nearest
one where there are several. So depth that is denser than the result is thinned, not mixed (if the
nearest of all in a pixel won, slanted surfaces would come nearer), and depth that is less dense
leaves no gaps. Where no patch is, nothing was measured: what the depth camera did not see beside an
edge stays empty.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Where a surface turns from the depth camera towards the colour camera, patches move apart. So they
# are also laid this much larger, which closes cracks: what shows there would be the wall behind.
OVERLAP = 1.1
SAME_SURFACE = 0.03  # of the depth: a patch that is nearer by less hides nothing
LARGEST_SPREAD = 16  # pixels of the result for one of depth; more is no registration
LEAST_DEPTH_M = 0.01  # before the colour camera
NONE = np.iinfo(np.uint16).max
BAND = 2**14  # pixels at a time: arrays of more do not stay in the processor's cache


class Registration:
    """Two cameras side by side: intrinsics (3, 3) each for its image size (width, height), and
    `color_from_depth` (4, 4), in metres.

    The result has the size of the depth images and the field of view of the colour images: its
    pixel (u W_D / W, v H_D / H) is the colour pixel (u, v).
    """

    def __init__(
        self,
        depth_K: np.ndarray,
        color_K: np.ndarray,
        color_from_depth: np.ndarray,
        depth_size: tuple[int, int],
        color_size: tuple[int, int],
    ):
        self.size = depth_size
        width, height = depth_size
        shares = np.array([width / color_size[0], height / color_size[1], 1.0])
        target_K = np.diag(shares) @ np.asarray(color_K, np.float64)[:3, :3]
        depth_K = np.asarray(depth_K, np.float64)[:3, :3]
        transform = np.asarray(color_from_depth, np.float64)
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        pixels = np.stack([columns.ravel(), rows.ravel(), np.ones(width * height)])
        # For a pixel of depth z: (u w, v w, w) = z ray + shift, with w the depth in colour's view.
        rays = target_K @ transform[:3, :3] @ np.linalg.inv(depth_K) @ pixels
        self._rays = rays.astype(np.float32)
        self._shift = (target_K @ transform[:3, 3]).astype(np.float32)
        spread = np.diag(target_K)[:2] / np.diag(depth_K)[:2]  # side of a patch in pixels, x and y
        if not (np.isfinite(spread).all() and 0 < spread.min() <= spread.max() <= LARGEST_SPREAD):
            raise ValueError(f"one depth pixel would cover {spread} pixels")
        self._reach = (spread / 2).astype(np.float32)

    def __call__(self, depth_mm: np.ndarray) -> np.ndarray:
        """(h, w) uint16 millimetres as the colour camera sees them, 0 = not measured, from those of
        the depth camera."""
        width, height = self.size
        if depth_mm.shape != (height, width):
            raise ValueError(f"a depth image of {depth_mm.shape[::-1]}, not {self.size}")
        found = np.full(width * height, NONE, np.uint16)
        margins: list[list[tuple[np.ndarray, np.ndarray]]] = []  # by band and pixel of a patch
        for start in range(0, width * height, BAND):
            u, v, values = self._patches(depth_mm.ravel()[start : start + BAND], start)
            margins.append([])
            for x, y in self._pixels(u, v):
                off_x, off_y = np.abs(x - u), np.abs(y - v)
                near = (off_x <= OVERLAP * self._reach[0]) & (off_y <= OVERLAP * self._reach[1])
                near &= (x >= 0) & (x < width) & (y >= 0) & (y < height)
                true = near & (off_x <= self._reach[0]) & (off_y <= self._reach[1])
                place = y.astype(np.int32) * np.int32(width) + x.astype(np.int32)
                np.minimum.at(found, place[true], values[true])
                margin = np.flatnonzero(near ^ true)
                margins[-1].append((place[margin], values[margin]))
        for bands in zip(*margins, strict=True):
            place, nearer = (np.concatenate(parts) for parts in zip(*bands, strict=True))
            hides = found[place] > nearer * np.float32(1 + SAME_SURFACE)
            np.minimum.at(found, place[hides], nearer[hides])
        found[found == NONE] = 0
        return found.reshape(height, width)

    def _patches(
        self, depth_mm: np.ndarray, start: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of depth (k,) of the pixels from the number `start` on: centres of the patches in the
        result, x and y, each (n,) float32, and their depths (n,) uint16 millimetres."""
        z = depth_mm * np.float32(1e-3)
        rays = self._rays[:, start : start + len(z)]
        w = rays[2] * z + self._shift[2]
        seen = (z > 0) & (w >= LEAST_DEPTH_M) & (w < NONE * 1e-3)
        scale = np.float32(1) / np.where(seen, w, np.float32(1))
        u, v = ((rays[i] * z + self._shift[i]) * scale for i in (0, 1))
        width, height = self.size
        x, y = OVERLAP * self._reach
        seen &= (u >= -x) & (u <= width - 1 + x) & (v >= -y) & (v <= height - 1 + y)
        places = np.flatnonzero(seen)
        return u[places], v[places], np.rint(w[places] * np.float32(1000)).astype(np.uint16)

    def _pixels(self, u: np.ndarray, v: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Pixels x and y that patches can cover, one for each patch at a time; some are outside."""
        reach = np.float32(OVERLAP) * self._reach
        first_x, first_y = np.ceil(u - reach[0]), np.ceil(v - reach[1])
        for row in range(int(np.ceil(2 * reach[1]))):
            for column in range(int(np.ceil(2 * reach[0]))):
                yield first_x + np.float32(column), first_y + np.float32(row)
