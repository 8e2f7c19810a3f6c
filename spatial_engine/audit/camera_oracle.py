"""Checks camera-movement questions against the raw scans, record by record.

Reads: a jsonl file of one camera question type, the raw scans of its scenes (scannet_oracle) and
`data/scannet/meta_data/scannetv2_{split}.txt`. Writes nothing; returns complaints. Shares no code
with the engine. Cost: the visibility of a frame (one pass over the mesh) the first time a scene
needs it, kept while that scene is checked; one scene is in memory at a time.

How SPEC was read where it leaves a choice:
- 5 `E12 = E1^-1 E2` takes a true inverse. `total_distance` is ‖d‖ with d = E12[:3, 3]; the
  `distance` of the frame relations, ‖t2 - t1‖, is the same length but for poses that are not quite
  orthonormal (float32, six-digit alignment: micrometres). The rounding of either is accepted.
- 5 yaw and pitch of a question are angle of Image-2 minus angle of Image-1, after the swap.
- 5 a direction is not judged within 1e-9 (mm or degrees) of no motion, nor, for yaw, within 1e-9
  of half a turn (both ways round are equal), nor is any yaw when a camera looks straight up or
  down (no heading). An exact half turn counts as +180: left.
- 10 "the nearest integer": an exact half may go either way.
- 10 what may stand in the question: a backticked word is not a leak where the opposite word is
  offered in backticks too.
- 5 the overlap of a zero-overlap pair is 0 and can be so; of any other pair, the recorded value is
  within 6 to 35 and within 0.01 of a value that the ties of section 4 allow.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np

from spatial_engine.audit.scannet_oracle import (
    FRAME_STEP,
    RawDataError,
    RawScene,
    overlap,
    read_split_list,
)

SPLITS = ("train", "val")
# Per direction question: the word for a positive and for a negative value (SPEC 5).
WORDS = {
    "x_movement": ("right", "left"),
    "y_movement": ("down", "up"),
    "z_movement": ("forward", "backward"),
    "yaw_movement": ("left", "right"),
    "pitch_movement": ("up", "down"),
}
QUESTION_TYPES = (*WORDS, "yaw_angle", "pitch_angle", "total_distance", "displacement_vector")
FORBIDDEN_FIELDS = ("length", "label", "objects", "solution")  # trainers give these a meaning

NO_MOTION = 1e-9  # mm or degrees: below it the sign of a float64 result is noise
ROUNDING_TIE = 1e-6  # mm or degrees from a half: either neighbour is right
OVERLAP_TOLERANCE = 0.01  # percent
MIN_OVERLAP, MAX_OVERLAP = 6, 35  # percent, both included


def camera_truth(scene: RawScene, id1: str, id2: str) -> dict:
    """The nine values of SPEC 5 for Image-1 = id1, Image-2 = id2.

    Returns the nine question types:
        x_movement, y_movement, z_movement, yaw_movement, pitch_movement: the word, or None where
            the motion is exactly zero;
        yaw_angle, pitch_angle: float degrees, absolute, unrounded;
        total_distance: float mm; displacement_vector: (3,) float mm, right, down, forward in the
            axes of the first camera;
    and what they come from:
        E12: (4, 4) cam1_from_cam2, metres; yaw, pitch: float degrees in (-180, 180];
        centre_distance: ‖t2 - t1‖ mm; motion: {direction question: signed mm or degrees};
        yaw_defined: False where a camera looks straight up or down.
    """
    world_from_cam1, world_from_cam2 = scene.world_from_cam(id1), scene.world_from_cam(id2)
    scene.cam_from_world(id2)  # raises for an invalid or singular pose, as the next line does
    cam1_from_cam2 = scene.cam_from_world(id1) @ world_from_cam2
    displacement = 1000.0 * cam1_from_cam2[:3, 3]
    yaw1, pitch1 = heading(world_from_cam1)
    yaw2, pitch2 = heading(world_from_cam2)
    yaw, pitch = wrap_degrees(yaw2 - yaw1), wrap_degrees(pitch2 - pitch1)
    motion = {
        "x_movement": float(displacement[0]),
        "y_movement": float(displacement[1]),
        "z_movement": float(displacement[2]),
        "yaw_movement": yaw,
        "pitch_movement": pitch,
    }
    truth: dict = {name: _word(name, value) for name, value in motion.items()}
    truth["yaw_angle"] = abs(yaw)
    truth["pitch_angle"] = abs(pitch)
    truth["total_distance"] = math.sqrt(sum(float(x) ** 2 for x in displacement))
    truth["displacement_vector"] = displacement
    truth["E12"] = cam1_from_cam2
    truth["yaw"] = yaw
    truth["pitch"] = pitch
    truth["motion"] = motion
    step = 1000.0 * (world_from_cam2[:3, 3] - world_from_cam1[:3, 3])
    truth["centre_distance"] = math.sqrt(sum(float(x) ** 2 for x in step))
    truth["yaw_defined"] = _has_heading(world_from_cam1) and _has_heading(world_from_cam2)
    return truth


def heading(world_from_cam: np.ndarray) -> tuple[float, float]:
    """Yaw and pitch in degrees of a (4, 4) aligned pose, by its forward axis (third column)."""
    forward_x, forward_y, forward_z = (float(x) for x in world_from_cam[:3, 2])
    norm = math.sqrt(forward_x**2 + forward_y**2 + forward_z**2)
    if norm == 0:
        raise RawDataError("a pose whose forward axis is zero")
    yaw = math.atan2(forward_y, forward_x)
    pitch = math.asin(max(-1.0, min(1.0, forward_z / norm)))  # rounding can pass 1 by an ulp
    return math.degrees(yaw), math.degrees(pitch)


def wrap_degrees(angle: float) -> float:
    """The same angle in (-180, 180]."""
    while angle <= -180.0:
        angle += 360.0
    while angle > 180.0:
        angle -= 360.0
    return angle


def _has_heading(world_from_cam: np.ndarray) -> bool:
    forward = world_from_cam[:3, 2]
    return math.hypot(forward[0], forward[1]) > 1e-9 * math.hypot(*forward)


def _word(question_type: str, value: float) -> str | None:
    positive, negative = WORDS[question_type]
    if value == 0:
        return None
    return positive if value > 0 else negative


# ---- what may be recorded ------------------------------------------------------------------------


def acceptable_integers(value: float) -> set[int]:
    """The nearest integer; both neighbours within ROUNDING_TIE of a half."""
    below = math.floor(value)
    fraction = value - below
    if abs(fraction - 0.5) <= ROUNDING_TIE:
        return {below, below + 1}
    return {below} if fraction < 0.5 else {below + 1}


def judge_value(question_type: str, recorded: object, truth: dict, may_be_null: bool) -> str:
    """Complaint about one recorded answer, "" when it is right.

    may_be_null: whether null may stand for no motion (in `answer_values`, never in `gt_value`).
    """
    if question_type in WORDS:
        return _judge_direction(question_type, recorded, truth, may_be_null)
    if question_type == "displacement_vector":
        vector = [float(x) for x in truth["displacement_vector"]]
        is_vector = isinstance(recorded, list) and len(recorded) == 3
        if not is_vector or not all(type(x) is int for x in recorded):
            return f"{recorded!r} is not a list of 3 int"
        if any(x not in acceptable_integers(t) for x, t in zip(recorded, vector, strict=True)):
            return f"{recorded} but the raw data say {[round(x, 4) for x in vector]} mm"
        return ""
    if type(recorded) is not int:
        return f"{recorded!r} is not an int"
    if question_type == "yaw_angle" and not truth["yaw_defined"]:
        return "" if 0 <= recorded <= 180 else f"{recorded} is outside 0 to 180"
    accepted = acceptable_integers(truth[question_type])
    if question_type == "total_distance":
        accepted |= acceptable_integers(truth["centre_distance"])
    if recorded not in accepted:
        return f"{recorded} but the raw data say {truth[question_type]:.6f}"
    return ""


def _judge_direction(question_type: str, recorded: object, truth: dict, may_be_null: bool) -> str:
    value = truth["motion"][question_type]
    undecided = abs(value) < NO_MOTION
    if question_type == "yaw_movement":
        undecided |= not truth["yaw_defined"]
    if recorded is None and may_be_null:
        return "" if undecided else f"null but the raw data say {value:.9f}"
    if not isinstance(recorded, str) or recorded not in WORDS[question_type]:
        return f"{recorded!r} is none of {WORDS[question_type]}"
    if question_type == "yaw_movement":
        undecided |= abs(abs(value) - 180.0) < NO_MOTION
    if not undecided and recorded != truth[question_type]:
        return f"{recorded!r} but the raw data say {truth[question_type]!r} ({value:.9f})"
    return ""


def answer_text(value: object) -> str:
    """How an answer stands between backticks (SPEC 10)."""
    if isinstance(value, list):
        return "[ " + " , ".join(str(x) for x in value) + " ]"
    return str(value)


# ---- one record ----------------------------------------------------------------------------------


def check_camera_record(record: dict, scene: RawScene, split: str) -> list[str]:
    """Complaints about one line of a camera-movement file; empty when everything is right.

    The scene must be the one that the record's images name. Train records carry `conversations`,
    val records `text`.
    """
    _check_split(split)
    if not isinstance(record, dict):
        return ["the record is not a JSON object"]
    complaints = _check_form(record, split)
    complaints += _check_texts(record, split)

    images = image_ids(record)
    if isinstance(images, str):
        return [*complaints, images]
    scene_id, id1, id2 = images
    if scene_id != scene.scene_id:
        return [*complaints, f"image: of scene {scene_id}, checked against {scene.scene_id}"]
    for frame_id in (id1, id2):
        complaint = _check_frame(scene, frame_id)
        if complaint:
            return [*complaints, complaint]
    complaints += _check_sizes(record, scene)
    try:
        truth = camera_truth(scene, id1, id2)
        complaints += _check_values(record, truth)
        complaints += _check_overlap(record, scene, id1, id2)
    except RawDataError as err:
        complaints.append(f"raw data: {err}")
    return complaints


def image_ids(record: dict) -> tuple[str, str, str] | str:
    """(scene id, frame id of Image-1, frame id of Image-2), or a complaint."""
    images = record.get("image")
    if not isinstance(images, list) or len(images) != 2:
        return f"image: {images!r} is not a list of two paths"
    found = []
    for path in images:
        match = isinstance(path, str) and re.fullmatch(r"([A-Za-z0-9_-]+)/([0-9]{5,})\.jpg", path)
        if not match:
            return f"image: {path!r} is not <scene>/<frame>.jpg"
        found.append(match.groups())
    (scene1, id1), (scene2, id2) = found
    if scene1 != scene2:
        return f"image: two scenes, {scene1} and {scene2}"
    if id1 == id2:
        return f"image: frame {id1} twice"
    return scene1, id1, id2


def _check_frame(scene: RawScene, frame_id: str) -> str:
    if int(frame_id) % FRAME_STEP:
        return f"image: frame {frame_id} is not a multiple of {FRAME_STEP}"
    if frame_id not in scene.frame_ids():
        return f"image: scene {scene.scene_id} has no frame {frame_id}"
    if not scene.is_valid(frame_id):
        return f"image: frame {frame_id} has no valid pose"
    return ""


def _check_form(record: dict, split: str) -> list[str]:
    """Fields, names and types; nothing that needs the raw data."""
    complaints = []
    if not isinstance(record.get("id"), str) or not record["id"]:
        complaints.append(f"id: {record.get('id')!r} is not a non-empty string")
    question_type = record.get("question_type")
    if question_type not in QUESTION_TYPES:
        complaints.append(f"question_type: {question_type!r} is unknown")
    elif record.get("task") != f"camera_{question_type}":
        complaints.append(f"task: {record.get('task')!r}, expected 'camera_{question_type}'")
    for field in FORBIDDEN_FIELDS:
        if field in record:
            complaints.append(f"{field}: a field of this name means something to trainers")
    if split == "val" and "conversations" in record:
        complaints.append("conversations: must not be in an evaluation record")
    return complaints


def _check_texts(record: dict, split: str) -> list[str]:
    """The question, and in train the answer, as a model would see them."""
    question_type, gt_value = record.get("question_type"), record.get("gt_value")
    if question_type not in QUESTION_TYPES:
        question_type = None  # already complained about; may be of any JSON type
    if split == "val":
        if not isinstance(record.get("text"), str):
            return [f"text: {record.get('text')!r} is not a string"]
        return _check_question("text", record["text"], question_type, gt_value)

    turns = record.get("conversations")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        return [f"conversations: {turns!r} is not a list of turns"]
    roles = [turn.get("from") for turn in turns]
    if roles != ["human", "gpt"]:
        return [f"conversations: roles {roles}, expected ['human', 'gpt']"]
    question, answer = (turn.get("value") for turn in turns)
    if not isinstance(question, str) or not isinstance(answer, str):
        return ["conversations: a value is not a string"]
    complaints = _check_question("human", question, question_type, gt_value)
    spans = backticked(answer)
    if answer.count("`") != 2 or spans != [answer_text(gt_value)]:
        complaints.append(
            f"gpt: {spans} in backticks, expected once {answer_text(gt_value)!r}: {answer!r}"
        )
    if "<image>" in answer:
        complaints.append("gpt: holds <image>")
    return complaints


def _check_question(where: str, text: str, question_type: object, gt_value: object) -> list[str]:
    complaints = []
    marks = text.count("<image>")
    if marks != 2:
        complaints.append(f"{where}: {marks} <image> marks for 2 images")
    prefix = "Image-1: <image>\nImage-2: <image>\n"
    if not text.startswith(prefix):
        complaints.append(f"{where}: does not open with {prefix!r}")
    elif not text[len(prefix) :].strip():
        complaints.append(f"{where}: no question after the images")
    if question_type == "displacement_vector":
        missing = [word for word in ("right", "down", "forward") if word not in text.lower()]
        if missing:
            complaints.append(f"{where}: the axes are not named, missing {missing}")
    if _leaks(text, question_type, gt_value):
        complaints.append(f"{where}: the answer {answer_text(gt_value)!r} stands in the question")
    return complaints


def _leaks(text: str, question_type: object, gt_value: object) -> bool:
    spans = [span.strip() for span in backticked(text)]
    if question_type in WORDS:
        # Both words offered as the two possible answers are the form of the answer, no leak.
        others = [word for word in WORDS[question_type] if word != gt_value]
        return gt_value in spans and not any(word in spans for word in others)
    if isinstance(gt_value, list) and answer_text(gt_value) in text:
        return True
    return answer_text(gt_value) in spans


def backticked(text: str) -> list[str]:
    """What stands between backticks, in order; a run of backticks counts as one mark."""
    return re.findall(r"`+([^`]*)`+", text)


def _check_sizes(record: dict, scene: RawScene) -> list[str]:
    width, height = scene.colour_size
    complaints = []
    for field, size in (("height_list", height), ("width_list", width)):
        if record.get(field) != [size, size]:
            complaints.append(f"{field}: {record.get(field)!r}, the .sens says {[size, size]}")
    return complaints


def _check_values(record: dict, truth: dict) -> list[str]:
    complaints = []
    question_type, gt_value = record.get("question_type"), record.get("gt_value")
    if question_type in QUESTION_TYPES:
        complaint = judge_value(question_type, gt_value, truth, may_be_null=False)
        if complaint:
            complaints.append(f"gt_value: {question_type} is {complaint}")
    answers = record.get("answer_values")
    if not isinstance(answers, dict) or set(answers) != set(QUESTION_TYPES):
        complaints.append(f"answer_values: {answers!r} does not hold exactly the nine values")
        return complaints
    for name in QUESTION_TYPES:
        complaint = judge_value(name, answers[name], truth, may_be_null=True)
        if complaint:
            complaints.append(f"answer_values: {name} is {complaint}")
    if question_type in QUESTION_TYPES and answers[question_type] != gt_value:
        complaints.append(f"answer_values: {answers[question_type]!r}, gt_value {gt_value!r}")
    return complaints


def _check_overlap(record: dict, scene: RawScene, id1: str, id2: str) -> list[str]:
    recorded = record.get("overlap")
    if type(recorded) not in (int, float) or not 0 <= recorded <= 100:
        return [f"overlap: {recorded!r} is not a number of percent"]
    complaints = []
    if recorded != 0 and not MIN_OVERLAP <= recorded <= MAX_OVERLAP:
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


def check_camera_file(path: str | Path, root: str | Path, split: str) -> list[str]:
    """Complaints about a whole camera-movement jsonl file, "line N: ..." in order; empty = sound.

    Besides each record: ids unique, no pair of images asked twice (in either order), one question
    type, every scene in the split's list and readable, at least one record. Two passes: the first
    notes where each scene's lines are, the second checks scene by scene, so that one raw scene at
    a time is open whatever the order of the lines.
    """
    _check_split(split)
    split_scenes = set(read_split_list(root, split))
    complaints: list[tuple[int, str]] = []
    lines_of_scene: dict[str, list[tuple[int, int]]] = {}
    ids: dict[str, int] = {}
    pairs: dict[tuple[str, frozenset], int] = {}
    question_types: set[str] = set()

    with open(path, "rb") as f:
        offset = 0
        number = 0
        for number, line in enumerate(f, start=1):
            start, offset = offset, offset + len(line)
            record = _parse(line)
            if isinstance(record, str):
                complaints.append((number, record))
                continue
            if isinstance(record.get("id"), str):
                first = ids.setdefault(record["id"], number)
                if first != number:
                    complaints.append((number, f"id: {record['id']!r} is that of line {first} too"))
            question_types.add(str(record.get("question_type")))
            images = image_ids(record)
            if isinstance(images, str):
                complaints.append((number, images))
                continue
            scene_id, id1, id2 = images
            first = pairs.setdefault((scene_id, frozenset((id1, id2))), number)
            if first != number:
                complaints.append((number, f"image: the pair of line {first} again"))
            if scene_id not in split_scenes:
                complaints.append((number, f"image: scene {scene_id} is not in split {split}"))
            lines_of_scene.setdefault(scene_id, []).append((number, start))
        if number == 0:
            complaints.append((0, "no records"))
        if len(question_types) > 1:
            complaints.append((0, f"several question types: {sorted(question_types)}"))

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
                record = _parse(f.readline())
                found = check_camera_record(record, scene, split)
                complaints += [(number, complaint) for complaint in found]
    complaints.sort(key=lambda item: item[0])
    return [f"line {number}: {text}" if number else f"file: {text}" for number, text in complaints]


def _parse(line: bytes) -> dict | str:
    """A line's record, or a complaint. NaN and Infinity are not JSON."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        record = json.loads(line.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as err:
        return f"not JSON: {err}"
    return record if isinstance(record, dict) else "the record is not a JSON object"


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"split {split!r}, expected one of {SPLITS}")
