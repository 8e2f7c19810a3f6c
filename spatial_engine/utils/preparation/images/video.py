"""Frames of a phone's video (Matroska or MP4), in order, exactly.

OpenCV's VideoCapture decodes: it is a dependency already, and PyAV would add a second FFmpeg of 100
MB for the same speed (measured on 1920x1440 HEVC with B-frames: 3.6 ms a frame by either). The
processor decodes, as graphics cards give bytes of their own, in one thread, as scenes are read
side by side. Every frame up to the last wanted one is decoded and only wanted ones become images;
seeking to each costs seven times as much at every sixth frame.

Both libraries jump over what they cannot decode, often without a word and up to the next key
frame, so counting decoded frames would give wrong numbers. Hence a first pass lists the times of
all packets without decoding them: a frame's number is the place of its time in that list. That is a
second reading of the file, hardly more than a hundredth of the cost of decoding it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.storage.input_files import check_content, missing
from spatial_engine.utils.storage.os_errors import naming

# FFmpeg prints what it meets, line by line; what is wrong is told here. It asks at its first file.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

MAX_SIDE = 4096  # pixels: more than phones film; an image takes 50 MB
MAX_FRAMES = 1_000_000
_MATROSKA = b"\x1a\x45\xdf\xa3"
_MP4 = b"ftyp"  # at the fifth byte
_BY_PROCESSOR = (
    *(cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_NONE),
    *(cv2.CAP_PROP_N_THREADS, 1),
)
_OPENCV_LOG = getattr(cv2.utils, "logging", cv2)  # where its level is set, before and since 5.0
_PACKETS_ALONE = (cv2.CAP_PROP_FORMAT, -1)  # as they are in the file, in its order


class Video:
    """A video file; `size` is the (width, height) of its images, as the sensor gave them: a note in
    the file that they are to be turned is not followed, as poses and cameras are not turned.
    `remedy` is what a message about it advises."""

    def __init__(self, path: Path, remedy: str):
        self.path, self.remedy = path, remedy
        _check_container(path, remedy)
        with self._opened() as capture:
            self.size = self._size_of(capture)
        if not all(0 < side <= MAX_SIDE for side in self.size):
            raise self._bad(f"claims images of {self.size[0]}x{self.size[1]} pixels")

    @property
    def count(self) -> int:
        """How many frames there are, those among them that cannot be decoded."""
        return len(self._times)

    def read(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """Images of frames (ascending numbers), each (height, width, 3) uint8 BGR."""
        times = self._times
        if len(numbers) and numbers[-1] >= len(times):
            raise self._bad(
                f"ends after {len(times)} frames, before frame {numbers[-1]}, which has a pose "
                "(is it cut off, or of fewer frames a second?)"
            )
        with self._opened() as capture:
            number, failed = -1, 0
            for wanted in numbers:
                while number < wanted and failed <= len(times):
                    if capture.grab():
                        number = self._number(capture, times, number)
                    else:  # a damaged packet, and at the end of the file again and again
                        failed += 1
                if number < wanted:
                    raise self._bad(f"cannot be decoded up to frame {wanted}")
                if number > wanted:
                    raise self._bad(f"frame {wanted} cannot be decoded")
                yield self._image(capture, number)

    def _number(self, capture: cv2.VideoCapture, times: np.ndarray, before: int) -> int:
        """Number of the frame that was grabbed, which comes after frame `before`."""
        time = capture.get(cv2.CAP_PROP_POS_MSEC)
        number = int(np.abs(times - time).argmin())
        if number <= before:
            raise self._bad(f"its times do not ascend after frame {before}")
        return number

    def _image(self, capture: cv2.VideoCapture, number: int) -> np.ndarray:
        size = self._size_of(capture)
        done, image = capture.retrieve() if size == self.size else (False, None)
        if not done or image.shape != (*self.size[::-1], 3):
            raise self._bad(f"frame {number} is no image of {self.size[0]}x{self.size[1]} pixels")
        return image

    @cached_property
    def _times(self) -> np.ndarray:
        """Times of all frames in milliseconds, ascending; nothing is decoded."""
        times = []
        with self._opened(_PACKETS_ALONE) as capture:
            while len(times) <= MAX_FRAMES and capture.grab():
                times.append(capture.get(cv2.CAP_PROP_POS_MSEC))
        ascending = np.sort(times)
        if len(times) > MAX_FRAMES:
            raise self._bad(f"has more than {MAX_FRAMES:,} frames")
        if (np.diff(ascending) <= 0).any() or not np.isfinite(ascending).all():
            raise self._bad("has two frames of one time, so frames cannot be numbered")
        return ascending

    @contextmanager
    def _opened(self, parameters: Sequence[int] = _BY_PROCESSOR) -> Iterator[cv2.VideoCapture]:
        level = _OPENCV_LOG.setLogLevel(0)  # gives the level of before; what is wrong is told here
        # An absolute path: FFmpeg takes `name:` at the start of others for a protocol.
        capture = cv2.VideoCapture(str(self.path.absolute()), cv2.CAP_FFMPEG, parameters)
        _OPENCV_LOG.setLogLevel(level)
        try:
            if not capture.isOpened():
                raise self._bad("is no video that can be read")
            capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
            yield capture
        finally:
            capture.release()

    @staticmethod
    def _size_of(capture: cv2.VideoCapture) -> tuple[int, int]:
        return (
            int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )

    def _bad(self, cause: str) -> BadDataError:
        return BadDataError(f"{self.path}: {cause}; {self.remedy}")


def _check_container(path: Path, remedy: str) -> None:
    """Raise `BadDataError` for what is neither Matroska nor MP4, before FFmpeg opens it: it takes
    texts for lists of other files, or of addresses, and reads those."""
    try:
        check_content(path, remedy)
        with naming(path), open(path, "rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise MissingFileError(missing(path, remedy)) from None
    if not head.startswith(_MATROSKA) and head[4:] != _MP4:
        raise BadDataError(f"{path}: is neither Matroska nor MP4; {remedy}")
