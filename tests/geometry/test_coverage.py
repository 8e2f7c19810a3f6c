"""Minimal sets of images, against a search through all subsets."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spatial_engine.utils.geometry.coverage import covers, minimal_sets


def search(low, high, target, tolerance, largest=5) -> set[tuple[int, ...]]:
    """All minimal sets of up to `largest` images, by the definition."""

    def is_covering(images) -> bool:
        extent = max(high[i] for i in images) - min(low[i] for i in images)
        return abs(extent - target) <= tolerance * target

    minimal: set[tuple[int, ...]] = set()
    for size in range(1, largest + 1):
        for images in combinations(range(len(low)), size):
            parts = (part for k in range(1, size) for part in combinations(images, k))
            if is_covering(images) and not any(map(is_covering, parts)):
                minimal.add(images)
    return minimal


def check(low, high, target, tolerance) -> set[tuple[int, ...]]:
    """Minimal sets are those of the search, in order, each once; returns them."""
    single, pairs = minimal_sets(np.array(low), np.array(high), target, tolerance)
    assert single.ndim == 1 and pairs.shape == (len(pairs), 2)
    ones, twos = [(i,) for i in single.tolist()], [tuple(pair) for pair in pairs.tolist()]
    assert ones == sorted(set(ones))
    assert twos == sorted(set(twos))
    assert all(i < j for i, j in twos)
    expected = search(low, high, target, tolerance)
    assert all(len(images) <= 2 for images in expected)  # what the module proves
    assert set(ones + twos) == expected
    return expected


# Quarters add and multiply without rounding, so extents do lie on the boundary, and many are equal.
EDGES = st.tuples(st.integers(0, 12), st.integers(0, 8)).map(lambda e: (e[0] / 4, sum(e) / 4))


@settings(max_examples=400, deadline=None)
@given(
    intervals=st.lists(EDGES, max_size=6),
    target=st.integers(1, 24).map(lambda n: n / 4),
    tolerance=st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.1]),
)
@example([], 1.0, 0.25)
@example([(0.0, 3.0)], 4.0, 0.25)  # just long enough
@example([(0.0, 5.0)], 4.0, 0.25)  # just not too long
@example([(0.0, 5.25), (0.0, 2.0), (1.0, 4.0)], 4.0, 0.25)  # one of them shows too much
@example([(0.0, 1.0), (0.0, 1.0), (2.0, 3.0), (2.0, 3.0)], 3.0, 0.0)  # equal images
@example([(0.0, 0.0), (3.0, 3.0), (1.0, 1.0)], 3.0, 0.0)  # images of one vertex
@example([(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)], 6.0, 0.5)  # more than all show, on the boundary
@example([(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)], 6.0, 0.25)  # more than all show
def test_minimal_sets_are_those_of_a_search_through_all_subsets(intervals, target, tolerance):
    low, high = [e[0] for e in intervals], [e[1] for e in intervals]
    check(low, high, target, tolerance)


@pytest.mark.parametrize("seed", range(8))
def test_minimal_sets_of_images_that_see_some_vertices_of_an_object(seed):
    """Extents here come from the vertices that a set sees together, not from intervals."""
    rng, sizes = np.random.default_rng(seed), []
    for _ in range(60):
        vertices = rng.normal(size=rng.integers(3, 12))
        if rng.random() < 0.5:
            vertices = np.round(vertices, 1)  # ties
        target = np.ptp(vertices) or 1.0
        seen = [
            rng.choice(vertices, rng.integers(1, len(vertices) // 2 + 2), replace=False)
            for _ in range(rng.integers(1, 7))
        ]
        if len(seen) > 2:
            seen[0] = seen[1]  # an image like another
        low, high = [float(v.min()) for v in seen], [float(v.max()) for v in seen]
        for tolerance in (0.0, 0.1, 0.4):
            found = check(low, high, target, tolerance)
            sizes += map(len, found)
            for images in found:
                extent = np.ptp(np.concatenate([seen[i] for i in images]))
                assert abs(extent - target) <= tolerance * target
    assert min(sizes.count(1), sizes.count(2)) > 50


def test_no_image_that_covers_alone_is_in_a_pair():
    low, high = [0.0, 0.0, 0.5, 0.0], [1.0, 0.5, 1.0, 0.95]
    single, pairs = minimal_sets(np.array(low), np.array(high), 1.0, 0.1)
    assert single.tolist() == [0, 3]
    assert pairs.tolist() == [[1, 2]]


def test_an_extent_may_be_too_large_for_the_target():
    """The two outer images together show more than the tolerance allows; each with the middle one
    does not, and three never are minimal."""
    low, high = [0.0, 1.0, 2.0], [3.0, 4.0, 5.0]
    assert check(low, high, 4.0, 0.125) == {(0, 1), (1, 2)}
    assert check(low, high, 4.0, 0.25) == {(0,), (1,), (2,)}
    assert check(low, high, 2.0, 0.25) == set()


def test_many_images_give_every_pair_once():
    low, high = np.r_[np.zeros(150), np.full(150, 0.5)], np.r_[np.full(150, 0.5), np.ones(150)]
    single, pairs = minimal_sets(low, high, 1.0, 0.1)
    assert len(single) == 0
    assert {tuple(p) for p in pairs.tolist()} == set(product(range(150), range(150, 300)))
    assert len(pairs) == 150 * 150


@pytest.mark.parametrize(
    ("extent", "expected"), [(2.99, False), (3, True), (4, True), (5, True), (5.01, False)]
)
def test_both_edges_of_the_tolerance_cover(extent, expected):
    assert bool(covers(np.float64(extent), 4.0, 0.25)) is expected


def test_covers_takes_any_shape_and_no_tolerance_asks_for_equality():
    extents = np.array([[0.9, 1.0, 1.1], [0.0, 0.89, 1.11]])
    assert covers(extents, 1.0, 0.0).tolist() == [[False, True, False], [False] * 3]
    assert covers(extents[1], 1.0, 0.1).tolist() == [False] * 3
    assert covers(np.array([0.901, 1.099]), 1.0, 0.1).tolist() == [True] * 2
    assert covers(10 * extents[0], 10.0, 0.05).tolist() == [False, True, False]  # it is a share
