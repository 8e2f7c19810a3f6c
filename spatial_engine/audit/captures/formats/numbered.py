"""What several formats share: numbered names, texts of numbers, times that belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from spatial_engine.audit.captures.sources import MAX_NUMBER
from spatial_engine.audit.captures.tree import Tree, floats
from spatial_engine.audit.raw.limits import MAX_FRAMES, RawDataError


def by_number(names: Iterable[str], pattern: str) -> dict[int, str]:
    """{number: name} of the names that match; the first group is the number."""
    found: dict[int, str] = {}
    for name in sorted(names):
        match = re.fullmatch(pattern, name)
        if match and len(match[1]) <= 20 and int(match[1]) <= MAX_NUMBER:
            found[int(match[1])] = name
    return dict(sorted(found.items()))


def rows_of(tree: Tree, name: str, separator: str | None = None) -> list[list[str]]:
    """Words of the lines of a text, without empty lines and those that begin with #."""
    lines = tree.text(name).splitlines()
    rows = [line.split(separator) for line in lines if line.strip()]
    rows = [row for row in rows if not row[0].startswith("#")]
    if len(rows) > 50 * MAX_FRAMES:
        raise RawDataError(f"{tree.full(name)}: {len(rows)} lines")
    return rows


def matrix_of_text(
    tree: Tree, name: str, shape: tuple[int, int], sep: str | None = None
) -> np.ndarray:
    """A matrix of so many numbers in a text."""
    words = [word for row in rows_of(tree, name, sep) for word in row if word.strip()]
    if len(words) != shape[0] * shape[1]:
        raise RawDataError(f"{tree.full(name)}: {len(words)} numbers, not {shape[0]}x{shape[1]}")
    return floats(words, tree.full(name)).reshape(shape)


def associated(first: Sequence[float], second: Sequence[float], most: float) -> dict[int, int]:
    """{place in `first`: place in `second`} of times at most so far apart: the nearest two first,
    each used once."""
    order = np.argsort(second, kind="stable")
    ordered = np.asarray(second, dtype=np.float64)[order]
    pairs = []
    for i, time in enumerate(first):
        start = int(np.searchsorted(ordered, time - most - 1e-9))
        for k in range(start, len(ordered)):
            apart = abs(float(ordered[k]) - time)
            if ordered[k] > time + most + 1e-9:
                break
            pairs.append((apart, i, int(order[k])))
    found: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in sorted(pairs):
        if i not in found and j not in used:
            found[i] = j
            used.add(j)
    return found
