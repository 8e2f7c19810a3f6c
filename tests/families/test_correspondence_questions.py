from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from helpers import sentence_in
from tiny_scenes import SCENE, TinyScene

from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.pictures.drawing import COLOR_NAMES, PALETTE, MarkSize
from spatial_engine.utils.questions import records
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.visual_correspondence import correspondence_questions as questions
from spatial_engine.visual_correspondence.correspondence_questions import (
    LETTERS,
    Matches,
    SceneRequest,
)
from spatial_engine.visual_correspondence.distractors import HARD_REACHES

SIZE = (324, 242)
MARK = MarkSize.of(10, SIZE)
COOR, DOTS = "correspondence_coor", "correspondence_multichoice"
FRAMES = 7


def even(times: int, rounds: int, chance: float = 0.5) -> bool:
    """Whether a count is within five standard deviations of what chance gives."""
    return abs(times - rounds * chance) <= 5 * (rounds * chance * (1 - chance)) ** 0.5


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Six frames that see random halves of what is in their image, and one that sees nothing."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("matches")
    scene = TinyScene(folder, rng, FRAMES, 300, SIZE, images=True)
    scene.lists = [
        np.array([p for p in seen if rng.random() < 0.5], np.int32) for seen in scene.lists
    ]
    scene.lists[5] = np.zeros(0, np.int32)
    scene.write_table()
    overlap = rng.uniform(6, 35, (FRAMES, FRAMES))
    scene.overlap = np.triu(overlap) + np.triu(overlap).T
    scene.pairs_path = scene.write_pairs(scene.overlap)
    return scene


def all_rows() -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(FRAMES, k=1)


def asked(task=DOTS, rows=None, images=None, difficulty="easy", split="train") -> SceneRequest:
    rows = np.arange(len(all_rows()[0])) if rows is None else np.asarray(rows)
    images = frozenset(f"{5 * k:05d}" for k in range(FRAMES)) if images is None else images
    radius = 10 if task == DOTS else 0
    given = (task, split, SCENE, 0, rows, images, "surface", 0.0, radius, difficulty)
    return SceneRequest(*given, sentences=questions.load_sentences(task))


# ---- points that two frames see ------------------------------------------------------------------


def drawn_matches(scene, task, times=1, images=None, seed=0):
    """Matches for every pair of frames, `times` over; whatever was dropped."""
    first, second = (np.tile(column, times) for column in all_rows())
    columns = {"first": first, "second": second, "overlap": scene.overlap[first, second]}
    result, request = PartResult(), asked(task, images=images)
    rng = np.random.default_rng(seed)
    matches = questions.draw_matches(rng, scene.views, columns, request, result)
    return matches, {reason: n for reason, n in result.drops[request.task].items() if n}


def can_be_marked(scene, frame: int, point: int) -> bool:
    u, v, _ = scene.see(frame, point)
    low = MARK.margin
    return low <= u <= SIZE[0] - 1 - low and low <= v <= SIZE[1] - 1 - low


@pytest.mark.parametrize("task", [COOR, DOTS])
def test_matches_are_points_that_both_frames_see_where_they_show_them(scene, task):
    matches, drops = drawn_matches(scene, task, 20)
    sets = [set(seen.tolist()) for seen in scene.lists]
    blind = 6 * 20  # pairs with the frame that sees nothing
    assert drops == {"pairs without a point that can be asked about": blind}
    assert len(matches.points) == 20 * 21 - blind
    for (first, second), point, pixels, overlap in zip(
        matches.frames.tolist(), matches.points.tolist(), matches.pixels, matches.overlap,
        strict=True,
    ):  # fmt: skip
        assert point in sets[first] and point in sets[second]
        assert overlap == scene.overlap[first, second]
        for frame, pixel in zip((first, second), pixels, strict=True):
            np.testing.assert_allclose(pixel, scene.see(frame, point)[:2], atol=1e-6)
            assert task == COOR or can_be_marked(scene, frame, point)


