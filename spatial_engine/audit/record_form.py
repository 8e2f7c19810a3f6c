"""What the questions of all tasks share, whatever they ask: the form of records and of files.

Reads: jsonl files line by line and `data/scannet/meta_data/scannetv2_{split}.txt`. Writes nothing;
every check returns complaints, each one line saying what is wrong, expected and found. Shares no
code with the engine. One scene is in memory at a time, and of the lines only their ids and places.

How docs/spec.md was read where it leaves a choice, by section:
- 10 the nearest integer: an exact half, or what is within ROUNDING_TIE of one, may go either way.
- 10 the answer stands in backticks, once: the reply holds two backticks and between them exactly
  the answer; a question may hold backticks (the form of answer wanted, the choices offered), and
  may explain itself by a corner of the image or by "0 if it did not move": CONVENTIONS are no leak.
- 10 and the question says so: a question about coordinates names the origin (top or upper, left)
  and the scale (1000) in some words.
- 10 coordinates of a point with 0 <= u < W are 0 to 1000, both included.
- 5 the overlap of a pair is within 6 to 35, and within 0.01 of a value that the ties of section 4
  allow; it may be 0 where zero-overlap pairs can be asked for, and is then exactly 0.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import NamedTuple

from spatial_engine.audit.scannet_oracle import (
    FRAME_PATTERN,
    FRAME_STEP,
    RawDataError,
    RawScene,
    frame_of,
    overlap,
    read_split_list,
)

SPLITS = ("train", "val")
FORBIDDEN_FIELDS = ("length", "label", "objects", "solution")  # trainers give these a meaning
ROUNDING_TIE = 1e-6  # of a unit (mm, degree, 1/1000) from a half: either neighbour is right
OVERLAP_TOLERANCE = 0.01  # percent
MIN_OVERLAP, MAX_OVERLAP = 6, 35  # percent, both included
SCENE_PATTERN = "[A-Za-z0-9_-]+"
MAX_LEVELS = 32  # of lists and objects within each other
# Values by which questions explain their units; that the answer is one of them gives nothing away.
CONVENTIONS = (0, [0, 0, 0], [0, 0], [1000, 0], [0, 1000], [1000, 1000])


# ---- values and how they are written -------------------------------------------------------------


def check_split(split: str) -> None:
    """Raise ValueError for an unknown split."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r}, expected one of {SPLITS}")


def acceptable_integers(value: float) -> set[int]:
    """The nearest integer; both neighbours within ROUNDING_TIE of a half."""
    below = math.floor(value)
    fraction = value - below
    if abs(fraction - 0.5) <= ROUNDING_TIE:
        return {below, below + 1}
    return {below} if fraction < 0.5 else {below + 1}


def answer_text(value: object) -> str:
    """An answer as written between backticks (SPEC 10)."""
    if isinstance(value, list):
        return "[ " + " , ".join(str(x) for x in value) + " ]"
    return str(value)


def backticked(text: str) -> list[str]:
    """The texts between backticks, in order; a run of backticks counts as one mark."""
    return re.findall(r"`+([^`]*)`+", text)


def is_coordinate(value: object) -> bool:
    """Whether it is [x, y], two int from 0 to 1000."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(x) is int and 0 <= x <= 1000 for x in value)
    )


# ---- fields and texts ----------------------------------------------------------------------------


def check_fields(record: dict, split: str, task_of: dict[str, str]) -> list[str]:
    """Names and types of the fields every record has. task_of: {question type: its task}."""
    complaints = []
    if not isinstance(record.get("id"), str) or not record["id"]:
        complaints.append(f"id: {record.get('id')!r} is not a non-empty string")
    question_type = known_type(record, task_of)
    if question_type is None:
        complaints.append(f"question_type: {record.get('question_type')!r} is unknown")
    elif record.get("task") != task_of[question_type]:
        complaints.append(f"task: {record.get('task')!r}, expected {task_of[question_type]!r}")
    for field in FORBIDDEN_FIELDS:
        if field in record:
            complaints.append(f"{field}: a field of this name means something to trainers")
    if split == "val" and "conversations" in record:
        complaints.append("conversations: must not be in an evaluation record")
    return complaints


def known_type(record: dict, known: Iterable[str]) -> str | None:
    """The record's question type, None where it is none of `known` (it may be any JSON value)."""
    found = record.get("question_type")
    return found if isinstance(found, str) and found in known else None


