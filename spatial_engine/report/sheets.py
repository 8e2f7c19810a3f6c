"""Contact sheets: records side by side in one picture, with their images, points,
boxes and texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageColor, ImageDraw, ImageFont

from spatial_engine.errors import BadDataError
from spatial_engine.report import record_view
from spatial_engine.report.boxes import Line
from spatial_engine.report.gather import Drawn
from spatial_engine.report.thumbnails import open_image
from spatial_engine.utils.pictures import drawing
from spatial_engine.utils.questions.record_fields import MAX_COORDINATE
from spatial_engine.utils.questions.tasks import TASKS

WIDTH = 1640  # pixels of a sheet: a screen, or a page at 200 dots per inch
COLUMNS = 2  # records beside each other
MARGIN, GAP = 24, 8  # pixels around a record, between its images
MAX_HEIGHT = 320  # pixels of an image in it
FONT_SIZE, LINE = 17, 23  # pixels
MAX_LINES = {"question": 9, "answer": 3, "value": 2}  # what is longer ends in an ellipsis
# The same shapes and colours as on the page.
COLORS = {
    record_view.ASKED: "#00e5ff",
    record_view.ANSWERED: "#ff2fd0",
    record_view.OPTION: "#ffe45c",
    record_view.MATCH: "#ff9a3c",
    record_view.BOX: "#9dff7a",
    record_view.SIDE: "#ff2fd0",
}
MARK_RADIUS = 9  # pixels of a mark
# A ring around a dot that is in the picture, and its letter: pixels at least, and of the image.
RING, RING_REACH = 14, 42
TICK = 6  # pixels: lines outside a circle that point at its centre
GROUND, INK, QUIET, ANSWER, WARNING = "#ffffff", "#1b1f26", "#5d6673", "#0b6b3a", "#b3261e"
_FONTS = Path(matplotlib.get_data_path()) / "fonts/ttf"


def draw_sheet(title: str, records: Sequence[Drawn]) -> tuple[Image.Image, list[str]]:
    """One picture of all records, in `COLUMNS`, and what is wrong with images that are missing."""
    faults: list[str] = []
    cells = [draw_record(drawn, faults) for drawn in records]
    rows = [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)]
    heights = [max(cell.height for cell in row) for row in rows]
    top = 2 * MARGIN + LINE
    sheet = Image.new("RGB", (WIDTH, top + sum(heights) + MARGIN * len(rows)), GROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN - 4), title, INK, _font(FONT_SIZE + 4, bold=True))
    _draw_legend(draw, records)
    for row, height in zip(rows, heights, strict=True):
        for number, cell in enumerate(row):
            sheet.paste(cell, (MARGIN + number * (_cell_width() + MARGIN), top))
        top += height + MARGIN
    return sheet, faults


def reduce_colors(sheet: Image.Image) -> Image.Image:
    """The sheet in 256 colours: a third of the bytes. Those of texts and marks stay exact."""
    exact = [GROUND, INK, QUIET, ANSWER, WARNING, "#000000", *COLORS.values()]
    few = sheet.reduce(4).quantize(256 - len(exact), Image.Quantize.FASTOCTREE).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette(
        few[: 3 * (256 - len(exact))] + [v for c in exact for v in ImageColor.getrgb(c)]
    )
    return sheet.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)


def draw_record(drawn: Drawn, faults: list[str]) -> Image.Image:
    """Images beside each other, points drawn over them, and below question, answer, value."""
    record, width = drawn.record, _cell_width()
    marks, lines = record_view.marks_of(record), drawn.box.lines if drawn.box else []
    count = len(drawn.image_paths)
    share = (width - GAP * (max(count, 2) - 1)) // max(count, 2)
    pictures = []
    for number, path in enumerate(drawn.image_paths):
        picture, ring = _picture(path, share, faults)
        _draw_lines(picture, [line for line in lines if line.image == number])
        here = [mark for mark in marks if mark.image == number]
        _draw_marks(picture, here, ring if TASKS[record["task"]].marked else 0)
        pictures.append(picture)
    texts = _texts(drawn, width)
    top = max(picture.height for picture in pictures)
    cell = Image.new("RGB", (width, top + LINE * len(texts) + GAP), GROUND)
    for number, picture in enumerate(pictures):
        cell.paste(picture, (number * (share + GAP), 0))
    draw = ImageDraw.Draw(cell)
    for number, (text, color, bold) in enumerate(texts):
        draw.text((0, top + GAP + number * LINE), text, color, _font(FONT_SIZE, bold))
    return cell


def wrap(text: str, width: float, font: ImageFont.FreeTypeFont, at_most: int) -> list[str]:
    """Lines of a text that are `width` pixels wide at most; a word that is wider is cut."""
    lines: list[str] = []
    for paragraph in text[: int(at_most * width)].split("\n"):  # no letter is under a pixel wide
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}".strip()
            if font.getlength(longer) <= width:
                line = longer
                continue
            lines += [line] if line else []
            line = word
            while font.getlength(line) > width:
                fits = max(1, int(len(line) * width / font.getlength(line)) - 1)
                lines.append(line[:fits])
                line = line[fits:]
            if len(lines) > at_most:
                break
        lines.append(line)
    if len(lines) <= at_most:
        return lines
    last = lines[at_most - 1]
    while last and font.getlength(f"{last} …") > width:
        last = last[:-1]
    return [*lines[: at_most - 1], f"{last} …"]


def _texts(drawn: Drawn, width: int) -> list[tuple[str, str, bool]]:
    """(text, colour, bold) of each line below the images."""
    record = drawn.record
    description, question = record_view.question_of(record)
    answer = record_view.spoken_answer(record)
    value = f"gt_value {record_view.value_of(record)}"
    if drawn.facts:
        value += f"   ({', '.join(drawn.facts)})"
    parts = [(record_view.escaped(record["id"]), QUIET, False, 1)]
    parts += [(f"{description}\n{question}".strip(), INK, False, MAX_LINES["question"])]
    parts += [(answer, ANSWER, True, MAX_LINES["answer"])] if answer else []
    parts += [(value, INK, True, MAX_LINES["value"])]
    parts += [(warning, WARNING, True, 1) for warning in drawn.warnings]
    return [
        (line, color, bold)
        for text, color, bold, at_most in parts
        for line in wrap(text, width, _font(FONT_SIZE, bold), at_most)
    ]


def _picture(path: Path, width: int, faults: list[str]) -> tuple[Image.Image, float]:
    """An image scaled to a width, no higher than `MAX_HEIGHT`, and the radius of a ring around a
    dot in it; a grey image where it is missing."""
    try:
        array, own_size = open_image(path, width)
        image = Image.fromarray(array)
    except BadDataError as error:
        faults.append(str(error))
        image = Image.new("RGB", (width, MAX_HEIGHT * 2 // 3), "#e0e3e8")
        ImageDraw.Draw(image).text((12, 12), "image not found", QUIET, _font(FONT_SIZE))
        return image, RING
    scale = min(width / image.width, MAX_HEIGHT / image.height)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    ring = max(RING, RING_REACH * size[0] / min(own_size[0], drawing.USUAL_WIDTH))
    return image.resize(size, Image.Resampling.LANCZOS), ring


def _draw_lines(image: Image.Image, lines: Sequence[Line]) -> None:
    """The edges of a box with dark rims, which cover no edge."""
    draw = ImageDraw.Draw(image)
    scale = (image.width / MAX_COORDINATE, image.height / MAX_COORDINATE) * 2
    for is_rim in (True, False):
        for line in lines:
            ends = [place * factor for place, factor in zip(line[2:], scale, strict=True)]
            color = COLORS[record_view.SIDE if line.measured else record_view.BOX]
            draw.line(ends, "#000" if is_rim else color, 4 if is_rim else 2)


def _draw_marks(image: Image.Image, marks: Sequence[record_view.Mark], ring: float) -> None:
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
        _draw_mark(draw, mark.kind, x, y)
        if mark.label:
            font = _font(FONT_SIZE - 1, bold=True)
            away = MARK_RADIUS + TICK + 4
            left = x + away if x < image.width - 2 * away else x - 2 * away
            label = record_view.escaped(mark.label)[:8]
            place = (left, y)
            draw.text(place, label, "#fff", font, "lm", stroke_width=2, stroke_fill="#000")


def _draw_mark(draw: ImageDraw.ImageDraw, kind: str, x: float, y: float) -> None:
    for color, width, radius in (("#000", 4, MARK_RADIUS + 1), (COLORS[kind], 2, MARK_RADIUS)):
        if kind in (record_view.BOX, record_view.SIDE):
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


def _draw_legend(draw: ImageDraw.ImageDraw, records: Sequence[Drawn]) -> None:
    """What the shapes mean that these records have, at the right end of the title."""
    kinds = {mark.kind for drawn in records for mark in record_view.marks_of(drawn.record)}
    for drawn in records:
        for line in drawn.box.lines if drawn.box else ():
            kinds.add(record_view.SIDE if line.measured else record_view.BOX)
    legend = [(kind, name) for kind, name in record_view.NAMES.items() if kind in kinds]
    font = _font(FONT_SIZE)
    left = WIDTH - MARGIN - sum(60 + font.getlength(name) for _, name in legend)
    for kind, name in legend:
        _draw_mark(draw, kind, left + 16, MARGIN + LINE / 2 - 2)
        draw.text((left + 38, MARGIN - 3), name, QUIET, font)
        left += 60 + font.getlength(name)


def _cell_width() -> int:
    return (WIDTH - MARGIN * (COLUMNS + 1)) // COLUMNS


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: the same on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    # Plain layout: the same with and without the optional libraries of Pillow.
    return ImageFont.truetype(str(_FONTS / name), size, layout_engine=ImageFont.Layout.BASIC)