@pytest.mark.parametrize("task", [COOR, DOTS])
def test_frames_are_swapped_half_the_time_and_every_point_is_as_likely(scene, task):
    """A point is drawn from the one frame and looked up in the other: neither order may show."""
    times = 400
    matches, _ = drawn_matches(scene, task, times)
    swapped = matches.frames[:, 0] > matches.frames[:, 1]
    assert even(np.count_nonzero(swapped), len(swapped))
    for pair in ((0, 1), (2, 6)):
        fitting = {
            point
            for point in set(scene.lists[pair[0]].tolist()) & set(scene.lists[pair[1]].tolist())
            if task == COOR or all(can_be_marked(scene, frame, point) for frame in pair)
        }
        mine = np.sort(matches.frames, axis=1) == pair
        drawn = Counter(matches.points[mine.all(axis=1)].tolist())
        assert sum(drawn.values()) == times
        assert set(drawn) <= fitting
        assert len(drawn) == len(fitting)
        mean = times / len(fitting)
        chi2 = sum((drawn[point] - mean) ** 2 / mean for point in fitting)
        assert chi2 < len(fitting) + 6 * (2 * len(fitting)) ** 0.5


@pytest.mark.parametrize("task", [COOR, DOTS])
def test_pairs_with_a_missing_image_are_dropped_and_counted(scene, task):
    images = frozenset({"00000", "00010", "00025"})  # 0, 2 and 5, which sees nothing
    matches, drops = drawn_matches(scene, task, 3, images)
    assert {tuple(sorted(pair)) for pair in matches.frames.tolist()} == {(0, 2)}
    assert matches.overlap.tolist() == [scene.overlap[0, 2]] * 3
    assert drops == {
        "pairs whose image file is missing": 3 * 18,
        "pairs without a point that can be asked about": 3 * 2,
    }
    matches, drops = drawn_matches(scene, task, 3, frozenset())
    assert len(matches.points) == 0
    assert drops == {"pairs whose image file is missing": 63}


# ---- four options --------------------------------------------------------------------------------


def options_for(pixels, size, difficulty, seed=0, radius=10):
    """Options for matches at `pixels` (n, 2) of the second image."""
    pixels = np.asarray(pixels, float)
    count = len(pixels)
    frames = np.stack([np.arange(count), np.arange(count)], axis=1)
    both = np.stack([np.zeros((count, 2)), pixels], axis=1)
    matches = Matches(frames, np.arange(count), both, np.zeros(count))
    result = PartResult(drops={"correspondence_multichoice": {}})
    views = SimpleNamespace(image_size=size)
    kept, options, answers = questions.draw_options(
        np.random.default_rng(seed), views, matches, MarkSize.of(radius, size),
        asked(difficulty=difficulty), result,
    )  # fmt: skip
    dropped = result.drops["correspondence_multichoice"]["no room for three distractors"]
    assert options.shape == (len(kept.points), 4, 2) and answers.shape == (len(kept.points),)
    assert dropped == count - len(kept.points)
    return kept, options, answers


def anywhere(size, count, seed=1, radius=10) -> np.ndarray:
    mark = MarkSize.of(radius, size)
    low, high = mark.margin, np.array(size) - 1 - mark.margin
    return np.random.default_rng(seed).uniform(low, high, (count, 2))


@pytest.mark.parametrize("difficulty", ["easy", "hard"])
@pytest.mark.parametrize("size", [(160, 120), (324, 242), (1296, 968), (2592, 1936)])
def test_options_are_inside_apart_and_one_is_the_match(size, difficulty):
    mark, pixels = MarkSize.of(10, size), anywhere(size, 300)
    kept, options, answers = options_for(pixels, size, difficulty)
    assert len(options) > 100 or size == (160, 120)
    assert mark.is_inside(options, size).all()
    between = np.linalg.norm(options[:, :, None] - options[:, None], axis=3)
    assert (between[:, ~np.eye(4, dtype=bool)] >= 2 * mark.reach).all()
    np.testing.assert_array_equal(options[np.arange(len(options)), answers], kept.pixels[:, 1])
    np.testing.assert_array_equal(pixels[kept.points], kept.pixels[:, 1])


