"""`transforms.json` of nerfstudio and instant-ngp, with depth files.

Poses are camera to world with OpenGL axes, in a world that is z up by convention and has no scale
of its own: whether it is in metres is measured by depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.capture_utils import phone
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.capture_utils.transforms_cameras import Camera, read_camera
from spatial_engine.utils.geometry.cameras import pose_fault
from spatial_engine.utils.preparation import frame_files, plain_json
from spatial_engine.utils.preparation.archives import (
    Members,
    open_members,
    peek,
    safe_name,
    with_file,
)
from spatial_engine.utils.preparation.capture import Capture, Picture
from spatial_engine.utils.preparation.images import image_data
from spatial_engine.utils.preparation.images.undistortion import Undistortion
from spatial_engine.utils.preparation.scale_fit import SAME_SCALE, metres_per_unit

FILE = "transforms.json"
REMEDY = "correct this file, or export the capture again"
NO_DEPTH = (
    "no frame has a depth file (depth_file_path or depth_path); export with depth (of Polycam and "
    "Record3D: `ns-process-data ... --use-depth`), or use the app's own export with "
    "--format polycam or record3d"
)
MM = 0.001  # metres of a unit of depth unless told otherwise
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".JPG", ".JPEG", ".PNG")
UP = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class _Frame:
    """A frame with colour and depth; names are of files within the folder."""

    number: int
    color: str
    depth: str
    mask: str | None
    camera: Camera
    pose: np.ndarray  # (4, 4) OpenCV axes


class _Lenses:
    """What makes images straight; what is computed for a camera is kept for its next image."""

    def __init__(self) -> None:
        self._key: tuple | None = None

    def of(self, camera: Camera) -> Undistortion:
        """That of a camera with distortion."""
        given = (camera.distortion, camera.size, camera.fisheye)
        key = (camera.intrinsic.tobytes(), *given)
        if key != self._key:
            self._key, self._lens = key, Undistortion(camera.intrinsic, *given)
        return self._lens


def looks_like(path: Path) -> bool:
    """Whether a folder, an archive or a json file is of this format."""
    path = Path(path)
    if path.is_file() and path.suffix == ".json":
        return path.name.startswith("transforms")
    members = peek(path)
    return members is not None and with_file(members, FILE) is not None


def open_capture(path: Path, options: CaptureOptions | None = None) -> Capture:
    """The capture of a folder or archive with `transforms.json`, or of a json file by name."""
    options = options or CaptureOptions()
    path, file = Path(path), FILE
    if path.is_file() and path.suffix == ".json":
        path, file = path.parent, path.name
    members = with_file(open_members(path), file)
    if members is None:
        raise BadDataError(
            f"{path}: no {FILE} is there; give a folder or archive with one, or another json file "
            "by its name"
        )
    where = members.where(file)
    content = plain_json.parse(members.read(file, plain_json.MAX_BYTES, REMEDY), where, REMEDY)
    unit = _depth_unit(content, options, where)
    frames, left_out = _frames(members, content, options.intrinsics, where)
    frames = _in_units_of_source(frames, content, where)
    color_size = _common_size(frames, where)

    def images(numbers: Sequence[int]) -> Iterator[Picture]:
        lenses = _Lenses()
        for number in numbers:
            yield _picture(members, by_number[int(number)], unit, lenses)

    def depths(numbers: Sequence[int]) -> Iterator[np.ndarray]:
        lenses = _Lenses()
        for number in numbers:
            yield _depth(members, by_number[int(number)], unit, lenses)

    by_number = {frame.number: frame for frame in frames}
    poses = np.stack([frame.pose for frame in frames])
    capture = Capture(
        numbers=np.array([frame.number for frame in frames], np.int64),
        poses=poses,
        intrinsics=np.stack([frame.camera.intrinsic for frame in frames]),
        color_size=color_size,
        images=images,
        up=_up(poses, content),
        left_out=left_out,
        may_be_turned=True,  # many are made of phones' captures
        depths=depths,
    )
    return replace(capture, metric=_is_metric(capture))


def _depth_unit(content: Mapping[str, Any], options: CaptureOptions, where: str) -> float:
    """Metres of a unit of the depth images.

    `integer_depth_scale` leads to units of the poses, which may be any; only the usual
    millimetres say what a metre is.
    """
    if options.depth_unit is not None:
        return options.depth_unit
    if content.get("integer_depth_scale") is None:
        return MM
    unit = plain_json.number(content["integer_depth_scale"], "integer_depth_scale", where, REMEDY)
    if abs(unit - MM) > 1e-6 * MM:
        raise BadDataError(
            f"{where}: integer_depth_scale is {unit:g}, which is depth in units of the poses, not "
            "in metres; say with --depth-unit how many metres a unit of the depth images is"
        )
    return unit


def _frames(
    members: Members,
    content: Mapping[str, Any],
    intrinsics: tuple[float, float, float, float] | None,
    where: str,
) -> tuple[list[_Frame], dict[str, int]]:
    """Frames with colour and depth, numbered by the order of all names, and why others are left
    out."""
    top = {key: value for key, value in content.items() if key != "frames"}
    named = _by_name(content, where)
    size = _size_of_first(members, named)
    frames: list[_Frame] = []
    left_out: dict[str, int] = {}
    without_depth = ""
    for number, (name, entry) in enumerate(named.items()):
        at = f"{where}: {name}"
        color = _with_ending(members, name)
        depth = _name(entry, "depth_file_path", at) or _name(entry, "depth_path", at)
        cause = ""
        if color is None:
            cause = "no colour image"
        elif depth is None or not members.has(depth):
            cause, without_depth = "no depth image", depth or without_depth
        if cause:
            left_out[cause] = left_out.get(cause, 0) + 1
            continue
        camera = read_camera(top, entry, at, size, intrinsics)
        pose = plain_json.matrix(entry.get("transform_matrix"), "transform_matrix", at, REMEDY)
        if fault := pose_fault(pose):
            raise BadDataError(f"{at}: transform_matrix is not a rigid motion: {fault}; {REMEDY}")
        mask = _name(entry, "mask_path", at)
        frames.append(_Frame(number, color, depth, mask, camera, pose @ phone.OPENCV_FROM_OPENGL))
    if not frames:
        raise BadDataError(f"{where}: {_why_none(members, named, left_out, without_depth)}")
    return frames, left_out


def _by_name(content: Mapping[str, Any], where: str) -> dict[str, Mapping[str, Any]]:
    """Entries of frames by the names of their images, in the order of these: that of the file
    means nothing."""
    named: dict[str, Mapping[str, Any]] = {}
    for index, entry in enumerate(
        plain_json.entries(content.get("frames"), "frames", where, REMEDY)
    ):
        if not isinstance(entry, dict):
            raise BadDataError(f"{where}: frame {index} is no object; {REMEDY}")
        name = _name(entry, "file_path", f"{where}: frame {index}")
        if name is None:
            raise BadDataError(f"{where}: frame {index} has no file_path; {REMEDY}")
        if name in named:
            raise BadDataError(f"{where}: {name} is listed twice; remove one of the two frames")
        named[name] = entry
    return {name: named[name] for name in sorted(named, key=frame_files.natural)}


def _why_none(members: Members, named: Mapping, left_out: Mapping, without_depth: str) -> str:
    if "no depth image" not in left_out:
        missing = members.where(min(named))
        return f"none of its {len(named)} images is there (such as {missing}); put them there"
    if without_depth:
        missing = members.where(without_depth)
        return f"none of its depth images is there (such as {missing}); put them there"
    return NO_DEPTH


def _name(entry: Mapping[str, Any], key: str, where: str) -> str | None:
    """Name of a file in a frame, within the folder; None where there is none."""
    value = entry.get(key)
    if value is None or value == "":
        return None
    name = safe_name(value) if isinstance(value, str) else None
    if name is None:
        raise BadDataError(
            f"{where}: {key} is {str(value)[:80]!r}, not a file within the folder of the json; "
            "put the files there and give their names from there"
        )
    return name


def _with_ending(members: Members, name: str) -> str | None:
    """The file of an image whose name may lack its ending; None where there is none."""
    if members.has(name):
        return name
    return next((name + end for end in IMAGE_ENDINGS if members.has(name + end)), None)


def _size_of_first(members: Members, named: Mapping) -> Callable[[], tuple[int, int]]:
    """What reads the size of the first image, once; the others are compared as they are read."""

    @cache
    def size() -> tuple[int, int]:
        name = next(found for name in named if (found := _with_ending(members, name)))
        data = members.read(name, image_data.MAX_COLOR_BYTES, REMEDY)
        return image_data.color_size(data, members.where(name), REMEDY)

    return size


def _in_units_of_source(
    frames: list[_Frame], content: Mapping[str, Any], where: str
) -> list[_Frame]:
    """The scaling that a program applied to the positions is undone, so that poses of a metric
    source are in metres again. What it turned stays turned: that made z up."""
    scale = 1.0
    if content.get("applied_scale") is not None:
        scale = plain_json.number(content["applied_scale"], "applied_scale", where, REMEDY)
    if content.get("applied_transform") is not None:
        given = content["applied_transform"]
        applied = plain_json.matrix(given, "applied_transform", where, REMEDY)[:3, :3]
        with np.errstate(all="ignore"):
            scale *= float(np.cbrt(np.linalg.det(applied)))
    if not (np.isfinite(scale) and 1e-6 < scale < 1e6):
        raise BadDataError(
            f"{where}: applied_scale and applied_transform scale by {scale:g}, which cannot be "
            f"undone; {REMEDY}"
        )
    scaled = np.diag([1 / scale] * 3 + [1.0])
    poses = [np.hstack([f.pose[:, :3], scaled @ f.pose[:, 3:]]) for f in frames]
    return [replace(frame, pose=pose) for frame, pose in zip(frames, poses, strict=True)]


def _common_size(frames: list[_Frame], where: str) -> tuple[int, int]:
    sizes = {frame.camera.size for frame in frames}
    if len(sizes) > 1:
        (w1, h1), (w2, h2) = sorted(sizes)[:2]
        raise BadDataError(
            f"{where}: frames of different sizes ({w1}x{h1} and {w2}x{h2}); make a capture of each"
        )
    return sizes.pop()


def _up(poses: np.ndarray, content: Mapping[str, Any]) -> np.ndarray | None:
    """The z axis, unless cameras contradict it: nearly all have one up, and it is far from z.

    Where nothing is to be turned on loading (`orientation_override`), z is up for sure.
    """
    if content.get("orientation_override") == "none":
        return np.array(UP)
    mean_up = -poses[:, :3, 1].mean(axis=0)
    sideways = abs(poses[:, 2, 0].mean())  # of images on their side the x axis is vertical
    contradict = np.linalg.norm(mean_up) > 0.7 and mean_up @ UP < 0.4 and sideways < 0.7
    return None if contradict else np.array(UP)


def _is_metric(capture: Capture) -> bool:
    scale = metres_per_unit(capture)
    return scale is not None and bool(abs(np.log(scale)) < SAME_SCALE)


def _picture(members: Members, frame: _Frame, unit: float, lenses: _Lenses) -> Picture:
    where = members.where(frame.color)
    data = members.read(frame.color, image_data.MAX_COLOR_BYTES, REMEDY)
    size = image_data.color_size(data, where, REMEDY)
    if size != frame.camera.size:
        width, height = frame.camera.size
        raise BadDataError(
            f"{where}: has {size[0]}x{size[1]} pixels, {width}x{height} by the json; correct w, h, "
            "fl_x, fl_y, cx and cy there, or use the images that they are of"
        )
    color = image_data.color(data, where, REMEDY)
    if frame.camera.distortion:
        color = lenses.of(frame.camera).color(image_data.pixels(color, where, REMEDY))
    return Picture(frame.number, color, _depth(members, frame, unit, lenses))


def _depth(members: Members, frame: _Frame, unit: float, lenses: _Lenses) -> np.ndarray:
    """(h, w) uint16 millimetres of a frame, straight and without what is masked."""
    depth = _read_depth(members, frame.depth, unit)
    if frame.mask is not None:
        depth = _masked(depth, _mask(members, frame.mask))
    return lenses.of(frame.camera).depth(depth) if frame.camera.distortion else depth


def _read_depth(members: Members, name: str, unit: float) -> np.ndarray:
    """(h, w) uint16 millimetres of a 16-bit PNG or an .npy file."""
    data, where = members.read(name, image_data.MAX_DEPTH_BYTES, REMEDY), members.where(name)
    if name.lower().endswith((".exr", ".tif", ".tiff", ".npz", ".pfm")):
        raise BadDataError(f"{where}: depth is read from PNG and .npy files; convert it to these")
    read = image_data.depth_npy if name.lower().endswith(".npy") else image_data.depth_png
    return image_data.depth_mm(read(data, where, REMEDY), unit)


def _mask(members: Members, name: str) -> np.ndarray:
    data = members.read(name, image_data.MAX_COLOR_BYTES, REMEDY)
    return image_data.grey(data, members.where(name), REMEDY)


def _masked(depth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Depth (h, w) without what a mask of the same view, of any size, has black."""
    rows = (np.arange(depth.shape[0]) + 0.5) * mask.shape[0] / depth.shape[0]
    columns = (np.arange(depth.shape[1]) + 0.5) * mask.shape[1] / depth.shape[1]
    black = mask[rows.astype(int)[:, None], columns.astype(int)] == 0
    return np.where(black, 0, depth).astype(np.uint16)
