from __future__ import annotations

import argparse
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
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
from spatial_engine.evaluation.answer_reading.answers import read_answer
from spatial_engine.utils.questions import templates as module
from spatial_engine.utils.questions.records import format_value, make_record
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.questions.templates import (
    BARE_SHARE,
    REGISTER_SHARES,
    WORDINGS,
    Phrase,
    check_file,
    load_forms,
    load_templates,
)

ONE_POINT, TWO_POINTS = "depth_estimation_coor", "depth_comparison_coor"
COUNTS = {"conventions": 8, "questions": 30, "full": 10, "heldout": 5}
# Those of three to eight frames: test_frame_templates.py.
OF_ONE_OR_TWO = [name for name, task in TASKS.items() if not task.of_frames]
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven")


def sound(slots: str = "{point}") -> dict[str, list[str] | str]:
    groups: dict[str, list[str] | str] = {
        name: [f"Of {name} number {k}{'' if name == 'conventions' else f' {slots}'}."
               for k in range(count)]
        for name, count in COUNTS.items()
    }  # fmt: skip
    groups["plain"] = f"How far is {slots}?"
    groups["answers"] = [f"Answer {k}: it is `{{answer}}`." for k in NUMBERS[:5]]
    return groups


@pytest.fixture
def load(tmp_path):
    """Writes the groups to the file of a task and loads it."""

    def write_and_load(groups, task=ONE_POINT, **more):
        text = groups if isinstance(groups, str) else json.dumps(groups)
        (tmp_path / f"{task}.json").write_text(text, encoding="utf-8")
        return load_templates(tmp_path, task, **more)

    return write_and_load


def test_a_sound_file_keeps_every_sentence_in_order(load):
    (variant,) = load(sound()).variants
    expected = {**sound(), "plain": [sound()["plain"]]}
    assert {name: list(group) for name, group in vars(variant).items()} == expected


def planted(group: str, sentence) -> dict:
    groups = sound()
    groups[group][3] = sentence
    return groups


PLANTED = {
    "question without a slot": planted("questions", "Where is it?"),
    "question with a slot too many": planted("questions", "{point} {z}?"),
    "question with a misspelt slot": planted("questions", "{Point}?"),
    "question with a positional slot": planted("questions", "{point} {}?"),
    "question with an attribute": planted("questions", "{point.real}?"),
    "question with a format": planted("questions", "{point:3}?"),
    "question with an open brace": planted("questions", "{point} {?"),
    "question with a closing brace": planted("questions", "{point} }?"),
    "question of 26 words": planted("questions", "{point}" + " word" * 25),
    "question with backticks": planted("questions", "{point}, as `5`?"),
    "full question of 61 words": planted("full", "{point}" + " word" * 60),
    "full question without a slot": planted("full", "Where is it?"),
    "held-out question without a slot": planted("heldout", "Where is it?"),
    "held-out question of 26 words": planted("heldout", "{point}" + " word" * 25),
    "held-out question that is trained on": planted("heldout", sound()["questions"][7]),
    "full question that is a short one": planted("full", sound()["questions"][7].upper()),
    "plain question that is another": {**sound(), "plain": sound()["full"][2]},
    "plain question without a slot": {**sound(), "plain": "How far?"},
    "two plain questions": {**sound(), "plain": ["How far is {point}?", "{point}?"]},
    "convention with a slot": planted("conventions", "About {point}."),
    "answer without the slot": planted("answers", "It is `left`."),
    "answer without backticks": planted("answers", "It is {answer}."),
    "answer with a word in the backticks": planted("answers", "It is `{answer} mm`."),
    "answer with other backticks": planted("answers", "`It` is `{answer}`."),
    "answer with one backtick more": planted("answers", "It` is `{answer}`."),
    "answer with two slots in backticks": planted("answers", "`{answer}` or `{answer}`."),
    "answer given twice": planted("answers", "It is {answer}, so `{answer}`."),
    "answer with another slot": planted("answers", "At {point} it is `{answer}`."),
    "answer with a number": planted("answers", "In Image-1 it is `{answer}`."),
    "answer with a letter": planted("answers", "A mark: `{answer}`."),
    "bare answer": planted("answers", "`{answer}`"),
    "empty sentence": planted("questions", ""),
    "blank sentence": planted("answers", " \n"),
    "sentence with spaces before it": planted("conventions", " It is so."),
    "half a character": planted("conventions", "a\ud800b"),
    "a line break": planted("conventions", "one\ntwo"),
    "a number": planted("conventions", 5),
    "a list": planted("questions", ["{point}"]),
    "null": planted("answers", None),
    "repeated question": planted("questions", sound()["questions"][7]),
    "repeated answer in another case": planted("answers", "ANSWER ONE: IT IS `{answer}`."),
    "repeated convention": planted("conventions", "of conventions number 7."),
    "image mark": planted("conventions", "Look at <image>."),
    "29 questions": {**sound(), "questions": sound()["questions"][1:]},
    "31 questions": {**sound(), "questions": [*sound()["questions"], "At {point}?"]},
    "7 conventions": {**sound(), "conventions": sound()["conventions"][1:]},
    "4 held-out questions": {**sound(), "heldout": sound()["heldout"][1:]},
    "3 answers": {**sound(), "answers": sound()["answers"][:3]},
    "7 answers": {**sound(), "answers": [f"It is {k} `{{answer}}`." for k in NUMBERS]},
    "no answers": {k: v for k, v in sound().items() if k != "answers"},
    "list of an unknown name": {**sound(), "question": ["At {point}?"] * 30},
    "list of an unknown variant": {**sound(), "plain_nearer": "How near is {point}?"},
    "a text for a list": {**sound(), "answers": "`{answer}`" * 10},
    "a number for a list": {**sound(), "answers": 10},
    "a list of groups": list(sound().values()),
    "not json": "{",
    "empty file": "",
}


