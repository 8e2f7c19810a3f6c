"""Environments of clients: made by uv from exact versions, and kept while the list is the same."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LISTS = REPOSITORY / "requirements" / "clients"
UV_LIST = REPOSITORY / "requirements" / "uv.txt"
PYTHON = "3.11"  # the one that the lists are for
STAMP = ".made_from"  # written last, so half an environment is never taken for whole


class ClientError(Exception):
    """One line: what failed, and where to read more; `said`: the last line of a check, if any."""

    def __init__(self, line: str, said: dict | None = None):
        super().__init__(line)
        self.said = said or {}


def environment(folder: Path, client: str) -> Path:
    """Bring the environment of a client up to date; return its Python."""
    pins = LISTS / f"{client}.txt"
    uv = _uv(folder / "tools")
    base = _base_python(uv)
    version = subprocess.check_output([base, "--version"], text=True)
    home, stamp = folder / client, _digest(pins.read_text(), base, version, str(REPOSITORY))
    python = home / "bin" / "python"
    if not _is_made(home, stamp):
        other = "" if version.startswith(f"Python {PYTHON}.") else f"; there is no Python {PYTHON}"
        print(f"setup: environment of {client}, {version.strip()}{other}", file=sys.stderr)
        log = folder / f"{client}.log"
        run([uv, "venv", "-q", "--clear", "-p", base, home], log)
        # The lists are whole; a line `-e .` is the engine itself.
        install = [uv, "pip", "install", "-q", "-p", python, "--no-deps", "-r", pins]
        run(install, log, _settings_of_pip())
        (home / STAMP).write_text(stamp)
    return python


def _uv(home: Path) -> Path:
    """The pinned uv, in a folder of its own."""
    stamp = _digest(UV_LIST.read_text(), sys.version)
    if not _is_made(home, stamp):
        shutil.rmtree(home, ignore_errors=True)
        install = ["install", "-q", "--no-deps", "--target", home, "-r", UV_LIST]
        run([sys.executable, "-m", "pip", *install], home.with_suffix(".log"), {"PIP_USER": "0"})
        (home / STAMP).write_text(stamp)
    return home / "bin" / "uv"


def _base_python(uv: Path) -> str:
    """Python 3.11 if the machine has one, else the Python of the engine; nothing is downloaded."""
    find = [uv, "python", "find", "--system", "--no-python-downloads", PYTHON]
    done = subprocess.run(find, capture_output=True, text=True, cwd=REPOSITORY)
    return done.stdout.strip() if done.returncode == 0 else sys.executable


def _settings_of_pip() -> dict[str, str]:
    """The index and the certificates that pip's settings name, if any, are for uv, too."""
    found = {}
    for name, variable in (("index-url", "UV_DEFAULT_INDEX"), ("cert", "SSL_CERT_FILE")):
        ask = [sys.executable, "-m", "pip", "config", "get", f"global.{name}"]
        of_file = subprocess.run(ask, capture_output=True, text=True).stdout.strip()
        value = os.environ.get(f"PIP_{name.replace('-', '_').upper()}") or of_file
        if value and variable not in os.environ:
            found[variable] = value
    return found


def _is_made(home: Path, stamp: str) -> bool:
    return (home / STAMP).is_file() and (home / STAMP).read_text() == stamp


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def run(command: Sequence[str | Path], log: Path, env: dict[str, str] | None = None) -> None:
    """Run a command with its output in a log; `ClientError` if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # The working folder is where a line `-e .` of a list starts from.
    with open(log, "w") as output:
        done = subprocess.run(
            [str(word) for word in command], env={**os.environ, **(env or {})}, cwd=REPOSITORY,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    if done.returncode:
        said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise ClientError(f"{_name(command)}: {said[-1] if said else 'failed'} (all of it: {log})")


def _name(command: Sequence[str | Path]) -> str:
    return " ".join(Path(str(word)).name for word in command[:3])
