"""Checks a picture with the one dot of a movement question against the frame it was made from.

How docs/spec.md was read where it leaves a choice, by section:
- 9.4 radius image width // 100, at least 1; dots of less than SMALL px are judged by their centre.
"""

from __future__ import annotations

import numpy as np

from spatial_engine.audit.oracles.marks import (
    CENTRE_TOLERANCE,
    COLOUR_TOLERANCE,
    CORE_OUTLIERS,
    CUT_TOLERANCE,
    MEAN_FACTOR,
    MEAN_SLACK,
    MIN_CONTRAST,
    PAINTED,
    Mark,
    colour_text,
    difference,
    distances,
    encoded_once,
    find_circle,
)

SMALL = 3  # px; the colour of smaller dots does not survive JPEG
SMALL_CONTRAST = 20
RADIUS_TOLERANCE = 1.0  # px; half by ways to draw a circle, half by finding it (600 of 600 dots)
JPEG_REACH = 24  # px; how far a mark may disturb a JPEG: the diagonal of its blocks


def dot_radius(width: int) -> int:
    """Radius in px of a dot in an image so wide."""
    return max(1, width // 100)


def dot_margin(width: int) -> int:
    """How far in px from the border the engine keeps a dot, so that all of it shows."""
    radius = dot_radius(width)
    return radius + max(2, round(0.2 * radius)) + 1


def check_dot(
    picture: np.ndarray, source: np.ndarray, colour: np.ndarray, centre: np.ndarray
) -> list[str]:
    """Complaints about a picture with one dot, beside the frame it was made from.

    picture, source: (H, W, 3) int64 RGB of one size; colour: (3,) int; centre: (2,) float u, v.
    """
    height, width = source.shape[:2]
    radius = dot_radius(width)
    where = f"({centre[0]:.2f}, {centre[1]:.2f})"
    column = int(np.clip(np.rint(centre[0]), 0, width - 1))
    row = int(np.clip(np.rint(centre[1]), 0, height - 1))
    there, before = picture[row, column], source[row, column]
    distance = distances(source.shape, centre)
    complaints = []
    if radius < SMALL:
        towards = int(((there - before) * (colour - before)).sum())
        if difference(there, before) < SMALL_CONTRAST or towards <= 0:
            texts = f"{colour_text(there)}, in the frame {colour_text(before)}"
            complaints.append(f"dot: the pixel at {where} is {texts}, dot {colour_text(colour)}")
    else:
        if difference(there, colour) > COLOUR_TOLERANCE:
            texts = f"{colour_text(there)}, the dot {colour_text(colour)}"
            complaints.append(f"dot: the pixel at {where} is {texts}")
        core = distance <= radius - 3
        outliers = difference(picture[core], colour) > COLOUR_TOLERANCE
        if outliers.sum() > CORE_OUTLIERS * core.sum():
            complaints.append(f"dot: {outliers.sum()} of {core.sum()} pixels are of other colour")
        if np.median(difference(source[distance <= radius], colour)) < MIN_CONTRAST:
            complaints.append(f"dot: {colour_text(colour)} does not stand out at {where}")
        complaints += _check_circle(picture, source, colour, centre, radius)
    return complaints + _check_rest(picture, source, distance, radius)


def _check_circle(
    picture: np.ndarray, source: np.ndarray, colour: np.ndarray, centre: np.ndarray, radius: int
) -> list[str]:
    """Where the dot is, and how large."""
    height, width = source.shape[:2]
    mark = Mark("dot", colour, centre[None], np.zeros(2), lettered=False)
    judged = np.ones((height, width), dtype=bool)
    circle = find_circle(picture, source, mark, centre, judged, radius)
    if circle is None:
        return ["dot: no circle is there"]
    off = float(np.hypot(*(circle.centre - centre)))
    border = min(centre[0], centre[1], width - 1 - centre[0], height - 1 - centre[1])
    complaints = []
    if off > (CUT_TOLERANCE if border < radius + 1 else CENTRE_TOLERANCE):
        found = f"({circle.centre[0]:.2f}, {circle.centre[1]:.2f})"
        complaints.append(f"dot: centred at {found}, {off:.2f} px from its point")
    if abs(circle.radius - radius) > RADIUS_TOLERANCE:
        complaints.append(f"dot: radius {circle.radius:g} px, expected {radius}")
    return complaints


def _check_rest(
    picture: np.ndarray, source: np.ndarray, distance: np.ndarray, radius: int
) -> list[str]:
    """Away from the dot and the ring around it the picture is the frame, encoded once."""
    again = encoded_once(source)
    changed = np.minimum(difference(picture, source), difference(picture, again))
    edge = radius + max(3.0, 0.3 * radius) + 1
    near = (distance > edge + 1) & (changed > 2 * PAINTED)
    far = distance > edge + JPEG_REACH
    painted = near | (far & (changed > PAINTED))
    complaints = []
    if painted.any():
        row, column = np.argwhere(painted)[0]
        texts = (
            f"{colour_text(picture[row, column])}, in the frame {colour_text(source[row, column])}"
        )
        first = f"first ({column}, {row}): {texts}"
        complaints.append(f"image: {painted.sum()} pixels are painted beside the dot, {first}")
    if far.any():
        found = float(np.abs(picture - source)[far].mean())
        allowed = MEAN_FACTOR * float(np.abs(again - source)[far].mean()) + MEAN_SLACK
        if found > allowed:
            texts = f"{found:.2f} mean difference from the frame, one encoding allows {allowed:.2f}"
            complaints.append(f"image: {texts}")
    return complaints
