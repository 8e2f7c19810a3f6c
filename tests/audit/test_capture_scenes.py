"""Scenes of other data sets through the whole audit: the oracles, records, tables, the command."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from audit_files import PUBLISHED, file_complaints
from capture_files import DATASET, SCENE, depth_png, jpeg, opened, png, put, slope, tell
from test_oracle import EAST, NORTH, SOUTH, make_record, pose
from test_oracle import SCENE as SCANNET_SCENE

from spatial_engine.audit import audit_labels
from spatial_engine.audit.captures.capture import RawCapture
from spatial_engine.audit.captures.fused import check_fused, supported
from spatial_engine.audit.captures.opened import raw_scene, scene_datasets
from spatial_engine.audit.captures.prepared import check_prepared
from spatial_engine.audit.label_lines import ids_of_split, index_file
from spatial_engine.audit.label_records import dataset_of, find_label_files, label_file, read_record
from spatial_engine.audit.label_tables import check_tables
from spatial_engine.audit.oracles.camera_movement import check_camera_record
from spatial_engine.audit.oracles.overlap import overlap
from spatial_engine.audit.oracles.scene_tables import check_seen_points
from spatial_engine.audit.oracles.visibility import project, visibility_table, visible
from spatial_engine.audit.raw.ids import split_list_path
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.records.images import check_frame, check_stored
from spatial_engine.checks import audit_tables
from spatial_engine.utils.running import cli
from spatial_engine.utils.tables.visibility_table import PUBLISHED as PUBLISHED_RULE
from spatial_engine.utils.tables.visibility_table import (
    SURFACE,
    merge_visibility,
    write_scene_visibility,
)

FROM_OPENCV = np.diag([1.0, -1, -1, 1])
# as in test_oracle: frames 0 and 5 overlap by a quarter
POINTS = [(2, 1.25, 0.2), (2, 0.1, 0.2), (2, -0.5, 0.2), (1, 2, 0.5)]
POSES = {0: pose(EAST, 0, 0, 0), 5: pose(NORTH, 1, -0.25, 0.5), 6: pose(SOUTH, 0, -9, 0)}

# Depth is four metres everywhere; so that vertices before it count as of the surface that is shown.
NEAR_IS_SURFACE = {"SURFACE_WINDOW_PX": 0, "DEPTH_TOLERANCE_M": 10.0, "DEPTH_TOLERANCE_SHARE": 0.0}


@pytest.fixture
def root(tmp_path) -> Path:
    """The scene of test_oracle as a capture in transforms.json, of data set `mine`."""
    folder, frames = tmp_path / "capture", []
    for k in range(7):
        put(folder / f"images/f{k}.jpg", jpeg(slope(16, 12, 20 * k)))
        put(folder / f"depth/f{k}.png", depth_png(np.full((6, 8), 4000)))
        matrix = POSES.get(k, pose(EAST, k, k, 0)) @ FROM_OPENCV
        frame = {"file_path": f"images/f{k}.jpg", "depth_file_path": f"depth/f{k}.png"}
        frames.append({**frame, "transform_matrix": matrix.tolist(), "fl_x": 10, "fl_y": 10})
    put(folder / "transforms.json", {"cx": 8.5, "cy": 6.5, "w": 16, "h": 12, "frames": frames})
    tell(tmp_path, "transforms", folder, [0, 5, 6])
    points = np.zeros((4, 6))
    points[:, :3] = POINTS
    instance = tmp_path / "data" / DATASET / "instance_data" / SCENE / "aligned_points.npy"
    instance.parent.mkdir(parents=True)
    np.save(instance, points)
    for frame_id, k in (("00000", 0), ("00005", 5), ("00006", 6)):
        content = (folder / f"images/f{k}.jpg").read_bytes()
        put(tmp_path / "data" / DATASET / "posed_images" / SCENE / f"{frame_id}.jpg", content)
    put(split_list_path(tmp_path, "train", DATASET), f"{SCENE}\n")
    put(split_list_path(tmp_path, "val", DATASET), "other\n")
    table = visibility_table(tmp_path, "train", DATASET)
    put(Path(f"{table}.meta.json"), {"scenes": [SCENE], "settings": NEAR_IS_SURFACE})
    return tmp_path


@pytest.fixture
def capture(root) -> RawCapture:
    return raw_scene(root, DATASET, SCENE)


def write_lines(path: Path, records: list[dict]) -> Path:
    put(path, "".join(json.dumps(record) + "\n" for record in records))
    put(path.with_name(path.name + ".meta.json"), {"settings": PUBLISHED})
    return path


def uniform(record: dict) -> dict:
    """A record of the uniform form, of the images of `mine`."""
    kept = ("id", "task", "question_type", "gt_value", "image", "text")
    extra = {key: value for key, value in record.items() if key not in kept}
    return {
        **{key: record[key] for key in kept if key in record},
        "image": [f"data/{DATASET}/posed_images/{name}" for name in record["image"]],
        "gt_value": json.dumps(record["gt_value"]),
        "gt_unit": "word",
        "extra": json.dumps(extra),
    }


# ---- the oracles ---------------------------------------------------------------------------------


def test_the_oracles_judge_a_capture_as_a_scan(capture):
    assert capture.valid_frame_ids == ["00000", "00005", "00006"]
    assert overlap(capture, "00000", "00005") == (25, 25, 25)
    record = make_record(scene_id=SCENE)
    assert check_camera_record(record, capture, "train") == []
    record["answer_values"]["yaw_angle"] = 91
    assert len(check_camera_record(record, capture, "train")) == 1
    assert check_frame(capture, "00006") == ""
    assert "has no frame 00001" in check_frame(capture, "00001")


def test_each_frame_has_its_own_camera(root):
    told = json.loads((root / "capture/transforms.json").read_text())
    told["frames"][5] |= {"fl_x": 20}
    put(root / "capture/transforms.json", told)
    capture = RawCapture(root, DATASET, SCENE)
    u, _, _ = project(capture, "00000")
    wide, _, _ = project(RawCapture(root, DATASET, SCENE), "00005")
    # point 0 is 1.25 m to the left of the camera that looks east, 2 m ahead; 1 m to the right of
    # the other one, 1.5 m ahead
    assert abs(u[0] - (8 - 10 * 1.25 / 2)) < 1e-9
    assert abs(wide[0] - (8 + 20 * 1 / 1.5)) < 1e-9
    assert visible(capture, "00005").plain.tolist() != [0, 3]


def test_frames_that_were_not_extracted_are_in_no_table(root, capture):
    (capture.posed_images / "00006.jpg").unlink()
    assert RawCapture(root, DATASET, SCENE).valid_frame_ids == ["00000", "00005"]


def test_stored_images(root, capture):
    assert check_stored(capture, f"{SCENE}/00005.jpg") == ""
    wrong = (capture.posed_images / "00000.jpg").read_bytes()
    put(capture.posed_images / "00005.jpg", wrong)
    again = RawCapture(root, DATASET, SCENE)
    assert "is not the JPEG of its frame" in check_stored(again, f"{SCENE}/00005.jpg")
    assert (again.picture("00005") == again.own_picture("00005")).all()
    (capture.posed_images / "00005.jpg").unlink()
    assert check_stored(RawCapture(root, DATASET, SCENE), f"{SCENE}/00005.jpg") == ""


@pytest.mark.parametrize("noise", [0, 60])
def test_encoded_images_may_differ_by_what_encoding_changes(root, noise):
    """A PNG: its file is any JPEG of it that is as good; that of the frame before is not."""
    rng = np.random.default_rng(0)
    told = json.loads((root / "capture/transforms.json").read_text())
    for k in (0, 5):
        picture = slope(16, 12, 20 * k).astype(int) + rng.integers(-noise, noise + 1, (12, 16, 3))
        put(root / f"capture/images/f{k}.png", png(np.clip(picture, 0, 255).astype(np.uint8)))
        told["frames"][k]["file_path"] = f"images/f{k}.png"
    put(root / "capture/transforms.json", told)
    capture = RawCapture(root, DATASET, SCENE)
    own = capture.own_picture("00000")
    put(capture.posed_images / "00000.jpg", jpeg(own))
    assert capture.why_not_stored("00000", jpeg(own)) == ""
    assert (capture.picture("00000") != own).any()  # what is stored, as marks are painted on it
    assert "differs" in capture.why_not_stored("00000", jpeg(capture.own_picture("00005")))
    assert "differs" in capture.why_not_stored("00000", jpeg(own[:, ::-1]))
    assert "is (12, 16)" in capture.why_not_stored("00000", jpeg(np.rot90(own)))
    assert "no JPEG" in capture.why_not_stored("00000", b"\xff\xd8 nothing")


def test_images_of_other_sizes_and_cameras_that_cannot_be(root):
    put(root / "capture/images/f5.jpg", jpeg(slope(32, 24)))
    with pytest.raises(RawDataError, match="16x12"):
        RawCapture(root, DATASET, SCENE)
    put(root / "capture/images/f5.jpg", jpeg(slope(16, 12)))
    put(root / "capture/depth/f5.png", depth_png(np.full((3, 4), 4000)))
    capture = RawCapture(root, DATASET, SCENE)
    with pytest.raises(RawDataError, match="depth of frame 00005"):
        capture.depth_mm("00005")
    told = json.loads((root / "capture/transforms.json").read_text())
    told["frames"][0]["cx"] = 1
    put(root / "capture/transforms.json", told)
    with pytest.raises(RawDataError, match="principal point"):
        visible(RawCapture(root, DATASET, SCENE), "00000")
    with pytest.raises(RawDataError, match="no frame '00001'"):
        capture.depth_mm("00001")


@pytest.mark.parametrize("name", ["../x", "", "a/b"])
def test_names_of_data_sets_and_scenes(root, name):
    with pytest.raises(RawDataError):
        raw_scene(root, name, SCENE)
    with pytest.raises(RawDataError):
        raw_scene(root, DATASET, name)


# ---- prepared files ------------------------------------------------------------------------------


def test_prepared_files_are_those_of_the_source(root, capture):
    def prepared() -> list[str]:
        again = RawCapture(root, DATASET, SCENE)
        return check_prepared(again, again.valid_frame_ids)

    folder = capture.posed_images
    assert prepared() == []
    for frame in capture.valid_frame_ids:
        put(folder / f"{frame}.png", depth_png(np.full((6, 8), 4000)))
        text = "\n".join(" ".join(f"{x:.6f}" for x in row) for row in capture.world_from_cam(frame))
        put(folder / f"{frame}.txt", text)
    assert prepared() == []
    depth = np.full((6, 8), 4000)
    depth[2, 3] = 4001
    for name, content, text in (
        ("00000.png", depth_png(depth), "1 of 48 depths are wrong, as 4001 mm at (3, 2), expected"),
        ("00000.png", depth_png(depth[:, 1:]), "depth of (6, 7)"),
        ("00000.png", b"", "is no PNG"),
        ("00005.txt", (folder / "00000.txt").read_bytes(), "a pose that differs by 1 "),
        ("00005.txt", b"1 2 3", "3 numbers"),
        ("00005.jpg", (folder / "00000.jpg").read_bytes(), "is not the JPEG of its frame"),
    ):
        sound = (folder / name).read_bytes()
        put(folder / name, content)
        (complaint,) = prepared()
        assert complaint.startswith(f"image {name}: ") and text in complaint
        put(folder / name, sound)


# ---- fused points --------------------------------------------------------------------------------


def test_fused_points_lie_on_what_two_frames_measure(tmp_path):
    """Three frames look at a wall 2 m ahead (x = 2), the third is too far to the side to see the
    first point, and nobody sees the others."""
    folder, frames = tmp_path / "c", []
    for k, y in enumerate((0.0, 0.2, -5.0)):
        put(folder / f"f{k}.jpg", jpeg(slope(64, 48)))
        put(folder / f"f{k}.png", depth_png(np.full((48, 64), 2000)))
        matrix = (pose(EAST, 0, y, 0) @ FROM_OPENCV).tolist()
        frames.append(
            {"file_path": f"f{k}.jpg", "depth_path": f"f{k}.png", "transform_matrix": matrix}
        )
    put(folder / "transforms.json", {"fl_x": 40, "frames": frames})
    # a depth pixel is 0.05 m wide there, so that 0.065 m are near
    points = [(2, 0, 0), (2.02, 0.11, 0.11), (2.1, 0, 0), (1.9, 0, 0), (2, -5, 0), (-2, 0, 0)]
    capture = opened(tmp_path, "transforms", folder, [0, 1, 2])
    path = tmp_path / "data" / DATASET / "instance_data" / SCENE / "aligned_points.npy"
    path.parent.mkdir(parents=True)
    np.save(path, np.c_[points, np.zeros((6, 3))])
    assert capture.is_fused
    assert supported(capture, capture.vertices_aligned).tolist() == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    (complaint,) = check_fused(capture)
    assert "4 of 6 fused points" in complaint
    np.save(path, np.c_[points, np.zeros((6, 3))][:2])
    assert check_fused(RawCapture(tmp_path, DATASET, SCENE)) == []


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((3, 3)), "not \\(n, 6\\)"),
        (np.zeros((3, 6), np.float32), "not \\(n, 6\\)"),
        (np.full((3, 6), np.nan), "beyond all bounds"),
    ],
)
def test_fused_points_that_are_refused(root, array, text):
    path = root / "data" / DATASET / "instance_data" / SCENE / "aligned_points.npy"
    np.save(path, array)
    with pytest.raises(RawDataError, match=text):
        _ = RawCapture(root, DATASET, SCENE).vertices_aligned
    path.unlink()
    with pytest.raises(RawDataError, match="aligned_points"):
        _ = RawCapture(root, DATASET, SCENE).vertices_aligned


# ---- records -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "dataset"),
    [
        ("/r/training_data/camera_movement/v/x_movement_train.jsonl", "scannet"),
        ("/r/training_data/depth_comparison_dot/v/images", "scannet"),
        ("/r/evaluation_data/object_movement_coor/a/b/x.jsonl", "scannet"),
        ("/r/evaluation_data/multispa/v/multispa.jsonl", "scannet"),
        ("/r/evaluation_data/mine/object_perception/x.jsonl", "mine"),
        ("/r/training_data/mine/depth_comparison_dot/v/images", "mine"),
        ("/r/data/mine/posed_images", "mine"),
        ("/r/data/scannet/posed_images", "scannet"),
        ("/r/somewhere/x.jsonl", None),
        ("/training_data/old/data/mine/posed_images", "mine"),
    ],
)
def test_the_data_set_of_a_place(path, dataset):
    assert dataset_of(Path(path)) == dataset


def test_records_of_another_data_set_are_checked(root):
    folder = root / "training_data" / DATASET / "camera_movement" / "v1"
    records = [make_record(scene_id=SCENE), make_record(scene_id="other", number=1)]
    path = write_lines(folder / "x_movement_train.jsonl", records)
    assert [file.name for file in find_label_files(root)] == [path.relative_to(root).as_posix()]
    assert find_label_files(root)[0].dataset == DATASET
    found = file_complaints(path, root, "train")
    assert found[0] == "line 2: image: scene other is not in split train"
    assert len(found) == 2 and "does not tell of scene other" in found[1]
    assert file_complaints(write_lines(path, records[:1]), root, "train") == []


def test_uniform_records_name_their_data_set(root):
    record = make_record(scene_id=SCENE, split="val")
    put(split_list_path(root, "val", DATASET), f"{SCENE}\n")
    path = write_lines(root / "evaluation_data/multispa/v/multispa.jsonl", [uniform(record)])
    assert file_complaints(path, root, "val") == []
    record["answer_values"]["yaw_angle"] = 91
    write_lines(path, [uniform(record)])
    assert len(file_complaints(path, root, "val")) == 1
    # of a data set that is not there
    strange = json.dumps(uniform(record)).replace(f"data/{DATASET}/", "data/nobody/")
    put(path, strange + "\n")
    file = label_file(path, root)
    assert not isinstance(read_record(strange.encode(), file, root), str)
    with pytest.raises(RawDataError, match="nobody: no such data set"):
        index_file(file, root, -1, 0, ids_of_split(root, "val"))
    # beside it, one of ScanNet with the same scene is another question
    put(path, json.dumps(uniform(record)) + "\n")
    index = index_file(file, root, -1, 0, ids_of_split(root, "val"), frozenset({"scannet"}))
    assert (index.records, index.drawn, index.of_place) == (1, 0, {})


def test_the_command_takes_data_sets(root, capsys):
    folder = root / "training_data" / DATASET / "camera_movement" / "v1"
    write_lines(folder / "x_movement_train.jsonl", [make_record(scene_id=SCENE)])
    flags = ["--root", str(root), "--num-workers", "1", "--tables"]
    assert audit_labels.main(flags) == 0
    assert audit_labels.main([*flags, "--dataset", "scannet", DATASET]) == 0
    capsys.readouterr()
    assert audit_labels.main([*flags, "--dataset", "scannet"]) == 2
    assert "nothing to check" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        audit_labels.main([*flags, "--dataset", "../x"])
    assert "not the name of a data set" in capsys.readouterr().err


def test_which_data_sets_there_are(root):
    put(root / "data/lists_alone/meta_data/val.txt", "a\n")
    put(root / "data/tapvid3d_dataset/meta_data/adt/val.txt", "a\n")
    (root / "data/scannet/meta_data").mkdir(parents=True)
    assert scene_datasets(root) == ["scannet", "lists_alone", DATASET]
    assert scene_datasets(root / "nowhere") == ["scannet"]
    assert SCANNET_SCENE == "scene0000_00"


# ---- tables --------------------------------------------------------------------------------------


def test_tables_about_objects_of_another_data_set(root):
    folder = root / "training_data" / DATASET / "object_perception"
    empty = {"object_to_images": {}, "image_to_objects": {}}
    for content, complaints in (
        ({SCENE: empty}, 0),
        ({SCENE: {**empty, "object_to_images": {0: []}}}, 1),
        ({}, 1),
        ({SCENE: empty, "strange": empty}, 1),
    ):
        put(folder / "object_visibility.pkl", pickle.dumps(content))
        (report,) = check_tables(root, -1, 0, lambda work, jobs, what: map(work, jobs))
        assert sum(report.kinds.values()) == complaints, report.complaints.kept
    chosen = frozenset({"scannet"})
    assert check_tables(root, -1, 0, lambda work, jobs, what: map(work, jobs), chosen) == []


def test_visibility_of_another_data_set(root, capture):
    """The table of the engine's own writer; its points are said not to be fused."""
    seen = {frame: visible(capture, frame).must.tolist() for frame in capture.valid_frame_ids}
    assert check_seen_points(seen, capture) == []
    path = visibility_table(root, "train", DATASET)
    assert path.relative_to(root).as_posix() == (
        f"data/{DATASET}/instance_data/train_visibility_info_D1.parquet"
    )
    Path(f"{path}.meta.json").unlink()  # the usual constants
    frames = list(seen)
    by_rule = {
        PUBLISHED_RULE: [np.array(seen[frame], np.int32) for frame in frames],
        SURFACE: [np.zeros(0, np.int32)] * 3,
    }
    write_scene_visibility(root / "part", SCENE, frames, by_rule, len(POINTS), "0")
    merge_visibility([root / "part"], path)
    flags = ["--root", str(root), "--num-workers", "1", "--dataset", DATASET]
    assert cli.run(audit_tables.main, flags) == 1
    found = json.loads((root / "table_audit.json").read_text())["files"]
    (complaint,) = found[path.relative_to(root).as_posix()]["complaints"]
    assert "fused points lie on no surface" in complaint["complaint"]