@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_letters_of_the_match_are_balanced(difficulty):
    _, _, answers = options_for(anywhere((1296, 968), 4000), (1296, 968), difficulty)
    times = np.bincount(answers, minlength=4)
    assert len(answers) > 2000
    assert all(even(number, len(answers), 0.25) for number in times)


def test_easy_distractors_are_anywhere_in_the_image():
    size = (1296, 968)
    mark = MarkSize.of(10, size)
    _, options, answers = options_for(anywhere(size, 3000), size, "easy")
    others = np.ones((len(options), 4), bool)
    others[np.arange(len(options)), answers] = False
    places = options[others]
    low, high = mark.margin, np.array(size) - 1 - mark.margin
    cells = np.floor((places - low) / (high - low) * (4, 3)).astype(int)
    times = np.bincount(cells[:, 0] * 3 + cells[:, 1], minlength=12)
    assert times.shape == (12,)
    # Distance between options pushes them a little to the sides; no more than that.
    assert times.min() > 0.85 * len(places) / 12
    assert times.max() < 1.2 * len(places) / 12


def test_hard_options_lie_in_a_circle_around_no_one_of_them():
    size = (1296, 968)
    reach = MarkSize.of(10, size).reach
    _, options, _ = options_for(anywhere(size, 1000), size, "hard")
    radii = [cv2.minEnclosingCircle(four.astype(np.float32))[1] for four in options]
    assert max(radii) <= HARD_REACHES * reach + 0.01
    easy = options_for(anywhere(size, 1000), size, "easy")[1]
    wide = [cv2.minEnclosingCircle(four.astype(np.float32))[1] for four in easy]
    assert np.median(wide) > 2 * np.median(radii)


def places_of_the_match(options: np.ndarray, answers: np.ndarray) -> dict[str, np.ndarray]:
    """Rank of the match among the four by what one could tell of their places."""
    between = np.linalg.norm(options[:, :, None] - options[:, None], axis=3)
    nearest = (between + np.where(np.eye(4), np.inf, 0)).min(axis=2)
    middle = np.linalg.norm(options - options.mean(axis=1, keepdims=True), axis=2)
    measures = {
        "distance to the centroid": middle,
        "sum of distances": between.sum(axis=2),
        "nearest other": nearest + np.random.default_rng(0).uniform(0, 1e-6, nearest.shape),
    }
    index = np.arange(len(answers))
    return {
        name: (values < values[index, answers][:, None]).sum(axis=1)
        for name, values in measures.items()
    }


@pytest.mark.parametrize("where", ["in the middle", "anywhere"])
def test_the_match_among_hard_options_is_not_known_by_its_place(where):
    """However one ranks the four by their places, each rank must be the match as often."""
    size = (1296, 968)
    pixels = anywhere(size, 3000) if where == "anywhere" else np.full((3000, 2), (640.0, 480.0))
    _, options, answers = options_for(pixels, size, "hard")
    for name, ranks in places_of_the_match(options, answers).items():
        times = np.bincount(ranks, minlength=4)
        assert all(even(number, len(ranks), 0.25) for number in times), f"{name}: {times.tolist()}"


@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_without_room_records_are_dropped_and_counted(difficulty):
    for size in ((60, 60), (75, 40), (27, 27)):
        pixels = anywhere(size, 50)
        kept, options, answers = options_for(pixels, size, difficulty)
        assert len(kept.points) == len(options) == len(answers) == 0
    kept, options, answers = options_for(np.zeros((0, 2)), SIZE, difficulty)
    assert len(kept.points) == len(options) == len(answers) == 0


