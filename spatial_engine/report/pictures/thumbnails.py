"""Small copies of the images that are shown: one for each image, kept between runs.

A thumbnail is named after the path of its image and has the image's time, so that a later run sees
that it is current.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from spatial_engine.errors import BadDataError
from spatial_engine.report.spread import Workers, spread
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.storage import files
from spatial_engine.utils.storage.provenance import digest

QUALITY = 78  # of a JPEG that is looked at, not measured
CHUNK = 32  # images that a process takes at a time
PLACE_SIZE = (4, 3)  # of an image that is not there: as most are
REMEDY = "run the command that makes it"
_NAME = re.compile(r"[0-9a-f]{32}\.jpg")


@dataclass(frozen=True)
class Thumbnail:
    """`name` of the small copy; (width, height) of the image; `fault` where it has none."""

    name: str
    size: tuple[int, int]
    fault: str = ""


def make_thumbnails(
    images: Iterable[Path], root: Path, folder: Path, side: int, workers: Workers, redo: bool
) -> dict[Path, Thumbnail]:
    """Bring `folder` up to date: a JPEG of each image whose longer side is `side` at most, and no
    thumbnail of other images."""
    paths = sorted(set(images))
    folder.mkdir(parents=True, exist_ok=True)
    work = partial(_make, root, folder, side, redo)
    made = spread(work, paths, workers, "thumbnails", "image", CHUNK)
    names = {thumbnail.name for thumbnail in made}
    for old in folder.iterdir():
        ours = _NAME.fullmatch(old.name.removesuffix(files.PARTIAL_SUFFIX))  # or of a killed run
        if ours and old.name not in names:
            files.remove(old)
    return dict(zip(paths, made, strict=True))


def open_image(path: Path, side: int) -> tuple[np.ndarray, tuple[int, int]]:
    """(height, width, 3) uint8 RGB image reduced to `side` pixels on its longer side at most, and
    the image's own (width, height).

    Raises `BadDataError` where it is missing, damaged or no JPEG.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadDataError(f"{path}: {error.strerror}; {REMEDY}") from None
    size = jpeg.read_size(data, path, REMEDY)  # before memory is taken
    scale = min(1.0, side / max(size))
    width, height = (max(1, round(length * scale)) for length in size)
    try:
        image = _decode(data, width, height)
    except ValueError as error:
        raise BadDataError(f"{path}: could not read the image ({error}); {REMEDY}") from None
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), size


def _decode(data: bytes, width: int, height: int) -> np.ndarray:
    """An RGB image of that size at least: a JPEG is decoded to a fraction of its own size in a
    fraction of the time."""
    least = {"min_width": width, "min_height": height}
    try:
        return simplejpeg.decode_jpeg(data, "RGB", **least)
    except ValueError as error:
        if jpeg.HARMLESS not in str(error):
            raise
        return simplejpeg.decode_jpeg(data, "RGB", strict=False, **least)


def _make(root: Path, folder: Path, side: int, redo: bool, path: Path) -> Thumbnail:
    place = Path(os.path.relpath(path, root)).as_posix()
    name = f"{digest([place, side, QUALITY])}.jpg"
    target = folder / name
    try:
        time = path.stat().st_mtime_ns
        if not redo and target.exists() and target.stat().st_mtime_ns == time:
            with Image.open(path, formats=("JPEG",)) as image:  # reads its header only
                return Thumbnail(name, image.size)
        reduced, size = open_image(path, side)
    except FileNotFoundError:
        return Thumbnail("", PLACE_SIZE, f"{path}: no such image; {REMEDY}")
    except (BadDataError, OSError) as error:
        return Thumbnail("", PLACE_SIZE, str(error))
    with files.atomic_path(target, sync=False) as partial_path:
        bgr = cv2.cvtColor(reduced, cv2.COLOR_RGB2BGR)
        partial_path.write_bytes(jpeg.encode(bgr, quality=QUALITY))
        os.utime(partial_path, ns=(time, time))
    return Thumbnail(name, size)
