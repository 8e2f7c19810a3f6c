"""The mix for LLaMA-Factory and ms-swift, and what starts InternVL's trainer: same shares, all
files found, flags as the paper says. The programs themselves: run_client_tests.sh."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from conftest import REPOSITORY
from test_mix import taken

from spatial_engine.exports import export_uniform, make_training_mix
from spatial_engine.exports.mix.shares import GROUP_RECORDS
from spatial_engine.utils.questions.record_files import count_lines
from spatial_engine.utils.questions.records import read_jsonl, write_jsonl
from spatial_engine.utils.questions.tasks import TASKS

CONFIGS = REPOSITORY / "data/configs"
LAUNCH = CONFIGS / "internvl_paper.sh"


@pytest.fixture(scope="module")
def root(made_root, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("mix")
    shutil.copytree(made_root / "training_data", root / "training_data", copy_function=os.link)
    (root / "data").symlink_to(made_root / "data")
    assert export_uniform.main(["--root", str(root), "--splits", "train"]) == 0
    return root


@pytest.fixture(scope="module")
def general(tmp_path_factory) -> Path:
    """A meta json of one's own: texts, one image with and without its mark, a list of two."""
    folder = tmp_path_factory.mktemp("general")
    (folder / "images").mkdir()
    for name in "ab":
        (folder / f"images/{name}.jpg").write_bytes(b"an image")
    asked = {"from": "human", "value": "What is it?"}
    answer = {"from": "gpt", "value": "A chair."}
    marked = [{**asked, "value": "<image>\nWhat is it?"}, answer]
    both = [{**asked, "value": "<image><image>\nWhich?"}, answer]
    texts = [{"conversations": [asked, answer] * 2, "id": n} for n in range(10)]
    images = [
        {"image": "a.jpg", "conversations": marked},
        {"image": "b.jpg", "conversations": [asked, answer]},
        {"image": ["b.jpg", "a.jpg"], "conversations": both},
        {"video": "c.mp4", "conversations": [{**asked, "value": "<video>\nWhat?"}, answer]},
        {"image": [], "conversations": [asked, answer]},
    ]
    write_jsonl(folder / "texts.jsonl", texts)
    write_jsonl(folder / "images.jsonl", images)
    entry = {"root": str(folder / "images"), "data_augment": False, "repeat_time": 1}
    meta = {
        "texts": {**entry, "annotation": str(folder / "texts.jsonl")},
        "images": {**entry, "annotation": str(folder / "images.jsonl"), "max_dynamic_patch": 12},
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def make(root: Path, *flags: str) -> tuple[dict, dict, dict, Counter]:
    """Make a mix: its meta json, LLaMA-Factory's yaml and dataset_info, ms-swift's datasets."""
    assert make_training_mix.main(["--root", str(root), "--total", "300", *flags]) == 0
    return read(root / "training_data/mix3M.json")


def read(path: Path) -> tuple[dict, dict, dict, Counter]:
    config = yaml.safe_load(path.with_suffix(".llama_factory.yaml").read_text())
    info = json.loads((path.with_suffix(".llama_factory") / "dataset_info.json").read_text())
    words = shlex.split(path.with_suffix(".ms_swift.sh").read_text(), comments=True)
    start, end = words.index("datasets=("), words.index(")")
    numbers = Counter()
    for word in words[start + 1 : end]:
        name, _, number = word.rpartition("#")
        numbers[name] += int(number)
    return json.loads(path.read_text()), config, info, numbers


def check_same_shares(meta: dict, info: dict, numbers: Counter) -> None:
    """Same records of each file of records for all three."""
    of_meta = Counter()
    for entry in meta.values():
        of_meta[entry["annotation"]] += taken(entry)
    assert sorted(of_meta.values()) == sorted(one["num_samples"] for one in info.values())
    assert sorted(of_meta.values()) == sorted(numbers.values())
    by_path = {Path(one["file_name"]).name: one["num_samples"] for one in info.values()}
    assert by_path == {Path(path).name: number for path, number in numbers.items()}


def test_all_three_draw_the_same_shares_and_find_their_files(root, monkeypatch):
    meta, config, info, numbers = make(root)
    check_same_shares(meta, info, numbers)
    monkeypatch.chdir(root)  # where the trainers are started
    assert config["dataset"].split(",") == [*dict.fromkeys(config["dataset"].split(","))]
    assert set(config["dataset"].split(",")) == set(info)
    assert config["media_dir"] == "." and Path(config["dataset_dir"]).is_dir()
    for name, one in info.items():
        path = Path(config["dataset_dir"]) / one["file_name"]
        assert path.is_file() and one["formatting"] == "sharegpt"
        record = next(read_jsonl(path))
        assert one["columns"] == {"messages": "conversations", "images": "image"}
        assert all((Path(config["media_dir"]) / image).is_file() for image in record["image"])
        task = next(task for task in sorted(TASKS, key=len)[::-1] if name.startswith(task))
        of_task = [e for key, e in meta.items() if key.removesuffix("_rest") == task]
        assert one["num_samples"] == sum(map(taken, of_task))
    assert all(Path(path).is_file() for path in numbers)


def test_the_tracked_mix_draws_three_million_for_each():
    meta, config, info, numbers = read(CONFIGS / "mix3M.json")
    check_same_shares(meta, info, numbers)
    assert numbers.total() == 3_000_000
    assert len(info) == 26 and config["dataset_dir"] == "data/configs/mix3M.llama_factory"
    away = {(CONFIGS / "mix3M.llama_factory" / one["file_name"]).resolve() for one in info.values()}
    assert away == {(REPOSITORY / path).resolve() for path in numbers}


def test_settings_are_those_of_the_paper(root):
    _, config, _, _ = make(root)
    gpus = 192 // config["gradient_accumulation_steps"]
    assert config["per_device_train_batch_size"] * gpus == 192
    assert (config["lora_rank"], config["learning_rate"], config["num_train_epochs"]) == (
        16,
        4e-5,
        1,
    )
    assert config["image_max_pixels"] >= 1296 * 968
    assert config["cutoff_len"] == 8192


def test_paths_can_be_absolute(root):
    meta, config, info, numbers = make(root, "--absolute-paths")
    paths = [*numbers, config["media_dir"], config["dataset_dir"]]
    paths += [one["file_name"] for one in info.values()]
    assert all(Path(path).is_absolute() and Path(path).exists() for path in paths)
    check_same_shares(meta, info, numbers)


def test_what_is_added_is_drawn_by_all(root, general, capsys):
    meta, config, info, numbers = make(root, "--add", f"general={general}/meta.json:45")
    ours = {name: entry for name, entry in meta.items() if name.startswith("general_")}
    by_file = Counter()
    for entry in ours.values():
        by_file[Path(entry["annotation"]).name] += taken(entry)
    assert by_file == {"texts.jsonl": 30, "images.jsonl": 15}
    assert ours["general_texts"]["repeat_time"] == 3 and "general_texts_rest" not in ours
    assert sum(map(taken, meta.values())) == 345
    added = {name: info[name] for name in info if name.startswith("general_")}
    # One of five images is a video, which only InternVL takes.
    assert {name: one["num_samples"] for name, one in added.items()} == {
        "general_texts": 30, "general_images": 12,
    }  # fmt: skip
    assert "1 records of videos" in capsys.readouterr().out
    for name, one in added.items():
        rows = pq.read_table(root / config["dataset_dir"] / one["file_name"]).to_pylist()
        assert len(rows) == {"general_texts": 10, "general_images": 4}[name]
        assert numbers[f"training_data/mix3M.added/{name}.parquet"] == one["num_samples"]
        for row in rows:
            said = "".join(turn["value"] for turn in row["conversations"])
            assert said.count("<image>") == len(row["image"])
            assert all(Path(image).is_file() for image in row["image"])
    rows = pq.read_table(root / "training_data/mix3M.added/general_images.parquet")
    assert rows.to_pylist()[2]["image"] == [f"{general}/images/b.jpg", f"{general}/images/a.jpg"]


@pytest.mark.parametrize("count", [1, 2, 14, 15, 16, 100])
def test_any_number_can_be_added(root, general, count):
    meta, *_ = make(root, "--add", f"general={general}/meta.json:{count}")
    ours = [entry for name, entry in meta.items() if name.startswith("general_")]
    assert sum(map(taken, ours)) == count
    assert all(entry["length"] == count_lines(Path(entry["annotation"])) for entry in ours)


def test_without_a_number_the_meta_json_is_added_as_it_is(root, general):
    meta, *_ = make(root, "--add", f"general={general}/meta.json")
    before = json.loads((general / "meta.json").read_text())
    for name, entry in before.items():
        assert {**meta[f"general_{name}"], "length": 0} == {**entry, "length": 0}


# -- how it is started


def launch(script: Path, folder: Path, program: str, *flags: str, **env: str):
    """Run a script with a program of that name which prints folder, settings and its arguments."""
    folder.mkdir(exist_ok=True)
    fake = folder / program
    fake.write_text('#!/bin/sh\necho "$PWD"\necho "$ROOT_IMAGE_DIR"\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    env = {**os.environ, **env, "PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", str(script), *flags], env=env, capture_output=True, text=True, cwd=folder
    )


def values(arguments: list[str]) -> dict[str, str]:
    """Flags with what follows; the last of a flag wins."""
    found = {}
    for flag, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if flag.startswith("--"):
            found[flag.partition("=")[0]] = flag.partition("=")[2] or value
    return found


def internvl(tmp_path: Path, root: Path, *flags: str, **env: str):
    trainer = tmp_path / "InternVL/internvl_chat/internvl/train/internvl_chat_finetune.py"
    trainer.parent.mkdir(parents=True)
    trainer.touch()
    env = {"INTERNVL": str(trainer.parents[2]), "ROOT": str(root), **env}
    return launch(LAUNCH, tmp_path / "bin", "torchrun", *flags, **env)


def test_internvl_is_started_as_the_paper_did(root, tmp_path):
    make(root)
    done = internvl(tmp_path, root, "--save_steps", "9")
    assert done.returncode == 0, done.stderr
    folder, _, *arguments = done.stdout.splitlines()
    assert Path(folder) == root.resolve()
    given = values(arguments)
    machines, gpus = int(given["--nnodes"]), int(given["--nproc_per_node"])
    assert (machines, gpus) == (24, 8)
    batch = int(given["--per_device_train_batch_size"]) * int(
        given["--gradient_accumulation_steps"]
    )
    assert batch * machines * gpus == 192
    wanted = {
        "--use_llm_lora": "16", "--learning_rate": "4e-5", "--num_train_epochs": "1",
        "--max_seq_length": "8192", "--max_dynamic_patch": "6", "--dynamic_image_size": "True",
        "--force_image_size": "448", "--conv_style": "internlm2-chat", "--freeze_llm": "True",
        "--freeze_backbone": "True", "--freeze_mlp": "True", "--save_steps": "9",
        "--model_name_or_path": "OpenGVLab/InternVL2-8B",
    }  # fmt: skip
    assert wanted.items() <= given.items()
    meta = json.loads((Path(folder) / given["--meta_path"]).read_text())
    assert sum(map(taken, meta.values())) == 300
    for entry in meta.values():
        record = next(read_jsonl(Path(folder) / entry["annotation"]))
        assert all((Path(folder) / entry["root"] / image).is_file() for image in record["image"])


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"GPUS": "7"}, "multiple of 168"),
        ({"META": "none.json"}, "none.json: no such file"),
        ({"INTERNVL": "/nowhere"}, "set INTERNVL"),
    ],
)
def test_a_start_that_cannot_be_is_told_in_one_line(root, tmp_path, env, words):
    done = internvl(tmp_path, root, **env)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("gpus", [1, 8])
