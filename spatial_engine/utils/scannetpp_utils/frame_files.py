"""Folders of extracted images, `frame_%06d.jpg` or `.png`: the number is that of the video frame.

What the owners' tool writes: `rgb/` colour, `rgb_masks/` what is anonymised, `depth/` depth. A
folder may have gaps (frames that were left out, every second of a video); numbers stay.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.running.files import naming
from spatial_engine.utils.scenes.posed_images import is_whole_png

EXTRACT = "extract the frames again (prepare_iphone_data of the ScanNet++ toolbox)"
_PNG_HEAD = struct.Struct(">12x4sII")  # mark of the header, width, height


class FrameFolder:
    """Numbered images of one folder; `read` yields some of them. `size` is the (width, height) of
    the first, which all must have."""

    def __init__(self, folder: Path, suffix: str):
        self.folder, self.suffix = folder, suffix
        name = re.compile(rf"frame_(\d{{6}}){re.escape(suffix)}")
        with naming(folder):
            found = [name.fullmatch(entry.name) for entry in folder.iterdir()]
        self.numbers = np.array(sorted(int(match[1]) for match in found if match), np.int64)
        if not len(self.numbers):
            raise BadDataError(
                f"{folder}: holds no frame_000000{suffix} or the like; {EXTRACT}, or remove it"
            )

    def path(self, number: int) -> Path:
        return self.folder / f"frame_{number:06d}{self.suffix}"

    def load(self, number: int) -> bytes:
        """Bytes of the image of a frame."""
        return jpeg.load(self.path(number), EXTRACT)


class ColorFolder(FrameFolder):
    """`rgb/`: JPEG files, which are handed on as they are."""

    def __init__(self, folder: Path):
        super().__init__(folder, ".jpg")
        first = int(self.numbers[0])
        self.size = jpeg.read_size(self.load(first), self.path(first), EXTRACT)

    def read(self, numbers: Sequence[int]) -> Iterator[bytes]:
        for number in numbers:
            data = self.load(number)
            found = jpeg.read_size(data, self.path(number), EXTRACT)
            _check_size(self.path(number), found, self.size)
            yield data


class PngFolder(FrameFolder):
    """`depth/` (16 bits) or `rgb_masks/` (8 bits): grey PNG files, decoded."""

    def __init__(self, folder: Path, kind: type):
        super().__init__(folder, ".png")
        self._kind = np.dtype(kind)
        first = int(self.numbers[0])
        self.size = _png_size(self.load(first), self.path(first))

    def read(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """Images (height, width) of the kind that the folder is of."""
        for number in numbers:
            data, path = self.load(number), self.path(number)
            _check_size(path, _png_size(data, path), self.size)
            image = None
            if is_whole_png(data, self.size):  # before memory is taken
                image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            if image is None or image.ndim != 2 or image.dtype != self._kind:
                bits = 8 * self._kind.itemsize
                raise BadDataError(f"{path}: not a grey image of {bits} bits; {EXTRACT}")
            yield image


def _png_size(data: bytes, path: Path) -> tuple[int, int]:
    """(width, height) from the header."""
    mark, width, height = _PNG_HEAD.unpack(data[: _PNG_HEAD.size].ljust(_PNG_HEAD.size, b"\0"))
    if mark != b"IHDR":
        raise BadDataError(f"{path}: not a PNG; {EXTRACT}")
    return width, height


def _check_size(path: Path, found: tuple[int, int], size: tuple[int, int]) -> None:
    if found != size:
        raise BadDataError(
            f"{path}: has {found[0]}x{found[1]} pixels, the first image of its folder "
            f"{size[0]}x{size[1]}; {EXTRACT}"
        )
