"""Checks questions about the depth of one marked point in three to eight frames.

How docs/spec.md was read where it leaves a choice, by section:
- 13.2 of nearest_view, margin and answer are judged by exact depths; depths_mm only must agree.
- 13.2 a depth is z of section 4, along the viewing direction.
- 13.2 the question about a hidden point names the last image: "Image-n", or "last", "final".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.audit.oracles.frames.constants import ROUNDING, limit
from spatial_engine.audit.oracles.frames.points import (
    FramePoints,
    check_p1,
    check_pictures,
    check_point,
    check_seen,
)
from spatial_engine.audit.oracles.frames.shown import (
    check_answer,
    check_choices,
    check_letters,
    check_numbers,
    check_scene_record,
    check_separate,
    image_texts,
    linked,
)
from spatial_engine.audit.oracles.visibility import SurfaceRule
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.texts import check_leak, check_unit

NEAREST, HIDDEN = "depth_nearest_view", "depth_hidden_depth"
TIE_M = 1e-9  # depths nearer to each other than this have no order


def check_depth_frames_record(
    record: dict,
    scene: PosedScene,
    split: str,
    images: Path,
    rule: SurfaceRule | None,
    constants: dict[str, Any],
) -> list[str]:
    """Complaints about a record of either task.

    images: the folder that image paths are relative to; rule: which vertices lie on the surface;
    constants: those of the file, by name.
    """

    def check_truth(frames: tuple[str, ...]) -> list[str]:
        wrong = check_point(record, scene)
        if wrong:
            return wrong
        points, vertex = FramePoints(scene, rule, constants), record["point_id"]
        check = _check_nearest if record["task"] == NEAREST else _check_hidden
        complaints = check(record, points, frames, vertex)
        complaints += check_p1(record, points, frames[0], vertex)
        dot = points.place(frames[0], vertex)[None, :2]
        return complaints + check_pictures(record, scene, frames, images, [dot])

    return check_scene_record(
        record, scene, split, constants, lambda text: _check_question(text, record), check_truth
    )


def _check_question(text: str, record: dict) -> list[str]:
    if record["task"] == NEAREST:
        return check_leak(text, record.get("gt_value"), ())
    complaints, words = check_unit(text, "mm"), "\n".join(text.splitlines()[len(record["image"]) :])
    if not re.search(rf"\bImage-{len(record['image'])}\b|\b(last|final)\b", words):
        complaints.append("does not say in which image")
    return complaints + check_leak(text, record.get("gt_value"), ())


def _check_nearest(
    record: dict, points: FramePoints, frames: Sequence[str], vertex: int
) -> list[str]:
    complaints = check_seen(points, frames, vertex)
    depths = np.array([points.place(frame, vertex)[2] for frame in frames])
    complaints += check_numbers(record, "depths_mm", 1000.0 * depths)
    first, second = np.sort(depths)[:2]
    least = max(
        limit(points.constants, "MIN_DEPTH_GAP_M"),
        limit(points.constants, "MIN_DEPTH_GAP_SHARE") * first,
    )
    if second - first < least - ROUNDING:
        complaints.append(
            f"point_id: depths {first:.6f} and {second:.6f} m differ by less than {least:g} m "
            "(MIN_DEPTH_GAP_M, MIN_DEPTH_GAP_SHARE)"
        )
    complaints += check_choices(record, image_texts(len(frames)))
    return complaints + check_letters(
        record, ["ABCDEFGH"[k] for k in np.flatnonzero(depths <= first + TIE_M)]
    )


def _check_hidden(
    record: dict, points: FramePoints, frames: Sequence[str], vertex: int
) -> list[str]:
    scene, first, last = points.scene, frames[0], frames[-1]
    complaints = check_seen(points, [first], vertex)
    if not points.may_be_absent(last, vertex):
        complaints.append(f"point_id: vertex {vertex} is not absent in frame {last}")
    depth, least = float(points.place(last, vertex)[2]), limit(points.constants, "MIN_HIDDEN_M")
    if depth < least - ROUNDING:
        complaints.append(f"point_id: at a depth of {depth:.6f} m, MIN_HIDDEN_M is {least:g}")
    complaints += check_separate(scene, first, last)
    between = [
        frame
        for frame in frames[1:-1]
        if linked(scene, first, frame, points.constants)
        and linked(scene, frame, last, points.constants)
    ]
    if not between:
        complaints.append(f"image: no frame is linked to both {first} and {last}")
    return complaints + check_answer(record, 1000.0 * depth, "mm")
