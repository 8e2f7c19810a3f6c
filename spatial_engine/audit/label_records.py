"""Any record of the engine's outputs as the oracle takes it: its own form, its kind, its place.

Reads nothing but names and parsed lines; the command that reads files is audit_labels. A record is
in the engine's own form (SPEC 10) or in the uniform form of the exports and the benchmark (images
relative to the root, `gt_value` and `extra` as JSON text), which is turned back here, by a reader
of the audit's own: that of the engine could hide a fault of the exports. The data set of a scene is
what the path of its record's images says, or the path of the file.

How docs/spec.md was read where it leaves a choice, by section:
- 10, 11 the kind of a record is its `task`; the name of a file may promise which tasks it holds.
- 2 the split is what the file's name or folders say, else training if records hold conversations.
- 11 images of the uniform form lie below the folder that SPEC 10 names for their task, those of dot
  tasks and of the multiple choice in a folder `images` somewhere below the root.
- 13 those of camera, object and relation frames lie in posed_images, those of clips where coord
  questions have them. Units: a number of objects is a "count",
  a turn with its sign a "signed degree", several letters are "letters".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from spatial_engine.audit.captures.opened import scene_datasets
from spatial_engine.audit.oracles.camera_movement import TASK_OF as CAMERA
from spatial_engine.audit.oracles.camera_movement import camera_rules
from spatial_engine.audit.oracles.correspondence import TASK_OF as CORRESPONDENCE
from spatial_engine.audit.oracles.correspondence import correspondence_rules
from spatial_engine.audit.oracles.depth import TASK_OF as DEPTH
from spatial_engine.audit.oracles.depth import depth_rules
from spatial_engine.audit.oracles.frames.constants import (
    FRAME_MARKED,
    FRAME_MOVEMENT,
    FRAME_TASKS,
    TYPES,
)
from spatial_engine.audit.oracles.frames.rules import (
    AGAIN,
    asked_of_frames,
    clip_check,
    frame_rules,
    set_of_clips,
)
from spatial_engine.audit.oracles.movement import PROMPTS, ClipChecks, images_folder
from spatial_engine.audit.oracles.movement_points import (
    DISTANCE,
    VECTOR,
    MovementRule,
    shown_images,
)
from spatial_engine.audit.oracles.object_size import MARKED_TASK_OF as MARKED_OBJECTS
from spatial_engine.audit.oracles.object_size import TASK_OF as OBJECT
from spatial_engine.audit.oracles.object_size import size_rules
from spatial_engine.audit.oracles.object_views import object_rules
from spatial_engine.audit.oracles.visibility import SurfaceRule, seen_rule
from spatial_engine.audit.raw.clip import RawClip
from spatial_engine.audit.raw.ids import DATASETS, SCANNET
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.constants import constants_of, made_of
from spatial_engine.audit.records.lines import TaskRules, parse_line

FOLDER_OF = {"train": "training_data", "val": "evaluation_data"}
POSED_IMAGES, CLIP_IMAGES = "posed_images", "data/my_tapvid3d_images"
_QUANTITIES = {"distance": DISTANCE, "vector": VECTOR}
MOVEMENT = {  # task: (prompt, data set)
    f"movement_{prompt}_{quantity}_{dataset}": (prompt, dataset)
    for prompt in PROMPTS
    for quantity in _QUANTITIES
    for dataset in DATASETS
}
_OF_SCENES = {**CAMERA, **DEPTH, **CORRESPONDENCE, **OBJECT}
TASKS = {*MOVEMENT, *_OF_SCENES.values(), *MARKED_OBJECTS.values(), *FRAME_TASKS}
MARKED = {task for task in TASKS if re.search("_dot(_|$)|multichoice|_marked$", task)}
MARKED |= FRAME_MARKED
UNITS = (  # of an answer, by task
    ("camera_net_turn", "signed degree"),
    ("object_count_distinct", "count"),
    ("correspondence_seen_where", "letters"),
    ("depth_nearest_view|correspondence_odd_dot", "letter"),
    ("movement_fastest_step|relation_(nearest_object|direction|appearance_order)", "letter"),
    ("camera_.*_movement", "word"),
    ("camera_.*_angle", "degree"),
    ("depth_comparison_dot|correspondence_multichoice", "letter"),
    ("depth_comparison_coor|correspondence_coor", "permille"),
    (".*", "mm"),
)
# Where SPEC 5 to 13 put the files, below training_data or evaluation_data, or the folder of another
# data set than ScanNet there; * is the version.
PATTERNS = (
    "camera_movement/*/*_{split}.jsonl",
    "depth_*/*/depth_*.jsonl",
    "visual_correspondence_*/*/{split}_visual_correspondence_*.jsonl",
    "object_perception/object_perception_*_{split}_*.jsonl",
    "object_perception/*/object_perception_*_{split}_*.jsonl",
    "object_movement_*/*/*/*_tapvid3d_*_{split}*.jsonl",
    "multispa/*/multispa.jsonl",
    *(f"{family}_frames/*/*_{{split}}.jsonl" for family in TYPES),
    "multispa_frames/*/multispa_frames.jsonl",
)


FAMILIES = "|".join(re.escape(p.split("/")[0]).replace(r"\*", "[^/]*") for p in PATTERNS)


class Made(NamedTuple):
    """What records were made with. constants: by name; rule: by which frames see vertices, None as
    published."""

    constants: dict[str, Any] = {}  # noqa: RUF012  # nobody writes to it
    rule: SurfaceRule | None = SurfaceRule()


class LabelFile(NamedTuple):
    """A jsonl of records; name: for people, relative to the root where it is below it; made: what
    the records of a data set and a task were made with, those of all others under ""; dataset: of
    the scenes of records whose images do not say it."""

    path: Path
    name: str
    split: str
    made: dict[str | tuple[str, str], Made] = {}  # noqa: RUF012  # nobody writes to it
    dataset: str = SCANNET

    def made_with(self, task: str, dataset: str = SCANNET) -> Made:
        """What the records of a task were made with; the usual constants where nothing is told."""
        return self.made.get((dataset, task)) or self.made.get("") or Made()


class Question(NamedTuple):
    """What a record asks about, of which no file may hold it twice (None: the clip's check sees).

    source: the data set, or set of clips; place: the scene or clip; again: the complaint, {} is the
    line.
    """

    source: str
    place: str
    asked: Hashable | None
    again: str


# ---- files ---------------------------------------------------------------------------------------


def find_label_files(root: Path) -> list[LabelFile]:
    """Every file of records that SPEC 5 to 13 name, of all versions, by split and name."""
    found = []
    for split, folder in FOLDER_OF.items():
        paths = {
            path
            for start in ("", *(f"{name}/" for name in scene_datasets(root)[1:]))
            for pattern in PATTERNS
            for path in (root / folder).glob(start + pattern.format(split=split))
        }
        found += [label_file(path, root) for path in sorted(paths)]
    return found


def label_file(path: Path, root: Path) -> LabelFile:
    """A file given by its path."""
    inside = path.absolute().is_relative_to(root.absolute())
    name = path.absolute().relative_to(root.absolute()).as_posix() if inside else str(path)
    split = _split_of(path)
    dataset = dataset_of(path.absolute()) or SCANNET
    told = constants_of(path)
    made: dict[str | tuple[str, str], Made] = {"": _made(told, root, split, dataset)}
    for source in made_of(path, root):
        tasks, of = promised_tasks(source), dataset_of(source) or SCANNET
        if tasks != TASKS:
            with_these = _made(constants_of(source), root, split, of)
            made |= {(of, task): with_these for task in tasks}
    return LabelFile(path, name, split, made, dataset)


def _made(told: dict[str, Any], root: Path, split: str, dataset: str) -> Made:
    return Made(told, seen_rule(told, root, split, dataset))


def dataset_of(path: Path) -> str | None:
    """The data set of the scenes of what is at a path, by its folders; None where they
    do not say it."""
    parts = path.parts
    for k in range(len(parts) - 1, 0, -1):
        if parts[k] == POSED_IMAGES and k > 1 and parts[k - 2] == "data":
            return parts[k - 1]
        if parts[k - 1] in FOLDER_OF.values():
            return SCANNET if re.fullmatch(FAMILIES, parts[k]) else parts[k]
    return None


def _split_of(path: Path) -> str:
    for split in FOLDER_OF:
        if re.search(f"(^|_){split}(_|$)", path.stem):
            return split
    for split, folder in FOLDER_OF.items():
        if folder in path.parts:
            return split
    with open(path, "rb") as f:
        return "train" if b'"conversations"' in f.readline(2**20) else "val"


def promised_tasks(path: Path) -> set[str]:
    """The tasks that the name of a file lets it hold; every task where it says nothing."""
    stem = path.stem
    plain = re.sub("_(train|val)$", "", stem)
    if plain in CAMERA:
        return {CAMERA[plain]}
    if plain != stem and (named := {t for t in FRAME_TASKS if t == f"{FRAME_TASKS[t]}_{plain}"}):
        return named
    if stem in DEPTH:
        return {stem}
    for question_type, task in CORRESPONDENCE.items():
        if stem in (f"train_{question_type}", f"val_{question_type}"):
            return {task}
    if match := re.match("object_perception_((height|length|width)(_marked)?)_k[0-9]+_", stem):
        return {f"object_{match[1]}"}
    for quantity, question_type in _QUANTITIES.items():
        datasets = "|".join(DATASETS)
        if match := re.match(f"({datasets})_{question_type}_(train|val)", stem):
            return {f"movement_{prompt}_{quantity}_{match[1]}" for prompt in PROMPTS}
    return TASKS


def sources_of(task: str, file: LabelFile) -> set[str]:
    """The data sets, or sets of clips, that the records of a task in a file can be about."""
    if task in FRAME_MOVEMENT:
        return set(DATASETS)
    return {MOVEMENT[task][1] if task in MOVEMENT else file.dataset}


# ---- records -------------------------------------------------------------------------------------


def read_record(line: bytes, file: LabelFile, root: Path) -> tuple[dict, Path | None] | str:
    """(record in the engine's own form, folder of its images where it says so), or a complaint."""
    record = parse_line(line)
    if isinstance(record, str):
        return record
    task = record.get("task")
    if not isinstance(task, str) or task not in TASKS:
        return f"task: {task!r} is unknown"
    promised = promised_tasks(file.path)
    if task not in promised:
        return f"task: {task!r}, the file's name says {' or '.join(sorted(promised))}"
    return to_native(record, root) if "gt_unit" in record else (record, None)


def to_native(record: dict, root: Path) -> tuple[dict, Path] | str:
    """A record of the uniform form and known task in the engine's own form, with the folder that
    its images are relative to; or a complaint."""
    task = record["task"]
    unit = next(unit for pattern, unit in UNITS if re.fullmatch(pattern, task))
    if record["gt_unit"] != unit:
        return f"gt_unit: {record['gt_unit']!r}, expected {unit!r}"
    texts = {}
    for field in ("gt_value", "extra"):
        if not isinstance(record.get(field), str):
            return f"{field}: {record.get(field)!r} is not JSON text"
        wrapped = parse_line(f'{{"value":{record[field]}}}'.encode("utf-8", "replace"))
        if isinstance(wrapped, str) or set(wrapped) != {"value"}:
            return f"{field}: {record[field]!r} is not JSON text"
        texts[field] = wrapped["value"]
    if not isinstance(texts["extra"], dict):
        return f"extra: {record['extra']!r} is not a JSON object"
    twice = sorted(set(texts["extra"]) & set(record))
    if twice:
        return f"extra: {twice} stand in the record too"
    images = _split_images(record.get("image"), task)
    if isinstance(images, str):
        return images
    folder, names = images
    kept = {key: value for key, value in record.items() if key not in ("gt_unit", "extra")}
    native = {**kept, **texts["extra"], "gt_value": texts["gt_value"], "image": names}
    return native, root / folder


def _split_images(images: object, task: str) -> tuple[str, list[str]] | str:
    """(folder, paths below it: <scene>/<file>) of images relative to the root, or a complaint."""
    if not isinstance(images, list) or not images or not all(type(i) is str for i in images):
        return f"image: {images!r} is not a list of paths"
    folders = set()
    for image in images:
        path = PurePosixPath(image)
        if path.is_absolute() or ".." in path.parts or "\0" in image or len(path.parts) < 3:
            return f"image: {image!r} is not a path below the root"
        folders.add(path.parent.parent.as_posix())
    folder = min(folders)
    expected = (
        CLIP_IMAGES if task in {*MOVEMENT, *FRAME_MOVEMENT} else f"data/<dataset>/{POSED_IMAGES}"
    )
    pattern = re.escape(expected).replace("<dataset>", "[A-Za-z0-9_-]+")
    right = folder.endswith("/images") if task in MARKED else bool(re.fullmatch(pattern, folder))
    if len(folders) > 1 or not right:
        where = "one folder named images" if task in MARKED else expected
        return f"image: in {sorted(folders)}, expected {where}"
    return folder, ["/".join(image.split("/")[-2:]) for image in images]


# ---- kinds ---------------------------------------------------------------------------------------


def _rules(task: str, file: LabelFile, images: Path | None, dataset: str) -> TaskRules:
    """What the oracle asks of a file of a task about scenes of a data set."""
    constants, rule = file.made_with(task, dataset)
    if task in FRAME_TASKS:
        folder = images or file.path.parent / "images"
        return frame_rules(task, file.split, folder, rule, constants)
    if task.startswith("camera_"):
        return camera_rules(file.split, constants)
    if task.startswith("depth_"):
        return depth_rules(file.path, file.split, rule, images, constants)
    if task.startswith("correspondence_"):
        return correspondence_rules(file.path, file.split, rule, images)
    marked = task in MARKED_OBJECTS.values()
    return size_rules(file.path, file.split, object_rules(constants, rule), images, marked)


def question_of(record: dict, file: LabelFile, images: Path | None = None) -> Question | str:
    """What a record of known task asks about, or a complaint. images: the folder of its images,
    where it says so."""
    task = record["task"]
    if task in MOVEMENT:
        prompt, dataset = MOVEMENT[task]
        shown = shown_images(record, prompt)
        return shown if isinstance(shown, str) else Question(dataset, shown.clip_id, None, "")
    if task in FRAME_MOVEMENT:
        clips, asked = set_of_clips(record), asked_of_frames(record)
        if not clips:
            return f"clip_set: {str(record.get('clip_set'))[:80]!r} is none of {DATASETS}"
        return asked if isinstance(asked, str) else Question(clips, *asked, AGAIN)
    dataset = (dataset_of(images) if images else None) or file.dataset
    rules = _rules(task, file, None, dataset)
    asked = rules.asked(record)
    return asked if isinstance(asked, str) else Question(dataset, *asked, rules.again)


def checker(
    task: str, raw: PosedScene | RawClip, file: LabelFile, images: Path | None, root: Path
) -> Callable[[dict], list[str]]:
    """The oracle's check of the records of one task, one file and one scene or clip."""
    if task in MOVEMENT:
        prompt, _ = MOVEMENT[task]
        folder = images or images_folder(file.path, root, prompt)
        rule = MovementRule.of(file.made_with(task).constants)
        return ClipChecks(raw, file.split, prompt, folder, rule).check_next
    if task in FRAME_MOVEMENT:
        folder = images or root / CLIP_IMAGES
        return clip_check(raw, file.split, folder, file.made_with(task).constants)
    rules = _rules(task, file, images, raw.dataset)
    return lambda record: rules.check(record, raw)


def canonical(asked: Hashable) -> str:
    """One text for equal questions, the same in every process (sets print in any order)."""
    if isinstance(asked, frozenset):
        return f"{{{', '.join(sorted(canonical(item) for item in asked))}}}"
    if isinstance(asked, tuple):
        return f"({', '.join(canonical(item) for item in asked)})"
    return json.dumps(asked) if isinstance(asked, str | int) else repr(asked)
