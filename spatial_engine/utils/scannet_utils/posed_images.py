"""The folder `data/scannet/posed_images/<scene>/`. This module owns its format.

`{id:05d}.jpg` colour, `{id:05d}.png` depth (16-bit, millimetres, 0 = not measured),
`{id:05d}.txt` camera-to-world pose (4x4), `intrinsic.txt` (4x4, colour camera). Folders of other
sources in this shape are read too: 3x3 intrinsics, any image size, gaps between the numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from spatial_engine.errors import BadDataError, MissingFileError, MissingInputError
from spatial_engine.utils import jpeg, provenance
from spatial_engine.utils.files import naming
from spatial_engine.utils.scannet_utils.annotations import parse_matrix
from spatial_engine.utils.scannet_utils.sens import MAX_SIDE

REMEDY = (
    "extract the scene again: spatial_engine/utils/scannet_utils/extract_posed_images.py "
    "--overwrite --scenes SCENE"
)
INTRINSIC_FILE = "intrinsic.txt"
USED_STEP = 5  # frames whose number is a multiple of it are used ("D5"), whatever was extracted

# Depth PNGs are written once and read once, so encoding and decoding time count alike. Measured on
# synthetic 640x480 depth with millimetre noise: the "up" filter with run-length deflate takes half
# the time of OpenCV's default to encode (4.3 ms to 8.9 ms) and less to decode (on rendered depth:
# benchmarks/), and the file is a little smaller, because noise leaves deflate no repeats to find.
PNG_FLAGS = [
    cv2.IMWRITE_PNG_FILTER,
    cv2.IMWRITE_PNG_FILTER_UP,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
]


def frame_id(number: int) -> str:
    """Id of a frame: its number in the `.sens` with five digits."""
    return f"{number:05d}"


def encode_depth(depth_mm: np.ndarray) -> bytes:
    """PNG of (height, width) uint16 depth."""
    done, data = cv2.imencode(".png", depth_mm, PNG_FLAGS)
    if not done:
        raise ValueError("OpenCV could not encode a depth image")
    return data.tobytes()


def format_matrix(matrix: np.ndarray) -> str:
    """Rows of numbers that read back as the same float64 values."""
    return "".join(" ".join(map(repr, row)) + "\n" for row in np.asarray(matrix).tolist())


def frames_among(names: Iterable[str], step: int) -> list[str]:
    """Ids, ascending, of the frames among names of files that are multiples of `step`."""
    stems = [name[:-4] for name in names if name.endswith(".jpg")]
    numbered = (stem for stem in stems if stem.isascii() and stem.isdecimal())
    return sorted((stem for stem in numbered if int(stem) % step == 0), key=int)


@dataclass(frozen=True)
class ColorFiles:
    """The colour images of a scene's folder: `ids` of those that are there, and a `fingerprint`
    of them (`provenance.entries_digest`). The folder is listed once."""

    folder: Path
    ids: frozenset[str]
    fingerprint: str

    @classmethod
    def of(cls, folder: Path) -> ColorFiles:
        """What is in a folder now; `MissingInputError` where it holds no image, or is not there."""
        entries = provenance.folder_entries(folder, (".jpg",))
        if not entries:
            raise MissingInputError(f"{folder}: no images in it; {REMEDY}")
        ids = frozenset(name[:-4] for name, size in entries if size is not None)
        return cls(folder, ids, provenance.entries_digest(folder, entries))

    def first(self) -> Path:
        """The image with the lowest id."""
        return self.folder / f"{min(self.ids)}.jpg"


def read_pose(folder: Path, image_id: str) -> np.ndarray:
    """(4, 4) float64 camera-to-world pose in the scan's frame; may hold inf (tracking lost)."""
    return parse_matrix(
        _read_text(folder / f"{image_id}.txt"), (4, 4), folder / f"{image_id}.txt", REMEDY
    )


def read_intrinsic(folder: Path) -> np.ndarray:
    """(4, 4) float64 intrinsics of the colour camera; a 3x3 file is filled up."""
    path = folder / INTRINSIC_FILE
    text = _read_text(path)
    intrinsic = np.eye(4)
    side = 3 if len(text.split()) == 9 else 4
    intrinsic[:side, :side] = parse_matrix(text, (side, side), path, REMEDY)
    if not np.isfinite(intrinsic).all():
        raise BadDataError(f"{path}: the intrinsics are not finite; {REMEDY}")
    return intrinsic


def read_image_size(path: Path) -> tuple[int, int]:
    """(width, height) from the header of an image."""
    try:
        with Image.open(path) as image:
            return image.size
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such image; {REMEDY}") from None
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadDataError(f"{path}: could not read the image ({error}); {REMEDY}") from None


def read_depth(path: Path, size: tuple[int, int]) -> np.ndarray:
    """(height, width) uint16 depth in millimetres; `size` is the (width, height) it must have."""
    try:
        with naming(path):
            data = path.read_bytes()
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such image; {REMEDY}") from None
    depth = None
    if is_whole_png(data, size):
        depth = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if depth is None or depth.dtype != np.uint16 or depth.ndim != 2:
        raise BadDataError(
            f"{path}: not a 16-bit depth image of {size[0]}x{size[1]} that can be read; {REMEDY}"
        )
    return depth


def is_whole_png(data: bytes, size: tuple[int, int]) -> bool:
    """Whether a PNG is of this (width, height), which a camera can have, and ends with its last
    chunk.

    To be asked before OpenCV decodes it, which takes what memory a size or a chunk claims, and
    decodes a truncated image as far as it goes.
    """
    header = struct.pack(">I4sII", 13, b"IHDR", *size)
    if max(size) > MAX_SIDE or data[8 : 8 + len(header)] != header:
        return False
    place, kind = 8, b""
    while kind != b"IEND" and place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        place += 12 + length
    return kind == b"IEND" and place == len(data)


def read_color(path: Path) -> np.ndarray:
    """(height, width, 3) uint8 colour image, BGR as OpenCV has it."""
    return jpeg.read(path, REMEDY)


def _read_text(path: Path) -> str:
    try:
        with naming(path):
            return path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such file; {REMEDY}") from None
    except UnicodeDecodeError:
        raise BadDataError(f"{path}: not a text of numbers; {REMEDY}") from None
