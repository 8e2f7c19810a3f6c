"""Put the pictures back into this data set, which was shared without them.

    pip install pyarrow
    python fill_in.py --root ROOT --output FOLDER

ROOT is the folder in which you have made the pictures with the spatial data engine; see README.md.
Every picture is compared with its digest. FOLDER then is a data set with pictures inside, which
`datasets.load_dataset("FOLDER")` opens. A run that was stopped goes on where it was.
"""

# This file is copied into the folders that it is for, and imports nothing of the engine. The engine
# writes its shards by it too, so what is filled in is the same, byte for byte.

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

TEXTS = ("question", "answer", "task", "question_type", "gt_value", "gt_unit", "extra")
SIZES = ("width_list", "height_list")
PATHS, DIGESTS, IMAGES = "image_paths", "image_sha256", "images"
SHOWN = 3  # missing pictures that are named
DIGESTS_KEPT = 2**18  # in memory: 60 MB
# A page of a column ends with the first value that makes it so long: one or two pictures. It stays
# in the cache of the processor, and its memory is used again for the next.
PAGE_BYTES = 2**18
DATA, CARD, FULL_CARD = "data", "README.md", "README_with_pictures.md"

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


class Fault(Exception):
    """What the user has to know, in one line."""


def described(columns: pa.Schema) -> pa.Schema:
    """A schema that says, where `datasets` looks for it, that structs of bytes and path are
    pictures, in the form that every version of `datasets` reads."""
    features = {field.name: _feature(field.type) for field in columns}
    return columns.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _feature(kind: pa.DataType) -> dict | list:
    if kind == IMAGE:
        return {"_type": "Image"}
    if pa.types.is_list(kind):  # not `Sequence`, of which old versions make a dict of lists
        return [_feature(kind.value_type)]
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": str(kind), "_type": "Value"}


def schema(with_images: bool) -> pa.Schema:
    """Columns of a shard."""
    listed = pa.list_(pa.string())
    shown = [(IMAGES, pa.list_(IMAGE))] if with_images else [(PATHS, listed), (DIGESTS, listed)]
    fields = [
        ("id", pa.string()),
        *shown,
        *((name, pa.string()) for name in TEXTS),
        *((name, pa.list_(pa.int64())) for name in SIZES),
    ]
    return described(pa.schema(fields))


def open_writer(path: str | Path, columns: pa.Schema) -> pq.ParquetWriter:
    """A writer of shards. Pictures are compressed already, and no search needs them counted."""
    lists = [name for name in columns.names if pa.types.is_list(columns.field(name).type)]
    packed = {name: "zstd" for name in columns.names if name not in lists}
    packed |= {f"{name}.list.element": "zstd" for name in lists if name != IMAGES}
    packed |= {f"{IMAGES}.list.element.path": "zstd"} if IMAGES in lists else {}
    packed |= {f"{IMAGES}.list.element.bytes": "none"} if IMAGES in lists else {}
    few = ["task", "question_type", "gt_unit"]  # whose values repeat
    return pq.ParquetWriter(
        path, columns, compression=packed, use_dictionary=few, write_statistics=["id", *few],
        data_page_size=PAGE_BYTES,
        write_batch_size=1,  # values, after which a page can end: 1024 would be a row group
    )  # fmt: skip


def image_column(
    data: memoryview, sizes: Sequence[int], paths: Sequence[Sequence[str]]
) -> pa.Array:
    """The pictures of each record: `data` holds their bytes one behind the other, `sizes` is of
    each. Nothing is copied."""
    ends = pa.py_buffer(array("i", accumulate(sizes, initial=0)))
    data = pa.Array.from_buffers(pa.binary(), len(sizes), [None, ends, pa.py_buffer(data)])
    flat = pa.array([path for some in paths for path in some], pa.string())
    stored = pa.StructArray.from_arrays([data, flat], fields=list(IMAGE))
    starts = pa.array(accumulate(map(len, paths), initial=0), pa.int32())
    return pa.ListArray.from_arrays(starts, stored)


def fill_in(root: Path, shared: Path, output: Path) -> int:
    """Write the data set of the folder `shared` with the pictures below `root`; return its records.

    Raises `Fault` for pictures that are missing or are others than those of the data set.
    """
    shards = sorted((shared / DATA).glob("*.parquet"))
    if not shards:
        raise Fault(f"{shared / DATA}: no *.parquet in it; get the data set again")
    if output.resolve() == shared.resolve():
        raise Fault(f"{output}: is the data set itself; choose another --output")
    check_there(root, shards)
    (output / DATA).mkdir(parents=True, exist_ok=True)
    filled = 0
    for shard in shards:
        target = output / DATA / shard.name
        if not target.exists():
            partial = target.with_name(f"{target.name}.partial")
            fill_shard(root, shard, partial)
            os.replace(partial, target)
        filled += pq.read_metadata(target).num_rows
    shutil.copyfile(shared / FULL_CARD, output / CARD)
    return filled


def check_there(root: Path, shards: Sequence[Path]) -> None:
    """Raise `Fault` unless all pictures are there, before anything is written."""
    missing: dict[str, None] = {}

    @lru_cache(DIGESTS_KEPT)
    def look(name: str) -> None:
        if not os.path.isfile(below(root, name)):
            missing[name] = None

    for shard in shards:
        for names in row_groups(shard, PATHS):
            for name in names.to_pylist():
                for one in name:
                    look(one)
    if missing:
        first = ", ".join(list(missing)[:SHOWN])
        more = f" and {len(missing) - SHOWN:,} more" if len(missing) > SHOWN else ""
        raise Fault(
            f"{root}: {len(missing):,} pictures are missing: {first}{more}; "
            "make them with the spatial data engine, as README.md says"
        )


def below(root: Path, name: str) -> Path:
    """A picture's path; `Fault` for one that leads out of the root."""
    if not name or {"", ".", ".."} & set(name.split("/")) or {"\\", "\0"} & set(name):
        raise Fault(f"{name!r}: is no path below the root; get the data set again")
    return root / name


def row_groups(shard: Path, column: str) -> Iterator[pa.ChunkedArray]:
    """A column of a shard, piece by piece."""
    try:
        with pq.ParquetFile(shard) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number, columns=[column])[column]
    except (pa.ArrowException, KeyError) as error:
        raise Fault(f"{shard}: cannot be read ({error}); get the data set again") from None


def fill_shard(root: Path, shard: Path, target: Path) -> None:
    """Write one shard with its pictures."""
    columns = schema(with_images=True)
    with pq.ParquetFile(shard) as file, open_writer(target, columns) as writer:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number)
            paths, digests = table[PATHS].to_pylist(), table[DIGESTS].to_pylist()
            data = [
                read(root, name, digest)
                for names, some in zip(paths, digests, strict=True)
                for name, digest in zip(names, some, strict=True)
            ]
            pictures = image_column(memoryview(b"".join(data)), list(map(len, data)), paths)
            arrays = [pictures if name == IMAGES else table[name] for name in columns.names]
            writer.write_table(pa.table(arrays, schema=columns))


def read(root: Path, name: str, digest: str) -> bytes:
    """A picture's bytes; `Fault` unless it has this digest."""
    data = below(root, name).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise Fault(
            f"{root / name}: is another picture than that of the data set; make it with the same "
            "seed and the same version of the engine, as README.md says"
        )
    return data


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True, metavar="ROOT")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    args = parser.parse_args()
    try:
        filled = fill_in(args.root, Path(__file__).parent, args.output)
    except Fault as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or args.output}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{filled:,} records: {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
