"""JPEGs of one image with different marks, each made by encoding only the pieces under its marks.

A JPEG can be cut by restart markers, behind which its decoder starts afresh. Here a marker ends
each piece, 16 rows high and a part of the image wide, so that a piece's bytes depend on its own
pixels alone, and those of pieces without marks serve every picture of the image. The pixels are
those that `jpeg.encode` gives without markers.

Source: ITU-T T.81, B.2.4.4 (restart interval) and F.1.1.5.2 (what is begun afresh).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from spatial_engine.utils.pictures import jpeg

BLOCK = 16  # pixels along a side of the smallest unit that 4:2:0 codes
# Blocks of a piece, at least: fewer are more markers and more calls; more are more to encode anew.
_LEAST_BLOCKS = 8
_MARKER = re.compile(b"(\xff[\xd0-\xd7])")  # RST0 to RST7, which take turns
_START_OF_SCAN = 0xDA
_END = b"\xff\xd9"


def encode(image: np.ndarray) -> bytes:
    """The JPEG in pieces of a (height, width, 3) uint8 BGR image, encoded at once."""
    return jpeg.encode(image, restart_blocks=_blocks_of_a_piece(image.shape[1]))


class JpegPieces:
    """What `encode` gives, in its pieces, for images that differ in some of them."""

    def __init__(self, image: np.ndarray) -> None:
        self._blocks = _blocks_of_a_piece(image.shape[1])
        self._across = -(-image.shape[1] // (self._blocks * BLOCK))  # pieces side by side
        data = encode(image)
        self._head = data[: _scan_at(data)]
        self._parts = self._cut(data)

    def encode(self, image: np.ndarray, marked: Iterable[tuple[slice, slice]]) -> bytes:
        """The JPEG of the image, which is as it was but for the `marked` (rows, columns)."""
        parts, side = self._parts.copy(), self._blocks * BLOCK
        for rows, columns in marked:
            top, bottom = rows.start // BLOCK, -(-rows.stop // BLOCK)
            left, right = columns.start // side, -(-columns.stop // side)
            area = image[top * BLOCK : bottom * BLOCK, left * side : right * side]
            pieces = iter(self._cut(jpeg.encode(area, restart_blocks=self._blocks))[::2])
            for row in range(top, bottom):
                for column in range(left, right):
                    parts[2 * (row * self._across + column)] = next(pieces)
        return b"".join([self._head, *parts, _END])

    def _cut(self, data: bytes) -> list[bytes]:
        """The pieces of a JPEG with the same head, and the markers between them."""
        return _MARKER.split(data[len(self._head) : -len(_END)])


def _blocks_of_a_piece(width: int) -> int:
    """So many blocks that pieces fill a row of blocks evenly: a marker stands after as many each
    time."""
    across = -(-width // BLOCK)
    return next((n for n in range(_LEAST_BLOCKS, across) if across % n == 0), across)


def _scan_at(data: bytes) -> int:
    """Where the coded pixels of a JPEG begin."""
    place = 2
    while True:
        kind = data[place + 1]
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if kind == _START_OF_SCAN:
            return place
