"""The files of object coverage: those of chunks of scenes, and the merged ones (SPEC 8).

Each is a table (`coverage_table`) of one dimension with a pickle of the same content beside it. A
chunk of scenes [start, end) of the sorted list has a folder of its own.

Lists grow and shrink, and chunks of other sizes or of earlier lists stay behind. So a chunk is
known by its content: `content` says by scene, in the list as it is now, what sets are to be made
from (`object_table.content_digest`), and what a chunk holds of a scene is current when it was made
from just that.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, EngineError, MissingInputError, SettingsError
from spatial_engine.utils import paths
from spatial_engine.utils.paths import Place
from spatial_engine.utils.storage import files, locks, provenance
from spatial_engine.utils.tables import coverage_table
from spatial_engine.utils.tables.scene_table import SceneTable

log = logging.getLogger(__name__)

DIMENSIONS = ("height", "length", "width")
FIND_REMEDY = "run find_object_coverage.sh"
MERGE_REMEDY = "run spatial_engine/object_perception/merge_object_coverage.py"
FOUND_WITH = "found with"  # among what a merged file is made from: the constants of its chunks


@dataclass(frozen=True)
class Chunk:
    """Files of the scenes [start, end) of a split."""

    place: Place
    split: str
    start: int
    end: int

    @property
    def folder(self) -> Path:
        parent = paths.objects_dir(self.place, self.split)
        return parent / f"{self.split}_{self.start}_{self.end}"

    def path(self, dimension: str) -> Path:
        """The pickle of one dimension, whose provenance tells of both files."""
        name = f"{self.split}_object_coverage_{dimension}_{self.start}_{self.end}.pkl"
        return self.folder / name

    def table_path(self, dimension: str) -> Path:
        """The table of one dimension."""
        return self.path(dimension).with_suffix(".parquet")

    def paths(self) -> dict[str, Path]:
        """The pickles of all dimensions."""
        return {dimension: self.path(dimension) for dimension in DIMENSIONS}

    def tables(self) -> dict[str, Path]:
        """The tables of all dimensions, as the companions of the pickles."""
        return {table_name(dimension): self.table_path(dimension) for dimension in DIMENSIONS}

    def open(self, dimension: str) -> SceneTable:
        """The table of one dimension, opened."""
        remedy = f"remove {self.folder}, then {FIND_REMEDY}"
        return coverage_table.open_sets(self.table_path(dimension), remedy)

    def settings(self, dimension: str) -> Any:
        """The constants and the code that made the files; None where that is unknown."""
        return provenance.read_meta(self.path(dimension)).get("settings")

    def current(self, dimension: str, content: Mapping[str, str]) -> set[str]:
        """The scenes of `content` that this table should hold: not those that failed."""
        is_there = self.table_path(dimension).is_file()
        made_from = provenance.read_inputs(self.path(dimension)) if is_there else {}
        told = ((scene, digests) for scene, digests in made_from.items() if scene in content)
        held = {scene for scene, digests in told if digests == [content[scene]]}
        failed = provenance.read_meta(self.path(dimension)).get("failed_scenes") if held else None
        return held - failed.keys() if isinstance(failed, dict) else held

    def is_right(self, order: Sequence[str], content: Mapping[str, str], settings: Any) -> bool:
        """Whether it is complete, was made with these constants, and holds the scenes in its
        name; `order` is that of the scenes of `content`."""
        mine = set(order[self.start : self.end])
        return all(self._is_whole(d, mine, content, settings) for d in DIMENSIONS)

    def has_files(self) -> bool:
        """Whether it holds files; a chunk that has just been started has none."""
        return any(
            path.is_file() for d in DIMENSIONS for path in (self.path(d), self.table_path(d))
        )

    def is_being_made(self) -> bool:
        """Whether a running command holds it; leftovers of a killed one do not count."""
        for parts in self.folder.glob(f"*{files.PARTS_SUFFIX}"):
            try:
                with locks.locked(parts):
                    pass
            except SettingsError:
                return True
        return False

    def remove_begun(self) -> None:
        """Remove what a stopped run left of a chunk without files, unless another run holds it."""
        for parts in self.folder.glob(f"*{files.PARTS_SUFFIX}"):
            files.remove_idle(parts)
        with suppress(OSError):  # it holds more
            self.folder.rmdir()

    def _is_whole(
        self, dimension: str, mine: set[str], content: Mapping[str, str], settings: Any
    ) -> bool:
        path = self.path(dimension)
        meta = provenance.read_meta(path)
        return (
            path.is_file()
            and provenance.has_companions(meta, self.tables())
            and self.current(dimension, content) == mine == set(provenance.read_inputs(path))
            and provenance.digest(meta.get("settings")) == provenance.digest(settings)
            and not meta.get("failed_scenes")
            and meta.get("bytes") == path.stat().st_size
        )


def table_name(dimension: str) -> str:
    """What a chunk's table is called among its outputs; the pickle goes by the dimension alone."""
    return f"{dimension} table"


def find_chunks(place: Place, split: str) -> list[Chunk]:
    """The chunks that are there, by start."""
    found = []
    for path in paths.objects_dir(place, split).glob(f"{split}_*_*"):
        match = re.fullmatch(rf"{split}_(0|[1-9][0-9]*)_([1-9][0-9]*)", path.name)
        if match and path.is_dir():
            found.append(Chunk(place, split, int(match[1]), int(match[2])))
    return sorted(found, key=lambda chunk: (chunk.start, chunk.end))


