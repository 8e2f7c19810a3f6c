"""The command that tries the supported Pythons; here it installs nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import check_versions
import pytest
from check_versions import Pair
from conftest import REPOSITORY
from test_environment import pinned_pythons, put_script

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def make_pair(folder: Path, dependencies: str = "pinned") -> Pair:
    """A pair whose folder, environment and clone are there, empty."""
    pair = Pair("3.12", dependencies, folder / "pair")
    for path in (pair.environment, pair.clone):
        path.mkdir(parents=True)
    return pair


# -- what it takes from the rest of the repository


def test_the_pythons_are_those_of_the_pins_and_the_next():
    *pythons, after = check_versions.PYTHONS
    assert pythons == pinned_pythons()
    assert after == f"3.{int(pythons[-1].removeprefix('3.')) + 1}"


def test_the_commands_it_starts_are_those_of_the_readme():
    for command in check_versions.COMMANDS:
        assert f"`python {command}" in README
        assert command.startswith("-m ") or (REPOSITORY / command).is_file()


# -- what it reads


def test_versions_of_a_freeze():
    freeze = "Pillow==10.0.0\nopencv-python-headless==4.13.0.92\n-e git+x#egg=spatial_engine\n"
    freeze += "typing_extensions==4.16.0\n"
    versions = check_versions.read_versions(freeze)
    assert versions["pillow"] == "10.0.0" and versions["typing-extensions"] == "4.16.0"
    assert versions["opencv"] == "4.13.0.92"
    assert "opencv" not in check_versions.read_versions("numpy==2.2.6\n")


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ("==== 812 passed, 3 skipped in 61.20s (0:01:01) ====", (812, 0, 3)),
        ("1 failed, 2 passed, 1 skipped, 9 deselected, 4 warnings, 3 errors in 0.10s", (2, 4, 1)),
        ("1 passed in 9.99s\nand then\n2 passed, 1 error in 1.00s\nsaid later", (2, 1, 0)),
        ("9 deselected in 0.50s", (0, 0, 0)),
        ("INTERNALERROR> no closing line: 4 passed", None),
        ("", None),
    ],
)
def test_counts_of_a_closing_line(said, counts):
    wanted = dict(zip(check_versions.OUTCOMES, counts, strict=True)) if counts else {}
    assert check_versions.read_counts(said) == wanted


# -- which Python


def python_that_says(folder: Path, version: str) -> Path:
    put_script(folder / "bin" / "python", f"echo {version}")
    return folder / "bin" / "python"


def test_the_first_python_that_runs_is_taken(tmp_path, monkeypatch):
    python_that_says(tmp_path / "3.12.0", "a broken one")
    python_that_says(tmp_path / "3.1.4", "3.1")
    right = python_that_says(tmp_path / "3.12.11", "3.12")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert check_versions.find_python("3.12", tmp_path) == right
    assert check_versions.find_python("3.11", tmp_path) is None


def test_a_python_on_the_path_is_found(tmp_path, monkeypatch):
    put_script(tmp_path / "python3.12", "echo 3.12")
    put_script(tmp_path / "python3.13", "exit 127")  # as pyenv's for one that is not chosen
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check_versions.find_python("3.12", tmp_path / "no") == tmp_path / "python3.12"
    assert check_versions.find_python("3.13", tmp_path / "no") is None


# -- what it runs


def test_a_command_runs_in_the_clone_and_is_logged(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    pair = make_pair(tmp_path)
    put_script(
        pair.environment / "bin" / "python", 'echo "$PWD, $1, ${PYTHONPATH-none}"; echo b >&2'
    )
    said = pair.run("python", "word")
    assert said == f"{pair.clone.resolve()}, word, none\nb\n"
    pair.run("python", "again")
    assert pair.log.read_text().count("$ ") == 2 and said in pair.log.read_text()


def test_a_command_that_fails_is_named(tmp_path):
    pair = make_pair(tmp_path)
    put_script(pair.environment / "bin" / "python", "echo 1 failed in 2.00s; exit 1")
    with pytest.raises(check_versions.CheckError, match=r"^python -m pytest 'two words'$"):
        pair.run("python", "-m", "pytest", "two words")
    assert pair.counts["failed"] == 1


@pytest.fixture
def tried(tmp_path, monkeypatch):
    """Tries a pair of make-believe, where commands with `fails` in them do; returns it and them."""

    def try_pair(dependencies, tests=(), fails="no such words"):
        lines = []

        def run(pair, *words):
            lines.append(" ".join(map(str, words)))
            for path in (pair.environment, pair.clone):
                path.mkdir(parents=True, exist_ok=True)
            if fails in lines[-1]:
                raise check_versions.CheckError(lines[-1])
            return "opencv-python==4.13.0.92\nnumpy==2.2.6\n"

        monkeypatch.setattr(Pair, "run", run)
        pair = Pair("3.12", dependencies, tmp_path / "pair")
        check_versions.try_pair(pair, Path("base"), tests)
        return pair, lines

    monkeypatch.setattr(check_versions, "find_uv", lambda: ["uv"])
    monkeypatch.setattr(check_versions, "opencv_for_this_machine", lambda: check_versions.OPENCV)
    return try_pair


def test_the_pins_are_installed_in_the_words_of_the_readme(tried):
    pair, lines = tried("pinned")
    words = [line.replace("python -m ", "").replace(" -q", "") for line in lines]
    start = words.index("pip install -r requirements/data_engine.txt")
    assert f"\n{' && '.join(words[start : start + 2])}\n" in README
    assert words[start + 2] == "pip check"
    assert words[start + 3].endswith("--help")
    assert words.count("pip check") == 2
    assert lines[-1] == "python -m pytest"
    assert not any("uv" in line.split() for line in lines)
    assert not pair.failure and pair.versions["numpy"] == "2.2.6"
    assert not pair.environment.exists() and not pair.clone.exists()


@pytest.mark.parametrize(("kind", "end"), [("oldest", "lowest-direct"), ("newest", "highest")])
def test_ranges_are_resolved_at_their_ends(tried, kind, end):
    _, lines = tried(kind, ["-n", "2"])
    (resolved,) = [line for line in lines if line.startswith("uv pip compile")]
    assert f"--resolution {end}" in resolved and "--only-binary :all:" in resolved
    assert lines[-1] == "python -m pytest -m not pins -n 2"


def test_tests_can_be_left_out(tried):
    _, lines = tried("pinned", None)
    assert not any("-m pytest" in line for line in lines)


def test_opencv_without_windows_takes_the_place_of_the_other(tried, monkeypatch):
    monkeypatch.setattr(check_versions, "opencv_for_this_machine", lambda: check_versions.HEADLESS)
    _, lines = tried("newest", None)
    check, *_, removed, put = [line for line in lines if line.startswith("python -m pip")][1:5]
    assert check.endswith("pip check") and removed.endswith("-y opencv-python")
    assert put.endswith("opencv-python-headless==4.13.0.92")


@pytest.mark.parametrize("fails", ["clone", "pip check", "--help", "import_module", "-m pytest"])
def test_what_failed_is_told_and_stays(tried, fails):
    pair, lines = tried("pinned", [], fails)
    assert fails in lines[-1] and pair.failure == lines[-1]
    assert pair.environment.exists()


# -- the whole command


def run_main(monkeypatch, tmp_path, *flags, failure=""):
    def try_pair(pair, base, tests):
        pair.failure, pair.seconds = failure, 61.4
        pair.versions, pair.counts = {"numpy": "2.2.6"}, {"passed": 8, "failed": 0, "skipped": 1}

    monkeypatch.setattr(check_versions, "try_pair", try_pair)
    monkeypatch.setattr(check_versions, "find_uv", lambda: ["uv"])
    monkeypatch.setattr(check_versions, "find_python", lambda version, folder: Path("python"))
    return check_versions.main([*flags, "--folder", str(tmp_path)])


def test_every_pair_has_a_row(monkeypatch, tmp_path, capsys):
    assert run_main(monkeypatch, tmp_path) == 0
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if "|" in line]
    assert len(rows) == 2 + len(check_versions.PYTHONS) * 3
    assert len({len(row) for row in rows}) == 1
    assert [cell.strip() for cell in rows[2][1:4]] == ["3.11", "oldest", "2.2.6"]
    assert [cell.strip() for cell in rows[2][-6:-1]] == ["8", "0", "1", "61", "ok"]


def test_a_failed_pair_makes_the_command_fail(monkeypatch, tmp_path, capsys):
    flags = ("--pythons", "3.11", "--dependencies", "newest")
    assert run_main(monkeypatch, tmp_path, *flags, failure="python -m pip check") == 1
    said = capsys.readouterr().out
    assert "3.11 newest: failed: python -m pip check" in said and "log.txt" in said


def test_a_folder_in_the_checkout_is_refused(monkeypatch):
    with pytest.raises(SystemExit, match="stays as it is"):
        run_main(monkeypatch, REPOSITORY / "tests" / "versions")


def test_a_python_that_is_not_here_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    flags = ["--pythons", "3.12", "--dependencies", "pinned", "--python-folder", str(tmp_path)]
    with pytest.raises(SystemExit, match=r"no Python 3\.12 here"):
        check_versions.main([*flags, "--folder", str(tmp_path)])


def test_without_uv_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(check_versions.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"pip install uv$"):
        check_versions.main(["--dependencies", "oldest"])


def test_it_starts_as_typed():
    line = [sys.executable, "requirements/check_versions.py", "--help"]
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--dependencies" in done.stdout
