"""Sentences about three to eight frames: what each question says whichever sentences are drawn."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from conftest import REPOSITORY

from spatial_engine.evaluation.answer_reading.answers import read_answer
from spatial_engine.utils.questions.records import format_value
from spatial_engine.utils.questions.tasks import FRAME_TASKS
from spatial_engine.utils.questions.templates import Variant, check_file

FILES = {path.stem: path for path in REPOSITORY.glob("spatial_engine/*/templates/*.json")}

# Words of which each question holds one of each list, or it could be understood in another way.
COORDINATES = ("left", "top", "1000")
SAID: dict[str, tuple[str, ...]] = {
    "camera_path_length": ("millimeters", "straight", "path|each|consecutive|order|image to image"),
    "camera_net_turn": (
        "degrees", "left", "positive|negative|plus", "each|consecutive|image to image|through",
    ),
    "depth_nearest_view": ("Image-1", "depths?|viewing direction|forward"),
    "depth_hidden_depth": (
        "millimeters", "Image-1", "direction|forward|ahead",
        "not|cannot|out of sight|hidden|nothing",
    ),
    "correspondence_odd_dot": ("dots?", "one|except|different", "points?|spot|place"),
    "correspondence_seen_where": ("Image-1", "other|another|listed|else|besides|after|options"),
    "object_joint_size": (
        "millimeters", "height , length , width", "vertical(ly)?|lowest to highest",
        "longer|larger", "shorter|smaller", "axis-aligned|axes of the scene|scene's axes",
    ),
    "object_count_distinct": (
        "once|twice|single|different|distinct|individual|separate|same|one|first time",
    ),
    "movement_point_path": (
        "millimeters", *COORDINATES, "world", "straight|steps|image to image|to the next",
    ),
    "movement_fastest_step": (*COORDINATES, "world", "equal(ly)?|same"),
    "relation_object_distance": ("millimeters", "shortest|short|nearest|narrowest|least|surfaces?"),
    "relation_nearest_object": ("surfaces?|nearest points?|short|outside|nearest to each other",),
    "relation_direction": (
        "above|map|plan|horizontal",
        "quarters?|sectors?|90 degrees|45 degrees|nearest|closest|clock",
    ),
    "relation_appearance_order": (
        "first|earliest|into view", "order|time|Image-1|one by one|earliest",
    ),
}  # fmt: skip
# What some captures belie: rooms, a number of images, a place of the options or of the images.
UNTRUE = (
    r"\b(rooms?|floors?|ceilings?|walls?|indoors?|furniture|scannet|(both|the two|three) images|"
    r"options? (above|below)|the (above|below|following)|Image-[4-9])\b"
)
# What asks for a form of the answer, as only the lines of forms.json do.
FORM = r"\b(letters?|one word|backticks?|answer|reply|respond)\b"


def sentences_of(task: str) -> Variant:
    (variant,) = check_file(FILES[task]).variants
    return variant


def asked(task: str) -> Iterator[str]:
    """All questions as they are shown, with a convention where one stands before them."""
    said = sentences_of(task)
    for opening, question in itertools.product(said.conventions, (*said.questions, *said.heldout)):
        yield f"{opening}\n{question}"
    yield from (*said.full, *said.plain)


@pytest.mark.parametrize("task", FRAME_TASKS)
def test_every_question_says_what_its_answer_depends_on(task):
    questions = list(asked(task))
    assert len(questions) >= 8 * 35 + 11
    for question in questions:
        for words in SAID[task]:
            assert re.search(rf"\b({words})\b", question, re.IGNORECASE), (words, question)


@pytest.mark.parametrize("task", FRAME_TASKS)
def test_no_sentence_tells_what_is_not_true_of_every_set_of_frames(task):
    lists = json.loads(FILES[task].read_text(encoding="utf-8"))
    texts = [
        text for group in lists.values() for text in ([group] if isinstance(group, str) else group)
    ]
    assert len(texts) >= 8 + 30 + 10 + 1 + 5 + 4
    for text in texts:
        assert not re.search(UNTRUE, text, re.IGNORECASE), text
        assert not re.search(FORM, text.replace("{answer}", ""), re.IGNORECASE), text


@pytest.mark.parametrize("task", [name for name, task in FRAME_TASKS.items() if task.named])
def test_a_category_may_be_of_any_number(task):
    """Annotators write "chair" and "books": no verb agrees with a category, no article or ending
    is put to one."""
    said = sentences_of(task)
    for question in (*said.questions, *said.full, *said.plain, *said.heldout):
        assert not re.search(r"\b(is|are|was|has) the \{category\d?\}[ ?.,]*$", question), question
        verb = r"(?<!and the )\{category\d?\} (is|are|was|has|have|stands?|lies?)\b"
        assert not re.search(verb, question), question
        assert not re.search(r"\b(an?|each|every) \{category|\{category\d?\}'?s\b", question), (
            question
        )


def truths(task: str) -> list:
    kinds = {
        "mm": [7, 180, 2310], "signed degree": [16, -45, 215, -300], "count": [2, 5, 12],
        "letters": ["A", "B", "A, C", "B, C, E"], "letter": list(FRAME_TASKS[task].options),
    }  # fmt: skip
    return [[1200, 640, 55]] if task == "object_joint_size" else kinds[FRAME_TASKS[task].unit]


@pytest.mark.parametrize("task", FRAME_TASKS)
def test_every_answer_reads_as_the_truth_with_and_without_backticks(task):
    for answer, truth in itertools.product(sentences_of(task).answers, truths(task)):
        said = answer.replace("{answer}", format_value(truth))
        expected = truth if isinstance(truth, str) else tuple(map(Fraction, np.ravel(truth)))
        assert re.findall("`([^`]*)`", said) == [format_value(truth)]
        for text in (said, said.replace("`", "")):
            assert read_answer(text, FRAME_TASKS[task]) == expected, text
