"""A folder of files for a repository of others: which benchmarks it has, and how it is written."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.exports.shared.export_files import BENCHMARK_REMEDY
from spatial_engine.utils.paths import BENCHMARKS, benchmark_path
from spatial_engine.utils.running import flag_types
from spatial_engine.utils.storage.files import atomic_path


def present_benchmarks(root: Path, version: str) -> dict[str, Path]:
    """The benchmarks that have been made, by name; `MissingInputError` when none has."""
    paths = {name: benchmark_path(root, version, name) for name in BENCHMARKS}
    there = {name: path for name, path in paths.items() if path.is_file()}
    if not there:
        raise MissingInputError(f"{paths[BENCHMARKS[0]]}: no such file; {BENCHMARK_REMEDY}")
    return there


def add_upstream(parser: argparse.ArgumentParser, program: str) -> None:
    """Give a parser `--upstream FOLDER`."""
    text = f"write what a pull request to {program} has into FOLDER, of all benchmarks there are"
    parser.add_argument("--upstream", type=flag_types.folder, metavar="FOLDER", help=text)


def check_upstream(
    args: argparse.Namespace, without: Mapping[str, object], only: Mapping[str, object]
) -> None:
    """Raise `SettingsError` for flags that `--upstream` leaves no meaning, and for those that have
    one only with it."""
    others = {**without, "--benchmark": args.benchmark, "--name": args.name != BENCHMARKS[0]}
    if args.upstream and (wrong := next((flag for flag, given in others.items() if given), "")):
        raise SettingsError(f"--upstream is of all benchmarks, without pictures; leave {wrong} out")
    if not args.upstream and (wrong := next((flag for flag, given in only.items() if given), "")):
        raise SettingsError(f"{wrong} is of --upstream FOLDER; leave it out")


def write_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write texts by their path in the folder, each whole."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial:
            partial.write_text(text, encoding="utf-8")


def listed(names: Iterable[str]) -> str:
    """Names in a sentence of Markdown."""
    return ", ".join(f"`{name}`" for name in names)
