from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest

from spatial_engine.errors import BadDataError
from spatial_engine.utils.preparation.images import image_data

IMAGE = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 80


def png(image) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def npy(array, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def test_depth_comes_back():
    assert (image_data.depth_png(png(IMAGE), "f", "r") == IMAGE).all()
    for kind in (np.uint16, np.float32, np.float64, ">u2", np.int32):
        assert (image_data.depth_npy(npy(IMAGE.astype(kind)), "f", "r") == IMAGE).all()
    assert (image_data.depth_npy(npy(IMAGE[..., None]), "f", "r") == IMAGE).all()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x93NUMPY", npy(np.array([[{}]]), allow_pickle=True), npy(IMAGE)[:-1],
        npy(IMAGE) + b"x", npy(IMAGE > 3), npy(IMAGE[0]), npy(np.asfortranarray(IMAGE)),
        npy(IMAGE * 1j), b"\x93NUMPY\x01\x00\xff\x00" + b"(" * 300,
        npy(IMAGE).replace(b"(24, 32)", b"(99, 99)"), npy(IMAGE).replace(b"(24, 32)", b"(-1, 32)"),
    ],
)  # fmt: skip
def test_other_arrays_are_refused(data):
    with pytest.raises(BadDataError, match=r"^f: "):
        image_data.depth_npy(data, "f", "r")


def test_png_that_claim_too_much_are_refused():
    data = png(IMAGE)
    huge = struct.pack(">IIBBBBB", 100_000, 100_000, 16, 0, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + huge))
    for bad in (data[:16] + huge + crc + data[33:], data[:-4], data + b"x", data[:40], b"GIF89a"):
        with pytest.raises(BadDataError, match=r"^f: "):
            image_data.depth_png(bad, "f", "r")


def test_colour_is_passed_on_or_decoded():
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", image)[1].tobytes()
    assert image_data.color(jpeg, "f", "r") is jpeg
    assert image_data.color_size(jpeg, "f", "r") == image_data.color_size(png(image), "f", "r")
    assert (image_data.color(png(image), "f", "r") == image).all()
    with_alpha = np.concatenate([image, image[..., :1]], axis=2)
    assert (image_data.color(png(with_alpha), "f", "r") == image).all()


def test_millimetres():
    depth = np.array([[1.2344, np.nan, np.inf, -1, 0, 70.0, 1e300]])
    assert image_data.depth_mm(depth, 1.0).tolist() == [[1234, 0, 0, 0, 0, 0, 0]]
    assert image_data.depth_mm(np.array([[5000]], np.uint16), 1 / 5000).tolist() == [[1000]]
    assert image_data.depth_mm(IMAGE, 0.001) is not None
