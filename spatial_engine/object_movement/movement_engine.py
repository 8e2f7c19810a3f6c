"""Shared implementation of the two object movement commands, from clips to questions."""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError, EngineError, MissingInputError
from spatial_engine.object_movement import clip_bodies, movement_questions
from spatial_engine.object_movement.movement_pairs import PUBLISHED, MovementRule
from spatial_engine.object_movement.movement_questions import QUANTITIES, ClipRequest, task_of
from spatial_engine.utils import paths
from spatial_engine.utils.clips import clip_frames, clip_lists
from spatial_engine.utils.paths import CLIP_DATASETS
from spatial_engine.utils.questions import marked_images, templates
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.templates import Templates
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.outputs import Outputs
from spatial_engine.utils.running.scene_runner import BrokenInput, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import os_errors, provenance
from spatial_engine.utils.storage.input_files import missing
from spatial_engine.utils.tables import suspects

log = logging.getLogger(__name__)

SAMPLE_CLIPS = 3  # tried beforehand to estimate how many pictures there will be


def run_prompt(
    prompt: str,
    docstring: str,
    argv: Sequence[str] | None,
    *,
    max_samples: Mapping[str, int],
    points_per_group: Mapping[str, int],
    pairs_per_bin: Mapping[str, int],
    rule: MovementRule,
) -> int:
    """Make all data sets and splits of a prompt; the keywords are the constants of its script, by
    split. Returns the exit code."""
    args = _parse_args(docstring, argv, max_samples, points_per_group, pairs_per_bin, rule)
    sentences = movement_questions.load_sentences(prompt, args.published)
    settings = templates.settings_of(args, sentences)
    step = Step(f"single_object_movement_engine_{prompt}", args, settings, __file__)
    listed = list_clips(args, step)
    broken = prepare_clips(args, step, listed)
    for (dataset, split), all_ids in listed.items():
        clip_ids = [clip_id for clip_id in all_ids if clip_id not in broken]
        most = args.max_samples[split]
        if not most:
            step.count_unasked(f"{dataset} {split}")
            continue
        numbers = ""
        if split == "train":
            points, pairs = args.points_per_group[split], args.pairs_per_bin[split]
            numbers = f"_{points}points_{pairs}pairs"
        jsonl = {
            task: record_path(args.dataset, task, split, args.version, numbers=numbers)
            for task in (task_of(prompt, quantity, dataset) for quantity in QUANTITIES)
        }
        first = next(iter(jsonl.values()))
        pictures = marked_images.folder_beside(first) if prompt == "dot" else {}
        step.make(
            Outputs(jsonl, pictures, parts_name=f"{dataset}_{split}"),
            make_jobs(args, prompt, dataset, split, clip_ids, sentences),
            movement_questions.write_clip,
            partial(marked_images.join_parts, seed=args.seed, at_most=most),
            wanted=dict.fromkeys(jsonl, most),
        )
    return step.close()


def list_clips(args: argparse.Namespace, step: Step) -> dict[tuple[str, str], list[str]]:
    """Clips that are listed and there, by data set and split; lists are made where missing."""
    listed: dict[tuple[str, str], list[str]] = {}
    known: set[str] = set()
    for dataset in args.datasets:
        folder = paths.clips_dir(args.root, dataset)
        if os_errors.dangling_link(folder):
            raise MissingInputError(missing(folder, clip_lists.REMEDY))
        for path in clip_lists.write_missing_lists(args.root, dataset):
            log.info("%s: made from the clips on disk", path)
            step.guard.unlisted = f"{path}: was not there, and was made from the clips on disk"
        if not paths.clip_list_path(args.root, dataset, "train").is_file():
            step.table.absent[f"{dataset}, no clips in {folder} ({clip_lists.REMEDY})"] += 1
            continue
        by_split = clip_lists.read_lists(args.root, dataset)
        both = sorted(known.intersection(by_split["train"] + by_split["val"]))
        if both:
            raise BadDataError(f"{folder}: {both[0]} is in the other data set too; rename one")
        known |= {clip for clip_ids in by_split.values() for clip in clip_ids}
        for split in args.splits:
            wanted = [c for c in by_split[split] if not args.scenes or c in args.scenes]
            clip_paths = {clip: paths.clip_path(args.root, dataset, clip) for clip in wanted}
            # A link to nothing is there: whoever reads it names it.
            there = {
                c
                for c, path in clip_paths.items()
                if (os_errors.exists(path) and path.is_file()) or os_errors.dangling_link(path)
            }
            what = f"listed, no {folder.name}/<clip>.npz"
            present = step.present_scenes(wanted, there.__contains__, what)
            input_of = partial(clip_digest, args.root, dataset)
            whys = suspects.left_out(args, "clips", present, input_of)
            step.leave_out(whys, suspects.UNCHECKED)
            listed[dataset, split] = [clip_id for clip_id in present if clip_id not in whys]
    unknown = sorted(set(args.scenes or ()) - known)
    if unknown:
        raise MissingInputError(f"--scenes {unknown[0]}: no such clip in the split lists")
    return {key: clip_ids for key, clip_ids in listed.items() if clip_ids}


def clip_digest(root: Path, dataset: str, clip_id: str) -> str:
    """Digest of the file of a clip, as the input check notes it."""
    return provenance.file_digest(paths.clip_path(root, dataset, clip_id))


