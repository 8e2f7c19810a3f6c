"""Install the pinned packages, and this repository, into the environment of the running Python.

Called by setup_env.sh as `python requirements/install.py [ask] [cluster] [viewer] [dev]`; needs
nothing but the standard library. A stamp in the environment holds a digest of all that the
installation depends on, so a second call returns at once; to mend a damaged `.venv`, delete it.
"""

import ctypes
import hashlib
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN_LIST = ROOT / "requirements" / "data_engine.txt"
MORE_LISTS = {  # by the word that asks for them; the tests ("dev") are of everything
    name: ROOT / "requirements" / f"{name}.txt" for name in ("ask", "cluster", "viewer", "dev")
}
OPENCV = "opencv-python"  # links libGL and libglib, which a bare server does not have
HEADLESS = "opencv-python-headless"  # the same module cv2, without windows and these libraries


def main(arguments: list[str]) -> None:
    """Bring the environment up to date, if its stamp says that it is not."""
    wanted = set(MORE_LISTS) if "dev" in arguments else set(arguments)
    if unknown := sorted(wanted - set(MORE_LISTS)):
        sys.exit(f"setup: {unknown[0]}: no such list; there are {', '.join(MORE_LISTS)}")
    stamp, digest = Path(sys.prefix) / ".spatial_engine", digest_of_inputs()
    stamped = stamp.read_text().split() if stamp.is_file() else []
    there = set(stamped[1:]) if stamped[:1] == [digest] else set()
    if stamped[:1] == [digest] and wanted <= there:
        return
    wanted |= there
    lists = [RUN_LIST, *(path for name, path in MORE_LISTS.items() if name in wanted)]
    pins = list(dict.fromkeys(pin for path in lists for pin in read_pins(path)))
    print(f"setup: installing {len(pins)} packages into {sys.prefix}", flush=True)
    if run("pip", "--version").returncode:  # environments made by uv come without pip
        demand(run("ensurepip"))
    install_packages(pins, installed_opencv())
    demand(pip_install("--no-build-isolation", "-e", str(ROOT)))
    stamp.write_text(" ".join([digest, *sorted(wanted)]))


def install_packages(pins: list[str], present: str | None) -> None:
    """Install the pins with the OpenCV that loads here; `present`: the one that was there before.

    Both own the folder cv2, so one is removed before the other comes; a user's own stays.
    """
    opencv = present or opencv_for_this_machine()
    demand(pip_install(*with_opencv(pins, opencv)))
    problem = cv2_problem()
    if problem and opencv == OPENCV and (present is None or is_ours(Path(sys.prefix))):
        demand(run("pip", "uninstall", "-y", OPENCV))
        demand(pip_install(*with_opencv(pins, HEADLESS)))
        problem = cv2_problem()
    if problem:
        sys.exit(
            f"setup: cv2 does not load ({problem}): apt-get install libgl1 libglib2.0-0, "
            f"or replace {opencv} by the same version of {HEADLESS}"
        )


def opencv_for_this_machine(load=ctypes.CDLL) -> str:
    """Name the OpenCV to try first; asking before the download spares a bare machine 70 MB."""
    try:
        if sys.platform == "linux":
            for library in ("libGL.so.1", "libgthread-2.0.so.0"):
                load(library)
    except OSError:
        return HEADLESS
    return OPENCV


def installed_opencv() -> str | None:
    """Name the OpenCV that this environment holds already, if any."""
    names = {d.metadata["Name"] for d in importlib.metadata.distributions()}
    return next((name for name in (HEADLESS, OPENCV) if name in names), None)


def cv2_problem() -> str:
    """Say why cv2 does not load; an empty text when it does."""
    done = run_python("-c", "import cv2")
    return done.stdout.strip().splitlines()[-1] if done.returncode else ""


def is_ours(prefix: Path) -> bool:
    """Tell our own .venv, or the conda environment of data_engine.yaml, from a user's."""
    return prefix.name == "data_engine" or prefix.resolve() == (ROOT / ".venv").resolve()


def read_pins(path: Path) -> list[str]:
    """Read the requirement lines of one list, without comments and references to other lists."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def with_opencv(pins: list[str], name: str) -> list[str]:
    """Return the pins with the named OpenCV, of the same version, in place of the other."""
    return [pin.replace(f"{OPENCV}==", f"{name}==") for pin in pins]


def digest_of_inputs() -> str:
    """Digest what an installation depends on; the folder too, as the editable install names it."""
    digest = hashlib.sha256(f"{sys.version} {ROOT}".encode())
    for path in (RUN_LIST, *MORE_LISTS.values(), ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def pip_install(*arguments: str) -> subprocess.CompletedProcess:
    """Install without resolving (the lists are whole) and without compiling."""
    return run("pip", "install", "--no-deps", "--only-binary=:all:", *arguments)


def run(*module_and_arguments: str) -> subprocess.CompletedProcess:
    """Run `python -m ...`, and keep what it prints."""
    return run_python("-m", *module_and_arguments)


def run_python(*arguments: str) -> subprocess.CompletedProcess:
    """Run this Python, deaf to settings of the user's pip that do not fit an environment."""
    settings = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_NO_INPUT": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **settings, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def demand(done: subprocess.CompletedProcess) -> None:
    """Stop with one line, and everything the command said in a file, if it failed."""
    if done.returncode:
        log = Path(sys.prefix) / "spatial_engine_setup.log"
        log.write_text(f"{done.args}\n{done.stdout}")
        said = [line for line in done.stdout.splitlines() if line.startswith("ERROR")]
        cause = (said or done.stdout.splitlines() or ["it said nothing"])[-1]
        if "connection broken" in done.stdout:  # which pip then calls "no matching distribution"
            cause = "the package index cannot be reached"
        sys.exit(f"setup: {done.args[2]} failed: {cause} (all of it: {log})")


if __name__ == "__main__":
    main(sys.argv[1:])
