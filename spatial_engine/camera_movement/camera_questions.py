"""What the camera did between two frames: measured, phrased, written (SPEC 5).

Measure -> phrase -> write: `relative_motion` measures pairs of frames and has the nine values of
each, `write_scene` makes one scene's records of them. `judge_pairs` tells before which pairs can be
asked about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.camera_movement.relative_motion import (
    DIRECTIONS,
    MEASURED,
    QUESTION_TYPES,
    answers_of,
    is_too_small,
    measure_motion,
    signs_of,
)
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.questions import records
from spatial_engine.utils.questions.templates import Templates, load_templates
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes import pair_balance
from spatial_engine.utils.scenes.pair_balance import DrawnPairs
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables import pair_table
from spatial_engine.utils.tables.scene_table import SceneTable

TASK_OF = {name: f"camera_{name}" for name in QUESTION_TYPES}

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class SceneRequest:
    """What is asked about one scene: pairs of its table for each question type, in these
    `sentences`, under the `constants` of the script; and the frames whose images are missing."""

    split: str
    scene_id: str
    seed: int
    pairs: dict[str, DrawnPairs]
    constants: Mapping[str, Any]
    sentences: Mapping[str, Templates]
    missing: frozenset[str]


def load_sentences(published: bool = False) -> dict[str, Templates]:
    """The sentences of all question types."""
    return {
        name: load_templates(_TEMPLATES, f"camera_{name}", published) for name in QUESTION_TYPES
    }


def judge_pairs(
    scenes: SceneInfoHandler,
    constants: Mapping[str, Any],
    question_types: Collection[str],
    table: SceneTable,
    scene_id: str,
    rows: np.ndarray,
) -> dict[str, np.ndarray]:
    """Which pairs can be asked about and what they answer (`pair_balance.Judge`)."""
    asked = [name for name in question_types if name in MEASURED]
    if not asked:
        return {}
    image_ids, poses = scenes.valid_frames(scene_id)
    columns = pair_table.read_scene_pairs(table, scene_id, image_ids)
    first, second = columns["first"][rows], columns["second"][rows]
    motion, other = measure_motion(poses, first, second), measure_motion(poses, second, first)
    kinds = {}
    for name in asked:
        if name in DIRECTIONS:
            orders = (signs_of(name, either, constants) for either in (motion, other))
            kinds[name] = pair_balance.kinds_of(*orders)
        else:
            small = is_too_small(name, motion, constants)
            kinds[name] = np.where(small, pair_balance.NOTHING, pair_balance.EITHER).astype(np.int8)
    return kinds


def write_scene(
    arguments: tuple[SceneInfoHandler, Path, SceneRequest], part_dir: Path
) -> PartResult:
    """Write one scene's records, a file for each task that was asked for."""
    scenes, table_path, request = arguments
    image_ids, poses = scenes.valid_frames(request.scene_id)
    table = pair_table.open_pairs(table_path)
    pair_table.check_is_about(table, request.scene_id, scenes.geometry_hash(request.scene_id))
    columns = pair_table.read_scene_pairs(table, request.scene_id, image_ids)
    size = scenes.color_size(request.scene_id)
    result = PartResult()
    for question_type in request.pairs:
        lines = phrase_pairs(request, question_type, image_ids, poses, columns, size, result)
        task = TASK_OF[question_type]
        result.counts[task] = records.write_jsonl(part_dir / f"{task}.jsonl", lines)
    return result


def phrase_pairs(
    request: SceneRequest,
    question_type: str,
    image_ids: list[str],
    poses: np.ndarray,
    columns: dict[str, np.ndarray],
    image_size: tuple[int, int],
    result: PartResult,
) -> Iterator[dict[str, Any]]:
    """Records of one question type about a scene, whose pair table has the `columns`; `result` gets
    what is counted."""
    task = TASK_OF[question_type]
    scene_id, split = request.scene_id, request.split
    rng = sampling.generator(request.seed, task, split, scene_id)
    first, second = order_images(rng, request, question_type, poses, columns)
    sentences = request.sentences[question_type].draw(rng, split, len(first))
    motion = measure_motion(poses, first, second)
    small = is_too_small(question_type, motion, request.constants)
    there = np.array([image_id not in request.missing for image_id in image_ids], bool)
    missing = ~small & ~(there[first] & there[second])
    result.drops[task] = {
        pair_balance.TOO_SMALL: int(np.count_nonzero(small)),
        "pairs whose image file is missing": int(np.count_nonzero(missing)),
    }
    result.notes[task] = count_answers(question_type, motion, ~(small | missing))
    overlap = columns["overlap"][request.pairs[question_type].rows]
    rows = zip(
        first.tolist(), second.tolist(), overlap.tolist(), answers_of(motion), sentences,
        (small | missing).tolist(), strict=True,
    )  # fmt: skip
    for one, two, share, answers, phrase, dropped in rows:
        if dropped:
            continue
        id1, id2 = image_ids[one], image_ids[two]
        yield records.make_record(
            split,
            f"{task}_{split}_{scene_id}_{id1}_{id2}",
            [f"{scene_id}/{id1}.jpg", f"{scene_id}/{id2}.jpg"],
            [image_size] * 2,
            task,
            phrase,
            answers[question_type],
            {"answer_values": answers, "overlap": share},
        )


def order_images(
    rng: np.random.Generator,
    request: SceneRequest,
    question_type: str,
    poses: np.ndarray,
    columns: dict[str, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Frames of Image-1 and Image-2 of each pair, (n,) int each: in random order, unless only the
    other one has the wanted answer."""
    rows, due = request.pairs[question_type]
    frames = np.stack([columns["first"][rows], columns["second"][rows]])
    swapped = rng.random(len(rows)) < 0.5
    frames[:, swapped] = frames[::-1, swapped]
    if question_type in DIRECTIONS:
        signs = signs_of(question_type, measure_motion(poses, *frames), request.constants)
        other = (due != 0) & (due != signs)
        frames[:, other] = frames[::-1, other]
    return frames[0], frames[1]


def count_answers(
    question_type: str, motion: dict[str, np.ndarray], asked: np.ndarray
) -> dict[str, int]:
    """How often each answer to a direction question is given, of the pairs that are `asked`."""
    if question_type not in DIRECTIONS:
        return {}
    signs = np.sign(motion[MEASURED[question_type][0]][asked])
    words = zip(DIRECTIONS[question_type], (1, -1), strict=True)
    return {f"answer {word}": int(np.count_nonzero(signs == sign)) for word, sign in words}
