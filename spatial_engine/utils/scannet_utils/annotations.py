"""ScanNet's annotation of a mesh: instances, labels, axis alignment, boxes.

Reads `<scene>.aggregation.json`, `<scene>_vh_clean_2.0.010000.segs.json`, `<scene>.txt` and the
label table `scannetv2-labels.combined.tsv`. Whatever does not fit raises `BadDataError`, which
names the file.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError, MissingFileError, MissingInputError
from spatial_engine.utils.files import has_half_characters, naming

REMEDY = "download the scene again"
MAX_OBJECTS = 100_000  # more in one scene means a damaged file
MAX_NYU40 = 40  # the highest id of NYU40


@dataclass(frozen=True)
class AnnotatedObject:
    """One annotated object: its 0-based id, its label in the annotators' words, its segments."""

    object_id: int
    raw_category: str
    segments: tuple[int, ...]


def read_objects(path: Path) -> list[AnnotatedObject]:
    """Objects of an `.aggregation.json` in the order of the file; ids are unique."""
    groups = _member(_read_json(path), "segGroups", list, path)
    objects = []
    for group in groups:
        object_id = _member(group, "objectId", int, path)
        label = _member(group, "label", str, path)
        segments = _member(group, "segments", list, path)
        if has_half_characters(label):
            raise BadDataError(f"{path}: the label of object {object_id} is no text; {REMEDY}")
        if not 0 <= object_id < MAX_OBJECTS:
            raise BadDataError(f"{path}: objectId {object_id} is not plausible; {REMEDY}")
        if not all(isinstance(segment, int) for segment in segments):
            raise BadDataError(f"{path}: object {object_id} has segments without number; {REMEDY}")
        objects.append(AnnotatedObject(object_id, label, tuple(segments)))
    if len({item.object_id for item in objects}) < len(objects):
        raise BadDataError(f"{path}: two objects have one objectId; {REMEDY}")
    return objects


def read_segments(path: Path) -> np.ndarray:
    """Segment id of every vertex from a `.segs.json`, (n,) int64; ids are sparse."""
    indices = _member(_read_json(path), "segIndices", list, path)
    try:
        segments = np.array(indices)
    except (ValueError, OverflowError):
        segments = np.array("ragged")
    if segments.ndim != 1 or (len(segments) and segments.dtype.kind != "i"):  # u: beyond int64
        raise BadDataError(f"{path}: segIndices is not a list of whole numbers; {REMEDY}")
    return segments.astype(np.int64)


def instance_ids(segments: np.ndarray, objects: list[AnnotatedObject]) -> np.ndarray:
    """Instance of every vertex, (n,) int32: objectId + 1, 0 where no object claims its segment.

    A segment that two objects claim belongs to the later one.
    """
    owner = {segment: item.object_id + 1 for item in objects for segment in item.segments}
    distinct, place = np.unique(segments, return_inverse=True)
    owners = np.array([owner.get(segment, 0) for segment in distinct.tolist()], np.int32)
    return owners[place.reshape(-1)] if len(segments) else np.zeros(0, np.int32)


def read_axis_alignment(path: Path) -> np.ndarray:
    """(4, 4) float64 aligned_from_scan of a `<scene>.txt`; identity where the file has none."""
    try:
        with naming(path):
            text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such file; {REMEDY}") from None
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "axisAlignment":
            matrix = parse_matrix(value, (4, 4), path)
            if not np.isfinite(matrix).all():
                raise BadDataError(f"{path}: axisAlignment is not finite; {REMEDY}")
            return matrix
    return np.eye(4)


def parse_matrix(text: str, shape: tuple[int, int], path: Path, remedy: str = REMEDY) -> np.ndarray:
    """Matrix (float64) from numbers in row order; raises `BadDataError` for any other count."""
    try:
        numbers = np.array(text.split(), np.float64)
    except ValueError:
        raise BadDataError(f"{path}: holds something that is not a number; {remedy}") from None
    if numbers.size != shape[0] * shape[1]:
        raise BadDataError(
            f"{path}: {numbers.size} numbers where a {shape[0]}x{shape[1]} matrix belongs; {remedy}"
        )
    return numbers.reshape(shape)


def read_label_table(path: Path) -> dict[str, int]:
    """NYU40 id by raw category, from the tab-separated label table."""
    if not path.is_file():
        raise MissingInputError(
            f"{path}: no such file; get it as spatial_engine/utils/scannet_utils/README.md says"
        )
    table = {}
    try:
        with naming(path), open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                category, number = row["raw_category"], int(row["nyu40id"] or 0)
                if category is None or not 0 <= number <= MAX_NYU40:
                    raise ValueError(f"{category!r} has the id {number}")
                table[category] = number
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise BadDataError(f"{path}: not the label table ({error!r}); get it again") from None
    if not table:
        raise BadDataError(f"{path}: the label table has no rows; get it again")
    return table


def bounding_box(points: np.ndarray, nyu40_id: int) -> np.ndarray:
    """(7,) float64: centre x, y, z, size dx, dy, dz, NYU40 id; zeros and id for no points."""
    box = np.zeros(7)
    box[6] = nyu40_id
    if len(points):
        low, high = points[:, :3].min(axis=0), points[:, :3].max(axis=0)
        box[:3], box[3:6] = (low + high) / 2, high - low
    return box


def _read_json(path: Path) -> Any:
    try:
        with naming(path):
            data = path.read_bytes()
        return json.loads(data)
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such file; {REMEDY}") from None
    except (ValueError, RecursionError) as error:
        raise BadDataError(f"{path}: not json ({error}); {REMEDY}") from None


def _member(value: Any, name: str, kind: type, path: Path) -> Any:
    member = value.get(name) if isinstance(value, dict) else None
    if not isinstance(member, kind) or isinstance(member, bool):
        raise BadDataError(f"{path}: {name!r} is missing or of another type; {REMEDY}")
    return member
