"""TUM RGB-D: lists of colour images, depth images and poses, each with times of its own."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.preparation import frame_files
from spatial_engine.utils.preparation.capture import Capture
from spatial_engine.utils.preparation.frame_files import Change, Color, FrameFiles, FrameSource
from spatial_engine.utils.preparation.images import image_data
from spatial_engine.utils.preparation.images.undistortion import Undistortion

REMEDY = "get the sequence again"
COLOR_LIST, DEPTH_LIST, POSE_LIST = "rgb.txt", "depth.txt", "groundtruth.txt"
METRES_PER_UNIT = 1 / 5000
UP = (0.0, 0.0, 1.0)
MAX_APART_S = 0.02  # between what is taken as of one moment
ROUNDING_S = 1e-6  # of differences of Unix seconds in float64
MAX_PAIRS = 20_000_000  # of times that lie so close; a second of real lists has some thousands
SIZE = (640, 480)

# fx fy cx cy and k1 k2 p1 p2 k3 of the colour images, by the camera in the folder's name.
CAMERAS = {
    "1": ((517.3, 516.5, 318.6, 255.3), (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
    "2": ((520.9, 521.0, 325.1, 249.7), (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)),
    "3": ((535.4, 539.2, 320.1, 247.6), None),
}
_CAMERA = re.compile(r"(?:freiburg|fr)([123])(?!\d)", re.IGNORECASE)


def scenes_in(folder: Path) -> dict[str, Path]:
    """{name: folder} of the sequences in a folder: itself, or the folders in it."""
    return frame_files.scenes_below(folder, _is_scene)


def _is_scene(folder: Path) -> bool:
    return (folder / COLOR_LIST).is_file() and (folder / POSE_LIST).is_file()


def open_capture(folder: Path, options: CaptureOptions) -> Capture:
    """One sequence: colour images that have a depth image and a pose of their time, numbered as
    they follow each other. Raises `BadDataError` naming file, cause and remedy."""
    color_times, color_files = _read_files(folder, COLOR_LIST)
    if not (folder / DEPTH_LIST).is_file():
        raise BadDataError(f"{folder}: has no {DEPTH_LIST}, so no depth; {REMEDY}")
    depth_times, depth_files = _read_files(folder, DEPTH_LIST)
    pose_times, poses, lines = _read_poses(folder / POSE_LIST)

    colors, depths = associate(color_times, depth_times, folder)
    _check_any(colors, color_times, depth_times, folder, DEPTH_LIST)
    of_colors, of_poses = associate(color_times[colors], pose_times, folder)
    _check_any(of_colors, color_times[colors], pose_times, folder, POSE_LIST)

    frames, lost = [], 0
    for color, depth, pose in zip(colors[of_colors], depths[of_colors], of_poses, strict=True):
        world_from_cam = _pose(poses[pose], f"{folder / POSE_LIST}: line {lines[pose]}")
        if world_from_cam is None:
            lost += 1
            continue
        files = color_files[color], depth_files[depth]
        frames.append(FrameFiles(int(color), *files, world_from_cam))
    if not frames:
        raise BadDataError(f"{folder / POSE_LIST}: no pose of a frame can be used; {REMEDY}")
    color_size = frame_files.image_size(frames[0].color, REMEDY)
    K, coefficients = _camera(folder, options, color_size)
    source = FrameSource(
        frames,
        color_size,
        frame_files.image_size(frames[0].depth, REMEDY),
        frame_files.millimetre_table(options.depth_unit or METRES_PER_UNIT),
        REMEDY,
        _undistorting(Undistortion(K, coefficients, color_size)) if coefficients else None,
        {
            "without depth of their time": len(color_times) - len(colors),
            "without a pose of their time": len(colors) - len(of_colors),
            "of lost tracking": lost,
        },
    )
    return source.capture(K, up=np.array(UP))


def associate(
    first: np.ndarray, second: np.ndarray, source: str | Path = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of two ascending lists of times, as two arrays of positions, ascending in the first:
    the nearest pairs first, each time used once, none farther apart than `MAX_APART_S`."""
    reach = MAX_APART_S + ROUNDING_S
    start = np.searchsorted(second, first - reach)
    counts = np.searchsorted(second, first + reach, side="right") - start
    if counts.sum() > MAX_PAIRS:
        raise BadDataError(f"{source}: times lie too close together to be seconds; {REMEDY}")
    a = np.repeat(np.arange(len(first)), counts)
    b = np.arange(len(a)) - np.repeat(np.cumsum(counts) - counts, counts) + start[a]
    apart = np.abs(first[a] - second[b])
    pairs: dict[int, int] = {}
    used: set[int] = set()
    for of in np.lexsort((b, a, apart)).tolist():
        one, other = int(a[of]), int(b[of])
        if one not in pairs and other not in used:
            pairs[one] = other
            used.add(other)
    order = sorted(pairs)
    return np.array(order, np.intp), np.array([pairs[one] for one in order], np.intp)