def test_ms_swift_is_started_in_the_root(root, tmp_path, gpus):
    _, _, _, numbers = make(root)
    script = root / "training_data/mix3M.ms_swift.sh"
    done = launch(
        script,
        tmp_path / "bin",
        "swift",
        "--max_steps",
        "2",
        NPROC_PER_NODE=str(gpus),
        MODEL="mine",
    )
    assert done.returncode == 0, done.stderr
    folder, images, command, *arguments = done.stdout.splitlines()
    assert (Path(folder), images, command) == (root.resolve(), ".", "sft")
    given = values(arguments)
    assert int(given["--gradient_accumulation_steps"]) * gpus == 192
    assert (given["--model"], given["--max_steps"]) == ("mine", "2")
    start = arguments.index("--dataset") + 1
    drawn = arguments[start : start + len(numbers)]
    assert drawn == [f"{path}#{number}" for path, number in numbers.items()]
    done = launch(script, tmp_path / "bin", "swift", NPROC_PER_NODE="7")
    assert done.returncode == 2 and done.stderr.startswith("error: 7 GPUs")


def test_groups_of_the_yaml_keep_the_proportions():
    _, _, info, _ = read(CONFIGS / "mix3M.json")
    groups = dict.fromkeys(GROUP_RECORDS, 0)
    for name, one in info.items():
        task = next(task for task in sorted(TASKS, key=len)[::-1] if name.startswith(task))
        groups[TASKS[task].group] += one["num_samples"]
    for group, number in groups.items():
        assert number == pytest.approx(3e6 * GROUP_RECORDS[group] / 30.6e6, abs=10)
