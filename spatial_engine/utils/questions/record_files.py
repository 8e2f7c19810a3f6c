"""Where the engine's records are: every jsonl under a root with its split, task and images.

Also the uniform form of a record (docs/training.md): one type for each field over all files,
images relative to the root, whatever the task.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.paths import (
    FOLDERS,
    NO_DATASETS,
    SCANNET,
    TASK_FOLDERS,
    Dataset,
    Place,
    clip_frames_dir,
    dataset_at,
    datasets_below,
    posed_images_dir,
    recording_of,
)
from spatial_engine.utils.questions.plain_record import from_uniform
from spatial_engine.utils.questions.record_fields import check_fields, is_text, points_asked
from spatial_engine.utils.questions.record_rules import check_readable, check_value, is_inside
from spatial_engine.utils.questions.records import read_jsonl, read_lines
from spatial_engine.utils.questions.tasks import FIRST_VERSION, NAMED_POINT, TASKS
from spatial_engine.utils.storage.files import check_id
from spatial_engine.utils.storage.os_errors import naming

UNIFORM_FIELDS = (
    "id", "image", "height_list", "width_list", "question_type", "task", "gt_value", "gt_unit",
    "extra",
)  # fmt: skip  # and `conversations` (train) or `text` (val)


@dataclass(frozen=True)
class RecordFile:
    """A jsonl of records of one task; `image_root` is what its image paths are relative to."""

    path: Path
    split: str  # train or val
    task: str  # its field `task`
    image_root: Path
    dataset: str = SCANNET  # of its scenes

    @property
    def images_per_record(self) -> int:
        """As the file's name says where a task has files of several numbers, else the usual."""
        found = re.search(r"_k(\d+)_", self.path.name)
        return int(found[1]) if found else TASKS[self.task].num_images


def record_path(place: Place, task: str, split: str, version: str, **constants: object) -> Path:
    """Where a file of records is, given the constants of the script that its name tells."""
    return dataset_at(place).made(split) / TASKS[task].file_of(split, version, **constants)


def image_root(root: Path, task: str, path: Path) -> Path:
    """What the image paths of a file of the engine are relative to (SPEC 10)."""
    if TASKS[task].marked:
        return path.parent / "images"
    if TASKS[task].of_clips:
        return clip_frames_dir(root)
    return posed_images_dir(dataset_of(root, path))


def dataset_of(root: Path, path: Path) -> Dataset:
    """The data set of a file of records by its place below the folder of its split:
    `<data set>/<folder of the task>/...`, of ScanNet without the first."""
    root_is, path = root.absolute(), path.absolute()
    inside = path.relative_to(root_is) if path.is_relative_to(root_is) else path
    folders = "|".join(FOLDERS.values())
    match = re.search(rf"(?:^|/)(?:{folders})/([^/]+)/([^/]+)/", inside.as_posix())
    other = match and match[1] not in NO_DATASETS and match[2] in TASK_FOLDERS
    return Dataset(root, match[1]) if other else Dataset(root)


def dataset_shown(root: Path, record: Mapping[str, Any], image: Path) -> str:
    """The data set that an image of a record shows: of scenes by its path, of clips by the task or
    the record."""
    task = record["task"]
    if TASKS[task].of_clips:
        return TASKS[task].clip_set or record["clip_set"]
    frames = re.search(r"(?:^|/)data/([^/]+)/posed_images/", image.as_posix())
    return frames[1] if frames else dataset_of(root, image).name


def find_record_files(
    root: Path,
    splits: Iterable[str] = ("train", "val"),
    version: str = FIRST_VERSION,
    datasets: Sequence[Dataset] | None = None,
) -> list[RecordFile]:
    """Every file of records that the engine wrote under the root, by split and task; of scenes,
    those of some data sets, or of all. Files about clips belong to no data set of scenes.

    Raises `MissingInputError` when there is none, or none of a data set that is named.
    """
    splits, chosen = list(splits), datasets or datasets_below(root)
    found: list[RecordFile] = []
    for split in splits:
        for task, kind in TASKS.items():
            files = [
                RecordFile(path, split, task, image_root(root, task, path), dataset.name)
                for dataset in ([Dataset(root)] if kind.of_clips else chosen)
                for path in dataset.made(split).glob(kind.file_of(split, version))
            ]
            # The most complete sets of images come first (SPEC 11).
            found += sorted(
                files,
                key=lambda f: (f.dataset != SCANNET, f.dataset, -f.images_per_record, f.path.name),
            )
    of_scenes = {file.dataset for file in found if not TASKS[file.task].of_clips}
    without = [one.name for one in datasets or () if one.name not in of_scenes]
    if without or not found:
        of = f" of the data set {without[0]}" if without else ""
        folders = " and ".join(f"{root / FOLDERS[split]}/" for split in splits)
        raise MissingInputError(f"{folders}: no records{of} of {version}; run the question scripts")
    return found


