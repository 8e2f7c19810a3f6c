"""Input check: looks at what was read of scenes and clips before anything is asked about them.

Reads  scenes_{train,val}_info_i_D5.parquet, the points and some images of each of their scenes;
       data/tapvid3d_dataset/{adt,pstudio,drivetrack}/<clip>.npz.
Writes <root>/inputs_check.json: by scene and clip, what was measured, and what is suspect with
       its figure, limit and reason (limits: docs/inputs.md). With --dataset or --datasets, what
       it tells of the others stays.
Costs  the same for a scene of any number of frames (docs/performance.md).

Suspect is what is unlikely, and named as the fault that would explain it: poses of another scene,
a jump, a drift, depth of another time, another camera or scale. What is impossible the readers
refuse: it is named with its file, as everywhere. Scripts that write questions leave suspects out
with --exclude-suspect.
Exit code: 0 also where something is suspect; 1 where something was refused; 2 nothing to check.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

from spatial_engine.checks.inputs.clip_check import check_clip
from spatial_engine.checks.inputs.scene_check import check_scene
from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.clips.clip_lists import clips_on_disk
from spatial_engine.utils.clips.clip_sets import CLIP_SETS
from spatial_engine.utils.paths import (
    CLIP_DATASETS,
    SCANNET,
    clip_path,
    clips_dir,
    datasets_below,
    info_path,
    inputs_check_path,
)
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.outputs import Outputs
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.scene_files import COLORS, DEPTHS, SceneFiles
from spatial_engine.utils.scenes.scene_info import REMEDY, SceneInfoHandler, remedy_of
from spatial_engine.utils.storage import files, provenance
from spatial_engine.utils.storage.input_files import missing
from spatial_engine.utils.tables import suspects
from spatial_engine.utils.tables.suspects import Checked

# Pixels of the depth image by which colour may lie beside depth: as in make_visibility_info.py,
# whose surface points are sure within so many.
SURFACE_WINDOW_PX = 2

PART = "checked.json"
OUTPUT = "checked"
KEPT = "found by other code or constants"  # in place of the inputs of a scene or clip
CHECKS = {"scenes": check_scene, "clips": check_clip}


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    settings = {"SURFACE_WINDOW_PX": args.surface_window_px}
    step = Step("check_inputs", args, settings, __file__)
    asked = [*scene_jobs(args, step), *clip_jobs(args, step)]
    known = {job.scene_id for job in asked} | set(step.table.failures) | set(step.guard.absent)
    if unknown := sorted(set(args.scenes or ()) - known):
        raise MissingInputError(f"--scenes {unknown[0]}: no such scene or clip; {REMEDY}")
    output = inputs_check_path(args.root)
    jobs = [*asked, *kept_jobs(args, step, known)] if asked else []
    step.make(Outputs({OUTPUT: output}), jobs, check, join)
    status = step.close()
    if output.is_file():
        print_suspects(suspects.read(args.root))
    return status


def scene_jobs(args: argparse.Namespace, step: Step) -> list[SceneJob]:
    """A job for each scene of the splits that is asked for.

    Raises `MissingInputError` where there are no infos of a data set that is named.
    """
    jobs = []
    datasets = args.datasets_of_scenes or datasets_below(args.root)
    with_infos = [d for d in datasets if any(info_path(d, s).exists() for s in args.splits)]
    if without := [d for d in args.datasets_of_scenes or () if d not in with_infos]:
        raise MissingInputError(
            missing(info_path(without[0], args.splits[0]), remedy_of(without[0]))
        )
    if with_infos:  # ScanNet need not be there
        datasets = with_infos
    for dataset, split in product(datasets, args.splits):
        path = info_path(dataset, split)
        if not path.exists():
            what = split if dataset.name == SCANNET else f"{split} of {dataset.name}"
            step.table.absent[f"{what}, no {path.name} ({remedy_of(dataset)})"] += 1
            continue
        scenes = SceneInfoHandler.load(dataset, split)
        wanted = [s for s in scenes.scene_ids if not args.scenes or s in args.scenes]
        jobs += step.ready(wanted, partial(scene_job, scenes, args.surface_window_px)).values()
    return jobs


def scene_job(scenes: SceneInfoHandler, window_px: int, scene_id: str) -> SceneJob:
    """Job of one scene."""
    listed, read = SceneFiles.of(scenes, scene_id, COLORS, DEPTHS), scenes.input_hash(scene_id)
    inputs = [read, scenes.objects_hash(scene_id), listed.depths, listed.colors]
    inputs.append(scenes.dataset.name)
    arguments = ("scenes", read, scenes.only(scene_id), scene_id, window_px)
    return SceneJob(scene_id, arguments, inputs)


def clip_jobs(args: argparse.Namespace, step: Step) -> list[SceneJob]:
    """A job for each clip that is there and asked for."""
    jobs = []
    for dataset in args.datasets:
        clips = clips_on_disk(args.root, dataset)
        if not clips:
            step.table.absent[f"{dataset}, no clips in {clips_dir(args.root, dataset)}"] += 1
        for clip_id in clips:
            if not args.scenes or clip_id in args.scenes:
                path = clip_path(args.root, dataset, clip_id)
                read = provenance.file_digest(path)
                arguments = ("clips", read, path, CLIP_SETS[dataset])
                jobs.append(SceneJob(clip_id, arguments, [read, dataset]))
    return jobs


def kept_jobs(args: argparse.Namespace, step: Step, known: Collection[str]) -> list[SceneJob]:
    """A job for each scene and clip in the finished report that is of a data set which this run
    was not asked about: it takes over what was found. `known` are those that this run works on.

    What other code or constants found has other inputs than a check of now would have, so that the
    next run that is asked about it checks it again.
    """
    output = inputs_check_path(args.root)
    scenes = None if args.datasets_of_scenes is None else {d.name for d in args.datasets_of_scenes}
    asked = {"scenes": scenes, "clips": set(args.datasets)}
    if scenes is None and asked["clips"] == set(CLIP_DATASETS):
        return []
    try:
        report = suspects.read(args.root)
    except MissingInputError:
        return []
    meta, told = provenance.read_meta(output), provenance.read_inputs(output)
    current = meta.get("settings") == json.loads(json.dumps(step.settings))
    jobs = []
    for group, found in report.items():
        for name, checked in found.items():
            inputs = told.get(name)
            dataset = inputs[-1] if isinstance(inputs, list) and inputs else None
            if asked[group] is None or dataset in asked[group] or name in known:
                continue
            files.check_id(name, output)  # the report may be anyone's
            try:
                checked.as_json()
            except (TypeError, ValueError, OverflowError) as error:
                raise BadDataError(
                    f"{output}: not a report of inputs ({name}: {error}); remove it, then run this "
                    "for all data sets"
                ) from None
            if not current:
                inputs = [KEPT, provenance.digest(inputs), dataset]
            jobs.append(SceneJob(name, (group, checked.input, checked), inputs))
    return jobs


def check(arguments: tuple, part_dir: Path) -> PartResult:
    """Check one scene or clip, or take over what was found before, and write it with a digest of
    what was read."""
    group, read, *what = arguments
    checked = what[0] if isinstance(what[0], Checked) else CHECKS[group](*what)
    text = json.dumps({"group": group, **replace(checked, input=read).as_json()})
    (part_dir / PART).write_text(text, encoding="utf-8")
    found = {f"suspect: {suspect.fault}": 1 for suspect in checked.suspects}
    return PartResult(counts={OUTPUT: 1}, notes={OUTPUT: found})


def join(parts: Sequence[Path], outputs: Mapping[str, Path]) -> None:
    """Write the report of all scenes and clips."""
    report: dict[str, dict] = {group: {} for group in suspects.GROUPS}
    for part in parts:
        told = json.loads((part / PART).read_text(encoding="utf-8"))
        report[told.pop("group")][part.name] = told
    suspects.write(report, outputs[OUTPUT])


def print_suspects(report: Mapping[str, Mapping[str, Checked]]) -> None:
    """The table at the end: a line for each suspect."""
    rows = [
        (name, suspect)
        for group in suspects.GROUPS
        for name, checked in report[group].items()
        for suspect in checked.suspects
    ]
    print(f"{len({name for name, _ in rows})} suspect{':' if rows else ''}")
    width = max((len(name) for name, _ in rows), default=0)
    wide = max((len(suspect.fault) for _, suspect in rows), default=0)
    for name, suspect in rows:
        figure = f"{suspect.figure:.3g} {suspect.unit}, limit {suspect.limit:.3g}"
        print(f"  {name:<{width}}  {suspect.fault:<{wide}}  {suspect.reason} ({figure})")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    cli.add_datasets(parser)
    cli.add_choices(parser, "--datasets", CLIP_DATASETS)
    text = "pixels of the depth image by which colour may lie beside depth"
    cli.add_constant(parser, "SURFACE_WINDOW_PX", SURFACE_WINDOW_PX, text, 0, 100)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.run(main))
