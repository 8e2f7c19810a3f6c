"""The sample scenes are true to ScanNet's formats, odd where they say so, and reproducible."""

import csv
import json
import shutil
import struct
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import link_root
from plyfile import PlyData

from spatial_engine.errors import SettingsError
from spatial_engine.sample_data import write_sample_scenes, write_scene
from spatial_engine.sample_data.__main__ import main as sample_data_command
from spatial_engine.sample_data.rendering import render
from spatial_engine.sample_data.rendering.camera_path import camera_path, pose, tracked
from spatial_engine.sample_data.rendering.sensor import (
    EXACT,
    REAL,
    Exact,
    NoiseBank,
    measured_depth,
)
from spatial_engine.sample_data.rooms.layouts import LAYOUTS
from spatial_engine.sample_data.rooms.rooms import furnish
from spatial_engine.sample_data.scannet.labels import CATEGORIES, NYU40
from spatial_engine.sample_data.scannet.quirks import Quirks
from spatial_engine.sample_data.scannet.sample_scenes import ROOMS, SPLITS
from spatial_engine.sample_data.scannet.scene_spec import SceneSpec
from spatial_engine.sample_data.scannet.scene_truth import SceneTruth
from spatial_engine.sample_data.scannet.scene_writer import build_scene

LIVING, BEDROOM, KITCHEN = SPLITS["train"]
OFFICE, STUDIO = SPLITS["val"]
SCENES = (*SPLITS["train"], *SPLITS["val"])


@pytest.fixture(scope="module")
def root(raw_root, tmp_path_factory) -> Path:
    """The small variant, made by one worker; not to be written to."""
    folder, place = tmp_path_factory.mktemp("sample"), "data/scannet"
    link_root(raw_root / place, folder / place)
    return folder


def scan(root: Path, scene_id: str) -> Path:
    return root / "data/scannet/scans" / scene_id


def parse_sens(path: Path) -> dict:
    """A `.sens` file read straight from the description of the format, independent of ours."""
    data = path.read_bytes()
    version, name_size = struct.unpack_from("<IQ", data)
    at = 12 + name_size
    matrices = np.frombuffer(data, "<f4", 64, at).reshape(4, 4, 4)
    at += 256
    codes = struct.unpack_from("<iiIIIIfQ", data, at)
    at += struct.calcsize("<iiIIIIfQ")
    frames = []
    for _ in range(codes[-1]):
        camera = np.frombuffer(data, "<f4", 16, at).reshape(4, 4)
        times_and_sizes = struct.unpack_from("<QQQQ", data, at + 64)
        start = at + 96
        middle = start + times_and_sizes[2]
        at = middle + times_and_sizes[3]
        frames.append((camera, data[start:middle], data[middle:at]))
    return {
        "version": version,
        "name": data[12 : 12 + name_size],
        "color_K": matrices[0],
        "depth_K": matrices[2],
        "compressions": codes[:2],
        "color_size": codes[2:4],
        "depth_size": codes[4:6],
        "shift": codes[6],
        "frames": frames,
        "tail": data[at:],
    }


def depth_metres(sens: dict, number: int) -> np.ndarray:
    """(h, w) depth of a frame in metres."""
    raw = sens["frames"][number][2]
    if sens["compressions"][1] == 1:
        raw = zlib.decompress(raw)
    width, height = sens["depth_size"]
    return np.frombuffer(raw, "<u2").reshape(height, width) / sens["shift"]


def read_mesh(root: Path, scene_id: str):
    return PlyData.read(str(scan(root, scene_id) / f"{scene_id}_vh_clean_2.ply"))


def read_points(root: Path, scene_id: str) -> np.ndarray:
    vertex = read_mesh(root, scene_id)["vertex"]
    return np.stack([vertex[name] for name in "xyz"], 1).astype(float)


def read_json(root: Path, scene_id: str, kind: str) -> dict:
    return json.loads((scan(root, scene_id) / f"{scene_id}{kind}.json").read_text())


def read_groups(root: Path, scene_id: str) -> list[dict]:
    return read_json(root, scene_id, ".aggregation")["segGroups"]


def read_segments(root: Path, scene_id: str) -> np.ndarray:
    return np.array(read_json(root, scene_id, "_vh_clean_2.0.010000.segs")["segIndices"])


def read_text(root: Path, scene_id: str) -> bytes:
    return (scan(root, scene_id) / f"{scene_id}.txt").read_bytes()