def test_room_for_some_keeps_those(scene):
    """In a small image many are dropped; options and answers stay with their own match."""
    pixels = anywhere((180, 130), 400)
    kept, options, answers = options_for(pixels, (180, 130), "easy")
    assert 5 < len(kept.points) < 380
    np.testing.assert_array_equal(pixels[kept.points], options[np.arange(len(options)), answers])


# ---- what a surface lets one tell --------------------------------------------------------------


@pytest.fixture(scope="module")
def corner(tmp_path_factory):
    """A floor and a wall, points 5 cm apart, that three frames look at."""
    steps = np.arange(-1.5, 1.5, 0.05)
    across, along = (axis.ravel() for axis in np.meshgrid(steps, steps + 3.5))
    floor = np.stack([across, np.full(len(across), 1.0), along], axis=1)
    wall = np.stack([across, along - 4.0, np.full(len(across), 5.03)], axis=1)
    folder = tmp_path_factory.mktemp("corner")
    return TinyScene(folder, np.random.default_rng(3), 3, SIZE, points=np.vstack([floor, wall]))


def test_the_error_of_a_match_grows_with_distance_and_at_flat_angles(corner):
    """Recomputed point by point in float64."""
    views, rng = corner.views, np.random.default_rng(0)
    points = rng.choice(np.flatnonzero(np.isfinite(views.normals[:, 0])), 200)
    frames = np.stack([rng.integers(3, size=200), rng.integers(3, size=200)], axis=1)
    errors = questions.match_errors_mm(views, frames, points)
    for error, point, pair in zip(errors, points, frames, strict=True):
        squares = 0.0
        for frame in pair:
            ray = views.points[point] - corner.poses[frame][:3, 3]
            distance = np.linalg.norm(ray)
            upright = np.array([0, 1, 0]) if views.points[point][1] > 0.99 else np.array([0, 0, 1])
            cosine = abs(ray @ upright) / distance
            squares += (5.0**2 + (1000 * distance * np.radians(0.2)) ** 2) / cosine**2
        assert error == pytest.approx(squares**0.5, rel=1e-6)


@pytest.mark.parametrize("task", [COOR, DOTS])
def test_matches_that_errors_of_poses_could_move_are_not_drawn(corner, task):
    first, second = np.triu_indices(3, k=1)
    chosen = {"first": first, "second": second, "overlap": np.zeros(3)}
    chosen = {name: np.tile(column, 300) for name, column in chosen.items()}
    drawn = {}
    for most in (0.0, 32.0):
        result = PartResult()
        request = replace(asked(task), max_error_mm=most)
        drawn[most] = questions.draw_matches(
            np.random.default_rng(1), corner.views, chosen, request, result
        )
        dropped = sum(result.drops[task].values())
        assert len(drawn[most].points) + dropped == 900
    errors = {
        most: questions.match_errors_mm(corner.views, matches.frames, matches.points)
        for most, matches in drawn.items()
    }
    assert (errors[32.0] <= 32).all() and len(errors[32.0]) > 300
    assert np.count_nonzero(~(errors[0.0] <= 32)) > 100  # there are others


