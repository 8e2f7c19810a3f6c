"""The depth oracle against right records of the sample scenes, and against planted errors.

Right records are made here, by plain code of this page, from random vertices that are clearly
visible; marked pictures are painted pixel by pixel. Each planted error changes one thing.
"""

from __future__ import annotations

import copy
import io
import json
import shutil
import sys
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pytest
from audit_files import file_complaints
from PIL import Image, ImageDraw

from spatial_engine.audit.oracles import marks
from spatial_engine.audit.oracles.depth import (
    QUESTION_TYPES,
    check_depth_record,
    vertices_of_point,
)
from spatial_engine.audit.oracles.marks import Mark, check_marked_picture, find_circle
from spatial_engine.audit.oracles.visibility import seen_vertices
from spatial_engine.audit.raw.scene import RawScene
from spatial_engine.audit.records.fields import rounds_to

SCENES = {"train": ("scene0000_00", "scene0704_00"), "val": ("scene0011_00", "scene0015_00")}
FRAME = "00010"


# ---- what the raw data say, by this page ---------------------------------------------------------


@lru_cache
def open_scene(root: Path, scene_id: str) -> RawScene:
    return RawScene(root, scene_id)


@cache
def clearly_visible(scene: RawScene, frame_id: str) -> dict[int, tuple[float, float, float]]:
    """{vertex: (u, v, z in metres)}; 1 px inside the frame and 1 mm before what was measured."""
    (width, height), (depth_width, depth_height) = scene.colour_size, scene.depth_size
    depth = scene.depth_mm(frame_id) / 1000
    world_from_cam = scene.axis_align @ scene.poses[int(frame_id)]
    world = np.c_[scene.vertices, np.ones(len(scene.vertices))] @ scene.axis_align.T
    cam = (np.linalg.inv(world_from_cam) @ world.T).T[:, :3]
    found = {}
    for vertex, point in enumerate(cam):
        if point[2] <= 0.05:
            continue
        u, v, _ = scene.colour_intrinsics @ point / point[2]
        if not (1 <= u < width - 1 and 1 <= v < height - 1):
            continue
        rows = {
            int(np.clip(round(v * depth_height / height + d), 0, depth_height - 1)) for d in TIE
        }
        columns = {
            int(np.clip(round(u * depth_width / width + d), 0, depth_width - 1)) for d in TIE
        }
        if all(depth[row, column] > point[2] + 0.001 for row in rows for column in columns):
            found[vertex] = (u, v, point[2])
    return found


TIE = (-0.01, 0, 0.01)  # depth pixels


def coordinate(u: float, v: float, scene: RawScene) -> list[int]:
    width, height = scene.colour_size
    return [round(1000 * u / width), round(1000 * v / height)]


def source_of(scene: RawScene, frame_id: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(scene.jpeg_bytes(frame_id))).convert("RGB"))


def pixels_within(shape, u: float, v: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (columns - u) ** 2 + (rows - v) ** 2 <= radius**2


def standing_out(rng, source: np.ndarray, u: float, v: float, apart_from=()) -> tuple[int, ...]:
    """A random colour unlike what the mark covers and unlike some other colours."""
    covered = source[pixels_within(source.shape, u, v, 10)].astype(int)
    while True:
        colour = rng.integers(0, 256, 3)
        far = [np.abs(colour - other).max() >= 60 for other in apart_from]
        if np.median(np.abs(covered - colour).max(axis=1)) >= 80 and all(far):
            return tuple(int(c) for c in colour)


def paint_mark(picture: np.ndarray, u, v, colour, letter=None, radius=10) -> None:
    """A filled circle on the nearest pixel and, beside it, a white letter on black."""
    height, width = picture.shape[:2]
    picture[pixels_within(picture.shape, round(u), round(v), radius)] = colour
    if letter:
        left = round(u) + 13 if u + 26 < width else round(u) - 24
        top = int(np.clip(round(v) - 7, 0, height - 14))
        label = Image.new("RGB", (11, 13), "black")
        ImageDraw.Draw(label).text((2, 0), letter, fill="white")
        picture[top : top + 13, left : left + 11] = np.array(label)


def save(path: Path, picture: np.ndarray, quality: int = 95) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, "JPEG", quality=quality, subsampling="4:2:0")


# ---- right records -------------------------------------------------------------------------------


