"""The 26 subtasks of the MultiSPA benchmark: what each asks for, and what it counts towards.

Sources: SPEC 11; the twelve rows are those of Table 2 of the paper (arXiv 2505.17015).
"""

from __future__ import annotations

from dataclasses import dataclass

# Forms of an answer. A choice between two named points is answered by coordinates, too.
WORD, LETTER, NUMBER, VECTOR, COORDINATES, NAMED_POINT = (
    "word", "letter", "number", "vector", "coordinates", "named point",
)  # fmt: skip


@dataclass(frozen=True)
class Subtask:
    """A kind of question: its form of answer, unit, the words or letters that can be right, images
    in a record, its group in the training mix and its row in the paper's Table 2."""

    name: str
    answer: str
    unit: str  # mm, degree, permille, letter, word
    num_images: int
    group: str
    row: str
    options: tuple[str, ...] = ()


_DEPTH, _MATCH, _TURN, _SHIFT, _MOVE, _SIZE = (
    "depth", "correspondence", "camera orientation", "camera translation", "object movement",
    "object perception",
)  # fmt: skip


def _direction(group: str, words: dict[str, tuple[str, str]]) -> list[Subtask]:
    row = f"{group.capitalize()} direction"
    return [
        Subtask(f"camera_{axis}_movement", WORD, "word", 2, group, row, options)
        for axis, options in words.items()
    ]


def _movement() -> list[Subtask]:
    forms = {"distance": NUMBER, "vector": VECTOR}
    return [
        Subtask(
            f"movement_{prompt}_{quantity}_{dataset}", form, "mm", 2, _MOVE,
            f"Object movement {quantity}",
        )
        for prompt in ("coord", "dot")
        for quantity, form in forms.items()
        for dataset in ("pstudio", "adt")
    ]  # fmt: skip


_LIST = [
    Subtask("depth_comparison_coor", NAMED_POINT, "permille", 1, _DEPTH, "Depth comparison"),
    Subtask("depth_comparison_dot", LETTER, "letter", 1, _DEPTH, "Depth comparison", ("A", "B")),
    Subtask("depth_estimation_coor", NUMBER, "mm", 1, _DEPTH, "Depth value"),
    Subtask("depth_estimation_dot", NUMBER, "mm", 1, _DEPTH, "Depth value"),
    Subtask("correspondence_coor", COORDINATES, "permille", 2, _MATCH, "Correspondence coordinate"),
    Subtask(
        "correspondence_multichoice", LETTER, "letter", 2, _MATCH, "Correspondence multiple choice",
        ("A", "B", "C", "D"),
    ),
    *_direction(_TURN, {"yaw": ("left", "right"), "pitch": ("up", "down")}),
    Subtask("camera_yaw_angle", NUMBER, "degree", 2, _TURN, "Camera orientation degree"),
    Subtask("camera_pitch_angle", NUMBER, "degree", 2, _TURN, "Camera orientation degree"),
    *_direction(
        _SHIFT, {"x": ("left", "right"), "y": ("up", "down"), "z": ("forward", "backward")}
    ),
    Subtask("camera_total_distance", NUMBER, "mm", 2, _SHIFT, "Camera translation distance"),
    Subtask("camera_displacement_vector", VECTOR, "mm", 2, _SHIFT, "Camera translation vector"),
    *_movement(),
    *(
        Subtask(f"object_{side}", NUMBER, "mm", 2, _SIZE, "Object size")
        for side in ("height", "length", "width")
    ),
]  # fmt: skip

SUBTASKS: dict[str, Subtask] = {subtask.name: subtask for subtask in _LIST}

# The rows of the paper's Table 2, in its order, with their subtasks.
ROWS: dict[str, list[str]] = {}
for _subtask in _LIST:
    ROWS.setdefault(_subtask.row, []).append(_subtask.name)


def metric_name(row: str) -> str:
    """A row of the paper's Table 2 as a name in code: `multispa_depth_comparison`."""
    return f"multispa_{row.lower().replace(' ', '_')}"
