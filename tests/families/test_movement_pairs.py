"""Pairs of frames of a point: bins and limits as SPEC 9.3 says, drawn without replacement."""

from __future__ import annotations

import numpy as np
import pytest

from spatial_engine.object_movement import movement_pairs
from spatial_engine.object_movement.movement_pairs import (
    PUBLISHED,
    MovementRule,
    PointPairs,
    displacement_bins,
    pairs_of,
    swapped_extra,
    with_still_share,
)

STATIC_M = 0.01


def draw_point_pairs(rng, point, frames, positions, per_bin, most_still=1) -> PointPairs:
    pairs = pairs_of(point, frames, positions)
    return movement_pairs.draw_point_pairs(rng, pairs, STATIC_M, per_bin, most_still)


def long_tailed(rng: np.random.Generator, count: int) -> np.ndarray:
    """Positions (count, 3) of a point that mostly creeps, and leaps at times."""
    steps = rng.normal(size=(count, 3)) * (rng.pareto(1.2, (count, 1)) * 0.01)
    return steps.cumsum(axis=0)


def all_pairs(positions: np.ndarray) -> dict[tuple[int, int], float]:
    """Displacement of each pair of rows, by a plain loop."""
    count = len(positions)
    return {
        (i, j): float(np.sqrt(((positions[j] - positions[i]) ** 2).sum()))
        for i in range(count)
        for j in range(i + 1, count)
    }


def plain_bins(moved: dict[tuple[int, int], float]) -> list[set[tuple[int, int]]]:
    """The moving pairs by bin, from the definition: compared with eleven edges."""
    moving = {pair: s for pair, s in moved.items() if s >= STATIC_M}
    if not moving:
        return [set() for _ in range(10)]
    edges = np.linspace(min(moving.values()), max(moving.values()), 11)
    bins: list[set] = [set() for _ in range(10)]
    for pair, s in moving.items():
        bins[max(b for b in range(10) if b == 0 or edges[b] <= s)].add(pair)
    return bins


def drawn_pairs(found: PointPairs, frames: np.ndarray) -> list[tuple[int, int]]:
    """As rows of `frames`."""
    row = {int(frame): number for number, frame in enumerate(frames)}
    return [(row[a], row[b]) for a, b in zip(found.first, found.second, strict=True)]


@pytest.mark.parametrize("per_bin", [1, 3, 30])
@pytest.mark.parametrize("count", [2, 3, 12, 60])
@pytest.mark.parametrize("seed", range(4))
def test_bins_of_long_tailed_displacements_hold_what_the_spec_says(seed, count, per_bin):
    rng = np.random.default_rng(seed)
    positions = long_tailed(rng, count)
    frames = np.sort(rng.choice(500, count, replace=False))
    found = draw_point_pairs(rng, 17, frames, positions, per_bin)
    moved, pairs = all_pairs(positions), drawn_pairs(found, frames)
    assert set(found.points) <= {17}
    assert all(i < j for i, j in pairs)
    assert len(set(pairs)) == len(pairs), "drawn without replacement"
    np.testing.assert_allclose(found.moved, [moved[pair] for pair in pairs], atol=1e-12)
    static = {pair for pair, s in moved.items() if s < STATIC_M}
    assert len(static & set(pairs)) == min(1, len(static))
    bins = plain_bins(moved)
    limit = min(max(len(bins[4]), 1), per_bin)
    assert [len(members & set(pairs)) for members in bins] == [min(len(b), limit) for b in bins]
    assert len(pairs) == min(1, len(static)) + sum(min(len(b), limit) for b in bins)


def on_a_line(*values: float) -> np.ndarray:
    return np.array([[value, 0, 0] for value in values], float)


def test_an_empty_fifth_bin_still_gives_one_of_each():
    rng = np.random.default_rng(0)
    positions = on_a_line(0, 10, 10.001)  # moved: 10, 10.001 and, static, 0.001
    positions = np.concatenate([positions, on_a_line(5.9)])  # 5.9, 4.1, 4.101
    found = draw_point_pairs(rng, 0, np.arange(4), positions, 30)
    # bins of 0.59 from 4.1 on: two in the first, 5.9 in the fourth, two in the last
    assert sorted(np.round(found.moved).tolist()) == [0, 4, 6, 10]


