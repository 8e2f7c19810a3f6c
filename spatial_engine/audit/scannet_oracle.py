"""What a raw ScanNet scene says, read and computed in the plainest way there is.

Reads, under `root`:
    data/scannet/scans/<scene>/<scene>.sens                           frames, poses, cameras
    data/scannet/scans/<scene>/<scene>.txt                            axis alignment
    data/scannet/scans/<scene>/<scene>_vh_clean_2.ply                 mesh vertices
    data/scannet/scans/<scene>/<scene>_vh_clean_2.0.010000.segs.json  segment of each vertex
    data/scannet/scans/<scene>/<scene>.aggregation.json               segments of each object
    data/scannet/meta_data/scannetv2-labels.combined.tsv              NYU40 ids, if asked for
    data/scannet/posed_images/<scene>/                                names of frames, if there
Writes nothing. Imports only the standard library and numpy: its own `.sens` and `.ply` readers,
so that a bug in a library or in the engine's readers shows as a difference.

Frames of reference: `world` is the axis-aligned scene frame (metres, z up); `cam` is x right,
y down, z forward. `world_from_cam = axis_align @ pose`.

How docs/spec.md was read where it leaves a choice, by section:
- 3.1 the later one wins: later in the order of `segGroups` in the aggregation file, whatever the
  objectId. Boxes are taken after that, from the vertices an object keeps.
- 3.4 impossible input: a D5 pose that can be used, or an axis alignment, that is not
  rigid, and a camera that its images cannot have, end the reading of the scene. Other frames are
  not read.
- 4 an all-zero rotation: a singular one counts as that, too.
- 3.1 identity where the file has none: a `.txt` without the key; a missing `.txt` is an error.
- 3.1 a label that the table has only without its capitals, or the blanks around it, has that id.
- An aggregation in which a third of the objects or more have no vertex is of another mesh and is
  refused; one object alone may be so.
- 3.2 a frame's name is its number in the `.sens` with any zeros before it ("5", "00005"). Frames
  that posed_images does not hold, as of a larger FRAME_SKIP, are in no table.
- 3.2 "rescaled": value * 1000 / shift, rounded to the nearest whole millimetre, at most 65535. An
  exact half may go either way: `depth_mm` goes to even, `visible_points` allows both.
- 4 a rounding tie: within 0.001 depth pixels of one. A point near a tie, or near the border,
  whose answer is the same on both sides is not a tie: that answer is required.
- 4 within 0.1 mm of the depth: of a measured depth; with depth 0 a point is never visible.
- 4 z > 0 has no tolerance.
"""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

# SPEC 4: inside these, either answer about a vertex is right.
DEPTH_TIE_M = 1e-4
PIXEL_TIE = 1e-3

# Sizes are claims of a file; beyond these nothing is read.
MAX_SIDE, MAX_PIXELS = 8192, 2**24  # of a picture; each of its pixels takes 24 bytes and more
MAX_FRAMES = 100_000
MAX_OBJECTS = 100_000  # object ids are below
MAX_PLY_HEADER = 2**20
MAX_MAGNITUDE = 1e100  # of metres and the like: products of three are still float64
NYU40 = 40
FOREIGN_SHARE = 3  # 1 of so many objects without vertices: the aggregation is of another mesh

FRAME_PATTERN = "[0-9]{1,200}"  # name of a frame, within a regular expression
# What no pose and no camera can be (SPEC 3.4); beyond these a file is refused.
RIGID_SLACK = 1e-3  # of the products of two axes
EXACT_SLACK = 1e-6  # of what is 0 or 1 in every pose and camera
SINGULAR_RATIO = 1e-5  # of the least to the largest singular value; singular up to here
MAX_METRES = 1e8  # from the origin to a camera
LEAST_FOCAL, MOST_FOCAL = 10.0, 1e6  # px
# Of a side of the image: no principal point is so near the border, nor so far from the centre in
# both directions.
BORDER, OFF_CENTRE = 0.05, 0.12

FRAME_STEP = 5  # "D5": every later step of the engine reads frames 0, 5, 10, ...
MAX_PNG_MM = 65535

_FRAME_HEADER_BYTES = 64 + 4 * 8  # pose, then four u64: two times, two sizes
_PLY_CODES = {
    "char": "b", "int8": "b", "uchar": "B", "uint8": "B",
    "short": "h", "int16": "h", "ushort": "H", "uint16": "H",
    "int": "i", "int32": "i", "uint": "I", "uint32": "I",
    "float": "f", "float32": "f", "double": "d", "float64": "d",
}  # fmt: skip


