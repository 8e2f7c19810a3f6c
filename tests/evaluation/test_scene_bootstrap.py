"""Intervals over scenes: against a slow resampling by question, and how often they hold."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial_engine.evaluation import scene_bootstrap
from spatial_engine.evaluation.scene_bootstrap import draw_weights, interval, resample

ROWS = {"both": ["a", "b"], "one": ["c"], "none": ["d"]}
MEAN = "mean"
SCENES = ("room", "hall", "bath", "roof", "shed")


def asked(rng: np.random.Generator, number: int = 150) -> list[tuple[str, str]]:
    """Questions (task, scene); `c` is asked about two scenes only."""
    places = {"a": SCENES, "b": SCENES, "c": SCENES[:2]}
    tasks = rng.choice(list(places), number)
    return [(str(task), str(rng.choice(places[task]))) for task in tasks]


def slow_score(questions, right, weights) -> dict[str, float]:
    """Scores in percent of the questions, each as often as its scene was drawn."""
    drawn = dict(zip(sorted({scene for _, scene in questions}), weights, strict=True))
    by_task: dict[str, list[float]] = {}
    for (task, scene), value in zip(questions, right, strict=True):
        for _ in range(int(drawn[scene])):
            by_task.setdefault(task, []).append(value)
    scores = {task: 100 * sum(found) / len(found) for task, found in by_task.items()}
    rows = {}
    for row, tasks in ROWS.items():
        if there := [scores[task] for task in tasks if task in scores]:
            rows[row] = sum(there) / len(there)
    return scores | rows | {MEAN: sum(rows.values()) / len(rows)}


@pytest.mark.parametrize("seed", range(3))
def test_every_resample_scores_as_the_questions_it_draws(seed):
    rng = np.random.default_rng(seed)
    questions = asked(rng)
    right = rng.random(len(questions)) < 0.4
    found = resample(questions, right, ROWS, MEAN, seed, 300)
    (weights,) = draw_weights(len(SCENES), seed, 300)
    assert (weights.sum(axis=1) == len(SCENES)).all()
    lost = 0
    for number, mine in enumerate(weights):
        wanted = slow_score(questions, right, mine)
        for name, values in found.scores.items():
            if name in wanted:
                assert values[number] == pytest.approx(wanted[name])
            else:  # none of the two scenes was drawn
                assert isnan(values[number])
                lost += 1
    assert lost > 10
    assert found.scenes == {"a": 5, "b": 5, "c": 2, "both": 5, "one": 2, MEAN: 5}


def test_the_interval_is_that_of_a_slow_bootstrap_of_many_scenes():
    """With many scenes the percentiles are the usual ones, 2.5 and 97.5."""
    rng = np.random.default_rng(5)
    questions = [("a", f"{number // 4:03d}") for number in range(1200)]
    right = rng.random(1200) < rng.random(300).repeat(4)
    low, high = resample(questions, right, ROWS, MEAN, 0, 2000).interval("a")
    shares = right.reshape(300, 4).mean(axis=1)
    slow = [100 * shares[rng.integers(300, size=300)].mean() for _ in range(2000)]
    assert (low, high) == pytest.approx(np.percentile(slow, [2.5, 97.5]), abs=0.5)
    independent = 196 * np.sqrt(right.mean() * (1 - right.mean()) / 1200)
    assert high - low > 1.2 * 2 * independent


def test_the_interval_of_two_models_holds_no_difference_as_often_as_it_says():
    """Two models of equal skill, each with scenes that it finds easier. The interval over scenes
    holds 0 in about 95 percent of the trials; that over questions far less often."""
    scenes, each, trials = 20, 10, 300
    rng = np.random.default_rng(1)
    number = scenes * each
    by_scene = [("a", f"{question // each}") for question in range(number)]
    alone = [("a", f"{question}") for question in range(number)]
    held = np.zeros(2)
    for trial in range(trials):
        skill = 1 / (1 + np.exp(-rng.normal(size=(2, scenes)).repeat(each, axis=1)))
        first, second = rng.random((2, number)) < skill
        for way, questions in enumerate((by_scene, alone)):
            drawn = resample(questions, first - 1.0 * second, ROWS, MEAN, trial, 250)
            low, high = drawn.interval("a")
            held[way] += low <= 0 <= high
    share, naive = held / trials
    assert 0.92 <= share <= 0.98
    assert naive < 0.85


@given(
    values=st.lists(st.floats(-100, 100) | st.just(float("nan")), min_size=1, max_size=50),
    scenes=st.integers(0, 40),
)
def test_the_interval_of_the_negated_is_the_negated_interval(values, scenes):
    low, high = interval(np.array(values), scenes)
    other = interval(-np.array(values), scenes)
    if scenes < 2 or np.isnan(values).all():
        assert np.isnan([low, high, *other]).all()
    else:
        assert (low, high) == (-other[1], -other[0])
        assert low <= high


def test_fewer_scenes_give_a_wider_interval_of_the_same_values():
    values = np.random.default_rng(0).normal(size=10_000)
    widths = [high - low for low, high in (interval(values, n) for n in (2, 5, 10, 30, 5000))]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == np.ptp(values)
    assert widths[-1] == pytest.approx(2 * 1.96, rel=0.05)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_resamples_repeat_and_do_not_depend_on_the_order_of_the_questions(seed):
    rng = np.random.default_rng(seed)
    questions = asked(rng)
    right = rng.random(len(questions)) < 0.5
    order = rng.permutation(len(questions))
    one = resample(questions, right, ROWS, MEAN, seed, 50)
    two = resample([questions[k] for k in order], right[order], ROWS, MEAN, seed, 50)
    assert one.scores.keys() == two.scores.keys()
    for name, values in one.scores.items():
        assert np.array_equal(values, two.scores[name], equal_nan=True)


def test_neither_blocks_nor_another_model_change_the_scenes_that_are_drawn(monkeypatch):
    whole = np.concatenate(list(draw_weights(7, 3, 100)))
    monkeypatch.setattr(scene_bootstrap, "BLOCK", 50)
    parts = list(draw_weights(7, 3, 100))
    assert len(parts) == 15 and max(part.size for part in parts) <= 50
    assert np.array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole, np.concatenate(list(draw_weights(7, 4, 100))))
