"""What every reader of raw files refuses, and by which error."""

from __future__ import annotations

import numpy as np

# Sizes are claims of a file; beyond these nothing is read.
MAX_PIXELS = 2**24  # of a picture; each of its pixels takes 24 bytes and more
MAX_FRAMES = 100_000  # of a scan or clip
MAX_MAGNITUDE = 1e100  # of metres and the like: products of three are still float64


class RawDataError(ValueError):
    """A raw file is missing, truncated or not as in docs/formats.md; names file and cause."""


def is_sound(values: np.ndarray) -> bool:
    """Whether all are numbers that can be reckoned with."""
    return bool((np.abs(values) <= MAX_MAGNITUDE).all())