def make_record(
    folder: Path, scene: RawScene, question_type: str, split: str, frame_id=FRAME, seed=0
) -> dict:
    """A right record; in a dot task its picture is written under folder / images."""
    rng = np.random.default_rng(seed)
    comparison, dot = "comparison" in question_type, question_type.endswith("_dot")
    points = list(clearly_visible(scene, frame_id).values())
    while True:
        chosen = [points[i] for i in rng.choice(len(points), 2 if comparison else 1, replace=False)]
        depths = [round(1000 * z) for _, _, z in chosen]
        if not comparison:
            break
        (u1, v1, _), (u2, v2, _) = chosen
        if abs(depths[0] - depths[1]) > 20 and np.hypot(u1 - u2, v1 - v2) > 60:
            break
    letters = [None] * len(chosen)
    if comparison and dot:
        letters = ["A", "B"] if rng.random() < 0.5 else ["B", "A"]
    infos = []
    for (u, v, _), depth, letter in zip(chosen, depths, letters, strict=True):
        x, y = coordinate(u, v, scene)
        infos.append({"x": x, "y": y, "depth_mm": depth, "letter": letter})
    width, height = scene.colour_size
    record = {
        "id": f"{question_type}_{scene.scene_id}_{frame_id}_{seed}",
        "image": [f"{scene.scene_id}/{frame_id}.jpg"],
        "height_list": [height],
        "width_list": [width],
        "task": question_type,
        "question_type": question_type,
        "gt_value": depths[0],
        "points_info": infos,
    }
    names = [f"[ {info['x']} , {info['y']} ]" for info in infos]
    question = "How far is the dot, in millimetres?"
    if comparison:
        record["is_closer_question"] = closer = bool(rng.random() < 0.5)
        answer = infos[int((depths[0] < depths[1]) != closer)]
        record["gt_value"] = answer["letter"] if dot else [answer["x"], answer["y"]]
        question = f"Which point is {'closer' if closer else 'farther'}, `A` or `B`?"
    if not dot:
        question = f"{' or '.join(names)} (0 to 1000, from the top left corner)? " + question
    answer = record["gt_value"]
    text = f"[ {answer[0]} , {answer[1]} ]" if isinstance(answer, list) else str(answer)
    with_texts(record, split, f"<image>\nSay which is closer or farther.\n{question}", text)
    if dot:
        record["image"] = [f"{scene.scene_id}/{frame_id}_{seed}.jpg"]
        source = source_of(scene, frame_id)
        colours = [standing_out(rng, source, u, v) for u, v, _ in chosen]
        record["mark_colors"] = ["#" + bytes(colour).hex() for colour in colours]
        for (u, v, _), colour, letter in zip(chosen, colours, letters, strict=True):
            paint_mark(source, u, v, colour, letter)
        save(folder / "images" / record["image"][0], source)
    return record


def with_texts(record: dict, split: str, question: str, answer: str) -> None:
    if split == "val":
        record["text"] = question
    else:
        record["conversations"] = [
            {"from": "human", "value": question},
            {"from": "gpt", "value": f"It is `{answer}`."},
        ]


def write_file(folder: Path, name: str, *records: dict) -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


# ---- right files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SCENES)
@pytest.mark.parametrize("question_type", QUESTION_TYPES)
def test_right_files_pass(raw_root, tmp_path, question_type, split):
    scenes = [open_scene(raw_root, scene_id) for scene_id in SCENES[split]]
    records = [
        make_record(tmp_path, scene, question_type, split, frame_id, seed)
        for seed, frame_id in enumerate(["00000", "00005", "00010", "00020"])
        for scene in scenes
        if scene.is_valid(frame_id) and len(clearly_visible(scene, frame_id)) > 100
    ]
    assert len(records) >= 6
    path = write_file(tmp_path, question_type, *records)
    assert file_complaints(path, raw_root, split) == []


def test_a_comparison_may_show_a_frame_again(raw_root, tmp_path):
    scene = open_scene(raw_root, SCENES["train"][0])
    records = [make_record(tmp_path, scene, QUESTION_TYPES[2], "train", seed=k) for k in (1, 2)]
    path = write_file(tmp_path, QUESTION_TYPES[2], *records)
    assert file_complaints(path, raw_root, "train") == []


# ---- planted errors ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def right(raw_root, tmp_path_factory) -> dict[tuple[str, str], tuple[Path, dict]]:
    """One right record of every task and split, with the folder that its picture is in."""
    found = {}
    for question_type in QUESTION_TYPES:
        for split, scenes in SCENES.items():
            folder = tmp_path_factory.mktemp(f"{question_type}_{split}")
            scene = open_scene(raw_root, scenes[0])
            found[question_type, split] = folder, make_record(folder, scene, question_type, split)
    return found


def complaints_about(raw_root, folder, record, split) -> list[str]:
    scene = open_scene(raw_root, SCENES[split][0])
    return check_depth_record(record, scene, split, folder / "images")


@pytest.mark.parametrize("split", SCENES)
@pytest.mark.parametrize("question_type", QUESTION_TYPES)
def test_the_records_to_be_spoiled_are_right(raw_root, right, question_type, split):
    folder, record = right[question_type, split]
    assert complaints_about(raw_root, folder, record, split) == []


def in_point(k: int, field: str, change: object) -> Callable[[dict], None]:
    """A planted error in points_info; change: a value, or a function of the old one."""

    def plant(record: dict) -> None:
        point = record["points_info"][k]
        point[field] = change(point[field]) if callable(change) else change

    return plant


def in_field(field: str, change: object) -> Callable[[dict], None]:
    def plant(record: dict) -> None:
        record[field] = change(record.get(field)) if callable(change) else change

    return plant


