from __future__ import annotations

import hashlib
import itertools

import cv2
import numpy as np
import pytest

from spatial_engine.utils.pictures import drawing, jpeg
from spatial_engine.utils.pictures.drawing import COLOR_NAMES, PALETTE, MarkSize, draw_marks
from spatial_engine.utils.pictures.lettering import DUPLEX, SIMPLEX, draw_text, text_size

SIZES = [(60, 60), (75, 200), (160, 120), (324, 242), (1296, 968), (3000, 2000)]
RADIUS = 10  # as published
EVERY = range(len(PALETTE))


BACKGROUNDS = ("black", "white", "gray", "noise", "slope", *COLOR_NAMES)


def background(size: tuple[int, int], name: str) -> np.ndarray:
    """An image that is black, white, noise, a slope, or all of one palette colour."""
    width, height = size
    if name == "noise":
        return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    if name == "slope":
        slope = np.linspace(0, 255, width)[None, :, None] + np.zeros((height, 1, 3))
        return slope.astype(np.uint8)
    plain = {"black": (0, 0, 0), "white": (255, 255, 255), "gray": (128, 128, 128)}
    color = plain.get(name) or PALETTE[COLOR_NAMES.index(name)]
    return np.tile(np.array(color[::-1], np.uint8), (height, width, 1))


def places(size: tuple[int, int], mark: MarkSize, number: int, seed: int = 0) -> np.ndarray:
    """Centres at random where a mark fits, the corners and the middles of the sides first."""
    low = np.full(2, mark.margin)
    high = np.array(size) - 1 - mark.margin
    middle = (low + high) / 2
    steps = [low, middle, high]
    pinned = [[steps[i][0], steps[j][1]] for i, j in itertools.product(range(3), repeat=2)]
    rng = np.random.default_rng(seed)
    return np.concatenate([pinned, rng.uniform(low, high, (number, 2))])


def distances(shape, center) -> np.ndarray:
    rows, columns = np.indices(shape[:2])
    return np.hypot(columns - center[0], rows - center[1])


def lab(rgb) -> np.ndarray:
    """CIELAB of sRGB colours (..., 3), 0 to 255, by the definition (D65)."""
    values = np.asarray(rgb, float) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
              [0.0193339, 0.1191920, 0.9503041]]  # fmt: skip
    xyz = linear @ np.array(to_xyz).T / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def apart(rgb1, rgb2) -> float:
    return float(np.linalg.norm(lab(rgb1) - lab(rgb2), axis=-1))


# ---- sizes ---------------------------------------------------------------------------------------


def test_marks_keep_their_size_up_to_usual_images_and_grow_with_wider_ones():
    sizes = {width: MarkSize.of(RADIUS, (width, 900)).radius for width in (60, 640, 1296, 3888)}
    assert sizes == {60: 10, 640: 10, 1296: 10, 3888: 30}
    growing = [MarkSize.of(RADIUS, (width, 900)) for width in range(1296, 6000, 200)]
    for one, two in itertools.pairwise(growing):
        assert one.radius <= two.radius and one.ring <= two.ring and one.reach <= two.reach
    assert MarkSize.of(5, (1000, 5000)) == MarkSize.of(5, (1000, 10))


def test_a_place_is_inside_when_margin_and_mark_are():
    mark = MarkSize.of(RADIUS, (324, 242))
    low, right, bottom = mark.margin, 323 - mark.margin, 241 - mark.margin
    assert mark.margin > mark.radius + mark.ring
    for x, y in [(low, low), (right, low), (low, bottom), (right, bottom), (150.4, 99.9)]:
        assert mark.is_inside(np.array([x, y], float), (324, 242))
    for x, y in [
        (low - 0.01, 50), (right + 0.01, 50), (50, low - 0.01), (50, bottom + 0.01),
        (-50, 50), (np.nan, 50), (50, np.inf),
    ]:  # fmt: skip
        assert not mark.is_inside(np.array([x, y], float), (324, 242))
    many = np.zeros((4, 5, 2))
    assert mark.is_inside(many, (324, 242)).shape == (4, 5)
    assert not mark.is_inside(np.array([12.0, 12.0]), (2 * mark.margin, 500))


