"""Sample scenes in raw formats, made once for all tests, and the commands run on them as typed."""

import csv
import importlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from stat import S_ISREG
from typing import Any
from unittest import mock

import hypothesis
import pytest

# How fast the machine is, and what else it does, decides no test.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")
PATIENCE = 1800  # seconds, for whatever takes a few on an idle machine
# Test processes share the cores: threads that a library starts in each only wait for each other,
# and take their cores while they do. Libraries read this when they are loaded: none is by now.
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
        "OPENCV_FOR_THREADS_NUM",
    ),
    "1",
)  # fmt: skip
os.environ.update(ONE_THREAD)
# They start thousands of interpreters, and each of them would compile the package anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
REPOSITORY = Path(__file__).parent.parent
SCANNET_UTILS = "spatial_engine/utils/scannet_utils"
COMMANDS = (  # in the order of the README
    f"{SCANNET_UTILS}/batch_load_scannet_data.py",
    f"{SCANNET_UTILS}/extract_posed_images.py",
    f"{SCANNET_UTILS}/update_info_file_with_images.py",
    f"{SCANNET_UTILS}/make_visibility_info.py",
    "spatial_engine/camera_movement/calculate_frames_relations.py",
    "spatial_engine/camera_movement/camera_movement_engine_train_val.py",
    "spatial_engine/depth_perception/depth_estimation_dot_engine.py",
    "spatial_engine/depth_perception/depth_estimation_coor_engine.py",
    "spatial_engine/depth_perception/depth_comparison_dot_engine.py",
    "spatial_engine/depth_perception/depth_comparison_coor_engine.py",
    "spatial_engine/visual_correspondence/visual_correspondence_qa_engine_dot_2_multichoice.py",
    "spatial_engine/visual_correspondence/visual_correspondence_qa_engine_coor_2_coor.py",
    "spatial_engine/object_perception/compute_object_visibility.py",
    "find_object_coverage.sh",
    "spatial_engine/object_perception/merge_object_coverage.py",
    "spatial_engine/object_perception/single_object_perception_engine.py",
    "spatial_engine/utils/tapvid3d_utils/copy_adt_extrinsics.py",
    "spatial_engine/utils/tapvid3d_utils/make_split_lists.py",
    "spatial_engine/object_movement/single_object_movement_engine_coord.py",
    "spatial_engine/object_movement/single_object_movement_engine_dot.py",
)
FRAME_COMMANDS = (  # about three to eight frames, in the order of the README
    "spatial_engine/camera_movement/camera_path_engine.py",
    "spatial_engine/depth_perception/depth_views_engine.py",
    "spatial_engine/visual_correspondence/correspondence_views_engine.py",
    "spatial_engine/object_movement/point_path_engine.py",
)  # those about objects find too little in the small scenes: tests/object_rooms.py
EVALUATION = tuple(  # what makes something of records, in the order of the README
    f"spatial_engine/{name}.py"
    for name in (
        "checks/check_records", "checks/check_inputs", "evaluation/make_benchmark",
        "evaluation/make_baselines", "evaluation/ask_model", "evaluation/score_predictions",
        "exports/make_training_mix", "exports/export_uniform", "exports/export_llama_factory",
        "exports/export_ms_swift", "exports/export_trl", "exports/export_qwen",
        "exports/export_hub", "exports/export_webdataset",
        "exports/export_vlmevalkit", "exports/export_lmms_eval", "exports/resize_images",
        "checks/audit_tables",
    )
)  # fmt: skip
OBJECT_JOB = "spatial_engine/object_perception/object_coverage_job.py"  # of find_object_coverage.sh
PLAIN = ("copy_adt_extrinsics.py", "make_split_lists.py")  # commands without the common flags
# Two points of a frame can be chosen in millions of ways, and clips give thousands of questions;
# so many are enough here.
FEWER = {
    command: ("--train-max-samples", "120", "--val-max-samples", "60")
    for command in COMMANDS
    if "depth_comparison" in command
} | {
    command: ("--train-points-per-group", "2", "--train-pairs-per-bin", "3")
    for command in COMMANDS
    if "object_movement" in command
}
# The rooms are small and hold few objects that can be told apart.
FEWER |= {
    command: ("--published",)
    for command in COMMANDS
    if "object_perception" in command or "object_coverage" in command
    if "merge" not in command
}
FEWER |= dict.fromkeys(
    FRAME_COMMANDS, ("--train-max-samples", "60", "--val-max-samples", "40")
)  # fmt: skip
FEWER[FRAME_COMMANDS[2]] += ("--max-match-error-mm", "26")  # small scenes have few points


