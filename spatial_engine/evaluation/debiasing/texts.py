"""What a predictor sees of a question: the features of the wording baseline, and its words.

Words and pairs of neighbouring words are columns of a table, by their CRC-32 (so a word has the
same column in every run). A number becomes its place in the text and one of `CELLS` parts of 1000.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zlib import crc32

import numpy as np
from scipy import sparse

from spatial_engine.evaluation.baselines.wording_baseline import CELLS, FEATURES, text_of

COLUMNS = 1024  # of words; with more, texts collide less and a fit takes longer

Record = Mapping[str, Any]


def features_of(records: Sequence[Record]) -> dict[str, np.ndarray]:
    """By name, the number of a feature's value in each text, (n,) int, of those features (but
    "nothing") that differ among the texts."""
    found = {}
    for name, (feature, _) in FEATURES.items():
        numbers: dict[Any, int] = {}
        codes = [numbers.setdefault(feature(record), len(numbers)) for record in records]
        if len(numbers) > 1:
            found[name] = np.array(codes)
    return found


def words_of(records: Sequence[Record]) -> np.ndarray:
    """(n, COLUMNS) float32, rows of length 1: which words and pairs of words each text has."""
    places = [sorted({_column(gram) for gram in _grams(text_of(record))}) for record in records]
    rows = np.repeat(np.arange(len(records)), [len(mine) for mine in places])
    columns = np.concatenate([np.array(mine, int) for mine in places])
    table = sparse.csr_array(
        (np.ones(len(rows), np.float32), (rows, columns)), (len(records), COLUMNS)
    ).toarray()
    return table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1)


def _grams(text: str) -> list[str]:
    words, numbers = [], 0
    for word in re.findall(r"[^\W\d_]+|\d+", text.lower()):
        if word.isdecimal():
            word = f"{numbers}:{min(int(word[:4]) * CELLS // 1000, CELLS)}"
            numbers += 1
        words.append(word)
    return [*words, *map(" ".join, pairwise(words))]


@lru_cache(maxsize=1_000_000)
def _column(gram: str) -> int:
    return crc32(gram.encode()) % COLUMNS
