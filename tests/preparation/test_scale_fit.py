from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from captures_formats.tiny_room import tiny_room

from spatial_engine.utils.preparation.capture import Capture, Picture
from spatial_engine.utils.preparation.scale_fit import agreement, metres_per_unit

ROOM = tiny_room(num_frames=20)


def capture(room=ROOM, metres=1.0, noise=0.0) -> Capture:
    random = np.random.default_rng(0)
    poses = np.stack([frame.pose for frame in room.frames])
    poses[:, :3, 3] /= metres

    def images(numbers):
        for number in numbers:
            depth = room.frames[number].depth
            depth = depth * (1 + noise * random.standard_normal(depth.shape))
            yield Picture(number, b"", np.rint(1000 * depth).astype(np.uint16))

    intrinsics = np.stack([frame.K for frame in room.frames])
    numbers = np.arange(len(room.frames))
    return Capture(numbers, poses, intrinsics, room.color_size, images, None)


@pytest.mark.parametrize("metres", [0.05, 0.4, 1.0, 2.5, 30.0])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_the_scale_is_found(metres, noise):
    found = metres_per_unit(capture(metres=metres, noise=noise))
    assert found == pytest.approx(metres, rel=0.02 if noise else 0.004)


def test_poses_that_are_wrong_have_no_scale():
    right = capture()
    assert agreement(right) > 0.9
    wrong = replace(right, poses=np.linalg.inv(right.poses))
    assert metres_per_unit(wrong) is None
    assert agreement(wrong) < 0.3
    turned = replace(right, poses=right.poses @ np.diag([1, -1, -1, 1.0]))
    assert agreement(turned) < 0.3


def test_a_camera_that_stands_still_tells_no_scale():
    first = ROOM.frames[0]
    still = capture(replace(ROOM, frames=[first] * 20))
    assert metres_per_unit(still) is None
    one = capture(replace(ROOM, frames=[first]))
    assert metres_per_unit(one) is None and agreement(one) == 0
