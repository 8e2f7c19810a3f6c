"""What three to eight frames show of a vertex, in plain float64 from the raw files, one vertex and
one frame at a time (SPEC 4, 13)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from spatial_engine.audit.oracles.visibility import visible
from spatial_engine.audit.raw.scene import RawScene


class RawFrames:
    """One scene; frames by id."""

    def __init__(self, root: Path, scene_id: str):
        self.scene = RawScene(root, scene_id)
        self.size = self.scene.colour_size
        self.shows = cache(self._shows)
        self.overlap = cache(self._overlap)
        self._seen = cache(lambda frame: set(visible(self.scene, frame).plain.tolist()))
        self._depth = cache(self.scene.depth_mm)

    def project(self, frame: str, vertex: int) -> tuple[float, float, float]:
        """u, v in pixels and depth in metres."""
        place = np.append(self.scene.vertices_aligned[vertex], 1)
        x, y, z = (self.scene.cam_from_world(frame) @ place)[:3]
        u, v, w = self.scene.camera_K(frame) @ [x, y, z]
        return u / w, v / w, z

    def depth(self, frame: str, vertex: int) -> float:
        return self.project(frame, vertex)[2]

    def _shows(self, frame: str, vertex: int) -> str:
        """seen, absent or grey."""
        (u, v, z), (width, height) = self.project(frame, vertex), self.size
        image = self._depth(frame)
        rows, columns = image.shape
        margin = 0.02 * width
        if z <= 0 or not (-margin <= u < width + margin and -margin <= v < height + margin):
            return "absent"
        if not (0 <= u < width and 0 <= v < height):
            return "grey"
        column = min(round(u * columns / width), columns - 1)
        row = min(round(v * rows / height), rows - 1)
        window = image[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
        if (window > 0).all() and (np.abs(window / 1000 - z) <= max(0.05, 0.03 * z)).all():
            return "seen"
        behind = image[row, column] > 0 and z >= image[row, column] / 1000 + 0.1
        return "absent" if behind else "grey"

    def _overlap(self, one: str, two: str) -> float:
        """Percent, by the published rule."""
        mine, theirs = self._seen(one), self._seen(two)
        return 100 * len(mine & theirs) / max(len(mine | theirs), 1)

    def are_alike(self, frames: list[str]) -> bool:
        """Whether two of the frames overlap too much to be in one set."""
        return any(self.overlap(a, b) > 70 for k, a in enumerate(frames) for b in frames[:k])

    def are_joined(self, frames: list[str]) -> bool:
        """Whether linked pairs connect all frames."""
        reached, ahead = {frames[0]}, [frames[0]]
        while ahead:
            one = ahead.pop()
            new = {two for two in frames if two not in reached and self.overlap(one, two) >= 6}
            reached |= new
            ahead += new
        return reached == set(frames)

    def distance(self, one: int, two: int) -> float:
        """Metres between two vertices."""
        places = self.scene.vertices_aligned
        return float(np.linalg.norm(places[one] - places[two]))

    def place(self, frame: str, vertex: int) -> list[int]:
        """Coordinates from 0 to 1000."""
        u, v, _ = self.project(frame, vertex)
        return [round(1000 * u / self.size[0]), round(1000 * v / self.size[1])]
