"""Times what a short scene costs beside its work: on a Dask cluster of many workers, and here.

All is on this machine: a scheduler on 127.0.0.1, and workers of one thread each, many in a process,
as hundreds of processes have no room. Their work is a sleep of milliseconds and a small file. Then
half of the workers are killed at once, and a cluster grows from no worker and shrinks again. Every
run must put each scene in its place, with the same bytes as local processes.

    python benchmarks/bench_cluster.py --folder /tmp/bench [--workers 500 --scenes 10000]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# First, as it sets the number of threads before numpy is imported.
from common import MAXRSS_PER_MIB, machine, results_path

# isort: split
import psutil
from rich.console import Console
from rich.table import Table

from spatial_engine.utils.running.scene_runner import PartResult, SceneJob, run_scenes
from spatial_engine.utils.storage import files

WORKERS = 500
WORKER_PROCESSES = 4  # that hold them; half are killed
SCENES = 10_000
LOCAL_WORKERS = 2
WORK_SECONDS = 0.005
KILL_SHARE = 0.2  # of the scenes that are done when half of the workers are killed
MOST_ADAPTED = 40  # workers of the cluster that grows and shrinks
SETTINGS = {f"CONSTANT_{number}": [number] * 8 for number in range(40)}  # about those of a step
PATIENCE = 600  # seconds for a cluster to be there


def work(scene: str, part_dir: Path) -> PartResult:
    """What a worker does of a scene: nothing but a file that tells of it."""
    time.sleep(WORK_SECONDS)
    (part_dir / "records.jsonl").write_text(f"{scene}\n" * 4)
    return PartResult({"out": 4})


def run_here(parts: Path, count: int, scheduler: str | None) -> dict[str, float]:
    """Run so many scenes: what it took of this process, which is the parent of a command."""
    names = [f"scene{number:05d}_00" for number in range(count)]
    jobs = [SceneJob(name, name, {"image files": [name, 300, "0" * 32]}) for name in names]
    start, before = time.perf_counter(), time.process_time()
    found = run_scenes(
        "bench", work, jobs, parts, SETTINGS, num_workers=LOCAL_WORKERS, scheduler=scheduler
    )
    for scene, why in found.failures.items():
        raise SystemExit(f"{len(found.failures)} of {count} scenes failed, as {scene}: {why}")
    return {
        "seconds": time.perf_counter() - start,
        "parent_seconds": time.process_time() - before,
        "parent_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_PER_MIB,
    }


def measure(parts: Path, count: int, cluster: Cluster | None = None) -> dict[str, Any]:
    """A run in a process of its own, of which memory tells; with what the scheduler took, and a
    digest of all that is there then."""
    address = [cluster.address] if cluster else []
    before = cluster.scheduler_seconds() if cluster else 0.0
    line = [sys.executable, __file__, "--run", str(parts), str(count), *address]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)} failed; see its messages above")
    found = {"scenes": count, **json.loads(done.stdout.splitlines()[-1]), "bytes": digest_of(parts)}
    if cluster:
        found["scheduler_seconds"] = cluster.scheduler_seconds() - before
        found["scheduler_mib"] = cluster.scheduler.memory_info().rss / 2**20
    files.remove(parts)
    print(found, flush=True)
    return found


def digest_of(parts: Path) -> str:
    """Digest of all that a run has left: names and contents."""
    found = hashlib.sha256()
    for path in sorted(parts.rglob("*")):
        found.update(f"{path.relative_to(parts)}\0".encode())
        found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()[:16]


# ---- clusters ------------------------------------------------------------------------------------


class Cluster:
    """A scheduler in a process of its own, and processes that hold workers."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.address, self.holders = "", []
        self.told = folder / "scheduler.json"
        files.remove(self.told)

    def start(self, *line: str) -> psutil.Popen:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}  # for `work`
        with open(self.folder / "cluster.log", "ab") as log:
            started = psutil.Popen(
                [sys.executable, *line], stdout=log, stderr=log, env=environment, cwd=self.folder
            )
        self.holders.append(started)
        return started

    def start_scheduler(self, *line: str) -> None:
        self.scheduler = self.start(*line)
        wait_for(lambda: self.told.exists() and self.told.read_text().rstrip().endswith("}"))
        self.address = json.loads(self.told.read_text())["address"]

    def add_workers(self, count: int, processes: int) -> None:
        """They are there when this returns."""
        for number in range(processes):
            here = count // processes + (number < count % processes)
            ready = self.folder / f"ready{number}"
            files.remove(ready)
            self.start(__file__, "--serve", self.address, str(here), str(ready))
            wait_for(ready.exists)

    def scheduler_seconds(self) -> float:
        times = self.scheduler.cpu_times()
        return times.user + times.system

    def kill_half_at(self, parts: Path, scenes: int) -> threading.Thread:
        """Kill half of the processes that hold workers when so many scenes are in their place."""

        def kill() -> None:
            while sum(1 for _ in parts.glob("*/*")) < scenes:
                time.sleep(0.2)
            for holder in self.holders[1 : 1 + (len(self.holders) - 1) // 2]:
                holder.kill()

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        return thread

    def end(self) -> None:
        for process in reversed(self.holders):
            with suppress(psutil.NoSuchProcess):
                process.kill()
            process.wait()


@contextmanager
def cluster(folder: Path, *line: str) -> Iterator[Cluster]:
    found = Cluster(folder)
    flags = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    try:
        scheduler = ("-m", "dask", "scheduler", *flags, "--scheduler-file", str(found.told))
        found.start_scheduler(*(line or scheduler))
        yield found
    finally:
        found.end()


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit("the cluster did not come up; see cluster.log")
        time.sleep(0.2)


async def serve(address: str, count: int, ready: Path) -> None:
    """Be so many workers, until the process is killed."""
    from distributed import Worker

    one = {"nthreads": 1, "dashboard": False, "memory_limit": 0, "host": "127.0.0.1"}
    workers = [await Worker(address, **one) for _ in range(count)]
    ready.touch()
    await asyncio.gather(*(worker.finished() for worker in workers))


def adapt(folder: Path) -> None:
    """Be a cluster that has no worker without work; notes how many it has, now and then."""
    from distributed import LocalCluster

    here = {"n_workers": 0, "threads_per_worker": 1, "processes": False, "protocol": "tcp://"}
    with LocalCluster(**here, host="127.0.0.1", dashboard_address=None) as local:
        local.adapt(minimum=0, maximum=MOST_ADAPTED, interval="500ms", wait_count=2)
        (folder / "scheduler.json").write_text(json.dumps({"address": local.scheduler_address}))
        with open(folder / "workers", "w") as notes:
            while True:
                print(len(local.scheduler.workers), file=notes, flush=True)
                time.sleep(0.5)


# ---- the figures ---------------------------------------------------------------------------------


def measure_all(folder: Path, workers: int, scenes: int) -> dict[str, dict[str, Any]]:
    parts = folder / f"scenes{files.PARTS_SUFFIX}"  # as a step names it: split into folders
    files.remove(parts)
    counts = (scenes // 100, scenes // 10, scenes)
    found = {f"{LOCAL_WORKERS} processes": [measure(parts, count) for count in counts]}
    expected = {run["scenes"]: run["bytes"] for run in next(iter(found.values()))}
    with cluster(folder) as many:
        many.add_workers(workers, WORKER_PROCESSES)
        name = f"{workers} workers"
        found[name] = [measure(parts, count, many) for count in counts[1:]]
        many.kill_half_at(parts, int(KILL_SHARE * counts[1]))
        found[f"{name}, half killed"] = [measure(parts, counts[1], many)]
    with cluster(folder, __file__, "--adapt", str(folder)) as adaptive:
        time.sleep(2)  # as for a while without work
        runs = [measure(parts, scenes // 10, adaptive)]
        wait_for(lambda: (folder / "workers").read_text().endswith("\n0\n"))
        runs += [measure(parts, scenes // 10, adaptive)]
        seen = [int(number) for number in (folder / "workers").read_text().split()]
        found[f"0 to {max(seen)} workers"] = runs
    for name, runs in found.items():
        for run in runs:
            if run["bytes"] != expected[run["scenes"]]:
                raise SystemExit(f"{name}: other bytes than local processes give")
    return found


def show(found: dict[str, list[dict[str, Any]]]) -> None:
    """Print the figures of each run."""
    heads = ("scenes", "ms a scene", "of the parent", "of the scheduler")
    table = Table("", *heads, "parent MiB", "scheduler MiB")
    for name, runs in found.items():
        for run in runs:
            each = [
                f"{1000 * run[key] / run['scenes']:.2f}" if key in run else ""
                for key in ("seconds", "parent_seconds", "scheduler_seconds")
            ]
            mib = [
                f"{run[key]:.0f}" if key in run else "" for key in ("parent_mib", "scheduler_mib")
            ]
            table.add_row(name, f"{run['scenes']:,}", *each, *mib)
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--scenes", type=int, default=SCENES)
    args = parser.parse_args()
    folder = args.folder.absolute() / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    found = measure_all(folder, args.workers, args.scenes)
    path = results_path(args.folder, __file__)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**machine(), "runs": found}, indent=1))
    show(found)


if __name__ == "__main__":
    # A process that this script has started, or the script itself.
    role, given = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 2 else ("", [])
    if role == "--serve":
        asyncio.run(serve(given[0], int(given[1]), Path(given[2])))
    elif role == "--adapt":
        adapt(Path(given[0]))
    elif role == "--run":
        import bench_cluster  # by this name workers find `work`

        address = given[2] if len(given) > 2 else None
        print(json.dumps(bench_cluster.run_here(Path(given[0]), int(given[1]), address)))
    else:
        main()
