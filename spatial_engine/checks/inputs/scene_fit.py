"""How well the frames of a scene agree with its mesh, and how far a frame has to move to agree.

Pure functions on arrays. Lengths in metres; depth images are (h, w) uint16 millimetres, 0 = not
measured; `intrinsic` is (3, 3) in pixels of the depth image; poses are world_from_cam (4, 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from spatial_engine.utils.geometry.cameras import MM_PER_METRE, projection_matrix

# A vertex agrees with the depth at its pixel when they differ by no more than this, or this share
# of the depth: the tolerance of surface points.
TOLERANCE_M, TOLERANCE_SHARE = 0.05, 0.03
CELLS = 16  # coarse cells along the width of an image: a tenth of what a frame sees at arm's length
LEAST_MEASURED = 0.5  # of the pixels of a cell that counts
NEAR_M = 0.5  # vertices farther from the measured surface are not matched with it

# Alignment of a frame to the mesh: width of the image that is matched, rounds, and weights.
MATCH_WIDTH = 160  # pixels
ROUNDS = 12
GATES_M = np.geomspace(NEAR_M, 0.1, ROUNDS)  # distance at which a match counts for nothing
STIFFNESS = 1e-3  # of what no surface decides: a frame that shows one wall does not slide along it
LEAST_MATCHED = 100  # vertices


@dataclass(frozen=True)
class Agreement:
    """What a frame has in common with points.

    agree, before, behind: points in the view at the measured depth, before it, behind it;
    recall: share of the coarse cells with depth that show a point that agrees;
    distances: of the points that are not behind it from the measured depth, metres.
    """

    agree: int
    before: int
    behind: int
    recall: float
    distances: np.ndarray

    @property
    def precision(self) -> float:
        """Share of the points that must be seen which are at the measured depth."""
        return self.agree / max(self.agree + self.before, 1)

    @property
    def score(self) -> float:
        """Harmonic mean of precision and recall, 0 to 1."""
        return 2 * self.precision * self.recall / max(self.precision + self.recall, 1e-9)


def agreement(
    points: np.ndarray,
    intrinsic: np.ndarray,
    world_from_cam: np.ndarray,
    depth_mm: np.ndarray,
    strictness: float = 1.0,
    gaps: bool = False,
) -> Agreement:
    """How well points (n, 3) in the world agree with the depth image of a frame.

    Points behind the measured surface may be hidden and say nothing. `strictness` divides the
    tolerance. `gaps`: points may be missing where a frame measures something, so recall is told by
    the cells alone that hold one.
    """
    rows, columns, z = _in_view(points, intrinsic, world_from_cam, depth_mm.shape)
    depth = depth_mm[rows, columns] / MM_PER_METRE
    known = depth > 0
    rows, columns, z, depth = rows[known], columns[known], z[known], depth[known]
    nearer = depth - z
    tolerance = np.maximum(TOLERANCE_M, TOLERANCE_SHARE * depth) / strictness
    agree, before = np.abs(nearer) <= tolerance, nearer > tolerance
    held = _cells(rows, columns, depth_mm.shape) if gaps else True
    recall = _recall(_cells(rows[agree], columns[agree], depth_mm.shape), depth_mm, held)
    distances = np.abs(nearer[agree | before])
    return Agreement(
        int(agree.sum()), int(before.sum()), int((~agree & ~before).sum()), recall, distances
    )


def scale_of_depth(
    points: np.ndarray, intrinsic: np.ndarray, poses: np.ndarray, depths: list[np.ndarray]
) -> float:
    """The factor by which measured depth is larger than that of the points: the most frequent
    ratio, since points that are seen have all the same one. 1 where there are no points."""
    ratios = [np.empty(0)]
    for pose, depth_mm in zip(poses, depths, strict=True):
        rows, columns, z = _in_view(points, intrinsic, pose, depth_mm.shape)
        depth = depth_mm[rows, columns] / MM_PER_METRE
        ratios.append(np.log(depth[depth > 0] / z[depth > 0]))
    logs = np.concatenate(ratios)
    bin_size, reach = 0.01, np.log(20)
    edges = np.arange(-reach, reach + bin_size, bin_size)
    counts, _ = np.histogram(logs, edges)
    if not counts.any():
        return 1.0
    smooth = np.convolve(counts, np.ones(5), "same")
    peak = (edges[:-1] + edges[1:])[smooth.argmax()] / 2
    return float(np.exp(np.median(logs[np.abs(logs - peak) < 3 * bin_size])))


def world_points(
    depth_mm: np.ndarray, intrinsic: np.ndarray, world_from_cam: np.ndarray, step: int
) -> np.ndarray:
    """(n, 3) points that a frame measures, at every `step`-th pixel of both axes."""
    rows, columns = np.nonzero(depth_mm[::step, ::step])
    depth = depth_mm[::step, ::step][rows, columns] / MM_PER_METRE
    pixels = np.stack([columns * step, rows * step, np.ones(len(rows))])
    cam = (np.linalg.inv(intrinsic) @ pixels) * depth
    return (world_from_cam[:3, :3] @ cam).T + world_from_cam[:3, 3]


def move_to_fit(
    points: np.ndarray, intrinsic: np.ndarray, world_from_cam: np.ndarray, depth_mm: np.ndarray
) -> np.ndarray:
    """The pose (4, 4) near the given one in which the depth image fits the points best.

    Point-to-plane alignment with points matched along their rays; what no surface decides stays.
    """
    small, camera = _smaller(depth_mm, intrinsic)
    normals = _normals(small, camera)
    cam_from_world = np.linalg.inv(world_from_cam)
    for gate in GATES_M:
        rows, columns, z, found = _in_view(
            points, camera, np.linalg.inv(cam_from_world), small.shape, with_numbers=True
        )
        depth, normal = small[rows, columns], normals[rows, columns]
        cam = points[found] @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
        with np.errstate(invalid="ignore"):
            error = (normal * cam).sum(1) * (depth / z - 1)  # of the surface from the point
            good = (depth > 0) & (np.abs(error) < gate) & np.isfinite(error)
        if good.sum() < LEAST_MATCHED:
            break
        cam, normal, error = cam[good], normal[good], error[good]
        weight = (1 - (error / gate) ** 2) ** 2
        slopes = np.concatenate([np.cross(cam, normal), normal], axis=1)
        left = (slopes * weight[:, None]).T @ slopes
        left += STIFFNESS * weight.sum() * np.eye(6)
        step = np.linalg.solve(left, (slopes * weight[:, None]).T @ error)
        motion = np.eye(4)
        motion[:3, :3], motion[:3, 3] = Rotation.from_rotvec(step[:3]).as_matrix(), step[3:]
        cam_from_world = motion @ cam_from_world
    return np.linalg.inv(cam_from_world)


def _in_view(points, intrinsic, world_from_cam, shape, with_numbers=False):
    """Rows, columns and depths of the points that a depth image of a shape (h, w) shows."""
    height, width = shape
    matrix = projection_matrix(intrinsic, world_from_cam)
    x, y, z = matrix[:, :3] @ points.T + matrix[:, 3:]
    inside = (z > 0) & (x >= 0) & (y >= 0) & (x < width * z) & (y < height * z)
    x, y, z = x[inside], y[inside], z[inside]
    rows = np.minimum(np.rint(y / z), height - 1).astype(np.intp)
    columns = np.minimum(np.rint(x / z), width - 1).astype(np.intp)
    if with_numbers:
        return rows, columns, z, np.flatnonzero(inside)
    return rows, columns, z


def _cells(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(c, CELLS) bool: cells of an image of a shape (h, w) that hold one of these pixels."""
    height, width = shape
    down = max(round(CELLS * height / width), 1)
    cells = np.zeros((down, CELLS), bool)
    cells[rows * down // height, columns * CELLS // width] = True
    return cells


def _recall(cells: np.ndarray, depth_mm: np.ndarray, counted: np.ndarray | bool) -> float:
    """Share of the `counted` cells with depth that are among `cells`."""
    share = (depth_mm > 0).astype(np.float32)
    share = cv2.resize(share, cells.shape[::-1], None, 0, 0, cv2.INTER_AREA)
    measured = (share >= LEAST_MEASURED) & counted
    return float((cells & measured).sum() / max(measured.sum(), 1))


def _smaller(depth_mm: np.ndarray, intrinsic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The depth image in metres at `MATCH_WIDTH`, means of what is measured, and its camera."""
    height, width = depth_mm.shape
    size = (min(MATCH_WIDTH, width), max(round(height * min(MATCH_WIDTH / width, 1)), 1))
    depth = depth_mm.astype(np.float32) / np.float32(MM_PER_METRE)
    known = cv2.resize((depth > 0).astype(np.float32), size, None, 0, 0, cv2.INTER_AREA)
    depth = cv2.resize(depth, size, None, 0, 0, cv2.INTER_AREA)
    depth = np.where(known > 0.6, depth / np.maximum(known, 1e-6), 0)
    scale = np.diag([size[0] / width, size[1] / height, 1.0])
    return depth, scale @ intrinsic


def _normals(depth: np.ndarray, intrinsic: np.ndarray) -> np.ndarray:
    """(h, w, 3) unit normals of the measured surface in the camera, NaN at edges and holes."""
    height, width = depth.shape
    depth = np.where(depth > 0, depth, np.nan)
    x = (np.arange(width) - intrinsic[0, 2]) / intrinsic[0, 0]
    y = (np.arange(height)[:, None] - intrinsic[1, 2]) / intrinsic[1, 1]
    cam = np.stack([x * depth, y * depth, depth], axis=2)
    across, along = np.full_like(cam, np.nan), np.full_like(cam, np.nan)
    across[:, 2:-2] = cam[:, 4:] - cam[:, :-4]
    along[2:-2] = cam[4:] - cam[:-4]
    steep = (np.abs(across[..., 2]) > 0.3 * depth) | (np.abs(along[..., 2]) > 0.3 * depth)
    normals = np.cross(across, along)
    with np.errstate(invalid="ignore"):
        normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    normals[steep] = np.nan
    return normals
