"""A plan: a scene with the cameras of a record, or the way of a point of a clip, seen from above,
as a small picture.

Pure: numbers in, a picture out. Metres; x points to the right in the picture and y up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import uniform_filter

from spatial_engine.report.pictures.looks import COLORS, GROUND, INK, OBJECT_COLORS, font
from spatial_engine.report.record_view import ANSWERED, ASKED

SIDE, LEAST_SIDE = 480, 280  # pixels: the longer side, and the shorter at least
PAD, FOOT = 34, 34  # pixels around what is shown; below it, where the scale stands
CELL = 4  # pixels in which points are counted together, with the cells around
LEAST_SPAN = 0.3  # metres that a plan shows at least
OUTLIERS = 0.2  # percent of the points at either end that may lie outside
LIGHT, DARK = 246, 168  # grey of a cell with one point, and of those with the most
CAMERA, OPENING = 22, 0.55  # pixels of a camera's triangle, and half its width by its length
DOT, FONT_SIZE, NAME_SIZE = 7, 20, 17  # pixels: it is mostly shown at half its size
BARS = (1.0, 0.1, 10.0, 100.0)  # metres of the scale: the first that fits
BAR_SHARE = (0.05, 0.6)  # of the plan's width that fits
FINE = 2  # drawn so many times larger and reduced, for smooth lines
CAMERA_COLOR, PATH_COLOR = "#24407a", "#7d93c4"
# Where a label is tried, in its own sizes from its place.
_AROUND = [(0, -1), (1, 0), (-1, 0), (0, 1), (0.8, -0.8), (-0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]

Place = tuple[float, float]
Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class Ground:
    """The part of the floor that is shown: its least and greatest (x, y), and the grey of the
    points above it, (rows, columns) uint8, the first row at the top; None without points."""

    low: Place
    high: Place
    shade: np.ndarray | None = None

    @property
    def scale(self) -> float:
        """Pixels of a metre."""
        return (SIDE - 2 * PAD) / max(h - lo for lo, h in zip(self.low, self.high, strict=True))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture, pixels."""
        width, height = (
            max(LEAST_SIDE, round((h - lo) * self.scale) + 2 * PAD)
            for lo, h in zip(self.low, self.high, strict=True)
        )
        return width, height + FOOT

    def pixel(self, x: float, y: float) -> Place:
        """Where a place is in the picture; what is shown lies in its middle."""
        width, height = self.size
        middle_x, middle_y = ((lo + h) / 2 for lo, h in zip(self.low, self.high, strict=True))
        right, down = (x - middle_x) * self.scale, (middle_y - y) * self.scale
        return width / 2 + right, (height - FOOT) / 2 + down


class Stand(NamedTuple):
    """Where a camera stands, and the direction in which it looks, or where a point is (None).
    `label` is its number; `right` where the right answer names it."""

    x: float
    y: float
    towards: Place | None
    label: str
    right: bool = False


class Outline(NamedTuple):
    """An object's box from above; `number` is that of its colour."""

    number: int
    name: str
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Plan:
    """What a plan shows. `path` are numbers of stands in the order in which a line joins them;
    `point` is the point asked about; `caption` says in words what is seen."""

    ground: Ground
    stands: Sequence[Stand]
    path: Sequence[int]
    outlines: Sequence[Outline] = ()
    point: Place | None = None
    caption: str = "from above; each camera opens where it looks"


def make_ground(points: np.ndarray, others: np.ndarray) -> Ground:
    """The part that shows points (n, 2), but for a few outliers, and other places (m, 2), with the
    points counted by cell. n may be 0, m not."""
    ends = [others.min(axis=0), others.max(axis=0)]
    if len(points):
        ends += list(np.percentile(points, [OUTLIERS, 100 - OUTLIERS], axis=0))
    low, high = np.min(ends, axis=0), np.max(ends, axis=0)
    if (lacking := LEAST_SPAN - (high - low).max()) > 0:
        low, high = low - lacking / 2, high + lacking / 2
    ground = Ground(tuple(low.tolist()), tuple(high.tolist()))
    return Ground(ground.low, ground.high, _shade(points, ground)) if len(points) else ground


