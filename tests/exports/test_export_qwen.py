"""Qwen's trainer: its data sets by the rules of its code, copies in pixels by an audit of their
own, and the scorer on what a model answers in pixels.

The trainer comes in no package: what its code does with a record is asserted here. The image
processors that give the sizes are asked in tests/clients/check_qwen.py.
"""

from __future__ import annotations

import json
import re
import runpy
import shlex
import shutil
from collections import Counter
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from frame_records import frame_record
from helpers import raises_one_line
from PIL import Image

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.evaluation import make_benchmark, score_predictions
from spatial_engine.evaluation.asking.questions import Questions
from spatial_engine.evaluation.results import chance_levels
from spatial_engine.evaluation.rewards import reward, solution_of
from spatial_engine.evaluation.scoring import score_record
from spatial_engine.exports import export_qwen, export_uniform
from spatial_engine.exports.qwen.pixel_records import Pixels, Resizing, to_pixels
from spatial_engine.exports.qwen.registration import Entry, is_taken_for_mixture, max_length
from spatial_engine.exports.shared.export_files import export_name, exports_dir
from spatial_engine.utils.questions.pixel_sentences import load_pixel_sentences
from spatial_engine.utils.questions.plain_record import format_value, from_uniform, question_of
from spatial_engine.utils.questions.record_files import (
    RecordFile,
    find_record_files,
    read_uniform,
    to_uniform,
)
from spatial_engine.utils.questions.record_rules import check_record
from spatial_engine.utils.questions.records import read_jsonl, write_jsonl
from spatial_engine.utils.questions.tasks import FRAME_TASKS, TASKS

SPLITS = ("train", "val")
PIXELS = ("--coordinates", "pixels")
POINT = re.compile(r"\[ (\d+) , (\d+) \]")


def link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


@pytest.fixture(scope="module")
def root(made_root, tmp_path_factory) -> Path:
    """Records and images of the sample data, with the exports for Qwen; links spare the copying."""
    root = tmp_path_factory.mktemp("qwen") / "root"
    for name in ("training_data", "evaluation_data"):
        shutil.copytree(made_root / name, root / name, copy_function=link)
    (root / "data").symlink_to(made_root / "data")
    for main, *flags in (
        (make_benchmark.main,),
        (export_uniform.main, "--splits", "train"),
        (export_qwen.main,),
        (export_qwen.main, "--files", "uniform"),
        (export_qwen.main, *PIXELS, "--benchmarks", "multispa"),
    ):
        assert main(["--root", str(root), *flags]) == 0
    return root


def folder_of(root: Path, split: str) -> Path:
    return exports_dir(root, split, "qwen", "v1_0")


@cache
def pairs(root: Path, split: str) -> list[tuple[dict, dict]]:
    """Each uniform record of the files of a split, beside its copy in pixels; read once."""
    found = []
    for file in find_record_files(root, [split]):
        copies = read_jsonl(folder_of(root, split) / f"{export_name(file)}.jsonl")
        for record, copy in zip(read_jsonl(file.path), copies, strict=True):
            found.append((to_uniform(record, file, root), copy))
    return found


# ---- the trainer ---------------------------------------------------------------------------------


def datasets(root: Path, kind: str) -> dict[str, dict[str, str]]:
    return runpy.run_path(str(folder_of(root, "train") / f"{kind}.py"))["DATASETS"]


def trained_on(record: dict) -> list[tuple[str, list]]:
    """What the trainer makes of a record, as (role, parts); raises where it does.

    From its code: `image` is a name or a list; every turn that is not `human` is the assistant's;
    each <image> of a human turn takes the next file, texts between are stripped and dropped if
    empty; a file too few or too many raises; the key `data_path` is the trainer's own.
    """
    assert "data_path" not in record and "video" not in record and "num_tokens" not in record
    pool = [record["image"]] if isinstance(record["image"], str) else list(record["image"])
    turns = []
    for turn in record["conversations"]:
        if turn["from"] == "human":
            parts = []
            for piece in re.split(r"(<image>|<video>)", turn["value"]):
                if piece in ("<image>", "<video>"):
                    if not pool:
                        raise ValueError("more tags than files")
                    parts.append(Path(pool.pop(0)))
                elif piece.strip():
                    parts.append(piece.strip())
            turns.append(("user", parts))
        else:
            turns.append(("assistant", [turn["value"]]))
    if pool:
        raise ValueError("files left over")
    return turns


