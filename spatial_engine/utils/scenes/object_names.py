"""What objects are called: which categories can be asked about, which are one name (SPEC 13)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

# Parts of the room rather than things in it, and what the annotators could not name.
NEVER_ASKED = ("wall", "object", "floor", "ceiling", "window")
MAX_CHARACTERS = 100  # of a category; the longest of ScanNet has 30


def plain(category: str) -> str:
    """A category without what makes no other word of it."""
    return category.strip().lower()


def can_be_said(category: str) -> bool:
    """Whether the annotators' word can be put into a sentence without breaking it."""
    said = category.isprintable() and 0 < len(category.strip()) <= MAX_CHARACTERS
    return said and not set(category) & set("`{}<>[]")


def can_be_asked(category: str) -> bool:
    """Whether a category names a thing, in a word that can stand in a sentence, and in a list of
    several without being taken for two."""
    return can_be_said(category) and plain(category) not in NEVER_ASKED and "," not in category


def same_names(categories: Sequence[str]) -> np.ndarray:
    """Whether one of two categories can be meant by the other's name, (o, o) bool: it ends with
    all words of the other, as an office chair is a chair. The diagonal is False."""
    words = [words_of(category) for category in categories]
    same = np.array([[_ends_alike(one, two) for two in words] for one in words], bool)
    same = same.reshape(len(words), len(words))
    np.fill_diagonal(same, False)
    return same


def words_of(category: str) -> list[str]:
    """Words of a category, lower case, without a final s."""
    return [word.removesuffix("s") or word for word in re.findall(r"\w+", category.lower())]


def _ends_alike(one: list[str], two: list[str]) -> bool:
    shorter = min(len(one), len(two))
    return one[len(one) - shorter :] == two[len(two) - shorter :]
