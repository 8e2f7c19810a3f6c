"""Distances of objects and the frames that show their near sides, against all pairs of vertices."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from spatial_engine.utils.geometry.object_distances import (
    least_distance,
    near_frames,
    tolerance,
)


def two_objects(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds of a few hundred points, near, far, within each other."""
    rng = np.random.default_rng(seed)
    sizes, sides = rng.integers(1, 400, size=2), rng.uniform(0.05, 2, size=(2, 3))
    shift = rng.uniform(-4, 4, size=3)
    one, two = (rng.uniform(-1, 1, size=(n, 3)) * s for n, s in zip(sizes, sides, strict=True))
    return one, two + shift


@pytest.mark.parametrize("seed", range(30))
def test_the_least_distance_is_that_of_all_pairs(seed):
    one, two = two_objects(seed)
    assert least_distance(one, two, cKDTree(two)) == pytest.approx(cdist(one, two).min(), abs=1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_near_frames_answer_for_every_set(seed):
    """D(S) - d <= tolerance, with D from the vertices that the frames of S see."""
    one, two = two_objects(seed)
    rng = np.random.default_rng(seed)
    apart = cdist(one, two)
    distance = apart.min()
    reach = distance + tolerance(distance)
    seen = [rng.random((6, len(points))) < rng.uniform(0, 0.2) for points in (one, two)]
    frames = [np.flatnonzero(shown.any(axis=1)) for shown in seen]
    found = near_frames(one, two, reach, *(s[f] for s, f in zip(seen, frames, strict=True)), frames)
    near = np.zeros((6, 6), bool)
    near[np.ix_(found.first, found.second)] = found.near
    for count in range(1, 7):
        for chosen in map(list, combinations(range(6), count)):
            mine, other = (shown[chosen].any(axis=0) for shown in seen)
            shown = apart[np.ix_(mine, other)].min(initial=np.inf)
            assert near[np.ix_(chosen, chosen)].any() == (shown <= reach)


def test_the_tolerance_is_the_larger_of_both():
    assert tolerance(0.4) == 0.05
    assert tolerance(4.0) == pytest.approx(0.2)
