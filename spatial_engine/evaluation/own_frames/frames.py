"""A user's own frames: images, or every n-th frame of a video, put into a folder of the engine's.

Files stay as they are where they can. An image that its file says to turn is turned and encoded
anew, since servers do not obey the file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.pictures import jpeg

KINDS = (".jpg", ".jpeg", ".png", ".webp")  # that servers read, by the ending of the name


@dataclass(frozen=True)
class Frame:
    """A frame: its file's `name` in the folder, its `number` in the video or the list, from 0,
    `seconds` from the start of a video (NaN of images), and its `size` (width, height)."""

    name: str
    number: int
    seconds: float
    size: tuple[int, int]


def take_images(paths: Sequence[Path], folder: Path) -> list[Frame]:
    """Copy images into the empty `folder`, in the order of the list.

    Raises `MissingInputError` and `BadDataError` naming the image.
    """
    return [_take_image(path, number, folder) for number, path in enumerate(paths)]


def _take_image(path: Path, number: int, folder: Path) -> Frame:
    if not path.is_file():
        raise MissingInputError(f"{path}: no such image")
    data = np.fromfile(path, np.uint8)
    shown, stored = _decoded(data), _decoded(data, cv2.IMREAD_IGNORE_ORIENTATION)
    if shown is None or stored is None or path.suffix.lower() not in KINDS:
        raise BadDataError(f"{path}: is no image that servers read; give {', '.join(KINDS)}")
    height, width = shown.shape[:2]
    if np.array_equal(shown, stored):
        name = f"{number:05d}{path.suffix.lower()}"
        shutil.copyfile(path, folder / name)
    else:
        name = f"{number:05d}.jpg"
        (folder / name).write_bytes(jpeg.encode(shown))
    return Frame(name, number, float("nan"), (width, height))


def take_video(path: Path, every: int, folder: Path) -> list[Frame]:
    """Write every `every`-th frame of a video into the empty `folder`, from the first on.

    Raises `MissingInputError`, and `BadDataError` for what cannot be read, or not to its end.
    """
    if not path.is_file():
        raise MissingInputError(f"{path}: no such video")
    return [
        _take_frame(image, number, seconds, folder)
        for number, seconds, image in _read_video(path)
        if number % every == 0
    ]


def _take_frame(image: np.ndarray, number: int, seconds: float, folder: Path) -> Frame:
    name = f"{number:05d}.jpg"
    (folder / name).write_bytes(jpeg.encode(image))
    return Frame(name, number, seconds, (image.shape[1], image.shape[0]))


def _read_video(path: Path) -> Iterator[tuple[int, float, np.ndarray]]:
    """Number, seconds and image of each frame."""
    capture = cv2.VideoCapture(str(path))
    try:
        rate, listed = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        number = 0
        while True:
            good, image = capture.read()
            if not good:
                break
            yield number, number / rate if rate > 0 else float("nan"), image
            number += 1
    finally:
        capture.release()
    if not number:
        raise BadDataError(f"{path}: is no video that OpenCV reads; make an mp4 of it")
    if number < listed - 1:  # some containers count one that is not there
        raise BadDataError(f"{path}: only {number} of its {listed} frames can be read; repair it")


def _decoded(data: np.ndarray, flag: int = 0) -> np.ndarray | None:
    return cv2.imdecode(data, cv2.IMREAD_COLOR | flag) if len(data) else None
