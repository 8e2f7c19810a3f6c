"""Spreads calls of a function over local processes, or over the workers of a Dask cluster.

The one module that knows either, and it knows nothing else. Results come as they are ready, few
calls are under way at a time, and each has one core. Nothing stays on a cluster afterwards.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from spatial_engine.errors import EngineError, SettingsError
from spatial_engine.utils.running import processes
from spatial_engine.utils.storage import engine_code
from spatial_engine.utils.storage.engine_code import Program

log = logging.getLogger(__name__)

IN_FLIGHT = 2  # calls for each worker: one at work, one waiting; arguments can be 0.5 MB
MESSAGE_BYTES = 2**22  # of calls that are sent together; Dask warns of 10 MB
# For a scheduler to answer, the first time and the next: on a machine that has much else to do it
# may take a while.
JOIN_SECONDS = (5, 10, 20)
PAUSE_SHARE = 0.2  # of those, between two attempts
WORKER_SECONDS = 60  # that a cluster may be without any worker, at the start and later
LOOK_SECONDS = 0.1  # between two looks at that number while it is 0
REFRESH_SECONDS = 2  # between two questions how many workers a cluster has
# Of a call that raised, as when a worker could not load a module just then. Calls of lost workers
# are given to others by the scheduler itself; a call that was with more lost workers than its
# setting distributed.scheduler.allowed-failures says (3) fails, and the others go on.
RETRIES = 2
INSTALL = "pip install -r requirements/cluster.txt"
# The code as it is when this is imported, not later: a worker runs on with what it has loaded.
_CODE = engine_code.digest_of_program()
_SELDOM = (100_000, 20, 100)  # thresholds of the garbage collector


def map_unordered(
    function: Callable[[Any], Any],
    items: Iterator[Any],
    names: Sequence[str],
    *,
    num_workers: int,
    scheduler: str | None = None,
    shared: Path | None = None,
) -> Iterator[tuple[int, Any]]:
    """(number, result) of each item as it is done; `names` name the items in messages.

    With `scheduler`, the address of a Dask cluster, its workers do the work and must see the folder
    `shared`; otherwise `num_workers` local processes do (1: this one). An item that cost several
    workers of a cluster their life has an `EngineError` as its result. Raises `SettingsError` where
    the cluster cannot be used, `EngineError` where no worker is left.
    """
    if not scheduler:
        yield from _map_here(function, items, names, num_workers)
        return
    with _join_cluster(scheduler, shared) as workers:
        numbered = enumerate(items)
        while True:
            most = IN_FLIGHT * workers.count()
            workers.submit(function, list(islice(numbered, max(most - workers.num_under_way, 0))))
            if not workers.num_under_way:
                if most:
                    return
                time.sleep(LOOK_SECONDS)  # all workers are gone; others may come
            for number, result in workers.results():
                if isinstance(result, BaseException):
                    result = workers.explain(result, names[number])
                yield number, result


def _map_here(
    function: Callable[[Any], Any], items: Iterator[Any], names: Sequence[str], num_workers: int
) -> Iterator[tuple[int, Any]]:
    """Local processes, or this one."""
    if num_workers > 1:
        function = partial(_call_here, _CODE, function)
    try:
        yield from processes.map_unordered(function, items, num_workers)
    except processes.WorkerLost as lost:
        at = ", ".join(names[number] for number in lost.items)
        raise EngineError(
            f"{lost}, at one of {at}; finished scenes are kept; start the command again, "
            "with a smaller --num-workers if it happens again"
        ) from None


class _Cluster:
    """The workers of a Dask cluster, those that come later included.

    Calls are sent as bytes, and many in one message: to the scheduler a call is nothing that it
    could take apart, and results of many are fetched at once. With hundreds of workers it is the
    scheduler that has the most to do.
    """

    def __init__(self, client: Any, address: str, terms: _Terms):
        self.client, self.address, self.terms = client, address, terms
        self.under_way: dict[int, Any] = {}  # Dask futures by number of the call
        self.ended: SimpleQueue[int] = SimpleQueue()  # numbers whose results can be fetched
        self.fetching: Future | None = None
        self.slots = 0
        self.asked = self.there = time.monotonic() - REFRESH_SECONDS

    @property
    def num_under_way(self) -> int:
        return len(self.under_way)

    def submit(self, function: Callable[[Any], Any], calls: Sequence[tuple[int, Any]]) -> None:
        """Have the function called with each (number, item)."""
        from distributed.protocol.pickle import dumps

        message: dict[int, bytes] = {}
        size = 0
        for number, item in calls:
            message[number] = dumps((function, item))
            size += len(message[number])
            if size >= MESSAGE_BYTES:
                self._send(message)
                message, size = {}, 0
        self._send(message)

    def _send(self, message: dict[int, bytes]) -> None:
        if not message:
            return
        remotes = self.client.map(
            _call_on_worker, [*message.values()], terms=self.terms, pure=False, retries=RETRIES
        )
        for number, remote in zip(message, remotes, strict=True):
            self.under_way[number] = remote
            # Called in another thread.
            remote.add_done_callback(lambda _, number=number: self.ended.put(number))

    def results(self) -> list[tuple[int, Any]]:
        """(number, result or error) of calls that have ended; empty where none does for a while."""
        if not self.under_way:
            return []
        if self.fetching is None:
            with suppress(Empty):
                ended = [self.ended.get(timeout=REFRESH_SECONDS)]
                ended += (self.ended.get_nowait() for _ in range(self.ended.qsize()))
                loop = self.client.loop.asyncio_loop
                self.fetching = asyncio.run_coroutine_threadsafe(self._fetch(ended), loop)
        if self.fetching is None or not wait([self.fetching], REFRESH_SECONDS).done:
            return []  # a worker was lost with what it had made, which is made again
        found, self.fetching = self.fetching.result(), None
        for number, _ in found:
            del self.under_way[number]  # the cluster forgets what nobody holds
        return found

    async def _fetch(self, numbers: Sequence[int]) -> list[tuple[int, Any]]:
        """(number, result or error) of calls that have ended, in few messages."""
        remotes = [self.under_way[number] for number in numbers]
        results = await asyncio.gather(
            *(self.client.gather(remote, asynchronous=True) for remote in remotes),
            return_exceptions=True,
        )
        return list(zip(numbers, results, strict=True))

    def count(self) -> int:
        """Calls that can be at work at a time."""
        if time.monotonic() - self.asked >= REFRESH_SECONDS:
            self.slots = sum(self.client.nthreads().values())
            self.asked = time.monotonic()
        if self.slots:
            self.there = time.monotonic()
        elif time.monotonic() - self.there > WORKER_SECONDS:
            raise EngineError(
                f"{self.address}: no worker for {WORKER_SECONDS} s; start `dask worker "
                f"{self.address}` on each machine; finished scenes are kept"
            )
        return self.slots

    def await_worker(self) -> None:
        """Return when there is a worker."""
        if self.count():
            return
        log.info("%s: waiting for a worker, %d s at most", self.address, WORKER_SECONDS)
        wish = self.client.submit(os.getpid, pure=False)  # a cluster may grow with its work only
        while not self.count():
            time.sleep(LOOK_SECONDS)
        wish.release()

    def explain(self, error: BaseException, name: str) -> EngineError:
        """Raise an error that ends the command, or return one that concerns the call `name`
        alone."""
        from distributed.scheduler import KilledWorker

        if isinstance(error, EngineError):
            raise error
        if isinstance(error, CancelledError | asyncio.CancelledError):  # by nobody here
            raise self.lost()
        if isinstance(error, KilledWorker):
            return EngineError(
                f"{error.allowed_failures + 1} workers ended while holding this scene (last: "
                f"{error.last_worker.address}); out of memory, or stopped with their machines? see "
                "the log of that worker, and start the command again"
            )
        raise EngineError(
            f"{self.address}: {name} could not be sent to a worker or back: "
            f"{type(error).__name__}: {error}; do scheduler and workers run in the same "
            "environment as this command?"
        )

    def lost(self) -> EngineError:
        return EngineError(
            f"{self.address}: the connection to the scheduler was lost; finished scenes are kept, "
            "start the command again when it is back"
        )


@contextmanager
def _join_cluster(address: str, shared: Path) -> Iterator[_Cluster]:
    """The cluster at an address, after checking that it can be used."""
    program = engine_code.program(_CODE, engine_code.needed_libraries())
    terms = _Terms(program, str(shared.absolute()))
    cluster = _join(address, terms)
    try:
        log.info(
            "%s: workers: %d, threads: %d; --num-workers is for local processes",
            *(address, len(cluster.client.nthreads()), cluster.count()),
        )
        yield cluster
    except OSError as error:  # a TimeoutError is one
        raise cluster.lost() from error
    finally:
        if cluster.fetching:
            cluster.fetching.cancel()
        with suppress(Exception):  # whatever the scheduler can still be told
            cluster.client.cancel(list(cluster.under_way.values()), force=True)
        _close(cluster.client)


def check_cluster(address: str, shared: Path) -> None:
    """Raise the `EngineError` of `map_unordered` where the cluster cannot be used."""
    with _join_cluster(address, shared):
        pass


def _join(address: str, terms: _Terms) -> _Cluster:
    """Join the scheduler, in several attempts; `SettingsError` when all fail, whatever is raised,
    and at once where another attempt changes nothing."""
    try:
        import distributed
    except ImportError as error:
        raise SettingsError(f"--scheduler needs Dask ({error}): {INSTALL}") from None
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters of it is one line here
    for seconds in JOIN_SECONDS:
        client = None
        try:
            kind = asyncio.run(_identify(address, seconds))
            if kind != "Scheduler":
                raise ValueError(f"it is a {kind}")
            client = distributed.Client(address, timeout=seconds, set_as_default=False)
            cluster = _Cluster(client, address, terms)
            cluster.await_worker()
            _check_cluster(client, address, terms)
            return cluster
        except BaseException as error:  # whatever a stranger's answer, or being late, leads to
            _close(client)
            if isinstance(error, EngineError) or not isinstance(error, Exception):
                raise
            cause = " ".join(str(error).split()) or type(error).__name__
            if seconds == JOIN_SECONDS[-1] or isinstance(error, ValueError | TypeError):
                break
            log.info("%s: no answer yet (%s), trying again", address, cause)
            time.sleep(PAUSE_SHARE * seconds)
    raise SettingsError(
        f"--scheduler {address}: no Dask scheduler answers ({cause}); start one by `dask "
        "scheduler`, and give the address that it prints"
    )


async def _identify(address: str, seconds: float) -> str:
    """What answers there calls itself. (A Client that fails halfway cannot be closed in time.)"""
    from distributed import Security, rpc

    security = Security().get_connection_args("client")
    async with rpc(address, timeout=seconds, connection_args=security) as server:
        answer = await asyncio.wait_for(server.identity(), seconds)
    return answer["type"]


def _close(client: Any) -> None:
    """End the connection; nothing is sent to a scheduler that is gone."""
    if client is not None:
        with suppress(Exception):
            client.close(timeout=JOIN_SECONDS[0])


@dataclass(frozen=True)
class _Terms:
    """What a worker and this command must have in common: program and folder."""

    program: Program
    shared: str

    def refusal(self, place: str) -> str:
        """Why this process, which `place` names, cannot do the work; empty where it can."""
        here = engine_code.program(_CODE, [name for name, _ in self.program.libraries])
        if differs := self.program.refusal(place, here):
            return differs
        if os.path.isdir(self.shared):
            return ""
        return (
            f"{place} does not see {self.shared}, which this command has just made; --root "
            "must be on storage that all machines share, under the same path"
        )


def _check_cluster(client: Any, address: str, terms: _Terms) -> None:
    """Refuse a cluster with another program, or without the shared folder. It is asked for its
    versions first, in a way that needs none of our code there."""
    found = client.get_versions(packages=["spatial_engine"])
    places = {f"scheduler {address}": found["scheduler"]}
    places |= {f"worker {worker}": its for worker, its in sorted(found["workers"].items())}
    for place, its in places.items():
        version = its["packages"]["spatial_engine"]
        if version != terms.program.version:
            raise SettingsError(terms.program.refusal_of_version(place, version))
        python = ".".join(its["packages"]["python"].split(".")[:2])
        if python != engine_code.version_of("Python"):  # functions go as bytecode
            raise SettingsError(
                f"{place} runs Python {python}, this command {platform.python_version()}"
            )
    refusals = client.run(_refusal, terms, on_error="return")
    for worker, refusal in sorted(refusals.items()):
        if isinstance(refusal, Exception) and not isinstance(refusal, OSError):  # not: it has left
            refusal = f"worker {worker} cannot be asked what it runs ({refusal}); start it again"
        if refusal and isinstance(refusal, str):
            raise SettingsError(refusal)


_agreed: set[_Terms] = set()  # in a worker of a cluster: what it was found to have


def _refusal(terms: _Terms, dask_worker: Any) -> str:
    """Why a worker cannot work; empty where it can. (Dask gives a function that it runs outside of
    all tasks the worker, by this name.)"""
    return terms.refusal(f"worker {dask_worker.address}")


def _call_on_worker(sent: bytes, terms: _Terms) -> Any:
    """One call, in a worker that may have come after the start: checked and set up at its first,
    before the call is unpacked."""
    from distributed import get_worker
    from distributed.protocol.pickle import loads

    if terms not in _agreed:
        if refusal := _refusal(terms, get_worker()):
            return SettingsError(refusal)  # not raised: it would be tried again, elsewhere
        _use_one_core()
        _agreed.add(terms)
    function, item = loads(sent)
    return function(item)


def _call_here(code: str, function: Callable[[Any], Any], item: Any) -> Any:
    """One call, in a local process that may have been started long after the command."""
    if code != _CODE:
        raise EngineError(
            "the engine's code was changed while this command ran; finished scenes are kept, start "
            "it again"
        )
    _use_one_core()
    return function(item)


def _use_one_core() -> None:
    """Keep a worker to one thread for a call."""
    import cv2

    collect_garbage_seldom()
    processes.keep_freed_memory()
    cv2.setNumThreads(1)


def collect_garbage_seldom() -> None:
    """Records are many small containers without cycles: looking for cycles among them at Python's
    usual rate takes a third of the time of making them. A process does this once: objects that are
    garbage at that moment would never be freed."""
    if gc.get_threshold() != _SELDOM:
        gc.freeze()  # what is there by now stays, modules above all
        gc.set_threshold(*_SELDOM)