class RawDataError(ValueError):
    """A raw file is missing, truncated or not as in docs/formats.md; names file and cause."""


def frame_of(name: object) -> str | None:
    """The id ("00005") of the frame that a name means, which is its number with any zeros before
    it; None for anything that is not a number."""
    if not isinstance(name, str) or not re.fullmatch(FRAME_PATTERN, name):
        return None
    return f"{int(name):05d}"


class FrameRecord(NamedTuple):
    """Where one frame's data lies in the `.sens` file, in bytes from its start."""

    colour_offset: int
    colour_bytes: int
    depth_offset: int
    depth_bytes: int


class Visible(NamedTuple):
    """Vertex indices seen by one frame, each (n,) int32 ascending.

    plain: by float64, no tolerance. must: every admissible computation sees them.
    ties: some admissible computation does and some does not. must <= plain <= must + ties.
    """

    plain: np.ndarray
    must: np.ndarray
    ties: np.ndarray


class OverlapBounds(NamedTuple):
    """Overlap of two frames in percent: by plain float64, and the least and most ties allow."""

    value: float
    low: float
    high: float


class RawScene:
    """One scene as the raw files have it.

    Attributes (float64 throughout):
        poses: (F, 4, 4) camera-to-world as recorded, NOT axis-aligned; may hold inf or NaN.
        axis_align: (4, 4) aligned-from-recorded world; identity where the `.txt` has none.
        colour_intrinsics: (3, 3), pixels. colour_size, depth_size: (width, height).
        depth_shift: units of a stored depth value per metre.
    Colour and depth are read frame by frame, by seeking; the mesh and the annotations on first use.
    """

    def __init__(self, root: str | Path, scene_id: str) -> None:
        self.root = Path(root)
        self.scene_id = scene_id
        if not re.fullmatch(r"[A-Za-z0-9_-]+", scene_id):
            raise RawDataError(f"{scene_id!r} is not a scene id")
        self._folder = self.root / "data" / "scannet" / "scans" / scene_id
        self._sens = self._folder / f"{scene_id}.sens"
        self._visible: dict[str, Visible] = {}
        self.axis_align = read_axis_alignment(self._folder / f"{scene_id}.txt")
        try:
            self._read_sens_headers()
        except OSError as err:
            raise RawDataError(f"{self._sens}: {err.strerror or err}") from err

    # ---- .sens ---------------------------------------------------------------------------------

    def _read_sens_headers(self) -> None:
        """Read the file header and every frame's header, stepping over the image data."""
        size = self._sens.stat().st_size
        with open(self._sens, "rb") as f:

            def read(fmt: str) -> tuple:
                data = f.read(struct.calcsize(fmt))
                if len(data) != struct.calcsize(fmt):
                    raise RawDataError(f"{self._sens}: ends inside a header at byte {f.tell()}")
                return struct.unpack(fmt, data)

            (version,) = read("<I")
            if version != 4:
                raise RawDataError(f"{self._sens}: version {version}, expected 4")
            (name_bytes,) = read("<Q")
            if name_bytes > size:
                raise RawDataError(f"{self._sens}: sensor name of {name_bytes} bytes")
            f.seek(name_bytes, 1)
            matrices = [np.array(read("<16f"), dtype=np.float64).reshape(4, 4) for _ in range(4)]
            self.colour_intrinsics = matrices[0][:3, :3]
            self._colour_compression, self._depth_compression = read("<ii")
            colour_w, colour_h, depth_w, depth_h = read("<IIII")
            self.colour_size = (colour_w, colour_h)
            self.depth_size = (depth_w, depth_h)
            for w, h in (self.colour_size, self.depth_size):
                if not (0 < w <= MAX_SIDE and 0 < h <= MAX_SIDE and w * h <= MAX_PIXELS):
                    raise RawDataError(f"{self._sens}: pictures of {w}x{h} pixels")
            check_camera(self._sens, matrices[0], self.colour_size)
            (self.depth_shift,) = read("<f")
            (num_frames,) = read("<Q")
            if num_frames > MAX_FRAMES or num_frames * _FRAME_HEADER_BYTES > size:
                raise RawDataError(f"{self._sens}: {num_frames} frames do not fit in {size} bytes")

            poses = []
            self._frames: list[FrameRecord] = []
            for index in range(num_frames):
                poses.append(np.array(read("<16f"), dtype=np.float64).reshape(4, 4))
                _, _, colour_bytes, depth_bytes = read("<QQQQ")
                start = f.tell()
                if start + colour_bytes + depth_bytes > size:
                    raise RawDataError(f"{self._sens}: ends inside frame {index}")
                depth_start = start + colour_bytes
                self._frames.append(FrameRecord(start, colour_bytes, depth_start, depth_bytes))
                f.seek(depth_start + depth_bytes)
        self.poses = np.array(poses, dtype=np.float64).reshape(-1, 4, 4)
        for frame_id in self.valid_frame_ids:
            check_rigid(f"{self._sens}: pose of frame {frame_id}", self.poses[int(frame_id)])

    def _index(self, frame_id: str) -> int:
        """Frame number of an id such as "00005"."""
        if frame_of(frame_id) is None:
            raise RawDataError(f"{self.scene_id}: {frame_id!r} is not a frame id")
        if int(frame_id) >= len(self._frames):
            raise RawDataError(
                f"{self.scene_id}: no frame {frame_id}, the .sens has {len(self._frames)}"
            )
        return int(frame_id)

    def _read_bytes(self, offset: int, count: int) -> bytes:
        with open(self._sens, "rb") as f:
            f.seek(offset)
            data = f.read(count)
        if len(data) != count:
            raise RawDataError(f"{self._sens}: {len(data)} of {count} bytes at {offset}")
        return data

    def frame_ids(self, step: int = FRAME_STEP) -> list[str]:
        """Ids of every `step`-th frame: "00000", "00005", ..."""
        return [f"{index:05d}" for index in range(0, len(self._frames), step)]

    def is_valid(self, frame_id: str) -> bool:
        """Whether the frame's pose can be used: all entries finite, rotation not singular."""
        return has_rotation(self.poses[self._index(frame_id)])

    @property
    def valid_frame_ids(self) -> list[str]:
        """The D5 frames (ids 0, 5, 10, ...) that were extracted and whose pose can be used."""
        there = self._extracted
        ids = [frame_id for frame_id in self.frame_ids() if there is None or frame_id in there]
        return [frame_id for frame_id in ids if self.is_valid(frame_id)]

    @cached_property
    def _extracted(self) -> set[str | None] | None:
        """Ids of the frames in posed_images; None where the scene has no folder there."""
        try:
            names = os.listdir(self.root / "data" / "scannet" / "posed_images" / self.scene_id)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return {frame_of(name[:-4]) for name in names if name.endswith(".jpg")}

    def world_from_cam(self, frame_id: str) -> np.ndarray:
        """(4, 4) axis-aligned camera-to-world pose, E of SPEC 4 and 5."""
        return self.axis_align @ self.poses[self._index(frame_id)]  # inf where the pose is

    def cam_from_world(self, frame_id: str) -> np.ndarray:
        """(4, 4) inverse of `world_from_cam`: a true inverse (SPEC 4), not a transpose.

        float32 rotations are not quite orthonormal; a transpose would be off by micrometres.
        """
        if not self.is_valid(frame_id):
            raise RawDataError(f"{self.scene_id}: frame {frame_id} has no valid pose")
        world_from_cam = self.world_from_cam(frame_id)
        try:
            cam_from_world = np.linalg.inv(world_from_cam)
        except np.linalg.LinAlgError as err:
            raise RawDataError(f"{self.scene_id}: pose of frame {frame_id} is singular") from err
        if not (is_sound(world_from_cam) and is_sound(cam_from_world)):
            raise RawDataError(f"{self.scene_id}: pose of frame {frame_id} is beyond all bounds")
        return cam_from_world

    def jpeg_bytes(self, frame_id: str) -> bytes:
        """The stored JPEG of a frame, byte for byte."""
        if self._colour_compression != 2:
            raise RawDataError(f"{self._sens}: colour compression {self._colour_compression}")
        frame = self._frames[self._index(frame_id)]
        return self._read_bytes(frame.colour_offset, frame.colour_bytes)

    def _exact_depth_mm(self, frame_id: str) -> np.ndarray:
        """(H, W) float64 depth in millimetres before rounding; 0 = not measured."""
        width, height = self.depth_size
        expected = width * height * 2
        frame = self._frames[self._index(frame_id)]
        if frame.depth_bytes == 0:
            return np.zeros((height, width), dtype=np.float64)
        data = self._read_bytes(frame.depth_offset, frame.depth_bytes)
        if self._depth_compression == 1:
            try:  # one byte more than wanted is enough to notice a frame that is too long
                data = zlib.decompressobj().decompress(data, expected + 1)
            except zlib.error as err:
                raise RawDataError(f"{self._sens}: depth of frame {frame_id}: {err}") from err
        elif self._depth_compression != 0:
            raise RawDataError(f"{self._sens}: depth compression {self._depth_compression}")
        if len(data) != expected:
            raise RawDataError(
                f"{self._sens}: depth of frame {frame_id} has {len(data)} bytes, not {expected}"
            )
        if not (np.isfinite(self.depth_shift) and self.depth_shift > 0):
            raise RawDataError(f"{self._sens}: depth shift {self.depth_shift}")
        stored = np.frombuffer(data, "<u2").reshape(height, width).astype(np.float64)
        return stored * 1000.0 / self.depth_shift

    def depth_mm(self, frame_id: str) -> np.ndarray:
        """(H, W) int64 depth in whole millimetres as SPEC 3.2 stores it; 0 = not measured."""
        exact = self._exact_depth_mm(frame_id)
        return np.clip(np.rint(exact), 0, MAX_PNG_MM).astype(np.int64)

    # ---- mesh and annotations ------------------------------------------------------------------

    @cached_property
    def vertices(self) -> np.ndarray:
        """(N, 3) mesh vertices in the recorded frame, metres."""
        return read_ply_vertices(self._folder / f"{self.scene_id}_vh_clean_2.ply")

    @cached_property
    def vertices_aligned(self) -> np.ndarray:
        """(N, 3) mesh vertices in the axis-aligned world, metres."""
        with np.errstate(over="ignore", invalid="ignore"):
            aligned = self.vertices @ self.axis_align[:3, :3].T + self.axis_align[:3, 3]
        if not is_sound(aligned):
            raise RawDataError(f"{self.scene_id}: aligned vertices are beyond all bounds")
        return aligned

    @cached_property
    def _groups(self) -> list[tuple[int, list[int], str]]:
        """(objectId, segments, label) of every annotated object, in file order."""
        path = self._folder / f"{self.scene_id}.aggregation.json"
        found = []
        for k, group in enumerate(_read_json_list(path, "segGroups")):
            if not isinstance(group, dict):
                raise RawDataError(f"{path}: segGroups[{k}] is no object")
            object_id, segments = group.get("objectId"), group.get("segments")
            if type(object_id) is not int or not 0 <= object_id < MAX_OBJECTS:
                raise RawDataError(f"{path}: segGroups[{k}]: no objectId below {MAX_OBJECTS}")
            if not isinstance(segments, list) or not all(type(s) is int for s in segments):
                raise RawDataError(f"{path}: segGroups[{k}]: segments are no list of int")
            if not isinstance(group.get("label"), str):
                raise RawDataError(f"{path}: segGroups[{k}]: no label")
            item = (object_id, segments, group["label"])
            if any(other != item for other in found if other[0] == object_id):
                raise RawDataError(f"{path}: two objects have the objectId {object_id}")
            found.append(item)
        return found

    @cached_property
    def instance_ids(self) -> np.ndarray:
        """(N,) int64 per vertex: objectId + 1, 0 = unannotated; a later claim wins."""
        path = self._folder / f"{self.scene_id}_vh_clean_2.0.010000.segs.json"
        segment_of_vertex = _read_json_list(path, "segIndices")
        if not all(type(segment) is int for segment in segment_of_vertex):
            raise RawDataError(f"{path}: segIndices are no list of int")
        if len(segment_of_vertex) != len(self.vertices):
            raise RawDataError(
                f"{path}: {len(segment_of_vertex)} segment ids, {len(self.vertices)} vertices"
            )
        there = set(segment_of_vertex)
        foreign = sum(there.isdisjoint(segments) for _, segments, _ in self._groups)
        few = foreign == 0 or (foreign == 1 < len(self._groups))
        if not few and foreign >= len(self._groups) / FOREIGN_SHARE:
            raise RawDataError(
                f"{path}: {foreign} of {len(self._groups)} objects have no vertex, so the "
                "aggregation is of another mesh"
            )
        owners: dict[int, int] = {}
        for object_id, segments, _ in self._groups:
            for segment in segments:
                owners[segment] = object_id + 1
        return np.array([owners.get(segment, 0) for segment in segment_of_vertex], dtype=np.int64)

    @property
    def raw_categories(self) -> dict[int, str]:
        """{objectId: label of the annotation}, objects without vertices included."""
        return {object_id: label for object_id, _, label in self._groups}

    @cached_property
    def object_boxes(self) -> dict[int, np.ndarray]:
        """{objectId: (6,) cx cy cz dx dy dz}, aligned world, metres; zeros without vertices."""
        boxes = {}
        for object_id in self.raw_categories:
            points = self.vertices_aligned[self.instance_ids == object_id + 1]
            if len(points) == 0:
                boxes[object_id] = np.zeros(6)
            else:
                low, high = points.min(axis=0), points.max(axis=0)
                boxes[object_id] = np.concatenate([(low + high) / 2, high - low])
        return boxes

    @cached_property
    def nyu40_ids(self) -> dict[int, int]:
        """{objectId: NYU40 id of its label}; 0 for a label that the label table does not have."""
        path = self.root / "data/scannet/meta_data/scannetv2-labels.combined.tsv"
        table = read_label_table(path)
        return {
            object_id: table.get(label, table.get(label.strip().lower(), 0))
            for object_id, label in self.raw_categories.items()
        }

    @property
    def semantic_ids(self) -> np.ndarray:
        """(N,) int64 NYU40 id per vertex; 0 = unannotated or label not in the table."""
        semantic = np.zeros(len(self.vertices), dtype=np.int64)
        for object_id, nyu40_id in self.nyu40_ids.items():
            semantic[self.instance_ids == object_id + 1] = nyu40_id
        return semantic


