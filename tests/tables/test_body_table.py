"""The table of a clip's rigid bodies gives back what was written, or refuses."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError
from spatial_engine.utils.tables.body_table import read_bodies, write_bodies


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bodies.parquet"


@pytest.mark.parametrize(
    "bodies", [[], [[0, 2, 3]], [[1, 4], [2, 3, 5]], [[0], [1], [2], [3], [4], [5], [6]]]
)
def test_bodies_come_back_in_their_order(path, bodies):
    write_bodies(path, "clip", [np.array(body) for body in bodies], 7)
    found = read_bodies(path, "clip", 7)
    assert [body.tolist() for body in found] == bodies
    assert all(body.dtype == np.int64 for body in found)


def test_a_table_of_other_points_or_another_clip_is_refused(path):
    write_bodies(path, "clip", [np.arange(6)], 7)
    with raises_one_line(BadDataError, path, "about 7 points, not 8", "--overwrite"):
        read_bodies(path, "clip", 8)
    with raises_one_line(BadDataError, path, "other", "--overwrite"):
        read_bodies(path, "other", 7)


def test_bodies_that_do_not_count_from_0_are_refused(path):
    write_bodies(path, "clip", [np.array([], int), np.arange(6)], 7)
    with raises_one_line(BadDataError, path, "do not count from 0", "--overwrite"):
        read_bodies(path, "clip", 7)


def test_a_damaged_table_is_refused(path):
    write_bodies(path, "clip", [np.arange(600)], 700)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with raises_one_line(BadDataError, path, "--overwrite"):
        read_bodies(path, "clip", 700)
