"""COLMAP's text model (`cameras.txt`, `images.txt`) with depth images beside the colour images.

COLMAP knows no scale: poses are in a unit of its own, depth images in metres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.capture_utils.colmap_model import (
    REMEDY,
    Lens,
    PosedImage,
    read_cameras,
    read_images,
)
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.preparation import frame_files
from spatial_engine.utils.preparation.capture import Capture
from spatial_engine.utils.preparation.frame_files import Change, Color, FrameFiles, FrameSource
from spatial_engine.utils.preparation.images import image_data
from spatial_engine.utils.preparation.images.undistortion import Undistortion

CAMERAS, IMAGES = "cameras.txt", "images.txt"
MODEL_FOLDERS = (".", "sparse", "sparse/0", "colmap", "colmap/sparse", "colmap/sparse/0")
COLOR_FOLDERS = ("images", "color", "image", "rgb", ".")
DEPTH_FOLDERS = ("depth", "depths", "depth_maps", "depth_images")
METRES_PER_UNIT = 0.001


def scenes_in(folder: Path) -> dict[str, Path]:
    """{name: folder} of the captures in a folder: itself, or the folders in it."""
    return frame_files.scenes_below(folder, lambda path: _model_folder(path) is not None)


def _model_folder(folder: Path) -> Path | None:
    places = [folder / name for name in MODEL_FOLDERS]
    return next((p for p in places if (p / CAMERAS).is_file() and (p / IMAGES).is_file()), None)


def open_capture(folder: Path, options: CaptureOptions) -> Capture:
    """One model; its images are numbered in the order of their names. Raises `BadDataError` naming
    file, cause and remedy."""
    model = _model_folder(folder)
    if model is None:
        raise BadDataError(f"{folder}: holds no {CAMERAS} beside {IMAGES}; check --format")
    lenses = read_cameras(model / CAMERAS)
    images = sorted(read_images(model / IMAGES), key=lambda image: frame_files.natural(image.name))
    frames, used = _frames(folder, images)
    for image in used:
        if image.camera_id not in lenses:
            raise BadDataError(
                f"{image.place}: camera {image.camera_id} is not in {CAMERAS}; {REMEDY}"
            )
    lenses = {image.camera_id: lenses[image.camera_id] for image in used}
    color_size = frame_files.image_size(frames[0].color, REMEDY)
    for camera_id, lens in lenses.items():
        if lens.size != color_size:
            raise BadDataError(
                f"{model / CAMERAS}: camera {camera_id} takes {lens.size[0]}x{lens.size[1]} "
                f"pixels, {frames[0].color.name} has {color_size[0]}x{color_size[1]}; "
                "give the images that the model was made from, all of one size"
            )
    if options.intrinsics:
        K = frame_files.camera(options.intrinsics, color_size, "--intrinsics", "correct it")
        lenses = {camera_id: Lens(K, (), False, color_size) for camera_id in lenses}
    source = FrameSource(
        frames,
        color_size,
        frame_files.image_size(frames[0].depth, REMEDY),
        frame_files.millimetre_table(options.depth_unit or METRES_PER_UNIT),
        REMEDY,
        _undistorting(lenses, frames, used),
        {"without depth": len(images) - len(frames)},
    )
    intrinsics = np.array([lenses[image.camera_id].K for image in used])
    return source.capture(intrinsics, up=None, metric=False)


def _frames(
    folder: Path, images: Sequence[PosedImage]
) -> tuple[list[FrameFiles], list[PosedImage]]:
    """The images that have depth, as files and as the model has them."""
    depth_folder = frame_files.first_folder(folder, DEPTH_FOLDERS)
    if depth_folder is None:
        raise BadDataError(
            f"{folder}: has no folder {' or '.join(DEPTH_FOLDERS)}; a COLMAP model without depth "
            "images cannot be used"
        )
    color_folder = _color_folder(folder, images[0].name)
    frames, used = [], []
    for number, image in enumerate(images):
        depth = frame_files.inside(depth_folder, depth_name(image.name), image.place)
        if depth.is_file():
            color = frame_files.inside(color_folder, image.name, image.place)
            frames.append(FrameFiles(number, color, depth, image.pose))
            used.append(image)
    if not frames:
        raise BadDataError(
            f"{depth_folder}: holds no depth image of {images[0].name} or any other image of the "
            "model; name them as the colour images, as 16-bit .png"
        )
    return frames, used


def depth_name(name: str) -> str:
    """Name of the depth image that belongs to a colour image."""
    stem, _, ending = name.rpartition(".")
    return f"{stem if f'.{ending.lower()}' in frame_files.COLOR_ENDINGS else name}.png"


def _color_folder(folder: Path, name: str) -> Path:
    """The folder in which the names of the model are files."""
    for place in COLOR_FOLDERS:
        if frame_files.inside(folder / place, name, str(folder)).is_file():
            return folder / place
    raise BadDataError(
        f"{folder}: {name} of the model is in none of its folders {', '.join(COLOR_FOLDERS[:-1])}; "
        "put the images that the model was made from into images/"
    )


def _undistorting(
    lenses: Mapping[int, Lens], frames: Sequence[FrameFiles], images: Sequence[PosedImage]
) -> Change | None:
    camera_of = {f.number: image.camera_id for f, image in zip(frames, images, strict=True)}
    if not any(lens.bends for lens in lenses.values()):
        return None
    made: dict[int, Undistortion] = {}  # of the camera used last: maps take memory

    def change(
        frame: FrameFiles, color: Color | None, depth: np.ndarray
    ) -> tuple[Color | None, np.ndarray]:
        camera_id = camera_of[frame.number]
        lens = lenses[camera_id]
        if not lens.bends:
            return color, depth
        if camera_id not in made:
            made.clear()
            made[camera_id] = Undistortion(lens.K, lens.coefficients, lens.size, lens.fisheye)
        if color is not None:
            image = image_data.pixels(color, str(frame.color), REMEDY)
            color = made[camera_id].color(image)
        return color, made[camera_id].depth(depth)

    return change
