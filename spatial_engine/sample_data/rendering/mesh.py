"""The mesh of a room fused from measured depth, its segments, which thing each vertex belongs to.

Vertices stand in the block-wise order of marching cubes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from spatial_engine.sample_data.materials.atlas import LEVELS, tile_pixels
from spatial_engine.sample_data.rendering.lighting import light_table
from spatial_engine.sample_data.rendering.render import Camera, Scene
from spatial_engine.sample_data.rendering.surfaces import Surfaces

TRUNCATION = 0.06  # metres between vertex and measurement, as usual for voxels of a few cm
LEAST_COSINE = 0.15  # of the angle at which a measured surface is met
BLOCK = 0.25  # metres; vertices of a block stand together
PATCH = 0.8  # metres; large faces are cut into segments of this size
SMALL_FACE = 0.15  # square metres; smaller faces of a thing share segments
# Vertices keep off the edges of their face, by metres or this share of a small face: two faces that
# meet have vertices of their own. Many stand at an outline, as in any mesh.
INSET, SMALL_INSET = 0.003, 0.2
MAX_RANGE = 5.0  # metres from which a surface is still fused
UNANNOTATED = 0.03  # share of the segments that annotators missed


@dataclass(frozen=True)
class Mesh:
    """vertices (n, 3) float64 metres in the room's frame; colors (n, 3) uint8; faces (m, 3) int32;
    thing (n,) index of each vertex's thing; segment (n,) sparse segment ids: a segment is called
    after its first vertex; missed (n,) bool: annotators overlooked the segment."""

    vertices: np.ndarray
    colors: np.ndarray
    faces: np.ndarray
    thing: np.ndarray
    segment: np.ndarray
    missed: np.ndarray


class Fusion:
    """The mesh of a room, fused from the measured depth of its frames.

    It starts as a grid of vertices on every face, `spacing` metres apart. A measurement within
    `TRUNCATION` of a vertex that faces the camera says how far the surface lies before or behind
    the vertex along the face's normal; the vertex goes to the weighted mean of what was measured,
    as in a truncated signed distance. Vertices of which no frame shows their own face are dropped.
    So the mesh has the sensor's errors: noise, mixed pixels, frames that lie beside each other.
    Faces and things of the exact room are kept; surfaces in the air, which real fusion makes of
    mixed pixels at silhouettes, do not come about.
    """

    def __init__(self, surfaces: Surfaces, spacing: float, skip: np.ndarray):
        """`skip` (Q,) bool names faces that are not reconstructed (glass, a ceiling nobody
        scanned)."""
        self.spacing = spacing
        self.quad, self.place, self.faces = face_grids(surfaces, spacing, skip)
        self._points = np.ascontiguousarray(surfaces.points(self.quad, self.place).T)
        self._normals = np.ascontiguousarray(surfaces.normal[self.quad].T)
        self._sum, self._weight = np.zeros((2, len(self.quad)))
        self.shown = np.zeros(len(self.quad), bool)

    def add(
        self, depth: np.ndarray, quads: np.ndarray, camera: Camera, world_from_cam: np.ndarray
    ) -> None:
        """Fuse a frame: measured `depth` (h, w) metres, 0 = nothing; `quads` (h, w), the face that
        each pixel truly shows; the pose that is known of it, in the room's frame."""
        cam_from_world = np.linalg.inv(world_from_cam)
        z = cam_from_world[2, :3] @ self._points + cam_from_world[2, 3]
        near = np.flatnonzero((z > 0.1) & (z < MAX_RANGE))
        x, y, z = cam_from_world[:3, :3] @ self._points[:, near] + cam_from_world[:3, 3:]
        u, v = camera.K[:2] @ np.stack([x / z, y / z, np.ones_like(z)])
        column, row = np.rint(u).astype(int), np.rint(v).astype(int)
        inside = (column >= 0) & (row >= 0) & (column < camera.size[0]) & (row < camera.size[1])
        near, column, row = near[inside], column[inside], row[inside]
        self.shown[near] |= quads[row, column] == self.quad[near]

        measured = depth[row, column].astype(float)
        pixels = np.stack([column, row, np.ones_like(row)])
        rays = world_from_cam[:3, :3] @ np.linalg.inv(camera.K) @ pixels  # z = 1 in the camera
        found = world_from_cam[:3, 3:] + rays * measured
        normals = self._normals[:, near]
        cosine = -(normals * rays).sum(0) / np.linalg.norm(rays, axis=0)
        height = (normals * (found - self._points[:, near])).sum(0)
        good = (measured > 0) & (cosine > LEAST_COSINE)
        good &= np.abs(measured - z[inside]) < TRUNCATION
        weight = np.where(good, cosine / np.maximum(measured, 0.1) ** 2, 0)
        self._sum[near] += weight * height
        self._weight[near] += weight

    def mesh(self, scene: Scene, rng: np.random.Generator) -> Mesh:
        """What came of all frames."""
        surfaces, quad, place = scene.surfaces, self.quad, self.place
        known = self.shown & (self._weight > 0)
        faces = self.faces[known[self.faces].all(1)]
        used = np.zeros(len(quad), bool)
        used[faces] = True
        kept = np.flatnonzero(used)
        blocks = np.floor(self._points.T[kept] / BLOCK).astype(int)
        order = kept[np.lexsort((kept, blocks[:, 2], blocks[:, 1], blocks[:, 0]))]
        number = np.full(len(quad), -1)
        number[order] = np.arange(len(order))
        faces = number[faces]
        faces = faces[np.argsort(faces.min(1), kind="stable")].astype(np.int32)
        height = (self._sum[order] / self._weight[order])[:, None]
        vertices = self._points.T[order] + height * self._normals.T[order]
        quad, place = quad[order], place[order]
        segment = _segments(surfaces, quad, place)
        names = np.unique(segment)
        missed = np.isin(segment, names[rng.random(len(names)) < UNANNOTATED])
        colors = _colors(scene, quad, place, self.spacing)
        return Mesh(vertices, colors, faces, surfaces.thing[quad], segment, missed)


