"""What is anonymised in images (faces, screens, papers): masks of the owners, 255 = keep."""

from __future__ import annotations

import numpy as np

from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.scannetpp_utils.json_files import REMEDY

KEEP = 255  # of an extracted mask: whatever is lower is anonymised, as the owners have it
KEEP_IN_VIDEO = 250  # of a mask from a video: coding and change of colours shift 255 a little


def black_out(color: bytes | np.ndarray, hidden: np.ndarray, source: str) -> np.ndarray:
    """(height, width, 3) uint8 BGR: black where `hidden` (height, width) bool. `color` is a JPEG or
    such an image; `source` is named where it is damaged."""
    image = jpeg.decode(color, source, REMEDY) if isinstance(color, bytes) else color.copy()
    image[hidden] = 0
    return image


def take_out(depth_mm: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Depth (h, w) uint16 without what belongs to hidden pixels (height, width) of the colour image
    of the same view.

    The owners leave depth as it is. Here nothing must be measured there, or a question could ask
    about a point that the black image does not show. Colour pixel (u, v) belongs to depth pixel
    (round(u w / width), round(v h / height)), clipped.
    """
    found = hidden
    for axis in (0, 1):
        found = _any_of_each(found, depth_mm.shape[axis], axis)
    return np.where(found, np.uint16(0), depth_mm)


def _any_of_each(hidden: np.ndarray, number: int, axis: int) -> np.ndarray:
    """Along one axis, whether any of the colour pixels that belong to each of `number` depth pixels
    is hidden; where there are more depth pixels than colour pixels, whether its nearest is."""
    side = hidden.shape[axis]
    if number > side:
        nearest = np.minimum(np.rint(np.arange(number) * side / number), side - 1)
        return hidden.take(nearest.astype(np.int64), axis)
    places = np.minimum(np.rint(np.arange(side) * number / side), number - 1)
    return np.logical_or.reduceat(hidden, np.searchsorted(places, np.arange(number)), axis)
