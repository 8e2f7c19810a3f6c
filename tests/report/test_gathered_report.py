"""The report, contact sheets and 3D view of several data sets of scenes."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import link_root
from helpers import raises_one_line
from PIL import Image

from spatial_engine.errors import MissingInputError
from spatial_engine.report import make_contact_sheets, make_report, page
from spatial_engine.report.sources import read_groups
from spatial_engine.sample_data import demo_table
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.questions.record_files import dataset_shown, find_record_files
from spatial_engine.utils.questions.tasks import TASKS

SHOWN = 6  # records of each task and split


@pytest.fixture(scope="module")
def root(gathered_root, tmp_path_factory) -> Path:
    return link_root(gathered_root, tmp_path_factory.mktemp("gathered") / "root")


def report(root: Path, folder: Path, *flags: str, code: int = 0) -> dict:
    """What the page of a report shows."""
    line = ["--root", str(root), "--output", str(folder), "--num-workers", "1"]
    line += ["--records-per-file", str(SHOWN), "--thumbnail-side", "64", *flags]
    assert make_report.main(line) == code
    text = (folder / page.DATA).read_text("utf-8")
    return json.loads(text.removeprefix("window.reportData = ").removesuffix(";\n"))


def names_of(data: dict) -> list[str]:
    return [data["datasets"][record["dataset"]] for record in data["records"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def data(root, folder) -> dict:
    return report(root, folder)


def files_of(root: Path, dataset: str, *tasks: str) -> list[str]:
    found = find_record_files(root, datasets=[Dataset(root, dataset)])
    return [str(file.path) for file in found if file.task in tasks]


def test_records_of_all_data_sets_are_shown_with_their_images(root, data):
    of_clips = {"adt", "pstudio", "drivetrack"}
    assert set(data["datasets"]) == {"scannet", "my_rooms", "arkitscenes"} | of_clips
    assert set(names_of(data)) == set(data["datasets"])
    assert all(image["small"] and image["large"] for image in data["images"])
    assert not any(record["warnings"] for record in data["records"])
    for record, name in zip(data["records"], names_of(data), strict=True):
        large = [data["images"][number]["large"] for number in record["images"]]
        task = data["tasks"][record["task"]]
        if TASKS[task].of_clips:
            assert name == task.rpartition("_")[2]
        elif TASKS[task].marked:
            assert all((f"_data/{name}/" in path) == (name != "scannet") for path in large)
        else:
            assert all(f"/data/{name}/posed_images/" in path for path in large)
    shown = Counter(
        name for name, r in zip(names_of(data), data["records"], strict=True)
        if data["tasks"][r["task"]] == "camera_x_movement" and r["split"] == "train"
    )  # fmt: skip
    assert len(shown) == 3 and shown.total() == SHOWN


def test_objects_of_another_data_set_have_boxes(root, tmp_path):
    named = files_of(root, "arkitscenes", "object_height", "object_width")
    sizes = report(root, tmp_path, "--records", *named)
    assert sizes["datasets"] == ["arkitscenes"] and sizes["records"]
    assert not any(record["warnings"] for record in sizes["records"])
    assert all(record["lines"] for record in sizes["records"])
    assert all(any("box: " in fact for fact in record["facts"]) for record in sizes["records"])


def test_the_page_is_filtered_by_data_set_where_there_are_several(root, folder, data, tmp_path):
    several = (folder / "index.html").read_text()
    assert 'id="filter-dataset"' in several and "<option>my_rooms</option>" in several
    named = files_of(root, "my_rooms", "camera_x_movement", "depth_estimation_dot")
    one = report(root, tmp_path / "one", "--records", *named)
    assert one["datasets"] == ["my_rooms"] and all(image["small"] for image in one["images"])
    assert 'id="filter-dataset"' not in (tmp_path / "one/index.html").read_text()


def test_data_sets_are_chosen_by_name(root):
    def drawn(*flags: str) -> set[str]:
        args = make_report.parse_args(["--root", str(root), "--num-workers", "1", *flags])
        groups, faults = read_groups(args, SHOWN)
        assert not faults
        return {
            dataset_shown(root, one.record, one.image_paths[0])
            for (task, _), group in groups.items()
            for one in group.drawn
            if not TASKS[task].of_clips
        }

    assert drawn("--dataset", "my_rooms") == {"my_rooms"}
    assert drawn("--dataset", "my_rooms", "scannet") == {"my_rooms", "scannet"}
    with raises_one_line(MissingInputError, "no records of the data set my_romms"):
        drawn("--dataset", "my_romms")


def test_uniform_files_of_another_data_set_are_shown_as_its_own(root, tmp_path):
    from spatial_engine.exports import export_uniform

    copy = link_root(root, tmp_path / "copy")
    flags = ["--root", str(copy), "--num-workers", "1", "--splits", "val"]
    assert export_uniform.main([*flags, "--dataset", "my_rooms"]) == 0
    paths = sorted((copy / "evaluation_data/exports/uniform").glob("my_rooms_*estimation*.jsonl"))
    shown = report(copy, tmp_path / "page", "--records", *map(str, paths))
    assert shown["datasets"] == ["my_rooms"] and all(image["small"] for image in shown["images"])


def test_contact_sheets_show_all_data_sets(root, tmp_path, capsys):
    flags = ["--root", str(root), "--output", str(tmp_path), "--num-workers", "1", "--records"]
    flags += files_of(root, "my_rooms", "correspondence_coor", "depth_comparison_dot")
    flags += files_of(root, "arkitscenes", "object_height")
    assert make_contact_sheets.main(flags) == 0
    said = capsys.readouterr()
    assert "not found" not in said.out + said.err
    sheet = next(tmp_path.rglob("object_height_train.png"))
    colors = np.array(Image.open(sheet).convert("RGB")).reshape(-1, 3)
    assert (colors == (0x9D, 0xFF, 0x7A)).all(axis=1).any(), "edges of a box"


def test_the_table_of_the_demo_lists_all_data_sets(root, capsys):
    assert demo_table.main(["--root", str(root)]) == 0
    said = capsys.readouterr().out
    for name in ("data/my_rooms/posed_images", "training_data/arkitscenes/object_perception"):
        assert name in said


@pytest.mark.parametrize("scene", ["transforms_end", "scene0000_00"])
def test_the_viewer_finds_scenes_of_any_data_set(root, tmp_path, scene):
    pytest.importorskip("rerun")
    from spatial_engine.report import view_scene

    output = tmp_path / f"{scene}.rrd"
    flags = ["--root", str(root), "--output", str(output), "--max-frames", "2"]
    assert view_scene.main([scene, *flags]) == 0
    assert output.stat().st_size > 1000
