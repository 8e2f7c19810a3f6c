"""The room as a COLMAP model in text, with depth images of a sensor beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from spatial_engine.sample_data.captures.image_files import Bend, write_color, write_depth
from spatial_engine.sample_data.captures.room import CaptureRoom

UNITS_PER_METRE = 1000.0
METRES_PER_UNIT = 0.4  # of the model's world
FIRST_ID, ID_STEP = 7, 3  # of images: ids are not dense
CAMERA_ID = 2
# The model's parameters, by their names: f, fx, fy, cx, cy and coefficients.
MODELS = {
    "SIMPLE_PINHOLE": "f cx cy",
    "PINHOLE": "fx fy cx cy",
    "SIMPLE_RADIAL": "f cx cy k1",
    "RADIAL": "f cx cy k1 k2",
    "OPENCV": "fx fy cx cy k1 k2 p1 p2",
    "OPENCV_FISHEYE": "fx fy cx cy k1 k2 k3 k4",
    "FULL_OPENCV": "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6",
    "SIMPLE_RADIAL_FISHEYE": "f cx cy k1",
    "RADIAL_FISHEYE": "f cx cy k1 k2",
}


def write(
    room: CaptureRoom,
    folder: Path,
    *,
    model: str = "PINHOLE",
    coefficients: dict[str, float] | None = None,
    image_folder: str = "",
    with_points: bool = True,
) -> None:
    """Write `images/`, `depth/` and `sparse/0/` into `folder`.

    coefficients: of the lens that bends images and depth, by name (k1, p1, ...). image_folder: a
    folder that is part of the images' names. with_points: every second image has points; the others
    have an empty line, as all have without.
    """
    coefficients = coefficients or {}
    fisheye = "FISHEYE" in model
    order = (
        ("k1", "k2", "k3", "k4") if fisheye else ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
    )
    K = room.frames[0].K
    lens = None
    if fisheye or any(coefficients.values()):
        lens = Bend(K, [coefficients.get(name, 0.0) for name in order], fisheye)
    images = []
    for number, frame in enumerate(room.frames):
        name = f"{image_folder}frame_{number:05d}"
        image = lens.color(frame.image) if lens else frame.image
        depth = lens.depth(frame.depth, frame.image) if lens else frame.depth
        write_color(folder / "images" / f"{name}.jpg", image)
        write_depth(folder / "depth" / f"{name}.png", depth, UNITS_PER_METRE)
        points = "1.5 2.5 -1 100.25 30.75 12" if with_points and number % 2 else ""
        images.append(_image(FIRST_ID + ID_STEP * number, frame.pose, f"{name}.jpg", points))
    place = folder / "sparse" / "0"
    place.mkdir(parents=True)
    (place / "cameras.txt").write_text(
        "# Camera list with one line of data per camera:\n"
        "#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n# Number of cameras: 1\n"
        + _camera(K, room.color_size, model, coefficients)
    )
    (place / "images.txt").write_text(
        "# Image list with two lines of data per image:\n"
        "#   IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME\n"
        "#   POINTS2D[] as (X, Y, POINT3D_ID)\n"
        f"# Number of images: {len(images)}, mean observations per image: 1\n"
        # Models are written in the order of a hash table.
        + "".join(images[1::2] + images[::2])
    )
    (place / "points3D.txt").write_text("# 3D point list with one line of data per point:\n")


def _camera(
    K: np.ndarray, size: tuple[int, int], model: str, coefficients: dict[str, float]
) -> str:
    """A line of `cameras.txt`; pixel centres are at halves."""
    values = {"f": K[0, 0], "fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2] + 0.5, "cy": K[1, 2] + 0.5}
    values |= coefficients
    parameters = " ".join(repr(float(values.get(name, 0.0))) for name in MODELS[model].split())
    return f"{CAMERA_ID} {model} {size[0]} {size[1]} {parameters}\n"


def _image(image_id: int, pose: np.ndarray, name: str, points: str) -> str:
    """Two lines of `images.txt`."""
    x, y, z, w = Rotation.from_matrix(pose[:3, :3].T).as_quat()
    translation = -pose[:3, :3].T @ pose[:3, 3] / METRES_PER_UNIT
    values = " ".join(repr(float(value)) for value in (w, x, y, z, *translation))
    return f"{image_id} {values} {CAMERA_ID} {name}\n{points}\n"
