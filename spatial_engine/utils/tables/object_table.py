"""The object table: which images see which objects, and how much of them (SPEC 8.1). One owner.

`object_visibility.parquet` is for our own readers: one row for each object and image that sees it,
one row group per scene, read by scene. `object_visibility.pkl` holds the same for users, as
`{scene: {"object_to_images": {object_id: [{"image_id", "intersection_count", "visibility"}]},
"image_to_objects": {image_id: [{"object_id", ...}]}}}`, without sizes, extents and other objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from spatial_engine.errors import BadDataError
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables.parquet.table_writer import DIGEST, Source, merge_parts, write_part
from spatial_engine.utils.tables.scene_table import SceneTable

REMEDY = "run spatial_engine/object_perception/compute_object_visibility.py"
AXES = "xyz"
INSTANCES = "instances"  # among what a scene was made from, in the provenance of the table
CONSTANTS = "constants"  # among the facts of a scene: those of the script that made the table
_TEXTS = ("scene_id", "image_id", "category")
_NUMBERS = ("visibility", *(f"{name}_{axis}" for name in ("size", "low", "high") for axis in AXES))
_SCHEMA = pa.schema(
    [(name, pa.string()) for name in _TEXTS]
    + [("object_id", pa.int32()), ("intersection_count", pa.int32())]
    + [(name, pa.float64()) for name in _NUMBERS]
    + [("others", pa.int32()), ("slack", pa.float64())]
)
_ENCODING = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": list(_TEXTS),
    "write_statistics": ["scene_id"],
}


@dataclass(frozen=True)
class SeenObject:
    """One object of a scene and the images that see it, ascending by id.

    `category` is the annotators' word; `size` (3,) metres, of the axis-aligned box of all its
    vertices; `slack` by how much the box is larger than it need be (`box_slack`); `counts` (n,)
    vertices seen; `visibility` (n,) percent of all; `others` (n,) vertices that each image sees of
    other objects of the category; `low`, `high` (n, 3) metres, from where to where it sees it.
    """

    object_id: int
    category: str
    size: np.ndarray
    slack: float
    image_ids: list[str]
    counts: np.ndarray
    visibility: np.ndarray
    others: np.ndarray
    low: np.ndarray
    high: np.ndarray


def write_scene_objects(
    path: Path,
    scene_id: str,
    objects: Sequence[SeenObject],
    made_from: Mapping[str, str],
    constants: Mapping[str, Any],
) -> None:
    """Write one scene's part. `made_from` says for which scene info it holds (see there),
    `constants` are those of the script, by which a later step knows what it reads."""
    counts = [len(seen.image_ids) for seen in objects]

    def repeated(values: Sequence[Any]) -> list[Any]:
        return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]

    columns: dict[str, Any] = {
        "scene_id": [scene_id] * sum(counts),
        "image_id": [image_id for seen in objects for image_id in seen.image_ids],
        "category": repeated([seen.category for seen in objects]),
        "object_id": repeated([seen.object_id for seen in objects]),
        "intersection_count": _joined([seen.counts for seen in objects], np.int32),
        "visibility": _joined([seen.visibility for seen in objects], np.float64),
        "others": _joined([seen.others for seen in objects], np.int32),
        "slack": repeated([seen.slack for seen in objects]),
    }
    sizes = [np.tile(seen.size, (count, 1)) for seen, count in zip(objects, counts, strict=True)]
    for name, arrays in (
        ("size", sizes),
        ("low", [seen.low for seen in objects]),
        ("high", [seen.high for seen in objects]),
    ):
        stacked = np.concatenate([np.zeros((0, 3)), *arrays])
        columns |= {f"{name}_{axis}": stacked[:, k] for k, axis in enumerate(AXES)}
    table = pa.table(columns, schema=_SCHEMA)
    content = provenance.digest(
        [value.tolist() if isinstance(value, np.ndarray) else value for value in columns.values()]
    )
    facts = {**made_from, CONSTANTS: dict(constants), "content": content}
    write_part(path, table, scene_id, facts, **_ENCODING)


def merge_objects(parts: Sequence[Source], output: Path) -> None:
    """Join the scenes' parts into the table of a split."""
    merge_parts(parts, output)


