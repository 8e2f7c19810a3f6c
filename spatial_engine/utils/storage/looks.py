"""What earlier runs found when they looked at the scenes of a large set.

A start looks at all that decides whether finished work is still good: it lists folders of frames,
reads poses and samples of large files, reads scene infos. Of ten thousand scenes these are ten
million files. So what was found of a scene is kept in one file beside the folder or table that it
is in, `<place>.looks.json`, with the state of what was looked at (`state_of`: number, size
and times of a file), and holds while that state is the same.

Nothing is lost without that file, nor where it is of another machine, of other code or damaged:
then all is looked at again. A set below `MANY_SCENES` has none. The state of a file tells of every
change. That of a folder tells of files that come, go or are replaced, but not of one that is
written to in its place; so it is taken for the files in it only where these are more than
`MANY_FILES`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import orjson

from spatial_engine.errors import EngineError
from spatial_engine.utils.storage import engine_code, files
from spatial_engine.utils.storage.provenance import file_fingerprint

log = logging.getLogger(__name__)

SUFFIX = ".looks.json"
MANY_SCENES = 1_000  # of one place; what was found of fewer is not kept
MANY_FILES = 1_000_000  # in the folders of the scenes of one place; fewer are all looked at again
# A change just after a look may leave the times as they were, where clocks are coarse.
_SETTLED_NS = 2_000_000_000


class State(NamedTuple):
    """In what state some files and folders are: a digest of their kinds, numbers, sizes and times,
    whether a folder is among them, and the latest of the times (ns)."""

    digest: str
    has_folder: bool
    latest: int


def state_of(paths: Sequence[Path | str]) -> State:
    """The state of files and folders, of which some may not be there."""
    told: list[tuple[int, ...] | None] = []
    for path in paths:
        try:
            at = os.stat(path)
        except OSError:
            told.append(None)
            continue
        kind = stat.S_IFMT(at.st_mode)
        told.append((at.st_mtime_ns, at.st_ctime_ns, at.st_ino, at.st_size, kind))
    there = [one for one in told if one is not None]
    return State(
        hashlib.sha256(repr(told).encode()).hexdigest()[:24],
        any(one[-1] == stat.S_IFDIR for one in there),
        max((time for one in there for time in one[:2]), default=0),
    )


class Looks:
    """What was found of the scenes of one place, a folder or a table: by scene and by the name of
    what was looked for, [digest of the state, what was found, number of files in the folders that
    were looked at]. What is found must be plain JSON."""

    _of: ClassVar[dict[str, Looks]] = {}

    def __init__(self, place: Path):
        self._path = place.with_name(place.name + SUFFIX)
        self._known = self._read()
        self._trusts_folders = self._num_files() > MANY_FILES  # as an earlier run has found
        self._is_new = False

    @classmethod
    def of(cls, place: Path) -> Looks:
        """That of a place, one in a process."""
        absolute = os.path.abspath(place)
        if absolute not in cls._of:
            cls._of[absolute] = cls(Path(absolute))
        return cls._of[absolute]

    @classmethod
    def keep_all(cls) -> None:
        """Write what this process has found, for the next start."""
        for looks in cls._of.values():
            looks.keep()

    def at(
        self, scene_id: str, what: str, paths: Sequence[Path], look: Callable[[], tuple[Any, int]]
    ) -> Any:
        """What a look at these files or folders finds, or has found. `look` also tells how many
        files it has looked at in folders."""
        state = state_of(paths)
        found = self.recall(scene_id, what, state)
        if found is None:
            found, num_files = look()
            self.note(scene_id, what, state, found, num_files)
        return found

    def fingerprints(self, scene_id: str, paths: Sequence[Path], root: Path) -> list[Any]:
        """`provenance.file_fingerprint` of the files that a scene is made from."""
        return self.at(
            scene_id, "made from", paths, lambda: ([file_fingerprint(p, root) for p in paths], 0)
        )

    def recall(self, scene_id: str, what: str, state: State) -> Any:
        """What was found of something in this state; None where that is not known."""
        noted = self._known.get(scene_id, {}).get(what)
        if noted is None or noted[0] != state.digest:
            return None
        return None if state.has_folder and not self._trusts_folders else noted[1]

    def note(self, scene_id: str, what: str, state: State, found: Any, num_files: int) -> None:
        """Note what was found of something that was in this state before the look."""
        if state.latest < time.time_ns() - _SETTLED_NS:
            noted = [state.digest, found, num_files]
            mine = self._known.setdefault(scene_id, {})
            self._is_new = self._is_new or mine.get(what) != noted
            mine[what] = noted

    def keep(self) -> None:
        """Write it where it is new and of many scenes. Where that cannot be, as beside another run
        that does the same, all is looked at again the next time."""
        is_new, self._is_new = self._is_new, False
        if is_new and len(self._known) >= MANY_SCENES:
            data = orjson.dumps(self._known)
            try:
                with files.atomic_path(self._path) as partial:
                    partial.write_bytes(_mark(data) + data)
            except (OSError, EngineError) as error:
                log.info("%s: not written (%s)", self._path, error)

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            data = self._path.read_bytes()
            return orjson.loads(data[64:]) if data[:64] == _mark(data[64:]) else {}
        except (OSError, ValueError):
            return {}

    def _num_files(self) -> int:
        """Files in the folders of all scenes, each counted once."""
        return sum(max(noted[2] for noted in scene.values()) for scene in self._known.values())


def _mark(data: bytes) -> bytes:
    """What a whole file of this code begins with: what is found is decided by code, too."""
    return hashlib.sha256(_code().encode() + data).hexdigest().encode()


@cache
def _code() -> str:
    return engine_code.digest_of_program()
