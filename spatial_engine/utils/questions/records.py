"""Records of questions in InternVL's jsonl (SPEC 10): made, written, shuffled.

Training records hold `conversations`; evaluation records hold the question as `text` and what a
scorer needs. `image` is always a list, relative to the task's image root.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.questions.plain_record import Value, format_value, parse_json
from spatial_engine.utils.questions.record_fields import COMMON
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.questions.templates import Phrase
from spatial_engine.utils.storage.files import remove
from spatial_engine.utils.storage.os_errors import naming

BUCKET_BYTES = 128 * 2**20  # lines shuffled in memory at a time
MAX_LINE_BYTES = 16 * 2**20  # a record takes a few kB; memory is not given to what is none
_BUCKET_BUFFER = 2**13  # bytes, of each of many open files; Python 3.14 would take 16 times as much
WRITTEN_AT_ONCE = 2**18  # bytes; by 8 KiB, as Python does, writing takes more than making lines
DEALT_AT_ONCE = 1000  # lines read at a time while they are dealt to buckets

# Names that trainers give a meaning of their own (docs/training.md: InternVL, ms-swift).
RESERVED_FIELDS = frozenset(
    ("length", "label", "objects", "solution", "channel", "margin", "tools", "videos", "audios")
)
_TAKEN_FIELDS = RESERVED_FIELDS | {*COMMON, "conversations", "text", "wording"}


@lru_cache
def _check_extra(*names: str) -> None:
    if not _TAKEN_FIELDS.isdisjoint(names):
        taken = min(_TAKEN_FIELDS.intersection(names))
        raise ValueError(f"a record cannot have an extra field {taken!r}")


def make_record(
    split: str,
    record_id: str,
    images: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    task: str,
    phrase: Phrase,
    gt_value: Value,
    extra: dict[str, Any],
) -> dict[str, Any]:
    """One record. The question of the `phrase` is filled, its answer holds `{answer}`; `sizes` are
    (width, height) of the images; `extra` are further fields."""
    _check_extra(*extra)
    question, answer, wording, opening, form = phrase
    if "choices" in extra:
        question, form = f"{question}{list_choices(extra['choices'])}", f"\n{form[1:]}" * bool(form)
    human = f"{list_image_marks(len(images))}{opening}{question}{form}"
    record: dict[str, Any] = {"id": record_id, "image": list(images)}
    if split == "train":
        spoken = answer.replace("{answer}", format_value(gt_value))
        record["conversations"] = [
            {"from": "human", "value": human},
            {"from": "gpt", "value": spoken},
        ]
    else:
        record["text"] = human
    record["height_list"] = [height for _, height in sizes]
    record["width_list"] = [width for width, _ in sizes]
    record["task"] = task
    record["question_type"] = TASKS[task].question_type
    record["gt_value"] = gt_value
    if wording:
        record["wording"] = wording
    record.update(extra)
    return record


def list_choices(choices: Mapping[str, str]) -> str:
    """The lines behind a question that say what each letter stands for, a line end before each."""
    return "".join(f"\n{letter}. {text}" for letter, text in choices.items())


@lru_cache
def list_image_marks(count: int) -> str:
    """The lines that stand for the images in a question."""
    if count == 1:
        return "<image>\n"
    return "".join(f"Image-{number}: <image>\n" for number in range(1, count + 1))


def write_jsonl(path: Path, records: Iterable[dict[str, Any]]) -> int:
    """Write records, one a line; return how many."""
    written = 0
    with open(path, "wb", WRITTEN_AT_ONCE) as file:
        for record in records:
            file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
            written += 1
    return written


def read_lines(path: Path, place: int = 0, first: int = 1) -> Iterator[tuple[int, bytes]]:
    """Lines of a file with their numbers; `BadDataError` for one too long to be a record. They
    begin with the line of number `first`, which is at the byte `place`."""
    with naming(path), open(path, "rb") as file:
        file.seek(place)
        lines = iter(partial(file.readline, MAX_LINE_BYTES + 1), b"")
        for number, line in enumerate(lines, first):
            if len(line) > MAX_LINE_BYTES:
                raise BadDataError(f"{path}:{number}: over {MAX_LINE_BYTES >> 20} MiB, too long")
            yield number, line


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a file, one at a time; `BadDataError` names file and line of a bad one."""
    for number, line in read_lines(path):
        if not line.isspace():
            yield parse_record(line, f"{path}:{number}")


