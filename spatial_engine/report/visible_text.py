"""Text of records as it is shown: nothing in it is invisible."""

from __future__ import annotations

import re

# Control characters, and marks that change the direction of text: shown by their numbers, so that
# a text reads as it is.
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def escaped(text: str) -> str:
    """A text in which nothing is invisible: control and direction marks are shown by number."""
    return _INVISIBLE.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)
