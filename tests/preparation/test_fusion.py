"""Fused points lie on surfaces that frames agree on, whatever the order of the frames."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections import defaultdict

import numpy as np
import pytest
from ray_cast_rooms import distances, scan
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from spatial_engine.sample_data.rendering.sensor import EXACT
from spatial_engine.utils.preparation import fusion
from spatial_engine.utils.preparation.fusion import PosedFrame, fuse


def fused(frames) -> np.ndarray:
    return fuse(lambda: iter(frames))


def wall(shift, depth_mm=2000, size=(32, 24), color=(10, 20, 30)) -> PosedFrame:
    """A camera that looks along z at a wall, moved along x by `shift` metres."""
    pose = np.eye(4)
    pose[0, 3] = shift
    K = np.array([[40.0, 0, size[0] / 2], [0, 40.0, size[1] / 2], [0, 0, 1]])
    depth = np.full(size[::-1], depth_mm, np.uint16)
    image = np.full((*size[::-1], 3), color, np.uint8)
    return PosedFrame(pose, K, depth, size, lambda: image)


@pytest.mark.parametrize("layout", ["living room", "kitchen"])
def test_points_of_a_room_lie_on_its_surfaces(layout):
    exact, real = scan(layout, 24, EXACT), scan(layout, 24)
    away = distances(exact.surfaces, fused(exact.frames)[::5, :3])
    assert np.quantile(away, 0.95) < 0.001 and np.quantile(away, 0.999) < 0.02
    points = fused(real.frames)[:, :3]
    away = distances(real.surfaces, points[::5])
    # A Kinect errs by 6 mm at 2 m and 26 mm at 4 m, poses by 5 mm and 0.2 degrees.
    assert np.median(away) < 0.008 and np.quantile(away, [0.9, 0.99]).tolist() < [0.02, 0.045]
    assert len(points) > 30_000


def test_a_room_is_covered():
    """Nearly all that two frames measure has a point within the size of a voxel."""
    room = scan("living room", 24, EXACT)
    tree = cKDTree(fused(room.frames)[:, :3])
    frame, other = room.frames[8], room.frames[9]
    measured = world_points(frame)
    u, v, z = project(other, measured)
    seen = [
        abs(depth - place) < 0.005 for depth, place in zip(depth_at(other, u, v, z), z, strict=True)
    ]
    near, _ = tree.query(measured[seen])
    assert np.mean(near < 1.8 * fusion.VOXEL_M) > 0.97


def test_the_order_of_frames_changes_no_bit():
    frames = list(scan("bedroom", 12).frames)
    points = fused(frames)
    for seed in range(3):
        np.random.default_rng(seed).shuffle(frames)
        assert fused(frames).tobytes() == points.tobytes()


def test_what_moves_in_one_frame_leaves_nothing():
    """A box of 0.4 m stands before the cameras in one frame only, or in two of many."""
    room = scan("living room", 24)
    frames = list(room.frames)
    points = fused(frames)
    depth = frames[5].depth_mm.copy()
    depth[30:90, 50:110] = 900
    shown = fused([*frames[:5], frames[5]._replace(depth_mm=depth), *frames[6:]])
    u, v, z = project(frames[5], shown[:, :3])
    inside = (z > 0) & (u > 55) & (u < 105) & (v > 35) & (v < 85)
    assert not (inside & (np.abs(z - 0.9) < 0.1)).any()
    assert len(shown) > 0.98 * len(points)


def test_what_more_frames_see_through_than_show_is_left_out():
    shown = [wall(0.01 * k, 1000) for k in range(3)]
    through = [wall(0.01 * k, 2000) for k in range(4)]
    assert set(np.rint(fused(shown)[:, 2])) == {1.0}
    assert set(np.rint(fused(shown + through)[:, 2])) == {2.0}
    assert set(np.rint(fused(shown + through[:2])[:, 2])) == {1.0, 2.0}


def test_one_frame_alone_gives_no_point():
    assert fused([wall(0)]).shape == (0, 6)
    assert fused([]).shape == (0, 6)
    assert fused([wall(0, 0), wall(0.1, 0)]).shape == (0, 6)


def test_two_frames_that_disagree_give_no_point():
    assert len(fused([wall(0, 2000), wall(0.1, 2030)]))  # 1.5 percent
    assert not len(fused([wall(0, 2000), wall(0.1, 2100)]))


@pytest.mark.parametrize("step,left", [(50, 32), (51, 30), (3000, 30)])
def test_pixels_beside_a_step_of_depth_are_not_used(step, left):
    depth = np.full((24, 32), 1000, np.uint16)
    depth[:, 16:] += np.uint16(step)
    assert fusion.is_usable(depth).sum(axis=1).tolist() == [left] * 24
    assert not fusion.is_usable(np.zeros((4, 5), np.uint16)).any()
    holes = np.full((24, 32), 1000, np.uint16)
    holes[10, 10] = 0  # what is not measured is no step
    assert fusion.is_usable(holes).sum() == 24 * 32 - 1


def test_colours_are_means_of_the_frames_that_agree():
    points = fused([wall(0, color=(10, 20, 30)), wall(0, color=(20, 40, 61)), wall(0, 3000)])
    assert (points[:, 3:] == [46, 30, 15]).all()  # red first; halves go to even


def test_colour_images_of_another_size_are_looked_up_by_field_of_view():
    small = wall(0)
    image = np.repeat(np.repeat(small.color(), 3, axis=0), 4, axis=1)
    K = np.diag([4.0, 3.0, 1.0]) @ small.K
    large = small._replace(K=K, color_size=image.shape[1::-1], color=lambda: image)
    assert (fused([small, small]) == fused([large, large])).all()


def test_voxels_grow_where_there_are_too_many_whatever_the_order(monkeypatch):
    frames = list(scan("bedroom", 12).frames)
    fine = fused(frames)
    monkeypatch.setattr(fusion, "MOST_VOXELS", len(fine) // 2)
    coarse = fused(frames)
    assert len(fine) / 50 < len(coarse) <= len(fine) // 2
    assert fused(frames[::-1]).tobytes() == coarse.tobytes()
    side = next(s for s in (0.04, 0.08, 0.16) if len(set(voxels(coarse, s))) == len(coarse))
    assert side > fusion.VOXEL_M


def voxels(points, side):
    return [tuple(row) for row in np.floor(points[:, :3] / side + 1e-9).astype(int).tolist()]


def test_a_capture_far_from_its_origin_is_fused_as_well():
    """As georeferenced poses are; by whole voxels, so that none is cut anew."""
    frames = scan("bedroom", 6).frames
    far = np.array([448_000.0, 5_411_000.0, 30.0])
    moved = []
    for frame in frames:
        pose = frame.world_from_cam.copy()
        pose[:3, 3] += far
        moved.append(frame._replace(world_from_cam=pose))
    here, there = fused(frames), fused(moved)
    assert abs(len(here) - len(there)) < 0.001 * len(here)
    assert (
        np.abs(np.median(there[:, :3] - far, axis=0) - np.median(here[:, :3], axis=0)).max() < 0.02
    )


def test_memory_does_not_grow_with_the_number_of_frames():
    frames = scan("bedroom", 12).frames
    peaks = []
    for times in (2, 8):
        tracemalloc.start()
        fuse(lambda: itertools.chain.from_iterable([frames] * times))  # noqa: B023
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_a_slow_computation_from_the_definition_gives_the_same():
    """By the definition in the specification, one pixel and one voxel after the other."""
    rng = np.random.default_rng(2)
    frames = []
    for number, frame in enumerate(scan("kitchen", 6, depth_size=(40, 30)).frames[:4]):
        turn = np.eye(4)
        turn[:3, :3] = Rotation.random(random_state=4).as_matrix()
        turn[:3, 3] = -3, 40, 7
        depth = frame.depth_mm.copy()
        depth[rng.random(depth.shape) < 0.05] = 0
        K = frame.K * [[1 + 0.01 * number], [1], [1]]
        frames.append(
            frame._replace(world_from_cam=turn @ frame.world_from_cam, K=K, depth_mm=depth)
        )
    frames.append(frames[1])
    found, slow = fused(frames), slow_fuse(frames)
    assert len(found) > 300
    assert {tuple(row) for row in found.tolist()} == {tuple(row) for row in slow}


def slow_fuse(frames) -> list[list[float]]:
    candidates = defaultdict(list)
    usable = [slow_usable(frame.depth_mm) for frame in frames]
    for number, frame in enumerate(frames):
        for row, column in zip(*np.nonzero(usable[number]), strict=True):
            place = slow_place(frame, row, column)
            candidates[tuple(math.floor(q / 2000) for q in place)].append(place)
    final = defaultdict(list)
    for places in candidates.values():
        point = np.array([sum(p[k] for p in places) / (len(places) * 1e5) for k in range(3)])
        agree, through = [], 0
        for number, frame in enumerate(frames):
            (u,), (v,), (z,) = project(frame, point[None])
            width, height = frame.color_size
            image = frame.color()
            if not (z > 0 and 0 <= u < width and 0 <= v < height):
                continue
            h, w = frame.depth_mm.shape
            row, column = min(round(v * h / height), h - 1), min(round(u * w / width), w - 1)
            if not usable[number][row, column]:
                continue
            d = frame.depth_mm[row, column] / 1000
            tolerance = max(0.02, 0.02 * d)
            if d - z > 2 * tolerance:
                through += 1
            elif abs(d - z) <= tolerance:
                pixel = image[min(round(v), height - 1), min(round(u), width - 1)]
                agree.append([*slow_place(frame, row, column), *pixel[::-1].tolist()])
        if len(agree) >= 2 and through < len(agree):
            sums = [sum(column) for column in zip(*agree, strict=True)]
            mean = [math.floor(sums[k] / len(agree)) for k in range(3)]
            final[tuple(math.floor(q / 2000) for q in mean)].append((sums, len(agree)))
    points = []
    for several in final.values():
        count = sum(number for _, number in several)
        sums = [sum(s[k] for s, _ in several) for k in range(6)]
        points.append(
            [s / count / 100_000 for s in sums[:3]] + [float(round(s / count)) for s in sums[3:]]
        )
    return points


def slow_usable(depth_mm) -> np.ndarray:
    usable = depth_mm > 0
    height, width = depth_mm.shape
    for row, column in itertools.product(range(height), range(width)):
        here = int(depth_mm[row, column])
        for y, x in itertools.product((row - 1, row, row + 1), (column - 1, column, column + 1)):
            there = int(depth_mm[y, x]) if 0 <= y < height and 0 <= x < width else 0
            if there and abs(there - here) > max(50, 0.03 * here):
                usable[row, column] = False
    return usable


def slow_place(frame, row, column) -> list[int]:
    """Place of a depth pixel, whole units of 0.01 mm."""
    size, (h, w) = frame.color_size, frame.depth_mm.shape
    ray = np.linalg.solve(frame.K, [column * size[0] / w, row * size[1] / h, 1.0])
    cam = ray * frame.depth_mm[row, column] / 1000
    world = frame.world_from_cam[:3, :3] @ cam + frame.world_from_cam[:3, 3]
    return [round(q) for q in (world * 1e5).tolist()]


def world_points(frame) -> np.ndarray:
    rows, columns = np.nonzero(slow_usable(frame.depth_mm))
    return np.array([slow_place(frame, *at) for at in zip(rows, columns, strict=True)]) / 1e5


def project(frame, points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cam = (points - frame.world_from_cam[:3, 3]) @ frame.world_from_cam[:3, :3]
    u, v, _ = frame.K @ (cam / cam[:, 2:]).T
    return u, v, cam[:, 2]


def depth_at(frame, u, v, z) -> list[float]:
    size, (h, w) = frame.color_size, frame.depth_mm.shape
    found = []
    for x, y, far in zip(u, v, z, strict=True):
        inside = far > 0 and 0 <= x < size[0] and 0 <= y < size[1]
        row, column = min(round(y * h / size[1]), h - 1), min(round(x * w / size[0]), w - 1)
        found.append(frame.depth_mm[row, column] / 1000 if inside else 0.0)
    return found
