"""Captures of plain files: a colour and a depth image for each frame, and texts beside them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.geometry.cameras import (
    MM_PER_METRE,
    camera_fault,
    is_lost_pose,
    pose_fault,
)
from spatial_engine.utils.preparation.capture import Capture, Picture
from spatial_engine.utils.preparation.images import image_data
from spatial_engine.utils.storage import input_files
from spatial_engine.utils.storage.os_errors import naming

MAX_LINES = 2_000_000  # of a list; an hour of images and poses has some hundred thousand
MAX_LINE = 2**24  # signs; COLMAP writes all points of an image into one line
MAX_DEPTH = 10  # of folders in a name
MAX_NAME_BYTES = 255  # of a file or folder: the most that file systems take
MAX_QUATERNION_ERROR = 0.05  # of the length; four decimals are within 0.0002
COLOR_ENDINGS = (".png", ".jpg", ".jpeg")
_JPEG, _END_OF_JPEG = b"\xff\xd8", b"\xff\xd9"
_DIGITS = re.compile(r"(\d{1,300})", re.ASCII)

Color = bytes | np.ndarray  # as `Picture` holds it


@dataclass(frozen=True)
class FrameFiles:
    """One frame: its number, its two images, and its pose (4, 4) world_from_cam."""

    number: int
    color: Path
    depth: Path
    pose: np.ndarray


# None stands for colour that is not wanted.
Change = Callable[[FrameFiles, Color | None, np.ndarray], tuple[Color | None, np.ndarray]]


@dataclass(frozen=True)
class FrameSource:
    """Frames of a scene in the order of their numbers, and how their images are read.

    `millimetres` (65536,) gives the depth of a stored value. `change` makes of a frame, its colour
    and its depth what is handed on: undistorted, registered.
    """

    frames: Sequence[FrameFiles]
    color_size: tuple[int, int]
    depth_size: tuple[int, int]
    millimetres: np.ndarray
    remedy: str
    change: Change | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)

    def capture(
        self, intrinsics: np.ndarray, up: np.ndarray | None, metric: bool = True
    ) -> Capture:
        """The capture of these frames; `intrinsics` is (3, 3), or (n, 3, 3) one for each."""
        count = len(self.frames)
        return Capture(
            numbers=np.array([frame.number for frame in self.frames], np.int64),
            poses=np.array([frame.pose for frame in self.frames], np.float64).reshape(count, 4, 4),
            intrinsics=np.array(np.broadcast_to(intrinsics, (count, 3, 3)), np.float64),
            color_size=self.color_size,
            images=self.pictures,
            depths=self.depths,
            up=up,
            metric=metric,
            left_out={why: count for why, count in self.left_out.items() if count},
        )

    def pictures(self, numbers: Sequence[int]) -> Iterator[Picture]:
        """Colour and depth of the wanted frames, one at a time."""
        by_number = {frame.number: frame for frame in self.frames}
        for number in numbers:
            frame = by_number[int(number)]
            color = read_color(frame.color, self.color_size, self.remedy)
            yield Picture(frame.number, *self._changed(frame, color))

    def depths(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """Depth of the wanted frames, one at a time."""
        by_number = {frame.number: frame for frame in self.frames}
        return (self._changed(by_number[int(number)], None)[1] for number in numbers)

    def _changed(self, frame: FrameFiles, color: Color | None) -> tuple[Any, np.ndarray]:
        """Colour and depth of a frame as they are handed on."""
        depth = self.millimetres[read_depth(frame.depth, self.depth_size, self.remedy)]
        return self.change(frame, color, depth) if self.change else (color, depth)


# ---- images --------------------------------------------------------------------------------------


def image_size(path: Path, remedy: str) -> tuple[int, int]:
    """(width, height) from the header of a JPEG or PNG."""
    return image_data.color_size(load_image(path, remedy), str(path), remedy)


def load_image(path: Path, remedy: str) -> bytes:
    """Bytes of an image."""
    return input_files.read_bytes(path, remedy, image_data.MAX_COLOR_BYTES)


def read_color(path: Path, size: tuple[int, int], remedy: str) -> Color:
    """A JPEG as it is, or (h, w, 3) uint8 BGR of a PNG, of this (width, height)."""
    data = load_image(path, remedy)
    check_size(path, image_data.color_size(data, str(path), remedy), size, remedy)
    if data.startswith(_JPEG) and _END_OF_JPEG not in data:
        raise BadDataError(f"{path}: the image is truncated; {remedy}")
    return image_data.color(data, str(path), remedy)


def read_depth(path: Path, size: tuple[int, int], remedy: str) -> np.ndarray:
    """(h, w) uint16 of a 16-bit PNG of this (width, height)."""
    return read_grey(path, size, 16, remedy)


def read_grey(path: Path, size: tuple[int, int], bits: int, remedy: str) -> np.ndarray:
    """(h, w) of a grey PNG of so many bits and of this (width, height)."""
    data = load_image(path, remedy)
    check_size(path, image_data.color_size(data, str(path), remedy), size, remedy)
    return image_data.grey_png(data, bits, str(path), remedy)


def check_size(path: Path, found: tuple[int, int], size: tuple[int, int], remedy: str) -> None:
    """Raise `BadDataError` for an image that has not the size of the others of its scene."""
    if found != size:
        raise BadDataError(
            f"{path}: has {found[0]}x{found[1]} pixels, others of the scene {size[0]}x{size[1]}; "
            f"{remedy}"
        )


def millimetre_table(metres_per_unit: float, none: Collection[int] = ()) -> np.ndarray:
    """(65536,) uint16 millimetres of every value of a depth image, rounded; 0 for 0, for the values
    of `none`, and for what is too far for 16 bits."""
    with np.errstate(over="ignore"):
        depth = np.rint(np.arange(2**16) * (metres_per_unit * MM_PER_METRE))
    depth[list(none)] = 0
    return np.where(depth <= image_data.MAX_DEPTH_MM, depth, 0).astype(np.uint16)


def files_in(folder: Path, endings: Sequence[str]) -> list[Path]:
    """Files with one of the endings, in the order of the numbers in their names; hidden ones left
    out, as other systems leave some."""
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in endings]
    except OSError:
        return []
    return sorted((p for p in found if not p.name.startswith(".")), key=lambda p: natural(p.name))


def natural(name: str) -> list[tuple[int, str]]:
    """Key that orders names by the numbers in them: frame_2 comes before frame_10."""
    parts = _DIGITS.split(name)
    return [
        (int(part), part) if part.isascii() and part.isdecimal() else (-1, part) for part in parts
    ]


def first_folder(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of some folders that is there."""
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def check_same(colors: Collection[int], depths: Collection[int], folder: Path, remedy: str) -> None:
    """Raise `BadDataError` where frames, by number, lack a colour or a depth image."""
    if not depths:
        raise BadDataError(f"{folder}: holds {len(colors)} colour images and no depth; {remedy}")
    if lacking := set(colors) ^ set(depths):
        number = min(lacking)
        which = "depth" if number in colors else "colour"
        raise BadDataError(
            f"{folder}: holds {len(colors)} colour and {len(depths)} depth images; frame {number} "
            f"is the first without {which}; {remedy}"
        )