def test_medium_options_lie_on_the_surface_of_the_match(corner):
    views, rng = corner.views, np.random.default_rng(2)
    chosen = {"first": np.zeros(400, int), "second": np.full(400, 2), "overlap": np.zeros(400)}
    request, result = replace(asked(DOTS, difficulty="medium"), dot_radius=2), PartResult()
    matches = questions.draw_matches(rng, views, chosen, request, result)
    size = MarkSize.of(2, SIZE)
    kept, options, answers = questions.draw_options(rng, views, matches, size, request, result)
    assert len(kept.points) > 200
    assert size.is_inside(options, SIZE).all()
    between = np.linalg.norm(options[:, :, None] - options[:, None], axis=3)
    assert (between[:, ~np.eye(4, dtype=bool)] >= 2 * size.reach).all()
    np.testing.assert_array_equal(options[np.arange(len(options)), answers], kept.pixels[:, 1])
    same = elsewhere = 0
    for match, frame, four in zip(kept.points, kept.frames[:, 1], options, strict=True):
        seen = views.visibility.points(views.image_ids[frame])
        shown = views.measure(np.full(1, frame), seen[None])[0][0]
        off = np.linalg.norm(shown[None] - four[:, None], axis=2)
        if not (off.min(axis=1) < 1e-6).all():  # is no vertex that the image shows
            elsewhere += 1
            continue
        places = views.points[seen[off.argmin(axis=1)]]
        assert np.linalg.norm(places - views.points[match], axis=1).max() <= 2.0 + 1e-9
        axis = 1 if views.points[match][1] > 0.99 else 2
        same += (np.abs(places[:, axis] - views.points[match][axis]) < 0.04).all()
    assert result.notes[DOTS] == {"no room on the surface, wrong dots anywhere": elsewhere}
    assert elsewhere < 0.5 * len(kept.points) and same > 0.4 * len(kept.points)
    assert all(even(n, len(answers), 0.25) for n in np.bincount(answers, minlength=4))
    for name, ranks in places_of_the_match(options, answers).items():
        times = np.bincount(ranks, minlength=4)
        assert all(even(n, len(ranks), 0.25) for n in times), f"{name}: {times.tolist()}"


# ---- pictures and records ------------------------------------------------------------------------


def test_the_two_pictures_share_no_colour_and_no_letter_has_a_colour_of_its_own(scene):
    rng, count = np.random.default_rng(0), 2000
    frames = np.tile([[0, 1]], (count, 1))
    matches = Matches(frames, np.arange(count), np.zeros((count, 2, 2)), np.zeros(count))
    planned = questions.plan_pictures(rng, scene.views, matches, np.zeros((count, 4, 2)))
    first = Counter()
    for one, two in zip(planned[::2], planned[1::2], strict=True):
        assert not set(one.preferences) & set(two.preferences)
        assert len(set(two.preferences)) == len(two.preferences) >= len(LETTERS) + 1
        assert len(set(one.preferences)) == len(one.preferences) >= 2
        assert (one.source, two.source) == ("00000", "00005")
        assert (list(one.letters), list(two.letters)) == ([""], list(LETTERS))
        first[one.preferences[0], two.preferences[0]] += 1
    assert len({picture.name for picture in planned}) == 2 * count
    assert len(first) == 90
    assert all(even(number, count, 1 / 90) for number in first.values())


def written(scene, folder, request):
    folder.mkdir(parents=True)
    arguments = (scene.handler, scene.table, scene.pairs_path, request)
    result = questions.write_scene(arguments, folder)
    made = list(records.read_jsonl(folder / f"{request.task}.jsonl"))
    assert result.counts == {request.task: len(made)}
    return made, result


def check_record(scene, record, task, split) -> tuple[int, int, int]:
    start = f"{record['task']}_{split}_{SCENE}_"
    assert record["id"].startswith(start)
    first, second, point = map(int, record["id"].removeprefix(start).split("_"))
    first, second = first // 5, second // 5
    assert point in scene.lists[first] and point in scene.lists[second]
    assert record["p1"] == scene.coordinates(first, point)
    assert record["p2"] == scene.coordinates(second, point)
    assert record["overlap"] == scene.overlap[first, second]
    assert record["task"] == task
    assert record["width_list"] == [SIZE[0]] * 2 and record["height_list"] == [SIZE[1]] * 2
    assert ("conversations" in record) == (split == "train")
    text = record["conversations"][0]["value"] if split == "train" else record["text"]
    assert (f"[ {record['p1'][0]} , {record['p1'][1]} ]" in text) == (task == COOR)
    assert "{" not in text
    id1, id2 = scene.ids[first], scene.ids[second]
    names = [id1, id2] if task == COOR else [f"{id1}_{id2}_{point}_1", f"{id2}_{id1}_{point}_2"]
    assert record["image"] == [f"{SCENE}/{name}.jpg" for name in names]
    if task == COOR:
        assert record["gt_value"] == record["p2"]
    else:
        assert list(record["options"]) == list(LETTERS)
        assert record["options"][record["gt_value"]] == record["p2"]
    return first, second, point


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("task", [COOR, DOTS])
def test_records_say_what_the_geometry_says(scene, tmp_path, task, split):
    made, result = written(scene, tmp_path / "part", asked(task, split=split))
    pairs = {tuple(sorted(check_record(scene, r, task, split)[:2])) for r in made}
    assert len(pairs) == len(made) >= 12
    drops = result.drops[task]
    assert drops["pairs without a point that can be asked about"] == 6
    assert len(made) + sum(drops.values()) == 21


