"""The label audit: agrees with what was made, finds each wrong answer, names it with its line."""

import ast
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE, REPOSITORY
from helpers import USUAL_TASKS
from PIL import Image

from spatial_engine.audit import audit_labels
from spatial_engine.audit.label_complaints import KEPT, Complaints
from spatial_engine.audit.label_lines import MAX_LINE_BYTES, index_file
from spatial_engine.audit.label_records import TASKS, UNITS, find_label_files, label_file
from spatial_engine.audit.label_report import FileReport, table, write_report
from spatial_engine.audit.raw.ids import read_split_list
from spatial_engine.utils.questions import tasks
from spatial_engine.utils.questions.record_files import find_record_files, to_uniform
from spatial_engine.utils.questions.records import format_value, read_jsonl, write_jsonl

COMMAND = "spatial_engine/audit/audit_labels.py"
OTHER = {"right": "left", "left": "right"}


def linked_root(made: Path, target: Path) -> Path:
    """A root that has its own tree of the questions of another, and shares its raw data."""
    target.mkdir(exist_ok=True)
    (target / "data").symlink_to(made / "data")
    for folder in ("training_data", "evaluation_data"):
        shutil.copytree(made / folder, target / folder, copy_function=os.link)
    return target


def replace(path: Path, content: bytes) -> None:
    """Write a file that was linked, without writing to what it is linked to."""
    path.unlink()
    path.write_bytes(content)


def rewrite(path: Path, records: list[dict]) -> None:
    path.unlink(missing_ok=True)
    write_jsonl(path, records)


def audit(root: Path, *flags: object) -> tuple[int, dict]:
    """Exit code and the files of label_audit.json."""
    report = root / "label_audit.json"
    report.unlink(missing_ok=True)
    given = ["--root", str(root), "--num-workers", "1", *map(str, flags)]
    code = audit_labels.main(given)
    return code, json.loads(report.read_text())["files"] if report.exists() else {}


@pytest.fixture
def root(made_root, tmp_path) -> Path:
    return linked_root(made_root, tmp_path / "root")


# ---- what is right -------------------------------------------------------------------------------


def test_a_sample_of_every_file_and_table_agrees(root, capsys):
    code, files = audit(root, "--sample", "2", "--tables")
    assert code == 0
    paths = {path.relative_to(root).as_posix() for path in root.rglob("*.jsonl")}
    tables = {path.relative_to(root).as_posix() for path in root.rglob("*.pkl")}
    tables = {name for name in tables if "merged" in name or "object_visibility" in name}
    assert set(files) == paths | tables
    assert len(paths) > 50 and len(tables) == 8
    for name, found in files.items():
        drawn = min(2, found["in_file"]) if name in paths else 1
        assert (found["checked"], found["agree"]) == (drawn, drawn), name
        assert found["complaints"] == [] and found["not_checked"] == {}
    printed = capsys.readouterr().out
    checked = sum(files[name]["checked"] for name in paths)
    assert f"{checked} records of {len(paths)} files checked, {checked} agree" in printed
    assert "8 scenes of 8 files checked, 8 agree" in printed


def test_it_finds_the_files_that_the_engine_finds_and_knows_its_tasks_and_units(made_root):
    mine = {file.path: file.split for file in find_label_files(made_root)}
    engine = {file.path: file.split for file in find_record_files(made_root)}
    assert mine == engine
    assert set(tasks.TASKS) == TASKS
    for task, subtask in tasks.TASKS.items():
        unit = next(unit for pattern, unit in UNITS if re.fullmatch(pattern, task))
        assert unit == subtask.unit


# ---- what is wrong -------------------------------------------------------------------------------


def set_answer(record: dict, value: object) -> None:
    """Give a record another answer wherever it stands, so that only the raw data know better."""
    old, record["gt_value"] = record["gt_value"], value
    record["conversations"][1]["value"] = record["conversations"][1]["value"].replace(
        f"`{format_value(old)}`", f"`{format_value(value)}`"
    )
    if "answer_values" in record:
        record["answer_values"][record["question_type"]] = value


def one_more(record: dict) -> None:
    set_answer(record, record["gt_value"] + 1)


def other_word(record: dict) -> None:
    set_answer(record, OTHER[record["gt_value"]])


def other_letter(record: dict) -> None:
    set_answer(record, "B" if record["gt_value"] == "A" else "A")


def other_sign(record: dict) -> None:
    x, y, z = record["gt_value"]
    set_answer(record, [x, y, -z])


def shifted(record: dict) -> None:
    x, y = record["p2"]
    record["p2"] = [x - 2 if x > 500 else x + 2, y]
    set_answer(record, record["p2"])


