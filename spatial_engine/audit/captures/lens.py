"""Lenses that distort, by OpenCV's model, and images without their distortion, of the same K.

What was chosen where the definitions leave a choice:
- undistorted once, colour and depth alike: colour between the four nearest pixels, black beyond
  the image; depth of the nearest pixel, and either of two where they are LENS_TIE from a tie.
"""

from __future__ import annotations

import numpy as np

FAR = 1e9  # px; what a lens shows farther away is beyond every image
LENS_TIE = 0.035  # px; libraries keep such positions in 32nds of a pixel


def distorted(x: np.ndarray, y: np.ndarray, lens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the lens shows what is at x / z, y / z of the camera; same form."""
    k1, k2, p1, p2, k3, k4, k5, k6 = lens
    r2 = x * x + y * y
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


def positions(
    size: tuple[int, int], K: np.ndarray, lens: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """u, v (H, W) in the distorted image of each pixel of the undistorted one of (width, height).

    K is that of images of this size.
    """
    u, v = np.meshgrid(np.arange(size[0], dtype=np.float64), np.arange(size[1], dtype=np.float64))
    with np.errstate(all="ignore"):
        x, y = distorted((u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], lens)
        found = x * K[0, 0] + K[0, 2], y * K[1, 1] + K[1, 2]
    far = ~(np.abs(found) < FAR).all(axis=0)
    return np.where(far, -FAR, found[0]), np.where(far, -FAR, found[1])


def scaled_camera(K: np.ndarray, size: tuple[int, int], other: tuple[int, int]) -> np.ndarray:
    """K of images of (width, height) `other` with the field of view of those of `size`."""
    return np.diag([other[0] / size[0], other[1] / size[1], 1.0]) @ K


def undistorted_picture(picture: np.ndarray, K: np.ndarray, lens: np.ndarray) -> np.ndarray:
    """(H, W, 3) int64 RGB without distortion."""
    height, width = picture.shape[:2]
    u, v = positions((width, height), K, lens)
    left, top = np.floor(u), np.floor(v)
    right_share, low_share = (u - left)[..., None], (v - top)[..., None]
    framed = np.zeros((height + 2, width + 2, 3))  # black beyond the image
    framed[1:-1, 1:-1] = picture

    def at(column: np.ndarray, row: np.ndarray) -> np.ndarray:
        column = np.clip(column, -1, width).astype(np.int64)
        row = np.clip(row, -1, height).astype(np.int64)
        return framed[row + 1, column + 1]

    upper = at(left, top) * (1 - right_share) + at(left + 1, top) * right_share
    lower = at(left, top + 1) * (1 - right_share) + at(left + 1, top + 1) * right_share
    return np.rint(upper * (1 - low_share) + lower * low_share).astype(np.int64)


def nearest(image: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Values of the nearest pixels, 0 beyond the image."""
    height, width = image.shape
    column, row = np.rint(u), np.rint(v)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    column = np.where(inside, column, 0).astype(np.int64)
    row = np.where(inside, row, 0).astype(np.int64)
    return np.where(inside, image[row, column], 0.0)
