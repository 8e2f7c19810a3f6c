"""Checks correspondence questions against the raw scans, record by record, and their pictures.

Cost: the visibility of a frame the first time a scene needs it, two projections of the mesh a
record, for the multiple choice two pictures with five marks a record (marks).

How docs/spec.md was read where it leaves a choice, by section:
- 7 the point of a question is some vertex of the mesh, seen in both frames by section 4 (ties
  included), whose projections round to p1 and to p2; an exact half may go either way.
- 7 the pair has an overlap of 6 to 35 percent, recorded or not; `overlap` need not be recorded.
- 7 clear of the border (10 px): all five centres are at least BORDER px from every edge, the
  match and the dot of Image-1 as well: else the border would tell the match from the distractors.
- 7 no two circles touch: centres in Image-2 are at least 2 * (radius + GAP) apart.
  PLACE_ERROR is allowed for both, because a centre is found in the picture to half a pixel.
- 7 a distractor is centred on the pixel that its option rounds from: within 0.5/1000 of the image
  and the tolerance of any mark. Where distractors were drawn ("easy", "hard") is not judged, nor
  whether the letters are the right way round in the picture: only that a letter is there.
- 7 colours far apart: any two of the five differ by MIN_COLOUR_DIFFERENCE in some channel.
- 7 coordinates in image 1 asked: the text of p1 stands in the question; that of p2 does not, nor
  do the coordinates of the right option.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from spatial_engine.audit.oracles.marks import (
    Mark,
    check_marked_picture,
    difference,
    mark_radius,
    marked_picture,
    parse_colour,
)
from spatial_engine.audit.oracles.overlap import (
    MAX_OVERLAP,
    MIN_OVERLAP,
    OVERLAP_TOLERANCE,
    check_overlap,
    overlap,
)
from spatial_engine.audit.oracles.visibility import SeenVertices, SurfaceRule, seen_vertices
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.posed import PosedScene
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
    image_pair,
    marked_image,
    posed_image,
)
from spatial_engine.audit.records.lines import TaskRules
from spatial_engine.audit.records.texts import (
    check_coordinate_words,
    check_leak,
    check_secret,
    check_texts,
)

COOR, DOT = "visual_correspondence_coor_2_coor", "visual_correspondence_dot_2_multichoice"
TASK_OF = {COOR: "correspondence_coor", DOT: "correspondence_multichoice"}
LETTERS = ("A", "B", "C", "D")
BORDER = 10.0  # px from a centre to the edge of the picture
GAP = 2.0  # px, twice of which is free between two circles
PLACE_ERROR = 1.0  # px
MIN_COLOUR_DIFFERENCE = 40  # of 255, in the channel that differs most


# ---- one record ----------------------------------------------------------------------------------


def check_correspondence_record(
    record: dict, scene: PosedScene, split: str, images: Path, rule: SurfaceRule | None = None
) -> list[str]:
    """Complaints about one line of a correspondence file; empty when everything is right.

    images: the folder that image paths of the multiple choice are relative to. The scene must be
    the one that the record's images name. Train records carry `conversations`, val records `text`.
    """
    check_split(split)
    if not isinstance(record, dict):
        return ["the record is not a JSON object"]
    complaints = check_fields(record, split, TASK_OF)
    if known_type(record, TASK_OF) is None:
        return complaints
    wrong = _check_points(record) or _check_answer(record)
    complaints += wrong
    complaints += check_words(record, split)
    shown = shown_pair(record)
    if isinstance(shown, str):
        return [*complaints, shown]
    scene_id, id1, id2 = shown
    if scene_id != scene.scene_id:
        return [*complaints, f"image: of scene {scene_id}, checked against {scene.scene_id}"]
    for frame_id in (id1, id2):
        complaint = check_frame(scene, frame_id)
        if complaint:
            return [*complaints, complaint]
    complaints += check_images(record, scene)
    try:
        complaints += _check_pair(record, scene, id1, id2)
        if not wrong:
            complaints += _check_truth(record, scene, id1, id2, images, rule)
    except RawDataError as err:
        complaints.append(f"raw data: {err}")
    return complaints


def shown_pair(record: dict) -> tuple[str, str, str] | str:
    """(scene id, frame id of Image-1, of Image-2) of a record of known type, or a complaint."""
    return image_pair(record, marked_image if record["question_type"] == DOT else posed_image)


def _check_points(record: dict) -> list[str]:
    """p1, p2 and options have the form that everything else builds on."""
    complaints = []
    for field in ("p1", "p2"):
        if not is_coordinate(record.get(field)):
            complaints.append(f"{field}: {record.get(field)!r} is not [x, y], int from 0 to 1000")
    if record["question_type"] == COOR:
        for field in ("options", "mark_colors"):
            if field in record:
                complaints.append(f"{field}: nothing is marked in this task")
        return complaints
    options = record.get("options")
    if not isinstance(options, dict) or set(options) != set(LETTERS):
        complaints.append(f"options: {options!r} does not hold exactly A, B, C, D")
    elif not all(is_coordinate(options[letter]) for letter in LETTERS):
        complaints.append(f"options: {options!r} holds what is not [x, y], int from 0 to 1000")
    return complaints


def _check_answer(record: dict) -> list[str]:
    """gt_value against p2 and the options; p1, p2 and the options are of the right form."""
    gt_value, p2 = record.get("gt_value"), record["p2"]
    if record["question_type"] == COOR:
        if json.dumps(gt_value) != json.dumps(p2):  # in Python true and 1.0 equal 1
            return [f"gt_value: {gt_value!r}, p2 is {p2}"]
        return []
    matches = [letter for letter in LETTERS if record["options"][letter] == p2]
    if len(matches) != 1:
        return [f"options: {matches} are at p2 {p2}, expected one: {record['options']}"]
    if gt_value != matches[0]:
        return [f"gt_value: {gt_value!r}, the option at p2 is {matches[0]!r}"]
    return []


def check_words(record: dict, split: str) -> list[str]:
    """Complaints about question and answer, as they are read, of a record of known type."""
    return check_texts(record, split, 2, lambda text: _check_question(text, record))


def _check_question(text: str, record: dict) -> list[str]:
    """The words of the question."""
    p1, p2, gt_value = record.get("p1"), record.get("p2"), record.get("gt_value")
    if record["question_type"] == COOR:
        complaints = check_coordinate_words(text, [p1] if is_coordinate(p1) else [])
        leak = p1 != p2 and check_leak(text, gt_value, [])
    else:
        complaints = []
        leak = check_leak(text, gt_value, LETTERS)
    secret = is_coordinate(p2) and (record["question_type"] == DOT or p1 != p2)
    if not leak and secret:
        leak = check_secret(text, p2)
    return complaints + (leak or [])


def _check_pair(record: dict, scene: PosedScene, id1: str, id2: str) -> list[str]:
    """The pair may be drawn at all, and the recorded overlap is right."""
    if "overlap" in record:
        return check_overlap(record, scene, id1, id2, may_be_zero=False)
    truth = overlap(scene, id1, id2)
    low, high = truth.low - OVERLAP_TOLERANCE, truth.high + OVERLAP_TOLERANCE
    if low > MAX_OVERLAP or high < MIN_OVERLAP:
        return [
            f"image: the frames overlap by {truth.value:.6f} percent, "
            f"not within {MIN_OVERLAP} to {MAX_OVERLAP}"
        ]
    return []


def _check_truth(
    record: dict, scene: PosedScene, id1: str, id2: str, images: Path, rule: SurfaceRule | None
) -> list[str]:
    """The points against the raw scene, and in the multiple choice the pictures."""
    both = seen_by_both(*(seen_vertices(scene, frame, rule) for frame in (id1, id2)))
    rows = vertices_of_points(both, record["p1"], record["p2"])
    complaints = []
    if isinstance(rows, str):
        complaints.append(rows)
    if record["question_type"] == COOR:
        return complaints
    wrong = _check_colours(record.get("mark_colors"))
    pictures = [marked_picture(images / path, scene.colour_size) for path in record["image"]]
    wrong += [picture for picture in pictures if isinstance(picture, str)]
    if isinstance(rows, str) or wrong:
        return complaints + wrong  # where the marks should be, or what they are, is not known
    for k, marks in enumerate(_marks(record, scene, both, rows)):
        source = scene.picture((id1, id2)[k])
        found, places = check_marked_picture(pictures[k], source, marks)
        found += _check_places([mark.name for mark in marks], places, scene.colour_size)
        complaints += [f"Image-{k + 1}: {complaint}" for complaint in found]
    return complaints


def seen_by_both(seen1: SeenVertices, seen2: SeenVertices) -> tuple[SeenVertices, SeenVertices]:
    """The vertices that both frames see, in the same order, as each frame sees them."""
    rows1 = np.flatnonzero(np.isin(seen1.index, seen2.index))
    rows2 = np.flatnonzero(np.isin(seen2.index, seen1.index))
    return (
        SeenVertices(*(values[rows1] for values in seen1)),
        SeenVertices(*(values[rows2] for values in seen2)),
    )


def vertices_of_points(
    both: tuple[SeenVertices, SeenVertices], p1: list[int], p2: list[int]
) -> np.ndarray | str:
    """Rows of `both` that project to p1 and to p2, (n,) int with n > 0, or a complaint."""
    first, second = both
    if not len(first.index):
        return "p1, p2: the frames see no vertex in common"
    here = np.flatnonzero(rounds_to(first.thousandths, p1).all(axis=1))
    if not len(here):
        nearest = int(np.abs(first.thousandths - p1).max(axis=1).argmin())
        x, y = first.thousandths[nearest]
        return f"p1: no vertex seen in both is at {p1}, the nearest is at [{x:.6f}, {y:.6f}]"
    right = here[rounds_to(second.thousandths[here], p2).all(axis=1)]
    if not len(right):
        there = ", ".join(f"[{x:.6f}, {y:.6f}]" for x, y in second.thousandths[here])
        return f"p2: {p2} but what is at p1 {p1} is at {there} in Image-2"
    return right


# ---- pictures ------------------------------------------------------------------------------------


def _check_colours(texts: object) -> list[str]:
    """mark_colors: five colours, of the dot of Image-1 and of A to D, far apart."""
    colours = [parse_colour(text) for text in texts] if isinstance(texts, list) else []
    if len(colours) != 1 + len(LETTERS) or any(colour is None for colour in colours):
        return [f"mark_colors: {texts!r} is not a list of 5 #rrggbb"]
    complaints = []
    for i in range(len(colours)):
        for j in range(i):
            found = difference(colours[i], colours[j])
            if found < MIN_COLOUR_DIFFERENCE:
                complaints.append(
                    f"mark_colors: {texts[j]} and {texts[i]} differ by {found}, "
                    f"expected {MIN_COLOUR_DIFFERENCE} or more"
                )
    return complaints


def _marks(
    record: dict, scene: PosedScene, both: tuple[SeenVertices, SeenVertices], rows: np.ndarray
) -> tuple[list[Mark], list[Mark]]:
    """What Image-1 and Image-2 should show."""
    colours = [parse_colour(text) for text in record["mark_colors"]]
    size = np.array(scene.colour_size, dtype=np.float64)
    exact, to_a_thousandth = np.zeros(2), size / 2000.0
    dot = Mark("the dot", colours[0], both[0].pixels[rows], exact, lettered=False)
    options = []
    for letter, colour in zip(LETTERS, colours[1:], strict=True):
        option = record["options"][letter]
        if option == record["p2"]:
            centres, slack = both[1].pixels[rows], exact
        else:
            centres, slack = np.array([option]) * size / 1000.0, to_a_thousandth
        options.append(Mark(f"option {letter}", colour, centres, slack, lettered=True))
    return [dot], options


def _check_places(
    names: list[str], places: list[np.ndarray], image_size: tuple[int, int]
) -> list[str]:
    """Centres (2,) u, v are clear of the border and of one another."""
    complaints = []
    last = np.array(image_size) - 1
    least = 2 * (mark_radius(image_size[0]) + GAP)
    for i, (name, place) in enumerate(zip(names, places, strict=True)):
        border = float(np.minimum(place, last - place).min())
        if border < BORDER - PLACE_ERROR:
            complaints.append(f"{name}: {border:.2f} px from the border, expected {BORDER:g}")
        for j in range(i):
            apart = float(np.hypot(*(place - places[j])))
            if apart < least - PLACE_ERROR:
                complaints.append(
                    f"{name}: {apart:.2f} px from {names[j]}, expected {least:g} or more"
                )
    return complaints


# ---- one file ------------------------------------------------------------------------------------


def correspondence_rules(
    path: str | Path, split: str, rule: SurfaceRule | None, images: Path | None = None
) -> TaskRules:
    """What is asked of a correspondence file.

    images: the folder that image paths of the multiple choice are relative to, by default `images`
    beside the file.
    """
    folder = images or Path(path).parent / "images"

    def asked(record: dict) -> tuple[str, frozenset] | str:
        if known_type(record, TASK_OF) is None:
            return f"question_type: {record.get('question_type')!r} is unknown"
        shown = shown_pair(record)
        return shown if isinstance(shown, str) else (shown[0], frozenset(shown[1:]))

    def check(record: dict, scene: PosedScene) -> list[str]:
        return check_correspondence_record(record, scene, split, folder, rule)

    return TaskRules(asked, "image: the pair of line {} again", check)
