"""One scene's records of three to eight frames, whatever a family asks (SPEC 13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.utils.frames.dotted_points import (
    Colors,
    draw_pictures,
    picture_name,
    told_of_dots,
)
from spatial_engine.utils.frames.scene_frames import FrameTables, SceneFrames
from spatial_engine.utils.frames.step import SceneRequest
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.geometry.frame_sets.rows import NONE
from spatial_engine.utils.questions import marked_images, records
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler


@dataclass(frozen=True)
class Asked:
    """What is asked in one task, of n records: frames `sets` (n, k) in the order of the images,
    padded with `NONE`, `answers`, and the fields of the task (`facts`). `targets`: what is asked
    about as part of an id, where frames alone do not tell. `slots`: what fills those of the
    questions, if they have any. `dots` (n, k) the vertex that is marked in each frame, `NONE` = no
    dot, in tasks with marked images."""

    sets: np.ndarray
    answers: Sequence[records.Value]
    facts: Sequence[dict[str, Any]]
    targets: Sequence[str] = ()
    slots: Sequence[Mapping[str, str]] = ()
    dots: np.ndarray | None = None


# What is asked of a scene in one task; what cannot be asked is counted by reason.
Ask = Callable[[np.random.Generator, SceneFrames, SceneRequest, Counter[str]], Asked]


def write_scene(
    asks_of: Callable[[SceneFrames], Mapping[str, Ask]],
    arguments: tuple[SceneInfoHandler, FrameTables, SceneRequest],
    part_dir: Path,
) -> PartResult:
    """Write one scene's records, a file for each task that was asked for, and the pictures of tasks
    with dots. `asks_of(frames)` says of each task of the family how it asks."""
    scenes, tables, request = arguments
    frames = SceneFrames(scenes, request.scene_id, tables, request.images)
    asks = asks_of(frames)
    result, asked, generators = PartResult(), {}, {}
    for task in request.wanted:
        rng = sampling.generator(request.seed, task, request.split, request.scene_id)
        drops: Counter[str] = Counter()
        asked[task], generators[task] = asks[task](rng, frames, request, drops), rng
        result.drops[task] = dict(+drops)
    marked = [(mine.sets, mine.dots) for mine in asked.values() if mine.dots is not None]
    colors: Colors = {}
    if marked:
        colors = draw_pictures(frames, request, marked, part_dir / marked_images.FOLDER)
    for task, mine in asked.items():
        lines = phrase(generators[task], frames, task, mine, colors, request)
        result.counts[task] = records.write_jsonl(part_dir / f"{task}.jsonl", lines)
    return result


def phrase(
    rng: np.random.Generator,
    frames: SceneFrames,
    task: str,
    asked: Asked,
    colors: Colors,
    request: SceneRequest,
) -> Iterator[dict[str, Any]]:
    """Records of one task; `colors` are those of the dots."""
    count = len(asked.sets)
    sentences = request.sentences[task].draw(rng, request.split, count)
    dots = [None] * count if asked.dots is None else asked.dots
    rows = zip(
        asked.sets, dots, asked.answers, asked.facts, asked.targets or [""] * count,
        asked.slots or [{}] * count, sentences, strict=True,
    )  # fmt: skip
    for numbers, marks, answer, facts, target, slots, words in rows:
        shown = numbers[numbers != NONE]
        ids = frames.ids(shown)
        names, told = frames.names(shown), {}
        if marks is not None:
            points = marks[numbers != NONE].tolist()
            pictures = (picture_name(*pair) for pair in zip(ids, points, strict=True))
            names = [f"{request.scene_id}/{name}" for name in pictures]
            told = told_of_dots(frames, task, shown.tolist(), points, colors)
        parts = [task, request.split, request.scene_id, *ids, *([target] if target else [])]
        yield records.make_record(
            request.split,
            "_".join(parts),
            names,
            [frames.image_size] * len(shown),
            task,
            words.filled(slots),
            answer,
            {"frames": ids, **told, **facts},
        )
