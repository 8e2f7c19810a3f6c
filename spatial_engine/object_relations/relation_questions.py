"""How objects that no image shows together relate: searched, phrased, written (SPEC 13).

What sets of frames tell is found by a module for each kind of question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from spatial_engine.object_relations.appearance_orders import AppearanceOrders
from spatial_engine.object_relations.direction_sets import DirectionSets
from spatial_engine.object_relations.distance_sets import NearestObjectSets, ObjectDistanceSets
from spatial_engine.object_relations.question import Question
from spatial_engine.utils.frames import scene_records
from spatial_engine.utils.frames.scene_frames import FrameTables, SceneFrames
from spatial_engine.utils.frames.scene_records import Asked
from spatial_engine.utils.frames.shown_objects import ShownObjects
from spatial_engine.utils.frames.step import SceneRequest
from spatial_engine.utils.geometry.frame_sets.rows import NONE
from spatial_engine.utils.geometry.frame_sets.search import Candidates, search_sets
from spatial_engine.utils.questions.tasks import TASKS as ALL_TASKS
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler


class Kind(Protocol):
    """One kind of question about a scene: `draw` grows sets of frames, `judge` tells what can be
    asked of them, `ask` asks it. `drops` counts what cannot be asked of any set."""

    drops: Counter[str]

    def __init__(self, frames: SceneFrames, shown: ShownObjects, constants: Mapping[str, Any]): ...

    def draw(self, rng: np.random.Generator, sizes: np.ndarray) -> np.ndarray: ...

    def judge(
        self, rng: np.random.Generator, sets: np.ndarray, drops: Counter[str]
    ) -> Candidates: ...

    def ask(self, rng: np.random.Generator, found: Candidates) -> Iterator[Question]: ...


KINDS: dict[str, type[Kind]] = {
    "relation_object_distance": ObjectDistanceSets,
    "relation_nearest_object": NearestObjectSets,
    "relation_direction": DirectionSets,
    "relation_appearance_order": AppearanceOrders,
}
TASKS = tuple(KINDS)


def write_scene(
    arguments: tuple[SceneInfoHandler, FrameTables, SceneRequest], part_dir: Path
) -> PartResult:
    """Write one scene's records, a file for each task that was asked for."""
    return scene_records.write_scene(asks_of, arguments, part_dir)


def asks_of(frames: SceneFrames) -> dict[str, scene_records.Ask]:
    """How each task asks about the objects of a scene."""
    shown = ShownObjects.of(frames)
    return {task: partial(ask, task, shown) for task in TASKS}


def ask(
    task: str,
    shown: ShownObjects,
    rng: np.random.Generator,
    frames: SceneFrames,
    request: SceneRequest,
    drops: Counter[str],
) -> Asked:
    """Search what can be asked, at most as many as are wanted, and ask it."""
    kind = KINDS[task](frames, shown, request.constants)
    found = search_sets(
        rng,
        kind.draw,
        lambda sets, drops: kind.judge(rng, sets, drops),
        request.wanted[task],
        request.num_frames,
        drops,
    )
    drops.update(kind.drops)
    questions = list(kind.ask(rng, found))
    facts, targets, slots = [], [], []
    for row, question in zip(found.sets, questions, strict=True):
        objects = np.array(question.objects)
        ids = shown.ids[objects].tolist()
        names = [shown.names[number] for number in question.objects]
        facts.append(
            {
                "object_ids": ids,
                "categories": [shown.categories[number] for number in question.objects],
                "seen_objects": shown.seen_ids(row[row != NONE], objects),
                **question.fields,
            }
        )
        targets.append("_".join(map(str, ids)))
        slots.append(dict(zip(ALL_TASKS[task].slots, names, strict=False)))
    return Asked(found.sets, [one.answer for one in questions], facts, targets, slots)
