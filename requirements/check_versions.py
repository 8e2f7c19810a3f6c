"""Try the supported Pythons and the next one with the oldest, the pinned and the newest packages.

    python requirements/check_versions.py --pythons 3.11 3.14 --dependencies oldest newest

Each pair gets an environment, and a clone of what is committed, in --folder; this checkout and its
.venv stay as they are. "pinned" is installed as the README says; "oldest" and "newest" are what uv
finds in the ranges of pyproject.toml, among releases that have a wheel for this Python. Then come
`pip check`, `--help` of some commands, an import of every module, and the tests. The table at the
end has the seconds of all that; the exit code is 1 if anything failed.
"""

import argparse
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from install import HEADLESS, OPENCV, ROOT, opencv_for_this_machine

PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")  # the last: is it time to pin for it?
DEPENDENCIES = ("oldest", "pinned", "newest")
RESOLUTIONS = {"oldest": "lowest-direct", "newest": "highest"}
SHOWN = ("numpy", "pandas", "scipy", "pyarrow", "opencv", "pillow", "matplotlib", "mmengine")
OUTCOMES = ("passed", "failed", "skipped")
COMMANDS = (
    "-m spatial_engine.sample_data",
    "spatial_engine/utils/scannet_utils/make_visibility_info.py",
    "spatial_engine/camera_movement/camera_movement_engine_train_val.py",
    "spatial_engine/object_movement/single_object_movement_engine_dot.py",
    "spatial_engine/evaluation/score_predictions.py",
)
IMPORT_ALL = """
import importlib, pkgutil, spatial_engine
for module in pkgutil.walk_packages(spatial_engine.__path__, "spatial_engine."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "swift":  # of ms-swift, which loads it
            raise
"""


@dataclass
class Pair:
    """One Python with one choice of packages: where it is tried, and what came of it."""

    python: str
    dependencies: str
    folder: Path
    versions: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    failure: str = ""
    seconds: float = 0.0

    def __post_init__(self):
        self.environment, self.clone = self.folder / "environment", self.folder / "clone"
        self.log = self.folder / "log.txt"

    def run(self, *words: str | Path) -> str:
        """Run a command in the clone, log and return what it prints; it must succeed.

        `python` is that of the environment; settings of the user's own do not reach it.
        """
        unset = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX")
        variables = {name: value for name, value in os.environ.items() if name not in unset}
        programs = self.environment / "bin"
        variables |= {"PATH": f"{programs}{os.pathsep}{variables['PATH']}", "PIP_USER": "0"}
        line = [str(programs / word) if word == "python" else str(word) for word in words]
        with self.log.open("a+") as log:
            print(f"$ {shlex.join(line)}", file=log, flush=True)
            start = log.tell()
            cwd = self.clone if self.clone.is_dir() else self.folder
            output = {"stdout": log, "stderr": subprocess.STDOUT}
            done = subprocess.run(line, cwd=cwd, env=variables, stdin=subprocess.DEVNULL, **output)
            log.seek(start)
            said = log.read()
        if "pytest" in words:
            self.counts = read_counts(said)
        if done.returncode:
            raise CheckError(shlex.join(map(str, words)).splitlines()[0])
        return said


class CheckError(Exception):
    """A command failed; the log of its pair has what it said."""


def try_pair(pair: Pair, base: Path, tests: list[str] | None) -> None:
    """Install and check one pair; one that failed keeps its environment, to be looked at."""
    start = time.monotonic()
    try:
        make_folder(pair, base)
        (install_pins if pair.dependencies == "pinned" else install_ranges)(pair)
        pair.versions = read_versions(pair.run("python", "-m", "pip", "freeze"))
        pair.run("python", "-c", IMPORT_ALL)
        if tests is not None:  # some tests are about the pins themselves
            chosen = [] if pair.dependencies == "pinned" else ["-m", "not pins"]
            pair.run("python", "-m", "pytest", *chosen, *tests)
        shutil.rmtree(pair.environment)
        shutil.rmtree(pair.clone)
    except CheckError as error:
        pair.failure = str(error)
    pair.seconds = time.monotonic() - start


def make_folder(pair: Pair, base: Path) -> None:
    """Make an empty environment and a clone, in place of those of an earlier run."""
    for path in (pair.environment, pair.clone):
        shutil.rmtree(path, ignore_errors=True)
    pair.folder.mkdir(parents=True, exist_ok=True)
    pair.log.write_text("")
    pair.run(base, "-m", "venv", pair.environment)
    pair.run("git", "clone", "-q", ROOT, pair.clone)


def install_pins(pair: Pair) -> None:
    """Install in the README's words; the engine must stand alone, and with the tests' tools."""
    pip_install = ("python", "-m", "pip", "install", "-q")
    pair.run(*pip_install, "-r", "requirements/data_engine.txt")
    pair.run(*pip_install, "--no-deps", "-e", ".")
    check_installation(pair)
    pair.run(*pip_install, "-r", "requirements/dev.txt")
    check_installation(pair)


