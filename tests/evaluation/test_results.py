"""From predictions to the table of scores: counting, means, intervals, chance, files, messages."""

from __future__ import annotations

import csv
import datetime
import gzip
import json
import re
import shutil
import tracemalloc
import zipfile
from collections import Counter
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from conftest import run_here
from helpers import raises_one_line
from openpyxl.worksheet.formula import ArrayFormula, DataTableFormula
from scipy.stats import binomtest

from spatial_engine.errors import BadDataError, EngineError, MissingInputError
from spatial_engine.evaluation import make_benchmark, predictions, score_predictions, score_tables
from spatial_engine.evaluation.predictions import Predictions, read_predictions
from spatial_engine.evaluation.results import (
    MEAN,
    chance_levels,
    counts_of,
    read_paper_rows,
    score_model,
    wilson,
)
from spatial_engine.evaluation.scoring import score_record
from spatial_engine.utils.questions.record_fields import WORDINGS
from spatial_engine.utils.questions.records import format_value, read_jsonl, write_jsonl
from spatial_engine.utils.questions.tasks import (
    COORDINATES,
    NAMED_POINT,
    NUMBER,
    ROWS,
    SUBTASKS,
    TASKS,
    VECTOR,
)

SCORER = "spatial_engine/evaluation/score_predictions.py"


def record(task: str, number: int, truth, size=(640, 360)) -> dict:
    images = TASKS[task].num_images
    places = [{"x": 1, "y": 2}, {"x": 900, "y": 800}]
    return {
        "id": f"{task}_{number}", "task": task, "gt_value": truth, "points_info": places,
        "width_list": [size[0]] * images, "height_list": [size[1]] * images,
        "image": [f"data/scene{number % 7:04d}_00/00000.jpg"] * images,
    }  # fmt: skip


def a_truth(task: str):
    """Some right answer of a subtask."""
    subtask = TASKS[task]
    if subtask.options:
        return subtask.options[0]
    return {NUMBER: 1000, VECTOR: [1, 2, 3], COORDINATES: [1, 2], NAMED_POINT: [1, 2]}[
        subtask.answer
    ]


def score(records: list[dict], right: int | dict[str, int]) -> dict:
    """Lines of the results by name when the first so many of each subtask are answered rightly."""
    texts, seen = {}, Counter()
    for r in records:
        wanted = right if isinstance(right, int) else right[r["task"]]
        seen[r["task"]] += 1
        is_right = seen[r["task"]] <= wanted
        texts[r["id"]] = f"`{format_value(r['gt_value'])}`" if is_right else "nothing"
    results = score_model(records, Predictions(texts))
    return {line.name: line for line in [*results.subtasks, *results.rows]}


# Counting and means


def test_every_subtask_counts_the_same_in_its_row_and_every_row_in_the_mean():
    sizes = {task: 3 + 7 * i for i, task in enumerate(SUBTASKS)}
    right = {task: (5 * i) % (size + 1) for i, (task, size) in enumerate(sizes.items())}
    records = [record(t, n, a_truth(t)) for t, size in sizes.items() for n in range(size)]
    lines = score(records, right)
    shares = {task: Fraction(100 * right[task], size) for task, size in sizes.items()}
    rows = {row: sum(shares[t] for t in tasks) / len(tasks) for row, tasks in ROWS.items()}
    for name, share in (shares | rows | {MEAN: sum(rows.values()) / 12}).items():
        assert lines[name].score == pytest.approx(float(share))
        assert lines[name].low <= lines[name].score <= lines[name].high
    for row, tasks in ROWS.items():
        assert lines[row].questions == sum(sizes[task] for task in tasks)
    assert lines[MEAN].questions == sum(sizes.values())


def test_the_results_have_26_subtasks_and_12_rows_and_their_mean():
    results = score_model([record("object_height", 1, 5)], Predictions())
    assert [line.name for line in results.subtasks] == list(SUBTASKS)
    assert [line.name for line in results.rows] == [*ROWS, MEAN]
    assert (len(SUBTASKS), len(ROWS)) == (26, 12)


def test_subtasks_without_questions_have_no_score_and_do_not_count_in_the_mean():
    records = [record("camera_x_movement", n, "left") for n in range(4)]
    records += [record("object_height", n, 1000) for n in range(2)]
    lines = score(records, {"camera_x_movement": 1, "object_height": 2})
    assert lines["camera_x_movement"].score == lines["Camera translation direction"].score == 25
    assert lines[MEAN].score == (25 + 100) / 2
    for name in ("camera_y_movement", "Depth value"):
        assert np.isnan([lines[name].score, lines[name].low, lines[name].high]).all()
        assert lines[name].questions == 0