def face_grids(
    surfaces: Surfaces, spacing: float, skip: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grids on all faces: quad (n,), place (n, 2) metres from corner 0, triangles (m, 3)."""
    arms = surfaces.corners - surfaces.corners[:, :1]
    axes = np.stack([surfaces.right, surfaces.up], -1)
    flat = np.einsum("qkc,qcd->qkd", arms, axes)  # corners on their own face
    sides = np.linalg.norm(np.roll(flat, -1, 1) - flat, axis=2)
    pair = np.maximum(sides[:, :2], sides[:, 2:])
    steps = np.maximum(np.round(pair / spacing).astype(int), 1).tolist()
    inset = np.minimum(INSET / pair, SMALL_INSET)
    quads, places, triangles = [], [], []
    count = 0
    for quad in np.flatnonzero(~skip).tolist():
        grid, corners = _unit_grid(*steps[quad])
        s, t = (inset[quad] + grid * (1 - 2 * inset[quad])).T
        weights = np.stack([(1 - s) * (1 - t), s * (1 - t), s * t, (1 - s) * t], -1)
        places.append(weights @ flat[quad])
        quads.append(np.full(len(grid), quad))
        triangles.append(corners + count)
        count += len(grid)
    return np.concatenate(quads), np.concatenate(places), np.concatenate(triangles)


@lru_cache(maxsize=4096)
def _unit_grid(nu: int, nv: int) -> tuple[np.ndarray, np.ndarray]:
    """The unit square cut into nu x nv cells: vertices ((nu + 1) (nv + 1), 2), triangles
    (2 nu nv, 3)."""
    s, t = np.meshgrid(np.linspace(0, 1, nu + 1), np.linspace(0, 1, nv + 1))
    corner = (np.arange(nv)[:, None] * (nu + 1) + np.arange(nu)).ravel()
    right, up = corner + 1, corner + nu + 1
    lower, upper = np.stack([corner, right, up + 1], 1), np.stack([corner, up + 1, up], 1)
    return np.stack([s.ravel(), t.ravel()], 1), np.concatenate([lower, upper])


def _segments(surfaces: Surfaces, quad: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(n,) segment of every vertex: patches of large faces; small faces of a thing that look the
    same way together."""
    small = surfaces.size.prod(1) < SMALL_FACE
    axis = np.abs(surfaces.normal).argmax(1)
    way = 2 * axis + (np.take_along_axis(surfaces.normal, axis[:, None], 1)[:, 0] > 0)
    large = 6 * (surfaces.thing.max() + 1) + np.arange(len(surfaces))
    face = np.where(small, surfaces.thing * 6 + way, large)
    patch = np.floor(place / PATCH + 1e-9).astype(int)
    patch[small[quad]] = 0
    keys = np.stack([face[quad], patch[:, 0], patch[:, 1]], 1)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return first[inverse.ravel()]


def _colors(scene: Scene, quad: np.ndarray, place: np.ndarray, spacing: float) -> np.ndarray:
    """(n, 3) uint8 RGB of material and light, blurred to a quarter of the vertex spacing."""
    surfaces, columns = scene.surfaces, 1024  # cv2.remap wants images, no longer than 32,767
    padding = -len(quad) % columns
    quad = np.pad(quad, (0, padding), "edge").reshape(-1, columns)
    place = np.pad(place, ((0, padding), (0, 0)), "edge").reshape(*quad.shape, 2)
    turns = (place + surfaces.shift[quad]) / surfaces.repeat[quad]
    level = np.clip(np.log2(spacing / 4 / surfaces.texel[quad]), 0, LEVELS - 1).astype(int)
    tile = scene.atlas.place[surfaces.material[quad], level]
    x, y = tile_pixels(np.moveaxis(tile, -1, 0), turns[..., 0], turns[..., 1])
    color = cv2.remap(scene.atlas.image, x, y, cv2.INTER_LINEAR)
    table = light_table(surfaces, scene.light)[quad]
    spot = (table[..., :2] + place * table[..., 2:]).astype(np.float32)
    light = cv2.remap(scene.light.image, spot[..., 0], spot[..., 1], cv2.INTER_LINEAR)
    shaded = np.clip(np.round(color * light), 0, 255).astype(np.uint8)
    return shaded.reshape(-1, 3)[: quad.size - padding]
