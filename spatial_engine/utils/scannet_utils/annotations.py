"""ScanNet's annotation of a mesh: instances, labels, axis alignment, boxes.

Reads `<scene>.aggregation.json`, `<scene>_vh_clean_2.0.010000.segs.json`, `<scene>.txt` and the
label table `scannetv2-labels.combined.tsv`. Whatever does not fit raises `BadDataError`, which
names the file.
"""

from __future__ import annotations

import csv
import io
import logging
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.geometry.cameras import pose_fault
from spatial_engine.utils.preparation import plain_json
from spatial_engine.utils.scenes.posed_images import parse_matrix
from spatial_engine.utils.storage.files import has_half_characters
from spatial_engine.utils.storage.input_files import missing, read_text

log = logging.getLogger(__name__)

REMEDY = "download the scene again"
TABLE_REMEDY = "get it as spatial_engine/utils/scannet_utils/README.md says"
MAX_OBJECTS = 100_000  # more in one scene means a damaged file
MAX_NYU40 = 40  # the highest id of NYU40
# Of a scene's objects, 1 of so many without any vertex means the annotation of another mesh. Real
# scenes have a few: questions about a third of a scene are worth less than no wrong label.
FOREIGN_SHARE = 3
_TABLE_SIZE = 16  # times the number of vertices: a table of ids up to there costs less than sorting
_SCENE_ID = re.compile(r"scene\d{4}_\d{2}")
_FULL_MESH = re.compile(r"_vh_clean(?!_2)")  # the mesh that is read is `_vh_clean_2`
_KEY = re.compile(r"\s*\w+\s*=")


@dataclass(frozen=True)
class AnnotatedObject:
    """One annotated object: its 0-based id, its label in the annotators' words, its segments."""

    object_id: int
    raw_category: str
    segments: tuple[int, ...]


def read_objects(path: Path) -> list[AnnotatedObject]:
    """Objects of an `.aggregation.json` in the order of the file; ids are unique.

    An object that is there twice, the same in all, is one. Raises `BadDataError` for a file that
    says that it is of another scene or mesh.
    """
    content = plain_json.read(path, REMEDY)
    groups = _member(content, "segGroups", list, path)
    _check_origin(content, path)
    objects: dict[int, AnnotatedObject] = {}
    for group in groups:
        object_id = _member(group, "objectId", int, path)
        label = _member(group, "label", str, path)
        segments = _member(group, "segments", list, path)
        if has_half_characters(label):
            raise BadDataError(f"{path}: the label of object {object_id} is not text; {REMEDY}")
        if not 0 <= object_id < MAX_OBJECTS:
            raise BadDataError(f"{path}: objectId {object_id} is not plausible; {REMEDY}")
        if not all(isinstance(segment, int) for segment in segments):
            raise BadDataError(f"{path}: object {object_id} has segments without number; {REMEDY}")
        item = AnnotatedObject(object_id, label, tuple(segments))
        if objects.setdefault(object_id, item) != item:
            raise BadDataError(
                f"{path}: two objects have the objectId {object_id}; {REMEDY}, or take it off the "
                "split list"
            )
    return list(objects.values())


def read_segments(path: Path) -> np.ndarray:
    """Segment id of every vertex from a `.segs.json`, (n,) int64; ids are sparse."""
    content = plain_json.read(path, REMEDY)
    indices = _member(content, "segIndices", list, path)
    _check_origin(content, path)
    try:
        segments = np.frombuffer(array("q", indices), np.int64)  # numpy looks at each item twice
    except (TypeError, OverflowError):
        segments = None
    if segments is None or isinstance((indices or [0])[0], bool):  # an array takes true for 1
        raise BadDataError(f"{path}: segIndices is not a list of whole numbers; {REMEDY}")
    return segments


def _check_origin(content: dict[str, Any], path: Path) -> None:
    """Raise `BadDataError` where a file says that it is of another scene, or of the full mesh."""
    own = _SCENE_ID.match(path.name)
    for key in ("sceneId", "segmentsFile"):
        text = content.get(key)
        if not isinstance(text, str):
            continue
        for other in _SCENE_ID.findall(text) if own else ():
            if other != own.group():
                raise BadDataError(f"{path}: is of {other}, as its {key} says; {REMEDY}")
        if _FULL_MESH.search(text):
            raise BadDataError(
                f"{path}: is of the full mesh ({key} {text[:80]!r}), not of _vh_clean_2.ply; "
                f"download {path.name} in its place"
            )


