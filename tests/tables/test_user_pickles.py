"""Pickles for users: any Python loads them, and the same content is the same bytes."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
from helpers import load_pickle

from spatial_engine.utils.tables.user_pickles import dump_items


def test_dumped_data_reads_back_and_is_the_same_bytes(tmp_path):
    value = {"s": {0: {"box": np.arange(7.0), "name": "bed"}, "size": (1296, 968)}}
    for name in "xy":
        dump_items(value.items(), tmp_path / f"{name}.pkl")
    np.testing.assert_equal(load_pickle(tmp_path / "x.pkl"), value)
    assert (tmp_path / "x.pkl").read_bytes() == (tmp_path / "y.pkl").read_bytes()


def test_nothing_stands_behind_the_end_of_a_pickle(tmp_path):
    dump_items(ITEMS["shared"], tmp_path / "x.pkl")
    with open(tmp_path / "x.pkl", "rb") as file:
        pickle.load(file)
        assert file.read() == b""


SHARED, TEXT = {"a": ["x", "y"]}, "text " * 40
ITEMS = {
    "nothing": [],
    "one": [("s", {})],
    "nested": [("s", {"a": {1: [(2.5, None, True)]}, (1, 2): {"b": {"c": [b"\0", "é"]}}})],
    "shared": [("x", SHARED), ("y", [SHARED, SHARED]), ("z", {"x": SHARED, "z": "x"})],
    "equal texts": [(TEXT, {TEXT: TEXT}), (f"{TEXT}2", [TEXT, TEXT]), ("", TEXT)],
    "key like a value": [("k", "k"), (1, "k"), (2.0, 1), (None, ("k", "k"))],
    "same key twice": [("k", 1), ("j", 2), ("k", 3)],
    "large": [("x", list(range(70_000))), (2**70, "t" * 70_000), ("y", [[i] for i in range(300)])],
    "thousands": [(f"scene{k:05d}", {"i": [{"id": f"{k}", "v": k / 7}]}) for k in range(4000)],
    "within itself": [("s", SHARED), ("t", (SHARED, (SHARED,)))],
}  # fmt: skip


@pytest.mark.parametrize("name", ITEMS)
def test_items_are_loaded_as_the_dictionary_of_them(tmp_path, name):
    path, expected = tmp_path / "x.pkl", dict(ITEMS[name])
    dump_items(iter(ITEMS[name]), path)
    found = load_pickle(path)
    assert found == expected
    assert repr(found) == repr(expected)  # types and order too


def test_items_may_hold_arrays(tmp_path):
    path, array = tmp_path / "x.pkl", np.arange(6.0).reshape(2, 3)
    dump_items([("a", array), ("b", {"c": array, "d": array[0]})], path)
    np.testing.assert_equal(load_pickle(path), {"a": array, "b": {"c": array, "d": array[0]}})


def test_the_same_items_are_the_same_bytes_whatever_objects_they_share(tmp_path):
    """A scene that was read back is equal to one that was not, though less of it is shared."""
    text = "word"
    shared = [("s", [text, text])]
    apart = [("s", ["".join("word"), "".join(["wo", "rd"])])]
    assert shared == apart
    for name, items in (("a", shared), ("b", shared), ("c", apart)):
        dump_items(items, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert load_pickle(tmp_path / "c") == load_pickle(tmp_path / "a")


def test_one_item_is_in_memory_however_many_there_are(tmp_path):
    def items(count):
        for k in range(count):
            yield f"scene{k}", {str(n): [f"{k}-{n}", n / 3] for n in range(200)}

    def peak(count) -> int:
        tracemalloc.start()
        try:
            dump_items(items(count), tmp_path / "x.pkl")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)
    few, many = peak(5), peak(200)
    assert (tmp_path / "x.pkl").stat().st_size > 4 * few
    assert many < 1.2 * few
