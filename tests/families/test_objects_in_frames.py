"""Objects through three to eight frames: every record against the definitions, one by one."""

from __future__ import annotations

import json
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from conftest import data_files, link_root, own_file, run_here
from frames_oracle import NEVER, Oracle
from frames_truth import RoomTruth
from object_rooms import ASKED, RELATIONS, ROOMS, VIEWS, object_rooms, spec_of

from spatial_engine.sample_data.label_truth import Room
from spatial_engine.sample_data.scannet.scene_truth import SceneTruth
from spatial_engine.utils.paths import dataset_at, info_path
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables.info_table import SceneInfos, write_infos

KINDS = {
    RELATIONS: ("object_distance", "nearest_object", "direction", "appearance_order"),
    VIEWS: ("joint_size", "count_distinct"),
}
SPLITS = ("train", "val")


@pytest.fixture(scope="module")
def rooms(shared_folder):
    return object_rooms(shared_folder)


@pytest.fixture(scope="module")
def asked(rooms, tmp_path_factory):
    """A root with the records, made by one process."""
    root = link_root(rooms, tmp_path_factory.mktemp("asked"))
    for command in KINDS:
        done = run_here(command, root, "--num-workers", "1", *ASKED)
        assert "failed" not in done.stdout + done.stderr, done.stdout + done.stderr
    return root


@cache
def oracle_of(rooms, split: str) -> Oracle:
    (scene_id,) = ROOMS[split]
    return Oracle(SceneInfoHandler.load(rooms, split), scene_id)


def records_of(root, task: str, split: str) -> list[dict]:
    path = record_path(dataset_at(root), task, split, "v1_0")
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def every(asked, rooms, task: str):
    """All records of a task, each with the oracle of its scene."""
    found = [
        (record, oracle_of(rooms, split))
        for split in SPLITS
        for record in records_of(asked, task, split)
    ]
    assert len(found) > 50, task
    assert len({record["id"] for record, _ in found}) == len(found)
    return found


def check_common(record: dict, oracle: Oracle) -> tuple[list[str], list[int]]:
    """Frames and objects of a record, of which all rules hold that the four tasks share."""
    frames, objects = record["frames"], record["object_ids"]
    oracle.check_set(frames)
    assert record["image"] == [f"{oracle.scene_id}/{frame}.jpg" for frame in frames]
    assert record["categories"] == [oracle.names[i] for i in objects]
    assert not NEVER & set(record["categories"])
    seen = [sorted(i for i in objects if oracle.sees(f, i)) for f in frames]
    assert record["seen_objects"] == seen
    assert {i for ids in seen for i in ids} == set(objects)
    assert all(oracle.is_unique(frames, i) for i in objects)
    return frames, objects


def check_choices(record: dict, texts: list[str] | None = None) -> str:
    """What the letter of the answer stands for."""
    choices = record["choices"]
    assert list(choices) == list("ABCD")[: len(choices)]
    assert len(set(choices.values())) == len(choices)
    if texts:
        assert sorted(choices.values()) == sorted(texts)
    return choices[record["gt_value"]]


def test_every_distance(asked, rooms):
    for record, oracle in every(asked, rooms, "relation_object_distance"):
        frames, (one, two) = check_common(record, oracle)
        assert oracle.are_apart(frames, one, two)
        assert oracle.near_sides_seen(frames, one, two)
        distance = oracle.distance(one, two)
        assert 0.3 <= distance <= 6
        assert record["gt_value"] == pytest.approx(1000 * distance, abs=0.501)


def test_every_nearest_object(asked, rooms):
    for record, oracle in every(asked, rooms, "relation_nearest_object"):
        frames, (one, *others) = check_common(record, oracle)
        assert len(others) in (3, 4)
        distances = [oracle.distance(one, other) for other in others]
        assert record["distances_mm"] == pytest.approx(1000 * np.array(distances), abs=0.501)
        for other in others:
            assert oracle.are_apart(frames, one, other)
            assert oracle.near_sides_seen(frames, one, other)
        assert list(record["choices"].values()) == [oracle.names[other] for other in others]
        right = others["ABCD".index(record["gt_value"])]
        first, second = sorted(distances)[:2]
        assert oracle.distance(one, right) == first
        assert second - first >= max(0.15, 0.15 * first)


