"""Four orders of three or four things to choose from, none of them nearer to the others than the
rest (SPEC 13.3). Pure."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

T = TypeVar("T")
# Places of three things: each order and the next differ by an exchange of neighbours, and so do the
# last and the first.
CIRCLE = ((0, 1, 2), (1, 0, 2), (1, 2, 0), (2, 1, 0), (2, 0, 1), (0, 2, 1))
# Places of four things: the first two exchanged, the last two exchanged, both.
EXCHANGES = ((0, 1, 2, 3), (1, 0, 2, 3), (0, 1, 3, 2), (1, 0, 3, 2))
NUM_ORDERS = 4


def order_choices(rng: np.random.Generator, right: tuple[T, ...]) -> list[tuple[T, ...]]:
    """Four different orders of the three or four things of `right`, in random order, `right` among
    them. Whichever of the four were right, the same four could stand beside it as often."""
    if len(right) == 3:
        place = int(rng.integers(NUM_ORDERS))  # of the right one among four neighbours
        orders = [CIRCLE[(k - place) % len(CIRCLE)] for k in range(NUM_ORDERS)]
    else:
        orders = list(EXCHANGES)
    return [tuple(right[k] for k in orders[number]) for number in rng.permutation(NUM_ORDERS)]