def deeper(record: dict) -> None:
    record["points_info"][0]["depth_mm"] += 1
    if "estimation" in record["task"]:
        one_more(record)


def is_far(record: dict) -> bool:
    return abs(record["gt_value"][2]) > 20


CAMERA, MOVEMENT = "camera_movement/v1_0/{}_train.jsonl", "object_movement_coord/v1_0/adt/adt_{}_"
PLANTED = {  # files of training_data: which record can be spoilt, how, what is complained about
    CAMERA.format("total_distance"): (None, one_more, "gt_value"),
    CAMERA.format("pitch_angle"): (None, one_more, "gt_value"),
    CAMERA.format("x_movement"): (None, other_word, "gt_value"),
    CAMERA.format("displacement_vector"): (is_far, other_sign, "gt_value"),
    "depth_estimation_coor/v1_0/depth_estimation_coor.jsonl": (None, deeper, "points_info"),
    "depth_comparison_coor/v1_0/depth_comparison_coor.jsonl": (None, deeper, "points_info"),
    "depth_comparison_dot/v1_0/depth_comparison_dot.jsonl": (None, other_letter, "gt_value"),
    "visual_correspondence_coor_2_coor/v1_0/train_visual_correspondence_coor_2_coor.jsonl": (
        None, shifted, "p2",
    ),
    "visual_correspondence_dot_2_multichoice/v1_0/"
    "train_visual_correspondence_dot_2_multichoice.jsonl": (None, other_letter, "gt_value"),
    "object_perception/object_perception_height_k1_train_-1.jsonl": (None, one_more, "gt_value"),
    MOVEMENT.format("tapvid3d_displacement_vector"): (is_far, other_sign, "gt_value"),
    MOVEMENT.format("tapvid3d_total_distance"): (lambda r: r["gt_value"], one_more, "gt_value"),
}  # fmt: skip
SPOILT_LINE = 3


def plant(root: Path) -> dict[str, str]:
    """Cut files to four records and spoil the third; {file: what must be complained about}."""
    planted = {}
    for start, (fits, spoil, kind) in PLANTED.items():
        (path,) = (root / "training_data").glob(start if "jsonl" in start else f"{start}*.jsonl")
        records = list(read_jsonl(path))
        number = next(k for k, r in enumerate(records) if fits is None or fits(r))
        wrong = records.pop(number)
        spoil(wrong)
        rewrite(path, [records[0], records[1], wrong, records[2]])
        planted[path.relative_to(root).as_posix()] = kind
    (path,) = (root / "training_data").glob("depth_estimation_dot/v1_0/*.jsonl")
    records = list(read_jsonl(path))[:4]
    move_mark(path.parent / "images" / records[SPOILT_LINE - 1]["image"][0])
    rewrite(path, records)
    planted[path.relative_to(root).as_posix()] = "mark"
    return planted


def move_mark(path: Path) -> None:
    """Move everything that a picture shows by some pixels."""
    with Image.open(path) as image:
        moved = Image.fromarray(np.roll(np.asarray(image), 8, axis=1))
    path.unlink()
    moved.save(path, quality=95)


def test_every_planted_fault_is_found_and_named_with_its_line(root, capsys):
    planted = plant(root)
    code, files = audit(root, *(root / name for name in planted))
    assert code == 1
    printed = capsys.readouterr().out
    for name, kind in planted.items():
        found = files[name]
        assert {c["line"] for c in found["complaints"]} == {SPOILT_LINE}, (name, found)
        assert any(c["complaint"].startswith(kind) for c in found["complaints"]), (name, found)
        assert (found["checked"], found["agree"]) == (4, 3)
        assert sum(found["complaints_by_kind"].values()) == len(found["complaints"])
        assert kind in found["complaints_by_kind"]
        record = list(read_jsonl(root / name))[SPOILT_LINE - 1]
        assert (
            f"{name}:{SPOILT_LINE}: {record['id']}: {found['complaints'][0]['complaint'][:60]}"
            in (printed)
        )


def test_what_stands_twice_in_a_file_is_found(root):
    path = root / "training_data" / CAMERA.format("yaw_angle")
    records = list(read_jsonl(path))[:4]
    again = {**records[1], "id": "another"}
    rewrite(path, [*records, records[0], again])
    code, files = audit(root, path)
    (found,) = files.values()
    assert code == 1
    assert [(c["line"], c["complaint"]) for c in found["complaints"]] == [
        (5, "id: is that of line 1 too"),
        (5, "image: the pair of line 1 again"),
        (6, "image: the pair of line 2 again"),
    ]
    assert found["agree"] == 4


