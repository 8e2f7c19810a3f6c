from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial_engine.utils.geometry.sampling import (
    balanced_quotas,
    draw,
    draw_balanced,
    equal_share,
    generator,
)


def naive_quotas(available: list[int], wanted: int) -> list[int]:
    """SPEC 5 word by word, on lists."""
    filled = [b for b, held in enumerate(available) if held > 0]
    target = dict.fromkeys(filled, 0)
    for unit in range(wanted if filled else 0):  # evenly: deal them round
        target[filled[unit % len(filled)]] += 1
    quotas = [0] * len(available)
    moved_on = 0
    for b in sorted(filled, key=lambda b: (available[b], b)):
        want = target[b] + moved_on
        quotas[b] = min(want, available[b])
        moved_on = want - quotas[b]
    return quotas


BINS = st.lists(st.integers(0, 40), max_size=12)


@settings(max_examples=300, deadline=None, database=None)
@given(BINS, st.integers(0, 500))
def test_quotas_follow_the_rule_word_by_word(available, wanted):
    assert balanced_quotas(np.array(available, np.int64), wanted).tolist() == naive_quotas(
        available, wanted
    )


@settings(max_examples=300, deadline=None, database=None)
@given(BINS, st.integers(0, 500))
def test_quotas_sum_to_what_is_wanted_or_there_and_are_fair(available, wanted):
    held = np.array(available, np.int64)
    quotas = balanced_quotas(held, wanted)
    assert quotas.dtype == np.int64
    assert quotas.sum() == min(wanted, held.sum())
    assert (quotas >= 0).all()
    assert (quotas <= held).all()
    left = quotas[quotas < held]  # bins that could give more
    if len(left):
        share = wanted // np.count_nonzero(held)
        assert left.min() >= share
        assert np.count_nonzero(left > share + 1) <= 1  # the one that quota was carried to


def test_nothing_wanted_and_nothing_there():
    assert balanced_quotas(np.array([3, 0, 5]), 0).tolist() == [0, 0, 0]
    assert balanced_quotas(np.zeros(29, np.int64), 1000).tolist() == [0] * 29
    assert balanced_quotas(np.zeros(0, np.int64), 1000).tolist() == []


def test_quotas_at_full_size_do_not_overflow():
    held = np.array([2**31, 2**33, 5, 0], np.int64)
    assert balanced_quotas(held, 2**33).sum() == 2**33
    assert balanced_quotas(np.array([200, 200], np.uint8), 300).tolist() == [150, 150]


@settings(max_examples=300, deadline=None, database=None)
@given(BINS, st.integers(0, 500))
def test_an_equal_share_is_the_smallest_that_gives_what_is_wanted(available, wanted):
    share = equal_share(np.array(available, np.int64), wanted)

    def given_by(share: int) -> int:
        return sum(min(held, share) for held in available)

    assert given_by(share) >= min(wanted, sum(available))
    if wanted <= sum(available):
        assert share == 0 or given_by(share - 1) < wanted
    else:
        assert share == max(available, default=0)


def test_generator_is_the_same_for_ever():
    drawn = generator(7, "camera_x_movement", "train", "scene0000_00").integers(10**9, size=3)
    assert drawn.tolist() == [657593104, 682078734, 455020315]


def test_generators_of_other_seeds_and_names_are_others():
    names = [("a",), ("b",), ("a", "b"), ("b", "a"), ("ab",), ("a", ""), ("", "a"), (), ("é",)]
    firsts = {
        (seed, name): tuple(generator(seed, *name).integers(2**63, size=2).tolist())
        for seed in (0, 1, -1, 2**31, 2**32, 2**64, -(2**64), 12345)
        for name in names
    }
    assert len(set(firsts.values())) == len(firsts)


def test_generators_of_neighbouring_scenes_are_not_correlated():
    streams = [generator(0, "task", f"scene{number:04d}_00").random(4000) for number in range(6)]
    correlation = np.corrcoef(streams) - np.eye(6)
    assert np.abs(correlation).max() < 0.08


@pytest.mark.parametrize("seed", [0, -5, 2**40])
def test_one_generator_repeats_itself(seed):
    first, second = generator(seed, "t", "s").random(100), generator(seed, "t", "s").random(100)
    np.testing.assert_array_equal(first, second)


@settings(max_examples=100, deadline=None, database=None)
@given(st.integers(0, 60), st.data())
def test_drawn_numbers_differ_ascend_and_are_in_range(population, data):
    count = data.draw(st.integers(0, population))
    drawn = draw(np.random.default_rng(0), population, count)
    assert drawn.dtype == np.int64
    assert len(drawn) == count
    assert (np.diff(drawn) > 0).all()
    assert set(drawn.tolist()) <= set(range(population))


def test_every_number_is_as_likely_to_be_drawn():
    rng = np.random.default_rng(1)
    times = np.bincount(np.concatenate([draw(rng, 10, 3) for _ in range(6000)]), minlength=10)
    # 1800 expected of each, standard deviation 35
    assert np.abs(times - 1800).max() < 5 * 35


@settings(max_examples=200, deadline=None, database=None)
@given(st.lists(st.integers(-3, 3), max_size=60), st.integers(-1, 70), st.integers(0, 9))
def test_balanced_draws_hold_as_many_of_each_stratum(strata, wanted, seed):
    found = draw_balanced(np.random.default_rng(seed), np.array(strata, int).reshape(-1, 1), wanted)
    assert (np.diff(found) > 0).all()
    assert len(found) == (len(strata) if wanted < 0 else min(wanted, len(strata)))
    kinds = sorted(set(strata))
    drawn = [sum(strata[number] == kind for number in found) for kind in kinds]
    available = [strata.count(kind) for kind in kinds]
    # Dealt round: one to each that has more, as long as there are any.
    dealt, rest = [0] * len(kinds), len(found)
    while rest:
        for place, held in enumerate(available):
            if rest and dealt[place] < held:
                dealt[place] += 1
                rest -= 1
    assert drawn == dealt


def test_each_of_a_stratum_is_drawn_as_often():
    rng, counts = np.random.default_rng(0), np.zeros(10)
    for _ in range(3000):
        counts[draw_balanced(rng, np.array([[0]] * 8 + [[1]] * 2), 6)] += 1
    assert counts[8:].tolist() == [3000, 3000]
    np.testing.assert_allclose(counts[:8], 1500, rtol=0.1)


def test_levels_are_even_one_within_the_other():
    """Five strata of the first level, of which the last has many kinds within it, as has the file
    of records of eight frames many letters: each gives as many, of its kinds as evenly."""
    strata = np.array([[size, kind] for size in range(2, 7) for kind in range(size)] * 50)
    found = strata[draw_balanced(np.random.default_rng(0), strata, 300)]
    for size in range(2, 7):
        kinds = np.bincount(found[found[:, 0] == size, 1], minlength=size)
        assert kinds.sum() == 60 and np.ptp(kinds) <= 1
