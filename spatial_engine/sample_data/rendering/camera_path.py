"""The path of a handheld scanner through a room: smooth between key positions, with a little shake.

Poses are camera-to-world in the room's frame; camera axes x right, y down, z forward.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

SHAKE_METRES = 0.03
SHAKE_DEGREES = 1.2
ROLL_DEGREES = 2.5
DRIFT_TIME = 10.0  # a scan, in the time of `_shake`: errors come and go 4 to 8 times


def pose(position: np.ndarray, yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(4, 4) camera-to-world from a position in metres and angles in degrees.

    yaw 0 looks to +x, 90 to +y; pitch > 0 looks up; roll > 0 turns the camera clockwise.
    """
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    down = np.cross(forward, right)
    matrix = np.eye(4)
    matrix[:3, 0] = np.cos(roll) * right + np.sin(roll) * down
    matrix[:3, 1] = np.cos(roll) * down - np.sin(roll) * right
    matrix[:3, 2] = forward
    matrix[:3, 3] = position
    return matrix


def camera_path(keys: np.ndarray, num_frames: int, rng: np.random.Generator) -> np.ndarray:
    """(num_frames, 4, 4) poses along key rows (x, y, z, yaw, pitch), evenly in time.

    The route does not depend on the number of frames, only how finely it is cut; the last key is
    where the scanner comes to rest.
    """
    keys = np.asarray(keys, float)
    times = np.minimum(np.arange(num_frames) * len(keys) / num_frames, len(keys) - 1)
    smooth = PchipInterpolator(np.arange(len(keys)), keys)(times)
    shake = _shake(times, 6, rng)
    smooth[:, :3] += SHAKE_METRES * shake[:, :3]
    smooth[:, 3:] += SHAKE_DEGREES * shake[:, 3:5]
    rows = zip(smooth, ROLL_DEGREES * shake[:, 5], strict=True)
    return np.stack([pose(row[:3], row[3], row[4], roll) for row, roll in rows])


def tracked(
    poses: np.ndarray, metres: float, degrees: float, rng: np.random.Generator
) -> np.ndarray:
    """Poses (n, 4, 4) as a tracker finds the true ones: wrong by so many metres and degrees (root
    mean square over the frames), by about the same in frames near each other in time."""
    wobble = _shake(np.linspace(0, DRIFT_TIME, len(poses)), 6, rng).reshape(len(poses), 2, 3)
    wobble /= np.sqrt((wobble**2).sum(2).mean(0))[:, None]
    error = np.tile(np.eye(4), (len(poses), 1, 1))
    error[:, :3, 3] = metres * wobble[:, 0]
    error[:, :3, :3] = Rotation.from_rotvec(np.radians(degrees) * wobble[:, 1]).as_matrix()
    return poses @ error


def _shake(times: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(t, count) slow wobbles within about -1..1; the time unit is one key position."""
    speeds = rng.uniform(1.5, 5.0, (3, 1, count))
    phases = rng.uniform(0, 2 * np.pi, (3, 1, count))
    return np.sin(times[:, None] * speeds + phases).sum(0) / 2.2
