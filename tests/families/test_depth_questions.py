from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers import sentence_in
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_scenes import SCENE, TinyScene, lie_along

from spatial_engine.depth_perception import (
    depth_comparison_dot_engine,
    depth_engine,
    depth_pairs,
)
from spatial_engine.depth_perception import depth_questions as questions
from spatial_engine.depth_perception.depth_engine import most_records, share_out
from spatial_engine.depth_perception.depth_questions import SceneRequest
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.pictures.drawing import COLOR_NAMES, PALETTE, MarkSize
from spatial_engine.utils.questions import records
from spatial_engine.utils.questions.records import format_value
from spatial_engine.utils.questions.tasks import SUBTASKS, TASKS
from spatial_engine.utils.running.scene_runner import PartResult

SIZE = (324, 242)
MARK = MarkSize.of(10, SIZE)
DEPTH = [task for task in SUBTASKS if task.startswith("depth_")]
COMPARISONS = [task for task in DEPTH if "comparison" in task]
ESTIMATIONS = [task for task in DEPTH if "estimation" in task]
USUAL = {name: getattr(depth_comparison_dot_engine, name) for name in depth_engine.FLAGS}
# By the published constants many more questions can be asked of a few small frames.
PUBLISHED = {name: flag.get("published", USUAL[name]) for name, flag in depth_engine.FLAGS.items()}


def asked(
    task: str, wanted: int, images=None, split="train", constants: dict[str, Any] = PUBLISHED
) -> SceneRequest:
    images = frozenset(f"{5 * k:05d}" for k in range(100)) if images is None else images
    given = {name: value for name, value in constants.items() if name != "DOT_RADIUS_PX"}
    if task.endswith("_dot"):
        given["DOT_RADIUS_PX"] = constants["DOT_RADIUS_PX"]
    sentences = questions.load_sentences(task)
    return SceneRequest(task, split, SCENE, 0, wanted, images, given, sentences)


