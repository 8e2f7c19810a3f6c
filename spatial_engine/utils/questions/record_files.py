"""Where the engine's records are: every jsonl under a root with its split, subtask and images.

Also the uniform form of a record (docs/training.md): one type for each field over all files,
images relative to the root, whatever the task.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.paths import FOLDERS, clip_frames_dir, posed_images_dir, recording_of
from spatial_engine.utils.questions.plain_record import from_uniform
from spatial_engine.utils.questions.records import read_jsonl, read_lines
from spatial_engine.utils.questions.subtasks import NAMED_POINT, NUMBER, SUBTASKS, VECTOR
from spatial_engine.utils.running.files import check_id, naming

FIRST_VERSION = "v1_0"
UNIFORM_FIELDS = (
    "id", "image", "height_list", "width_list", "question_type", "task", "gt_value", "gt_unit",
    "extra",
)  # fmt: skip  # and `conversations` (train) or `text` (val)


@dataclass(frozen=True)
class RecordFile:
    """A jsonl of records of one subtask; `image_root` is what its image paths are relative to."""

    path: Path
    split: str  # train or val
    task: str  # one of the 26 subtasks
    image_root: Path

    @property
    def images_per_record(self) -> int:
        """1 or 2: of object perception the file's name says it."""
        if self.task.startswith("object_"):
            return 1 if "_k1_" in self.path.name else 2
        return SUBTASKS[self.task].num_images


def pattern_of(task: str, split: str, version: str) -> str:
    """Where the files of a subtask lie below `training_data/` or `evaluation_data/`, as a glob.

    The most complete sets of images come first when sorted in reverse (object perception: k2, k1).
    """
    family, _, rest = task.partition("_")
    if family == "camera":
        return f"camera_movement/{version}/{rest}_{split}.jsonl"
    if family == "depth":
        return f"{task}/{version}/{task}.jsonl"
    if family == "correspondence":
        kind = {"coor": "coor_2_coor", "multichoice": "dot_2_multichoice"}[rest]
        name = f"visual_correspondence_{kind}"
        return f"{name}/{version}/{split}_{name}.jsonl"
    if family == "object":
        folder = "object_perception"
        folder = folder if version == FIRST_VERSION else f"{folder}/{version}"
        return f"{folder}/object_perception_{rest}_k*_{split}_*.jsonl"
    prompt, quantity, dataset = rest.split("_")
    name = {"distance": "total_distance", "vector": "displacement_vector"}[quantity]
    folder = f"object_movement_{prompt}/{version}/{dataset}"
    return f"{folder}/{dataset}_tapvid3d_{name}_{split}*.jsonl"


def image_root(root: Path, task: str, path: Path) -> Path:
    """What the image paths of a file of the engine are relative to (SPEC 10)."""
    if task.endswith("_dot") or "_dot_" in task or task == "correspondence_multichoice":
        return path.parent / "images"
    return clip_frames_dir(root) if task.startswith("movement_") else posed_images_dir(root)


def find_record_files(
    root: Path, splits: Iterable[str] = ("train", "val"), version: str = FIRST_VERSION
) -> list[RecordFile]:
    """Every file of records that the engine wrote under the root, by split and subtask.

    Raises `MissingInputError` when there is none.
    """
    splits = list(splits)
    found = []
    for split in splits:
        for task in SUBTASKS:
            paths = (root / FOLDERS[split]).glob(pattern_of(task, split, version))
            for path in sorted(paths, key=lambda path: (-_images_in(path), path.name)):
                found.append(RecordFile(path, split, task, image_root(root, task, path)))
    if not found:
        folders = " and ".join(f"{root / FOLDERS[split]}/" for split in splits)
        raise MissingInputError(f"{folders}: no records of {version}; run the question scripts")
    return found


def _images_in(path: Path) -> int:
    """k of an object perception file, else 0; sets of two images come first (SPEC 11)."""
    return next((k for k in (2, 1) if f"_k{k}_" in path.name), 0)


def read_records(file: RecordFile) -> Iterator[dict[str, Any]]:
    """Records of a file, each checked to be of the file's subtask and to name images below the
    file's image root: `<scene>/<image>`."""
    for number, record in enumerate(read_jsonl(file.path), 1):
        place = f"{file.path}:{number}"
        if record.get("task") != file.task:
            raise BadDataError(f"{place}: task is {record.get('task')!r}, not {file.task!r}")
        names = record.get("image")
        if not isinstance(names, list) or not names:
            raise BadDataError(f"{place}: names no images")
        for name in names:
            scene, _, image = str(name).partition("/")
            check_id(image, f"{place}: {check_id(scene, place)}")
        yield record


