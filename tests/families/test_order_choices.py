"""Orders to choose from: none of the four is nearer to the others than the rest."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from spatial_engine.object_relations.order_choices import CIRCLE, order_choices

DRAWS = 4000


def drawn(right: tuple[str, ...], seed: int = 0) -> list[list[tuple[str, ...]]]:
    rng = np.random.default_rng(seed)
    return [order_choices(rng, right) for _ in range(DRAWS)]


@pytest.mark.parametrize("right", ["abc", "bca", "abcd", "dbca"])
def test_four_different_orders_of_the_same_things_with_the_right_one_anywhere(right):
    places = Counter()
    for orders in drawn(tuple(right)):
        assert len(set(orders)) == 4
        assert all(sorted(order) == sorted(right) for order in orders)
        places[orders.index(tuple(right))] += 1
    assert all(abs(places[k] / DRAWS - 0.25) < 0.04 for k in range(4))


@pytest.mark.parametrize("letters", ["abc", "abcd"])
def test_no_order_among_the_four_is_distinguished(letters):
    """The same four stand beside each of them, if it is right, as often."""
    sets = {
        order: Counter(frozenset(orders) for orders in drawn(order, seed))
        for seed, order in enumerate(permutations(letters))
    }
    for order, counts in sets.items():
        for orders, count in counts.items():
            for other in orders - {order}:
                assert abs(sets[other][orders] - count) < 0.06 * DRAWS


def test_neighbours_in_the_circle_differ_by_an_exchange_of_neighbours():
    for one, two in zip(CIRCLE, CIRCLE[1:] + CIRCLE[:1], strict=True):
        assert sum(a != b for a, b in zip(one, two, strict=True)) == 2
        assert one[1] != two[1]  # the middle one takes part
    assert len(set(CIRCLE)) == 6


def test_with_four_the_ends_are_exchanged():
    for orders in drawn(("a", "b", "c", "d"))[:20]:
        assert {frozenset(order[:2]) for order in orders} == {frozenset("ab")}
        assert {frozenset(order[2:]) for order in orders} == {frozenset("cd")}
