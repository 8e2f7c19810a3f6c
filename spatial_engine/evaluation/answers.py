"""What a model answered, read from its text.

The answer is looked for, in this order, and the first that can be read is taken (SPEC 11):

1. spans between double (or more) backticks, the last one first;
2. spans between single backticks, the last one first;
3. the text outside all backticks (the stated fallback):
   - word: the only one of the possible words in it, or else in its last line;
   - letter: the same with capital letters that stand alone; "A" as an article is none;
   - number: the last one with a unit, or else the last one; `Image-2` is no number;
   - vector, coordinates: the last pair of brackets with so many numbers, or else all numbers.

What a model thinks aloud before `</think>` is not its answer. Numbers may have a sign, thousands
separators (1,234), decimals, an exponent and a unit (mm, cm, m, in, ft; degrees), which is heeded:
`1.2 m` is 1200 where millimetres are asked. Numbers are kept exact, so that a bound is a bound.
"""

from __future__ import annotations

import re
from fractions import Fraction

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
_DOUBLE = re.compile(r"`{2,}(.+?)`{2,}", re.DOTALL)
_SINGLE = re.compile(r"`([^`]+)`")
_IMAGE_NUMBER = re.compile(r"\b(?:images?|frames?|pictures?|views?)[\s-]*\d+", re.IGNORECASE)
# A sign is one when nothing stands before it that it could be a hyphen or a minus of; digits are a
# number when they are no part of a word, of a longer number or of one with a decimal comma.
_SIGN = r"(?:(?<![\w.)\]])[-+])?(?<![\w.])"
_DECIMALS = r"(?:\.\d{1,18})?(?:[eE][-+]?\d{1,2})?"
_PLAIN = r"(?:\d{1,18}|(?=\.\d))"
_END = rf"(?![\d.]*\d)(?:\s?({_UNIT})(?![A-Za-z])|(?![A-Za-z]))"
_GROUPED = re.compile(
    rf"({_SIGN}(?<!\d,)(?:\d{{1,3}}(?:,\d{{3}})+|{_PLAIN}){_DECIMALS})(?!,\d){_END}"
)
_SEPARATE = re.compile(rf"({_SIGN}{_PLAIN}{_DECIMALS}){_END}")
_BRACKETS = re.compile(rf"[\[(<{{]([^\[\](){{}}<>]*)[\])>}}](?:\s?({_UNIT})(?![A-Za-z]))?")
_ANNOUNCED = re.compile(
    r"\b(?:option|answer|choice|letter|point|dot)(?: is)?[\s:*(]{1,4}([a-z])\b", re.IGNORECASE
)
_ARTICLE = re.compile(r"\bA(?= [a-z])")  # "A chair ..." speaks of a chair, unless announced


def read_answer(text: str, subtask: Subtask) -> Answer | None:
    """The answer in a model's text: a word, a letter in capitals, or numbers; None for none."""
    text = text[-MAX_CHARACTERS:].rsplit("</think>", 1)[-1]
    text = text.translate({0x2212: "-", 0x2013: "-", 0xA0: " ", 0x202F: " "})
    text = _IMAGE_NUMBER.sub(" ", text)
    spans = [*reversed(_DOUBLE.findall(text)), *reversed(_SINGLE.findall(_DOUBLE.sub(" ", text)))]
    for span in spans:
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
    numbers = _numbers(_GROUPED, span, subtask)
    asked = {value for value, unit in numbers if _unit(unit) == subtask.unit}  # `4 ft (1219 mm)`
    values = asked or {value for value, _ in numbers}
    return (values.pop(),) if len(values) == 1 else None


def _read_loose(text: str, subtask: Subtask) -> Answer | None:
    """The answer in running text."""
    if subtask.options:
        lines = text.strip().splitlines() or [""]
        return _option(text, subtask) or _option(lines[-1], subtask)
    wanted = NUMBERS_WANTED[subtask.answer]
    if wanted > 1:
        return _read_vector(text, subtask, wanted)
    numbers = _numbers(_GROUPED, text, subtask)
    numbers = [(value, unit) for value, unit in numbers if unit] or numbers
    return (numbers[-1][0],) if numbers else None


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
            numbers = _numbers(pattern, inside, subtask)
            if len(numbers) == wanted:
                units = {unit for _, unit in numbers if unit}
                shared = _factor(numbers[-1][1], subtask) if len(units) == 1 else 1
                return tuple(
                    value if unit else value * (shared if units else factor)
                    for value, unit in numbers
                )
    return None


def _numbers(pattern: re.Pattern[str], text: str, subtask: Subtask) -> list[tuple[Fraction, str]]:
    """(value in the subtask's unit, unit as spelled) of all numbers in a text."""
    return [
        (Fraction(number.replace(",", "")) * _factor(unit, subtask), unit)
        for number, unit in pattern.findall(text)
    ]


def _factor(spelled: str, subtask: Subtask) -> Fraction | int:
    """What a number with this unit is to be multiplied by; 1 where the unit is not told or odd."""
    return _MM.get(_unit(spelled), 1) if subtask.unit == "mm" else 1


def _unit(spelled: str) -> str:
    """The unit that is spelled so; an empty text for none."""
    return next((unit for form, unit in _UNITS.items() if re.fullmatch(form, spelled)), "")
