"""What frames show of objects: seen, absent or grey, made once and read again (SPEC 13.1)."""

from __future__ import annotations

import shutil
from collections import Counter

import numpy as np
import pytest
from conftest import link_root, own_file
from helpers import raises_one_line

from spatial_engine.audit.raw.scene import RawScene
from spatial_engine.errors import BadDataError
from spatial_engine.utils import paths
from spatial_engine.utils.frames import states as frame_states
from spatial_engine.utils.frames import step as frames_step
from spatial_engine.utils.frames.states import ABSENT, GREY, SEEN, SceneStates
from spatial_engine.utils.running.finished_scenes import folder_of
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import object_names
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.storage.files import dump_json
from spatial_engine.utils.storage.provenance import meta_path
from spatial_engine.utils.tables import grey_table
from spatial_engine.utils.tables.visibility_table import SURFACE, VisibilityInfoHandler

SPLIT = "val"


def states_made(root, *flags: str, num_workers: int = 1) -> tuple[set[str], Step]:
    """Make what frames of a split leave grey, as the scripts do; which scenes failed."""
    line = ["--root", str(root), "--num-workers", str(num_workers), *flags]
    asked = {"max_samples": {"val": 1}, "num_frames": (3, 8), "constants": {}}
    args = frames_step.parse_args("", line, ["object_joint_size"], **asked)
    args.dataset = paths.Dataset(root)
    step, scenes = Step("test", args, {}, __file__), SceneInfoHandler.load(root, SPLIT)
    return frame_states.make_states(args, step, SPLIT, scenes, scenes.scene_ids), step


@pytest.fixture(scope="module")
def root(framed_root, tmp_path_factory):
    """Root in which the states of the val scenes are made; not to be written to."""
    folder = link_root(framed_root, tmp_path_factory.mktemp("states"))
    failed, _ = states_made(folder)
    assert not failed
    return folder


def states_of(root, scene_id: str) -> SceneStates:
    seen = VisibilityInfoHandler(paths.visibility_table_path(root, SPLIT), SURFACE)
    folder = paths.object_frames_dir(root)
    scenes = SceneInfoHandler.load(root, SPLIT)
    return SceneStates.of(scenes, scene_id, seen.load_scene(scene_id), folder)


def scene_ids(root) -> list[str]:
    return list(SceneInfoHandler.load(root, SPLIT).scene_ids)


def grey_file(root, scene_id: str):
    return folder_of(paths.object_frames_dir(root), scene_id) / grey_table.FILE


