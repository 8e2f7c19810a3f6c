"""Roots of client tests: the demo or another, and copies of it to export into."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from environments import REPOSITORY


def find_root(root: Path | None) -> Path:
    """The root that was named, or the demo, which is made if it is not there."""
    if root is None:
        root = REPOSITORY / "demo"
        if not (root / "report/index.html").is_file():
            print("run_client_tests.sh: no demo yet, it is made first", flush=True)
            done = subprocess.run(["bash", REPOSITORY / "run_demo.sh"], stdin=subprocess.DEVNULL)
            if done.returncode:
                sys.exit("run_client_tests.sh: the demo could not be made")
    for name in ("data", "training_data", "evaluation_data"):
        if not (root / name).is_dir():
            sys.exit(f"run_client_tests.sh: {root / name}: no such folder; run the demo first")
    return root.absolute()


def copy_root(root: Path, copy: Path) -> Path:
    """A root of our own to export into: links to the records, and one to the data.

    Exports put a new file in the place of an old one, so the files of the root stay as they are.
    """
    copy.mkdir(parents=True)
    (copy / "data").symlink_to((root / "data").resolve())
    for name in ("training_data", "evaluation_data"):
        shutil.copytree(root / name, copy / name, copy_function=link_or_copy)
    return copy


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)
