"""How texts name the sides of a thing: height, length, width, which are x, y, z of an answer."""

from __future__ import annotations

import re
from itertools import islice, pairwise

from spatial_engine.evaluation.answer_reading.quantities import MAX_QUANTITIES
from spatial_engine.evaluation.answer_reading.vector_candidates import Naming

_SIDES = {
    "x": r"height|tall|high|h|高度?|높이|高さ",
    "y": r"length|long|l|长度?|長度?|길이|長さ",
    "z": r"width|wide|breadth|broad|w|宽度?|寬度?|너비|폭|幅",
    "other": r"depth|deep|thick(?:ness)?|diameter|diagonal|d|深度?|깊이|奥行き?",
}
_NAMES = re.compile(
    "|".join(
        rf"(?P<{axis}>(?<![A-Za-z])(?:{names})(?![A-Za-z]))" for axis, names in _SIDES.items()
    ),
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\s?(?:,|[*xX/;&]|by\b|and\b|then\b)\s?(?:and\s|the\s)?")


def sides_named(text: str) -> list[str]:
    """The axes of the sides that a text names, "?" for a side that is not asked for."""
    return [_axis(found) for found in _NAMES.finditer(text)]


def without_names(text: str) -> str:
    """A text without the names of sides."""
    return _NAMES.sub(" ", text)


def tells_other_order(text: str) -> bool:
    """Whether a text lists sides in another order than height, length, width: "L x W x H"."""
    run = ""
    named = list(islice(_NAMES.finditer(text), MAX_QUANTITIES))
    for before, found in pairwise(named):
        joined = _BETWEEN.fullmatch(text[before.end() : found.start()])
        run = (run or _axis(before)) + _axis(found) if joined else ""
        if run and not "xyz".startswith(run):
            return True
    return False


def _axis(found: re.Match[str]) -> str:
    return "?" if found["other"] else str(found.lastgroup)


SIZES = Naming(sides_named, directed=False)
