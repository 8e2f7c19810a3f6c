"""A meta json of InternVL that is not from us: read, and told what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.questions.plain_record import parse_json
from spatial_engine.utils.questions.record_files import count_lines
from spatial_engine.utils.storage.files import check_id

REQUIRED = ("root", "annotation", "data_augment", "repeat_time")  # the trainer stops without one
WHERE = "paths start from the current directory; start this where the meta json is used"


def read_entries(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of a meta json with absolute paths and the true length of their files."""
    try:
        meta = parse_json(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise BadDataError(f"{path}: not json ({error})") from None
    if not isinstance(meta, dict) or not meta:
        raise BadDataError(f"{path}: not a meta json; it must hold entries by name")
    entries = {}
    for name, entry in meta.items():
        check_id(name, path)
        place = f"{path}: entry {name}"
        if fault := _fault(entry):
            raise BadDataError(f"{place}: {fault}")
        annotation = Path(entry["annotation"]).absolute()
        if not annotation.is_file():
            raise MissingInputError(f"{annotation}: no such file, and {place} names it; {WHERE}")
        root = Path(entry["root"]).absolute()
        if not (length := count_lines(annotation)):
            raise BadDataError(f"{annotation}: is empty, and {place} names it")
        at = {"root": str(root), "annotation": str(annotation), "length": length}
        entries[name] = {**entry, **at}
    return entries


def _fault(entry: Any) -> str:
    """What is wrong in an entry of a meta json; empty where nothing is."""
    if not isinstance(entry, dict):
        return "is not an object"
    if missing := [key for key in REQUIRED if key not in entry]:
        return f"has no {missing[0]}"
    for key in ("root", "annotation"):
        if not isinstance(entry[key], str):
            return f"{key} is not a path"
    if not entry["annotation"].endswith(".jsonl"):
        return "annotation must be a .jsonl file, with a record in each line"
    repeat = entry["repeat_time"]
    if isinstance(repeat, bool) or not isinstance(repeat, (int, float)) or not repeat > 0:
        return f"repeat_time is {repeat!r}, not a number above 0"
    if repeat > 1 and not isinstance(repeat, int):
        return f"repeat_time is {repeat!r}; above 1 it must be a whole number"
    return ""
