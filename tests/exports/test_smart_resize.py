"""The size at which a Qwen model looks at an image. That it is the one of the programs themselves
is tested in their environment: tests/clients/check_qwen.py."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from spatial_engine.exports.qwen.smart_resize import smart_resize

# (factor, min_pixels, max_pixels) -> (height, width) -> (height, width), as the programs gave them.
SIZES = [(968, 1296), (480, 640), (512, 512), (360, 640)]
MEASURED = {
    (28, 3136, 1003520): [(840, 1148), (476, 644), (504, 504), (364, 644)],
    (28, 12544, 451584): [(560, 756), (476, 644), (504, 504), (364, 644)],
    (28, 784, 50176): [(168, 252), (168, 252), (224, 224), (168, 280)],
    (32, 4096, 16777216): [(960, 1280), (480, 640), (512, 512), (352, 640)],
}


@pytest.mark.parametrize("numbers", MEASURED)
def test_sizes_are_those_that_the_programs_gave(numbers):
    assert [smart_resize(*size, *numbers) for size in SIZES] == MEASURED[numbers]


@pytest.mark.parametrize(
    "side, expected", [(41, 28), (42, 56), (43, 56), (69, 56), (70, 56), (71, 84), (98, 112)]
)
def test_halves_of_the_factor_go_to_the_even_multiple(side, expected):
    assert smart_resize(2800, side, 28, 1, 10**9) == (2800, expected)


def exact(height: int, width: int, factor: int, least: int, most: int) -> tuple[int, int]:
    """The same in whole numbers: the largest multiples of the factor within the sides that have
    `most` pixels, or the smallest around those that have `least`."""
    whole = [Fraction(side, factor) for side in (height, width)]
    sides = [round(side) * factor for side in whole]
    if sides[0] * sides[1] > most:
        found = []
        for side in (height, width):
            count = 0
            # side / sqrt(h w / most) >= k factor, squared
            while (side**2) * most >= ((count + 1) * factor) ** 2 * height * width:
                count += 1
            found.append(max(factor, count * factor))
        return found[0], found[1]
    if sides[0] * sides[1] < least:
        found = []
        for side in (height, width):
            count = 0
            while (side**2) * least > (count * factor) ** 2 * height * width:
                count += 1
            found.append(count * factor)
        return found[0], found[1]
    return sides[0], sides[1]


def test_sizes_are_exact_and_within_bounds():
    rng = np.random.default_rng(5)
    kinds = set()
    for _ in range(4000):
        factor = int(rng.choice([28, 32]))
        height, width = (int(side) for side in rng.integers(2 * factor, 2500, size=2))
        least = int(rng.integers(1, 400)) * factor**2
        most = least + int(rng.integers(400, 3000)) * factor**2
        found = smart_resize(height, width, factor, least, most)
        assert all(side % factor == 0 and side > 0 for side in found)
        assert found[0] * found[1] <= most or min(found) == factor
        assert found[0] * found[1] >= least
        # Proportions are kept: each side is within two factors of the scaled one.
        area = height * width
        scale = min(max(1.0, (least / area) ** 0.5), (most / area) ** 0.5)
        kinds.add((scale > 1) - (scale < 1))
        assert abs(found[0] - height * scale) <= 2 * factor or min(found) == factor
        assert abs(found[1] - width * scale) <= 2 * factor or min(found) == factor
        assert found[::-1] == smart_resize(width, height, factor, least, most)
        # Floating point may miss a bound that is met exactly, and nothing else.
        near = exact(height, width, factor, least, most)
        assert found == near or (height * width * most) ** 0.5 % 1 == 0
    assert kinds == {-1, 0, 1}


def test_a_size_that_fits_stays_as_it_is():
    for factor in (28, 32):
        for rows in range(1, 30):
            size = (rows * factor, (31 - rows) * factor)
            assert smart_resize(*size, factor, 1, 10**9) == size
            again = smart_resize(*size, factor, 1, 100 * factor**2)
            assert smart_resize(*again, factor, 1, 100 * factor**2) == again


@pytest.mark.parametrize("size", [(28, 5601), (5601, 28), (1, 201)])
def test_an_image_that_is_too_long_is_refused(size):
    with pytest.raises(ValueError, match="over 200:1"):
        smart_resize(*size, 28, 3136, 1003520)
    assert smart_resize(28, 5600, 28, 3136, 1003520)[0] == 28
