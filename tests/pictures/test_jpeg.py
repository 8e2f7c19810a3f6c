from __future__ import annotations

import io
import tracemalloc

import cv2
import numpy as np
import pytest
from helpers import raises_one_line
from PIL import Image

from spatial_engine.errors import BadDataError
from spatial_engine.utils.pictures import jpeg

SIZES = [(1, 1), (16, 16), (83, 61), (324, 242)]
NEARLY = 16  # of 255: slopes of colour at half resolution


def smooth(width: int, height: int) -> np.ndarray:
    """Each channel a slope of its own, so that channels in another order would show."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack([20 + 60 * x, 120 + 50 * y, 255 - 70 * x * y], axis=2).round().astype(np.uint8)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "00005.jpg"


def pillow_bytes(image: Image.Image, **options) -> bytes:
    data = io.BytesIO()
    image.save(data, "JPEG", **options)
    return data.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_an_image_reads_back_nearly_as_it_was(path, size):
    image = smooth(*size)
    path.write_bytes(jpeg.encode(image))
    found = jpeg.read(path, "get it")
    assert (found.dtype, found.shape) == (np.uint8, image.shape)
    assert np.abs(found.astype(int) - image).max() <= NEARLY
    assert found.flags.writeable


@pytest.mark.parametrize("size", SIZES)
def test_other_readers_see_the_same_image_and_other_writers_are_read(path, size):
    image = smooth(*size)
    path.write_bytes(jpeg.encode(image))
    found = jpeg.read(path, "get it").astype(int)
    assert np.abs(cv2.imread(str(path)) - found).max() <= 2
    rgb = np.asarray(Image.open(path).convert("RGB"))
    assert np.abs(rgb[..., ::-1] - found).max() <= 2
    for options in ({"progressive": True}, {"subsampling": "4:4:4"}, {"optimize": True}):
        written = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
        path.write_bytes(pillow_bytes(written, quality=95, **options))
        assert np.abs(jpeg.read(path, "get it").astype(int) - image).max() <= NEARLY


@pytest.mark.parametrize("size", SIZES)
def test_an_image_is_encoded_as_exactly_as_by_pillow(size):
    image = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    by_pillow = pillow_bytes(Image.fromarray(image[..., ::-1]), quality=95, subsampling="4:2:0")
    found, wanted = (jpeg.decode(data, "it", "") for data in (jpeg.encode(image), by_pillow))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4"])
def test_an_image_that_is_read_to_be_encoded_again_changes_less(path, subsampling):
    colors = np.random.default_rng(0).integers(60, 200, (11, 16, 3), dtype=np.uint8)
    image = cv2.resize(colors, (160, 110), interpolation=cv2.INTER_CUBIC)
    path.write_bytes(pillow_bytes(Image.fromarray(image), quality=90, subsampling=subsampling))
    before = jpeg.read(path, "get it").astype(int)
    changes = [
        np.square(jpeg.decode(jpeg.encode(jpeg.read(path, "get it", how)), "it", "") - before)
        for how in (False, True)
    ]
    usual, less = (change.mean() for change in changes)
    assert less < 0.6 * usual if subsampling == "4:2:0" else less <= 1.01 * usual


def test_a_view_of_a_larger_array_is_encoded_as_what_it_shows():
    image = smooth(90, 70)
    view = image[10:50, 20:81]
    assert jpeg.encode(view) == jpeg.encode(view.copy())


def test_colour_is_at_half_resolution_and_quality_is_high(path):
    path.write_bytes(jpeg.encode(smooth(83, 61)))
    with Image.open(path) as image:
        assert image.layer[0][1:3] == (2, 2)
        assert max(image.quantization[0]) <= 12  # quality 95; at 90 it is 24


def test_a_gray_image_has_three_equal_channels(path):
    gray = smooth(83, 61)[..., 0]
    path.write_bytes(pillow_bytes(Image.fromarray(gray), quality=95))
    found = jpeg.read(path, "get it").astype(int)
    assert found.shape == (61, 83, 3)
    assert np.abs(found - gray[..., None]).max() <= 4


def test_a_truncated_image_is_named_wherever_it_ends(path):
    noise = np.random.default_rng(0).integers(0, 256, (61, 83, 3)).astype(np.uint8)
    data = jpeg.encode(noise)
    for length in [*range(0, len(data), 50), len(data) - 1, len(data) - 2]:
        path.write_bytes(data[:length])
        with raises_one_line(BadDataError, path, "could not read", "get it"):
            jpeg.read(path, "get it")


def test_damage_inside_is_an_error_of_one_line_or_an_image_of_that_size(path):
    image = smooth(83, 61)
    data = jpeg.encode(image)
    refused = 0
    for place in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[place] ^= 0x5A
        path.write_bytes(bytes(damaged))
        try:
            found = jpeg.read(path, "get it")
        except BadDataError as error:
            refused += 1
            assert str(path) in str(error) and len(str(error).splitlines()) == 1
        else:
            assert found.ndim == 3
    assert refused


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\xff\xd8",
        b"\xff\xd8\xff\xe0" + bytes(500),
        bytes(5000),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
    ],
)
def test_what_is_no_jpeg_is_named(path, data):
    path.write_bytes(data)
    with raises_one_line(BadDataError, path, "could not read", "get it"):
        jpeg.read(path, "get it")


@pytest.mark.parametrize(
    ("width", "height"), [(65500, 65500), (65500, 5000), (5000, 65500), (0, 0), (65535, 65535)]
)
def test_a_size_that_no_camera_has_is_refused_before_memory_is_taken(path, width, height):
    data = bytearray(jpeg.encode(smooth(83, 61)))
    frame = data.index(b"\xff\xc0") + 5
    data[frame : frame + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    path.write_bytes(bytes(data))
    tracemalloc.start()
    try:
        with raises_one_line(BadDataError, path, "get it"):
            jpeg.read(path, "get it")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000
    if (width, height) == (65500, 65500):
        with raises_one_line(BadDataError, "65500x65500"):
            jpeg.read(path, "get it")


def test_the_largest_cameras_pass_the_check_of_size(path):
    """What is refused here is that the data end, not the size."""
    data = bytearray(jpeg.encode(smooth(83, 61)))
    frame = data.index(b"\xff\xc0") + 5
    data[frame : frame + 4] = (3024).to_bytes(2, "big") + (4032).to_bytes(2, "big")
    path.write_bytes(bytes(data))
    with raises_one_line(BadDataError, path, "could not read"):
        jpeg.read(path, "get it")


@pytest.mark.parametrize("to_encode", [False, True])
def test_a_missing_image_and_a_dangling_link_are_named(path, to_encode):
    with raises_one_line(BadDataError, path, "no such image", "get it"):
        jpeg.read(path, "get it", to_encode)
    path.symlink_to(path.with_name("gone.jpg"))
    with raises_one_line(BadDataError, path, "no such image", "get it"):
        jpeg.read(path, "get it")


@pytest.mark.parametrize("seed", range(4))
def test_brightness_is_no_more_than_the_largest_colour(seed):
    image = np.random.default_rng(seed).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    image[:9] //= 8
    data = jpeg.encode(image)
    colors, found = jpeg.decode(data, "it", ""), jpeg.brightness(data, "it", "")
    assert found.shape == (40, 60) and found.dtype == np.uint8
    assert (found.astype(int) <= colors.max(axis=2).astype(int) + 1).all()


def test_brightness_of_a_damaged_image_is_refused_in_a_line():
    data = jpeg.encode(smooth(83, 61))
    with pytest.raises(BadDataError, match=r"it\.jpg"):
        jpeg.brightness(data[: len(data) // 2], "it.jpg", "get it")
