"""What the oracles say that frames show of vertices and objects: against a floor on which it is
plain, and against a room in which a ray through each pixel tells what it shows."""

from __future__ import annotations

import numpy as np
import pytest
from floor_scenes import HEIGHT_M, FloorScene, patch, square
from ray_cast_rooms import exact_views, thing_points

from spatial_engine.audit.oracles.frames.states import (
    ABSENT,
    GREY,
    SEEN,
    StateRules,
    distance,
    distance_seen,
    is_one_name,
    not_apart,
    object_states,
    seen_part,
    shown_namesake,
    state_rules,
    vertex_answers,
    vertex_states,
)
from spatial_engine.audit.raw.posed import PosedScene

ONE, TWO, FAR = "00000", "00001", "00002"


@pytest.mark.parametrize(
    ("x", "z", "expected"),
    [
        (0.0, 0.0, SEEN),
        (1.49, 0.0, SEEN),
        (1.53, 0.0, GREY),  # beyond the border, by less than 2 percent of the width
        (1.57, 0.0, ABSENT),
        (-1.57, 0.0, ABSENT),
        (0.0, -0.09, SEEN),  # 0.03 of the depth behind
        (0.0, -0.095, GREY),
        (0.0, -0.11, ABSENT),
        (0.0, 0.2, GREY),  # in front of what is measured
        (0.0, HEIGHT_M, ABSENT),  # in the camera
        (0.0, 4.0, ABSENT),  # behind the camera
    ],
)
def test_states_of_a_vertex(x, z, expected):
    scene = FloorScene({0: (0, 0)}, {})
    assert vertex_states(scene, ONE, np.array([[x, 0.3, z], [0, 0, 0]])).tolist() == [
        expected,
        SEEN,
    ]


def test_without_depth_nothing_is_told():
    depth = np.full((50, 100), 3000)
    depth[:, 50:] = 0
    scene = FloorScene({0: (0, 0)}, {}, {0: depth})
    points = np.array([[-1.0, 0, 0], [1.0, 0, 0], [1.0, 0, -1], [2.0, 0, 0], [-0.02, 0, 0]])
    assert vertex_states(scene, ONE, points).tolist() == [SEEN, GREY, GREY, ABSENT, GREY]


def test_the_margin_is_a_share_of_the_width_above_and_below_too():
    scene = FloorScene({0: (0, 0)}, {})
    points = np.array([[0, 0.75 + 0.059, 0], [0, 0.75 + 0.061, 0], [0, -0.75 - 0.061, 0]])
    assert vertex_states(scene, ONE, points).tolist() == [GREY, ABSENT, ABSENT]


def test_ties_are_left_open():
    scene = FloorScene({0: (0, 0)}, {})
    behind = -0.1 + 0.00005  # within 0.1 mm of being absent
    answers = vertex_answers(scene, ONE, np.array([[0, 0, behind], [1.5, 0, 0], [0, 0, -0.2]]))
    assert answers.absent_may.tolist() == [True, False, True]
    assert answers.absent_must.tolist() == [False, False, True]
    assert answers.seen_may.tolist() == [False, True, False]
    assert answers.seen_must.tolist() == [False, False, False]


def test_what_is_on_the_surface_is_not_absent():
    """Beyond 3.3 m the surface is thicker than what must be between it and the absent."""
    scene = FloorScene({0: (0, 0)}, {}, {0: np.full((50, 100), 5000)})
    assert vertex_states(scene, ONE, np.array([[0, 0, -2.14], [0, 0, -2.2]])).tolist() == [
        SEEN,
        ABSENT,
    ]


def test_constants_are_those_that_are_told():
    told = {"ABSENT_BEHIND_M": 0.5, "ABSENT_MARGIN_SHARE": 0.1, "MIN_SEEN_VERTICES": 7}
    rules = state_rules(None, {**told, "MIN_SEEN_SHARE": 0.5})
    assert rules == StateRules(rules.seen, 0.1, 0.5, 7, 0.5)
    scene = FloorScene({0: (0, 0)}, {})
    points = np.array([[0, 0, -0.2], [1.7, 0, 0]])
    assert vertex_states(scene, ONE, points, rules).tolist() == [GREY, GREY]
    assert vertex_states(scene, ONE, points).tolist() == [ABSENT, ABSENT]