def test_missing_unparsable_duplicate_and_unknown_predictions_are_counted(tmp_path):
    records = [record("object_height", n, 1000) for n in range(6)]
    said = {
        "object_height_0": ["`1000`"],
        "object_height_1": ["`5000`", "`1000`", "`1000`"],  # the first counts
        "object_height_2": ["no idea"],
        "object_height_3": [""],
        "object_height_4": [None],
        "elsewhere": ["`1000`", "`1000`"],
    }  # and nothing for object_height_5
    lines = [{"id": name, "prediction": text} for name, texts in said.items() for text in texts]
    path = tmp_path / "model.jsonl"
    write_jsonl(path, lines)
    results = score_model(records, read_predictions(path, [r["id"] for r in records]))
    expected = {"missing": 1, "unparsable": 3, "duplicates": 2, "unknown": 2}
    assert counts_of(results) == expected
    line = next(line for line in results.subtasks if line.name == "object_height")
    assert (line.missing, line.unparsable, line.duplicates, line.questions) == (1, 3, 2, 6)
    assert line.score == pytest.approx(100 / 6)
    for line in results.rows:
        if line.name in ("Object size", MEAN):
            assert (line.missing, line.unparsable, line.duplicates) == (1, 3, 2)
    assert [v["parsed"] for v in results.verdicts] == ["1000", "5000", None, None, None, None]
    assert [v["prediction"] for v in results.verdicts][3:] == ["", "", None]
    assert results.unparsable_by_reason() == {"nothing found": 3}  # a missing one has no reason


def test_tables_read_by_turns_leave_the_limit_of_csv_as_it_was(tmp_path):
    before, long = csv.field_size_limit(), "b" * 200_000
    tables = []
    for name in ("one", "other"):
        (path := tmp_path / f"{name}.csv").write_text(f"id,prediction\na,{long}\nb,left\n")
        tables.append(predictions._table_rows(path))
    for rows in tables:
        assert next(rows)[1]["prediction"] == long
        assert csv.field_size_limit() == before
    tables[0].close()
    assert next(tables[1])[1]["prediction"] == "left"
    tables[1].close()
    assert csv.field_size_limit() == before


def test_unparsable_predictions_are_counted_by_reason(capsys):
    said = {
        "0": "`1000`",
        "1": "`1000` or `2000`",
        "2": "<think>1000",
        "3": "no idea",
        "4": "1-2 m",
    }
    records = [record("object_height", n, 1000) for n in range(5)]
    texts = {f"object_height_{n}": text for n, text in said.items()}
    results = score_model(records, Predictions(texts, {}, 0))
    assert results.unparsable_by_reason() == {
        "candidates differ": 2, "cut off": 1, "nothing found": 1,
    }  # fmt: skip
    assert [v["unread"] for v in results.verdicts][:2] == [None, "candidates differ"]
    score_tables.print_results("model", results)
    assert "2 candidates differ, 1 cut off, 1 nothing found" in capsys.readouterr().out


def test_the_three_wordings_are_scored_beside_each_other(capsys, tmp_path):
    right = {"seen": 8, "heldout": 4, "plain": 1}
    records, texts = [], {}
    for task in ("object_height", "camera_total_distance"):
        for wording, count in right.items():
            for number in range(10):
                one = record(task, len(records), 1000) | {"wording": wording}
                records.append(one)
                texts[one["id"]] = "`1000`" if number < count else "nothing"
    results = score_model(records, Predictions(texts))
    assert list(results.wordings) == ["seen", "heldout", "plain"]
    for wording, count in right.items():
        lines = {line.name: line for line in results.wordings[wording].rows}
        for row in ("Object size", "Camera translation distance", MEAN):
            assert lines[row].score == pytest.approx(10 * count)
        assert (lines["Object size"].questions, lines[MEAN].questions) == (10, 20)
        assert lines["Object size"].unparsable == 10 - count
    assert results.rows[-1].score == pytest.approx(100 * 13 / 30)
    score_tables.print_results("model", results)
    (said,) = (line for line in capsys.readouterr().out.splitlines() if "80.00" in line
               and line.split("  ")[1] == "Object size")  # fmt: skip
    assert re.findall(r"\d+\.\d\d", said) == ["80.00", "40.00", "10.00", "43.33"]
    score_tables.print_comparison({"model": results}, {})
    compared = capsys.readouterr().out
    assert re.search(rf"{MEAN}, heldout wording +40\.00", compared)


def test_records_without_a_wording_are_scored_as_ever(capsys, tmp_path):
    results = score_model([record("object_height", 0, 5)], Predictions({"object_height_0": "5"}))
    assert results.wordings == {} and "wording" not in results.verdicts[0]
    score_tables.print_results("model", results)
    score_tables.print_comparison({"model": results}, {})
    assert "wording" not in capsys.readouterr().out
    score_tables.write_csv(results, tmp_path / "scores.csv")
    with open(tmp_path / "scores.csv", newline="") as file:
        assert [line["wording"] for line in csv.DictReader(file)] == [""] * 39


