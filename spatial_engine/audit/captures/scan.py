"""What a reader of a format gives: frames, cameras and mesh as the source holds them.

Poses and vertices are in the world and the unit of the source; images are as stored, not turned,
not undistorted, not masked. All that preparation does to them is done by `capture`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DepthCamera:
    """A depth camera beside the colour camera: its own K (3, 3), and colour_from_depth (4, 4)."""

    K: np.ndarray
    colour_from_depth: np.ndarray


@dataclass(frozen=True)
class SourceFrame:
    """A frame with colour, depth and a usable pose.

    world_from_cam: (4, 4) of the colour camera, OpenCV axes. K: (3, 3), the centre of the top left
    pixel is (0, 0). lens: (8,) k1 k2 p1 p2 k3 k4 k5 k6 of OpenCV, None without distortion.
    colour: (H, W, 3) int64 RGB. jpeg: the file where colour is stored as one.
    depth_mm: (h, w) float64 millimetres, exact, 0 or not finite = none.
    keep: (H, W) bool, False where nothing may be shown.
    guess: colour that is found quickly and may be that of another frame, for what agrees with it.
    """

    number: int
    world_from_cam: np.ndarray
    K: np.ndarray
    colour: Callable[[], np.ndarray]
    depth_mm: Callable[[], np.ndarray]
    jpeg: Callable[[], bytes] | None = None
    lens: np.ndarray | None = None
    keep: Callable[[], np.ndarray] | None = None
    guess: Callable[[], np.ndarray] | None = None


@dataclass(frozen=True)
class SourceMesh:
    """Vertices (n, 3); owners (n,) int64 object id + 1, 0 = none; labels by object id."""

    vertices: np.ndarray
    owners: np.ndarray
    labels: dict[int, str]


@dataclass(frozen=True)
class SourceScan:
    """A scene of a source. frames: by number. depth_camera: where depth is not seen from the colour
    camera. truncated: whether millimetres are cut off, not rounded."""

    frames: dict[int, SourceFrame]
    mesh: Callable[[], SourceMesh] | None = None
    depth_camera: DepthCamera | None = None
    truncated: bool = False
