"""The room that captures of all formats are written from: exact, annotated, and as it is asked."""

from dataclasses import replace

import numpy as np
import pytest

from spatial_engine.sample_data.captures.room import CaptureRoom, make_room, room_truth
from spatial_engine.sample_data.rendering.mesh import TRUNCATION
from spatial_engine.sample_data.rendering.sensor import EXACT, REAL

COLOR, DEPTH = (160, 120), (80, 60)


@pytest.fixture(scope="module")
def room() -> CaptureRoom:
    return make_room(COLOR, DEPTH, num_frames=8, focus=0.03)


@pytest.fixture(scope="module")
def truth():
    return room_truth(COLOR, num_frames=8, focus=0.03)


def test_depth_is_what_the_colour_camera_truly_sees(room, truth):
    v, u = np.mgrid[: DEPTH[1], : DEPTH[0]]
    pixels = np.stack([u.ravel(), v.ravel()], 1) * (np.array(COLOR) / DEPTH)
    for frame in room.frames:
        assert np.allclose(truth.camera(str(frame.number)).K, frame.K)
        assert np.allclose(truth.pose(str(frame.number)), frame.pose)
        _, true = truth.shown(str(frame.number), pixels)
        measured = frame.depth.ravel()
        assert (measured > 0).mean() > 0.6
        assert np.abs(measured - true)[measured > 0].max() < 1e-5


def test_vertices_are_of_the_objects_that_frames_show(room, truth):
    surfaces = truth.surfaces
    seen = np.zeros(len(room.vertices), bool)
    for frame in room.frames:
        seen |= truth.sees(str(frame.number), room.vertices)
    assert seen.mean() > 0.9  # the others are at edges
    assert sorted(room.labels) == list(range(len(room.labels)))
    assert set(np.unique(room.instances)) - {0} == {number + 1 for number in room.labels}
    assert 0.5 < (room.instances > 0).mean() < 1
    for number, label in room.labels.items():
        points = room.vertices[room.instances == number + 1]
        boxes = [
            surfaces.corners[surfaces.thing == thing].reshape(-1, 3)
            for thing, name in enumerate(truth.labels)
            if name == label
        ]
        low, high = points.min(0) + TRUNCATION, points.max(0) - TRUNCATION
        assert any((box.min(0) < low).all() and (box.max(0) > high).all() for box in boxes)
    assert room.faces.min() == 0 and room.faces.max() == len(room.vertices) - 1


def test_pictures_show_the_colours_of_the_mesh(room, truth):
    frame = room.frames[0]
    pixels, _ = truth.pixels("0", room.vertices)
    shown = truth.sees("0", room.vertices)
    column, row = np.minimum(np.rint(pixels[shown]).astype(int), np.array(COLOR) - 1).T
    pictured = frame.image[row, column].astype(float)
    near = np.abs(pictured - room.colors[shown]).mean(1)
    assert np.median(near) < 25
    assert np.corrcoef(pictured.ravel(), room.colors[shown].ravel())[0, 1] > 0.85


def test_sizes_times_and_focus_are_as_asked(room):
    assert [frame.number for frame in room.frames] == list(range(8))
    assert np.allclose([frame.time for frame in room.frames], np.arange(8) / 10)
    for frame in room.frames:
        assert frame.image.shape == (120, 160, 3) and frame.image.dtype == np.uint8
        assert frame.depth.shape == (60, 80) and frame.depth.dtype == np.float32
        assert frame.K[0, 0] == frame.K[1, 1]
        assert np.allclose(frame.pose[:3, :3] @ frame.pose[:3, :3].T, np.eye(3))
        assert frame.pose[2, 1] < -0.5  # the camera's down is the room's
    focals = np.array([frame.K[0, 0] for frame in room.frames])
    assert len(set(focals)) == 8
    assert 1.02 < focals.max() / (0.9 * COLOR[0]) < 1.03
    still = make_room((32, 24), (32, 24), num_frames=3, rate=2)
    assert all((frame.K == still.frames[0].K).all() for frame in still.frames)
    assert [frame.time for frame in still.frames] == [0, 0.5, 1]


def test_the_seed_decides_all(room):
    again = make_room(COLOR, DEPTH, num_frames=8, focus=0.03)
    for name in ("vertices", "colors", "faces", "instances"):
        assert (getattr(again, name) == getattr(room, name)).all()
    for a, b in zip(again.frames, room.frames, strict=True):
        assert (a.image == b.image).all() and (a.depth == b.depth).all()
    other = make_room(COLOR, DEPTH, num_frames=8, focus=0.03, seed=1)
    assert (other.frames[0].image != room.frames[0].image).any()


def test_a_sensor_with_faults_tracks_and_measures_wrongly():
    sizes = {"color_size": (64, 48), "depth_size": (64, 48), "num_frames": 4}
    real, exact = make_room(**sizes, sensor=REAL), make_room(**sizes)
    assert [f.K[0, 0] for f in real.frames] == [f.K[0, 0] for f in exact.frames]
    for wrong, true in zip(real.frames, exact.frames, strict=True):
        off = np.linalg.norm(wrong.pose[:3, 3] - true.pose[:3, 3])
        assert 1e-4 < off < 0.03
        both = (wrong.depth > 0) & (true.depth > 0)
        assert (wrong.depth != true.depth)[both].mean() > 0.9
    drifting = replace(EXACT, drift_metres=0.01)
    moved = make_room(**sizes, sensor=drifting)
    assert (moved.frames[0].depth == exact.frames[0].depth).all()
    assert (moved.frames[0].pose != exact.frames[0].pose).any()
