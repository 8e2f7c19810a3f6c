"""Which vertices a frame sees, and where it shows them (SPEC 4).

How docs/spec.md was read where it leaves a choice, by section:
- 3.2 a depth that is an exact half of a millimetre may be rounded either way.
- 4 a rounding tie: within 0.001 depth pixels of one. A point near a tie, or near the border,
  whose answer is the same on both sides is not a tie: that answer is required.
- 4 within 0.1 mm of the depth: of a measured depth; with depth 0 a point is never visible.
- 4 z > 0 has no tolerance.
- 4 surface: the window is a square, cut off at the border of the depth image; a depth that differs
  by the tolerance, within 0.1 mm, is a tie; a depth that rounds to 0 or to 1 mm is measured.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spatial_engine.audit.raw.ids import SCANNET
from spatial_engine.audit.raw.kept import kept
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.constants import number, read_provenance

# SPEC 4: inside these, either answer about a vertex is right.
DEPTH_TIE_M = 1e-4
PIXEL_TIE = 1e-3
SURFACE_CONSTANTS = ("SURFACE_WINDOW_PX", "DEPTH_TOLERANCE_M", "DEPTH_TOLERANCE_SHARE")


class Seen(NamedTuple):
    """Vertex indices, each (n,) int32 ascending. must: every admissible computation has them.
    ties: some admissible computation does and some does not."""

    must: np.ndarray
    ties: np.ndarray


class Visible(NamedTuple):
    """Vertex indices seen by one frame by the published rule, each (n,) int32 ascending.

    plain: by float64, no tolerance. must: every admissible computation sees them.
    ties: some admissible computation does and some does not. must <= plain <= must + ties.
    """

    plain: np.ndarray
    must: np.ndarray
    ties: np.ndarray


def project(scene: PosedScene, frame_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Project every vertex into a frame: u, v (N,) colour pixels and z (N,) metres."""
    return project_points(scene, frame_id, scene.vertices_aligned)