@pytest.mark.parametrize("kind", ["native", "uniform", "pixels"])
def test_every_training_record_passes_the_trainers_rules(kind, root):
    found = datasets(root, kind)
    files = find_record_files(root, ["train"])
    assert sorted(found) == sorted(map(export_name, files)) and len(found) > 20
    records = 0
    for name, entry in found.items():
        assert set(entry) == {"annotation_path", "data_path"}
        assert not re.search(r"[,%]", name)
        path, images = Path(entry["annotation_path"]), Path(entry["data_path"])
        assert path.suffix == ".jsonl"  # anything else is read as one JSON text
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            (role, asked), (other, answer) = trained_on(record)
            assert (role, other) == ("user", "assistant")
            assert "<" not in answer[0] and "`" in answer[0]
            assert isinstance(asked[-1], str) and not isinstance(asked[-2], str)
            names = [part for part in asked if isinstance(part, Path)]
            assert len(names) == len(record["image"])
            assert all((images / name).is_file() for name in names)
            records += 1
    assert records == sum(len(list(read_jsonl(file.path))) for file in files)


def test_the_rules_of_the_trainer_refuse_what_its_code_refuses():
    turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "`1`"}]
    assert trained_on({"image": ["a"], "conversations": turns})[0] == ("user", [Path("a"), "What?"])
    for images in ([], ["a", "b"]):
        with pytest.raises(ValueError):
            trained_on({"image": images, "conversations": turns})


def test_data_sets_go_with_the_root_when_it_is_moved(root, tmp_path):
    folder = folder_of(root, "train")
    moved = tmp_path / "else where" / folder.relative_to(root)
    moved.mkdir(parents=True)
    for kind in ("native", "pixels"):
        text = (folder / f"{kind}.py").read_text(encoding="utf-8")
        assert str(root) not in text
        (moved / f"{kind}.py").write_text(text, encoding="utf-8")
        here, there = datasets(root, kind), datasets(tmp_path / "else where", kind)
        for name, entry in here.items():
            for key, path in entry.items():
                of = Path(path).relative_to(root.resolve())
                assert Path(there[name][key]) == (tmp_path / "else where").resolve() / of


@pytest.mark.parametrize("kind", ["native", "uniform", "pixels"])
def test_the_command_line_names_every_data_set_and_the_flags_that_do_not_fit(kind, root):
    text = (folder_of(root, "train") / f"{kind}.sh").read_text()
    words = shlex.split(text.replace("\\\n", " "))
    assert words[0] == "torchrun" and "qwenvl/train/train_qwen.py" in words
    flags = dict(zip(words[4::2], words[5::2], strict=True))
    assert flags["--dataset_use"].split(",") == list(datasets(root, kind))
    assert (flags["--max_pixels"], flags["--min_pixels"]) == ("451584", "12544")
    # Two images of 576 tokens and a text; the trainer's default cuts at 512.
    assert int(flags["--model_max_length"]) >= 2 * 576 + 512
    model = {"pixels": "Qwen2.5-VL"}.get(kind, "Qwen3-VL")
    assert model in flags["--model_name_or_path"]
    assert not is_taken_for_mixture(flags["--model_name_or_path"])


def test_what_is_printed_registers_the_data_sets(root, capsys):
    assert export_qwen.main(["--root", str(root), "--model", "runs/qwen3-vl-8b-spatial"]) == 0
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if "data_dict.update" in line)
    space = {"data_dict": {}, "runpy": runpy}
    exec(line.strip(), space)
    assert space["data_dict"] == datasets(root, "native")
    assert "mixture of experts" in said
    assert export_qwen.main(["--root", str(root)]) == 0
    assert "mixture of experts" not in capsys.readouterr().out


def test_the_name_of_a_model_that_is_taken_for_another_class():
    for name in ("qwen3-vl-8b-spatial", "/runs/Qwen3-VL-4B-lora/", "qwen3/final"):
        assert is_taken_for_mixture(name)
    for name in ("Qwen/Qwen3-VL-30B-A3B-Instruct", "Qwen/Qwen3-VL-8B-Instruct", "qwen2.5-vl-a"):
        assert not is_taken_for_mixture(name)


