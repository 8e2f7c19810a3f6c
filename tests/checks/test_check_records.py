"""The check of records finds each planted fault, on its line, and nothing else."""

import json
import os
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import orjson
import pytest
from helpers import USUAL_TASKS

from spatial_engine.checks import (
    check_records,
    image_checks,
    record_lines,
    record_scan,
    repeated_records,
)
from spatial_engine.utils.questions.record_fields import COMMON, points_asked
from spatial_engine.utils.questions.record_files import find_record_files, read_records, to_uniform
from spatial_engine.utils.questions.record_rules import check_record
from spatial_engine.utils.questions.records import RESERVED_FIELDS, format_value, write_jsonl
from spatial_engine.utils.questions.tasks import SUBTASKS, TASKS
from spatial_engine.utils.running import cli

Lines = list[dict]
NUM_LINES = 5  # of a file with a planted fault, which is on the second unless said otherwise


@lru_cache
def some_records(made_root: Path, task: str, split: str):
    """A file of a subtask with its first records."""
    found = [file for file in find_record_files(made_root, [split]) if file.task == task]
    file = max(found, key=lambda file: len(list(read_records(file))))
    return file, [record for record, _ in zip(read_records(file), range(NUM_LINES), strict=False)]


def plant(
    made_root: Path,
    root: Path,
    task: str,
    split: str = "train",
    change: Callable[[Lines], None] = lambda lines: None,
    uniform: bool = False,
) -> Path:
    """A root with a few records of a subtask, changed, and the images that they had before."""
    file, lines = some_records(made_root, task, split)
    lines = json.loads(json.dumps(lines))
    for name in {name for record in lines for name in record["image"]}:
        source = file.image_root / name
        target = root / source.relative_to(made_root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    if uniform:
        lines = [to_uniform(record, file, made_root) for record in lines]
    change(lines)
    path = root / file.path.relative_to(made_root)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(path, lines)
    return path


def check(root: Path, *arguments: object) -> tuple[int, dict]:
    """Exit code and report."""
    line = ["--root", str(root), "--num-workers", "1", *map(str, arguments)]
    code = cli.run(check_records.main, line)
    return code, json.loads((root / check_records.REPORT).read_bytes())


def found_in(report: dict) -> list[tuple[int, str]]:
    """(line, kind) of all faults of a report."""
    return sorted(
        (fault["line"], kind)
        for file in report["files"]
        for kind, faults in file["faults"].items()
        for fault in faults["lines"]
    )


def on_second(change: Callable[[dict], object]) -> Callable[[Lines], None]:
    return lambda lines: change(lines[1]) and None


def put(**fields: object) -> Callable[[Lines], None]:
    """Give the second record other fields."""
    return on_second(lambda record: record.update(fields))


def drop(name: str) -> Callable[[Lines], None]:
    return on_second(lambda record: record.pop(name))


def say(turn: int, change: Callable[[str], str]) -> Callable[[Lines], None]:
    """Change what is said in a turn of the second record."""

    def changed(record: dict) -> None:
        said = record["conversations"][turn]
        said["value"] = change(said["value"])

    return on_second(changed)


def answer_with(record: dict, value: object) -> None:
    """Give a record another value, in the answer too."""
    before, after = format_value(record["gt_value"]), format_value(value)
    turns = record["conversations"]
    turns[1]["value"] = turns[1]["value"].replace(f"`{before}`", f"`{after}`")
    record["gt_value"] = value


def other_option(record: dict) -> None:
    options = TASKS[record["task"]].options
    answer_with(record, next(option for option in options if option != record["gt_value"]))


def other_point(record: dict) -> None:
    points = [[point["x"], point["y"]] for point in record["points_info"]]
    answer_with(record, next(point for point in points if point != record["gt_value"]))


def swap_names(record: dict) -> None:
    """Another point than the one that the question names."""
    record["p1"] = [(record["p1"][0] + 1) % 1000, record["p1"][1]]


def far_out(record: dict) -> None:
    """A point outside the image, in the field and in the question."""
    before, record["p1"] = record["p1"], [1001, 5]
    turn = record["conversations"][0]
    turn["value"] = turn["value"].replace(format_value(before), format_value([1001, 5]))


def shuffled_copy(lines: Lines) -> None:
    """The same object in the same images, in the other order, under another id."""
    lines[3] = {**lines[1], "id": "another", "image": lines[1]["image"][::-1]}


def only_one_image(record: dict) -> None:
    for name in ("image", "height_list", "width_list"):
        record[name].pop()
    record["text"] = record["text"].replace("<image>", "", 1)


def name_answer(record: dict) -> None:
    record["text"] += f" It is `{format_value(record['gt_value'])}`."


FAULTS: dict[str, tuple[str, str, Callable[[Lines], None], list[tuple[int, str]]]] = {
    "field missing": ("camera_x_movement", "train", drop("width_list"), [(2, "field")]),
    "extra field missing": ("camera_yaw_angle", "val", drop("answer_values"), [(2, "field")]),
    "gt_value missing": ("camera_x_movement", "train", drop("gt_value"), [(2, "field")]),
    "id of another type": ("camera_x_movement", "train", put(id=7), [(2, "field")]),
    "id empty": ("camera_x_movement", "train", put(id=""), [(2, "field")]),
    "image a text": ("depth_estimation_coor", "train", put(image="a/b.jpg"), [(2, "field")]),
    "sizes as texts": ("camera_x_movement", "val", put(height_list=["968"] * 2), [(2, "field")]),
    "task a list": ("camera_x_movement", "train", put(task=[]), [(2, "field")]),
    "points of two": ("correspondence_coor", "train", put(p1=[1, 2, 3]), [(2, "field")]),
    "unknown task": ("camera_x_movement", "train", put(task="camera_roll"), [(2, "task")]),
    "question type": ("camera_x_movement", "val", put(question_type="yaw_angle"), [(2, "task")]),
    "no conversations": ("camera_x_movement", "train", drop("conversations"), [(2, "form")]),
    "text in training": ("camera_x_movement", "train", put(text="?"), [(2, "form")]),
    "answer in evaluation": ("camera_x_movement", "val", put(conversations=[]), [(2, "form")]),
    "unknown wording": ("camera_x_movement", "val", put(wording="odd"), [(2, "field")]),
    "wording no text": ("camera_x_movement", "val", put(wording=["seen"]), [(2, "field")]),
    "wording in training": ("camera_x_movement", "train", put(wording="seen"), [(2, "form")]),
    "no text": ("camera_x_movement", "val", drop("text"), [(2, "form")]),
    "roles": (
        "camera_x_movement", "train",
        on_second(lambda record: record["conversations"].reverse()), [(2, "form")],
    ),
    "question alone": (
        "camera_x_movement", "train",
        on_second(lambda record: record["conversations"].pop()), [(2, "form")],
    ),
    "empty answer": ("camera_x_movement", "train", say(1, lambda text: " "), [(2, "form")]),
    "answer given away": (
        "camera_total_distance", "val", on_second(name_answer), [(2, "given away")],
    ),
    "one image mark less": (
        "camera_x_movement", "train", say(0, lambda text: text.replace("<image>", "", 1)),
        [(2, "image marks")],
    ),
    "image mark in the answer": (
        "camera_x_movement", "train", say(1, lambda text: f"{text} <image>"), [(2, "image marks")],
    ),
    "one size for two images": (
        "camera_x_movement", "train", on_second(lambda record: record["height_list"].pop()),
        [(2, "size")],
    ),
    "another size": (
        "depth_estimation_coor", "val", put(height_list=[10], width_list=[10]), [(2, "size")],
    ),
    "image missing": (
        "depth_estimation_dot", "train",
        on_second(lambda record: record.update(image=[f"{record['image'][0]}.gone.jpg"])),
        [(2, "image missing")],
    ),
    "absolute path": (
        "depth_estimation_coor", "train", put(image=["/etc/passwd"]), [(2, "image path")],
    ),
    "path out of the root": (
        "depth_estimation_coor", "train", put(image=["a/../../b.jpg"]), [(2, "image path")],
    ),
    "one image of two": (
        "camera_x_movement", "val", on_second(only_one_image), [(2, "image count")],
    ),
    "two spans": (
        "camera_x_movement", "train", say(1, lambda text: f"{text} `a`"), [(2, "answer")],
    ),
    "no span": (
        "camera_x_movement", "train", say(1, lambda text: text.replace("`", "")), [(2, "answer")],
    ),
    "another answer": (
        "camera_total_distance", "train",
        on_second(lambda record: record["answer_values"].update(
            total_distance=record["gt_value"] + 1) or record.update(
            gt_value=record["gt_value"] + 1)), [(2, "answer")],
    ),
    "a word that is none": (
        "camera_x_movement", "val", put(gt_value="sideways"), [(2, "gt_value")],
    ),
    "number as text": ("camera_total_distance", "val", put(gt_value="812"), [(2, "gt_value")]),
    "negative number": ("depth_estimation_coor", "val", put(gt_value=-1), [(2, "gt_value")]),
    "true is no number": ("depth_estimation_coor", "val", put(gt_value=True), [(2, "gt_value")]),
    "angle": ("camera_yaw_angle", "val", put(gt_value=181), [(2, "gt_value")]),
    "vector of two": ("camera_displacement_vector", "val", put(gt_value=[1, 2]), [(2, "gt_value")]),
    "vector of floats": (
        "movement_dot_vector_adt", "val", put(gt_value=[1.5, 2, 3]), [(2, "gt_value")],
    ),
    "coordinates beyond": (
        "correspondence_coor", "val", put(gt_value=[1001, 3]), [(2, "coordinates")],
    ),
    "p2 beyond": ("movement_dot_distance_adt", "val", put(p2=[-1, 3]), [(2, "coordinates")]),
    "named beyond": (
        "correspondence_coor", "train", on_second(far_out), [(2, "coordinates")],
    ),
    "another point named": (
        "movement_coord_distance_pstudio", "train", on_second(swap_names),
        [(2, "coordinates"), (2, "coordinates")],
    ),
    "letter of another point": (
        "correspondence_multichoice", "train", on_second(other_option), [(2, "contradiction")],
    ),
    "answer of another pair": (
        "camera_yaw_movement", "train", on_second(other_option), [(2, "contradiction")],
    ),
    "farther for closer": (
        "depth_comparison_dot", "train", on_second(other_option), [(2, "contradiction")],
    ),
    "farther point for closer": (
        "depth_comparison_coor", "train", on_second(other_point), [(2, "contradiction")],
    ),
    "depth of another point": (
        "depth_estimation_dot", "train",
        on_second(lambda record: answer_with(record, record["gt_value"] + 1)),
        [(2, "contradiction")],
    ),
    "moved and did not": (
        "movement_dot_distance_adt", "val", put(point_moving=False, gt_value=5),
        [(2, "contradiction")],
    ),
    "did not move and did": (
        "movement_coord_vector_adt", "val", put(point_moving=True, gt_value=[0, 0, 0]),
        [(2, "contradiction")],
    ),
    "two options": (
        "correspondence_multichoice", "train",
        on_second(lambda record: [record["options"].pop(x) for x in "ABCD"
                                  if x not in (record["gt_value"], "A", "B")]),
        [(2, "contradiction")],
    ),
    "match elsewhere": (
        "correspondence_coor", "val",
        on_second(lambda record: record.update(gt_value=[(record["p2"][0] + 1) % 1000, 9])),
        [(2, "contradiction")],
    ),
    "id twice": (
        "camera_x_movement", "train", lambda lines: lines[3].update(id=lines[1]["id"]),
        [(4, "duplicate id")],
    ),
    "question twice": (
        "camera_x_movement", "train", lambda lines: lines[3].update({**lines[1], "id": "other"}),
        [(4, "duplicate question")],
    ),
    "object twice": ("object_width", "val", shuffled_copy, [(4, "duplicate question")]),
    "record twice": (
        "depth_comparison_dot", "train", lambda lines: lines.append(lines[0]),
        [(6, "duplicate id"), (6, "duplicate question")],
    ),
    "reserved field": ("camera_x_movement", "train", put(length=3), [(2, "reserved field")]),
    "column that appears late": ("camera_x_movement", "train", put(more=3), [(2, "column")]),
    "column of another type": (
        "camera_x_movement", "train",
        lambda lines: [r.update(more="x" if n == 2 else n) for n, r in enumerate(lines)] and None,
        [(3, "column")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(name, made_root, tmp_path, capsys):
    task, split, change, expected = FAULTS[name]
    path = plant(made_root, tmp_path, task, split, change)
    code, report = check(tmp_path)
    assert (code, found_in(report)) == (1, expected)
    shown = capsys.readouterr().out
    assert f"{path.relative_to(tmp_path).as_posix()}:{expected[0][0]}: " in shown


LINES = {
    "not json": (b'{"id": \n', "json"),
    "empty line": (b"\n", "json"),
    "not utf-8": (b'{"id": "\xff"}\n', "json"),
    "nan": (b'{"id": NaN}\n', "json"),
    "a list": (b"[1]\n", "json"),
    "too deep": (b"[" * 5000 + b"]" * 5000 + b"\n", "json"),
    "too deep to write": (b"[" * 300 + b"]" * 300 + b"\n", "json"),
    "a field too deep to write": (b'{"id": ' + b"[" * 300 + b"]" * 300 + b"}\n", "json"),
    "nothing in it": (b"{}\n", "field"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_that_is_no_record_is_found(name, made_root, tmp_path):
    line, kind = LINES[name]
    path = plant(made_root, tmp_path, "camera_x_movement")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], line, *lines[2:]]))
    code, report = check(tmp_path)
    assert (code, {place for place in found_in(report)}) == (1, {(3, kind)})


def test_a_line_longer_than_any_record_is_not_read_whole(made_root, tmp_path, monkeypatch):
    path = plant(made_root, tmp_path, "camera_x_movement")
    monkeypatch.setattr(record_scan, "MAX_LINE_BYTES", 4000)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:1], b"x" * 50_000 + b"\n", *lines[1:]]))
    code, report = check(tmp_path)
    assert (code, found_in(report)) == (1, [(2, "json")])
    assert report["files"][0]["records"] == NUM_LINES + 1


