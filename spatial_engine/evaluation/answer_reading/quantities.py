"""Quantities that a text names: numbers with their units, signs and parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from spatial_engine.evaluation.answer_reading.units import (
    DEGREE,
    GLUED_TOKEN,
    MM,
    OF_IMAGES,
    TOKEN,
    UNSURE,
    Unit,
    read_number,
    unit_behind,
)

MAX_QUANTITIES = 200  # in one place; who names more answers with none
BARE = ""  # the measure of a number that has no unit


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, from `start` to `end` of a text; in millimetres or degrees where
    `measure` says so. `value` is None where the text cannot be read as one; `step` is what the
    last digit counts. `counted`: a small number of things ("2 eyes"), an axis or a pixel."""

    value: Fraction | None
    measure: str
    factor: Fraction
    step: Fraction
    start: int
    end: int
    counted: bool = False
    ambiguous: str = ""  # the mark that may group or divide the digits


_REFERENCE = re.compile(  # numbers that name images, steps, points
    r"\b(?:(?:image|picture|view|photo|img|fig(?:ure)?\.?|bild|imagen|frame|step|dot|point|option|"
    r"camera|position|method|task|question|case|room|scene)(?:s[\s-]*\d{1,3}\s?(?:and|to|&|,|-|or)"
    r"\s?|s?[\s_#-]*)\d{1,3}(?:\s?(?:and|to|&|or)\s?\d{1,3})?)(?![.,]?\d|\s?(?:mm|cm|m|km|in|ft|deg|rad|(?:met|mill|cent|inch)\w*|fee?t|foot)\b|\s?°)"
    r"|(?:图像?|图片|圖像?|圖片|第|画像|이미지|사진)\s?-?\s?\d{1,3}(?![.,]?\d)(?!\s?(?:毫|厘|米|度))"
    r"|\b\d{1,2}(?:D|d|st|nd|rd|th)\b",
    re.IGNORECASE,
)
_ASIDE = re.compile(  # how sure the model is
    r"(?:\b(?:confidence|certainty|probability|score|rating)|置信度|信心|可信度|확신도?|信頼度)\b"
    r"[^\d\n]{0,20}(?:\d{1,2}(?:\.\d+)?|100)(?![\d,.]*\d)\s?%?(?:\s?/\s?\d+)?",
    re.IGNORECASE,
)
_NUMBER = r"\d{1,18}(?:[.,]\d{1,18})*"
_PLUS_MINUS = re.compile(rf"(?<=[\w\"'°) ])(?:\(\s?)?(?:±|\+\s?/?\s?-)\s?{_NUMBER}")
_ERROR = re.compile(
    r"(?:\b(?:error|uncertain\w*|margin|tolerance|accuracy|accurate|precision|give or take|"
    r"plus or minus|plus/minus|within|deviation)|误差|誤差|오차)"
    rf"[^\d\n;()]{{0,24}}{_NUMBER}(?!\d)",
    re.IGNORECASE,
)
_SUM = re.compile(r"[\d√(][\d\s.,+\-*/^()√mc°~]{0,100}[=≈]|√[\d\s.,+\-*/^()√mc°]{0,100}~")
_OPERATOR = re.compile(r"\d[^=]*?[*/^+-][ ]?[\d√(]|√")
_SLASH = re.compile(r"[ ]?/[ ]?(?=\d)")
_MINUS = re.compile(r"(?:\b(?:minus|negative)|负|負|マイナス|마이너스)[ ]?$", re.IGNORECASE)
_SCALED = {"thousand", "hundred", "million", "dozen", "k", "hundreds", "thousands", "tens", "half"}
_SCALED_EAST = re.compile(r"[ ]?[百千万萬億点點半多几幾数]|[ ]?[백천만]")
_PLURAL = re.compile(r"(?!(?:is|was|as|this|thus|plus|its|towards|across|always|perhaps|versus)$)"
                     r"[a-z]{2,}s$|people$")  # fmt: skip
_AXIS = re.compile(r"\b[xyzuv][ ]?[=:][ ]?[-+]?[ ]?$", re.IGNORECASE)
_GLUE = re.compile(r"[ ]{0,2}(?:(?:and|,) )?")


def without_asides(text: str) -> str:
    """The text without numbers that measure nothing: of images, errors, sums."""
    text = _ASIDE.sub(" ", _REFERENCE.sub(" it ", text))
    text = _ERROR.sub(" ", _plus_minus(text))
    if "=" in text or "≈" in text or "√" in text:
        text = _SUM.sub(lambda sum_: " =" if _OPERATOR.search(sum_[0]) else sum_[0], text)
    return text


def _plus_minus(text: str) -> str:
    """`1200 ± 50 mm` as `1200 mm`, `1200 mm ± 50 mm` as `1200 mm`."""
    parts, begin = [], 0
    for found in _PLUS_MINUS.finditer(text):
        before = text[max(0, found.start() - 24) : found.start()].rstrip()
        if not before or not (before[-1].isdigit() or re.search(r"\d[^\d.;]{1,14}$", before)):
            continue
        unit = unit_behind(text, found.end())
        end = found.end()
        if isinstance(unit, Unit) and (unit.measure in OF_IMAGES or not before[-1].isdigit()):
            end = unit.end
        if found[0].startswith("("):
            end += text[end : end + 2].strip() == ")" and text.index(")", end) - end + 1
        parts.append(text[begin : found.start()])
        begin = end
    return "".join([*parts, text[begin:]])


def quantities(text: str) -> Iterator[Quantity]:
    """All quantities of a text, in its order; `1 m 20 cm` and `3'11"` are one."""
    before: Quantity | None = None
    for found in _simple_quantities(text):
        if before is not None:
            merged = _compound(before, found, text)
            if merged is None:
                yield before
            found = merged or found
        before = found
    if before is not None:
        yield before


