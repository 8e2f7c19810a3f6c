"""Every command as the README types it: same bytes always, right by the oracle, restartable."""

import json

import numpy as np
import pytest
from audit_files import file_complaints, table_complaints
from conftest import (
    COMMANDS,
    FEWER,
    copy_root,
    data_files,
    link_root,
    made_once,
    run_commands,
    run_here,
)
from helpers import load_pickle

from spatial_engine.audit.oracles.movement_balance import check_balance
from spatial_engine.audit.oracles.visibility import visible_points
from spatial_engine.audit.raw.scene import RawScene
from spatial_engine.camera_movement.relative_motion import QUESTION_TYPES
from spatial_engine.utils import paths
from spatial_engine.utils.paths import info_pickle_path, instance_data_dir, visibility_table_path
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables import pair_table
from spatial_engine.utils.tables.coverage_files import DIMENSIONS
from spatial_engine.utils.tables.visibility_table import VisibilityInfoHandler

SPLITS = ("train", "val")
FOLDERS = {"train": "training_data", "val": "evaluation_data"}
ENGINE = COMMANDS[5]
ENGINES = [c for c in COMMANDS if "engine" in c.split("/")[-1]]  # these write questions
POINT_TASKS = (
    "depth_estimation_dot",
    "depth_estimation_coor",
    "depth_comparison_dot",
    "depth_comparison_coor",
    "visual_correspondence_dot_2_multichoice",
    "visual_correspondence_coor_2_coor",
)


def question_files(root):
    return [
        (root / FOLDERS[split] / f"camera_movement/v1_0/{name}_{split}.jsonl", split)
        for split in SPLITS
        for name in QUESTION_TYPES
    ]


def all_question_files(root):
    return [
        path for folder in FOLDERS.values() for path in sorted((root / folder).rglob("*.jsonl"))
    ]


def test_one_worker_and_two_give_the_same_bytes(made_root, raw_root, tmp_path):
    """As typed with one; with two they ran in a test process."""
    run_commands(COMMANDS, copy_root(raw_root, tmp_path), "--num-workers", "1")
    one, two = data_files(tmp_path), data_files(made_root)
    assert sorted(one) == sorted(two)
    assert [name for name in one if one[name] != two[name]] == []


def test_where_the_maker_of_a_shared_root_fails_the_others_fail_at_once(tmp_path):
    def fail(folder):
        raise ValueError("no disk")

    with pytest.raises(ValueError, match="no disk"):
        made_once(tmp_path / "root", fail)
    with pytest.raises(RuntimeError, match="no disk"):
        made_once(tmp_path / "root", fail)


def test_nothing_temporary_is_left(made_root):
    left = [p for p in made_root.rglob("*") if p.name.endswith((".partial", ".parts"))]
    assert left == []


@pytest.mark.parametrize("command", ENGINES)
def test_a_second_start_writes_nothing(made_root, command):
    before = {path: path.stat().st_mtime_ns for path in all_question_files(made_root)}
    done = run_here(command, made_root, *FEWER.get(command, ()))
    assert done.returncode == 0 and "up to date" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("question_type", QUESTION_TYPES)
def test_every_camera_answer_agrees_with_the_oracle(made_root, split, question_type):
    folder = made_root / FOLDERS[split] / "camera_movement/v1_0"
    path = folder / f"{question_type}_{split}.jsonl"
    assert len(path.read_bytes().splitlines()) >= 10
    assert file_complaints(path, made_root, split) == []


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", POINT_TASKS)
def test_every_answer_about_points_agrees_with_the_oracle(made_root, split, task):
    (path,) = (made_root / FOLDERS[split] / task / "v1_0").glob("*.jsonl")
    assert len(path.read_bytes().splitlines()) >= 5
    assert file_complaints(path, made_root, split) == []


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("prompt", ["coord", "dot"])
@pytest.mark.parametrize("dataset", ["adt", "pstudio"])
def test_every_answer_about_movement_agrees_with_the_oracle(made_root, dataset, prompt, split):
    folder = made_root / FOLDERS[split] / f"object_movement_{prompt}/v1_0" / dataset
    files = sorted(folder.glob("*.jsonl"))
    assert len(files) == 2
    for path in files:
        assert len(path.read_bytes().splitlines()) >= 10
        assert file_complaints(path, made_root, split) == []
        if split == "train":
            assert check_balance(path, made_root, dataset, split, prompt, 2, 3) == []


