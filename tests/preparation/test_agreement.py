"""Right captures are never refused; of wrong ones it is said which convention is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from ray_cast_rooms import scan
from scipy.spatial.transform import Rotation

from spatial_engine.errors import BadDataError
from spatial_engine.utils.preparation import agreement
from spatial_engine.utils.preparation.agreement import (
    FLIP,
    DepthView,
    choose_pairs,
    refuse_wrong_convention,
    transposed,
    wrong_convention,
)

ROOMS = ("living room", "bedroom", "kitchen")
# Worlds that captures come in, times which poses are as far from z up and from the origin.
MOTION = np.eye(4)
MOTION[:3, :3] = Rotation.random(random_state=5).as_matrix()
MOTION[:3, 3] = 3, -8, 20


def views_of(layout, change=lambda pose: pose, depth_factor=1.0):
    frames = scan(layout, 24).frames
    poses = np.array([change(MOTION @ frame.world_from_cam) for frame in frames])
    pairs, size = choose_pairs(poses), (162, 121)
    K = np.diag([160 / size[0], 120 / size[1], 1]) @ frames[0].K
    views = {}
    for number in {number for pair in pairs for number in pair}:
        depth = np.minimum(frames[number].depth_mm * float(depth_factor), 65535).astype(np.uint16)
        views[number] = DepthView(poses[number], K, depth)
    return views, pairs


def scaled(factor):
    def change(pose):
        pose = pose.copy()
        pose[:3, 3] *= factor
        return pose

    return change


@pytest.mark.parametrize("layout", ROOMS)
def test_a_right_capture_is_let_through(layout):
    assert refuse_wrong_convention(*views_of(layout), "here") > 0.85


@pytest.mark.parametrize("layout", ROOMS)
@pytest.mark.parametrize(
    "change,said",
    [
        (np.linalg.inv, "poses look like world-to-camera"),
        (lambda pose: pose @ FLIP, "poses look like OpenGL's"),
        (transposed, "rotations of poses look transposed"),
        (scaled(1000), "depth divided by 0.001 fits the poses"),
        (scaled(0.1), "depth divided by 10 fits the poses"),
    ],
)
def test_poses_of_another_convention_are_refused(layout, change, said):
    with pytest.raises(BadDataError, match=f"poses.txt: {said}.*frames then agree on (9.|100)%"):
        refuse_wrong_convention(*views_of(layout, change), "poses.txt")


@pytest.mark.parametrize("layout", ROOMS)
@pytest.mark.parametrize("factor", [5, 1 / 5, 6.5535, 1 / 6.5535, 4])
def test_the_factor_of_depth_is_told(layout, factor):
    _, wrong = wrong_convention(*views_of(layout, depth_factor=factor))
    assert wrong.fault == "depth scale"
    assert f"divided by {factor:.4g} fits" in wrong.sentence


@pytest.mark.parametrize("layout", ROOMS)
@pytest.mark.parametrize("factor,size", [(1 / 1000, "0.00"), (1000, "65.5")])
def test_metres_and_millimetres_are_told_by_size(layout, factor, size):
    with pytest.raises(
        BadDataError, match=rf"here: half .* below {size}\d* m; is its unit another"
    ):
        refuse_wrong_convention(*views_of(layout, depth_factor=factor), "here")


@pytest.mark.parametrize("layout", ROOMS)
@pytest.mark.parametrize("factor,size", [(0.03, "small"), (0.02, "small"), (16, "large")])
def test_a_world_of_another_scale_is_no_wrong_unit_of_depth(layout, factor, size):
    """Frames whose depth cannot be agree with each other as they are."""
    views, pairs = views_of(layout, scaled(factor), factor)
    share, wrong = wrong_convention(views, pairs)
    assert wrong.fault == "scale of the world" and share > 0.6
    said = f"half .* and fits the poses: all is too {size}; .*--depth-unit and --metres-per-unit"
    with pytest.raises(BadDataError, match=f"poses.txt: {said}"):
        refuse_wrong_convention(views, pairs, "poses.txt")


@pytest.mark.parametrize("factor", [1 / 1000, 1 / 50, 1000])
def test_depth_that_cannot_be_says_nothing_of_the_world_where_the_camera_stands_still(factor):
    """It agrees with itself whatever its unit."""
    views, pairs = views_of("kitchen", depth_factor=factor)
    first = next(iter(views.values()))
    assert wrong_convention(dict.fromkeys(views, first), pairs)[1].fault == "depth scale"


def test_what_no_convention_mends_is_not_refused():
    """Poses of another scene, or a camera that stands still while poses shake: other faults."""
    views, pairs = views_of("bedroom")
    other, _ = views_of("kitchen")
    mixed = {
        n: view._replace(world_from_cam=other[n].world_from_cam)
        for n, view in views.items()
        if n in other
    }
    kept = [pair for pair in pairs if set(pair) <= set(mixed)]
    share, wrong = wrong_convention(mixed, kept)
    assert wrong is None and share < 0.5
    rng = np.random.default_rng(1)
    for shake in (0.0, 0.15):
        shaken = {}
        for number, view in views.items():
            pose = view.world_from_cam.copy()
            pose[:3, 3] = rng.normal(size=3) * 0.002
            pose[:3, :3] = (
                pose[:3, :3] @ Rotation.from_rotvec(rng.normal(size=3) * shake).as_matrix()
            )
            shaken[number] = view._replace(world_from_cam=pose)
        assert wrong_convention(shaken, pairs)[1] is None


def test_a_camera_that_does_not_move_is_let_through():
    views, pairs = views_of("bedroom")
    first = next(iter(views.values()))
    assert wrong_convention(dict.fromkeys(views, first), pairs)[1] is None


def test_a_capture_without_depth_or_pairs_is_let_through():
    views, pairs = views_of("bedroom")
    empty = {n: view._replace(depth_mm=np.zeros_like(view.depth_mm)) for n, view in views.items()}
    assert wrong_convention(empty, pairs)[1] is None
    assert choose_pairs(np.eye(4)[None]) == [] and choose_pairs(np.empty((0, 4, 4))) == []
    assert wrong_convention({}, []) == (None, None)


def test_pairs_overlap_and_do_not_depend_on_the_convention():
    frames = scan("living room", 24).frames
    poses = np.array([frame.world_from_cam for frame in frames])
    pairs = choose_pairs(poses)
    assert len(pairs) == agreement.MOST_PAIRS and all(one < other for one, other in pairs)
    for changed in (np.linalg.inv(poses), poses @ FLIP, MOTION @ poses):
        assert choose_pairs(changed) == pairs
    still = np.tile(np.eye(4), (200, 1, 1))
    assert max(other - one for one, other in choose_pairs(still)) == agreement.MOST_APART
