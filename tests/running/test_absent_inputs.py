"""An input that is not there takes nothing away from what is finished; the cause is named."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import COMMANDS, FEWER, link_root
from helpers import raises_one_line
from test_changed_inputs import edit_code

from spatial_engine.errors import MissingInputError
from spatial_engine.utils.running import cli
from spatial_engine.utils.scannet_utils import make_visibility_info
from spatial_engine.utils.scenes import scene_visibility

SCANNET = "data/scannet"
LOAD, EXTRACT, INFOS, VISIBILITY, RELATIONS = COMMANDS[:5]
SCRIPTS = [command for command in COMMANDS if command.endswith(".py")]
DEPTH_COOR = "spatial_engine/depth_perception/depth_estimation_coor_engine.py"
DEPTH_DOT = "spatial_engine/depth_perception/depth_estimation_dot_engine.py"
OBJECTS = "spatial_engine/object_perception/compute_object_visibility.py"
MOVEMENT = "spatial_engine/object_movement/single_object_movement_engine_dot.py"
EVALUATION = "spatial_engine/evaluation"
EXPORTS = "spatial_engine/exports"


def main_of(command: str) -> Callable[[list[str]], int]:
    return importlib.import_module(command.removesuffix(".py").replace("/", ".")).main


def run(command: str, root: Path, *flags: str) -> int:
    """The exit code of a command, in this process."""
    line = ["--root", str(root), *flags]
    if command in COMMANDS and not command.endswith(("extrinsics.py", "split_lists.py")):
        line += ["--num-workers", "1", *FEWER.get(command, ())]
    return cli.run(main_of(command), line)


def sizes(root: Path) -> dict[str, int]:
    """Bytes of each file of data under a root; provenance may be written anew."""
    return {
        path.relative_to(root).as_posix(): path.stat().st_size
        for path in root.rglob("*")
        if path.is_file() and not path.name.endswith((".meta.json", ".done.json"))
    }


def check_nothing_lost(root: Path, before: dict[str, int], what: str) -> None:
    now = sizes(root)
    lost = [name for name, size in before.items() if now.get(name, -1) < size]
    assert not lost, (what, lost[:5])


def move_away(root: Path, name: str) -> None:
    shutil.move(root / name, root.with_name(f"{root.name} away"))


def empty(root: Path, name: str) -> None:
    """As the mount point of a disk that is not mounted."""
    move_away(root, name)
    (root / name).mkdir()


def half(root: Path, name: str) -> None:
    for path in sorted((root / name).iterdir())[::2]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


# What is not there, and the steps that say so (others do not need it, or make it again).
ABSENT = [
    (move_away, f"{SCANNET}/scans", (LOAD, EXTRACT)),
    (empty, f"{SCANNET}/scans/scene0000_00", ()),
    (move_away, f"{SCANNET}/meta_data", (LOAD, EXTRACT, INFOS)),
    (move_away, f"{SCANNET}/meta_data/scannetv2_val.txt", (INFOS,)),
    (move_away, f"{SCANNET}/posed_images", (INFOS, VISIBILITY, RELATIONS, DEPTH_COOR, DEPTH_DOT)),
    (empty, f"{SCANNET}/posed_images", (INFOS, VISIBILITY, RELATIONS, DEPTH_COOR, DEPTH_DOT)),
    (half, f"{SCANNET}/posed_images", (INFOS, VISIBILITY, RELATIONS, DEPTH_COOR, DEPTH_DOT)),
    (empty, f"{SCANNET}/posed_images/scene0011_00", (INFOS, VISIBILITY, DEPTH_DOT)),
    (move_away, f"{SCANNET}/scannet_instance_data", (INFOS, VISIBILITY, OBJECTS, DEPTH_DOT)),
    (move_away, f"{SCANNET}/scannet_instance_data/scene0000_00", (OBJECTS,)),
    (move_away, "data/tapvid3d_dataset", (MOVEMENT,)),
    (half, "data/tapvid3d_dataset/adt", (MOVEMENT,)),
    (half, "data/tapvid3d_dataset/pstudio", (MOVEMENT,)),
]


@pytest.mark.parametrize(("remove", "name", "refused"), ABSENT)
def test_what_is_finished_stays_when_an_input_is_gone(made_root, tmp_path, remove, name, refused):
    root = link_root(made_root, tmp_path / "root")
    remove(root, name)
    before = sizes(root)
    # Where the first two steps have what they need, they make again what is missing.
    skipped = {LOAD, EXTRACT} if "scans" not in name else set()
    skipped -= set(refused)
    for command in SCRIPTS:
        if command not in skipped:
            code = run(command, root)
            assert code in ((1, 2) if command in refused else (0, 1, 2)), command
            check_nothing_lost(root, before, command)


@pytest.mark.parametrize("command", [INFOS, VISIBILITY, RELATIONS, DEPTH_DOT, OBJECTS])
def test_no_more_is_lost_when_the_code_has_changed_too(
    made_root, tmp_path, command, monkeypatch, capsys
):
    """So that nothing is up to date, and each scene is to be done again."""
    root = link_root(made_root, tmp_path / "root")
    half(root, f"{SCANNET}/posed_images")
    half(root, f"{SCANNET}/scannet_instance_data")
    for table in made_root.glob(f"{SCANNET}/scannet_instance_data/*.p*"):
        if not (root / table.relative_to(made_root)).exists():
            shutil.copy2(table, root / SCANNET / "scannet_instance_data")
    before = sizes(root)
    edit_code(monkeypatch)
    assert run(command, root) == 2
    check_nothing_lost(root, before, command)
    (line,) = (s for s in capsys.readouterr().err.splitlines() if s.startswith("error: "))
    assert "would lose " in line and " scenes, scene" in line and "--overwrite" in line


def test_with_overwrite_it_is_made_without_what_is_not_there(made_root, tmp_path):
    root = link_root(made_root, tmp_path / "root")
    shutil.rmtree(root / SCANNET / "posed_images/scene0000_00")
    before = sizes(root)
    assert run(DEPTH_DOT, root) == 2
    assert sizes(root) == before
    assert run(DEPTH_DOT, root, "--overwrite") == 0
    images = root / "training_data/depth_estimation_dot/v1_0/images"
    assert sorted(path.name for path in images.iterdir()) == ["scene0001_00", "scene0704_00"]


def test_a_scene_that_is_taken_off_its_list_goes_though_its_frames_are_gone(made_root, tmp_path):
    root = link_root(made_root, tmp_path / "root")
    path = root / SCANNET / "meta_data/scannetv2_train.txt"
    path.write_text(path.read_text().replace("scene0000_00\n", ""))
    for folder in ("posed_images", "scans"):
        shutil.rmtree(root / SCANNET / folder / "scene0000_00")
    for command in (LOAD, EXTRACT, INFOS, VISIBILITY, DEPTH_DOT):
        assert run(command, root) == 0, command
    assert not (root / "training_data/depth_estimation_dot/v1_0/images/scene0000_00").exists()


def test_a_disk_that_goes_while_scenes_are_done_takes_nothing_away(
    made_root, tmp_path, monkeypatch, capsys
):
    root = link_root(made_root, tmp_path / "root")
    edit_code(monkeypatch)
    images = root / SCANNET / "posed_images"
    kept = {path.name: path.read_bytes() for path in (images / "scene0001_00").glob("*.png")}
    before = sizes(root)

    def lose_and_see(scenes, scene_id, rule):
        for name in kept:
            (images / "scene0001_00" / name).unlink(missing_ok=True)
        return scene_visibility.see_points(scenes, scene_id, rule)

    with monkeypatch.context() as patch:
        patch.setattr(make_visibility_info, "see_points", lose_and_see)
        assert run(VISIBILITY, root, "--splits", "train") == 1
    assert "left as it was, it holds 1 scenes that failed now" in capsys.readouterr().out
    for name, data in kept.items():
        (images / "scene0001_00" / name).write_bytes(data)
    check_nothing_lost(root, before, VISIBILITY)
    assert run(VISIBILITY, root) == 0
    assert sizes(root) == before


def test_a_benchmark_does_not_lose_questions_whose_file_is_gone(made_root, tmp_path):
    root = link_root(made_root, tmp_path / "root")
    benchmark = main_of(f"{EVALUATION}/make_benchmark.py")
    assert benchmark(["--root", str(root)]) == 0
    before = sizes(root / "evaluation_data/multispa")
    gone = root / "evaluation_data/depth_estimation_dot"
    gone.rename(tmp_path / "away")
    with raises_one_line(MissingInputError, "depth_estimation_dot.jsonl", "multispa.jsonl"):
        benchmark(["--root", str(root)])
    assert sizes(root / "evaluation_data/multispa") == before
    assert benchmark(["--root", str(root), "--overwrite"]) == 0
    assert sizes(root / "evaluation_data/multispa") != before


@pytest.mark.parametrize("name", ["export_uniform", "make_training_mix"])
def test_what_is_made_of_records_stays_when_a_folder_of_them_is_gone(made_root, tmp_path, name):
    root = link_root(made_root, tmp_path / "root")
    main = main_of(f"{EXPORTS}/{name}.py")
    assert main(["--root", str(root)]) == 0
    (root / "training_data/depth_estimation_dot").rename(tmp_path / "away")
    before = sizes(tmp_path)
    with raises_one_line(MissingInputError, root / "training_data/depth_estimation_dot/v1_0"):
        main(["--root", str(root)])
    check_nothing_lost(tmp_path, before, name)


def test_a_smaller_copy_stays_when_the_images_are_gone(made_root, tmp_path):
    root, copy = link_root(made_root, tmp_path / "root"), tmp_path / "copy"
    flags = ["--root", str(root), "--output", str(copy), "--splits", "val", "--num-workers", "1"]
    main = main_of(f"{EXPORTS}/resize_images.py")
    assert main(flags) == 0
    before = sizes(copy)
    records = root / "evaluation_data/depth_estimation_dot"
    records.rename(tmp_path / "records away")
    assert main(flags) == 0
    assert sizes(copy) == before
    (tmp_path / "records away").rename(records)
    (root / SCANNET / "posed_images").rename(tmp_path / "away")
    with raises_one_line(MissingInputError, root / SCANNET / "posed_images", copy):
        main(flags)
    assert sizes(copy) == before


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc/self/mem, whose start gives EIO")
def test_a_disk_that_does_not_read_a_file_takes_no_finished_scene_away(
    made_root, tmp_path, monkeypatch, capsys
):
    """What the file holds is not known: unlike one that is damaged, it is no reason to leave out
    its scene."""
    root = link_root(made_root, tmp_path / "root")
    before = sizes(root)
    path = root / SCANNET / "scannet_instance_data/scene0000_00/aligned_points.npy"
    path.unlink()
    edit_code(monkeypatch)
    path.symlink_to("/proc/self/mem")
    for command in (DEPTH_COOR, DEPTH_DOT, VISIBILITY, OBJECTS):
        assert run(command, root) == 1, command
        check_nothing_lost(root, before | {path.relative_to(root).as_posix(): -1}, command)
        told = capsys.readouterr()
        cause = f"{path}: Input/output error; check the disk, then start again"
        assert f"failed: scene0000_00: {cause}\n" in told.out, told
        assert "left as it was, it holds 1 scenes that failed now" in told.out
    path.unlink()
    path.write_bytes(b"damaged")
    records = "training_data/depth_estimation_dot/v1_0/depth_estimation_dot.jsonl"
    assert run(DEPTH_DOT, root) == 1
    assert 0 < sizes(root)[records] < before[records]
