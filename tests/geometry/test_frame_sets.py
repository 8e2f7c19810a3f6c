"""Sets of frames: chains in order, joined sets, balance of a search (SPEC 13.1)."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from spatial_engine.utils.geometry.frame_sets.graph import FrameGraph
from spatial_engine.utils.geometry.frame_sets.growth import grow_chains, grow_joined
from spatial_engine.utils.geometry.frame_sets.rows import NONE, is_joined, sizes_of
from spatial_engine.utils.geometry.frame_sets.search import Candidates, search_sets

LINK, LIKE = 6.0, 70.0


def random_graph(rng: np.random.Generator, frames: int = 40) -> FrameGraph:
    """Of a camera that walks: frames near each other in time overlap, some others do, too."""
    apart = np.abs(np.subtract.outer(np.arange(frames), np.arange(frames)))
    overlap = np.maximum(90 - 15 * apart + rng.uniform(-10, 10, (frames, frames)), 0)
    overlap += 40 * (rng.random((frames, frames)) < 0.05)
    overlap = np.minimum(np.triu(overlap, 1) + np.triu(overlap, 1).T, 100)
    np.fill_diagonal(overlap, 100)
    return FrameGraph.of(overlap, rng.random(frames) < 0.9, LINK, LIKE)


def rows_of(sets: np.ndarray) -> list[list[int]]:
    rows = [[frame for frame in row if frame != NONE] for row in sets.tolist()]
    for row, padded in zip(rows, sets.tolist(), strict=True):
        assert padded[: len(row)] == row, "what is padded stands behind"
    return rows


def check_sets(graph: FrameGraph, sets: np.ndarray) -> None:
    """No frame twice, none that cannot be used, no two alike."""
    for row in rows_of(sets):
        assert len(set(row)) == len(row) and set(row) <= set(graph.usable.tolist())
        assert row == sorted(row)
        for place, one in enumerate(row):
            for two in row[place + 1 :]:
                assert graph.overlap[one, two] <= LIKE


@pytest.mark.parametrize("seed", range(4))
def test_chains_follow_links_in_order(seed):
    rng = np.random.default_rng(seed)
    graph, sizes = random_graph(rng), rng.integers(3, 9, size=300)
    sets = grow_chains(rng, graph, sizes)
    check_sets(graph, sets)
    for row in rows_of(sets):
        assert all(graph.overlap[a, b] >= LINK for a, b in pairwise(row))
    assert 30 < len(sets) <= len(sizes)
    assert not Counter(map(len, rows_of(sets))) - Counter(sizes.tolist())


@pytest.mark.parametrize("seed", range(4))
def test_joined_sets_are_joined(seed):
    rng = np.random.default_rng(seed)
    graph, sizes = random_graph(rng), rng.integers(3, 9, size=300)
    sets = grow_joined(rng, graph, sizes)
    check_sets(graph, sets)
    assert is_joined(sets, graph.linked).all()
    assert len(sets) > 200
    assert not Counter(map(len, rows_of(sets))) - Counter(sizes.tolist())
    assert set(sizes_of(sets).tolist()) == set(range(3, 9))


def test_the_same_generator_gives_the_same_sets():
    graph, sizes = random_graph(np.random.default_rng(0)), np.arange(60) % 6 + 3
    for grow in (grow_chains, grow_joined):
        one, two, other = (grow(np.random.default_rng(s), graph, sizes) for s in (1, 1, 2))
        np.testing.assert_array_equal(one, two)
        assert one.tolist() != other.tolist()


def test_without_a_usable_frame_or_a_link_there_is_no_set():
    rng = np.random.default_rng(0)
    none = FrameGraph.of(np.full((5, 5), 50.0), np.zeros(5, bool), LINK, LIKE)
    apart = FrameGraph.of(100 * np.eye(5), np.ones(5, bool), LINK, LIKE)
    alike = FrameGraph.of(np.full((5, 5), 90.0), np.ones(5, bool), LINK, LIKE)
    empty = FrameGraph.of(np.zeros((0, 0)), np.zeros(0, bool), LINK, LIKE)
    for graph in (none, apart, alike, empty):
        for grow in (grow_chains, grow_joined):
            assert grow(rng, graph, np.array([8, 3, 4])).shape == (0, 8)


@pytest.mark.parametrize("seed", range(3))
def test_joined_is_what_connected_components_say(seed):
    rng = np.random.default_rng(seed)
    linked = np.triu(rng.random((20, 20)) < 0.15, 1)
    linked |= linked.T
    sets = np.full((400, 8), NONE)
    for row in sets:
        size = rng.integers(3, 9)
        row[:size] = rng.choice(20, size, replace=False)
    found = is_joined(sets, linked)
    for row, joined in zip(rows_of(sets), found, strict=True):
        number, _ = connected_components(csr_array(linked[np.ix_(row, row)]))
        assert joined == (number == 1)
    assert 10 < found.sum() < 390


def test_a_search_is_balanced_over_sizes_and_answers():
    rng, drops = np.random.default_rng(0), Counter()

    def draw(rng, sizes):
        sets = rng.integers(1000, size=(len(sizes), sizes.max()))
        return np.where(np.arange(sets.shape[1]) < sizes[:, None], sets, NONE)

    def judge(sets, drops):
        """One answer is rare, and a half cannot be asked about."""
        kept = sets[:, 0] % 2 == 0
        drops["odd"] += int(np.count_nonzero(~kept))
        answers = np.where(sets[kept, 1] % 4 == 0, -1, 1)
        return Candidates(sets[kept], np.zeros((kept.sum(), 0), int), answers)

    found = search_sets(rng, draw, judge, 120, (3, 8), drops)
    strata = Counter(zip(sizes_of(found.sets).tolist(), found.answers, strict=True))
    assert strata == dict.fromkeys(((n, a) for n in range(3, 9) for a in (-1, 1)), 10)
    assert drops["odd"] > 100
    assert len(np.unique(found.sets, axis=0)) == 120


def test_a_search_that_finds_little_ends_with_all_there_is():
    def draw(rng, sizes):
        return np.tile([1, 2, 3, NONE, NONE, NONE, NONE, NONE], (len(sizes), 1))

    def judge(sets, drops):
        return Candidates(sets, np.zeros((len(sets), 0), int), np.zeros(len(sets), int))

    rng = np.random.default_rng(0)
    for wanted in (5, 10**9):
        found = search_sets(rng, draw, judge, wanted, (3, 8), Counter())
        assert found.sets.tolist() == [[1, 2, 3, NONE, NONE, NONE, NONE, NONE]]
    nothing = search_sets(rng, lambda rng, sizes: draw(rng, sizes)[:0], judge, 5, (3, 8), Counter())
    assert nothing.sets.shape == (0, 8)


def test_distinct_keeps_the_first_of_each_set_and_target():
    sets = np.array([[3, 1, NONE], [1, 2, 3], [1, 3, NONE], [4, 5, 6], [3, 2, 1]])
    found = Candidates(sets, np.array([[0], [0], [1], [0], [0]]), np.arange(5))
    assert found.distinct().answers.tolist() == [0, 1, 2, 3], "of another target it is another"
