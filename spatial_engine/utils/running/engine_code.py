"""Tells whether the code that decides an output has changed since the output was made.

Digests of a module and of all that it imports of the engine go into the settings of every step, so
that work of other code, as after an edit or a new checkout, is never mixed in. How work is run
(`_RUNNING`) decides no bytes and does not count, nor do docstrings, blank lines, and lines that are
comments only.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path

SETTING = "code"  # the name of the digests among a step's settings
_PACKAGE = Path(__file__).resolve().parents[2]
_RUNNING = "utils/running/"  # how work is run, which decides no byte of an output


@functools.cache
def digests_of(module: str) -> dict[str, str]:
    """Digests of the code that decides the outputs of the module at this path, by module."""
    return {
        name: hashlib.sha256(meaning.encode()).hexdigest()[:12]
        for name, meaning in sorted(code_of(Path(module).resolve()).items())
    }


def digest_of_package() -> str:
    """Digest of every module of the engine: two machines with one have the same code. Data files
    of the engine do not count, as workers read none: what is in them comes with the job."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        hidden = any(part.startswith(".") for part in path.relative_to(_PACKAGE).parts)
        if path.is_file() and not hidden:  # editors leave such things, links to nothing too
            digest.update(f"{_name(path)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def code_of(module: Path) -> dict[str, str]:
    """The code that decides the outputs of a module, itself and all it imports: {module, relative
    to the engine's folder: its lines without comments and docstrings}."""
    found: dict[str, str] = {}
    ahead = [module]
    while ahead:
        path = ahead.pop()
        if _name(path) in found or (path != module and _name(path).startswith(_RUNNING)):
            continue
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
        found[_name(path)] = _meaning(source, tree)
        ahead += _imported(tree)
    return found


def is_among(function: Callable, digests: Mapping[str, str]) -> bool:
    """Whether a function is defined in one of these modules."""
    return _name(Path(inspect.getfile(function)).resolve()) in digests


def _meaning(source: str, tree: ast.Module) -> str:
    """The lines of a module without comments and docstrings."""
    told = set()  # lines of docstrings
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and ast.get_docstring(node, clean=False) is not None:
                told.update(range(first.lineno, first.end_lineno + 1))
    lines = [line.rstrip() for n, line in enumerate(source.split("\n"), 1) if n not in told]
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def _imported(tree: ast.Module) -> list[Path]:
    """The engine's modules that a module imports, wherever in it."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    inside = [name.split(".")[1:] for name in names if name.startswith(f"{_PACKAGE.name}.")]
    paths = [_PACKAGE.joinpath(*parts[:-1], f"{parts[-1]}.py") for parts in inside]
    return [path for path in paths if path.is_file()]


def _name(path: Path) -> str:
    return path.relative_to(_PACKAGE).as_posix() if _PACKAGE in path.parents else path.name
