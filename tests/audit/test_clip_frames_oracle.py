"""The oracle of points of clips in several frames against right records and planted errors."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from frames_by_hand import LETTERS, frames_record, spoiled
from test_depth_oracle import answered, in_field, in_text, without
from test_movement_oracle import BODY, FRAMES, Clip, make_clip

from spatial_engine.audit.oracles.frames.clip_frames import (
    FASTEST,
    PATH,
    check_clip_frames_record,
)
from spatial_engine.audit.raw.clip import RawClip

CLIPS = {  # of pstudio the camera stands still
    ("adt", "train"): ("Apartment_release_meal_seq136_8", (128, 128)),
    ("pstudio", "val"): ("basketball_3", (512, 288)),
}
QUESTION = (
    "Coordinates go from 0 to 1000 from the top left corner. {} of the point at "
    "[ {} , {} ] of Image-1?"
)
ASKED = {PATH: "How many millimetres long is the way", FASTEST: "Where is the greatest step"}


class Made(NamedTuple):
    """A clip as it was made and as the oracle reads it; images: a folder with its frames."""

    clip: Clip
    raw: RawClip
    images: Path


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> dict[str, Made]:
    """A clip of each split."""
    root, found = tmp_path_factory.mktemp("clips"), {}
    for seed, ((dataset, split), (name, size)) in enumerate(CLIPS.items()):
        clip = make_clip(root, dataset, name, size, seed)
        (root / "images" / name).mkdir(parents=True)
        for t, content in enumerate(clip.jpegs):
            (root / "images" / name / f"{t:05d}.jpg").write_bytes(content)
        found[split] = Made(clip, RawClip(root, dataset, name), root / "images")
    return found


# ---- right records -------------------------------------------------------------------------------


def make(clip: Clip, task: str, point: int, chosen: tuple[int, ...], split: str) -> dict:
    """A record of which all is right, but for whether it may be asked."""
    places, steps = way(clip, point, chosen)
    first = np.linalg.inv(clip.cameras[chosen[0]])
    positions = np.rint(1000 * (places @ first[:3, :3].T + first[:3, 3])).astype(int).tolist()
    p1 = np.rint(1000 * clip.pixels[chosen[0], point] / np.array(clip.size)).astype(int).tolist()
    more = {"p1": p1, "point_id": point, "positions_mm": positions, "clip_set": clip.dataset}
    answer: object = round(1000 * steps.sum())
    if task == FASTEST:
        said = [f"from Image-{k} to Image-{k + 1}" for k in range(1, len(chosen))]
        more["choices"] = dict(zip(LETTERS, said, strict=False))
        answer = LETTERS[int(steps.argmax())]
    question, frames = QUESTION.format(ASKED[task], *p1), [f"{t:05d}" for t in chosen]
    return frames_record(task, clip.clip_id, frames, clip.size, split, answer, question, **more)


def way(clip: Clip, point: int, chosen: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) and the lengths of the steps between them (n - 1,), metres."""
    places = clip.world[list(chosen), point]
    return places, np.linalg.norm(np.diff(places, axis=0), axis=1)


def is_shown(clip: Clip, point: int, chosen: tuple[int, ...]) -> bool:
    pixels, size = clip.pixels[list(chosen), point], np.array(clip.size)
    inside = ((pixels >= 0) & (pixels < size)).all()
    return bool(clip.visible[list(chosen), point].all() and inside)


def may_be_asked(clip: Clip, task: str, point: int, chosen: tuple[int, ...]) -> bool:
    places, steps = way(clip, point, chosen)
    if task == PATH:
        most = max(np.linalg.norm(two - one) for one, two in combinations(places, 2))
        return steps.min() >= 0.02 and steps.sum() >= 1.3 * most
    second, first = np.sort(steps)[-2:]
    even = len({two - one for one, two in pairwise(chosen)}) == 1
    return even and first >= 0.02 and first - second >= max(0.03, 0.25 * first)


