"""What the painters of materials share: noise, tints, shapes in fractions of an image.

Images are (h, w, 3) float32 RGB with values 0..1, first row at the top.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from spatial_engine.utils.pictures.lettering import DUPLEX, draw_text

Painter = Callable[[np.random.Generator, str], np.ndarray]

INK = (0.12, 0.13, 0.18)


def rgb(hex_color: str) -> np.ndarray:
    """(3,) float32 colour of "rrggbb"."""
    return np.array([int(hex_color[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / 255


def soft_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: tuple[int, int]
) -> np.ndarray:
    """(h, w) float32 noise around 0 with standard deviation near 1; seamless, features of `cell`
    = (rows, columns) pixels."""
    rows, columns = (max(2, round(side / step)) for side, step in zip(shape, cell, strict=True))
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    padded = np.pad(coarse, 2, mode="wrap")
    scale = (shape[0] / rows, shape[1] / columns)
    big = (round((columns + 4) * scale[1]), round((rows + 4) * scale[0]))
    image = cv2.resize(padded, big, interpolation=cv2.INTER_CUBIC)
    top, left = round(2 * scale[0]), round(2 * scale[1])
    return image[top : top + shape[0], left : left + shape[1]] * 1.3


def tinted(color: np.ndarray | tuple, brightness: np.ndarray) -> np.ndarray:
    """(h, w, 3) image of one colour, its brightness changed by a factor per pixel."""
    return np.asarray(color, np.float32) * brightness[..., None]


def blank(width: int, height: int, color: str) -> np.ndarray:
    image = np.empty((height, width, 3), np.float32)
    image[:] = rgb(color)
    return image


def fill(image: np.ndarray, x0: float, y0: float, x1: float, y1: float, color) -> None:
    """Fill a rectangle given in fractions of the image."""
    height, width = image.shape[:2]
    rows = slice(round(y0 * height), round(y1 * height))
    image[rows, round(x0 * width) : round(x1 * width)] = color


def disc(image: np.ndarray, x: float, y: float, radius: float, color, thickness: int = -1) -> None:
    """Draw a disc (or ring) at fractions of the image; radius in fractions of its width."""
    height, width = image.shape[:2]
    center = (round(x * width), round(y * height))
    shade = tuple(float(value) for value in color)
    cv2.circle(image, center, round(radius * width), shade, thickness, cv2.LINE_AA)


def polygon(image: np.ndarray, points: list[tuple[float, float]], color) -> None:
    height, width = image.shape[:2]
    pixels = (np.array(points) * (width, height)).round().astype(np.int32)
    cv2.fillPoly(image, [pixels], tuple(float(value) for value in color), cv2.LINE_AA)


def write(image: np.ndarray, text: str, x: float, y: float, scale: float, color=INK) -> None:
    height, width = image.shape[:2]
    shade = tuple(float(value) for value in color)
    place = (round(x * width), round(y * height))
    thick = max(1, round(2 * scale))
    draw_text(image, text, place, DUPLEX, scale, shade, thick)


def sunk_panel(image: np.ndarray, x0: float, y0: float, x1: float, y1: float) -> None:
    """Draw the edges of a sunk panel: dark above and left, bright below and right."""
    height, width = image.shape[:2]
    top, bottom, left, right = (
        round(v) for v in (y0 * height, y1 * height, x0 * width, x1 * width)
    )
    edge = max(3, width // 60)
    image[top:bottom, left:right] *= 0.9
    image[top : top + edge, left:right] *= 0.55
    image[top:bottom, left : left + edge] *= 0.65
    image[bottom - edge : bottom, left:right] *= 1.3
    image[top:bottom, right - edge : right] *= 1.25
