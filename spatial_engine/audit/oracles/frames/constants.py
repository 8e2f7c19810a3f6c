"""The fourteen tasks about three to eight frames, and the constants that they are asked by."""

from __future__ import annotations

from typing import Any

from spatial_engine.audit.records.constants import number

TYPES = {  # of each family; a task is <family>_<type>
    "camera": ("path_length", "net_turn"),
    "depth": ("nearest_view", "hidden_depth"),
    "correspondence": ("odd_dot", "seen_where"),
    "object": ("joint_size", "count_distinct"),
    "movement": ("point_path", "fastest_step"),
    "relation": (
        "object_distance",
        "nearest_object",
        "direction",
        "appearance_order",
    ),
}
FRAME_TASKS = {f"{family}_{kind}": family for family, kinds in TYPES.items() for kind in kinds}
FRAME_MARKED = {
    task for task, family in FRAME_TASKS.items() if family in ("depth", "correspondence")
}
FRAME_MOVEMENT = {task for task, family in FRAME_TASKS.items() if family == "movement"}
ANY_ORDER = {"depth_nearest_view", "correspondence_odd_dot", "correspondence_seen_where"}
NOT_JOINED = {"depth_nearest_view", "correspondence_odd_dot"}  # each pair shares a point
LEAST_FRAMES, MOST_FRAMES = 3, 8

ROUNDING = 1e-6  # of a unit (m, degree, percent): nearer to a bound, two sound programs may differ
USUAL = {
    "ABSENT_MARGIN_SHARE": 0.02,
    "ABSENT_BEHIND_M": 0.1,
    "MIN_SEEN_VERTICES": 50,
    "MIN_SEEN_SHARE": 0.2,
    "MIN_LINK": 6,
    "MAX_LIKE": 70,
    "NEAR_SIDE_M": 0.05,
    "NEAR_SIDE_SHARE": 0.05,
    "MIN_STEP_M": 0.1,
    "MIN_DETOUR": 1.3,
    "MIN_TURN_DEG": 5,
    "MAX_TURN_DEG": 90,
    "MAX_PITCH_DEG": 60,
    "MIN_NET_TURN_DEG": 15,
    "MIN_DEPTH_GAP_M": 0.1,
    "MIN_DEPTH_GAP_SHARE": 0.1,
    "MIN_HIDDEN_M": 0.5,
    "MIN_ODD_M": 0.3,
    "MIN_ODD_SHARE": 0.05,
    "MIN_SIDE_M": 0.05,
    "MAX_BOX_SLACK": 1.15,
    "MIN_POINT_STEP_M": 0.02,
    "MIN_STEP_GAP_M": 0.03,
    "MIN_STEP_GAP_SHARE": 0.25,
    "MIN_DISTANCE_M": 0.3,
    "MAX_DISTANCE_M": 6,
    "MIN_DISTANCE_GAP_M": 0.15,
    "MIN_DISTANCE_GAP_SHARE": 0.15,
    "MIN_BORDER_DEG": 15,
    "MIN_SECTOR_SHARE": 0.9,
    "MIN_STAND_M": 0.8,
}


def limit(constants: dict[str, Any], name: str) -> float:
    """A constant of section 13 that a file was made with; the usual one where none is told."""
    return number(constants, name, USUAL[name])


def task_of(*tasks: str) -> dict[str, str]:
    """{question type: task}, where the type is the task or its name without the family."""
    short = {task.removeprefix(f"{FRAME_TASKS[task]}_"): task for task in tasks}
    return {task: task for task in tasks} | short
