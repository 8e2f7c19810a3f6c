"""Which mesh vertices a frame sees (SPEC 4), by the published rule and as the surface that it
shows, and how much two frames see in common. Pure.

Cost: a frame looks at a tenth of a room, so vertices are kept in small blocks of neighbours and
whole blocks outside the view are dropped by their bounding sphere before a vertex is touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatial_engine.utils.geometry.cameras import MM_PER_METRE, projection_matrix

BLOCK_SIZE = 64  # vertices in a block; small enough to be dropped, large enough for array code
_ANYWHERE = 1e4  # metres: no point is farther away
_MORTON_BITS = 5  # cells along an axis: 2**5; three axes fit 16 bits, which sort fastest


@dataclass(frozen=True)
class PointBlocks:
    """World points grouped into blocks of neighbours.

    `points` (3, blocks, BLOCK_SIZE) float64 metres, padded with NaN; `index` (blocks, BLOCK_SIZE)
    int32 gives the number of each point in the mesh; `centers` (3, blocks) and `radii` (blocks,)
    bound each block by a sphere; `num_points` is the size of the mesh.
    """

    points: np.ndarray
    index: np.ndarray
    centers: np.ndarray
    radii: np.ndarray
    num_points: int

    @classmethod
    def of(cls, points_world: np.ndarray) -> PointBlocks:
        """Blocks of (n, 3) points; points that are not finite are never seen and are left out."""
        axes = np.ascontiguousarray(np.asarray(points_world, np.float64).T)  # (3, n): quick sums
        finite = np.flatnonzero(np.isfinite(axes).all(axis=0))
        order = finite[np.argsort(_morton_codes(axes[:, finite]), kind="stable")]
        num_blocks = -(-len(order) // BLOCK_SIZE)
        points = np.full((3, num_blocks * BLOCK_SIZE), np.nan)
        points[:, : len(order)] = axes[:, order]
        points = points.reshape(3, num_blocks, BLOCK_SIZE)
        index = np.zeros(num_blocks * BLOCK_SIZE, np.int32)
        index[: len(order)] = order
        low, high = np.fmin.reduce(points, axis=2), np.fmax.reduce(points, axis=2)  # skip NaN
        return cls(
            points=points,
            index=index.reshape(num_blocks, BLOCK_SIZE),
            centers=(low + high) / 2,
            radii=np.linalg.norm(high - low, axis=0) / 2,
            num_points=axes.shape[1],
        )


@dataclass(frozen=True)
class SurfaceRule:
    """When a point lies on the surface that a frame shows: all pixels within `window_px` pixels of
    its own (of the depth image; a square) are measured, and their depths differ from the point's by
    at most `tolerance_m` metres or `tolerance_share` of its depth, whichever is more.

    A sensor often gives nothing at a silhouette: beside what is not measured, too, a point may lie
    on another thing than the one that the pixel shows.
    """

    window_px: int
    tolerance_m: float
    tolerance_share: float

    def tolerance_mm(self, depth_mm: np.ndarray) -> np.ndarray:
        """How far measured depths may lie from points at these depths."""
        return np.maximum(self.tolerance_m * MM_PER_METRE, self.tolerance_share * depth_mm)

    def farthest(self, depth: float) -> float:
        """The greatest depth of a point that agrees with a measured `depth`; both metres."""
        return max(depth + self.tolerance_m, depth / (1 - self.tolerance_share))


@dataclass(frozen=True)
class DepthRange:
    """The least and the greatest depth around each pixel: (height, width) uint16 millimetres each.
    The least is 0 where a pixel is not measured."""

    nearest_mm: np.ndarray
    farthest_mm: np.ndarray


def visible_points(
    blocks: PointBlocks,
    world_from_cam: np.ndarray,
    intrinsic: np.ndarray,
    image_size: tuple[int, int],
    depth_mm: np.ndarray,
) -> np.ndarray:
    """Numbers of the points that a frame sees by the published rule, ascending int32.

    A point is seen when it lies in front of the camera, projects into the colour image of
    `image_size` (width, height), and is nearer than the depth measured there. `depth_mm` is
    (depth height, depth width) uint16 millimetres, read at the pixel round(u * W_D / W),
    round(v * H_D / H), clipped to the image; 0 (not measured) sees nothing.
    """
    nearer = float(depth_mm.max(initial=0)) / MM_PER_METRE
    projected = _project(blocks, world_from_cam, intrinsic, image_size, depth_mm.shape, nearer)
    return projected.sorted(projected.z_mm < depth_mm.ravel().take(projected.pixels))


def visible_and_surface_points(
    blocks: PointBlocks,
    world_from_cam: np.ndarray,
    intrinsic: np.ndarray,
    image_size: tuple[int, int],
    depth_mm: np.ndarray,
    around: DepthRange,
    rule: SurfaceRule,
) -> tuple[np.ndarray, np.ndarray]:
    """What `visible_points` gives, and the points on the surface that the frame shows by `rule`,
    in one pass; `around` is the range of `depth_mm` within the window of the rule."""
    farthest = rule.farthest(float(depth_mm.max(initial=0)) / MM_PER_METRE)
    projected = _project(blocks, world_from_cam, intrinsic, image_size, depth_mm.shape, farthest)
    z, own = projected.z_mm, depth_mm.ravel().take(projected.pixels)
    tolerance = rule.tolerance_mm(z)
    nearest = around.nearest_mm.ravel().take(projected.pixels)
    on_surface = (nearest > 0) & (nearest >= z - tolerance)
    on_surface &= around.farthest_mm.ravel().take(projected.pixels) <= z + tolerance
    return projected.sorted(z < own), projected.sorted(on_surface)


@dataclass(frozen=True)
class AbsenceRule:
    """When a frame certainly does not show a point: it lies outside the image by `margin_share` of
    the image's width, or `behind_m` metres or more behind the measured depth (SPEC 13)."""

    margin_share: float = 0.02
    behind_m: float = 0.1


