from __future__ import annotations

import dataclasses
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from helpers import plain_camera, raises_one_line, random_pose

from spatial_engine.errors import BadDataError
from spatial_engine.utils.scannet_utils.sens import SensFrame, SensHeader, SensReader, write_sens

COLOR, DEPTH = (6, 4), (5, 3)
NAME_SIZE = len(b"StructureSensor")
FORMAT_AT = 12 + NAME_SIZE + 256  # where the codes, sizes, depth shift and frame count begin
FRAMES_AT = FORMAT_AT + 36
POSE_AND_SIZES = 64 + 32


def header_of(num_frames: int, depth="zlib", color="jpeg") -> SensHeader:
    rng = np.random.default_rng(0)
    matrices = rng.normal(size=(4, 4, 4)).astype(np.float32)
    matrices[0] = plain_camera(COLOR)
    return SensHeader(
        *matrices, color_size=COLOR, depth_size=DEPTH, num_frames=num_frames,
        depth_compression=depth, color_compression=color,
    )  # fmt: skip


def random_frames(rng, number, depth="zlib") -> tuple[list[SensFrame], list[np.ndarray]]:
    frames, depths = [], []
    for k in range(number):
        image = rng.integers(0, 65536, (DEPTH[1], DEPTH[0])).astype(np.uint16)
        stored = zlib.compress(image.tobytes()) if depth == "zlib" else image.tobytes()
        if k == 2:  # a frame without depth
            image, stored = np.zeros_like(image), b""
        pose = random_pose(rng).astype(np.float32) if k != 1 else np.full((4, 4), -np.inf, "f4")
        color = rng.bytes(int(rng.integers(0, 60)))
        frames.append(SensFrame(pose, color, stored, 2**63 + k, k))
        depths.append(image)
    return frames, depths


@pytest.fixture
def tiny(tmp_path):
    """A file of three frames: path, header, frames, bytes."""
    frames, _ = random_frames(np.random.default_rng(1), 3)
    write_sens(tmp_path / "x.sens", header_of(3), frames)
    return tmp_path / "x.sens", header_of(3), frames, (tmp_path / "x.sens").read_bytes()


def same(one: SensFrame, two: SensFrame) -> bool:
    rest = ("color_bytes", "depth_bytes", "color_time", "depth_time")
    poses = np.array_equal(one.camera_to_world, two.camera_to_world)
    return poses and all(getattr(one, name) == getattr(two, name) for name in rest)


@pytest.mark.parametrize("depth", ["zlib", "raw"])
@pytest.mark.parametrize("number", [0, 1, 7])
def test_what_is_written_is_read(tmp_path, depth, number):
    header, path = header_of(number, depth), tmp_path / "x.sens"
    frames, depths = random_frames(np.random.default_rng(number), number, depth)
    write_sens(path, header, iter(frames))
    with SensReader(path) as sens:
        assert len(sens) == number
        for item in dataclasses.fields(SensHeader):
            np.testing.assert_equal(getattr(sens.header, item.name), getattr(header, item.name))
        for _ in range(2):  # frames can be asked for again
            found = list(sens.frames())
            assert [k for k, _ in found] == list(range(number))
            assert all(same(frame, frames[k]) for k, frame in found)
        for k, frame in found:
            image = sens.depth_image(frame)
            assert image.dtype == np.uint16
            np.testing.assert_array_equal(image, depths[k])


def test_skipped_frames_are_not_read(tmp_path, monkeypatch):
    frames, _ = random_frames(np.random.default_rng(2), 11)
    frames = [dataclasses.replace(f, color_bytes=bytes([k]) * 99) for k, f in enumerate(frames)]
    write_sens(tmp_path / "x.sens", header_of(11), frames)
    taken, take = [], SensReader._take

    def spy(self, count, where):
        taken.append(take(self, count, where))
        return taken[-1]

    monkeypatch.setattr(SensReader, "_take", spy)
    for step in (1, 2, 5, 100):
        taken.clear()
        with SensReader(tmp_path / "x.sens") as sens:
            found = list(sens.frames(step))
        assert [k for k, _ in found] == list(range(0, 11, step))
        assert all(same(frame, frames[k]) for k, frame in found)
        read = [k for k in range(11) if bytes([k]) * 99 in taken]
        assert read == list(range(0, 11, step))


