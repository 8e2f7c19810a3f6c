"""The same work on many items, over the cores there are, or over a cluster; results in order."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from spatial_engine.utils.running import executors
from spatial_engine.utils.running.progress import tqdm

T, R = TypeVar("T"), TypeVar("R")
FEW = 4  # items: below, starting processes takes longer than the work


@dataclass(frozen=True)
class Workers:
    """Who does the work: so many local processes, or a Dask cluster that sees the folder
    `shared`."""

    num_workers: int = 1
    scheduler: str | None = None
    shared: Path | None = None

    @classmethod
    def of(cls, args: argparse.Namespace, shared: Path) -> Workers:
        """As the flags say."""
        return cls(args.num_workers, args.scheduler, shared)


def spread(
    work: Callable[[T], R],
    items: Sequence[T],
    workers: Workers,
    what: str,
    unit: str,
    chunk: int = 1,
) -> list[R]:
    """`work` of every item, with a bar; `chunk` items go to a process at a time.

    Raises `EngineError` when a process dies.
    """
    chunks = [items[start : start + chunk] for start in range(0, len(items), chunk)]
    few = len(chunks) < FEW
    done = executors.map_unordered(
        partial(_each, work),
        iter(chunks),
        [f"{what} {number}" for number in range(len(chunks))],
        num_workers=1 if few else min(workers.num_workers, len(chunks)),
        scheduler=None if few else workers.scheduler,
        shared=workers.shared,
    )
    results: dict[int, list[R]] = {}
    with closing(done), tqdm(total=len(items), desc=what, unit=unit, disable=None) as bar:
        for number, made in done:
            if isinstance(made, Exception):
                raise made
            results[number] = made
            bar.update(len(made))
    return [result for number in range(len(chunks)) for result in results[number]]


def _each(work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    return [work(item) for item in items]
