"""Recordings of the app Record3D: `.r3d` files, what they unpack to, and the export "EXR + JPG".

Poses are camera to world with OpenGL axes, quaternions x y z w, in metres. The world is y up where
the app kept gravity; recordings that begin with no rotation at all tell no direction up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.capture_utils import phone
from spatial_engine.utils.capture_utils.codings import exr, lzfse
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.geometry.cameras import camera_fault
from spatial_engine.utils.preparation import plain_json
from spatial_engine.utils.preparation.archives import Members, open_members, peek, with_file
from spatial_engine.utils.preparation.capture import Capture, Picture
from spatial_engine.utils.preparation.images import image_data

REMEDY = "export the recording again from Record3D"
ZEROED = 0.01  # radians: a first rotation of less was set to zero, as nobody holds a phone so still
SPARE_BYTES = 2**16  # that packed data may have more than what it holds
FLOAT_BYTES = 4


@dataclass(frozen=True)
class _Layout:
    """Names of files of frame `n`, to be formatted."""

    metadata: str
    color: str
    depth: str
    confidence: str = ""


R3D = _Layout("metadata", "rgbd/{}.jpg", "rgbd/{}.depth", "rgbd/{}.conf")
EXR_JPG = _Layout("metadata.json", "rgb/{}.jpg", "depth/{}.exr")


def looks_like(path: Path) -> bool:
    """Whether a `.r3d` file or a folder is a recording of Record3D."""
    members = peek(Path(path))
    return members is not None and _find(members) is not None


def _find(members: Members) -> tuple[Members, _Layout] | None:
    """The files of a recording, and how they are named."""
    for layout in (R3D, EXR_JPG):
        inner = with_file(members, layout.metadata)
        folders = [name.split("/")[0] for name in (layout.color, layout.depth)]
        if inner and all(map(inner.has_folder, folders)):
            return inner, layout
    return None


def open_capture(path: Path, options: CaptureOptions | None = None) -> Capture:
    """The capture of a `.r3d` file, of its folder, or of an export as EXR and JPG."""
    options = options or CaptureOptions()
    found = _find(open_members(path))
    if found is None:
        raise BadDataError(
            f"{path}: no recording of Record3D (no metadata with rgbd/, nor metadata.json with "
            "rgb/ and depth/); give a .r3d file, its folder, or an export as EXR + JPG"
        )
    members, layout = found
    where = members.where(layout.metadata)
    data = members.read(layout.metadata, plain_json.MAX_BYTES, REMEDY)
    content = plain_json.parse(data, where, REMEDY)
    size = (_side(content, "w", where), _side(content, "h", where))
    poses = _poses(content, where)
    intrinsics = _intrinsics(content, options, len(poses), size, where)
    depth_size = _depth_size(content, where)
    numbers, left_out = _numbers(members, layout, poses, where)

    def images(wanted: Sequence[int]) -> Iterator[Picture]:
        for number in wanted:
            yield _picture(members, layout, int(number), size, depth_size, options)

    def depths(wanted: Sequence[int]) -> Iterator[np.ndarray]:
        return (_depth(members, layout, int(n), size, depth_size, options) for n in wanted)

    return Capture(
        numbers=np.array(numbers, np.int64),
        poses=poses[numbers],
        intrinsics=intrinsics[numbers],
        color_size=size,
        images=images,
        up=_up(poses),
        left_out=left_out,
        may_be_turned=True,  # where the phone was held on its side
        depths=depths,
    )


def _side(content: Mapping[str, Any], key: str, where: str) -> int:
    return plain_json.side(content.get(key), key, where, REMEDY)


def _poses(content: Mapping[str, Any], where: str) -> np.ndarray:
    """(n, 4, 4) with OpenCV axes; all NaN where tracking was lost."""
    rows = plain_json.entries(content.get("poses"), "poses", where, REMEDY)
    numbers = np.empty((len(rows), 7))
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != 7:
            raise BadDataError(f"{where}: pose {index} is not a list of 7 numbers; {REMEDY}")
        numbers[index] = [_or_nan(value, f"pose {index}", where) for value in row]
    return phone.poses_of(numbers[:, 4:], numbers[:, :4]) @ phone.OPENCV_FROM_OPENGL


def _or_nan(value: Any, what: str, where: str) -> float:
    """A number, which need not be finite where tracking was lost."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return math.nan
    return plain_json.number(value, what, where, REMEDY)


