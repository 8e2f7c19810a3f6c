"""The plans of records of many frames: where the cameras of their frames stood, from the scene
infos, or where the point of a clip was, from the record.

Scenes are read only for records that are shown, each once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.report.boxes import find_scenes
from spatial_engine.report.frames_view import frames_of, known, named_objects, right_images
from spatial_engine.report.plans.plan import Outline, Plan, Stand, make_ground
from spatial_engine.report.spread import Workers, spread
from spatial_engine.report.visible_text import escaped
from spatial_engine.utils.geometry.cameras import MM_PER_METRE
from spatial_engine.utils.questions.record_files import scene_of
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

MAX_NAME = 24  # letters of a name in a plan
STEEP = 0.05  # length in plan of a viewing direction that has none to speak of
MAX_STANDS = 20  # in a plan: more are a mistake
_Job = tuple[SceneInfoHandler, str, list[dict[str, Any]]]


def read_plans(
    root: Path, records: Sequence[dict[str, Any]], workers: Workers, faults: dict[str, str]
) -> list[Plan | str]:
    """The plan of each record, or why it has none; "" for records that are not of many frames.
    Scenes that cannot be read are added to `faults`, those that are not there are not."""
    plans: list[Plan | str] = [""] * len(records)
    by_scene: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        task = TASKS[record["task"]]
        if task.of_frames and task.of_clips:
            plans[number] = plan_of_clip(record)
        elif task.of_frames:
            by_scene.setdefault(scene_of(record["image"][0]), []).append(number)
    scenes = find_scenes(root, faults) if by_scene else {}
    shown = {scene_id: [records[k] for k in numbers] for scene_id, numbers in by_scene.items()}
    made = _plans_by_scene(scenes, shown, workers, faults)
    for scene_id, numbers in by_scene.items():
        for number, plan in zip(numbers, made[scene_id], strict=True):
            plans[number] = plan
    return plans


def _plans_by_scene(
    scenes: Mapping[str, SceneInfoHandler],
    shown: Mapping[str, list[dict[str, Any]]],
    workers: Workers,
    faults: dict[str, str],
) -> dict[str, Sequence[Plan | str]]:
    """The plans of the records that are shown of each scene."""
    plans: dict[str, Sequence[Plan | str]] = {
        scene_id: [f"{escaped(scene_id)} is not among the prepared scenes"] * len(records)
        for scene_id, records in shown.items()
    }
    jobs = [(scenes[s].only(s), s, records) for s, records in sorted(shown.items()) if s in scenes]
    made = spread(_plans_of_scene, jobs, workers, "plans", "scene")
    for (_, scene_id, records), found in zip(jobs, made, strict=True):
        if isinstance(found, BadDataError):
            faults[f"plans of {scene_id}"] = str(found)
            plans[scene_id] = [str(found)] * len(records)
        else:
            plans[scene_id] = found
    return plans


def plan_of_clip(record: dict[str, Any]) -> Plan | str:
    """Where the point of a record of a clip was: x and z of the camera of Image-1."""
    positions = known(record, "positions_mm")
    if positions is None:
        return "the record does not say where the point was"
    places = np.array(positions[:MAX_STANDS], float)[:, [0, 2]] / MM_PER_METRE
    right = right_images(record)
    stands = [
        Stand(x, y, None, str(number + 1), number in right)
        for number, (x, y) in enumerate(places.tolist())
    ]
    caption = "the point from above; up is away from the camera of Image-1"
    return Plan(make_ground(places[:0], places), stands, range(len(stands)), caption=caption)


def _plans_of_scene(job: _Job) -> list[Plan | str] | BadDataError:
    """The plans of the records of one scene, or what is wrong with it."""
    scenes, scene_id, records = job
    try:
        scene = _Scene(scenes, scene_id)
        return [scene.plan_of(record) for record in records]
    except BadDataError as error:
        return error


class _Scene:
    """What plans of a scene need, read once."""

    def __init__(self, scenes: SceneInfoHandler, scene_id: str):
        self._scenes, self._id = scenes, scene_id
        ids, poses = scenes.valid_frames(scene_id)
        self._poses = dict(zip(ids, poses, strict=True))
        self._points = scenes.points(scene_id)[:, :2]
        self._objects = set(scenes.object_ids(scene_id))
        if ids:
            self._ground = make_ground(self._points, poses[:, :2, 3])

    def plan_of(self, record: dict[str, Any]) -> Plan | str:
        frames = frames_of(record)[:MAX_STANDS]
        unknown = [frame for frame in frames if frame not in self._poses]
        if not frames or unknown:
            which = f"frame {unknown[0]}" if unknown else "its frames"
            return escaped(f"{self._id} has no usable pose of {which}")
        right = right_images(record)
        stands = [
            _camera(self._poses[frame], str(number + 1), number in right)
            for number, frame in enumerate(frames)
        ]
        order = list(range(len(stands)))
        if TASKS[record["task"]].marked:  # shown in an order of its own: the way is that of time
            order.sort(key=lambda number: frames[number])
        point = known(record, "point_id")
        is_there = point is not None and point < len(self._points)
        place = tuple(self._points[point].tolist()) if is_there else None
        return Plan(self._ground, stands, order, self._outlines(record), place)

    def _outlines(self, record: dict[str, Any]) -> list[Outline]:
        """The boxes of the objects that are named and have vertices."""
        found = []
        for number, (object_id, name) in enumerate(named_objects(record).items()):
            if object_id in self._objects:
                box = self._scenes.aligned_box(self._id, object_id)
                if box[3:6].any():
                    ends = [*(box[:2] - box[3:5] / 2), *(box[:2] + box[3:5] / 2)]
                    found.append(Outline(number, escaped(name)[:MAX_NAME], *map(float, ends)))
        return found


def _camera(pose: np.ndarray, label: str, right: bool) -> Stand:
    """A camera by its pose (4, 4); one that looks straight down, in the direction of its top."""
    towards = pose[:2, 2]
    if (length := float(np.linalg.norm(towards))) < STEEP:
        towards, length = -pose[:2, 1], float(np.linalg.norm(pose[:2, 1]))
    way = (towards / length).tolist()
    return Stand(float(pose[0, 3]), float(pose[1, 3]), (way[0], way[1]), label, right)