@pytest.mark.parametrize("fault", PLANTED)
def test_every_planted_fault_is_found(load, fault):
    with raises_one_line(BadDataError, f"{ONE_POINT}.json"):
        load(PLANTED[fault])


def test_the_sentence_at_fault_is_shown(load):
    with raises_one_line(BadDataError, f"{ONE_POINT}.json", "Where is it?"):
        load(PLANTED["question without a slot"])


def test_no_file_is_missing_and_a_file_of_no_task_is_named(tmp_path):
    with raises_one_line(MissingInputError, tmp_path / f"{ONE_POINT}.json"):
        load_templates(tmp_path, ONE_POINT)
    with raises_one_line(BadDataError, tmp_path / "none.json"):
        check_file(tmp_path / "none.json")


def test_words_are_counted_without_signs_between_them(load):
    spaced = "[ x , y ] of {point} is" + " word" * 20
    assert spaced in load(planted("questions", spaced)).variants[0].questions
    with raises_one_line(BadDataError, "26 words"):
        load(planted("questions", f"{spaced} word"))


@pytest.mark.parametrize(
    ("fault", "forms"),
    {
        "one too few": {"mm": ["Give the number."] * 5},
        "repeated": {"mm": ["Give the number."] * 6},
        "an example": {"mm": [f"Give {k} alone." for k in (*NUMBERS[:5], 5)]},
        "long": {"mm": [f"{k} {'word ' * 14}word" for k in NUMBERS[:6]]},
        "with a slot": {"mm": [f"{k} {{answer}}" for k in NUMBERS[:6]]},
        "of an unknown answer": {"cm": [f"Give {k}." for k in NUMBERS[:6]]},
    }.items(),
)
def test_faults_in_the_lines_that_ask_for_the_bare_answer_are_found(tmp_path, fault, forms):
    sound_forms = {name: list(lines) for name, lines in load_forms().items()}
    path = tmp_path / "forms.json"
    path.write_text(json.dumps(sound_forms))
    assert load_forms(path) == load_forms()
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(sound_forms | forms))
    with raises_one_line(BadDataError, path):
        load_forms(path)


# ---- draws ---------------------------------------------------------------------------------------

MANY = 30_000


class Said(NamedTuple):
    """A drawn phrase, taken apart: what stands before the question, its list, the form asked."""

    opening: str
    group: str
    asked: str
    form: str
    answer: str
    wording: str


