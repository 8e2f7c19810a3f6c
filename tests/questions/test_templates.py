from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from conftest import REPOSITORY
from helpers import raises_one_line

from spatial_engine.audit.oracles import (
    camera_movement,
    correspondence,
    depth,
    movement,
    object_size,
)
from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.questions.records import format_value, make_record
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.questions.templates import load_templates


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


# ---- what the audit reads in the sentences -------------------------------------------------------

PLACES = ([37, 912], [0, 0], [1000, 1000])  # two of them are corners, by which questions explain
CATEGORIES = ("chair", "trash can", " t.v. ", "4 mm drill", "1200", "café table", 'a "bar"')


class Asked(NamedTuple):
    """What can be asked in a task: for each variant of its sentences the (gt_value, further fields)
    that there may be, and how a question is filled."""

    cases: dict[str, list[tuple[object, dict]]]
    fill: Callable[[str, dict], str] = lambda question, record: question


def camera_asked(name: str) -> Asked:
    values = TASKS[f"camera_{name}"].options or (0, 7, 180, 2310)
    if name == "displacement_vector":
        values = ([0, 0, 0], [-12, 340, 5], [1000, 0, 0])
    return Asked({"": [(value, {}) for value in values]})


def depth_asked(task: str) -> Asked:
    marked = TASKS[task].marked
    if TASKS[task].num_points == 1:
        points = [{"x": x, "y": y, "depth_mm": 1000, "letter": None} for x, y in PLACES]
        slot = (lambda q, r: q) if marked else fill_points("point")
        return Asked({"": [(1000, {"points_info": [p]}) for p in points]}, slot)
    cases: dict[str, list] = {"closer": [], "farther": []}
    for variant, closer in (("closer", True), ("farther", False)):
        for first, second in itertools.permutations(PLACES, 2):
            points = [
                {"x": x, "y": y, "depth_mm": depth, "letter": letter if marked else None}
                for (x, y), depth, letter in zip((first, second), (900, 2500), "AB", strict=True)
            ]
            chosen = points[0 if closer else 1]
            answer = chosen["letter"] if marked else [chosen["x"], chosen["y"]]
            cases[variant].append((answer, {"points_info": points, "is_closer_question": closer}))
    return Asked(cases, (lambda q, r: q) if marked else fill_points("point1", "point2"))


def fill_points(*slots: str) -> Callable[[str, dict], str]:
    def fill(question: str, extra: dict) -> str:
        points = [[p["x"], p["y"]] for p in extra.get("points_info", ())] or [extra["p1"]]
        for slot, point in zip(slots, points, strict=True):
            question = question.replace(f"{{{slot}}}", format_value(point))
        return question

    return fill


def correspondence_asked(task: str) -> Asked:
    pairs = [{"p1": p1, "p2": p2} for p1, p2 in itertools.product(PLACES, repeat=2)]
    if task == "correspondence_coor":
        cases = [(extra["p2"], extra) for extra in pairs]
        return Asked({"": cases}, fill_points("point"))
    cases = list(zip("ABCDABCDA", pairs, strict=True))
    return Asked({"": cases})


def movement_asked(prompt: str, quantity: str) -> Asked:
    still, moving = (0, (12, 1000)) if quantity == "distance" else ([0, 0, 0], ([1000, 0, -7],))
    cases = {
        "static": [(still, {"p1": p1}) for p1 in PLACES],
        "moving": [(value, {"p1": p1}) for value in moving for p1 in PLACES],
    }
    fill = fill_points("point") if prompt == "coord" else (lambda q, r: q)
    return Asked(cases, fill)


def asked_in(task: str) -> Asked:
    family, _, rest = task.partition("_")
    if family == "camera":
        return camera_asked(rest)
    if family == "depth":
        return depth_asked(task)
    if family == "correspondence":
        return correspondence_asked(task)
    if family == "movement":
        return movement_asked(*rest.split("_")[:2])
    cases = [(1200, {"raw_category": category}) for category in CATEGORIES]
    fill = lambda q, extra: q.replace("{category}", extra["raw_category"].strip())  # noqa: E731
    return Asked({"": cases}, fill)


def template_groups(task: str) -> dict[str, list[str]]:
    name = re.sub("_(adt|pstudio)$", "", task)
    (path,) = (REPOSITORY / "spatial_engine").glob(f"*/templates/{name}.json")
    return json.loads(path.read_text(encoding="utf-8"))


def audit_words(task: str, record: dict) -> list[str]:
    """What the audit says of question and answer."""
    if task.startswith("movement_"):
        return movement.check_words(record, "train", task.split("_")[1])
    oracle = {
        "camera": camera_movement, "depth": depth, "object": object_size,
        "correspondence": correspondence,
    }[task.partition("_")[0]]  # fmt: skip
    return oracle.check_words(record, "train")


@pytest.mark.parametrize("task", TASKS)
def test_the_audit_finds_every_combination_of_sentences_right(task):
    asked, groups = asked_in(task), template_groups(task)
    images, sizes, wrong, seen = (
        ["s/00000.jpg", "s/00005.jpg"][: TASKS[task].num_images],
        [(4, 3)] * 2,
        {},
        0,
    )
    for variant, cases in asked.cases.items():
        descriptions, questions, answers = (
            groups.get(f"{name}_{variant}", groups.get(name))
            for name in ("task_descriptions", "questions", "answers")
        )
        spoken = itertools.cycle(answers)
        for (value, extra), question in itertools.product(cases, questions):
            filled = asked.fill(question, extra)
            for description in descriptions:
                sentences = (description, filled, next(spoken))
                asked_about = (images, sizes, task)
                record = make_record("train", "an id", *asked_about, sentences, value, extra)
                seen += 1
                if found := audit_words(task, record):
                    wrong[found[0]] = record
    assert seen >= 900 and not wrong, next(iter(wrong.items()))


@pytest.mark.parametrize("task", ["depth_comparison_coor", "depth_comparison_dot"])
def test_the_audit_reads_the_side_in_nearly_every_question(task):
    groups = template_groups(task)
    judged = 0
    for variant, closer in (("closer", True), ("farther", False)):
        for question in groups[f"questions_{variant}"]:
            sides = depth.compared(question)
            assert sides[closer] or not sides[not closer], question
            judged += bool(sides[closer]) and not sides[not closer]
    assert judged >= 0.9 * 60