def test_a_file_cut_at_any_length_raises_and_gives_only_whole_frames_before(tiny):
    path, _, frames, data = tiny
    whole = len(data) - 8  # the tail may be absent
    for length in range(len(data) + 1):
        path.write_bytes(data[:length])
        for step in (1, 2, 5):
            found = []
            try:
                with SensReader(path) as sens:
                    found = []
                    for k, frame in sens.frames(step):
                        found.append(k)
                        assert same(frame, frames[k])
            except BadDataError as error:
                assert length < whole
                assert str(path) in str(error)
                assert len(str(error).splitlines()) == 1
            else:
                assert length >= whole
                assert found == list(range(0, 3, step))


def patched(data: bytes, place: int, form: str, value) -> bytes:
    return data[:place] + struct.pack(form, value) + data[place + struct.calcsize(form) :]


FRAME_0 = FRAMES_AT + 64 + 16  # colour size, depth size
DAMAGE = {
    "version": (0, "<I", 3, "version 3"),
    "name size": (4, "<Q", 10**18, "header"),
    "name size at the limit": (4, "<Q", 2**64 - 1, "header"),
    "colour compression": (FORMAT_AT, "<i", 9, "colour compression 9"),
    "negative compression": (FORMAT_AT + 4, "<i", -1, "depth compression -1"),
    "occi": (FORMAT_AT + 4, "<i", 2, "occi"),
    "no colour width": (FORMAT_AT + 8, "<I", 0, "not plausible"),
    "vast depth height": (FORMAT_AT + 20, "<I", 2**32 - 1, "not plausible"),
    "depth shift 0": (FORMAT_AT + 24, "<f", 0.0, "depth shift"),
    "depth shift nan": (FORMAT_AT + 24, "<f", np.nan, "depth shift"),
    "negative depth shift": (FORMAT_AT + 24, "<f", -1000.0, "depth shift"),
    "frames": (FORMAT_AT + 28, "<Q", 10**18, "frames"),
    "frames at the limit": (FORMAT_AT + 28, "<Q", 2**64 - 1, "frames"),
    "intrinsics": (12 + NAME_SIZE + 20, "<f", np.inf, "not finite"),
    "vast focal length": (12 + NAME_SIZE, "<f", 1e38, "focal length"),
    "principal point": (12 + NAME_SIZE + 8, "<f", 6.5, "10 0 6.5, 0 10 2, 0 0 1, images of 6x4"),
    "skew below": (12 + NAME_SIZE + 16, "<f", 0.5, "not of the form"),
    "colour of another size": (FORMAT_AT + 8, "<I", 3, "images of 3x4"),
    "last row": (
        FRAMES_AT + 48,
        "<f",
        0.25,
        "pose of frame 0 is not a rigid motion: its last row is",
    ),
    "vast position": (FRAMES_AT + 12, "<f", 1e38, "its position is 1e+38 "),
    "colour bytes": (FRAME_0, "<Q", 10**18, "frame 0"),
    "depth bytes": (FRAME_0 + 8, "<Q", 2**64 - 1, "frame 0"),
    "one frame more": (FORMAT_AT + 28, "<Q", 4, ""),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_size_or_code_that_cannot_be_is_named_and_takes_no_memory(tiny, name):
    path, _, _, data = tiny
    place, form, value, word = DAMAGE[name]
    path.write_bytes(patched(data, place, form, value))
    tracemalloc.start()
    try:
        with raises_one_line(BadDataError, path, word), SensReader(path) as sens:
            list(sens.frames())
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("change", [-2, -1, 1, 2])
@pytest.mark.parametrize("depth", ["zlib", "raw"])
def test_depth_of_another_size_is_refused(tmp_path, depth, change):
    raw = bytes(2 * DEPTH[0] * DEPTH[1] + change)
    write_sens(tmp_path / "x.sens", header_of(0, depth), [])
    stored = zlib.compress(raw) if depth == "zlib" else raw
    with SensReader(tmp_path / "x.sens") as sens, raises_one_line(BadDataError, sens.path, "depth"):
        sens.depth_image(SensFrame(np.eye(4), b"", stored))


def test_damaged_depth_is_refused(tmp_path):
    write_sens(tmp_path / "x.sens", header_of(0), [])
    good = zlib.compress(bytes(range(2 * DEPTH[0] * DEPTH[1])))
    broken = [b"\0", b"no zlib", good[: len(good) // 2], good[:2], good[:-1] + b"\0"]
    with SensReader(tmp_path / "x.sens") as sens:
        for stored in broken:
            with raises_one_line(BadDataError, sens.path):
                sens.depth_image(SensFrame(np.eye(4), b"", stored))


def test_damaged_depth_is_named_by_its_frame(tmp_path):
    frames, _ = random_frames(np.random.default_rng(3), 11)
    frames[10] = dataclasses.replace(frames[10], depth_bytes=b"no zlib")
    write_sens(tmp_path / "x.sens", header_of(11), frames)
    with SensReader(tmp_path / "x.sens") as sens:
        read = dict(sens.frames(5))
        sens.depth_image(read[5])
        with raises_one_line(BadDataError, sens.path, "frame 10 cannot be inflated"):
            sens.depth_image(read[10])


def test_depth_of_a_kind_that_is_not_read_has_one_remedy(tiny):
    path, _, _, data = tiny
    path.write_bytes(patched(data, FORMAT_AT + 4, "<i", 2))
    with pytest.raises(BadDataError, match=r"occi.*with zlib depth") as caught:
        SensReader(path)
    assert "download" not in str(caught.value)


def test_a_file_that_is_not_there_or_none_is_named(tmp_path):
    path = tmp_path / "x.sens"
    with raises_one_line(BadDataError, path, "no such file", "download"):
        SensReader(path)
    path.write_bytes(b"<html>404")
    with raises_one_line(BadDataError, path, "web page", "download"):
        SensReader(path)


def test_depth_whose_checksum_is_cut_off_is_refused(tmp_path):
    write_sens(tmp_path / "x.sens", header_of(0), [])
    stored = zlib.compress(bytes(range(2 * DEPTH[0] * DEPTH[1])))[:-4]
    with SensReader(tmp_path / "x.sens") as sens, raises_one_line(BadDataError, sens.path):
        sens.depth_image(SensFrame(np.eye(4), b"", stored))


def test_a_depth_image_that_inflates_without_end_takes_no_memory(tmp_path):
    bomb = zlib.compress(bytes(64 * 2**20), 9)
    write_sens(tmp_path / "x.sens", header_of(0), [])
    with SensReader(tmp_path / "x.sens") as sens:
        tracemalloc.start()
        try:
            with raises_one_line(BadDataError, sens.path, "does not end"):
                sens.depth_image(SensFrame(np.eye(4), b"", bomb))
            assert tracemalloc.get_traced_memory()[1] < 2**20
        finally:
            tracemalloc.stop()


def test_a_frame_far_larger_than_its_images_is_not_taken_into_memory(tiny):
    """Sparse bytes follow, so the size is in the file; a 6x4 picture cannot need 300 MB."""
    path, _, _, data = tiny
    path.write_bytes(patched(data, FRAME_0, "<Q", 300 * 10**6))
    with open(path, "r+b") as file:
        file.truncate(301 * 10**6)
    tracemalloc.start()
    try:
        with SensReader(path) as sens, pytest.raises(BadDataError):
            for _ in sens.frames():
                pass
        assert tracemalloc.get_traced_memory()[1] < 50 * 10**6
    finally:
        tracemalloc.stop()


def test_writing_fewer_frames_than_the_header_says_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="3 frames, 0"):
        write_sens(tmp_path / "x.sens", header_of(3), [])