# Intervals


@pytest.mark.parametrize(("right", "number"), [(0, 1), (1, 1), (0, 300), (300, 300), (7, 9)])
def test_interval_is_wilsons(right, number):
    expected = binomtest(right, number).proportion_ci(method="wilson")
    assert wilson(right / number, number) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_interval_of_a_subtask_and_of_a_row_of_one():
    records = [record("camera_total_distance", n, 1000) for n in range(50)]
    lines = score(records, 20)
    expected = binomtest(20, 50).proportion_ci(method="wilson")
    for name in ("camera_total_distance", "Camera translation distance", MEAN):
        found = lines[name].low, lines[name].high
        assert found == pytest.approx((100 * expected.low, 100 * expected.high), abs=1e-4)


def test_interval_of_a_row_of_equal_subtasks_is_that_of_all_their_questions():
    tasks = ROWS["Object size"]
    records = [record(task, n, 1000) for task in tasks for n in range(40)]
    lines = score(records, dict(zip(tasks, (10, 20, 30), strict=True)))
    expected = binomtest(60, 120).proportion_ci(method="wilson")
    found = lines["Object size"].low, lines["Object size"].high
    assert found == pytest.approx((100 * expected.low, 100 * expected.high), abs=1e-4)


# Chance


@pytest.mark.parametrize("task", [t for t, s in TASKS.items() if s.options and not s.of_frames])
def test_chance_of_words_and_letters_is_one_of_the_options(task):
    chance = 25 if task == "correspondence_multichoice" else 50
    assert chance_levels([record(task, 1, a_truth(task))]) == {task: chance}


def test_chance_of_a_named_point_is_a_half():
    assert chance_levels([record("depth_comparison_coor", 1, [1, 2])]) == {
        "depth_comparison_coor": 50
    }


@pytest.mark.parametrize(
    "task", ["object_width", "movement_dot_vector_adt", "correspondence_coor", "camera_yaw_angle"]
)
def test_chance_elsewhere_is_the_score_of_the_answers_to_other_questions(task):
    rng = np.random.default_rng(3)
    subtask, records = TASKS[task], []
    for number in range(40):
        if subtask.answer == NUMBER:
            truth = int(rng.integers(0, 30)) * 10  # with zeros, equals, and errors on the bound
        elif subtask.answer == VECTOR:
            truth = (rng.integers(-1, 2, 3) * 100).tolist()
        else:
            truth = (rng.integers(0, 21, 2) * 50).tolist()
        records.append(record(task, number, truth, [(640, 360), (512, 512)][number % 2]))
    verdicts = [
        score_record(asked, f"`{format_value(other['gt_value'])}`").correct
        for asked, other in permutations(records, 2)
    ]
    assert 0 < sum(verdicts) < len(verdicts)
    assert chance_levels(records)[task] == pytest.approx(100 * np.mean(verdicts))


def test_chance_of_a_single_question_is_not_known():
    assert np.isnan(chance_levels([record("object_width", 1, 5)])["object_width"])


# The paper's table


def test_published_rows_are_those_of_the_engine():
    published = read_paper_rows()
    assert len(published) == 7
    for values in published.values():
        assert list(values) == [*ROWS, MEAN]
        assert all(0 <= value <= 100 for value in values.values())


def test_published_mean_is_as_printed():
    published = read_paper_rows()
    assert published["Multi-SpatialMLLM-8B"][MEAN] == 56.11
    differ = {
        model
        for model, values in published.items()
        if abs(values[MEAN] - np.mean([values[row] for row in ROWS])) > 0.01
    }
    assert differ == {"SpatialRGPT"}


# Reading predictions

IDS = ["first", "second", "third"]


