"""How a capture becomes a prepared scene: which frames, which way up, which scale, how turned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.cameras import MM_PER_METRE
from spatial_engine.utils.preparation import up_axis
from spatial_engine.utils.preparation.capture import AnnotatedMesh, Capture
from spatial_engine.utils.preparation.images import upright
from spatial_engine.utils.preparation.scale_fit import metres_per_unit

LEAST_FRAMES = 10  # of a scene: fewer have hardly any pairs to ask about
SKIES = ("Up", "Left", "Down", "Right")  # where the sky was, by the clockwise turns made
UP_FRAMES, UP_STEP = 24, 8  # looked at to find what is level; every 8th pixel of their depth
LAST_MM = 65_535


@dataclass(frozen=True)
class Wanted:
    """What the user asks of a preparation.

    up: a name of `up_axis.UPS`, None = as the source tells, else found; metres_per_unit: of poses
    without a scale; part: from which to which share of the frames, for captures split by time.
    """

    frame_skip: int
    up: str | None = None
    metres_per_unit: float | None = None
    keep_orientation: bool = False
    part: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Plan:
    """A capture thinned, turned and in the prepared world (metres, z up).

    world: (4, 4) prepared_world_from_source_world, a rotation times `metres_per_unit`.
    """

    capture: Capture
    world: np.ndarray
    up: np.ndarray
    metres_per_unit: float
    turns: int

    def told(self) -> dict[str, Any]:
        """What `sources.json` says of it."""
        return {
            "numbers": self.capture.numbers.tolist(),
            "up": self.up.tolist(),
            "metres_per_unit": self.metres_per_unit,
            "turned": SKIES[self.turns],
            "world": self.world.tolist(),
        }


def make_plan(capture: Capture, wanted: Wanted, name: str) -> Plan:
    """Decide all about a scene called `name`. Raises `BadDataError`: too few frames, no scale, no
    up."""
    scale = wanted.metres_per_unit or 1.0
    if not capture.metric and wanted.metres_per_unit is None:
        found = metres_per_unit(capture)
        fit = f" (depth fits with {found:.4g})" if found else ""
        raise BadDataError(
            f"{name}: its poses have no scale in metres; measure a length in the scene, and give "
            f"--metres-per-unit, the metres that one unit of the poses is{fit}"
        )
    kept = _thinned(capture, wanted)
    if len(kept.numbers) < LEAST_FRAMES:
        raise BadDataError(
            f"{name}: {len(kept.numbers)} frames with colour, depth and pose are left "
            f"({len(capture.numbers)} before FRAME_SKIP), at least {LEAST_FRAMES} are needed; "
            "give a smaller --frame-skip, or a longer capture"
        )
    up = up_axis.UPS[wanted.up] if wanted.up else capture.up
    if up is None:
        scaled = _in_world(kept, np.diag([scale, scale, scale, 1.0]))
        up = up_axis.up_of(scaled.poses, _some_points(scaled), name)
    up = np.asarray(up, np.float64)
    world = np.eye(4)
    world[:3, :3] = scale * up_axis.rotation_to_z_up(up)
    turns = 0
    if kept.may_be_turned and not wanted.keep_orientation:
        turns = upright.turns_to_upright(kept.poses, up)
    return Plan(upright.turn_capture(_in_world(kept, world), turns), world, up, scale, turns)


def _thinned(capture: Capture, wanted: Wanted) -> Capture:
    """Every n-th of the frames that can be used, of the part of the time that is wanted."""
    first, last = (round(share * len(capture.numbers)) for share in wanted.part)
    chosen = np.zeros(len(capture.numbers), bool)
    chosen[first : last : wanted.frame_skip] = True
    return _with_frames(capture, chosen)


def _with_frames(capture: Capture, chosen: np.ndarray) -> Capture:
    return replace(
        capture,
        numbers=capture.numbers[chosen],
        poses=capture.poses[chosen],
        intrinsics=capture.intrinsics[chosen],
    )


def _in_world(capture: Capture, world: np.ndarray) -> Capture:
    """Poses after a change of world (4, 4), a rotation and a scale: they stay rigid. The mesh, if
    there is one, stays as it is read (`moved`)."""
    scale = np.cbrt(np.linalg.det(world[:3, :3]))
    poses = world @ capture.poses
    poses[:, :3, :3] /= scale
    return replace(capture, poses=poses)


def moved(mesh: AnnotatedMesh, world: np.ndarray) -> AnnotatedMesh:
    """A mesh after a change of world (4, 4)."""
    points = mesh.points.copy()
    points[:, :3] = points[:, :3] @ world[:3, :3].T + world[:3, 3]
    return replace(mesh, points=points)


def _some_points(capture: Capture) -> np.ndarray:
    """(n, 3) points that some of the frames measure, in the world of the poses."""
    return np.concatenate([np.empty((0, 3)), *_points_of_frames(capture)])


def _points_of_frames(capture: Capture) -> Iterator[np.ndarray]:
    step = -(-len(capture.numbers) // UP_FRAMES)
    places = range(0, len(capture.numbers), step)
    depths = capture.depth_images(capture.numbers[::step].tolist())
    for k, depth_mm in zip(places, depths, strict=True):
        height, width = depth_mm.shape
        scale = np.diag([width / capture.color_size[0], height / capture.color_size[1], 1.0])
        some = depth_mm[::UP_STEP, ::UP_STEP]
        v, u = (UP_STEP * axis for axis in np.nonzero((some > 0) & (some < LAST_MM)))
        pixels = np.column_stack([u, v, np.ones(len(u))])
        rays = pixels @ np.linalg.inv(scale @ capture.intrinsics[k]).T
        cam = rays * (depth_mm[v, u] / MM_PER_METRE)[:, None]
        yield cam @ capture.poses[k, :3, :3].T + capture.poses[k, :3, 3]
