"""The quads of a room as arrays, ready for ray casting and shading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatial_engine.errors import MissingInputError
from spatial_engine.sample_data.materials.atlas import GLOWING, NO_DEPTH, PATCHY_DEPTH, Atlas
from spatial_engine.sample_data.rooms.solids import Thing


@dataclass(frozen=True)
class Surfaces:
    """Q quads; index -1 never occurs. Lengths in metres, in the room's frame.

    corners (Q, 4, 3); right, up, normal (Q, 3) unit axes of each face, right and up in its plane;
    extent (Q, 4): least and greatest coordinate along right, then along up, from corner 0;
    thing (Q,): index of the thing; material (Q,); repeat (Q, 2): metres a tile covers;
    shift (Q, 2); glow, no_depth, patchy (Q,) bool; texel (Q,): metres of a level-0 texel.
    """

    corners: np.ndarray
    right: np.ndarray
    up: np.ndarray
    normal: np.ndarray
    extent: np.ndarray
    thing: np.ndarray
    material: np.ndarray
    repeat: np.ndarray
    shift: np.ndarray
    texel: np.ndarray
    glow: np.ndarray
    no_depth: np.ndarray
    patchy: np.ndarray

    def __len__(self) -> int:
        return len(self.corners)

    @property
    def size(self) -> np.ndarray:
        """(Q, 2) metres along right and up."""
        return self.extent[:, [1, 3]] - self.extent[:, [0, 2]]

    def points(self, quad: np.ndarray, place: np.ndarray, lift: float = 0.0) -> np.ndarray:
        """(n, 3) points at `place` (n, 2) metres from corner 0, `lift` metres above the face."""
        across = place[:, :1] * self.right[quad] + place[:, 1:] * self.up[quad]
        return self.corners[quad, 0] + across + lift * self.normal[quad]


def gather(things: Sequence[Thing], atlas: Atlas) -> Surfaces:
    """All quads of the things, in order."""
    quads = [quad for thing in things for quad in thing.quads]
    corners = np.array([quad.corners for quad in quads])
    right = corners[:, 1] - corners[:, 0]
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    normal = np.cross(right, corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    up = np.cross(normal, right)
    arms = corners - corners[:, :1]
    along = np.einsum("qkc,qc->qk", arms, right)
    above = np.einsum("qkc,qc->qk", arms, up)
    extent = np.stack([along.min(1), along.max(1), above.min(1), above.max(1)], 1)
    material = np.array([atlas.index(quad.material) for quad in quads])
    kinds = [quad.material.partition(":")[0] for quad in quads]
    repeat = atlas.tile_size[material]
    stretched = repeat[:, 0] == 0
    size = np.stack([extent[:, 1] - extent[:, 0], extent[:, 3] - extent[:, 2]], 1)
    # a hair more than the face, so that rounding at its edge does not wrap to the other side
    repeat = np.where(stretched[:, None], size * 1.0005, repeat)
    shift = np.array([quad.shift for quad in quads])
    origin = -extent[:, [0, 2]]
    return Surfaces(
        corners=corners,
        right=right,
        up=up,
        normal=normal,
        extent=extent,
        thing=np.repeat(np.arange(len(things)), [len(thing.quads) for thing in things]),
        material=material,
        repeat=repeat,
        shift=np.where(stretched[:, None], origin + 0.0002 * size, shift),
        texel=(repeat / atlas.place[material, 0, 2:4]).max(1),
        glow=np.isin(kinds, GLOWING),
        no_depth=np.isin(kinds, NO_DEPTH),
        patchy=np.isin(kinds, PATCHY_DEPTH),
    )


class RayCaster:
    """First hits of rays on quads, by embree.

    Embree works in float32 and is asked for the index only; distances are computed exactly.
    """

    def __init__(self, surfaces: Surfaces):
        try:  # here, so that what needs no rays works where embreex has no build
            from embreex.mesh_construction import TriangleMesh
            from embreex.rtcore_scene import EmbreeScene
        except ImportError as error:
            raise MissingInputError(
                f"the sample rooms are ray-cast by embreex, which cannot be imported ({error}); "
                "pip install embreex (there is no build for Linux on ARM)"
            ) from None
        self._surfaces = surfaces
        triangles = surfaces.corners[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3, 3).astype(np.float32)
        self._scene = EmbreeScene()
        self._mesh = TriangleMesh(self._scene, triangles)

    def quads(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """(n,) index of the quad that each ray meets first, -1 for none."""
        starts = np.ascontiguousarray(origins, np.float32)
        triangle = self._scene.run(starts, np.ascontiguousarray(directions, np.float32))
        return triangle >> 1  # two triangles a quad; -1 stays -1

    def hits(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) index of the first quad (-1 for none), and the distance to it in lengths of the
        direction, inf for none."""
        quad = self.quads(origins, directions)
        normal = self._surfaces.normal[quad]
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = np.einsum("nc,nc->n", self._surfaces.corners[quad, 0] - origins, normal)
            distance = gap / np.einsum("nc,nc->n", directions, normal)
        return quad, np.where(quad < 0, np.inf, distance)
