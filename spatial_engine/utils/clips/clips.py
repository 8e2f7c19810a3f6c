"""The clips of TAPVid-3D, `<id>.npz`. This module owns their format (docs/formats.md).

Keys: `images_jpeg_bytes` (T,) fixed-width bytes or objects; `queries_xyt` (N, 3); `tracks_XYZ`
(T, N, 3) metres in the camera of each frame; `visibility` (T, N); `fx_fy_cx_cy` (4,);
`extrinsics_w2c` (T, 4, 4), which only moving cameras need.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.clips import npz_arrays
from spatial_engine.utils.clips.npz_arrays import bad, open_npz, read_array
from spatial_engine.utils.geometry.cameras import camera_fault, is_rigid, pose_fault
from spatial_engine.utils.pictures import jpeg

EXTRINSICS = "extrinsics_w2c"
EXTRINSICS_REMEDY = (
    "adt: run spatial_engine/utils/tapvid3d_utils/copy_adt_extrinsics.py; drivetrack: get the clip "
    "of release v1.0"
)
MAX_METRES = 1e100  # of a coordinate; products of three are still numbers
# Clips are of rooms: half of what is seen lies nearer. In millimetres it would be farther.
MAX_MEDIAN_METRES = 100.0
MAX_FRAMES = 100_000  # frames are numbered with five digits
# A query is a pixel of its own track: whole pixels and their centres round by less than 1.5.
QUERY_PX = 3.0
_JPEG_ENDS = b"\xff\xd8", b"\xff\xd9"


@dataclass(frozen=True)
class Clip:
    """One clip: T frames, N points.

    `images` T JPEGs; `image_size` (width, height); `tracks_cam` (T, N, 3) float64 metres in the
    camera of each frame (x right, y down, z forward), NaN where the file has anything that is not
    finite; `visible` (T, N) bool, in which case the point is finite; `fx_fy_cx_cy` (4,) pixels;
    `world_from_cam` (T, 4, 4).
    """

    clip_id: str
    images: list[bytes]
    image_size: tuple[int, int]
    tracks_cam: np.ndarray
    visible: np.ndarray
    fx_fy_cx_cy: np.ndarray
    world_from_cam: np.ndarray

    @property
    def intrinsic(self) -> np.ndarray:
        """(3, 3) intrinsics, pixels."""
        return intrinsic_matrix(self.fx_fy_cx_cy)

    def tracks_world(self) -> np.ndarray:
        """(T, N, 3) metres in the world."""
        rotation, position = self.world_from_cam[:, :3, :3], self.world_from_cam[:, None, :3, 3]
        return self.tracks_cam @ np.swapaxes(rotation, 1, 2) + position

    def project(self) -> np.ndarray:
        """Pixels (T, N, 2) of the points, NaN where they are unknown or not before the camera."""
        return self._project(self.tracks_cam)

    def project_some(self, frames: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The same of some points, each in one frame: (n, 2)."""
        return self._project(self.tracks_cam[frames, points])

    def _project(self, places: np.ndarray) -> np.ndarray:
        depth = np.where(places[..., 2:] > 0, places[..., 2:], np.nan)
        return places[..., :2] / depth * self.fx_fy_cx_cy[:2] + self.fx_fy_cx_cy[2:]


