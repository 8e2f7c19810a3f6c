"""Exports that write a file for each file of records: made when stale, gone with its records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from spatial_engine.exports.shared.export_files import (
    by_output,
    export_name,
    exports_dir,
    numbered,
    obsolete,
)
from spatial_engine.utils.questions.record_files import (
    RecordFile,
    find_record_files,
    read_records,
    relative_root,
    to_uniform,
)
from spatial_engine.utils.questions.records import write_jsonl
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import files, provenance

T = TypeVar("T")


@dataclass(frozen=True)
class Form:
    """A form in which an export writes a file of records.

    `write(file, root, path)` writes it to `path` and returns the number of records, or a
    `PartResult` under the path's name where it leaves some out; it is called in another process.
    `share` is the size of what it writes, about, as a share of the records' file.
    """

    suffix: str
    write: Callable[[RecordFile, Path, Path], int | PartResult]
    share: float = 1.2


def export_records(
    step: Step,
    name: str,
    splits: Sequence[str],
    forms: Sequence[Form],
    is_wanted: Callable[[RecordFile], bool] = lambda _: True,
) -> int:
    """Bring `{training,evaluation}_data/exports/<name>/` up to date, a file in each form for each
    file of records that is wanted; return the number of these. `step.options` says which data sets.
    """
    args = step.options
    every = find_record_files(args.root, splits, args.version)
    found = find_record_files(args.root, splits, args.version, args.datasets_of_scenes)
    every, found = ([file for file in some if is_wanted(file)] for some in (every, found))
    planned = []
    for split in splits:
        folder = exports_dir(args.root, split, name, args.version)
        jobs = _make_jobs(args.root, [file for file in found if file.split == split], forms, folder)
        known = {export_name(file) for file in every if file.split == split}
        there = (path for form in forms for path in folder.glob(f"*{form.suffix}"))
        planned.append((folder, jobs, obsolete(step, there, jobs, known)))
    for folder, jobs, gone in planned:
        step.make_files(jobs, _write, folder.with_name(f"{folder.name}{files.PARTS_SUFFIX}"))
        step.retire(gone)
    return len(found)


def uniform_records(
    file: RecordFile, root: Path, change: Callable[[dict[str, Any]], T]
) -> Iterator[T]:
    """`change(record)` of each record of a file in uniform form; `BadDataError` names the line of
    what cannot be changed."""
    said = "conversations" if file.split == "train" else "text"

    def changed(record: dict[str, Any]) -> T:
        uniform = to_uniform(record, file, root)
        if said not in uniform:
            raise KeyError(said)
        return change(uniform)

    return numbered(file, read_records(file), changed)


def write_lines(
    change: Callable[[dict[str, Any]], Mapping[str, Any]], file: RecordFile, root: Path, path: Path
) -> int:
    """Write `change(record)` of each uniform record as jsonl; with `change` given, a `Form.write`
    (`functools.partial`)."""
    return write_jsonl(path, uniform_records(file, root, change))


def _make_jobs(
    root: Path, found: Sequence[RecordFile], forms: Sequence[Form], folder: Path
) -> dict[Path, SceneJob]:
    """A job for each file and form, by output."""
    jobs = []
    for file in found:
        inputs = [
            provenance.file_fingerprint(file.path, root),
            relative_root(file.image_root, root),
        ]
        for form in forms:
            name = f"{export_name(file)}{form.suffix}"
            num_bytes = int(form.share * file.path.stat().st_size)
            job = SceneJob(name, (file, root, name, form), inputs, 1, num_bytes)
            jobs.append((folder / name, job))
    return by_output(jobs)


def _write(arguments: tuple[RecordFile, Path, str, Form], part_dir: Path) -> PartResult:
    file, root, name, form = arguments
    written = form.write(file, root, part_dir / name)
    return written if isinstance(written, PartResult) else PartResult(counts={name: written})
