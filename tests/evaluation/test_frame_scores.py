"""Scores of answers about three to eight frames, their chance, baselines of one frame or two."""

from __future__ import annotations

import copy
import csv
import json
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from frame_records import frame_record, frame_records, write_frame_records
from helpers import raises_one_line
from hypothesis import given
from hypothesis import strategies as st

from spatial_engine.errors import BadDataError, SettingsError
from spatial_engine.evaluation import (
    make_baselines,
    make_benchmark,
    score_predictions,
)
from spatial_engine.evaluation.baselines import frame_baselines
from spatial_engine.evaluation.baselines.frame_baselines import (
    CHOOSERS,
    SOLVERS,
    best_way,
    draw_freely,
    likely_orders,
    possible_orders,
)
from spatial_engine.evaluation.baselines.wording_baseline import FEATURES, fit, is_right
from spatial_engine.evaluation.predictions import Predictions
from spatial_engine.evaluation.results import MEAN, chance_levels, score_model
from spatial_engine.evaluation.score_tables import print_results
from spatial_engine.evaluation.scoring import score_record
from spatial_engine.utils.questions.record_rules import check_value
from spatial_engine.utils.questions.records import format_value, read_jsonl
from spatial_engine.utils.questions.tasks import FRAME_ROWS, FRAME_TASKS, benchmark_with

NAME = "multispa_frames"


def said(value) -> str:
    return f"`{format_value(value)}`"


@pytest.mark.parametrize("task", FRAME_TASKS)
def test_the_truth_is_right_by_every_measure_and_silence_by_none(task):
    for record in frame_records(task, 40):
        right, silent = score_record(record, said(record["gt_value"])), score_record(record, "")
        assert right.correct and set(right.measures.values()) <= {1.0}
        assert not silent.correct and set(silent.measures.values()) <= {0.0}
        assert right.measures.keys() == silent.measures.keys()


def test_which_measures_stand_beside_which_tasks():
    names = {task: set(score_record(frame_record(task), "").measures) for task in FRAME_TASKS}
    assert names["camera_net_turn"] == {"mra", "sign"}
    assert names["correspondence_seen_where"] == {"f1"}
    assert names["object_joint_size"] == names["object_count_distinct"] == {"mra"}
    assert names["relation_direction"] == set()


@pytest.mark.parametrize(
    ("error", "mra"),
    [(0, 1.0), (4, 1.0), (5, 1.0), (5.1, 0.9), (10, 0.9), (12, 0.8), (20, 0.7), (20.001, 0.6),
     (22, 0.6), (48, 0.1), (50, 0.1), (50.1, 0.0), (200, 0.0)],
)  # fmt: skip
def test_relative_accuracy_includes_its_thresholds_exactly(error, mra):
    """Errors in percent of the truth; 20 percent gives 0.6 with floats."""
    record = frame_record("camera_path_length", 1) | {"gt_value": 3000}
    for sign in (1, -1):
        score = score_record(record, f"`{3000 + sign * 30 * error:.3f}`")
        assert score.measures["mra"] == mra
        assert score.correct == (error <= 20)


@given(truth=st.lists(st.integers(1, 9999), min_size=3, max_size=3), data=st.data())
def test_relative_accuracy_of_sizes_is_that_of_the_error_vector(truth, data):
    answer = [data.draw(st.integers(1, 9999)) for _ in truth]
    record = frame_record("object_joint_size") | {"gt_value": truth}
    squared = Fraction(sum((a - t) ** 2 for a, t in zip(answer, truth, strict=True)))
    share = squared / sum(t**2 for t in truth)
    wanted = sum(share <= Fraction(k, 20) ** 2 for k in range(1, 11)) / 10
    assert score_record(record, said(answer)).measures["mra"] == wanted


def test_counts_are_right_only_if_equal():
    record = frame_record("object_count_distinct") | {"gt_value": 6}
    assert [score_record(record, f"`{n}`").correct for n in (5, 6, 7)] == [False, True, False]


def test_a_turn_to_the_other_side_has_the_wrong_sign():
    record = frame_record("camera_net_turn") | {"gt_value": -90}
    verdicts = [score_record(record, text) for text in ("`-80`", "`-200`", "`90`", "`0`")]
    assert [v.measures["sign"] for v in verdicts] == [1, 1, 0, 0]
    assert [v.correct for v in verdicts] == [True, False, False, False]


