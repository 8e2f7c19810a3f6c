"""Local worker processes: how all commands start and end them.

Each has a pipe to this process and does one call at a time. They never see Ctrl-C, and end when
this process kills them or is gone, however it ends. Uses the standard library only and knows
nothing of the engine: the audit shares it.
"""

from __future__ import annotations

import argparse
import atexit
import ctypes
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.pool import ExceptionWithTraceback
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any

from spatial_engine.utils.running import stopping

MOST_PER_CORE = 16  # processes; more only wait for each other, and take memory
# A worker is one process on one core; libraries that start threads of their own only compete.
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
_running: list[BaseProcess] = []
# Settings of malloc (mallopt): blocks up to so many bytes are taken from memory that was freed, of
# which so much is kept.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_BLOCK_BYTES, _KEPT_BYTES = 2**25, 2**26


class WorkerLost(Exception):
    """A worker died; `items` are the numbers of the items in progress."""

    def __init__(self, items: Sequence[int]):
        super().__init__("a worker process ended unexpectedly (out of memory?)")
        self.items = list(items)


def map_unordered(
    function: Callable[[Any], Any], items: Iterator[Any], num_workers: int
) -> Iterator[tuple[int, Any]]:
    """(number, result) of each item as it is done, by `num_workers` processes (1: this one).

    What the function raises is raised here. Raises `WorkerLost` when a process ends by itself,
    `OSError` when one cannot be started. When this is closed, the processes are gone.
    """
    if num_workers <= 1:
        yield from ((number, function(item)) for number, item in enumerate(items))
        return
    numbered = enumerate(items)
    at_work: dict[Connection, int] = {}
    with _started(num_workers) as idle:
        done: list[tuple[int, Any]] = []
        while True:
            while idle and (entry := next(numbered, None)):
                number, item = entry
                at_work[idle[-1]] = number
                with _explaining_loss(at_work):
                    idle.pop().send((function, item))
            yield from done  # when all have work again
            if not at_work:
                return
            with _explaining_loss(at_work):
                answers = [(connection, connection.recv()) for connection in wait(list(at_work))]
            done = []
            for connection, (is_good, result) in answers:
                if not is_good:
                    raise result
                done.append((at_work.pop(connection), result))
                idle.append(connection)


def keep_freed_memory() -> None:
    """Let this process use for the next scene what the last one has freed. Else it goes back to the
    system and comes again, page by page: a sixth of the time of a scene whose arrays are large.
    Nothing where malloc has no such settings, as outside of Linux."""
    with suppress(OSError, AttributeError):
        malloc = ctypes.CDLL(None)
        malloc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        malloc.mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)


@contextmanager
def _explaining_loss(at_work: dict[Connection, int]) -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError):
        raise WorkerLost(sorted(at_work.values())) from None


@contextmanager
def _started(number: int) -> Iterator[list[Connection]]:
    """Connections to so many new processes, which are gone after the block."""
    processes: list[BaseProcess] = []
    connections: list[Connection] = []
    try:
        with _one_thread():
            resource_tracker.ensure_running()  # some versions of Python unblock signals in it
            for _ in range(number):
                _start(processes, connections)
        yield connections
    finally:
        _end(processes)
        for connection in connections:
            connection.close()


def _start(processes: list[BaseProcess], connections: list[Connection]) -> None:
    """Add one. Started afresh: a fork would copy threads and locks of the libraries."""
    context = multiprocessing.get_context("spawn")
    connection, theirs = context.Pipe()
    connections.append(connection)
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    with stopping.held(), theirs:
        process.start()
        processes.append(process)
        _running.append(process)


@contextmanager
def _one_thread() -> Iterator[None]:
    saved = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.join()
        if process in _running:
            _running.remove(process)


@atexit.register
def _end_all() -> None:
    """Ends workers that a caller left open when this process exits."""
    _end(list(_running))


# ---- in a worker ---------------------------------------------------------------------------------


def _serve(connection: Connection) -> None:
    """Process calls until the parent is gone."""
    with suppress(RuntimeError):  # no thread to be had: it ends after its call
        threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        while True:
            connection.send_bytes(_answer(connection.recv_bytes()))


def _answer(call: bytes) -> Any:
    """(True, result) or (False, error), as bytes."""
    try:
        function, item = ForkingPickler.loads(call)
        return ForkingPickler.dumps((True, function(item)))
    except Exception as error:
        return ForkingPickler.dumps((False, ExceptionWithTraceback(error, error.__traceback__)))


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


# ---- how many ------------------------------------------------------------------------------------


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count(text: str) -> int:
    """A number of workers as a person types it; for `argparse`."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number") from None
    most = MOST_PER_CORE * num_cores()
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    if number > most:
        raise argparse.ArgumentTypeError(f"{number} is more than {most}, {MOST_PER_CORE} a core")
    return number
