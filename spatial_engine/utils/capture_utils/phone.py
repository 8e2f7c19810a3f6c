"""What captures of phones share: positions with quaternions, and confidence of LiDAR depth."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from spatial_engine.errors import BadDataError
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.geometry.cameras import MAX_POSITION_M

OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # of camera axes, from the right; and back
UP_OF_ARKIT = (0.0, 1.0, 0.0)
# ARKit's levels are 0 (low), 1 and 2. Depth of level 0 is guessed across edges and far surfaces.
MEDIUM = 1
# How far the length of a quaternion may be from 1: files have six digits or more.
QUATERNION_TOLERANCE = 0.01


def poses_of(positions: np.ndarray, quaternions: np.ndarray) -> np.ndarray:
    """(n, 4, 4) rigid motions of positions (n, 3) and quaternions (n, 4) as x, y, z, w. All NaN
    where tracking was lost: a number is not finite, or the quaternion is none."""
    positions = np.asarray(positions, np.float64).reshape(-1, 3)
    quaternions = np.asarray(quaternions, np.float64).reshape(-1, 4)
    with np.errstate(all="ignore"):
        usable = np.abs(np.linalg.norm(quaternions, axis=1) - 1) < QUATERNION_TOLERANCE
        usable &= (np.abs(positions) < MAX_POSITION_M).all(axis=1)
    poses = np.full((len(positions), 4, 4), np.nan)
    if usable.any():
        poses[usable] = np.eye(4)
        poses[usable, :3, :3] = Rotation.from_quat(quaternions[usable]).as_matrix()
        poses[usable, :3, 3] = positions[usable]
    return poses


def least_confidence(options: CaptureOptions, medium: int) -> int:
    """Least level of depth that is used, in the format's own numbers: `medium` unless told."""
    return medium if options.confidence is None else options.confidence


def confident(
    depth_mm: np.ndarray, confidence: np.ndarray, least: int, where: str, remedy: str
) -> np.ndarray:
    """Depth (h, w) where confidence (h, w) is not below `least`; 0 elsewhere."""
    if confidence.shape != depth_mm.shape:
        sizes = ["x".join(map(str, array.shape[::-1])) for array in (confidence, depth_mm)]
        raise BadDataError(f"{where}: confidence has {sizes[0]} pixels, depth {sizes[1]}; {remedy}")
    return np.where(confidence >= least, depth_mm, 0).astype(np.uint16)
