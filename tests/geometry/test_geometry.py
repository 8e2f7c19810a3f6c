from __future__ import annotations

import numpy as np
import pytest
from helpers import random_intrinsic, random_pose
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial_engine.utils.geometry.cameras import (
    camera_fault,
    is_rigid,
    is_valid_pose,
    permille,
    pose_fault,
    project,
    project_by,
    projection_matrix,
    singular_fault,
    wrap_degrees,
    yaw_pitch,
)

SIZE = (1296, 968)


def resized(scale: float) -> tuple[int, int]:
    """SIZE by a factor."""
    return round(SIZE[0] * scale), round(SIZE[1] * scale)


def looking(heading: float, elevation: float, roll: float = 0.0) -> np.ndarray:
    """World_from_cam of a camera with this heading, elevation and roll (degrees)."""
    h, e, r = np.radians((heading, elevation, roll))
    forward = np.array([np.cos(e) * np.cos(h), np.cos(e) * np.sin(h), np.sin(e)])
    right = np.array([np.sin(h), -np.cos(h), 0])
    down = np.cross(forward, right)
    pose = np.eye(4)
    pose[:3, 0] = np.cos(r) * right + np.sin(r) * down
    pose[:3, 1] = np.cos(r) * down - np.sin(r) * right
    pose[:3, 2] = forward
    return pose


@pytest.mark.parametrize("side", [3, 4])
def test_projecting_an_unprojected_pixel_gives_it_back(side):
    rng = np.random.default_rng(0)
    for _ in range(100):
        pose, intrinsic = random_pose(rng), random_intrinsic(rng, SIZE, side)
        pixels = rng.uniform(-500, 1800, (20, 2))
        depth = rng.uniform(0.05, 20, 20) * rng.choice([-1, 1], 20)
        rays = np.linalg.solve(intrinsic[:3, :3], np.column_stack([pixels, np.ones(20)]).T).T
        points_world = (rays * depth[:, None]) @ pose[:3, :3].T + pose[:3, 3]
        found, found_depth = project(points_world, intrinsic, pose)
        np.testing.assert_allclose(found, pixels, atol=1e-6)
        np.testing.assert_allclose(found_depth, depth, atol=1e-9)


def test_projection_matrix_times_point_is_pixel_times_depth_and_depth():
    rng = np.random.default_rng(1)
    pose, intrinsic = random_pose(rng), random_intrinsic(rng, SIZE)
    for point in rng.uniform(-5, 5, (50, 3)):
        in_cam = pose[:3, :3].T @ (point - pose[:3, 3])
        expected = intrinsic[:3, :3] @ in_cam
        found = projection_matrix(intrinsic, pose) @ [*point, 1]
        np.testing.assert_allclose(found, expected, atol=1e-9)
        assert found[2] == pytest.approx(in_cam[2])


def test_yaw_and_pitch_are_heading_and_elevation_whatever_roll_position_and_scale():
    rng = np.random.default_rng(4)
    for _ in range(200):
        heading, elevation, roll = rng.uniform((-180, -89, -180), (180, 89, 180))
        pose = looking(heading, elevation, roll)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
        pose[:3, 3] = rng.normal(size=3)
        pose[:3, 2] *= rng.uniform(0.5, 2)
        yaw, pitch = yaw_pitch(pose)
        assert abs(wrap_degrees(yaw - heading)) < 1e-6
        assert pitch == pytest.approx(elevation, abs=1e-6)


def test_yaw_of_known_directions():
    for direction, expected in [((1, 0), 0), ((0, 1), 90), ((-1, 0), 180), ((0, -1), -90)]:
        pose = np.eye(4)
        pose[:3, 2] = (*direction, 0)
        assert tuple(map(float, yaw_pitch(pose))) == (expected, 0)


def test_straight_up_and_down_have_pitch_90_and_no_nan():
    up, down = looking(0, 90), looking(0, -90)
    up[2, 2], down[2, 2] = 1 + 1e-9, -1 - 1e-9  # poses of float32 files are not quite unit
    yaw, pitch = yaw_pitch(np.stack([up, down]))
    np.testing.assert_allclose(pitch, [90, -90])
    assert np.isfinite(yaw).all()


