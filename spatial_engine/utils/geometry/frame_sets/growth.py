"""Sets of frames that belong together, grown along the overlaps of a scene's frames. Pure.

All sets are grown at once, a frame at a time, so that a thousand sets cost some array operations of
a thousand rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatial_engine.utils.geometry.frame_sets.graph import FrameGraph
from spatial_engine.utils.geometry.frame_sets.rows import NONE, in_time

# Of the frames that could be added, one that is linked to the last is taken so often; else one that
# is linked to any. Sets that follow the last frame reach farther.
FOLLOW = 0.7


def grow_chains(rng: np.random.Generator, graph: FrameGraph, sizes: np.ndarray) -> np.ndarray:
    """Chains in order: frames of ascending numbers, each linked to the next. For each of the
    `sizes` (m,) a set (k, longest), fewer where a start leads nowhere."""
    return _grow(rng, graph, sizes, in_order=True)


def grow_joined(rng: np.random.Generator, graph: FrameGraph, sizes: np.ndarray) -> np.ndarray:
    """Joined sets, each frame linked to one before it, sorted by number; else as `grow_chains`."""
    return in_time(_grow(rng, graph, sizes, in_order=False))


def grow_through(
    rng: np.random.Generator,
    graph: FrameGraph,
    sizes: np.ndarray,
    goals: np.ndarray,
    barred: np.ndarray,
) -> np.ndarray:
    """Joined sets that hold certain frames: for each of the `sizes` (m,) the frames `goals` (m, g),
    `NONE` for fewer, and others on the way between them and around, but none that is `barred`
    (m, n) bool. Fewer sets than sizes: where goals are alike or no way is found, there is none."""
    state = _Growth.through(graph, sizes, goals, barred)
    hops = graph.hops
    way = hops[state.sets[:, 0]]  # links from each set to each frame
    for place in range(1, state.sets.shape[1]):
        rows = state.growing(place)
        missing = (goals[rows] != NONE) & (state.sets[rows, :, None] != goals[rows, None]).all(1)
        lengths = np.where(missing, np.take_along_axis(way[rows], goals[rows], axis=1), 0)
        first = missing.argmax(axis=1)
        at = np.arange(len(rows))
        left = sizes[rows] - place - 1 - (lengths.sum(axis=1) - lengths[at, first])
        allowed = state.reached[rows] & ~state.forbidden[rows]
        ahead = hops[:, goals[rows, first]].T  # of each frame from the first goal that is missing
        allowed &= ~missing.any(axis=1)[:, None] | (ahead <= left[:, None])
        rows, chosen = state.add(rng, rows, allowed, place)
        way[rows] = np.minimum(way[rows], hops[chosen])
    held = (state.sets[:, :, None] == goals[:, None]).any(axis=1) | (goals == NONE)
    return in_time(state.sets[state.whole & held.all(axis=1)])


def grow_around(
    rng: np.random.Generator,
    graph: FrameGraph,
    sizes: np.ndarray,
    starts: np.ndarray,
    among: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Joined sets that begin with the frames of `starts` (m, s), which are joined and not alike,
    and go on in the order of growth, with those frames only that `among` (m, n) bool allows to
    each, if given; of the `sizes` (m,), s at least. Returns as `grow_among`."""
    state = _Growth.of(graph, sizes, starts)
    if among is not None:
        state.forbidden |= ~among
    for place in range(starts.shape[1], state.sets.shape[1]):
        rows = state.growing(place)
        state.add(rng, rows, state.following(rng, rows, place), place)
    return state.sets, state.whole


