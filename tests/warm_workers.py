"""Workers that commands in one test process take over from each other.

A command starts workers for each of its parts and ends them after it, as a user's must; most of
what they cost on the sample scenes is the libraries that each loads. Here a worker that has done
its calls waits for the next command. One that was left at work is ended, as ever.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from spatial_engine.utils.running import processes


@dataclass(frozen=True)
class Worker:
    connection: Connection
    process: BaseProcess
    folder: str  # that it works in


_waiting: list[Worker] = []


@contextmanager
def started(number: int) -> Iterator[list[Connection]]:
    """In place of `processes._started`: connections to so many workers. Those that are in the list
    at the end of the block have nothing to do, and wait."""
    here = os.getcwd()
    workers = [w for w in _waiting if w.folder == here and w.process.is_alive()][:number]
    _waiting[:] = [worker for worker in _waiting if worker not in workers]
    idle = [worker.connection for worker in workers]
    fresh: list[BaseProcess] = []
    try:
        with processes._one_thread():
            resource_tracker.ensure_running()
            for _ in range(number - len(workers)):
                processes._start(fresh, idle)
                workers.append(Worker(idle[-1], fresh[-1], here))
        yield idle
    finally:
        kept = [w for w in workers if w.connection in idle and w.process.is_alive()]
        _waiting.extend(kept)
        _end([worker for worker in workers if worker not in kept])


def end() -> None:
    """End the workers that wait."""
    _end(_waiting)
    _waiting.clear()


def _end(workers: list[Worker]) -> None:
    processes._end([worker.process for worker in workers])
    for worker in workers:
        worker.connection.close()