def write(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize("suffix", ["tsv", "csv", "xlsx", "XLSX"])
@pytest.mark.parametrize("key", ["id", "index"])
def test_table_of_an_evaluation_kit_is_read(tmp_path, suffix, key):
    """Numbers as such, empty cells, line breaks and separators in the text, other columns."""
    table = pd.DataFrame(
        {
            key: [2, 0, 1] if key == "index" else ["third", "first", "second"],
            "question": ["a, b\tc", 'say "d"', "nan"],
            "answer": [1, 2, 3],
            "prediction": [1200, None, 'on two\nlines, with a\ttab and "quotes": `-3`'],
        }
    )
    path = tmp_path / f"model.{suffix}"
    if suffix.lower() == "xlsx":
        with pd.ExcelWriter(path.with_suffix(".xlsx")) as file:
            table.to_excel(file, index=False)
        path.with_suffix(".xlsx").rename(path)
    else:
        table.to_csv(path, sep="\t" if suffix == "tsv" else ",", index=False)
    found = read_predictions(path, IDS)
    assert found.texts == {"third": "1200", "first": "", "second": table["prediction"][2]}
    assert not found.duplicates and not found.unknown


@pytest.mark.parametrize("text", ["NA", "nan", "None", "null", "N/A", "-", "007", "1e3", "TRUE"])
def test_cell_of_a_table_is_text_as_it_stands(tmp_path, text):
    path = write(tmp_path, "m.csv", f"id,prediction\nfirst,{text}\n")
    assert read_predictions(path, IDS).texts == {"first": text}


def test_numbers_in_a_sheet_score_as_numbers(tmp_path):
    book = openpyxl.Workbook()
    rows = (["index", "prediction"], [0, 1200], [1, 1200.5], [2, True])
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "m.xlsx")
    texts = read_predictions(tmp_path / "m.xlsx", IDS).texts
    records = [record("object_height", n, 1000) for n in range(2)]
    said = [score_record(r, texts[name]).parsed for r, name in zip(records, IDS[:2], strict=True)]
    assert said == ["1200", "1200.5"]
    assert texts["third"].casefold() == "true"


def test_of_two_columns_of_one_name_the_first_counts(tmp_path):
    book = openpyxl.Workbook()
    for row in (["id", "prediction", None, "prediction"], ["first", "a", "b", "c"]):
        book.active.append(row)
    book.save(tmp_path / "m.xlsx")
    assert read_predictions(tmp_path / "m.xlsx", IDS).texts == {"first": "a"}
    path = write(tmp_path, "m.csv", "id,prediction,,prediction\nfirst,a,b,c\n")
    assert read_predictions(path, IDS).texts == {"first": "a"}


def test_index_beyond_the_benchmark_is_unknown(tmp_path):
    path = write(tmp_path, "m.tsv", "index\tprediction\n0\ta\n3\tb\n-1\tc\n0\td\n")
    found = read_predictions(path, IDS)
    assert found == Predictions({"first": "a"}, {"first": 1}, 2)


@pytest.mark.parametrize("field", ["prediction", "response", "text"])
@pytest.mark.parametrize(
    ("value", "text"), [("`5`", "`5`"), (5, "5"), (-2.5, "-2.5"), (None, ""), (["`5`"], "`5`")]
)
def test_jsonl_is_read(tmp_path, field, value, text):
    path = tmp_path / "m.jsonl"
    write_jsonl(path, [{"id": "first", field: value, "more": 1}])
    assert read_predictions(path, IDS).texts == {"first": text}


def test_prediction_comes_before_response_before_text(tmp_path):
    path = tmp_path / "m.jsonl"
    write_jsonl(path, [
        {"id": "first", "text": "t", "response": "r", "prediction": "p"},
        {"id": "second", "text": "t", "response": "r"},
    ])  # fmt: skip
    assert read_predictions(path, IDS).texts == {"first": "p", "second": "r"}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("m.jsonl", "", ["no prediction", "3 ids"]),
        ("m.jsonl", '{"id":"other","prediction":"a"}\n', ["no prediction", "3 ids"]),
        ("m.jsonl", '{"id":"first","prediction":"a"}\n{"id":', [":2", "not json"]),
        ("m.jsonl", '{"id":"first","said":"a"}\n', [":1", "`prediction`", "said"]),
        ("m.jsonl", '{"id":"first","text":"question","gt_value":1}\n', [":1", "`prediction`"]),
        ("m.jsonl", '{"prediction":"a"}\n', [":1", "`id`"]),
        ("m.jsonl", '{"id":1,"prediction":"a"}\n', [":1", "`id`"]),
        ("m.jsonl", '["first","a"]\n', [":1", "not a record"]),
        ("m.jsonl", b"\xff\xfe\x00\n", [":1"]),
        ("m.tsv", "", ["cannot be read"]),
        ("m.tsv", "id\tprediction\n", ["no prediction"]),
        ("m.tsv", "id\tsaid\nfirst\ta\n", ["`prediction`", "said"]),
        ("m.tsv", "name\tprediction\nfirst\ta\n", ["`id`", "`index`"]),
        ("m.tsv", "index\tprediction\none\ta\n", ["'one'", "whole number"]),
        ("m.tsv", "index\tprediction\n" + "9" * 5000 + "\ta\n", ["whole number"]),
        ("m.tsv", 'id\tprediction\nfirst\t"open\n', ["cannot be read"]),
        ("m.csv", "id\tprediction\nfirst\ta\n", ["`prediction`"]),
        ("m.csv", b"id,prediction\nfirst,\xe9\n", ["cannot be read"]),
        ("m.xlsx", "", ["cannot be read"]),
        ("m.xlsx", "id,prediction", ["cannot be read"]),
        ("m.xlsx", b"PK\x03\x04" + b"\0" * 100, ["cannot be read"]),
    ],
)
def test_bad_predictions_are_told_in_one_line(tmp_path, name, data, words):
    with raises_one_line(BadDataError, tmp_path / name, *words):
        read_predictions(write(tmp_path, name, data), IDS)


