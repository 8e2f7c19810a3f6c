"""Phones that are held upright deliver images on their side."""

from __future__ import annotations

import numpy as np
import pytest
from captures_formats.tiny_room import cast, check_pictures, tiny_room

from spatial_engine.sample_data.captures import polycam as polycam_files
from spatial_engine.sample_data.captures import stray as stray_files
from spatial_engine.sample_data.captures.held import held_upright
from spatial_engine.utils.capture_utils import polycam, stray
from spatial_engine.utils.preparation.images import upright

ROOM = tiny_room((96, 128), (96, 128), num_frames=12)
HELD = held_upright(ROOM)


def test_cameras_turn_with_their_images():
    for frame in HELD.frames:
        depth, image = cast(frame.K, HELD.color_size, frame.pose)
        np.testing.assert_allclose(frame.depth, depth, rtol=1e-5)
        assert np.abs(frame.image.astype(int) - image).max() <= 1


@pytest.mark.parametrize(
    ("files", "reader"), [(polycam_files, polycam), (stray_files, stray)], ids=["polycam", "stray"]
)
def test_they_come_back_on_their_side_and_can_be_made_upright(tmp_path, files, reader):
    files.write(HELD, tmp_path)
    capture = reader.open_capture(tmp_path)
    poses = np.stack([files.Y_UP_FROM_Z_UP @ frame.pose for frame in HELD.frames])
    check_pictures(capture, HELD, poses=poses)
    assert capture.may_be_turned
    turns = upright.turns_to_upright(capture.poses, capture.up)
    poses = np.stack([files.Y_UP_FROM_Z_UP @ frame.pose for frame in ROOM.frames])
    check_pictures(upright.turn_capture(capture, turns), ROOM, poses=poses)
