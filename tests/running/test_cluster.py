"""Commands on a Dask cluster of separate processes: the same bytes, lost workers, refusals."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import (
    COMMANDS,
    FEWER,
    PATIENCE,
    PLAIN,
    REPOSITORY,
    copy_root,
    data_files,
    link_root,
)
from helpers import raises_one_line
from test_scene_runner import Runner

import spatial_engine
from spatial_engine.errors import EngineError, SettingsError
from spatial_engine.utils.running import cli, executors
from spatial_engine.utils.storage import provenance

VISIBILITY = "spatial_engine/utils/scannet_utils/make_visibility_info.py"
DEPTH = "spatial_engine/depth_perception/depth_estimation_coor_engine.py"
EXTRACT = "spatial_engine/utils/scannet_utils/extract_posed_images.py"
JOB = "find_object_coverage.sh"
COVERAGE = "spatial_engine/object_perception/single_object_coverage_finder.py"
# A worker that stops where a scene is all but finished, and says so.
STUCK = """
import sys, time
from pathlib import Path

def stop(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".done.json") and arguments[1] == "w":
        Path({notice!r}).write_text(str(arguments[0]))
        time.sleep(36_000)

sys.addaudithook(stop)
"""
MANY = 100_000  # calls, more than end before what a test waits for
OTHER_VERSION = "import spatial_engine; spatial_engine.__version__ = '0.0.1'"
# As where another environment was activated: what its metadata says of a library.
OTHER_LIBRARY = """
import importlib.metadata as metadata
def version(name, right=metadata.version):
    return "1.0.0" if name == {name!r} else right(name)
metadata.version = version
"""
OTHER_CODE = "from spatial_engine.utils.running import executors as e; e._CODE = 'before the edit'"


class Cluster:
    """A scheduler, and workers as separate processes, each in a current directory of its own."""

    def __init__(self, folder: Path, allowed_failures: int = 3):
        self.folder, self.processes = folder, []
        name = "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"
        file = folder / "scheduler.json"
        flags = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        self.start("scheduler", *flags, environment={name: str(allowed_failures)})
        wait_for(lambda: file.exists() and file.read_text().rstrip().endswith("}"))
        self.address = json.loads(file.read_text())["address"]

    def start(self, kind: str, *flags: str, environment=None) -> subprocess.Popen:
        place = self.folder / str(len(self.processes))
        place.mkdir()
        line = [sys.executable, "-m", "dask", kind, *flags, "--no-dashboard"]
        here = os.pathsep.join(map(str, (REPOSITORY / "tests", Path(__file__).parent)))
        environment = os.environ | {"PYTHONPATH": here} | (environment or {})
        with open(place / "log", "wb") as log:
            process = subprocess.Popen(line, cwd=place, env=environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def add_worker(self, preload: str = "", count: int = 1) -> subprocess.Popen:
        """One more worker, or several, which are there when this returns."""
        flags = ["--nthreads", "1", "--no-nanny", "--host", "127.0.0.1"]
        if preload:
            file = self.folder / f"preload{len(self.processes)}.py"
            file.write_text(preload)
            flags += ["--preload", str(file)]
        for _ in range(count):
            process = self.start("worker", self.address, *flags)
        for number in range(len(self.processes) - count, len(self.processes)):
            log = self.folder / str(number) / "log"
            wait_for(lambda log=log: "Registered to" in log.read_text())
        return process

    def end(self, process: subprocess.Popen) -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


def wait_for(is_so: Callable[[], bool], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@contextmanager
def running_cluster(folder: Path, **settings: int) -> Iterator[Cluster]:
    folder.mkdir(exist_ok=True)
    cluster = Cluster(folder, **settings)
    try:
        yield cluster
    finally:
        for process in reversed(cluster.processes):
            cluster.end(process)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """A cluster of one worker, which the tests leave as it is."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.add_worker()
        yield cluster


