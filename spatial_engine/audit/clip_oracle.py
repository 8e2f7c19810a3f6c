"""What a raw TAPVid-3D clip says, read and computed in the plainest way there is.

Reads, under `root`:
    data/tapvid3d_dataset/<set>/<clip>.npz                 one clip; <set> is adt or pstudio
    data/tapvid3d_dataset/meta_data/<set>/<split>.txt      clip ids of a split, one a line
Writes nothing. Imports only the standard library, numpy and Pillow (the size of an image): its own
`.npz` reader, so that a bug in a library or in the engine's readers shows as a difference, and
no file can run code. Cost: rigid groups of 1000 points in 300 frames take half a minute.

Frames of reference: `cam` is x right, y down, z forward, of each frame; `world` is that of
`extrinsics_w2c`, and of pstudio the cam of all its frames. Metres, float64. Pixels are u, v.

How docs/spec.md was read where it leaves a choice, by section:
- 9 pstudio is static: identity: whatever its file holds under extrinsics_w2c is not read.
- 9 world = extrinsics_w2c^-1 is the inverse of the 4x4 matrix, not its transposed rotation.
- 9.6 impossible input: a camera that the images cannot have, extrinsics that are no rigid motion,
  a query more than 3 px from its point that is visible there, and visible points half of which are
  over 100 m away end the reading of the clip.
- 9.2 the distances are those in camera coordinates, which no rigid motion of a camera changes.
  Two points of which no two frames in a row are known are 10 m apart. Points finite in no frame
  belong to no group. Clusters are merged while the least mean is at most 0.1.
- 9.2 which of several equal least means is merged first: any. `groupings` holds the groups of some
  orders, and what follows from one of them is right.
"""

from __future__ import annotations

import ast
import pickle
import re
import struct
import zipfile
from functools import cached_property
from pathlib import Path

import numpy as np

from spatial_engine.audit.pictures import PictureError, jpeg_size, read_jpeg
from spatial_engine.audit.plain_unpickler import PlainUnpickler
from spatial_engine.audit.scannet_oracle import (
    MAX_FRAMES,
    RawDataError,
    check_camera,
    check_rigid,
    is_sound,
    read_ids,
)

