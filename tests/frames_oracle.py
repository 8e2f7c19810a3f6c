"""What the frames of a scene show of its objects, by the definitions (SPEC 4, 13.1), in float64, a
frame at a time, from the files of the prepared scene: a second way beside the engine's tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

NEVER = {"wall", "object", "floor", "ceiling", "window"}


class Shown(NamedTuple):
    """Vertices by state in one frame, (n,) bool each: seen by the published rule, on the surface,
    certainly absent."""

    visible: np.ndarray
    seen: np.ndarray
    absent: np.ndarray


class Oracle:
    """One scene."""

    def __init__(self, scenes: SceneInfoHandler, scene_id: str):
        self.scenes, self.scene_id = scenes, scene_id
        self.points = scenes.points(scene_id)
        self.mask = scenes.instance_mask(scene_id)
        self.image_ids, poses = scenes.valid_frames(scene_id)
        self.poses = dict(zip(self.image_ids, poses, strict=True))
        self.names = {i: scenes.category(scene_id, i) for i in scenes.object_ids(scene_id)}

    @cached_property
    def frames(self) -> dict[str, Shown]:
        return {image_id: self._look(image_id) for image_id in self.image_ids}

    def _look(self, image_id: str) -> Shown:
        depth = self.scenes.depth(self.scene_id, image_id) / 1000
        height, width = depth.shape
        big_width, big_height = self.scenes.color_size(self.scene_id)
        k = self.scenes.intrinsics(self.scene_id, [image_id])[0]
        cam = np.linalg.inv(self.poses[image_id]) @ np.c_[self.points, np.ones(len(self.points))].T
        z = cam[2]
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v = (k[:2, :3] @ cam[:3]) / z
        inside = (u >= 0) & (u < big_width) & (v >= 0) & (v < big_height)
        u_in, v_in = np.where(inside, u, 0), np.where(inside, v, 0)
        x = np.minimum(np.rint(u_in * width / big_width), width - 1).astype(int)
        y = np.minimum(np.rint(v_in * height / big_height), height - 1).astype(int)
        own = depth[y, x]
        visible = inside & (z > 0) & (z < own)
        surface = inside & (z > 0)
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                there = (x + dx >= 0) & (x + dx < width) & (y + dy >= 0) & (y + dy < height)
                d = depth[np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)]
                surface &= ~there | ((d > 0) & (np.abs(d - z) <= np.maximum(0.05, 0.03 * z)))
        margin = 0.02 * big_width
        outside = (u < -margin) | (u >= big_width + margin)
        outside |= (v < -margin) | (v >= big_height + margin)
        absent = (z <= 0) | outside | (inside & (own > 0) & (z >= own + 0.1))
        return Shown(visible, surface, absent)

    @cache  # noqa: B019 (as many as there are scenes)
    def vertices(self, object_id: int) -> np.ndarray:
        return np.flatnonzero(self.mask == object_id + 1)

    @cache  # noqa: B019 (as many as there are scenes)
    def sees(self, image_id: str, object_id: int) -> bool:
        mine = self.vertices(object_id)
        count = np.count_nonzero(self.frames[image_id].seen[mine])
        return count >= max(50, 0.2 * len(mine))

    @cache  # noqa: B019 (as many as there are scenes)
    def lacks(self, image_id: str, object_id: int) -> bool:
        """Certainly absent. What is seen is never absent, by the order of the definitions."""
        mine, shown = self.vertices(object_id), self.frames[image_id]
        return bool((shown.absent[mine] & ~shown.seen[mine]).all())

    @cache  # noqa: B019 (as many as there are scenes)
    def namesakes(self, object_id: int) -> list[int]:
        mine = self._words(object_id)
        return [
            other for other in self.names
            if other != object_id
            and all(a == b for a, b in zip(mine[::-1], self._words(other)[::-1], strict=False))
        ]  # fmt: skip

    def _words(self, object_id: int) -> list[str]:
        words = re.findall(r"\w+", self.names[object_id].lower())
        return [word[:-1] if len(word) > 1 and word.endswith("s") else word for word in words]

    def is_unique(self, frames: list[str], object_id: int) -> bool:
        return all(self.lacks(f, other) for f in frames for other in self.namesakes(object_id))

    @cache  # noqa: B019 (as many as there are scenes)
    def overlap(self, one: str, two: str) -> float:
        """Percent; ScanNet's by the published rule."""
        a, b = self.frames[one].visible, self.frames[two].visible
        return 100 * np.count_nonzero(a & b) / max(np.count_nonzero(a | b), 1)

    def check_set(self, frames: list[str]) -> None:
        """A set of frames is joined, in order, holds none twice and no two that are alike."""
        assert frames == sorted(set(frames), key=int)
        assert all(self.overlap(*pair) <= 70 for pair in combinations(frames, 2))
        assert self.are_joined(frames)

    def links(self, frames: Sequence[str]) -> list[tuple[str, str]]:
        return [pair for pair in combinations(frames, 2) if self.overlap(*pair) >= 6]

    def are_joined(self, frames: Sequence[str]) -> bool:
        links, reached = self.links(frames), {frames[0]}
        for _ in frames:
            reached |= {f for pair in links if reached & set(pair) for f in pair}
        return reached == set(frames)

    def ends_seen(self, frames: Sequence[str], object_id: int) -> np.ndarray | None:
        """(2, 3) metres, the least and the greatest x, y, z of an object's vertices that are seen,
        from the least corner of all; None of nothing."""
        mine = self.vertices(object_id)
        seen = mine[np.any([self.frames[f].seen[mine] for f in frames], axis=0)]
        corner = self.points[mine].min(axis=0)
        ends = [end(self.points[seen], axis=0) - corner for end in (np.min, np.max) if len(seen)]
        return np.array(ends) if ends else None

    def are_apart(self, frames: list[str], one: int, two: int) -> bool:
        mine = [f for f in frames if not self.lacks(f, one)]
        other = [f for f in frames if not self.lacks(f, two)]
        return all(f != g and self.overlap(f, g) == 0 for f in mine for g in other)

    @cache  # noqa: B019 (as many as there are scenes)
    def distance(self, one: int, two: int, frames: tuple[str, ...] | None = None) -> float:
        """Of all vertices, or of those that the frames see."""
        places = []
        for object_id in (one, two):
            mine = self.vertices(object_id)
            if frames is not None:
                mine = mine[np.any([self.frames[f].seen[mine] for f in frames], axis=0)]
            places.append(self.points[mine])
        return cdist(*places).min(initial=np.inf)

    def near_sides_seen(self, frames: list[str], one: int, two: int) -> bool:
        whole = self.distance(one, two)
        return self.distance(one, two, tuple(frames)) - whole <= max(0.05, 0.05 * whole)

    @cache  # noqa: B019 (as many as there are scenes)
    def center(self, object_id: int) -> np.ndarray:
        mine = self.points[self.vertices(object_id)]
        return (mine.min(axis=0) + mine.max(axis=0)) / 2
