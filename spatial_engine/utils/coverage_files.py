"""The files of object coverage: parts of chunks of scenes, and the merged ones (SPEC 8). One owner.

All hold `{scene: {object_id: {k: [(image_id, ...), ...]}}}` for one dimension: the minimal sets of
k images. A chunk of scenes [start, end) of the sorted list has a folder of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils import object_table, provenance
from spatial_engine.utils.files import check_id
from spatial_engine.utils.plain_pickle import load_pickle

DIMENSIONS = ("height", "length", "width")
FIND_REMEDY = "run find_object_coverage.sh"
MERGE_REMEDY = "run spatial_engine/object_perception/merge_object_coverage.py"

Coverage = dict[str, dict[int, dict[int, list[tuple[str, ...]]]]]


@dataclass(frozen=True)
class Chunk:
    """Files of the scenes [start, end) of a split."""

    root: Path
    split: str
    start: int
    end: int

    @property
    def folder(self) -> Path:
        parent = object_table.folder(self.root, self.split)
        return parent / f"{self.split}_{self.start}_{self.end}"

    def path(self, dimension: str) -> Path:
        """The file of one dimension."""
        name = f"{self.split}_object_coverage_{dimension}_{self.start}_{self.end}.pkl"
        return self.folder / name


def merged_path(root: Path, split: str, dimension: str) -> Path:
    """The file of a whole split."""
    return object_table.folder(root, split) / f"merged_{split}_object_coverage_{dimension}.pkl"


def find_chunks(root: Path, split: str) -> list[Chunk]:
    """The chunks that are there, by start."""
    found = []
    for path in object_table.folder(root, split).glob(f"{split}_*_*"):
        match = re.fullmatch(rf"{split}_(0|[1-9][0-9]*)_([1-9][0-9]*)", path.name)
        if match and path.is_dir():
            found.append(Chunk(root, split, int(match[1]), int(match[2])))
    return sorted(found, key=lambda chunk: (chunk.start, chunk.end))


def load_coverage(path: Path, remedy: str) -> Coverage:
    """Sets of images by scene, object and number of images; `BadDataError` for anything else."""
    coverage = load_pickle(path, remedy)
    try:
        for scene_id, by_object in coverage.items():
            check_id(scene_id, path)
            for object_id, by_count in by_object.items():
                if type(object_id) is not int:
                    raise TypeError(f"{object_id!r} is no object")
                for count, sets in by_count.items():
                    if not _are_sets(sets, count):
                        raise ValueError("something else than sets of so many images")
    except (AttributeError, TypeError, ValueError) as error:
        raise BadDataError(f"{path}: not sets of images by scene ({error}); {remedy}") from None
    return coverage


def _are_sets(sets: Any, count: Any) -> bool:
    return (
        type(count) is int
        and count > 0
        and isinstance(sets, list)
        and len(sets) > 0
        and all(isinstance(images, tuple) and len(images) == count for images in sets)
        and all(isinstance(image_id, str) for images in sets for image_id in images)
    )


def merge_chunks(
    chunks: Sequence[Chunk], dimension: str, content: Mapping[str, str]
) -> tuple[Coverage, Any]:
    """Join the chunks' files; every scene of `content` must be there exactly once.

    `content` says by scene what its sets are to be made from (`object_table.content_digest`).
    Returns the sets and the constants that they were made with. Raises `MissingInputError` for a
    missing file, `BadDataError` for scenes that are missing, double, unknown or of another run.
    """
    merged: Coverage = {}
    holder: dict[str, Chunk] = {}
    settings: dict[str, Chunk] = {}
    for chunk in chunks:
        path = chunk.path(dimension)
        if not path.is_file():
            raise MissingInputError(f"{path}: no such file; {FIND_REMEDY}")
        meta = provenance.read_meta(path)
        settings.setdefault(provenance.digest(meta.get("settings")), chunk)
        made_from = provenance.read_inputs(path)
        for scene_id, by_object in load_coverage(path, FIND_REMEDY).items():
            if scene_id in holder:
                raise BadDataError(
                    f"{path}: {scene_id} is in {holder[scene_id].folder.name} too; remove one of "
                    f"the two folders, or all {chunk.split}_*_*, and {FIND_REMEDY}"
                )
            if made_from.get(scene_id) != [content.get(scene_id)]:
                raise BadDataError(
                    f"{path}: {scene_id} is of another run (the object visibility has changed); "
                    f"{FIND_REMEDY}"
                )
            holder[scene_id], merged[scene_id] = chunk, by_object
    if len(settings) > 1:
        first, second = list(settings.values())[:2]
        raise BadDataError(
            f"{second.path(dimension)}: made with other constants or code than "
            f"{first.folder.name}; {FIND_REMEDY}"
        )
    missing = sorted(set(content) - set(merged))
    if missing:
        some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        place = sorted(content).index(missing[0])
        raise BadDataError(
            f"{object_table.table_path(chunks[0].root, chunks[0].split)}: coverage of "
            f"{len(missing)} scenes is missing ({some}; from number {place} on); {FIND_REMEDY}"
        )
    return dict(sorted(merged.items())), provenance.read_meta(chunks[0].path(dimension))["settings"]
