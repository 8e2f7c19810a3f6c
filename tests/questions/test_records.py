from __future__ import annotations

import json
import re
import tracemalloc

import numpy as np
import orjson
import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError
from spatial_engine.utils.questions import plain_record, records
from spatial_engine.utils.questions.templates import Phrase

ASKED, SPOKEN = "Look at the views.\nWhich way?", "It went `{answer}`, as one sees."
VALUES = ["right", "A", 0, 1234, -5, [500, 0], [12, -3400, 7]]


def record_of(split, images=2, gt_value="right", extra=None):
    names = [f"scene0000_00/{5 * k:05d}.jpg" for k in range(images)]
    sizes = [(1296 + k, 968 + k) for k in range(images)]
    phrase = Phrase(ASKED, SPOKEN, "" if split == "train" else "heldout")
    return records.make_record(
        split, "id7", names, sizes, "camera_x_movement", phrase, gt_value, extra or {}
    )


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_what_could_not_be_written_again_is_not_read(tmp_path, opening):
    """orjson reads 1,024 levels of lists and objects, and writes 254."""

    def line(levels):
        closing = "]" if opening == "[" else "}"
        return '{"x": ' + opening * levels + "1" + closing * levels + "}"

    most = plain_record.MAX_NESTING - 1  # the record is one
    for as_read in (line(most), line(most).encode()):
        assert records.parse_json(as_read) == json.loads(as_read)
    for levels in (most + 1, 250, 300, 1500):
        with pytest.raises(orjson.JSONDecodeError):
            records.parse_json(line(levels))
    path = tmp_path / "a.jsonl"
    path.write_text(f"{line(1)}\n{line(300)}\n")
    with raises_one_line(BadDataError, f"{path}:2", "levels"):
        list(records.read_jsonl(path))


def test_many_brackets_are_not_many_levels():
    value = {"points": [[1, 2]] * 500, "text": "[ " * 500}
    assert records.parse_json(json.dumps(value)) == value


@pytest.mark.parametrize("images", [1, 2, 3, 5])
def test_marks_lists_and_sizes_fit_the_number_of_images(images):
    for split in ("train", "val"):
        record = record_of(split, images)
        human = record["conversations"][0]["value"] if split == "train" else record["text"]
        assert human.count("<image>") == len(record["image"]) == images
        if images == 1:
            assert human == "<image>\nLook at the views.\nWhich way?"
        else:
            marks = [f"Image-{k}: <image>" for k in range(1, images + 1)]
            assert human.splitlines() == [*marks, "Look at the views.", "Which way?"]
        assert record["width_list"] == [1296 + k for k in range(images)]
        assert record["height_list"] == [968 + k for k in range(images)]


@pytest.mark.parametrize("gt_value", VALUES, ids=str)
def test_the_answer_stands_once_in_backticks_and_parses_back(gt_value):
    record = record_of("train", gt_value=gt_value)
    human, spoken = record["conversations"]
    assert (human["from"], spoken["from"]) == ("human", "gpt")
    (inside,) = re.findall("`(.*?)`", spoken["value"])
    if isinstance(gt_value, list):
        assert re.fullmatch(r"\[ -?\d+( , -?\d+)+ \]", inside)
        assert [int(word) for word in inside[2:-2].split(" , ")] == gt_value
    else:
        assert type(gt_value)(inside) == gt_value
    assert record["gt_value"] == gt_value
    assert "{" not in spoken["value"]


@pytest.mark.parametrize("gt_value", VALUES, ids=str)
def test_an_evaluation_record_holds_the_question_and_not_the_answer(gt_value):
    record = record_of("val", gt_value=gt_value)
    assert "conversations" not in record
    assert "`" not in json.dumps(record)
    expected = {"id", "image", "text", "height_list", "width_list", "task", "question_type"}
    assert set(record) == {*expected, "gt_value", "wording"}
    assert record["wording"] == "heldout"
    assert set(record_of("train")) == {*expected, "gt_value", "conversations"} - {"text"}


def test_extra_fields_are_kept():
    record = record_of("val", extra={"overlap": 12.5, "p1": [1, 2]})
    assert (record["overlap"], record["p1"]) == (12.5, [1, 2])


