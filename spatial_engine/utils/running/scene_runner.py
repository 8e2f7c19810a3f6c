"""Maps scenes over workers: progress, resume, failures by name, the same bytes always.

A step gives a top-level function `work(arguments, part_dir) -> PartResult` and a list of
`SceneJob`; each job's files are written to a folder of their own within the folder of the run,
which is renamed to its place when the scene is finished. A finished folder is used again under the
same key (see `provenance`) and done anew under another. Nothing depends on the order in which
scenes finish, nor on where they are done (`executors`).
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

import spatial_engine
from spatial_engine.errors import BadDataError, EngineError, MissingInputError, SettingsError
from spatial_engine.utils.running import changes, executors, files
from spatial_engine.utils.running.provenance import work_key

log = logging.getLogger(__name__)

DONE_FILE = ".done.json"  # in a finished folder: its key and counts
# For which a network file system may show a folder as it was before another machine changed it
# (60 s is the longest by default for NFS on Linux).
VIEW_SECONDS = 90


@dataclass(frozen=True)
class SceneJob:
    """One scene's work: what the work function needs (this scene's part only), and its inputs.

    `arguments` is pickled to the worker. `inputs` is JSON-able data that decides, with the step's
    settings, whether finished work is still good. `num_files` and `num_bytes` estimate what the
    work will take on the disk, where that is much.
    """

    scene_id: str
    arguments: Any
    inputs: Any
    num_files: int = 0
    num_bytes: int = 0


@dataclass
class PartResult:
    """What a scene gave, by output name: records written, what was left out for which reason, and
    what else was counted.

    `damaged` has a line (file, cause, remedy) for each part of the input that is broken and was
    left out while the rest went on: the command names them and ends with exit code 1.
    """

    counts: dict[str, int] = field(default_factory=dict)
    drops: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: dict[str, dict[str, int]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


class BrokenInput(str):
    """Why a scene failed whose input is there and no good, in one line. What failed otherwise, as
    by a file that is not there or a disk that is full, may do better the next time."""


Work = Callable[[Any, Path], PartResult]


@dataclass
class RunResult:
    """Finished scenes with their folders, in the order of the jobs; failures by scene."""

    parts: dict[str, Path]
    results: dict[str, PartResult]
    failures: dict[str, str]
    reused: int
    seconds: float
    redone: dict[str, str] = field(default_factory=dict)  # scenes finished before, and why again

    @property
    def damaged(self) -> dict[str, list[str]]:
        """By scene what was broken and left out (`PartResult.damaged`)."""
        return {scene: r.damaged for scene, r in self.results.items() if r.damaged}


@dataclass(frozen=True)
class FinishedScene:
    """What stands in the `DONE_FILE` of a finished folder."""

    step: str
    key: str
    settings: dict[str, Any]
    inputs: Any
    result: PartResult
    version: str = changes.UNKNOWN  # of the engine
    contents: dict[str, list[int]] = field(default_factory=dict)  # of the folder, see `files`


def job_key(step: str, settings: dict[str, Any], job: SceneJob) -> str:
    """Key under which a scene's finished work is used again."""
    return work_key(step, settings, [job.scene_id, job.inputs])


def is_done(parts_dir: Path, step: str, settings: dict[str, Any], job: SceneJob) -> bool:
    """Whether the scene's folder is finished and still good."""
    return isinstance(_find_finished(parts_dir, step, settings, job), PartResult)


