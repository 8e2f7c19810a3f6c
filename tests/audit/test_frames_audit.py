"""The label audit of files of questions about several frames: where they lie, their uniform form
and the benchmark, what stands there twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from frames_by_hand import views_of
from test_camera_frames_oracle import PATH as CAMERA_PATH
from test_camera_frames_oracle import path_record
from test_clip_frames_oracle import FASTEST, records_of
from test_movement_oracle import make_clip
from test_point_frames_oracle import HIDDEN, NEAREST, make

from spatial_engine.audit import audit_labels
from spatial_engine.audit.label_checks import open_raw
from spatial_engine.audit.label_records import (
    MARKED,
    TASKS,
    canonical,
    checker,
    dataset_of,
    find_label_files,
    label_file,
    promised_tasks,
    question_of,
    read_record,
    sources_of,
)
from spatial_engine.audit.oracles.frames import points
from spatial_engine.audit.oracles.frames.constants import FRAME_TASKS
from spatial_engine.audit.raw.ids import DATASETS

SCENE, CLIP = "scene0011_00", "basketball_3"
UNIT = {CAMERA_PATH: "mm", HIDDEN: "mm", NEAREST: "letter", FASTEST: "letter"}
FIELDS = {  # of the uniform form; all others are in its `extra`
    *("id", "image", "text", "height_list", "width_list", "task", "question_type"),
    *("gt_value", "gt_unit"),
}


def path_of(root: Path, task: str) -> Path:
    folder = root / "evaluation_data" / f"{FRAME_TASKS[task]}_frames" / "v1_0"
    return folder / f"{task.split('_', 1)[1]}_val.jsonl"


def write(path: Path, *records: dict, settings: dict | None = None, **meta: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    provenance = {"settings": settings or {}, **meta}
    path.with_name(path.name + ".meta.json").write_text(json.dumps(provenance))


def audit(root: Path, *flags: object) -> tuple[int, dict]:
    code = audit_labels.main(["--root", str(root), "--num-workers", "1", *map(str, flags)])
    return code, json.loads((root / "label_audit.json").read_text())["files"]


@pytest.fixture
def root(raw_root, tmp_path) -> Path:
    """A root with a right record of four tasks, each in its file."""
    root = tmp_path / "root"
    (root / "data" / "tapvid3d_dataset" / "meta_data" / "pstudio").mkdir(parents=True)
    (root / "data" / "scannet").symlink_to(raw_root / "data" / "scannet")
    (root / "data" / "tapvid3d_dataset" / "meta_data" / "pstudio" / "val.txt").write_text(CLIP)
    clip = make_clip(root, "pstudio", CLIP, (512, 288), 1)
    images = root / "data" / "my_tapvid3d_images" / CLIP
    images.mkdir(parents=True)
    for number, content in enumerate(clip.jpegs):
        (images / f"{number:05d}.jpg").write_bytes(content)
    views, folder = views_of(raw_root, SCENE), path_of(root, HIDDEN).parent
    write(path_of(root, CAMERA_PATH), path_record(views, (0, 1, 2, 7), "val"))
    for task, chosen in ((HIDDEN, (2, 1, 0)), (NEAREST, (7, 1, 0))):
        write(path_of(root, task), make(folder, views, task, chosen, "val"))
    write(path_of(root, FASTEST), records_of(clip, FASTEST, "val", 3)[0])
    return root


def the_record(root: Path, task: str) -> dict:
    return json.loads(path_of(root, task).read_text().splitlines()[0])


def test_right_files_agree_and_are_found(root):
    code, files = audit(root)
    assert code == 0
    names = {path_of(root, task).relative_to(root).as_posix() for task in UNIT}
    assert set(files) == names
    assert all((found["checked"], found["agree"]) == (1, 1) for found in files.values())


@pytest.mark.parametrize("task", UNIT)
def test_a_wrong_answer_is_found(root, task):
    record = the_record(root, task)
    other = next(letter for letter in "AB" if letter != record["gt_value"])
    record["gt_value"] = record["gt_value"] + 1 if UNIT[task] == "mm" else other
    write(path_of(root, task), record)
    code, files = audit(root)
    assert code == 1
    found = files[path_of(root, task).relative_to(root).as_posix()]
    assert [c["complaint"][:9] for c in found["complaints"]] == ["gt_value:"]


@pytest.mark.parametrize("task", UNIT)
def test_what_is_asked_twice_is_found(root, task):
    """In another order of its images, too; that this order is wrong is no matter here."""
    first = the_record(root, task)
    again = {**first, "id": "again"}
    again["image"] = [*first["image"][::-1][1:], first["image"][-1]]  # the last stays the last
    write(path_of(root, task), first, again)
    _, files = audit(root)
    found = files[path_of(root, task).relative_to(root).as_posix()]["complaints"]
    assert (2, "frames: those of line 1 again, about the same") in [
        (c["line"], c["complaint"]) for c in found
    ]


def test_the_same_frames_may_be_asked_about_other_points(root):
    first = the_record(root, HIDDEN)
    other = {**first, "id": "other", "point_id": first["point_id"] + 1}
    write(path_of(root, HIDDEN), first, other)
    _, files = audit(root, path_of(root, HIDDEN))
    (found,) = files.values()
    assert not any("again" in c["complaint"] for c in found["complaints"])


def test_constants_of_the_file_decide(root):
    write(path_of(root, CAMERA_PATH), the_record(root, CAMERA_PATH), settings={"MIN_STEP_M": 9})
    code, files = audit(root, path_of(root, CAMERA_PATH))
    (found,) = files.values()
    assert code == 1 and "MIN_STEP_M is 9" in found["complaints"][0]["complaint"]


# ---- the uniform form ----------------------------------------------------------------------------


def uniform(root: Path, task: str) -> dict:
    record = the_record(root, task)
    folder = {CAMERA_PATH: "data/scannet/posed_images", FASTEST: "data/my_tapvid3d_images"}.get(
        task, path_of(root, task).parent.relative_to(root).as_posix() + "/images"
    )
    record["image"] = [f"{folder}/{name}" for name in record["image"]]
    record["gt_value"] = json.dumps(record["gt_value"])
    extra = {name: record.pop(name) for name in list(record) if name not in FIELDS}
    return {**record, "gt_unit": UNIT[task], "extra": json.dumps(extra)}


def benchmark(root: Path, *records: dict) -> Path:
    path = root / "evaluation_data" / "multispa_frames" / "v1_0" / "multispa_frames.jsonl"
    names = [path_of(root, task).relative_to(root).as_posix() for task in UNIT]
    write(path, *records, inputs={"records": names})
    return path


def test_the_benchmark_is_found_and_agrees(root):
    path = benchmark(root, *(uniform(root, task) for task in UNIT))
    code, files = audit(root)
    assert code == 0
    assert files[path.relative_to(root).as_posix()]["agree"] == len(UNIT)


def test_the_benchmark_is_held_against_the_constants_of_its_files(root):
    write(path_of(root, NEAREST), the_record(root, NEAREST), settings={"MIN_DEPTH_GAP_M": 9})
    write(path_of(root, FASTEST), the_record(root, FASTEST), settings={"MIN_STEP_GAP_M": 9})
    path = benchmark(root, *(uniform(root, task) for task in UNIT))
    _, files = audit(root, path)
    (found,) = files.values()
    assert [c["line"] for c in found["complaints"]] == [3, 4]
    assert all("differ by less than 9 m" in c["complaint"] for c in found["complaints"])


@pytest.mark.parametrize("task", UNIT)
def test_faults_of_the_uniform_form_are_found(root, task):
    right = uniform(root, task)
    elsewhere = [name.replace("images/", "pictures/") for name in right["image"]]
    faults = [
        {**right, "gt_unit": "word"},
        {**right, "image": elsewhere},
        {**right, "gt_value": 3},
    ]
    for fault in faults:
        code, files = audit(root, benchmark(root, fault))
        (found,) = files.values()
        assert code == 1 and len(found["complaints"]) == 1


def test_every_frame_task_has_a_file_name_and_a_folder_of_images(tmp_path):
    assert len(FRAME_TASKS) == 14 and set(FRAME_TASKS) <= TASKS
    for task, family in FRAME_TASKS.items():
        kind = task.removeprefix(f"{family}_")
        path = tmp_path / "training_data" / f"{family}_frames" / "v1_0" / f"{kind}_train.jsonl"
        assert promised_tasks(path) == {task}
        assert (task in MARKED) == (family in ("depth", "correspondence"))
    assert promised_tasks(Path("multispa_frames.jsonl")) == TASKS


# ---- where they lie ------------------------------------------------------------------------------


def test_sets_of_clips_are_those_that_records_name(root):
    record = the_record(root, FASTEST)
    file = label_file(path_of(root, FASTEST), root)
    assert sources_of(FASTEST, file) == set(DATASETS)
    assert question_of(record, file).source == "pstudio"
    for name in ("kinetics", None, ["adt"]):
        assert question_of({**record, "clip_set": name}, file).startswith("clip_set:")
    write(path_of(root, FASTEST), {**record, "clip_set": "kinetics"})
    assert audit(root)[0] == 1


def test_files_of_a_data_set_are_found_by_its_name(root):
    for task in (CAMERA_PATH, HIDDEN):
        source = path_of(root, task)
        start, _, end = source.as_posix().partition("/evaluation_data/")
        target = Path(f"{start}/evaluation_data/my_rooms/{end}")
        assert dataset_of(source) == "scannet" and dataset_of(target) == "my_rooms"
        write(target, the_record(root, task))
        line = target.read_bytes()
        record, images = read_record(line, label_file(target, root), root)
        question = question_of(record, label_file(target, root), images)
        assert (question.source, question.place) == ("my_rooms", SCENE)
    folder = root / "data" / "my_rooms" / "meta_data"
    folder.mkdir(parents=True)
    (folder / "val.txt").write_text(f"{SCENE}\n")
    found = [file for file in find_label_files(root) if file.dataset == "my_rooms"]
    assert [file.path.stem for file in found] == ["path_length_val", "hidden_depth_val"]


# ---- strange records -----------------------------------------------------------------------------

STRANGE = [None, True, -1, 10**400, "", [], {}, [[]], [10**30] * 3, {"A": "x\ny"}, ["\ud800"] * 3]


@pytest.mark.parametrize("task", UNIT)
def test_no_strange_field_stops_the_check(root, task, monkeypatch):
    """Without the net that the command spreads under each check. Dots take long, and are right."""
    monkeypatch.setattr(points, "check_marked_picture", lambda picture, source, marks: ([], []))
    right, file = the_record(root, task), label_file(path_of(root, task), root)
    source = "scannet" if task != FASTEST else "pstudio"
    raw = open_raw((source, SCENE if task != FASTEST else CLIP), root)
    check = checker(task, raw, file, None, root)
    for field in sorted(set(right) - {"id", "task", "text", "wording"}):
        for strange in STRANGE:
            record = {**right, field: strange}
            question = question_of(record, file)
            assert isinstance(question, str) or canonical(question.asked)
            assert isinstance(question, str) or check(record) != [], (field, strange)
