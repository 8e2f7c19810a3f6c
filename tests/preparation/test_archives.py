from __future__ import annotations

import os
import struct
import zipfile

import pytest

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.preparation import archives
from spatial_engine.utils.preparation.archives import open_members, peek, safe_name, with_file

FILES = {"top.txt": b"top", "a/b/deep.bin": b"deep" * 100, "a/1.jpg": b"1", "a/10.jpg": b"10"}


@pytest.fixture(params=["folder", "zip"])
def place(request, tmp_path):
    if request.param == "zip":
        return zipped(tmp_path / "files.zip", FILES)
    for name, data in FILES.items():
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "files"


def zipped(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_a_folder_and_a_zip_are_one(place):
    members = open_members(place)
    assert members.files() == ["top.txt"] and members.folders() == ["a"]
    assert members.files("a") == ["1.jpg", "10.jpg"] and members.folders("a") == ["b"]
    assert members.files("none") == [] and not members.has_folder("none")
    assert members.has("a/1.jpg") and not members.has("a") and not members.has("a/2.jpg")
    assert members.read("a/b/deep.bin", 400) == b"deep" * 100
    inner = members.below("a").below("b")
    assert inner.files() == ["deep.bin"] and inner.read("deep.bin", 400) == b"deep" * 100
    assert str(place) in inner.where("deep.bin")
    assert with_file(members, "top.txt") is members
    assert (with_file(members, "1.jpg") is not None) == (place.suffix == ".zip")
    assert peek(place).files() == members.files()
    assert with_file(members, "deep.bin") is None
    with pytest.raises(BadDataError, match=r"deep.bin: has more than 399 bytes"):
        members.read("a/b/deep.bin", 399)
    with pytest.raises(MissingFileError, match="no such file"):
        members.read("a/2.jpg", 10)


def test_what_is_not_there(tmp_path):
    with pytest.raises(MissingFileError, match="no such folder or archive"):
        open_members(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a/b.png", "a/b.png"), ("./a//b.png", "a/b.png"), (".\\a\\b.png", "a/b.png"),
        ("../b.png", None), ("a/../../b", None), ("a\\..\\b", None), ("/etc/passwd", None),
        ("\\\\host\\x", None), ("C:/x", None), ("C:x", None), ("", None), (".", None),
        ("a\0b", None), ("a\nb", None), ("a" * 501, None), ("http://x/y", None),
    ],
)  # fmt: skip
def test_names_within_a_folder(name, safe):
    assert safe_name(name) == safe


def test_a_folder_gives_nothing_outside_it(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out.txt").write_text("x")
    members = open_members(tmp_path / "in")
    assert not members.has("../out.txt")
    with pytest.raises(BadDataError, match="leads out of this folder"):
        members.read("../out.txt", 10)
    os.mkfifo(tmp_path / "in/pipe")
    assert members.files() == [] and not members.has("pipe")


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../x", "C:\\x", "a//b", "b\\c", "d/" * 20 + "e"]
)
def test_names_that_lead_out_are_refused(tmp_path, name):
    with pytest.raises(BadDataError, match="not a name of a file within"):
        open_members(zipped(tmp_path / "a.zip", {"good": b"", name: b"x"}))


def test_links_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(BadDataError, match="link is a link or device"):
        open_members(tmp_path / "a.zip")


def test_what_systems_add_is_left_out(tmp_path):
    files = {"__MACOSX/../x": b"", "a/.DS_Store": b"", "a/": b"", "a/b": b"1"}
    members = open_members(zipped(tmp_path / "a.zip", files))
    assert members.folders() == ["a"] and members.files("a") == ["b"]


def test_twice_the_same_name_and_other_packings_are_refused(tmp_path):
    with (
        pytest.warns(UserWarning, match="Duplicate"),
        zipfile.ZipFile(tmp_path / "a.zip", "w") as archive,
    ):
        archive.writestr("x", b"1")
        archive.writestr("x", b"2")
    with pytest.raises(BadDataError, match="x is in the archive twice"):
        open_members(tmp_path / "a.zip")
    with pytest.raises(BadDataError, match="packed by method 14"):
        open_members(zipped(tmp_path / "b.zip", FILES, zipfile.ZIP_LZMA))
    with pytest.raises(BadDataError, match="a is both a file and a folder"):
        open_members(zipped(tmp_path / "c.zip", {"a": b"1", "a/b": b"2"}))


def test_bombs_and_lies_about_sizes(tmp_path):
    path = zipped(tmp_path / "a.zip", {"big": bytes(50_000_000)})
    with pytest.raises(BadDataError, match="more than 1,000 bytes"):
        open_members(path).read("big", 1000)
    data = bytearray(path.read_bytes())  # the list says 10 bytes, the member unpacks to more
    place = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, place + 24, 10)
    path.write_bytes(data)
    with pytest.raises(BadDataError, match=r"a.zip: big"):
        open_members(path).read("big", 1000)


def test_a_list_of_members_that_is_too_long(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", {f"f{n}": b"" for n in range(200)})
    monkeypatch.setattr(archives, "MAX_DIRECTORY_BYTES", 5000)
    with pytest.raises(BadDataError, match="list of members takes"):
        open_members(path)


@pytest.mark.parametrize("cut", [4, 100, 300])
def test_a_download_that_was_cut_off(tmp_path, cut):
    path = zipped(tmp_path / "a.zip", FILES)
    path.write_bytes(path.read_bytes()[:cut])
    assert peek(path) is None
    with pytest.raises(BadDataError, match="not a zip archive that can be read"):
        open_members(path)


def test_places_outside_of_the_archive_are_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {"x": b"1"})
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    (start,) = struct.unpack_from("<I", data, end + 16)
    path.write_bytes(data[:end] + data[end:].replace(struct.pack("<I", start), b"\xff\0\0\0", 1))
    with pytest.raises(BadDataError, match=r"a.zip: "):
        open_members(path).read("x", 10)


def test_a_member_without_a_name_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {"x": b"1"})
    data = bytearray(path.read_bytes())
    struct.pack_into("<HH", data, data.index(b"PK\x01\x02") + 28, 0, 1)  # x is no name, but extra
    path.write_bytes(data)
    with pytest.raises(BadDataError, match="holds '', which is not a name"):
        open_members(path)


def test_a_damaged_member_is_named(tmp_path):
    path = zipped(tmp_path / "a.zip", {"x": bytes(range(256)) * 40}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadDataError, match=r"a.zip: x: cannot be unpacked"):
        open_members(path).read("x", 2**20)
