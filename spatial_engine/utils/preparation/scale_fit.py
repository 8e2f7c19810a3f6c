"""How many metres a unit of the poses is, measured by depth that is in metres.

A surface point that one frame measures must be where another frame measures it. Only the right
length of the way between the two cameras brings this about.
"""

from __future__ import annotations

from itertools import pairwise

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
    ways, points, depths, cameras = _between_frames(capture)
    if not points:
        return None
    scores = np.array([_agreement(s, ways, points, depths, cameras) for s in RANGE])
    best = RANGE[scores.argmax()]
    if scores.max() < LEAST_AGREEMENT or np.median(scores) > DISTINCT * scores.max():
        return None
    near = best * np.exp(np.linspace(-0.08, 0.08, 33))
    fine = np.array([_agreement(s, ways, points, depths, cameras, CLOSE) for s in near])
    good = fine >= 0.98 * fine.max()
    return float(np.exp(np.log(near[good]).mean()))


def agreement(capture: Capture) -> float:
    """Share of the surface points of frames that lie where other frames measure a surface; 0 where
    no other frame sees them."""
    return _agreement(1.0, *_between_frames(capture))


def _between_frames(capture: Capture) -> tuple[list, list, list, list]:
    """For each pair of frames: the way (3,) from one camera to the other in units, points (n, 3) of
    the one in metres along the axes of the other, and the other's depth in metres and intrinsics
    of this depth."""
    count = len(capture.numbers)
    places = np.unique(np.linspace(0, count - 1, NUM_PLACES).astype(int))
    beside = np.minimum(places + max(1, count // 40), count - 1)
    pairs = {(int(i), int(j)) for i, j in zip(places, beside, strict=True) if i != j}
    pairs |= {(int(i), int(j)) for i, j in pairwise(places)}
    wanted = sorted({place for pair in pairs for place in pair})
    depths = {}
    for place, picture in zip(
        wanted, capture.images([int(capture.numbers[p]) for p in wanted]), strict=True
    ):
        depths[place] = picture.depth_mm / MM_PER_METRE
    found: tuple[list, list, list, list] = ([], [], [], [])
    for i, j in sorted(pairs):
        j_from_i = np.linalg.inv(capture.poses[j]) @ capture.poses[i]
        points = _points(depths[i], _intrinsics(capture, i, depths[i]))
        if len(points):
            of_j = _intrinsics(capture, j, depths[j])
            values = (j_from_i[:3, 3], points @ j_from_i[:3, :3].T, depths[j], of_j)
            for rows, value in zip(found, values, strict=True):
                rows.append(value)
    return found


def _intrinsics(capture: Capture, place: int, depth: np.ndarray) -> np.ndarray:
    """(3, 3) of a depth image, which has the field of view of the colour image."""
    width, height = capture.color_size
    ratio = np.array([depth.shape[1] / width, depth.shape[0] / height, 1.0])
    return capture.intrinsics[place] * ratio[:, None]


def _points(depth: np.ndarray, intrinsic: np.ndarray) -> np.ndarray:
    """(n, 3) points in metres of some pixels of a depth image, spread over it."""
    rows, columns = np.nonzero(depth)
    chosen = np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).astype(int)
    rows, columns = rows[chosen], columns[chosen]
    rays = np.stack([columns, rows, np.ones(len(rows))], axis=1) @ np.linalg.inv(intrinsic).T
    return rays * depth[rows, columns][:, None]


def _agreement(
    scale: float,
    ways: list,
    points: list,
    depths: list,
    cameras: list,
    tolerance: float = TOLERANCE,
) -> float:
    """Share of the points that lie, at a scale, where the other frame measures a surface, among
    those that it sees."""
    seen = agreeing = total = 0
    for way, rotated, depth, intrinsic in zip(ways, points, depths, cameras, strict=True):
        total += len(rotated)
        moved = rotated + scale * way
        moved = moved[moved[:, 2] > 0]
        pixels = moved @ intrinsic.T
        pixels = np.rint(pixels[:, :2] / pixels[:, 2:])
        height, width = depth.shape
        inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
        column, row = pixels[inside].astype(int).T
        measured, z = depth[row, column], moved[inside, 2]
        known = measured > 0
        seen += int(known.sum())
        agreeing += int((np.abs(measured - z)[known] < tolerance * z[known]).sum())
    return agreeing / seen if seen > LEAST_SEEN * total else 0.0
