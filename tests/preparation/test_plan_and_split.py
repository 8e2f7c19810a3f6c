"""What preparation decides about a capture, and which scenes are for evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import raises_one_line, random_pose

from spatial_engine.errors import BadDataError
from spatial_engine.utils.preparation.capture import AnnotatedMesh, Capture, Picture
from spatial_engine.utils.preparation.plan import Wanted, make_plan, moved
from spatial_engine.utils.preparation.split import split_scenes

K = np.array([[100.0, 0, 60], [0, 90, 40], [0, 0, 1]])
POINTS = np.array([[1.0, 2, 3, 0, 0, 0], [-4, 0.5, 2, 9, 9, 9]])


def capture(count: int = 40, **changes) -> Capture:
    """A capture of `count` frames, numbered 3, 5, 7, ..., without depth; y is up."""
    rng = np.random.default_rng(1)

    def images(wanted):
        for number in wanted:
            yield Picture(number, np.zeros((80, 120, 3), np.uint8), np.zeros((40, 60), np.uint16))

    made = Capture(
        numbers=np.arange(count) * 2 + 3,
        poses=np.stack([random_pose(rng) for _ in range(count)]),
        intrinsics=np.stack([K + k * np.diag([1, 1, 0]) for k in range(count)]),
        color_size=(120, 80),
        images=images,
        up=np.array([0.0, 1, 0]),
        mesh=lambda: AnnotatedMesh(POINTS, np.zeros(2, np.int32), []),
    )
    return replace(made, **changes)


def test_every_nth_frame_is_kept_and_the_world_is_in_metres_with_z_up():
    source = capture(metric=False)
    plan = make_plan(source, Wanted(4, metres_per_unit=2.5), "kitchen")
    kept = plan.capture
    assert kept.numbers.tolist() == source.numbers[::4].tolist()
    assert np.array_equal(kept.intrinsics, source.intrinsics[::4])
    to_z_up = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # x, y, z -> x, -z, y
    for pose, old in zip(kept.poses, source.poses[::4], strict=True):
        np.testing.assert_allclose(pose[:3, :3], to_z_up @ old[:3, :3], atol=1e-12)
        np.testing.assert_allclose(pose[:3, 3], 2.5 * to_z_up @ old[:3, 3], atol=1e-12)
    mesh = moved(source.mesh(), plan.world)
    np.testing.assert_allclose(mesh.points[:, :3], 2.5 * POINTS[:, :3] @ to_z_up.T)
    assert np.array_equal(mesh.points[:, 3:], POINTS[:, 3:])


@pytest.mark.parametrize("axis, row", [("x", 0), ("-y", 1), ("z", 2)])
def test_the_axis_that_is_given_becomes_z(axis, row):
    plan = make_plan(capture(), Wanted(1, up=axis), "kitchen")
    sign = -1.0 if axis.startswith("-") else 1.0
    np.testing.assert_allclose(plan.world[2, :3], sign * np.eye(3)[row], atol=1e-12)
    assert np.linalg.det(plan.world[:3, :3]) == pytest.approx(1)


def test_a_device_held_upright_is_turned_unless_told_otherwise():
    side = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    level = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # -y is up
    poses = np.stack([level @ side] * 40)  # x of the image points down: the sky is on the left
    source = capture(up=np.array([0.0, 0, 1]), may_be_turned=True, poses=poses, mesh=None)
    plan = make_plan(source, Wanted(1), "kitchen")
    assert plan.told()["turned"] == "Left"
    assert plan.capture.color_size == (80, 120)
    np.testing.assert_allclose(plan.capture.poses[0, :3, 1], [0, 0, -1], atol=1e-12)
    fx, fy, cx, cy = plan.capture.intrinsics[0][[0, 1, 0, 1], [0, 1, 2, 2]]
    assert (fx, fy, cx, cy) == (90, 100, 80 - 1 - 40, 60)
    (picture,) = plan.capture.images([3])
    assert picture.depth_mm.shape == (60, 40)
    kept = make_plan(source, Wanted(1, keep_orientation=True), "kitchen")
    assert kept.capture.color_size == (120, 80) and kept.told()["turned"] == "Up"


def test_parts_by_time_share_no_frame_and_leave_none_out():
    source = capture(47)
    parts = [
        make_plan(source, Wanted(1, part=part), "kitchen").capture.numbers
        for part in ((0.0, 0.7), (0.7, 1.0))
    ]
    assert np.concatenate(parts).tolist() == source.numbers.tolist()


@pytest.mark.parametrize(
    "source, wanted, words",
    [
        (capture(metric=False), Wanted(1), "--metres-per-unit"),
        (capture(40), Wanted(5), "FRAME_SKIP"),
        (capture(9), Wanted(1), "at least 10"),
        (capture(up=None), Wanted(1), "no up can be found"),
    ],
)
def test_what_cannot_be_prepared_is_one_line_that_says_what_helps(source, wanted, words):
    with raises_one_line(BadDataError, words):
        make_plan(source, wanted, "kitchen")


# ---- lists ----


def test_a_fifth_of_the_scenes_is_for_evaluation_whatever_their_order():
    scenes = [f"room{k}" for k in range(50)]
    lists = split_scenes(scenes, {}, 0.2, 0)
    assert len(lists["val"]) == 10 and sorted(lists["train"] + lists["val"]) == sorted(scenes)
    assert split_scenes(scenes[::-1], {}, 0.2, 0) == lists
    assert split_scenes(scenes, {}, 0.2, 1) != lists


def test_scenes_that_come_later_do_not_move_the_earlier_ones():
    known = split_scenes([f"room{k}" for k in range(7)], {}, 0.2, 0)
    later = split_scenes([f"more{k}" for k in range(13)] + ["room3"], known, 0.2, 0)
    for split in ("train", "val"):
        assert set(known[split]) <= set(later[split])
    assert len(later["val"]) == 4 and len(later["train"]) == 16


@pytest.mark.parametrize(
    "count, val_share, in_val", [(1, 0.2, 0), (2, 0.2, 1), (3, 0, 0), (2, 1, 1)]
)
def test_few_scenes(count, val_share, in_val):
    lists = split_scenes([f"room{k}" for k in range(count)], {}, val_share, 0)
    assert len(lists["val"]) == in_val and len(lists["train"]) == count - in_val
