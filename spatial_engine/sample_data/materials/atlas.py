"""All materials of a room in one image with smaller copies, so that a pixel is one lookup.

cv2.remap reads one source image of at most 32,767 pixels a side. Every material lies in it at
several sizes ("levels"), each with a rim, so that interpolation at a tile's edge reads the right
neighbours; the level is chosen by the size of a pixel on the surface, which avoids flicker.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spatial_engine.sample_data.materials.canvas import rgb
from spatial_engine.sample_data.materials.pictures import PICTURES
from spatial_engine.sample_data.materials.textures import TILES

LEVELS = 6
RIM = 2  # pixels around each tile
WIDTH = 4096  # pixels of the atlas
GLOWING = ("glow", "view", "screen")  # shine by themselves: no shading
NO_DEPTH = ("view",)  # window glass: a depth camera measures nothing
PATCHY_DEPTH = ("screen",)  # glossy black: measured here and there


@dataclass(frozen=True)
class Atlas:
    """image: (h, w, 3) uint8 RGB. For material m at level k, `place[m, k]` = x, y, width, height
    of its tile in pixels. `tile_size[m]` = metres covered, (0, 0) if stretched over a face."""

    names: tuple[str, ...]
    image: np.ndarray
    place: np.ndarray
    tile_size: np.ndarray

    def index(self, name: str) -> int:
        return self.names.index(name)


def paint(name: str, seed: int) -> np.ndarray:
    """(h, w, 3) uint8 RGB image of a material "name:argument"; the same for the same seed."""
    kind, _, argument = name.partition(":")
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if kind == "glow":
        image = np.tile(rgb(argument), (8, 8, 1))
    elif kind in TILES:
        image = TILES[kind][0](rng, argument)
    else:
        image = PICTURES[kind](rng, argument)
    return np.clip(np.round(image * 255), 0, 255).astype(np.uint8)


def build_atlas(names: Sequence[str], seed: int) -> Atlas:
    """Paint the named materials and pack them, all levels, on shelves of an image."""
    ordered = tuple(sorted(set(names)))
    tiles: list[tuple[int, int, np.ndarray]] = []
    sizes = np.zeros((len(ordered), 2))
    for number, name in enumerate(ordered):
        kind = name.partition(":")[0]
        image = paint(name, seed)
        if kind in TILES:
            sizes[number] = TILES[kind][1:]
        mode = "wrap" if kind in TILES else "edge"
        for level in range(LEVELS):
            if level:
                half = (max(2, image.shape[1] // 2), max(2, image.shape[0] // 2))
                image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
            tiles.append((number, level, np.pad(image, ((RIM, RIM), (RIM, RIM), (0, 0)), mode)))
    place, packed = _pack(tiles, len(ordered))
    return Atlas(ordered, packed, place, sizes)


def tile_pixels(
    place: np.ndarray, across: np.ndarray, above: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels x, y in the atlas of a place in a tile's units; whole numbers begin a new tile.

    place: (4, ...) rows x, y, width, height of the tiles; the image's rows run downwards.
    """
    x = place[0] + (across - np.floor(across)) * place[2] - 0.5
    y = place[1] + (np.ceil(above) - above) * place[3] - 0.5
    return x.astype(np.float32, copy=False), y.astype(np.float32, copy=False)


def _pack(tiles: list[tuple[int, int, np.ndarray]], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Tiles on shelves, tall ones first: places (count, LEVELS, 4) and the image."""
    tiles = sorted(tiles, key=lambda tile: (-tile[2].shape[0], tile[0], tile[1]))
    place = np.zeros((count, LEVELS, 4), np.float32)
    x = y = shelf = 0
    spots = []
    for number, level, image in tiles:
        height, width = image.shape[:2]
        if x + width > WIDTH:
            x, y, shelf = 0, y + shelf, 0
        spots.append((x, y))
        place[number, level] = (x + RIM, y + RIM, width - 2 * RIM, height - 2 * RIM)
        x, shelf = x + width, max(shelf, height)
    packed = np.zeros((y + shelf, WIDTH, 3), np.uint8)
    for (left, top), (_, _, image) in zip(spots, tiles, strict=True):
        packed[top : top + image.shape[0], left : left + image.shape[1]] = image
    return place, packed
