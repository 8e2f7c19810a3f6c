"""Pictures of a room from a pose: colour at full size, depth, from one cast at depth size.

Faces are flat, so a pixel's distance and its place on the face follow exactly from the face's
index; rays are only needed to find that index. They are cast at depth size, and again, at colour
size, only where neighbours differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from spatial_engine.sample_data.materials.atlas import LEVELS, Atlas, tile_pixels
from spatial_engine.sample_data.rendering.lighting import Light, light_table
from spatial_engine.sample_data.rendering.surfaces import RayCaster, Surfaces

BAND_ROWS = 64  # rows shaded at a time, so that the work stays in the processor's cache


@dataclass(frozen=True)
class Camera:
    """Intrinsics (3, 3) float64 in pixels, integer coordinates at pixel centres, and the image
    size (width, height)."""

    K: np.ndarray
    size: tuple[int, int]

    def resized(self, size: tuple[int, int]) -> Camera:
        """The same view at another size: pixel (u, v) goes to (u * w' / w, v * h' / h)."""
        scale = np.diag([size[0] / self.size[0], size[1] / self.size[1], 1.0])
        return Camera(scale @ self.K, size)

    def matrix(self) -> np.ndarray:
        """(4, 4) float32 intrinsics, as ScanNet's files hold them."""
        matrix = np.eye(4, dtype=np.float32)
        matrix[:3, :3] = self.K
        return matrix

    def rays(self) -> np.ndarray:
        """(h, w, 3) float32 camera rays with z = 1."""
        u, v = np.meshgrid(np.arange(self.size[0]), np.arange(self.size[1]))
        pixels = np.stack([u, v, np.ones_like(u)], -1)
        return (pixels @ np.linalg.inv(self.K).T).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """What rendering needs of a room."""

    surfaces: Surfaces
    caster: RayCaster
    atlas: Atlas
    light: Light


def first_quads(scene: Scene, rays: np.ndarray, world_from_cam: np.ndarray) -> np.ndarray:
    """Index of the face that each ray (..., 3) in camera axes meets first."""
    if not rays.size:
        return np.zeros(rays.shape[:-1], np.int32)
    # not numpy's product: its threads only get in each other's way on such narrow matrices
    turned = cv2.transform(rays.reshape(-1, 1, 3), world_from_cam[:3, :3].astype(np.float32))
    directions = turned.reshape(-1, 3)
    origins = np.broadcast_to(world_from_cam[:3, 3], directions.shape)
    return scene.caster.quads(origins, directions).reshape(rays.shape[:-1])


def pixel_maps(surfaces: Surfaces, camera: Camera, world_from_cam: np.ndarray) -> np.ndarray:
    """(Q, 3, 3) per face: times the pixel (u, v, 1) they give along * w, above * w and w, where
    w = 1 / z and (along, above) is the place on the face in metres from its corner 0."""
    eye = surfaces.corners[:, 0] - world_from_cam[:3, 3]
    gap = np.einsum("qc,qc->q", eye, surfaces.normal)
    gap = np.where(np.abs(gap) < 1e-9, 1e-9, gap)  # seen edge-on
    room_from_pixel = world_from_cam[:3, :3] @ np.linalg.inv(camera.K)
    inverse_depth = (surfaces.normal @ room_from_pixel) / gap[:, None]
    rows = [
        axis @ room_from_pixel - np.einsum("qc,qc->q", eye, axis)[:, None] * inverse_depth
        for axis in (surfaces.right, surfaces.up)
    ]
    return np.stack([*rows, inverse_depth], 1)


def plane_distances(surfaces: Surfaces, world_from_cam: np.ndarray) -> np.ndarray:
    """(Q,) metres from the camera to the plane of each face, at least a millimetre."""
    eye = surfaces.corners[:, 0] - world_from_cam[:3, 3]
    return np.maximum(np.abs(np.einsum("qc,qc->q", eye, surfaces.normal)), 1e-3)


