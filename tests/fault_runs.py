"""Runs a command under a fault of the system: too little room, rights taken away, few handles."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from conftest import PATIENCE, PLAIN, REPOSITORY, run_here
from kill_runs import TEMPORARY, differing, flags_of, names_of, written_by

from spatial_engine.utils.storage import provenance

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
TOLD = re.compile(r"^(error|failed): .+", re.MULTILINE)


def limit_file_size(num_bytes: int) -> Callable[[], None]:
    """Writing goes so far and no further, as on a disk that fills up: a short write, then an error.
    (Python ignores the signal.)"""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, num_bytes))


def limit_handles(number: int) -> Callable[[], None]:
    """So many open files."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


def obey_permissions() -> None:
    """Give up root's right to pass over permissions, for good; others have none. (Another user
    could not even start a Python that is in root's home.)"""
    if os.geteuid() == 0:
        if sys.platform != "linux":
            pytest.skip("root, on a system without capabilities")
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError("cannot give up root")


def line_of(command: str, root: Path, workers: int = 1) -> list[str]:
    """The command as typed."""
    line = [sys.executable, str(REPOSITORY / command), "--root", str(root)]
    return line if command.endswith(PLAIN) else [*line, *flags_of(command, root, workers)]


def run_under(
    fault: Callable[[], None] | None,
    command: str,
    root: Path,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess:
    """Run a command in a child that has come under a fault, with so much more of an environment."""
    return subprocess.run(
        line_of(command, root, workers), cwd=REPOSITORY, preexec_fn=fault, capture_output=True,
        text=True, timeout=PATIENCE, env={**os.environ, **(environment or {})},
    )  # fmt: skip


def check_told(done: subprocess.CompletedProcess, *words: object, code: int | None = None) -> None:
    """The command has failed and says so: lines that hold the words, no traceback."""
    said = f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode in ((1, 2) if code is None else (code,)), said
    assert "Traceback" not in said and "unexpected" not in said, said
    told = [match.group() for match in TOLD.finditer(f"{done.stdout}\n{done.stderr}")]
    assert told, said
    if done.returncode == 2:
        assert len(told) == 1, said
    for word in words:
        assert all(str(word) in line for line in told), f"{word!r} is not in each of {told}\n{said}"


def check_whole(command: str, root: Path, finished: Path, failed: bool) -> None:
    """What is in its place is whole: the bytes of an undisturbed run; where scenes have `failed`,
    fewer of its lines, and nothing that their provenance calls final."""
    own = {path.relative_to(root).as_posix() for path in written_by(command, root)}
    for name, (data, expected) in differing(root, finished).items():
        if not name.startswith(tuple(own)) or TEMPORARY.search(name):
            continue
        assert failed and expected is not None, f"{name} is not whole"
        if name.endswith(".jsonl"):
            assert set(data.splitlines()) < set(expected.splitlines()), name
        told, whole = (provenance.read_meta(place / name) for place in (root, finished))
        is_final = told and not told["failed_scenes"] and told["inputs"] == whole["inputs"]
        assert not is_final, name


def check_mended(command: str, root: Path, finished: Path) -> None:
    """Without the fault, the next start gives what an undisturbed run gives, and leaves nothing."""
    done = run_here(command, root, *flags_of(command, root, 1))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert names_of(root) == names_of(finished)
    assert list(differing(root, finished)) == []
