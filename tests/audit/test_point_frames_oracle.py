"""The oracle of points in several frames against right records and planted errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frames_by_hand import (
    LETTERS,
    Views,
    frames_record,
    image_choices,
    paint_frames,
    spoiled,
    views_of,
)
from test_depth_oracle import answered, in_field, in_text, save, source_of, without

from spatial_engine.audit.oracles.frames.correspondence_frames import (
    ODD,
    SEEN_WHERE,
    check_correspondence_frames_record,
)
from spatial_engine.audit.oracles.frames.depth_frames import (
    HIDDEN,
    NEAREST,
    check_depth_frames_record,
)

SCENES = {"train": ("scene0000_00", "scene0704_00"), "val": ("scene0011_00", "scene0015_00")}
QUESTIONS = {
    NEAREST: "In which image is the marked point nearest?",
    HIDDEN: "How deep is the marked point in the last image, in millimetres?",
    ODD: "In which image is the dot on another point?",
    SEEN_WHERE: "In which images is the marked point seen?",
}
TASKS = tuple(QUESTIONS)


# ---- right records -------------------------------------------------------------------------------


def nearest(views: Views, chosen: tuple[int, ...], rng) -> tuple | None:
    """(answer, fields, places of dots) of a right record, None where there is none."""
    z = views.z[list(chosen)]
    first, second = np.sort(z, axis=0)[:2]
    clear = np.flatnonzero(
        views.seen[list(chosen)].all(axis=0)
        & (second - first > np.maximum(0.11, 0.11 * first))
        & inside(views, chosen[0])
    )
    if not len(clear):
        return None
    vertex = int(rng.choice(clear))
    depths = [round(1000 * one) for one in z[:, vertex].tolist()]
    more = {"depths_mm": depths, "choices": image_choices(len(chosen))}
    return LETTERS[int(np.argmin(depths))], about(views, chosen, vertex) | more, [vertex]


def hidden(views: Views, chosen: tuple[int, ...], rng) -> tuple | None:
    first, *between, last = chosen
    if list(between) != sorted(between) or not views.apart(first, last):
        return None
    if not any(views.linked(first, k) and views.linked(k, last) for k in between):
        return None
    clear = views.seen[first] & views.absent[last] & (views.z[last] > 0.51) & inside(views, first)
    if not views.joined(chosen) or not clear.any():
        return None
    vertex = int(rng.choice(np.flatnonzero(clear)))
    return round(1000 * views.z[last, vertex]), about(views, chosen, vertex), [vertex]


def seen_where(views: Views, chosen: tuple[int, ...], rng) -> tuple | None:
    seen, absent = views.seen[list(chosen)], views.absent[list(chosen)]
    clear = seen[0] & (seen | absent).all(axis=0) & seen[1:].any(axis=0) & absent[1:].any(axis=0)
    clear &= inside(views, chosen[0])
    if not views.joined(chosen) or not clear.any():
        return None
    vertex = int(rng.choice(np.flatnonzero(clear)))
    flags = seen[:, vertex].tolist()
    right = [LETTERS[k] for k, one in enumerate(flags[1:]) if one]
    more = {"seen": flags, "choices": image_choices(len(chosen), 2)}
    return ", ".join(right), about(views, chosen, vertex) | more, [vertex]


def odd_dot(views: Views, chosen: tuple[int, ...], rng) -> tuple | None:
    shared = views.seen[list(chosen)].all(axis=0)
    for k in chosen:
        shared &= inside(views, k)
    if not shared.any():
        return None
    vertex, odd = int(rng.choice(np.flatnonzero(shared))), int(rng.integers(len(chosen)))
    k, width = chosen[odd], views.scene.colour_size[0]
    far = np.linalg.norm(views.points - views.points[vertex], axis=1) > 0.31
    far &= np.hypot(*(views.uv[k] - views.uv[k, vertex]).T) > 0.06 * width
    other = int(rng.choice(np.flatnonzero(views.seen[k] & far & inside(views, k))))
    vertices = [other if k == chosen[odd] else vertex for k in chosen]
    places = [views.thousandths(k, one) for k, one in zip(chosen, vertices, strict=True)]
    more = {"point_id": vertex, "mark_points": places, "choices": image_choices(len(chosen))}
    return LETTERS[odd], more, vertices


def inside(views: Views, k: int) -> np.ndarray:
    """(N,) bool: there is room for a dot."""
    last = np.array(views.scene.colour_size) - 13
    return ((views.uv[k] >= 12) & (views.uv[k] <= last)).all(axis=1)


def about(views: Views, chosen: tuple[int, ...], vertex: int) -> dict:
    return {"p1": views.thousandths(chosen[0], vertex), "point_id": vertex}


MAKERS = {NEAREST: nearest, HIDDEN: hidden, ODD: odd_dot, SEEN_WHERE: seen_where}


def make(
    folder: Path, views: Views, task: str, chosen: tuple[int, ...], split: str, **paint: Any
) -> dict | None:
    """A right record, its images below folder / images; None where these frames allow none."""
    made = MAKERS[task](views, chosen, np.random.default_rng(sum(chosen)))
    if made is None:
        return None
    answer, more, vertices = made
    scene, frames = views.scene, views.frames(chosen)
    question, size = QUESTIONS[task], scene.colour_size
    record = frames_record(task, scene.scene_id, frames, size, split, answer, question, **more)
    dots = [views.uv[k, one] for k, one in zip(chosen, vertices, strict=False)]
    paint_frames(folder, scene, record, dots, **paint)
    return record


def some_records(folder: Path, root: Path, task: str, split: str) -> Iterator[tuple[Views, dict]]:
    """Right records of every scene, of three frames and of four, where there are any."""
    rng = np.random.default_rng(0)
    for scene_id in SCENES[split]:
        views = views_of(root, scene_id)
        for count in (3, 4):
            orders = [
                tuple(order.tolist())
                for chosen in rng.permutation(list(views.sets(count)))
                for order in {3: rng.permutation([*permutations(chosen)]), 4: [chosen]}[count]
            ]
            made = (make(folder, views, task, order, split) for order in orders)
            found = (record for record in made if record)
            yield from ((views, record) for record in islice(found, 1))


def complaints_about(
    folder: Path, views: Views, record: dict, split: str, **constants: Any
) -> list[str]:
    check = check_depth_frames_record
    if record["task"] in (ODD, SEEN_WHERE):
        check = check_correspondence_frames_record
    return check(record, views.scene, split, folder / "images", None, constants)


@pytest.fixture(scope="module")
def right(raw_root, tmp_path_factory) -> dict[str, tuple[Path, Views, dict]]:
    """One right evaluation record of every task, with the folder that its images are in."""
    found = {}
    views = views_of(raw_root, "scene0011_00")
    orders = {NEAREST: (7, 1, 0), HIDDEN: (2, 1, 0), ODD: (1, 7, 0), SEEN_WHERE: (1, 0, 8, 2)}
    for task in TASKS:
        folder = tmp_path_factory.mktemp(task)
        record = make(folder, views, task, orders[task], "val")
        assert record is not None, task
        found[task] = folder, views, record
    return found


@pytest.mark.parametrize("task", TASKS)
def test_the_records_to_be_spoiled_are_right(right, task):
    folder, views, record = right[task]
    assert complaints_about(folder, views, record, "val") == []


@pytest.mark.parametrize("split", SCENES)
@pytest.mark.parametrize("task", TASKS)
def test_right_records_pass(raw_root, tmp_path, task, split):
    counts = set()
    for views, record in some_records(tmp_path, raw_root, task, split):
        assert complaints_about(tmp_path, views, record, split) == []
        counts.add(len(record["frames"]))
    assert 3 in counts


# ---- planted errors ------------------------------------------------------------------------------


def last_first(record: dict) -> None:
    for field in ("image", "frames"):
        record[field] = [record[field][-1], *record[field][1:-1], record[field][0]]


def other_letter(record: dict) -> str:
    return next(letter for letter in record["choices"] if letter != record["gt_value"])


def nearest_depths(record: dict) -> None:
    """The answer and the depths of two images are exchanged: only the raw data can tell."""
    k = LETTERS.index(record["gt_value"])
    other = (k + 1) % len(record["depths_mm"])
    depths = record["depths_mm"]
    depths[k], depths[other] = depths[other], depths[k]
    answered(lambda record: LETTERS[other])(record)


def seen_turned(record: dict) -> None:
    """What is seen after Image-1 is turned round, and the answer with it."""
    record["seen"] = [True] + [not one for one in record["seen"][1:]]
    letters = [LETTERS[k] for k, one in enumerate(record["seen"][1:]) if one]
    answered(lambda record: ", ".join(letters))(record)


def odd_elsewhere(record: dict) -> None:
    """The places of two images are exchanged."""
    places = record["mark_points"]
    places[0], places[1] = places[1], places[0]


def odd_moved(record: dict) -> None:
    """The odd dot is said to be 60 thousandths beside its place."""
    place = record["mark_points"][LETTERS.index(record["gt_value"])]
    place[0] += 60 if place[0] < 500 else -60


def listed_otherwise(text: str) -> str:
    return text.replace("\nA. ", "\nA: ")


LETTERED, OF_P1 = (NEAREST, ODD, SEEN_WHERE), (NEAREST, HIDDEN, SEEN_WHERE)
PLANTED: list[tuple[tuple[str, ...], Callable, str]] = [
    (TASKS, in_field("task", "camera_net_turn"), "image:"),
    (TASKS, in_field("frames", lambda old: old[1:] + old[:1]), "frames:"),
    (TASKS, in_field("image", lambda old: [old[0], *old[1:-1], old[0]]), "a frame twice"),
    (TASKS, in_field("image", lambda old: ["a.jpg", *old[1:]]), "is not <scene>"),
    (TASKS, in_field("image", lambda old: [old[0].replace(".jpg", "x.jpg"), *old[1:]]), "not th"),
    (TASKS, in_field("width_list", lambda old: old[1:]), "width_list:"),
    (TASKS, without("point_id"), "point_id: None"),
    (TASKS, in_field("point_id", 10**7), "is none of"),
    (TASKS, in_field("point_id", -1), "is none of"),
    (TASKS, in_field("point_id", True), "is none of"),
    (OF_P1, in_field("point_id", lambda old: old + 1000), "p1:"),
    ((ODD,), in_field("point_id", lambda old: old + 1000), "other than at the point in"),
    (TASKS, without("mark_colors"), "mark_colors: None"),
    (TASKS, in_field("mark_colors", lambda old: [*old, old[0]]), "mark_colors:"),
    (TASKS, in_field("mark_colors", lambda old: ["#010203"] * len(old)), "Image-1: the dot"),
    (TASKS, in_text(lambda text: text.replace("Image-2: ", "")), "does not open with"),
    (TASKS, in_text(lambda text: text + "\nZ. none"), "the choices are listed as"),
    (OF_P1, without("p1"), "p1: None"),
    (OF_P1, in_field("p1", lambda old: [old[0] + 2, old[1]]), "p1:"),
    (OF_P1, in_field("p1", lambda old: [float(x) for x in old]), "p1:"),
    (LETTERED, in_text(listed_otherwise), "the choices are listed as"),
    (LETTERED, in_text(lambda text: text.replace("\nB. ", "\n\nB. ")), "one after the other"),
    (LETTERED, without("choices"), "choices:"),
    (LETTERED, in_field("choices", lambda old: list(old.values())), "choices:"),
    (LETTERED, in_field("choices", lambda old: dict(list(old.items())[:-1])), "choices:"),
    (LETTERED, in_field("choices", lambda old: old | {"A": old["B"]}), "choices:"),
    (LETTERED, in_field("choices", lambda old: old | {"A": old["B"], "B": old["A"]}), "choices:"),
    (LETTERED, answered(other_letter), "gt_value:"),
    (LETTERED, answered(lambda record: record["gt_value"].lower()), "gt_value:"),
    (LETTERED, in_field("gt_value", None), "gt_value:"),
    ((NEAREST,), nearest_depths, "depths_mm:"),
    ((NEAREST,), nearest_depths, "gt_value:"),
    ((NEAREST,), in_field("depths_mm", lambda old: [old[0] + 1, *old[1:]]), "depths_mm:"),
    ((NEAREST,), in_field("depths_mm", lambda old: old[:-1]), "depths_mm:"),
    ((HIDDEN,), answered(lambda record: record["gt_value"] + 1), "gt_value:"),
    ((HIDDEN,), answered(lambda record: str(record["gt_value"])), "gt_value:"),
    ((HIDDEN,), last_first, "does not see vertex"),
    ((HIDDEN,), last_first, "is not absent in frame"),
    ((HIDDEN,), in_text(lambda text: text.replace("last", "one")), "in which image"),
    ((HIDDEN,), in_text(lambda text: text.replace("millimetres", "m")), "millimetres"),
    ((SEEN_WHERE,), seen_turned, "seen:"),
    ((SEEN_WHERE,), in_field("seen", lambda old: old[1:]), "seen:"),
    ((SEEN_WHERE,), in_field("seen", lambda old: [int(one) for one in old]), "seen:"),
    ((SEEN_WHERE,), in_field("seen", lambda old: [False, *old[1:]]), "seen: false"),
    ((SEEN_WHERE,), in_field("seen", lambda old: [True] * len(old)), "expected both"),
    ((SEEN_WHERE,), answered(lambda record: "A, B, C"), "gt_value:"),
    ((ODD,), without("mark_points"), "mark_points:"),
    ((ODD,), in_field("mark_points", lambda old: old[:-1]), "mark_points:"),
    ((ODD,), in_field("mark_points", lambda old: [[0.5, 1], *old[1:]]), "mark_points:"),
    ((ODD,), odd_elsewhere, "mark_points: other than at the point in"),
    ((ODD,), odd_moved, "mark_points: frame"),
]
PLANTED = [(task, plant, says) for tasks, plant, says in PLANTED for task in tasks]


@pytest.mark.parametrize(("task", "plant", "says"), PLANTED)
def test_planted_errors_are_found(right, task, plant, says):
    folder, views, record = right[task]
    complaints = complaints_about(folder, views, spoiled(record, plant), "val")
    assert any(says in text for text in complaints), complaints


CONDITIONS = [  # (task, constant, a value that right records do not keep to, complaint)
    (TASKS, "MAX_LIKE", 7, "MAX_LIKE is 7"),
    ((HIDDEN, SEEN_WHERE), "MIN_LINK", 90, "are not joined"),
    ((HIDDEN,), "MIN_LINK", 90, "no frame is linked to both"),
    ((HIDDEN,), "MIN_HIDDEN_M", 90, "MIN_HIDDEN_M is 90"),
    ((NEAREST,), "MIN_DEPTH_GAP_M", 9, "differ by less than 9 m"),
    ((NEAREST,), "MIN_DEPTH_GAP_SHARE", 5, "MIN_DEPTH_GAP_SHARE"),
    ((ODD,), "MIN_ODD_M", 30, "MIN_ODD_M is 30"),
    ((ODD,), "MIN_ODD_SHARE", 3, "MIN_ODD_SHARE 3"),
    ((SEEN_WHERE,), "ABSENT_BEHIND_M", 50, "neither seen nor absent"),
]
CONDITIONS = [(task, *rest) for tasks, *rest in CONDITIONS for task in tasks]


@pytest.mark.parametrize(("task", "name", "value", "says"), CONDITIONS)
def test_conditions_are_those_that_the_file_was_made_with(right, task, name, value, says):
    folder, views, record = right[task]
    more = {"ABSENT_MARGIN_SHARE": 9} if name == "ABSENT_BEHIND_M" else {}
    complaints = complaints_about(folder, views, record, "val", **{name: value}, **more)
    assert any(says in text for text in complaints), complaints


# ---- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("radius", "says"), [(4, "Image-1: the dot"), (17, "Image-1: the dot: radius")]
)
def test_a_dot_of_another_size_is_found(right, tmp_path, task, radius, says):
    _, views, record = right[task]
    chosen = tuple(views.ids.index(frame) for frame in record["frames"])
    record = make(tmp_path, views, task, chosen, "val", radius=radius)
    complaints = complaints_about(tmp_path, views, record, "val")
    assert any(says in text for text in complaints), complaints


@pytest.mark.parametrize("task", TASKS)
def test_a_dot_on_another_point_is_found(right, tmp_path, task):
    """The odd dot too: no image of a record may show its dot elsewhere."""
    _, views, record = right[task]
    for k in range(len(record["frames"]) if task == ODD else 1):
        chosen = tuple(views.ids.index(frame) for frame in record["frames"])
        again = make(tmp_path, views, task, chosen, "val")
        shifted = np.roll(source_of(views.scene, again["frames"][k]), 5, axis=1)
        save(tmp_path / "images" / again["image"][k], shifted)
        complaints = complaints_about(tmp_path, views, again, "val")
        assert any(text.startswith(f"Image-{k + 1}: the dot") for text in complaints), complaints


@pytest.mark.parametrize("task", [NEAREST, HIDDEN, SEEN_WHERE])
def test_images_without_a_dot_are_those_of_the_frames(right, tmp_path, task):
    _, views, record = right[task]
    chosen = tuple(views.ids.index(frame) for frame in record["frames"])
    again = make(tmp_path, views, task, chosen, "val")
    path = tmp_path / "images" / again["image"][1]
    content = path.read_bytes()
    path.write_bytes(content + b"\0")
    complaints = complaints_about(tmp_path, views, again, "val")
    assert any(text.startswith("Image-2: image:") for text in complaints), complaints
    path.unlink()
    complaints = complaints_about(tmp_path, views, again, "val")
    assert any("cannot be read" in text for text in complaints), complaints
    again["image"][1] = again["image"][0]
    assert complaints_about(tmp_path, views, again, "val") != []


# ---- what may not be asked -----------------------------------------------------------------------


def test_every_wrong_vertex_is_found(right):
    """Of all vertices of a scene, only those at p1 with the right depth pass for a hidden one."""
    folder, views, record = right[HIDDEN]
    rng = np.random.default_rng(0)
    for vertex in rng.choice(len(views.points), 10, replace=False).tolist():
        other = spoiled(record, in_field("point_id", vertex))
        assert vertex == record["point_id"] or complaints_about(folder, views, other, "val")


def test_a_point_that_is_neither_seen_nor_absent_is_not_asked_about(right):
    folder, views, record = right[SEEN_WHERE]
    chosen = [views.ids.index(frame) for frame in record["frames"]]
    grey = views.seen[chosen[0]] & inside(views, chosen[0])
    grey &= ~views.seen[chosen[1]] & ~views.absent[chosen[1]] & (views.z[chosen[1]] > 0)
    low = views.uv[chosen[1]]
    grey &= ((low > 20) & (low < np.array(views.scene.colour_size) - 20)).all(axis=1)
    said = [
        complaints_about(folder, views, spoiled(record, in_field("point_id", int(vertex))), "val")
        for vertex in np.flatnonzero(grey)[:5]
    ]
    assert said and any("neither seen nor absent" in text for texts in said for text in texts)
