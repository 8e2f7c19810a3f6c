from __future__ import annotations

import gzip
import zipfile

import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.storage.input_files import check_content, missing, read_id_list, read_text
from spatial_engine.utils.storage.os_errors import LINK_REMEDY

MARK = b"\xef\xbb\xbf"  # as editors of Windows put it before UTF-8


@pytest.fixture
def path(tmp_path):
    return tmp_path / "list.txt"


def test_id_lists_are_sorted_whatever_line_ends_blanks_and_last_line(path):
    for data in (b"b\na\n", b"b\r\na\r\n", b"\n  b  \n\n\ta", b"b\r\n\r\na", b"a\nb", b"b\ra\r"):
        for start in (b"", MARK):
            path.write_bytes(start + data)
            assert read_id_list(path, "get it") == ["a", "b"]


def test_bad_id_lists_are_named(path):
    with raises_one_line(MissingInputError, path, "get it"):
        read_id_list(path, "get it")
    for data in (b"", b"\n \r\n", MARK):
        path.write_bytes(data)
        assert read_id_list(path, "get it") == []
    for data in (b"a\nb\na\n", b"a\n../b\n", b"\xff\xfe\x00", b"a\xe9\n", b"scans/a\n"):
        path.write_bytes(data)
        with raises_one_line(BadDataError, path):
            read_id_list(path, "get it")
    with raises_one_line(BadDataError, path, "'scans/a' is not a valid id", "without folder"):
        read_id_list(path, "get it")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_list_in_utf_16_is_named_as_such(path, encoding):
    start = "" if encoding in ("utf-16", "utf-32") else "\ufeff"
    path.write_bytes(f"{start}scene0000_00\r\n".encode(encoding))
    with raises_one_line(BadDataError, path, "UTF-", "save it as UTF-8"):
        read_id_list(path, "get it")


@pytest.mark.parametrize(
    "name", ["scene0000_00.sens", "scene0000_00_vh_clean_2.PLY", "boxes_1.npz"]
)
def test_names_of_files_are_no_ids(path, name):
    path.write_text(f"{name}\n")
    with raises_one_line(BadDataError, path, name, "without folder and ending"):
        read_id_list(path, "get it")


WRONG = {
    "empty": (b"", "is empty", "download it"),
    "a page": (b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "web page", "download it"),
    "an old page": (b"<HTML><TITLE>302 Moved</TITLE>", "web page", "download it"),
    "an error of a store": (b"<?xml version='1.0'?><Error><Code>No</Code>", "page", "download it"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS", "download it"),
    "zeros": (bytes(5000), "zeros", "download it"),
    "gzip": (gzip.compress(b"ply"), "packed", "unpack it"),
    "zip": (b"PK\x03\x04 and so on", "packed", "unpack it"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_download_left_is_told(path, name):
    data, cause, remedy = WRONG[name]
    path.write_bytes(data)
    for read in (check_content, read_text):
        with raises_one_line(BadDataError, path, cause, remedy):
            read(path, "download it")


def test_what_a_file_may_be_passes(tmp_path, path):
    for data in (b"ply\nformat", b'{"a": 1}', b"\4\0\0\0" + bytes(600), b"a = <b>", b"\0" * 5):
        path.write_bytes(data)
        check_content(path, "download it")
    path.write_bytes(b"")
    check_content(path, "download it", empty=True)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"x")
    check_content(tmp_path / "a.npz", "download it", packed=True)


def test_text_is_read_without_the_mark_of_its_editor(path):
    path.write_bytes(MARK + "wände\r\nx".encode())
    assert read_text(path, "get it") == "wände\r\nx"
    path.write_bytes(b"caf\xe9")
    assert read_text(path, "get it", errors="replace") == "caf\ufffd"
    with raises_one_line(BadDataError, path, "not a text file", "get it"):
        read_text(path, "get it")


def test_why_a_file_is_not_there_is_told(tmp_path):
    path = tmp_path / "scene.ply"
    assert missing(path, "get it", "mesh") == f"{path}: no such mesh; get it"
    assert missing(tmp_path / "no" / "x.ply", "get it").endswith("x.ply: no such file; get it")
    other = tmp_path / "scene.PLY"
    other.touch()
    assert missing(path, "get it") == f"{path}: no such file, but scene.PLY is there; rename it"
    other.rename(tmp_path / "scene.ply.gz")
    assert missing(path, "get it") == f"{path}: no such file, but scene.ply.gz is there; unpack it"
    path.symlink_to("/nowhere/scene.ply")
    told = f"links to /nowhere/scene.ply, which is not there; {LINK_REMEDY}"
    assert missing(path, "get it") == f"{path}: {told}"
    folder = tmp_path / "scans"
    folder.symlink_to(tmp_path / "unmounted")
    told = f"{folder} links to {tmp_path / 'unmounted'}, which is not there; {LINK_REMEDY}"
    assert missing(folder / "a.ply", "get it") == f"{folder / 'a.ply'}: {told}"
