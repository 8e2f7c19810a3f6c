"""Decoding and encoding of JPEG images, the costliest part of every task that shows a mark.

simplejpeg, OpenCV and Pillow carry the same library, libjpeg-turbo. simplejpeg decodes in a fifth
less time, as nothing is copied on the way (figures in docs/performance.md), and raises what is
wrong with a damaged image, where OpenCV prints it. OpenCV encodes: it takes no longer, transforms
exactly (simplejpeg does not below quality 96, whatever it is told), and writes restart markers.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import simplejpeg

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.storage.os_errors import naming

QUALITY = 95  # of the images that are written: marks and background stay as they are to the eye
HARMLESS = "extraneous bytes"  # some cameras write a few between two segments
_SCAN_OR_END = (b"\xda", b"\xd9", b"\xff", b"")  # where the list of segments ends, or is odd
_APP1 = 0xE1  # the segment of EXIF and XMP
MAX_PIXELS = 2**27  # 134 megapixels: more than any camera of these data sets, 400 MB decoded


def load(path: Path, remedy: str) -> bytes:
    """Bytes of an image; raises `BadDataError` where there is no such file."""
    try:
        with naming(path):
            return path.read_bytes()
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such image; {remedy}") from None
    except OSError as error:
        raise BadDataError(f"{path}: could not read it ({error.strerror}); {remedy}") from None


def read(path: Path, remedy: str, to_encode: bool = False) -> np.ndarray:
    """(height, width, 3) uint8 image, BGR as OpenCV has it.

    With `to_encode`, for encoding it again at the same place, as marked pictures are: colour that
    was coded at half resolution is repeated, not smoothed, so that it is halved again to what it
    was. The picture changes by less than half as much, and is decoded sooner.

    Raises `BadDataError` where the file is missing, damaged, or larger than an image can be.
    """
    data = load(path, remedy)
    read_size(data, path, remedy)  # before memory is taken
    return _decoded(data, "BGR", path, remedy, {"fastupsample": to_encode})


def decode(
    data: bytes, source: str | Path, remedy: str, at_least: tuple[int, int] | None = None
) -> np.ndarray:
    """The image of a JPEG; `source` is named where it is damaged.

    With `at_least` (width, height) it is decoded at the smallest of the scales 1, 1/2, 3/8, 1/4
    and 1/8 that gives no less, which costs less. Images whose sides are no multiples of 8 are
    decoded whole: libjpeg would round their sides, and so move what they show.
    """
    width, height = read_size(data, source, remedy)  # before memory is taken
    scale: dict[str, int] = {}
    if at_least and width % 8 == 0 and height % 8 == 0:
        scale = {"min_width": at_least[0], "min_height": at_least[1], "min_factor": 2}
    return _decoded(data, "BGR", source, remedy, scale)


def brightness(data: bytes, source: str | Path, remedy: str) -> np.ndarray:
    """(height, width) uint8 brightness of a JPEG, at half the cost of its colours."""
    read_size(data, source, remedy)
    return _decoded(data, "GRAY", source, remedy, {})[:, :, 0]


def _decoded(
    data: bytes, channels: str, source: str | Path, remedy: str, how: Mapping[str, int]
) -> np.ndarray:
    try:
        return simplejpeg.decode_jpeg(data, channels, **how)
    except ValueError as error:
        if HARMLESS in str(error):
            return simplejpeg.decode_jpeg(data, channels, strict=False, **how)
        raise BadDataError(f"{source}: could not read the image ({error}); {remedy}") from None


def read_size(data: bytes, source: str | Path, remedy: str = "get it again") -> tuple[int, int]:
    """(width, height) from the header of a JPEG; `source` is named where there is none."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise BadDataError(f"{source}: could not read the image ({error}); {remedy}") from None
    if height * width > MAX_PIXELS:
        raise BadDataError(f"{source}: claims {width}x{height} pixels; {remedy}")
    return width, height


def encode(image: np.ndarray, restart_blocks: int = 0, quality: int = QUALITY) -> bytes:
    """JPEG of a (height, width, 3) uint8 BGR image, colour at half resolution (4:2:0), with a
    restart marker after every so many blocks of 16x16 pixels where it is not 0."""
    import cv2  # 28 MiB, which commands that only read records and images do without

    settings = {
        cv2.IMWRITE_JPEG_QUALITY: quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
        cv2.IMWRITE_JPEG_RST_INTERVAL: restart_blocks,
    }
    return cv2.imencode(".jpg", image, list(chain.from_iterable(settings.items())))[1].tobytes()


def without_exif(data: bytes) -> bytes:
    """The same image without what cameras note in it (EXIF, XMP): a note of how the camera was held
    makes some programs turn the image, and with it what our coordinates mean."""
    kept, place = [data[:2]], 2
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] not in _SCAN_OR_END:
        size = int.from_bytes(data[place + 2 : place + 4], "big")
        if data[place + 1] != _APP1:
            kept.append(data[place : place + 2 + size])
        place += 2 + size
    return b"".join([*kept, data[place:]])
