"""The info table: what is known about each scene (SPEC 3). This module owns its format.

One row and one row group a scene. Step 1 writes its objects and axis alignment, step 3 adds camera
and frames (`SCHEMA`). Matrices are stored by row, boxes as centre, size (metres) and NYU40 id.
`scenes_<split>_info*.pkl` holds the same for users, as {scene: {object_id: {...}, ...}}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from spatial_engine.errors import BadDataError
from spatial_engine.utils.storage.files import atomic_path, check_id
from spatial_engine.utils.tables.parquet.table_writer import (
    DIGEST,
    Source,
    merge_parts,
    write_part,
    write_scenes,
)
from spatial_engine.utils.tables.scene_table import SceneTable

MAX_BYTES = 2**25  # of a scene as a table; 6,000 frames take 2 MB
BOXES = ("aligned_bbox", "unaligned_bbox")
SIZES = ("color_size", "depth_size")
PATHS = ("image_path", "depth_image_path")
CAMERA = "intrinsic_matrix"  # of a scene, and of a frame where they differ
_NO_BOX = np.full(7, np.nan)  # the engine does not read it
_FORM = "its form is told in spatial_engine/utils/scannet_utils/README.md"
_KEYS = (*BOXES, "raw_category", "axis_align_matrix", "num_objects", "points_digest")


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


def _numbers(kind: pa.DataType, count: int) -> pa.DataType:
    return pa.list_(_required("element", kind), count)


def _rows_of_numbers(kind: pa.DataType, count: int) -> pa.DataType:
    return pa.list_(_required("element", _numbers(kind, count)))


def _rows(*fields: pa.Field) -> pa.DataType:
    return pa.list_(_required("element", pa.struct(list(fields))))


_MATRIX = _numbers(pa.float64(), 16)
_OBJECT = (
    _required("object_id", pa.int32()),
    *(_required(box, _numbers(pa.float64(), 7)) for box in BOXES),
    _required("raw_category", pa.string()),
)
_FRAME = (
    _required("image_id", pa.string()),
    *(_required(path, pa.string()) for path in PATHS),
    _required("extrinsic_matrix", _MATRIX),
)
OBJECTS_SCHEMA = pa.schema(
    [
        _required("scene_id", pa.string()),
        _required("objects", _rows(*_OBJECT)),
        _required("axis_align_matrix", _MATRIX),
        _required("points_digest", pa.string()),  # empty where it is not known
    ]
)
SCHEMA = pa.schema(
    [
        *OBJECTS_SCHEMA,
        _required("intrinsic_matrix", _MATRIX),
        _required("frames", _rows(*_FRAME)),
        _required("color_size", _numbers(pa.int32(), 2)),  # width, height
        _required("depth_size", _numbers(pa.int32(), 2)),
    ]
)
# Of data sets whose cameras may differ by frame: a matrix for each frame.
FRAME_CAMERAS = _required("frame_intrinsics", _rows_of_numbers(pa.float64(), 16))
_ENCODING = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": False,
    "write_statistics": False,
}


def write_scene_info(path: Path, scene_id: str, info: Mapping[Any, Any]) -> None:
    """Write one scene's part, from the info as a dictionary: with frames where it has them."""
    write_part(path, _as_table(scene_id, info), scene_id, {}, **_ENCODING)


def merge_infos(parts: Sequence[Source], output: Path) -> None:
    """Join the scenes' parts into a table."""
    merge_parts(parts, output)


def write_infos(infos: Mapping[str, Mapping[Any, Any]], output: Path) -> None:
    """Write the table of infos of another source, dictionaries as the pickles hold them, for
    example `pickle.load` of a file that you trust. Raises `BadDataError` for anything else."""
    if not isinstance(infos, Mapping) or not infos:
        raise BadDataError(f"{output}: not made, there is no dictionary of scenes to write")
    names = [check_id(scene_id, output) for scene_id in infos]
    tables = {scene_id: _as_table(scene_id, infos[scene_id]) for scene_id in names}
    schema = tables[names[0]].schema
    if odd := [scene_id for scene_id in names if tables[scene_id].schema != schema]:
        raise BadDataError(f"{output}: not made, {names[0]} or {odd[0]} has no images_info")
    scenes = [(name, {}, tables[name]) for name in names]
    with atomic_path(output) as partial:
        write_scenes(partial, schema, scenes, **_ENCODING)


