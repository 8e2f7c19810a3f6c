from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from unittest import mock

import cv2
import numpy as np
import pytest
from PIL import Image

from spatial_engine.utils.pictures import png

SHAPES = [(1, 1), (1, 7), (5, 1), (48, 64), (97, 33), (480, 640)]
# As OpenCV wrote depth for the engine before, with a filter that it can choose since 4.12.
BY_OPENCV = [19, 32, cv2.IMWRITE_PNG_STRATEGY, 3, cv2.IMWRITE_PNG_COMPRESSION, 1]
NO_OPENCV = mock.patch.object(cv2, "imdecode", side_effect=AssertionError("not needed"))


def images(shape: tuple[int, int]) -> list[np.ndarray]:
    """Noise, a slope, the least and the most."""
    rows, columns = np.indices(shape)
    noise = np.random.default_rng(0).integers(0, 65536, shape)
    made = [noise, (rows * 37 + columns * 11) % 65536, np.zeros(shape), np.full(shape, 65535)]
    return [image.astype(np.uint16) for image in made]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_reader_sees_what_was_encoded(shape):
    for image in images(shape):
        data = png.encode(image)
        assert png.is_whole(data, shape[::-1])
        with NO_OPENCV:
            found = png.decode(data, shape[::-1])
        for seen in (
            found,
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED),
            np.asarray(Image.open(io.BytesIO(data))).astype(np.uint16),
        ):
            assert seen.dtype == np.uint16
            np.testing.assert_array_equal(seen, image)
        assert found.flags.writeable


@pytest.mark.parametrize("shape", SHAPES)
def test_views_and_other_byte_orders_are_encoded_as_what_they_show(shape):
    image = images(shape)[0]
    larger = np.zeros((2 * shape[0], 3 * shape[1]), np.uint16)
    larger[::2, ::3] = image
    for same in (larger[::2, ::3], np.asfortranarray(image), image.astype(">u2")):
        assert png.encode(same) == png.encode(image)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("flags", [BY_OPENCV, [], [cv2.IMWRITE_PNG_COMPRESSION, 0]])
def test_images_of_others_are_read(shape, flags):
    for image in images(shape):
        data = cv2.imencode(".png", image, flags)[1].tobytes()
        np.testing.assert_array_equal(png.decode(data, shape[::-1]), image)


@pytest.mark.skipif(not hasattr(cv2, "IMWRITE_PNG_FILTER"), reason="OpenCV chooses no filter")
def test_images_written_by_earlier_versions_do_not_need_opencv():
    image = images((480, 640))[0]  # more than one chunk
    data = cv2.imencode(".png", image, BY_OPENCV)[1].tobytes()
    assert data.count(b"IDAT") > 1
    with NO_OPENCV:
        np.testing.assert_array_equal(png.decode(data, (640, 480)), image)


def test_an_image_of_another_size_is_none():
    data = png.encode(images((48, 64))[0])
    for size in ((48, 64), (64, 47), (65, 48), (0, 0), (png.MAX_SIDE + 1, 1)):
        assert png.decode(data, size) is None
    for size in ((0, 0), (0, 5), (5, 0)):
        assert png.decode(data[:16] + struct.pack(">II", *size) + data[24:], size) is None


@pytest.mark.parametrize(
    "image", [np.zeros((2, 3)), np.zeros((2, 3), np.int32), np.zeros((0, 3), np.uint16)], ids=str
)
def test_what_is_no_depth_is_not_encoded(image):
    with pytest.raises(ValueError, match="uint16"):
        png.encode(image)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_a_stream_in_other_chunks_is_read_and_one_of_another_length_is_not():
    image = images((48, 64))[0]
    data = png.encode(image)
    head, end = data[:33], data[-12:]
    stream = data[41:-16]
    rows = zlib.decompress(stream)
    for pieces in ([stream], [stream[:100], stream[100:]], [b"", stream, b""]):
        whole = head + b"".join(chunk(b"IDAT", piece) for piece in pieces) + end
        np.testing.assert_array_equal(png.decode(whole, (64, 48)), image)
    noted = head + chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", stream) + end
    np.testing.assert_array_equal(png.decode(noted, (64, 48)), image)
    for wrong in (zlib.compress(rows[:-1]), stream[:-1], stream[:50]):
        assert png.decode(head + chunk(b"IDAT", wrong) + end, (64, 48)) is None


def test_chunks_without_content_and_bombs_take_no_memory():
    data = png.encode(images((48, 64))[0])
    empty = data[:33] + chunk(b"IDAT", b"") * 100_000 + data[33:]
    bomb = data[:33] + chunk(b"IDAT", zlib.compress(bytes(2**24))) + data[-12:]
    with mock.patch.object(cv2, "imdecode", return_value=None):
        for hostile in (empty, bomb):
            tracemalloc.start()
            assert png.decode(hostile, (64, 48)) is None
            assert tracemalloc.get_traced_memory()[1] < 2**20
            tracemalloc.stop()
