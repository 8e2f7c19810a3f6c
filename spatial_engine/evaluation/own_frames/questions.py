"""Questions without answers about a user's own frames, in the words of the benchmark.

All questions of a task are asked in the same sentence, so that what changes from one to the next is
the frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from spatial_engine.errors import BadDataError, SettingsError
from spatial_engine.evaluation.own_frames.frames import Frame
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.geometry.cameras import permille
from spatial_engine.utils.questions.plain_record import format_value
from spatial_engine.utils.questions.record_fields import WORDINGS
from spatial_engine.utils.questions.records import list_image_marks
from spatial_engine.utils.questions.tasks import TASKS, Task
from spatial_engine.utils.questions.templates import check_file, fill, template_files

# Tasks by the name of their sentences: those of the benchmark that ask about whole images or about
# one point that is named, of no object.
ASKABLE: dict[str, Task] = {
    task.sentences: task
    for task in TASKS.values()
    if task.row and task.clip_set in ("", "adt")
    if not task.marked and task.num_points <= 1 and "category" not in task.slots
}
PAIRS = ("first", "consecutive", "all")

Point = tuple[float, float]  # pixels, x and y


def pairs_of(count: int, which: str) -> list[tuple[int, int]]:
    """Pairs of so many frames, in order: the first with each other, each with the next, or all."""
    numbers = range(count)
    if which == "first":
        return [(0, number) for number in numbers[1:]]
    return list(pairwise(numbers) if which == "consecutive" else combinations(numbers, 2))


def questions(
    names: Sequence[str],
    frames: Sequence[Frame],
    points: Sequence[Point | None],
    which: str,
    wording: str,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """Records in uniform form, without `gt_value`, of the tasks `names` in turn. `points` are those
    asked about, in the first image of a pair, by frame; where a frame has none, nothing is asked.
    """
    for name in names:
        task = ASKABLE[name]
        shown = (
            [(number,) for number in range(len(frames))]
            if task.num_images == 1
            else pairs_of(len(frames), which)
        )
        words = _words(task, wording, seed)
        for numbers in shown:
            point = points[numbers[0]]
            if not task.num_points:
                yield _record(task, [frames[n] for n in numbers], words, wording, None)
            elif point is not None:
                yield _record(task, [frames[n] for n in numbers], words, wording, point)


def _words(task: Task, wording: str, seed: int) -> str:
    """The sentence of a task in a wording, with its slots."""
    rng = sampling.generator(seed, task.sentences, "own frames")
    sentences = check_file(template_files()[task.sentences])
    drawn = sentences.draw(rng, "val", len(WORDINGS))  # one of each
    phrase = next(phrase for phrase in drawn if phrase.wording == wording)
    return f"{phrase.opening}{phrase.question}{phrase.form}"


def _record(
    task: Task, shown: Sequence[Frame], words: str, wording: str, point: Point | None
) -> dict[str, Any]:
    facts: dict[str, Any] = {"wording": wording, "frames": [frame.number for frame in shown]}
    if not np.isnan([frame.seconds for frame in shown]).any():
        facts["seconds"] = [round(frame.seconds, 3) for frame in shown]
    if point is not None:
        facts["p1"] = permille(np.array(point), shown[0].size).tolist()
        words = fill(words, {task.slots[0]: format_value(facts["p1"])})
    return {
        "id": "_".join([task.sentences, *(f"{frame.number:05d}" for frame in shown)]),
        "image": [f"frames/{frame.name}" for frame in shown],
        "text": list_image_marks(len(shown)) + words,
        "height_list": [frame.size[1] for frame in shown],
        "width_list": [frame.size[0] for frame in shown],
        "question_type": task.question_type,
        "task": task.name,
        "gt_unit": task.unit,
        "extra": orjson.dumps(facts).decode(),
    }


# ---- points --------------------------------------------------------------------------------------


def points_by_frame(
    frames: Sequence[Frame], point: Sequence[float] | None, path: Path | None
) -> list[Point | None]:
    """The point asked about in each frame, pixels: the same in all, or those of a file with a line
    `x y` for each frame, empty for none. Raises `BadDataError` and `SettingsError`."""
    points: list[Point | None] = [None] * len(frames)
    if point is not None:
        points = [(point[0], point[1])] * len(frames)
    elif path is not None:
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) != len(frames):
            raise BadDataError(f"{path}: {len(lines)} lines for {len(frames)} frames")
        points = [_point(path, number, line) for number, line in enumerate(lines, 1)]
    for frame, place in zip(frames, points, strict=True):
        if place is not None and not all(
            0 <= value < extent for value, extent in zip(place, frame.size, strict=True)
        ):
            size = "x".join(map(str, frame.size))
            raise SettingsError(f"point {place[0]:g} {place[1]:g}: outside {frame.name} ({size})")
    return points


def _point(path: Path, number: int, line: str) -> Point | None:
    if not line.strip():
        return None
    try:
        x, y = map(float, line.replace(",", " ").split())
    except ValueError:
        raise BadDataError(f"{path}:{number}: expected two numbers, x and y in pixels") from None
    return x, y


def check_points(names: Sequence[str], which: str, given: Mapping[str, Any]) -> None:
    """Raise `SettingsError` where a task needs a point that is not given."""
    needy = [name for name in names if ASKABLE[name].num_points]
    if needy and given["point"] is None and given["points"] is None:
        raise SettingsError(f"{needy[0]} asks about a point; give --point X Y in pixels")
    several = [name for name in needy if ASKABLE[name].num_images == 2]
    if several and which != "first" and given["points"] is None:
        raise SettingsError(
            f"{several[0]} asks about a point of each first image; with --pairs {which} give "
            "--points FILE, a line `x y` for each frame"
        )