def run_scenes(
    step: str,
    work: Work,
    jobs: Sequence[SceneJob],
    parts_dir: Path,
    settings: dict[str, Any],
    *,
    num_workers: int,
    scheduler: str | None = None,
    overwrite: bool = False,
    folders_stay: bool = True,
) -> RunResult:
    """Do what is missing of `jobs`, each into `parts_dir/<scene id>/`, in `num_workers` processes
    or on the workers of the Dask cluster whose address is `scheduler`.

    A scene whose work raises is named in `failures`; the others go on. Where the caller moves away
    what is in the folders (not `folders_stay`), their marks alone tell what is finished.
    """
    start = time.perf_counter()
    executors.collect_garbage_seldom()
    for left in list(parts_dir.glob(f"*{files.PARTIAL_SUFFIX}*")):
        # Of a killed run, as the caller holds the folder; but a file that is written beside the
        # scenes, as infos are, may be another run's.
        with suppress(SettingsError), files.locked(left) if left.is_dir() else nullcontext():
            _discard(left)
    keys = {job.scene_id: job_key(step, settings, job) for job in jobs}
    look = folders_stay and not overwrite
    found = {job.scene_id: _find_finished(parts_dir, step, settings, job, look) for job in jobs}
    done = {scene: what for scene, what in found.items() if isinstance(what, PartResult)}
    redone = {scene: what for scene, what in found.items() if isinstance(what, str) and what}
    if overwrite:
        redone |= dict.fromkeys([*done, *redone], changes.OVERWRITE)
        done = {}
    reused = set(done)
    failures: dict[str, str] = {}
    todo = [job for job in jobs if job.scene_id not in done]
    bar = tqdm(total=len(jobs), initial=len(reused), desc=step, unit="scene", disable=None)
    run_folder = _run_folder(parts_dir) if todo else nullcontext(parts_dir)
    with logging_redirect_tqdm(), bar, run_folder as run_dir:
        outcomes = executors.map_unordered(
            _do_scene,
            (
                (step, work, job, parts_dir, run_dir, settings, replace)
                for job in todo
                for replace in [overwrite or redone.get(job.scene_id) == changes.LOST]
            ),
            [job.scene_id for job in todo],
            num_workers=min(num_workers, len(todo)),
            scheduler=scheduler if todo else None,
            shared=run_dir,
        )
        with closing(outcomes):
            for number, outcome in outcomes:
                scene_id = todo[number].scene_id
                if isinstance(outcome, PartResult):
                    done[scene_id] = outcome
                    for warning in outcome.warnings:
                        log.warning("%s: %s", scene_id, warning)
                else:
                    failures[scene_id] = outcome if isinstance(outcome, str) else str(outcome)
                    log.error("%s failed: %s", scene_id, outcome)
                    if isinstance(outcome, BrokenInput):
                        _remove_stale(parts_dir / scene_id, keys[scene_id])
                bar.update()
    if scheduler:
        _await_view(parts_dir, {name: keys[name] for name in done if name not in reused})
    order = [job.scene_id for job in jobs if job.scene_id in done]
    return RunResult(
        parts={scene_id: parts_dir / scene_id for scene_id in order},
        results={scene_id: done[scene_id] for scene_id in order},
        failures=dict(sorted(failures.items())),
        reused=len(reused),
        seconds=time.perf_counter() - start,
        redone=redone,
    )


def _find_finished(
    parts_dir: Path, step: str, settings: dict[str, Any], job: SceneJob, look: bool = True
) -> PartResult | str:
    """What a scene gave that is finished and still good; else why it is done again, empty for one
    that was never finished."""
    part_dir = parts_dir / job.scene_id
    finished = _read_done(part_dir)
    if finished is None:
        return changes.DAMAGED if (part_dir / DONE_FILE).exists() else ""
    if finished.key != job_key(step, settings, job):
        return _why_again(finished, step, settings, job)
    if look and files.has_lost(part_dir, finished.contents):
        return changes.LOST
    return finished.result


def _why_again(finished: FinishedScene, step: str, settings: dict[str, Any], job: SceneJob) -> str:
    """One line that says why a finished scene is of no use any more."""
    before, inputs = finished.settings, finished.inputs
    found = changes.reasons(finished.version, before, settings, inputs, job.inputs)
    return "; ".join(found) or f"made by another version, or by {finished.step} for {step}"


@contextmanager
def _run_folder(parts_dir: Path) -> Iterator[Path]:
    """The folder of one run: scenes are made in it and renamed to their places.

    When it is gone, no worker can finish anything any more: neither one that was taken for lost,
    nor one still at work for a run that was stopped. Nobody else finds files in it, nor do two
    workers of one name, as no name in it is used twice.
    """
    run_dir = parts_dir / f"{uuid.uuid4().hex[:12]}{files.PARTIAL_SUFFIX}"
    run_dir.mkdir(parents=True)
    try:
        yield run_dir
    finally:
        _discard(run_dir)


def _discard(path: Path) -> None:
    """Remove what a worker that was given up may still be writing to: under another name first,
    by which it adds nothing. What cannot be removed at once, the next run does."""
    over = path.with_name(f"{path.name}.over")
    os.rename(path, over)
    with suppress(OSError):
        files.remove(over)


