"""Images of a lens that bends straight lines, as a pinhole camera of the same K would take them.

Maps are made once for a camera; each image is then one look-up. What the lens did not see is black,
and has no depth.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

COUNTS = (4, 5, 8)  # of coefficients: k1 k2 p1 p2, then k3, then k4 k5 k6; fisheye: k1 k2 k3 k4
UNSEEN = -2.0  # a place outside of every image, by more than interpolation reaches
RADII = 2_000  # steps in which the radius is followed outwards


class Undistortion:
    """One camera: `K` (3, 3), coefficients in OpenCV's order, `size` (width, height) of its colour
    images. Pixel centres are at whole numbers, as in OpenCV.

    Depth images may have another size, of the same field of view: K is scaled by the ratio of the
    sizes. Raises `ValueError` for coefficients that no camera can have.
    """

    def __init__(
        self,
        K: np.ndarray,
        coefficients: Sequence[float],
        size: tuple[int, int],
        fisheye: bool = False,
    ):
        self.K = np.asarray(K, np.float64)[:3, :3]
        self.coefficients = np.asarray(coefficients, np.float64)
        self.size, self.fisheye = size, fisheye
        counts = (4,) if fisheye else COUNTS
        if len(self.coefficients) not in counts or not np.isfinite(self.coefficients).all():
            known = " or ".join(map(str, counts))
            raise ValueError(f"{known} finite distortion coefficients belong here")
        self._color_maps = cv2.convertMaps(*self._places(size), cv2.CV_16SC2)
        self._depth_size: tuple[int, int] | None = None
        self._depth_maps: tuple[np.ndarray, np.ndarray] | None = None

    def color(self, image: np.ndarray) -> np.ndarray:
        """An (h, w, 3) uint8 image of `size`, interpolated between its pixels."""
        _check(image, self.size)
        return cv2.remap(image, *self._color_maps, cv2.INTER_LINEAR)

    def depth(self, depth_mm: np.ndarray) -> np.ndarray:
        """An (h, w) uint16 depth image, of the nearest pixels: no value is made up between two
        surfaces. Depth along the viewing direction stays what it is."""
        height, width = depth_mm.shape
        if self._depth_size != (width, height):
            self._depth_size = (width, height)
            self._depth_maps = self._places(self._depth_size)
        return cv2.remap(depth_mm, *self._depth_maps, cv2.INTER_NEAREST)

    def _places(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Where each pixel of the pinhole image lies in the image of the lens: x and y, each (h, w)
        float32; `UNSEEN` where the lens sees nothing."""
        K = np.diag([size[0] / self.size[0], size[1] / self.size[1], 1.0]) @ self.K
        make = cv2.fisheye.initUndistortRectifyMap if self.fisheye else cv2.initUndistortRectifyMap
        x, y = make(K, self.coefficients, np.eye(3), K, size, cv2.CV_32FC1)
        columns = (np.arange(size[0]) - K[0, 2]) / K[0, 0]
        rows = (np.arange(size[1]) - K[1, 2]) / K[1, 1]
        radii = np.hypot(columns, rows[:, None])
        bent_back = radii > self._largest_radius(float(radii.max()))
        x[bent_back] = y[bent_back] = UNSEEN
        return x, y

    def _largest_radius(self, end: float) -> float:
        """The tangent of the angle up to which farther out in the world is farther out in the
        image. Beyond it a polynomial turns back, and would show parts of the image twice."""
        radii = np.linspace(0, end, RADII)
        k = np.zeros(8)
        k[: len(self.coefficients)] = self.coefficients
        if self.fisheye:
            angles = np.arctan(radii)
            powers = np.stack([angles ** (2 * n) for n in (1, 2, 3, 4)])
            bent = angles * (1 + k[:4] @ powers)
        else:
            powers = np.stack([radii ** (2 * n) for n in (1, 2, 3)])
            with np.errstate(all="ignore"):
                bent = radii * (1 + k[[0, 1, 4]] @ powers) / (1 + k[5:8] @ powers)
        outwards = np.diff(bent) > 0
        return end if outwards.all() else float(radii[np.argmin(outwards)])


def _check(image: np.ndarray, size: tuple[int, int]) -> None:
    if image.shape[1::-1] != size:
        raise ValueError(f"an image of {image.shape[1::-1]}, not {size}")
