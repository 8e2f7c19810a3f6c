"""The table of distances of objects: written, read, damaged."""

from __future__ import annotations

import numpy as np
import pytest

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.object_distances import NearFrames
from spatial_engine.utils.tables.near_table import read_near, write_near

IMAGES = ["00000", "00005", "00010", "00015"]
SCENE = "scene0000_00"


def some_pairs() -> dict:
    rng = np.random.default_rng(0)
    pairs = {}
    for number in range(5):
        first, second = (
            np.sort(rng.choice(4, rng.integers(0, 5), replace=False)).astype(np.int32)
            for _ in range(2)
        )
        near = rng.random((len(first), len(second))) < 0.5
        pairs[number, number + 3] = (float(rng.random()), NearFrames(first, second, near))
    return pairs


@pytest.mark.parametrize("pairs", [some_pairs(), {}])
def test_what_is_read_is_what_was_written(tmp_path, pairs):
    write_near(tmp_path / "near", SCENE, IMAGES, pairs)
    read = read_near(tmp_path / "near", SCENE, IMAGES)
    assert list(read) == list(pairs)
    for key, (distance, frames) in pairs.items():
        assert read[key][0] == distance
        for name in ("first", "second", "near"):
            assert (getattr(read[key][1], name) == getattr(frames, name)).all()


def test_a_table_about_other_frames_is_refused(tmp_path):
    write_near(tmp_path / "near", SCENE, IMAGES, some_pairs())
    with pytest.raises(BadDataError, match="about other frames; start again with --overwrite"):
        read_near(tmp_path / "near", SCENE, IMAGES[:3])


def test_frames_that_are_not_there_are_refused(tmp_path):
    wrong = NearFrames(np.array([1, 9]), np.array([0]), np.ones((2, 1), bool))
    write_near(tmp_path / "near", SCENE, IMAGES, {(0, 1): (1.0, wrong)})
    with pytest.raises(BadDataError, match="names frames that are not there"):
        read_near(tmp_path / "near", SCENE, IMAGES)