def grey_points(
    blocks: PointBlocks,
    world_from_cam: np.ndarray,
    intrinsic: np.ndarray,
    image_size: tuple[int, int],
    depth_mm: np.ndarray,
    seen: np.ndarray,
    rule: AbsenceRule,
) -> np.ndarray:
    """Numbers of the points that a frame neither shows (`seen`, ascending) nor certainly does not
    show, ascending int32. `depth_mm` is as of `visible_points`."""
    height, width = depth_mm.shape
    margin = (
        rule.margin_share
        * image_size[0]
        * np.array([width / image_size[0], height / image_size[1]])
    )
    scale = np.array([width / image_size[0], height / image_size[1], 1.0])
    matrix = scale[:, None] * projection_matrix(intrinsic, world_from_cam)
    moved = matrix.copy()  # pixels count from the corner of the margin
    moved[:2] += margin[:, None] * matrix[2]
    kept = _blocks_in_view(blocks, moved, *(np.array([width, height]) + 2 * margin), _ANYWHERE)
    x, y, z = matrix[:, :3] @ blocks.points.take(kept, axis=1).reshape(3, -1) + matrix[:, 3:]
    near = (z > 0) & (x >= -margin[0] * z) & (x < (width + margin[0]) * z)
    near &= (y >= -margin[1] * z) & (y < (height + margin[1]) * z)
    found = np.flatnonzero(near)
    z = z[found]
    u, v = x[found] / z, y[found] / z
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    column = np.clip(np.rint(u), 0, width - 1).astype(np.intp)
    row = np.clip(np.rint(v), 0, height - 1).astype(np.intp)
    depth = depth_mm[row, column]
    behind = inside & (depth > 0) & (z * MM_PER_METRE >= depth + rule.behind_m * MM_PER_METRE)
    numbers = blocks.index.take(kept, axis=0).ravel()[found[~behind]]
    return np.setdiff1d(np.sort(numbers), seen, assume_unique=True)  # in the order of the first


@dataclass(frozen=True)
class _Projected:
    """Points in front of a camera and inside its image: their numbers in the mesh (n,) int32, the
    pixels of the depth image where they lie (n,), their depths (n,) in millimetres."""

    numbers: np.ndarray
    pixels: np.ndarray
    z_mm: np.ndarray

    def sorted(self, chosen: np.ndarray) -> np.ndarray:
        """The numbers of the points that are `chosen` (n,) bool, ascending."""
        return np.sort(self.numbers.compress(chosen))