# ---- visibility ----------------------------------------------------------------------------------


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


def visible(scene: RawScene, frame_id: str) -> Visible:
    """SPEC 4 for every vertex and one frame; kept by the scene, a few 100 kB a frame."""
    if frame_id not in scene._visible:
        scene._visible[frame_id] = _compute_visible(scene, frame_id)
    return scene._visible[frame_id]


def _compute_visible(scene: RawScene, frame_id: str) -> Visible:
    u, v, z = project(scene, frame_id)
    width, height = scene.colour_size
    depth_width, depth_height = scene.depth_size

    # Depth in metres. Low and high differ only where rescaling to millimetres met an exact half.
    depth = scene.depth_mm(frame_id) / 1000.0
    exact_mm = scene._exact_depth_mm(frame_id)
    depth_low = np.clip(np.ceil(exact_mm - 0.5), 0, MAX_PNG_MM) / 1000.0
    depth_high = np.clip(np.floor(exact_mm + 0.5), 0, MAX_PNG_MM) / 1000.0

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


def overlap(scene: RawScene, frame_i: str, frame_j: str) -> OverlapBounds:
    """100 * |Vi & Vj| / |Vi | Vj| of two frames, and its range over all ways to break the ties.

    Both bounds are reached: least, when every tie is seen by exactly one frame where it can be;
    most, when what both can see is seen by both and no other tie is seen.
    """
    must_i, ties_i = visible_points(scene, frame_i)
    must_j, ties_j = visible_points(scene, frame_j)
    plain_i = set(visible(scene, frame_i).plain.tolist())
    plain_j = set(visible(scene, frame_j).plain.tolist())
    may_i, may_j = must_i | ties_i, must_j | ties_j
    return OverlapBounds(
        value=_percent(plain_i & plain_j, plain_i | plain_j),
        low=_percent(must_i & must_j, may_i | may_j),
        high=_percent(may_i & may_j, must_i | must_j | (may_i & may_j)),
    )


