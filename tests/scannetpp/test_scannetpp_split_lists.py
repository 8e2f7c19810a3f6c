"""Lists of ScanNet++, and which of their scenes can be prepared."""

from __future__ import annotations

import shutil

import pytest
from helpers import raises_one_line
from scannetpp.hand_room import hand_room

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.sample_data.captures import scannetpp
from spatial_engine.sample_data.captures.scannetpp import EXTRACTED, Quirks, write_lists
from spatial_engine.utils.scannetpp_utils.split_lists import (
    lacking,
    read_split_lists,
    scene_folder,
    unlisted,
    without_masks,
)

A, B, C, D, E = ("0000000001", "00000000a2", "00000000b3", "00000000c4", "00000000d5")


def test_lists_are_those_of_both_tasks(tmp_path):
    write_lists(tmp_path / "data" / "scannetpp", [B, A], [C], sem_test=[D])
    assert read_split_lists(tmp_path) == {"train": [A, B], "val": [C]}


def test_one_list_is_enough(tmp_path):
    write_lists(tmp_path / "data" / "scannetpp", [], [C])
    (tmp_path / "data" / "scannetpp" / "splits" / "nvs_sem_train.txt").unlink()
    assert read_split_lists(tmp_path) == {"val": [C]}


def test_no_list_is_told(tmp_path):
    with raises_one_line(MissingInputError, "nvs_sem_train.txt", "README"):
        read_split_lists(tmp_path)


def test_a_scene_in_both_is_told(tmp_path):
    write_lists(tmp_path / "data" / "scannetpp", [A, B], [B])
    with raises_one_line(SettingsError, B):
        read_split_lists(tmp_path)


@pytest.mark.parametrize("line", ["../x", A + ".txt", "a b"])
def test_ids_that_are_none_are_told(tmp_path, line):
    write_lists(tmp_path / "data" / "scannetpp", [A, line], [])
    with raises_one_line(BadDataError, "nvs_sem_train.txt"):
        read_split_lists(tmp_path)


def test_what_scenes_lack_is_named(tmp_path):
    room = hand_room(1)
    for scene in (A, B, C, D):
        quirks = Quirks(color=EXTRACTED, depth=EXTRACTED if scene == A else scannetpp.LZ4)
        scannetpp.write(room, scene_folder(tmp_path, scene), quirks)
    (scene_folder(tmp_path, C) / "iphone" / "depth.bin").unlink()
    shutil.rmtree(scene_folder(tmp_path, D) / "iphone")
    found = lacking(tmp_path, [A, B, C, D, E])
    assert sorted(found) == [C, D, E]
    assert "no depth of the phone" in found[C]
    assert "pose_intrinsic_imu.json" in found[D] and "data/scannetpp/data/<scene>" in found[E]


def test_scenes_without_masks_are_found(tmp_path):
    room = hand_room(1)
    masks = {A: None, B: EXTRACTED, C: scannetpp.VIDEO}
    for scene, kind in masks.items():
        quirks = Quirks(color=EXTRACTED, depth=EXTRACTED, masks=kind)
        scannetpp.write(room, scene_folder(tmp_path, scene), quirks)
    assert without_masks(tmp_path, masks) == [A]


def test_scenes_that_no_list_names_are_found(tmp_path):
    """The lists of version 1 hide the scenes of version 2; those of tests are not hidden."""
    folder = tmp_path / "data" / "scannetpp"
    write_lists(folder, [A], [B], nvs_test=[D])
    assert unlisted(tmp_path, read_split_lists(tmp_path)) == []
    for name in (A, B, C, D, E, "notes", "0000000001_old"):
        (folder / "data" / name).mkdir(parents=True)
    assert unlisted(tmp_path, read_split_lists(tmp_path)) == [C, E]