def _shade(points: np.ndarray, ground: Ground) -> np.ndarray:
    """Grey of the cells of the whole part: walls, which have many points, are darker."""
    low, high = np.array(ground.low), np.array(ground.high)
    cells = np.maximum(np.rint((high - low) * ground.scale / CELL).astype(int), 1)
    counts, _, _ = np.histogram2d(*points.T, cells, list(zip(low, high, strict=True)))
    counts = 9 * uniform_filter(counts, 3, mode="constant")
    most = max(np.percentile(counts[counts > 0.5], 99), 2.0) if counts.any() else 2.0
    share = np.clip(np.log(np.maximum(counts, 1)) / np.log(most), 0, 1)
    grey = np.where(counts > 0.5, LIGHT - (LIGHT - DARK) * share, 255)
    return np.ascontiguousarray(np.rint(grey).astype(np.uint8).T[::-1])


def draw_plan(plan: Plan) -> Image.Image:
    """The picture of a plan."""
    ground = plan.ground
    image = Image.new("RGB", tuple(FINE * side for side in ground.size), GROUND)
    if ground.shade is not None:
        left, top = _fine(ground.pixel(ground.low[0], ground.high[1]))
        right, bottom = _fine(ground.pixel(ground.high[0], ground.low[1]))
        size = max(round(right - left), 1), max(round(bottom - top), 1)
        shade = Image.fromarray(ground.shade).resize(size, Image.Resampling.NEAREST)
        image.paste(shade.convert("RGB"), (round(left), round(top)))
    draw = ImageDraw.Draw(image)
    for outline in plan.outlines:
        _draw_outline(draw, ground, outline)
    _draw_path(draw, plan)
    labels = _Labels(draw, image.size)
    for stand in plan.stands:
        labels.taken.append(_draw_stand(draw, ground, stand))
    if plan.point:
        _draw_point(draw, _fine(ground.pixel(*plan.point)))
    _draw_labels(labels, plan)
    _draw_scale(draw, ground, image.size)
    return image.reduce(FINE)


def _fine(place: Place) -> Place:
    return place[0] * FINE, place[1] * FINE


def _draw_outline(draw: ImageDraw.ImageDraw, ground: Ground, outline: Outline) -> None:
    left, top = _fine(ground.pixel(outline.x1, outline.y2))
    right, bottom = _fine(ground.pixel(outline.x2, outline.y1))
    color = OBJECT_COLORS[outline.number % len(OBJECT_COLORS)]
    draw.rectangle((left, top, right, bottom), outline=color, width=3 * FINE)


def _draw_path(draw: ImageDraw.ImageDraw, plan: Plan) -> None:
    """Lines between the stands, that of a step which the right answer names in its colour."""
    for number, after in pairwise(plan.path):
        first, second = plan.stands[number], plan.stands[after]
        is_answer = first.right and second.right and first.towards is None
        ends = [_fine(plan.ground.pixel(stand.x, stand.y)) for stand in (first, second)]
        color, width = (COLORS[ANSWERED], 5) if is_answer else (PATH_COLOR, 3)
        draw.line(ends, color, width * FINE)


def _draw_stand(draw: ImageDraw.ImageDraw, ground: Ground, stand: Stand) -> Rectangle:
    """A triangle that opens where the camera looks, or a dot; returns what it covers."""
    x, y = _fine(ground.pixel(stand.x, stand.y))
    color = COLORS[ANSWERED] if stand.right else CAMERA_COLOR
    if stand.towards is None:
        reach = DOT * FINE
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), color, GROUND, FINE)
        return x - reach, y - reach, x + reach, y + reach
    ahead = CAMERA * FINE * np.array([stand.towards[0], -stand.towards[1]])
    aside = OPENING * np.array([-ahead[1], ahead[0]])
    corners = np.add((x, y), [(0, 0), ahead + aside, ahead - aside])
    draw.polygon([tuple(corner) for corner in corners.tolist()], color, GROUND, FINE)
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return left, top, right, bottom


