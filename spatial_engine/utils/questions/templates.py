"""Sentences as data: `templates/<task>.json` beside the scripts, checked once, drawn in arrays.

A file holds `task_descriptions`, `questions` and `answers`, lists of different sentences. Slots
are written `{name}`; an answer holds `{answer}` once, in backticks, so that a scorer finds it. A
task with variants (closer and farther) has lists of its own for each: `questions_closer`.

A command reads its files once. Sentences go to the workers with the request of each scene: a worker
that read a file itself could find another there than the one whose digest is in the settings.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.running.provenance import digest

MIN_QUESTIONS = 30
MIN_DESCRIPTIONS = 30
MIN_ANSWERS = 10
ANSWER_SLOT = "answer"


@dataclass(frozen=True)
class Templates:
    """The sentences of one task or question type."""

    task_descriptions: tuple[str, ...]
    questions: tuple[str, ...]
    answers: tuple[str, ...]

    def draw(self, rng: np.random.Generator, count: int) -> list[tuple[str, str, str]]:
        """`count` triples (task description, question, answer), each drawn independently."""
        groups = (self.task_descriptions, self.questions, self.answers)
        columns = [rng.integers(len(group), size=count).tolist() for group in groups]
        return [
            (groups[0][first], groups[1][second], groups[2][third])
            for first, second, third in zip(*columns, strict=True)
        ]


def digest_of(sentences: Mapping[str, Templates]) -> str:
    """Digest of all sentences of a command: other sentences make another output."""
    return digest({name: vars(templates) for name, templates in sentences.items()})


def load_templates(
    path: Path, question_slots: frozenset[str] = frozenset(), variant: str = ""
) -> Templates:
    """Load and check one file. Every question must use all `question_slots`, descriptions none.

    With a `variant` the lists are those of its name where the file has such: `questions_<variant>`.
    Raises `MissingInputError` without the file and `BadDataError` naming the sentence at fault.
    """
    if not path.is_file():
        raise MissingInputError(f"{path}: no such template file; get the repository again")
    try:
        groups = json.loads(path.read_text(encoding="utf-8"))
        names = ("task_descriptions", "questions", "answers")
        own = (f"{name}_{variant}" if f"{name}_{variant}" in groups else name for name in names)
        templates = Templates(*(tuple(groups[name]) for name in own))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadDataError(f"{path}: not a template file ({error!r})") from None
    _check_group(path, templates.task_descriptions, MIN_DESCRIPTIONS)
    _check_group(path, templates.questions, MIN_QUESTIONS)
    _check_group(path, templates.answers, MIN_ANSWERS)
    for sentence in templates.task_descriptions:
        _check_slots(path, sentence, frozenset())
    for sentence in templates.questions:
        _check_slots(path, sentence, question_slots)
    for sentence in templates.answers:
        _check_slots(path, sentence, frozenset({ANSWER_SLOT}))
        if (
            sentence.count("`") != 2
            or sentence.count("{") != 1
            or f"`{{{ANSWER_SLOT}}}`" not in sentence
        ):
            raise BadDataError(f"{path}: the slot must stand in backticks, alone: {sentence!r}")
    return templates


def _check_group(path: Path, sentences: tuple[str, ...], at_least: int) -> None:
    if not all(isinstance(text, str) and text.strip() and text.isprintable() for text in sentences):
        raise BadDataError(f"{path}: holds something that is not a sentence")
    if len(sentences) < at_least:
        raise BadDataError(f"{path}: {len(sentences)} sentences, {at_least} are needed")
    seen = set()
    for sentence in sentences:
        if sentence.casefold() in seen:
            raise BadDataError(f"{path}: duplicate sentence: {sentence!r}")
        seen.add(sentence.casefold())
        if "<image>" in sentence:
            raise BadDataError(f"{path}: <image> is added by the engine: {sentence!r}")


def _check_slots(path: Path, sentence: str, slots: frozenset[str]) -> None:
    try:
        found = [name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None]
    except ValueError as error:
        raise BadDataError(f"{path}: {error}: {sentence!r}") from None
    if sorted(set(found)) != sorted(slots):
        raise BadDataError(f"{path}: slots {sorted(set(found))}, not {sorted(slots)}: {sentence!r}")
