"""Objects that are not alone of their category: where the dots are, what is asked, who reads it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import data_files, link_root
from helpers import load_coverage
from hypothesis import given
from hypothesis import strategies as st
from tiny_objects import DIMENSIONS, SPLITS, Runner, check_fine, check_refused

from spatial_engine.audit import audit_labels
from spatial_engine.checks import check_records
from spatial_engine.evaluation import make_benchmark
from spatial_engine.exports import export_uniform, make_training_mix
from spatial_engine.object_perception import compute_object_visibility as viewer
from spatial_engine.object_perception import merge_object_coverage as merger
from spatial_engine.object_perception import object_coverage_job as coverage_job
from spatial_engine.object_perception import single_object_perception_engine as engine
from spatial_engine.object_perception.object_marks import clear_place
from spatial_engine.report import record_view
from spatial_engine.utils import paths
from spatial_engine.utils.pictures.drawing import MarkSize
from spatial_engine.utils.questions.record_files import find_record_files, read_records
from spatial_engine.utils.questions.record_rules import check_record
from spatial_engine.utils.questions.records import read_jsonl, write_jsonl
from spatial_engine.utils.questions.tasks import SUBTASKS, TASKS
from spatial_engine.utils.tables import object_table

MARK = "--mark-objects"
NO_PLACE = r"no clear place for a dot on the object in an image (\d+)"


@pytest.fixture(scope="module")
def plain(made_root, tmp_path_factory) -> Path:
    """A root with raw and prepared scenes, and with object questions of the usual kind."""
    folder = link_root(made_root, tmp_path_factory.mktemp("marked") / "plain")
    for name in ("training_data", "evaluation_data"):
        shutil.rmtree(folder / name)
    for module, numbers in ((viewer, ()), (coverage_job, ("0", "3")), (merger, ()), (engine, ())):
        assert module.main(["--root", str(folder), "--num-workers", "1", *numbers]) == 0
    return folder


@pytest.fixture(scope="module")
def marked(plain, tmp_path_factory) -> Path:
    """The same with marked objects."""
    folder = link_root(plain, tmp_path_factory.mktemp("marked") / "marked")
    assert engine.main(["--root", str(folder), "--num-workers", "1", MARK]) == 0
    return folder


@pytest.fixture
def root(marked, tmp_path) -> Path:
    return link_root(marked, tmp_path / "root")


@pytest.fixture
def run(capsys):
    return Runner(capsys)


def made_in(root: Path, *, pictures: bool = True) -> dict[str, bytes]:
    """Object questions, and pictures of marked objects."""
    found = {}
    for split in SPLITS:
        for name, data in data_files(paths.objects_dir(root, split)).items():
            if name.startswith("object_perception_") or (pictures and name.startswith("images")):
                found[f"{split} {name}"] = data
    return found


def marked_records(root: Path) -> Iterator[tuple[str, dict, Path]]:
    """Split, record, folder of its pictures."""
    for file in find_record_files(root):
        if file.task.endswith("_marked"):
            for record in read_records(file):
                yield file.split, record, file.image_root


def sets_asked(root: Path) -> dict[tuple[str, str], list[tuple]]:
    """(scene, object, frames) that records ask about, by split and task."""
    found: dict[tuple[str, str], list[tuple]] = {}
    for file in find_record_files(root):
        for record in read_records(file):
            scene = record["image"][0].split("/")[0]
            frames = sorted(Path(name).stem.split("_")[0] for name in record["image"])
            asked = (scene, record["object_id"], tuple(frames))
            found.setdefault((file.split, file.task), []).append(asked)
    return found


# ---- which sets ----------------------------------------------------------------------------------


def test_other_questions_are_the_same_with_and_without_marked_objects(plain, marked, root, run):
    """And a run without the switch leaves those of marked objects, with their pictures."""
    usual, both = made_in(plain), made_in(marked)
    assert not any("marked" in name or "images" in name for name in usual)
    assert {name: both[name] for name in usual} == usual
    assert all("_marked_k" in name or " images/" in name for name in both.keys() - usual.keys())
    check_fine(run(engine, root))
    assert made_in(root) == both


def test_the_sets_that_show_another_object_of_the_category_are_marked(plain, marked, run, tmp_path):
    copy = link_root(plain, tmp_path / "copy")
    dropped = sum(map(int, re.findall(NO_PLACE, run(engine, copy, MARK).stdout)))
    asked, missing, number = sets_asked(marked), 0, 0
    for split in SPLITS:
        table = object_table.open_objects(paths.object_table_path(marked, split))
        beside = {
            (scene, seen.object_id, image)
            for scene in table.scene_ids
            for seen in object_table.read_scene_objects(table, scene)
            for image, others in zip(seen.image_ids, seen.others, strict=True)
            if others
        }
        for dimension in DIMENSIONS:
            coverage = load_coverage(paths.merged_coverage_path(marked, split, dimension), "")
            wanted = {
                (scene, object_id, tuple(sorted(images)))
                for scene, by_object in coverage.items()
                for object_id, by_count in by_object.items()
                for sets in by_count.values()
                for images in sets
                if any((scene, object_id, image) in beside for image in images)
            }
            found = asked.get((split, f"object_{dimension}_marked"), [])
            assert len(found) == len(set(found)) and set(found) <= wanted
            missing += len(wanted) - len(found)
            number += len(found)
            assert not wanted & set(asked.get((split, f"object_{dimension}"), []))
    assert missing == dropped > 0 and number > 30


def test_larger_dots_have_fewer_places_and_what_has_none_is_counted(marked, root, run):
    done = run(engine, root, MARK, "--dot-radius-px", "20")
    check_fine(done)
    before, after = (len(list(marked_records(where))) for where in (marked, root))
    assert 0 < after < before
    wanted = re.findall(r"counted: another object of the category in an image (\d+)", done.stdout)
    dropped = re.findall(NO_PLACE, done.stdout)
    assert sum(map(int, wanted)) == after + sum(map(int, dropped))


def test_the_same_bytes_for_any_number_of_workers(plain, marked, tmp_path, run):
    copy = link_root(plain, tmp_path / "copy")
    check_fine(run(engine, copy, MARK, "--num-workers", "2"))
    assert made_in(copy) == made_in(marked)


def test_a_lost_picture_is_made_again_and_nothing_else_is(marked, root, run):
    again = run(engine, root, MARK)
    check_fine(again)
    assert "made again" not in again.stdout and "up to date" in again.stdout
    next(root.glob("training_data/object_perception/images/*/*.jpg")).unlink()
    check_fine(run(engine, root, MARK))
    assert made_in(root) == made_in(marked)


def test_pictures_are_those_that_records_show(root, marked, run):
    """Also where fewer records are drawn than there are."""
    check_fine(run(engine, root, MARK, "--train-max-samples", "3", "--val-max-samples", "2"))
    for where in (root, marked):
        shown = {folder / name for _, r, folder in marked_records(where) for name in r["image"]}
        assert shown == set(where.glob("*/object_perception/images/*/*.jpg"))


def test_every_scene_needs_its_visibility(root, run):
    for split in SPLITS:
        paths.visibility_table_path(root, split).unlink()
    check_refused(run(engine, root, MARK), "make_visibility_info.py")


def test_marks_are_for_sets_that_are_left_out_otherwise(root, run):
    check_refused(run(engine, root, MARK, "--no-require-unique-category"), "--mark-objects")


# ---- where the dots are --------------------------------------------------------------------------


def test_each_image_has_the_dot_that_its_record_tells_of(marked):
    seen: dict[Path, tuple] = {}
    for split, record, folder in marked_records(marked):
        assert TASKS[record["task"]].marked
        assert check_record(record, split, record["task"]) == []
        text = record["text"] if split == "val" else record["conversations"][0]["value"]
        assert re.search(r"\b(marked|dot)\b", text.splitlines()[-1])
        assert record["raw_category"].strip() in text
        for number, name in enumerate(record["image"]):
            (x, y), color = record["mark_points"][number], record["mark_colors"][number]
            picture = cv2.imread(str(folder / name))
            height, width = picture.shape[:2]
            pixel = picture[round(y * height / 1000), round(x * width / 1000)][::-1]
            expected = [int(color[k : k + 2], 16) for k in (1, 3, 5)]
            assert np.abs(pixel.astype(int) - expected).max() < 40
            margin = MarkSize.of(10, (width, height)).margin - 1
            assert margin <= x * width / 1000 <= width - margin
            assert margin <= y * height / 1000 <= height - margin
            # one dot for an object in an image, whatever is asked about it
            assert seen.setdefault(folder / name, (x, y, color)) == (x, y, color)
            frame, object_id = Path(name).stem.split("_")
            assert int(object_id) == record["object_id"] and frame in record["id"]


def audit(root: Path, *files: Path) -> tuple[int, list[str]]:
    """Exit code, and what is complained about."""
    code = audit_labels.main(["--root", str(root), "--num-workers", "1", *map(str, files)])
    found = json.loads((root / "label_audit.json").read_text())["files"]
    return code, [c["complaint"] for of in found.values() for c in of["complaints"]]


def test_the_raw_scene_says_that_the_dots_are_on_the_object(root):
    assert audit(root) == (0, [])
    found = json.loads((root / "label_audit.json").read_text())["files"]
    agree = sum(of["agree"] for name, of in found.items() if "_marked_" in name)
    assert agree == len(list(marked_records(root))) > 30


def spoil(record: dict, other: dict, how: str) -> dict:
    if how == "another object":
        return record | {name: other[name] for name in ("image", "mark_points", "mark_colors")}
    if how == "no dots told":
        return {name: value for name, value in record.items() if name != "mark_points"}
    if how == "another place":
        return record | {"mark_points": [[x ^ 64, y] for x, y in record["mark_points"]]}
    return record | {"mark_colors": ["#0a0b0c" for _ in record["mark_colors"]]}


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("another object", "no vertex of object"),
        ("another place", "that image"),
        ("another colour", "mark:"),
        ("no dots told", "is not a list"),
    ],
)
def test_the_audit_names_a_dot_that_is_elsewhere(root, how, words):
    (file,) = (
        file
        for file in find_record_files(root, ["val"])
        if (file.task, file.images_per_record) == ("object_height_marked", 1)
    )
    records = list(read_jsonl(file.path))
    record, other = next(
        (one, two)
        for one in records
        for two in records
        if one["object_id"] != two["object_id"] and one["image"][0][:12] == two["image"][0][:12]
    )
    file.path.unlink()
    write_jsonl(file.path, [spoil(record, other, how)])
    code, complaints = audit(root, file.path)
    assert code == 1 and any(words in complaint for complaint in complaints), complaints


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(0.5, 30))
def test_a_dot_is_on_the_clear_vertex_nearest_to_the_middle(seed, count, margin):
    rng = np.random.default_rng(seed)
    pixels = rng.uniform(0, 200, (count, 2))
    is_mine, inside = rng.random(count) < 0.7, rng.random(count) < 0.8
    clear = [
        k
        for k in np.flatnonzero(is_mine & inside)
        if all(np.hypot(*(pixels[k] - pixels[n])) > margin for n in np.flatnonzero(~is_mine))
    ]
    found = clear_place(pixels, is_mine, inside, margin)
    if not clear:
        assert found is None
        return
    middle = np.median(pixels[is_mine], axis=0)
    nearest = min(np.hypot(*(pixels[k] - middle)) for k in clear)
    assert any((found == pixels[k]).all() for k in clear)
    assert np.hypot(*(found - middle)) == pytest.approx(nearest)


# ---- who reads them ------------------------------------------------------------------------------


def test_checks_and_exports_take_them_and_the_benchmark_does_not(root, run):
    check_fine(run(check_records, root))
    check_fine(run(export_uniform, root))
    exported = [
        record["task"]
        for path in root.glob("*/exports/uniform/*.jsonl")
        for record in read_jsonl(path)
    ]
    number = len(list(marked_records(root)))
    assert sum(TASKS[task].marked for task in exported) == number > 0
    uniform = sorted(root.glob("*/exports/uniform/*marked*.jsonl"))
    assert audit(root, *uniform) == (0, [])
    assert make_benchmark.main(["--root", str(root)]) == 0
    path = root / "evaluation_data/multispa/v1_0/multispa.jsonl"
    assert {r["task"] for r in read_jsonl(path)} == {f"object_{name}" for name in DIMENSIONS}
    assert not any(task.marked for name, task in SUBTASKS.items() if name.startswith("object"))


def test_the_mix_takes_their_sets_of_two_images(root):
    assert make_training_mix.main(["--root", str(root), "--max-repeat", "9"]) == 0
    meta = json.loads((root / "training_data/mix3M.json").read_text())
    entry = meta["object_length_marked"]
    assert "_marked_k2_" in entry["annotation"]
    for record in read_jsonl(root / entry["annotation"]):
        assert all((root / entry["root"] / name).is_file() for name in record["image"])


def test_the_report_shows_a_mark_in_each_image(marked):
    for _, record, _ in marked_records(marked):
        marks = record_view.marks_of(record)
        places = [(number, [mark.x, mark.y]) for number, mark in enumerate(marks)]
        assert places == list(enumerate(record["mark_points"]))
        assert [mark.image for mark in marks] == list(range(len(record["image"])))


def test_marks_that_are_not_those_of_the_images_are_faults(marked):
    split, record, _ = next(marked_records(marked))
    for change in (
        {"mark_points": [*record["mark_points"], [1, 1]]},
        {"mark_points": [[1001, 3] for _ in record["mark_points"]]},
        {"mark_points": [[3] for _ in record["mark_points"]]},
        {"mark_colors": [*record["mark_colors"], "#000000"]},
        {"mark_colors": None},
    ):
        assert len(check_record(record | change, split)) == 1
