"""Sets of points as bits, 64 to a word: of each frame, which points of a mesh it sees. Pure.

A mesh keeps neighbours near each other, so most words of a frame are empty, and these are skipped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WORD_BITS = 64
BLOCK = 4  # words whose points are counted together
WORD = np.dtype("<u8")  # bit k of word w, from the lowest, is point 64 w + k
# Of each byte the places of its bits, from the lowest; behind them 8.
_PLACES = np.argsort(
    1 - np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"),
    axis=1, kind="stable",
).astype(np.uint8)  # fmt: skip

# By bits of a lane: 1 in each lane of a word.
_ONES = {8: np.uint64(0x0101010101010101), 16: np.uint64(0x0001000100010001)}


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
    return points_of_all(words[None])[1]


def points_of_all(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points of all sets, words (n, w), one set after the other: the number of the set (k,) of
    each, and the points (k,), ascending int32 in each set."""
    used = np.flatnonzero(words)
    bits = np.unpackbits(words.ravel().take(used).view(np.uint8), bitorder="little").view(bool)
    places = np.flatnonzero(bits)
    rows, columns = np.divmod(used, max(words.shape[1], 1))
    word = places >> 6
    points = (columns * WORD_BITS).take(word) + (places & 63)
    return rows.take(word), points.astype(np.int32)


def are_set(words: np.ndarray, rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether the sets `rows` of words (n, w) hold `points`, of the shape to which the two are
    broadcast: bool."""
    octets = words.view(np.uint8)[rows, points >> 3]
    return (octets >> (points & 7).astype(np.uint8) & 1).astype(bool)


class PointRanks:
    """Finds the k-th point of a set. `words` (n, w) as of `bit_words`.

    Points are counted through all sets, up to each block of four words; what is left is looked for
    in a block alone.
    """

    def __init__(self, words: np.ndarray):
        num_rows, num_words = words.shape
        self._words = words
        self._row_blocks = -(-num_words // BLOCK)
        counts = np.zeros((num_rows, self._row_blocks * BLOCK), np.uint8)
        np.bitwise_count(words, out=counts[:, :num_words])
        self._sums = counts.astype(np.uint16).view(WORD).ravel()
        self._sums *= _ONES[16]  # in each lane the points up to it (`_step`)
        through = (self._sums >> np.uint64(48)).view(np.int64)
        of_rows = through.reshape(num_rows, self._row_blocks).sum(axis=1)
        self.sizes = of_rows.astype(np.int32)  # points of each set, (n,)
        self._starts = np.cumsum(of_rows) - of_rows
        self._through = np.cumsum(through, out=through)

    def find(self, rows: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        """Of the sets `rows` (n,) the points (n, k) int32 of these ranks (n, k), from 0 on."""
        wanted = (self._starts[rows, None] + ranks).ravel()
        rows = np.repeat(rows, ranks.shape[1])
        blocks = np.searchsorted(self._through, wanted, side="right")
        sums = self._sums[blocks]
        before = self._through[blocks] - (sums >> np.uint64(48)).view(np.int64)
        word, inside = _step(sums, (wanted - before).view(WORD), 16)
        word = (blocks - rows * self._row_blocks) * BLOCK + word.view(np.int64)
        bits = self._words[rows, word]
        through = np.bitwise_count(bits.view(np.uint8)).view(WORD) * _ONES[8]
        octet, inside = _step(through, inside, 8)
        octets = (bits >> octet * np.uint64(8)).astype(np.uint8)
        found = word * WORD_BITS + octet.view(np.int64) * 8 + _PLACES[octets, inside.view(np.int64)]
        return found.reshape(ranks.shape).astype(np.int32)


def _step(sums: np.ndarray, ranks: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Which lane of so many bits holds the point of each rank (n,), and its rank there, by the
    points up to each lane, `sums` (n,). All lanes of a word are compared at once: the highest bit
    of each stays where the rank is not below the sum."""
    size, highest = np.uint64(bits), _ONES[bits] << np.uint64(bits - 1)
    passed = (ranks * _ONES[bits] | highest) - sums & highest
    lane = np.bitwise_count(passed).astype(WORD)
    before = sums << size >> lane * size & np.uint64(2**bits - 1)
    return lane, ranks - before
