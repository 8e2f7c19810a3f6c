"""Evaluation records of MultiSPA in the engine's own sentences, without images, whose answers have
the biases that real ones have, each known: for the figures and the tests of `--debias`.

words      8 of 10 directions and letters are the first one; 3 of 4 lower points are the nearer ones
numbers    spread around a usual value (log-normal), of clips with some that are 0
depths     what stands lower in the image is nearer
sizes      those of their category, give or take a third
matches    near the place of the point in the first image
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spatial_engine.utils.questions.records import format_value, list_image_marks
from spatial_engine.utils.questions.tasks import COORDINATES, NAMED_POINT, NUMBER, TASKS, VECTOR
from spatial_engine.utils.questions.templates import check_file, template_files

FIRST_SHARE = 0.8  # of answers that are the first choice
LOWER_SHARE = 0.75  # of pairs of points of which the lower one is the nearer one
STILL_SHARE = 0.1  # of points of clips that do not move
SIZE_SPREAD = 0.3  # of objects of a category, as the logarithm; doors, windows: a quarter of it
SIZES_MM = {
    "door": 2050, "chair": 850, "table": 740, "cabinet": 1300, "window": 1450, "picture": 600,
    "bed": 1900, "sofa": 1700, "trash can": 350, "shelf": 1600, "monitor": 430, "desk": 1200,
    "curtain": 2300, "lamp": 520, "plant": 700, "sink": 480, "radiator": 950, "box": 300,
}  # fmt: skip


def make_candidates(
    task_name: str, count: int, scenes: int, seed: int, biased: bool = True
) -> list[dict[str, Any]]:
    """`count` evaluation records of a task about so many scenes (or recordings); without bias all
    choices are equally frequent, numbers are even in their logarithm and go with nothing."""
    task, rng = TASKS[task_name], np.random.default_rng([seed, sum(map(ord, task_name))])
    variants = rng.integers(len(task.variants), size=count) if not task.of_clips else 0
    if "raw_category" in task.fields:
        variants = 0
    phrases = check_file(template_files()[task.sentences]).draw(rng, "val", count, variants)
    closer = np.broadcast_to(variants, count) == 1  # ("farther", "closer")
    records = []
    for number, phrase in enumerate(phrases):
        value, fields, slots = _ask(task, rng, biased, bool(closer[number]))
        place = f"{int(rng.integers(scenes)):04d}"
        scene = f"recording_seq{place}" if task.of_clips else f"scene{place}_00"
        text = f"{phrase.opening}{phrase.filled(slots).question}{phrase.form}"
        records.append({
            "id": f"{task_name}_{number}",
            "image": [f"{scene}/{number:05d}_{image}.jpg" for image in range(task.num_images)],
            "text": list_image_marks(task.num_images) + text,
            "height_list": [968] * task.num_images, "width_list": [1296] * task.num_images,
            "task": task_name, "question_type": task.question_type, "gt_value": value,
            "wording": phrase.wording, **fields,
        })  # fmt: skip
    return records


def _ask(task, rng: np.random.Generator, biased: bool, closer: bool):
    """A right answer, the fields and the slots of a question."""
    points = rng.integers(0, 1001, size=(2, 2)).tolist()
    if task.answer == NAMED_POINT:
        lower = points[0][1] < points[1][1]  # whether the second is
        near = int(lower == (rng.random() < (LOWER_SHARE if biased else 0.5)))
        fields = {"points_info": _points(points)}
        fields["is_closer_question"] = closer
        return points[near if closer else 1 - near], fields, _slots(task, points)
    if task.options:
        shares = np.full(len(task.options), (1 - FIRST_SHARE) / (len(task.options) - 1))
        shares[0] = FIRST_SHARE
        value = str(rng.choice(task.options, p=shares if biased else None))
        fields = {"is_closer_question": closer, "p1": points[0]}
        fields["points_info"] = _points(points)
        return value, fields, {}
    if task.answer == COORDINATES:
        moved = np.array(points[0]) + rng.normal(0, 60, 2)
        value = np.clip(moved, 0, 1000).round().astype(int).tolist() if biased else points[1]
        return value, {"p1": points[0], "p2": value}, _slots(task, points)
    fields, slots = {}, _slots(task, points)
    usual = 40.0 if task.unit == "degree" else 1500.0
    spread = rng.normal(0, 0.5) if biased else rng.uniform(-1.2, 1.2)
    if "raw_category" in task.fields:
        fields["raw_category"] = slots["category"] = str(rng.choice(list(SIZES_MM)))
        usual = SIZES_MM[fields["raw_category"]] if biased else 1000.0
        narrow = fields["raw_category"] in ("door", "window")
        spread = rng.normal(0, SIZE_SPREAD / (4 if narrow else 1)) if biased else spread
    elif task.name == "depth_estimation_coor" and biased:
        usual, spread = 4500 - 3.5 * points[0][1], rng.normal(0, 0.3)
    size = usual * np.exp(spread)
    if task.of_clips:
        fields["p1"] = points[0]
        size *= rng.random() >= (STILL_SHARE if biased else 0)
    if "points_info" in task.fields:
        fields["points_info"] = _points(points[:1])
    if task.answer == VECTOR:
        direction = rng.normal(0, 1, 3) + (np.array([1.5, 0, 0]) if biased else 0)
        value = (size * direction / np.linalg.norm(direction)).round().astype(int).tolist()
        return value, fields, slots
    assert task.answer == NUMBER
    return max(round(float(size)), 0), fields, slots


def _slots(task, points: list[list[int]]) -> dict[str, str]:
    return dict(zip(task.slots, map(format_value, points), strict=False)) if points else {}


def _points(points: list[list[int]]) -> list[dict[str, Any]]:
    """The field of two points that are named or marked; their depths are not looked at."""
    letters = zip("AB", points, strict=False)
    return [{"x": x, "y": y, "depth_mm": 1000, "letter": name} for name, (x, y) in letters]
