"""The sample clips are true to TAPVid-3D's format, odd where they say so, and reproducible; their
tracks, visibility and pictures tell the same story. (Clips of drivetrack: test_drive_clips.py.)"""

import fnmatch
import io
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import link_root
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from spatial_engine.errors import SettingsError
from spatial_engine.sample_data import clip_truth, write_clip
from spatial_engine.sample_data.rendering import render
from spatial_engine.sample_data.tapvid3d import sample_clips
from spatial_engine.sample_data.tapvid3d.clip_plays import PLAYS
from spatial_engine.sample_data.tapvid3d.clip_spec import ClipQuirks
from spatial_engine.sample_data.tapvid3d.clip_stage import body_thing, build_stage
from spatial_engine.sample_data.tapvid3d.clip_writer import JITTER, plays_of
from spatial_engine.sample_data.tapvid3d.sample_clips import CLIP_SPLITS, sample_clip_specs

SPECS = {s.clip_id: s for s in sample_clip_specs(small=True) if s.kind != "drivetrack"}
MEAL, DECORATION, CLEAN = CLIP_SPLITS["adt"]["train"]
WORK, MUG = CLIP_SPLITS["adt"]["val"]
FRAMES = 10
# The activities that are held out for evaluation, as SPEC 9 writes them.
HELD_OUT = {
    "adt": (
        "Apartment_release_work*",
        "Lite_release_recognition_Mug*",
        "Lite_release_recognition_WoodenBoxSmall*",
        "Lite_release_recognition_WoodenFork*",
    ),
    "pstudio": ("basketball*",),
}
every_clip = pytest.mark.parametrize("clip_id", SPECS)


@pytest.fixture(scope="module")
def root(raw_root, tmp_path_factory) -> Path:
    """The small variant, made by one worker; not to be written to."""
    folder, place = tmp_path_factory.mktemp("clips"), "data/tapvid3d_dataset"
    link_root(raw_root / place, folder / place)
    return folder


def dataset(root: Path) -> Path:
    return root / "data/tapvid3d_dataset"


def clip_path(root: Path, clip_id: str) -> Path:
    return dataset(root) / SPECS[clip_id].kind / f"{clip_id}.npz"


def read(path: Path, allow_pickle: bool = True) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=allow_pickle) as clip:
        return dict(clip)


def images(clip: dict[str, np.ndarray]) -> list[np.ndarray]:
    """RGB pictures (h, w, 3) uint8."""
    jpegs = [np.frombuffer(data, np.uint8) for data in clip["images_jpeg_bytes"]]
    return [cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1] for data in jpegs]


def extrinsics(root: Path, clip_id: str) -> np.ndarray:
    """(T, 4, 4) world to camera, from the clip, or the annotation, or none where nothing moves."""
    clip = read(clip_path(root, clip_id))
    if "extrinsics_w2c" not in clip and SPECS[clip_id].kind == "adt":
        clip = read(dataset(root) / "adt/tmp" / f"{clip_id}.npz")
    return clip.get("extrinsics_w2c", np.tile(np.eye(4), (FRAMES, 1, 1)))


def world_tracks(root: Path, clip_id: str) -> np.ndarray:
    """(T, N, 3) from the files alone."""
    clip = read(clip_path(root, clip_id))
    world_from_cam = np.linalg.inv(extrinsics(root, clip_id).astype(float))
    points = np.einsum("tij,tnj->tni", world_from_cam[:, :3, :3], clip["tracks_XYZ"])
    return points + world_from_cam[:, None, :3, 3]


def project(clip: dict[str, np.ndarray]) -> np.ndarray:
    """(T, N, 2) pixels."""
    tracks, intrinsics = clip["tracks_XYZ"].astype(float), clip["fx_fy_cx_cy"]
    return tracks[..., :2] / tracks[..., 2:] * intrinsics[:2] + intrinsics[2:]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Bytes of all data files by relative path (not of the hidden marks)."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if path.name[0] != "."
    }


# ---- format