def pytest_configure() -> None:
    """Tests of one checkout tell nothing about the package of another."""
    import spatial_engine

    package = Path(spatial_engine.__file__).parent
    if not package.samefile(REPOSITORY / "spatial_engine"):
        raise pytest.UsageError(
            f"{REPOSITORY / 'tests'}: these tests import the package of another checkout, "
            f"{package}; run `pip install --no-deps -e .` in {REPOSITORY}, or activate its "
            "environment"
        )


def run_command(command: str, root: Path, *flags: str) -> subprocess.CompletedProcess:
    """Run a command as the README types it, from the repository, on the data under `root`.

    The bash job takes numbers instead of flags: by default two scenes to a chunk, one process.
    Libraries start as many threads as on a user's machine.
    """
    environment = {name: os.environ[name] for name in os.environ.keys() - ONE_THREAD.keys()}
    environment["COLUMNS"] = "200"
    if command.endswith(PLAIN):
        flags = ()
    line = [sys.executable, command, "--root", str(root), *flags]
    if command.endswith(".sh"):
        environment |= {"ROOT": str(root), "FLAGS": " ".join(FEWER[command])}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        numbers = flags if flags and "--num-workers" not in flags else ("0", "2", "1")
        line = ["bash", command, *numbers]
    return subprocess.run(
        line, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )


def run_commands(
    commands: Sequence[str], root: Path, *flags: str,
    run: Callable[..., subprocess.CompletedProcess] = run_command,
) -> None:  # fmt: skip
    """Run commands in order; each must succeed."""
    for command in commands:
        done = run(command, root, *flags, *FEWER.get(command, ()))
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def run_here(command: str, root: Path, *flags: str) -> subprocess.CompletedProcess:
    """As `run_command`, but in this process, which has loaded the libraries: that is most of what
    a command on the sample scenes costs. For what a command makes and says, not for how a process
    starts, ends or is stopped. The bash job is a process all the same. Workers stay for the next
    command."""
    import warm_workers

    from spatial_engine.utils.running import cli, processes
    from spatial_engine.utils.storage.looks import Looks

    if command.endswith(".sh"):
        return run_command(command, root, *flags)
    Looks._of.clear()  # as in another process
    module = importlib.import_module(command.removesuffix(".py").replace("/", "."))
    if command.endswith(PLAIN):
        flags = ()
    line = ["--root", str(root), *flags]
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        redirect_stdout(out), redirect_stderr(err), chdir(REPOSITORY),
        mock.patch.dict(os.environ, {"COLUMNS": "200"}), mock.patch.object(sys, "argv", [command]),
        mock.patch.object(processes, "_started", warm_workers.started),
    ):  # fmt: skip
        try:
            code = cli.run(module.main, line)
        except SystemExit as end:  # of a flag that makes no sense
            code = end.code
        except Exception:
            traceback.print_exc()
            code = 1
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return subprocess.CompletedProcess([command, *line], code, *said)


