"""Which points of a clip a movement record can be about, and how they move (SPEC 9.3, 9.4).

How docs/spec.md was read where it leaves a choice, by section:
- 9.3 displacement and distance are from the first frame's world position to the second's, whatever
  lies between. A length may be off the nearest mm by MM_TIE more than half: files hold float32.
- 9.3, 9.4 on which side of a threshold a length is, is not judged within NOT_JUDGED_M of it.
- 9.4 a coord question is about any point that it fits: visible in both frames, in both images
  (0 <= u < W), in a kept group, at p1 and p2, and moving so.
- 9.4 p1, p2 are rounded projections, of dot too.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from spatial_engine.audit.oracles.track_motions import (
    PARKED_M,
    groupings,
    is_parked,
    jitter,
    jump_and_noise,
)
from spatial_engine.audit.raw.clip import RawClip
from spatial_engine.audit.raw.ids import ONE_BODY
from spatial_engine.audit.records.constants import number
from spatial_engine.audit.records.fields import is_coordinate, rounds_to
from spatial_engine.audit.records.images import check_list_of_images

DISTANCE, VECTOR = "tapvid3d_total_distance", "tapvid3d_displacement_vector"
CAMERA_MOVES_M = 0.01
NOT_JUDGED_M = 1e-9
MM_TIE = 0.01  # mm beyond half a mm
TOLD_M = 0.5  # the one thing of a clip moves by this at least, or it is not known to
JUMP_M = 0.3  # nothing is known of one that jumps by more
MAX_MM = 10**9  # no answer is larger
MOST_OF_RULE = 10**6  # no constant of a rule is larger


class MovementRule(NamedTuple):
    """Constants of a file: a point is still below `still_m`; it moved from `moved_m` and from
    `jitter_times` the clip's jitter on. `static_share` of a clip's training records are about still
    points; 0: one pair at most for each point."""

    still_m: float = 0.01
    moved_m: float = 0.02
    jitter_times: float = 5.0
    static_share: float = 0.1

    @classmethod
    def of(cls, constants: dict[str, Any]) -> MovementRule:
        """Of a file that was made with these constants."""
        usual = cls()._asdict()
        told = {name: number(constants, name.upper(), usual[name]) for name in usual}
        return cls(**{k: v if 0 <= v <= MOST_OF_RULE else usual[k] for k, v in told.items()})

    def limits(self, clip: RawClip) -> Limits:
        """Of the points of a clip."""
        least = max(self.still_m, self.moved_m)
        if clip.dataset in ONE_BODY:
            jump, noise = jump_and_noise(clip) or (np.inf, np.inf)
            if jump > JUMP_M:
                return Limits(0.0, np.inf)
            if is_parked(clip):
                return Limits(PARKED_M, np.inf)
            return Limits(0.0, max(TOLD_M, least, self.jitter_times * noise))
        return Limits(self.still_m, max(least, self.jitter_times * (jitter(clip) or 0.0)))


class Limits(NamedTuple):
    """Metres below which something is still, and from which on it moves; none asks between."""

    still: float
    moves: float


class Shown(NamedTuple):
    """What a record's images show; point: its number, None where the images do not tell."""

    clip_id: str
    frame1: int
    frame2: int
    point: int | None


def shown_images(record: dict, prompt: str) -> Shown | str:
    """What the images of a record show by their names, or a complaint."""
    wrong = check_list_of_images(record.get("image"), 2)
    if wrong:
        return wrong[0]
    plain = "(?P<clip>[A-Za-z0-9_-]+)/(?P<frame>[0-9]{5})[.]jpg"
    marked = plain.replace("[.]jpg", "_(?P<point>0|[1-9][0-9]{0,8})_annotated[.]jpg")
    names = {plain: "<clip>/<frame>.jpg", marked: "<clip>/<frame>_<point>_annotated.jpg"}
    patterns = [marked if prompt == "dot" else plain, plain]
    matches = []
    for pattern, path in zip(patterns, record["image"], strict=True):
        match = re.fullmatch(pattern, path) if isinstance(path, str) else None
        if match is None:
            return f"image: {path!r} is not {names[pattern]}"
        matches.append(match)
    first, second = matches
    if first["clip"] != second["clip"]:
        return f"image: two clips, {first['clip']} and {second['clip']}"
    if first["frame"] == second["frame"]:
        return f"image: frame {first['frame']} twice"
    point = int(first["point"]) if prompt == "dot" else None
    return Shown(first["clip"], int(first["frame"]), int(second["frame"]), point)


