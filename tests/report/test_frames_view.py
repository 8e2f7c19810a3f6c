"""What is shown of records of three to eight frames, field by field."""

import pytest
from report_samples import HOSTILE, frame_records, record

from spatial_engine.report import record_view
from spatial_engine.report.frames_view import (
    MAX_OBJECTS,
    choices_of,
    frames_of,
    known,
    named_objects,
    notes_of,
    right_images,
)
from spatial_engine.report.gather import Drawn
from spatial_engine.utils.questions.records import list_choices

VAL = frame_records("val")


@pytest.mark.parametrize(
    ("task", "right"),
    [
        ("depth_nearest_view", [1]),
        ("correspondence_odd_dot", [1]),
        ("correspondence_seen_where", [1]),
        ("movement_fastest_step", [1, 2]),
        ("camera_path_length", []),
        ("relation_direction", []),
    ],
)
def test_right_images_are_those_that_the_right_choice_names(task, right):
    assert right_images(VAL[task]) == right
    assert [note.right for note in notes_of(VAL[task])] == [k in right for k in range(3)]


def test_several_letters_name_several_images():
    one = VAL["correspondence_seen_where"]
    assert right_images(one | {"gt_value": "A, B"}) == [1, 2]
    assert [choice.right for choice in choices_of(one | {"gt_value": "A, B"})] == [True, True]


def test_an_object_that_is_called_like_an_image_is_none():
    one = VAL["relation_nearest_object"] | {"choices": {"A": "chair", "B": "Image-2"}}
    assert right_images(one) == []
    far = VAL["depth_nearest_view"] | {"choices": {"A": "x", "B": "Image-9", "C": "Image-0"}}
    assert right_images(far) == []


@pytest.mark.parametrize(
    ("task", "facts"),
    [
        ("camera_path_length", ["", "500 mm from Image-1", "1000 mm from Image-2"]),
        ("camera_net_turn", ["", "turned 30° left", "turned 40° right"]),
        ("depth_nearest_view", ["900 mm deep", "700 mm deep", "800 mm deep"]),
        ("depth_hidden_depth", ["", "", ""]),
        (
            "correspondence_seen_where",
            ["shows the point", "shows the point", "does not show the point"],
        ),
        ("object_count_distinct", ["shows chair 3", "shows chair 3, chair 7", "shows chair 7"]),
        ("relation_object_distance", ["shows chair", "shows chair, table", "shows table"]),
    ],
)
def test_notes_say_what_the_fields_say_of_each_image(task, facts):
    notes = notes_of(VAL[task])
    assert [note.fact for note in notes] == facts
    assert [note.frame for note in notes] == ["00000", "00005", "00010"]


def test_other_records_have_no_notes():
    other = record("camera_x_movement", 0, "val", "left", 2, answer_values={}, overlap=20.0)
    assert notes_of(other) == choices_of(other) == []
    size = record("object_height", 0, "val", 500, 1, object_id=3, raw_category="chair")
    assert (notes_of(size), named_objects(size)) == ([], {})


def test_choices_have_the_right_one_and_distances():
    assert choices_of(VAL["relation_nearest_object"]) == [
        ("A", "chair", False, "900 mm away"),
        ("B", "table", True, "500 mm away"),
    ]
    hostile = VAL["relation_direction"] | {"choices": {"A": "\u202eleft", "B": HOSTILE}}
    assert choices_of(hostile)[0].text == "[U+202E]left"
    assert "\u202e" not in choices_of(hostile)[1].text


def test_objects_of_one_category_are_told_apart_by_their_ids():
    assert named_objects(VAL["object_count_distinct"]) == {3: "chair 3", 7: "chair 7"}
    assert named_objects(VAL["relation_object_distance"]) == {3: "chair", 7: "table"}
    assert named_objects(VAL["object_joint_size"]) == {3: "chair"}
    lacking = VAL["relation_object_distance"] | {"categories": ["chair"]}
    assert named_objects(lacking) == {3: "object 3", 7: "object 7"}
    many = VAL["object_count_distinct"] | {"seen_objects": [list(range(1000))]}
    assert len(named_objects(many)) == MAX_OBJECTS


def test_a_field_of_another_type_counts_as_missing():
    one = VAL["depth_nearest_view"]
    for wrong in (None, 7, "x", [], ["a"], {"A": 3}, {"B": "Image-1"}):
        assert known(one | {"choices": wrong}, "choices") is None
        assert right_images(one | {"choices": wrong}) == []
    assert known(one, "turns_deg") is None  # of another task
    assert frames_of(one | {"frames": ["00000"]}) == []
    assert [note.frame for note in notes_of(one | {"frames": ["00000"]})] == [""] * 3


def test_the_question_is_parted_from_its_choices_and_what_follows():
    train, val = frame_records("train")["depth_nearest_view"], VAL["depth_nearest_view"]
    said = record_view.question_of(train)
    assert said == ("Task of depth_nearest_view.", "Question 0?", "")
    bare = val | {"text": f"{val['text']}\nAnswer with the letter."}
    assert record_view.question_of(bare) == (*said[:2], "Answer with the letter.")
    # A text that lists something else is shown as it is.
    other = record_view.question_of(bare | {"choices": {"A": "Image-3"}})
    assert other.question == "Answer with the letter."
    assert list_choices(val["choices"]).strip() in other.description


def test_each_dot_is_marked_and_the_odd_one_is_the_answer():
    marks = record_view.marks_of(VAL["correspondence_odd_dot"])
    assert [(m.image, m.kind, m.x, m.y) for m in marks] == [
        (0, "asked", 600, 300),
        (1, "answered", 200, 700),
        (2, "asked", 400, 500),
    ]
    one = record_view.marks_of(VAL["depth_nearest_view"])
    assert [(m.image, m.kind, m.x) for m in one] == [(0, "asked", 600)]


def test_facts_and_values_have_units():
    assert "80° to the left of facing" in Drawn(0.0, VAL["relation_direction"], "val", "").facts
    assert record_view.value_of(VAL["camera_net_turn"]) == "-10°"
    assert record_view.value_of(VAL["object_count_distinct"]) == "2"
    assert record_view.value_of(VAL["object_joint_size"]) == "[ 700 , 800 , 400 ] mm"
