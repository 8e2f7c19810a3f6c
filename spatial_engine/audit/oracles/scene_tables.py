"""Checks what the visibility table and the frame relations say of a scene against its raw scan.

Rows are given as plain data, as no reader of parquet is among what the audit imports. Cost: the
visibility of each frame that is looked at, of a relation of both its frames.

How docs/spec.md was read where it leaves a choice, by section:
- 3.2 frames go by their numbers, however their names are padded; each is there once.
- 4 a frame's list must hold what it must see, may hold ties, and nothing else.
- 5 `overlap` may be anything that the ties of section 4 allow, `distance` is ‖tj - ti‖; a yaw is
  not judged where a camera looks straight up or down, and 180 and -180 are the same turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import NamedTuple

from spatial_engine.audit.oracles.camera_movement import camera_truth, wrap_degrees
from spatial_engine.audit.oracles.overlap import overlap
from spatial_engine.audit.oracles.visibility import SurfaceRule
from spatial_engine.audit.oracles.visibility import seen as seen_by
from spatial_engine.audit.raw.ids import frame_of
from spatial_engine.audit.raw.posed import PosedScene

OVERLAP_ERROR = 1e-9  # percent
DISTANCE_ERROR = 1e-6  # metres
ANGLE_ERROR = 1e-6  # degrees


class Relation(NamedTuple):
    """Percent; metres; degrees of the second frame minus the first."""

    overlap: float
    distance: float
    yaw: float
    pitch: float


def check_seen_points(
    seen: Mapping[str, Iterable[int]],
    scene: PosedScene,
    images: Iterable[str] | None = None,
    surface: SurfaceRule | None = None,
) -> list[str]:
    """Complaints about {image id: vertices that it sees} of a scene, by the published rule; where
    `surface` is given, of those on the surface that it shows.

    images: those to recompute, by default all; that each valid frame is there is always checked.
    """
    valid = scene.valid_frame_ids
    complaints = [f"image {image!r} is no D5 frame with a valid pose" for image in seen
                  if frame_of(image) not in valid]  # fmt: skip
    complaints += [f"{one!r} and {two!r} are one frame" for one, two in same_frames(seen)]
    seen = {frame_of(image): numbers for image, numbers in seen.items()}
    complaints += [f"image {image} is missing" for image in valid if image not in seen]
    for image in valid if images is None else images:
        if image not in seen:
            continue
        numbers = [int(number) for number in seen[image]]
        must, ties = (set(some.tolist()) for some in seen_by(scene, image, surface))
        if numbers != sorted(set(numbers)):
            complaints.append(f"image {image}: the list does not ascend")
        missing, more = must - set(numbers), set(numbers) - must - ties
        if missing or more:
            found = f"{len(missing)} vertices are missing, {len(more)} too many"
            complaints.append(f"image {image}: {found}, as {sorted(missing | more)[:3]}")
    return complaints


def same_frames(names: Iterable[str]) -> list[tuple[str, str]]:
    """Names, two and two, that mean the same frame."""
    first: dict[str | None, str] = {}
    return [
        (first[frame_of(name)], name)
        for name in names
        if frame_of(name) and first.setdefault(frame_of(name), name) != name
    ]


def check_relations(
    rows: Mapping[tuple[str, str], Relation],
    scene: PosedScene,
    chosen: Iterable[tuple[str, str]] | None = None,
) -> list[str]:
    """Complaints about {(image id 1, image id 2): relation} of a scene.

    chosen: pairs to recompute, by default all; that all pairs are there is always checked.
    """
    pairs = list(combinations(scene.valid_frame_ids, 2))
    named = {pair: (frame_of(pair[0]), frame_of(pair[1])) for pair in rows}
    complaints = [
        f"{pair} is no pair i < j of valid D5 frames"
        for pair in rows
        if named[pair] not in set(pairs)
    ]
    names = dict.fromkeys(name for pair in rows for name in pair)
    complaints += [f"{one!r} and {two!r} are one frame" for one, two in same_frames(names)]
    rows = {named[pair]: row for pair, row in rows.items()}
    complaints += [f"the pair {pair} is missing" for pair in pairs if pair not in rows]
    wanted = pairs if chosen is None else [named[pair] for pair in chosen]
    for pair in wanted:
        if pair in rows:
            wrong = _check_relation(rows[pair], scene, *pair)
            complaints += [f"{pair}: {text}" for text in wrong]
    return complaints


def _check_relation(row: Relation, scene: PosedScene, id1: str, id2: str) -> list[str]:
    truth, shared = camera_truth(scene, id1, id2), overlap(scene, id1, id2)
    complaints = []
    if not shared.low - OVERLAP_ERROR <= row.overlap <= shared.high + OVERLAP_ERROR:
        bounds = f"{shared.low:.9f} to {shared.high:.9f}"
        complaints.append(f"overlap {row.overlap!r} but the raw data say {bounds}")
    metres = truth["centre_distance"] / 1000.0
    if not abs(row.distance - metres) <= DISTANCE_ERROR:
        complaints.append(f"distance {row.distance!r} but the raw data say {metres:.9f} m")
    for name in ("yaw", "pitch"):
        found = getattr(row, name)
        if name == "yaw" and not truth["yaw_defined"]:
            continue
        if not (-180 <= found <= 180 and abs(wrap_degrees(found - truth[name])) <= ANGLE_ERROR):
            complaints.append(f"{name} {found!r} but the raw data say {truth[name]:.9f}")
    return complaints
