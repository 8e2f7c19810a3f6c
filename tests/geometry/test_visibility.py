from __future__ import annotations

import numpy as np
import pytest
from helpers import random_intrinsic, random_pose

from spatial_engine.utils.geometry.visibility import (
    BLOCK_SIZE,
    PointBlocks,
    intersection_counts,
    overlap_percent,
    visible_points,
)

SIZES = [  # colour, depth
    ((1296, 968), (640, 480)),
    ((64, 48), (64, 48)),
    ((100, 37), (13, 29)),
    ((16, 12), (8, 6)),
    ((5, 7), (31, 20)),
]


def judge(point, pose, intrinsic, image_size, depth_mm):
    """SPEC 4 in plain float64: True, False, or None where either answer is right."""
    if not all(np.isfinite(point)):
        return False
    x, y, z = np.linalg.inv(pose)[:3] @ [*point, 1]
    if abs(z) < 1e-9:
        return None  # at the camera, where the sign of z is a matter of rounding
    if z < 0:
        return False
    (width, height), (depth_height, depth_width) = image_size, depth_mm.shape
    u, v = (intrinsic[:3, :3] @ [x, y, z])[:2] / z
    if min(abs(u), abs(v), abs(u - width), abs(v - height)) < 1e-3:
        return None
    if not (0 <= u < width and 0 <= v < height):
        return False
    column, row = u * depth_width / width, v * depth_height / height
    if min(abs(column % 1 - 0.5), abs(row % 1 - 0.5)) < 1e-3:
        return None
    measured = depth_mm[min(round(row), depth_height - 1), min(round(column), depth_width - 1)]
    if measured and abs(z - measured / 1000) < 1e-4:
        return None
    return bool(z < measured / 1000)


def assert_as_spec(points, pose, intrinsic, image_size, depth_mm) -> int:
    found = visible_points(PointBlocks.of(points), pose, intrinsic, image_size, depth_mm)
    assert found.dtype == np.int32
    assert (np.diff(found) > 0).all()
    seen = set(found.tolist())
    for number, point in enumerate(points):
        expected = judge(point, pose, intrinsic, image_size, depth_mm)
        assert expected is None or (number in seen) == expected, (number, point)
    assert seen <= set(range(len(points)))
    return len(seen)


def before_the_camera(rng, pose, intrinsic, size, number) -> np.ndarray:
    """World points that project into the image or a little beside it, 0 to 7 m away."""
    pixels = rng.uniform(-0.2, 1.2, (number, 2)) * size
    rays = np.linalg.solve(intrinsic[:3, :3], np.column_stack([pixels, np.ones(number)]).T).T
    return (rays * rng.uniform(0, 7, (number, 1))) @ pose[:3, :3].T + pose[:3, 3]


def random_depth(rng, size) -> np.ndarray:
    """Depth with zeros, with a few values at the ends of uint16, and with holes."""
    depth = rng.integers(300, 6000, (size[1], size[0])).astype(np.uint16)
    depth[rng.random(depth.shape) < 0.2] = 0
    depth[rng.random(depth.shape) < 0.02] = 65535
    depth[rng.random(depth.shape) < 0.02] = 1
    return depth


@pytest.mark.parametrize(("color_size", "depth_size"), SIZES)
@pytest.mark.parametrize("side", [3, 4])
def test_visible_points_are_those_of_the_definition(color_size, depth_size, side):
    rng = np.random.default_rng([*color_size, *depth_size, side])
    seen = 0
    for trial in range(12):
        pose, intrinsic = random_pose(rng), random_intrinsic(rng, color_size, side)
        points = np.concatenate(
            [
                rng.uniform(-5, 5, (100, 3)),  # anywhere, behind the camera too
                before_the_camera(rng, pose, intrinsic, color_size, 150),
                rng.normal(size=(20, 3)) * 1e-3 + pose[:3, 3],
                np.tile(pose[:3, 3], (5, 1)),  # at the camera
            ]
        )
        points[rng.random(points.shape) < 0.02] = rng.choice([np.nan, np.inf, -np.inf])
        depth = random_depth(rng, depth_size) * np.uint16(trial != 0)  # one with nothing measured
        seen += assert_as_spec(points, pose, intrinsic, color_size, depth)
    assert 200 < seen < 2500


@pytest.mark.parametrize("number", [0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 1000])
def test_block_borders_lose_no_point(number):
    rng = np.random.default_rng(number)
    pose, intrinsic = np.eye(4), random_intrinsic(rng, (64, 48))
    in_view = np.full((number, 3), (0.0, 0.0, 2.0)) + rng.uniform(-0.05, 0.05, (number, 3))
    depth = np.full((48, 64), 3000, np.uint16)
    assert assert_as_spec(in_view, pose, intrinsic, (64, 48), depth) == number
    assert assert_as_spec(-in_view, pose, intrinsic, (64, 48), depth) == 0


