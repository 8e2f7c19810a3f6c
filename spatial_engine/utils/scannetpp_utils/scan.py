"""The laser scan of a ScanNet++ scene, `scans/`: mesh and annotated objects.

Reads `mesh_aligned_0.05.ply` (metres, z up, the world of the aligned poses),
`mesh_aligned_0.05_mask.txt` (numbers of anonymised vertices), `segments.json` (segment of every
vertex) and `segments_anno.json` (objects and their segments).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.preparation.capture import AnnotatedMesh, MeshObject
from spatial_engine.utils.preparation.ply import read_vertices
from spatial_engine.utils.scannetpp_utils.json_files import REMEDY, read_object
from spatial_engine.utils.storage.files import has_half_characters
from spatial_engine.utils.storage.input_files import read_text
from spatial_engine.utils.storage.os_errors import is_there

SCANS = "scans"
MESH, HIDDEN = "mesh_aligned_0.05.ply", "mesh_aligned_0.05_mask.txt"
SEGMENTS, OBJECTS = "segments.json", "segments_anno.json"
NO_OBJECT = "remove"  # label of groups that the owners drop
MAX_OBJECTS = 100_000  # more in one scene means a damaged file
# Of a scene's objects, 1 of so many without any vertex means the annotation of another mesh.
FOREIGN_SHARE = 3
MAX_HIDDEN_BYTES = 2**24  # of the list of anonymised vertices, all of a scene at most


def has_mesh(folder: Path) -> bool:
    """Whether the scene in `folder` has a mesh, or must have one: objects are of a mesh. Scenes of
    the test lists have none. A link to nothing counts as there."""
    return any(is_there(folder / SCANS / name) for name in (MESH, OBJECTS))


def read_mesh(folder: Path, labels: Mapping[str, str | None] | None = None) -> AnnotatedMesh:
    """Mesh and objects of the scene in `folder`, without anonymised vertices. A scene without
    annotation has no objects.

    `labels` gives the new name of a label, None for objects to be dropped; labels that are not in
    it stay. Raises `BadDataError` naming file, cause and remedy.
    """
    scans = folder / SCANS
    points = read_vertices(scans / MESH, REMEDY)
    instances, objects = np.zeros(len(points), np.int32), []
    if is_there(scans / OBJECTS):
        groups = _kept(_read_groups(scans / OBJECTS), labels)
        segments = _read_segments(scans / SEGMENTS, len(points))
        instances = _instances(segments, groups, scans / OBJECTS)
        objects = [item for item, _ in groups]
    shown = np.ones(len(points), bool)
    if is_there(scans / HIDDEN):
        shown[_read_hidden(scans / HIDDEN, len(points))] = False
    return AnnotatedMesh(points[shown], instances[shown], objects)


def _read_groups(path: Path) -> list[tuple[MeshObject, np.ndarray]]:
    """Objects and the segments (n,) int64 of each, by objectId. Ids in the file are from 1 on; an
    object's id here is its place, which does not depend on what is dropped later."""
    found: dict[int, tuple[str, np.ndarray]] = {}
    for group in _list(read_object(path), "segGroups", path):
        number, label = (
            (group.get("objectId"), group.get("label")) if isinstance(group, dict) else (None, None)
        )
        if type(number) is not int:
            raise BadDataError(f"{path}: an object has no whole number as objectId; {REMEDY}")
        what = f"object {str(number)[:20]}"
        if not isinstance(label, str) or has_half_characters(label):
            raise BadDataError(f"{path}: the label of {what} is not text; {REMEDY}")
        if number in found:
            raise BadDataError(
                f"{path}: two objects have the objectId {str(number)[:20]}; {REMEDY}"
            )
        segments = _whole_numbers(_list(group, "segments", path))
        if segments is None:
            raise BadDataError(f"{path}: {what} has segments that are not whole numbers; {REMEDY}")
        found[number] = label, segments
    if len(found) > MAX_OBJECTS:
        raise BadDataError(f"{path}: {len(found):,} objects, of {MAX_OBJECTS:,} at most; {REMEDY}")
    ordered = enumerate(found[number] for number in sorted(found))
    return [(MeshObject(place, label), segments) for place, (label, segments) in ordered]


