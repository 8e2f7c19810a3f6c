"""Damaged and missing input: one clear line, the right exit code, the other scenes done."""

import json
import re
import shutil
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import COMMANDS, FEWER, copy_root, data_files, run_here
from PIL import Image

from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.scene import RawScene
from spatial_engine.utils import paths
from spatial_engine.utils.paths import info_path, instance_data_dir, visibility_table_path
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.storage.locks import locked
from spatial_engine.utils.tables.visibility_table import VisibilityInfoHandler


def run_one(command, root, *flags):
    """A command without workers: there is little to do, and starting processes takes longer."""
    return run_here(command, root, "--num-workers", "1", *flags)


LOAD, EXTRACT, UPDATE, VISIBILITY, RELATIONS, ENGINE = COMMANDS[:6]
CHECK_INPUTS = "spatial_engine/checks/check_inputs.py"
SCENE = "scene0000_00"
OTHERS = 4


@pytest.fixture
def root(raw_root, tmp_path):
    """A root with the raw data, free to be damaged."""
    return copy_root(raw_root, tmp_path)


def raw_file(root, suffix, scene=SCENE):
    return root / f"data/scannet/scans/{scene}/{scene}{suffix}"


def check_one_scene_failed(done, folder, *words):
    """The scene is named with file and cause in one line, and all other scenes are finished."""
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(f"failed: {SCENE}: ")]
    assert len(lines) == 1, done.stdout
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in done.stdout + done.stderr
    finished = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert SCENE not in finished and len(finished) == OTHERS
    assert not list(folder.glob("*.partial"))


def check_refused(done, *words):
    """Exit code 2 and one line that says what is wrong and what helps."""
    assert done.returncode == 2, done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    for word in words:
        assert word in errors[0]
    assert "Traceback" not in done.stdout + done.stderr


def overwrite(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def header_end(path):
    """Where the compression codes of a `.sens` stand: behind the name and the four matrices."""
    with open(path, "rb") as file:
        _, name_size = struct.unpack("<IQ", file.read(12))
    return 12 + name_size + 4 * 64


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:100]), ["truncated in the header"]),
        (lambda p: p.write_bytes(p.read_bytes()[:-5000]), ["truncated in frame"]),
        (lambda p: p.write_bytes(b""), ["is empty"]),
        (lambda p: p.write_bytes(b"<!DOCTYPE html><p>404"), ["is a web page"]),
        (lambda p: overwrite(p, 0, struct.pack("<I", 3)), ["version 3"]),
        (lambda p: overwrite(p, 4, struct.pack("<Q", 10**18)), ["truncated in the header"]),
        (lambda p: overwrite(p, header_end(p), struct.pack("<i", 9)), ["colour compression 9"]),
        (lambda p: overwrite(p, header_end(p) + 4, struct.pack("<i", 7)), ["depth compression 7"]),
        (lambda p: overwrite(p, header_end(p) + 28, struct.pack("<Q", 10**18)), ["claims"]),
        (lambda p: overwrite(p, header_end(p) + 36 + 80, struct.pack("<Q", 2**60)), ["truncated"]),
        (lambda p: overwrite(p, header_end(p) + 8, struct.pack("<I", 2**31)), ["not plausible"]),
        (lambda p: overwrite(p, header_end(p) - 256, struct.pack("<f", 9.5)), ["focal", "324x242"]),
        (lambda p: overwrite(p, header_end(p) - 248, struct.pack("<f", 325)), ["principal point"]),
        (
            lambda p: overwrite(p, header_end(p) + 36 + 48, struct.pack("<f", 2)),
            ["pose of frame 0"],
        ),
        (lambda p: overwrite(p, header_end(p) + 8, struct.pack("<I", 320)), ["324x242", "320x242"]),
    ],
)
def test_a_damaged_sens_is_named_and_the_others_are_extracted(root, damage, words):
    path = raw_file(root, ".sens")
    damage(path)
    done = run_one(EXTRACT, root)
    check_one_scene_failed(done, root / "data/scannet/posed_images", str(path), *words)


@pytest.mark.parametrize("suffix", ["_vh_clean_2.ply", ".aggregation.json", ".txt"])
def test_a_missing_mesh_or_annotation_is_named(root, suffix):
    path = raw_file(root, suffix)
    path.unlink()
    done = run_one(LOAD, root)
    folder = root / "data/scannet/scannet_instance_data"
    check_one_scene_failed(done, folder, str(path), "no such file")


