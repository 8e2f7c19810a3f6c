"""Models compared on the same questions: what is told of a difference, and the files of it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest
from report_samples import record, write_benchmark

from spatial_engine.evaluation import score_predictions
from spatial_engine.evaluation.differences import (
    MARK,
    compare_to_first,
    plot_differences,
    print_differences,
)
from spatial_engine.evaluation.predictions import Predictions
from spatial_engine.evaluation.results import MEAN, Results, score_model
from spatial_engine.evaluation.scene_bootstrap import FEW_SCENES, draw_weights
from spatial_engine.utils.questions.records import format_value, write_jsonl

TASKS = {"camera_x_movement": "left", "camera_pitch_movement": "up", "object_height": 1000}
SCENES = 12


def questions(scenes: int = SCENES, each: int = 4) -> list[dict]:
    """Records of three tasks in so many scenes."""
    extra = {"answer_values": {}, "object_id": 1}
    return [
        record(task, scene * each + number, "val", truth, 1, **extra)
        | {"image": [f"scene{scene:04d}_00/00000.jpg"]}
        for task, truth in TASKS.items()
        for scene in range(scenes)
        for number in range(each)
    ]


def model(records: list[dict], share: float, seed: int) -> Results:
    """A model that answers about such a share of the questions rightly."""
    rng = np.random.default_rng(seed)
    texts = {
        one["id"]: f"`{format_value(one['gt_value'])}`" if rng.random() < share else "no idea"
        for one in records
    }
    return score_model(records, Predictions(texts))


def by_name(found) -> dict:
    return {one.name: one for one in found}


def test_a_difference_is_that_of_the_scores_in_every_resample():
    records = questions()
    a, b = model(records, 0.3, 1), model(records, 0.6, 2)
    found = by_name(compare_to_first({"a": a, "b": b}))
    (weights,) = draw_weights(SCENES, 0)
    for name, row in (("object_height", "Object size"), ("camera_x_movement", None)):
        right = [
            np.array([v["correct"] for v in results.verdicts if v["task"] == name], float)
            for results in (a, b)
        ]
        scene = np.arange(len(right[0])) // 4
        asked = np.bincount(scene)
        gains = np.bincount(scene, right[1] - right[0])
        drawn = np.sort([100 * (w @ gains) / (w @ asked) for w in weights])
        one = found[name]
        assert one.difference == pytest.approx(100 * (right[1] - right[0]).mean())
        wider = 0.0105  # of t with 11 degrees of freedom, 12 scenes
        assert (one.low, one.high) == pytest.approx(np.quantile(drawn, [wider, 1 - wider]), abs=1.5)
        if row:
            assert found[row].difference == pytest.approx(one.difference)
            assert (found[row].low, found[row].high) == (one.low, one.high)
    assert found[MEAN].score == pytest.approx(b.rows[-1].score)
    assert found[MEAN].differs and found[MEAN].low > 0
    assert found[MEAN].scenes == SCENES


def test_a_model_does_not_differ_from_itself_and_the_other_way_round_is_the_opposite():
    records = questions()
    a, b = model(records, 0.4, 1), model(records, 0.5, 2)
    for one in compare_to_first({"a": a, "same": model(records, 0.4, 1)}):
        assert (one.difference, one.low, one.high, one.differs) == (0, 0, 0, False)
    there = compare_to_first({"a": a, "b": b})
    back = compare_to_first({"b": b, "a": a})
    assert len(there) == 3 + 3 + 1  # subtasks, rows, their mean
    for one, other in zip(there, back, strict=True):
        assert (one.difference, one.low, one.high) == (-other.difference, -other.high, -other.low)
        assert one.differs == other.differs
        assert (one.score, one.first_score) == (other.first_score, other.score)


def test_what_is_hard_about_a_scene_drops_out_of_a_difference():
    """Both models fail in the same scenes; one is a little better everywhere else."""
    records = questions(SCENES, 8)
    hard = {f"scene{scene:04d}_00" for scene in range(0, SCENES, 2)}

    def answers(misses: int) -> Results:
        texts = {
            one["id"]: f"`{format_value(one['gt_value'])}`"
            for k, one in enumerate(records)
            if one["image"][0].split("/")[0] not in hard and k % 8 >= misses
        }
        return score_model(records, Predictions(texts))

    a, b = answers(2), answers(1)
    found = by_name(compare_to_first({"a": a, "b": b}))[MEAN]
    line = a.rows[-1]
    assert found.differs and found.high - found.low < 10
    assert line.scenes_high - line.scenes_low > 30  # of one model alone
    assert line.scenes_high - line.scenes_low > line.high - line.low


def test_few_scenes_are_told_and_get_no_mark(capsys):
    for scenes in (1, 2, FEW_SCENES - 1, FEW_SCENES):
        records = questions(scenes)
        models = {"none": model(records, 0, 1), "all": model(records, 1, 1)}
        found = compare_to_first(models)
        assert {one.differs for one in found} == {scenes >= FEW_SCENES}
        assert {isnan(one.low) for one in found} == {scenes < 2}
        assert {one.scenes for one in found} == {scenes}
        print_differences(found)
        told = capsys.readouterr().out
        assert ("fewer than 10 scenes" in told) == (scenes < FEW_SCENES)
        row = next(line for line in told.splitlines() if line.strip().startswith(MEAN))
        assert ("+100.00" in row) and (MARK in row) == (scenes >= FEW_SCENES)


def test_a_plot_of_differences_has_room_for_missing_intervals_and_many_models(tmp_path):
    records = questions()
    models = {f"model {k}": model(records, k / 6, k) for k in range(6)}
    found = compare_to_first(models)
    found[-1] = replace(found[-1], low=nan, high=nan)
    plot_differences(found, tmp_path / "one.png")
    plot_differences(found, tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_writes_what_it_prints(tmp_path, capsys):
    benchmark = write_benchmark(tmp_path, 8)
    said = {"truth": lambda value, k: value, "half": lambda value, k: value if k % 2 else "?"}
    paths = []
    for name, answer in said.items():
        paths.append(tmp_path / f"{name}.jsonl")
        write_jsonl(paths[-1], [
            {"id": r["id"], "prediction": f"`{answer(format_value(json.loads(r['gt_value'])), k)}`"}
            for k, r in enumerate(benchmark)
        ])  # fmt: skip
    flags = ["--root", str(tmp_path), "--compare", *map(str, paths)]
    assert score_predictions.main(flags) == 0
    printed = capsys.readouterr().out
    assert "difference to truth" in printed and "differences.png" in printed
    assert "11 lines ask about fewer than 10 scenes" in printed  # 5 tasks, their rows, the mean
    made = {name: (tmp_path / f"comparison.{name}").read_bytes() for name in ("csv", "json")}
    told = json.loads(made["json"])
    assert (told["seed"], len(told["differences"])) == (0, 11)
    with open(tmp_path / "comparison.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    for line, one in zip(lines, told["differences"], strict=True):
        assert line == {name: str(value) for name, value in one.items()}
        assert (one["first"], one["model"], one["difference"]) == ("truth", "half", -50)
        assert (one["scenes"], one["differs"]) == (2, False)
    assert (tmp_path / "differences.png").read_bytes().startswith(b"\x89PNG")
    scores = json.loads((tmp_path / "half.scores.json").read_text())
    assert scores["rows"][-1]["scenes"] == 2
    assert score_predictions.main(flags) == 0
    assert {n: (tmp_path / f"comparison.{n}").read_bytes() for n in made} == made