DATASETS = ("adt", "pstudio")
STILL_M = 0.01  # a change of distance up to this is noise
CUT = 0.1  # m, of the mean over two clusters
NEVER_KNOWN_M = 10.0
GROUP_OVER = 5  # points; larger groups are kept
BORDER_TIE = 1e-6  # px
FAR_M = 100.0  # half of what is visible is nearer, or the unit is no metre
QUERY_SLACK = 3.0  # px between a query and the projection of its point, where that is visible
# Sizes are claims of a file; beyond these nothing is read.
MAX_MEMBER_BYTES = 2**28  # of an array
MAX_VALUES = 2**26  # numbers of an array, eight bytes each
MAX_GROUPED = 4000  # points of a clip whose groups are looked for: memory grows with the square
_NUMBERS = r"[<>=|]?(?:b1|\?|[iu][1248]|f[248])"


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
        self._shown: dict[tuple[float, float], np.ndarray] = {}
        self.path = Path(root) / "data" / "tapvid3d_dataset" / dataset / f"{clip_id}.npz"
        self.tracks = self._numbers("tracks_XYZ", 3)
        frames, points = self.tracks.shape[:2]
        if frames > MAX_FRAMES:
            raise RawDataError(f"{self.path}: {frames} frames")
        self._wants("tracks_XYZ", self.tracks, (frames, points, 3))
        known = np.isfinite(self.tracks).all(axis=2)
        self._bounded("tracks_XYZ", self.tracks[known])
        self.tracks[~known] = np.nan
        self.visibility = self._numbers("visibility", 2) != 0
        self._wants("visibility", self.visibility, (frames, points))
        depths = self.tracks[..., 2][self.visibility & known]
        if len(depths) and np.median(depths) > FAR_M:
            raise RawDataError(f"{self.path}: points at {np.median(depths):g} m are not in metres")
        self.intrinsics = self._numbers("fx_fy_cx_cy", 1)
        self._wants("fx_fy_cx_cy", self.intrinsics, (4,))
        self._bounded("fx_fy_cx_cy", self.intrinsics)
        self.cam_from_world = np.tile(np.eye(4), (frames, 1, 1))
        if dataset == "adt":
            self.cam_from_world = self._numbers("extrinsics_w2c", 3)
            self._wants("extrinsics_w2c", self.cam_from_world, (frames, 4, 4))
            self._bounded("extrinsics_w2c", self.cam_from_world)
        for frame, matrix in enumerate(self.cam_from_world):
            check_rigid(f"{self.path}: extrinsics_w2c of frame {frame}", matrix)
        self.world_from_cam = np.linalg.inv(self.cam_from_world)
        self._check_queries()

    def _check_queries(self) -> None:
        """Every query of a point visible in its frame is where the point is; none is demanded."""
        if "queries_xyt.npy" not in self._names():
            return
        queries = self._numbers("queries_xyt", 2)
        frames, points = self.visibility.shape
        self._wants("queries_xyt", queries, (points, 3))
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

    def _names(self) -> list[str]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.namelist()
        except Exception as err:  # a damaged archive can raise almost anything
            raise RawDataError(f"{self.path}: {str(err) or type(err).__name__}") from err

    def _member(self, name: str) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive:
                info = archive.getinfo(f"{name}.npy")
                if info.file_size > MAX_MEMBER_BYTES:
                    raise RawDataError(f"{self.path}: {name} has {info.file_size} bytes")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise RawDataError(f"{self.path}: {name}: compression {info.compress_type}")
                with archive.open(info) as member:  # read(n) inflates no more than n bytes
                    return member.read(info.file_size)
        except KeyError:
            raise RawDataError(f"{self.path}: holds no {name}") from None
        except RawDataError:
            raise
        except Exception as err:  # a damaged archive can raise almost anything
            raise RawDataError(f"{self.path}: {name}: {str(err) or type(err).__name__}") from err

    def _numbers(self, name: str, dimensions: int) -> np.ndarray:
        """An array of numbers or truth values, as float64."""
        descr, fortran, shape, data = self._parsed(name)
        if not re.fullmatch(_NUMBERS, descr) or len(shape) != dimensions:
            raise RawDataError(f"{self.path}: {name} is {descr} {shape}")
        if np.prod([max(side, 1) for side in shape], dtype=object) > MAX_VALUES:
            raise RawDataError(f"{self.path}: {name} is {shape}, at most {MAX_VALUES} are read")
        dtype, count = np.dtype(descr), int(np.prod(shape, dtype=object))
        if len(data) != count * dtype.itemsize:
            raise RawDataError(f"{self.path}: {name} has {len(data)} bytes, {descr} {shape}")
        flat = np.frombuffer(data, dtype)
        return flat.reshape(shape, order="F" if fortran else "C").astype(np.float64)

    def _parsed(self, name: str) -> tuple[str, bool, tuple[int, ...], bytes]:
        content = self._member(name)
        try:
            return parse_npy(content)
        except ValueError as err:
            raise RawDataError(f"{self.path}: {name}: {err}") from err

    def _bounded(self, name: str, array: np.ndarray) -> None:
        if not is_sound(array):
            raise RawDataError(f"{self.path}: {name} is beyond all bounds")

    def _wants(self, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
        if array.shape != shape:
            raise RawDataError(f"{self.path}: {name} is {array.shape}, expected {shape}")

    # ---- images ----

    @cached_property
    def jpegs(self) -> list[bytes]:
        """The JPEG of each frame, without zero bytes at the end."""
        descr, _, shape, data = self._parsed("images_jpeg_bytes")
        frames = len(self.tracks)
        if shape != (frames,):
            raise RawDataError(f"{self.path}: images {shape} of {frames} frames")
        if descr == "|O":
            try:
                images = object_array(data)
            except RawDataError as err:
                raise RawDataError(f"{self.path}: images_jpeg_bytes: {err}") from err
        elif match := re.fullmatch(r"\|S([0-9]{1,9})", descr):
            size = int(match.group(1))
            if len(data) != frames * size:
                raise RawDataError(f"{self.path}: images of {len(data)} bytes, {descr} {shape}")
            images = [data[start * size : (start + 1) * size] for start in range(frames)]
        else:
            raise RawDataError(f"{self.path}: images_jpeg_bytes is {descr} {shape}")
        if len(images) != frames:
            raise RawDataError(f"{self.path}: {len(images)} images of {frames} frames")
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

    def shown(self, margin: float = 0.0, slack: float = BORDER_TIE) -> np.ndarray:
        """(T, N) bool: visible, its place known, and its projection within the image.

        margin: px; 0 asks for 0 <= u < W, more for margin <= u <= W - 1 - margin, and v likewise.
        slack: px by which it may be outside all the same; below 0, by which it must be inside.
        """
        if (margin, slack) not in self._shown:
            size = np.array(self.image_size, dtype=np.float64)
            high = size - 1 - margin if margin else np.nextafter(size, 0)
            with np.errstate(invalid="ignore"):
                inside = (self.pixels >= margin - slack) & (self.pixels <= high + slack)
            known = np.isfinite(self.world).all(axis=2)
            self._shown[margin, slack] = self.visibility & known & inside.all(axis=2)
        return self._shown[margin, slack]

    def displacement(self, frame1: int, frame2: int) -> np.ndarray:
        """(N, 3) metres each point moves in the world, in the axes of the camera of frame1."""
        moved = self.world[frame2] - self.world[frame1]
        return moved @ self.cam_from_world[frame1, :3, :3].T

    def camera_displacement(self, frame1: int, frame2: int) -> float:
        """Metres that the camera moves."""
        origins = self.world_from_cam[[frame1, frame2], :3, 3]
        return float(np.linalg.norm(origins[1] - origins[0]))

    # ---- rigid bodies ----

    def rigid_groups(self) -> list[frozenset[int]]:
        """The kept groups of SPEC 9.2, each a set of point numbers, the larger ones first."""
        return self.groupings[0]

    @cached_property
    def groupings(self) -> list[list[frozenset[int]]]:
        """The kept groups for some orders of merging what is equally near; mostly one is there."""
        if self.tracks.shape[1] > MAX_GROUPED:
            points = self.tracks.shape[1]
            raise RawDataError(f"{self.path}: {points} points, at most {MAX_GROUPED} are grouped")
        known = np.flatnonzero(np.isfinite(self.tracks).all(axis=2).any(axis=0))
        values = distance_changes(self.tracks)
        orders = [known, known[::-1], np.random.default_rng(0).permutation(known)]
        found: list[list[frozenset[int]]] = []
        for order in orders:
            clusters = average_linkage(values, order)
            kept = [frozenset(cluster) for cluster in clusters if len(cluster) > GROUP_OVER]
            kept.sort(key=lambda group: (-len(group), min(group)))
            if kept not in found:
                found.append(kept)
        return found


def distance_changes(tracks: np.ndarray) -> np.ndarray:
    """(N, N) metres by which the distance of two points changes, summed over t-1 to t."""
    count = tracks.shape[1]
    finite = np.isfinite(tracks).all(axis=2)
    values = np.zeros((count, count))
    for a in range(count):
        for b in range(a + 1, count):
            known = finite[:, a] & finite[:, b]
            steps = known[1:] & known[:-1]
            if not steps.any():
                values[a, b] = values[b, a] = NEVER_KNOWN_M
                continue
            with np.errstate(invalid="ignore"):
                distance = np.sqrt(((tracks[:, a] - tracks[:, b]) ** 2).sum(axis=1))
                change = np.abs(distance[1:] - distance[:-1])[steps]
            values[a, b] = values[b, a] = change[change > STILL_M].sum()
    return values


def average_linkage(values: np.ndarray, order: np.ndarray) -> list[list[int]]:
    """Clusters of the points in `order`: the two of the least mean value are merged, up to CUT.

    values: (N, N) between points. Of equally near clusters the first in `order` are merged.
    """
    clusters = [[int(point)] for point in order]
    sums = values[np.ix_(order, order)].copy()  # over all pairs of points of two clusters
    while len(clusters) > 1:
        sizes = np.array([len(cluster) for cluster in clusters])
        means = sums / np.outer(sizes, sizes)
        np.fill_diagonal(means, np.inf)
        a, b = sorted(int(k) for k in np.unravel_index(means.argmin(), means.shape))
        if means[a, b] > CUT:
            break
        clusters[a] += clusters.pop(b)
        sums[a] += sums[b]
        sums[:, a] += sums[:, b]
        sums = np.delete(np.delete(sums, b, axis=0), b, axis=1)
    return clusters


# ---- files ---------------------------------------------------------------------------------------


def read_clip_list(root: str | Path, dataset: str, split: str) -> list[str]:
    """Clip ids of a split, in file order."""
    folder = Path(root) / "data" / "tapvid3d_dataset" / "meta_data" / dataset
    return read_ids(folder / f"{split}.txt")


def parse_npy(content: bytes) -> tuple[str, bool, tuple[int, ...], bytes]:
    """(type, whether in Fortran order, shape, data) of an `.npy` file."""
    if content[:6] != b"\x93NUMPY" or len(content) < 12 or content[6] not in (1, 2, 3):
        raise ValueError("is not an .npy file")
    start = 10 if content[6] == 1 else 12
    (size,) = struct.unpack_from("<H" if content[6] == 1 else "<I", content, 8)
    if size > 10_000 or start + size > len(content):
        raise ValueError(f"a header of {size} bytes")
    try:
        header = ast.literal_eval(content[start : start + size].decode("utf-8").strip())
        descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    except (SyntaxError, ValueError, KeyError, TypeError, MemoryError, RecursionError) as err:
        raise ValueError(f"header: {err}") from err
    sizes = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
    if not isinstance(descr, str) or type(fortran) is not bool or not sizes:
        raise ValueError(f"header: {header!r}")
    return descr, fortran, shape, content[start + size :]


class _Named:
    """Stands for what a pickled array names (numpy's array and type), and keeps its state."""

    state: object = None

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        self.state = state


class _ArrayUnpickler(PlainUnpickler):
    """Builds plain data and, for an array of objects, a `_Named`; runs nothing of any library."""

    dispatch = PlainUnpickler.allowing(pickle.REDUCE + pickle.BUILD)

    def find_class(self, module: str, name: str) -> type[_Named]:
        arrays = ("numpy.core.multiarray", "numpy._core.multiarray")
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")) or (
            module in arrays and name == "_reconstruct"
        ):
            return _Named
        raise pickle.UnpicklingError(f"holds {module}.{name}, which is no array")


def object_array(data: bytes) -> list[bytes]:
    """The bytes objects of a pickled one-dimensional array."""
    try:
        state = _ArrayUnpickler(data).load().state
        *_, shape, _, _, items = state
        if shape != (len(items),) or not all(type(item) is bytes for item in items):
            raise RawDataError("is no row of bytes objects")
        if sum(map(len, items)) > MAX_MEMBER_BYTES:  # one may stand there many times
            raise RawDataError(f"is of more than {MAX_MEMBER_BYTES} bytes")
    except RawDataError:
        raise
    except Exception as err:  # a damaged pickle can raise almost anything
        raise RawDataError(f"cannot be unpickled: {str(err) or type(err).__name__}") from err
    return list(items)
