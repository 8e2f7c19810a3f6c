"""What is anonymised is black, and nothing is measured there."""

from __future__ import annotations

import numpy as np
import pytest

from spatial_engine.utils.scannetpp_utils.anonymised import black_out, take_out


@pytest.mark.parametrize("color", [(320, 240), (1920, 1440), (64, 48), (256, 192), (100, 75)])
def test_depth_goes_where_any_of_its_colour_pixels_is_hidden(color):
    """The pixel round(u w / W), round(v h / H), clipped: as the visibility of points reads it."""
    rng = np.random.default_rng(color[0])
    hidden = np.zeros(color[::-1], bool)
    for _ in range(4):
        v, u = (int(rng.integers(0, side - 3)) for side in hidden.shape)
        hidden[v : v + 3, u : u + int(rng.integers(1, 30))] = True
    hidden[-1, -1] = True
    depth = rng.integers(1, 5000, (192, 256)).astype(np.uint16)
    found = take_out(depth, hidden)
    v, u = np.nonzero(hidden)
    rows = np.minimum(np.rint(v * 192 / color[1]), 191).astype(int)
    columns = np.minimum(np.rint(u * 256 / color[0]), 255).astype(int)
    assert not found[rows, columns].any()
    if color[0] >= 256:
        depth[rows, columns] = 0
        np.testing.assert_array_equal(found, depth)
    assert found.dtype == np.uint16 and found.any()


def test_colour_is_black_where_it_is_hidden_and_nothing_is_changed_in_place():
    image = np.random.default_rng(0).integers(1, 256, (20, 30, 3)).astype(np.uint8)
    before, hidden = image.copy(), np.zeros((20, 30), bool)
    hidden[3:9, 5:11] = True
    found = black_out(image, hidden, "test")
    assert not found[hidden].any() and (found[~hidden] == image[~hidden]).all()
    np.testing.assert_array_equal(image, before)
    assert found.dtype == np.uint8