def in_text(change: Callable[[str], str]) -> Callable[[dict], None]:
    def plant(record: dict) -> None:
        if "text" in record:
            record["text"] = change(record["text"])
        else:
            turn = record["conversations"][0]
            turn["value"] = change(turn["value"])

    return plant


def without(field: str) -> Callable[[dict], None]:
    return lambda record: record.pop(field)


def answered(change: Callable[[dict], object]) -> Callable[[dict], None]:
    """A wrong answer everywhere: in gt_value and in the reply."""

    def plant(record: dict) -> None:
        record["gt_value"] = answer = change(record)
        text = f"[ {answer[0]} , {answer[1]} ]" if isinstance(answer, list) else str(answer)
        if "conversations" in record:
            record["conversations"][1]["value"] = f"It is `{text}`."

    return plant


def estimated(by: int) -> Callable[[dict], None]:
    """A wrong depth, everywhere the same: only the raw data can tell."""

    def plant(record: dict) -> None:
        record["points_info"][0]["depth_mm"] += by
        answered(lambda record: record["points_info"][0]["depth_mm"])(record)

    return plant


def other_point(record: dict) -> object:
    """The wrong one of the two answers of a comparison."""
    answers = [p["letter"] or [p["x"], p["y"]] for p in record["points_info"]]
    return next(answer for answer in answers if answer != record["gt_value"])


def swapped_side(record: dict) -> None:
    record["is_closer_question"] = not record["is_closer_question"]


def swapped_words(text: str) -> str:
    """The question of the other side, its answer as it was."""
    line = text.splitlines()[-1]
    other = line.replace("closer", "f*").replace("farther", "closer").replace("f*", "farther")
    return text.replace(line, other)


def swapped_points(record: dict) -> None:
    record["points_info"].reverse()


def swapped_depths(record: dict) -> None:
    """Depths of the two points exchanged and the answer with them: only the raw data can tell."""
    first, second = record["points_info"]
    first["depth_mm"], second["depth_mm"] = second["depth_mm"], first["depth_mm"]
    answered(other_point)(record)


def swapped_letters(record: dict) -> None:
    first, second = record["points_info"]
    first["letter"], second["letter"] = second["letter"], first["letter"]