def test_the_length_holds_all_images_of_a_record():
    two, eight = (Entry("a", "b", "c", number) for number in (2, 8))
    usual = Resizing(28, 12544, 451584)
    assert max_length([two], usual) == 4096 and max_length([two, eight], usual) == 8192
    assert max_length([eight], Resizing(28, 784, 50176)) == 2048


# ---- copies in pixels ----------------------------------------------------------------------------


def is_there(pixel: int, part: int, side: int, resized: int) -> bool:
    """Whether a pixel is where a thousandth of a side is in the resized image, from its place in
    the image itself, to half a pixel; the last pixel is for the far edge, too."""
    place = Fraction(part * side, 1000) * Fraction(resized, side)
    beyond = pixel == resized - 1 and place > pixel
    return 0 <= pixel < resized and (abs(pixel - place) <= Fraction(1, 2) or beyond)


@pytest.mark.parametrize("split", SPLITS)
def test_an_audit_of_every_copy_finds_each_coordinate_where_the_image_has_it(split, root):
    """Reads texts and fields by itself: which image a number belongs to is said here again."""
    tasks, points, sizes_seen = Counter(), 0, set()
    for record, copy in pairs(root, split):
        extra, extra_px = json.loads(record["extra"]), json.loads(copy["extra"])
        rule = extra_px.pop("pixel_coordinates")
        sizes = rule["sizes"]
        shown = list(zip(record["width_list"], record["height_list"], strict=True))
        for (width, height), (wide, high) in zip(shown, sizes, strict=True):
            assert not wide % 28 and not high % 28 and 12544 <= wide * high <= 451584
            # Each side is rounded to a multiple of 28, so by 14 at most, or cut by less than 28.
            assert abs(wide / high * height / width - 1) < 28 / min(wide, high)
            sizes_seen.add((width, height, wide, high))

        def agree(image, before, after, shown=shown, sizes=sizes):
            nonlocal points
            points += 1
            for axis in (0, 1):
                assert is_there(after[axis], before[axis], shown[image][axis], sizes[image][axis])

        texts, texts_px = (
            [r["text"]] if split == "val" else [turn["value"] for turn in r["conversations"]]
            for r in (record, copy)
        )
        assert texts[0].count("<image>") == texts_px[0].count("<image>") == len(sizes)
        task, corners = record["task"], {(0, 0), (1000, 1000)}
        named, named_px = (
            [point for x, y in POINT.findall(text) if (point := (int(x), int(y))) not in corners]
            for text in (texts[0], texts_px[0])
        )
        assert len(named) == len(named_px) == (0 if TASKS[task].marked else len(named))
        for before, after in zip(named, named_px, strict=True):
            agree(0, before, after)  # a point is always named in the first image
        if "coor" in task:
            assert named, task
        words = re.sub(r"`[^`]*`", "", re.sub(POINT, "", " ".join(texts_px)))
        assert not re.search(r"1000|thousand|permil", words), words
        if named:
            assert "pixel" in words.lower()
        value, value_px = json.loads(record["gt_value"]), json.loads(copy["gt_value"])
        if task in ("correspondence_coor", "depth_comparison_coor"):
            agree(1 if task == "correspondence_coor" else 0, value, value_px)
            assert (record["gt_unit"], copy["gt_unit"]) == ("permille", "pixel")
        else:
            assert (value, record["gt_unit"]) == (value_px, copy["gt_unit"])
        if split == "train":
            said = (
                f"`[ {value_px[0]} , {value_px[1]} ]`" if copy["gt_unit"] == "pixel" else texts[1]
            )
            assert said in texts_px[1]
        assert list(extra) == list(extra_px)
        for name, field in extra.items():
            field_px = extra_px[name]
            if name == "points_info":
                for one, other in zip(field, field_px, strict=True):
                    agree(0, (one["x"], one["y"]), (other["x"], other["y"]))
                    assert {**one, "x": 0, "y": 0} == {**other, "x": 0, "y": 0}
            elif name in ("p1", "p2"):
                agree(int(name == "p2"), field, field_px)
            elif name == "options":
                assert list(field) == list(field_px)
                for letter, place in field.items():
                    agree(1, place, field_px[letter])
            elif name == "mark_points":
                for image, (one, other) in enumerate(zip(field, field_px, strict=True)):
                    agree(image, one, other)
            else:
                assert field == field_px, name
        same = record.keys() - {"text", "conversations", "gt_value", "gt_unit", "extra"}
        assert record.keys() == copy.keys() and all(record[name] == copy[name] for name in same)
        tasks[task] += 1
    assert len(tasks) > 20 and points > 1000 and len(sizes_seen) > 1