def _simple_quantities(text: str) -> Iterator[Quantity]:
    before = Unit(BARE, Fraction(1))
    for token in _tokens(text):
        number, unit = read_number(token), unit_behind(text, token.end())
        word = unit if isinstance(unit, str) else ""
        unit = unit if isinstance(unit, Unit) else Unit(BARE, Fraction(1), token.end())
        value, step = (number.value, number.step) if number else (None, Fraction(1))
        if number and not is_plain(number.comma, number.ambiguous, unit):
            value = None
        if word and (text[token.end()] != " " or word in _SCALED | {UNSURE}):
            value = None  # 12x, 1.2 thousand
        if _SCALED_EAST.match(text, token.end()) or (
            _in_sum(text, token, unit.end) and not _is_repeated(text, token, before, unit)
        ):
            value = None
        before = unit
        sign = _sign(text, token.start())
        if value is not None:
            value = None if sign is None else sign * value * unit.factor
        small = number is not None and number.value < 100 and number.value.denominator == 1
        counted = bool(word and small and _PLURAL.match(word)) or bool(
            _AXIS.search(text[max(0, token.start() - 12) : token.start()])
        )
        yield Quantity(value, unit.measure, unit.factor, step * unit.factor, token.start(),
                       unit.end, counted, number.ambiguous if number else "")  # fmt: skip


def _tokens(text: str) -> Iterator[re.Match[str]]:
    """The numbers of a text, with those that a unit is glued to: 1m20cm."""
    position = 0
    while token := TOKEN.search(text, position):
        yield token
        position = token.end()
        unit = unit_behind(text, position)
        while (
            isinstance(unit, Unit)
            and unit.measure not in OF_IMAGES
            and (token := GLUED_TOKEN.match(text, unit.end))
        ):
            yield token
            position = token.end()
            unit = unit_behind(text, position)


def is_plain(comma: bool, ambiguous: str, unit: Unit) -> bool:
    """Whether a number says the same everywhere: 1,200 m and 1.200 mm do not, nor does a 1,2."""
    if comma:
        return unit.measure != BARE
    if ambiguous == ",":
        return unit.measure != MM or unit.factor < 300
    return ambiguous != "." or unit.measure != MM or unit.factor > 1


def _in_sum(text: str, token: re.Match[str], end: int) -> bool:
    """Whether a number is a part of a product, a sum or a quotient."""
    before = text[max(0, token.start() - 3) : token.start()].rstrip()
    behind = text[end : end + 3].lstrip()
    return (
        before[-1:] in tuple("*/^√π") or before.endswith("√(")
        or (behind[:1] in tuple("*/^π") and not behind.startswith("**"))
        or re.match(r"[+][ ]?\d|[xX][ ]?\d", behind) is not None
    )  # fmt: skip


def _is_repeated(text: str, token: re.Match[str], before: Unit, unit: Unit) -> bool:
    """Whether a slash beside a quantity stands between it and one of the same measure: 1 m / 1 yd,
    which is no quotient. What they say is compared later."""
    if unit.measure not in (MM, DEGREE):
        return False
    if before.measure == unit.measure and text[before.end : token.start()].strip() == "/":
        return True
    if not (slash := _SLASH.match(text, unit.end)):
        return False
    behind = TOKEN.match(text, slash.end())
    other = unit_behind(text, behind.end()) if behind else None
    return isinstance(other, Unit) and other.measure == unit.measure


def _sign(text: str, start: int) -> int | None:
    """1 or -1 for the number that starts there; None where a dash may be a minus or none."""
    near = text[max(0, start - 16) : start]
    if _MINUS.search(near):
        return -1
    bare = near.rstrip(" ")
    if bare[-1:] == "±":
        return None
    if bare[-1:] not in ("-", "+"):
        return 1
    value, apart = (-1 if bare[-1] == "-" else 1), len(bare) < len(near)
    front = bare[:-1].rstrip(" ")
    spaced, last = len(front) < len(bare) - 1, front[-1:]
    if last in ("-", "+"):
        return None
    if (last == "" and start <= 16) or last == "\n":
        line = text[start : start + 80].split("\n", 1)[0]
        return (
            value if not apart or len(re.findall(r"\d+(?:[.,]\d+)*", line)) > 1 else None
        )  # or a bullet
    if last.isdigit() or last in (")", "]", "°", "%", '"', "'"):
        return value if spaced and not apart else 1  # `1 -2 3` but `10 - 20`, `10-20`
    if last.isascii() and last.isalpha():
        if (spaced and not apart) or re.search(r"\b(?:is|of|by|be|to|at)$", front):
            return value
        return None
    return value


def _compound(first: Quantity, second: Quantity, text: str) -> Quantity | None:
    """`1 m 20 cm` as one quantity, or what cannot be one for sure: `1 m 20`."""
    gap = text[first.end : second.start]
    if first.measure not in (MM, DEGREE) or not _GLUE.fullmatch(gap):
        return None
    factor = second.factor
    if first.measure == DEGREE and text[second.end - 1 : second.end] in ("'", '"'):
        factor = Fraction(1, 60 if text[second.end - 1] == "'" else 3600)
    elif second.measure == BARE and gap == "":
        return replace(first, value=None, end=second.end)
    elif second.measure != first.measure or factor >= first.factor:
        return None
    if first.value is None or second.value is None or second.value < 0:
        return None
    small = second.value / second.factor * factor
    if (first.value / first.factor).denominator != 1 or small >= first.factor:
        return None
    value = first.value + (small if first.value >= 0 else -small)
    return Quantity(value, first.measure, factor, second.step / second.factor * factor,
                    first.start, second.end)  # fmt: skip
