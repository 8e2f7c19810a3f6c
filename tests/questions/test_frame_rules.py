"""Records of three to eight frames: sound ones pass, each contradiction among fields is found."""

from __future__ import annotations

import copy

import pytest
from frame_records import frame_record, frame_records

from spatial_engine.checks.record_contents import Contents, described
from spatial_engine.checks.record_lines import question_key
from spatial_engine.utils.questions.frame_rules import is_in_sector, union_sizes
from spatial_engine.utils.questions.record_rules import check_record
from spatial_engine.utils.questions.tasks import FRAME_TASKS


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("task", FRAME_TASKS)
def test_sound_records_pass(task, split):
    for record in frame_records(task, 60, split):
        assert check_record(record, split, task) == []


# What is changed in a sound record of five frames, and a word of the cause.
CONTRADICTIONS = [
    ("camera_path_length", {"gt_value": lambda r: r["gt_value"] + 12}, "positions_mm"),
    ("camera_path_length", {"gt_value": lambda r: r["gt_value"] - 12}, "positions_mm"),
    ("camera_path_length", {"positions_mm": lambda r: r["positions_mm"][:-1]}, "of 4 frames"),
    ("camera_path_length", {"frames": lambda r: r["frames"][:-1]}, "4 different frames"),
    ("camera_path_length", {"frames": lambda r: r["frames"][:-1] + r["frames"][:1]}, "different"),
    ("camera_net_turn", {"gt_value": lambda r: -r["gt_value"]}, "turns_deg"),
    ("camera_net_turn", {"gt_value": lambda r: r["gt_value"] + 6}, "turns_deg"),
    ("camera_net_turn", {"turns_deg": lambda r: [*r["turns_deg"], 0]}, "5 turns"),
    ("depth_nearest_view", {"gt_value": lambda r: _next(r)}, "depths_mm"),
    ("depth_nearest_view", {"gt_value": lambda r: "H"}, "choices"),
    ("depth_nearest_view", {"choices": lambda r: _swapped(r["choices"])}, "choices"),
    ("depth_nearest_view", {"depths_mm": lambda r: r["depths_mm"] + [9]}, "of 6 frames"),
    ("depth_hidden_depth", {"frames": lambda r: r["frames"][:1] * 5}, "1 different"),
    ("correspondence_odd_dot", {"gt_value": lambda r: "F"}, "choices"),
    ("correspondence_odd_dot", {"choices": lambda r: _swapped(r["choices"])}, "choices"),
    ("correspondence_seen_where", {"seen": lambda r: [not s for s in r["seen"]]}, "Image-1"),
    ("correspondence_seen_where", {"seen": lambda r: [True] * 5}, "seen says A, B, C, D"),
    ("correspondence_seen_where", {"gt_value": lambda r: "A, G"}, "choices"),
    ("correspondence_seen_where", {"choices": lambda r: _swapped(r["choices"])}, "choices"),
    ("object_joint_size", {"gt_value": lambda r: [9 * r["gt_value"][0], *r["gt_value"][1:]]},
     "bounds_mm"),
    ("object_joint_size", {"bounds_mm": lambda r: r["bounds_mm"][2:]}, "of 3 frames"),
    ("object_joint_size", {"links": lambda r: r["links"][::-1]}, "in order"),
    ("object_joint_size", {"links": lambda r: [r["links"][0], *r["links"]]}, "in order"),
    ("object_joint_size", {"links": lambda r: r["links"][1:]}, "do not join 5 images"),
    ("object_joint_size", {"links": lambda r: [*r["links"], [5, 6]]}, "do not join 5 images"),
    ("object_joint_size", {"bounds_mm": lambda r: [r["bounds_mm"][0], _whole(r), *[None] * 3]},
     "Image-1 and Image-2 alone give"),
    ("object_count_distinct", {"gt_value": lambda r: r["gt_value"] + 1}, "seen_objects"),
    ("movement_point_path", {"gt_value": lambda r: r["gt_value"] + 12}, "positions_mm"),
    ("movement_fastest_step", {"gt_value": lambda r: _next(r)}, "positions_mm"),
    ("movement_fastest_step", {"choices": lambda r: _swapped(r["choices"])}, "choices"),
    ("relation_object_distance", {"object_ids": lambda r: [*r["object_ids"], 99]}, "categories"),
    ("relation_object_distance", {"seen_objects": lambda r: [[]] * 5}, "seen_objects"),
    ("relation_nearest_object", {"gt_value": lambda r: _next(r)}, "distances_mm"),
    ("relation_nearest_object", {"distances_mm": lambda r: [1, 2]}, "2 distances"),
    ("relation_nearest_object", {"choices": lambda r: _swapped(r["choices"])}, "choices"),
    ("relation_direction", {"gt_value": lambda r: _next(r)}, "angle_deg"),
    ("relation_direction", {"choices": lambda r: {**r["choices"], "A": "up"}}, "front, left"),
    ("relation_appearance_order", {"gt_value": lambda r: _next(r)}, "order of categories"),
    ("relation_appearance_order", {"seen_objects": lambda r: r["seen_objects"][::-1]},
     "seen_objects"),
]  # fmt: skip


def _whole(record):
    """Bounds of a view of nearly all of an object."""
    ends = [max(one[end] for one in record["bounds_mm"] if one) for end in (3, 4, 5)]
    return [0, 0, 0, *(round(0.9 * end) for end in ends)]


def _next(record):
    letters = list(record["choices"])
    return letters[(letters.index(record["gt_value"]) + 1) % len(letters)]


def _swapped(choices):
    return {**choices, "A": choices["B"], "B": choices["A"]}


