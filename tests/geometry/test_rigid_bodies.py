"""Rigid bodies: changes of distances against a plain double loop, bodies of known membership."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import random_pose

from spatial_engine.sample_data import clip_truth
from spatial_engine.sample_data.tapvid3d.sample_clips import sample_clip_specs
from spatial_engine.utils.geometry.rigid_bodies import BLOCK, distance_changes, rigid_bodies

NOISE_M, UNKNOWN_M, NOISE_SHARE = 0.01, 10.0, 1e-6


def plain_changes(tracks: np.ndarray) -> np.ndarray:
    """The same from the definition: one pair of points after the other."""
    found = []
    for a in range(tracks.shape[1]):
        for b in range(a + 1, tracks.shape[1]):
            gaps = [float(np.linalg.norm(x - y)) for x, y in tracks[:, [a, b]]]
            changes = np.abs(np.diff(gaps))
            changes = changes[np.isfinite(changes)]
            total = sum(c for c in changes if c > NOISE_M) + NOISE_SHARE * sum(changes)
            never = not len(changes) and not np.isfinite(tracks).all()
            found.append(UNKNOWN_M if never else total)
    return np.array(found)


def carried(rng: np.random.Generator, count: int, frames: int, motion=None) -> np.ndarray:
    """(frames, count, 3) of points of one body that jumps about as `motion` says."""
    motion = [random_pose(rng) for _ in range(frames)] if motion is None else motion
    points = rng.uniform(-0.5, 0.5, (count, 3))
    return np.stack([points @ pose[:3, :3].T + pose[:3, 3] for pose in motion])


def filmed(rng: np.random.Generator, world: np.ndarray) -> np.ndarray:
    """The same in the coordinates of a camera that moves."""
    poses = [random_pose(rng) for _ in world]
    return np.stack(
        [(p - pose[:3, 3]) @ pose[:3, :3] for p, pose in zip(world, poses, strict=True)]
    )


def as_sets(groups) -> set[frozenset[int]]:
    return {frozenset(group.tolist()) for group in groups}


# ---- changes of distances ------------------------------------------------------------------------


@pytest.mark.parametrize("share_unknown", [0, 0.1, 0.7])
@pytest.mark.parametrize(
    ("frames", "count"),
    [(2, 2), (2, 5), (3, BLOCK), (5, BLOCK + 1), (7, BLOCK - 1), (4, 2 * BLOCK + 3), (31, 6)],
)
def test_changes_are_those_of_a_plain_loop(frames, count, share_unknown):
    rng = np.random.default_rng(frames * 1000 + count)
    step = rng.choice([0.0, 0.004, 0.01, 0.1], (1, count, 1))
    tracks = rng.normal(size=(1, count, 3)) + (rng.normal(size=(frames, count, 3)) * step).cumsum(0)
    tracks[rng.random((frames, count)) < share_unknown] = np.nan
    kept = tracks.copy()
    found = distance_changes(tracks)
    np.testing.assert_allclose(found, plain_changes(tracks), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(tracks, kept)


def test_one_unknown_coordinate_makes_a_point_unknown():
    rng = np.random.default_rng(0)
    tracks = rng.normal(size=(6, 8, 3))
    tracks[2, 3, 1], tracks[4, 5, 0], tracks[0, 1, 2] = np.nan, np.inf, -np.inf
    gone = tracks.copy()
    gone[2, 3] = gone[4, 5] = gone[0, 1] = np.nan
    np.testing.assert_allclose(distance_changes(tracks), plain_changes(gone))


def test_points_never_known_in_two_frames_running_are_far_apart():
    tracks = np.zeros((4, 3, 3))
    tracks[::2, 0] = np.nan  # known in every second frame only
    np.testing.assert_array_equal(distance_changes(tracks), [UNKNOWN_M, UNKNOWN_M, 0])


@pytest.mark.parametrize("count", [0, 1])
def test_a_single_point_has_no_distances(count):
    assert distance_changes(np.zeros((3, count, 3))).shape == (0,)
    assert rigid_bodies(np.zeros((3, count, 3))) == []


# ---- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
def test_the_bodies_of_the_sample_clips_are_found(seed):
    for spec in sample_clip_specs(seed, small=True):
        truth = clip_truth(spec)
        expected = {frozenset(np.flatnonzero(truth.motion == m)) for m in set(truth.motion)}
        large = {group for group in expected if len(group) > 5}
        assert as_sets(rigid_bodies(truth.tracks)) == large, spec.clip_id


@pytest.mark.parametrize("seed", range(6))
def test_made_up_bodies_are_found_whatever_the_camera_does(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(6, 25, 5)
    world = np.concatenate([carried(rng, n, 30) for n in sizes], axis=1)
    order = rng.permutation(world.shape[1])
    owner = np.repeat(np.arange(len(sizes)), sizes)[order]
    tracks = filmed(rng, world[:, order])
    tracks[rng.random(tracks.shape[:2]) < 0.1] = np.nan
    groups = rigid_bodies(tracks)
    assert as_sets(groups) == {frozenset(np.flatnonzero(owner == k).tolist()) for k in range(5)}
    assert [g[0] for g in groups] == sorted(g[0] for g in groups)
    assert all((np.diff(group) > 0).all() for group in groups)


def test_two_bodies_that_move_alike_are_one():
    rng = np.random.default_rng(1)
    motion = [random_pose(rng) for _ in range(10)]
    parts = [carried(rng, 7, 10, motion), carried(rng, 8, 10), carried(rng, 9, 10, motion)]
    tracks = filmed(rng, np.concatenate(parts, axis=1))
    alike = frozenset([*range(7), *range(15, 24)])
    assert as_sets(rigid_bodies(tracks)) == {alike, frozenset(range(7, 15))}


def test_groups_of_five_are_left_out_and_of_six_kept():
    rng = np.random.default_rng(2)
    tracks = np.concatenate([carried(rng, n, 8) for n in (5, 6, 1)], axis=1)
    assert as_sets(rigid_bodies(tracks)) == {frozenset(range(5, 11))}
    assert rigid_bodies(tracks[:, :5]) == []
    assert as_sets(rigid_bodies(tracks[:, 5:11])) == {frozenset(range(6))}


def test_points_that_are_never_finite_are_in_no_group():
    rng = np.random.default_rng(3)
    tracks = carried(rng, 12, 8)
    tracks[:, [0, 4]] = np.nan
    tracks[:, 7, 1] = np.inf
    assert as_sets(rigid_bodies(tracks)) == {frozenset(range(12)) - {0, 4, 7}}
    assert rigid_bodies(np.full((5, 9, 3), np.nan)) == []


def test_never_finite_points_do_not_count_towards_the_six():
    tracks = carried(np.random.default_rng(4), 8, 5)
    tracks[:, :3] = np.nan
    assert rigid_bodies(tracks) == []


@pytest.mark.parametrize(("step", "bodies"), [(0.0099, 1), (0.0115, 2)])
def test_noise_of_up_to_a_centimetre_a_step_is_no_movement(step, bodies):
    """Two halves shake against each other, 60 times: 0.6 m in all."""
    rng = np.random.default_rng(5)
    tracks = np.tile(rng.uniform(-0.1, 0.1, (1, 16, 3)), (61, 1, 1))
    tracks[:, 8:, 0] += 20  # far off, so that the distance changes as much as the halves move
    tracks[1::2, 8:, 0] += step
    found = as_sets(rigid_bodies(tracks))
    halves = {frozenset(range(8)), frozenset(range(8, 16))}
    assert found == ({frozenset(range(16))} if bodies == 1 else halves)


def test_one_frame_gives_one_body_or_none_but_no_error():
    tracks = np.random.default_rng(6).normal(size=(1, 9, 3))
    assert len(rigid_bodies(tracks)) <= 1
    tracks[0, 0] = np.nan
    assert len(rigid_bodies(tracks)) <= 1
