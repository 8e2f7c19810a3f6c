"""Checks questions about the way of one point of a clip through three to eight frames.

Cost: the rigid groups of a clip the first time it is needed (track_motions).

How docs/spec.md was read where it leaves a choice, by section:
- 13.2 the point can be asked about in a frame: visible there, its place known and in the image
  (9.3), and in a group of more than 5 points (9.2).
- 13.2 a step counts as moved by the clip's limit of section 9.3: of still and parked clips none.
- 13.2 of fastest_step neither the sum nor the lesser steps matter.
- 13.2 equal intervals of time: equal differences of the frames' numbers.
- 13.2 positions_mm are of world positions, in the axes of the camera of Image-1 by the true inverse
  of its pose. A length may be off the nearest mm by MM_TIE more than half, as in section 9.
- 13.3 the question names the point by p1, as section 10 has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.audit.oracles.frames.camera_frames import check_detour, path_metres
from spatial_engine.audit.oracles.frames.constants import ROUNDING, limit, task_of
from spatial_engine.audit.oracles.frames.shown import (
    Shown,
    check_answer,
    check_choices,
    check_letters,
    check_listed,
    check_numbers,
    check_order,
    is_id,
    shown_frames,
)
from spatial_engine.audit.oracles.movement_points import MM_TIE, MovementRule, at
from spatial_engine.audit.oracles.track_motions import groupings
from spatial_engine.audit.raw.clip import RawClip
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.npz_file import MAX_MEMBER_BYTES
from spatial_engine.audit.raw.pictures import PictureError, read_file
from spatial_engine.audit.records.fields import check_fields, check_split, is_coordinate
from spatial_engine.audit.records.texts import (
    check_coordinate_words,
    check_leak,
    check_texts,
    check_unit,
)

PATH, FASTEST = "movement_point_path", "movement_fastest_step"


def check_clip_frames_record(
    record: dict, clip: RawClip, split: str, images: Path, constants: dict[str, Any]
) -> list[str]:
    """Complaints about a record of either task.

    images: the folder that image paths are relative to; constants: those of the file, by name.
    """
    check_split(split)
    complaints = check_fields(record, split, task_of(record["task"]))
    shown = shown_frames(record)
    if isinstance(shown, str):
        return [*complaints, shown]
    texts = check_texts(record, split, len(shown.frames), lambda text: _words(text, record))
    complaints += texts + check_order(record, shown)
    if record.get("clip_set") != clip.dataset:
        complaints.append(f"clip_set: {record.get('clip_set')!r}, checked against {clip.dataset}")
    if shown.place != clip.clip_id:
        return [*complaints, f"image: of clip {shown.place}, checked against {clip.clip_id}"]
    try:
        return complaints + _check_clip(record, clip, shown, images, constants)
    except RawDataError as err:
        return [*complaints, f"raw data: {err}"]


def _words(text: str, record: dict) -> list[str]:
    p1 = record.get("p1")
    complaints = check_coordinate_words(text, [p1] if is_coordinate(p1) else [])
    if record["task"] == PATH:
        complaints += check_unit(text, "mm")
    complaints += check_listed(text, record.get("choices"))
    return complaints + check_leak(text, record.get("gt_value"), ())


def _check_clip(
    record: dict, clip: RawClip, shown: Shown, images: Path, constants: dict[str, Any]
) -> list[str]:
    numbers = [int(frame) for frame in shown.frames]
    missing = [number for number in numbers if number >= len(clip.tracks)]
    if missing:
        return [f"image: the clip has no frame {missing[0]}"]
    complaints = _check_images(record, clip, numbers, images)
    if not is_id(record.get("point_id"), clip.tracks.shape[1]):
        count = clip.tracks.shape[1]
        return [*complaints, f"point_id: {record.get('point_id')!r} is none of {count} points"]
    wrong = _check_point(record, clip, numbers)
    return complaints + (wrong or _check_motion(record, clip, numbers, constants))


def _check_images(record: dict, clip: RawClip, numbers: list[int], images: Path) -> list[str]:
    """Sizes, and that each file is the stored JPEG of its frame."""
    complaints, (width, height) = [], clip.image_size
    for field, size in (("height_list", height), ("width_list", width)):
        if record.get(field) != [size] * len(numbers):
            complaints.append(f"{field}: {record.get(field)!r}, the clip says {size}")
    for name, number in zip(record["image"], numbers, strict=True):
        try:
            content = read_file(images / name, MAX_MEMBER_BYTES)
        except (OSError, PictureError) as err:
            why = getattr(err, "strerror", None) or err
            complaints.append(f"image: {images / name} cannot be read: {why}")
            continue
        if content.rstrip(b"\0") != clip.jpegs[number]:
            complaints.append(f"image: {images / name} is not the stored JPEG of frame {number}")
    return complaints


def _check_point(record: dict, clip: RawClip, numbers: Sequence[int]) -> list[str]:
    """The point can be asked about in all frames, and is at p1 in the first."""
    point = record["point_id"]
    hidden = [number for number in numbers if not clip.shown()[number, point]]
    if hidden:
        return [f"point_id: point {point} cannot be seen in frame {hidden[0]}"]
    complaints = []
    if not any(point in group for groups in groupings(clip) for group in groups):
        complaints.append(f"point_id: point {point} is in no rigid group")
    p1 = record.get("p1")
    if not is_coordinate(p1):
        complaints.append(f"p1: {p1!r} is not [x, y], int from 0 to 1000")
    elif not at(clip, numbers[0], p1)[point]:
        x, y = 1000 * clip.pixels[numbers[0], point] / np.array(clip.image_size)
        complaints.append(f"p1: {p1}, the raw data say [{x:.6f}, {y:.6f}]")
    return complaints


def _check_motion(
    record: dict, clip: RawClip, numbers: Sequence[int], constants: dict[str, Any]
) -> list[str]:
    positions = clip.world[list(numbers), record["point_id"]]
    steps, apart = path_metres(positions)
    cam_from_world = clip.cam_from_world[numbers[0]]
    placed = positions @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    complaints = check_numbers(record, "positions_mm", 1000.0 * placed, MM_TIE)
    moves = MovementRule.of(constants).limits(clip).moves
    if record["task"] == PATH:
        least = max(moves, limit(constants, "MIN_POINT_STEP_M"))
        complaints += _check_moves(float(steps.min()), least)
        complaints += check_detour(steps, apart, constants)
        return complaints + check_answer(record, 1000.0 * steps.sum(), "mm", MM_TIE)
    complaints += _check_moves(float(steps.max()), moves)
    if len({two - one for one, two in pairwise(numbers)}) > 1:
        complaints.append(f"image: the frames {list(numbers)} are not at equal intervals")
    return complaints + _check_fastest(record, steps, constants)


def _check_moves(step: float, least: float) -> list[str]:
    if step >= least - ROUNDING:
        return []
    return [f"image: a step of {step:.6f} m, the point moves from {least:.6f} m on"]


def _check_fastest(record: dict, steps: np.ndarray, constants: dict[str, Any]) -> list[str]:
    second, first = np.sort(steps)[-2:]
    least = max(limit(constants, "MIN_STEP_GAP_M"), limit(constants, "MIN_STEP_GAP_SHARE") * first)
    complaints = []
    if first - second < least - ROUNDING:
        complaints.append(
            f"image: steps of {first:.6f} and {second:.6f} m differ by less than {least:g} m "
            "(MIN_STEP_GAP_M, MIN_STEP_GAP_SHARE)"
        )
    texts = [f"from Image-{k} to Image-{k + 1}" for k in range(1, len(steps) + 1)]
    complaints += check_choices(record, texts)
    return complaints + check_letters(record, ["ABCDEFG"[int(steps.argmax())]])