def test_every_table_about_objects_agrees_with_the_oracle(made_root):
    names = {
        f"{FOLDERS[split]}/object_perception/{name}.pkl"
        for split in SPLITS
        for name in (
            "object_visibility",
            *(f"merged_{split}_object_coverage_{d}" for d in DIMENSIONS),
        )
    }
    assert table_complaints(made_root) == {name: [] for name in names}


@pytest.mark.parametrize("split", SPLITS)
def test_every_answer_about_objects_agrees_with_the_oracle(made_root, split):
    folder = made_root / FOLDERS[split] / "object_perception"
    files = sorted(folder.glob("object_perception_*.jsonl"))
    assert len(files) >= 5  # three dimensions, one image or two
    for path in files:
        assert file_complaints(path, made_root, split) == []


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", [task for task in POINT_TASKS if "dot" in task])
def test_every_picture_is_that_of_one_record(made_root, split, task):
    folder = made_root / FOLDERS[split] / task / "v1_0"
    named = [name for path in folder.glob("*.jsonl") for record in read_jsonl(path)
             for name in record["image"]]  # fmt: skip
    there = [p.relative_to(folder / "images").as_posix() for p in folder.rglob("*.jpg")]
    assert sorted(named) == sorted(there)


@pytest.mark.parametrize("split", SPLITS)
def test_visibility_agrees_with_the_oracle_in_every_frame(made_root, split):
    table = VisibilityInfoHandler(visibility_table_path(made_root, split))
    frames = 0
    for scene_id in table.scene_ids:
        scene = RawScene(made_root, scene_id)
        visibility = table.load_scene(scene_id)
        assert visibility.image_ids == scene.valid_frame_ids
        for image_id in visibility.image_ids:
            seen = set(visibility.points(image_id).tolist())
            must, ties = visible_points(scene, image_id)
            assert (seen ^ must) <= ties
            frames += 1
    assert frames >= 10


@pytest.mark.parametrize("split", SPLITS)
def test_overlap_of_all_pairs_agrees_with_sets(made_root, split):
    table = pair_table.open_pairs(paths.pair_table_path(made_root, split))
    visibility = VisibilityInfoHandler(visibility_table_path(made_root, split))
    checked = 0
    for scene_id in table.scene_ids:
        sets = {
            image_id: set(visibility.load_scene(scene_id).points(image_id).tolist())
            for image_id in visibility.load_scene(scene_id).image_ids
        }
        rows = table.read(scene_id).to_pylist()
        assert len(rows) == len(sets) * (len(sets) - 1) // 2
        for row in rows:
            first, second = sets[row["image_id1"]], sets[row["image_id2"]]
            union = len(first | second)
            expected = 100 * len(first & second) / union if union else 0.0
            assert row["image_id1"] < row["image_id2"]
            assert row["overlap"] == pytest.approx(expected, abs=1e-9)
            checked += 1
    assert checked >= 60


def test_preparation_agrees_with_the_raw_files(made_root):
    infos = SceneInfoHandler.load(made_root, "train_val")
    assert len(infos.scene_ids) == 5
    for scene_id in infos.scene_ids:
        raw = RawScene(made_root, scene_id)
        assert np.allclose(infos.points(scene_id), raw.vertices_aligned, atol=1e-9)
        assert np.array_equal(infos.instance_mask(scene_id), raw.instance_ids)
        assert infos.image_ids(scene_id) == raw.frame_ids(step=5)
        assert infos.color_size(scene_id) == raw.colour_size
        image_ids, poses = infos.valid_frames(scene_id)
        for image_id, pose in zip(image_ids, poses, strict=True):
            assert np.allclose(pose, raw.world_from_cam(image_id), atol=1e-9)
        for image_id in raw.frame_ids(step=5):
            folder = made_root / "data/scannet/posed_images" / scene_id
            assert (folder / f"{image_id}.jpg").read_bytes() == raw.jpeg_bytes(image_id)
            assert np.array_equal(infos.depth(scene_id, image_id), raw.depth_mm(image_id))


