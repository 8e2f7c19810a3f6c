"""Which way is up in the world of a capture, and the rotation that makes it z (SPEC 3.6).

Where the source does not tell, cameras give a first guess, since people hold them upright, and
level surfaces (floor, ceiling, tables) give the direction: it is the one along which the heights
of points pile up most.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spatial_engine.errors import BadDataError

UPS = {
    name: sign * np.eye(3)[axis]
    for sign, marks in ((1.0, ("x", "y", "z")), (-1.0, ("-x", "-y", "-z")))
    for axis, name in enumerate(marks)
}
HELP = f"give --up {'|'.join(UPS)}"

MOST_POINTS = 20_000  # looked at
CONE_DEG = 42.0  # about the guess, less than half the way to a wall; cameras lean by less
STEP_DEG, FINER_DEG = 3.0, (1.0, 0.3, 0.1)  # between directions that are tried
SLAB_M = 0.03  # thickness in which points are as high; the noise of depth spreads a floor as far
OTHER_DEG = 12.0  # directions so far apart are others
# Sample rooms have 0.96 and 0.34 at least; along no surface of a room it is 0.23 at most.
LEAST_CAMERAS = 0.5
LEAST_LEVEL = 0.27
# Where the camera turns by some 45 degrees to both sides or more, about an axis that lies less
# along the image's upward direction than this, it is held on its side or looks down.
TURNS, LEAST_UPRIGHT = 0.1, 0.5


class Up(NamedTuple):
    """direction (3,) of length 1; cameras: how alike the upward directions of the images are, 1
    where all are the same (length of their mean); upright: how much of the axis about which the
    camera turns is along them, 1 where it hardly turns; level: how much better points pile up
    along the direction than along any other, 0 where another is as good."""

    direction: np.ndarray
    cameras: float
    upright: float
    level: float

    @property
    def doubt(self) -> str:
        """Why this may not be up; empty where it is sure."""
        if self.cameras < LEAST_CAMERAS:
            return f"the camera is held in all ways ({self.cameras:.2f}, least {LEAST_CAMERAS})"
        if self.upright < LEAST_UPRIGHT:
            how = f"{self.upright:.2f}, least {LEAST_UPRIGHT}"
            return f"the camera is held on its side, or looks down all the time ({how})"
        if self.level < LEAST_LEVEL:
            return f"no level surface is seen clearly ({self.level:.2f}, least {LEAST_LEVEL})"
        return ""


def rotation_to_z_up(up: np.ndarray) -> np.ndarray:
    """(3, 3) rotation, proper, by the least angle that makes a direction (3,) z. From y up it is
    (x, y, z) -> (x, -z, y); from -z up, where any axis would do, it turns about x."""
    x, y, z = np.asarray(up, np.float64) / np.linalg.norm(up)
    if z < -0.9:  # upside down first: the formula fails at -1
        return rotation_to_z_up(np.array([x, -y, -z])) @ np.diag([1.0, -1.0, -1.0])
    share = 1 / (1 + z)
    matrix = np.array(
        [
            [1 - share * x * x, -share * x * y, -x],
            [-share * x * y, 1 - share * y * y, -y],
            [x, y, z],
        ]
    )
    return matrix + 0.0  # no -0


def up_of(poses: np.ndarray, points: np.ndarray, source: str) -> np.ndarray:
    """(3,) direction up of a capture; `find_up`. Raises `BadDataError` where it is not sure."""
    found = find_up(poses, points)
    if found.doubt:
        raise BadDataError(f"{source}: no up can be found: {found.doubt}; {HELP}")
    return found.direction


def find_up(poses: np.ndarray, points: np.ndarray) -> Up:
    """Up by world_from_cam poses (n, 4, 4) and points (m, 3) or wider, metres of one world."""
    mean = np.asarray(poses, np.float64)[:, :3, :3].mean(axis=0)
    guess = -mean[:, 1]
    cameras, upright = float(np.linalg.norm(guess)), _upright(mean)
    points = points[:: max(-(-len(points) // MOST_POINTS), 1), :3]
    if cameras < 1e-6 or not len(points):
        return Up(np.array([0.0, 0.0, 1.0]), cameras, upright, 0.0)
    points = points - points.mean(axis=0)
    tried = directions_about(guess / cameras, CONE_DEG, STEP_DEG)
    piled = np.array([_piled(points, direction) for direction in tried])
    best = tried[piled.argmax()]
    others = tried @ best < np.cos(np.radians(OTHER_DEG))
    for step in FINER_DEG:
        near = directions_about(best, 3 * step, step)
        best = near[int(np.argmax([_piled(points, direction) for direction in near]))]
    most, other = _piled(points, best), piled[others].max()
    inside = best @ guess >= cameras * np.cos(np.radians(CONE_DEG))  # or a wall beyond was found
    return Up(best, cameras, upright, float((most - other) / most) if inside else 0.0)


def _upright(mean_rotation: np.ndarray) -> float:
    """How much of the axis about which a camera turns is along y of the image: that axis alone
    stays the same for the camera and for the world."""
    _, strengths, of_camera = np.linalg.svd(mean_rotation)
    return abs(float(of_camera[0, 1])) if strengths[0] - strengths[1] > TURNS else 1.0


def _piled(points: np.ndarray, direction: np.ndarray) -> float:
    """How much points (n, 3) pile up along a direction: the chance that two are of one height."""
    heights = points @ direction
    slabs = np.bincount(((heights - heights.min()) * (2 / SLAB_M)).astype(np.intp)).astype(float)
    slabs = slabs[:-1] + slabs[1:] if len(slabs) > 1 else slabs
    return float((slabs**2).sum() / 2 / len(points) ** 2)


def directions_about(middle: np.ndarray, most_deg: float, step_deg: float) -> np.ndarray:
    """(k, 3) directions within `most_deg` of a direction (3,), about `step_deg` apart, itself
    first; those of the grid that `rotation_to_z_up` of the middle gives."""
    rings = [np.array([[0.0, 0.0, 1.0]])]
    for tilt in np.radians(np.arange(step_deg, most_deg + step_deg / 2, step_deg)):
        count = int(np.ceil(2 * np.pi * np.sin(tilt) / np.radians(step_deg)))
        turn = 2 * np.pi * np.arange(count) / count
        ring = [
            np.sin(tilt) * np.cos(turn),
            np.sin(tilt) * np.sin(turn),
            np.full(count, np.cos(tilt)),
        ]
        rings.append(np.column_stack(ring))
    return np.concatenate(rings) @ rotation_to_z_up(middle)
