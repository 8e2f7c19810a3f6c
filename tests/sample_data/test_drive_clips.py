"""The sample clips of drivetrack have its form and its faults, and tell the truth about one car."""

import cv2
import numpy as np
import pytest

from spatial_engine.sample_data import clip_truth
from spatial_engine.sample_data.tapvid3d.clip_stage import DRIVE_ORIGIN
from spatial_engine.sample_data.tapvid3d.clip_writer import (
    JITTER,
    POSE_JUMP,
    POSE_NOISE,
)
from spatial_engine.sample_data.tapvid3d.sample_clips import CLIP_SPLITS, sample_clip_specs
from spatial_engine.utils import paths
from spatial_engine.utils.clips.clip_lists import split_of

SPECS = {s.clip_id: s for s in sample_clip_specs(small=True) if s.kind == "drivetrack"}
PAST, PARKED, DRIFT = CLIP_SPLITS["drivetrack"]["train"]
(START,) = CLIP_SPLITS["drivetrack"]["val"]
FRAMES, POINTS = 10, 60
every_clip = pytest.mark.parametrize("clip_id", SPECS)


@pytest.fixture(scope="module")
def clips(raw_root) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of the small variant."""
    found = {}
    for clip_id in SPECS:
        path = paths.clip_path(raw_root, "drivetrack", clip_id)
        with np.load(path, allow_pickle=True) as clip:
            found[clip_id] = dict(clip)
    return found


def world_of(clip: dict[str, np.ndarray]) -> np.ndarray:
    """(T, N, 3) from the file alone."""
    poses = np.linalg.inv(clip["extrinsics_w2c"])
    turned = np.einsum("tij,tnj->tni", poses[:, :3, :3], clip["tracks_XYZ"])
    return turned + poses[:, None, :3, 3]


@every_clip
def test_keys_types_and_shapes_are_those_of_real_clips(clips, clip_id):
    clip = clips[clip_id]
    shapes = {
        "queries_xyt": (POINTS, 3), "tracks_XYZ": (FRAMES, POINTS, 3),
        "visibility": (FRAMES, POINTS), "fx_fy_cx_cy": (4,), "extrinsics_w2c": (FRAMES, 4, 4),
    }  # fmt: skip
    assert list(clip) == ["images_jpeg_bytes", *shapes]
    for key, shape in shapes.items():
        assert clip[key].shape == shape
        assert clip[key].dtype == (bool if key == "visibility" else np.float64)
    image = cv2.imdecode(np.frombuffer(clip["images_jpeg_bytes"][0], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (128, 192, 3), "1280x1920 by height and width, a tenth of it"
    expected = np.array([2082.68, 2082.68, 984.54, 643.28]) / 10
    np.testing.assert_allclose(clip["fx_fy_cx_cy"], expected, atol=0.5)
    assert paths.drive_segment(clip_id)


def test_splits_are_those_of_their_segments():
    for split, ids in CLIP_SPLITS["drivetrack"].items():
        assert {split_of("drivetrack", clip_id) for clip_id in ids} == {split}
    assert paths.recording_of(PAST) == paths.recording_of(PARKED) != paths.recording_of(START)


@every_clip
def test_all_points_lie_on_one_rigid_car(clips, clip_id):
    truth, clip = clip_truth(SPECS[clip_id]), clips[clip_id]
    assert set(truth.body) == {0}
    gaps = np.linalg.norm(truth.world[:, :1] - truth.world, axis=2)
    assert np.ptp(gaps, axis=0).max() < 1e-9
    known = np.isfinite(clip["tracks_XYZ"]).all(axis=2)
    assert known[clip["visibility"]].all()
    np.testing.assert_array_equal(clip["visibility"], truth.visibility)
    never = ~clip["visibility"].any(axis=0)
    assert 1 <= never.sum() <= 5


def test_some_queries_are_in_frames_that_do_not_show_their_points(clips):
    hidden = 0
    for clip in clips.values():
        frames = clip["queries_xyt"][:, 2].astype(int)
        seen = clip["visibility"][frames, np.arange(POINTS)]
        ever = clip["visibility"].any(axis=0)
        assert seen[ever].mean() > 0.7
        hidden += int((ever & ~seen).sum())
    assert hidden >= 3


@every_clip
def test_the_world_is_far_away_and_told_but_for_noise_and_jumps(clips, clip_id):
    truth, clip = clip_truth(SPECS[clip_id]), clips[clip_id]
    assert np.abs(np.nanmean(world_of(clip), axis=(0, 1)) - DRIVE_ORIGIN).max() < 15
    off = np.nanmedian(world_of(clip) - truth.world, axis=1)
    if clip_id == DRIFT:
        assert np.abs(np.diff(off[:, 0])).max() == pytest.approx(POSE_JUMP, abs=0.05)
        off[4:7, 0] -= POSE_JUMP
    assert np.abs(off).max() < 5 * POSE_NOISE + JITTER


def test_who_drives_and_who_is_parked(clips):
    moved = {c: np.ptp(clip_truth(s).world[:, 0], axis=0).max() for c, s in SPECS.items()}
    assert moved[PAST] > 5 and moved[START] > 2
    assert moved[PARKED] == moved[DRIFT] == 0
    for clip in clips.values():
        cameras = np.linalg.inv(clip["extrinsics_w2c"])[:, :3, 3]
        assert np.linalg.norm(cameras[-1] - cameras[0]) > 1


def test_nothing_else_is_odd_about_pictures(clips):
    kinds = {clip_id: clip["images_jpeg_bytes"].dtype.kind for clip_id, clip in clips.items()}
    assert {clip_id for clip_id, kind in kinds.items() if kind == "O"} == {PARKED}