def even(times: int, rounds: int, chance: float = 0.5) -> bool:
    """Whether a count is within five standard deviations of what chance gives."""
    return abs(times - rounds * chance) <= 5 * (rounds * chance * (1 - chance)) ** 0.5


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Five frames with images, each seeing about a hundred points."""
    folder = tmp_path_factory.mktemp("depth")
    return TinyScene(folder, np.random.default_rng(0), 5, 300, SIZE, images=True)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """Frames that see nothing, one, two, three and very many points, and three more."""
    lists = [[], [4], [4, 9], [1, 2, 3], range(200), [0, 5], [7], range(50)]
    return TinyScene(
        tmp_path_factory.mktemp("uneven"), np.random.default_rng(1), 8, 200, lists=lists
    )


# ---- frames --------------------------------------------------------------------------------------


def chosen(scene, task, wanted, images=None, seed=0, constants=PUBLISHED):
    result = PartResult()
    request = asked(task, wanted, images, constants=constants)
    frames = questions.choose_frames(np.random.default_rng(seed), scene.views, request, result)
    return frames, {reason: n for reason, n in result.drops[task].items() if n}


@pytest.mark.parametrize("task", COMPARISONS)
@pytest.mark.parametrize("wanted", [-1, 0, 1, 4, 5, 7, 10, 1003])
def test_a_comparison_asks_about_each_frame_as_often_give_or_take_one(uneven, task, wanted):
    frames, drops = chosen(uneven, task, wanted)
    able = [2, 3, 4, 5, 7]
    assert len(frames) == (len(able) if wanted < 0 else wanted)
    times = Counter(frames.tolist())
    assert set(times) <= set(able)
    counts = [times[frame] for frame in able]
    assert max(counts) - min(counts) <= 1
    assert drops == {"frames that see no vertex": 1, "frames that see one vertex": 2}


@pytest.mark.parametrize("task", ESTIMATIONS)
@pytest.mark.parametrize("wanted", [-1, 0, 1, 6, 7, 8, 1003])
def test_an_estimation_asks_about_each_frame_once_at_most(uneven, task, wanted):
    frames, drops = chosen(uneven, task, wanted)
    assert len(frames) == (7 if wanted < 0 else min(wanted, 7))
    assert len(set(frames.tolist())) == len(frames)
    assert 0 not in frames
    assert drops == {"frames that see no vertex": 1}


@pytest.mark.parametrize("task", DEPTH)
def test_frames_without_an_image_are_left_out_and_counted(uneven, task):
    images = frozenset({"00000", "00005", "00020", "00035", "99999"})  # frames 0, 1, 4, 7
    frames, drops = chosen(uneven, task, -1, images)
    seeing = {4, 7} if "comparison" in task else {1, 4, 7}
    assert set(frames.tolist()) == seeing
    enough = 5 if "comparison" in task else 7
    assert drops["frames whose image file is missing"] == enough - len(seeing)
    assert drops["frames that see no vertex"] == 1
    for wanted in (-1, 10):
        assert not len(chosen(uneven, task, wanted, frozenset())[0])


def test_every_frame_is_as_likely_among_a_few(uneven):
    for task, able in (("depth_estimation_coor", 7), ("depth_comparison_coor", 5)):
        times = Counter()
        for seed in range(700):
            times.update(chosen(uneven, task, 2, seed=seed)[0].tolist())
        assert len(times) == able
        assert all(even(number, 700, 2 / able) for number in times.values())


@pytest.mark.parametrize("most", [-1, 1, 3, 10])
@pytest.mark.parametrize("wanted", [-1, 4, 5, 14, 15, 16, 1003])
def test_no_frame_is_asked_about_more_often_than_the_constant_says(uneven, most, wanted):
    constants = {**PUBLISHED, "MAX_PER_FRAME": most}
    frames, drops = chosen(uneven, "depth_comparison_coor", wanted, constants=constants)
    times, able = Counter(frames.tolist()), 5
    expected = able if wanted < 0 else wanted
    if most >= 0:
        assert max(times.values()) <= most
        expected = min(expected, most * able)
    assert len(frames) == expected
    assert drops.get(f"more than {most} questions about a frame", 0) == max(wanted - expected, 0)


COUNTS = st.lists(st.integers(0, 400), max_size=20)


@settings(max_examples=200, deadline=None, database=None)
@given(COUNTS, st.integers(1, 30_000), st.integers(1, 12))
def test_scenes_of_few_frames_are_asked_less_and_the_others_more(counts, wanted, most):
    frames = {f"scene{number:04d}_00": count for number, count in enumerate(counts)}
    shares = share_out(frames, wanted, most)
    assert shares.keys() == frames.keys()
    there = {scene: most * count for scene, count in frames.items()}
    assert all(0 <= share <= there[scene] for scene, share in shares.items())
    assert sum(shares.values()) >= min(wanted, sum(there.values()))
    free = {share for scene, share in shares.items() if share < there[scene]}
    assert len(free) <= 1 and all(share <= max(free, default=share) for share in shares.values())
    if free:  # each of them is asked for one record more than is wanted, as without a limit
        assert sum(shares.values()) < wanted + 2 * len(frames)
        assert min(free) >= wanted // len(frames) + 1


def test_without_a_limit_all_scenes_are_asked_for_as_much():
    frames = {"a": 3, "b": 40, "c": 1}
    for most in (-1, 1000):
        assert share_out(frames, 100, most) == {"a": 34, "b": 34, "c": 34}
    assert share_out(frames, -1, 10) == share_out(frames, -1, -1) == {"a": -1, "b": -1, "c": -1}
    assert share_out(frames, 200, 10) == {"a": 30, "b": 161, "c": 10}
    assert share_out({}, 100, 10) == {}


# ---- two points ----------------------------------------------------------------------------------


def two_points(scene, frames, seed=0, fits=None, gap=1, apart=0.0, **constants):
    frames = np.asarray(frames)

    def all_fit(numbers, points):
        return np.ones(points.shape, bool)

    rng = np.random.default_rng(seed)
    constants = {**PUBLISHED, "MIN_DEPTH_GAP_MM": gap, **constants}
    return depth_pairs.draw_two_points(rng, scene.views, frames, fits or all_fit, constants, apart)


@pytest.mark.parametrize(("gap", "apart"), [(1, 0.0), (1, 80.0), (700, 0.0), (1, 150.0)])
def test_no_frame_gets_the_same_two_points_twice_and_all_can_be_compared(uneven, gap, apart):
    frames = np.resize([2, 3, 4, 5, 7], 6000)
    points, found = two_points(uneven, frames, gap=gap, apart=apart)
    seen: set[tuple] = set()
    for frame, (one, two) in zip(frames[found].tolist(), points[found].tolist(), strict=True):
        assert {one, two} <= set(uneven.lists[frame].tolist())
        key = (frame, min(one, two), max(one, two))
        assert key not in seen
        seen.add(key)
        assert abs(uneven.depth_mm(frame, one) - uneven.depth_mm(frame, two)) >= gap
        assert uneven.coordinates(frame, one) != uneven.coordinates(frame, two)
        pixels = np.array([uneven.see(frame, point)[:2] for point in (one, two)])
        assert np.linalg.norm(pixels[0] - pixels[1]) >= apart - 1e-6
    assert {frame for frame, _, _ in seen} >= {4, 7}
    assert 0 < len(seen) < 6000


def test_a_frame_of_two_or_three_points_ends_when_thousands_are_asked(tmp_path):
    points = lie_along([[100, 100], [200, 150], [50, 200], [250, 40]], [1.2, 2.0, 3.1, 4.4], SIZE)
    lists = [[0, 3], [0, 1, 2], [0, 1, 2, 3]]
    scene = TinyScene(tmp_path, np.random.default_rng(0), 3, points=points, lists=lists)
    for frame, expected in ((0, 1), (1, 3), (2, 6)):
        points, found = two_points(scene, np.full(100_000, frame))
        pairs = {tuple(sorted(pair)) for pair in points[found].tolist()}
        assert np.count_nonzero(found) == len(pairs) == expected
        assert pairs == set(itertools.combinations(scene.lists[frame].tolist(), 2))


def test_equal_depths_and_equal_coordinates_cannot_be_compared(tmp_path):
    """0 and 1 lie on one ray, 2 is as deep as 0 to the millimetre, 3 is 1 mm deeper than 2."""
    pixels = [[100, 100], [100.02, 100.02], [200, 50], [60, 200]]
    points = lie_along(pixels, [2.0, 3.0, 2.0004, 2.0012], SIZE)
    scene = TinyScene(tmp_path, np.random.default_rng(0), 1, points=points, lists=[range(4)])
    found_pairs = {}
    for gap in (0, 1, 2, 999, 1001):
        points, found = two_points(scene, np.zeros(2000, int), gap=gap)
        found_pairs[gap] = {tuple(sorted(pair)) for pair in points[found].tolist()}
    assert found_pairs[1] == found_pairs[0] == {(0, 3), (1, 2), (1, 3), (2, 3)}
    assert found_pairs[2] == {(1, 2), (1, 3)}
    assert found_pairs[999] == {(1, 2), (1, 3)}
    assert found_pairs[1001] == set()


def test_points_fit_the_question_that_they_are_drawn_for(uneven):
    frames = np.resize([4, 7], 400)
    odd = np.arange(400) % 3 == 0

    def fits(numbers, points):
        return (points % 2 == 1) == odd[numbers][:, None]

    points, found = two_points(uneven, frames, fits=fits)
    assert (points[found] % 2 == odd[found][:, None]).all()
    assert found.any()


def test_every_pair_is_as_likely_in_either_order(tmp_path):
    points = lie_along([[100, 100], [200, 150], [50, 200], [250, 40]], [1.2, 2.0, 3.1, 4.4], SIZE)
    scene = TinyScene(tmp_path, np.random.default_rng(0), 1, points=points, lists=[range(4)])
    views, rng, times = scene.views, np.random.default_rng(0), Counter()

    def fits(numbers, points):
        return np.ones(points.shape, bool)

    for _ in range(3000):
        zero = np.zeros(1, int)
        pair, found = depth_pairs.draw_two_points(rng, views, zero, fits, PUBLISHED, 0)
        if found[0]:
            times[tuple(pair[0].tolist())] += 1
    assert len(times) == 12
    assert sum(times.values()) > 2990
    assert all(even(number, 3000, 1 / 12) for number in times.values())


def test_no_frames_are_no_points(uneven):
    points, found = two_points(uneven, np.zeros(0, int))
    assert (points.shape, found.shape) == ((0, 2), (0,))


def test_the_gap_is_so_many_millimetres_or_a_share_of_the_nearer_depth(tmp_path):
    """At 1 m the millimetres decide, at 4 m the share: 0.02 of 4 m are 80 mm."""
    pixels = [[100, 100], [200, 50], [60, 200], [250, 40], [30, 30], [150, 220]]
    points = lie_along(pixels, [1.0, 1.049, 1.050, 4.0, 4.079, 4.080], SIZE)
    scene = TinyScene(tmp_path, np.random.default_rng(0), 1, points=points, lists=[range(6)])
    usual = {name: USUAL[name] for name in ("MIN_DEPTH_GAP_MM", "MIN_DEPTH_GAP_SHARE")}
    points, found = two_points(scene, np.zeros(5000, int), **usual)
    across = {(near, far) for near in (0, 1, 2) for far in (3, 4, 5)}
    assert {tuple(sorted(pair)) for pair in points[found].tolist()} == across | {(0, 2), (3, 5)}


def upright(folder, frames=6, num_points=2000) -> TinyScene:
    """Rooms as they are: what lies low in the image is near, mostly."""
    rng = np.random.default_rng(2)
    pixels = rng.uniform((2, 2), np.array(SIZE) - 2, (num_points, 2))
    depths = 4 - 2 * pixels[:, 1] / SIZE[1] + rng.normal(0, 0.5, num_points).clip(-1, 1)
    points = lie_along(pixels, depths, SIZE)
    return TinyScene(folder, rng, frames, points=points)


def nearer_is_lower(scene, record) -> bool:
    """By the definition, for the vertices that the id names."""
    frame, points = vertices_of(record)
    (_, v1, z1), (_, v2, z2) = (scene.see(frame, point) for point in points)
    return (v1 > v2) == (z1 < z2)


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_nearer_point_is_the_lower_one_in_half_of_the_questions(tmp_path, split):
    scene = upright(tmp_path / "scene")
    for name, constants in (("usual", USUAL), ("published", PUBLISHED)):
        constants = {**constants, "MAX_PER_FRAME": 200}
        request = asked("depth_comparison_coor", 1000, split=split, constants=constants)
        made, result = written(scene, tmp_path / name, request)
        lower = [nearer_is_lower(scene, record) for record in made]
        told = result.notes["depth_comparison_coor"]
        assert told["nearer point lower in the image"] == sum(lower)
        assert told["nearer point higher"] == len(made) - sum(lower)
        if name == "usual":
            assert len(made) == 1000 and even(sum(lower), len(made))
            first = [record["gt_value"] == coordinates_of(record)[0] for record in made]
            closer = [record["is_closer_question"] for record in made]
            for one, other in itertools.combinations((lower, first, closer), 2):
                assert even(sum(a == b for a, b in zip(one, other, strict=True)), len(made))
            assert told_by_heights(made, lower) < 0.6  # 0.53 by chance alone
        else:
            assert sum(lower) > 0.7 * len(made)
            assert told_by_heights(made, lower) > 0.7


def told_by_heights(made, lower) -> float:
    """How many are right of those who know in which quarters of the image the two points are."""
    counts = Counter()
    for record, is_lower in zip(made, lower, strict=True):
        quarters = tuple(sorted(y // 251 for _, y in coordinates_of(record)))
        counts[quarters, bool(is_lower)] += 1
    best = (max(counts[q, True], counts[q, False]) for q in {q for q, _ in counts})
    return sum(best) / len(made)


def coordinates_of(record) -> list[list[int]]:
    return [[told["x"], told["y"]] for told in record["points_info"]]


def test_where_the_nearer_point_is_always_lower_all_questions_are_asked_all_the_same(tmp_path):
    pixels = np.column_stack([np.linspace(20, 300, 60), np.linspace(10, 230, 60)])
    points = lie_along(pixels, np.linspace(5, 1, 60), SIZE)
    scene = TinyScene(tmp_path, np.random.default_rng(0), 1, points=points, lists=[range(60)])
    made, found = two_points(scene, np.zeros(200, int), BALANCE_LOWER=True)
    assert found.all()
    assert all(scene.see(0, a)[1] > scene.see(0, b)[1] for a, b in np.sort(made)[:, ::-1].tolist())


@pytest.mark.parametrize("task", COMPARISONS)
def test_each_question_that_was_asked_for_is_a_record_or_is_counted(scene, tmp_path, task):
    for wanted in (7, 60):
        request = asked(task, wanted, constants=USUAL)
        made, result = written(scene, tmp_path / f"{wanted}", request)
        drops = {reason: n for reason, n in result.drops[task].items() if n}
        assert len(made) + sum(drops.values()) == wanted
        assert drops.get("more than 10 questions about a frame", 0) == max(wanted - 50, 0)
        assert max(Counter(vertices_of(record)[0] for record in made).values()) <= 10
        for record in made:
            check_record(scene, record)
            near, far = sorted(told["depth_mm"] for told in record["points_info"])
            assert far - near >= max(50, 0.02 * near)


# ---- records -------------------------------------------------------------------------------------


def written(scene, folder, request):
    folder.mkdir(parents=True)
    result = questions.write_scene((scene.handler, scene.table, request), folder)
    made = list(records.read_jsonl(folder / f"{request.task}.jsonl"))
    assert result.counts == {request.task: len(made)}
    return made, result


def vertices_of(record) -> tuple[int, list[int]]:
    """Frame number and vertices, from the id."""
    task, split = record["task"], "train" if "conversations" in record else "val"
    assert record["id"].startswith(f"{task}_{split}_{SCENE}_")
    frame, *points = record["id"].removeprefix(f"{task}_{split}_{SCENE}_").split("_")
    return int(frame) // 5, [int(point) for point in points]


def check_record(scene, record) -> None:
    """Points, depths and answer by the definition, for the vertices that the id names."""
    frame, points = vertices_of(record)
    comparison, dot = "comparison" in record["task"], record["task"].endswith("_dot")
    assert len(points) == 1 + comparison
    assert set(points) <= set(scene.lists[frame].tolist())
    letters = ["A", "B"] if comparison and dot else [None] * len(points)
    expected = [
        dict(zip("xy", scene.coordinates(frame, point), strict=True))
        | {"depth_mm": scene.depth_mm(frame, point), "letter": letter}
        for point, letter in zip(points, letters, strict=True)
    ]
    assert record["points_info"] == expected
    depths = [told["depth_mm"] for told in expected]
    if not comparison:
        assert record["gt_value"] == depths[0]
        assert "is_closer_question" not in record
    else:
        best = min if record["is_closer_question"] else max
        answer = expected[depths.index(best(depths))]
        assert record["gt_value"] == (answer["letter"] if dot else [answer["x"], answer["y"]])
        assert depths[0] != depths[1]
    text = record.get("text") or record["conversations"][0]["value"]
    for told in expected:
        assert (f"[ {told['x']} , {told['y']} ]" in text) == (not dot)
    assert "{" not in text
    assert record["question_type"] == record["task"]
    assert (record["width_list"], record["height_list"]) == ([SIZE[0]], [SIZE[1]])
    name = "_".join([scene.ids[frame], *map(str, points)]) if dot else scene.ids[frame]
    assert record["image"] == [f"{SCENE}/{name}.jpg"]


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("task", DEPTH)
def test_records_say_what_the_geometry_says(scene, tmp_path, task, split):
    made, _ = written(scene, tmp_path / "part", asked(task, 40, split=split))
    if "estimation" in task:
        assert len(made) == 5
    else:
        assert 25 <= len(made) <= 40
    for record in made:
        check_record(scene, record)
        assert ("conversations" in record) == (split == "train")
    assert len({record["id"] for record in made}) == len(made)


@pytest.mark.parametrize("task", [task for task in DEPTH if task.endswith("_dot")])
def test_pictures_show_the_marks_of_their_record_and_nothing_else_is_written(scene, tmp_path, task):
    made, _ = written(scene, tmp_path / "part", asked(task, 30))
    folder = tmp_path / "part" / "images"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        record["image"][0].split("/")[1] for record in made
    )
    for record in made:
        image = jpeg.read(folder / record["image"][0].split("/")[1], "").astype(int)
        frame, points = vertices_of(record)
        places = np.array([scene.see(frame, point)[:2] for point in points])
        assert MARK.is_inside(places, SIZE).all()
        assert len(record["mark_colors"]) == len(set(record["mark_colors"])) == len(points)
        for (u, v), name in zip(places, record["mark_colors"], strict=True):
            color = PALETTE[COLOR_NAMES.index(name)]
            assert np.abs(image[round(v), round(u), ::-1] - color).max() <= 25
        if len(points) == 2:
            assert np.linalg.norm(places[0] - places[1]) >= 2 * MARK.reach - 1e-6


def test_a_coor_task_opens_no_image_and_makes_none(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(jpeg, "read", None)
    for task in ("depth_estimation_coor", "depth_comparison_coor"):
        made, _ = written(scene, tmp_path / task, asked(task, 5))
        assert made and "mark_colors" not in made[0]
        assert [path.name for path in (tmp_path / task).iterdir()] == [f"{task}.jsonl"]


def test_closer_and_farther_are_balanced_and_answers_do_not_depend_on_the_place(scene, tmp_path):
    made, result = written(scene, tmp_path / "part", asked("depth_comparison_coor", 3000))
    assert len(made) > 2500
    closer = [record["is_closer_question"] for record in made]
    assert even(sum(closer), len(made))
    first = [
        record["gt_value"] == [record["points_info"][0][axis] for axis in "xy"] for record in made
    ]
    assert even(sum(first), len(made))
    both = [one == two for one, two in zip(closer, first, strict=True)]
    assert even(sum(both), len(made))
    for record in made[::50]:
        check_record(scene, record)
    lower = sum(nearer_is_lower(scene, record) for record in made)
    told = {"nearer point lower in the image": lower, "nearer point higher": len(made) - lower}
    assert result.notes == {"depth_comparison_coor": told}


def test_letters_are_balanced_and_colours_tell_nothing(scene):
    """Without pictures: only what is drawn, coloured and phrased."""
    request = asked("depth_comparison_dot", 2500)
    rng, views, result = np.random.default_rng(0), scene.views, PartResult()
    frames = questions.choose_frames(rng, views, request, result)
    drawn = questions.draw_points(rng, views, frames, request, result)
    planned = questions.plan_pictures(rng, views, drawn, request)
    assert all(list(picture.letters) == ["A", "B"] for picture in planned)
    named = [(picture.name, []) for picture in planned]
    made = list(questions.phrase(rng, views, drawn, named, request))
    assert len(made) > 1500
    letters = Counter(record["gt_value"] for record in made)
    assert set(letters) == {"A", "B"} and even(letters["A"], len(made))
    for closer in (True, False):
        mine = [r["gt_value"] for r in made if r["is_closer_question"] == closer]
        assert even(mine.count("A"), len(mine))
    first = Counter(picture.preferences[0] for picture in planned)
    assert set(first) == set(range(len(PALETTE)))
    assert all(even(number, len(planned), 0.1) for number in first.values())
    for picture in planned[:20]:
        assert sorted(picture.preferences) == list(range(len(PALETTE)))
    taken = result.drops["depth_comparison_dot"]
    assert taken["no new pair of points that can be compared"] == 2500 - len(made)


def test_sentences_ask_for_what_is_answered(scene, tmp_path):
    for task in COMPARISONS:
        made, _ = written(scene, tmp_path / task, asked(task, 120, split="val"))
        sentences = dict(
            zip(TASKS[task].variants, questions.load_sentences(task).variants, strict=True)
        )
        asked_for = set()
        for record in made:
            text = record["text"]
            for slot, point in zip(TASKS[task].slots, record["points_info"], strict=False):
                text = text.replace(format_value([point["x"], point["y"]]), f"{{{slot}}}")
            variant = "closer" if record["is_closer_question"] else "farther"
            sentence_in(text, sentences[variant], TASKS[task].form)
            asked_for.add(variant)
        assert asked_for == {"closer", "farther"}
        for name in ("questions", "full", "plain", "heldout"):
            assert not set.intersection(*(set(getattr(s, name)) for s in sentences.values()))


def test_points_near_the_border_are_not_marked_and_counted(tmp_path):
    """Frame 0 sees one point that is clear of the border among two hundred; frame 1 none."""
    edge = np.column_stack([np.linspace(1, 320, 200), np.full(200, 5.0)])
    pixels = np.vstack([edge, [[160.0, 120.0]]])
    points = lie_along(pixels, np.linspace(2, 4, 201), SIZE)
    lists = [range(201), range(200), []]
    scene = TinyScene(
        tmp_path, np.random.default_rng(0), 3, points=points, lists=lists, images=True
    )
    made, result = written(scene, tmp_path / "dot", asked("depth_estimation_dot", -1))
    assert [vertices_of(record) for record in made] == [(0, [200])]
    drops = {reason: n for reason, n in result.drops["depth_estimation_dot"].items() if n}
    assert drops == {"frames that see no vertex": 1, "no point clear of the border": 1}
    made, result = written(scene, tmp_path / "coor", asked("depth_estimation_coor", -1))
    assert len(made) == 2
    made, result = written(scene, tmp_path / "two", asked("depth_comparison_dot", 20))
    assert made == []
    drops = result.drops["depth_comparison_dot"]
    assert drops["no new pair of points that can be compared"] == 20


@pytest.mark.parametrize("task", DEPTH)
def test_the_same_request_gives_the_same_bytes_and_another_seed_others(scene, tmp_path, task):
    request = asked(task, 12)
    made = [
        written(scene, tmp_path / str(number), one)[0]
        for number, one in enumerate((request, request, replace(request, seed=1)))
    ]
    assert made[0] == made[1] != made[2]
    if task.endswith("_dot"):
        for path in (tmp_path / "0" / "images").iterdir():
            assert path.read_bytes() == (tmp_path / "1" / "images" / path.name).read_bytes()


def test_the_estimate_of_records_is_never_too_low(uneven):
    views = uneven.views
    for task in DEPTH:
        for share in (-1, 1, 5, 400):
            most = most_records(task, share, len(views.image_ids), views.visibility.num_points)
            frames, _ = chosen(uneven, task, share)
            assert len(frames) <= most <= max(share, 8)
    assert most_records("depth_comparison_dot", 10**9, 3, 4) == 18
