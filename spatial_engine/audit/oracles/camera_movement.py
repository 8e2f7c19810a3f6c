"""Checks camera-movement questions against the raw scans, record by record.

Cost: the visibility of a frame (one pass over the mesh) the first time a scene needs it.

How docs/spec.md was read where it leaves a choice, by section:
- 5 `E12 = E1^-1 E2` takes a true inverse. `total_distance` is ‖d‖ with d = E12[:3, 3]; the
  `distance` of the frame relations, ‖t2 - t1‖, is the same length but for poses that are not quite
  orthonormal (float32, six-digit alignment: micrometres). The rounding of either is accepted.
- 5 yaw and pitch of a question are angle of Image-2 minus angle of Image-1, after the swap.
- 5 a direction is not judged within 1e-9 (mm or degrees) of no motion, nor, for yaw, within 1e-9
  of half a turn (both ways round are equal), nor is any yaw when a camera looks straight up or
  down (no heading). An exact half turn counts as +180: left.
- 10 what may stand in the question: a backticked word is not a leak where the opposite word is
  offered in backticks too.
- 10 the question says which form of answer is wanted: both words of a direction, or the unit.
- 5 a pair recorded with overlap 0 is a zero-overlap pair.
- 5 the margins are those that the file was made with; where that is not told, there are none.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from spatial_engine.audit.oracles.overlap import check_overlap
from spatial_engine.audit.raw.limits import RawDataError, is_sound
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.constants import number
from spatial_engine.audit.records.fields import (
    acceptable_integers,
    check_fields,
    check_split,
    known_type,
)
from spatial_engine.audit.records.images import (
    check_frame,
    check_images,
    image_pair,
    posed_image,
)
from spatial_engine.audit.records.lines import TaskRules
from spatial_engine.audit.records.texts import check_leak, check_secret, check_texts, check_unit

# Per direction question: the word for a positive and for a negative value (SPEC 5).
WORDS = {
    "x_movement": ("right", "left"),
    "y_movement": ("down", "up"),
    "z_movement": ("forward", "backward"),
    "yaw_movement": ("left", "right"),
    "pitch_movement": ("up", "down"),
}
QUESTION_TYPES = (*WORDS, "yaw_angle", "pitch_angle", "total_distance", "displacement_vector")
TASK_OF = {question_type: f"camera_{question_type}" for question_type in QUESTION_TYPES}

# Per type the constant below which it is not asked.
MARGINS = dict.fromkeys(("x_movement", "y_movement", "z_movement"), "MIN_DIRECTION_MM")
MARGINS |= dict.fromkeys(("yaw_movement", "pitch_movement"), "MIN_DIRECTION_DEG")
MARGINS |= dict.fromkeys(("yaw_angle", "pitch_angle"), "MIN_ANGLE_DEG")

ROUNDING = 1e-6  # mm or degrees: nearer to a margin, two sound programs may differ
NO_MOTION = 1e-9  # mm or degrees: below it the sign of a float64 result is noise


def camera_truth(scene: PosedScene, id1: str, id2: str) -> dict:
    """The nine values of SPEC 5 for Image-1 = id1, Image-2 = id2.

    Returns the nine question types:
        x_movement, y_movement, z_movement, yaw_movement, pitch_movement: the word, or None where
            the motion is exactly zero;
        yaw_angle, pitch_angle: float degrees, absolute, unrounded;
        total_distance: float mm; displacement_vector: (3,) float mm, right, down, forward in the
            axes of the first camera;
    and what they come from:
        E12: (4, 4) cam1_from_cam2, metres; yaw, pitch: float degrees in (-180, 180];
        centre_distance: ‖t2 - t1‖ mm; motion: {direction question: signed mm or degrees};
        yaw_defined: False where a camera looks straight up or down.
    """
    world_from_cam1, world_from_cam2 = scene.world_from_cam(id1), scene.world_from_cam(id2)
    scene.cam_from_world(id2)  # raises for an invalid or singular pose, as the next line does
    cam1_from_cam2 = scene.cam_from_world(id1) @ world_from_cam2
    if not is_sound(cam1_from_cam2):
        raise RawDataError(f"{scene.scene_id}: poses of {id1} and {id2} are beyond all bounds")
    displacement = 1000.0 * cam1_from_cam2[:3, 3]
    yaw1, pitch1 = heading(world_from_cam1)
    yaw2, pitch2 = heading(world_from_cam2)
    yaw, pitch = wrap_degrees(yaw2 - yaw1), wrap_degrees(pitch2 - pitch1)
    motion = {
        "x_movement": float(displacement[0]),
        "y_movement": float(displacement[1]),
        "z_movement": float(displacement[2]),
        "yaw_movement": yaw,
        "pitch_movement": pitch,
    }
    truth: dict = {name: _word(name, value) for name, value in motion.items()}
    truth["yaw_angle"] = abs(yaw)
    truth["pitch_angle"] = abs(pitch)
    truth["total_distance"] = math.sqrt(sum(float(x) ** 2 for x in displacement))
    truth["displacement_vector"] = displacement
    truth["E12"] = cam1_from_cam2
    truth["yaw"] = yaw
    truth["pitch"] = pitch
    truth["motion"] = motion
    step = 1000.0 * (world_from_cam2[:3, 3] - world_from_cam1[:3, 3])
    truth["centre_distance"] = math.sqrt(sum(float(x) ** 2 for x in step))
    truth["yaw_defined"] = _has_heading(world_from_cam1) and _has_heading(world_from_cam2)
    return truth


def heading(world_from_cam: np.ndarray) -> tuple[float, float]:
    """Yaw and pitch in degrees of a (4, 4) aligned pose, by its forward axis (third column)."""
    forward_x, forward_y, forward_z = (float(x) for x in world_from_cam[:3, 2])
    norm = math.sqrt(forward_x**2 + forward_y**2 + forward_z**2)
    if norm == 0:
        raise RawDataError("a pose whose forward axis is zero")
    yaw = math.atan2(forward_y, forward_x)
    pitch = math.asin(max(-1.0, min(1.0, forward_z / norm)))  # rounding can pass 1 by an ulp
    return math.degrees(yaw), math.degrees(pitch)


def wrap_degrees(angle: float) -> float:
    """The same angle in (-180, 180]."""
    while angle <= -180.0:
        angle += 360.0
    while angle > 180.0:
        angle -= 360.0
    return angle


def _has_heading(world_from_cam: np.ndarray) -> bool:
    forward = world_from_cam[:3, 2]
    return math.hypot(forward[0], forward[1]) > 1e-9 * math.hypot(*forward)


def _word(question_type: str, value: float) -> str | None:
    positive, negative = WORDS[question_type]
    if value == 0:
        return None
    return positive if value > 0 else negative


# ---- what may be recorded ------------------------------------------------------------------------


def judge_value(question_type: str, recorded: object, truth: dict, may_be_null: bool) -> str:
    """Complaint about one recorded answer, "" when it is right.

    may_be_null: whether null may stand for no motion (in `answer_values`, never in `gt_value`).
    """
    if question_type in WORDS:
        return _judge_direction(question_type, recorded, truth, may_be_null)
    if question_type == "displacement_vector":
        vector = [float(x) for x in truth["displacement_vector"]]
        is_vector = isinstance(recorded, list) and len(recorded) == 3
        if not is_vector or not all(type(x) is int for x in recorded):
            return f"{recorded!r} is not a list of 3 int"
        if any(x not in acceptable_integers(t) for x, t in zip(recorded, vector, strict=True)):
            return f"{recorded} but the raw data say {[round(x, 4) for x in vector]} mm"
        return ""
    if type(recorded) is not int:
        return f"{recorded!r} is not an int"
    if question_type == "yaw_angle" and not truth["yaw_defined"]:
        return "" if 0 <= recorded <= 180 else f"{recorded} is outside 0 to 180"
    accepted = acceptable_integers(truth[question_type])
    if question_type == "total_distance":
        accepted |= acceptable_integers(truth["centre_distance"])
    if recorded not in accepted:
        return f"{recorded} but the raw data say {truth[question_type]:.6f}"
    return ""


def _judge_direction(question_type: str, recorded: object, truth: dict, may_be_null: bool) -> str:
    value = truth["motion"][question_type]
    undecided = abs(value) < NO_MOTION
    if question_type == "yaw_movement":
        undecided |= not truth["yaw_defined"]
    if recorded is None and may_be_null:
        return "" if undecided else f"null but the raw data say {value:.9f}"
    if not isinstance(recorded, str) or recorded not in WORDS[question_type]:
        return f"{recorded!r} is none of {WORDS[question_type]}"
    if question_type == "yaw_movement":
        undecided |= abs(abs(value) - 180.0) < NO_MOTION
    if not undecided and recorded != truth[question_type]:
        return f"{recorded!r} but the raw data say {truth[question_type]!r} ({value:.9f})"
    return ""


# ---- one record ----------------------------------------------------------------------------------


def check_camera_record(
    record: dict, scene: PosedScene, split: str, constants: dict[str, Any] | None = None
) -> list[str]:
    """Complaints about one record of a camera-movement task; empty when everything is right.

    The scene must be the one that the record's images name. Train records carry `conversations`,
    val records `text`. constants: those that the file was made with, by name.
    """
    check_split(split)
    if not isinstance(record, dict):
        return ["the record is not a JSON object"]
    complaints = check_fields(record, split, TASK_OF)
    complaints += check_words(record, split)
    images = image_ids(record)
    if isinstance(images, str):
        return [*complaints, images]
    scene_id, id1, id2 = images
    if scene_id != scene.scene_id:
        return [*complaints, f"image: of scene {scene_id}, checked against {scene.scene_id}"]
    for frame_id in (id1, id2):
        complaint = check_frame(scene, frame_id)
        if complaint:
            return [*complaints, complaint]
    complaints += check_images(record, scene)
    try:
        truth = camera_truth(scene, id1, id2)
        complaints += _check_values(record, truth)
        complaints += _check_margin(record, truth, constants or {})
        complaints += check_overlap(record, scene, id1, id2, may_be_zero=True)
    except RawDataError as err:
        complaints.append(f"raw data: {err}")
    return complaints


def image_ids(record: dict) -> tuple[str, str, str] | str:
    """(scene id, frame id of Image-1, frame id of Image-2), or a complaint."""
    return image_pair(record, posed_image)


def check_words(record: dict, split: str) -> list[str]:
    """Complaints about question and answer as they are read."""
    return check_texts(record, split, 2, lambda text: _check_question(text, record))


def _check_question(text: str, record: dict) -> list[str]:
    question_type, gt_value = known_type(record, QUESTION_TYPES), record.get("gt_value")
    complaints = _check_form(text, question_type)
    if question_type == "displacement_vector":
        missing = [word for word in ("right", "down", "forward") if word not in text.lower()]
        if missing:
            complaints.append(f"the axes are not named, missing {missing}")
    # Both words offered as the two possible answers are the form of the answer, no leak.
    leak = check_leak(text, gt_value, WORDS.get(question_type, ()))
    if not leak and isinstance(gt_value, list):
        leak = check_secret(text, gt_value)
    return complaints + leak


def _check_form(text: str, question_type: str | None) -> list[str]:
    """The question says which form of answer is wanted: one of two words, or a unit."""
    if question_type is None:
        return []
    if question_type not in WORDS:
        return check_unit(text, "degree" if question_type.endswith("angle") else "mm")
    missing = [w for w in WORDS[question_type] if not re.search(rf"\b{w}", text.lower())]
    return [f"does not offer the answers {missing}"] if missing else []


def _check_margin(record: dict, truth: dict, constants: dict[str, Any]) -> list[str]:
    """A motion that is too small to be asked about, by the constants of the file."""
    question_type = known_type(record, MARGINS)
    if question_type is None or ("yaw" in question_type and not truth["yaw_defined"]):
        return []
    name = MARGINS[question_type]
    size = abs(truth["motion"][question_type.replace("angle", "movement")])
    if size >= number(constants, name, 0) - ROUNDING:
        return []
    return [f"question_type: {question_type} of {size:.6f}, {name} is {constants[name]}"]


def _check_values(record: dict, truth: dict) -> list[str]:
    complaints = []
    question_type, gt_value = record.get("question_type"), record.get("gt_value")
    if question_type in QUESTION_TYPES:
        complaint = judge_value(question_type, gt_value, truth, may_be_null=False)
        if complaint:
            complaints.append(f"gt_value: {question_type} is {complaint}")
    answers = record.get("answer_values")
    if not isinstance(answers, dict) or set(answers) != set(QUESTION_TYPES):
        complaints.append(f"answer_values: {answers!r} does not hold exactly the nine values")
        return complaints
    for name in QUESTION_TYPES:
        complaint = judge_value(name, answers[name], truth, may_be_null=True)
        if complaint:
            complaints.append(f"answer_values: {name} is {complaint}")
    if question_type in QUESTION_TYPES and answers[question_type] != gt_value:
        complaints.append(f"answer_values: {answers[question_type]!r}, gt_value {gt_value!r}")
    return complaints


# ---- one file ------------------------------------------------------------------------------------


def camera_rules(split: str, constants: dict[str, Any]) -> TaskRules:
    """What is asked of a file of camera-movement questions made with the constants; no pair twice,
    in either order."""

    def asked(record: dict) -> tuple[str, frozenset] | str:
        images = image_ids(record)
        return images if isinstance(images, str) else (images[0], frozenset(images[1:]))

    def check(record: dict, scene: PosedScene) -> list[str]:
        return check_camera_record(record, scene, split, constants)

    again = "image: the pair of line {} again"
    return TaskRules(asked=asked, again=again, check=check)