def test_segments_of_another_mesh_are_named(root):
    path = raw_file(root, "_vh_clean_2.0.010000.segs.json")
    path.write_text(re.sub(r'"segIndices": ?\[\d+, ?', '"segIndices": [', path.read_text()))
    done = run_one(LOAD, root)
    folder = root / "data/scannet/scannet_instance_data"
    check_one_scene_failed(done, folder, str(path), "vertices, the mesh has")


def change_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def of_other_mesh(content):
    """As a segmentation of the full mesh has it: other numbers, hardly one that is known."""
    groups = content["segGroups"]
    for group in groups[: len(groups) // 3 + 1]:
        group["segments"] = [number + 10**6 for number in group["segments"]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (of_other_mesh, "objects have no vertex in the mesh"),
        (lambda content: content.update(segmentsFile=f"{SCENE}_vh_clean.segs.json"), "full mesh"),
        (lambda content: content.update(sceneId="scannet.scene0011_00"), "is of scene0011_00"),
    ],
)
def test_an_aggregation_of_another_mesh_is_named(root, change, words):
    path = raw_file(root, ".aggregation.json")
    change_json(path, change)
    folder = root / "data/scannet/scannet_instance_data"
    check_one_scene_failed(run_one(LOAD, root), folder, str(path), words, "download")
    scene = RawScene(root, SCENE)
    with pytest.raises(RawDataError, match=r"mesh|is of"):  # the audit reads it by itself
        _ = scene.instance_ids


def test_test_scenes_are_named_as_such(root):
    """Nothing that can be downloaded would help: no annotation of them is published."""
    scene, scans = "scene0707_00", root / "data/scannet/scans"
    (scans / scene).mkdir()
    for suffix in ("_vh_clean_2.ply", ".txt"):
        shutil.copy(raw_file(root, suffix), scans / scene / f"{scene}{suffix}")
    with open(root / "data/scannet/meta_data/scannetv2_val.txt", "a") as file:
        file.write(f"{scene}\n")
    done = run_one(LOAD, root)
    failed = [line for line in done.stdout.splitlines() if line.startswith("failed: ")]
    assert done.returncode == 1 and len(failed) == 1
    assert "a test scene" in failed[0] and "take it off the split list" in failed[0]
    assert "download" not in done.stdout + done.stderr


