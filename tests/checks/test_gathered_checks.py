"""Checks of records and inputs over several data sets of scenes."""

import json
from pathlib import Path

import cv2
import pytest
from conftest import link_root, own_file
from helpers import raises_one_line

from spatial_engine.checks import check_inputs, check_records
from spatial_engine.depth_perception import depth_estimation_coor_engine
from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.utils import paths
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.questions.record_files import dataset_of, find_record_files
from spatial_engine.utils.questions.records import read_jsonl, write_jsonl
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables import suspects

BEGIN, END = "transforms_begin", "transforms_end"


@pytest.fixture
def root(gathered_root, tmp_path) -> Path:
    return link_root(gathered_root, tmp_path / "root")


# Records


def check(root: Path, *flags: object) -> tuple[int, dict]:
    line = ["--root", str(root), "--num-workers", "1", *map(str, flags)]
    code = check_records.main(line)
    return code, json.loads((root / check_records.REPORT).read_bytes())


def a_file(root: Path, split: str = "train", task: str = "camera_x_movement") -> Path:
    files = find_record_files(root, [split], datasets=[Dataset(root, "my_rooms")])
    return next(file.path for file in files if file.task == task)


def test_nothing_is_wrong_with_several_data_sets(root, capsys):
    code, report = check(root)
    assert code == 0, capsys.readouterr().out
    names = {entry["path"] for entry in report["files"]}
    assert names == {f.path.relative_to(root).as_posix() for f in find_record_files(root)}
    assert "training_data/my_rooms/camera_movement/v1_0/x_movement_train.jsonl" in names
    _, report = check(root, "--dataset", "arkitscenes")
    names = {entry["path"] for entry in report["files"]}
    assert not any("my_rooms" in name for name in names)
    assert any("training_data/arkitscenes/object_perception/" in name for name in names)


def test_a_scene_of_both_splits_is_a_leak_within_another_data_set(root):
    path = own_file(a_file(root))
    first, *rest = read_jsonl(path)
    shown = next(read_jsonl(a_file(root, "val")))["image"]
    write_jsonl(path, [{**first, "image": shown}, *rest])
    code, report = check(root, "--no-images")
    leaks = [entry["path"] for entry in report["files"] if "leak" in entry["faults"]]
    assert code == 1 and a_file(root, "val").relative_to(root).as_posix() in leaks


@pytest.mark.parametrize("task", ["camera_x_movement", "depth_estimation_dot"])
def test_a_file_that_is_named_finds_the_images_of_its_data_set(root, task, monkeypatch):
    path = a_file(root, task=task)
    (file,) = (file for file in find_record_files(root) if file.path == path)
    code, report = check(root, path)
    assert code == 0 and report["images"]["looked_at"] > 0
    monkeypatch.chdir(root)
    check_it = ["--num-workers", "1", str(path.relative_to(root))]
    assert check_records.main(check_it) == 0
    monkeypatch.chdir(root / "training_data")  # no folder of a split is in the name any more
    inside = str(path.relative_to(root / "training_data"))
    assert check_records.main(["--root", "..", "--num-workers", "1", inside]) == 0
    own_file(path).rename(path.with_name("mine.jsonl"))
    assert check(root, path.with_name("mine.jsonl"))[0] == 0
    assert file.dataset == "my_rooms"


def test_the_data_set_of_a_file_is_told_by_its_place(tmp_path, monkeypatch):
    def name(path: Path | str, root: Path = tmp_path) -> str:
        return dataset_of(root, Path(path)).name

    rooms = "training_data/rooms/camera_movement/v1_0/x_movement_train.jsonl"
    assert name(tmp_path / rooms) == "rooms"
    assert name(f"/elsewhere/{rooms}") == "rooms"
    assert name(tmp_path / "training_data/camera_movement/v1_0/x_movement_train.jsonl") == "scannet"
    assert name(tmp_path / "training_data/exports/uniform/x.jsonl") == "scannet"
    assert name(tmp_path / "mine.jsonl") == "scannet"
    inside = tmp_path / "training_data/rooms"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert name("camera_movement/v1_0/x_movement_train.jsonl", Path("../..")) == "rooms"
    # A root that itself lies in such a folder.
    root = inside / "camera_movement/root"
    assert name(root / "training_data/depth_estimation_dot/v1_0/x.jsonl", root) == "scannet"


# Inputs


def check_them(root: Path, *flags: str) -> dict:
    assert check_inputs.main(["--root", str(root), "--num-workers", "1", *flags]) == 0
    return json.loads((root / "inputs_check.json").read_text())


def spoil_depth(root: Path, dataset: str, scene: str) -> None:
    """Half the depth of a scene, after its points were made of it."""
    for path in (paths.posed_images_dir(Dataset(root, dataset)) / scene).glob("*.png"):
        depth = cv2.imread(str(own_file(path)), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), depth // 2)


def counted(monkeypatch) -> list[str]:
    """The scenes and clips that are looked at from now on."""
    looked: list[str] = []
    for group, work in list(check_inputs.CHECKS.items()):

        def noted(first, *rest, work=work):
            looked.append(rest[0] if rest and isinstance(rest[0], str) else first.stem)
            return work(first, *rest)

        monkeypatch.setitem(check_inputs.CHECKS, group, noted)
    return looked


