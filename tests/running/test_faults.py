"""The system fails a command: it says so in one clear line, nothing half-written passes for whole,
and the next start mends it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE, REPOSITORY, own_file
from fault_runs import (
    check_mended,
    check_told,
    check_whole,
    limit_file_size,
    limit_handles,
    line_of,
    obey_permissions,
    run_under,
)
from kill_runs import command_of, data_of, finished_once, root_before, written_by

from spatial_engine.utils.storage import files

LOAD, EXTRACT, VISIBILITY = (
    "batch_load_scannet_data", "extract_posed_images", "make_visibility_info",
)  # fmt: skip
INFOS, OBJECTS, REPORT = "update_info_file_with_images", "compute_object_visibility", "make_report"
CAMERA, DOT = "camera_movement_engine_train_val", "depth_estimation_dot_engine"
MOVEMENT, MERGE = "single_object_movement_engine_coord", "merge_object_coverage"
UNIFORM, BENCHMARK, CHECK, MIX = (
    "export_uniform", "make_benchmark", "check_records", "make_training_mix",
)  # fmt: skip


class Place:
    """A root on which all but one command have run, and what it is to become."""

    def __init__(self, name: str, root: Path, finished: Path):
        self.command, self.root, self.finished = command_of(name), root, finished

    def run(self, fault=None, workers: int = 1, environment=None) -> subprocess.CompletedProcess:
        done = run_under(fault, self.command, self.root, workers, environment)
        check_whole(self.command, self.root, self.finished, failed=done.returncode == 1)
        return done

    def check_mended(self) -> None:
        check_mended(self.command, self.root, self.finished)


@pytest.fixture(scope="session")
def finished_root(shared_folder, made_root) -> Path:
    return finished_once(shared_folder, made_root)


@pytest.fixture
def place(finished_root, raw_root, tmp_path):
    """Makes the place of a command by its name."""

    def make(name: str) -> Place:
        root = root_before(command_of(name), finished_root, raw_root, tmp_path / "root")
        return Place(name, root, finished_root)

    return make


# ---- no room -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [LOAD, VISIBILITY, CAMERA, DOT, MOVEMENT, UNIFORM, CHECK])
def test_a_write_that_stops_half_way_is_told_and_mended(place, name):
    there = place(name)
    made = {path for path in written_by(there.command, there.finished) if path.is_file()}
    for folder in set(written_by(there.command, there.finished)) - made:
        made |= {path for path in folder.rglob("*") if path.is_file()}
    sizes = [path.stat().st_size for path in made if not path.name.endswith(".meta.json")]
    done = there.run(limit_file_size(max(sizes) // 2))
    check_told(done, there.root, "again")
    there.check_mended()


FILL = """
mount -t tmpfs -o size={size} none {folder} || exit 77
{command}; echo "exit code $?"
mount -o remount,size=100m {folder}
{command}; echo "exit code $?"
cp -r {folder}/. {kept}
"""


@pytest.mark.parametrize(
    ("name", "folder", "size"),
    [
        (CAMERA, "training_data/camera_movement/v1_0", "200k"),
        (UNIFORM, "evaluation_data/exports/uniform", "200k"),
        (DOT, "training_data/depth_estimation_dot", "100k"),  # refused before it begins
    ],
)
def test_a_full_disk_is_told_and_when_there_is_room_the_next_start_mends_it(
    place, name, folder, size, tmp_path
):
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("a small disk takes root and unshare")
    there = place(name)
    own = written_by(there.command, there.finished)
    assert there.finished / folder in own
    kept = tmp_path / "kept"
    for path in (kept, there.root / folder):
        path.mkdir(parents=True)
    script = FILL.format(
        size=size, folder=there.root / folder, kept=kept,
        command=shlex.join(line_of(there.command, there.root)),
    )  # fmt: skip
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], cwd=REPOSITORY, capture_output=True, text=True,
        timeout=PATIENCE,
    )  # fmt: skip
    if done.returncode == 77 or done.stderr.startswith("unshare: "):  # as in a container
        pytest.skip(f"no small disk can be made here: {done.stderr}")
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    codes = [line.split()[-1] for line in done.stdout.splitlines() if "exit code" in line]
    assert codes in (["1", "0"], ["2", "0"]), said
    assert "make room" in said
    assert data_of(kept) == data_of(there.finished / folder)


# ---- a disk that does not take what is written ---------------------------------------------------


@pytest.fixture(scope="session")
def failing_disk(tmp_path_factory) -> Path:
    """The library that fails a process's writes; see its source."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or not compiler:
        pytest.skip("takes Linux and a C compiler")
    library = tmp_path_factory.mktemp("disk") / "failing_disk.so"
    source = REPOSITORY / "tests/failing_disk.c"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True
    )
    return library


