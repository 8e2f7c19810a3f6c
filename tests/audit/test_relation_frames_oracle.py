"""The oracle of how objects lie to each other in three to eight frames: right records of floors
made by hand pass; each planted error changes one thing and is found."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from floor_scenes import FloorScene, patch, record_of, square

from spatial_engine.audit.oracles.frames.relation_frames import (
    allowed_orders,
    check_relation_frames_record,
    sector_of,
    turn_from_facing,
)

ROW = {0: (0.0, 0.0), 1: (2.0, 0.0), 2: (4.0, 0.0)}
Things = dict[int, tuple[str, np.ndarray]]
Plant = Callable[[dict], Any]


def complaints_about(
    record: dict, scene: FloorScene, split: str = "train", **constants: Any
) -> list[str]:
    return check_relation_frames_record(record, scene, split, None, constants)


def finds(complaints: list[str], says: str) -> bool:
    return any(says in complaint for complaint in complaints)


def answered(value: object) -> Plant:
    def plant(record: dict) -> None:
        record["gt_value"] = value
        record["conversations"][1]["value"] = f"It is `{value}`."

    return plant


def set_to(**fields: object) -> Plant:
    return lambda record: record.update(fields)


def said(text: str, other: str) -> Plant:
    def plant(record: dict) -> None:
        turn = record["conversations"][0]
        assert text in turn["value"]
        turn["value"] = turn["value"].replace(text, other)

    return plant


def chosen(choices: dict[str, str]) -> Plant:
    """Other choices, in the question, too."""

    def plant(record: dict) -> None:
        lines = record["conversations"][0]["value"].splitlines()
        kept = [line for line in lines if line[1:3] != ". "]
        listed = [f"{letter}. {text}" for letter, text in choices.items()]
        record["conversations"][0]["value"] = "\n".join(kept + listed)
        record["choices"] = choices

    return plant


# Errors that any record of objects can have, of one whose objects are [1, 2, ...].
SHARED_ERRORS: list[tuple[Plant, str]] = [
    (lambda r: r["object_ids"].__setitem__(0, 0), "is left out"),
    (lambda r: r["object_ids"].__setitem__(0, 99), "none of this id"),
    (lambda r: r["object_ids"].__setitem__(0, "1"), "none of this id"),
    (lambda r: r["object_ids"].__setitem__(0, r["object_ids"][1]), "holds an object twice"),
    (lambda r: r["object_ids"].append(9), "object_ids:"),
    (lambda r: r.pop("object_ids"), "object_ids: None"),
    (lambda r: r["categories"].reverse(), "categories:"),
    (lambda r: r.pop("categories"), "categories: None"),
    (lambda r: r["seen_objects"].reverse(), "seen_objects:"),
    (lambda r: r.pop("seen_objects"), "seen_objects: None"),
    (lambda r: r["frames"].reverse(), "frames:"),
    (said("bed", "thing"), "category 'bed'"),
]


def found_in(record: dict, scene: FloorScene, plant: Plant, says: str) -> tuple[bool, list[str]]:
    plant(record)
    complaints = complaints_about(record, scene)
    return finds(complaints, says), complaints


# ---- the distance of two objects -----------------------------------------------------------------

PAIR: Things = {1: ("bed", square(0, 0)), 2: ("sofa", square(4.1, 0.0))}


def distance_scene(things: Things | None = None, centres: dict | None = None) -> FloorScene:
    return FloorScene(centres or ROW, {**PAIR, **(things or {})})


DISTANCE_SCENE = distance_scene()


def distance_record(scene: FloorScene, split: str = "train", answer: int = 3700) -> dict:
    return record_of(
        scene,
        "relation_object_distance",
        split,
        "How far is the bed from the sofa, in mm?",
        answer,
        object_ids=[1, 2],
        categories=["bed", "sofa"],
        seen_objects=[[1], [], [2]],
    )


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_right_distance_passes(split):
    scene = distance_scene()
    assert complaints_about(distance_record(scene, split), scene, split) == []


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        *SHARED_ERRORS,
        (answered(3701), "gt_value: 3701"),
        (answered(4100), "gt_value: 4100"),
        (answered("3700"), "not an int of mm"),
        (said("in mm", ""), "millimetres"),
        (said("in mm", "in mm: `3700`"), "stands in the question"),
        (said("sofa", "armchair"), "category 'sofa'"),
    ],
)
def test_planted_errors_of_a_distance_are_found(plant, says):
    scene = DISTANCE_SCENE
    found, complaints = found_in(distance_record(scene), scene, plant, says)
    assert found, complaints


@pytest.mark.parametrize(
    ("things", "says"),
    [
        ({2: ("sofa", square(4.1, 2.0))}, "no frame sees object 2"),
        ({2: ("sofa", square(4.0, 0.2)[:49])}, "no frame sees object 2"),
        ({2: ("sofa", square(3.2, 0.0))}, "not apart, by 00000 and 00001, which overlap"),
        ({1: ("bed", square(1.0, 0.0))}, "not apart, by 00001 and 00002, which overlap"),
        ({2: ("sofa", square(1.1, 0.0))}, "not apart, by 00000"),
        ({3: ("beds", square(2.0, 0.0, 0.01))}, "object 1 is not unique, object 3"),
        ({3: ("corner sofa", square(2.0, 0.0))}, "object 2 is not unique, object 3"),
        ({2: ("bed", square(4.1, 0.1))}, "object 1 is not unique, object 2"),
    ],
)
def test_distances_that_are_not_asked_about(things, says):
    scene = distance_scene(things)
    assert finds(complaints_about(distance_record(scene), scene), says)


def test_near_sides_must_be_seen():
    """The left part of the sofa, towards the bed, lies below the images."""
    arm = patch((3.65, 3.9), (-1.4, -1.0))
    scene = distance_scene({2: ("sofa", np.concatenate([square(4.6, 0.1, 0.3), arm]))})
    d = np.hypot(3.65 - 0.2, 1.0 - 0.2)
    record = distance_record(scene, answer=round(1000 * d))
    complaints = complaints_about(record, scene)
    assert len(complaints) == 1 and "near sides of objects 1 and 2" in complaints[0]
    assert complaints_about(record, scene, NEAR_SIDE_M=0.7) == []
    assert complaints_about(record, scene, NEAR_SIDE_SHARE=0.2) == []


def test_distances_have_bounds():
    scene = distance_scene()
    record = distance_record(scene)
    assert finds(complaints_about(record, scene, MAX_DISTANCE_M=3.6), "MAX_DISTANCE_M")
    assert finds(complaints_about(record, scene, MIN_DISTANCE_M=3.8), "MIN_DISTANCE_M")
    assert complaints_about(record, scene, MIN_DISTANCE_M=3.7, MAX_DISTANCE_M=3.7) == []


# ---- the nearest object --------------------------------------------------------------------------

AROUND: Things = {
    1: ("bed", square(0, 0)),
    2: ("sofa", square(5.2, 0.3)),
    3: ("lamp", square(4.0, -0.4)),
    4: ("desk", square(4.9, -0.5)),
}


def nearest_scene(things: Things | None = None) -> FloorScene:
    return FloorScene(ROW, {**AROUND, **(things or {})})


NEAREST_SCENE = nearest_scene()


def nearest_record(scene: FloorScene, split: str = "train") -> dict:
    return record_of(
        scene,
        "relation_nearest_object",
        split,
        "Which of these is nearest to the bed?",
        "B",
        object_ids=[1, 2, 3, 4],
        categories=["bed", "sofa", "lamp", "desk"],
        seen_objects=[[1], [], [2, 3, 4]],
        distances_mm=[4800, 3600, round(1000 * np.hypot(4.5, 0.1))],
        choices={"A": "sofa", "B": "lamp", "C": "desk"},
    )


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_right_nearest_object_passes(split):
    scene = nearest_scene()
    assert complaints_about(nearest_record(scene, split), scene, split) == []


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        *SHARED_ERRORS,
        (answered("A"), "gt_value: 'A', the raw data say B"),
        (answered("lamp"), "gt_value: 'lamp'"),
        (lambda r: r["distances_mm"].reverse(), "distances_mm:"),
        (lambda r: r["distances_mm"].__setitem__(0, 4802), "distances_mm:"),
        (lambda r: r.pop("distances_mm"), "distances_mm: None"),
        (chosen({"A": "lamp", "B": "sofa", "C": "desk"}), "choices: ['lamp', 'sofa', 'desk']"),
        (chosen({"A": "sofa", "B": "lamp"}), "choices: ['sofa', 'lamp']"),
        (set_to(choices=["sofa", "lamp", "desk"]), "is not {letter: text}"),
        (said("A. sofa", "A. couch"), "are listed as"),
    ],
)
def test_planted_errors_of_a_nearest_object_are_found(plant, says):
    scene = NEAREST_SCENE
    found, complaints = found_in(nearest_record(scene), scene, plant, says)
    assert found, complaints


@pytest.mark.parametrize(
    ("things", "says"),
    [
        ({4: ("desk", square(4.4, -0.5))}, "MIN_DISTANCE_GAP_M"),
        ({4: ("floor lamp", square(4.9, -0.5))}, "3 and 4 are of one name"),
        ({2: ("sofa", square(3.3, 0.3))}, "objects 1 and 2 are not apart"),
        ({2: ("sofa", square(5.2, 2.0))}, "no frame sees object 2"),
        ({5: ("desk", square(2.0, 0.0, 0.01))}, "object 4 is not unique"),
        (
            {4: ("desk", np.concatenate([square(4.9, -0.5), square(3.9, 1.6)]))},
            "near sides of objects 1 and 4",
        ),
    ],
)
def test_nearest_objects_that_are_not_asked_about(things, says):
    scene = nearest_scene(things)
    assert finds(complaints_about(nearest_record(scene), scene), says)


def test_the_gap_is_that_of_the_file():
    scene = nearest_scene({4: ("desk", square(4.4, -0.4))})
    record = nearest_record(scene)
    record["distances_mm"][2] = 4000
    complaints = complaints_about(record, scene)
    assert len(complaints) == 1 and "MIN_DISTANCE_GAP_SHARE" in complaints[0]
    assert complaints_about(record, scene, MIN_DISTANCE_GAP_SHARE=0.1) == []


# ---- directions ----------------------------------------------------------------------------------

CORNER = {0: (0.0, 0.0), 1: (2.0, 0.0), 2: (0.0, 1.25)}
TRIPLE: Things = {
    1: ("bed", square(0, 0)),
    2: ("sofa", square(2.0, 0.0)),
    3: ("lamp", square(0.1, 1.5, 0.15)),
}
FRONT_FIRST = {"A": "front", "B": "left", "C": "back", "D": "right"}


def direction_scene(things: Things | None = None, centres: dict | None = None) -> FloorScene:
    return FloorScene(centres or CORNER, {**TRIPLE, **(things or {})})


DIRECTION_SCENE = direction_scene()


def direction_record(scene: FloorScene, split: str = "train") -> dict:
    return record_of(
        scene,
        "relation_direction",
        split,
        "You stand at the bed and face the sofa. On which side is the lamp?",
        "B",
        object_ids=[1, 2, 3],
        categories=["bed", "sofa", "lamp"],
        seen_objects=[[1], [2], [3]],
        angle_deg=round(np.degrees(np.arctan2(1.5, 0.1))),
        choices=dict(FRONT_FIRST),
    )


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_right_direction_passes(split):
    scene = direction_scene()
    assert complaints_about(direction_record(scene, split), scene, split) == []


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        *SHARED_ERRORS,
        (answered("D"), "gt_value: 'D', the raw data say B"),
        (answered("left"), "gt_value: 'left'"),
        (set_to(angle_deg=-86), "angle_deg: -86"),
        (set_to(angle_deg=86.2), "angle_deg: 86.2"),
        (set_to(angle_deg=None), "angle_deg: None"),
        (chosen({**FRONT_FIRST, "B": "right", "D": "left"}), "gt_value: 'B', the raw data say D"),
        (chosen({**FRONT_FIRST, "C": "behind"}), "choices:"),
        (chosen({"A": "front", "B": "left", "C": "right"}), "choices:"),
        (said("C. back\n", ""), "are listed as"),
        (lambda r: r["object_ids"].reverse(), "gt_value"),
    ],
)
def test_planted_errors_of_a_direction_are_found(plant, says):
    scene = DIRECTION_SCENE
    found, complaints = found_in(direction_record(scene), scene, plant, says)
    assert found, complaints


@pytest.mark.parametrize(
    ("things", "says"),
    [
        ({3: ("lamp", square(0.95, 1.5, 0.15))}, "MIN_BORDER_DEG"),
        ({3: ("lamp", square(0.0, 0.7, 0.1))}, "c is 0.700000 m from a"),
        ({2: ("sofa", square(0.7, 0.0))}, "b is 0.700000 m from a"),
        ({3: ("lamp", patch((-1.4, 1.4), (1.1, 1.3)))}, "MIN_SECTOR_SHARE"),
        ({3: ("lamp", square(0.0, 0.8))}, "is absent in ['00000', '00001']"),
        ({2: ("sofa", square(1.3, 0.5)), 3: ("lamp", square(0.0, 0.8))}, "absent in ['00000']"),
        ({3: ("lamp", square(0.1, 2.6))}, "no frame sees object 3"),
        ({4: ("lamp", square(1.0, 0.5))}, "object 3 is not unique"),
    ],
)
def test_directions_that_are_not_asked_about(things, says):
    scene = direction_scene(things)
    complaints = complaints_about(direction_record(scene), scene)
    assert finds(complaints, says), complaints


def test_directions_are_counted_to_the_left_of_facing():
    at, facing = np.array([1.0, 1.0]), np.array([1.0, 3.0])  # faces +y
    points = np.array([[1, 5], [0, 1], [1, 0], [2, 1], [1.001, 0]])
    angles = turn_from_facing(at, facing, points)
    assert angles[:4] == pytest.approx([0, 90, 180, -90])
    assert -180 < angles[4] < -179
    assert [sector_of(angle) for angle in angles] == ["front", "left", "back", "right", "back"]


# ---- the order in which objects are seen first ---------------------------------------------------

LINE = {**ROW, 3: (6.0, 0.0)}
FOUR: Things = {
    1: ("bed", square(0, 0)),
    2: ("sofa", square(2.0, 0.3)),
    3: ("lamp", square(4.0, 0.0)),
    4: ("desk", square(6.0, 0.0)),
}
FOUR_ORDERS = {
    "A": "sofa, bed, lamp, desk",
    "B": "sofa, bed, desk, lamp",
    "C": "bed, sofa, lamp, desk",
    "D": "bed, sofa, desk, lamp",
}
THREE_ORDERS = {
    "A": "sofa, bed, lamp",
    "B": "bed, sofa, lamp",
    "C": "bed, lamp, sofa",
    "D": "lamp, bed, sofa",
}


def order_scene(count: int = 4, things: Things | None = None) -> FloorScene:
    return FloorScene(LINE, {**{k: FOUR[k] for k in range(1, count + 1)}, **(things or {})})


ORDER_SCENE = order_scene()


def order_record(scene: FloorScene, count: int = 4, split: str = "train") -> dict:
    return record_of(
        scene,
        "relation_appearance_order",
        split,
        "In which order do these appear first?",
        "C" if count == 4 else "B",
        object_ids=list(range(1, count + 1)),
        categories=[FOUR[k][0] for k in range(1, count + 1)],
        seen_objects=[[1], [2], [3], [4] if count == 4 else []],
        choices=dict(FOUR_ORDERS if count == 4 else THREE_ORDERS),
    )


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("count", [3, 4])
def test_a_right_order_passes(count, split):
    scene = order_scene(count)
    assert complaints_about(order_record(scene, count, split), scene, split) == []


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        *SHARED_ERRORS,
        (answered("A"), "gt_value: 'A', the raw data say C"),
        (lambda r: r["object_ids"].reverse(), "object 4 is not seen before object 3"),
        (chosen({**FOUR_ORDERS, "A": "lamp, sofa, bed, desk"}), "expected the orders"),
        (chosen({k: FOUR_ORDERS[k] for k in "ABC"}), "expected the orders"),
        (chosen({**FOUR_ORDERS, "A": "bed, lamp, sofa, desk"}), "expected the orders"),
        (chosen({**FOUR_ORDERS, "A": FOUR_ORDERS["C"], "C": FOUR_ORDERS["A"]}), "say A"),
        (set_to(choices={"B": "bed, sofa"}), "choices"),
        (said("A. sofa, bed, lamp, desk\n", ""), "are listed as"),
    ],
)
def test_planted_errors_of_an_order_are_found(plant, says):
    scene = ORDER_SCENE
    found, complaints = found_in(order_record(scene), scene, plant, says)
    assert found, complaints


@pytest.mark.parametrize(
    ("things", "says"),
    [
        ({2: ("sofa", square(1.0, 0.3))}, "object 1 is not seen before object 2"),
        ({3: ("lamp", square(3.6, 0.0))}, "object 3 is neither seen nor absent in 00001"),
        ({4: ("desk", square(6.0, 2.0))}, "no frame sees object 4"),
        ({4: ("beds", square(6.0, 0.0))}, "1 and 4 are of one name"),
        ({5: ("desk", square(0.0, 0.5, 0.01))}, "object 4 is not unique"),
    ],
)
def test_orders_that_are_not_asked_about(things, says):
    scene = order_scene(4, things)
    assert finds(complaints_about(order_record(scene), scene), says)


def test_an_order_may_stand_at_any_place_of_its_circle():
    sets = allowed_orders(["bed", "sofa", "lamp"])
    assert len(sets) == 4 and all(len(one) == 4 and "bed, sofa, lamp" in one for one in sets)
    every = {", ".join(names) for names in permutations(["bed", "sofa", "lamp"])}
    left_out = [frozenset(every - one) for one in sets]
    assert len(set(left_out)) == 4
    for pair in left_out:  # the two that are missing are neighbours, too
        one, other = (text.split(", ") for text in pair)
        assert one[:2] == other[1::-1] or one[1:] == other[:0:-1]
    wrong = {
        "A": "bed, sofa, lamp",
        "B": "lamp, sofa, bed",
        "C": "bed, lamp, sofa",
        "D": "sofa, lamp, bed",
    }
    scene = order_scene(3)
    record = order_record(scene, 3)
    chosen(wrong)(record)
    assert finds(complaints_about(record, scene), "expected the orders")
