from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import raises_one_line
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial_engine.errors import BadDataError
from spatial_engine.utils.tables.parquet import row_groups
from spatial_engine.utils.tables.parquet.row_groups import RowGroupWriter, read_footer

VALUES = {
    "text": (pa.string(), st.one_of(st.none(), st.text(max_size=5))),
    "number": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "real": (pa.float64(), st.floats(allow_nan=False)),
    "flag": (pa.bool_(), st.one_of(st.none(), st.booleans())),
    "list": (pa.list_(pa.int64()), st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=4)),
    "things": (
        pa.list_(pa.struct([("a", pa.string()), ("b", pa.float32())])),
        st.lists(st.fixed_dictionaries({"a": st.text(max_size=3), "b": st.just(0.5)}), max_size=2),
    ),
}  # fmt: skip


@st.composite
def tables(draw) -> list[pa.Table]:
    """Tables of the same columns, some without rows."""
    names = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, unique=True))
    schema = pa.schema([(name, VALUES[name][0]) for name in names])
    rows = st.lists(st.fixed_dictionaries({n: VALUES[n][1] for n in names}), max_size=12)
    return [
        pa.Table.from_pylist(some, schema) for some in draw(st.lists(rows, min_size=1, max_size=6))
    ]


ENCODINGS = st.fixed_dictionaries(
    {
        "compression": st.sampled_from(["none", "snappy", "zstd", "lz4"]),
        "use_dictionary": st.booleans(),
        "write_statistics": st.booleans(),
        "write_page_checksum": st.booleans(),
        "data_page_size": st.sampled_from([16, 2**20]),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
    }
)


def write(path: Path, tables: list[pa.Table], **encoding) -> Path:
    with pq.ParquetWriter(path, tables[0].schema, **encoding) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(len(table), 1))
    return path


def join(output: Path, sources: list[tuple[Path, int]], **metadata: bytes) -> bytes:
    with open(output, "wb") as file:
        writer = RowGroupWriter(file)
        for path, number in sources:
            footer = read_footer(path)
            writer.add(footer, number)
        writer.finish({name.encode(): text for name, text in metadata.items()})
    return output.read_bytes()


def all_of(*paths: Path) -> list[tuple[Path, int]]:
    return [(path, k) for path in paths for k in range(pq.read_metadata(path).num_row_groups)]


def without_nan(rows: list[dict]) -> list[dict]:
    """None for a number that pandas lacks."""
    return [
        {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
        for row in rows
    ]


@settings(max_examples=60, deadline=None)
@given(tables(), ENCODINGS, st.data())
def test_what_is_split_and_joined_is_the_same_for_every_reader(tmp_path_factory, made, how, data):
    folder = tmp_path_factory.mktemp("joined")
    paths = [write(folder / str(k), [table], **how) for k, table in enumerate(made)]
    whole, out = pa.concat_tables(made), folder / "out"
    join(out, all_of(*paths), some=b"text", none=b"")

    file = pq.ParquetFile(out, page_checksum_verification=how["write_page_checksum"])
    assert file.read().replace_schema_metadata() == whole
    assert [file.read_row_group(k).to_pylist() for k in range(file.num_row_groups)] == [
        table.to_pylist() for table in made
    ]
    assert file.metadata.metadata == {b"some": b"text", b"none": b""}
    assert file.metadata.num_rows == len(whole)
    frame, wanted = pd.read_parquet(out), whole.to_pandas()
    assert list(frame.columns) == list(wanted.columns) and len(frame) == len(wanted)
    direct = pq.ParquetFile(write(folder / "direct", made, **how))
    for k in range(file.num_row_groups):  # what is told of them is the same, places included
        assert file.metadata.row_group(k).to_dict() == direct.metadata.row_group(k).to_dict()

    # However they are grouped, and from whichever file they come, the bytes are the same.
    cut = data.draw(st.integers(1, len(paths)))
    join(folder / "head", all_of(*paths[:cut]))
    again = join(folder / "again", all_of(folder / "head", *paths[cut:]), some=b"text", none=b"")
    assert again == out.read_bytes()
    order = data.draw(st.permutations(range(len(paths))))
    mixed = join(folder / "mixed", [(out, k) for k in order])
    assert mixed == join(folder / "direct", all_of(*(paths[k] for k in order)))


def test_the_whole_file_is_what_pyarrow_itself_writes(tmp_path):
    """But for the schema, which it adds to the texts of the file."""
    made = [pa.table({"a": [1, 2], "b": ["x", None]}), pa.table({"a": [3], "b": ["y"]})]
    direct = write(tmp_path / "direct", made)
    paths = [write(tmp_path / str(k), [table]) for k, table in enumerate(made)]
    texts = {name.decode(): text for name, text in read_footer(direct).metadata.items()}
    assert join(tmp_path / "joined", all_of(*paths), **texts) == direct.read_bytes()


@pytest.mark.parametrize("how", [{"write_page_index": True}])
def test_what_lies_elsewhere_in_a_file_is_refused(tmp_path, how):
    path = write(tmp_path / "a", [pa.table({"a": [1]})], **how)
    with raises_one_line(BadDataError, path, "page index cannot be copied"):
        join(tmp_path / "out", [(path, 0)])


def test_other_columns_and_other_bytes_are_refused(tmp_path):
    one = write(tmp_path / "a", [pa.table({"a": [1]})])
    other = write(tmp_path / "b", [pa.table({"a": ["x"]})])
    with raises_one_line(BadDataError, other, "columns are not those of", one):
        join(tmp_path / "out", [(one, 0), (other, 0)])
    with raises_one_line(BadDataError, one, "not as it was written"):
        RowGroupWriter(io.BytesIO()).add(read_footer(one), 0, "0" * 32)
    with pytest.raises(ValueError, match="no row group"):
        join(tmp_path / "out", [])


def test_no_more_row_groups_than_their_numbers_can_tell(tmp_path, monkeypatch):
    path = write(tmp_path / "a", [pa.table({"a": [1]})])
    monkeypatch.setattr(row_groups, "MAX_GROUPS", 2)
    with raises_one_line(BadDataError, path, "more than 2 row groups"):
        join(tmp_path / "out", [(path, 0)] * 3)


@pytest.mark.parametrize("head", [b"", b"PAR1", b"PARE" * 4, b"x" * 100])
def test_what_is_no_parquet_file_is_named(tmp_path, head):
    path = tmp_path / "a"
    path.write_bytes(head)
    with raises_one_line(BadDataError, path, "parquet"):
        read_footer(path)


def test_damage_anywhere_in_a_footer_is_one_line_or_stays_within_the_file(tmp_path):
    """No row group that lies elsewhere than before the footer is copied, whatever it claims."""
    made = [pa.table({"a": ["x", "y"], "b": [[1], [2, 3]]}), pa.table({"a": ["z"], "b": [[4]]})]
    path = write(tmp_path / "a", made)
    data, rng = path.read_bytes(), np.random.default_rng(0)
    begin = read_footer(path).end
    outcomes = {"copied": 0, "refused": 0}
    for _ in range(1500):
        damaged = bytearray(data)
        for place in rng.integers(begin, len(data), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.choice([len(data), rng.integers(len(data))])])
        try:
            copied = join(tmp_path / "out", [(path, 0), (path, 1)])
            assert len(copied) < 3 * len(data)
            outcomes["copied"] += 1
        except BadDataError as error:
            assert str(error).startswith(f"{path}: ") and str(error).isprintable()
            outcomes["refused"] += 1
        except ValueError as error:
            raise AssertionError(error) from error
    assert min(outcomes.values()) > 100