def text_value(root: Path, scene_id: str, key: str) -> str | None:
    lines = (line.partition(" = ") for line in read_text(root, scene_id).decode().splitlines())
    return next((value for name, _, value in lines if name == key), None)


def alignment(root: Path, scene_id: str) -> np.ndarray:
    value = text_value(root, scene_id, "axisAlignment")
    return np.eye(4) if value is None else np.array(value.split(), float).reshape(4, 4)


def snapshot(root: Path) -> dict[str, bytes]:
    """Bytes of all data files by relative path (not of the runner's marks, which are hidden)."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and path.name[0] != ".")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


# ---- formats


@pytest.mark.parametrize("scene_id", SCENES)
def test_a_scene_has_scannets_five_files_of_sane_content(root, scene_id):
    names = {path.name for path in scan(root, scene_id).iterdir() if path.name[0] != "."}
    kinds = ("", ".aggregation.json", ".txt", "_vh_clean_2.ply", "_vh_clean_2.0.010000.segs.json")
    assert names == {f"{scene_id}{kind or '.sens'}" for kind in kinds}

    sens = parse_sens(scan(root, scene_id) / f"{scene_id}.sens")
    assert sens["version"] == 4 and sens["name"] == b"StructureSensor"
    assert sens["compressions"][0] == 2
    assert len(sens["frames"]) == 50
    for number in (0, 33):
        image = cv2.imdecode(np.frombuffer(sens["frames"][number][1], np.uint8), 1)
        assert image.shape[1::-1] == sens["color_size"]
        assert image.std() > 20, "a picture of a room is not flat"
    # the depth image shows the same view: intrinsics scale with the sizes
    scale = np.divide(sens["depth_size"], sens["color_size"])
    np.testing.assert_allclose(sens["depth_K"][:2], sens["color_K"][:2] * scale[:, None], 1e-5)

    mesh = read_mesh(root, scene_id)
    assert not mesh.text and mesh.byte_order == "<"
    columns = [(p.name, p.dtype()) for p in mesh["vertex"].properties]
    assert [name for name, _ in columns] == ["x", "y", "z", "red", "green", "blue", "alpha"]
    faces = np.stack(mesh["face"]["vertex_indices"])
    assert faces.shape[1] == 3 and set(np.unique(faces)) == set(range(len(mesh["vertex"].data)))

    segments = read_segments(root, scene_id)
    assert len(segments) == len(mesh["vertex"].data)
    distinct = np.unique(segments)
    assert distinct.max() > 3 * len(distinct), "ids are sparse"
    for number, group in enumerate(read_groups(root, scene_id)):
        assert (group["id"], group["objectId"]) == (number, number)
        assert group["segments"] and group["label"]
    assert text_value(root, scene_id, "colorWidth") == str(sens["color_size"][0])
    assert text_value(root, scene_id, "sceneType")


def test_lists_and_label_table(root):
    folder = root / "data/scannet/meta_data"
    for split, scenes in SPLITS.items():
        assert (folder / f"scannetv2_{split}.txt").read_text().split() == list(scenes)
    raw = (folder / "scannetv2-labels.combined.tsv").read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n") > 40
    rows = list(csv.DictReader(raw.decode().splitlines(), delimiter="\t"))
    first = ["id", "raw_category", "category", "count", "nyu40id", "eigen13id", "nyuClass"]
    assert list(rows[0])[:8] == [*first, "nyu40class"]
    assert {row["raw_category"] for row in rows} == set(CATEGORIES)
    assert all(NYU40[int(row["nyu40id"]) - 1] == row["nyu40class"] for row in rows)
    assert any(row["ShapeNetCore55"] == "" for row in rows)
    assert len(NYU40) == 40 and NYU40.index("picture") == 10 and NYU40.index("otherprop") == 39


# ---- geometry


@pytest.mark.parametrize("scene_id", SCENES)
def test_depth_and_colour_agree_with_the_mesh(root, scene_id):
    """Vertices that project to a measured pixel and are not hidden lie at the depth measured."""
    sens = parse_sens(scan(root, scene_id) / f"{scene_id}.sens")
    vertex = read_mesh(root, scene_id)["vertex"]
    points = read_points(root, scene_id)
    colors = np.stack([vertex[name] for name in ("red", "green", "blue")], 1).astype(float)
    (width, height), (depth_width, depth_height) = sens["color_size"], sens["depth_size"]
    agree, brighter = [], []
    for number in range(0, 50, 7):
        camera, jpeg, _ = sens["frames"][number]
        if not np.isfinite(camera).all() or not len(sens["frames"][number][2]):
            continue
        depth = depth_metres(sens, number)
        cam = (points - camera[:3, 3]) @ camera[:3, :3]
        cam, shade = cam[cam[:, 2] > 0.1], colors[cam[:, 2] > 0.1]
        u, v, _ = (cam / cam[:, 2:] @ sens["color_K"][:3, :3].T).T
        inside = (u >= 0) & (u < width - 1) & (v >= 0) & (v < height - 1)
        cam, shade, u, v = cam[inside], shade[inside], u[inside], v[inside]
        row = np.minimum(np.round(v * depth_height / height).astype(int), depth_height - 1)
        column = np.minimum(np.round(u * depth_width / width).astype(int), depth_width - 1)
        measured = depth[row, column]
        in_sight = (measured > 0) & (cam[:, 2] < measured + 0.1)  # else something hides it
        # half a pixel of these small depth images is up to 1.5 percent on a slanted floor
        error = np.abs(cam[:, 2] - measured) / (0.02 + 0.015 * measured)
        agree.append(error[in_sight] < 1)
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1)[:, :, ::-1]
        on_surface = in_sight & (error < 1)
        pixels = image[np.round(v[on_surface]).astype(int), np.round(u[on_surface]).astype(int)]
        brighter.append(np.stack([pixels.mean(1), shade[on_surface].mean(1)], 1))
    agree, brighter = np.concatenate(agree), np.concatenate(brighter)
    assert len(agree) > 1000
    assert agree.mean() > 0.9
    assert np.corrcoef(brighter.T)[0, 1] > 0.7, "the mesh has the colours of the pictures"


@pytest.mark.parametrize("scene_id", SCENES)
def test_the_alignment_puts_the_room_upright_on_its_floor(root, scene_id):
    matrix = alignment(root, scene_id)
    points = read_points(root, scene_id) @ matrix[:3, :3].T + matrix[:3, 3]
    layout = LAYOUTS[ROOMS[scene_id][0]]
    corners = np.array(layout.polygon)
    low, high = corners.min(0), corners.max(0)
    assert (
        abs(np.percentile(points[:, 2], 0.5)) < 0.03 and points[:, 2].max() < layout.height + 0.03
    )
    # only windows and doors lie deeper than the walls
    assert (points[:, :2] > low - 0.2).all() and (points[:, :2] < high + 0.2).all()
    np.testing.assert_allclose(np.ptp(points[:, :2], axis=0), high - low, atol=0.4)
    sens = parse_sens(scan(root, scene_id) / f"{scene_id}.sens")
    poses = np.stack([matrix @ frame[0] for frame in sens["frames"] if np.isfinite(frame[0]).all()])
    np.testing.assert_allclose(np.linalg.det(poses[:, :3, :3]), 1, atol=1e-5)
    assert ((poses[:, 2, 3] > 1.2) & (poses[:, 2, 3] < 1.8)).all(), "held by a person"
    assert (poses[:, 2, 1] < -0.7).all(), "the image's down is down"


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_camera_keeps_clear_of_everything_and_every_ray_meets_a_surface(name):
    layout = LAYOUTS[name]
    things = furnish(layout, np.random.default_rng(0))
    scene = build_scene(layout, things, SceneSpec("scene0000_00", name))
    camera = render.Camera(np.array([[58.0, 0, 32], [0, 58, 24], [0, 0, 1]]), (64, 48))
    rays = camera.rays()
    for seed in range(3):
        for world_from_cam in camera_path(layout.path, 60, np.random.default_rng(seed)):
            quads = render.first_quads(scene, rays, world_from_cam)
            depth = render.depth_image(
                render.pixel_maps(scene.surfaces, camera, world_from_cam), quads
            )
            assert (quads >= 0).all()
            assert depth.min() > 0.3


def looked_at(depth: np.ndarray) -> Exact:
    """What a camera looks at, straight on."""
    no = np.zeros(depth.shape, bool)
    return Exact(depth.astype(np.float32), np.ones(depth.shape, "f4"), no, no, 577.0)


def test_depth_has_holes_and_noise_around_the_surface_that_grows_with_distance():
    rng = np.random.default_rng(0)
    bank = NoiseBank.of(rng)
    glass = np.zeros((240, 320), bool)
    glass[:, :50] = True
    for metres, expected in ((1.0, 0.0019), (2.0, 0.0061), (4.0, 0.0258)):  # Nguyen et al.
        exact = replace(looked_at(np.full((240, 320), metres)), clear=glass)
        depth = measured_depth(exact, REAL, (0.0, 0.0), bank, rng)
        assert (depth[:, :45] == 0).all()
        measured = depth[:, 55:][depth[:, 55:] > 0]
        assert 0.9 < measured.size / depth[:, 55:].size < 1
        assert abs(measured.mean() - metres) < 0.2 * expected, "no bias"
        assert 0.7 * expected < measured.std() < 1.4 * expected
    far = looked_at(np.full((240, 320), 7.0))
    assert not measured_depth(far, REAL, (0.0, 0.0), bank, rng).any()


def test_a_silhouette_is_mixed_lost_in_parts_and_hides_the_projector():
    rng = np.random.default_rng(0)
    bank = NoiseBank.of(rng)
    columns = np.arange(640)
    step = np.where((columns >= 300) & (columns < 400), 1.0, 2.0) * np.ones((480, 1))
    depth = measured_depth(looked_at(step), REAL, (0.0, 0.0), bank, rng)
    right = depth[:, 398:402]
    assert 0.1 < (right == 0).mean() < 0.7
    assert ((right > 1.1) & (right < 1.9)).mean() > 0.05, "pixels between the two surfaces"
    shadow = 577 * 0.075 * (1 / 1.0 - 1 / 2.0)  # pixels that the projector does not reach
    left = (depth == 0).mean(0)
    assert (left[300 - int(shadow) + 3 : 297] > 0.9).all()
    assert (left[200 : 300 - int(shadow) - 4] < 0.3).all() and (left[405:450] < 0.3).all()
    moved = measured_depth(looked_at(step), REAL, (8.0, 0.0), bank, rng)
    assert np.median(moved[:, 293]) < 1.1 < np.median(moved[:, 394]), "colour lies beside depth"
    exact = measured_depth(looked_at(step), EXACT, EXACT.draw_shift(rng), bank, rng)
    assert set(np.unique(exact)) == {0.0, 1.0, 2.0} and (exact == 0).mean() < 0.05


def test_tracked_poses_are_wrong_by_what_the_sensor_says():
    true = camera_path(LAYOUTS["kitchen"].path, 60, np.random.default_rng(0))
    error = np.linalg.inv(true) @ tracked(true, 0.005, 0.2, np.random.default_rng(1))
    away = np.linalg.norm(error[:, :3, 3], axis=1)
    turn = np.degrees(np.arccos((np.trace(error[:, :3, :3], axis1=1, axis2=2) - 1) / 2))
    np.testing.assert_allclose(np.sqrt((away**2).mean()), 0.005, rtol=1e-6)
    np.testing.assert_allclose(np.sqrt((turn**2).mean()), 0.2, rtol=1e-3)
    np.testing.assert_allclose(np.linalg.det(error[:, :3, :3]), 1, atol=1e-9)
    steps = np.linalg.norm(np.diff(error[:, :3, 3], axis=0), axis=1)
    assert np.median(steps) < 0.8 * np.median(away), "frames near in time are wrong alike"


@pytest.mark.parametrize(("sensor", "low", "high"), [(REAL, 0.001, 0.008), (EXACT, 0, 1e-6)])
def test_the_mesh_lies_about_the_exact_surfaces(sensor, low, high, tmp_path):
    """Fused depth leaves millimetres of error, exact depth none, but beside other surfaces."""
    sizes = {"num_frames": 12, "color_size": (160, 120), "depth_size": (160, 120)}
    spec = SceneSpec("scene9000_00", "kitchen", vertex_spacing=0.2, sensor=sensor, **sizes)
    write_scene(
        tmp_path, spec.scene_id, layout="kitchen", vertex_spacing=0.2, sensor=sensor, **sizes
    )
    folder = tmp_path / spec.scene_id
    text = (folder / f"{spec.scene_id}.txt").read_text().splitlines()
    words = next(line for line in text if line.startswith("axisAlignment")).split()[2:]
    matrix = np.array(words, float).reshape(4, 4)
    vertex = PlyData.read(str(folder / f"{spec.scene_id}_vh_clean_2.ply"))["vertex"]
    points = np.stack([vertex[name] for name in "xyz"], 1) @ matrix[:3, :3].T + matrix[:3, 3]
    truth = SceneTruth.of(spec).surfaces
    gap = np.einsum("pqc,qc->pq", points[:, None] - truth.corners[:, 0], truth.normal)
    nearest = gap[np.arange(len(gap)), np.abs(gap).argmin(1)]  # of the planes of all faces
    assert len(points) > 300
    assert low <= np.median(np.abs(nearest)) <= high
    assert np.quantile(np.abs(nearest), 0.9) <= 0.002 + 4 * high


def test_a_pose_looks_where_its_angles_say():
    ahead = pose(np.zeros(3), 0, 0, 0)
    np.testing.assert_allclose(ahead[:3, :3].T, [[0, -1, 0], [0, 0, -1], [1, 0, 0]], atol=1e-12)
    left_up = pose(np.zeros(3), 90, 30, 0)
    np.testing.assert_allclose(left_up[:3, 2], [0, np.cos(np.pi / 6), 0.5], atol=1e-12)
    rolled = pose(np.zeros(3), 0, 0, 10)
    assert rolled[2, 0] < 0, "clockwise: the right side goes down"


# ---- oddities, each where the documentation says


def test_quirks_of_the_living_room(root):
    sens = parse_sens(scan(root, LIVING) / f"{LIVING}.sens")
    lost = [k for k, frame in enumerate(sens["frames"]) if np.isneginf(frame[0]).all()]
    assert lost == [34, 35, 36]
    assert text_value(root, LIVING, "numColorFrames") == str(len(sens["frames"]) + 1)
    groups, segments = read_groups(root, LIVING), read_segments(root, LIVING)
    empty = [g["objectId"] for g in groups if not np.isin(segments, g["segments"]).any()]
    assert len(empty) == 1 and 0 < empty[0] < len(groups) - 1
    unknown = {g["label"] for g in groups} - set(CATEGORIES)
    assert unknown == {"trashcan"}
    assert read_json(root, LIVING, ".aggregation")["sceneId"] == f"scannet.{LIVING}"
    assert sens["tail"] == bytes(8)


def test_quirks_of_the_bedroom(root):
    sens = parse_sens(scan(root, BEDROOM) / f"{BEDROOM}.sens")
    assert [k for k, frame in enumerate(sens["frames"]) if not frame[2]] == [25]
    text = read_text(root, BEDROOM)
    assert text.count(b"\r\n") == text.count(b"\n") > 10
    assert b"\r" not in read_text(root, LIVING)


def test_quirks_of_the_kitchen(root):
    sens = parse_sens(scan(root, KITCHEN) / f"{KITCHEN}.sens")
    assert sens["tail"] == b""
    assert text_value(root, KITCHEN, "axisAlignment") is None
    aggregation = read_json(root, KITCHEN, ".aggregation")
    new = read_json(root, LIVING, ".aggregation")
    assert aggregation["sceneId"] == KITCHEN and aggregation["appId"] != new["appId"]
    assert aggregation["segmentsFile"] == f"{KITCHEN}_vh_clean_2.0.010000.segs.json"
    assert sens["color_size"] != parse_sens(scan(root, LIVING) / f"{LIVING}.sens")["color_size"]


def test_quirks_of_the_office(root):
    sens = parse_sens(scan(root, OFFICE) / f"{OFFICE}.sens")
    assert sens["shift"] == 4000 and sens["compressions"] == (2, 0)
    assert 2 < np.median(depth_metres(sens, 0)) < 4
    groups = read_groups(root, OFFICE)
    claims = Counter(segment for group in groups for segment in group["segments"])
    twice = [segment for segment, count in claims.items() if count == 2]
    assert len(twice) == 1 and max(claims.values()) == 2
    owners = [g["label"] for g in groups if twice[0] in g["segments"]]
    assert owners == ["bookshelf", "books"]
    assert (read_segments(root, OFFICE) == twice[0]).any()


def test_quirks_of_the_studio(root):
    sens = parse_sens(scan(root, STUDIO) / f"{STUDIO}.sens")
    zero = [k for k in range(len(sens["frames"])) if not depth_metres(sens, k).any()]
    assert zero == [40]
    assert np.isneginf(sens["frames"][10][0]).all()
    assert text_value(root, STUDIO, "numDepthFrames") == str(len(sens["frames"]) + 1)


def test_labels_repeat_and_something_is_left_unannotated(root):
    for scene_id in SCENES:
        groups, segments = read_groups(root, scene_id), read_segments(root, scene_id)
        labels = Counter(group["label"] for group in groups)
        assert labels["wall"] >= 4
        assert sum(count > 1 for count in labels.values()) >= 3
        known = [segment for group in groups for segment in group["segments"]]
        assert 0.002 < 1 - np.isin(segments, known).mean() < 0.15
    everywhere = Counter(g["label"] for s in SCENES for g in read_groups(root, s))
    assert everywhere["chair"] > 10 and everywhere["cabinet"] > 4


def test_every_label_but_one_is_in_the_table():
    labels = {
        thing.label
        for layout in LAYOUTS.values()
        for thing in furnish(layout, np.random.default_rng(0))
    }
    assert labels - {None} - set(CATEGORIES) == {"trashcan"}


# ---- reproducible, restartable, careful


def test_a_second_start_changes_nothing_and_two_workers_give_the_same_bytes(root, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    run = write_sample_scenes(root, small=True)
    assert run.reused == len(SCENES)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before

    assert not write_sample_scenes(tmp_path, small=True, num_workers=2).failures
    assert snapshot(tmp_path) == snapshot(root)


def test_a_killed_run_goes_on_with_what_is_missing(root, tmp_path):
    shutil.copytree(root / "data", tmp_path / "data")
    whole = scan(tmp_path, KITCHEN)
    whole.rename(whole.with_name(KITCHEN + ".partial"))  # what a kill leaves behind
    (whole.with_name(KITCHEN + ".partial") / f"{KITCHEN}.sens").write_bytes(b"cut off")
    (tmp_path / "data/scannet/meta_data/scannetv2_val.txt").unlink()
    run = write_sample_scenes(tmp_path, small=True)
    assert run.reused == len(SCENES) - 1
    assert snapshot(tmp_path) == snapshot(root)


def test_data_of_other_origin_is_never_touched(tmp_path):
    folder = scan(tmp_path, LIVING)
    folder.mkdir(parents=True)
    (folder / f"{LIVING}.sens").write_bytes(b"a real scan")
    for overwrite in (False, True):
        with pytest.raises(SettingsError, match="did not make"):
            write_sample_scenes(tmp_path, small=True, overwrite=overwrite)
    assert list(snapshot(tmp_path).values()) == [b"a real scan"]

    lists = tmp_path / "other/data/scannet/meta_data"
    lists.mkdir(parents=True)
    (lists / "scannetv2_train.txt").write_text("scene0191_00\n")
    with pytest.raises(SettingsError, match="scannetv2_train"):
        write_sample_scenes(tmp_path / "other", small=True, overwrite=True)


def test_scenes_can_be_made_alone_and_an_unknown_one_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=f"nosuch.*{LIVING}.*boxes_11"):
        sample_data_command(["--root", str(tmp_path), "--small", "--scenes", LIVING, "nosuch"])
    assert not list(tmp_path.iterdir())
    flags = ["--root", str(tmp_path), "--small", "--num-workers", "1"]
    assert sample_data_command([*flags, "--scenes", KITCHEN]) == 0
    assert [path.name for path in (tmp_path / "data/scannet/scans").iterdir()] == [KITCHEN]
    assert not (tmp_path / "data/tapvid3d_dataset").exists()
    assert sample_data_command([*flags, "--scenes", KITCHEN, "boxes_11"]) == 0
    clips = [path.name for path in tmp_path.rglob("*.npz")]
    assert clips == ["boxes_11.npz"]


def test_write_scene_repeats_frames_and_follows_its_seed(tmp_path):
    sizes = {"color_size": (64, 48), "depth_size": (32, 24), "vertex_spacing": 0.4}
    made = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        folder = write_scene(
            tmp_path / name, "scene9000_00", seed=seed, layout="kitchen", num_frames=4,
            frame_repeat=3, quirks=Quirks(no_depth=5), **sizes,
        )  # fmt: skip
        made[name] = snapshot(folder)
    assert made["a"] == made["b"] != made["c"]
    frames = parse_sens(tmp_path / "a/scene9000_00/scene9000_00.sens")["frames"]
    assert len(frames) == 12
    for first in range(0, 12, 3):
        group = frames[first : first + 3]
        assert all(frame[1] == group[0][1] for frame in group)
        assert all((frame[0] == group[0][0]).all() for frame in group)
    assert [k for k, frame in enumerate(frames) if not frame[2]] == [5]
    assert len({frame[1] for frame in frames}) == 4