def test_nothing_is_wrong_with_what_the_engine_makes(made_root, tmp_path, capsys):
    report = tmp_path / "report.json"
    code = cli.run(check_records.main, ["--root", str(made_root), "--report", str(report)])
    found = json.loads(report.read_bytes())
    shown = capsys.readouterr().out
    assert (code, found["faults"], found["notes"]) == (0, 0, []), shown
    files = find_record_files(made_root)
    counts = {file["path"]: file["records"] for file in found["files"]}
    assert counts == {
        file.path.relative_to(made_root).as_posix(): len(list(read_records(file))) for file in files
    }
    assert "no fault" in shown
    assert list(tmp_path.iterdir()) == [report]  # nothing is left of what was kept meanwhile


def test_contents_are_counted(made_root, tmp_path, capsys):
    plant(made_root, tmp_path, "camera_x_movement", "val")
    _, records = some_records(made_root, "camera_x_movement", "val")
    _, report = check(tmp_path)
    file = report["files"][0]
    assert file["records"] == NUM_LINES
    assert file["images"] == 2 * NUM_LINES
    names = {name for record in records for name in record["image"]}
    assert file["distinct_images"] == report["images"]["looked_at"] == len(names)
    assert report["images"]["decoded"] == len(names)
    assert file["scenes"] == len({name.split("/")[0] for name in names})
    answers = [record["gt_value"] for record in records]
    balance = file["contents"]["camera_x_movement"]["answers"]
    assert balance == {word: answers.count(word) for word in sorted(set(answers))}
    assert f"left {100 * answers.count('left') / NUM_LINES:.1f} %" in capsys.readouterr().out


