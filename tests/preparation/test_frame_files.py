"""Lists, names, poses and values of captures of plain files."""

from __future__ import annotations

import os

import numpy as np
import pytest
from helpers import random_rotation
from scipy.spatial.transform import Rotation

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.preparation import frame_files

REMEDY = "get it again"


def lines(path):
    return list(frame_files.read_lines(path, REMEDY))


def test_lines_of_any_system(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf# a\r\n\r\n1 2 \n last")
    assert lines(path) == ["# a", "", "1 2 ", " last"]


def test_lists_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "list.txt"
    with pytest.raises(MissingFileError, match=r"list\.txt: no such file; get it again"):
        lines(path)
    for content, cause in [
        (b"", "is empty"),
        (b"<html>", "web page"),
        (b"\x1f\x8b\x08", "is packed"),
        (b"1 2\n\xff\xfe\n", "not a text file"),
    ]:
        path.write_bytes(content)
        with pytest.raises(BadDataError, match=cause):
            lines(path)
    path.write_bytes(b"1234567\n12345678\n")
    monkeypatch.setattr(frame_files, "MAX_LINE", 9)
    with pytest.raises(BadDataError, match="a line has 9 signs or more"):
        lines(path)
    monkeypatch.setattr(frame_files, "MAX_LINE", 10)
    monkeypatch.setattr(frame_files, "MAX_LINES", 1)
    with pytest.raises(BadDataError, match="more than 1 lines"):
        lines(path)


def test_names_of_lists_stay_in_their_folder(tmp_path):
    assert frame_files.inside(tmp_path, "rgb/1.5.png", "x") == tmp_path / "rgb" / "1.5.png"
    for name in ("/etc/passwd", "../a", "a/../../b", "", ".", "a\0b", "x" * 300, "a/" * 20 + "b"):
        with pytest.raises(BadDataError, match="is no file of its folder"):
            frame_files.inside(tmp_path, name, "list: line 1")


def test_files_are_in_the_order_of_their_numbers(tmp_path):
    names = ["a10.png", "a9.PNG", "a9b2.png", "a9b10.png", "b1.png", "١.png"]
    for name in [*names, ".hidden.png", "a1.txt"]:
        (tmp_path / name).write_bytes(b"")
    found = [path.name for path in frame_files.files_in(tmp_path, (".png",))]
    assert found == ["a9.PNG", "a9b2.png", "a9b10.png", "a10.png", "b1.png", "١.png"]
    assert frame_files.files_in(tmp_path / "none", (".png",)) == []


def test_values_become_millimetres():
    table = frame_files.millimetre_table(0.001, [65535])
    assert table[[0, 1, 65534, 65535]].tolist() == [0, 1, 65534, 0]
    assert frame_files.millimetre_table(1 / 4000)[[1, 2, 3, 4, 65535]].tolist() == [
        0,
        0,
        1,
        1,
        16384,
    ]
    assert frame_files.millimetre_table(0.002)[[32767, 32768]].tolist() == [65534, 0]
    assert frame_files.millimetre_table(1e300).sum() == 0


@pytest.mark.parametrize("seed", range(5))
def test_quaternions_are_x_y_z_w(seed):
    rotation = random_rotation(np.random.default_rng(seed))
    quaternion = Rotation.from_matrix(rotation).as_quat()
    for written in (quaternion, -quaternion, np.round(quaternion, 4), 1.01 * quaternion):
        found = frame_files.rotation_of(written, "x", REMEDY)
        np.testing.assert_allclose(found, rotation, atol=3e-4)
        np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)
    for wrong in (0 * quaternion, 2 * quaternion, 0.5 * quaternion):
        with pytest.raises(BadDataError, match="x: the quaternion has length"):
            frame_files.rotation_of(wrong, "x", REMEDY)


def test_poses_are_usable_lost_or_refused():
    assert frame_files.is_usable(np.eye(4), "x", REMEDY)
    for lost in (np.full((4, 4), -np.inf), np.full((4, 4), np.nan), np.diag([0, 0, 0, 1.0])):
        assert not frame_files.is_usable(lost, "x", REMEDY)
    for wrong in (2 * np.eye(4), np.diag([1, 1, -1, 1.0]), np.ones((4, 4))):
        with pytest.raises(BadDataError, match="not a rigid motion"):
            frame_files.is_usable(wrong, "x", REMEDY)


def test_cameras_of_other_images_are_refused():
    K = frame_files.camera((525, 526, 320, 240), (640, 480), "x", REMEDY)
    assert K.tolist() == [[525, 0, 320], [0, 526, 240], [0, 0, 1]]
    for values in (
        (525, 525, 320, 240),
        (0, 0, 80, 60),
        (np.nan, 150, 80, 60),
        (-150, 150, 80, 60),
    ):
        with pytest.raises(BadDataError, match="does not fit its images"):
            frame_files.camera(values, (160, 120), "x", REMEDY)


def test_counts_that_differ_are_told_by_the_first_frame():
    frame_files.check_same([1, 2], [2, 1], "x", REMEDY)
    with pytest.raises(BadDataError, match="3 colour and 2 depth images; frame 2 is the first"):
        frame_files.check_same([1, 2, 3], [1, 3], "x", REMEDY)
    with pytest.raises(BadDataError, match="no depth"):
        frame_files.check_same([1, 2, 3], [], "x", REMEDY)


def test_scenes_are_the_folder_or_those_in_it(tmp_path, monkeypatch):
    for name in ("b", "a", ".trash", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sign").write_bytes(b"")
    (tmp_path / "other" / "sign").unlink()

    def is_scene(path):
        return (path / "sign").is_file()

    assert list(frame_files.scenes_below(tmp_path, is_scene).items()) == [
        ("a", tmp_path / "a"),
        ("b", tmp_path / "b"),
    ]
    monkeypatch.chdir(tmp_path / "a")
    here = frame_files.scenes_below(type(tmp_path)(os.curdir), is_scene)
    assert list(here) == ["a"]
    assert frame_files.scenes_below(tmp_path / "a" / "sign", is_scene) == {}
