"""A capture by a phone that is held upright: its sensor lies on its side, and so do its images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame

UPRIGHT_FROM_SENSOR = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # camera axes


def held_upright(room: CaptureRoom) -> CaptureRoom:
    """The room as the sensor delivers it: images a quarter turn counter-clockwise, so that their
    left side is the top; cameras and poses with them."""
    frames = [_on_its_side(frame) for frame in room.frames]
    sizes = {"color_size": room.color_size[::-1], "depth_size": room.depth_size[::-1]}
    return replace(room, frames=frames, **sizes)


def _on_its_side(frame: RoomFrame) -> RoomFrame:
    """Column u becomes row W - 1 - u, row v becomes column v."""
    width = frame.image.shape[1]
    (fx, _, cx), (_, fy, cy), _ = frame.K
    pose = frame.pose.copy()
    pose[:3, :3] = pose[:3, :3] @ UPRIGHT_FROM_SENSOR
    return replace(
        frame,
        image=np.ascontiguousarray(np.rot90(frame.image)),
        depth=np.ascontiguousarray(np.rot90(frame.depth)),
        K=np.array([[fy, 0, cy], [0, fx, width - 1 - cx], [0, 0, 1]]),
        pose=pose,
    )
