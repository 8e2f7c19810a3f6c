"""The three encodings of `depth.bin`, told apart and read; what is none of them, or lies."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures.scannetpp import (
    DEFLATE,
    LZ4,
    STREAM,
    deflated,
    depth_bin,
    lz4_block,
)
from spatial_engine.utils.scannetpp_utils.depth_bin import DepthBin

ENCODINGS = (STREAM, LZ4, DEFLATE)
SHAPE = (192, 256)
MM_BYTES, METRE_BYTES = 98_304, 196_608


def metres(number: int) -> list[np.ndarray]:
    rng = np.random.default_rng(number)
    return [
        rng.integers(0, 65_536, SHAPE).astype(np.float32) / np.float32(1000) for _ in range(number)
    ]


def blocks(*contents: bytes) -> bytes:
    return b"".join(len(block).to_bytes(4, "little") + block for block in contents)


@pytest.fixture
def opened(tmp_path):
    def write(data: bytes) -> DepthBin:
        (tmp_path / "depth.bin").write_bytes(data)
        return DepthBin(tmp_path / "depth.bin")

    return write


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("number", [1, 5])
def test_what_is_written_is_read(opened, encoding, number):
    depths = metres(number)
    found = opened(depth_bin(depths, encoding))
    assert found.count == (None if encoding == STREAM else number)
    for wanted in (range(number), [number - 1], []):
        images = list(found.read(wanted))
        assert len(images) == len(wanted)
        for k, image in zip(wanted, images, strict=True):
            assert (image.dtype, image.shape) == (np.uint16, SHAPE)
            scaled = depths[k] * np.float32(1000)
            np.testing.assert_array_equal(
                image, np.rint(scaled) if encoding == LZ4 else scaled // 1
            )


def test_blocks_that_are_packed_are_read_too(opened):
    depth = np.repeat(np.arange(192, dtype="<u2")[:, None] * 20, 256, 1)
    packed = pa.Codec("lz4_raw").compress(np.ascontiguousarray(depth).tobytes(), asbytes=True)
    assert len(packed) < 4000
    (image,) = opened(blocks(packed)).read([0])
    np.testing.assert_array_equal(image, depth)


def test_a_literal_block_has_the_size_of_the_owners_format():
    assert len(lz4_block(bytes(MM_BYTES))) == 98_691


@pytest.mark.parametrize("encoding", [STREAM, DEFLATE])
def test_metres_are_cut_off_to_millimetres_as_the_owners_do(opened, encoding):
    depth = np.zeros(SHAPE, np.float32)
    depth[0, :8] = [1.2349, 1.9999, np.nan, np.inf, -1.0, 70.0, 1e38, 0.0004]
    (image,) = opened(depth_bin([depth], encoding)).read([0])
    assert image[0, :8].tolist() == [1234, 1999, 0, 0, 0, 65535, 0, 0]
    assert not image[1:].any()


@pytest.mark.parametrize("size", [0x8B1F, 0xFEFF, 0xFFFE], ids=["gzip", "UTF-16", "UTF-16 BE"])
def test_a_size_that_looks_like_the_mark_of_another_file_is_a_size(opened, size):
    assert opened(blocks(block_of_size(size))).count == 1


def block_of_size(size: int) -> bytes:
    """A deflated frame that takes so many bytes: noise, zeros, and empty stored blocks before."""
    noise = np.random.default_rng(size).bytes(size)
    for length in range(size - 2000, size):
        block = deflated(noise[:length].ljust(METRE_BYTES, b"\0"))
        fill, rest = divmod(size - len(block), 5)
        if not rest and fill >= 0:
            return b"\0\0\0\xff\xff" * fill + block
    raise AssertionError("no block of that size was found")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_cut_off_anywhere_is_told(opened, encoding):
    data = depth_bin(metres(3), encoding)
    for length in (0, 3, 5, 1000, len(data) // 2, len(data) - 20):
        with raises_one_line(BadDataError, "depth.bin"):
            list(opened(data[:length]).read([0, 1, 2]))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_frames_that_are_not_there_are_told(opened, encoding):
    found = opened(depth_bin(metres(2), encoding))
    with raises_one_line(BadDataError, "depth.bin", "frame 5"):
        list(found.read([0, 5]))


def test_no_file_is_told(tmp_path):
    with raises_one_line(BadDataError, "no such file"):
        DepthBin(tmp_path / "depth.bin")


GOOD = lz4_block(bytes(MM_BYTES))
SEQUENCE = b"\x1fa\x01\x00"  # one letter, and many more by reference
BAD = {
    "a web page": b"<!DOCTYPE html><html>" + b" " * 600,
    "zeros": bytes(100_000),
    "noise": np.random.default_rng(0).bytes(300_000),
    "a size of 4 GiB": b"\xff\xff\xff\xff" + GOOD,
    "a size of nothing": bytes(4) + GOOD,
    "a size beyond the file": (len(GOOD) + 1).to_bytes(4, "little") + GOOD,
    "lz4 of fewer bytes": blocks(lz4_block(bytes(MM_BYTES - 1))),
    "lz4 of half": blocks(lz4_block(bytes(MM_BYTES // 2))),
    "lz4 of more bytes": blocks(lz4_block(bytes(MM_BYTES + 1))),
    "lz4 that claims gigabytes": blocks(SEQUENCE + b"\xff" * 260_000 + b"\0"),
    "lz4 that claims more than is there": blocks(b"\xf0" + b"\xff" * 90_000),
    "deflate of fewer bytes": blocks(deflated(bytes(METRE_BYTES - 4))),
    "deflate of more bytes": blocks(deflated(bytes(METRE_BYTES + 4))),
    "a deflate bomb": blocks(deflated(bytes(200_000_000))[:260_000]),
    "deflate and more": blocks(deflated(bytes(METRE_BYTES)) + bytes(100)),
    "a stream of less than a frame": deflated(bytes(1000)),
    "an empty stream": deflated(b""),
    "a stream of no frame without end": b"\0\0\0\xff\xff" * 100_000,
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_depth_is_refused_at_once_and_takes_no_memory(opened, name):
    tracemalloc.start()
    try:
        with raises_one_line(BadDataError, "depth.bin"):
            opened(BAD[name])
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


LATER = {
    LZ4: (lz4_block(bytes(MM_BYTES - 2)), deflated(bytes(METRE_BYTES)), SEQUENCE * 100),
    DEFLATE: (deflated(bytes(METRE_BYTES + 1)), GOOD, deflated(bytes(10**8))[:90_000]),
}


@pytest.mark.parametrize("encoding", LATER)
def test_a_later_block_of_another_kind_or_size_is_told(opened, encoding):
    first = depth_bin(metres(1), encoding)
    for block in LATER[encoding]:
        found = opened(first + blocks(block) + first)
        assert found.count == 3
        assert len(list(found.read([0, 2]))) == 2
        with raises_one_line(BadDataError, "depth.bin", "frame 1 cannot be read"):
            list(found.read([0, 1]))


def test_a_stream_without_end_takes_no_memory(opened):
    """100 MB of frames from 100 kB, of which the wanted one is the second."""
    found = opened(deflated(bytes(100_000_000)))
    tracemalloc.start()
    try:
        (image,) = found.read([1])
        assert not image.any()
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
