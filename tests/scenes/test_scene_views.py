from __future__ import annotations

import numpy as np
import pytest
from helpers import raises_one_line, random_pose
from tiny_scenes import SCENE, TinyScene

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.point_bits import bit_words
from spatial_engine.utils.scenes.scene_views import DRAWS, SceneViews
from spatial_engine.utils.tables.visibility_table import SceneVisibility

SEES_MANY = 5000


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Frame 0 sees every point, 1 sees three, 2 nothing, 3 the points from 100 on."""
    lists = [range(SEES_MANY), [0, 7, SEES_MANY - 1], [], range(100, SEES_MANY)]
    rng = np.random.default_rng(0)
    return TinyScene(tmp_path_factory.mktemp("views"), rng, 4, SEES_MANY, lists=lists)


def accept(points):
    """A `fits` that takes some points, whatever the question."""
    return lambda numbers, drawn: np.isin(drawn, points)


def check_even(drawn: np.ndarray, among: list[int]) -> None:
    """All of `among`, and nothing else, as often as each other within chance."""
    values, times = np.unique(drawn, return_counts=True)
    assert values.tolist() == sorted(among)
    mean = len(drawn) / len(among)
    assert ((times - mean) ** 2 / mean).sum() < len(among) + 6 * (2 * len(among)) ** 0.5


@pytest.mark.parametrize("among", [1, 2, 7, 40, 2500])
def test_every_point_that_fits_is_as_likely_however_few_they_are(scene, among):
    """With 1 of 5000 the few draws nearly never find one; the answer must be the same."""
    fitting = np.random.default_rng(among).choice(SEES_MANY, among, replace=False)
    asked = max(300, 20 * among)
    # Few questions at a time, or the odd lucky draw would hide that the rest is biased.
    frames = np.zeros(asked, int)
    points, found = scene.views.draw_point(np.random.default_rng(1), frames, accept(fitting))
    assert found.all()
    check_even(points, fitting.tolist())


def test_few_draws_alone_would_not_have_found_one(scene):
    """Else the test above would not reach what looks at every point."""
    frames = np.zeros(100, int)
    drawn = scene.views.visibility.draw_points(
        np.random.default_rng(1), frames, sum(map(sum, DRAWS))
    )
    assert not (drawn == 4321).any(axis=1).all()


def test_a_point_is_one_that_its_own_frame_sees_and_fits_its_own_question(scene):
    frames = np.random.default_rng(2).choice([0, 1, 3], 600)
    wanted = np.random.default_rng(3).integers(0, 7, 600)
    asked = []

    def fits(numbers, points):
        assert numbers.shape == points.shape[:1]
        asked.append(points.shape[1])
        return points % 7 == wanted[numbers][:, None]

    points, found = scene.views.draw_point(np.random.default_rng(4), frames, fits)
    for frame, point, kind, there in zip(frames, points, wanted, found, strict=True):
        fitting = [p for p in scene.lists[frame] if p % 7 == kind]
        assert there == bool(fitting)
        assert not there or point in fitting
    assert 0 < np.count_nonzero(~found) < 600
    assert asked[: len(sum(DRAWS, ()))] == list(sum(DRAWS, ()))


def test_no_draw_is_looked_at_beyond_the_first_that_fits(scene):
    asked = []

    def fits(numbers, points):
        asked.append((numbers.tolist(), points.shape[1]))
        return np.broadcast_to((numbers == 1)[:, None], points.shape)

    frames = np.array([0, 1, 3])
    points, found = scene.views.draw_point(np.random.default_rng(4), frames, fits)
    assert found.tolist() == [False, True, False]
    first, *parts = (part for draw in DRAWS for part in draw)
    drawn = [([0, 1, 2], first), *(([0, 2], part) for part in parts)]
    assert asked == [*drawn, ([0], SEES_MANY), ([2], SEES_MANY - 100)]
    rng = np.random.default_rng(4)  # what is not looked at is drawn all the same
    places = scene.views.visibility.draw_places(rng, frames, sum(DRAWS[0]))
    assert points[1] == scene.views.visibility.points_at(frames, places)[1, 0]


def test_a_point_that_only_one_question_takes_goes_to_that_question(scene):
    """Each question takes one point of thousands, so that every point is looked at."""
    wanted = np.random.default_rng(5).choice(np.arange(100, SEES_MANY), 60, replace=False)
    frames = np.resize([0, 3, 2], 60)
    points, found = scene.views.draw_point(
        np.random.default_rng(6), frames, lambda n, drawn: drawn == wanted[n][:, None]
    )
    np.testing.assert_array_equal(found, frames != 2)
    np.testing.assert_array_equal(points[found], wanted[found])


def test_nothing_fits_or_nothing_is_seen(scene):
    frames = np.array([0, 1, 2, 3])
    assert not scene.views.draw_point(np.random.default_rng(0), frames, accept([]))[1].any()
    every = accept(range(SEES_MANY))
    _, found = scene.views.draw_point(np.random.default_rng(0), frames, every)
    assert found.tolist() == [True, True, False, True]
    points, found = scene.views.draw_point(np.random.default_rng(0), np.array([2, 2]), every)
    assert len(points) == 2 and not found.any()
    points, found = scene.views.draw_point(np.random.default_rng(0), np.zeros(0, int), every)
    assert (points.shape, found.shape) == ((0,), (0,))


def test_draws_repeat_with_the_generator(scene):
    frames = np.array([0, 1, 3] * 50)
    every = accept(range(SEES_MANY))
    draws = [scene.views.draw_point(np.random.default_rng(s), frames, every)[0] for s in (5, 5, 6)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


def test_what_is_measured_is_what_a_plain_loop_measures(tmp_path):
    rng = np.random.default_rng(0)
    scene = TinyScene(tmp_path, rng, 6, 50)
    scene.poses[:] = [random_pose(rng) for _ in range(6)]
    scene.intrinsic[0, 1] = 3.5  # skew
    scene.write_table()
    frames, points = rng.integers(0, 6, 40), rng.integers(0, 50, (40, 3))
    pixels, depths = scene.views.measure(frames, points)
    again, whole = scene.views.measure_mm(frames, points)
    np.testing.assert_array_equal(again, pixels)
    assert whole.dtype == np.int64
    for i, frame in enumerate(frames):
        for k, point in enumerate(points[i]):
            p = np.linalg.inv(scene.poses[frame])[:3] @ [*scene.points[point], 1.0]
            u, v, z = scene.intrinsic[:3, :3] @ p
            np.testing.assert_allclose(pixels[i, k], [u / z, v / z], rtol=1e-9, atol=1e-6)
            assert depths[i, k] == pytest.approx(p[2], abs=1e-9)
            assert abs(whole[i, k] - 1000 * p[2]) <= 0.5 + 1e-6


def test_frames_are_those_with_a_valid_pose(tmp_path):
    scene = TinyScene(tmp_path, np.random.default_rng(0), 3, 50)
    scene.poses[1] = np.inf
    del scene.ids[1], scene.lists[1]
    scene.write_table()
    views = scene.views
    assert views.image_ids == ["00000", "00010"]
    assert views.num_seen.tolist() == [len(seen) for seen in scene.lists]
    _, depths = views.measure(np.array([1]), np.array([[4]]))
    assert depths[0, 0] == pytest.approx(scene.see(2, 4)[2])


def test_a_table_of_other_poses_or_other_frames_is_refused(tmp_path):
    scene = TinyScene(tmp_path, np.random.default_rng(0), 3, 50)
    refused = (BadDataError, scene.table, SCENE, "make_visibility_info.py")
    scene.poses[0, 0, 3] += 0.001  # the frames are the same
    with raises_one_line(*refused):
        SceneViews(scene.handler, SCENE, scene.table, "surface")
    del scene.ids[2], scene.lists[2]  # the poses are the same
    scene.write_table()
    with raises_one_line(*refused):
        SceneViews(scene.handler, SCENE, scene.table, "surface")


# ---- what the table itself can be asked ----------------------------------------------------------


def random_visibility(rng, frames: int, num_points: int) -> tuple[SceneVisibility, list[set[int]]]:
    """Lists of all lengths, among them none, all, only the first and only the last vertex."""
    chosen = [np.flatnonzero(rng.random(num_points) < rng.random() ** 3) for _ in range(frames)]
    special = [[], range(num_points), [0], [num_points - 1], []]
    for row, points in zip(rng.permutation(frames), special, strict=False):
        chosen[row] = np.array(points, int)
    ids = [f"{k:05d}" for k in range(frames)]
    sets = [set(points.tolist()) for points in chosen]
    return SceneVisibility.of_lists(ids, chosen, num_points), sets


@pytest.mark.parametrize("num_points", [1, 2, 3, 7, 8, 9, 64, 333])
def test_whether_frames_see_points_is_as_sets_say(num_points):
    rng = np.random.default_rng(num_points)
    for frames in (1, 2, 5, 12):
        visibility, sets = random_visibility(rng, frames, num_points)
        rows = np.arange(frames)
        points = np.tile(np.arange(num_points), (frames, 1))
        expected = [[point in seen for point in range(num_points)] for seen in sets]
        np.testing.assert_array_equal(visibility.sees(rows, points), expected)
        np.testing.assert_array_equal(visibility.sees(rows[::-1], points), expected[::-1])
        assert visibility.num_seen.tolist() == [len(seen) for seen in sets]
        assert visibility.sees(rows[:0], points[:0]).shape == (0, num_points)
        assert visibility.sees(rows, points[:, :0]).shape == (frames, 0)


def test_what_pairs_of_frames_have_in_common_is_what_sets_have():
    rng = np.random.default_rng(5)
    visibility, sets = random_visibility(rng, 8, 200)
    rows, others = np.indices((8, 8)).reshape(2, -1)
    allowed = np.flatnonzero(rng.random(200) < 0.5)
    for among in (None, bit_words([allowed], 200)[0]):
        pairs, points = visibility.in_common(rows, others, among)
        for number, (row, other) in enumerate(zip(rows, others, strict=True)):
            shared = sets[row] & sets[other]
            shared &= shared if among is None else set(allowed)
            assert points[pairs == number].tolist() == sorted(shared)
        assert (np.diff(pairs) >= 0).all()
    nothing = visibility.in_common(rows[:0], others[:0])
    assert [len(part) for part in nothing] == [0, 0]


def test_frames_that_all_see_nothing_see_no_point():
    empty = SceneVisibility.of_lists(["a", "b"], [np.zeros(0, np.int32)] * 2, 5)
    assert not empty.sees(np.array([0, 1]), np.array([[0, 4], [1, 2]])).any()
    assert empty.num_seen.tolist() == [0, 0]
    assert empty.draw_points(np.random.default_rng(0), np.zeros(0, int), 3).shape == (0, 3)


def test_drawn_points_are_those_that_the_frame_sees_all_as_likely():
    rng = np.random.default_rng(0)
    visibility, sets = random_visibility(rng, 12, 30)
    rows = np.flatnonzero(visibility.num_seen)
    drawn = visibility.draw_points(rng, rows, 4000)
    assert drawn.shape == (len(rows), 4000)
    assert len(rows) < 12
    for row, points in zip(rows, drawn, strict=True):
        check_even(points, list(sets[row]))
    assert (drawn[0, 1:] != drawn[0, :-1]).any() or len(sets[rows[0]]) == 1
