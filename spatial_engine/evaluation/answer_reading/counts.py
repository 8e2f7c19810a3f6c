"""What a text gives for a number of things: digits, or a small number in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from spatial_engine.evaluation.answer_reading.number_candidates import (
    NEGATED,
    UNREADABLE,
    Candidate,
    number_candidates,
)
from spatial_engine.evaluation.answer_reading.places import Place
from spatial_engine.evaluation.answer_reading.quantities import BARE

VALUES = {  # of words; "one" is said of too much else, and is no count to ask for
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
}  # fmt: skip
_SHOWING = (
    r"(?:(?:different|separate|given|other|of the|consecutive|adjacent)\s)*"
    r"(?:images?|frames?|views?|pictures?|photos?|viewpoints?|perspectives?|shots?|times|pairs?)\b"
)
_NUMBER = rf"(?:\d{{1,3}}|{'|'.join(VALUES)})"
_OF_IMAGES = re.compile(  # numbers of images and of turns, not of things
    rf"\b{_NUMBER}(?:\s?(?:to|-|or|and)\s?{_NUMBER})?[\s-]{_SHOWING}", re.IGNORECASE
)
_WORD = re.compile(rf"(?<![A-Za-z0-9_-])(?:{'|'.join(VALUES)})(?![A-Za-z0-9_-])", re.IGNORECASE)
_BOUND = re.compile(
    r"\b(?:at least|at most|(?:more|less|fewer|greater) than|over|under|up to|between|from|about "
    r"half|maybe|perhaps)\s$|-$",
    re.IGNORECASE,
)
_OPEN_ENDED = re.compile(r"\s?(?:or (?:more|fewer|less|so)\b|\+|to\s|or\s|-)", re.IGNORECASE)
_IN_ONE_IMAGE = re.compile(  # 2 chairs in Image-1: a part of what is asked for
    rf"\b{_NUMBER}(?:\s[A-Za-z]+){{0,3}}?\sin\s(?:the\s)?"
    r"(?:(?:image|frame|view|picture|photo)\b|first|second|third|fourth|last|each)",
    re.IGNORECASE,
)
_NO_THING = "in|of|to|from|on|at|are|is|or|and|by|as|if|with|for|but|plus|more|per"
_ONLY = re.compile(
    rf"\W*(?:there are |it is |exactly )?{_NUMBER}(?:\s(?!(?:{_NO_THING})\b)[A-Za-z]+){{0,3}}\W*",
    re.IGNORECASE,
)


def count_candidates(place: Place) -> list[Candidate]:
    """The candidates of a place for a number of things; one that can be none is unreadable."""
    text = _OF_IMAGES.sub(" it ", place.text)
    digits = number_candidates(replace(place, text=text), BARE, elsewhere=False, counted=True)
    parts = [UNREADABLE] if _IN_ONE_IMAGE.search(place.text) else []
    return [*parts, *(_whole(candidate) for candidate in (*digits, *_in_words(text)))]


def is_only_count(place: Place) -> bool:
    """Whether a place holds nothing but a number, and what it is of."""
    return bool(_ONLY.fullmatch(place.text)) and not _OF_IMAGES.search(place.text)


def _in_words(text: str) -> Iterator[Candidate]:
    for found in _WORD.finditer(text):
        before = re.split(r"[.,;:(\n]", text[max(0, found.start() - 60) : found.start()])[-1]
        bound = _BOUND.search(text[max(0, found.start() - 20) : found.start()])
        unsure = NEGATED.search(before) or bound or _OPEN_ENDED.match(text, found.end())
        value, one = Fraction(VALUES[found[0].lower()]), (Fraction(1),)
        yield UNREADABLE if unsure else Candidate((value,), one, one)


def _whole(candidate: Candidate) -> Candidate:
    if candidate.values is None:
        return candidate
    (value,) = candidate.values
    return candidate if value >= 0 and value.denominator == 1 else UNREADABLE