def _kept(
    groups: Sequence[tuple[MeshObject, np.ndarray]], labels: Mapping[str, str | None] | None
) -> list[tuple[MeshObject, np.ndarray]]:
    """Objects without those that the owners or `labels` drop, under the labels that they get."""
    kept = []
    for item, segments in groups:
        label = item.label if labels is None else labels.get(item.label, item.label)
        if item.label.strip().lower() != NO_OBJECT and label is not None:
            kept.append((MeshObject(item.object_id, label), segments))
    return kept


def _read_segments(path: Path, num_vertices: int) -> np.ndarray:
    """Segment of every vertex, (n,) int64."""
    segments = _whole_numbers(_list(read_object(path), "segIndices", path))
    if segments is None:
        raise BadDataError(f"{path}: segIndices is not a list of whole numbers; {REMEDY}")
    if len(segments) != num_vertices:
        raise BadDataError(
            f"{path}: has segments of {len(segments):,} vertices, {MESH} has {num_vertices:,}; "
            f"{REMEDY}"
        )
    return segments


def _instances(
    segments: np.ndarray, groups: Sequence[tuple[MeshObject, np.ndarray]], path: Path
) -> np.ndarray:
    """Object id + 1 of every vertex, (n,) int32; 0 = no object.

    A vertex that several objects claim belongs to the one with the fewest vertices, as in the
    owners' training data; of equally many, to the one with the highest id.
    """
    distinct, place, counts = np.unique(segments, return_inverse=True, return_counts=True)
    claims = []
    for item, of_object in groups:
        where = np.searchsorted(distinct, of_object)
        where[where == len(distinct)] = 0
        where = np.unique(where[distinct[where] == of_object])
        claims.append((int(counts[where].sum()), item.object_id, where))
    foreign = sum(size == 0 for size, _, _ in claims)
    several = foreign > 1 or foreign == len(claims) > 0
    if several and foreign * FOREIGN_SHARE >= len(claims):
        raise BadDataError(
            f"{path}: {foreign} of {len(claims)} objects have no vertex in {MESH}, so it is of "
            f"another mesh; {REMEDY}"
        )
    owners = np.zeros(len(distinct), np.int32)
    for _, object_id, where in sorted(claims, key=lambda claim: (-claim[0], claim[1])):
        owners[where] = object_id + 1
    return owners[place.reshape(-1)]


def _read_hidden(path: Path, num_vertices: int) -> np.ndarray:
    """Numbers of anonymised vertices, (k,) int64: of people and screens, which were blurred. They
    are no part of a room, and nothing refers to vertices by number later."""
    if path.exists() and not path.stat().st_size:  # a link to nothing is told below
        return np.zeros(0, np.int64)
    try:
        hidden = np.array(read_text(path, REMEDY, MAX_HIDDEN_BYTES).split(), np.int64)
    except (ValueError, OverflowError):
        raise BadDataError(f"{path}: not a list of whole numbers; {REMEDY}") from None
    if len(hidden) and not (hidden.min() >= 0 and hidden.max() < num_vertices):
        raise BadDataError(
            f"{path}: names vertices beyond the {num_vertices:,} of {MESH}; {REMEDY}"
        )
    if len(np.unique(hidden)) < len(hidden):
        raise BadDataError(f"{path}: names a vertex twice, so it is no list of numbers; {REMEDY}")
    return hidden


def _list(value: dict[str, Any], name: str, path: Path) -> list[Any]:
    member = value.get(name)
    if not isinstance(member, list):
        raise BadDataError(f"{path}: {name!r} is missing or no list; {REMEDY}")
    return member


def _whole_numbers(values: list[Any]) -> np.ndarray | None:
    """A list as (n,) int64; None where it is not of whole numbers that fit."""
    try:
        numbers = np.array(values, None if values else np.int64)
    except (ValueError, OverflowError):  # lists of several lengths, numbers beyond all bounds
        return None
    is_list = numbers.ndim == 1 and numbers.dtype.kind == "i"
    return numbers.astype(np.int64) if is_list else None
