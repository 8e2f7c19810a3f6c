"""What is asked of files of questions about three to eight frames, of all fourteen tasks.

How docs/spec.md was read where it leaves a choice, by section:
- 13.3 asked about the same thing twice: of the camera the same frames, of a point the same frames
  and point (of a hidden one also the same last frame), of objects the same frames and the same
  objects (of a count the category) in whatever order, but that the first of nearest_object and all
  of direction have parts of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from spatial_engine.audit.oracles.frames.camera_frames import check_camera_frames_record
from spatial_engine.audit.oracles.frames.clip_frames import check_clip_frames_record
from spatial_engine.audit.oracles.frames.constants import FRAME_TASKS
from spatial_engine.audit.oracles.frames.correspondence_frames import (
    check_correspondence_frames_record,
)
from spatial_engine.audit.oracles.frames.depth_frames import check_depth_frames_record
from spatial_engine.audit.oracles.frames.object_frames import check_object_frames_record
from spatial_engine.audit.oracles.frames.relation_frames import check_relation_frames_record
from spatial_engine.audit.oracles.frames.shown import shown_frames
from spatial_engine.audit.oracles.visibility import SurfaceRule
from spatial_engine.audit.raw.clip import RawClip
from spatial_engine.audit.raw.ids import DATASETS
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.lines import TaskRules

AGAIN = "frames: those of line {} again, about the same"
OF_POINTS = {
    "depth": check_depth_frames_record,
    "correspondence": check_correspondence_frames_record,
}
OF_OBJECTS = {
    "object": check_object_frames_record,
    "relation": check_relation_frames_record,
}


def asked_of_frames(record: dict) -> tuple[str, tuple[Hashable, ...]] | str:
    """(scene or clip, what must not be asked twice) of a record of known task, or a complaint."""
    shown = shown_frames(record)
    if isinstance(shown, str):
        return shown
    return shown.place, (frozenset(shown.frames), json.dumps(_thing(record, shown.frames[-1])))


def _thing(record: dict, last: str) -> object:
    """What a record asks about beside its frames, as plain data."""
    kind = record["task"].removeprefix(f"{FRAME_TASKS[record['task']]}_")
    if kind == "hidden_depth":
        return [record.get("point_id"), last]
    if kind in ("joint_size", "count_distinct"):
        return record.get("object_id" if kind == "joint_size" else "raw_category")
    ids = record.get("object_ids")
    if not isinstance(ids, list) or not all(type(one) is int for one in ids):
        return record.get("point_id")
    if kind == "direction":
        return ids
    return [*ids[:1], *sorted(ids[1:])] if kind == "nearest_object" else sorted(ids)


def frame_rules(
    task: str, split: str, folder: Path, rule: SurfaceRule | None, constants: dict[str, Any]
) -> TaskRules:
    """What is asked of a file of a task about scenes.

    folder: that images of records with dots are relative to; rule: which vertices lie on the
    surface; constants: those that the file was made with, by name.
    """
    family = FRAME_TASKS[task]

    def check(record: dict, scene: PosedScene) -> list[str]:
        if family == "camera":
            return check_camera_frames_record(record, scene, split, constants)
        if family in OF_OBJECTS:
            return OF_OBJECTS[family](record, scene, split, rule, constants)
        return OF_POINTS[family](record, scene, split, folder, rule, constants)

    return TaskRules(asked_of_frames, AGAIN, check)


def set_of_clips(record: dict) -> str:
    """The set of clips that a record says it is of, "" where it is none."""
    named = record.get("clip_set")
    return named if isinstance(named, str) and named in DATASETS else ""


def clip_check(
    clip: RawClip, split: str, folder: Path, constants: dict[str, Any]
) -> Callable[[dict], list[str]]:
    """The check of the records about a clip; folder: that images are relative to."""
    return lambda record: check_clip_frames_record(record, clip, split, folder, constants)
