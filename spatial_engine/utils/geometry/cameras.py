"""Cameras and points on plain arrays: project, relative pose, yaw and pitch; which matrices can be
a pose or a camera at all. Pure functions.

Camera axes are x right, y down, z forward; the world is axis-aligned with z up. Poses are
`world_from_cam`, (..., 4, 4), and names cancel:
`cam1_from_cam2 = cam1_from_world @ world_from_cam2`. All in float64.
"""

from __future__ import annotations

import numpy as np

MM_PER_METRE = 1000.0

# What no pose and no camera can be. What is merely unlikely is not judged here.
RIGID_TOLERANCE = 1e-3  # of the products of the axes; real files are within 1e-4
FORM_TOLERANCE = 1e-6  # of entries that are 0 or 1 in every pose and camera
SINGULAR_SHARE = 1e-5  # of the largest singular value: text of six digits rounds by less
MAX_POSITION_M = 1e8  # farther than any place on the Earth from its centre
MIN_FOCAL_PX, MAX_FOCAL_PX = 10.0, 1e6  # below: divided by the image size; above: sees no room
# Of a side of the image. No principal point lies so near the border. Where it is so far from the
# centre in both directions, the image was resized to three quarters or less, or by a half or more,
# or cx and cy are swapped. In one direction alone cropped images have it so.
BORDER_SHARE, OFF_CENTRE_SHARE = 0.05, 0.12


def is_valid_pose(world_from_cam: np.ndarray) -> np.ndarray:
    """Whether poses (..., 4, 4) can be used: tracking was not lost and the rotation is not
    singular. Returns (...) bool."""
    poses = np.asarray(world_from_cam, np.float64)
    lost = is_lost_pose(poses)
    rotation = np.where(lost[..., None, None], np.eye(3), poses[..., :3, :3])
    rotation = rotation / np.abs(rotation).max(axis=(-2, -1), keepdims=True)  # squares stay finite
    strengths = np.linalg.svd(rotation, compute_uv=False)
    return ~lost & (strengths[..., 2] > SINGULAR_SHARE * strengths[..., 0])


def is_lost_pose(world_from_cam: np.ndarray) -> np.ndarray:
    """Whether poses (..., 4, 4) are marked as those of lost tracking, (...) bool: an entry is not
    finite (ScanNet writes -inf), or the rotation is all zero."""
    poses = np.asarray(world_from_cam, np.float64)
    finite = np.isfinite(poses).all(axis=(-2, -1))
    return ~(finite & (poses[..., :3, :3] != 0).any(axis=(-2, -1)))


def is_rigid(matrices: np.ndarray) -> np.ndarray:
    """Whether matrices (..., 4, 4) are rigid motions, (...) bool: last row 0 0 0 1, axes
    orthonormal and right-handed, a plausible position."""
    matrices = np.asarray(matrices, np.float64)
    rotation = matrices[..., :3, :3]
    with np.errstate(all="ignore"):
        products = np.swapaxes(rotation, -1, -2) @ rotation
        orthonormal = np.abs(products - np.eye(3)) <= RIGID_TOLERANCE
        last_row = np.abs(matrices[..., 3, :] - [0, 0, 0, 1]) <= FORM_TOLERANCE
        near = np.abs(matrices[..., :3, 3]) <= MAX_POSITION_M
        right_handed = np.linalg.det(rotation) > 0
    return orthonormal.all(axis=(-2, -1)) & last_row.all(-1) & near.all(-1) & right_handed


def pose_fault(matrix: np.ndarray) -> str:
    """Why a matrix (4, 4) is not a rigid motion, with its values; empty for a rigid motion."""
    matrix = np.asarray(matrix, np.float64)
    rotation, position = matrix[:3, :3], matrix[:3, 3]
    if is_rigid(matrix):
        return ""
    if is_lost_pose(matrix):
        return f"it is not finite or holds no rotation ({_row(matrix)})"
    if not is_valid_pose(matrix):
        return f"its rotation is singular ({_row(rotation)})"
    if (np.abs(matrix[3] - [0, 0, 0, 1]) > FORM_TOLERANCE).any():
        return f"its last row is {_row(matrix[3])}, not 0 0 0 1 (is it transposed?)"
    if (np.abs(position) > MAX_POSITION_M).any():
        return f"its position is {_row(position)} metres"
    with np.errstate(all="ignore"):
        products = rotation.T @ rotation
        lengths, determinant = np.sqrt(np.diag(products)), np.linalg.det(rotation)
    if np.abs(products - np.eye(3)).max() > RIGID_TOLERANCE:
        between = products[[0, 0, 1], [1, 2, 2]]
        return f"its axes are not orthonormal (lengths {_row(lengths)}, products {_row(between)})"
    return f"its axes are mirrored (determinant {determinant:.6g}, not 1)"


def singular_fault(world_from_cam: np.ndarray) -> str:
    """Why a pose (4, 4) cannot be used although it does not mark lost tracking; empty for any other
    pose. No program writes such a pose on purpose, so readers report it."""
    usable = is_valid_pose(world_from_cam) or is_lost_pose(world_from_cam)
    return "" if usable else pose_fault(world_from_cam)


def camera_fault(intrinsic: np.ndarray, image_size: tuple[int, int]) -> str:
    """Why intrinsics (3, 3) or (4, 4) cannot be those of images of (width, height), with the
    values; empty where they can."""
    intrinsic = np.asarray(intrinsic, np.float64)
    form = np.eye(len(intrinsic))
    form[:2, :3] = np.triu(intrinsic[:2, :3])  # what may be other than zero and one
    (fx, skew, cx), (_, fy, cy) = form[:2, :3]
    width, height = image_size
    if not np.isfinite(intrinsic).all():
        cause = "the intrinsics are not finite"
    elif (np.abs(intrinsic - form) > FORM_TOLERANCE).any():
        cause = "the intrinsics are not of the form fx s cx, 0 fy cy, 0 0 1 (are they transposed?)"
    elif min(fx, fy) < 0:
        cause = "a focal length is negative (do its axes point right, down and forward?)"
    elif min(fx, fy) < MIN_FOCAL_PX or max(fx, fy) > MAX_FOCAL_PX or abs(skew) > fx:
        cause = "the focal lengths cannot be those of a camera (are they divided by the size?)"
    elif _is_off_centre(cx / width, cy / height):
        cause = "the principal point is not near the image's centre (was the image resized?)"
    else:
        return ""
    return f"{cause}: intrinsics {_row(intrinsic[:3, :3])}, images of {width}x{height} pixels"


def _is_off_centre(x: float, y: float) -> bool:
    """Whether a principal point cannot be there; x, y in shares of the image's sides."""
    off = sorted((abs(x - 0.5), abs(y - 0.5)))
    return off[1] > 0.5 - BORDER_SHARE or off[0] > OFF_CENTRE_SHARE


def _row(values: np.ndarray) -> str:
    """Numbers of a message: rows one after the other, with a comma between."""
    return ", ".join(" ".join(f"{value:.6g}" for value in row) for row in np.atleast_2d(values))


def projection_matrix(intrinsic: np.ndarray, world_from_cam: np.ndarray) -> np.ndarray:
    """(..., 3, 4) matrix P with P [p, 1] = (u z, v z, z) for a world point p.

    `intrinsic` is (..., 3, 3) or (..., 4, 4), `world_from_cam` (..., 4, 4).
    """
    cam_from_world = np.linalg.inv(np.asarray(world_from_cam, np.float64))
    return np.asarray(intrinsic, np.float64)[..., :3, :3] @ cam_from_world[..., :3, :]


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