def _percent(part: set[int], whole: set[int]) -> float:
    """100 |part| / |whole|, 0 where the whole is empty."""
    return 100.0 * len(part) / len(whole) if whole else 0.0


# ---- small readers -------------------------------------------------------------------------------


def read_axis_alignment(path: str | Path) -> np.ndarray:
    """(4, 4) axis alignment of a `<scene>.txt`; identity where the file has none."""
    try:
        text = Path(path).read_bytes().decode("utf-8", errors="replace")
    except OSError as err:
        raise RawDataError(f"{path}: {err.strerror or err}") from err
    lines = text.removeprefix("\ufeff").splitlines()  # takes LF and CRLF
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "axisAlignment":
            try:
                matrix = np.array([float(word) for word in value.split()]).reshape(4, 4)
            except ValueError as err:
                raise RawDataError(f"{path}: axisAlignment is not 16 numbers") from err
            check_rigid(f"{path}: axisAlignment", matrix)
            return matrix
    if not any(re.match(r"\s*\w+\s*=", line) for line in lines):
        raise RawDataError(f"{path}: no line `key = value`")
    return np.eye(4)


def read_ply_vertices(path: str | Path) -> np.ndarray:
    """(N, 3) float64 x, y, z of a binary little-endian PLY whose first element is `vertex`."""
    try:
        data = Path(path).read_bytes()
    except OSError as err:
        raise RawDataError(f"{path}: {err.strerror or err}") from err
    end = data.find(b"end_header")
    body = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or not 0 <= end <= MAX_PLY_HEADER or body == 0:
        raise RawDataError(f"{path}: not a PLY file")
    count, element, names, codes = 0, None, [], "<"
    for line in data[:end].decode("ascii", errors="replace").splitlines():
        words = line.split()
        if words[:1] in (["element"], ["property"]) and len(words) < 3:
            raise RawDataError(f"{path}: header line {line!r}")
        if words[:1] == ["format"] and words[1:2] != ["binary_little_endian"]:
            raise RawDataError(f"{path}: format {' '.join(words[1:])}")
        if words[:1] == ["element"]:
            if element is None and words[1] != "vertex":
                raise RawDataError(f"{path}: first element is {words[1]}, not vertex")
            element = words[1]
            if element == "vertex":
                if not re.fullmatch("[0-9]{1,18}", words[2]):
                    raise RawDataError(f"{path}: {words[2][:80]!r} vertices")
                count = int(words[2])
        if words[:1] == ["property"] and element == "vertex":
            if words[1] not in _PLY_CODES:
                raise RawDataError(f"{path}: vertex property of type {words[1]}")
            codes += _PLY_CODES[words[1]]
            names.append(words[2])
    if not {"x", "y", "z"} <= set(names):
        raise RawDataError(f"{path}: vertices without x, y, z")
    stop = body + count * struct.calcsize(codes)
    if stop > len(data):
        raise RawDataError(f"{path}: {count} vertices do not fit in {len(data)} bytes")
    ix, iy, iz = names.index("x"), names.index("y"), names.index("z")
    rows = struct.iter_unpack(codes, data[body:stop])
    values = (value for r in rows for value in (r[ix], r[iy], r[iz]))
    vertices = np.fromiter(values, dtype=np.float64, count=3 * count).reshape(-1, 3)
    if not is_sound(vertices):
        raise RawDataError(f"{path}: a vertex is beyond all bounds")
    return vertices


