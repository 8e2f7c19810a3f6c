"""Cameras and points on plain arrays: project, relative pose, yaw and pitch. Pure functions.

Camera axes are x right, y down, z forward; the world is axis-aligned with z up. Poses are
`world_from_cam`, (..., 4, 4), and names cancel:
`cam1_from_cam2 = cam1_from_world @ world_from_cam2`. All in float64.
"""

from __future__ import annotations

import numpy as np

MM_PER_METRE = 1000.0


def is_valid_pose(world_from_cam: np.ndarray) -> np.ndarray:
    """Whether poses (..., 4, 4) can be used: all entries finite and the rotation not all zero.

    ScanNet marks frames where tracking was lost by -inf entries. Returns (...) bool.
    """
    poses = np.asarray(world_from_cam, np.float64)
    finite = np.isfinite(poses).all(axis=(-2, -1))
    return finite & (poses[..., :3, :3] != 0).any(axis=(-2, -1))


def projection_matrix(intrinsic: np.ndarray, world_from_cam: np.ndarray) -> np.ndarray:
    """(..., 3, 4) matrix P with P [p, 1] = (u z, v z, z) for a world point p.

    `intrinsic` is (3, 3) or (4, 4), `world_from_cam` (..., 4, 4).
    """
    cam_from_world = np.linalg.inv(np.asarray(world_from_cam, np.float64))
    return np.asarray(intrinsic, np.float64)[:3, :3] @ cam_from_world[..., :3, :]


def project(
    points_world: np.ndarray, intrinsic: np.ndarray, world_from_cam: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, 2) as (u, v) and depths (n,) in metres of world points (n, 3)."""
    return project_by(projection_matrix(intrinsic, world_from_cam), points_world)


def project_by(matrices: np.ndarray, points_world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (..., k, 2) and depths (..., k) in metres of k world points (..., k, 3) for each
    projection matrix (..., 3, 4)."""
    homogeneous = points_world @ np.swapaxes(matrices[..., :3], -1, -2)
    homogeneous = homogeneous + matrices[..., None, :, 3]
    return homogeneous[..., :2] / homogeneous[..., 2:], homogeneous[..., 2]


def permille(pixels: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Coordinates of pixels (..., 2) in an image of (width, height) as questions name them: whole
    thousandths of the width and of the height, origin top left (SPEC 10); (..., 2) int64."""
    return np.rint(1000.0 * pixels / np.asarray(image_size, np.float64)).astype(np.int64)


def relative_pose(world_from_cam1: np.ndarray, world_from_cam2: np.ndarray) -> np.ndarray:
    """cam1_from_cam2 (..., 4, 4): its last column is where camera 2 stands in camera 1's axes."""
    return np.linalg.inv(world_from_cam1) @ world_from_cam2


def yaw_pitch(world_from_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heading and elevation of the viewing direction in degrees, each (...).

    With f the third column of the pose: yaw = atan2(f_y, f_x), counter-clockwise from above;
    pitch = asin(f_z / |f|), above the horizon (SPEC 5).
    """
    forward = np.asarray(world_from_cam, np.float64)[..., :3, 2]
    yaw = np.degrees(np.arctan2(forward[..., 1], forward[..., 0]))
    sine = forward[..., 2] / np.linalg.norm(forward, axis=-1)
    return yaw, np.degrees(np.arcsin(np.clip(sine, -1, 1)))


def wrap_degrees(angle: np.ndarray) -> np.ndarray:
    """The same angle in (-180, 180]."""
    wrapped = 180.0 - np.mod(180.0 - np.asarray(angle, np.float64), 360.0)
    return np.where(wrapped <= -180.0, 180.0, wrapped)  # np.mod can round up to 360 itself
