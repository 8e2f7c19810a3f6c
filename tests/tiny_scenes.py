"""Scenes of a few hundred points made by hand: what the question modules open, without the scans.

Cameras stand near the origin and look along z; points lie in front of them. What a frame sees is
given, or is all that falls into its image.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spatial_engine.utils import paths
from spatial_engine.utils.paths import instance_data_dir, posed_images_dir, visibility_table_path
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.scene_views import SceneViews
from spatial_engine.utils.tables import pair_table
from spatial_engine.utils.tables.visibility_table import (
    RULES,
    merge_visibility,
    write_scene_visibility,
)

SCENE = "scene0000_00"


class TinyScene:
    """One scene under `root`: `points` (n, 3), `poses` (f, 4, 4), `ids`, what frames see (`lists`),
    its scene info (`handler`), its visibility table (`table`) and its `views`."""

    def __init__(
        self,
        root: Path,
        rng: np.random.Generator,
        frames: int = 4,
        num_points: int = 300,
        size: tuple[int, int] = (324, 242),
        points: np.ndarray | None = None,
        lists: Sequence[Sequence[int]] | None = None,
        images: bool = False,
    ):
        self.root, self.size = root, size
        self.ids = [f"{5 * frame:05d}" for frame in range(frames)]
        self.intrinsic = np.diag([0.9 * size[0], 0.9 * size[0], 1.0, 1.0])
        self.intrinsic[:2, 2] = np.array(size) / 2
        self.poses = np.tile(np.eye(4), (frames, 1, 1))
        self.poses[:, :3, 3] = (
            rng.uniform(-0.2, 0.2, (frames, 3)) * (np.arange(frames) > 0)[:, None]
        )
        if points is None:
            points = rng.uniform((-1.5, -1.2, 1.5), (1.5, 1.2, 5), (num_points, 3))
        self.points = np.asarray(points, float)
        self.lists = [self.in_image(k) for k in range(frames)] if lists is None else lists
        self.lists = [np.array(sorted(seen), np.int32) for seen in self.lists]
        folder = instance_data_dir(root) / SCENE
        folder.mkdir(parents=True)
        np.save(folder / "aligned_points.npy", np.hstack([self.points, 0 * self.points]))
        self.handler = SceneInfoHandler(root, {SCENE: self._info()})
        self.table = visibility_table_path(root, "train")
        self.write_table()
        if images:
            self.images = {name: noise(rng, size) for name in self.ids}
            posed = posed_images_dir(root) / SCENE
            posed.mkdir(parents=True)
            for name, image in self.images.items():
                (posed / f"{name}.jpg").write_bytes(jpeg.encode(image))

    @property
    def views(self) -> SceneViews:
        return SceneViews(self.handler, SCENE, self.table, "surface")

    def write_table(self) -> None:
        geometry = self.handler.geometry_hash(SCENE)
        part = self.root / "part"
        write_scene_visibility(
            part, SCENE, self.ids, dict.fromkeys(RULES, self.lists), len(self.points), geometry
        )
        merge_visibility([part], self.table)

    def write_pairs(self, overlap: np.ndarray) -> Path:
        """The pair table, with an overlap (f, f) as given."""
        path, part = paths.pair_table_path(self.root, "train"), self.root / "part"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = pair_table.relate_frames(self.ids, self.poses, overlap)
        geometry = self.handler.geometry_hash(SCENE)
        pair_table.write_scene_pairs(part, SCENE, self.ids, columns, geometry)
        pair_table.merge_pairs([part], path)
        return path

    def see(self, frame: int, point: int) -> tuple[float, float, float]:
        """Pixel and depth of a point by the definition, one number at a time."""
        x, y, z = np.linalg.inv(self.poses[frame])[:3] @ [*self.points[point], 1.0]
        u = self.intrinsic[0, 0] * x / z + self.intrinsic[0, 2]
        v = self.intrinsic[1, 1] * y / z + self.intrinsic[1, 2]
        return u, v, z

    def in_image(self, frame: int) -> list[int]:
        seen = []
        for point in range(len(self.points)):
            u, v, z = self.see(frame, point)
            if z > 0 and 0 <= u < self.size[0] and 0 <= v < self.size[1]:
                seen.append(point)
        return seen

    def coordinates(self, frame: int, point: int) -> list[int]:
        """Thousandths of the width and of the height."""
        u, v, _ = self.see(frame, point)
        return [round(1000 * u / self.size[0]), round(1000 * v / self.size[1])]

    def depth_mm(self, frame: int, point: int) -> int:
        return round(1000 * self.see(frame, point)[2])

    def _info(self) -> dict:
        place = f"posed_images/{SCENE}"
        images = {
            name: {
                "image_path": f"{place}/{name}.jpg",
                "depth_image_path": f"{place}/{name}.png",
                "extrinsic_matrix": pose,
            }
            for name, pose in zip(self.ids, self.poses, strict=True)
        }
        return {
            "images_info": images,
            "axis_align_matrix": np.eye(4),
            "intrinsic_matrix": self.intrinsic,
            "color_size": self.size,
            "depth_size": (64, 48),
            "points_digest": "tiny",
        }


def noise(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A dim image without structure, (height, width, 3) uint8."""
    return rng.integers(40, 120, (size[1], size[0], 3)).astype(np.uint8)


def lie_along(pixels: Sequence[Sequence[float]], depths: Sequence[float], size) -> np.ndarray:
    """Points that the first camera of a scene shows at these pixels and depths in metres."""
    focal, middle = 0.9 * size[0], np.array(size) / 2
    z = np.asarray(depths, float)
    return np.column_stack([(np.asarray(pixels, float) - middle) / focal * z[:, None], z])
