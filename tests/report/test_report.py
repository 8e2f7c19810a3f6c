"""The report's counting, drawing and writing; its page in a browser is in test_report_page.py."""

import itertools
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from helpers import raises_one_line
from PIL import Image
from report_samples import (
    HOSTILE,
    box_record,
    corners,
    frame_records,
    record,
    sample_records,
    write_image,
    write_records,
    write_root,
)

from spatial_engine.errors import MissingInputError
from spatial_engine.report import (
    boxes,
    make_contact_sheets,
    make_report,
    page,
    plots,
    record_view,
    sheets,
)
from spatial_engine.report.frames_view import choices_of, notes_of
from spatial_engine.report.gather import GRID, Drawn, Group, Wanted, gather
from spatial_engine.report.overview import human_bytes, make_overview
from spatial_engine.report.pictures import looks
from spatial_engine.report.pictures.thumbnails import make_thumbnails
from spatial_engine.report.spread import Workers
from spatial_engine.utils.geometry.cameras import project
from spatial_engine.utils.questions.record_files import RecordFile, find_record_files, to_uniform
from spatial_engine.utils.questions.record_rules import check_readable
from spatial_engine.utils.questions.records import write_jsonl

COLOR = {kind: tuple(bytes.fromhex(code[1:])) for kind, code in looks.COLORS.items()}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Not to be written to, save its report."""
    return write_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def report(root) -> Path:
    """The page of `root`, with all its records."""
    assert make_report.main(["--root", str(root), *FLAGS]) == 0
    return root / "report"


FLAGS = ["--records-per-file", "50", "--num-workers", "1"]


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def shown_data(report: Path) -> dict:
    text = (report / page.DATA).read_text("utf-8")
    return json.loads(text.removeprefix("window.reportData = ").removesuffix(";\n"))


def multichoice(gt_value: str = "B") -> dict:
    options = {"A": [100, 100], "B": [400, 800], "C": [700, 200], "D": [900, 900]}
    return record(
        "correspondence_multichoice", 0, "train", gt_value, 2,
        p1=[600, 300], p2=[400, 800], options=options, overlap=20.0, mark_colors=["red"] * 5,
    )  # fmt: skip


def moved(distance_mm: int, point_moving: bool) -> dict:
    return record(
        "movement_coord_distance_adt", 0, "val", distance_mm, 2,
        p1=[600, 300], p2=[400, 800], point_moving=point_moving, cam_moving=False,
    )  # fmt: skip


# What is shown of a record.


def test_the_mark_of_the_answer_follows_gt_value():
    marks = record_view.marks_of(multichoice("C"))
    assert [(m.image, m.kind, m.x, m.y, m.label) for m in marks] == [
        (0, "asked", 600, 300, ""),
        (1, "option", 100, 100, "A"),
        (1, "option", 400, 800, "B"),
        (1, "answered", 700, 200, "C"),
        (1, "option", 900, 900, "D"),
    ]
    comparison = sample_records("val", 1)["depth_comparison_coor"][0]
    assert [m.kind for m in record_view.marks_of(comparison)] == ["asked", "answered"]
    elsewhere = record_view.marks_of(comparison | {"gt_value": [1, 2]})
    assert [(m.kind, m.x) for m in elsewhere] == [("asked", 250), ("asked", 750), ("answered", 1)]


def test_nothing_is_marked_in_a_record_that_is_right():
    right = [
        (r, split)
        for split in ("train", "val")
        for rs in sample_records(split, 4).values()
        for r in rs
    ]
    right += [(multichoice(), "train"), (moved(500, True), "val"), (moved(0, False), "val")]
    right += [(r, split) for split in ("train", "val") for r in frame_records(split).values()]
    assert [record_view.warnings_of(*one) for one in right] == [[]] * len(right)


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        (multichoice() | {"conversations": multichoice("C")["conversations"]}, "in backticks"),
        (multichoice("A"), "p2"),
        (sample_records("val", 1)["correspondence_coor"][0] | {"gt_value": [401, 800]}, "p2"),
        (sample_records("val", 1)["depth_comparison_coor"][0] | {"gt_value": [250, 500]}, "depth"),
        (
            sample_records("val", 1)["camera_x_movement"][0]
            | {"answer_values": {"x_movement": "left"}},
            "answer_values",
        ),
        (moved(500, False), "point_moving"),
        (moved(0, True), "point_moving"),
        (multichoice() | {"options": {"A": [100, 100], "B": [400, 800]}}, "options"),
        (moved(500, True) | {"question_type": "x_movement"}, "x_movement"),
    ],
)
def test_a_planted_contradiction_is_marked_as_the_check_of_records_says_it(planted, told):
    split = record_view.split_of(planted)
    found = record_view.warnings_of(planted, split)
    assert len(found) == 1
    assert told in found[0]
    assert check_readable(planted) == []
    drawn = Drawn(0.0, planted, split, Path())
    assert (drawn.warnings, len(drawn.image_paths)) == (found, 2 - ("depth" in planted["task"]))


def test_question_is_shown_without_image_lines_and_invisible_marks_by_number():
    mine = sample_records("train", 1)["camera_x_movement"][0]
    assert record_view.question_of(mine) == ("Task of camera_x_movement.", "Question 0?", "")
    assert record_view.escaped("a\u202eb\x00c\n\u2066") == "a[U+202E]b[U+0000]c\n[U+2066]"


def test_the_wording_of_an_evaluation_record_is_among_its_facts():
    mine = sample_records("val", 1)["camera_x_movement"][0]
    assert "wording heldout" in record_view.facts_of(mine | {"wording": "heldout"})
    assert not any("wording" in fact for fact in record_view.facts_of(mine | {"wording": 7}))


@pytest.mark.parametrize(
    "change",
    [
        {"id": 7},
        {"task": "no_such"},
        {"task": ["depth"]},
        {"image": []},
        {"image": ["../../secret/key.jpg"]},
        {"image": ["/etc/picture.jpg"]},
        {"image": "scene/1.jpg"},
        {"gt_value": True},
        {"gt_value": 10**12},
        {"gt_value": None},
    ],
)
def test_a_record_of_wrong_types_is_refused(change):
    good = sample_records("val", 1)["object_height"][0]
    assert check_readable(good) == []
    assert len(check_readable(good | change)) == 1


@pytest.mark.parametrize("split", ["train", "val"])
def test_whatever_stands_in_a_field_a_record_is_refused_or_shown(split):
    values = [None, True, -1, 2**63, 1.5, "", "x", [], [[]], [None], {}, {"a": 1}, [{}], ["a/b"]]
    right = [rs[0] for rs in sample_records(split, 1).values()]
    for one in [*right, multichoice(), moved(500, True), *frame_records(split).values()]:
        for name, value in itertools.product(one, [*values, [1001, 5], [[0, 0]] * 2, ...]):
            spoilt = {key: kept for key, kept in one.items() if key != name or value is not ...}
            spoilt |= {name: value} if value is not ... else {}
            if check_readable(spoilt):
                continue
            Group().add(spoilt)
            drawn = Drawn(0.0, spoilt, split, Path())
            texts = [*drawn.facts, *drawn.warnings, *record_view.question_of(spoilt)]
            texts += [note.frame + note.fact for note in notes_of(spoilt)]
            texts += [choice.text for choice in choices_of(spoilt)]
            texts += [record_view.spoken_answer(spoilt), record_view.value_of(spoilt)]
            assert all(isinstance(text, str) for text in texts)
            assert all(0 <= n <= 1000 for m in record_view.marks_of(spoilt) for n in (m.x, m.y))
            assert drawn.warnings or value is not ..., f"{name} is missing"


# Counting and drawing records.


def test_groups_count_what_the_files_hold(root):
    groups, faults = gather(find_record_files(root), Wanted(root, 0, 25), Workers())
    assert not faults
    group = groups["camera_x_movement", "train"]
    assert (group.records, len(group.scenes), len(group.images)) == (40, 2, 4)
    assert group.words == {"left": 30, "right": 10}
    assert group.overlaps[20] == 40 == group.overlaps.sum()
    assert len(group.drawn) == 25
    assert list(groups["camera_displacement_vector", "val"].values) == [500.0] * 40
    points = groups["correspondence_coor", "val"]
    assert points.asked[600 * GRID[0] // 1001, 300 * GRID[1] // 1001] == 40 == points.asked.sum()
    assert points.answered[400 * GRID[0] // 1001, 800 * GRID[1] // 1001] == 40
    comparison = groups["depth_comparison_coor", "val"]
    assert comparison.words == {"second named": 40}
    assert (comparison.asked.sum(), comparison.answered.sum()) == (80, 40)  # both are asked about


def test_groups_count_letters_and_images_of_many_frames():
    group = Group()
    for value in ("A", "B", "A, B", "A, B"):
        group.add(frame_records("val")["correspondence_seen_where"] | {"gt_value": value})
    assert (group.records, group.words, group.counts) == (4, {"A": 3, "B": 3}, {3: 4})
    group.merge(group)
    assert (group.words["A"], group.counts) == (6, {3: 8})
    odd = Group()
    odd.add(frame_records("val")["correspondence_odd_dot"])
    assert (odd.asked.sum(), odd.answered.sum()) == (2, 1)


def test_drawing_repeats_with_the_seed_and_a_smaller_draw_is_the_start_of_a_larger(root):
    def drawn(seed: int, at_most: int, splits: tuple[str, ...] = ("train", "val")) -> list[str]:
        groups, _ = gather(find_record_files(root, splits), Wanted(root, seed, at_most), Workers())
        return [one.record["id"] for one in groups["camera_x_movement", "val"].drawn]

    assert drawn(0, 25) == drawn(0, 25)
    assert drawn(0, 5, ("val",)) == drawn(0, 25)[:5]
    assert drawn(0, 25) != drawn(1, 25)
    assert len(set(drawn(0, 100))) == 40


def test_every_record_is_as_likely_to_be_drawn(tmp_path):
    path = write_records(
        tmp_path, "object_height", "val", sample_records("val", 10)["object_height"]
    )
    source = [RecordFile(path, "val", "object_height", tmp_path)]
    times = np.zeros(10)
    for seed in range(400):
        groups, _ = gather(source, Wanted(tmp_path, seed, 5), Workers())
        for one in groups["object_height", "val"].drawn:
            times[one.record["object_id"]] += 1
    assert times.sum() == 2000
    assert abs(times - 200).max() < 50  # five standard deviations


def test_bad_records_are_counted_and_told_and_the_others_read(tmp_path):
    good = sample_records("val", 4)["object_height"]
    path = write_records(
        tmp_path, "object_height", "val", [*good, good[0] | {"image": ["../x/y.jpg"]}]
    )
    with path.open("a") as file:
        file.write("no json\n")
    groups, faults = gather(find_record_files(tmp_path), Wanted(tmp_path, 0, 9), Workers())
    assert groups["object_height", "val"].records == 4
    assert "1 records" in faults[str(path)]
    assert "line 5" in faults[str(path)]
    assert ":6: not json" in faults[str(path)]


def test_given_files_may_be_uniform_and_hold_many_tasks(root, tmp_path):
    mixed = []
    for file in find_record_files(root, ["val"]):
        for one in sample_records("val", 3)[file.task]:
            mixed.append(to_uniform(one, file, root))
    write_jsonl(tmp_path / "benchmark.jsonl", mixed)
    groups, faults = gather([tmp_path / "benchmark.jsonl"], Wanted(root, 0, 9), Workers())
    assert not faults
    assert {key: group.records for key, group in groups.items()} == {
        (task, "val"): 3 for task in sample_records("val", 1)
    }
    assert all(p.is_file() for g in groups.values() for one in g.drawn for p in one.image_paths)


def test_only_the_wanted_scenes_are_read(root):
    wanted = Wanted(root, 0, 100, frozenset(["scene0001_00"]))
    groups, _ = gather(find_record_files(root), wanted, Workers())
    assert {group.records for group in groups.values()} == {20}
    assert set().union(*(group.scenes for group in groups.values())) == {"scene0001_00"}


def test_overview_sums_up_provenance(root):
    groups, _ = gather(find_record_files(root), Wanted(root, 0, 5), Workers())
    overview = make_overview(groups)
    row = overview.rows["camera_x_movement"][0]
    assert (row.split, row.records, row.left_out, row.notes[HOSTILE]) == ("train", 40, 1200, 3)
    assert (
        row.bytes
        == (root / "training_data/camera_movement/v1_0/x_movement_train.jsonl").stat().st_size
    )
    assert dict(overview.totals)["training records"] == "200"
    assert overview.by_group["depth"] == ["depth_comparison_coor"]
    lone = {key: group for key, group in groups.items() if key[1] == "val"}
    names = [name for name, _ in make_overview(lone).totals]
    assert names[0] == "records"
    assert "evaluation records" not in names


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_600, "1 MB"),
        (17e9, "17 GB"),
        (2e12, "2 TB"),
    ],
)
def test_bytes_are_told_in_units(number, text):
    assert human_bytes(number) == text


# Thumbnails, plots, sheets.


def test_thumbnails_are_small_shared_kept_and_made_again(tmp_path):
    image = tmp_path / "data/scene0000_00/00000.jpg"
    write_image(image)
    folder = tmp_path / "thumbs"

    def make() -> Path:
        made = make_thumbnails([image, image], tmp_path, folder, 160, Workers(), False)
        assert made[image].size == (640, 480)
        return folder / made[image].name

    first = make()
    assert Image.open(first).size == (160, 120)
    assert [path.name for path in folder.iterdir()] == [first.name]
    node = first.stat().st_ino
    assert make().stat().st_ino == node
    write_image(image, level=200)
    assert np.asarray(Image.open(make())).mean() > 180
    make_thumbnails([], tmp_path, folder, 160, Workers(), False)
    assert list(folder.iterdir()) == []


def test_an_image_that_cannot_be_read_is_told(tmp_path):
    broken = tmp_path / "a/broken.jpg"
    write_image(broken)
    broken.write_bytes(broken.read_bytes()[:-1000])
    made = make_thumbnails(
        [broken, tmp_path / "a/none.jpg"], tmp_path, tmp_path / "thumbs", 160, Workers(), False
    )
    assert [bool(one.name) for one in made.values()] == [False, False]
    assert all(str(path) in one.fault for path, one in made.items())


def test_plots_are_svg_that_follows_the_page_and_repeat(tmp_path):
    train, val = Group(), Group()
    for one in sample_records("train", 40)["camera_x_movement"]:
        train.add(one | {"gt_value": "$x_{$ & <b>"} if one["id"].endswith("_1") else one)
    for one in sample_records("val", 40)["camera_x_movement"]:
        val.add(one)
    pairs = np.zeros(100, np.int64)
    pairs[:50] = 7
    made = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        drawn = plots.draw_plots("camera_x_movement", {"train": train, "val": val}, pairs, folder)
        made.append(files_below(folder))
    assert made[0] == made[1]
    assert sorted(made[0]) == ["camera_x_movement_answers.svg", "camera_x_movement_overlap.svg"]
    assert all(plots.is_plot(name) for name in made[0])
    for content in made[0].values():
        assert ET.fromstring(content).tag.endswith("svg")
        assert b"prefers-color-scheme:dark" in content
        assert plots._INK.encode() not in content
    assert "train: left 72 %, right 25 %" in drawn[0].description
    assert "all 350 pairs" in drawn[1].description


def test_numbers_and_points_have_plots_and_an_empty_group_has_none(tmp_path):
    group = Group()
    for one in sample_records("val", 40)["correspondence_coor"]:
        group.add(one)
    drawn = plots.draw_plots("correspondence_coor", {"val": group}, np.zeros(100, int), tmp_path)
    assert [plot.name.rpartition("_")[2] for plot in drawn] == [
        "overlap.svg", "asked.svg", "answered.svg",
    ]  # fmt: skip
    assert drawn[1].description.startswith("40 points")
    assert [plot.title for plot in drawn[1:]] == ["Points asked about", "Right answers"]
    lone = Group()
    lone.add(sample_records("val", 1)["object_height"][0])
    (plot,) = plots.draw_plots("object_height", {"val": lone}, np.zeros(100, int), tmp_path)
    assert plot.description == "val: median 500 mm, from 500 to 500"
    assert plots.draw_plots("object_height", {"val": Group()}, np.zeros(100, int), tmp_path) == []


def test_plots_of_many_frames_name_letters_signs_and_numbers_of_images(tmp_path):
    def plots_of(task: str, *values) -> dict[str, str]:
        group = Group()
        for value in values:
            group.add(frame_records("val")[task] | {"gt_value": value})
        drawn = plots.draw_plots(task, {"val": group}, np.zeros(100, int), tmp_path)
        assert all(plots.is_plot(plot.name) for plot in drawn)
        return {plot.title: plot.description for plot in drawn}

    told = plots_of("correspondence_seen_where", "A", "A, C")
    assert told["Answers"].startswith("val: A 100 %, B 0 %, C 50 %")
    assert told["Images of a record"] == ("val: 3 100 %, 4 0 %, 5 0 %, 6 0 %, 7 0 %, 8 0 %")
    told = plots_of("camera_net_turn", -200, 40, 300)
    assert told["Answers"] == "val: median 40 °, from -200 to 300"
    assert plots_of("object_count_distinct", 2, 3)["Answers"] == "val: median 2, from 2 to 3"
    stray = plots_of("depth_nearest_view", "A", "<b>")["Answers"]
    assert stray.startswith("val: A 50 %")
    assert stray.endswith("H 0 %, other 50 %")


def test_a_sheet_shows_the_points_where_they_are(root):
    one = sample_records("train", 1)["correspondence_coor"][0]
    drawn = Drawn(0.0, one, "train", root / "data/scannet/posed_images")
    cell = sheets.draw_record(drawn, faults := [])
    width = (cell.width - sheets.GAP) // 2
    height = round(width * 480 / 640)
    asked = (round(0.6 * width), round(0.3 * height))
    answered = (width + sheets.GAP + round(0.4 * width), round(0.8 * height))
    for image in (cell, sheets.reduce_colors(cell).convert("RGB")):
        assert COLOR["asked"] in colors_right_of(image, asked)
        assert COLOR["answered"] in colors_right_of(image, answered)
        # Open at the exact place: it shows the image's grey.
        assert all(
            max(image.getpixel(at)) - min(image.getpixel(at)) < 12 for at in (asked, answered)
        )
    assert COLOR["asked"] not in colors_right_of(cell, (asked[0] + width + sheets.GAP, asked[1]))
    assert faults == []


def colors_right_of(image: Image.Image, place: tuple[int, int]) -> set[tuple[int, ...]]:
    """Colours at the distance at which a mark has its outline."""
    return {image.getpixel((place[0] + away, place[1])) for away in range(6, 15)}


def test_a_sheet_shows_a_ring_only_where_the_picture_has_dots(root):
    drawn = Drawn(0.0, multichoice(), "train", root / "data/scannet/posed_images")
    cell = sheets.draw_record(drawn, [])
    width = (cell.width - sheets.GAP) // 2
    x, y = round(0.6 * width), round(0.3 * width * 480 / 640)
    reach = round(sheets.RING_REACH * width / 640)
    inside = {cell.getpixel((x + away, y)) for away in range(reach - 4)}
    assert COLOR["asked"] not in inside
    assert any(cell.getpixel((x + reach + k, y)) == COLOR["asked"] for k in range(-2, 3))


# Boxes of objects.


@pytest.mark.parametrize("task", ["object_height", "object_length", "object_width"])
def test_edges_of_a_box_lie_where_the_projection_says(prepared_root, task):
    one, scenes = box_record(prepared_root, task)
    (found,) = boxes.read_boxes(prepared_root, [one], faults := {})
    assert (len(found.lines), found.contradictions, faults) == (12, [], {})
    scene_id, _, name = one["image"][0].partition("/")
    ids, poses = scenes.valid_frames(scene_id)
    box = scenes.aligned_box(scene_id, one["object_id"])
    pose = poses[ids.index(name.removesuffix(".jpg"))]
    pixels, _ = project(corners(box), scenes.intrinsic(scene_id), pose)
    expected = 1000 * pixels / scenes.color_size(scene_id)
    ends = np.array([[line[2:4], line[4:6]] for line in found.lines])
    away = np.linalg.norm(ends[:, :, None] - expected, axis=-1)
    assert away.min(axis=-1).max() < 0.1  # every end is a corner
    nearest = np.sort(away.argmin(axis=-1), axis=1).tolist()
    assert len({tuple(pair) for pair in nearest}) == 12
    # Each measured edge joins two corners that are as far from each other as the answer says.
    measured = [pair for pair, line in zip(nearest, found.lines, strict=True) if line.measured]
    assert len(measured) == 4
    for first, second in measured:
        length = np.linalg.norm(corners(box)[first] - corners(box)[second])
        assert abs(1000 * length - one["gt_value"]) <= 0.5


def test_edges_are_cut_at_the_border_and_before_the_camera():
    matrix = np.array([[100.0, 0, 50, 0], [0, 100, 40, 0], [0, 0, 1, 0]])  # of a 100 x 80 image
    ends = np.array(
        [
            [[-2, 0, 2], [2, 0, 2]],  # crosses the image: both ends at the border
            [[0, 0.1, -1], [0, 0.1, 1]],  # starts behind the camera
            [[0, 0, -3], [0, 0, -1]],  # behind it
            [[5, 0, 1], [5, 1, 1]],  # beside the image
            [[0, 0, 1], [0.1, 0, 1]],  # inside
        ]
    )
    found = boxes.clip_edges(ends, matrix, (100, 80))
    assert np.allclose(found[0], [[0, 40], [100, 40]])
    assert np.allclose(found[1], [[50, 80], [50, 50]])
    assert np.isnan(found[2:4]).all()
    assert np.allclose(found[4], [[50, 40], [60, 40]])


def test_a_box_that_gt_value_does_not_fit_is_told_and_unknown_ones_are_not_drawn(prepared_root):
    one, _ = box_record(prepared_root)
    wrong = one | {"gt_value": one["gt_value"] + 100}
    stranger = one | {"image": ["scene9999_00/00000.jpg"]}
    others = [one | {"object_id": 10**6}, one | {"object_id": "7"}, stranger, multichoice()]
    found = boxes.read_boxes(prepared_root, [wrong, *others], faults := {})
    assert found[0].contradictions == ["the box and gt_value differ"]
    assert found[1:] == [None] * 4
    assert (
        Drawn(0.0, wrong, "train", prepared_root, found[0]).warnings[-1]
        == "the box and gt_value differ"
    )
    assert faults == {}


def test_a_sheet_shows_the_box(prepared_root):
    one, _ = box_record(prepared_root)
    (box,) = boxes.read_boxes(prepared_root, [one], {})
    cell = sheets.draw_record(
        Drawn(0.0, one, "train", prepared_root / "data/scannet/posed_images", box), faults := []
    )
    picture_width = (cell.width - sheets.GAP) // 2
    with Image.open(prepared_root / "data/scannet/posed_images" / one["image"][0]) as image:
        height = round(picture_width * image.height / image.width)
    line = box.lines[-1]
    assert line.measured
    x, y = (line.x1 + line.x2) / 2000 * picture_width, (line.y1 + line.y2) / 2000 * height
    around = {cell.getpixel((round(x) + i, round(y) + j)) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    assert COLOR["side"] in around
    assert faults == []


# Sheets of three to eight frames.


@pytest.mark.parametrize("count", [1, 3, 5, 8, 60])
def test_a_sheet_shows_all_images_of_a_record_within_its_width(root, count):
    one = frame_records("train")["depth_nearest_view"]
    one["image"] = [f"scene0000_00/{5 * (k % 2):05d}.jpg" for k in range(count)]
    drawn = Drawn(0.0, one, "train", root / "data/scannet/posed_images")
    cell = sheets.draw_record(drawn, faults := [])
    assert faults == []
    assert cell.width == sheets.WIDTH - 2 * sheets.MARGIN
    layout = sheets._layout(drawn)
    assert layout.per_row <= sheets.MAX_PER_ROW
    row = layout.per_row * layout.share + (layout.per_row - 1) * sheets.GAP
    assert cell.width - layout.per_row <= row <= cell.width
    picture, _ = sheets._picture(drawn.image_paths[0], layout, [])
    assert picture.height <= sheets.MAX_HEIGHT
    level = np.asarray(cell.convert("L"))
    shown = int(((level > 60) & (level < 120)).sum()) / (picture.width * picture.height)
    assert abs(shown - count) < 0.05 * count + 0.05  # letters count a little


def test_a_sheet_frames_the_right_image_and_ticks_the_right_choice(root):
    one = frame_records("train")["depth_nearest_view"]
    one["image"] = ["scene0000_00/00000.jpg"] * 3
    drawn = Drawn(0.0, one, "train", root / "data/scannet/posed_images")
    cell, layout = sheets.draw_record(drawn, []), sheets._layout(drawn)
    lefts = [number * (layout.share + sheets.GAP) for number in range(3)]
    framed = [cell.getpixel((left + 2, 40)) == COLOR["right"] for left in lefts]
    assert framed == [False, True, False]
    texts = [text for text, *_ in sheets._texts(drawn, layout.width)]
    assert "A. Image-1 · ✓ B. Image-2 · C. Image-3" in texts


def test_a_sheet_shows_names_and_boxes_in_the_colours_of_objects(root):
    one = frame_records("train")["relation_object_distance"]
    one["image"] = ["scene0000_00/00000.jpg"] * 3
    lines = [boxes.Line(1, False, 200, 500, 800, 500, 1)]
    box = boxes.ObjectBox(lines, [], [], [boxes.Label(1, 1, HOSTILE, 999, 1)])
    drawn = Drawn(0.0, one, "train", root / "data/scannet/posed_images", box)
    cell, layout = sheets.draw_record(drawn, []), sheets._layout(drawn)
    left, color = layout.share + sheets.GAP, tuple(bytes.fromhex(looks.OBJECT_COLORS[1][1:]))
    height = min(round(layout.share * 480 / 640), sheets.MAX_HEIGHT)
    middle = {cell.getpixel((left + layout.share // 2, height // 2 + k)) for k in (-1, 0, 1)}
    assert color in middle
    assert any(cell.getpixel((left + x, 3)) == color for x in range(layout.share))
    assert not any(cell.getpixel((x, 3)) == color for x in range(layout.share))


@pytest.mark.parametrize("text", ["word " * 400, "x" * 5000, "", HOSTILE, "a\n" * 50])
def test_wrapped_text_fits(text):
    font = looks.font(sheets.FONT_SIZE)
    lines = sheets.wrap(text, 300, font, 6)
    assert 1 <= len(lines) <= 6
    assert max(font.getlength(line) for line in lines) <= 300
    if font.getlength(text.replace("\n", "")) > 1800 or text.count("\n") > 6:
        assert lines[-1].endswith("…")


# Commands.


def test_the_report_repeats_byte_for_byte_and_removes_what_is_gone(report, root):
    before = files_below(report)
    (report / "plots/object_width_answers.svg").write_text("of an earlier run")
    (report / "thumbnails" / f"{'0' * 32}.jpg").write_text("of an earlier run")
    (report / "plots/mine.svg").write_text("of the user")
    assert make_report.main(["--root", str(root), *FLAGS]) == 0
    after = files_below(report)
    assert after.pop("plots/mine.svg") == b"of the user"
    (report / "plots/mine.svg").unlink()
    assert after == before


def test_any_number_of_workers_gives_the_same_bytes(report, root, tmp_path):
    output = tmp_path / "out"
    flags = [*FLAGS[:2], "--num-workers", "2", "--output", str(output)]
    assert make_report.main(["--root", str(root), *flags]) == 0
    one, two = files_below(report), files_below(output)
    assert one.pop(page.DATA) != two.pop(page.DATA)  # the way from it to the images is another
    assert one == two


def test_hostile_text_is_neither_markup_nor_the_end_of_a_script(report):
    html, data = (report / "index.html").read_text("utf-8"), (report / page.DATA).read_text("utf-8")
    assert "<b>bold" not in html
    assert "&lt;b&gt;bold" in html
    assert "\u202e" not in html + data
    assert "<" not in data
    shown = shown_data(report)["records"]
    assert any(one["id"].startswith("</script><img src=x onerror=") for one in shown)


def test_data_names_images_that_are_there(report):
    data = shown_data(report)
    assert len(data["records"]) == 400
    assert len(data["images"]) == 4
    for image in data["images"]:
        assert (report / image["small"]).is_file()
        assert (report / image["large"]).is_file()
    assert {number for one in data["records"] for number in one["images"]} == {0, 1, 2, 3}


def test_missing_images_are_told_on_the_page_and_by_the_exit_code(tmp_path, capsys):
    write_records(tmp_path, "object_height", "val", sample_records("val", 2)["object_height"])
    assert make_report.main(["--root", str(tmp_path), *FLAGS]) == 1
    assert "2 images: " in capsys.readouterr().out
    html = (tmp_path / "report/index.html").read_text("utf-8")
    assert "00000.jpg: no such image" in html
    assert {image["small"] for image in shown_data(tmp_path / "report")["images"]} == {""}


def test_empty_files_give_a_page_that_says_so(tmp_path, capsys):
    write_records(tmp_path, "object_height", "val", [])
    assert make_report.main(["--root", str(tmp_path), *FLAGS]) == 1
    assert "no records" in capsys.readouterr().out
    assert "nothing to plot" in (tmp_path / "report/index.html").read_text("utf-8")


@pytest.mark.parametrize("command", [make_report, make_contact_sheets])
def test_nothing_to_read_raises_one_line(command, tmp_path):
    with raises_one_line(MissingInputError, "no records"):
        command.main(["--root", str(tmp_path)])
    with raises_one_line(MissingInputError, "none.jsonl"):
        command.main(["--root", str(tmp_path), "--records", str(tmp_path / "none.jsonl")])


def test_sheets_are_written_for_each_task_and_split_and_repeat(root, tmp_path):
    flags = ["--root", str(root), "--records-per-sheet", "3", "--output", str(tmp_path)]
    made = []
    for workers in ("1", "2"):
        assert make_contact_sheets.main([*flags, "--num-workers", workers]) == 0
        made.append(files_below(tmp_path / "sheets"))
    assert made[0] == made[1]
    tasks = sample_records("val", 1)
    assert sorted(made[0]) == sorted(
        f"{task}_{split}.png" for task in tasks for split in ("train", "val")
    )
    with Image.open(tmp_path / "sheets/correspondence_coor_val.png") as sheet:
        assert sheet.width == sheets.WIDTH
        assert sheet.height < 2000
        found = set(map(tuple, np.asarray(sheet.convert("RGB")).reshape(-1, 3)))
    assert {COLOR["asked"], COLOR["answered"]} <= found
