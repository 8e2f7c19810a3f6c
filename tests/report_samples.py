"""A small root with records of every form, one of them hostile, for the tests of the report."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from spatial_engine.object_perception.object_questions import measure_mm
from spatial_engine.utils.geometry.cameras import project
from spatial_engine.utils.paths import FOLDERS
from spatial_engine.utils.questions.record_fields import points_asked
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.records import format_value, write_jsonl
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.running import provenance
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

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
    head = "<image>\n" if images == 1 else "Image-1: <image>\nImage-2: <image>\n"
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