# ---- what is drawn -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("letter", ["", "B"])
def test_the_circle_has_its_colour_before_and_after_the_jpeg(size, letter, tmp_path):
    mark = MarkSize.of(RADIUS, size)
    for number, center in enumerate(places(size, mark, 6)):
        name = BACKGROUNDS[number % len(BACKGROUNDS)] if size[0] < 1000 else "noise"
        if size[0] > 1000 and number % 8:
            continue
        image = background(size, name)
        (chosen,) = draw_marks(image, center[None], [letter], [7, 2, 0, 5, 9, 3], mark)
        color = np.array(PALETTE[chosen][::-1])
        away = distances(image.shape, center)
        assert (image[away <= mark.radius - 2] == color).all(), name
        x, y = (round(float(value)) for value in center)
        assert image[y, x].tolist() == color.tolist()
        # Round about it stands a ring unlike the circle: dark about light, light about dark.
        ring = image[np.abs(away - mark.radius - mark.ring / 2) < 0.4].mean()
        assert abs(ring - 255 * (color @ [0.114, 0.587, 0.299] <= 128)) < 80, name
        (tmp_path / "x.jpg").write_bytes(jpeg.encode(image))
        found = jpeg.read(tmp_path / "x.jpg", "").astype(int)
        assert np.abs(found[y, x] - color).max() <= 25, name
        core = found[away <= mark.radius - 4].mean(axis=0)
        assert np.abs(core - color).max() <= 12, name


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("letter", ["", *"ABCD"])
def test_nothing_changes_beyond_the_reach(size, letter):
    mark = MarkSize.of(RADIUS, size)
    base = background(size, "noise")
    for center in places(size, mark, 4 if size[0] < 1000 else 0)[:: 1 if size[0] < 1000 else 2]:
        image = base.copy()
        draw_marks(image, center[None], [letter], EVERY, mark)
        rows, columns = np.nonzero((image != base).any(axis=2))
        reach = mark.reach if letter else mark.radius + mark.ring + 1
        away = np.hypot(columns - center[0], rows - center[1])
        assert 0 < away.max() <= reach + 0.75  # half a pixel a side
        area = mark.area(center, letter, size)
        for covered, changed, length in zip(area, (rows, columns), reversed(size), strict=True):
            assert 0 <= covered.start <= changed.min()
            assert changed.max() < covered.stop <= length


def drawn_alone(size, mark: MarkSize, center, letter: str) -> np.ndarray:
    """Which pixels a mark changes, on an image that has none of its colours."""
    image = background(size, "gray")
    draw_marks(image, np.asarray(center, float)[None], [letter], EVERY, mark)
    return (image != 128).any(axis=2)


def touching_pairs(size, radius: int, rounds: int) -> tuple[int, int]:
    """How many pairs of marks at twice the reach change a pixel in common, of how many."""
    mark = MarkSize.of(radius, size)
    rng = np.random.default_rng(radius)
    touching = tried = 0
    while tried < rounds:
        right = rng.uniform(mark.margin, np.array(size) - 1 - mark.margin)
        if rng.random() < 0.7:  # its letter to the left, where the other one's comes from
            right[0] = size[0] - 1 - mark.margin - rng.uniform(0, 2 * mark.ring)
        angle = rng.uniform(-0.5, 0.5) * np.pi
        left = right - (2 * mark.reach + 1e-9) * np.array([np.cos(angle), np.sin(angle)])
        if not mark.is_inside(np.array([left, right]), size).all():
            continue
        one, two = (
            drawn_alone(size, mark, center, letter)
            for center, letter in zip((left, right), rng.choice(list("ABCD"), 2), strict=True)
        )
        touching += bool((one & two).any())
        tried += 1
    return touching, tried


@pytest.mark.parametrize("radius", [7, 10, 14])
def test_marks_at_twice_the_reach_never_touch(radius):
    assert touching_pairs((324, 242), radius, 120) == (0, 120)
    assert touching_pairs((2600, 300), radius, 20) == (0, 20)


@pytest.mark.parametrize("radius", [1, 2, 4, 6])
def test_small_marks_at_twice_the_reach_never_touch_either(radius):
    assert touching_pairs((200, 150), radius, 150) == (0, 150)


def letter_pixels(size, mark: MarkSize, center, letter: str) -> np.ndarray:
    with_letter, without = (background(size, "gray") for _ in range(2))
    draw_marks(with_letter, center[None], [letter], EVERY, mark)
    draw_marks(without, center[None], [""], EVERY, mark)
    return (with_letter != without).any(axis=2)


def check_letters_are_beside(radius: int) -> None:
    size = (324, 242)
    mark = MarkSize.of(radius, size)
    for letter, center in itertools.product("ABCD", places(size, mark, 4)):
        pixels = letter_pixels(size, mark, center, letter)
        assert np.count_nonzero(pixels) > 4 * radius
        assert distances(pixels.shape, center)[pixels].min() > mark.radius + 0.75
        columns = np.nonzero(pixels.any(axis=0))[0]
        assert (columns > center[0]).all() or (columns < center[0]).all()
        if center[0] < size[0] / 2:
            assert (columns > center[0]).all()


