"""Contents whose streams, made by Apple's own encoder, are in `lzfse_streams.json`."""

from __future__ import annotations

import numpy as np


def contents() -> dict[str, bytes]:
    rows, columns = np.mgrid[:64, :48]
    depth = (1024 + 9 * rows + 5 * columns + 300 * (columns > 20)).astype("<f4") / 1024
    mixed = np.arange(24_000, dtype=np.int64)
    mixed = ((mixed * mixed // 7) % 251 * (mixed % 5 > 1)).astype(np.uint8)
    return {
        "none": b"",
        "letter": b"a",
        "raw": bytes(range(200)),
        "words": b"depth along the viewing direction, " * 40,
        "zeros": bytes(100_000),
        "depth": depth.tobytes(),
        "mixed": mixed.tobytes(),
        "levels": random_levels(70_000).tobytes(),
    }


def random_levels(count: int) -> np.ndarray:
    """(count,) uint8 of 0 to 2, by a generator of 31 bits."""
    values = np.empty(count, np.uint8)
    state = 1
    for place in range(count):
        state = (1_103_515_245 * state + 12_345) % 2**31
        values[place] = (state >> 16) % 3
    return values
