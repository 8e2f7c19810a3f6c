"""Vectors and points that a text names: as lists, by the names of axes, or by directions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, product

from spatial_engine.evaluation.answer_reading.number_candidates import (
    UNREADABLE,
    Candidate,
    in_unit,
    is_unclear_list,
    told_unit,
)
from spatial_engine.evaluation.answer_reading.places import CONTEXT, Place
from spatial_engine.evaluation.answer_reading.quantities import (
    BARE,
    MAX_QUANTITIES,
    Quantity,
    quantities,
    without_asides,
)
from spatial_engine.evaluation.answer_reading.units import OF_IMAGES, PIXEL, Unit, unit_behind
from spatial_engine.evaluation.answer_reading.word_candidates import direction_pattern

AXES = {  # direction -> axis and sign: x right, y down, z forward
    "right": ("x", 1), "left": ("x", -1), "down": ("y", 1), "up": ("y", -1),
    "forward": ("z", 1), "backward": ("z", -1),
}  # fmt: skip
MAX_PIECES = 8

_BRACKETS = re.compile(r"[\[(<]([^\[\]()<>]{1,300})[\])>]")
_OF_FIRST = re.compile(  # coordinates in Image-1 are those of the question
    r"[\[(][^\[\]()]{1,40}[\])]\s?(?:of|in|on|from)\s(?:the\s)?(?:image[\s-]?1\b|first "
    r"(?:image|view|frame))"
    r"|(?:\bimage[\s-]?1|\bfirst (?:image|view|frame))\b(?:(?!second)[^\[(\n.;2]){0,40}"
    r"[\[(][^\[\]()]{1,40}[\])]",
    re.IGNORECASE,
)
_ORDER = re.compile(r"(?<![a-z])([xyz])\s?,\s?([xyz])(?:\s?,\s?([xyz]))?(?![a-z])", re.IGNORECASE)
_LETTER = re.compile(r"(?<![A-Za-z])(?:[dDtT]|Δ|δ|Delta\s?)?_?([xyzXYZ])(?![A-Za-z])")
_PART = re.compile(r"[,;\n。]|\band\b|&")
_APART = re.compile(r"(?:(?<=[\[(,;:\s])|^)([-+])[ ]+(?=[\d.])")
_BETWEEN = re.compile(r"\s*(?:[,;&/]|,?\s?and\s|\s)?\s*[-+]?[ ]?", re.IGNORECASE)
_SPLITS = (r"\s*;\s*", r"\s*\n\s*", r",\s+", r"\s*,\s*", r"\s+/\s+", r"\s+")
_SPLITTERS = [re.compile(split) for split in _SPLITS]


@dataclass(frozen=True)
class Naming:
    """How the components of an answer are named: `letters` finds the axes that a text names, as
    "x", "y", "z" or "?" for another; `directed`: directions name them, too."""

    letters: Callable[[str], list[str]]
    directed: bool


def vector_candidates(
    place: Place,
    measure: str,
    wanted: int,
    elsewhere: bool,
    other_order: bool,
    naming: Naming | None = None,
) -> list[Candidate]:
    """The candidates of a place for so many numbers of that measure (BARE: no unit).

    `elsewhere`: the text states another unit than the asked one, apart from a number;
    `other_order`: it lists the axes in another order than x, y, z, which name them by default.
    """
    text = place.text
    if isinstance(unit := unit_behind(place.after, 0), Unit) and (
        measure != BARE or unit.measure in OF_IMAGES
    ):
        text += " " + place.after[: unit.end].strip()
    if wanted == 2:
        text = _OF_FIRST.sub(" it ", text)
    text = without_asides(text)
    naming = naming or Naming(_LETTER.findall, wanted == 3)
    labelled = _labelled(text, place, measure, wanted, elsewhere, naming)
    listed = list(_lists(text, place, measure, wanted, elsewhere))
    return [*labelled, *(UNREADABLE if other_order else candidate for candidate in listed)]


def tells_other_order(text: str) -> bool:
    """Whether a text lists the axes in another order than x, y, z."""
    for order in _ORDER.finditer(text):
        named = "".join(letter.lower() for letter in order.groups() if letter)
        if named != "xyz"[: len(named)]:
            return True
    return False


# ---- components by name or direction ------------------------------------------------------------
def _labelled(
    text: str, place: Place, measure: str, wanted: int, elsewhere: bool, naming: Naming
) -> list[Candidate]:
    if not (found := list(islice(quantities(text), MAX_QUANTITIES))):
        return []
    ends = [0, *(q.end for q in found)]
    regions = [text[a : q.start] for a, q in zip(ends, found, strict=False)] + [text[ends[-1] :]]
    leading = bool(_labels(regions[0], naming, last=True))
    by_axis: dict[str, list[Quantity | None]] = {}
    for number, quantity in enumerate(found):
        before = _part(regions[number], last=True, whole=number == 0 or leading)
        whole = number == len(found) - 1 or not leading
        behind = _part(regions[number + 1], last=False, whole=whole)
        if (component := _component(quantity, before, behind, naming)) is not None:
            axis, value = component
            by_axis.setdefault(axis, []).append(value)
    if sorted(by_axis) != list("xyz"[:wanted]):
        return []
    if any(len({q and q.value for q in values}) > 1 for values in by_axis.values()):
        return [UNREADABLE]
    entries = [by_axis[axis][0] for axis in "xyz"[:wanted]]
    first, last = regions[0].rsplit("\n", 1)[-1], regions[-1].split("\n", 1)[0]
    near = replace(place, before=place.before + first, after=last + place.after)
    candidate = _candidate(entries, near, measure, elsewhere)
    return [] if candidate is None else [candidate]


def _part(region: str, last: bool, whole: bool) -> str:
    """What of the text between two numbers belongs to the one behind it (last) or before it."""
    parts = _PART.split(region)
    if len(parts) == 1:
        return region if whole else ""
    return parts[-1] if last else parts[0]


def _labels(region: str, naming: Naming, last: bool) -> bool:
    part = _part(region, last, True)
    return bool(naming.letters(part) or (naming.directed and _directions(part)))


def _directions(part: str) -> list[str]:
    return [name for name in AXES if direction_pattern(name).search(part)]


def _component(
    quantity: Quantity, before: str, behind: str, naming: Naming
) -> tuple[str, Quantity | None] | None:
    """The axis that a quantity belongs to, and the quantity with its sign; None where unclear."""
    letters = {m.lower() for m in naming.letters(before) + naming.letters(behind)}
    ahead, after = (_directions(before), _directions(behind)) if naming.directed else ([], [])
    axes = letters | {AXES[name][0] for name in ahead + after}
    if not axes:
        return None
    axis = min(axes)
    if len(axes) > 1:
        return ("?", None)
    value = quantity.value
    if value is None or len({AXES[name][1] for name in ahead + after}) > 1:
        return axis, None
    sign = AXES[(ahead + after)[0]][1] if ahead + after else 1
    if letters and ahead:  # "x (right): -393" tells what x is
        return axis, quantity if sign > 0 else None
    if letters and after:  # "x: -393 mm (left)" says it twice
        return axis, quantity if value * sign >= 0 else None
    if sign < 0 and value < 0:
        return axis, None
    return axis, replace(quantity, value=value * sign)


# ---- lists --------------------------------------------------------------------------------------
def _lists(
    text: str, place: Place, measure: str, wanted: int, elsewhere: bool
) -> Iterator[Candidate]:
    found = [(*b.span(), b[1]) for b in islice(_BRACKETS.finditer(text), MAX_QUANTITIES + 1)]
    loose = _BRACKETS.sub(lambda b: "¦" * len(b[0]), text)
    found += [(start, end, text[start:end]) for start, end in _runs(loose)]
    if len(found) > MAX_QUANTITIES:
        yield UNREADABLE
        return
    for start, end, content in found:
        unit = unit_behind(text, end) if text[end - 1 : end] in ("]", ")", ">") else None
        shared = text[end : unit.end].strip() if isinstance(unit, Unit) else ""
        pieces = _read_list(content, wanted, shared)
        if pieces is None:
            continue
        if is_unclear_list(text, start, content):
            yield UNREADABLE
            continue
        before = place.before + text[max(0, start - CONTEXT) : start].rsplit("\n", 1)[-1]
        behind = text[end : end + CONTEXT].split("\n", 1)[0] + place.after
        near = replace(place, before=before, after=behind)
        candidate = _candidate(pieces, near, measure, elsewhere)
        yield from [] if candidate is None else [candidate]


def _runs(text: str) -> list[tuple[int, int]]:
    """Where numbers follow each other with nothing but separators between them."""
    runs: list[list[int]] = []
    for quantity in islice(quantities(text), MAX_QUANTITIES):
        start = quantity.start
        between = text[runs[-1][1] : start] if runs else ""
        if runs and len(between) < 12 and _BETWEEN.fullmatch(between):
            runs[-1][1] = quantity.end
        else:
            sign = re.search(r"(?:^|[\s,:=(])([-+][ ]?)$", text[max(0, start - 4) : start])
            runs.append([start - len(sign[1]) if sign else start, quantity.end])
    return [(start, end) for start, end in runs]


def _read_list(content: str, wanted: int, unit: str) -> list[Quantity] | None:
    """So many quantities, in the one way in which the list can be read; None for no such list."""
    content = re.sub(r"[ ]?(?:,?\s?\band\b|&)[ ]?", ", ", content.strip(" \n,;|"), flags=re.I)
    content = re.sub(r"(?<=\d)\.(?=[\s,;]|$)", "", content)  # [1. 2. 3.]
    content = _APART.sub(r"\1", content)
    if not re.match(r"[-+~\d.]", content):
        return None
    for splitter in _SPLITTERS:
        pieces = splitter.split(content)
        if len(pieces) == wanted and not _is_mixed(content, splitter):
            read = [_single(piece, unit) for piece in pieces]
            if None not in read:
                return read  # type: ignore[return-value]
    return _grouped(content, wanted, unit)


def _is_mixed(content: str, splitter: re.Pattern[str]) -> bool:
    """Whether a comma with and one without a blank may be different things: [1,200, 300]."""
    return (
        splitter.pattern == r"\s*,\s*" and re.search(r",\s", content) is not None
        and re.search(r"(?<![\d.,])[1-9]\d{0,2},\d{3}(?!\d)", content) is not None
    )  # fmt: skip


def _single(piece: str, unit: str) -> Quantity | None:
    """The one quantity that a piece is."""
    text = ", " + piece + (f" {unit}" if unit and not re.search(r"[^\W\d]", piece) else "")
    found = list(quantities(text))
    if len(found) != 1 or not re.fullmatch(r", ?~?[-+]?", text[: found[0].start]):
        return None
    if text[found[0].end :].strip() or re.match(r"[-+]?0\d", piece):
        return None
    return found[0]


def _grouped(content: str, wanted: int, unit: str) -> list[Quantity] | None:
    """The list with thousands separators, if the number of entries leaves one way to read it."""
    for mark in (",", " "):
        pieces = content.split(mark)
        if not wanted < len(pieces) <= MAX_PIECES or not all(pieces):
            continue
        ways = set()
        for joins in product((False, True), repeat=len(pieces) - 1):
            if len(pieces) - sum(joins) == wanted and (way := _join(pieces, joins)) is not None:
                ways.add(way)
        if len(ways) == 1:
            read = [_single(piece, unit) for piece in ways.pop()]
            return None if None in read else read  # type: ignore[return-value]
    return None


def _join(pieces: list[str], joins: tuple[bool, ...]) -> tuple[str, ...] | None:
    entries = [pieces[0].strip()]
    for piece, joined in zip(pieces[1:], joins, strict=True):
        if not joined:
            entries.append(piece.strip())
        elif re.fullmatch(r"\d{3}(?:\.\d+)?", piece) and re.fullmatch(
            r"[-+]?[1-9]\d{0,2}(?:\d{3})*", entries[-1]
        ):
            entries[-1] += piece
        else:
            return None
    return None if any(re.match(r"[-+]?0\d", entry) for entry in entries) else tuple(entries)


def _candidate(
    entries: list[Quantity | None], place: Place, measure: str, elsewhere: bool
) -> Candidate | None:
    """Entries with their units, or with one for all of them, in the asked unit."""
    if any(entry is None or entry.value is None for entry in entries):
        return UNREADABLE
    told = [entry.measure for entry in entries]
    if set(told) == {BARE}:
        return _bare(entries, place, measure, elsewhere)
    if measure == BARE:
        return None if set(told).isdisjoint(OF_IMAGES) else UNREADABLE  # percent, pixels
    if set(told[:-1]) == {BARE}:  # [1, 2, 3 mm]
        shared = Unit(entries[-1].measure, entries[-1].factor)
        entries = [*(in_unit(entry, shared) for entry in entries[:-1]), entries[-1]]
    elif BARE in told:
        return UNREADABLE
    if {entry.measure for entry in entries} != {measure}:
        return None
    return _made(entries)


def _bare(entries: list[Quantity], place: Place, measure: str, elsewhere: bool) -> Candidate | None:
    unit = told_unit(place.before, place.after, elsewhere, measure)
    if measure in (BARE, PIXEL):
        if unit and unit.measure in OF_IMAGES and unit.measure != measure:
            return UNREADABLE
        small = all(0 <= entry.value <= 1 for entry in entries)
        fractions = small and any(entry.value.denominator > 1 for entry in entries)
        return UNREADABLE if fractions else _made(entries)
    if unit is None:
        return _made(entries)
    return _made([in_unit(entry, unit) for entry in entries]) if unit.measure == measure else None


def _made(entries: list[Quantity]) -> Candidate:
    if any(entry.value is None for entry in entries):
        return UNREADABLE
    return Candidate(
        tuple(entry.value for entry in entries),
        tuple(entry.step for entry in entries),
        tuple(entry.factor for entry in entries),
    )
