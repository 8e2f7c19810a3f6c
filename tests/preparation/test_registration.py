"""Registered depth against a slow loop in float64, and against what a colour camera would measure
in a room of exact planes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import random_rotation

from spatial_engine.utils.preparation.images.registration import OVERLAP, SAME_SURFACE, Registration

DEPTH_K = np.array([[58.5, 0, 32.0], [0, 58.5, 24.0], [0, 0, 1]])
COLOR_K = np.array([[52.5, 0, 32.0], [0, 52.5, 24.0], [0, 0, 1]])
SIZE = (64, 48)
BESIDE = np.eye(4)
BESIDE[:3, 3] = -0.0256, 0.0001, 0.0020


def turned(seed: int) -> np.ndarray:
    """A motion of a few centimetres and half a degree."""
    rng = np.random.default_rng(seed)
    motion = BESIDE.copy()
    motion[:3, 3] += rng.normal(0, 0.005, 3)
    left, _, right = np.linalg.svd(np.eye(3) + 0.01 * random_rotation(rng))
    motion[:3, :3] = left @ right
    return motion


def loop(depth_mm, depth_K, color_K, color_from_depth, color_size) -> np.ndarray:
    """The rule, pixel after pixel."""
    height, width = depth_mm.shape
    K = np.diag([width / color_size[0], height / color_size[1], 1]) @ color_K
    half_x, half_y = K[0, 0] / depth_K[0, 0] / 2, K[1, 1] / depth_K[1, 1] / 2
    exact, loose = (np.full(depth_mm.shape, np.inf) for _ in range(2))
    for v, u in np.argwhere(depth_mm):
        z = depth_mm[v, u] / 1000
        ray = (u - depth_K[0, 2]) / depth_K[0, 0], (v - depth_K[1, 2]) / depth_K[1, 1]
        x, y, w, _ = color_from_depth @ [ray[0] * z, ray[1] * z, z, 1]
        if w < 0.01:
            continue
        cu, cv = K[0, 0] * x / w + K[0, 2], K[1, 1] * y / w + K[1, 2]
        for depth, size in ((exact, 1.0), (loose, OVERLAP)):
            for row in within(cv, size * half_y, height):
                for column in within(cu, size * half_x, width):
                    depth[row, column] = min(depth[row, column], round(1000 * w))
    found = np.where(exact > (1 + SAME_SURFACE) * loose, loose, exact)
    return np.where(np.isinf(found), 0, found).astype(np.uint16)


def within(centre: float, half: float, size: int) -> range:
    return range(max(math.ceil(centre - half), 0), min(math.floor(centre + half), size - 1) + 1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("focal", [30.0, 52.5, 58.5, 90.0, 130.0])
def test_equals_the_slow_loop(seed, focal):
    rng = np.random.default_rng(seed)
    color_K = np.array([[4 * focal, 0, 126], [0, 3.9 * focal, 97], [0, 0, 1]])
    depth = rng.integers(300, 4000, (48, 64)).astype(np.uint16)
    depth[rng.random(depth.shape) < 0.2] = 0
    found = Registration(DEPTH_K, color_K, turned(seed), SIZE, (256, 192))(depth)
    expected = loop(depth, DEPTH_K, color_K, turned(seed), (256, 192))
    # A patch may end on a pixel's centre, and a depth on a half millimetre: rounding decides.
    assert (np.abs(found.astype(int) - expected) > 1).mean() < 0.002
    assert (found > 0).any()


# ---- a room of planes ----------------------------------------------------------------------------

# Axis-aligned rectangles in the depth camera's frame: axis, its coordinate, bounds of the others.
ROOM = [
    (2, 3.0, (-9, 9), (-9, 9)),  # the wall ahead
    (1, 0.7, (-9, 9), (-9, 9)),  # the floor
    (0, -0.9, (-9, 9), (-9, 9)),  # the wall to the left
    (2, 1.0, (-0.2, 0.3), (-0.25, 0.3)),  # a board, one metre away
]


def rendered(K: np.ndarray, world_from_cam: np.ndarray, size: tuple[int, int]):
    """Exact depth (h, w) in metres, and which rectangle each pixel shows."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    rays = np.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], 1 + 0 * rows], -1)
    directions, start = rays @ world_from_cam[:3, :3].T, world_from_cam[:3, 3]
    depth, shown = np.full(rows.shape, np.inf), np.full(rows.shape, -1)
    for number, (axis, place, *bounds) in enumerate(ROOM):
        with np.errstate(all="ignore"):
            z = (place - start[axis]) / directions[..., axis]
            points = start + z[..., None] * directions
        hit = (z > 0) & (z < depth)
        for other, (low, high) in zip([i for i in range(3) if i != axis], bounds, strict=True):
            hit &= (points[..., other] >= low) & (points[..., other] <= high)
        depth[hit], shown[hit] = z[hit], number
    return depth, shown


