"""Commands about clips as typed: lists, camera poses, missing and damaged clips, shared frames."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from audit_files import file_complaints
from conftest import PATIENCE, REPOSITORY, data_files
from tiny_objects import check_fine, check_refused

from spatial_engine.object_movement import clip_bodies, point_path_engine
from spatial_engine.object_movement import single_object_movement_engine_coord as coord
from spatial_engine.object_movement import single_object_movement_engine_dot as dot
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.running import cli
from spatial_engine.utils.tapvid3d_utils import copy_adt_extrinsics, make_split_lists

FEW = ("--train-points-per-group", "2", "--train-pairs-per-bin", "3", "--num-workers", "1")
DATA = "data/tapvid3d_dataset"
FRAMES = "data/my_tapvid3d_images"
BODIES = "data/clip_bodies"
CLEAN, MEAL = "Apartment_release_clean_seq131_5", "Apartment_release_meal_seq136_8"
DECORATION = "Apartment_release_decoration_skeleton_seq133_2"
WORK, MUG = "Apartment_release_work_seq107_3", "Lite_release_recognition_Mug_seq030_0"
PSTUDIO = {"train": ["boxes_11", "softball_3"], "val": ["basketball_7"]}


@pytest.fixture
def root(raw_root, tmp_path) -> Path:
    """The sample clips alone, free to be damaged; of adt the one without poses and one of val, none
    of drivetrack (test_drivetrack.py)."""
    folder = tmp_path / "root"
    shutil.copytree(raw_root / DATA, folder / DATA)
    shutil.rmtree(folder / DATA / "drivetrack")
    for clip_id in (MEAL, DECORATION, WORK):
        (folder / DATA / "adt" / f"{clip_id}.npz").unlink()
    return folder


@pytest.fixture
def run(capsys):
    """Runs a command's `main` in this process."""

    def typed(module, root: Path, *flags: object) -> SimpleNamespace:
        capsys.readouterr()
        more = FEW if module in (coord, dot) else ()
        try:
            code = cli.run(module.main, ["--root", str(root), *map(str, flags), *more])
        except SystemExit as stop:  # argparse
            code = stop.code
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return typed


def clip_file(root: Path, dataset: str, clip_id: str) -> Path:
    return root / DATA / dataset / f"{clip_id}.npz"


def lists(root: Path, dataset: str) -> dict[str, list[str]]:
    folder = root / DATA / "meta_data" / dataset
    return {path.stem: path.read_text().split() for path in folder.glob("*.txt")}


def clips_asked(root: Path, prompt: str, dataset: str) -> set[str]:
    """Clips that records are about, by their images."""
    found = root.glob(f"*_data/object_movement_{prompt}/v1_0/{dataset}/*.jsonl")
    return {name.split("/")[0] for path in found for r in read_jsonl(path) for name in r["image"]}


def made(root: Path) -> dict[str, bytes]:
    files = data_files(root)
    assert not any(".partial" in name or ".parts" in name for name in files)
    return files