def test_what_is_taken_for_granted_is_counted(root):
    """The kitchen has no axisAlignment; another scene has no objects, and one has them twice."""
    change_json(raw_file(root, ".aggregation.json"), lambda content: content["segGroups"].clear())

    def twice(content):
        groups = content["segGroups"]
        again = [{**group, "objectId": group["objectId"] + 500} for group in groups]
        content["segGroups"] = groups + again

    change_json(raw_file(root, ".aggregation.json", "scene0011_00"), twice)
    done = run_one(LOAD, root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "without axisAlignment (identity taken) 1, without objects 1" in done.stdout
    for line in (
        "scene0704_00: scene0704_00.txt has no axisAlignment, the identity is taken",
        f"{SCENE}: {SCENE}.aggregation.json holds no object",
        "have no vertices: their segments are claimed by later objects, or are not in the mesh",
    ):
        assert done.stderr.count(line) == 1


def test_links_to_nothing_are_told(root, tmp_path_factory):
    gone = tmp_path_factory.mktemp("disk") / "gone"
    scans = root / "data/scannet/scans"
    shutil.rmtree(scans / SCENE)
    (scans / SCENE).symlink_to(gone)
    for command, made in ((LOAD, "scannet_instance_data"), (EXTRACT, "posed_images")):
        done = run_one(command, root)
        words = (f"{scans / SCENE} links to {gone}, which is not there", "mount its disk")
        check_one_scene_failed(done, root / "data/scannet" / made, *words)
    shutil.rmtree(root / "data/scannet/posed_images")
    (root / "data/scannet/posed_images").symlink_to(gone)
    done = run_one(EXTRACT, root)
    check_refused(done, str(root / "data/scannet/posed_images"), f"links to {gone}, which is not")
    assert "move it away" not in done.stderr
    scans.rename(root / "aside")
    scans.symlink_to(gone)
    for command in (LOAD, EXTRACT):
        check_refused(run_one(command, root), f"{scans}: links to {gone}, which is not there")


def test_a_packed_sens_is_told(root):
    path = raw_file(root, ".sens")
    path.rename(f"{path}.gz")
    done = run_one(EXTRACT, root)
    words = (f"{path}: no such file", f"{path.name}.gz is there; unpack it")
    check_one_scene_failed(done, root / "data/scannet/posed_images", *words)


@pytest.mark.parametrize(
    ("place", "words"), [("scans/scans", "move them to"), ("scans_test", "have no annotation")]
)
def test_scans_that_lie_elsewhere_are_found(root, place, words):
    scans = root / "data/scannet/scans"
    aside = scans.rename(root / "aside")
    scans.mkdir()
    aside.rename(root / "data/scannet" / place)
    for command in (LOAD, EXTRACT):
        check_refused(run_one(command, root), f"some are in data/scannet/{place}: ", words)


def test_a_truncated_mesh_is_named(root):
    path = raw_file(root, "_vh_clean_2.ply")
    path.write_bytes(path.read_bytes()[:2000])
    done = run_one(LOAD, root)
    check_one_scene_failed(done, root / "data/scannet/scannet_instance_data", str(path))


def test_a_scene_in_both_lists_is_refused(root):
    meta = root / "data/scannet/meta_data"
    with open(meta / "scannetv2_val.txt", "a") as file:
        file.write(f"{SCENE}\n")
    for command in (LOAD, EXTRACT):
        check_refused(run_one(command, root), SCENE, "scannetv2_val.txt")


def test_listed_scenes_that_are_not_on_disk_are_counted_and_no_failure(root):
    with open(root / "data/scannet/meta_data/scannetv2_train.txt", "a") as file:
        file.write("scene0500_00\nscene0501_00\n")
    for command in COMMANDS[:3]:
        done = run_one(command, root)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "2 left out: listed, no " in done.stdout


def test_an_absent_split_is_counted_and_no_failure(root):
    (root / "data/scannet/meta_data/scannetv2_val.txt").unlink()
    for command in COMMANDS:
        done = run_one(command, root, *FEWER.get(command, ()))
        assert done.returncode == 0, command + done.stdout + done.stderr
    assert (root / "training_data/camera_movement/v1_0/x_movement_train.jsonl").exists()
    made = {path.name for path in (root / "evaluation_data").iterdir()}
    assert made == {"object_movement_coord", "object_movement_dot"}  # clips have lists of their own


def test_nothing_on_disk_is_an_error(root):
    for path in (root / "data/scannet/scans").iterdir():
        path.rename(root / path.name)
    for command in (LOAD, EXTRACT):
        check_refused(run_one(command, root), "nothing to do")


def test_an_empty_list_is_named_and_the_other_split_is_done(root):
    path = root / "data/scannet/meta_data/scannetv2_train.txt"
    path.write_text("\n")
    for command in (LOAD, EXTRACT):
        done = run_one(command, root)
        assert done.returncode == 1
        assert f"failed: train: {path}: the list is empty" in done.stdout
    assert len(list((root / "data/scannet/posed_images").iterdir())) == 2
    (root / "data/scannet/meta_data/scannetv2_val.txt").write_text("")
    for command in (LOAD, EXTRACT):
        check_refused(run_one(command, root), str(path), "lists no scene")


@pytest.mark.parametrize("listed", ["../../outside", "/etc", "scene 1"])
def test_an_id_that_would_leave_its_folder_is_refused(root, listed):
    with open(root / "data/scannet/meta_data/scannetv2_train.txt", "a") as file:
        file.write(listed + "\n")
    check_refused(run_one(EXTRACT, root), "is not a valid id")


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        (UPDATE, "batch_load_scannet_data.py"),
        (VISIBILITY, "update_info_file_with_images.py"),
        (RELATIONS, "update_info_file_with_images.py"),
        (ENGINE, "update_info_file_with_images.py"),
    ],
)
def test_a_step_without_the_step_before_names_the_command(root, command, remedy):
    check_refused(run_one(command, root), remedy)


def test_the_engine_without_relations_names_their_command(prepared_root):
    check_refused(run_one(ENGINE, prepared_root), "calculate_frames_relations.py")


