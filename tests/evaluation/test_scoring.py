"""Right or wrong, at the bounds by hand, and away from them against a slow oracle of decimals."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import hypot

import numpy as np
import orjson
import pytest

from spatial_engine.evaluation.scoring import is_within_tolerance, score_record
from spatial_engine.utils.questions.records import format_value
from spatial_engine.utils.questions.tasks import (
    COORDINATES,
    NAMED_POINT,
    NUMBER,
    TASKS,
    VECTOR,
)

NUMBERS = [
    name for name, subtask in TASKS.items() if subtask.answer == NUMBER and subtask.unit != "count"
]
VECTORS = [name for name, subtask in TASKS.items() if subtask.answer == VECTOR]


def record_of(task: str, truth, size=(1296, 968), **extra) -> dict:
    """What a scorer needs of an evaluation record, with images of that (width, height)."""
    images = TASKS[task].num_images
    return {
        "id": "q", "task": task, "gt_value": truth, "width_list": [size[0]] * images,
        "height_list": [size[1]] * images, **extra,
    }  # fmt: skip


def is_right(task: str, truth, prediction: str, size=(1296, 968), **extra) -> bool:
    return score_record(record_of(task, truth, size, **extra), prediction).correct


@pytest.mark.parametrize("task", NUMBERS)
@pytest.mark.parametrize(
    ("truth", "prediction", "right"),
    [
        (1000, "`1000`", True),
        (1000, "`1200`", True),  # 20 percent exactly
        (1000, "`800`", True),
        (1000, "`1201`", False),
        (1000, "`799`", False),
        (1000, "`1200.000001`", False),
        (1000, "`799.999999999`", False),
        (1000, "`-1000`", False),
        (3, "`3.6`", True),  # 0.2 * 3 and 3.6 - 3 differ as floats
        (3, "`2.4`", True),
        (3, "`3.6000000000000001`", False),
        (1, "`1.2`", True),
        (1, "`0.8`", True),
        (1, "`1`", True),
        (1, "`0`", False),
        (7, "`8.4`", True),
        (7, "`8.40001`", False),
        (0, "`0`", True),  # nothing but 0 is within 20 percent of 0
        (0, "`-0`", True),
        (0, "`0.0`", True),
        (0, "`0.000001`", False),
        (0, "`1`", False),
        (123456789, "`148148146.8`", True),
        (123456789, "`148148146.9`", False),
        (1000, "no number", False),
        (1000, "", False),
    ],
)
def test_number_within_20_percent_is_right(task, truth, prediction, right):
    assert is_right(task, truth, prediction) is right


@pytest.mark.parametrize(
    ("truth", "prediction", "right"),
    [
        (1000, "1.2 m", True),
        (1000, "1.21 m", False),
        (1000, "80 cm", True),
        (1000, "79.9 cm", False),
        (254, "12 inches", True),  # 304.8, to the digit
        (305, "1 ft", True),
        (0, "0 m", True),
    ],
)
def test_unit_of_a_length_is_heeded(truth, prediction, right):
    assert is_right("object_height", truth, prediction) is right


def test_angle_has_no_length_unit():
    assert is_right("camera_yaw_angle", 30, "36°")
    assert not is_right("camera_yaw_angle", 30, "37 degrees")


@pytest.mark.parametrize("task", VECTORS)
@pytest.mark.parametrize(
    ("truth", "prediction", "right"),
    [
        ([300, 400, 0], [300, 400, 100], True),  # length 500: an error of 100 is on the sphere
        ([300, 400, 0], [300, 400, -100], True),
        ([300, 400, 0], [360, 480, 0], True),
        ([300, 400, 0], [380, 340, 0], True),  # 80, 60
        ([300, 400, 0], [300, 400, 101], False),
        ([300, 400, 0], [380, 340, 1], False),
        ([300, 400, 0], ["300", "400", "100.0000001"], False),
        ([300, 400, 0], [-300, -400, 0], False),
        ([300, 400, 0], [0, 0, 0], False),
        ([300, 400, 0], [400, 300, 0], False),
        ([0, 0, 500], [0, 60, 580], True),  # each entry alone may be far off
        ([0, 0, 0], [0, 0, 0], True),
        ([0, 0, 0], [0, 0, 1], False),
        ([0, 0, 0], ["0", "0.001", "0"], False),
        ([5, 0, 0], [5, 0, 1], True),
        ([4, 0, 0], [4, 0, 1], False),
    ],
)
def test_vector_within_20_percent_of_its_length_is_right(task, truth, prediction, right):
    assert is_right(task, truth, f"`{format_value(prediction)}`") is right


@pytest.mark.parametrize(
    ("size", "truth", "prediction", "right"),
    [
        # 5 percent of the width are 50 thousandths of it, whatever the height
        ((1296, 968), [500, 500], "[550, 500]", True),
        ((1296, 968), [500, 500], "[450, 500]", True),
        ((1296, 968), [500, 500], "[551, 500]", False),
        ((1296, 968), [500, 500], "[550, 501]", False),
        ((1296, 968), [500, 500], "[550.0001, 500]", False),
        # and more thousandths of a lesser height: 64.8 px of 968 px
        ((1296, 968), [500, 500], "[500, 566]", True),
        ((1296, 968), [500, 500], "[500, 567]", False),
        ((1296, 968), [500, 500], "[500, 433]", False),
        ((512, 512), [500, 500], "[500, 550]", True),
        ((512, 512), [500, 500], "[530, 540]", True),  # 3, 4, 5: on the circle
        ((512, 512), [500, 500], "[530, 541]", False),
        ((512, 512), [500, 500], "[460, 470]", True),
        # 32 px of 640 and of 360
        ((640, 360), [100, 100], "[150, 100]", True),
        ((640, 360), [100, 100], "[100, 188]", True),  # 31.68 px
        ((640, 360), [100, 100], "[100, 189]", False),  # 32.04 px
        ((640, 400), [100, 100], "[130, 164]", True),  # 19.2 px, 25.6 px: on the circle
        ((640, 400), [100, 100], "[130, 165]", False),
        ((640, 400), [100, 100], "[131, 164]", False),
        ((640, 320), [100, 100], "[100, 200]", True),  # 32 px of 320, exactly
        ((640, 320), [100, 100], "[100, 201]", False),
        ((360, 640), [100, 100], "[100, 128]", True),  # a portrait: 18 px of 640 are 28.1
        ((360, 640), [100, 100], "[100, 129]", False),
        ((1296, 968), [0, 0], "[0, 0]", True),
        ((1296, 968), [0, 0], "[-50, 0]", True),
        ((1296, 968), [0, 0], "500", False),
    ],
)
def test_coordinates_within_5_percent_of_the_width_in_pixels_are_right(
    size, truth, prediction, right
):
    assert is_right("correspondence_coor", truth, prediction, size) is right


def test_coordinates_are_of_the_second_image():
    record = record_of("correspondence_coor", [500, 500])
    record["width_list"], record["height_list"] = [512, 640], [512, 320]
    assert score_record(record, "[500, 600]").correct
    record["width_list"], record["height_list"] = [640, 512], [320, 512]
    assert not score_record(record, "[500, 600]").correct


def points(*places: tuple[int, int]) -> list[dict]:
    return [{"x": x, "y": y, "depth_mm": 1000 * (i + 1)} for i, (x, y) in enumerate(places)]


@pytest.mark.parametrize(
    ("size", "prediction", "right"),
    [
        ((1296, 968), "[200, 200]", True),
        ((1296, 968), "[800, 200]", False),
        ((1296, 968), "[499, 200]", True),
        ((1296, 968), "[501, 200]", False),
        ((1296, 968), "[500, 200]", False),  # midway it names neither
        ((1296, 968), "[500, 900]", False),
        ((1296, 968), "[499.999, 900]", True),
        ((1296, 968), "[-5000, 200]", True),
        ((1296, 968), "the first one", False),
        ((1296, 968), "", False),
    ],
)
def test_the_nearer_of_the_two_named_points_is_taken(size, prediction, right):
    for places in (points((200, 200), (800, 200)), points((800, 200), (200, 200))):
        assert (
            is_right("depth_comparison_coor", [200, 200], prediction, size, points_info=places)
            is right
        )


def test_named_point_is_nearer_in_pixels_and_not_in_thousandths():
    """From [0, 0], 100 thousandths of 640 px are 64 px, 150 of 360 px are 54 px."""
    places = points((100, 0), (0, 150))
    assert is_right("depth_comparison_coor", [0, 150], "[0, 0]", (640, 360), points_info=places)
    assert not is_right("depth_comparison_coor", [100, 0], "[0, 0]", (640, 360), points_info=places)
    assert is_right("depth_comparison_coor", [100, 0], "[0, 0]", (360, 360), points_info=places)


@pytest.mark.parametrize(
    "task", [name for name, subtask in TASKS.items() if subtask.options and not subtask.of_frames]
)
def test_words_and_letters_must_be_the_same_case_folded(task):
    options = TASKS[task].options
    for truth in options:
        for said in options:
            for spelled in (said, said.upper(), said.lower(), said.capitalize()):
                score = score_record(record_of(task, truth), f"`{spelled}`")
                assert (score.correct, score.parsed) == (said == truth, said)
        assert score_record(record_of(task, truth), "neither").parsed is None
        assert not is_right(task, truth, f"`{truth}ness`")


def test_score_tells_what_was_read():
    def parsed(task: str, truth, said: str) -> str | None:
        places = points((1, 2), (3, 4))
        return score_record(record_of(task, truth, points_info=places), said).parsed

    assert parsed("object_width", 5, "1.2 m") == "1200"
    assert parsed("object_width", 5, "`7.25`") == "7.25"
    assert parsed("object_width", 5, "who knows") is None
    assert parsed("camera_displacement_vector", [1, 2, 3], "[-1,2,3.5]") == "[ -1 , 2 , 3.5 ]"
    assert parsed("depth_comparison_coor", [1, 2], "(1, 2)") == "[ 1 , 2 ]"
    assert parsed("camera_x_movement", "left", "LEFT") == "left"


def test_a_huge_or_tiny_number_is_wrong_and_no_error():
    for said in ("`1e99`", "`-1e-99`", "`999999999999999999e99 m`", "`0.000000000000000001e-99`"):
        score = score_record(record_of("object_width", 1000), said)
        assert not score.correct
        assert score.parsed is not None


def test_uniform_record_scores_as_the_engines_own():
    places = points((200, 200), (800, 200))
    own = record_of("depth_comparison_coor", [200, 200], points_info=places)
    uniform = {name: own[name] for name in ("id", "task", "width_list", "height_list")} | {
        "gt_value": "[200,200]",
        "gt_unit": "permille",
        "extra": orjson.dumps({"points_info": places}).decode(),
    }
    for said in ("[300, 200]", "[700, 200]", "-"):
        assert score_record(own, said) == score_record(uniform, said)


@pytest.mark.parametrize("answer", [[Fraction(1)], [Fraction(1)] * 3])
def test_tolerance_needs_as_many_entries_as_the_truth_has(answer):
    with pytest.raises(ValueError, match=r"shorter|longer"):
        is_within_tolerance(answer, [1, 1])


def far_apart(error: float, bound: float) -> bool:
    """Whether floats can tell on which side of the bound an error is."""
    return abs(error - bound) > 1e-6 * (1 + bound)


def length(entries) -> Decimal:
    return sum((Decimal(entry) ** 2 for entry in entries), Decimal(0)).sqrt()


@pytest.mark.parametrize("entries", [1, 3])
def test_tolerance_as_decimals_have_it(entries):
    rng = np.random.default_rng(entries)
    verdicts = []
    while len(verdicts) < 500:
        truth = rng.integers(-3000, 3000, entries).tolist()
        answer = [round(t + rng.normal() * 0.15 * hypot(*truth), 2) for t in truth]
        error = length(Decimal(str(a)) - t for a, t in zip(answer, truth, strict=True))
        bound = length(truth) / 5
        if far_apart(float(error), float(bound)):
            task = "object_length" if entries == 1 else "movement_dot_vector_adt"
            said = format_value(answer) if entries == 3 else str(answer[0])
            right = is_right(task, truth if entries == 3 else truth[0], f"`{said}`")
            assert right is (error <= bound), (truth, answer)
            verdicts.append(right)
    assert 100 < sum(verdicts) < 450


@pytest.mark.parametrize("form", [COORDINATES, NAMED_POINT])
def test_pixels_as_decimals_have_them(form):
    rng = np.random.default_rng(7)
    verdicts = []
    while len(verdicts) < 500:
        size = rng.choice([(1296, 968), (512, 512), (640, 360), (480, 640)])
        truth, other = rng.integers(0, 1001, (2, 2)).tolist()
        spread = 40 if form == COORDINATES else 400
        answer = [round(t + rng.normal() * spread, 1) for t in truth]

        def pixels(point, size=size, answer=answer) -> Decimal:
            return length(
                (Decimal(str(a)) - p) * int(s) / 1000
                for a, p, s in zip(answer, point, size, strict=True)
            )

        error = pixels(truth)
        bound = Decimal(int(size[0])) / 20 if form == COORDINATES else pixels(other)
        if far_apart(float(error), float(bound)):
            task = "correspondence_coor" if form == COORDINATES else "depth_comparison_coor"
            extra = {"points_info": points(tuple(other), tuple(truth))}
            said = f"`{format_value(answer)}`"
            right = is_right(task, truth, said, tuple(map(int, size)), **extra)
            assert right is (error < bound), (size, truth, other, answer)
            verdicts.append(right)
    assert 100 < sum(verdicts) < 450