def copy_root(source: Path, target: Path) -> Path:
    """A root of its own with the same files, their times included."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    return target


EDITED = (".txt", ".npz", ".sens", ".ply", ".aggregation.json")  # inputs that tests write into


def link_root(source: Path, target: Path) -> Path:
    """Like `copy_root`, but most files are links to the same bytes: commands put files in place
    whole. A test that writes into one itself takes `own_file` of it before, but for inputs."""
    shutil.copytree(source, target, dirs_exist_ok=True, copy_function=_link_or_copy)
    return target


def own_file(path: Path) -> Path:
    """The file at `path`, no longer sharing its bytes with other roots."""
    copy = path.with_name(f"{path.name}.copy")
    shutil.copy2(path, copy)
    return copy.replace(path)


def _link_or_copy(source: str, target: str) -> None:
    try:
        if source.endswith(EDITED):
            shutil.copy2(source, target)
        else:
            os.link(source, target)
    except OSError:  # another disk, or a file system without links
        shutil.copy2(source, target)


def _files(root: Path) -> dict[str, list[int]]:
    """Size and time of each file under a root."""
    stats = {path.relative_to(root).as_posix(): path.stat() for path in root.rglob("*")}
    return {
        name: [stat.st_size, stat.st_mtime_ns]
        for name, stat in stats.items()
        if S_ISREG(stat.st_mode)
    }


def data_files(root: Path) -> dict[str, bytes]:
    """All files made under a root by relative path, without provenance (which holds times) and
    raw data."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and not path.name.endswith(".meta.json")
        and path.name != ".done.json"
        and "scans" not in path.parts
        and path.suffix != ".npz"
    }


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder` as `make(folder)` fills it, by whichever test process comes first. Where that fails,
    the others fail at once."""
    done, lock = folder.with_suffix(".done"), folder.with_suffix(".lock")
    failed = folder.with_suffix(".failed")
    try:
        lock.mkdir(parents=True)
    except FileExistsError:
        end = time.monotonic() + PATIENCE
        while not done.exists():
            if failed.exists():
                raise RuntimeError(f"{folder}: {failed.read_text()}") from None
            if time.monotonic() > end:
                raise TimeoutError(f"{folder} was not made by the other test process") from None
            time.sleep(0.1)
        return folder
    try:
        make(folder)
    except BaseException as error:
        (partial := failed.with_suffix(".partial")).write_text(f"its maker failed: {error}")
        partial.replace(failed)
        raise
    partial = done.with_suffix(".partial")
    partial.write_text(json.dumps(_files(folder)))
    partial.replace(done)
    return folder


@pytest.fixture(scope="session", autouse=True)
def one_core_each():
    """A command that runs in a test process takes one core, as the other test processes have the
    others: to start workers costs more than they do on the sample scenes. What is to run with two
    workers says so; a process of its own takes all cores, as on a user's machine."""
    import warm_workers

    from spatial_engine.utils.running import processes

    with mock.patch.object(processes, "num_cores", return_value=1):
        yield
    warm_workers.end()


def _settings() -> dict[str, Any]:
    """What all code of a process shares and can set."""
    here: dict[str, Any] = {
        "folder": os.getcwd(),
        "recursion": sys.getrecursionlimit(),
        "search": [*sys.path],
    }
    here["longest csv field"] = csv.field_size_limit()
    here |= {n.name: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    variables = {f"${name}": value for name, value in os.environ.items()}
    variables.pop("$PYTEST_CURRENT_TEST", None)
    return here | variables


@pytest.fixture(autouse=True)
def settings_stay():
    """No test, and no code that it calls, leaves a setting of the process to the tests after it,
    which may be others on another machine. Libraries add variables, and folders behind those that
    are searched, when they are first loaded."""
    before = _settings()
    yield
    after = _settings()
    after["search"] = after["search"][: len(before["search"])]
    assert {name: after.get(name) for name in before} == before


@pytest.fixture(scope="session", autouse=True)
def shared_files_stay(shared_folder):
    """No test, and no command, has written into a file that roots share."""
    yield
    for done in shared_folder.glob("*.done"):
        assert _files(done.with_suffix("")) == json.loads(done.read_text()), done


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """A folder that all test processes of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def raw_root(shared_folder) -> Path:
    """Root with the small variant of the sample scenes, raw files only; not to be written to."""
    from spatial_engine.sample_data import write_sample_clips, write_sample_scenes

    def make(folder: Path) -> None:
        write_sample_scenes(folder, small=True)
        write_sample_clips(folder, small=True)

    return made_once(shared_folder / "raw", make)


@pytest.fixture(scope="session")
def prepared_root(shared_folder, raw_root) -> Path:
    """Root with points, frames and infos (the first three commands); not to be written to."""

    def make(folder: Path) -> None:
        copy_root(raw_root, folder)
        run_commands(COMMANDS[:3], folder, "--num-workers", "2", run=run_here)

    return made_once(shared_folder / "prepared", make)


@pytest.fixture(scope="session")
def made_root(shared_folder, prepared_root) -> Path:
    """Root on which every command was run with two workers; not to be written to."""

    def make(folder: Path) -> None:
        copy_root(prepared_root, folder)
        run_commands(COMMANDS[3:], folder, "--num-workers", "2", run=run_here)

    return made_once(shared_folder / "made", make)


@pytest.fixture(scope="session")
def framed_root(shared_folder, prepared_root) -> Path:
    """Root with the questions about three to eight frames alone, and what they need, made with two
    workers; not to be written to."""

    def make(folder: Path) -> None:
        copy_root(prepared_root, folder)
        needed = (*COMMANDS[3:5], *COMMANDS[16:18])  # tables of scenes, lists of clips
        run_commands((*needed, *FRAME_COMMANDS), folder, "--num-workers", "2", run=run_here)

    return made_once(shared_folder / "framed", make)


# Data sets beside ScanNet: how they are prepared, and what is asked about their scenes. A capture
# split by time has scenes of both splits; ARKitScenes has objects.
CAPTURED = {"my_rooms": "transforms", "arkitscenes": "arkitscenes"}
CAPTURE_COMMANDS = {
    "my_rooms": tuple(c for c in COMMANDS[3:12] if "depth_estimation_coor" not in c),
    "arkitscenes": (*COMMANDS[3:6], *COMMANDS[12:16]),
}


@pytest.fixture(scope="session")
def captured_root(shared_folder) -> Path:
    """Root with questions about two small data sets of captures, and nothing of ScanNet; not to be
    written to."""
    from spatial_engine.sample_data.captures.sample_captures import write_sample_captures

    utils = "spatial_engine/utils"
    prepare = {
        "my_rooms": (
            f"{utils}/capture_utils/prepare_captures.py", "--dataset", "my_rooms",
            "--format", "transforms", "--frame-skip", "2", "--split-by-time", "--val-share", "0.4",
        ),
        "arkitscenes": (f"{utils}/arkitscenes_utils/prepare_arkitscenes.py",),
    }  # fmt: skip

    def make(folder: Path) -> None:
        write_sample_captures(folder, small=True, names=list(CAPTURED.values()), num_workers=1)
        for dataset, (command, *flags) in prepare.items():
            if "--format" in flags:
                flags += ["--input", str(folder / "captures" / CAPTURED[dataset])]
            lines = [(command, *flags)]
            for asking in CAPTURE_COMMANDS[dataset]:
                numbers = ()
                if asking.endswith(".sh"):
                    asking, numbers = OBJECT_JOB, ("0", "2", "1", *FEWER[asking])
                elif "engine" in asking.rsplit("/", 1)[1]:
                    numbers = ("--train-max-samples", "8", "--val-max-samples", "6")
                lines.append((asking, *numbers, *FEWER.get(asking, ()), "--dataset", dataset))
            for line in lines:
                workers = () if line[0] == OBJECT_JOB else ("--num-workers", "1")
                done = run_here(line[0], folder, *line[1:], *workers)
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"

    return made_once(shared_folder / "captured", make)


@pytest.fixture(scope="session")
def gathered_root(shared_folder, made_root, captured_root) -> Path:
    """Root with the questions about ScanNet, clips and two data sets of captures; not to be written
    to."""

    def make(folder: Path) -> None:
        for root in (made_root, captured_root):
            link_root(root, folder)

    return made_once(shared_folder / "gathered", make)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """HF datasets, with its caches in a folder of the test and without a network."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("hf")
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
            patch.setenv(name, "1")
        patch.setenv("HF_HOME", str(cache))
        patch.setenv("HF_DATASETS_CACHE", str(cache / "datasets"))
        datasets = pytest.importorskip("datasets")
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(cache / "datasets"))
        datasets.disable_progress_bars()
        yield datasets
