"""The movement oracle against right records of clips made here, and against planted errors.

Clips: one body that moves, one that stands still, a few points on their own. Right records are made
by plain code of this page from the positions the clip was made of, not from its file. Each planted
error changes one thing.
"""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from audit_files import file_complaints
from PIL import Image

from spatial_engine.audit.oracles import movement, track_motions
from spatial_engine.audit.oracles.movement_balance import (
    Most,
    check_balance,
    check_pairs,
    pairs_of,
)
from spatial_engine.audit.oracles.movement_dots import check_dot
from spatial_engine.audit.oracles.movement_points import (
    DISTANCE,
    VECTOR,
    Limits,
    MovementRule,
)
from spatial_engine.audit.oracles.track_motions import (
    average_linkage,
    distance_changes,
    groupings,
    jitter,
)
from spatial_engine.audit.raw import npz_file
from spatial_engine.audit.raw.clip import RawClip
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.npz_file import object_array, parse_npy
from spatial_engine.utils import paths
from spatial_engine.utils.clips.clips import read_clip
from spatial_engine.utils.geometry.point_motions import Motions

FRAMES, BODY = 12, 7
TYPES = (DISTANCE, VECTOR)
CLIPS = {  # of adt some dots have a radius of 1 px
    ("adt", "train"): [
        ("Apartment_release_meal_seq136_8", (128, 128)),
        ("Lite_release_recognition_Cup_seq1_1", (416, 320)),
    ],
    ("adt", "val"): [("Apartment_release_work_seq1_1", (128, 128))],
    ("pstudio", "train"): [("boxes_11", (400, 304)), ("boxes_12", (416, 304))],
    ("pstudio", "val"): [("basketball_3", (512, 288))],
}
POINTS, PAIRS = 3, 2  # per group, per bin
STILL_M, MOVED_M = 0.01, 0.02  # clips have no jitter
PUBLISHED = MovementRule(0.01, 0.01, 0.0, 0.0)


class Clip(NamedTuple):
    """world (T, N, 3), cameras (T, 4, 4) world from camera, visible (T, N), pixels (T, N, 2)."""

    dataset: str
    clip_id: str
    size: tuple[int, int]
    world: np.ndarray
    cameras: np.ndarray
    visible: np.ndarray
    pixels: np.ndarray
    jpegs: list[bytes]


# ---- clips ---------------------------------------------------------------------------------------