def test_the_fifth_bin_is_the_limit():
    """A walk of equal steps: the displacement k is there n - k times."""
    positions = on_a_line(*range(21))  # 1 to 20: bins of 1.9, the fifth holds 9 and 10
    found = draw_point_pairs(np.random.default_rng(0), 0, np.arange(21), positions, 1000)
    bins = np.bincount(displacement_bins(found.moved), minlength=10)
    held = [(21 - k, int((k - 1) / 1.9)) for k in range(1, 21)]
    whole = [sum(n for n, number in held if min(number, 9) == b) for b in range(10)]
    assert whole[4] == 12 + 11
    assert bins.tolist() == [min(n, whole[4]) for n in whole]


def test_one_static_pair_is_drawn_however_many_there_are():
    positions = on_a_line(*([0.0] * 30), 0.00999)
    found = draw_point_pairs(np.random.default_rng(0), 3, np.arange(31), positions, 30)
    assert len(found) == 1 and found.moved[0] < STATIC_M


@pytest.mark.parametrize("most", [1, 5, 1000])
def test_no_more_still_pairs_are_drawn_than_asked_for(most):
    positions = on_a_line(*([0.0] * 20), 3.0)
    found = draw_point_pairs(np.random.default_rng(0), 3, np.arange(21), positions, 30, most)
    assert np.count_nonzero(found.moved < STATIC_M) == min(most, 190)
    assert len({*zip(found.first, found.second, strict=True)}) == len(found)


def mixed(rng: np.random.Generator, still: list[int], moving: list[int]) -> PointPairs:
    """So many pairs of each point, in any order."""
    points = [k for counts in (still, moving) for k, n in enumerate(counts) for _ in range(n)]
    moved = np.r_[rng.uniform(0, 0.0099, sum(still)), rng.uniform(0.03, 2, sum(moving))]
    order = rng.permutation(len(moved))
    columns = np.array(points)[order], np.arange(len(moved)), np.arange(len(moved)) + 1
    return PointPairs(*columns, moved[order])


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_still_pairs_are_their_share_evenly_over_points(seed, share):
    rng = np.random.default_rng(seed)
    pairs = mixed(rng, still=[300] * 7, moving=[40, 0, 80, 60])
    found, missing = with_still_share(rng, pairs, STATIC_M, share)
    is_still = found.moved < STATIC_M
    assert np.count_nonzero(~is_still) == 180 and missing == 0
    assert np.count_nonzero(is_still) == round(180 * share / (1 - share))
    of_each = np.bincount(found.points[is_still], minlength=7)
    assert of_each.max() - of_each.min() <= 1
    assert (np.diff(found.first) > 0).all(), "pairs of the given, each once, in their order"


def test_which_points_have_one_still_pair_more_is_left_to_chance():
    more = set()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        found, _ = with_still_share(rng, mixed(rng, [9] * 5, [9]), STATIC_M, 0.1)
        more |= set(found.points[found.moved < STATIC_M].tolist())
    assert more == set(range(5))


def test_missing_still_pairs_are_told_and_a_clip_without_motion_has_one():
    rng = np.random.default_rng(0)
    few, missing = with_still_share(rng, mixed(rng, [2, 1], [90]), STATIC_M, 0.1)
    assert len(few) == 93 and missing == 7
    none, missing = with_still_share(rng, mixed(rng, [], [90]), STATIC_M, 0.1)
    assert len(none) == 90 and missing == 10
    still, missing = with_still_share(rng, mixed(rng, [50, 50], []), STATIC_M, 0.1)
    assert len(still) == 1 and missing == 0
    assert with_still_share(rng, PointPairs.joined([]), STATIC_M, 0.1)[1] == 0


def test_what_counts_as_moved():
    rule = MovementRule(0.01, 0.02, 5.0, 0.1)
    assert [rule.moved_from(jitter) for jitter in (0.0, 0.004, 0.006, np.nan)] == [
        0.02, 0.02, pytest.approx(0.03), 0.02,
    ]  # fmt: skip
    assert MovementRule(0.03, 0.02, 5.0, 0.1).moved_from(0.0) == 0.03, "never below still"
    assert {PUBLISHED.moved_from(jitter) for jitter in (0.0, 0.1, np.nan)} == {0.01}


