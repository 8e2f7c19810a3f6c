"""Depth and correspondence commands as typed: damaged and missing input, other constants."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import copy_root, data_files, run_here
from helpers import load_pickle

from spatial_engine.depth_perception import (
    depth_comparison_coor_engine,
    depth_comparison_dot_engine,
    depth_estimation_coor_engine,
    depth_estimation_dot_engine,
)
from spatial_engine.utils import paths
from spatial_engine.utils.paths import info_path, info_pickle_path
from spatial_engine.utils.running import cli
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.storage import files
from spatial_engine.utils.tables import info_table, pair_table, visibility_table
from spatial_engine.visual_correspondence import (
    visual_correspondence_qa_engine_coor_2_coor,
    visual_correspondence_qa_engine_dot_2_multichoice,
)

DEPTH = "spatial_engine/depth_perception/depth_"
MATCH = "spatial_engine/visual_correspondence/visual_correspondence_qa_engine_"
ESTIMATION_DOT = f"{DEPTH}estimation_dot_engine.py"
COMPARISON_COOR = f"{DEPTH}comparison_coor_engine.py"
COMPARISON_DOT = f"{DEPTH}comparison_dot_engine.py"
COOR = f"{MATCH}coor_2_coor.py"
DOTS = f"{MATCH}dot_2_multichoice.py"
FOUR = (ESTIMATION_DOT, COMPARISON_COOR, COOR, DOTS)
CHANGED = (COMPARISON_DOT, COMPARISON_COOR, COOR, DOTS)
FEW = ("--train-max-samples", "60", "--val-max-samples", "25")
SCENE, FRAME = "scene0000_00", "00010"
SCENES = {"train": [SCENE, "scene0001_00", "scene0704_00"], "val": ["scene0011_00", "scene0015_00"]}
FOLDERS = {"train": "training_data", "val": "evaluation_data"}


def run_few(command, root, *flags, workers=1):
    if command == DOTS and "--dot-radius-px" not in flags:
        flags = ("--dot-radius-px", "4", *flags)  # four marks of the usual size fill small images
    return run_here(command, root, "--num-workers", str(workers), *FEW, *flags)


def folder_of(command: str, root: Path, split: str) -> Path:
    name = Path(command).stem.replace("_qa_engine", "").removesuffix("_engine")
    return root / FOLDERS[split] / name / "v1_0"


def records_of(command: str, root: Path, split: str) -> list[dict]:
    """Records of a task, its output checked to be whole: every line, every picture, no other."""
    folder = folder_of(command, root, split)
    (jsonl,) = folder.glob("*.jsonl")
    made = [json.loads(line) for line in jsonl.read_bytes().splitlines()]
    if "dot" in jsonl.name:
        images = folder / "images"
        there = {path.relative_to(images).as_posix() for path in images.rglob("*.jpg")}
        assert Counter(name for record in made for name in record["image"]) == Counter(there)
    else:
        assert not (folder / "images").exists()
    return made


def scenes_of(made: list[dict]) -> list[str]:
    return sorted({name.split("/")[0] for record in made for name in record["image"]})


def check_refused(done, *words) -> None:
    """Exit code 2 and one line that says what is wrong and what helps."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    for word in words:
        assert word in line
    assert "Traceback" not in done.stdout + done.stderr


def check_scene_failed(done, command, root, *words) -> None:
    """One line names scene and cause; all other scenes are in the output, which is whole."""
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(f"failed: {SCENE}: "))
    for word in words:
        assert word in line
    assert "Traceback" not in done.stdout + done.stderr
    assert scenes_of(records_of(command, root, "train")) == SCENES["train"][1:]
    assert scenes_of(records_of(command, root, "val")) == SCENES["val"]


@pytest.fixture(scope="module")
def source(made_root, tmp_path_factory) -> Path:
    """What the six commands read, without the raw scans."""
    folder = tmp_path_factory.mktemp("source")
    skipped = shutil.ignore_patterns("scans", "*.png", "v1_0")
    shutil.copytree(made_root, folder, dirs_exist_ok=True, ignore=skipped)
    return folder


