"""Rotations as captures write them, and the axes of cameras."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from spatial_engine.audit.raw.limits import RawDataError

FROM_OPENGL = np.diag([1.0, -1, -1, 1])  # from the right: camera x, y up, z backwards to OpenCV
MAX_ANGLE = 1000.0  # radians
UNIT_SLACK = 1e-2  # of the length of a quaternion


def by_quaternion(x: float, y: float, z: float, w: float, what: str) -> np.ndarray:
    """(3, 3) of a quaternion, made a unit."""
    length = math.sqrt(x * x + y * y + z * z + w * w)
    if not abs(length - 1) <= UNIT_SLACK:
        raise RawDataError(f"{what}: a quaternion of length {length:g}")
    x, y, z, w = x / length, y / length, z / length, w / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def by_axis_angle(vector: Sequence[float], what: str) -> np.ndarray:
    """(3, 3) of the axis times the angle in radians (Rodrigues)."""
    angle = math.hypot(*vector)
    if not angle < MAX_ANGLE:
        raise RawDataError(f"{what}: a rotation by {angle:g} radians")
    if angle == 0:
        return np.eye(3)
    x, y, z = (float(v) / angle for v in vector)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)


def rigid(rotation: np.ndarray, translation: Sequence[float]) -> np.ndarray:
    """(4, 4) of a rotation (3, 3) and a translation (3,)."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = translation
    return matrix


def inverse(pose: np.ndarray) -> np.ndarray:
    """Inverse of a rigid (4, 4)."""
    return rigid(pose[:3, :3].T, -pose[:3, :3].T @ pose[:3, 3])


def is_finite_pose(pose: np.ndarray) -> bool:
    return bool(np.isfinite(pose).all())


# ---- turned images -------------------------------------------------------------------------------

# new camera axes from those of the image as stored, by where the sky lies in it
UPRIGHT_FROM_STORED = {
    "Up": np.eye(3),
    "Left": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    "Right": np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]),
    "Down": np.diag([-1.0, -1, 1]),
}
QUARTER_TURNS = {"Up": 0, "Left": -1, "Right": 1, "Down": 2}  # counter-clockwise


def turned_image(image: np.ndarray, sky: str) -> np.ndarray:
    """(H, W, ...) upright: Left turns clockwise, Right counter-clockwise."""
    return np.rot90(image, QUARTER_TURNS[sky])


def turned_pose(world_from_cam: np.ndarray, sky: str) -> np.ndarray:
    """(4, 4) of the camera of the upright image."""
    return world_from_cam @ rigid(UPRIGHT_FROM_STORED[sky].T, (0, 0, 0))


def turned_camera(K: np.ndarray, size: tuple[int, int], sky: str) -> np.ndarray:
    """(3, 3) of the upright image; size: (width, height) of the image as stored."""
    width, height = size
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    fx, fy, cx, cy = {
        "Up": (fx, fy, cx, cy),
        "Left": (fy, fx, height - 1 - cy, cx),
        "Right": (fy, fx, cy, width - 1 - cx),
        "Down": (fx, fy, width - 1 - cx, height - 1 - cy),
    }[sky]
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def sky_of(poses: Sequence[np.ndarray], up: np.ndarray) -> str:
    """Where the sky lies in images as stored, by the mean of `up` (3,) in their cameras."""
    mean = np.mean([pose[:3, :3].T @ up for pose in poses], axis=0)
    sides = {"Up": -mean[1], "Left": -mean[0], "Down": mean[1], "Right": mean[0]}
    return max(sides, key=lambda sky: sides[sky])
