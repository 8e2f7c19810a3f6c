"""Sets of frames as rows of frame numbers, padded with `NONE` behind. Pure."""

from __future__ import annotations

import numpy as np

NONE = -1


def shuffle(rng: np.random.Generator, sets: np.ndarray) -> np.ndarray:
    """The sets (m, k), the frames of each in random order."""
    lots = np.where(sets == NONE, 2.0, rng.random(sets.shape))
    return np.take_along_axis(sets, np.argsort(lots, axis=1), axis=1)


def in_time(sets: np.ndarray) -> np.ndarray:
    """Sets with the frames of each by number."""
    last = np.iinfo(sets.dtype).max
    ordered = np.sort(np.where(sets == NONE, last, sets), axis=1)
    return np.where(ordered == last, NONE, ordered)


def sizes_of(sets: np.ndarray) -> np.ndarray:
    """Frames of each set, (m,) int."""
    return np.count_nonzero(sets != NONE, axis=1)


def is_joined(sets: np.ndarray, linked: np.ndarray) -> np.ndarray:
    """Whether the linked pairs of each set connect all its frames, (m,) bool."""
    there = sets != NONE
    both = linked[sets[:, :, None], sets[:, None, :]] & there[:, :, None] & there[:, None, :]
    reached = np.zeros(there.shape, bool)
    reached[:, 0] = there[:, 0]
    for _ in range(sets.shape[1]):
        reached |= (both & reached[:, :, None]).any(axis=1)
    return (reached == there).all(axis=1)
