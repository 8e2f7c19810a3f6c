"""The audit's reader of pictures: what it refuses, before memory or time is spent."""

from __future__ import annotations

import io
import struct
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from test_oracle import EAST, flat, pose, write_scene

from spatial_engine.audit.oracles.marks import marked_picture
from spatial_engine.audit.raw import pictures
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.pictures import PictureError, jpeg_size, read_jpeg

SIZE = (16, 12)


def encoded(form: str = "JPEG", size: tuple[int, int] = SIZE, **options) -> bytes:
    picture = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, form, **options)
    return file.getvalue()


def resized(data: bytes, width: int, height: int) -> bytes:
    """A JPEG that says that it has another size."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 5}])
def test_a_jpeg_is_read(options):
    data = encoded(**options)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert jpeg_size(data) == SIZE
    assert np.array_equal(read_jpeg(data), expected) and read_jpeg(data).dtype == np.int64


# Pillow runs another program to read the last of these.
@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "GIF", "EPS"])
def test_no_other_format_is_read(tmp_path, form):
    data = encoded(form)
    with pytest.raises(PictureError, match="is no JPEG"):
        read_jpeg(data)
    path = tmp_path / "x.jpg"
    path.write_bytes(data)
    assert "is no JPEG" in marked_picture(path, SIZE)
    scene = write_scene(tmp_path, [pose(EAST, 0, 0, 0)], [flat(1)], [(0, 0, 0)], colours=[data])
    with pytest.raises(RawDataError, match="colour of frame 00000: is no JPEG") as caught:
        scene.picture("00000")
    assert " at 0x" not in str(caught.value), "an address differs from run to run"


@pytest.mark.parametrize("size", [(65_500, 65_500), (8192, 8192), (65_500, 257)])
@pytest.mark.filterwarnings("error")
def test_pixels_are_counted_before_they_are_decoded(size):
    tracemalloc.start()
    try:
        for read in (jpeg_size, read_jpeg):
            with pytest.raises(PictureError, match="pixels"):
                read(resized(encoded(), *size))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_jpeg_of_thousands_of_scans_is_refused():
    data = encoded(progressive=True)
    start = data.rindex(b"\xff\xda")
    scan = data[start:-2]
    assert read_jpeg(data[:-2] + scan * 5 + data[-2:]).shape == (12, 16, 3)
    with pytest.raises(PictureError, match="scans"):
        read_jpeg(data[:-2] + scan * 500 + data[-2:])


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", encoded()[:100], encoded()[:-100], b"x" * 99])
def test_damaged_pictures_are_refused(data):
    with pytest.raises(PictureError):
        read_jpeg(data)


def test_a_frame_of_another_size_is_not_decoded(tmp_path):
    scene = write_scene(
        tmp_path, [pose(EAST, 0, 0, 0)], [flat(1)], [(0, 0, 0)], colours=[encoded(size=(32, 24))]
    )
    with pytest.raises(RawDataError, match="is \\(32, 24\\)"):
        scene.picture("00000")


def test_a_file_as_large_as_no_picture_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "x.jpg"
    path.write_bytes(encoded())
    assert marked_picture(path, SIZE).shape == (12, 16, 3)
    monkeypatch.setattr(pictures, "MAX_FILE_BYTES", 100)
    assert "over 0 MiB" in marked_picture(path, SIZE)