def test_only_the_rows_that_were_drawn_are_asked_about(scene, tmp_path):
    rows = [0, 3, 7, 20]
    made, _ = written(scene, tmp_path / "part", asked(COOR, rows))
    expected = {tuple(pair) for pair in np.stack(all_rows(), axis=1)[rows].tolist()}
    found = {tuple(sorted(check_record(scene, r, COOR, "train")[:2])) for r in made}
    assert found == {pair for pair in expected if 5 not in pair}
    assert list((tmp_path / "part").iterdir()) == [tmp_path / "part" / "correspondence_coor.jsonl"]


@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_pictures_show_the_marks_of_their_record(scene, tmp_path, difficulty):
    made, _ = written(scene, tmp_path / "part", asked(difficulty=difficulty))
    assert made
    folder = tmp_path / "part" / "images"
    named = sorted(name.split("/")[1] for record in made for name in record["image"])
    assert sorted(path.name for path in folder.iterdir()) == named
    for record in made:
        first, _, point = check_record(scene, record, DOTS, "train")
        images = [
            jpeg.read(folder / name.split("/")[1], "").astype(int) for name in record["image"]
        ]
        colors = record["mark_colors"]
        assert len(colors) == len(set(colors)) == 5
        u, v, _ = scene.see(first, point)
        shown = [(images[0], (u, v))]
        shown += [
            (images[1], (x * SIZE[0] / 1000, y * SIZE[1] / 1000))
            for x, y in record["options"].values()
        ]
        for (image, (x, y)), name in zip(shown, colors, strict=True):
            color = PALETTE[COLOR_NAMES.index(name)]
            assert np.abs(image[round(y), round(x), ::-1] - color).max() <= 25


@pytest.mark.parametrize("task", [COOR, DOTS])
def test_the_same_request_gives_the_same_bytes_and_another_seed_others(scene, tmp_path, task):
    request = asked(task)
    made = [
        written(scene, tmp_path / str(number), one)[0]
        for number, one in enumerate((request, request, replace(request, seed=1)))
    ]
    assert made[0] == made[1] != made[2]
    if task == DOTS:
        for path in (tmp_path / "0" / "images").iterdir():
            assert path.read_bytes() == (tmp_path / "1" / "images" / path.name).read_bytes()


def test_nothing_in_a_question_about_dots_gives_the_answer_away(scene, tmp_path):
    """The question is a sentence of the task without slots, and no picture is named after a letter
    or a place of the options."""
    made, _ = written(scene, tmp_path / "part", asked(split="val"))
    (sentences,) = questions.load_sentences(DOTS).variants
    assert len({record["gt_value"] for record in made}) == 4
    for record in made:
        name, sentence, form = sentence_in(record["text"], sentences, "letter")
        assert sentence in getattr(sentences, name) and form and "{" not in record["text"]
        point = record["id"].split("_")[-1]
        shown, other = (name.split("/")[1].split("_")[0] for name in record["image"])
        pictures = [f"{shown}_{other}_{point}_1.jpg", f"{other}_{shown}_{point}_2.jpg"]
        assert [name.split("/")[1] for name in record["image"]] == pictures
