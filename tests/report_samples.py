"""A small root with records of every form, one of them hostile, for the tests of the report."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from PIL import Image

from spatial_engine.object_perception.object_questions import measure_mm
from spatial_engine.utils.geometry.cameras import project
from spatial_engine.utils.paths import FOLDERS, benchmark_path, posed_images_dir
from spatial_engine.utils.questions.record_fields import points_asked
from spatial_engine.utils.questions.record_files import RecordFile, record_path, to_uniform
from spatial_engine.utils.questions.records import format_value, list_choices, write_jsonl
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.storage import provenance

SIZE = (640, 480)
SCENES = ("scene0000_00", "scene0001_00")
HOSTILE = '</script><img src=x onerror="window.planted=1"><b>bold</b> {{ 7*7 }} \u202egnp.exe $x$'


def write_image(path: Path, level: int = 90) -> None:
    """A grey picture with a gradient, so that it is not all the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = np.linspace(level - 20, level + 20, SIZE[0]).astype(np.uint8)
    array = np.broadcast_to(columns[None, :, None], (SIZE[1], SIZE[0], 3))
    Image.fromarray(np.ascontiguousarray(array)).save(path, quality=90)


def record(task: str, number: int, split: str, gt_value: Any, images: int, **extra: Any) -> dict:
    """A record of a task, in the scene and with the frames that its number says."""
    scene = SCENES[number % 2]
    question = f"Task of {task}.\nQuestion {number}?"
    if not TASKS[task].marked:
        points = points_asked({"task": task, **extra})
        question += "".join(f" It is about {format_value(point)}." for point in points)
    question += list_choices(extra.get("choices", {}))
    marks = "".join(f"Image-{place}: <image>\n" for place in range(1, images + 1))
    head = "<image>\n" if images == 1 else marks
    spoken = [
        {"from": "human", "value": head + question},
        {"from": "gpt", "value": f"It is `{format_value(gt_value)}`."},
    ]
    said = {"conversations": spoken} if split == "train" else {"text": head + question}
    return {
        "id": f"{task}_{split}_{number}",
        "image": [f"{scene}/{frame * 5:05d}.jpg" for frame in range(images)],
        **said,
        "height_list": [SIZE[1]] * images,
        "width_list": [SIZE[0]] * images,
        "task": task,
        "question_type": TASKS[task].question_type,
        "gt_value": gt_value,
        **extra,
    }


def sample_records(split: str, count: int) -> dict[str, list[dict]]:
    """Records by task: a point of known place, words, numbers, vectors."""
    numbers = range(count)
    far = {"x": 250, "y": 500, "depth_mm": 3000, "letter": None}
    near = {"x": 750, "y": 250, "depth_mm": 1000, "letter": None}
    return {
        "depth_comparison_coor": [
            record(
                "depth_comparison_coor", n, split, [750, 250], 1,
                points_info=[far, near], is_closer_question=True,
            )
            for n in numbers
        ],
        "correspondence_coor": [
            record(
                "correspondence_coor", n, split, [400, 800], 2,
                p1=[600, 300], p2=[400, 800], overlap=12.5,
            )
            for n in numbers
        ],
        "camera_x_movement": [
            record(
                "camera_x_movement", n, split, word, 2,
                answer_values={"x_movement": word}, overlap=20.0,
            )
            for n in numbers
            for word in ("left" if n % 4 else "right",)
        ],
        "camera_displacement_vector": [
            record(
                "camera_displacement_vector", n, split, [300, 0, 400], 2,
                answer_values={"displacement_vector": [300, 0, 400]}, overlap=20.0,
            )
            for n in numbers
        ],
        "object_height": [
            record("object_height", n, split, 500 + n, 1, object_id=n, raw_category="chair")
            for n in numbers
        ],
    }  # fmt: skip


def frame_records(split: str) -> dict[str, dict]:
    """A record of each task of many frames, of three images; right is Image-2, or what is B."""
    images = {"A": "Image-1", "B": "Image-2", "C": "Image-3"}
    steps = {"A": "from Image-1 to Image-2", "B": "from Image-2 to Image-3"}
    seen = [[3], [3, 7], [7]]
    two = {"object_ids": [3, 7], "categories": ["chair", "table"], "seen_objects": seen}
    three = {"object_ids": [1, 3, 7], "categories": ["lamp", "chair", "table"]}
    three["seen_objects"] = [[1], [3], [7]]
    dot = {"p1": [600, 300], "point_id": 5, "mark_colors": ["red"]}
    dots = {"mark_points": [[600, 300], [200, 700], [400, 500]], "mark_colors": ["red"] * 3}
    way = {"positions_mm": [[0, 0, 0], [300, 0, 400], [900, 0, 1200]]}
    of_clip = {**way, "clip_set": "adt", "p1": [600, 300], "point_id": 5}
    bounds = [[0, 0, 0, 800, 400, 300], None, [0, 0, 0, 100, 100, 700]]
    order = {"A": "table, chair", "B": "chair, table"}
    ways = {"A": "front", "B": "left", "C": "back", "D": "right"}
    told: dict[str, tuple[Any, dict[str, Any]]] = {
        "camera_path_length": (1500, way),
        "camera_net_turn": (-10, {"turns_deg": [30, -40]}),
        "depth_nearest_view": ("B", {**dot, "depths_mm": [900, 700, 800], "choices": images}),
        "depth_hidden_depth": (900, dot),
        "correspondence_odd_dot": ("B", {**dots, "point_id": 5, "choices": images}),
        "correspondence_seen_where": (
            "A",
            {**dot, "seen": [True, True, False], "choices": {"A": "Image-2", "B": "Image-3"}},
        ),
        "object_joint_size": (
            [700, 800, 400],
            {
                "object_id": 3, "raw_category": "chair", "bounds_mm": bounds,
                "links": [[1, 2], [2, 3]],
            },
        ),
        "object_count_distinct": (2, {"raw_category": "chair", "seen_objects": seen}),
        "movement_point_path": (1500, of_clip),
        "movement_fastest_step": ("B", {**of_clip, "choices": steps}),
        "relation_object_distance": (1200, two),
        "relation_nearest_object": (
            "B",
            {**three, "distances_mm": [900, 500], "choices": {"A": "chair", "B": "table"}},
        ),
        "relation_direction": ("B", {**three, "angle_deg": 80, "choices": ways}),
        "relation_appearance_order": ("B", {**two, "choices": order}),
    }  # fmt: skip
    frames = [f"{5 * number:05d}" for number in range(3)]
    return {
        task: record(task, 0, split, value, 3, frames=frames, **extra)
        for task, (value, extra) in told.items()
    }


