"""What a model answered, read from its text.

The answer is looked for, in this order, and the first that can be read is taken (SPEC 11):

1. spans between double (or more) backticks, the last one first;
2. spans between single backticks, the last one first;
3. the text outside all backticks (the stated fallback):
   - word: the only one of the possible words in it, or else in its last line;
   - letter: the same with capital letters that stand alone; an "A" that opens a sentence as an
     article is none, one that is spoken of ("A is closer than B") is a letter;
   - number: the last one with a unit, or else the last one; `Image-2` is no number;
   - vector, coordinates: the last pair of brackets with so many numbers, or else all numbers.

What a model thinks aloud before `</think>` is not its answer. Numbers may have a sign, thousands
separators (1,234), decimals, an exponent and a unit (mm, cm, m, in, ft; degrees), which is heeded:
`1.2 m` is 1200 where millimetres are asked. Numbers are kept exact, so that a bound is a bound.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from spatial_engine.utils.subtasks import COORDINATES, LETTER, NAMED_POINT, NUMBER, VECTOR, Subtask

Answer = str | tuple[Fraction, ...]

MAX_CHARACTERS = 100_000  # of a prediction; the end is kept, where answers stand
NUMBERS_WANTED = {NUMBER: 1, VECTOR: 3, COORDINATES: 2, NAMED_POINT: 2}
_MM = {"mm": 1, "cm": 10, "m": 1000, "in": Fraction("25.4"), "ft": Fraction("304.8")}
_UNITS = {  # spelled -> unit
    r"mms?|millimet(?:er|re)s?": "mm",
    r"cms?|centimet(?:er|re)s?": "cm",
    r"m|met(?:er|re)s?": "m",
    r"inch|inches": "in",  # "in" is a word far more often
    r"ft|feet|foot": "ft",
    r"deg|degrees?|°": "degree",
}
_UNIT = "|".join(f"(?:{spelled})" for spelled in _UNITS)
# A unit right behind the backticks belongs to what is between them: `1.2` m.
_UNIT_BEHIND = rf"(?:\s?({_UNIT})(?![A-Za-z]))?"
_DOUBLE = re.compile(rf"`{{2,}}(.+?)`{{2,}}{_UNIT_BEHIND}", re.DOTALL)
_SINGLE = re.compile(rf"`([^`]+)`{_UNIT_BEHIND}")
_IMAGE_NUMBER = re.compile(  # the images of a question are numbered 1 and 2
    r"\b(?:image|frame|picture|view)(?:s[\s-]*\d\s*(?:and|to|&|,)\s*|s?[\s-]*)\d(?![.,]?\d)",
    re.IGNORECASE,
)
_SPELLINGS = str.maketrans(  # of minus signs and of spaces
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-")
    | dict.fromkeys("\xa0\u2009\u202f", " ")
)
# A sign is one when nothing stands before it that it could be a hyphen or a minus of; digits are a
# number when they are no part of a word, of a longer number or of one with a decimal comma.
_SIGN = r"(?:(?<![\w.)\]])[-+])?(?<![\w.])"
_DECIMALS = r"(?:\.\d{1,18})?(?:[eE][-+]?\d{1,2})?"
_PLAIN = r"(?:\d{1,18}|(?=\.\d))"
_END = rf"(?![\d.]*\d)(?:\s?({_UNIT})(?![A-Za-z])|(?![A-Za-z]))"
_GROUPED = re.compile(
    rf"({_SIGN}(?<!\d,)(?:\d{{1,3}}(?:,\d{{3}}){{1,5}}|{_PLAIN}){_DECIMALS})(?!,\d){_END}"
)
_SEPARATE = re.compile(rf"({_SIGN}{_PLAIN}{_DECIMALS}){_END}")
_BRACKETS = re.compile(rf"[\[(<{{]([^\[\](){{}}<>]*)[\])>}}](?:\s?({_UNIT})(?![A-Za-z]))?")
_ANNOUNCED = re.compile(
    r"(?i:\b(?:option|answer|choice|letter|point|dot)(?: is)?[\s:*(]{1,4})"
    r"([A-Zb-z]\b|a\b(?! [a-z]))"  # "the point is a corner" announces nothing
)
_ARTICLE = re.compile(  # opens a sentence: "A chair ...", but not "A is closer ..."
    r"(?:^|[.!?:\n])\s{0,3}A(?= [a-z])(?! (?:is|was|has|and|or|in|at|on|lies|appears|seems|looks|"
    r"matches|corresponds|because|since|as|than|would|must)\b)"
)


def read_answer(text: str, subtask: Subtask) -> Answer | None:
    """The answer in a model's text: a word, a letter in capitals, or numbers; None for none."""
    text = text[-MAX_CHARACTERS:].rsplit("</think>", 1)[-1]
    text = _IMAGE_NUMBER.sub(" ", text.translate(_SPELLINGS))
    spans = [*reversed(_DOUBLE.findall(text)), *reversed(_SINGLE.findall(_DOUBLE.sub(" ", text)))]
    for span, unit in spans:
        span = span if subtask.options else f"{span} {unit}"
        if (found := _read_span(span, subtask)) is not None:
            return found
    return _read_loose(_SINGLE.sub(" ", _DOUBLE.sub(" ", text)), subtask)


