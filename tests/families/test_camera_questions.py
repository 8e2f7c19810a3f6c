"""Which pairs are asked about how the camera moved, and in which order their images are shown."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audit_files import file_complaints
from conftest import link_root
from helpers import random_pose

from spatial_engine.audit.oracles.camera_movement import camera_truth
from spatial_engine.audit.raw.scene import RawScene
from spatial_engine.camera_movement import camera_movement_engine_train_val as engine
from spatial_engine.camera_movement import camera_questions as questions
from spatial_engine.camera_movement.relative_motion import (
    ANGLES,
    DIRECTIONS,
    QUESTION_TYPES,
    measure_motion,
    signs_of,
)
from spatial_engine.utils import paths
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.scenes.pair_balance import DrawnPairs

SPLITS = ("train", "val")
MARGINS = {"x": 20, "y": 20, "z": 20, "yaw": 1, "pitch": 1}
CONSTANTS = {"MIN_DIRECTION_MM": 20.0, "MIN_DIRECTION_DEG": 1.0, "MIN_ANGLE_DEG": 3.0}


def margin_of(question_type: str) -> float:
    """Below it a pair is not asked about; by the specification, not by the engine."""
    axis, kind = question_type.split("_")
    return 3 if kind == "angle" else MARGINS[axis]


# ---- what is measured ----------------------------------------------------------------------------


def test_camera_2_is_along_the_axes_of_camera_1():
    rng = np.random.default_rng(3)
    poses = np.stack([random_pose(rng) for _ in range(30)])
    first, second = rng.integers(30, size=(2, 100))
    motion = measure_motion(poses, first, second)
    for k, (one, two) in enumerate(zip(poses[first], poses[second], strict=True)):
        step = 1000 * (two[:3, 3] - one[:3, 3])
        along = [one[:3, axis] @ step for axis in range(3)]
        found = [motion[name][k] for name in ("x_mm", "y_mm", "z_mm")]
        np.testing.assert_allclose(found, along, atol=1e-9)
        assert motion["distance_mm"][k] == pytest.approx(np.linalg.norm(step))


# ---- which order --------------------------------------------------------------------------------


def ordered(question_type: str, poses, wanted: np.ndarray, seed: int = 0):
    """Frames of Image-1 and Image-2 of all pairs, and the numbers of their table's columns."""
    first, second = np.triu_indices(len(poses), k=1)
    pairs = {question_type: DrawnPairs(np.arange(len(first)), wanted)}
    request = questions.SceneRequest("train", "s", 0, pairs, CONSTANTS, {}, frozenset())
    columns = {"first": first, "second": second}
    rng = np.random.default_rng(seed)
    return questions.order_images(rng, request, question_type, poses, columns), (first, second)


