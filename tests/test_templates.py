from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.templates import load_templates


def sound() -> dict[str, list[str]]:
    return {
        "task_descriptions": [f"Description number {k}." for k in range(30)],
        "questions": [f"Question {k} about {{x}} and {{y}}?" for k in range(30)],
        "answers": [f"Answer {k}: it is `{{answer}}`." for k in range(10)],
    }


SLOTS = frozenset({"x", "y"})


@pytest.fixture
def load(tmp_path):
    """Writes the groups to a file and loads it."""

    def write_and_load(groups, slots=SLOTS):
        text = groups if isinstance(groups, str) else json.dumps(groups)
        (tmp_path / "task.json").write_text(text, encoding="utf-8")
        return load_templates(tmp_path / "task.json", slots)

    return write_and_load


def test_a_sound_file_keeps_every_sentence_in_order(load):
    templates = load(sound())
    assert {name: list(group) for name, group in vars(templates).items()} == sound()


def planted(group: str, sentence) -> dict[str, list[str]]:
    groups = sound()
    groups[group][3] = sentence
    return groups


PLANTED = {
    "question without a slot": planted("questions", "Where is {x}?"),
    "question with a slot too many": planted("questions", "{x} {y} {z}?"),
    "question with a misspelt slot": planted("questions", "{x} {Y}?"),
    "question with a positional slot": planted("questions", "{x} {y} {}?"),
    "question with an attribute": planted("questions", "{x.real} {y}?"),
    "question with an open brace": planted("questions", "{x} {y} {?"),
    "question with a closing brace": planted("questions", "{x} {y} }?"),
    "description with a slot": planted("task_descriptions", "About {x}."),
    "answer without the slot": planted("answers", "It is `left`."),
    "answer without backticks": planted("answers", "It is {answer}."),
    "answer with a word in the backticks": planted("answers", "It is `{answer} mm`."),
    "answer with other backticks": planted("answers", "`It` is `{answer}`."),
    "answer with one backtick more": planted("answers", "It` is `{answer}`."),
    "answer with two slots in backticks": planted("answers", "`{answer}` or `{answer}`."),
    "answer given twice": planted("answers", "It is {answer}, so `{answer}`."),
    "answer with another slot": planted("answers", "At {x} it is `{answer}`."),
    "empty sentence": planted("questions", ""),
    "blank sentence": planted("answers", " \n"),
    "half a character": planted("task_descriptions", "a\ud800b"),
    "a line break": planted("task_descriptions", "one\ntwo"),
    "a number": planted("task_descriptions", 5),
    "a list": planted("questions", ["{x} {y}"]),
    "null": planted("answers", None),
    "repeated question": planted("questions", sound()["questions"][7]),
    "repeated answer in another case": planted("answers", "ANSWER 5: IT IS `{answer}`."),
    "repeated description": planted("task_descriptions", "description number 9."),
    "image mark": planted("task_descriptions", "Look at <image>."),
    "29 questions": {**sound(), "questions": sound()["questions"][1:]},
    "29 descriptions": {**sound(), "task_descriptions": sound()["task_descriptions"][1:]},
    "9 answers": {**sound(), "answers": sound()["answers"][1:]},
    "no answers": {k: v for k, v in sound().items() if k != "answers"},
    "a text for a list": {**sound(), "answers": "`{answer}`" * 10},
    "a number for a list": {**sound(), "answers": 10},
    "a list of groups": list(sound().values()),
    "not json": "{",
    "empty file": "",
}


@pytest.mark.parametrize("fault", PLANTED)
def test_every_planted_fault_is_found(load, fault):
    with raises_one_line(BadDataError, "task.json"):
        load(PLANTED[fault])


def test_the_sentence_at_fault_is_shown(load):
    with raises_one_line(BadDataError, "task.json", "Where is {x}?"):
        load(PLANTED["question without a slot"])


def test_no_file_is_missing(tmp_path):
    with raises_one_line(MissingInputError, tmp_path / "none.json"):
        load_templates(tmp_path / "none.json")


def test_without_question_slots_a_question_may_hold_none(load):
    plain = {**sound(), "questions": [f"Question {k}?" for k in range(30)]}
    assert len(load(plain, frozenset()).questions) == 30
    with raises_one_line(BadDataError, "task.json"):
        load(sound(), frozenset())


def test_draws_are_whole_sentences_evenly_and_independently(load):
    templates = load(sound())
    drawn = templates.draw(np.random.default_rng(0), 30_000)
    assert len(drawn) == 30_000
    groups = (templates.task_descriptions, templates.questions, templates.answers)
    for group, column in zip(groups, zip(*drawn, strict=True), strict=True):
        times = Counter(column)
        assert set(times) == set(group)
        mean = 30_000 / len(group)
        assert max(abs(number - mean) for number in times.values()) < 5 * mean**0.5
    pairs = Counter((question, answer) for _, question, answer in drawn)
    assert len(pairs) == 300
    assert max(pairs.values()) < 100 + 5 * 10


def test_draws_repeat_with_the_generator_and_none_are_none(load):
    templates = load(sound())
    again = [templates.draw(np.random.default_rng(5), 50) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0] != templates.draw(np.random.default_rng(6), 50)
    assert templates.draw(np.random.default_rng(0), 0) == []


# ---- variants ------------------------------------------------------------------------------------


def two_variants() -> dict[str, list[str]]:
    """Questions of their own for closer and farther, answers of their own for farther only."""
    groups = sound()
    for variant in ("closer", "farther"):
        groups[f"questions_{variant}"] = [
            f"Which is {variant} of {{x}} and {{y}}, case {k}?" for k in range(30)
        ]
    groups["answers_farther"] = [f"Farther {k}: `{{answer}}`." for k in range(10)]
    return groups


@pytest.fixture
def load_variant(tmp_path):
    def write_and_load(groups, variant):
        (tmp_path / "task.json").write_text(json.dumps(groups), encoding="utf-8")
        return load_templates(tmp_path / "task.json", SLOTS, variant)

    return write_and_load


def test_a_variant_has_its_own_lists_where_the_file_has_them(load_variant):
    groups = two_variants()
    for variant, answers in (("closer", "answers"), ("farther", "answers_farther")):
        templates = load_variant(groups, variant)
        assert list(templates.questions) == groups[f"questions_{variant}"]
        assert list(templates.answers) == groups[answers]
        assert list(templates.task_descriptions) == groups["task_descriptions"]
    assert list(load_variant(groups, "").questions) == groups["questions"]
    del groups["questions"]
    assert list(load_variant(groups, "closer").questions) == groups["questions_closer"]


def test_a_variant_that_the_file_does_not_have_is_the_plain_one_or_named(load_variant):
    groups = two_variants()
    assert list(load_variant(groups, "nearer").questions) == groups["questions"]
    del groups["questions"]
    for variant in ("nearer", ""):
        with raises_one_line(BadDataError, "task.json", "questions"):
            load_variant(groups, variant)


@pytest.mark.parametrize("fault", [f for f in PLANTED if "question" in f or "sentence" in f])
def test_faults_in_the_lists_of_a_variant_are_found(load_variant, fault):
    planted_groups = PLANTED[fault]
    groups = {**two_variants(), "questions_closer": planted_groups["questions"]}
    groups["answers_closer"] = planted_groups["answers"]
    with raises_one_line(BadDataError, "task.json"):
        load_variant(groups, "closer")
    assert load_variant(groups, "farther")