@pytest.mark.parametrize(
    ("name", "share"),
    [
        *((name, 0) for name in (LOAD, CAMERA, UNIFORM)),
        *((name, 0.6) for name in (LOAD, EXTRACT, INFOS, VISIBILITY, CAMERA, DOT, OBJECTS)),
        *((name, 0.6) for name in (MOVEMENT, UNIFORM, BENCHMARK, REPORT)),
    ],
)
def test_a_disk_that_fails_is_told_and_mended(place, failing_disk, name, share):
    """The first write fails, or one when more than half is written."""
    there = place(name)
    made = [path for path in written_by(there.command, there.finished) if path.is_file()]
    for folder in set(written_by(there.command, there.finished)) - set(made):
        made += [path for path in folder.rglob("*") if path.is_file()]
    environment = {
        "LD_PRELOAD": str(failing_disk),
        "FAIL_BELOW": str(there.root),
        "FAIL_AFTER": str(int(share * sum(path.stat().st_size for path in made))),
    }
    done = there.run(environment=environment)
    check_told(done, there.root, "Input/output error", "check the disk")
    there.check_mended()


@pytest.mark.parametrize("name", [INFOS, VISIBILITY, CAMERA, UNIFORM, BENCHMARK])
def test_a_disk_that_tells_late_that_it_failed_is_told_and_mended(place, failing_disk, name):
    """As network file systems and disks with a cache do: at `fsync`, all having been taken."""
    there = place(name)
    environment = {
        "LD_PRELOAD": str(failing_disk), "FAIL_BELOW": str(there.root), "FAIL_SYNC": "1",
    }  # fmt: skip
    done = there.run(environment=environment)
    check_told(done, there.root, "Input/output error", "check the disk")
    own = written_by(there.command, there.root)
    assert not [path for path in own if path.suffix in (".jsonl", ".parquet", ".pkl")]
    there.check_mended()