@pytest.fixture
def prepared(prepared_root, tmp_path):
    """A root with points, frames and infos, free to be damaged."""
    return copy_root(prepared_root, tmp_path)


def check_split_without_scene(done, root, path, *words):
    """The scene is named, and the table of its split holds the others."""
    assert done.returncode == 1, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith(f"failed: {SCENE}"))
    assert str(path) in line and all(word in line for word in words)
    scenes = VisibilityInfoHandler(visibility_table_path(root, "train")).scene_ids
    assert SCENE not in scenes and len(scenes) == 2
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200)),
        lambda path: path.write_bytes(b""),
    ],
)
def test_an_unreadable_depth_image_is_named(prepared, damage):
    path = prepared / f"data/scannet/posed_images/{SCENE}/00010.png"
    damage(path)
    check_split_without_scene(run_one(VISIBILITY, prepared), prepared, path)


def test_a_mended_scene_is_added_by_the_next_start(prepared):
    path = prepared / f"data/scannet/posed_images/{SCENE}/00010.png"
    good = path.read_bytes()
    path.write_bytes(b"")
    assert run_one(VISIBILITY, prepared).returncode == 1
    path.write_bytes(good)
    done = run_one(VISIBILITY, prepared)
    assert done.returncode == 0 and "2 scenes are taken over" in done.stderr
    assert not [name for name in data_files(prepared) if ".parts" in name]


@pytest.mark.parametrize("text", ["1 0 0 0\n0 1 0 0\n0 0 1 0\n", "not a matrix", ""])
def test_a_pose_that_is_not_4x4_is_named(prepared, text):
    path = prepared / f"data/scannet/posed_images/{SCENE}/00005.txt"
    path.write_text(text)
    done = run_one(UPDATE, prepared)
    assert done.returncode == 1
    assert f"failed: {SCENE}: {path}" in done.stdout


def test_an_unreadable_colour_image_is_named(prepared):
    path = prepared / f"data/scannet/posed_images/{SCENE}/00000.jpg"
    path.write_bytes(b"no image")
    done = run_one(UPDATE, prepared)
    assert done.returncode == 1
    assert f"failed: {SCENE}: {path}" in done.stdout


def test_a_stale_visibility_table_is_noticed_and_not_used(prepared):
    assert run_one(VISIBILITY, prepared).returncode == 0
    path = prepared / f"data/scannet/posed_images/{SCENE}/00005.txt"
    path.write_text("1 0 0 1\n0 1 0 1\n0 0 1 1\n0 0 0 1\n")
    assert run_one(UPDATE, prepared).returncode == 0
    done = run_one(RELATIONS, prepared)
    assert done.returncode == 0
    assert (
        f"{SCENE}: " in done.stderr
        and "is stale" in done.stderr
        and "make_visibility_info.py" in done.stderr
    )
    with_stale = paths.pair_table_path(prepared, "train").read_bytes()
    assert run_one(VISIBILITY, prepared).returncode == 0
    assert run_one(RELATIONS, prepared, "--overwrite").returncode == 0
    assert paths.pair_table_path(prepared, "train").read_bytes() == with_stale


def test_stale_relations_are_refused(prepared):
    assert run_one(RELATIONS, prepared).returncode == 0
    path = prepared / f"data/scannet/posed_images/{SCENE}/00005.txt"
    path.write_text("1 0 0 1\n0 1 0 1\n0 0 1 1\n0 0 0 1\n")
    assert run_one(UPDATE, prepared).returncode == 0
    done = run_one(ENGINE, prepared)
    assert done.returncode == 1
    assert f"failed: {SCENE}" in done.stdout and "calculate_frames_relations.py" in done.stdout


def test_a_trial_with_scenes_does_not_replace_the_whole(prepared):
    assert run_one(VISIBILITY, prepared).returncode == 0
    check_refused(run_one(VISIBILITY, prepared, "--scenes", SCENE), "--overwrite")
    check_refused(run_one(VISIBILITY, prepared, "--scenes", "scene9999_00"), "scene9999_00")


def test_a_second_run_on_the_same_folder_is_refused(prepared):
    folder = prepared / "data/scannet/posed_images"
    with locked(folder):
        check_refused(run_one(EXTRACT, prepared), str(folder), "another run")
    assert run_one(EXTRACT, prepared).returncode == 0


