"""The command: scenes of the lists, as prepared scenes; what is left out, by why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import run_here
from scannetpp.hand_room import hand_room

from spatial_engine.sample_data.captures import scannetpp
from spatial_engine.sample_data.captures.scannetpp import EXTRACTED, Quirks
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.scannetpp_utils.source_files import fingerprint
from spatial_engine.utils.scannetpp_utils.split_lists import scene_folder
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

ONE = ("--num-workers", "1")  # starting others costs more than the scenes
COMMAND = "spatial_engine/utils/scannetpp_utils/prepare_scannetpp.py"
TRAIN, VAL, NO_DEPTH, ABSENT, UNLISTED = (f"{k:010x}" for k in range(1, 6))
FOLDERS = Quirks(color=EXTRACTED, depth=EXTRACTED)


@pytest.fixture
def root(tmp_path) -> Path:
    room = hand_room(24)
    for scene in (TRAIN, VAL, UNLISTED, NO_DEPTH):
        quirks = FOLDERS if scene == TRAIN else Quirks(missing_poses=(1,))
        scannetpp.write(room, scene_folder(tmp_path, scene), quirks)
    (scene_folder(tmp_path, NO_DEPTH) / "iphone" / "depth.bin").unlink()
    folder = tmp_path / "data" / "scannetpp"
    scannetpp.write_lists(folder, [TRAIN, NO_DEPTH, ABSENT], [VAL])
    scannetpp.write_label_map(folder, [("office chair", "chair", "chair"), ("cup", "None", "None")])
    return tmp_path


def labels_of(root: Path, scene: str) -> dict[int, str]:
    infos = SceneInfoHandler.load(Dataset(root, "scannetpp"), "train_val")
    return {k: infos.category(scene, k) for k in infos.object_ids(scene)}


def test_labels_are_as_annotated_or_those_of_the_benchmark(root):
    flags = (*ONE, "--frame-skip", "2", "--scenes", TRAIN)
    assert run_here(COMMAND, root, *flags).returncode == 0
    assert labels_of(root, TRAIN) == {0: "wall", 1: "office chair", 2: "cup"}
    done = run_here(COMMAND, root, *flags, "--benchmark-classes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert labels_of(root, TRAIN) == {0: "wall", 1: "chair"}


def test_listed_scenes_are_prepared_and_others_told(root):
    done = run_here(COMMAND, root, *ONE, "--frame-skip", "2", "--keep-orientation")
    assert done.returncode == 0, done.stdout + done.stderr
    frames = root / "data" / "scannetpp" / "posed_images"
    assert sorted(path.name for path in frames.iterdir()) == [TRAIN, VAL]
    names = sorted(path.name for path in (frames / VAL).glob("*.jpg"))
    assert names[:3] == ["00000.jpg", "00003.jpg", "00005.jpg"]  # frame 1 has no pose
    told = json.loads((root / "data/scannetpp/meta_data/sources.json").read_text())
    assert told[TRAIN]["format"] == "scannetpp" and told[TRAIN]["turned"] == "Up"
    said = done.stdout + done.stderr
    assert f"no depth of the phone: {NO_DEPTH}" in said
    assert f"no list names {UNLISTED}" in said and "version 1" in said
    assert "left out: no pose 1" in said
    assert f"nothing is anonymised: {TRAIN}, {VAL}" in said


def test_a_second_start_does_nothing_and_a_changed_scene_is_made_again(root):
    flags = (*ONE, "--frame-skip", "2")
    assert run_here(COMMAND, root, *flags).returncode == 0
    frames = root / "data" / "scannetpp" / "posed_images"
    times = {scene: (frames / scene / "00000.jpg").stat().st_mtime_ns for scene in (TRAIN, VAL)}
    path = scene_folder(root, VAL) / "iphone" / "pose_intrinsic_imu.json"
    entries = json.loads(path.read_text())
    del entries["frame_000004"]
    path.write_text(json.dumps(entries))
    assert run_here(COMMAND, root, *flags).returncode == 0
    now = {scene: (frames / scene / "00000.jpg").stat().st_mtime_ns for scene in (TRAIN, VAL)}
    assert now[TRAIN] == times[TRAIN] and now[VAL] != times[VAL]


def test_a_scene_that_is_in_no_list_is_told(root):
    done = run_here(COMMAND, root, "--scenes", UNLISTED)
    assert done.returncode == 2 and "in none of the split lists" in done.stderr


def test_what_was_downloaded_may_be_removed_where_it_was_extracted(root):
    folder = scene_folder(root, TRAIN)
    (folder / "iphone" / "rgb.mkv").write_bytes(b"x")
    before = fingerprint(folder, root)
    (folder / "iphone" / "rgb.mkv").unlink()
    assert fingerprint(folder, root) == before
    (folder / "iphone" / "rgb" / "frame_000003.jpg").unlink()
    assert fingerprint(folder, root) != before
