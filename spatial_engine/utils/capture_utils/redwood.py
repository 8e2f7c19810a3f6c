"""Open3D and Redwood: folders of colour and depth images, and a trajectory as `.log` or `.json`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.preparation import frame_files, plain_json
from spatial_engine.utils.preparation.capture import Capture
from spatial_engine.utils.preparation.frame_files import FrameFiles, FrameSource

REMEDY = "get the capture again"
METRES_PER_UNIT = 0.001
COLOR_FOLDERS = ("color", "image", "rgb")
DEPTH_FOLDERS = ("depth",)
TRAJECTORIES = ("trajectory.log", "traj.log", "trajectory.json", "traj.json")
# In the folder, or in the one above.
CAMERA_FILES = ("camera_intrinsic.json", "intrinsic.json", "camera_primesense.json")
TRAJECTORY_CLASS = "PinholeCameraTrajectory"
# Open3D's camera where none is told, fx fy cx cy for 640x480.
SIZE = (640, 480)
CAMERA = (525.0, 525.0, 319.5, 239.5)
LINES_A_POSE = 5
_NUMBER = re.compile(r"\d+", re.ASCII)


@dataclass(frozen=True)
class Trajectory:
    """Poses (n, 4, 4) world_from_cam, the image that each is of (its position), where each stands
    for messages, and intrinsics (n, 3, 3) with their image sizes, where the file tells them."""

    poses: np.ndarray
    images: np.ndarray
    places: list[str]
    intrinsics: np.ndarray | None = None
    sizes: list[tuple[int, int]] | None = None


def scenes_in(folder: Path) -> dict[str, Path]:
    """{name: folder} of the captures in a folder: itself, or the folders in it."""
    return frame_files.scenes_below(folder, _is_scene)


def _is_scene(folder: Path) -> bool:
    return bool(_trajectories(folder)) and bool(frame_files.first_folder(folder, COLOR_FOLDERS))


def open_capture(folder: Path, options: CaptureOptions) -> Capture:
    """One capture; frames are numbered as they follow each other. Raises `BadDataError` naming
    file, cause and remedy."""
    colors, depths = _images(folder)
    path = _trajectory_file(folder)
    trajectory = _read_json(path) if path.suffix == ".json" else _read_log(path)
    count, told = len(colors), len(trajectory.images)
    in_a_row = (trajectory.images == np.arange(told)).all()
    if in_a_row and told < count:
        raise BadDataError(f"{path}: ends after {told} poses, there are {count} images; {REMEDY}")
    if told and trajectory.images.max() >= count:
        raise BadDataError(
            f"{path}: goes on to pose {trajectory.images.max()}, counted from 0, and there are "
            f"{count} images; {REMEDY}"
        )
    color_size = frame_files.image_size(colors[0], REMEDY)
    intrinsics = _intrinsics(folder, options, trajectory, path, color_size)
    frames, kept = [], []
    for position, (image, pose) in enumerate(zip(trajectory.images, trajectory.poses, strict=True)):
        if frame_files.is_usable(pose, trajectory.places[position], REMEDY):
            frames.append(FrameFiles(int(image), colors[image], depths[image], pose))
            kept.append(position)
    if not frames:
        raise BadDataError(f"{path}: no pose of a frame can be used; {REMEDY}")
    source = FrameSource(
        frames,
        color_size,
        frame_files.image_size(depths[0], REMEDY),
        frame_files.millimetre_table(options.depth_unit or METRES_PER_UNIT),
        REMEDY,
        left_out={"without a pose": count - told, "of lost tracking": told - len(frames)},
    )
    return source.capture(intrinsics[kept] if intrinsics.ndim == 3 else intrinsics, up=None)


# ---- images --------------------------------------------------------------------------------------


def _images(folder: Path) -> tuple[list[Path], list[Path]]:
    """Colour and depth images, frame by frame: those of the same position belong together."""
    color_folder = frame_files.first_folder(folder, COLOR_FOLDERS)
    if color_folder is None:
        raise BadDataError(f"{folder}: has no folder {' or '.join(COLOR_FOLDERS)}; check --format")
    depth_folder = frame_files.first_folder(folder, DEPTH_FOLDERS)
    if depth_folder is None:
        raise BadDataError(f"{folder}: has no folder depth; {REMEDY}")
    colors = frame_files.files_in(color_folder, frame_files.COLOR_ENDINGS)
    depths = frame_files.files_in(depth_folder, (".png",))
    if not colors:
        raise BadDataError(f"{color_folder}: holds no images; {REMEDY}")
    frame_files.check_same(range(len(colors)), range(len(depths)), folder, REMEDY)
    _check_numbers(colors, depths)
    return colors, depths


def _check_numbers(colors: Sequence[Path], depths: Sequence[Path]) -> None:
    """Raise `BadDataError` where names of images and depth have the same numbers, most of them, and
    the same number does not stand at the same position: each lacks a frame of its own."""
    of_colors, of_depths = ([_first_number(p) for p in paths] for paths in (colors, depths))
    if 2 * len(set(of_colors) & set(of_depths)) < len(colors):
        return  # times, or numbers of two kinds
    for color, depth, one, other in zip(colors, depths, of_colors, of_depths, strict=True):
        if one != other:
            raise BadDataError(
                f"{color}: the depth image at its position is {depth.name}; remove the images that "
                "have no depth, and the depth without an image"
            )


def _first_number(path: Path) -> int | None:
    found = _NUMBER.search(path.name)
    return int(found[0]) if found else None


# ---- trajectories --------------------------------------------------------------------------------


def _trajectories(folder: Path) -> list[Path]:
    """Trajectories by their usual names; without these, every `.log`."""
    usual = [folder / name for name in TRAJECTORIES if (folder / name).is_file()]
    return usual or frame_files.files_in(folder, (".log",))


def _trajectory_file(folder: Path) -> Path:
    found = _trajectories(folder)
    if not found:
        raise BadDataError(f"{folder}: has no {TRAJECTORIES[0]} or {TRAJECTORIES[2]}; {REMEDY}")
    if found[0].name not in TRAJECTORIES and len(found) > 1:
        raise BadDataError(
            f"{folder}: holds {found[0].name} and {found[1].name}; name the one of the poses "
            f"{TRAJECTORIES[0]}"
        )
    return found[0]


def _read_log(path: Path) -> Trajectory:
    """Five lines a pose: three numbers, of which the first is the frame's, and a 4x4 matrix.

    Some programs write no numbers of frames there: where these do not ascend, poses are of the
    images one after the other.
    """
    lines = [
        (number, line.split())
        for number, line in enumerate(frame_files.read_lines(path, REMEDY), start=1)
        if line.strip()
    ]
    poses, firsts, places = [], [], []
    for start in range(0, len(lines), LINES_A_POSE):
        (number, heading), *rows = lines[start : start + LINES_A_POSE]
        where = f"{path}: line {number}"
        if len(rows) < 4:
            raise BadDataError(f"{where}: the last pose is cut off; {REMEDY}")
        if len(heading) != 3 or any(len(words) != 4 for _, words in rows):
            raise BadDataError(
                f"{where}: three numbers and four rows of four belong here; {REMEDY}"
            )
        firsts.append(frame_files.floats(heading, where, REMEDY)[0])
        poses.append([frame_files.floats(words, where, REMEDY) for _, words in rows])
        places.append(where)
    if not poses:
        raise BadDataError(f"{path}: holds no poses; {REMEDY}")
    return Trajectory(np.array(poses), _positions(np.array(firsts)), places)


def _positions(firsts: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        whole = (firsts == np.rint(firsts)).all() and firsts.min() >= 0 and firsts.max() < 2**31
        ascending = whole and (np.diff(firsts) > 0).all()
    return firsts.astype(np.int64) if ascending else np.arange(len(firsts))


def _read_json(path: Path) -> Trajectory:
    """Matrices column after column; they lead from the world to the camera."""
    content = plain_json.read(path, REMEDY)
    if content.get("class_name") != TRAJECTORY_CLASS:
        raise BadDataError(f"{path}: its class_name is not {TRAJECTORY_CLASS}; {REMEDY}")
    poses, places, intrinsics, sizes = [], [], [], []
    parameters = plain_json.entries(content.get("parameters"), "parameters", str(path), REMEDY)
    for position, entry in enumerate(parameters):
        where = f"{path}: pose {position}"
        if not isinstance(entry, dict):
            raise BadDataError(f"{where}: is no camera; {REMEDY}")
        stored = plain_json.numbers(entry.get("extrinsic"), 16, "extrinsic", where, REMEDY)
        poses.append(_inverse(stored.reshape(4, 4).T, where))
        places.append(where)
        K, size = _read_intrinsic(entry.get("intrinsic"), where)
        intrinsics.append(K)
        sizes.append(size)
    images = np.arange(len(poses))
    return Trajectory(np.array(poses), images, places, np.array(intrinsics), sizes)


def _inverse(cam_from_world: np.ndarray, where: str) -> np.ndarray:
    """world_from_cam; zeros where tracking was lost."""
    if not frame_files.is_usable(cam_from_world, where, REMEDY):
        return np.zeros((4, 4))
    return np.linalg.inv(cam_from_world)


# ---- cameras -------------------------------------------------------------------------------------


def _intrinsics(
    folder: Path,
    options: CaptureOptions,
    trajectory: Trajectory,
    path: Path,
    size: tuple[int, int],
) -> np.ndarray:
    """(3, 3), or (n, 3, 3) one for each pose: from the flag, the trajectory, a file of the camera
    in the folder or one above, or Open3D's camera."""
    remedy = "give --intrinsics fx fy cx cy"
    if options.intrinsics:
        return frame_files.camera(options.intrinsics, size, "--intrinsics", "correct it")
    if trajectory.intrinsics is not None and trajectory.sizes is not None:
        cameras = zip(trajectory.intrinsics, trajectory.sizes, trajectory.places, strict=True)
        return np.array([_checked(K, told, size, where, remedy) for K, told, where in cameras])
    for file in frame_files.beside_or_above(folder, CAMERA_FILES)[:1]:
        K, told = _read_intrinsic(plain_json.read(file, REMEDY), str(file))
        return _checked(K, told, size, str(file), remedy)
    if size != SIZE:
        raise BadDataError(
            f"{path}: tells no intrinsics, and Open3D's own camera takes {SIZE[0]}x{SIZE[1]} "
            f"pixels, not {size[0]}x{size[1]}; {remedy}"
        )
    return frame_files.camera(CAMERA, size, path, remedy)


def _checked(
    K: np.ndarray, told: tuple[int, int], size: tuple[int, int], where: str, remedy: str
) -> np.ndarray:
    if told != size:
        raise BadDataError(
            f"{where}: the camera takes {told[0]}x{told[1]} pixels, the images have "
            f"{size[0]}x{size[1]}; {remedy}"
        )
    return frame_files.camera((K[0, 0], K[1, 1], K[0, 2], K[1, 2]), size, where, remedy)


def _read_intrinsic(entry: Any, where: str) -> tuple[np.ndarray, tuple[int, int]]:
    """(3, 3) intrinsics, stored column after column, and (width, height)."""
    if not isinstance(entry, dict):
        raise BadDataError(f"{where}: tells no intrinsics; {REMEDY}")
    stored = plain_json.numbers(entry.get("intrinsic_matrix"), 9, "intrinsic_matrix", where, REMEDY)
    size = tuple(plain_json.side(entry.get(key), key, where, REMEDY) for key in ("width", "height"))
    return stored.reshape(3, 3).T, size
