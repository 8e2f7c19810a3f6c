"""How far the objects of a scene are apart, and which sets of frames show their near sides
(SPEC 13).

Measured once for each scene (`make_distances`), and kept in `object_distances.cache/` beside the
points.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from spatial_engine.errors import BadDataError
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.object_distances import (
    NearFrames,
    least_distance,
    near_frames,
    tolerance,
)
from spatial_engine.utils.running.finished_scenes import folder_of
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.object_freshness import instances_hash
from spatial_engine.utils.scenes.object_names import can_be_asked
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.scene_visibility import visibility_inputs
from spatial_engine.utils.tables import near_table, visibility_table
from spatial_engine.utils.tables.visibility_table import SURFACE, VisibilityInfoHandler


@dataclass(frozen=True)
class ObjectDistances:
    """Of the q objects of a list, numbered as in it: `metres` (q, q) float64, inf where it is not
    known. `rows` (q, q) int numbers the pairs whose near sides can be seen, -1 for the others;
    `near` (pairs, n, bytes) uint8 holds the bits of the table of n frames by frames of each, those
    that see the object of the lower number by those that see the other."""

    metres: np.ndarray
    rows: np.ndarray
    near: np.ndarray

    @classmethod
    def of(cls, scenes: SceneInfoHandler, scene_id: str, object_ids: np.ndarray) -> ObjectDistances:
        """Of objects (q,), by ascending id; `BadDataError` where the file is damaged or
        another's."""
        folder = paths.object_distances_dir(scenes.dataset)
        path = folder_of(folder, scene_id) / near_table.FILE
        image_ids, _ = scenes.valid_frames(scene_id)
        number = {int(object_id): k for k, object_id in enumerate(object_ids)}
        metres = np.full((len(number), len(number)), np.inf)
        rows, near = np.full(metres.shape, -1), []
        for ids, (distance, shown) in near_table.read_near(path, scene_id, image_ids).items():
            if not number.keys() >= set(ids):
                continue
            one, two = (number[object_id] for object_id in ids)
            metres[one, two] = metres[two, one] = distance
            if shown.near.any():
                rows[one, two] = rows[two, one] = len(near)
                whole = np.zeros((len(image_ids),) * 2, bool)
                whole[np.ix_(shown.first, shown.second)] = shown.near
                near.append(np.packbits(whole, axis=1))
        shape = (len(near), len(image_ids), -(-len(image_ids) // 8))
        return cls(metres, rows, np.array(near, np.uint8).reshape(shape))

    def are_seen(self, first: np.ndarray, second: np.ndarray, sets: np.ndarray) -> np.ndarray:
        """Whether each of the sets of frames (k, m), padded with -1, shows the near sides of its
        objects `first` and `second` (k,): bool."""
        rows = self.rows[first, second]
        known = np.flatnonzero(rows >= 0)
        frames, there = np.maximum(sets[known], 0), sets[known] >= 0
        one, two = frames[:, :, None], frames[:, None, :]
        bits = self.near[rows[known, None, None], one, two >> 3] >> (7 - (two & 7))
        shown = np.zeros(len(sets), bool)
        shown[known] = ((bits & 1 > 0) & there[:, :, None] & there[:, None, :]).any(axis=(1, 2))
        return shown

    def frames_of(self, first: int, second: int) -> np.ndarray:
        """Which frames that see the one object, by those that see the other, show the near sides of
        both, (n, n) bool."""
        frames = self.near.shape[1]
        row = self.rows[first, second]
        if row < 0:
            return np.zeros((frames, frames), bool)
        whole = np.unpackbits(self.near[row], axis=1, count=frames).astype(bool)
        return whole if first < second else whole.T


# ---- made once for each scene --------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    """An object: its vertices (v, 3), a tree of them, the frames (f,) that see any of them, and
    which they see, (f, v) bool."""

    vertices: np.ndarray
    tree: cKDTree
    frames: np.ndarray
    seen: np.ndarray


def write_scene(arguments: tuple[SceneInfoHandler, Path, str], part_dir: Path) -> PartResult:
    """Write the distances of the objects of one scene that can be asked about."""
    scenes, table, scene_id = arguments
    handler = VisibilityInfoHandler(table, SURFACE)
    handler.check_is_about(scene_id, scenes.geometry_hash(scene_id))
    visibility = handler.load_scene(scene_id)
    mask, points = scenes.instance_mask(scene_id), scenes.points(scene_id)
    if len(mask) != visibility.num_points:
        raise BadDataError(f"{scene_id}: instances do not fit its points; load the scene again")
    wanted = [i for i in scenes.object_ids(scene_id) if can_be_asked(scenes.category(scene_id, i))]
    objects = dict(_objects(wanted, mask, points, visibility.point_lists()))
    pairs = {
        (one, two): _measure(objects[one], objects[two]) for one, two in combinations(objects, 2)
    }
    near_table.write_near(part_dir / near_table.FILE, scene_id, visibility.image_ids, pairs)
    return PartResult(counts={"scenes": 1}, notes={"scenes": {"pairs of objects": len(pairs)}})


def _objects(
    wanted: Iterable[int], mask: np.ndarray, points: np.ndarray, lists: list[np.ndarray]
) -> Iterator[tuple[int, _Seen]]:
    """The objects that have vertices, by id."""
    frames = np.repeat(np.arange(len(lists)), list(map(len, lists)))
    seen = np.concatenate([np.zeros(0, np.int32), *lists])
    order = np.argsort(mask[seen], kind="stable")
    frames, seen = frames[order], seen[order]
    instances = mask[seen]
    for object_id in wanted:
        mine = np.flatnonzero(mask == object_id + 1)
        if not len(mine):
            continue
        rows = slice(*np.searchsorted(instances, [object_id + 1, object_id + 2]))
        views, numbers = np.unique(frames[rows], return_inverse=True)
        shown = np.zeros((len(views), len(mine)), bool)
        shown[numbers, np.searchsorted(mine, seen[rows])] = True
        yield object_id, _Seen(points[mine], cKDTree(points[mine]), views, shown)


def _measure(one: _Seen, two: _Seen) -> tuple[float, NearFrames]:
    """Distance in metres and near frames of two objects."""
    small, large = sorted((one, two), key=lambda seen: len(seen.vertices))
    distance = least_distance(small.vertices, large.vertices, large.tree)
    reach = distance + tolerance(distance)
    shown = near_frames(
        one.vertices, two.vertices, reach, one.seen, two.seen, (one.frames, two.frames)
    )
    return distance, shown


def make_distances(
    args: argparse.Namespace,
    step: Step,
    split: str,
    scenes: SceneInfoHandler,
    wanted: Iterable[str],
) -> set[str]:
    """Bring `object_distances.cache/` up to date with the `wanted` scenes; return those that
    failed."""
    table = paths.visibility_table_path(args.dataset, split)
    rule = visibility_table.rule_of(table)
    jobs = []
    for scene_id in wanted:
        about = [scenes.objects_hash(scene_id), instances_hash(scenes, scene_id)]
        inputs = [visibility_inputs(scenes, scene_id), rule, *about]
        jobs.append(SceneJob(scene_id, (scenes.only(scene_id), table, scene_id), inputs))
    folder = paths.object_distances_dir(args.dataset)
    return set(step.make_shared("object_distances", __file__, folder, jobs, write_scene, "scenes"))
