"""The scenes that a command is to work on: those of `--splits`, or of `--scenes` among them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from spatial_engine.errors import MissingInputError
from spatial_engine.utils.paths import Dataset, info_path
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler, remedy_of
from spatial_engine.utils.tables import suspects

T = TypeVar("T")


class Inputs(Protocol):
    """What a step (`utils.running.step.Step`) does about inputs: it counts those that are not
    there, and what is not asked for."""

    def present_inputs(
        self, names: Sequence[str], path_of: Callable[[str], Path], remedy: str
    ) -> list[str]: ...

    def ready(self, scenes: Iterable[str], prepare: Callable[[str], T]) -> dict[str, T]: ...

    def leave_out(self, whys: Mapping[str, str], unknown: Collection[str]) -> None: ...

    def count_unasked(self, what: str) -> None: ...


def load_splits(
    args: argparse.Namespace,
    step: Inputs,
    tables: Mapping[Callable[[Dataset, str], Path], str] | None = None,
    wanted: Mapping[str, Any] | None = None,
    *,
    objects: bool = False,
) -> list[tuple[str, SceneInfoHandler]]:
    """Scene infos of the splits of `--splits` that are there, with the scenes of `--scenes`, and
    with `--exclude-suspect` without those that are suspect, which are counted.

    Splits without infos, or without one of the `tables` (where that of a split is -> how to get
    it), are counted, and so are those of which nothing is `wanted`, by split. `MissingInputError`
    when there is none with infos and tables, when a scene of `--scenes` is in none, or when with
    `objects` no scene has annotated objects.
    """
    remedy = remedy_of(args.dataset)
    present = step.present_inputs(args.splits, partial(info_path, args.dataset), remedy)
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
    splits = {split: _without_suspects(args, step, scenes) for split, scenes in handlers}
    if objects:
        _refuse_without_objects(splits.values(), args.dataset)
    there = list(splits)
    for path_of, how in (tables or {}).items():
        there = step.present_inputs(there, partial(path_of, args.dataset), how)
    asked = [split for split in there if wanted is None or wanted[split]]
    for split in there:
        if split not in asked:
            step.count_unasked(split)
    return [(split, splits[split]) for split in asked]


def _without_suspects(
    args: argparse.Namespace, step: Inputs, scenes: SceneInfoHandler
) -> SceneInfoHandler:
    """The scenes that `--exclude-suspect` leaves; the others are counted."""
    whys = suspects.left_out(args, "scenes", scenes.scene_ids, scenes.input_hash)
    step.leave_out(whys, suspects.UNCHECKED)
    return scenes.only(*(s for s in scenes.scene_ids if s not in whys)) if whys else scenes


def _refuse_without_objects(handlers: Iterable[SceneInfoHandler], dataset: Dataset) -> None:
    """Raise `MissingInputError` where no scene has annotated objects, as plain captures."""
    scenes = [(handler, scene) for handler in handlers for scene in handler.scene_ids]
    if not any(handler.has_objects(scene) for handler, scene in scenes):
        raise MissingInputError(
            f"{dataset.folder}: none of its {len(scenes)} scenes has annotated objects, so nothing "
            "can be asked about objects; the other questions need none"
        )