class SceneInfos(Mapping[str, dict[Any, Any]]):
    """Infos by scene, as the pickles hold them, read one at a time; the last stays in memory.

    Small enough to be sent to a worker. Raises `MissingInputError` where there is no table and
    `BadDataError` where it, or a scene in it, is damaged, or when it has changed since.
    """

    def __init__(self, path: Path, remedy: str, *, with_images: bool = True):
        self.path, self._remedy, self._with_images = path, remedy, with_images
        self._table: SceneTable | None = self._open()
        self._ids = dict.fromkeys(self._table.scene_ids)  # in order, and found at once
        self._state = _state_of(path)
        self._last: tuple[str, dict[Any, Any]] | None = None

    def only(self, scene_ids: Iterable[str]) -> SceneInfos:
        """A few of the scenes."""
        few = SceneInfos.__new__(SceneInfos)
        few.__dict__ = {**self.__dict__, "_ids": dict.fromkeys(scene_ids), "_last": None}
        return few

    def __getitem__(self, scene_id: str) -> dict[Any, Any]:
        if scene_id not in self._ids:
            raise KeyError(scene_id)
        if self._last is None or self._last[0] != scene_id:
            self._last = None  # its memory is free before the next is read
            self._last = (scene_id, self._read(scene_id))
        return self._last[1]

    def digest(self, scene_id: str) -> str:
        """Digest of what the table holds of a scene, as it is written: nothing is read for it."""
        self._table = self._table or self._open()
        digest = self._table.facts(scene_id).get(DIGEST)
        if not isinstance(digest, str):
            raise BadDataError(f"{self.path}: has no digest of {scene_id}; {self._remedy}")
        return digest

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, scene_id: object) -> bool:
        return scene_id in self._ids

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_table": None, "_last": None}

    @property
    def _schema(self) -> pa.Schema:  # not sent to a worker: a pickled one is another
        return SCHEMA if self._with_images else OBJECTS_SCHEMA

    def _open(self) -> SceneTable:
        return SceneTable(self.path, self._remedy, schema=self._schema, optional=[FRAME_CAMERAS])

    def _read(self, scene_id: str) -> dict[Any, Any]:
        if _state_of(self.path) != self._state:
            raise BadDataError(f"{self.path}: has changed since it was opened; start again")
        if self._table is None:  # in a worker
            self._table = self._open()
        optional = {FRAME_CAMERAS.name} & set(self._table.column_names)
        names = [*self._schema.names, *(optional if self._with_images else ())]
        rows = self._table.read(scene_id, names, MAX_BYTES)
        if len(rows) != 1:
            raise BadDataError(
                f"{self.path}: {scene_id} has {len(rows)} rows instead of one; {self._remedy}"
            )
        return _as_dictionary(rows)


def _as_table(scene_id: str, info: Mapping[Any, Any]) -> pa.Table:
    """The row of a scene; `BadDataError` for an info that lacks something or holds another kind."""
    try:
        objects = {key: value for key, value in info.items() if isinstance(key, int)}
        row = {
            "scene_id": scene_id,
            "objects": [
                {
                    "object_id": object_id,
                    "aligned_bbox": _flat(one["aligned_bbox"], (7,)),
                    "unaligned_bbox": _flat(one.get("unaligned_bbox", _NO_BOX), (7,)),
                    "raw_category": _text(one["raw_category"]),
                }
                for object_id, one in objects.items()
            ],
            "axis_align_matrix": _flat(info["axis_align_matrix"], (4, 4)),
            "points_digest": info.get("points_digest") or "",
        }
        if "images_info" not in info:
            return pa.Table.from_pylist([row], OBJECTS_SCHEMA)
        row |= {
            "intrinsic_matrix": _flat(info["intrinsic_matrix"], (4, 4)),
            "frames": [
                {
                    "image_id": _text(image_id),
                    **{path: _text(frame[path]) for path in PATHS},
                    "extrinsic_matrix": _flat(frame["extrinsic_matrix"], (4, 4)),
                }
                for image_id, frame in info["images_info"].items()
            ],
            **{size: [index(side) for side in info[size]] for size in SIZES},
        }
        cameras = [frame.get(CAMERA) for frame in info["images_info"].values()]
        if all(camera is None for camera in cameras):
            return pa.Table.from_pylist([row], SCHEMA)
        row[FRAME_CAMERAS.name] = [_flat(camera, (4, 4)) for camera in cameras]
        return pa.Table.from_pylist([row], SCHEMA.append(FRAME_CAMERAS))
    except KeyError as error:
        cause = f"it has no {error.args[0]}"
    except (AttributeError, TypeError, ValueError, OverflowError, pa.ArrowException) as error:
        cause = str(error)
    raise BadDataError(f"scene info: {scene_id} cannot be written ({cause}); {_FORM}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} where a text must be")
    return value


