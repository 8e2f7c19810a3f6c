from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from spatial_engine.utils.pictures import jpeg

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_note_of_how_the_camera_was_held_is_left_out(orientation):
    notes = Image.Exif()
    notes[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(IMAGE).save(file, "JPEG", exif=notes, icc_profile=b"profile" * 9)
    data = file.getvalue()
    plain = jpeg.without_exif(data)
    with Image.open(io.BytesIO(plain)) as image:
        assert 0x0112 not in image.getexif() and image.info["icc_profile"] == b"profile" * 9
    assert (jpeg.decode(plain, "x", "y") == jpeg.decode(data, "x", "y")).all()
    assert jpeg.without_exif(plain) == plain


def test_damaged_data_is_passed_on():
    data = jpeg.encode(IMAGE)
    assert jpeg.without_exif(data) == data
    for length in range(40):
        assert jpeg.without_exif(data[:length]) == data[:length]
    for odd in (b"", b"\xff\xd8\xff\xe1", b"\xff\xd8\xff\xe0\0\0" * 9, b"\xff\xd8\xff\xff\xff"):
        assert len(jpeg.without_exif(odd)) <= len(odd)
