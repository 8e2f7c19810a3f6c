"""The command for a user's own captures: what is listed, what is made again, what images keep."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from captures_formats.plain_room import make_plain_room
from conftest import run_here
from PIL import Image

from spatial_engine.sample_data.captures import colmap, replica
from spatial_engine.sample_data.captures.sample_captures import FORMATS
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.scenes.split_lists import read_split_lists

COMMAND = "spatial_engine/utils/capture_utils/prepare_captures.py"
ROOM = make_plain_room((96, 72), (96, 72), num_frames=12)


def prepare(root: Path, form: str, *flags: str):
    flags = ("--format", form, "--frame-skip", "1", "--num-workers", "1", *flags)
    return run_here(COMMAND, root, "--dataset", "mine", "--input", str(root / "own"), *flags)


def listed(root: Path) -> set[str]:
    lists = read_split_lists(Dataset(root, "mine"), "")
    return {scene for ids in lists.values() for scene in ids}


def frames_of(root: Path, scene: str) -> Path:
    return root / "data/mine/posed_images" / scene


@pytest.mark.parametrize("beside", [False, True])
def test_another_camera_makes_the_scene_again(tmp_path, beside):
    replica.write(ROOM, tmp_path / "own", camera_beside=beside)
    assert prepare(tmp_path, "replica").returncode == 0
    camera = next((tmp_path / "own").rglob("cam_params.json"))
    made = sorted(frames_of(tmp_path, replica.SCENE).glob("intrinsic*"))
    before = [path.read_bytes() for path in made]
    told = json.loads(camera.read_text())
    told["camera"]["fx"] *= 1.01
    camera.write_text(json.dumps(told))
    assert prepare(tmp_path, "replica").returncode == 0
    assert made and all(path.read_bytes() != old for path, old in zip(made, before, strict=True))


def test_prepared_images_hold_no_note_of_how_a_camera_was_held(tmp_path):
    replica.write(ROOM, tmp_path / "own")
    images = sorted((tmp_path / "own").rglob("frame*.jpg"))
    notes = Image.Exif()
    notes[0x0112] = 6
    for path in images:
        Image.open(path).save(path, quality=95, exif=notes)
    assert b"Exif" in images[0].read_bytes()
    assert prepare(tmp_path, "replica").returncode == 0
    made = sorted(frames_of(tmp_path, replica.SCENE).glob("*.jpg"))
    assert len(made) == len(images)
    assert not any(b"Exif" in path.read_bytes() for path in made)


def test_what_cannot_be_prepared_is_listed_once_it_is(tmp_path):
    for name in ("hall", "kitchen"):
        colmap.write(ROOM, tmp_path / "own" / name)
    scale = FORMATS["colmap"].metres_per_unit
    hall = ("--scenes", "hall", "--metres-per-unit", str(scale))
    assert prepare(tmp_path, "colmap", *hall).returncode == 0
    assert listed(tmp_path) == {"hall"}

    done = prepare(tmp_path, "colmap", "--scenes", "kitchen")
    assert done.returncode == 1 and listed(tmp_path) == {"hall"}
    words = (done.stdout + done.stderr).split("depth fits with ")[1]
    assert float(words.split(")")[0]) == pytest.approx(scale, rel=0.02)

    assert prepare(tmp_path, "colmap", "--metres-per-unit", str(scale)).returncode == 0
    assert listed(tmp_path) == {"hall", "kitchen"}


def test_frames_of_colmap_are_in_metres(tmp_path):
    colmap.write(ROOM, tmp_path / "own")
    flags = ("--metres-per-unit", str(FORMATS["colmap"].metres_per_unit), "--up", "z")
    assert prepare(tmp_path, "colmap", *flags).returncode == 0
    for frame in ROOM.frames:
        pose = np.loadtxt(frames_of(tmp_path, "own") / f"{frame.number:05d}.txt")
        np.testing.assert_allclose(pose, frame.pose, atol=1e-5)


def test_scenes_that_another_version_prepared_are_kept_or_refused_before_anything_changes(tmp_path):
    colmap.write(ROOM, tmp_path / "own" / "hall")
    scale = ("--metres-per-unit", str(FORMATS["colmap"].metres_per_unit))
    assert prepare(tmp_path, "colmap", *scale).returncode == 0
    for mark in (tmp_path / "data/mine").rglob(".done.json"):
        told = json.loads(mark.read_text())
        told["origin"]["settings"]["code"]["utils/preparation/plan.py"] = "of another version"
        mark.write_text(json.dumps(told))
    before = {p: p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file()}
    colmap.write(ROOM, tmp_path / "more" / "kitchen")

    more = ("--input", str(tmp_path / "more"), *scale)
    done = prepare(tmp_path, "colmap", *more)
    assert done.returncode == 2 and "hall" in done.stderr and "--accept-finished" in done.stderr
    assert {p: p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file()} == before

    assert prepare(tmp_path, "colmap", *more, "--accept-finished").returncode == 0
    assert listed(tmp_path) == {"hall", "kitchen"}


def test_what_is_wanted_of_a_scene_makes_it_again_and_leaves_the_others(tmp_path):
    for name in ("hall", "kitchen"):
        colmap.write(ROOM, tmp_path / "own" / name)
    scale = FORMATS["colmap"].metres_per_unit
    assert prepare(tmp_path, "colmap", "--metres-per-unit", str(scale)).returncode == 0
    poses = {
        scene: [path.read_text() for path in sorted(frames_of(tmp_path, scene).glob("0*.txt"))]
        for scene in ("hall", "kitchen")
    }
    wanted = ("--metres-per-unit", str(1.01 * scale), "--input", str(tmp_path / "own" / "hall"))
    assert prepare(tmp_path, "colmap", *wanted).returncode == 0
    for scene, before in poses.items():
        now = [path.read_text() for path in sorted(frames_of(tmp_path, scene).glob("0*.txt"))]
        assert len(before) == 12 and (now == before) == (scene == "kitchen")


def test_where_the_points_are_absent_no_scene_is_taken_off_the_lists(tmp_path):
    colmap.write(ROOM, tmp_path / "own" / "hall")
    scale = ("--metres-per-unit", str(FORMATS["colmap"].metres_per_unit))
    assert prepare(tmp_path, "colmap", *scale).returncode == 0
    infos = tmp_path / "data/mine/instance_data"
    (infos / "hall").rename(tmp_path / "elsewhere")
    before = {p: p.read_bytes() for p in infos.glob("scenes_*") if p.is_file()}
    colmap.write(ROOM, tmp_path / "more" / "kitchen")
    done = prepare(tmp_path, "colmap", "--input", str(tmp_path / "more"), *scale)
    assert done.returncode == 2 and "would lose" in done.stderr
    assert "hall" in listed(tmp_path)
    assert {p: p.read_bytes() for p in before} == before