@pytest.mark.parametrize("radius", [7, 10, 20])
def test_letters_stand_beside_the_circle_and_not_in_it(radius):
    check_letters_are_beside(radius)


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_letters_of_small_marks_stand_beside_the_circle_too(radius):
    check_letters_are_beside(radius)


def check_letters_are_whole(size) -> None:
    mark = MarkSize.of(RADIUS, size)
    usual = np.array([200.0, 150.0])
    for letter, center in itertools.product("ABCD", places(size, mark, 6)):
        expected = np.count_nonzero(letter_pixels((400, 300), mark, usual, letter))
        found = np.count_nonzero(letter_pixels(size, mark, center, letter))
        assert found >= 0.97 * expected, f"{letter} at {center}"


@pytest.mark.parametrize("size", [(82, 60), (85, 200), (160, 120), (700, 242)])
def test_letters_are_whole_wherever_a_mark_fits(size):
    check_letters_are_whole(size)


def test_no_mark_fits_an_image_too_narrow_for_a_letter():
    mark = MarkSize.of(RADIUS, (60, 60))
    everywhere = np.stack(np.meshgrid(np.arange(60.0), np.arange(60.0)), axis=-1)
    assert not mark.is_inside(everywhere, (60, 60)).any()
    assert mark.is_inside(np.array([40.0, 30.0]), (2 * mark.reach, 60))


def test_a_letter_can_be_told_from_the_others_and_is_white_on_black():
    size, center = (200, 150), np.array([80.0, 70.0])
    mark = MarkSize.of(RADIUS, size)
    seen = {}
    for letter in "ABCD":
        image = background(size, "gray")
        draw_marks(image, center[None], [letter], [0], mark)
        seen[letter] = image
        changed = letter_pixels(size, mark, center, letter)
        outline = changed & (cv2.erode(changed.astype(np.uint8), np.ones((3, 3))) == 0)
        assert image[outline].mean() < 100  # black without, white within
        pixels = image[changed]
        assert np.count_nonzero((pixels == 255).all(axis=1)) > 20
        assert np.count_nonzero((pixels == 0).all(axis=1)) > 20
    for one, two in itertools.combinations(seen.values(), 2):
        assert np.count_nonzero((one != two).any(axis=2)) > 20


def test_marks_of_one_image_are_drawn_as_each_alone():
    size = (1296, 968)
    mark = MarkSize.of(RADIUS, size)
    centers = np.array([[200.3, 300.7], [700, 300], [1270, 940.5], [20, 940]])
    image = background(size, "noise")
    base = image.copy()
    chosen = draw_marks(image, centers, "DACB", EVERY, mark)
    for number, (center, letter) in enumerate(zip(centers, "DACB", strict=True)):
        alone = base.copy()
        draw_marks(alone, center[None], [letter], [chosen[number]], mark)
        near = distances(base.shape, center) <= mark.reach + 1
        np.testing.assert_array_equal(image[near], alone[near])


# ---- which colour --------------------------------------------------------------------------------


def test_palette_colours_are_far_apart_and_have_names():
    for one, two in itertools.combinations(PALETTE, 2):
        assert apart(one, two) > 30
    assert len(set(COLOR_NAMES)) == len(PALETTE) == 10
    for name, color in zip(COLOR_NAMES, PALETTE, strict=True):
        assert tuple(bytes.fromhex(name[1:])) == color


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_a_mark_stands_out_on_any_background(name):
    size = (324, 242)
    mark = MarkSize.of(RADIUS, size)
    rng = np.random.default_rng(0)
    for center in places(size, mark, 3):
        image = background(size, name)
        covered = image[distances(image.shape, center) <= mark.radius][:, ::-1]
        (chosen,) = draw_marks(image, center[None], ["A"], rng.permutation(10).tolist(), mark)
        away = np.linalg.norm(lab(covered) - lab(PALETTE[chosen]), axis=1)
        assert np.quantile(away, 0.2) >= 50, (name, center, COLOR_NAMES[chosen])


@pytest.mark.parametrize("number", EVERY)
def test_the_first_preference_that_stands_out_is_taken(number):
    """Plain backgrounds: which colours stand out follows from the colour alone."""
    size = (100, 100)
    mark = MarkSize.of(RADIUS, size)
    rng = np.random.default_rng(number)
    for _ in range(6):
        preferences = rng.permutation(10).tolist()
        image = background(size, COLOR_NAMES[number])
        away = [apart(PALETTE[number], PALETTE[k]) for k in preferences]
        if min(abs(distance - drawing.STANDS_OUT) for distance in away) < 1:
            continue  # this page and OpenCV need not agree to the digit
        first = next(k for k, d in zip(preferences, away, strict=True) if d >= drawing.STANDS_OUT)
        assert draw_marks(image, np.array([[50.0, 50.0]]), [""], preferences, mark) == [first]