def test_frames_of_another_origin_are_not_replaced(root):
    folder = root / "data/scannet/posed_images" / SCENE
    folder.mkdir(parents=True)
    (folder / "00000.jpg").write_bytes(b"precious")
    done = run_one(EXTRACT, root)
    assert done.returncode == 1 and f"failed: {SCENE}: {folder}" in done.stdout
    assert (folder / "00000.jpg").read_bytes() == b"precious"


def test_frames_of_a_scan_that_is_now_damaged_are_not_kept_for_good(prepared):
    path = raw_file(prepared, ".sens")
    path.write_bytes(path.read_bytes()[:5000])
    assert run_one(EXTRACT, prepared).returncode == 1
    assert not (prepared / "data/scannet/posed_images" / SCENE).exists()


@pytest.mark.parametrize("content", ["nothing", "a pickle", "cut off", "a table of other rows"])
@pytest.mark.parametrize("command", [UPDATE, VISIBILITY, ENGINE])
def test_infos_that_are_something_else_are_an_error_of_one_line(prepared, command, content):
    with_images = command != UPDATE
    for split in ("train", "val"):
        name = split if with_images else "train_val"
        path = info_path(prepared, name, with_images=with_images)
        if content == "a table of other rows":
            pq.write_table(pa.table({"scene_id": [SCENE]}), path)
            continue
        data = {"nothing": b"", "a pickle": path.with_suffix(".pkl").read_bytes()}
        path.write_bytes(data.get(content, path.read_bytes()[:-9]))
    done = run_one(command, prepared)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert path.name.replace("val", "train") in done.stderr or path.name in done.stderr


@pytest.mark.parametrize("command", [UPDATE, VISIBILITY])
def test_a_root_with_pickles_alone_names_the_step_that_makes_the_table(prepared, command):
    """As code before the tables has left it."""
    with_images = command != UPDATE
    for path in instance_data_dir(prepared).glob("scenes_*.parquet"):
        path.unlink()
    done = run_one(command, prepared)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert ".parquet: no such" in line
    assert (UPDATE if with_images else LOAD) in line
    for mend in (LOAD, UPDATE):
        assert run_one(mend, prepared).returncode == 0
    assert len(list(instance_data_dir(prepared).glob("scenes_*.parquet"))) == 4


def test_scenes_that_the_relations_lack_are_named(prepared):
    assert run_one(RELATIONS, prepared, "--scenes", SCENE, "scene0011_00").returncode == 0
    done = run_one(ENGINE, prepared)
    assert done.returncode == 1
    for scene in ("scene0001_00", "scene0704_00", "scene0015_00"):
        assert f"failed: {scene}" in done.stdout
    assert "calculate_frames_relations.py" in done.stdout


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (EXTRACT, ["--frame-skip", "0"]),
        (EXTRACT, ["--num-workers", "0"]),
        (ENGINE, ["--version", "../../outside"]),
        (ENGINE, ["--val-max-samples", "-7"]),
        (ENGINE, ["--num-zero-overlap", "-1"]),
    ],
)
def test_flags_that_make_no_sense_are_refused(prepared_root, command, flags):
    done = run_one(command, prepared_root, *flags)
    assert done.returncode == 2 and flags[0] in done.stderr
    assert "Traceback" not in done.stderr


def test_a_frame_skip_that_thins_out_later_steps_is_said(root):
    done = run_one(EXTRACT, root, "--frame-skip", "3")
    assert done.returncode == 0 and "only those that are both" in done.stderr


def test_what_cannot_be_drawn_is_said(prepared):
    assert run_one(RELATIONS, prepared).returncode == 0
    done = run_one(ENGINE, prepared, "--train-max-samples", "1000000")
    assert done.returncode == 0
    assert "requested but not available" in done.stdout


# ---- cameras and poses that cannot be ------------------------------------------------------------


def frames_folder(root):
    return root / f"data/scannet/posed_images/{SCENE}"


def rewrite(path, change):
    np.savetxt(path, change(np.loadtxt(path)))


def resize_images(folder):
    for path in folder.glob("*.jpg"):
        Image.open(path).reduce(2).save(path)


