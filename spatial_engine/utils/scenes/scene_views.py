"""The frames of one scene that questions can be about, and what they see: drawn and measured."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.cameras import MM_PER_METRE, project_by, projection_matrix
from spatial_engine.utils.geometry.surface_normals import surface_normals
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables.visibility_table import REMEDY, VisibilityInfoHandler

# Points tried for each question, all questions at once; for those still without one, so many more.
DRAWS = (16, 128)

# (numbers of questions (n,), points (n, k)) -> whether each point can be asked about, (n, k) bool
Fits = Callable[[np.ndarray, np.ndarray], np.ndarray]


class SceneViews:
    """Frames are numbered 0 .. n - 1 as in `image_ids`, the frames with a valid pose, ascending.
    `centers` (n, 3) are where their cameras stand, `points` (m, 3) the vertices; metres, aligned.
    """

    def __init__(self, scenes: SceneInfoHandler, scene_id: str, table: Path, rule: str):
        """Open one scene, whose frames see vertices by a rule of `visibility_table.RULES`;
        `BadDataError` where the visibility table is stale or damaged."""
        handler = VisibilityInfoHandler(table, rule)
        handler.check_is_about(scene_id, scenes.geometry_hash(scene_id))
        self.visibility = handler.load_scene(scene_id)
        self.image_ids, poses = scenes.valid_frames(scene_id)
        if self.visibility.image_ids != self.image_ids:
            raise BadDataError(f"{table}: {scene_id} has other frames; {REMEDY}")
        self.image_size = scenes.color_size(scene_id)
        self.num_seen = self.visibility.num_seen
        self._matrices = projection_matrix(scenes.intrinsics(scene_id, self.image_ids), poses)
        self.centers = poses[:, :3, 3]
        self.points = scenes.points(scene_id)

    @cached_property
    def normals(self) -> np.ndarray:
        """Unit normals (m, 3) at the vertices, NaN where one does not lie on a plane."""
        return surface_normals(self.points)

    @cached_property
    def axes(self) -> np.ndarray:
        """The coordinates of the vertices (3, m), axis by axis in memory."""
        return np.ascontiguousarray(self.points.T)

    @cached_property
    def has_normal(self) -> np.ndarray:
        """Whether each vertex lies on a plane, (m,) bool."""
        return np.isfinite(self.normals[:, 0])

    def measure(self, frames: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where frames (n,) show their points (n, k): pixels (n, k, 2), depths (n, k) in metres.

        Depth is measured along the viewing direction.
        """
        return project_by(self._matrices[frames], self.points[points])

    def measure_mm(self, frames: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `measure`, depths in whole millimetres, as in answers."""
        pixels, depths = self.measure(frames, points)
        return pixels, np.rint(depths * MM_PER_METRE).astype(np.int64)

    def draw_point(
        self,
        rng: np.random.Generator,
        frames: np.ndarray,
        fits: Fits,
        all_fitting: Callable[[int], np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """For each question, about `frames` (n,), one visible point that fits, all equally likely.

        Returns points (n,) and whether there is any, (n,) bool. A few draws usually find one; where
        they do not, one is drawn from `all_fitting` of a question (by its number).
        """
        found = np.zeros(len(frames), bool)
        points = np.zeros(len(frames), np.int32)
        for count in DRAWS:
            pending = np.flatnonzero(~found & (self.num_seen[frames] > 0))
            drawn = self.visibility.draw_points(rng, frames[pending], count)
            good = fits(pending, drawn)
            points[pending] = drawn[np.arange(len(pending)), good.argmax(axis=1)]
            found[pending] = good.any(axis=1)
        for number in np.flatnonzero(~found):
            if all_fitting:
                fitting = all_fitting(number)
            else:
                seen = self.visibility.points(self.image_ids[frames[number]])
                fitting = seen[fits(np.array([number]), seen[None])[0]]
            if len(fitting):
                found[number], points[number] = True, rng.choice(fitting)
        return points, found