def _read_span(span: str, subtask: Subtask) -> Answer | None:
    """The answer in what stands between backticks, which is little more than the answer."""
    if subtask.options:
        return _option(span, subtask)
    wanted = NUMBERS_WANTED[subtask.answer]
    if wanted > 1:
        return _read_vector(span, subtask, wanted)
    numbers = _GROUPED.findall(span)
    asked = [(number, unit) for number, unit in numbers if _unit(unit) == subtask.unit]
    values = {_value(number, unit, subtask) for number, unit in asked or numbers}
    return (values.pop(),) if len(values) == 1 else None  # of `4 ft (1219 mm)` what was asked


def _read_loose(text: str, subtask: Subtask) -> Answer | None:
    """The answer in running text."""
    if subtask.options:
        lines = text.strip().splitlines() or [""]
        return _option(text, subtask) or _option(lines[-1], subtask)
    wanted = NUMBERS_WANTED[subtask.answer]
    if wanted > 1:
        return _read_vector(text, subtask, wanted)
    numbers = _GROUPED.findall(text)
    numbers = [(number, unit) for number, unit in numbers if unit] or numbers
    return (_value(*numbers[-1], subtask),) if numbers else None


def _option(text: str, subtask: Subtask) -> str | None:
    """The option that a text is, or the only one that it names."""
    bare = text.strip(" \t\r\n.,;:!()[]'\"*").casefold()
    for option in subtask.options:
        if option.casefold() == bare:
            return option
    if subtask.answer == LETTER:
        named = set(re.findall(r"\b[A-Z]\b", _ARTICLE.sub(" ", text)))
        named |= {letter.upper() for letter in _ANNOUNCED.findall(text)}
    else:
        named = set(re.findall(r"[a-z]+", text.casefold()))
    found = named.intersection(subtask.options)
    return found.pop() if len(found) == 1 else None


def _read_vector(text: str, subtask: Subtask, wanted: int) -> tuple[Fraction, ...] | None:
    """So many numbers: those of the last brackets that hold as many, or else of the whole text.

    A comma between them separates, unless thousands separators alone make the number right.
    """
    groups = [(inside, _factor(unit, subtask)) for inside, unit in _BRACKETS.findall(text)]
    for inside, factor in [*reversed(groups), (text, 1)]:
        for pattern in (_SEPARATE, _GROUPED):
            numbers = pattern.findall(inside)
            if len(numbers) == wanted:
                units = {unit for _, unit in numbers if unit}
                shared = _factor(numbers[-1][1], subtask) if len(units) == 1 else 1
                return tuple(
                    _value(number, unit, subtask) * (1 if unit else shared if units else factor)
                    for number, unit in numbers
                )
    return None


def _value(number: str, unit: str, subtask: Subtask) -> Fraction:
    """A number with the unit that is spelled so, in the subtask's unit."""
    return Fraction(number.replace(",", "")) * _factor(unit, subtask)


def _factor(spelled: str, subtask: Subtask) -> Fraction | int:
    """What a number with this unit is to be multiplied by; 1 where the unit is not told or odd."""
    return _MM.get(_unit(spelled), 1) if subtask.unit == "mm" else 1


@lru_cache
def _unit(spelled: str) -> str:
    """The unit that is spelled so; an empty text for none."""
    return next((unit for form, unit in _UNITS.items() if re.fullmatch(form, spelled)), "")
