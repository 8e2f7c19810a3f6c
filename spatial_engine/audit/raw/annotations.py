"""Reads the annotation of a scan: segments, objects, and the label table.

Reads `<scene>_vh_clean_2.0.010000.segs.json` (segment of each vertex), `<scene>.aggregation.json`
(segments of each object) and `scannetv2-labels.combined.tsv` (NYU40 id of each label).

How docs/spec.md was read where it leaves a choice, by section:
- 3.1 the later one wins: later in the order of `segGroups` in the aggregation file, whatever the
  objectId.
- An aggregation in which a third of the objects or more have no vertex is of another mesh and is
  refused; one object alone may be so.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spatial_engine.audit.raw.limits import RawDataError

MAX_OBJECTS = 100_000  # object ids are below
NYU40 = 40
FOREIGN_SHARE = 3  # 1 of so many objects without vertices: the aggregation is of another mesh


class Group(NamedTuple):
    """An annotated object, as `segGroups` has it."""

    object_id: int
    segments: list[int]
    label: str


def read_groups(path: Path) -> list[Group]:
    """Every annotated object of an aggregation file, in file order."""
    found: list[Group] = []
    for k, group in enumerate(_read_list(path, "segGroups")):
        if not isinstance(group, dict):
            raise RawDataError(f"{path}: segGroups[{k}] is no object")
        object_id, segments = group.get("objectId"), group.get("segments")
        if type(object_id) is not int or not 0 <= object_id < MAX_OBJECTS:
            raise RawDataError(f"{path}: segGroups[{k}]: no objectId below {MAX_OBJECTS}")
        if not isinstance(segments, list) or not all(type(s) is int for s in segments):
            raise RawDataError(f"{path}: segGroups[{k}]: segments are no list of int")
        if not isinstance(group.get("label"), str):
            raise RawDataError(f"{path}: segGroups[{k}]: no label")
        item = Group(object_id, segments, group["label"])
        if any(other != item for other in found if other.object_id == object_id):
            raise RawDataError(f"{path}: two objects have the objectId {object_id}")
        found.append(item)
    return found


def read_instance_ids(path: Path, groups: list[Group], vertices: int) -> np.ndarray:
    """(vertices,) int64 by the segments of a segs.json: objectId + 1, 0 = unannotated."""
    segment_of_vertex = _read_list(path, "segIndices")
    if not all(type(segment) is int for segment in segment_of_vertex):
        raise RawDataError(f"{path}: segIndices are no list of int")
    if len(segment_of_vertex) != vertices:
        raise RawDataError(f"{path}: {len(segment_of_vertex)} segment ids, {vertices} vertices")
    there = set(segment_of_vertex)
    foreign = sum(there.isdisjoint(group.segments) for group in groups)
    few = foreign == 0 or (foreign == 1 < len(groups))
    if not few and foreign >= len(groups) / FOREIGN_SHARE:
        raise RawDataError(
            f"{path}: {foreign} of {len(groups)} objects have no vertex, so the "
            "aggregation is of another mesh"
        )
    owners: dict[int, int] = {}
    for group in groups:
        for segment in group.segments:
            owners[segment] = group.object_id + 1
    return np.array([owners.get(segment, 0) for segment in segment_of_vertex], dtype=np.int64)


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


def _read_list(path: Path, key: str) -> list:
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