def test_a_centimetre_is_moving_and_less_is_not():
    rng = np.random.default_rng(0)
    positions = on_a_line(0, 0.01, 1.0)
    found = draw_point_pairs(rng, 0, np.arange(3), positions, 30)
    assert len(found) == 2 and found.moved.min() >= STATIC_M  # 0.99 and 1.0 share a bin
    positions = on_a_line(0, 0.0099999, 1.0)
    found = draw_point_pairs(rng, 0, np.arange(3), positions, 30)
    assert np.count_nonzero(found.moved < STATIC_M) == 1


@pytest.mark.parametrize("per_bin", [1, 30])
def test_where_all_displacements_are_equal_there_is_one_pair(per_bin):
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], float)
    found = draw_point_pairs(np.random.default_rng(0), 0, np.arange(4), corners, per_bin)
    assert len(found) == 1
    np.testing.assert_allclose(found.moved, np.sqrt(8))


@pytest.mark.parametrize("count", [0, 1])
def test_without_two_frames_there_is_no_pair(count):
    positions = np.zeros((count, 3))
    found = draw_point_pairs(np.random.default_rng(0), 0, np.arange(count), positions, 30)
    assert len(found) == 0


def test_every_pair_of_a_bin_has_the_same_chance():
    rng = np.random.default_rng(0)
    positions = on_a_line(0, 1, 2, 3, 4)  # four pairs with a displacement of 1
    counts: dict[int, int] = {}
    for _ in range(800):
        found = draw_point_pairs(rng, 0, np.arange(5), positions, 1)
        for first in found.first[found.moved == 1].tolist():
            counts[first] = counts.get(first, 0) + 1
    assert sorted(counts) == [0, 1, 2, 3]
    assert sum(counts.values()) == 800 and min(counts.values()) > 140


@pytest.mark.parametrize(("count", "extra"), [(0, 0), (1, 0), (19, 0), (20, 1), (39, 1), (240, 12)])
def test_five_percent_are_asked_with_the_frames_swapped(count, extra):
    rng = np.random.default_rng(count)
    numbers = np.arange(count)
    pairs = PointPairs(numbers % 7, numbers, numbers + 1000, rng.random(count))
    swapped = swapped_extra(rng, pairs)
    assert len(swapped) == extra
    assert len(set(swapped.second.tolist())) == extra, "without replacement"
    rows = swapped.second
    np.testing.assert_array_equal(swapped.first, pairs.second[rows])
    np.testing.assert_array_equal(swapped.points, pairs.points[rows])
    np.testing.assert_array_equal(swapped.moved, pairs.moved[rows])


def test_five_percent_is_exact_for_every_number_of_pairs():
    """0.05 is no binary fraction: multiples of 20 must not lose one."""
    rng = np.random.default_rng(0)
    for count in range(0, 4000, 20):
        pairs = PointPairs(*(np.zeros(count, int) for _ in range(3)), np.zeros(count))
        assert len(swapped_extra(rng, pairs)) == count // 20


def test_edges_of_the_bins():
    moved = np.array([1.0, 1.0999, 1.1001, 1.4999, 1.5001, 1.8999, 1.9001, 1.9999, 2.0])
    assert displacement_bins(moved).tolist() == [0, 0, 1, 4, 5, 8, 9, 9, 9]
    assert displacement_bins(np.zeros(0)).tolist() == []
    assert displacement_bins(np.full(4, 0.3)).tolist() == [0] * 4
    assert displacement_bins(np.array([5.0, 7.0])).tolist() == [0, 9]
    close = np.array([1.0, np.nextafter(1.0, 2)])
    assert displacement_bins(close).tolist() == [0, 9]


def test_joining_nothing_gives_no_pairs():
    empty = PointPairs.joined([])
    assert len(empty) == 0 and empty.first.dtype.kind == "i"
    one = PointPairs(np.array([1]), np.array([2]), np.array([3]), np.array([0.5]))
    joined = PointPairs.joined([one, empty, one])
    assert joined.points.tolist() == [1, 1] and joined.moved.tolist() == [0.5, 0.5]
