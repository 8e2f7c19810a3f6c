"""Images of the sample room as files, and as a lens that bends lines would take them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from spatial_engine.sample_data.scannet.frames import encode_jpeg

ITERATIONS = 20  # each brings a place nearer, to a thousandth of a pixel


def write_color(path: Path, image: np.ndarray) -> None:
    """An (h, w, 3) uint8 RGB image as PNG or JPEG, by the ending of the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        _write_png(path, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    else:
        path.write_bytes(encode_jpeg(image))


def write_depth(path: Path, metres: np.ndarray, units_per_metre: float, none: int = 0) -> None:
    """(h, w) metres as a 16-bit PNG; `none` where nothing is measured or it is too far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    units = np.rint(metres.astype(np.float64) * units_per_metre)
    units[(metres <= 0) | (units > 65535)] = none
    _write_png(path, units.astype(np.uint16))


def _write_png(path: Path, image: np.ndarray) -> None:
    done, data = cv2.imencode(".png", image)
    if not done:
        raise RuntimeError("the PNG encoder failed")
    path.write_bytes(data.tobytes())


class Bend:
    """A lens: images of a pinhole camera of intrinsics `K` (3, 3) as it would take them.
    Coefficients are in OpenCV's order."""

    def __init__(self, K: np.ndarray, coefficients: Sequence[float], fisheye: bool = False):
        self.K = K
        self.coefficients = np.zeros(4 if fisheye else 8)
        self.coefficients[: len(coefficients)] = coefficients
        self.fisheye = fisheye

    def color(self, image: np.ndarray) -> np.ndarray:
        """(h, w, 3) uint8, interpolated."""
        return cv2.remap(image, *self._places(image, image), cv2.INTER_LINEAR)

    def depth(self, metres: np.ndarray, image: np.ndarray) -> np.ndarray:
        """(h, w) float32 of the nearest pixels, with the field of view of `image`."""
        return cv2.remap(metres, *self._places(metres, image), cv2.INTER_NEAREST)

    def _places(self, bent: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and y in the pinhole image of every pixel of the bent one, (h, w) float32 each."""
        height, width = bent.shape[:2]
        K = np.diag([width / image.shape[1], height / image.shape[0], 1.0]) @ self.K
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        goal_x, goal_y = (columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1]
        x, y = goal_x, goal_y
        for _ in range(ITERATIONS):
            bent_x, bent_y = self._bent(x, y)
            x, y = x + goal_x - bent_x, y + goal_y - bent_y
        x, y = x * K[0, 0] + K[0, 2], y * K[1, 1] + K[1, 2]
        return x.astype(np.float32), y.astype(np.float32)

    def _bent(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the lens brings rays (x, y, 1)."""
        r2 = x * x + y * y
        if self.fisheye:
            k1, k2, k3, k4 = self.coefficients
            angle = np.arctan(np.sqrt(r2))
            a2 = angle * angle
            bent = angle * (1 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))
            share = bent / np.maximum(np.sqrt(r2), 1e-12)
            return x * share, y * share
        k1, k2, p1, p2, k3, k4, k5, k6 = self.coefficients
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        radial /= 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
        return (
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        )
