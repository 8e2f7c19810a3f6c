"""Faces to look at, drawn once and stretched: views, screens, boards, rugs, things of paper."""

from __future__ import annotations

import cv2
import numpy as np

from spatial_engine.sample_data.materials.canvas import (
    INK,
    Painter,
    blank,
    disc,
    fill,
    polygon,
    rgb,
    soft_noise,
    tinted,
    write,
)
from spatial_engine.sample_data.materials.fronts import (
    appliance,
    board,
    cushion,
    door,
    front,
    spine,
)
from spatial_engine.sample_data.materials.posters import MOTIFS, poster


def view(rng: np.random.Generator, name: str) -> np.ndarray:
    """What is seen through a window: "hills" or "town"."""
    image = np.empty((600, 800, 3), np.float32)
    image[:] = np.linspace(rgb("7fb4e6"), rgb("e6f1f7"), 600)[:, None]
    clouds = np.clip(soft_noise(rng, (600, 800), (60, 150)), 0, 1.5)[..., None] / 1.5
    image[:] = image * (1 - 0.7 * clouds) + 0.7 * clouds
    across = np.linspace(0, 1, 40)
    if name == "hills":
        for level, color in ((0.55, "a9c3a0"), (0.66, "7ea672"), (0.78, "55803f")):
            ridge = level + 0.05 * np.sin(across * rng.uniform(5, 9) + rng.uniform(0, 6))
            polygon(image, [(0, 1), *zip(across, ridge, strict=True), (1, 1)], rgb(color))
        for _ in range(14):
            x, y, size = rng.uniform(0, 1), rng.uniform(0.75, 0.95), rng.uniform(0.02, 0.05)
            fill(image, x, y - size, x + 0.008, y + size, rgb("5a4632"))
            disc(image, x, y - 1.5 * size, size, rgb("3c6b33") * rng.uniform(0.8, 1.3))
        return image
    for left in np.arange(0, 1, 0.125):
        top, color = rng.uniform(0.3, 0.6), rgb("b08d79") * rng.uniform(0.6, 1.2)
        fill(image, left, top, left + 0.12, 1, color)
        for y in np.arange(top + 0.04, 0.98, 0.09):
            for x in (left + 0.02, left + 0.07):
                lit = rgb("f5dd8f") if rng.uniform() < 0.25 else rgb("39495c")
                fill(image, x, y, x + 0.03, y + 0.05, lit)
    return image


def screen(rng: np.random.Generator, name: str) -> np.ndarray:
    """A monitor ("desktop", "code") or a television ("film")."""
    image = blank(640, 400, "1d3557")
    if name == "film":
        MOTIFS["ship"](image, rng)
        fill(image, 0, 0, 1, 0.1, (0.01, 0.01, 0.01))
        fill(image, 0, 0.9, 1, 1, (0.01, 0.01, 0.01))
    elif name == "code":
        image[:] = rgb("16181d")
        for line in range(22):
            x, colors = 0.03 + 0.04 * int(rng.integers(4)), ("7fc8a9", "e2b35b", "8ab4f8", "d0d0d0")
            for _ in range(int(rng.integers(1, 5))):
                width = rng.uniform(0.04, 0.15)
                y = 0.03 + line * 0.044
                fill(image, x, y, x + width, y + 0.022, rgb(colors[int(rng.integers(4))]))
                x += width + 0.015
    else:
        image[:] = np.linspace(rgb("3a7ca5"), rgb("81c3d7"), 400)[:, None]
        fill(image, 0.1, 0.12, 0.62, 0.8, (0.96, 0.96, 0.96))
        fill(image, 0.1, 0.12, 0.62, 0.18, rgb("30475e"))
        for line in range(9):
            y = 0.24 + 0.06 * line
            fill(image, 0.14, y, 0.14 + rng.uniform(0.2, 0.44), y + 0.02, (0.45, 0.45, 0.5))
        fill(image, 0.68, 0.2, 0.94, 0.55, rgb("f4a261"))
        fill(image, 0, 0.94, 1, 1, (0.1, 0.1, 0.14))
    image[:8] = image[-8:] = image[:, :8] = image[:, -8:] = 0.03
    return image


