from __future__ import annotations

import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.sample_data.captures.arkitscenes import LISTS, write_lists
from spatial_engine.utils.arkitscenes_utils import video_lists
from spatial_engine.utils.arkitscenes_utils.video_lists import find_video, scene_lists

FOLDS = {"41069021": "Training", "47333462": "Validation", "40753679": "Training"}
SPLITS = {"train": ["40753679", "41069021"], "val": ["47333462"]}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / video_lists.SOURCE
    folder.mkdir(parents=True)
    return folder


def video(source, download, fold, video_id, frames="lowres_wide"):
    folder = source / download / fold / video_id
    (folder / frames).mkdir(parents=True)
    return folder


@pytest.mark.parametrize("download", LISTS)
@pytest.mark.parametrize("place", ["", "3dod", "threedod", "raw"])
def test_the_owners_lists_tell_the_splits(source, tmp_path, download, place):
    write_lists(source, FOLDS, download)
    (source / place).mkdir(exist_ok=True)
    (source / download / LISTS[download]).rename(source / place / LISTS[download])
    video(source, "raw", "Validation", "41069021")  # is of no account, nor one that is not listed
    video(source, "raw", "Training", "12345678")
    assert scene_lists(tmp_path) == SPLITS


def test_lists_of_both_downloads_are_joined(source, tmp_path):
    write_lists(source, FOLDS, "3dod")
    write_lists(source, {**FOLDS, "47334522": "Training"}, "raw")
    assert scene_lists(tmp_path) == {**SPLITS, "train": [*SPLITS["train"], "47334522"]}
    write_lists(source, {"47333462": "Training"}, "raw")
    with raises_one_line(SettingsError, "raw_train_val", "3dod_train_val", "47333462"):
        scene_lists(tmp_path)


@pytest.mark.parametrize("download", ["3dod", "raw"])
def test_without_lists_folders_tell_the_splits(source, tmp_path, download):
    for video_id, fold in FOLDS.items():
        video(source, download, fold, video_id)
    (source / "raw/laser_scanner_point_clouds/421267").mkdir(parents=True)
    (source / download / "Training/notes").mkdir()
    (source / download / "Training/41069022.zip").write_bytes(b"PK")
    assert scene_lists(tmp_path) == SPLITS
    video(source, "raw" if download == "3dod" else "3dod", "Training", "47333462")
    with raises_one_line(SettingsError, "47333462", "Training", "Validation"):
        scene_lists(tmp_path)


def test_nothing_there(source, tmp_path):
    with raises_one_line(MissingInputError, source, "no video is there", "README.md"):
        scene_lists(tmp_path)
    source.rmdir()
    with raises_one_line(MissingInputError, source, "no such folder", "README.md"):
        scene_lists(tmp_path)


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "no column fold"),
        ("video_id,visit_id\n1,2\n", "no column fold"),
        ("video_id,visit_id,fold\n1,2,Test\n", "'Test' is neither of"),
        ("video_id,visit_id,fold\n1\n", "'None' is neither of"),
        ("video_id,visit_id,fold\n../x,2,Training\n", "not a valid id"),
        ("video_id,visit_id,fold\n1,2,Training\n1,2,Validation\n", "1 is of both"),
        ("<html>", "web page"),
        ('video_id,visit_id,fold\n"' + "x" * 200_000, "not a list of videos"),
    ],
)
def test_what_is_no_list_is_refused(source, tmp_path, text, words):
    path = source / LISTS["3dod"]
    path.write_text(text)
    with raises_one_line(BadDataError, path, words):
        scene_lists(tmp_path)
    path.write_bytes(b"\xff\xff\xff")
    with raises_one_line(BadDataError, path, "not a text file"):
        scene_lists(tmp_path)


def test_a_video_of_both_downloads_is_that_of_3dod_if_it_has_frames(source, tmp_path):
    assert find_video(tmp_path, "41069021") is None
    empty = video(source, "3dod", "Training", "41069021", "annotation")
    assert find_video(tmp_path, "41069021") == empty
    raw = video(source, "raw", "Validation", "41069021")
    assert find_video(tmp_path, "41069021") == raw
    video(source, "3dod", "Training", "41069021", "41069021_frames/lowres_wide")
    assert find_video(tmp_path, "41069021") == empty


def test_a_link_to_nothing_is_there_and_an_empty_folder_is_not(source, tmp_path):
    (source / "3dod/Training/41069021").mkdir(parents=True)
    assert find_video(tmp_path, "41069021") is None
    link = source / "3dod/Training/47333462"
    link.symlink_to(tmp_path / "nothing")
    assert find_video(tmp_path, "47333462") == link