def inner(shown: np.ndarray, wanted: int) -> np.ndarray:
    """Pixels that show a rectangle, and all whose eight neighbours show it too."""
    same = np.pad(shown == wanted, 1)
    height, width = shown.shape
    shifted = [same[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.logical_and.reduce(shifted)


@pytest.fixture(scope="module")
def views():
    """Depth camera at 320x240 with the focal lengths of 7-Scenes; colour beside it."""
    size = (320, 240)
    depth_K, color_K = (np.array([[f, 0, 160], [0, f, 120], [0, 0, 1]]) for f in (292.5, 262.5))
    measured, _ = rendered(depth_K, np.eye(4), size)
    exact, shown = rendered(color_K, np.linalg.inv(BESIDE), size)
    depth_mm = np.rint(1000 * measured).astype(np.uint16)
    found = Registration(depth_K, color_K, BESIDE, size, size)(depth_mm)
    return depth_mm, found, exact, shown


def test_surfaces_lie_where_the_colour_camera_sees_them(views):
    _, found, exact, shown = views
    for number in range(len(ROOM)):
        of = inner(shown, number) & (found > 0)
        assert of.sum() > 1000
        error = found[of] / 1000 - exact[of]
        # Half a pixel along the surface, and half a millimetre twice.
        steps = [np.abs(np.gradient(exact, axis=axis))[of] for axis in (0, 1)]
        assert (np.abs(error) <= 0.55 * sum(steps) * 1.2 + 0.0011).all()
        # No side is preferred: a slanted surface does not come nearer.
        assert abs(error.mean()) < 0.05 * sum(steps).mean() + 0.0003


def plane_depth(K: np.ndarray, cam_from_depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Depth (h, w) in metres of the plane 0.4 x + 0.7 y + z = 2 of the depth camera's frame."""
    plane = np.array([0.4, 0.7, 1.0, -2.0]) @ np.linalg.inv(cam_from_depth)
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    rays = np.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], 1 + 0 * rows], -1)
    return -plane[3] / (rays @ plane[:3])


def test_a_slanted_surface_does_not_come_nearer():
    """What patches are for: denser depth is thinned. The nearest of all would be nearer."""
    size = (320, 240)
    depth_K, color_K = (np.array([[f, 0, 160], [0, f, 120], [0, 0, 1]]) for f in (292.5, 262.5))
    depth_mm = np.rint(1000 * plane_depth(depth_K, np.eye(4), size)).astype(np.uint16)
    exact = plane_depth(color_K, BESIDE, size)
    found = Registration(depth_K, color_K, BESIDE, size, size)(depth_mm) / 1000

    v, u = np.indices(depth_mm.shape)
    z = depth_mm / 1000
    x, y, w = (u - 160) / 292.5 * z - 0.0256, (v - 120) / 292.5 * z + 0.0001, z + 0.0020
    u, v = np.rint(262.5 * x / w + 160).astype(int), np.rint(262.5 * y / w + 120).astype(int)
    inside = (u >= 0) & (v >= 0) & (u < 320) & (v < 240)
    nearest = np.full(depth_mm.shape, np.inf)
    np.minimum.at(nearest, (v[inside], u[inside]), w[inside])

    step = sum(np.abs(np.gradient(exact, axis=axis)) for axis in (0, 1))
    of = (found > 0) & np.isfinite(nearest)
    errors = [((depth - exact)[of] / step[of]).mean() for depth in (found, nearest)]
    assert of.mean() > 0.7 and abs(errors[0]) < 0.01 and errors[1] < -0.04


