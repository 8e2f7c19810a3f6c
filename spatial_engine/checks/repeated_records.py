"""Duplicate ids and questions, found without holding them all.

The 64-bit hashes of all lines, 8 bytes each, are sorted to find duplicates; only the
lines of these are read again and compared by 128-bit digests of the whole text, so that two texts
with one short hash are not taken for the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from spatial_engine.checks.record_lines import parse, question_key
from spatial_engine.checks.record_scan import Part, hash_path, lines_of

KINDS = ("ids", "questions")
COMPARED_MOST = 1_000_000  # lines with a hash that others have, too: 200 bytes each


@dataclass(frozen=True)
class SecondLook:
    """Lines of a part to read again: indexes from 0 by kind."""

    part: Part
    lines: dict[str, np.ndarray]


@dataclass(frozen=True)
class Text:
    """An id or a question on a line (from 1, within the part), as a digest."""

    digest: bytes
    line: int
    id: str


def sorted_hashes(parts: Sequence[Part], kind: str) -> np.ndarray:
    """The hashes of a kind of all parts together, 8 bytes each."""
    paths = [hash_path(part.folder, part.place, kind) for part in parts]
    sizes = [len(np.load(path)) for path in paths]  # read twice, so as to be held once
    hashes, end = np.empty(sum(sizes), np.uint64), 0
    for path, size in zip(paths, sizes, strict=True):
        hashes[end : end + size] = np.load(path)
        end += size
    hashes.sort()
    return hashes


def repeated(hashes: np.ndarray) -> tuple[np.ndarray, int]:
    """Those of sorted hashes that stand there more than once, 0 is no hash; and how many lines are
    left out, where these are more than `COMPARED_MOST`."""
    twice = hashes[1:][hashes[1:] == hashes[:-1]]
    twice, times = np.unique(twice[twice > 0], return_counts=True)
    lines = np.cumsum(times + 1)
    taken = max(int(np.searchsorted(lines, COMPARED_MOST, "right")), 1)
    return twice[:taken], int((times[taken:] + 1).sum())


def second_looks(parts: Sequence[Part]) -> tuple[list[SecondLook], int]:
    """What to read again of parts that are to be compared with each other; lines left out."""
    looks: dict[tuple[int, int], dict[str, np.ndarray]] = {}
    left_out = 0
    for kind in KINDS:
        twice, more = repeated(sorted_hashes(parts, kind))
        left_out += more
        for part in parts if len(twice) else ():
            hashes = np.load(hash_path(part.folder, part.place, kind))
            lines = np.flatnonzero(np.isin(hashes, twice, kind="sort"))
            if len(lines):
                looks.setdefault(part.place, {})[kind] = lines
    return [SecondLook(part, looks[part.place]) for part in parts if part.place in looks], left_out


def look_again(look: SecondLook) -> dict[str, list[Text]]:
    """Digests of the ids and questions on the lines."""
    texts: dict[str, list[Text]] = {kind: [] for kind in look.lines}
    wanted = {kind: set(lines.tolist()) for kind, lines in look.lines.items()}
    for number, line in enumerate(lines_of(look.part)):
        kinds = [kind for kind, numbers in wanted.items() if number in numbers]
        if not kinds:
            continue
        record, _ = parse(line)
        for kind in kinds:
            text = record["id"].encode() if kind == "ids" else question_key(record)
            digest = blake2b(text, digest_size=16).digest()
            texts[kind].append(Text(digest, number + 1, record["id"]))
    return texts


def pair_up(
    texts: Iterable[tuple[tuple[int, int], Text]],
) -> Iterator[tuple[tuple[int, int], Text, tuple[int, int], Text]]:
    """Each text that stood before, with where it stood first; `texts` come in order of place."""
    first: dict[bytes, tuple[tuple[int, int], Text]] = {}
    for place, text in texts:
        before = first.setdefault(text.digest, (place, text))
        if before[1] is not text:
            yield place, text, *before
