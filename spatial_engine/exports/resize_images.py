"""A smaller copy of the data for training: images scaled, records with their new sizes.

Reads  every file of records of training_data/ and evaluation_data/, and the images they name.
Writes the same files under --output, which is a root of its own: the other commands here work on
       it with `--root`. Images that are small enough are hard links to the originals, or copies.
Costs  decoding and encoding each image (docs/performance.md).

Images are scaled whole, never cropped: coordinates in thousandths stay true, and so do millimetres
and degrees. Marks shrink with the images.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.exports.image_resizing import REMEDY, Goal, Scene, Size, resize_scene, resized
from spatial_engine.exports.shared.export_files import (
    add_splits,
    by_output,
    export_name,
    numbered,
    obsolete,
)
from spatial_engine.utils.paths import clip_frames_dir
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.questions.record_files import (
    RecordFile,
    find_record_files,
    read_records,
    relative_root,
    scene_of,
)
from spatial_engine.utils.questions.records import write_jsonl
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import files, provenance

# Longer side of an image at most, in pixels. Half of ScanNet's 1296, which costs least because it
# is made while decoding; letters beside dots are still legible, at 448 (a tile of InternVL) hardly.
MAX_SIDE = 648
# Of a side that is asked for, in pixels: larger ones are a mistake.
LARGEST_SIDE = 16384
SAMPLE_IMAGES = 3  # of each image root, resized on trial to estimate the bytes
MARK = "resized.json"  # in the folder of a copy: the sizes of its images

Names = dict[Size, set[str]]  # file names of one scene by the size that records tell


def find_images(found: Sequence[RecordFile]) -> dict[Path, dict[str, Names]]:
    """The images that records name, by image root, scene and size.

    A set of names for each scene, about 120 bytes an image: 0.8 GB at full size.
    """
    images: dict[Path, dict[str, Names]] = {}
    for file in found:
        scenes = images.setdefault(file.image_root, {})

        def add(record: dict[str, Any], file=file, scenes=scenes) -> None:
            sizes = zip(record["width_list"], record["height_list"], strict=True)
            for image, size in zip(record["image"], sizes, strict=True):
                scene, name = os.path.split(image)
                names = scenes.setdefault(scene, {}).setdefault(size, set())
                if name not in names:
                    files.check_id(scene, file.path)
                    names.add(files.check_id(name, file.path))

        for _ in numbered(file, read_records(file), add):
            pass
    return images


def copy_of(args: argparse.Namespace, folder: Path) -> Path:
    """Where a folder below the root lies in the copy."""
    return args.output / relative_root(folder, args.root)


def image_jobs(
    args: argparse.Namespace, goal: Goal, images: Mapping[Path, dict[str, Names]]
) -> dict[Path, list[SceneJob]]:
    """A job for each scene, by image root; frames of clips come first."""
    first = clip_frames_dir(args.root)
    jobs: dict[Path, list[SceneJob]] = {}
    for image_root in sorted(images, key=lambda path: (path != first, path)):
        scenes = images[image_root]
        each = estimate_bytes(image_root, scenes, goal, args.output)
        jobs[image_root] = []
        for scene_id, by_size in sorted(scenes.items()):
            names = {size: sorted(by_size[size]) for size in sorted(by_size)}
            source, frames = image_root / scene_id, None
            if image_root != first and (first / scene_id).is_dir():
                frames = (first / scene_id, copy_of(args, first) / scene_id)
            inputs = [
                provenance.folder_fingerprint(source, args.root, (".jpg",)),
                provenance.digest(list(names.items())),
            ]
            copy = copy_of(args, image_root) / scene_id
            if not inputs[0][1] and copy.is_dir() and not args.overwrite:
                raise MissingInputError(
                    f"{source}: no images in it, and {copy} holds some that were made from them; "
                    "restore them, or use --overwrite"
                )
            count = sum(map(len, names.values()))
            scene = Scene(source, names, goal, frames)
            jobs[image_root].append(SceneJob(scene_id, scene, inputs, count, count * each))
    return jobs


def estimate_bytes(image_root: Path, scenes: dict[str, Names], goal: Goal, output: Path) -> int:
    """Bytes of one resized image, about: the mean over the first of a few scenes.

    Links take none. Images that cannot be read are skipped here and reported later.
    """
    sizes = []
    links = image_root.is_dir() and image_root.stat().st_dev == output.stat().st_dev
    for scene_id in sorted(scenes)[:: max(len(scenes) // SAMPLE_IMAGES, 1)][:SAMPLE_IMAGES]:
        size, names = min(scenes[scene_id].items())
        path = image_root / scene_id / min(names)
        try:
            data = jpeg.load(path, REMEDY)
            if goal.fit(size) == size:
                sizes.append(0 if links else len(data))
            else:
                sizes.append(len(resized(data, path, goal.fit(size))))
        except BadDataError:
            continue
    return sum(sizes) // max(len(sizes), 1)


def resize_records(
    arguments: tuple[RecordFile, str, Goal, frozenset[str]], part_dir: Path
) -> PartResult:
    """Write one file of records with the new sizes, without those of scenes that failed."""
    file, label, goal, failed = arguments
    left_out = 0

    def changed(record: dict[str, Any]) -> dict[str, Any]:
        sizes = zip(record["width_list"], record["height_list"], strict=True)
        fitted = [goal.fit(size) for size in sizes]
        heights, widths = [height for _, height in fitted], [width for width, _ in fitted]
        return {**record, "height_list": heights, "width_list": widths}

    def kept() -> Iterator[dict[str, Any]]:
        nonlocal left_out
        for record in read_records(file):
            if failed.isdisjoint(map(scene_of, record["image"])):
                yield record
            else:
                left_out += 1

    written = write_jsonl(part_dir / file.path.name, numbered(file, kept(), changed))
    return PartResult(
        counts={label: written}, drops={label: {"images of a scene that failed": left_out}}
    )


def record_jobs(
    args: argparse.Namespace,
    goal: Goal,
    found: Sequence[RecordFile],
    failed: Mapping[Path, frozenset[str]],
) -> dict[Path, SceneJob]:
    """A job for each file of records, by output."""
    jobs = []
    for file in found:
        output = copy_of(args, file.path.parent) / file.path.name
        label = f"{file.split}_{export_name(file)}"
        out = failed.get(file.image_root, frozenset())
        inputs = [provenance.file_fingerprint(file.path, args.root), sorted(out)]
        num_bytes = file.path.stat().st_size
        jobs.append((output, SceneJob(label, (file, label, goal, out), inputs, 1, num_bytes)))
    return by_output(jobs)


def resize(args: argparse.Namespace, step: Step, goal: Goal, found: Sequence[RecordFile]) -> None:
    """Bring the copy up to date: images, then the records that name them."""
    records = record_jobs(args, goal, found, {})
    images = image_jobs(args, goal, find_images(found))
    there = (path for folder in {out.parent for out in records} for path in folder.glob("*.jsonl"))
    gone = obsolete(step, there, records)
    outdated = step.outdated(records)
    ahead = list(outdated.values())
    for image_root, jobs in images.items():
        ahead += step.unfinished(jobs, copy_of(args, image_root))
    num_bytes = sum(job.num_bytes for job in ahead)
    files.check_disk(args.output, sum(job.num_files for job in ahead), num_bytes)
    for output in outdated:  # it may tell of other sizes than the images will have
        provenance.forget([output])
        files.remove(output)
    failed = {}
    for image_root, jobs in images.items():
        run = step.make_folders(copy_of(args, image_root), jobs, resize_scene, "images")
        failed[image_root] = frozenset(run.failures)
    records = record_jobs(args, goal, found, failed)
    step.make_files(records, resize_records, args.output / f"records{files.PARTS_SUFFIX}")
    step.retire(gone)


def claim(output: Path, settings: dict[str, Any]) -> None:
    """Make the folder of the copy; refuse one that holds anything but such a copy, which resizing
    would replace."""
    output.mkdir(parents=True, exist_ok=True)
    killed = MARK + files.PARTIAL_SUFFIX  # a run that was killed here
    if not (output / MARK).is_file() and any(path.name != killed for path in output.iterdir()):
        raise SettingsError(
            f"{output}: is not empty and no copy made by this command; choose another --output"
        )
    files.dump_json(settings, output / MARK)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True, workers=True)
    text = "folder of the smaller copy, a root of its own"
    parser.add_argument(
        "--output", type=flag_types.folder, required=True, metavar="FOLDER", help=text
    )
    add_splits(parser)
    sizes = parser.add_mutually_exclusive_group()
    text = "longest side of an image, in pixels; smaller images are not changed"
    cli.add_constant(sizes, "MAX_SIDE", MAX_SIDE, text, 8, LARGEST_SIDE)
    text = "give every image this width and height, in pixels, even if that changes its proportions"
    pixels = flag_types.whole_number(1, LARGEST_SIDE)
    sizes.add_argument("--size", type=pixels, nargs=2, metavar=("W", "H"), help=text)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    args.output = args.output.absolute()  # workers may have another current directory
    goal = Goal(0, tuple(args.size)) if args.size else Goal(args.max_side)
    settings = {**asdict(goal), "JPEG_QUALITY": jpeg.QUALITY}
    found = find_record_files(args.root, args.splits, args.version, args.datasets_of_scenes)
    claim(args.output, settings)
    step = Step("resize_images", args, asdict(goal), __file__)
    resize(args, step, goal, found)
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
