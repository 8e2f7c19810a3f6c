"""Questions about how points move: what moves and what does not, in which axes, which pictures."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import random_pose

from spatial_engine.object_movement import movement_questions as questions
from spatial_engine.object_movement.movement_pairs import PUBLISHED, MovementRule, PointPairs
from spatial_engine.object_movement.movement_questions import QUANTITIES, ClipRequest
from spatial_engine.utils.clips.clips import Clip
from spatial_engine.utils.geometry.rigid_bodies import rigid_bodies
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.pictures.drawing import COLOR_NAMES, PALETTE
from spatial_engine.utils.questions.records import format_value, read_jsonl
from spatial_engine.utils.tables import body_table

SIZE, CAMERA = (200, 160), (150.0, 140.0, 100.0, 80.0)
DISTANCE, VECTOR = QUANTITIES
USUAL = MovementRule(still_m=0.01, moved_m=0.02, jitter_times=5.0, static_share=0.1)


def picture(seed: int) -> bytes:
    """A JPEG of noise, which no other frame has."""
    rng = np.random.default_rng(seed)
    return jpeg.encode(rng.integers(60, 190, (SIZE[1], SIZE[0], 3)).astype(np.uint8))


def make_clip(world: np.ndarray, poses: np.ndarray, clip_id: str = "made_up") -> Clip:
    """Points `world` (T, N, 3) filmed from `poses` (T, 4, 4), visible within the picture."""
    tracks = np.stack(
        [(p - pose[:3, 3]) @ pose[:3, :3] for p, pose in zip(world, poses, strict=True)]
    )
    images = [picture(k) for k in range(len(world))]
    clip = Clip(clip_id, images, SIZE, tracks, tracks[..., 2] > 0, np.array(CAMERA), poses)
    with np.errstate(invalid="ignore"):
        inside = ((clip.project() >= 0) & (clip.project() < SIZE)).all(axis=2)
    return replace(clip, visible=inside)


def small_poses(rng: np.random.Generator, count: int, reach: float = 0.4) -> np.ndarray:
    """Cameras that look about the same way, from different places."""
    poses = np.tile(np.eye(4), (count, 1, 1))
    for pose in poses[1:]:
        turn = np.eye(3) + np.cross(np.eye(3), rng.uniform(-0.05, 0.05, 3))
        pose[:3, :3] = np.linalg.qr(turn)[0] @ np.diag(np.sign(np.diag(np.linalg.qr(turn)[1])))
        pose[:3, 3] = rng.uniform(-reach, reach, 3)
    return poses


def static_world(seed: int = 0, frames: int = 12, points: int = 40) -> Clip:
    rng = np.random.default_rng(seed)
    world = rng.uniform([-1, -0.8, 3], [1, 0.8, 5], (points, 3))
    return make_clip(np.tile(world, (frames, 1, 1)), small_poses(rng, frames))


def moving_world(seed: int = 0, frames: int = 20, points: int = 30) -> Clip:
    """A body that tumbles before still points, filmed by a moving camera."""
    rng = np.random.default_rng(seed)
    still = np.tile(rng.uniform([-1, -0.8, 3], [1, 0.8, 5], (points, 3)), (frames, 1, 1))
    body = rng.uniform(-0.4, 0.4, (points, 3))
    turned = [body @ random_pose(rng)[:3, :3].T + [0, 0, 3.5] for _ in range(frames // 2)]
    slow = [turned[-1] + [0.02 * k * k, 0, 0] for k in range(frames - len(turned))]
    world = np.concatenate([still, np.stack(turned + slow)], axis=1)
    clip = make_clip(world, small_poses(rng, frames))
    return replace(clip, visible=clip.visible & (rng.random(clip.visible.shape) < 0.8))


def request(
    prompt="coord", split="train", seed=0, folder=Path(), points=15, pairs=30, rule=PUBLISHED
) -> ClipRequest:
    given = (prompt, "adt", split, "made_up", seed, points, pairs, folder, folder)
    return ClipRequest(*given, rule=rule, sentences=questions.load_sentences(prompt))


def draw_pairs(rng, clip: Clip, asked: ClipRequest, drops: dict, notes: dict) -> PointPairs:
    """As `write_clip` draws them."""
    limits = questions.limits_of(clip, asked.dataset, asked.rule, drops, notes)
    bodies = rigid_bodies(clip.tracks_cam)
    return questions.draw_pairs(rng, clip, bodies, asked, limits, drops, notes)


def drawn(clip: Clip, asked: ClipRequest, seed: int = 0) -> PointPairs:
    return draw_pairs(np.random.default_rng(seed), clip, asked, {}, {})


def records_of(clip: Clip, asked: ClipRequest, quantity: str, pairs: PointPairs) -> list[dict]:
    measured = questions.measure(clip, pairs, PUBLISHED.still_m)
    rng = np.random.default_rng(0)
    return list(questions.phrase(rng, clip, measured, {}, quantity, asked))


# ---- what moves ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a_static_world_filmed_by_a_moving_camera_does_not_move(seed):
    clip, asked = static_world(seed), request(points=40)
    pairs = drawn(clip, asked)
    assert len(pairs) >= 20
    for quantity, nothing in ((DISTANCE, 0), (VECTOR, [0, 0, 0])):
        records = records_of(clip, asked, quantity, pairs)
        assert len(records) == len(pairs)
        for record in records:
            assert record["gt_value"] == nothing and record["point_moving"] is False
            spoken = record["conversations"][1]["value"]
            bare = spoken == f"`{format_value(nothing)}`"
            assert bare or spoken.startswith("The point did not move.")
        assert any(record["cam_moving"] for record in records)


def test_the_same_world_without_camera_poses_would_move():
    clip = static_world()
    clip = replace(clip, world_from_cam=np.tile(np.eye(4), (len(clip.images), 1, 1)))
    records = records_of(clip, request(), DISTANCE, drawn(clip, request()))
    assert sum(record["point_moving"] for record in records) > len(records) / 2
    assert max(record["gt_value"] for record in records) > 100
    assert not any(record["cam_moving"] for record in records)
    for record in records:
        spoken = record["conversations"][1]["value"]
        assert (record["gt_value"] == 0) == (not record["point_moving"])
        if spoken != f"`{record['gt_value']}`":
            assert spoken.startswith("The point did not move.") == (not record["point_moving"])


def test_a_vector_is_in_the_axes_of_the_first_camera():
    """Camera 1 looks along the world's x, its right is the world's -y; a point rises 0.3 m."""
    world_from_cam1 = np.array([[0, 0, 1, 5], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)
    world_from_cam2 = world_from_cam1.copy()
    world_from_cam2[:3, 3] += [-0.5, 0.2, 0.1]
    world = np.array([[[8, 0.1, 0.2]], [[8.04, 0.1, 0.5]]])
    clip = make_clip(world, np.stack([world_from_cam1, world_from_cam2]))
    pairs = PointPairs(*np.array([[0, 0], [0, 1], [1, 0]]), np.full(2, np.hypot(0.04, 0.3)))
    measured = questions.measure(clip, pairs, PUBLISHED.still_m)
    assert measured.vector_mm.tolist() == [[0, -300, 40], [0, 300, -40]]  # right, down, forward
    assert measured.distance_mm.tolist() == [303, 303]
    assert measured.point_moving.all() and measured.cam_moving.all()
    np.testing.assert_allclose(measured.pixels[0, 0], [-0.1 / 3 * 150 + 100, -0.2 / 3 * 140 + 80])
    np.testing.assert_allclose(measured.pixels[0, 1], measured.pixels[1, 0])


@pytest.mark.parametrize("seed", range(3))
def test_answers_are_those_of_a_plain_loop(seed):
    clip = moving_world(seed)
    pairs = drawn(clip, request())
    assert len(pairs) > 100
    measured, inverse = (
        questions.measure(clip, pairs, PUBLISHED.still_m),
        np.linalg.inv(clip.world_from_cam),
    )
    for row in range(len(pairs)):
        i, j, n = int(pairs.first[row]), int(pairs.second[row]), int(pairs.points[row])
        there = (inverse[i] @ clip.world_from_cam[j] @ [*clip.tracks_cam[j, n], 1])[:3]
        vector = there - clip.tracks_cam[i, n]
        far = np.linalg.norm(vector)
        assert measured.point_moving[row] == (far >= 0.01)
        if far < 0.01:
            vector, far = vector * 0, 0
        assert abs(measured.distance_mm[row] - 1000 * far) <= 0.5001
        assert np.abs(measured.vector_mm[row] - 1000 * vector).max() <= 0.5001
        assert clip.visible[[i, j], n].all()


@pytest.mark.parametrize(
    ("moves", "expected"), [(0.0, False), (0.0099, False), (0.0101, True), (1, True)]
)
def test_a_centimetre_is_moving(moves, expected):
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, :3, 3] = [0, moves, 0]
    world = np.array([[[0, 0, 3.0]], [[0, 0, 3.0 + moves]]])
    clip = make_clip(world, poses)
    pairs = PointPairs(*(np.array([v]) for v in (0, 0, 1)), np.array([moves]))
    (record,) = records_of(clip, request(), VECTOR, pairs)
    assert record["point_moving"] is expected and record["cam_moving"] is expected
    assert record["gt_value"] == ([0, 0, round(1000 * moves)] if expected else [0, 0, 0])


# ---- what the data tell --------------------------------------------------------------------------


def noisy_world(seed: int, noise: float, frames: int = 24) -> Clip:
    """Still points and a body that goes along, slowly, then faster; each camera pose is off by
    `noise` metres, so that all points jitter alike."""
    rng = np.random.default_rng(seed)
    still = rng.uniform([-0.6, -0.4, 3], [0.6, 0.4, 4], (40, 3))
    body = rng.uniform([-0.2, -0.2, 3.3], [0.2, 0.2, 3.7], (20, 3))
    way = np.linspace(0, 1, frames)[:, None, None] ** 3 * [0.5, 0.1, 0]
    world = np.concatenate([np.tile(still, (frames, 1, 1)), body + way], axis=1)
    clip = make_clip(world, small_poses(rng, frames, 0.1))
    poses = clip.world_from_cam.copy()
    poses[:, :3, 3] += rng.normal(0, noise, (frames, 3))
    return replace(clip, world_from_cam=poses)


@pytest.mark.parametrize("prompt", ["coord", "dot"])
@pytest.mark.parametrize("noise", [0.0, 0.003, 0.005, 0.015])
def test_what_is_between_still_and_moved_is_not_asked(noise, prompt):
    clip, drops = noisy_world(0, noise), {}
    asked = request(prompt, "train", points=1000, rule=USUAL)
    pairs = draw_pairs(np.random.default_rng(0), clip, asked, drops, {})
    measured = questions.measure(clip, pairs, USUAL.still_m)
    moved_from = max(0.02, 5 * 1.54 * noise)  # half of normal noise is within 1.54 deviations
    still, moved = measured.distance_mm == 0, measured.distance_mm > 0
    assert still.any() and moved.any()
    assert (pairs.moved[still] < 0.01).all() and not measured.vector_mm[still].any()
    assert pairs.moved[moved].min() > 0.8 * moved_from
    assert moved.tolist() == measured.point_moving.tolist()
    # Still points are never said to have moved, as they are by the published rule.
    assert (pairs.points[moved] >= 40).all()
    if noise:
        by_published = drawn(clip, request(prompt, "train", points=1000, rule=PUBLISHED))
        assert (by_published.points[by_published.moved >= 0.01] < 40).any()
    (left_out,) = (count for name, count in drops.items() if "can be told" in name)
    assert left_out > (500 if noise else 20)


def test_pairs_left_out_are_counted():
    clip, drops = noisy_world(0, 0.0), {}
    asked = request("coord", "val", points=1000, rule=USUAL)
    draw_pairs(np.random.default_rng(0), clip, asked, drops, {})
    world, askable, count = clip.tracks_world(), questions.can_be_asked(clip, "coord"), 0
    for point in range(world.shape[1]):
        frames = np.flatnonzero(askable[:, point])
        for k, i in enumerate(frames):
            away = np.linalg.norm(world[frames[k + 1 :], point] - world[i, point], axis=1)
            count += np.count_nonzero((away >= 0.01) & (away < 0.02))
    assert [n for name, n in drops.items() if "can be told" in name] == [count]


@pytest.mark.parametrize("seed", range(3))
def test_a_tenth_of_training_records_are_about_still_points(seed):
    clip, notes = moving_world(seed), {}
    asked = request(points=30, rule=USUAL)
    pairs = draw_pairs(np.random.default_rng(seed), clip, asked, {}, notes)
    plain = pairs.where(np.flatnonzero(pairs.first < pairs.second))
    still = plain.moved < 0.01
    assert np.count_nonzero(still) == round(np.count_nonzero(~still) / 9) > 50
    standing = plain.points[still] < 30
    assert standing.any(), "points of bodies that stand still"
    assert not notes["pairs of still points missing to STATIC_SHARE"]
    assert not notes["clips whose jitter is not known: nothing stands still"]


def test_a_clip_in_which_nothing_moves_has_one_record_and_of_evaluation_one_of_each_body():
    clip = static_world()
    assert len(drawn(clip, request(points=40, rule=USUAL))) == 1
    assert len(drawn(clip, request(split="val", points=1, rule=USUAL))) == 1
    assert len(drawn(clip, request(points=40, rule=PUBLISHED))) >= 20


def test_where_nothing_stands_still_two_centimetres_have_moved():
    clip, notes = noisy_world(0, 0.0), {}
    clip = replace(clip, tracks_cam=clip.tracks_cam[:, 40:], visible=clip.visible[:, 40:])
    asked = request(points=20, rule=USUAL)
    pairs = draw_pairs(np.random.default_rng(0), clip, asked, {}, notes)
    assert notes["clips whose jitter is not known: nothing stands still"] == 1
    moved = pairs.moved[pairs.moved >= 0.01]
    assert 0.02 <= moved.min() < 0.03


# ---- which pairs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["coord", "dot"])
@pytest.mark.parametrize("per_bin", [2, 30])
def test_the_limit_of_one_point_never_changes_anothers(prompt, per_bin):
    """Each point has the pairs that its own displacements, and nothing else, ask for."""
    clip, asked = moving_world(), request(prompt, "val", points=100, pairs=per_bin)
    pairs, world = drawn(clip, asked), clip.tracks_world()
    askable, limits = questions.can_be_asked(clip, prompt), set()
    assert len(set(pairs.points.tolist())) > 40
    for point in set(pairs.points.tolist()):
        frames = np.flatnonzero(askable[:, point])
        one, two = np.triu_indices(len(frames), 1)
        moved = np.linalg.norm(world[frames[two], point] - world[frames[one], point], axis=1)
        moving, mine = moved[moved >= 0.01], pairs.moved[pairs.points == point]
        assert np.count_nonzero(mine < 0.01) == min(1, np.count_nonzero(moved < 0.01))
        if not len(moving):
            continue
        edges = np.linspace(moving.min(), moving.max(), 11)
        there, _ = np.histogram(moving, edges)
        limit = min(max(there[4], 1), per_bin)
        limits.add(int(limit))
        found, _ = np.histogram(np.clip(mine[mine >= 0.01], edges[0], edges[-1]), edges)
        if moving.max() > moving.min():
            assert found.tolist() == np.minimum(there, limit).tolist()
    assert len(limits) > (3 if per_bin == 30 else 0)


def test_so_many_points_of_each_body_are_asked_and_five_percent_swapped():
    clip = moving_world()
    for count in (1, 4, 1000):
        points = set(drawn(clip, request("coord", "val", points=count)).points.tolist())
        assert len([p for p in points if p < 30]) == min(count, 30)
        assert len([p for p in points if p >= 30]) == min(count, 30)
    plain, more = (drawn(clip, request(split=split)) for split in ("val", "train"))
    assert len(more) == len(plain) + len(plain) // 20
    assert (plain.first < plain.second).all()
    assert np.count_nonzero(more.first > more.second) == len(plain) // 20


@pytest.mark.parametrize("prompt", ["coord", "dot"])
def test_points_outside_the_image_are_never_asked(prompt):
    """Clips claim that points are visible which project outside, or lie behind the camera."""
    rng = np.random.default_rng(0)
    world = np.tile(rng.uniform([-4, -3, -2], [4, 3, 4], (300, 3)), (6, 1, 1))
    clip = make_clip(world, small_poses(rng, 6))
    clip = replace(clip, visible=np.ones_like(clip.visible))
    pairs = drawn(clip, request(prompt, points=300))
    assert len(pairs) > 10
    margin = 3 if prompt == "dot" else 0
    for frames in (pairs.first, pairs.second):
        assert (clip.tracks_cam[frames, pairs.points, 2] > 0).all()
        place = clip.project()[frames, pairs.points]
        assert (place >= margin).all() and (place < np.array(SIZE) - margin).all()
    drops: dict[str, int] = {}
    draw_pairs(np.random.default_rng(0), clip, request(prompt), drops, {})
    assert max(drops.values()) > 100


def test_coordinates_are_those_of_the_point_in_both_images():
    clip = moving_world()
    pairs = drawn(clip, request())
    for record, row in zip(
        records_of(clip, request(), DISTANCE, pairs), range(len(pairs)), strict=True
    ):
        for key, frame in (("p1", pairs.first[row]), ("p2", pairs.second[row])):
            place = clip.project()[frame, pairs.points[row]] / SIZE * 1000
            assert np.abs(record[key] - place).max() <= 1
        assert f"[ {record['p1'][0]} , {record['p1'][1]} ]" in record["conversations"][0]["value"]
        assert [Path(name).stem for name in record["image"]] == [
            f"{pairs.first[row]:05d}", f"{pairs.second[row]:05d}",
        ]  # fmt: skip


@pytest.mark.parametrize("prompt", ["coord", "dot"])
def test_nothing_to_ask_about_is_no_error(prompt):
    clip = moving_world()
    nothing = [
        replace(clip, visible=np.zeros_like(clip.visible)),
        replace(clip, tracks_cam=clip.tracks_cam * np.nan, visible=clip.visible & False),
        replace(clip, tracks_cam=clip.tracks_cam[:, :5], visible=clip.visible[:, :5]),
        replace(clip, tracks_cam=clip.tracks_cam[:, :0], visible=clip.visible[:, :0]),
        make_clip(np.ones((1, 9, 3)), np.eye(4)[None]),
    ]
    for one in nothing:
        pairs = drawn(one, request(prompt))
        assert len(pairs) == 0
        assert records_of(one, request(prompt), VECTOR, pairs) == []


# ---- pictures ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[Clip, Path, Path]:
    """(clip, its npz, folder of its frames and bodies)"""
    folder, clip = tmp_path_factory.mktemp("saved"), moving_world(frames=8)
    frames = folder / "frames"
    frames.mkdir()
    for number, data in enumerate(clip.images):
        (frames / f"{number:05d}.jpg").write_bytes(data)
    np.savez(
        folder / "made_up.npz",
        images_jpeg_bytes=np.array(clip.images),
        tracks_XYZ=clip.tracks_cam,
        visibility=clip.visible,
        fx_fy_cx_cy=clip.fx_fy_cx_cy,
        extrinsics_w2c=np.linalg.inv(clip.world_from_cam),
    )
    bodies = rigid_bodies(clip.tracks_cam)
    body_table.write_bodies(frames / body_table.FILE, "made_up", bodies, clip.visible.shape[1])
    return clip, folder / "made_up.npz", frames


def dots(saved, part: Path, seed: int = 0, split: str = "train") -> dict[str, list[dict]]:
    """Records by quantity."""
    part.mkdir()
    asked = request("dot", split, seed, saved[2], 8, 3)
    result = questions.write_clip((saved[1], asked), part)
    found = {name: list(read_jsonl(part / f"{asked.task(name)}.jsonl")) for name in QUANTITIES}
    assert {asked.task(name): len(lines) for name, lines in found.items()} == result.counts
    return found


def test_there_is_one_marked_picture_for_each_frame_and_point(saved, tmp_path):
    found = dots(saved, tmp_path / "part")
    asked = {}
    for name, lines in found.items():
        assert len(lines) > 50
        keys = {
            (r["image"][0], int(r["id"].split("_")[-3]), int(r["id"].split("_")[-1])) for r in lines
        }
        asked[name] = keys
        assert len({image for image, *_ in keys}) == len(keys) < len(lines)
        for image, frame, point in keys:
            assert image == f"made_up/{frame:05d}_{point}_annotated.jpg"
    assert asked[DISTANCE] == asked[VECTOR]
    marked = {path.name for path in (tmp_path / "part/images").glob("*_annotated.jpg")}
    assert marked == {Path(image).name for image, *_ in asked[DISTANCE]}


def test_both_questions_are_about_the_same_pairs(saved, tmp_path):
    found = dots(saved, tmp_path / "part")
    for one, other in zip(found[DISTANCE], found[VECTOR], strict=True):
        for key in ("image", "p1", "p2", "mark_colors", "point_moving", "cam_moving"):
            assert one[key] == other[key]
        assert abs(np.linalg.norm(other["gt_value"]) - one["gt_value"]) < 2


def test_a_mark_has_its_colour_whatever_the_seed_question_and_split(saved, tmp_path):
    colors, pixels = defaultdict(set), defaultdict(set)
    for number, (seed, split) in enumerate([(0, "train"), (1, "train"), (2, "val")]):
        part = tmp_path / str(number)
        for record in (r for lines in dots(saved, part, seed, split).values() for r in lines):
            name = Path(record["image"][0]).name
            colors[name] |= set(record["mark_colors"])
            pixels[name].add((part / "images" / name).read_bytes())
    assert all(len(values) == 1 for values in (*colors.values(), *pixels.values()))
    assert len(set.union(*colors.values())) > 3, "not all of one colour"


def test_the_mark_is_at_the_point_and_the_second_picture_is_the_frame_itself(saved, tmp_path):
    for record in dots(saved, tmp_path / "part")[DISTANCE]:
        shown, second = (tmp_path / "part/images" / Path(n).name for n in record["image"])
        frame = saved[2] / second.name
        assert second.samefile(frame) and second.stat().st_nlink >= 2
        image = jpeg.read(shown, "").astype(int)
        x, y = (np.array(record["p1"]) / 1000 * SIZE).astype(int)
        (name,) = record["mark_colors"]
        color = np.array(PALETTE[COLOR_NAMES.index(name)][::-1])
        near = np.abs(image[y - 1 : y + 2, x - 1 : x + 2] - color).max(axis=2)
        assert near.min() <= 60
        assert "[ " not in record["conversations"][0]["value"]


def test_frames_are_not_changed_by_drawing(saved, tmp_path):
    before = {path.name: path.read_bytes() for path in saved[2].iterdir()}
    dots(saved, tmp_path / "part")
    assert {path.name: path.read_bytes() for path in saved[2].iterdir()} == before