EST_COOR, EST_DOT, COMP_COOR, COMP_DOT = QUESTION_TYPES
ESTIMATIONS, COMPARISONS = (EST_COOR, EST_DOT), (COMP_COOR, COMP_DOT)
COORS, DOTS = (EST_COOR, COMP_COOR), (EST_DOT, COMP_DOT)
PLANTED = [  # (tasks, error, what the complaints must say)
    (QUESTION_TYPES, in_field("id", ""), "id:"),
    (QUESTION_TYPES, in_field("task", "depth_estimation"), "task:"),
    (QUESTION_TYPES, in_field("question_type", "depth"), "question_type:"),
    (QUESTION_TYPES, in_field("length", 3), "length:"),
    (QUESTION_TYPES, in_field("height_list", lambda old: [old[0] + 1]), "height_list:"),
    (QUESTION_TYPES, in_field("width_list", lambda old: old * 2), "width_list:"),
    # images
    (QUESTION_TYPES, in_field("image", lambda old: old[0]), "not a list of one"),
    (QUESTION_TYPES, in_field("image", lambda old: old * 2), "not a list of one"),
    (COORS, in_field("image", lambda old: ["../" + old[0]]), "not <scene>/<frame>.jpg"),
    (DOTS, in_field("image", lambda old: [old[0].replace("_0.", ".")]), "<frame>_<name>.jpg"),
    (DOTS, in_field("image", lambda old: [old[0].replace(".jpg", "9.jpg")]), "is not there"),
    (COORS, in_field("image", lambda old: [old[0].replace("00010", "00011")]), "multiple of 5"),
    (COORS, in_field("image", lambda old: [old[0].replace("00010", "99990")]), "no frame 99990"),
    (COORS, in_field("image", lambda old: [old[0].replace("00010", "00005")]), "points_info["),
    # points
    (QUESTION_TYPES, without("points_info"), "points_info: None"),
    (QUESTION_TYPES, in_field("points_info", lambda old: [*old, old[0]]), "not a list of"),
    (QUESTION_TYPES, in_point(0, "z", 1), "does not hold"),
    (QUESTION_TYPES, in_point(0, "x", 1001), "not int from 0 to 1000"),
    (QUESTION_TYPES, in_point(0, "y", float), "not int from 0 to 1000"),
    (QUESTION_TYPES, in_point(0, "depth_mm", float), "not an int of mm"),
    (QUESTION_TYPES, in_point(0, "depth_mm", 10**400), "not an int of mm"),
    (QUESTION_TYPES, in_point(0, "x", lambda x: x - 3), "points_info[0]:"),
    (QUESTION_TYPES, in_point(0, "y", lambda y: y + 3), "points_info[0]:"),
    (COMPARISONS, in_point(1, "depth_mm", lambda d: d + 2), "points_info[1]: depth_mm"),
    (COMPARISONS, swapped_depths, "points_info[0]: depth_mm"),
    (ESTIMATIONS, estimated(2), "but the raw data say"),
    (ESTIMATIONS, estimated(-2), "but the raw data say"),
    (ESTIMATIONS, answered(lambda record: record["gt_value"] + 1), "gt_value:"),
    (ESTIMATIONS, answered(lambda record: float(record["gt_value"])), "gt_value:"),
    ((EST_COOR, EST_DOT, COMP_COOR), in_point(0, "letter", "A"), "expected null"),
    ((COMP_DOT,), in_point(0, "letter", None), "expected A and B"),
    ((COMP_DOT,), in_point(0, "letter", "C"), "expected A and B"),
    ((COMP_DOT,), swapped_letters, "gt_value:"),
    # the comparison
    (COMPARISONS, without("is_closer_question"), "is_closer_question: None"),
    (COMPARISONS, in_field("is_closer_question", 1), "not true or false"),
    (COMPARISONS, swapped_side, "gt_value:"),
    (COMPARISONS, swapped_side, "do not fit is_closer_question"),
    (COMPARISONS, in_text(swapped_words), "do not fit is_closer_question"),
    (COMPARISONS, answered(other_point), "gt_value:"),
    ((COMP_COOR,), answered(lambda r: [float(x) for x in r["gt_value"]]), "gt_value:"),
    (ESTIMATIONS, in_field("is_closer_question", True), "nothing is compared"),
    (COORS, in_field("mark_colors", []), "nothing is marked"),
    # texts
    (QUESTION_TYPES, in_text(lambda text: text.replace("<image>", "")), "0 <image> marks"),
    (QUESTION_TYPES, in_text(lambda text: "See: " + text), "does not open with"),
    (QUESTION_TYPES, in_text(lambda text: "<image>\n"), "no question"),
    (COORS, in_text(lambda text: text.replace("[ ", "[")), "is not named"),
    (COORS, in_text(lambda text: text.replace("top left", "corner")), "top left"),
    (COORS, in_text(lambda text: text.replace("1000", "100")), "go to 1000"),
    ((COMP_COOR,), swapped_points, "is not named"),
    (ESTIMATIONS, in_text(lambda text: text.replace("millimetres", "units")), "millimetres"),
    ((COMP_DOT,), in_text(lambda text: text.replace("`", "")), ""),
    # marks
    (DOTS, without("mark_colors"), "mark_colors: None"),
    (DOTS, in_field("mark_colors", lambda old: [*old, old[0]]), "mark_colors:"),
    (DOTS, in_field("mark_colors", lambda old: ["red"] * len(old)), "mark_colors:"),
    (DOTS, in_field("mark_colors", lambda old: ["#12345g"] * len(old)), "mark_colors:"),
    ((COMP_DOT,), in_field("mark_colors", lambda old: old[::-1]), "the pixel at"),
    ((COMP_DOT,), swapped_points, "the pixel at"),
]
PLANTED = [(task, plant, says) for tasks, plant, says in PLANTED if says for task in tasks]


@pytest.mark.parametrize("split", SCENES)
@pytest.mark.parametrize(("question_type", "plant", "says"), PLANTED)
def test_planted_errors_are_found(raw_root, right, question_type, split, plant, says):
    folder, record = right[question_type, split]
    record = copy.deepcopy(record)
    plant(record)
    complaints = complaints_about(raw_root, folder, record, split)
    assert any(says in complaint for complaint in complaints), complaints
    assert all("\n" not in complaint for complaint in complaints)


@pytest.mark.parametrize(
    ("question", "sides"),  # which is_closer_question the words may go with
    [
        ("Which is closer?", (True,)),
        ("Which is the farthest from the camera?", (False,)),
        ("Which of them has less depth?", (True,)),
        ("Which has the larger depth?", (False,)),
        ("Which is less near?", (False,)),
        ("Which is the least far?", (True,)),
        ("Which is not as deep as the other?", (True,)),
        ("Which is not so close?", (False,)),
        ("How far are they? Name the nearer.", (True,)),
        ("How deep are they?", (True, False)),
        ("Which one would be touched first?", (True, False)),
        ("Which is nearer, not farther?", (True,)),
        ("Which is closer or farther?", (True, False)),
        ("Which is more remote?", (False,)),
        ("Which has more depth?", (False,)),
        ("Which one is the least distant?", (True,)),
        ("Near the border, how close is it?", (True, False)),
        ("Write no more than the letter of the one reached later.", (True, False)),
    ],
)
def test_words_and_side_must_agree(raw_root, right, question, sides):
    folder, record = right[COMP_DOT, "val"]
    for closer in (True, False):
        record = record | {"is_closer_question": closer}
        record["text"] = f"<image>\nTwo dots are marked.\n{question}"
        complaints = complaints_about(raw_root, folder, record, "val")
        found = any("do not fit is_closer_question" in complaint for complaint in complaints)
        assert found is (closer not in sides), complaints


