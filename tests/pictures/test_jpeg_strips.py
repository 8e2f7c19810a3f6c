from __future__ import annotations

import io
import itertools
from unittest import mock

import cv2
import numpy as np
import pytest
from PIL import Image

from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.pictures.jpeg_strips import STRIP_ROWS, JpegStrips

SIZES = [(1, 1), (16, 16), (17, 33), (83, 61), (1, 500), (700, 1), (324, 242), (512, 512)]
DECODERS = {
    "jpeg": lambda data: jpeg.decode(data, "x.jpg", ""),
    "Pillow": lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB")),
    "OpenCV": lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR),
}


def noise(seed: int, size: tuple[int, int]) -> np.ndarray:
    """An image whose every block differs from the others."""
    return np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)


@pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS)
@pytest.mark.parametrize("size", SIZES)
def test_the_pixels_are_those_of_the_image_encoded_at_once(size, decode):
    image = noise(0, size)
    np.testing.assert_array_equal(
        decode(JpegStrips().encode(image, [])), decode(jpeg.encode(image))
    )


@pytest.mark.parametrize("size", SIZES)
def test_changed_rows_alone_are_encoded_anew(size):
    image, rng = noise(0, size), np.random.default_rng(1)
    strips = JpegStrips()
    strips.encode(image, [])
    for seed in range(5):
        marked, rows = image.copy(), []
        for begin in rng.integers(0, size[1], 2).tolist():
            rows.append(slice(begin, min(begin + int(rng.integers(1, 40)), size[1])))
            marked[rows[-1]] = noise(seed, size)[rows[-1]]
        with mock.patch.object(jpeg, "encode", wraps=jpeg.encode) as encode:
            data = strips.encode(marked, rows)
        assert data == JpegStrips().encode(marked, [])
        most = sum((some.stop - some.start) // STRIP_ROWS + 2 for some in rows)
        assert 1 <= encode.call_count <= most
    assert strips.encode(image, []) == JpegStrips().encode(image, [])


def test_it_is_a_jpeg_by_the_standard_with_a_marker_after_each_strip():
    image = noise(0, (100, 300))
    data = JpegStrips().encode(image, [])
    at = data.index(b"\xff\xdd\x00\x04")
    assert int.from_bytes(data[at + 4 : at + 6], "big") == 2 * 7  # blocks of 16x16 in 100x32 pixels
    scan = data[data.index(b"\xff\xda", at) :]
    markers = [code for mark, code in itertools.pairwise(scan) if mark == 0xFF and code]
    assert markers == [0xDA, *range(0xD0, 0xD8), 0xD0, 0xD9]  # ten strips, nine markers between
