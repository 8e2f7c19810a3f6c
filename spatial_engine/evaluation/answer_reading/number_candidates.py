"""What a text gives for an answer of one number, and when several numbers are the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

from spatial_engine.evaluation.answer_reading.places import CONTEXT, Place
from spatial_engine.evaluation.answer_reading.quantities import (
    BARE,
    MAX_QUANTITIES,
    Quantity,
    is_plain,
    quantities,
    without_asides,
)
from spatial_engine.evaluation.answer_reading.units import EASTERN, Unit, told_units, unit_behind

MAX_DIFFERENCE = Fraction(5, 100)  # of what is said twice, in two units, and rounded


@dataclass(frozen=True)
class Candidate:
    """Numbers that may be the answer, with the units that they were stated in; None: unreadable."""

    values: tuple[Fraction, ...] | None
    steps: tuple[Fraction, ...] = ()
    factors: tuple[Fraction, ...] = ()


UNREADABLE = Candidate(None)

_BRACKETS = re.compile(r"[\[(<]([^\[\]()<>]{3,200})[\])>]")
_ENTRY = r"\s*(?:[xyz]\s?[=:])?\s*[-+]?[\d.]+"
_LIST = re.compile(rf"{_ENTRY}(?:\s*[,;]{_ENTRY})+\s*")
NEGATED = re.compile(
    r"\b(?:not|never|neither|nor|without|rather than|instead of|wrong|incorrect|cannot|no longer)\b"
    r"|n't\b|不|没有|非|ではな|아니|않",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"(?:\b(?:at least|at most|(?:more|less|greater|fewer|lower|higher|larger|smaller) than|"
    r"(?<!extends )over|under|up to|below|above|exceed(?:s|ing)?|beyond|minimum(?: of)?|"
    r"maximum(?: of)?|between|from)|(?:\b(?:half|third|quarter|twice|double|triple|times|percent)|"
    r"%)(?: (?:of|as))?(?: (?:the|a))?|半|倍|[<>≤≥]=?|至少|最多|超过|超過|不到|少于|大于|"
    r"小于)[ ]?(?:about )?$",
    re.IGNORECASE,
)
_OPEN_ENDED = re.compile(
    r"[ ]?(?:or (?:more|less)\b|\+(?!\s?/?\s?[-\d])|以上|以下|以内|이상|이하)", re.I
)
_BULLET = re.compile(r"^[ ]{0,9}-[ ]{1,4}(?=[~\d.])", re.MULTILINE)
_NAMED = re.compile(  # "Distance - 1200 mm"
    r"\b(distance|movement|displacement|rotation|height|length|width|depth|angle|yaw|pitch|size|total|"
    r"answer|result|estimate)[ ]-[ ](?=[~\d])", re.IGNORECASE,
)  # fmt: skip
_SPELLED = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|"
    r"fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|"
    r"ninety|hundred|thousand|half|quarter|few|several|couple of|zero)(?:[ -]an?)?[ -]"
    r"(?P<unit>millimet\w+|centimet\w+|met(?:er|re)s?|inch(?:es)?|feet|foot|yards?|degrees?|radians?)\b"
    rf"|(?<!\d)(?<!\d )[〇零一二三四五六七八九十百千万两兩半点]{{1,9}}\s?(?P<east>{EASTERN})",
    re.IGNORECASE,
)


def number_candidates(
    place: Place, measure: str, elsewhere: bool, counted: bool = False
) -> list[Candidate]:
    """The candidates of a place for one number of that measure.

    A number without a unit has the one stated near it, or else the asked one, unless another one is
    stated `elsewhere` in the text. Numbers of things count only where there are no others, or where
    they are asked for (`counted`).
    """
    text = _without_dashes(joined(place), opens=not place.before.strip())
    text = without_asides(_without_lists(text))
    named = list(islice(quantities(text), MAX_QUANTITIES + 1))
    if len(named) > MAX_QUANTITIES:
        return [UNREADABLE]
    found = [told(quantity, place, text, measure, elsewhere) for quantity in named]
    found = [quantity for quantity in found if quantity.measure in (measure, BARE)]
    others = [quantity for quantity in found if counted or not quantity.counted]
    spelled = [_spelled(match, measure) for match in _SPELLED.finditer(text)]
    candidates = [candidate_of(quantity, text) for quantity in others or found]
    return candidates + [UNREADABLE for mine in spelled if mine]


def _without_dashes(text: str, opens: bool) -> str:
    """The text without dashes that are bullets, or join a name and its number. Lengths and angles
    are asked without a sign, so that a dash apart from one is no minus there."""
    text = _BULLET.sub(lambda dash: dash[0] if dash.start() == 0 and not opens else "", text)
    return _NAMED.sub(r"\1: ", text)


def joined(place: Place) -> str:
    """The text of a place with the unit that stands right behind its marks."""
    unit = unit_behind(place.after, 0)
    return place.text + (f" {place.after[: unit.end].strip()}" if isinstance(unit, Unit) else "")


def _without_lists(text: str) -> str:
    """The text without brackets that hold two numbers or more, and no sentence: points, vectors."""
    return _BRACKETS.sub(lambda found: " " if _LIST.fullmatch(found[1]) else found[0], text)


def _spelled(match: re.Match[str], measure: str) -> bool:
    unit = unit_behind(match["unit"] or match["east"], 0)
    return isinstance(unit, Unit) and unit.measure == measure


def told(quantity: Quantity, place: Place, text: str, measure: str, elsewhere: bool) -> Quantity:
    """The quantity with the unit that its line states, where it has none of its own."""
    if quantity.measure != BARE or quantity.counted:
        return quantity
    line = text.rfind("\n", 0, quantity.start) + 1
    before = (
        (place.before if line == 0 else "")
        + " "
        + text[max(line, quantity.start - CONTEXT) : quantity.start]
    )
    stop = text.find("\n", quantity.end)
    behind = text[
        quantity.end : quantity.end + CONTEXT if stop < 0 else min(stop, quantity.end + CONTEXT)
    ]
    behind += place.after if stop < 0 else ""
    unit = told_unit(before, behind, elsewhere, measure)
    if unit is None:
        return quantity
    return in_unit(quantity, unit)


def in_unit(quantity: Quantity, unit: Unit) -> Quantity:
    """The quantity without a unit in one; unreadable where the unit makes it so (1,200 m)."""
    value = quantity.value
    if value is not None:
        plain = unit.factor and is_plain(False, quantity.ambiguous, unit)
        value = value * unit.factor if plain else None
    return replace(quantity, value=value, measure=unit.measure, factor=unit.factor,
                   step=quantity.step * unit.factor)  # fmt: skip


def told_unit(before: str, behind: str, elsewhere: bool, measure: str) -> Unit | None:
    """The unit stated for a bare number: the nearest before it, else the first behind it, in its
    line; a factor of 0 where another line states one that may be meant."""
    if told := told_units(before):
        return told[-1][1]
    if told := told_units(behind):
        return told[0][1]
    return Unit(measure, Fraction(0)) if elsewhere else None


def tells_other_unit(text: str, measure: str) -> bool:
    """Whether a text states, apart from a number, another unit than the asked one."""
    return any(unit.measure == measure and unit.factor != 1 for _, unit in told_units(text))


def candidate_of(quantity: Quantity, text: str) -> Candidate:
    clause = re.split(r"[.,;:(\n。](?=\D)", text[max(0, quantity.start - 60) : quantity.start])[-1]
    if (
        quantity.value is None or NEGATED.search(clause) or _BOUND.search(clause)
        or _OPEN_ENDED.match(text, quantity.end)
    ):  # fmt: skip
        return UNREADABLE
    return Candidate((quantity.value,), (quantity.step,), (quantity.factor,))


def is_unclear_list(text: str, start: int, content: str) -> bool:
    """Whether a list is denied, or its first dash may be no minus: "Answer - 1, 2", bullets."""
    clause = re.split(r"[.,;:(\n。](?=\D)", text[max(0, start - 60) : start])[-1]
    joined = content.startswith("- ") and re.search(r"[^\W\d][ ]?$", clause)
    bullets = re.match(r"[ ]?- [^\n]*\n[ ]?- ", content)
    return bool(NEGATED.search(clause) or joined or bullets)


def agreed(candidates: Sequence[Candidate]) -> Candidate | None:
    """The candidate that all others repeat, in the asked unit if it is among them; None: they
    differ. Values in two units may differ by rounding."""
    best = min(
        candidates, key=lambda c: (c.values is None, any(f != 1 for f in c.factors), c.steps)
    )
    same = all(_same(best, other) for other in candidates)
    return best if best.values is not None and same else None


def _same(one: Candidate, other: Candidate) -> bool:
    if one.values is None or other.values is None or len(one.values) != len(other.values):
        return False
    if one.values == other.values:
        return True
    if one.factors == other.factors:
        return False
    bound = MAX_DIFFERENCE * max(abs(value) for value in one.values)
    return all(
        abs(a - b) <= min(bound, max(s, t) / 2)
        for a, b, s, t in zip(one.values, other.values, one.steps, other.steps, strict=True)
    )
