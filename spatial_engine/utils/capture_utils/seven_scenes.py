"""7-Scenes, and other captures in its layout: `frame-000000.{color.png,depth.png,pose.txt}`.

The Kinect of 7-Scenes has two cameras. Depth and poses are those of the depth camera; here depth is
registered to the colour camera, and poses become its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.preparation import frame_files
from spatial_engine.utils.preparation.capture import Capture
from spatial_engine.utils.preparation.frame_files import Change, Color, FrameFiles, FrameSource
from spatial_engine.utils.preparation.images.registration import Registration
from spatial_engine.utils.scenes.posed_images import parse_matrix
from spatial_engine.utils.storage.input_files import read_text

REMEDY = "get the sequence again, or leave out what belongs to no frame"
CAMERA_FILES = ("camera-intrinsics.txt",)  # in the folder, or in the one above
METRES_PER_UNIT = 0.001
NOT_MEASURED = 65535  # beside 0

# The data set's two cameras, fx fy cx cy for 640x480.
SIZE = (640, 480)
DEPTH_CAMERA = (585.0, 585.0, 320.0, 240.0)
COLOR_CAMERA = (525.0, 525.0, 320.0, 240.0)
# The calibration that loaders of the data set share; points of the depth camera to the colour's.
COLOR_FROM_DEPTH = np.array(
    [
        [9.9996518012567637e-01, 2.6765126468950343e-03, -7.9041012313000904e-03, -0.025558943178],
        [-2.7409311281316700e-03, 9.9996302803027592e-01, -8.1504520778013286e-03, 0.000101096363],
        [7.8819942130445332e-03, 8.1718328771890631e-03, 9.9993554558014031e-01, 0.002031832173],
        [0, 0, 0, 1],
    ]
)
# Intrinsics that differ by less from one of the two cameras are a calibration of that one.
SAME_FOCAL_SHARE = 0.02
SAME_CENTRE_SHARE = 0.02  # of the image's width

_FILE = re.compile(r"frame-(\d{1,9})\.(color|depth|pose)\.(png|jpg|jpeg|txt)", re.ASCII)
_KINDS = {"color": ("png", "jpg", "jpeg"), "depth": ("png",), "pose": ("txt",)}
_SEQUENCE = re.compile(r"seq-?\d+", re.ASCII)


def scenes_in(folder: Path) -> dict[str, Path]:
    """{name: folder} of the captures in a folder: itself, its `seq-*`, or those of the folders in
    it. A sequence is named after its scene too: chess_seq-01."""
    if _is_scene(folder):
        return {_name(folder): folder}
    below = frame_files.folders_in(folder)
    if not any(_SEQUENCE.fullmatch(path.name) for path in below):
        below = [path for scene in below for path in [scene, *frame_files.folders_in(scene)]]
    return {_name(path): path for path in below if _is_scene(path)}


def _name(folder: Path) -> str:
    folder = frame_files.whole(folder)
    return (
        f"{folder.parent.name}_{folder.name}" if _SEQUENCE.fullmatch(folder.name) else folder.name
    )


def _is_scene(folder: Path) -> bool:
    return any(kind == "color" for kind, _, _ in _files(folder))


def _files(folder: Path) -> Iterator[tuple[str, int, Path]]:
    """Kind, number and path of each file of a frame."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        found = _FILE.fullmatch(name)
        if found and found[3] in _KINDS[found[2]]:
            yield found[2], int(found[1]), folder / name


def open_capture(folder: Path, options: CaptureOptions) -> Capture:
    """One sequence. Raises `BadDataError` naming file, cause and remedy."""
    colors, depths, pose_files = _frame_files(folder)
    first = min(colors)
    color_size = frame_files.image_size(colors[first], REMEDY)
    depth_size = frame_files.image_size(depths[first], REMEDY)
    depth_K, color_K = _cameras(folder, options, depth_size, color_size)
    poses, left_out = _read_poses({number: pose_files.get(number) for number in sorted(colors)})
    if not poses:
        raise BadDataError(f"{folder}: none of {len(colors)} frames has a pose; {REMEDY}")
    change = None
    if not options.registered:
        depth_from_color = np.linalg.inv(COLOR_FROM_DEPTH)
        poses = {number: pose @ depth_from_color for number, pose in poses.items()}
        change = _registering(depth_K, color_K, depth_size, color_size)
    source = FrameSource(
        [FrameFiles(number, colors[number], depths[number], poses[number]) for number in poses],
        color_size,
        depth_size,
        frame_files.millimetre_table(options.depth_unit or METRES_PER_UNIT, [NOT_MEASURED]),
        REMEDY,
        change,
        left_out,
    )
    return source.capture(color_K, up=None)