def read_records(file: RecordFile) -> Iterator[dict[str, Any]]:
    """Records of a file, each checked to be of the file's task and to name images below the
    file's image root: `<scene>/<image>`."""
    for number, record in enumerate(read_jsonl(file.path), 1):
        check_record(record, file, f"{file.path}:{number}")
        yield record


def check_record(record: dict[str, Any], file: RecordFile, place: str) -> None:
    """Raise `BadDataError`, with the `place` (file and line), unless a record is of the file's task
    and names images below the file's image root."""
    if record.get("task") != file.task:
        raise BadDataError(f"{place}: task is {record.get('task')!r}, not {file.task!r}")
    names = record.get("image")
    if not isinstance(names, list) or not names:
        raise BadDataError(f"{place}: names no images")
    for name in names:
        scene, _, image = str(name).partition("/")
        check_id(image, f"{place}: {check_id(scene, place)}")


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
        "gt_unit": TASKS[record["task"]].unit,
    }
    rest = {name: value for name, value in record.items() if name not in uniform}
    uniform["extra"] = orjson.dumps(rest).decode()
    return uniform


def read_uniform(path: Path) -> Iterator[dict[str, Any]]:
    """Evaluation records of a file in uniform form, as of the benchmark; each checked to hold what
    a scorer needs and to name images below the root."""
    for number, record in enumerate(read_jsonl(path), 1):
        check_uniform(record, f"{path}:{number}")
        yield record


def check_uniform(record: dict[str, Any], place: str) -> None:
    """Raise `BadDataError`, with the `place` (file and line), unless an evaluation record in
    uniform form is sound (`read_uniform`)."""
    try:
        _check_evaluation(record)
    except (KeyError, TypeError, ValueError) as error:
        raise BadDataError(
            f"{place}: not a record of the benchmark ({error!r}); make it again"
        ) from None


def read_questions(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a file in uniform form as far as a model needs them: an id, images below the root,
    and a question. Evaluation records with a `gt_value` are those of `read_uniform`."""
    for number, record in enumerate(read_jsonl(path), 1):
        try:
            if "text" in record and record.get("gt_value") is not None:
                _check_evaluation(record)
            else:
                _check_question(record)
        except (KeyError, TypeError, ValueError) as error:
            raise BadDataError(
                f"{path}:{number}: not a question in uniform form ({error!r}); make it again"
            ) from None
        yield record


def _check_question(record: dict[str, Any]) -> None:
    """Raise `KeyError`, `TypeError` or `ValueError` unless a model can be asked the record."""
    if faults := [*check_fields(record, ("id", "image"))]:
        raise ValueError(faults[0][1])
    if outside := [name for name in record["image"] if not is_inside(name)]:
        raise ValueError(f"{outside[0]} is not below the root")
    if "text" not in record and len(record["conversations"]) != 2:
        raise ValueError("conversations must be one turn of human and one of gpt")
    asked = record["text"] if "text" in record else record["conversations"][0]["value"]
    if not is_text(asked):
        raise TypeError("the question is not a text")


def _check_evaluation(record: dict[str, Any]) -> None:
    """Raise `KeyError`, `TypeError` or `ValueError` unless a uniform record is sound."""
    plain = from_uniform(record)
    if faults := [*check_readable(plain), *check_fields(plain, ("width_list", "height_list"))]:
        raise ValueError(faults[0][1])
    task = TASKS[plain["task"]]
    if faults := check_value(plain, task):
        raise ValueError(faults[0][1])
    if not isinstance(record["text"], str):
        raise TypeError("text is not a string")
    if not len(record["image"]) == len(record["width_list"]) == len(record["height_list"]):
        raise ValueError("sizes do not fit the images")
    if task.answer == NAMED_POINT and plain["gt_value"] not in points_asked(plain):
        raise ValueError("gt_value is not one of the points")


def scene_of(image: str) -> str:
    """Scene or clip that an image path is of: the folder that holds the image."""
    return image.rsplit("/", 2)[-2]


def place_of(task: str, image: str) -> str:
    """What must not be shared between splits: the scene, or the recording that a clip is of."""
    scene = scene_of(image)
    return recording_of(scene) if TASKS[task].of_clips else scene


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
