"""Replica as rendered for iMAP and nice-slam: `traj.txt`, `results/`, `cam_params.json`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.preparation import frame_files, plain_json
from spatial_engine.utils.preparation.capture import Capture
from spatial_engine.utils.preparation.frame_files import FrameFiles, FrameSource

REMEDY = "get the scene again"
POSE_LIST, IMAGES = "traj.txt", "results"
CAMERA_FILES = ("cam_params.json",)  # in the folder, or in the one above
UNITS_PER_METRE = 6553.5  # where cam_params.json tells no scale
UP = (0.0, 0.0, 1.0)
_FILE = re.compile(r"(frame|depth)(\d{1,9})\.(png|jpg|jpeg)", re.ASCII)


def scenes_in(folder: Path) -> dict[str, Path]:
    """{name: folder} of the scenes in a folder: itself, or the folders in it."""
    return frame_files.scenes_below(folder, _is_scene)


def _is_scene(folder: Path) -> bool:
    return (folder / POSE_LIST).is_file() and (folder / IMAGES).is_dir()


def open_capture(folder: Path, options: CaptureOptions) -> Capture:
    """One scene. Raises `BadDataError` naming file, cause and remedy."""
    if not _is_scene(folder):
        raise BadDataError(f"{folder}: holds no {POSE_LIST} beside {IMAGES}/; check --format")
    colors, depths = _images(folder / IMAGES)
    frame_files.check_same(colors, depths, folder / IMAGES, REMEDY)
    poses = _read_poses(folder / POSE_LIST)
    last = max(colors)
    if last >= len(poses):
        raise BadDataError(
            f"{folder / POSE_LIST}: ends after {len(poses)} poses, and images go on to frame "
            f"{last}; {REMEDY}"
        )
    first = min(colors)
    color_size = frame_files.image_size(colors[first], REMEDY)
    K, units_per_metre = _camera(folder, options, color_size)
    frames, lost = [], 0
    for number in sorted(colors):
        where = f"{folder / POSE_LIST}: line {number + 1}"
        if not frame_files.is_usable(poses[number], where, REMEDY):
            lost += 1
            continue
        frames.append(FrameFiles(number, colors[number], depths[number], poses[number]))
    if not frames:
        raise BadDataError(f"{folder / POSE_LIST}: no pose of a frame can be used; {REMEDY}")
    source = FrameSource(
        frames,
        color_size,
        frame_files.image_size(depths[first], REMEDY),
        frame_files.millimetre_table(options.depth_unit or 1 / units_per_metre),
        REMEDY,
        left_out={"of lost tracking": lost},
    )
    return source.capture(K, up=np.array(UP))


def _images(folder: Path) -> tuple[dict[int, Path], dict[int, Path]]:
    """Colour and depth images by frame."""
    found: dict[str, dict[int, Path]] = {"frame": {}, "depth": {}}
    for path in frame_files.files_in(folder, frame_files.COLOR_ENDINGS):
        named = _FILE.fullmatch(path.name)
        if named and (named[1] == "frame" or named[3] == "png"):
            other = found[named[1]].setdefault(int(named[2]), path)
            if other != path:
                raise BadDataError(
                    f"{folder}: {other.name} and {path.name} are of one frame; remove one"
                )
    if not found["frame"]:
        raise BadDataError(f"{folder}: holds no frame000000.jpg; {REMEDY}")
    return found["frame"], found["depth"]


def _read_poses(path: Path) -> np.ndarray:
    """(n, 4, 4) float64, one a line, row after row."""
    rows = []
    for number, line in enumerate(frame_files.read_lines(path, REMEDY), start=1):
        words = line.split()
        if not words:
            continue
        where = f"{path}: line {number}"
        if len(words) != 16:
            raise BadDataError(f"{where}: {len(words)} numbers where 16 belong; {REMEDY}")
        rows.append(frame_files.floats(words, where, REMEDY))
    return np.array(rows, np.float64).reshape(-1, 4, 4)


def _camera(
    folder: Path, options: CaptureOptions, size: tuple[int, int]
) -> tuple[np.ndarray, float]:
    """(3, 3) intrinsics, and the units of depth in a metre."""
    remedy = f"correct {CAMERA_FILES[0]}, or give --intrinsics fx fy cx cy"
    path = next(iter(frame_files.beside_or_above(folder, CAMERA_FILES)), None)
    if path is None and not options.intrinsics:
        raise BadDataError(
            f"{folder}: no {CAMERA_FILES[0]} there or one folder up; get it, or give --intrinsics "
            "fx fy cx cy"
        )
    values, units = options.intrinsics, UNITS_PER_METRE
    source = "--intrinsics"
    if path is not None:
        camera = _read_camera(path, remedy)
        if "scale" in camera:
            units = plain_json.number(camera["scale"], "scale", str(path), remedy)
        if not units > 0:
            raise BadDataError(f"{path}: scale is {units:g}, not above 0; {remedy}")
        if not values:
            source = str(path)
            values = tuple(
                plain_json.number(camera.get(key), key, source, remedy)
                for key in ("fx", "fy", "cx", "cy")
            )
            told = tuple(
                plain_json.side(camera[key], key, source, remedy) if key in camera else side
                for key, side in zip("wh", size, strict=True)
            )
            if told != size:
                raise BadDataError(
                    f"{path}: is for images of {told[0]}x{told[1]} pixels, these have "
                    f"{size[0]}x{size[1]}; {remedy}"
                )
    return frame_files.camera(values, size, source, remedy), units


def _read_camera(path: Path, remedy: str) -> dict:
    camera = plain_json.read(path, remedy).get("camera")
    if not isinstance(camera, dict):
        raise BadDataError(f"{path}: tells no camera; {remedy}")
    return camera
