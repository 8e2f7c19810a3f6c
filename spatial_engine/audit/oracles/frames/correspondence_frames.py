"""Checks questions about one point, marked or looked for, in three to eight frames.

How docs/spec.md was read where it leaves a choice, by section:
- 13.2 Y, the point of the odd dot, is not named: it is any vertex seen there that is at that place
  of mark_points and far enough from X, and the dot is on it.
- 13.2 mark_points holds [x, y] by image, 0 to 1000; mark_colors one colour for each image, which
  may be alike or not.
- 13.2 `seen` holds true or false for each image, of the first too, which is true.
- 13.2 X and Y are apart in the image by the distance of their projections in the odd frame.
- 13.2 seen_where: the answer is a text, "A, C".
"""

from __future__ import annotations

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
    check_choices,
    check_letters,
    check_scene_record,
    image_texts,
)
from spatial_engine.audit.oracles.visibility import SurfaceRule, on_surface, project_points
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.fields import is_coordinate, rounds_to
from spatial_engine.audit.records.texts import check_leak

ODD, SEEN_WHERE = "correspondence_odd_dot", "correspondence_seen_where"
LETTERS = "ABCDEFGH"


def check_correspondence_frames_record(
    record: dict,
    scene: PosedScene,
    split: str,
    images: Path,
    rule: SurfaceRule | None,
    constants: dict[str, Any],
) -> list[str]:
    """Complaints about a record of either task; parameters as of check_depth_frames_record."""

    def check_truth(frames: tuple[str, ...]) -> list[str]:
        wrong = check_point(record, scene)
        if wrong:
            return wrong
        points = FramePoints(scene, rule, constants)
        check = _check_odd if record["task"] == ODD else _check_seen_where
        return check(record, points, frames, images)

    return check_scene_record(
        record,
        scene,
        split,
        constants,
        lambda text: check_leak(text, record.get("gt_value"), ()),
        check_truth,
    )


# ---- which frame sees it -------------------------------------------------------------------------


def _check_seen_where(
    record: dict, points: FramePoints, frames: Sequence[str], images: Path
) -> list[str]:
    vertex = record["point_id"]
    complaints = check_choices(record, image_texts(len(frames), first=2))
    complaints += check_p1(record, points, frames[0], vertex)
    complaints += check_seen(points, frames[:1], vertex)
    complaints += _check_states(record, points, frames, vertex)
    dot = points.place(frames[0], vertex)[None, :2]
    return complaints + check_pictures(record, points.scene, frames, images, [dot])


def _check_states(
    record: dict, points: FramePoints, frames: Sequence[str], vertex: int
) -> list[str]:
    """`seen` and the answer: each frame sees the point or surely does not, and there are both."""
    seen = record.get("seen")
    if (
        not isinstance(seen, list)
        or len(seen) != len(frames)
        or not all(type(one) is bool for one in seen)
    ):
        return [f"seen: {seen!r} is not a list of {len(frames)} true or false"]
    complaints = [] if seen[0] else ["seen: false for the frame with the dot"]
    for frame, one in list(zip(frames, seen, strict=True))[1:]:
        may = {True: points.may_be_seen(frame, vertex), False: points.may_be_absent(frame, vertex)}
        if not any(may.values()):
            complaints.append(f"point_id: vertex {vertex} is neither seen nor absent in {frame}")
        elif not may[one]:
            complaints.append(f"seen: {one} of frame {frame}, the raw data say {not one}")
    if len(set(seen[1:])) < 2:
        complaints.append(f"seen: {seen[1:]} behind Image-1, expected both")
    right = ", ".join(letter for letter, one in zip(LETTERS, seen[1:], strict=False) if one)
    return complaints + check_letters(record, [right])


# ---- the odd dot ---------------------------------------------------------------------------------


def _check_odd(record: dict, points: FramePoints, frames: Sequence[str], images: Path) -> list[str]:
    vertex, places = record["point_id"], record.get("mark_points")
    complaints = check_choices(record, image_texts(len(frames)))
    complaints += check_seen(points, frames, vertex)
    if not isinstance(places, list) or len(places) != len(frames):
        return [*complaints, f"mark_points: {places!r} is not a list of {len(frames)}"]
    if not all(is_coordinate(place) for place in places):
        return [*complaints, f"mark_points: {places!r} holds what is not [x, y], 0 to 1000"]
    odd = [k for k in range(len(frames)) if not _is_at(points, frames[k], vertex, places[k])]
    if len(odd) != 1:
        names = [f"Image-{k + 1}" for k in odd]
        return [*complaints, f"mark_points: other than at the point in {names}, expected one"]
    complaints += check_letters(record, [LETTERS[odd[0]]])
    centres = [points.place(frame, vertex)[None, :2] for frame in frames]
    others = _odd_points(points, frames[odd[0]], vertex, places[odd[0]])
    if isinstance(others, str):
        complaints.append(others)
    centres[odd[0]] = np.zeros((0, 2)) if isinstance(others, str) else others
    return complaints + check_pictures(record, points.scene, frames, images, centres)


def _is_at(points: FramePoints, frame: str, vertex: int, place: list[int]) -> bool:
    return bool(rounds_to(points.thousandths(frame, vertex), place).all())


def _odd_points(points: FramePoints, frame: str, vertex: int, place: list[int]) -> np.ndarray | str:
    """(n, 2) float u, v of the points that an odd dot at a place may be on, or a complaint.

    vertex: that of the other dots.
    """
    scene, size = points.scene, np.array(points.scene.colour_size, dtype=np.float64)
    seen = np.sort(np.concatenate(on_surface(scene, frame, points.rules.seen)))
    u, v, _ = project_points(scene, frame, scene.vertices_aligned[seen])
    pixels = np.stack([u, v], axis=1)
    here = rounds_to(1000.0 * pixels / size, place).all(axis=1)
    if not here.any():
        return f"mark_points: frame {frame} sees no vertex at {place}"
    seen, pixels = seen[here], pixels[here]
    metres = np.linalg.norm(scene.vertices_aligned[seen] - scene.vertices_aligned[vertex], axis=1)
    shares = np.linalg.norm(pixels - points.place(frame, vertex)[:2], axis=1) / size[0]
    least_m, least_share = (limit(points.constants, n) for n in ("MIN_ODD_M", "MIN_ODD_SHARE"))
    far = (metres >= least_m - ROUNDING) & (shares >= least_share - ROUNDING)
    if far.any():
        return pixels[far]
    return (
        f"mark_points: the odd point is {metres.max():.6f} m from the other and "
        f"{shares.max():.6f} of the width, MIN_ODD_M is {least_m:g}, MIN_ODD_SHARE {least_share:g}"
    )
