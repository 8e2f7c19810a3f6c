"""What a pose and what intrinsics can be (SPEC 3.4).

How docs/spec.md was read where it leaves a choice, by section:
- 3.4, 9.6 a matrix that is no rigid motion, and a camera that its images cannot have, are refused.
- 4 an all-zero rotation: a singular one counts as that, too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spatial_engine.audit.raw.limits import RawDataError, is_sound

# What no pose and no camera can be (SPEC 3.4); beyond these a file is refused.
RIGID_SLACK = 1e-3  # of the products of two axes
EXACT_SLACK = 1e-6  # of what is 0 or 1 in every pose and camera
SINGULAR_RATIO = 1e-5  # of the least to the largest singular value; singular up to here
MAX_METRES = 1e8  # from the origin to a camera
LEAST_FOCAL, MOST_FOCAL = 10.0, 1e6  # px
# Of a side of the image: no principal point is so near the border, nor so far from the centre in
# both directions.
BORDER, OFF_CENTRE = 0.05, 0.12


def has_rotation(pose: np.ndarray) -> bool:
    """Whether a (4, 4) matrix is finite and its rotation neither all zero nor singular."""
    if not np.isfinite(pose).all() or not pose[:3, :3].any():
        return False
    largest, _, least = np.linalg.svd(pose[:3, :3] / np.abs(pose[:3, :3]).max())[1]
    return bool(least > SINGULAR_RATIO * largest)


def check_rigid(what: str, matrix: np.ndarray) -> None:
    """Raise `RawDataError`, with the values, for a (4, 4) matrix that is not a rigid motion."""
    values = " ".join(f"{value:.6g}" for value in matrix.ravel())
    if not has_rotation(matrix):
        raise RawDataError(f"{what} has no rotation: {values}")
    if np.abs(matrix[3] - np.array([0.0, 0, 0, 1])).max() > EXACT_SLACK:
        raise RawDataError(f"{what} does not end with 0 0 0 1: {values}")
    if np.abs(matrix[:3, 3]).max() > MAX_METRES or np.abs(matrix[:3, :3]).max() > 2:
        raise RawDataError(f"{what} is far too large: {values}")
    x, y, z = matrix[:3, :3].T
    for one, other, wanted in ((x, x, 1), (y, y, 1), (z, z, 1), (x, y, 0), (x, z, 0), (y, z, 0)):
        if abs(one @ other - wanted) > RIGID_SLACK:
            raise RawDataError(f"{what} has axes that are not orthonormal: {values}")
    if np.cross(x, y) @ z < 0:
        raise RawDataError(f"{what} has mirrored axes: {values}")


def check_camera(path: Path, matrix: np.ndarray, size: tuple[int, int]) -> None:
    """Raise `RawDataError`, with the values, for intrinsics (3, 3) or (4, 4) that cannot be those
    of images of (width, height)."""
    values = " ".join(f"{value:.6g}" for value in matrix[:3, :3].ravel())
    values = f"intrinsics {values}, images of {size[0]}x{size[1]} pixels"
    zeros = np.array(matrix, dtype=np.float64) - np.eye(len(matrix))
    (fx, skew, cx), (_, fy, cy) = matrix[:2, :3]
    zeros[0, :3] = zeros[1, 1:3] = 0  # these may be anything else
    if not is_sound(matrix) or np.abs(zeros).max() > EXACT_SLACK:
        raise RawDataError(f"{path}: camera without the form of one: {values}")
    if not (LEAST_FOCAL <= fx <= MOST_FOCAL and LEAST_FOCAL <= fy <= MOST_FOCAL) or abs(skew) > fx:
        raise RawDataError(f"{path}: camera with an impossible focal length: {values}")
    shares = cx / size[0], cy / size[1]
    inside = all(BORDER <= share <= 1 - BORDER for share in shares)
    if not inside or all(abs(share - 0.5) > OFF_CENTRE for share in shares):
        raise RawDataError(f"{path}: principal point far from the centre: {values}")
