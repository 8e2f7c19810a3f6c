"""The room as a capture of Open3D or Redwood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.sample_data.captures.image_files import write_color, write_depth
from spatial_engine.sample_data.captures.room import CaptureRoom

UNITS_PER_METRE = 1000.0


def write(
    room: CaptureRoom,
    folder: Path,
    *,
    as_json: bool = False,
    image_folder: str = "color",
    camera_file: bool = True,
    num_poses: int | None = None,
) -> None:
    """Write images and trajectory into `folder`.

    as_json: `trajectory.json` with intrinsics by frame, in place of `trajectory.log`, beside which
    the camera has a file of its own (`camera_file`). num_poses: of a trajectory that is cut off.
    """
    for number, frame in enumerate(room.frames):
        write_color(folder / image_folder / f"{number:05d}.jpg", frame.image)
        write_depth(folder / "depth" / f"{number:05d}.png", frame.depth, UNITS_PER_METRE)
    poses = [frame.pose for frame in room.frames][:num_poses]
    cameras = [_camera(frame.K, room.color_size) for frame in room.frames]
    if as_json:
        parameters = [
            {
                "class_name": "PinholeCameraParameters",
                "extrinsic": np.linalg.inv(pose).ravel(order="F").tolist(),
                "intrinsic": camera,
                "version_major": 1,
                "version_minor": 0,
            }
            for pose, camera in zip(poses, cameras, strict=False)
        ]
        content = {"class_name": "PinholeCameraTrajectory", "parameters": parameters}
        versions = {"version_major": 1, "version_minor": 0}
        (folder / "trajectory.json").write_text(json.dumps({**content, **versions}, indent="\t"))
        return
    (folder / "trajectory.log").write_text(
        "".join(log_entry(number, pose) for number, pose in enumerate(poses))
    )
    if camera_file:
        camera = {"class_name": "PinholeCameraIntrinsic", **cameras[0]}
        (folder / "camera_intrinsic.json").write_text(json.dumps(camera, indent="\t"))


def log_entry(number: int, pose: np.ndarray) -> str:
    """Five lines of a `.log`."""
    rows = [" ".join(f"{value:.8f}" for value in row) for row in pose]
    return "\n".join([f"{number} {number} {number + 1}", *rows]) + "\n"


def _camera(K: np.ndarray, size: tuple[int, int]) -> dict[str, Any]:
    matrix = K.ravel(order="F").tolist()
    return {"width": size[0], "height": size[1], "intrinsic_matrix": matrix}
