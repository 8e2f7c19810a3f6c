"""Parquet tables with one row group per scene: written by scene, read by scene, never whole.

The file's metadata names the scene of each row group and a few facts about it, so that a reader
goes straight to its scene however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.running import provenance
from spatial_engine.utils.running.files import check_id
from spatial_engine.utils.running.input_files import missing
from spatial_engine.utils.running.memory import bounded_memory

# What repeats takes a few bytes in a file, however often it does. A scan of 6,000 frames gives 0.7
# million pairs of D5 frames, which see 18 million points.
MAX_ROWS = 4_000_000  # of a scene
MAX_MEMORY = 2**29  # bytes that reading a scene may take, on Linux
_REMEDY = "start again with --overwrite"  # of a part
_KEY = b"spatial_engine.scenes"  # metadata: [[scene id, facts], ...] by row group
# Among what a scene was made from, in the provenance of a table: digest of the names and sizes of
# its depth images. Not of their times, in which a copy differs.
DEPTH_SIZES = "depth sizes"


def write_part(path: Path, table: pa.Table, scene_id: str, facts: dict[str, Any]) -> None:
    """Write one scene's rows and what is noted about it, to be merged later.

    A part is plain Arrow data: encoding it for parquet twice would cost more than its room on the
    disk.
    """
    table = table.replace_schema_metadata({_KEY: json.dumps([[scene_id, facts]])})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def merge_parts(parts: Sequence[Path], output: Path, **encoding: Any) -> None:
    """Join parts into a table, a row group each, in the given order; one is held at a time.

    `encoding` goes to the parquet writer.
    """
    heads = [_read_head(part) for part in parts]
    schema = heads[0][0]
    tables = (_read_part(part, schema) for part in parts)
    try:
        write_scenes(output, schema, [entry for _, entry in heads], tables, **encoding)
    except pa.ArrowException as error:  # of types that no table of ours has
        raise BadDataError(f"{parts[0]}: a damaged part ({error}); {_REMEDY}") from None


def write_scenes(
    output: Path,
    schema: pa.Schema,
    entries: Sequence[Any],
    tables: Iterable[pa.Table],
    **encoding: Any,
) -> None:
    """Write scenes, a row group each; `entries` are [scene id, facts] of each of the `tables`."""
    schema = schema.with_metadata({_KEY: json.dumps(entries)})
    with pq.ParquetWriter(output, schema, write_page_checksum=True, **encoding) as writer:
        for table in tables:
            writer.write_table(table.cast(schema), row_group_size=max(len(table), 1))


def _read_part(path: Path, schema: pa.Schema) -> pa.Table:
    with _named(path):  # read, not mapped: a disk that fails ends no process
        table = pa.ipc.open_file(pa.py_buffer(path.read_bytes())).read_all()
        table.validate(full=True)  # Arrow would follow an offset that points anywhere
        return table.cast(schema)


def _read_head(path: Path) -> tuple[pa.Schema, list[Any]]:
    """Columns of a part, and its entry: scene id and facts."""
    with _named(path):
        with pa.OSFile(str(path)) as file:
            schema = pa.ipc.open_file(file).schema
        (entry,) = json.loads((schema.metadata or {})[_KEY])
    return schema, entry


@contextmanager
def _named(part: Path) -> Iterator[None]:
    """Damage in a part becomes an error that names it."""
    try:
        yield
    except (
        OSError,
        pa.ArrowException,
        LookupError,
        ValueError,
        TypeError,
        RecursionError,
    ) as error:
        raise BadDataError(f"{part}: a damaged part ({error}); {_REMEDY}") from None


@lru_cache(maxsize=4)
def _read_footer(path: Path, num_bytes: int, mtime_ns: int) -> tuple[pq.FileMetaData, list[Any]]:
    """Footer and entries of a table. A process that opens it for one scene after the other reads
    them once: they grow with the scenes, so that reading them for each would cost their square."""
    footer = pq.read_metadata(path)
    rows = sum(footer.row_group(k).num_rows for k in range(footer.num_row_groups))
    if rows != footer.num_rows:  # pyarrow 26 reads as many rows as a row group claims
        raise ValueError(f"its scenes claim {rows:,} rows, and the file {footer.num_rows:,}")
    return footer, json.loads((footer.metadata or {})[_KEY])


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
            footer, self.entries = _read_footer(self.path, status.st_size, status.st_mtime_ns)
            self._file = pq.ParquetFile(
                self.path,
                metadata=footer,
                read_dictionary=list(dictionaries),
                page_checksum_verification=True,
            )
            self._facts = {scene: dict(facts) for scene, facts in self.entries}
        except (OSError, pa.ArrowException, LookupError, ValueError, TypeError) as error:
            raise BadDataError(f"{path}: not a table of scenes ({error}); {remedy}") from None
        except RecursionError:
            raise BadDataError(f"{path}: not a table of scenes; {remedy}") from None
        self._row_group = {scene: number for number, (scene, _) in enumerate(self.entries)}
        for scene in self._facts:
            check_id(scene, path)
        there = self._file.schema_arrow.names
        wanted = [*(schema or []), *(field for field in optional if field.name in there)]
        self._check_columns(pa.schema(wanted), dictionaries)
        if not len(self.entries) == len(self._facts) == self._file.num_row_groups:
            raise BadDataError(f"{path}: scenes and row groups do not match; {remedy}")

    @property
    def scene_ids(self) -> list[str]:
        """Ids in the order of the file."""
        return list(self._facts)

    @property
    def column_names(self) -> list[str]:
        """Columns of the file."""
        return self._file.schema_arrow.names

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
        there = self._file.schema_arrow
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
