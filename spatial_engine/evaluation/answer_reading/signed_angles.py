"""What a text gives for a signed angle, of which left is positive: by its sign, or in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from spatial_engine.evaluation.answer_reading.number_candidates import (
    UNREADABLE,
    Candidate,
    candidate_of,
    joined,
    told,
)
from spatial_engine.evaluation.answer_reading.places import CONTEXT, Place
from spatial_engine.evaluation.answer_reading.quantities import (
    BARE,
    MAX_QUANTITIES,
    Quantity,
    quantities,
    without_asides,
)
from spatial_engine.evaluation.answer_reading.units import DEGREE
from spatial_engine.evaluation.answer_reading.word_candidates import direction_pattern

_COUNTER = r"counter-?\s?clockwise|anti-?\s?clockwise|\bccw\b|逆时针|逆時針|反時計回り|반시계"
_TURNS = re.compile(
    rf"(?P<left>{_COUNTER})|(?P<right>clockwise|\bcw\b|顺时针|順時針|時計回り|시계)", re.IGNORECASE
)
_WAY = rf"(?:left|right|{_COUNTER}|clockwise)(?:ward)?s?"
_SIGN = r"(?:positive|negative|plus|minus|\+|-)(?!\s?\d)"
_CONVENTION = re.compile(  # "left is positive", "(negative = right)"
    rf"\b{_WAY}(?:\s(?:turns?|rotations?|values?))?\s?(?:is|are|being|=|:|means?|counts? as|as)\s?"
    rf"{_SIGN}|{_SIGN}(?:\s(?:turns?|rotations?|values?|numbers?|sign))?\s?"
    rf"(?:is|are|being|=|:|means?|for|indicates?|denotes?)\s(?:to the |a |turning )?{_WAY}",
    re.IGNORECASE,
)
_CLAUSE_START = re.compile(
    r"[.;\n。](?=\D)|[,(](?=\s?(?:then|and|but|so|net|total|overall)\b)", re.I
)
_CLAUSE_END = re.compile(
    r"[.;\n。,](?!\d)|\b(?:then|but|because|since|as|while|and)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class _Sides:
    """Which directions a text names."""

    left: bool
    right: bool

    @property
    def sign(self) -> int:
        """1 for left, -1 for right, 0 for neither or both."""
        return self.left - self.right


def signed_candidates(place: Place, elsewhere: bool, whole: str) -> list[Candidate]:
    """The candidates of a place for an angle in degrees, left positive.

    `elsewhere`: the text states another unit than degrees, apart from a number; `whole` is all of
    it: a number without a sign is none where it says "right" and never "left".
    """
    text = without_asides(_CONVENTION.sub(" ", joined(place)))
    named = list(islice(quantities(text), MAX_QUANTITIES + 1))
    if len(named) > MAX_QUANTITIES:
        return [UNREADABLE]
    found = [told(quantity, place, text, DEGREE, elsewhere) for quantity in named]
    found = [quantity for quantity in found if quantity.measure in (DEGREE, BARE)]
    others = [quantity for quantity in found if not quantity.counted]
    return list(_signed(others or found, place, text, _sides(_CONVENTION.sub(" ", whole)).sign))


def _signed(
    found: list[Quantity], place: Place, text: str, sign_of_whole: int
) -> Iterator[Candidate]:
    for quantity in found:
        candidate = candidate_of(quantity, text)
        if candidate.values is None:
            yield candidate
            continue
        (value,) = candidate.values
        if not text[: quantity.start].strip() and place.before.rstrip().endswith("-"):
            yield UNREADABLE  # Answer - 45: a minus, or none
            continue
        explicit = text[: quantity.start].rstrip()[-1:] == "+" or value < 0
        sides = _sides(_clause(quantity, place, text))
        if explicit:
            yield UNREADABLE if value * sides.sign < 0 else candidate
        elif sides.sign:
            yield Candidate((value * sides.sign,), candidate.steps, candidate.factors)
        elif sides.left or (sign_of_whole < 0 and value):
            yield UNREADABLE
        else:
            yield candidate


def _clause(quantity: Quantity, place: Place, text: str) -> str:
    """What is said of a quantity: the clause around it, beyond its place too."""
    before = (place.before + " " if "\n" not in text[: quantity.start] else "") + (
        text[max(0, quantity.start - CONTEXT) : quantity.start]
    )
    behind = text[quantity.end : quantity.end + CONTEXT]
    behind += " " + _CONVENTION.sub(" ", place.after) if "\n" not in behind else ""
    return f"{_CLAUSE_START.split(before)[-1]} # {_CLAUSE_END.split(behind)[0]}"


def _sides(text: str) -> _Sides:
    """The directions that a text names, and those of the clock as seen from above."""
    said = {found.lastgroup for found in _TURNS.finditer(text)}
    rest = _TURNS.sub(" ", text)
    said |= {name for name in ("left", "right") if direction_pattern(name).search(rest)}
    return _Sides("left" in said, "right" in said)