# ---- objects -------------------------------------------------------------------------------------


def line(vertices: int, seen: int) -> np.ndarray:
    """(n, 3) of which so many are in view."""
    points = np.zeros((vertices, 3))
    points[seen:, 0] = 2.0
    return points


@pytest.mark.parametrize(
    ("vertices", "seen", "expected"),
    [
        (50, 50, SEEN),
        (49, 49, GREY),
        (60, 49, GREY),
        (300, 60, SEEN),
        (300, 59, GREY),
        (300, 1, GREY),
        (300, 0, ABSENT),
        (10, 0, ABSENT),
    ],
)
def test_states_of_an_object(vertices, seen, expected):
    scene = FloorScene({0: (0, 0)}, {1: ("chair", line(vertices, seen))})
    found = object_states(scene, ONE)[1]
    assert (found.state, found.seen_least, found.seen_most) == (expected, seen, seen)


def test_one_grey_vertex_makes_an_object_grey():
    points = line(100, 0)
    points[0, 0] = 1.53
    assert object_states(FloorScene({0: (0, 0)}, {1: ("chair", points)}), ONE)[1].state == GREY


def test_an_object_without_vertices_is_absent():
    scene = FloorScene({0: (0, 0)}, {1: ("chair", np.zeros((0, 3)))})
    assert object_states(scene, ONE)[1].state == ABSENT


def test_what_ties_decide_of_an_object_is_left_open():
    points = line(60, 49)
    points[49, 0] = 1.5  # on the border
    found = object_states(FloorScene({0: (0, 0)}, {1: ("chair", points)}), ONE)[1]
    assert (found.seen, found.absent, found.state) == (None, False, GREY)
    assert (found.seen_least, found.seen_most) == (49, 50)


# ---- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("chair", "chair", True),
        ("Chair ", "chairs", True),
        ("chair", "office chair", True),
        ("chair office", "big office chairs", False),
        ("shoes", "pair of shoes", True),
        ("office chair", "desk chair", False),
        ("chair", "armchair", False),
        ("tv", "tv stand", False),
        ("table", "desk", False),
    ],
)
def test_objects_of_one_name(one, other, same):
    assert is_one_name(one, other) == is_one_name(other, one) == same


def test_a_thing_of_another_category_can_be_a_namesake():
    things = {
        1: ("chair", square(0, 0)),
        2: ("office chair", square(1, 0)),
        3: ("chair pad", square(1, 0)),
    }
    scene = FloorScene({0: (0, 0), 1: (-2, 0)}, things)
    assert shown_namesake(scene, 1, [ONE]) == (2, ONE)
    assert shown_namesake(scene, 1, [TWO]) is None
    assert shown_namesake(scene, 3, [ONE, TWO]) is None


# ---- two objects ---------------------------------------------------------------------------------


def test_apart_are_objects_in_frames_that_share_nothing():
    things = {1: ("bed", square(0, 0)), 2: ("sofa", square(3, 0)), 3: ("desk", square(6, 0))}
    scene = FloorScene({0: (0, 0), 1: (2.5, 0), 2: (6, 0)}, things)
    frames = [ONE, TWO, FAR]
    assert not_apart(scene, 1, 3, frames) is None
    assert not_apart(scene, 1, 2, frames) == (ONE, TWO)  # they overlap
    assert not_apart(scene, 1, 2, [ONE, FAR]) is None
    assert not_apart(scene, 2, 2, frames) == (TWO, TWO)