def check_texts(
    record: dict, split: str, images: int, check_question: Callable[[str], list[str]]
) -> list[str]:
    """The question, and in train the answer, as a model would see them.

    images: how many images are shown. check_question: complaints about the words of the question.
    """

    def question_complaints(where: str, text: str) -> list[str]:
        found = check_opening(text, images) + check_question(text)
        return [f"{where}: {complaint}" for complaint in found]

    if split == "val":
        if not isinstance(record.get("text"), str):
            return [f"text: {record.get('text')!r} is not a string"]
        return question_complaints("text", record["text"])

    turns = record.get("conversations")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        return [f"conversations: {turns!r} is not a list of turns"]
    roles = [turn.get("from") for turn in turns]
    if roles != ["human", "gpt"]:
        return [f"conversations: roles {roles}, expected ['human', 'gpt']"]
    question, answer = (turn.get("value") for turn in turns)
    if not isinstance(question, str) or not isinstance(answer, str):
        return ["conversations: a value is not a string"]
    complaints = question_complaints("human", question)
    expected, spans = answer_text(record.get("gt_value")), backticked(answer)
    if answer.count("`") != 2 or spans != [expected]:
        complaints.append(f"gpt: {spans} in backticks, expected once {expected!r}: {answer!r}")
    if "<image>" in answer:
        complaints.append("gpt: holds <image>")
    return complaints


def check_opening(text: str, images: int) -> list[str]:
    """The images come first, as SPEC 10 writes them, and a question follows."""
    complaints = []
    marks = text.count("<image>")
    if marks != images:
        complaints.append(f"{marks} <image> marks for {images} images")
    prefix = "".join(f"Image-{k}: <image>\n" for k in range(1, images + 1))
    if images == 1:
        prefix = "<image>\n"
    if not text.startswith(prefix):
        complaints.append(f"does not open with {prefix!r}")
    elif not text[len(prefix) :].strip():
        complaints.append("no question after the images")
    return complaints


def check_leak(text: str, answer: object, choices: Iterable[object]) -> list[str]:
    """The answer in backticks gives it away, unless another of the choices is there too."""
    spans = [span.strip() for span in backticked(text)]
    others = [answer_text(choice) for choice in choices if choice != answer]
    if answer_text(answer) in spans and not any(other in spans for other in others):
        return _leak(answer)
    return []


def check_secret(text: str, values: object) -> list[str]:
    """A list of numbers that is, or gives away, the answer does not occur in the text."""
    return _leak(values) if answer_text(values) in text else []


def _leak(answer: object) -> list[str]:
    if answer in CONVENTIONS:
        return []
    return [f"the answer {answer_text(answer)!r} stands in the question"]


def check_coordinate_words(text: str, points: list[list[int]]) -> list[str]:
    """A question about coordinates names `points` [x, y] in this order, the origin, the scale."""
    complaints, start = [], 0
    for point in points:
        found = text.find(answer_text(point), start)
        if found < 0:
            where = f" after {text[:start][-30:]!r}" if start else ""
            complaints.append(f"the point {answer_text(point)!r} is not named{where}")
        start = max(start, found + 1)
    words = re.findall(r"[a-z]+|1[ ,]?000", text.lower())
    if "left" not in words or not {"top", "upper"} & set(words):
        complaints.append("does not say that coordinates start at the top left")
    if not {"1000", "1,000", "1 000", "thousand"} & set(words):
        complaints.append("does not say that coordinates go to 1000")
    return complaints


# ---- images --------------------------------------------------------------------------------------


