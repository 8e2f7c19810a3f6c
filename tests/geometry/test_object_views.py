"""What frames see of objects, against a plain loop over frames and objects."""

from __future__ import annotations

import numpy as np
import pytest

from spatial_engine.utils.geometry.object_views import (
    ObjectViews,
    box_slack,
    count_others,
    view_objects,
)


def loop(lists, object_of_point, points) -> list[tuple]:
    """(frame, object, count, low, high) by the definition."""
    rows = []
    for frame, seen in enumerate(lists):
        for object_id in sorted(set(object_of_point[object_of_point >= 0].tolist())):
            mine = [points[p] for p in seen if object_of_point[p] == object_id]
            if mine:
                low, high = np.min(mine, axis=0), np.max(mine, axis=0)
                rows.append((frame, object_id, len(mine), low.tolist(), high.tolist()))
    return rows


def rows_of(views: ObjectViews) -> list[tuple]:
    columns = (views.frames, views.objects, views.counts, views.low, views.high)
    assert len({len(column) for column in columns}) == 1
    assert views.low.shape == views.high.shape == (len(views.frames), 3)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("seed", range(30))
def test_views_are_those_of_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    num_points, num_objects = rng.integers(1, 80), rng.integers(1, 9)
    points = rng.normal(size=(num_points, 3))
    object_of_point = rng.choice([-1, *rng.choice(500, num_objects)], num_points)
    lists = []
    for _ in range(rng.integers(0, 12)):
        share = rng.choice([0, 0.1, 0.5, 1])
        seen = np.flatnonzero(rng.random(num_points) < share)
        lists.append(rng.permutation(seen).astype(np.int32) if rng.random() < 0.3 else seen)
    assert rows_of(view_objects(lists, object_of_point, points)) == loop(
        lists, object_of_point, points
    )


@pytest.mark.parametrize(
    ("lists", "object_of_point"),
    [
        ([], [0, 1]),  # no frame
        ([[], []], [0, 1]),  # frames that see nothing
        ([[0, 1], [1]], [-1, -1]),  # nothing that they see is an object
    ],
)
def test_nothing_seen_has_no_entries_and_can_still_be_chosen_from(lists, object_of_point):
    lists = [np.array(seen, np.int32) for seen in lists]
    views = view_objects(lists, np.array(object_of_point), np.zeros((2, 3)))
    assert rows_of(views) == []
    assert views.frames.dtype.kind == views.objects.dtype.kind == views.counts.dtype.kind == "i"
    assert rows_of(views.where(views.counts > 3)) == []


def test_frames_before_between_and_after_empty_ones_keep_their_numbers():
    points = np.arange(12.0).reshape(4, 3)
    lists = [[], [3, 0], [], [2], []]
    views = view_objects([np.array(seen, int) for seen in lists], np.array([7, 7, 0, 7]), points)
    assert rows_of(views) == [
        (1, 7, 2, [0, 1, 2], [9, 10, 11]),
        (3, 0, 1, [6, 7, 8], [6, 7, 8]),
    ]


def test_some_of_the_entries_keep_their_columns_together():
    rng = np.random.default_rng(0)
    object_of_point, points = rng.integers(0, 4, 40), rng.normal(size=(40, 3))
    lists = [np.flatnonzero(rng.random(40) < 0.5) for _ in range(6)]
    views, rows = view_objects(lists, object_of_point, points), loop(lists, object_of_point, points)
    kept = views.counts >= 6
    assert 0 < kept.sum() < len(kept)
    assert rows_of(views.where(kept)) == [row for row in rows if row[2] >= 6]


@pytest.mark.parametrize("seed", range(5))
def test_others_of_a_kind_are_all_that_a_frame_sees_of_it_but_the_object(seed):
    rng = np.random.default_rng(seed)
    object_of_point, points = rng.integers(-1, 9, 200), rng.normal(size=(200, 3))
    lists = [np.flatnonzero(rng.random(200) < rng.choice([0, 0.02, 0.5])) for _ in range(7)]
    kinds = rng.integers(0, 4, 9)
    views = view_objects(lists, object_of_point, points)
    expected = [
        sum(object_of_point[p] not in (-1, one) and kinds[object_of_point[p]] == kinds[one]
            for p in lists[frame])
        for frame, one in zip(views.frames, views.objects, strict=True)
    ]  # fmt: skip
    found = count_others(views, kinds)
    assert found.dtype.kind == "i" and found.tolist() == expected


# ---- boxes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [0, 5, 20, 45, 90, 133])
@pytest.mark.parametrize("sides", [(1.6, 0.9), (1.0, 1.0), (2.0, 0.05)])
def test_the_slack_of_a_box_is_that_of_a_turned_rectangle(degrees, sides):
    rng, angle = np.random.default_rng(degrees), np.radians(degrees)
    inside = rng.uniform(-0.5, 0.5, (300, 2)) * sides
    corners = np.array([(x, y) for x in (-0.5, 0.5) for y in (-0.5, 0.5)]) * sides
    flat = np.vstack([inside, corners]) @ np.array(
        [(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))]
    )
    points = np.column_stack([flat + np.array([30, -7]), rng.uniform(0, 2, len(flat))])
    along, across = abs(np.cos(angle)), abs(np.sin(angle))
    box = (sides[0] * along + sides[1] * across) * (sides[0] * across + sides[1] * along)
    assert box_slack(points) == pytest.approx(box / (sides[0] * sides[1]))


def test_what_has_no_area_has_no_slack():
    line = np.column_stack([np.linspace(0, 1, 50)] * 3)
    for points in (np.zeros((0, 3)), np.ones((1, 3)), np.ones((9, 3)), line, line[:2]):
        assert box_slack(points) == 1.0
