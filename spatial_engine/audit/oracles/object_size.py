"""Checks questions about the height, length and width of objects, record by record.

How docs/spec.md was read where it leaves a choice, by section:
- 8.4 the question's last line holds raw_category, stripped, as whole words, and says mm or
  millimetres. `<max>` is a number, and the file holds no more records, or -1.
- 8.4 words of another dimension alone are a fault in that line; without its category, as of a "long
  table". A line without such words is left alone.
- 8.4 the last line of a question about a marked object says dot or marked.
- 8.4 which sets are drawn for val, and that train asks about all of them, is not judged here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from spatial_engine.audit.oracles.object_coverage import check_set
from spatial_engine.audit.oracles.object_views import (
    AS_PUBLISHED,
    DIMENSIONS,
    MAX_IMAGES,
    NOT_JUDGED_M,
    ObjectRules,
    check_dots,
    raw_objects,
    shown_beside,
    why_not,
)
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.fields import (
    acceptable_integers,
    check_fields,
    check_split,
    known_type,
)
from spatial_engine.audit.records.images import (
    check_frame,
    check_images,
    marked_image,
    posed_image,
)
from spatial_engine.audit.records.lines import TaskRules
from spatial_engine.audit.records.texts import check_leak, check_texts, check_unit

TASK_OF = {f"object_perception_{name}_estimation": f"object_{name}" for name in DIMENSIONS}
MARKED_TASK_OF = {question_type: f"{task}_marked" for question_type, task in TASK_OF.items()}
DIMENSION_WORDS = {
    "height": {"height", "high", "tall"},
    "length": {"length", "long"},
    "width": {"width", "wide", "broad"},
}


def check_object_record(
    record: dict,
    scene: PosedScene,
    split: str,
    rules: ObjectRules = AS_PUBLISHED,
    pictures: Path | None = None,
) -> list[str]:
    """Complaints about one line of a file of object questions; empty when everything is right.

    The scene must be the one that the record's images name. Train records carry `conversations`,
    val records `text`. pictures: the folder that image paths are relative to, where the object is
    marked by dots.
    """
    check_split(split)
    if not isinstance(record, dict):
        return ["the record is not a JSON object"]
    complaints = check_fields(record, split, MARKED_TASK_OF if pictures else TASK_OF)
    shown = shown_frames(record, marked_image if pictures else posed_image)
    if isinstance(shown, str):
        return [*complaints, shown]
    scene_id, frames = shown
    complaints += check_words(record, split, pictures is not None)
    if scene_id != scene.scene_id:
        return [*complaints, f"image: of scene {scene_id}, checked against {scene.scene_id}"]
    wrong = [complaint for frame in frames if (complaint := check_frame(scene, frame))]
    if wrong:
        return complaints + wrong
    complaints += check_images(record, scene)
    question_type = known_type(record, TASK_OF)
    if question_type is None:
        return complaints
    try:
        dimension = question_type.split("_")[2]
        return complaints + _check_truth(record, scene, frames, dimension, rules, pictures)
    except RawDataError as err:
        return [*complaints, f"raw data: {err}"]


def shown_frames(
    record: dict, read: Callable[[object], tuple[str, str] | str] = posed_image
) -> tuple[str, list[str]] | str:
    """(scene id, frame ids in the order shown), or a complaint. read: of one path."""
    images = record.get("image")
    if not isinstance(images, list) or not images:
        return f"image: {images!r} is not a list of one path or more"
    if len(images) > MAX_IMAGES:
        return f"image: {len(images)} images, at most {MAX_IMAGES} are considered"
    found = [read(path) for path in images]
    for one in found:
        if isinstance(one, str):
            return one
    scenes, frames = sorted({scene_id for scene_id, _ in found}), [frame for _, frame in found]
    if len(scenes) > 1:
        return f"image: several scenes, {scenes}"
    if len(set(frames)) < len(frames):
        return f"image: {frames} holds a frame twice"
    return scenes[0], frames


def check_words(record: dict, split: str, marked: bool = False) -> list[str]:
    """Complaints about question and answer, as they are read, of a record that shows images."""
    images = len(record["image"])
    return check_texts(record, split, images, lambda text: _check_question(text, record, marked))


def _check_question(text: str, record: dict, marked: bool) -> list[str]:
    """The last line of a text asks about the category, in millimetres, without the answer."""
    complaints = []
    category, lines = record.get("raw_category"), text.strip().splitlines() or [""]
    asked = lines[-1]
    if isinstance(category, str):
        words = category.strip()
        if not holds_words(asked, words):
            complaints.append(f"the category {category!r} is not in the question")
        asked = asked.replace(words, " ") if words else asked
    if marked and not re.search(r"\b(dot|marked)\b", asked):
        complaints.append("the question names no mark")
    complaints += check_unit(lines[-1], "mm") + _check_dimension(asked, record)
    return complaints + check_leak(text, record.get("gt_value"), ())


def _check_dimension(asked: str, record: dict) -> list[str]:
    """The words are not those of another dimension alone; asked: without the category."""
    question_type = known_type(record, TASK_OF)
    words = set(re.findall("[a-z]+", asked.lower()))
    named = [name for name, some in DIMENSION_WORDS.items() if words & some]
    wanted = question_type and question_type.split("_")[2]
    if not wanted or not named or wanted in named:
        return []
    return [f"asks for the {' and '.join(named)}, not for the {wanted}"]


def holds_words(text: str, words: str) -> bool:
    """Whether the words stand in the text, not as parts of longer words."""
    start = text.find(words)
    while start >= 0:
        end = start + len(words)
        before, after = text[max(start - 1, 0) : start], text[end : end + 1]
        if not re.search(r"\w", before + after):
            return True
        start = text.find(words, start + 1)
    return False


def _check_truth(
    record: dict,
    scene: PosedScene,
    frames: list[str],
    dimension: str,
    rules: ObjectRules,
    pictures: Path | None,
) -> list[str]:
    """The object, its category and size, whether the images cover it and are minimal, and whether
    it is marked or they show no other object that the question could mean."""
    object_id, gt_value = record.get("object_id"), record.get("gt_value")
    reason = why_not(scene, object_id)
    if reason:
        return [f"object_id: {reason}"]
    thing = raw_objects(scene, rules)[object_id]
    complaints, size = [], thing.target(dimension)
    if record.get("raw_category") != thing.category:
        said = record.get("raw_category")
        complaints.append(f"raw_category: {said!r}, the annotation says {thing.category!r}")
    if type(gt_value) is not int or gt_value not in acceptable_integers(1000.0 * size):
        complaints.append(f"gt_value: {gt_value!r}, the {dimension} is {1000.0 * size:.6f} mm")
    if size < rules.min_size_m - NOT_JUDGED_M:
        complaints.append(
            f"object_id: the {dimension} of object {object_id} is only {round(size, 6)} m"
        )
    if thing.is_askew(dimension):
        complaints.append(f"object_id: object {object_id} stands askew to the axes")
    wrong = check_set(frozenset(frames), thing, dimension)
    complaints += [f"image: {wrong}"] if wrong else []
    if pictures:
        return complaints + check_dots(record, thing, frames, pictures)
    beside = shown_beside(thing, frames) if rules.unique else None
    if beside:
        image, other = beside
        complaints.append(f"image: {image} shows object {other} too, of the same category")
    return complaints


# ---- one file ------------------------------------------------------------------------------------

_FILE_NAME = (
    r"object_perception_(height|length|width)(?:_marked)?_k([1-9][0-9]*)_(train|val)_(-1|[0-9]+)"
)


def size_rules(
    path: str | Path,
    split: str,
    rules: ObjectRules,
    images: Path | None = None,
    marked: bool = False,
) -> TaskRules:
    """What is asked of a file of object questions; part of it the file's name promises.

    images: the folder that image paths of marked objects are relative to, by default `images`
    beside the file.
    """
    pictures = (images or Path(path).parent / "images") if marked else None
    name = re.fullmatch(_FILE_NAME + "[.]jsonl", Path(path).name)
    size = name[2] if name else None

    def asked(record: dict) -> tuple[str, tuple] | str:
        shown = shown_frames(record, marked_image if marked else posed_image)
        object_id = record.get("object_id")
        if isinstance(shown, str):
            return shown
        if type(object_id) is not int:
            return f"object_id: {object_id!r} is not an int"
        return shown[0], (object_id, frozenset(shown[1]))

    def check(record: dict, scene: PosedScene) -> list[str]:
        complaints = check_object_record(record, scene, split, rules, pictures)
        if size and len(record["image"]) != int(size):
            complaints.append(f"image: {len(record['image'])} images, the file's name says {size}")
        return complaints

    return TaskRules(asked, "object_id, image: the object and images of line {} again", check)


def check_object_name(path: str | Path, records: int) -> list[str]:
    """Complaints about the name of a file of so many object questions."""
    name = re.fullmatch(_FILE_NAME + "[.]jsonl", Path(path).name)
    if not name:
        return [f"{Path(path).name!r} is not object_perception_<dim>_k<k>_..."]
    most = int(name[4])
    if 0 <= most < records:
        return [f"{records} records, its name says at most {most}"]
    return []
