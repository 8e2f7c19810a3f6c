"""Posed images are 450,000 files at full size: no run lists a folder of them twice, and each is
opened once for the work. A few are opened once more, where the output is made of them: as a sample
of what decides it."""

import json
import subprocess
import sys

import pytest
from conftest import REPOSITORY, link_root

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