def read_label_table(path: str | Path) -> dict[str, int]:
    """{raw_category: nyu40id} of the ScanNet label table (tab-separated, LF or CRLF)."""
    try:
        # read_text turned CRLF into LF
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as err:
        raise RawDataError(f"{path}: {err}") from err
    columns = lines[0].split("\t") if lines else []
    if "raw_category" not in columns or "nyu40id" not in columns:
        raise RawDataError(f"{path}: no columns raw_category and nyu40id, as in the v2 table")
    raw_category, nyu40id = columns.index("raw_category"), columns.index("nyu40id")
    rows = [line.split("\t") for line in lines[1:] if line.strip()]
    try:
        table = {row[raw_category]: int(row[nyu40id]) for row in rows}
    except (IndexError, ValueError) as err:
        raise RawDataError(f"{path}: {err}") from err
    if any(not 0 <= number <= NYU40 for number in table.values()):
        raise RawDataError(f"{path}: an nyu40id is not from 0 to {NYU40}")
    return table


def read_split_list(root: str | Path, split: str) -> list[str]:
    """Scene ids of `data/scannet/meta_data/scannetv2_{split}.txt`, in file order."""
    return read_ids(Path(root) / "data" / "scannet" / "meta_data" / f"scannetv2_{split}.txt")


