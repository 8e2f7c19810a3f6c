"""An edit of code that decides an output is noticed; one that does not, is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatial_engine.utils.running import engine_code

SCRIPT = '''"""A script."""
from spatial_engine.utils.running import step
from spatial_engine.utils.geometry import cameras
from spatial_engine.family.questions import ask

NUMBER = 3  # of pairs
'''
MODULES = {
    "family/script.py": SCRIPT,
    "family/questions.py": (
        "def ask():\n    import spatial_engine.utils.geometry.sampling\n    return 2\n"
    ),
    "family/other.py": "X = 1\n",
    "utils/geometry/cameras.py": 'def f(x):\n    """Say.\n\n    More.\n    """\n    return x + 1\n',
    "utils/geometry/sampling.py": (
        "from spatial_engine.family import questions\n\n\ndef draw(): ...\n"
    ),
    "utils/running/step.py": "from spatial_engine.utils.running import cli\n",
    "utils/running/cli.py": "Y = 1\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A small engine whose modules import each other, in a circle too."""
    folder = tmp_path / "spatial_engine"
    for name, text in MODULES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setattr(engine_code, "_PACKAGE", folder)
    yield folder
    engine_code.digests_of.cache_clear()


def digests_now(package: Path, module: str = "family/script.py") -> dict[str, str]:
    engine_code.digests_of.cache_clear()
    return engine_code.digests_of(str(package / module))


def test_what_is_imported_counts_wherever_it_is_imported(package):
    assert set(engine_code.code_of(package / "family/script.py")) == {
        "family/script.py", "family/questions.py",
        "utils/geometry/cameras.py", "utils/geometry/sampling.py",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        ("family/script.py", "NUMBER = 3", "NUMBER = 4"),
        ("family/questions.py", "return 2", "return 3"),
        ("utils/geometry/cameras.py", "x + 1", "x - 1"),
        ("utils/geometry/sampling.py", "draw(): ...", "draw(): return 2"),
    ],
)
def test_an_edit_of_what_decides_is_noticed(package, module, before, after):
    digests = digests_now(package)
    text = (package / module).read_text()
    (package / module).write_text(text.replace(before, after))
    edited = digests_now(package)
    assert [name for name in digests if digests[name] != edited[name]] == [module]
    (package / module).write_text(text)
    assert digests_now(package) == digests


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        ("family/script.py", '"""A script."""', '"""Another.\n\nStory."""'),
        ("utils/geometry/cameras.py", "More.", "Less."),
        ("utils/geometry/cameras.py", "def f", "# why\n\ndef f"),
        ("family/other.py", "X = 1", "X = 2"),  # not imported
        ("utils/running/step.py", "cli", "cli, files"),  # how work is run
        ("utils/running/cli.py", "Y = 1", "Y = 2"),
    ],
)
def test_an_edit_of_words_or_of_other_code_is_not(package, module, before, after):
    digests = digests_now(package)
    text = (package / module).read_text()
    assert before in text
    (package / module).write_text(text.replace(before, after))
    assert digests_now(package) == digests


def test_the_package_as_a_whole_is_told_by_its_bytes(package):
    digest = engine_code.digest_of_package()
    (package / "utils/running/.#cli.py").symlink_to("of an editor that has it open")
    (package / ".checkpoints").mkdir()
    (package / ".checkpoints/cli.py").write_text("Y = 3")
    assert engine_code.digest_of_package() == digest
    (package / "utils/running/cli.py").write_text("Y = 1  # a word\n")
    assert engine_code.digest_of_package() != digest


def test_a_function_is_among_the_code_of_its_module(package):
    digests = engine_code.digests_of(str(Path(__file__)))
    assert engine_code.is_among(digests_now, digests)
    assert not engine_code.is_among(digests_now, digests_now(package))


def test_what_the_steps_of_the_engine_depend_on():
    folder = Path(engine_code.__file__).parents[2]
    camera = engine_code.code_of(folder / "camera_movement/camera_movement_engine_train_val.py")
    used = (
        "geometry/cameras", "geometry/sampling", "tables/pair_table",
        "questions/records", "questions/templates",
    )  # fmt: skip
    for name in used:
        assert f"utils/{name}.py" in camera
    assert "camera_movement/camera_questions.py" in camera
    frames = engine_code.code_of(folder / "utils/scannet_utils/extract_posed_images.py")
    assert {"utils/scannet_utils/sens.py", "utils/scenes/posed_images.py"} <= set(frames)
    assert not [name for name in {*camera, *frames} if name.startswith(("audit/", "report/"))]
    assert not [name for name in {*camera, *frames} if name.startswith("utils/running/")]
