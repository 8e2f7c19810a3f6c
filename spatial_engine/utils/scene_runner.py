"""Maps scenes over worker processes: progress, resume, failures by name, the same bytes always.

The one module that knows how work is spread. A step gives a top-level function
`work(arguments, part_dir) -> PartResult` and a list of `SceneJob`; each job's files are written to
a folder of their own under a temporary name, which is renamed when the scene is finished. A
finished folder is used again under the same key (see `provenance`) and done anew under another.
Nothing depends on the order in which scenes finish.
"""

from __future__ import annotations

import gc
import json
import logging
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from spatial_engine.errors import EngineError
from spatial_engine.utils import files
from spatial_engine.utils.provenance import work_key

log = logging.getLogger(__name__)

DONE_FILE = ".done.json"  # in a finished folder: its key and counts
# A worker is one process on one core; libraries that start threads of their own only compete.
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


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
    what else was counted."""

    counts: dict[str, int] = field(default_factory=dict)
    drops: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: dict[str, dict[str, int]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


Work = Callable[[Any, Path], PartResult]


@dataclass
class RunResult:
    """Finished scenes with their folders, in the order of the jobs; failures by scene."""

    parts: dict[str, Path]
    results: dict[str, PartResult]
    failures: dict[str, str]
    reused: int
    seconds: float


@dataclass(frozen=True)
class FinishedScene:
    """What stands in the `DONE_FILE` of a finished folder."""

    step: str
    key: str
    settings: dict[str, Any]
    inputs: Any
    result: PartResult


def job_key(step: str, settings: dict[str, Any], job: SceneJob) -> str:
    """Key under which a scene's finished work is used again."""
    return work_key(step, settings, [job.scene_id, job.inputs])


def is_done(parts_dir: Path, step: str, settings: dict[str, Any], job: SceneJob) -> bool:
    """Whether the scene's folder is finished and still good."""
    done = _read_done(parts_dir / job.scene_id)
    return done is not None and done.key == job_key(step, settings, job)


def run_scenes(
    step: str,
    work: Work,
    jobs: Sequence[SceneJob],
    parts_dir: Path,
    settings: dict[str, Any],
    *,
    num_workers: int,
    overwrite: bool = False,
) -> RunResult:
    """Do what is missing of `jobs`, each into `parts_dir/<scene id>/`.

    A scene whose work raises is named in `failures`; the others go on.
    """
    start = time.perf_counter()
    _collect_garbage_seldom()
    for left in list(parts_dir.glob(f"*{files.PARTIAL_SUFFIX}*")):
        files.remove(left)  # of a killed run; the caller holds the folder
    done: dict[str, PartResult] = {}
    for job in jobs if not overwrite else ():
        finished = _read_done(parts_dir / job.scene_id)
        if finished is not None and finished.key == job_key(step, settings, job):
            done[job.scene_id] = finished.result
    reused = len(done)
    failures: dict[str, str] = {}
    todo = [job for job in jobs if job.scene_id not in done]
    arguments = ((step, work, job, parts_dir / job.scene_id, settings, overwrite) for job in todo)
    bar = tqdm(total=len(jobs), initial=reused, desc=step, unit="scene", disable=None)
    with logging_redirect_tqdm(), bar:
        names = [job.scene_id for job in todo]
        outcomes = _map_unordered(_do_scene, arguments, names, min(num_workers, len(todo)))
        for number, outcome in outcomes:
            scene_id = todo[number].scene_id
            if isinstance(outcome, PartResult):
                done[scene_id] = outcome
                for warning in outcome.warnings:
                    log.warning("%s: %s", scene_id, warning)
            else:
                failures[scene_id] = outcome
                log.error("%s failed: %s", scene_id, outcome)
            bar.update()
    order = [job.scene_id for job in jobs if job.scene_id in done]
    return RunResult(
        parts={scene_id: parts_dir / scene_id for scene_id in order},
        results={scene_id: done[scene_id] for scene_id in order},
        failures=dict(sorted(failures.items())),
        reused=reused,
        seconds=time.perf_counter() - start,
    )


def _do_scene(task: tuple[str, Work, SceneJob, Path, dict[str, Any], bool]) -> PartResult | str:
    """Run one job in a worker: its result, or one line that says why there is none."""
    step, work, job, part_dir, settings, overwrite = task
    key = job_key(step, settings, job)
    partial = part_dir.with_name(f"{part_dir.name}.{os.getpid()}{files.PARTIAL_SUFFIX}")
    try:
        if part_dir.exists() and not (part_dir / DONE_FILE).exists() and not overwrite:
            raise EngineError(
                f"{part_dir}: is there, but was not made by this command; move it away, or replace "
                "it by --overwrite"
            )
        partial.mkdir(parents=True)
        result = work(job.arguments, partial)
        done = FinishedScene(step, key, settings, job.inputs, result)
        (partial / DONE_FILE).write_text(json.dumps(asdict(done)), encoding="utf-8")
        files.remove(part_dir)
        os.replace(partial, part_dir)
    except Exception as error:
        files.remove(partial)
        if (done := _read_done(part_dir)) is not None and done.key != key:
            files.remove(part_dir)  # of other inputs or constants: not to be taken for good
        return _cause(error, part_dir)
    except BaseException:
        files.remove(partial)
        raise
    return result


def _cause(error: Exception, part_dir: Path) -> str:
    """One line that says why a scene failed."""
    if isinstance(error, EngineError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or part_dir}: {error.strerror or error}"
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
        return FinishedScene(**{**done, "result": PartResult(**done["result"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _map_unordered(
    function: Callable[[Any], Any], items: Iterator[Any], names: list[str], num_workers: int
) -> Iterator[tuple[int, Any]]:
    """(number, result) of each item as it is done; few items are in flight at a time."""
    if num_workers <= 1:
        yield from ((number, function(item)) for number, item in enumerate(items))
        return
    with _executor(num_workers) as executor:
        pending: dict[Any, int] = {}
        numbered = enumerate(items)
        try:
            while True:
                while len(pending) < 2 * num_workers and (entry := next(numbered, None)):
                    number, item = entry
                    pending[executor.submit(function, item)] = number
                if not pending:
                    return
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield pending.pop(future), result
        except BrokenProcessPool:
            at_work = ", ".join(names[number] for number in sorted(pending.values()))
            raise EngineError(
                f"a worker process ended without a word, at one of {at_work} (was memory short?); "
                "finished scenes are kept, start the command again, with a smaller --num-workers "
                "if it recurs"
            ) from None


@contextmanager
def _executor(num_workers: int) -> Iterator[Executor]:
    """Local processes, started afresh: a fork would copy threads and locks of the libraries."""
    saved = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(
            num_workers, mp_context=context, initializer=_prepare_worker, initargs=(os.getpid(),)
        ) as executor:
            try:
                yield executor
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _collect_garbage_seldom() -> None:
    """Records are many small containers without cycles: looking for cycles among them at Python's
    usual rate takes a third of the time of making them."""
    gc.freeze()  # what is there by now stays, modules above all
    gc.set_threshold(100_000, 20, 100)


def _prepare_worker(parent: int) -> None:
    """Keep a worker to one thread, leave Ctrl-C to the parent, and end when that is gone."""
    import signal
    import threading

    import cv2

    def follow_parent() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=follow_parent, daemon=True).start()
    _collect_garbage_seldom()
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
