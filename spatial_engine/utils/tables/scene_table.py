"""Parquet tables with one row group per scene: read by scene, never whole (`table_writer`).

The file's metadata names the scene of each row group and a few facts about it, so that a reader
goes straight to its scene however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.files import check_id
from spatial_engine.utils.storage.input_files import missing
from spatial_engine.utils.tables.memory import bounded_memory
from spatial_engine.utils.tables.parquet.table_writer import KEY

# What repeats takes a few bytes in a file, however often it does. A scan of 6,000 frames gives 0.7
# million pairs of D5 frames, which see 18 million points.
MAX_ROWS = 4_000_000  # of a scene
MAX_MEMORY = 2**29  # bytes that reading a scene may take, on Linux
# Among what a scene was made from, in the provenance of a table: digest of the names and sizes of
# its depth images. Not of their times, in which a copy differs.
DEPTH_SIZES = "depth sizes"


class _Contents(NamedTuple):
    """A table, open, and by scene the number of its row group and what is noted about it."""

    file: pq.ParquetFile
    schema: pa.Schema  # without what is told of scenes, which would be copied at each look
    row_groups: dict[str, int]
    facts: dict[str, dict[str, Any]]


@lru_cache(maxsize=4)
def _open(path: Path, state: tuple[int, ...], dictionaries: tuple[str, ...]) -> _Contents:
    """Open a table in this state (size, time and number of the file). A process that opens it for
    one scene after the other does this once: what a table says of itself grows with the scenes, so
    that reading it for each would cost their square."""
    file = pq.ParquetFile(path, read_dictionary=list(dictionaries), page_checksum_verification=True)
    footer = file.metadata
    rows = sum(footer.row_group(k).num_rows for k in range(footer.num_row_groups))
    if rows != footer.num_rows:  # pyarrow 26 reads as many rows as a row group claims
        raise ValueError(f"its scenes claim {rows:,} rows, and the file {footer.num_rows:,}")
    entries = json.loads((footer.metadata or {})[KEY])
    facts = {scene: dict(noted) for scene, noted in entries}
    for scene in facts:
        check_id(scene, path)
    if not len(entries) == len(facts) == footer.num_row_groups:
        raise ValueError("scenes and row groups do not match")
    return _Contents(
        file,
        file.schema_arrow.remove_metadata(),
        {scene: number for number, scene in enumerate(facts)},
        facts,
    )


class SceneTable:
    """Reads such a file scene by scene. Its pages carry checksums, so a wrong bit is an error.

    The columns of `schema` must be there, those of `optional` may be, of their types, and a value
    in every cell; those of `dictionaries` are read as pyarrow dictionaries. `told_by` is
    the output whose provenance tells of the table, where it has none of its own. Raises
    `MissingInputError` where there is no file and `BadDataError` where it is damaged.
    """

    def __init__(
        self,
        path: str | Path,
        remedy: str = "make it again",
        *,
        schema: pa.Schema | None = None,
        dictionaries: Sequence[str] = (),
        optional: Sequence[pa.Field] = (),
        told_by: Path | None = None,
    ):
        self.path = Path(path)
        self.told_by = told_by or self.path
        self.remedy = remedy
        if not self.path.is_file():
            raise MissingInputError(missing(self.path, remedy, "table"))
        try:
            status = self.path.stat()
            state = (status.st_size, status.st_mtime_ns, status.st_ino)
            contents = _open(self.path, state, tuple(dictionaries))
        except (OSError, pa.ArrowException, LookupError, ValueError, TypeError) as error:
            raise BadDataError(f"{path}: not a table of scenes ({error}); {remedy}") from None
        except RecursionError:
            raise BadDataError(f"{path}: not a table of scenes; {remedy}") from None
        self._file, self._schema, self._row_group, self._facts = contents
        there = self._schema.names
        wanted = [*(schema or []), *(field for field in optional if field.name in there)]
        self._check_columns(pa.schema(wanted), dictionaries)

    @property
    def scene_ids(self) -> list[str]:
        """Ids in the order of the file."""
        return list(self._facts)

    def __contains__(self, scene_id: str) -> bool:
        return scene_id in self._facts

    @property
    def column_names(self) -> list[str]:
        """Columns of the file."""
        return self._schema.names

    def facts(self, scene_id: str) -> dict[str, Any]:
        """What was noted about a scene when it was written."""
        return self._facts[self._known(scene_id)]

    def made_from(self, scene_id: str) -> dict[str, Any]:
        """What a scene was made from; empty where the table's provenance does not tell."""
        told = self._made_from.get(scene_id)
        return told if isinstance(told, dict) else {}

    def is_of_other_depth(self, scene_id: str, depth_sizes: str | None) -> bool:
        """Whether a scene was made from other depth images than those there are now, by the digest
        of their names and sizes; None where none are there, with which nothing can be said."""
        return depth_sizes is not None and (
            self.made_from(scene_id).get(DEPTH_SIZES) not in (None, depth_sizes)
        )

    def num_rows(self, scene_id: str) -> int:
        """Rows of a scene, from the file's metadata."""
        return self._file.metadata.row_group(self._row_group[self._known(scene_id)]).num_rows

    def read(
        self,
        scene_id: str,
        columns: Sequence[str] | None = None,
        max_bytes: int = MAX_MEMORY,
    ) -> pa.Table:
        """The rows of one scene, of `max_bytes` at most: Python objects take many times more."""
        number = self._row_group[self._known(scene_id)]
        num_rows = self.num_rows(scene_id)
        if num_rows > MAX_ROWS:
            raise BadDataError(f"{self.path}: {scene_id} claims {num_rows:,} rows; {self.remedy}")
        try:
            with bounded_memory(MAX_MEMORY):  # one thread: a worker has one core
                table = self._file.read_row_group(number, columns=columns, use_threads=False)
            table.validate(full=True)  # texts are texts, and no offset points anywhere
        except (OSError, pa.ArrowException, KeyError) as error:
            raise BadDataError(
                f"{self.path}: {scene_id} is damaged ({error}); {self.remedy}"
            ) from None
        if len(table) != num_rows:
            raise BadDataError(
                f"{self.path}: {scene_id} holds {len(table):,} rows and claims {num_rows:,}; "
                f"{self.remedy}"
            )
        if table.nbytes > max_bytes:
            raise BadDataError(
                f"{self.path}: {scene_id} takes {table.nbytes:,} bytes, over {max_bytes:,}; "
                f"{self.remedy}"
            )
        for name, column in zip(table.column_names, table.columns, strict=True):
            is_float = pa.types.is_floating(column.type)
            if column.null_count or (is_float and not np.isfinite(column.to_numpy()).all()):
                raise BadDataError(
                    f"{self.path}: {scene_id} has null or non-finite values of {name}; "
                    f"{self.remedy}"
                )
        return table

    @cached_property
    def _made_from(self) -> dict[str, Any]:
        return provenance.read_inputs(self.told_by)

    def _check_columns(self, schema: pa.Schema, dictionaries: Sequence[str]) -> None:
        """Raise `BadDataError` unless the file has these columns, once each."""
        there = self._schema
        for field in schema:
            kind = (
                pa.dictionary(pa.int32(), field.type) if field.name in dictionaries else field.type
            )
            found = [there.field(k).type for k in there.get_all_field_indices(field.name)]
            if found != [kind]:
                raise BadDataError(
                    f"{self.path}: has no column {field.name} of {field.type}; {self.remedy}"
                )

    def _known(self, scene_id: str) -> str:
        if scene_id not in self._facts:
            raise BadDataError(f"{self.path}: holds no {scene_id}; {self.remedy}")
        return scene_id
