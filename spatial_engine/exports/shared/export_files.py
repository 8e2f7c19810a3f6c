"""What the exports share: where they lie, what they are called, one file for each of records."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.utils.paths import BENCHMARKS, FOLDERS, SCANNET, Dataset, benchmark_path
from spatial_engine.utils.questions.record_files import FIRST_VERSION, RecordFile
from spatial_engine.utils.questions.tasks import MULTISPA, TASKS
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.files import check_id

T = TypeVar("T")

UNIFORM_REMEDY = "run spatial_engine/exports/export_uniform.py"
# Names that `export_name` gives: data set, task, the rest.
_NAME = re.compile(rf"(?:(.+?)_)?({'|'.join(TASKS)})(?:_.*)?")
BENCHMARK_REMEDY = "run spatial_engine/evaluation/make_benchmark.py"


def exports_dir(root: Path, split: str, name: str, version: str) -> Path:
    """Folder of an export; versions of records other than the first have one within it."""
    folder = root / FOLDERS[split] / "exports" / name
    return folder if version == FIRST_VERSION else folder / version


def export_name(file: RecordFile) -> str:
    """`<task>`, before it a data set other than ScanNet, and the numbers in the file's own name, of
    which several can lie side by side:
    `object_height_k2_-1`, `movement_dot_vector_adt_15points_30pairs`."""
    stem = file.path.stem
    num_images = re.search(r"_k\d+", stem)
    numbers = stem.partition(f"_{file.split}")[2]
    of = "" if file.dataset == SCANNET else f"{file.dataset}_"
    return f"{of}{file.task}{num_images.group() if num_images else ''}{numbers}"


def find_uniform(
    root: Path, split: str, version: str, datasets: Sequence[Dataset] | None = None
) -> list[Path]:
    """Uniform jsonl files of a split, by name; of scenes those of some data sets, or of all.

    Raises `MissingInputError` when there is none, or none of a data set that is named.
    """
    return find_exports(exports_dir(root, split, "uniform", version), datasets, UNIFORM_REMEDY)


def find_exports(
    folder: Path, datasets: Sequence[Dataset] | None, remedy: str = UNIFORM_REMEDY
) -> list[Path]:
    """As `find_uniform`, the jsonl files in the folder of any export."""
    found = sorted(folder.glob("*.jsonl"))
    if datasets is not None:
        named = {path: _NAME.fullmatch(path.stem) for path in found}
        shown = {path: match[1] or SCANNET for path, match in named.items() if match}
        clips = {path for path, match in named.items() if match and TASKS[match[2]].of_clips}
        there = {name for path, name in shown.items() if path not in clips}
        if without := [one.name for one in datasets if one.name not in there]:
            what = f"no *.jsonl of the data set {without[0]} in it"
            raise MissingInputError(f"{folder}: {what}; {remedy}")
        chosen = {one.name for one in datasets}
        found = [path for path in found if path in clips or shown.get(path) in chosen]
    if not found:
        raise MissingInputError(f"{folder}: no *.jsonl in it; {remedy}")
    return found


def present_benchmark(root: Path, version: str, name: str = MULTISPA.name) -> Path:
    """The file of a benchmark; `MissingInputError` when it has not been made."""
    path = benchmark_path(root, version, name)
    if not path.is_file():
        of = "" if name == MULTISPA.name else f" --name {name}"
        raise MissingInputError(f"{path}: no such file; {BENCHMARK_REMEDY}{of}")
    return path


def chosen_benchmark(args: argparse.Namespace) -> tuple[str, Path]:
    """Name and file of the benchmark that the flags name (`cli.add_benchmark`); a file of its own
    is named by its stem.

    Raises `MissingInputError` when it is not there, and `SettingsError` for a name that cannot be
    that of an export, or is that of another benchmark.
    """
    path = args.benchmark
    if path is None:
        return args.name, present_benchmark(args.root, args.version, args.name)
    name, usual = path.stem, benchmark_path(args.root, args.version, path.stem)
    if not path.is_file():
        raise MissingInputError(f"{path}: no such file; give another --benchmark FILE")
    if name in BENCHMARKS and not (usual.is_file() and usual.samefile(path)):
        why = f"its export would take the place of that of {usual}"
        raise SettingsError(f"--benchmark: {path}: {why}; give the file another name")
    try:
        return check_id(name, path), path
    except BadDataError as error:
        raise SettingsError(f"--benchmark: {error}; give the file another name") from None


def obsolete(
    step: Step,
    outputs: Iterable[Path],
    jobs: Mapping[Path, SceneJob],
    known: Collection[str] = (),
) -> set[Path]:
    """Those of the `outputs` that none of the `jobs` makes, to be retired when these are done.
    Those of the `known` names are of records that this run leaves out, and stay.

    Raises `MissingInputError` for one whose records are gone with the whole folder that held them,
    as of a disk that is not mounted.
    """
    others = {path for path in outputs if path not in jobs and path.stem not in known}
    for output in sorted(others if not step.options.overwrite else ()):
        meta = provenance.read_meta(output)
        inputs = provenance.read_inputs(output) if meta.get("step") == step.name else {}
        for made_of in inputs.values():  # of one file of records, see `SceneJob.inputs`
            if isinstance(made_of, list) and made_of and isinstance(made_of[0], list):
                folder = (step.root / str(made_of[0][0])).parent
                if not any(folder.glob("*.jsonl")):
                    raise MissingInputError(
                        f"{folder}: no records in it any more, and {output} was made from them; "
                        "restore them, or use --overwrite to remove it"
                    )
    return others


def add_splits(parser: argparse.ArgumentParser) -> None:
    """`--splits train val`."""
    cli.add_choices(parser, "--splits", cli.SPLITS)


def by_output(jobs: Sequence[tuple[Path, SceneJob]]) -> dict[Path, SceneJob]:
    """Jobs by output; raises `BadDataError` when two would write one file."""
    found: dict[Path, SceneJob] = {}
    for output, job in jobs:
        if output in found:
            raise BadDataError(f"{output}: two files of records would be exported to it")
        found[output] = job
    return found


def numbered(
    file: RecordFile, records: Iterator[dict[str, Any]], change: Callable[[dict[str, Any]], T]
) -> Iterator[T]:
    """`change(record)` of each; what cannot be changed is named by file and line."""
    for number, record in enumerate(records, 1):
        try:
            yield change(record)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadDataError(
                f"{file.path}:{number}: not a record of the engine ({error!r})"
            ) from None