def test_extra_fields_cannot_take_a_reserved_name_or_replace_the_records_own():
    """SPEC 10: no field named length, label, objects, solution: trainers give these a meaning."""
    own = {*record_of("train"), *record_of("val")}
    assert not own & records.RESERVED_FIELDS
    accepted = []
    for name in sorted(own | records.RESERVED_FIELDS):
        try:
            record_of("train", extra={name: 1})
        except (ValueError, TypeError, AssertionError):
            continue
        accepted.append(name)
    assert accepted == []


def test_written_records_read_back_one_a_line(tmp_path):
    made = [record_of("train", gt_value=value, extra={"é": "\u2028\n\r"}) for value in VALUES]
    assert records.write_jsonl(tmp_path / "x.jsonl", iter(made)) == len(made)
    assert list(records.read_jsonl(tmp_path / "x.jsonl")) == made
    data = (tmp_path / "x.jsonl").read_bytes()
    assert data.count(b"\n") == len(made)
    assert [json.loads(line) for line in data.split(b"\n")[:-1]] == made


def test_a_bad_line_is_named_by_its_number(tmp_path):
    for bad in (b'{"a": ', b"[1]", b"5", b"\xff", b'{"a": NaN}'):
        (tmp_path / "x.jsonl").write_bytes(b'{"id": "1"}\n' + bad + b"\n")
        with raises_one_line(BadDataError, f"{tmp_path / 'x.jsonl'}:2"):
            list(records.read_jsonl(tmp_path / "x.jsonl"))


def test_blank_lines_are_no_records(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b'{"id":"1"}\n\n{"id":"2"}\n  \n\n')
    assert [record["id"] for record in records.read_jsonl(tmp_path / "x.jsonl")] == ["1", "2"]


def write_parts(folder, sizes, end="\n"):
    """Files of that many lines of uneven length; all lines differ."""
    lines, parts = [], []
    for number, size in enumerate(sizes):
        own = [json.dumps({"n": len(lines) + k, "pad": "x" * (k % 50)}) for k in range(size)]
        parts.append(folder / f"part{number}")
        parts[-1].write_text("\n".join(own) + (end if own else ""))
        lines += own
    return parts, lines


def shuffled(parts, folder, seed=0, **options) -> list[str]:
    output = folder / "out.jsonl"
    count = records.shuffle_jsonl(parts, output, np.random.default_rng(seed), **options)
    text = output.read_text()
    assert text.count("\n") == count
    assert [p.name for p in folder.iterdir() if "bucket" in p.name] == []
    return text.split("\n")[:-1]


@pytest.mark.parametrize("bucket_bytes", [records.BUCKET_BYTES, 4000, 700])
def test_shuffled_lines_are_all_lines_in_another_order(tmp_path, bucket_bytes):
    parts, lines = write_parts(tmp_path, [200, 0, 1, 150])
    options = {"bucket_bytes": bucket_bytes}
    first = shuffled(parts, tmp_path, 0, **options)
    assert sorted(first) == sorted(lines)
    numbers = [json.loads(line)["n"] for line in first]
    assert np.count_nonzero(np.abs(np.diff(numbers)) == 1) < 15  # 2 neighbours expected to stay so
    assert shuffled(parts, tmp_path, 0, **options) == first
    assert shuffled(parts, tmp_path, 1, **options) != first


@pytest.mark.parametrize("bucket_bytes", [records.BUCKET_BYTES, 1000])
def test_parts_without_a_last_line_end_are_not_glued_together(tmp_path, bucket_bytes):
    parts, lines = write_parts(tmp_path, [40, 40, 40], end="")
    assert sorted(shuffled(parts, tmp_path, bucket_bytes=bucket_bytes)) == sorted(lines)


def test_buckets_of_a_killed_run_are_removed(tmp_path):
    parts, lines = write_parts(tmp_path, [5])
    (tmp_path / "out.jsonl.buckets").mkdir()
    (tmp_path / "out.jsonl.buckets" / "7").write_text("half a line")
    assert sorted(shuffled(parts, tmp_path)) == sorted(lines)


def test_nothing_to_shuffle_gives_an_empty_file(tmp_path):
    assert shuffled([], tmp_path) == []
    assert shuffled(write_parts(tmp_path, [0, 0])[0], tmp_path, bucket_bytes=1) == []


