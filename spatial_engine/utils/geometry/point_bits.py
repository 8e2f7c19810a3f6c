"""Sets of points as bits, 64 to a word: of each frame, which points of a mesh it sees. Pure.

A mesh keeps neighbours near each other, so most words of a frame are empty, and these are skipped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WORD_BITS = 64
BLOCK = 8  # words whose points are counted together
WORD = np.dtype("<u8")  # bit k of word w, from the lowest, is point 64 w + k
# Of each byte the places of its bits, from the lowest; behind them 8.
_PLACES = np.argsort(
    1 - np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"),
    axis=1, kind="stable",
).astype(np.uint8)  # fmt: skip


def words_for(num_points: int) -> int:
    """How many words the bits of so many points take."""
    return -(-num_points // WORD_BITS)


def bit_words(point_lists: Sequence[np.ndarray], num_points: int) -> np.ndarray:
    """Bits of lists of points, each (k,) numbers from 0 on: (lists, words)."""
    bits = np.zeros(words_for(num_points) * WORD_BITS, bool)
    words = np.zeros((len(point_lists), words_for(num_points)), WORD)
    for number, points in enumerate(point_lists):
        bits[:] = False
        bits[points] = True
        words[number] = np.packbits(bits, bitorder="little").view(WORD)
    return words


def points_of(words: np.ndarray) -> np.ndarray:
    """The points whose bits are set in words (w,), ascending int32."""
    used = np.flatnonzero(words)
    bits = np.unpackbits(words[used].view(np.uint8), bitorder="little").view(bool)
    places = np.flatnonzero(bits).astype(np.int32)
    return (used.astype(np.int32) * WORD_BITS)[places >> 6] + (places & 63)


def are_set(words: np.ndarray, rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether the sets `rows` of words (n, w) hold `points`, of the shape to which the two are
    broadcast: bool."""
    octets = words.view(np.uint8)[rows, points >> 3]
    return (octets >> (points & 7).astype(np.uint8) & 1).astype(bool)


class PointRanks:
    """Finds the k-th point of a set. `words` (n, w) as of `bit_words`.

    Points are counted through all sets, up to each block of eight words; what is left is looked for
    in a block alone.
    """

    def __init__(self, words: np.ndarray):
        self._words = np.ascontiguousarray(words).ravel()
        self._row_words = words.shape[1]
        counts = np.zeros(-(-self._words.size // BLOCK) * BLOCK, np.uint8)
        np.bitwise_count(self._words, out=counts[: self._words.size])
        self._counts = counts.reshape(-1, BLOCK)
        self._through = np.cumsum(_sums_of_eight(self._counts), dtype=np.int64)
        self._starts = self._before(np.arange(len(words) + 1) * self._row_words)
        self.sizes = np.diff(self._starts).astype(np.int32)  # points of each set, (n,)

    def find(self, rows: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        """Of the sets `rows` (n,) the points (n, k) int32 of these ranks (n, k), from 0 on."""
        wanted = (self._starts[rows, None] + ranks).ravel()
        blocks = np.searchsorted(self._through, wanted, side="right")
        counts = self._counts[blocks]
        inside = wanted - (self._through[blocks] - counts.sum(axis=1, dtype=np.int64))
        word, inside = _step(counts, inside)
        words = blocks * BLOCK + word
        octets = self._words[words].view(np.uint8).reshape(-1, 8)
        octet, inside = _step(np.bitwise_count(octets), inside)
        place = _PLACES[octets[np.arange(len(octet)), octet], inside]
        found = words % max(self._row_words, 1) * WORD_BITS + octet * 8 + place
        return found.reshape(ranks.shape).astype(np.int32)

    def _before(self, words: np.ndarray) -> np.ndarray:
        """Points of all sets before these words (k,), counted through all sets."""
        blocks, rest = np.divmod(words, BLOCK)
        through = np.concatenate([[0], self._through])[blocks]
        padded = np.concatenate([self._counts, np.zeros((1, BLOCK), np.uint8)])
        some = np.arange(BLOCK) < rest[:, None]
        return through + (padded[blocks] * some).sum(axis=1, dtype=np.int64)


def _sums_of_eight(counts: np.ndarray) -> np.ndarray:
    """Sums of the rows of counts (n, 8) uint8, each 64 at most: (n,) uint64. Four pairs are added
    in one word, and then the four by one product."""
    packed = counts.view(WORD)[:, 0]
    pairs = np.uint64(0x00FF00FF00FF00FF)
    packed = (packed & pairs) + (packed >> np.uint64(8) & pairs)
    return packed * np.uint64(0x0001000100010001) >> np.uint64(48)


def _step(counts: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of groups with counts (n, 8), which holds the point of each rank (n,), and its rank there."""
    through = np.cumsum(counts, axis=1, dtype=np.int64)
    group = (through <= ranks[:, None]).sum(axis=1)
    number = np.arange(len(group))
    return group, ranks - through[number, group] + counts[number, group]
