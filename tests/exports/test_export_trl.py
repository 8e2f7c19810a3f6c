"""The export for TRL: what its rows say, that HF datasets opens their images, rules of trainers."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest
from frame_records import frame_record, write_frame_records
from PIL import Image

from spatial_engine.evaluation import rewards
from spatial_engine.exports import export_trl
from spatial_engine.exports.hub_folder import fill_in
from spatial_engine.exports.shared import export_files, parquet_export
from spatial_engine.exports.trl_rewards import answer_reward, format_reward
from spatial_engine.utils.questions.record_files import find_record_files
from spatial_engine.utils.questions.records import write_jsonl

COUNT = 6  # records of each task, one of each number of images
ONE_IMAGE = "depth_estimation_coor"
WORDS = "depth_nearest_view"  # a task whose answers are letters
NUMBERS = "camera_path_length"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Records of three to eight images, and some of one; each image of another colour."""
    root = tmp_path_factory.mktemp("trl") / "root"
    write_frame_records(root, COUNT)
    write_one_image(root)
    for number, path in enumerate(images_of(root)):
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8)).resize((64, 48)).save(path)
    assert export_trl.main(["--root", str(root), "--num-workers", "1"]) == 0
    return root


def write_one_image(root: Path) -> Path:
    """A file of questions about one image, two of them."""
    record = frame_record(NUMBERS, 0, "train", 3) | {"task": ONE_IMAGE}
    asked, answer = "Image-1: <image>\nHow deep is it?", "It is `1200` mm deep."
    turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
    one = {"image": ["scene0000_00/00000.jpg"], "height_list": [48], "width_list": [64]}
    record |= {"conversations": turns, "gt_value": 1200, "question_type": ONE_IMAGE, **one}
    path = root / f"training_data/{ONE_IMAGE}/v1_0/{ONE_IMAGE}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(path, [record | {"id": f"{ONE_IMAGE}_{number}"} for number in range(2)])
    return path


def images_of(root: Path) -> list[Path]:
    """All images of training records, by path."""
    files = find_record_files(root, ["train"])
    return sorted(
        {file.image_root / n for file in files for r in lines(file.path) for n in r["image"]}
    )


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def tables(root: Path) -> dict[str, list[dict]]:
    folder = root / "training_data/exports/trl"
    return {path.stem: pq.read_table(path).to_pylist() for path in sorted(folder.glob("*.parquet"))}


def said(message: dict) -> str:
    """The text of a message with a mark where an image part stands."""
    return "".join("<image>" if p["type"] == "image" else p["text"] for p in message["content"])


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_each_training_file_has_a_table_that_says_what_its_records_say(root):
    made, found = tables(root), find_record_files(root, ["train"])
    assert sorted(map(export_files.export_name, found)) == sorted(made) and len(made) == 15
    for file in found:
        rows, records = made[export_files.export_name(file)], lines(file.path)
        assert len(rows) == len(records) > 1
        for row, record in zip(rows, records, strict=True):
            human, gpt = record["conversations"]
            assert [m["role"] for m in row["prompt"] + row["completion"]] == ["user", "assistant"]
            assert said(row["prompt"][0]) == human["value"]
            assert said(row["completion"][0]) == gpt["value"]
            assert [p["path"] for p in row["images"]] == [
                str(file.image_root.absolute() / name) for name in record["image"]
            ]
            assert {p["bytes"] for p in row["images"]} == {None}
            assert (row["id"], row["task"]) == (record["id"], record["task"])
            assert json.loads(row["gt_value"]) == record["gt_value"]
            assert set(row) == set(export_trl.SCHEMA.names)


def test_evaluation_questions_are_not_exported(root):
    assert find_record_files(root, ["val"])
    assert not (root / "evaluation_data/exports").exists()
    asked = {record["id"] for f in find_record_files(root, ["val"]) for record in lines(f.path)}
    assert not asked & {row["id"] for rows in tables(root).values() for row in rows}


def test_hf_datasets_opens_the_images_of_all_files_by_the_line_of_the_docstring(
    root, datasets, monkeypatch
):
    monkeypatch.chdir(root)
    (line,) = re.findall(r"load_dataset\((.*)\)", export_trl.__doc__)
    loaded = eval(f"load({line})", {"load": datasets.load_dataset})
    monkeypatch.chdir("/")  # paths of images hold anywhere
    rows = [row for _, table in sorted(tables(root).items()) for row in table]
    assert loaded["id"] == [row["id"] for row in rows]
    for row, plain in zip(loaded, rows, strict=True):
        assert all(isinstance(image, Image.Image) for image in row["images"])
        shown = [np.asarray(image.convert("RGB")) for image in row["images"]]
        right = [pixels(Path(image["path"])) for image in plain["images"]]
        assert all(map(np.array_equal, shown, right)) and len(shown) == len(right)
        assert (row["prompt"], row["completion"]) == (plain["prompt"], plain["completion"])


def test_features_are_those_that_datasets_reads(datasets):
    part = {"type": datasets.Value("string"), "text": datasets.Value("string")}
    messages = [{"role": datasets.Value("string"), "content": [part]}]
    texts = dict.fromkeys(("id", "task", "gt_value", "solution"), datasets.Value("string"))
    right = {"prompt": messages, "completion": messages, "images": [datasets.Image()], **texts}
    described = fill_in.described(export_trl.SCHEMA)
    assert datasets.Features.from_arrow_schema(described) == datasets.Features(right)