@pytest.mark.parametrize(
    ("answer", "f1"), [("A, C", 1), ("A", 2 / 3), ("A, B", 0.5), ("B", 0), ("A, B, C", 0.8)]
)
def test_f1_of_letters(answer, f1):
    record = frame_record("correspondence_seen_where", num_frames=5) | {"gt_value": "A, C"}
    score = score_record(record, f"`{answer}`")
    assert score.measures["f1"] == pytest.approx(f1) and score.correct == (f1 == 1)


def test_a_letter_may_be_said_by_what_it_stands_for():
    record = frame_record("depth_nearest_view", 3)
    assert score_record(record, record["choices"][record["gt_value"]]).correct


def test_chance_is_the_mean_over_what_questions_offer():
    records = [frame_record("depth_nearest_view", n, num_frames=3 + n) for n in range(3)]
    assert chance_levels(records)["depth_nearest_view"] == pytest.approx(
        100 * (1 / 3 + 1 / 4 + 1 / 5) / 3
    )
    records = [frame_record("correspondence_seen_where", n, num_frames=3 + n) for n in range(2)]
    assert chance_levels(records)["correspondence_seen_where"] == pytest.approx(
        100 * (1 / 2 + 1 / 6) / 2
    )
    counts = [frame_record("object_count_distinct") | {"gt_value": n} for n in (4, 4, 5)]
    assert chance_levels(counts)["object_count_distinct"] == pytest.approx(100 / 3)


def answered(texts):
    records = [record for task in FRAME_TASKS for record in frame_records(task, 12)]
    return records, score_model(records, Predictions({r["id"]: texts(r) for r in records}))


def test_families_are_the_rows_and_measures_are_theirs_where_all_tasks_have_them(capsys):
    _, results = answered(lambda record: said(record["gt_value"]))
    assert [line.name for line in results.rows] == [*FRAME_ROWS, MEAN]
    assert {line.score for line in (*results.rows, *results.subtasks)} == {100}
    measures = {line.name: set(line.measures) for line in results.rows}
    assert measures["Camera frames"] == measures["Object frames"] == {"mra"}
    assert measures["Depth frames"] == measures[MEAN] == set()
    print_results("truth", results)
    out = capsys.readouterr().out
    assert "MRA" in out and "right sign" in out and "F1" in out and "family" in out


def test_a_row_counts_its_tasks_alike():
    _, results = answered(
        lambda record: said(record["gt_value"]) if record["task"] == "relation_direction" else ""
    )
    rows = {line.name: line for line in results.rows}
    assert rows["Relation frames"].score == 25 and rows[MEAN].score == pytest.approx(25 / 6)
    assert rows[MEAN].unparsable == 13 * 12


def test_which_benchmark_tasks_are_of():
    assert benchmark_with(["relation_direction"]).name == NAME
    assert benchmark_with(["camera_x_movement"]).name == "multispa"
    assert benchmark_with(["relation_direction", "camera_x_movement"]).name == "multispa"


# Baselines


@pytest.mark.parametrize("task", FRAME_TASKS)
def test_random_answers_can_be_right_and_score_near_chance(task):
    records = frame_records(task, 600)
    answers = draw_freely(records, np.random.default_rng(0))
    for record, answer in zip(records, answers, strict=True):
        assert not check_value(record | {"gt_value": answer}, FRAME_TASKS[task])
    right = 100 * np.mean([is_right(r, a) for r, a in zip(records, answers, strict=True)])
    assert right == pytest.approx(chance_levels(records)[task], abs=4 * 50 / np.sqrt(600))


def _without(record, frames):
    """The record with other values for all that is of other frames."""
    other, changed = frame_record(record["task"], 991, num_frames=len(record["image"])), {}
    for name in ("positions_mm", "depths_mm", "seen", "bounds_mm"):
        if name in record:
            changed[name] = [
                record[name][i] if i in frames else other[name][i]
                for i in range(len(record["image"]))
            ]
    if "seen_objects" in record:
        unseen = [[], record.get("object_ids", [7])[:1]]
        changed["seen_objects"] = [
            ids if i in frames else unseen[i % 2] for i, ids in enumerate(record["seen_objects"])
        ]
    return copy.deepcopy(record) | changed


