"""Sets of frames that are grown so that they hold certain frames."""

from __future__ import annotations

import numpy as np
import pytest

from spatial_engine.utils.geometry.frame_sets.graph import FAR, FrameGraph
from spatial_engine.utils.geometry.frame_sets.growth import grow_through
from spatial_engine.utils.geometry.frame_sets.rows import NONE, is_joined, sizes_of


def walk(frames: int = 30, seed: int = 0) -> FrameGraph:
    """Frames along a way: near ones overlap, the nearest too much."""
    places = np.sort(np.random.default_rng(seed).uniform(0, frames, frames))
    overlap = np.clip(100 - 25 * np.abs(places[:, None] - places), 0, 100)
    usable = np.ones(frames, bool)
    usable[7] = False
    return FrameGraph.of(overlap, usable, 6, 70)


@pytest.fixture(scope="module")
def grown():
    rng, graph = np.random.default_rng(1), walk()
    goals = rng.integers(30, size=(3000, 3))
    goals[::3, 2] = NONE
    goals[::5, 1:] = NONE
    sizes = rng.integers(3, 9, size=3000)
    sizes[0] = 8
    barred = rng.random((3000, 30)) < 0.1
    return graph, goals, sizes, barred, grow_through(rng, graph, sizes, goals, barred)


def test_sets_are_joined_and_hold_nothing_twice_or_alike(grown):
    graph, _, _, _, sets = grown
    assert len(sets) > 300
    assert is_joined(sets, graph.linked).all()
    for row in sets:
        frames = row[row != NONE]
        assert (np.diff(frames) > 0).all()
        assert not graph.alike[np.ix_(frames, frames)][~np.eye(len(frames), dtype=bool)].any()
        assert 7 not in frames


def test_each_set_has_the_goals_and_size_of_one_that_was_asked_for():
    """One at a time, so that it is known which is which."""
    graph, rng = walk(), np.random.default_rng(2)
    made = 0
    for _ in range(300):
        goals, barred = rng.integers(30, size=(1, 2)), rng.random((1, 30)) < 0.1
        size = rng.integers(3, 9, size=1)
        for row in grow_through(rng, graph, size, goals, barred):
            made += 1
            assert set(goals[0].tolist()) <= set(row.tolist())
            assert sizes_of(row[None])[0] == size[0]
            assert not barred[0, row[row != NONE]].any()
    assert made > 50


def test_far_frames_are_joined_by_a_way_between():
    graph = walk()
    far = np.argwhere((graph.hops > 3) & (graph.hops < 7))[:200]
    rng = np.random.default_rng(3)
    nothing = np.zeros((len(far), 30), bool)
    sets = grow_through(rng, graph, np.full(len(far), 8), far, nothing)
    assert len(sets) > len(far) / 2


def test_hops_are_the_least_number_of_links():
    graph = walk()
    for start in (0, 11, 29):
        reached, known = {start}, {start: 0}
        for number in range(1, 8):
            reached = {b for a in reached for b in np.flatnonzero(graph.linked[a]).tolist()}
            known = {**dict.fromkeys(reached, number), **known}
        expected = [known.get(frame, FAR) for frame in range(30)]
        assert graph.hops[start].tolist() == expected


def test_nothing_is_grown_where_goals_are_barred_or_alike():
    graph, rng = walk(), np.random.default_rng(4)
    one, two = np.argwhere(np.triu(graph.alike, 1) & (graph.alike.sum(0) < 30))[0]
    nothing = np.zeros((1, 30), bool)
    size = np.array([4])
    assert not len(grow_through(rng, graph, size, np.array([[one, two]]), nothing))
    barred = nothing.copy()
    barred[0, 3] = True
    assert not len(grow_through(rng, graph, size, np.array([[3, NONE]]), barred))