def vertex_states(raw: RawScene, frame: str) -> tuple[np.ndarray, np.ndarray]:
    """By the definition in float64, from raw files: the state of each vertex, and whether rounding
    may decide. Seen is not looked at: what is not absent is GREY here."""
    (width, height), depth = raw.colour_size, raw.depth_mm(frame).astype(float) / 1000
    points = np.column_stack([raw.vertices_aligned, np.ones(len(raw.vertices_aligned))])
    x, y, z = (np.linalg.inv(raw.world_from_cam(frame)) @ points.T)[:3]
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = (raw.camera_K(frame)[:3, :3] @ np.stack([x, y, z]))[:2] / z
    m = 0.02 * width
    outside = (z <= 0) | (u < -m) | (u >= width + m) | (v < -m) | (v >= height + m)
    inside = (z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    column, row = u * depth.shape[1] / width, v * depth.shape[0] / height
    tie = np.min(np.abs([u, v, u - width, v - height, u + m, v + m, u - width - m,
                         v - height - m]), axis=0) < 1e-3  # fmt: skip
    tie |= np.minimum(np.abs(column % 1 - 0.5), np.abs(row % 1 - 0.5)) < 1e-3
    at = (
        np.clip(np.where(inside, np.rint(row), 0), 0, depth.shape[0] - 1).astype(int),
        np.clip(np.where(inside, np.rint(column), 0), 0, depth.shape[1] - 1).astype(int),
    )
    measured = depth[at]
    tie |= np.abs(z - measured - 0.1) < 1e-4
    absent = outside | (inside & (measured > 0) & (z >= measured + 0.1))
    return np.where(absent, ABSENT, GREY), tie


def test_vertices_and_objects_are_as_the_definition_says(root):
    kinds = Counter()
    for scene_id in scene_ids(root):
        states, raw = states_of(root, scene_id), RawScene(root, scene_id)
        masks = {o: np.flatnonzero(raw.instance_ids == o + 1) for o in raw.raw_categories}
        assert states.object_ids.tolist() == sorted(masks)
        numbers = np.arange(len(raw.instance_ids))[None]
        for frame, image_id in enumerate(states.seen.image_ids):
            expected, ties = vertex_states(raw, image_id)
            expected[states.seen.points(image_id)] = SEEN
            found = states.of_points(np.array([frame]), numbers)[0]
            assert not (found != expected)[~ties].any(), image_id
            kinds.update(expected.tolist())
            for place, object_id in enumerate(states.object_ids.tolist()):
                of_object = Counter(found[masks[object_id]].tolist())
                total = of_object.total()
                state = ABSENT if of_object[ABSENT] == total else GREY
                if of_object[SEEN] >= max(50, 0.2 * total):
                    state = SEEN
                assert states.states[frame, place] == state, (image_id, object_id)
                assert states.counts[frame, place] == of_object[SEEN]
                assert states.totals[place] == total
                kinds[f"objects {state}"] += 1
    assert min(kinds[state] for state in (ABSENT, GREY, SEEN)) > 1000
    assert min(kinds[f"objects {state}"] for state in (ABSENT, GREY, SEEN)) > 10


def test_others_of_a_name_that_may_be_shown(root):
    for scene_id in scene_ids(root):
        states = states_of(root, scene_id)
        for frame, row in enumerate(states.others_shown().tolist()):
            for place, shown in enumerate(row):
                others = np.flatnonzero(states.same_name[place])
                assert shown == any(states.states[frame, other] != ABSENT for other in others)


def test_states_are_made_once_and_used_again(root, tmp_path):
    """By any number of workers the same, and not a second time."""
    own = link_root(root, tmp_path)
    files = [grey_file(own, scene_id) for scene_id in scene_ids(own)]
    before = {path: (path.read_bytes(), path.stat().st_ino) for path in files}
    _, step = states_made(own)
    assert {path: (path.read_bytes(), path.stat().st_ino) for path in files} == before
    assert not step.table.rows
    files[0].unlink()
    failed, step = states_made(own, num_workers=2)
    assert not failed and len(step.table.rows) == 1
    assert {path: path.read_bytes() for path in files} == {p: b for p, (b, _) in before.items()}


def test_what_an_earlier_version_had_in_one_folder_does_not_stay(root, tmp_path):
    """It is a cache: those that are in the new place are good, and the old ones nobody reads. What
    is not of this step is somebody's."""
    own, new = link_root(root, tmp_path), paths.object_frames_dir(root)
    flat = paths.object_frames_dir(own).with_suffix("")
    for scene_id in scene_ids(own):
        shutil.copytree(folder_of(new, scene_id), flat / scene_id)
    dump_json({"step": "another"}, meta_path(flat))
    states_made(own)
    assert all((flat / scene_id / grey_table.FILE).exists() for scene_id in scene_ids(own))
    dump_json({"step": "frame_states"}, meta_path(flat))
    looks = flat.with_name(f"{flat.name}.looks.json")
    looks.touch()
    states_made(own)
    assert not flat.exists() and not meta_path(flat).exists() and not looks.exists()
    assert all(grey_file(own, scene_id).exists() for scene_id in scene_ids(own))


def test_a_damaged_file_is_named_with_its_remedy(root, tmp_path):
    own, scene_id = link_root(root, tmp_path), scene_ids(root)[0]
    path = own_file(grey_file(own, scene_id))
    for data in (path.read_bytes()[:-20], b"", b"PAR1 and nothing else PAR1"):
        path.write_bytes(data)
        with raises_one_line(BadDataError, path, "start again with --overwrite"):
            states_of(own, scene_id)


def test_a_file_about_other_frames_or_vertices_is_refused(root, tmp_path):
    own, scene_id = link_root(root, tmp_path), scene_ids(root)[0]
    states, path = states_of(root, scene_id), own_file(grey_file(own, scene_id))
    ids, lists = states.grey.image_ids, states.grey.point_lists()
    num_points = states.grey.num_points
    grey_table.write_grey(path, scene_id, ids[1:], lists[1:], num_points)
    with raises_one_line(BadDataError, path, "about other frames", "--overwrite"):
        states_of(own, scene_id)
    grey_table.write_grey(path, scene_id, ids, lists, 3)
    with raises_one_line(BadDataError, path, "vertices that are not there", "--overwrite"):
        states_of(own, scene_id)
    grey_table.write_grey(path, "scene9999_00", ids, lists, num_points)
    with raises_one_line(BadDataError, path):
        states_of(own, scene_id)
    grey_table.write_grey(path, scene_id, ids, lists, num_points)
    again = states_of(own, scene_id)
    np.testing.assert_array_equal(again.states, states.states)


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("chair", "chair", True),
        ("chair", "office chair", True),
        ("Office Chairs", "chair", True),
        ("chair", "armchair", False),
        ("kitchen cabinet", "cabinet kitchen", False),
        ("kitchen cabinet", "kitchen counter", False),
        ("table", "table lamp", False),
        ("s", "s", True),
    ],
)
def test_objects_of_one_name(one, two, same):
    found = object_names.same_names([one, two])
    assert found.tolist() == [[False, same], [same, False]]


def test_what_can_be_asked_about():
    asked = ["chair", "tv stand", "Lamp 2"]
    never = [
        "wall",
        "Floor",
        " object ",
        "window",
        "",
        "  ",
        "a`b",
        "{x}",
        "cup, blue",
        "a\nb",
        "x" * 101,
    ]
    assert [object_names.can_be_asked(c) for c in asked] == [True] * len(asked)
    assert [object_names.can_be_asked(c) for c in never] == [False] * len(never)