@every_clip
def test_a_clip_has_the_keys_and_shapes_of_the_format(root, clip_id):
    spec, clip = SPECS[clip_id], read(clip_path(root, clip_id))
    keys = ["images_jpeg_bytes", "queries_xyt", "tracks_XYZ", "visibility", "fx_fy_cx_cy"]
    if spec.kind == "adt" and clip_id != CLEAN:
        keys.append("extrinsics_w2c")
        assert clip["extrinsics_w2c"].shape == (FRAMES, 4, 4)
    assert list(clip) == keys
    count = clip["tracks_XYZ"].shape[1]
    assert count == 60
    assert clip["tracks_XYZ"].shape == (FRAMES, count, 3)
    assert clip["visibility"].shape == (FRAMES, count) and clip["visibility"].dtype == bool
    assert clip["queries_xyt"].shape == (count, 3)
    assert clip["images_jpeg_bytes"].shape == (FRAMES,)
    width, height = spec.image_size
    assert (width, height) == {"adt": (128, 128), "pstudio": (160, 90)}[spec.kind]
    for data, image in zip(clip["images_jpeg_bytes"], images(clip), strict=True):
        assert data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9"
        assert image.shape == (height, width, 3) and image.std() > 20
    fx, fy, cx, cy = clip["fx_fy_cx_cy"]
    assert clip["fx_fy_cx_cy"].shape == (4,)
    if spec.kind == "adt":
        np.testing.assert_allclose([fx, fy, cx, cy], [70, 70, 64, 64])
    assert abs(cx - width / 2) < 1 and abs(cy - height / 2) < 1 and abs(fx / fy - 1) < 0.01


@every_clip
def test_a_query_is_where_its_point_is_seen(root, clip_id):
    clip = read(clip_path(root, clip_id))
    ever = clip["visibility"].any(0)
    x, y, frame = clip["queries_xyt"][ever].T
    index = frame.astype(int), np.flatnonzero(ever)
    assert clip["visibility"][index].all()
    np.testing.assert_allclose(project(clip)[index], np.stack([x, y], 1), atol=0.01)
    assert np.isfinite(clip["queries_xyt"]).all()


def test_oddities_of_the_files(root):
    kinds = {clip_id: read(clip_path(root, clip_id)) for clip_id in SPECS}
    as_objects = {c for c, clip in kinds.items() if clip["images_jpeg_bytes"].dtype == object}
    assert as_objects == {DECORATION, "softball_3"}
    assert all(
        clip["images_jpeg_bytes"].dtype.kind == "S"
        for clip_id, clip in kinds.items()
        if clip_id not in as_objects
    )
    with pytest.raises(ValueError, match="allow_pickle"):
        read(clip_path(root, DECORATION), allow_pickle=False)
    read(clip_path(root, MEAL), allow_pickle=False)

    double = {c for c, clip in kinds.items() if clip["tracks_XYZ"].dtype == np.float64}
    assert double == {DECORATION, WORK, "boxes_11"}
    assert all(clip["tracks_XYZ"].dtype.itemsize in (4, 8) for clip in kinds.values())
    deflated = {
        clip_id
        for clip_id in SPECS
        if any(i.compress_type for i in zipfile.ZipFile(clip_path(root, clip_id)).infolist())
    }
    assert deflated == {MUG}
    lost = {c for c, clip in kinds.items() if np.isnan(clip["tracks_XYZ"]).all((0, 2)).any()}
    assert lost == {DECORATION}


def test_the_annotations_that_the_official_script_leaves(root):
    assert {path.name for path in (dataset(root) / "pstudio").iterdir()} == {
        "tmp", "boxes_11.npz", "softball_3.npz", "basketball_7.npz",
    }  # fmt: skip
    assert not list((dataset(root) / "pstudio/tmp").iterdir())
    clips = {path.name for path in (dataset(root) / "adt").glob("*.npz")}
    assert {path.name for path in (dataset(root) / "adt/tmp").iterdir()} == clips
    for clip_id in (MEAL, DECORATION, CLEAN, WORK, MUG):
        clip = read(clip_path(root, clip_id))
        note = read(dataset(root) / "adt/tmp" / f"{clip_id}.npz", allow_pickle=False)
        assert "images_jpeg_bytes" not in note and note["extrinsics_w2c"].shape == (FRAMES, 4, 4)
        for key in set(clip) & set(note):
            np.testing.assert_array_equal(note[key], clip[key])