def test_turning_the_world_about_z_adds_to_yaw_and_leaves_pitch():
    rng = np.random.default_rng(5)
    poses = np.stack([random_pose(rng) for _ in range(50)])
    for angle in (1.0, 90.0, -179.0):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        turn = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        yaw, pitch = yaw_pitch(poses)
        turned_yaw, turned_pitch = yaw_pitch(turn @ poses)
        np.testing.assert_allclose(wrap_degrees(turned_yaw - yaw - angle), 0, atol=1e-9)
        np.testing.assert_allclose(turned_pitch, pitch, atol=1e-9)


@settings(max_examples=300, deadline=None, database=None)
@given(st.floats(-1e6, 1e6))
def test_wrapped_angle_is_the_same_angle_in_the_half_open_circle(angle):
    wrapped = float(wrap_degrees(angle))
    assert -180 < wrapped <= 180
    turns = (angle - wrapped) / 360
    assert turns == pytest.approx(round(turns), abs=1e-9)
    assert float(wrap_degrees(wrapped)) == pytest.approx(wrapped, abs=1e-12)


@pytest.mark.parametrize(
    "angle", [-180.0, 180.0, 540.0, np.nextafter(180, 0), np.nextafter(180, 999)]
)
def test_half_a_turn_wraps_to_180_and_never_to_minus_180(angle):
    wrapped = float(wrap_degrees(angle))
    assert -180 < wrapped <= 180
    # One step of a float above 180 may be taken for 180 or wrap to just above -180.
    assert min(abs(wrapped - 180), abs(wrapped + 180)) < 1e-9


def test_wrap_takes_whole_degrees_exactly():
    for degrees in range(-1000, 1001):
        expected = degrees % 360 if degrees % 360 <= 180 else degrees % 360 - 360
        assert float(wrap_degrees(degrees)) == expected


def test_a_pose_with_any_entry_not_finite_is_invalid():
    for bad in (np.inf, -np.inf, np.nan):
        for row in range(4):
            for column in range(4):
                pose = np.eye(4)
                pose[row, column] = bad
                assert not is_valid_pose(pose)


def test_validity_needs_a_rotation_that_is_not_all_zero():
    rng = np.random.default_rng(6)
    shifted = np.zeros((4, 4))
    shifted[:3, 3], shifted[3, 3] = (1, 2, 3), 1
    assert not is_valid_pose(shifted)
    assert not is_valid_pose(np.zeros((4, 4)))
    assert not is_valid_pose(np.full((4, 4), -np.inf, np.float32))
    poses = np.stack([random_pose(rng) for _ in range(6)]).reshape(2, 3, 4, 4)
    poses[1, 2, :3, :3] = 0
    np.testing.assert_array_equal(is_valid_pose(poses), [[True] * 3, [True, True, False]])


def test_projecting_in_batches_is_projecting_one_by_one():
    rng = np.random.default_rng(7)
    intrinsic = random_intrinsic(rng, SIZE)
    for shape in ((), (5,), (2, 3), (0,)):
        poses = np.array([random_pose(rng) for _ in range(int(np.prod(shape)))])
        poses = poses.reshape(*shape, 4, 4)
        points = rng.uniform(-5, 5, (*shape, 7, 3))
        matrices = projection_matrix(intrinsic, poses)
        assert matrices.shape == (*shape, 3, 4)
        pixels, depths = project_by(matrices, points)
        assert (pixels.shape, depths.shape) == ((*shape, 7, 2), (*shape, 7))
        for index in np.ndindex(*shape):
            expected, expected_depths = project(points[index], intrinsic, poses[index])
            np.testing.assert_allclose(pixels[index], expected, rtol=1e-9)
            np.testing.assert_allclose(depths[index], expected_depths, atol=1e-12)
            for k, point in enumerate(points[index]):
                u, v, z = matrices[index] @ [*point, 1.0]
                np.testing.assert_allclose(pixels[index][k], [u / z, v / z], rtol=1e-9)