def check_fit(segments: np.ndarray, objects: list[AnnotatedObject], path: Path) -> None:
    """Raise `BadDataError` where a third of the objects or more (`FOREIGN_SHARE`) have no segment
    that a vertex has: the aggregation at `path` is of another mesh than the segments (n,). One
    object alone may be so."""
    there = set(_distinct(segments)[0].tolist())
    foreign = sum(there.isdisjoint(item.segments) for item in objects)
    several = foreign > 1 or foreign == len(objects) > 0
    if several and foreign * FOREIGN_SHARE >= len(objects):
        raise BadDataError(
            f"{path}: {foreign} of {len(objects)} objects have no vertex in the mesh, so it is of "
            f"another mesh; {REMEDY}"
        )


def instance_ids(segments: np.ndarray, objects: list[AnnotatedObject]) -> np.ndarray:
    """Instance of every vertex, (n,) int32: objectId + 1, 0 where no object claims its segment.

    A segment that two objects claim belongs to the later one.
    """
    owner = {segment: item.object_id + 1 for item in objects for segment in item.segments}
    distinct, place = _distinct(segments)
    owners = np.array([owner.get(segment, 0) for segment in distinct.tolist()], np.int32)
    return owners[place] if len(segments) else np.zeros(0, np.int32)


def _distinct(segments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The segments that there are, ascending, and for each vertex (n,) the place of its own there:
    by a table where the ids are small, in a tenth of the time."""
    if not len(segments) or segments.min() < 0 or segments.max() >= _TABLE_SIZE * len(segments):
        distinct, place = np.unique(segments, return_inverse=True)
        return distinct, place.reshape(-1)
    there = np.zeros(segments.max() + 1, bool)
    there[segments] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[segments]


def read_axis_alignment(path: Path) -> np.ndarray | None:
    """(4, 4) float64 aligned_from_scan of a `<scene>.txt`; None where the file has none.

    Raises `BadDataError` for a matrix that is not a rigid motion.
    """
    lines = read_text(path, REMEDY, errors="replace").splitlines()
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "axisAlignment":
            matrix = parse_matrix(value, (4, 4), path, REMEDY)
            if fault := pose_fault(matrix):
                raise BadDataError(
                    f"{path}: axisAlignment is not a rigid motion: {fault}; {REMEDY}"
                )
            return matrix
    if not any(map(_KEY.match, lines)):
        raise BadDataError(f"{path}: holds no line `key = value`; {REMEDY}")
    return None


def read_label_table(path: Path) -> dict[str, int]:
    """NYU40 id by raw category, from the tab-separated label table."""
    if not path.is_file():
        raise MissingInputError(missing(path, TABLE_REMEDY))
    text = read_text(path, TABLE_REMEDY)
    table: dict[str, int] = {}
    try:
        rows = csv.DictReader(io.StringIO(text, ""), delimiter="\t", quoting=csv.QUOTE_NONE)
        _check_columns(rows.fieldnames or (), path)
        for row in rows:
            category, number = row["raw_category"], int(row["nyu40id"] or 0)
            if category is None or not 0 <= number <= MAX_NYU40:
                raise ValueError(f"{category!r} has the id {number}")
            if table.get(category, number) != number:
                log.warning("%s: %r has two NYU40 ids, the later is taken", path, category)
            table[category] = number
    except (ValueError, TypeError, csv.Error) as error:
        raise BadDataError(f"{path}: not the label table ({error}); get it again") from None
    if not table:
        raise BadDataError(f"{path}: the label table has no rows; get it again")
    return table


def _check_columns(names: Sequence[str], path: Path) -> None:
    """Raise `BadDataError` for another table, naming the one that is wanted."""
    lacking = [name for name in ("raw_category", "nyu40id") if name not in names]
    if lacking:
        which = "is the label table of 2017" if "category" in names else "is not the label table"
        raise BadDataError(
            f"{path}: {which}: it has no column {' and no '.join(lacking)}; wanted is "
            f"scannetv2-labels.combined.tsv of ScanNet v2, {TABLE_REMEDY}"
        )


def nyu40_id(table: dict[str, int], label: str) -> int | None:
    """NYU40 id of an object's label; blanks around it and capitals are ignored if the table does
    not have it literally. None for a label that is not in the table."""
    return table.get(label, table.get(label.strip().lower()))


def _member(value: Any, name: str, kind: type, path: Path) -> Any:
    member = value.get(name) if isinstance(value, dict) else None
    if not isinstance(member, kind) or isinstance(member, bool):
        raise BadDataError(f"{path}: {name!r} is missing or of another type; {REMEDY}")
    return member