def test_splits_follow_from_the_names(root):
    for kind in HELD_OUT:
        splits = CLIP_SPLITS[kind]
        assert {clip_id for ids in splits.values() for clip_id in ids} == {
            path.stem for path in (dataset(root) / kind).glob("*.npz")
        }
        for split, ids in splits.items():
            for clip_id in ids:
                held_out = any(fnmatch.fnmatch(clip_id, name) for name in HELD_OUT[kind])
                assert held_out == (split == "val"), clip_id


# ---- what is seen


@every_clip
def test_visible_points_lie_on_what_the_picture_shows_there(root, clip_id):
    """The face under a visible point's pixel belongs to its body, and lies as far away."""
    spec, clip, truth = SPECS[clip_id], read(clip_path(root, clip_id)), clip_truth(SPECS[clip_id])
    stage = build_stage(spec)
    camera, place = spec.camera(), project(clip)
    same, late, depths = [], [], []
    for frame in range(FRAMES):
        surfaces, pose = stage.surfaces(frame), stage.room_from_cam[frame]
        scene = render.Scene(surfaces, stage.caster(frame), stage.room.atlas, None)
        quads = render.first_quads(scene, camera.rays(), pose)
        depth = render.depth_image(render.pixel_maps(surfaces, camera, pose), quads)
        seen = np.flatnonzero(clip["visibility"][frame])
        column, row = np.rint(place[frame, seen]).astype(int).T
        same.append(stage.owner[quads[row, column]] == truth.body[seen])
        depths.append(np.abs(depth[row, column] - clip["tracks_XYZ"][frame, seen, 2]))
        earlier = np.nan_to_num(place[frame - 3 if frame > 2 else 9, seen], nan=-1)
        at = np.clip(np.rint(earlier).astype(int), 0, np.array(camera.size) - 1).T
        late.append(stage.owner[quads[at[1], at[0]]] == truth.body[seen])
    moving = [truth.body[np.flatnonzero(row)] >= 0 for row in clip["visibility"]]
    same, late, moving = np.concatenate(same), np.concatenate(late), np.concatenate(moving)
    assert moving.sum() > 100 and same[moving].mean() > 0.85  # else at an edge, by rounding
    assert same.mean() > 0.9
    assert np.mean(np.concatenate(depths)[same] < 0.06) > 0.9
    assert late[moving].mean() < same[moving].mean() - 0.2, "the check can tell frames apart"


@every_clip
def test_points_keep_their_colour_in_the_stored_pictures(root, clip_id):
    clip, truth = read(clip_path(root, clip_id)), clip_truth(SPECS[clip_id])
    place, pictures = project(clip), images(clip)
    samples: dict[int, list[np.ndarray]] = {}
    for frame, image in enumerate(pictures):
        soft = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.7)
        for point in np.flatnonzero(clip["visibility"][frame] & (truth.body >= 0)):
            x, y = np.rint(place[frame, point]).astype(int)
            color = soft[y, x] + 20
            samples.setdefault(point, []).append(color / color.sum())
    usual = {point: np.median(colors, 0) for point, colors in samples.items() if len(colors) > 3}
    own = [np.abs(c - m).sum() for p, m in usual.items() for c in samples[p]]
    others = [np.abs(m - n).sum() for p, m in usual.items() for q, n in usual.items() if p != q]
    assert len(usual) > 15
    assert np.mean(own) < 0.6 * np.mean(others)