# ---- no rights -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [LOAD, CAMERA, CHECK])
def test_a_root_that_cannot_be_written_to_is_told(place, name):
    there = place(name)
    before = data_of(there.root)
    folders = [path for path in [there.root, *there.root.rglob("*")] if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    done = there.run(obey_permissions)
    for folder in folders:
        folder.chmod(0o755)
    check_told(done, there.root, "Permission denied", "check its permissions", code=2)
    assert data_of(there.root) == before
    there.check_mended()


@pytest.mark.parametrize(
    ("name", "pattern", "code"),
    [
        (LOAD, "data/scannet/scans/scene0000_00/*.ply", 1),
        (EXTRACT, "data/scannet/scans/scene0000_00", None),
        (VISIBILITY, "data/scannet/posed_images/scene0000_00/00005.png", 1),
        (CAMERA, "training_data/camera_movement/train_camera_info_D5.parquet", 2),
        (MOVEMENT, "data/tapvid3d_dataset/pstudio/boxes_11.npz", 1),
        (CHECK, "evaluation_data/camera_movement/v1_0/z_movement_val.jsonl", 2),
    ],
)
def test_an_input_that_cannot_be_read_is_told(place, name, pattern, code):
    there = place(name)
    paths = sorted(there.root.glob(pattern))
    paths = [own_file(path) if path.is_file() else path for path in paths]
    modes = [path.stat().st_mode for path in paths]
    for path in paths:
        path.chmod(0)
    done = there.run(obey_permissions)
    for path, mode in zip(paths, modes, strict=True):
        path.chmod(mode)
    check_told(done, paths[0].name if len(paths) == 1 else paths[0].parent, code=code)
    assert "Permission denied" in done.stdout + done.stderr
    there.check_mended()


# ---- few handles ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "number"), [(LOAD, 8), (DOT, 16)])
def test_too_few_open_files_are_told(place, name, number):
    there = place(name)
    done = there.run(limit_handles(number), workers=2)
    if done.returncode:  # how many it takes depends on the system
        check_told(done, "Too many open files", "ulimit -n")
    there.check_mended()


# ---- something else in its place -----------------------------------------------------------------


OBSTACLES = {
    "file": lambda path: path.write_text("mine"),
    "folder": lambda path: (path.mkdir(), (path / "mine").write_text("mine")),
    "dangling link": lambda path: path.symlink_to(path.with_name("nowhere")),
    "link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize(
    ("name", "output", "obstacle"),
    [
        (EXTRACT, "data/scannet/posed_images", "file"),
        (EXTRACT, "data/scannet/posed_images", "dangling link"),
        (DOT, "training_data/depth_estimation_dot", "file"),
        (DOT, "training_data/depth_estimation_dot", "link to itself"),
        (UNIFORM, "training_data/exports/uniform", "dangling link"),
        (BENCHMARK, "evaluation_data/multispa/v1_0/multispa.jsonl", "folder"),
        (CHECK, "records_check.json", "folder"),
        (MIX, "training_data/mix3M.json", "folder"),
    ],
)
def test_something_else_in_the_place_of_an_output_is_told_and_left(place, name, output, obstacle):
    there = place(name)
    path = there.root / output
    files.remove(path)
    OBSTACLES[obstacle](path)
    check_told(run_under(None, there.command, there.root), output, ";", code=2)
    assert path.is_symlink() == ("link" in obstacle)
    if obstacle == "file":
        assert path.read_text() == "mine"
    if obstacle == "folder":
        assert (path / "mine").read_text() == "mine"
    files.remove(path)
    there.check_mended()


@pytest.mark.parametrize("name", [BENCHMARK, MIX])
@pytest.mark.parametrize("obstacle", ["dangling link", "link to itself"])
def test_a_link_in_the_place_of_a_file_is_replaced(place, name, obstacle):
    there = place(name)
    output = written_by(there.command, there.finished)[-1].relative_to(there.finished)
    if name == BENCHMARK:
        output = Path("evaluation_data/multispa/v1_0/multispa.jsonl")
    OBSTACLES[obstacle](there.root / output)
    there.check_mended()
    assert not (there.root / output).is_symlink()


@pytest.mark.parametrize("name", [LOAD, DOT, MOVEMENT])
@pytest.mark.parametrize("obstacle", ["dangling link", "file"])
def test_data_that_is_not_where_its_link_points_is_told(tmp_path, name, obstacle):
    """As when the disk that it lies on is not mounted."""
    OBSTACLES[obstacle](tmp_path / "data")
    check_told(run_under(None, command_of(name), tmp_path), tmp_path / "data", code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


# ---- a disk that does not read -------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc/self/mem, whose start gives EIO")
@pytest.mark.parametrize(
    ("name", "path", "code"),
    [
        (LOAD, "data/scannet/meta_data/scannetv2_train.txt", 2),
        (MERGE, "training_data/object_perception/train_0_2/"
                "train_object_coverage_width_0_2.parquet", 2),
        (UNIFORM, "training_data/camera_movement/v1_0/z_movement_train.jsonl", None),
        (BENCHMARK, "evaluation_data/camera_movement/v1_0/z_movement_val.jsonl", 2),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_told(place, name, path, code):
    there = place(name)
    whole = there.root / f"{path}.aside"
    (there.root / path).rename(whole)
    (there.root / path).symlink_to("/proc/self/mem")
    check_told(run_under(None, there.command, there.root), Path(path).name, code=code)
    whole.replace(there.root / path)
    there.check_mended()
