"""COLMAP's text model: `cameras.txt` and `images.txt`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.pictures.png import MAX_SIDE
from spatial_engine.utils.preparation import frame_files

REMEDY = "export the model again (colmap model_converter --output_type TXT)"
HALF_PIXEL = 0.5  # COLMAP's pixel centres are at halves, OpenCV's at whole numbers
IMAGE_WORDS = 10  # IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME; a point has three

# Where a model's parameters stand among fx fy cx cy and OpenCV's coefficients (k1 k2 p1 p2 k3 k4 k5
# k6, or k1 k2 k3 k4 of a fisheye lens).
PINHOLE_MODELS = {
    "SIMPLE_PINHOLE": "f cx cy",
    "PINHOLE": "fx fy cx cy",
    "SIMPLE_RADIAL": "f cx cy k1",
    "RADIAL": "f cx cy k1 k2",
    "OPENCV": "fx fy cx cy k1 k2 p1 p2",
    "FULL_OPENCV": "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6",
}
FISHEYE_MODELS = {
    "SIMPLE_RADIAL_FISHEYE": "f cx cy k1",
    "RADIAL_FISHEYE": "f cx cy k1 k2",
    "OPENCV_FISHEYE": "fx fy cx cy k1 k2 k3 k4",
}
COEFFICIENTS = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
FISHEYE_COEFFICIENTS = ("k1", "k2", "k3", "k4")


@dataclass(frozen=True)
class Lens:
    """One camera: (3, 3) intrinsics with pixel centres at whole numbers, what bends its images, and
    their (width, height)."""

    K: np.ndarray
    coefficients: tuple[float, ...]
    fisheye: bool
    size: tuple[int, int]

    @property
    def bends(self) -> bool:
        """Whether its images are not those of a pinhole camera."""
        return self.fisheye or any(self.coefficients)


@dataclass(frozen=True)
class PosedImage:
    """One image of a model: its name, its camera, its pose (4, 4) world_from_cam."""

    name: str
    camera_id: int
    pose: np.ndarray
    place: str  # for messages


def read_cameras(path: Path) -> dict[int, Lens]:
    """{CAMERA_ID: camera} of a `cameras.txt`."""
    lenses = {}
    for number, line in enumerate(frame_files.read_lines(path, REMEDY), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"{path}: line {number}"
        if len(words) < 5:
            raise BadDataError(
                f"{where}: CAMERA_ID MODEL WIDTH HEIGHT PARAMS belong here; {REMEDY}"
            )
        camera_id, width, height = (_whole(words[i], where) for i in (0, 2, 3))
        if not 0 < min(width, height) <= max(width, height) <= MAX_SIDE:
            raise BadDataError(f"{where}: claims images of {width}x{height} pixels; {REMEDY}")
        values = frame_files.floats(words[4:], where, REMEDY)
        lenses[camera_id] = _lens(words[1], values, (width, height), where)
    if not lenses:
        raise BadDataError(f"{path}: holds no camera; {REMEDY}")
    return lenses


def _lens(model: str, values: np.ndarray, size: tuple[int, int], where: str) -> Lens:
    names = (PINHOLE_MODELS | FISHEYE_MODELS).get(model)
    if names is None:
        known = ", ".join([*PINHOLE_MODELS, *FISHEYE_MODELS])
        raise BadDataError(
            f"{where}: the camera model {model[:40]} cannot be used; undistort the images (colmap "
            f"image_undistorter), or use one of {known}"
        )
    if len(values) != len(names.split()) or not np.isfinite(values).all():
        raise BadDataError(f"{where}: {model} has the parameters {names}; {REMEDY}")
    of = dict(zip(names.split(), values.tolist(), strict=True))
    fx, fy = of.get("fx", of.get("f", 0)), of.get("fy", of.get("f", 0))
    centre = of["cx"] - HALF_PIXEL, of["cy"] - HALF_PIXEL
    K = frame_files.camera((fx, fy, *centre), size, where, REMEDY)
    fisheye = model in FISHEYE_MODELS
    order = FISHEYE_COEFFICIENTS if fisheye else COEFFICIENTS
    return Lens(K, tuple(of.get(name, 0.0) for name in order), fisheye, size)


def read_images(path: Path) -> list[PosedImage]:
    """Images of an `images.txt` in the order of the file. Two lines each, of which the second, the
    points, may be empty."""
    images = []
    for number, line in _image_lines(path):
        where = f"{path}: line {number}"
        words = line.split(None, IMAGE_WORDS - 1)
        if len(words) < IMAGE_WORDS:
            raise BadDataError(
                f"{where}: IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME belong here; {REMEDY}"
            )
        values = frame_files.floats(words[1:8], where, REMEDY)
        if not np.isfinite(values).all():
            raise BadDataError(f"{where}: the pose is not finite; {REMEDY}")
        w, x, y, z = values[:4]
        world_from_cam = frame_files.rotation_of(np.array([x, y, z, w]), where, REMEDY).T
        pose = frame_files.rigid(world_from_cam, -world_from_cam @ values[4:])
        images.append(PosedImage(words[9].strip(), _whole(words[8], where), pose, where))
    if not images:
        raise BadDataError(f"{path}: holds no image; {REMEDY}")
    counts = Counter(image.name for image in images)
    if len(counts) < len(images):
        twice, _ = counts.most_common(1)[0]
        raise BadDataError(f"{path}: {twice[:60]!r} is there twice; {REMEDY}")
    return images


def _image_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of the first line of each image."""
    lines = enumerate(frame_files.read_lines(path, REMEDY), start=1)
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        yield number, line
        number, points = next(lines, (0, ""))
        if len(points.split(None, IMAGE_WORDS)) == IMAGE_WORDS:  # an image's, not triples
            raise BadDataError(
                f"{path}: line {number} is of an image, where the points of the last one belong (a "
                f"line that may be empty); {REMEDY}"
            )


def _whole(word: str, where: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) <= 10):
        raise BadDataError(f"{where}: {word[:40]!r} is no id or size; {REMEDY}")
    return int(word)