def _intrinsics(
    content: Mapping[str, Any],
    options: CaptureOptions,
    count: int,
    size: tuple[int, int],
    where: str,
) -> np.ndarray:
    """(n, 3, 3): by frame where the recording has them, for the focus moves; else of the first."""
    by_frame = content.get("perFrameIntrinsicCoeffs")
    if options.intrinsics:
        rows = np.tile(options.intrinsics, (count, 1))
    elif by_frame:
        if not isinstance(by_frame, list) or len(by_frame) != count:
            raise BadDataError(
                f"{where}: perFrameIntrinsicCoeffs is not a list of {count}, one for each pose; "
                f"{REMEDY}"
            )
        name = "an entry of perFrameIntrinsicCoeffs"
        rows = np.array([plain_json.numbers(row, 4, name, where, REMEDY) for row in by_frame])
    else:
        k = plain_json.numbers(content.get("K"), 9, "K", where, REMEDY).reshape(3, 3).T
        rows = np.tile([k[0, 0], k[1, 1], k[0, 2], k[1, 2]], (count, 1))
    matrices = np.tile(np.eye(3), (count, 1, 1))
    matrices[:, 0, 0], matrices[:, 1, 1], matrices[:, 0, 2], matrices[:, 1, 2] = rows.T
    for matrix in matrices:
        if fault := camera_fault(matrix, size):
            raise BadDataError(f"{where}: {fault}; {REMEDY}")
    return matrices


