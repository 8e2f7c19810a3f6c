"""Two checkouts and one environment: a script never runs the code of another checkout unnoticed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import COMMANDS, EVALUATION, REPOSITORY

FOLDERS = ("spatial_engine", "benchmarks", "docs", "tests", "requirements")
SCRIPTS = [  # of each folder one
    COMMANDS[0],
    COMMANDS[4],
    EVALUATION[0],
    "spatial_engine/audit/audit_labels.py",
    "spatial_engine/report/make_report.py",
    "spatial_engine/sample_data/demo_table.py",
    "benchmarks/bench_scannet.py",
    "docs/make_pictures.py",
]


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Path:
    """Another checkout, which is not the one that is installed."""
    other = tmp_path_factory.mktemp("other checkout")
    for folder in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__", "*.jpg", "*.c")
        shutil.copytree(REPOSITORY / folder, other / folder, ignore=ignored)
    for name in ("find_object_coverage.sh", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, other)
    return other


def run(*line, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run a command with no more on the path of Python than what is installed."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        list(map(str, line)),
        cwd=cwd, env=environment | variables, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_of_another_checkout_says_so(other, tmp_path, script):
    done = run(sys.executable, other / script, "--help", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {other / script} imports the package of another checkout, "
        f"{REPOSITORY / 'spatial_engine'}; run `pip install --no-deps -e .` in {other}, or "
        "activate its environment\n"
    )


def test_the_bash_job_of_another_checkout_says_so(other, tmp_path):
    table = tmp_path / "training_data/object_perception/object_visibility.parquet"
    table.parent.mkdir(parents=True)
    table.touch()
    done = run("bash", other / "find_object_coverage.sh", cwd=tmp_path)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "another checkout" in errors[0] and str(other) in errors[0]


def test_the_tests_of_another_checkout_say_so(other, tmp_path):
    start = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    test = other / "tests/running/test_errors.py"
    done = run(sys.executable, "-c", start, "-p", "no:cacheprovider", test, cwd=tmp_path)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "import the package of another checkout" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def test_a_package_that_lacks_modules_or_is_on_the_path_is_named(tmp_path):
    """An older checkout may lack what a script imports; the path of Python comes before it."""
    package = tmp_path / "old/spatial_engine"
    package.mkdir(parents=True)
    shutil.copy(REPOSITORY / "spatial_engine/__init__.py", package)
    script = REPOSITORY / COMMANDS[0]
    done = run(sys.executable, script, cwd=tmp_path, PYTHONPATH=str(tmp_path / "old"))
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {script} imports the package of another checkout, {package}; take "
        f"{tmp_path / 'old'} out of PYTHONPATH\n"
    )


@pytest.mark.parametrize("reach", ["as it is", "by a link", "from the other checkout"])
def test_a_script_of_the_installed_checkout_runs(other, tmp_path, reach):
    (tmp_path / "link").symlink_to(REPOSITORY)
    base = tmp_path / "link" if reach == "by a link" else REPOSITORY
    cwd = other if reach == "from the other checkout" else tmp_path
    done = run(sys.executable, base / "spatial_engine/audit/audit_labels.py", "--help", cwd=cwd)
    assert done.returncode == 0 and done.stdout.startswith("usage: "), done.stderr


def test_with_its_own_package_first_another_checkout_runs(other, tmp_path):
    script = other / "spatial_engine/audit/audit_labels.py"
    done = run(sys.executable, script, "--help", cwd=tmp_path, PYTHONPATH=str(other))
    assert done.returncode == 0, done.stderr
    done = run(sys.executable, "-m", "spatial_engine.sample_data", "--help", cwd=other)
    assert done.returncode == 0, done.stderr  # the current directory comes first


def test_what_is_no_script_of_a_checkout_runs_with_any_package(other, tmp_path):
    """Programs in an environment inside one checkout, a user's own script, python -c."""
    program = other / ".venv/bin/program"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("import spatial_engine\nprint(spatial_engine.__file__)\n")
    own = tmp_path / "own.py"
    shutil.copy(program, own)
    for line in ([program], [own], ["-c", "import spatial_engine; print(spatial_engine.__file__)"]):
        done = run(sys.executable, *line, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()).samefile(REPOSITORY / "spatial_engine/__init__.py")