def depth_image(maps: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """(h, w) float32 exact depth along the optical axis in metres, 0 where no face is met."""
    height, width = quads.shape
    a, b, c = np.take(maps[:, 2].T.astype(np.float32), quads, axis=1, mode="clip")
    u = np.arange(width, dtype=np.float32)
    v = np.arange(height, dtype=np.float32)[:, None]
    return np.where(quads >= 0, 1 / np.maximum(a * u + b * v + c, 1e-3), 0).astype(np.float32)


def cosines(
    scene: Scene, rays: np.ndarray, world_from_cam: np.ndarray, depth: np.ndarray, quads: np.ndarray
) -> np.ndarray:
    """(h, w) float32 cosine between each pixel's ray and the normal of the face it meets."""
    gap = plane_distances(scene.surfaces, world_from_cam).astype(np.float32)
    lengths = depth * np.sqrt(np.einsum("hwc,hwc->hw", rays, rays))
    return np.take(gap, quads, mode="clip") / np.maximum(lengths, 1e-3)


def upsample_quads(
    scene: Scene, quads: np.ndarray, camera: Camera, rays: np.ndarray, world_from_cam: np.ndarray
) -> np.ndarray:
    """Face indices at the size of `camera`, from those of the same view at a smaller size.

    `rays` are `camera.rays()`; new ones are cast where the small image has an edge.
    """
    if quads.shape == camera.size[::-1]:
        return quads
    height, width = quads.shape
    image = quads.astype(np.float32)
    square = np.ones((3, 3), np.uint8)
    edge = cv2.dilate(image, square) != cv2.erode(image, square)
    columns = np.round(np.arange(camera.size[0]) * width / camera.size[0]).astype(int)
    rows = np.round(np.arange(camera.size[1]) * height / camera.size[1]).astype(int)
    index = np.ix_(np.minimum(rows, height - 1), np.minimum(columns, width - 1))
    large, redo = quads[index], edge[index]
    large[redo] = first_quads(scene, rays[redo], world_from_cam)
    return large


def color_image(
    scene: Scene, camera: Camera, world_from_cam: np.ndarray, quads: np.ndarray
) -> np.ndarray:
    """(h, w, 3) float32 RGB, about 0..255, of the faces `quads` (h, w) that the pixels see."""
    table = _shading_table(scene, camera, world_from_cam)
    places = scene.atlas.place.reshape(-1, 4).T.copy()
    u = np.arange(camera.size[0], dtype=np.float32)
    image = np.empty((*quads.shape, 3), np.float32)
    for top in range(0, len(quads), BAND_ROWS):
        band = quads[top : top + BAND_ROWS]
        v = np.arange(top, top + len(band), dtype=np.float32)[:, None]
        row = np.take(table, band, axis=1, mode="clip")
        w = np.maximum(row[6] * u + row[7] * v + row[8], 1e-3)
        across = (row[0] * u + row[1] * v + row[2]) / w
        above = (row[3] * u + row[4] * v + row[5]) / w
        light_x, light_y = row[9] + row[10] * across, row[11] + row[12] * above
        light = cv2.remap(scene.light.image, light_x, light_y, cv2.INTER_LINEAR)
        level = np.clip(row[13] - 1.5 * np.log2(w), 0, LEVELS - 1).astype(np.intp)
        tile = np.take(places, row[14].astype(np.intp) + level, axis=1)
        x, y = tile_pixels(tile, across, above)
        color = cv2.remap(scene.atlas.image, x, y, cv2.INTER_LINEAR)
        np.multiply(color, light, out=image[top : top + len(band)])
    return image


def _shading_table(scene: Scene, camera: Camera, world_from_cam: np.ndarray) -> np.ndarray:
    """(15, Q) float32, for each face what a pixel needs.

    0-8: maps to tiles (across * w, above * w, w); 9-12: light x and y as offset and factor of
    across and above; 13: level of detail at w = 1; 14: first row of the material's places.
    """
    surfaces = scene.surfaces
    maps = pixel_maps(surfaces, camera, world_from_cam)
    (shift_x, shift_y), (tile_x, tile_y) = surfaces.shift.T, surfaces.repeat.T
    inverse_depth = maps[:, 2]
    across = (maps[:, 0] + shift_x[:, None] * inverse_depth) / tile_x[:, None]
    above = (maps[:, 1] + shift_y[:, None] * inverse_depth) / tile_y[:, None]
    light = light_table(surfaces, scene.light)
    # A pixel covers z / f metres, more on a slanted face: divided by the root of the cosine,
    # which is gap / z. Level = log2 of that in texels.
    gap = plane_distances(surfaces, world_from_cam)
    detail = 0.3 - np.log2(camera.K[0, 0] * surfaces.texel * np.sqrt(gap))
    columns = [
        *across.T,
        *above.T,
        *inverse_depth.T,
        light[:, 0] - shift_x * light[:, 2],
        tile_x * light[:, 2],
        light[:, 1] - shift_y * light[:, 3],
        tile_y * light[:, 3],
        detail,
        surfaces.material * LEVELS,
    ]
    return np.stack(columns).astype(np.float32)
