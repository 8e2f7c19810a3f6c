"""Raw exports of the app Polycam (LiDAR or room mode): a folder or a zip archive.

Poses are camera to world with OpenGL axes, rows of numbers `t_00` to `t_23`, in metres; the world
is y up and aligned with gravity. Images are those of the sensor, on their side where the phone was
held upright.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.capture_utils import phone
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.geometry.cameras import camera_fault, is_lost_pose, pose_fault
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.preparation import plain_json
from spatial_engine.utils.preparation.archives import Members, open_members, peek, places
from spatial_engine.utils.preparation.capture import Capture, Picture
from spatial_engine.utils.preparation.images import image_data

REMEDY = "export the capture again from Polycam (raw data)"
KEYFRAMES = "keyframes"
# Images and cameras: those that Polycam optimised and undistorted, where both are there.
CORRECTED = ("corrected_images", "corrected_cameras")
AS_TAKEN = ("images", "cameras")
COLOR_ENDINGS = (".jpg", ".jpeg", ".png")
MEDIUM = 127  # of the levels of confidence in its images: 0, 127, 255
MAX_CAMERA_BYTES = 2**16
MM = 0.001
# Undistorted images are black along their borders, 5 to 15 pixels of 1,024, where no question must
# point: depth there is not used.
BORDER = 0.02  # of the longer side: how wide it may be
BLACK = 40  # what JPEG makes of black beside the image
BLACK_SHARE = 0.8  # of the outermost line of a side that has such a border


@dataclass(frozen=True)
class _Keyframe:
    number: int
    stem: str
    color: str  # name of its image
    intrinsic: np.ndarray  # (3, 3)
    pose: np.ndarray  # (4, 4) OpenCV axes
    size: tuple[int, int]


def looks_like(path: Path) -> bool:
    """Whether a folder or an archive is a raw export of Polycam."""
    members = peek(Path(path))
    return members is not None and _find(members) is not None


def _find(members: Members) -> Members | None:
    """The files below `keyframes`."""
    below = (place.below(KEYFRAMES) for place in places(members))
    return next((place for place in below if _folders(place)), None)


def _folders(members: Members) -> tuple[str, str] | None:
    """The folders of images and cameras to use."""
    there = set(members.folders())
    return next((pair for pair in (CORRECTED, AS_TAKEN) if there.issuperset(pair)), None)


def open_capture(path: Path, options: CaptureOptions | None = None) -> Capture:
    """The capture of a raw export of Polycam."""
    options = options or CaptureOptions()
    members = _find(open_members(path))
    if members is None:
        raise BadDataError(
            f"{path}: no raw export of Polycam (no keyframes/ with images and cameras); switch on "
            'developer mode in the app, and export "raw data"'
        )
    images_in, cameras_in = _folders(members)
    keyframes, left_out = _keyframes(members, images_in, cameras_in, options)
    by_number = {keyframe.number: keyframe for keyframe in keyframes}

    def images(numbers: Sequence[int]) -> Iterator[Picture]:
        for number in numbers:
            yield _picture(members, by_number[int(number)], options)

    return Capture(
        numbers=np.array([keyframe.number for keyframe in keyframes], np.int64),
        poses=np.stack([keyframe.pose for keyframe in keyframes]),
        intrinsics=np.stack([keyframe.intrinsic for keyframe in keyframes]),
        color_size=keyframes[0].size,
        images=images,
        up=np.array(phone.UP_OF_ARKIT),
        left_out=left_out,
        may_be_turned=True,
    )


def _keyframes(
    members: Members, images_in: str, cameras_in: str, options: CaptureOptions
) -> tuple[list[_Keyframe], dict[str, int]]:
    """Keyframes that have image, camera and depth, numbered by their times among all images; and
    why others are left out."""
    colors = {
        name.rpartition(".")[0]: f"{images_in}/{name}"
        for name in members.files(images_in)
        if name.lower().endswith(COLOR_ENDINGS)
    }
    cameras = _stems(members, cameras_in, ".json")
    depths = _stems(members, "depth", ".png")
    if not depths:
        raise BadDataError(
            f"{members.where('depth')}: no depth image is there; capture in LiDAR or room mode, "
            "with developer mode switched on"
        )
    keyframes: list[_Keyframe] = []
    left_out: dict[str, int] = {}
    for number, stem in enumerate(sorted(colors, key=_time)):
        cause = "" if stem in cameras else "no camera"
        cause = cause or ("" if stem in depths else "no depth image")
        if not cause:
            name = f"{cameras_in}/{stem}.json"
            camera = _camera(members, name, options)
            if camera is None:
                cause = "no usable pose"
            else:
                keyframes.append(_Keyframe(number, stem, colors[stem], *camera))
                if keyframes[-1].size != keyframes[0].size:
                    raise BadDataError(
                        f"{members.where(name)}: another image size than that of the first "
                        f"keyframe; {REMEDY}"
                    )
        if cause:
            left_out[cause] = left_out.get(cause, 0) + 1
    if not keyframes:
        raise BadDataError(
            f"{members.where(images_in)}: no keyframe has image, camera and depth; {REMEDY}"
        )
    return keyframes, left_out


def _stems(members: Members, folder: str, ending: str) -> set[str]:
    return {name.removesuffix(ending) for name in members.files(folder) if name.endswith(ending)}


def _time(stem: str) -> tuple[int, str]:
    """Key that sorts by the microseconds that stems are."""
    return (int(stem), "") if stem.isascii() and stem.isdecimal() and len(stem) < 30 else (-1, stem)


def _camera(
    members: Members, name: str, options: CaptureOptions
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]] | None:
    """(intrinsics, pose, image size) of a camera file; None where tracking was lost."""
    where = members.where(name)
    content = plain_json.parse(members.read(name, MAX_CAMERA_BYTES, REMEDY), where, REMEDY)

    def number(key: str) -> float:
        return plain_json.number(content.get(key), key, where, REMEDY)

    width, height = (
        plain_json.side(content.get(key), key, where, REMEDY) for key in ("width", "height")
    )
    fx, fy, cx, cy = options.intrinsics or map(number, ("fx", "fy", "cx", "cy"))
    intrinsic = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    if fault := camera_fault(intrinsic, (width, height)):
        raise BadDataError(f"{where}: {fault}; {REMEDY}")
    pose = np.eye(4)
    pose[:3] = [[number(f"t_{row}{column}") for column in range(4)] for row in range(3)]
    if is_lost_pose(pose):
        return None
    if fault := pose_fault(pose):
        raise BadDataError(f"{where}: the pose is not a rigid motion: {fault}; {REMEDY}")
    return intrinsic, pose @ phone.OPENCV_FROM_OPENGL, (width, height)


def _picture(members: Members, keyframe: _Keyframe, options: CaptureOptions) -> Picture:
    where = members.where(keyframe.color)
    data = members.read(keyframe.color, image_data.MAX_COLOR_BYTES, REMEDY)
    size = image_data.color_size(data, where, REMEDY)
    if size != keyframe.size:
        width, height = keyframe.size
        raise BadDataError(
            f"{where}: has {size[0]}x{size[1]} pixels, {width}x{height} by its camera; {REMEDY}"
        )
    name = f"depth/{keyframe.stem}.png"
    data_of_depth = members.read(name, image_data.MAX_DEPTH_BYTES, REMEDY)
    depth = image_data.depth_png(data_of_depth, members.where(name), REMEDY)
    depth = image_data.depth_mm(depth, options.depth_unit or MM)
    name = f"confidence/{keyframe.stem}.png"
    if members.has(name):
        least = phone.least_confidence(options, MEDIUM)
        levels = image_data.grey(
            members.read(name, image_data.MAX_DEPTH_BYTES, REMEDY), members.where(name), REMEDY
        )
        depth = phone.confident(depth, levels, least, members.where(name), REMEDY)
    color = image_data.color(data, where, REMEDY)
    if keyframe.color.startswith(CORRECTED[0]):
        depth = _without_border(depth, color, where)
    return Picture(keyframe.number, color, depth)


def _is_dark_along(brightness: np.ndarray) -> bool:
    """Whether an image (H, W) uint8 may have a black side. The largest of three colours is no less
    than their brightness, but for its rounding."""
    sides = (brightness[0], brightness[-1], brightness[:, 0], brightness[:, -1])
    return any((side <= BLACK + 1).mean() > BLACK_SHARE for side in sides)


def _without_border(depth_mm: np.ndarray, color: bytes | np.ndarray, where: str) -> np.ndarray:
    """Depth (h, w) without what an image of the same view has black along its sides."""
    if isinstance(color, bytes) and not _is_dark_along(jpeg.brightness(color, where, REMEDY)):
        return depth_mm
    black = cv2.inRange(image_data.pixels(color, where, REMEDY), (0, 0, 0), (BLACK,) * 3) > 0
    border = np.zeros_like(black)
    width = round(BORDER * max(black.shape))
    for turns in range(4):
        of_side, found = np.rot90(black, turns)[:width], np.rot90(border, turns)[:width]
        if of_side[0].mean() > BLACK_SHARE:
            found |= np.logical_and.accumulate(of_side, axis=0)
    rows, columns = (
        ((np.arange(count) + 0.5) * side / count).astype(int)
        for count, side in zip(depth_mm.shape, black.shape, strict=True)
    )
    return np.where(border[rows[:, None], columns], 0, depth_mm)
