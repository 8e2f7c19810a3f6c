"""Records of one's own in the training mix: the entries of another meta json of InternVL.

Paths in it are taken as the trainer takes them, from the current directory, and become absolute:
the mix is used in the root, where they would lead elsewhere. What the trainer would replace by
another record without a word is refused here: all records that are drawn are read.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.exports.mix.meta_json import read_entries
from spatial_engine.exports.mix.shares import entries_of, round_to_sum, taken
from spatial_engine.exports.mix.trainable import check_trainable, images_of
from spatial_engine.utils.questions.plain_record import parse_json
from spatial_engine.utils.questions.records import read_lines

LOOKED_FOR = 100  # records of an entry whose images must be there: most often its root is wrong


@dataclass(frozen=True)
class Addition:
    """A meta json to add, under a name; `count` records of it, or as many as it asks for."""

    name: str
    meta: Path
    count: int | None


@dataclass(frozen=True)
class Added:
    """An entry that is added: `records` of a file of `length`, its first ones or all more than
    once. `entry` is as in the meta json, with absolute paths."""

    name: str
    entry: Mapping[str, Any]
    records: int

    @property
    def length(self) -> int:
        return self.entry["length"]

    @property
    def annotation(self) -> Path:
        return Path(self.entry["annotation"])

    def read(self) -> Iterator[dict[str, Any]]:
        """The records that are used, each once; `BadDataError` names the line of one that cannot
        be trained on."""
        root, last = Path(self.entry["root"]), min(self.records, self.length)
        for number, line in islice(read_lines(self.annotation), last):
            try:
                record = parse_json(line)
                check_trainable(record)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                cause = str(error) if isinstance(error, ValueError) else repr(error)
                place = f"{self.annotation}:{number}"
                raise BadDataError(f"{place}: cannot be trained on ({cause})") from None
            for name in images_of(record) if number <= LOOKED_FOR else ():
                if not (root / name).is_file():
                    raise MissingInputError(
                        f"{root / name}: no such image, and {self.annotation}:{number} names it; "
                        "correct the root of its entry, or remove the record"
                    )
            yield record


def addition(text: str) -> Addition:
    """Type of a flag: NAME=META.json or NAME=META.json:COUNT."""
    match = re.fullmatch(r"([A-Za-z0-9][\w.+-]*)=(.+?)(?::(\d+))?", text, re.ASCII)
    if not match or (match[3] and not int(match[3])):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=META.json or NAME=META.json:COUNT")
    return Addition(match[1], Path(match[2]), int(match[3]) if match[3] else None)


def plan_added(one: Addition) -> list[Added]:
    """The entries to add, with the number of records of each: in the proportions that the meta
    json asks for, `count` in all. Entries of which none is taken are left out.

    Raises `BadDataError` and `MissingInputError` for a meta json that cannot be used.
    """
    entries = read_entries(one.meta)
    asked = [taken(entry["repeat_time"], entry["length"]) for entry in entries.values()]
    if not sum(asked):
        raise BadDataError(f"{one.meta}: asks for no records; raise repeat_time")
    numbers = asked
    if one.count is not None:
        numbers = round_to_sum([one.count * number / sum(asked) for number in asked])
    return [
        Added(f"{one.name}_{key}", entry, number)
        for (key, entry), number in zip(entries.items(), numbers, strict=True)
        if number
    ]


def merge_added(
    meta: Mapping[str, Any], added: Sequence[Added], names: Iterable[str]
) -> dict[str, Any]:
    """The meta json with what is added; `SettingsError` where two entries would have one name, or
    one that starts with one of the `names` of our files."""
    merged, ours = dict(meta), tuple(f"{name}_" for name in names)  # also of <name>_<images>
    for one in added:
        more = entries_of(one.name, one.entry, one.records)
        there = [name for name in more if name in merged or f"{name}_".startswith(ours)]
        if there:
            raise SettingsError(
                f"the mix has two entries {there[0]}; give what is added with --add another name"
            )
        merged |= more
    return merged
