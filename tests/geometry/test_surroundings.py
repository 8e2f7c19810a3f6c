from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatial_engine.utils.geometry.surroundings import (
    CHOSEN,
    NEAREST,
    Surroundings,
    off_plane,
)


@given(st.integers(0, 2**32), st.integers(1, 400), st.floats(0.01, 0.5))
def test_those_given_are_around_and_reach_from_the_nearest_to_the_farthest(seed, count, radius):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1, (count, 3))
    numbers = rng.integers(count, size=5)
    for number, found in zip(numbers, Surroundings(points, radius).around(numbers), strict=True):
        away = np.linalg.norm(points - points[number], axis=1)
        known = np.sort(away[away <= radius])[:NEAREST]
        assert len(found) == CHOSEN and away[found].max() <= radius + 1e-12
        np.testing.assert_allclose([away[found].min(), away[found].max()], known[[0, -1]])
        if len(known) <= CHOSEN:
            assert len(set(found.tolist())) == len(known)


def test_points_that_are_not_finite_are_around_none():
    points = np.zeros((20, 3))
    points[5:] = np.nan
    assert set(Surroundings(points, 0.1).around(np.array([0, 1])).ravel().tolist()) <= set(range(5))


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_is_asked_of_a_scene_without_points(count):
    around = Surroundings(np.zeros((count, 3)), 0.1).around(np.zeros(0, int))
    assert around.shape == (0, CHOSEN)


def test_distances_from_a_plane():
    rng = np.random.default_rng(0)
    normal = np.array([[0.6, 0.0, 0.8]])
    point, others = rng.normal(size=(1, 3)), rng.normal(size=(1, 50, 3))
    heights = [abs(float((other - point[0]) @ normal[0])) for other in others[0]]
    np.testing.assert_allclose(off_plane(point, normal, others)[0], heights)
