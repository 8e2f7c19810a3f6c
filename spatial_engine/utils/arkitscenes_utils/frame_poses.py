"""Poses and cameras of a video of ARKitScenes (`.traj`, `.pincam`), and which belong to a frame.

The times in names are rounded to milliseconds, those of poses are not, and the two were rounded by
different rules: so times are compared as numbers, and the nearest counts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from spatial_engine.errors import BadDataError
from spatial_engine.utils.arkitscenes_utils.video_files import REMEDY
from spatial_engine.utils.geometry.cameras import MAX_POSITION_M, camera_fault
from spatial_engine.utils.storage.input_files import read_bytes

MAX_TRAJECTORY_BYTES = 2**24  # real ones take 100 thousand
MAX_POSES = 100_000  # two hours and a half of ten a second
MAX_CAMERA_BYTES = 2**10  # real ones take 50
NUMBERS_A_POSE, NUMBERS_A_CAMERA = 7, 6


def read_trajectory(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times (n,) float64 in seconds, ascending, and poses (n, 4, 4) float64, world_from_cam.

    A line holds a time, the rotation of cam_from_world as an axis times an angle in radians, and
    its translation in metres. Raises `BadDataError` naming the line that holds something else.
    """
    rows = [line.split() for line in read_bytes(path, REMEDY, MAX_TRAJECTORY_BYTES).splitlines()]
    lines = [(number, row) for number, row in enumerate(rows, start=1) if row]
    if not lines:
        raise BadDataError(f"{path}: holds no poses; {REMEDY}")
    if len(lines) > MAX_POSES:
        raise BadDataError(f"{path}: {len(lines):,} poses, of {MAX_POSES:,} at most; {REMEDY}")
    for number, row in lines:
        if len(row) != NUMBERS_A_POSE:
            last = ", the last, so the file was cut off" if number == lines[-1][0] else ""
            raise BadDataError(
                f"{path}: {len(row)} numbers in line {number}{last}, not {NUMBERS_A_POSE}; {REMEDY}"
            )
    values = np.array([_numbers(row, path, number) for number, row in lines])
    # Also not NaN. No clock and no room is larger.
    wrong = ~(np.abs(values) <= MAX_POSITION_M).all(axis=1)
    if wrong.any():
        number, row = lines[int(np.argmax(wrong))]
        raise BadDataError(f"{path}: line {number} is no pose ({row[0][:40]!r} ...); {REMEDY}")
    values = values[np.argsort(values[:, 0], kind="stable")]
    cam_from_world = Rotation.from_rotvec(values[:, 1:4]).as_matrix()
    poses = np.tile(np.eye(4), (len(values), 1, 1))
    poses[:, :3, :3] = np.swapaxes(cam_from_world, 1, 2)
    poses[:, :3, 3] = -np.einsum("nij,nj->ni", poses[:, :3, :3], values[:, 4:])
    return values[:, 0], poses


def read_camera(path: Path) -> tuple[np.ndarray, tuple[int, int]]:
    """Intrinsics (3, 3) float64 of a frame and the (width, height) of the images they are for."""
    row = read_bytes(path, REMEDY, MAX_CAMERA_BYTES).split()
    if len(row) != NUMBERS_A_CAMERA:
        raise BadDataError(f"{path}: {len(row)} numbers, not {NUMBERS_A_CAMERA}; {REMEDY}")
    width, height, fx, fy, cx, cy = values = _numbers(row, path, 1)
    if not all(0 < side <= 2**16 and side == int(side) for side in values[:2]):
        raise BadDataError(f"{path}: an image of {width:g}x{height:g} pixels; {REMEDY}")
    intrinsic = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    size = (int(width), int(height))
    if fault := camera_fault(intrinsic, size):
        raise BadDataError(f"{path}: {fault}; {REMEDY}")
    return intrinsic, size


def _numbers(row: list[bytes], path: Path, line: int) -> list[float]:
    try:
        return [float(item) for item in row]
    except ValueError:
        raise BadDataError(f"{path}: line {line} holds more than numbers; {REMEDY}") from None


def nearest(times: np.ndarray, wanted: np.ndarray, tolerance: float) -> np.ndarray:
    """For each of the `wanted` times (k,) the index of the nearest of the ascending `times` (n,),
    the earlier of two; -1 where none is within the tolerance. (k,) int64."""
    times, wanted = np.asarray(times, np.float64), np.asarray(wanted, np.float64)
    if not len(times):
        return np.full(len(wanted), -1)
    after = np.searchsorted(times, wanted).clip(max=len(times) - 1)
    before = (after - 1).clip(min=0)
    later = np.abs(times[after] - wanted) < np.abs(times[before] - wanted)
    found = np.where(later, after, before)
    # Times that equal those of the tolerance differ from it in the last digits.
    return np.where(np.abs(times[found] - wanted) <= tolerance * (1 + 1e-6), found, -1)
