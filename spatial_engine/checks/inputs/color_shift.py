"""How far colour lies beside depth: silhouettes of depth are found among edges of colour. Pure.

Sizes are pixels of the depth image. Depth cameras show things a little too large or too small, on
all sides alike, and most silhouettes are those of one side (tops of furniture). So left and right
sides are compared each by itself, and so are upper and lower ones; the mean of two is the shift.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

STEP_SHARE = 0.08  # of the depth: a step at a silhouette, and none of a surface or of noise
SHADOW_PX = 12  # in which the far side of a silhouette is looked for: no depth is measured there
REACH_PX = 10  # displacements that are tried
FEWEST = 150  # pixels of a side; fewer tell nothing
LEAST_CONTRAST = 2.5  # of the best displacement, in standard deviations of all: else none is best
MOST_OUTWARD_PX = 3.0  # sides that are farther apart, or in x and y, were found by chance
SIDES = ("left", "right", "top", "bottom")


class Shift(NamedTuple):
    """x, y: where colour has what depth has at 0, 0, pixels, NaN where it is not known; outward:
    by how much depth shows things too small on every side, pixels."""

    x: float
    y: float
    outward: float

    @property
    def length(self) -> float:
        """Pixels; NaN where x or y is not known."""
        return float(np.hypot(self.x, self.y))


UNKNOWN = Shift(np.nan, np.nan, np.nan)


def profiles(
    depth_mm: np.ndarray, gray: np.ndarray, zoom: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """How sharp colour is beside the silhouettes of a depth image (h, w) uint16.

    `gray` is the colour image of any size, uint8, which is drawn `zoom` times as large. Returns
    sums (4, 2 REACH_PX + 1) by side and by displacement from -REACH_PX to REACH_PX, and how many
    pixels each side has, (4,).
    """
    size = depth_mm.shape[::-1]
    gray = cv2.resize(gray, size, None, 0, 0, cv2.INTER_AREA).astype(np.float32)
    if zoom != 1.0:
        middle = (1 - zoom) / 2 * np.array(size)
        matrix = np.array([[zoom, 0, middle[0]], [0, zoom, middle[1]]])
        gray = cv2.warpAffine(gray, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    across = _sharpness(cv2.Sobel(gray, cv2.CV_32F, 1, 0))
    along = _sharpness(cv2.Sobel(gray, cv2.CV_32F, 0, 1)).T
    sums, counts = np.zeros((len(SIDES), 2 * REACH_PX + 1)), np.zeros(len(SIDES), int)
    for number, (depth, sharp) in enumerate(
        [(depth_mm, across), (depth_mm, across), (depth_mm.T, along), (depth_mm.T, along)]
    ):
        edges = _right_sides(depth[:, ::-1])[:, ::-1] if number % 2 == 0 else _right_sides(depth)
        rows, columns = np.nonzero(edges[:, REACH_PX:-REACH_PX])
        counts[number] = len(rows)
        for place in range(2 * REACH_PX + 1):
            sums[number, place] = sharp[rows, columns + place].sum()
    return sums, counts


def shift_of(sums: np.ndarray, counts: np.ndarray) -> Shift:
    """The shift by the summed profiles of frames; `UNKNOWN` where sides contradict each other."""
    left, right, top, bottom = (_peak(*side) for side in zip(sums, counts, strict=True))
    sizes = [(right - left) / 2, (bottom - top) / 2]
    known = [size for size in sizes if np.isfinite(size)]
    if not known or max(np.abs(known).max(), np.ptp(known)) > MOST_OUTWARD_PX:
        return UNKNOWN
    outward = float(np.mean(known))
    return Shift(_middle(left, right, outward), _middle(top, bottom, outward), outward)


def _middle(low: float, high: float, outward: float) -> float:
    """The shift by two opposite sides, or by one and what is known of the others."""
    if not np.isfinite([low, high]).any():
        return np.nan
    return float(np.nanmean([low + outward, high - outward]))


def _right_sides(depth_mm: np.ndarray) -> np.ndarray:
    """(h, w) bool: the last pixel of a thing to the right, what comes after is farther away."""
    after = np.zeros_like(depth_mm)
    for distance in range(SHADOW_PX, 0, -1):  # the first that is measured stays
        beside = depth_mm[:, distance:]
        np.copyto(after[:, :-distance], beside, where=beside > 0)
    return (depth_mm > 0) & (after > (1 + STEP_SHARE) * depth_mm)


def _sharpness(slopes: np.ndarray) -> np.ndarray:
    """Slopes of brightness as a share, 0 to 1, of what there is around them."""
    strength = np.abs(slopes)
    return strength / (strength + cv2.blur(strength, (31, 31)) + 8.0)


def contrast(sums: np.ndarray, counts: np.ndarray) -> float:
    """How clearly colour has the silhouettes of depth at some displacement: mean over the sides
    that have pixels enough, see `LEAST_CONTRAST`; NaN where none has."""
    found = [_contrast(side) for side, count in zip(sums, counts, strict=True) if count >= FEWEST]
    return float(np.mean(found)) if found else np.nan


def _contrast(sums: np.ndarray) -> float:
    """By how many standard deviations of all other displacements the best one is higher."""
    far = np.abs(np.arange(len(sums)) - sums.argmax()) > 2
    return float((sums.max() - sums[far].mean()) / max(sums[far].std(), 1e-9))


def _peak(sums: np.ndarray, count: int) -> float:
    """Displacement with the highest sum, between pixels by a parabola; NaN for none."""
    place = int(sums.argmax())
    if count < FEWEST or not 0 < place < len(sums) - 1 or _contrast(sums) < LEAST_CONTRAST:
        return np.nan
    before, here, after = sums[place - 1 : place + 2]
    return place - REACH_PX + 0.5 * (before - after) / (before - 2 * here + after)
