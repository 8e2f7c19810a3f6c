"""The file of a model's answers, a line each, which grows and is never written anew.

Beside it, `<file>.meta.json` says who was asked what and how, so that answers of another model, to
other questions or with other settings never come into it.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from spatial_engine.errors import BadDataError, SettingsError
from spatial_engine.evaluation.asking.replies import kind_of
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.files import staging
from spatial_engine.utils.storage.os_errors import naming

log = logging.getLogger(__name__)

_REMEDY = "move it away, or give another --output"


class AnswersFile:
    """Answers by id (`done`), and what is counted of them; open for appending."""

    def __init__(self, path: Path, handle: int):
        self.path, self._handle = path, handle
        self.done: set[str] = set()
        self.counts: Counter[str] = Counter()

    def add(self, line: Mapping[str, Any]) -> None:
        """Append an answer, in one piece: a process that is killed leaves the whole line or none,
        a full disk perhaps a part, which the next start drops."""
        content = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        with naming(self.path):
            while content:
                content = content[os.write(self._handle, content) :]
        self.count(line)

    def count(self, line: Mapping[str, Any]) -> None:
        """Take note of a line that is in the file."""
        self.done.add(line["id"])
        self.counts[kind_of(line)] += 1
        for name in ("prompt_tokens", "completion_tokens"):
            self.counts[name.replace("_", " ")] += line[name]


@contextmanager
def open_answers(
    path: Path, settings: Mapping[str, Any], run: Mapping[str, Any]
) -> Iterator[AnswersFile]:
    """Open the file of answers for the block; those that it holds are known, the rest of a line
    that was not finished is dropped. `settings` decide the answers, `run` is told of this start.

    Raises `SettingsError` where it was made with other settings, or another run writes it, and
    `BadDataError`, naming the line, for what is no file of answers.
    """
    with staging(path):
        if path.exists() and path.stat().st_size:
            _check_settings(path, settings)
            _drop_half_line(path)
        else:
            provenance.write_meta(path, {"step": "ask_model", "settings": settings}, dict(run))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        handle = os.open(path, flags, 0o666)
        try:
            answers = AnswersFile(path, handle)
            _read_into(answers)
            yield answers
        finally:
            with naming(path):
                os.close(handle)


def _check_settings(path: Path, now: Mapping[str, Any]) -> None:
    """Raise `SettingsError` unless the answers in a file were made with these settings."""
    before = provenance.read_meta(path).get("settings")
    if not isinstance(before, dict):
        told = provenance.meta_path(path).name
        raise SettingsError(f"{path}: no {told} tells who answered there; {_REMEDY}")
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            of = f"{before.get(name)!s:.80}, not {now.get(name)!s:.80}"
            raise SettingsError(f"{path}: holds answers of another {name} ({of}); {_REMEDY}")


def _drop_half_line(path: Path) -> None:
    """Cut off what stands behind the last line end: a killed run was writing it."""
    with naming(path), open(path, "rb+") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            start = max(end - 2**16, 0)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            file.truncate(end)
            log.warning("%s: its last line was not finished; it is dropped", path)


def _read_into(answers: AnswersFile) -> None:
    for number, line in enumerate(read_jsonl(answers.path), 1):
        texts = all(isinstance(line.get(name), str) for name in ("id", "prediction"))
        counts = all(type(line.get(f"{name}_tokens")) is int for name in ("prompt", "completion"))
        if not (texts and counts):
            raise BadDataError(f"{answers.path}: line {number} is no answer; {_REMEDY}")
        answers.count(line)
