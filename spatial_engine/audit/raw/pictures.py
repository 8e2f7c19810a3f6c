"""Reads JPEG and PNG pictures of others, with Pillow, within bounds.

Reads what it is given, bytes or a file; writes nothing. A picture is decoded only if it says that
it is a JPEG or a PNG of MAX_PIXELS at most, a JPEG in MAX_SCANS passes: kilobytes can stand for
gigabytes of pixels, or for hours of passes. No other format is tried, as Pillow runs programs for
some.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from spatial_engine.audit.raw.limits import MAX_PIXELS

MAX_FILE_BYTES = 2**26
MAX_SCANS = 200  # a progressive JPEG has some ten
JPEG_QUALITY = 95  # of what the engine encodes, with 4:2:0 chroma
_START_OF_SCAN = b"\xff\xda"


class PictureError(ValueError):
    """Not a picture that is read here; says why, without naming it."""


def read_file(path: Path, most: int | None = None) -> bytes:
    """A file that is not larger than a picture can be; `OSError` if it cannot be read."""
    most = MAX_FILE_BYTES if most is None else most
    with open(path, "rb") as f:
        content = f.read(most + 1)
    if len(content) > most:
        raise PictureError(f"over {most >> 20} MiB")
    return content


def jpeg_size(content: bytes) -> tuple[int, int]:
    """(width, height) that a JPEG says it has."""
    with _opened(content) as image:
        return image.size


def read_jpeg(content: bytes) -> np.ndarray:
    """(H, W, 3) int64 RGB of a JPEG."""
    with _opened(content) as image:
        try:
            return np.asarray(image.convert("RGB"), dtype=np.int64)
        except Exception as err:  # a damaged picture can raise almost anything
            raise PictureError(f"cannot be decoded: {str(err) or type(err).__name__}") from err


def encoded_once(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) int64 RGB: the picture after one JPEG encoding, as the engine writes images."""
    buffer = io.BytesIO()
    image = Image.fromarray(picture.astype(np.uint8))
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    with Image.open(buffer) as again:
        return np.asarray(again.convert("RGB"), dtype=np.int64)


def is_jpeg(content: bytes) -> bool:
    return content.startswith(b"\xff\xd8")


def picture_size(content: bytes) -> tuple[int, int]:
    """(width, height) that a JPEG or PNG says it has."""
    with _opened(content, "JPEG" if is_jpeg(content) else "PNG") as image:
        return image.size


def read_picture(content: bytes) -> np.ndarray:
    """(H, W, 3) int64 RGB of a JPEG or of a PNG of 8 bits."""
    if is_jpeg(content):
        return read_jpeg(content)
    with _opened(content, "PNG") as image:
        if image.mode not in ("L", "P", "RGB", "RGBA"):
            raise PictureError(f"is a PNG of mode {image.mode}, no picture of 8 bits")
        try:
            return np.asarray(image.convert("RGB"), dtype=np.int64)
        except Exception as err:  # a damaged picture can raise almost anything
            raise PictureError(f"cannot be decoded: {str(err) or type(err).__name__}") from err


def read_grey_png(content: bytes) -> np.ndarray:
    """(H, W) int64 of a grey PNG of 8 or 16 bits."""
    with _opened(content, "PNG") as image:
        if image.mode not in ("L", "I", "I;16", "I;16B"):
            raise PictureError(f"is a PNG of mode {image.mode}, not a grey one")
        try:
            return np.asarray(image).astype(np.int64)
        except Exception as err:  # a damaged picture can raise almost anything
            raise PictureError(f"cannot be decoded: {str(err) or type(err).__name__}") from err


def _opened(content: bytes, kind: str = "JPEG") -> Image.Image:
    try:
        with warnings.catch_warnings():  # of sizes, of which more is said below
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=[kind])
    except Image.UnidentifiedImageError as err:  # its text holds an address in memory
        raise PictureError(f"is no {kind}") from err
    except Exception as err:  # a damaged picture can raise almost anything
        raise PictureError(f"is no {kind}: {str(err) or type(err).__name__}") from err
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PictureError(f"{width}x{height} pixels, at most {MAX_PIXELS} are read")
    if kind == "JPEG" and content.count(_START_OF_SCAN) > MAX_SCANS:
        raise PictureError(f"over {MAX_SCANS} scans")
    return image