def test_every_direction(asked, rooms):
    for record, oracle in every(asked, rooms, "relation_direction"):
        frames, (one, two, three) = check_common(record, oracle)
        for pair in combinations(frames, 2):
            shown = [any(not oracle.lacks(f, i) for f in pair) for i in (one, two, three)]
            assert not all(shown)
        stand, faced, third = (oracle.center(i)[:2] for i in (one, two, three))
        assert min(np.linalg.norm(faced - stand), np.linalg.norm(third - stand)) >= 0.8
        angles = _angles(
            stand, faced, np.vstack([third, oracle.points[oracle.vertices(three), :2]])
        )
        assert abs((angles[0] + 45) % 90 - 45) <= 30
        words = [_word(angle) for angle in angles]
        assert check_choices(record, ["front", "left", "back", "right"]) == words[0]
        assert np.mean([word == words[0] for word in words[1:]]) >= 0.9
        off = record["angle_deg"] - angles[0]
        assert abs((off + 180) % 360 - 180) <= 0.501
        assert -180 < record["angle_deg"] <= 180


def _angles(stand: np.ndarray, faced: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Degrees to the left of facing, by headings."""
    heading = np.degrees(np.arctan2(*(faced - stand)[::-1]))
    away = np.degrees(np.arctan2(*(points - stand).T[::-1]))
    return (away - heading + 180) % 360 - 180


def _word(angle: float) -> str:
    if abs(angle) < 45:
        return "front"
    return "back" if abs(angle) > 135 else "left" if angle > 0 else "right"


def test_every_order(asked, rooms):
    for record, oracle in every(asked, rooms, "relation_appearance_order"):
        frames, objects = check_common(record, oracle)
        assert len(objects) in (3, 4)
        first = [[oracle.sees(f, i) for f in frames].index(True) for i in objects]
        assert first == sorted(set(first))
        for i, place in zip(objects, first, strict=True):
            assert all(oracle.lacks(f, i) for f in frames[:place])
        assert check_choices(record) == ", ".join(oracle.names[i] for i in objects)
        assert len(record["choices"]) == 4


def _told(ends: np.ndarray | None) -> np.ndarray:
    """(3,) height, length and width, metres."""
    x, y, z = np.zeros(3) if ends is None else ends[1] - ends[0]
    return np.array([z, max(x, y), min(x, y)])


def _gives_all(oracle: Oracle, frames: tuple[str, ...], number: int) -> bool:
    whole = np.ptp(oracle.points[oracle.vertices(number)], axis=0)
    ends = oracle.ends_seen(frames, number)
    return ends is not None and bool((ends[1] - ends[0] >= 0.9 * whole - 1e-6).all())


def test_every_size(asked, rooms):
    for record, oracle in every(asked, rooms, "object_joint_size"):
        frames, number = record["frames"], record["object_id"]
        oracle.check_set(frames)
        assert oracle.is_unique(frames, number)
        assert record["raw_category"].strip() == oracle.names[number]
        sides = np.ptp(oracle.points[oracle.vertices(number)], axis=0)
        size = _told(np.array([np.zeros(3), sides]))
        assert record["gt_value"] == pytest.approx(1000 * size, abs=0.501)
        for frame, bounds in zip(frames, record["bounds_mm"], strict=True):
            ends = oracle.ends_seen([frame], number)
            assert (bounds is None) == (ends is None)
            assert bounds is None or bounds == pytest.approx(1000 * ends.ravel(), abs=0.51)
        links = oracle.links(frames)
        assert record["links"] == [[frames.index(f) + 1 for f in pair] for pair in links]
        assert _gives_all(oracle, frames, number)
        for few in [*((frame,) for frame in frames), *links]:
            off = np.linalg.norm(_told(oracle.ends_seen(few, number)) - size)
            assert off > 0.2 * np.linalg.norm(size) - 1e-6
        for frame in frames:  # what can do without several frames can do without one
            rest = tuple(f for f in frames if f != frame)
            assert not (oracle.are_joined(rest) and _gives_all(oracle, rest, number))


def test_sizes_come_in_all_numbers_of_images(asked):
    records = records_of(asked, "object_joint_size", "val")
    numbers = [len(record["image"]) for record in records]
    assert len({*numbers}) >= 3
    assert any(None in record["bounds_mm"] for record in records)


def test_every_count(asked, rooms):
    for record, oracle in every(asked, rooms, "object_count_distinct"):
        frames, category = record["frames"], record["raw_category"]
        oracle.check_set(frames)
        members = [i for i, name in oracle.names.items() if name == category]
        seen = [{i for i in members if oracle.sees(f, i)} for f in frames]
        assert record["seen_objects"] == [sorted(ids) for ids in seen]
        counted = set().union(*seen)
        assert record["gt_value"] == len(counted) >= 2
        others = {other for i in members for other in oracle.namesakes(i)} | set(members)
        assert all(oracle.lacks(f, i) for f in frames for i in others - counted)
        held = [{i for i in counted if not oracle.lacks(f, i)} for f in frames]
        assert not any(one | two == counted for one in held for two in held)
        assert max(sum(i in ids for ids in seen) for i in counted) >= 2


@pytest.mark.parametrize(
    "task",
    [
        "relation_object_distance", "relation_nearest_object", "relation_direction",
        "relation_appearance_order", "object_count_distinct",
    ],
)  # fmt: skip
def test_the_exact_room_agrees(asked, rooms, task):
    """Definitions and errors of a scan together make no more than one label of fifty wrong;
    of rooms scanned in full resolution it is none of thousands."""
    wrong = [
        truth_of(rooms, split).is_wrong(record)
        for split in SPLITS
        for record in records_of(asked, task, split)
    ]
    judged = [is_wrong for is_wrong in wrong if is_wrong is not None]
    assert len(judged) > 50
    assert sum(judged) <= len(judged) / 50


@cache
def truth_of(rooms, split: str) -> RoomTruth:
    (scene_id,) = ROOMS[split]
    scenes = SceneInfoHandler.load(rooms, split)
    return RoomTruth(Room(scene_id, SceneTruth.of(spec_of(split, scene_id)), scenes))


def test_both_answers_of_many_are_asked(asked):
    """Balanced: no direction, no letter and no count takes most of what there is of others."""
    for task, count in (("relation_direction", 4), ("relation_appearance_order", 4)):
        letters = [record["gt_value"] for record in records_of(asked, task, "train")]
        assert len(set(letters)) == count
        assert max(map(letters.count, letters)) < 0.45 * len(letters)
    sizes = [len(r["image"]) for r in records_of(asked, "relation_appearance_order", "train")]
    assert set(sizes) == set(range(3, 9))


@pytest.mark.parametrize("command", KINDS)
def test_two_workers_give_the_same_bytes(asked, rooms, tmp_path, command):
    root = link_root(rooms, tmp_path / "root")
    run_here(command, root, "--num-workers", "2", *ASKED)
    made, before = data_files(root), data_files(asked)
    records = [name for name in made if name.endswith(".jsonl")]
    assert records
    assert all(made[name] == before[name] for name in records)
    tables = [name for name in made if name.endswith(("grey.parquet", "near.parquet"))]
    assert tables
    assert all(made[name] == before[name] for name in tables)


def without_objects(rooms, folder, split: str):
    """A root whose rooms of a split are not annotated."""
    root = link_root(rooms, folder)
    scenes, path = SceneInfoHandler.load(root, split), info_path(root, split)
    infos = SceneInfos(path, "")
    plain = {s: {k: v for k, v in infos[s].items() if type(k) is not int} for s in scenes.scene_ids}
    own_file(path)
    write_infos(plain, path)
    return root


def test_scenes_without_objects_are_counted(rooms, tmp_path):
    root = without_objects(rooms, tmp_path / "root", "val")
    done = run_here(VIEWS, root, "--question-types", "count_distinct", *ASKED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 left out: scene0002_00: has no annotated objects" in done.stdout
    assert records_of(root, "object_count_distinct", "train")


def test_a_data_set_without_objects_is_refused_in_one_line(rooms, tmp_path):
    root = without_objects(rooms, tmp_path / "root", "val")
    for command in KINDS:
        done = run_here(command, root, "--splits", "val")
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "none of its 1 scenes has annotated objects" in line