def _survey(
    chunks: Sequence[Chunk], dimension: str, content: Mapping[str, str]
) -> tuple[set[str], list[Chunk]]:
    """The current scenes that chunks hold, and of these chunks the first with each constants and
    code; by provenance alone, as there may be thousands of tables."""
    held: set[str] = set()
    makers: list[tuple[Any, Chunk]] = []
    for chunk in chunks:
        if current := chunk.current(dimension, content):
            held |= current
            settings = chunk.settings(dimension)
            if all(settings != other for other, _ in makers):
                makers.append((settings, chunk))
    return held, [chunk for _, chunk in makers]


def settings_of(chunks: Sequence[Chunk], dimension: str, content: Mapping[str, str]) -> Any:
    """The constants and the code that the current scenes of chunks were found with.

    Raises `MissingInputError` for a missing file, `BadDataError` for scenes that are in none, and
    where current chunks were made with different constants.
    """
    held, makers = _survey(chunks, dimension, content)
    if missing := sorted(content.keys() - held):
        raise _explain_missing(chunks, dimension, content, missing)
    for other in makers[1:]:
        raise BadDataError(
            f"{other.table_path(dimension)}: made with other constants or code than "
            f"{makers[0].folder.name}; {FIND_REMEDY}"
        )
    return makers[0].settings(dimension)


def choose_chunks(
    chunks: Sequence[Chunk], dimension: str, content: Mapping[str, str]
) -> dict[str, Chunk]:
    """Which chunk to take each scene of `content` from; outdated scenes are ignored, and a
    scene that several chunks hold is the same in all of them.

    Returns the chunks by scene, sorted. Raises `MissingInputError` for a missing file,
    `BadDataError` for a damaged one and for scenes that are in none.
    """
    chosen: dict[str, Chunk] = {}
    for chunk in chunks:
        if current := chunk.current(dimension, content):
            chosen |= dict.fromkeys(current & set(chunk.open(dimension).scene_ids), chunk)
    if missing := sorted(content.keys() - chosen.keys()):
        raise _explain_missing(chunks, dimension, content, missing)
    return dict(sorted(chosen.items()))


def join_chunks(chosen: Mapping[str, Chunk], dimension: str, output: Path) -> int:
    """Write the merged table, each scene from its chunk; return how many scenes it holds."""
    sources = [(chunk.table_path(dimension), scene) for scene, chunk in chosen.items()]
    remedy = f"remove its folder, then {FIND_REMEDY}"
    coverage_table.merge_sets(sources, output, remedy=remedy)
    return len(chosen)


def _explain_missing(
    chunks: Sequence[Chunk], dimension: str, content: Mapping[str, str], missing: Sequence[str]
) -> EngineError:
    """The message about `missing` scenes: it names the file that should hold them, if there is
    one."""
    order = sorted(content)
    place = order.index(missing[0])
    cause = f"{paths.object_table_path(chunks[0].place, chunks[0].split)}: "
    for chunk in chunks:
        path = chunk.table_path(dimension)
        if not path.is_file():
            if chunk.start <= place < chunk.end:
                return MissingInputError(f"{path}: no such file; {FIND_REMEDY}")
        elif missing[0] in chunk.open(dimension).scene_ids:
            cause = f"{path}: {missing[0]} is of another run, the object visibility has changed; "
            break
    some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
    return BadDataError(
        f"{cause}coverage of {len(missing)} scenes is missing ({some}; from number {place} on); "
        f"{FIND_REMEDY}"
    )


def constants_of(merged: Path) -> dict[str, Any]:
    """Constants that the sets of a merged file were found with, those of the object visibility
    among them; empty where it does not tell them."""
    told = provenance.read_inputs(merged).get(FOUND_WITH)
    told = told if isinstance(told, dict) else {}
    return {name: value for name, value in told.items() if name.isupper() or name == "published"}


def check_is_newest(
    merged: Path, chunks: Sequence[Chunk], dimension: str, content: Mapping[str, str]
) -> None:
    """Raise `BadDataError` where chunks were found with other constants than the merged file."""
    settings = provenance.read_inputs(merged).get(FOUND_WITH)
    for chunk in _survey(chunks, dimension, content)[1]:
        if chunk.settings(dimension) != settings:
            raise BadDataError(
                f"{merged}: stale, {chunk.folder.name} was found with other constants or code; "
                f"{MERGE_REMEDY}"
            )


def remove_stale(
    place: Place,
    split: str,
    content: Mapping[str, str],
    settings: Any,
    known: Collection[Chunk] = frozenset(),
) -> None:
    """Remove chunks of other lists, object visibilities or constants (`settings` are those of
    now), once right chunks hold all of their scenes that are still asked for.

    A right chunk is never removed, whatever its size, nor one that is being made: several machines
    may work on one list. Those that are `known` to be right are not looked at again.
    """
    there = find_chunks(place, split)
    chunks = [chunk for chunk in there if chunk.has_files()]
    order = sorted(content)
    right = {c for c in chunks if c in known or c.is_right(order, content, settings)}
    held = {scene for chunk in right for scene in order[chunk.start : chunk.end]}
    for chunk in chunks:
        if chunk in right:
            continue
        current = {scene for d in DIMENSIONS for scene in chunk.current(d, content)}
        if current - held or chunk.is_being_made():
            continue
        if chunk.is_right(order, content, settings):  # finished just now
            continue
        with suppress(OSError):  # another process is removing it just now
            # In one go: nobody reads half of it.
            os.rename(chunk.folder, f"{chunk.folder}{files.PARTIAL_SUFFIX}")
            log.info("%s: removed, its scenes are in other chunks or in none", chunk.folder)
    for chunk in there:  # what a stopped run with other chunks had begun
        if chunk not in chunks and held.issuperset(order[chunk.start : chunk.end]):
            chunk.remove_begun()
    for aside in paths.objects_dir(place, split).glob(f"{split}_*_*{files.PARTIAL_SUFFIX}"):
        with suppress(OSError):
            files.remove(aside)
