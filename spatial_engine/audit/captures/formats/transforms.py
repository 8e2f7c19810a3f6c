"""Reads `transforms.json` of nerfstudio and instant-ngp, with depth files.

What was chosen where the format leaves a choice:
- Frames are numbered in order of `file_path`, those without depth included. The world is that of
  the file: applied_transform is not undone.
- Intrinsics of a frame win over those of the file. Pixel centres are at integers + 0.5.
- Depth times the unit is metres, whatever the unit of the poses; masks are not applied.
- What needs more than OpenCV's k1 k2 p1 p2 k3 is refused.
"""

from __future__ import annotations

import math
import os
import re

import numpy as np

from spatial_engine.audit.captures.images import colour_of, depth_of, jpeg_of
from spatial_engine.audit.captures.rotations import FROM_OPENGL, is_finite_pose
from spatial_engine.audit.captures.scan import SourceFrame, SourceScan
from spatial_engine.audit.captures.sources import Source, camera_matrix
from spatial_engine.audit.captures.tree import Tree, floats, matrix, parse_json, safe_name
from spatial_engine.audit.raw.limits import MAX_FRAMES, RawDataError
from spatial_engine.audit.raw.pictures import MAX_FILE_BYTES, PictureError, picture_size

FILE = "transforms.json"
METRES = 0.001  # of a stored unit
ENDS = ("", ".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")
CAMERA_FIELDS = (
    *("fl_x", "fl_y", "cx", "cy", "w", "h"),
    *("x_fov", "y_fov", "camera_angle_x", "camera_angle_y"),
)
PLAIN_MODELS = {
    "OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE",
}  # fmt: skip


def read(source: Source) -> SourceScan:
    tree = Tree(source.path if source.path.is_dir() else source.path.parent)
    name = FILE if source.path.is_dir() else source.path.name
    where = tree.full(name)
    told = parse_json(without_comments(tree.text(name)), where)
    listed = told.get("frames") if isinstance(told, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise RawDataError(f"{where}: no list frames")
    if len(listed) > MAX_FRAMES:
        raise RawDataError(f"{where}: {len(listed)} frames")
    if told.get("camera_model") not in (None, *PLAIN_MODELS) or told.get("is_fisheye") is True:
        raise RawDataError(f"{where}: camera_model {told.get('camera_model')!r:.40} is no pinhole")
    unit = source.depth_unit
    if unit is None:
        unit = float(floats([told.get("integer_depth_scale", METRES)], where)[0])
    order = sorted(range(len(listed)), key=lambda k: str(listed[k].get("file_path")))
    frames, wanted = {}, set(source.numbers)
    for number, k in enumerate(order):
        if number not in wanted:
            continue
        frame = listed[k]
        depth = frame.get("depth_file_path", frame.get("depth_path"))
        pose = _pose(frame, where)
        if depth is None or not is_finite_pose(pose):
            continue
        colour = _found(tree, safe_name(frame.get("file_path"), where))
        depth = _found(tree, safe_name(depth, where))
        if colour is None or depth is None:
            continue
        size = _size(tree, colour)
        K = source.camera()
        frames[number] = SourceFrame(
            number,
            pose @ FROM_OPENGL,
            camera_of({**told, **frame}, size, where) if K is None else K,
            colour_of(tree, colour),
            depth_of(tree, depth, 1000.0 * unit),
            jpeg_of(tree, colour),
            lens_of({**told, **frame}, where),
        )
    return SourceScan(frames)


def without_comments(text: str) -> str:
    """JSON without // and /* */, which instant-ngp lets stand outside of strings."""
    parts = r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/'
    return re.sub(parts, lambda m: m[0] if m[0].startswith('"') else " ", text, flags=re.DOTALL)


def _pose(frame: dict, where: str) -> np.ndarray:
    """(4, 4) as stored."""
    rows = frame.get("transform_matrix")
    if isinstance(rows, list) and len(rows) == 3:
        rows = [*rows, [0, 0, 0, 1]]
    return matrix(rows, (4, 4), f"{where}: transform_matrix")


def _found(tree: Tree, name: str) -> str | None:
    """The file of a name that may lack its end."""
    for end in ENDS:
        if os.path.isfile(tree.path / (name + end)):
            return name + end
    return None


def _size(tree: Tree, name: str) -> tuple[int, int]:
    try:
        return picture_size(tree.read(name, MAX_FILE_BYTES))
    except PictureError as err:
        raise RawDataError(f"{tree.full(name)}: {err}") from err


def camera_of(told: dict, size: tuple[int, int], where: str) -> np.ndarray:
    """(3, 3) K in OpenCV's pixels of the fields of a frame; size: (width, height) of its image."""
    numbers = {
        key: float(floats([told[key]], f"{where}: {key}")[0])
        for key in CAMERA_FIELDS
        if told.get(key) is not None
    }
    width, height = numbers.get("w", size[0]), numbers.get("h", size[1])
    if (width, height) != size:
        raise RawDataError(f"{where}: images of {width:g}x{height:g}, a file of {size}")

    def focal(axis: str, side: float) -> float | None:
        if f"fl_{axis}" in numbers:
            return numbers[f"fl_{axis}"]
        angle = numbers.get(f"camera_angle_{axis}")
        if angle is None and f"{axis}_fov" in numbers:
            angle = math.radians(numbers[f"{axis}_fov"])
        return None if angle is None or not 0 < angle < math.pi else side / 2 / math.tan(angle / 2)

    fx, fy = focal("x", width), focal("y", height)
    fx, fy = fy if fx is None else fx, fx if fy is None else fy
    if fx is None or fy is None:
        raise RawDataError(f"{where}: no fl_x, camera_angle_x nor x_fov")
    cx, cy = numbers.get("cx", width / 2), numbers.get("cy", height / 2)
    return camera_matrix(fx, fy, cx - 0.5, cy - 0.5)


def lens_of(told: dict, where: str) -> np.ndarray | None:
    """(8,) of the distortion of a frame's fields; None without any."""
    listed = told.get("distortion_params")
    if listed is None:
        listed = [told.get(key) or 0 for key in ("k1", "k2", "k3", "k4", "p1", "p2")]
    values = floats(listed, f"{where}: distortion")
    if len(values) != 6 or not np.isfinite(values).all():
        raise RawDataError(f"{where}: distortion is not k1 k2 k3 k4 p1 p2")
    k1, k2, k3, k4, p1, p2 = values
    if k4:
        raise RawDataError(f"{where}: k4 is {k4:g}, which a pinhole's lens has not")
    return np.array([k1, k2, p1, p2, k3, 0, 0, 0]) if values.any() else None
