"""Whether the one body of a clip is parked, moves, or jumps: by noise, drift and jumps put in."""

import numpy as np
import pytest
from helpers import random_pose

from spatial_engine.utils.geometry.body_motion import JUMP_M, PARKED_M, TOLD_M, BodyMotion

FRAMES, POINTS = 40, 12
DRIVES = np.linspace(0, 30, FRAMES)[:, None] * [1.0, 0.2, 0]  # 7 m/s at ten frames a second


def clip(path: np.ndarray, seed: int = 0, seen: float = 1.0) -> tuple[np.ndarray, ...]:
    """(tracks, visible, poses) of a body that goes along `path` (T, 3), filmed from anywhere."""
    rng = np.random.default_rng(seed)
    world = rng.uniform(-1, 1, (POINTS, 3)) + [5000, -300, 20] + np.asarray(path)[:, None]
    poses = np.stack([random_pose(rng) for _ in world])
    tracks = np.einsum("tij,tnj->tni", np.linalg.inv(poses)[:, :3], np.insert(world, 3, 1, 2))
    visible = rng.random(world.shape[:2]) < seen
    tracks[~visible & (rng.random(visible.shape) < 0.5)] = np.nan
    return tracks, visible, poses


def noise(metres: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, metres, (FRAMES, 3))


@pytest.mark.parametrize("metres", [0, 0.01, 0.03])
def test_a_parked_body_is_parked_with_noise_of_centimetres(metres):
    motion = BodyMotion.of(*clip(noise(metres)))
    assert motion.parked and not motion.jumps
    assert motion.still_below == PARKED_M and motion.moved_from(0, 0) == np.inf
    assert motion.noise == pytest.approx(1.54 * metres, rel=0.3, abs=1e-6)


@pytest.mark.parametrize("metres", [0, 0.01, 0.03])
def test_a_body_that_drives_is_known_to_from_half_a_metre_on(metres):
    motion = BodyMotion.of(*clip(DRIVES + noise(metres), seen=0.8))
    assert not motion.parked and not motion.jumps
    assert motion.still_below == 0 and motion.moved_from(0.02, 5.0) == TOLD_M
    assert motion.noise == pytest.approx(1.54 * metres, rel=0.3, abs=1e-6)


def test_much_noise_moves_the_limit():
    motion = BodyMotion.of(*clip(DRIVES + noise(0.03)))
    assert motion.moved_from(0.02, 20.0) == 20 * motion.noise > TOLD_M
    assert motion.moved_from(2.0, 5.0) == 2.0, "a flag asks for more"


def test_no_change_of_speed_is_a_jump():
    time = np.arange(FRAMES) / 10
    brakes = np.minimum(time, 2) * 15 - 0.5 * 10 * np.clip(time - 2, 0, 1.5) ** 2
    brakes += np.clip(time - 2, 0, 1.5) * 15
    turns = 8 * np.stack([np.cos(time), np.sin(time), 0 * time], axis=1)
    for path in (brakes[:, None] * [1, 0, 0], turns):
        assert not BodyMotion.of(*clip(path + noise(0.01))).jumps


@pytest.mark.parametrize("path", [0 * DRIVES, DRIVES], ids=["parked", "drives"])
@pytest.mark.parametrize("frame", [2, 17, FRAMES - 2])
def test_a_jump_is_measured_and_placed(path, frame):
    path = path.copy()
    path[frame:] += [0.3, 0.4, 0]
    motion = BodyMotion.of(*clip(path))
    assert motion.jumps and motion.jump == pytest.approx(0.5, abs=0.01)
    assert motion.jump_frame == frame
    assert (motion.still_below, motion.moved_from(0, 0)) == (0, np.inf), "nothing is known"
    path[frame:] -= [0.15, 0.2, 0]
    assert BodyMotion.of(*clip(path)).jump < JUMP_M


def test_a_slow_drift_is_neither_parked_nor_motion():
    drift = np.linspace(0, 0.3, FRAMES)[:, None] * [1, 0, 0]
    motion = BodyMotion.of(*clip(drift))
    assert not motion.parked and not motion.jumps and motion.moved_from(0, 0) == TOLD_M


@pytest.mark.parametrize("frames", [1, 3, 4])
def test_few_frames_tell_nothing(frames):
    tracks, visible, poses = clip(0 * DRIVES[:frames])
    assert BodyMotion.of(tracks, visible, poses).jumps == (frames < 4)
    visible[1::2] = False
    motion = BodyMotion.of(tracks, visible, poses)
    assert motion.jumps and np.isnan(motion.jump) and motion.still_below == 0