def records_of(clip: Clip, task: str, split: str, count: int = 4) -> list[dict]:
    """Right records of a few."""
    sets = [
        (point, chosen)
        for point in range(BODY)
        for chosen in combinations(range(FRAMES), count)
        if is_shown(clip, point, chosen) and may_be_asked(clip, task, point, chosen)
    ]
    return [make(clip, task, *one, split) for one in sets[:: max(1, len(sets) // 10)]]


def complaints_about(made: Made, record: dict, split: str, **constants: Any) -> list[str]:
    return check_clip_frames_record(record, made.raw, split, made.images, constants)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("task", ASKED)
def test_right_records_pass(clips, task, split):
    made = clips[split]
    for count in (3, 4, 5):
        records = records_of(made.clip, task, split, count)
        assert count > 3 or len(records) >= 5
        for record in records:
            assert complaints_about(made, record, split) == []


# ---- planted errors ------------------------------------------------------------------------------


def other_letter(record: dict) -> str:
    return next(letter for letter in record["choices"] if letter != record["gt_value"])


def backwards(record: dict) -> None:
    record["image"].reverse()
    record["frames"].reverse()


def beyond(record: dict) -> None:
    """A frame that the clip does not have."""
    record["image"][-1] = record["image"][-1][:-9] + "00099.jpg"
    record["frames"][-1] = "00099"


BOTH = (PATH, FASTEST)
PLANTED: list[tuple[tuple[str, ...], Callable, str]] = [
    (BOTH, in_field("id", None), "id:"),
    (BOTH, in_field("question_type", "tapvid3d_total_distance"), "question_type:"),
    (BOTH, in_field("clip_set", "drivetrack"), "clip_set:"),
    (BOTH, without("clip_set"), "clip_set: None"),
    (BOTH, without("frames"), "frames: None"),
    (BOTH, in_field("frames", lambda old: [int(frame) for frame in old]), "frames:"),
    (BOTH, backwards, "not in the order of time"),
    (BOTH, beyond, "has no frame 99"),
    (BOTH, in_field("image", lambda old: [p.replace("/", "_x/") for p in old]), "of clip"),
    (BOTH, in_field("image", lambda old: [p.replace("/0", "/1") for p in old]), "no frame"),
    (BOTH, in_field("height_list", lambda old: [old[0] + 1, *old[1:]]), "height_list:"),
    (BOTH, in_field("point_id", -1), "point_id:"),
    (BOTH, in_field("point_id", None), "point_id:"),
    (BOTH, in_field("point_id", 4), "cannot be seen in frame"),
    (BOTH, without("p1"), "p1: None"),
    (BOTH, in_field("p1", lambda old: [old[0], old[1] + 2]), "p1:"),
    (BOTH, without("positions_mm"), "positions_mm: None"),
    (BOTH, in_field("positions_mm", lambda old: old[1:]), "positions_mm:"),
    (BOTH, in_field("positions_mm", lambda old: [[0, 0, 0], *old[1:]]), "positions_mm:"),
    (BOTH, in_field("positions_mm", lambda old: [[10**400, 0, 0], *old[1:]]), "positions_mm:"),
    (BOTH, in_text(lambda text: text.replace("[ ", "[")), "is not named"),
    (BOTH, in_text(lambda text: text.replace("top left", "")), "top left"),
    ((PATH,), in_text(lambda text: text.replace("millimetres", "m")), "millimetres"),
    ((PATH,), answered(lambda record: record["gt_value"] + 1), "gt_value:"),
    ((PATH,), answered(lambda record: -record["gt_value"]), "gt_value:"),
    ((PATH,), answered(lambda record: float(record["gt_value"])), "gt_value:"),
    ((FASTEST,), answered(other_letter), "gt_value:"),
    ((FASTEST,), without("choices"), "choices:"),
    ((FASTEST,), in_field("choices", lambda old: old | {"A": "from 1 to 2"}), "choices:"),
    ((FASTEST,), in_text(lambda text: text.replace("\nB. ", "\nB.")), "choices are listed"),
]
PLANTED = [(task, plant, says) for tasks, plant, says in PLANTED for task in tasks]


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(("task", "plant", "says"), PLANTED)
def test_planted_errors_are_found(clips, task, split, plant, says):
    made = clips[split]
    record = records_of(made.clip, task, split, 3)[0]
    complaints = complaints_about(made, spoiled(record, plant), split)
    assert any(says in text for text in complaints), complaints


CONDITIONS = [  # (task, constant, a value that right records do not keep to, complaint)
    ((PATH,), "MIN_POINT_STEP_M", 9, "moves from 9.000000 m on"),
    (BOTH, "MOVED_M", 9, "moves from 9.000000 m on"),
    ((PATH,), "MIN_DETOUR", 9, "MIN_DETOUR is 9"),
    ((FASTEST,), "MIN_STEP_GAP_M", 9, "differ by less than 9 m"),
    ((FASTEST,), "MIN_STEP_GAP_SHARE", 2, "MIN_STEP_GAP_SHARE"),
]
CONDITIONS = [(task, *rest) for tasks, *rest in CONDITIONS for task in tasks]


@pytest.mark.parametrize(("task", "name", "value", "says"), CONDITIONS)
def test_conditions_are_those_that_the_file_was_made_with(clips, task, name, value, says):
    made = clips["train"]
    record = records_of(made.clip, task, "train")[0]
    complaints = complaints_about(made, record, "train", **{name: value})
    assert any(says in text for text in complaints), complaints


# ---- what may not be asked -----------------------------------------------------------------------


@pytest.mark.parametrize("task", BOTH)
def test_just_those_sets_pass_that_may_be_asked(clips, task):
    made, passed, said = clips["val"], 0, set()
    for chosen in combinations(range(1, FRAMES), 3):
        if not is_shown(made.clip, 1, chosen):
            continue
        record = make(made.clip, task, 1, chosen, "val")
        complaints = complaints_about(made, record, "val")
        assert bool(complaints) != may_be_asked(made.clip, task, 1, chosen), complaints
        passed += not complaints
        said |= {text[-20:] for text in complaints}
    assert passed >= 2 and len(said) >= 2


def test_points_of_small_groups_are_not_asked_about(clips):
    made = clips["val"]
    alone = range(2 * BODY, made.clip.world.shape[1])
    found = []
    for point in alone:
        for chosen in combinations(range(FRAMES), 3):
            if is_shown(made.clip, point, chosen) and len(found) < 5:
                record = make(made.clip, PATH, point, chosen, "val")
                found.append(complaints_about(made, record, "val"))
    assert found and all("in no rigid group" in text for text, *_ in found)


def test_files_that_are_not_the_frames_are_found(clips, tmp_path):
    made = clips["train"]
    record = records_of(made.clip, PATH, "train")[0]
    folder = tmp_path / made.clip.clip_id
    folder.mkdir()
    for name in record["image"][1:]:
        (tmp_path / name).write_bytes((made.images / name).read_bytes())
    complaints = complaints_about(made._replace(images=tmp_path), record, "train")
    assert len(complaints) == 1 and "cannot be read" in complaints[0]
    (tmp_path / record["image"][0]).write_bytes((made.images / record["image"][1]).read_bytes())
    complaints = complaints_about(made._replace(images=tmp_path), record, "train")
    assert len(complaints) == 1 and "is not the stored JPEG" in complaints[0]
