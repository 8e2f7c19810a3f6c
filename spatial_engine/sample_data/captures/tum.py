"""The room as a sequence of the TUM RGB-D benchmark."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from spatial_engine.sample_data.captures.image_files import Bend, write_color, write_depth
from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame

UNITS_PER_METRE = 5000.0
START = 1305031102.175304  # Unix seconds of frame 0
DEPTH_LATE_S = (-0.0151, 0.0028, 0.0124)  # behind colour, in turn
POSE_LATE_S = (0.0016, -0.0021)  # behind colour, of the pose that is the frame's
STEP_S = 0.0083  # between poses, of which there are more than images


def write(
    room: CaptureRoom,
    folder: Path,
    *,
    coefficients: Sequence[float] = (),
    without_depth: Collection[int] = (),
    without_pose: Collection[int] = (),
    negative: bool = False,
) -> None:
    """Write the sequence into `folder`.

    coefficients: of the lens that bends images and depth, in OpenCV's order. Frames may have no
    depth, or no pose, of their time. negative: quaternions with their signs turned, which are the
    same rotations.
    """
    folder.mkdir(parents=True, exist_ok=True)
    colors, depths, poses = [], [], []
    for frame in room.frames:
        time = START + frame.time
        image, depth = _taken(frame, coefficients)
        colors.append((time, f"rgb/{time:.6f}.png"))
        write_color(folder / colors[-1][1], image)
        late = DEPTH_LATE_S[frame.number % len(DEPTH_LATE_S)]
        if frame.number not in without_depth:
            depths.append((time + late, f"depth/{time + late:.6f}.png"))
            write_depth(folder / depths[-1][1], depth, UNITS_PER_METRE)
        if frame.number not in without_pose:
            poses.extend(_poses(frame, time, negative))
    heading = "# {}\n# file: 'rgbd_dataset_freiburg1_sample.bag'\n# {}\n"
    for name, rows in (("rgb", colors), ("depth", depths)):
        lines = "".join(f"{time:.6f} {file}\n" for time, file in rows)
        title = heading.format(
            "color images" if name == "rgb" else "depth maps", "timestamp filename"
        )
        (folder / f"{name}.txt").write_text(title + lines)
    title = heading.format("ground truth trajectory", "timestamp tx ty tz qx qy qz qw")
    (folder / "groundtruth.txt").write_text(title + "".join(poses))
    (folder / "accelerometer.txt").write_text("# accelerometer data\n")


def _taken(frame: RoomFrame, coefficients: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    if not coefficients:
        return frame.image, frame.depth
    lens = Bend(frame.K, coefficients)
    return lens.color(frame.image), lens.depth(frame.depth, frame.image)


def _poses(frame: RoomFrame, time: float, negative: bool) -> list[str]:
    """The pose of a frame, and others around it of a camera that moves on."""
    late = POSE_LATE_S[frame.number % len(POSE_LATE_S)]
    lines = []
    for step in (-1, 0, 1):
        x, y, z, w = Rotation.from_matrix(frame.pose[:3, :3]).as_quat()
        position = frame.pose[:3, 3] + 0.01 * step
        values = [*position, *(np.array([x, y, z, w]) * (-1 if negative else 1))]
        numbers = " ".join(f"{value:.4f}" for value in values)
        lines.append(f"{time + late + step * STEP_S:.4f} {numbers}\n")
    return lines
