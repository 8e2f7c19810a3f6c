"""Materials that repeat over a surface: wood, tiles, bricks, cloth, paint.

Every painter is a function of a generator and an argument and returns an image (see `canvas`)
that tiles seamlessly. How many metres one tile covers is in `TILES`.
"""

from __future__ import annotations

import cv2
import numpy as np

from spatial_engine.sample_data.materials.canvas import Painter, rgb, soft_noise, tinted

WOODS = {
    "oak": (0.70, 0.51, 0.31),
    "walnut": (0.38, 0.24, 0.15),
    "pine": (0.85, 0.68, 0.45),
    "cherry": (0.56, 0.28, 0.17),
    "ash": (0.78, 0.70, 0.58),
    "black": (0.13, 0.12, 0.12),
}


def plaster(rng: np.random.Generator, color: str) -> np.ndarray:
    """Painted wall: rolled paint with faint patches."""
    shape = (512, 512)
    tone = 1 + 0.012 * soft_noise(rng, shape, (90, 90)) + 0.018 * soft_noise(rng, shape, (5, 5))
    return tinted(rgb(color), tone)


def wood(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Sawn wood, grain along the rows of the image."""
    shape = (512, 1024)
    warp = soft_noise(rng, shape, (120, 400))
    rings = np.sin(np.arange(shape[0], dtype=np.float32)[:, None] * (2 * np.pi * 14 / 512) + warp)
    pores = soft_noise(rng, shape, (3, 90))
    return tinted(WOODS[kind], 1 + 0.07 * rings + 0.06 * pores + 0.05 * warp)


def upright_wood(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Sawn wood, grain along the columns of the image."""
    return np.ascontiguousarray(wood(rng, kind).transpose(1, 0, 2))


def parquet(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Boards 9 cm wide with staggered joints (1.8 m x 1.08 m)."""
    height, width, boards = 768, 1024, 12
    image = np.empty((height, width, 3), np.float32)
    grain = wood(rng, kind)
    edges = np.linspace(0, height, boards + 1).round().astype(int)
    for row in range(boards):
        top, bottom = edges[row], edges[row + 1]
        joint = int(rng.integers(width))
        for half in range(2):
            columns = (joint + half * width // 2 + np.arange(width // 2)) % width
            start = int(rng.integers(512 - (bottom - top)))
            board = grain[start : start + bottom - top, : width // 2] * rng.uniform(0.78, 1.16)
            board[:, :2] *= 0.45
            image[top:bottom, columns] = board
        image[top : top + 2] *= 0.5
    return image


def floor_tiles(rng: np.random.Generator, colors: str) -> np.ndarray:
    """4 x 4 ceramic tiles in two colours "rrggbb-rrggbb", chequered (1.6 m x 1.6 m)."""
    side = 192
    pair = [rgb(color) for color in colors.split("-")]
    image = np.empty((4 * side, 4 * side, 3), np.float32)
    clouds = soft_noise(rng, image.shape[:2], (40, 60))
    for row in range(4):
        for column in range(4):
            tile = np.s_[row * side : (row + 1) * side, column * side : (column + 1) * side]
            color = pair[(row + column) % 2] * rng.uniform(0.92, 1.06)
            image[tile] = tinted(color, 1 + 0.05 * clouds[tile])
            image[tile][:3] = image[tile][:, :3] = 0.42
            image[tile][3:6] *= 1.08
    return image


def wall_tiles(rng: np.random.Generator, color: str) -> np.ndarray:
    """Glazed tiles 15 cm wide, rows shifted by half (0.9 m x 0.6 m)."""
    height, width, rows = 448, 672, 8
    image = tinted(rgb(color), 1 + 0.03 * soft_noise(rng, (height, width), (30, 40)))
    step, length = height // rows, width // 6
    for row in range(rows):
        band = image[row * step : (row + 1) * step]
        for column in range(6):
            start = column * length + (row % 2) * length // 2
            columns = (start + np.arange(length)) % width
            band[:, columns] *= rng.uniform(0.9, 1.06)
            band[:, columns[:4]] = 0.62
        band[:4] = 0.62
    return image


def brick(rng: np.random.Generator, color: str) -> np.ndarray:
    """Brickwork, bricks 22 cm x 7.5 cm with mortar (1.76 m x 1.2 m)."""
    height, width, rows, columns = 768, 1024, 16, 8
    image = np.full((height, width, 3), 0.66, np.float32)
    step, length = height // rows, width // columns
    rough = soft_noise(rng, (height, width), (4, 4)) + soft_noise(rng, (height, width), (20, 30))
    for row in range(rows):
        for column in range(columns):
            start = column * length + (row % 2) * length // 2
            across = (start + np.arange(5, length)) % width
            tone = rng.uniform(0.72, 1.2)
            warm = np.array([1, rng.uniform(0.95, 1.04), rng.uniform(0.92, 1.04)], np.float32)
            image[row * step + 5 : (row + 1) * step, across] = rgb(color) * tone * warm
    return image * (1 + 0.06 * rough)[..., None]


def wallpaper(rng: np.random.Generator, spec: str) -> np.ndarray:
    """Striped paper with a small flower in every other stripe; spec "rrggbb-rrggbb" (0.6 m)."""
    size = 480
    ground, figure = (rgb(color) for color in spec.split("-"))
    image = np.empty((size, size, 3), np.float32)
    stripes = (np.arange(size) // 60) % 2
    image[:] = np.where(stripes[None, :, None] == 0, ground, 0.72 * ground + 0.28 * figure)
    for column in range(1, 8, 2):
        for row in range(4):
            center = (column * 60 + 30, row * 120 + 60 * (column // 2 % 2) + 30)
            for angle in range(0, 360, 60):
                offset = 13 * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
                petal = tuple(int(v) for v in np.round(np.add(center, offset)))
                cv2.circle(image, petal, 7, figure.tolist(), -1, cv2.LINE_AA)
            cv2.circle(image, center, 6, (0.9, 0.75, 0.3), -1, cv2.LINE_AA)
    return image * (1 + 0.015 * soft_noise(rng, (size, size), (4, 4)))[..., None]


def carpet(rng: np.random.Generator, color: str) -> np.ndarray:
    """Cut pile: speckles and flattened patches (1 m)."""
    shape = (512, 512)
    tone = 1 + 0.10 * soft_noise(rng, shape, (2, 2)) + 0.05 * soft_noise(rng, shape, (60, 60))
    return tinted(rgb(color), tone)


def fabric(rng: np.random.Generator, color: str) -> np.ndarray:
    """Plain woven cloth (0.5 m)."""
    size = 512
    thread = np.sin(np.arange(size, dtype=np.float32) * (2 * np.pi * 64 / size))
    weave = thread[:, None] * thread[None, :]
    tone = 1 + 0.09 * weave + 0.05 * soft_noise(rng, (size, size), (50, 50))
    return tinted(rgb(color), tone + 0.05 * soft_noise(rng, (size, size), (3, 12)))


def plaid(rng: np.random.Generator, spec: str) -> np.ndarray:
    """Checked cloth in two colours "rrggbb-rrggbb" (0.5 m)."""
    size = 512
    ground, figure = (rgb(color) for color in spec.split("-"))
    at = np.arange(size)
    band = (at % 256 < 96) * 0.5 + ((at % 256 > 140) & (at % 256 < 156)) * 0.35
    mix = np.clip(band[:, None] + band[None, :], 0, 1)[..., None].astype(np.float32)
    image = ground * (1 - mix) + figure * mix
    return image * (1 + 0.05 * soft_noise(rng, (size, size), (3, 3)))[..., None]


def dotted(rng: np.random.Generator, spec: str) -> np.ndarray:
    """Cloth with dots of mixed sizes, "rrggbb-rrggbb" (0.8 m)."""
    size = 512
    ground, figure = (rgb(color) for color in spec.split("-"))
    image = np.empty((size, size, 3), np.float32)
    image[:] = ground
    for row in range(8):
        for column in range(8):
            center = (column * 64 + 16 + 32 * (row % 2), row * 64 + 32)
            radius = int(rng.integers(7, 17))
            shade = (figure * rng.uniform(0.7, 1.15)).tolist()
            cv2.circle(image, center, radius, shade, -1, cv2.LINE_AA)
    return image * (1 + 0.04 * soft_noise(rng, (size, size), (40, 40)))[..., None]


def metal(rng: np.random.Generator, color: str) -> np.ndarray:
    """Brushed metal (0.8 m)."""
    shape = (256, 256)
    return tinted(rgb(color), 1 + 0.03 * soft_noise(rng, shape, (2, 60)))


def stone(rng: np.random.Generator, color: str) -> np.ndarray:
    """Counter top: veins and speckles (1.2 m)."""
    shape = (512, 512)
    veins = 1 - np.abs(np.tanh(3 * soft_noise(rng, shape, (80, 120))))
    tone = 1 - 0.22 * veins**3 + 0.08 * soft_noise(rng, shape, (3, 3))
    return tinted(rgb(color), tone)


def curtain(rng: np.random.Generator, color: str) -> np.ndarray:
    """Cloth in vertical folds (0.6 m)."""
    shape = (256, 384)
    across = np.arange(shape[1], dtype=np.float32) * (2 * np.pi / shape[1])
    folds = 0.16 * np.sin(5 * across) + 0.09 * np.sin(3 * across + 1)
    return tinted(rgb(color), 1 + folds[None] + 0.03 * soft_noise(rng, shape, (60, 3)))


def slats(rng: np.random.Generator, color: str) -> np.ndarray:
    """Horizontal slats of a blind, 5 cm apart (0.4 m)."""
    rows = (np.arange(256) % 32) / 32
    tone = np.where(rows > 0.85, 0.45, 1.05 - 0.25 * rows).astype(np.float32)
    noise = 0.02 * soft_noise(rng, (256, 256), (2, 40))
    return tinted(rgb(color), tone[:, None] + noise)


def leaf(rng: np.random.Generator, color: str) -> np.ndarray:
    """Green of a plant, mottled (0.25 m)."""
    shape = (128, 128)
    return tinted(rgb(color), 1 + 0.2 * soft_noise(rng, shape, (10, 24)))


# name -> (painter, width in metres, height in metres); a material is written "name:argument"
TILES: dict[str, tuple[Painter, float, float]] = {
    "plaster": (plaster, 1.5, 1.5),
    "wood": (wood, 1.2, 0.6),
    "upright": (upright_wood, 0.6, 1.2),
    "parquet": (parquet, 1.8, 1.08),
    "floor_tiles": (floor_tiles, 1.6, 1.6),
    "wall_tiles": (wall_tiles, 0.9, 0.6),
    "brick": (brick, 1.76, 1.2),
    "wallpaper": (wallpaper, 0.6, 0.6),
    "carpet": (carpet, 1.0, 1.0),
    "fabric": (fabric, 0.5, 0.5),
    "plaid": (plaid, 0.5, 0.5),
    "dotted": (dotted, 0.8, 0.8),
    "metal": (metal, 0.8, 0.8),
    "stone": (stone, 1.2, 1.2),
    "curtain": (curtain, 0.6, 0.4),
    "slats": (slats, 0.4, 0.4),
    "leaf": (leaf, 0.25, 0.25),
}
