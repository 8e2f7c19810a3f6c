"""How far two frames see the same vertices, and whether their pair may be asked about (SPEC 5).

How docs/spec.md was read where it leaves a choice, by section:
- 5 the overlap of a pair is within 6 to 35, and within 0.01 of a value that the ties of section 4
  allow; it may be 0 where zero-overlap pairs can be asked for, and is then exactly 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spatial_engine.audit.oracles.visibility import (
    SurfaceRule,
    seen,
    seen_rule,
    visibility_table,
    visible,
)
from spatial_engine.audit.raw.ids import SCANNET
from spatial_engine.audit.raw.kept import kept
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.constants import read_provenance

OVERLAP_TOLERANCE = 0.01  # percent
MIN_OVERLAP, MAX_OVERLAP = 6, 35  # percent, both included


class OverlapBounds(NamedTuple):
    """Overlap of two frames in percent: by plain float64, and the least and most ties allow."""

    value: float
    low: float
    high: float


def overlap(scene: PosedScene, frame_i: str, frame_j: str) -> OverlapBounds:
    """100 * |Vi & Vj| / |Vi | Vj| of two frames, and its range over all ways to break the ties.

    Both bounds are reached: least, when every tie is seen by exactly one frame where it can be;
    most, when what both can see is seen by both and no other tie is seen.
    """
    rule = overlap_rule(scene)
    (plain_i, must_i, may_i), (plain_j, must_j, may_j) = (
        _masks(scene, frame, rule) for frame in (frame_i, frame_j)
    )
    return OverlapBounds(
        value=_percent(plain_i & plain_j, plain_i | plain_j),
        low=_percent(must_i & must_j, may_i | may_j),
        high=_percent(may_i & may_j, must_i | must_j | (may_i & may_j)),
    )


def _masks(scene: PosedScene, frame: str, rule: SurfaceRule | None) -> tuple[np.ndarray, ...]:
    """Which vertices a frame sees, (N,) bool each: by plain float64, must, and may."""
    must, ties = seen(scene, frame, rule)
    plain = must if rule else visible(scene, frame).plain
    masks = []
    for index in (plain, must, np.concatenate([must, ties])):
        masks.append(np.zeros(len(scene.vertices_aligned), dtype=bool))
        masks[-1][index] = True
    return tuple(masks)


@kept
def overlap_rule(scene: PosedScene) -> SurfaceRule | None:
    """By which rule the frames of a scene overlap: None for the published one, of ScanNet; of other
    data sets the surface that they show, with the constants of the table that holds the scene."""
    if scene.dataset == SCANNET:
        return None
    for split in ("train", "val"):
        told = read_provenance(visibility_table(scene.root, split, scene.dataset)).get("scenes")
        if isinstance(told, list) and scene.scene_id in told:
            return seen_rule({}, scene.root, split, scene.dataset)
    return SurfaceRule()


def _percent(part: np.ndarray, whole: np.ndarray) -> float:
    """100 |part| / |whole| of bool arrays, 0 where the whole is empty."""
    return 100.0 * int(part.sum()) / int(whole.sum()) if whole.any() else 0.0


def check_overlap(
    record: dict, scene: PosedScene, id1: str, id2: str, may_be_zero: bool
) -> list[str]:
    """The recorded `overlap` in percent. may_be_zero: whether zero-overlap pairs can be asked."""
    recorded = record.get("overlap")
    if type(recorded) not in (int, float) or not 0 <= recorded <= 100:
        return [f"overlap: {recorded!r} is not a number of percent"]
    complaints = []
    zero = may_be_zero and recorded == 0
    if not zero and not MIN_OVERLAP <= recorded <= MAX_OVERLAP:
        complaints.append(f"overlap: {recorded} is not within {MIN_OVERLAP} to {MAX_OVERLAP}")
    truth = overlap(scene, id1, id2)
    # A pair recorded as zero shares nothing; there the tolerance would hide a shared point.
    tolerance = 0 if recorded == 0 else OVERLAP_TOLERANCE
    if not truth.low - tolerance <= recorded <= truth.high + tolerance:
        complaints.append(
            f"overlap: {recorded} but the raw data say {truth.value:.6f} "
            f"(ties allow {truth.low:.6f} to {truth.high:.6f})"
        )
    return complaints
