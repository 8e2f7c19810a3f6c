from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError
from spatial_engine.utils.paths import NO_DATASETS, TASK_FOLDERS
from spatial_engine.utils.questions.record_files import (
    RecordFile,
    from_uniform,
    places_in,
    read_records,
    read_uniform,
)
from spatial_engine.utils.questions.records import MAX_LINE_BYTES, write_jsonl
from spatial_engine.utils.questions.tasks import TASKS

LINE = b'{"id":"x","image":["%s/00005.jpg"],"task":"camera_x_movement"}\n'


@pytest.fixture
def file(tmp_path) -> RecordFile:
    return RecordFile(tmp_path / "x.jsonl", "train", "camera_x_movement", tmp_path)


def test_every_scene_of_a_file_is_told(file):
    file.path.write_bytes(LINE % b"scene0000_00" + LINE % b"scene0000_01" + LINE % b"scene0000_00")
    assert places_in(file) == {"scene0000_00", "scene0000_01"}


@pytest.mark.parametrize("scene", [b"..", b"\xff", b"a\\nb", b"\xe2\x80\xaes", b"x" * 10_000])
def test_a_scene_that_is_no_id_is_named_with_its_line(file, scene):
    file.path.write_bytes(LINE % b"scene0000_00" + LINE % scene)
    with raises_one_line(BadDataError, f"{file.path}:2", "is not a valid id"):
        places_in(file)


def test_a_line_without_images_is_named(file):
    file.path.write_bytes(LINE % b"scene0000_00" + b"{}\n")
    with raises_one_line(BadDataError, f"{file.path}:2", "not a record of the engine"):
        places_in(file)


@pytest.mark.parametrize(
    "names",
    [
        None, [], "scene0000_00/00005.jpg", [5], [None], [["a/b"]], ["00005.jpg"], ["../x.jpg"],
        ["/etc/x.jpg"], ["scene0000_00/../x.jpg"], ["scene0000_00/a/x.jpg"], ["s/a\0.jpg"],
        ["s/a\n.jpg"], ["s/\u202egpj.x"], [f"s/{'x' * 10_000}"], ["s/00005.jpg", "../x.jpg"],
    ],
    ids=repr,
)  # fmt: skip
def test_images_that_are_not_below_their_root_are_refused(file, names):
    record = {"id": "x", "image": names, "task": file.task}
    file.path.write_text(json.dumps({**record, "image": ["s/00005.jpg"]}) + "\n")
    assert len(list(read_records(file))) == 1
    file.path.write_text(json.dumps(record) + "\n")
    with raises_one_line(BadDataError, f"{file.path}:1"):
        list(read_records(file))


def test_a_line_of_a_gigabyte_takes_no_memory(file):
    with open(file.path, "wb") as sparse:
        sparse.truncate(10**9)
    tracemalloc.start()
    try:
        with raises_one_line(BadDataError, f"{file.path}:1", "MiB"):
            places_in(file)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_LINE_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "record",
    [
        {"gt_unit": "mm"},
        {"gt_unit": "mm", "extra": "{}"},
        {"gt_unit": "mm", "gt_value": "5"},
        {"gt_unit": "mm", "gt_value": "5", "extra": 7},
        {"gt_unit": "mm", "gt_value": "5", "extra": "[]"},
        {"gt_unit": "mm", "gt_value": None, "extra": "{}"},
        {"gt_unit": "mm", "gt_value": "five", "extra": "{}"},
    ],
    ids=str,
)
def test_a_uniform_record_without_its_texts_is_a_value_error(record):
    with pytest.raises(ValueError):
        from_uniform(record)


def point(x: int, y: int) -> dict:
    return {"x": x, "y": y, "depth_mm": 1000 + x, "letter": None}


def benchmark_record(**changed) -> dict:
    record = {
        "id": "a", "image": ["data/scannet/posed_images/scene0000_00/00000.jpg"], "text": "How?",
        "height_list": [968], "width_list": [1296], "question_type": "q",
        "task": "depth_comparison_coor", "gt_value": "[1,2]", "gt_unit": "permille",
        "extra": json.dumps({"points_info": [point(1, 2), point(3, 4)]}),
    }  # fmt: skip
    return {**record, **changed}


def test_a_sound_benchmark_is_read_as_it_is(tmp_path):
    path = tmp_path / "b.jsonl"
    write_jsonl(path, [benchmark_record(), benchmark_record(id="b")])
    assert list(read_uniform(path)) == [benchmark_record(), benchmark_record(id="b")]


@pytest.mark.parametrize(
    "changed",
    [
        {"task": "chess"}, {"id": 1}, {"text": None}, {"image": []}, {"image": "x/y.jpg"},
        {"image": ["../secret/x.jpg"]}, {"image": ["/etc/x"]}, {"image": ["a\0/x"]},
        {"image": ["x"]},
        {"width_list": [0]}, {"height_list": [968, 968]}, {"width_list": None}, {"extra": "[]"},
        {"extra": "{"}, {"gt_value": "[1,2,3]"}, {"gt_value": "[9,9]"}, {"gt_value": '"A"'},
        {"extra": '{"points_info":[1]}'}, {"task": "camera_x_movement"},
        {"task": "object_height"}, {"gt_value": None},
    ],
)  # fmt: skip
def test_an_unsound_benchmark_is_refused_by_line(tmp_path, changed):
    path = tmp_path / "b.jsonl"
    write_jsonl(path, [benchmark_record(), benchmark_record(**changed)])
    with raises_one_line(BadDataError, f"{path}:2"):
        list(read_uniform(path))


@pytest.mark.parametrize("field", sorted(benchmark_record()))
def test_a_field_that_is_missing_is_refused(tmp_path, field):
    path = tmp_path / "b.jsonl"
    record = benchmark_record()
    del record[field]
    write_jsonl(path, [record])
    if field == "question_type":
        assert list(read_uniform(path)) == [record]
    else:
        with raises_one_line(BadDataError, f"{path}:1"):
            list(read_uniform(path))


def test_the_folders_of_tasks_are_told_from_data_sets_by_name():
    made = {
        Path(task.file_of(split, "v1_0")).parts[0]
        for task in TASKS.values()
        for split in ("train", "val")
    }
    assert made == set(TASK_FOLDERS) and made <= set(NO_DATASETS)
