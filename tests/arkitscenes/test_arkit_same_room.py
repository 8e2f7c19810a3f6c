"""The room as a video of ARKitScenes is the room: both downloads, upright and on its side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from captures.same_room import Tolerance, check_same_room

from spatial_engine.sample_data.captures import arkitscenes
from spatial_engine.sample_data.captures.room import make_room
from spatial_engine.utils.arkitscenes_utils.video import open_capture
from spatial_engine.utils.preparation.images import upright

SIZE = (64, 48)
FRAMES = 8
ROUNDING = Tolerance(metres=3e-5, color=0)  # positions have six digits; images lose nothing


@pytest.mark.parametrize("download", ["3dod", "raw"])
@pytest.mark.parametrize("sky", arkitscenes.TURNS)
def test_a_video_is_the_room_that_it_was_written_from(tmp_path, download, sky):
    size = SIZE[::-1] if sky in ("Left", "Right") else SIZE
    room = make_room(size, size, num_frames=FRAMES, focus=0.02)
    quirks = arkitscenes.Quirks(sky=sky, lost_pose=(2,), no_depth=(5,))
    folder = arkitscenes.write(room, tmp_path, download=download, quirks=quirks)
    capture = open_capture(folder, arkitscenes.VIDEO)
    turns = upright.turns_to_upright(capture.poses, capture.up)
    images = len(arkitscenes.RAW_STEPS_MS) if download == "raw" else 1
    numbers = {images * k: k for k in range(FRAMES) if k not in (2, 5)}
    turned = upright.turn_capture(capture, turns)
    check_same_room(replace(turned, mesh=None), room, ROUNDING, numbers=numbers)
    mesh = capture.mesh()
    np.testing.assert_allclose(mesh.points[:, :3], room.vertices, atol=1e-6)
    np.testing.assert_array_equal(mesh.points[:, 3:], room.colors)
    assert {item.object_id: item.label for item in mesh.objects} == {
        number: label.replace(" ", "_") for number, label in room.labels.items()
    }
    np.testing.assert_array_equal(mesh.instances, smallest_boxes(room))


def smallest_boxes(room):
    """(n,) of each vertex the object, + 1, around whose vertices the box is smallest that holds it:
    what boxes alone tell of a room."""
    volumes = np.full(len(room.vertices), np.inf)
    owners = np.zeros(len(room.vertices), np.int32)
    for number in room.labels:
        own = room.vertices[room.instances == number + 1]
        low, high = own.min(axis=0) - 5e-5, own.max(axis=0) + 5e-5
        within = ((room.vertices >= low) & (room.vertices <= high)).all(axis=1)
        won = within & (np.prod(high - low) < volumes)
        owners[won], volumes[won] = number + 1, np.prod(high - low)
    return owners
