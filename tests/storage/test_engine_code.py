"""An edit of code that decides an output is noticed; one that does not, is not."""

from __future__ import annotations

import ast
import dataclasses
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import spatial_engine
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import engine_code
from spatial_engine.utils.storage.provenance import digest

SCRIPT = '''"""A script."""
from spatial_engine.utils.running import cli, step
from spatial_engine.utils.geometry import cameras
from spatial_engine.family.questions import ask

NUMBER = 3  # of pairs
SKIP = 5
RADIUS = (
    10
)
FAMILY = ask
LIMIT = 7


def main(argv):
    args = cli.parse(cli.add_constant("SKIP", SKIP), cli.add_constant("RADIUS", RADIUS))
    args |= ask.parse(FAMILY, argv, constants={"LIMIT": LIMIT})
    return ask(NUMBER, args.skip)
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


def test_an_import_counts_in_every_kind_of_block(package):
    blocks = (
        "if x:\n import {}\nelif y:\n import {}\nelse:\n import {}",
        "for x in y:\n import {}\nelse:\n import {}",
        "while x:\n import {}\nelse:\n import {}",
        "try:\n import {}\nexcept X:\n import {}\nelse:\n import {}\nfinally:\n import {}",
        "try:\n import {}\nexcept* X:\n import {}",
        "with x:\n import {}",
        "match x:\n case 1:\n  import {}\n case _:\n  import {}",
        "class X:\n def f():\n  async def g():\n   import {}",
        "async def f():\n async for x in y:\n  import {}\n async with x:\n  import {}",
    )
    source = "\n".join(blocks)
    names = [f"m{number}" for number in range(source.count("{}"))]
    for name in names:
        (package / f"{name}.py").write_text("")
    script = package / "script.py"
    script.write_text(source.format(*(f"spatial_engine.{name}" for name in names)))
    assert set(engine_code.code_of(script)) == {"script.py", *(f"{name}.py" for name in names)}


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        ("family/script.py", "NUMBER = 3", "NUMBER = 4"),
        ("family/script.py", "FAMILY = ask", "FAMILY = cameras"),
        ("family/script.py", "args.skip", "SKIP"),
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
        ("family/script.py", "SKIP = 5", "SKIP = 6"),  # defaults of flags
        ("family/script.py", "LIMIT = 7", "LIMIT = 8"),
        ("family/script.py", "(\n    10\n)", "20  # pixels"),
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


def test_a_default_that_something_else_reads_too_is_code(package):
    path = package / "family/script.py"
    path.write_text(path.read_text().replace("args.skip", "SKIP"))
    digests = digests_now(package)
    path.write_text(path.read_text().replace("SKIP = 5", "SKIP = 6"))
    assert digests_now(package) != digests


class Settled(Exception):
    """A script has told its step what the constants are."""


def constants_that_are_no_code() -> Iterator[tuple[Path, str]]:
    """By module, of those that make a step or give their constants to one that does."""
    for path in sorted(Path(spatial_engine.__file__).parent.rglob("*.py")):
        text = path.read_text()
        tree = ast.parse(text)
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        gives = any(engine_code._makes_flags_of(call) == call.keywords != [] for call in calls)
        # Constants of a preparation are what is wanted of each scene: inputs of its job.
        if (
            "running" in path.parts
            or "plan import Wanted" in text
            or not ("Step(" in text or gives)
        ):
            continue
        for node in engine_code._defaults_of_flags(tree):
            if path.stem != "export_uniform":  # its constant says which outputs are made
                yield path, node.targets[0].id


FLAGS = list(constants_that_are_no_code())


@pytest.mark.parametrize(("path", "name"), FLAGS, ids=lambda value: getattr(value, "stem", value))
def test_a_constant_that_is_no_code_is_in_the_settings(
    made_root, tmp_path, monkeypatch, path, name
):
    """Another value by its flag gives other settings: so the value counts, and counts once."""

    def settings(*flags: str) -> dict:
        def stop(self, name, options, settings, module):
            raise Settled(settings)

        monkeypatch.setattr(Step, "__init__", stop)
        output = ["--output", str(tmp_path / "copy")] if path.stem == "resize_images" else []
        given = ("--published",) if path.stem == "single_object_coverage_finder" else ()
        if path.stem == "make_benchmark" and name != "SAMPLES_PER_SUBTASK":
            given = ("--debias",)
        with pytest.raises(Settled) as caught:
            module.main(["--root", str(made_root), *output, *given, *flags])
        return caught.value.args[0]

    package = Path(spatial_engine.__file__).parent
    parts = path.relative_to(package).with_suffix("").parts
    module = importlib.import_module(".".join((spatial_engine.__name__, *parts)))
    usual, flag = settings(), name.lower().replace("_", "-")
    value = usual.get(name, getattr(module, name))
    other = [str(value + 1) if type(value) is int else "0.4"]
    if isinstance(value, bool):
        flag, other = f"no-{flag}" if value else flag, []
    elif isinstance(value, str):
        other = [{"surface": "published", "published": "surface"}.get(value, "hard")]
    elif isinstance(value, list):
        other = [str(value[0] + 1), *map(str, value[1:])]
    elif "MAX_SAMPLES" in name:
        flag, other = flag if "-max" in flag else f"train-{flag}", ["7"]
    assert digest(settings(f"--{flag}", *other)) != digest(usual)


def test_the_package_as_a_whole_is_told_by_its_bytes(package):
    digest = engine_code.digest_of_program()
    (package / "utils/running/.#cli.py").symlink_to("of an editor that has it open")
    (package / ".checkpoints").mkdir()
    (package / ".checkpoints/cli.py").write_text("Y = 3")
    assert engine_code.digest_of_program() == digest
    (package / "utils/running/cli.py").write_text("Y = 1  # a word\n")
    assert engine_code.digest_of_program() != digest


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


def test_libraries_are_those_that_the_package_says_it_needs():
    needed = engine_code.needed_libraries()
    shaping = {
        "Python",
        "numpy",
        "pyarrow",
        "opencv-python",
        "simplejpeg",
        "isal",
        "scipy",
        "orjson",
    }
    assert shaping <= set(needed)
    assert not {"pytest", "distributed", "openai", "spatial_engine"} & set(needed)  # extras
    assert all(engine_code.version_of(name)[0].isdigit() for name in needed)


def test_a_library_without_windows_is_the_same_library(monkeypatch):
    def version(name):
        if name != "opencv-python-headless":
            raise engine_code.metadata.PackageNotFoundError(name)
        return "5.0"

    monkeypatch.setattr(engine_code.metadata, "version", version)
    assert engine_code.version_of("opencv-python") == "5.0"
    assert engine_code.version_of("numpy") == "(none)"


def test_programs_differ_by_version_code_and_libraries():
    mine = engine_code.program("code", ["Python", "numpy", "scipy"])
    same = engine_code.program("code", ["Python", "numpy", "scipy"])
    assert mine.refusal("worker w", same) == ""
    version = dict(mine.libraries)["scipy"]
    older = (*mine.libraries[:2], ("scipy", "1.0"))
    other = dataclasses.replace(mine, libraries=older)
    assert mine.refusal("worker w", other).startswith(
        f"worker w has scipy 1.0, this command {version}: outputs may differ; run"
    )
    other = dataclasses.replace(other, code="edited")
    assert "worker w runs other code" in mine.refusal("worker w", other)
    other = dataclasses.replace(other, version="0.0.1")
    assert "worker w has spatial_engine 0.0.1" in mine.refusal("worker w", other)
