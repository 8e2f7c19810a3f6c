"""Checks depth questions against the raw scans, record by record, and their marked images.

Cost: the visibility of a frame the first time a scene needs it, one projection of the mesh a
record, for a dot task a picture a record (marks).

How docs/spec.md was read where it leaves a choice, by section:
- 6 the point of a question is some vertex of the mesh, seen by section 4 (ties included), whose
  projection rounds to x, y and whose z rounds to depth_mm; an exact half may go either way. Which
  vertex it is the record does not say; in a dot task it is also the one that is marked.
- 6 closer or farther is judged by the recorded depths: whole mm, and they differ.
- 6 the same (frame, pair) never twice: a pair is two coordinates, in either order; asking for the
  closer and for the farther of one pair is asking twice.
- 6, 10 closer or farther is asked in the last line of the text; the images and the task before it
  ask for nothing. Only comparisons have a side: "near the border", "how far" have none, "less
  near", "not as deep" are of the other one. Comparisons of the wrong side alone are a fault; a line
  without any is left alone, and so is one with comparisons of both sides.
- 6 letters stand in comparison_dot only, mark_colors in the dot tasks only, is_closer_question in
  the comparisons only; points_info holds exactly its four fields.
- 6 two depths differ by what the file was made with (MIN_DEPTH_GAP_MM, MIN_DEPTH_GAP_SHARE), judged
  by the recorded depths; where that is not told, by 1 mm.
- 6 whether each scene gave its share, how often a frame is asked about (MAX_PER_FRAME), and
  probabilities 1/2, are not judged.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.audit.oracles.marks import (
    Mark,
    check_marked_picture,
    marked_picture,
    parse_colour,
)
from spatial_engine.audit.oracles.visibility import SeenVertices, SurfaceRule, seen_vertices
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.constants import number
from spatial_engine.audit.records.fields import (
    check_fields,
    check_split,
    is_coordinate,
    known_type,
    rounds_to,
)
from spatial_engine.audit.records.images import (
    check_frame,
    check_images,
    check_list_of_images,
    marked_image,
    posed_image,
)
from spatial_engine.audit.records.lines import TaskRules
from spatial_engine.audit.records.texts import (
    check_coordinate_words,
    check_leak,
    check_texts,
    check_unit,
)

QUESTION_TYPES = (
    "depth_estimation_coor",
    "depth_estimation_dot",
    "depth_comparison_coor",
    "depth_comparison_dot",
)
TASK_OF = {question_type: question_type for question_type in QUESTION_TYPES}
POINT_FIELDS = {"x", "y", "depth_mm", "letter"}
LETTERS = ("A", "B")
ROUNDING = 1e-6  # mm; nearer to the smallest difference, two sound programs may differ
MAX_DEPTH_MM = 65535  # what a depth image holds, and a visible point is nearer
# Whole words, lower case. Those of comparisons have a side by themselves ...
CLOSER_WORDS = {
    *("nearer", "nearest", "closer", "closest", "less", "lesser", "least"),
    *("smaller", "smallest", "shorter", "shortest", "shallower", "shallowest", "lower", "lowest"),
}
FARTHER_WORDS = {
    *("farther", "farthest", "further", "furthest", "deeper", "deepest", "remoter", "remotest"),
    *("larger", "largest", "greater", "greatest", "bigger", "biggest", "longer", "longest"),
    *("higher", "highest"),
}
# ... these only behind a word that compares: "more remote", "less deep", "not as near".
NEAR_WORDS, FAR_WORDS = {"near", "close", "shallow"}, {"far", "deep", "distant", "remote", "depth"}
COMPARING_WORDS, TURNING_WORDS, FILLERS = (
    {"more", "most"},
    {"less", "least", "not"},
    {"as", "so", "the"},
)


def vertices_of_point(seen: SeenVertices, point: dict) -> np.ndarray | str:
    """Rows of `seen` that a point of points_info may be, (n,) int with n > 0, or a complaint."""
    at = [point["x"], point["y"]]
    if not len(seen.index):
        return "the frame sees no vertex"
    here = np.flatnonzero(rounds_to(seen.thousandths, at).all(axis=1))
    if not len(here):
        nearest = int(np.abs(seen.thousandths - at).max(axis=1).argmin())
        x, y = seen.thousandths[nearest]
        return f"no visible vertex is at {at}, the nearest is at [{x:.6f}, {y:.6f}]"
    right = here[rounds_to(seen.depth_mm[here], point["depth_mm"])]
    if not len(right):
        depths = ", ".join(f"{depth:.6f}" for depth in seen.depth_mm[here])
        return f"depth_mm {point['depth_mm']} but the raw data say {depths} at {at}"
    return right


# ---- one record ----------------------------------------------------------------------------------


def check_depth_record(
    record: dict,
    scene: PosedScene,
    split: str,
    images: Path,
    rule: SurfaceRule | None = None,
    constants: dict[str, Any] | None = None,
) -> list[str]:
    """Complaints about one line of a depth file; empty when everything is right.

    images: the folder that image paths of the dot tasks are relative to; rule: by which the frame
    sees its points; constants: those that the file was made with, by name. The scene must be the
    one that the record's image names. Train records carry `conversations`, val records `text`.
    """
    check_split(split)
    if not isinstance(record, dict):
        return ["the record is not a JSON object"]
    complaints = check_fields(record, split, TASK_OF)
    question_type = known_type(record, TASK_OF)
    if question_type is None:
        return complaints
    points, wrong = read_points(record)
    complaints += wrong
    if points is not None:
        complaints += _check_answer(record, points)
        complaints += _check_gap(points, constants or {})
    complaints += check_words(record, split)
    shown = shown_frame(record)
    if isinstance(shown, str):
        return [*complaints, shown]
    scene_id, frame_id = shown
    if scene_id != scene.scene_id:
        return [*complaints, f"image: of scene {scene_id}, checked against {scene.scene_id}"]
    complaint = check_frame(scene, frame_id)
    if complaint:
        return [*complaints, complaint]
    complaints += check_images(record, scene)
    if points is None:
        return complaints
    try:
        complaints += _check_truth(record, points, scene, frame_id, images, rule)
    except RawDataError as err:
        complaints.append(f"raw data: {err}")
    return complaints


def shown_frame(record: dict) -> tuple[str, str] | str:
    """(scene id, frame id) of a record of known question type, or a complaint."""
    wrong = check_list_of_images(record.get("image"), 1)
    if wrong:
        return wrong[0]
    read = marked_image if record["question_type"].endswith("_dot") else posed_image
    return read(record["image"][0])


def read_points(record: dict) -> tuple[list[dict] | None, list[str]]:
    """points_info of a record of known question type, None where it cannot be used; complaints."""
    question_type = record["question_type"]
    count = 2 if "comparison" in question_type else 1
    points = record.get("points_info")
    if not isinstance(points, list) or len(points) != count:
        return None, [f"points_info: {points!r} is not a list of {count}"]
    for k, point in enumerate(points):
        if not isinstance(point, dict) or set(point) != POINT_FIELDS:
            return None, [f"points_info[{k}]: {point!r} does not hold {sorted(POINT_FIELDS)}"]
        if not is_coordinate([point["x"], point["y"]]):
            return None, [f"points_info[{k}]: x, y of {point!r} are not int from 0 to 1000"]
        if type(point["depth_mm"]) is not int or not 0 <= point["depth_mm"] <= MAX_DEPTH_MM:
            return None, [f"points_info[{k}]: depth_mm {point['depth_mm']!r} is not an int of mm"]
    complaints = []
    letters = [point["letter"] for point in points]
    if question_type == "depth_comparison_dot":
        if letters not in (["A", "B"], ["B", "A"]):
            complaints.append(f"points_info: letters {letters}, expected A and B")
            return None, complaints
    elif letters != [None] * count:
        complaints.append(f"points_info: letters {letters}, expected null")
    if count == 2:
        first, second = points
        if (first["x"], first["y"]) == (second["x"], second["y"]):
            complaints.append(f"points_info: both points at [{first['x']}, {first['y']}]")
        if first["depth_mm"] == second["depth_mm"]:
            complaints.append(f"points_info: both depths are {first['depth_mm']} mm")
    return points, complaints


def _check_answer(record: dict, points: list[dict]) -> list[str]:
    """gt_value against the recorded points, and whether the fields of the task are there."""
    question_type, gt_value = record["question_type"], record.get("gt_value")
    complaints = []
    if question_type.endswith("_coor") and "mark_colors" in record:
        complaints.append("mark_colors: nothing is marked in a coor task")
    closer = record.get("is_closer_question")
    if len(points) == 1:
        if "is_closer_question" in record:
            complaints.append("is_closer_question: nothing is compared in an estimation")
        expected: object = points[0]["depth_mm"]
    else:
        if type(closer) is not bool:
            return [*complaints, f"is_closer_question: {closer!r} is not true or false"]
        if points[0]["depth_mm"] == points[1]["depth_mm"]:
            return complaints  # complained about already: neither is closer
        by_depth = sorted(points, key=lambda point: point["depth_mm"])
        chosen = by_depth[0] if closer else by_depth[1]
        expected = [chosen["x"], chosen["y"]]
        if question_type.endswith("_dot"):
            expected = chosen["letter"]
    if json.dumps(gt_value) != json.dumps(expected):  # in Python true and 1.0 equal 1
        complaints.append(f"gt_value: {gt_value!r}, points_info says {expected!r}")
    return complaints


def _check_gap(points: list[dict], constants: dict[str, Any]) -> list[str]:
    """Two depths that are too close to each other to be compared, by the constants of the file."""
    nearer, *farther = sorted(point["depth_mm"] for point in points)
    least = max(
        number(constants, "MIN_DEPTH_GAP_MM", 0),
        number(constants, "MIN_DEPTH_GAP_SHARE", 0) * nearer,
    )
    if not farther or nearer == farther[0]:  # complained about already
        return []
    if farther[0] - nearer < least - ROUNDING:
        return [
            f"points_info: depths {nearer} and {farther[0]} mm differ by less than {least:g} mm "
            "(MIN_DEPTH_GAP_MM, MIN_DEPTH_GAP_SHARE)"
        ]
    return []


def check_words(record: dict, split: str) -> list[str]:
    """Complaints about question and answer, as they are read, of a record of known type."""
    points = read_points(record)[0] or []
    return check_texts(record, split, 1, lambda text: _check_question(text, record, points))


def _check_question(text: str, record: dict, points: list[dict]) -> list[str]:
    """The words of the question; points is empty where points_info cannot be used."""
    question_type, complaints = record["question_type"], []
    coordinates = [[point["x"], point["y"]] for point in points]
    if question_type.endswith("_coor"):
        complaints += check_coordinate_words(text, coordinates)
    if "estimation" in question_type:
        complaints += check_unit(text, "mm")
    elif type(record.get("is_closer_question")) is bool:
        complaints += _check_side(text, record["is_closer_question"])
    choices = LETTERS if question_type == "depth_comparison_dot" else coordinates
    return complaints + check_leak(text, record.get("gt_value"), choices)


def _check_side(text: str, closer: bool) -> list[str]:
    """Whether the words ask for the closer point or for the farther, as is_closer_question says."""
    sides = compared(" ".join(text.strip().splitlines()[-1:]))
    if sides[closer] or not sides[not closer]:
        return []
    return [f"the words {sorted(sides[not closer])} do not fit is_closer_question {closer}"]


def compared(sentence: str) -> dict[bool, set[str]]:
    """{asks for the closer: comparisons of this side} of a sentence."""
    words = [w for w in re.findall("[a-z]+", sentence.lower()) if w not in FILLERS]
    plain, sides = NEAR_WORDS | FAR_WORDS, {True: set(), False: set()}
    compares = CLOSER_WORDS | FARTHER_WORDS
    for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        turned = before in TURNING_WORDS
        if word in plain and (turned or before in COMPARING_WORDS):
            near = word in NEAR_WORDS
        elif word in compares and not (word in TURNING_WORDS and after in compares | plain):
            near = word in CLOSER_WORDS
        else:
            continue
        sides[near != turned].add(f"{before} {word}" if turned or word in plain else word)
    return sides


def _check_truth(
    record: dict,
    points: list[dict],
    scene: PosedScene,
    frame_id: str,
    images: Path,
    rule: SurfaceRule | None,
) -> list[str]:
    """The points against the raw scene, and in a dot task the picture."""
    complaints, pixels = [], []
    seen = seen_vertices(scene, frame_id, rule)
    for k, point in enumerate(points):
        rows = vertices_of_point(seen, point)
        if isinstance(rows, str):
            complaints.append(f"points_info[{k}]: {rows}")
        else:
            pixels.append(seen.pixels[rows])
    if record["question_type"].endswith("_coor"):
        return complaints
    texts = record.get("mark_colors")
    colours = [parse_colour(text) for text in texts] if isinstance(texts, list) else []
    if len(colours) != len(points) or any(colour is None for colour in colours):
        return [*complaints, f"mark_colors: {texts!r} is not a list of {len(points)} #rrggbb"]
    picture = marked_picture(images / record["image"][0], scene.colour_size)
    if isinstance(picture, str):
        return [*complaints, picture]
    if len(pixels) != len(points):
        return complaints  # where the marks should be is not known
    marks = [
        Mark(f"mark {k}", colour, centres, np.zeros(2), lettered=len(points) == 2)
        for k, (colour, centres) in enumerate(zip(colours, pixels, strict=True))
    ]
    found, _ = check_marked_picture(picture, scene.picture(frame_id), marks)
    return complaints + found


# ---- one file ------------------------------------------------------------------------------------


def depth_rules(
    path: str | Path,
    split: str,
    rule: SurfaceRule | None,
    images: Path | None = None,
    constants: dict[str, Any] | None = None,
) -> TaskRules:
    """What is asked of a depth file that was made by the rule and the constants.

    images: the folder that image paths of the dot tasks are relative to, by default `images` beside
    the file.
    """
    name, folder = Path(path).stem, images or Path(path).parent / "images"

    def asked(record: dict) -> tuple[str, tuple] | str:
        question_type = known_type(record, TASK_OF)
        if question_type is None:
            return f"question_type: {record.get('question_type')!r} is unknown"
        shown = shown_frame(record)
        if isinstance(shown, str):
            return shown
        scene_id, frame_id = shown
        if "estimation" in question_type:
            return scene_id, (frame_id,)
        points, _ = read_points(record)
        if points is None:  # complained about when the record is checked; nothing to compare
            return scene_id, (frame_id, object())
        return scene_id, (frame_id, frozenset((point["x"], point["y"]) for point in points))

    def check(record: dict, scene: PosedScene) -> list[str]:
        return check_depth_record(record, scene, split, folder, rule, constants)

    again = "image, points_info: the frame and points of line {} again"
    if "estimation" in name:
        again = "image: the frame of line {} again"
    return TaskRules(asked, again, check)
