"""What the pictures of a sample scene truly show: rays cast into the exact room at the true poses.

The files of a scene hold other poses, noisy depth and a mesh fused from it (`Sensor`). Points are
in the frame of the room, which is the axis-aligned frame of the scene.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatial_engine.sample_data.materials.atlas import build_atlas
from spatial_engine.sample_data.rendering.mesh import face_grids
from spatial_engine.sample_data.rendering.render import Camera
from spatial_engine.sample_data.rendering.surfaces import RayCaster, Surfaces, gather
from spatial_engine.sample_data.rooms import rooms
from spatial_engine.sample_data.rooms.layouts import LAYOUTS
from spatial_engine.sample_data.scannet.scene_spec import SceneSpec
from spatial_engine.sample_data.scannet.scene_writer import true_poses

TOLERANCE = 0.01  # metres before a point of a surface that something may stand and not hide it


@dataclass(frozen=True)
class SceneTruth:
    """The exact room of a scene: its faces, `labels` of its things (None: not annotated), colour
    cameras and true poses (n, 4, 4) world_from_cam of the n rendered frames, how often each is
    stored."""

    surfaces: Surfaces
    caster: RayCaster
    labels: tuple[str | None, ...]
    cameras: tuple[Camera, ...]
    poses: np.ndarray
    frame_repeat: int

    @classmethod
    def of(cls, spec: SceneSpec) -> SceneTruth:
        """The truth about the scene of a description; renders nothing, reads no file."""
        things = rooms.furnish(LAYOUTS[spec.layout], spec.generator("things"))
        atlas = build_atlas([quad.material for thing in things for quad in thing.quads], spec.seed)
        surfaces = gather(things, atlas)
        labels = tuple(thing.label for thing in things)
        cameras = (spec.cameras()[0],) * spec.num_frames
        caster = RayCaster(surfaces)
        return cls(surfaces, caster, labels, cameras, true_poses(spec), spec.frame_repeat)

    def camera(self, image_id: str) -> Camera:
        """The colour camera of a stored frame."""
        return self.cameras[int(image_id) // self.frame_repeat]

    def pose(self, image_id: str) -> np.ndarray:
        """(4, 4) true world_from_cam of a stored frame."""
        return self.poses[int(image_id) // self.frame_repeat]

    def shown(self, image_id: str, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What pixels (n, 2) x, y of a colour image show: points (n, 3), and depth (n,) along the
        viewing direction; inf where no surface is met."""
        pose = self.pose(image_id)
        rays = (
            np.column_stack([pixels, np.ones(len(pixels))])
            @ np.linalg.inv(self.camera(image_id).K).T
        )
        rays = rays @ pose[:3, :3].T
        origins = np.broadcast_to(pose[:3, 3], rays.shape)
        _, depth = self.caster.hits(origins, rays)  # rays are 1 along the viewing direction
        with np.errstate(invalid="ignore"):
            return origins + depth[:, None] * rays, depth

    def pixels(self, image_id: str, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where a colour image truly shows points (n, 3): pixels (n, 2), and depth (n,)."""
        pose = self.pose(image_id)
        cam = (points - pose[:3, 3]) @ pose[:3, :3]
        with np.errstate(divide="ignore", invalid="ignore"):
            return (cam / cam[:, 2:] @ self.camera(image_id).K.T)[:, :2], cam[:, 2]

    def sees(self, image_id: str, points: np.ndarray) -> np.ndarray:
        """(n,) bool: whether points (n, 3) of surfaces are inside a colour image and not hidden."""
        pixels, depth = self.pixels(image_id, points)
        inside = (depth > 0) & (pixels >= 0).all(1) & (pixels < self.camera(image_id).size).all(1)
        eye = self.pose(image_id)[:3, 3]
        towards = points[inside] - eye
        _, share = self.caster.hits(np.broadcast_to(eye, towards.shape), towards)
        inside[inside] = (1 - share) * np.linalg.norm(towards, axis=1) < TOLERANCE
        return inside

    def thing_points(self, thing: int, spacing: float) -> np.ndarray:
        """(n, 3) points all over the faces of a thing."""
        quad, place, _ = face_grids(self.surfaces, spacing, self.surfaces.thing != thing)
        return self.surfaces.points(quad, place)