def test_objects_and_labels_agree_with_the_raw_files(made_root):
    infos = load_pickle(info_pickle_path(made_root, "train_val", with_images=False))
    boxes = 0
    for scene_id, info in infos.items():
        raw = RawScene(made_root, scene_id)
        for object_id, category in raw.raw_categories.items():
            box = info[object_id]["aligned_bbox"]
            assert info[object_id]["raw_category"] == category
            assert np.allclose(box[:6], raw.object_boxes[object_id], atol=1e-9)
            if box[:6].any():
                assert box[6] == raw.nyu40_ids[object_id]
                boxes += 1
        assert info["num_objects"] == len(raw.raw_categories)
        folder = instance_data_dir(made_root) / scene_id
        assert np.array_equal(np.load(folder / "semantic_mask.npy"), raw.semantic_ids)
    assert boxes >= 30


def test_relations_are_the_same_without_the_visibility_table(made_root, prepared_root, tmp_path):
    copy_root(prepared_root, tmp_path)
    done = run_here("spatial_engine/camera_movement/calculate_frames_relations.py", tmp_path)
    assert done.returncode == 0, done.stderr
    for split in SPLITS:
        without, with_table = (paths.pair_table_path(root, split) for root in (tmp_path, made_root))
        assert without.read_bytes() == with_table.read_bytes()


def test_train_and_val_share_no_scene_and_no_id(made_root):
    scenes, ids = {}, {}
    for path in all_question_files(made_root):
        split = next(s for s, folder in FOLDERS.items() if (made_root / folder) in path.parents)
        for line in path.read_bytes().splitlines():
            record = json.loads(line)
            scenes.setdefault(split, set()).add(record["image"][0].split("/")[0])
            ids.setdefault(split, []).append(record["id"])
    assert not scenes["train"] & scenes["val"]
    assert all(len(set(found)) == len(found) for found in ids.values())


def test_another_seed_draws_other_questions_and_replaces_the_old(made_root, tmp_path):
    link_root(made_root, tmp_path)
    texts = []
    for seed in ("0", "1"):
        flags = ("--seed", seed, "--question-types", "z_movement", "--num-workers", "1")
        done = run_here(ENGINE, tmp_path, *flags)
        assert done.returncode == 0, done.stderr
        texts.append(question_files(tmp_path)[2][0].read_text())
    assert sorted(texts[0].splitlines()) != sorted(texts[1].splitlines())


def test_wanted_numbers_are_balanced_over_the_bins_and_not_exceeded(made_root, tmp_path):
    link_root(made_root, tmp_path)
    flags = ("--train-max-samples", "20", "--val-max-samples", "7", "--num-zero-overlap", "3")
    types = ("--question-types", "total_distance", "yaw_angle")
    assert run_here(ENGINE, tmp_path, *flags, *types, "--num-workers", "1").returncode == 0
    for split, wanted in (("train", 23), ("val", 10)):
        path = tmp_path / FOLDERS[split] / f"camera_movement/v1_0/total_distance_{split}.jsonl"
        overlaps = [json.loads(line)["overlap"] for line in path.read_bytes().splitlines()]
        assert len(overlaps) == wanted
        assert sum(overlap == 0 for overlap in overlaps) == 3


def test_one_split_after_the_other_gives_the_same_as_both(raw_root, made_root, tmp_path):
    copy_root(raw_root, tmp_path)
    one = ("--num-workers", "1")
    for split in SPLITS:
        run_commands(COMMANDS[:2], tmp_path, *one, "--splits", split, run=run_here)
    run_commands(COMMANDS[2:], tmp_path, *one, run=run_here)
    expected = data_files(made_root)
    assert data_files(tmp_path) == expected