def read_clip(path: Path, *, camera_moves: bool) -> Clip:
    """Read a clip. Where the camera moves, extrinsics must be there; else it stands still.

    Raises `MissingInputError` without the file, `BadDataError` naming what is wrong in it: arrays
    that do not belong together, a camera that its images cannot have, poses that are no rigid
    motions, queries (where the clip has them) that are not where their points are seen.
    """
    with open_npz(path) as archive:
        images = _read_images(archive, path)
        tracks, known = _read_tracks(archive, path)
        visible = read_array(archive, path, "visibility", "b")
        intrinsics = read_array(archive, path, "fx_fy_cx_cy", "f").astype(np.float64)
        if camera_moves:
            if not npz_arrays.has(archive, EXTRINSICS):
                raise BadDataError(
                    f"{path}: has no {EXTRINSICS}, and its camera moves; {EXTRINSICS_REMEDY}"
                )
            cam_from_world = read_array(archive, path, EXTRINSICS, "f").astype(np.float64)
        else:
            cam_from_world = np.tile(np.eye(4), (len(images), 1, 1))
        queries = None
        if npz_arrays.has(archive, "queries_xyt"):
            queries = read_array(archive, path, "queries_xyt", "f").astype(np.float64)
    count = len(images)
    if len(tracks) != count:
        raise bad(path, f"tracks_XYZ has the shape {tracks.shape} for {count} frames")
    if visible.shape != tracks.shape[:2]:
        raise bad(path, f"visibility has the shape {visible.shape}")
    _check_unit(tracks[..., 2][visible & known], path)
    image_size = jpeg.read_size(images[0], path)
    if intrinsics.shape != (4,):
        raise bad(path, f"fx_fy_cx_cy has the shape {intrinsics.shape}")
    if fault := camera_fault(intrinsic_matrix(intrinsics), image_size):
        raise bad(path, f"fx_fy_cx_cy does not fit the images: {fault}")
    clip = Clip(
        clip_id=path.stem,
        images=list(map(bytes, images)),
        image_size=image_size,
        tracks_cam=tracks,
        visible=visible & known,
        fx_fy_cx_cy=intrinsics,
        world_from_cam=_inverse(cam_from_world, count, path),
    )
    if queries is not None:
        _check_queries(clip, queries, path)
    return clip


def intrinsic_matrix(fx_fy_cx_cy: np.ndarray) -> np.ndarray:
    """(3, 3) intrinsics of four numbers."""
    fx, fy, cx, cy = fx_fy_cx_cy
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)


def read_images(path: Path) -> list[bytes | memoryview]:
    """The JPEGs of a clip's frames, each ending where it ends; what was read is not copied."""
    with open_npz(path) as archive:
        return _read_images(archive, path)


def read_tracks(path: Path) -> np.ndarray:
    """`Clip.tracks_cam` of a clip alone. Raises as `read_clip` does; only they are looked at."""
    with open_npz(path) as archive:
        return _read_tracks(archive, path)[0]


def read_shape(path: Path) -> tuple[int, int, bool]:
    """(frames, points, whether extrinsics are there), from the headers of the arrays alone."""
    with open_npz(path) as archive:
        shape = npz_arrays.read_shape(archive, path, "tracks_XYZ")
        if len(shape) != 3:
            raise bad(path, f"tracks_XYZ has the shape {shape}")
        return shape[0], shape[1], npz_arrays.has(archive, EXTRINSICS)


def read_queries(path: Path) -> np.ndarray | None:
    """(N, 3) float64: x and y in pixels, and the frame, of the pixel that each track was asked by;
    None where a clip does not tell."""
    with open_npz(path) as archive:
        if not npz_arrays.has(archive, "queries_xyt"):
            return None
        return read_array(archive, path, "queries_xyt", "f").astype(np.float64)


def read_extrinsics(path: Path) -> np.ndarray:
    """(T, 4, 4) cam_from_world of an annotation file: rigid motions, of the file's own type."""
    with open_npz(path) as archive:
        extrinsics = read_array(archive, path, EXTRINSICS, "f")
    if extrinsics.ndim != 3 or extrinsics.shape[1:] != (4, 4):
        raise bad(path, f"{EXTRINSICS} has the shape {extrinsics.shape}")
    _check_rigid(extrinsics, path)
    return extrinsics


