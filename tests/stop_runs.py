"""Stops commands at random moments, as a person or a scheduler does, and starts them again.

    python tests/stop_runs.py --times 50 --seed 0 [--commands make_visibility_info audit_labels]

Each command is started as typed, with two workers, on a copy of the small sample data on which all
others have run, and gets SIGINT, SIGINT twice within 0.3 s, SIGTERM or SIGKILL, alone or with its
process group, as Ctrl-C at a terminal does. It must end, with the exit code of the signal and one
line, leave no process behind, and come to the same bytes when it is started again. Prints what it
finds. `test_stop.py` does a few.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import kill_runs
import psutil

LONGEST = 300  # seconds for what takes one, on a machine that has much else to do
POLL = 0.02
COMMANDS = (
    "make_visibility_info", "audit_labels", "make_contact_sheets", "check_records",
    "find_object_coverage", "audit_tables", "make_report", "calculate_frames_relations",
)  # fmt: skip
INT, TERM, KILL = signal.SIGINT, signal.SIGTERM, signal.SIGKILL
WAYS = {"INT": [INT], "INT INT": [INT, INT], "TERM": [TERM], "KILL": [KILL]}


@dataclass(frozen=True)
class Stop:
    """How a command is stopped: the name of the signals, whether its whole group gets them, and
    after how many seconds, with how many between two."""

    way: str
    group: bool
    after: float
    between: float = 0.1

    @classmethod
    def draw(cls, rng: random.Random, seconds: float) -> Stop:
        """At a moment of a run that takes so many seconds."""
        after, between = rng.uniform(0.3, seconds), rng.uniform(0.01, 0.3)
        return cls(rng.choice(sorted(WAYS)), rng.random() < 0.5, after, between)


def stop_once(name: str, root: Path, finished: Path, stop: Stop) -> tuple[str, list[str]]:
    """Start a command on a root, stop it, start it again to its end: ("stopped" or "over before",
    what is wrong)."""
    trial = kill_runs.Trial(kill_runs.command_of(name), root, finished)
    with tempfile.TemporaryFile("w+") as log:
        process = trial.start(2, stderr=log)
        _await(lambda: process.poll() is not None or is_armed(process.pid), LONGEST)
        _await(lambda: process.poll() is not None, stop.after)
        if process.poll() is not None:
            return "over before", [] if process.returncode == 0 else ["failed by itself"]
        trial.orphans = [] if stop.way != "KILL" else process.children(recursive=True)
        for number in WAYS[stop.way]:
            with suppress(ProcessLookupError):
                (os.killpg if stop.group else os.kill)(process.pid, number)
            _await(lambda: process.poll() is not None, stop.between)
        if not _await(lambda: process.poll() is not None, LONGEST):
            faults = [f"does not end: {[p.cmdline() for p in session_of(process.pid)]}"]
            _end_session(process.pid)
            return "stopped", faults
        faults = []
        if not _await(lambda: not session_of(process.pid), LONGEST):
            faults = [f"left: {[p.cmdline() for p in session_of(process.pid)]}"]
            _end_session(process.pid)
        log.seek(0)
        faults += _look_at(process.returncode, log.read(), WAYS[stop.way][0])
    if process.returncode != 0:
        faults += trial.check_again()
    return "stopped" if process.returncode else "over before", faults


def is_armed(number: int) -> bool:
    """Whether a process of Linux handles SIGTERM by now, which Python itself does not; elsewhere
    unknown, and True."""
    status = Path(f"/proc/{number}/status")
    try:
        told = dict(line.split(":", 1) for line in status.read_text().splitlines())
    except OSError:
        return True
    return bool(int(told["SigCgt"], 16) >> (TERM - 1) & 1)


def session_of(number: int) -> list[psutil.Process]:
    """The processes of a session that have not ended."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and os.getsid(process.pid) == number:
                found.append(process)
    return found


def _look_at(code: int, said: str, sent: int) -> list[str]:
    """What is wrong with the exit code and with what was said of the stop."""
    if code == 0:  # it was over at that moment
        return []
    if sent == KILL:
        return [f"said: {said[-3000:]}"] if "Traceback" in said else []
    faults = [] if code == 128 + sent else [f"exit code {code}"]
    lines = said.splitlines()
    told = [line for line in lines if line.startswith("stopped")]
    # What a command says of its course comes before.
    if len(told) != 1 or lines[-1] != told[0] or "Traceback" in said or "warn" in said.lower():
        faults.append(f"said: {said[-3000:]}")
    return faults


def _await(is_so, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(POLL)
    return True


def _end_session(number: int) -> None:
    for process in session_of(number):
        with suppress(psutil.Error):
            process.kill()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=50, help="stops of each command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--commands", nargs="+", default=COMMANDS)
    parser.add_argument("--folder", type=Path, help="to keep the undisturbed root in")
    args = parser.parse_args(argv)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="stop_runs_") as temporary:
        raw, finished = kill_runs.make_roots(args.folder or Path(temporary))
        for name in args.commands:
            bad += _stop_often(name, raw, finished, Path(temporary) / "trial", args)
    print(f"{bad} faults")
    return 1 if bad else 0


def _stop_often(name: str, raw: Path, finished: Path, folder: Path, args) -> int:
    """Stop one command many times; returns how often something was wrong."""
    rng = random.Random(f"{args.seed} {name}")
    command = kill_runs.command_of(name)
    kill_runs.root_before(command, finished, raw, folder)
    start = time.monotonic()
    kill_runs.Trial(command, folder, finished).start(2).wait()
    seconds = time.monotonic() - start
    shutil.rmtree(folder)
    found, faulty = Counter(), Counter()
    for number in range(args.times):
        stop = Stop.draw(rng, seconds)
        kill_runs.root_before(command, finished, raw, folder)
        came, faults = stop_once(name, folder, finished, stop)
        shutil.rmtree(folder)
        way = f"{stop.way} {'group' if stop.group else 'alone'}"
        found[way if came == "stopped" else came] += 1
        faulty[way] += bool(faults)
        for fault in faults:
            print(f"  {name}, {number}, {stop}: {fault}", flush=True)
    told = ", ".join(f"{way} {count - faulty[way]}/{count}" for way, count in sorted(found.items()))
    print(f"{name} ({seconds:.1f} s): {told}", flush=True)
    return sum(faulty.values())


if __name__ == "__main__":
    sys.exit(main())