@pytest.mark.parametrize("task", [
    task for task in FRAME_TASKS if task not in ("camera_net_turn", "correspondence_odd_dot")
])  # fmt: skip
def test_solvers_see_nothing_of_other_frames(task):
    """But for turns, which are between frames, and odd dots, of which the answer says which."""
    for record in frame_records(task, 12):
        other = record["gt_value"]
        if isinstance(other, str):
            other = next(name for name in record["choices"] if name != record["gt_value"])
        for frames in [*combinations(range(len(record["image"])), 2), (0,)]:
            changed = _without(record, frames) | {"gt_value": other}
            for solve in SOLVERS[task]:
                assert solve(record, frames) == solve(changed, frames)


def test_turns_are_of_the_two_frames_alone():
    record = frame_record("camera_net_turn", num_frames=5) | {"turns_deg": [80, 70, 60, -20]}
    solved = [frame_baselines.turn(record, frames) for frames in ((0, 1), (0, 2), (0, 4), (0,))]
    assert solved == [[80], [], [], []]


def test_odd_dots_are_told_only_by_two_that_differ():
    record = frame_record("correspondence_odd_dot", num_frames=4) | {"gt_value": "C"}
    assert frame_baselines.dots_differ(record, (0, 2)) == ["A", "C"]
    assert frame_baselines.dots_differ(record, (0, 1)) == ["C", "D"]
    assert frame_baselines.dots_differ(record, (2,)) == []


def test_what_two_frames_see_of_a_dot_is_in_every_set_that_is_left():
    record = frame_record("correspondence_seen_where", num_frames=4)
    record["seen"] = [True, False, True, False]
    left = frame_baselines.seen_in_second(record, (0, 2))
    assert sorted(left) == ["A, B", "B", "B, C"]
    assert frame_baselines.seen_in_second(record, (1, 2)) == []


def test_what_two_frames_see_is_put_together():
    record = frame_record("object_joint_size", num_frames=3)
    record["bounds_mm"] = [[0, 0, 0, 900, 500, 400], [800, 0, 0, 2000, 500, 400], None]
    assert frame_baselines.seen_size(record, (0, 1)) == [[400, 2000, 500]]
    assert frame_baselines.seen_size(record, (0, 2)) == [[400, 900, 500]]
    assert frame_baselines.seen_size(record, (0,)) == [[400, 900, 500]]
    assert frame_baselines.seen_size(record, (2,)) == []


def test_no_two_linked_frames_tell_a_size():
    records = frame_records("object_joint_size", 60)
    chosen = [(record, pair) for record in records
              for pair in combinations(range(len(record["image"])), 2)
              if [one + 1 for one in pair] in record["links"]]  # fmt: skip
    assert len(chosen) > 60
    assert not any(
        is_right(record, answer)
        for record, pair in chosen
        for answer in frame_baselines.seen_size(record, pair)
    )


def _order(seen):
    texts = ["bed, sofa, desk", "sofa, bed, desk", "bed, desk, sofa", "desk, bed, sofa"]
    return {
        "task": "relation_appearance_order", "image": ["a/b.jpg"] * len(seen),
        "object_ids": [1, 2, 3], "categories": ["bed", "sofa", "desk"], "seen_objects": seen,
        "choices": dict(zip("ABCD", texts, strict=True)), "gt_value": "A",
    }  # fmt: skip


def test_orders_that_two_frames_allow():
    record = _order([[1], [2], [], [3]])
    assert possible_orders(record, (0, 1)) == ["A"]
    assert possible_orders(record, (0, 3)) == ["A", "C"]
    assert possible_orders(record, (1, 2)) == ["A"]  # the bed before the sofa, the desk at the end
    assert possible_orders(record, (2, 3)) == ["A", "B"]  # not in Image-3, so last in Image-4
    assert likely_orders(record, (1, 3)) == ["A", "B"]
    assert likely_orders(record, (0,)) == list("ABCD")


def test_the_right_order_is_always_possible():
    for record in frame_records("relation_appearance_order", 60):
        for frames in combinations(range(len(record["image"])), 2):
            assert record["gt_value"] in possible_orders(record, frames)


