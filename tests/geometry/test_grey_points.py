"""Seen, absent or grey: three states of a point in a frame, by the definition (SPEC 13.1)."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import random_intrinsic, random_pose

from spatial_engine.utils.geometry.visibility import (
    AbsenceRule,
    PointBlocks,
    SurfaceRule,
    grey_points,
    visible_and_surface_points,
)
from spatial_engine.utils.pictures.depth_range import depth_range

SURFACE = SurfaceRule(2, 0.05, 0.03)
RULE = AbsenceRule()
SIZES = [((1296, 968), (640, 480)), ((64, 48), (64, 48)), ((100, 37), (13, 29)), ((5, 7), (31, 20))]
ABSENT, GREY, SEEN = "absent", "grey", "seen"


def state(point, pose, intrinsic, image_size, depth_mm) -> str | None:
    """SPEC 13.1 word by word in float64; None where rounding may decide."""
    if not np.isfinite(point).all():
        return ABSENT
    x, y, z = np.linalg.inv(pose)[:3] @ [*point, 1]
    if abs(z) < 1e-9:
        return None
    if z <= 0:
        return ABSENT
    (width, height), (rows, columns) = image_size, depth_mm.shape
    u, v = (intrinsic[:3, :3] @ [x, y, z])[:2] / z
    m = 0.02 * width
    borders = [u, v, u - width, v - height, u + m, v + m, u - width - m, v - height - m]
    if min(map(abs, borders)) < 1e-3:
        return None
    if u < -m or u >= width + m or v < -m or v >= height + m:
        return ABSENT
    if not (0 <= u < width and 0 <= v < height):
        return GREY
    column, row = u * columns / width, v * rows / height
    if min(abs(column % 1 - 0.5), abs(row % 1 - 0.5)) < 1e-3:
        return None
    row, column = min(round(row), rows - 1), min(round(column), columns - 1)
    measured = float(depth_mm[row, column]) / 1000
    window = depth_mm[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3] / 1000.0
    tolerance = max(0.05, 0.03 * z)
    edges = [abs(abs(d - z) - tolerance) for d in window.ravel()] + [abs(z - measured - 0.1)]
    if min(edges) < 1e-4:
        return None
    if all(d > 0 and abs(d - z) <= tolerance for d in window.ravel()):
        return SEEN
    return ABSENT if measured > 0 and z >= measured + 0.1 else GREY


def states_of(points, pose, intrinsic, image_size, depth_mm) -> list[str]:
    """The states that the engine finds."""
    blocks, around = PointBlocks.of(points), depth_range(depth_mm, SURFACE.window_px)
    camera = (pose, intrinsic, image_size, depth_mm)
    _, seen = visible_and_surface_points(blocks, *camera, around, SURFACE)
    grey = grey_points(blocks, *camera, seen, RULE)
    assert grey.dtype == np.int32 and (np.diff(grey) > 0).all()
    assert not set(grey.tolist()) & set(seen.tolist())
    found = np.full(len(points), ABSENT, object)
    found[grey], found[seen] = GREY, SEEN
    return found.tolist()


def smooth_depth(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A slanted wall, with another one before a part of it and holes."""
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    depth = 2500 + 600 * x * rng.uniform(-1, 1) + 600 * y * rng.uniform(-1, 1)
    depth[x > rng.uniform(0.5, 0.9)] -= 900
    depth[y > rng.uniform(0.8, 1)] = 0
    return depth.astype(np.uint16)


@pytest.mark.parametrize(("color_size", "depth_size"), SIZES)
def test_states_are_those_of_the_definition(color_size, depth_size):
    rng = np.random.default_rng([*color_size, *depth_size])
    counts = dict.fromkeys((ABSENT, GREY, SEEN, None), 0)
    for trial in range(6):
        pose, intrinsic = random_pose(rng), random_intrinsic(rng, color_size)
        pixels = rng.uniform(-0.1, 1.1, (400, 2)) * color_size
        rays = np.linalg.solve(intrinsic[:3, :3], np.column_stack([pixels, np.ones(400)]).T).T
        local = rays * rng.uniform(0.5, 4, (400, 1))
        local = np.vstack([local, rng.uniform(-4, 4, (60, 3))])  # behind the camera, too
        points = local @ pose[:3, :3].T + pose[:3, 3]
        points[rng.random(len(points)) < 0.02] = np.nan
        depth = smooth_depth(rng, depth_size) * np.uint16(trial != 0)
        found = states_of(points, pose, intrinsic, color_size, depth)
        for number, point in enumerate(points):
            expected = state(point, pose, intrinsic, color_size, depth)
            counts[expected] += 1
            assert expected in (None, found[number]), (trial, number)
    assert counts[ABSENT] > 300 and counts[GREY] > 100 and counts[None] < 300
    assert counts[SEEN] > (20 if min(depth_size) > 20 else 0)


def test_nothing_measured_leaves_all_before_the_camera_grey():
    points = np.array([[0, 0, 2.0], [0, 0, -2.0], [9.0, 0, 2.0]])
    intrinsic, depth = np.diag([60.0, 60, 1]), np.zeros((48, 64), np.uint16)
    intrinsic[:2, 2] = 32, 24
    assert states_of(points, np.eye(4), intrinsic, (64, 48), depth) == [GREY, ABSENT, ABSENT]


def test_what_lies_close_behind_the_surface_is_grey_and_from_there_on_absent():
    intrinsic, depth = np.diag([60.0, 60, 1]), np.full((48, 64), 2000, np.uint16)
    intrinsic[:2, 2] = 32, 24
    points = np.array([[0, 0, z] for z in (0.1, 1.9, 2.0, 2.05, 2.09, 2.11, 3.0)])
    expected = [GREY, GREY, SEEN, SEEN, GREY, ABSENT, ABSENT]
    assert states_of(points, np.eye(4), intrinsic, (64, 48), depth) == expected
