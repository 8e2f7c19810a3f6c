"""What a page of verdicts counts, draws and says; how it looks is in test_report_page.py."""

import json
from collections import Counter
from pathlib import Path

import pytest
from helpers import raises_one_line
from report_samples import (
    KINDS,
    SCENES,
    frame_records,
    sample_records,
    write_benchmark,
    write_image,
    write_predictions,
)

from spatial_engine.errors import EngineError
from spatial_engine.evaluation import score_predictions
from spatial_engine.report import make_report, page, record_view
from spatial_engine.report.gather import Wanted, gather
from spatial_engine.report.spread import Workers
from spatial_engine.report.verdicts import MAX_TEXT, OUTCOMES, page_folder
from spatial_engine.report.visible_text import escaped
from spatial_engine.utils.paths import benchmark_path, posed_images_dir
from spatial_engine.utils.questions.records import read_jsonl, write_jsonl

COUNT, TASKS = 16, 5  # questions of each task


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A benchmark, and what two models say to it."""
    root = tmp_path_factory.mktemp("verdicts")
    for scene in SCENES:
        for frame in (0, 5):
            write_image(posed_images_dir(root) / scene / f"{frame:05d}.jpg")
    write_predictions(root, write_benchmark(root, COUNT))
    return root


def make(root: Path, *flags: str) -> None:
    line = ["--root", str(root), "--num-workers", "1", "--thumbnail-side", "64"]
    assert make_report.main([*line, *flags]) == 0


def data_of(folder: Path) -> dict:
    text = (folder / page.DATA).read_text("utf-8")
    return json.loads(text.removeprefix("window.reportData = ").removesuffix(";\n"))


def test_verdicts_are_those_of_the_scorer_and_texts_are_as_said(root):
    first = root / "first.jsonl"
    make(root, "--predictions", str(first))
    data = data_of(root / "first.page")
    assert data["models"] == ["first"]
    assert len(data["records"]) == COUNT * TASKS
    said = {one["id"]: one["prediction"] for one in read_jsonl(first)}
    assert score_predictions.main(["--root", str(root), str(first)]) == 0
    scored = {one["id"]: one for one in read_jsonl(root / "first.verdicts.jsonl")}
    told = Counter()
    for record in data["records"]:
        ((kind, read, unread, text),) = record["verdicts"]
        score = scored[record["id"]]
        assert record["outcome"] == kind
        assert (kind == "right") == score["correct"]
        assert (kind in ("right", "wrong")) == (score["parsed"] is not None) == bool(read)
        assert (kind == "missing") == (record["id"] not in said)
        assert bool(unread) == (kind == "unreadable")
        assert text == escaped(said.get(record["id"], ""))
        told[kind] += 1
    assert told == dict.fromkeys(KINDS, COUNT * TASKS // 4)
    assert (root / "first.page/index.html").read_text().count("<title>Verdicts on first<") == 1


def test_an_answer_is_shown_with_its_unit(root):
    records = {one["id"]: one for one in data_of(root / "first.page")["records"]}
    assert records["object_height_val_0"]["verdicts"][0][1] == "500 mm"
    assert records["correspondence_coor_val_0"]["verdicts"][0][1] == "[ 400 , 800 ]"


def test_two_models_are_compared_question_by_question(root):
    paths = [root / "first.jsonl", root / "second.jsonl"]
    make(root, "--predictions", *map(str, paths))
    data = data_of(root / "first_second.page")
    outcomes = Counter()
    for record in data["records"]:
        first, second = (one[0] == "right" for one in record["verdicts"])
        assert record["outcome"] == OUTCOMES[2 * (not first) + (not second)]
        outcomes[record["outcome"]] += 1
    quarter = COUNT * TASKS // 8
    assert outcomes == {"both": quarter, "first": quarter, "second": 3 * quarter,
                        "neither": 3 * quarter}  # fmt: skip
    html = (root / "first_second.page/index.html").read_text()
    for name, number in (("only first right", quarter), ("only second right", 3 * quarter)):
        assert f"<dt>{name}</dt><dd>{number}</dd>" in html


@pytest.mark.parametrize(
    ("at_most", "drawn"), [(8, [2, 2, 2, 2]), (6, [1, 1, 2, 2]), (1, [0, 0, 0, 1])]
)
def test_records_are_drawn_evenly_over_verdicts_and_told_how_many_of_how_many(
    root, tmp_path, at_most, drawn
):
    flags = ["--predictions", str(root / "first.jsonl"), "--records-per-file", str(at_most)]
    make(root, *flags, "--output", str(tmp_path))
    data = data_of(tmp_path)
    by_task = Counter((record["task"], record["outcome"]) for record in data["records"])
    for task in range(TASKS):
        assert sorted(by_task[task, kind] for kind in KINDS) == drawn
    html = (tmp_path / "index.html").read_text()
    assert f"shows {at_most * TASKS} of {COUNT * TASKS} questions" in html


def test_a_rare_verdict_is_shown_whole_and_the_draw_repeats_with_its_seed(root):
    benchmark = benchmark_path(root, "v1_0")
    strata = {one["id"]: "common" for one in read_jsonl(benchmark)}
    rare = [f"object_height_val_{number}" for number in (3, 11)]
    strata |= dict.fromkeys(rare, "rare")

    def drawn(seed: int, at_most: int) -> list[str]:
        groups, _ = gather([benchmark], Wanted(root, seed, at_most, None, strata), Workers())
        group = groups["object_height", "val"]
        assert group.strata == {"common": COUNT - 2, "rare": 2}
        return [one.record["id"] for one in group.drawn]

    for seed in range(5):
        assert set(rare) <= set(drawn(seed, 5)) and len(drawn(seed, 5)) == 5
        assert len({*rare} & {*drawn(seed, 2)}) == 1
        assert drawn(seed, 5) == drawn(seed, 5)
    assert drawn(0, 5) != drawn(1, 5)


def test_the_same_inputs_give_the_same_bytes(root, tmp_path):
    for name in ("one", "two"):
        make(root, "--predictions", str(root / "first.jsonl"), "--output", str(tmp_path / name))
    for name in (page.DATA, "index.html"):
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two


def test_only_the_wanted_scenes_are_counted(root, tmp_path):
    flags = ["--predictions", str(root / "first.jsonl"), "--scenes", SCENES[0]]
    make(root, *flags, "--output", str(tmp_path))
    data = data_of(tmp_path)
    assert {data["scenes"][one["scene"]] for one in data["records"]} == {SCENES[0]}
    html = (tmp_path / "index.html").read_text()
    assert f"<dt>questions</dt><dd>{COUNT * TASKS // 2}</dd>" in html


def test_a_long_prediction_is_cut_in_its_middle(root, tmp_path):
    said = "start " + "x" * 10 * MAX_TEXT + " `500` mm, end"
    write_jsonl(tmp_path / "long.jsonl", [{"id": "object_height_val_0", "prediction": said}])
    make(root, "--predictions", str(tmp_path / "long.jsonl"))
    (shown,) = (
        one["verdicts"][0]
        for one in data_of(tmp_path / "long.page")["records"]
        if one["id"] == "object_height_val_0"
    )
    assert shown[0] == "right"
    assert shown[3].startswith("start ") and shown[3].endswith("`500` mm, end")
    assert f"{len(said) - MAX_TEXT:,} characters are left out" in shown[3]
    assert len(shown[3]) < MAX_TEXT + 60


def test_a_hostile_name_of_a_model_stays_text(root):
    name = '"><img src=x onerror=planted=1> {{ 7*7 }} \u202e'
    path = root / f"{name}.jsonl"
    write_jsonl(path, [{"id": "object_height_val_0", "prediction": "`500`"}])
    make(root, "--predictions", str(path), str(root / "first.jsonl"))
    html = (root / f"{name}_first.page/index.html").read_text()
    assert "<img src=x" not in html and "\u202e" not in html and "&lt;img src=x" in html
    data = (root / f"{name}_first.page" / page.DATA).read_text()
    assert "<" not in data
    assert data_of(root / f"{name}_first.page")["models"] == [escaped(name), "first"]


# Points that models answered with.


def places(record: dict, read: str | None, number: int = 0) -> list[tuple]:
    return [tuple(mark) for mark in record_view.marks_of_answer(record, read, number)]


def test_the_point_that_a_model_answers_with_is_marked_in_the_image_that_is_asked_about():
    records = {task: found[0] for task, found in sample_records("val", 1).items()}
    match = records["correspondence_coor"]
    assert places(match, "[ 401.5 , 0 ]") == [(1, "said0", 401.5, 0, "")]
    assert places(match, "[ 1 , 2 ]", 1) == [(1, "said1", 1, 2, "")]
    assert places(match, "[ 1001 , 2 ]") == places(match, "[ 1 , -2 ]") == places(match, None) == []
    depth = records["depth_comparison_coor"]
    assert places(depth, "[ 250 , 500 ]") == [(0, "said0", 250, 500, "")]
    options = {"A": [100, 100], "B": [400, 800]}
    letters = match | {"task": "correspondence_multichoice", "options": options}
    assert places(letters, "b") == [(1, "said0", 400, 800, "")]
    assert places(letters, "D") == []
    points = [point | {"letter": letter} for point, letter in
              zip(depth["points_info"], "AB", strict=True)]  # fmt: skip
    dots = depth | {"task": "depth_comparison_dot", "points_info": points}
    assert places(dots, "A") == [(0, "said0", 250, 500, "")]
    for other in (records["object_height"], *frame_records("val").values()):
        assert places(other, "B") == []


def test_every_answer_that_is_right_lies_where_the_truth_is(root):
    for record in data_of(root / "first.page")["records"]:
        kinds = {tuple(mark[2:4]): mark[1] for mark in record["marks"] if mark[1] != "asked"}
        if record["outcome"] == "right" and "answered" in [mark[1] for mark in record["marks"]]:
            assert list(kinds.values()) == ["said0"]  # at the same place, drawn last


# What is refused.


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--benchmark", "x.jsonl"], ["--predictions"]),
        (["--name", "multispa_frames"], ["--predictions"]),
        (["--predictions", "a.jsonl", "b.jsonl", "c.jsonl"], ["2 models"]),
        (["--predictions", "a/m.jsonl", "b/m.tsv"], ["same name"]),
        (["--predictions", "first.jsonl", "--records", "x.jsonl"], ["--benchmark"]),
        (["--predictions", "none.jsonl"], ["none.jsonl", "no such file"]),
        (["--predictions", "first.jsonl", "--version", "v9"], ["v9", "make_benchmark.py"]),
        (["--predictions", "first.jsonl", "--name", "multispa_frames"], ["--name"]),
    ],
)
def test_what_makes_no_page_is_told_in_one_line(root, tmp_path, flags, words):
    flags = [str(root / flag) if flag.endswith((".jsonl", ".tsv")) else flag for flag in flags]
    with raises_one_line(EngineError, *words):
        make_report.main(["--root", str(root), "--output", str(tmp_path / "page"), *flags])
    assert not (tmp_path / "page").exists()


def test_a_page_is_beside_the_first_predictions(tmp_path):
    assert page_folder([tmp_path / "a.b.jsonl"]) == tmp_path / "a.b.page"
    assert page_folder([tmp_path / "x/a.tsv", tmp_path / "y/b.json"]) == tmp_path / "x/a_b.page"
