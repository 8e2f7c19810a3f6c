"""Contact sheets: records side by side in one picture, with their images, points and texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageColor, ImageDraw, ImageFont

from spatial_engine.errors import BadDataError
from spatial_engine.report import record_view
from spatial_engine.report.gather import Drawn
from spatial_engine.report.thumbnails import open_image

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
}
RADIUS = 9  # pixels of a mark
GROUND, INK, QUIET, ANSWER, WARNING = "#ffffff", "#1b1f26", "#5d6673", "#0b6b3a", "#b3261e"
LEGEND = (
    (record_view.ASKED, "asked"),
    (record_view.ANSWERED, "answer, or where it is in Image-2"),
    (record_view.OPTION, "other option"),
)
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
    if any(record_view.marks_of(drawn.record) for drawn in records):
        _draw_legend(draw)
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
    marks = record_view.marks_of(record)
    count = len(drawn.image_paths)
    share = (width - GAP * (max(count, 2) - 1)) // max(count, 2)
    pictures = []
    for number, path in enumerate(drawn.image_paths):
        picture = _picture(path, share, faults)
        _draw_marks(picture, [mark for mark in marks if mark.image == number])
        pictures.append(picture)
    lines = _lines(record, width)
    top = max(picture.height for picture in pictures)
    cell = Image.new("RGB", (width, top + LINE * len(lines) + GAP), GROUND)
    for number, picture in enumerate(pictures):
        cell.paste(picture, (number * (share + GAP), 0))
    draw = ImageDraw.Draw(cell)
    for number, (text, color, bold) in enumerate(lines):
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


def _lines(record: dict, width: int) -> list[tuple[str, str, bool]]:
    """(text, colour, bold) of each line below the images."""
    description, question = record_view.question_of(record)
    answer = record_view.answer_of(record)
    value = f"gt_value {record_view.value_of(record)}"
    if facts := record_view.facts_of(record):
        value += f"   ({', '.join(facts)})"
    parts = [(record_view.visible(record["id"]), QUIET, False, 1)]
    parts += [(f"{description}\n{question}".strip(), INK, False, MAX_LINES["question"])]
    parts += [(answer, ANSWER, True, MAX_LINES["answer"])] if answer else []
    parts += [(value, INK, True, MAX_LINES["value"])]
    warnings = record_view.contradictions_of(record)
    parts += [(warning, WARNING, True, 1) for warning in warnings]
    return [
        (line, color, bold)
        for text, color, bold, at_most in parts
        for line in wrap(text, width, _font(FONT_SIZE, bold), at_most)
    ]


def _picture(path: Path, width: int, faults: list[str]) -> Image.Image:
    """An image scaled to a width, no higher than `MAX_HEIGHT`; a grey one where it is missing."""
    try:
        image = Image.fromarray(open_image(path, width)[0])
    except BadDataError as error:
        faults.append(str(error))
        image = Image.new("RGB", (width, MAX_HEIGHT * 2 // 3), "#e0e3e8")
        ImageDraw.Draw(image).text((12, 12), "image not found", QUIET, _font(FONT_SIZE))
        return image
    scale = min(width / image.width, MAX_HEIGHT / image.height)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.LANCZOS)


def _draw_marks(image: Image.Image, marks: Sequence[record_view.Mark]) -> None:
    """Each kind has its shape, with a dark rim, and a dot at the exact place."""
    draw = ImageDraw.Draw(image)
    for mark in marks:
        x = mark.x * image.width / record_view.FULL_SCALE
        y = mark.y * image.height / record_view.FULL_SCALE
        _draw_mark(draw, mark.kind, x, y)
        if mark.label:
            font = _font(FONT_SIZE - 1, bold=True)
            left = x + RADIUS + 4 if x < image.width - 3 * RADIUS else x - 3 * RADIUS
            label = record_view.visible(mark.label)[:8]
            place = (left, y)
            draw.text(place, label, "#fff", font, "lm", stroke_width=2, stroke_fill="#000")


def _draw_mark(draw: ImageDraw.ImageDraw, kind: str, x: float, y: float) -> None:
    for color, width, grow in (("#000", 5, 1.5), (COLORS[kind], 2, 0)):
        radius = RADIUS + grow
        box = (x - radius, y - radius, x + radius, y + radius)
        if kind == record_view.ASKED:
            draw.ellipse(box, outline=color, width=width)
        elif kind == record_view.OPTION:
            inner = 0.7 * radius
            draw.rectangle((x - inner, y - inner, x + inner, y + inner), outline=color, width=width)
        else:
            far = 1.3 * radius
            corners = [(x, y - far), (x + far, y), (x, y + far), (x - far, y)]
            draw.line([*corners, *corners[:2]], color, width, joint="curve")
        dot = 2 + grow / 1.5
        draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=color)


def _draw_legend(draw: ImageDraw.ImageDraw) -> None:
    """What the shapes mean, at the right end of the title."""
    font = _font(FONT_SIZE)
    left = WIDTH - MARGIN - sum(50 + font.getlength(name) for _, name in LEGEND)
    for kind, name in LEGEND:
        _draw_mark(draw, kind, left + 14, MARGIN + LINE / 2 - 2)
        draw.text((left + 32, MARGIN - 3), name, QUIET, font)
        left += 50 + font.getlength(name)


def _cell_width() -> int:
    return (WIDTH - MARGIN * (COLUMNS + 1)) // COLUMNS


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: the same on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    # Plain layout: the same with and without the optional libraries of Pillow.
    return ImageFont.truetype(str(_FONTS / name), size, layout_engine=ImageFont.Layout.BASIC)
