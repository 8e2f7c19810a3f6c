from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest
from arkit_room import SIZE, VIDEO, make_room, write_video
from conftest import run_here
from helpers import raises_one_line

from spatial_engine.errors import MissingInputError
from spatial_engine.sample_data.captures.arkitscenes import write_lists
from spatial_engine.utils.arkitscenes_utils import prepare_arkitscenes
from spatial_engine.utils.arkitscenes_utils.prepare_arkitscenes import make_source, present_videos
from spatial_engine.utils.arkitscenes_utils.video_lists import SOURCE, scene_lists
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

OTHER, ABSENT = "47333462", "40753679"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    write_video(root, make_room(SIZE[::-1]), sky="Left", no_depth=(3,))
    write_video(root, make_room(), video_id=OTHER, download="raw", fold="Validation")
    folds = {VIDEO: "Training", OTHER: "Validation", ABSENT: "Training"}
    write_lists(root / SOURCE, folds, sky="Left")
    return root


def started(root, *flags):
    args = prepare_arkitscenes.parse_args(["--root", str(root), *flags])
    return args, Step("prepare_arkitscenes", args, {}, prepare_arkitscenes.__file__)


def test_listed_videos_are_found_and_the_others_counted(made):
    args, step = started(made)
    folders = present_videos(args, step, scene_lists(made))
    assert folders == {
        VIDEO: made / SOURCE / "3dod/Training" / VIDEO,
        OTHER: made / SOURCE / "raw/Validation" / OTHER,
    }
    assert list(step.table.absent.values()) == [1]
    args, step = started(made, "--splits", "val")
    assert [*present_videos(args, step, scene_lists(made))] == [OTHER]
    args, step = started(made, "--scenes", VIDEO)
    assert [*present_videos(args, step, scene_lists(made))] == [VIDEO]
    args, step = started(made, "--scenes", "1")
    with raises_one_line(MissingInputError, "--scenes 1"):
        present_videos(args, step, scene_lists(made))


def test_archives_that_were_not_unpacked_are_told(made):
    path = made / SOURCE / f"3dod/Training/{ABSENT}.zip"
    path.write_bytes(b"PK")
    args, step = started(made)
    present_videos(args, step, scene_lists(made))
    assert "unpack" in next(iter(step.table.absent))
    path.unlink()


def test_a_source_goes_to_a_worker_and_opens_there(made):
    source = make_source(made, made / SOURCE / "3dod/Training" / VIDEO, VIDEO)
    capture = pickle.loads(pickle.dumps(source.open))()
    assert len(capture.numbers) == 11 and len(pickle.loads(pickle.dumps(capture)).numbers) == 11


def test_changed_files_change_the_inputs(made, tmp_path):
    folder = tmp_path / SOURCE / "3dod/Training" / VIDEO
    shutil.copytree(made / SOURCE / "3dod/Training" / VIDEO, folder)
    frames = folder / f"{VIDEO}_frames"
    before = make_source(tmp_path, folder, VIDEO).inputs
    assert make_source(tmp_path, folder, VIDEO).inputs == before
    for place in (
        next((frames / "lowres_depth").iterdir()),
        next((frames / "lowres_wide").iterdir()),
        frames / "lowres_wide.traj",
        folder / f"{VIDEO}_3dod_mesh.ply",
        folder / f"{VIDEO}_3dod_annotation.json",
        next((frames / "lowres_wide_intrinsics").iterdir()),
    ):
        data = place.read_bytes()
        place.write_bytes(data + b" ")
        assert make_source(tmp_path, folder, VIDEO).inputs != before, place
        place.unlink()
        assert make_source(tmp_path, folder, VIDEO).inputs != before, place
        place.write_bytes(data)
        assert make_source(tmp_path, folder, VIDEO).inputs == before, place


COMMAND = "spatial_engine/utils/arkitscenes_utils/prepare_arkitscenes.py"
FLAGS = ("--num-workers", "1", "--frame-skip", "1")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, made):
    """A root with both videos as the command prepares them, one whose images lay on their side."""
    root = tmp_path_factory.mktemp("prepared") / "root"
    shutil.copytree(made, root)
    done = run_here(COMMAND, root, *FLAGS)
    assert done.returncode == 0, done.stdout + done.stderr
    return root, done


def test_videos_become_scenes_upright_with_a_camera_for_each_frame(prepared):
    root, done = prepared
    assert "without a depth image 1" in done.stdout and "turned upright 11" in done.stdout
    scenes = SceneInfoHandler.load(Dataset(root, "arkitscenes"), "train_val")
    assert {*scenes.scene_ids} == {VIDEO, OTHER}
    assert scenes.color_size(VIDEO) == SIZE[::-1] and scenes.color_size(OTHER) == SIZE
    assert scenes.image_ids(VIDEO)[:4] == ["00000", "00001", "00002", "00004"]
    assert [scenes.category(VIDEO, number) for number in scenes.object_ids(VIDEO)] == [
        "side_table",
        "tv_monitor_set",
    ]
    for scene, image in ((VIDEO, "00004"), (OTHER, "00024")):
        ids, poses = scenes.valid_frames(scene)
        pose = poses[ids.index(image)]
        assert pose[2, 1] < -0.9  # down of the image is down
        room = make_room()
        np.testing.assert_allclose(pose[:3, 3], room.frames[4].pose[:3, 3], atol=2e-5)
    told = json.loads((root / SOURCE / "meta_data/sources.json").read_text())
    assert told[VIDEO]["turned"] == "Left" and told[OTHER]["turned"] == "Up"
    assert told[OTHER]["path"] == (SOURCE / "raw/Validation" / OTHER).as_posix()
    assert (root / SOURCE / "meta_data/val.txt").read_text() == f"{OTHER}\n"


def test_a_second_start_does_nothing(prepared):
    root, _ = prepared
    before = {path: path.stat().st_mtime_ns for path in (root / SOURCE).rglob("*.jpg")}
    done = run_here(COMMAND, root, *FLAGS)
    assert done.returncode == 0 and "done again" not in done.stderr
    after = {path: path.stat().st_mtime_ns for path in (root / SOURCE).rglob("*.jpg")}
    assert before == after and len(after) == 11 + 12


def test_a_broken_video_is_named_and_the_other_prepared(made, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(made, root)
    trajectory = next((root / SOURCE).glob(f"3dod/*/{VIDEO}/*/lowres_wide.traj"))
    trajectory.write_bytes(trajectory.read_bytes()[:-40])
    done = run_here(COMMAND, root, *FLAGS)
    assert done.returncode == 1 and f"{trajectory}: " in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    scenes = SceneInfoHandler.load(Dataset(root, "arkitscenes"), "val")
    assert [*scenes.scene_ids] == [OTHER]


def test_images_stay_on_their_side_on_request(made, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(made, root)
    done = run_here(COMMAND, root, *FLAGS, "--keep-orientation", "--scenes", VIDEO)
    assert done.returncode == 0, done.stdout + done.stderr
    scenes = SceneInfoHandler.load(Dataset(root, "arkitscenes"), "train")
    assert scenes.color_size(VIDEO) == SIZE
    told = json.loads((root / SOURCE / "meta_data/sources.json").read_text())
    assert told[VIDEO]["turned"] == "Up" and told[VIDEO]["keep_orientation"]
