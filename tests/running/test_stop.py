"""A command that is stopped ends with one line and leaves no process; closed streams; limits."""

from __future__ import annotations

import ast
import asyncio
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import closing
from functools import partial
from pathlib import Path

import kill_runs
import psutil
import pytest
import stop_runs
import warm_workers
from conftest import COMMANDS, PATIENCE, REPOSITORY, link_root, run_command, run_here
from stop_runs import Stop

import spatial_engine
from spatial_engine.utils.running import cli, processes, stopping

VISIBILITY = "make_visibility_info"
AUDIT = "audit_labels"


@pytest.fixture(scope="session")
def finished_root(shared_folder, made_root) -> Path:
    return kill_runs.finished_once(shared_folder, made_root)


# ---- signals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stop"),
    [
        (VISIBILITY, Stop("INT", True, 2.0)),  # workers still load libraries
        (VISIBILITY, Stop("INT INT", True, 3.0)),
        (AUDIT, Stop("TERM", False, 3.0)),
        (AUDIT, Stop("INT INT", False, 2.5)),
        (AUDIT, Stop("KILL", False, 3.0)),
        ("make_contact_sheets", Stop("INT INT", True, 3.0, between=0.3)),
        ("check_records", Stop("TERM", True, 2.0)),
        ("find_object_coverage", Stop("TERM", False, 4.0)),
        ("find_object_coverage", Stop("INT", True, 4.0)),
        ("find_object_coverage", Stop("KILL", False, 4.0)),
    ],
    ids=str,
)
def test_a_stopped_command_leaves_nothing(name, stop, finished_root, raw_root, tmp_path):
    root = kill_runs.root_before(kill_runs.command_of(name), finished_root, raw_root, tmp_path)
    assert stop_runs.stop_once(name, root, finished_root, stop)[1] == []


def test_a_signal_while_libraries_are_loaded_is_one_line(tmp_path):
    """The moment is exact: a module that the command imports waits for it."""
    (tmp_path / "cv2.py").write_text("print('here', flush=True)\nimport time\ntime.sleep(36_000)\n")
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(
            [sys.executable, kill_runs.command_of(VISIBILITY)], cwd=REPOSITORY, text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path)}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, preexec_fn=kill_runs.heed_signals,
        ) as process:  # fmt: skip
            assert process.stdout.readline() == "here\n"
            process.send_signal(number)
            said = process.stderr.read()
        assert process.returncode == 128 + number
        assert said.startswith("stopped") and len(said.splitlines()) == 1


