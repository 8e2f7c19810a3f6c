"""Sets of letters that a text names, of a question to which several of its choices are the answer.

A set is read from a list of letters alone. What says more of them than that they are in it (or, to,
not, all but) is not read, nor is a list that goes on elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from spatial_engine.evaluation.answer_reading.choice_texts import MAX_TEXT, ChoiceTexts
from spatial_engine.evaluation.answer_reading.places import Place
from spatial_engine.evaluation.answer_reading.plain_text import BOX, BOX_END, TAG, TAG_END
from spatial_engine.evaluation.answer_reading.word_candidates import ARTICLE, DENIED, UNCLEAR

_AND = r"\s?(?:(?:[,;&/+]|\b(?:and|as well as)\b|和|与|與|及|と|와|과|그리고)\s?){1,3}"
_SEPARATOR = rf"{_AND}|\s{{1,3}}"
_LETTER = r"(?<![A-Za-z0-9_'-])[A-Z](?![A-Za-z0-9_'])(?!-[A-Za-z])"
_RUN = re.compile(rf"{_LETTER}(?:(?:{_SEPARATOR}){_LETTER})*")
_PURE = re.compile(rf"[A-Za-z](?:(?:{_SEPARATOR})[A-Za-z])*")
_MARK = rf"[`*{BOX}{BOX_END}{TAG}{TAG_END}]{{1,3}}"
_MARKED_APART = re.compile(rf"(?<=[A-Za-z]){_MARK}({_AND}){_MARK}(?=[A-Za-z]{_MARK})")
_ALONE = re.compile(r"\s*([A-H]{2,8})[\s.]*")
_ITEMS = re.compile(r"(?m)^[-\s.)(*]{0,9}[A-H][.)\s]{0,9}$(?:\n[-\s.)(*]{0,9}[A-H][.)\s]{0,9}$)+")
_GLUED_WORD = re.compile(r"(?<![A-Za-z])[A-H]{2,}(?![A-Za-z])")
_GLUED = re.compile(rf"((?:`|[{BOX}{TAG}])\s?)([A-H]{{2,8}})(?=\s?(?:`|[{BOX_END}{TAG_END}]))")
_FILLING = re.compile(
    r"\b(?:the|answers?|letters?|options?|choices?|images?|are|is|in|it|both|only|just|correct|"
    r"final|visible|seen|selected|my)\b|答案|选项|選項|正解|정답|是|为|為|は|은|는|です|입니다|이다",
    re.IGNORECASE,
)
_ENDS = " \t\n.,;:!?()[]{}<>'\"*#~-。"
_UNSURE = re.compile(
    r"\b(?:or|all|every|any|none|neither|nor|either|maybe|perhaps|possibly|but|no|vs|versus|"
    r"other than|besides|apart from)\b|\b[A-H]\s?(?:to|through|until|-)\s?[A-H]\b|或|除|以外|까지|"
    r"또는|または|から",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    rf"(?:{_AND}|\s?-\s)(?:(?:or|and|also|maybe|perhaps|possibly|probably|likely|option|image)\s)*"
    r"[A-Z](?![A-Za-z])|[\s.,;]*(?:or|also|plus|additionally|furthermore|moreover|as well|likewise|"
    r"and)\b",
    re.IGNORECASE,
)
_BEGAN = re.compile(rf"(?<![A-Za-z'])[A-H](?:{_AND}|\s?(?:or|to|-)\s?)$")


def joined_letters(plain: str, options: Sequence[str]) -> str:
    """The text with one list for letters that are marked one by one, or stand in lines of their
    own but for all options, and for "AC" that is marked or alone: "`A`, `C`"."""
    if alone := _ALONE.fullmatch(plain):
        return _spelled(alone[1])

    def listed(found: re.Match[str]) -> str:
        letters = re.findall("[A-H]", found[0])
        return found[0] if {*options} <= {*letters} else ", ".join(letters)

    plain = _ITEMS.sub(listed, _MARKED_APART.sub(r"\1", plain))
    return _GLUED.sub(lambda found: found[1] + _spelled(found[2]), plain)


def _spelled(letters: str) -> str:
    return ", ".join(letters) if list(letters) == sorted({*letters}) else letters


def set_candidates(place: Place, options: Sequence[str], texts: ChoiceTexts) -> list[str]:
    """The sets that a place names, as in `gt_value`; UNCLEAR for one that may be another."""
    if (pure := _pure(place.text, texts)) is not None:
        goes_on = _GOES_ON.match(place.after) or _GOES_ON.match(place.rest()[:80])
        return [UNCLEAR if goes_on or _BEGAN.search(place.before) else _read(pure, options)]
    text = ARTICLE.sub(" ", place.text)
    runs = [found[0] for found in _RUN.finditer(text)]
    if not runs:
        return []
    unsure = any(way.search(text) for way in (_UNSURE, DENIED, _GLUED_WORD))
    if unsure or len({*map(_letters, runs)}) > 1 or _GOES_ON.match(place.after):
        return [UNCLEAR]
    return [_read(runs[0], options)]


def is_only_set(place: Place, texts: ChoiceTexts) -> bool:
    """Whether a place holds nothing but letters."""
    return _pure(place.text, texts) is not None


def _pure(text: str, texts: ChoiceTexts) -> str | None:
    """The list of letters that a text is, but for words that say nothing."""
    if len(text) > MAX_TEXT:
        return None
    bare = re.sub(r"[\s\[\]()'\"]+", " ", texts.as_letters(text)).strip(_ENDS)
    if _UNSURE.search(bare) or DENIED.search(bare):
        return None
    if not _PURE.fullmatch(bare):
        bare = _FILLING.sub(" ", bare).strip(_ENDS)
    return bare if _PURE.fullmatch(bare) else None


def _letters(run: str) -> tuple[str, ...]:
    return tuple(sorted({*re.findall(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])", run)}))


def _read(run: str, options: Sequence[str]) -> str:
    letters = sorted({letter.upper() for letter in _letters(run)})
    return ", ".join(letters) if {*letters} <= {*options} else UNCLEAR
