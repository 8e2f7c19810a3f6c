"""Debiasing: what text gives away is found and goes, the rest stays; no scene is learnt from."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from biased_questions import make_candidates
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spatial_engine.evaluation.baselines import wording_baseline
from spatial_engine.evaluation.debiasing.balance import balance
from spatial_engine.evaluation.debiasing.debias import CONSTANT, UNBALANCED, debias
from spatial_engine.evaluation.debiasing.exchange import exchange
from spatial_engine.evaluation.debiasing.guesses import answers_to
from spatial_engine.evaluation.debiasing.predictors import RIDGE, WORDS, folds_of, predict
from spatial_engine.evaluation.debiasing.texts import features_of, words_of
from spatial_engine.evaluation.results import chance_levels, wilson
from spatial_engine.utils.questions.record_files import place_of

WANTED, SCENES = 100, 24


def run(records: list[dict], wanted: int = WANTED, seed: int = 0):
    return debias(records, wanted, folds=5, rounds=20, seed=seed)


def scenes_of(records: list[dict]) -> list[str]:
    return [place_of(record["task"], record["image"][0]) for record in records]


def of_scene(record: dict) -> str:
    return scenes_of([record])[0]


# What is planted goes


def planted_word(records: list[dict]) -> list[dict]:
    """Eight of ten questions say the answer by a word of their own."""
    rng = np.random.default_rng(1)
    for record in records:
        other = {"left": "right", "right": "left"}[record["gt_value"]]
        said = record["gt_value"] if rng.random() < 0.8 else other
        record["text"] += f" {dict(left='Hence', right='Thus')[said]}."
    return records


@pytest.mark.parametrize(
    ("task", "plant", "before", "reason"),
    [
        ("camera_x_movement", planted_word, 70, WORDS),
        ("camera_x_movement", None, 70, UNBALANCED),
        ("depth_comparison_coor", None, 60, "order"),
        ("object_height", None, 35, "category"),
        ("depth_estimation_coor", None, 35, "cell"),
        ("camera_yaw_angle", None, 25, CONSTANT),
    ],
)
def test_what_is_planted_is_brought_down_to_chance(task, plant, before, reason):
    records = make_candidates(task, 1300, SCENES, seed=3, biased=plant is None)
    done = run(plant(records) if plant else records)
    assert done.before.score > before and done.before.low > done.before.chance
    assert done.after.is_chance and not done.why
    assert done.pruned[reason] >= 5
    assert sum(done.pruned.values()) == sum(done.chosen >= WANTED)
    assert len(done.chosen) == len(set(done.chosen.tolist())) == WANTED
    kept = [records[one] for one in done.chosen]
    assert done.after.chance == chance_levels(kept)[task]
    # Judged by another predictor, learnt from candidates that are not in, of the other scenes.
    right = []
    for half in (0, 1):
        first = set(sorted(set(scenes_of(records)))[half::2])
        learnt = [r for n, r in enumerate(records)
                  if n not in set(done.chosen.tolist()) and of_scene(r) in first]  # fmt: skip
        guesser = wording_baseline.fit(learnt)
        right += [wording_baseline.is_right(r, guesser.guess(r)) for r in kept
                  if of_scene(r) not in first]  # fmt: skip
    assert len(right) == WANTED
    assert 100 * wilson(float(np.mean(right)), WANTED)[0] <= done.after.chance


def test_choices_are_balanced_over_the_file_and_within_scenes():
    records = make_candidates("camera_z_movement", 1500, SCENES, seed=4)
    kept = [records[one] for one in run(records).chosen]
    assert Counter(record["gt_value"] for record in kept) == {"forward": 50, "backward": 50}
    by_scene = Counter((of_scene(record), record["gt_value"]) for record in kept)
    for scene in set(scenes_of(kept)):
        assert abs(by_scene[scene, "forward"] - by_scene[scene, "backward"]) <= 1


@pytest.mark.parametrize("task", ["camera_x_movement", "object_width", "depth_comparison_dot"])
def test_what_has_no_bias_is_left_nearly_as_it_was(task):
    records = make_candidates(task, 1500, SCENES, seed=5, biased=False)
    done = run(records)
    assert sum(done.chosen < WANTED) >= 0.7 * WANTED
    assert done.after.is_chance


def test_too_few_candidates_are_all_kept_and_it_is_told():
    records = make_candidates("object_height", 100, SCENES, seed=6)
    done = run(records)
    assert done.chosen.tolist() == list(range(100)) and not done.pruned
    assert done.before == done.after and not done.after.is_chance
    assert "100 candidates for 100 questions" in done.why


def test_one_scene_cannot_be_tried_and_it_is_told():
    done = run(make_candidates("camera_total_distance", 60, 1, seed=7), 30)
    assert len(done.chosen) == 30 and np.isnan(done.after.score)
    assert "one scene" in done.why and done.as_json()["after"]["score"] is None


def test_one_question_alone_is_kept():
    assert run(make_candidates("object_length", 1, 1, seed=8)).chosen.tolist() == [0]


def test_the_seed_decides_and_nothing_else():
    records = make_candidates("object_height", 300, SCENES, seed=9)
    one, same, other = (run(records, 40, seed).as_json() for seed in (0, 0, 1))
    assert one == same != other


# Predictors


def views(records: list[dict]):
    return answers_to(records), features_of(records), words_of(records)


def test_a_scene_is_in_one_fold():
    records = make_candidates("camera_x_movement", 400, SCENES, seed=10)
    folds = folds_of(scenes_of(records), 5, 0, "a")
    assert set(folds.tolist()) == set(range(5))
    assert len(set(zip(scenes_of(records), folds.tolist(), strict=True))) == SCENES
    assert max(Counter(folds.tolist()).values()) < 400 / 5 * 1.6
    assert (folds != folds_of(scenes_of(records), 5, 0, "b")).any()


def test_no_scene_is_learnt_from():
    """The answer is the same all over a scene, and the text names the scene: who learns of the
    scene itself knows all, who learns of the others knows nothing."""
    records = make_candidates("camera_x_movement", 600, SCENES, seed=11, biased=False)
    rng = np.random.default_rng(12)
    names = sorted(set(scenes_of(records)))
    told = dict(zip(names, rng.permutation(["left", "right"] * (SCENES // 2)), strict=True))
    for record, scene in zip(records, scenes_of(records), strict=True):
        record["gt_value"] = str(told[scene])
        record["text"] = f"<image>\nSince {'abcdefghijklmnopqrstuvwx'[names.index(scene)] * 3}?"
    right, features, words = views(records)
    everything = np.ones(len(records), bool)
    fair = predict(right, features, words, folds_of(scenes_of(records), 5, 0), everything)
    leaky = predict(right, features, words, np.arange(len(records)) % 5, everything)
    for name in ("sentence", WORDS):
        assert leaky[name].mean() == 1
        assert fair[name].mean() < 0.6


@pytest.mark.parametrize("task", ["object_height", "depth_comparison_coor", "camera_yaw_angle"])
def test_features_predict_as_the_wording_baseline(task):
    records = make_candidates(task, 180, SCENES, seed=13)
    right, features, words = views(records)
    folds = folds_of(scenes_of(records), 4, 0)
    trained = np.random.default_rng(14).random(len(records)) < 0.8
    found = predict(right, features, words, folds, trained)
    assert set(found) == {*features, WORDS}
    for name in features:
        for fold in range(4):
            known = [r for r, t, f in zip(records, trained, folds, strict=True) if t and f != fold]
            guesser = wording_baseline.fit_feature(known, name)
            asked = np.flatnonzero(folds == fold)
            said = [wording_baseline.is_right(records[n], guesser.guess(records[n])) for n in asked]
            # Of answers that are right equally often the two may take another.
            assert np.mean(found[name][asked] == said) > (0.9 if right.shape[0] == 2 else 0.7)


def test_the_linear_model_is_ridge_regression_both_ways():
    """Against its definition by least squares, with fewer questions than columns and with more."""
    records = make_candidates("camera_x_movement", 120, SCENES, seed=15)
    right, _, words = views(records)
    folds = folds_of(scenes_of(records), 3, 0)
    everything = np.ones(len(records), bool)
    for table in (words, words[:, :40]):  # solved for the questions, for the columns
        found = predict(right, {}, table, folds, everything)[WORDS]
        for fold in range(3):
            known, asked = folds != fold, folds == fold
            truths = right[:, known].T.astype(float)
            usual = truths.mean(axis=0)
            rows = np.vstack([table[known], np.sqrt(RIDGE) * np.eye(table.shape[1])])
            zeros = np.zeros((table.shape[1], len(right)))
            weights = np.linalg.lstsq(rows, np.vstack([truths - usual, zeros]), rcond=None)[0]
            values = table[asked] @ weights + usual
            clear = np.abs(values[:, 0] - values[:, 1]) > 1e-4
            answers = values.argmax(axis=1)
            expected = right[answers, np.flatnonzero(asked)]
            assert clear.sum() > 20 and (found[asked] == expected)[clear].all()


@pytest.mark.parametrize("task", ["depth_comparison_coor", "movement_dot_vector_adt"])
def test_answers_are_right_where_the_scorer_says_so(task):
    records = make_candidates(task, 40, SCENES, seed=16)
    right = answers_to(records)
    assert right.any(axis=0).all()  # the true answer is among those tried
    if task == "depth_comparison_coor":
        assert (right.sum(axis=0) == 1).all()
    else:
        shares = right.sum() - len(records)
        expected = chance_levels(records)[task] * len(records) * (len(records) - 1) / 100
        assert len(right) == len(records) and shares == pytest.approx(expected)


# What is taken for what

ARRAYS = st.integers(6, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.booleans(), min_size=n, max_size=n).filter(any),
        st.lists(st.integers(0, 2), min_size=n, max_size=n),
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
    )
)


@settings(max_examples=30, deadline=None)
@given(ARRAYS)
def test_balance_keeps_the_number_whatever_there_is(drawn):
    chosen, answers, scenes = map(np.array, drawn)
    assert balance(chosen, answers, scenes).sum() == chosen.sum()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(2, 4), st.integers(1, 20), st.integers(0, 99))
@example(num_scenes=3, kinds=2, wanted=15, seed=22)
def test_balance_is_even_where_there_is_enough(num_scenes, kinds, wanted, seed):
    pairs = np.array([(s, a) for s in range(num_scenes) for a in range(kinds)] * wanted)
    scenes, answers = np.random.default_rng(seed).permutation(pairs).T
    kept = balance(np.arange(len(pairs)) < wanted, answers, scenes)
    assert np.ptp(np.bincount(answers[kept], minlength=kinds)) <= 1
    for scene in range(num_scenes):
        assert np.ptp(np.bincount(answers[kept & (scenes == scene)], minlength=kinds)) <= 1
    assert (balance(kept, answers, scenes) == kept).all()


@settings(max_examples=30, deadline=None)
@given(ARRAYS, st.integers(0, 99))
def test_exchange_keeps_strata_and_lessens_what_is_too_much(drawn, seed):
    chosen, answers, scenes = map(np.array, drawn)
    solved = np.random.default_rng(seed).random((5, len(chosen))) < 0.5
    strata, before = scenes * 3 + answers, chosen.copy()
    pairs = exchange(chosen, solved, 0.3, 0.05, [strata])
    now = before.copy()
    for out, into, column in pairs:
        assert now[out] and not now[into] and strata[out] == strata[into]
        assert solved[column, out] and not solved[column, into]
        now[out], now[into] = False, True
    assert (now == chosen).all()

    def too_much(one):
        return (np.clip(solved[:, one].mean(axis=1) - 0.35, 0, None) ** 2).sum()

    assert too_much(chosen) < too_much(before) if pairs else (chosen == before).all()