def turn(axis: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = axis / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def make_clip(
    root: Path, dataset: str, clip_id: str, size: tuple[int, int], seed: int, shaken: float = 0.0
) -> Clip:
    """`shaken`: by how many metres each frame is off, as with noise in the camera's pose."""
    rng = np.random.default_rng(seed)
    width, height = size
    shape = rng.uniform(-0.4, 0.4, (BODY, 3))
    still = rng.uniform(-0.5, 0.5, (BODY, 3)) + np.array([-0.6, 0.2, 3.5])
    world, cameras, place = [], [], np.array([0.2, -0.1, 3.0])
    moving = dataset == "adt"
    for t in range(FRAMES):
        if t > 2:  # for three frames nothing moves
            place = place + rng.uniform(-0.12, 0.12, 3)
        body = shape @ turn(np.array([1.0, 2, 0.5]), 0.15 * max(t - 2, 0)).T + place
        alone = rng.uniform(-0.5, 0.5, (4, 3)) + np.array([0, 0, 3.0])
        world.append(np.r_[body, still, alone])
        camera = np.eye(4)
        if moving:
            camera[:3, :3] = turn(np.array([0, 1.0, 0.3]), 0.4 + 0.01 * t)
            camera[:3, 3] = [1, 2, 3] + 0.03 * max(t - 4, 0) * np.array([1, 0.5, 0])
            world[t] = world[t] @ turn(np.array([0, 1.0, 0.3]), 0.4).T + [1, 2, 3]
        cameras.append(camera)
    world, cameras = np.stack(world), np.stack(cameras)
    world += np.random.default_rng(seed).normal(0, shaken, (FRAMES, 1, 3))
    tracks = np.einsum("tij,tnj->tni", np.linalg.inv(cameras)[:, :3], np.insert(world, 3, 1, 2))
    visible = rng.random(world.shape[:2]) < 0.85
    visible[:, 4] = False  # seen in no frame
    tracks[5, ~visible[5]] = np.nan
    focal = 0.95 * width
    pixels = focal * tracks[..., :2] / tracks[..., 2:] + [width / 2, height / 2]
    jpegs = [noise_jpeg(rng, size) for _ in range(FRAMES)]
    seen_in, points = visible.argmax(axis=0), np.arange(world.shape[1])  # 0 for one never seen
    content = {
        "queries_xyt": np.column_stack([pixels[seen_in, points], seen_in]),
        "tracks_XYZ": tracks,
        "visibility": visible,
        "fx_fy_cx_cy": np.array([focal, focal, width / 2, height / 2]),
        "images_jpeg_bytes": jpegs,
    }
    if moving:
        content["extrinsics_w2c"] = np.linalg.inv(cameras)
        content["images_jpeg_bytes"] = np.array([*jpegs, None], dtype=object)[:-1]
    path = root / "data" / "tapvid3d_dataset" / dataset / f"{clip_id}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **content)
    return Clip(dataset, clip_id, size, world, cameras, visible, pixels, jpegs)


def noise_jpeg(rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    small = rng.integers(0, 256, (size[1] // 16, size[0] // 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def source_of(clip: Clip, frame: int) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(clip.jpegs[frame])).convert("RGB"))


# ---- right records -------------------------------------------------------------------------------

COLOURS = ((230, 20, 50), (20, 60, 240), (0, 160, 60), (255, 225, 0), (255, 0, 220), (0, 225, 255))


def paint_dot(picture: np.ndarray, u: float, v: float, colour, radius: float, ring: float) -> None:
    """A disc with a smooth edge and a ring of black or white around it."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    distance = np.hypot(columns - u, rows - v)
    around = (0, 0, 0) if sum(colour) > 380 else (255, 255, 255)
    for value, r in ((around, radius + ring), (colour, radius)):
        covered = np.clip(r + 0.5 - distance, 0, 1)[..., None]
        picture[:] = np.rint(picture * (1 - covered) + np.array(value) * covered)


def apart_from(source: np.ndarray, u: float, v: float, radius: int) -> tuple[int, int, int]:
    """The colour that is farthest from what the dot covers."""
    rows, columns = np.mgrid[: source.shape[0], : source.shape[1]]
    patch = source[np.hypot(columns - u, rows - v) <= radius + 1].astype(int)
    return max(COLOURS, key=lambda c: np.median(np.abs(patch - np.array(c)).max(axis=1)))


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, "JPEG", quality=95, subsampling="4:2:0")


def usable_frames(clip: Clip, point: int, prompt: str) -> list[int]:
    width, height = clip.size
    radius = max(1, width // 100)
    frames = []
    for t in range(FRAMES):
        u, v = clip.pixels[t, point]
        margin = radius + max(2, round(0.2 * radius)) + 1
        inside = 0 <= u < width and 0 <= v < height
        if prompt == "dot":
            inside = margin <= u <= width - 1 - margin and margin <= v <= height - 1 - margin
        if clip.visible[t, point] and inside:
            frames.append(t)
    return frames


def draw_pairs(clip: Clip, point: int, prompt: str, pairs_per_bin: int, rng) -> tuple[list, list]:
    """Still pairs, in any order, and the moving ones that are drawn."""
    frames = usable_frames(clip, point, prompt)
    pairs = {(i, j): moved(clip, point, i, j) for i in frames for j in frames if i < j}
    still = [pair for pair, s in pairs.items() if s < STILL_M]
    moving = [pair for pair, s in pairs.items() if s >= MOVED_M]
    rng.shuffle(still)
    still = [tuple(pair) for pair in still]
    if not moving:
        return still, []
    low, high = min(pairs[p] for p in moving), max(pairs[p] for p in moving)
    bins = [[] for _ in range(10)]
    for pair in moving:
        bins[min(int((pairs[pair] - low) / (high - low) * 10), 9) if high > low else 0].append(pair)
    limit = min(max(len(bins[4]), 1), pairs_per_bin)
    drawn = []
    for content in bins:
        rng.shuffle(content)
        drawn += [tuple(pair) for pair in content[:limit]]
    return still, drawn


def moved(clip: Clip, point: int, i: int, j: int) -> float:
    return float(np.linalg.norm(clip.world[j, point] - clip.world[i, point]))


def make_record(folder: Path, clip: Clip, prompt, question_type, split, point, i, j) -> dict:
    """A right record; its pictures are written."""
    width, height = clip.size
    step = clip.world[j, point] - clip.world[i, point]
    static = np.linalg.norm(step) < STILL_M
    answer = 0 if static else round(1000 * float(np.linalg.norm(step)))
    if question_type == VECTOR:
        vector = 1000 * clip.cameras[i, :3, :3].T @ step
        answer = [0, 0, 0] if static else [round(float(x)) for x in vector]
    p1, p2 = ([round(float(1000 * x)) for x in clip.pixels[t, point] / clip.size] for t in (i, j))
    kind = "distance" if question_type == DISTANCE else "vector"
    record = {
        "id": f"{prompt}_{kind}_{clip.clip_id}_{point}_{i}_{j}",
        "image": [f"{clip.clip_id}/{t:05d}.jpg" for t in (i, j)],
        "height_list": [height] * 2,
        "width_list": [width] * 2,
        "task": f"movement_{prompt}_{kind}_{clip.dataset}",
        "question_type": question_type,
        "gt_value": answer,
        "point_moving": not static,
        "cam_moving": bool(np.linalg.norm(clip.cameras[j, :3, 3] - clip.cameras[i, :3, 3]) >= 0.01),
        "p1": p1,
        "p2": p2,
    }
    question = "How many mm does the dot move? Say `0` if it stands still."
    if prompt == "coord":
        question = f"Of the point [ {p1[0]} , {p1[1]} ] (0 to 1000, from the top left corner): "
        question += "how many mm does it move?"
    if question_type == VECTOR:
        question += " Give a vector `[ x , y , z ]`: right, down, forward."
    text = f"Image-1: <image>\nImage-2: <image>\nMeasure.\n{question}"
    if split == "val":
        record["text"] = text
    else:
        said = f"[ {answer[0]} , {answer[1]} , {answer[2]} ]" if kind == "vector" else str(answer)
        opening = "The point did not move. " if static else ""
        record["conversations"] = [
            {"from": "human", "value": text},
            {"from": "gpt", "value": f"{opening}It is `{said}`."},
        ]
    images = folder / "images"
    if prompt == "coord":
        images = next(p for p in folder.parents if p.name == "root") / "data" / "my_tapvid3d_images"
    for t in (i, j):
        path = images / clip.clip_id / f"{t:05d}.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(clip.jpegs[t])
    if prompt == "dot":
        name = f"{clip.clip_id}/{i:05d}_{point}_annotated.jpg"
        record["image"][0] = name
        source, radius = source_of(clip, i), max(1, width // 100)
        colour = apart_from(source, *clip.pixels[i, point], radius)
        record["mark_colors"] = ["#" + bytes(colour).hex()]
        if not (images / name).exists():
            paint_dot(source, *clip.pixels[i, point], colour, radius, max(2, round(0.2 * radius)))
            save(images / name, source)
    return record


def make_records(folder: Path, clip: Clip, prompt, question_type, split, seed=0) -> list[dict]:
    rng = np.random.default_rng(seed)
    asked, still = [], []
    for body in (range(BODY), range(BODY, 2 * BODY)):
        for point in map(int, rng.choice(body, POINTS if split == "train" else 1, replace=False)):
            some, moving = draw_pairs(clip, point, prompt, PAIRS if split == "train" else 1, rng)
            asked += [(point, *pair) for pair in moving]
            still += [(point, *pair) for pair in some[: 10 * PAIRS if split == "train" else 1]]
    if split == "train":  # a tenth of all
        count = max(1, round(len(asked) / 9))
        still = [still[k] for k in rng.permutation(len(still))[:count]]
    asked += still
    if split == "train":
        for k in rng.choice(len(asked), len(asked) // 20, replace=False):
            point, i, j = asked[k]
            asked.append((point, j, i))
    return [make_record(folder, clip, prompt, question_type, split, *one) for one in asked]


def write_file(folder: Path, name: str, records: list[dict]) -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


class Case(NamedTuple):
    """A right file: where it is, and what it holds."""

    root: Path
    path: Path
    clips: list[Clip]
    records: list[dict]
    dataset: str
    split: str
    prompt: str

    def complaints(self, records: list[dict], name: str | None = None) -> list[str]:
        path = write_file(self.path.parent, name or "spoiled", records)
        return file_complaints(path, self.root, self.split)

    def balance(self, records: list[dict], points: int = POINTS, pairs: int = PAIRS) -> list[str]:
        path = write_file(self.path.parent, "spoiled", records)
        return check_balance(path, self.root, self.dataset, self.split, self.prompt, points, pairs)


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> tuple[Path, dict]:
    root = tmp_path_factory.mktemp("movement") / "root"
    made = {}
    for (dataset, split), names in CLIPS.items():
        made[dataset, split] = [
            make_clip(root, dataset, name, size, 10 * len(made) + k)
            for k, (name, size) in enumerate(names)
        ]
        folder = root / "data" / "tapvid3d_dataset" / "meta_data" / dataset
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name, _ in names))
    return root, made


@pytest.fixture(scope="module")
def case(clips):
    """case(dataset, split, prompt, question type): a right file, made once."""
    root, made = clips
    cases = {}

    def get(dataset: str, split: str, prompt: str, question_type: str) -> Case:
        key = dataset, split, prompt, question_type
        if key not in cases:
            kind = {"train": "training_data", "val": "evaluation_data"}[split]
            folder = root / kind / f"object_movement_{prompt}" / "v1_0" / dataset
            folder.mkdir(parents=True, exist_ok=True)
            some = made[dataset, split]
            records = [
                r for clip in some for r in make_records(folder, clip, prompt, question_type, split)
            ]
            end = "train_15points_30pairs" if split == "train" else "val"
            path = write_file(folder, f"{dataset}_{question_type}_{end}", records)
            cases[key] = Case(root, path, some, records, dataset, split, prompt)
        return cases[key]

    return get


ALL = [(d, s, p, q) for d, s in CLIPS for p in ("coord", "dot") for q in TYPES]


@pytest.mark.parametrize("key", ALL, ids="-".join)
def test_right_files_pass(case, key):
    it = case(*key)
    assert len(it.records) > (60 if it.split == "train" else 3)
    assert {r["point_moving"] for r in it.records} == {True, False}
    assert file_complaints(it.path, it.root, it.split) == []
    if it.split == "train":
        assert any(is_swapped(record) for record in it.records)
        assert {r["cam_moving"] for r in it.records} == {False, it.dataset == "adt"}
        found = check_balance(it.path, it.root, it.dataset, "train", it.prompt, POINTS, PAIRS)
        assert found == []


# ---- planted errors in records -------------------------------------------------------------------


def field(name: str, change: object):
    def plant(record: dict) -> None:
        record[name] = change(record.get(name)) if callable(change) else change

    return plant


def image(place: int, change):
    def plant(record: dict) -> None:
        record["image"][place] = change(record["image"][place])

    return plant


def question(change):
    def plant(record: dict) -> None:
        if "text" in record:
            record["text"] = change(record["text"])
        else:
            record["conversations"][0]["value"] = change(record["conversations"][0]["value"])

    return plant


def answered(change):
    """A wrong answer everywhere: in gt_value and in the reply."""

    def plant(record: dict) -> None:
        record["gt_value"] = answer = change(record["gt_value"])
        text = f"[ {answer[0]} , {answer[1]} , {answer[2]} ]" if type(answer) is list else answer
        if "conversations" in record:
            record["conversations"][1]["value"] = f"It is `{text}`."

    return plant


def off_by_one(answer):
    return [*answer[:2], answer[2] + 1] if isinstance(answer, list) else answer + 1


def opened(record: dict) -> None:
    record["conversations"][1]["value"] = "The point did not move. It is `5`."


def told(record: dict) -> None:
    answer = record["gt_value"]
    text = f"[ {answer[0]} , {answer[1]} , {answer[2]} ]" if type(answer) is list else answer
    question(lambda old: f"{old} `{text}`")(record)


def exchanged(record: dict) -> None:
    record["p1"], record["p2"] = record["p2"], record["p1"]


def off(value: int):
    return lambda place: [place[0], place[1] + (value if place[1] < 500 else -value)]


def frame(number: int):
    def change(path: str) -> str:
        clip_id, name = path.split("/")
        return f"{clip_id}/{number:05d}{name[5:]}"

    return change


BOTH, COORD, DOT = ("coord", "dot"), ("coord",), ("dot",)
PLANTED = [  # prompts, error, what the complaints must say
    (BOTH, field("id", 7), "id:"),
    (BOTH, field("task", "movement_coord"), "task:"),
    (BOTH, field("question_type", "distance"), "question_type:"),
    (BOTH, field("label", 1), "label:"),
    (BOTH, field("height_list", lambda old: [old[0], old[1] + 1]), "height_list:"),
    (BOTH, field("width_list", lambda old: old[:1]), "width_list:"),
    (BOTH, field("image", lambda old: old[:1]), "list of two"),
    (BOTH, image(1, lambda old: "../" + old), "is not <clip>/<frame>"),
    (BOTH, image(1, lambda old: old.replace("/000", "/")), "is not <clip>/<frame>"),
    (BOTH, image(1, lambda old: "x" + old), "two clips"),
    (BOTH, image(1, frame(77)), "no frame 77"),
    (BOTH, field("image", lambda old: [old[0], old[0][:-4].split("_anno")[0] + ".jpg"]), "image:"),
    (DOT, image(0, lambda old: old.replace("_annotated", "")), "_annotated.jpg"),
    (DOT, image(0, lambda old: old.replace("_annotated", "9_annotated")), "no point"),
    (DOT, image(0, lambda old: "_0".join(old.rsplit("_", 2)[:1]) + "_00_annotated.jpg"), "is not"),
    (BOTH, field("p1", off(3)), "p1, p2:"),
    (BOTH, field("p2", off(3)), "p1, p2:"),
    (BOTH, field("p1", [1.0, 2]), "p1:"),
    (BOTH, field("p2", [0, 1001]), "p2:"),
    (BOTH, exchanged, "p1, p2:"),
    (BOTH, answered(off_by_one), "gt_value:"),
    (BOTH, answered(lambda old: [-x for x in old] if type(old) is list else -old), "gt_value:"),
    (BOTH, answered(lambda old: old[::-1] if type(old) is list else old // 10), "gt_value:"),
    (BOTH, answered(lambda old: [0, 0, 0] if type(old) is list else 0), "gt_value:"),
    (BOTH, field("gt_value", 10**400), "gt_value:"),
    (BOTH, field("gt_value", 1.5), "gt_value:"),
    (BOTH, field("point_moving", False), "point_moving:"),
    (BOTH, field("point_moving", 1), "point_moving:"),
    (BOTH, field("cam_moving", lambda old: not old), "cam_moving:"),
    (BOTH, field("cam_moving", None), "cam_moving:"),
    (BOTH, question(lambda old: old.replace("Image-2", "Image-3")), "does not open"),
    (BOTH, question(lambda old: old.replace("mm", "metres")), "millimetres"),
    (COORD, question(lambda old: old.replace("[", "(", 1)), "is not named"),
    (COORD, question(lambda old: old.replace("left", "lower")), "top left"),
    (COORD, field("mark_colors", ["#ff0000"]), "nothing is marked"),
    (DOT, field("mark_colors", None), "mark_colors:"),
    (DOT, field("mark_colors", lambda old: old * 2), "mark_colors:"),
    (BOTH, told, "stands in the question"),
]
PLANTED = [(prompt, plant, says) for prompts, plant, says in PLANTED for prompt in prompts]
SOME = [("adt", "train", VECTOR), ("pstudio", "val", DISTANCE)]


@pytest.mark.parametrize("key", SOME, ids="-".join)
@pytest.mark.parametrize(("prompt", "plant", "says"), PLANTED)
def test_planted_errors_are_found(case, key, prompt, plant, says):
    dataset, split, question_type = key
    it = case(dataset, split, prompt, question_type)
    record = copy.deepcopy(next(r for r in it.records if r["point_moving"]))
    plant(record)
    found = it.complaints([record])
    assert any(says in complaint for complaint in found), found
    assert all("\n" not in complaint for complaint in found)


@pytest.mark.parametrize("prompt", BOTH)
def test_errors_of_only_some_records_are_found(case, prompt):
    it = case("pstudio", "train", prompt, VECTOR)
    still = copy.deepcopy(next(r for r in it.records if not r["point_moving"]))
    still["conversations"][1]["value"] = "It is `[ 0 , 0 , 0 ]`."
    assert any("opens with" in found for found in it.complaints([still]))
    moving = copy.deepcopy(next(r for r in it.records if r["point_moving"]))
    opened(moving)
    assert any("must not open" in found for found in it.complaints([moving]))
    for word in ("right", "down", "forward"):
        record = copy.deepcopy(it.records[0])
        question(lambda old, word=word: old.replace(word, "x"))(record)
        assert any(f"which way is {word}" in found for found in it.complaints([record]))
    it = case("adt", "val", prompt, VECTOR)
    clip, record = it.clips[0], copy.deepcopy(next(r for r in it.records if r["point_moving"]))
    point, i, j = (int(x) for x in record["id"].split("_")[-3:])
    for axes in (np.eye(3), clip.cameras[j, :3, :3]):  # of the world, of the second camera
        vector = 1000 * axes.T @ (clip.world[j, point] - clip.world[i, point])
        record["gt_value"] = [round(float(x)) for x in vector]
        assert any("gt_value:" in found for found in it.complaints([record]))
    record = it.records[-1]
    point, i, j = (int(x) for x in record["id"].split("_")[-3:])
    back = make_record(it.path.parent, clip, prompt, VECTOR, "val", point, j, i)
    assert it.complaints([back]) == ["line 1: image: a swapped pair in val"]


@pytest.mark.parametrize("prompt", BOTH)
def test_a_point_of_no_group_or_unseen_is_found(case, prompt):
    it = case("pstudio", "val", prompt, DISTANCE)
    clip = it.clips[0]
    alone = 2 * BODY
    i, j = usable_frames(clip, alone, prompt)[:2]
    record = make_record(it.path.parent, clip, prompt, DISTANCE, "val", alone, i, j)
    assert any("no rigid group" in found for found in it.complaints([record]))
    record = make_record(it.path.parent, clip, prompt, DISTANCE, "val", 4, 0, 1)
    assert any("visible" in found for found in it.complaints([record]))


@pytest.mark.parametrize("prompt", BOTH)
@pytest.mark.parametrize("junk", [None, [], {}, "x", True, 2.5, [[]] * 2, [None, {}]])
def test_junk_in_any_field_is_a_complaint_not_a_crash(case, prompt, junk):
    it = case("adt", "val", prompt, VECTOR)
    for name in it.records[0]:
        if (name, junk) == ("id", "x") or (name == "point_moving" and junk is True):
            continue
        if name == "cam_moving" and junk is True:
            continue
        found = it.complaints([it.records[0] | {name: junk}])
        assert found, name
        it.balance([it.records[0] | {name: junk}])


def shaken_clip(root: Path, shaken: float) -> Clip:
    clip = make_clip(root, "pstudio", "boxes_11", (400, 304), 20, shaken)
    folder = root / "data" / "tapvid3d_dataset" / "meta_data" / "pstudio"
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("boxes_11\n")
    return clip


@pytest.mark.parametrize(
    ("shaken", "least", "most", "allowed"),
    [
        (0.003, 0.011, 0.0199, {"MOVED_M": 0.01, "JITTER_TIMES": 0.0}),
        (0.003, 0.011, 0.0199, {"MOVED_M": 0.011, "JITTER_TIMES": 1.0}),
        (0.003, 0.011, 0.0199, {"STILL_M": 0.01, "MOVED_M": 0.01, "JITTER_TIMES": 0}),
        (0.012, 0.021, 0.04, {"JITTER_TIMES": 0.0}),
    ],
)
def test_what_the_data_cannot_tell_is_found(tmp_path, shaken, least, most, allowed):
    """Still points of a clip whose frames are off: they seem to have moved."""
    root = tmp_path / "root"
    clip = shaken_clip(root, shaken)
    pairs = [
        (point, i, j)
        for point in range(BODY, 2 * BODY)
        for i in usable_frames(clip, point, "coord")
        for j in usable_frames(clip, point, "coord")
        if i < j and least <= moved(clip, point, i, j) < most
    ]
    assert pairs
    for point, i, j in pairs[:3]:
        record = make_record(root / "some", clip, "coord", DISTANCE, "train", point, i, j)
        path = write_file(root, "train_some", [record])
        told = path.with_name(f"{path.name}.meta.json")
        told.write_text(json.dumps({"settings": allowed}))
        assert file_complaints(path, root, "train") == []
        for text in ('{"settings": {}}', '{"settings": {"MOVED_M": "x"}}', "[]"):  # the usual ones
            told.write_text(text)
            found = file_complaints(path, root, "train")
            assert any("point_moving: True" in c and "neither below 0.01 m" in c for c in found)


@pytest.mark.parametrize("shaken", [0.0, 0.001, 0.004, 0.009, 0.02, 0.05])
@pytest.mark.parametrize("dataset", ["adt", "pstudio"])
def test_the_jitter_of_a_clip_is_that_of_the_engine(tmp_path, dataset, shaken):
    clip = make_clip(tmp_path, dataset, "boxes_11", (400, 304), 7, shaken)
    raw = RawClip(tmp_path, dataset, "boxes_11")
    path = paths.clip_path(tmp_path, dataset, "boxes_11")
    read = read_clip(path, camera_moves=dataset == "adt")
    by_engine = Motions.of(read.tracks_cam, read.visible, read.world_from_cam).jitter
    assert jitter(raw) == pytest.approx(by_engine, abs=1e-12)
    still = clip.world[:, BODY : 2 * BODY]
    away = np.linalg.norm(still - np.median(still, axis=0), axis=2)
    assert jitter(raw) == pytest.approx(np.median(away), rel=0.3, abs=1e-9)


@pytest.mark.parametrize("value", [-1, 10**400, float("nan"), float("inf"), "1", None, [], True])
def test_constants_that_no_rule_has_are_not_taken(value):
    assert MovementRule.of({"MOVED_M": value, "JITTER_TIMES": 0}) == (0.01, 0.02, 0, 0.1)


def test_a_clip_in_which_nothing_stands_still_has_no_jitter(tmp_path):
    make_clip(tmp_path, "pstudio", "boxes_11", (400, 304), 7)
    path = paths.clip_path(tmp_path, "pstudio", "boxes_11")
    with np.load(path, allow_pickle=True) as archive:
        content = dict(archive)
    content["tracks_XYZ"] = content["tracks_XYZ"] + np.linspace(0, 1, FRAMES)[:, None, None]
    del content["queries_xyt"]
    np.savez(path, **content)
    raw = RawClip(tmp_path, "pstudio", "boxes_11")
    assert jitter(raw) is None
    assert MovementRule().limits(raw) == (0.01, 0.02)


# ---- files ---------------------------------------------------------------------------------------


def test_what_a_file_must_be(case):
    it = case("adt", "train", "coord", DISTANCE)
    record, other = it.records[0], it.records[1]
    assert it.complaints([]) == ["file: no records"]
    assert any(
        "is that of line 1" in c for c in it.complaints([record, other | {"id": record["id"]}])
    )
    assert it.complaints([record, record | {"id": "again"}])[0].startswith("line 2: image: frames")
    vector = case("adt", "train", "coord", VECTOR).records[0]
    (wrong,) = it.complaints([vector], f"adt_{DISTANCE}_train")
    assert wrong.startswith("line 1: task: 'movement_coord_vector_adt', the file's name says ")


def test_clips_of_another_split_are_found(case, clips):
    made = clips[1]
    it = case("pstudio", "train", "coord", DISTANCE)
    held = made["pstudio", "val"][0]
    point = 0
    i, j = usable_frames(held, point, "coord")[:2]
    record = make_record(it.path.parent, held, "coord", DISTANCE, "train", point, i, j)
    says = "line 1: image: clip basketball_3 "
    assert it.complaints([record]) == [says + "is not in split train"]
    path = it.root / "data/tapvid3d_dataset/meta_data/pstudio/train.txt"
    whole = path.read_text()
    try:
        path.write_text(whole + "basketball_3\n")
        assert it.complaints([record]) == [says + "is of a held-out activity"]
    finally:
        path.write_text(whole)


def test_a_clip_that_cannot_be_read_is_a_complaint(case):
    it = case("pstudio", "train", "coord", DISTANCE)
    record = it.records[0] | {"image": ["none_1/00000.jpg", "none_1/00001.jpg"]}
    assert any(c.startswith("none_1: 1 lines not checked: ") for c in it.complaints([record]))


@pytest.mark.parametrize("prompt", BOTH)
def test_pictures_must_be_the_stored_bytes(case, prompt):
    it = case("pstudio", "val", prompt, DISTANCE)
    record = it.records[0]
    images = it.path.parent / "images"
    if prompt == "coord":
        images = it.root / "data" / "my_tapvid3d_images"
    path = images / record["image"][1]
    whole = path.read_bytes()
    try:
        path.write_bytes(whole + b"\0\0")
        assert it.complaints([record]) == []
        for content in (whole[:-1], it.clips[0].jpegs[int(path.stem) - 1], b""):
            path.write_bytes(content)
            assert any("is not the stored JPEG" in c for c in it.complaints([record]))
        path.unlink()
        assert any("cannot be read" in c for c in it.complaints([record]))
    finally:
        path.write_bytes(whole)


# ---- dots ----------------------------------------------------------------------------------------

DOTS = [  # what is done otherwise, what the complaint says
    ({"shift": 2}, "centred at"),
    ({"shift": 30}, "dot:"),
    ({"scale": 1.6}, "radius"),
    ({"scale": 0.5}, "dot:"),
    ({"painted": (255, 128, 0), "said": (20, 60, 240)}, "the pixel at"),
    ({"second": 25}, "painted beside the dot"),
    ({"second": 90}, "painted beside the dot"),
    ({"other_frame": True}, "image:"),
    ({"quality": 40}, "mean difference"),
    ({"nothing": True}, "the pixel at"),
]


def dot_picture(clip: Clip, t: int, u: float, v: float, **change) -> list[str]:
    source, radius = source_of(clip, t), max(1, clip.size[0] // 100)
    colour = change.get("said") or apart_from(source, u, v, radius)
    picture = source_of(clip, t - 1) if change.get("other_frame") else source.copy()
    ring, painted = max(2, round(0.2 * radius)), change.get("painted", colour)
    if not change.get("nothing"):
        paint_dot(
            picture, u + change.get("shift", 0), v, painted, radius * change.get("scale", 1), ring
        )
    if "second" in change:
        paint_dot(picture, u + change["second"], v, (255, 255, 0), radius, ring)
    buffer = io.BytesIO()
    quality = change.get("quality", 95)
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    decoded = np.asarray(Image.open(buffer).convert("RGB"), dtype=np.int64)
    return check_dot(decoded, source.astype(np.int64), np.array(colour), np.array([u, v]))


def test_dots_at_any_place_pass(clips):
    rng = np.random.default_rng(3)
    for some in clips[1].values():
        for clip in some:
            for t in rng.integers(1, FRAMES, 3):
                u, v = rng.uniform(20, np.array(clip.size) - 20)
                assert dot_picture(clip, t, u, v) == [], (clip.clip_id, u, v)


@pytest.mark.parametrize(("change", "says"), DOTS)
def test_planted_errors_in_pictures_are_found(clips, change, says):
    for clip in (clips[1]["pstudio", "train"][0], clips[1]["pstudio", "val"][0]):
        for u, v in ((200.3, 150.6), (80.0, 60.5)):
            found = dot_picture(clip, 3, u, v, **change)
            assert any(says in complaint for complaint in found), found


@pytest.mark.parametrize(
    "change", [{"nothing": True}, {"shift": 9}, {"second": 50}, {"other_frame": True}]
)
def test_errors_with_small_dots_are_found(clips, change):
    for u, v in ((30.3, 50.6), (60.0, 60.5), (40.5, 90.1)):
        assert dot_picture(clips[1]["adt", "val"][0], 3, u, v, **change)


def test_a_dot_of_another_point_or_colour_is_found(case):
    it = case("pstudio", "train", "dot", DISTANCE)
    first = it.records[0]
    name = first["image"][0]
    same = next(r for r in it.records if r["image"][0][:14] == name[:14] and r["image"][0] != name)
    images = it.path.parent / "images"
    whole = (images / name).read_bytes()
    try:
        (images / name).write_bytes((images / same["image"][0]).read_bytes())
        assert any("dot: the pixel at" in c for c in it.complaints([first]))
        (images / name).write_bytes(b"no JPEG")
        assert any("no JPEG" in c for c in it.complaints([first]))
    finally:
        (images / name).write_bytes(whole)
    wrong = first | {"mark_colors": ["#806040"]}
    assert any("dot: the pixel at" in c for c in it.complaints([wrong]))


# ---- balance -------------------------------------------------------------------------------------


def is_swapped(record: dict) -> bool:
    first, second = (path.split("/")[1][:5] for path in record["image"])
    return first > second


def point_of(record: dict) -> str:
    return record["id"].rsplit("_", 2)[0]


@pytest.mark.parametrize("prompt", BOTH)
@pytest.mark.parametrize("dataset", ["adt", "pstudio"])
def test_planted_errors_in_the_balance_are_found(case, dataset, prompt):
    it = case(dataset, "train", prompt, DISTANCE)
    clip_id = it.clips[1].clip_id  # the larger pictures: points are far apart there
    records = [r for r in it.records if clip_id in r["id"]]
    assert it.balance(records) == []
    plain = [r for r in records if not is_swapped(r)]
    swapped = [r for r in records if is_swapped(r)]
    assert swapped

    def without(record: dict) -> list[dict]:
        return [r for r in records if r is not record]

    static = next(r for r in plain if not r["point_moving"])
    assert any("pairs of still points for" in c for c in it.balance(without(static)))
    backs = [(point_of(r), sorted(r["id"].rsplit("_", 2)[1:])) for r in swapped]
    moving = next(
        r
        for r in plain
        if r["point_moving"] and (point_of(r), sorted(r["id"].rsplit("_", 2)[1:])) not in backs
    )
    assert any("pairs drawn from bin" in c for c in it.balance(without(moving)))
    assert any("swapped of" in c for c in it.balance(without(swapped[0])))
    assert any("swapped of" in c for c in it.balance([*records, swapped[0]]))
    assert any("points of the group" in c for c in it.balance(records, points=1))
    assert any("points of the group" in c for c in it.balance(records, points=POINTS + 3))
    assert any("fit no point" in c for c in it.balance([*records, static | {"p1": [0, 0]}]))


@pytest.mark.parametrize("prompt", BOTH)
def test_a_pair_more_and_a_swap_of_nothing_are_found(case, prompt):
    it = case("pstudio", "train", prompt, DISTANCE)
    clip, folder = it.clips[1], it.path.parent
    records = [r for r in it.records if clip.clip_id in r["id"]]
    point, i, j = (int(x) for x in records[0]["id"].split("_")[-3:])
    there = {r["id"].split("_", 2)[2] for r in records}
    frames = usable_frames(clip, point, prompt)
    absent = [
        (i, j)
        for i in frames
        for j in frames
        if i < j and f"{clip.clip_id}_{point}_{i}_{j}" not in there
        if not STILL_M <= moved(clip, point, i, j) < MOVED_M
    ]
    i, j = absent[-1]
    more = make_record(folder, clip, prompt, DISTANCE, "train", point, i, j)
    found = it.balance([*records, more])
    assert any("from bin" in c or "pairs of still points" in c for c in found), found
    back = make_record(folder, clip, prompt, DISTANCE, "train", point, j, i)
    swapped = next(r for r in records if is_swapped(r))
    found = it.balance([back if r is swapped else r for r in records])
    assert any("is not there as" in c for c in found), found


def test_pairs_of_one_point():
    def check(places, drawn, per_bin, most_still=1, limits=PUBLISHED[:2]) -> list[str]:
        places = np.c_[places, 0 * places, 0 * places]
        moved = pairs_of(places, np.ones(len(places), bool))
        return check_pairs(moved, drawn, Most(3, per_bin, most_still), Limits(*limits))

    even = 0.125 * np.arange(6)  # all displacements at edges of bins
    pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    assert check(even, [(0, 1)], 30) != []
    assert check(even, [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)], 1) == []
    assert check(even, pairs, 1) != []
    line = np.array([0, 1, 2.5, 4, 10])  # 1, 1.5, 1.5, 2.5, 3, 4, 6, 7.5, 9, 10 apart
    one_each = [(0, 1), (0, 2), (1, 3), (0, 3), (3, 4), (2, 4), (1, 4), (0, 4)]  # bin 5 is empty
    assert check(line, one_each, 30) == []
    assert check(line, [*one_each, (1, 2)], 30) == [
        "2 of 3 pairs drawn from bin 1 of 10, expected 1"
    ]
    assert check(line, one_each[:-1], 30) == ["0 of 1 pairs drawn from bin 10 of 10, expected 1"]
    equal = np.array([0, 0.5])
    assert check(equal, [(0, 1)], 30) == []
    assert check(equal, [], 30) == ["0 moving pairs, expected 1: all are 0.500000 m"]
    still = np.zeros(3)
    assert check(still, [(0, 2)], 30) == []
    assert check(still, [], 30) == ["0 static pairs of 3, expected 1 to 1"]
    assert check(still, [(0, 2), (0, 1)], 30) == ["2 static pairs of 3, expected 1 to 1"]
    assert check(still, [(0, 2), (0, 1)], 30, most_still=2) == []
    assert check(still, [], 30, most_still=2) == []
    assert check(still, [(0, 7)], 30) != []
    near = np.array([0, 0.015, 0.5])
    assert check(near, [(0, 2), (1, 2)], 30, limits=(0.01, 0.02)) == []
    assert check(near, [(0, 1), (0, 2), (1, 2)], 30, limits=(0.01, 0.02)) == [
        "1 pairs in which it is neither still nor moves"
    ]


# ---- clips ---------------------------------------------------------------------------------------


def test_a_clip_is_read_as_it_was_written(clips):
    root, made = clips
    for some in made.values():
        for clip in some:
            raw = RawClip(root, clip.dataset, clip.clip_id)
            assert raw.image_size == clip.size
            assert raw.jpegs == clip.jpegs
            known = np.isfinite(raw.tracks).all(axis=2)
            np.testing.assert_allclose(raw.world[known], clip.world[known], atol=1e-12)
            np.testing.assert_allclose(raw.pixels[known], clip.pixels[known], atol=1e-9)
            assert (raw.visibility == clip.visible).all()
            assert set(groupings(raw)[0]) == {frozenset(range(7)), frozenset(range(7, 14))}
            assert len(groupings(raw)) == 1


def rewritten(clips, tmp_path, dataset: str, **changes) -> RawClip:
    """A clip with some keys otherwise; None: without."""
    source = clips[1][dataset, "val"][0]
    path = Path("data", "tapvid3d_dataset", dataset, f"{source.clip_id}.npz")
    with np.load(clips[0] / path, allow_pickle=True) as content:
        content = {**content, **changes}
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    np.savez(tmp_path / path, **{k: v for k, v in content.items() if v is not None})
    return RawClip(tmp_path, dataset, source.clip_id)


def test_adt_needs_extrinsics_and_pstudio_uses_none(clips, tmp_path):
    with pytest.raises(RawDataError, match="holds no extrinsics_w2c"):
        rewritten(clips, tmp_path, "adt", extrinsics_w2c=None)
    turned = np.tile(np.diag([-1.0, -1, 1, 1]), (FRAMES, 1, 1))
    raw = rewritten(clips, tmp_path, "pstudio", extrinsics_w2c=turned)
    assert (raw.world_from_cam == np.eye(4)).all()


def test_other_ways_to_store_a_clip(clips, tmp_path):
    source = RawClip(clips[0], "pstudio", "basketball_3")
    as_stored = source.tracks.astype(np.float32)
    raw = rewritten(clips, tmp_path, "pstudio", tracks_XYZ=np.asfortranarray(as_stored))
    np.testing.assert_array_equal(raw.tracks, as_stored.astype(np.float64))
    assert raw.tracks.dtype == np.float64


@pytest.mark.parametrize(
    "changes",
    [
        {"tracks_XYZ": None},
        {"tracks_XYZ": np.zeros((FRAMES, 3))},
        {"visibility": np.ones((FRAMES, 5), bool)},
        {"fx_fy_cx_cy": np.ones(3)},
        {"fx_fy_cx_cy": np.array(["a"] * 4)},
        {"extrinsics_w2c": np.zeros((FRAMES, 4, 4))},
        {"extrinsics_w2c": np.zeros((2, 4, 4))},
    ],
)
def test_damaged_clips_are_named(clips, tmp_path, changes):
    with pytest.raises(RawDataError, match=r"seq1_1\.npz"):
        rewritten(clips, tmp_path, "adt", **changes)
    path = tmp_path / "data" / "tapvid3d_dataset" / "adt" / "x.npz"
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(RawDataError):
        RawClip(tmp_path, "adt", "x")
    with pytest.raises(RawDataError):
        RawClip(tmp_path, "adt", "../x")


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("content", ["hostile", 3, None, "x"])
def test_a_clip_cannot_run_code(clips, tmp_path, content):
    made = tmp_path / "made"
    thing = Hostile(made) if content == "hostile" else content
    images = np.array([thing] * FRAMES, dtype=object)
    raw = rewritten(clips, tmp_path, "adt", images_jpeg_bytes=images)
    with pytest.raises(RawDataError, match="images_jpeg_bytes"):
        raw.image_size  # noqa: B018
    assert not made.exists()


@pytest.mark.parametrize("images", [[b"x"], np.zeros(FRAMES), [b""] * FRAMES, [b"no"] * FRAMES])
def test_images_that_are_none_are_named(clips, tmp_path, images):
    raw = rewritten(clips, tmp_path, "pstudio", images_jpeg_bytes=images)
    with pytest.raises(RawDataError):
        raw.image_size  # noqa: B018


def test_headers_run_no_code():
    for header in ("__import__('os').getcwd()", "{'descr': 1}", "(" * 5000, "{}", "[1]"):
        text = header.encode()
        content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
        with pytest.raises(ValueError):
            parse_npy(content + b"\0" * 8)


# ---- clips out to do harm ------------------------------------------------------------------------


def npy(descr: str, shape: tuple, data: bytes = b"") -> bytes:
    """An array as its header claims it to be."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + data


def hostile(tmp_path: Path, how: int = zipfile.ZIP_DEFLATED, **members: bytes) -> Path:
    """A root with the clip x of pstudio, of two frames and no point, but for some members."""
    path = tmp_path / "data/tapvid3d_dataset/pstudio/x.npz"
    path.parent.mkdir(parents=True)
    right = {
        "tracks_XYZ": npy("<f8", (2, 0, 3)), "visibility": npy("|b1", (2, 0)),
        "fx_fy_cx_cy": npy("<f8", (4,), np.ones(4).tobytes()),
        "images_jpeg_bytes": npy("|S2", (2,), b"ABCD"),
    }  # fmt: skip
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in (right | members).items():
            archive.writestr(f"{name}.npy", content)
    return tmp_path


def test_the_hostile_clips_below_are_right_but_for_one_member(tmp_path):
    assert RawClip(hostile(tmp_path), "pstudio", "x").jpegs == [b"AB", b"CD"]


@pytest.mark.parametrize("shape", [(10**9, 0, 3), (0, 10**30, 3), (10**4000, 0, 3), (3, 10**9, 3)])
def test_shapes_are_claims(tmp_path, shape):
    root = hostile(
        tmp_path, tracks_XYZ=npy("<f8", shape), visibility=npy("|b1", shape[:2]),
    )  # fmt: skip
    with pytest.raises(RawDataError, match=r"x\.npz: (tracks_XYZ is|100001 frames)"):
        RawClip(root, "pstudio", "x")


def test_the_number_of_frames_is_bounded(tmp_path):
    frames = 100_001
    root = hostile(
        tmp_path, tracks_XYZ=npy("<f8", (frames, 0, 3)), visibility=npy("|b1", (frames, 0))
    )
    with pytest.raises(RawDataError, match="100001 frames"):
        RawClip(root, "pstudio", "x")


@pytest.mark.parametrize(
    ("descr", "data"), [("|S0", bytes(10**6)), ("|S1", bytes(10**6)), ("|S" + "9" * 5000, b"")]
)
def test_the_width_of_images_is_a_claim(tmp_path, descr, data):
    root = hostile(tmp_path, images_jpeg_bytes=npy(descr, (2,), data))
    clip = RawClip(root, "pstudio", "x")
    tracemalloc.start()
    try:
        with pytest.raises(RawDataError, match=r"x\.npz: images"):
            _ = clip.jpegs
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_member_is_not_inflated_beyond_what_it_says(tmp_path):
    root = hostile(tmp_path, visibility=npy("|b1", (2, 0)) + bytes(2**26))
    path = root / "data/tapvid3d_dataset/pstudio/x.npz"
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("visibility.npy").file_size
    lying = path.read_bytes().replace(size.to_bytes(4, "little"), (500).to_bytes(4, "little"))
    path.write_bytes(lying)
    tracemalloc.start()
    try:
        with pytest.raises(RawDataError, match="visibility"):
            RawClip(root, "pstudio", "x")
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_of_which_a_little_may_be_anything_are_refused(tmp_path, how):
    with pytest.raises(RawDataError, match="compression"):
        RawClip(hostile(tmp_path, how), "pstudio", "x")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
@pytest.mark.parametrize("name", ["extrinsics_w2c", "fx_fy_cx_cy"])
def test_cameras_that_cannot_be_reckoned_with_are_named(clips, tmp_path, name, value):
    right = RawClip(clips[0], "adt", clips[1]["adt", "val"][0].clip_id)
    array = (right.cam_from_world if name == "extrinsics_w2c" else right.intrinsics).copy()
    array.flat[2] = value
    with pytest.raises(RawDataError, match=f"{name} is beyond all bounds"):
        rewritten(clips, tmp_path, "adt", **{name: array})


@pytest.mark.filterwarnings("error")
def test_a_point_at_infinity_is_one_without_coordinates(clips, tmp_path):
    tracks = RawClip(clips[0], "pstudio", "basketball_3").tracks.copy()
    tracks[0, 0, 0], tracks[1, 1] = np.inf, (-np.inf, np.nan, 1)
    raw = rewritten(clips, tmp_path, "pstudio", tracks_XYZ=tracks)
    unknown = ~np.isfinite(tracks).all(axis=2)
    assert np.isnan(raw.tracks[unknown]).all() and (raw.tracks[~unknown] == tracks[~unknown]).all()
    assert np.isnan(raw.world[unknown]).all() and not raw.shown()[unknown].any()
    assert groupings(raw)[0]
    tracks[2, 2, 2] = 1e200
    with pytest.raises(RawDataError, match="tracks_XYZ is beyond all bounds"):
        rewritten(clips, tmp_path, "pstudio", tracks_XYZ=tracks)


NO_MOTIONS = {
    "camera": ("extrinsics_w2c", lambda matrices: matrices.swapaxes(1, 2), "not end with 0 0 0 1"),
    "scaled": ("extrinsics_w2c", lambda matrices: matrices * [1, 1.01, 1, 1], "not orthonormal"),
    "mirrored": ("extrinsics_w2c", lambda matrices: matrices * [1, 1, -1, 1], "mirrored"),
    "singular": ("extrinsics_w2c", lambda matrices: matrices * [1, 1, 0, 1], "has no rotation"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NO_MOTIONS)
def test_extrinsics_that_are_no_rigid_motions_are_named(clips, tmp_path, name):
    key, change, says = NO_MOTIONS[name]
    right = RawClip(clips[0], "adt", clips[1]["adt", "val"][0].clip_id)
    matrices = right.cam_from_world.copy()
    matrices[1:] = change(matrices[1:])
    with pytest.raises(RawDataError, match=rf"\.npz: {key} of frame 1 .*{says}"):
        rewritten(clips, tmp_path, "adt", **{key: matrices})


def test_tracks_in_millimetres_are_named(clips, tmp_path):
    tracks = 1000 * RawClip(clips[0], "pstudio", "basketball_3").tracks
    with pytest.raises(RawDataError, match=r"\.npz: points at .* not in metres"):
        rewritten(clips, tmp_path, "pstudio", tracks_XYZ=tracks)


@pytest.mark.parametrize("changed", ["half", "order", "negative", "divided"])
def test_a_camera_that_its_images_cannot_have_is_named(clips, tmp_path, changed):
    fx, fy, cx, cy = RawClip(clips[0], "pstudio", "basketball_3").intrinsics
    camera = {
        "half": [2 * fx, 2 * fy, 2 * cx, 2 * cy], "order": [cx, cy, fx, fy],
        "negative": [-fx, -fy, cx, cy], "divided": [fx / 512, fy / 288, cx / 512, cy / 288],
    }[changed]  # fmt: skip
    raw = rewritten(clips, tmp_path, "pstudio", fx_fy_cx_cy=np.array(camera), queries_xyt=None)
    with pytest.raises(RawDataError, match=r"(principal point|focal length).* images of 512x288"):
        _ = raw.image_size


def test_queries_that_are_not_where_their_points_are_seen_are_named(clips, tmp_path):
    right = RawClip(clips[0], "pstudio", "basketball_3")
    queries = npz_file.NpzFile(right.path).numbers("queries_xyt", 2)
    asked = int(np.flatnonzero(right.visibility.any(axis=0))[3])
    for shift, fine in (((1.5, 2.5), True), ((2.5, 2.5), False), ((0, -3.1), False)):
        moved = queries.copy()
        moved[asked, :2] += shift
        if fine:
            rewritten(clips, tmp_path, "pstudio", queries_xyt=moved)
            continue
        with pytest.raises(RawDataError, match=rf"basketball_3.npz: point {asked} is at \(.*query"):
            rewritten(clips, tmp_path, "pstudio", queries_xyt=moved)
    queries[asked, 2] = FRAMES
    with pytest.raises(RawDataError, match=f"query {asked} in frame {FRAMES} of {FRAMES}"):
        rewritten(clips, tmp_path, "pstudio", queries_xyt=queries)
    queries[asked] = np.nan  # says nothing
    queries[4, :2] = -99  # of a point that is seen in no frame
    rewritten(clips, tmp_path, "pstudio", queries_xyt=queries)


def test_more_points_than_can_be_grouped_are_named(clips, monkeypatch):
    clip = RawClip(clips[0], "pstudio", "basketball_3")
    monkeypatch.setattr(track_motions, "MAX_GROUPED", 17)
    with pytest.raises(RawDataError, match="18 points"):
        groupings(clip)


def pickled_images(items: list, protocol: int) -> bytes:
    array = np.empty(len(items), object)
    array[:] = items
    return pickle.dumps(array, protocol)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_arrays_of_objects_are_read_in_every_protocol(protocol):
    items = [b"one", b"", b"\xff\xd8"]
    assert object_array(pickled_images(items, protocol)) == items


NESTED = ("a",)
for _ in range(60):
    NESTED = (NESTED, NESTED)
BOMBS = {
    "a number to remember by": (b"\x80\x04]r\xff\xff\xff\x7f.", "cannot be unpickled"),
    "a key hashed for ever": (b"\x80\x02}" + pickle.dumps(NESTED, 2)[2:-1] + b"K\x01s.", "a key"),
    "room for bytes": (b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b".", "operation"),
    "a set": (pickle.dumps({1}, 4), "operation"),
    "code": (pickle.dumps(print, 4), "holds builtins.print"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_in_pickles_of_images_are_refused(name):
    data, says = BOMBS[name]
    tracemalloc.start()
    try:
        with pytest.raises(RawDataError, match=says) as caught:
            object_array(data)
        assert not str(caught.value).endswith((": ", "MemoryError")), "gigabytes were asked for"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_one_image_a_million_times_is_refused(monkeypatch):
    monkeypatch.setattr(npz_file, "MAX_MEMBER_BYTES", 10_000)
    one = bytes(1000)
    assert len(object_array(pickled_images([one] * 10, 4))) == 10
    with pytest.raises(RawDataError, match="more than 10000 bytes"):
        object_array(pickled_images([one] * 11, 4))


def test_a_file_as_large_as_no_picture_is_not_read(case, monkeypatch):
    right = case("pstudio", "val", "coord", DISTANCE)
    monkeypatch.setattr(movement, "MAX_MEMBER_BYTES", 100)
    assert any("cannot be read: over" in text for text in right.complaints(right.records[:1]))


# ---- rigid bodies --------------------------------------------------------------------------------


def test_changes_of_distance():
    nan = np.nan
    x = np.array([
        [0.0, 1.0, 2.000, nan, nan],
        [0.0, 1.5, 2.008, 5.0, nan],
        [0.0, nan, 2.000, 5.0, nan],
        [0.0, 9.0, 2.000, nan, nan],
        [0.0, 9.2, 2.000, 7.0, nan],
    ])  # fmt: skip
    tracks = np.stack([x, 0 * x, 0 * x], axis=2)
    values = distance_changes(tracks)
    assert values[0, 1] == pytest.approx(0.5 + 0.2)  # not over the frame without it
    assert values[0, 2] == 0  # noise
    assert values[0, 3] == 0
    assert values[1, 3] == values[0, 4] == 10  # never two frames in a row
    assert (values == values.T).all()


def test_average_linkage_is_the_mean_over_all_pairs():
    values = np.full((4, 4), 10.0)
    for a, b, value in ((0, 1, 0.0), (0, 2, 0.02), (1, 2, 0.17), (0, 3, 0.1), (1, 3, 0.1)):
        values[a, b] = values[b, a] = value
    assert average_linkage(values, np.arange(3)) == [[0, 1, 2]]  # mean 0.095
    assert average_linkage(values, np.array([0, 1, 3])) == [[0, 1, 3]]  # 0.1 is not beyond
    values[1, 2] = values[2, 1] = 0.19
    assert average_linkage(values, np.arange(3)) == [[0, 1], [2]]


def test_groups_that_depend_on_the_order_of_merging_are_all_there(clips, tmp_path):
    """Seven points, a bridge, seven points: the bridge goes with whom it is merged with first."""
    x = np.tile(np.arange(15) / 20, (FRAMES, 1))
    x[:, 7] += 0.009 * np.arange(FRAMES)  # noise to both sides, which are not noise to each other
    x[:, 8:] += 0.018 * np.arange(FRAMES)[:, None]
    tracks = np.stack([x, 0 * x, 2 + 0 * x], axis=2)
    visible = np.ones((FRAMES, 15), dtype=bool)
    changes = {"tracks_XYZ": tracks, "visibility": visible, "queries_xyt": None}
    raw = rewritten(clips, tmp_path, "pstudio", **changes)
    left, right = frozenset(range(7)), frozenset(range(8, 15))
    possible = [{left | {7}, right}, {left, right | {7}}]
    assert len(groupings(raw)) == 2
    assert all(set(groups) in possible for groups in groupings(raw))
