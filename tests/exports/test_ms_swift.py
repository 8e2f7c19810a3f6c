"""The export for ms-swift: where points and their images end up, what rewards get, its commands."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson
import pytest
from conftest import REPOSITORY
from frame_records import frame_record
from helpers import raises_one_line

from spatial_engine.errors import MissingInputError
from spatial_engine.evaluation.rewards import format_reward, reward
from spatial_engine.exports import export_ms_swift
from spatial_engine.exports.ms_swift import commands
from spatial_engine.exports.ms_swift.rows import ObjectRows, grpo_row
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.questions.pixel_sentences import load_pixel_sentences, names_points
from spatial_engine.utils.questions.plain_record import format_value, from_uniform
from spatial_engine.utils.questions.record_files import (
    RecordFile,
    image_root,
    record_path,
    to_uniform,
)
from spatial_engine.utils.questions.records import make_record, read_jsonl, write_jsonl
from spatial_engine.utils.questions.tasks import FIRST_VERSION, FRAME_TASKS, TASKS
from spatial_engine.utils.questions.templates import (
    Phrase,
    check_file,
    load_forms,
    template_files,
)

COUNT = 40
SIZE = (640, 480)
NAMING = [name for name, task in TASKS.items() if names_points(task)]
CONSTANTS = {"numbers": "_15points_30pairs"}


def records_of(name: str, count: int = COUNT) -> list[dict]:
    """Training records of a task that names points, asked in the engine's sentences."""
    task, rng = TASKS[name], np.random.default_rng(7)
    templates = check_file(template_files()[task.sentences])
    variants = rng.integers(len(templates.variants), size=count)
    records = []
    for number, phrase in enumerate(templates.draw(rng, "train", count, variants)):
        first, second = rng.choice(1001, (2, 2), replace=False).tolist()
        points = [{"x": x, "y": y, "depth_mm": 900, "letter": None} for x, y in (first, second)]
        images = [f"scene0000_00/{number:05d}_{image}.jpg" for image in range(task.num_images)]
        extra, truth = {"p1": first}, 700
        if task.of_frames:
            made = frame_record(name, number, "train", len(images))
            own = ("id", "image", "conversations", "height_list", "width_list", "task", "gt_value",
                   "question_type")  # fmt: skip
            extra = {key: value for key, value in made.items() if key not in own} | extra
            truth = made["gt_value"]
        elif task.answer == "named point":
            extra, truth = {"points_info": points}, second
        elif "points_info" in task.fields:
            extra = {"points_info": points[:1]}
        elif task.answer == "coordinates":
            extra, truth = extra | {"p2": second}, second
        elif task.answer == "vector":
            truth = [10, -20, 30]
        slots = dict(zip(task.slots, map(format_value, (first, second)), strict=False))
        sizes = [SIZE] * len(images)
        record_id = f"{name}_{number}"
        phrase = phrase.filled(slots)
        records.append(make_record("train", record_id, images, sizes, name, phrase, truth, extra))
    return records


def uniform(record: dict) -> dict:
    file = RecordFile(Path("a/x.jsonl"), "train", record["task"], Path("a"))
    return to_uniform(record, file, Path("."))


def texts(row: dict) -> list[str]:
    return [turn["content"] for turn in row["messages"]]


def with_points(text: str, points: list[str]) -> str:
    rest = iter(points)
    return re.sub("<bbox>", lambda _: next(rest), text)


@pytest.mark.parametrize("name", NAMING)
def test_marks_filled_in_their_order_give_the_record_again_and_name_the_right_images(name):
    for record in map(uniform, records_of(name)):
        row, plain = ObjectRows()(record), from_uniform(dict(record))
        said = [turn["value"] for turn in record["conversations"]]
        boxes, images = row["objects"]["bbox"], row["objects"]["image_id"]
        assert row["objects"]["bbox_type"] == "norm1" and row["images"] == record["image"]
        assert "".join(texts(row)).count("<bbox>") == len(boxes) == len(images)
        whole = [[round(1000 * x) for x in box] for box in boxes]
        asked = texts(row)[0].count("<bbox>")
        filled = list(map(format_value, whole))
        assert [
            with_points(texts(row)[0], filled),
            with_points(texts(row)[1], filled[asked:]),
        ] == said
        assert images[:asked] == [0] * asked
        if TASKS[name].answer in ("coordinates", "named point"):
            assert whole[asked:] == [plain["gt_value"]]
            assert images[asked:] == [TASKS[name].num_images - 1]
        else:
            assert not whole[asked:]