def grow_among(
    rng: np.random.Generator, graph: FrameGraph, sizes: np.ndarray, among: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sets, linked or not, of the frames that `among` (m, n) bool allows to each, no two alike, in
    the order of growth. Returns the sets (m, longest) of the `sizes` (m,), and which of them have
    found all their frames, (m,) bool."""
    state = _Growth.of(graph, sizes, np.zeros((len(sizes), 0), int))
    for place in range(state.sets.shape[1]):
        rows = state.growing(place)
        state.add(rng, rows, among[rows] & ~state.forbidden[rows], place)
    return state.sets, state.whole


@dataclass
class _Growth:
    """Sets (m, longest) while they grow: which frames each cannot take any more, `forbidden`, and
    which are linked to one of its own, `reached`, (m, n) bool; whether it is `whole` so far."""

    graph: FrameGraph
    sizes: np.ndarray
    sets: np.ndarray
    forbidden: np.ndarray
    reached: np.ndarray
    whole: np.ndarray

    @classmethod
    def of(cls, graph: FrameGraph, sizes: np.ndarray, starts: np.ndarray) -> _Growth:
        """Sets that begin with the frames `starts` (m, s)."""
        longest = max(int(sizes.max(initial=1)), starts.shape[1])
        sets = np.full((len(starts), longest), NONE, np.int32)
        sets[:, : starts.shape[1]] = starts
        whole = np.ones(len(starts), bool)
        unusable = ~np.isin(np.arange(len(graph.alike)), graph.usable)
        forbidden = graph.alike[starts].any(axis=1) | unusable
        reached = graph.linked[starts].any(axis=1)
        return cls(graph, sizes, sets, forbidden, reached, whole)

    @classmethod
    def through(
        cls, graph: FrameGraph, sizes: np.ndarray, goals: np.ndarray, barred: np.ndarray
    ) -> _Growth:
        """Sets of the first of their `goals`, which keep the places of the others free."""
        state = cls.of(graph, sizes, goals[:, :1])
        there = goals != NONE
        near = graph.alike[goals] & there[:, :, None]  # (m, g, n)
        other = goals[:, :, None] != goals[:, None, :]
        both = np.take_along_axis(near, goals[:, None].repeat(goals.shape[1], 1), axis=2)
        state.whole &= ~(both & other & there[:, None]).any(axis=(1, 2))
        state.forbidden |= barred | near.any(axis=1)
        state.whole &= ~(np.take_along_axis(barred, goals, axis=1) & there).any(axis=1)
        rows, places = np.nonzero(there)
        state.forbidden[rows, goals[rows, places]] = False
        state.forbidden[np.arange(len(goals)), goals[:, 0]] = True
        return state

    def growing(self, place: int) -> np.ndarray:
        """Numbers of the sets that are to get a frame at a place."""
        return np.flatnonzero(self.whole & (place < self.sizes))

    def following(self, rng: np.random.Generator, rows: np.ndarray, place: int) -> np.ndarray:
        """Frames that are linked to the last one of each of the sets `rows` (r,), or to any, and
        that it can take: (r, n) bool."""
        free = ~self.forbidden[rows]
        after = self.graph.linked[self.sets[rows, place - 1]] & free
        follow = (rng.random(len(rows)) < FOLLOW) & after.any(axis=1)
        return np.where(follow[:, None], after, self.reached[rows] & free)

    def add(
        self, rng: np.random.Generator, rows: np.ndarray, allowed: np.ndarray, place: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give each of the sets `rows` (r,) one of its `allowed` frames (r, n); return the sets
        that got one, and these."""
        weights = rng.random(allowed.shape, dtype=np.float32) * allowed
        chosen = weights.argmax(axis=1)
        good = allowed[np.arange(len(rows)), chosen]
        self.whole[rows[~good]] = False
        rows, chosen = rows[good], chosen[good]
        self.sets[rows, place] = chosen
        self.forbidden[rows] |= self.graph.alike[chosen]
        self.reached[rows] |= self.graph.linked[chosen]
        return rows, chosen


def _grow(
    rng: np.random.Generator, graph: FrameGraph, sizes: np.ndarray, in_order: bool
) -> np.ndarray:
    usable, longest = graph.usable, int(sizes.max(initial=1))
    if not len(usable) or not len(sizes):
        return np.full((0, longest), NONE, np.int32)
    state = _Growth.of(graph, sizes, rng.choice(usable, size=(len(sizes), 1)))
    numbers = np.arange(len(graph.alike))
    for place in range(1, longest):
        rows = state.growing(place)
        if in_order:
            last = state.sets[rows, place - 1]
            allowed = graph.linked[last] & (numbers > last[:, None]) & ~state.forbidden[rows]
        else:
            allowed = state.following(rng, rows, place)
        state.add(rng, rows, allowed, place)
    return state.sets[state.whole]
