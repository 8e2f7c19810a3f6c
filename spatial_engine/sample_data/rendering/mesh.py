"""The reconstructed mesh of a room, its segments, and which thing each vertex belongs to.

A grid of vertices on every face, kept where the scanner could see it, noisy by a few millimetres,
in the block-wise order of marching cubes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from spatial_engine.sample_data.materials.atlas import LEVELS, tile_pixels
from spatial_engine.sample_data.rendering.lighting import light_table
from spatial_engine.sample_data.rendering.render import Scene
from spatial_engine.sample_data.rendering.surfaces import Surfaces

# Fused surfaces lie a little before the measured ones (the test "nearer than the depth" of SPEC 4
# would else turn on noise alone).
BIAS, NOISE = 0.005, 0.0012  # metres
BLOCK = 0.25  # metres; vertices of a block stand together
PATCH = 0.8  # metres; large faces are cut into segments of this size
SMALL_FACE = 0.15  # square metres; smaller faces of a thing share segments
# Vertices keep off the edges of their face, by metres or this share of a small face: exactly on an
# outline they would project beside their thing as often as on it.
INSET, SMALL_INSET = 0.012, 0.2
MAX_RANGE = 5.0  # metres from which a surface is still reconstructed
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


def reconstruct(
    scene: Scene,
    scan_positions: np.ndarray,
    spacing: float,
    skip: np.ndarray,
    rng: np.random.Generator,
) -> Mesh:
    """Mesh of what is seen from `scan_positions` (k, 3), vertices about `spacing` metres apart.

    `skip` (Q,) bool names faces that are not reconstructed (glass, a ceiling nobody scanned).
    """
    surfaces = scene.surfaces
    quad, place, faces = _grids(surfaces, spacing, skip)
    seen = _seen(scene, surfaces.points(quad, place, lift=0.006), scan_positions)
    faces = faces[seen[faces].all(1)]
    used = np.zeros(len(quad), bool)
    used[faces] = True
    kept = np.flatnonzero(used)
    blocks = np.floor(surfaces.points(quad[kept], place[kept]) / BLOCK).astype(int)
    order = kept[np.lexsort((kept, blocks[:, 2], blocks[:, 1], blocks[:, 0]))]
    number = np.full(len(quad), -1)
    number[order] = np.arange(len(order))
    faces = number[faces]
    faces = faces[np.argsort(faces.min(1), kind="stable")].astype(np.int32)
    quad, place = quad[order], place[order]
    height = rng.normal(BIAS, NOISE, (len(quad), 1)) * surfaces.normal[quad]
    vertices = surfaces.points(quad, place) + height + rng.normal(0, NOISE, (len(quad), 3)) / 2
    segment = _segments(surfaces, quad, place)
    names = np.unique(segment)
    missed = np.isin(segment, names[rng.random(len(names)) < UNANNOTATED])
    colors = _colors(scene, quad, place, spacing)
    return Mesh(vertices, colors, faces, surfaces.thing[quad], segment, missed)


def _grids(
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


def _seen(scene: Scene, points: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(n,) bool: whether a point is in plain view of any of the positions."""
    seen = np.zeros(len(points), bool)
    for position in positions:
        open_points = np.flatnonzero(~seen)
        ray = position - points[open_points]
        distance = np.linalg.norm(ray, axis=1)
        near = distance < MAX_RANGE
        _, free = scene.caster.hits(points[open_points[near]], ray[near])
        seen[open_points[near]] = free > 1
    return seen


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
