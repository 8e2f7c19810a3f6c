"""Which objects sets of frames show: frames in any order, and frames that show nothing."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from spatial_engine.object_perception.distinct_objects import DistinctObjects, _Category
from spatial_engine.object_relations.appearance_orders import first_seen
from spatial_engine.utils.frames.shown_objects import ShownObjects, refuse
from spatial_engine.utils.geometry.frame_sets.rows import NONE

FRAMES, OBJECTS, EMPTY = 12, 7, 11  # the last frame shows nothing and overlaps no other
SEEDS = range(10)


def shown_by(seed: int) -> tuple[ShownObjects, np.ndarray]:
    """Random states, and sets of three to seven frames but the empty one."""
    rng = np.random.default_rng(seed)
    states = rng.choice(3, size=(FRAMES + 1, OBJECTS), p=[0.6, 0.1, 0.3])
    states[[EMPTY, -1]] = 0
    others = (rng.random(states.shape) < 0.05) & (np.arange(FRAMES + 1) < EMPTY)[:, None]
    overlapping = rng.random((FRAMES + 1,) * 2) < 0.3
    overlapping |= overlapping.T | np.eye(FRAMES + 1, dtype=bool)
    overlapping[[EMPTY, -1]] = overlapping[:, [EMPTY, -1]] = False
    numbers = np.arange(OBJECTS)
    names = [f"thing {number}" for number in numbers]
    shown = ShownObjects(
        numbers, 10 * numbers, names, names, states == 2, states > 0, others, overlapping
    )
    sets = np.array([rng.permutation(EMPTY)[:8] for _ in range(200)])
    sets[np.arange(8) >= rng.integers(3, 8, size=200)[:, None]] = NONE
    return shown, sets


def all_of(shown: ShownObjects, sets: np.ndarray) -> list[np.ndarray]:
    tables = [
        shown.are_seen(sets), shown.are_unique(sets), shown.meet(sets), shown.share_a_frame(sets),
    ]  # fmt: skip
    categories = DistinctObjects.__new__(DistinctObjects)
    categories.shown = shown
    categories.categories = [_Category("thing", np.arange(4), shown.there[:, 5] & False)]
    found = categories.judge(sets, Counter())
    return [*tables, found.answers, found.targets]


@pytest.mark.parametrize("seed", SEEDS)
def test_reversing_the_frames_changes_nothing(seed):
    shown, sets = shown_by(seed)
    for one, two in zip(all_of(shown, sets), all_of(shown, sets[:, ::-1]), strict=True):
        assert (one == two).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_frame_that_shows_nothing_changes_nothing(seed):
    shown, sets = shown_by(seed)
    more = np.where(np.arange(8) == (sets != NONE).sum(axis=1)[:, None], EMPTY, sets)
    for one, two in zip(all_of(shown, sets), all_of(shown, more), strict=True):
        assert (one == two).all()
    for one, two in zip(first_seen(shown, sets), first_seen(shown, more), strict=True):
        assert (one == two).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_meets_by_each_two_frames(seed):
    shown, sets = shown_by(seed)
    meet, share = shown.meet(sets), shown.share_a_frame(sets)
    for row in range(20):
        frames = sets[row][sets[row] != NONE]
        for one in range(OBJECTS):
            for two in range(OBJECTS):
                pairs = [
                    (f, g) for f in frames for g in frames
                    if shown.there[f, one] and shown.there[g, two]
                ]  # fmt: skip
                assert meet[row, one, two] == any(shown.overlapping[f, g] for f, g in pairs)
                assert share[row, one, two] == any(f == g for f, g in pairs)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_frame_that_sees_each(seed):
    shown, sets = shown_by(seed)
    first, certain = first_seen(shown, sets)
    for row, frames in enumerate(sets[:50]):
        for number in np.flatnonzero(shown.are_seen(sets)[row]):
            states = [(shown.seen[f, number], shown.there[f, number]) for f in frames]
            place = [seen for seen, _ in states].index(True)
            assert first[row, number] == place
            assert certain[row, number] == (not any(there for _, there in states[:place]))


def test_ids_of_what_each_frame_sees_ascend():
    shown, sets = shown_by(0)
    frames = sets[0][sets[0] != NONE]
    ids = shown.seen_ids(frames, np.array([5, 1, 3]))
    assert ids == [[10 * n for n in (1, 3, 5) if shown.seen[f, n]] for f in frames]


def test_each_candidate_is_counted_by_its_first_reason():
    drops = Counter()
    kept = refuse(
        np.array([True, True, True, False]),
        {"a": np.array([True, False, False, True]), "b": np.array([True, True, False, True])},
        drops,
    )
    assert kept.tolist() == [False, False, True, False]
    assert drops == {"a": 1, "b": 1}
