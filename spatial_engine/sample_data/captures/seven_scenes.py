"""The room as a sequence of 7-Scenes, or as other captures in its layout."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from spatial_engine.sample_data.captures.image_files import write_color, write_depth
from spatial_engine.sample_data.captures.room import CaptureRoom

UNITS_PER_METRE = 1000.0
NOT_MEASURED = 65535


def write(
    room: CaptureRoom,
    folder: Path,
    *,
    depth_views: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
    jpg: bool = False,
    cleaned: bool = False,
    windows: bool = False,
    without_pose: Collection[int] = (),
    lost: Collection[int] = (),
) -> None:
    """Write the frames into `folder`.

    depth_views: for each frame depth (h, w) in metres and pose (4, 4) of a depth camera beside the
    colour camera, as in the data set; without it depth is that of the colour camera, as in captures
    that are registered, and its intrinsics are in `camera-intrinsics.txt`. jpg: colour as in the
    copies of others. cleaned: 0 where nothing was measured, not 65535. windows: numbers of poses as
    the data set has them. Frames may be without a pose, or of lost tracking.

    The world is the first camera's: it has no up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    views = depth_views or [(frame.depth, frame.pose) for frame in room.frames]
    world_from_room = np.linalg.inv(views[0][1])
    if depth_views is None:
        np.savetxt(folder / "camera-intrinsics.txt", room.frames[0].K, delimiter="\t ")
    for frame, (depth, room_from_cam) in zip(room.frames, views, strict=True):
        name = f"frame-{frame.number:06d}"
        write_color(folder / f"{name}.color.{'jpg' if jpg else 'png'}", frame.image)
        none = 0 if cleaned else NOT_MEASURED
        write_depth(folder / f"{name}.depth.png", depth, UNITS_PER_METRE, none)
        pose = world_from_room @ room_from_cam
        if frame.number in lost:
            pose = np.full((4, 4), np.nan)
        if frame.number not in without_pose:
            (folder / f"{name}.pose.txt").write_text(pose_text(pose, windows))


def pose_text(pose: np.ndarray, windows: bool) -> str:
    """Four lines of four numbers."""
    number = _windows if windows else "{:.18e}".format
    separator, end = ("\t ", "\t\r\n") if windows else (" ", "\n")
    return "".join(separator.join(map(number, row)) + end for row in pose.tolist())


def _windows(value: float) -> str:
    """Seven digits, and three of the exponent."""
    mantissa, e, exponent = f"{value:.7e}".partition("e")
    return f"{mantissa}e{exponent[0]}{int(exponent[1:]):03d}" if e else mantissa