def test_ranges_are_those_of_the_values(made_root, tmp_path):
    plant(made_root, tmp_path, "movement_coord_vector_adt")
    _, records = some_records(made_root, "movement_coord_vector_adt", "train")
    _, report = check(tmp_path)
    contents = report["files"][0]["contents"]["movement_coord_vector_adt"]
    values = np.array([record["gt_value"] for record in records])
    points = np.array([record[name] for record in records for name in ("p1", "p2")])
    expected = np.stack([values.min(0), values.max(0)], 1)
    assert contents["values"] == expected.tolist()
    assert contents["points"] == np.stack([points.min(0), points.max(0)], 1).tolist()


# ---- images --------------------------------------------------------------------------------------


def an_image(root: Path) -> Path:
    return sorted(root.rglob("*.jpg"))[0]


def lines_naming(path: Path, image: Path) -> list[int]:
    named = "/".join(image.parts[-2:])
    lines = path.read_text().splitlines()
    return [number for number, line in enumerate(lines, 1) if named in line]


def spoil(image: Path, how: str) -> None:
    data = image.read_bytes()
    if how == "cut off":
        image.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        image.write_bytes(b"")
    elif how == "text":
        image.write_text("not found")
    elif how == "pipe":
        image.unlink()
        os.mkfifo(image)
    elif how == "folder":
        image.unlink()
        image.mkdir()
    else:  # sound at both ends
        middle = len(data) // 2
        image.write_bytes(data[:middle] + b"\xff\xd9")


