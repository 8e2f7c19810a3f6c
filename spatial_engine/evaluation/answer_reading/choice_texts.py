"""What the letters of a question stand for, where an answer says it: "B. Image-2", "Image-2"."""

from __future__ import annotations

import re
from collections.abc import Mapping

from spatial_engine.evaluation.answer_reading.places import running_text
from spatial_engine.evaluation.answer_reading.plain_text import plain_text

MAX_TEXT = 300  # characters of a place that can be nothing but choices
_EDGE = " \t\n.,;:!?()[]{}<>'\"*#~`-。"
_ARROW = re.compile(r"\s*(?:→|>|,)\s*")  # chair → table → bed
_JOINT = re.compile(r"[\s-]+")  # Image 2
_BEFORE = re.compile(r"(?:(?:it|that|this|answer|is|it's|the|option) )+")


class ChoiceTexts:
    """The texts of a question's choices, as one finds them in a text that was made plain.

    No choices: nothing is found. A text that two choices share is none of them, nor is a letter.
    """

    def __init__(self, choices: Mapping[str, str]) -> None:
        letters: dict[str, list[str]] = {}
        for letter, text in choices.items():
            letters.setdefault(_normal(running_text(plain_text(text) or "")), []).append(letter)
        self.letters = {
            text: found[0] for text, found in letters.items() if len(text) > 1 and len(found) == 1
        }
        longest = sorted(self.letters, key=len, reverse=True)
        said = "|".join(_loosely(text) for text in longest)
        self.pattern = re.compile(
            rf"(?<![A-Za-z0-9_])(?P<letter>[A-H])(?:\s?\((?P<inside>{said})\)|"
            rf"(?:[.:)\]]{{1,2}}\s?|\s?[-=]\s?|,\s)(?P<text>{said})(?!\w))|"
            rf"(?<!\w)(?P<said>{said})\s?\((?P<behind>[A-H])\)",
            re.IGNORECASE,
        )

    def letter_of(self, text: str) -> str | None:
        """The letter of the choice that a text is, and nothing else."""
        bare = _normal(text) if len(text) <= MAX_TEXT else ""
        if bare not in self.letters:
            bare = _BEFORE.sub("", bare, count=1) if _BEFORE.match(bare) else bare
        return self.letters.get(bare)

    def without_texts(self, plain: str) -> str:
        """The text with "B" for "B. Image-2"; where these are two choices, with both letters."""
        return self.pattern.sub(self._letter, plain) if self.letters else plain

    def as_letters(self, text: str) -> str:
        """A list of choices with their letters for their texts."""
        for said in sorted(self.letters, key=len, reverse=True):
            text = re.sub(rf"(?i)(?<!\w){_loosely(said)}(?!\w)", self.letters[said], text)
        return text

    def _letter(self, found: re.Match[str]) -> str:
        letter = (found["letter"] or found["behind"]).upper()
        other = self.letters.get(_normal(found["inside"] or found["text"] or found["said"]))
        return letter if other == letter else f"{letter} or {other}"


def _normal(text: str) -> str:
    return _JOINT.sub(" ", _ARROW.sub(", ", text.strip(_EDGE).casefold())).strip()


def _loosely(text: str) -> str:
    """A pattern for a normal text, with any blanks, hyphens and arrows."""
    return re.escape(text).replace(r",\ ", r"\s*(?:→|>|,)\s*").replace(r"\ ", r"[\s-]+")
