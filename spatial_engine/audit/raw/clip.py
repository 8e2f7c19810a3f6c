"""What a raw TAPVid-3D clip says, read in the plainest way there is.

Reads `data/tapvid3d_dataset/<set>/<clip>.npz` under `root`; <set> of DATASETS. Writes nothing.

Frames of reference: `cam` is x right, y down, z forward, of each frame; `world` is that of
`extrinsics_w2c`, and of pstudio the cam of all its frames. Metres, float64. Pixels are u, v.

How docs/spec.md was read where it leaves a choice, by section:
- 9 pstudio is static: identity: whatever its file holds under extrinsics_w2c is not read.
- 9 world = extrinsics_w2c^-1 is the inverse of the 4x4 matrix, not its transposed rotation.
- 9.6 impossible input: a camera that the images cannot have, extrinsics that are no rigid motion,
  a query more than 3 px from its point that is visible there, and visible points half of which are
  over 100 m away end the reading of the clip.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

import numpy as np

from spatial_engine.audit.raw.cameras import check_camera, check_rigid
from spatial_engine.audit.raw.ids import DATASETS, STANDING_CAMERAS
from spatial_engine.audit.raw.kept import kept
from spatial_engine.audit.raw.limits import MAX_FRAMES, RawDataError
from spatial_engine.audit.raw.npz_file import NpzFile
from spatial_engine.audit.raw.pictures import PictureError, jpeg_size, read_jpeg

BORDER_TIE = 1e-6  # px
FAR_M = 100.0  # half of what is visible is nearer, or the unit is no metre
QUERY_SLACK = 3.0  # px between a query and the projection of its point, where that is visible


class RawClip:
    """One clip as its file has it: T frames, N points.

    Attributes:
        tracks: (T, N, 3) float64 metres in the camera of each frame; NaN where any
            of the three is not finite.
        visibility: (T, N) bool. intrinsics: (4,) float64 fx, fy, cx, cy in pixels.
        cam_from_world, world_from_cam: (T, 4, 4) float64.
    Images are read when asked for.
    """

    def __init__(self, root: str | Path, dataset: str, clip_id: str) -> None:
        if dataset not in DATASETS:
            raise ValueError(f"dataset {dataset!r}, expected one of {DATASETS}")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", clip_id):
            raise RawDataError(f"{clip_id!r} is not a clip id")
        self.dataset, self.clip_id = dataset, clip_id
        self.path = Path(root) / "data" / "tapvid3d_dataset" / dataset / f"{clip_id}.npz"
        self._file = NpzFile(self.path)
        self._read_tracks()
        self._read_cameras()
        self._check_queries()

    def _read_tracks(self) -> None:
        self.tracks = self._file.numbers("tracks_XYZ", 3)
        frames, points = self.tracks.shape[:2]
        if frames > MAX_FRAMES:
            raise RawDataError(f"{self.path}: {frames} frames")
        self._file.check_shape("tracks_XYZ", self.tracks, (frames, points, 3))
        known = np.isfinite(self.tracks).all(axis=2)
        self._file.check_sound("tracks_XYZ", self.tracks[known])
        self.tracks[~known] = np.nan
        self.visibility = self._file.numbers("visibility", 2) != 0
        self._file.check_shape("visibility", self.visibility, (frames, points))
        depths = self.tracks[..., 2][self.visibility & known]
        if len(depths) and np.median(depths) > FAR_M:
            raise RawDataError(f"{self.path}: points at {np.median(depths):g} m are not in metres")

    def _read_cameras(self) -> None:
        frames = len(self.tracks)
        self.intrinsics = self._file.numbers("fx_fy_cx_cy", 1)
        self._file.check_shape("fx_fy_cx_cy", self.intrinsics, (4,))
        self._file.check_sound("fx_fy_cx_cy", self.intrinsics)
        self.cam_from_world = np.tile(np.eye(4), (frames, 1, 1))
        if self.dataset not in STANDING_CAMERAS:
            self.cam_from_world = self._file.numbers("extrinsics_w2c", 3)
            self._file.check_shape("extrinsics_w2c", self.cam_from_world, (frames, 4, 4))
            self._file.check_sound("extrinsics_w2c", self.cam_from_world)
        for frame, matrix in enumerate(self.cam_from_world):
            check_rigid(f"{self.path}: extrinsics_w2c of frame {frame}", matrix)
        self.world_from_cam = np.linalg.inv(self.cam_from_world)

    def _check_queries(self) -> None:
        """Every query of a point visible in its frame is where the point is; none is demanded."""
        if "queries_xyt.npy" not in self._file.names():
            return
        queries = self._file.numbers("queries_xyt", 2)
        frames, points = self.visibility.shape
        self._file.check_shape("queries_xyt", queries, (points, 3))
        for point, (x, y, t) in enumerate(queries):
            if not np.isfinite([x, y, t]).all():
                continue
            frame = round(t)
            if not 0 <= frame < frames:
                raise RawDataError(f"{self.path}: query {point} in frame {t:g} of {frames}")
            if not (self.visibility[frame, point] and np.isfinite(self.tracks[frame, point]).all()):
                continue
            u, v = self.pixels[frame, point]  # NaN behind the camera, where nothing is visible
            if not np.hypot(u - x, v - y) <= QUERY_SLACK:
                raise RawDataError(
                    f"{self.path}: point {point} is at ({u:.1f}, {v:.1f}) in frame {frame}, its "
                    f"query at ({x:.1f}, {y:.1f}): the camera, the tracks and the queries do not "
                    "belong together"
                )

    # ---- images ----

    @cached_property
    def jpegs(self) -> list[bytes]:
        """The JPEG of each frame, without zero bytes at the end."""
        images = self._file.byte_strings("images_jpeg_bytes", len(self.tracks))
        return [image.rstrip(b"\0") for image in images]

    @cached_property
    def image_size(self) -> tuple[int, int]:
        """(width, height) of the first image; the camera can have images of this size."""
        if not len(self.tracks):
            raise RawDataError(f"{self.path}: has no frame")
        try:
            size = jpeg_size(self.jpegs[0])
        except PictureError as err:
            raise RawDataError(f"{self.path}: image 0: {err}") from err
        fx, fy, cx, cy = self.intrinsics
        check_camera(self.path, np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), size)
        return size

    def picture(self, frame: int) -> np.ndarray:
        """(H, W, 3) int64 RGB of a frame."""
        try:
            picture = read_jpeg(self.jpegs[frame])
        except PictureError as err:
            raise RawDataError(f"{self.path}: image {frame}: {err}") from err
        if picture.shape[1::-1] != self.image_size:
            raise RawDataError(f"{self.path}: image {frame} has another size than the first")
        return picture

    # ---- geometry ----

    @cached_property
    def world(self) -> np.ndarray:
        """(T, N, 3) positions in the world."""
        rotation, origin = self.world_from_cam[:, :3, :3], self.world_from_cam[:, :3, 3]
        with np.errstate(invalid="ignore"):
            rotated = np.stack([p @ r.T for p, r in zip(self.tracks, rotation, strict=True)])
        return rotated + origin[:, None, :]

    @cached_property
    def pixels(self) -> np.ndarray:
        """(T, N, 2) u, v of each point in each frame; NaN where it is not before the camera."""
        fx, fy, cx, cy = self.intrinsics
        x, y, z = np.moveaxis(self.tracks, 2, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(z > 0, z, np.nan)
            return np.stack([fx * x / z + cx, fy * y / z + cy], axis=2)

    @kept
    def shown(self, margin: float = 0.0, slack: float = BORDER_TIE) -> np.ndarray:
        """(T, N) bool: visible, its place known, and its projection within the image.

        margin: px; 0 asks for 0 <= u < W, more for margin <= u <= W - 1 - margin, and v likewise.
        slack: px by which it may be outside all the same; below 0, by which it must be inside.
        """
        size = np.array(self.image_size, dtype=np.float64)
        high = size - 1 - margin if margin else np.nextafter(size, 0)
        with np.errstate(invalid="ignore"):
            inside = (self.pixels >= margin - slack) & (self.pixels <= high + slack)
        known = np.isfinite(self.world).all(axis=2)
        return self.visibility & known & inside.all(axis=2)

    def displacement(self, frame1: int, frame2: int) -> np.ndarray:
        """(N, 3) metres each point moves in the world, in the axes of the camera of frame1."""
        moved = self.world[frame2] - self.world[frame1]
        return moved @ self.cam_from_world[frame1, :3, :3].T

    def camera_displacement(self, frame1: int, frame2: int) -> float:
        """Metres that the camera moves."""
        origins = self.world_from_cam[[frame1, frame2], :3, 3]
        return float(np.linalg.norm(origins[1] - origins[0]))
