"""What each frame of a scene shows of its objects and vertices: seen, absent or grey (SPEC 13).

Absent and grey need the depth images; they are looked at once for each scene, by whichever script
needs them first (`make_states`), and kept in `object_frames.cache/` beside the points.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.visibility import AbsenceRule, PointBlocks, grey_points
from spatial_engine.utils.running.finished_scenes import folder_of
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.object_names import can_be_asked, same_names
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.scene_visibility import visibility_inputs
from spatial_engine.utils.tables import grey_table, visibility_table
from spatial_engine.utils.tables.visibility_table import (
    SURFACE,
    SceneVisibility,
    VisibilityInfoHandler,
)

ABSENT, GREY, SEEN = 0, 1, 2  # states of a vertex or object in a frame
RULE = AbsenceRule()
# A frame sees an object of which it sees so many vertices, and this share of them.
MIN_SEEN_VERTICES = 50
MIN_SEEN_SHARE = 0.2


@dataclass(frozen=True)
class SceneStates:
    """States of the annotated objects of a scene in its valid frames, by number.

    `object_ids` (o,) int; `categories` (o) as the annotators write them; `askable` (o,) bool;
    `states` (frames, o) int8; `counts` (frames, o) vertices seen; `totals` (o,) vertices;
    `same_name` (o, o) bool, without the diagonal; `instances` (vertices,) number of the object of
    each vertex, -1 = none; `seen`, `grey`: the vertices by frame.
    """

    object_ids: np.ndarray
    categories: list[str]
    askable: np.ndarray
    states: np.ndarray
    counts: np.ndarray
    totals: np.ndarray
    same_name: np.ndarray
    instances: np.ndarray
    seen: SceneVisibility
    grey: SceneVisibility

    @classmethod
    def of(
        cls, scenes: SceneInfoHandler, scene_id: str, seen: SceneVisibility, folder: Path
    ) -> SceneStates:
        """Of a scene whose frames see `seen` by the surface rule; `folder` is that of
        `paths.object_frames_dir`. `BadDataError` where files do not fit each other."""
        path = folder_of(folder, scene_id) / grey_table.FILE
        grey = grey_table.read_grey(path, scene_id, seen.image_ids)
        ids = np.array(scenes.object_ids(scene_id), int)
        numbers = np.full(max(ids, default=0) + 2, -1)
        numbers[ids + 1] = np.arange(len(ids))
        mask = np.maximum(scenes.instance_mask(scene_id), 0)
        if len(mask) != seen.num_points or mask.max(initial=0) >= len(numbers):
            raise BadDataError(f"{scene_id}: instances do not fit its points; load the scene again")
        instances = numbers[mask]
        totals = np.bincount(instances + 1, minlength=len(ids) + 1)[1:]
        counts, grey_counts = (_count(lists, instances, len(ids)) for lists in (seen, grey))
        enough = np.maximum(MIN_SEEN_VERTICES, MIN_SEEN_SHARE * totals)
        states = np.where(counts >= enough, SEEN, np.where(counts + grey_counts > 0, GREY, ABSENT))
        categories = [scenes.category(scene_id, int(object_id)) for object_id in ids]
        askable = np.array([can_be_asked(category) for category in categories], bool)
        askable &= totals > 0
        return cls(
            ids, categories, askable, states.astype(np.int8), counts, totals,
            same_names(categories), instances, seen, grey,
        )  # fmt: skip

    def others_shown(self) -> np.ndarray:
        """Whether a frame does not certainly lack all other objects of the name, (frames, o)."""
        return (self.states != ABSENT).astype(np.float32) @ self.same_name > 0

    def of_points(self, frames: np.ndarray, points: np.ndarray) -> np.ndarray:
        """States (n, k) of vertices `points` (n, k) in `frames` (n,)."""
        is_grey = np.where(self.grey.sees(frames, points), GREY, ABSENT)
        return np.where(self.seen.sees(frames, points), SEEN, is_grey).astype(np.int8)


def _count(lists: SceneVisibility, instances: np.ndarray, objects: int) -> np.ndarray:
    """Vertices of each object in the list of each frame, (frames, objects)."""
    rows = [np.bincount(instances[p] + 1, minlength=objects + 1)[1:] for p in lists.point_lists()]
    return np.array(rows, int).reshape(len(rows), objects)


# ---- made once for each scene --------------------------------------------------------------------


def write_scene(
    arguments: tuple[SceneInfoHandler, Path, str, AbsenceRule], part_dir: Path
) -> PartResult:
    """Write what the frames of one scene leave grey."""
    scenes, table, scene_id, rule = arguments
    handler = VisibilityInfoHandler(table, SURFACE)
    handler.check_is_about(scene_id, scenes.geometry_hash(scene_id))
    seen = handler.load_scene(scene_id)
    image_ids, poses = scenes.valid_frames(scene_id)
    blocks, size = PointBlocks.of(scenes.points(scene_id)), scenes.color_size(scene_id)
    intrinsics = scenes.intrinsics(scene_id, image_ids)
    grey = [
        grey_points(
            blocks, pose, intrinsic, size, scenes.depth(scene_id, image_id),
            seen.points(image_id), rule,
        )
        for image_id, pose, intrinsic in zip(image_ids, poses, intrinsics, strict=True)
    ]  # fmt: skip
    grey_table.write_grey(part_dir / grey_table.FILE, scene_id, image_ids, grey, seen.num_points)
    return PartResult(counts={"frames": len(image_ids)})


def make_states(
    args: argparse.Namespace,
    step: Step,
    split: str,
    scenes: SceneInfoHandler,
    wanted: Iterable[str],
) -> set[str]:
    """Bring `object_frames.cache/` up to date with the `wanted` scenes; return those that
    failed."""
    table = paths.visibility_table_path(args.dataset, split)
    rule = visibility_table.rule_of(table)
    jobs = []
    for scene_id in wanted:
        inputs = [visibility_inputs(scenes, scene_id), rule]
        jobs.append(SceneJob(scene_id, (scenes.only(scene_id), table, scene_id, RULE), inputs))
    folder = paths.object_frames_dir(args.dataset)
    return set(step.make_shared("frame_states", __file__, folder, jobs, write_scene, "frames"))