def test_where_none_stands_out_the_one_that_does_most_is_taken():
    size, center = (100, 100), np.array([[50.0, 50.0]])
    mark = MarkSize.of(RADIUS, size)
    tried = 0
    for one, two in itertools.permutations(EVERY, 2):
        mixed = np.rint(0.6 * np.array(PALETTE[one]) + 0.4 * np.array(PALETTE[two]))
        away = {k: apart(mixed, PALETTE[k]) for k in (one, two)}
        if max(away.values()) > drawing.STANDS_OUT - 2 or abs(away[one] - away[two]) < 3:
            continue
        tried += 1
        for preferences in ([one, two], [two, one]):
            image = np.tile(mixed[::-1].astype(np.uint8), (100, 100, 1))
            assert draw_marks(image, center, [""], preferences, mark) == [max(away, key=away.get)]
    assert tried >= 10


def test_a_mark_on_an_edge_stands_out_from_both_sides():
    size, center = (100, 100), np.array([[50.0, 50.0]])
    mark = MarkSize.of(RADIUS, size)
    sides = [(0, 1), (4, 5), (3, 9), (7, 2), (6, 8)]
    for one, two in sides:
        image = background(size, COLOR_NAMES[one])
        image[:, 50:] = PALETTE[two][::-1]
        best = max(min(apart(PALETTE[k], PALETTE[s]) for s in (one, two)) for k in EVERY)
        assert best >= drawing.STANDS_OUT
        (chosen,) = draw_marks(image, center, [""], EVERY, mark)
        assert min(apart(PALETTE[chosen], PALETTE[side]) for side in (one, two)) >= 59


def test_marks_of_one_image_never_share_a_colour():
    size = (600, 200)
    mark = MarkSize.of(RADIUS, size)
    centers = np.array([[60.0, 100], [200, 100], [340, 100], [480, 100]])
    rng = np.random.default_rng(0)
    for name in BACKGROUNDS:
        image = background(size, name)
        preferences = rng.permutation(10).tolist()[:6]
        chosen = draw_marks(image, centers, "ABCD", preferences, mark)
        assert len(set(chosen)) == 4
        assert set(chosen) <= set(preferences)


def test_what_one_mark_covers_does_not_depend_on_another():
    """Colours are chosen for the image as it was."""
    size = (600, 200)
    mark = MarkSize.of(RADIUS, size)
    image = background(size, "gray")
    image[:, 300:] = PALETTE[0][::-1]
    both = draw_marks(image, np.array([[100.0, 100], [500, 100]]), "AB", [0, 1, 2], mark)
    assert both == [0, 1]


def test_the_same_call_draws_the_same_bytes():
    size = (324, 242)
    mark = MarkSize.of(RADIUS, size)
    made = []
    for _ in range(2):
        image = background(size, "noise")
        chosen = draw_marks(image, places(size, mark, 0)[[0, 4]], "AB", [3, 1, 4, 5, 9], mark)
        made.append((chosen, image.tobytes(), jpeg.encode(image)))
    assert made[0] == made[1]


# -- text


@pytest.mark.parametrize(
    ("font", "known"), [(SIMPLEX, "fe26f3ac50857877"), (DUPLEX, "5d8391bd2175b5db")]
)
def test_text_has_the_same_pixels_with_every_opencv(font, known):
    image = np.zeros((90, 60 * len(font), 3), np.uint8)
    for thickness in (1, 4):
        draw_text(image, "".join(font), (7, 50 + thickness), font, 1.63, (40, 90, 255), thickness)
    assert hashlib.sha256(image.tobytes()).hexdigest()[:16] == known


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("thickness", [1, 5])
def test_text_fills_its_size(dtype, thickness):
    for text in ("A", "TERRA", "MONDAY"):
        image = np.zeros((200, 600, 3), dtype)
        draw_text(image, text, (50, 150), DUPLEX, 3.0, (1, 1, 1), thickness)
        rows, columns = np.nonzero(image[..., 0])
        width, height = text_size(text, DUPLEX, 3.0, thickness)
        assert (150, 150 - height) == pytest.approx((rows.max(), rows.min()), abs=2 + thickness)
        assert 50 - thickness <= columns.min() and columns.max() <= 50 + width + thickness
        assert columns.max() - columns.min() > 0.7 * width
        assert image.max() == 1


def test_a_character_that_a_font_does_not_have_is_an_error():
    with pytest.raises(KeyError):
        draw_text(np.zeros((50, 50, 3), np.uint8), "E", (5, 40), SIMPLEX, 1.0, (1, 1, 1), 1)
