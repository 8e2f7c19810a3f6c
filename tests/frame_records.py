"""Sound records of three to eight frames, made by hand: no scene, no images.

`frame_record(task, number)` is always the same record; consecutive numbers differ in the number of
frames and in the answer. Their questions are not those of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.questions.record_fields import WORDINGS
from spatial_engine.utils.questions.record_files import image_root, record_path
from spatial_engine.utils.questions.records import make_record, write_jsonl
from spatial_engine.utils.questions.tasks import FIRST_VERSION, FRAME_COUNTS, FRAME_TASKS
from spatial_engine.utils.questions.templates import Phrase

SIZE = (640, 480)  # of each image
SCENES = 7  # that the records of a task are about
IN_ANY_ORDER = ("depth_nearest_view", "correspondence_odd_dot", "correspondence_seen_where")
NAMES = ("chair", "table", "bed", "lamp", "sofa", "shelf", "desk", "stove")

Made = tuple[Any, dict[str, Any]]  # true answer, further fields


def frame_record(
    task: str, number: int = 0, split: str = "val", num_frames: int | None = None
) -> dict[str, Any]:
    """A record of a task; by default of 3, 4, ... 8, 3, ... frames in turn."""
    count = num_frames or FRAME_COUNTS[number % len(FRAME_COUNTS)]
    rng = np.random.default_rng([*f"{task} {split}".encode(), number, count])
    value, extra = _MAKERS[task](rng, count)
    numbers = np.sort(rng.choice(400, count, replace=False)) * 5
    if task in IN_ANY_ORDER:
        numbers = rng.permutation(numbers)
    frames = [f"{frame:05d}" for frame in numbers]
    place = number % SCENES + 100 * (split == "train")
    name = f"scene{place:04d}_00"
    if FRAME_TASKS[task].of_clips:
        name, extra = f"recording{place}_0", {"clip_set": "adt", **extra}
    images = [f"{name}/{frame}.jpg" for frame in frames]
    if FRAME_TASKS[task].marked:
        images = [f"{name}/{number}_{path.rpartition('/')[2]}" for path in images]
    point = f" [ {extra['p1'][0]} , {extra['p1'][1]} ]" if FRAME_TASKS[task].of_clips else ""
    wording = WORDINGS[number % len(WORDINGS)] if split == "val" else ""
    phrase = Phrase(f"What is it{point}?", "It is `{answer}`.", wording, "", " Answer alone.")
    record_id = f"{task}_{name}_{number}"
    more = {"frames": frames, **extra}
    return make_record(split, record_id, images, [SIZE] * count, task, phrase, value, more)


def frame_records(task: str, count: int, split: str = "val") -> list[dict[str, Any]]:
    """So many records of a task."""
    return [frame_record(task, number, split) for number in range(count)]


def write_frame_records(
    root: Path,
    count: int,
    splits: Sequence[str] = ("train", "val"),
    tasks: Iterable[str] = FRAME_TASKS,
    images: bool = True,
) -> None:
    """Write so many records of each task below a root, as the engine does, and images to them."""
    picture = root / "picture.jpg"
    root.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(jpeg.encode(np.full((SIZE[1], SIZE[0], 3), 127, np.uint8)))
    for split in splits:
        for task in tasks:
            path = record_path(root, task, split, FIRST_VERSION)
            path.parent.mkdir(parents=True, exist_ok=True)
            records = frame_records(task, count, split)
            write_jsonl(path, records)
            for name in (name for record in records for name in record["image"] if images):
                image = image_root(root, task, path) / name
                image.parent.mkdir(parents=True, exist_ok=True)
                image.unlink(missing_ok=True)
                image.hardlink_to(picture)


def image_choices(count: int, first: int = 1) -> dict[str, str]:
    """The images from the first on by their letters."""
    return _choices([f"Image-{number}" for number in range(first, count + 1)])


def _choices(texts: list[str]) -> dict[str, str]:
    return dict(zip("ABCDEFGH", texts, strict=False))


def _lengths(positions: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(positions, axis=0), axis=1)


def _path(rng: np.random.Generator, count: int) -> np.ndarray:
    """Positions (count, 3) in mm from the origin on, longer by far than the way between any two."""
    while True:
        steps = rng.uniform(150, 900, (count - 1, 1)) * _directions(rng, count - 1)
        path = np.vstack([np.zeros(3), np.cumsum(steps, axis=0)])
        apart = np.linalg.norm(path[:, None] - path[None], axis=2).max()
        if _lengths(path).sum() >= 1.3 * apart:
            return path


def _directions(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _path_length(rng: np.random.Generator, count: int) -> Made:
    path = _path(rng, count)
    return round(_lengths(path).sum()), {"positions_mm": np.rint(path).astype(int).tolist()}


def _net_turn(rng: np.random.Generator, count: int) -> Made:
    while True:
        turns = rng.choice([-1, 1], count - 1, p=[0.3, 0.7]) * rng.uniform(5, 90, count - 1)
        if abs(turns.sum()) >= 15:
            break
    turns *= rng.choice([-1, 1])
    return round(turns.sum()), {"turns_deg": np.rint(turns).astype(int).tolist()}


def _dot(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "p1": rng.integers(50, 950, 2).tolist(),
        "mark_colors": ["red"],
        "point_id": int(rng.integers(10_000)),
    }


def _nearest_view(rng: np.random.Generator, count: int) -> Made:
    depths = rng.permutation(rng.integers(800, 1000) + 250 * np.arange(count)).tolist()
    more = {"depths_mm": depths, "choices": image_choices(count)}
    return "ABCDEFGH"[int(np.argmin(depths))], _dot(rng) | more


def _hidden_depth(rng: np.random.Generator, count: int) -> Made:
    return int(rng.integers(500, 5000)), _dot(rng)


def _odd_dot(rng: np.random.Generator, count: int) -> Made:
    more = {
        "mark_points": rng.integers(50, 950, (count, 2)).tolist(),
        "mark_colors": ["red"] * count,
        "point_id": int(rng.integers(10_000)),
        "choices": image_choices(count),
    }
    return "ABCDEFGH"[int(rng.integers(count))], more


def _seen_where(rng: np.random.Generator, count: int) -> Made:
    seen = rng.permutation(np.arange(count - 1) < rng.integers(1, count - 1)).tolist()
    letters = [letter for letter, one in zip("ABCDEFG", seen, strict=False) if one]
    more = {"seen": [True, *seen], "choices": image_choices(count, 2)}
    return ", ".join(letters), _dot(rng) | more


def _joint_size(rng: np.random.Generator, count: int) -> Made:
    """Three frames see the whole of one side each and little of the others, from one corner; the
    fourth sees nothing. Each is linked to the next."""
    box = rng.integers(1200, 2000, 3)
    bounds: list[list[int] | None] = []
    for frame in range(count):
        sees = np.where(np.arange(3) == frame, 1.0, rng.uniform(0.1, 0.3, 3))
        bounds.append([0, 0, 0, *np.rint(sees * box).astype(int).tolist()])
    bounds[3:4] = [None] * (count > 3)
    length, width = sorted(box[:2].tolist(), reverse=True)
    more = {"object_id": int(rng.integers(40)), "raw_category": str(rng.choice(NAMES))}
    links = [[image, image + 1] for image in range(1, count)]
    return [int(box[2]), length, width], more | {"bounds_mm": bounds, "links": links}


def _count_distinct(rng: np.random.Generator, count: int) -> Made:
    """Three objects of a frame each, so that no two frames see all, and others in two frames."""
    number = int(rng.integers(4, 8))
    ids = np.sort(rng.choice(60, number, replace=False)).tolist()
    shown: list[set[int]] = [set() for _ in range(count)]
    alone = rng.choice(count, 3, replace=False)
    for place, one in enumerate(rng.permutation(ids).tolist()):
        for frame in [alone[place]] if place < 3 else rng.choice(count, 2, replace=False):
            shown[frame].add(one)
    more = {"raw_category": str(rng.choice(NAMES)), "seen_objects": list(map(sorted, shown))}
    return number, more


def _moving(rng: np.random.Generator, path: np.ndarray) -> dict[str, Any]:
    return {
        "p1": rng.integers(50, 950, 2).tolist(),
        "point_id": int(rng.integers(500)),
        "positions_mm": np.rint(path + rng.uniform(-500, 500, 3)).astype(int).tolist(),
    }


def _point_path(rng: np.random.Generator, count: int) -> Made:
    path = _path(rng, count)
    return round(_lengths(path).sum()), _moving(rng, path)


def _fastest_step(rng: np.random.Generator, count: int) -> Made:
    lengths = rng.uniform(50, 300, count - 1)
    fastest = int(rng.integers(count - 1))
    lengths[fastest] = 500
    steps = lengths[:, None] * _directions(rng, count - 1)
    path = np.vstack([np.zeros(3), np.cumsum(steps, axis=0)])
    texts = [f"from Image-{one} to Image-{other}" for one, other in pairwise(range(1, count + 1))]
    return "ABCDEFG"[fastest], _moving(rng, path) | {"choices": _choices(texts)}


def _objects(rng: np.random.Generator, number: int, count: int) -> dict[str, Any]:
    """So many objects, each seen in one frame; the first is alone in its own."""
    ids = rng.choice(60, number, replace=False).tolist()
    frames = rng.permutation(count).tolist()
    shown: list[list[int]] = [[] for _ in range(count)]
    for place, one in enumerate(ids):
        frame = 1 + (place - 1) % (count - 1) if place else 0
        shown[frames[frame]].append(one)
    return {
        "object_ids": ids,
        "categories": rng.choice(NAMES, number, replace=False).tolist(),
        "seen_objects": list(map(sorted, shown)),
    }


def _object_distance(rng: np.random.Generator, count: int) -> Made:
    return int(rng.integers(300, 6000)), _objects(rng, 2, count)


def _nearest_object(rng: np.random.Generator, count: int) -> Made:
    number = int(rng.integers(3, 5))
    more = _objects(rng, number + 1, count)
    distances = rng.permutation(rng.integers(300, 600) + 400 * np.arange(number)).tolist()
    letter = "ABCD"[int(np.argmin(distances))]
    return letter, more | {"distances_mm": distances, "choices": _choices(more["categories"][1:])}


def _direction(rng: np.random.Generator, count: int) -> Made:
    texts = rng.permutation(["front", "left", "back", "right"]).tolist()
    middles = {"front": 0, "left": 90, "back": 180, "right": -90}
    text = str(rng.choice(texts))
    angle = middles[text] + int(rng.integers(-30, 31))
    angle -= 360 * (angle > 180)
    more = _objects(rng, 3, count) | {"angle_deg": angle, "choices": _choices(texts)}
    return "ABCD"[texts.index(text)], more


def _appearance_order(rng: np.random.Generator, count: int) -> Made:
    number = min(int(rng.integers(3, 5)), count)
    more = _objects(rng, number, count)
    firsts = np.sort(rng.choice(count, number, replace=False)).tolist()
    shown: list[list[int]] = [[] for _ in range(count)]
    for one, first in zip(more["object_ids"], firsts, strict=True):
        for frame in range(first, count):
            if frame == first or rng.random() < 0.3:
                shown[frame].append(one)
    right = more["categories"]
    orders = _orders(right)
    if number == 3:
        orders = np.roll(orders, rng.integers(6), axis=0).tolist()
        start = (orders.index(right) - int(rng.integers(4))) % 6
        orders = (orders + orders)[start : start + 4]
    texts = rng.permutation([", ".join(order) for order in orders]).tolist()
    letter = "ABCD"[texts.index(", ".join(right))]
    return letter, more | {"seen_objects": list(map(sorted, shown)), "choices": _choices(texts)}


def _orders(right: list[str]) -> list[list[str]]:
    """Of three objects the circle of all orders; of four, those with the first two, the last two
    or both exchanged."""
    if len(right) == 3:
        a, b, c = right
        return [[a, b, c], [b, a, c], [b, c, a], [c, b, a], [c, a, b], [a, c, b]]
    a, b, c, d = right
    return [[a, b, c, d], [b, a, c, d], [a, b, d, c], [b, a, d, c]]


_MAKERS: dict[str, Callable[[np.random.Generator, int], Made]] = {
    "camera_path_length": _path_length,
    "camera_net_turn": _net_turn,
    "depth_nearest_view": _nearest_view,
    "depth_hidden_depth": _hidden_depth,
    "correspondence_odd_dot": _odd_dot,
    "correspondence_seen_where": _seen_where,
    "object_joint_size": _joint_size,
    "object_count_distinct": _count_distinct,
    "movement_point_path": _point_path,
    "movement_fastest_step": _fastest_step,
    "relation_object_distance": _object_distance,
    "relation_nearest_object": _nearest_object,
    "relation_direction": _direction,
    "relation_appearance_order": _appearance_order,
}
