"""Which vertices a frame sees, and where it shows them (SPEC 4).

How docs/spec.md was read where it leaves a choice, by section:
- 3.2 a depth that is an exact half of a millimetre may be rounded either way.
- 4 a rounding tie: within 0.001 depth pixels of one. A point near a tie, or near the border,
  whose answer is the same on both sides is not a tie: that answer is required.
- 4 within 0.1 mm of the depth: of a measured depth; with depth 0 a point is never visible.
- 4 z > 0 has no tolerance.
- 4 surface: the window is a square, cut off at the border of the depth image; a depth that differs
  by the tolerance, within 0.1 mm, is a tie.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spatial_engine.audit.raw.kept import kept
from spatial_engine.audit.raw.scene import RawScene

# SPEC 4: inside these, either answer about a vertex is right.
DEPTH_TIE_M = 1e-4
PIXEL_TIE = 1e-3


class Visible(NamedTuple):
    """Vertex indices seen by one frame, each (n,) int32 ascending.

    plain: by float64, no tolerance. must: every admissible computation sees them.
    ties: some admissible computation does and some does not. must <= plain <= must + ties.
    """

    plain: np.ndarray
    must: np.ndarray
    ties: np.ndarray


def project(scene: RawScene, frame_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Project every vertex into a frame: u, v (N,) colour pixels and z (N,) metres.

    u and v mean something only where z > 0; they may be inf or NaN where z is 0.
    """
    cam_from_world = scene.cam_from_world(frame_id)
    points_cam = scene.vertices_aligned @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    z = points_cam[:, 2]
    homogeneous = points_cam @ scene.colour_intrinsics.T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return homogeneous[:, 0] / z, homogeneous[:, 1] / z, z


@kept
def visible(scene: RawScene, frame_id: str) -> Visible:
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


def visible_points(scene: RawScene, frame_id: str) -> tuple[set[int], set[int]]:
    """(vertices that must be reported visible, vertices about which either answer is right)."""
    seen = visible(scene, frame_id)
    return set(seen.must.tolist()), set(seen.ties.tolist())


class SurfaceRule(NamedTuple):
    """When a vertex lies on the surface that a frame shows (section 4): pixels of the depth image
    to each side; metres; share of the depth."""

    window_px: int = 2
    tolerance_m: float = 0.05
    tolerance_share: float = 0.03


def surface_points(scene: RawScene, frame_id: str, rule: SurfaceRule) -> tuple[set[int], set[int]]:
    """(vertices that must be on the surface that a frame shows, vertices about which either answer
    is right). Looks at one vertex after another, and at each depth around it."""
    u, v, z = project(scene, frame_id)
    width, height = scene.colour_size
    low, high = (1e-3 * mm.astype(float) for mm in scene.depth_mm_bounds(frame_id))
    inside = (z > 0) & (u > -PIXEL_TIE) & (v > -PIXEL_TIE)
    inside &= (u < width + PIXEL_TIE) & (v < height + PIXEL_TIE)
    must, ties = set(), set()
    for number in np.flatnonzero(inside).tolist():
        is_tie = min(u[number], v[number], width - u[number], height - v[number]) < PIXEL_TIE
        answers = {
            _agrees(low, high, column, row, z[number], rule)
            for column, row in _pixels(u[number] / width, v[number] / height, low.shape)
        }
        if answers == {True} and not is_tie:
            must.add(number)
        elif answers != {False}:
            ties.add(number)
    return must, ties


def _pixels(right: float, down: float, shape: tuple[int, int]) -> set[tuple[int, int]]:
    """The pixels (column, row) of a depth image that a place, in shares of its size, may have."""
    places = (right * shape[1], down * shape[0])
    columns, rows = (
        {min(max(round(place + shift), 0), size - 1) for shift in (-PIXEL_TIE, 0, PIXEL_TIE)}
        for place, size in zip(places, (shape[1], shape[0]), strict=True)
    )
    return {(column, row) for column in columns for row in rows}


def _agrees(
    low: np.ndarray, high: np.ndarray, column: int, row: int, z: float, rule: SurfaceRule
) -> bool | None:
    """Whether all depths around a pixel agree with the depth z; None where rounding decides."""
    if high[row, column] == 0:
        return False
    reach = rule.window_px
    window = np.s_[
        max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1
    ]
    measured = high[window] > 0
    tolerance = max(rule.tolerance_m, rule.tolerance_share * z)
    nearest = np.minimum(np.abs(low[window] - z), np.abs(high[window] - z))[measured].max()
    farthest = np.maximum(np.abs(low[window] - z), np.abs(high[window] - z))[measured].max()
    if farthest <= tolerance - DEPTH_TIE_M:
        return True
    return False if nearest > tolerance + DEPTH_TIE_M else None


class SeenVertices(NamedTuple):
    """Vertices that a frame sees or may see (section 4 with its ties), in ascending order.

    index (n,) vertex numbers; pixels (n, 2) float u, v in the colour image; depth_mm (n,) float;
    thousandths (n, 2) float, 1000 u / W and 1000 v / H, not rounded.
    """

    index: np.ndarray
    pixels: np.ndarray
    depth_mm: np.ndarray
    thousandths: np.ndarray


def seen_vertices(scene: RawScene, frame_id: str) -> SeenVertices:
    """Every vertex that a question about this frame may be about."""
    must, ties = visible_points(scene, frame_id)
    index = np.array(sorted(must | ties), dtype=np.int64)
    u, v, z = project(scene, frame_id)
    pixels = np.stack([u[index], v[index]], axis=1)
    thousandths = 1000.0 * pixels / np.array(scene.colour_size, dtype=np.float64)
    return SeenVertices(index, pixels, 1000.0 * z[index], thousandths)
