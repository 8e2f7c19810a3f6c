"""What is drawn over the images of a record on a contact sheet: boxes, points, frames, names."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from spatial_engine.report import record_view
from spatial_engine.report.boxes import Label, Line
from spatial_engine.report.pictures.looks import COLORS, OBJECT_COLORS, font
from spatial_engine.report.visible_text import escaped
from spatial_engine.utils.questions.record_fields import MAX_COORDINATE

MARK_RADIUS = 9  # pixels of a mark
TICK = 6  # pixels: lines outside a circle that point at its centre
LETTERS, NAME_LETTERS = 16, 14  # pixels: of the label of a mark, of the name of an object


def draw_lines(image: Image.Image, lines: Sequence[Line]) -> None:
    """The edges of boxes with dark rims, which cover no edge."""
    draw = ImageDraw.Draw(image)
    scale = (image.width / MAX_COORDINATE, image.height / MAX_COORDINATE) * 2
    for is_rim in (True, False):
        for line in lines:
            ends = [place * factor for place, factor in zip(line[2:6], scale, strict=True)]
            draw.line(ends, "#000" if is_rim else _color_of(line), 4 if is_rim else 2)


def _color_of(line: Line) -> str:
    if line.number >= 0:
        return OBJECT_COLORS[line.number % len(OBJECT_COLORS)]
    return COLORS[record_view.SIDE if line.measured else record_view.BOX]


def draw_names(image: Image.Image, labels: Sequence[Label]) -> None:
    """The name of each object on its colour, at its box, within the image."""
    draw = ImageDraw.Draw(image)
    letters = font(NAME_LETTERS, bold=True)
    for label in labels:
        text = label.text[:24]
        width, height = letters.getlength(text) + 6, NAME_LETTERS + 4
        left = min(max(label.x * image.width / MAX_COORDINATE, 0), max(image.width - width, 0))
        top = min(max(label.y * image.height / MAX_COORDINATE - height, 0), image.height - height)
        color = OBJECT_COLORS[label.number % len(OBJECT_COLORS)]
        draw.rectangle((left, top, left + width, top + height), color)
        draw.text((left + 3, top + height / 2), text, "#000", letters, "lm")


def draw_frame(image: Image.Image) -> None:
    """A frame around an image that the right answer names."""
    edge = (0, 0, image.width - 1, image.height - 1)
    ImageDraw.Draw(image).rectangle(edge, outline=COLORS[record_view.RIGHT], width=5)


def draw_marks(image: Image.Image, marks: Sequence[record_view.Mark], ring: float) -> None:
    """Each kind has its shape, with a dark rim, open at the exact place; what is in the picture as
    a dot has a ring of that radius, if it is not 0, around it."""
    draw = ImageDraw.Draw(image)
    for mark in marks:
        x = mark.x * image.width / MAX_COORDINATE
        y = mark.y * image.height / MAX_COORDINATE
        if ring:
            for color, width, radius in (("#000", 4, ring + 1), (COLORS[mark.kind], 2, ring)):
                draw.circle((x, y), radius, outline=color, width=width)
            continue
        draw_mark(draw, mark.kind, x, y)
        if mark.label:
            letters = font(LETTERS, bold=True)
            away = MARK_RADIUS + TICK + 4
            left = x + away if x < image.width - 2 * away else x - 2 * away
            label = escaped(mark.label)[:8]
            place = (left, y)
            draw.text(place, label, "#fff", letters, "lm", stroke_width=2, stroke_fill="#000")


def draw_mark(draw: ImageDraw.ImageDraw, kind: str, x: float, y: float) -> None:
    """One mark around a place, or a piece of a line."""
    for color, width, radius in (("#000", 4, MARK_RADIUS + 1), (COLORS[kind], 2, MARK_RADIUS)):
        if kind in record_view.LINES:
            draw.line((x - radius, y, x + radius, y), color, width)
        elif kind == record_view.ASKED:
            draw.circle((x, y), radius, outline=color, width=width)
            for right, down in ((1, 0), (0, 1), (-1, 0), (0, -1)):
                near, far = MARK_RADIUS, MARK_RADIUS + TICK
                ends = (x + near * right, y + near * down, x + far * right, y + far * down)
                draw.line(ends, color, width)
        elif kind == record_view.OPTION:
            inner = 0.8 * radius
            draw.rectangle((x - inner, y - inner, x + inner, y + inner), outline=color, width=width)
        else:
            far = 1.3 * radius - (color != "#000")
            corners = [(x, y - far), (x + far, y), (x, y + far), (x - far, y)]
            draw.line([*corners, *corners[:2]], color, width, joint="curve")