def posed_image(path: object) -> tuple[str, str] | str:
    """(scene id, frame id) of an image of posed_images, or a complaint."""
    match = isinstance(path, str) and re.fullmatch(
        f"({SCENE_PATTERN})/({FRAME_PATTERN})[.]jpg", path
    )
    if not match:
        return f"image: {path!r} is not <scene>/<frame>.jpg"
    return match[1], frame_of(match[2])


def marked_image(path: object) -> tuple[str, str] | str:
    """(scene id, id of the frame shown) of an image with marks, or a complaint."""
    pattern = f"({SCENE_PATTERN})/({FRAME_PATTERN})_[A-Za-z0-9_-]+[.]jpg"
    match = isinstance(path, str) and re.fullmatch(pattern, path)
    if not match:
        return f"image: {path!r} is not <scene>/<frame>_<name>.jpg"
    return match[1], frame_of(match[2])


def check_list_of_images(images: object, count: int) -> list[str]:
    """A record's `image` is a list of as many paths as its task shows."""
    if isinstance(images, list) and len(images) == count:
        return []
    wanted = {1: "one path", 2: "two paths"}[count]
    return [f"image: {images!r} is not a list of {wanted}"]


def image_pair(record: dict, read: Callable[[object], tuple[str, str] | str]) -> tuple | str:
    """(scene id, frame id of Image-1, of Image-2), or a complaint. read: of one path."""
    wrong = check_list_of_images(record.get("image"), 2)
    if wrong:
        return wrong[0]
    found = [read(path) for path in record["image"]]
    for one in found:
        if isinstance(one, str):
            return one
    (scene1, id1), (scene2, id2) = found
    if scene1 != scene2:
        return f"image: two scenes, {scene1} and {scene2}"
    if id1 == id2:
        return f"image: frame {id1} twice"
    return scene1, id1, id2


def check_frame(scene: RawScene, frame_id: str) -> str:
    """Complaint about a frame that no question may be about, or ""."""
    if int(frame_id) % FRAME_STEP:
        return f"image: frame {frame_id} is not a multiple of {FRAME_STEP}"
    if frame_id not in scene.frame_ids():
        return f"image: scene {scene.scene_id} has no frame {frame_id}"
    if not scene.is_valid(frame_id):
        return f"image: frame {frame_id} has no valid pose"
    return ""


def check_sizes(record: dict, scene: RawScene, images: int) -> list[str]:
    """height_list and width_list: the size of the scene's colour frames, once for each image."""
    width, height = scene.colour_size
    complaints = []
    for field, size in (("height_list", [height] * images), ("width_list", [width] * images)):
        if record.get(field) != size:
            complaints.append(f"{field}: {record.get(field)!r}, the .sens says {size}")
    return complaints


def check_overlap(
    record: dict, scene: RawScene, id1: str, id2: str, may_be_zero: bool
) -> list[str]:
    """The recorded `overlap` in percent. may_be_zero: whether zero-overlap pairs can be asked."""
    recorded = record.get("overlap")
    if type(recorded) not in (int, float) or not 0 <= recorded <= 100:
        return [f"overlap: {recorded!r} is not a number of percent"]
    complaints = []
    zero = may_be_zero and recorded == 0
    if not zero and not MIN_OVERLAP <= recorded <= MAX_OVERLAP:
        complaints.append(f"overlap: {recorded} is not within {MIN_OVERLAP} to {MAX_OVERLAP}")
    truth = overlap(scene, id1, id2)
    # A pair recorded as zero shares nothing; there the tolerance would hide a shared point.
    tolerance = 0 if recorded == 0 else OVERLAP_TOLERANCE
    if not truth.low - tolerance <= recorded <= truth.high + tolerance:
        complaints.append(
            f"overlap: {recorded} but the raw data say {truth.value:.6f} "
            f"(ties allow {truth.low:.6f} to {truth.high:.6f})"
        )
    return complaints


# ---- one file ------------------------------------------------------------------------------------


