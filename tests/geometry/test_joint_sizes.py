"""Sets of views that show all of an object, against a search through all subsets."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import combinations, permutations

import numpy as np
import pytest

from spatial_engine.utils.geometry.frame_sets import joint_sizes
from spatial_engine.utils.geometry.frame_sets.graph import FrameGraph
from spatial_engine.utils.geometry.frame_sets.joint_sizes import Views, joint_sets, tells

SIZE = np.array([1.0, 0.9, 0.8])
MOST = 6
SEEDS = range(24)


def views_of(seed: int, count: int = 9) -> Views:
    """Views of a box that each show a part of it, a corner or an end mostly, or nothing. Of
    twenty pairs eight are linked, and one is of views that are alike."""
    rng = np.random.default_rng(seed)
    low = np.where(rng.random((count, 3)) < 0.3, 0.0, rng.uniform(0.2, 0.7, (count, 3)))
    high = np.where(rng.random((count, 3)) < 0.3, 1.0, low + rng.uniform(0, 0.3, (count, 3)))
    low, high = low * SIZE, np.minimum(high, 1) * SIZE
    nothing = rng.random(count) < 0.2
    low[nothing], high[nothing] = np.inf, -np.inf
    overlap = rng.choice([0.0, 30.0, 80.0], p=[0.55, 0.4, 0.05], size=(count, count))
    overlap = np.triu(overlap, 1) + np.triu(overlap, 1).T
    return Views(low, high, SIZE, FrameGraph.of(overlap, np.ones(count, bool), 6, 70))


def extent(views: Views, chosen: tuple[int, ...]) -> list[float]:
    sides = []
    for axis in range(3):
        ends = [(views.low[k, axis], views.high[k, axis]) for k in chosen]
        sides.append(max(0.0, max(high for _, high in ends) - min(low for low, _ in ends)))
    return sides


def covers(views: Views, chosen: tuple[int, ...]) -> bool:
    return all(s >= 0.9 * side - 1e-12 for s, side in zip(extent(views, chosen), SIZE, strict=True))


def is_told(views: Views, chosen: tuple[int, ...]) -> bool:
    """Whether the size is told nearly, whichever horizontal side is the longer one."""
    x, y, z = extent(views, chosen)
    told = np.array([z, max(x, y), min(x, y)]) - [SIZE[2], SIZE[0], SIZE[1]]
    return float(np.linalg.norm(told)) <= 0.2 * float(np.linalg.norm(SIZE))


def is_joined(views: Views, chosen: tuple[int, ...]) -> bool:
    """By all orders: some one has each view linked to one before it."""
    linked = views.graph.linked
    return any(
        all(any(linked[one, other] for other in order[:place]) for place, one in enumerate(order)
            if place)
        for order in permutations(chosen)
    )  # fmt: skip


def can_be_asked(views: Views, chosen: tuple[int, ...]) -> bool:
    pairs = list(combinations(chosen, 2))
    if not covers(views, chosen) or any(views.graph.alike[pair] for pair in pairs):
        return False
    if any(views.graph.linked[pair] and is_told(views, pair) for pair in pairs):
        return False
    parts = (part for m in range(1, len(chosen)) for part in combinations(chosen, m))
    if any(covers(views, part) and is_joined(views, part) for part in parts):
        return False
    return is_joined(views, chosen)


@cache
def all_sets(seed: int) -> list[tuple[int, ...]]:
    views = views_of(seed)
    return [
        chosen
        for count in range(2, MOST + 1)
        for chosen in combinations(range(len(views.low)), count)
        if can_be_asked(views, chosen)
    ]


def found_in(views: Views, most: int = MOST) -> list[tuple[int, ...]]:
    found = joint_sets(np.random.default_rng(0), views, most, Counter())
    return [tuple(row) for sets in found for row in sets.tolist()]


@pytest.mark.parametrize("seed", SEEDS)
def test_all_sets_are_found_and_no_others(seed):
    assert sorted(found_in(views_of(seed))) == sorted(all_sets(seed))


def test_the_views_of_the_test_have_such_sets():
    sets = [(seed, one) for seed in SEEDS for one in all_sets(seed)]
    assert len(sets) > 30
    assert {len(one) for _, one in sets} >= {3, 4, 5}
    assert not all(np.isfinite(views_of(seed).low[list(one)]).all() for seed, one in sets)


def test_sets_of_more_views_than_wanted_are_left_out():
    for seed in range(8):
        views = views_of(seed)
        assert found_in(views, 4) == [one for one in found_in(views) if len(one) <= 4]


def test_a_view_that_shows_nothing_and_joins_none_is_in_no_set():
    views = views_of(3)
    alone = FrameGraph(*(np.pad(table, ((0, 1), (0, 1))) for table in (
        views.graph.overlap, views.graph.linked, views.graph.alike)))  # fmt: skip
    more = Views(
        np.vstack([views.low, [np.inf] * 3]), np.vstack([views.high, [-np.inf] * 3]), SIZE, alone
    )
    assert found_in(more) == found_in(views)


def test_the_longer_horizontal_side_is_the_length():
    size = np.array([1.0, 0.5, 0.6])
    assert tells(np.zeros(3), np.array([0.5, 1.0, 0.6]), size)  # as it is told, nothing is off
    assert not tells(np.zeros(3), np.array([0.5, 0.5, 0.6]), size)


def test_of_too_many_some_are_drawn_and_the_others_counted(monkeypatch):
    views, drops = views_of(1, 14), Counter()
    whole = found_in(views)
    monkeypatch.setattr(joint_sizes, "MOST_BUILT", 20)
    some = list(joint_sets(np.random.default_rng(0), views, MOST, drops))
    few = [tuple(row) for sets in some for row in sets.tolist()]
    assert {*few} <= {*whole}
    assert 0 < len(few) < len(whole)
    assert drops["sets of images that are not tried, as there are many"] > 0


def test_thousands_of_sets_have_keys_of_their_own():
    """Of 128 views, the most there can be, sets of eight are told apart."""
    count = joint_sizes.MOST_VIEWS
    line = np.abs(np.subtract.outer(np.arange(count), np.arange(count))) == 1
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    for first in (0, count - 8):  # ends that seven links part
        low[first], high[first] = (0, 0, 0), (0.3, 0.3, 0.3)
        low[first + 7], high[first + 7] = SIZE - 0.3, SIZE
    views = Views(low, high, SIZE, FrameGraph.of(30.0 * line, np.ones(count, bool), 6, 70))
    assert found_in(views, 8) == [tuple(range(8)), tuple(range(count - 8, count))]
    assert found_in(views, 7) == []