@pytest.mark.parametrize("how", ["cut off", "empty", "text", "pipe", "folder", "in the middle"])
def test_a_damaged_image_is_found_at_the_first_line_that_names_it(how, made_root, tmp_path):
    path = plant(made_root, tmp_path, "correspondence_multichoice")
    image = an_image(tmp_path)
    spoil(image, how)
    code, report = check(tmp_path)
    assert code == 1
    assert found_in(report) == [(lines_naming(path, image)[0], "image damaged")]


def test_only_images_that_are_decoded_show_damage_in_the_middle(made_root, tmp_path):
    plant(made_root, tmp_path, "correspondence_multichoice")
    spoil(an_image(tmp_path), "in the middle")
    assert check(tmp_path, "--decode-most", 0)[0] == 0
    assert check(tmp_path, "--decode-most", -1)[0] == 1


def test_zeros_after_the_end_of_an_image_are_harmless(made_root, tmp_path):
    plant(made_root, tmp_path, "camera_x_movement")
    image = an_image(tmp_path)
    image.write_bytes(image.read_bytes() + b"\0\0\0")
    assert check(tmp_path)[0] == 0


def test_a_size_in_a_long_header_is_read(made_root, tmp_path):
    plant(made_root, tmp_path, "camera_x_movement")
    image = an_image(tmp_path)
    data = image.read_bytes()
    comment = b"\xff\xfe" + (60_002).to_bytes(2, "big") + b"c" * 60_000
    image.write_bytes(data[:2] + comment + data[2:])
    assert len(comment) > image_checks.HEAD_BYTES
    assert check(tmp_path)[0] == 0