class FileRules(NamedTuple):
    """What a task asks of its files, besides what all tasks ask.

    asked: a record's (scene id, what must not be asked twice), or a complaint.
    again: the complaint about asking it twice; {} is the line that asked first.
    check: complaints about one record, given its raw scene.
    question_type: the one that the file's name promises, None where it promises none.
    """

    asked: Callable[[dict], tuple[str, Hashable] | str]
    again: str
    check: Callable[[dict, RawScene], list[str]]
    question_type: str | None = None


def check_file(path: str | Path, root: str | Path, split: str, rules: FileRules) -> list[str]:
    """Complaints about a whole jsonl file, "line N: ..." in order; empty = sound.

    Besides each record: ids unique, nothing asked twice, one question type, every scene in the
    split's list and readable, at least one record. Two passes: the first notes where each scene's
    lines are, the second checks scene by scene, so that one raw scene at a time is open whatever
    the order of the lines.
    """
    check_split(split)
    split_scenes = set(read_split_list(root, split))
    with open(path, "rb") as f:
        complaints, lines_of_scene = _first_pass(f, split, split_scenes, rules)
        for scene_id in sorted(lines_of_scene):
            try:
                scene = RawScene(root, scene_id)
            except RawDataError as err:
                lines = lines_of_scene[scene_id]
                text = f"raw data: {len(lines)} lines of scene {scene_id} not checked: {err}"
                complaints.append((lines[0][0], text))
                continue
            for number, start in lines_of_scene[scene_id]:
                f.seek(start)
                found = rules.check(parse_line(f.readline()), scene)
                complaints += [(number, complaint) for complaint in found]
    complaints.sort(key=lambda item: item[0])
    return [f"line {number}: {text}" if number else f"file: {text}" for number, text in complaints]


def _first_pass(f: Iterable[bytes], split: str, split_scenes: set[str], rules: FileRules) -> tuple:
    """Complaints [(line number, text)] and {scene id: [(line number, first byte)]}."""
    complaints: list[tuple[int, str]] = []
    lines_of_scene: dict[str, list[tuple[int, int]]] = {}
    ids: dict[str, int] = {}
    asked: dict[tuple[str, Hashable], int] = {}
    question_types: set[str] = set()
    offset = number = 0
    for number, line in enumerate(f, start=1):
        start, offset = offset, offset + len(line)
        record = parse_line(line)
        if isinstance(record, str):
            complaints.append((number, record))
            continue
        if isinstance(record.get("id"), str):
            first = ids.setdefault(record["id"], number)
            if first != number:
                complaints.append((number, f"id: {record['id']!r} is that of line {first} too"))
        question_types.add(str(record.get("question_type")))
        question = rules.asked(record)
        if isinstance(question, str):
            complaints.append((number, question))
            continue
        first = asked.setdefault(question, number)
        if first != number:
            complaints.append((number, rules.again.format(first)))
        scene_id = question[0]
        if scene_id not in split_scenes:
            complaints.append((number, f"image: scene {scene_id} is not in split {split}"))
        lines_of_scene.setdefault(scene_id, []).append((number, start))
    if number == 0:
        complaints.append((0, "no records"))
    if len(question_types) > 1:
        complaints.append((0, f"several question types: {sorted(question_types)}"))
    elif rules.question_type and question_types - {rules.question_type}:
        found, named = question_types.pop(), rules.question_type
        complaints.append((0, f"question type {found!r}, its name says {named!r}"))
    return complaints, lines_of_scene


def parse_line(line: bytes) -> dict | str:
    """A line's record, or a complaint. NaN and Infinity are not JSON.

    What is nested more deeply than any record is refused: it could be parsed and not be written.
    """

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        record = json.loads(line.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as err:
        return f"not JSON: {err}"
    if _levels(record) > MAX_LEVELS:
        return f"line: over {MAX_LEVELS} levels of lists and objects"
    return record if isinstance(record, dict) else "the record is not a JSON object"


def _levels(value: object) -> int:
    """How many lists and objects stand within each other; counted to one more than is allowed."""
    here, levels = [value], 0
    while levels <= MAX_LEVELS:
        here = [item for item in here if isinstance(item, (list, dict))]
        if not here:
            break
        levels += 1
        here = [
            inner for item in here for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return levels
