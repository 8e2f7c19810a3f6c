"""What questions say in pixels where they say thousandths: every sentence of every template."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.questions.pixel_sentences import (
    PIXELS,
    load_pixel_sentences,
    names_points,
)
from spatial_engine.utils.questions.plain_record import question_of
from spatial_engine.utils.questions.records import format_value, make_record
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.questions.templates import (
    ASKING,
    check_file,
    load_forms,
    template_files,
)

NAMING = sorted(
    {task.sentences: name for name, task in TASKS.items() if names_points(task)}.items()
)
# Whatever could say what a coordinate is a part of; wider than what the code looks for.
SCALE = re.compile(
    r"\d{2,}|thousand|hundred|permil|promil|percent|fraction|relative to the (?:size|width)|"
    r"full (?:width|height)|(?:width|height) of (?:the|each) image|(?<!depth )\bscaled?\b|0 to",
    re.IGNORECASE,
)
POINTS = {"point": [412, 77], "point1": [412, 77], "point2": [9, 1000]}
POINTS_PX = {"point": [311, 43], "point1": [311, 43], "point2": [7, 559]}


@pytest.fixture(scope="module")
def sentences():
    return load_pixel_sentences()


def lists(name: str) -> dict[str, list[str]]:
    """All sentences of a file, by their list."""
    read = json.loads(template_files()[name].read_text(encoding="utf-8"))
    return {key: [value] if isinstance(value, str) else value for key, value in read.items()}


def test_tasks_without_points_in_their_questions_say_nothing_of_a_scale():
    assert [name for name, _ in NAMING] == [
        "correspondence_coor", "depth_comparison_coor", "depth_estimation_coor",
        "movement_coord_distance", "movement_coord_vector", "movement_fastest_step",
        "movement_point_path",
    ]  # fmt: skip
    said = [
        text
        for name in template_files().keys() - dict(NAMING).keys()
        for texts in lists(name).values()
        for text in texts
    ]
    assert len(said) > 1000
    assert [text for text in said if re.search(r"1000|thousand|permil", text)] == []
    assert [form for forms in load_forms().values() for form in forms if SCALE.search(form)] == []


@pytest.mark.parametrize("name", [name for name, _ in NAMING])
def test_every_sentence_is_in_pixels_and_differs_only_where_it_spoke_of_a_scale(name, sentences):
    mine, changed = sentences[name], json.loads(PIXELS.read_text(encoding="utf-8"))[name]
    conventions = {s for key, some in lists(name).items() if "conventions" in key for s in some}
    answers = {s for key, some in lists(name).items() if "answers" in key for s in some}
    asked = {s for some in lists(name).values() for s in some} - conventions - answers
    assert mine.openings.keys() == conventions and mine.questions.keys() == asked
    assert not any(SCALE.search(text) for text in answers)
    for before, after in {**mine.openings, **mine.questions}.items():
        assert not SCALE.search(after), after
        speaks = re.search(r"1000|thousand", before) is not None
        assert (before != after) == speaks == (before in changed)
        assert not speaks or "pixel" in after.lower()
        assert re.findall(r"\{\w+\}", before) == re.findall(r"\{\w+\}", after)
        assert after[0].isupper() and after[-1] in ".?" and "  " not in after
        assert len(after.split()) <= len(before.split()) + 6
        # What is measured is said in the same words: none beside those of a place in an image.
        for word in re.findall(
            r"millimeters?|world|camera|depth|Image-\d|straight|surface", before
        ):
            assert before.count(word) == after.count(word), (word, after)


@pytest.mark.parametrize("name, task", NAMING)
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_question_becomes_the_same_made_of_sentences_in_pixels(name, task, split, sentences):
    mine, kind = sentences[name], TASKS[task]
    templates = check_file(template_files()[name])
    rng = np.random.default_rng(0)
    variants = rng.integers(len(templates.variants), size=400)
    choices = {"A": "from Image-1 to Image-2", "B": "from Image-2 to Image-3"}
    extra = {"choices": choices} if "choices" in kind.fields else {}
    slots, slots_px = (
        {slot: format_value(points[slot]) for slot in kind.slots} for points in (POINTS, POINTS_PX)
    )
    count = 3 if kind.of_frames else kind.num_images
    images = [f"a/{number}.jpg" for number in range(count)]
    seen = set()
    for phrase in templates.draw(rng, split, 400, variants):
        in_pixels = phrase._replace(
            opening=mine.openings[phrase.opening[:-1]] + "\n" if phrase.opening else "",
            question=mine.questions[phrase.question],
        )
        seen.add(in_pixels.question)
        said, expected = (
            question_of(
                make_record("val", "a", images, [(9, 9)] * count, task, filled, 1, dict(extra))
            )
            for filled in (phrase.filled(slots), in_pixels.filled(slots_px))
        )
        assert mine.said_in_pixels(said, slots, slots_px, extra.get("choices", {})) == expected
        for text, text_px in zip(slots.values(), slots_px.values(), strict=True):
            assert said.count(text) == expected.count(text_px) and text not in expected
    assert len(seen) >= 40


@pytest.mark.parametrize(
    "text",
    [
        "<image>\nHow deep is [ 412 , 77 ]?",
        "<image>\nWhat is the depth at [ 412 , 78 ], in millimeters?",  # another point
        "How far is it?",
        "",
    ],
)
def test_a_question_of_other_sentences_is_refused(text, sentences):
    slots = {"point": "[ 412 , 77 ]"}
    with pytest.raises(ValueError, match="not made of this engine's sentences"):
        sentences["depth_estimation_coor"].said_in_pixels(text, slots, slots, {})


def test_words_behind_or_before_a_question_are_refused(sentences):
    slots, mine = {"point": "[ 1 , 2 ]"}, sentences["depth_estimation_coor"]
    question = next(iter(mine.questions)).replace("{point}", slots["point"])
    assert mine.said_in_pixels(f"<image>\n{question}", slots, slots, {}).endswith(question)
    for text in (f"{question} Coordinates are thousandths.", f"Thousandths.\n{question}"):
        with pytest.raises(ValueError, match="sentences"):
            mine.said_in_pixels(f"<image>\n{text}", slots, slots, {})


def first(read: dict) -> tuple[dict, str]:
    pairs = read["depth_estimation_coor"]
    return pairs, next(sentence for sentence in pairs if "{point}" in sentence)


def lose_one(read):
    pairs, sentence = first(read)
    del pairs[sentence]


def keep_a_thousand(read):
    pairs, sentence = first(read)
    pairs[sentence] = f"{pairs[sentence]} Up to 1000."


def lose_a_slot(read):
    pairs, sentence = first(read)
    pairs[sentence] = pairs[sentence].replace("{point}", "it")


def say_the_same_twice(read):
    pairs = read["depth_estimation_coor"]
    one, other = [sentence for sentence in pairs if "{point}" in sentence][:2]
    pairs[one] = pairs[other]


def outlive_a_template(read):
    first(read)[0]["Where is {point}, in thousandths?"] = "Where is {point}?"


def say_too_much(read):
    pairs, sentence = first(read)
    pairs[sentence] += " pixels" * 60


FAULTS = {
    "lost": (lose_one, "is about thousandths"),
    "a thousand": (keep_a_thousand, "Up to 1000."),
    "slot": (lose_a_slot, "expected these slots: {point}"),
    "twice": (say_the_same_twice, "duplicate sentence"),
    "outlived": (outlive_a_template, "Where is {point}, in thousandths?"),
    "long": (say_too_much, "words, at most"),
    "another task": (lambda read: read.update(camera_x_movement={}), "camera_x_movement"),
    "not a text": (lambda read: read["depth_estimation_coor"].update({"a": 5}), "5"),
    "not lists": (lambda read: read.update(depth_estimation_coor=[1]), "not a file of sentences"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_lacks_or_spoils_a_sentence_is_named(fault, tmp_path):
    spoil, words = FAULTS[fault]
    read = json.loads(PIXELS.read_text(encoding="utf-8"))
    spoil(read)
    path = tmp_path / "pixels.json"
    path.write_text(json.dumps(read), encoding="utf-8")
    with raises_one_line(BadDataError, path, words):
        load_pixel_sentences(path)


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path):
    path = tmp_path / "pixels.json"
    with raises_one_line(MissingInputError, path, "get the repository again"):
        load_pixel_sentences(path)
    path.write_text("{", encoding="utf-8")
    with raises_one_line(BadDataError, path, "not a file of sentences"):
        load_pixel_sentences(path)


def test_the_answers_of_tasks_with_points_are_in_no_unit():
    for name, _ in NAMING:
        for variant in check_file(template_files()[name]).variants:
            assert not any(re.search(r"pixel|thousand|\d", text) for text in variant.answers)
            assert all(getattr(variant, kind) for kind in ASKING)