def usable(record: dict) -> bool:
    """Whether answer and points have the form that they must have."""
    gt_value = record.get("gt_value")
    values = gt_value if record.get("question_type") == VECTOR else [gt_value]
    wanted = 3 if record.get("question_type") == VECTOR else 1
    return (
        isinstance(values, list)
        and len(values) == wanted
        and all(type(value) is int and abs(value) <= MAX_MM for value in values)
        and (wanted == 3 or values[0] >= 0)
        and is_coordinate(record.get("p1"))
        and is_coordinate(record.get("p2"))
    )


def at(clip: RawClip, frame: int, place: list[int]) -> np.ndarray:
    """(N,) bool: points visible in the frame, in the image, at `place` in 0 to 1000."""
    thousandths = 1000 * clip.pixels[frame] / np.array(clip.image_size)
    return clip.shown()[frame] & rounds_to(thousandths, place).all(axis=1)


def matching_points(
    clip: RawClip, record: dict, shown: Shown, limits: Limits
) -> tuple[list[str], frozenset[int]]:
    """Complaints if a `usable` record fits no point, and the points that it fits."""
    here = at(clip, shown.frame1, record["p1"]) & at(clip, shown.frame2, record["p2"])
    places = f"p1 {record['p1']} in frame {shown.frame1}, p2 {record['p2']} in {shown.frame2}"
    if shown.point is None:
        points = [int(point) for point in np.flatnonzero(here)]
        if not points:
            return [f"p1, p2: no visible point is at {places}"], frozenset()
    else:
        points = [shown.point]
        if shown.point >= len(here):
            return [f"image: the clip has no point {shown.point}"], frozenset()
        if not here[shown.point]:
            return [f"p1, p2: point {shown.point} is not visible at {places}"], frozenset()
    found = {point: _misfits(clip, record, shown, point, limits) for point in points}
    fitting = frozenset(point for point, misfits in found.items() if not misfits)
    if fitting:
        return [], fitting
    point = min(found, key=lambda point: len(found[point]))
    return [f"{misfit} (point {point})" for misfit in found[point]], frozenset()


def _misfits(clip: RawClip, record: dict, shown: Shown, point: int, limits: Limits) -> list[str]:
    """In what a record differs from the movement of a point."""
    complaints = []
    if not any(point in group for groups in groupings(clip) for group in groups):
        complaints.append("the point is in no rigid group")
    vector_mm = 1000 * clip.displacement(shown.frame1, shown.frame2)[point]
    moved = float(np.linalg.norm(clip.world[shown.frame2, point] - clip.world[shown.frame1, point]))
    camera = clip.camera_displacement(shown.frame1, shown.frame2)
    gt_value = record["gt_value"]
    answers = gt_value if isinstance(gt_value, list) else [gt_value]
    truth = vector_mm if isinstance(gt_value, list) else np.array([1000 * moved])
    fits = {
        False: not any(answers),
        True: bool((np.abs(truth - np.array(answers)) <= 0.5 + MM_TIE).all()),
    }
    of_camera = Limits(CAMERA_MOVES_M, CAMERA_MOVES_M)
    for name, metres, its in (("point_moving", moved, limits), ("cam_moving", camera, of_camera)):
        possible = verdicts(metres, its)
        if not any(record.get(name) is verdict for verdict in possible):
            found = f"{metres:.9f} m from frame to frame"
            if not possible:
                found += f", neither below {its.still} m nor from {its.moves:.6f} m on"
            complaints.append(f"{name}: {record.get(name)!r}, the raw data say {found}")
    if not any(fits[verdict] for verdict in verdicts(moved, limits)):
        numbers = ", ".join(f"{value:.4f}" for value in truth)
        complaints.append(f"gt_value: {gt_value!r}, the raw data say {numbers} mm")
    return complaints


def verdicts(metres: float, limits: Limits) -> set[bool]:
    """Whether something that moves so far is moving; both where that cannot be judged, none where
    it is neither still nor moving."""
    found = {False} if metres - NOT_JUDGED_M < limits.still else set()
    return found | ({True} if metres + NOT_JUDGED_M >= limits.moves else set())
