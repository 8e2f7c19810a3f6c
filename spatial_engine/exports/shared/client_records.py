"""What a record looks like to a client: a question with images at their places, and an answer.

Every export for a program of others starts here, so that the places of images, the turns and the
answer are read in one way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spatial_engine.utils.questions.plain_record import check_marks, parts_of, question_of


@dataclass(frozen=True)
class ClientRecord:
    """A record in uniform form, taken apart.

    `images` are paths relative to the root. `parts` are the texts of the question and, where an
    image stands, its 0-based number in `images`, in the order of reading. `answer` is what a
    training record answers, None of an evaluation record.
    """

    id: str
    task: str
    images: list[str]
    parts: list[str | int]
    answer: str | None


def client_record(uniform: Mapping[str, Any]) -> ClientRecord:
    """Take a record in uniform form apart.

    Raises `ValueError` unless it has a mark for each image and, of training, one turn of human and
    one of gpt.
    """
    check_marks(uniform)
    answer = None
    if "conversations" in uniform:
        turns = uniform["conversations"]
        if [turn["from"] for turn in turns] != ["human", "gpt"]:
            raise ValueError("conversations must be one turn of human and one of gpt")
        answer = turns[1]["value"]
    parts = parts_of(question_of(uniform))
    return ClientRecord(uniform["id"], uniform["task"], uniform["image"], parts, answer)
