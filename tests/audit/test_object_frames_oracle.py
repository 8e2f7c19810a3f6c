"""The oracle of sizes and numbers of objects in three to eight frames: right records of floors made
by hand pass; each planted error changes one thing and is found."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from floor_scenes import FloorScene, patch, record_of, square

from spatial_engine.audit.oracles.frames.object_frames import check_object_frames_record

CENTRES = {0: (0.0, 0.0), 1: (2.5, 0.0), 2: (5.0, 0.0)}
Things = dict[int, tuple[str, np.ndarray]]


def complaints_about(
    record: dict, scene: FloorScene, split: str = "train", **constants: Any
) -> list[str]:
    return check_object_frames_record(record, scene, split, None, constants)


def finds(complaints: list[str], says: str) -> bool:
    return any(says in complaint for complaint in complaints)


# ---- the size of one object ----------------------------------------------------------------------


def cross(
    left: float = -0.3, right: float = 5.3, reach: float = 0.7, rise: float = 0.08
) -> np.ndarray:
    """(n, 3): a long bar whose ends frames 0 and 2 show, and a short one across in frame 1."""
    bar = patch((left, right), (-0.05, 0.05))
    across = patch((2.4, 2.6), (-reach, reach))
    bar[:, 2] = rise * np.sign(np.arange(len(bar)) % 3 - 1.0)
    return np.concatenate([bar, across])


def size_scene(things: Things | None = None, **shape: float) -> FloorScene:
    return FloorScene(CENTRES, {1: ("sofa", cross(**shape)), **(things or {})})


SIZE_SCENE = size_scene()


def size_record(scene: FloorScene, split: str = "train") -> dict:
    """A right record, by plain code of this page: a frame shows what lies in its rectangle."""
    points = scene.vertices_aligned[scene.instance_ids == 2]
    dx, dy, dz = np.ptp(points, axis=0)
    bounds = []
    for x, y in scene.centres.values():
        scale = (3 - points[:, 2]) / 3
        shown = (np.abs(points[:, 0] - x) < 1.5 * scale) & (np.abs(points[:, 1] - y) < 0.75 * scale)
        part = 1000 * (points[shown] - points.min(axis=0))
        ends = (*part.min(axis=0), *part.max(axis=0)) if len(part) else None
        bounds.append(ends and [round(one) for one in ends])
    return record_of(
        scene,
        "object_joint_size",
        split,
        "What are height, length and width of the sofa, in mm?",
        [round(1000 * side) for side in (dz, max(dx, dy), min(dx, dy))],
        object_id=1,
        raw_category="sofa",
        bounds_mm=bounds,
        links=[[1, 2], [2, 3]],
        seen_objects=[[1], [1], [1]],
    )


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_right_size_passes(split):
    scene = SIZE_SCENE
    record = size_record(scene, split)
    assert record["gt_value"] == [160, 5600, 1400]
    assert complaints_about(record, scene, split) == []


def test_a_size_may_have_two_corners_and_no_seen_objects():
    scene = SIZE_SCENE
    record = size_record(scene)
    record["bounds_mm"] = [[b[:3], b[3:]] for b in record["bounds_mm"]]
    del record["seen_objects"]
    assert complaints_about(record, scene) == []


def said(record: dict, text: str, other: str) -> None:
    """Replace words of the question."""
    turn = record["conversations"][0]
    assert text in turn["value"]
    turn["value"] = turn["value"].replace(text, other)


def answered(value: object, text: str) -> Callable[[dict], None]:
    def plant(record: dict) -> None:
        record["gt_value"] = value
        record["conversations"][1]["value"] = f"It is `{text}`."

    return plant


SIZE_ERRORS: list[tuple[Callable[[dict], Any], str]] = [
    (answered([161, 5600, 1400], "[ 161 , 5600 , 1400 ]"), "gt_value"),
    (answered([160, 1400, 5600], "[ 160 , 1400 , 5600 ]"), "gt_value"),
    (answered([160.0, 5600, 1400], "[ 160.0 , 5600 , 1400 ]"), "gt_value"),
    (answered(160, "160"), "gt_value"),
    (lambda r: r.update(object_id=2), "none of this id"),
    (lambda r: r.update(object_id=0), "is left out"),
    (lambda r: r.update(object_id="1"), "none of this id"),
    (lambda r: r.update(raw_category="chair"), "the annotation says 'sofa'"),
    (lambda r: r.pop("raw_category"), "the annotation says 'sofa'"),
    (lambda r: r["bounds_mm"][1].__setitem__(3, r["bounds_mm"][1][3] + 2), "bounds_mm[1]"),
    (lambda r: r["bounds_mm"].reverse(), "bounds_mm[0]"),
    (lambda r: r["bounds_mm"].pop(), "is not a list of 3"),
    (lambda r: r["bounds_mm"].__setitem__(2, None), "bounds_mm[2]: None"),
    (lambda r: r["bounds_mm"][0].__setitem__(0, 0.0), "does not hold 6 int"),
    (lambda r: r.pop("bounds_mm"), "bounds_mm: None"),
    (lambda r: r.pop("links"), "links: None is not a list of pairs"),
    (lambda r: r.update(links=[[1, 2], [2, "3"]]), "is not a list of pairs"),
    (lambda r: r.update(links=[[1, 2], [2, 4]]), "is not a list of pairs"),
    (lambda r: r.update(links=[[2, 1], [2, 3]]), "is not a list of pairs"),
    (lambda r: r.update(links=[[2, 3], [1, 2]]), "is not in ascending order"),
    (lambda r: r.update(links=[[1, 2], [1, 2], [2, 3]]), "is not in ascending order"),
    (lambda r: r.update(links=[[1, 2]]), "images 2 and 3 are missing"),
    (lambda r: r.update(links=[[1, 2], [1, 3], [2, 3]]), "images 1 and 3 overlap by 0.000000"),
    (lambda r: r.update(seen_objects=[[1], [], [1]]), "seen_objects: []"),
    (lambda r: r.update(frames=r["frames"][::-1]), "frames:"),
    (lambda r: r.update(image=r["image"][:2]), "3 to 8"),
    (lambda r: r.update(image=[*r["image"][:2], "floor/00007.jpg"]), "no frame 00007"),
    (lambda r: r.update(image=r["image"][::-1], frames=r["frames"][::-1]), "order of time"),
    (lambda r: said(r, "sofa", "thing"), "category 'sofa'"),
    (lambda r: said(r, "in mm", ""), "millimetres"),
    (lambda r: said(r, "length and width", "width and length"), "in this order"),
    (lambda r: said(r, "What", "`[ 160 , 5600 , 1400 ]` What"), "stands in the question"),
    (lambda r: r.update(task="object_count_distinct"), "question_type"),
]


@pytest.mark.parametrize(("plant", "says"), SIZE_ERRORS)
def test_planted_errors_of_a_size_are_found(plant, says):
    scene = SIZE_SCENE
    record = size_record(scene)
    plant(record)
    assert finds(complaints_about(record, scene), says), complaints_about(record, scene)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ({"left": -4.0}, "show only"),  # the end is in no frame
        ({"left": 1.3}, "not minimal, all sides are shown by 00001, 00002 alone"),
        ({"left": 0.45}, "00001 and 00002 alone give the size within"),
        ({"rise": 0.02}, "MIN_SIDE_M"),
    ],
)
def test_sizes_that_are_not_asked_about(shape, says):
    scene = size_scene(**shape)
    assert finds(complaints_about(size_record(scene), scene), says)


def test_a_frame_may_join_two_that_are_not_linked():
    """The first and the last show all sides together, but nobody can tell how far they are apart
    without the one between."""
    scene = size_scene(reach=0.052)
    assert complaints_about(size_record(scene), scene) == []


def test_a_frame_that_joins_may_show_nothing_of_the_object():
    across = (-0.5, 0.5)
    ends = np.concatenate([patch(along, across, step=0.1) for along in ((-0.3, 0.9), (4.1, 5.3))])
    ends[:, 2] = 0.08 * np.sign(np.arange(len(ends)) % 3 - 1.0)
    scene = FloorScene(CENTRES, {1: ("sofa", ends)})
    record = size_record(scene) | {"seen_objects": [[1], [], [1]]}
    assert record["bounds_mm"][1] is None
    assert complaints_about(record, scene) == []
    record["bounds_mm"][1] = [0, 0, 0, 0, 0, 0]
    assert finds(complaints_about(record, scene), "bounds_mm[1]")


def test_a_frame_that_is_not_needed_is_found_though_it_joins():
    scene = FloorScene({**CENTRES, 3: (2.5, 0.5)}, {1: ("sofa", cross())})
    links = [[1, 2], [1, 4], [2, 3], [2, 4], [3, 4]]
    record = size_record(scene) | {"links": links, "seen_objects": [[1]] * 4}
    (complaint,) = complaints_about(record, scene)
    assert "not minimal, all sides are shown by 00000, 00001, 00002 alone" in complaint


def test_a_side_may_be_as_short_as_the_file_says():
    scene = size_scene(rise=0.02)
    assert complaints_about(size_record(scene), scene, MIN_SIDE_M=0.03) == []


@pytest.mark.parametrize("label", ["sofa", "sofas", "leather sofa", "Sofa "])
def test_an_object_of_its_name_spoils_a_size(label):
    away, near = {2: (label, square(2, 2))}, {2: (label, square(1.5, 0.5, 0.02))}
    scene = size_scene(away)
    assert complaints_about(size_record(scene), scene) == []
    scene = size_scene(near)
    assert finds(complaints_about(size_record(scene), scene), "not unique, object 2")


def test_an_object_that_is_grey_spoils_a_size():
    scene = size_scene({2: ("sofa", square(2.5, 0.79, 0.001))})  # beyond the border by 4 cm
    assert finds(complaints_about(size_record(scene), scene), "not unique, object 2")


def test_an_askew_object_is_found():
    bar = patch((-0.3, 5.3), (-0.02, 0.02), step=0.03)
    bar[:, 1] += (bar[:, 0] - 2.5) * 0.25
    bar[:, 2] = 0.08 * np.sign(np.arange(len(bar)) % 3 - 1.0)
    scene = FloorScene(CENTRES, {1: ("sofa", bar)})
    record = size_record(scene)
    assert finds(complaints_about(record, scene), "askew")
    assert not finds(complaints_about(record, scene, MAX_BOX_SLACK=0), "askew")


@pytest.mark.parametrize(
    ("centres", "says"),
    [
        ({0: (0, 0), 1: (2.9, 0), 2: (5.0, 0)}, "are not joined"),
        ({0: (0, 0), 1: (2.5, 0), 2: (5.0, 0), 3: (5.1, 0)}, "MAX_LIKE"),
    ],
)
def test_frames_that_make_no_set(centres, says):
    scene = FloorScene(centres, {1: ("sofa", cross())})
    assert finds(complaints_about(size_record(scene), scene), says)


# ---- the number of objects -----------------------------------------------------------------------

CHAIRS: Things = {
    1: ("chair", square(0, 0)),
    2: ("chair", square(1.25, 0)),  # of frames 0 and 1
    3: ("Chair", square(2.5, 0)),
    4: ("chair", square(5, 0)),
    5: ("chair", square(2.5, 2)),  # of no frame
    6: ("bed", square(5, 0.4)),
}


def count_scene(things: Things | None = None) -> FloorScene:
    return FloorScene(CENTRES, {**CHAIRS, **(things or {})})


COUNT_SCENE = count_scene()


def count_record(scene: FloorScene, split: str = "train") -> dict:
    return record_of(
        scene,
        "object_count_distinct",
        split,
        "How many different chairs do these images show?",
        4,
        raw_category="chair",
        seen_objects=[[1, 2], [2, 3], [4]],
    )


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_right_number_passes(split):
    scene = count_scene()
    assert complaints_about(count_record(scene, split), scene, split) == []


COUNT_ERRORS: list[tuple[Callable[[dict], Any], str]] = [
    (answered(5, "5"), "gt_value: 5, the frames see 4"),
    (answered(3, "3"), "gt_value: 3"),
    (answered("4", "4"), "gt_value: 4"),
    (lambda r: r.update(raw_category="bed"), "2 are needed"),
    (lambda r: r.update(raw_category="table"), "no such object"),
    (lambda r: r.update(raw_category="floor"), "never asked about"),
    (lambda r: r.pop("raw_category"), "raw_category: 'None'"),
    (lambda r: r["seen_objects"].__setitem__(0, [1]), "seen_objects: [1] of frame 00000"),
    (lambda r: r["seen_objects"].__setitem__(0, [2, 1]), "seen_objects: [2, 1]"),
    (lambda r: r["seen_objects"].__setitem__(2, [4, 6]), "seen_objects: [4, 6]"),
    (lambda r: r["seen_objects"].__setitem__(2, [4, 4]), "seen_objects: [4, 4]"),
    (lambda r: r["seen_objects"].__setitem__(2, ["4"]), "seen_objects: ['4']"),
    (lambda r: r["seen_objects"].pop(), "seen_objects:"),
    (lambda r: said(r, "chairs", "things"), "category 'chair'"),
    (lambda r: said(r, "chairs", "armchair"), "category 'chair'"),
    (lambda r: said(r, "show?", "show? `4`"), "stands in the question"),
    (lambda r: r.update(frames=None), "frames:"),
]


@pytest.mark.parametrize(("plant", "says"), COUNT_ERRORS)
def test_planted_errors_of_a_number_are_found(plant, says):
    scene = COUNT_SCENE
    record = copy.deepcopy(count_record(scene))
    plant(record)
    assert finds(complaints_about(record, scene), says), complaints_about(record, scene)


@pytest.mark.parametrize(
    ("things", "says"),
    [
        ({7: ("chair", square(4.1, 0, 0.05)[:40])}, "object 7, 'chair', is not counted"),  # grey
        ({7: ("office chair", square(4.6, 0.4))}, "object 7, 'office chair', is not counted"),
        ({5: ("chair", square(5, 0.79, 0.001))}, "object 5, 'chair', is not counted"),
        ({3: ("chair", square(0.4, 0.4))}, "00000 and 00002 alone hold all 4 objects"),
        ({2: ("chair", square(0.6, 0.5))}, "no object is seen in two frames"),
    ],
)
def test_numbers_that_are_not_asked_about(things, says):
    scene = count_scene(things)
    assert finds(complaints_about(count_record(scene), scene), says)


def test_a_file_says_how_many_vertices_make_an_object_seen():
    scene = count_scene({5: ("chair", square(4.1, 0, 0.05)[:40])})
    record = count_record(scene)
    record["seen_objects"][2] = [4, 5]
    answered(5, "5")(record)
    assert complaints_about(record, scene)
    assert finds(complaints_about(record, scene, MIN_SEEN_VERTICES=2), "is not a list") is False
    assert complaints_about(record, scene, MIN_SEEN_VERTICES=2) == []
