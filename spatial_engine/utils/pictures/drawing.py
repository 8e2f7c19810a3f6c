"""Marks in images: filled circles that stand out from what they cover, with letters beside them.

Pure: arrays in, arrays out. Images are (height, width, 3) uint8, BGR. Pixels are (x, y), and the
centre of the first pixel is (0, 0). A mark is a circle of a palette colour with a ring around it,
and, if it has one, a letter to the right of it, or to the left where the image ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from spatial_engine.utils.pictures.lettering import CAPITAL_HEIGHT, SIMPLEX, draw_text, text_size

# Far apart from each other in CIELAB and unlike the greys and browns of rooms; RGB.
PALETTE = (
    (230, 20, 50), (20, 60, 240), (0, 160, 60), (255, 225, 0), (255, 0, 220), (0, 225, 255),
    (255, 130, 0), (110, 20, 150), (150, 255, 60), (255, 160, 200),
)  # fmt: skip
COLOR_NAMES = tuple(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in PALETTE)

STANDS_OUT = 60.0  # CIELAB distance to what is covered: clearly another colour
USUAL_WIDTH = 1296  # a mark keeps its size in pixels up to here and grows with wider images
RING = 0.2  # width of the ring and of a letter's outline, in radii
_SHIFT = 4  # OpenCV draws at sixteenths of a pixel


@dataclass(frozen=True)
class MarkSize:
    """Lengths in pixels: `radius` of the circle, `ring` around it, `reach` of the whole mark with
    its letter from the centre; marks whose centres are twice the reach apart never touch."""

    radius: int
    ring: int
    reach: int

    @classmethod
    def of(cls, radius: int, image_size: tuple[int, int]) -> MarkSize:
        """Size of the marks in an image of (width, height), for a radius meant for usual ones."""
        radius = max(radius, round(radius * image_size[0] / USUAL_WIDTH))
        ring = max(2, round(RING * radius))
        widest = max(_letter_box(letter, radius)[0] for letter in "ABCD")
        return cls(radius, ring, _letter_gap(radius, ring) + widest + ring + _stroke_reach(radius))

    @property
    def margin(self) -> int:
        """How far the centre must be from the border."""
        return self.radius + self.ring + 1

    def area(
        self, center: np.ndarray, letter: str, image_size: tuple[int, int]
    ) -> tuple[slice, slice]:
        """The rows and the columns that a mark at this pixel (x, y) can cover, its letter on either
        side, in an image of (width, height)."""
        reach = (self.reach if letter else self.margin) + 1  # half a pixel a side, and rounding
        columns, rows = (
            slice(max(middle - reach, 0), min(middle + reach + 1, length))
            for middle, length in zip(np.rint(center).astype(int).tolist(), image_size, strict=True)
        )
        return rows, columns

    def is_inside(self, pixels: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
        """Whether a mark at each of the pixels (..., 2) is within the image, (...) bool, its letter
        on either side too: nowhere, where the image is too narrow for one."""
        last = np.array(image_size) - 1 - self.margin
        wide_enough = image_size[0] >= 2 * self.reach
        return ((pixels >= self.margin) & (pixels <= last)).all(axis=-1) & wide_enough


def draw_marks(
    image: np.ndarray,
    centers: np.ndarray,
    letters: Sequence[str],
    preferences: Sequence[int],
    size: MarkSize,
) -> list[int]:
    """Draw marks at `centers` (n, 2) into the image; return their colours, numbers in `PALETTE`.

    `letters` (n) may be empty strings. Each mark gets the first of the `preferences`, numbers in
    the palette, that no other mark of the image has and that stands out from what it covers; the
    one that stands out most where none does.
    """
    covered = [_patch_lab(image, center, size.radius + size.ring) for center in centers]
    chosen: list[int] = []
    for patch in covered:
        free = [number for number in preferences if number not in chosen]
        distances = {number: 0.0 for number in free}
        for number in free:
            distances[number] = _distance(patch, number)
            if distances[number] >= STANDS_OUT:
                break
        chosen.append(max(free, key=distances.__getitem__))
    for center, letter, number in zip(centers, letters, chosen, strict=True):
        _draw_mark(image, center, letter, PALETTE[number], size)
    return chosen


def _draw_mark(
    image: np.ndarray, center: np.ndarray, letter: str, color: tuple[int, int, int], size: MarkSize
) -> None:
    light = _luminance(color) > 128
    point = tuple(np.rint(np.asarray(center) * 2**_SHIFT).astype(int).tolist())
    outer = (size.radius + size.ring) << _SHIFT
    ring_color = (0, 0, 0) if light else (255, 255, 255)
    cv2.circle(image, point, outer, ring_color, cv2.FILLED, cv2.LINE_AA, _SHIFT)
    cv2.circle(image, point, size.radius << _SHIFT, color[::-1], cv2.FILLED, cv2.LINE_AA, _SHIFT)
    if letter:
        _draw_letter(image, center, letter, size)


def _draw_letter(image: np.ndarray, center: np.ndarray, letter: str, size: MarkSize) -> None:
    """White with a black outline: it can be read on anything."""
    height, width = image.shape[:2]
    x, y = (round(float(value)) for value in center)
    box_width, box_height = _letter_box(letter, size.radius)
    gap = _letter_gap(size.radius, size.ring)
    left = x + gap if x + size.reach < width else x - gap - box_width
    bottom = min(max(y + box_height // 2, box_height + size.ring), height - 1 - size.ring)
    thickness = _stroke(size.radius)
    for color, extra in (((0, 0, 0), 2 * size.ring), ((255, 255, 255), 0)):
        draw_text(
            image, letter, (left, bottom), SIMPLEX, _font_scale(size.radius), color,
            thickness + extra,
        )  # fmt: skip


def _font_scale(radius: int) -> float:
    return 2.0 * radius / CAPITAL_HEIGHT


def _stroke(radius: int) -> int:
    return max(1, round(radius / 4))


def _stroke_reach(radius: int) -> int:
    """How far a stroke reaches beyond the line that it follows, softened edge included."""
    return -(-_stroke(radius) // 2) + 1


def _letter_gap(radius: int, ring: int) -> int:
    """From the centre of a circle to where the lines of its letter begin."""
    return radius + 2 * ring + _stroke_reach(radius)


def _letter_box(letter: str, radius: int) -> tuple[int, int]:
    """(width, height) of a letter in pixels, without its outline."""
    return text_size(letter, SIMPLEX, _font_scale(radius), _stroke(radius))


def _patch_lab(image: np.ndarray, center: np.ndarray, reach: int) -> np.ndarray:
    """CIELAB values (n, 3) of every other pixel of the square that a mark covers, float32."""
    x, y = (round(float(value)) for value in center)
    rows = slice(max(y - reach, 0), y + reach + 1, 2)
    columns = slice(max(x - reach, 0), x + reach + 1, 2)
    patch = image[rows, columns].astype(np.float32) / 255
    return cv2.cvtColor(patch, cv2.COLOR_BGR2LAB).reshape(-1, 3)


def _distance(patch: np.ndarray, number: int) -> float:
    """How far a palette colour is from all but a tenth of the pixels of a patch."""
    distances = np.linalg.norm(patch - _palette_lab()[number], axis=1)
    return float(np.partition(distances, len(distances) // 10)[len(distances) // 10])


def _luminance(color: tuple[int, int, int]) -> float:
    red, green, blue = color
    return 0.299 * red + 0.587 * green + 0.114 * blue


@cache
def _palette_lab() -> np.ndarray:
    """CIELAB values (n, 3) of the palette. OpenCV's first conversion takes as long as to load
    OpenCV: not a thing to do when this is imported."""
    palette = np.array([PALETTE], np.float32) / 255
    return cv2.cvtColor(palette, cv2.COLOR_RGB2LAB).reshape(-1, 3)