def check_partly(done, *words: object) -> None:
    """Exit code 1, and a line of the summary that names what failed with cause and remedy."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("failed: "))
    for word in words:
        assert str(word) in line


# ---- split lists ---------------------------------------------------------------------------------


def test_lists_hold_out_activities_and_are_never_overwritten(root, run):
    check_fine(run(make_split_lists, root))
    assert lists(root, "adt") == {"train": [CLEAN], "val": [MUG]}
    assert lists(root, "pstudio") == PSTUDIO
    own = root / DATA / "meta_data/pstudio/val.txt"
    own.write_text("boxes_99\n")
    before = {path: path.stat().st_mtime_ns for path in (root / DATA).rglob("*.txt")}
    clip_file(root, "pstudio", "softball_3").rename(clip_file(root, "pstudio", "softball_9"))
    for module, flags in ((make_split_lists, ()), (coord, ("--datasets", "pstudio"))):
        done = run(module, root, *flags)
        assert done.returncode in (0, 1), done.stderr
        assert {path: path.stat().st_mtime_ns for path in before} == before
    assert own.read_text() == "boxes_99\n"


def test_what_a_kill_leaves_beside_a_list_or_a_clip_is_removed(root, run):
    modules = (make_split_lists, copy_adt_extrinsics)
    for module in modules:
        check_fine(run(module, root))
    expected = made(root)
    for path in (root / DATA / "meta_data/adt/train.txt", clip_file(root, "adt", CLEAN)):
        path.with_name(f"{path.name}.partial").mkdir()
    for module in modules:
        check_fine(run(module, root))
    assert not list(root.rglob("*.partial"))
    assert made(root) == expected


def test_one_missing_list_is_made_and_the_other_stays(root, run):
    folder = root / DATA / "meta_data/pstudio"
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("softball_3\n")
    check_fine(run(make_split_lists, root, "--datasets", "pstudio"))
    assert lists(root, "pstudio") == {"train": ["softball_3"], "val": ["basketball_7"]}
    assert not (root / DATA / "meta_data/adt").exists()


@pytest.mark.parametrize("module", [make_split_lists, copy_adt_extrinsics, coord, dot])
@pytest.mark.parametrize("there", ["nothing", "empty folders"])
def test_without_any_clip_the_remedy_is_named(tmp_path, run, module, there):
    if there == "empty folders":
        for dataset in ("adt", "pstudio"):
            (tmp_path / DATA / dataset / "tmp").mkdir(parents=True)
    done = run(module, tmp_path)
    assert done.returncode == 2
    assert "no clips" in done.stdout + done.stderr
    assert "tapvid3d_utils/README.md" in done.stdout + done.stderr
    assert not list(tmp_path.rglob("*.jsonl")) and not list(tmp_path.rglob("*.txt"))


def test_a_clip_in_both_lists_is_refused(root, run):
    check_fine(run(make_split_lists, root))
    path = root / DATA / "meta_data/pstudio/train.txt"
    path.write_text(path.read_text() + "basketball_7\n")
    check_refused(run(coord, root, "--datasets", "pstudio"), "basketball_7", path)


# ---- camera poses --------------------------------------------------------------------------------


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_poses_are_copied_and_all_else_stays_byte_for_byte(root, run):
    path, other = clip_file(root, "adt", CLEAN), clip_file(root, "adt", MUG)
    before, others = members(path), (other.read_bytes(), other.stat().st_mtime_ns)
    done = run(copy_adt_extrinsics, root)
    check_fine(done)
    after = members(path)
    added = after.pop("extrinsics_w2c.npy")
    assert after == before
    with np.load(path.parent / "tmp" / path.name) as note, np.load(path) as clip:
        np.testing.assert_array_equal(clip["extrinsics_w2c"], note["extrinsics_w2c"])
    assert added and (other.read_bytes(), other.stat().st_mtime_ns) == others
    data = path.read_bytes()
    check_fine(run(copy_adt_extrinsics, root))
    assert path.read_bytes() == data
    assert not list(path.parent.glob("*.partial"))


@pytest.mark.parametrize("damage", ["frames", "missing", "truncated", "shape"])
def test_annotations_that_do_not_fit_are_named_and_the_clip_is_left(root, run, damage):
    path = clip_file(root, "adt", CLEAN)
    before, note = path.read_bytes(), path.parent / "tmp" / path.name
    for clip_id in ("Apartment_release_a", "Apartment_release_z"):  # before and after it: fine
        shutil.copy(path, clip_file(root, "adt", clip_id))
        shutil.copy(note, note.with_name(f"{clip_id}.npz"))
    with np.load(note) as archive:
        poses = archive["extrinsics_w2c"]
    if damage == "frames":
        np.savez(note, extrinsics_w2c=poses[1:])
    elif damage == "shape":
        np.savez(note, extrinsics_w2c=poses[:, :3])
    elif damage == "missing":
        note.unlink()
    else:
        note.write_bytes(note.read_bytes()[:300])
    check_partly(run(copy_adt_extrinsics, root), CLEAN, note)
    assert path.read_bytes() == before
    for clip_id in ("Apartment_release_a", "Apartment_release_z"):
        assert "extrinsics_w2c.npy" in members(clip_file(root, "adt", clip_id))


def test_annotations_may_lie_elsewhere(root, run, tmp_path):
    (root / DATA / "adt/tmp").rename(tmp_path / "elsewhere")
    check_fine(run(copy_adt_extrinsics, root, "--annotations", tmp_path / "elsewhere"))
    assert "extrinsics_w2c.npy" in members(clip_file(root, "adt", CLEAN))


# ---- questions -----------------------------------------------------------------------------------


def test_a_clip_without_poses_is_named_and_the_others_are_done(root, run):
    shutil.rmtree(root / DATA / "pstudio")
    done = run(coord, root)
    check_partly(done, CLEAN, "extrinsics_w2c", "copy_adt_extrinsics.py")
    assert "pstudio, no clips" in done.stdout, "the data set that is not there is counted"
    assert clips_asked(root, "coord", "adt") == {MUG}
    check_fine(run(copy_adt_extrinsics, root))
    check_fine(run(coord, root))
    assert clips_asked(root, "coord", "adt") == {MUG, CLEAN}


@pytest.mark.parametrize("rule", ["usual", "published", "own"])
def test_records_are_right_by_the_rule_that_the_provenance_tells(root, run, rule):
    flags = {"usual": (), "published": ("--published",), "own": ("--published", "--moved-m", 0.3)}
    check_fine(run(coord, root, "--datasets", "pstudio", *flags[rule]))
    paths = sorted(root.rglob("pstudio_tapvid3d_total_distance_*.jsonl"))
    for path, split in zip(paths, ("val", "train"), strict=True):
        told = json.loads(path.with_name(f"{path.name}.meta.json").read_text())["settings"]
        moved_m, times, share = {"usual": (0.02, 5, 0.1), "published": (0.01, 0, 0)}.get(
            rule, (0.3, 0, 0)
        )
        assert told["published"] == (rule != "usual")
        assert (told["STILL_M"], told["MOVED_M"]) == (0.01, moved_m)
        assert (told["JITTER_TIMES"], told["STATIC_SHARE"]) == (times, share)
        assert file_complaints(path, root, split) == []
        answers = np.array([record["gt_value"] for record in read_jsonl(path)])
        assert answers[answers > 0].min() >= 1000 * moved_m - 0.5
        if split == "train" and rule == "usual":
            assert np.count_nonzero(answers == 0) == pytest.approx(0.1 * len(answers), rel=0.15)


def test_only_the_data_set_asked_for_is_done(root, run):
    check_fine(run(coord, root, "--datasets", "pstudio"))
    assert clips_asked(root, "coord", "pstudio") == {"boxes_11", "softball_3", "basketball_7"}
    assert not list(root.glob("*_data/object_movement_coord/v1_0/adt"))
    assert not (root / DATA / "meta_data/adt").exists()
    assert {path.name for path in (root / FRAMES).iterdir() if path.is_dir()} == clips_asked(
        root, "coord", "pstudio"
    )


def test_a_listed_clip_that_is_not_there_is_counted(root, run):
    check_fine(run(make_split_lists, root))
    clip_file(root, "pstudio", "softball_3").unlink()
    done = run(coord, root, "--datasets", "pstudio")
    check_fine(done)
    assert "listed, no pstudio/<clip>.npz" in done.stdout
    assert clips_asked(root, "coord", "pstudio") == {"boxes_11", "basketball_7"}


def test_links_to_nothing_are_told(root, run, tmp_path):
    path = clip_file(root, "pstudio", "boxes_11")
    assert run(make_split_lists, root).returncode == 0
    path.unlink()
    path.symlink_to(tmp_path / "gone.npz")
    done = run(coord, root, "--datasets", "pstudio")
    told = f"failed: boxes_11: {path}: links to {tmp_path / 'gone.npz'}, which is not there; make"
    assert done.returncode == 1 and told in done.stdout, done.stdout + done.stderr
    assert clips_asked(root, "coord", "pstudio") == {"softball_3", "basketball_7"}
    shutil.rmtree(root / DATA / "pstudio")
    (root / DATA / "pstudio").symlink_to(tmp_path / "gone")
    words = (f"{root / DATA / 'pstudio'}: links to {tmp_path / 'gone'}, which", "mount its disk")
    check_refused(run(coord, root, "--datasets", "pstudio"), *words)


@pytest.mark.parametrize("prompt", [coord, dot])
def test_a_damaged_clip_is_named_and_the_others_are_done(root, run, prompt):
    path = clip_file(root, "pstudio", "softball_3")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    check_partly(run(prompt, root, "--datasets", "pstudio"), "softball_3", path.name)
    name = "coord" if prompt is coord else "dot"
    assert clips_asked(root, name, "pstudio") == {"boxes_11", "basketball_7"}
    path.write_bytes(data)
    check_fine(run(prompt, root, "--datasets", "pstudio"))
    assert clips_asked(root, name, "pstudio") == {"boxes_11", "softball_3", "basketball_7"}


def rewrite(path: Path, **changes: np.ndarray) -> None:
    with np.load(path, allow_pickle=True) as clip:
        arrays = dict(clip)
    np.savez(path, **(arrays | changes))


def test_a_frame_that_does_not_decode_is_named_with_its_clip(root, run):
    path = clip_file(root, "pstudio", "boxes_11")
    with np.load(path) as clip:
        images = clip["images_jpeg_bytes"].tolist()
    images[1:] = [b"\xff\xd8" + b"nonsense" + b"\xff\xd9"] * (len(images) - 1)
    rewrite(path, images_jpeg_bytes=np.array(images))
    check_partly(run(dot, root, "--datasets", "pstudio"), "boxes_11", "boxes_11.npz", "image 1")
    assert clips_asked(root, "dot", "pstudio") == {"softball_3", "basketball_7"}


@pytest.mark.parametrize("prompt", [coord, dot])
def test_a_frame_of_another_size_is_named_with_its_clip(root, run, prompt):
    """Sizes and coordinates in the records would be those of another picture."""
    path = clip_file(root, "pstudio", "boxes_11")
    with np.load(path) as clip, np.load(clip_file(root, "adt", MUG)) as other:
        images = clip["images_jpeg_bytes"].tolist()
        images[1:] = other["images_jpeg_bytes"].tolist()[1 : len(images)]
    rewrite(path, images_jpeg_bytes=np.array(images))
    done = run(prompt, root, "--datasets", "pstudio")
    check_partly(done, "boxes_11")
    assert "scene" not in done.stdout, "clips have no scene info, and no scene to extract again"


def test_frames_of_another_origin_are_not_asked_about(root, run):
    folder = root / "data/my_tapvid3d_images/boxes_11"
    folder.mkdir(parents=True)
    (folder / "00000.jpg").write_bytes(b"of somebody else")
    done = run(coord, root, "--datasets", "pstudio")
    check_partly(done, "boxes_11", "was not made by this command")
    assert clips_asked(root, "coord", "pstudio") == {"softball_3", "basketball_7"}


@pytest.mark.parametrize("change", ["one frame", "nothing visible"])
def test_a_clip_without_pairs_is_no_failure(root, run, change):
    path = clip_file(root, "pstudio", "boxes_11")
    with np.load(path) as clip:
        arrays = dict(clip)
    if change == "one frame":
        keys = ("images_jpeg_bytes", "tracks_XYZ", "visibility")
        arrays |= {key: arrays[key][:1] for key in keys}
        del arrays["queries_xyt"]  # of frames that are gone
    else:
        arrays["visibility"] &= False
    np.savez(path, **arrays)
    check_fine(run(dot, root, "--datasets", "pstudio"))
    assert clips_asked(root, "dot", "pstudio") == {"softball_3", "basketball_7"}


def test_frames_are_the_stored_bytes_written_once_and_shared(root, run):
    check_fine(run(coord, root, "--datasets", "pstudio"))
    frames = sorted((root / FRAMES).rglob("*.jpg"))
    with np.load(clip_file(root, "pstudio", "boxes_11")) as clip:
        stored = clip["images_jpeg_bytes"].tolist()
    written = [path.read_bytes() for path in frames if path.parent.name == "boxes_11"]
    assert written == stored and len(frames) == 3 * len(stored)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in frames}
    meta = root / f"{FRAMES}.meta.json"
    meta_before = meta.read_bytes()
    check_fine(run(dot, root, "--datasets", "pstudio"))
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in before} == before
    assert sorted((root / FRAMES).rglob("*.jpg")) == frames and meta.read_bytes() == meta_before
    images = root / "training_data/object_movement_dot/v1_0/pstudio/images/boxes_11"
    plain = [path for path in images.iterdir() if "annotated" not in path.name]
    assert plain and all(path.samefile(root / FRAMES / "boxes_11" / path.name) for path in plain)


def test_rigid_bodies_are_found_once_for_all_commands(root, run, monkeypatch):
    looked, real = [], clip_bodies.rigid_bodies

    def counted(tracks: np.ndarray) -> list[np.ndarray]:
        looked.append(tracks.shape)
        return real(tracks)

    monkeypatch.setattr(clip_bodies, "rigid_bodies", counted)
    check_fine(run(dot, root, "--datasets", "pstudio"))
    assert len(looked) == 3
    for command in (coord, point_path_engine):
        check_fine(run(command, root, "--datasets", "pstudio"))
    assert len(looked) == 3
    bodies = root / BODIES / "boxes_11/bodies.parquet"
    before = {file: data for file, data in made(root).items() if "meta.json" not in file}
    bodies.unlink()  # found again, and what was asked with them stays
    check_fine(run(coord, root, "--datasets", "pstudio"))
    after = {file: data for file, data in made(root).items() if "meta.json" not in file}
    assert len(looked) == 4 and after == before


def test_a_clip_whose_bodies_are_damaged_is_named(root, run):
    check_fine(run(coord, root, "--datasets", "pstudio"))
    bodies = root / BODIES / "boxes_11/bodies.parquet"
    whole = bodies.read_bytes()
    bodies.write_bytes(whole[:-9] + b"\0" * 9)
    check_partly(run(dot, root, "--datasets", "pstudio"), "boxes_11", bodies, "--overwrite")
    assert clips_asked(root, "dot", "pstudio") == {"softball_3", "basketball_7"}
    check_fine(run(dot, root, "--datasets", "pstudio", "--overwrite"))
    assert bodies.read_bytes() == whole


def test_pictures_and_records_belong_together(root, run):
    check_fine(run(dot, root, "--datasets", "pstudio", "--val-max-samples", 5))
    for folder in root.glob("*_data/object_movement_dot/v1_0/pstudio"):
        paths = sorted(folder.glob("*.jsonl"))
        named = {n for path in paths for record in read_jsonl(path) for n in record["image"]}
        there = {p.relative_to(folder / "images").as_posix() for p in folder.rglob("*.jpg")}
        assert len(paths) == 2 and named == there


KILLED = """
import os, sys
from spatial_engine.object_movement import single_object_movement_engine_dot as step
from spatial_engine.utils.running import cli
left, real = int(sys.argv.pop(1)), os.replace
def replace(*paths):
    global left
    if left == 0:
        os._exit(9)
    left -= 1
    real(*paths)
os.replace = replace
sys.exit(cli.run(step.main))
"""


def test_a_killed_run_is_continued_to_the_same_bytes(root, run, tmp_path):
    flags = ("--datasets", "pstudio")
    other = shutil.copytree(root, tmp_path / "other")
    check_fine(run(dot, other, *flags))
    for number in (1, 3, 9, 14):  # lists, frames, parts, outputs
        line = [sys.executable, "-c", KILLED, str(number), "--root", str(root), *flags, *FEW]
        done = subprocess.run(
            line, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode in (0, 9), done.stdout + done.stderr
        if number == 1:
            assert done.returncode == 9
    check_fine(run(dot, root, *flags))
    assert made(root) == made(other)
