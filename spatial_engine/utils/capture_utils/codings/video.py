"""Frames of an mp4 video in order, by OpenCV: what is skipped is not converted, nothing is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.running.files import naming
from spatial_engine.utils.scenes.posed_images import MAX_SIDE

# What is wrong is said in a line of ours. Read when a process first opens a video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

REMEDY = "copy the recording from the phone again"


def size_and_count(path: Path) -> tuple[tuple[int, int], int]:
    """((width, height), number of frames) as the file states them."""
    with _opened(path) as video:
        sides = [
            int(video.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        ]
        if not all(0 < side <= MAX_SIDE for side in sides):
            raise BadDataError(f"{path}: claims {sides[0]}x{sides[1]} pixels; {REMEDY}")
        return (sides[0], sides[1]), int(video.get(cv2.CAP_PROP_FRAME_COUNT))


def frames(path: Path, numbers: Sequence[int], size: tuple[int, int]) -> Iterator[np.ndarray]:
    """(h, w, 3) uint8 BGR of the frames of these ascending numbers, as they are stored: not turned
    by what a file says of its display."""
    with _opened(path) as video:
        place = 0
        for number in numbers:
            while place <= number:
                if not video.grab():
                    raise BadDataError(
                        f"{path}: ends after {place} images, and a pose is of image {number}; "
                        f"{REMEDY}"
                    )
                place += 1
            done, image = video.retrieve()
            if not done or image is None or image.shape != (size[1], size[0], 3):
                raise BadDataError(f"{path}: image {number} cannot be decoded; {REMEDY}")
            yield image


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    """A file that begins as an mp4 does: by other beginnings the decoder takes a file for a list
    of other files or addresses, which it would open."""
    with naming(path), open(path, "rb") as file:
        head = file.read(12)
    if head[4:8] != b"ftyp":
        raise BadDataError(f"{path}: is not an mp4 video; {REMEDY}")
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(0)
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    cv2.utils.logging.setLogLevel(level)
    try:
        if not video.isOpened():
            raise BadDataError(f"{path}: the video cannot be opened; {REMEDY}")
        video.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        yield video
    finally:
        video.release()