def test_lines_that_are_no_records_are_named_and_the_others_checked(root, capsys):
    path = root / "training_data" / CAMERA.format("yaw_angle")
    good = list(read_jsonl(path))[:2]
    strangers = [
        {**good[0], "id": "moved\n\x1b[2J\u202e", "task": "camera_pitch_angle"},
        {**good[0], "task": ["camera"]},
        {
            **good[0],
            "id": "elsewhere",
            "image": ["scene9999_00/00000.jpg", "scene9999_00/00005.jpg"],
        },
        {**good[0], "id": "outside", "image": ["../../etc/passwd", "x"]},
    ]
    rewrite(path, [*good, *strangers])
    with open(path, "ab") as file:
        file.write(b"[1]\n" + b"x" * (MAX_LINE_BYTES + 10) + b"\nNaN")
    code, files = audit(root, path)
    (found,) = files.values()
    assert code == 1 and found["agree"] == 2 and found["in_file"] == 9
    assert [c["line"] for c in found["complaints"]] == [3, 4, 5, 6, 7, 8, 9]
    texts = [c["complaint"] for c in found["complaints"]]
    assert texts[0] == "task: 'camera_pitch_angle', the file's name says camera_yaw_angle"
    assert texts[2] == "image: scene scene9999_00 is not in split train"
    assert "over 16 MiB" in texts[5]
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "\u202e" not in printed


def test_kinds_of_complaints_are_printed_safely_and_not_by_the_thousand():
    report = FileReport("x", "records", 5000, 5000)
    for number in range(1, 5000):
        report.complaints.add(number, f"\x1b[31m{number}x: wrong")
    printed = "\n".join(table([report]))
    assert "\x1b" not in printed and len(printed) < 2000
    assert "4,987 more kinds" in printed


def test_complaints_are_all_counted_and_kept_up_to_a_number():
    found, more = Complaints(), Complaints()
    for number in range(1, KEPT + 3):
        found.add(number, f"points_info[{number % 2}]: off", {"id": "x" * 5000})
        more.add(number, "Image-2: option C: off")
    found.extend(more)
    assert len(found.kept) == KEPT and len(found.kept[0].record_id) == 1000
    assert found.kinds == {"points_info": KEPT + 2, "Image": KEPT + 2}
    assert len(found.numbers) == 2 * (KEPT + 2)


# ---- samples -------------------------------------------------------------------------------------


def drawn(path: Path, root: Path, sample: int, seed: int) -> tuple[list[int], set[str]]:
    """Lines that a sample draws, and their scenes."""
    listed = {"scannet": frozenset(read_split_list(root, "train"))}
    index = index_file(label_file(path, root), root, sample, seed, listed)
    assert index.drawn == min(sample, index.records) and not index.complaints.kinds
    numbers = [n for lines in index.of_place.values() for n in lines.numbers.tolist()]
    return sorted(numbers), {scene for _, scene in index.of_place}


def test_a_sample_is_drawn_by_the_seed_alone_and_covers_the_scenes(made_root):
    path = made_root / "training_data" / CAMERA.format("yaw_angle")
    scenes = {record["image"][0].split("/")[0] for record in read_jsonl(path)}
    first, covered = drawn(path, made_root, 12, seed=0)
    assert len(set(first)) == 12
    assert drawn(path, made_root, 12, seed=0)[0] == first
    assert drawn(path, made_root, 12, seed=1)[0] != first
    assert covered == scenes and len(scenes) >= 2


def test_every_line_is_as_likely_to_be_drawn(made_root, tmp_path):
    path = tmp_path / "yaw_angle_train.jsonl"
    records = list(read_jsonl(made_root / "training_data" / CAMERA.format("yaw_angle")))[:10]
    write_jsonl(path, records)
    counts = Counter(n for seed in range(400) for n in drawn(path, made_root, 3, seed)[0])
    assert set(counts) == set(range(1, 11))
    # 120 each on average; a line that is off by 5 standard deviations (9.2) is no chance
    assert all(abs(count - 120) < 46 for count in counts.values())


