"""What all questions about three to eight frames share: frames, choices, numbers, overlaps.

Cost: the visibility of each frame the first time a scene needs it, then the overlap of each pair.

How docs/spec.md was read where it leaves a choice, by section:
- 13.2 `frames` holds the ids that the image paths name, in their order.
- 13.2 `question_type` is the type (path_length) or the task: the section names none.
- 13.1 overlap is that of section 5 with its ties: a condition holds where some way to break the
  ties lets it hold. "Do not overlap" is an overlap of exactly 0.
- 13.3 images of records with dots may have any name <scene>/<frame>.jpg or <frame>_<name>.jpg.
  Those without a dot are the stored image of their frame.
- 13.3 `choices` is an object {letter: text}, its letters in order from A on. The question lists
  them as lines of its text one after the other, somewhere behind its first line of words; no
  other line of it looks like a choice.
- 13.3 one dot, section 6: no letter is demanded beside it, and none is looked for.
- 13.3 how records are balanced, and that an order is random, is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from string import ascii_uppercase
from typing import Any, NamedTuple

import numpy as np

from spatial_engine.audit.oracles.frames.constants import (
    ANY_ORDER,
    FRAME_MARKED,
    LEAST_FRAMES,
    MOST_FRAMES,
    NOT_JOINED,
    ROUNDING,
    limit,
    task_of,
)
from spatial_engine.audit.oracles.overlap import OverlapBounds
from spatial_engine.audit.oracles.overlap import overlap as overlap_of
from spatial_engine.audit.raw.ids import FRAME_PATTERN, frame_of
from spatial_engine.audit.raw.kept import kept
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.fields import (
    ROUNDING_TIE,
    acceptable_integers,
    check_fields,
    check_split,
)
from spatial_engine.audit.records.images import (
    SCENE_PATTERN,
    check_frame,
    check_images,
    posed_image,
)
from spatial_engine.audit.records.texts import check_texts

MAX_NUMBER = 10**9  # no number of a record is larger


class Shown(NamedTuple):
    """A scene or clip, and the ids of its frames in the order of the images."""

    place: str
    frames: tuple[str, ...]


# ---- one record of a scene -----------------------------------------------------------------------


def check_scene_record(
    record: dict,
    scene: PosedScene,
    split: str,
    constants: dict[str, Any],
    check_question: Callable[[str], list[str]],
    check_truth: Callable[[tuple[str, ...]], list[str]],
) -> list[str]:
    """Complaints about a record of known task about frames of a scene.

    constants: those that the file was made with, by name. check_question: complaints about the
    words of the question; check_truth: about all that only the raw data can tell, given the frames,
    which are usable and of this scene.
    """
    check_split(split)
    if not isinstance(record, dict):
        return ["the record is not a JSON object"]
    complaints = check_fields(record, split, task_of(record["task"]))
    shown = shown_frames(record)
    if isinstance(shown, str):
        return [*complaints, shown]
    images = len(shown.frames)
    complaints += check_texts(
        record, split, images, lambda text: _words(text, record, check_question)
    )
    if shown.place != scene.scene_id:
        return [*complaints, f"image: of scene {shown.place}, checked against {scene.scene_id}"]
    wrong = [complaint for frame in shown.frames if (complaint := check_frame(scene, frame))]
    if wrong:
        return complaints + wrong
    complaints += check_order(record, shown) + check_images(record, scene)
    try:
        complaints += check_set(scene, record["task"], shown.frames, constants)
        complaints += check_truth(shown.frames)
    except RawDataError as err:
        complaints.append(f"raw data: {err}")
    return complaints


def _words(text: str, record: dict, check_question: Callable[[str], list[str]]) -> list[str]:
    return check_listed(text, record.get("choices")) + check_question(text)


# ---- frames --------------------------------------------------------------------------------------


def shown_frames(record: dict) -> Shown | str:
    """What the images of a record of known task show by their names, or a complaint."""
    images = record.get("image")
    if not isinstance(images, list) or not LEAST_FRAMES <= len(images) <= MOST_FRAMES:
        return f"image: {str(images)[:200]} is not a list of {LEAST_FRAMES} to {MOST_FRAMES} paths"
    read = _image_with_dots if record["task"] in FRAME_MARKED else posed_image
    found = [read(path) for path in images]
    for one in found:
        if isinstance(one, str):
            return one
    places, frames = sorted({place for place, _ in found}), tuple(frame for _, frame in found)
    if len(places) > 1:
        return f"image: several scenes or clips, {places}"
    if len(set(frames)) < len(frames):
        return f"image: {list(frames)} holds a frame twice"
    return Shown(places[0], frames)


def _image_with_dots(path: object) -> tuple[str, str] | str:
    """(scene id, frame id) of an image of a record with dots, or a complaint."""
    pattern = f"({SCENE_PATTERN})/({FRAME_PATTERN})(_[A-Za-z0-9_-]+)?[.]jpg"
    match = isinstance(path, str) and re.fullmatch(pattern, path)
    if not match:
        return f"image: {path!r} is not <scene>/<frame>.jpg or <scene>/<frame>_<name>.jpg"
    return match[1], frame_of(match[2])


def check_order(record: dict, shown: Shown) -> list[str]:
    """`frames` is what the images show, in the order of time where 13.3 says so."""
    complaints, frames = [], list(shown.frames)
    if record.get("frames") != frames:
        complaints.append(f"frames: {record.get('frames')!r}, the images show {frames}")
    in_time = frames[1:-1] if record["task"] == "depth_hidden_depth" else frames
    if record["task"] not in ANY_ORDER and in_time != sorted(in_time, key=int):
        complaints.append(f"image: the frames {in_time} are not in the order of time")
    return complaints


# ---- overlap -------------------------------------------------------------------------------------


@kept
def _overlap(scene: PosedScene, one: str, two: str) -> OverlapBounds:
    return overlap_of(scene, one, two)


def overlap(scene: PosedScene, one: str, two: str) -> OverlapBounds:
    """Overlap of two frames in percent, in any order, and what the ties of section 4 allow."""
    return _overlap(scene, *sorted((one, two), key=int))


def linked(scene: PosedScene, one: str, two: str, constants: dict[str, Any]) -> bool:
    """Whether two frames may be linked."""
    return overlap(scene, one, two).high >= limit(constants, "MIN_LINK") - ROUNDING


def surely_linked(scene: PosedScene, one: str, two: str, constants: dict[str, Any]) -> bool:
    """Whether two frames are linked however ties are broken."""
    return overlap(scene, one, two).low >= limit(constants, "MIN_LINK") + ROUNDING


def separate(scene: PosedScene, one: str, two: str) -> bool:
    """Whether the overlap of two frames may be 0."""
    return overlap(scene, one, two).low == 0


def joined(scene: PosedScene, frames: Sequence[str], constants: dict[str, Any]) -> bool:
    """Whether the graph of the linked pairs of frames may be connected."""
    reached, waiting = {frames[0]}, [frames[0]]
    while waiting:
        one = waiting.pop()
        for two in frames:
            if two not in reached and linked(scene, one, two, constants):
                reached.add(two)
                waiting.append(two)
    return len(reached) == len(frames)


def chain_in_order(scene: PosedScene, frames: Sequence[str], constants: dict[str, Any]) -> bool:
    """Whether each frame and the next may be linked."""
    return all(linked(scene, one, two, constants) for one, two in pairwise(frames))


def check_set(
    scene: PosedScene, task: str, frames: Sequence[str], constants: dict[str, Any]
) -> list[str]:
    """The frames are joined, but for some tasks, and no two of them are nearly the same."""
    complaints = []
    if task not in NOT_JOINED and not joined(scene, frames, constants):
        complaints.append(f"image: the frames {list(frames)} are not joined")
    most = limit(constants, "MAX_LIKE")
    for one, two in combinations(frames, 2):
        shared = overlap(scene, one, two)
        if shared.low > most + ROUNDING:
            complaints.append(
                f"image: {one} and {two} overlap by {shared.value:.6f} percent, "
                f"MAX_LIKE is {most:g}"
            )
    return complaints


def check_chain(scene: PosedScene, frames: Sequence[str], constants: dict[str, Any]) -> list[str]:
    """Complaint about frames that are no chain in order."""
    if chain_in_order(scene, frames, constants):
        return []
    return [f"image: the frames {list(frames)} are no chain in order"]


def check_separate(scene: PosedScene, one: str, two: str) -> list[str]:
    """Complaint about two frames that overlap."""
    if separate(scene, one, two):
        return []
    found = overlap(scene, one, two).value
    return [f"image: {one} and {two} overlap by {found:.6f} percent, expected 0"]


# ---- choices -------------------------------------------------------------------------------------


def image_texts(count: int, first: int = 1) -> list[str]:
    """The names of images in a question, from the first on."""
    return [f"Image-{k}" for k in range(first, count + 1)]


def check_choices(record: dict, texts: Sequence[str], in_order: bool = True) -> list[str]:
    """`choices` holds the texts, from A on, in this order or in any."""
    choices = record.get("choices")
    if not is_choices(choices):
        return [f"choices: {str(choices)[:200]} is not {{letter: text}} from A on"]
    found = list(choices.values())
    if found == list(texts) or (not in_order and sorted(found) == sorted(texts)):
        return []
    return [f"choices: {found}, expected {list(texts)}{'' if in_order else ' in some order'}"]


def is_choices(value: object) -> bool:
    """Whether it is {letter: text}, the letters from A on in order, the texts different."""
    if not isinstance(value, dict) or not value:
        return False
    texts = list(value.values())
    if not all(isinstance(text, str) and text for text in texts) or len(set(texts)) < len(texts):
        return False
    return "".join(value) == ascii_uppercase[: len(value)]


def check_listed(text: str, choices: object) -> list[str]:
    """The question lists its choices, a line each, behind its words; no other line is like one."""
    lines = text.splitlines()
    places = [k for k, line in enumerate(lines) if re.match("[A-Z][.)] ", line)]
    wanted = (
        [f"{letter}. {said}" for letter, said in choices.items()] if is_choices(choices) else []
    )
    if [lines[k] for k in places] != wanted:
        return [f"the choices are listed as {[lines[k] for k in places]}, expected {wanted}"]
    if not places:
        return []
    if places != list(range(places[0], places[0] + len(places))):
        return ["the choices do not stand one after the other"]
    before = [line for line in lines[: places[0]] if line.strip() and "<image>" not in line]
    return [] if before else ["no question stands before the choices"]


def check_letters(record: dict, letters: Iterable[str]) -> list[str]:
    """gt_value is one of the letters, or groups of letters ("A, C"), that may be right."""
    right = sorted(letters)
    if record.get("gt_value") in right:
        return []
    return [f"gt_value: {record.get('gt_value')!r}, the raw data say {' or '.join(right)}"]


# ---- numbers -------------------------------------------------------------------------------------


def check_answer(record: dict, exact: float, unit: str, tie: float = ROUNDING_TIE) -> list[str]:
    """gt_value is the nearest int of an exact value."""
    found = record.get("gt_value")
    if type(found) is not int:
        return [f"gt_value: {str(found)[:80]!r} is not an int of {unit}"]
    near = {*acceptable_integers(exact - tie), *acceptable_integers(exact + tie)}
    if found in near:
        return []
    return [f"gt_value: {found}, the raw data say {exact:.6f} {unit}"]


def check_numbers(
    record: dict, field: str, exact: np.ndarray, tie: float = ROUNDING_TIE
) -> list[str]:
    """A field holds (nested lists of) int, the nearest ones of exact values of the same shape."""
    found = record.get(field)
    if not _is_ints(found, exact.shape):
        return [f"{field}: {str(found)[:200]} does not hold {exact.shape} int"]
    differences = np.abs(np.array(found, dtype=np.float64) - exact)
    if (differences <= 0.5 + tie).all():
        return []
    said = np.array2string(exact, precision=4, suppress_small=True, separator=", ")
    return [f"{field}: {found}, the raw data say {said}".replace("\n", "")]


def _is_ints(value: object, shape: tuple[int, ...]) -> bool:
    if not shape:
        return type(value) is int and abs(value) <= MAX_NUMBER
    if not isinstance(value, list) or len(value) != shape[0]:
        return False
    return all(_is_ints(inner, shape[1:]) for inner in value)


def is_id(value: object, count: int) -> bool:
    """Whether it is the number of one of so many vertices, points or objects."""
    return type(value) is int and 0 <= value < count


def pictures_beside(path: str | Path, images: Path | None) -> Path:
    """The folder that images of a file of records with dots are relative to."""
    return images or Path(path).parent / "images"
