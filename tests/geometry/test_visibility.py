from __future__ import annotations

import numpy as np
import pytest
from helpers import random_intrinsic, random_pose

from spatial_engine.utils.geometry.point_bits import bit_words
from spatial_engine.utils.geometry.visibility import (
    BLOCK_SIZE,
    PointBlocks,
    SurfaceRule,
    intersection_counts,
    overlap_percent,
    visible_and_surface_points,
    visible_points,
)
from spatial_engine.utils.pictures.depth_range import depth_range

SIZES = [  # colour, depth
    ((1296, 968), (640, 480)),
    ((64, 48), (64, 48)),
    ((100, 37), (13, 29)),
    ((16, 12), (8, 6)),
    ((5, 7), (31, 20)),
]


def pixel_of(point, pose, intrinsic, image_size, depth_mm):
    """(row, column) of the depth image where a point lies, or False where it is not in the image,
    or None where either answer is right; and its depth."""
    x, y, z = np.linalg.inv(pose)[:3] @ [*point, 1]
    if abs(z) < 1e-9:
        return None, z  # at the camera, where the sign of z is a matter of rounding
    if z < 0:
        return False, z
    (width, height), (depth_height, depth_width) = image_size, depth_mm.shape
    u, v = (intrinsic[:3, :3] @ [x, y, z])[:2] / z
    if min(abs(u), abs(v), abs(u - width), abs(v - height)) < 1e-3:
        return None, z
    if not (0 <= u < width and 0 <= v < height):
        return False, z
    column, row = u * depth_width / width, v * depth_height / height
    if min(abs(column % 1 - 0.5), abs(row % 1 - 0.5)) < 1e-3:
        return None, z
    return (min(round(row), depth_height - 1), min(round(column), depth_width - 1)), z


def judge(point, pose, intrinsic, image_size, depth_mm):
    """SPEC 4 in plain float64: True, False, or None where either answer is right."""
    if not all(np.isfinite(point)):
        return False
    pixel, z = pixel_of(point, pose, intrinsic, image_size, depth_mm)
    if not isinstance(pixel, tuple):
        return pixel
    measured = depth_mm[pixel]
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
    counts = intersection_counts(bit_words(lists, num_points))
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
            counts = intersection_counts(bit_words(lists, num_points))
            overlap = overlap_percent(counts)
            assert counts.dtype == np.int64
            for i, first in enumerate(sets):
                for j, second in enumerate(sets):
                    assert counts[i, j] == len(first & second)
                    union = len(first | second)
                    assert overlap[i, j] == (100.0 * len(first & second) / union if union else 0)


# ---- surface -------------------------------------------------------------------------------------


def judge_surface(point, pose, intrinsic, image_size, depth_mm, rule):
    """Whether a point lies on the surface that a frame shows, by looking at each depth around it in
    float64; None where rounding may decide."""
    pixel, z = pixel_of(point, pose, intrinsic, image_size, depth_mm)
    if not isinstance(pixel, tuple):
        return pixel
    (row, column), (depth_height, depth_width) = pixel, depth_mm.shape
    tolerance = max(rule.tolerance_m, rule.tolerance_share * z)
    answer = True
    for r in range(max(row - rule.window_px, 0), min(row + rule.window_px + 1, depth_height)):
        for c in range(
            max(column - rule.window_px, 0), min(column + rule.window_px + 1, depth_width)
        ):
            off = abs(depth_mm[r, c] / 1000 - z) - tolerance
            if not depth_mm[r, c] or off > 1e-6:
                return False
            answer = None if abs(off) <= 1e-6 else answer
    return answer


def surface_points(points, pose, intrinsic, size, depth, rule) -> np.ndarray:
    blocks, around = PointBlocks.of(points), depth_range(depth, rule.window_px)
    visible, surface = visible_and_surface_points(
        blocks, pose, intrinsic, size, depth, around, rule
    )
    np.testing.assert_array_equal(visible, visible_points(blocks, pose, intrinsic, size, depth))
    assert surface.dtype == np.int32 and (np.diff(surface) > 0).all()
    return surface