def _frame_files(folder: Path) -> tuple[dict[int, Path], dict[int, Path], dict[int, Path]]:
    """Colour images, depth images and poses by number; each colour image has a depth image."""
    found: dict[str, dict[int, Path]] = {kind: {} for kind in _KINDS}
    for kind, number, path in _files(folder):
        other = found[kind].setdefault(number, path)
        if other != path:
            first, second = sorted([other.name, path.name])
            raise BadDataError(f"{folder}: {first} and {second} are of one frame; remove one")
    if not found["color"]:
        raise BadDataError(f"{folder}: holds no frame-000000.color.png (or jpg); check --format")
    frame_files.check_same(found["color"], found["depth"], folder, REMEDY)
    return found["color"], found["depth"], found["pose"]


def _read_poses(
    files: Mapping[int, Path | None],
) -> tuple[dict[int, np.ndarray], dict[str, int]]:
    """(4, 4) poses by number as stored, and how many frames have none, by why."""
    poses, lost, missing = {}, 0, 0
    for number, path in files.items():
        if path is None:
            missing += 1
            continue
        pose = parse_matrix(read_text(path, REMEDY), (4, 4), path, REMEDY)
        if frame_files.is_usable(pose, str(path), REMEDY):
            poses[number] = pose
        else:
            lost += 1
    return poses, {"without a pose": missing, "of lost tracking": lost}


def _registering(
    depth_K: np.ndarray,
    color_K: np.ndarray,
    depth_size: tuple[int, int],
    color_size: tuple[int, int],
) -> Change:
    made: list[Registration] = []  # when the first image has been read: its size is true

    def change(
        frame: FrameFiles, color: Color | None, depth: np.ndarray
    ) -> tuple[Color | None, np.ndarray]:
        if not made:
            cameras = depth_K, color_K, COLOR_FROM_DEPTH, depth_size, color_size
            made.append(Registration(*cameras))
        return color, made[0](depth)

    return change


def _cameras(
    folder: Path,
    options: CaptureOptions,
    depth_size: tuple[int, int],
    color_size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) intrinsics of the depth and of the colour images.

    One set of intrinsics can be given. Of registered images it is that of both. Otherwise only the
    two cameras of the data set are known, and it is that of the one which it fits.
    """
    where, given = _given(folder, options)
    remedy = "correct it, or give --intrinsics fx fy cx cy"
    if options.registered:
        values = given or _of_size(COLOR_CAMERA, color_size, folder)
        both = frame_files.camera(values, color_size, where, remedy)
        return both, both
    depth = _of_size(DEPTH_CAMERA, depth_size, folder)
    color = _of_size(COLOR_CAMERA, color_size, folder)
    if given and _is_near(given, depth, depth_size[0]):
        depth = given
    elif given and _is_near(given, color, color_size[0]):
        color = given
    elif given:
        raise BadDataError(
            f"{where}: intrinsics {_text(given)} are of neither camera of 7-Scenes (depth "
            f"{_text(depth)}, colour {_text(color)}), and only between these is it known how depth "
            "lies on colour; add --registered if it does so pixel by pixel, or correct them"
        )
    return (
        frame_files.camera(depth, depth_size, where, remedy),
        frame_files.camera(color, color_size, where, remedy),
    )


def _given(
    folder: Path, options: CaptureOptions
) -> tuple[str, tuple[float, float, float, float] | None]:
    """The intrinsics that are given, and by what: the flag, or the file in the folder or above."""
    if options.intrinsics:
        return "--intrinsics", options.intrinsics
    for path in frame_files.beside_or_above(folder, CAMERA_FILES)[:1]:
        text = read_text(path, REMEDY)
        side = 4 if len(text.split()) == 16 else 3
        K = parse_matrix(text, (side, side), path, "write the 3x3 intrinsics into it")
        return str(path), (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    return str(folder), None


def _of_size(
    values: tuple[float, float, float, float], size: tuple[int, int], folder: Path
) -> tuple[float, float, float, float]:
    """Intrinsics for 640x480 at another size of the same field of view."""
    if size[0] * SIZE[1] != size[1] * SIZE[0]:
        raise BadDataError(
            f"{folder}: images of {size[0]}x{size[1]} pixels are not of 7-Scenes, whose cameras "
            "have 4:3; give --registered --intrinsics fx fy cx cy"
        )
    share = size[0] / SIZE[0]
    fx, fy, cx, cy = values
    return fx * share, fy * share, cx * share, cy * share


def _is_near(values: tuple[float, ...], known: tuple[float, ...], width: int) -> bool:
    off = np.abs(np.subtract(values, known))
    return bool(
        (off[:2] <= SAME_FOCAL_SHARE * known[0]).all()
        and (off[2:] <= SAME_CENTRE_SHARE * width).all()
    )


def _text(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
