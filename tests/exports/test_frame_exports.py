"""Exports of records of three to eight frames: the mix by number of images, videos, evaluators."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from frame_records import SIZE, frame_record, write_frame_records
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.evaluation import make_benchmark
from spatial_engine.exports import (
    export_llama_factory,
    export_lmms_eval,
    export_ms_swift,
    export_uniform,
    export_videos,
    export_vlmevalkit,
    make_training_mix,
    resize_images,
)
from spatial_engine.exports.mix.frames import quotas
from spatial_engine.exports.ms_swift.faults import faults as ms_swift_faults
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.questions.plain_record import from_uniform
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.records import read_jsonl, write_jsonl
from spatial_engine.utils.questions.tasks import FIRST_VERSION, FRAME_ROWS, FRAME_TASKS
from spatial_engine.utils.storage import files

COUNT = 12  # records of each task: two of each number of images
NAME = "multispa_frames"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("frames")
    write_frame_records(root, COUNT)
    assert make_benchmark.main(["--root", str(root), "--name", NAME]) == 0
    assert export_uniform.main(["--root", str(root)]) == 0
    assert export_videos.main(["--root", str(root)]) == 0
    return root


def mix(root: Path, *flags: str) -> dict:
    assert make_training_mix.main(["--root", str(root), *flags]) == 0
    named = dict(pairwise(flags)).get("--output")
    return json.loads(Path(named or root / "training_data/mix3M.json").read_text())


def first_file(root: Path) -> str:
    return str(sorted((root / "training_data/camera_frames/v1_0").glob("*_train.jsonl"))[0])


def test_entries_of_the_mix_hold_one_number_of_images_and_as_many_tiles_for_each(root):
    meta = mix(root, "--frames", "100")
    assert sum(entry["length"] for entry in meta.values()) == 100
    tasks = Counter()
    for entry in meta.values():
        records = list(read_jsonl(root / entry["annotation"]))
        assert len(records) == entry["length"] and entry["repeat_time"] == 1
        assert {6 * len(r["image"]) for r in records} == {entry["max_dynamic_patch"]}
        assert all((root / entry["root"] / name).is_file() for r in records for name in r["image"])
        tasks.update(record["task"] for record in records)
    assert tasks.keys() == FRAME_TASKS.keys() and set(tasks.values()) == {7, 8}


def test_records_of_the_mix_are_the_first_of_their_files(root):
    meta = mix(root, "--frames", "70")
    taken = {r["id"] for e in meta.values() for r in read_jsonl(root / e["annotation"])}
    assert taken == {frame_record(t, n, "train")["id"] for t in FRAME_TASKS for n in range(5)}


def test_a_smaller_mix_leaves_no_file_of_the_larger_one(root):
    mix(root, "--frames", "168")
    meta = mix(root, "--frames", "14")
    folder = root / "training_data/mix3M.frames"
    assert {path.name for path in folder.iterdir()} == {f"{name}.jsonl" for name in meta}
    assert len(meta) == 14


def files_of(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob(pattern)
        if path.is_file()
    }


def test_two_mixes_of_a_root_leave_each_other_alone(root):
    mix(root, "--frames", "168")
    first = files_of(root / "training_data", "mix3M*")
    held = files_of(root / "training_data/mix3M.frames")
    meta = mix(root, "--frames", "14", "--output", str(root / "training_data/small.json"))
    assert files_of(root / "training_data", "mix3M*") == first
    assert files_of(root / "training_data/mix3M.frames") == held
    assert sum(entry["length"] for entry in meta.values()) == 14
    for entry in meta.values():
        assert len(list(read_jsonl(root / entry["annotation"]))) == entry["length"]


def test_a_mix_tells_what_it_was_made_of_and_is_made_when_that_changes(root, tmp_path):
    output = tmp_path / "elsewhere/some.json"
    flags = ("--output", str(output))
    mix(root, "--frames", "28", *flags)
    made = files_of(output.parent)
    told = json.loads((output.parent / "some.json.meta.json").read_text())
    assert told["step"] == "make_training_mix" and told["records"] == 28
    assert told["settings"]["frames"] == 28 and told["run"]["command"]
    path = root / f"training_data/camera_frames/v1_0/{Path(first_file(root)).name}"
    assert told["inputs"][path.relative_to(root).as_posix()][1] == path.stat().st_size
    mix(root, "--frames", "28", *flags)  # nothing to do: not even what tells of the run is new
    assert files_of(output.parent) == made
    mix(root, "--frames", "28", "--overwrite", *flags)
    again = files_of(output.parent)
    made.pop("some.json.meta.json"), again.pop("some.json.meta.json")
    assert again == made
    next((output.parent / "some.frames").iterdir()).unlink()
    mix(root, "--frames", "28", *flags)
    again = files_of(output.parent)
    again.pop("some.json.meta.json")
    assert again == made


def test_a_mix_that_was_killed_while_it_took_its_place_is_made_again(root, tmp_path, monkeypatch):
    output = tmp_path / "some.json"
    flags = ("--output", str(output))
    mix(root, "--frames", "28", *flags)
    wanted = tmp_path / "wanted.json"
    mix(root, "--frames", "14", "--output", str(wanted))

    def stop(partial: Path, target: Path, sync: bool = True) -> None:
        if target == output:
            raise KeyboardInterrupt
        put_in_place(partial, target, sync)

    put_in_place = files.put_in_place
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(files, "put_in_place", stop)
        mix(root, "--frames", "14", *flags)
    assert not output.exists()
    mix(root, "--frames", "14", *flags)
    assert files_of(tmp_path / "some.frames") == files_of(tmp_path / "wanted.frames")
    assert output.read_text() == wanted.read_text().replace("wanted.frames", "some.frames")


def test_frames_of_an_earlier_mix_go_with_it(root, tmp_path):
    shutil.copytree(root / "training_data/camera_frames", tmp_path / "training_data/camera_frames")
    path = record_path(Dataset(tmp_path), "camera_yaw_angle", "train", FIRST_VERSION)
    path.parent.mkdir(parents=True)
    path.write_text("{}\n" * 9)  # whose lines are counted, no more
    mix(tmp_path, "--total", "9", "--frames", "4")
    assert (tmp_path / "training_data/mix3M.frames").is_dir()
    meta = mix(tmp_path, "--total", "9")
    assert [*meta] == ["camera_yaw_angle"]
    assert not (tmp_path / "training_data/mix3M.frames").exists()


def test_frames_are_left_out_unless_they_are_asked_for(root):
    with raises_one_line(SettingsError, "--frames"):
        make_training_mix.main(["--root", str(root)])
    with raises_one_line(SettingsError, "--full-set"):
        make_training_mix.main(["--root", str(root), "--full-set", "--frames", "5"])


def test_paths_of_a_mix_can_be_absolute(root):
    for entry in mix(root, "--frames", "14", "--absolute-paths").values():
        assert Path(entry["annotation"]).is_file() and Path(entry["root"]).is_dir()


@pytest.mark.parametrize(
    ("lengths", "tasks", "most", "taken"),
    [
        ([10, 10], "ab", 8, [4, 4]),
        ([1, 10], "ab", 8, [1, 7]),
        ([5, 5, 10], "aab", 8, [2, 2, 4]),
        ([1, 5, 10], "aab", 8, [1, 3, 4]),
        ([3, 3], "ab", 100, [3, 3]),
        ([0, 3], "ab", 2, [0, 2]),
    ],
)
def test_shares_are_even_over_tasks_then_files(lengths, tasks, most, taken):
    assert quotas(lengths, list(tasks), most) == taken


def test_videos_hold_the_frames_in_order_and_say_which_images_they_are(root):
    for task in FRAME_TASKS:
        uniform = list(read_jsonl(root / f"training_data/exports/uniform/{task}.jsonl"))
        videos = list(read_jsonl(root / f"training_data/exports/videos/{task}.jsonl"))
        assert [video["videos"] for video in videos] == [[record["image"]] for record in uniform]
        for video in videos:
            said, count = video["conversations"][0]["value"], len(video["videos"][0])
            assert said.count("<video>") == 1 and "<image>" not in said
            assert f"Image-1 to Image-{count} are the first {count} frames" in said
            assert "image" not in video
        assert [export_videos.as_images(video) for video in videos] == uniform


@pytest.mark.parametrize(
    "change",
    [{"videos": []}, {"videos": None}, {"conversations": [{"from": "human", "value": "<video>"}]}],
)
def test_what_is_no_video_of_ours_is_told(root, change):
    video = next(read_jsonl(root / "training_data/exports/videos/camera_net_turn.jsonl"))
    (fault,) = ms_swift_faults({**video, **change}, root)
    assert "not in uniform form" in fault


def test_trainers_find_videos(root, capsys):
    for flags in ([], ["--videos"]):
        assert export_ms_swift.main(["--root", str(root), *flags]) == 0
        assert f"{14 * COUNT} records of 14 files checked, 0 faults" in capsys.readouterr().out
    assert export_llama_factory.main(["--root", str(root), "--videos"]) == 0
    folder = root / "training_data/exports/llama_factory"
    entries = json.loads((folder / "dataset_info.json").read_text())
    assert len(entries) == 28
    for name, entry in entries.items():
        record = next(read_jsonl(folder / entry["file_name"]))
        assert {*entry["columns"].values()} <= record.keys()
        assert ("videos" in entry["columns"]) == name.endswith("_video")


def test_videos_follow_their_records(root, tmp_path):
    tasks = ["depth_nearest_view", "depth_hidden_depth", "camera_net_turn"]
    write_frame_records(tmp_path, 2, ["train"], tasks, images=False)
    assert export_videos.main(["--root", str(tmp_path)]) == 0
    folder = tmp_path / "training_data/exports/videos"
    (tmp_path / "training_data/depth_frames/v1_0/nearest_view_train.jsonl").unlink()
    assert export_videos.main(["--root", str(tmp_path)]) == 0
    names = sorted(path.name for path in folder.glob("*.jsonl"))
    assert names == ["camera_net_turn.jsonl", "depth_hidden_depth.jsonl"]
    path = tmp_path / "training_data/camera_frames/v1_0/net_turn_train.jsonl"
    write_jsonl(path, [frame_record("camera_net_turn", 0, "train") | {"conversations": None}])
    assert export_videos.main(["--root", str(tmp_path)]) != 0


def test_without_files_each_says_what_to_run(tmp_path):
    for main, remedy, flags in (
        (export_videos.main, "question scripts", []),
        (export_vlmevalkit.main, f"make_benchmark.py --name {NAME}", ["--name", NAME]),
        (export_lmms_eval.main, f"make_benchmark.py --name {NAME}", ["--name", NAME]),
    ):
        with raises_one_line(MissingInputError, remedy):
            main(["--root", str(tmp_path), *flags])


def test_vlmevalkit_gets_all_images_of_a_question(root):
    assert export_vlmevalkit.main(["--root", str(root), "--name", NAME]) == 0
    table = root / "evaluation_data/exports/vlmevalkit/MultiSPA_frames.tsv"
    lines = table.read_text().count("image_path") + 14 * COUNT
    records = list(read_jsonl(root / f"evaluation_data/{NAME}/v1_0/{NAME}.jsonl"))
    assert lines == len(records) + 1
    for record in records:
        assert repr([str(root.absolute() / name) for name in record["image"]]) in table.read_text()


def load_task(folder: Path):
    """The yaml of lmms-eval's task, and the module that it names."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))
    task = yaml.load((folder / f"{NAME}.yaml").read_text(), Loader)
    spec = importlib.util.spec_from_file_location("frame_utils", folder / "utils.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return task, module


def test_lmms_eval_scores_the_truth_100_by_family(root):
    assert export_lmms_eval.main(["--root", str(root), "--name", NAME]) == 0
    task, module = load_task(root / f"evaluation_data/exports/lmms_eval/{NAME}")
    assert task["task"] == NAME and len(task["metric_list"]) == len(FRAME_ROWS) + 1
    records = list(read_jsonl(Path(task["dataset_kwargs"]["data_files"]["test"])))
    verdicts = [module.process_results(r, [f"`{module.doc_to_target(r)}`"]) for r in records]
    for metric in task["metric_list"]:
        function = getattr(module, metric["aggregation"].removeprefix("utils."))
        assert function([verdict[metric["metric"]] for verdict in verdicts]) == 100
    assert len(module.doc_to_visual(records[-1])) == len(records[-1]["image"])
    (message,) = module.doc_to_messages(records[0])
    shown = [part for part in message["content"] if part["type"] == "image"]
    assert len(shown) == len(records[0]["image"])


def test_a_smaller_copy_holds_all_frames(tmp_path):
    root, output = tmp_path / "root", tmp_path / "small"
    write_frame_records(root, 2, ["train"], ["depth_nearest_view", "movement_point_path"])
    assert resize_images.main(["--root", str(root), "--output", str(output),
                               "--max-side", "64"]) == 0  # fmt: skip
    path = "training_data/depth_frames/v1_0/nearest_view_train.jsonl"
    for record in read_jsonl(output / path):
        assert record["width_list"] == [64] * len(record["frames"]) and SIZE[0] > 64
        images = output / "training_data/depth_frames/v1_0/images"
        assert all((images / name).is_file() for name in record["image"])


def test_uniform_records_read_back(root):
    for task in FRAME_TASKS:
        uniform = read_jsonl(root / f"evaluation_data/exports/uniform/{task}.jsonl")
        for number, record in enumerate(uniform):
            wanted = frame_record(task, number)
            plain = from_uniform(record)
            assert {**plain, "image": wanted["image"]} == wanted


def test_numbers_of_samples_and_seen_scenes_are_checked(root, tmp_path, capsys):
    write_frame_records(tmp_path, COUNT, ["val"])
    flags = ["--root", str(tmp_path), "--name", NAME, "--samples-per-subtask"]
    assert make_benchmark.main([*flags, "12"]) == 0
    said = capsys.readouterr().out
    assert "14 of 14 subtasks have 12 questions" in said and "images: 28 of 3" in said
    assert make_benchmark.main([*flags, "13"]) == 0
    assert "fewer: camera_path_length 12" in capsys.readouterr().out
    path = tmp_path / "training_data/camera_frames/v1_0/net_turn_train.jsonl"
    path.parent.mkdir(parents=True)
    write_jsonl(path, [frame_record("camera_net_turn", 0)])
    with raises_one_line(BadDataError, "in the evaluation data too"):
        make_benchmark.main([*flags, "12"])
    with raises_one_line(MissingInputError, "multispa;"):
        make_benchmark.main(["--root", str(tmp_path)])
