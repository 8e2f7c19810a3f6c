"""Contact sheets: records side by side in one picture, with their images, points,
boxes and texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageColor, ImageDraw, ImageFont

from spatial_engine.errors import BadDataError
from spatial_engine.report import record_view
from spatial_engine.report.frames_view import Choice, Note, choices_of, notes_of
from spatial_engine.report.gather import Drawn
from spatial_engine.report.pictures.looks import COLORS, GROUND, INK, OBJECT_COLORS, QUIET, font
from spatial_engine.report.pictures.overlay import (
    draw_frame,
    draw_lines,
    draw_mark,
    draw_marks,
    draw_names,
)
from spatial_engine.report.pictures.thumbnails import open_image
from spatial_engine.report.plans.plan import Plan, draw_plan
from spatial_engine.utils.pictures import drawing
from spatial_engine.utils.questions.tasks import TASKS

WIDTH = 1640  # pixels of a sheet: a screen, or a page at 200 dots per inch
COLUMNS = 2  # records beside each other
MARGIN, GAP = 24, 8  # pixels around a record, between its images
MAX_HEIGHT = 320  # pixels of an image in it
FONT_SIZE, LINE = 17, 23  # pixels
MAX_LINES = {
    "question": 9,
    "answer": 3,
    "value": 2,
    "choices": 4,
}  # what is longer ends in an ellipsis
PLAN_WIDTH = 320  # pixels of a plan at most
MAX_PER_ROW = 5  # images of a record beside each other; more stand in several rows
SMALL, SMALL_LINE = 14, 18  # pixels: of captions
# A ring around a dot that is in the picture, and its letter: pixels at least, and of the image.
RING, RING_REACH = 14, 42
ANSWER, WARNING = "#0b6b3a", "#b3261e"  # of texts


def draw_sheet(title: str, records: Sequence[Drawn]) -> tuple[Image.Image, list[str]]:
    """One picture of all records, in `COLUMNS`, and what is wrong with images that are missing."""
    faults: list[str] = []
    cells = [draw_record(drawn, faults) for drawn in records]
    columns = _columns(records)
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) for row in rows]
    top = 2 * MARGIN + LINE
    sheet = Image.new("RGB", (WIDTH, top + sum(heights) + MARGIN * len(rows)), GROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN - 4), title, INK, font(FONT_SIZE + 4, bold=True))
    _draw_legend(draw, records)
    for row, height in zip(rows, heights, strict=True):
        for number, cell in enumerate(row):
            sheet.paste(cell, (MARGIN + number * (_cell_width(columns) + MARGIN), top))
        top += height + MARGIN
    return sheet, faults


def reduce_colors(sheet: Image.Image) -> Image.Image:
    """The sheet in 256 colours: a third of the bytes. Those of texts and marks stay exact."""
    exact = [GROUND, INK, QUIET, ANSWER, WARNING, "#000000", *COLORS.values(), *OBJECT_COLORS]
    few = sheet.reduce(4).quantize(256 - len(exact), Image.Quantize.FASTOCTREE).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette(
        few[: 3 * (256 - len(exact))] + [v for c in exact for v in ImageColor.getrgb(c)]
    )
    return sheet.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)


def draw_record(drawn: Drawn, faults: list[str]) -> Image.Image:
    """Images beside each other, what belongs to them drawn over them, the plan if there is one, and
    below question, answer, value."""
    layout = _layout(drawn)
    pictures = _pictures(drawn, layout, faults)
    plan = _plan(drawn.plan) if isinstance(drawn.plan, Plan) else None
    texts = _texts(drawn, layout.width - (plan.width + MARGIN if plan else 0))
    rows = [pictures[k : k + layout.per_row] for k in range(0, len(pictures), layout.per_row)]
    top = sum(max(picture.height for picture in row) for row in rows) + GAP * (len(rows) - 1)
    height = max(top + LINE * len(texts) + GAP, plan.height if plan else 0)
    cell = Image.new("RGB", (layout.width, height), GROUND)
    y = 0
    for row in rows:
        for number, picture in enumerate(row):
            cell.paste(picture, (number * (layout.share + GAP), y))
        y += max(picture.height for picture in row) + GAP
    if plan:
        cell.paste(plan, (layout.width - plan.width, 0))  # beside the texts, too
    draw = ImageDraw.Draw(cell)
    for number, (text, color, bold) in enumerate(texts):
        draw.text((0, top + GAP + number * LINE), text, color, font(FONT_SIZE, bold))
    return cell


class _Layout(NamedTuple):
    """Pixels: `width` of a record, `share` of each of its images, of which `per_row` stand beside
    each other and none is higher than `height`."""

    width: int
    share: int
    per_row: int
    height: int


def _layout(drawn: Drawn) -> _Layout:
    width, count = _cell_width(_columns([drawn])), len(drawn.image_paths)
    if not TASKS[drawn.record["task"]].of_frames:
        per_row = max(count, 2)
        return _Layout(width, (width - GAP * (per_row - 1)) // per_row, per_row, MAX_HEIGHT)
    num_rows = -(-count // MAX_PER_ROW)
    per_row = max(-(-count // num_rows), 3)
    for_images = width - (PLAN_WIDTH + GAP if isinstance(drawn.plan, Plan) else 0)
    share = (for_images - GAP * (per_row - 1)) // per_row
    return _Layout(width, share, per_row, MAX_HEIGHT)


def _pictures(drawn: Drawn, layout: _Layout, faults: list[str]) -> list[Image.Image]:
    """The images with what is drawn over them, those of many frames with a caption below."""
    record, box = drawn.record, drawn.box
    marks, notes = record_view.marks_of(record), notes_of(record)
    pictures = []
    for number, path in enumerate(drawn.image_paths):
        picture, ring = _picture(path, layout, faults)
        if box:
            draw_lines(picture, [line for line in box.lines if line.image == number])
        here = [mark for mark in marks if mark.image == number]
        draw_marks(picture, here, ring if TASKS[record["task"]].marked else 0)
        if box:
            draw_names(picture, [label for label in box.labels if label.image == number])
        if notes and notes[number].right:
            draw_frame(picture)
        pictures.append(_captioned(picture, number, notes[number], layout) if notes else picture)
    return pictures


def _captioned(picture: Image.Image, number: int, note: Note, layout: _Layout) -> Image.Image:
    """An image with its name and what is told of it below."""
    letters = font(SMALL)
    lines = [f"Image-{number + 1}, frame {note.frame}"]
    lines += wrap(note.fact, layout.share, letters, 2) if note.fact else []
    size = layout.share, picture.height + SMALL_LINE * len(lines) + GAP // 2
    whole = Image.new("RGB", size, GROUND)
    whole.paste(picture)
    draw = ImageDraw.Draw(whole)
    for place, line in enumerate(lines):
        top = picture.height + 2 + place * SMALL_LINE
        color, bold = (INK, True) if place == 0 else (QUIET, False)
        draw.text((0, top), wrap(line, layout.share, letters, 1)[0], color, font(SMALL, bold))
    return whole


def _plan(plan: Plan) -> Image.Image:
    """The plan with its caption, `PLAN_WIDTH` wide and little higher at most."""
    image = draw_plan(plan)
    image.thumbnail((PLAN_WIDTH, PLAN_WIDTH), Image.Resampling.LANCZOS)
    size = image.size
    lines = wrap(plan.caption, PLAN_WIDTH, font(SMALL), 2)
    whole = Image.new("RGB", (PLAN_WIDTH, size[1] + SMALL_LINE * len(lines)), GROUND)
    whole.paste(image)
    draw = ImageDraw.Draw(whole)
    for place, line in enumerate(lines):
        draw.text((0, size[1] + place * SMALL_LINE), line, QUIET, font(SMALL))
    return whole


def wrap(text: str, width: float, letters: ImageFont.FreeTypeFont, at_most: int) -> list[str]:
    """Lines of a text that are `width` pixels wide at most; a word that is wider is cut."""
    lines: list[str] = []
    for paragraph in text[: int(at_most * width)].split("\n"):  # no letter is under a pixel wide
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}".strip()
            if letters.getlength(longer) <= width:
                line = longer
                continue
            lines += [line] if line else []
            line = word
            while letters.getlength(line) > width:
                fits = max(1, int(len(line) * width / letters.getlength(line)) - 1)
                lines.append(line[:fits])
                line = line[fits:]
            if len(lines) > at_most:
                break
        lines.append(line)
    if len(lines) <= at_most:
        return lines
    last = lines[at_most - 1]
    while last and letters.getlength(f"{last} …") > width:
        last = last[:-1]
    return [*lines[: at_most - 1], f"{last} …"]


def _texts(drawn: Drawn, width: int) -> list[tuple[str, str, bool]]:
    """(text, colour, bold) of each line below the images."""
    record = drawn.record
    said = record_view.question_of(record)
    answer = record_view.spoken_answer(record)
    value = f"gt_value {record_view.value_of(record)}"
    if drawn.facts:
        value += f"   ({', '.join(drawn.facts)})"
    parts = [(record_view.escaped(record["id"]), QUIET, False, 1)]
    parts += [(f"{said.description}\n{said.question}".strip(), INK, False, MAX_LINES["question"])]
    if choices := choices_of(record):
        between = "\n" if any("," in choice.text for choice in choices) else " · "
        parts += [(between.join(map(_choice, choices)), INK, False, MAX_LINES["choices"])]
    parts += [(said.ending, INK, False, MAX_LINES["value"])] if said.ending else []
    parts += [(answer, ANSWER, True, MAX_LINES["answer"])] if answer else []
    parts += [(value, INK, True, MAX_LINES["value"])]
    parts += [(warning, WARNING, True, 1) for warning in drawn.warnings]
    return [
        (line, color, bold)
        for text, color, bold, at_most in parts
        for line in wrap(text, width, font(FONT_SIZE, bold), at_most)
    ]


def _choice(choice: Choice) -> str:
    note = f" ({choice.note})" if choice.note else ""
    return f"{'✓ ' if choice.right else ''}{choice.letter}. {choice.text}{note}"


def _picture(path: Path, layout: _Layout, faults: list[str]) -> tuple[Image.Image, float]:
    """An image scaled to its share, no higher than it may be, and the radius of a ring around a dot
    in it; a grey image where it is missing."""
    width, height = layout.share, layout.height
    try:
        array, own_size = open_image(path, width)
        image = Image.fromarray(array)
    except BadDataError as error:
        faults.append(str(error))
        image = Image.new("RGB", (width, min(height, width) * 2 // 3), "#e0e3e8")
        ImageDraw.Draw(image).text((12, 12), "image not found", QUIET, font(FONT_SIZE))
        return image, RING
    scale = min(width / image.width, height / image.height)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    ring = max(RING, RING_REACH * size[0] / min(own_size[0], drawing.USUAL_WIDTH))
    return image.resize(size, Image.Resampling.LANCZOS), ring


def _draw_legend(draw: ImageDraw.ImageDraw, records: Sequence[Drawn]) -> None:
    """What the shapes mean that these records have, at the right end of the title."""
    kinds = {mark.kind for drawn in records for mark in record_view.marks_of(drawn.record)}
    for drawn in records:
        for line in drawn.box.lines if drawn.box else ():
            if line.number < 0:
                kinds.add(record_view.SIDE if line.measured else record_view.BOX)
        kinds |= {record_view.RIGHT for note in notes_of(drawn.record) if note.right}
    legend = [(kind, name) for kind, name in record_view.NAMES.items() if kind in kinds]
    letters = font(FONT_SIZE)
    left = WIDTH - MARGIN - sum(60 + letters.getlength(name) for _, name in legend)
    for kind, name in legend:
        draw_mark(draw, kind, left + 16, MARGIN + LINE / 2 - 2)
        draw.text((left + 38, MARGIN - 3), name, QUIET, letters)
        left += 60 + letters.getlength(name)


def _columns(records: Sequence[Drawn]) -> int:
    """Records beside each other: those of many frames take the whole width."""
    return 1 if any(TASKS[one.record["task"]].of_frames for one in records) else COLUMNS


def _cell_width(columns: int) -> int:
    return (WIDTH - MARGIN * (columns + 1)) // columns
