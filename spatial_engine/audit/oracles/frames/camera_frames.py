"""Checks questions about the way and the turning of a camera through three to eight frames.

How docs/spec.md was read where it leaves a choice, by section:
- 13.2 positions_mm are those of `E1^-1 p_i`, the true inverse; those of the transposed rotation are
  right too (poses are orthonormal to float32 only).
- 13.2 each turn and pitch is judged exactly, from poses in float64; yaw as in section 5.
- 13.2 the question about a turn says that left is positive: it names left, and a sign.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from spatial_engine.audit.oracles.camera_movement import heading, wrap_degrees
from spatial_engine.audit.oracles.frames.constants import ROUNDING, limit
from spatial_engine.audit.oracles.frames.shown import (
    check_answer,
    check_chain,
    check_numbers,
    check_scene_record,
    check_separate,
)
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.texts import check_leak, check_unit

PATH, TURN = "camera_path_length", "camera_net_turn"


def check_camera_frames_record(
    record: dict, scene: PosedScene, split: str, constants: dict[str, Any]
) -> list[str]:
    """Complaints about a record of either task; constants: those of its file, by name."""

    def check_truth(frames: tuple[str, ...]) -> list[str]:
        complaints = check_chain(scene, frames, constants)
        check = _check_path if record["task"] == PATH else _check_turn
        return complaints + check(record, scene, frames, constants)

    return check_scene_record(
        record, scene, split, constants, lambda text: _check_question(text, record), check_truth
    )


def _check_question(text: str, record: dict) -> list[str]:
    complaints = check_unit(text, "mm" if record["task"] == PATH else "degree")
    if record["task"] == TURN and not re.search(r"\bleft\b", text.lower()):
        complaints.append("does not say which way is left")
    if record["task"] == TURN and not re.search("positive|negative|sign|plus|minus", text.lower()):
        complaints.append("does not say that an angle has a sign")
    return complaints + check_leak(text, record.get("gt_value"), ())


def path_metres(positions: np.ndarray) -> tuple[np.ndarray, float]:
    """Of (n, 3) positions in metres: the n - 1 steps, and the largest distance of any two."""
    steps = [float(np.linalg.norm(two - one)) for one, two in pairwise(positions)]
    apart = [float(np.linalg.norm(two - one)) for one, two in combinations(positions, 2)]
    return np.array(steps), max(apart)


def check_detour(steps: np.ndarray, apart: float, constants: dict[str, Any]) -> list[str]:
    """A way is longer by far than the largest distance of two of its places, in metres."""
    least = limit(constants, "MIN_DETOUR")
    if steps.sum() >= least * apart - ROUNDING:
        return []
    return [
        f"image: the way is {steps.sum():.6f} m, the largest distance {apart:.6f} m, "
        f"MIN_DETOUR is {least:g}"
    ]


def _check_path(
    record: dict, scene: PosedScene, frames: Sequence[str], constants: dict[str, Any]
) -> list[str]:
    centres = np.stack([scene.world_from_cam(frame)[:3, 3] for frame in frames])
    steps, apart = path_metres(centres)
    complaints, least = [], limit(constants, "MIN_STEP_M")
    if steps.min() < least - ROUNDING:
        complaints.append(f"image: a step of {steps.min():.6f} m, MIN_STEP_M is {least:g}")
    complaints += check_detour(steps, apart, constants)
    rotation = scene.world_from_cam(frames[0])[:3, :3]
    moved = 1000.0 * (centres - centres[0])
    ways = moved @ np.linalg.inv(rotation).T, moved @ rotation
    wrong = [check_numbers(record, "positions_mm", way) for way in ways]
    complaints += min(wrong, key=len)
    return complaints + check_answer(record, 1000.0 * steps.sum(), "mm")


def _check_turn(
    record: dict, scene: PosedScene, frames: Sequence[str], constants: dict[str, Any]
) -> list[str]:
    headings = [heading(scene.world_from_cam(frame)) for frame in frames]
    turns = np.array([wrap_degrees(two - one) for (one, _), (two, _) in pairwise(headings)])
    total, steepest = float(turns.sum()), max(abs(pitch) for _, pitch in headings)
    complaints = check_separate(scene, frames[0], frames[-1])
    for value, name, sign in (
        (np.abs(turns).min(), "MIN_TURN_DEG", 1),
        (np.abs(turns).max(), "MAX_TURN_DEG", -1),
        (steepest, "MAX_PITCH_DEG", -1),
        (abs(total), "MIN_NET_TURN_DEG", 1),
    ):
        if sign * (value - limit(constants, name)) < -ROUNDING:
            bound = f"{name} is {limit(constants, name):g}"
            complaints.append(f"image: {value:.6f} degrees, {bound}")
    complaints += check_numbers(record, "turns_deg", turns)
    return complaints + check_answer(record, total, "degrees")