def _draw_point(draw: ImageDraw.ImageDraw, place: Place) -> None:
    """The ring of a point asked about, as in the images."""
    x, y = place
    for color, width, radius in (("#000", 6, 11), (COLORS[ASKED], 4, 10)):
        reach = radius * FINE
        draw.ellipse(
            (x - reach, y - reach, x + reach, y + reach), outline=color, width=width * FINE
        )


def _draw_labels(labels: _Labels, plan: Plan) -> None:
    """The numbers of the stands, each behind its camera if it can be, and the objects' names."""
    for stand in plan.stands:
        back = (0.0, -1.0) if stand.towards is None else (-stand.towards[0], stand.towards[1])
        place = _fine(plan.ground.pixel(stand.x, stand.y))
        labels.add(stand.label, place, [back, *_AROUND], font(FONT_SIZE * FINE, bold=True))
    for outline in plan.outlines:
        middle = (outline.x1 + outline.x2) / 2, (outline.y1 + outline.y2) / 2
        place = _fine(plan.ground.pixel(*middle))
        labels.add(outline.name, place, [(0.0, 0.0), *_AROUND], font(NAME_SIZE * FINE))


class _Labels:
    """Texts that do not cover each other, nor what is `taken`, where that can be."""

    def __init__(self, draw: ImageDraw.ImageDraw, size: tuple[int, int]):
        self._draw, self._size = draw, size
        self.taken: list[Rectangle] = []

    def add(
        self, text: str, place: Place, ways: Sequence[Place], letters: ImageFont.FreeTypeFont
    ) -> None:
        """A text near a place: in the first of the ways that is free, else in the first."""
        width, height = letters.getlength(text), 1.1 * letters.size
        tried = [
            self._inside(place[0] + way[0] * times * (width / 2 + height / 2),
                         place[1] + way[1] * times * height, width, height)
            for times in (1, 1.9)
            for way in ways
        ]  # fmt: skip
        chosen = next((box for box in tried if not self._is_taken(box)), tried[0])
        self.taken.append(chosen)
        middle = (chosen[0] + chosen[2]) / 2, (chosen[1] + chosen[3]) / 2
        self._draw.text(middle, text, INK, letters, "mm", stroke_width=2 * FINE, stroke_fill=GROUND)

    def _inside(self, x: float, y: float, width: float, height: float) -> Rectangle:
        """A rectangle around a place, moved into the picture."""
        x = min(max(x, width / 2 + FINE), self._size[0] - width / 2 - FINE)
        y = min(max(y, height / 2 + FINE), self._size[1] - (FOOT * FINE) - height / 2)
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2

    def _is_taken(self, box: Rectangle) -> bool:
        return any(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
            for other in self.taken
        )


def _draw_scale(draw: ImageDraw.ImageDraw, ground: Ground, size: tuple[int, int]) -> None:
    """A bar of one metre, or of what fits, at the foot."""
    lengths = {metres: metres * ground.scale * FINE for metres in BARS}
    least, most = (share * size[0] for share in BAR_SHARE)
    fitting = [metres for metres, length in lengths.items() if least <= length <= most]
    if not fitting:
        return
    left, y, length = 10 * FINE, size[1] - 10 * FINE, lengths[fitting[0]]
    draw.line((left, y, left + length, y), INK, 2 * FINE)
    for x in (left, left + length):
        draw.line((x, y - 4 * FINE, x, y + 4 * FINE), INK, 2 * FINE)
    text = f"{fitting[0]:g} m"
    draw.text((left + length + 8 * FINE, y), text, INK, font(NAME_SIZE * FINE), "lm")
