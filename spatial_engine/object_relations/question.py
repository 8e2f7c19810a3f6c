"""What one question about objects asks: its objects, its answer, its fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

LETTERS = "ABCD"


@dataclass(frozen=True)
class Question:
    """`objects` are numbers of `ShownObjects`, in the order of the field `object_ids`; `answer` is
    a number or a letter; `fields` are those beside the fields of all tasks of objects."""

    objects: list[int]
    answer: int | str
    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def choice(
        cls, objects: Sequence[int], texts: Sequence[str], right: int, **fields: Any
    ) -> Question:
        """A choice among `texts`, of which number `right` is right."""
        choices = dict(zip(LETTERS, texts, strict=False))
        return cls(list(objects), LETTERS[right], {"choices": choices, **fields})
