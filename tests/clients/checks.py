"""One check of one client: the exports it asks for, the check itself, offline, and what it said."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from environments import REPOSITORY, ClientError, run

CHECKS = Path(__file__).resolve().parent
ENGINE = REPOSITORY / "spatial_engine"


def check_file(client: str) -> Path:
    """The check of a client: of its name, or of the part before its last underscore."""
    own = CHECKS / f"check_{client}.py"
    return own if own.is_file() else CHECKS / f"check_{client.rpartition('_')[0]}.py"


def exports_of(check: Path) -> list[str]:
    """Read the plain texts in `EXPORTS` of a check; to import it, its packages would be needed."""
    for line in ast.parse(check.read_text(encoding="utf-8")).body:
        if isinstance(line, ast.Assign) and getattr(line.targets[0], "id", "") == "EXPORTS":
            return list(ast.literal_eval(line.value))
    return []


def make_exports(client: str, root: Path, work: Path) -> None:
    """Run what the check asks for; what is there and up to date takes little time."""
    for line in exports_of(check_file(client)):
        script, *flags = shlex.split(line)
        command = [sys.executable, ENGINE / script, "--root", root, *flags]
        run(command, work / f"{client}_exports.log")


def run_check(
    client: str, python: Path, root: Path, work: Path, more: dict[str, str] | None = None
) -> dict:
    """Run a check and return its last line; `ClientError` unless it and its exit code are good."""
    log = work.with_suffix(".log")
    command = [python, check_file(client), "--root", root, "--work", work]
    work.mkdir(parents=True)
    with open(log, "w") as errors:
        done = subprocess.run(
            [str(word) for word in command], env=offline(python, work) | (more or {}), cwd=work,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    with open(log, "a") as errors:
        errors.write(done.stdout)
    try:
        said = json.loads(done.stdout.splitlines()[-1])
        counts = [said[name] for name in ("records", "replaced", "differing")]
        note, version = said["note"], said["version"]
    except (ValueError, LookupError, TypeError):
        raise ClientError(f"{last_line(log)} (all of it: {log})") from None
    records, replaced, differing = counts
    if done.returncode or not version or not records or replaced or differing:
        raise ClientError(f"{note}{' ' if note else ''}(what differs: {log})", said)
    return said


def offline(python: Path, work: Path) -> dict[str, str]:
    """The variables of a check: no network, no graphics card, no settings or caches of the user."""
    dropped = ["PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_INDEX_URL"]
    # uv compiles nothing: without files of byte code each process would compile all it imports.
    dropped += ["PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"]
    variables = {name: value for name, value in os.environ.items() if name not in dropped}
    nowhere = "http://127.0.0.1:9"  # a port where nothing listens
    proxies = ("http_proxy", "https_proxy", "all_proxy")
    variables |= {name: nowhere for each in proxies for name in (each, each.upper())}
    variables |= {name: "localhost,127.0.0.1,::1" for name in ("no_proxy", "NO_PROXY")}
    offline = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
    variables |= dict.fromkeys(offline, "1") | {"WANDB_MODE": "disabled", "DO_NOT_TRACK": "1"}
    variables |= {"HOME": str(work / "home"), "HF_HOME": str(work / "home/huggingface")}
    variables |= {"XDG_CACHE_HOME": str(work / "home/cache"), "CUDA_VISIBLE_DEVICES": ""}
    variables |= {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
    (work / "home").mkdir()
    return variables | {"PATH": f"{python.parent}{os.pathsep}{variables['PATH']}"}


def last_line(log: Path) -> str:
    """The last error that a check names, else the end of what it said, without colours."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
    errors = [line for line in lines if re.match(r"[A-Za-z_][\w.]*(Error|Exception)\b", line)]
    return (errors or lines or ["it said nothing"])[-1][:200]


def how_noticed(error: ClientError) -> str:
    """By records that differ or are replaced, or by an error."""
    said = error.said
    if not said:
        return str(error).rpartition(" (")[0]
    differing, replaced = said["differing"], said["replaced"]
    return f"of {said['records']} records {differing} differ, {replaced} are replaced"
