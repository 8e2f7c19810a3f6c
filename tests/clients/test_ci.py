"""What continuous integration runs, with parts of make-believe."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from environments import LISTS, REPOSITORY

PARTS = {"run_tests.sh": "tests", "run_demo.sh": "demo", "run_client_tests.sh": "clients"}


def run_ci(folder: Path, failing: str, *arguments: str) -> subprocess.CompletedProcess:
    (folder / ".ci").mkdir()
    shutil.copy(REPOSITORY / ".ci/run", folder / ".ci")
    shutil.copytree(LISTS, folder / "requirements/clients")
    tools = folder / "bin"
    for tool in ("chromium", "apt-get"):  # nothing is installed
        tools.mkdir(exist_ok=True)
        (tools / tool).write_text("#!/bin/sh\nexit 1\n")
        (tools / tool).chmod(0o755)
    for script, name in PARTS.items():
        (folder / script).write_text(f'echo "RUN {name} $*"; exit {int(name == failing)}\n')
    line = ["bash", str(folder / ".ci/run"), *arguments]
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(line, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("failing", ["none", *PARTS.values()])
def test_every_part_runs_and_the_end_says_how_it_went(tmp_path, failing):
    done = run_ci(tmp_path, failing)
    assert done.returncode == int(failing != "none"), done.stderr
    ran = re.findall(r"^RUN (\w+)", done.stdout, re.MULTILINE)
    assert ran == [name for name in PARTS.values() if (failing, name) != ("demo", "clients")]
    summary = done.stdout.partition("\n\n")[2].splitlines()
    assert all(line.startswith(".ci/run: ") for line in summary) and len(summary) == 4
    assert ("FAILED" in "".join(summary)) == (failing != "none")
    assert failing == "none" or any(f" {failing}" in line and "FAILED" in line for line in summary)


def test_the_clients_that_it_names_are_there_and_it_names_those_left_out(tmp_path):
    done = run_ci(tmp_path, "none")
    (given,) = re.findall(r"^RUN clients (.*)", done.stdout, re.MULTILINE)
    (left,) = re.findall(r"left out, to save time: (.*) \(", done.stdout)
    left = [] if left == "none" else left.split()
    assert sorted([*given.split(), *left]) == sorted(path.stem for path in LISTS.glob("*.txt"))


def test_arguments_are_for_the_tests_alone(tmp_path):
    done = run_ci(tmp_path, "none", "-k", "visibility")
    assert done.stdout == "RUN tests -k visibility\n"
