"""Records of three to eight frames are balanced over a file, and joined in random order."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from spatial_engine.utils.questions import frame_records
from spatial_engine.utils.questions.frame_records import join_parts, stratum_of

TURN, STEP = "camera_net_turn", "movement_fastest_step"


def record(task: str, value, number: int = 0, images: int = 3, **more) -> dict:
    return {"id": f"{number}", "image": ["x"] * images, "task": task, "gt_value": value, **more}


def write_parts(folder: Path, rng: np.random.Generator, parts: int = 4, lines: int = 150) -> list:
    """Parts whose records have few frames and turn left, mostly; the last has none of a task."""
    number, made = 0, []
    for part in range(parts):
        (place := folder / f"scene{part}").mkdir(parents=True)
        made.append(place)
        for task in (TURN, STEP) if part < parts - 1 else (TURN,):
            rows = []
            for _ in range(lines):
                number += 1
                images = int(rng.choice([3, 3, 3, 4, 4, 5, 8]))
                value = int(rng.choice([30, 40, 50, -20]))
                if task == STEP:
                    value = "AB"[int(rng.random() < 0.2)]
                rows.append(json.dumps(record(task, value, number, images)))
            (place / f"{task}.jsonl").write_text("\n".join(rows) + "\n")
    return made


def joined(parts: list, folder: Path, seed: int = 0, at_most: int = -1) -> dict[str, list[dict]]:
    folder.mkdir(exist_ok=True)
    outputs = {task: folder / f"{task}_train.jsonl" for task in (TURN, STEP)}
    join_parts(parts, outputs, seed, at_most)
    assert {path.name for path in folder.iterdir()} == {path.name for path in outputs.values()}
    return {
        task: [json.loads(line) for line in path.read_text().splitlines()]
        for task, path in outputs.items()
    }


def test_all_are_joined_in_random_order(tmp_path):
    parts = write_parts(tmp_path, np.random.default_rng(0))
    found = joined(parts, tmp_path / "out")
    for task, records in found.items():
        before = [
            json.loads(line)
            for part in parts
            if (path := part / f"{task}.jsonl").exists()
            for line in path.read_text().splitlines()
        ]
        assert records != before
        by_id = {one["id"]: one for one in records}
        assert len(by_id) == len(records) == len(before)
        assert all(by_id[one["id"]] == one for one in before)


@pytest.mark.parametrize("at_most", [1, 40, 100, 10_000])
def test_no_more_than_are_wanted_and_these_balanced(tmp_path, at_most):
    parts = write_parts(tmp_path, np.random.default_rng(1))
    every, found = joined(parts, tmp_path / "all"), joined(parts, tmp_path / "out", 0, at_most)
    for task, records in found.items():
        held = Counter(map(stratum_of, every[task]))
        drawn = Counter(map(stratum_of, records))
        assert len(records) == min(at_most, len(every[task]))
        assert not drawn - held
        most = max(drawn.values(), default=0)
        if at_most < len(every[task]):
            assert all(count == held[key] or count >= most - 1 for key, count in drawn.items()), (
                drawn
            )
        if at_most == 40:
            assert set(drawn) == set(held)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path):
    parts = write_parts(tmp_path, np.random.default_rng(2))
    one, two = joined(parts, tmp_path / "one", 3, 60), joined(parts, tmp_path / "two", 3, 60)
    other = joined(parts, tmp_path / "other", 4, 60)
    assert one == two
    for task in one:
        assert one[task] != other[task]
        assert {r["id"] for r in one[task]} != {r["id"] for r in other[task]}


def test_what_a_killed_run_left_plays_no_part(tmp_path):
    parts = write_parts(tmp_path, np.random.default_rng(2))
    expected = joined(parts, tmp_path / "one", 0, 60)
    (left := tmp_path / "two").mkdir()
    (left / f"{TURN}_train.jsonl.chosen").write_text("half of a li")
    assert joined(parts, left, 0, 60) == expected


def test_parts_without_a_record_give_an_empty_file(tmp_path):
    (tmp_path / "scene0").mkdir()
    (tmp_path / "scene0" / f"{TURN}.jsonl").write_text("")
    assert joined([tmp_path / "scene0"], tmp_path / "out", 0, 5) == {TURN: [], STEP: []}


@pytest.mark.parametrize(
    ("one", "answer"),
    [
        (record(TURN, 40), ""),
        (record(TURN, -40), "-"),
        (record("camera_path_length", 40), ""),
        (record(STEP, "C"), "C"),
        (record("correspondence_seen_where", "A, C, D"), "3"),
        (record("object_count_distinct", 4), "4"),
        (record("object_joint_size", [4, 5, 6]), ""),
        (record("relation_nearest_object", "B", choices={"A": "lamp", "B": "bed"}), "B"),
        (
            record(
                "relation_direction", "B", choices={"A": "left", "B": "back", "C": "x", "D": "y"}
            ),
            "back",
        ),
    ],
)
def test_what_records_are_balanced_over(one, answer):
    assert frame_records.stratum_of(one) == (3, answer)
    assert frame_records.stratum_of({**one, "image": ["x"] * 8}) == (8, answer)