def _read_tracks(archive: zipfile.ZipFile, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Tracks (T, N, 3) float64 of a clip, NaN where the file has anything that is not finite, and
    where they are known, (T, N) bool."""
    tracks = read_array(archive, path, "tracks_XYZ", "f").astype(np.float64)
    if tracks.ndim != 3 or tracks.shape[2] != 3:
        raise bad(path, f"tracks_XYZ has the shape {tracks.shape}")
    if np.isfinite(tracks).all():
        known = np.ones(tracks.shape[:2], bool)
    else:
        known = np.isfinite(tracks).all(axis=2)
        tracks[~known] = np.nan  # inf means the same
    if max(np.nanmax(tracks, initial=0), -np.nanmin(tracks, initial=0)) > MAX_METRES:
        raise bad(path, f"tracks_XYZ holds coordinates over {MAX_METRES:g} m")
    return tracks, known


def _inverse(cam_from_world: np.ndarray, count: int, path: Path) -> np.ndarray:
    """world_from_cam of each frame."""
    if cam_from_world.shape != (count, 4, 4):
        shape = cam_from_world.shape
        raise bad(path, f"{EXTRINSICS} has the shape {shape}, not ({count}, 4, 4) as its frames")
    _check_rigid(cam_from_world, path)
    return np.linalg.inv(cam_from_world)


def _check_rigid(cam_from_world: np.ndarray, path: Path) -> None:
    """Raise `BadDataError` for the first matrix that is not a rigid motion."""
    wrong = np.flatnonzero(~is_rigid(cam_from_world))
    if len(wrong):
        fault = pose_fault(cam_from_world[wrong[0]])
        raise bad(path, f"{EXTRINSICS} of frame {wrong[0]} is not a rigid motion: {fault}")


def _check_unit(depths: np.ndarray, path: Path) -> None:
    """Raise `BadDataError` where visible points, at these depths (n,), are too far away to be in
    metres."""
    distance = float(np.median(depths)) if len(depths) else 0.0
    if distance > MAX_MEDIAN_METRES:
        raise bad(
            path,
            f"half of the visible points of tracks_XYZ are over {distance:.4g} metres before the "
            "camera (are they in millimetres?)",
        )


def _check_queries(clip: Clip, queries: np.ndarray, path: Path) -> None:
    """Raise `BadDataError` where a query (x, y in pixels, frame) is not where its point is seen.

    Each query was taken from its own track, so every one must meet it: where one does not, the
    camera, the track or its number is wrong, and nobody can say which. Queries in frames where the
    point is not visible (there are some), and those that are not finite, say nothing.
    """
    count, points = clip.visible.shape
    if queries.shape != (points, 3):
        raise bad(path, f"queries_xyt has the shape {queries.shape} for {points} points")
    asked = np.flatnonzero(np.isfinite(queries).all(axis=1))
    frames = np.rint(queries[asked, 2])
    outside = (frames < 0) | (frames >= count)
    if outside.any():
        point = asked[outside][0]
        frame = queries[point, 2]
        raise bad(path, f"the query of point {point} is in frame {frame:g} of {count}")
    frames = frames.astype(np.intp)
    seen = clip.visible[frames, asked]
    asked, frames = asked[seen], frames[seen]
    with np.errstate(over="ignore", invalid="ignore"):
        found = clip.project_some(frames, asked)
        u, v = (found - queries[asked, :2]).T
    far = ~(np.hypot(u, v) <= QUERY_PX)  # NaN, of a point behind the camera, is far, too
    if far.any():
        point, (u, v), (x, y, frame) = asked[far][0], found[far][0], queries[asked[far][0]]
        raise bad(
            path,
            f"the track of point {point} is at ({u:.1f}, {v:.1f}) in frame {frame:.0f}, its query "
            f"at ({x:.1f}, {y:.1f}), over {QUERY_PX:g} pixels apart as {far.sum()} of {len(far)} "
            f"are: fx_fy_cx_cy {clip.fx_fy_cx_cy.tolist()}, images of "
            f"{clip.image_size[0]}x{clip.image_size[1]}, tracks and queries do not belong together",
        )


def _read_images(archive: zipfile.ZipFile, path: Path) -> list[bytes | memoryview]:
    images = npz_arrays.read_byte_strings(archive, path, "images_jpeg_bytes", MAX_FRAMES)
    for number, data in enumerate(images):
        if (bytes(data[:2]), bytes(data[-2:])) != _JPEG_ENDS:
            raise bad(path, f"image {number} is not a whole JPEG")
    sizes = [jpeg.read_size(data, f"{path}: image {k}") for k, data in enumerate(images)]
    for number, (width, height) in enumerate(sizes):
        if (width, height) != sizes[0]:
            raise bad(
                path, f"image {number} is {width}x{height}, the first {sizes[0][0]}x{sizes[0][1]}"
            )
    return images