def project_points(
    scene: PosedScene, frame_id: str, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Project points (n, 3) of the aligned world into a frame: u, v (n,) colour pixels and z (n,)
    metres. u and v mean something only where z > 0; they may be inf or NaN where z is 0.
    """
    cam_from_world = scene.cam_from_world(frame_id)
    points_cam = points @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    z = points_cam[:, 2]
    homogeneous = points_cam @ scene.camera_K(frame_id).T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return homogeneous[:, 0] / z, homogeneous[:, 1] / z, z


@kept
def visible(scene: PosedScene, frame_id: str) -> Visible:
    """SPEC 4 for every vertex and one frame; kept by the scene, a few 100 kB a frame."""
    u, v, z = project(scene, frame_id)
    width, height = scene.colour_size
    depth_width, depth_height = scene.depth_size

    depth = scene.depth_mm(frame_id) / 1000.0
    depth_low, depth_high = (mm / 1000.0 for mm in scene.depth_mm_bounds(frame_id))

    # Work only on what could be inside: elsewhere u and v may be inf, which has no pixel.
    e = PIXEL_TIE
    near = (z > 0) & (u >= -e) & (u <= width + e) & (v >= -e) & (v <= height + e)
    index = np.flatnonzero(near)
    u, v, z = u[index], v[index], z[index]
    x, y = u * depth_width / width, v * depth_height / height

    def look_up(image: np.ndarray, shift_x: float, shift_y: float) -> np.ndarray:
        column = np.clip(np.rint(x + shift_x), 0, depth_width - 1).astype(np.int64)
        row = np.clip(np.rint(y + shift_y), 0, depth_height - 1).astype(np.int64)
        return image[row, column]

    plain = (u >= 0) & (u < width) & (v >= 0) & (v < height) & (z < look_up(depth, 0, 0))
    must = (u > e) & (u < width - e) & (v > e) & (v < height - e)
    may = np.zeros(len(index), dtype=bool)
    for shift_x in (-e, 0, e):
        for shift_y in (-e, 0, e):
            must &= look_up(depth_low, shift_x, shift_y) - z > DEPTH_TIE_M
            high = look_up(depth_high, shift_x, shift_y)
            may |= (high > 0) & (z - high <= DEPTH_TIE_M)
    index = index.astype(np.int32)
    return Visible(plain=index[plain], must=index[must], ties=index[may & ~must])


def visible_points(scene: PosedScene, frame_id: str) -> tuple[set[int], set[int]]:
    """(vertices that must be reported visible, vertices about which either answer is right)."""
    seen = visible(scene, frame_id)
    return set(seen.must.tolist()), set(seen.ties.tolist())


class SurfaceRule(NamedTuple):
    """When a vertex lies on the surface that a frame shows (section 4): pixels of the depth image
    to each side; metres; share of the depth."""

    window_px: int = 2
    tolerance_m: float = 0.05
    tolerance_share: float = 0.03


@kept
def on_surface(scene: PosedScene, frame_id: str, rule: SurfaceRule) -> Seen:
    """SPEC 4, surface, for every vertex and one frame: each pixel of its window is looked up."""
    must, may = surface_answers(scene, frame_id, scene.vertices_aligned, rule)
    must, ties = (np.flatnonzero(some).astype(np.int32) for some in (must, may & ~must))
    return Seen(must, ties)


def surface_answers(
    scene: PosedScene, frame_id: str, points: np.ndarray, rule: SurfaceRule
) -> tuple[np.ndarray, np.ndarray]:
    """Which points (n, 3) of the aligned world lie on the surface that a frame shows, (n,) bool:
    by every admissible computation, and by some."""
    u, v, z = project_points(scene, frame_id, points)
    width, height = scene.colour_size
    low, high = (mm / 1000.0 for mm in scene.depth_mm_bounds(frame_id))
    e = PIXEL_TIE
    index = np.flatnonzero((z > 0) & (u >= -e) & (u <= width + e) & (v >= -e) & (v <= height + e))
    u, v, z = u[index], v[index], z[index]
    x, y = u * low.shape[1] / width, v * low.shape[0] / height
    tolerance = np.maximum(rule.tolerance_m, rule.tolerance_share * z)

    must = (u > e) & (u < width - e) & (v > e) & (v < height - e)
    may = np.zeros(len(index), dtype=bool)
    for shift_x, shift_y in product((-e, 0, e), repeat=2):
        column = np.clip(np.rint(x + shift_x), 0, low.shape[1] - 1).astype(np.int64)
        row = np.clip(np.rint(y + shift_y), 0, low.shape[0] - 1).astype(np.int64)
        least, most = np.zeros(len(index)), np.zeros(len(index))  # greatest difference of depth
        for down, right in product(range(-rule.window_px, rule.window_px + 1), repeat=2):
            there = (row + down, column + right)
            inside = (there[0] >= 0) & (there[0] < low.shape[0])
            inside &= (there[1] >= 0) & (there[1] < low.shape[1])
            there = tuple(np.where(inside, one, 0) for one in there)
            differences = np.abs(low[there] - z), np.abs(high[there] - z)
            least = np.maximum(least, np.where(inside, np.minimum(*differences), 0))
            most = np.maximum(most, np.where(inside, np.maximum(*differences), 0))
            least[inside & (high[there] == 0)] = np.inf
            most[inside & (high[there] == 0)] = np.inf
        must &= most <= tolerance - DEPTH_TIE_M
        may |= least <= tolerance + DEPTH_TIE_M
    return _spread(index[must], len(points)), _spread(index[may | must], len(points))


def _spread(index: np.ndarray, length: int) -> np.ndarray:
    """(length,) bool, True at the index."""
    whole = np.zeros(length, dtype=bool)
    whole[index] = True
    return whole


def seen(scene: PosedScene, frame_id: str, rule: SurfaceRule | None) -> Seen:
    """What a frame sees: the surface that it shows, without a rule by the published one."""
    if rule:
        return on_surface(scene, frame_id, rule)
    found = visible(scene, frame_id)
    return Seen(found.must, found.ties)


def visibility_table(root: Path, split: str, dataset: str = SCANNET) -> Path:
    """Where the visibility table of a split is."""
    name = "scannet_instance_data" if dataset == SCANNET else "instance_data"
    step = 5 if dataset == SCANNET else 1
    return root / "data" / dataset / name / f"{split}_visibility_info_D{step}.parquet"


def seen_rule(
    constants: dict[str, Any], root: Path, split: str, dataset: str = SCANNET
) -> SurfaceRule | None:
    """By which rule frames see vertices: of the surface that they show, with the constants of the
    visibility table; None for the published rule."""
    if constants.get("SEEN_RULE", "surface") == "published":
        return None
    table = read_provenance(visibility_table(root, split, dataset)).get("settings")
    table, usual = table if isinstance(table, dict) else {}, SurfaceRule()
    window, *tolerances = (
        number(table, name, value) for name, value in zip(SURFACE_CONSTANTS, usual, strict=True)
    )
    return SurfaceRule(int(window), *tolerances)


class SeenVertices(NamedTuple):
    """Vertices that a frame sees or may see (section 4 with its ties), in ascending order.

    index (n,) vertex numbers; pixels (n, 2) float u, v in the colour image; depth_mm (n,) float;
    thousandths (n, 2) float, 1000 u / W and 1000 v / H, not rounded.
    """

    index: np.ndarray
    pixels: np.ndarray
    depth_mm: np.ndarray
    thousandths: np.ndarray


def seen_vertices(scene: PosedScene, frame_id: str, rule: SurfaceRule | None) -> SeenVertices:
    """Every vertex that a question about this frame may be about, by the rule of `seen`."""
    index = np.sort(np.concatenate(seen(scene, frame_id, rule))).astype(np.int64)
    u, v, z = project_points(scene, frame_id, scene.vertices_aligned[index])
    pixels = np.stack([u, v], axis=1)
    thousandths = 1000.0 * pixels / np.array(scene.colour_size, dtype=np.float64)
    return SeenVertices(index, pixels, 1000.0 * z, thousandths)