@pytest.mark.parametrize("task", ["Find the farther dot.", "Study the nearer parts of the scene."])
def test_words_of_the_task_ask_for_nothing(raw_root, right, task):
    folder, record = right[COMP_DOT, "val"]
    for closer in (True, False):
        record = record | {"is_closer_question": closer}
        record["text"] = f"<image>\n{task}\nWhich one would be touched first, A or B?"
        complaints = complaints_about(raw_root, folder, record, "val")
        assert not any("do not fit is_closer_question" in text for text in complaints)


def test_an_error_in_the_reply_is_found(raw_root, right):
    folder, record = right[EST_COOR, "train"]
    record = copy.deepcopy(record)
    record["conversations"][1]["value"] = f"`{record['gt_value'] + 1}`"
    complaints = complaints_about(raw_root, folder, record, "train")
    assert len(complaints) == 1
    assert complaints[0].startswith("gpt:")


def test_an_answer_given_away_is_found(raw_root, right):
    for question_type in QUESTION_TYPES:
        folder, record = right[question_type, "val"]
        record = copy.deepcopy(record)
        gt_value = record["gt_value"]
        text = f"[ {gt_value[0]} , {gt_value[1]} ]" if isinstance(gt_value, list) else gt_value
        record["text"] = record["text"].replace("`A` or `B`", "one") + f" `{text}`"
        complaints = complaints_about(raw_root, folder, record, "val")
        assert len(complaints) == 1
        assert "stands in the question" in complaints[0]


def test_a_tie_of_rounding_may_go_either_way():
    values = np.array([2.5, 2.5 - 5e-7, 2.5 + 5e-7, 2.5 - 5e-6, 2.5 + 5e-6])
    assert rounds_to(values, 2).tolist() == [True, True, True, True, False]
    assert rounds_to(values, 3).tolist() == [True, True, True, False, True]


def test_a_hidden_vertex_is_none(raw_root, right):
    """A record about a vertex behind a wall: inside the frame, its depth right, never seen."""
    folder, record = right[EST_COOR, "train"]
    scene = open_scene(raw_root, SCENES["train"][0])
    cam_from_world = np.linalg.inv(scene.axis_align @ scene.poses[int(FRAME)])
    depth, (width, height) = scene.depth_mm(FRAME), scene.colour_size
    for point in scene.vertices_aligned:
        cam = cam_from_world[:3, :3] @ point + cam_from_world[:3, 3]
        if cam[2] <= 0:
            continue
        u, v, _ = scene.colour_intrinsics @ cam / cam[2]
        if not (20 < u < width - 20 and 20 < v < height - 20):
            continue
        row, column = round(v * depth.shape[0] / height), round(u * depth.shape[1] / width)
        if cam[2] * 1000 > depth[row - 1 : row + 2, column - 1 : column + 2].max() + 500:
            break
    else:
        pytest.fail("no hidden vertex in the sample scene")
    record = copy.deepcopy(record)
    old = record["points_info"][0]
    x, y = coordinate(u, v, scene)
    record["points_info"] = [old | {"x": x, "y": y, "depth_mm": round(1000 * cam[2])}]
    answered(lambda record: record["points_info"][0]["depth_mm"])(record)
    in_text(lambda t: t.replace(f"[ {old['x']} , {old['y']} ]", f"[ {x} , {y} ]"))(record)
    complaints = complaints_about(raw_root, folder, record, "train")
    assert len(complaints) == 1
    assert complaints[0].startswith("points_info[0]:")


@pytest.mark.parametrize("question_type", [COMP_COOR, COMP_DOT])
def test_depths_nearer_to_each_other_than_the_file_says_are_found(
    raw_root, right, tmp_path, question_type
):
    folder, record = right[question_type, "train"]
    near, far = sorted(point["depth_mm"] for point in record["points_info"])
    path = tmp_path / f"{question_type}.jsonl"
    path.write_text(json.dumps(record) + "\n")
    (tmp_path / "images").symlink_to(folder / "images")
    gap = far - near
    for constants, least in (
        ({}, 0),
        ({"MIN_DEPTH_GAP_MM": gap, "MIN_DEPTH_GAP_SHARE": 0.0}, 0),
        ({"MIN_DEPTH_GAP_MM": gap + 1}, gap + 1),
        ({"MIN_DEPTH_GAP_MM": 1, "MIN_DEPTH_GAP_SHARE": gap / near}, 0),
        ({"MIN_DEPTH_GAP_MM": 1, "MIN_DEPTH_GAP_SHARE": (gap + 0.5) / near}, gap + 0.5),
        ({"MIN_DEPTH_GAP_MM": "many"}, 0),
    ):
        meta = path.with_name(f"{path.name}.meta.json")
        settings = {"SEEN_RULE": "published", **constants} if constants else {}
        meta.write_text(json.dumps({"settings": settings}))
        says = f"points_info: depths {near} and {far} mm differ by less than {least:g} mm"
        complaints = file_complaints(path, raw_root, "train")
        if least:
            assert len(complaints) == 1 and complaints[0].startswith(f"line 1: {says}"), constants
        else:
            assert complaints == [], constants


