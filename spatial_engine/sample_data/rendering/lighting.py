"""Soft light, baked once a room: openness of each surface, ceiling lamps, daylight of the windows.

Each quad carries a small grid of light; pixels and mesh vertices read it by interpolation. Contact
shadows under furniture are what makes near and far readable in a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spatial_engine.sample_data.rendering.surfaces import RayCaster, Surfaces

SPACING = 0.09  # metres between light samples
MAX_NODES = 72  # samples along one side of a face
SKY_RAYS = 20  # rays for openness
REACH = 0.8  # metres; what is nearer than this shades
GLOW = 1.5  # openness towards a lampshade or a window
AMBIENT = np.array([0.62, 0.61, 0.60])
LAMP = np.array([0.55, 0.52, 0.46])
DAYLIGHT = np.array([0.75, 0.80, 0.88])
LIFT = 0.006  # metres that ray origins stand off the surface
ATLAS_WIDTH = 2048


@dataclass(frozen=True)
class Light:
    """image (h, w, 3) float32: factors on the colour. `place[q]` = x, y of the quad's first node
    and nodes along right and up, minus one."""

    image: np.ndarray
    place: np.ndarray


@dataclass(frozen=True)
class _Probes:
    """Where light is measured: points (n, 3) a little above their faces, face normals (n, 3)."""

    points: np.ndarray
    normals: np.ndarray
    caster: RayCaster
    glow: np.ndarray

    def openness(self, rng: np.random.Generator) -> np.ndarray:
        """(n,) about 0..1: how far, on average, one can look from a point."""
        total = np.zeros(len(self.points))
        for _ in range(SKY_RAYS):
            ball = rng.standard_normal((len(self.points), 3))
            ball /= np.linalg.norm(ball, axis=1, keepdims=True)
            direction = self.normals + 0.98 * ball  # cosine-weighted around the normal
            direction /= np.linalg.norm(direction, axis=1, keepdims=True)
            quad, distance = self.caster.hits(self.points, direction)
            total += np.where(self.glow[quad], GLOW, np.minimum(distance / REACH, 1))
        return total / SKY_RAYS

    def received(self, lights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of one light position (n, 3) for each point: cosine at the point (0 where hidden),
        distance, unit direction to the light. Lampshades do not hide anything."""
        away = lights - self.points
        distance = np.linalg.norm(away, axis=1)
        direction = away / distance[:, None]
        cosine = np.maximum(np.einsum("nc,nc->n", direction, self.normals), 0)
        facing = np.flatnonzero(cosine > 0)
        quad, free = self.caster.hits(self.points[facing], direction[facing])
        seen = (free > distance[facing] - 0.02) | self.glow[quad]
        lit = np.zeros(len(self.points))
        lit[facing] = cosine[facing] * seen
        return lit, distance, direction


