"""The files that the training mix draws from: those under a root, or those of the full-size set."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatial_engine.errors import MissingInputError
from spatial_engine.exports.mix.added import Added
from spatial_engine.exports.mix.clients import TEMPLATES
from spatial_engine.exports.mix.frames import is_of_frames
from spatial_engine.exports.mix.shares import MixFile
from spatial_engine.exports.shared.export_files import export_name
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.questions.record_files import (
    FIRST_VERSION,
    RecordFile,
    count_lines,
    find_record_files,
    image_root,
    record_path,
)
from spatial_engine.utils.questions.tasks import SUBTASKS, TASKS
from spatial_engine.utils.storage import provenance

log = logging.getLogger(__name__)


def files_on_disk(
    root: Path, version: str, datasets: Sequence[Dataset] | None = None
) -> tuple[list[MixFile], list[RecordFile]]:
    """Training files under the root; of object perception those of two images alone. Apart from
    them, those of three to eight frames.

    Of several files of one task and data set (made with other numbers of samples) the longest is
    taken.
    """
    longest: dict[tuple[str, str], tuple[int, RecordFile]] = {}
    found = find_record_files(root, ["train"], version, datasets)
    of_frames = [file for file in found if is_of_frames(file)]
    for file in (file for file in found if file not in of_frames):
        length = count_lines(file.path)
        if file.images_per_record != TASKS[file.task].num_images or not length:
            continue
        key = (file.task, file.dataset)
        if key in longest:
            log.warning("%s of %s: there are several files of this task; the longest is used", *key)
        if length > longest.get(key, (0,))[0]:
            longest[key] = (length, file)
    return [_mix_file(file, root, length) for length, file in longest.values()], of_frames


def full_set() -> list[MixFile]:
    """The files of the full-size set, made with the scripts' own constants."""
    constants = {"k": 2, "most": -1, "numbers": "_15points_30pairs"}
    files = []
    for task in SUBTASKS.values():
        path = record_path(Path(), task.name, "train", FIRST_VERSION, **constants)
        file = RecordFile(path, "train", task.name, image_root(Path(), task.name, path))
        files.append(_mix_file(file, Path(), task.full_length))
    return files


def frames_dir(output: Path) -> Path:
    """The folder beside a mix of its records of three to eight frames."""
    return output.with_name(f"{output.stem}.frames")


def added_dir(output: Path) -> Path:
    """The folder beside a mix of the records added, as LLaMA-Factory and ms-swift read them."""
    return output.with_name(f"{output.stem}.added")


def inputs_of(
    root: Path, files: Sequence[MixFile], of_frames: Sequence[RecordFile], added: Sequence[Added]
) -> dict[str, Any]:
    """What decides a mix besides its settings, by file."""
    paths = [*(root / file.annotation for file in files), *(file.path for file in of_frames)]
    inputs: dict[str, Any] = {
        provenance.relative(path, root): provenance.file_fingerprint(path, root) for path in paths
    }
    for one in added:
        told = [one.entry, one.records, provenance.file_fingerprint(one.annotation, root)]
        inputs[f"added {one.name}"] = provenance.digest(told)
    for path in sorted(TEMPLATES.iterdir()):
        inputs[f"template {path.name}"] = provenance.content_hash(path)
    return inputs


def refuse_to_lose(output: Path, root: Path) -> None:
    """Raise `MissingInputError` where a mix made before names a file that is not there now."""
    try:
        before = json.loads(output.read_text(encoding="utf-8"))
        named = [root / entry["annotation"] for entry in before.values()]
    except (OSError, ValueError, AttributeError, LookupError, TypeError, RecursionError):
        return  # there is none, or it is none of ours
    made_here = frames_dir(output).name
    for path in (path for path in named if path.parent.name != made_here):
        if not path.is_file():
            raise MissingInputError(
                f"{path}: no such file, and {output} names it; restore it, or remove the mix to "
                "make it without that file"
            )


def with_absolute_paths(meta: Mapping[str, Mapping[str, Any]], root: Path) -> dict[str, Any]:
    """The meta json with paths that hold wherever the trainer is started."""
    folder, named = root.resolve(), ("root", "annotation")
    return {
        name: {k: str(folder / v) if k in named else v for k, v in entry.items()}
        for name, entry in meta.items()
    }


def _mix_file(file: RecordFile, root: Path, length: int) -> MixFile:
    return MixFile(
        task=file.task,
        annotation=file.path.relative_to(root).as_posix(),
        image_root=file.image_root.relative_to(root).as_posix(),
        length=length,
        num_images=file.images_per_record,
        uniform=export_name(file),
        dataset=file.dataset,
    )
