"""The least and the greatest depth around each pixel of a depth image."""

from __future__ import annotations

import cv2
import numpy as np

from spatial_engine.utils.geometry.visibility import DepthRange


def depth_range(depth_mm: np.ndarray, window_px: int) -> DepthRange:
    """Of (height, width) uint16 depth: over the square of `window_px` pixels to each side of every
    pixel, as far as it lies in the image."""
    square = np.ones((2 * window_px + 1,) * 2, np.uint8)
    return DepthRange(cv2.erode(depth_mm, square), cv2.dilate(depth_mm, square))