def test_holes_are_only_where_the_depth_camera_saw_nothing(views):
    _, found, exact, shown = views
    # The depth camera's field of view within the image of the colour camera, and a margin.
    v, u = np.indices(found.shape)
    points = (
        np.stack([(u - 160) / 262.5, (v - 120) / 262.5, np.ones(u.shape)], -1) * exact[..., None]
    )
    points = points - BESIDE[:3, 3]
    du, dv = (292.5 * points[..., i] / points[..., 2] + c for i, c in ((0, 160), (1, 120)))
    in_view = (du > 1) & (du < 318) & (dv > 1) & (dv < 238)
    # What the board hides from the depth camera: a strip of it is seen from the colour camera.
    ahead = points * (1.0 / points[..., 2:])
    behind = (points[..., 2] > 1.001) & (ahead[..., 0] > -0.2) & (ahead[..., 0] < 0.3)
    behind &= (ahead[..., 1] > -0.25) & (ahead[..., 1] < 0.3)
    assert behind.sum() > 200
    whole = np.logical_or.reduce([inner(shown, number) for number in range(len(ROOM))])
    edge = ~inner(np.where(behind, 1, 0), 0) & ~inner(np.where(behind, 1, 0), 1)
    assert (found[whole & in_view & ~behind & ~edge] > 0).all()
    assert (found[behind & ~edge] == 0).all()
    assert (found[(du < -1) | (dv < -1) | (du > 321) | (dv > 241)] == 0).all()


def test_points_are_not_thirteen_pixels_off(views):
    """Without registration the board would lie 13 (here 6.6) pixels beside itself."""
    depth_mm, found, _, shown = views
    columns = [np.nonzero(row)[0] for row in (found == 1002)[100:130]]
    true = [np.nonzero(row)[0] for row in (shown == 3)[100:130]]
    for have, want in zip(columns, true, strict=True):
        assert abs(have[0] - want[0]) <= 1 and abs(have[-1] - want[-1]) <= 1
    raw = np.nonzero(depth_mm[110] == 1000)[0]
    assert abs(raw.mean() - true[10].mean()) > 5


def test_the_same_camera_changes_nothing():
    rng = np.random.default_rng(0)
    depth = rng.integers(0, 65535, (48, 64)).astype(np.uint16)
    same = Registration(DEPTH_K, DEPTH_K, np.eye(4), SIZE, SIZE)(depth)
    # Patches overlap by a twentieth of a pixel: too little to reach another centre.
    assert (same == depth).all()


def test_depth_of_another_size_than_colour():
    """A quarter of the colour's size: the same result as with a colour image of a quarter."""
    depth = np.random.default_rng(0).integers(500, 3000, (48, 64)).astype(np.uint16)
    large = np.diag([4, 4, 1]) @ COLOR_K
    one = Registration(DEPTH_K, large, BESIDE, SIZE, (256, 192))(depth)
    assert (one == Registration(DEPTH_K, COLOR_K, BESIDE, SIZE, SIZE)(depth)).all()


def test_depth_in_the_camera_and_behind_it_is_none():
    towards = np.eye(4)
    towards[2, 3] = -1.0
    depth = np.full((48, 64), 1000, np.uint16)
    depth[20:] = 900
    assert not Registration(DEPTH_K, COLOR_K, towards, SIZE, SIZE)(depth).any()


def test_cameras_that_do_not_belong_together():
    with pytest.raises(ValueError, match="would cover"):
        Registration(DEPTH_K / 1000, COLOR_K, BESIDE, SIZE, SIZE)
    with pytest.raises(ValueError, match="a depth image of"):
        Registration(DEPTH_K, COLOR_K, BESIDE, SIZE, SIZE)(np.zeros((10, 10), np.uint16))
