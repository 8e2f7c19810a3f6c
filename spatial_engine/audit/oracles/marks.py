"""Checks a picture with marks painted on it against the frame it was made from.

Cost: a picture with four marks 0.1 s, one of 1296x968 1 s.

Pixels: (u, v) as SPEC 4 has them, the centre of the top left pixel is (0, 0). Colours are compared
by the greatest difference among the three channels, 0 to 255.

How docs/spec.md was read where it leaves a choice, by section:
- 6 radius 10 px: in frames up to 1296 px wide; in proportion in wider ones. The radius found may
  differ by RADIUS_TOLERANCE (ways to draw a circle differ by half a pixel, JPEG blurs the edge).
  Around it there may be a rim of another colour.
- 6, 7 the point: the mark is centred on the projection of the vertex, or on the pixel nearest to
  it: at most 0.71 px away, which CENTRE_TOLERANCE leaves room for. A mark at the border is cut off,
  and CUT_TOLERANCE holds.
- 6 stands out from what it covers: at least half of the pixels that the circle covers differ from
  its colour by MIN_CONTRAST. The colour of another point's mark is no matter in section 6.
- 6, 7 carries its letter: something else is painted near the mark, beyond its circle. Which
  letter it is, this module cannot read.
- 6 marks of two points may overlap (forbidden in section 7 only); the centre of each must
  show its colour. What the circles of other marks cover is not judged otherwise.
- 6, 7 dot images: JPEG of quality 95 with 4:2:0 chroma, as both usual libraries write it, or any
  that is no farther from the frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from spatial_engine.audit.raw.pictures import (
    PictureError,
    encoded_once,
    jpeg_size,
    read_file,
    read_jpeg,
)

MARK_RADIUS = 10.0  # px, in frames up to FULL_WIDTH wide
FULL_WIDTH = 1296  # px
COLOUR_TOLERANCE = 40  # JPEG; measured inside circles: at most 10
CORE_OUTLIERS = 0.02  # of the pixels within radius - 3
# px: half a pixel of rounding each way, 0.71, and the error of finding it. Both together were at
# most 0.9 in 1,350 marks, and 2.02 where the border cuts a mark off.
CENTRE_TOLERANCE, CUT_TOLERANCE = 1.0, 2.5
RADIUS_TOLERANCE = 2.0  # px
RIM = 3.0  # px around a mark where a rim may be
MIN_CONTRAST = 40
# The rest of the picture. One encoding changes no pixel of the sample frames by more than 30, and
# two libraries that encode the same frame differ by 0; noise of 0 and 255 alone reaches 71.
PAINTED = 32  # difference from the frame AND from the frame encoded once more
MEAN_FACTOR, MEAN_SLACK = 2.0, 0.5
MIN_LETTER_PIXELS = 6


class Mark(NamedTuple):
    """A mark that a picture should show.

    name: for complaints. colour: (3,) int red, green, blue. lettered: whether a letter is beside.
    centres: (n, 2) float u, v, where its centre may be. slack: (2,) float px by which a centre may
    be off in u and in v, beyond CENTRE_TOLERANCE; 0 for the projection of a vertex.
    """

    name: str
    colour: np.ndarray
    centres: np.ndarray
    slack: np.ndarray
    lettered: bool


class Circle(NamedTuple):
    """A circle found in a picture: centre (2,) u, v and radius, px."""

    centre: np.ndarray
    radius: float


def mark_radius(width: int) -> float:
    """Radius in px of a mark in a frame so wide."""
    return MARK_RADIUS * max(1.0, width / FULL_WIDTH)


def parse_colour(text: object) -> np.ndarray | None:
    """(3,) int red, green, blue of "#rrggbb", or None."""
    if not isinstance(text, str) or len(text) != 7 or text[0] != "#":
        return None
    if any(digit not in "0123456789abcdefABCDEF" for digit in text[1:]):
        return None
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)])


def colour_text(colour: np.ndarray) -> str:
    """ "#rrggbb" of (3,) int."""
    return "#" + "".join(f"{int(c):02x}" for c in colour)


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Greatest difference among the channels, of colours (..., 3) that broadcast."""
    return np.abs(np.asarray(a, dtype=np.int64) - np.asarray(b, dtype=np.int64)).max(axis=-1)


# ---- pictures ------------------------------------------------------------------------------------