def install_ranges(pair: Pair) -> None:
    """Install what uv finds at one end of the ranges."""
    uv_pip, found = [*find_uv(), "pip"], pair.folder / "found.txt"
    wheels = ("-q", "--python", pair.environment, "--only-binary", ":all:")
    end = ("--resolution", RESOLUTIONS[pair.dependencies], "--extra", "dev")
    pair.run(*uv_pip, "compile", *wheels, *end, "--output-file", found, "pyproject.toml")
    once = "--compile-bytecode"  # the tests start thousands of processes
    pair.run(*uv_pip, "install", *wheels, once, "-r", found)
    pair.run("python", "-m", "pip", "install", "-q", "--no-deps", "-e", ".")
    check_installation(pair)


def check_installation(pair: Pair) -> None:
    """See that the packages fit each other, and that commands start."""
    pip = ("python", "-m", "pip")
    pair.run(*pip, "check")
    if opencv_for_this_machine() == HEADLESS:  # as the README's Troubleshooting says
        version = read_versions(pair.run(*pip, "freeze"))["opencv"]
        pair.run(*pip, "uninstall", "-q", "-y", OPENCV)
        again = ("install", "-q", "--force-reinstall", "--no-deps", f"{HEADLESS}=={version}")
        pair.run(*pip, *again)
    for command in COMMANDS:
        pair.run("python", *command.split(), "--help")


def find_uv() -> list[str]:
    """Say how uv is called here."""
    if program := shutil.which("uv"):
        return [program]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    sys.exit("check_versions: the oldest and the newest packages are found by uv: pip install uv")


def find_python(version: str, folder: Path) -> Path | None:
    """Find a Python of this version in a folder of installations, else on the PATH."""
    there = sorted(folder.glob(f"{version}.*/bin/python"), key=lambda p: (len(str(p)), p))
    there += [Path(python) for python in [shutil.which(f"python{version}")] if python]
    for python in there:  # a name may be pyenv's for a Python that is not there
        code = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([python, "-c", code], capture_output=True, text=True)
        if done.stdout.strip() == version:
            return python
    return None


def read_versions(freeze: str) -> dict[str, str]:
    """Read what `pip freeze` prints: versions by package; either OpenCV is "opencv"."""
    pins = [line.split("==") for line in freeze.splitlines() if "==" in line]
    versions = {name.lower().replace("_", "-"): version for name, version in pins}
    opencv = versions.get(HEADLESS) or versions.get(OPENCV)
    return versions | ({"opencv": opencv} if opencv else {})


def read_counts(said: str) -> dict[str, int]:
    """Read pytest's closing line, if there is one; errors count as failed."""
    closing = [line for line in said.splitlines() if re.search(r" in \d+\.\d+s\b", line)]
    counts = dict.fromkeys(OUTCOMES, 0) if closing else {}
    for number, outcome in re.findall(r"(\d+) (\w+)", closing[-1]) if closing else []:
        outcome = "failed" if outcome.startswith("error") else outcome
        if outcome in counts:
            counts[outcome] += int(number)
    return counts


def table(pairs: list[Pair]) -> str:
    """Write a row for each pair."""
    titles = ["Python", "packages", *SHOWN, *OUTCOMES, "seconds", "result"]
    rows = [titles, ["---"] * len(titles)]
    for pair in pairs:
        versions = [pair.versions.get(name, "") for name in SHOWN]
        counts = [str(pair.counts.get(outcome, "")) for outcome in OUTCOMES]
        result = "failed" if pair.failure else "ok"
        rows.append(
            [pair.python, pair.dependencies, *versions, *counts, f"{pair.seconds:.0f}", result]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    temporary = Path(tempfile.gettempdir()) / "spatial_engine_versions"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--pythons", nargs="+", choices=PYTHONS, help="default: those that are here")
    add("--dependencies", nargs="+", choices=DEPENDENCIES, default=DEPENDENCIES)
    add("--python-folder", type=Path, default=pyenv, help="one with 3.11.4/bin/python and others")
    add("--folder", type=Path, default=temporary, help="logs; 2 GB more while a pair is tried")
    add("--tests", default="-n logical", help="arguments of pytest; none: no tests")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Try the pairs one after another."""
    args = parse(arguments)
    folder = args.folder.resolve()
    if folder.is_relative_to(ROOT):
        sys.exit(f"check_versions: --folder {folder} is in this checkout, which stays as it is")
    if set(args.dependencies) & set(RESOLUTIONS):
        find_uv()
    found = {version: find_python(version, args.python_folder) for version in PYTHONS}
    if missing := [version for version in args.pythons or () if not found[version]]:
        sys.exit(f"check_versions: no Python {', '.join(missing)} here: see --python-folder")
    tests = None if args.tests == "none" else shlex.split(args.tests)
    pairs = [
        Pair(python, dependencies, folder / f"{python}_{dependencies}")
        for python in args.pythons or PYTHONS
        for dependencies in args.dependencies
        if found[python]
    ]
    for pair in pairs:
        try_pair(pair, found[pair.python], tests)
        end = f"failed: {pair.failure} (see {pair.log})" if pair.failure else "ok"
        print(f"{pair.python} {pair.dependencies}: {end}, {pair.seconds:.0f} s", flush=True)
    print(f"\n{table(pairs)}")
    return int(not pairs or any(pair.failure for pair in pairs))


if __name__ == "__main__":
    sys.exit(main())
