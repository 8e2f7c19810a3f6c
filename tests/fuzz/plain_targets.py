"""Readers of plain captures as targets: one file of a small capture is changed at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import mutations
import numpy as np
import texts
from target import Target, new_folder

from spatial_engine.sample_data.captures import colmap as colmap_files
from spatial_engine.sample_data.captures import redwood as redwood_files
from spatial_engine.sample_data.captures import replica as replica_files
from spatial_engine.sample_data.captures import seven_scenes as seven_scenes_files
from spatial_engine.sample_data.captures import tum as tum_files
from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame
from spatial_engine.utils.capture_utils import colmap, redwood, replica, seven_scenes, tum
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.preparation.capture import Capture

SIZE = (16, 12)
CAMERA = np.array([[16.0, 0, 8], [0, 16, 6], [0, 0, 1]])
TREE = (mutations.json_tree,)
AS_TOLD = CaptureOptions()
REGISTERED = CaptureOptions(registered=True)
BY_FLAG = CaptureOptions(intrinsics=(16.0, 16.0, 8.0, 6.0))


@functools.cache
def room() -> CaptureRoom:
    """A wall two metres before a camera that steps aside."""
    frames = []
    for number in range(3):
        pose = np.eye(4)
        pose[0, 3] = 0.1 * number
        image = np.full((SIZE[1], SIZE[0], 3), 90 + number, np.uint8)
        depth = np.full(SIZE[::-1], 2.0, np.float32)
        frames.append(RoomFrame(number, 0.1 * number, image, depth, pose, CAMERA))
    none = np.zeros((0, 3))
    return CaptureRoom(
        SIZE, SIZE, none, none.astype(np.uint8), none.astype(np.int32), none[:, 0], {}, frames
    )


@functools.cache
def written(write: Callable[..., None], **options: object) -> Path:
    """A capture in a folder of its own."""
    folder = new_folder() / "capture"
    write(room(), folder, **options)
    return folder


def check(capture: Capture) -> None:
    """Whether what was read makes sense."""
    count = len(capture.numbers)
    assert count and capture.poses.shape == (count, 4, 4)
    assert capture.intrinsics.shape == (count, 3, 3)
    assert np.isfinite(capture.poses).all() and np.isfinite(capture.intrinsics).all()
    assert (np.diff(capture.numbers) > 0).all()
    for picture in capture.images(capture.numbers.tolist()):
        assert picture.depth_mm.dtype == np.uint16 and picture.depth_mm.ndim == 2
        if isinstance(picture.color, np.ndarray):
            assert picture.color.shape == (*capture.color_size[::-1], 3)


def target(
    reader: ModuleType,
    write: Callable[..., None],
    file: str,
    options: CaptureOptions = AS_TOLD,
    scene: str = ".",
    *,
    given: dict[str, object] | None = None,
    **about: object,
) -> Target:
    """The target of one file of a capture that `write` writes with the arguments `given`."""

    def read(path: Path) -> None:
        folder = written(write, **(given or {}))
        place = folder / file
        whole = place.read_bytes()
        place.write_bytes(path.read_bytes())
        try:
            reader.scenes_in(folder)
            check(reader.open_capture(folder / scene, options))
        finally:
            place.write_bytes(whole)

    def seeds() -> list[bytes]:
        return [(written(write, **(given or {})) / file).read_bytes()]

    return Target(read, seeds, Path(file).name, **about)


MATRIX = {"tokens": texts.MATRIX_TOKENS}
JSON = {"tokens": texts.JSON_TOKENS, "reshape": TREE, "texts": texts.JSON}
FIRST = "frame-000000"

PLAIN_TARGETS = {
    "7scenes_pose": target(
        seven_scenes,
        seven_scenes_files.write,
        f"{FIRST}.pose.txt",
        REGISTERED,
        texts=texts.SIXTEEN,
        **MATRIX,
    ),
    "7scenes_camera": target(
        seven_scenes, seven_scenes_files.write, "camera-intrinsics.txt", REGISTERED, **MATRIX
    ),
    "7scenes_color": target(
        seven_scenes, seven_scenes_files.write, f"{FIRST}.color.png", REGISTERED, binary=True
    ),
    "7scenes_depth": target(
        seven_scenes, seven_scenes_files.write, f"{FIRST}.depth.png", REGISTERED, binary=True
    ),
    "tum_images": target(tum, tum_files.write, "rgb.txt", BY_FLAG, **MATRIX),
    "tum_poses": target(tum, tum_files.write, "groundtruth.txt", BY_FLAG, **MATRIX),
    "replica_poses": target(
        replica, replica_files.write, "room0/traj.txt", scene="room0", **MATRIX
    ),
    "replica_camera": target(
        replica, replica_files.write, "cam_params.json", scene="room0", **JSON
    ),
    "redwood_log": target(redwood, redwood_files.write, "trajectory.log", **MATRIX),
    "redwood_json": target(
        redwood, redwood_files.write, "trajectory.json", given={"as_json": True}, **JSON
    ),
    "colmap_cameras": target(
        colmap,
        colmap_files.write,
        "sparse/0/cameras.txt",
        given={"model": "OPENCV"},
        tokens=(b"OPENCV_FISHEYE", b"FULL_OPENCV", b"SIMPLE_RADIAL", *texts.MATRIX_TOKENS),
    ),
    "colmap_images": target(colmap, colmap_files.write, "sparse/0/images.txt", **MATRIX),
}
