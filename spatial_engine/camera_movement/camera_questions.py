"""What the camera did between two frames: measured, phrased, written (SPEC 5).

Measure -> phrase -> write: `measure_motion` gives arrays, `answers_of` turns them into the nine
values of each pair, `write_scene` makes one scene's records of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.geometry.cameras import (
    MM_PER_METRE,
    relative_pose,
    wrap_degrees,
    yaw_pitch,
)
from spatial_engine.utils.questions import records
from spatial_engine.utils.questions.templates import Templates, load_templates
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables import pair_table

# Direction types: which measured quantity, and its words for above and below zero.
DIRECTIONS = {
    "x_movement": ("x_mm", "right", "left"),
    "y_movement": ("y_mm", "down", "up"),
    "z_movement": ("z_mm", "forward", "backward"),
    "yaw_movement": ("yaw_deg", "left", "right"),
    "pitch_movement": ("pitch_deg", "up", "down"),
}
ANGLES = {"yaw_angle": "yaw_deg", "pitch_angle": "pitch_deg"}
QUESTION_TYPES = (*DIRECTIONS, *ANGLES, "total_distance", "displacement_vector")

# Directions of smaller motions than these are hard to tell from two images; they are counted.
SMALL_MM = 20.0
SMALL_DEG = 1.0

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class SceneRequest:
    """What is asked about one scene: rows of its pair table for each question type, in these
    `sentences`, and the ids of the images that are there, None where that is not known."""

    split: str
    scene_id: str
    seed: int
    rows: dict[str, np.ndarray]
    min_direction_mm: float
    min_direction_deg: float
    sentences: Mapping[str, Templates]
    images: frozenset[str] | None = None


def load_sentences() -> dict[str, Templates]:
    """The sentences of all question types."""
    return {name: load_templates(_TEMPLATES / f"camera_{name}.json") for name in QUESTION_TYPES}


def measure_motion(
    world_from_cam1: np.ndarray, world_from_cam2: np.ndarray
) -> dict[str, np.ndarray]:
    """From the first camera to the second, poses (n, 4, 4), aligned: arrays (n,) by quantity.

    `x_mm`, `y_mm`, `z_mm`: position of camera 2 in the axes of camera 1 (right, down, forward).
    `yaw_deg`, `pitch_deg`: how heading (counter-clockwise from above) and elevation change, in
    (-180, 180]. `distance_mm`: how far camera 2 is from camera 1.
    """
    displacement = relative_pose(world_from_cam1, world_from_cam2)[:, :3, 3] * MM_PER_METRE
    yaw1, pitch1 = yaw_pitch(world_from_cam1)
    yaw2, pitch2 = yaw_pitch(world_from_cam2)
    return {
        "x_mm": displacement[:, 0],
        "y_mm": displacement[:, 1],
        "z_mm": displacement[:, 2],
        "yaw_deg": wrap_degrees(yaw2 - yaw1),
        "pitch_deg": wrap_degrees(pitch2 - pitch1),
        "distance_mm": np.linalg.norm(displacement, axis=1),
    }


def answers_of(motion: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """The nine values of each pair by question type; None for a direction without motion.

    Words, whole degrees and whole millimetres, as in answers and `gt_value`.
    """
    columns: dict[str, list[Any]] = {}
    for name, (quantity, above, below) in DIRECTIONS.items():
        signs = np.sign(motion[quantity]).astype(int)
        columns[name] = np.array([None, above, below], object)[signs].tolist()
    whole = {quantity: np.rint(values).astype(int) for quantity, values in motion.items()}
    for name, quantity in ANGLES.items():
        columns[name] = np.abs(whole[quantity]).tolist()
    columns["total_distance"] = whole["distance_mm"].tolist()
    vectors = np.stack([whole[axis] for axis in ("x_mm", "y_mm", "z_mm")], axis=1)
    columns["displacement_vector"] = vectors.tolist()
    rows = zip(*(columns[name] for name in QUESTION_TYPES), strict=True)
    return [dict(zip(QUESTION_TYPES, row, strict=True)) for row in rows]


def write_scene(
    arguments: tuple[SceneInfoHandler, Path, SceneRequest], part_dir: Path
) -> PartResult:
    """Write one scene's records, a file for each task that was asked for."""
    scenes, table_path, request = arguments
    image_ids, poses = scenes.valid_frames(request.scene_id)
    table = pair_table.open_pairs(table_path)
    pair_table.check_is_about(table, request.scene_id, scenes.geometry_hash(request.scene_id))
    columns = pair_table.read_scene_pairs(table, request.scene_id, image_ids)
    result = PartResult()
    for question_type, rows in request.rows.items():
        chosen = {name: column[rows] for name, column in columns.items()}
        lines = phrase_pairs(scenes, request, question_type, image_ids, poses, chosen, result)
        task = f"camera_{question_type}"
        result.counts[task] = records.write_jsonl(part_dir / f"{task}.jsonl", lines)
    return result