@pytest.mark.parametrize("bucket_bytes", [records.BUCKET_BYTES, 60])
def test_every_line_is_as_likely_at_every_place(tmp_path, bucket_bytes):
    parts, lines = write_parts(tmp_path, [3, 3])
    place, rounds = np.zeros((6, 6)), 600
    for seed in range(rounds):
        for position, line in enumerate(shuffled(parts, tmp_path, seed, bucket_bytes=bucket_bytes)):
            place[json.loads(line)["n"], position] += 1
    assert len(lines) == 6
    # 100 expected in each place, standard deviation 9
    assert np.abs(place - rounds / 6).max() < 5 * 9.2


def test_memory_stays_near_the_bucket_whatever_the_size_of_a_part(tmp_path):
    (tmp_path / "part").write_bytes((b'{"pad": "' + b"x" * 200 + b'"}\n') * 60_000)  # 12.7 MB
    tracemalloc.start()
    try:
        rng = np.random.default_rng(0)
        records.shuffle_jsonl([tmp_path / "part"], tmp_path / "out", rng, bucket_bytes=500_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000


@pytest.mark.parametrize("bucket_bytes", [records.BUCKET_BYTES, 60])
def test_at_most_so_many_lines_are_a_uniform_draw_in_any_order(tmp_path, bucket_bytes):
    parts, _ = write_parts(tmp_path, [3, 0, 3])
    place, rounds, wanted = np.zeros((6, 2)), 600, 2
    options = {"bucket_bytes": bucket_bytes, "at_most": wanted}
    pairs = set()
    for seed in range(rounds):
        lines = shuffled(parts, tmp_path, seed, **options)
        numbers = [json.loads(line)["n"] for line in lines]
        assert len(set(numbers)) == wanted
        place[numbers, range(wanted)] += 1
        pairs.add(tuple(numbers))
    assert np.abs(place - rounds / 6).max() < 5 * 9.2
    assert len(pairs) == 30


@pytest.mark.parametrize("bucket_bytes", [records.BUCKET_BYTES, 4000, 700])
@pytest.mark.parametrize("at_most", [None, 0, 1, 100, 350, 351, 352, 10**6])
def test_no_more_lines_than_asked_and_no_fewer_than_there_are(tmp_path, bucket_bytes, at_most):
    parts, lines = write_parts(tmp_path, [200, 0, 1, 150])
    options = {"bucket_bytes": bucket_bytes, "at_most": at_most}
    found = shuffled(parts, tmp_path, 3, **options)
    assert len(found) == (351 if at_most is None else min(at_most, 351))
    assert set(found) <= set(lines) and len(set(found)) == len(found)
    whole = shuffled(parts, tmp_path, 3, bucket_bytes=bucket_bytes)
    assert found == whole[: len(found)]


def joined(parts, folder, seed=7, at_most=-1, names=("x", "y")) -> dict[str, list[str]]:
    folder.mkdir()
    outputs = {name: folder / f"{name}.out" for name in names}
    records.join_parts(parts, outputs, seed, at_most)
    assert {path.name for path in folder.iterdir()} == {path.name for path in outputs.values()}
    return {name: path.read_text().splitlines() for name, path in outputs.items()}


def test_the_scenes_files_of_each_output_are_joined_in_random_order(tmp_path):
    parts, lines = [], {"x": [], "y": []}
    for scene, sizes in {"s0": (40, 7), "s1": (0, 30), "s2": (60, None)}.items():
        parts.append(tmp_path / scene)
        parts[-1].mkdir()
        for name, size in zip("xy", sizes, strict=True):
            if size is not None:  # s2 has no file of the second output
                mine = [json.dumps({"id": f"{scene}-{name}-{k}"}) for k in range(size)]
                (parts[-1] / f"{name}.jsonl").write_text("".join(f"{text}\n" for text in mine))
                lines[name] += mine
    made = joined(parts, tmp_path / "all")
    for name in "xy":
        assert sorted(made[name]) == sorted(lines[name])
        assert made[name] != lines[name]
    assert joined(parts, tmp_path / "again") == made
    assert joined(parts, tmp_path / "seed", 8)["x"] != made["x"]
    assert joined(parts, tmp_path / "alone", names=("y",)) == {"y": made["y"]}
    few = joined(parts, tmp_path / "few", at_most=35)
    assert few == {name: made[name][:35] for name in "xy"}
    assert joined(parts, tmp_path / "none", at_most=0) == {"x": [], "y": []}
