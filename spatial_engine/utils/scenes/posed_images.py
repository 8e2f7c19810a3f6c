"""The folder `data/<dataset>/posed_images/<scene>/`. This module owns its format.

`{id:05d}.jpg` colour, `{id:05d}.png` depth (16-bit, millimetres, 0 = not measured),
`{id:05d}.txt` camera-to-world pose (4x4), `intrinsic.txt` (4x4, colour camera); where the camera
differs by frame, that holds the median, and `intrinsics_by_frame.txt` a line `id fx fy cx cy` for
each frame. Folders of other
sources in this shape are read too: 3x3 intrinsics, any image size, gaps between the numbers, and
names with any number of zeros (`5.jpg`), which stay as they are and go by their numbers.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.geometry.cameras import camera_fault, is_valid_pose, pose_fault
from spatial_engine.utils.pictures import jpeg, png
from spatial_engine.utils.storage.os_errors import naming

REMEDY = (
    "extract the scene again: spatial_engine/utils/scannet_utils/extract_posed_images.py "
    "--overwrite --scenes SCENE"
)
CORRECT = f"correct it, where the folder is of another source, or {REMEDY}"
INTRINSIC_FILE = "intrinsic.txt"
FRAME_CAMERAS_FILE = "intrinsics_by_frame.txt"


def frame_id(number: int) -> str:
    """Id of a frame: its number in the `.sens` with five digits."""
    return f"{number:05d}"


def format_matrix(matrix: np.ndarray) -> str:
    """Rows of numbers that read back as the same float64 values."""
    return "".join(" ".join(map(repr, row)) + "\n" for row in np.asarray(matrix).tolist())


def frames_among(names: Iterable[str], step: int, source: str | Path) -> list[str]:
    """Ids, by number, of the frames among names of files that are multiples of `step`.

    Raises `BadDataError` naming two files of one frame; `source` is the folder that they are in.
    """
    stems = [name[:-4] for name in names if name.endswith(".jpg")]
    return by_number((stem for stem in stems if _is_number(stem) and not int(stem) % step), source)


def by_number(ids: Iterable[str], source: str | Path) -> list[str]:
    """Ids of frames in the order of their numbers; an id is a number with any zeros before it.

    Raises `BadDataError` for an id that is not a number, and for two ids of one frame.
    """
    found: dict[int, str] = {}
    for image_id in ids:
        if not _is_number(image_id):
            raise BadDataError(
                f"{source}: {image_id[:60]!r} is not the number of a frame; rename it"
            )
        other = found.setdefault(int(image_id), image_id)
        if other != image_id:
            raise BadDataError(
                f"{source}: {min(other, image_id)} and {max(other, image_id)} are both frame "
                f"{int(image_id)}; remove the files of one of the two, and start again"
            )
    return [found[number] for number in sorted(found)]


def _is_number(image_id: str) -> bool:
    return image_id.isascii() and image_id.isdecimal()


def read_pose(folder: Path, image_id: str) -> np.ndarray:
    """(4, 4) float64 camera-to-world pose in the scan's frame: a rigid motion, or one that cannot
    be used (`is_valid_pose`), as where tracking was lost. Raises `BadDataError` for any other."""
    path = folder / f"{image_id}.txt"
    pose = parse_matrix(_read_text(path), (4, 4), path, CORRECT)
    if is_valid_pose(pose) and (fault := pose_fault(pose)):
        raise BadDataError(f"{path}: the pose is not a rigid motion: {fault}; {CORRECT}")
    return pose


def read_intrinsic(folder: Path, image_size: tuple[int, int]) -> np.ndarray:
    """(4, 4) float64 intrinsics of the colour camera; a 3x3 file is filled up.

    Raises `BadDataError` where they cannot be those of images of this (width, height).
    """
    path = folder / INTRINSIC_FILE
    text = _read_text(path)
    intrinsic = np.eye(4)
    side = 3 if len(text.split()) == 9 else 4
    intrinsic[:side, :side] = parse_matrix(text, (side, side), path, CORRECT)
    if fault := camera_fault(intrinsic, image_size):
        raise BadDataError(f"{path}: the camera does not fit its images: {fault}; {CORRECT}")
    return intrinsic


def write_cameras(folder: Path, image_ids: Sequence[str], intrinsics: np.ndarray) -> None:
    """Write the cameras (n, 3, 3) of a scene's frames: the median, and each where they differ."""
    median = np.eye(4)
    median[:3, :3] = np.median(intrinsics, axis=0)
    (folder / INTRINSIC_FILE).write_text(format_matrix(median))
    if (intrinsics != intrinsics[0]).any():
        lines = [
            f"{i} {' '.join(map(repr, matrix[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()))}\n"
            for i, matrix in zip(image_ids, intrinsics, strict=True)
        ]
        (folder / FRAME_CAMERAS_FILE).write_text("".join(lines))


