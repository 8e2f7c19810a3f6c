"""Two points of a frame whose depths can be compared: drawn, and balanced (SPEC 6)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from spatial_engine.utils.geometry.cameras import permille
from spatial_engine.utils.scenes.scene_views import Fits, SceneViews

MAX_NEW_DRAWS = 10  # of two points, when the first two cannot be compared
BALANCED_DRAWS = 30  # of two points by the odds that balance them, before any two will do
TRIAL_DRAWS = 2048  # of two points in each scene, to find these odds
BANDS = 8  # of the image from top to bottom; within one, points count as equally high


def draw_two_points(
    rng: np.random.Generator,
    views: SceneViews,
    frames: np.ndarray,
    fits: Fits,
    constants: Mapping[str, Any],
    apart: float,
) -> tuple[np.ndarray, np.ndarray]:
    """For each of `frames` (n,) two visible points that can be compared: their depths differ by
    enough (`is_gap_enough`), their coordinates differ, and their pixels are `apart` or more.

    Returns points (n, 2) int32 and whether they were found, (n,) bool. No frame gets the same two
    points twice. An unsuitable draw is repeated up to `MAX_NEW_DRAWS` times. With `BALANCE_LOWER`
    points are first drawn by the odds of `balanced_odds`, up to `BALANCED_DRAWS` times.
    """
    draw = partial(_draw, rng, views, frames, fits, constants, apart)
    odds_of_draws: list[np.ndarray | None] = [None] * (1 + MAX_NEW_DRAWS)
    if constants["BALANCE_LOWER"] and len(frames):
        _, good, kinds = draw(np.resize(np.arange(len(frames)), TRIAL_DRAWS))
        odds_of_draws = [balanced_odds(kinds[good])] * BALANCED_DRAWS + odds_of_draws
    points = np.zeros((len(frames), 2), np.int32)
    found = np.zeros(len(frames), bool)
    taken = np.full(1, np.iinfo(np.int64).max)  # ascending, the last behind all there can be
    for odds in odds_of_draws:
        pending = np.flatnonzero(~found)
        if not len(pending):
            break
        drawn, good, kinds = draw(pending)
        if odds is not None:
            good &= rng.random(len(pending)) < odds[kinds]
        keys = _keys(frames[pending], drawn, views.visibility.num_points)
        first = np.zeros(len(keys), bool)
        first[np.unique(keys, return_index=True)[1]] = True
        good &= first & (taken[np.searchsorted(taken, keys)] != keys)
        points[pending[good]] = drawn[good]
        found[pending[good]] = True
        taken = np.sort(np.concatenate([keys[good], taken]), kind="stable")
    return points, found


def _draw(
    rng: np.random.Generator,
    views: SceneViews,
    frames: np.ndarray,
    fits: Fits,
    constants: Mapping[str, Any],
    apart: float,
    numbers: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For the questions `numbers` (m,) two visible points (m, 2), whether they can be compared, and
    their kinds."""
    drawn = views.visibility.draw_points(rng, frames[numbers], 2)
    pixels, depths_mm = views.measure_mm(frames[numbers], drawn)
    coordinates = permille(pixels, views.image_size)
    good = is_gap_enough(depths_mm, constants)
    good &= (coordinates[:, 0] != coordinates[:, 1]).any(axis=1)
    good &= np.linalg.norm(pixels[:, 0] - pixels[:, 1], axis=1) >= apart
    good &= fits(numbers, drawn).all(axis=1)
    return drawn, good, kinds_of_pairs(pixels, depths_mm, views.image_size[1])


def _keys(frames: np.ndarray, points: np.ndarray, num_vertices: int) -> np.ndarray:
    """One number for each frame and its two points, in either order, (n,) int64."""
    low, high = np.sort(points.astype(np.int64), axis=1).T
    return (frames * num_vertices + low) * num_vertices + high


def is_gap_enough(depths_mm: np.ndarray, constants: Mapping[str, Any]) -> np.ndarray:
    """Whether two depths (n, 2) in whole mm differ by `MIN_DEPTH_GAP_MM` and by
    `MIN_DEPTH_GAP_SHARE` of the nearer one, (n,) bool."""
    nearer, farther = depths_mm.min(axis=1), depths_mm.max(axis=1)
    least = np.maximum(constants["MIN_DEPTH_GAP_MM"], constants["MIN_DEPTH_GAP_SHARE"] * nearer)
    return farther - nearer >= np.maximum(least, 1)


def balanced_odds(kinds: np.ndarray) -> np.ndarray:
    """How likely each kind of two points is to be taken, so that the nearer is as often the lower
    one as not, whatever bands the two are in. `kinds` (n,) are those of points drawn on trial.

    Were it balanced over all bands together, how low the points are would still tell the answer.
    """
    counts = 1 + np.bincount(kinds, minlength=2 * BANDS**2).reshape(-1, 2)
    return (counts.min(axis=1, keepdims=True) / counts).ravel()


def kinds_of_pairs(pixels: np.ndarray, depths_mm: np.ndarray, height: int) -> np.ndarray:
    """The kind of two points, pixels (n, 2, 2) and depths (n, 2): in which bands the higher and
    the lower one are, and which is the nearer, as a number (n,) below 2 * BANDS**2."""
    bands = np.sort(pixels[:, :, 1] * BANDS / height, axis=1).astype(np.int64)
    upper, lower = np.clip(bands, 0, BANDS - 1).T
    return 2 * (BANDS * upper + lower) + is_nearer_lower(pixels, depths_mm)


def is_nearer_lower(pixels: np.ndarray, depths_mm: np.ndarray) -> np.ndarray:
    """Whether of two points, pixels (n, 2, 2) and depths (n, 2), the nearer is the lower one in
    the image, (n,) bool."""
    down = pixels[:, 1, 1] - pixels[:, 0, 1]
    return np.where(depths_mm[:, 1] < depths_mm[:, 0], down > 0, down < 0)
