"""Faces of furniture, drawn once and stretched: doors, drawers, appliances, cushions, books."""

from __future__ import annotations

import cv2
import numpy as np

from spatial_engine.sample_data.materials.canvas import (
    INK,
    blank,
    disc,
    fill,
    rgb,
    soft_noise,
    sunk_panel,
    tinted,
    write,
)
from spatial_engine.sample_data.materials.textures import WOODS, fabric, metal, upright_wood, wood


def door(rng: np.random.Generator, kind: str) -> np.ndarray:
    """A door leaf with four sunk panels."""
    image = cv2.resize(upright_wood(rng, kind), (400, 860))
    for y0, y1 in ((0.06, 0.46), (0.54, 0.94)):
        for x0, x1 in ((0.12, 0.46), (0.54, 0.88)):
            sunk_panel(image, x0, y0, x1, y1)
    return image


def front(rng: np.random.Generator, spec: str) -> np.ndarray:
    """A cabinet door "kind-l" or "kind-r" (knob side) or a drawer "kind-d"; kind is a wood or
    "rrggbb"."""
    kind, knob = spec.split("-")
    if kind in WOODS:
        image = cv2.resize(upright_wood(rng, kind)[:512, :512], (360, 480))
    else:
        image = tinted(rgb(kind), 1 + 0.02 * soft_noise(rng, (480, 360), (60, 60)))
    image[:6] = image[-6:] = image[:, :6] = image[:, -6:] = 0.35 * image.mean()
    sunk_panel(image, 0.1, 0.08, 0.9, 0.92)
    if knob == "d":
        fill(image, 0.38, 0.44, 0.62, 0.56, (0.25, 0.24, 0.23))
        fill(image, 0.38, 0.44, 0.62, 0.48, (0.8, 0.8, 0.78))
    else:
        x = 0.84 if knob == "r" else 0.12
        fill(image, x, 0.42, x + 0.04, 0.6, (0.8, 0.8, 0.78))
    return image


def spine(rng: np.random.Generator, number: str) -> np.ndarray:
    """Back of a book: title, bands; the number only chooses."""
    palette = ("7a1f2b", "1f4e79", "2e6b3e", "c98b1e", "3b2f63", "d9d2c0", "1c1c1f", "b5502f")
    image = blank(72, 320, palette[int(number) % len(palette)])
    image *= rng.uniform(0.8, 1.2)
    ink = rgb("f3e3b0") if image.mean() < 0.5 else rgb("30343f")
    for y in (0.06, 0.12, 0.88):
        if rng.uniform() < 0.8:
            fill(image, 0, y, 1, y + 0.02, ink)
    along = np.ascontiguousarray(image.transpose(1, 0, 2)[::-1])
    letters = "".join(chr(int(c)) for c in rng.integers(65, 91, int(rng.integers(4, 9))))
    write(along, letters, 0.2, 0.66, 1.0, ink)
    image[:] = along[::-1].transpose(1, 0, 2)
    return image * np.linspace(0.86, 1.08, 72, dtype=np.float32)[None, :, None]


def appliance(rng: np.random.Generator, name: str) -> np.ndarray:
    """Fronts and tops of machines: "fridge", "oven", "hob", "keyboard", "radiator", "sink"."""
    if name == "fridge":
        image = cv2.resize(metal(rng, "c9ced1"), (400, 1000))
        fill(image, 0, 0.33, 1, 0.34, (0.2, 0.2, 0.2))
        for y0, y1 in ((0.15, 0.31), (0.36, 0.6)):
            fill(image, 0.08, y0, 0.12, y1, (0.3, 0.3, 0.32))
        for x, y, color in ((0.5, 0.1, "d8402b"), (0.7, 0.16, "f0b429"), (0.6, 0.45, "2a9d8f")):
            fill(image, x, y, x + 0.13, y + 0.05, rgb(color))
        return image
    if name == "oven":
        image = blank(400, 480, "d7dadb")
        fill(image, 0.08, 0.28, 0.92, 0.9, (0.08, 0.08, 0.09))
        fill(image, 0.15, 0.36, 0.85, 0.8, (0.16, 0.13, 0.11))
        fill(image, 0.1, 0.2, 0.9, 0.24, (0.45, 0.45, 0.47))
        for x in (0.15, 0.3, 0.7, 0.85):
            disc(image, x, 0.1, 0.05, INK)
        return image
    if name == "hob":
        image = blank(400, 400, "18181b")
        for x, y, radius in ((0.28, 0.3, 0.14), (0.72, 0.3, 0.18), (0.28, 0.72, 0.18)):
            disc(image, x, y, radius, (0.5, 0.5, 0.52), 4)
        disc(image, 0.72, 0.72, 0.14, rgb("b03a2e"), 4)
        return image
    if name == "keyboard":
        image = blank(440, 160, "26282b")
        for row in range(5):
            for column in range(15):
                x, y = 0.02 + column * 0.0645, 0.07 + row * 0.18
                fill(image, x, y, x + 0.055, y + 0.145, (0.42, 0.43, 0.45))
        return image
    if name == "radiator":
        image = blank(640, 320, "eceae4")
        shade = 0.8 + 0.25 * np.abs(np.sin(np.arange(640) * np.pi / 32))
        return image * shade[None, :, None].astype(np.float32)
    image = cv2.resize(metal(rng, "aeb4b8"), (500, 400))
    sunk_panel(image, 0.1, 0.1, 0.9, 0.9)
    disc(image, 0.5, 0.55, 0.05, INK)
    return image


def cushion(rng: np.random.Generator, color: str) -> np.ndarray:
    """One face of a cushion or mattress: cloth, darker at the seams."""
    image = fabric(rng, color)
    ramp = np.minimum(np.arange(512), np.arange(512)[::-1]) / 60
    seam = np.clip(ramp, 0, 1) ** 0.5
    return image * (0.6 + 0.4 * np.minimum(seam[:, None], seam[None, :]))[..., None].astype("f4")


def board(rng: np.random.Generator, kind: str) -> np.ndarray:
    """A table top: planks side by side."""
    grain = wood(rng, kind)
    planks = [grain[110 * k : 110 * k + 170] * rng.uniform(0.9, 1.08) for k in (0, 3, 1, 2)]
    image = np.concatenate(planks)
    image[::170] *= 0.5
    return image
