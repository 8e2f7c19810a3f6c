"""What a target of the fuzzer is; folders for its seeds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutations
from hypothesis import strategies as st

from spatial_engine.errors import EngineError

_kept: list[tempfile.TemporaryDirectory] = []


def new_folder() -> Path:
    """A folder that goes when the process ends."""
    _kept.append(tempfile.TemporaryDirectory())
    return Path(_kept[-1].name)


@dataclass(frozen=True)
class Target:
    """A reader. `name` is that of the file that it reads; `reshape` are changes that know its form;
    `texts` makes files from nothing; `memory_mb` is what one file may take;
    `refusals` are the errors that refuse a file, and `shown` is how a command prints their text."""

    read: Callable[[Path], None]
    seeds: Callable[[], list[bytes]]
    name: str = "x"
    reshape: Sequence[mutations.Reshape] = ()
    tokens: Sequence[bytes] = ()
    texts: st.SearchStrategy[Any] | None = None
    memory_mb: int = 256
    binary: bool = False
    refusals: tuple[type[Exception], ...] = (EngineError,)
    shown: Callable[[str], str] = str
