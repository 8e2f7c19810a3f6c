"""Frames of a video, by number. OpenCV decodes.

A frame is as the sensor gave it: what the file says of its orientation is not obeyed. To be sure of
a frame, all before it are decoded; `guess` seeks, which is quick and right in most files.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.audit.raw.limits import MAX_FRAMES, MAX_PIXELS, RawDataError

MATROSKA, MP4 = b"\x1a\x45\xdf\xa3", b"ftyp"  # at the first byte, at the fifth


class Video:
    """Frames by number from 0. size: (width, height)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sought: Any = None
        self._last: tuple[int, np.ndarray] | None = None
        self._open, self._next = self._opened(), 0

    def _opened(self) -> Any:
        import cv2  # beside numpy and Pillow, and for videos alone

        try:
            with open(self.path, "rb") as f:
                start = f.read(12)
        except OSError as err:
            raise RawDataError(f"{self.path}: {err.strerror or err}") from err
        # nothing else is opened: a list of other files, say, which a decoder would follow
        if not start.startswith(MATROSKA) and start[4:8] != MP4:
            raise RawDataError(f"{self.path}: is no video: neither Matroska nor MP4")
        # "file:" keeps a name from being taken for an address or a pattern of image names
        found = cv2.VideoCapture(f"file:{self.path.absolute()}", cv2.CAP_FFMPEG)
        if not found.isOpened():
            raise RawDataError(f"{self.path}: is no video that can be decoded")
        found.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        sides = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
        width, height = (int(found.get(side)) for side in sides)
        if not (width > 0 and height > 0 and width * height <= MAX_PIXELS):
            raise RawDataError(f"{self.path}: frames of {width}x{height} pixels")
        self.size = width, height
        return found

    def picture(self, number: int) -> np.ndarray:
        """(H, W, 3) int64 RGB of a frame, of which those before it are decoded."""
        if not 0 <= number < MAX_FRAMES:
            raise RawDataError(f"{self.path}: frame {number}")
        if self._last is None or self._last[0] != number:
            if number < self._next:
                self._open, self._next = self._opened(), 0
            while self._next < number:
                if not self._open.grab():
                    raise RawDataError(f"{self.path}: ends before frame {number}")
                self._next += 1
            self._next += 1
            self._last = number, self._read(self._open, number)
        return self._last[1].astype(np.int64)

    def guess(self, number: int) -> np.ndarray:
        """(H, W, 3) int64 RGB of what seeking finds; where times are uneven, of another frame."""
        import cv2

        if self._sought is None:
            self._sought = self._opened()
        self._sought.set(cv2.CAP_PROP_POS_FRAMES, number)
        return self._read(self._sought, number).astype(np.int64)

    def _read(self, opened: Any, number: int) -> np.ndarray:
        found, image = opened.read()
        if not found or image is None:
            raise RawDataError(f"{self.path}: ends before frame {number}")
        if image.shape != (self.size[1], self.size[0], 3):
            raise RawDataError(f"{self.path}: frame {number} is {image.shape}")
        return image[..., ::-1]


class MaskVideo:
    """Where frames of a video are at least so bright; all that are wanted are read at once."""

    def __init__(self, video: Video, numbers: Iterable[int], least: int) -> None:
        self._video, self._numbers, self._least = video, sorted(numbers), least
        self._packed: dict[int, bytes] = {}

    def keep(self, number: int) -> np.ndarray:
        """(H, W) bool."""
        if not self._packed:
            for k in self._numbers:
                bright = self._video.picture(k).max(axis=2) >= self._least
                self._packed[k] = zlib.compress(np.packbits(bright).tobytes())
        width, height = self._video.size
        bits = np.frombuffer(zlib.decompress(self._packed[number]), np.uint8)
        return np.unpackbits(bits, count=width * height).reshape(height, width).astype(bool)
