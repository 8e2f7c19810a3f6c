"""Baselines: the truth scores 100, random near chance, wording finds what was hidden in it."""

import json
import shutil

import numpy as np
import pytest
from conftest import run_here

from spatial_engine.evaluation.baselines import wording_baseline
from spatial_engine.evaluation.make_baselines import constant_answers, draw_answers
from spatial_engine.evaluation.results import chance_levels
from spatial_engine.evaluation.scoring import score_record
from spatial_engine.utils.questions.record_fields import WORDINGS
from spatial_engine.utils.questions.records import format_value, read_jsonl
from spatial_engine.utils.questions.tasks import SUBTASKS, TASKS
from spatial_engine.utils.questions.templates import load_forms

EVALUATION = "spatial_engine/evaluation"
# Those of more frames: test_frame_scores.py.
OF_ONE_OR_TWO = [name for name, task in TASKS.items() if not task.of_frames]


def record(task: str, gt_value, number: int = 0, text: str = "How?", **extra) -> dict:
    images = [f"scene{number % 6:04d}_00/{i:05d}.jpg" for i in range(TASKS[task].num_images)]
    return {
        "id": f"{task}_{number}", "image": images, "text": f"<image>\n{text}", "task": task,
        "width_list": [1296] * len(images), "height_list": [968] * len(images),
        "gt_value": gt_value, **extra,
    }  # fmt: skip


def shares(records, values) -> float:
    right = [
        score_record(r, f"`{format_value(v)}`").correct
        for r, v in zip(records, values, strict=True)
    ]
    return 100 * np.mean(right)


def records_of(task: str, rng: np.random.Generator, count: int) -> list[dict]:
    """Questions of a subtask with answers that have no pattern."""
    subtask, made = TASKS[task], []
    for number in range(count):
        extra, text = {}, "How?"
        if subtask.options:
            value = str(rng.choice(subtask.options))
        elif subtask.answer == "named point":
            points = rng.integers(0, 1001, size=(2, 2)).tolist()
            value = points[rng.integers(2)]
            extra = {"points_info": [{"x": x, "y": y} for x, y in points]}
            text = " or ".join(map(format_value, points))
        elif subtask.answer == "coordinates":
            value = rng.integers(0, 1001, size=2).tolist()
        elif subtask.answer == "vector":
            value = rng.integers(-900, 900, size=3).tolist()
        else:
            value = int(rng.integers(1, 3000))
        made.append(record(task, value, number, text, **extra))
    return made


@pytest.mark.parametrize("task", OF_ONE_OR_TWO)
def test_random_answers_score_near_chance(task):
    rng = np.random.default_rng(0)
    records = records_of(task, rng, 600)
    scores = [shares(records, draw_answers(records, rng)) for _ in range(3)]
    chance = chance_levels(records)[task]
    # four standard errors of 1,800 draws
    assert np.mean(scores) == pytest.approx(chance, abs=max(4 * 50 / np.sqrt(1800), 1))


@pytest.mark.parametrize("task", OF_ONE_OR_TWO)
def test_no_other_constant_answer_is_right_more_often(task):
    rng = np.random.default_rng(1)
    records = records_of(task, rng, 60)
    best = shares(records, constant_answers(records))
    if TASKS[task].answer == "named point":  # the first named or the second
        return_values = [[[p["x"], p["y"]] for p in r["points_info"]] for r in records]
        others = [[points[side] for points in return_values] for side in (0, 1)]
    else:
        others = [[r["gt_value"]] * len(records) for r in records]
    assert best >= max(shares(records, values) for values in others) - 1e-9


def test_a_single_question_has_a_random_answer_too():
    for task in ("camera_total_distance", "camera_displacement_vector"):
        (only,) = records_of(task, np.random.default_rng(2), 1)
        (value,) = draw_answers([only], np.random.default_rng(3))
        assert np.shape(value) == np.shape(only["gt_value"])


@pytest.mark.parametrize(
    ("feature", "task", "make"),
    [
        (
            "category", "object_height",
            lambda n: (2000 if n % 2 else 500, f"How tall is the {'door' if n % 2 else 'chair'}?",
                       {"raw_category": "door" if n % 2 else "chair"}),
        ),
        (
            "sentence", "camera_x_movement",
            lambda n: ("left" if n % 2 else "right", "Which way?" if n % 2 else "Whither?", {}),
        ),
        (
            "cell", "depth_estimation_coor",
            lambda n: (900 if n % 2 else 4000, f"How far is [ 500 , {900 if n % 2 else 80} ]?",
                       {"points_info": [{"x": 500, "y": 900 if n % 2 else 80}]}),
        ),
    ],
)  # fmt: skip
def test_what_the_wording_gives_away_is_found(feature, task, make):
    rng = np.random.default_rng(4)
    records = []
    for number, kind in enumerate(rng.integers(0, 2, size=120).tolist()):
        value, text, extra = make(kind)
        records.append(record(task, value, number, text, **extra))
    guesser = wording_baseline.fit(records)
    assert guesser.feature == feature
    assert all(guesser.guess(r) == r["gt_value"] for r in records)


