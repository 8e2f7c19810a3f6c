"""Which sets of views show an object from end to end along all three axes, when only views that
are linked can be put together (SPEC 13). Pure.

All sets are grown along the links at once, a view at a time, from the views of that end of the box
that the fewest views show. Those in which two linked views tell the size are not built, those that
show all are not built upon, and those too far from a view of an end that they lack are given up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spatial_engine.utils.geometry.frame_sets.graph import FAR, FrameGraph
from spatial_engine.utils.geometry.frame_sets.rows import is_joined

TOLERANCE = 0.1  # share of a size that a set may leave unseen
# Two linked views show less than the whole: the size that they tell is off by more of the length of
# the vector. So it is of fewer views: more never tell less.
PAIR_TOLERANCE = 0.2
MOST_BUILT = 5000  # sets that are built upon, or judged, at a time; of more, so many are drawn
MOST_VIEWS = 128  # so that a set of eight has a key of 64 bits
_BITS = 7


def shows_all(low: np.ndarray, high: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Whether views from `low` to `high` (..., 3) show all of a box of `size` (3,): (...,) bool."""
    return (np.abs(high - low - size) <= TOLERANCE * size).all(axis=-1)


def tells(low: np.ndarray, high: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Whether the size of what views from `low` to `high` (..., 3) show is near to that of a box of
    `size` (3,), as height, length and width are told: (...,) bool."""
    extent, size = _told(np.maximum(high - low, 0)), _told(size)
    off = np.linalg.norm(extent - size, axis=-1)
    return off <= PAIR_TOLERANCE * np.linalg.norm(size)


def _told(size: np.ndarray) -> np.ndarray:
    """Sizes (..., 3) along x, y and z as length, width and height."""
    return np.concatenate([-np.sort(-size[..., :2], axis=-1), size[..., 2:]], axis=-1)


@dataclass(frozen=True)
class Views:
    """What v views show of a box of `size` (3,): from `low` to `high` (v, 3) from its least corner,
    inf and -inf where they show nothing; `graph` tells which of them can stand in a set, and which
    are linked. At most `MOST_VIEWS`."""

    low: np.ndarray
    high: np.ndarray
    size: np.ndarray
    graph: FrameGraph

    @cached_property
    def barred(self) -> np.ndarray:
        """Which two cannot stand in a set, (v, v) bool: one is enough, or they tell the size."""
        low = np.minimum(self.low[:, None], self.low)
        high = np.maximum(self.high[:, None], self.high)
        return self.graph.alike | (self.graph.linked & tells(low, high, self.size))

    @cached_property
    def ends(self) -> np.ndarray:
        """Which views show which end of the box, (6, v) bool. Sets that show all show each."""
        least, most = self.low <= TOLERANCE * self.size, self.high >= (1 - TOLERANCE) * self.size
        return np.concatenate([least.T, most.T])

    @cached_property
    def away(self) -> np.ndarray:
        """Links from each view to the nearest one that shows each end, (6, v)."""
        hops = np.where(self.ends[:, None], self.graph.hops, FAR)
        return hops.min(axis=2, initial=FAR)

    def whole(self, sets: np.ndarray) -> np.ndarray:
        """Whether sets (k, m) show all, (k,) bool."""
        columns = sets.T  # by view first, which is much faster to go over
        return shows_all(self.low[columns].min(axis=0), self.high[columns].max(axis=0), self.size)

    def within(self, sets: np.ndarray, most: int) -> np.ndarray:
        """Whether sets (k, m) can have all ends with `most` views, as far as links tell, (k,)."""
        left = most - sets.shape[1]
        return np.logical_and.reduce([away[sets.T].min(axis=0) <= left for away in self.away])

    def spares(self, sets: np.ndarray) -> np.ndarray:
        """Whether joined sets (k, m) that show all can do without some view and are joined still.
        If they can do without several, then without one: more views never show less."""
        spared = np.zeros(len(sets), bool)
        for place in range(sets.shape[1]):
            rest = np.delete(sets, place, axis=1)
            spared |= self.whole(rest) & is_joined(rest, self.graph.linked)
        return spared


def joint_sets(
    rng: np.random.Generator, views: Views, most: int, drops: Counter[str]
) -> Iterator[np.ndarray]:
    """Joined sets of views that show all, of which no joined part does and no two linked ones tell
    the size: (k, views) ascending numbers, those of fewest views first, up to `most`. All of them,
    unless there are more than `MOST_BUILT` on the way; what is left out is counted in `drops`."""
    rarest = views.ends[views.ends.sum(axis=1).argmin()]
    sets = np.flatnonzero(rarest)[:, None]
    for _ in range(1, most):
        sets = _grown(views, _some(rng, sets[views.within(sets, most)], drops))
        whole = views.whole(sets)
        found = _some(rng, sets[whole], drops)
        spares = views.spares(found)
        drops["sets of images of which fewer show the whole"] += int(np.count_nonzero(spares))
        yield found[~spares]
        sets = sets[~whole]


def _grown(views: Views, sets: np.ndarray) -> np.ndarray:
    """Sets (k, m) with each further view that is linked to one of theirs, without repetition."""
    reached, barred = (
        np.logical_or.reduce([table[column] for column in sets.T])
        for table in (views.graph.linked, views.barred)
    )
    rows, new = np.nonzero(reached & ~barred)
    sets = np.sort(np.column_stack([sets[rows], new]), axis=1)
    keys = np.zeros(len(sets), np.int64)
    for column in sets.T:
        keys = keys << _BITS | column
    return sets[np.unique(keys, return_index=True)[1]]


def _some(rng: np.random.Generator, sets: np.ndarray, drops: Counter[str]) -> np.ndarray:
    """All of the sets, or so many that are drawn."""
    if len(sets) <= MOST_BUILT:
        return sets
    drops["sets of images that are not tried, as there are many"] += len(sets) - MOST_BUILT
    return sets[np.sort(rng.choice(len(sets), MOST_BUILT, replace=False))]
