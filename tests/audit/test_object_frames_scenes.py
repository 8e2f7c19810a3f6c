"""Files of questions about objects in several frames of a sample scan: what plain code of this page
finds in the scan, the audit finds right, and an error that is planted in the file it finds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audit_files import file_complaints
from frames_by_hand import LETTERS, Views, frames_record, views_of

SCENE = "scene0704_00"  # of the train split; its objects have few vertices
CONSTANTS = {
    "MIN_SEEN_VERTICES": 5,
    "MIN_SEEN_SHARE": 0.15,
    "MIN_LINK": 3,
}
STRUCTURE = ("wall", "floor", "ceiling", "window", "object")
PLENTY = 12  # records of each task are enough


class Things:
    """The objects of a scan in all frames, by id. points: (n, 3); seen, absent: (frames,) bool;
    parts: (frames, n) bool, the vertices that are seen; clear: (frames,) bool, whether the margins
    of `Views` cannot decide if the object is seen."""

    def __init__(self, views: Views) -> None:
        self.views, self.labels = views, views.scene.raw_categories
        owners = views.scene.instance_ids
        mine = {i: np.flatnonzero(owners == i + 1) for i in self.labels}
        self.points = {i: views.points[those] for i, those in mine.items()}
        self.parts = {i: views.seen[:, those] for i, those in mine.items()}
        needed = {i: max(5, 0.15 * len(those)) for i, those in mine.items()}
        counts = {i: part.sum(axis=1) for i, part in self.parts.items()}
        self.seen = {i: count >= needed[i] for i, count in counts.items()}
        self.clear = {i: self.seen[i] | (count < 0.8 * needed[i]) for i, count in counts.items()}
        self.absent = {i: views.absent[:, those].all(axis=1) for i, those in mine.items()}

    def namesakes(self, one: int) -> list[int]:
        words = set(self.labels[one].split())
        return [
            i
            for i, label in self.labels.items()
            if not (set(label.split()) - words) or not (words - set(label.split()))
        ]

    def is_unique(self, one: int, chosen: Sequence[int]) -> bool:
        return all(self.absent[i][list(chosen)].all() for i in self.namesakes(one) if i != one)

    def unique(self, chosen: Sequence[int]) -> list[int]:
        """Objects that are seen in a set of frames and that their names tell."""
        asked = [i for i, label in self.labels.items() if label not in STRUCTURE]
        clear = [i for i in asked if self.clear[i][list(chosen)].all()]
        seen = [i for i in clear if self.seen[i][list(chosen)].any()]
        return [i for i in seen if self.is_unique(i, chosen)]

    @cache  # noqa: B019  # of one scan, kept as long as the tests run
    def every(self, one: int, other: int) -> np.ndarray:
        """(n, m) distances of their vertices."""
        return np.linalg.norm(self.points[one][:, None] - self.points[other], axis=2)

    def nearest(self, one: int, other: int, chosen: Sequence[int]) -> tuple[float, float]:
        """The distance of two objects, and that of their seen vertices."""
        every = self.every(one, other)
        shown = [self.parts[i][list(chosen)].any(axis=0) for i in (one, other)]
        return every.min(), every[np.ix_(*shown)].min(initial=np.inf)

    def are_apart(self, one: int, other: int, chosen: Sequence[int]) -> bool:
        shown = [[k for k in chosen if not self.absent[i][k]] for i in (one, other)]
        return all(a != b and self.views.apart(a, b) for a in shown[0] for b in shown[1])

    def near_sides(self, one: int, other: int, chosen: Sequence[int]) -> bool:
        d, seen = self.nearest(one, other, chosen)
        return seen - d <= max(0.049, 0.049 * d)

    def seen_objects(self, ids: Sequence[int], chosen: Sequence[int]) -> list[list[int]]:
        return [sorted(i for i in ids if self.seen[i][k]) for k in chosen]


def sets_of(views: Views) -> Iterator[tuple[int, ...]]:
    """Sets of frames that are joined and not nearly alike."""
    linked = (views.shares >= 3.01) | np.eye(len(views.ids), dtype=bool)
    for count in (4, 5, 6):
        for chosen in views.sets(count):
            alike = max(views.shares[a, b] for a, b in combinations(chosen, 2))
            ways = np.linalg.matrix_power(linked[np.ix_(chosen, chosen)].astype(int), count)
            if alike <= 69.9 and ways.all():
                yield chosen


# ---- records -------------------------------------------------------------------------------------


def make(
    things: Things,
    chosen: Sequence[int],
    task: str,
    answer: Any,
    ids: Sequence[int],
    question: str,
    **more: Any,
) -> dict:
    scene = things.views.scene
    return frames_record(
        task, scene.scene_id, things.views.frames(chosen), scene.colour_size, "train", answer,
        question, seen_objects=things.seen_objects(ids, chosen), **more,
    )  # fmt: skip


def of_ids(things: Things, ids: Sequence[int]) -> dict[str, Any]:
    return {"object_ids": list(ids), "categories": [things.labels[i] for i in ids]}


def distances(things: Things, chosen: tuple[int, ...]) -> Iterator[dict]:
    for ids in combinations(things.unique(chosen), 2):
        d, _ = things.nearest(*ids, chosen)
        if 0.31 <= d <= 5.9 and things.are_apart(*ids, chosen) and things.near_sides(*ids, chosen):
            names = " to the ".join(things.labels[i] for i in ids)
            question = f"How many millimetres from the {names}?"
            yield make(
                things,
                chosen,
                "relation_object_distance",
                round(1000 * d),
                ids,
                question,
                **of_ids(things, ids),
            )


def nearest(things: Things, chosen: tuple[int, ...]) -> Iterator[dict]:
    unique = things.unique(chosen)
    for one in unique:
        others = [
            i
            for i in unique
            if i != one and things.are_apart(one, i, chosen) and things.near_sides(one, i, chosen)
        ]
        for some in combinations(others, 3):
            d = [things.nearest(one, i, chosen)[0] for i in some]
            first, second = sorted(d)[:2]
            if second - first < max(0.16, 0.16 * first):
                continue
            ids, choices = (one, *some), {LETTERS[k]: things.labels[i] for k, i in enumerate(some)}
            question = f"Which is nearest to the {things.labels[one]}?"
            mm = [round(1000 * one) for one in d]
            yield make(
                things, chosen, "relation_nearest_object", LETTERS[int(np.argmin(d))], ids,
                question, distances_mm=mm, choices=choices, **of_ids(things, ids),
            )  # fmt: skip


def directions(things: Things, chosen: tuple[int, ...]) -> Iterator[dict]:
    at = list(chosen)
    for ids in permutations(things.unique(chosen), 3):
        a, b, c = (
            (things.points[i].min(axis=0) + things.points[i].max(axis=0))[:2] / 2 for i in ids
        )
        shown = [~things.absent[i][at] for i in ids]
        together = any(
            all(some[j] or some[k] for some in shown)
            for j in range(len(at))
            for k in range(len(at))
        )
        if together or min(np.hypot(*(b - a)), np.hypot(*(c - a))) < 0.81:
            continue
        turn = np.exp(-1j * np.angle(complex(*(b - a))))
        angle = np.degrees(np.angle(complex(*(c - a)) * turn))
        away = np.degrees(np.angle(((things.points[ids[2]][:, :2] - a) @ (1, 1j)) * turn))
        quarter = round(angle / 90)
        inside = np.abs((away - 90 * quarter + 180) % 360 - 180) < 45
        if abs(angle - 90 * quarter) > 29.9 or inside.mean() < 0.91:
            continue
        choices = dict(zip("ABCD", ("back", "left", "right", "front"), strict=True))
        right = {0: "D", 1: "B", -1: "C"}.get(quarter, "A")
        names = [things.labels[i] for i in ids]
        question = f"At the {names[0]}, facing the {names[1]}: where is the {names[2]}?"
        yield make(
            things, chosen, "relation_direction", right, ids, question,
            angle_deg=round(angle), choices=choices, **of_ids(things, ids),
        )  # fmt: skip


def orders(things: Things, chosen: tuple[int, ...]) -> Iterator[dict]:
    at, firsts = list(chosen), {}
    for i in things.unique(chosen):
        first = int(np.argmax(things.seen[i][at]))
        if things.absent[i][at[:first]].all():
            firsts.setdefault(first, []).append(i)
    for some in combinations(sorted(firsts), 3):
        one, two, three = (things.labels[firsts[k][0]] for k in some)
        ids = [firsts[k][0] for k in some]
        texts = [(two, three, one), (two, one, three), (one, two, three), (one, three, two)]
        choices = {LETTERS[k]: ", ".join(text) for k, text in enumerate(texts)}
        yield make(
            things, chosen, "relation_appearance_order", "C", ids, "Which is seen first?",
            choices=choices, **of_ids(things, ids),
        )  # fmt: skip


MAKERS = {
    "relation_object_distance": distances,
    "relation_nearest_object": nearest,
    "relation_direction": directions,
    "relation_appearance_order": orders,
}


@cache
def records_of(root: Path, task: str) -> list[dict]:
    """Some right records, each about another thing."""
    things = things_of(root)
    found: dict[str, dict] = {}
    for chosen in sets_of(things.views):
        for record in MAKERS[task](things, chosen):
            asked = str(record.get("object_ids", record["frames"]))
            found.setdefault(asked, {**record, "id": f"{record['id']}_{len(found)}"})
        if len(found) >= PLENTY:
            break
    return list(found.values())[:PLENTY]


@cache
def things_of(root: Path) -> Things:
    return Things(views_of(root, SCENE))


def write_file(folder: Path, task: str, records: Sequence[dict]) -> Path:
    family, kind = task.split("_", 1)
    path = folder / f"training_data/{family}_frames/v1_0/{kind}_train.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    path.with_name(f"{path.name}.meta.json").write_text(json.dumps({"settings": CONSTANTS}))
    return path


# ---- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", MAKERS)
def test_right_files_pass(raw_root, tmp_path, task):
    records = records_of(raw_root, task)
    assert records
    assert file_complaints(write_file(tmp_path, task, records), raw_root, "train") == []


@pytest.mark.parametrize("task", MAKERS)
def test_a_planted_error_and_a_question_asked_again_are_found(raw_root, tmp_path, task):
    record = records_of(raw_root, task)[0]
    again = {**record, "id": "again", "seen_objects": record["seen_objects"][::-1]}
    found = file_complaints(write_file(tmp_path, task, [record, again]), raw_root, "train")
    assert len(found) >= 2 and all(text.startswith("line 2: ") for text in found), found
    assert any("those of line 1 again" in text for text in found)
    assert any("seen_objects" in text for text in found)


@pytest.mark.parametrize("task", MAKERS)
def test_other_constants_make_other_records(raw_root, tmp_path, task):
    path = write_file(tmp_path, task, records_of(raw_root, task))
    path.with_name(f"{path.name}.meta.json").write_text(json.dumps({"settings": {}}))
    found = file_complaints(path, raw_root, "train")
    assert any("seen_objects" in text for text in found)