def test_an_estimation_has_no_gap(raw_root, right):
    folder, record = right[EST_COOR, "val"]
    scene, constants = open_scene(raw_root, SCENES["val"][0]), {"MIN_DEPTH_GAP_MM": 10**6}
    assert check_depth_record(record, scene, "val", folder, constants=constants) == []


# ---- planted errors in pictures ------------------------------------------------------------------


def picture_of(raw_root, tmp_path, split="train", question_type=COMP_DOT, seed=3, **change):
    """Complaints about a record whose picture is painted anew. change: of paint_again."""
    scene = open_scene(raw_root, SCENES[split][0])
    record = make_record(tmp_path, scene, question_type, split, seed=seed)
    paint_again(tmp_path / "images" / record["image"][0], scene, record, **change)
    return check_depth_record(record, scene, split, tmp_path / "images")


def paint_again(
    path, scene, record, *, shift=(0, 0), radius=10, letters=True, frame_id=FRAME, before=None,
    after=None, quality=95, colour=None,
):  # fmt: skip
    """The picture of a record with one thing changed. before, after: change the pixels."""
    points = clearly_visible(scene, FRAME).values()
    picture = source_of(scene, frame_id)
    if before:
        picture = before(picture)
    for info, text in zip(record["points_info"], record["mark_colors"], strict=True):
        here = [
            (u, v)
            for u, v, z in points
            if coordinate(u, v, scene) == [info["x"], info["y"]]
            and round(1000 * z) == info["depth_mm"]
        ]
        u, v = here[0]
        paint = bytes.fromhex(text[1:]) if colour is None else bytes.fromhex(colour)
        letter = info["letter"] if letters else None
        paint_mark(picture, u + shift[0], v + shift[1], tuple(paint), letter, radius)
    if after:
        picture = after(picture)
    save(path, picture, quality)


