"""How the camera moves from one frame to another: what is measured, and what that answers (SPEC 5).
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spatial_engine.utils.geometry.cameras import MM_PER_METRE, wrap_degrees, yaw_pitch

# Direction types: the words for above and below zero.
DIRECTIONS = {
    "x_movement": ("right", "left"),
    "y_movement": ("down", "up"),
    "z_movement": ("forward", "backward"),
    "yaw_movement": ("left", "right"),
    "pitch_movement": ("up", "down"),
}
ANGLES = ("yaw_angle", "pitch_angle")
# What is measured for them, and the constant of the script below which it is not asked about.
MEASURED = {
    "x_movement": ("x_mm", "MIN_DIRECTION_MM"),
    "y_movement": ("y_mm", "MIN_DIRECTION_MM"),
    "z_movement": ("z_mm", "MIN_DIRECTION_MM"),
    "yaw_movement": ("yaw_deg", "MIN_DIRECTION_DEG"),
    "pitch_movement": ("pitch_deg", "MIN_DIRECTION_DEG"),
    "yaw_angle": ("yaw_deg", "MIN_ANGLE_DEG"),
    "pitch_angle": ("pitch_deg", "MIN_ANGLE_DEG"),
}
QUESTION_TYPES = (*MEASURED, "total_distance", "displacement_vector")


def measure_motion(
    world_from_cam: np.ndarray, first: np.ndarray, second: np.ndarray
) -> dict[str, np.ndarray]:
    """From the first camera to the second, arrays (n,) by quantity. `world_from_cam` are the poses
    of all frames (frames, 4, 4), aligned; `first` and `second` are frames, (n,) int each.

    `x_mm`, `y_mm`, `z_mm`: position of camera 2 in the axes of camera 1 (right, down, forward).
    `yaw_deg`, `pitch_deg`: how heading (counter-clockwise from above) and elevation change, in
    (-180, 180]. `distance_mm`: how far camera 2 is from camera 1.
    """
    cam_from_world = np.linalg.inv(world_from_cam)
    cam1_from_cam2 = cam_from_world[first] @ world_from_cam[second]
    displacement = cam1_from_cam2[:, :3, 3] * MM_PER_METRE
    yaw, pitch = yaw_pitch(world_from_cam)
    return {
        "x_mm": displacement[:, 0],
        "y_mm": displacement[:, 1],
        "z_mm": displacement[:, 2],
        "yaw_deg": wrap_degrees(yaw[second] - yaw[first]),
        "pitch_deg": wrap_degrees(pitch[second] - pitch[first]),
        "distance_mm": np.linalg.norm(displacement, axis=1),
    }


def answers_of(motion: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """The nine values of each pair by question type; None for a direction without motion.

    Words, whole degrees and whole millimetres, as in answers and `gt_value`.
    """
    columns: dict[str, list[Any]] = {}
    for name, words in DIRECTIONS.items():
        signs = np.sign(motion[MEASURED[name][0]]).astype(int)
        columns[name] = np.array([None, *words], object)[signs].tolist()
    whole = {quantity: np.rint(values).astype(int) for quantity, values in motion.items()}
    for name in ANGLES:
        columns[name] = np.abs(whole[MEASURED[name][0]]).tolist()
    columns["total_distance"] = whole["distance_mm"].tolist()
    vectors = np.stack([whole[axis] for axis in ("x_mm", "y_mm", "z_mm")], axis=1)
    columns["displacement_vector"] = vectors.tolist()
    rows = zip(*(columns[name] for name in QUESTION_TYPES), strict=True)
    return [dict(zip(QUESTION_TYPES, row, strict=True)) for row in rows]


def is_too_small(
    question_type: str, motion: dict[str, np.ndarray], constants: Mapping[str, Any]
) -> np.ndarray:
    """Which pairs move or turn too little to be asked about, (n,) bool. A direction takes some
    motion, even where the margin is 0."""
    if question_type not in MEASURED:
        return np.zeros(len(motion["distance_mm"]), bool)
    quantity, margin = MEASURED[question_type]
    size = np.abs(motion[quantity])
    still = (size == 0) & (question_type in DIRECTIONS)
    return still | (size < constants[margin])


def signs_of(
    question_type: str, motion: dict[str, np.ndarray], constants: Mapping[str, Any]
) -> np.ndarray:
    """Answers to a direction question, (n,) int: +1 and -1 for the words above and below zero, 0
    where it is too small."""
    signs = np.sign(motion[MEASURED[question_type][0]]).astype(int)
    return np.where(is_too_small(question_type, motion, constants), 0, signs)