def test_distances_are_those_of_all_pairs_of_vertices():
    rng = np.random.default_rng(1)
    one, other = (
        rng.uniform(-1, 2, (80, 3)) * (1, 0.3, 0.02),
        rng.uniform(2, 4, (70, 3)) * (1, 0, 0.02),
    )
    scene = FloorScene({0: (0, 0), 1: (2.5, 0)}, {1: ("bed", one), 2: ("sofa", other)})
    every = np.linalg.norm(one[:, None] - other, axis=2)
    assert distance(scene, 1, 2) == pytest.approx(every.min(), abs=1e-12)
    seen = [vertex_states(scene, ONE, points) == SEEN for points in (one, other)]
    seen = [
        some | (vertex_states(scene, TWO, p) == SEEN)
        for some, p in zip(seen, (one, other), strict=True)
    ]
    expected = every[np.ix_(*seen)].min()
    least, most = distance_seen(scene, 1, 2, [ONE, TWO])
    assert least == most == pytest.approx(expected, abs=1e-12)
    assert distance_seen(scene, 1, 2, [ONE])[0] == np.inf  # the other one is not seen at all


def test_the_part_that_is_seen():
    scene = FloorScene({0: (0, 0), 1: (6, 0)}, {1: ("rug", patch((-1, 7), (0, 0.1), step=0.07))})
    must, may = seen_part(scene, 1, [ONE, TWO])
    assert len(must) == len(may) and set(np.round(must[:, 0])) == {-1, 0, 1, 5, 6, 7}
    assert not ((must[:, 0] >= 1.5) & (must[:, 0] < 4.5)).any()


# ---- a room --------------------------------------------------------------------------------------


class RayCastScene(PosedScene):
    """A sample room whose things are its objects, as exact rays see it. Faces that are large (of
    walls, say) have no vertices: nothing is asked about them."""

    scene_id, dataset, frame_step = "room", "rooms", 1

    def __init__(self, layout: str, num_frames: int) -> None:
        self.views = exact_views(layout, num_frames)
        self.colour_size = self.depth_size = self.views[0].depth_mm.shape[::-1]
        things = thing_points(layout, 0.03)
        structure = ("", "wall", "floor", "ceiling", "window")
        self.raw_categories = {k: x for k, (x, _) in enumerate(things) if x not in structure}
        parts = [points for _, points in things]
        owners = [np.full(len(points), k + 1) for k, points in enumerate(parts)]
        kept = [k in self.raw_categories for k in range(len(parts))]
        self.vertices_aligned = np.concatenate(
            [p for p, keep in zip(parts, kept, strict=True) if keep]
        )
        self.instance_ids = np.concatenate(
            [o for o, keep in zip(owners, kept, strict=True) if keep]
        )

    def frame_ids(self) -> list[str]:
        return [f"{k:05d}" for k in range(len(self.views))]

    def is_valid(self, frame_id: str) -> bool:
        return True

    def world_from_cam(self, frame_id: str) -> np.ndarray:
        return self.views[int(frame_id)].world_from_cam

    def camera_K(self, frame_id: str) -> np.ndarray:
        return self.views[int(frame_id)].K

    def depth_mm_bounds(self, frame_id: str) -> tuple[np.ndarray, np.ndarray]:
        depth = self.views[int(frame_id)].depth_mm.astype(np.float64)
        return depth, depth

    def thing_pixels(self, frame_id: str) -> np.ndarray:
        """Pixels that show each thing."""
        shown = self.views[int(frame_id)].things
        return np.bincount(shown[shown >= 0], minlength=max(self.raw_categories) + 1)


@pytest.mark.parametrize("layout", ["living room"])
def test_absent_objects_show_no_pixel_and_seen_ones_do(layout):
    scene = RayCastScene(layout, num_frames=6)
    told = {SEEN: 0, ABSENT: 0, GREY: 0}
    for frame in scene.frame_ids():
        pixels = scene.thing_pixels(frame)
        for object_id, found in object_states(scene, frame).items():
            told[found.state] += 1
            if found.state == ABSENT:
                assert pixels[object_id] == 0, (frame, scene.raw_categories[object_id])
            if found.state == SEEN:
                assert pixels[object_id] > 0, (frame, scene.raw_categories[object_id])
    assert min(told.values()) > 10, told
