"""Recordings of the app Stray Scanner: a folder with a video, depth images and a list of poses.

Poses are camera to world, used by the app's own viewer with OpenCV axes, in metres; the world is
that of ARKit, y up. Nobody guarantees the axes, so depth is asked: where different frames agree
only with OpenGL axes, these are taken.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.capture_utils import phone
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.geometry.cameras import camera_fault
from spatial_engine.utils.preparation.archives import FolderMembers, open_members, peek, with_file
from spatial_engine.utils.preparation.capture import Capture, Picture
from spatial_engine.utils.preparation.images import image_data
from spatial_engine.utils.preparation.images.video import Video
from spatial_engine.utils.preparation.scale_fit import agreement

log = logging.getLogger(__name__)

VIDEO, ODOMETRY, CAMERA = "rgb.mp4", "odometry.csv", "camera_matrix.csv"
REMEDY = "copy the recording from the phone again"
COLUMNS = ("frame", "x", "y", "z", "qx", "qy", "qz", "qw")
CAMERA_COLUMNS = ("fx", "fy", "cx", "cy")  # of newer versions of the app, by frame
MAX_CSV_BYTES, MAX_ROWS = 2**26, 500_000
SPARE = 5  # poses or images that the other may lack, where the recording was stopped
LOW, HIGH = 0.3, 0.5  # agreement of frames with wrong axes, and with right ones
MM = 0.001


def looks_like(path: Path) -> bool:
    """Whether a folder (or an archive, which is to be unpacked) is a recording of Stray Scanner."""
    members = peek(Path(path))
    members = members and with_file(members, ODOMETRY)
    return members is not None and members.has(VIDEO)


def open_capture(path: Path, options: CaptureOptions | None = None) -> Capture:
    """The capture of a folder of Stray Scanner."""
    options = options or CaptureOptions()
    members = with_file(open_members(path), ODOMETRY)
    if members is None or not members.has(VIDEO):
        raise BadDataError(
            f"{path}: no recording of Stray Scanner (no {ODOMETRY} with {VIDEO}); give the folder "
            "that the app made"
        )
    if not isinstance(members, FolderMembers):
        raise BadDataError(f"{path}: a video cannot be read within an archive; unpack it")
    where = members.where(ODOMETRY)
    table = _table(members)
    video = Video(members.path(VIDEO), REMEDY)
    size = video.size
    depths = _depth_names(members)
    numbers, poses, left_out, rows = _frames(table, depths, video.count, where)
    intrinsics = _intrinsics(members, table, rows, size, options)

    def depth_images(wanted: Sequence[int]) -> Iterator[np.ndarray]:
        return (_depth(members, depths[int(number)], options) for number in wanted)

    def images(wanted: Sequence[int]) -> Iterator[Picture]:
        for number, color, depth in zip(
            wanted, video.read(wanted), depth_images(wanted), strict=True
        ):
            yield Picture(int(number), color, depth)

    capture = Capture(
        numbers=numbers,
        poses=poses,
        intrinsics=intrinsics,
        color_size=size,
        images=images,
        depths=depth_images,
        up=np.array(phone.UP_OF_ARKIT),
        left_out=left_out,
        may_be_turned=True,
    )
    return replace(capture, poses=_with_axes(capture, where))


def _table(members: FolderMembers) -> dict[str, np.ndarray]:
    """{column: (n,) float64} of the list of poses, in the order of its rows."""
    where = members.where(ODOMETRY)
    text = _text(members, ODOMETRY)
    if text.count("\n") > MAX_ROWS:
        raise BadDataError(f"{where}: has more than {MAX_ROWS:,} rows; {REMEDY}")
    lines = [line for line in text.split("\n") if line.strip()]
    header = [name.strip() for name in (lines or [""])[0].split(",")]
    if missing := [name for name in COLUMNS if name not in header]:
        raise BadDataError(f"{where}: its first line names no {missing[0]}; {REMEDY}")
    if len(lines) < 2:
        raise BadDataError(f"{where}: holds no pose; {REMEDY}")
    rows = [
        _numbers(line, len(header), f"{where}: line {n}") for n, line in enumerate(lines[1:], 2)
    ]
    return dict(zip(header, np.array(rows, np.float64).T, strict=True))


def _text(members: FolderMembers, name: str) -> str:
    try:
        return members.read(name, MAX_CSV_BYTES, REMEDY).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDataError(f"{members.where(name)}: not a text file ({error}); {REMEDY}") from None


def _numbers(line: str, count: int, where: str) -> list[float]:
    """Numbers between commas; not finite ones are of lost tracking."""
    try:
        found = [float(value) for value in line.split(",")]
    except ValueError:
        found = []
    if len(found) != count:
        raise BadDataError(f"{where}: not {count} numbers with commas between; {REMEDY}")
    return found


def _frames(
    table: dict[str, np.ndarray], depths: dict[int, str], count: int, where: str
) -> tuple[np.ndarray, np.ndarray, dict[str, int], np.ndarray]:
    """(numbers of usable frames ascending, their poses, why others are left out, their rows in the
    table)."""
    listed = table["frame"]
    if not (np.isfinite(listed).all() and (listed == np.rint(listed)).all() and listed.min() >= 0):
        raise BadDataError(f"{where}: the column frame holds no numbers of frames; {REMEDY}")
    if len(np.unique(listed)) < len(listed):
        raise BadDataError(f"{where}: two rows are of one frame; {REMEDY}")
    last = int(listed.max())
    if abs(last + 1 - count) > SPARE or abs(len(listed) - count) > SPARE:
        raise BadDataError(
            f"{where}: {len(listed)} poses up to frame {last}, and {count} images in {VIDEO}; "
            f"{REMEDY}"
        )
    positions = np.stack([table[name] for name in ("x", "y", "z")], axis=1)
    quaternions = np.stack([table[name] for name in ("qx", "qy", "qz", "qw")], axis=1)
    poses = phone.poses_of(positions, quaternions)
    usable = np.isfinite(poses).all(axis=(1, 2))
    without_pose = len(set(range(count)) - set(listed.astype(int).tolist()))
    left_out = {"no usable pose": without_pose} if without_pose else {}
    rows = []
    for row in np.argsort(listed):
        cause = "" if listed[row] < count else "no colour image"
        cause = cause or ("" if int(listed[row]) in depths else "no depth image")
        cause = cause or ("" if usable[row] else "no usable pose")
        if cause:
            left_out[cause] = left_out.get(cause, 0) + 1
        else:
            rows.append(row)
    if not rows:
        raise BadDataError(f"{where}: no frame has colour, depth and a usable pose; {REMEDY}")
    return listed[rows].astype(np.int64), poses[rows], left_out, np.array(rows)


def _depth_names(members: FolderMembers) -> dict[int, str]:
    """{number of the frame: name of its depth}: numbers with zeros before them."""
    form = re.compile(r"([0-9]{1,9})\.(png|npy)")
    found = {int(m[1]): m[0] for name in members.files("depth") if (m := form.fullmatch(name))}
    if not found:
        raise BadDataError(
            f"{members.where('depth')}: no depth image is there; record on a device with LiDAR"
        )
    return found


def _intrinsics(
    members: FolderMembers,
    table: dict[str, np.ndarray],
    rows: np.ndarray,
    size: tuple[int, int],
    options: CaptureOptions,
) -> np.ndarray:
    """(n, 3, 3): of the user, by frame where the list has them, else of the one file."""
    if options.intrinsics:
        four = np.tile(options.intrinsics, (len(rows), 1))
        where = members.where(ODOMETRY)
    elif all(name in table for name in CAMERA_COLUMNS):
        four = np.stack([table[name][rows] for name in CAMERA_COLUMNS], axis=1)
        where = members.where(ODOMETRY)
    else:
        where = members.where(CAMERA)
        lines = [line for line in _text(members, CAMERA).splitlines() if line.strip()]
        if len(lines) != 3:
            raise BadDataError(f"{where}: not a matrix of 3x3 numbers; {REMEDY}")
        matrix = np.array([_numbers(line, 3, where) for line in lines])
        return _checked(np.tile(matrix, (len(rows), 1, 1)), size, where)
    matrices = np.tile(np.eye(3), (len(rows), 1, 1))
    matrices[:, 0, 0], matrices[:, 1, 1], matrices[:, 0, 2], matrices[:, 1, 2] = four.T
    return _checked(matrices, size, where)


def _checked(matrices: np.ndarray, size: tuple[int, int], where: str) -> np.ndarray:
    for matrix in matrices:
        if fault := camera_fault(matrix, size):
            raise BadDataError(f"{where}: {fault}; {REMEDY}")
    return matrices


def _depth(members: FolderMembers, file: str, options: CaptureOptions) -> np.ndarray:
    """(h, w) uint16 millimetres of a file in `depth`, without what is of low confidence."""
    name = f"depth/{file}"
    data, where = members.read(name, image_data.MAX_DEPTH_BYTES, REMEDY), members.where(name)
    read = image_data.depth_npy if file.endswith(".npy") else image_data.depth_png
    depth = image_data.depth_mm(read(data, where, REMEDY), options.depth_unit or MM)
    name = f"confidence/{file.rpartition('.')[0]}.png"
    if members.has(name):
        data, where = members.read(name, image_data.MAX_DEPTH_BYTES, REMEDY), members.where(name)
        levels = image_data.grey(data, where, REMEDY)
        depth = phone.confident(
            depth, levels, phone.least_confidence(options, phone.MEDIUM), where, REMEDY
        )
    return depth


def _with_axes(capture: Capture, where: str) -> np.ndarray:
    """Poses (n, 4, 4) with OpenCV axes: as they are, unless depth of different frames agrees only
    with them turned from OpenGL axes."""
    turned = capture.poses @ phone.OPENCV_FROM_OPENGL
    if agreement(capture) < LOW and agreement(replace(capture, poses=turned)) > HIGH:
        log.warning("%s: depth agrees with camera axes of OpenGL, which are taken", where)
        return turned
    return capture.poses
