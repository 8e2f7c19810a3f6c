"""Which mesh vertices a frame sees (SPEC 4), and how much two frames see in common. Pure.

Cost: a frame looks at a tenth of a room, so vertices are kept in small blocks of neighbours and
whole blocks outside the view are dropped by their bounding sphere before a vertex is touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatial_engine.utils.geometry import MM_PER_METRE, projection_matrix

BLOCK_SIZE = 64  # vertices in a block; small enough to be dropped, large enough for array code
_MORTON_BITS = 10  # cells along an axis: 2**10, a few millimetres to centimetres in a room


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
        points_world = np.asarray(points_world, np.float64)
        finite = np.flatnonzero(np.isfinite(points_world).all(axis=1))
        order = finite[np.argsort(_morton_codes(points_world[finite]), kind="stable")]
        num_blocks = -(-len(order) // BLOCK_SIZE)
        points = np.full((num_blocks * BLOCK_SIZE, 3), np.nan)
        points[: len(order)] = points_world[order]
        index = np.zeros(num_blocks * BLOCK_SIZE, np.int32)
        index[: len(order)] = order
        points = points.reshape(num_blocks, BLOCK_SIZE, 3)
        low, high = np.nanmin(points, axis=1), np.nanmax(points, axis=1)
        return cls(
            points=np.ascontiguousarray(points.transpose(2, 0, 1)),
            index=index.reshape(num_blocks, BLOCK_SIZE),
            centers=np.ascontiguousarray((low + high).T / 2),
            radii=np.linalg.norm(high - low, axis=1) / 2,
            num_points=len(points_world),
        )


def visible_points(
    blocks: PointBlocks,
    world_from_cam: np.ndarray,
    intrinsic: np.ndarray,
    image_size: tuple[int, int],
    depth_mm: np.ndarray,
) -> np.ndarray:
    """Numbers of the points that a frame sees, ascending int32.

    A point is seen when it lies in front of the camera, projects into the colour image of
    `image_size` (width, height), and is nearer than the depth measured there. `depth_mm` is
    (depth height, depth width) uint16 millimetres, read at the pixel round(u * W_D / W),
    round(v * H_D / H), clipped to the image; 0 (not measured) sees nothing.
    """
    width, height = image_size
    depth_height, depth_width = depth_mm.shape
    matrix = projection_matrix(intrinsic, world_from_cam)
    near_enough = float(depth_mm.max(initial=0)) / MM_PER_METRE
    kept = _blocks_in_view(blocks, matrix, width, height, near_enough)
    candidates = np.take(blocks.points, kept, axis=1).reshape(3, -1)
    uz, vz, z = matrix[:, :3] @ candidates + matrix[:, 3:]
    inside = (z > 0) & (uz >= 0) & (vz >= 0) & (uz < width * z) & (vz < height * z)
    inside &= z < near_enough
    found = np.flatnonzero(inside)
    z = z.take(found)
    column = np.minimum(np.rint(uz.take(found) / z * (depth_width / width)), depth_width - 1)
    row = np.minimum(np.rint(vz.take(found) / z * (depth_height / height)), depth_height - 1)
    measured = depth_mm.ravel().take((row * depth_width + column).astype(np.intp))
    seen = found.compress(z * MM_PER_METRE < measured)
    return np.sort(blocks.index.take(kept, axis=0).ravel().take(seen))


def intersection_counts(point_lists: list[np.ndarray], num_points: int) -> np.ndarray:
    """How many points each pair of frames sees in common: (frames, frames) int64, symmetric.

    The diagonal holds each frame's own count. Points become bits, 64 to a word; a pair costs a
    few words, because words in which a frame sees nothing are skipped.
    """
    words = _bit_words(point_lists, num_points)
    frames = len(point_lists)
    counts = np.zeros((frames, frames), np.int64)
    for first in range(frames):
        used = np.flatnonzero(words[:, first])
        both = np.take(words[:, first:], used, axis=0)
        both &= words[used, first, None]
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


def _morton_codes(points: np.ndarray) -> np.ndarray:
    """Z-order codes of (n, 3) points, (n,) uint32: near codes mean near points."""
    if not len(points):
        return np.zeros(0, np.uint32)
    low = points.min(axis=0)
    scale = (2**_MORTON_BITS - 1) / max(np.ptp(points, axis=0).max(), 1e-9)
    cells = ((points - low) * scale).astype(np.uint32)
    codes = np.zeros(len(points), np.uint32)
    for bit in range(_MORTON_BITS):
        for axis in range(3):
            codes |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return codes


def _bit_words(point_lists: list[np.ndarray], num_points: int) -> np.ndarray:
    """(words, frames) uint64: bit k of word w says whether the frame sees point number 64 w + k.

    Points are numbered anew by the first frame that sees them, so that a frame's bits stand
    together whatever the order of the mesh.
    """
    frames = len(point_lists)
    first_seen = np.full(num_points, frames, np.uint16 if frames < 2**16 else np.uint32)
    for number in range(frames - 1, -1, -1):
        first_seen[point_lists[number]] = number
    number_of = np.empty(num_points, np.int32)
    number_of[np.argsort(first_seen, kind="stable")] = np.arange(num_points, dtype=np.int32)
    num_words = -(-int(np.count_nonzero(first_seen < frames)) // 64)
    words = np.empty((frames, num_words), np.uint64)
    for number, points in enumerate(point_lists):
        bits = np.zeros(num_words * 64, bool)
        bits[number_of[points]] = True
        words[number] = np.packbits(bits).view(np.uint64)
    return np.ascontiguousarray(words.T)
