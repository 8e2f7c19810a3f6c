"""What three to eight frames show of objects that no two of them show: how large one is, how many
there are. Searched, phrased, written (SPEC 13).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from spatial_engine.object_perception.distinct_objects import DistinctObjects
from spatial_engine.object_perception.joint_size_sets import JointSizeSets
from spatial_engine.utils.frames import scene_records
from spatial_engine.utils.frames.scene_frames import FrameTables, SceneFrames
from spatial_engine.utils.frames.scene_records import Asked
from spatial_engine.utils.frames.shown_objects import ShownObjects
from spatial_engine.utils.frames.step import SceneRequest
from spatial_engine.utils.geometry.frame_sets.search import Candidates
from spatial_engine.utils.questions.plain_record import Value
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

# What a question is about, as its id says it, its answer and its fields.
Question = tuple[str, Value, dict[str, Any]]


class Kind(Protocol):
    """One kind of question about a scene: `find` searches sets of frames, `ask` asks about them."""

    def __init__(self, frames: SceneFrames, shown: ShownObjects, constants: Mapping[str, Any]): ...

    def find(
        self, rng: np.random.Generator, wanted: int, num_frames: tuple[int, int]
    ) -> tuple[Candidates, Counter[str]]: ...

    def ask(self, found: Candidates) -> Iterator[Question]: ...


KINDS: dict[str, type[Kind]] = {
    "object_joint_size": JointSizeSets,
    "object_count_distinct": DistinctObjects,
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
    found, reasons = kind.find(rng, request.wanted[task], request.num_frames)
    drops.update(reasons)
    questions = list(kind.ask(found))
    return Asked(
        found.sets,
        [answer for _, answer, _ in questions],
        [fields for _, _, fields in questions],
        [target for target, _, _ in questions],
        [{"category": fields["raw_category"].strip()} for _, _, fields in questions],
    )