def write_records(root: Path, task: str, split: str, records: list[dict]) -> Path:
    """Write the file of a task where the engine would."""
    path = record_path(root, task, split, "v1_0", k=1, most=-1, numbers="")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(path, records)
    return path


def write_root(root: Path, count: int = 40) -> Path:
    """Images, records of both splits with provenance, and one record whose texts are hostile."""
    for scene in SCENES:
        for frame in (0, 5):
            write_image(root / "data/scannet/posed_images" / scene / f"{frame:05d}.jpg")
    for split in FOLDERS:
        for task, records in sample_records(split, count).items():
            if task == "object_height" and split == "train":
                records[0] |= {"id": HOSTILE, "raw_category": HOSTILE}
                records[0]["conversations"][0]["value"] = f"<image>\n{HOSTILE}\n{HOSTILE}"
            path = write_records(root, task, split, records)
            facts = {"drops": {"frames that see nothing": 1200}, "notes": {HOSTILE: 3}}
            provenance.write_meta(path, {"records": len(records), **facts}, {})
    return root


def write_benchmark(root: Path, count: int = 4) -> list[dict]:
    """A benchmark of the sample records in the place of MultiSPA; its records, in uniform form."""
    folder = posed_images_dir(root)
    made = [
        to_uniform(one, RecordFile(folder, "val", task, folder), root)
        for task, records in sample_records("val", count).items()
        for one in records
    ]
    path = benchmark_path(root, "v1_0")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(path, made)
    return made


KINDS = ("right", "wrong", "unreadable", "missing")  # what the first model's answers are, in turn


def write_predictions(root: Path, benchmark: list[dict]) -> tuple[Path, Path]:
    """What two models say to a benchmark. The answers of the first are right, wrong, no answer but
    hostile, and not there, in turn; the second is right about every other question, else wrong."""
    wrong = {
        "object_height": 1, "camera_x_movement": "none", "correspondence_coor": [100, 100],
        "depth_comparison_coor": [250, 500], "camera_displacement_vector": [1, 2, 3],
    }  # fmt: skip
    said: dict[str, list[dict]] = {"first": [], "second": []}
    for number, one in enumerate(benchmark):
        truth = format_value(orjson.loads(one["gt_value"]))
        other = wrong[one["task"]]
        if other == "none":
            other = "left" if truth == "right" else "right"
        other = format_value(other)
        first = {"right": f"I say:\n`{truth}`", "wrong": f"`{other}`", "unreadable": HOSTILE}
        kind = KINDS[number % 4]
        if kind in first:
            said["first"].append({"id": one["id"], "prediction": first[kind]})
        second = truth if number // 4 % 2 else other
        said["second"].append({"id": one["id"], "prediction": f"`{second}`"})
    paths = root / "first.jsonl", root / "second.jsonl"
    for path in paths:
        write_jsonl(path, said[path.stem])
    return paths


def box_record(prepared_root: Path, task: str = "object_length") -> tuple[dict, SceneInfoHandler]:
    """A record about an object that is in the middle of some frame."""
    scenes = SceneInfoHandler.load(prepared_root, "train")
    scene_id = scenes.scene_ids[0]
    ids, poses = scenes.valid_frames(scene_id)
    for object_id in scenes.object_ids(scene_id):
        box = scenes.aligned_box(scene_id, object_id)
        for image_id, pose in zip(ids, poses, strict=True):
            pixels, depths = project(corners(box), scenes.intrinsic(scene_id), pose)
            size = np.array(scenes.color_size(scene_id))
            if (
                box[3:6].any()
                and (depths > 0.5).all()
                and ((pixels > 2) & (pixels < size - 2)).all()
            ):
                mm = measure_mm(box[3:6], task.removeprefix("object_"))
                extra = {
                    "object_id": object_id,
                    "raw_category": scenes.category(scene_id, object_id),
                }
                made = record(task, 0, "train", mm, 1, **extra)
                return made | {"image": [f"{scene_id}/{image_id}.jpg"]}, scenes
    raise AssertionError("no frame shows a whole object")


def corners(box: np.ndarray) -> np.ndarray:
    """(8, 3) metres, of an axis-aligned box."""
    signs = np.array(list(itertools.product((-1, 1), repeat=3)))
    return box[:3] + signs * box[3:6] / 2