def test_every_file_that_names_a_missing_image_is_told(made_root, tmp_path):
    for task in ("camera_x_movement", "camera_yaw_angle"):
        plant(made_root, tmp_path, task)
    shutil.rmtree(tmp_path / "data/scannet/posed_images")
    _, report = check(tmp_path)
    for file in report["files"]:
        assert file["faults"]["image missing"]["count"] == file["distinct_images"]
    assert check(tmp_path, "--no-images")[0] == 0


def test_the_draw_depends_on_the_seed_alone(made_root, tmp_path):
    path = plant(made_root, tmp_path, "correspondence_multichoice")
    for image in tmp_path.rglob("*.jpg"):
        spoil(image, "in the middle")

    def drawn(seed: int, *more: object) -> list:
        _, report = check(tmp_path, "--decode-most", 3, "--seed", seed, *more)
        lines = report["files"][0]["faults"]["image damaged"]["lines"]
        return sorted(fault["cause"] for fault in lines)

    assert len(drawn(1)) == 3
    assert drawn(1) == drawn(1, path)
    assert len({tuple(drawn(seed)) for seed in range(4)}) > 1


# ---- what shows only over several files ----------------------------------------------------------


def test_an_id_of_another_file_of_the_split_is_found(made_root, tmp_path):
    plant(made_root, tmp_path, "camera_x_movement")
    _, records = some_records(made_root, "camera_x_movement", "train")
    plant(made_root, tmp_path, "camera_yaw_angle", change=put(id=records[4]["id"]))
    code, report = check(tmp_path)
    assert (code, report["faults"]) == (1, 1)
    causes = [file["faults"] for file in report["files"] if file["faults"]]
    assert "x_movement_train.jsonl:5 " in causes[0]["duplicate id"]["lines"][0]["cause"] or (
        "yaw_angle_train.jsonl:2 " in causes[0]["duplicate id"]["lines"][0]["cause"]
    )


def test_two_objects_of_a_category_in_the_same_images_are_two_questions(made_root, tmp_path):
    def another(lines: Lines) -> None:
        lines[3] = {**lines[1], "id": "other", "object_id": lines[1]["object_id"] + 1000}

    plant(made_root, tmp_path, "object_width", change=another)
    assert check(tmp_path)[0] == 0


@pytest.mark.parametrize(("shift", "faults"), [(0, [(4, "duplicate question")]), (1, [])])
def test_two_tracks_from_one_place_are_two_questions(shift, faults, made_root, tmp_path):
    def another(lines: Lines) -> None:
        x, y = lines[1]["p2"]
        lines[3] = {**lines[1], "id": "other", "p2": [(x + shift) % 1000, y]}

    plant(made_root, tmp_path, "movement_coord_distance_adt", change=another)
    assert found_in(check(tmp_path)[1]) == faults


def test_a_file_named_twice_is_read_once(made_root, tmp_path):
    path = plant(made_root, tmp_path, "camera_x_movement")
    code, report = check(tmp_path, path, path.parent / "." / path.name)
    assert (code, len(report["files"])) == (0, 1)


