"""The audit of the pickles about objects, scene by scene: who sees what, and which images do.

Reads  {training,evaluation}_data/[<dataset>/]object_perception/object_visibility.pkl and
       merged_<split>_object_coverage_<dim>.pkl, of every version, and the raw scans.
Costs  the pickle as a whole in memory; then in a worker one scene, of which every frame's
       visibility is computed for coverage, and for object visibility that of the frames drawn.

Of a sample of N, N / OF_SCENE scenes are drawn, and in each OF_SCENE frames and objects.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple

from spatial_engine.audit.captures.opened import raw_scene, scene_datasets, scenes_on_disk
from spatial_engine.audit.label_records import FOLDER_OF
from spatial_engine.audit.label_report import FileReport
from spatial_engine.audit.oracles.object_coverage import check_scene_coverage
from spatial_engine.audit.oracles.object_views import DIMENSIONS, ObjectRules, object_rules
from spatial_engine.audit.oracles.object_visibility import check_scene_visibility
from spatial_engine.audit.oracles.visibility import seen_rule
from spatial_engine.audit.raw.ids import SCANNET, read_split_list
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.plain_unpickler import load
from spatial_engine.audit.records.constants import constants_of, found_with

OBJECT_VISIBILITY = "object_visibility.pkl"
OF_SCENE = 10  # frames, objects: loading a scene costs more than a few of these


class TableJob(NamedTuple):
    """A scene and what tables say of it, None where they do not have it; dimension by table, None
    for object visibility; rules by table: which sets of images are asked about. seed: of the frames
    and objects drawn, None for all."""

    root: Path
    dataset: str
    scene_id: str
    entries: dict[int, object]
    dimensions: dict[int, str | None]
    rules: dict[int, ObjectRules]
    seed: str | None


def check_tables(
    root: Path, sample: int, seed: int, run: Callable, datasets: frozenset[str] | None = None
) -> list[FileReport]:
    """Check every table there is; `run(work, jobs, what=)` gives results in order. datasets: those
    whose tables are checked, None for all."""
    reports = []
    for dataset, (split, folder) in product(scene_datasets(root), FOLDER_OF.items()):
        if datasets is not None and dataset not in datasets:
            continue
        found = {}
        folder = folder if dataset == SCANNET else f"{folder}/{dataset}"
        for pattern in ("object_perception/", "object_perception/*/"):
            for dimension in (None, *DIMENSIONS):
                name = f"merged_{split}_object_coverage_{dimension}.pkl"
                name = OBJECT_VISIBILITY if dimension is None else name
                found |= dict.fromkeys(sorted((root / folder).glob(pattern + name)), dimension)
        if found:
            reports += _check_split(root, dataset, split, found, sample, seed, run)
    return reports


def _check_split(
    root: Path,
    dataset: str,
    split: str,
    found: dict[Path, str | None],
    sample: int,
    seed: int,
    run: Callable,
) -> list[FileReport]:
    reports, contents = [], []
    listed = set(read_split_list(root, split, dataset))
    for path in found:
        content = load_plain(path)
        report = FileReport(path.relative_to(root).as_posix(), "scenes", 0, 0)
        if isinstance(content, str):
            report.complaints.add_of_file([content])
            content = {}
        strangers = sorted(f"{s!r} is not in split {split}" for s in content.keys() - listed)
        report.complaints.add_of_file(strangers)
        report.records = len(content)
        reports.append(report)
        contents.append(content)
    known = set().union(*contents)
    scenes = draw_scenes(root, dataset, listed, known, sample, f"{seed} {split}")
    dimensions = dict(enumerate(found.values()))
    rules = {k: _rules_of(path, root, dataset, split) for k, path in enumerate(found)}
    jobs = [
        TableJob(
            root,
            dataset,
            scene,
            {k: content.get(scene) for k, content in enumerate(contents)},
            dimensions,
            rules,
            None if sample < 0 else f"{seed} {scene}",
        )
        for scene in scenes
    ]
    results = run(check_scene_tables, jobs, what=f"scenes of the {split} tables")
    for number, (job, result) in enumerate(zip(jobs, results, strict=True), start=1):
        for k, (complaints, why) in result.items():
            if why and job.entries[k] is None:
                continue  # a scene that is not on disk may be missing
            reports[k].add_scene(number, job.scene_id, complaints, why)
    return reports


def _rules_of(path: Path, root: Path, dataset: str, split: str) -> ObjectRules:
    """By the constants of the object visibility, beside it, and of a merged file's sets."""
    constants = constants_of(path.with_name(OBJECT_VISIBILITY)) | found_with(path)
    return object_rules(constants, seen_rule(constants, root, split, dataset))


def load_plain(path: Path) -> dict | str:
    """The dict in a pickle of plain data, or a complaint."""
    try:
        content = load(path.read_bytes())
    except Exception as err:  # a damaged pickle can raise almost anything
        return f"cannot be loaded: {str(err) or type(err).__name__}"
    return content if isinstance(content, dict) else f"holds a {type(content).__name__}, not a dict"


def check_scene_tables(job: TableJob) -> dict[int, tuple[list[str], str]]:
    """(complaints, why it was not checked) of each table about one scene."""
    found: dict[int, tuple[list[str], str]] = {}
    try:
        scene = raw_scene(job.root, job.dataset, job.scene_id)
        images = objects = None
        if job.seed is not None:
            images = draw(scene.valid_frame_ids, OF_SCENE, job.seed)
            objects = draw(sorted(scene.raw_categories), OF_SCENE, job.seed)
        for k, dimension in job.dimensions.items():
            entry = job.entries[k]
            if entry is None:
                complaints = ["is missing"]
            elif dimension is None:
                complaints = check_scene_visibility(entry, scene, images, job.rules[k])
            else:
                complaints = check_scene_coverage(entry, scene, dimension, objects, job.rules[k])
            found[k] = complaints, ""
    except RawDataError as err:
        return {k: ([], str(err)) for k in job.dimensions}
    return found


def draw_scenes(
    root: Path, dataset: str, listed: set[str], known: set[str], sample: int, seed: str
) -> list[str]:
    """Scenes of a split that are on disk or known to a table, sorted: so many that OF_SCENE of each
    are `sample`, -1 = all."""
    there = known | scenes_on_disk(root, dataset)
    scenes = sorted(listed & there)
    return scenes if sample < 0 else draw(scenes, -(-sample // OF_SCENE), seed)


def draw(items: list, count: int, seed: str) -> list:
    """So many of the items, in their order; all where there are no more."""
    if len(items) <= count:
        return items
    chosen = random.Random(seed).sample(range(len(items)), count)
    return [items[k] for k in sorted(chosen)]