def _flat(array: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(array)
    if array.shape != shape or array.dtype.kind not in "iuf":
        raise ValueError(f"an array {array.shape} of {array.dtype} instead of {shape} numbers")
    return array.astype(np.float64).ravel()


def _as_dictionary(rows: pa.Table) -> dict[Any, Any]:
    """What stands in the pickle for one scene.

    A pickle stores what is one object once. So that its bytes do not depend on which scenes it
    holds, each scene has keys and types of numbers of its own: one type for what step 1 tells, and
    one for what step 3 adds.
    """
    key = {name: _copied(name) for name in _KEYS}
    objects, kind = _values(rows, "objects"), _own_kind()
    boxes = {key[box]: _arrays(objects, box, (7,), kind) for box in BOXES}
    ids, categories = (objects.field(n).to_pylist() for n in ("object_id", "raw_category"))
    info: dict[Any, Any] = {
        object_id: {
            **{box: arrays[k] for box, arrays in boxes.items()},
            key["raw_category"]: categories[k],
        }
        for k, object_id in enumerate(ids)
    }
    info[key["axis_align_matrix"]] = _arrays(rows, "axis_align_matrix", (4, 4), kind)[0]
    info[key["num_objects"]] = len(ids)
    if digest := rows["points_digest"][0].as_py():
        info[key["points_digest"]] = digest
    if "frames" in rows.column_names:
        info |= _images(rows)
    return info


def _images(rows: pa.Table) -> dict[str, Any]:
    """What step 3 adds: camera and frames."""
    frames, kind = _values(rows, "frames"), _own_kind()
    poses = _arrays(frames, "extrinsic_matrix", (4, 4), kind)
    cameras: list[dict[str, Any]] = [{} for _ in poses]
    if FRAME_CAMERAS.name in rows.column_names:
        values = _arrays(rows, FRAME_CAMERAS.name, (4, 4), kind)
        if len(values) != len(poses):
            raise BadDataError(f"scene info: {len(values)} cameras of {len(poses)} frames; {_FORM}")
        cameras = [{CAMERA: camera} for camera in values]
    ids, *paths = (frames.field(name).to_pylist() for name in ("image_id", *PATHS))
    return {
        "num_posed_images": len(ids),
        "intrinsic_matrix": _arrays(rows, "intrinsic_matrix", (4, 4), kind)[0],
        "images_info": {
            image_id: {
                **dict(zip(PATHS, texts, strict=True)),
                "extrinsic_matrix": pose,
                **camera,
            }
            for image_id, pose, camera, *texts in zip(ids, poses, cameras, *paths, strict=True)
        },
        **{size: tuple(rows[size][0].as_py()) for size in SIZES},
    }


def _copied(text: str) -> str:
    return text.encode().decode()


def _own_kind() -> np.dtype:
    """float64, as an object of its own."""
    return np.dtype(np.float64).newbyteorder("<")


def _values(rows: pa.Table, name: str) -> pa.StructArray:
    """The objects or frames of a scene."""
    return rows[name].combine_chunks().flatten()


def _arrays(
    rows: pa.Table | pa.StructArray, name: str, shape: tuple[int, ...], kind: np.dtype
) -> list[np.ndarray]:
    """The arrays of a column, each with memory of its own."""
    column = rows[name].combine_chunks() if isinstance(rows, pa.Table) else rows.field(name)
    while pa.types.is_nested(column.type):
        column = column.flatten()
    numbers = column.to_numpy(zero_copy_only=False).view(kind).reshape(-1, *shape)
    return [array.copy() for array in numbers]


def _state_of(path: Path) -> tuple[int, int] | None:
    """(size, mtime in ns) of a file, None without it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
