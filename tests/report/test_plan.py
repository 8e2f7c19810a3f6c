"""The drawing of plans."""

import numpy as np
import pytest

from spatial_engine.report.pictures.looks import COLORS, OBJECT_COLORS
from spatial_engine.report.plans.plan import (
    CAMERA,
    CAMERA_COLOR,
    FOOT,
    LEAST_SIDE,
    PATH_COLOR,
    SIDE,
    Ground,
    Outline,
    Plan,
    Stand,
    draw_plan,
    make_ground,
)

GROUND = Ground((0.0, 0.0), (4.0, 3.0))
NORTH, EAST = (0.0, 1.0), (1.0, 0.0)


def rgb(code: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(code[1:]))


def color_at(image, place, right=0.0, down=0.0) -> tuple[int, ...]:
    return image.getpixel((round(place[0] + right), round(place[1] + down)))


def has_color(image, code: str) -> bool:
    return (np.asarray(image) == rgb(code)).all(axis=-1).any()


def test_a_camera_opens_where_it_looks():
    for towards, (right, down) in ((NORTH, (0, -1)), (EAST, (1, 0)), ((0, -1), (0, 1))):
        image = draw_plan(Plan(GROUND, [Stand(2, 1.5, towards, "1")], [0]))
        place = GROUND.pixel(2, 1.5)
        far = CAMERA - 4
        assert color_at(image, place, far * right, far * down) == rgb(CAMERA_COLOR)
        assert color_at(image, place, -far * right, -far * down) != rgb(CAMERA_COLOR)


def test_right_cameras_have_the_colour_of_the_answer():
    stands = [Stand(1, 1, NORTH, "1"), Stand(3, 1, NORTH, "2", True)]
    image = draw_plan(Plan(GROUND, stands, []))
    colors = [color_at(image, GROUND.pixel(x, 1), 0, 4 - CAMERA) for x in (1, 3)]
    assert colors == [rgb(CAMERA_COLOR), rgb(COLORS["answered"])]


def test_the_path_joins_the_stands_in_its_order():
    stands = [Stand(x, y, NORTH, "") for x, y in ((0.5, 0.5), (3.5, 0.5), (3.5, 2.5), (0.5, 2.5))]
    sides = {"below": (2, 0.5), "right": (3.5, 1.8), "above": (2, 2.5), "left": (0.5, 1.8)}

    def drawn(path) -> set[str]:
        image = draw_plan(Plan(GROUND, stands, path))
        at = {side: color_at(image, GROUND.pixel(*place)) for side, place in sides.items()}
        return {side for side, color in at.items() if color == rgb(PATH_COLOR)}

    assert drawn([0, 1, 2, 3]) == {"below", "right", "above"}
    assert drawn([1, 2, 3, 0]) == {"right", "above", "left"}
    assert drawn([]) == set()


def test_the_step_that_is_right_stands_out_of_the_way_of_a_point():
    stands = [Stand(k, 1.5, None, "", k > 0) for k in range(3)]
    image = draw_plan(Plan(GROUND, stands, range(3)))
    colors = [color_at(image, GROUND.pixel(x, 1.5)) for x in (0.5, 1.5)]
    assert colors == [rgb(PATH_COLOR), rgb(COLORS["answered"])]


def test_boxes_and_the_point_lie_where_they_are():
    outline = Outline(9, "table", 1.0, 0.5, 2.0, 1.5)
    image = draw_plan(Plan(GROUND, [], [], [outline], (3.0, 2.0)))
    color = rgb(OBJECT_COLORS[9 % len(OBJECT_COLORS)])
    left, bottom = GROUND.pixel(1.0, 0.5)
    right, top = GROUND.pixel(2.0, 1.5)
    assert color_at(image, (left + 1, (top + bottom) / 2)) == color
    assert color_at(image, ((left + right) / 2, bottom - 1)) == color
    ring = np.array([color_at(image, GROUND.pixel(3, 2), k) for k in range(20)])
    assert (ring == rgb(COLORS["asked"])).all(axis=1).any()


def test_points_are_grey_where_they_are_many_and_up_is_up():
    rng = np.random.default_rng(0)
    floor = rng.uniform((0, 0), (4, 3), (40_000, 2))
    wall = rng.uniform((0, 2.9), (4, 3), (40_000, 2))
    ground = make_ground(np.concatenate([floor, wall]), np.array([[2.0, 1.0]]))
    image = draw_plan(Plan(ground, [], []))
    levels = [np.mean(color_at(image, ground.pixel(2, y))) for y in (2.95, 1.5, 0.2)]
    assert levels[0] < levels[1] - 15
    assert abs(levels[1] - levels[2]) < 12
    assert color_at(image, (3, 3)) == (255, 255, 255)


@pytest.mark.parametrize(
    "places",
    [
        [[0, 0]],
        [[0, 0], [1e9, 0]],
        [[0, 0], [0, 1e-9]],
        [[-1e16, 5e15], [1e16, 3.0]],
        [[5, 5], [5.2, 5.1]],
    ],
)
def test_whatever_the_extent_the_picture_is_bounded(places):
    places = np.array(places, float)
    ground = make_ground(places[:0], places)
    stands = [Stand(x, y, None, "1") for x, y in places.tolist()]
    image = draw_plan(Plan(ground, stands, range(len(stands))))
    assert max(image.size) <= SIDE + FOOT
    assert min(image.size) >= LEAST_SIDE
    for x, y in places.tolist():
        right, down = ground.pixel(x, y)
        assert 0 <= right <= image.width
        assert 0 <= down <= image.height
    assert has_color(image, CAMERA_COLOR)


def test_far_outliers_do_not_shrink_the_scene():
    points = np.random.default_rng(0).uniform(0, 4, (5000, 2))
    points[0] = 1000
    ground = make_ground(points, np.array([[2.0, 2.0]]))
    assert max(ground.high) < 5


def test_numbers_of_cameras_at_one_place_do_not_cover_each_other():
    one = draw_plan(Plan(GROUND, [Stand(2, 1.5, NORTH, "1")], []))
    three = draw_plan(Plan(GROUND, [Stand(2, 1.5, NORTH, "1")] * 3, []))

    def ink(image) -> int:
        return int((np.asarray(image.convert("L")) < 60).sum())

    bare = ink(draw_plan(Plan(GROUND, [Stand(2, 1.5, NORTH, "")], [])))
    assert ink(three) - bare > 2.5 * (ink(one) - bare) > 0
