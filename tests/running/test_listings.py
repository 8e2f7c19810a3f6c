"""Posed images are 450,000 files at full size: no run lists a folder of them twice, and each is
opened once for the work. A few are opened once more, where the output is made of them: as a sample
of what decides it. A command that has finished all reads nothing of a scene, in a large set."""

import json
import subprocess
import sys

import pytest
from conftest import COMMANDS, FEWER, FRAME_COMMANDS, OBJECT_JOB, REPOSITORY, copy_root, link_root

UTILS = "spatial_engine/utils/scannet_utils"
FEW = ("--train-max-samples", "40", "--val-max-samples", "20")
# Runs a script, and counts what it lists and which images it opens.
COUNT = """
import collections, json, os, runpy, sys
listed, opened = collections.Counter(), collections.Counter()
def see(event, arguments):
    if event in ("os.scandir", "os.listdir"):
        listed[os.path.abspath(str(arguments[0] or "."))] += 1
    elif event == "open" and str(arguments[0]).endswith((".jpg", ".png")):
        opened[os.path.abspath(arguments[0])] += 1
sys.addaudithook(see)
output, *sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    code = end.code
with open(output, "w") as file:
    json.dump([code, listed, opened], file)
"""


@pytest.mark.parametrize(
    ("command", "flags", "most_opened"),
    [
        (f"{UTILS}/update_info_file_with_images.py", (), 1),
        (f"{UTILS}/make_visibility_info.py", (), 2),
        ("spatial_engine/camera_movement/calculate_frames_relations.py", (), 1),
        ("spatial_engine/camera_movement/camera_movement_engine_train_val.py", FEW, 0),
        ("spatial_engine/depth_perception/depth_estimation_coor_engine.py", FEW, 0),
        # The first image of a scene tells how large pictures are, before any is made.
        ("spatial_engine/depth_perception/depth_comparison_dot_engine.py", FEW, 3),
        (
            "spatial_engine/visual_correspondence/visual_correspondence_qa_engine_coor_2_coor.py",
            FEW, 0,
        ),
        (
            "spatial_engine/object_perception/single_object_perception_engine.py",
            ("--published",), 0,
        ),
    ],
)  # fmt: skip
def test_no_folder_is_listed_twice_and_no_image_opened_again(
    made_root, tmp_path, command, flags, most_opened
):
    root, output = link_root(made_root, tmp_path / "root"), tmp_path / "counted"
    line = [sys.executable, "-c", COUNT, str(output), command, "--root", str(root)]
    subprocess.run(
        [*line, "--num-workers", "1", "--overwrite", *flags], cwd=REPOSITORY, check=True,
        capture_output=True,
    )  # fmt: skip
    code, listed, opened = json.loads(output.read_text())
    assert code == 0
    images = root / "data/scannet/posed_images"
    folders = {path: number for path, number in listed.items() if path.startswith(f"{images}/")}
    assert max(folders.values(), default=0) <= 1
    assert max((opened[p] for p in opened if p.startswith(f"{images}/")), default=0) <= most_opened


# Runs commands twice, with what makes a set a large one. Of each second run: the exit code, what it
# says, the rows of which tables it reads, and which files it opens.
FINISHED = """
import contextlib, importlib, io, json, os, sys
from spatial_engine.utils.running import cli
from spatial_engine.utils.storage import looks
from spatial_engine.utils.tables.scene_table import SceneTable
looks.MANY_SCENES, looks.MANY_FILES, looks._SETTLED_NS = 1, 0, 0
opened, read, found = set(), [], {}
sys.addaudithook(lambda event, told: event == "open" and opened.add(os.path.abspath(str(told[0]))))
real = SceneTable.read
def reading(table, scene_id, *args):
    read.append(f"{table.path.name} {scene_id}")
    return real(table, scene_id, *args)
SceneTable.read = reading
output, root, lines = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
for command, flags in lines:
    module = importlib.import_module(command.removesuffix(".py").replace("/", "."))
    for _ in range(2):
        looks.Looks._of.clear()  # as in another process
        opened.clear(), read.clear()
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = cli.run(module.main, ["--root", root, "--num-workers", "1", *flags])
    found[command] = code, said.getvalue(), sorted(read), sorted(opened)
with open(output, "w") as file:
    json.dump(found, file)
"""
# By the name of the script what it is typed as.
OF_SCENES = {c if c.endswith(".py") else OBJECT_JOB: c for c in COMMANDS[:16]}


@pytest.mark.parametrize(
    ("source", "commands"),
    [("made_root", OF_SCENES), ("framed_root", {c: c for c in FRAME_COMMANDS if "path" not in c})],
)
def test_a_finished_command_opens_no_file_of_a_scene_and_reads_no_rows(
    source, commands, tmp_path, request
):
    # Not of links: one that another test makes to the same file changes its state.
    root, output = copy_root(request.getfixturevalue(source), tmp_path / "root"), tmp_path / "found"
    lines = json.dumps([[script, FEWER.get(typed, ())] for script, typed in commands.items()])
    line = [sys.executable, "-c", FINISHED, str(output), str(root), lines]
    subprocess.run(line, cwd=REPOSITORY, check=True, capture_output=True)
    found = json.loads(output.read_text())
    assert list(found) == list(commands)
    scenes = [path.name for path in (root / "data/scannet/posed_images").iterdir()]
    assert len(scenes) > 2
    for command, (code, said, read, opened) in found.items():
        assert code == 0 and said and "again" not in said, command
        assert not read, command
        below = [path.removeprefix(f"{root}/") for path in opened if path.startswith(f"{root}/")]
        if "depth_" in command and "_dot_" in command:
            # Three images of a split tell how large pictures would be, however many scenes it has.
            below = [path for path in below if not path.endswith("/00000.jpg")]
        assert not [path for path in below if any(scene in path for scene in scenes)], command
        # Of tables samples are read, as of any large file.
        assert not [path for path in below if path.endswith((".jsonl", ".pkl"))], command
