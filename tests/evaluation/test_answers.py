"""Reading an answer from a model's text: rule by rule, hostile text, and the engine's own form."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatial_engine.evaluation.answer_reading.answers import MAX_CHARACTERS, read_answer
from spatial_engine.utils.questions.records import format_value
from spatial_engine.utils.questions.tasks import (
    COORDINATES,
    LETTER,
    NAMED_POINT,
    NUMBER,
    TASKS,
    VECTOR,
    WORD,
)

OF_FORM = {
    LETTER: TASKS["correspondence_multichoice"],
    WORD: TASKS["camera_x_movement"],
    NUMBER: TASKS["depth_estimation_coor"],
    VECTOR: TASKS["camera_displacement_vector"],
    COORDINATES: TASKS["correspondence_coor"],
    NAMED_POINT: TASKS["depth_comparison_coor"],
}


def read(form: str, text: str):
    return read_answer(text, OF_FORM[form])


def number(text: str) -> Fraction | None:
    found = read(NUMBER, text)
    return None if found is None else found[0]


POINTS = [
    ("`[ 648 , 542 ]`", (648, 542)),
    ("`[648,542]`", (648, 542)),
    ("648,542", (648, 542)),
    ("(648, 542)", (648, 542)),
    ("The point [ 1 , 2 ] of Image-1 is at [ 648 , 542 ] in Image-2", (648, 542)),
    ("[1,000, 542]", (1000, 542)),
    ("[1000,1000]", (1000, 1000)),
    ("x=648, y=542", (648, 542)),
    ("648", None),
    ("[1, 2, 3]", None),
]
RULES = {
    "camera_x_movement": [
        # where the answer stands
        ("It is `right`.", "right"),
        ("It is ``right``.", "right"),
        ("```\nright\n```", "right"),
        ("``left`` and then `right`", "left"),  # double before single, whatever the order
        ("`right` and then ``left``", "left"),
        ("`left`, no: `right`", None),  # two differ, and none of them is the plainer
        ("``left``, no: ``right``", None),
        ("`left`, that is `left`", "left"),
        ("`right` is in `Image-2`", "right"),  # the last that can be read
        ("``up`` `right`", "right"),
        ("`up`, that is to the right", "right"),  # none can be read: the text outside
        ("`left or right`: left", None),  # the plainest place says both
        ("`the left side`", "left"),
        # the fallback
        ("right", "right"),
        ("  RIGHT.\n", "right"),
        ("**Right**", "right"),
        ("The camera moved to the right.", "right"),
        ("It could be left or right.\nright", "right"),  # the last line settles it
        ("right, and the last line says nothing\n\n", "right"),
        ("left or right", None),
        ("left\nleft or right", None),
        ("up", None),
        ("`up`", None),
        ("leftright", None),
        ("copyright", None),
        ("", None),
        (" \n\t", None),
        ("`", None),
        ("``", None),
        ("`left", "left"),  # a span without end is no span
        # thinking aloud
        ("<think>`left`</think>`right`", "right"),
        ("<think>left</think> right", "right"),
        ("`left`</think>a</think>`right`", "right"),
        ("<think>`left`</think>", None),
    ],
    "correspondence_multichoice": [
        ("`A`", "A"),
        ("`a`", "A"),
        ("A", "A"),
        ("a", "A"),
        ("A.", "A"),
        ("a)", "A"),
        ("(B)", "B"),
        ("**C**", "C"),
        ("`B. the lamp`", "B"),
        ("`Option D`", "D"),
        ("\\boxed{C}", "C"),
        ("C: it is the same corner", "C"),
        ("The answer is B", "B"),
        ("The answer is b.", "B"),
        ("answer: a", "A"),
        ("Option (c)", "C"),
        ("Points A, B, C and D are shown.\nAnswer: D", "D"),
        ("A\nA", "A"),
        # "A" as an article, "a" as a word
        ("A chair stands at B", "B"),
        ("It is a chair", None),
        ("A chair", None),
        ("`A chair`", None),
        ("This is a dot. A dot is marked. The match is C.", "C"),
        ("The point is a corner of the table, so B.", "B"),
        ("The answer is A because it is a corner", "A"),
        ("A is the match", "A"),
        ("The match is A in the corner", "A"),
        # several named, or none that can be chosen
        ("A is closer than B", None),
        ("B is closer than A in the image", None),
        ("A and B", None),
        ("B, not C", "B"),
        ("E", None),
        ("`E`", None),
        ("BA", None),
        ("Bad", None),
        ("", None),
    ],
    "depth_estimation_coor": [
        ("`1234`", "1234"),
        ("` 1234 `", "1234"),
        ("`about 1234`", "1234"),
        ("`1234.5`", "1234.5"),
        ("`.5`", "0.5"),
        ("`1.5e3`", "1500"),
        ("`-5`", "-5"),
        ("`+5`", "5"),
        ("`−5`", "-5"),  # the minus sign proper
        ("`–5`", "-5"),  # an en dash
        ("`\u20115`", "-5"),  # a hyphen that does not break
        ("`－5`", "-5"),  # of full width
        ("x=-3", "-3"),
        ("(-3)", "-3"),
        ("10-20", None),  # a range
        ("10 - 20", None),
        ("1,234", "1234"),
        ("`1,234.5 mm`", "1234.5"),
        ("1,234,567", "1234567"),
        ("1200.", "1200"),
        ("1200, roughly", "1200"),
        ("**1200**", "1200"),
        ("\\boxed{1200}", "1200"),
        ("answer:1200", "1200"),
        ('```json\n{"depth_mm": 1200}\n```', "1200"),
        # units, of which the asked one is mm
        ("`1.2 m`", "1200"),
        ("`1.2m`", "1200"),
        ("1.2 meters", "1200"),
        ("1.2 metre", "1200"),
        ("120 cm", "1200"),
        ("1200 mm.", "1200"),
        ("1200 millimetres", "1200"),
        ("10 inches", "254"),
        ("10 ft", "3048"),
        ("10 feet", "3048"),
        ("12 marbles", "12"),
        ("5 in all", "5"),
        ("`4 ft (1219 mm)`", "1219"),  # the unit that was asked for
        ("`1.2 m (1200 mm)`", "1200"),
        ("about 1.2 m (1200 mm)", "1200"),
        # running text
        ("The depth at [ 599 , 217 ] is 2430", "2430"),
        ("The depth is 2.5 m, seen with 2 eyes", "2500"),  # the one with a unit
        ("first 300, then 400", None),
        ("Image-1 shows it: 500", "500"),
        ("500 from Image-1 to Image-2", "500"),
        ("500 between images 1 and 2", "500"),
        ("In this image 1200 mm", "1200"),
        ("In this image 1.2 m", "1200"),
        # several spans
        ("``12`` `34`", "12"),
        ("`12` `34`", None),
        ("`34` in `Image-2`", "34"),
        ("`34` (`mm`)", "34"),
        ("<think>`99`</think>5", "5"),
        # nothing that can be taken for one number
        ("`10 to 20`", None),
        ("Image-2", None),
        ("`Image-2`", None),
        ("Compare images 1 and 2", None),
        ("12,34", None),
        ("1.234.567", None),
        ("0x12", None),
        ("x12y", None),
        ("scene0011_00", None),
        ("five", None),
        ("nan", None),
        ("inf", None),
        ("-", None),
        (".", None),
        ("", None),
    ],
    "camera_total_distance": [  # a unit right behind the backticks counts
        ("It is `1.2` m.", 1200),
        ("It is ``1.2`` metres.", 1200),
        ("It is `1200`, more or less.", 1200),
    ],
    "camera_yaw_angle": [
        ("`31`", 31),
        ("31 degrees", 31),
        ("31°", 31),
        ("31 deg", 31),
        ("`31 °`", 31),
        ("31 degree", 31),
    ],
    "camera_displacement_vector": [
        ("`[ 1 , -2 , 3 ]`", "1 -2 3"),
        ("`[1,-2,3]`", "1 -2 3"),
        ("`(1, -2, 3)`", "1 -2 3"),
        ("`1, -2, 3`", "1 -2 3"),
        ("`1 -2 3`", "1 -2 3"),
        ("`[−1, −2, −3]`", "-1 -2 -3"),
        ("`[1.5, .5, 2e2]`", "1.5 0.5 200"),
        ("`[407,254,116]`", "407 254 116"),  # a comma between whole entries separates
        ("[1,200, 2,300, 400]", "1200 2300 400"),  # unless the number of entries tells otherwise
        ("[1,200,300]", "1 200 300"),
        ("[1.2, 0.5, -0.3] m", "1200 500 -300"),
        ("[1.2 m, 0.5 m, -0.3 m]", "1200 500 -300"),
        ("[1.2, 0.5, -0.3 m]", "1200 500 -300"),
        ("[120 cm, 500 mm, 1 m]", "1200 500 1000"),
        ("x = 1, y = 2, z = 3", "1 2 3"),
        ('```json\n{"x": 1, "y": 2, "z": 3}\n```', "1 2 3"),
        ("right 100 mm, down 50 mm, forward -3 mm", "100 50 -3"),
        ("[3,4,5] then [6,7,8]", None),  # two differ
        ("[3,4,5] at [1,2]", "3 4 5"),
        ("[ x , y , z ] = [ 1 , 2 , 3 ]", "1 2 3"),
        ("Image-1 to Image-2: [1, 2, 3]", "1 2 3"),
        ("``[3,4,5]`` `[6,7,8]`", "3 4 5"),
        ("`[3,4,5]` `[6,7,8]`", None),
        ("`[1,2,3]` from `[7,8]`", "1 2 3"),
        ("[1, 2]", None),
        ("[1, 2, 3, 4]", None),
        ("`1`", None),
        ("[]", None),
        ("", None),
        ("`[ 1 , 2 , 3 ]` cm", "10 20 30"),
    ],
    "depth_comparison_dot": [("`B` m", "B")],
    "correspondence_coor": POINTS,
    "depth_comparison_coor": POINTS,
}


@pytest.mark.parametrize(
    ("task", "text", "answer"),
    [(task, text, answer) for task, rows in RULES.items() for text, answer in rows],
)
def test_an_answer_is_read_by_the_rules(task, text, answer):
    """Exactly; test_answer_kinds.py has what models print, up to rounding."""
    expected = answer
    if answer is not None and not TASKS[task].options:
        numbers = answer if isinstance(answer, tuple) else str(answer).split()
        expected = tuple(map(Fraction, numbers))
    assert read_answer(text, TASKS[task]) == expected


def test_letter_beyond_the_options_of_the_subtask_is_none():
    assert read_answer("`C`", TASKS["depth_comparison_dot"]) is None
    assert read_answer("`C`", TASKS["correspondence_multichoice"]) == "C"


@pytest.mark.parametrize("word", ["left", "right", "up", "down", "forward", "backward"])
def test_word_is_read_only_where_it_can_be_the_answer(word):
    for subtask in TASKS.values():
        if subtask.answer == WORD:
            expected = word if word in subtask.options else None
            assert read_answer(f"`{word}`", subtask) == expected


@pytest.mark.parametrize("digits", [19, 100, 5000, 90_000])
@pytest.mark.parametrize("around", ["{}", "`{}`", "{} mm", "1.{}", "1e{}"])
def test_overlong_number_is_none(digits, around):
    assert number(around.format("1" * digits)) is None


def test_overlong_number_with_thousands_separators_is_none():
    assert number("111," * 24_000 + "111") is None
    assert read(VECTOR, "[" + "111," * 24_000 + "111]") is None


UNITS_OF_HOSTILE_TEXT = (
    "`", "``a", "` ", "a`", "`1 1` ", "1", "1 ", "1,", "111,", "1.", ".", "1.1 ", "-", "- 1", "+1",
    "[", "]", "[]", "[1]", "[1,2,3]", "[1 2 3 4]", "([{<", " ", "\n", "image ", "image-", "A ",
    "images 1 ", "A a ", "\nA", "answer is ", "left ", "left\n", "</think>", "1e9,", "1 m ", "1°",
    "−", "1_", "\x00", "٣", "²", "(1,111,", "\\boxed{", "\\boxed{1}", "<think>", "**1** ", "1\n",
    "x: 1, ", "answer is 1 ", "answer: ", "1'", '1"', "{", "}", "±1", "(m) 1", "in m ", "⁰", "1⁰",
    "- 1\n", "not ", "B, not ", "1=1+", "√(1)=", "<answer>", "<answer>1</answer>", "$", "\\(",
    "&amp;", "1 m 2 cm ", "1m2cm", "one meter ", "二米", "B. ", "答案是B", "a, ", "|1|", "|-",
    "1 and ", "[1] ", "<point>1 2</point>", "(1, 2) of image 1", "image 1 (", "'1 ", "**",
    "__1__", "wait ", " in", "1 in ", "_", "*a*", "~1", "1~", "1 ± 2 ", "error 1 ", "(((1",
    "1/2 ", "x ", "x, y, z ", "left 1 mm, ",
)  # fmt: skip


@pytest.mark.parametrize("unit", UNITS_OF_HOSTILE_TEXT)
def test_hostile_text_costs_little_time(unit):
    """Quadratic work on 33,000 characters takes many seconds, linear work a tenth of one; 2 s leave
    room for a busy machine."""
    length = MAX_CHARACTERS // 3
    start = time.process_time()
    for form, opening in ((LETTER, ""), (VECTOR, "`"), (NUMBER, "image")):
        read(form, (opening + unit * length)[: length - 1] + "x")
    assert time.process_time() - start < 2


def test_of_a_long_text_the_end_counts():
    assert read(WORD, "left " * 100_000 + "`right`") == "right"
    assert read(WORD, "`right`" + " " * 10 * MAX_CHARACTERS) is None


PIECES = st.sampled_from(
    ["`", "``", "[", "]", "(", ")", "-", "−", ",", ".", " ", "\n", "A", "B", "a ", "left", "right",
     "Image-1", "1", "23", "1,234", "1.5", "1e3", "mm", " m", "°", "</think>", "answer is "]
)  # fmt: skip


@given(text=st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_any_text_gives_an_answer_of_the_right_form_or_none(text):
    for form, wanted in ((NUMBER, 1), (COORDINATES, 2), (NAMED_POINT, 2), (VECTOR, 3)):
        found = read(form, text)
        assert found is None or (
            len(found) == wanted and all(isinstance(entry, (int, Fraction)) for entry in found)
        )
    for form in (WORD, LETTER):
        assert read(form, text) in (None, *OF_FORM[form].options)


def values_of(form: str):
    """Strategy of what a record's `gt_value` may be."""
    whole = st.integers(-(10**7), 10**7)
    return {
        WORD: st.sampled_from(OF_FORM[WORD].options),
        LETTER: st.sampled_from(OF_FORM[LETTER].options),
        NUMBER: whole,
        VECTOR: st.lists(whole, min_size=3, max_size=3),
        COORDINATES: st.lists(st.integers(0, 1000), min_size=2, max_size=2),
        NAMED_POINT: st.lists(st.integers(0, 1000), min_size=2, max_size=2),
    }[form]


@pytest.mark.parametrize("form", list(OF_FORM))
@pytest.mark.parametrize(
    "sentence", ["`{}`", "``{}``", "In Image-1 and Image-2 it is `{}` mm, not 7.", "{}"]
)
@given(data=st.data())
def test_value_as_the_engine_writes_it_reads_back(form, sentence, data):
    value = data.draw(values_of(form))
    found = read(form, sentence.format(format_value(value)))
    assert found == (
        value if isinstance(value, str) else tuple([value] if form == NUMBER else value)
    )
