"""Paths through places, in the order of sets of three to eight of them (SPEC 13). Pure.

Sets are rows of numbers of places, padded with `NONE` behind (`geometry/frame_sets/`).
"""

from __future__ import annotations

import numpy as np

from spatial_engine.utils.geometry.frame_sets.rows import NONE


def step_lengths(places: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Metres from each of the `places` (n, 3) of sets (k, m) to the next, (k, m - 1); 0 behind the
    last."""
    steps = np.linalg.norm(places[sets[:, 1:]] - places[sets[:, :-1]], axis=2)
    return np.where(sets[:, 1:] == NONE, 0.0, steps)


def longest_distances(places: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """The largest distance of two of the `places` (n, 3) of each set (k, m), metres, (k,)."""
    chosen, there = places[sets], sets != NONE
    apart = np.linalg.norm(chosen[:, :, None] - chosen[:, None], axis=3)
    return np.where(there[:, :, None] & there[:, None], apart, 0.0).max(axis=(1, 2), initial=0.0)