def phrase_pairs(
    scenes: SceneInfoHandler,
    request: SceneRequest,
    question_type: str,
    image_ids: list[str],
    poses: np.ndarray,
    chosen: dict[str, np.ndarray],
    result: PartResult,
) -> Iterator[dict[str, Any]]:
    """Records of one question type about the chosen pairs of a scene; `result` gets its counts.

    `chosen` holds `first` and `second` (numbers of frames) and `overlap`, (n,) each.
    """
    task = f"camera_{question_type}"
    scene_id, split = request.scene_id, request.split
    rng = sampling.generator(request.seed, task, split, scene_id)
    swapped = rng.random(len(chosen["first"])) < 0.5
    first = np.where(swapped, chosen["second"], chosen["first"])
    second = np.where(swapped, chosen["first"], chosen["second"])
    sentences = request.sentences[question_type].draw(rng, len(first))
    motion = measure_motion(poses[first], poses[second])
    too_small, small = _small_motions(question_type, motion, request)
    result.drops[task] = {"too small a motion": int(np.count_nonzero(too_small))}
    missing = _missing_images(image_ids, first, second, request)
    if missing.any():
        lost = int(np.count_nonzero(missing & ~too_small))
        result.drops[task]["pairs whose image file is missing"] = lost
    too_small = too_small | missing
    hard = int(np.count_nonzero(small & ~too_small))
    result.notes[task] = {"direction hard to tell (small motion)": hard}
    sizes = [scenes.color_size(scene_id)] * 2
    rows = zip(
        first.tolist(), second.tolist(), chosen["overlap"].tolist(), answers_of(motion), sentences,
        too_small.tolist(), strict=True,
    )  # fmt: skip
    for one, two, overlap, answers, triple, dropped in rows:
        if dropped:
            continue
        id1, id2 = image_ids[one], image_ids[two]
        yield records.make_record(
            split,
            f"{task}_{split}_{scene_id}_{id1}_{id2}",
            [f"{scene_id}/{id1}.jpg", f"{scene_id}/{id2}.jpg"],
            sizes,
            task,
            triple,
            answers[question_type],
            {"answer_values": answers, "overlap": overlap},
        )


def _missing_images(
    image_ids: list[str], first: np.ndarray, second: np.ndarray, request: SceneRequest
) -> np.ndarray:
    """Which pairs of frames (n,), (n,) lack an image file: (n,) bool."""
    there = np.array([request.images is None or i in request.images for i in image_ids], bool)
    return ~(there[first] & there[second])


def _small_motions(
    question_type: str, motion: dict[str, np.ndarray], request: SceneRequest
) -> tuple[np.ndarray, np.ndarray]:
    """Which pairs' direction is dropped, and which is hard to tell; none for other questions."""
    if question_type not in DIRECTIONS:
        nothing = np.zeros(len(motion["x_mm"]), bool)
        return nothing, nothing
    quantity = DIRECTIONS[question_type][0]
    size = np.abs(motion[quantity])
    if quantity.endswith("_mm"):
        return size <= request.min_direction_mm, size < SMALL_MM
    return size <= request.min_direction_deg, size < SMALL_DEG
