from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, EngineError, MissingInputError
from spatial_engine.utils.scene_table import SceneTable, merge_parts, write_part


def scene_rows(scene: str, number: int) -> pa.Table:
    rng = np.random.default_rng(number)
    return pa.table({"scene": [scene] * number, "value": pa.array(rng.random(number))})


@pytest.fixture
def merged(tmp_path):
    """A table of four scenes of 5, 0, 1 and 1000 rows, in an order that is not the sorted one."""
    tables = {f"s{9 - k}": scene_rows(f"s{9 - k}", n) for k, n in enumerate((5, 0, 1, 1000))}
    parts = []
    for scene, table in tables.items():
        parts.append(tmp_path / f"{scene}.arrow")
        write_part(parts[-1], table, scene, {"rows": len(table)})
    merge_parts(parts, tmp_path / "all.parquet", compression="zstd")
    return tmp_path / "all.parquet", tables


def test_merged_scenes_read_back_in_order_with_rows_and_facts(merged):
    path, tables = merged
    table = SceneTable(path)
    assert table.scene_ids == list(tables)
    for scene, rows in tables.items():
        assert table.read(scene).to_pydict() == rows.to_pydict()
        assert table.read(scene, ["value"]).column_names == ["value"]
        assert table.num_rows(scene) == len(rows)
        assert table.facts(scene) == {"rows": len(rows)}


def test_each_scene_is_one_row_group_for_any_reader(merged):
    path, tables = merged
    file = pq.ParquetFile(path)
    assert file.num_row_groups == len(tables)
    for number, rows in enumerate(tables.values()):
        assert file.read_row_group(number).to_pydict() == rows.to_pydict()
    assert pq.read_table(path).num_rows == sum(map(len, tables.values()))


def test_merging_is_the_same_bytes_each_time_and_one_part_alone_makes_a_table(merged, tmp_path):
    path, tables = merged
    parts = [tmp_path / f"{scene}.arrow" for scene in tables]
    merge_parts(parts, tmp_path / "again.parquet", compression="zstd")
    assert (tmp_path / "again.parquet").read_bytes() == path.read_bytes()
    merge_parts(parts[:1], tmp_path / "one.parquet", compression="zstd")
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
    merge_parts([folder / "s0", folder / "s1"], folder / "all", compression="zstd")
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
    assert SceneTable(tmp_path / "all").facts("s") == json.loads(json.dumps(facts))