@pytest.fixture
def added(cluster) -> Iterator[Callable[..., subprocess.Popen]]:
    """Adds workers to the cluster, for this test."""
    before = len(cluster.processes)
    yield cluster.add_worker
    for process in cluster.processes[before:]:
        cluster.end(process)


def start_command(
    command: str, given: tuple[str, ...], root: Path, address: str, *flags: str
) -> subprocess.Popen:
    """Start a command as typed in the root, which it is given as a relative path. The bash job gets
    its flags by $FLAGS."""
    flags = ("--scheduler", address, *flags, *FEWER.get(command, ()))
    line = [sys.executable, str(REPOSITORY / command), "--root", ".", *given, *flags]
    environment = dict(os.environ)
    if command == JOB:
        line = ["bash", str(REPOSITORY / command), *given]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment |= {"ROOT": ".", "FLAGS": " ".join(flags), "PATH": path}
    return subprocess.Popen(
        line,
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(command: str, root: Path, address: str, *given: str) -> tuple[int, str]:
    process = start_command(command, given, root, address)
    text = process.communicate(timeout=PATIENCE)[0]
    return process.returncode, text


def load_command(command: str):
    """The module of a command."""
    return importlib.import_module(command.removesuffix(".py").replace("/", "."))


def check_same(root: Path, made_root: Path, prepared_root: Path) -> None:
    """All that was made under `root` since it was prepared is as it is under `made_root`."""
    expected, made = data_files(made_root), data_files(root)
    for name in made.keys() - data_files(prepared_root).keys():
        assert made[name] == expected[name], name
    assert not [path for path in root.rglob("*") if ".partial" in path.name]
    assert not list(root.rglob("*.parts"))


def test_a_lost_worker_and_another_directory_change_no_byte(
    cluster, added, made_root, prepared_root, tmp_path
):
    root = copy_root(prepared_root, tmp_path / "root")
    notice = tmp_path / "notice"
    doomed = added(STUCK.format(notice=str(notice)))
    process = start_command(VISIBILITY, (), root, cluster.address)
    wait_for(notice.exists)
    at_work = notice.read_text()
    assert f".{doomed.pid}." in at_work  # it is in the middle of a scene
    assert Path(at_work).parent.is_dir()
    cluster.end(doomed)
    text = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, text
    assert "workers: 2, threads: 2" in text
    assert "failed" not in text
    check_same(root, made_root, prepared_root)
    for split in ("train", "val"):
        table = f"data/scannet/scannet_instance_data/{split}_visibility_info_D5.parquet"
        metas = [provenance.read_meta(folder / table) for folder in (root, made_root)]
        for meta in metas:
            del meta["run"]
        assert metas[0] == metas[1]


def test_commands_at_the_same_time_make_the_same_bytes(cluster, added, made_root, tmp_path):
    root = copy_root(made_root, tmp_path / "root")
    added()
    names = ("comparison_dot_engine.py", "2_multichoice.py", "movement_engine_dot.py")
    lines = [(command, ()) for command in COMMANDS if command.endswith(names)]
    lines += [(JOB, ("0", "2", "2"))]
    assert len(lines) == 4
    started = [start_command(*line, root, cluster.address, "--overwrite") for line in lines]
    for process in started:
        text = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == 0, text
    assert data_files(root) == data_files(made_root)
    runs = [json.loads(path.read_text())["run"] for path in root.rglob("*.meta.json")]
    made_here = [run["command"][0] for run in runs if run["workers"] == cluster.address]
    names = {Path(command).name for command, _ in lines}
    assert set(made_here) == names - {JOB} | {"object_coverage_job.py"}
    assert made_here.count("object_coverage_job.py") == 9  # three chunks of three files


def test_the_coverage_job_ends_where_no_scheduler_answers(made_root, tmp_path):
    """Each chunk would wait for one."""
    root = link_root(made_root, tmp_path / "root")
    code, text = run(JOB, root, "nonsense", "0", "1", "1", "--overwrite")
    assert code == 2
    assert text.count("--scheduler nonsense: no Dask scheduler answers") == 2  # chunk and job
    assert text.count("failed; see its messages") == 1 and "Traceback" not in text
    assert data_files(root) == data_files(made_root)


def test_a_broken_scene_is_named_and_the_others_go_on(cluster, raw_root, prepared_root, tmp_path):
    root = tmp_path / "root"
    copy_root(raw_root / "data/scannet", root / "data/scannet")
    sens = root / "data/scannet/scans/scene0011_00/scene0011_00.sens"
    sens.write_bytes(sens.read_bytes()[:-1000])
    code, text = run(EXTRACT, root, cluster.address)
    assert code == 1
    assert f"{sens.name}: " in text
    assert "Traceback" not in text
    images = "data/scannet/posed_images"
    made = {path.name for path in (root / images).iterdir() if path.is_dir()}
    assert made == {p.name for p in (prepared_root / images).iterdir() if p.is_dir()} - {
        "scene0011_00"
    }
    expected = data_files(prepared_root / images)
    assert all(expected[name] == data for name, data in data_files(root / images).items())


def test_sentences_are_those_of_the_command_not_of_the_worker(cluster, made_root, tmp_path):
    """Neither those that a worker has used before, nor those of its own checkout."""
    root = link_root(made_root, tmp_path / "root")
    process = start_command(DEPTH, (), root, cluster.address, "--overwrite")
    assert process.communicate(timeout=120) and process.returncode == 0
    assert data_files(root) == data_files(made_root)
    checkout = tmp_path / "checkout"
    shutil.copytree(REPOSITORY / "spatial_engine", checkout / "spatial_engine")
    path = checkout / Path(DEPTH).parent / "templates/depth_estimation_coor.json"
    sentences = json.loads(path.read_text())
    edited = {
        name: [f"{text}(edited)" for text in ([group] if isinstance(group, str) else group)]
        for name, group in sentences.items()
    }
    path.write_text(json.dumps(edited))
    done = subprocess.run(
        [sys.executable, checkout / DEPTH, "--root", root, "--scheduler", cluster.address],
        env={**os.environ, "PYTHONPATH": str(checkout)}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("made again: constants changed (templates)") == 2
    made = [path.read_text() for path in root.glob("*_data/depth_estimation_coor/v1_0/*.jsonl")]
    lines = [line for text in made for line in text.splitlines()]
    assert len(made) == 2 and lines and all("(edited)" in line for line in lines)


def test_another_version_is_refused_at_the_start(cluster, added, prepared_root, tmp_path):
    root = copy_root(prepared_root, tmp_path / "root")
    added(OTHER_VERSION)
    code, text = run(VISIBILITY, root, cluster.address)
    assert code == 2
    assert text.splitlines()[-1].startswith("error: worker tcp://127.0.0.1:")
    assert f"has spatial_engine 0.0.1, this command {spatial_engine.__version__}" in text
    assert not [path for path in root.rglob("*") if ".partial" in path.name]


def test_other_code_of_the_same_version_is_refused(tmp_path):
    with running_cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(OTHER_CODE)
        calls = executors.map_unordered(
            nap, iter([1]), ["call"], num_workers=1, scheduler=cluster.address, shared=tmp_path
        )
        with raises_one_line(SettingsError, "worker tcp://127.0.0.1:", "other code", "again"):
            next(calls)


@pytest.mark.parametrize("library", ["numpy", "simplejpeg"])
def test_another_version_of_a_library_is_refused_at_the_start(cluster, added, tmp_path, library):
    added(OTHER_LIBRARY.format(name=library))
    calls = executors.map_unordered(
        nap, iter([1]), ["call"], num_workers=1, scheduler=cluster.address, shared=tmp_path
    )
    versions = f"has {library} 1.0.0, this command {version(library)}: "
    with raises_one_line(SettingsError, "worker tcp://127.0.0.1:", versions, "same environment"):
        next(calls)


def nap(item: int) -> int:
    time.sleep(0.1)
    return item


@pytest.mark.parametrize(
    ("preload", "told"),
    [
        (OTHER_VERSION, "spatial_engine 0.0.1"),
        (OTHER_CODE, "other code of spatial_engine"),
        (OTHER_LIBRARY.format(name="pyarrow"), "has pyarrow 1.0.0, this command"),
    ],
)
def test_another_program_is_refused_when_it_comes_later(cluster, added, tmp_path, preload, told):
    """Though another worker could do what it does not."""
    calls = executors.map_unordered(
        nap, iter(range(MANY)), ["call"] * MANY,
        num_workers=1, scheduler=cluster.address, shared=tmp_path,
    )  # fmt: skip
    assert next(calls) == (0, 0)
    added(preload)
    with raises_one_line(SettingsError, "worker tcp://127.0.0.1:", told):
        list(calls)


def test_results_stream_and_few_calls_are_ahead(cluster, tmp_path):
    taken = []

    def items() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    calls = executors.map_unordered(
        nap, items(), [str(number) for number in range(20)],
        num_workers=1, scheduler=cluster.address, shared=tmp_path,
    )  # fmt: skip
    got = [next(calls)]
    assert len(taken) <= executors.IN_FLIGHT  # of one worker
    got += calls
    assert sorted(got) == [(number, number) for number in range(20)]


def test_half_of_the_workers_are_killed_at_once_and_every_call_is_answered_once(tmp_path):
    with running_cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(count=4)
        numbers = range(60)
        calls = executors.map_unordered(
            nap, iter(numbers), [str(number) for number in numbers],
            num_workers=1, scheduler=cluster.address, shared=tmp_path,
        )  # fmt: skip
        got = [next(calls)]
        for process in cluster.processes[1:3]:
            process.kill()
        got += calls
    assert sorted(got) == [(number, number) for number in numbers]


def test_a_folder_that_workers_do_not_see_is_refused(cluster, tmp_path):
    folder = tmp_path / "only here"
    calls = executors.map_unordered(
        nap, iter([1]), ["call"], num_workers=1, scheduler=cluster.address, shared=folder
    )
    with raises_one_line(SettingsError, "worker tcp://127.0.0.1:", folder, "--root"):
        next(calls)


def test_a_scene_that_ends_its_workers_is_named_and_the_others_go_on(tmp_path):
    with running_cluster(tmp_path / "cluster", allowed_failures=1) as cluster:
        cluster.add_worker(count=3)
        runner = Runner(tmp_path)
        ready = {"w0": "good", "w1": "good", "w2": "good"}  # what workers load, they have by then
        runner.run(ready, scheduler=cluster.address)
        scenes = {**ready, "d0": "kill", "s0": "good", "s1": "good"}
        result = runner.run(scenes, scheduler=cluster.address)
        assert list(result.parts) == [*ready, "s0", "s1"]
        assert list(result.failures) == ["d0"]
        assert "2 workers ended while holding this scene" in result.failures["d0"]
        assert runner.calls()["d0"] == 2
        assert sorted(path.name for path in runner.parts.iterdir()) == ["s0", "s1", *ready]


def test_without_workers_or_scheduler_the_run_ends_with_one_line(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(executors, "WORKER_SECONDS", 3)
    # Tests before this one may have left a handler whose stream pytest has closed since.
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with running_cluster(tmp_path / "cluster") as cluster:
        calls = partial(
            executors.map_unordered, nap, iter(range(MANY)), ["call"] * MANY,
            num_workers=1, scheduler=cluster.address, shared=tmp_path,
        )  # fmt: skip
        with raises_one_line(EngineError, "no worker for 3 s", f"dask worker {cluster.address}"):
            next(calls())
        cluster.add_worker()
        under_way = calls()
        next(under_way)
        cluster.end(cluster.processes[0])
        with raises_one_line(EngineError, cluster.address, "scheduler was lost"):
            list(under_way)
    assert "Traceback" not in capfd.readouterr().err


def test_an_address_where_nothing_answers_is_one_line(prepared_root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(executors, "JOIN_SECONDS", (0.3, 0.6))
    main, root = load_command(VISIBILITY).main, copy_root(prepared_root, tmp_path / "root")
    for address in ("tcp://127.0.0.1:9", "nonsense", "http://127.0.0.1:9"):
        assert cli.run(main, ["--root", str(root), "--scheduler", address]) == 2
        error = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert len(error) == 1
        assert f"--scheduler {address}: no Dask scheduler answers" in error[0]
    assert not [path for path in root.rglob("*") if ".partial" in path.name]


@pytest.mark.parametrize("where", ["_identify", "_check_cluster"])
@pytest.mark.parametrize(
    "error",
    [RuntimeError("busy\nelsewhere"), OSError("busy elsewhere"), KeyError("busy elsewhere")],
)
def test_joining_is_tried_again_with_longer_waits(cluster, tmp_path, monkeypatch, where, error):
    """As on a machine that has much else to do."""
    right, attempts, ready = getattr(executors, where), [], 3

    def late(*arguments):
        attempts.append(arguments)
        if len(attempts) < ready:
            raise error
        return right(*arguments)

    monkeypatch.setattr(executors, where, late)
    monkeypatch.setattr(executors, "PAUSE_SHARE", 0)
    calls = partial(
        executors.map_unordered, nap, iter(range(3)), ["call"] * 3,
        num_workers=1, scheduler=cluster.address, shared=tmp_path,
    )  # fmt: skip
    monkeypatch.setattr(executors, "JOIN_SECONDS", (60, 61, 62))
    assert sorted(calls()) == [(number, number) for number in range(3)]
    assert len(attempts) == 3
    if where == "_identify":
        assert [seconds for _, seconds in attempts] == [60, 61, 62]
    attempts, ready = [], 100
    with raises_one_line(SettingsError, cluster.address, "busy elsewhere", "dask scheduler"):
        next(calls())
    assert len(attempts) == 3


def test_a_worker_is_no_scheduler(cluster, tmp_path):
    log = (cluster.folder / "1" / "log").read_text()
    worker = next(word for word in log.split() if word.startswith("tcp://"))
    calls = executors.map_unordered(
        nap, iter([1]), ["call"], num_workers=1, scheduler=worker, shared=tmp_path
    )
    with raises_one_line(SettingsError, worker, "it is a Worker"):
        next(calls)


def test_without_dask_the_remedy_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    calls = executors.map_unordered(
        nap, iter([1]), ["call"], num_workers=1, scheduler="tcp://127.0.0.1:9", shared=tmp_path
    )
    with raises_one_line(SettingsError, "pip install -r requirements/cluster.txt"):
        next(calls)
    assert (REPOSITORY / "requirements/cluster.txt").is_file()


def test_dask_is_loaded_only_for_a_cluster():
    code = "import sys, spatial_engine.utils.running.step; print('distributed' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


COMMON = [c for c in COMMANDS if c.endswith(".py") and not c.endswith(PLAIN)] + [COVERAGE]


@pytest.mark.parametrize("command", COMMON)
def test_every_command_takes_a_scheduler(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parsed = []
    monkeypatch.setattr(cli._Parser, "parse_args", record_into(parsed, cli._Parser.parse_args))
    main = load_command(command).main
    assert cli.run(main, ["--scheduler", "tcp://127.0.0.1:9"]) == 2  # there is no data
    assert parsed[0].scheduler == "tcp://127.0.0.1:9"
    assert parsed[0].root == tmp_path  # the same on every machine


def record_into(parsed: list, parse: Callable) -> Callable:
    def parse_args(*arguments):
        parsed.append(parse(*arguments))
        return parsed[-1]

    return parse_args
