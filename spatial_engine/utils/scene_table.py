"""Parquet tables with one row group per scene: written by scene, read by scene, never whole.

The file's metadata names the scene of each row group and a few facts about it, so that a reader
goes straight to its scene however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spatial_engine.errors import BadDataError, MissingInputError

_KEY = b"spatial_engine.scenes"  # metadata: [[scene id, facts], ...] by row group


def write_part(path: Path, table: pa.Table, scene_id: str, facts: dict[str, Any]) -> None:
    """Write one scene's rows and what is noted about it, to be merged later.

    A part is plain Arrow data: it lives for the run only, and encoding it for parquet twice would
    cost more than its room on the disk.
    """
    table = table.replace_schema_metadata({_KEY: json.dumps([[scene_id, facts]])})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def merge_parts(parts: Sequence[Path], output: Path, **encoding: Any) -> None:
    """Join parts into a table, a row group each, in the given order; one is held at a time.

    `encoding` goes to the parquet writer.
    """
    schemas = [_read_part(part).schema for part in parts]
    entries = [entry for schema in schemas for entry in json.loads(schema.metadata[_KEY])]
    schema = schemas[0].with_metadata({_KEY: json.dumps(entries)})
    with pq.ParquetWriter(output, schema, write_page_checksum=True, **encoding) as writer:
        for part in parts:
            table = _read_part(part).cast(schema)
            writer.write_table(table, row_group_size=max(len(table), 1))


def _read_part(path: Path) -> pa.Table:
    """A part, mapped into memory rather than read."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


class SceneTable:
    """Reads such a file scene by scene. Its pages carry checksums, so a wrong bit is an error.

    `columns` must be there; those of `dictionaries` are read as pyarrow dictionaries. Raises
    `MissingInputError` where there is no file and `BadDataError` where it is damaged.
    """

    def __init__(
        self,
        path: str | Path,
        remedy: str = "make it again",
        *,
        columns: Sequence[str] = (),
        dictionaries: Sequence[str] = (),
    ):
        self.path = Path(path)
        self.remedy = remedy
        if not self.path.is_file():
            raise MissingInputError(f"{path}: no such table; {remedy}")
        try:
            self._file = pq.ParquetFile(
                self.path,
                read_dictionary=list(dictionaries),
                page_checksum_verification=True,
            )
            self.entries = json.loads((self._file.schema_arrow.metadata or {})[_KEY])
            self._facts = {scene: dict(facts) for scene, facts in self.entries}
        except (OSError, pa.ArrowException, LookupError, ValueError, TypeError) as error:
            raise BadDataError(f"{path}: not a table of scenes ({error}); {remedy}") from None
        except RecursionError:
            raise BadDataError(f"{path}: not a table of scenes; {remedy}") from None
        self._row_group = {scene: number for number, (scene, _) in enumerate(self.entries)}
        missing = set(columns) - set(self._file.schema_arrow.names)
        if missing:
            raise BadDataError(f"{path}: has no column {min(missing)}; {remedy}")
        if not len(self.entries) == len(self._facts) == self._file.num_row_groups:
            raise BadDataError(f"{path}: scenes and row groups do not match; {remedy}")

    @property
    def scene_ids(self) -> list[str]:
        """Ids in the order of the file."""
        return list(self._facts)

    def facts(self, scene_id: str) -> dict[str, Any]:
        """What was noted about a scene when it was written."""
        return self._facts[self._known(scene_id)]

    def num_rows(self, scene_id: str) -> int:
        """Rows of a scene, from the file's metadata."""
        return self._file.metadata.row_group(self._row_group[self._known(scene_id)]).num_rows

    def read(self, scene_id: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of one scene."""
        number = self._row_group[self._known(scene_id)]
        try:
            # One thread: a worker has one core.
            return self._file.read_row_group(number, columns=columns, use_threads=False)
        except (OSError, pa.ArrowException, KeyError) as error:
            raise BadDataError(
                f"{self.path}: {scene_id} is damaged ({error}); {self.remedy}"
            ) from None

    def _known(self, scene_id: str) -> str:
        if scene_id not in self._facts:
            raise BadDataError(f"{self.path}: holds no {scene_id}; {self.remedy}")
        return scene_id