def box_of(value) -> Callable[[np.ndarray], np.ndarray]:
    """Paints 4 x 4 px where they are farthest from the two marks."""

    def apply(picture: np.ndarray) -> np.ndarray:
        picture = picture.copy()
        for row in (2, picture.shape[0] - 6):
            for column in (2, picture.shape[1] // 2, picture.shape[1] - 6):
                picture[row : row + 4, column : column + 4] = value
        return picture

    return apply


PICTURES = [
    ({"shift": (2, 0)}, "px from"),
    ({"shift": (-2, 1)}, "px from"),
    ({"shift": (0, 3)}, "px from"),
    ({"shift": (0, 30)}, "the pixel at"),
    ({"radius": 0}, "the pixel at"),  # nothing is painted
    ({"radius": 4}, "are not #"),
    ({"radius": 7}, "radius"),
    ({"radius": 13}, "radius"),
    ({"letters": False}, "no letter"),
    ({"colour": "808080"}, "the pixel at"),
    ({"frame_id": "00005"}, "away from the marks"),
    ({"before": box_of((255, 0, 255))}, "painted away from the marks"),
    ({"after": box_of((0, 255, 0))}, "painted away from the marks"),
    ({"after": lambda picture: (picture * 0.95).astype(np.uint8)}, "mean difference"),
    ({"after": lambda picture: picture[:, ::-1]}, "the pixel at"),
    ({"after": lambda picture: picture[:, :, ::-1]}, "the pixel at"),  # BGR for RGB
    ({"after": lambda picture: picture[:-1]}, "its frame"),
    ({"quality": 40}, "mean difference"),
]


def test_a_picture_painted_anew_passes(raw_root, tmp_path):
    for seed in range(8):
        for split in SCENES:
            assert picture_of(raw_root, tmp_path, split, seed=seed) == []


@pytest.mark.parametrize(("change", "says"), PICTURES)
def test_planted_errors_in_pictures_are_found(raw_root, tmp_path, change, says):
    complaints = picture_of(raw_root, tmp_path, **change)
    assert any(says in complaint for complaint in complaints), complaints


def test_a_mark_that_does_not_stand_out_is_found(raw_root, tmp_path, monkeypatch):
    def like_what_it_covers(rng, source, u, v):
        covered = source[pixels_within(source.shape, u, v, 10)]
        return tuple(int(c) for c in np.median(covered, axis=0))

    monkeypatch.setattr(sys.modules[__name__], "standing_out", like_what_it_covers)
    complaints = picture_of(raw_root, tmp_path, question_type=EST_DOT, seed=0)
    assert any("does not stand out" in complaint for complaint in complaints), complaints


def test_files_that_are_no_pictures_are_found(raw_root, right, tmp_path):
    folder, record = right[EST_DOT, "train"]
    whole = (folder / "images" / record["image"][0]).read_bytes()
    path = tmp_path / "images" / record["image"][0]
    path.parent.mkdir(parents=True)
    png = io.BytesIO()
    Image.open(io.BytesIO(whole)).save(png, "PNG")
    for content in (b"", b"text", whole[: len(whole) // 2], png.getvalue()):
        path.write_bytes(content)
        complaints = complaints_about(raw_root, tmp_path, record, "train")
        assert len(complaints) == 1
        assert "no JPEG that can be decoded" in complaints[0]


# ---- marks ---------------------------------------------------------------------------------------


def noise(rng, height=120, width=140) -> np.ndarray:
    """A frame of coarse and fine texture, once through JPEG as a camera's."""
    coarse = rng.integers(40, 200, (height // 10, width // 10, 3)).repeat(10, 0).repeat(10, 1)
    buffer = io.BytesIO()
    fine = np.clip(coarse + rng.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)
    Image.fromarray(fine).save(buffer, "JPEG", quality=92)
    return np.array(Image.open(buffer).convert("RGB"))


def through_jpeg(picture: np.ndarray) -> np.ndarray:
    return marks.encoded_once(picture)


def test_a_circle_is_found_to_a_fraction_of_a_pixel():
    rng = np.random.default_rng(5)
    errors = {True: [], False: []}
    for _ in range(60):
        source = noise(rng)
        u, v = rng.uniform(0, 139), rng.uniform(0, 119)
        colour = standing_out(rng, source, u, v)
        picture = source.copy()
        paint_mark(picture, u, v, colour)
        picture = through_jpeg(picture)
        mark = Mark("m", np.array(colour), np.array([[u, v]]), np.zeros(2), False)
        judged = np.ones(source.shape[:2], dtype=bool)
        circle = find_circle(picture, source.astype(int), mark, mark.centres[0], judged, 10)
        cut_off = min(u, v, 139 - u, 119 - v) < 11
        errors[cut_off].append(np.hypot(*(circle.centre - [round(u), round(v)])))
        assert abs(circle.radius - 10) <= 1
        assert check_marked_picture(picture, source.astype(int), [mark])[0] == []
    assert len(errors[False]) > 20
    assert len(errors[True]) > 10
    assert max(errors[False]) < 0.5
    assert max(errors[True]) < 1.8


@pytest.mark.parametrize("rim", [(255, 255, 255), (0, 0, 0)])
def test_a_rim_around_a_mark_does_not_disturb(rim):
    rng = np.random.default_rng(8)
    for _ in range(20):
        source = noise(rng)
        u, v = rng.uniform(14, 125), rng.uniform(14, 105)
        colour = standing_out(rng, source, u, v, [rim])
        picture = source.copy()
        paint_mark(picture, u, v, rim, radius=12)
        paint_mark(picture, u, v, colour)
        mark = Mark("m", np.array(colour), np.array([[u, v]]), np.zeros(2), False)
        found, _ = check_marked_picture(through_jpeg(picture), source.astype(int), [mark])
        assert found == []
        without_letter = check_marked_picture(
            through_jpeg(picture), source.astype(int), [mark._replace(lettered=True)]
        )
        assert "no letter" in without_letter[0][0]  # a rim is not taken for one


def test_background_of_like_colour_does_not_disturb():
    source = np.full((120, 140, 3), 90, dtype=np.uint8)
    source[:, 70:] = (250, 30, 30)  # a red wall begins where the right third of the mark is
    picture = source.copy()
    paint_mark(picture, 66, 60, (255, 20, 20))
    mark = Mark("m", np.array([255, 20, 20]), np.array([[66.2, 59.9]]), np.zeros(2), False)
    found = check_marked_picture(through_jpeg(picture), source.astype(int), [mark])
    assert found[0] == []
    moved = mark._replace(centres=np.array([[63.5, 59.9]]))
    assert check_marked_picture(through_jpeg(picture), source.astype(int), [moved])[0] != []


def test_any_of_several_vertices_will_do():
    source = noise(np.random.default_rng(6)).astype(int)
    picture = source.astype(np.uint8)
    paint_mark(picture, 66, 60, (255, 0, 255))
    picture = through_jpeg(picture)
    centres = np.array([[60.0, 60.0], [66.3, 60.4], [70.0, 55.0]])
    mark = Mark("m", np.array([255, 0, 255]), centres, np.zeros(2), False)
    complaints, places = check_marked_picture(picture, source, [mark])
    assert complaints == []
    assert np.hypot(*(places[0] - [66, 60])) < 0.5
    assert check_marked_picture(picture, source, [mark._replace(centres=centres[::2])])[0] != []


def test_marks_grow_with_wide_frames():
    assert [marks.mark_radius(w) for w in (160, 1296, 2592)] == [10, 10, 20]


def test_partly_covered_marks_are_judged_where_they_show():
    source = noise(np.random.default_rng(7)).astype(int)
    picture = source.astype(np.uint8)
    colours = [(255, 0, 255), (0, 255, 0)]
    centres = [(60, 60), (73, 62)]
    for (u, v), colour in zip(centres, colours, strict=True):
        paint_mark(picture, u, v, colour)
    marks = [
        Mark("m", np.array(colour), np.array([centre], dtype=float), np.zeros(2), False)
        for centre, colour in zip(centres, colours, strict=True)
    ]
    assert check_marked_picture(through_jpeg(picture), source, marks)[0] == []
    paint_mark(picture, 62, 60, colours[1])  # now the second one hides the centre of the first
    assert any("the pixel at" in c for c in check_marked_picture(picture, source, marks)[0])


# ---- files ---------------------------------------------------------------------------------------


def test_what_a_file_must_not_repeat(raw_root, tmp_path):
    scene = open_scene(raw_root, SCENES["train"][0])
    for question_type, says in [
        (EST_COOR, "line 2: image: the frame of line 1 again"),
        (COMP_COOR, "line 2: image, points_info: the frame and points of line 1 again"),
    ]:
        first = make_record(tmp_path, scene, question_type, "train")
        again = copy.deepcopy(first) | {"id": "another"}
        if question_type == COMP_COOR:  # named in the other order it is the same pair
            names = ["[ {x} , {y} ]".format(**point) for point in again["points_info"]]
            again["points_info"].reverse()
            turn = again["conversations"][0]
            turn["value"] = turn["value"].replace(" or ".join(names), " or ".join(names[::-1]))
        path = write_file(tmp_path, question_type, first, again)
        assert file_complaints(path, raw_root, "train") == [says]
        path = write_file(tmp_path, question_type, first, again | {"id": first["id"]})
        complaints = file_complaints(path, raw_root, "train")
        assert complaints == ["line 2: id: is that of line 1 too", says]
    # A frame again with other points is another comparison and the same estimation.
    records = [make_record(tmp_path, scene, EST_COOR, "train", seed=seed) for seed in (0, 1)]
    path = write_file(tmp_path, EST_COOR, *records)
    expected = ["line 2: image: the frame of line 1 again"]
    assert file_complaints(path, raw_root, "train") == expected


def test_what_a_file_must_be(raw_root, tmp_path):
    scene = open_scene(raw_root, SCENES["train"][0])
    record = make_record(tmp_path, scene, EST_COOR, "train")
    path = write_file(tmp_path, EST_DOT, record)
    expected = f"line 1: task: '{EST_COOR}', the file's name says {EST_DOT}"
    assert file_complaints(path, raw_root, "train") == [expected]
    path = write_file(tmp_path, EST_COOR)
    assert file_complaints(path, raw_root, "train") == ["file: no records"]
    path.write_text("{\n")
    assert "line 1: not JSON" in file_complaints(path, raw_root, "train")[0]
    val = make_record(tmp_path, scene, EST_COOR, "val")
    path = write_file(tmp_path, EST_COOR, val)
    expected = f"line 1: image: scene {scene.scene_id} is not in split val"
    assert file_complaints(path, raw_root, "val") == [expected]
    with pytest.raises(ValueError, match="split 'test'"):
        check_depth_record(val, scene, "test", tmp_path)


@pytest.mark.parametrize("question_type", QUESTION_TYPES)
@pytest.mark.parametrize("junk", [None, [], {}, "x", -1, 2.5, [None], [[], {}], {"a": []}])
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
    assert check_depth_record(junk, open_scene(raw_root, SCENES["train"][0]), "train", folder)


def test_junk_in_a_point_is_a_complaint_not_a_crash(raw_root, right):
    for junk in (None, [], {}, "x", True, 2.5, 10**400):
        for field in ("x", "y", "depth_mm", "letter"):
            folder, record = right[COMP_DOT, "train"]
            record = copy.deepcopy(record)
            record["points_info"][0][field] = junk
            assert complaints_about(raw_root, folder, record, "train"), (field, junk)


def without_mesh(raw_root: Path, root: Path, scene_id: str) -> RawScene:
    """A scene of a root of its own whose mesh is missing."""
    folder = root / "data/scannet/scans" / scene_id
    shutil.copytree(raw_root / "data/scannet/scans" / scene_id, folder)
    (folder / f"{scene_id}_vh_clean_2.ply").unlink()
    return RawScene(root, scene_id)


def test_unreadable_raw_data_is_a_complaint(raw_root, right, tmp_path):
    folder, record = right[EST_DOT, "train"]
    scene = without_mesh(raw_root, tmp_path, SCENES["train"][0])
    complaints = check_depth_record(record, scene, "train", folder / "images")
    assert len(complaints) == 1
    assert complaints[0].startswith("raw data:")


def test_a_frame_that_sees_nothing_is_found(raw_root, right):
    _, record = right[EST_COOR, "train"]
    seen = seen_vertices(open_scene(raw_root, SCENES["train"][0]), FRAME, None)
    point = record["points_info"][0]
    assert len(vertices_of_point(seen, point)) == 1
    nothing = type(seen)(*(values[:0] for values in seen))
    assert vertices_of_point(nothing, point) == "the frame sees no vertex"


def test_the_scene_must_be_the_record_s(raw_root, right):
    folder, record = right[EST_COOR, "train"]
    other = open_scene(raw_root, SCENES["train"][1])
    complaints = check_depth_record(record, other, "train", folder)
    assert complaints == ["image: of scene scene0000_00, checked against scene0704_00"]
