"""Work spread over processes, in order, and counted on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

from spatial_engine.utils.running import processes


def run_jobs(
    work: Callable[[Any], Any], jobs: Sequence[Any], workers: int, what: str
) -> Iterator[Any]:
    """Results of `work` in the order of the jobs, from as many processes.

    Raises `processes.WorkerLost` when a process ends by itself.
    """
    done = processes.map_unordered(work, iter(jobs), min(workers, len(jobs)))
    with closing(done):
        yield from _counted(_ordered(done), len(jobs), what)


def _ordered(done: Iterable[tuple[int, Any]]) -> Iterator[Any]:
    results: dict[int, Any] = {}
    number = 0
    for place, result in done:
        results[place] = result
        while number in results:
            yield results.pop(number)
            number += 1


def _counted(results: Iterable[Any], total: int, what: str) -> Iterator[Any]:
    """The same, counted on a terminal."""
    tell = sys.stderr.isatty()
    for done, result in enumerate(results, start=1):
        if tell:
            end = "\n" if done == total else ""
            print(f"\r{what}: {done:,} of {total:,}", end=end, file=sys.stderr, flush=True)
        yield result
