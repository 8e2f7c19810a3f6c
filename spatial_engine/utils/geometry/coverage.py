"""Which sets of images show an object from end to end along an axis (SPEC 8). Pure functions.

What a set of images shows of an object along an axis reaches from the least minimum to the
greatest maximum of its images: its extent is max(high) - min(low). Whether it covers depends on
nothing else.

Why two images always do. Let S cover, and let i be an image of S with the greatest maximum, j one
with the least minimum. The extent of {i, j} is max(high) - min(low) over S: that of S itself. So
{i, j} covers too. If S is minimal (no proper subset covers), it therefore is {i, j}, or {i} where
i = j. So all minimal sets are among the single images and the pairs: a single image that covers is
minimal (the empty set shows nothing and covers no positive size), and a pair that covers is minimal
where neither of its images covers alone. That needs no assumption on when an extent covers, so it
also holds where extents are wanted neither too small nor too large.
"""

from __future__ import annotations

import numpy as np


def covers(extent: np.ndarray, target: float, tolerance: float) -> np.ndarray:
    """Whether extents (any shape, metres) are within `tolerance` (a fraction) of the target."""
    return np.abs(extent - target) <= tolerance * target


def minimal_sets(
    low: np.ndarray, high: np.ndarray, target: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """All minimal sets of images that cover a `target` > 0: single images (k,) and pairs (m, 2).

    `low`, `high` (n,) are where each image's part of the object begins and ends along the axis, in
    metres. Numbers of images ascend within a set and over the sets.
    """
    alone = covers(high - low, target, tolerance)
    extent = np.maximum(high[:, None], high) - np.minimum(low[:, None], low)
    together = covers(extent, target, tolerance) & ~alone[:, None] & ~alone
    return np.flatnonzero(alone), np.argwhere(np.triu(together, k=1))
