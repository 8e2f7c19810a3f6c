"""Faults of clips whose points all lie on one body are named; nothing is said of what is right."""

import numpy as np
import pytest

from spatial_engine.checks.inputs.body_fit import find_body_faults
from spatial_engine.checks.inputs.clip_check import check_clip
from spatial_engine.sample_data import input_faults
from spatial_engine.sample_data.tapvid3d.sample_clips import CLIP_SPLITS
from spatial_engine.utils import paths
from spatial_engine.utils.clips.clip_sets import CLIP_SETS
from spatial_engine.utils.clips.clips import read_clip

PAST, PARKED, DRIFT = CLIP_SPLITS["drivetrack"]["train"]
(START,) = CLIP_SPLITS["drivetrack"]["val"]
DRIVE = CLIP_SETS["drivetrack"]


@pytest.fixture(scope="module")
def clips(made_root):
    folder = paths.clips_dir(made_root, "drivetrack")
    return {path.stem: read_clip(path, camera_moves=True) for path in folder.glob("*.npz")}


def faults_of(tracks, visible, poses) -> list[str]:
    return [suspect.fault for suspect in find_body_faults(tracks, visible, poses)[1]]


def test_the_known_drift_is_named_with_its_frame_and_nothing_else_is_suspect(made_root):
    for name in (PAST, PARKED, START, DRIFT):
        checked = check_clip(paths.clip_path(made_root, "drivetrack", name), DRIVE)
        assert {"farthest_m", "jump_m", "noise_m", "query_p90_px"} <= set(checked.figures)
        if name != DRIFT:
            assert checked.suspects == ()
            continue
        (suspect,) = checked.suspects
        assert suspect.fault == "points jump" and suspect.figure == pytest.approx(0.5, abs=0.05)
        assert "between frames 3 and 4" in suspect.reason or "frames 6 and 7" in suspect.reason


@pytest.mark.parametrize("fault", ["inverted", "transposed", "late"])
def test_poses_under_which_a_parked_car_stands_still_are_named(clips, fault):
    clip = clips[PARKED]
    right = clip.world_from_cam.copy()
    right[:, :3, 3] -= right[0, :3, 3]  # near the origin: an inverse must not be far away
    put = {
        "inverted": np.linalg.inv,
        "transposed": input_faults.transposed,
        "late": lambda poses: input_faults.late(poses, 1),
    }[fault]
    names = {
        "inverted": "extrinsics inverted", "transposed": "rotation transposed", "late": "time shift"
    }  # fmt: skip
    assert faults_of(clip.tracks_cam, clip.visible, put(right)) == [names[fault]]


def test_poses_that_are_all_the_same_are_named(clips):
    clip = clips[PAST]
    same = np.tile(np.eye(4), (len(clip.images), 1, 1))
    assert faults_of(clip.tracks_cam, clip.visible, same) == ["extrinsics identity"]


def test_a_slow_drift_cannot_be_told_from_motion(clips):
    clip = clips[PARKED]
    poses = clip.world_from_cam.copy()
    poses[:, 0, 3] += np.linspace(0, 0.35, len(poses))
    assert faults_of(clip.tracks_cam, clip.visible, poses) == ["still or moving"]


def test_points_that_are_hardly_seen_tell_nothing(clips):
    clip = clips[PAST]
    visible = clip.visible.copy()
    visible[::3] = False
    assert faults_of(clip.tracks_cam, visible, clip.world_from_cam) == ["motion not known"]
