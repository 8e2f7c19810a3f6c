"""Graded rewards: 1 for the truth, 0 for silence, by the scorer's own verdict, less for errors."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise
from math import hypot

import orjson
import pytest
from frame_records import frame_record
from hypothesis import given
from hypothesis import strategies as st

from spatial_engine.evaluation.rewards import LEAST_OF_RIGHT, format_reward, reward, solution_of
from spatial_engine.evaluation.scoring import score_record
from spatial_engine.utils.questions.plain_record import format_value
from spatial_engine.utils.questions.tasks import FRAME_TASKS, TASKS

SIZE = (1296, 968)
POINTS = [{"x": 100, "y": 200, "depth_mm": 900, "letter": None},
          {"x": 700, "y": 650, "depth_mm": 1900, "letter": None}]  # fmt: skip
TRUTHS = {"number": 250, "vector": [300, -400, 120], "coordinates": [500, 400],
          "named point": [700, 650]}  # fmt: skip
GRADED = [name for name, task in TASKS.items() if task.answer in ("number", "vector")]
GRADED = [name for name in GRADED if TASKS[name].unit != "count"]
FROM_LESS_TO_MORE = [0, 0.01, 0.049, 0.05, 0.0501, 0.1, 0.2, 0.2001, 0.33, 0.5, 0.51, 1, 3, 1e6]


def record_of(name: str, number: int = 0) -> dict:
    if name in FRAME_TASKS:
        return frame_record(name, number)
    task = TASKS[name]
    truth = TRUTHS.get(task.answer) or task.options[number % len(task.options)]
    points = {"points_info": POINTS} if "points_info" in task.fields else {}
    sizes = {"width_list": [SIZE[0]] * task.num_images, "height_list": [SIZE[1]] * task.num_images}
    return {"id": "q", "task": name, "gt_value": truth, **sizes, **points}


def said(value) -> str:
    return f"It is `{format_value(value)}`."


@pytest.mark.parametrize("name", TASKS)
def test_the_truth_earns_1_and_what_cannot_be_read_0(name):
    for number in range(8):
        record = record_of(name, number)
        assert reward(record, said(record["gt_value"])) == 1
        for nothing in ("", "I cannot tell.", "`` ``", "<think>It is", "`3` or rather `4`; `x`"):
            assert score_record(record, nothing).parsed is None
            assert reward(record, nothing) == 0


@pytest.mark.parametrize("name", TASKS)
def test_what_a_solution_keeps_earns_the_same(name):
    record = record_of(name, 3)
    kept = orjson.loads(solution_of(record))
    assert {"id", "image", "text", "frames"}.isdisjoint(kept)
    others = ["left", "`B`", "A, C", "`120`", "[ 300 , 390 , 100 ]", "[ 510 , 420 ]", "", "`-7`"]
    for text in (said(record["gt_value"]), *others):
        assert reward(kept, text) == reward(record, text)
        assert format_reward(kept, text) == format_reward(record, text)


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
def test_every_reward_lies_between_0_and_1_and_is_high_for_what_the_scorer_calls_right(name, data):
    record = record_of(name, data.draw(st.integers(0, 5)))
    task = TASKS[name]
    if task.options:
        letters = data.draw(st.sets(st.sampled_from(task.options), min_size=1))
        text = ", ".join(sorted(letters))
    else:
        truth = record["gt_value"]
        near = [truth] if isinstance(truth, int) else truth
        shifts = st.floats(-2, 2) | st.floats(-0.3, 0.3)
        numbers = [f"{one + data.draw(shifts) * max(abs(one), 1):.5f}" for one in near]
        text = f"[ {' , '.join(numbers)} ]" if len(numbers) > 1 else numbers[0]
    earned, score = reward(record, f"`{text}`"), score_record(record, f"`{text}`")
    assert 0 <= earned <= 1
    assert earned >= LEAST_OF_RIGHT or not score.correct
    assert score.parsed is not None or earned == 0
    assert "mra" not in score.measures or task.unit == "count" or earned == score.measures["mra"]
    assert "f1" not in score.measures or earned == score.measures["f1"]


@pytest.mark.parametrize("name", GRADED)
def test_more_error_of_a_number_never_earns_more(name):
    record = record_of(name, 1)
    truth = record["gt_value"]
    for sign in (1, -1):
        earned = []
        for share in FROM_LESS_TO_MORE:
            values = truth if isinstance(truth, list) else [truth]
            off = [f"{float(one * (1 + sign * Fraction(share))):.6f}" for one in values]
            text = f"[ {', '.join(off)} ]" if len(off) > 1 else off[0]
            earned.append(reward(record, f"`{text}`"))
        assert all(more >= less for more, less in pairwise(earned))
        assert earned[0] == 1 and earned[-1] == 0 and len(set(earned)) >= 5


@pytest.mark.parametrize(
    ("error_percent", "earned"),
    [(0, 1.0), (5, 1.0), (10, 0.9), (20, 0.7), (20.1, 0.6), (50, 0.1), (50.1, 0.0)],
)
@pytest.mark.parametrize("name", ["depth_estimation_dot", "movement_dot_vector_adt"])
def test_a_number_earns_the_share_of_the_ten_tolerances_that_it_keeps(name, error_percent, earned):
    off = 3000 + 30 * error_percent
    if TASKS[name].answer == "number":
        assert reward(record_of(name) | {"gt_value": 3000}, f"`{off}`") == earned
    else:
        record = record_of(name) | {"gt_value": [0, 0, -3000]}
        assert reward(record, f"`[ 0 , 0 , {-off} ]`") == earned


def test_a_true_0_has_no_tolerance():
    record = record_of("movement_coord_distance_adt") | {"gt_value": 0}
    earned = [reward(record, text) for text in ("`0`", "`1`", "did not move", "`0.1`")]
    assert earned == [1, 0, 0, 0]


@given(x=st.integers(0, 1000), y=st.integers(0, 1000), at=st.sampled_from([(500, 400), (0, 1000)]))
def test_a_point_earns_less_the_farther_it_lies_in_pixels(x, y, at):
    record = record_of("correspondence_coor") | {"gt_value": list(at)}
    share = hypot((x - at[0]) * SIZE[0], (y - at[1]) * SIZE[1]) / 1000 / SIZE[0]
    assert reward(record, f"`[ {x} , {y} ]`") == pytest.approx(max(0, 1 - share / 0.2), abs=1e-9)


def test_a_point_at_the_scorers_tolerance_earns_three_quarters_and_far_away_nothing():
    record = record_of("correspondence_coor")
    for text, earned in (("[ 550 , 400 ]", 0.75), ("[ 700 , 400 ]", 0), (f"[ {10**400} , 1 ]", 0)):
        assert reward(record, f"`{text}`") == earned
    assert score_record(record, "`[ 550 , 400 ]`").correct


def test_sets_of_letters_earn_f1_and_choices_are_right_or_wrong():
    record = frame_record("correspondence_seen_where", 4)
    right = record["gt_value"].split(", ")
    for count in range(1, len(record["choices"]) + 1):
        for letters in combinations(record["choices"], count):
            both = len(set(letters) & set(right))
            earned = 2 * both / (len(letters) + len(right))
            assert reward(record, f"`{', '.join(letters)}`") == pytest.approx(earned)
    counted = frame_record("object_count_distinct")
    near = counted["gt_value"] + 1
    assert reward(counted, f"`{near}`") == 0
    named = record_of("depth_comparison_coor")
    assert [reward(named, f"[ {x} , 600 ]") for x in (690, 110)] == [1, 0]
    yaw = record_of("camera_yaw_movement")  # left
    assert [reward(yaw, text) for text in ("To the left.", "`right`")] == [1, 0]


@pytest.mark.parametrize("name", TASKS)
def test_the_bare_answer_in_backticks_has_the_form_asked_for_and_a_sentence_has_not(name):
    for number in range(6):
        record = record_of(name, number)
        bare = f"`{format_value(record['gt_value'])}`"
        for text in (bare, f" {bare}\n", f"<think>Left, 5 mm, `B`</think>\n{bare}"):
            assert format_reward(record, text) == 1
        inside = bare[1:-1]
        for text in ("", inside, f"It is {bare}.", f"{bare} mm", f"`{inside} mm`", f"``{inside}``",
                     f"{bare}{bare}", f"<think>{bare}", "`the answer`", "`?`"):  # fmt: skip
            assert format_reward(record, text) == 0


def test_the_form_does_not_ask_whether_the_answer_is_right():
    assert format_reward(record_of("camera_x_movement"), "`right`") == 1
    assert format_reward(record_of("camera_x_movement"), "`up`") == 0
    assert format_reward(record_of("camera_yaw_angle"), "`-17.5`") == 1
    assert format_reward(record_of("movement_dot_vector_adt"), "`[1,2,3]`") == 1
    assert format_reward(record_of("movement_dot_vector_adt"), "`[ 1 , 2 ]`") == 0
    record = frame_record("correspondence_seen_where", 0)
    assert format_reward(record, "`A,B`") == 1
    assert format_reward(record, "`A, G`") == 0  # three images have no letter G