def _project(
    blocks: PointBlocks,
    world_from_cam: np.ndarray,
    intrinsic: np.ndarray,
    image_size: tuple[int, int],
    depth_shape: tuple[int, int],
    farthest: float,
) -> _Projected:
    """The points that a frame could see up to a depth of `farthest` metres."""
    # In pixels of the depth image, which shows the same view.
    height, width = depth_shape
    scale = np.array([width / image_size[0], height / image_size[1], 1.0])
    matrix = scale[:, None] * projection_matrix(intrinsic, world_from_cam)
    kept = _blocks_in_view(blocks, matrix, width, height, farthest)
    candidates = matrix[:, :3] @ blocks.points.take(kept, axis=1).reshape(3, -1)
    candidates += matrix[:, 3:]
    x, y, z = candidates
    inside = (z > 0) & (x >= 0) & (y >= 0) & (x < width * z) & (y < height * z)
    inside &= z < farthest
    found = np.flatnonzero(inside)
    x, y, z = x.take(found), y.take(found), z.take(found)
    for pixel, size in ((x, width), (y, height)):  # in place: the arrays stay in cache
        pixel /= z
        np.rint(pixel, out=pixel)
        np.minimum(pixel, size - 1, out=pixel)
    y *= width
    y += x
    z *= MM_PER_METRE
    return _Projected(blocks.index.take(kept, axis=0).ravel().take(found), y.astype(np.intp), z)


def intersection_counts(by_frame: np.ndarray) -> np.ndarray:
    """How many points each pair of frames sees in common: (frames, frames) int64, symmetric, from
    the `bit_words` of what each sees.

    The diagonal holds each frame's own count. A pair costs a few words, because words in which a
    frame sees nothing are skipped: a mesh keeps neighbours near each other, so these are most.
    """
    by_word = np.ascontiguousarray(by_frame.T)
    frames = len(by_frame)
    counts = np.zeros((frames, frames), np.int64)
    for first in range(frames):
        used = np.flatnonzero(by_frame[first])
        both = by_word[used, first:]
        both &= by_frame[first, used, None]
        counts[first, first:] = np.bitwise_count(both).sum(axis=0, dtype=np.uint32)
    return np.maximum(counts, counts.T)


def overlap_percent(counts: np.ndarray) -> np.ndarray:
    """100 |A n B| / |A u B| of all pairs, (frames, frames), from `intersection_counts`.

    0 where neither frame sees a point.
    """
    sizes = np.diagonal(counts)
    unions = sizes[:, None] + sizes[None, :] - counts
    return 100.0 * counts / np.maximum(unions, 1)


def _blocks_in_view(
    blocks: PointBlocks, matrix: np.ndarray, width: int, height: int, farthest: float
) -> np.ndarray:
    """Numbers of the blocks whose sphere touches the viewing pyramid up to `farthest` metres."""
    uz, vz, z = matrix
    sides = np.stack((uz, vz, width * z - uz, height * z - vz, z, -z))
    sides[5, 3] += farthest
    distances = sides[:, :3] @ blocks.centers + sides[:, 3:]
    reach = np.linalg.norm(sides[:, :3], axis=1)[:, None] * (blocks.radii + 1e-6)
    return np.flatnonzero((distances > -reach).all(axis=0))


def _morton_codes(axes: np.ndarray) -> np.ndarray:
    """Z-order codes of (3, n) points, (n,) uint16: near codes mean near points."""
    codes = np.zeros(axes.shape[1], np.uint16)
    if not len(codes):
        return codes
    low = axes.min(axis=1, keepdims=True)
    longest = (axes.max(axis=1, keepdims=True) - low).max()
    cells = ((axes - low) * ((2**_MORTON_BITS - 1) / max(longest, 1e-9))).astype(np.uint16)
    for bit in range(_MORTON_BITS):
        for axis in range(3):
            codes |= ((cells[axis] >> bit) & 1) << (3 * bit + axis)
    return codes
