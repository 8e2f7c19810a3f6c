"""One step is done again with another constant or on other data, and then a later one without those
between them: it is refused in one line that names what to run, or its output is right.

One scene, the val split; each case on a root of its own.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import COMMANDS, link_root, made_once, own_file
from kill_runs import WRITES

from spatial_engine.object_perception import single_object_coverage_finder as finder
from spatial_engine.utils.pictures import png
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.running import cli
from spatial_engine.utils.scenes import posed_images

SCENE = "scene0011_00"
STEPS = {Path(command).stem: command for command in COMMANDS[:16]}
(
    LOAD, EXTRACT, INFOS, VISIBILITY, RELATIONS, CAMERA, DEPTH_DOT, DEPTH_COOR, _, _, DOTS, COOR,
    OBJECTS, COVERAGE, MERGE, QUESTIONS,
) = STEPS  # fmt: skip
CHAIN = [
    LOAD, EXTRACT, INFOS, VISIBILITY, RELATIONS, CAMERA, DEPTH_DOT, DEPTH_COOR, DOTS, COOR, OBJECTS,
    COVERAGE, MERGE, QUESTIONS,
]  # fmt: skip
ASKING = {CAMERA, DEPTH_DOT, DEPTH_COOR, DOTS, COOR, QUESTIONS}


def run(step: str, root: Path, *flags: str) -> int:
    """A step within this process, the coverage job as its one chunk. Returns the exit code."""
    line = ["--root", str(root), "--num-workers", "1", *flags]
    if step in (OBJECTS, COVERAGE, QUESTIONS):  # one room has few objects that can be told apart
        line += ["--published"]
    if step == COVERAGE:
        return cli.run(finder.main, [*line, "--split", "val", "--end", "1"])
    if step in ASKING:
        line += ["--val-max-samples", "12"]
    if step == DOTS:
        line += ["--dot-radius-px", "4"]
    if step in (CAMERA, DOTS, COOR):
        line += ["--published"]  # fewer frames leave few pairs, and these can be within the margins
    module = importlib.import_module(STEPS[step].removesuffix(".py").replace("/", "."))
    return cli.run(module.main, [*line, "--splits", "val"])


def outputs(step: str, root: Path) -> dict[str, bytes]:
    """What a step has written, without provenance."""
    found = {}
    for pattern in WRITES[step]:
        for path in sorted(root.glob(f"{pattern}*")):
            files = [path] if path.is_file() else path.rglob("*")
            named = [f for f in files if f.is_file() and ".json" not in f.name.replace("jsonl", "")]
            found |= {file.relative_to(root).as_posix(): file.read_bytes() for file in named}
    return found


@pytest.fixture(scope="module")
def base(raw_root, shared_folder) -> Path:
    """A root with one scene on which all steps have run; not to be written to."""

    def make(folder: Path) -> None:
        scans, lists = "data/scannet/scans", "data/scannet/meta_data"
        shutil.copytree(raw_root / scans / SCENE, folder / scans / SCENE)
        shutil.copytree(raw_root / lists, folder / lists)
        (folder / lists / "scannetv2_train.txt").unlink()
        (folder / lists / "scannetv2_val.txt").write_text(f"{SCENE}\n")
        assert [run(step, folder) for step in CHAIN] == [0] * len(CHAIN)

    return made_once(shared_folder / "one_scene", make)


# ---- what is done again --------------------------------------------------------------------------


def frames_of(root: Path) -> Path:
    return root / "data/scannet/posed_images" / SCENE


def extract_fewer(root: Path) -> None:
    assert run(EXTRACT, root, "--frame-skip", "7") == 0


def take_another_source(root: Path) -> None:
    """Frames of the same numbers, with other poses."""
    for path in frames_of(root).glob("0*.txt"):
        pose = np.loadtxt(path)
        pose[:2, 3] += 0.25
        path.write_text(posed_images.format_matrix(pose))


def take_more_frames(root: Path) -> None:
    for suffix in (".jpg", ".png", ".txt"):
        shutil.copy(frames_of(root) / f"00010{suffix}", frames_of(root) / f"00555{suffix}")


def take_other_intrinsics(root: Path) -> None:
    path = frames_of(root) / posed_images.INTRINSIC_FILE
    intrinsic = np.loadtxt(path)
    intrinsic[0, 0] *= 1.1
    path.write_text(posed_images.format_matrix(intrinsic))


def take_other_depth(root: Path) -> None:
    for path in frames_of(root).glob("*.png"):
        depth = cv2.imread(str(own_file(path)), cv2.IMREAD_UNCHANGED)
        depth[: len(depth) // 2] = 0
        path.write_bytes(png.encode(depth))


def take_another_mesh(root: Path) -> None:
    path = root / "data/scannet/scans" / SCENE / f"{SCENE}_vh_clean_2.ply"
    data = bytearray(path.read_bytes())
    start = data.index(b"end_header\n") + len(b"end_header\n")
    (height,) = struct.unpack_from("<f", data, start + 8)
    struct.pack_into("<f", data, start + 8, height + 0.05)
    path.write_bytes(data)
    assert run(LOAD, root) == 0


def take_other_annotations(root: Path) -> None:
    path = root / "data/scannet/scans" / SCENE / f"{SCENE}.aggregation.json"
    told = json.loads(path.read_text())
    told["segGroups"][-1]["label"] = "grand piano"
    path.write_text(json.dumps(told))
    assert run(LOAD, root) == 0


def take_other_poses_up_to_infos(root: Path) -> None:
    take_another_source(root)
    assert run(INFOS, root) == 0


def take_another_mesh_up_to_infos(root: Path) -> None:
    take_another_mesh(root)
    assert run(INFOS, root) == 0


def take_other_depth_up_to_visibility(root: Path) -> None:
    take_other_depth(root)
    assert run(VISIBILITY, root) == 0


def see_less_of_objects(root: Path) -> None:
    assert run(OBJECTS, root, "--min-visible-share", "0.4") == 0


def cover_with_another_tolerance(root: Path) -> None:
    assert run(COVERAGE, root, "--tolerance", "0.4") == 0


LATE = [CAMERA, DEPTH_DOT, DEPTH_COOR, DOTS, COOR, OBJECTS, COVERAGE, MERGE, QUESTIONS]
BY_INFOS = dict.fromkeys([VISIBILITY, RELATIONS, *LATE], INFOS) | {INFOS: None}
BY_TABLES = {
    CAMERA: RELATIONS, DOTS: RELATIONS, COOR: RELATIONS, DEPTH_DOT: VISIBILITY,
    DEPTH_COOR: VISIBILITY, OBJECTS: VISIBILITY, COVERAGE: OBJECTS, MERGE: OBJECTS,
    QUESTIONS: OBJECTS, VISIBILITY: None, RELATIONS: None,
}  # fmt: skip
# What is done again, and by step what it must name; None where its output must be right.
MATRIX: list[tuple[Callable[[Path], None], dict[str, str | None]]] = [
    (extract_fewer, BY_INFOS),
    (take_another_source, BY_INFOS),
    (take_more_frames, BY_INFOS),
    (take_other_intrinsics, BY_INFOS),
    (take_another_mesh, BY_INFOS),
    (take_other_annotations, BY_INFOS),
    (take_other_depth, BY_TABLES | {INFOS: None}),
    (take_other_poses_up_to_infos, BY_TABLES),
    (take_another_mesh_up_to_infos, BY_TABLES),
    (take_other_depth_up_to_visibility,
     BY_TABLES | {DEPTH_DOT: None, DEPTH_COOR: None, OBJECTS: None}),
    (see_less_of_objects, {COVERAGE: None, MERGE: COVERAGE, QUESTIONS: COVERAGE}),
    (cover_with_another_tolerance, {MERGE: None, QUESTIONS: MERGE}),
]  # fmt: skip


@pytest.fixture
def said(capsys) -> Callable[[], Sequence[str]]:
    """The lines that tell of failures since the last call."""

    def lines() -> list[str]:
        done = capsys.readouterr()
        assert "Traceback" not in done.out + done.err
        return re.findall(r"^(?:failed|error): .*", done.out + done.err, re.MULTILINE)

    return lines


@pytest.mark.parametrize(
    ("change", "steps"), MATRIX, ids=lambda value: getattr(value, "__name__", "")
)
def test_later_steps_name_what_is_stale_or_are_right(base, tmp_path, said, change, steps):
    changed = link_root(base, tmp_path / "changed")
    change(changed)
    for number, (step, remedy) in enumerate(steps.items()):
        if remedy is None:
            continue
        root = link_root(changed, tmp_path / str(number))
        before = outputs(step, root)
        assert before
        said()
        code = run(step, root)
        lines = said()
        assert code in (1, 2), f"{step} after {change.__name__}"
        assert len(lines) == 1 and f"run {Path(STEPS[remedy]).name}" in shorten(lines[0]), lines
        assert outputs(step, root) == before
        shutil.rmtree(root)
    check_right(changed, steps, tmp_path)


def check_right(changed: Path, steps: dict[str, str | None], folder: Path) -> None:
    """Steps that are to be right give what they give once all before them has run again; and all
    remedies together lead to a root on which every step goes through."""
    right = [step for step, remedy in steps.items() if remedy is None]
    alone = {}
    for step in right:
        root = link_root(changed, folder / "alone")
        assert run(step, root) == 0, step
        alone[step] = outputs(step, root)
        shutil.rmtree(root)
    for step in (step for step in CHAIN if step in steps):
        assert run(step, changed) == 0, step
    for step in right:
        assert alone[step] == outputs(step, changed) != {}, step


def shorten(line: str) -> str:
    """Commands without their folders."""
    return re.sub(r"run (\S*/)?", "run ", line)


# ---- what is no change ---------------------------------------------------------------------------


def test_a_copy_with_other_times_is_as_good_as_the_original(base, tmp_path, said):
    root = tmp_path / "copy"
    shutil.copytree(base, root, copy_function=shutil.copyfile)
    for step in CHAIN[5:]:
        before = outputs(step, root)
        assert run(step, root) == 0, said()
        assert outputs(step, root) == before


def test_more_frames_than_are_used_are_no_other_frames(base, tmp_path, said):
    root = link_root(base, tmp_path / "root")
    assert run(EXTRACT, root, "--frame-skip", "1") == 0
    assert run(CAMERA, root) == 0, said()
    assert outputs(CAMERA, root) == outputs(CAMERA, base)


def test_camera_questions_count_pairs_whose_image_is_gone(base, tmp_path, capsys):
    root = link_root(base, tmp_path / "root")
    named = [r["image"] for r in read_jsonl(next(root.rglob("z_movement_val.jsonl")))]
    (root / "data/scannet/posed_images" / named[0][0]).unlink()
    assert run(CAMERA, root) == 0
    assert "pairs whose image file is missing" in capsys.readouterr().out
    left = [r["image"] for r in read_jsonl(next(root.rglob("z_movement_val.jsonl")))]
    assert sorted(left) == sorted(images for images in named if named[0][0] not in images)


def test_frames_that_are_away_are_named_and_nothing_is_lost(base, tmp_path, said):
    root = link_root(base, tmp_path / "root")
    frames_of(root).rename(tmp_path / "away")
    for step in sorted(ASKING):
        before = outputs(step, root)
        said()
        assert run(step, root) == 2
        (line,) = said()
        assert f"{frames_of(root)}: no frames" in line
        assert outputs(step, root) == before


def test_a_stop_between_points_and_infos_of_all_scenes_is_named(base, tmp_path, said):
    """Step 1 was stopped when the scene was in its place, and the joined infos were not."""
    root = link_root(base, tmp_path / "root")
    infos = root / "data/scannet/scannet_instance_data/scenes_train_val_info.parquet"
    kept = {p: p.read_bytes() for p in (infos, infos.with_name(f"{infos.name}.meta.json"))}
    take_another_mesh(root)
    for path, data in kept.items():
        path.write_bytes(data)
    said()
    assert run(INFOS, root) == 1
    assert "run batch_load_scannet_data.py" in shorten(said()[0])
    assert [run(step, root) for step in (LOAD, INFOS)] == [0, 0]


def test_infos_of_another_origin_need_no_frames_for_camera_questions(base, tmp_path, said):
    """Made elsewhere, without provenance; the images are to be put there later."""
    root = link_root(base, tmp_path / "root")
    for path in root.glob("data/scannet/scannet_instance_data/*_i_D5.pkl.meta.json"):
        path.unlink()
    shutil.rmtree(frames_of(root))
    assert run(CAMERA, root, "--overwrite") == 0, said()
    assert outputs(CAMERA, root) == outputs(CAMERA, base)
