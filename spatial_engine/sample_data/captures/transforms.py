"""A capture as `transforms.json` of nerfstudio or instant-ngp, with the quirks of real ones."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np

from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame
from spatial_engine.utils.pictures import jpeg

OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
NEW_APPLIED = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]])  # of ns-process-data


def write(
    room: CaptureRoom,
    folder: Path,
    *,
    by_frame: bool = False,
    instant_ngp: bool = False,
    depth: str = "png",
    masks: bool = False,
    units_per_metre: float = 1.0,
    distortion: dict[str, float] | None = None,
    three_rows: bool = False,
) -> None:
    """Write `room` to `folder`.

    `by_frame`: cameras in each frame. `instant_ngp`: an angle in place of focal lengths, sizes as
    floats, names without ending and with "\\", `depth_path`, comments. `depth`: png, npy or none.
    `masks`: the left half is to be ignored. `units_per_metre` is applied and told by
    `applied_scale`. `distortion` is stated, and not rendered. Frames stand in reverse order.
    """
    for name in ("images", "depth", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    content: dict = {"camera_model": "OPENCV", **(distortion or {})}
    if instant_ngp:
        content = {"aabb_scale": 4, **(distortion or {})}
    if not by_frame:
        content |= camera(room.frames[0], room.color_size, instant_ngp)
    if units_per_metre != 1:
        content["applied_scale"] = units_per_metre
        content["applied_transform"] = NEW_APPLIED.tolist()
    frames = []
    for frame in room.frames:
        stem = f"frame_{frame.number:05d}"
        (folder / f"images/{stem}.jpg").write_bytes(
            jpeg.encode(cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        )
        pose = frame.pose @ OPENGL_FROM_OPENCV
        pose[:3, 3] *= units_per_metre
        entry = {
            "file_path": f".\\images\\{stem}" if instant_ngp else f"images/{stem}.jpg",
            "transform_matrix": pose[: 3 if three_rows else 4].tolist(),
        }
        if depth != "none":
            name = f"depth/{stem}.{depth}"
            write_depth(folder / name, frame.depth)
            entry["depth_path" if instant_ngp else "depth_file_path"] = name
        if masks:
            mask = np.full((*frame.image.shape[:2], 1), 255, np.uint8)
            mask[:, : mask.shape[1] // 2] = 0
            cv2.imwrite(str(folder / f"masks/{stem}.png"), mask)
            entry["mask_path"] = f"masks/{stem}.png"
        if by_frame:
            entry |= camera(frame, room.color_size, instant_ngp)
        frames.append(entry)
    content["frames"] = frames[::-1]
    text = json.dumps(content, indent=2)
    if instant_ngp:
        text = "// made by hand\n" + text.replace('"frames"', '/* all of them */ "frames"')
    (folder / "transforms.json").write_text(text, encoding="utf-8")


def camera(frame: RoomFrame, size: tuple[int, int], instant_ngp: bool) -> dict:
    """Keys of a camera; pixel centres are at n + 0.5 in these files."""
    (fx, _, cx), (_, fy, cy), _ = frame.K.tolist()
    width, height = size
    values: dict = {"cx": cx + 0.5, "cy": cy + 0.5, "w": width, "h": height}
    if not instant_ngp:
        return {"fl_x": fx, "fl_y": fy, **values}
    values |= {"w": float(width), "h": float(height)}
    angle_x, angle_y = 2 * math.atan(0.5 * width / fx), 2 * math.atan(0.5 * height / fy)
    return {"camera_angle_x": angle_x, "y_fov": math.degrees(angle_y), **values}


def write_depth(path: Path, depth: np.ndarray) -> None:
    """Depth (h, w) in metres as millimetres, in a PNG or an array of floats."""
    if path.suffix == ".npy":
        np.save(path, (depth * 1000).astype(np.float32))
    else:
        cv2.imwrite(str(path), np.rint(depth * 1000).astype(np.uint16))
