"""Every command killed once at a random moment: it ends in the bytes of an undisturbed run."""

import random
from pathlib import Path

import kill_runs
import pytest
from conftest import FRAME_COMMANDS
from kill_runs import WRITING, command_of

SEED = 20_260_923
# Of start-up and of writing, about, for what takes longest; others are killed later in their work.
SECONDS = (0.5, 0.4)


@pytest.fixture(scope="session")
def finished_root(shared_folder, made_root) -> Path:
    return kill_runs.finished_once(shared_folder, made_root)


@pytest.mark.parametrize("command", WRITING, ids=lambda command: Path(command).stem)
def test_a_killed_command_is_started_again_to_the_same_bytes(
    command, finished_root, raw_root, tmp_path
):
    number = WRITING.index(command)
    rng = random.Random(f"{SEED} {command}")
    kill = kill_runs.kill_once(command, finished_root, raw_root, tmp_path, rng, SECONDS, number)
    assert kill.faults == [], kill.moment


@pytest.mark.parametrize("command", FRAME_COMMANDS, ids=lambda command: Path(command).stem)
def test_a_killed_command_about_frames_is_started_again_to_the_same_bytes(
    command, framed_root, raw_root, tmp_path
):
    rng, number = random.Random(f"{SEED} {command}"), FRAME_COMMANDS.index(command)
    kill = kill_runs.kill_once(command, framed_root, raw_root, tmp_path, rng, SECONDS, number)
    assert kill.faults == [], kill.moment


# ---- two at once ---------------------------------------------------------------------------------

FAMILIES = [  # one command of each, and of each way to write
    "batch_load_scannet_data", "make_visibility_info", "camera_movement_engine_train_val",
    "depth_comparison_dot_engine", "visual_correspondence_qa_engine_coor_2_coor",
    "find_object_coverage", "single_object_movement_engine_dot", "make_benchmark",
    "make_baselines", "export_uniform", "resize_images",
]  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_two_at_once_do_not_mix(name, finished_root, raw_root, tmp_path):
    command = command_of(name)
    assert kill_runs.start_two(command, finished_root, raw_root, tmp_path) == []
