"""What checks of clients share; standard library and PIL only: it runs in their environments.

A check (check_<client>.py) asks a program of others for every record of our files, and compares
what it got with the files themselves, read here by plain `json` and PIL: nothing of the engine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from PIL import Image

MARK = "<image>"
PLANTED = "CLIENT_TESTS_PLANTED"  # the root with a planted fault, and that without it
PRINTED = 20  # differences that are printed; all are counted


@dataclass(frozen=True)
class Expected:
    """A record as its file has it.

    `parts`: the question in the order of reading, texts as they stand (line ends too) and, where
    an image stands, its path; `images`: all paths; `answer`: what a training record answers, None
    of an evaluation record; `record`: all fields of the line.
    """

    id: str
    parts: list[str | Path]
    images: list[Path]
    answer: str | None
    record: dict

    @property
    def question(self) -> str:
        """The text with its marks."""
        return "".join(MARK if isinstance(part, Path) else part for part in self.parts)

    @property
    def text(self) -> str:
        """The text without marks."""
        return "".join(part for part in self.parts if isinstance(part, str))


def lines_of(path: Path) -> Iterator[dict]:
    """Read a jsonl file by the standard library alone: as it was before a fault was planted."""
    planted, _, pristine = os.environ.get(PLANTED, "").partition(os.pathsep)
    if planted and path.is_relative_to(planted):
        path = Path(pristine) / path.relative_to(planted)
    with open(path, encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)


def expected(paths: Iterable[Path], images_below: Path) -> Iterator[Expected]:
    """Read records, native or uniform, of jsonl files, file by file in the order given.

    `images_below` is the folder that their image names start from: the root, of uniform files.
    """
    for path in paths:
        for record in lines_of(path):
            yield as_expected(record, images_below)


def as_expected(record: dict, images_below: Path) -> Expected:
    """A record; `ValueError` if it has other numbers of marks and of images."""
    answer = None
    if "conversations" in record:
        human, gpt = record["conversations"]
        assert (human["from"], gpt["from"]) == ("human", "gpt"), record["id"]
        question, answer = human["value"], gpt["value"]
    else:
        question = record["text"]
    images = [images_below / name for name in record["image"]]
    return Expected(record["id"], in_order(question, images), images, answer, record)


def in_order(question: str, images: Sequence[Path]) -> list[str | Path]:
    """Put the images where their marks stand; `ValueError` if the numbers differ."""
    texts = question.split(MARK)
    if len(texts) != len(images) + 1:
        raise ValueError(f"{len(texts) - 1} marks for {len(images)} images: {question!r}")
    parts: list[str | Path] = [texts[0]]
    for image, text in zip(images, texts[1:], strict=True):
        parts += [image, text]
    return [part for part in parts if part != ""]


@lru_cache(maxsize=256)
def pixels(path: Path) -> tuple[tuple[int, int], bytes]:
    """Size and RGB bytes of an image file."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
    return rgb.size, rgb.tobytes()


def same_image(got: Image.Image, path: Path) -> bool:
    """Tell whether an image has the pixels of a file."""
    return (got.size, got.convert("RGB").tobytes()) == pixels(path)


def differences(
    want: Expected,
    parts: Sequence[str | Path | Image.Image] | None = None,
    images: Sequence[str | Path | Image.Image] | None = None,
    text: str | None = None,
    answer: str | None = None,
) -> list[str]:
    """Compare what a client has, as far as it is given, with what the file has; name what differs.

    An image is a PIL image, compared by pixels, or the path of a file. `text` is without marks.
    """
    found = []
    if parts is not None:
        found += _different(parts, want.parts, "part")
    if images is not None:
        found += _different(images, want.images, "image")
    if text is not None and text != want.text:
        found.append(f"text {text!r} for {want.text!r}")
    if answer is not None and answer != want.answer:
        found.append(f"answer {answer!r} for {want.answer!r}")
    return found


def _different(got: Sequence, want: Sequence[str | Path], what: str) -> list[str]:
    if len(got) != len(want):
        return [f"{len(got)} {what}s for {len(want)}"]
    return [
        f"{what} {number}: {mine!r} for {other!r}"
        for number, (mine, other) in enumerate(zip(got, want, strict=True), 1)
        if not _same(mine, other)
    ]


def _same(got: str | Path | Image.Image, want: str | Path) -> bool:
    if isinstance(got, Image.Image):
        return isinstance(want, Path) and same_image(got, want)
    if isinstance(want, Path):  # by pixels, too, where the client has a path of another file
        if not isinstance(got, (str, Path)) or not Path(got).is_file():
            return False
        return Path(got) == want or pixels(Path(got)) == pixels(want)
    return got == want


@dataclass
class Report:
    """Counts records, prints what differs, and closes with the line that run_clients.py reads."""

    client: str
    version: str
    records: int = 0
    replaced: int = 0
    differing: int = 0
    _printed: int = field(default=0, repr=False)

    @property
    def is_sound(self) -> bool:
        """Whether nothing differs yet. Steps of training take minutes, and tell nothing then."""
        return not (self.replaced or self.differing)

    def record(self, record_id: str, *problems: str, replaced: bool = False) -> None:
        """Count a record that was asked for. `replaced`: the client gave another, or none."""
        self.records += 1
        self.replaced += replaced
        self.differing += bool(problems) and not replaced
        if problems or replaced:
            self.say(f"{record_id}: {'; '.join(problems) or 'replaced'}")

    def fail(self, problem: str) -> None:
        """Count a difference that is no record's: a score, a file, a step."""
        self.differing += 1
        self.say(problem)

    def say(self, problem: str) -> None:
        self._printed += 1
        if self._printed <= PRINTED:
            print(problem[:1000], file=sys.stderr)

    def close(self, note: str = "", asked: int | None = None) -> int:
        """Print the last line; return the exit code. `asked`: how many records there must be."""
        if asked is not None and asked != self.records:
            self.fail(f"{self.records} records for {asked}")
        last = {"client": self.client, "version": self.version, "records": self.records}
        last |= {"replaced": self.replaced, "differing": self.differing, "note": note}
        print(json.dumps(last), flush=True)
        return int(not (self.is_sound and self.records))


def arguments(description: str | None = None) -> argparse.Namespace:
    """Read `--root ROOT --work FOLDER`, both absolute; the folder is made."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=Path, required=True, help="a copy, may be written into")
    parser.add_argument("--work", type=Path, required=True, help="for anything that is written")
    args = parser.parse_args()
    args.root, args.work = args.root.absolute(), args.work.absolute()
    args.work.mkdir(parents=True, exist_ok=True)
    return args


def uniform(root: Path, split: str) -> list[Path]:
    """Uniform jsonl files of a split, `train` or `val`, by name; there must be one."""
    folder = {"train": "training_data", "val": "evaluation_data"}[split]
    found = sorted((root / folder / "exports/uniform").glob("*.jsonl"))
    assert found, f"no uniform files of {split} below {root}"
    return found