@pytest.fixture
def root(source, tmp_path) -> Path:
    """The same, free to be damaged."""
    return copy_root(source, tmp_path)


@pytest.fixture(scope="module")
def finished(source, tmp_path_factory) -> Path:
    """A root on which the commands whose input changes below have run."""
    folder = copy_root(source, tmp_path_factory.mktemp("finished"))
    for command in CHANGED:
        done = run_few(command, folder)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def image_path(root: Path, frame: str = FRAME) -> Path:
    return root / "data/scannet/posed_images" / SCENE / f"{frame}.jpg"


# ---- images --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", FOUR)
def test_a_missing_image_is_counted_and_no_record_names_it(root, command):
    image_path(root).unlink()
    done = run_few(command, root)
    assert done.returncode == 0, done.stdout + done.stderr
    what = "pairs" if command in (COOR, DOTS) else "frames"
    assert f"{what} whose image file is missing" in done.stdout
    made = records_of(command, root, "train")
    assert scenes_of(made) == SCENES["train"]
    named = [name for record in made for name in record["image"] if name.startswith(SCENE)]
    assert not [name for name in named if FRAME in name]
    assert not [record["id"] for record in made if f"{SCENE}_{FRAME}" in record["id"]]


@pytest.mark.parametrize("command", [ESTIMATION_DOT, DOTS])
def test_a_damaged_image_is_named_and_the_other_scenes_are_done(root, command):
    frames = [FRAME] if command == ESTIMATION_DOT else [f"{5 * k:05d}" for k in range(10)]
    good = {frame: image_path(root, frame).read_bytes() for frame in frames}
    for frame, data in good.items():
        image_path(root, frame).write_bytes(data[: len(data) // 2])
    done = run_few(command, root)
    words = [str(image_path(root).parent), ".jpg: could not read", "extract_posed_images.py"]
    check_scene_failed(done, command, root, *words, *(frames if len(frames) == 1 else []))
    for frame, data in good.items():
        image_path(root, frame).write_bytes(data)
    done = run_few(command, root)
    assert done.returncode == 0 and "2 scenes were finished before" in done.stderr
    assert scenes_of(records_of(command, root, "train")) == SCENES["train"]


def test_a_folder_in_the_place_of_an_image_is_named_and_the_other_scenes_are_done(root):
    image_path(root, "00000").unlink()
    image_path(root, "00000").mkdir()
    done = run_few(ESTIMATION_DOT, root)
    check_scene_failed(done, ESTIMATION_DOT, root, str(image_path(root, "00000")))


# ---- tables --------------------------------------------------------------------------------------


def change_info(root: Path, split: str, change) -> None:
    infos = load_pickle(info_pickle_path(root, split))
    change(infos)
    info_table.write_infos(infos, info_path(root, split))


def rewrite_tables(root: Path, split: str, see) -> None:
    """Visibility and pairs anew for the scene infos as they are now; `see(scene, points)` is what
    a frame sees of what it saw."""
    scenes = SceneInfoHandler.load(root, split)
    table = visibility_table.VisibilityInfoHandler(paths.visibility_table_path(root, split))
    seen_parts, pair_parts = [], []
    for scene_id in scenes.scene_ids:
        old = table.load_scene(scene_id)
        ids, poses = scenes.valid_frames(scene_id)
        lists = [np.array(see(scene_id, old.points(name)), np.int32) for name in ids]
        seen_by_rule = dict.fromkeys(visibility_table.RULES, lists)
        geometry = scenes.geometry_hash(scene_id)
        seen_parts.append(root / f"{scene_id}.visibility")
        visibility_table.write_scene_visibility(
            seen_parts[-1], scene_id, ids, seen_by_rule, old.num_points, geometry
        )
        overlap = np.full((len(ids), len(ids)), 20.0)  # all pairs are in range
        pair_parts.append(root / f"{scene_id}.pairs")
        columns = pair_table.relate_frames(ids, poses, overlap)
        pair_table.write_scene_pairs(pair_parts[-1], scene_id, ids, columns, geometry)
    visibility_table.merge_visibility(seen_parts, paths.visibility_table_path(root, split))
    pair_table.merge_pairs(pair_parts, paths.pair_table_path(root, split))
    for part in seen_parts + pair_parts:
        part.unlink()


@pytest.mark.parametrize("command", FOUR)
def test_a_stale_table_is_named_and_the_other_scenes_are_done(root, command):
    def move(infos):
        infos[SCENE]["images_info"][FRAME]["extrinsic_matrix"][0, 3] += 0.01

    change_info(root, "train", move)
    done = run_few(command, root)
    remedy = "calculate_frames_relations" if command in (COOR, DOTS) else "make_visibility_info"
    check_scene_failed(done, command, root, "stale", f"{remedy}.py")


def test_pairs_made_anew_do_not_hide_a_stale_visibility_table(root):
    def move(infos):
        infos[SCENE]["images_info"][FRAME]["extrinsic_matrix"][0, 3] += 0.01

    path = paths.visibility_table_path(root, "train")
    old = path.read_bytes()
    change_info(root, "train", move)
    rewrite_tables(root, "train", lambda scene, points: points)
    path.write_bytes(old)
    done = run_few(COOR, root)
    check_scene_failed(done, COOR, root, "stale", "make_visibility_info.py")


@pytest.mark.parametrize("command", FOUR)
def test_without_a_visibility_table_the_command_that_makes_it_is_named(root, command):
    for split in SCENES:
        paths.visibility_table_path(root, split).unlink()
    check_refused(run_few(command, root), "visibility_info_D5.parquet", "make_visibility_info.py")
    assert list((root / "training_data").rglob("v1_0")) == []


@pytest.mark.parametrize("command", [COOR, DOTS])
def test_without_a_pair_table_the_command_that_makes_it_is_named(root, command):
    paths.pair_table_path(root, "train").unlink()
    done = run_few(command, root)  # one split is absent: counted, no failure
    assert done.returncode == 0 and "1 left out: train, no " in done.stdout
    assert "calculate_frames_relations.py" in done.stdout
    assert not folder_of(command, root, "train").exists()
    assert scenes_of(records_of(command, root, "val")) == SCENES["val"]
    paths.pair_table_path(root, "val").unlink()
    check_refused(run_few(command, root), "camera_info_D5.parquet", "calculate_frames_relations.py")


@pytest.mark.parametrize("command", FOUR)
def test_frames_that_see_nothing_or_one_vertex_are_counted(root, command):
    kept = {"scene0704_00": 0, "scene0001_00": 1}
    rewrite_tables(root, "train", lambda scene, points: points[: kept.get(scene)])
    done = run_few(command, root, "--splits", "train", "--published")
    assert done.returncode == 0, done.stdout + done.stderr
    expected = {
        ESTIMATION_DOT: ["frames that see no vertex 11"],  # ten of the one, one of the other
        COMPARISON_COOR: ["frames that see no vertex 11", "frames that see one vertex 9"],
        COOR: ["pairs without a point that can be asked about"],
        DOTS: ["pairs without a point that can be asked about"],
    }
    for words in expected[command]:
        assert words in done.stdout
    found = scenes_of(records_of(command, root, "train"))
    assert "scene0704_00" not in found and SCENE in found


@pytest.mark.parametrize("command", FOUR)
def test_where_no_frame_sees_anything_there_is_an_error_that_says_so(root, command):
    rewrite_tables(root, "val", lambda scene, points: points[:0])
    done = run_few(command, root, "--splits", "val")
    assert done.returncode == 1
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("error: "))
    assert "no records" in line
    assert ("no vertex" in line) or ("without a point" in line)


@pytest.mark.parametrize("command", FOUR)
def test_scenes_with_a_single_frame(root, command):
    def keep_one(infos):
        for info in infos.values():
            info["images_info"] = {"00000": info["images_info"]["00000"]}

    change_info(root, "val", keep_one)
    rewrite_tables(root, "val", lambda scene, points: points)
    done = run_few(command, root, "--splits", "val")
    if command in (COOR, DOTS):
        assert done.returncode == 1
        assert "no records (requested but not available 25)" in done.stdout
        return
    assert done.returncode == 0, done.stdout + done.stderr
    made = records_of(command, root, "val")
    assert len(made) == (2 if command == ESTIMATION_DOT else 20)
    if command == COMPARISON_COOR:  # each of the two frames is asked about as often as it may be
        assert "more than 10 questions about a frame 5" in done.stdout
        assert "requested but not available 5" in done.stdout
    assert all("/00000" in record["image"][0] for record in made)


def test_half_a_million_asked_of_three_vertices_ends_with_a_count_of_what_is_missing(root):
    rewrite_tables(root, "train", lambda scene, points: points[::200][:3])
    start = os.times()
    flags = ("--num-workers", "1", "--splits", "train", "--published")
    done = run_here(COMPARISON_COOR, root, *flags)
    assert os.times().children_user - start.children_user < 60  # seconds of a core
    assert done.returncode == 0, done.stdout + done.stderr
    made = records_of(COMPARISON_COOR, root, "train")
    assert 40 <= len(made) <= 3 * 28
    assert f"requested but not available {500_000 - len(made):,}" in done.stdout
    asked = 3 * (500_000 // 3 + 1)
    assert f"no new pair of points that can be compared {asked - len(made):,}" in done.stdout


def test_comparisons_are_spread_over_frames_and_told_in_the_closing_table(root):
    """A scene of one frame gives ten questions, the others give the rest."""
    folder = root / "data/scannet/posed_images/scene0001_00"
    for image in sorted(folder.glob("*.jpg"))[1:]:
        image.unlink()
    done = run_few(COMPARISON_COOR, root, "--splits", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    made = records_of(COMPARISON_COOR, root, "train")
    times = Counter(record["image"][0] for record in made)
    of_scene = Counter(record["image"][0].split("/")[0] for record in made)
    assert len(made) == 60 and max(times.values()) <= 10
    assert of_scene["scene0001_00"] <= 10 and min(of_scene.values()) >= 8
    assert max(of_scene.values()) <= 27  # of those that take the rest: half of 63 - 10, and one
    assert "more than 10 questions" not in done.stdout
    counted = re.search(
        r"counted: nearer point higher (\d+), nearer point lower in the image (\d+)", done.stdout
    )
    higher, lower = map(int, counted.groups())
    assert 60 <= higher + lower <= 66 and abs(higher - lower) <= 24
    for record in made:
        near, far = sorted(told["depth_mm"] for told in record["points_info"])
        assert far - near >= max(50, 0.02 * near)


# ---- disk ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module",
    [
        depth_estimation_dot_engine,
        depth_comparison_dot_engine,
        visual_correspondence_qa_engine_dot_2_multichoice,
    ],
)
@pytest.mark.parametrize(("num_bytes", "num_files"), [(100_000, 10**9), (10**15, 10)])
def test_a_small_disk_is_refused_before_anything_is_written(
    root, module, num_bytes, num_files, monkeypatch, capsys
):
    status = SimpleNamespace(f_bavail=num_bytes, f_frsize=1, f_files=10**9, f_favail=num_files)
    monkeypatch.setattr(files.os, "statvfs", lambda folder: status)
    before = data_files(root)
    code = cli.run(module.main, ["--root", str(root), "--num-workers", "1", *FEW])
    assert code == 2
    (line,) = (x for x in capsys.readouterr().err.splitlines() if x.startswith("error: "))
    assert "make room" in line and str(root) in line
    assert data_files(root) == before


@pytest.mark.parametrize(
    "module", [depth_estimation_coor_engine, visual_correspondence_qa_engine_coor_2_coor]
)
def test_a_small_disk_is_enough_without_pictures(root, module, monkeypatch):
    status = SimpleNamespace(f_bavail=1000, f_frsize=1, f_files=10**9, f_favail=2)
    monkeypatch.setattr(files.os, "statvfs", lambda folder: status)
    assert cli.run(module.main, ["--root", str(root), "--num-workers", "1", *FEW]) == 0


# ---- constants -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "flag", "value"),
    [
        (COMPARISON_DOT, "--dot-radius-px", "14"),
        (DOTS, "--max-match-error-mm", "60"),
        (COMPARISON_COOR, "--min-depth-gap-mm", "600"),
    ],
)
def test_a_changed_constant_makes_everything_again(finished, tmp_path, command, flag, value):
    root = copy_root(finished, tmp_path)
    before = {split: data_files(folder_of(command, root, split)) for split in SCENES}
    done = run_few(command, root, flag, value)
    assert done.returncode == 0 and "up to date" not in done.stdout, done.stdout + done.stderr
    for split, old in before.items():
        new = data_files(folder_of(command, root, split))
        assert all(new[name] != old[name] for name in old if name.endswith(".jsonl"))
        if command == COMPARISON_DOT:  # a larger dot, wherever
            assert not [name for name in old if new.get(name) == old[name]]
        made = records_of(command, root, split)
        assert made
        if command == COMPARISON_COOR:
            depths = [[told["depth_mm"] for told in record["points_info"]] for record in made]
            assert min(abs(one - two) for one, two in depths) >= 600
    done = run_few(command, root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {split: data_files(folder_of(command, root, split)) for split in SCENES} == before


def test_what_is_up_to_date_is_left_and_changed_images_and_missing_folders_are_noticed(
    finished, tmp_path
):
    root = copy_root(finished, tmp_path)
    image_path(root).touch()
    for command in (DOTS, COMPARISON_COOR):
        done = run_few(command, root)
        assert done.returncode == 0 and done.stdout.count("up to date") == 2
    with open(image_path(root), "ab") as file:
        file.write(b"\0")  # behind the end, where it shows nothing
    # Only what is made of the image is made again.
    for command, current in ((DOTS, 1), (COMPARISON_COOR, 2)):
        done = run_few(command, root)
        assert done.returncode == 0 and done.stdout.count("up to date") == current
    shutil.rmtree(folder_of(DOTS, root, "train") / "images")
    done = run_few(DOTS, root)
    assert done.returncode == 0 and done.stdout.count("up to date") == 1
    for split in SCENES:
        expected = data_files(folder_of(DOTS, finished, split))
        assert data_files(folder_of(DOTS, root, split)) == expected


@pytest.mark.parametrize(
    ("module", "flags"),
    [
        (visual_correspondence_qa_engine_dot_2_multichoice, ["--val-difficulty", "any"]),
        (visual_correspondence_qa_engine_dot_2_multichoice, ["--dot-radius-px", "0"]),
        (visual_correspondence_qa_engine_coor_2_coor, ["--val-difficulty", "hard"]),
        (depth_comparison_dot_engine, ["--dot-radius-px", "-3"]),
        (depth_comparison_dot_engine, ["--min-depth-gap-mm", "0"]),
        (depth_comparison_dot_engine, ["--min-depth-gap-share", "-0.1"]),
        (depth_comparison_coor_engine, ["--max-per-frame", "-2"]),
        (depth_estimation_coor_engine, ["--max-per-frame", "2"]),
        (depth_estimation_dot_engine, ["--min-depth-gap-mm", "5"]),
        (depth_comparison_coor_engine, ["--dot-radius-px", "10"]),
        (depth_comparison_coor_engine, ["--train-max-samples", "-2"]),
    ],
)
def test_flags_that_make_no_sense_are_refused(source, module, flags, capsys):
    with pytest.raises(SystemExit) as stopped:
        module.main(["--root", str(source), *flags])
    assert stopped.value.code == 2
    assert flags[0] in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["easy", "medium", "hard"])
def test_all_difficulties_are_taken(source, kind, capsys):
    module = visual_correspondence_qa_engine_dot_2_multichoice
    flags = ["--val-difficulty", kind, "--train-max-samples", "0", "--val-max-samples", "0"]
    assert cli.run(module.main, ["--root", str(source), *flags]) == 2
    assert "nothing to do" in capsys.readouterr().err