def count_lines(path: Path) -> int:
    """Lines of a file, without reading it as text; a last one without line end counts."""
    lines, last = 0, b"\n"
    with naming(path), open(path, "rb") as file:
        while block := file.read(2**20):
            lines += block.count(b"\n")
            last = block
    return lines + (not last.endswith(b"\n"))


@lru_cache
def relative_root(folder: Path, root: Path) -> str:
    """A folder as a path relative to the root, with a slash at its end."""
    return f"{Path(os.path.relpath(folder, root)).as_posix()}/"


def to_uniform(record: dict[str, Any], file: RecordFile, root: Path) -> dict[str, Any]:
    """A record in uniform form: one type for each field, images relative to the root.

    `gt_value` and `extra` are JSON text. A training record keeps `conversations`, an evaluation
    record `text`.
    """
    prefix = relative_root(file.image_root, root)
    said = "conversations" if "conversations" in record else "text"
    uniform = {
        "id": record["id"],
        "image": [prefix + name for name in record["image"]],
        said: record[said],
        "height_list": record["height_list"],
        "width_list": record["width_list"],
        "question_type": record["question_type"],
        "task": record["task"],
        "gt_value": orjson.dumps(record["gt_value"]).decode(),
        "gt_unit": SUBTASKS[record["task"]].unit,
    }
    known = {*uniform, "gt_value"}
    rest = {name: value for name, value in record.items() if name not in known}
    uniform["extra"] = orjson.dumps(rest).decode()
    return uniform


def read_uniform(path: Path) -> Iterator[dict[str, Any]]:
    """Evaluation records of a file in uniform form, as of the benchmark; each checked to hold what
    a scorer needs and to name images below the root."""
    for number, record in enumerate(read_jsonl(path), 1):
        try:
            _check_evaluation(record)
        except (KeyError, TypeError, ValueError) as error:
            raise BadDataError(
                f"{path}:{number}: not a record of the benchmark ({error!r}); make it again"
            ) from None
        yield record


def _check_evaluation(record: dict[str, Any]) -> None:
    """Raise `KeyError`, `TypeError` or `ValueError` unless a uniform record is sound."""
    subtask = SUBTASKS[record["task"]]
    if not isinstance(record["id"], str) or not isinstance(record["text"], str):
        raise TypeError("id or text is not a string")
    names = record["image"]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise TypeError("image is not a list of names")
    for name in names:
        if name.startswith("/") or "\0" in name or ".." in name.split("/") or "/" not in name:
            raise ValueError(f"{name!r} leaves the root")
    sides = [*record["width_list"], *record["height_list"]]
    if not all(type(side) is int and side > 0 for side in sides) or len(sides) != 2 * len(names):
        raise ValueError("sizes do not fit the images")
    plain = from_uniform(record)
    truth, points = plain["gt_value"], plain.get("points_info", [])
    if subtask.options:
        sound = truth in subtask.options
    elif subtask.answer == NUMBER:
        sound = type(truth) is int
    else:
        wanted = 3 if subtask.answer == VECTOR else 2
        sound = isinstance(truth, list) and [type(n) for n in truth] == [int] * wanted
    if not sound:
        raise ValueError(f"gt_value {truth!r} does not have the form: {subtask.answer}")
    if subtask.answer == NAMED_POINT and truth not in [[p["x"], p["y"]] for p in points]:
        raise ValueError("gt_value is not one of the points")


def scene_of(image: str) -> str:
    """Scene or clip that an image path is of: the folder that holds the image."""
    return image.rsplit("/", 2)[-2]


def place_of(task: str, image: str) -> str:
    """What must not be shared between splits: the scene, or the recording that a clip is of."""
    scene = scene_of(image)
    return recording_of(scene) if task.startswith("movement_") else scene


def places_in(file: RecordFile) -> set[str]:
    """Every place that a file of records shows; reads it once, parsing no more than it must."""
    scenes: dict[bytes, int] = {}
    mark = b'"image":["'
    for number, line in read_lines(file.path):
        start = line.find(mark) + len(mark)
        if start >= len(mark) and (end := line.find(b"/", start)) > 0:
            scenes.setdefault(line[start:end], number)
        else:
            raise BadDataError(f"{file.path}:{number}: not a record of the engine")
    names = (
        check_id(name.decode("ascii", "replace"), f"{file.path}:{number}")
        for name, number in scenes.items()
    )
    return {place_of(file.task, f"{name}/") for name in names}


def describe(files: Sequence[RecordFile]) -> str:
    """`n files of m subtasks`."""
    return f"{len(files)} files of {len({file.task for file in files})} subtasks"
