"""The room as a scene of ScanNet++ is the room, whichever files it is read from."""

from __future__ import annotations

import pytest
from captures.same_room import Tolerance, check_same_room
from scannetpp.hand_room import DEPTH, SCENE

from spatial_engine.sample_data.captures import scannetpp
from spatial_engine.sample_data.captures.room import CaptureRoom, make_room
from spatial_engine.sample_data.captures.scannetpp import DEFLATE, EXTRACTED, LZ4, STREAM, Quirks
from spatial_engine.utils.scannetpp_utils.capture import open_capture

# Vertices are float32; depth in metres is cut off to whole millimetres, not rounded.
ROUNDING = Tolerance(metres=1e-6, degrees=1e-5, pixels=1e-6, depth_mm=1.0, color=3.0)
QUIRKS = {
    "downloaded": Quirks(),
    "extracted": Quirks(color=EXTRACTED, depth=EXTRACTED),
    "a stream of depth": Quirks(depth=STREAM, more_frames=1),
    "deflated depth": Quirks(depth=DEFLATE, color=EXTRACTED),
    "axes not quite orthonormal": Quirks(depth=LZ4, loose_axes=1e-3),
    "objects that overlap": Quirks(shared_vertices=True, removed=True),
    "masks of nothing": Quirks(masks=EXTRACTED),
}


@pytest.fixture(scope="module")
def room() -> CaptureRoom:
    return make_room((320, 240), DEPTH, num_frames=7, focus=0.02)


@pytest.mark.parametrize("name", QUIRKS)
def test_a_scene_is_the_room_that_it_was_written_from(room, tmp_path, name):
    scannetpp.write(room, tmp_path / SCENE, QUIRKS[name])
    check_same_room(open_capture(tmp_path / SCENE), room, ROUNDING)


def test_frames_without_pose_are_not_there(room, tmp_path):
    scannetpp.write(room, tmp_path / SCENE, Quirks(missing_poses=(0, 4), lost_poses=(2,)))
    capture = open_capture(tmp_path / SCENE)
    check_same_room(capture, room, ROUNDING, numbers={k: k for k in (1, 3, 5, 6)})
