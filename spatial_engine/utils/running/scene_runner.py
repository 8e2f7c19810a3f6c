"""Maps scenes over workers: progress, resume, failures by name, the same bytes always.

A step gives a top-level function `work(arguments, part_dir) -> PartResult` and a list of
`SceneJob`; each job's files are written to a folder of their own within the folder of the run,
which is renamed to its place when the scene is finished. A finished folder is used again while its
origin is the same (see `provenance`), and done anew otherwise. Nothing depends on the order in
which scenes finish, nor on where they are done (`executors`).
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
import traceback
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from spatial_engine.errors import BadDataError, EngineError, MissingInputError, SettingsError
from spatial_engine.utils.running import executors, processes, staleness
from spatial_engine.utils.running.finished_scenes import (
    DONE_FILE,
    FinishedScene,
    PartResult,
    find_finished,
    folder_of,
    read_done,
    write_done,
)  # fmt: skip
from spatial_engine.utils.running.progress import logging_redirect_tqdm, tqdm
from spatial_engine.utils.storage import files, locks, os_errors
from spatial_engine.utils.storage.provenance import Origin

log = logging.getLogger(__name__)

T = TypeVar("T")

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

    def origin(self, step: str, settings: dict[str, Any]) -> Origin:
        """What decides the finished work."""
        return Origin(step, settings, self.inputs)


class BrokenInput(str):
    """Why a scene failed whose input is there and no good, in one line. What failed otherwise, as
    by a file that is not there or a disk that is full, may do better the next time."""


Work = Callable[[Any, Path], PartResult]


@dataclass
class RunResult:
    """Finished scenes with their folders, in the order of the jobs; failures by scene."""

    parts: dict[str, Path] = field(default_factory=dict)
    results: dict[str, PartResult] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    redone: dict[str, str] = field(default_factory=dict)  # scenes finished before, and why again
    reused: int = 0
    accepted: dict[str, dict[str, str]] = field(default_factory=dict)  # `FinishedScene.accepted`
    taken_over: set[str] = field(default_factory=set)  # scenes without a folder

    def of(self, scenes: Collection[str]) -> RunResult:
        """What it gave of some of the scenes."""

        def mine(by_scene: dict[str, T]) -> dict[str, T]:
            return {scene: value for scene, value in by_scene.items() if scene in scenes}

        return RunResult(
            parts=mine(self.parts),
            results=mine(self.results),
            failures=mine(self.failures),
            redone=mine(self.redone),
            accepted=mine(self.accepted),
            taken_over=self.taken_over & set(scenes),
        )

    def take_over(self, held: Mapping[str, FinishedScene], order: Sequence[str]) -> None:
        """Add what a finished output holds of other scenes; results are in this order then."""
        results = self.results | {scene: done.result for scene, done in held.items()}
        self.results = {scene: results[scene] for scene in order if scene in results}
        self.accepted |= {scene: done.accepted for scene, done in held.items() if done.accepted}
        self.taken_over = set(held)

    @property
    def damaged(self) -> dict[str, list[str]]:
        """By scene what was broken and left out (`PartResult.damaged`)."""
        return {scene: r.damaged for scene, r in self.results.items() if r.damaged}


def is_done(parts_dir: Path, step: str, settings: dict[str, Any], job: SceneJob) -> bool:
    """Whether the scene's folder is finished and still good."""
    found = find_finished(parts_dir, job.scene_id, job.origin(step, settings))
    return isinstance(found, FinishedScene)


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
    """Do what is missing of `jobs`, each into its folder in `parts_dir`, in `num_workers` processes
    or on the workers of the Dask cluster whose address is `scheduler`.

    A scene whose work raises is named in `failures`; the others go on. Where the caller moves away
    what is in the folders (not `folders_stay`), their marks alone tell what is finished.
    """
    executors.collect_garbage_seldom()
    processes.keep_freed_memory()
    _remove_left(parts_dir)
    origins = {job.scene_id: job.origin(step, settings) for job in jobs}
    folders = {scene: folder_of(parts_dir, scene) for scene in origins}
    look = folders_stay and not overwrite
    found = {s: find_finished(parts_dir, s, origin, look) for s, origin in origins.items()}
    if overwrite:
        found = {scene: staleness.OVERWRITE if what else "" for scene, what in found.items()}
    reused = {scene: what for scene, what in found.items() if isinstance(what, FinishedScene)}
    redone = {scene: what for scene, what in found.items() if isinstance(what, str) and what}
    if redone:
        log.info("%s: %s", step, staleness.by_reason(redone))
    tasks = [
        _Task(work, job, origins[job.scene_id], parts_dir, overwrite or why == staleness.LOST)
        for job, why in zip(jobs, found.values(), strict=True)
        if job.scene_id not in reused
    ]
    num_bytes = sum(task.job.num_bytes for task in tasks)
    files.check_disk(parts_dir, sum(task.job.num_files for task in tasks), num_bytes)
    results = {scene: done.result for scene, done in reused.items()}
    failures: dict[str, str] = {}
    outcomes = _do_scenes(tasks, parts_dir, num_workers, scheduler)
    with _progress(step, len(jobs), len(reused)) as bar, closing(outcomes):
        for task, outcome in outcomes:
            task.settle(outcome)
            kind = results if isinstance(outcome, PartResult) else failures
            kind[task.job.scene_id] = outcome
            bar.update()
    if scheduler:
        _await_view(parts_dir, {s: origins[s].key for s in results if s not in reused})
    order = [scene for scene in origins if scene in results]
    return RunResult(
        parts={scene: folders[scene] for scene in order},
        results={scene: results[scene] for scene in order},
        failures=dict(sorted(failures.items())),
        redone=redone,
        reused=len(reused),
        accepted={scene: done.accepted for scene, done in reused.items() if done.accepted},
    )