@pytest.mark.parametrize("name", NAMING)
def test_sentences_in_pixels_name_the_same_points_and_no_thousandths(name):
    sentences, points = ObjectRows(load_pixel_sentences()), ObjectRows()
    for record in map(uniform, records_of(name)):
        row, plain = sentences(record), points(record)
        assert row["objects"] == plain["objects"] and texts(row)[1] == texts(plain)[1]
        assert not re.search(r"1000|thousand", texts(row)[0])
        assert texts(row)[0].count("<bbox>") == texts(plain)[0].count("<bbox>")


def test_a_convention_that_names_a_corner_is_filled_again_where_a_point_lies_in_it():
    phrase = Phrase("How deep is {point}?", "`{answer}`", "", "The corner is [ 1000 , 1000 ].\n")
    record = make_record(
        "train", "a", ["a.jpg"], [SIZE], "depth_estimation_coor",
        phrase.filled({"point": "[ 1000 , 1000 ]"}), 700,
        {"points_info": [{"x": 1000, "y": 1000, "depth_mm": 700, "letter": None}]},
    )  # fmt: skip
    row = ObjectRows()(uniform(record))
    assert texts(row)[0] == "<image>\nThe corner is <bbox>.\nHow deep is <bbox>?"
    assert row["objects"] == {"bbox": [[1, 1], [1, 1]], "bbox_type": "norm1", "image_id": [0, 0]}


@pytest.mark.parametrize("change", ["question", "answer"])
def test_a_record_whose_text_does_not_name_its_points_is_refused(change):
    record = uniform(records_of("correspondence_coor", 1)[0])
    human, gpt = record["conversations"]
    turn = human if change == "question" else gpt
    turn["value"] = re.sub(r"\[ \d+ , \d+ \]", "[ 5 , 5 ]", turn["value"])
    with pytest.raises(ValueError, match="does not"):
        ObjectRows()(record)


