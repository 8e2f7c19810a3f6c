"""Sizes that no two linked images show: a box in frames made by hand that see parts of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from spatial_engine.object_perception.joint_size_sets import JointSizeSets
from spatial_engine.utils.frames.shown_objects import ShownObjects
from spatial_engine.utils.geometry.frame_sets.graph import FrameGraph
from spatial_engine.utils.geometry.frame_sets.rows import NONE

CONSTANTS = {"MIN_SIDE_M": 0.05, "MAX_BOX_SLACK": 1.15}
SIZE = np.array([1.0, 0.8, 0.9])
CORNER = np.array([2.0, 1.0, 0.3])
ID = 7  # of the box; object 3 is a chair that one frame shows beside it


class Scene:
    """Frames that see the vertices between two corners, in shares of the box, None for nothing. All
    of them overlap, or those pairs of `links` only."""

    def __init__(self, parts, others=(), turned=0.0, overlap=30.0, links=None):
        side = np.linspace(0, 1, 11)
        grid = np.array(np.meshgrid(side, side, side)).reshape(3, -1).T
        c, s = np.cos(np.radians(turned)), np.sin(np.radians(turned))
        self.points = CORNER + SIZE * grid @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        corners = [part or ((2, 2, 2), (2, 2, 2)) for part in parts]
        lists = [
            np.flatnonzero(((grid >= low) & (grid <= high)).all(axis=1)) for low, high in corners
        ]
        count = len(parts)
        self.image_ids = [f"{5 * number:05d}" for number in range(count)]
        overlaps = np.full((count, count), overlap)
        if links is not None:
            overlaps[:] = 0
            for one, two in links:
                overlaps[one, two] = overlaps[two, one] = overlap
        self.graph = FrameGraph.of(overlaps, np.ones(count, bool), 6, 70)
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        box = np.array([*(low + high) / 2, *(high - low), 0])
        self.scenes = SimpleNamespace(aligned_box=lambda scene, number: box)
        self.scene_id = "scene0000_00"
        self.states = SimpleNamespace(object_ids=np.array([3, ID]), instances=np.full(len(grid), 1))
        self.views = SimpleNamespace(
            points=self.points, visibility=SimpleNamespace(point_lists=lambda: lists)
        )
        seen = np.ones((count + 1, 1), bool)
        other = np.isin(np.arange(count + 1), others)[:, None]
        overlapping = np.ones((count + 1, count + 1), bool)
        self.shown = ShownObjects(
            np.array([1]), np.array([ID]), [" box"], ["box"], seen, seen, other, overlapping
        )

    def find(self, num_frames=(3, 8), **constants):
        kind = JointSizeSets(self, self.shown, {**CONSTANTS, **constants})
        found, drops = kind.find(np.random.default_rng(0), -1, num_frames)
        return kind, [row[row != NONE].tolist() for row in found.sets], drops, found


# A corner and its three neighbours: each of three frames reaches along one axis alone.
REACHES = [((0, 0, 0), (1, 0.35, 0.35)), ((0, 0, 0), (0.35, 1, 0.35)), ((0, 0, 0), (0.35, 0.35, 1))]
NOTHING_NEW = ((0.05, 0.05, 0.05), (0.25, 0.25, 0.25))


def test_three_that_each_show_one_side():
    scene = Scene(REACHES)
    kind, sets, _, found = scene.find()
    assert sets == [[0, 1, 2]]
    ((target, answer, fields),) = kind.ask(found)
    assert (target, answer) == ("7", [900, 1000, 800])
    assert fields["object_id"] == ID
    assert fields["raw_category"] == " box"
    assert fields["bounds_mm"][0] == [0, 0, 0, 1000, 240, 270]
    bounds = np.array(fields["bounds_mm"])
    assert fields["links"] == [[1, 2], [1, 3], [2, 3]]
    assert (bounds[:, 3:].max(axis=0) - bounds[:, :3].min(axis=0)).tolist() == [1000, 800, 900]


# Two ends of the box, that together show all of it.
NEAR_END, FAR_END = ((0, 0, 0), (0.4, 1, 1)), ((0.7, 0, 0), (1, 1, 1))


def test_two_frames_that_are_not_linked_are_put_together_by_others():
    parts = [NEAR_END, None, ((0.75, 0.1, 0.1), (0.9, 0.3, 0.3)), FAR_END, None]
    kind, sets, _, found = Scene(parts, links=[(0, 1), (1, 2), (2, 3), (3, 4)]).find()
    assert sets == [[0, 1, 2, 3]]
    ((_, answer, fields),) = kind.ask(found)
    assert answer == [900, 1000, 800]
    assert fields["links"] == [[1, 2], [2, 3], [3, 4]]
    assert fields["bounds_mm"][1] is None
    assert fields["bounds_mm"][3] == [700, 0, 0, 1000, 800, 900]


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([(0, 1), (1, 2), (2, 3), (0, 2)], [[0, 2, 3]]),  # a shorter way
        ([(0, 1), (1, 3), (0, 2), (2, 3)], [[0, 1, 3], [0, 2, 3]]),
        ([(0, 1), (1, 2), (2, 3), (0, 3)], []),  # the two are linked
        ([(0, 1), (2, 3)], []),
    ],
)
def test_no_frame_that_joins_is_superfluous(links, expected):
    _, sets, _, _ = Scene([NEAR_END, None, None, FAR_END], links=links).find()
    assert sorted(sets) == expected


def test_a_frame_that_joins_shows_no_other_object_of_the_name():
    links = [(0, 1), (1, 3), (0, 2), (2, 3)]
    _, sets, _, _ = Scene([NEAR_END, None, None, FAR_END], others=[1], links=links).find()
    assert sets == [[0, 2, 3]]


def test_numbers_of_frames_are_balanced():
    """Of many sets as many of three frames as of four are drawn."""
    parts = [NEAR_END, FAR_END, *[None] * 12]
    links = [(0, k) for k in range(2, 8)] + [(1, k) for k in range(2, 8)]
    links += [(0, k) for k in range(8, 11)] + [(1, k) for k in range(11, 14)]
    links += [(one, two) for one in range(8, 11) for two in range(11, 14)]
    scene = Scene(parts, links=links)
    kind = JointSizeSets(scene, scene.shown, CONSTANTS)
    found, _ = kind.find(np.random.default_rng(0), 8, (3, 8))
    assert sorted((row != NONE).sum() for row in found.sets) == [3] * 4 + [4] * 4


def test_of_many_frames_some_are_looked_at_spread_evenly():
    parts = [*([NEAR_END] * 100), *([None] * 300), *([FAR_END] * 100)]
    links = [(k, k + 250) for k in range(100)] + [(k + 400, k + 250) for k in range(100)]
    links += [(k, m) for k in range(100) for m in range(100, 400)]
    links += [(k, m) for k in range(400, 500) for m in range(100, 400)]
    _, sets, _, _ = Scene(parts, links=links).find(num_frames=(3, 3))
    frames = np.array(sets)
    assert len({*frames[:, 0]}) >= 20 and len({*frames[:, 1]}) >= 50
    assert frames[:, 0].max() > 90 and frames[:, 2].min() < 410


@pytest.mark.parametrize("place", range(4))
def test_a_frame_that_shows_nothing_new_changes_no_answer(place):
    parts = [*REACHES[:place], NOTHING_NEW, *REACHES[place:]]
    _, sets, _, _ = Scene(parts).find()
    assert sets == [[frame for frame in range(4) if frame != place]]


def test_frames_in_another_order_give_the_same_sets():
    _, sets, _, _ = Scene([*REACHES[::-1], NOTHING_NEW]).find()
    assert sets == [[0, 1, 2]]


NONE_NEEDED = "without a joined set of images each of which is needed"


@pytest.mark.parametrize(
    ("scene", "numbers", "reason"),
    [
        (Scene(REACHES[:2]), (3, 8), "all images together"),
        (Scene([REACHES[0], ((0, 0, 0), (0.35, 1, 1))]), (3, 8), NONE_NEEDED),  # two show all
        (Scene(REACHES, others=[1]), (3, 8), "all images together"),  # a frame shows another one
        (Scene(REACHES, overlap=3.0), (3, 8), NONE_NEEDED),  # not joined
        (Scene(REACHES, overlap=80.0), (3, 8), "all images together"),  # all alike
        (Scene(REACHES), (4, 8), NONE_NEEDED),
        (Scene(REACHES, turned=30.0), (3, 8), "askew"),
    ],
)
def test_what_is_not_asked_is_counted(scene, numbers, reason):
    _, sets, drops, _ = scene.find(numbers)
    assert sets == []
    assert any(reason in why for why, count in drops.items() if count)


def test_small_sides_are_not_asked_about():
    _, sets, drops, _ = Scene(REACHES).find(MIN_SIDE_M=0.85)
    assert sets == []
    assert drops["objects with a side that is too small"] == 1
