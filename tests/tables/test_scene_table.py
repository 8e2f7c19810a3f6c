from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import ANY

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, EngineError, MissingInputError
from spatial_engine.utils.tables.parquet import row_groups
from spatial_engine.utils.tables.parquet.table_writer import DIGEST, merge_parts, write_part
from spatial_engine.utils.tables.scene_table import SceneTable


def scene_rows(scene: str, number: int) -> pa.Table:
    rng = np.random.default_rng(number)
    scenes = pa.array([scene] * number, pa.string())
    return pa.table({"scene": scenes, "value": pa.array(rng.random(number))})


@pytest.fixture
def merged(tmp_path):
    """A table of four scenes of 5, 0, 1 and 1000 rows, in an order that is not the sorted one."""
    tables = {f"s{9 - k}": scene_rows(f"s{9 - k}", n) for k, n in enumerate((5, 0, 1, 1000))}
    parts = []
    for scene, table in tables.items():
        parts.append(tmp_path / f"{scene}.part")
        write_part(parts[-1], table, scene, {"rows": len(table)}, compression="zstd")
    merge_parts(parts, tmp_path / "all.parquet")
    return tmp_path / "all.parquet", tables


def test_merged_scenes_read_back_in_order_with_rows_and_facts(merged):
    path, tables = merged
    table = SceneTable(path)
    assert table.scene_ids == list(tables)
    for scene, rows in tables.items():
        assert table.read(scene).to_pydict() == rows.to_pydict()
        assert table.read(scene, ["value"]).column_names == ["value"]
        assert table.num_rows(scene) == len(rows)
        assert table.facts(scene) == {"rows": len(rows), DIGEST: ANY}


