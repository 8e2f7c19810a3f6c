"""Plans and boxes of records of three to eight frames, from prepared scenes and from clips."""

import numpy as np
import pytest
from conftest import link_root
from report_samples import frame_records

from spatial_engine.report import boxes
from spatial_engine.report.frames_view import named_objects
from spatial_engine.report.gather import Drawn
from spatial_engine.report.plans import plan_files
from spatial_engine.report.plans.plan import Plan
from spatial_engine.report.plans.scene_plans import plan_of_clip, read_plans
from spatial_engine.report.spread import Workers
from spatial_engine.utils.paths import instance_data_dir
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

ALONE = Workers()


@pytest.fixture(scope="module")
def scenes(prepared_root) -> SceneInfoHandler:
    return SceneInfoHandler.load(prepared_root, "train")


def in_scene(scenes: SceneInfoHandler, task: str, order=(0, 1, 2)) -> dict:
    """The record of a task with real frames and objects of the first scene."""
    one, scene_id = frame_records("train")[task], scenes.scene_ids[0]
    ids, _ = scenes.valid_frames(scene_id)
    one["frames"] = [ids[k] for k in order]
    one["image"] = [f"{scene_id}/{ids[k]}.jpg" for k in order]
    there = [i for i in scenes.object_ids(scene_id) if scenes.aligned_box(scene_id, i)[3:6].any()]
    if "object_ids" in one:
        one["object_ids"] = there[: len(one["object_ids"])]
        one["seen_objects"] = [there[:1], there[:2], []]
    return one


def test_cameras_stand_and_look_as_their_poses_say(prepared_root, scenes):
    one = in_scene(scenes, "camera_path_length")
    (plan,) = read_plans(prepared_root, [one], ALONE, faults := {})
    assert faults == {}
    ids, poses = scenes.valid_frames(scenes.scene_ids[0])
    for number, stand in enumerate(plan.stands):
        pose = poses[ids.index(one["frames"][number])]
        ahead = pose[:3, :3] @ [0, 0, 1] + pose[:3, 3]
        assert np.allclose((stand.x, stand.y), pose[:2, 3])
        way = ahead[:2] - pose[:2, 3]
        assert np.allclose(stand.towards, way / np.linalg.norm(way))
        assert stand.label == str(number + 1)
    assert list(plan.path) == [0, 1, 2]
    low, high = np.array(plan.ground.low), np.array(plan.ground.high)
    assert all((low <= poses[:, :2, 3]).all(axis=1) & (poses[:, :2, 3] <= high).all(axis=1))


def test_frames_in_an_order_of_their_own_are_joined_in_that_of_time(prepared_root, scenes):
    marked = in_scene(scenes, "depth_nearest_view", (2, 0, 1))
    point = scenes.points(scenes.scene_ids[0])[5]
    (plan,) = read_plans(prepared_root, [marked], ALONE, {})
    assert plan.path == [1, 2, 0]
    assert [stand.right for stand in plan.stands] == [False, True, False]
    assert plan.point == tuple(point[:2])
    shown = in_scene(scenes, "camera_path_length", (2, 0, 1))
    assert list(read_plans(prepared_root, [shown], ALONE, {})[0].path) == [0, 1, 2]


def test_named_objects_are_outlined_where_their_boxes_are(prepared_root, scenes):
    one = in_scene(scenes, "relation_object_distance")
    (plan,) = read_plans(prepared_root, [one], ALONE, {})
    assert [outline.name for outline in plan.outlines] == ["chair", "table"]
    for outline, object_id in zip(plan.outlines, one["object_ids"], strict=True):
        box = scenes.aligned_box(scenes.scene_ids[0], object_id)
        assert np.allclose(outline[2:], [*(box[:2] - box[3:5] / 2), *(box[:2] + box[3:5] / 2)])


def test_the_way_of_a_point_is_that_of_the_record():
    one = frame_records("val")["movement_fastest_step"]
    plan = plan_of_clip(one)
    assert [(stand.x, stand.y) for stand in plan.stands] == [(0, 0), (0.3, 0.4), (0.9, 1.2)]
    assert [stand.right for stand in plan.stands] == [False, True, True]
    assert "does not say" in plan_of_clip(one | {"positions_mm": [[0, 0]]})
    assert len(plan_of_clip(one | {"positions_mm": [[1, 2, 3]] * 1000}).stands) <= 20


def test_a_record_without_a_plan_says_why(prepared_root, scenes):
    one = in_scene(scenes, "camera_path_length")
    gone = one | {"image": ["scene9999_00/00000.jpg"] * 3}
    lost = one | {"frames": [*one["frames"][:2], "99999"]}
    odd = one | {"frames": 7}
    other = in_scene(scenes, "camera_path_length") | {"task": "camera_total_distance"}
    plans = read_plans(prepared_root, [gone, lost, odd, other], ALONE, faults := {})
    assert plans[0] == "scene9999_00 is not among the prepared scenes"
    assert plans[1].endswith("has no usable pose of frame 99999")
    assert plans[2].endswith("has no usable pose of its frames")
    assert plans[3] == ""
    assert faults == {}


