"""How still the still points of a clip are: near the noise that they were given, whatever moves."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import random_pose

from spatial_engine.utils.geometry.point_motions import MOST_POINTS, Motions

MEDIAN = 1.538  # of the length of normal noise in three dimensions, in deviations of one
FRAMES, STILL, MOVING = 60, 50, 60


def a_world(rng: np.random.Generator, still: int = STILL, moving: int = MOVING) -> np.ndarray:
    """Still points, and a body that turns and goes a metre, (T, N, 3)."""
    places = rng.uniform(-1, 1, (still, 3))
    body = rng.uniform(-0.5, 0.5, (moving, 3))
    frames = []
    for t in np.linspace(0, 1, FRAMES):
        c, s = np.cos(2 * t), np.sin(2 * t)
        turned = body @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T
        frames.append(np.r_[places, turned + np.array([t, 0.3 * t * t, 0])])
    return np.stack(frames)


def motions(rng: np.random.Generator, world: np.ndarray, seen: float = 0.8) -> Motions:
    """Of points in the world, filmed by a camera that moves, each seen in most frames."""
    poses = np.stack([random_pose(rng) for _ in world])
    turned = np.linalg.inv(poses)
    tracks = world @ np.swapaxes(turned[:, :3, :3], 1, 2) + turned[:, None, :3, 3]
    visible = rng.random(world.shape[:2]) < seen
    tracks[~visible] = np.nan
    return Motions.of(tracks, visible, poses)


@pytest.mark.parametrize("noise", [0.0005, 0.002, 0.005, 0.008, 0.009, 0.012, 0.02, 0.04])
@pytest.mark.parametrize("seed", range(3))
def test_jitter_is_the_noise_of_the_still_points(noise, seed):
    rng = np.random.default_rng(seed)
    world = a_world(rng)
    found = motions(rng, world + rng.normal(0, noise, world.shape)).jitter
    assert found == pytest.approx(MEDIAN * noise, rel=0.15)


@pytest.mark.parametrize("noise", [0.001, 0.004])
def test_noise_of_the_camera_poses_counts_and_the_motion_of_bodies_does_not(noise):
    rng = np.random.default_rng(0)
    world = a_world(rng)
    shaken = world + rng.normal(0, noise, (FRAMES, 1, 3))
    jitters = [motions(rng, w).jitter for w in (shaken, shaken[:, :STILL])]
    assert jitters[0] == pytest.approx(jitters[1], rel=0.02)
    assert jitters[0] == pytest.approx(MEDIAN * noise, rel=0.25)
    quiet = world.copy()
    quiet[:, STILL:] += rng.normal(0, 0.003, (FRAMES, MOVING, 3))
    assert motions(rng, quiet).jitter < 1e-12, "of what moves nothing counts"


def test_a_slow_drift_counts():
    rng = np.random.default_rng(0)
    world = a_world(rng)
    world[:, :STILL] += np.linspace(0, 0.015, FRAMES)[:, None, None] * [1, 0, 0]
    assert 0.003 < motions(rng, world).jitter < 0.005


def test_jitter_is_not_known_where_nothing_tells():
    rng = np.random.default_rng(0)
    assert np.isnan(motions(rng, a_world(rng, still=0)).jitter), "all moves"
    assert np.isnan(motions(rng, a_world(rng, still=2, moving=60)).jitter), "two may be chance"
    assert np.isnan(motions(rng, a_world(rng)[:4]).jitter), "too few frames"
    assert np.isnan(motions(rng, a_world(rng, 0, 0)).jitter), "no point"
    assert np.isnan(motions(rng, a_world(rng), seen=0.1).jitter), "no point is seen often"


def test_of_many_points_some_are_looked_at_all_over_the_tracks():
    rng = np.random.default_rng(0)
    world = a_world(rng, still=900, moving=100)
    found = motions(rng, world, seen=1.0)
    assert MOST_POINTS / 2 < len(found.stray) <= MOST_POINTS
    assert found.share_still == pytest.approx(0.9, abs=0.01)