@pytest.mark.parametrize("split", SPLITS)
def test_every_copy_is_a_sound_record(split, root):
    for _, copy in pairs(root, split):
        assert check_record(from_uniform(copy), split) == []


def test_a_dot_is_where_its_pixels_are_in_the_resized_picture(root):
    """The colour of a mark, at the pixel that the copy names, in the picture as resized."""
    near = []
    for record, copy in pairs(root, "val"):
        task = record["task"]
        if task not in ("depth_estimation_dot", "correspondence_multichoice"):
            continue
        extra = json.loads(copy["extra"])
        (wide, high), color = extra["pixel_coordinates"]["sizes"][0], extra["mark_colors"][0]
        place = extra["p1"] if "p1" in extra else [extra["points_info"][0][axis] for axis in "xy"]
        with Image.open(root / copy["image"][0]) as image:
            shown = image.convert("RGB").resize((wide, high), Image.Resampling.BICUBIC)
        wanted = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)])
        near.append(np.abs(np.array(shown.getpixel(tuple(place))) - wanted).max() < 60)
    assert len(near) > 20 and np.mean(near) > 0.98


def test_copies_are_the_same_for_any_number_of_workers_and_changed_when_the_rule_is(root, tmp_path):
    other = tmp_path / "root"
    left = shutil.ignore_patterns("qwen")
    shutil.copytree(
        root / "evaluation_data", other / "evaluation_data", copy_function=link, ignore=left
    )
    (other / "data").symlink_to(root / "data")
    line = ["--root", str(other), *PIXELS, "--splits", "val"]
    assert export_qwen.main([*line, "--num-workers", "2"]) == 0
    made = sorted(folder_of(other, "val").glob("*.jsonl"))
    assert len(made) > 20
    for path in made:
        assert path.read_bytes() == (folder_of(root, "val") / path.name).read_bytes()
    path = folder_of(other, "val") / "depth_estimation_coor.jsonl"
    before, start = path.read_bytes(), path.stat().st_mtime_ns
    assert export_qwen.main(line) == 0 and path.stat().st_mtime_ns == start
    assert export_qwen.main([*line, "--max-pixels", "50176", "--min-pixels", "784"]) == 0
    assert path.read_bytes() != before
    told = json.loads(Path(f"{path}.meta.json").read_text())
    assert (told["settings"]["max_pixels"], told["settings"]["factor"]) == (50176, 28)
    assert not (other / "training_data").exists()


# ---- scores --------------------------------------------------------------------------------------


def benchmark_copy(root: Path) -> Path:
    return folder_of(root, "val") / "benchmarks" / "multispa.jsonl"


def test_the_copy_of_the_benchmark_is_asked_and_scored(root, tmp_path, capsys):
    path = benchmark_copy(root)
    records = list(read_uniform(path))
    source = list(read_uniform(make_benchmark.benchmark_path(root, "v1_0")))
    assert [r["id"] for r in records] == [r["id"] for r in source]
    questions = Questions.of(path, root)  # what ask_model.py asks
    assert questions.scored and questions.count == len(records)
    truths = tmp_path / "truths.jsonl"
    said = [{"id": r["id"], "prediction": f"`{_answer(r)}`"} for r in records]
    write_jsonl(truths, said)
    line = ["--root", str(root), "--benchmark", str(path), str(truths)]
    assert score_predictions.main(line) == 0
    scores = json.loads((tmp_path / "truths.scores.json").read_text())
    assert {line["score"] for line in scores["subtasks"] if line["questions"]} == {100.0}
    assert chance_levels(records) == pytest.approx(chance_levels(source), abs=0.5, nan_ok=True)


def _answer(record: dict) -> str:
    return format_value(json.loads(record["gt_value"]))


def coordinates(root: Path) -> list[tuple[dict, dict]]:
    return [pair for pair in pairs(root, "val") if pair[0]["task"] == "correspondence_coor"]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("percent, right", [(4, True), (6, False)])
