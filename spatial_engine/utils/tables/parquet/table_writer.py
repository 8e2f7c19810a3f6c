"""Writes parquet tables with one row group per scene, read by `scene_table`.

A scene is encoded once, by the worker that measured it, to a table of that scene alone. Tables are
joined, and scenes of a table taken over into the next, as bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from spatial_engine.errors import BadDataError
from spatial_engine.utils.tables.parquet.row_groups import (
    Digest,
    Footer,
    RowGroupWriter,
    read_footer,
)

KEY = b"spatial_engine.scenes"  # metadata: [[scene id, facts], ...] by row group
DIGEST = "digest"  # among the facts of a scene: of its row group, as it is written
_PLAIN = {"write_page_checksum": True, "write_page_index": False}  # what can be copied
_REMEDY = "start again with --overwrite"  # where scenes are copied
Source = Path | tuple[Path, str]  # a table, or one of its scenes


def write_part(
    path: Path, table: pa.Table, scene_id: str, facts: dict[str, Any], **encoding: Any
) -> None:
    """Write one scene's rows and what is noted about it, to be merged later: a table of one scene.

    `encoding` goes to the parquet writer.
    """
    write_scenes(path, table.schema, [(scene_id, facts, table)], **encoding)


def write_scenes(
    output: Path,
    schema: pa.Schema,
    scenes: Iterable[tuple[str, dict[str, Any], pa.Table]],
    **encoding: Any,
) -> None:
    """Write scenes (id, facts, rows), a row group each, with the digest of its bytes."""
    schema = schema.remove_metadata()
    entries = []
    with open(output, "wb") as file:
        sink = _Sink(file)
        with pq.ParquetWriter(sink, schema, **_PLAIN, **encoding) as writer:
            for scene_id, facts, table in scenes:
                sink.content = Digest()
                writer.write_table(table.cast(schema), row_group_size=max(len(table), 1))
                entries.append([scene_id, {**facts, DIGEST: sink.content.text()}])
            writer.add_key_value_metadata({KEY: json.dumps(entries)})


class _Sink:
    """A file for pyarrow to write to, which digests what is written to it."""

    def __init__(self, file: BinaryIO):
        self._file, self.content, self.closed = file, Digest(), False

    def write(self, data: bytes) -> None:
        self.content.update(data)
        self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self.closed = True


def merge_parts(sources: Sequence[Source], output: Path, remedy: str = _REMEDY) -> None:
    """Join scenes of tables to one table, in the given order, without decoding them.

    Raises `BadDataError` for a damaged table, one that does not hold the scene, and one of other
    columns than the first.
    """
    metadata: dict[bytes, bytes] = {}
    entries = []
    tables: dict[Path, _Table] = {}  # those of several scenes
    with open(output, "wb") as file, _with_remedy(remedy):
        writer = RowGroupWriter(file)
        for place in sources:
            path, scene = place if isinstance(place, tuple) else (place, None)
            source = tables.get(path) or _Table.open(path)
            if len(source.entries) > 1:
                tables[path] = source
            for scene_id in source.numbers if scene is None else [scene]:
                entries.append(source.add_to(writer, scene_id))
            metadata = metadata or source.footer.metadata
        writer.finish({**metadata, KEY: json.dumps(entries).encode()})


@dataclass(frozen=True)
class _Table:
    """A table whose scenes are copied."""

    footer: Footer
    entries: list[Any]
    numbers: dict[str, int]  # of the row group, by scene

    @classmethod
    def open(cls, path: Path) -> _Table:
        footer = read_footer(path)
        try:
            entries = [[scene, dict(facts)] for scene, facts in json.loads(footer.metadata[KEY])]
            numbers = {scene: number for number, (scene, _) in enumerate(entries)}
        except (LookupError, ValueError, TypeError, RecursionError) as error:
            raise BadDataError(f"{path}: not a table of scenes ({error})") from None
        if not len(numbers) == len(entries) == len(footer.groups):
            raise BadDataError(f"{path}: scenes and row groups do not match")
        return cls(footer, entries, numbers)

    def add_to(self, writer: RowGroupWriter, scene_id: str) -> list[Any]:
        """Copy a scene; return its entry."""
        if scene_id not in self.numbers:
            raise BadDataError(f"{self.footer.path}: holds no {scene_id}")
        number = self.numbers[scene_id]
        writer.add(self.footer, number, self.entries[number][1].get(DIGEST))
        return self.entries[number]


@contextmanager
def _with_remedy(remedy: str) -> Iterator[None]:
    try:
        yield
    except BadDataError as error:
        raise BadDataError(f"{error}; {remedy}") from None