def _remove_left(parts_dir: Path) -> None:
    """Remove what a killed run has left, as the caller holds the folder; but a file that is written
    beside the scenes, as infos are, may be another run's."""
    for left in list(parts_dir.glob(f"*{files.PARTIAL_SUFFIX}*")):
        with suppress(SettingsError), locks.locked(left) if left.is_dir() else nullcontext():
            _discard(left)


@contextmanager
def _progress(step: str, total: int, initial: int) -> Iterator[tqdm]:
    """A bar that lines of the log do not break."""
    bar = tqdm(total=total, initial=initial, desc=step, unit="scene", disable=None)
    with logging_redirect_tqdm(), bar:
        yield bar


@dataclass(frozen=True)
class _Task:
    """One job as a worker gets it, with what its folder is to be known by."""

    work: Work
    job: SceneJob
    origin: Origin
    parts_dir: Path
    replace: bool  # a finished folder in its place, whatever that says

    def settle(self, outcome: PartResult | str) -> None:
        """Tell of warnings and failures; of a scene that is broken now, nothing old stays."""
        scene = self.job.scene_id
        for warning in outcome.warnings if isinstance(outcome, PartResult) else ():
            log.warning("%s: %s", scene, warning)
        if isinstance(outcome, str):
            log.error("%s failed: %s", scene, outcome)
        if isinstance(outcome, BrokenInput):
            _remove_stale(self.parts_dir, scene, self.origin.key)