def taken_apart(found: list[Phrase], groups: dict) -> list[Said]:
    lists = {name: list(group) if isinstance(group, list) else [group]
             for name, group in groups.items()}  # fmt: skip
    group_of = {s: name for name in ("questions", "full", "plain", "heldout") for s in lists[name]}
    said, forms = [], load_forms()["mm"]
    for asked, answer, wording, opening, form in found:
        assert not opening or opening.endswith("\n")
        assert not form or (form[0] == " " and form[1:] in forms)
        said.append(Said(opening[:-1], group_of[asked], asked, form[1:], answer, wording))
    return said


def is_share(number: int, of: int, share: float) -> bool:
    """Whether a count fits a share, within five standard deviations."""
    return abs(number - of * share) <= 5 * (of * share * (1 - share)) ** 0.5


def test_training_draws_the_registers_by_their_shares_and_each_sentence_evenly(load):
    groups = sound()
    said = taken_apart(load(groups).draw(np.random.default_rng(0), "train", MANY), groups)
    registers = Counter(one.group for one in said)
    assert set(registers) == set(REGISTER_SHARES)
    for name, share in REGISTER_SHARES.items():
        assert is_share(registers[name], MANY, share)
        of_it = [one for one in said if one.group == name]
        sentences = Counter(one.asked for one in of_it)
        assert set(sentences) == set([groups[name]] if name == "plain" else groups[name])
        for number in sentences.values():
            assert is_share(number, len(of_it), 1 / len(sentences))
        openings = {one.opening for one in of_it}
        assert openings == (set(groups["conventions"]) if name == "questions" else {""})
    assert not any(one.wording for one in said)
    pairs = Counter((one.opening, one.asked) for one in said if one.group == "questions")
    assert len(pairs) == 8 * 30


def test_the_bare_answer_is_given_where_it_is_asked_for_and_nowhere_else(load):
    groups = sound()
    said = taken_apart(load(groups).draw(np.random.default_rng(1), "train", MANY), groups)
    for one in said:
        assert (one.answer == "`{answer}`") == bool(one.form)
        assert one.form or one.answer in groups["answers"]
    bare = [one for one in said if one.form]
    assert is_share(len(bare), MANY, BARE_SHARE)
    assert {one.form for one in bare} == set(load_forms()["mm"])
    assert {one.answer for one in said} == {"`{answer}`", *groups["answers"]}
    for name, share in REGISTER_SHARES.items():  # whatever the register
        assert is_share(sum(one.group == name for one in bare), len(bare), share)