def first_triangle(triangles: np.ndarray, eye: np.ndarray, towards: np.ndarray) -> float:
    """Share of the way (0..1 and beyond) to the first of (k, 3, 3) triangles (Moeller-Trumbore)."""
    a, b, c = triangles.transpose(1, 0, 2)
    across = np.cross(towards, c - a)
    scale = np.einsum("kc,kc->k", b - a, across)
    ok = np.abs(scale) > 1e-12
    inverse = 1 / np.where(ok, scale, 1)
    start = eye - a
    u = np.einsum("kc,kc->k", start, across) * inverse
    turned = np.cross(start, b - a)
    v = np.einsum("c,kc->k", towards, turned) * inverse
    t = np.einsum("kc,kc->k", c - a, turned) * inverse
    hit = ok & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-6)
    return t[hit].min(initial=np.inf)


@every_clip
def test_visibility_is_what_a_slow_ray_caster_says(root, clip_id):
    spec, clip, truth = SPECS[clip_id], read(clip_path(root, clip_id)), clip_truth(SPECS[clip_id])
    stage = build_stage(spec)
    width, height = spec.image_size
    fx, fy, cx, cy = clip["fx_fy_cx_cy"].astype(float)
    world_from_cam = np.linalg.inv(truth.extrinsics_w2c)
    room_from_world = stage.room_from_cam @ truth.extrinsics_w2c
    checked = {True: 0, False: 0}
    for frame in (0, 4, 9):
        quads = stage.surfaces(frame).corners
        triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
        matrix = room_from_world[frame] @ world_from_cam[frame]
        for point in range(0, 60, 2):
            x, y, z = truth.tracks[frame, point]
            u, v = fx * x / z + cx, fy * y / z + cy
            inside = z > 0.05 and 0 <= u <= width - 1 and 0 <= v <= height - 1
            towards = matrix[:3, :3] @ truth.tracks[frame, point]
            gap = (1 - first_triangle(triangles, matrix[:3, 3], towards)) * np.linalg.norm(towards)
            if inside and abs(gap - 0.003) < 0.003 and gap > 1e-4:
                continue  # too close to call
            expected = bool(inside and gap < 0.003)
            assert clip["visibility"][frame, point] == expected, (frame, point, gap)
            checked[expected] += 1
    assert checked[True] > 15 and checked[False] > 10


@every_clip
def test_hidden_points_have_coordinates_but_some(root, clip_id):
    clip, truth = read(clip_path(root, clip_id)), clip_truth(SPECS[clip_id])
    visibility, known = clip["visibility"], np.isfinite(clip["tracks_XYZ"]).all(-1)
    np.testing.assert_array_equal(visibility, truth.visibility)
    assert known[visibility].all()
    assert (~known).any() and known[~visibility].mean() > 0.7
    jitter = clip["tracks_XYZ"][known] - truth.tracks[known]
    assert 0.8 * JITTER < jitter.std() < 1.2 * JITTER and abs(jitter.mean()) < 0.1 * JITTER
    assert np.abs(jitter).max() < 6 * JITTER
    never = ~visibility.any(0)
    assert 2 <= never.sum() <= 12
    assert known[:, never].any()
    assert np.isfinite(truth.world).all()
    # hidden behind something while before the camera and in the picture, not only out of view
    place, z = project(clip), clip["tracks_XYZ"][..., 2]
    inside = ((place > 0) & (place < np.array(SPECS[clip_id].image_size) - 1)).all(-1) & (z > 0.1)
    assert (inside & ~visibility).sum() > 20
    for body in range(truth.body.max() + 1):
        assert visibility[:, truth.body == body].any(1).sum() >= 3, truth.body_names[body]


# ---- what moves