def _do_scenes(
    tasks: Sequence[_Task], parts_dir: Path, num_workers: int, scheduler: str | None
) -> Iterator[tuple[_Task, PartResult | str]]:
    """(task, outcome) of each as it is ready: its result, or why there is none."""
    if not tasks:
        return
    names = [task.job.scene_id for task in tasks]
    with _run_folder(parts_dir) as run_dir:
        for shard in {folder_of(parts_dir, scene).parent for scene in names}:
            shard.mkdir(exist_ok=True)  # not by the workers: the run may be over
        outcomes = executors.map_unordered(
            _do_scene,
            ((task, run_dir) for task in tasks),
            names,
            num_workers=min(num_workers, len(tasks)),
            scheduler=scheduler,
            shared=run_dir,
        )
        with closing(outcomes):
            for number, outcome in outcomes:
                known = isinstance(outcome, PartResult | str)  # else an error of the cluster
                yield tasks[number], outcome if known else str(outcome)


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


def _do_scene(call: tuple[_Task, Path]) -> PartResult | str:
    """Run one job in a worker: its result, or one line that says why there is none."""
    task, run_dir = call
    part_dir = folder_of(task.parts_dir, task.job.scene_id)
    worker = f"{socket.gethostname()[:20]}.{os.getpid()}"  # for whoever looks into the folder
    partial = run_dir / f"{task.job.scene_id}.{worker}.{uuid.uuid4().hex[:6]}"
    try:
        if part_dir.exists() and not (part_dir / DONE_FILE).exists() and not task.replace:
            raise EngineError(
                f"{part_dir}: already exists and was not made by this command; move it away, or "
                "replace it by --overwrite"
            )
        partial.mkdir()  # without parents: the run may be over
        # On a copy, as a worker has it: what arguments keep of their scene goes with it, while the
        # caller holds the jobs of all scenes.
        result = task.work(deepcopy(task.job.arguments), partial)
        write_done(partial / DONE_FILE, FinishedScene(task.origin, result, files.contents(partial)))
        _publish(partial, part_dir, None if task.replace else task.origin.key)
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
    if key and (there := read_done(part_dir)) is not None and there.origin.key == key:
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


def _remove_stale(parts_dir: Path, scene_id: str, key: str) -> None:
    """Of a scene that is broken now, remove what other inputs or constants gave: not to be taken
    for good."""
    part_dir = folder_of(parts_dir, scene_id)
    if (done := read_done(part_dir)) is not None and done.origin.key != key:
        aside = parts_dir / f"{scene_id}{files.PARTIAL_SUFFIX}"
        os.rename(part_dir, aside)  # half of it, where this is killed, is not taken for a folder
        files.remove(aside)


def _await_view(parts_dir: Path, keys: dict[str, str]) -> None:
    """Wait until this machine sees what others have finished.

    Raises `EngineError` when it does not in `VIEW_SECONDS`.
    """
    start = time.monotonic()
    for folder in {folder_of(parts_dir, scene_id).parent for scene_id in keys}:
        os.listdir(folder)  # makes a network file system look again, also at what was replaced
    for scene_id, key in keys.items():
        part_dir = folder_of(parts_dir, scene_id)
        while (done := read_done(part_dir)) is None or done.origin.key != key:
            if time.monotonic() - start > VIEW_SECONDS:
                raise EngineError(
                    f"{part_dir}: a worker finished it, but it is not visible on "
                    f"this machine after {VIEW_SECONDS} s; is the storage shared? start again"
                )
            time.sleep(0.1)
            os.listdir(part_dir.parent)


def failure_of(error: Exception, part_dir: Path | str = "") -> str:
    """One line that says why a scene failed; `BrokenInput` where its input is no good."""
    is_broken = isinstance(error, BadDataError) and not isinstance(error, MissingInputError)
    passing = os_errors.system_error(error) is not None
    return (BrokenInput if is_broken and not passing else str)(_cause(error, part_dir))


def _cause(error: Exception, part_dir: Path | str) -> str:
    system = os_errors.system_error(error)
    if system is not None and system.filename:  # a reader has only its own remedy
        return os_errors.explain(system)
    if isinstance(error, EngineError):
        return str(error)
    if isinstance(error, OSError):
        return os_errors.explain(error, part_dir)
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return " ".join(f"unexpected {type(error).__name__} at {where}: {error}".split())