# ---- texts ---------------------------------------------------------------------------------------


def read_lines(path: Path, remedy: str) -> Iterator[str]:
    """Lines of a text without their ends, one at a time."""
    try:
        input_files.check_content(path, remedy)
        with naming(path), open(path, encoding="utf-8-sig", newline="\n") as file:
            for _ in range(MAX_LINES):
                line = file.readline(MAX_LINE)
                if not line:
                    return
                if len(line) == MAX_LINE:
                    raise BadDataError(f"{path}: a line has {MAX_LINE:,} signs or more; {remedy}")
                yield line.rstrip("\r\n")
    except FileNotFoundError:
        raise MissingFileError(input_files.missing(path, remedy)) from None
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path}: not a text file ({error}); {remedy}") from None
    raise BadDataError(f"{path}: has more than {MAX_LINES:,} lines; {remedy}")


def floats(words: Sequence[str], where: str, remedy: str) -> np.ndarray:
    """float64 of words; they may be nan or infinite, as those of lost poses."""
    try:
        return np.array(words, np.float64)
    except ValueError:
        raise BadDataError(f"{where}: holds something that is not a number; {remedy}") from None


def inside(folder: Path, name: str, where: str) -> Path:
    """The file that a list names, which lies in `folder`."""
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or not path.parts
    long = any(len(part.encode()) > MAX_NAME_BYTES for part in path.parts)
    if not name.isprintable() or outside or long or len(path.parts) > MAX_DEPTH:
        raise BadDataError(f"{where}: {name[:60]!r} is no file of its folder; correct the list")
    return folder / path


# ---- poses and cameras ---------------------------------------------------------------------------


def rotation_of(xyzw: np.ndarray, where: str, remedy: str) -> np.ndarray:
    """(3, 3) rotation of a quaternion x y z w, which need not be of length 1 to the last digit."""
    length = float(np.linalg.norm(xyzw))
    if abs(length - 1) > MAX_QUATERNION_ERROR:
        raise BadDataError(f"{where}: the quaternion has length {length:.6g}, not 1; {remedy}")
    x, y, z, w = xyzw / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def rigid(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """(4, 4) motion of a rotation (3, 3) and a translation (3,)."""
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = rotation, translation
    return motion


def is_usable(pose: np.ndarray, where: str, remedy: str) -> bool:
    """Whether tracking was not lost; raises `BadDataError` for what is no rigid motion."""
    if is_lost_pose(pose):
        return False
    if fault := pose_fault(pose):
        raise BadDataError(f"{where}: the pose is not a rigid motion: {fault}; {remedy}")
    return True


def camera(
    values: Sequence[float], size: tuple[int, int], source: str | Path, remedy: str
) -> np.ndarray:
    """(3, 3) intrinsics of fx, fy, cx, cy for images of this (width, height); raises `BadDataError`
    where they cannot belong to them."""
    fx, fy, cx, cy = values
    intrinsics = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)
    if fault := camera_fault(intrinsics, size):
        raise BadDataError(f"{source}: the camera does not fit its images: {fault}; {remedy}")
    return intrinsics


# ---- scenes of a folder --------------------------------------------------------------------------


def scenes_below(folder: Path, is_scene: Callable[[Path], bool]) -> dict[str, Path]:
    """{name: folder} of the scenes of an input: itself, or the folders in it."""
    if is_scene(folder):
        return {whole(folder).name: folder}
    return {path.name: path for path in folders_in(folder) if is_scene(path)}


def whole(folder: Path) -> Path:
    """The folder by its whole name; links keep the names that they have."""
    return Path(os.path.abspath(folder))


def folders_in(folder: Path) -> list[Path]:
    """Folders in a folder, in order; hidden ones left out."""
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []


def beside_or_above(folder: Path, names: Sequence[str]) -> list[Path]:
    """Files of these names in a folder, then those in the folder above it."""
    places = [place / name for place in (folder, whole(folder).parent) for name in names]
    return [path for path in places if path.is_file()]