@every_clip
def test_what_stands_still_does_and_bodies_move(root, clip_id):
    truth, world = clip_truth(SPECS[clip_id]), world_tracks(root, clip_id)
    known = np.isfinite(world).all(-1)
    np.testing.assert_allclose(world[known], truth.world[known], atol=7 * JITTER)
    static = truth.body < 0
    assert static.sum() >= 10
    np.testing.assert_allclose(truth.world[:, static] - truth.world[0, static], 0, atol=1e-9)
    for body in range(truth.body.max() + 1):
        index = truth.body == body
        assert index.sum() >= 8
        travel = np.linalg.norm(np.diff(truth.world[:, index], axis=0), axis=-1)
        assert travel.sum(0).min() > 0.25, truth.body_names[body]
    cameras = np.linalg.inv(extrinsics(root, clip_id).astype(float))
    walked = np.linalg.norm(np.diff(cameras[:, :3, 3], axis=0), axis=1).sum()
    turned = np.degrees(np.arccos(np.clip(cameras[0, :3, 2] @ cameras[-1, :3, 2], -1, 1)))
    if SPECS[clip_id].kind == "adt":
        assert walked > 0.5 and turned > 10
        np.testing.assert_allclose(np.linalg.det(cameras[:, :3, :3]), 1, atol=1e-5)
        assert (cameras[:, 2, 1] < -0.7).all(), "the image's down is down"
    else:
        assert walked == turned == 0


@every_clip
def test_rigid_grouping_finds_the_motions(root, clip_id):
    """Points grouped as SPEC 9 says, from the file alone, are those that one motion carries."""
    truth, clip = clip_truth(SPECS[clip_id]), read(clip_path(root, clip_id))
    tracks = clip["tracks_XYZ"].astype(float)
    index = np.flatnonzero(np.isfinite(tracks).any((0, 2)))
    points = tracks[:, index]
    gaps = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    change = np.nan_to_num(np.abs(np.diff(gaps, axis=0)))
    change[change <= 0.01] = 0
    tree = linkage(squareform(change.sum(0), checks=False), "average")
    group = fcluster(tree, 0.1, "distance")
    found = {frozenset(index[group == number].tolist()) for number in np.unique(group)}
    expected = {frozenset(index[truth.motion[index] == m].tolist()) for m in set(truth.motion)}
    assert {g for g in found if len(g) > 5} == expected
    bodies = [set(truth.body[truth.motion == m]) for m in set(truth.motion) - {-1}]
    assert sorted(map(len, bodies)) == [1, 1, 1, 1, 2]


@every_clip
def test_a_long_tail_a_part_and_a_shift(clip_id):
    truth = clip_truth(SPECS[clip_id])
    tails, parts, shifts = [], [], []
    first, second = np.triu_indices(FRAMES, 1)
    for body in range(truth.body.max() + 1):
        world = truth.world[:, truth.body == body]
        moves = np.linalg.norm(world[second] - world[first], axis=-1)
        tails.append(np.median(moves) < 0.15 * moves.max())
        steps = np.linalg.norm(np.diff(world, axis=0), axis=-1).max(1)
        parts.append((steps < 1e-9).sum() >= 2)
        arms = world - world[:, :1]
        shifts.append(np.abs(arms - arms[0]).max() < 1e-9)
    assert any(tails) and any(parts) and any(shifts) and not all(shifts)


@pytest.mark.parametrize("name", PLAYS)
def test_bodies_do_not_pass_through_each_other_or_the_floor(name):
    play, times = PLAYS[name], np.linspace(0, 1, 25)
    poses = [play.motions[body.motion].poses(times) for body in play.bodies]
    corners = [np.concatenate([q.corners for q in body_thing(b).quads]) for b in play.bodies]
    for i, body in enumerate(play.bodies):
        low, high = corners[i].min(0) + 0.015, corners[i].max(0) - 0.015
        room = np.einsum("tij,nj->tni", poses[i][:, :3, :3], corners[i]) + poses[i][:, None, :3, 3]
        assert room[..., 2].min() > -0.01
        for j, other in enumerate(play.bodies):
            if body.motion != other.motion:
                pose = np.linalg.inv(poses[i]) @ poses[j]
                points = np.einsum("tij,nj->tni", pose[:, :3, :3], corners[j])
                points += pose[:, None, :3, 3]
                inside = ((points > low) & (points < high)).all(-1)
                assert not inside.any(), (body.name, other.name)


