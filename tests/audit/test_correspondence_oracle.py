"""The correspondence oracle against right records of the sample scenes, and planted errors.

Right records are made here, by plain code of this page and of test_depth_oracle, from random
vertices that both frames clearly see. Each planted error changes one thing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from audit_files import file_complaints
from test_depth_oracle import (
    SCENES,
    answered,
    box_of,
    clearly_visible,
    coordinate,
    in_field,
    in_text,
    open_scene,
    paint_mark,
    save,
    source_of,
    standing_out,
    with_texts,
    without,
    without_mesh,
    write_file,
)

from spatial_engine.audit.oracles.correspondence import COOR, DOT, check_correspondence_record
from spatial_engine.audit.oracles.overlap import overlap
from spatial_engine.audit.raw.scene import RawScene

TASK = {COOR: "correspondence_coor", DOT: "correspondence_multichoice"}
LETTERS = "ABCD"
OPENING = "Image-1: <image>\nImage-2: <image>\nFind the same point.\n"


# ---- right records -------------------------------------------------------------------------------


@lru_cache
def pairs_of(scene: RawScene) -> list[tuple[str, str]]:
    """Pairs of frames that may be asked about, overlap 6 to 35 percent."""
    sees = {frame: set(clearly_visible(scene, frame)) for frame in scene.valid_frame_ids}
    found = []
    for one, two in combinations(sees, 2):
        percent = 100 * len(sees[one] & sees[two]) / max(1, len(sees[one] | sees[two]))
        bounds = overlap(scene, one, two)  # the test's own sets leave out what is near a tie
        if 7 <= percent <= 34 and 7 <= bounds.value <= 34:
            found.append((one, two))
    return found


def inside(u: float, v: float, scene: RawScene) -> bool:
    width, height = scene.colour_size
    return 11 <= u <= width - 12 and 11 <= v <= height - 12


def make_record(
    folder: Path, scene: RawScene, question_type: str, split: str, pair, seed=0, **change
) -> dict:
    """A right record; its pictures are written under folder / images. change: of paint_again."""
    rng = np.random.default_rng(seed)
    one, two = rng.permutation(pair).tolist()
    first, second = clearly_visible(scene, one), clearly_visible(scene, two)
    usable = [
        vertex
        for vertex in sorted(first.keys() & second.keys())
        if inside(*first[vertex][:2], scene) and inside(*second[vertex][:2], scene)
    ]
    vertex = int(rng.choice(usable))
    (u1, v1, _), (u2, v2, _) = first[vertex], second[vertex]
    width, height = scene.colour_size
    record = {
        "id": f"{question_type}_{scene.scene_id}_{one}_{two}_{seed}",
        "image": [f"{scene.scene_id}/{one}.jpg", f"{scene.scene_id}/{two}.jpg"],
        "height_list": [height, height],
        "width_list": [width, width],
        "task": TASK[question_type],
        "question_type": question_type,
        "p1": coordinate(u1, v1, scene),
        "p2": coordinate(u2, v2, scene),
    }
    if question_type == COOR:
        record["gt_value"] = list(record["p2"])
        record["overlap"] = overlap(scene, one, two).value
        question = "Where is [ {} , {} ], 0 to 1000 from the top left corner?"
        text = "[ {} , {} ]".format(*record["p2"])
        with_texts(record, split, OPENING + question.format(*record["p1"]), text)
        return record
    places = [(u2, v2)]
    while len(places) < 4:
        u, v = rng.uniform(11, width - 12), rng.uniform(11, height - 12)
        if all(np.hypot(u - a, v - b) >= 26 for a, b in places):
            places.append((u, v))
    order = rng.permutation(4)
    places = [places[k] for k in order]
    record["options"] = {
        letter: coordinate(u, v, scene) for letter, (u, v) in zip(LETTERS, places, strict=True)
    }
    record["gt_value"] = LETTERS[int(np.flatnonzero(order == 0)[0])]
    record["image"] = [f"{scene.scene_id}/{frame}_{one}_{two}_{seed}.jpg" for frame in (one, two)]
    paint(folder, scene, record, rng, [(u1, v1), *places], **change)
    with_texts(record, split, OPENING + "Which of A, B, C, D is it?", record["gt_value"])
    return record


def paint(folder, scene, record, rng, places, *, moves=(), radius=10, letters=LETTERS, after=None):
    """Both pictures and mark_colors. moves: {mark number: (du, dv)}; after: changes a picture."""
    frames = [path.split("/")[1][:5] for path in record["image"]]
    sources = [source_of(scene, frame) for frame in frames]
    colours: list[tuple[int, ...]] = []
    for k, (u, v) in enumerate(places):
        colours.append(standing_out(rng, sources[min(k, 1)], u, v, colours))
    pictures = [source.copy() for source in sources]
    for k, ((u, v), colour) in reversed(list(enumerate(zip(places, colours, strict=True)))):
        du, dv = dict(moves).get(k, (0, 0))
        letter_free = [p for j, p in enumerate(places[1:], 1) if j != k]
        picture = pictures[min(k, 1)]
        paint_mark(picture, u + du, v + dv, colour, radius=radius)
        if k and letters:
            paint_letter(picture, u, v, letters[k - 1], letter_free)
    pictures = [after(picture) if after else picture for picture in pictures]
    record["mark_colors"] = ["#" + bytes(colour).hex() for colour in colours]
    for path, picture in zip(record["image"], pictures, strict=True):
        save(folder / "images" / path, picture)


def paint_letter(picture, u, v, letter, others) -> None:
    """White strokes beside the circle, in some direction where no other circle is."""
    height, width = picture.shape[:2]
    for angle in np.arange(0, 2 * np.pi, 0.2):
        a, b = u + 18 * np.cos(angle), v + 18 * np.sin(angle)
        if not (4 <= a < width - 4 and 4 <= b < height - 4):
            continue
        if all(np.hypot(a - x, b - y) > 15 for x, y in others):
            left, top = round(a) - 3, round(b) - 3
            picture[top : top + 7, left : left + 7] = 0
            picture[top : top + 7, left + (ord(letter) - ord("A"))] = 255
            return
    raise AssertionError("no room for a letter")


# ---- right files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SCENES)
@pytest.mark.parametrize("question_type", TASK)
def test_right_files_pass(raw_root, tmp_path, question_type, split):
    records = []
    for scene_id in SCENES[split]:
        scene = open_scene(raw_root, scene_id)
        for seed, pair in enumerate(pairs_of(scene)[:5]):
            records.append(make_record(tmp_path, scene, question_type, split, pair, seed))
    assert len(records) >= 8
    path = write_file(tmp_path, f"{split}_{question_type}", *records)
    assert file_complaints(path, raw_root, split) == []


# ---- planted errors ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def right(raw_root, tmp_path_factory) -> dict[tuple[str, str], tuple[Path, dict]]:
    """One right record of every task and split, with the folder that its pictures are in."""
    found = {}
    for question_type in TASK:
        for split, scenes in SCENES.items():
            folder = tmp_path_factory.mktemp(f"{question_type}_{split}")
            scene = open_scene(raw_root, scenes[0])
            pair = pairs_of(scene)[0]
            found[question_type, split] = (
                folder,
                make_record(folder, scene, question_type, split, pair),
            )
    return found


def complaints_about(raw_root, folder, record, split) -> list[str]:
    scene = open_scene(raw_root, SCENES[split][0])
    return check_correspondence_record(record, scene, split, folder / "images")


def frame_of(record: dict, k: int) -> str:
    return record["image"][k].split("/")[1][:5]


def p2_moved(by: int) -> Callable[[dict], None]:
    """A wrong match everywhere the same: only the raw data can tell."""

    def plant(record: dict) -> None:
        record["p2"][0] += by
        if record["question_type"] == COOR:
            answered(lambda record: list(record["p2"]))(record)
        else:
            record["options"][record["gt_value"]] = list(record["p2"])

    return plant


def p1_moved(record: dict) -> None:
    old = "[ {} , {} ]".format(*record["p1"])
    record["p1"][1] += 4
    in_text(lambda text: text.replace(old, "[ {} , {} ]".format(*record["p1"])))(record)


def swapped_images(record: dict) -> None:
    record["image"].reverse()


def other_letter(record: dict) -> None:
    wrong = next(letter for letter in LETTERS if letter != record["gt_value"])
    answered(lambda record: wrong)(record)


def distractor_for_match(record: dict) -> None:
    """p2 and the answer are those of a distractor: only the raw data can tell."""
    wrong = next(letter for letter in LETTERS if letter != record["gt_value"])
    record["p2"] = list(record["options"][wrong])
    answered(lambda record: wrong)(record)


def relettered(record: dict) -> None:
    """The letters of two distractors are exchanged in the record, not in the picture."""
    one, two = [letter for letter in LETTERS if letter != record["gt_value"]][:2]
    options = record["options"]
    options[one], options[two] = options[two], options[one]


def distractor_moved(record: dict) -> None:
    wrong = next(letter for letter in LETTERS if letter != record["gt_value"])
    record["options"][wrong][0] += 20


def two_at_the_match(record: dict) -> None:
    wrong = next(letter for letter in LETTERS if letter != record["gt_value"])
    record["options"][wrong] = list(record["p2"])


def like_colours(record: dict) -> None:
    record["mark_colors"][2] = record["mark_colors"][1]


def p2_in_question(record: dict) -> None:
    in_text(lambda text: text + " Not [ {} , {} ].".format(*record["p2"]))(record)


BOTH = (COOR, DOT)
PLANTED = [  # (tasks, error, what the complaints must say)
    (BOTH, in_field("id", None), "id:"),
    (BOTH, in_field("task", COOR), "task:"),
    (BOTH, in_field("question_type", "correspondence_coor"), "question_type:"),
    (BOTH, in_field("solution", "A"), "solution:"),
    (BOTH, in_field("height_list", lambda old: old[:1]), "height_list:"),
    (BOTH, in_field("width_list", lambda old: [old[0], 1]), "width_list:"),
    # images
    (BOTH, in_field("image", lambda old: old[:1]), "not a list of two"),
    (BOTH, in_field("image", lambda old: [old[0]] * 2), "twice"),
    (BOTH, in_field("image", lambda old: [old[0], old[1].replace("scene00", "scene90")]), "two sc"),
    (BOTH, in_field("image", lambda old: [old[0], old[1].replace("/0", "/9")]), "image:"),
    ((DOT,), in_field("image", lambda old: [p[:18] + ".jpg" for p in old]), "<frame>_<name>.jpg"),
    ((DOT,), in_field("image", lambda old: [p.replace("_0.", "_1.") for p in old]), "not there"),
    ((COOR,), in_field("image", lambda old: [p.replace(".jpg", "_1.jpg") for p in old]), "<frame>"),
    ((COOR,), swapped_images, "no vertex seen in both"),
    ((DOT,), swapped_images, "no vertex seen in both"),
    # points
    (BOTH, without("p1"), "p1: None"),
    (BOTH, without("p2"), "p2: None"),
    (BOTH, in_field("p1", [1, 2, 3]), "p1: [1, 2, 3]"),
    (BOTH, in_field("p2", [-1, 2]), "p2: [-1, 2]"),
    (BOTH, in_field("p2", [5.0, 2]), "p2: [5.0, 2]"),
    (BOTH, p1_moved, "p1:"),
    (BOTH, p2_moved(3), "in Image-2"),
    (BOTH, p2_moved(-3), "in Image-2"),
    ((COOR,), in_field("gt_value", lambda old: [old[0] + 1, old[1]]), "gt_value:"),
    ((COOR,), answered(lambda record: [float(x) for x in record["p2"]]), "gt_value:"),
    ((COOR,), answered(lambda record: list(record["p1"])), "gt_value:"),
    # overlap
    ((COOR,), in_field("overlap", lambda old: old + 2), "overlap:"),
    ((COOR,), in_field("overlap", 0), "overlap:"),
    ((COOR,), in_field("overlap", None), "overlap:"),
    ((DOT,), in_field("overlap", 20), "overlap:"),
    # options
    ((COOR,), in_field("options", {}), "nothing is marked"),
    ((COOR,), in_field("mark_colors", []), "nothing is marked"),
    ((DOT,), without("options"), "options: None"),
    ((DOT,), in_field("options", lambda old: old | {"E": [1, 2]}), "exactly A, B, C, D"),
    ((DOT,), in_field("options", lambda old: old | {"A": [1, 2.0]}), "options:"),
    ((DOT,), two_at_the_match, "expected one"),
    ((DOT,), other_letter, "gt_value:"),
    ((DOT,), in_field("gt_value", "E"), "gt_value:"),
    ((DOT,), distractor_for_match, "in Image-2"),
    ((DOT,), relettered, "the pixel at"),
    ((DOT,), distractor_moved, "Image-2: option"),
    # colours
    ((DOT,), without("mark_colors"), "mark_colors: None"),
    ((DOT,), in_field("mark_colors", lambda old: old[:4]), "list of 5"),
    ((DOT,), in_field("mark_colors", lambda old: [*old[:4], "#fff"]), "list of 5"),
    ((DOT,), like_colours, "differ by 0"),
    ((DOT,), in_field("mark_colors", lambda old: old[1:] + old[:1]), "the pixel at"),
    ((DOT,), in_field("mark_colors", lambda old: [old[1], old[0], *old[2:]]), "Image-1: the dot"),
    # texts
    (BOTH, in_text(lambda text: text.replace("Image-2: ", "")), "does not open with"),
    (BOTH, in_text(lambda text: text.replace("<image>\nI", "I", 1)), "1 <image> marks"),
    ((COOR,), in_text(lambda text: text.replace("[ ", "[")), "is not named"),
    ((COOR,), in_text(lambda text: text.replace("top left", "corner")), "top left"),
    ((COOR,), in_text(lambda text: text.replace("1000", "100")), "go to 1000"),
    (BOTH, p2_in_question, "stands in the question"),
]
PLANTED = [(task, plant, says) for tasks, plant, says in PLANTED for task in tasks]


@pytest.mark.parametrize("split", SCENES)
@pytest.mark.parametrize("question_type", TASK)
def test_the_records_to_be_spoiled_are_right(raw_root, right, question_type, split):
    folder, record = right[question_type, split]
    assert complaints_about(raw_root, folder, record, split) == []


@pytest.mark.parametrize("split", SCENES)
@pytest.mark.parametrize(("question_type", "plant", "says"), PLANTED)
def test_planted_errors_are_found(raw_root, right, question_type, split, plant, says):
    folder, record = right[question_type, split]
    record = copy.deepcopy(record)
    plant(record)
    complaints = complaints_about(raw_root, folder, record, split)
    assert any(says in complaint for complaint in complaints), complaints
    assert all("\n" not in complaint for complaint in complaints)


def test_the_wrong_letter_in_backticks_is_found(raw_root, right):
    folder, record = right[DOT, "train"]
    record = copy.deepcopy(record)
    wrong = next(letter for letter in LETTERS if letter != record["gt_value"])
    record["conversations"][1]["value"] = f"`{wrong}`"
    complaints = complaints_about(raw_root, folder, record, "train")
    assert len(complaints) == 1
    assert complaints[0].startswith("gpt:")


def test_an_answer_given_away_is_found_and_letters_offered_are_not(raw_root, right):
    folder, record = right[DOT, "val"]
    given = record | {"text": record["text"] + f" `{record['gt_value']}`"}
    assert "stands in the question" in complaints_about(raw_root, folder, given, "val")[0]
    offered = record | {"text": record["text"] + " `A`, `B`, `C` or `D`"}
    assert complaints_about(raw_root, folder, offered, "val") == []


def test_a_pair_that_overlaps_too_little_is_found(raw_root, tmp_path):
    scene = open_scene(raw_root, SCENES["train"][0])
    pairs = combinations(scene.valid_frame_ids, 2)
    pair = next(pair for pair in pairs if 2 < overlap(scene, *pair).high < 5.9)
    record = make_record(tmp_path, scene, COOR, "train", pair)
    complaints = complaints_about(raw_root, tmp_path, record, "train")
    assert len(complaints) == 1
    assert "is not within 6 to 35" in complaints[0]
    del record["overlap"]
    complaints = complaints_about(raw_root, tmp_path, record, "train")
    assert len(complaints) == 1
    assert "not within 6 to 35" in complaints[0]


def test_a_point_that_only_one_frame_sees_is_found(raw_root, tmp_path):
    """A vertex inside both frames, and hidden in the second: the classic wrong match."""
    scene = open_scene(raw_root, SCENES["train"][0])
    for one, two in pairs_of(scene):
        first, second = clearly_visible(scene, one), clearly_visible(scene, two)
        cam_from_world = np.linalg.inv(scene.axis_align @ scene.poses[int(two)])
        for vertex in sorted(first.keys() - second.keys()):
            cam = cam_from_world[:3, :3] @ scene.vertices_aligned[vertex] + cam_from_world[:3, 3]
            if cam[2] < 0.5:
                continue
            u, v, _ = scene.colour_intrinsics @ cam / cam[2]
            if not inside(u, v, scene) or len(near(second, u, v)):
                continue
            record = make_record(tmp_path, scene, COOR, "train", (one, two))
            old = "[ {} , {} ]".format(*record["p1"])
            record["image"] = [f"{scene.scene_id}/{frame}.jpg" for frame in (one, two)]
            record["p1"] = coordinate(*first[vertex][:2], scene)
            record["p2"] = coordinate(u, v, scene)
            answered(lambda record: list(record["p2"]))(record)
            new = "[ {} , {} ]".format(*record["p1"])
            in_text(lambda text, old=old, new=new: text.replace(old, new))(record)
            complaints = complaints_about(raw_root, tmp_path, record, "train")
            assert len(complaints) == 1
            assert complaints[0].startswith(("p1:", "p2:"))
            return
    pytest.fail("no such vertex in the sample scene")


def near(seen: dict, u: float, v: float) -> list[int]:
    return [vertex for vertex, (a, b, _) in seen.items() if np.hypot(a - u, b - v) < 2]


# ---- planted errors in pictures ------------------------------------------------------------------


def painted(raw_root, tmp_path, seed=1, **change) -> list[str]:
    scene = open_scene(raw_root, SCENES["train"][0])
    pair = pairs_of(scene)[0]
    record = make_record(tmp_path, scene, DOT, "train", pair, seed=seed, **change)
    return check_correspondence_record(record, scene, "train", tmp_path / "images")


PICTURES = [
    ({"moves": {0: (3, 0)}}, "Image-1: the dot"),
    ({"moves": {0: (50, 0)}}, "Image-1: the dot"),
    ({"moves": dict.fromkeys((1, 2, 3, 4), (0, 3))}, "px from ("),
    ({"moves": dict.fromkeys((1, 2, 3, 4), (40, 0))}, "the pixel at"),
    ({"radius": 5}, "are not #"),
    ({"radius": 13}, "radius"),
    ({"letters": ""}, "no letter"),
    ({"after": lambda picture: picture[::-1]}, "the pixel at"),
    ({"after": box_of((255, 255, 255))}, "painted away from the marks"),
    ({"after": lambda picture: np.ascontiguousarray(picture[:, :-2])}, "its frame"),
]


def test_pictures_painted_anew_pass(raw_root, tmp_path):
    for seed in range(4):
        assert painted(raw_root, tmp_path, seed=seed) == []


@pytest.mark.parametrize(("change", "says"), PICTURES)
def test_planted_errors_in_pictures_are_found(raw_root, tmp_path, change, says):
    complaints = painted(raw_root, tmp_path, **change)
    assert any(says in complaint for complaint in complaints), complaints


def test_circles_too_close_and_at_the_border_are_found(raw_root, tmp_path):
    scene = open_scene(raw_root, SCENES["train"][0])
    width, height = scene.colour_size
    record = make_record(tmp_path, scene, DOT, "train", pairs_of(scene)[0], seed=1)
    first = clearly_visible(scene, frame_of(record, 0))
    second = clearly_visible(scene, frame_of(record, 1))
    match = next(
        vertex
        for vertex in sorted(first.keys() & second.keys())
        if coordinate(*first[vertex][:2], scene) == record["p1"]
        and coordinate(*second[vertex][:2], scene) == record["p2"]
    )
    (u1, v1, _), (u2, v2, _) = first[match], second[match]
    side = 1 if u2 < width / 2 else -1
    for first_distractor, says in [
        ((u2 + side * 21, v2), "expected 24 or more"),  # a pixel apart, not touching
        ((width - 1 - u2, 5.0 if v2 > height / 2 else height - 6.0), "px from the border"),
    ]:
        other = v2 + (60 if v2 < height / 2 else -60)
        places = [(u2, v2), first_distractor, (u2, other), (u2 + side * 60, other)]
        record["gt_value"] = "A"
        record["options"] = {
            letter: coordinate(u, v, scene) for letter, (u, v) in zip(LETTERS, places, strict=True)
        }
        record["conversations"][1]["value"] = "`A`"
        paint(tmp_path, scene, record, np.random.default_rng(2), [(u1, v1), *places])
        complaints = complaints_about(raw_root, tmp_path, record, "train")
        assert len(complaints) == 1, complaints
        assert says in complaints[0]


# ---- files ---------------------------------------------------------------------------------------


def test_what_a_file_must_not_repeat(raw_root, tmp_path):
    scene = open_scene(raw_root, SCENES["train"][0])
    pair = pairs_of(scene)[0]
    records = [make_record(tmp_path, scene, COOR, "train", pair, seed=seed) for seed in range(8)]
    other_way = next(r for r in records if r["image"] == records[0]["image"][::-1])
    path = write_file(tmp_path, f"train_{COOR}", records[0], other_way)
    expected = ["line 2: image: the pair of line 1 again"]
    assert file_complaints(path, raw_root, "train") == expected
    path = write_file(tmp_path, f"train_{COOR}", records[0], records[0])
    complaints = file_complaints(path, raw_root, "train")
    assert complaints == ["line 2: id: is that of line 1 too", *expected]


def test_what_a_file_must_be(raw_root, tmp_path):
    scene = open_scene(raw_root, SCENES["train"][0])
    record = make_record(tmp_path, scene, COOR, "train", pairs_of(scene)[0])
    path = write_file(tmp_path, f"train_{DOT}", record)
    expected = f"line 1: task: '{TASK[COOR]}', the file's name says {TASK[DOT]}"
    assert file_complaints(path, raw_root, "train") == [expected]
    path = write_file(tmp_path, "empty")
    assert file_complaints(path, raw_root, "train") == ["file: no records"]
    val = make_record(tmp_path, scene, COOR, "val", pairs_of(scene)[0])
    path = write_file(tmp_path, f"val_{COOR}", val)
    expected = f"line 1: image: scene {scene.scene_id} is not in split val"
    assert file_complaints(path, raw_root, "val") == [expected]
    with pytest.raises(ValueError, match="split 'test'"):
        check_correspondence_record(val, scene, "test", tmp_path)


@pytest.mark.parametrize("question_type", TASK)
@pytest.mark.parametrize("junk", [None, [], {}, "x", -1, 2.5, [None, None], [[], {}], {"A": []}])
def test_junk_in_any_field_is_a_complaint_not_a_crash(raw_root, right, question_type, junk):
    folder, record = right[question_type, "train"]
    for field in record:
        if field == "id" and junk == "x":
            continue  # any string is a right id
        complaints = complaints_about(raw_root, folder, record | {field: junk}, "train")
        assert complaints, field
        if question_type.endswith(("comparison_coor", "coor_2_coor")):
            path = write_file(folder, question_type, record | {field: junk})
            assert file_complaints(path, raw_root, "train"), field
    scene = open_scene(raw_root, SCENES["train"][0])
    assert check_correspondence_record(junk, scene, "train", folder)


def test_unreadable_raw_data_and_another_scene_are_complaints(raw_root, right, tmp_path):
    folder, record = right[COOR, "train"]
    scene = without_mesh(raw_root, tmp_path, SCENES["train"][0])
    complaints = check_correspondence_record(record, scene, "train", folder)
    assert len(complaints) == 1
    assert complaints[0].startswith("raw data:")
    other = open_scene(raw_root, SCENES["train"][1])
    complaints = check_correspondence_record(record, other, "train", folder)
    assert complaints == ["image: of scene scene0000_00, checked against scene0704_00"]