def prepare_clips(
    args: argparse.Namespace, step: Step, listed: Mapping[tuple[str, str], Sequence[str]]
) -> set[str]:
    """Write the frames of all clips and find their rigid bodies once, for all commands about clips;
    return the clips that failed."""
    sets = {clip_id: dataset for (dataset, _), ids in listed.items() for clip_id in ids}
    frames, bodies = [], []
    for clip_id, dataset in sorted(sets.items()):
        path = paths.clip_path(args.root, dataset, clip_id)
        fingerprint = provenance.file_fingerprint(path, args.root)
        frames.append(SceneJob(clip_id, path, fingerprint, 0, fingerprint[1] or 0))
        bodies.append(SceneJob(clip_id, path, fingerprint))
    folder, work = paths.clip_frames_dir(args.root), clip_frames.write_clip_frames
    failures = {
        **step.make_shared("write_frames", clip_frames.__file__, folder, frames, work, "frames")
    }
    bodies = [job for job in bodies if job.scene_id not in failures]
    folder, work = paths.clip_bodies_dir(args.root), clip_bodies.write_clip_bodies
    failures |= step.make_shared("find_bodies", clip_bodies.__file__, folder, bodies, work, "clips")
    step.guard.absent |= {c: why for c, why in failures.items() if not isinstance(why, BrokenInput)}
    return set(failures)


def make_jobs(
    args: argparse.Namespace,
    prompt: str,
    dataset: str,
    split: str,
    clip_ids: Sequence[str],
    sentences: Mapping[str, Templates],
) -> list[SceneJob]:
    """A job for each clip, whose frames and bodies are there."""
    frames, bodies = paths.clip_frames_dir(args.root), paths.clip_bodies_dir(args.root)
    requests = {
        clip_id: ClipRequest(
            prompt, dataset, split, clip_id, args.seed, args.points_per_group[split],
            args.pairs_per_bin[split], frames / clip_id, bodies / clip_id,
            args.max_samples[split], rule=args.rule, sentences=sentences,
        )
        for clip_id in clip_ids
    }  # fmt: skip
    clip_paths = {c: paths.clip_path(args.root, dataset, c) for c in requests}
    num_files, num_bytes = 0, 0
    if prompt == "dot":
        num_files, num_bytes = estimate_pictures([(clip_paths[c], requests[c]) for c in requests])
    return [
        SceneJob(
            clip_id,
            (clip_paths[clip_id], request),
            [provenance.file_fingerprint(clip_paths[clip_id], args.root), dataset, split],
            num_files,
            num_bytes,
        )
        for clip_id, request in requests.items()
    ]


def estimate_pictures(work: Sequence[tuple[Path, ClipRequest]]) -> tuple[int, int]:
    """(files, bytes) of the pictures of one clip: the mean over a few, made on trial."""
    made = []
    for path, request in work[:: max(len(work) // SAMPLE_CLIPS, 1)][:SAMPLE_CLIPS]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                movement_questions.write_clip((path, request), Path(folder))
            except EngineError:
                continue  # named when its turn comes
            pictures = list((Path(folder) / marked_images.FOLDER).glob("*_annotated.jpg"))
            made.append((len(pictures), sum(picture.stat().st_size for picture in pictures)))
    num_files, num_bytes = np.mean(made, axis=0) if made else (0, 0)
    return int(num_files), int(num_bytes)


def _parse_args(
    docstring: str,
    argv: Sequence[str] | None,
    max_samples: Mapping[str, int],
    points_per_group: Mapping[str, int],
    pairs_per_bin: Mapping[str, int],
    rule: MovementRule,
) -> argparse.Namespace:
    parser = cli.make_parser(docstring, questions=True)
    cli.add_choices(parser, "--datasets", CLIP_DATASETS)
    for split in ("train", "val"):
        prefix = split.upper()
        name, number = f"{prefix}_POINTS_PER_GROUP", points_per_group[split]
        cli.add_constant(parser, name, number, f"{split}: points drawn from each rigid body", 1)
        name, number = f"{prefix}_PAIRS_PER_BIN", pairs_per_bin[split]
        cli.add_constant(
            parser,
            name,
            number,
            f"{split}: pairs of frames drawn for each point and bin of distances",
            1,
        )
    _add_rule(parser, rule)
    args = parser.parse_args(argv)
    args.max_samples = cli.max_samples_by_split(args, max_samples)
    for name in ("points_per_group", "pairs_per_bin"):
        by_split = {split: getattr(args, f"{split}_{name}") for split in ("train", "val")}
        setattr(args, name, by_split)
    args.rule = MovementRule(**{name: getattr(args, name) for name in vars(rule)})
    return args


def _add_rule(parser: argparse.ArgumentParser, rule: MovementRule) -> None:
    meanings = {
        "still_m": "a point that moves less is still, metres",
        "moved_m": "a point that moves so far, and JITTER_TIMES its clip's jitter, moved, metres",
        "jitter_times": "a point moved if it did so by this times the jitter of its clip",
        "static_share": "share of training records about still points; "
        "0: one pair of frames at most for each point",
    }
    for name, meaning in meanings.items():
        given, published = getattr(rule, name), getattr(PUBLISHED, name)
        most = 0.9 if name == "static_share" else None
        cli.add_constant(parser, name.upper(), given, meaning, 0.0, most, published=published)