@pytest.mark.parametrize("task", FRAME_TASKS)
@pytest.mark.parametrize("kind", list(CHOOSERS))
def test_the_best_way_is_the_same_every_time_and_counts_what_is_right(task, kind):
    records = frame_records(task, 36)
    way = best_way(records, kind, 5)
    assert way == best_way(records, kind, 5) and way.frames in CHOOSERS[kind]
    assert way.rule.endswith(".") and len(way.answers) == 36
    assert way.right == sum(map(is_right, records, way.answers))
    for record, answer in zip(records, way.answers, strict=True):
        assert score_record(record, said(answer)).correct == is_right(record, answer)


def test_frames_of_a_way_are_two_different_ones_of_the_record():
    for task in FRAME_TASKS:
        for record in frame_records(task, 12):
            for kind, number in (("single", 1), ("pair", 2)):
                for choose, field in CHOOSERS[kind].values():
                    if not field or field in record:
                        frames = choose(record)
                        assert len(frames) == len({*frames}) == number
                        assert list(frames) == sorted(frames)
                        assert frames[0] >= 0 and frames[-1] < len(record["image"])


def test_text_gives_away_a_path_by_the_number_of_images():
    records = frame_records("camera_path_length", 240, "train")
    guesser = fit([r | {"gt_value": 700 * len(r["image"])} for r in records])
    assert guesser.feature == "images" and "number of images" in FEATURES["images"][1]
    for record in frame_records("camera_path_length", 12):
        assert guesser.guess(record) == 700 * len(record["image"])


# Commands


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("scores")
    write_frame_records(root, 30)
    flags = ["--root", str(root), "--name", NAME]
    assert make_benchmark.main(flags) == 0
    assert make_baselines.main(flags) == 0
    return root


def test_baselines_tell_what_text_single_frames_and_pairs_give_away(root):
    folder = root / f"evaluation_data/{NAME}/v1_0/baselines"
    facts = json.loads((folder / "frames.json").read_text())
    assert facts.keys() == FRAME_TASKS.keys()
    for task, fact in facts.items():
        for kind in ("single", "pair"):
            scores = json.loads((folder / f"{kind}.scores.json").read_text())
            line = next(line for line in scores["subtasks"] if line["name"] == task)
            assert [fact[kind][k] for k in ("score", "low", "high")] == [
                line[k] for k in ("score", "low", "high")
            ]
            assert fact[kind]["frames"] in CHOOSERS[kind] and fact[kind]["rule"]
        assert fact["multi_frame"] == (fact["pair"]["low"] <= fact["chance"])
    truth = json.loads((folder / "truth.scores.json").read_text())
    assert {line["score"] for line in truth["subtasks"]} == {100}


def test_scores_have_further_columns_where_they_have_values(root):
    folder = root / f"evaluation_data/{NAME}/v1_0/baselines"
    with open(folder / "truth.scores.csv", newline="") as file:
        lines = {line["name"]: line for line in csv.DictReader(file) if not line["wording"]}
    assert lines["camera_net_turn"]["mra"] == lines["camera_net_turn"]["sign"] == "100.0"
    assert lines["relation_direction"]["mra"] == "" and lines[MEAN]["f1"] == ""
    verdicts = {v["task"]: v for v in read_jsonl(folder / "truth.verdicts.jsonl")}
    assert verdicts["correspondence_seen_where"]["f1"] == 1
    assert "f1" not in verdicts["relation_direction"]


def test_predictions_are_scored_by_the_name_of_the_benchmark(root, tmp_path, capsys):
    path = root / f"evaluation_data/{NAME}/v1_0/baselines/truth.jsonl"
    flags = ["--root", str(root), "--name", NAME, "--output", str(tmp_path)]
    assert score_predictions.main([*flags, str(path)]) == 0
    assert "Relation frames" in capsys.readouterr().out
    assert score_predictions.main([*flags, "--compare", str(path)]) == 0
    assert (tmp_path / "comparison.png").stat().st_size > 1000
    with raises_one_line(SettingsError, "--paper"):
        score_predictions.main([*flags, "--paper", str(path)])
    other = tmp_path / "other.jsonl"
    other.write_text('{"id": "x", "prediction": "A"}\n')
    with raises_one_line(BadDataError, "--name"):
        score_predictions.main([*flags, str(other)])
