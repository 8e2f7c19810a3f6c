"""Reading answers about three to eight frames: sets of letters, letters by the texts of their
choices, counts, signed angles, sizes. What could be something else is not read."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from frame_records import frame_record, image_choices
from hypothesis import given
from hypothesis import strategies as st
from test_answers import PIECES, UNITS_OF_HOSTILE_TEXT

from spatial_engine.evaluation.answer_reading.answers import (
    CUT_OFF,
    DIFFER,
    MAX_CHARACTERS,
    NOTHING,
    read,
    read_answer,
)
from spatial_engine.utils.questions.records import format_value
from spatial_engine.utils.questions.tasks import FRAME_TASKS

SEEN, NEAREST, ORDER, STEP, WAY, COUNT, TURN, SIZE = (
    FRAME_TASKS[name] for name in (
        "correspondence_seen_where", "depth_nearest_view", "relation_appearance_order",
        "movement_fastest_step", "relation_direction", "object_count_distinct", "camera_net_turn",
        "object_joint_size",
    )
)  # fmt: skip
AFTER_FIRST = image_choices(6, 2)  # A. Image-2 ... E. Image-6
ALL = image_choices(8)
OF_ORDERS = {
    "A": "bed, chair, table", "B": "chair, table, bed", "C": "chair, bed, table",
    "D": "table, chair, bed",
}  # fmt: skip
OF_STEPS = {"A": "from Image-1 to Image-2", "B": "from Image-2 to Image-3"}
OF_WAYS = {"A": "front", "B": "left", "C": "back", "D": "right"}

SETS = [
    "`A, C`", "`A`, `C`", "A and C", "A, C", "[A, C]", '["A","C"]', "['A', 'C']",
    '{"answer": ["A", "C"]}', "`AC`", "AC", "`C, A`", "a, c", "`a and c`", "A and C.",
    "Answer: A, C", "The answer is A and C.", "**A, C**", "**A**, **C**", "\\boxed{A, C}",
    "\\boxed{AC}", "<answer>A, C</answer>", "<answer>AC</answer>", "A. Image-2, C. Image-4",
    "Image-2, Image-4", "Image-2 and Image-4", "A. Image-2\nC. Image-4",
    "Answer:\nA. Image-2\nC. Image-4", "- A\n- C", "A (Image-2) and C (Image-4)",
    "The point is visible in A and C.", "The point is visible in A, C.", "Final answer: `A, C`",
    "A,C", "A;C", "A / C", "A & C", "A和C", "答案：A、C", "정답은 A와 C입니다", "A C", "A, A, C",
    "Options A and C", "A, C\n\nB is hidden.", "The letters are A and C", "A, C, not B",
    "A and C but not B", "`A. Image-2`, `C. Image-4`", "The answer is A (Image-2), C (Image-4).",
    "A. Image-2 and C. Image-4", "(A, C)", "A, and C", "{A, C}", "$A, C$", "\\text{A, C}", "A\nC",
    "A (and C)", "A, C (Image-2, Image-4)", "It is `A, C`, not `B`.",
]  # fmt: skip
NO_SETS = [
    "A or C", "none", "None of them", "`none`", "all", "all but B", "All except B", "A to C",
    "A-C", "A - C", "A, B or C", "A, C, G", "A: yes, B: no, C: yes", "`A` and maybe `C`",
    "`A` or `C`", "A and perhaps C", "not A", "Answer: A. And also C.", "A. Also C.", "`A` and C",
    "A, `C`", "A and `C`", "A. Image-3", "I cannot tell", "A and C are hidden, B is visible",
    "AC/B", "<think>A, C", "Neither A nor C", "`Image-2 or Image-4`", "A, C, ...? B", "A chair",
    "`A, C` or `A`", "A, C. Wait, A, B.", "A,B,C or D", "The answer is A, possibly C",
    "Answer: A (or C)", "Answer: A; maybe C", "Answer: A, C (B is hidden)",
    "The dot is visible in Image-2 and Image-4.", "A, Image-4 or Image-5", "A\nB\nC\nD\nE",
    "A, H", "I, A", "AC and E?", "CA", "`CA`", "A, C?\nNo: A.",
]  # fmt: skip
SETS_OF_ONE = [
    "A", "`A`", "`Image-2`", "A. Image-2", "Image-2", "The answer is A", "A only", "Only A.",
    "only Image-2",
]  # fmt: skip
LETTERS_B = [
    "B", "B. Image-2", "`B. Image-2`", "Image-2", "`Image-2`", "Image 2",
    "The answer is Image-2.", "Answer: Image-2", "**Image-2**", "B (Image-2)", "(B) Image-2",
    "Image-2 (B)", "B: Image-2", "B) Image-2", "The answer is B. Image-2",
    "\\boxed{\\text{Image-2}}", "<answer>Image-2</answer>", "image-2",
    "Image-2 because the dot is larger",
    "In Image-1 the dot is far, but in Image-2 it is near. Answer: B",
    "Final answer: B. Image-2\n", "It is Image-2.", "Image-2.", "The point is nearest in B",
    "Option B: Image-2", "`b`",
]  # fmt: skip
NO_LETTERS = [
    "B. Image-3", "Image-2 (C)", "Image-9", "I", "J", "Image-2 or Image-3", "Image-2 and Image-3",
    "The dot in Image-1 is marked.", "B or C", "`Image-2` or `Image-3`",
]  # fmt: skip
ORDERS = [
    "chair, table, bed", "B. chair, table, bed", "`chair, table, bed`", "chair → table → bed",
    "Answer: chair, table, bed", "The order is chair, table, bed.\nAnswer: B",
    "chair -> table -> bed", "A. bed, chair, table is wrong\nAnswer: B", "Chair, Table, Bed.",
]  # fmt: skip
INTERVALS = [
    "from Image-2 to Image-3", "B. from Image-2 to Image-3", "B", "`from Image-2 to Image-3`",
    "It is from Image-2 to Image-3.",
]  # fmt: skip
DIRECTIONS = [
    "left", "B. left", "B", "Left.", "`left`", "The answer is left", "B (left)", "to the left? B",
]  # fmt: skip
COUNTS = [
    "4", "`4`", "four", "Four", "There are four chairs.", "There are 4 chairs.", "4 chairs",
    "Answer: 4", "The answer is four.", "I see 4 different chairs in 3 images.", "`four`",
    "four (4)", "**4**", "4 distinct chairs\n\nExplanation: in Image-1 there are 2.",
    "In total, 4.", "There are 4 chairs in the three images.", "4.", "\\boxed{4}",
    "Answer: four chairs", "Across 5 frames, 4 chairs are visible.",
]  # fmt: skip
NO_COUNTS = [
    "at least 4", "3 or 4", "3-4", "more than four", "several", "-4", "4.5",
    "in 4 images there are chairs", "three images", "not 4", "4 chairs and 3 tables", "4 m",
    "four or five", "4+", "2 in Image-1 and 2 in Image-2", "no chairs", "a dozen", "1,2",
    "4 of 5", "twenty-four",
]  # fmt: skip
RIGHT_45 = [
    "-45", "`-45`", "-45°", "45 degrees to the right", "45° right", "right 45",
    "45 degrees clockwise", "-45 degrees (right)", "minus 45", "negative 45 degrees",
    "The camera turned right by 45 degrees.", "It is `45` degrees to the right.", "`-45` degrees",
    "−45", "-45 (left is positive)", "The net turn is 45 degrees clockwise.",
    "-0.7853981633974483 rad", "Answer: -45", "turned 45° to the right overall",
    "-45 degrees clockwise", "45° cw", "向右转45度",
    "The camera turned to the right by a net 45 degrees.", "-45.0", "Turn right: -45",
    "right: 45", "-45 (negative means right)",
]  # fmt: skip
LEFT_45 = [
    "45", "+45", "`45`", "`+45`", "45 degrees to the left", "45° counterclockwise",
    "45 counter-clockwise", "left 45", "+45 (left)", "It turned left by 45 degrees.",
    "45° (left is positive)", "45 (positive = left)", "positive 45 degrees",
]  # fmt: skip
NO_ANGLES = [
    "+45 right", "-45 degrees to the left", "left", "45 or -45", "±45", "- 45", "Answer - 45",
    "30 left, then 20 right", "The camera turned right overall. Net turn: `45`",
    "45 degrees left or right", "-45 m", "45 mm", "left: -45", "right: +45",
]  # fmt: skip
SIZES = [
    "`[ 1200 , 600 , 800 ]`", "[1200, 600, 800]", "height: 1200, length: 600, width: 800",
    "width: 800, height: 1200, length: 600", "1200 mm tall, 600 mm long, 800 mm wide",
    "Height 1.2 m, length 0.6 m, width 0.8 m", '{"height": 1200, "length": 600, "width": 800}',
    '{"width": 800, "length": 600, "height": 1200}', "H = 1200, L = 600, W = 800",
    "[1.2, 0.6, 0.8] m", "[ height , length , width ] = [ 1200 , 600 , 800 ]",
    "It is 1.2 m high, 60 cm long and 80 cm wide.",
    "The height is 1200 mm, the length is 600 mm and the width is 800 mm.",
    "Height: 1200 mm\nLength: 600 mm\nWidth: 800 mm",
    "**Height**: 1200\n**Length**: 600\n**Width**: 800", "高度1200毫米，长度600毫米，宽度800毫米",
    "- Width: 800 mm\n- Height: 1200 mm\n- Length: 600 mm", "1200, 600, 800",
    "height 1200 mm; length 600 mm; width 800 mm", "(1200, 600, 800)",
    "| Height | 1200 mm |\n| Length | 600 mm |\n| Width | 800 mm |",
]  # fmt: skip
NO_SIZES = [
    "L x W x H: 600, 800, 1200", "(length, width, height) = (600, 800, 1200)",
    "600 x 800 x 1200 mm", "height 1200, depth 800, width 600", "height: 1200, width: 600",
    "[1200, 600]", "1200 mm", "Dimensions (L x W x H): [600, 800, 1200]",
    "length, width, height: 600, 800, 1200", "height: 1200, length: 600, length: 700, width: 800",
    "x: 1200, y: 600, z: 800", "width x height: 800, 1200, 600",
]  # fmt: skip

RIGHT, LEFT = (Fraction(-45),), (Fraction(45),)
READ = [
    (SEEN, AFTER_FIRST, "A, C", SETS), (SEEN, AFTER_FIRST, None, NO_SETS),
    (SEEN, AFTER_FIRST, "A", SETS_OF_ONE),
    (NEAREST, ALL, "B", LETTERS_B), (NEAREST, ALL, None, NO_LETTERS),
    (ORDER, OF_ORDERS, "B", ORDERS), (STEP, OF_STEPS, "B", INTERVALS),
    (WAY, OF_WAYS, "B", DIRECTIONS),
    (COUNT, None, (Fraction(4),), COUNTS), (COUNT, None, None, NO_COUNTS),
    (TURN, None, RIGHT, RIGHT_45), (TURN, None, LEFT, LEFT_45), (TURN, None, None, NO_ANGLES),
    (SIZE, None, (Fraction(1200), Fraction(600), Fraction(800)), SIZES),
    (SIZE, None, None, NO_SIZES),
]  # fmt: skip


@pytest.mark.parametrize(
    ("task", "choices", "right", "text"),
    [(task, choices, right, text) for task, choices, right, texts in READ for text in texts],
)
def test_an_answer_is_read_by_the_rules(task, choices, right, text):
    found = read_answer(text, task, choices)
    if isinstance(right, tuple) and found is not None:
        assert found == pytest.approx(right, abs=1e-9)
    else:
        assert found == right


def test_why_there_is_no_answer_is_told():
    reasons = {"A or C": DIFFER, "none": NOTHING, "<think>A": CUT_OFF, "all but B": DIFFER}
    assert {text: read(text, SEEN, AFTER_FIRST).reason for text in reasons} == reasons


def test_letters_are_those_of_the_record():
    assert read_answer("D", NEAREST, image_choices(3)) is None
    assert read_answer("D", NEAREST, image_choices(4)) == "D"
    assert read_answer("`A, D`", SEEN, image_choices(4, 2)) is None
    assert read_answer("`A, D`", SEEN, image_choices(5, 2)) == "A, D"


def test_a_text_that_two_choices_share_is_none():
    assert read_answer("chair", NEAREST, {"A": "chair", "B": "Chair", "C": "bed"}) is None
    assert read_answer("bed", NEAREST, {"A": "chair", "B": "Chair", "C": "bed"}) == "C"


def test_texts_of_choices_are_not_patterns():
    choices = {"A": "box (.*)", "B": "tv+stand", "C": "a\\b"}
    for letter, text in choices.items():
        assert read_answer(f"{letter}. {text}", NEAREST, choices) == letter


@pytest.mark.parametrize(
    "unit",
    [
        *UNITS_OF_HOSTILE_TEXT[::4], "A, ", "A and ", ", ", "`A`, ", "A\n", "\n", " ", "Image-2 ",
        "B. Image-3, ", "left 4 ", "height ", "h x ", "four ", "4 in image ", "ccw ", "AB", "and ",
    ],
)  # fmt: skip
def test_hostile_text_costs_little_time(unit):
    """As that of the same name in `test_answers.py`, which has twice as long texts."""
    length = MAX_CHARACTERS // 6
    start = time.process_time()
    for task, choices, opening in (
        (SEEN, AFTER_FIRST, "`"), (ORDER, OF_ORDERS, ""), (COUNT, None, ""), (TURN, None, ""),
        (SIZE, None, "`"),
    ):  # fmt: skip
        read((opening + unit * length)[: length - 1] + "x", task, choices)
    assert time.process_time() - start < 3


MORE_PIECES = st.one_of(
    PIECES, st.sampled_from(["A, ", "C", "AC", " and ", "or", "Image-2", "right", "four", "height"])
)


@given(text=st.one_of(st.text(), st.lists(MORE_PIECES, max_size=30).map("".join)))
def test_any_text_gives_an_answer_of_the_right_form_or_none(text):
    for task, wanted in ((COUNT, 1), (TURN, 1), (SIZE, 3)):
        found = read_answer(text, task)
        assert found is None or (
            len(found) == wanted and all(isinstance(entry, (int, Fraction)) for entry in found)
        )
    assert read_answer(text, NEAREST, ALL) in (None, *ALL)
    letters = read_answer(text, SEEN, AFTER_FIRST)
    named = letters.split(", ") if letters else []
    assert named == sorted({*named} & {*AFTER_FIRST}) and letters != ""


@pytest.mark.parametrize("task", FRAME_TASKS)
@pytest.mark.parametrize(
    "sentence",
    ["`{}`", "``{}``", "{}", "Of Image-1 and Image-2: it is `{}`, not 7.", "\\boxed{{{}}}"],
)
def test_value_as_the_engine_writes_it_reads_back(task, sentence):
    for number in range(30):
        record = frame_record(task, number)
        value = record["gt_value"]
        text = sentence.format(format_value(value))
        found = read_answer(text, FRAME_TASKS[task], record.get("choices"))
        wanted = (
            value if isinstance(value, str) else tuple([value] if type(value) is int else value)
        )
        assert found == wanted


@given(data=st.data(), letters=st.sets(st.sampled_from("ABCDE"), min_size=1))
def test_a_set_written_in_any_order_and_form_reads_back(data, letters):
    order = data.draw(st.permutations(sorted(letters)))
    small = data.draw(st.booleans())
    said = [letter.lower() if small else letter for letter in order]
    if data.draw(st.booleans()):
        said = [f"{letter}. {AFTER_FIRST[letter.upper()]}" for letter in said]
    by = data.draw(st.sampled_from([", ", ",", " and ", "; ", " & ", ", and "]))
    around = data.draw(
        st.sampled_from(["`{}`", "Answer: {}", "**{}**", "<answer>{}</answer>", "{}"])
    )
    assert read_answer(around.format(by.join(said)), SEEN, AFTER_FIRST) == ", ".join(
        sorted(letters)
    )
