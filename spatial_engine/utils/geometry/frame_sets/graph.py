"""Which frames of a scene can stand in a set together, by their overlaps. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

MAX_LINKS = 7  # on the way between two frames of a set
FAR = 99  # links between two frames that no set joins


@dataclass(frozen=True)
class FrameGraph:
    """Which frames can stand in a set, (n, n) bool each, symmetric, by their overlap (n, n) in
    percent: `linked` are those that share enough to be joined, `alike` those that share so much
    that one of them is enough, each with itself too. Frames that cannot be used are alike to all.
    """

    overlap: np.ndarray
    linked: np.ndarray
    alike: np.ndarray

    @classmethod
    def of(
        cls, overlap: np.ndarray, usable: np.ndarray, min_link: float, max_like: float
    ) -> FrameGraph:
        """Of the overlaps and of which frames are `usable` (n,) bool."""
        alike = overlap > max_like
        alike |= ~usable[:, None] | ~usable[None, :]
        np.fill_diagonal(alike, True)
        return cls(overlap, (overlap >= min_link) & ~alike, alike)

    def part(self, frames: np.ndarray) -> FrameGraph:
        """That of some frames (k,) alone, numbered in their order."""
        here = np.ix_(frames, frames)
        return FrameGraph(self.overlap[here], self.linked[here], self.alike[here])

    @property
    def usable(self) -> np.ndarray:
        """Numbers of the frames that can be used, ascending."""
        return np.flatnonzero(~self.alike.all(axis=1) | (len(self.alike) == 1))

    @cached_property
    def hops(self) -> np.ndarray:
        """Links from each frame to each by the shortest way, (n, n) int8; `FAR` where there are
        more than a set can have."""
        hops = np.full(self.linked.shape, FAR, np.int8)
        np.fill_diagonal(hops, 0)
        links = self.linked.astype(np.float32)
        for number in range(1, MAX_LINKS + 1):
            reached = (hops == number - 1).astype(np.float32) @ links > 0
            hops[reached & (hops == FAR)] = number
        return hops
