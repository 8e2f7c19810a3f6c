"""How many metres a unit of the poses is, measured by depth that is in metres.

A surface point that one frame measures must be where another frame measures it. Only the right
length of the way between the two cameras brings this about.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from spatial_engine.utils.geometry.cameras import MM_PER_METRE
from spatial_engine.utils.preparation.capture import Capture

NUM_PLACES = 12  # of the recording that are looked at, each with a frame beside it
POINTS = 300  # of a frame
TOLERANCE = 0.02  # of a depth: what two measurements of one surface differ by
CLOSE = 0.004  # the same of the best measurements, which tell the scale best
RANGE = np.exp(np.linspace(np.log(0.02), np.log(50.0), 131))  # metres per unit, 6 percent apart
LEAST_AGREEMENT = 0.5  # share of points at the best scale; of wrong ones it is a tenth or two
LEAST_SEEN = 0.1  # share of points that another frame must see for a scale to be judged
DISTINCT = 0.8  # of the best agreement: what the usual scale may reach
SAME_SCALE = 0.05  # a difference that is none: focal lengths are no better known


def metres_per_unit(capture: Capture) -> float | None:
    """The scale at which depth of different frames agrees; None where none stands out, as where
    the camera hardly moves or the poses are wrong."""
    looks = _Looks.of(capture)
    if looks is None:
        return None
    scores = np.array([looks.agreement(scale) for scale in RANGE])
    best = RANGE[scores.argmax()]
    if scores.max() < LEAST_AGREEMENT or np.median(scores) > DISTINCT * scores.max():
        return None
    near = best * np.exp(np.linspace(-0.08, 0.08, 33))
    fine = np.array([looks.agreement(scale, CLOSE) for scale in near])
    good = fine >= 0.98 * fine.max()
    return float(np.exp(np.log(near[good]).mean()))


def agreement(capture: Capture) -> float:
    """Share of the surface points of frames that lie where other frames measure a surface; 0 where
    no other frame sees them."""
    looks = _Looks.of(capture)
    return looks.agreement(1.0) if looks else 0.0


class _Looks(NamedTuple):
    """Points (n, 3) that frames measure, in metres along the axes of another frame: the way (n, 3)
    from the one camera to the other in units of the poses, K (n, 3, 3) of the other's depth image,
    its (width, height), and where it begins in `depth_mm`, which holds all images."""

    points: np.ndarray
    ways: np.ndarray
    K: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray
    depth_mm: np.ndarray

    @classmethod
    def of(cls, capture: Capture) -> _Looks | None:
        """Those of pairs of frames all over the recording; None where there are none."""
        count = len(capture.numbers)
        places = np.unique(np.linspace(0, count - 1, NUM_PLACES).astype(int))
        beside = np.minimum(places + max(1, count // 40), count - 1)
        pairs = {(int(i), int(j)) for i, j in zip(places, beside, strict=True) if i != j}
        pairs |= {(int(i), int(j)) for i, j in pairwise(places)}
        wanted = sorted({place for pair in pairs for place in pair})
        read = capture.depth_images([int(capture.numbers[p]) for p in wanted])
        depths = dict(zip(wanted, read, strict=True))
        ends = np.cumsum([depth.size for depth in depths.values()]).tolist()
        starts = dict(zip(wanted, [0, *ends], strict=False))
        rows: list[tuple] = []
        for i, j in sorted(pairs):
            j_from_i = np.linalg.inv(capture.poses[j]) @ capture.poses[i]
            points = _points(depths[i], _intrinsics(capture, i, depths[i]))
            of_j = (_intrinsics(capture, j, depths[j]), depths[j].shape[::-1], starts[j])
            values = (j_from_i[:3, 3], *of_j)
            repeated = (np.repeat(np.array(value)[None], len(points), axis=0) for value in values)
            rows.append((points @ j_from_i[:3, :3].T, *repeated))
        if not sum(len(row[0]) for row in rows):
            return None
        columns = (np.concatenate(column) for column in zip(*rows, strict=True))
        return cls(*columns, np.concatenate([depth.ravel() for depth in depths.values()]))

    def agreement(self, scale: float, tolerance: float = TOLERANCE) -> float:
        """Share of the points that lie, at a scale, where the other frame measures a surface, among
        those that it sees."""
        moved = self.points + scale * self.ways
        before = moved[:, 2] > 0
        z = np.where(before, moved[:, 2], 1.0)
        pixels = np.rint(np.einsum("nij,nj->ni", self.K[:, :2], moved) / z[:, None])
        inside = before & ((pixels >= 0) & (pixels < self.sizes)).all(axis=1)
        column, row = pixels[inside].astype(int).T
        places = self.starts[inside] + row * self.sizes[inside, 0] + column
        measured, z = self.depth_mm[places] / MM_PER_METRE, z[inside]
        known = measured > 0
        agreeing = known & (np.abs(measured - z) < tolerance * z)
        seen = int(known.sum())
        return int(agreeing.sum()) / seen if seen > LEAST_SEEN * len(self.points) else 0.0


def _intrinsics(capture: Capture, place: int, depth: np.ndarray) -> np.ndarray:
    """(3, 3) of a depth image, which has the field of view of the colour image."""
    width, height = capture.color_size
    ratio = np.array([depth.shape[1] / width, depth.shape[0] / height, 1.0])
    return capture.intrinsics[place] * ratio[:, None]


def _points(depth_mm: np.ndarray, intrinsic: np.ndarray) -> np.ndarray:
    """(n, 3) points in metres of some pixels of a depth image, spread over it."""
    rows, columns = np.nonzero(depth_mm)
    chosen = np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).astype(int)
    rows, columns = rows[chosen], columns[chosen]
    rays = np.stack([columns, rows, np.ones(len(rows))], axis=1) @ np.linalg.inv(intrinsic).T
    return rays * (depth_mm[rows, columns] / MM_PER_METRE)[:, None]
