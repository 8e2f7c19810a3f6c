from __future__ import annotations

import io
from unittest import mock

import cv2
import numpy as np
import pytest
from PIL import Image

from spatial_engine.utils.pictures import png

SHAPES = [(1, 1), (1, 7), (5, 1), (48, 64), (97, 33), (480, 640)]
# As depth was written before version 2 of these images, and in folders made then.
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