def marked_picture(path: Path, size: tuple[int, int]) -> np.ndarray | str:
    """(H, W, 3) int64 RGB of a JPEG file of that (width, height), or a complaint."""
    try:
        content = read_file(path)
        found = jpeg_size(content)
        if found != size:
            return f"image: {path} is {found}, its frame {size}"
        return read_jpeg(content)
    except FileNotFoundError:
        return f"image: {path} is not there"
    except (OSError, PictureError) as err:
        return f"image: {path} is no JPEG that can be decoded: {err}"


def distances(shape: tuple, centre: np.ndarray) -> np.ndarray:
    """(H, W) float distance in px of every pixel from (u, v)."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(columns - centre[0], rows - centre[1])


# ---- one picture ---------------------------------------------------------------------------------


def check_marked_picture(
    picture: np.ndarray, source: np.ndarray, marks: list[Mark]
) -> tuple[list[str], list[np.ndarray]]:
    """Complaints about a marked picture, and where each mark is, (2,) u, v.

    picture, source: (H, W, 3) int64 RGB of the same size. marks: all that should be there.
    """
    radius = mark_radius(source.shape[1])
    complaints, places = [], []
    expected = [mark.centres.mean(axis=0) for mark in marks]
    for k, mark in enumerate(marks):
        others = expected[:k] + expected[k + 1 :]
        found, place = _check_mark(picture, source, mark, others, radius)
        complaints += [f"{mark.name}: {complaint}" for complaint in found]
        places.append(place)
    complaints += _check_rest(picture, source, marks, places, radius)
    return complaints, places


def _check_mark(
    picture: np.ndarray, source: np.ndarray, mark: Mark, others: list[np.ndarray], radius: float
) -> tuple[list[str], np.ndarray]:
    """Complaints about one mark, at the best of the places where it may be, and where it is."""
    judged = np.ones(source.shape[:2], dtype=bool)
    for other in others:
        judged &= distances(source.shape, other) > radius + RIM
    results = []
    for centre in mark.centres:
        circle = find_circle(picture, source, mark, centre, judged, radius)
        place = centre
        if circle is not None:
            place = np.clip(circle.centre, centre - mark.slack, centre + mark.slack)
        complaints = _check_place(picture, source, mark, place, circle, judged, radius)
        results.append((complaints, place if circle is None else circle.centre))
    return min(results, key=lambda result: len(result[0]))


def _check_place(
    picture: np.ndarray,
    source: np.ndarray,
    mark: Mark,
    place: np.ndarray,
    circle: Circle | None,
    judged: np.ndarray,
    radius: float,
) -> list[str]:
    """Complaints about the mark if it should be centred at `place` (2,) u, v."""
    height, width = source.shape[:2]
    column = int(np.clip(np.rint(place[0]), 0, width - 1))
    row = int(np.clip(np.rint(place[1]), 0, height - 1))
    at = f"({place[0]:.2f}, {place[1]:.2f})"
    colour, there = colour_text(mark.colour), picture[row, column]
    complaints = []
    if difference(there, mark.colour) > COLOUR_TOLERANCE:
        complaints.append(f"the pixel at {at} is {colour_text(there)}, its mark {colour}")
    distance = distances(source.shape, place)
    core = (distance <= radius - 3) & judged
    outliers = difference(picture[core], mark.colour) > COLOUR_TOLERANCE
    if outliers.sum() > CORE_OUTLIERS * core.sum():
        count = f"{outliers.sum()} of {core.sum()} pixels"
        complaints.append(f"{count} within {radius - 3:g} px of {at} are not {colour}")
    covered = difference(source[distance <= radius], mark.colour)
    if np.median(covered) < MIN_CONTRAST:
        complaints.append(f"{colour} does not stand out from what it covers at {at}")
    if circle is not None:
        off = float(np.hypot(*(circle.centre - place)))
        border = min(place[0], place[1], width - 1 - place[0], height - 1 - place[1])
        cut = border < radius + 1 or not judged[distance <= radius].all()
        if off > (CUT_TOLERANCE if cut else CENTRE_TOLERANCE):
            found = f"({circle.centre[0]:.2f}, {circle.centre[1]:.2f})"
            complaints.append(f"centred at {found}, {off:.2f} px from {at}")
        if abs(circle.radius - radius) > RADIUS_TOLERANCE:
            complaints.append(f"radius {circle.radius:g} px at {at}, expected {radius:g}")
    return complaints


def find_circle(
    picture: np.ndarray,
    source: np.ndarray,
    mark: Mark,
    near: np.ndarray,
    judged: np.ndarray,
    radius: float,
) -> Circle | None:
    """The circle which, painted on the source in the mark's colour, best explains the picture.

    A pixel speaks for being covered by as much as it is closer to the colour than to the source;
    where the two are alike it says nothing: background of like colour does not disturb. A pixel
    that is like neither (a rim, a letter) speaks against. Searched within 3 px (and the slack) of
    `near` (2,) u, v, by 0.25 px; radius by 0.5 px. None where other marks hide more than half of
    the circle.
    """
    reach = 3.0 + mark.slack
    margin = reach + radius + 4
    low = np.maximum(np.floor(near - margin), 0).astype(int)
    high = np.minimum(np.ceil(near + margin) + 1, source.shape[1::-1]).astype(int)
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    rows, columns = np.mgrid[window]
    hidden = ~judged[window]
    nominal = np.hypot(columns - near[0], rows - near[1]) <= radius
    if not nominal.any() or hidden[nominal].mean() > 0.5:
        return None
    from_source = np.minimum(difference(picture[window], source[window]), 2 * COLOUR_TOLERANCE)
    from_colour = np.minimum(difference(picture[window], mark.colour), 2 * COLOUR_TOLERANCE)
    speaks = (from_source - from_colour).astype(np.float64)
    speaks[(from_source > COLOUR_TOLERANCE) & (from_colour > COLOUR_TOLERANCE)] -= COLOUR_TOLERANCE
    speaks[hidden] = 0

    def best(us: np.ndarray, vs: np.ndarray, radii: np.ndarray) -> tuple[float, float, float]:
        found: dict[tuple[float, float, float], float] = {}
        for u in us:
            for v in vs:
                distance = np.hypot(columns - u, rows - v)
                covered = np.clip(radii[:, None, None] + 0.5 - distance, 0, 1)  # at edges in part
                for r, score in zip(radii, (covered * speaks).sum(axis=(1, 2)), strict=True):
                    found[(float(u), float(v), float(r))] = float(score)
        most = max(found.values())
        equal = [key for key, score in found.items() if score >= most - 1e-6]
        return tuple(np.mean(equal, axis=0))

    def around(middle: float, half: float, step: float) -> np.ndarray:
        count = int(np.ceil(half / step))
        return middle + step * np.arange(-count, count + 1)

    u, v, _ = best(around(near[0], reach[0], 1), around(near[1], reach[1], 1), np.array([radius]))
    u, v, r = best(around(u, 1, 0.25), around(v, 1, 0.25), around(radius, 3, 0.5))
    return Circle(np.array([u, v]), r)


# ---- what is not a mark --------------------------------------------------------------------------


def _check_rest(
    picture: np.ndarray,
    source: np.ndarray,
    marks: list[Mark],
    places: list[np.ndarray],
    radius: float,
) -> list[str]:
    """Letters are there; away from the marks the picture is the source, encoded once."""
    again = encoded_once(source)
    painted = np.minimum(difference(picture, source), difference(picture, again)) > PAINTED
    apart = [distances(source.shape, place) for place in places]
    nearest = np.min(apart, axis=0)
    reach = 3 * (radius + 6)
    complaints = []
    for mark, distance in zip(marks, apart, strict=True):
        beside = painted & (distance <= reach) & (nearest > radius + RIM + 3)
        if mark.lettered and beside.sum() < MIN_LETTER_PIXELS:
            complaints.append(f"{mark.name}: no letter is painted beside it")
    rest = nearest > reach
    if not rest.any():
        return complaints
    if (painted & rest).any():
        row, column = np.argwhere(painted & rest)[0]
        found, was = colour_text(picture[row, column]), colour_text(source[row, column])
        complaints.append(
            f"image: {(painted & rest).sum()} pixels are painted away from the marks, "
            f"first ({column}, {row}): {found}, in the frame {was}"
        )
    found = float(np.abs(picture - source)[rest].mean())
    allowed = MEAN_FACTOR * float(np.abs(again - source)[rest].mean()) + MEAN_SLACK
    if found > allowed:
        complaints.append(
            f"image: {found:.2f} mean difference from the frame away from the marks, "
            f"one encoding allows {allowed:.2f}"
        )
    return complaints
