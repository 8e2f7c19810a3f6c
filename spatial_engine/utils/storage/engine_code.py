"""Tells whether the code that decides an output has changed since the output was made, and whether
two processes run one program.

The code of a step is its module and all that this imports of the engine; digests of it go into the
settings of every step, so that work of other code, as after an edit or a new checkout, is never
mixed in unnoticed. These do not count as code:

- how work is run (`_RUNNING`), which decides no bytes;
- docstrings, blank lines, and lines that are comments only;
- in the step's own module, constants that are read only where flags are made of them: in calls of
  `cli`, and as keywords of a call that gets `argv`. The settings hold the value of each flag.

Every other constant counts as code, and needs no place in the settings.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import spatial_engine

SETTING = "code"  # the name of the digests among a step's settings
_PACKAGE = Path(__file__).resolve().parents[2]
_RUNNING = "utils/running/"  # how work is run, which decides no byte of an output
# Without windows, for machines that have no libGL (requirements/install.py).
_SAME_MODULE = {"opencv-python": "opencv-python-headless"}
_COMMAND_LINE = "cli."  # the module whose functions make flags of constants
_ARGUMENTS = "argv"  # what a function is given that makes flags for several scripts


@functools.cache
def digests_of(module: str) -> dict[str, str]:
    """Digests of the code that decides the outputs of the module at this path, by module."""
    return {
        name: hashlib.sha256(meaning.encode()).hexdigest()[:12]
        for name, meaning in sorted(code_of(Path(module).resolve()).items())
    }


def digest_of_program() -> str:
    """Digest of every module of the engine, byte by byte: the program that a process is to run.

    Not a second answer to what decides an output: processes are compared by it, with each other.
    One loads its modules when it needs them, some before an edit and some after it, and nobody can
    ask it which; so the whole package must be the same from its start on. Data files do not count,
    as workers read none: what is in them comes with the job.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        hidden = any(part.startswith(".") for part in path.relative_to(_PACKAGE).parts)
        if path.is_file() and not hidden:  # editors leave such things, links to nothing too
            digest.update(f"{_name(path)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def needed_libraries() -> tuple[str, ...]:
    """What shapes the outputs beside the engine: the libraries that it needs, by its own metadata,
    and "Python". Those of extras do not."""
    try:
        needs = metadata.requires(_PACKAGE.name) or []
    except metadata.PackageNotFoundError:  # a checkout that is on the path
        needs = []
    return ("Python", *(re.split(r"[^\w.-]", need)[0] for need in needs if "extra ==" not in need))


def version_of(library: str) -> str:
    """The version of a library in this process, "(none)" without it. Of Python the first two
    numbers: the third counts repairs."""
    if library == "Python":
        return ".".join(platform.python_version_tuple()[:2])
    for name in (library, _SAME_MODULE.get(library, library)):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "(none)"


@dataclass(frozen=True)
class Program:
    """What decides the bytes that a process makes: version and code of the engine (by
    `digest_of_program`), names and versions of libraries."""

    version: str
    code: str
    libraries: tuple[tuple[str, str], ...]

    def refusal(self, place: str, other: Program) -> str:
        """Why the process `place`, which runs another program, cannot work for one that runs this:
        one line, empty where the programs are the same."""
        if other.version != self.version:
            return self.refusal_of_version(place, other.version)
        if other.code != self.code:
            return (
                f"{place} runs other code of spatial_engine {self.version} than this command; "
                "bring both to one state of the repository and start the workers again"
            )
        for (name, mine), (_, its) in zip(self.libraries, other.libraries, strict=True):
            if its != mine:
                return (
                    f"{place} has {name} {its}, this command {mine}: outputs may differ; run "
                    "workers in the same environment as this command, or install the same "
                    "versions there, and start them again"
                )
        return ""

    def refusal_of_version(self, place: str, version: str | None) -> str:
        """The same of a process of which no more than its version is known."""
        return (
            f"{place} has spatial_engine {version or '(none)'}, this command {self.version}; "
            "run scheduler and workers in the same environment as this command"
        )


def program(code: str, libraries: Iterable[str]) -> Program:
    """The program of this process, whose digest was `code` when it started, with the versions of
    these libraries."""
    versions = tuple((name, version_of(name)) for name in libraries)
    return Program(spatial_engine.__version__, code, versions)


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
        found[_name(path)], imported = _meaning(source, is_step=path == module)
        ahead += _modules(imported)
    return found


@functools.cache
def _meaning(source: str, is_step: bool) -> tuple[str, list[str]]:
    """The lines of a module without comments and docstrings, and the names that it imports. Most
    modules are of several steps, and are understood once."""
    tree = ast.parse(source)
    statements = list(_statements(tree))
    silent = list(_docstrings(statements))
    if is_step:
        silent += _defaults_of_flags(tree)
    return _lines_but(source, silent), _imported(statements)


def is_among(function: Callable, digests: Mapping[str, str]) -> bool:
    """Whether a function is defined in one of these modules."""
    return _name(Path(inspect.getfile(function)).resolve()) in digests


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """A module and all statements in it. Expressions, which are most of a tree and hold no
    statement, are not looked into: `ast.walk` takes ten times as long."""
    ahead: list[ast.AST] = [tree]
    while ahead:
        node = ahead.pop()
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            ahead += getattr(node, block, ())


def _docstrings(statements: Sequence[ast.AST]) -> Iterator[ast.stmt]:
    for node in statements:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and ast.get_docstring(node, clean=False) is not None:
                yield first


def _defaults_of_flags(tree: ast.Module) -> Iterator[ast.stmt]:
    """Constants of a module that are read only where flags are made of them."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    by_command_line = {
        name for call in calls for place in _makes_flags_of(call) for name in _names_read(place)
    }
    by_others = {name.id for name in _names_read(tree) - by_command_line}
    defaults = {name.id for name in by_command_line} - by_others
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in defaults:
            yield node


def _makes_flags_of(call: ast.Call) -> Sequence[ast.AST]:
    """Where a call has the constants of which it makes flags: anywhere in one of the command line's
    functions, in keywords where several scripts share one that makes them."""
    if ast.unparse(call.func).startswith(_COMMAND_LINE):
        return [call]
    given = {arg.id for arg in call.args if isinstance(arg, ast.Name)}
    return call.keywords if _ARGUMENTS in given else []


def _names_read(tree: ast.AST) -> set[ast.Name]:
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {name for name in names if isinstance(name.ctx, ast.Load)}


def _lines_but(source: str, silent: list[ast.stmt]) -> str:
    """The lines of a module that say what it does, without those of the `silent` statements."""
    left_out = {n for node in silent for n in range(node.lineno, node.end_lineno + 1)}
    lines = [line.rstrip() for n, line in enumerate(source.split("\n"), 1) if n not in left_out]
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def _imported(statements: Sequence[ast.AST]) -> list[str]:
    """The names that a module imports, wherever in it."""
    names = []
    for node in statements:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def _modules(names: Sequence[str]) -> list[Path]:
    """The engine's modules of these names."""
    inside = [name.split(".")[1:] for name in names if name.startswith(f"{_PACKAGE.name}.")]
    paths = [_PACKAGE.joinpath(*parts[:-1], f"{parts[-1]}.py") for parts in inside]
    return [path for path in paths if path.is_file()]


def _name(path: Path) -> str:
    return path.relative_to(_PACKAGE).as_posix() if _PACKAGE in path.parents else path.name
