"""Spatial data engine: measures ScanNet scans and TAPVid-3D clips and asks about them."""

import os
import sys
from pathlib import Path

__version__ = "0.1.0"

_SCRIPTS = ("spatial_engine", "benchmarks", "docs", "tests")  # folders of a checkout that hold some


def _refuse_other_checkout() -> None:
    """End with code 2 when the started script belongs to another checkout than this package, as
    after `pip install -e` in one of two: the script would run the other one's code unnoticed.

    Here, since every command imports this first, and the rest of the package may not suit it.
    """
    started = getattr(sys.modules.get("__main__"), "__file__", None)
    if not started:  # python -c, python -m, a notebook
        return
    script, package = Path(started).resolve(), Path(__file__).resolve().parent
    for folder in script.parents:
        if not (folder / "spatial_engine" / "__init__.py").is_file():
            continue
        own = script.relative_to(folder).parts[0] in _SCRIPTS
        if own and not os.path.samefile(folder / "spatial_engine", package):
            print(f"error: {_complaint(script, folder, package)}", file=sys.stderr)
            sys.exit(2)
        return


def _complaint(script: Path, checkout: Path, package: Path) -> str:
    """What happened and what to do, in one line."""
    on_path = map(
        os.path.realpath, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    )
    if str(package.parent) in on_path:
        remedy = f"take {package.parent} out of PYTHONPATH"
    else:
        remedy = f"run `pip install --no-deps -e .` in {checkout}, or activate its environment"
    return f"{script} imports the package of another checkout, {package}; {remedy}"


_refuse_other_checkout()

from spatial_engine.utils.running import stopping  # noqa: E402

# A command imports this before any library that takes long to load: from here on Ctrl-C ends it
# with one line. Nothing happens in a notebook or in another program.
stopping.begin_command()