def stepped_depth(rng, size) -> np.ndarray:
    """Flat pieces a metre apart and more, with noise and holes, as of things before a wall."""
    width, height = size
    depth = np.full((height, width), 4000.0)
    for near in (3000, 2000, 1200):
        left, top = rng.integers(width), rng.integers(height)
        depth[top : top + height // 2, left : left + width // 2] = near
    depth += rng.normal(0, 15, depth.shape)
    depth[rng.random(depth.shape) < 0.01] = 0
    return depth.astype(np.uint16)


@pytest.mark.parametrize(("color_size", "depth_size"), SIZES)
@pytest.mark.parametrize(
    "rule", [SurfaceRule(2, 0.05, 0.03), SurfaceRule(0, 0, 0.2), SurfaceRule(40, 0.3, 0)]
)
def test_surface_points_are_those_of_the_definition(color_size, depth_size, rule):
    rng = np.random.default_rng([*color_size, rule.window_px])
    found = 0
    for _ in range(3):
        pose, intrinsic = random_pose(rng), random_intrinsic(rng, color_size)
        depth = stepped_depth(rng, depth_size)
        pixels = rng.uniform(-0.1, 1.1, (400, 2)) * color_size
        rows = np.clip(
            (pixels[:, 1] * depth_size[1] / color_size[1]).astype(int), 0, depth_size[1] - 1
        )
        columns = np.clip(
            (pixels[:, 0] * depth_size[0] / color_size[0]).astype(int), 0, depth_size[0] - 1
        )
        z = depth[rows, columns] / 1000 + rng.normal(0, 0.06, 400)  # before and behind it
        rays = np.linalg.solve(intrinsic[:3, :3], np.column_stack([pixels, np.ones(400)]).T).T
        points = (rays * z[:, None]) @ pose[:3, :3].T + pose[:3, 3]
        surface = set(surface_points(points, pose, intrinsic, color_size, depth, rule).tolist())
        for number, point in enumerate(points):
            expected = judge_surface(point, pose, intrinsic, color_size, depth, rule)
            assert expected is None or (number in surface) == expected, (number, point)
        found += len(surface)
    assert found > 20 or depth_size == (31, 20) or rule.window_px == 40


def test_points_at_a_silhouette_are_not_on_the_surface_and_those_behind_by_noise_are():
    intrinsic = np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])
    depth = np.full((48, 64), 3000, np.uint16)
    depth[:, :32] = 1500  # a thing before a wall
    rule = SurfaceRule(2, 0.05, 0.03)

    def is_on_surface(u: float, z: float) -> bool:
        point = np.array([[(u - 32) / 50 * z, 0.0, z]])
        return len(surface_points(point, np.eye(4), intrinsic, (64, 48), depth, rule)) == 1

    assert is_on_surface(20, 1.5) and is_on_surface(20, 1.46) and is_on_surface(20, 1.54)
    assert is_on_surface(50, 3.08) and not is_on_surface(50, 3.1)
    assert not is_on_surface(20, 1.4)  # before the surface: seen by the published rule
    assert not is_on_surface(30, 1.5) and not is_on_surface(33, 3.0)  # the edge is in the window
    assert is_on_surface(29, 1.5) and is_on_surface(34, 3.0)
    depth[:, 40] = 0
    assert not is_on_surface(42, 3.0) and not is_on_surface(38, 3.0)  # beside what is not measured
    assert is_on_surface(43, 3.0) and is_on_surface(37, 3.0)


def test_a_depth_range_is_that_of_the_square_around_a_pixel():
    rng = np.random.default_rng(2)
    for window in (0, 1, 2, 30):
        depth = random_depth(rng, (23, 17))
        depth[:8, :8] = 0
        around = depth_range(depth, window)
        for row, column in np.ndindex(depth.shape):
            square = depth[
                max(row - window, 0) : row + window + 1,
                max(column - window, 0) : column + window + 1,
            ]
            assert around.nearest_mm[row, column] == square.min()
            assert around.farthest_mm[row, column] == square.max()
