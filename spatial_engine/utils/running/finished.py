"""Finished outputs: whether they are whole, and what may take their place.

An input that is not there, as of a disk that is not mounted, takes nothing away. A finished output
is not replaced by one that lacks scenes which are still asked for, nor by one without records;
`--overwrite` allows both. What is broken is another matter: it is named, and left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.utils.running import files, provenance
from spatial_engine.utils.running.closing_table import Tally, listed
from spatial_engine.utils.running.scene_runner import BrokenInput

_REMEDY = "restore what is missing, or use --overwrite to go on without it"


def scenes_of(output: Path) -> set[str]:
    """The scenes that a finished output holds records of; empty where that is unknown."""
    scenes = provenance.read_meta(output).get("scenes") if output.exists() else None
    return {s for s in scenes if isinstance(s, str)} if isinstance(scenes, list) else set()


def num_records(output: Path) -> int:
    """Records of a finished file; its bytes where that is unknown."""
    if not output.is_file():
        return 0
    told = provenance.read_meta(output).get("records")
    return told if type(told) is int else output.stat().st_size


class Guard:
    """Protects finished outputs from a run of a command without `--overwrite`.

    `absent`: by requested scene, which input is missing; `unlisted`: which list of scenes is
    missing.
    """

    def __init__(self, options: argparse.Namespace):
        self.is_off = options.overwrite
        self.is_trial = bool(options.scenes) or len(getattr(options, "splits", "both")) < 2
        self.absent: dict[str, str] = {}
        self.unlisted = ""

    def refuse_to_lose(self, outputs: Iterable[Path], scenes: Iterable[str]) -> None:
        """Raise `MissingInputError` where an output, made from these scenes, would lose others
        because something is not there. A scene that is taken off its list may go."""
        for output in outputs if not self.is_off else ():
            lost = sorted(scenes_of(output) - set(scenes))
            gone = lost if self.unlisted else [scene for scene in lost if scene in self.absent]
            if gone:
                raise MissingInputError(
                    f"{output}: would lose {len(gone)} scenes, {gone[0]} first: "
                    f"{self.unlisted or self.absent[gone[0]]}; {_REMEDY}"
                )

    def refuse_to_shrink(self, outputs: Iterable[Path], scenes: Iterable[str]) -> None:
        """A trial with --scenes must not replace a larger output."""
        for output in outputs if self.is_trial and not self.is_off else ():
            if lost := scenes_of(output) - set(scenes):
                raise SettingsError(
                    f"{output}: holds {len(lost)} scenes that this run leaves out; "
                    "use another --root for a trial, or --overwrite"
                )

    def why_they_stay(
        self,
        outputs: Mapping[str, Path],
        tallies: Mapping[str, Tally],
        failures: Mapping[str, str],
    ) -> list[str]:
        """Why finished outputs are not replaced by new ones with these tallies, a line each; empty
        where they are replaced. Scenes that failed without being broken may succeed the next
        time."""
        passing = {scene for scene, why in failures.items() if not isinstance(why, BrokenInput)}
        whys = []
        for name, output in outputs.items() if not self.is_off else ():
            lost, tally = scenes_of(output) & passing, tallies[name]
            if lost:
                whys.append(
                    f"{output}: left as it was, it holds {len(lost)} scenes that failed now "
                    f"({min(lost)} first); {_REMEDY}"
                )
            elif not tally.records and num_records(output):
                whys.append(
                    f"{output}: left as it was, there are no records for it now "
                    f"({listed(tally.drops) or 'no input'}); use --overwrite to replace it"
                )
        return whys


def contents_of(path: Path) -> int | dict[str, list[int]]:
    """Bytes of a file; of a folder what it holds."""
    return path.stat().st_size if path.is_file() else files.contents(path)


def are_whole(companions: Mapping[str, Path], output: Path) -> bool:
    """Whether all companions are unchanged since `output` was made; a folder must have lost
    nothing."""
    before = provenance.read_meta(output).get("companions")
    if not isinstance(before, dict) or before.keys() != companions.keys():
        return False
    for name, path in companions.items():
        if not path.exists() or (path.is_file() and before[name] != contents_of(path)):
            return False
        if path.is_dir() and files.has_lost(path, before[name]):
            return False
    return True
