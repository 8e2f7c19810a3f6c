"""Poses and cameras of a phone's frames: `iphone/pose_intrinsic_imu.json`.

An object keyed `frame_000000`, `frame_000001`, ... Of an entry, `aligned_pose` (4x4, camera to the
world of the mesh, OpenCV axes) and `intrinsic` (3x3, for `IMAGE_SIZE`) are read. `pose` is in
ARKit's own world, which has nothing to do with the mesh, and is not used.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.cameras import (
    RIGID_TOLERANCE,
    camera_fault,
    is_lost_pose,
    is_rigid,
    pose_fault,
)
from spatial_engine.utils.scannetpp_utils.json_files import REMEDY, read_object

log = logging.getLogger(__name__)

FILE = "pose_intrinsic_imu.json"
IMAGE_SIZE = (1920, 1440)  # (width, height) that the intrinsics are for, whatever the images have
# Of the products of a pose's axes. Real files are said to be orthonormal within 1e-3 "or so"; axes
# that are 1e-3 too long have products of 2e-3, more than what we call rigid.
ORTHONORMAL_TOLERANCE = 5e-3
NO_POSE, NO_CAMERA = "no pose", "no intrinsics"  # why a frame is left out
_KEY = re.compile(r"frame_(\d{6})")


@dataclass(frozen=True)
class PosedFrames:
    """Frames with a pose and a camera. `last` is the highest number in the file, used or not."""

    numbers: np.ndarray  # (n,) int64 ascending
    poses: np.ndarray  # (n, 4, 4) float64 world_from_cam
    intrinsics: np.ndarray  # (n, 3, 3) float64, for images of IMAGE_SIZE
    left_out: Mapping[str, int]  # how many other frames there are up to the last, by why
    last: int


def read_posed_frames(path: Path) -> PosedFrames:
    """Frames of a file. Entries without `aligned_pose` or `intrinsic`, or with one that is not
    finite, are left out; numbers that are missing up to the last are left out as without a pose.

    Poses that are orthonormal within `ORTHONORMAL_TOLERANCE` and not within what all readers ask
    for get the nearest rotation, which is told in the log. Raises `BadDataError` for others, for a
    camera that cannot be, and where no frame remains.
    """
    entries = _entries(path)
    last = max(entries)
    left_out = Counter({NO_POSE: last + 1 - len(entries)})
    numbers, poses, intrinsics = [], [], []
    for number, entry in sorted(entries.items()):
        pose = _matrix(entry.get("aligned_pose"), 4, f"{path}: aligned_pose of frame {number}")
        camera = _matrix(entry.get("intrinsic"), 3, f"{path}: intrinsic of frame {number}")
        if pose is None or is_lost_pose(pose):
            left_out[NO_POSE] += 1
        elif camera is None or not np.isfinite(camera).all():
            left_out[NO_CAMERA] += 1
        else:
            if fault := camera_fault(camera, IMAGE_SIZE):
                raise BadDataError(f"{path}: frame {number}: {fault}; {REMEDY}")
            numbers.append(number)
            poses.append(pose)
            intrinsics.append(camera)
    if not numbers:
        counts = ", ".join(f"{why}: {count}" for why, count in left_out.items())
        raise BadDataError(f"{path}: no frame can be used ({counts}); {REMEDY}")
    rigid = _rigid(np.stack(poses), numbers, path)
    return PosedFrames(np.array(numbers, np.int64), rigid, np.stack(intrinsics), +left_out, last)


def _entries(path: Path) -> dict[int, dict[str, Any]]:
    """Entries by frame number; keys of another form are no frames."""
    content = read_object(path)
    entries = {int(match[1]): content[key] for key in content if (match := _KEY.fullmatch(key))}
    for number, entry in entries.items():
        if not isinstance(entry, dict):
            raise BadDataError(f"{path}: the entry of frame {number} is no object; {REMEDY}")
    if not entries:
        raise BadDataError(f"{path}: has no entry frame_000000 or the like; {REMEDY}")
    if not any("aligned_pose" in entry for entry in entries.values()):
        raise BadDataError(
            f"{path}: no entry has an aligned_pose, and pose is in another world than the mesh; "
            f"{REMEDY}"
        )
    return entries


def _matrix(value: Any, side: int, what: str) -> np.ndarray | None:
    """A square matrix of float64; None where there is none. Raises `BadDataError` for anything
    else."""
    if value is None:
        return None
    rows = value if isinstance(value, list) and len(value) == side else ()
    numbers = [x for row in rows if isinstance(row, list) and len(row) == side for x in row]
    # `None` within a matrix is what writers of strict json make of a number that is not finite.
    numbers = [np.nan if x is None else x for x in numbers]
    if len(numbers) != side**2 or not all(type(x) in (int, float) for x in numbers):
        raise BadDataError(f"{what} is not a {side}x{side} matrix of numbers; {REMEDY}")
    try:
        return np.array(numbers, np.float64).reshape(side, side)
    except OverflowError:
        raise BadDataError(f"{what} holds a number beyond all bounds; {REMEDY}") from None


def _rigid(poses: np.ndarray, numbers: list[int], path: Path) -> np.ndarray:
    """Poses (n, 4, 4) that are rigid within the tolerance of all readers."""
    rough = np.flatnonzero(~is_rigid(poses))
    for k in rough:
        rotation = poses[k, :3, :3]
        with np.errstate(all="ignore"):
            near = np.abs(rotation.T @ rotation - np.eye(3)).max() <= ORTHONORMAL_TOLERANCE
        if near:
            left, _, right = np.linalg.svd(rotation)
            poses[k, :3, :3] = left @ right  # the nearest rotation, or the nearest mirror image
        if fault := pose_fault(poses[k]):
            raise BadDataError(
                f"{path}: the aligned_pose of frame {numbers[k]} is not a rigid motion: {fault}; "
                f"{REMEDY}"
            )
    if len(rough):
        log.warning(
            "%s: %d of %d rotations, frame %d the first, are orthonormal within %g and not within "
            "%g; the nearest rotations are taken",
            *(path, len(rough), len(numbers), numbers[rough[0]], ORTHONORMAL_TOLERANCE),
            RIGID_TOLERANCE,
        )
    return poses
