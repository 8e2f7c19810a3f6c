"""The pictures of a clip: the room as in the sample scenes, bodies lit and casting soft shadows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from spatial_engine.sample_data.rendering import render
from spatial_engine.sample_data.rendering.lighting import REACH, Grid, Light, bake, node_points
from spatial_engine.sample_data.rendering.sensor import NoiseBank, photograph
from spatial_engine.sample_data.rendering.surfaces import RayCaster, Surfaces
from spatial_engine.sample_data.scannet.frames import encode_jpeg
from spatial_engine.sample_data.tapvid3d.clip_stage import Stage, part

SKY_RAYS = 12  # rays from a place in the room towards the bodies around it
LAMP_RAYS = 4
NEIGHBOURHOOD = 1.0  # metres around a body in which it casts a shadow
SKY_SHADE = 0.9  # share of the light that a body all around a place takes away
LAMP_SHADE = 0.45
EXPOSURE = 0.03  # least and greatest change of brightness from frame to frame


@dataclass(frozen=True)
class ShadowNodes:
    """Light nodes of the room: points and normals (n, 3), rows and columns in the light image;
    sky (SKY_RAYS, n, 3) and lamp (LAMP_RAYS, L, n, 3): directions and targets of their rays;
    tree: of the points."""

    points: np.ndarray
    normals: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    sky: np.ndarray
    lamp: np.ndarray
    tree: cKDTree

    @classmethod
    def of(cls, stage: Stage) -> ShadowNodes:
        surfaces, layout = stage.room.surfaces, stage.room.layout
        grid = Grid.of(surfaces, np.arange(len(surfaces)))
        points = node_points(surfaces, grid)
        normals = surfaces.normal[grid.quads[grid.number]]
        rng = stage.spec.generator("shadows")
        ball = rng.standard_normal((SKY_RAYS, *points.shape), np.float32)
        ball /= np.linalg.norm(ball, axis=-1, keepdims=True)
        lamps = np.array([(*lamp, layout.height - 0.12) for lamp in layout.lamps])
        jitter = rng.uniform(-0.22, 0.22, (LAMP_RAYS, len(lamps), len(points), 3)) * (1, 1, 0)
        lamp = (lamps[:, None] + jitter).astype(np.float32)
        return cls(points, normals, *grid.pixels(), normals + 0.98 * ball, lamp, cKDTree(points))

    def shade(self, bodies: Surfaces, middles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (m,) of the nodes that the bodies, around `middles` (B, 3), may darken, and the
        factor (m,) on the light of each."""
        near = np.unique(np.concatenate(self.tree.query_ball_point(middles, NEIGHBOURHOOD)))
        near = near.astype(int)
        points, normals = self.points[near], self.normals[near]
        caster = RayCaster(bodies)
        sky = np.zeros(len(near))
        for direction in self.sky[:, near]:
            hit = caster.quads(points, direction) >= 0
            _, distance = caster.hits(points[hit], direction[hit])
            distance *= np.linalg.norm(direction[hit], axis=1)
            sky[hit] += np.maximum(1 - distance / REACH, 0) / SKY_RAYS
        dark = np.zeros(len(near))
        for target in self.lamp[:, :, near].reshape(-1, len(near), 3):
            towards = target - points  # lamps hang above everything that moves
            facing = np.einsum("nc,nc->n", towards, normals) > 0
            dark += facing & (caster.quads(points, towards) >= 0)
        dark /= LAMP_RAYS * self.lamp.shape[1]
        return near, (1 - SKY_SHADE * sky) * (1 - LAMP_SHADE * dark)


@lru_cache(maxsize=2)
def _noise(seed: int) -> NoiseBank:
    return NoiseBank.of(np.random.default_rng([seed, 2]))


def frame_light(stage: Stage, nodes: ShadowNodes, surfaces: Surfaces, caster: RayCaster) -> Light:
    """Light of all faces at a frame: the room's with the bodies' shadows, the bodies' own."""
    layout, base = stage.room.layout, stage.room.light
    bodies = part(surfaces, stage.moving)
    owner = stage.owner[stage.moving]
    middles = np.stack([bodies.corners[owner == b].mean((0, 1)) for b in range(owner[-1] + 1)])
    near, factor = nodes.shade(bodies, middles)
    room = base.image.copy()
    room[nodes.rows[near], nodes.columns[near]] *= factor[:, None].astype(np.float32)
    rng = stage.spec.generator("body light")  # the same rays in each frame: no flicker
    index = np.arange(len(surfaces))[stage.moving]
    own = bake(surfaces, caster, layout.lamps, layout.height, rng, index)
    below = own.place + np.array([0, len(room), 0, 0], np.float32)
    return Light(np.concatenate([room, own.image]), np.concatenate([base.place, below]))


def pictures(stage: Stage) -> Iterator[bytes]:
    """JPEGs of frames 0, k, 2k, ... with k = `picture_repeat`, one at a time."""
    spec, camera = stage.spec, stage.spec.camera()
    rays, nodes, bank = camera.rays(), ShadowNodes.of(stage), _noise(spec.seed)
    for frame in range(0, spec.num_frames, spec.picture_repeat):
        surfaces = stage.surfaces(frame)
        caster = RayCaster(surfaces)
        light = frame_light(stage, nodes, surfaces, caster)
        scene = render.Scene(surfaces, caster, stage.room.atlas, light)
        room_from_cam = stage.room_from_cam[frame]
        quads = render.first_quads(scene, rays, room_from_cam)
        image = render.color_image(scene, camera, room_from_cam, quads)
        rng = spec.generator("frame", frame)
        gain = rng.uniform(1 - EXPOSURE, 1 + EXPOSURE)
        yield encode_jpeg(photograph(image, gain, bank, rng))
