"""The frames of one scene of which sets are asked: how they overlap, where they stand, what they
show (SPEC 13)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from spatial_engine.utils.frames.states import SceneStates
from spatial_engine.utils.geometry.frame_sets.graph import FrameGraph
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.scene_views import SceneViews
from spatial_engine.utils.tables import pair_table
from spatial_engine.utils.tables.visibility_table import SURFACE

MIN_LINK = 6.0  # percent; frames that overlap less share too little to be joined
MAX_LIKE = 70.0  # percent; of frames that overlap more, one is enough
# Frames of a scene of which sets are made at most, evenly spread: of overlaps, which are held for
# each two, there are a million then.
MAX_FRAMES = 1000


@dataclass(frozen=True)
class FrameTables:
    """Where the overlaps of frames are, what they see, and what they leave grey
    (`paths.object_frames_dir`)."""

    pairs: Path
    visibility: Path
    states: Path


class SceneFrames:
    """Frames are numbered as in `image_ids`, the frames with a valid pose, ascending. `poses`
    (n, 4, 4) world_from_cam, aligned; `graph` tells which frames can stand in a set: those whose
    images are there. What frames see is read when it is first asked for."""

    def __init__(
        self,
        scenes: SceneInfoHandler,
        scene_id: str,
        tables: FrameTables,
        images: Set[str],
    ):
        """Raises `BadDataError` where a table is stale or damaged."""
        self.scenes, self.scene_id, self._tables = scenes, scene_id, tables
        self.image_ids, self.poses = scenes.valid_frames(scene_id)
        self.image_size = scenes.color_size(scene_id)
        self.centers = self.poses[:, :3, 3]
        there = np.array([image_id in images for image_id in self.image_ids], bool)
        self.graph = FrameGraph.of(self._overlap(), _thinned(there), MIN_LINK, MAX_LIKE)

    @cached_property
    def views(self) -> SceneViews:
        """What the frames see, by the surface rule."""
        return SceneViews(self.scenes, self.scene_id, self._tables.visibility, SURFACE)

    @cached_property
    def states(self) -> SceneStates:
        """What they show of objects and vertices."""
        return SceneStates.of(
            self.scenes, self.scene_id, self.views.visibility, self._tables.states
        )

    def names(self, frames: np.ndarray) -> list[str]:
        """Paths of the images of frames (k,), below the image root."""
        return [f"{self.scene_id}/{self.image_ids[frame]}.jpg" for frame in frames]

    def ids(self, frames: np.ndarray) -> list[str]:
        """Ids of frames (k,)."""
        return [self.image_ids[frame] for frame in frames]

    def _overlap(self) -> np.ndarray:
        """(n, n) percent, float32; 100 on the diagonal."""
        table = pair_table.open_pairs(self._tables.pairs)
        geometry = self.scenes.geometry_hash(self.scene_id)
        pair_table.check_is_about(table, self.scene_id, geometry)
        columns = pair_table.read_scene_pairs(table, self.scene_id, self.image_ids)
        overlap = np.full((len(self.image_ids),) * 2, 100, np.float32)
        overlap[columns["first"], columns["second"]] = columns["overlap"]
        overlap[columns["second"], columns["first"]] = columns["overlap"]
        return overlap


def _thinned(there: np.ndarray) -> np.ndarray:
    """Of the frames that are `there` (n,) bool, every k-th, so that there are not too many."""
    kept = np.zeros(len(there), bool)
    numbers = np.flatnonzero(there)
    kept[numbers[:: -(-len(numbers) // MAX_FRAMES) or 1]] = True
    return kept
