"""Sets of frames that are grown from given frames, or among those that are allowed."""

from __future__ import annotations

import numpy as np
import pytest

from spatial_engine.utils.geometry.frame_sets.graph import FrameGraph
from spatial_engine.utils.geometry.frame_sets.growth import grow_among, grow_around
from spatial_engine.utils.geometry.frame_sets.rows import NONE, is_joined, shuffle, sizes_of

SIZES = np.array([8, 3, 4, 5, 6, 7] * 60)


@pytest.fixture
def graph() -> FrameGraph:
    """Forty frames in a ring: those beside each other are alike, those near each other linked."""
    away = np.abs(np.arange(40)[:, None] - np.arange(40))
    away = np.minimum(away, 40 - away)
    overlap = np.maximum(0.0, 100 - 25.0 * away)
    return FrameGraph.of(overlap, np.arange(40) != 7, min_link=6, max_like=70)


def check_no_two_alike(sets: np.ndarray, graph: FrameGraph) -> None:
    for row in sets:
        frames = row[row != NONE]
        assert len(set(frames.tolist())) == len(frames) and 7 not in frames
        assert not graph.alike[np.ix_(frames, frames)][~np.eye(len(frames), dtype=bool)].any()


def test_sets_around_a_start_keep_it_and_are_joined(graph):
    starts = np.tile([[10, 14, 12]], (len(SIZES), 1))
    among = np.ones((len(SIZES), 40), bool)
    among[::2, 20] = among[1::2, 8] = False
    sets, whole = grow_around(np.random.default_rng(0), graph, SIZES, starts, among)
    assert whole.mean() > 0.8 and sets.shape[1] == 8
    assert (sets[:, :3] == starts).all()
    assert not (sets[::2] == 20).any() and not (sets[1::2] == 8).any() and (sets == 20).any()
    sets = sets[whole]
    assert set(sizes_of(sets)) == set(range(3, 9))
    assert is_joined(sets, graph.linked).all()
    check_no_two_alike(sets, graph)


def test_sets_among_allowed_frames_hold_no_other(graph):
    rng = np.random.default_rng(1)
    among = rng.random((len(SIZES), 40)) < 0.5
    sets, whole = grow_among(rng, graph, SIZES, among)
    assert (sizes_of(sets)[whole] == SIZES[whole]).all() and whole.mean() > 0.5
    check_no_two_alike(sets, graph)
    for row, allowed in zip(sets, among, strict=True):
        assert allowed[row[row != NONE]].all()
    assert set(sets[whole].ravel().tolist()) == {NONE, *range(40)} - {7}


def test_where_nothing_is_allowed_no_set_is_whole(graph):
    sets, whole = grow_among(
        np.random.default_rng(0), graph, SIZES, np.zeros((len(SIZES), 40), bool)
    )
    assert sets.shape == (len(SIZES), 8) and not whole.any() and (sets == NONE).all()
    none, _ = grow_around(np.random.default_rng(0), graph, SIZES[:0], np.zeros((0, 3), int))
    assert none.shape == (0, 3)


def test_a_shuffled_set_has_the_same_frames_in_any_order():
    sets = np.tile(np.array([[3, 1, 2, NONE, NONE]], np.int32), (3000, 1))
    mixed = shuffle(np.random.default_rng(0), sets)
    orders, times = np.unique(mixed, axis=0, return_counts=True)
    assert len(orders) == 6 and times.min() > 400
    assert (np.sort(mixed[:, :3], axis=1) == [1, 2, 3]).all() and (mixed[:, 3:] == NONE).all()
