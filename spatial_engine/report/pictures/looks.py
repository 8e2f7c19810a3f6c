"""Colours and letters of what is drawn: the same on contact sheets, on plans and on the page."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

from spatial_engine.report import record_view

COLORS = {
    record_view.ASKED: "#00e5ff",
    record_view.ANSWERED: "#ff2fd0",
    record_view.OPTION: "#ffe45c",
    record_view.MATCH: "#ff9a3c",
    record_view.BOX: "#9dff7a",
    record_view.SIDE: "#ff2fd0",
    record_view.RIGHT: "#ff2fd0",
}
# Of the objects of one record, which take turns: unlike those above, seen on images and on paper.
OBJECT_COLORS = (
    "#ff8c1a", "#2a9df4", "#5fb832", "#9b5de5", "#e63946", "#14b8a6", "#c9a227", "#a0522d",
)  # fmt: skip
GROUND, INK, QUIET = "#ffffff", "#1b1f26", "#5d6673"
_FONTS = Path(matplotlib.get_data_path()) / "fonts/ttf"


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: the same on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    # Plain layout: the same with and without the optional libraries of Pillow.
    return ImageFont.truetype(str(_FONTS / name), size, layout_engine=ImageFont.Layout.BASIC)
