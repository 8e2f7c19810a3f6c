from __future__ import annotations

import numpy as np
import pytest
from helpers import raises_one_line, random_pose, random_rotation

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.cameras import is_rigid, project
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.preparation.capture import Capture, Picture
from spatial_engine.utils.preparation.images import upright

SIZE = (40, 30)
UP = np.array([0.0, 0, 1])


def camera(rng) -> np.ndarray:
    fx, fy = rng.uniform(20, 60, 2)
    return np.array([[fx, 0, rng.uniform(5, 35)], [0, fy, rng.uniform(5, 25)], [0, 0, 1]])


def looking(side: str) -> np.ndarray:
    """A camera that looks along +y of the world, a little down, with the sky at this side."""
    right, forward = np.array([1.0, 0, 0]), np.array([0, 1, -0.2]) / np.hypot(1, 0.2)
    down = np.cross(forward, right)
    axes = {  # x and y of the image, by where the sky is
        "top": (right, down), "left": (down, -right), "bottom": (-right, -down),
        "right": (-down, right),
    }[side]  # fmt: skip
    pose = np.eye(4)
    pose[:3, :3] = np.stack([*axes, forward], axis=1)
    assert is_rigid(pose)
    return pose


SIDES = {"top": 0, "left": 1, "bottom": 2, "right": 3}


@pytest.mark.parametrize("side", SIDES)
def test_the_sky_comes_to_the_top(side):
    """As the owners tell it: sky on the left, turn clockwise; right, counter-clockwise; bottom,
    upside down."""
    poses = looking(side)[None]
    turns = upright.turns_to_upright(poses, UP)
    assert turns == SIDES[side]
    turned = upright.turn_poses(poses, turns)
    up_cam = turned[0, :3, :3].T @ UP
    assert up_cam[1] == pytest.approx(-1 / np.hypot(1, 0.2))
    assert upright.turns_to_upright(turned, UP) == 0


def test_the_sky_of_real_lines():
    """Two lines of real files: upside down, and sky on the left of ARKitScenes."""
    from scipy.spatial.transform import Rotation

    for vector, turns in (
        ([-1.5545600446434271, 1.532901960141653, 0.883467254271724], 2),
        ([1.6851560664954446, -1.7402208764128138, -0.8469396625258023], 1),
    ):
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_rotvec(vector).as_matrix().T
        assert upright.turns_to_upright(pose[None], UP) == turns


def test_the_mean_over_the_video_counts_and_not_its_first_frame():
    poses = np.stack([looking("top"), *[looking("right")] * 3])
    assert upright.turns_to_upright(poses, UP) == 3


def test_up_is_any_direction_of_the_world():
    rotation = random_rotation(np.random.default_rng(5))
    for side, turns in SIDES.items():
        pose = looking(side)
        pose[:3, :3] = rotation @ pose[:3, :3]
        assert upright.turns_to_upright(pose[None], rotation @ UP) == turns


@pytest.mark.parametrize("turns", range(4))
def test_a_point_projects_to_the_turned_pixel(turns):
    rng = np.random.default_rng(turns)
    for _ in range(20):
        pose, K = random_pose(rng), camera(rng)
        points_cam = np.concatenate([rng.uniform(-1, 1, (50, 2)), rng.uniform(0.5, 3, (50, 1))], 1)
        points = points_cam @ pose[:3, :3].T + pose[:3, 3]
        pixels, depths = project(points, K, pose)
        turned_K = upright.turn_intrinsics(K, SIZE, turns)
        found, turned_depths = project(points, turned_K, upright.turn_poses(pose, turns))
        np.testing.assert_allclose(found, upright.turn_pixels(pixels, SIZE, turns), atol=1e-9)
        np.testing.assert_allclose(turned_depths, depths)


@pytest.mark.parametrize("turns", range(4))
def test_turned_pixels_are_those_of_the_turned_image(turns):
    image = np.random.default_rng(0).integers(0, 255, (*SIZE[::-1], 3)).astype(np.uint8)
    turned = upright.turn_image(image, turns)
    assert turned.shape[:2] == upright.turn_size(SIZE, turns)[::-1]
    for x, y in [(0, 0), (39, 0), (0, 29), (17, 8)]:
        u, v = upright.turn_pixels(np.array([x, y]), SIZE, turns).astype(int)
        assert (turned[v, u] == image[y, x]).all()
    np.testing.assert_array_equal(upright.turn_image(turned, 4 - turns), image)


def test_intrinsics_turn_as_the_owners_tell():
    K = np.array([[200.0, 0, 21], [0, 210, 16], [0, 0, 1]])
    width, height = SIZE
    for turns, expected in enumerate(
        [
            (200, 210, 21, 16),
            (210, 200, height - 1 - 16, 21),
            (200, 210, width - 1 - 21, height - 1 - 16),
            (210, 200, 16, width - 1 - 21),
        ]
    ):
        turned = upright.turn_intrinsics(np.stack([K, K]), SIZE, turns)
        for k in range(2):
            (fx, skew, cx), (_, fy, cy) = turned[k, :2]
            assert (fx, fy, cx, cy, skew) == (*expected, 0)


def some_capture(encode=lambda image: image) -> tuple[Capture, list[np.ndarray]]:
    rng = np.random.default_rng(1)
    pictures = [np.full((*SIZE[::-1], 3), 40 * k, np.uint8) for k in range(2)]
    for picture in pictures:
        picture[:10, :20] = 250
    depths = [rng.integers(0, 5000, (15, 20)).astype(np.uint16) for _ in pictures]

    def images(numbers):
        for number in numbers:
            yield Picture(number, encode(pictures[number]), depths[number])

    poses = np.stack([random_pose(rng) for _ in pictures])
    capture = Capture(
        np.arange(2), poses, np.stack([camera(rng)] * 2), SIZE, images, UP, may_be_turned=True
    )
    return capture, pictures


def test_a_capture_turns_as_a_whole():
    for encode, most in ((lambda image: image, 0), (jpeg.encode, 25)):
        capture, pictures = some_capture(encode)
        assert upright.turn_capture(capture, 0) is capture
        turned = upright.turn_capture(capture, 1)
        assert turned.color_size == (30, 40) and not turned.may_be_turned
        np.testing.assert_array_equal(turned.poses, upright.turn_poses(capture.poses, 1))
        (picture,) = turned.images([1])
        assert picture.number == 1 and picture.depth_mm.shape == (20, 15)
        difference = np.abs(picture.color.astype(int) - np.rot90(pictures[1], -1))
        assert np.median(difference) <= most and picture.color.flags.c_contiguous


def test_a_skew_is_not_turned():
    capture, _ = some_capture()
    capture.intrinsics[:, 0, 1] = 0.5
    with raises_one_line(BadDataError, "skew"):
        upright.turn_capture(capture, 1)


def test_depth_alone_is_turned_as_in_the_pictures():
    depths = {n: np.arange(12, dtype=np.uint16).reshape(3, 4) + n for n in (3, 5)}

    def images(numbers):
        return (Picture(n, np.zeros((30, 40, 3), np.uint8), depths[n]) for n in numbers)

    capture = Capture(
        np.array([3, 5]), np.stack([np.eye(4)] * 2), np.stack([np.eye(3)] * 2), SIZE, images, UP
    )
    turned = upright.turn_capture(capture, 1)
    pictures = list(turned.images([3, 5]))
    assert pictures[0].depth_mm.shape == (4, 3)
    for picture, alone in zip(pictures, turned.depth_images([3, 5]), strict=True):
        assert np.array_equal(picture.depth_mm, alone)
