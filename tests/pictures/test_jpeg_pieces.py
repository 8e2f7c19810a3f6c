from __future__ import annotations

import io
import itertools
from unittest import mock

import cv2
import numpy as np
import pytest
from PIL import Image

from spatial_engine.utils.pictures import jpeg, jpeg_pieces
from spatial_engine.utils.pictures.jpeg_pieces import BLOCK, JpegPieces

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
    np.testing.assert_array_equal(decode(jpeg_pieces.encode(image)), decode(jpeg.encode(image)))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_changed_is_encoded_anew_and_nothing_beside_its_pieces(size):
    image, rng = noise(0, size), np.random.default_rng(1)
    pieces = JpegPieces(image)
    for seed in range(5):
        marked, areas = image.copy(), []
        for _ in range(2):
            areas.append(tuple(some_of(rng, length) for length in reversed(size)))
            marked[areas[-1]] = noise(seed, size)[areas[-1]]
        with mock.patch.object(jpeg, "encode", wraps=jpeg.encode) as encode:
            data = pieces.encode(marked, areas)
        assert data == jpeg_pieces.encode(marked)
        for (rows, columns), call in zip(areas, encode.call_args_list, strict=True):
            height, width = call.args[0].shape[:2]
            side = BLOCK * call.kwargs["restart_blocks"]
            assert height < rows.stop - rows.start + 2 * BLOCK
            assert width < columns.stop - columns.start + 2 * side
    assert pieces.encode(image, []) == jpeg_pieces.encode(image)


def some_of(rng: np.random.Generator, length: int) -> slice:
    begin = int(rng.integers(length))
    return slice(begin, min(begin + int(rng.integers(1, 40)), length))


@pytest.mark.parametrize(
    ("width", "blocks"), [(1, 1), (300, 19), (324, 21), (512, 8), (640, 8), (1296, 9), (1920, 8)]
)
def test_it_is_a_jpeg_by_the_standard_with_a_marker_after_each_piece(width, blocks):
    image = noise(0, (width, 100))
    data = jpeg_pieces.encode(image)
    at = data.index(b"\xff\xdd\x00\x04")
    assert int.from_bytes(data[at + 4 : at + 6], "big") == blocks
    scan = data[data.index(b"\xff\xda", at) :]
    markers = [code for mark, code in itertools.pairwise(scan) if mark == 0xFF and code]
    number = 7 * -(-width // BLOCK) // blocks  # 7 rows of blocks in 100 pixels
    assert markers == [0xDA, *(0xD0 + k % 8 for k in range(number - 1)), 0xD9]