def _do_scene(
    task: tuple[str, Work, SceneJob, Path, Path, dict[str, Any], bool],
) -> PartResult | str:
    """Run one job in a worker: its result, or one line that says why there is none."""
    step, work, job, parts_dir, run_dir, settings, replace = task
    part_dir = parts_dir / job.scene_id
    worker = f"{socket.gethostname()[:20]}.{os.getpid()}"  # for whoever looks into the folder
    partial = run_dir / f"{job.scene_id}.{worker}.{uuid.uuid4().hex[:6]}"
    try:
        if part_dir.exists() and not (part_dir / DONE_FILE).exists() and not replace:
            raise EngineError(
                f"{part_dir}: already exists and was not made by this command; move it away, or "
                "replace it by --overwrite"
            )
        partial.mkdir()  # without parents: the run may be over
        result = work(job.arguments, partial)
        key = job_key(step, settings, job)
        version = spatial_engine.__version__
        contents = files.contents(partial)
        done = FinishedScene(step, key, settings, job.inputs, result, version, contents)
        (partial / DONE_FILE).write_text(json.dumps(asdict(done)), encoding="utf-8")
        _publish(partial, part_dir, None if replace else key)
    except Exception as error:
        return failure_of(error, part_dir)
    finally:
        with suppress(FileNotFoundError):  # the run may have removed it meanwhile
            files.remove(partial)
    return result


def _publish(partial: Path, part_dir: Path, key: str | None) -> None:
    """Put a finished folder in its place, unless one finished under `key` is there.

    Two workers may do one scene, where the first was taken for lost. A rename is all or nothing
    and fails on a folder with content, so whichever is second leaves the folder of the first,
    which holds the same and may be read already.
    """
    if key and (there := _read_done(part_dir)) is not None and there.key == key:
        return
    replaced = partial.with_name(f"{partial.name}.replaced")
    with suppress(FileNotFoundError):
        os.rename(part_dir, replaced)
    try:
        os.rename(partial, part_dir)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    files.remove(replaced)


def _remove_stale(part_dir: Path, key: str) -> None:
    """Of a scene that is broken now, remove what other inputs or constants gave: not to be taken
    for good."""
    if (done := _read_done(part_dir)) is not None and done.key != key:
        aside = part_dir.with_name(f"{part_dir.name}{files.PARTIAL_SUFFIX}")
        os.rename(part_dir, aside)  # half of it, where this is killed, is not taken for a folder
        files.remove(aside)


def _await_view(parts_dir: Path, keys: dict[str, str]) -> None:
    """Wait until this machine sees what others have finished.

    Raises `EngineError` when it does not in `VIEW_SECONDS`.
    """
    start = time.monotonic()
    for scene_id, key in keys.items():
        while (done := _read_done(parts_dir / scene_id)) is None or done.key != key:
            if time.monotonic() - start > VIEW_SECONDS:
                raise EngineError(
                    f"{parts_dir / scene_id}: a worker finished it, but it is not visible on "
                    f"this machine after {VIEW_SECONDS} s; is the storage shared? start again"
                )
            time.sleep(0.1)
            os.listdir(parts_dir)  # makes a network file system look again


def failure_of(error: Exception, part_dir: Path | str = "") -> str:
    """One line that says why a scene failed; `BrokenInput` where its input is no good."""
    is_broken = isinstance(error, BadDataError) and not isinstance(error, MissingInputError)
    passing = files.system_error(error) is not None
    return (BrokenInput if is_broken and not passing else str)(_cause(error, part_dir))


def _cause(error: Exception, part_dir: Path | str) -> str:
    system = files.system_error(error)
    if system is not None and system.filename:  # a reader has only its own remedy
        return files.explain(system)
    if isinstance(error, EngineError):
        return str(error)
    if isinstance(error, OSError):
        return files.explain(error, part_dir)
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return " ".join(f"unexpected {type(error).__name__} at {where}: {error}".split())


def read_finished(parts_dir: Path) -> dict[str, FinishedScene]:
    """Every finished scene in a folder, whatever its key, sorted."""
    found = {path.name: _read_done(path) for path in sorted(parts_dir.iterdir())}
    return {name: done for name, done in found.items() if done is not None}


def _read_done(part_dir: Path) -> FinishedScene | None:
    """What a finished folder says of itself; None for any other."""
    try:
        done = json.loads((part_dir / DONE_FILE).read_text(encoding="utf-8"))
        finished = FinishedScene(**{**done, "result": PartResult(**done["result"])})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return finished if _is_sound(finished) else None


def _is_sound(done: FinishedScene) -> bool:
    """Whether all is of the type that it is used as: the file may be damaged, or a stranger's."""
    result = done.result
    try:
        groups = [result.counts, *result.drops.values(), *result.notes.values()]
        numbers = [number for group in groups for number in group.values()]
        numbers += [number for count, size in done.contents.values() for number in (count, size)]
        texts = [done.step, done.key, done.version, *result.warnings, *result.damaged]
        return (
            all(type(number) is int for number in numbers)
            and all(isinstance(text, str) for text in texts)
            and isinstance(done.settings, dict)
        )
    except (AttributeError, TypeError, ValueError):
        return False