def test_every_run_says_the_same_whatever_the_workers_and_the_order_of_sets(root):
    planted = list(plant(root))
    said = []
    for workers in ("1", "2"):
        flags = ["--root", root, "--num-workers", workers, "--sample", "3"]
        files = [root / name for name in planted if "movement" in name]
        done = subprocess.run(
            [sys.executable, COMMAND, *map(str, [*flags, *files])],
            cwd=REPOSITORY, env={**os.environ, "PYTHONHASHSEED": workers},
            capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        said.append((done.stdout, (root / "label_audit.json").read_bytes()))
    assert said[0] == said[1]


# ---- raw data that is not there ------------------------------------------------------------------


def own_raw_data(root: Path, made_root: Path) -> None:
    """Let a root have links of its own to each raw file of its scenes and clips."""
    (root / "data").unlink()
    for part in ("scannet/scans", "scannet/meta_data", "tapvid3d_dataset"):
        shutil.copytree(made_root / "data" / part, root / "data" / part, copy_function=os.link)


def test_missing_raw_data_is_named_and_the_rest_is_checked(root, made_root, capsys):
    own_raw_data(root, made_root)
    scene = read_split_list(root, "train")[0]
    sens = root / "data/scannet/scans" / scene / f"{scene}.sens"
    path = root / "training_data" / CAMERA.format("yaw_angle")
    lines = sum(record["image"][0].startswith(scene) for record in read_jsonl(path))
    sens.unlink()
    code, files = audit(root, path)
    assert code == 2
    (found,) = files.values()
    assert found["not_checked"] == {
        scene: {"count": lines, "why": f"{sens}: No such file or directory"}
    }
    assert found["checked"] == found["agree"] == found["in_file"] - lines > 0
    error = capsys.readouterr().err
    assert error.splitlines() == [f"error: {sens}: No such file or directory ({lines} not checked)"]


def test_a_mesh_that_is_missing_leaves_records_unchecked_and_complains_of_none(root, made_root):
    own_raw_data(root, made_root)
    for mesh in root.rglob("*_vh_clean_2.ply"):
        mesh.unlink()
    path = root / "training_data/depth_estimation_coor/v1_0/depth_estimation_coor.jsonl"
    code, files = audit(root, path)
    (found,) = files.values()
    assert code == 2 and found["checked"] == 0 and found["complaints"] == []
    assert all("_vh_clean_2.ply" in why["why"] for why in found["not_checked"].values())


@pytest.mark.parametrize(
    ("file", "missing"),
    [
        (CAMERA.format("yaw_angle"), "data/scannet/meta_data/scannetv2_train.txt"),
        (
            "object_movement_coord/v1_0/pstudio/*distance*.jsonl",
            "data/tapvid3d_dataset/meta_data/pstudio/train.txt",
        ),
    ],
)
def test_a_missing_list_of_a_split_is_one_line(root, made_root, capsys, file, missing):
    own_raw_data(root, made_root)
    (root / missing).unlink()
    (path,) = (root / "training_data").glob(file)
    assert audit(root, path)[0] == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: {root / missing}: No such file or directory"
    ]


def test_nothing_to_check_is_one_line(tmp_path, capsys):
    assert audit(tmp_path) == (2, {})
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}: nothing to check")
    assert audit(tmp_path, tmp_path / "none.jsonl") == (2, {})
    assert capsys.readouterr().err == f"error: {tmp_path / 'none.jsonl'}: no such file\n"


# ---- benchmark and uniform files -----------------------------------------------------------------


def uniform(root: Path, split: str, of_each: int) -> list[dict]:
    """The first records of every file, in uniform form."""
    return [
        to_uniform(record, file, root)
        for file in find_record_files(root, [split])
        for record in list(read_jsonl(file.path))[:of_each]
    ]


def tell_sources(path: Path, root: Path, split: str) -> None:
    """The provenance of a file that was made of all records of a split."""
    sources = [file.path.relative_to(root).as_posix() for file in find_record_files(root, [split])]
    told = {"inputs": {source: [source, 1, ""] for source in sources}}
    path.with_name(f"{path.name}.meta.json").write_text(json.dumps(told))


def test_the_benchmark_is_checked_like_the_files_it_is_made_of(root):
    path = root / "evaluation_data/multispa/v1_0/multispa.jsonl"
    path.parent.mkdir(parents=True)
    records = uniform(root, "val", 1)
    spoilt = {  # by task: how the uniform record is spoilt, what is complained about
        "camera_total_distance": ({"gt_value": "123456"}, "gt_value"),
        "depth_estimation_coor": ({"gt_unit": "degree"}, "gt_unit"),
        "object_height": ({"extra": "{"}, "extra"),
        "camera_x_movement": ({"image": ["../a/b/c/d.jpg"] * 2}, "image"),
        "correspondence_coor": ({"gt_value": "[1,2]}"}, "gt_value"),
        "movement_coord_distance_adt": ({"image": ["elsewhere/s/00000.jpg"] * 2}, "image"),
    }
    wrong = {}
    for number, record in enumerate(records, start=1):
        if record["task"] in spoilt:
            change, kind = spoilt.pop(record["task"])
            record.update(change)
            wrong[number] = kind
    assert not spoilt and {record["task"] for record in records} == USUAL_TASKS
    write_jsonl(path, records)
    tell_sources(path, root, "val")
    code, files = audit(root, path)
    assert code == 1
    found = files["evaluation_data/multispa/v1_0/multispa.jsonl"]
    assert {c["line"] for c in found["complaints"]} == set(wrong), found["complaints"]
    for complaint in found["complaints"]:
        kinds = (wrong[complaint["line"]], "answer_values")
        assert complaint["complaint"].startswith(kinds), complaint
    assert found["agree"] == len(records) - len(wrong)