@pytest.mark.parametrize(("task", "changes", "cause"), CONTRADICTIONS)
def test_each_contradiction_is_found(task, changes, cause):
    record = frame_record(task, 11, num_frames=5)
    wrong = copy.deepcopy(record) | {name: change(record) for name, change in changes.items()}
    (fault,) = check_record(wrong, "val", task)
    assert fault[0] == "contradiction" and cause in fault[1]


def test_seen_frames_that_span_too_much_or_too_little_of_an_object_are_found():
    record = frame_record("object_joint_size", 3)
    value = record["gt_value"]
    for side, factor in ((0, 1.12), (1, 0.88), (2, 1.15)):
        value = [*record["gt_value"]]
        value[side] = round(value[side] * factor)
        faults = check_record({**record, "gt_value": value}, "val")
        assert [kind for kind, _ in faults] == ["contradiction"]
    value = [round(0.95 * one) for one in record["gt_value"]]
    assert check_record({**record, "gt_value": value}, "val") == []


def test_sizes_are_of_all_frames_together():
    assert union_sizes([[0, 0, 0, 10, 5, 3], None, [2, 1, -4, 4, 30, 1]]) == [7, 30, 10]
    assert union_sizes([None, None]) == [0, 0, 0]


def test_two_images_may_give_a_size_if_they_are_not_linked():
    """Beside the two that tell, one joins them; where the two are linked themselves, they tell."""
    record = frame_record("object_joint_size", 5, num_frames=3)
    x, y, z = (max(one[end] for one in record["bounds_mm"]) for end in (3, 4, 5))
    ends = [[0, 0, 0, x // 3, y, z], None, [x // 2, 0, 0, x, y, z]]
    assert check_record({**record, "bounds_mm": ends}, "val") == []
    ((kind, cause),) = check_record({**record, "bounds_mm": ends, "links": [[1, 3], [2, 3]]}, "val")
    assert kind == "contradiction"
    assert "Image-1 and Image-3 alone give" in cause


def test_how_much_two_linked_images_may_show():
    """An answer is right up to a fifth of the length of the vector; within rounding nothing is
    said."""
    record = frame_record("object_joint_size", 5, num_frames=3)
    z, x, y = 1000, 1000, 1000
    told = {"gt_value": [z, x, y], "links": [[1, 2], [2, 3]]}
    off = 0.2 * 3**0.5 * 1000
    for unseen, count in ((off - 4, 1), (off - 2, 0), (off + 2, 0)):
        seen = round(x - unseen)
        bounds = [[0, 0, 0, seen, y, z], None, [x - 100, 0, 0, x, y, z]]
        found = check_record({**record, **told, "bounds_mm": bounds}, "val")
        assert len(found) == count


@pytest.mark.parametrize(
    "links", [[], [[1]], [[2, 1]], [[0, 1]], [[1, 1]], [[1, "2"]], "1-2", None]
)
def test_links_are_pairs_of_images(links):
    ((kind, cause),) = check_record(frame_record("object_joint_size", 5) | {"links": links}, "val")
    assert kind == "field"
    assert "links must be" in cause


@pytest.mark.parametrize("bounds", [[0] * 5, [0.5] * 6, "", [None] * 6])
def test_bounds_are_six_integers_or_null(bounds):
    record = frame_record("object_joint_size", 5)
    record["bounds_mm"][0] = bounds
    assert [kind for kind, _ in check_record(record, "val")] == ["field"]


def test_sectors_lie_around_their_middles_and_share_their_borders():
    assert [is_in_sector(angle, "back") for angle in (135, 180, -180, -135, 134, -134)] == [
        True, True, True, True, False, False,
    ]  # fmt: skip
    assert is_in_sector(46, "left") and is_in_sector(-46, "right") and is_in_sector(-45, "front")


@pytest.mark.parametrize("task", FRAME_TASKS)
def test_a_set_of_frames_is_asked_about_the_same_thing_once_in_any_order(task):
    record = frame_record(task, 4)
    other = frame_record(task, 5)
    assert question_key(record) != question_key(other)
    assert question_key({**record, "text": "Which?"}) == question_key(record)
    turned = {**record, "frames": record["frames"][::-1], "image": record["image"][::-1]}
    same = question_key(turned) == question_key(record)
    assert same == (task != "depth_hidden_depth")  # which is about the last image


def test_objects_are_asked_about_in_the_order_that_the_question_names():
    for task, same in (
        ("relation_object_distance", True), ("relation_direction", False),
        ("relation_nearest_object", False), ("relation_appearance_order", True),
    ):  # fmt: skip
        record = frame_record(task, 2)
        turned = {**record, "object_ids": record["object_ids"][::-1]}
        assert (question_key(turned) == question_key(record)) == same
    nearest = frame_record("relation_nearest_object", 2)
    first, *others = nearest["object_ids"]
    turned = {**nearest, "object_ids": [first, *others[::-1]]}
    assert question_key(turned) == question_key(nearest)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("camera_path_length", [" mm", "images 3 16.7 %, 4 16.7 %"]),
        ("camera_net_turn", ["signed degree", "left ", "right "]),
        ("correspondence_seen_where", ["A ", "G ", "points "]),
        ("object_count_distinct", ["4..7 count", "4 ", "7 "]),
        ("relation_direction", ["A ", "D "]),
    ],
)
def test_contents_are_told_in_a_line(task, words):
    halves = Contents(), Contents()
    for number, record in enumerate(frame_records(task, 60)):
        halves[number % 2].add(record)
    halves[0].join(halves[1])
    said = described(task, halves[0])
    assert all(word in said for word in words), said
    assert sum(halves[0].as_json()["frames"].values()) == 60
