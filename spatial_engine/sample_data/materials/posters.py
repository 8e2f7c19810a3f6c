"""Pictures to hang: eight motifs that tell walls and directions apart."""

from __future__ import annotations

import numpy as np

from spatial_engine.sample_data.materials.canvas import (
    INK,
    blank,
    disc,
    fill,
    polygon,
    rgb,
    soft_noise,
    write,
)


def poster(rng: np.random.Generator, name: str) -> np.ndarray:
    """A print of 0.6 : 0.8 with a white margin; see `MOTIFS` for the names."""
    inner = blank(540, 740, "f2efe6")
    MOTIFS[name](inner, rng)
    image = blank(600, 800, "fbfaf6")
    image[30:770, 30:570] = inner
    return image


def mountains_motif(image: np.ndarray, rng: np.random.Generator) -> None:
    image[:] = np.linspace(rgb("f6c38b"), rgb("6aa5c8"), image.shape[0])[::-1, None]
    disc(image, 0.7, 0.25, 0.12, rgb("fff3c4"))
    for level, color in ((0.45, "8296b4"), (0.6, "546a8c"), (0.75, "2f4a55"), (0.88, "1b2f2c")):
        across = np.linspace(0, 1, 12)
        ridge = level + 0.11 * rng.standard_normal(12)
        polygon(image, [(0, 1), *zip(across, ridge, strict=True), (1, 1)], rgb(color))


def circles_motif(image: np.ndarray, rng: np.random.Generator) -> None:
    colors = [rgb(c) for c in ("d8402b", "f0b429", "1f5fa8", "222222", "3f8f6b")]
    for row in range(4):
        for column in range(3):
            first, second = rng.choice(5, 2, replace=False)
            x, y = (column + 0.5) / 3, (row + 0.5) / 4
            box = (column / 3, row / 4, (column + 1) / 3, (row + 1) / 4)
            fill(image, *box, colors[first] * 0.35 + 0.62)
            disc(image, x, y, 0.14, colors[first])
            disc(image, x, y, 0.06 + 0.03 * rng.uniform(), colors[second])


def portrait_motif(image: np.ndarray, rng: np.random.Generator) -> None:
    image[:] = rgb("2f5d62")
    polygon(image, [(0.1, 1), (0.25, 0.72), (0.75, 0.72), (0.9, 1)], rgb("c8553d"))
    fill(image, 0.42, 0.58, 0.58, 0.76, rgb("d9a47f"))
    disc(image, 0.5, 0.36, 0.27, rgb("3a2418"))
    disc(image, 0.5, 0.43, 0.22, rgb("e8b994"))
    for x in (0.42, 0.58):
        disc(image, x, 0.41, 0.03, (1, 1, 1))
        disc(image, x, 0.41, 0.016, INK)
    fill(image, 0.43, 0.525, 0.57, 0.54, rgb("a8403a"))


def map_motif(image: np.ndarray, rng: np.random.Generator) -> None:
    image[:] = rgb("9fc9dd")
    relief = soft_noise(rng, image.shape[:2], (130, 130))
    relief += 0.4 * soft_noise(rng, image.shape[:2], (30, 30))
    for level, color in ((0.1, "e5d9a8"), (0.5, "b9cf8a"), (1.0, "8aa866"), (1.6, "a98a62")):
        image[relief > level] = rgb(color)
    for line in range(1, 6):
        fill(image, line / 6, 0, line / 6 + 0.003, 1, rgb("5c7f93"))
        fill(image, 0, line / 6, 1, line / 6 + 0.002, rgb("5c7f93"))
    write(image, "TERRA NOVA", 0.12, 0.95, 1.5)


def letters_motif(image: np.ndarray, rng: np.random.Generator) -> None:
    image[:] = rgb("f4d35e")
    write(image, "look", 0.06, 0.26, 5.2, rgb("0d3b66"))
    write(image, "twice", 0.06, 0.52, 4.2, rgb("ee5a36"))
    write(image, "then", 0.06, 0.74, 4.2, rgb("0d3b66"))
    write(image, "move", 0.06, 0.95, 4.2, rgb("2a9d6f"))


def ship_motif(image: np.ndarray, rng: np.random.Generator) -> None:
    image[:] = rgb("d6e4ea")
    disc(image, 0.25, 0.2, 0.1, rgb("e76f51"))
    polygon(image, [(0.48, 0.18), (0.48, 0.6), (0.12, 0.6)], rgb("ffffff"))
    polygon(image, [(0.52, 0.12), (0.52, 0.6), (0.88, 0.6)], rgb("c1272d"))
    polygon(image, [(0.1, 0.64), (0.9, 0.64), (0.74, 0.76), (0.26, 0.76)], rgb("5b3a29"))
    for wave in range(5):
        fill(image, 0, 0.77 + 0.05 * wave, 1, 0.8 + 0.05 * wave, rgb("1d5c85"))


def flower_motif(image: np.ndarray, rng: np.random.Generator) -> None:
    image[:] = rgb("1f2a44")
    fill(image, 0.49, 0.4, 0.51, 1, rgb("5a9367"))
    polygon(image, [(0.5, 0.85), (0.25, 0.7), (0.3, 0.85)], rgb("5a9367"))
    for angle in np.linspace(0, 2 * np.pi, 9)[:-1]:
        x, y = 0.5 + 0.19 * np.cos(angle), 0.35 + 0.14 * np.sin(angle)
        disc(image, x, y, 0.1, rgb("e86a92"))
    disc(image, 0.5, 0.35, 0.11, rgb("f7d154"))


def bands_motif(image: np.ndarray, rng: np.random.Generator) -> None:
    colors = ("264653", "2a9d8f", "e9c46a", "f4a261", "e76f51")
    for number in range(15):
        shift = 0.22 * number
        points = [(0, shift - 1.2), (1, shift - 2.2), (1, shift - 1.98), (0, shift - 0.98)]
        polygon(image, points, rgb(colors[number % 5]))


MOTIFS = {
    "mountains": mountains_motif,
    "circles": circles_motif,
    "portrait": portrait_motif,
    "map": map_motif,
    "letters": letters_motif,
    "ship": ship_motif,
    "flower": flower_motif,
    "bands": bands_motif,
}