def test_one_set_of_points_can_be_seen_by_many_cameras():
    rng = np.random.default_rng(8)
    intrinsic = random_intrinsic(rng, SIZE)
    poses = np.stack([random_pose(rng) for _ in range(4)])
    points = rng.uniform(-5, 5, (6, 3))
    pixels, depths = project_by(projection_matrix(intrinsic, poses), points)
    assert (pixels.shape, depths.shape) == ((4, 6, 2), (4, 6))
    for number, pose in enumerate(poses):
        expected, expected_depths = project(points, intrinsic, pose)
        np.testing.assert_allclose(pixels[number], expected, rtol=1e-9)
        np.testing.assert_allclose(depths[number], expected_depths, atol=1e-12)


def test_coordinates_are_thousandths_of_width_and_height():
    for (u, v), size, expected in [
        ((0, 0), SIZE, [0, 0]),
        ((1296, 968), SIZE, [1000, 1000]),
        ((648, 242), SIZE, [500, 250]),
        ((1295.999, 967.999), SIZE, [1000, 1000]),
        ((1, 1), (2000, 1000), [0, 1]),
        ((3, 1), (2000, 400), [2, 2]),  # an exact half goes to the even number, as `round` does
    ]:
        assert permille(np.array([u, v], float), size).tolist() == expected
    pixels = np.random.default_rng(0).uniform(0, SIZE, (20, 3, 2))
    found = permille(pixels, SIZE)
    assert found.dtype == np.int64
    expected = [
        [[round(1000 * u / SIZE[0]), round(1000 * v / SIZE[1])] for u, v in row]
        for row in pixels.tolist()
    ]
    assert found.tolist() == expected


def as_read(pose: np.ndarray) -> list[np.ndarray]:
    """A pose as files hold it: float32, text of six digits, text of six decimals."""
    six = [float(f"{value:.5e}") for value in pose.ravel()]
    return [pose.astype(np.float32), np.reshape(six, (4, 4)), pose.round(6)]


@pytest.mark.filterwarnings("error")
def test_poses_as_files_hold_them_are_rigid_motions():
    rng = np.random.default_rng(11)
    poses = np.stack([read for _ in range(50) for read in as_read(random_pose(rng))])
    assert is_rigid(poses).all() and is_valid_pose(poses).all()
    assert is_rigid(poses[:-1] @ poses[1:]).all() and is_rigid(np.linalg.inv(poses)).all()
    assert not any(pose_fault(pose) or singular_fault(pose) for pose in poses)


NO_MOTIONS = {
    "transposed": (lambda pose: pose.T, "last row is"),
    "scaled as a whole": (lambda pose: 1000 * pose, "last row is 0 0 0 1000"),
    "in millimetres, axes too": (lambda pose: pose * [1e3, 1e3, 1e3, 1], "lengths 1000 1000 1000"),
    "one axis longer": (lambda pose: pose * [1, 1.001, 1, 1], "lengths 1 1.001 1"),
    "mirrored": (lambda pose: pose * [1, 1, -1, 1], "determinant -1"),
    "two axes swapped": (lambda pose: pose[:, [1, 0, 2, 3]], "determinant -1"),
    "far too far": (lambda pose: pose + np.diag([1e300, 0, 0, 0])[:, [1, 2, 3, 0]], "1e+300"),
    "vast": (lambda pose: pose * [1e300, 1e300, 1e300, 1], "not orthonormal"),
    "tiny": (lambda pose: pose * [1e-300, 1e-300, 1e-300, 1], "not orthonormal"),
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NO_MOTIONS)
def test_what_is_no_rigid_motion_is_told_with_its_values(name):
    change, says = NO_MOTIONS[name]
    rng = np.random.default_rng(12)
    poses = np.stack([random_pose(rng) for _ in range(6)])
    changed = np.stack([change(pose) for pose in poses])
    assert not is_rigid(changed).any() and is_rigid(poses).all()
    assert is_valid_pose(changed).all()  # not a frame that was lost: the file is at fault
    assert all(says in pose_fault(pose) for pose in changed)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_a_singular_pose_is_as_good_as_none(scale):
    rng = np.random.default_rng(13)
    for columns in ([0, 1, 1], [0, 0, 0], [2, 1, 2]):
        pose = random_pose(rng)
        pose[:3, :3] = scale * pose[:3, columns]
        rounded = np.reshape([float(f"{value:.5e}") for value in pose.ravel()], (4, 4))
        for singular in (pose, rounded):
            assert not is_valid_pose(singular) and not is_rigid(singular)
            assert "singular" in singular_fault(singular)
    for lost in (np.full((4, 4), -np.inf), np.zeros((4, 4))):  # marked, not damaged
        assert not is_valid_pose(lost) and not singular_fault(lost)


