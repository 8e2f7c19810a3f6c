"""How many different names there are, among more than can be kept."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

MOST_WAITING = 2**18  # names kept as they are, 40 MB: most are named again soon


class Distinct:
    """Counts different names by hashes of 64 bits: 8 bytes for each, so two of them may be taken
    for one in billions."""

    def __init__(self) -> None:
        self._hashes = np.empty(0, np.uint64)  # sorted, each once
        self._waiting: set[str] = set()

    def update(self, names: Iterable[str]) -> None:
        """Names of which any may have been counted."""
        self._waiting.update(names)
        if len(self._waiting) >= MOST_WAITING:
            self._settle()

    def merge(self, other: Distinct) -> None:
        """What another has counted, too."""
        other._settle()
        self._settle()
        self._hashes = np.union1d(self._hashes, other._hashes)

    def __len__(self) -> int:
        self._settle()
        return len(self._hashes)

    def __getstate__(self) -> np.ndarray:
        self._settle()  # what is sent to another process is small
        return self._hashes

    def __setstate__(self, hashes: np.ndarray) -> None:
        self._hashes, self._waiting = hashes, set()

    def _settle(self) -> None:
        if self._waiting:
            encoded = (name.encode("utf-8", "surrogatepass") for name in self._waiting)
            new = b"".join(blake2b(name, digest_size=8).digest() for name in encoded)
            self._hashes = np.union1d(self._hashes, np.frombuffer(new, "<u8"))
            self._waiting = set()
