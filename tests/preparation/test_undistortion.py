"""Undistorted images against the formula of the lens, point by point."""

from __future__ import annotations

import numpy as np
import pytest

from spatial_engine.utils.preparation.images.undistortion import Undistortion

SIZE = (64, 48)
K = np.array([[52.0, 0, 31.2], [0, 51.0, 25.1], [0, 0, 1]])
FR1 = (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)


def bend(x: float, y: float, k1=0.0, k2=0.0, p1=0.0, p2=0.0, k3=0.0, k4=0.0, k5=0.0, k6=0.0):
    """The model of OpenCV's documentation, for one point."""
    r2 = x * x + y * y
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


def bend_fisheye(x: float, y: float, *k: float):
    radius = np.hypot(x, y)
    angle = np.arctan(radius)
    bent = angle * (1 + sum(k_n * angle ** (2 * n) for n, k_n in enumerate(k, start=1)))
    return (x * bent / radius, y * bent / radius) if radius else (x, y)


def place(u: int, v: int, coefficients, fisheye=False, K=K):
    model = bend_fisheye if fisheye else bend
    x, y = model((u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], *coefficients)
    return K[0, 0] * x + K[0, 2], K[1, 1] * y + K[1, 2]


LENSES = [
    (FR1, False),
    ((-0.1, 0.01, 0.001, -0.002), False),
    ((0.1, 0.02, 0.001, -0.002, 0.003, 0.05, 0.01, 0.001), False),
    ((0.05, -0.02, 0.003, -0.001), True),
]


@pytest.mark.parametrize(("coefficients", "fisheye"), LENSES)
def test_depth_is_that_of_the_nearest_pixel_of_the_lens(coefficients, fisheye):
    depth = np.arange(1, 64 * 48 + 1, dtype=np.uint16).reshape(48, 64)
    found = Undistortion(K, coefficients, SIZE, fisheye).depth(depth)
    for v in range(48):
        for u in range(64):
            x, y = place(u, v, coefficients, fisheye)
            if min(abs(x % 1 - 0.5), abs(y % 1 - 0.5)) < 1e-3:
                continue  # as near to one pixel as to the next
            x, y = round(x), round(y)
            inside = 0 <= x < 64 and 0 <= y < 48
            assert found[v, u] == (depth[y, x] if inside else 0)


@pytest.mark.parametrize(("coefficients", "fisheye"), LENSES)
def test_colour_is_interpolated(coefficients, fisheye):
    ramp = np.stack(np.meshgrid(np.arange(64) * 3, np.arange(48) * 4), axis=-1)
    image = np.concatenate([ramp, ramp[..., :1]], axis=-1).astype(np.uint8)
    found = Undistortion(K, coefficients, SIZE, fisheye).color(image)
    for v in range(6, 42, 5):
        for u in range(6, 58, 5):
            x, y = place(u, v, coefficients, fisheye)
            if 1 < x < 62 and 1 < y < 46:
                np.testing.assert_allclose(found[v, u], [3 * x, 4 * y, 3 * x], atol=0.7)


def test_depth_of_another_size_keeps_to_the_same_rays():
    small = Undistortion(K, FR1, SIZE)
    depth = np.arange(1, 32 * 24 + 1, dtype=np.uint16).reshape(24, 32)
    found = small.depth(depth)
    half = np.diag([0.5, 0.5, 1]) @ K
    assert found.shape == (24, 32)
    for u, v in [(3, 4), (15, 12), (28, 20), (31, 0)]:
        x, y = (round(value) for value in place(u, v, FR1, K=half))
        assert found[v, u] == (depth[y, x] if 0 <= x < 32 and 0 <= y < 24 else 0)


def test_no_distortion_changes_nothing():
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    none = Undistortion(K, (0, 0, 0, 0), SIZE)
    assert (none.color(image) == image).all()
    assert (none.depth(image[..., 0].astype(np.uint16)) == image[..., 0]).all()


def test_a_straight_edge_is_straight_again():
    """A line of the world, drawn through the lens, is straight after undistortion."""
    big, size = np.array([[520.0, 0, 320], [0, 520, 240], [0, 0, 1]]), (640, 480)
    image = np.zeros((480, 640, 3), np.uint8)
    points = [place(u, 60 + 0.25 * u, (-0.25, 0.05, 0, 0), K=big) for u in np.arange(0, 640, 0.1)]
    for x, y in points:
        if 0 <= round(x) < 640 and 0 <= round(y) < 480:
            image[round(y), round(x)] = 255
    found = Undistortion(big, (-0.25, 0.05, 0, 0), size).color(image)
    v, u = np.nonzero(found[..., 0] > 100)
    assert len(u) > 300 and np.abs(v - (60 + 0.25 * u)).max() < 1.6


def test_what_lies_beyond_where_the_polynomial_turns_back_is_not_seen():
    """With k1 = -0.3 alone, r (1 - 0.3 r^2) grows until r = 1.054."""
    wide = np.array([[20.0, 0, 31.5], [0, 20.0, 23.5], [0, 0, 1]])
    lens = Undistortion(wide, (-0.3, 0, 0, 0), SIZE)
    found = lens.depth(np.full((48, 64), 9, np.uint16))
    assert found[23, 31] == 9 and found[23, 31 + 20] == 9
    assert found[23, 31 + 23] == 0 and found[23, 63] == 0 and found[0, 0] == 0
    color = lens.color(np.full((48, 64, 3), 200, np.uint8))
    assert color[23, 31].tolist() == [200] * 3 and color[23, 63].tolist() == [0] * 3


def test_coefficients_that_no_camera_has():
    for coefficients in ((1, 2, 3), (np.nan, 0, 0, 0), (0,) * 12):
        with pytest.raises(ValueError, match="coefficients"):
            Undistortion(K, coefficients, SIZE)
    with pytest.raises(ValueError, match="4 finite"):
        Undistortion(K, (0, 0, 0, 0, 0), SIZE, fisheye=True)
    with pytest.raises(ValueError, match="an image of"):
        Undistortion(K, FR1, SIZE).color(np.zeros((10, 10, 3), np.uint8))