def test_points_that_are_gone_are_told_and_other_scenes_have_plans(prepared_root, scenes, tmp_path):
    root = link_root(prepared_root, tmp_path / "root")
    first, second = scenes.scene_ids[:2]
    (instance_data_dir(root) / first / "aligned_points.npy").unlink()
    one = in_scene(scenes, "camera_path_length")
    ids, _ = scenes.valid_frames(second)
    other = one | {"image": [f"{second}/{i}.jpg" for i in ids[:3]], "frames": ids[:3]}
    plans = read_plans(root, [one, other], ALONE, faults := {})
    assert "aligned_points.npy: no such file" in plans[0]
    assert list(faults) == [f"plans of {first}"]
    assert isinstance(plans[1], Plan)


def test_any_record_of_odd_fields_has_a_plan_or_a_reason(prepared_root, scenes):
    values = [None, True, -1, 2**63, "x", [], [[]], {}, [2**63], [-5], [[2**63] * 3] * 3]
    records = [
        in_scene(scenes, task) | {name: value}
        for task in frame_records("train")
        for name in TASKS[task].fields
        if name not in ("p1", "mark_points")  # those are checked before
        for value in values
    ]
    faults: dict[str, str] = {}
    plans = read_plans(prepared_root, records, ALONE, faults)
    assert len(boxes.read_boxes(prepared_root, records, faults)) == len(plans) == len(records)
    assert all(isinstance(plan, Plan) or plan for plan in plans)
    assert faults == {}


def test_boxes_are_drawn_in_the_images_that_show_their_objects(prepared_root, scenes):
    one = in_scene(scenes, "relation_object_distance")
    first, second = one["object_ids"]
    matrices = boxes._Scene(scenes, scenes.scene_ids[0])
    (found,) = boxes.read_boxes(prepared_root, [one], faults := {})
    assert faults == {}
    shown = {(line.image, line.number) for line in found.lines}
    assert shown <= {(0, 0), (1, 0), (1, 1)}
    assert {(label.image, label.number) for label in found.labels} == shown
    assert {label.text for label in found.labels} <= set(named_objects(one).values())
    # Without a word on what each image shows, wherever they are before the camera.
    (everywhere,) = boxes.read_boxes(prepared_root, [one | {"seen_objects": None}], {})
    assert {(line.image, line.number) for line in everywhere.lines} >= shown
    parts = matrices._parts(boxes._ends_of(scenes.aligned_box(scenes.scene_ids[0], first)),
                            matrices._matrices(one)[0])  # fmt: skip
    ends = sorted(tuple(line[2:6]) for line in everywhere.lines if line[0] == line[6] == 0)
    assert ends == sorted(tuple(part.ravel().tolist()) for part in parts if np.isfinite(part).all())
    assert second in one["seen_objects"][1]


def test_a_joint_size_that_its_box_does_not_have_is_told(prepared_root, scenes):
    one = in_scene(scenes, "object_joint_size")
    there = next(
        i
        for i in scenes.object_ids(scenes.scene_ids[0])
        if scenes.aligned_box(scenes.scene_ids[0], i)[3:6].any()
    )
    size = scenes.aligned_box(scenes.scene_ids[0], there)[3:6]
    right = [round(1000 * size[2]), *sorted((round(1000 * s) for s in size[:2]), reverse=True)]
    wrong = [right[0] + 5, *right[1:]]
    records = [one | {"object_id": there, "gt_value": value} for value in (right, wrong)]
    found = boxes.read_boxes(prepared_root, records, {})
    assert [box.contradictions for box in found] == [[], ["the box and gt_value differ"]]


def test_files_of_plans_are_those_of_the_records_shown(prepared_root, scenes, tmp_path):
    records = [in_scene(scenes, task) for task in ("camera_path_length", "relation_direction")]
    plans = read_plans(prepared_root, records, ALONE, {})
    drawn = [
        Drawn(0.0, one, "train", prepared_root, None, plan)
        for one, plan in zip(records, plans, strict=True)
    ]
    drawn.append(Drawn(0.0, records[0] | {"id": "x"}, "train", prepared_root, None, "gone"))
    plan_files.write_plans(drawn, tmp_path, ALONE)
    names = {plan_files.plan_name(one) for one in drawn[:2]}
    assert {path.name for path in tmp_path.iterdir()} == names
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert max(map(len, before.values())) < 30_000
    (tmp_path / "mine.png").write_text("of the user")
    plan_files.write_plans(drawn[:1], tmp_path, Workers(2))
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    name = plan_files.plan_name(drawn[0])
    assert after == {"mine.png": b"of the user", name: before[name]}
