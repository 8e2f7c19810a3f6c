"""Progress bars leave nothing behind in the system, however a command ends."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import spatial_engine

PACKAGE = Path(spatial_engine.__file__).parent
# With the way to start processes that leaves semaphores to be removed, as Python 3.14 has on Linux.
BARS = """
import multiprocessing
from multiprocessing import synchronize
multiprocessing.set_start_method("spawn")
made, real = [], synchronize.SemLock.__init__
def noted(*args, **names):
    made.append(args)
    real(*args, **names)
synchronize.SemLock.__init__ = noted
from spatial_engine.utils.running.progress import logging_redirect_tqdm, tqdm
with logging_redirect_tqdm():
    assert list(tqdm(range(3))) == [0, 1, 2]
assert not made, made
multiprocessing.RLock()
assert made
"""


def test_a_bar_makes_no_semaphore():
    done = subprocess.run([sys.executable, "-c", BARS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "3/3" in done.stderr


def imported(path: Path) -> set[str]:
    """Packages that a module imports from."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def test_all_bars_come_from_there():
    found = [path.name for path in PACKAGE.rglob("*.py") if "tqdm" in imported(path)]
    assert found == ["progress.py"]
