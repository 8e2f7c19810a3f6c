"""The info table: what is written comes back, one scene at a time, for us and for users."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import load_pickle, plain_camera, raises_one_line, random_pose

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.tables import info_table, scene_table
from spatial_engine.utils.tables.info_table import SceneInfos, merge_infos, write_infos
from spatial_engine.utils.tables.parquet import table_writer
from spatial_engine.utils.tables.user_pickles import dump_items

FORM = "scannet_utils/README.md"


def make_info(number: int = 0, frames: int = 3, objects=(3, 0, 7)) -> dict:
    rng = np.random.default_rng(number)
    images = {
        f"{5 * k:05d}": {
            "image_path": f"posed_images/s{number}/{5 * k:05d}.jpg",
            "depth_image_path": f"posed_images/s{number}/{5 * k:05d}.png",
            "extrinsic_matrix": np.full((4, 4), (-np.inf, np.nan)[k % 2]) if k > 1
            else random_pose(rng),
        }
        for k in range(frames)
    }  # fmt: skip
    named = {
        k: {"aligned_bbox": rng.random(7), "unaligned_bbox": rng.random(7), "raw_category": name}
        for k, name in zip(objects, ("bed", "", "Stuhl\né\u202e"), strict=False)
    }
    return {
        **named, "axis_align_matrix": random_pose(rng), "num_objects": len(named),
        "points_digest": f"d{number}", "num_posed_images": frames,
        "intrinsic_matrix": plain_camera((64, 48)).astype(float), "images_info": images,
        "color_size": (64, 48), "depth_size": (32, 24),
    }  # fmt: skip


def of_step_1(info: dict) -> dict:
    kept = ("axis_align_matrix", "num_objects", "points_digest")
    return {key: value for key, value in info.items() if isinstance(key, int) or key in kept}


INFOS = {f"s{k}": make_info(k) for k in (2, 0, 1)} | {"bare": make_info(9, 0, ())}


def assert_same(found: dict, expected: dict) -> None:
    """Keys in the same order, values of the same types."""
    np.testing.assert_equal(found, expected)
    assert repr(found) == repr(expected)


@pytest.mark.parametrize("with_images", [True, False])
def test_what_is_written_is_read_by_us_and_by_users(tmp_path, with_images):
    path = tmp_path / "x.parquet"
    infos = INFOS if with_images else {name: of_step_1(info) for name, info in INFOS.items()}
    parts = [tmp_path / name for name in infos]
    for part, (name, info) in zip(parts, infos.items(), strict=True):
        info_table.write_scene_info(part, name, info)
    merge_infos(parts, path)
    found = SceneInfos(path, "make it", with_images=with_images)
    assert list(found) == list(infos) and len(found) == 4 and "s5" not in found
    for name in reversed(infos):
        assert_same(found[name], infos[name])
    dump_items(found.items(), tmp_path / "x.pkl")
    by_user = load_pickle(tmp_path / "x.pkl")
    assert list(by_user) == list(infos)
    for name in infos:
        assert_same(by_user[name], infos[name])
    write_infos(by_user, tmp_path / "y.parquet")
    assert (tmp_path / "y.parquet").read_bytes() == path.read_bytes()


def test_the_bytes_of_a_pickle_do_not_depend_on_other_scenes(tmp_path):
    """Nor on whether a scene was read before."""
    write_infos(INFOS, tmp_path / "all.parquet")
    write_infos({"s0": INFOS["s0"]}, tmp_path / "one.parquet")
    many, one = (SceneInfos(tmp_path / f"{name}.parquet", "") for name in ("all", "one"))
    assert many["s1"] is many["s1"]
    for protocol in (3, 4):
        assert pickle.dumps(many["s0"], protocol) == pickle.dumps(one["s0"], protocol)


def test_a_worker_gets_a_few_names_and_reads_its_scene_alone(tmp_path, monkeypatch):
    write_infos(INFOS, tmp_path / "x.parquet")
    few = SceneInfos(tmp_path / "x.parquet", "").only(["s1", "s2"])
    sent = pickle.dumps(few)
    assert len(sent) < 1000
    real, read = scene_table.SceneTable.read, []

    def noted(table, scene_id, *rest):
        read.append(scene_id)
        return real(table, scene_id, *rest)

    monkeypatch.setattr(scene_table.SceneTable, "read", noted)
    received = pickle.loads(sent)
    assert list(received) == ["s1", "s2"]
    assert_same(received["s2"], INFOS["s2"])
    received["s2"]
    assert read == ["s2"]
    with pytest.raises(KeyError):
        received["s0"]


def test_the_digest_of_a_scene_tells_of_all_of_it_and_of_no_other(tmp_path):
    write_infos(INFOS, tmp_path / "all.parquet")
    other = {**INFOS["s0"], 3: {**INFOS["s0"][3], "raw_category": "sofa"}}
    write_infos({"s0": other, "s1": INFOS["s1"]}, tmp_path / "two.parquet")
    many, two = (SceneInfos(tmp_path / f"{name}.parquet", "") for name in ("all", "two"))
    assert len({many.digest(name) for name in INFOS}) == len(INFOS)
    assert many.digest("s1") == two.digest("s1")
    assert many.digest("s0") != two.digest("s0")
    assert pickle.loads(pickle.dumps(many)).digest("s1") == two.digest("s1")


def test_a_table_without_digests_is_named(tmp_path):
    path = tmp_path / "x.parquet"
    write_infos(INFOS, path)
    rows = [pq.ParquetFile(path).read_row_group(number) for number in range(len(INFOS))]
    told = {table_writer.KEY: json.dumps([[name, {}] for name in INFOS])}
    with pq.ParquetWriter(path, rows[0].schema.with_metadata(told)) as writer:
        for row in rows:
            writer.write_table(row.replace_schema_metadata(told))
    with raises_one_line(BadDataError, path, "digest of s0", "make it"):
        SceneInfos(path, "make it").digest("s0")


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    write_infos(INFOS, path)
    found = SceneInfos(path, "make it")
    found["s0"]
    write_infos({"s0": INFOS["s0"], "s1": INFOS["s1"]}, path)
    with raises_one_line(BadDataError, path, "has changed", "start again"):
        found["s1"]


def test_no_table_and_other_tables_are_refused(tmp_path):
    path = tmp_path / "x.parquet"
    with raises_one_line(MissingInputError, path, "make it"):
        SceneInfos(path, "make it")
    write_infos({name: of_step_1(info) for name, info in INFOS.items()}, path)
    with raises_one_line(BadDataError, path, "intrinsic_matrix", "make it"):
        SceneInfos(path, "make it")
    path.write_bytes(pickle.dumps(INFOS))
    with raises_one_line(BadDataError, path, "make it"):
        SceneInfos(path, "make it")


def test_a_scene_in_two_rows_or_of_too_many_frames_is_refused(tmp_path, monkeypatch):
    path, part = tmp_path / "x.parquet", tmp_path / "part"
    info_table.write_scene_info(part, "s0", INFOS["s0"])
    row = pq.read_table(part)
    for rows in (row.slice(0, 0), pa.concat_tables([row, row])):
        table_writer.write_part(part, rows, "s0", {})
        merge_infos([part], path)
        with raises_one_line(BadDataError, path, "s0", "rows instead of one", "make it"):
            SceneInfos(path, "make it")["s0"]
    write_infos(INFOS, path)
    monkeypatch.setattr(info_table, "MAX_BYTES", 1000)
    with raises_one_line(BadDataError, path, "s0", "over 1,000", "make it"):
        SceneInfos(path, "make it")["s0"]


def test_users_can_read_the_table_without_us(tmp_path):
    path = tmp_path / "x.parquet"
    write_infos(INFOS, path)
    rows = {row["scene_id"]: row for row in pq.read_table(path).to_pylist()}
    assert list(rows) == list(INFOS)
    frame = rows["s1"]["frames"][1]
    pose = np.reshape(frame["extrinsic_matrix"], (4, 4))
    expected = INFOS["s1"]["images_info"][frame["image_id"]]
    np.testing.assert_array_equal(pose, expected["extrinsic_matrix"])


def without(*place) -> dict:
    """An info that lacks something."""
    info = make_info()
    inner = info
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    return info


WRONG = {
    "no dictionary": [1, 2], "nothing": {}, "a scene that is none": {"s": None},
    "a list of objects": {"s": [1]}, "a hostile name": {"../s": make_info()},
    "a number for a name": {5: make_info()}, "no matrix": {"s": without("axis_align_matrix")},
    "no category": {"s": without(3, "raw_category")}, "no box": {"s": without(3, "aligned_bbox")},
    "no pose": {"s": without("images_info", "00005", "extrinsic_matrix")},
    "no size": {"s": without("depth_size")},
    "a size of three": {"s": make_info() | {"color_size": (1, 2, 3)}},
    "a fraction of a pixel": {"s": make_info() | {"color_size": (1.5, 2)}},
    "a matrix of texts": {"s": make_info() | {"intrinsic_matrix": np.full((4, 4), "1")}},
    "a matrix of nine": {"s": make_info() | {"intrinsic_matrix": np.eye(3)}},
    "an image that is a number": {"s": make_info() | {"images_info": {
        5: make_info()["images_info"]["00005"]}}},
    "half a character": {"s": make_info() | {3: {**make_info()[3], "raw_category": "\ud800"}}},
    "a category of none": {"s": make_info() | {3: {**make_info()[3], "raw_category": None}}},
    "one of step 1": {"s": make_info(), "t": of_step_1(make_info())},
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_infos_of_another_form_are_not_written(tmp_path, name):
    with raises_one_line(BadDataError):
        write_infos(WRONG[name], tmp_path / "x.parquet")
    assert not (tmp_path / "x.parquet").exists()


def test_infos_of_another_source_need_no_more_than_is_read(tmp_path):
    info = without(3, "unaligned_bbox")
    for key in ("points_digest", "num_objects", "num_posed_images"):
        del info[key]
    write_infos({"s": info | {"more": 5}}, tmp_path / "x.parquet")
    found = SceneInfos(tmp_path / "x.parquet", "")["s"]
    np.testing.assert_array_equal(found[3]["aligned_bbox"], make_info()[3]["aligned_bbox"])
    assert "points_digest" not in found and found["num_posed_images"] == 3


def test_what_is_missing_is_named(tmp_path):
    with raises_one_line(BadDataError, "scene info: s", "no aligned_bbox", FORM):
        write_infos(WRONG["no box"], tmp_path / "x.parquet")