def test_the_sentence_is_the_same_whether_the_bare_answer_is_asked_for_or_not():
    """Else each of the lines that ask for it would be a sentence of its own, seen too rarely."""
    forms = ["", *(f" {form}" for form in load_forms()["word"])]
    rng = np.random.default_rng(8)
    records = []
    for number in range(140):
        value, text = (("left", "Which way?"), ("right", "Whither?"))[rng.integers(2)]
        text = f"A convention.\n{text}{forms[rng.integers(len(forms))]}"
        records.append(record("camera_x_movement", value, number, text))
    guesser = wording_baseline.fit(records)
    assert guesser.feature == "sentence" and set(guesser.answers) == {"Which way?", "Whither?"}


def test_what_stands_lower_is_found_to_be_nearer():
    rng = np.random.default_rng(5)
    records = []
    for number in range(200):
        points = rng.choice(1000, size=(2, 2), replace=False).tolist()
        closer = bool(rng.integers(2))
        lower = max(points, key=lambda point: point[1])
        value = lower if closer else points[1 - points.index(lower)]
        text = f"Of {format_value(points[0])} and {format_value(points[1])}?"
        info = [{"x": x, "y": y} for x, y in rng.permutation(points).tolist()]
        records.append(
            record("depth_comparison_coor", value, number, text, points_info=info,
                   is_closer_question=closer)
        )  # fmt: skip
    guesser = wording_baseline.fit(records)
    assert guesser.feature == "order"
    assert np.mean([guesser.guess(r) == r["gt_value"] for r in records]) == 1


def test_nothing_is_made_of_noise():
    records = records_of("camera_x_movement", np.random.default_rng(6), 300)
    guesser = wording_baseline.fit(records)
    fresh = records_of("camera_x_movement", np.random.default_rng(7), 300)
    assert np.mean([guesser.guess(r) == r["gt_value"] for r in fresh]) < 0.6


def test_questions_of_one_scene_are_learnt_without_choosing_a_feature():
    records = [record("camera_total_distance", 500 + n, 0) for n in range(20)]
    assert wording_baseline.fit(records).feature == "nothing"


@pytest.fixture(scope="module")
def scored_root(made_root, tmp_path_factory):
    root = tmp_path_factory.mktemp("baselines")
    for name in ("training_data", "evaluation_data"):
        shutil.copytree(made_root / name, root / name)
    (root / "data").symlink_to(made_root / "data")
    for command in ("make_benchmark", "make_baselines"):
        done = run_here(f"{EVALUATION}/{command}.py", root)
        assert done.returncode == 0, done.stderr
    return root


def test_the_truth_scores_100_everywhere_and_random_near_chance(scored_root):
    folder = scored_root / "evaluation_data/multispa/v1_0/baselines"
    truth = json.loads((folder / "truth.scores.json").read_text())
    assert [line["score"] for line in truth["subtasks"]] == [100.0] * 26
    assert [line["score"] for line in truth["rows"]] == [100.0] * 13
    random = json.loads((folder / "random.scores.json").read_text())
    mean = random["rows"][-1]
    assert abs(mean["score"] - mean["chance"]) < 6
    missing = [sum(line[what] for line in random["subtasks"])
               for what in ("missing", "unparsable", "duplicates")]  # fmt: skip
    assert missing == [0, 0, 0]


def test_what_the_wording_gives_away_is_told_by_wording(scored_root):
    folder = scored_root / "evaluation_data/multispa/v1_0/baselines"
    told = json.loads((folder / "wording.json").read_text())
    scores = json.loads((folder / "wording.scores.json").read_text())
    for wording in WORDINGS:
        for line in scores["wordings"][wording]["subtasks"]:
            assert told[line["name"]]["by_wording"].get(wording) == line["score"]


def test_baselines_are_the_same_every_time(scored_root, tmp_path):
    folder = scored_root / "evaluation_data/multispa/v1_0/baselines"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run_here(f"{EVALUATION}/make_baselines.py", scored_root).returncode == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_sizes_of_things_follow_from_their_names(scored_root):
    facts = json.loads(
        (scored_root / "evaluation_data/multispa/v1_0/baselines/wording.json").read_text()
    )
    assert set(facts) <= set(SUBTASKS) and len(facts) >= 20
    told = [name for name, fact in facts.items() if fact["clearly_above_chance"]]
    assert all(facts[name]["reason"] for name in told)
    sides = ("height", "length", "width")
    assert any(facts[f"object_{side}"]["feature"] == "category" for side in sides)


def test_without_training_data_the_wording_is_left_out(scored_root, tmp_path):
    shutil.copytree(scored_root / "evaluation_data", tmp_path / "evaluation_data")
    shutil.rmtree(tmp_path / "evaluation_data/multispa/v1_0/baselines")
    done = run_here(f"{EVALUATION}/make_baselines.py", tmp_path)
    assert done.returncode == 0
    assert "no baseline of the wording" in done.stderr
    made = {p.name for p in (tmp_path / "evaluation_data/multispa/v1_0/baselines").glob("*.jsonl")}
    assert "wording.jsonl" not in made and "truth.jsonl" in made


def test_predictions_are_of_every_question_once(scored_root):
    folder = scored_root / "evaluation_data/multispa/v1_0"
    ids = [r["id"] for r in read_jsonl(folder / "multispa.jsonl")]
    for name in ("truth", "random", "constant", "wording"):
        said = [r["id"] for r in read_jsonl(folder / f"baselines/{name}.jsonl")]
        assert sorted(said) == sorted(ids)


def test_no_benchmark_is_refused(tmp_path):
    done = run_here(f"{EVALUATION}/make_baselines.py", tmp_path)
    assert done.returncode == 2
    assert "make_benchmark.py" in done.stderr and len(done.stderr.splitlines()) == 1
