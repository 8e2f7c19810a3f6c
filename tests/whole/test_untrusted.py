"""Files out to do harm: code, names that lead elsewhere, links, bombs (docs/trust.md).

What a reader refuses by its form is in that reader's tests; here are the ways in, side by side.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import load_coverage, load_pickle, plain_camera, raises_one_line
from plyfile import PlyData, PlyElement
from tiny_scenes import SCENE, TinyScene

from spatial_engine.errors import BadDataError, EngineError
from spatial_engine.evaluation.predictions import read_predictions
from spatial_engine.utils import paths
from spatial_engine.utils.clips import clip_lists, clips
from spatial_engine.utils.paths import (
    info_path,
    instance_data_dir,
    posed_images_dir,
    scan_dir,
    scene_list_path,
    visibility_table_path,
)
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.questions import record_files
from spatial_engine.utils.scannet_utils import batch_load_scannet_data, extract_posed_images
from spatial_engine.utils.scannet_utils.sens import SensFrame, SensHeader, write_sens
from spatial_engine.utils.scenes.object_names import can_be_said
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables import coverage_table, info_table, object_table, pair_table
from spatial_engine.utils.tables.parquet import table_writer
from spatial_engine.utils.tables.visibility_table import VisibilityInfoHandler

# ---- code ----------------------------------------------------------------------------------------


class Call:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.reduced = (function, args)

    def __reduce__(self):
        return self.reduced


def read_info(path: Path) -> None:
    scenes = SceneInfoHandler.load(_moved(path, info_path(Path(), "train")), "train")
    for scene in scenes.scene_ids:
        scenes.valid_frames(scene)


def read_points(path: Path) -> None:
    root = _moved(path, instance_data_dir(Path()) / "s" / "aligned_points.npy")
    SceneInfoHandler(root, {"s": {}}).points("s")


def read_clip(path: Path) -> None:
    clips.read_clip(path, camera_moves=True)


def _moved(path: Path, place: Path) -> Path:
    """The folder of a file, in which it stands at `place` now."""
    target = path.parent / place
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    return path.parent


def npy_of_objects(value: object) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    return file.getvalue() + pickle.dumps(value)


def npz(value: object) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for key in ("images_jpeg_bytes", "tracks_XYZ", "visibility", "fx_fy_cx_cy"):
            archive.writestr(f"{key}.npy", npy_of_objects(value))
        archive.writestr("extrinsics_w2c.npy", npy_of_objects(value))
    return file.getvalue()


WAYS_FOR_CODE: dict[str, tuple[Callable[[object], bytes], Callable[[Path], object]]] = {
    "scene infos": (lambda value: pickle.dumps({"s": {"images_info": value}}), read_info),
    "coverage": (lambda v: pickle.dumps({"s": {0: {1: [v]}}}), lambda p: load_coverage(p, "")),
    "points": (npy_of_objects, read_points),
    "points as a bare pickle": (pickle.dumps, read_points),
    "clip": (npz, read_clip),
    "shape of a clip": (npz, clips.read_shape),
    "extrinsics": (npz, clips.read_extrinsics),
}


@pytest.mark.parametrize("way", WAYS_FOR_CODE)
def test_code_in_a_file_is_never_run(tmp_path, way):
    make, read = WAYS_FOR_CODE[way]
    trace = tmp_path / "trace"
    calls = [
        Call(exec, f"open({str(trace)!r}, 'w').close()"),
        Call(os.system, f"touch {trace}"),
        Call(os.mkdir, str(trace)),
        Call(Path.touch, trace),
    ]
    for number, call in enumerate(calls):
        path = tmp_path / f"file{number}"
        path.write_bytes(make(call))
        with raises_one_line(BadDataError):
            read(path)
        assert not trace.exists()
        pickle.loads(pickle.dumps(call))
        assert trace.exists(), "it would run, if anything let it"
        trace.rmdir() if trace.is_dir() else trace.unlink()


# ---- ids -----------------------------------------------------------------------------------------

HOSTILE_IDS = [
    "..", "../outside", "a/../../outside", "/outside", "a\0b", "a\nerror: it is well", "x" * 10_000,
    "\u202egnp.a", "\u2066a", "\ud800", "", " ", "-rf", "~", "$HOME", "a\\b", "s.partial",
]  # fmt: skip


def listed(root: Path, name: str) -> None:
    path = scene_list_path(root, "train")
    path.parent.mkdir(parents=True)
    path.write_bytes(f"{name}\nscene0000_00\n".encode("utf-8", "surrogatepass"))
    if not name.strip():
        raise BadDataError("a blank line is no id")
    extract_posed_images.main(["--root", str(root), "--num-workers", "1"])


def listed_clip(root: Path, name: str) -> None:
    for split in ("train", "val"):
        path = paths.clip_list_path(root, "adt", split)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{name}\n".encode("utf-8", "surrogatepass"))
    clip_lists.read_lists(root, "adt")
    if not name.strip():
        raise BadDataError("a blank line is no id")


def clip_on_disk(root: Path, name: str) -> None:
    folder = paths.clips_dir(root, "adt")
    folder.mkdir(parents=True)
    try:
        (folder / f"{name}.npz").touch()
    except (OSError, ValueError):
        raise BadDataError("a file system has no such name") from None
    if not list(folder.glob("*.npz")):
        raise BadDataError("the file is elsewhere")  # which this test made, and removes
    clip_lists.clips_on_disk(root, "adt")


def scene_of_infos(root: Path, name: str) -> None:
    info_table.write_infos({name: {}}, info_path(root, "train"))


def image_of_infos(root: Path, name: str) -> None:
    info = {"images_info": {name: {"extrinsic_matrix": np.eye(4)}}}
    SceneInfoHandler(root, {"s": info}).valid_frames("s")


def scene_of_table(root: Path, name: str) -> None:
    rows = pair_table._SCHEMA.empty_table()
    table_writer.write_part(root / "part", rows, name, {})
    table_writer.merge_parts([root / "part"], root / "table")
    object_table.open_objects(root / "table")


def scene_of_coverage(root: Path, name: str) -> None:
    coverage_table.write_scene_sets(root / "part", name, {})
    coverage_table.merge_sets([root / "part"], root / "table")
    load_coverage(root / "table", "")


def image_of_record(root: Path, name: str) -> None:
    file = record_files.RecordFile(root / "x.jsonl", "train", "camera_x_movement", root)
    record = {"id": "x", "task": file.task, "image": [f"{name}/00005.jpg"]}
    file.path.write_text(json.dumps(record) + "\n")
    list(record_files.read_records(file))


def place_of_record(root: Path, name: str) -> None:
    file = record_files.RecordFile(root / "x.jsonl", "train", "camera_x_movement", root)
    line = json.dumps({"id": "x", "image": [f"{name}/00005.jpg"]}, separators=(",", ":"))
    file.path.write_text(f"{line}\n")
    record_files.places_in(file)


WAYS_FOR_IDS = [
    listed, listed_clip, clip_on_disk, scene_of_infos, image_of_infos,
    scene_of_table, scene_of_coverage, image_of_record, place_of_record,
]  # fmt: skip


def tree(folder: Path, without: Path) -> dict[str, bytes | None]:
    """Everything in a folder but for one of its folders."""
    return {
        str(path): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path != without and without not in path.parents
    }


@pytest.mark.parametrize("name", HOSTILE_IDS, ids=lambda name: repr(name)[:20])
@pytest.mark.parametrize("way", WAYS_FOR_IDS, ids=lambda way: way.__name__)
def test_an_id_that_leads_elsewhere_is_refused_and_nothing_outside_is_touched(tmp_path, way, name):
    root, outside = tmp_path / "in/root", tmp_path / "in/outside"
    root.mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.txt").write_text("the only copy")
    if "/" in name and way in (clip_on_disk, place_of_record):
        pytest.skip("no file can have such a name; a place ends at the first slash")
    before = tree(tmp_path, root)
    with pytest.raises(EngineError) as refused:
        way(root, name)
    text = str(refused.value)
    assert text.splitlines() == [text] and text.isprintable() and len(text) < 2100
    assert tree(tmp_path, root) == before


# ---- labels --------------------------------------------------------------------------------------

HOSTILE_LABELS = [
    "", " ", "a\nb", "a\0b", "\u202eriahc", "x" * 10_000, "../outside", "<image>", "`5`",
    "{answer}", "<script>alert(1)</script>", "\x1b[31mred", "\u2028", "a\tb",
]  # fmt: skip


def write_scan(root: Path, labels: list[str]) -> None:
    """A scan of four vertices whose objects have these labels."""
    folder = scan_dir(root, SCENE)
    folder.mkdir(parents=True)
    kinds = [*((n, "f4") for n in "xyz"), *((n, "u1") for n in ("red", "green", "blue"))]
    mesh = PlyData([PlyElement.describe(np.zeros(4, kinds), "vertex")])
    mesh.write(str(folder / f"{SCENE}_vh_clean_2.ply"))
    groups = [{"objectId": k, "label": text, "segments": [k % 2]} for k, text in enumerate(labels)]
    aggregation = json.dumps({"segGroups": groups})
    (folder / f"{SCENE}.aggregation.json").write_text(aggregation)
    segments = json.dumps({"segIndices": [0, 0, 1, 1]})
    (folder / f"{SCENE}_vh_clean_2.0.010000.segs.json").write_text(segments)
    (folder / f"{SCENE}.txt").write_text("sceneType = Office\n")


def test_labels_are_data_and_never_names_or_sentences(tmp_path):
    """They are kept as they are, told in lines that a terminal shows, and never asked about."""
    write_scan(tmp_path, HOSTILE_LABELS)
    part = tmp_path / "part"
    part.mkdir()
    scene = (scan_dir(tmp_path, SCENE), SCENE, {"chair": 5})
    result = batch_load_scannet_data.load_scene(scene, part)
    info = load_pickle(part / "object_info.pkl")
    assert [info[k]["raw_category"] for k in range(len(HOSTILE_LABELS))] == HOSTILE_LABELS
    assert all(line.isprintable() and len(line) < 2000 for line in result.warnings)
    spoken = [text for text in HOSTILE_LABELS if can_be_said(text)]
    assert spoken == ["../outside"]  # a word like any other, which names no file
    assert sorted(path.name for path in part.iterdir()) == [
        "aligned_points.npy", "instance_mask.npy", "object_info.parquet", "object_info.pkl",
        "semantic_mask.npy", "unaligned_points.npy",
    ]  # fmt: skip


def test_a_label_that_is_no_text_is_refused(tmp_path):
    write_scan(tmp_path, ["chair", "a\ud800"])
    with raises_one_line(BadDataError, "object 1", "not text"):
        batch_load_scannet_data.load_scene((scan_dir(tmp_path, SCENE), SCENE, {}), tmp_path)


# ---- archives and links --------------------------------------------------------------------------


def test_members_of_archives_that_lead_elsewhere_are_never_written(tmp_path):
    """Members are read by their names, one at a time; nothing is unpacked."""
    inside = tmp_path / "in"
    inside.mkdir()
    for suffix in (".npz", ".xlsx"):
        path = inside / f"x{suffix}"
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("../outside", "/outside", f"{tmp_path}/outside", "a/../../outside"):
                archive.writestr(name, b"x")
                archive.writestr(f"{name}.npy", b"x")
            link = zipfile.ZipInfo("tracks_XYZ.npy")
            link.external_attr = 0o120777 << 16  # a symbolic link
            archive.writestr(link, "/etc/passwd")
        with raises_one_line(BadDataError, path):
            read_predictions(path, ["a"]) if suffix == ".xlsx" else read_clip(path)
        assert sorted(tmp_path.rglob("*")) == [inside, *sorted(inside.iterdir())]
    assert not Path("/outside").exists()


def test_a_workbook_cannot_have_a_file_of_the_machine_read_into_it(tmp_path):
    import pandas as pd

    secret = tmp_path / "secret.txt"
    secret.write_text("the only copy")
    path = tmp_path / "x.xlsx"
    pd.DataFrame({"id": ["a"], "prediction": ["b"]}).to_excel(path, index=False)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    head = f'<!DOCTYPE x [<!ENTITY s SYSTEM "{secret.as_uri()}">]>'.encode()
    changed = 0
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            if name.endswith(".xml") and b">b<" in data:
                start = data.index(b"?>") + 2 if data.startswith(b"<?xml") else 0
                data = data[:start] + head + data[start:].replace(b">b<", b">&s;<")
                changed += 1
            archive.writestr(name, data)
    assert changed == 1
    try:
        texts = read_predictions(path, ["a"]).texts
    except BadDataError:
        texts = {}
    assert "the only copy" not in str(texts)


def test_a_data_folder_that_is_a_link_is_normal(tmp_path):
    """The data set on another disk, with the outputs of the first steps beside it."""
    root, disk = tmp_path / "root", tmp_path / "disk"
    root.mkdir()
    disk.mkdir()
    (root / "data").symlink_to(disk)
    scene_list_path(root, "train").parent.mkdir(parents=True)
    scene_list_path(root, "train").write_text(f"{SCENE}\n")
    scan_dir(root, SCENE).mkdir(parents=True)
    picture = jpeg.encode(np.full((48, 64, 3), 99, np.uint8))
    header = SensHeader(*[plain_camera((64, 48))] * 4, (64, 48), (32, 24), 6)
    frames = [SensFrame(np.eye(4), picture, b"")] * 6
    write_sens(scan_dir(root, SCENE) / f"{SCENE}.sens", header, frames)
    assert extract_posed_images.main(["--root", str(root), "--num-workers", "1"]) == 0
    made = disk / "scannet/posed_images" / SCENE
    assert posed_images_dir(root).resolve() == made.parent
    assert sorted(p.name for p in made.glob("*.jpg")) == ["00000.jpg", "00005.jpg"]


def test_tables_and_points_behind_links_are_read(tmp_path):
    scene = TinyScene(tmp_path / "disk", np.random.default_rng(0), images=True)
    (tmp_path / "root").mkdir()
    (tmp_path / "root/data").symlink_to(tmp_path / "disk/data")
    scenes = SceneInfoHandler(tmp_path / "root", scene.handler._infos)
    np.testing.assert_array_equal(scenes.points(SCENE), scene.points)
    assert scenes.color(SCENE, scene.ids[0]).shape == (scene.size[1], scene.size[0], 3)
    table = VisibilityInfoHandler(visibility_table_path(tmp_path / "root", "train"))
    assert table.scene_ids == [SCENE]


# ---- bombs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.jsonl", "x.tsv", "x.csv", "x.xlsx"])
@pytest.mark.parametrize("start", [b"", b'{"id": "a", "prediction": "', b"id\tprediction\na\t"])
def test_predictions_of_a_gigabyte_in_one_line_take_neither_time_nor_memory(tmp_path, name, start):
    path = tmp_path / name
    with open(path, "wb") as file:
        file.write(start)
        file.truncate(10**9)
    tracemalloc.start()
    began = time.process_time()
    try:
        with raises_one_line(BadDataError, path):
            read_predictions(path, ["a"])
        assert time.process_time() - began < 10
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()