def test_answers_off_by_a_share_of_the_width_are_judged_as_in_thousandths(
    percent, right, axis, root
):
    found = coordinates(root)
    assert found
    for record, copy in found:
        width, height = record["width_list"][-1], record["height_list"][-1]
        wide, high = from_uniform(copy)["pixel_coordinates"]["sizes"][-1]
        off = Fraction(percent, 100) * width  # in pixels of the image
        for sign in (-1, 1):
            for one, parts in ((record, (1000, 1000)), (copy, (wide, high))):
                place = json.loads(one["gt_value"])
                unit = Fraction((width, height)[axis], parts[axis])
                place[axis] = float(place[axis] + sign * off / unit)
                answer = f"`[ {place[0]} , {place[1]} ]`"
                assert score_record(one, answer).correct is right, (answer, one["gt_value"])
                graded = reward(json.loads(solution_of(one)), answer)
                assert graded == pytest.approx(1 - percent / 20, abs=1e-6)


def test_the_nearer_of_two_named_points_is_the_answer(root):
    found = [pair for pair in pairs(root, "val") if pair[0]["task"] == "depth_comparison_coor"]
    assert found
    for _, copy in found:
        plain = from_uniform(copy)
        truth = plain["gt_value"]
        (other,) = ([p["x"], p["y"]] for p in plain["points_info"] if [p["x"], p["y"]] != truth)
        assert score_record(copy, f"`{format_value(truth)}`").correct
        assert not score_record(copy, f"`{format_value(other)}`").correct


@pytest.mark.parametrize(
    "text",
    [
        "`[ {x} , {y} ]`", "[{x}, {y}]", "({x} px, {y} px)", "[{x}, {y}] pixels",
        "x = {x} pixels, y = {y} pixels", "The point is at ({x}, {y}) in pixels.",
        '{{"point_2d": [{x}, {y}]}}',
    ],
)  # fmt: skip
def test_answers_in_pixels_are_read_with_or_without_the_word(text, root):
    record, copy = coordinates(root)[0]
    x, y = json.loads(copy["gt_value"])
    assert score_record(copy, text.format(x=x, y=y)).correct
    if "px" in text or "pixels" in text:  # which thousandths are not
        x, y = json.loads(record["gt_value"])
        assert not score_record(record, text.format(x=x, y=y)).correct


# ---- records by hand -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_pixels() -> Pixels:
    return Pixels(Resizing(28, 12544, 451584), load_pixel_sentences())


def uniform(**fields) -> dict:
    record = {
        "id": "a", "image": ["s/1.jpg"], "height_list": [968], "width_list": [1296],
        "task": "depth_comparison_coor", "question_type": "depth_comparison_coor",
        "text": "<image>\nWhich point is closer to the camera in depth, [ 0 , 1000 ] or "
        "[ 500 , 500 ] (coordinates 0 to 1000 from the top left)?",
        "gt_value": [0, 1000], "wording": "plain", "is_closer_question": True,
        "points_info": [
            {"x": 0, "y": 1000, "depth_mm": 500, "letter": None},
            {"x": 500, "y": 500, "depth_mm": 1500, "letter": None},
        ],
    }  # fmt: skip
    file = RecordFile(Path("/r/x/a.jsonl"), "val", "depth_comparison_coor", Path("/r/x"))
    return to_uniform({**record, **fields}, file, Path("/r"))


def test_the_last_pixel_is_the_one_before_the_size(in_pixels):
    copy = in_pixels(uniform())
    assert "[ 0 , 559 ] or [ 378 , 280 ] (coordinates in pixels from the top left)?" in copy["text"]
    assert copy["gt_value"] == "[0,559]"
    assert to_pixels([1000, 1000], (28, 56)) == [27, 55]
    assert to_pixels([500, 500], (29, 31)) == [14, 16]  # halves go to the even number


def test_two_points_on_one_pixel_are_left_out(in_pixels):
    near = uniform()
    near["text"] = near["text"].replace("500 , 500", "0 , 999")
    near["extra"] = near["extra"].replace('"x":500,"y":500', '"x":0,"y":999')
    assert in_pixels(near) is None


