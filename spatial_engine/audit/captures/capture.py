"""A scene of another data set than ScanNet, as its source has it, for the oracles of `RawScene`.

Reads, under `root`:
    data/<dataset>/meta_data/sources.json           where the source is, how it was prepared
    the source, in a format of READERS
    data/<dataset>/posed_images/<scene>/            names of frames, if there
    data/<dataset>/instance_data/<scene>/aligned_points.npy   points, where the source has no mesh
Writes nothing.

Frames of reference: `world` is that of the prepared scene (metres, z up); `cam` is x right, y down,
z forward, of the image as prepared: upright, undistorted, with the K of its frame.

What was chosen where the definitions leave a choice:
- JPEG bytes are kept where nothing is done to the picture. Any other is encoded once: its file
  may differ from what is computed here by a mean of twice what one encoding changes, and
  MEAN_SLACK, where it was undistorted LENS_SLACK. Marks are compared with the file that does.
- turned: where images were turned, the sky must have lain as is told, by the mean of the poses.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from spatial_engine.audit.captures.depths import (
    Depth,
    masked,
    registered,
    turned,
    undistorted,
    whole_mm,
)
from spatial_engine.audit.captures.formats import (
    arkitscenes,
    colmap,
    polycam,
    record3d,
    redwood,
    replica,
    scannetpp,
    seven_scenes,
    stray,
    transforms,
    tum,
)
from spatial_engine.audit.captures.lens import undistorted_picture
from spatial_engine.audit.captures.rotations import (
    sky_of,
    turned_camera,
    turned_image,
    turned_pose,
)
from spatial_engine.audit.captures.scan import SourceFrame, SourceMesh, SourceScan
from spatial_engine.audit.captures.sources import Source, is_dataset_name, read_source
from spatial_engine.audit.captures.tree import read_whole
from spatial_engine.audit.raw.cameras import check_camera, check_rigid
from spatial_engine.audit.raw.ids import frame_of
from spatial_engine.audit.raw.limits import MAX_PIXELS, RawDataError, is_sound
from spatial_engine.audit.raw.npz_file import parse_npy
from spatial_engine.audit.raw.pictures import (
    PictureError,
    encoded_once,
    picture_size,
    read_file,
    read_jpeg,
)
from spatial_engine.audit.raw.posed import PosedScene

READERS: dict[str, Callable[[Source], SourceScan]] = {
    "7scenes": seven_scenes.read,
    "tum": tum.read,
    "replica": replica.read,
    "transforms": transforms.read,
    "record3d": record3d.read,
    "polycam": polycam.read,
    "stray": stray.read,
    "redwood": redwood.read,
    "colmap": colmap.read,
    "arkitscenes": arkitscenes.read,
    "scannetpp": scannetpp.read,
}
MEAN_FACTOR, MEAN_SLACK, LENS_SLACK = 2.0, 0.5, 1.0  # levels of 255, mean over the picture
UP = np.array([0.0, 0, 1])


class RawCapture(PosedScene):
    """One scene as its source has it, brought into the world and the images of preparation.

    Poses and cameras are read at once, images when asked for, points and objects on first use.
    """

    frame_step = 1

    def __init__(self, root: str | Path, dataset: str, scene_id: str) -> None:
        self.root, self.dataset, self.scene_id = Path(root), dataset, scene_id
        if not is_dataset_name(dataset) or not re.fullmatch("[A-Za-z0-9_-]{1,200}", scene_id):
            raise RawDataError(f"{dataset!r}, {scene_id!r}: no names of a data set and a scene")
        self.source = read_source(self.root, dataset, scene_id)
        if self.source.format not in READERS:
            raise RawDataError(f"{self.source.name}: format {self.source.format[:40]!r}")
        self.scan = READERS[self.source.format](self.source)
        self._poses: dict[str, np.ndarray] = {}
        self._depth: tuple[str, Depth] | None = None
        for number in self.source.numbers:
            if number not in self.scan.frames:
                raise RawDataError(
                    f"{self.source.path}: no frame {number} with colour, depth, camera and pose"
                )
            self._poses[f"{number:05d}"] = self._prepared_pose(self.scan.frames[number])
        self._check_sky()

    def _prepared_pose(self, frame: SourceFrame) -> np.ndarray:
        """(4, 4) in the world of the prepared scene, of the image as stored."""
        pose = self.source.world @ frame.world_from_cam
        pose[:3, :3] /= self.source.metres_per_unit
        check_rigid(f"{self.source.path}: pose of frame {frame.number}", pose)
        return pose

    def _check_sky(self) -> None:
        sky = self.source.sky
        if sky != "Up" and self._poses:
            found = sky_of(list(self._poses.values()), UP)
            if found != sky:
                raise RawDataError(f"{self.source.name}: turned is {sky}, by the poses {found}")

    # ---- frames --------------------------------------------------------------------------------

    def _frame(self, frame_id: str) -> SourceFrame:
        if frame_id not in self._poses or frame_of(frame_id) != frame_id:
            raise RawDataError(f"{self.scene_id}: no frame {frame_id!r}")
        return self.scan.frames[int(frame_id)]

    def frame_ids(self) -> list[str]:
        """Ids of the frames that were kept, in order."""
        return list(self._poses)

    def is_valid(self, frame_id: str) -> bool:
        """Whether there is such a frame: those that are kept have poses that can be used."""
        return frame_id in self._poses

    def world_from_cam(self, frame_id: str) -> np.ndarray:
        """(4, 4) camera-to-world pose of the upright image."""
        self._frame(frame_id)
        return turned_pose(self._poses[frame_id], self.source.sky)

    def camera_K(self, frame_id: str) -> np.ndarray:
        """(3, 3) intrinsics of a frame's upright image, pixels."""
        K = turned_camera(self._frame(frame_id).K, self._stored_size, self.source.sky)
        check_camera(self.source.path, K, self.colour_size)
        return K

    # ---- pictures ------------------------------------------------------------------------------

    @cached_property
    def _stored_size(self) -> tuple[int, int]:
        """(width, height) of the images as stored."""
        if not self._poses:
            raise RawDataError(f"{self.source.name}: no frames")
        return self._frame(next(iter(self._poses))).colour().shape[1::-1]

    @property
    def colour_size(self) -> tuple[int, int]:  # type: ignore[override]
        """(width, height) of the upright images."""
        width, height = self._stored_size
        return (height, width) if self.source.sky in ("Left", "Right") else (width, height)

    def own_picture(self, frame_id: str) -> np.ndarray:
        """(H, W, 3) int64 RGB of a frame as preparation should make it, before it is encoded."""
        return self._made_picture(self._frame(frame_id), self._frame(frame_id).colour())

    def _made_picture(self, frame: SourceFrame, picture: np.ndarray) -> np.ndarray:
        if picture.shape[1::-1] != self._stored_size:
            size = picture.shape[1::-1]
            raise RawDataError(f"{self.scene_id}: colour of frame {frame.number} is {size}")
        if frame.keep is not None:
            picture = np.where(self._keep(frame)[..., None], picture, 0)
        if frame.lens is not None:
            picture = undistorted_picture(picture, frame.K, frame.lens)
        return turned_image(picture, self.source.sky)

    def picture(self, frame_id: str) -> np.ndarray:
        """(H, W, 3) int64 RGB of a frame's file, where it is there and right, else as computed."""
        try:
            content = read_file(self.posed_images / f"{frame_id}.jpg")
            if not self.why_not_stored(frame_id, content):
                return read_jpeg(content)
        except (OSError, PictureError):
            pass
        return self.own_picture(frame_id)

    def why_not_stored(self, frame_id: str, content: bytes) -> str:
        """Why the file of an image cannot be that of the frame, "" if it can."""
        frame = self._frame(frame_id)
        if frame.guess is not None:
            try:
                own = self._made_picture(frame, frame.guess())
                if not self._why_not_of(frame, content, own):
                    return ""
            except RawDataError:  # where seeking fails, decoding all may not
                pass
        return self._why_not_of(frame, content, self.own_picture(frame_id))

    def _why_not_of(self, frame: SourceFrame, content: bytes, own: np.ndarray) -> str:
        if frame.jpeg is not None and self.source.sky == "Up" and frame.lens is None:
            if content == frame.jpeg():
                return "" if frame.keep is None or self._keep(frame).all() else "is not masked"
            if frame.keep is None:
                return "is not the JPEG of its frame"
        try:
            size = picture_size(content)
            if size != self.colour_size:
                return f"is {size}, its frame {self.colour_size}"
            found = read_jpeg(content)
        except PictureError as err:
            return f"is no JPEG that can be decoded: {err}"
        slack = MEAN_SLACK if frame.lens is None else LENS_SLACK
        most = MEAN_FACTOR * np.abs(encoded_once(own) - own).mean() + slack
        off = np.abs(found - own).mean()
        if off > most:
            return f"differs from its frame by {off:.2f} levels on the mean, at most {most:.2f}"
        return ""

    def _keep(self, frame: SourceFrame) -> np.ndarray:
        """(H, W) bool, False where nothing may be shown."""
        keep = frame.keep()
        if keep.shape[::-1] != self._stored_size:
            raise RawDataError(f"{self.scene_id}: mask of frame {frame.number} is {keep.shape}")
        return keep

    # ---- depth ---------------------------------------------------------------------------------

    @cached_property
    def depth_size(self) -> tuple[int, int]:  # type: ignore[override]
        """(width, height) of the upright depth images."""
        if not self._poses:
            raise RawDataError(f"{self.source.name}: no frames")
        return self._whole_depth(next(iter(self._poses))).plain.shape[::-1]

    def depth_mm(self, frame_id: str) -> np.ndarray:
        """(H, W) int64 depth in whole millimetres as preparation stores it; 0 = not measured."""
        return self._sized(frame_id).plain.astype(np.int64)

    def depth_mm_bounds(self, frame_id: str) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most that each depth may be, (H, W) float64 mm."""
        depth = self._sized(frame_id)
        return depth.low, depth.high

    def _sized(self, frame_id: str) -> Depth:
        depth = self._whole_depth(frame_id)
        if depth.plain.shape[::-1] != self.depth_size:
            shape = depth.plain.shape
            raise RawDataError(f"{self.scene_id}: depth of frame {frame_id} is {shape}")
        return depth

    def _whole_depth(self, frame_id: str) -> Depth:
        """Depth of a frame as prepared; that of the last one asked for is kept."""
        if self._depth is None or self._depth[0] != frame_id:
            self._depth = frame_id, self._made_depth(self._frame(frame_id))
        return self._depth[1]

    def _made_depth(self, frame: SourceFrame) -> Depth:
        exact = frame.depth_mm()
        beside = self.scan.depth_camera
        if beside is not None:
            if exact.shape[::-1] != self._stored_size:
                raise RawDataError(f"{self.scene_id}: depth of frame {frame.number}: {exact.shape}")
            depth = registered(exact, beside, frame.K)
        else:
            depth = whole_mm(exact, self.scan.truncated)
        if frame.keep is not None:
            depth = masked(depth, self._keep(frame))
        if frame.lens is not None:
            depth = undistorted(depth, frame.K, self._stored_size, frame.lens)
        return turned(depth, self.source.sky)

    # ---- points and objects --------------------------------------------------------------------

    @property
    def is_fused(self) -> bool:
        """Whether the points were made of depth, for want of a mesh."""
        return self.scan.mesh is None or self.source.mesh is False

    @cached_property
    def _mesh(self) -> SourceMesh:
        if self.is_fused:
            points = self._fused_points()
            return SourceMesh(points, np.zeros(len(points), dtype=np.int64), {})
        mesh = self.scan.mesh()
        world = self.source.world
        with np.errstate(over="ignore", invalid="ignore"):
            vertices = mesh.vertices @ world[:3, :3].T + world[:3, 3]
        if not is_sound(vertices):
            raise RawDataError(f"{self.scene_id}: vertices are beyond all bounds")
        return SourceMesh(vertices, mesh.owners, mesh.labels)

    def _fused_points(self) -> np.ndarray:
        """(N, 3) of the prepared scene's own points."""
        folder = self.root / "data" / self.dataset / "instance_data" / self.scene_id
        path = folder / "aligned_points.npy"
        content = read_whole(path)
        try:
            descr, fortran, shape, data = parse_npy(content)
        except RawDataError:
            raise
        except ValueError as err:
            raise RawDataError(f"{path}: {err}") from err
        fits = len(shape) == 2 and shape[1] == 6 and shape[0] <= MAX_PIXELS
        if descr != "<f8" or not fits or len(data) != 48 * shape[0]:
            raise RawDataError(f"{path}: is {descr} {shape}, not (n, 6) float64")
        points = np.frombuffer(data, "<f8").reshape(shape, order="F" if fortran else "C")[:, :3]
        if not is_sound(points):
            raise RawDataError(f"{path}: a point is beyond all bounds")
        return points

    @property
    def vertices_aligned(self) -> np.ndarray:  # type: ignore[override]
        """(N, 3) points in the world of the prepared scene, metres."""
        return self._mesh.vertices

    @property
    def instance_ids(self) -> np.ndarray:  # type: ignore[override]
        """(N,) int64 per point: object id + 1, 0 = unannotated."""
        return self._mesh.owners

    @property
    def raw_categories(self) -> dict[int, str]:  # type: ignore[override]
        """{object id: label}, objects without points included."""
        return self._mesh.labels