@pytest.mark.parametrize("name", ["m.jsonl", "m.tsv", "m.xlsx"])
def test_missing_predictions_are_told(tmp_path, name):
    with raises_one_line(MissingInputError, tmp_path / name, "no such file"):
        read_predictions(tmp_path / name, IDS)


def a_sheet(path: Path) -> bytes:
    table = pd.DataFrame({"id": IDS, "prediction": ["a"] * 3})
    table.to_excel(path, index=False)
    return path.read_bytes()


def test_damaged_sheet_is_told(tmp_path):
    path = tmp_path / "m.xlsx"
    whole = a_sheet(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for damaged in (whole[: len(whole) // 2], whole[:-10]):
        with raises_one_line(BadDataError, path, "cannot be read"):
            read_predictions(write(tmp_path, path.name, damaged), IDS)
    sheet = next(name for name in members if "sheet1" in name)
    for content in (None, b"", b"<worksheet><sheetData><row>", b"\0" * 50):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                if name != sheet:
                    archive.writestr(name, data)
                elif content is not None:
                    archive.writestr(name, content)
        with raises_one_line(BadDataError, path):
            read_predictions(path, IDS)


def test_sheet_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "m.xlsx"
    a_sheet(path)
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/bomb.xml", "w") as member,
    ):
        for _ in range(predictions.MAX_TABLE_BYTES // 2**24 + 1):
            member.write(bytes(2**24))
    assert path.stat().st_size < 2**20
    with raises_one_line(BadDataError, path, "GB", ".jsonl"):
        read_predictions(path, IDS)


def test_sheet_without_predictions_is_told_with_the_columns_it_has(tmp_path):
    path = tmp_path / "m.xlsx"
    pd.DataFrame({"id": IDS, "said": ["a"] * 3}).to_excel(path, index=False)
    with raises_one_line(BadDataError, path, "`prediction` (there are id, said)"):
        read_predictions(path, IDS)
    openpyxl.Workbook().save(path)
    with raises_one_line(BadDataError, path):
        read_predictions(path, IDS)


def test_far_cells_of_a_sheet_take_no_memory(tmp_path):
    """A cell in the last column and one in a far row ask for 16,384 x 3,000 cells."""
    path = tmp_path / "m.xlsx"
    book = openpyxl.Workbook()
    for row in (["id", "prediction"], ["first", "a"]):
        book.active.append(row)
    book.active["XFD2"] = "far"
    book.active["A3000"] = "third"
    book.save(path)
    tracemalloc.start()
    try:
        assert read_predictions(path, IDS).texts == {"first": "a", "third": ""}
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_sheet_with_a_cell_in_its_last_row_is_refused(tmp_path):
    path = tmp_path / "m.xlsx"
    book = openpyxl.Workbook()
    for row in (["id", "prediction"], ["first", "a"]):
        book.active.append(row)
    book.active["A1048576"] = "far"
    book.save(path)
    with raises_one_line(BadDataError, path, "rows"):
        read_predictions(path, IDS)


def test_huge_table_of_text_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "MAX_TABLE_BYTES", 20)
    path = write(tmp_path, "m.tsv", "id\tprediction\nfirst\ta\n")
    with raises_one_line(BadDataError, path, ".jsonl"):
        read_predictions(path, IDS)


# Predictions as other programs write them


def with_cached_value(path: Path, value: bytes) -> None:
    """Let the sheet's formulas have a value, as xlsxwriter gives them 0 and Excel what it finds."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            data = re.sub(rb"</f><v ?/>|</f><v></v>", b"</f><v>" + value + b"</v>", data)
            archive.writestr(name, data)


@pytest.mark.parametrize("value", [b"", b"0", b"1300", b"#NAME?"])
def test_what_begins_with_an_equals_sign_in_a_sheet_is_its_own_text(tmp_path, value):
    said = {"first": "=1200 mm", "second": "=", "third": "= `[ 1 , 2 ]`"}
    path = tmp_path / "m.xlsx"
    table = pd.DataFrame({"id": list(said), "prediction": list(said.values())})
    table.to_excel(path, index=False, engine="openpyxl")
    with_cached_value(path, value)
    assert read_predictions(path, IDS).texts == said


def test_formulas_of_arrays_are_text_and_tables_of_data_are_lost(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["id", "prediction"], ["first", ""], ["second", ""]):
        sheet.append(row)
    sheet["B2"] = ArrayFormula("B2:B2", "=1200 mm")
    sheet["B3"] = DataTableFormula(ref="B3:B3")
    book.save(tmp_path / "m.xlsx")
    found = read_predictions(tmp_path / "m.xlsx", IDS).texts
    assert found == {"first": "{=1200 mm}", "second": ""}


def test_dates_and_errors_of_a_sheet_are_no_answer_and_are_told(tmp_path, caplog):
    """Excel makes a date of 1-2; of #N/A the letter A would be read."""
    book = openpyxl.Workbook()
    for row in (
        ["id", "prediction", "time"], ["first", datetime.date(2026, 2, 1)],
        ["second", "#N/A", datetime.date(2026, 2, 1)], ["third", datetime.time(3, 4)],
    ):  # fmt: skip
        book.active.append(row)
    book.save(tmp_path / "m.xlsx")
    assert read_predictions(tmp_path / "m.xlsx", IDS).texts == dict.fromkeys(IDS, "")
    (told,) = (record.getMessage() for record in caplog.records)
    assert "m.xlsx: 3 cells" in told and "B2" in told


ROWS_OF_JSON = [
    {"id": "first", "prediction": "1200 mm"},
    {"id": "second", "prediction": None},
    {"id": "other", "prediction": "`é` [ 1 ]"},
]
AS_READ = Predictions({"first": "1200 mm", "second": ""}, {}, 1)
FORMS_OF_JSON = {
    "a list": json.dumps(ROWS_OF_JSON),
    "a list with line breaks": json.dumps(ROWS_OF_JSON, indent=1, ensure_ascii=False),
    "a list in an object": json.dumps({"model": "m", "records": ROWS_OF_JSON}),
    "an object by id": json.dumps({r["id"]: r["prediction"] for r in ROWS_OF_JSON}),
    "an object by id, with line breaks": json.dumps(
        {r["id"]: r["prediction"] for r in ROWS_OF_JSON}, indent=1
    ),
    "records by id": json.dumps({r["id"]: {"prediction": r["prediction"]} for r in ROWS_OF_JSON}),
    "pandas": pd.DataFrame(ROWS_OF_JSON).to_json(),
    "pandas records": pd.DataFrame(ROWS_OF_JSON).to_json(orient="records"),
    "pandas index": pd.DataFrame(ROWS_OF_JSON).to_json(orient="index"),
    "pandas lines": pd.DataFrame(ROWS_OF_JSON).to_json(orient="records", lines=True),
    "columns": json.dumps(pd.DataFrame(ROWS_OF_JSON).to_dict(orient="list")),
    "lines with NaN": "\n".join(json.dumps(r) for r in ROWS_OF_JSON).replace("null", "NaN"),
    "a list with NaN": json.dumps(ROWS_OF_JSON).replace("null", "NaN"),
    "lines of Windows": "\r\n".join(json.dumps(r) for r in ROWS_OF_JSON),
    "by index": json.dumps([
        {"index": 0, "prediction": "1200 mm"}, {"index": "1.0", "prediction": None},
        {"index": 7, "prediction": ""},
    ]),
}  # fmt: skip


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", FORMS_OF_JSON)
def test_json_is_read_in_every_usual_form(tmp_path, form, mark):
    for name in ("m.json", "m.jsonl"):
        path = write(tmp_path, name, FORMS_OF_JSON[form].encode(mark))
        assert read_predictions(path, IDS) == AS_READ


def test_a_long_list_is_read_piece_by_piece(tmp_path):
    long = "x" * 300_000  # longer than a piece
    rows = [{"id": f"other{k}", "prediction": "é, ] [ " * 20} for k in range(20_000)]
    rows.insert(7, {"id": "first", "prediction": long})
    path = write(tmp_path, "m.json", json.dumps(rows))
    tracemalloc.start()
    try:
        found = read_predictions(path, IDS)
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 2
    finally:
        tracemalloc.stop()
    assert (found.texts, found.unknown) == ({"first": long}, 20_000)


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_table_that_excel_saved_as_text_is_read(tmp_path, suffix, mark):
    separator = "\t" if suffix == "tsv" else ","
    said = f'two\r\nlines, "quotes"{separator}and é'
    quoted = said.replace('"', '""')
    text = separator.join(["id", "prediction"]) + f'\r\nfirst{separator}"{quoted}"\r\n'
    path = write(tmp_path, f"m.{suffix}", text.encode(mark))
    assert read_predictions(path, IDS).texts == {"first": said}


def test_cells_at_the_end_of_a_row_that_nothing_reads_may_be_left_out(tmp_path):
    path = write(tmp_path, "m.csv", "id,prediction,remark\nfirst,a\nsecond,b,x\n")
    assert read_predictions(path, IDS).texts == {"first": "a", "second": "b"}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("m.json", '[{"id":"first","prediction":"a"},', ["item 2", "not whole"]),
        ("m.json", '[{"id":"first","prediction":"a"}] and more', ["behind the list"]),
        ("m.json", '[{"id":"first","prediction":"a"},5]', [":1", "item 2", "not a record"]),
        ("m.json", '[{"id":"first","said":"a"}]', ["item 1", "`prediction`", "said"]),
        ("m.json", '[{"id":"first","prediction":"\xe9"}]'.encode("latin-1"), ["UTF-8"]),
        pytest.param("m.json", "[" * 100_000, ["item 1"], id="deep"),
        ("m.json", '{"id":"first","prediction":"a"', [":1", "not json", "jsonl"]),
        ("m.json", '{"a":[{"id":"first"}],"b":[{"id":"first"}]}', ["several lists", "a, b"]),
        ("m.json", '{"id":["first","second"],"prediction":["a"]}', ["different lengths"]),
        ("m.json", '{"model":"m","accuracy":5}', ["no prediction", "3 ids"]),
        ("m.jsonl", b'{"id":"first","prediction":"\xe9"}\n', [":1", "not json"]),
        ("m.jsonl", '{"id":"first","prediction":"a"}'.encode("utf-16-le"), [":1", "not json"]),
        ("m.jsonl.gz", gzip.compress(b'{"id":"first"}', mtime=0), ["gunzip"]),
        ("m.jsonl", b"PAR1rest", ["parquet"]),
        ("m.tsv", b"PK\x03\x04rest", [".xlsx"]),
        ("m.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ["password"]),
        ("m.csv", "id,prediction\nfirst,1,200 mm\n", [":2", "3 cells", "quotes"]),
        ("m.tsv", "id\tprediction\nfirst\tabout\n1200 mm\n", [":3", "1 cells", "line ends"]),
        ("m.csv", 'id,prediction\nfirst,"a" b\n', [":2", "quotes"]),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_true_reason(tmp_path, name, data, words):
    with raises_one_line(BadDataError, tmp_path / name, *words):
        read_predictions(write(tmp_path, name, data), IDS)


def test_halves_of_characters_in_a_prediction_are_replaced(tmp_path):
    path = write(tmp_path, "m.json", '[{"id": "first", "prediction": "a\\ud83d"}]')
    assert read_predictions(path, IDS).texts == {"first": "a?"}


# The command


@pytest.fixture(scope="module")
def scored_root(made_root, tmp_path_factory) -> Path:
    """A root with the benchmark of the sample data and nothing else."""
    root = tmp_path_factory.mktemp("scored")
    shutil.copytree(made_root / "evaluation_data", root / "evaluation_data", symlinks=True)
    (root / "data").symlink_to(made_root / "data")
    assert make_benchmark.main(["--root", str(root)]) == 0
    return root


@pytest.fixture(scope="module")
def benchmark(scored_root) -> list[dict]:
    return list(read_jsonl(make_benchmark.benchmark_path(scored_root, "v1_0")))


@pytest.fixture(scope="module")
def truth(scored_root, benchmark, tmp_path_factory) -> Path:
    """Predictions that are all right, each in a sentence."""
    path = tmp_path_factory.mktemp("said") / "truth.jsonl"
    write_jsonl(path, [
        {"id": r["id"], "prediction": f"It is `{format_value(json.loads(r['gt_value']))}`, I say."}
        for r in benchmark
    ])  # fmt: skip
    return path


def lines_of(scores: dict) -> list[dict]:
    return scores["subtasks"] + scores["rows"]


def test_truth_scores_100_everywhere(scored_root, benchmark, truth):
    done = run_here(SCORER, scored_root, str(truth))
    assert done.returncode == 0, done.stderr
    printed = {line.split("  ")[1]: line for line in done.stdout.splitlines() if "100.00" in line}
    there = {r["task"] for r in benchmark}
    assert len(there) == 26
    assert set(printed) == {*there, *ROWS, MEAN}
    assert "0 unknown" in done.stdout and "0 missing" in done.stdout

    scores = json.loads(truth.with_suffix(".scores.json").read_text())
    assert scores["model"] == "truth"
    assert set(scores["counts"].values()) == {0}
    assert [line["name"] for line in scores["subtasks"]] == list(SUBTASKS)
    assert [line["name"] for line in scores["rows"]] == [*ROWS, MEAN]
    for line in scores["subtasks"] + scores["rows"]:
        assert (line["score"], line["high"]) == (100, 100)
        assert 0 < line["low"] < 100 and 0 <= line["chance"] < 100
    assert sum(line["questions"] for line in scores["subtasks"]) == len(benchmark)

    with open(truth.with_suffix(".scores.csv"), newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line.pop("kind") for line in lines] == (["subtask"] * 26 + ["row"] * 13) * 4
    wordings = ["", *WORDINGS]
    assert [line.pop("wording") for line in lines] == [w for w in wordings for _ in range(39)]
    tables = [scores, *(scores["wordings"][wording] for wording in WORDINGS)]
    told = [line for table in tables for line in table["subtasks"] + table["rows"]]
    for line, expected in zip(lines[:39], told[:39], strict=True):
        row = {name: "" if value is None else str(value) for name, value in expected.items()}
        assert line == row | {name: line[name] for name in ("score", "low", "high", "chance")}
        for name in ("score", "low", "high", "chance"):
            assert float(line[name]) == expected[name]

    assert set(scores["wordings"]) == set(WORDINGS)
    for line, expected in zip(lines, told, strict=True):
        assert (line["name"], line["questions"]) == (expected["name"], str(expected["questions"]))
    for number, name in enumerate([*SUBTASKS, *ROWS, MEAN]):
        parts = [table[number] for table in map(lines_of, scores["wordings"].values())]
        assert sum(part["questions"] for part in parts) == lines_of(scores)[number]["questions"]
        assert {part["name"] for part in parts} == {name}
        assert {part["score"] for part in parts if part["questions"]} == {100}
    verdicts = list(read_jsonl(truth.with_suffix(".verdicts.jsonl")))
    said = [json.loads(r["extra"])["wording"] for r in benchmark]
    assert [v["wording"] for v in verdicts] == said
    assert [v["id"] for v in verdicts] == [r["id"] for r in benchmark]
    assert all(v["correct"] for v in verdicts)
    assert truth.with_suffix(".scores.png").read_bytes().startswith(b"\x89PNG")


def test_half_of_the_truth_as_a_kits_table_scores_a_half(scored_root, benchmark, tmp_path):
    rows = [
        (n, format_value(json.loads(r["gt_value"])) if n % 2 else "none")
        for n, r in enumerate(benchmark)
    ]
    path = tmp_path / "kit.xlsx"
    pd.DataFrame(rows, columns=["index", "prediction"]).to_excel(path, index=False)
    done = run_here(SCORER, scored_root, str(path), "--output", str(tmp_path / "scores"))
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "scores" / "kit.scores.json").read_text())
    right = sum(line["score"] * line["questions"] / 100 for line in scores["subtasks"])
    assert right == pytest.approx(len(benchmark) // 2)
    assert scores["counts"]["unparsable"] == len(benchmark) - len(benchmark) // 2
    assert not (tmp_path / "kit.scores.json").exists()


def test_models_side_by_side_with_the_paper(scored_root, truth, tmp_path):
    lines = list(read_jsonl(truth))
    silent = tmp_path / "silent.jsonl"
    write_jsonl(silent, [{"id": lines[0]["id"], "prediction": "nothing"}])
    done = run_here(
        SCORER, scored_root, "--compare", str(truth), str(silent), "--paper",
        "--output", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for row in [*ROWS, MEAN]:
        line = next(line for line in done.stdout.splitlines() if line.strip().startswith(row))
        for model, values in read_paper_rows().items():
            assert f"{values[row]:.2f}" in line, model
        assert "100.00" in line and " 0.00" in line
    assert "SpatialRGPT: the mean is as printed" in done.stdout
    counts = json.loads((tmp_path / "silent.scores.json").read_text())["counts"]
    expected = {"missing": len(lines) - 1, "unparsable": 1, "duplicates": 0, "unknown": 0}
    assert counts == expected
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], ["no predictions given"]),
        (["none.jsonl"], ["none.jsonl", "no such file"]),
        (["--compare", "none.jsonl"], ["none.jsonl", "no such file"]),
        (["a/m.jsonl", "b/m.tsv"], ["same name"]),
        (["wrong.tsv"], ["wrong.tsv", "`prediction`"]),
        (["wrong.tsv", "--benchmark", "none.jsonl"], ["none.jsonl", "make_benchmark.py"]),
        (["wrong.tsv", "--version", "v9"], ["v9", "make_benchmark.py"]),
    ],
)
def test_command_refuses_in_one_line(scored_root, tmp_path, flags, words):
    write(tmp_path, "wrong.tsv", "id\tsaid\nfirst\ta\n")
    flags = [str(tmp_path / f) if "." in f else f for f in flags]
    with raises_one_line(EngineError, *words):
        score_predictions.main(["--root", str(scored_root), *flags])
    assert not list(tmp_path.glob("*.scores.*"))


def test_command_ends_with_code_2_and_no_traceback(scored_root, tmp_path):
    done = run_here(SCORER, scored_root, str(tmp_path / "none.jsonl"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path / 'none.jsonl'}: no such file")
    assert len(done.stderr.splitlines()) == 1