def read_ids(path: Path) -> list[str]:
    """Ids of scenes or clips, one a line, in file order; each may be the name of a file."""
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except OSError as err:
        raise RawDataError(f"{path}: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise RawDataError(f"{path}: {err}") from err
    ids = [line.strip() for line in lines if line.strip()]
    for name in ids:
        if not re.fullmatch("[A-Za-z0-9_.+-]{1,200}", name) or name in (".", ".."):
            raise RawDataError(f"{path}: {name[:80]!r} is not an id")
    return ids


def has_rotation(pose: np.ndarray) -> bool:
    """Whether a (4, 4) matrix is finite and its rotation neither all zero nor singular."""
    if not np.isfinite(pose).all() or not pose[:3, :3].any():
        return False
    largest, _, least = np.linalg.svd(pose[:3, :3] / np.abs(pose[:3, :3]).max())[1]
    return bool(least > SINGULAR_RATIO * largest)


def check_rigid(what: str, matrix: np.ndarray) -> None:
    """Raise `RawDataError`, with the values, for a (4, 4) matrix that is not a rigid motion."""
    values = " ".join(f"{value:.6g}" for value in matrix.ravel())
    if not has_rotation(matrix):
        raise RawDataError(f"{what} has no rotation: {values}")
    if np.abs(matrix[3] - np.array([0.0, 0, 0, 1])).max() > EXACT_SLACK:
        raise RawDataError(f"{what} does not end with 0 0 0 1: {values}")
    if np.abs(matrix[:3, 3]).max() > MAX_METRES or np.abs(matrix[:3, :3]).max() > 2:
        raise RawDataError(f"{what} is far too large: {values}")
    x, y, z = matrix[:3, :3].T
    for one, other, wanted in ((x, x, 1), (y, y, 1), (z, z, 1), (x, y, 0), (x, z, 0), (y, z, 0)):
        if abs(one @ other - wanted) > RIGID_SLACK:
            raise RawDataError(f"{what} has axes that are not orthonormal: {values}")
    if np.cross(x, y) @ z < 0:
        raise RawDataError(f"{what} has mirrored axes: {values}")


def check_camera(path: Path, matrix: np.ndarray, size: tuple[int, int]) -> None:
    """Raise `RawDataError`, with the values, for intrinsics (3, 3) or (4, 4) that cannot be those
    of images of (width, height)."""
    values = " ".join(f"{value:.6g}" for value in matrix[:3, :3].ravel())
    values = f"intrinsics {values}, images of {size[0]}x{size[1]} pixels"
    zeros = np.array(matrix, dtype=np.float64) - np.eye(len(matrix))
    (fx, skew, cx), (_, fy, cy) = matrix[:2, :3]
    zeros[0, :3] = zeros[1, 1:3] = 0  # these may be anything else
    if not is_sound(matrix) or np.abs(zeros).max() > EXACT_SLACK:
        raise RawDataError(f"{path}: camera without the form of one: {values}")
    if not (LEAST_FOCAL <= fx <= MOST_FOCAL and LEAST_FOCAL <= fy <= MOST_FOCAL) or abs(skew) > fx:
        raise RawDataError(f"{path}: camera with an impossible focal length: {values}")
    shares = cx / size[0], cy / size[1]
    inside = all(BORDER <= share <= 1 - BORDER for share in shares)
    if not inside or all(abs(share - 0.5) > OFF_CENTRE for share in shares):
        raise RawDataError(f"{path}: principal point far from the centre: {values}")


def is_sound(values: np.ndarray) -> bool:
    """Whether all are numbers that can be reckoned with."""
    return bool((np.abs(values) <= MAX_MAGNITUDE).all())


def _read_json_list(path: Path, key: str) -> list:
    """The list under `key` of a JSON file."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as err:
        raise RawDataError(f"{path}: {err.strerror or err}") from err
    except (ValueError, RecursionError) as err:
        raise RawDataError(f"{path}: {err}") from err
    if not isinstance(content, dict) or not isinstance(content.get(key), list):
        raise RawDataError(f"{path}: no list {key}")
    for name in ("sceneId", "segmentsFile"):
        _check_origin(str(content.get(name, "")), path)
    return content[key]


def _check_origin(stated: str, path: Path) -> None:
    """Refuse an annotation file that says that it is of another scene or of the full mesh."""
    scenes = set(re.findall("scene[0-9]{4}_[0-9]{2}", stated))
    if re.match("scene[0-9]{4}_[0-9]{2}", path.name) and scenes - {path.name[:12]}:
        raise RawDataError(f"{path}: is of {min(scenes - {path.name[:12]})}")
    if "_vh_clean" in stated.replace("_vh_clean_2", ""):
        raise RawDataError(f"{path}: is of the full mesh {stated[:80]!r}")