def test_a_copy_is_not_copied_again_and_other_questions_are_refused(in_pixels):
    with pytest.raises(ValueError, match="pixels already"):
        in_pixels(in_pixels(uniform()))
    with pytest.raises(ValueError, match="sentences"):
        in_pixels(uniform(text="<image>\nWhich is nearer, [ 0 , 1000 ] or [ 500 , 500 ]?"))


@pytest.mark.parametrize("task", FRAME_TASKS)
def test_points_of_three_to_eight_frames_are_in_their_images(task, in_pixels):
    """Of each number of images; questions made by hand name points in sentences of their own."""
    for number in range(6):
        record = frame_record(task, number)
        record["width_list"] = [640 + 37 * k for k in range(len(record["image"]))]
        record["height_list"] = [480 - 13 * k for k in range(len(record["image"]))]
        file = RecordFile(Path("/r/x/a.jsonl"), "val", task, Path("/r/x"))
        if TASKS[task].of_clips:
            sentence = next(iter(in_pixels.sentences[TASKS[task].sentences].questions))
            marks = record["text"].rpartition("<image>\n")
            rest = "".join(f"\n{k}. {v}" for k, v in record.get("choices", {}).items())
            asked = sentence.replace("{point}", format_value(record["p1"]))
            record["text"] = f"{marks[0]}{marks[1]}{asked}{rest}"
        plain = from_uniform(in_pixels(to_uniform(record, file, Path("/r"))))
        sizes = plain["pixel_coordinates"]["sizes"]
        assert len({*map(tuple, sizes)}) > 1
        if "p1" in record:
            assert plain["p1"] == to_pixels(record["p1"], sizes[0])
            assert TASKS[task].marked or format_value(plain["p1"]) in question_of(plain)
        for image, point in enumerate(record.get("mark_points", [])):
            assert plain["mark_points"][image] == to_pixels(point, sizes[image])
        assert check_record(plain, "val") == []


FLAWS = {
    "sizes": lambda told: told["sizes"].append([28, 28]),
    "negative": lambda told: told["sizes"][0].__setitem__(0, -756),
    "three": lambda told: told["sizes"][0].append(1),
    "no factor": lambda told: told.pop("factor"),
    "beyond": lambda told: told["sizes"][0].__setitem__(0, 100),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_copy_with_a_spoilt_rule_is_refused(flaw, in_pixels, tmp_path):
    copy = in_pixels(uniform())
    extra = json.loads(copy["extra"])
    FLAWS[flaw](extra["pixel_coordinates"])
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [{**copy, "extra": json.dumps(extra)}])
    with raises_one_line(BadDataError, f"{path}:1"):
        list(read_uniform(path))


# ---- flags and faults ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags, words",
    [
        ([*PIXELS, "--files", "native"], "--files"),
        (["--benchmarks", "multispa"], "--coordinates pixels"),
        (["--min-pixels", "500000"], "--min-pixels is more"),
        (["--factor", "28", "--min-pixels", "1", "--max-pixels", "783"], "784 pixels"),
    ],
)
def test_flags_that_cannot_be_together_are_refused(flags, words, tmp_path):
    with raises_one_line(SettingsError, words):
        export_qwen.main(["--root", str(tmp_path), *flags])


def test_absent_records_and_benchmarks_are_named(root, tmp_path):
    with raises_one_line(MissingInputError, "no records"):
        export_qwen.main(["--root", str(tmp_path)])
    with raises_one_line(MissingInputError, "multispa_frames", "make_benchmark.py"):
        line = ["--root", str(root), *PIXELS, "--splits", "val"]
        export_qwen.main([*line, "--benchmarks", "multispa_frames"])


def test_a_file_of_other_sentences_fails_and_is_named(root, tmp_path, capsys):
    path = "evaluation_data/depth_estimation_coor/v1_0/depth_estimation_coor.jsonl"
    records = list(read_jsonl(root / path))
    records[2]["text"] = "<image>\nHow deep is it there?"
    (tmp_path / path).parent.mkdir(parents=True)
    write_jsonl(tmp_path / path, records)
    line = ["--root", str(tmp_path), *PIXELS, "--splits", "val"]
    assert export_qwen.main(line) == 1
    said = capsys.readouterr()
    assert f"{tmp_path / path}:3" in said.out + said.err and "sentences" in said.out + said.err
    assert not (folder_of(tmp_path, "val") / "depth_estimation_coor.jsonl").exists()
