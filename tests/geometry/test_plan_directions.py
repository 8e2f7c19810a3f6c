"""Where a thing is for someone who stands at one and faces another."""

from __future__ import annotations

import numpy as np
import pytest

from spatial_engine.utils.geometry.plan_directions import (
    SECTORS,
    border_distances,
    facing_angles,
    sector_shares,
    sectors_of,
)


def turn(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s], [s, c]])


@pytest.mark.parametrize(
    ("place", "word"),
    [((3, 0.5), "front"), ((0.5, 2), "left"), ((-2, 0.3), "back"), ((0.2, -2), "right")],
)
def test_the_four_words(place, word):
    """Someone at the origin faces along x; y is to the left, seen from above."""
    angles = facing_angles(np.array([[0, 0], [1, 0], place], float))
    assert SECTORS[sectors_of(angles)[0, 1, 2]] == word


@pytest.mark.parametrize("seed", range(20))
def test_angles_and_shares_do_not_change_with_the_room(seed):
    """Turned, moved and scaled as a whole; mirrored, left and right change places."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(5, 2))
    moved = 2 * centers @ turn(rng.uniform(0, 360)).T + rng.normal(size=2)
    angles = facing_angles(centers)
    off_axis = np.abs(angles) < 179.9
    assert np.allclose(facing_angles(moved)[off_axis], angles[off_axis], atol=1e-6)
    mirrored = facing_angles(centers * [1, -1])
    assert np.allclose(mirrored[off_axis], -angles[off_axis], atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_angles_by_turning_one_at_a_time(seed):
    centers = np.random.default_rng(seed).normal(size=(4, 2))
    angles = facing_angles(centers)
    for one, two, three in ((0, 1, 2), (3, 0, 1), (2, 3, 0)):
        faced, third = (centers[k] - centers[one] for k in (two, three))
        across = turn(angles[one, two, three]) @ faced
        assert across / np.linalg.norm(faced) == pytest.approx(third / np.linalg.norm(third))


def test_borders():
    angles = np.array([0, 45, -45, 135, -135, 180, 90, 60, -50.0])
    assert border_distances(angles) == pytest.approx([45, 0, 0, 0, 0, 45, 45, 15, 5])
    words = [SECTORS[number] for number in sectors_of(np.array([44, 46, 136, -136, -46, 180.0]))]
    assert words == ["front", "left", "back", "back", "right", "back"]


@pytest.mark.parametrize("seed", range(20))
def test_shares_count_the_points_by_their_angle(seed):
    rng = np.random.default_rng(seed)
    stands, faced, points = (
        rng.normal(size=(6, 2)),
        rng.normal(size=(6, 2)),
        rng.normal(size=(50, 2)),
    )
    sectors = rng.integers(4, size=6)
    shares = sector_shares(stands, faced, points, sectors)
    for k in range(6):
        angles = [
            facing_angles(np.array([stands[k], faced[k], point]))[0, 1, 2] for point in points
        ]
        assert shares[k] == pytest.approx(np.mean(sectors_of(np.array(angles)) == sectors[k]))