@pytest.mark.parametrize("count", [1, 2, 3, 20, 300])
def test_evaluation_asks_a_third_each_in_seen_heldout_and_plain_words(load, count):
    groups = sound()
    templates = load(groups)
    found = [templates.draw(np.random.default_rng(k), "val", count) for k in range(900 // count)]
    for scene in found:
        of = Counter(phrase.wording for phrase in scene)
        assert max(of.values()) - min(of[wording] for wording in WORDINGS) <= 1
    said = taken_apart([phrase for scene in found for phrase in scene], groups)
    for wording in WORDINGS:
        some = [one for one in said if one.wording == wording]
        assert is_share(len(some), len(said), 1 / 3)
        lists = {"seen": {"questions", "full"}}.get(wording, {wording})
        assert {one.group for one in some} == lists
        for one in some:
            assert bool(one.opening) == (one.group in ("questions", "heldout"))
    assert all(one.form for one in said)


def test_published_evaluation_is_asked_as_training_is(load):
    groups = sound()
    found = load(groups, published=True).draw(np.random.default_rng(0), "val", MANY)
    said = taken_apart(found, groups)
    assert {one.wording for one in said} == {"seen"}
    registers = Counter(one.group for one in said)
    assert set(registers) == set(REGISTER_SHARES)
    assert all(is_share(registers[name], MANY, share) for name, share in REGISTER_SHARES.items())


def test_draws_repeat_with_the_generator_and_none_are_none(load):
    templates = load(sound())
    for split in ("train", "val"):
        again = [templates.draw(np.random.default_rng(5), split, 50) for _ in range(2)]
        assert again[0] == again[1]
        assert again[0] != templates.draw(np.random.default_rng(6), split, 50)
        assert templates.draw(np.random.default_rng(0), split, 0) == []


def test_other_sentences_are_another_digest(load):
    args = argparse.Namespace(seed=0, max_samples={"train": 5}, constants={"X_M": 0.5})

    def settings(templates: module.Templates) -> dict:
        return module.settings_of(args, {"": templates}, NUMBER=3)

    first = settings(load(sound()))
    told = {"seed": 0, "max_samples": {"train": 5}, "X_M": 0.5, "NUMBER": 3}
    assert first == {**told, "templates": first["templates"]}
    assert settings(load(sound())) == first
    assert settings(load(planted("heldout", "Where is {point}?"))) != first
    assert settings(load(sound(), published=True)) != first


# ---- variants ------------------------------------------------------------------------------------


def two_variants() -> dict:
    """Questions of their own for closer and farther, answers of their own for farther only."""
    groups = sound("{point1} {point2}")
    for name in ("questions", "full", "heldout", "plain"):
        shared = groups.pop(name)
        for variant in ("closer", "farther"):
            texts = [shared] if name == "plain" else shared
            groups[f"{name}_{variant}"] = [f"Which is {variant}? {text}" for text in texts]
    groups["answers_farther"] = [f"Farther {k}: `{{answer}}`." for k in NUMBERS[:4]]
    return groups


def test_a_variant_has_its_own_lists_where_the_file_has_them(load):
    groups = two_variants()
    found = dict(zip(TASKS[TWO_POINTS].variants, load(groups, TWO_POINTS).variants, strict=True))
    for variant, answers in (("closer", "answers"), ("farther", "answers_farther")):
        assert list(found[variant].questions) == groups[f"questions_{variant}"]
        assert list(found[variant].answers) == groups[answers]
        assert list(found[variant].conventions) == groups["conventions"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_each_record_is_asked_in_the_sentences_of_its_variant(load, split):
    templates = load(two_variants(), TWO_POINTS)
    rng = np.random.default_rng(0)
    variants = rng.integers(2, size=3000)
    for number, phrase in zip(variants, templates.draw(rng, split, 3000, variants), strict=True):
        assert phrase.question.startswith(f"Which is {TASKS[TWO_POINTS].variants[number]}?")
        assert phrase.answer.startswith(("`{answer}`", ("Farther", "Answer")[number]))


def test_a_list_that_a_variant_lacks_is_named(load):
    groups = two_variants()
    del groups["full_closer"]
    with raises_one_line(BadDataError, f"{TWO_POINTS}.json", "full", "closer"):
        load(groups, TWO_POINTS)


@pytest.mark.parametrize("fault", [f for f in PLANTED if f.startswith("answer")])
def test_faults_in_the_lists_of_a_variant_are_found(load, fault):
    groups = {**two_variants(), "answers_closer": PLANTED[fault]["answers"]}
    with raises_one_line(BadDataError, f"{TWO_POINTS}.json"):
        load(groups, TWO_POINTS)


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


FILES = sorted(REPOSITORY.glob("spatial_engine/*/templates/*.json"))


def sentences_of(task: str) -> dict[str, module.Variant]:
    """The sentences of a task, by variant."""
    (path,) = (path for path in FILES if path.stem == TASKS[task].sentences)
    return dict(zip(TASKS[task].variants, check_file(path).variants, strict=True))


def audit_words(task: str, record: dict, split: str) -> list[str]:
    """What the audit says of question and answer."""
    if task.startswith("movement_"):
        return movement.check_words(record, split, task.split("_")[1])
    oracle = {
        "camera": camera_movement, "depth": depth, "object": object_size,
        "correspondence": correspondence,
    }[task.partition("_")[0]]  # fmt: skip
    return oracle.check_words(record, split)


def asked_questions(sentences: module.Variant) -> Iterator[tuple[str, str]]:
    """(split, question) of every convention and question, and of those that are shown alone."""
    for opening, (split, group) in itertools.product(
        sentences.conventions, (("train", sentences.questions), ("val", sentences.heldout))
    ):
        yield from ((split, f"{opening}\n{question}") for question in group)
    yield from (("train", question) for question in (*sentences.full, *sentences.plain))


def test_every_file_is_of_a_task_and_every_task_has_one():
    assert sorted(path.stem for path in FILES) == sorted(
        {task.sentences for task in TASKS.values()}
    )


@pytest.mark.parametrize("task", OF_ONE_OR_TWO)
def test_the_audit_finds_every_combination_of_sentences_right(task):
    """All questions with their conventions, in turn with every line that asks for a form and
    every answer."""
    asked, wrong, seen = asked_in(task), {}, 0
    images = ["s/00000.jpg", "s/00005.jpg"][: TASKS[task].num_images]
    for variant, sentences in sentences_of(task).items():
        endings = itertools.cycle(["", *(f" {form}" for form in load_forms()[TASKS[task].form])])
        spoken = itertools.cycle([*sentences.answers, "`{answer}`"])
        cases = asked.cases[variant if variant in asked.cases else ""]
        for (value, extra), (split, question) in itertools.product(
            cases, asked_questions(sentences)
        ):
            text = f"{asked.fill(question, extra)}{next(endings)}"
            phrase = Phrase(text, next(spoken), "heldout" if split == "val" else "")
            record = make_record(split, "an id", images, [(4, 3)] * 2, task, phrase, value, extra)
            seen += 1
            if found := audit_words(task, record, split):
                wrong[found[0]] = record
    assert seen >= 280 and not wrong, next(iter(wrong.items()))


def truths(task: str) -> list:
    if options := TASKS[task].options:
        return list(options)
    numbers = {1: [0, 7, 180, 2310], 2: [[37, 912], [0, 1000]], 3: [[-12, 340, 5], [0, 0, 0]]}
    return numbers[TASKS[task].num_numbers]


@pytest.mark.parametrize("task", OF_ONE_OR_TWO)
def test_every_answer_reads_as_the_truth_by_our_scorer_and_by_a_strict_pattern(task):
    for sentences in sentences_of(task).values():
        for answer in (*sentences.answers, "`{answer}`"):
            for truth in truths(task):
                said = answer.replace("{answer}", format_value(truth))
                expected = (
                    truth if isinstance(truth, str) else tuple(map(Fraction, np.ravel(truth)))
                )
                assert read_answer(said, TASKS[task]) == expected, said
                assert re.findall("`([^`]*)`", said)[-1] == format_value(truth)
                if TASKS[task].options and TASKS[task].unit == "letter":
                    assert re.search(r"\b[A-D]\b", said)[0] == truth


@pytest.mark.parametrize("task", [name for name, task in TASKS.items() if task.unit == "word"])
def test_the_two_words_of_a_direction_are_offered_in_both_orders_equally_often(task):
    one, two = TASKS[task].options
    (sentences,) = sentences_of(task).values()
    for group in (sentences.questions, sentences.full):
        first = sum(
            bool(re.search(rf"\b{one}\b.*\b{two}\b", question.lower())) for question in group
        )
        last = sum(
            bool(re.search(rf"\b{two}\b.*\b{one}\b", question.lower())) for question in group
        )
        assert abs(first - last) <= 2, (first, last)


@pytest.mark.parametrize("task", ["depth_comparison_coor", "depth_comparison_dot"])
def test_the_audit_reads_the_side_in_nearly_every_question(task):
    judged = total = 0
    for variant, sentences in sentences_of(task).items():
        closer = variant == "closer"
        for question in (*sentences.questions, *sentences.full, *sentences.heldout):
            sides = depth.compared(question)
            assert sides[closer] or not sides[not closer], question
            judged += bool(sides[closer]) and not sides[not closer]
            total += 1
    assert judged >= 0.9 * total


@pytest.mark.parametrize(
    ("name", "least"), [("object_length", 40), ("object_width", 40), ("object_joint_size", 18)]
)
def test_a_box_is_the_upright_bounding_box_along_the_axes_and_named_once(name, least):
    """The object itself may be called "box", and may stand at an angle to the axes."""
    (path,) = (path for path in FILES if path.stem == name)
    lists = json.loads(path.read_text())
    texts = [
        text for group in lists.values() for text in ([group] if isinstance(group, str) else group)
    ]
    boxes = [text for text in texts if re.search(r"\bbox", text)]
    assert len(boxes) >= least
    for text in boxes:
        assert len(re.findall(r"\bbox", text)) == text.count("bounding box") == 1, text
        assert re.search(r"\baxis-aligned\b|\baxes of the scene\b|\bscene's axes\b", text), text
        assert "upright" in text or text in lists["answers"], text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_word_for_depth_can_be_read_as_height(path):
    assert not re.search(r"\blevel with\b|\babreast\b", path.read_text())
