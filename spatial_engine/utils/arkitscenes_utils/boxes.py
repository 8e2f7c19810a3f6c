"""Boxes of objects in a video of ARKitScenes (`<id>_3dod_annotation.json`), and which vertices of
its mesh they hold: there are no labels by vertex."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.arkitscenes_utils.video_files import REMEDY
from spatial_engine.utils.preparation import plain_json
from spatial_engine.utils.storage.files import has_half_characters

MAX_JSON_BYTES = 2**23  # real ones take 100 thousand; lists within lists take twenty times as much
MAX_BOXES = 1_000  # real scenes have some ten
AXES_TOLERANCE = 1e-2  # of the products of a box's axes
SLACK_M = 1e-6  # roundings of what is only looked at more closely
_SEPARATORS = re.compile("[ /-]")


@dataclass(frozen=True)
class Box:
    """An annotated object and its box in the world of the poses."""

    label: str
    center: np.ndarray  # (3,) float64 metres
    lengths: np.ndarray  # (3,) float64 metres, from face to face, along the axes
    axes: np.ndarray  # (3, 3) float64, an axis a row

    @property
    def volume(self) -> float:
        """Cubic metres."""
        return float(self.lengths.prod())


def read_boxes(path: Path) -> list[Box]:
    """The boxes of an annotation in the order of the file, which numbers the objects: `objectId`
    is the same for all in some files. None for a video that the annotators skipped.

    Labels are words joined by `_`, as in the owners' list of classes.
    """
    content = plain_json.read(path, REMEDY, MAX_JSON_BYTES)
    if content.get("skipped") is True:
        return []
    items = _member(content, "data", list, path)
    if len(items) > MAX_BOXES:
        raise BadDataError(f"{path}: {len(items):,} boxes, of {MAX_BOXES:,} at most; {REMEDY}")
    return [_box(item, number, path) for number, item in enumerate(items)]


def _box(item: Any, number: int, path: Path) -> Box:
    label = _member(item, "label", str, path)
    if has_half_characters(label):
        raise BadDataError(f"{path}: the label of object {number} is not text; {REMEDY}")
    segments = _member(item, "segments", dict, path)
    box = _member(segments, "obbAligned", dict, path)
    center, lengths = (_vector(box, name, 3, number, path) for name in ("centroid", "axesLengths"))
    axes = _vector(box, "normalizedAxes", 9, number, path).reshape(3, 3)
    if np.abs(axes @ axes.T - np.eye(3)).max() > AXES_TOLERANCE or (lengths < 0).any():
        raise BadDataError(
            f"{path}: the box of object {number} has axes that are not perpendicular or of length "
            f"one, or is of negative size; {REMEDY}"
        )
    return Box(_SEPARATORS.sub("_", label), center, lengths, axes)


def _vector(box: dict[str, Any], name: str, size: int, number: int, path: Path) -> np.ndarray:
    """(size,) float64 of finite numbers."""
    values = _member(box, name, list, path)
    plain = len(values) == size and all(type(value) in (int, float) for value in values)
    # Also not NaN; whole numbers of any length are compared as they are.
    if not plain or not all(abs(value) <= 1e6 for value in values):
        raise BadDataError(
            f"{path}: {name} of object {number} is not {size} numbers in metres; {REMEDY}"
        )
    return np.array(values, np.float64)


def _member(value: Any, name: str, kind: type, path: Path) -> Any:
    member = value.get(name) if isinstance(value, dict) else None
    if not isinstance(member, kind):
        raise BadDataError(f"{path}: {name!r} is missing or of another type; {REMEDY}")
    return member


def vertices_in_boxes(points: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
    """Which box each of the points (n, 3) lies in: its position + 1, 0 for none; (n,) int32.

    A box holds its faces. Of several boxes the smallest counts, by volume; of equal ones the first.
    """
    owners = np.zeros(len(points), np.int32)
    order = np.argsort(points[:, 0], kind="stable")
    xs = points[order, 0]
    largest_first = sorted(range(len(boxes)), key=lambda k: (-boxes[k].volume, -k))
    for number in largest_first:
        box = boxes[number]
        half = box.lengths / 2
        reach = half @ np.abs(box.axes[:, 0]) + SLACK_M  # along x of the world
        low, high = np.searchsorted(xs, (box.center[0] - reach, box.center[0] + reach))
        near = order[low:high]
        along = (points[near, :3] - box.center) @ box.axes.T
        owners[near[(np.abs(along) <= half).all(axis=1)]] = number + 1
    return owners