def read_frame_cameras(
    folder: Path, image_ids: Sequence[str], image_size: tuple[int, int]
) -> dict[str, np.ndarray]:
    """(4, 4) intrinsics of each frame where they differ; empty where the scene has one camera.

    Raises `BadDataError` where a frame has none, or one that cannot be that of its image.
    """
    path = folder / FRAME_CAMERAS_FILE
    if not path.exists():
        return {}
    rows = [line.split() for line in _read_text(path).splitlines()]
    known = {row[0]: row[1:] for row in rows if row}
    cameras = {}
    for image_id in image_ids:
        fx, fy, cx, cy = parse_matrix(" ".join(known.get(image_id, ())), (1, 4), path, CORRECT)[0]
        cameras[image_id] = np.array(
            [[fx, 0, cx, 0], [0, fy, cy, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float64
        )
        if fault := camera_fault(cameras[image_id], image_size):
            raise BadDataError(
                f"{path}: frame {image_id} does not fit its image: {fault}; {CORRECT}"
            )
    return cameras


def read_image_size(path: Path) -> tuple[int, int]:
    """(width, height) from the header of an image."""
    try:
        with Image.open(path) as image:
            return image.size
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such image; {REMEDY}") from None
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadDataError(f"{path}: could not read the image ({error}); {REMEDY}") from None


def check_size(path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    """Raise `BadDataError` for an image whose (width, height) is not that of its scene: one camera
    took all frames of a scan, and its intrinsics are for one size."""
    if size != expected:
        raise BadDataError(
            f"{path}: has {size[0]}x{size[1]} pixels, other images of the scene "
            f"{expected[0]}x{expected[1]}; {CORRECT}"
        )


def read_depth(path: Path, size: tuple[int, int]) -> np.ndarray:
    """(height, width) uint16 depth in millimetres; `size` is the (width, height) it must have."""
    try:
        with naming(path):
            data = path.read_bytes()
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such image; {REMEDY}") from None
    depth = png.decode(data, size)
    if depth is None:
        raise BadDataError(
            f"{path}: not a 16-bit depth image of {size[0]}x{size[1]} that can be read; {REMEDY}"
        )
    return depth


def read_color(path: Path, to_encode: bool = False) -> np.ndarray:
    """(height, width, 3) uint8 colour image, BGR; `to_encode` is that of `jpeg.read`."""
    return jpeg.read(path, REMEDY, to_encode)


def _read_text(path: Path) -> str:
    try:
        with naming(path):
            return path.read_bytes().removeprefix(codecs.BOM_UTF8).decode("ascii")
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such file; {REMEDY}") from None
    except UnicodeDecodeError:
        raise BadDataError(f"{path}: not a text of numbers; {REMEDY}") from None


def parse_matrix(text: str, shape: tuple[int, int], path: Path, remedy: str) -> np.ndarray:
    """Matrix (float64) from numbers in row order; raises `BadDataError` for any other count."""
    try:
        numbers = np.array(text.split(), np.float64)
    except ValueError:
        raise BadDataError(f"{path}: holds something that is not a number; {remedy}") from None
    if numbers.size != shape[0] * shape[1]:
        raise BadDataError(
            f"{path}: {numbers.size} numbers where a {shape[0]}x{shape[1]} matrix belongs; {remedy}"
        )
    return numbers.reshape(shape)
