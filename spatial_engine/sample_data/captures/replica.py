"""The room as a scene of Replica, as rendered for iMAP and nice-slam."""

from __future__ import annotations

import json
from pathlib import Path

from spatial_engine.sample_data.captures.image_files import write_color, write_depth
from spatial_engine.sample_data.captures.room import CaptureRoom

UNITS_PER_METRE = 6553.5  # so 65535 is 10 m
SCENE = "room0"


def write(
    room: CaptureRoom,
    folder: Path,
    *,
    scene: str = SCENE,
    camera_beside: bool = False,
    num_poses: int | None = None,
) -> None:
    """Write `cam_params.json` and the scene's folder into `folder`.

    camera_beside: the camera's file stands beside `traj.txt`, as in some copies. num_poses: of
    `traj.txt`, where it is cut off.
    """
    place = folder / scene
    place.mkdir(parents=True, exist_ok=True)
    K = room.frames[0].K
    width, height = room.color_size
    camera = {"w": width, "h": height, "fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
    text = json.dumps({"camera": {**camera, "scale": UNITS_PER_METRE}}, indent=4)
    ((place if camera_beside else folder) / "cam_params.json").write_text(text)
    lines = []
    for number, frame in enumerate(room.frames):
        write_color(place / "results" / f"frame{number:06d}.jpg", frame.image)
        write_depth(place / "results" / f"depth{number:06d}.png", frame.depth, UNITS_PER_METRE)
        lines.append(" ".join(f"{value:.18e}" for value in frame.pose.ravel()) + "\n")
    (place / "traj.txt").write_text("".join(lines[:num_poses]))