def test_a_signal_after_the_end_of_the_work_changes_nothing(tmp_path):
    """Python takes its handlers back before it is gone; the moment is exact, its last clean-up."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\nclass Late:\n"
        "    def __del__(self, kill=os.kill, mine=os.getpid(), numbers=(2, 15)):\n"
        "        for number in numbers: kill(mine, number)\n"
        "late = Late()\n"
    )
    done = subprocess.run(
        [sys.executable, kill_runs.command_of(VISIBILITY), "--help"], cwd=REPOSITORY, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True,
        preexec_fn=kill_runs.heed_signals,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def scripts() -> list[Path]:
    folder = Path(spatial_engine.__file__).parent
    return [p for p in sorted(folder.rglob("*.py")) if "cli.run(main" in p.read_text()]


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.stem)
def test_a_script_loads_the_package_before_other_libraries(path):
    """It is what makes one line of Ctrl-C."""
    for node in ast.parse(path.read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        tops = [name.split(".")[0] for name in names]
        if "spatial_engine" in tops:
            return
        assert set(tops) <= {*sys.stdlib_module_names}, f"{names} come first"
    pytest.fail("imports nothing of the package")


def test_signals_are_as_before_when_a_command_is_called_as_a_function():
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}

    def main(argv) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
        return 0

    assert cli.run(main) == 128 + signal.SIGTERM
    assert {number: signal.getsignal(number) for number in stopping.SIGNALS} == before


def test_an_ignored_signal_stays_ignored():
    """As under `nohup`."""

    def main(argv) -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        return 0

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert cli.run(main) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_that_comes_while_it_is_held_comes_after():
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        with stopping.held():
            os.kill(os.getpid(), signal.SIGTERM)
            with threading.Lock():
                assert came == []
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_asynchronous_closes_in_its_own_way_before_it_is_stopped(number):
    told = []

    async def work() -> None:
        try:
            told.append("begun")
            os.kill(os.getpid(), number)
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:  # no `Stopped`, which would come between any two steps
            await asyncio.sleep(0)  # as of a connection that is closed
            told.append("closed")
            raise

    def main(argv) -> int:
        with pytest.raises(stopping.Stopped) as stop:
            stopping.run_async(work())
        assert stop.value.number == number and signal.getsignal(number) is stopping._leave
        raise stop.value

    before = signal.getsignal(number)
    assert cli.run(main) == 128 + number
    assert told == ["begun", "closed"] and signal.getsignal(number) is before


@pytest.mark.parametrize("moment", ["before the loop", "after the loop"])
def test_a_signal_beside_what_is_asynchronous_stops_with_one_line(moment, monkeypatch):
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    real = asyncio.run

    def run(work) -> None:
        if moment == "before the loop":
            os.kill(os.getpid(), signal.SIGTERM)
        real(work)
        if moment == "after the loop":
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(asyncio, "run", run)
    done = []

    async def work() -> None:
        done.append(moment)

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as of a coroutine that nobody awaited
        code = cli.run(lambda argv: stopping.run_async(work()))
    assert code == 128 + signal.SIGTERM
    assert done == ([] if moment == "before the loop" else [moment])
    assert {number: signal.getsignal(number) for number in stopping.SIGNALS} == before


def test_what_is_asynchronous_gives_back_the_handlers_that_it_found():
    async def fail() -> None:
        raise ValueError

    def main(argv) -> int:
        before = signal.getsignal(signal.SIGTERM)
        stopping.run_async(asyncio.sleep(0))
        with pytest.raises(ValueError):
            stopping.run_async(fail())
        assert signal.getsignal(signal.SIGTERM) is before
        return 0

    assert cli.run(main) == 0


def test_a_second_signal_ends_at_once_what_is_asynchronous():
    code = (
        "import asyncio, os, signal\nfrom spatial_engine.utils.running import cli, stopping\n"
        "async def work():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        await asyncio.sleep(36_000)\n"
        "    finally:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        await asyncio.sleep(36_000)\n"
        "cli.run(lambda argv: stopping.run_async(work()))\n"
    )
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr.startswith("stopped by SIGTERM") and len(done.stderr.splitlines()) == 1


# ---- workers -------------------------------------------------------------------------------------


def double(item: int) -> int:
    return 2 * item


def refuse(item: int) -> int:
    raise FileNotFoundError(2, "No such file", f"item {item}")


def hold_a_lock(item: int):
    return threading.Lock()  # cannot be handed back


def tell_signals(item: int) -> set:
    return signal.pthread_sigmask(signal.SIG_BLOCK, [])


def wait_long(item: int) -> None:
    time.sleep(PATIENCE if item else 0)


@pytest.fixture
def no_worker_waits() -> None:
    """None of an earlier command in this process."""
    warm_workers.end()


def children() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [p for p in found if "spawn_main" in " ".join(p.cmdline())]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_item_is_done_once_by_any_number_of_workers(workers, no_worker_waits):
    done = processes.map_unordered(double, iter(range(20)), workers)
    assert sorted(done) == [(number, 2 * number) for number in range(20)]
    assert children() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_worker_raises_is_raised(workers, no_worker_waits):
    with pytest.raises(FileNotFoundError) as caught:
        list(processes.map_unordered(refuse, iter(range(3)), workers))
    assert caught.value.filename.startswith("item ")
    assert children() == []


def test_what_cannot_be_handed_back_is_an_error_and_no_lost_worker():
    with pytest.raises(TypeError, match="lock"):
        list(processes.map_unordered(hold_a_lock, iter(range(3)), 2))


def test_large_items_and_results_pass():
    items = [bytes([number]) * 3_000_000 for number in range(6)]
    done = dict(processes.map_unordered(bytes.upper, iter(items), 2))
    assert [done[number] for number in range(6)] == [item.upper() for item in items]


def test_workers_never_get_the_signals_of_a_terminal():
    for _, blocked in processes.map_unordered(tell_signals, iter(range(2)), 2):
        assert blocked >= set(stopping.SIGNALS)
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(stopping.SIGNALS)


def test_workers_are_gone_when_the_caller_takes_no_more(no_worker_waits):
    with closing(processes.map_unordered(wait_long, iter(range(5)), 2)) as done:
        assert next(done) == (0, None)
        assert len(children()) == 2
    assert children() == []


def test_a_worker_that_is_killed_is_told(no_worker_waits):
    done = processes.map_unordered(wait_long, iter(range(3)), 2)
    next(done)
    for process in children():
        process.kill()
    with pytest.raises(processes.WorkerLost, match="ended unexpectedly") as caught:
        next(done)
    assert caught.value.items == [1, 2]


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", "100000", "9" * 400])
@pytest.mark.parametrize("name", [VISIBILITY, AUDIT])
def test_a_number_of_workers_that_makes_no_sense_is_one_plain_line(name, text, tmp_path):
    run = run_command if text == "0" else run_here  # as typed once
    done = run(kill_runs.command_of(name), tmp_path, f"--num-workers={text}")
    assert done.returncode == 2
    (error,) = done.stderr.splitlines()
    assert error.startswith("error: argument --num-workers: ")
    assert error.endswith(("is not a whole number", "is less than 1", "a core"))


# ---- streams and limits --------------------------------------------------------------------------


def type_in_shell(line: str, root: Path) -> subprocess.CompletedProcess:
    command = f"{sys.executable} {kill_runs.command_of(VISIBILITY)} --root {root} --num-workers 2"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} {line}"], cwd=REPOSITORY, capture_output=True,
        text=True, timeout=PATIENCE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("2>&-", 0), (">&-", 0), ("<&- >&- 2>&-", 0),
        ("2>/dev/null | (exec <&-)", 141), (">/dev/full", 2), ("2>&1 | (exec <&-)", 141),
    ],
)  # fmt: skip
def test_streams_that_are_closed_are_no_error_of_the_work(line, code, finished_root, tmp_path):
    root = kill_runs.root_before(
        kill_runs.command_of(VISIBILITY), finished_root, finished_root, tmp_path
    )
    done = type_in_shell(line, root)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and "Error" not in done.stderr
    assert done.stderr.count("error: ") == (code == 2)
    assert kill_runs.names_of(root) >= kill_runs.names_of(finished_root)
    assert list(kill_runs.differing(root, finished_root)) == []


def limit(kind: int, number: int) -> None:
    resource.setrlimit(kind, (number, number))


def test_two_gigabytes_of_address_space_are_enough_or_told(made_root, tmp_path):
    root = link_root(made_root, tmp_path)
    done = subprocess.run(
        [sys.executable, COMMANDS[3], "--root", str(root), "--overwrite", "--num-workers", "2"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE,
        preexec_fn=partial(limit, resource.RLIMIT_AS, 2_000_000 * 1024),
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't start new thread")], ids=lambda e: type(e).__name__
)
def test_too_little_memory_or_too_few_threads_is_one_line(error, capsys):
    def main(argv) -> int:
        raise error

    assert cli.run(main) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "ulimit -v" in line and "--num-workers" in line


def test_a_program_of_another_error_is_not_swallowed():
    def main(argv) -> int:
        raise RuntimeError("of something else")

    with pytest.raises(RuntimeError, match="something else"):
        cli.run(main)


def test_the_moments_are_drawn_within_a_run():
    stops = [Stop.draw(random.Random(seed), 5) for seed in range(100)]
    assert {stop.way for stop in stops} == set(stop_runs.WAYS)
    assert all(0.3 <= stop.after <= 5 for stop in stops)
