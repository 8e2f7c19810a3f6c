"""What the text of a flag may be. Each type says in plain words what is wrong with a text."""

from __future__ import annotations

import argparse
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path

from spatial_engine.errors import BadDataError
from spatial_engine.utils.paths import NO_DATASETS
from spatial_engine.utils.storage.files import check_id
from spatial_engine.utils.storage.os_errors import explain

LARGEST = 2**63 - 1  # whole number that tables and JSON hold
LARGEST_CONSTANT = 2**31 - 1  # whole number that libraries take as a size
MOST_RECORDS = 10**9  # of a file; the full set has 31 million in all files


def whole_number(at_least: float = -LARGEST, at_most: int = LARGEST) -> Callable[[str], int]:
    """Type of a flag that takes a whole number within these limits."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        return _within(value, at_least, at_most)

    return read


def real_number(at_least: float = -math.inf, at_most: float = math.inf) -> Callable[[str], float]:
    """Type of a flag that takes a finite number within these limits."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
        return _within(value, at_least, at_most)

    return read


def _within(value: float, at_least: float, at_most: float) -> float:
    if value < at_least:
        raise argparse.ArgumentTypeError(f"{value} is less than {at_least}")
    if value > at_most:
        raise argparse.ArgumentTypeError(f"{value} is more than {at_most}")
    return value


def records_at_most(text: str) -> int:
    """A number of records, or -1 for all."""
    value = whole_number(at_most=MOST_RECORDS)(text)
    if value < -1:
        raise argparse.ArgumentTypeError(f"{value} is neither a number of records nor -1 (all)")
    return value


def name(text: str) -> str:
    """A scene, a clip or a version, whose name becomes part of a path."""
    try:
        return check_id(text, "")
    except BadDataError:
        kind = f"{text!r} is not a name (letters, digits and _.+- only)" if text else "is empty"
        raise argparse.ArgumentTypeError(kind) from None


def dataset_name(text: str) -> str:
    """A data set of scenes, a folder beside those of the families."""
    if name(text) in NO_DATASETS:
        raise argparse.ArgumentTypeError(f"{text!r} is a folder of another kind; choose another")
    return text


def address(text: str) -> str:
    """The address of a scheduler."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; leave the flag out to use local processes")
    return text


def path(text: str) -> Path:
    """A file or folder, existing or not. An empty text, as of a shell variable that is not set,
    would be the current directory."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; give a path (. is the current directory)")
    return Path(text)


def file(text: str) -> Path:
    """A file, existing or not."""
    place = path(text)
    if place.is_dir():
        raise argparse.ArgumentTypeError(f"{place}: is a folder, not a file")
    return place


def folder(text: str) -> Path:
    """A folder that exists or can be made, as far as its path shows."""
    place = path(text)
    try:
        is_folder = stat.S_ISDIR(os.stat(place).st_mode)
    except FileNotFoundError:
        return place
    except OSError as error:
        raise argparse.ArgumentTypeError(explain(error, place)) from None
    if not is_folder:
        raise argparse.ArgumentTypeError(f"{place}: is a file, not a folder")
    return place


def existing_folder(text: str) -> Path:
    """A folder that is there."""
    place = folder(text)
    if not place.exists():
        raise argparse.ArgumentTypeError(f"{place}: no such folder")
    return place