@pytest.mark.filterwarnings("error")
def test_a_camera_fits_its_images_and_those_of_no_other_kind():
    rng = np.random.default_rng(14)
    for side in (3, 4) * 20:
        camera = random_intrinsic(rng, SIZE, side)
        assert camera_fault(camera, SIZE) == ""
        swapped = camera.copy()
        swapped[[0, 1], 2] = SIZE[0] * 0.4, SIZE[0] * 0.8  # below an image that is not so high
        scale = np.eye(side)
        scale[0, 0], scale[1, 1] = 1 / SIZE[0], 1 / SIZE[1]
        wrong = [camera.T, scale @ camera, 2 * camera, swapped, camera * 1e300, camera * np.nan]
        for negative in ((0, 0), (1, 1), (0, 2), (1, 2)):
            wrong.append(camera.copy())
            wrong[-1][negative] *= -1
        for matrix in wrong:
            assert f"images of {SIZE[0]}x{SIZE[1]} pixels" in camera_fault(matrix, SIZE)
        for other in (2 / 5, 4):  # times the size
            assert "principal point" in camera_fault(camera, resized(other))
        centred = camera.copy()
        centred[:2, 2] = np.array(SIZE) * rng.uniform(0.48, 0.52, 2)  # as real lenses are
        for other in (1 / 4, 1 / 2, 2 / 3, 3 / 2, 2):
            assert "principal point" in camera_fault(centred, resized(other))
        assert camera_fault(centred, SIZE) == ""


@pytest.mark.parametrize(
    ("fx", "fy", "cx", "cy", "size"),
    [
        (1169.62, 1167.11, 646.30, 489.93, (1296, 968)),  # ScanNet, colour
        (577.87, 580.26, 319.87, 239.60, (640, 480)),  # ScanNet, as other projects export it
        (525.0, 525.0, 318.6, 255.3, (640, 480)),  # Kinect
        (1396.0, 1391.6, 951.6, 559.5, (1920, 1080)),  # a Panoptic Studio
        (500.0, 540.0, 640 * 0.6, 480 * 0.4, (640, 480)),  # 10 percent off the centre
        (2031.0, 2031.0, 935.1, 231.6, (1920, 886)),  # of a car, cropped at the top
    ],
)
def test_cameras_as_they_are_in_use_are_not_refused(fx, fy, cx, cy, size):
    for skew in (0, 0.5):
        assert camera_fault(np.array([[fx, skew, cx], [0, fy, cy], [0, 0, 1]]), size) == ""


def test_the_bounds_of_a_camera():
    def fault(fx=500.0, fy=500.0, cx=640.0, cy=480.0, skew=0.0) -> str:
        return camera_fault(np.array([[fx, skew, cx], [0, fy, cy], [0, 0, 1]]), (1280, 960))

    assert not (fault() or fault(fx=10) or fault(cx=65) or fault(cx=793, cy=594))
    assert "focal" in fault(fx=9.99) and "focal" in fault(fy=0) and "focal" in fault(fx=2e6)
    assert "focal" in fault(skew=501) and not fault(skew=-3)
    assert "negative" in fault(fx=-500) and "negative" in fault(fy=-500)
    assert "principal point" in fault(cx=480, cy=640)  # one for the other
    off = {"cx": 640 - 0.13 * 1280, "cy": 480 + 0.13 * 960}  # in both directions
    assert "principal point" in fault(**off)
    for name, value in (("cx", 1281), ("cx", -1), ("cy", 961), ("cy", 0), ("cx", 60), ("cy", 915)):
        assert "principal point" in fault(**{name: value})
