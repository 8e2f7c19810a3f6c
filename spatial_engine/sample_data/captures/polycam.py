"""A capture as a raw export of Polycam."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np

from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame
from spatial_engine.utils.pictures import jpeg

OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
FIRST_TIME = 998_000_000  # microseconds; the number of digits grows within a recording


def write(
    room: CaptureRoom,
    path: Path,
    *,
    corrected: bool = True,
    nested: bool = False,
    unsure: bool = False,
) -> None:
    """Write `room` to `path`: an archive where this ends in .zip, else a folder.

    `corrected`: with the folders of optimised cameras; those as taken are then 10 centimetres off.
    `nested`: one level more. `unsure`: the left half of depth is of low confidence, and wrong.
    """
    files: dict[str, bytes] = {}
    pairs = [("images", "cameras")] + [("corrected_images", "corrected_cameras")] * corrected
    for frame in room.frames:
        image = jpeg.encode(cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        for images, cameras in pairs:
            off = 0.1 if corrected and cameras == "cameras" else 0.0
            files[f"keyframes/{images}/{stem(frame)}.jpg"] = image
            camera = json.dumps(camera_of(frame, room.color_size, off)).encode()
            files[f"keyframes/{cameras}/{stem(frame)}.json"] = camera
        depth = np.rint(frame.depth * 1000).astype(np.uint16)
        levels = np.full(depth.shape, 255, np.uint8)
        if unsure:
            half, quarter = depth.shape[1] // 2, depth.shape[1] // 4
            depth[:, :half] //= 2
            levels[:, :half], levels[:, :quarter] = 127, 0
        files[f"keyframes/depth/{stem(frame)}.png"] = _png(depth)
        files[f"keyframes/confidence/{stem(frame)}.png"] = _png(levels)
    turn = np.eye(4)
    files["mesh_info.json"] = json.dumps({"alignmentTransform": turn.T.ravel().tolist()}).encode()
    files["thumbnail.jpg"] = jpeg.encode(np.zeros((16, 16, 3), np.uint8))
    if nested:
        files = {f"capture/{name}": data for name, data in files.items()}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def stem(frame: RoomFrame) -> str:
    """Name of the files of a frame: its time in microseconds."""
    return str(FIRST_TIME + round(1e6 * frame.time))


def camera_of(frame: RoomFrame, size: tuple[int, int], off: float) -> dict:
    pose = Y_UP_FROM_Z_UP @ frame.pose @ OPENGL_FROM_OPENCV
    pose[0, 3] += off
    (fx, _, cx), (_, fy, cy), _ = frame.K.tolist()
    values = {"fx": fx, "fy": fy, "cx": cx, "cy": cy, "width": size[0], "height": size[1]}
    values |= {f"t_{row}{column}": pose[row, column] for row in range(3) for column in range(4)}
    return values | {"blur_score": 120.5, "timestamp": round(1e6 * frame.time)}


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()
