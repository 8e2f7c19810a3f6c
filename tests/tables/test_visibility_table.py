from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.paths import visibility_table_path
from spatial_engine.utils.tables import pair_table
from spatial_engine.utils.tables.parquet.table_writer import write_part
from spatial_engine.utils.tables.visibility_table import (
    BITS,
    PUBLISHED,
    RULES,
    SceneVisibility,
    VisibilityInfoHandler,
    merge_visibility,
    write_scene_visibility,
)

SCENES = {"scene0001_00": (120, 6), "scene0000_00": (70, 1), "empty": (0, 3), "blind": (50, 0)}


def random_lists(rng, num_points, frames) -> dict[str, np.ndarray]:
    return {
        f"{5 * frame:05d}": np.flatnonzero(rng.random(num_points) < rng.random()).astype(np.int32)
        for frame in range(frames)
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A merged table, and what each frame sees as it was written, by rule."""
    folder, rng, parts, truth = (
        tmp_path_factory.mktemp("table"),
        np.random.default_rng(0),
        [],
        {rule: {} for rule in RULES},
    )
    for scene, (num_points, frames) in SCENES.items():
        for lists in truth.values():
            lists[scene] = random_lists(rng, num_points, frames)
        parts.append(folder / f"{scene}.parquet")
        seen = {rule: list(lists[scene].values()) for rule, lists in truth.items()}
        ids = list(truth[PUBLISHED][scene])
        write_scene_visibility(parts[-1], scene, ids, seen, num_points, f"g-{scene}")
    merge_visibility(parts, folder / "all.parquet")
    return folder / "all.parquet", truth


@pytest.mark.parametrize("rule", RULES)
def test_every_frame_reads_back_what_was_written(made, rule):
    path, truth = made
    handler = VisibilityInfoHandler(path, rule)
    assert handler.scene_ids == list(SCENES)
    for scene, frames in truth[rule].items():
        visibility = handler.load_scene(scene)
        assert visibility.image_ids == list(frames)
        assert visibility.num_points == SCENES[scene][0]
        lists = visibility.point_lists()
        assert len(lists) == len(frames)
        for (image_id, points), listed in zip(frames.items(), lists, strict=True):
            found = handler.get_image_to_points_info(scene, image_id)
            assert found.dtype == listed.dtype == np.int32
            np.testing.assert_array_equal(found, points)
            np.testing.assert_array_equal(listed, points)
        for points, listed in zip(frames.values(), handler.read_lists(scene), strict=True):
            assert listed.dtype == np.int32
            np.testing.assert_array_equal(listed, points)


@pytest.mark.parametrize("rule", RULES)
def test_inversion_and_co_visible_points_are_those_of_sets(made, rule):
    path, truth = made
    handler = VisibilityInfoHandler(path, rule)
    for scene, frames in truth[rule].items():
        sets = {image_id: set(points.tolist()) for image_id, points in frames.items()}
        for point in range(SCENES[scene][0]):
            expected = [image_id for image_id, seen in sets.items() if point in seen]
            assert handler.get_point_to_images_info(scene, point) == expected
        for one in sets:
            for two in sets:
                common = handler.get_co_visible_points(scene, one, two)
                assert common.tolist() == sorted(sets[one] & sets[two])


def test_scenes_asked_in_turn_are_not_mixed_up(made):
    path, truth = made
    handler = VisibilityInfoHandler(path)
    rng = np.random.default_rng(1)
    for _ in range(40):
        scene = str(rng.choice(["scene0001_00", "scene0000_00"]))
        point = int(rng.integers(SCENES[scene][0]))
        expected = [image_id for image_id, seen in truth[PUBLISHED][scene].items() if point in seen]
        assert handler.get_point_to_images_info(scene, point) == expected


def test_plain_readers_find_the_columns_of_the_specification(made):
    path, truth = made
    table = pq.read_table(path)
    assert table.column_names == [
        "scene_id", "image_id", "point_index", "surface_index", "point_bits", "surface_bits",
    ]  # fmt: skip
    types = [table.schema.field(name).type for name in table.column_names]
    assert types[:2] == [pa.string(), pa.string()]
    assert types[4:] == [pa.binary()] * 2
    for kind in types[2:4]:
        assert pa.types.is_list(kind) and kind.value_type == pa.int32()
    assert pq.ParquetFile(path).num_row_groups == len(SCENES)
    frame = pd.read_parquet(path)
    for scene, image_id, *columns in frame.itertuples(index=False):
        for rule, points, bits in zip(RULES, columns[:2], columns[2:], strict=True):
            np.testing.assert_array_equal(points, truth[rule][scene][image_id])
            assert points.dtype == np.int32
            told = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
            np.testing.assert_array_equal(np.flatnonzero(told), points)
    assert len(frame) == sum(map(len, truth[PUBLISHED].values()))


def test_an_unknown_scene_and_an_unknown_frame_are_errors(made):
    handler = VisibilityInfoHandler(made[0])
    with raises_one_line(BadDataError, made[0], "99999", "make_visibility_info.py"):
        handler.get_image_to_points_info("scene0001_00", "99999")
    for ask in (handler.load_scene, lambda s: handler.get_image_to_points_info(s, "00000")):
        with raises_one_line(BadDataError, made[0], "scene0404_00", "make_visibility_info.py"):
            ask("scene0404_00")


def test_a_table_made_from_other_inputs_is_stale(made):
    handler = VisibilityInfoHandler(made[0])
    handler.check_is_about("scene0001_00", "g-scene0001_00")
    for args in [("scene0001_00", "g-other"), ("scene0404_00", "g-scene0001_00")]:
        with raises_one_line(BadDataError, made[0], args[0], "make_visibility_info.py"):
            handler.check_is_about(*args)


def test_no_table_names_the_command_that_makes_it(tmp_path):
    path = visibility_table_path(tmp_path, "train")
    assert path.name == "train_visibility_info_D5.parquet"
    with raises_one_line(MissingInputError, path, "make_visibility_info.py"):
        VisibilityInfoHandler(path)


def with_bits(folder, bits: list[bytes], num_points: int, **claimed):
    """A table of one scene whose frames have these bits, and which claims other facts."""
    lists = [np.zeros(0, np.int32)] * len(bits)
    ids = [f"{5 * k:05d}" for k in range(len(bits))]
    part, path = folder / "part", folder / "table"
    write_scene_visibility(part, "s", ids, dict.fromkeys(RULES, lists), num_points, "g")
    table = pq.read_table(part)
    for name in BITS.values():
        number = table.schema.get_field_index(name)
        table = table.set_column(number, table.schema.field(name), [pa.array(bits, pa.binary())])
    write_part(
        path, table, "s", {"geometry": "g", "num_points": claimed.get("claimed", num_points)}
    )
    return path


def test_bits_read_back_as_they_were_put(tmp_path):
    path = with_bits(tmp_path, [b"\x81" + bytes(7), bytes(6) + b"\x02\0"], 50)
    scene = VisibilityInfoHandler(path).load_scene("s")
    assert [points.tolist() for points in scene.point_lists()] == [[0, 7], [49]]
    assert scene.num_seen.tolist() == [2, 1]


@pytest.mark.parametrize("beyond", [50, 51, 63])
def test_a_table_that_names_vertices_that_are_not_there_is_refused(tmp_path, beyond):
    bits = np.packbits(np.arange(64) == beyond, bitorder="little").tobytes()
    path = with_bits(tmp_path, [bytes(8), bits], 50)
    with raises_one_line(BadDataError, path, "not there", "make_visibility_info.py"):
        VisibilityInfoHandler(path).load_scene("s")


@pytest.mark.parametrize("bits", [[bytes(8), b""], [bytes(7), bytes(9)], [bytes(16)] * 2])
def test_bits_of_another_mesh_are_refused(tmp_path, bits):
    path = with_bits(tmp_path, bits, 50)
    with raises_one_line(BadDataError, path, "a bit for each", "make_visibility_info.py"):
        VisibilityInfoHandler(path).load_scene("s")


def test_a_table_without_bits_is_refused(made, tmp_path):
    """As they were before there were any."""
    table, path = pq.read_table(made[0]), tmp_path / "old.parquet"
    pq.write_table(table.drop_columns(["point_bits", "surface_bits"]), path)
    with raises_one_line(BadDataError, path, "make_visibility_info.py"):
        VisibilityInfoHandler(path)


@pytest.mark.parametrize("number", [2**31, 10**30, -1, True, 1.5, "50", None, [50]])
def test_a_number_of_vertices_that_cannot_be_takes_no_memory(tmp_path, number):
    path = with_bits(tmp_path, [bytes(8)], 50, claimed=number)
    with raises_one_line(BadDataError, path, "vertices"):
        handler = VisibilityInfoHandler(path)
        handler.get_point_to_images_info("s", 0)


def test_a_truncated_table_is_refused(made, tmp_path):
    data, cut = made[0].read_bytes(), tmp_path / "cut.parquet"
    for length in range(0, len(data), 29):
        cut.write_bytes(data[:length])
        with raises_one_line(BadDataError, cut, "make_visibility_info.py"):
            VisibilityInfoHandler(cut)


def test_a_pair_table_in_its_place_is_refused(tmp_path):
    """It has scenes and row groups too, but other columns."""
    columns = pair_table.relate_frames(["00000", "00005"], np.tile(np.eye(4), (2, 1, 1)), np.eye(2))
    pair_table.write_scene_pairs(tmp_path / "p", "s", ["00000", "00005"], columns, "g")
    with raises_one_line(BadDataError, tmp_path / "p", "make_visibility_info.py"):
        VisibilityInfoHandler(tmp_path / "p").load_scene("s")


def test_images_of_some_vertices_are_those_of_the_inverse():
    rng = np.random.default_rng(5)
    lists = [np.flatnonzero(rng.random(300) < share) for share in (0.3, 0.0, 0.6, 0.02)]
    scene = SceneVisibility.of_lists(list("abcd"), lists, 300)
    points = rng.integers(300, size=80)  # some of them again
    starts, rows = scene.images_by_point
    expected = [np.isin(np.arange(4), rows[starts[p] : starts[p + 1]]).tolist() for p in points]
    assert scene.images_of(points).tolist() == expected
    assert scene.num_images().tolist() == np.diff(starts).tolist()
    assert scene.images_of(points[:0]).shape == (0, 4)