# ---- reproducible, restartable, careful


@pytest.fixture
def two_clips(monkeypatch):
    """Only two of the clips, so that making them anew is quick."""
    few = {"adt": {"val": (MUG,)}, "pstudio": {"train": ("softball_3",)}}
    monkeypatch.setattr(sample_clips, "CLIP_SPLITS", few)
    return (MUG, "softball_3")


def test_any_number_of_workers_gives_the_same_bytes(root, tmp_path, two_clips):
    sample_clips.write_sample_clips(tmp_path, small=True, num_workers=2)
    made = snapshot(tmp_path)
    assert len(made) == 3
    assert made.items() <= snapshot(root).items()
    for data in made.values():
        members = zipfile.ZipFile(io.BytesIO(data)).infolist()
        assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}
    sample_clips.write_sample_clips(tmp_path, small=True, seed=1)
    assert all(data != made[name] for name, data in snapshot(tmp_path).items())


def test_a_second_start_changes_nothing_and_keeps_what_was_added(root, tmp_path):
    shutil.copytree(root / "data", tmp_path / "data")
    clip = read(clip_path(tmp_path, CLEAN))  # as the command does that completes a clip
    clip["extrinsics_w2c"] = extrinsics(root, CLEAN)
    np.savez(clip_path(tmp_path, CLEAN), **clip)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    run = sample_clips.write_sample_clips(tmp_path, small=True, only=SPECS)
    assert run.reused == 8
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_a_killed_run_goes_on_with_what_is_missing(root, tmp_path, two_clips):
    shutil.copytree(root / "data", tmp_path / "data")
    base = dataset(tmp_path)
    gone, unpublished = (clip_path(tmp_path, clip_id) for clip_id in two_clips)
    gone.unlink()
    waiting = base / sample_clips.MARKS / unpublished.stem / "pstudio" / unpublished.name
    waiting.parent.mkdir()
    unpublished.rename(waiting)  # made, and the run was killed before it was put in its place
    (base / sample_clips.MARKS / f"{MUG}.4711.partial").mkdir()
    run = sample_clips.write_sample_clips(tmp_path, small=True)
    assert run.reused == 1
    assert snapshot(tmp_path) == snapshot(root)


def test_clips_of_other_origin_are_never_touched(tmp_path):
    path = clip_path(tmp_path, "boxes_11")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a real clip")
    for overwrite in (False, True):
        with pytest.raises(SettingsError, match="did not make"):
            sample_clips.write_sample_clips(tmp_path, small=True, overwrite=overwrite)
    assert list(snapshot(tmp_path).values()) == [b"a real clip"]


def test_write_clip_repeats_pictures_but_not_coordinates(tmp_path):
    sizes = {"num_frames": 8, "image_size": (32, 32), "num_points": 200, "picture_repeat": 3}
    path = tmp_path / "Lite_release_recognition_Mug_seq999_0.npz"
    spec = write_clip(path, play="mug", quirks=ClipQuirks(double=True), **sizes)
    clip, truth = read(path), clip_truth(spec)
    pictures = clip["images_jpeg_bytes"].tolist()
    assert len(pictures) == 8
    assert [pictures.index(data) for data in pictures] == [0, 0, 0, 3, 3, 3, 6, 6]
    assert clip["tracks_XYZ"].shape == (8, 200, 3)
    assert len(np.unique(truth.world[:, truth.body == 1, 0], axis=0)) == 8
    again = path.with_name("again") / path.name
    write_clip(again, play="mug", quirks=ClipQuirks(double=True), **sizes)
    assert again.read_bytes() == path.read_bytes()
    with pytest.raises(SettingsError, match="no play of pstudio"):
        write_clip(path, kind="pstudio", play="mug")
    with pytest.raises(SettingsError, match="kind"):
        write_clip(path, kind="kinect")
    assert {name for kind in CLIP_SPLITS for name in plays_of(kind)} == set(PLAYS)