def _check_any(
    pairs: np.ndarray, first: np.ndarray, second: np.ndarray, folder: Path, name: str
) -> None:
    if not len(pairs):
        raise BadDataError(
            f"{folder / name}: none of its times ({second[0]:.6f} to {second[-1]:.6f} s) is within "
            f"{MAX_APART_S} s of a colour image ({first[0]:.6f} to {first[-1]:.6f} s); give lists "
            "of one recording and one clock, in seconds"
        )


def _read_files(folder: Path, name: str) -> tuple[np.ndarray, list[Path]]:
    """Times (n,) in ascending order, and the image of each, from a list of images."""
    path = folder / name
    found: dict[float, Path] = {}
    for number, words in _rows(path):
        where = f"{path}: line {number}"
        if len(words) < 2:
            raise BadDataError(f"{where}: a time and a file belong here; {REMEDY}")
        found[_time(words[0], where)] = frame_files.inside(folder, words[1], where)
    times = sorted(found)
    return np.array(times), [found[time] for time in times]


def _read_poses(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (n,) in ascending order, tx ty tz qx qy qz qw (n, 7) and numbers of lines (n,)."""
    rows, lines = [], []
    for number, words in _rows(path):
        where = f"{path}: line {number}"
        if len(words) != 8:
            raise BadDataError(
                f"{where}: {len(words)} numbers where time tx ty tz qx qy qz qw belong; {REMEDY}"
            )
        rows.append([_time(words[0], where), *frame_files.floats(words[1:], where, REMEDY)])
        lines.append(number)
    table = np.array(rows)
    order = np.argsort(table[:, 0], kind="stable")
    return table[order, 0], table[order, 1:], np.array(lines)[order]


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Number and words of the lines that are no comments; commas and tabs separate them too."""
    lines = enumerate(frame_files.read_lines(path, REMEDY), start=1)
    rows = [(number, line.replace(",", " ").split()) for number, line in lines]
    rows = [(number, words) for number, words in rows if words and not words[0].startswith("#")]
    if not rows:
        raise BadDataError(f"{path}: lists nothing; {REMEDY}")
    return rows


def _time(word: str, where: str) -> float:
    time = frame_files.floats([word], where, REMEDY)[0]
    if not np.isfinite(time):
        raise BadDataError(f"{where}: {word[:60]} is no time in seconds; {REMEDY}")
    return float(time)


def _pose(values: np.ndarray, where: str) -> np.ndarray | None:
    """(4, 4) pose of tx ty tz qx qy qz qw; None where tracking was lost."""
    rotation = frame_files.rotation_of(values[3:], where, REMEDY)
    pose = frame_files.rigid(rotation, values[:3])
    return pose if frame_files.is_usable(pose, where, REMEDY) else None


def _camera(
    folder: Path, options: CaptureOptions, size: tuple[int, int]
) -> tuple[np.ndarray, tuple[float, ...] | None]:
    """(3, 3) intrinsics, and what bends the images; None where nothing does."""
    if options.intrinsics:
        remedy = "give those of the colour images, in pixels"
        return frame_files.camera(options.intrinsics, size, "--intrinsics", remedy), None
    known = _CAMERA.search(frame_files.whole(folder).name)
    if not known:
        raise BadDataError(
            f"{folder}: its name tells none of the cameras freiburg1, freiburg2 and freiburg3; "
            "give --intrinsics fx fy cx cy, or the folder its own name again"
        )
    if size != SIZE:
        raise BadDataError(
            f"{folder}: images of {size[0]}x{size[1]} pixels, the camera of freiburg{known[1]} "
            f"took {SIZE[0]}x{SIZE[1]}; give --intrinsics fx fy cx cy"
        )
    values, coefficients = CAMERAS[known[1]]
    return frame_files.camera(values, size, folder, REMEDY), coefficients


def _undistorting(lens: Undistortion) -> Change:
    def change(
        frame: FrameFiles, color: Color | None, depth: np.ndarray
    ) -> tuple[Color | None, np.ndarray]:
        if color is not None:
            color = lens.color(image_data.pixels(color, str(frame.color), REMEDY))
        return color, lens.depth(depth)

    return change