def test_a_check_of_one_data_set_keeps_what_is_known_of_the_others(root, monkeypatch, capsys):
    looked = counted(monkeypatch)
    first = check_them(root, "--dataset", "scannet", "--datasets", "pstudio")
    assert len(first["scenes"]) == 5 and set(first["clips"]) == {
        "boxes_11", "softball_3", "basketball_7",
    }  # fmt: skip
    assert len(looked) == 8
    looked.clear()
    both = check_them(root, "--dataset", "my_rooms", "--datasets", "pstudio")
    assert set(both["scenes"]) == {*first["scenes"], BEGIN, END}
    assert both["clips"] == first["clips"]
    assert {name: both["scenes"][name] for name in first["scenes"]} == first["scenes"]
    assert set(looked) == {BEGIN, END, *first["clips"]}, "the others were not looked at again"
    looked.clear()
    assert check_them(root, "--dataset", "scannet", "my_rooms", "--datasets", "pstudio") == both
    assert "up to date" in capsys.readouterr().out and not looked
    all_of_them = check_them(root)
    assert set(all_of_them["scenes"]) > set(both["scenes"])
    assert len(all_of_them["clips"]) == 12
    looked.clear()
    # What is asked about may go, and nothing else does.
    monkeypatch.setattr(check_inputs, "SURFACE_WINDOW_PX", 2)
    again = check_them(root, "--dataset", "my_rooms", "--overwrite")
    assert again == all_of_them
    assert BEGIN in looked and "scene0000_00" not in looked


def test_what_other_constants_found_is_kept_and_checked_again(root, monkeypatch):
    flags = ["--datasets", "pstudio"]
    first = check_them(root, "--dataset", "scannet", *flags)
    window = ["--surface-window-px", "3"]
    both = check_them(root, "--dataset", "my_rooms", *flags, *window)
    assert {name: both["scenes"][name] for name in first["scenes"]} == first["scenes"]
    looked = counted(monkeypatch)
    check_them(root, "--dataset", "scannet", "my_rooms", *flags, *window)
    assert "scene0000_00" in looked


def test_a_trial_of_few_scenes_of_a_data_set_is_refused_as_before(root):
    check_them(root, "--dataset", "my_rooms", "--datasets", "pstudio")
    with raises_one_line(SettingsError, "holds 4 scenes"):
        check_them(root, "--dataset", "my_rooms", "--datasets", "pstudio", "--scenes", BEGIN)


def test_suspects_of_another_data_set_are_left_out(root, capsys):
    spoil_depth(root, "my_rooms", BEGIN)
    check_them(root, "--dataset", "scannet", "--datasets", "pstudio")
    flags = ["--root", str(root), "--num-workers", "1", "--exclude-suspect"]
    flags += ["--dataset", "my_rooms", "--train-max-samples", "4", "--val-max-samples", "4"]
    with raises_one_line(MissingInputError, "nothing to do", suspects.NOT_CHECKED):
        depth_estimation_coor_engine.main(flags)
    found = check_them(root, "--dataset", "my_rooms", "--datasets", "pstudio")
    assert found["scenes"][BEGIN]["suspects"] and not found["scenes"][END]["suspects"]
    check_them(root, "--dataset", "scannet", "--datasets", "pstudio")  # forgets nothing of it
    capsys.readouterr()
    depth_estimation_coor_engine.main(flags)
    assert "1 left out: suspect: depth scale" in capsys.readouterr().out
    folder = Path("my_rooms/depth_estimation_coor/v1_0")
    made = root / "evaluation_data" / folder / "depth_estimation_coor.jsonl"
    assert {record["image"][0].partition("/")[0] for record in read_jsonl(made)} == {END}
    assert not (root / "training_data" / folder / "depth_estimation_coor.jsonl").exists()
    meta = provenance.read_meta(root / "inputs_check.json")
    assert {BEGIN, END, "scene0000_00"} <= set(meta["scenes"])


def test_a_data_set_without_infos_is_named_and_scannet_need_not_be_there(captured_root, tmp_path):
    root = link_root(captured_root, tmp_path / "root")
    with raises_one_line(MissingInputError, "data/my_romms"):
        check_them(root, "--dataset", "my_romms")
    report = check_them(root)
    assert {BEGIN, END} < set(report["scenes"]) and not report["clips"]


@pytest.mark.parametrize(
    ("name", "figures"),
    [("../../outside", {}), ("a/b", {}), ("scene", {"x": [1]}), ("s", {"x": ""})],
)
def test_a_hostile_report_is_not_taken_over(captured_root, tmp_path, name, figures):
    root = link_root(captured_root, tmp_path / "root")
    entry = {"input": "", "figures": figures, "suspects": []}
    told = {"scenes": {name: entry}, "clips": {}}
    (root / "inputs_check.json").write_text(json.dumps(told))
    if figures == {"x": ""}:  # a text, as any other
        assert name in check_them(root, "--dataset", "my_rooms")["scenes"]
        return
    with raises_one_line(BadDataError, root / "inputs_check.json"):
        check_them(root, "--dataset", "my_rooms")
    assert json.loads((root / "inputs_check.json").read_text()) == told
    assert not (tmp_path / "outside").exists()


def test_scannet_that_is_not_there_is_no_news(captured_root, tmp_path, capsys):
    root = link_root(captured_root, tmp_path / "root")
    check_them(root)
    assert "scenes_train_info_i_D5" not in capsys.readouterr().out
