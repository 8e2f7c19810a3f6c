"""The oracle of cameras through several frames against right records and planted errors."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frames_by_hand import Views, frames_record, is_chain, spoiled, views_of
from test_depth_oracle import answered, in_field, in_text, without

from spatial_engine.audit.oracles.frames.camera_frames import (
    PATH,
    TURN,
    check_camera_frames_record,
)

SCENES = {"train": ("scene0001_00", "scene0704_00"), "val": ("scene0011_00", "scene0015_00")}


def path_record(views: Views, chosen: tuple[int, ...], split: str) -> dict | None:
    """A right record of these frames, None where there is none."""
    centres = views.world[list(chosen), :3, 3]
    steps = [np.linalg.norm(two - one) for one, two in pairwise(centres)]
    most = max(np.linalg.norm(two - one) for one, two in combinations(centres, 2))
    if not is_chain(views, chosen) or min(steps) < 0.101 or sum(steps) < 1.31 * most:
        return None
    first = np.linalg.inv(views.world[chosen[0]])
    placed = centres @ first[:3, :3].T + first[:3, 3]
    positions = np.rint(1000 * placed).astype(int).tolist()
    return make(views, chosen, split, PATH, 1000 * sum(steps), positions_mm=positions)


def turn_record(views: Views, chosen: tuple[int, ...], split: str) -> dict | None:
    """A right record of these frames, None where there is none."""
    forward = views.world[list(chosen), :3, 2]
    yaws = np.degrees(np.arctan2(forward[:, 1], forward[:, 0]))
    pitches = np.degrees(np.arcsin(forward[:, 2]))
    turns = (np.diff(yaws) + 180) % 360 - 180
    sizes, total = np.abs(turns), turns.sum()
    if not is_chain(views, chosen) or not views.apart(chosen[0], chosen[-1]):
        return None
    if sizes.min() < 5.1 or sizes.max() > 89.9 or abs(total) < 15.1 or np.abs(pitches).max() > 59:
        return None
    whole = np.rint(turns).astype(int).tolist()
    return make(views, chosen, split, TURN, total, turns_deg=whole)


QUESTIONS = {
    PATH: "How long is the way of the camera through all images, in millimetres?",
    TURN: "By how many degrees does the camera turn in all? Left is positive.",
}
MAKERS = {PATH: path_record, TURN: turn_record}


def make(
    views: Views, chosen: tuple[int, ...], split: str, task: str, exact: float, **more: Any
) -> dict:
    scene, answer = views.scene, round(exact)
    frames, size = views.frames(chosen), scene.colour_size
    return frames_record(task, scene.scene_id, frames, size, split, answer, QUESTIONS[task], **more)


def records_of(root: Path, task: str, split: str) -> list[tuple[Views, dict]]:
    found = []
    for scene_id in SCENES[split]:
        views = views_of(root, scene_id)
        for count in (3, 4, 5):
            made = [MAKERS[task](views, chosen, split) for chosen in views.sets(count)]
            found += [(views, record) for record in made if record]
    return found


def complaints_about(views: Views, record: dict, split: str, **constants: Any) -> list[str]:
    return check_camera_frames_record(record, views.scene, split, constants)


@pytest.mark.parametrize("split", SCENES)
@pytest.mark.parametrize("task", MAKERS)
def test_right_records_pass(raw_root, task, split):
    found = records_of(raw_root, task, split)
    assert len(found) >= 2
    for views, record in found:
        assert complaints_about(views, record, split) == []


def test_the_turn_may_be_more_than_half_a_turn(raw_root):
    totals = [record["gt_value"] for _, record in records_of(raw_root, TURN, "train")]
    assert min(totals) < -100


# ---- planted errors ------------------------------------------------------------------------------


def reversed_frames(record: dict) -> None:
    record["image"].reverse()
    record["frames"].reverse()


def frame_twice(record: dict) -> None:
    record["image"][1], record["frames"][1] = record["image"][0], record["frames"][0]


def two_frames(record: dict) -> None:
    record["image"], record["frames"] = record["image"][:2], record["frames"][:2]


def nine_frames(record: dict) -> None:
    record["image"] = [f"{record['image'][0].split('/')[0]}/{5 * k:05d}.jpg" for k in range(9)]


BOTH = (PATH, TURN)
PLANTED: list[tuple[tuple[str, ...], Callable, str]] = [
    (BOTH, in_field("id", ""), "id:"),
    (BOTH, in_field("question_type", "total_distance"), "question_type:"),
    (BOTH, in_field("height_list", lambda old: old[:2]), "height_list:"),
    (BOTH, in_field("frames", lambda old: old[:-1]), "frames:"),
    (BOTH, in_field("frames", lambda old: [int(frame) for frame in old]), "frames:"),
    (BOTH, without("frames"), "frames: None"),
    (BOTH, in_field("frames", lambda old: old[::-1]), "frames:"),
    (BOTH, reversed_frames, "not in the order of time"),
    (BOTH, frame_twice, "holds a frame twice"),
    (BOTH, two_frames, "3 to 8 paths"),
    (BOTH, nine_frames, "3 to 8 paths"),
    (BOTH, in_field("image", lambda old: [p.replace(".jpg", "_1.jpg") for p in old]), "<frame>"),
    (BOTH, in_field("image", lambda old: [old[0].replace("_0", "_1"), *old[1:]]), "several sc"),
    (BOTH, in_field("image", lambda old: [*old[:-1], old[-1].replace("/0", "/9")]), "has no fr"),
    (BOTH, answered(lambda record: record["gt_value"] + 1), "gt_value:"),
    (BOTH, answered(lambda record: record["gt_value"] - 1), "gt_value:"),
    (BOTH, answered(lambda record: float(record["gt_value"])), "gt_value:"),
    (BOTH, answered(lambda record: [record["gt_value"], 0]), "gt_value:"),
    ((TURN,), answered(lambda record: -record["gt_value"]), "gt_value:"),
    ((PATH,), without("positions_mm"), "positions_mm: None"),
    ((PATH,), in_field("positions_mm", lambda old: old[:-1]), "positions_mm:"),
    ((PATH,), in_field("positions_mm", lambda old: [*old[:-1], old[0]]), "positions_mm:"),
    ((PATH,), in_field("positions_mm", lambda old: [[1, 0, 0], *old[1:]]), "positions_mm:"),
    ((PATH,), in_field("positions_mm", lambda old: [[0.0, 0, 0], *old[1:]]), "positions_mm:"),
    ((TURN,), without("turns_deg"), "turns_deg: None"),
    ((TURN,), in_field("turns_deg", lambda old: [old[0] + 1, *old[1:]]), "turns_deg:"),
    ((TURN,), in_field("turns_deg", lambda old: [-turn for turn in old]), "turns_deg:"),
    ((TURN,), in_field("turns_deg", lambda old: [*old, 10]), "turns_deg:"),
    (BOTH, in_text(lambda text: text.replace("Image-3", "Image-2")), "does not open with"),
    (BOTH, in_text(lambda text: text + "\nA. Image-1"), "the choices are listed as"),
    ((PATH,), in_text(lambda text: text.replace("millimetres", "m")), "millimetres are wanted"),
    ((TURN,), in_text(lambda text: text.replace("degrees", "much")), "degrees are wanted"),
    ((TURN,), in_text(lambda text: text.replace("Left", "It")), "which way is left"),
    ((TURN,), in_text(lambda text: text.replace("positive", "so")), "has a sign"),
    (BOTH, in_field("text", lambda old: 3), "is not a string"),
]
PLANTED = [(task, plant, says) for tasks, plant, says in PLANTED for task in tasks]


@pytest.mark.parametrize(("task", "plant", "says"), PLANTED)
def test_planted_errors_are_found(raw_root, task, plant, says):
    views, record = records_of(raw_root, task, "val")[0]
    complaints = complaints_about(views, spoiled(record, plant), "val")
    assert any(says in text for text in complaints), complaints


def test_a_training_record_says_its_answer(raw_root):
    for task in BOTH:
        views, record = records_of(raw_root, task, "train")[0]
        record = spoiled(record, lambda record: None)
        record["conversations"][1]["value"] = "It is `7`."
        assert any(text.startswith("gpt:") for text in complaints_about(views, record, "train"))


CONDITIONS = [  # (task, constant, a value that right records do not keep to, complaint)
    (BOTH, "MIN_LINK", 60, "no chain in order"),
    (BOTH, "MIN_LINK", 60, "are not joined"),
    (BOTH, "MAX_LIKE", 7, "MAX_LIKE is 7"),
    ((PATH,), "MIN_STEP_M", 9, "MIN_STEP_M is 9"),
    ((PATH,), "MIN_DETOUR", 9, "MIN_DETOUR is 9"),
    ((TURN,), "MIN_TURN_DEG", 80, "MIN_TURN_DEG is 80"),
    ((TURN,), "MAX_TURN_DEG", 8, "MAX_TURN_DEG is 8"),
    ((TURN,), "MAX_PITCH_DEG", 2, "MAX_PITCH_DEG is 2"),
    ((TURN,), "MIN_NET_TURN_DEG", 300, "MIN_NET_TURN_DEG is 300"),
]
CONDITIONS = [(task, *rest) for tasks, *rest in CONDITIONS for task in tasks]


@pytest.mark.parametrize(("task", "name", "value", "says"), CONDITIONS)
def test_conditions_are_those_that_the_file_was_made_with(raw_root, task, name, value, says):
    views, record = records_of(raw_root, task, "val")[0]
    assert complaints_about(views, record, "val", **{name: None}) == []
    complaints = complaints_about(views, record, "val", **{name: value})
    assert any(says in text for text in complaints), complaints


def test_sets_that_are_not_asked_about_are_found(raw_root):
    """Of all sets of a scene the oracle lets pass just those that the plain code makes."""
    views, passed, said = views_of(raw_root, "scene0015_00"), 0, set()
    for chosen in views.sets(3):
        centres = views.world[list(chosen), :3, 3]
        first = np.linalg.inv(views.world[chosen[0]])
        placed = np.rint(1000 * (centres @ first[:3, :3].T + first[:3, 3])).astype(int).tolist()
        way = 1000 * np.linalg.norm(np.diff(centres, axis=0), axis=1).sum()
        record = make(views, chosen, "val", PATH, way, positions_mm=placed)
        complaints = complaints_about(views, record, "val")
        assert bool(complaints) == (path_record(views, chosen, "val") is None), complaints
        passed += not complaints
        said |= {text.split(" the ")[0] if "joined" in text else text[-17:] for text in complaints}
    assert passed >= 2
    assert any("MIN_DETOUR" in text for text in said)


def test_ends_of_a_turn_share_nothing(raw_root):
    """A chain whose ends overlap, right in all else."""
    views = views_of(raw_root, "scene0001_00")
    complaints = []
    for chosen in views.sets(3):
        if is_chain(views, chosen) and not views.apart(chosen[0], chosen[-1]):
            record = make(views, chosen, "train", TURN, 0.0, turns_deg=[])
            complaints += complaints_about(views, record, "train")
    assert any("expected 0" in text for text in complaints)
