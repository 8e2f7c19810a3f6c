"""Sentences as data: `templates/<task>.json` beside the scripts, checked once, drawn in arrays.

A file holds the sentences of a task (`Task.sentences`):

conventions  what a question relies on: axes, coordinates, unit
questions    short questions, shown with a convention before them
full         questions that say their conventions themselves, shown alone
plain        one question as a person would ask, shown alone
heldout      as `questions`, asked in evaluation alone
answers      sentences that hold `{answer}` once, in backticks, so that a scorer finds it

Slots are written `{name}` (`Task.slots`). A variant (closer and farther) has lists of its own:
`questions_closer`; a list without a variant is for all of them. `forms.json` beside this module
holds the lines that ask for the bare answer, by the form of the answer.

A command reads its files once. Sentences go to the workers with the request of each scene: a worker
that read a file itself could find another there than the one whose digest is in the settings.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.questions.record_fields import WORDINGS
from spatial_engine.utils.questions.tasks import TASKS, Task
from spatial_engine.utils.storage.provenance import digest

# How a question is asked in training, and the share of records.
REGISTER_SHARES = {"questions": 0.5, "full": 0.25, "plain": 0.25}
# Share of training records that ask for the bare answer and give it; all of evaluation ask for it.
BARE_SHARE = 1 / 3

# How many sentences there are, at least and at most, and how many words each has at most.
COUNTS = {
    "conventions": (8, 60),
    "questions": (30, 30),
    "full": (10, 10),
    "plain": (1, 1),
    "heldout": (5, 5),
    "answers": (4, 6),
}
MAX_WORDS = {
    "conventions": 60, "questions": 25, "full": 60, "plain": 40, "heldout": 25, "answers": 20,
}  # fmt: skip
NUM_FORMS, MAX_FORM_WORDS = 6, 15
ASKING = ("questions", "full", "plain", "heldout")
PACKAGE = Path(__file__).parents[2]
FORMS = Path(__file__).parent / "templates" / "forms.json"
BARE_ANSWER = "`{answer}`"


def fill(sentence: str, slots: Mapping[str, str]) -> str:
    """A sentence with the texts of its slots."""
    for slot, text in slots.items():
        sentence = sentence.replace(f"{{{slot}}}", text)
    return sentence


class Phrase(NamedTuple):
    """What a record says: a question, which may have slots, an answer with `{answer}`, the wording
    of an evaluation record. `opening` is the convention before the question, with a line end, and
    `form` the words behind it that ask for the bare answer, with a space; "" where there is none.
    """

    question: str
    answer: str
    wording: str = ""
    opening: str = ""
    form: str = ""

    def filled(self, slots: Mapping[str, str]) -> Phrase:
        """The phrase with the texts of its slots in the question."""
        return Phrase(fill(self.question, slots), *self[1:])


@dataclass(frozen=True)
class Variant:
    """The sentences of a task that fit a question of one variant."""

    conventions: tuple[str, ...]
    questions: tuple[str, ...]
    full: tuple[str, ...]
    plain: tuple[str, ...]
    heldout: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Templates:
    """The sentences of one task: of each of its variants in turn, and the lines that ask for the
    bare answer. `published`: evaluation is asked as training is."""

    variants: tuple[Variant, ...]
    forms: tuple[str, ...]
    published: bool = False

    def draw(
        self, rng: np.random.Generator, split: str, count: int, variants: np.ndarray | int = 0
    ) -> list[Phrase]:
        """Phrases of `count` records of a split; `variants` (count,) are the numbers of theirs."""
        variants, alone = np.broadcast_to(variants, count), len(self.variants)
        groups, wordings = self._draw_groups(rng, split, count)
        bare = rng.random(count) < (BARE_SHARE if split == "train" else 1)
        opened = np.isin(groups, [ASKING.index("questions"), ASKING.index("heldout")])
        openings = [[f"{text}\n" for text in variant.conventions] for variant in self.variants]
        asking = [getattr(variant, name) for variant in self.variants for name in ASKING]
        forms = [f" {form}" for form in self.forms]
        spoken = [variant.answers for variant in self.variants]
        columns = (
            _pick(rng, asking, variants * len(ASKING) + groups),
            _pick(rng, [*spoken, [BARE_ANSWER]], np.where(bare, alone, variants)),
            wordings,
            _pick(rng, [*openings, [""]], np.where(opened, variants, alone)),
            _pick(rng, [[""], forms], bare.astype(int)),
        )
        return list(map(Phrase._make, zip(*columns, strict=True)))

    def _draw_groups(
        self, rng: np.random.Generator, split: str, count: int
    ) -> tuple[np.ndarray, list[str]]:
        """Which of `ASKING` each record is asked in, numbers (count,), and its wording."""
        if split == "train":
            return _registers(rng, count), [""] * count
        if self.published:
            return _registers(rng, count), ["seen"] * count
        # `WORDINGS`, each a third to within one, in random order; `plain` is not among the seen.
        wordings = rng.permutation((np.arange(count) + rng.integers(len(WORDINGS))) % len(WORDINGS))
        seen = _registers(rng, count, without="plain")
        groups = np.choose(wordings, [seen, ASKING.index("heldout"), ASKING.index("plain")])
        return groups, np.array(WORDINGS, object)[wordings].tolist()


def _registers(rng: np.random.Generator, count: int, without: str = "") -> np.ndarray:
    """Numbers of `ASKING` (count,) by the shares of the registers, one of which can be left out."""
    shares = np.array([REGISTER_SHARES.get(name, 0.0) * (name != without) for name in ASKING])
    return rng.choice(len(ASKING), size=count, p=shares / shares.sum())


def _pick(
    rng: np.random.Generator, groups: Sequence[Sequence[str]], numbers: np.ndarray
) -> list[str]:
    """A text from the group of each of the `numbers` (n,)."""
    sizes = np.array([len(group) for group in groups])
    starts = np.cumsum(sizes) - sizes
    places = (rng.random(len(numbers)) * sizes[numbers]).astype(int)
    texts = np.array([text for group in groups for text in group], object)
    return texts[starts[numbers] + places].tolist()


def settings_of(
    args: argparse.Namespace, sentences: Mapping[str, Templates], **others: Any
) -> dict[str, Any]:
    """What decides the records of a command beside its inputs, as a step wants it: seed, limits and
    constants of its flags, its sentences, and what `others` there are."""
    return {
        "seed": args.seed,
        "max_samples": args.max_samples,
        **others,
        **args.constants,
        "templates": digest({name: asdict(templates) for name, templates in sentences.items()}),
    }


def template_files() -> dict[str, Path]:
    """The files of sentences of all families, by `Task.sentences`."""
    return {path.stem: path for path in PACKAGE.glob("*/templates/*.json")}


def load_templates(folder: Path, task: str, published: bool = False) -> Templates:
    """The sentences of a task from the file in a folder of templates."""
    return check_file(folder / f"{TASKS[task].sentences}.json", published)


def check_file(path: Path, published: bool = False) -> Templates:
    """Load and check a file; its name says of which task it is.

    Raises `MissingInputError` without the file and `BadDataError` naming the sentence at fault.
    """
    task = next((task for task in TASKS.values() if task.sentences == path.stem), None)
    if task is None:
        raise BadDataError(f"{path}: no task of this name; see utils/questions/tasks.py")
    lists = _read_lists(path)
    known = {name: name for name in COUNTS}
    for variant in filter(None, task.variants):
        known |= {f"{name}_{variant}": name for name in COUNTS}
    for key, sentences in lists.items():
        if key not in known:
            raise BadDataError(f"{path}: unknown list {key!r}, expected {', '.join(known)}")
        _check_list(path, known[key], key, sentences, task)
    check_differ(path, (text for sentences in lists.values() for text in sentences))
    variants = []
    for variant in task.variants:
        named = {name: lists.get(f"{name}_{variant}", lists.get(name)) for name in COUNTS}
        if missing := [name for name, sentences in named.items() if sentences is None]:
            of = f" of {variant!r}" if variant else ""
            raise BadDataError(f"{path}: no list {missing[0]!r}{of}; add it")
        variants.append(Variant(**named))
    return Templates(tuple(variants), load_forms()[task.form], published)


def load_forms(path: Path = FORMS) -> dict[str, tuple[str, ...]]:
    """The lines that ask for the bare answer, by `Task.form`; raises as `check_file` does."""
    forms = _read_lists(path)
    wanted = {task.form for task in TASKS.values()}
    if set(forms) != wanted:
        raise BadDataError(f"{path}: holds {sorted(forms)}, expected {sorted(wanted)}")
    for name, lines in forms.items():
        if len(lines) != NUM_FORMS:
            raise BadDataError(f"{path}: {len(lines)} lines of {name}, expected {NUM_FORMS}")
        check_differ(path, lines)
        for line in lines:
            check_slots(path, line, ())
            check_length(path, line, MAX_FORM_WORDS)
            if re.search(r"\d", line):
                raise BadDataError(f"{path}: an example value: {line!r}")
    return forms


# ---- checks --------------------------------------------------------------------------------------


def _read_lists(path: Path) -> dict[str, tuple[str, ...]]:
    """The lists of a file by name; a text alone is a list of one."""
    if not path.is_file():
        raise MissingInputError(f"{path}: no such template file; get the repository again")
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        lists = {
            name: (value,) if isinstance(value, str) else tuple(value)
            for name, value in read.items()
        }
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise BadDataError(f"{path}: not a template file ({error!r})") from None
    for sentence in (sentence for sentences in lists.values() for sentence in sentences):
        if not (isinstance(sentence, str) and sentence.strip() and sentence.isprintable()):
            raise BadDataError(f"{path}: holds something that is not a sentence: {sentence!r:.80}")
        if sentence != sentence.strip():
            raise BadDataError(f"{path}: spaces before or behind a sentence: {sentence!r}")
        if "<image>" in sentence:
            raise BadDataError(f"{path}: <image> is added by the engine: {sentence!r}")
    return lists


def _check_list(path: Path, name: str, key: str, sentences: Sequence[str], task: Task) -> None:
    least, most = COUNTS[name]
    if not least <= len(sentences) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise BadDataError(f"{path}: {len(sentences)} sentences in {key!r}, expected {wanted}")
    slots = {"conventions": (), "answers": ("answer",)}
    for sentence in sentences:
        check_slots(path, sentence, slots.get(name, task.slots))
        check_length(path, sentence, MAX_WORDS[name])
        if name == "answers":
            _check_answer(path, sentence)
        elif "`" in sentence:
            raise BadDataError(f"{path}: backticks are for answers and forms: {sentence!r}")


def _check_answer(path: Path, sentence: str) -> None:
    """The slot is the only thing in backticks, and nothing beside it reads as an answer."""
    if sentence.count(BARE_ANSWER) != 1 or sentence.count("`") != 2 or sentence.count("{") != 1:
        raise BadDataError(f"{path}: the slot must stand in backticks, alone: {sentence!r}")
    if sentence == BARE_ANSWER:
        raise BadDataError(f"{path}: the bare answer is added by the engine: {sentence!r}")
    if found := re.search(r"\d|\b[A-H]\b", sentence):
        raise BadDataError(f"{path}: {found[0]} could be read as the answer: {sentence!r}")


def check_differ(path: Path, sentences: Iterable[str]) -> None:
    """Raise `BadDataError` when two sentences are the same."""
    seen = set()
    for sentence in sentences:
        if sentence.casefold() in seen:
            raise BadDataError(f"{path}: duplicate sentence: {sentence!r}")
        seen.add(sentence.casefold())


def check_length(path: Path, sentence: str, most: int) -> None:
    """Raise `BadDataError` for too many words: what stands between spaces and holds a letter or a
    digit."""
    words = sum(any(map(str.isalnum, word)) for word in sentence.split())
    if words > most:
        raise BadDataError(f"{path}: {words} words, at most {most}: {sentence!r}")


def check_slots(path: Path, sentence: str, slots: Sequence[str]) -> None:
    """Raise `BadDataError` unless a sentence holds each slot, exactly as the engine fills it, and
    no other brace."""
    rest, marks = sentence, [f"{{{slot}}}" for slot in slots]
    for mark in marks:
        rest = rest.replace(mark, " ")
    if not all(mark in sentence for mark in marks) or set(rest) & set("{}"):
        wanted = ", ".join(marks) or "none"
        raise BadDataError(f"{path}: expected these slots: {wanted}: {sentence!r}")