@pytest.mark.parametrize("question_type", DIRECTIONS)
def test_images_are_ordered_for_the_wanted_answer_where_an_order_gives_it(question_type):
    rng = np.random.default_rng(1)
    poses = np.stack([random_pose(rng) for _ in range(60)])
    poses[:, :3, 3] *= 0.05  # so that shifts around the margin are frequent
    wanted = rng.choice(np.array([1, -1], np.int8), 60 * 59 // 2)
    (one, two), (first, second) = ordered(question_type, poses, wanted)
    found = signs_of(
        question_type, measure_motion(poses, one, two), CONSTANTS
    )  # fmt: skip
    other = signs_of(
        question_type, measure_motion(poses, two, one), CONSTANTS
    )  # fmt: skip
    assert (np.sort([one, two], axis=0) == [first, second]).all()
    possible = (found == wanted) | (other == wanted)
    assert 0.3 < possible.mean() < 1
    assert (found[possible] == wanted[possible]).all()
    both = (found == wanted) & (other == wanted)
    if question_type[:2] in ("x_", "y_", "z_"):  # both orders give it: either is as likely
        swapped = (one != first)[both]
        assert abs(swapped.mean() - 0.5) < 3 * (0.25 / len(swapped)) ** 0.5
    else:  # the sign of a turn depends on the order alone
        assert not both.any()


@pytest.mark.parametrize("question_type", ["x_movement", "yaw_angle", "total_distance"])
def test_without_a_wanted_answer_either_order_is_as_likely(question_type):
    rng = np.random.default_rng(2)
    poses = np.stack([random_pose(rng) for _ in range(50)])
    wanted = np.zeros(50 * 49 // 2, np.int8)
    (one, two), (first, second) = ordered(question_type, poses, wanted)
    assert (np.sort([one, two], axis=0) == [first, second]).all()
    assert abs((one != first).mean() - 0.5) < 3 * (0.25 / len(first)) ** 0.5
    other, _ = ordered(question_type, poses, wanted, seed=1)
    assert (one != other[0]).any()


# ---- which pairs: the files of the sample scenes against the raw scans ---------------------------


class Truth:
    """Every pair of a split in range of overlap: both orders measured by the oracle."""

    def __init__(self, root: Path, split: str):
        table = pd.read_parquet(paths.pair_table_path(root, split))
        table = table[(table.overlap >= 6) & (table.overlap <= 35)]
        raw = {scene: RawScene(root, scene) for scene in sorted(set(table.scene_id))}
        self.pairs = {
            (scene, one, two): (
                camera_truth(raw[scene], one, two)["motion"],
                camera_truth(raw[scene], two, one)["motion"],
                max(int(np.ceil(overlap)), 7),
            )
            for scene, one, two, overlap in zip(
                table.scene_id, table.image_id1, table.image_id2, table.overlap, strict=True
            )
        }

    def answers(self, question_type: str) -> dict[tuple, tuple[set, int]]:
        """Of each pair which signs its orders can answer, and its bin of overlap."""
        name, margin = question_type.replace("angle", "movement"), margin_of(question_type)
        return {
            pair: ({np.sign(m[name]) for m in motions if abs(m[name]) >= margin}, number)
            for pair, (*motions, number) in self.pairs.items()
        }


@pytest.fixture(scope="module", params=SPLITS)
def made(request, made_root):
    return made_root, request.param, Truth(made_root, request.param)


def pairs_of(records: list[dict]) -> list[tuple]:
    """Scene and frames of each, as the pair table names them."""
    named = [[Path(image) for image in record["image"]] for record in records]
    return [(images[0].parent.name, *sorted(image.stem for image in images)) for images in named]


def read(root: Path, question_type: str, split: str) -> tuple[list[dict], dict]:
    path = record_path(root, f"camera_{question_type}", split, "v1_0")
    meta = json.loads(path.with_name(f"{path.name}.meta.json").read_text())
    records = list(read_jsonl(path))
    assert meta["records"] == len(records)
    return records, meta


@pytest.mark.parametrize("question_type", ANGLES)
def test_of_angles_all_pairs_outside_the_margin_are_asked_and_no_other(made, question_type):
    root, split, truth = made
    records, meta = read(root, question_type, split)
    outside = [pair for pair, (signs, _) in truth.answers(question_type).items() if signs]
    assert sorted(pairs_of(records)) == sorted(outside)
    inside = len(truth.pairs) - len(outside)
    assert inside > 0 or question_type == "yaw_angle"
    assert meta["drops"].get("too small a motion", 0) == inside
    assert {name: meta["settings"][name] for name in CONSTANTS} == CONSTANTS


@pytest.mark.parametrize("question_type", DIRECTIONS)
def test_of_directions_as_many_pairs_outside_the_margin_are_asked_as_balance(made, question_type):
    root, split, truth = made
    records, meta = read(root, question_type, split)
    can = truth.answers(question_type)
    asked = pairs_of(records)
    assert len(set(asked)) == len(asked)
    counts = Counter((number, frozenset(signs)) for signs, number in can.values())
    drawn = Counter((can[pair][1], frozenset(can[pair][0])) for pair in asked)
    surplus = 0
    for number in {number for number, _ in counts}:
        either, plus, minus = ((number, frozenset(s)) for s in ({1, -1}, {1}, {-1}))
        assert drawn[either] == counts[either]
        assert drawn[plus] == drawn[minus] == min(counts[plus], counts[minus])
        surplus += abs(counts[plus] - counts[minus])
    assert not any(number for (_, signs), number in drawn.items() if not signs)
    still = sum(number for (_, signs), number in counts.items() if not signs)
    drops = meta["drops"]
    assert drops.get("too small a motion", 0) == still
    assert drops.get("pairs of the more frequent answer", 0) == surplus
    assert len(records) + still + surplus == len(truth.pairs)


@pytest.mark.parametrize("question_type", DIRECTIONS)
def test_answers_are_equally_frequent_and_told(made, question_type):
    root, split, truth = made
    records, meta = read(root, question_type, split)
    words = DIRECTIONS[question_type]
    told = Counter(record["gt_value"] for record in records)
    assert set(told) == set(words)
    assert abs(told[words[0]] - told[words[1]]) <= 1
    assert meta["notes"] == {f"answer {word}": told[word] for word in words}
    # Nor does what is common to both orders tell the answer.
    can = truth.answers(question_type)
    pairs = zip(records, pairs_of(records), strict=True)
    free = Counter(record["gt_value"] for record, pair in pairs if len(can[pair][0]) == 2)
    assert abs(free[words[0]] - free[words[1]]) <= 1
    for record in records:
        one, two = (Path(image).stem for image in record["image"])
        pair = (Path(record["image"][0]).parent.name, *sorted((one, two)))
        motion = truth.pairs[pair][0 if one < two else 1][question_type]
        assert abs(motion) >= margin_of(question_type)
        assert record["gt_value"] == words[0 if motion > 0 else 1]


@pytest.mark.parametrize("question_type", ["total_distance", "displacement_vector"])
def test_distances_and_vectors_are_asked_of_every_pair(made, question_type):
    root, split, truth = made
    assert sorted(pairs_of(read(root, question_type, split)[0])) == sorted(truth.pairs)


def test_the_table_at_the_end_tells_answers_and_drops(made_root, tmp_path, capsys):
    root = link_root(made_root, tmp_path / "root")
    flags = ("--root", str(root), "--question-types", "z_movement", "--splits", "train")
    few = ("--train-max-samples", "10", "--num-workers", "1", "--version", "few")
    assert engine.main([*flags, *few]) == 0
    table = capsys.readouterr().out
    assert "answer backward 5, answer forward 5" in table
    assert "pairs of the more frequent answer" in table


def test_without_balance_all_pairs_are_drawn_and_those_within_the_margin_left_out(
    made_root, tmp_path
):
    root = link_root(made_root, tmp_path / "root")
    flags = ("--root", str(root), "--no-balance-answers", "--num-workers", "1")
    assert engine.main([*flags, "--version", "coin", "--splits", "train"]) == 0
    truth = Truth(root, "train")
    for name in QUESTION_TYPES:
        path = record_path(root, f"camera_{name}", "train", "coin")
        records = list(read_jsonl(path))
        meta = json.loads(path.with_name(f"{path.name}.meta.json").read_text())
        dropped = meta["drops"].get("too small a motion", 0)
        assert len(records) + dropped == len(truth.pairs)
        if name in DIRECTIONS or name in ANGLES:
            can = truth.answers(name)
            assert all(can[pair][0] for pair in pairs_of(records))
            assert dropped >= sum(not signs for signs, _ in can.values())


def test_the_audit_finds_what_is_asked_within_the_margins_of_a_file(made_root, tmp_path):
    root = link_root(made_root, tmp_path / "root")
    flags = ("--root", str(root), "--published", "--splits", "train", "--num-workers", "1")
    name = "pitch_angle"
    assert engine.main([*flags, "--version", "all", "--question-types", name]) == 0
    path = record_path(root, f"camera_{name}", "train", "all")
    assert file_complaints(path, root, "train") == []
    meta_path = path.with_name(f"{path.name}.meta.json")
    meta = json.loads(meta_path.read_text())
    assert meta["settings"]["MIN_ANGLE_DEG"] == 0
    meta["settings"]["MIN_ANGLE_DEG"] = 3
    meta_path.write_text(json.dumps(meta))
    can = Truth(root, "train").answers(name)
    inside = [n for n, pair in enumerate(pairs_of(list(read_jsonl(path))), 1) if not can[pair][0]]
    assert inside
    complaints = file_complaints(path, root, "train")
    assert [text.partition(":")[0] for text in complaints] == [f"line {n}" for n in inside]
    assert all("MIN_ANGLE_DEG is 3" in text for text in complaints)
