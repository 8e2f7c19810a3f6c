"""The room as a ScanNet scan is the room."""

import json

import pytest
from captures.same_room import Tolerance, check_same_room
from captures.scannet_scan import SCENE, open_scan

from spatial_engine.sample_data.captures import scannet
from spatial_engine.sample_data.captures.room import make_room


@pytest.fixture(scope="module")
def room():
    return make_room((160, 120), (80, 60), num_frames=7, focus=0.02)


def test_a_scan_is_the_room_that_it_was_written_from(room, tmp_path):
    scannet.write(room, tmp_path, SCENE)
    # poses in float32, and one camera for all frames
    single = Tolerance(metres=1e-6, degrees=1e-4, pixels=2 * 0.02 * 0.9 * 160)
    check_same_room(open_scan(tmp_path / SCENE), room, single)
    text = (tmp_path / SCENE / f"{SCENE}.txt").read_text()
    assert "axisAlignment = 1.000000 0.000000" in text and "numColorFrames = 7" in text
    aggregation = json.loads((tmp_path / SCENE / f"{SCENE}.aggregation.json").read_text())
    assert [group["objectId"] for group in aggregation["segGroups"]] == sorted(room.labels)
