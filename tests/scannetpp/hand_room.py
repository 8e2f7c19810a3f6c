"""A room made by hand for the tests of ScanNet++: two boxes of vertices before a wall, frames whose
every pixel differs from frame to frame."""

from __future__ import annotations

import numpy as np
from helpers import random_pose

from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame

COLOR, DEPTH = (320, 240), (256, 192)
SCENE = "0a1b2c3d4e"


def hand_room(num_frames: int = 6, color: tuple[int, int] = COLOR) -> CaptureRoom:
    """Objects: 0 "wall" with 60 vertices, 1 "office chair" with 25, 2 "cup" with 5; 10 of none."""
    rng = np.random.default_rng(7)
    instances = np.repeat(np.array([1, 2, 3, 0], np.int32), [60, 25, 5, 10])
    return CaptureRoom(
        color_size=color,
        depth_size=DEPTH,
        vertices=rng.uniform(-2, 2, (100, 3)).astype(np.float32).astype(np.float64),
        colors=rng.integers(0, 256, (100, 3)).astype(np.uint8),
        faces=rng.integers(0, 100, (40, 3)).astype(np.int32),
        instances=instances,
        labels={0: "wall", 1: "office chair", 2: "cup"},
        frames=[_frame(number, color, rng) for number in range(num_frames)],
    )


def _frame(number: int, color: tuple[int, int], rng: np.random.Generator) -> RoomFrame:
    focal = 0.8 * color[0] * (1 + 0.01 * number)  # the phone focuses
    depth = rng.integers(0, 6000, DEPTH[::-1]).astype(np.float32) / np.float32(1000)
    depth[:10] = 0
    return RoomFrame(
        number=number,
        time=number / 60,
        image=np.full((color[1], color[0], 3), (40 + 8 * number, 90, 160), np.uint8),
        depth=depth,
        pose=random_pose(rng),
        K=np.array([[focal, 0, 0.51 * color[0]], [0, focal, 0.49 * color[1]], [0, 0, 1]]),
    )


def in_millimetres(frame: RoomFrame, cut_off: bool) -> np.ndarray:
    """Depth of a frame as its file gives it: metres are cut off, not rounded."""
    scaled = frame.depth * np.float32(1000)
    return (scaled if cut_off else np.rint(scaled)).astype(np.uint16)
