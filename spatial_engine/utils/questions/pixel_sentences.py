"""Questions about points, said in pixels where the engine says them in thousandths.

`templates/pixels.json` holds, by the file of a task's sentences (`Task.sentences`), each sentence
that says what coordinates are in thousandths and the same sentence in pixels. What it does not hold
(short questions, forms, answers) is true of both.

A question is taken apart into the sentences that it was made of, and made again of those in pixels:
no text is patched. One that was made of other sentences is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.questions.plain_record import IMAGE_MARK
from spatial_engine.utils.questions.records import list_choices
from spatial_engine.utils.questions.tasks import TASKS, Task
from spatial_engine.utils.questions.templates import (
    ASKING,
    MAX_WORDS,
    Templates,
    check_differ,
    check_file,
    check_length,
    check_slots,
    fill,
    template_files,
)

PIXELS = Path(__file__).parent / "templates" / "pixels.json"
THOUSANDTHS = re.compile(r"\b1[,.]?000\b|thousandth|per ?mille?\b|‰", re.IGNORECASE)


@dataclass(frozen=True)
class PixelSentences:
    """The sentences of a task that names points, each with what it says in pixels: `openings` stand
    before a question; `endings` may stand behind it, with what joins them to it."""

    openings: dict[str, str]
    questions: dict[str, str]
    endings: tuple[str, ...]

    @cached_property
    def _by_head(self) -> list[tuple[str, str, str]]:
        """What each question begins with, before its first slot: most are told apart by it."""
        return [(text.partition("{")[0], text, px) for text, px in self.questions.items()]

    def said_in_pixels(
        self,
        question: str,
        slots: Mapping[str, str],
        slots_px: Mapping[str, str],
        choices: Mapping[str, str],
    ) -> str:
        """What a record asks, said in pixels: with the points `slots_px` for the points `slots`.

        Raises `ValueError` for a question that is not made of these sentences.
        """
        marks, mark, said = question.rpartition(f"{IMAGE_MARK}\n")
        opening, _, asked = said.partition("\n")
        opening_px = ""
        if opening in self.openings:
            said, opening_px = asked, f"{self.openings[opening]}\n"
        listed = list_choices(choices)
        for head, sentence, sentence_px in self._by_head:
            if not said.startswith(head):
                continue
            rest = said.removeprefix(fill(sentence, slots))
            if rest != said and rest.startswith(listed) and rest[len(listed) :] in self.endings:
                return f"{marks}{mark}{opening_px}{fill(sentence_px, slots_px)}{rest}"
        raise ValueError("its question is not made of this engine's sentences")


def names_points(task: Task) -> bool:
    """Whether the questions of a task name points by their coordinates."""
    return any(slot.startswith("point") for slot in task.slots)


def load_pixel_sentences(path: Path = PIXELS) -> dict[str, PixelSentences]:
    """What the questions that name points say in pixels, by `Task.sentences`.

    Raises `MissingInputError` without the file, and `BadDataError` naming the sentence that is not
    among the templates, that the file lacks, or that is not fit to stand for the other.
    """
    read, files = _read(path), template_files()
    tasks = {task.sentences: task for task in TASKS.values() if names_points(task)}
    if set(read) != set(tasks):
        raise BadDataError(f"{path}: holds {sorted(read)}, expected {sorted(tasks)}")
    return {
        name: _of_task(path, task, check_file(files[name]), read[name])
        for name, task in tasks.items()
    }


def _of_task(
    path: Path, task: Task, templates: Templates, in_pixels: Mapping[str, str]
) -> PixelSentences:
    found: dict[str, dict[str, str]] = {"openings": {}, "questions": {}}
    for variant in templates.variants:
        for kind in ("conventions", *ASKING):
            into = found["openings" if kind == "conventions" else "questions"]
            for sentence in getattr(variant, kind):
                into[sentence] = said = in_pixels.get(sentence, sentence)
                if THOUSANDTHS.search(said):
                    raise BadDataError(f"{path}: is about thousandths, not pixels: {said!r}")
                check_slots(path, said, () if kind == "conventions" else task.slots)
                check_length(path, said, MAX_WORDS[kind])
    for sentences in found.values():
        check_differ(path, sentences.values())
    if gone := sorted(in_pixels.keys() - found["openings"].keys() - found["questions"].keys()):
        raise BadDataError(f"{path}: no sentence of {task.sentences}.json any more: {gone[0]!r}")
    forms = templates.forms
    return PixelSentences(
        **found, endings=("", *(f"{end}{form}" for end in " \n" for form in forms))
    )


def _read(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        raise MissingInputError(f"{path}: no such template file; get the repository again")
    try:
        read: Any = json.loads(path.read_text(encoding="utf-8"))
        texts = [text for pairs in read.values() for pair in pairs.items() for text in pair]
    except (ValueError, AttributeError, RecursionError) as error:
        raise BadDataError(f"{path}: not a file of sentences ({error!r})") from None
    for text in texts:
        if not (isinstance(text, str) and text and text.isprintable() and text == text.strip()):
            raise BadDataError(f"{path}: holds something that is not a sentence: {text!r:.80}")
    return read
