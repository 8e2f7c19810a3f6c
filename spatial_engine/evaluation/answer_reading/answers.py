"""What a model answered, read from its text: the rules are in docs/answers.md.

1. The text is made plain, and what the model thought aloud taken away (plain_text.py).
2. The places where it states an answer are looked for, the plainest first (places.py).
3. The candidates of the first places that have any are read with their units (word_candidates.py,
   number_candidates.py, vector_candidates.py; of three to eight frames also letter_sets.py,
   counts.py, signed_angles.py, sizes.py). If they differ, there is no answer.

No answer is better than one that the model did not give: what could be read in two ways is not
read, and is counted with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import islice
from typing import Any

from spatial_engine.evaluation.answer_reading import sizes
from spatial_engine.evaluation.answer_reading.choice_texts import MAX_TEXT, ChoiceTexts
from spatial_engine.evaluation.answer_reading.counts import count_candidates, is_only_count
from spatial_engine.evaluation.answer_reading.letter_sets import (
    is_only_set,
    joined_letters,
    set_candidates,
)
from spatial_engine.evaluation.answer_reading.number_candidates import (
    Candidate,
    agreed,
    number_candidates,
    tells_other_unit,
)
from spatial_engine.evaluation.answer_reading.places import (
    CONTEXT,
    MAX_PLACES,
    Place,
    Rank,
    ranks,
    running_text,
)
from spatial_engine.evaluation.answer_reading.plain_text import MAX_CHARACTERS, plain_text
from spatial_engine.evaluation.answer_reading.quantities import BARE
from spatial_engine.evaluation.answer_reading.signed_angles import signed_candidates
from spatial_engine.evaluation.answer_reading.units import is_only_quantities
from spatial_engine.evaluation.answer_reading.vector_candidates import (
    tells_other_order,
    vector_candidates,
)
from spatial_engine.evaluation.answer_reading.word_candidates import (
    UNCLEAR,
    is_only_option,
    option_candidates,
)
from spatial_engine.utils.questions.tasks import LETTERS, Task

__all__ = [
    "CUT_OFF",
    "DIFFER",
    "MAX_CHARACTERS",
    "NOTHING",
    "Answer",
    "Reading",
    "read",
    "read_answer",
]

Answer = str | tuple[Fraction, ...]
CUT_OFF, NOTHING, DIFFER = "cut off", "nothing found", "candidates differ"


@dataclass(frozen=True)
class Reading:
    """An answer, or the reason why there is none: CUT_OFF, NOTHING or DIFFER."""

    answer: Answer | None
    reason: str = ""


_CANNOT = (
    r"\b(?:cannot|can't|can not|could not|couldn't|unable to|impossible to|not possible to|"
    r"no way to|"
    r"not able to)(?: be)?(?: \w+ly)? (?:tell|told|determined?|say|"
    r"said|judged?|"
    r"answer(?:ed)?|estimated?|measured?|known?|infer(?:red)?|identif\w+|provided?|given?|assist|help|"
    r"calculated?|computed?|assess(?:ed)?)\b|\binsufficient\b|\bnot enough\b|\b(?:don't|do "
    r"not) know\b|"
    r"无法|無法|不知道|不能确定|できません|できない|わかりません|分かりません|わからない|알 "
    r"수 없|모르|판단할 수"
)
_REFUSED = re.compile(_CANNOT, re.IGNORECASE)
_NO_ANSWER = re.compile(
    _CANNOT + r"|\b(?:unknown|unclear|none|n/?a|nothing|not|neither|undetermined|indeterminate|"
    r"uncertain|ambiguous|impossible)\b|不确定|未知|不明|없음|なし",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"\b(?:wait|actually|correction|on second thought|second thoughts|scratch that|let me "
    r"(?:re\w+|correct|fix)|i mean|i meant|sorry|my mistake|apologi\w+|hold on|oops|hmm|or rather|"
    r"no[,:;.]\s|revis\w+)|不对|不對|更正|等等|等一下|修正|아니[,.요 ]|정정|いや|訂正|すみません",
    re.IGNORECASE,
)
_FILLING = re.compile(
    r"\b(?:it|is|it's|the|that|that's|about|approximately|approx|roughly|around|nearly|almost|ca|"
    r"circa|answer|my|estimate|estimated|result|and|in|whole|of|est|a|by|equals|equal|final)\b|"
    r"大约|大約|约为|約|约|左右|です|は|입니다|이다|약|是|为|為|距离|距離|およそ|"
    r"\b[dD]?[xyzXYZ]\b",
    re.IGNORECASE,
)


_ATOM = r"(?:[^.,;:()\[\]\n。!?]|[.,](?=\d)|[\[(][^\[\]()\n]{1,30}[\])]){1,40}?"
_CONTRAST = re.compile(  # ", not A": what is denied behind an answer
    r"(?:[`*]{0,3}\s?[,;.(]\s?(?:and |but )?not|"
    r"[`*]{0,3}\s(?:and not|but not|rather than|instead of|as opposed to)|"
    r"[`*]{0,3}[,;。]?\s?(?:而)?(?:不是|并非|並非|而非))\s?"
    rf"(?P<other>{_ATOM}(?:,?\s(?:or|nor)\s{_ATOM})?)\)?(?:,(?=\s(?:is|are|was|were)\b))?"
    r"(?=\s?(?:[.,;:!?)。}](?!\d)|$|\n|-\s)|\s(?:is|are|was|were|because|since|as|for|given)\b)",
    re.IGNORECASE,
)
MAX_CONTRASTS = 20  # in one text


class _Reader:
    """Candidates of one task, in places of one text."""

    def __init__(self, task: Task, whole: str, texts: ChoiceTexts) -> None:
        self.task, self.whole, self.texts = task, whole, texts
        self.wanted = task.num_numbers
        self.of_sizes = task.form == "size"
        self.measure = BARE if task.unit == "permille" else task.unit

    @cached_property
    def other_unit(self) -> bool:
        return tells_other_unit(self.whole, self.measure.removeprefix("signed "))

    @cached_property
    def other_order(self) -> bool:
        told = sizes.tells_other_order if self.of_sizes else tells_other_order
        return told(self.whole)

    def candidates(self, place: Place) -> list[Any]:
        """What may be the answer at a place: options, or Candidates of numbers."""
        if self.task.answer == LETTERS:
            return set_candidates(place, self.task.options, self.texts)
        if self.task.options:
            letter = self.texts.letter_of(place.text)
            return [letter] if letter else option_candidates(place, self.task)
        if self.task.unit == "count":
            return count_candidates(place)
        if self.task.unit == "signed degree":
            return signed_candidates(place, self.other_unit, self.whole)
        if self.wanted == 1:
            return number_candidates(place, self.measure, self.other_unit)
        naming = sizes.SIZES if self.of_sizes else None
        return vector_candidates(
            place, self.measure, self.wanted, self.other_unit, self.other_order, naming
        )

    def is_bare(self, place: Place) -> bool:
        """Whether a place holds nothing but an answer."""
        if len(place.text) > MAX_TEXT:
            return False
        if self.task.answer == LETTERS:
            return is_only_set(place, self.texts)
        if self.task.options:
            return bool(self.texts.letter_of(place.text)) or is_only_option(place, self.task)
        if self.task.unit == "count" and is_only_count(place):
            return True
        text = sizes.without_names(place.text) if self.of_sizes else place.text
        return any(c.isdigit() for c in text) and is_only_quantities(_FILLING.sub(" ", text))

    def without_contrasts(self, plain: str) -> str:
        """The text without other answers that it denies right behind one: "B, not A"."""
        parts, begin = [], 0
        for found in islice(_CONTRAST.finditer(plain), MAX_CONTRASTS):
            said = re.split(
                r"[.;\n。](?=\D)", plain[max(0, found.start() - CONTEXT) : found.start()]
            )
            other = Place("", running_text(found["other"]), "", str)
            if self.is_bare(other) and self.candidates(Place("", running_text(said[-1]), "", str)):
                parts.append(plain[begin : found.start()])
                begin = found.end()
        return "".join([*parts, plain[begin:]])

    def decide(self, candidates: list[Any]) -> Reading:
        """The answer that all candidates agree on."""
        if len(candidates) > 4 * MAX_PLACES:
            return Reading(None, DIFFER)
        if self.task.options:
            only = set(candidates)
            clear = len(only) == 1 and UNCLEAR not in only
            return Reading(only.pop()) if clear else Reading(None, DIFFER)
        best: Candidate | None = agreed(candidates)
        return Reading(best.values) if best else Reading(None, DIFFER)


def read_answer(text: str, task: Task, choices: Mapping[str, str] | None = None) -> Answer | None:
    """The answer in a model's text: a word, a letter in capitals, letters as in `gt_value`, or
    numbers; None for none. `choices` are those of the record, what its letters stand for.

    Lengths are in mm, angles in degrees, coordinates in thousandths of the image; all exact.
    """
    return read(text, task, choices).answer


def read(text: str, task: Task, choices: Mapping[str, str] | None = None) -> Reading:
    """As read_answer, with the reason where there is no answer."""
    plain = plain_text(text)
    if plain is None:
        return Reading(None, CUT_OFF)
    texts = ChoiceTexts(choices or {})
    if choices:
        task = replace(task, options=tuple(choices))
        plain = texts.without_texts(plain)
    if task.answer == LETTERS:
        plain = joined_letters(plain, task.options)
    reader = _Reader(task, running_text(plain), texts)
    plain = reader.without_contrasts(plain)
    whole = running_text(plain)
    for rank in ranks(plain, reader.wanted > 1, task.answer == LETTERS):
        if (reading := _read_rank(rank, reader)) is not None:
            return reading
    if _REFUSED.search(whole):
        return Reading(None, NOTHING)
    found = reader.candidates(Place("", whole, "", str))
    return reader.decide(found) if found else Reading(None, NOTHING)


def _read_rank(rank: Rank, reader: _Reader) -> Reading | None:
    """The answer stated at places of one rank, or why there is none; None: look further."""
    places = rank.places
    if len(places) > MAX_PLACES:
        return Reading(None, DIFFER) if not rank.bare else None
    if rank.bare:
        bare = [place for place in places if reader.is_bare(place)]
        if not bare or (rank.opening and bare[0] is not places[0]):
            return None
        places = bare
    if rank.name in ("final answer", "announced"):
        places = [place for place in places if not _NO_ANSWER.match(place.text.lstrip(" *:"))]
        if not places:
            return Reading(None, NOTHING)
    found = [candidate for place in places for candidate in reader.candidates(place)]
    if found:
        rest = places[-1].text + places[-1].rest()
        if corrected := _CORRECTED.search(rest):
            found += reader.candidates(Place("", rest[corrected.end() :], "", str))
        return reader.decide(found)
    return Reading(None, NOTHING) if rank.closed else None
