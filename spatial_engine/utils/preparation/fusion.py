"""Points fused from depth, for captures without a mesh: surfaces on which frames agree.

Frames are read twice, one at a time; memory goes with the surface seen, not with the frames. Sums
are of whole numbers, so that no order of frames changes a bit. Defined in SPEC 3.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import cv2
import numpy as np

from spatial_engine.utils.geometry.cameras import MM_PER_METRE

VOXEL_M = 0.02  # a hand's breadth holds five; doubled while a scene has more than MOST_VOXELS
MOST_VOXELS = 2_000_000  # of pass 1; a room has half a million
USED_WIDTH = 320  # pixels of a depth image across that pass 1 looks at, about; pass 2 looks at all
EDGE_MM, EDGE_PERCENT = 50, 3  # between neighbours: one pixel sees two surfaces, or the air between
AGREE_M, AGREE_SHARE = 0.02, 0.02  # of the depth: two frames measure the same surface
THROUGH_TIMES = 2  # times that: a frame sees through
LEAST_FRAMES = 2  # that agree

UNITS_PER_M = 100_000  # positions are rounded to 0.01 mm before they are summed
AXIS_BITS = 21  # of a voxel's number along an axis: 40 km, then it starts again
FEWEST_JOINED = 50_000  # voxels that wait until they are worth a sort
BLOCK_BITS = 5  # a block is 32 voxels wide
SLACK_M = 1e-3  # by which rounding may move a block


class PosedFrame(NamedTuple):
    """world_from_cam (4, 4), rigid; K (3, 3) of the colour image; depth_mm (h, w) uint16, 0 = not
    measured; color() gives (H, W, 3) uint8 BGR, of the same field of view and of `color_size`
    (width, height). It is called in pass 2 alone."""

    world_from_cam: np.ndarray
    K: np.ndarray
    depth_mm: np.ndarray
    color_size: tuple[int, int]
    color: Callable[[], np.ndarray]


def fuse(frames: Callable[[], Iterable[PosedFrame]]) -> np.ndarray:
    """(n, 6) float64 points x, y, z in metres of the poses' world, and red, green, blue 0-255,
    whole numbers. `frames()` gives the same frames each time; no point if no two of them agree."""
    seen = _Voxels(MOST_VOXELS)
    for frame in frames():
        view = _View.of(frame)
        seen.add(view.units(*view.used_pixels()))
    seen.join()
    places, keys, side = seen.means(), seen.keys, seen.side
    del seen  # a quarter of what is held
    measured = _Measured(places, _Blocks.of(places, keys))
    for frame in frames():
        measured.look(_View.of(frame), frame.color())
    return measured.points(side)


class _View(NamedTuple):
    """A frame for arithmetic: `depth` (h, w) float64 metres, 0 where it is not usable;
    `world_from_pixel` (3, 3) turns depth pixels (u, v, 1) times their depth, from the camera at
    `position` (3,); `pixel_from_world` (3, 4) projects to colour pixels of `size` (width, height).
    """

    depth: np.ndarray
    world_from_pixel: np.ndarray
    position: np.ndarray
    pixel_from_world: np.ndarray
    size: tuple[int, int]

    @classmethod
    def of(cls, frame: PosedFrame) -> _View:
        pose, K = np.asarray(frame.world_from_cam, np.float64), np.asarray(frame.K, np.float64)
        height, width = frame.depth_mm.shape
        size = frame.color_size
        depth_from_color = np.diag([width / size[0], height / size[1], 1.0])
        depth = np.where(is_usable(frame.depth_mm), frame.depth_mm / MM_PER_METRE, 0.0)
        return cls(
            depth,
            pose[:3, :3] @ np.linalg.inv(depth_from_color @ K),
            pose[:3, 3],
            K @ np.linalg.inv(pose)[:3],
            size,
        )

    def used_pixels(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns that pass 1 looks at."""
        step = max(self.depth.shape[1] // USED_WIDTH, 1)
        rows, columns = np.nonzero(self.depth[::step, ::step])
        return rows * step, columns * step

    def units(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """(3, n) int64 places that pixels measure, in units of the world."""
        depth = self.depth[rows, columns]
        units = np.empty((3, len(rows)), np.int64)
        for axis, (a, b, c) in enumerate(self.world_from_pixel):
            place = (a * columns + b * rows + c) * depth + self.position[axis]
            units[axis] = np.rint(place * UNITS_PER_M)
        return units

    def project(self, points: np.ndarray, blocks: _Blocks) -> tuple[np.ndarray, ...]:
        """Of the points (3, n) in this view: their numbers, u and v in colour pixels, and z."""
        (x, y, z), (width, height) = self.pixel_from_world, self.size
        borders = np.array([z, x, width * z - x, y, height * z - y])
        found = blocks.inside(borders)
        near = points[:, found]
        x, y, z = (_weigh(row, near) for row in self.pixel_from_world)
        inside = (z > 0) & (x >= 0) & (x < width * z) & (y >= 0) & (y < height * z)
        x, y, z = x[inside], y[inside], z[inside]
        return found[inside], x / z, y / z, z


def _weigh(row: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Products of a row (4,) with the points (3, n)."""
    return row[0] * points[0] + row[1] * points[1] + row[2] * points[2] + row[3]


def is_usable(depth_mm: np.ndarray) -> np.ndarray:
    """(h, w) bool: pixels that are measured and not at an edge, where one of the eight neighbours
    is measured otherwise."""
    square = np.ones((3, 3), np.uint8)
    depth = depth_mm.astype(np.int32)
    farthest = cv2.dilate(depth_mm, square).astype(np.int32)
    nearest = cv2.erode(np.where(depth_mm > 0, depth_mm, 65535).astype(np.uint16), square)
    step = np.maximum(farthest - depth, depth - nearest.astype(np.int32))
    return (depth > 0) & (100 * step <= np.maximum(100 * EDGE_MM, EDGE_PERCENT * depth))


class _Voxels:
    """Sums of places by voxel, which get twice as large while there are more than `most`."""

    def __init__(self, most: int):
        self.most = most
        self.side = round(VOXEL_M * UNITS_PER_M)  # units
        self.keys = np.empty(0, np.int64)
        self.sums = np.empty((4, 0), np.int64)  # x, y, z in units, and how many
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, units: np.ndarray) -> None:
        """Add places (3, n)."""
        sums = np.vstack([units, np.ones_like(units[:1])])
        self._waiting.append(_join(voxel_keys(units, self.side), sums))
        if sum(len(keys) for keys, _ in self._waiting) > max(len(self.keys), FEWEST_JOINED):
            self.join()

    def join(self) -> None:
        """Take in what was added."""
        parts = [(self.keys, self.sums), *self._waiting]
        self._waiting = []
        keys, sums = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
        self.keys, self.sums = _join(keys, sums)
        while len(self.keys) > self.most:
            self.side *= 2
            units = self.sums[:3] // self.sums[3]  # within the voxel that it is the mean of
            self.keys, self.sums = _join(voxel_keys(units, self.side), self.sums)

    def means(self) -> np.ndarray:
        """(3, m) mean places in metres."""
        return self.sums[:3] / (self.sums[3] * UNITS_PER_M)


class _Blocks(NamedTuple):
    """Runs of points of one block each: `counts` (b,) points, within `radius` (b,) metres of
    `middle` (3, b)."""

    counts: np.ndarray
    middle: np.ndarray
    radius: np.ndarray

    @classmethod
    def of(cls, places: np.ndarray, keys: np.ndarray) -> _Blocks:
        """Blocks of the places (3, n), whose `voxel_keys` are ascending."""
        if not len(keys):
            return cls(np.empty(0, int), np.empty((3, 0)), np.empty(0))
        blocks = keys >> 3 * BLOCK_BITS
        starts = np.flatnonzero(np.append(True, blocks[1:] != blocks[:-1]))
        low = np.minimum.reduceat(places, starts, axis=1)
        high = np.maximum.reduceat(places, starts, axis=1)
        counts = np.diff(np.append(starts, len(keys)))
        return cls(counts, (low + high) / 2, np.linalg.norm(high - low, axis=0) / 2)

    def inside(self, borders: np.ndarray) -> np.ndarray:
        """Numbers of the points of all blocks in which points p may be that have
        borders (k, 4) @ [p, 1] >= 0; others are among them."""
        reach = np.linalg.norm(borders[:, :3], axis=1)[:, None] * (self.radius + SLACK_M)
        values = borders[:, :3] @ self.middle + borders[:, 3:]
        return np.flatnonzero(np.repeat((values >= -reach).all(axis=0), self.counts))


class _Measured:
    """What frames measure where `places` (3, m) are: how many agree, how many see through, and the
    sums (6, m) of the places and colours that those measure which agree."""

    def __init__(self, places: np.ndarray, blocks: _Blocks):
        self.places, self.blocks = places, blocks
        self.agree, self.through = np.zeros((2, places.shape[1]), np.int32)
        self.sums = np.zeros((6, places.shape[1]), np.int64)

    def look(self, view: _View, color: np.ndarray) -> None:
        """Compare a frame with the places."""
        found, u, v, z = view.project(self.places, self.blocks)
        (height, width), size = view.depth.shape, view.size
        rows = np.minimum(np.rint(v * height / size[1]), height - 1).astype(np.intp)
        columns = np.minimum(np.rint(u * width / size[0]), width - 1).astype(np.intp)
        depth = view.depth[rows, columns]
        behind, tolerance = depth - z, np.maximum(AGREE_M, AGREE_SHARE * depth)
        self.through[found[behind > THROUGH_TIMES * tolerance]] += 1
        same = np.flatnonzero((depth > 0) & (np.abs(behind) <= tolerance))
        found, rows, columns = found[same], rows[same], columns[same]
        self.agree[found] += 1
        places = view.units(rows, columns)
        for axis in range(3):
            self.sums[axis, found] += places[axis]
        y = np.minimum(np.rint(v[same]), size[1] - 1).astype(np.intp)
        x = np.minimum(np.rint(u[same]), size[0] - 1).astype(np.intp)
        for channel, values in enumerate(color[y, x, ::-1].T):
            self.sums[3 + channel, found] += values

    def points(self, side: int) -> np.ndarray:
        """(n, 6) points of what frames agree on, one in each voxel of `side` units."""
        kept = np.flatnonzero((self.agree >= LEAST_FRAMES) & (self.through < self.agree))
        sums = np.vstack([self.sums[:, kept], self.agree[kept]])
        _, sums = _join(voxel_keys(sums[:3] // sums[6], side), sums)
        means = sums[:6] / sums[6]
        return np.vstack([means[:3] / UNITS_PER_M, np.rint(means[3:])]).T.copy()


def voxel_keys(units: np.ndarray, side: int) -> np.ndarray:
    """(n,) int64 numbers of the voxels of `side` units that hold places (3, n) int64: that of the
    block first, then that within the block, x before y before z."""
    keys = np.zeros(units.shape[1], np.int64)
    voxels = units // side
    for shift, bits in ((BLOCK_BITS, AXIS_BITS - BLOCK_BITS), (0, BLOCK_BITS)):
        for axis in range(3):
            keys = (keys << bits) | ((voxels[axis] >> shift) & ((1 << bits) - 1))
    return keys


def _join(keys: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keys ascending, each once, and the sums (k, n) of the columns that share one."""
    if not len(keys):
        return keys, sums
    order = np.argsort(keys)
    keys = keys[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return keys[starts], np.array([np.add.reduceat(row[order], starts) for row in sums])
