"""Random cameras, the usual tasks, and the form that every error of the engine must have."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from spatial_engine.errors import EngineError
from spatial_engine.utils.questions.tasks import SUBTASKS, TASKS
from spatial_engine.utils.questions.templates import ASKING, Variant, load_forms
from spatial_engine.utils.tables.coverage_table import SceneSets, iterate_coverage

# The tasks that are asked without further flags: those of the benchmark, and of drivetrack.
USUAL_TASKS = {*SUBTASKS, *(task for task in TASKS if task.endswith("_drivetrack"))}


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A proper (3, 3) rotation."""
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return rotation * np.sign(np.linalg.det(rotation))


def random_pose(rng: np.random.Generator, reach: float = 3.0) -> np.ndarray:
    """A (4, 4) world_from_cam within `reach` metres of the origin."""
    pose = np.eye(4)
    pose[:3, :3] = random_rotation(rng)
    pose[:3, 3] = rng.uniform(-reach, reach, 3)
    return pose


def random_intrinsic(rng: np.random.Generator, size: tuple[int, int], side: int = 4) -> np.ndarray:
    """Intrinsics (side, side) of a camera of that image size, with fx != fy and a little skew."""
    width, height = size
    intrinsic = np.eye(side)
    intrinsic[0, 0], intrinsic[1, 1] = rng.uniform(0.5, 1.5, 2) * width
    intrinsic[0, 1] = rng.uniform(-0.02, 0.02) * width
    intrinsic[0, 2], intrinsic[1, 2] = rng.uniform(0.4, 0.6, 2) * (width, height)
    return intrinsic


def plain_camera(size: tuple[int, int]) -> np.ndarray:
    """(4, 4) intrinsics of a camera of that image size, with its axis through the centre."""
    camera = np.diag([max(10.0, size[0]), max(10.0, size[0]), 1, 1])
    camera[:2, 2] = np.array(size) / 2
    return camera


def load_pickle(path: Path) -> object:
    """What a user has of one of our pickles."""
    with open(path, "rb") as file:
        return pickle.load(file)


def load_coverage(path: Path, remedy: str = "") -> dict[str, SceneSets]:
    """The sets of all scenes of a coverage table."""
    return dict(iterate_coverage(path, remedy))


@contextmanager
def raises_one_line(kind: type[EngineError], *words: object) -> Iterator[None]:
    """Check that the block raises `kind` with a message of one line that holds all the words."""
    with pytest.raises(kind) as caught:
        yield
    text = str(caught.value)
    assert text.splitlines() == [text], f"not one line: {text!r}"
    for word in words:
        assert str(word) in text


def sentence_in(text: str, sentences: Variant, form: str) -> tuple[str, str, str]:
    """(list, sentence, line that asks for the bare answer) of a record's question, whose slots are
    open; the convention before it must be there where the list needs one, and nowhere else."""
    lines = [line for line in text.split("\n") if "<image>" not in line]
    found = [
        (name, sentence)
        for name in ASKING for sentence in getattr(sentences, name)
        if lines[-1].startswith(sentence)
    ]  # fmt: skip
    assert found, text
    name, sentence = max(found, key=lambda one: len(one[1]))
    asked = lines[-1].removeprefix(sentence)
    assert asked == "" or asked[1:] in _forms()[form], text
    opened = name in ("questions", "heldout")
    assert len(lines) == 1 + opened and set(lines[:-1]) <= set(sentences.conventions), text
    return name, sentence, asked[1:]


_forms = cache(load_forms)  # read for each of thousands of records, it takes longer than all else
