"""The questions of a file, each checked before the first is asked, and read again when asked."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.questions.plain_record import check_marks, question_of
from spatial_engine.utils.questions.record_files import read_questions


@dataclass(frozen=True)
class Questions:
    """A file of records in uniform form. `digest` tells ids, texts and names of images; `scored`:
    whether all have a true answer."""

    path: Path
    image_root: Path
    count: int
    digest: str
    scored: bool

    @classmethod
    def of(cls, path: Path, image_root: Path) -> Questions:
        """Look through a file. Raises `MissingInputError` for the file or an image that is not
        there, and `BadDataError`, naming the line, for what cannot be asked."""
        if not path.is_file():
            remedy = "run spatial_engine/evaluation/make_benchmark.py, or give --benchmark FILE"
            raise MissingInputError(f"{path}: no such file; {remedy}")
        digest, ids, images, scored = hashlib.sha256(), set[str](), set[str](), True
        for record in read_questions(path):
            if record["id"] in ids:
                raise BadDataError(f"{path}: {record['id']} is in it twice; make it again")
            _check(record, path)
            ids.add(record["id"])
            images.update(record["image"])
            scored &= "text" in record and record.get("gt_value") is not None
            asked = [record["id"], question_of(record), record["image"]]
            digest.update(orjson.dumps(asked, option=orjson.OPT_APPEND_NEWLINE))
        if not ids:
            raise BadDataError(f"{path}: holds no question")
        for name in sorted(images):
            if not (image_root / name).is_file():
                remedy = "images are relative to --root (make_benchmark.py, export_uniform.py)"
                raise MissingInputError(f"{image_root / name}: no such image; {remedy}")
        return cls(path, image_root, len(ids), digest.hexdigest()[:32], scored)

    def first(self, limit: int, without: Collection[str] = ()) -> Iterator[Mapping[str, Any]]:
        """The first so many questions (-1 = all) but for some ids, one at a time."""
        every = islice(read_questions(self.path), None if limit < 0 else limit)
        yield from (record for record in every if record["id"] not in without)


def _check(record: Mapping[str, Any], path: Path) -> None:
    try:
        check_marks(record)
    except ValueError as error:
        raise BadDataError(f"{path}: {record['id']}: {error}; make it again") from None
