from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures.record3d import exr_image
from spatial_engine.utils.capture_utils.codings.exr import read_channel

# Written by the OpenEXR library: 12x20 pixels in the compressions and kinds of the names.
IMAGES = {
    name: base64.b64decode(text)
    for name, text in json.loads(Path(__file__).with_name("exr_images.json").read_text()).items()
}
ROWS, COLUMNS = np.mgrid[:20, :12]
EXPECTED = ((ROWS * 12 + COLUMNS) / 8).astype(np.float32)
EXPECTED[3, 4] = np.nan


@pytest.mark.parametrize("name", [name for name in IMAGES if "PIZ" not in name])
def test_images_of_the_reference_library(name):
    np.testing.assert_array_equal(read_channel(IMAGES[name], "a.exr", "r"), EXPECTED)


@pytest.mark.parametrize("packed", [False, True])
def test_images_of_the_sample_data(packed):
    image = exr_image(EXPECTED, "Z", packed)
    np.testing.assert_array_equal(read_channel(image, "a.exr", "r"), EXPECTED)


def test_what_is_not_read_is_named():
    with pytest.raises(BadDataError, match=r"a.exr: .*compressed by PIZ.*\.r3d"):
        read_channel(IMAGES["PIZ float"], "a.exr", "r")
    with pytest.raises(BadDataError, match="no channel of it is depth"):
        read_channel(exr_image(EXPECTED, "alpha"), "a.exr", "r")
    tiled = bytearray(IMAGES["ZIP float"])
    tiled[5] |= 2
    with pytest.raises(BadDataError, match="tiles"):
        read_channel(bytes(tiled), "a.exr", "r")


def test_claims_and_damage():
    image = IMAGES["ZIP float"]
    place = image.index(b"dataWindow\0box2i\0") + 21
    huge = image[:place] + np.array([0, 0, 8000, 8000], "<i4").tobytes() + image[place + 16 :]
    with pytest.raises(BadDataError, match="claims 8001x8001"):
        read_channel(huge, "a.exr", "r")
    random = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(image)
        damaged[random.integers(len(image))] = random.integers(256)
        try:
            read_channel(bytes(damaged[: random.integers(1, 2 * len(image))]), "a.exr", "r")
        except BadDataError as error:
            assert "\n" not in str(error)
