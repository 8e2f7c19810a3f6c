"""Flat faces and the solids made of them; everything in a sample room is a list of `Quad`.

Furniture is built in a frame of its own: x right, y away from the viewer, z up, metres; its front
looks towards -y. `moved` puts it into the room.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True)
class Quad:
    """A flat, convex face with four corners.

    corners: (4, 3) metres, counter-clockwise seen from outside; from corner 0 to 1 is the
    material's right, from 1 to 2 its up. `shift` (metres) moves a repeating material on the face.
    """

    corners: np.ndarray
    material: str
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass
class Thing:
    """What an annotator would call one object. A label of None stays unannotated."""

    label: str | None
    quads: list[Quad] = field(default_factory=list)


def box(
    size: tuple[float, float, float],
    at: tuple[float, float, float],
    material: str,
    **faces: str,
) -> list[Quad]:
    """Six faces of a box of size (x, y, z) whose bottom centre is `at`.

    `faces` names other materials for front, back, left, right, top, bottom.
    """
    half = np.array([size[0] / 2, size[1] / 2, 0])
    low, high = np.array(at) - half, np.array(at) + half + (0, 0, size[2])
    corners = {
        "front": ("lll", "hll", "hlh", "llh"),
        "back": ("hhl", "lhl", "lhh", "hhh"),
        "left": ("lhl", "lll", "llh", "lhh"),
        "right": ("hll", "hhl", "hhh", "hlh"),
        "top": ("llh", "hlh", "hhh", "lhh"),
        "bottom": ("lhl", "hhl", "hll", "lll"),
    }
    return [
        Quad(
            np.array([[(low, high)[c == "h"][k] for k, c in enumerate(code)] for code in codes]),
            faces.get(name, material),
        )
        for name, codes in corners.items()
    ]


def panel(width: float, height: float, at: tuple[float, float, float], material: str) -> list[Quad]:
    """One upright face that looks to the front, bottom centre `at`."""
    x, y, z = at
    left, right, top = x - width / 2, x + width / 2, z + height
    return [
        Quad(np.array([[left, y, z], [right, y, z], [right, y, top], [left, y, top]]), material)
    ]


def prism(
    sides: int,
    radii: tuple[float, float],
    height: float,
    at: tuple[float, float, float],
    material: str,
    top: str | None = None,
) -> list[Quad]:
    """A drum or cone with an even number of sides and radii at bottom and top; `top` None: open."""
    angles = np.arange(sides) * 2 * np.pi / sides
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(sides)], 1)
    low = np.array(at) + radii[0] * ring
    high = np.array(at) + radii[1] * ring + (0, 0, height)
    quads = [
        Quad(np.stack([low[i - 1], low[i], high[i], high[i - 1]]), material) for i in range(sides)
    ]
    if top is not None:
        for i in range(sides // 2 - 1):
            index = [sides - 1 - i, i, i + 1, sides - 2 - i]
            quads.append(Quad(high[index], top))
    return quads


def tilted(quads: Iterable[Quad], angle: float, pivot: tuple[float, float, float]) -> list[Quad]:
    """Lean backwards (away from the viewer) by degrees around the x direction through `pivot`."""
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    rotation = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    center = np.array(pivot)
    return [replace(q, corners=(q.corners - center) @ rotation.T + center) for q in quads]


def moved(
    quads: Iterable[Quad], turn: float, at: tuple[float, float, float] | np.ndarray
) -> list[Quad]:
    """Turn counter-clockwise (seen from above) by degrees around z, then shift by `at`."""
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return [replace(q, corners=q.corners @ rotation.T + np.asarray(at)) for q in quads]