def test_a_part_on_a_disk_that_fails_is_named(merged, tmp_path, monkeypatch):
    """It is read, not mapped: the disk would end the process in the middle of the merging."""

    def failing(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    part = next(tmp_path.glob("*.part"))
    monkeypatch.setattr(row_groups, "os", SimpleNamespace(fstat=failing))
    with pytest.raises(OSError, match=f"Input/output error: '{part}'"):
        merge_parts([part], tmp_path / "one.parquet")


def test_each_scene_is_one_row_group_for_any_reader(merged):
    path, tables = merged
    file = pq.ParquetFile(path)
    assert file.num_row_groups == len(tables)
    for number, rows in enumerate(tables.values()):
        assert file.read_row_group(number).to_pydict() == rows.to_pydict()
    assert pq.read_table(path).num_rows == sum(map(len, tables.values()))


def test_merging_is_the_same_bytes_each_time_and_one_part_alone_makes_a_table(merged, tmp_path):
    path, tables = merged
    parts = [tmp_path / f"{scene}.part" for scene in tables]
    merge_parts(parts, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == path.read_bytes()
    merge_parts(parts[:1], tmp_path / "one.parquet")
    assert SceneTable(tmp_path / "one.parquet").scene_ids == list(tables)[:1]


def test_a_scene_that_is_not_in_the_table_is_named(merged):
    table = SceneTable(merged[0], "run the step")
    for ask in (table.read, table.facts, table.num_rows):
        with raises_one_line(BadDataError, merged[0], "s77", "run the step"):
            ask("s77")


def test_no_file_is_a_missing_input_with_its_remedy(tmp_path):
    for path in (tmp_path / "none.parquet", tmp_path):
        with raises_one_line(MissingInputError, path, "run the step"):
            SceneTable(path, "run the step")


def test_every_truncation_is_refused(merged, tmp_path):
    data = merged[0].read_bytes()
    cut = tmp_path / "cut.parquet"
    for length in [*range(12), *range(12, len(data), 61), *range(len(data) - 12, len(data))]:
        cut.write_bytes(data[:length])
        with raises_one_line(BadDataError, cut, "run the step"):
            SceneTable(cut, "run the step")


def foreign_tables() -> dict[str, bytes | None]:
    return {
        "no metadata": None,
        "not json": b"{",
        "not a list": b"5",
        "not pairs": b'["s0", "s1"]',
        "facts are a number": b'[["s0", 3]]',
        "scene twice": b'[["s0", {}], ["s0", {}]]',
        "more scenes than row groups": b'[["s0", {}], ["s1", {}]]',
        "fewer scenes than row groups": b"[]",
        "scene is a list": b'[[["s0"], {}]]',
        "nested too deep": b"[" * 100_000,
    }


@pytest.mark.parametrize("name", foreign_tables())
def test_foreign_parquet_files_are_refused(tmp_path, name):
    value = foreign_tables()[name]
    table = scene_rows("s0", 3)
    if value is not None:
        table = table.replace_schema_metadata({b"spatial_engine.scenes": value})
    pq.write_table(table, tmp_path / "x.parquet")
    with raises_one_line(BadDataError, tmp_path / "x.parquet", "run the step"):
        SceneTable(tmp_path / "x.parquet", "run the step")


def test_files_of_other_kinds_are_refused(tmp_path):
    path = tmp_path / "x.parquet"
    for data in (b"", b"PAR1", b"PAR1PAR1", b"PAR1" + bytes(100) + b"PAR1", b"a,b\n1,2\n" * 50):
        path.write_bytes(data)
        with raises_one_line(BadDataError, path):
            SceneTable(path)


@pytest.fixture(scope="module")
def flipped_bits(tmp_path_factory):
    """What reading gives when one bit is wrong: (place, whether in the data, error or table)."""
    folder = tmp_path_factory.mktemp("flips")
    for scene in ("s0", "s1"):
        write_part(folder / scene, scene_rows(scene, 40), scene, {"rows": 40})
    merge_parts([folder / "s0", folder / "s1"], folder / "all")
    data, outcomes = (folder / "all").read_bytes(), []
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for place in range(4, len(data), 5):
        flipped = bytearray(data)
        flipped[place] ^= 1 << (place % 8)
        (folder / "x").write_bytes(flipped)
        try:
            table = SceneTable(folder / "x")
            outcome = {scene: table.read(scene).to_pydict() for scene in table.scene_ids}
        except Exception as error:
            outcome = error
        outcomes.append((place, place < footer, outcome))
    assert sum(isinstance(outcome, Exception) for _, _, outcome in outcomes) > 50
    return outcomes


def test_a_wrong_bit_raises_no_error_but_ours(flipped_bits):
    errors = [(place, x) for place, _, x in flipped_bits if isinstance(x, Exception)]
    assert [(p, repr(x)) for p, x in errors if not isinstance(x, EngineError)] == []


def test_a_wrong_bit_is_reported_in_one_line(flipped_bits):
    texts = [str(x) for _, _, x in flipped_bits if isinstance(x, Exception)]
    assert [text for text in texts if len(text.splitlines()) != 1][:3] == []


def test_a_wrong_bit_in_the_data_never_reads_as_other_data(flipped_bits):
    truth = {scene: scene_rows(scene, 40).to_pydict() for scene in ("s0", "s1")}
    taken = [(p, x) for p, in_data, x in flipped_bits if in_data and isinstance(x, dict)]
    assert [place for place, found in taken if found != truth] == []


def test_facts_survive_any_json_value(tmp_path):
    facts = {"geometry": "é\n\"'", "list": [1, None, {"a": 1.5}], "big": 2**60}
    write_part(tmp_path / "p", scene_rows("s", 2), "s", facts)
    merge_parts([tmp_path / "p"], tmp_path / "all")
    told = SceneTable(tmp_path / "all").facts("s")
    assert told == {**json.loads(json.dumps(facts)), DIGEST: ANY}


@pytest.mark.parametrize("scene", ["../s", "/s", "a/b", "", "a\nb", "s\0", "x" * 10_000, "\u202es"])
def test_scenes_that_would_leave_their_folder_are_refused(tmp_path, scene):
    write_part(tmp_path / "p", scene_rows("s", 2), scene, {})
    merge_parts([tmp_path / "p"], tmp_path / "all")
    with raises_one_line(BadDataError, tmp_path / "all", "is not a valid id"):
        SceneTable(tmp_path / "all")


SCHEMA = pa.schema([("scene", pa.string()), ("value", pa.float64())])


@pytest.mark.parametrize(
    "rows",
    [
        {"scene": ["s"]},
        {"scene": ["s"], "value": ["1.5"]},
        {"scene": ["s"], "value": [1]},
        {"scene": [b"s"], "value": [1.5]},
        {"scene": [["s"]], "value": [1.5]},
        {"scene": [None], "value": [None]},
    ],
    ids=str,
)
def test_columns_of_another_type_are_refused(tmp_path, rows):
    write_part(tmp_path / "p", pa.table(rows), "s", {})
    merge_parts([tmp_path / "p"], tmp_path / "all")
    with raises_one_line(BadDataError, tmp_path / "all", "no column", "run the step"):
        SceneTable(tmp_path / "all", "run the step", schema=SCHEMA)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    columns = [pa.array(["s"]), pa.array([1.5]), pa.array([2.5])]
    rows = pa.Table.from_arrays(columns, ["scene", "value", "value"])
    write_part(tmp_path / "p", rows, "s", {})
    merge_parts([tmp_path / "p"], tmp_path / "all")
    with raises_one_line(BadDataError, tmp_path / "all", "value"):
        SceneTable(tmp_path / "all", schema=SCHEMA)


@pytest.mark.parametrize(
    "rows",
    [
        pa.table({"scene": ["s", None], "value": [1.5, 2]}),
        pa.table({"scene": ["s", "s"], "value": [1.5, None]}),
        pa.table({"scene": ["s", "s"], "value": [1.5, np.nan]}),
        pa.table({"scene": ["s", "s"], "value": [-np.inf, 2]}),
    ],
    ids=["text", "number", "nan", "inf"],
)
def test_cells_without_a_value_are_refused(tmp_path, rows):
    write_part(tmp_path / "p", rows, "s", {})
    merge_parts([tmp_path / "p"], tmp_path / "all")
    table = SceneTable(tmp_path / "all", "run the step", schema=SCHEMA)
    with raises_one_line(BadDataError, tmp_path / "all", "null or non-finite", "run the step"):
        table.read("s")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    """As a table of other making may hold them; ours is checked when it is made."""
    text = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xff\xfe")]
    )
    rows = pa.table({"scene": text, "value": [1.5]})
    rows = rows.replace_schema_metadata({b"spatial_engine.scenes": json.dumps([["s", {}]])})
    pq.write_table(rows, tmp_path / "all")
    table = SceneTable(tmp_path / "all", "run the step", schema=SCHEMA)
    with raises_one_line(BadDataError, tmp_path / "all", "s is damaged", "run the step"):
        table.read("s")


def test_a_damaged_part_is_named_and_never_followed(tmp_path):
    """An offset that points anywhere would be read as it stands, in memory of the process."""
    part, output = tmp_path / "part", tmp_path / "all"
    write_part(part, scene_rows("s", 20), "s", {"rows": 20})
    data = part.read_bytes()
    outcomes = {"merged": 0, "refused": 0}
    for place in range(0, len(data), 3):
        for damaged in (data[:place], data[:place] + b"\xfe\x7f" + data[place + 2 :]):
            part.unlink()  # never changed in place: it may be mapped
            part.write_bytes(damaged)
            try:
                merge_parts([part], output)
                outcomes["merged"] += 1
            except BadDataError as error:
                assert str(error).startswith(f"{part}: ")
                outcomes["refused"] += 1
    assert outcomes["refused"] > len(data) / 3


def test_rows_that_take_no_room_in_the_file_take_none_in_memory(tmp_path):
    """Repeated values take a hundredth of a byte each."""
    path, batch = tmp_path / "all", 10**6
    rows = pa.table({"scene": pa.repeat("s", batch), "value": pa.repeat(1.5, batch)})
    rows = rows.replace_schema_metadata({b"spatial_engine.scenes": json.dumps([["s", {}]])})
    many = pa.concat_tables([rows] * 20)
    pq.write_table(many, path, row_group_size=len(many), compression="zstd")
    assert path.stat().st_size < 200_000
    table = SceneTable(path, "run the step", schema=SCHEMA)
    before = pa.total_allocated_bytes()
    with raises_one_line(BadDataError, path, "20,000,000 rows", "run the step"):
        table.read("s")
    assert pa.total_allocated_bytes() - before < 10**6


READ_WITH_LITTLE = """
import sys
from spatial_engine.errors import BadDataError
from spatial_engine.utils.tables import scene_table
scene_table.MAX_MEMORY = 2**25
try:
    scene_table.SceneTable(sys.argv[1]).read("s")
except BadDataError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bounded on Linux only")
def test_a_row_of_millions_of_values_is_refused_when_it_takes_too_much(tmp_path):
    """Ascending numbers are stored as differences: 64 MB of them in a few kilobytes."""
    many = np.arange(2**24, dtype=np.int32)
    lists = pa.ListArray.from_arrays(np.array([0, len(many)], np.int32), pa.array(many))
    how = {"values.list.element": "DELTA_BINARY_PACKED"}
    write_part(
        tmp_path / "p", pa.table({"values": lists}), "s", {}, compression="zstd",
        use_dictionary=False, column_encoding=how,
    )  # fmt: skip
    merge_parts([tmp_path / "p"], tmp_path / "all")
    assert (tmp_path / "all").stat().st_size < 100_000
    command = [sys.executable, "-c", READ_WITH_LITTLE, str(tmp_path / "all")]
    # Arrow's own pool has set a gigabyte of addresses aside, which it may fill.
    environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "s is damaged" in done.stdout, done.stdout + done.stderr


def test_a_scene_never_has_another_number_of_rows_than_the_file_says(merged, tmp_path):
    """Every byte of the footer as 0, one at a time: Arrow itself reads on regardless."""
    path, tables = merged
    whole = path.read_bytes()
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    damaged = tmp_path / "damaged.parquet"
    refused = 0
    for place in range(start, len(whole) - 8):
        damaged.write_bytes(whole[:place] + b"\0" + whole[place + 1 :])
        os.utime(damaged, ns=(place, place))  # what is known of a footer is kept by its time
        try:
            table = SceneTable(damaged)
            for scene in table.scene_ids:
                rows = len(table.read(scene, ["value"]))
                assert table.num_rows(scene) == rows == len(tables[scene])
        except BadDataError as error:
            refused += "claim" in str(error)
    assert refused >= 2  # of the scenes of 5 rows and of 1, whose numbers are one byte