def test_points_that_are_not_finite_change_nothing_for_the_others():
    rng = np.random.default_rng(7)
    pose, intrinsic = random_pose(rng), random_intrinsic(rng, (64, 48))
    depth = np.full((48, 64), 5000, np.uint16)
    points = before_the_camera(rng, pose, intrinsic, (64, 48), 500)
    kept = rng.random(500) < 0.7
    broken = points.copy()
    broken[~kept] = rng.choice([np.nan, np.inf, -np.inf], (np.count_nonzero(~kept), 3))
    alone = visible_points(PointBlocks.of(points[kept]), pose, intrinsic, (64, 48), depth)
    found = visible_points(PointBlocks.of(broken), pose, intrinsic, (64, 48), depth)
    assert len(alone) > 100
    np.testing.assert_array_equal(found, np.flatnonzero(kept)[alone])
    none = visible_points(PointBlocks.of(np.full((5, 3), np.nan)), pose, intrinsic, (64, 48), depth)
    assert len(none) == 0


def test_order_of_the_mesh_and_far_outliers_play_no_part():
    rng = np.random.default_rng(8)
    pose, intrinsic = random_pose(rng), random_intrinsic(rng, (64, 48))
    depth = random_depth(rng, (64, 48))
    points = before_the_camera(rng, pose, intrinsic, (64, 48), 3000)
    points[10:20] = points[0]  # doubles are seen together
    seen = np.isin(
        np.arange(3000),
        visible_points(PointBlocks.of(points), pose, intrinsic, (64, 48), depth),
    )
    assert 300 < seen.sum() < 2700
    order = rng.permutation(3000)
    found = visible_points(PointBlocks.of(points[order]), pose, intrinsic, (64, 48), depth)
    np.testing.assert_array_equal(found, np.flatnonzero(seen[order]))
    outliers = np.concatenate([points, np.diag([1e30, -3e38, 1e9])])
    found = visible_points(PointBlocks.of(outliers), pose, intrinsic, (64, 48), depth)
    np.testing.assert_array_equal(found[found < 3000], np.flatnonzero(seen))


def test_just_inside_is_seen_and_just_outside_is_not():
    """At 2e-3 px of a border and 0.2 mm of the depth there is no choice any more."""
    width, height, near = 640, 480, 2e-3
    intrinsic = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
    depth = np.full((240, 320), 2000, np.uint16)

    def seen(u, v, z) -> bool:
        point = np.array([[(u - 320) / 500 * z, (v - 240) / 500 * z, z]])
        blocks = PointBlocks.of(point)
        return len(visible_points(blocks, np.eye(4), intrinsic, (width, height), depth)) == 1

    for u in (near, width - near):
        for v in (near, height - near):
            assert seen(u, v, 1.5)
            assert seen(u, v, 1.9998)
            assert not seen(u, v, 2.0002)
            assert not seen(u, v, -1.5)
    for u, v in [(-near, 9), (width + near, 9), (9, -near), (9, height + near)]:
        assert not seen(u, v, 1.5)


@pytest.mark.parametrize(("frames", "num_points"), [(0, 0), (0, 9), (1, 0), (1, 70), (3, 0)])
def test_counts_of_no_frames_and_of_no_points(frames, num_points):
    lists = [np.arange(num_points, dtype=np.int32) for _ in range(frames)]
    counts = intersection_counts(lists, num_points)
    np.testing.assert_array_equal(counts, np.full((frames, frames), num_points))
    expected = 100.0 if num_points else 0.0
    np.testing.assert_array_equal(overlap_percent(counts), np.full((frames, frames), expected))


def test_counts_and_overlaps_are_those_of_sets():
    rng = np.random.default_rng(9)
    for num_points in (1, 63, 64, 65, 129, 1000):
        for frames in (1, 2, 17):
            share = rng.choice([0.0, 0.05, 0.5, 1.0], frames)
            lists = [
                np.flatnonzero(rng.random(num_points) < part).astype(np.int32) for part in share
            ]
            sets = [set(points.tolist()) for points in lists]
            counts = intersection_counts(lists, num_points)
            overlap = overlap_percent(counts)
            assert counts.dtype == np.int64
            for i, first in enumerate(sets):
                for j, second in enumerate(sets):
                    assert counts[i, j] == len(first & second)
                    union = len(first | second)
                    assert overlap[i, j] == (100.0 * len(first & second) / union if union else 0)
