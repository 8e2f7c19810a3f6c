"""The object table and its two pickles: what is written comes back, for us and for users."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import raises_one_line
from tiny_objects import image_ids, random_objects, seen_object, write_table

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils import paths
from spatial_engine.utils.tables import object_table
from spatial_engine.utils.tables.user_pickles import dump_items

COLUMNS = ["scene_id", "image_id", "category", "object_id", "intersection_count", "visibility"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two scenes, not in the order of their names."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("objects")
    scenes = {"s2": random_objects(rng, 9, 12), "s0": random_objects(rng, 4, 30)}
    return write_table(root, "train", scenes), scenes


def check_equal(found, expected) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for name, value in vars(other).items():
            mine = getattr(one, name)
            if isinstance(value, np.ndarray):
                assert mine.shape == value.shape and mine.dtype.kind == value.dtype.kind
                np.testing.assert_array_equal(mine, value)
            else:
                assert (type(mine), mine) == (type(value), value)


def test_each_scene_reads_back_as_it_was_written(made):
    path, scenes = made
    table = object_table.open_objects(path)
    assert table.scene_ids == list(scenes)
    for scene_id in ("s0", "s2", "s0"):
        check_equal(object_table.read_scene_objects(table, scene_id), scenes[scene_id])
        assert table.facts(scene_id)["geometry"] == "g"
    assert pq.ParquetFile(path).num_row_groups == 2
    with raises_one_line(BadDataError, path, "s9", "compute_object_visibility.py"):
        object_table.read_scene_objects(table, "s9")


def test_plain_readers_find_a_row_for_each_object_and_image(made):
    path, scenes = made
    table = pq.read_table(path)
    assert table.column_names[:6] == COLUMNS
    rows = table.to_pylist()
    assert len(rows) == sum(len(o.image_ids) for objects in scenes.values() for o in objects)
    expected = [
        (scene, image, o.category, o.object_id, o.counts[k], o.visibility[k], o.size[2],
         o.low[k, 0], o.high[k, 1])
        for scene, objects in scenes.items() for o in objects for k, image in enumerate(o.image_ids)
    ]  # fmt: skip
    names = (*COLUMNS, "size_z", "low_x", "high_y")
    assert [tuple(row[name] for name in names) for row in rows] == expected


@pytest.mark.parametrize("scenes", [("none",), ("none", "s0"), ("s0", "none"), ("none", "none2")])
def test_a_scene_without_objects_is_there(tmp_path, scenes):
    objects = [seen_object(3, image_ids(2))]
    path = write_table(tmp_path, "val", {s: objects if s == "s0" else [] for s in scenes})
    table = object_table.open_objects(path)
    assert table.scene_ids == list(scenes)
    for scene_id in scenes:
        expected = objects if scene_id == "s0" else []
        check_equal(object_table.read_scene_objects(table, scene_id), expected)
    dictionaries = dict(object_table.iterate_dictionaries(path))
    assert list(dictionaries) == list(scenes)
    nothing = {"object_to_images": {}, "image_to_objects": {}}
    assert all((found == nothing) == (s != "s0") for s, found in dictionaries.items())


def test_content_digest_tells_of_every_change_and_of_nothing_else(tmp_path):
    def digest(objects, geometry="g", scene="s0"):
        path = write_table(tmp_path, "train", {"before": [], scene: objects}, geometry)
        return object_table.content_digest(object_table.open_objects(path), scene)

    def same():
        return [seen_object(3, image_ids(2)), seen_object(5, image_ids(3))]

    unchanged, first = digest(same()), same()[0]
    assert digest(same()) == unchanged
    changes = []
    for name, value in (
        ("object_id", 4), ("category", "stool"), ("image_ids", ["00005", "00010"]),
        ("counts", np.array([7, 9])), ("visibility", np.array([1.0, 2.0])),
        *(("size", first.size + 0.1 * axis) for axis in np.eye(3)),
        *(("low", first.low - 0.1 * axis) for axis in np.eye(3)),
        *(("high", first.high + np.outer([0, 1], 0.1 * axis)) for axis in np.eye(3)),
    ):  # fmt: skip
        objects = same()
        objects[0] = replace(objects[0], **{name: value})
        changes.append(digest(objects))
    changes += [digest(same(), "other"), digest(same(), scene="s1"), digest(same()[:1])]
    assert len({unchanged, *changes}) == len(changes) + 1 == 18


def test_no_table_and_a_table_of_something_else_name_the_command(tmp_path):
    remedy = "compute_object_visibility.py"
    for split, folder in (("train", "training_data"), ("val", "evaluation_data")):
        path = paths.object_table_path(tmp_path, split)
        assert path == tmp_path / folder / "object_perception/object_visibility.parquet"
        assert paths.object_pickle_path(tmp_path, split) == path.with_suffix(".pkl")
        with raises_one_line(MissingInputError, path, remedy):
            object_table.open_objects(path)
    path = write_table(tmp_path, "train", {"s0": [seen_object(1, image_ids(4))]})
    columns = pq.read_table(path).replace_schema_metadata(pq.read_metadata(path).metadata)
    pq.write_table(columns.drop_columns(["low_y"]), path)
    with raises_one_line(BadDataError, path, "low_y", remedy):
        object_table.open_objects(path)
    path.write_bytes(path.read_bytes()[:-9])
    with raises_one_line(BadDataError, path, remedy):
        object_table.open_objects(path)


# ---- pickles -------------------------------------------------------------------------------------


def test_dictionaries_hold_every_pair_in_both_directions(made):
    path, scenes = made
    for scene, both in object_table.iterate_dictionaries(path):
        by_object, by_image = both["object_to_images"], both["image_to_objects"]
        assert by_object == {
            o.object_id: [
                {"image_id": i, "intersection_count": int(n), "visibility": float(v)}
                for i, n, v in zip(o.image_ids, o.counts, o.visibility, strict=True)
            ]
            for o in scenes[scene]
        }
        inverse: dict = {}
        for image, rows in by_image.items():
            assert [row["object_id"] for row in rows] == sorted(row["object_id"] for row in rows)
            for row in rows:
                entry = {"image_id": image, **{k: v for k, v in row.items() if k != "object_id"}}
                inverse.setdefault(row["object_id"], []).append(entry)
        assert inverse == by_object
        assert list(by_image) == sorted(by_image)
        for row in (row for rows in by_image.values() for row in rows):
            assert [type(value) for value in row.values()] == [int, int, float]


def test_the_pickle_for_users_holds_the_dictionaries(made, tmp_path):
    path, scenes = made
    dump_items(object_table.iterate_dictionaries(path), tmp_path / "x.pkl")
    with open(tmp_path / "x.pkl", "rb") as file:
        found = pickle.load(file)
    assert list(found) == list(scenes)
    for scene, objects in scenes.items():
        assert found[scene] == object_table.as_dictionaries(objects)


def test_objects_that_do_not_stand_in_a_row_are_refused(tmp_path):
    objects = [seen_object(number, image_ids(2)) for number in (2, 0)]
    table = object_table.open_objects(write_table(tmp_path, "train", {"s": objects}))
    with raises_one_line(BadDataError, table.path, "s", "out of order"):
        object_table.read_scene_objects(table, "s")