def _depth_size(content: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    """(width, height) of depth; None in old recordings, which do not tell it."""
    if content.get("dw") is None or content.get("dh") is None:
        return None
    return _side(content, "dw", where), _side(content, "dh", where)


def _numbers(
    members: Members, layout: _Layout, poses: np.ndarray, where: str
) -> tuple[list[int], dict[str, int]]:
    """Frames that can be used, and why others are left out. Numbers in names have no zeros before
    them."""
    colors, depths = (_listed(members, name) for name in (layout.color, layout.depth))
    if not depths:
        raise BadDataError(
            f"{members.where(layout.depth.format(0))}: no depth image is there; record with LiDAR "
            "or the TrueDepth camera, and export with depth"
        )
    count = len(poses)
    images = max(colors, default=-1) + 1
    if images != count or len(colors) != count:
        raise BadDataError(
            f"{where}: {count} poses, and {len(colors)} images up to number {images - 1}; {REMEDY}"
        )
    usable = np.isfinite(poses).all(axis=(1, 2))
    left_out: dict[str, int] = {}
    numbers = []
    for number in range(count):
        cause = "" if number in depths else "no depth image"
        cause = cause or ("" if usable[number] else "no usable pose")
        if cause:
            left_out[cause] = left_out.get(cause, 0) + 1
        else:
            numbers.append(number)
    if not numbers:
        raise BadDataError(f"{where}: no frame has depth and a usable pose; {REMEDY}")
    return numbers, left_out


def _listed(members: Members, pattern: str) -> set[int]:
    """Numbers of the files that are named by a pattern."""
    folder, name = pattern.split("/")
    form = re.compile(re.escape(name).replace(r"\{\}", "(0|[1-9][0-9]{0,8})"))
    return {int(m[1]) for file in members.files(folder) if (m := form.fullmatch(file))}


def _up(poses: np.ndarray) -> np.ndarray | None:
    """The y axis; None where the app set the first rotation to zero, so that the world lies as the
    phone lay."""
    first = poses[np.isfinite(poses).all(axis=(1, 2))][0, :3, :3] @ phone.OPENCV_FROM_OPENGL[:3, :3]
    angle = math.acos(min(1.0, max(-1.0, (np.trace(first) - 1) / 2)))
    return None if angle < ZEROED else np.array(phone.UP_OF_ARKIT)


def _picture(
    members: Members,
    layout: _Layout,
    number: int,
    size: tuple[int, int],
    depth_size: tuple[int, int] | None,
    options: CaptureOptions,
) -> Picture:
    name = layout.color.format(number)
    color = members.read(name, image_data.MAX_COLOR_BYTES, REMEDY)
    found = image_data.color_size(color, members.where(name), REMEDY)
    if found != size:
        raise BadDataError(
            f"{members.where(name)}: has {found[0]}x{found[1]} pixels, {size[0]}x{size[1]} by the "
            f"metadata; {REMEDY}"
        )
    depth = _depth(members, layout, number, size, depth_size, options)
    return Picture(number, color, depth)


def _depth(
    members: Members,
    layout: _Layout,
    number: int,
    size: tuple[int, int],
    depth_size: tuple[int, int] | None,
    options: CaptureOptions,
) -> np.ndarray:
    """(h, w) uint16 millimetres of a frame, without what is of low confidence."""
    metres = _metres(members, layout, number, size, depth_size)
    depth = image_data.depth_mm(metres, options.depth_unit or 1.0)
    name = layout.confidence.format(number)
    if name and members.has(name):
        packed = members.read(name, depth.size + SPARE_BYTES, REMEDY)
        levels = _unpacked(packed, depth.size, members.where(name))
        if len(levels) != depth.size:
            raise _wrong_size(members.where(name), len(levels), depth.size)
        confidence = np.frombuffer(levels, np.uint8).reshape(depth.shape)
        least = phone.least_confidence(options, phone.MEDIUM)
        depth = phone.confident(depth, confidence, least, members.where(name), REMEDY)
    return depth


def _metres(
    members: Members,
    layout: _Layout,
    number: int,
    size: tuple[int, int],
    depth_size: tuple[int, int] | None,
) -> np.ndarray:
    """(h, w) float32 metres, NaN where there is none. Of no more pixels than the image."""
    name = layout.depth.format(number)
    where = members.where(name)
    most = FLOAT_BYTES * (math.prod(depth_size) if depth_size else math.prod(size))
    if layout is EXR_JPG:
        data = members.read(name, image_data.MAX_DEPTH_BYTES, REMEDY)
        return exr.read_channel(data, where, REMEDY)
    raw = _unpacked(members.read(name, most + SPARE_BYTES, REMEDY), most, where)
    width, height = depth_size or _size_of_same_shape(len(raw) // FLOAT_BYTES, size, where)
    if len(raw) != FLOAT_BYTES * width * height:
        raise _wrong_size(where, len(raw), FLOAT_BYTES * width * height)
    return np.frombuffer(raw, "<f4").reshape(height, width)


def _unpacked(packed: bytes, most: int, where: str) -> bytes:
    try:
        return lzfse.decompress(packed, most)
    except lzfse.LzfseError as error:
        raise BadDataError(f"{where}: cannot be unpacked ({error}); {REMEDY}") from None


def _size_of_same_shape(pixels: int, size: tuple[int, int], where: str) -> tuple[int, int]:
    """(width, height) of so many pixels, in the proportion of the image."""
    width = round(math.sqrt(pixels * size[0] / size[1]))
    height = pixels // max(width, 1)
    same_shape = abs(width * size[1] - height * size[0]) <= max(size)
    if not pixels or width * height != pixels or not same_shape:
        raise BadDataError(
            f"{where}: {pixels} pixels are no image of the shape of {size[0]}x{size[1]}; {REMEDY}"
        )
    return width, height


def _wrong_size(where: str, found: int, expected: int) -> BadDataError:
    return BadDataError(f"{where}: holds {found} bytes, {expected} expected; {REMEDY}")