@dataclass(frozen=True)
class Grid:
    """Where light is measured: the nodes of a small grid on each of C faces, n in all.

    quads (C,): indices of the faces; nodes (C, 2): nodes along right and up of each; place (C, 2):
    x, y of its first node in an image of `shape`; number (n,): which of the C faces a node lies
    on; column, row (n,): its place in the face's grid.
    """

    quads: np.ndarray
    nodes: np.ndarray
    place: np.ndarray
    shape: tuple[int, int]
    number: np.ndarray
    column: np.ndarray
    row: np.ndarray

    @classmethod
    def of(cls, surfaces: Surfaces, quads: np.ndarray) -> Grid:
        """The grid of the faces `quads` (C,)."""
        nodes = np.clip(np.ceil(surfaces.size[quads] / SPACING).astype(int) + 1, 2, MAX_NODES)
        place, shape = _shelves(nodes)
        number = np.repeat(np.arange(len(quads)), nodes.prod(1))
        return cls(quads, nodes, place, shape, number, *_grid_indices(nodes))

    def pixels(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns (n,) of all nodes in the light image."""
        corner = self.place[self.number]
        return corner[:, 1] + self.row, corner[:, 0] + self.column


def bake(
    surfaces: Surfaces,
    caster: RayCaster,
    lamps: Sequence[tuple[float, float]],
    height: float,
    rng: np.random.Generator,
    quads: np.ndarray | None = None,
) -> Light:
    """Light of all quads; `lamps` are (x, y) of discs under the ceiling at `height` metres.

    With `quads` (C,), of these faces only: `place` then has C rows.
    """
    grid = Grid.of(surfaces, np.arange(len(surfaces)) if quads is None else quads)
    quad = grid.quads[grid.number]
    probes = _Probes(node_points(surfaces, grid), surfaces.normal[quad], caster, surfaces.glow)
    value = AMBIENT * probes.openness(rng)[:, None]
    for center in lamps:
        value += LAMP * _lamp(probes, (*center, height - 0.12), rng)[:, None]
    for window in np.flatnonzero(surfaces.no_depth):
        value += DAYLIGHT * _daylight(probes, surfaces, window, rng)[:, None]
    value = 1.5 * value / (1 + 0.5 * value)  # a shoulder: bright places keep their colour
    value[surfaces.glow[quad]] = 1.08
    image = np.ones((*grid.shape, 3), np.float32)
    image[grid.pixels()] = value
    for (x, y), (across, above) in zip(grid.place, grid.nodes, strict=True):
        tile = image[y : y + above, x : x + across]
        tile[:] = cv2.GaussianBlur(tile, (3, 3), 0.8, borderType=cv2.BORDER_REPLICATE)
    return Light(image, np.concatenate([grid.place, grid.nodes - 1], 1).astype(np.float32))


def light_table(surfaces: Surfaces, light: Light) -> np.ndarray:
    """(Q, 4) x, y of corner 0 in the light image, then pixels a metre along right and up."""
    scale = light.place[:, 2:] / surfaces.size
    start = light.place[:, :2] - surfaces.extent[:, [0, 2]] * scale
    return np.concatenate([start, scale], 1)


def _shelves(nodes: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Places (Q, 2) of the quads' grids in one image, and its shape."""
    place = np.zeros((len(nodes), 2), int)
    x = y = shelf = 0
    for number in np.lexsort((np.arange(len(nodes)), -nodes[:, 1])):
        width, height = nodes[number]
        if x + width > ATLAS_WIDTH:
            x, y, shelf = 0, y + shelf, 0
        place[number] = x, y
        x, shelf = x + width, max(shelf, height)
    return place, (int(y + shelf), ATLAS_WIDTH)


def _grid_indices(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of every node of every quad, in the order of the quads."""
    pairs = [np.divmod(np.arange(across * above), across) for across, above in nodes]
    return np.concatenate([p[1] for p in pairs]), np.concatenate([p[0] for p in pairs])


def node_points(surfaces: Surfaces, grid: Grid) -> np.ndarray:
    """Nodes (n, 3) a little above their face, and a little in from its edges: exactly at an edge
    a neighbouring face would seem to cover them."""
    low, high = surfaces.extent[grid.quads][:, [0, 2]], surfaces.extent[grid.quads][:, [1, 3]]
    inset = np.minimum(0.02, 0.2 * (high - low))
    number = grid.number
    step = np.stack([grid.column, grid.row], 1) / (grid.nodes[number] - 1)
    place = np.clip(
        low[number] + step * (high - low)[number], (low + inset)[number], (high - inset)[number]
    )
    return surfaces.points(grid.quads[number], place, lift=LIFT)


def _lamp(
    probes: _Probes,
    center: tuple[float, float, float],
    rng: np.random.Generator,
    samples: int = 5,
) -> np.ndarray:
    """(n,) light of a disc under the ceiling, 0.4 m wide, so that shadows are soft."""
    total = np.zeros(len(probes.points))
    for _ in range(samples):
        lights = np.array(center) + rng.uniform(-0.22, 0.22, (len(total), 3)) * (1, 1, 0)
        lit, distance, _ = probes.received(lights)
        total += lit * 4.0 / (2.0 + distance**2)
    return total / samples


def _daylight(
    probes: _Probes,
    surfaces: Surfaces,
    window: int,
    rng: np.random.Generator,
    samples: int = 6,
) -> np.ndarray:
    """(n,) light that comes in through the window's glass (a quad)."""
    low, size = surfaces.extent[window, [0, 2]], surfaces.size[window]
    total = np.zeros(len(probes.points))
    for _ in range(samples):
        place = rng.uniform(0.12, 0.88, (len(total), 2)) * size + low
        lights = surfaces.points(np.full(len(total), window), place, lift=0.06)
        lit, distance, direction = probes.received(lights)
        outgoing = np.maximum(-direction @ surfaces.normal[window], 0)
        total += lit * outgoing * float(np.prod(size)) / (0.5 + distance**2)
    return 0.55 * total / samples
