"""Exports as parquet: a file of records as one table, written a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.json as pajson
import pyarrow.parquet as pq

from spatial_engine.errors import BadDataError
from spatial_engine.exports.shared.record_export import uniform_records
from spatial_engine.utils.questions.record_files import RecordFile

BATCH_RECORDS = 10_000  # in memory at a time, and in a row group: 10 to 20 MB


def parquet_file(
    change: Callable[[dict[str, Any]], Mapping[str, Any]],
    schema: pa.Schema,
    file: RecordFile,
    root: Path,
    path: Path,
) -> int:
    """Write `change(record)` of each uniform record of a file as parquet; return how many.

    Raises `BadDataError` where a field is of another type than the schema says.
    """
    try:
        return write_parquet(path, uniform_records(file, root, change), schema)
    except (pa.ArrowException, OverflowError) as error:
        raise BadDataError(f"{file.path}: a field of another type ({error})") from None


def write_parquet(path: Path, records: Iterator[Mapping[str, Any]], schema: pa.Schema) -> int:
    """Write records, a batch of them at a time; return how many."""
    written = 0
    parse = pajson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(records, BATCH_RECORDS)):
            # By way of JSON, as pyarrow takes four times as long to read Python's objects.
            lines = b"\n".join(map(orjson.dumps, batch))
            read = pajson.ReadOptions(use_threads=False, block_size=len(lines) + 1)
            writer.write_table(pajson.read_json(pa.BufferReader(lines), read, parse))
            written += len(batch)
    return written