def test_the_same_pair_asked_in_the_other_direction_is_another_question(made_root, tmp_path):
    def turned(lines: Lines) -> None:
        lines[3] = {**lines[1], "id": "other", "image": lines[1]["image"][::-1]}

    plant(made_root, tmp_path, "camera_x_movement", change=turned)
    assert check(tmp_path)[0] == 0


def test_an_export_may_repeat_the_files_that_it_was_made_of(made_root, tmp_path):
    native = plant(made_root, tmp_path, "camera_x_movement")
    file, records = some_records(made_root, "camera_x_movement", "train")
    export = tmp_path / "export.jsonl"
    write_jsonl(export, [to_uniform(record, file, made_root) for record in records])
    code, report = check(tmp_path, native, export)
    assert code == 0
    assert [file["form"] for file in report["files"]] == ["native", "uniform"]
    assert [file["split"] for file in report["files"]] == ["train", "train"]
    assert report["images"]["looked_at"] == report["files"][0]["distinct_images"]


def test_hashes_that_collide_are_no_duplicates(made_root, tmp_path, monkeypatch):
    for module in (record_scan, image_checks):
        monkeypatch.setattr(module, "short_hash", lambda data: 1 + len(data) % 2)
    plant(made_root, tmp_path, "camera_x_movement", change=FAULTS["id twice"][2])
    code, report = check(tmp_path)
    assert (code, found_in(report)) == (1, [(4, "duplicate id")])


def test_hashes_that_stand_twice_over_all_parts():
    parts = [np.array([3, 0, 9], np.uint64), np.array([0, 7, 3, 2**64 - 1], np.uint64)]
    parts.append(np.array([2**64 - 1], np.uint64))
    hashes, left_out = repeated_records.repeated(np.sort(np.concatenate(parts)))
    assert (hashes.tolist(), left_out) == ([3, 2**64 - 1], 0)
    assert repeated_records.repeated(np.empty(0, np.uint64))[0].tolist() == []


def test_of_very_many_repeated_lines_some_are_left_for_the_next_time(
    made_root, tmp_path, monkeypatch
):
    def doubled(lines: Lines) -> None:
        lines += lines[:]

    plant(made_root, tmp_path, "camera_x_movement", change=doubled)
    monkeypatch.setattr(repeated_records, "COMPARED_MOST", 4)
    code, report = check(tmp_path)
    faults = report["files"][0]["faults"]
    assert code == 1
    assert [faults[f"duplicate {what}"]["count"] for what in ("id", "question")] == [2, 2]
    assert report["notes"][0].startswith(f"training_data: {4 * NUM_LINES - 8} more lines")


@pytest.mark.parametrize(
    ("task", "rename"),
    [
        ("camera_x_movement", lambda trained, asked: trained),
        ("movement_coord_distance_adt", lambda trained, asked: f"{trained[:-1]}99"),
        ("movement_coord_distance_pstudio", lambda trained, asked: f"{trained[:-1]}77"),
    ],
)
@pytest.mark.parametrize("uniform", [False, True])
def test_a_scene_or_recording_of_both_splits_is_a_leak(
    task, rename, uniform, made_root, tmp_path, monkeypatch
):
    _, records = some_records(made_root, task, "train")
    trained = records[0]["image"][0].split("/")[0]

    def moved(lines: Lines) -> None:
        parts = [name.split("/") for name in lines[1]["image"]]
        lines[1]["image"] = [
            "/".join([*part[:-2], rename(trained, part[-2]), part[-1]]) for part in parts
        ]

    plant(made_root, tmp_path, task)
    plant(made_root, tmp_path, task, "val", moved, uniform)
    code, report = check(tmp_path, "--no-images")
    assert (code, found_in(report)) == (1, [(2, "leak")])


def test_a_room_of_both_splits_is_noted(made_root, tmp_path, capsys):
    _, records = some_records(made_root, "camera_x_movement", "train")
    trained = records[0]["image"][0].split("/")[0]
    room = f"{trained[:-2]}77"

    def moved(record: dict) -> None:
        record["image"] = [f"{room}/{name.split('/')[1]}" for name in record["image"]]

    plant(made_root, tmp_path, "camera_x_movement")
    plant(made_root, tmp_path, "camera_x_movement", "val", on_second(moved))
    code, report = check(tmp_path, "--no-images")
    assert code == 0
    assert len(report["notes"]) == 1 and room in report["notes"][0]
    assert f"note: {report['notes'][0]}" in capsys.readouterr().out


