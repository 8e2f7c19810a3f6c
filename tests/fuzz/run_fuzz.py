"""Feeds damaged and invented files to every reader of the engine.

    python tests/fuzz/run_fuzz.py --cases 100000 --seed 0 --processes 2
    python tests/fuzz/run_fuzz.py --targets sens ply --cases 5000
    python tests/fuzz/run_fuzz.py --targets sens --replay FILE

A file must be read or be refused by an `EngineError` (by the audit with a `RawDataError`) of one
line. A finding is anything else: another exception, an answer that makes no sense, a crash of the
interpreter, more memory than the target may take, or more than `HANG_SECONDS`. Findings are saved
with their bytes, one for each cause, and the exit code is 1. The same seed gives the same files,
however the work is spread.

Files are read in child processes, whose address space is limited on Linux; a child that dies or
hangs is replaced, and the next file is tried.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import hypothesis
import mutations
import numpy as np
import pyarrow as pa
from target import Target
from targets import FAULTY, TARGETS

HANG_SECONDS = 10.0  # small files take milliseconds
ROOM_MB = 512  # address space above what a target may take: libraries map more than they use
BATCH = 20  # texts that hypothesis makes at a time: the short run needs no more
MOST_FINDINGS = 20  # of one target; then it is left
MAX_MESSAGE = 3000  # characters of a line that is still one
COLUMNS = ("cases", "right", "refused", "findings", "slowest_us", "peak_kb")
LINUX = sys.platform.startswith("linux")

ALL = TARGETS | FAULTY


class Cases:
    """The files of one target by number: the same for the same seed."""

    def __init__(self, name: str, seed: int):
        self.name, self.seed, self.target = name, seed, ALL[name]
        self.seeds = self.target.seeds()
        self._texts = functools.lru_cache(2)(self._make_texts)

    def __getitem__(self, number: int) -> bytes:
        if number < len(self.seeds):
            return self.seeds[number]
        rng = random.Random(f"{self.seed}/{self.name}/{number}")
        data = rng.choice(self.seeds)
        done = rng.random() < 0.9
        if self.target.texts is not None and number % 4 == 0:
            made = self._texts(number // 4 // BATCH)
            data = made[number // 4 % len(made)]
        elif self.target.reshape and rng.random() < 0.6:
            data = rng.choice(self.target.reshape)(rng, data)
        else:
            done = False
        if done:
            return data
        return mutations.damage(rng, data, self.seeds, self.target.tokens)

    def _make_texts(self, batch: int) -> list[bytes]:
        made: list[bytes] = []

        @hypothesis.seed(zlib.crc32(f"{self.seed}/{self.name}/{batch}".encode()))
        @hypothesis.settings(
            max_examples=BATCH, database=None, deadline=None, phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )  # fmt: skip
        @hypothesis.given(self.target.texts)
        def draw(data: bytes) -> None:
            made.append(data)

        draw()
        return made


class State:
    """What a child tells: in a file that is there whatever becomes of it. Times are monotonic."""

    def __init__(self, path: Path):
        if not path.exists():
            path.write_bytes(bytes(8 * (3 + len(ALL) * len(COLUMNS))))
        self._numbers = np.memmap(path, np.int64, "r+")
        self.now = self._numbers[:3]  # target, case, start in ns (0: none)
        self.counts = self._numbers[3:].reshape(len(ALL), len(COLUMNS))


# ---- in a child ----------------------------------------------------------------------------------


def try_file(target: Target, data: bytes, folder: Path, number: int = 0) -> tuple[str, str]:
    """("right", ""), ("refused", line) or (kind of finding, traceback)."""
    path = folder / target.name
    path.write_bytes(data)
    os.utime(path, ns=(number, number))  # readers may keep what they know of a file by its time
    try:
        target.read(path)
    except target.refusals as error:
        line = target.shown(str(error))
        if not line.isprintable() or not line or len(line) > MAX_MESSAGE:
            return "message", repr(line)
        return "refused", line
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return type(error).__name__, traceback.format_exc()
    return "right", ""


def run_child(jobs: Sequence[tuple[str, int, int]], state: State, seed: int, found: Path) -> None:
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    cv2.setNumThreads(0)
    causes: set[str] = set()
    names = list(ALL)
    with tempfile.TemporaryDirectory() as folder:
        for name, start, stop in jobs:
            cases, index = Cases(name, seed), names.index(name)
            counts, target = state.counts[index], ALL[name]
            limit_memory(target.memory_mb)
            for number in range(start, stop):
                if counts[3] >= MOST_FINDINGS:
                    break
                data = cases[number]
                before = memory_kb("VmRSS")
                began = time.monotonic_ns()
                state.now[:] = index, number, began
                kind, text = try_file(target, data, Path(folder), number)
                micros = (time.monotonic_ns() - began) // 1000
                state.now[2] = 0
                peak = memory_kb("VmHWM") - before
                if peak > 2**14:
                    forget_peak()
                if peak > target.memory_mb * 1024:
                    kind, text = "memory", f"{peak} KiB for {len(data)} bytes ({kind})\n{text}"
                counts[0] += 1
                counts[4], counts[5] = max(counts[4], micros), max(counts[5], peak)
                if kind in ("right", "refused"):
                    counts[1 if kind == "right" else 2] += 1
                    continue
                cause = f"{name} {kind} {place_of(text)}"
                if cause not in causes:
                    causes.add(cause)
                    counts[3] += 1
                    save(found, name, number, kind, data, text)


def place_of(text: str) -> str:
    """The last lines of code in a traceback, which tell one cause from another."""
    return " ".join(line for line in text.splitlines() if line.startswith("  File"))[-200:]


def limit_memory(megabytes: int) -> None:
    """Let the address space of this process grow by so much above what it is now."""
    if LINUX:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = memory_kb("VmSize") * 1024 + (megabytes + ROOM_MB) * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def memory_kb(field: str) -> int:
    """A figure of this process: VmRSS (now), VmHWM (peak), VmSize (address space); 0 elsewhere."""
    if not LINUX:
        return 0
    with open("/proc/self/status", "rb") as file:
        text = file.read()
    return int(text[text.index(field.encode()) :].split(None, 2)[1])


def forget_peak() -> None:
    if LINUX:
        Path("/proc/self/clear_refs").write_text("5")


# ---- in the parent -------------------------------------------------------------------------------


def save(found: Path, name: str, number: int, kind: str, data: bytes, text: str) -> None:
    found.mkdir(parents=True, exist_ok=True)
    (found / f"{name}-{number}-{kind}").write_bytes(data)
    (found / f"{name}-{number}-{kind}.txt").write_text(text, "utf-8", "backslashreplace")


class Worker:
    """A child and the jobs that it has yet to do; started again where it ended before its time."""

    def __init__(self, jobs, state_path: Path, seed: int, found: Path):
        self.jobs = [list(job) for job in jobs]
        self.state, self._state_path = State(state_path), state_path
        self._log = state_path.with_suffix(".log")
        self.seed, self.found = seed, found
        self.process = self._start()

    def _start(self) -> subprocess.Popen:
        flags = ["--child", json.dumps(self.jobs), "--state", str(self._state_path)]
        flags += ["--seed", str(self.seed), "--findings", str(self.found)]
        # Temporary files of a child that is killed go with the folder of the run.
        own = {"TMPDIR": str(self._state_path.parent)}
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **own}
        with open(self._log, "wb") as log:  # libraries print much about damaged files
            return subprocess.Popen([sys.executable, __file__, *flags], env=environment, stderr=log)

    def is_done(self, hang_seconds: float) -> bool:
        """Look after the child."""
        code = self.process.poll()
        index, number, began = (int(value) for value in self.state.now)
        if code == 0:
            return True
        if code is not None and not began:
            text = self._log.read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"a child ended with {code} outside of all cases\n{text}")
        hangs = began and time.monotonic_ns() - began > hang_seconds * 1e9
        if code is None and not hangs:
            return False
        self.process.kill()
        self.process.wait()
        name = list(ALL)[index]
        self.state.counts[index, [0, 3]] += 1
        self.state.now[2] = 0
        kind = "hang" if hangs else f"crash{code}"
        save(self.found, name, number, kind, Cases(name, self.seed)[number], kind)
        while self.jobs[0][0] != name:
            del self.jobs[0]
        self.jobs[0][1] = number + 1
        self.process = self._start()
        return False


def run(
    names: Sequence[str], cases: int, seed: int, found: Path, processes: int, hang_seconds: float
) -> dict[str, dict[str, int]]:
    """Counts by target. Each process has an even share of the numbers of every target."""
    bounds = [round(cases * k / processes) for k in range(processes)] + [cases]
    with tempfile.TemporaryDirectory() as folder:
        workers = [
            Worker(
                [(name, *bounds[k : k + 2]) for name in names], Path(folder) / str(k), seed, found
            )
            for k in range(processes)
        ]
        try:
            while not all([worker.is_done(hang_seconds) for worker in workers]):
                time.sleep(0.2)
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.wait()
        all_counts = np.stack([worker.state.counts for worker in workers])
    total = np.concatenate([all_counts[..., :4].sum(axis=0), all_counts[..., 4:].max(axis=0)], 1)
    names_of = list(ALL)
    return {
        name: dict(zip(COLUMNS, total[names_of.index(name)].tolist(), strict=True))
        for name in names
    }


def show(counts: dict[str, dict[str, int]]) -> None:
    titles = (*COLUMNS[:4], "slowest ms", "peak MiB")
    print(f"{'reader':22}" + "".join(f"{title:>12}" for title in titles))
    for name, row in counts.items():
        values = [*list(row.values())[:4], row["slowest_us"] // 1000, row["peak_kb"] // 1024]
        print(f"{name:22}" + "".join(f"{value:12,}" for value in values))
    sums = [sum(row[column] for row in counts.values()) for column in COLUMNS[:4]]
    print(f"{'all':22}" + "".join(f"{value:12,}" for value in sums))


def replay(name: str, path: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        kind, text = try_file(ALL[name], path.read_bytes(), Path(folder))
    print(f"{kind}\n{text}")
    return 0 if kind in ("right", "refused") else 1


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000, help="files for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", nargs="+", choices=list(ALL), default=list(TARGETS))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--hang-seconds", type=float, default=HANG_SECONDS)
    parser.add_argument("--findings", type=Path, default=Path("fuzz_findings"))
    parser.add_argument("--report", type=Path, help="where to write the counts as json")
    parser.add_argument("--replay", type=Path, help="read this file once, in this process")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        run_child(json.loads(args.child), State(args.state), args.seed, args.findings)
        return 0
    if args.replay:
        return replay(args.targets[0], args.replay)
    start = time.monotonic()
    counts = run(
        args.targets, args.cases, args.seed, args.findings, args.processes, args.hang_seconds
    )
    show(counts)
    print(f"{time.monotonic() - start:.0f} s")
    if args.report:
        args.report.write_text(json.dumps(counts, indent=1))
    findings = sum(row["findings"] for row in counts.values())
    if findings:
        print(f"{findings} findings, with their bytes: {args.findings}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
