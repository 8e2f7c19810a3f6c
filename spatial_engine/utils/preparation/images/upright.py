"""Captures of a device held upright, whose images lie on their side: which way the sky is, and all
of a frame turned so that it is at the top. Pure functions.

A turn is a number of quarter turns of the image, clockwise: 0 to 3. Image, depth, intrinsics and
pose turn together, so that a point of the world projects to the turned pixel exactly. (Where depth
has another size than colour, the rule that joins their pixels, `Picture`, has its roundings on the
other side after a turn: less than one pixel of depth.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.preparation.capture import Capture, Picture

REMEDY = "get it again"
# Camera axis towards the sky, by the turns that bring it to the top: it is at the top, the left
# side, the bottom, the right side of the image.
_SKY = np.array([[0.0, -1, 0], [-1, 0, 0], [0, 1, 0], [1, 0, 0]])
_QUARTER = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # (x, y, z) becomes (-y, x, z)


def turns_to_upright(poses: np.ndarray, up: np.ndarray) -> int:
    """Clockwise quarter turns that bring the sky to the top of the images of a video.

    `poses` (n, 4, 4) are world_from_cam, `up` (3,) is the direction up in their world. What counts
    is the mean over the video: single frames may look at the floor.
    """
    up_cam = (np.swapaxes(poses[:, :3, :3], 1, 2) @ np.asarray(up, np.float64)).mean(axis=0)
    return int(np.argmax(_SKY @ up_cam))


def turn_image(image: np.ndarray, turns: int) -> np.ndarray:
    """An image or depth image (h, w, ...) after so many clockwise quarter turns."""
    return np.ascontiguousarray(np.rot90(image, -turns))


def turn_size(size: tuple[int, int], turns: int) -> tuple[int, int]:
    """(width, height) after so many quarter turns."""
    return size[::-1] if turns % 2 else size


def turn_pixels(pixels: np.ndarray, size: tuple[int, int], turns: int) -> np.ndarray:
    """Where pixels (..., 2) of an image of (width, height) are after so many quarter turns."""
    pixels = np.asarray(pixels, np.float64)
    for _ in range(turns % 4):
        pixels = np.stack([size[1] - 1 - pixels[..., 1], pixels[..., 0]], axis=-1)
        size = size[::-1]
    return pixels


def turn_intrinsics(intrinsics: np.ndarray, size: tuple[int, int], turns: int) -> np.ndarray:
    """(..., 3, 3) intrinsics without skew of images of (width, height), after the turns."""
    turned = np.array(intrinsics, np.float64)
    turned[..., :2, 2] = turn_pixels(turned[..., :2, 2], size, turns)
    if turns % 2:
        turned[..., 0, 0], turned[..., 1, 1] = intrinsics[..., 1, 1], intrinsics[..., 0, 0]
    return turned


def turn_poses(poses: np.ndarray, turns: int) -> np.ndarray:
    """(..., 4, 4) world_from_cam after the turns: the camera stands where it stood, its x and y
    axes are turned."""
    cam_from_turned = np.eye(4)
    cam_from_turned[:3, :3] = np.linalg.matrix_power(_QUARTER, turns % 4).T
    return poses @ cam_from_turned


def turn_capture(capture: Capture, turns: int) -> Capture:
    """A capture with all images turned; as it is for no turns."""
    if not turns % 4:
        return capture

    def images(numbers: Sequence[int]) -> Iterator[Picture]:
        for picture in capture.images(numbers):
            color = picture.color
            if isinstance(color, bytes):
                color = jpeg.decode(color, f"image of frame {picture.number}", REMEDY)
            yield Picture(
                picture.number, turn_image(color, turns), turn_image(picture.depth_mm, turns)
            )

    if np.abs(capture.intrinsics[:, 0, 1]).max(initial=0) > 0:
        raise BadDataError(
            "the intrinsics have a skew, so images cannot be turned; use --keep-orientation"
        )
    return replace(
        capture,
        poses=turn_poses(capture.poses, turns),
        intrinsics=turn_intrinsics(capture.intrinsics, capture.color_size, turns),
        color_size=turn_size(capture.color_size, turns),
        images=images,
        may_be_turned=False,
        depths=lambda numbers: (turn_image(d, turns) for d in capture.depth_images(numbers)),
    )