def test_a_uniform_export_of_training_data_is_checked(root):
    folder = root / "training_data/exports/uniform"
    folder.mkdir(parents=True)
    records = [r for r in uniform(root, "train", 1) if r["task"].startswith(("depth", "object"))]
    write_jsonl(folder / "some.jsonl", records)
    tell_sources(folder / "some.jsonl", root, "train")
    code, files = audit(root, folder / "some.jsonl")
    assert code == 0
    assert files["training_data/exports/uniform/some.jsonl"]["agree"] == len(records) >= 8


# ---- tables --------------------------------------------------------------------------------------


def test_faults_in_the_pickles_are_found_and_named_with_their_scene(root):
    folder = root / "evaluation_data/object_perception"
    seen, sets = folder / "object_visibility.pkl", folder / "merged_val_object_coverage_height.pkl"
    contents = {path: pickle.loads(path.read_bytes()) for path in (seen, sets)}
    scene = read_split_list(root, "val")[0]
    by_object = contents[seen][scene]["object_to_images"]
    next(rows for rows in by_object.values() if rows)[0]["intersection_count"] += 1
    next(s for s in contents[sets][scene].values() if s.get(1))[1].pop()
    for path, content in contents.items():
        replace(path, pickle.dumps(content))
    some = root / "evaluation_data/camera_movement/v1_0/yaw_angle_val.jsonl"
    code, files = audit(root, some, "--tables")
    assert code == 1
    for path in contents:
        found = files[path.relative_to(root).as_posix()]
        assert {c["scene"] for c in found["complaints"]} == {scene}
        assert found["agree"] == found["checked"] - 1 > 0
    other = files["training_data/object_perception/object_visibility.pkl"]
    assert other["complaints"] == [] and other["checked"] == other["in_file"] > 1


def test_what_a_killed_audit_left_is_removed_and_what_another_is_at_stays(tmp_path):
    path = tmp_path / "label_audit.json"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        partial = path.with_name(f"{path.name}.{other.pid}.partial")
        partial.write_text("half")
        odd = path.with_name(f"{path.name}..partial")
        odd.write_text("")
        write_report(path, [], {"seed": 0})
        assert partial.read_text() == "half" and not odd.exists()
        other.communicate(b"\n")
    write_report(path, [], {"seed": 0})
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert json.loads(path.read_text()) == {"seed": 0, "files": {}}


# ---- independence --------------------------------------------------------------------------------

GROUND = ("processes", "stopping")
BELOW = {"raw": ["raw"], "records": ["raw", "records"], "oracles": ["raw", "records", "oracles"]}


def imported(path: Path) -> set[str]:
    """Full names of what a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_the_audit_imports_nothing_of_the_engine():
    """But for how processes start and end, which decides no answer and itself imports nothing of
    the engine. Videos need a decoder, which is OpenCV's; nearest vertices are found by scipy."""
    allowed = {*sys.stdlib_module_names, "numpy", "PIL", "scipy"}
    ground = {f"spatial_engine.utils.running.{name}" for name in GROUND}
    folder = Path(audit_labels.__file__).parent
    running = [folder.parent / "utils/running" / f"{name}.py" for name in GROUND]
    for path in [*folder.rglob("*.py"), *running]:
        names = imported(path)
        own = {name for name in names if name.startswith("spatial_engine.audit.")}
        outside = {name for name in names - own if not name.startswith(tuple(ground))}
        videos = {"cv2"} if path == folder / "captures/video.py" else set()
        assert {name.split(".")[0] for name in outside} <= allowed | videos, path


@pytest.mark.parametrize("room", BELOW)
def test_readers_of_raw_files_know_no_record_and_records_know_no_oracle(room):
    folder = Path(audit_labels.__file__).parent / room
    for path in folder.glob("*.py"):
        own = {name.split(".")[2] for name in imported(path) if name.startswith("spatial_engine.")}
        assert own <= set(BELOW[room]), path
