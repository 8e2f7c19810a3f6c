"""Boxes of groups of points, found by one sort, are those of each group alone."""

from __future__ import annotations

import numpy as np
import pytest

from spatial_engine.utils.preparation.object_infos import Groups, bounding_box, box_of


@pytest.mark.parametrize(("count", "points"), [(1, 0), (1, 5), (7, 40), (60, 40), (70_000, 300)])
def test_boxes_of_groups_are_those_of_their_points(count, points):
    rng = np.random.default_rng(count)
    places, numbers = rng.normal(size=(points, 6)), rng.integers(count, size=points, dtype=np.int32)
    groups = Groups(numbers, count)
    low, high = groups.bounds(places)
    assert groups.sizes.tolist() == np.bincount(numbers, minlength=count).tolist()
    for number in {0, count - 1, *numbers.tolist()}:
        expected = bounding_box(places[numbers == number], 5)
        np.testing.assert_array_equal(box_of(low[number], high[number], 5), expected)
    if not points:
        assert not np.any(low) and not np.any(high)
