"""Work spread over processes, without the engine's runner: the audit imports nothing of it."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def run_jobs(
    work: Callable[[Any], Any], jobs: Sequence[Any], workers: int, what: str
) -> Iterator[Any]:
    """Results of `work` in the order of the jobs, from as many processes."""
    if workers == 1 or len(jobs) < 2:
        yield from _counted(map(work, jobs), len(jobs), what)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context)
    try:
        yield from _counted(pool.map(work, jobs), len(jobs), what)
    finally:
        pool.shutdown(cancel_futures=True)


def _counted(results: Iterable[Any], total: int, what: str) -> Iterator[Any]:
    """The same, counted on a terminal."""
    tell = sys.stderr.isatty()
    for done, result in enumerate(results, start=1):
        if tell:
            end = "\n" if done == total else ""
            print(f"\r{what}: {done:,} of {total:,}", end=end, file=sys.stderr, flush=True)
        yield result
