"""The frames of one scene that questions can be about, and what they see: drawn and measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.cameras import MM_PER_METRE, project_by, projection_matrix
from spatial_engine.utils.geometry.point_bits import bit_words
from spatial_engine.utils.geometry.surface_normals import surface_normals
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables.visibility_table import REMEDY, VisibilityInfoHandler

# Points drawn for each question, all questions at once; for those still without one, so many more.
# They are looked at in these parts, up to the first that fits.
DRAWS = ((1, 3, 12), (32, 96))

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
        return surface_normals(self.axes.T)

    @cached_property
    def axes(self) -> np.ndarray:
        """The coordinates of the vertices (3, m), axis by axis in memory."""
        return np.ascontiguousarray(self.points.T)

    @cached_property
    def normal_bits(self) -> np.ndarray:
        """The bits of the vertices that lie on a plane, as of `point_bits.bit_words`: (words,)."""
        return bit_words([np.flatnonzero(np.isfinite(self.normals[:, 0]))], len(self.points))[0]

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
        all_fitting: Callable[[np.ndarray], Iterable[np.ndarray]] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """For each question, about `frames` (n,), one visible point that fits, all equally likely.

        Returns points (n,) and whether there is any, (n,) bool. A few draws usually find one; where
        they do not, one is drawn from `all_fitting`, the points that fit each of some questions (by
        their numbers).
        """
        found = np.zeros(len(frames), bool)
        points = np.zeros(len(frames), np.int32)
        for parts in DRAWS:
            pending = np.flatnonzero(~found & (self.num_seen[frames] > 0))
            places = self.visibility.draw_places(rng, frames[pending], sum(parts))
            for mine in np.split(places, np.cumsum(parts)[:-1], axis=1):
                open_still = ~found[pending]
                numbers = pending[open_still]
                drawn = self.visibility.points_at(frames[numbers], mine[open_still])
                good = fits(numbers, drawn)
                points[numbers] = drawn[np.arange(len(numbers)), good.argmax(axis=1)]
                found[numbers] = good.any(axis=1)
        left = np.flatnonzero(~found)
        lists = all_fitting(left) if all_fitting else self._all_that_fit(frames, fits, left)
        for number, fitting in zip(left, lists, strict=True):
            if len(fitting):
                found[number], points[number] = True, rng.choice(fitting)
        return points, found

    def _all_that_fit(
        self, frames: np.ndarray, fits: Fits, numbers: np.ndarray
    ) -> Iterator[np.ndarray]:
        """The visible points that fit each of the questions `numbers` (n,), about `frames`."""
        for number in numbers:
            seen = self.visibility.points(self.image_ids[frames[number]])
            yield seen[fits(np.array([number]), seen[None])[0]]