# ---- forms, parts, workers -----------------------------------------------------------------------

UNIFORM_FAULTS = {
    "sound": (lambda record: None, []),
    "value not a text": (lambda record: record.update(gt_value=5), [(2, "field")]),
    "value not json": (lambda record: record.update(gt_value="left"), [(2, "field")]),
    "extra a list": (lambda record: record.update(extra="[]"), [(2, "field")]),
    "extra missing": (lambda record: record.pop("extra"), [(2, "field")]),
    "extra repeats a field": (
        lambda record: record.update(extra=record["extra"][:-1] + ', "id": "x"}'), [(2, "field")],
    ),
    "unit": (lambda record: record.update(gt_unit="mm"), [(2, "field")]),
    "a column more": (lambda record: record.update(more=1), [(2, "column")]),
    "path of its own root": (
        lambda record: record.update(image=["/".join(n.split("/")[-2:]) for n in record["image"]]),
        [(2, "image missing"), (2, "image missing")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("name", UNIFORM_FAULTS)
def test_a_uniform_file_is_read_as_such(name, split, made_root, tmp_path):
    change, expected = UNIFORM_FAULTS[name]
    path = plant(made_root, tmp_path, "camera_x_movement", split, on_second(change), uniform=True)
    moved = path.rename(tmp_path / "export.jsonl")
    code, report = check(tmp_path, moved)
    assert (code, found_in(report)) == (int(bool(expected)), expected)
    assert (report["files"][0]["form"], report["files"][0]["split"]) == ("uniform", split)


@pytest.mark.parametrize("num_bytes", [1, 7, 1000, 1009, 10**6])
def test_wherever_a_file_is_cut_each_line_is_read_once(num_bytes, tmp_path, monkeypatch):
    monkeypatch.setattr(record_scan, "RANGE_BYTES", num_bytes)
    lines = [b"x" * (n % 5) + b"\n" for n in range(40)] + [b"y" * 2000 + b"\n", b"last"]
    path = tmp_path / "lines"
    path.write_bytes(b"".join(lines))
    file = record_scan.FileToCheck(0, path, "train", "", False)
    parts = record_scan.parts_of(file, tmp_path, tmp_path, False)
    assert [line for part in parts for line in record_scan.lines_of(part)] == lines


def test_the_report_does_not_depend_on_parts_or_workers(made_root, tmp_path, monkeypatch):
    for task in ("camera_x_movement", "depth_comparison_dot", "movement_coord_vector_adt"):
        plant(made_root, tmp_path, task, change=FAULTS["record twice"][2])
    plant(made_root, tmp_path, "camera_x_movement", "val", put(gt_value="sideways"))
    an_image(tmp_path).unlink()
    whole = (check(tmp_path), (tmp_path / check_records.REPORT).read_bytes())
    assert whole[0][0] == 1
    for num_bytes, workers in ((1500, 1), (10**6, 2)):
        monkeypatch.setattr(record_scan, "RANGE_BYTES", num_bytes)
        again = check(tmp_path, "--num-workers", workers)
        assert (again, (tmp_path / check_records.REPORT).read_bytes()) == whole


def test_no_folder_takes_more_than_one_file_of_a_part(made_root, tmp_path, monkeypatch):
    """Thirty million records are a thousand parts, which leave some 34 files each."""
    for task in ("camera_x_movement", "depth_comparison_dot", "movement_coord_vector_adt"):
        plant(made_root, tmp_path, task)
    monkeypatch.setattr(record_scan, "RANGE_BYTES", 3000)
    most, num_parts, images_of = [], [], check_records.check_images

    def look(findings, folder: Path, args) -> None:
        num_parts.append(len(findings.parts))
        most.extend((len(names), Path(path).name) for path, _, names in os.walk(folder))
        images_of(findings, folder, args)

    monkeypatch.setattr(check_records, "check_images", look)
    assert check(tmp_path)[0] == 0
    assert num_parts[0] > 3
    assert max(most)[0] == num_parts[0]
    assert sum(number for number, name in most if name.startswith("shard")) > num_parts[0]


def test_few_lines_are_shown_of_many_and_the_rest_is_counted(made_root, tmp_path, capsys):
    def all_wrong(lines: Lines) -> None:
        for record in lines:
            record["gt_value"] = "sideways"

    plant(made_root, tmp_path, "camera_x_movement", "val", all_wrong)
    code, report = check(tmp_path, "--max-shown", 2)
    shown = capsys.readouterr().out
    assert code == 1
    assert shown.count("gt_value must be one of") == 2
    assert f"{NUM_LINES - 2} more of gt_value" in shown
    assert len(report["files"][0]["faults"]["gt_value"]["lines"]) == NUM_LINES


# ---- what is shown, and what is refused ----------------------------------------------------------


def test_hostile_text_is_shown_on_one_line_without_control_characters(made_root, tmp_path, capsys):
    hostile = "a\n\x1b[31mb\r\u202ec\u2066\x00\u2028d\ud7ff\u200f"

    def change(record: dict) -> None:
        record.update(id=hostile, task=hostile)

    plant(made_root, tmp_path, "camera_x_movement", change=on_second(change))
    code, report = check(tmp_path)
    shown = capsys.readouterr().out
    assert code == 1
    assert report["files"][0]["faults"]["task"]["lines"][0]["id"] == hostile
    assert all(" " <= c <= "~" for c in shown.replace("\n", ""))
    told = [line for line in shown.splitlines() if "unknown task" in line]
    assert len(told) == 1
    assert r"\x1b[31mb\r\u202ec" in told[0]


def test_hostile_names_of_images_are_shown_so_too(made_root, tmp_path, capsys):
    change = put(image=["a/\x1b]0;x\x07\u202e.jpg"])
    plant(made_root, tmp_path, "depth_estimation_coor", change=change)
    assert check(tmp_path)[0] == 1
    assert all(" " <= c <= "~" for c in capsys.readouterr().out.replace("\n", ""))


def test_an_empty_file_is_a_fault_among_others(made_root, tmp_path):
    plant(made_root, tmp_path, "camera_x_movement")
    plant(made_root, tmp_path, "camera_yaw_angle").write_bytes(b"")
    code, report = check(tmp_path)
    assert (code, found_in(report)) == (1, [(1, "empty")])


def test_nothing_to_read_raises_exit_code_2(tmp_path, capsys):
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    line = ["--root", str(tmp_path), "--num-workers", "1"]
    for files in ([], [tmp_path / "none.jsonl"], [empty]):
        assert cli.run(check_records.main, [*line, *map(str, files)]) == 2
        assert capsys.readouterr().err.startswith("error: ")
    with pytest.raises(SystemExit, match="2"):
        cli.run(check_records.main, [*line, str(tmp_path)])
    assert capsys.readouterr().err.startswith("error: ")
    assert sorted(tmp_path.iterdir()) == [empty]


def test_every_record_is_as_its_task_is_described(made_root):
    files = find_record_files(made_root)
    assert {(file.task, file.split) for file in files} == {
        (t, s) for t in USUAL_TASKS for s in cli.SPLITS
    }
    for file in files:
        record, task = next(iter(read_records(file))), TASKS[file.task]
        said = ("conversations",) if file.split == "train" else ("text", "wording")
        assert set(record) == {*COMMON, *said, *task.fields}
        assert record["question_type"] == task.question_type
        assert len(record["image"]) == file.images_per_record
        assert file.images_per_record in task.image_counts
        assert len(points_asked(record)) == task.num_points
        assert check_record(record, file.split, file.task) == []


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_no_field_of_a_task_has_a_meaning_for_trainers(task):
    assert not RESERVED_FIELDS & {*COMMON, *task.fields}


def test_an_evaluation_record_of_an_older_engine_has_no_wording(made_root, tmp_path):
    def older(lines: Lines) -> None:
        for record in lines:
            del record["wording"]

    path = plant(made_root, tmp_path, "camera_x_movement", "val", older)
    assert check(tmp_path, path)[0] == 0


def test_no_value_of_any_field_stops_the_check(made_root):
    """Whatever stands in one field, the check has faults or none, and no exception."""
    values = [None, True, -1, 2**63, 1.5, "", "x", [], [[]], [None], {}, {"a": 1}, [{}], ["a/b"]]
    for task in SUBTASKS:
        for split in ("train", "val"):
            _, records = some_records(made_root, task, split)
            for name in records[0]:
                for value in values:
                    record = {**records[0], name: value}
                    plain, faults = record_lines.parse(orjson.dumps(record))
                    faults = faults or check_record(plain, split, task)
                    assert isinstance(faults, list)
                    if name in ("id", "image", "gt_value") and value in (None, "", [], {}):
                        assert faults
