"""The coverage table: the minimal sets of images of each object, for one dimension (SPEC 8).

One owner. Columns `scene_id`, `object_id` (int32) and `image_ids` (list of strings), one row a set,
one row group a scene, which may be empty. The pickles beside such tables hold the same for users,
as `{scene: {object_id: {k: [(image_id, ...), ...]}}}` with sets of k images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from spatial_engine.errors import BadDataError
from spatial_engine.utils.tables.parquet.table_writer import Source, merge_parts, write_part
from spatial_engine.utils.tables.scene_table import SceneTable

SceneSets = dict[int, dict[int, list[tuple[str, ...]]]]

MAX_BYTES = 2**25  # of a scene as a table; 300 objects with all pairs of 25 images take 4 MB
_SCHEMA = pa.schema(
    [
        pa.field("scene_id", pa.string(), nullable=False),
        pa.field("object_id", pa.int32(), nullable=False),
        pa.field(
            "image_ids", pa.list_(pa.field("element", pa.string(), nullable=False)), nullable=False
        ),
    ]
)
_ENCODING = {"compression": "zstd", "compression_level": 1}


def write_scene_sets(path: Path, scene_id: str, by_object: SceneSets) -> None:
    """Write one scene's part."""
    rows = [
        (object_id, images)
        for object_id, by_count in by_object.items()
        for sets in by_count.values()
        for images in sets
    ]
    columns = {
        "scene_id": [scene_id] * len(rows),
        "object_id": [object_id for object_id, _ in rows],
        "image_ids": [images for _, images in rows],
    }
    write_part(path, pa.table(columns, schema=_SCHEMA), scene_id, {}, **_ENCODING)


def merge_sets(parts: Sequence[Source], output: Path, **remedy: str) -> None:
    """Join the scenes' parts into the table of a chunk, or scenes of chunks into that of all."""
    merge_parts(parts, output, **remedy)


def open_sets(path: Path, remedy: str) -> SceneTable:
    """A coverage table, to be read scene by scene with `read_scene_sets`."""
    return SceneTable(path, remedy, schema=_SCHEMA)


def read_scene_sets(table: SceneTable, scene_id: str) -> SceneSets:
    """The sets of a scene by object and number of images."""
    rows = table.read(scene_id, _SCHEMA.names, MAX_BYTES)
    found: SceneSets = {}
    known: dict[str, str] = {}  # image ids of the object at hand, each as one string
    object_ids, sets = rows["object_id"].to_pylist(), rows["image_ids"].to_pylist()
    for object_id, images in zip(object_ids, sets, strict=True):
        if not images:
            raise BadDataError(f"{table.path}: {scene_id} has a set of no image; {table.remedy}")
        if object_id not in found:
            known, found[object_id] = {}, {}
        images = tuple(known.setdefault(image_id, image_id) for image_id in images)
        found[object_id].setdefault(len(images), []).append(images)
    return found


def iterate_coverage(path: Path, remedy: str) -> Iterator[tuple[str, SceneSets]]:
    """Each scene with its sets, one at a time."""
    table = open_sets(path, remedy)
    for scene_id in table.scene_ids:
        yield scene_id, read_scene_sets(table, scene_id)