def test_what_trl_and_unsloth_ask_of_a_record_holds(root, datasets):
    """TRL fills image parts without a key `image`, even a null, in order, and counts them; it puts
    all images first where a content is one text. Unsloth takes `prompt` and `completion` of turns
    with `role` and `content` and a column `images`, the first turn being the user's."""
    files = sorted(map(str, (root / "training_data/exports/trl").glob("*.parquet")))
    loaded = datasets.load_dataset("parquet", data_files=files, split="train")
    assert {"prompt", "completion", "images"} < set(loaded.column_names)
    # A column of these would be taken for the question, or hide `prompt`.
    assert not {"messages", "conversations", "text", "image"} & set(loaded.column_names)
    for row in loaded:
        (user,), (assistant,) = row["prompt"], row["completion"]
        assert set(user) == set(assistant) == {"role", "content"}
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert all(set(part) == {"type", "text"} for part in user["content"])
        empty = [part for part in user["content"] if part["type"] == "image"]
        assert len(empty) == len(row["images"]) > 0
        assert [part["type"] for part in assistant["content"]] == ["text"]
        texts = [part["text"] for part in user["content"] if part["type"] == "text"]
        assert all(texts) and not any("<image>" in text for text in texts)


def test_the_first_image_part_may_not_be_first(root):
    """Images stand after "Image-1: ", not all before the text."""
    rows = tables(root)[WORDS]
    kinds = [[part["type"] for part in row["prompt"][0]["content"]] for row in rows]
    assert all(one[0] == "text" and one[1:4] == ["image", "text", "image"] for one in kinds)


def test_a_root_that_was_moved_is_exported_again_and_one_that_was_not_is_left(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    write_one_image(old)
    flags = ["--num-workers", "1", "--root"]
    assert export_trl.main([*flags, str(old)]) == 0
    table = old / f"training_data/exports/trl/{ONE_IMAGE}.parquet"
    before = table.stat().st_ino
    assert export_trl.main([*flags, str(old)]) == 0
    assert table.stat().st_ino == before
    shutil.move(old, new)
    assert export_trl.main([*flags, str(new)]) == 0
    (image,) = tables(new)[ONE_IMAGE][0]["images"]
    assert image["path"] == str(new / "data/scannet/posed_images/scene0000_00/00000.jpg")


def test_any_number_of_workers_and_any_batch_give_the_same_rows(root, tmp_path, monkeypatch):
    shutil.copytree(root / "training_data", tmp_path / "training_data")
    shutil.rmtree(tmp_path / "training_data/exports")
    assert export_trl.main(["--root", str(tmp_path), "--num-workers", "2"]) == 0
    two = {
        p.name: p.read_bytes() for p in (tmp_path / "training_data/exports/trl").glob("*.parquet")
    }
    shutil.rmtree(tmp_path / "training_data/exports")
    assert export_trl.main(["--root", str(tmp_path), "--num-workers", "1"]) == 0
    one = {
        p.name: p.read_bytes() for p in (tmp_path / "training_data/exports/trl").glob("*.parquet")
    }
    assert one == two and len(one) == 15
    monkeypatch.setattr(parquet_export, "BATCH_RECORDS", 2)
    file = next(f for f in find_record_files(tmp_path, ["train"]) if f.task == WORDS)
    assert export_trl.write_table(file, tmp_path, tmp_path / "x.parquet") == COUNT
    assert pq.ParquetFile(tmp_path / "x.parquet").num_row_groups == COUNT / 2
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == tables(tmp_path)[WORDS]


def turns(asked: str, *answer: object) -> dict:
    return {
        "conversations": [
            {"from": "human", "value": asked},
            *({"from": "gpt", "value": one} for one in answer),
        ]
    }


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        (turns("<image> <image>?", "`1`"), ":2"),
        (turns("no mark?", "`1`"), ":2"),
        (turns("<image>?"), ":2"),
        (turns("<image>?", ""), ":2"),
        (turns("<image>?", 3), ""),
        ({"id": 7}, ""),
    ],
    ids=["a mark more", "no mark", "no turn", "no answer", "answer of another type", "id of one"],
)
def test_a_bad_record_is_named_and_nothing_is_written(tmp_path, capsys, bad, where):
    path = write_one_image(tmp_path)
    records = lines(path)
    path.write_bytes(orjson.dumps(records[0]) + b"\n" + orjson.dumps(records[1] | bad) + b"\n")
    assert export_trl.main(["--root", str(tmp_path), "--num-workers", "1"]) == 1
    assert f"{path}{where}" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.parquet"))


def test_rewards_are_those_of_the_engine(root):
    graded = 0
    for rows in tables(root).values():
        solutions = [row["solution"] for row in rows]
        answers = [[{"role": "assistant", "content": said(row["completion"][0])}] for row in rows]
        assert answer_reward(completions=answers, solution=solutions, id=[]) == [1.0] * len(rows)
        # The answer to another record, and none.
        for other in (
            answers[1:] + answers[:1],
            [[{"role": "assistant", "content": "?"}]] * len(rows),
        ):
            right = [
                rewards.reward(json.loads(solution), one[0]["content"])
                for solution, one in zip(solutions, other, strict=True)
            ]
            assert answer_reward(completions=other, solution=solutions) == right
            graded += sum(0 < one < 1 for one in right)
        assert format_reward(completions=answers, solution=solutions) == [0.0] * len(rows)
        bare = [
            [{"role": "assistant", "content": re.search(r"`.*`", one[0]["content"])[0]}]
            for one in answers
        ]
        assert format_reward(completions=bare, solution=solutions) == [1.0] * len(rows)
    assert graded > 0  # some answers are near
