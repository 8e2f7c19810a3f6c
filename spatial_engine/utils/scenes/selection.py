"""The scenes that a command is to work on: those of `--splits`, or of `--scenes` among them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from spatial_engine.errors import MissingInputError
from spatial_engine.utils.paths import info_path
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler, remedy_of
from spatial_engine.utils.tables import suspects

T = TypeVar("T")


class Inputs(Protocol):
    """What a step (`utils.running.step.Step`) does about inputs: it counts those that are not
    there."""

    def present_inputs(
        self, names: Sequence[str], path_of: Callable[[str], Path], remedy: str
    ) -> list[str]: ...

    def ready(self, scenes: Iterable[str], prepare: Callable[[str], T]) -> dict[str, T]: ...

    def leave_out(self, whys: Mapping[str, str], unknown: Collection[str]) -> None: ...


def load_splits(args: argparse.Namespace, step: Inputs) -> list[tuple[str, SceneInfoHandler]]:
    """Scene infos of the splits of `--splits` that are there, with the scenes of `--scenes`, and
    with `--exclude-suspect` without those that are suspect, which are counted.

    A split without infos is counted; `MissingInputError` when there is none at all, or when a
    scene of `--scenes` is in none.
    """
    remedy = remedy_of(args.dataset)
    present = step.present_inputs(args.splits, lambda split: info_path(args.dataset, split), remedy)
    handlers = [(split, SceneInfoHandler.load(args.dataset, split)) for split in present]
    if args.scenes:
        known = {scene for _, scenes in handlers for scene in scenes.scene_ids}
        if set(args.scenes) - known:
            unknown = min(set(args.scenes) - known)
            raise MissingInputError(
                f"--scenes {unknown}: no such scene in the scene infos; {remedy}"
            )
        handlers = [
            (split, scenes.only(*sorted(set(args.scenes) & set(scenes.scene_ids))))
            for split, scenes in handlers
        ]
    return [(split, _without_suspects(args, step, scenes)) for split, scenes in handlers]


def _without_suspects(
    args: argparse.Namespace, step: Inputs, scenes: SceneInfoHandler
) -> SceneInfoHandler:
    """The scenes that `--exclude-suspect` leaves; the others are counted."""
    whys = suspects.left_out(args, "scenes", scenes.scene_ids, scenes.input_hash)
    step.leave_out(whys, suspects.UNCHECKED)
    return scenes.only(*(s for s in scenes.scene_ids if s not in whys)) if whys else scenes