def resize_one_image(folder):
    Image.open(folder / "00010.jpg").reduce(2).save(folder / "00010.jpg")


IMPOSSIBLE = {  # by what it does to the frames of a scene: file and words of the message
    "images of half the size": (resize_images, "intrinsic.txt", "principal point", "162x121"),
    "one image of another size": (resize_one_image, "00010.jpg", "162x121", "324x242"),
    "intrinsics transposed": (
        lambda f: rewrite(f / "intrinsic.txt", np.transpose), "intrinsic.txt", "324x242"
    ),
    "pose transposed": (
        lambda f: rewrite(f / "00005.txt", np.transpose), "00005.txt", "last row", "0 0 0 1"
    ),
    "pose in other units": (
        lambda f: rewrite(f / "00005.txt", lambda m: m * [1e3, 1e3, 1e3, 1]),
        "00005.txt", "lengths 1000 1000 1000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_camera_or_pose_that_cannot_be_is_named_and_other_scenes_get_infos(prepared, name):
    damage, file, *words = IMPOSSIBLE[name]
    damage(frames_folder(prepared))
    done = run_one(UPDATE, prepared)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    (line,) = [x for x in done.stdout.splitlines() if x.startswith(f"failed: {SCENE}: ")]
    assert all(word in line for word in (f"{frames_folder(prepared)}/{file}: ", *words))
    assert "extract_posed_images.py" in line  # the remedy
    assert len(SceneInfoHandler.load(prepared, "train_val").scene_ids) == OTHERS


def test_a_singular_pose_is_named_and_its_frame_left_out_by_every_step(prepared):
    """Not marked as lost, but of no use: the scene goes on without it, the exit code tells."""
    path = frames_folder(prepared) / "00010.txt"
    rewrite(path, lambda matrix: matrix * [1, 1, 0, 1])
    for remark in ("", "up to date"):  # told again when there is nothing to do
        done = run_one(UPDATE, prepared)
        assert done.returncode == 1 and remark in done.stdout
        (line,) = [x for x in done.stdout.splitlines() if x.startswith(f"damaged: {SCENE}: ")]
        assert f"{path}: the frame is left out, its rotation is singular" in line
        assert "failed" not in done.stdout
    before = SceneInfoHandler.load(prepared, "train").valid_frames(SCENE)[0]
    assert "00005" in before and "00010" not in before
    for command in (VISIBILITY, RELATIONS):
        assert run_one(command, prepared).returncode == 0
    table = VisibilityInfoHandler(visibility_table_path(prepared, "train"))
    assert table.load_scene(SCENE).image_ids == before


POSES_OF_OTHERS = {  # rigid motions all: only the depth tells
    "poses inverted": np.linalg.inv,  # world to camera
    "camera axes": lambda pose: pose @ np.diag([1, -1, -1, 1]),  # right, up, back
}


@pytest.mark.parametrize("fault", POSES_OF_OTHERS)
def test_poses_that_do_not_fit_the_depth_are_named(prepared, fault):
    for path in frames_folder(prepared).glob("[0-9]*.txt"):
        if np.isfinite(np.loadtxt(path)).all():
            rewrite(path, POSES_OF_OTHERS[fault])
    assert run_one(UPDATE, prepared).returncode == 0
    done = run_one(CHECK_INPUTS, prepared, "--scenes", SCENE)
    assert done.returncode == 0
    (line,) = [x for x in done.stdout.splitlines() if x.startswith(f"  {SCENE} ")]
    assert line.split()[1:3] == fault.split()


def test_a_scene_of_whose_frames_none_sees_a_vertex_is_named_with_the_cause(prepared):
    for path in frames_folder(prepared).glob("[0-9]*.txt"):
        far = np.zeros((4, 4))
        far[0, 3] = 500  # metres
        rewrite(path, far.__add__)
    assert run_one(UPDATE, prepared).returncode == 0
    for command in (VISIBILITY, RELATIONS):
        done = run_one(command, prepared)
        assert done.returncode == 1
        (line,) = [x for x in done.stdout.splitlines() if x.startswith(f"failed: {SCENE}: ")]
        assert "frames sees a vertex" in line and str(frames_folder(prepared)) in line
    scenes = VisibilityInfoHandler(visibility_table_path(prepared, "train")).scene_ids
    assert SCENE not in scenes and scenes
