"""The audit of the parquet tables: agrees with what was made, finds what is wrong in them."""

import json
import os
import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import COMMANDS, FEWER, link_root, run_here

from spatial_engine.audit import audit_labels
from spatial_engine.audit.oracles.camera_movement import camera_truth
from spatial_engine.audit.oracles.overlap import overlap
from spatial_engine.audit.oracles.scene_tables import (
    Relation,
    check_relations,
    check_seen_points,
)
from spatial_engine.audit.oracles.visibility import SurfaceRule, on_surface, visible
from spatial_engine.audit.raw.ids import read_split_list
from spatial_engine.audit.raw.scene import RawScene
from spatial_engine.checks import audit_tables
from spatial_engine.utils.paths import pair_table_path, visibility_table_path
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.running import cli
from spatial_engine.utils.tables.visibility_table import VisibilityInfoHandler


@pytest.fixture
def root(made_root, tmp_path):
    """A root with tables of its own and links to everything else that is read."""
    for part in ("data/scannet/scans", "data/scannet/meta_data"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / part).symlink_to(made_root / part)
    for path in [of(made_root, split) for of in (visibility_table_path, pair_table_path)
                 for split in ("train", "val")]:  # fmt: skip
        copy = tmp_path / path.relative_to(made_root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return tmp_path


def audit(root, *flags):
    code = cli.run(audit_tables.main, ["--root", str(root), "--num-workers", "1", *flags])
    report = root / "table_audit.json"
    return code, json.loads(report.read_text())["files"] if report.exists() else {}


def change(path, column, index, value):
    """Set one cell of a table, scene by scene as it was written."""
    file = pq.ParquetFile(path)
    groups = [file.read_row_group(k) for k in range(file.num_row_groups)]
    values = groups[0][column].to_pylist()
    values[index] = value(values[index])
    field = groups[0].schema.field(column)
    number = groups[0].schema.get_field_index(column)
    groups[0] = groups[0].set_column(number, field, pa.array(values, field.type))
    with pq.ParquetWriter(path, file.schema_arrow) as writer:
        for group in groups:
            writer.write_table(group)
        told = {
            name: text for name, text in file.metadata.metadata.items() if name != b"ARROW:schema"
        }
        writer.add_key_value_metadata(told)


def test_all_tables_agree(root):
    code, files = audit(root, "--sample", "30")
    assert code == 0 and len(files) == 4
    assert all(found["agree"] == found["checked"] >= 2 for found in files.values())


def test_faults_are_named_with_table_and_scene(root, capsys):
    seen, relations = visibility_table_path(root, "val"), pair_table_path(root, "val")
    change(seen, "point_index", 1, lambda points: points[1:])
    change(relations, "yaw", 2, lambda yaw: yaw + 0.001)
    code, files = audit(root)
    assert code == 1
    scene = pq.ParquetFile(seen).read_row_group(0)["scene_id"][0].as_py()
    texts = {
        name: [(c["scene"], c["complaint"].split(" but ")[0]) for c in found["complaints"]]
        for name, found in files.items()
        if found["complaints"]
    }
    assert set(texts) == {p.relative_to(root).as_posix() for p in (seen, relations)}
    assert [len(found) for found in texts.values()] == [2, 1]  # the bits know better, too
    assert all(where == scene for found in texts.values() for where, _ in found)
    change(seen, "surface_index", 1, lambda points: points[2:])
    _, files = audit(root)
    complaints = files[seen.relative_to(root).as_posix()]["complaints"]
    bits = ["its bits say" in c["complaint"] for c in complaints]
    assert ["surface: " in c["complaint"] for c in complaints] == [False, False, True, True]
    assert bits == [True, False, True, False]
    assert f"{relations.relative_to(root).as_posix()}:{scene}: (" in capsys.readouterr().out


def test_missing_tables_and_scans_are_one_line(root, tmp_path, capsys):
    (tmp_path / "data/scannet/scans").unlink()
    code, files = audit(root, "--sample", "10")
    assert code == 2 and all(found["checked"] == 0 for found in files.values())
    assert "No such file or directory" in capsys.readouterr().err
    for path in tmp_path.rglob("*.parquet"):
        os.unlink(path)
    assert audit(root)[0] == 2
    assert "no such table" in capsys.readouterr().err


def test_the_oracle_of_the_tables_sees_each_kind_of_fault(made_root):
    scene = RawScene(made_root, read_split_list(made_root, "val")[0])
    frames = scene.valid_frame_ids
    seen = {image: visible(scene, image).must.tolist() for image in frames[:3]}
    seen |= {image: [] for image in frames[3:]}
    assert check_seen_points(seen, scene, frames[:3]) == []
    for spoil, text in (
        (lambda points: points[1:], "1 vertices are missing"),
        (lambda points: [*points, len(scene.vertices) + 5], "1 too many"),
        (lambda points: points[::-1], "does not ascend"),
    ):
        (found,) = check_seen_points({**seen, frames[0]: spoil(seen[frames[0]])}, scene, frames[:1])
        assert text in found
    missing = {image: points for image, points in seen.items() if image != frames[1]}
    assert check_seen_points(missing, scene, []) == [f"image {frames[1]} is missing"]
    pair = frames[0], frames[1]
    truth = camera_truth(scene, *pair)
    right = Relation(overlap(scene, *pair).value, truth["centre_distance"] / 1000,
                     truth["yaw"], truth["pitch"])  # fmt: skip
    assert not [c for c in check_relations({pair: right}, scene, [pair]) if "missing" not in c]
    for field in Relation._fields:
        more = 40 if field == "overlap" else 0.001  # ties leave an overlap some room
        wrong = right._replace(**{field: getattr(right, field) + more})
        complaints = check_relations({pair: wrong}, scene, [pair])
        assert [c for c in complaints if "missing" not in c and f": {field} " in c]
    (found,) = [c for c in check_relations({pair[::-1]: right}, scene, []) if "is no pair" in c]
    assert str(pair[::-1]) in found


def names_of_its_own(root):
    """A root whose scenes name their frames in four ways, some with gaps between the numbers."""
    ways = {
        "scene0000_00": ("{}", 5), "scene0704_00": ("{:06d}", 5),
        "scene0011_00": ("{:012d}", 10), "scene0015_00": ("", 5),
    }  # fmt: skip
    for scene, (form, step) in ways.items():
        for path in list((root / "data/scannet/posed_images" / scene).glob("[0-9]*")):
            number = int(path.stem)
            name = (form or ("{}" if number % 10 else "{:05d}")).format(number)
            if number % step or (scene == "scene0704_00" and number == 15):
                path.unlink()
            else:
                path.rename(path.with_name(name + path.suffix))
    return root


def test_frames_go_by_their_numbers_however_they_are_named(prepared_root, tmp_path):
    root = names_of_its_own(link_root(prepared_root, tmp_path / "root"))
    ask = [c for c in COMMANDS if "depth_" in c or "correspondence" in c or "camera_movement_" in c]
    few = ("--published", "--train-max-samples", "5", "--val-max-samples", "3")
    for command in COMMANDS[2:16]:
        flags = few if command in ask else FEWER.get(command, ())
        done = run_here(command, root, "--num-workers", "1", *flags)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    shown = {name for path in root.glob("*/camera_movement/v1_0/*.jsonl")
             for record in read_jsonl(path) for name in record["image"]}  # fmt: skip
    forms = {"scene0000_00": r"0|[1-9]\d?", "scene0704_00": r"\d{6}", "scene0015_00": r"\d?5|\d{5}"}
    for scene, form in forms.items():  # which frames are drawn does not matter here
        stems = [name.split("/")[1][:-4] for name in shown if name.startswith(scene)]
        assert stems and all(re.fullmatch(form, stem) for stem in stems), (scene, stems)
    assert not any("/000015" in name for name in shown)
    flags = ["--root", str(root), "--num-workers", "1"]
    assert audit_labels.main([*flags, "--tables"]) == 0
    assert audit(root)[0] == 0


def test_a_frame_that_is_named_twice_is_complained_about(made_root):
    scene = RawScene(made_root, read_split_list(made_root, "val")[0])
    one, two = scene.valid_frame_ids[:2]
    seen = {image: [] for image in scene.valid_frame_ids}
    (found,) = check_seen_points({**seen, f"0{one}": []}, scene, [])
    assert found == f"'{one}' and '0{one}' are one frame"
    rows = {(one, two): Relation(0, 0, 0, 0), (one, f"0{two}"): Relation(0, 0, 0, 0)}
    found = check_relations(rows, scene, [])
    assert f"'{two}' and '0{two}' are one frame" in found


def test_the_surface_that_a_table_tells_of_is_recomputed(made_root):
    scene = RawScene(made_root, read_split_list(made_root, "val")[0])
    handler = VisibilityInfoHandler(visibility_table_path(made_root, "val"), "surface")
    frame = scene.valid_frame_ids[0]
    listed = handler.get_image_to_points_info(scene.scene_id, frame).tolist()
    assert len(listed) > 50
    rule = SurfaceRule()
    must, ties = (set(some.tolist()) for some in on_surface(scene, frame, rule))
    assert must <= set(listed) <= must | ties
    for lists, other in (
        (listed[1:], rule),
        ([*listed, max(listed) + 1], rule),
        (listed, SurfaceRule(window_px=6)),
        (listed, SurfaceRule(tolerance_m=0.2)),
    ):
        seen = dict.fromkeys(scene.valid_frame_ids, lists)
        (found,) = check_seen_points(seen, scene, [frame], other)
        assert "vertices are missing" in found