@pytest.mark.parametrize("name", [*NAMING, *FRAME_TASKS])
def test_each_question_for_rewards_asks_for_the_bare_answer_once(name):
    forms = load_forms()
    asked = [f"{joint}{form}" for form in forms[TASKS[name].form] for joint in (" ", "\n")]
    seen = set()
    records = [frame_record(name, n, "train") for n in range(8)] if name in FRAME_TASKS else []
    if name in NAMING:
        records = records_of(name)
    for record in map(uniform, records):
        row = grpo_row(record, forms)
        (turn,), question = row["messages"], record["conversations"][0]["value"]
        assert row == grpo_row(record, forms) and turn["role"] == "user"
        assert turn["content"].startswith(question)
        if name in NAMING:
            assert sum(turn["content"].count(form) for form in asked) == 1
        seen.add(turn["content"].removeprefix(question))
        truth = json.loads(row["solution"])
        bare = f"`{format_value(truth['gt_value'])}`"
        assert reward(truth, bare) == format_reward(truth, bare) == 1
        assert reward(truth, "???") == format_reward(truth, f"It is {bare}.") == 0
        assert row["images"] == record["image"] and set(row) == {
            "id", "images", "messages", "solution",
        }  # fmt: skip
    assert len(seen) > 2


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Records of three tasks, two of which name points."""
    root = tmp_path_factory.mktemp("ms swift")
    for name in ("correspondence_coor", "movement_coord_vector_adt", "camera_net_turn"):
        path = record_path(root, name, "train", FIRST_VERSION, **CONSTANTS)
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = [frame_record(name, n, "train") for n in range(4)] if name in FRAME_TASKS else None
        records = frames or records_of(name, 4)
        write_jsonl(path, records)
        for image in {one for record in records for one in record["image"]}:
            place = image_root(root, name, path) / image
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(jpeg.encode(np.full((8, 8, 3), 127, np.uint8)))
    return root


def exported(root: Path, name: str) -> dict[str, list[dict]]:
    folder = root / "training_data/exports/ms_swift" / name
    return {path.stem: list(read_jsonl(path)) for path in sorted(folder.glob("*.jsonl"))}


def test_the_command_writes_each_kind_and_prints_lines_that_a_shell_takes(root, capsys):
    for flags in (["--objects", "--grpo"], ["--objects", "--coordinates", "pixels"]):
        assert export_ms_swift.main(["--root", str(root), *flags]) == 0
    said = capsys.readouterr().out
    naming = ["correspondence_coor", "movement_coord_vector_adt_15points_30pairs"]
    assert list(exported(root, "objects")) == list(exported(root, "objects_pixels")) == naming
    assert list(exported(root, "grpo")) == ["camera_net_turn", *naming]
    assert all(len(rows) == 4 for rows in exported(root, "grpo").values())
    sft, grpo, other = re.findall(r"^IMAGE_MAX.*?(?=\n\n)", said, re.DOTALL | re.MULTILINE)
    for line in (sft, grpo, other):
        words = shlex.split(line)
        assert f"ROOT_IMAGE_DIR={root}" in words and "swift" in words
        paths = [word for word in words if word.endswith((".jsonl", ".py"))]
        assert len(paths) >= 2 and all(Path(path).is_file() for path in paths)
    assert "QWENVL_BBOX_FORMAT=new" in sft and "/objects/" in sft and "/objects_pixels/" in other
    assert "--tuner_type lora" in sft and "--train_type for --tuner_type" in said
    words = shlex.split(grpo)
    # ms-swift wants a multiple, of one GPU that takes one question at a time, too.
    told = {flag: int(number) for flag, number in pairwise(words) if number.isdecimal()}
    assert told["--gradient_accumulation_steps"] % told["--num_generations"] == 0
    assert json.loads(words[words.index("--vllm_limit_mm_per_prompt") + 1]) == {"image": 8}
    place = words.index("--reward_funcs")
    assert tuple(words[place + 1 : place + 3]) == commands.REWARDS


def test_a_second_run_makes_nothing_again_and_what_lost_its_records_goes(root, capsys):
    flags = ["--root", str(root), "--objects", "--grpo"]
    assert export_ms_swift.main(flags) == 0
    folder = root / "training_data/exports/ms_swift"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert export_ms_swift.main([*flags, "--num-workers", "2"]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_nothing_to_write_is_one_line(tmp_path):
    for flag in ("--objects", "--grpo"):
        with raises_one_line(MissingInputError, "no records", "run the question scripts"):
            export_ms_swift.main(["--root", str(tmp_path), flag])
    path = record_path(tmp_path, "camera_net_turn", "train", FIRST_VERSION)
    path.parent.mkdir(parents=True)
    write_jsonl(path, [frame_record("camera_net_turn", 0, "train")])
    with raises_one_line(MissingInputError, "no training records that name points"):
        export_ms_swift.main(["--root", str(tmp_path), "--objects"])


def test_a_line_that_is_no_record_is_named_and_no_command_is_printed(tmp_path, capsys):
    path = record_path(tmp_path, "correspondence_coor", "train", FIRST_VERSION)
    path.parent.mkdir(parents=True)
    record = records_of("correspondence_coor", 1)[0]
    record["conversations"][0]["value"] = "<image><image>Where is it?"
    write_jsonl(path, [record])
    assert export_ms_swift.main(["--root", str(tmp_path), "--objects"]) == 1
    said = capsys.readouterr()
    assert f"{path}:1: not a record of the engine" in said.err and "swift sft" not in said.out


@pytest.mark.parametrize("module", ["swift.rewards", "swift.plugin"])
def test_the_plugin_registers_its_rewards_in_both_versions(module):
    """With a stand-in for ms-swift, in a Python that has orjson alone."""
    code = f"""
import json, runpy, sys, types
for name in {BLOCKED!r}:
    sys.modules[name] = None
swift = types.ModuleType("swift"); swift.__path__ = []
there = types.ModuleType({module!r}); there.ORM, there.orms = object, {{"format": None}}
sys.modules.update({{"swift": swift, {module!r}: there}})
runpy.run_path(sys.argv[1])
made = {{name: there.orms[name]() for name in {commands.REWARDS!r}}}
truth = json.dumps({{"task": "camera_total_distance", "gt_value": 1000}})
said = ["`1000`", "It is `1100`.", "?"]
print([one(said, solution=[truth] * 3, id=list("abc")) for one in made.values()])
known = {{*sys.stdlib_module_names, "spatial_engine", "orjson", "__main__", "swift"}}
print(sorted({{name.split(".")[0] for name in sys.modules if sys.modules[name]}} - known))
"""
    path = f"{REPOSITORY}:{Path(orjson.__file__).parents[1]}"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, export_ms_swift.PLUGIN],
        env={"PYTHONPATH": path}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    expected = "[[1.0, 0.9, 0.0], [1.0, 0.0, 0.0]]\n[]\n"
    assert (done.returncode, done.stdout) == (0, expected), done.stderr


BLOCKED = ("numpy", "cv2", "PIL", "pandas", "pyarrow", "tqdm", "scipy", "rich", "yaml")