def open_objects(path: Path) -> SceneTable:
    """The object table of a split, to be read scene by scene with `read_scene_objects`."""
    return SceneTable(path, REMEDY, schema=_SCHEMA, told_by=path.with_suffix(".pkl"))


def constants_of(table: SceneTable) -> dict[str, Any]:
    """Constants that a table was made with, which all of its scenes share; empty where it does not
    tell them."""
    told = table.facts(table.scene_ids[0]).get(CONSTANTS) if table.scene_ids else None
    return told if isinstance(told, dict) else {}


def check_published(path: Path, constants: Mapping[str, Any], published: bool) -> None:
    """Raise `BadDataError` unless `path`, made with `constants`, was made with `--published` where
    a step that reads it has this flag, and without it where the step has not."""
    if constants.get("published", published) is not published:
        made, flag = "was made with --published, and this command has no such flag", ""
        if published:
            made, flag = "was made without --published, and this command has it", " --published"
        raise BadDataError(
            f"{path}: {made}; {REMEDY}{flag}, then find_object_coverage.sh{flag}, then "
            "merge_object_coverage.py"
        )


def content_digest(table: SceneTable, scene_id: str) -> str:
    """Digest of a scene's rows, which decide all that is made from them; the same on every
    machine."""
    facts = {name: fact for name, fact in table.facts(scene_id).items() if name != DIGEST}
    return provenance.digest([scene_id, facts])


def contents(table: SceneTable) -> dict[str, str]:
    """`content_digest` of every scene."""
    return {scene_id: content_digest(table, scene_id) for scene_id in table.scene_ids}


def read_scene_objects(table: SceneTable, scene_id: str) -> list[SeenObject]:
    """The objects of a scene that some image sees, ascending by id."""
    rows = table.read(scene_id)
    columns = {name: rows[name].to_numpy() for name in ("object_id", *_NUMBERS)}
    counts, others = (rows[name].to_numpy() for name in ("intersection_count", "others"))
    if (columns["object_id"][1:] < columns["object_id"][:-1]).any():
        raise BadDataError(f"{table.path}: the objects of {scene_id} are out of order; {REMEDY}")
    slack = rows["slack"].to_numpy()
    image_ids, categories = rows["image_id"].to_pylist(), rows["category"].to_pylist()
    ids, starts = np.unique(columns["object_id"], return_index=True)
    stops = np.append(starts, len(counts))[1:]
    objects = []
    for object_id, start, stop in zip(ids.tolist(), starts, stops, strict=True):
        low, high, size = (
            np.stack([columns[f"{name}_{axis}"][start:stop] for axis in AXES], axis=1)
            for name in ("low", "high", "size")
        )
        objects.append(
            SeenObject(
                object_id, categories[start], size[0], float(slack[start]), image_ids[start:stop],
                counts[start:stop], columns["visibility"][start:stop], others[start:stop], low,
                high,
            )
        )  # fmt: skip
    return objects


def as_dictionaries(objects: Sequence[SeenObject]) -> dict[str, dict[Any, list[dict[str, Any]]]]:
    """The content of the pickle for one scene."""
    by_object: dict[Any, list[dict[str, Any]]] = {}
    by_image: dict[Any, list[dict[str, Any]]] = {}
    for seen in objects:
        numbers = zip(seen.image_ids, seen.counts.tolist(), seen.visibility.tolist(), strict=True)
        for image_id, count, visibility in numbers:
            facts = {"intersection_count": count, "visibility": visibility}
            by_object.setdefault(seen.object_id, []).append({"image_id": image_id, **facts})
            by_image.setdefault(image_id, []).append({"object_id": seen.object_id, **facts})
    return {"object_to_images": by_object, "image_to_objects": dict(sorted(by_image.items()))}


def iterate_dictionaries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(scene, what the pickle holds of it), one scene in memory at a time."""
    table = open_objects(path)
    for scene_id in table.scene_ids:
        yield scene_id, as_dictionaries(read_scene_objects(table, scene_id))


def _joined(arrays: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *arrays]).astype(dtype)