def parse_record(line: bytes, place: str) -> dict[str, Any]:
    """The record of a line; `BadDataError` names the `place` (file and line) of what is none."""
    try:
        record = parse_json(line)
    except orjson.JSONDecodeError as error:
        raise BadDataError(f"{place}: not json ({error})") from None
    if not isinstance(record, dict):
        raise BadDataError(f"{place}: not a record")
    return record


def join_parts(
    parts: Sequence[Path], outputs: Mapping[str, Path], seed: int, at_most: int = -1
) -> None:
    """Join the scenes' `<name>.jsonl` of each output (name -> path) in random order.

    At most `at_most` lines of each, drawn uniformly; -1 = all.
    """
    for name, output in outputs.items():
        lines = [path for part in parts if (path := part / f"{name}.jsonl").exists()]
        drawn_as = TASKS[name].drawn_as if name in TASKS else name
        rng = sampling.generator(seed, drawn_as, "shuffle")
        shuffle_jsonl(lines, output, rng, at_most=None if at_most < 0 else at_most)


def shuffle_jsonl(
    parts: Sequence[Path],
    output: Path,
    rng: np.random.Generator,
    bucket_bytes: int = BUCKET_BYTES,
    at_most: int | None = None,
) -> int:
    """Join the lines of `parts` into `output` in random order; return how many lines.

    Every order is equally likely, so that the first `at_most` are a uniform draw; the others are
    left out. Memory stays near `bucket_bytes` however much there is: lines are dealt at random to
    as many bucket files as that takes, and each is shuffled in memory.
    """
    folder = output.with_name(f"{output.name}.buckets")
    remove(folder)  # of a killed run
    total = sum(part.stat().st_size for part in parts)
    if total <= bucket_bytes:
        with open(output, "wb", WRITTEN_AT_ONCE) as file:
            return _write_shuffled(_lines(parts), file, rng, at_most)
    folder.mkdir()
    try:
        buckets = [folder / str(number) for number in range(-(-2 * total // bucket_bytes))]
        _deal(parts, buckets, rng)
        written = 0
        with open(output, "wb", WRITTEN_AT_ONCE) as file:
            for bucket in buckets:
                rest = None if at_most is None else at_most - written
                written += _write_shuffled(_lines([bucket]), file, rng, rest)
        return written
    finally:
        remove(folder)


def _deal(parts: Sequence[Path], buckets: Sequence[Path], rng: np.random.Generator) -> None:
    """Append each line of the parts to a bucket file drawn at random."""
    files = [open(bucket, "wb", _BUCKET_BUFFER) for bucket in buckets]  # noqa: SIM115 (closed below)
    try:
        for part in parts:
            with open(part, "rb") as lines:
                while batch := list(islice(lines, DEALT_AT_ONCE)):
                    numbers = rng.integers(len(files), size=len(batch)).tolist()
                    for line, number in zip(batch, numbers, strict=True):
                        files[number].write(line if line.endswith(b"\n") else line + b"\n")
    finally:
        for file in files:
            file.close()


def _lines(paths: Sequence[Path]) -> list[bytes]:
    return [line for path in paths for line in path.read_bytes().split(b"\n") if line]


def _write_shuffled(
    lines: list[bytes], file: Any, rng: np.random.Generator, at_most: int | None
) -> int:
    order = rng.permutation(len(lines))[:at_most].tolist()
    file.writelines(lines[index] + b"\n" for index in order)
    return len(order)
