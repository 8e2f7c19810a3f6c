"""Bits of points say what sets say, and the k-th point is that of the ascending list."""

from __future__ import annotations

import numpy as np
import pytest

from spatial_engine.utils.geometry.point_bits import (
    PointRanks,
    are_set,
    bit_words,
    points_of,
    points_of_all,
    words_for,
)


def random_lists(rng, num_points: int) -> list[np.ndarray]:
    shares = (0.0, 0.01, 0.3, 1.0, rng.random())
    return [np.flatnonzero(rng.random(num_points) < share) for share in shares]


@pytest.mark.parametrize("num_points", [0, 1, 7, 8, 63, 64, 65, 128, 1000])
def test_bits_give_back_the_points(num_points):
    rng = np.random.default_rng(num_points)
    for _ in range(5):
        lists = random_lists(rng, num_points)
        words = bit_words(lists, num_points)
        assert words.shape == (len(lists), words_for(num_points)) and words.dtype == np.uint64
        rows, points = np.arange(len(lists)), np.arange(num_points)
        held = are_set(words, rows[:, None], points)
        ranks = PointRanks(words)
        number, found = points_of_all(words)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(number, np.repeat(rows, list(map(len, lists))))
        np.testing.assert_array_equal(found, np.concatenate(lists))
        assert ranks.sizes.tolist() == [len(points) for points in lists]
        for row, expected in enumerate(lists):
            found = points_of(words[row])
            assert found.dtype == np.int32
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(np.flatnonzero(held[row]), expected)
            order = rng.permutation(len(expected))[None]
            np.testing.assert_array_equal(ranks.find(np.array([row]), order)[0], expected[order[0]])


def test_bits_are_in_the_order_that_the_table_is_told_to_have():
    words = bit_words([np.array([0, 9, 64])], 70)
    assert words.tobytes() == bytes([1, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])


def test_ranks_are_found_in_full_and_in_empty_blocks():
    """Blocks of 256 points, all of them set: the sum of a block takes more than a byte."""
    lists = [np.arange(1000), np.zeros(0, int), np.r_[0:256, 700:1000], np.array([999])]
    ranks = PointRanks(bit_words(lists, 1000))
    for row in (0, 2, 3):
        every = np.arange(len(lists[row]))[None]
        np.testing.assert_array_equal(ranks.find(np.array([row]), every)[0], lists[row])
    both = ranks.find(np.array([2, 0]), np.array([[255, 256], [255, 256]]))
    assert both.tolist() == [[255, 700], [255, 256]]
    assert PointRanks(np.zeros((0, 16), np.uint64)).sizes.shape == (0,)
