"""Up is found within 2 degrees in rooms turned at random, and refused where nothing tells it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ray_cast_rooms import scan
from scipy.spatial.transform import Rotation

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.rendering.camera_path import pose as camera
from spatial_engine.utils.preparation.fusion import fuse
from spatial_engine.utils.preparation.up_axis import UPS, find_up, rotation_to_z_up, up_of

ROOMS = ("living room", "bedroom", "kitchen", "office", "studio")


@pytest.fixture(scope="module", params=ROOMS)
def room(request):
    """Poses (n, 4, 4) and fused points (m, 6) of a room, z up."""
    frames = scan(request.param, 12).frames
    return np.array([frame.world_from_cam for frame in frames]), fuse(lambda: frames)


@pytest.fixture(scope="module")
def points():
    frames = scan("living room", 12).frames
    return fuse(lambda: frames)


def moved(poses, points, seed):
    motion = np.eye(4)
    motion[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    motion[:3, 3] = np.random.default_rng(seed).uniform(-50, 50, 3)
    return motion @ poses, points[:, :3] @ motion[:3, :3].T + motion[:3, 3], motion[:3, 2]


def degrees_between(one, other) -> float:
    return float(np.degrees(np.arccos(np.clip(one @ other, -1, 1))))


@pytest.mark.parametrize("seed", range(3))
def test_up_is_found_in_a_room_turned_at_random(room, seed):
    poses, points, up = moved(*room, seed)
    assert degrees_between(up_of(poses, points, "here"), up) < 0.5


@pytest.mark.parametrize("part", [slice(0, 4), slice(4, 8), slice(8, 12)])
def test_up_is_found_where_the_camera_shows_one_side(room, part):
    """There the mean of the images' upward directions leans as the cameras do."""
    poses, points, up = moved(room[0][part], room[1], 7)
    assert degrees_between(up_of(poses, points, "here"), up) < 0.5


def test_the_same_points_give_the_same_direction(room):
    assert find_up(*room).direction.tobytes() == find_up(*room).direction.tobytes()


def refused(poses, points, why):
    with pytest.raises(BadDataError, match=rf"scan: no up can be found: {why}.*--up x\|y\|z\|-x"):
        up_of(np.array(poses), points, "scan")


def test_a_camera_that_rolls_is_refused(points):
    places = np.random.default_rng(0).uniform(-1, 1, (40, 3))
    rolling = [camera(p, 30 * k, 0, 83 * k) for k, p in enumerate(places)]
    refused(rolling, points, "the camera is held in all ways")


def test_a_camera_that_looks_down_is_refused(points):
    looking = [camera(np.zeros(3), 9 * k, -90, 0) for k in range(40)]
    refused(looking, points, "the camera is held in all ways")
    looking = [camera(np.zeros(3), 3 * k, -88, 0) for k in range(40)]
    refused(looking, points, "the camera is held on its side, or looks down")


def test_a_camera_on_its_side_is_refused(points):
    """A phone held upright whose images are on their side; a wall would be taken for the floor."""
    sideways = [camera(np.zeros(3), 3 * k, -10, 90) for k in range(40)]
    refused(sideways, points, "the camera is held on its side")


def test_a_camera_that_nods_is_not_taken_for_one_on_its_side(points):
    nodding = [camera(np.zeros(3), 0, pitch, 0) for pitch in range(-45, 16, 3)]
    assert degrees_between(up_of(np.array(nodding), points, "here"), np.array([0, 0, 1])) < 0.5


def test_points_without_a_level_surface_are_refused(points):
    upright = [camera(np.zeros(3), 20 * k, -15, 0) for k in range(18)]
    cloud = np.random.default_rng(1).normal(size=(5_000, 3))
    refused(upright, cloud, "no level surface")
    refused(upright, np.empty((0, 6)), "no level surface")


@pytest.mark.parametrize("turn", [44, 46])
def test_a_wall_is_not_taken_for_the_floor(points, turn):
    """Cameras that lean too far to tell the floor from a wall: refused, not answered wrongly."""
    leaning = np.tile(np.eye(4), (3, 1, 1))
    for azimuth in range(0, 360, 45):
        tilt, heading = np.radians([turn, azimuth])
        up = [np.sin(tilt) * np.cos(heading), np.sin(tilt) * np.sin(heading), np.cos(tilt)]
        leaning[:, :3, :3] = rotation_to_z_up(np.array(up)).T @ camera([0, 0, 0], 0, 0, 0)[:3, :3]
        found = find_up(leaning, points)
        assert found.doubt, azimuth


@pytest.mark.parametrize("name", UPS)
def test_an_axis_that_is_given_becomes_z(name):
    rotation = rotation_to_z_up(UPS[name])
    assert (rotation @ UPS[name] == [0, 0, 1]).all()
    assert (np.abs(rotation).sum(axis=0) == 1).all() and np.linalg.det(rotation) == 1
    assert sorted(UPS) == sorted(["x", "y", "z", "-x", "-y", "-z"])


def test_y_up_is_turned_as_written():
    turned = rotation_to_z_up(UPS["y"]) @ [1.0, 2.0, 3.0]
    assert turned.tolist() == [1, -3, 2]
    assert rotation_to_z_up(UPS["z"]).tolist() == np.eye(3).tolist()


def test_any_direction_becomes_z_by_the_least_turn():
    rng = np.random.default_rng(3)
    near = [np.array([x, y, -1.0]) for x, y in itertools.product((0, 1e-9, 1e-3), repeat=2)]
    for up in [*rng.normal(size=(100, 3)), *near]:
        rotation, length = rotation_to_z_up(up), np.linalg.norm(up)
        assert np.allclose(rotation @ up, [0, 0, length], atol=1e-9 * length)
        assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(rotation) > 0
        if up[2] > -0.9 * length:
            angle = np.arccos((np.trace(rotation) - 1) / 2)
            assert np.isclose(angle, np.arccos(up[2] / length), atol=1e-6)