def whiteboard(rng: np.random.Generator, name: str) -> np.ndarray:
    """A board with a plot, boxes with arrows and some words."""
    image = blank(1200, 700, "f1f3f3")
    fill(image, 0.06, 0.12, 0.064, 0.6, rgb("20509e"))
    fill(image, 0.06, 0.6, 0.38, 0.606, rgb("20509e"))
    across = np.linspace(0, 1, 60)
    curve = np.stack([0.06 + 0.3 * across, 0.58 - 0.4 * across**2 - 0.03 * np.sin(20 * across)], 1)
    pixels = (curve * (1200, 700)).astype(np.int32)
    cv2.polylines(image, [pixels], False, (0.8, 0.15, 0.15), 5, cv2.LINE_AA)
    for number, word in enumerate(("scan", "pose", "depth")):
        x = 0.46 + 0.18 * number
        fill(image, x, 0.2, x + 0.13, 0.38, rgb("2a7f4f"))
        fill(image, x + 0.006, 0.21, x + 0.124, 0.37, rgb("f1f3f3"))
        write(image, word, x + 0.015, 0.31, 1.5)
        if number:
            fill(image, x - 0.045, 0.285, x - 0.005, 0.295, INK)
    write(image, "MONDAY 10:30", 0.46, 0.6, 2.0, rgb("c1272d"))
    write(image, "x' = R x + t", 0.46, 0.8, 2.2, rgb("20509e"))
    return image


def rug(rng: np.random.Generator, name: str) -> np.ndarray:
    """A rug: "checker", "persian" or "rings"."""
    image = blank(800, 560, "efe6d2")
    if name == "checker":
        colors = [rgb(c) for c in ("24495e", "efe6d2", "c8553d")]
        for row in range(7):
            for column in range(10):
                color = colors[(row + column) % 2 + (row * column % 4 == 3)]
                fill(image, column / 10, row / 7, (column + 1) / 10, (row + 1) / 7, color)
    elif name == "persian":
        for inset, color in (
            (0, "5c1a1b"),
            (0.03, "d9b382"),
            (0.05, "1f2f4a"),
            (0.12, "d9b382"),
            (0.135, "8c2f2b"),
        ):
            fill(image, 0.7 * inset, inset, 1 - 0.7 * inset, 1 - inset, rgb(color))
        for x in np.linspace(0.07, 0.93, 22):
            for y in (0.085, 0.915):
                disc(image, x, y, 0.012, rgb("d9b382"))
        for size, color in ((0.36, "1f2f4a"), (0.3, "d9b382"), (0.26, "2f5d62"), (0.1, "d9b382")):
            tall = size * 1.05
            points = [(0.5 - size, 0.5), (0.5, 0.5 - tall), (0.5 + size, 0.5), (0.5, 0.5 + tall)]
            polygon(image, points, rgb(color))
    else:
        for radius, color in ((0.62, "35524a"), (0.5, "efe6d2"), (0.4, "d98f3f"), (0.28, "35524a")):
            disc(image, 0.3, 0.5, radius * 0.6, rgb(color))
            disc(image, 0.75, 0.35, radius * 0.4, rgb(color))
    return image * (1 + 0.08 * soft_noise(rng, (560, 800), (2, 2)))[..., None]


def paper(rng: np.random.Generator, name: str) -> np.ndarray:
    """Things of paper: "clock" (its face), "calendar", "carton", "sheet"."""
    if name == "clock":
        image = blank(320, 320, "f7f5ee")
        disc(image, 0.5, 0.5, 0.48, INK, 10)
        for hour in range(12):
            angle = hour * np.pi / 6
            x, y = 0.5 + 0.4 * np.sin(angle), 0.5 - 0.4 * np.cos(angle)
            disc(image, x, y, 0.018, INK)
        polygon(image, [(0.49, 0.5), (0.51, 0.5), (0.7, 0.3)], INK)
        polygon(image, [(0.49, 0.5), (0.5, 0.52), (0.22, 0.38)], rgb("c1272d"))
        return image
    if name == "calendar":
        image = blank(300, 400, "fdfdfb")
        fill(image, 0, 0, 1, 0.4, rgb("6aa5c8"))
        disc(image, 0.3, 0.25, 0.12, rgb("fff3c4"))
        for row in range(5):
            for column in range(7):
                x, y = 0.06 + column * 0.13, 0.46 + row * 0.1
                color = rgb("c1272d") if column == 6 else (0.7, 0.72, 0.75)
                fill(image, x, y, x + 0.09, y + 0.07, color)
        return image
    if name == "carton":
        image = tinted(rgb("b58a5c"), 1 + 0.05 * soft_noise(rng, (300, 400), (300, 4)))
        fill(image, 0.45, 0, 0.55, 1, rgb("cdb08a"))
        write(image, "BOX", 0.08, 0.85, 1.4)
        return image
    image = blank(300, 420, "fafafa")
    for line in range(14):
        y = 0.1 + 0.06 * line
        fill(image, 0.1, y, 0.1 + rng.uniform(0.4, 0.8), y + 0.02, (0.4, 0.4, 0.45))
    return image


# name -> painter; a material is written "name:argument"
PICTURES: dict[str, Painter] = {
    "poster": poster,
    "view": view,
    "door": door,
    "front": front,
    "spine": spine,
    "screen": screen,
    "whiteboard": whiteboard,
    "rug": rug,
    "appliance": appliance,
    "paper": paper,
    "cushion": cushion,
    "board": board,
}
