"""Megatron-Energon: every sample of the tar shards in both splits, by its own loader.

The folder is opened as it was written. Then Energon prepares it itself, as our command and the card
say, and its own index must be ours, byte for byte. The library `webdataset` reads the shards, too.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

import webdataset
import yaml
from common import Expected, Report, arguments, differences, expected, uniform
from megatron.energon import (
    Cooker,
    DefaultTaskEncoder,
    Sample,
    SampleDecoder,
    WorkerConfig,
    basic_sample_keys,
    edataclass,
    get_loader,
    get_train_dataset,
    get_val_dataset,
    stateless,
)
from PIL import Image

EXPORTS = ["exports/export_uniform.py", "exports/export_webdataset.py"]


@edataclass
class Question(Sample):
    """A sample as a task encoder makes it of what is in the tar."""

    record: dict
    images: list


@stateless
def cook(sample: dict) -> Question:
    record = sample["json"]
    images = [sample[part] for part in record["images"]]
    return Question(**basic_sample_keys(sample), record=record, images=images)


class Encoder(DefaultTaskEncoder):
    cookers = [Cooker(cook)]  # noqa: RUF012 (as Energon has it)
    decoder = SampleDecoder(image_decode="pilrgb")

    def batch(self, samples: list[Question]) -> list[Question]:
        return samples


def main() -> int:
    args = arguments(__doc__)
    report = Report("energon", version("megatron-energon"))
    folder = args.root / "training_data/exports/webdataset"
    known = {
        split: {want.id: want for want in expected(uniform(args.root, split), args.root)}
        for split in ("train", "val")
    }
    for split, by_id in known.items():
        compare(report, once(folder, split), by_id)
    check_training(report, folder, known["train"])
    for split, by_id in known.items():
        names = yaml.safe_load((folder / ".nv-meta/split.yaml").read_text())["split_parts"][split]
        compare(report, plain([folder / name for name in names]), by_id, decode=False)
    check_prepared(report, folder, args.work / "prepared")
    asked = 2 * sum(map(len, known.values()))
    return report.close("both splits, a training epoch, its own index, library webdataset", asked)


def once(folder: Path, split: str) -> Iterator[tuple[dict, list]]:
    """Each sample of a split, as Energon gives them for validation."""
    config = WorkerConfig(rank=0, world_size=1, num_workers=0)
    dataset = get_val_dataset(
        folder, split_part=split, worker_config=config, batch_size=1, task_encoder=Encoder()
    )
    for (sample,) in get_loader(dataset):
        yield sample.record, sample.images


def check_training(report: Report, folder: Path, known: dict[str, Expected]) -> None:
    """An epoch of training, shuffled, has each record once."""
    config = WorkerConfig(rank=0, world_size=1, num_workers=0)
    dataset = get_train_dataset(
        folder, worker_config=config, batch_size=1, task_encoder=Encoder(),
        shuffle_buffer_size=None, max_samples_per_sequence=None,
    )  # fmt: skip
    batches = iter(get_loader(dataset))
    seen = [next(batches)[0].record["id"] for _ in known]
    if sorted(seen) != sorted(known):
        report.fail(f"an epoch of training has {len(set(seen))} of {len(known)} records")


def plain(tars: list[Path]) -> Iterator[tuple[dict, list[bytes]]]:
    """Each sample as the library `webdataset` reads it."""
    for sample in webdataset.WebDataset([str(tar) for tar in tars], shardshuffle=False):
        record = json.loads(sample["json"])
        yield record, [sample[part] for part in record["images"]]


def compare(
    report: Report,
    samples: Iterable[tuple[dict, list]],
    known: dict[str, Expected],
    decode: bool = True,
) -> None:
    """Report every sample, and every record without one. Pictures that are bytes are the files'."""
    left = set(known)
    for record, images in samples:
        if record["id"] not in left:
            report.record(record["id"], "there twice, or not a record of the files")
            continue
        left.remove(record["id"])
        want = known[record["id"]]
        own = {name: value for name, value in record.items() if name != "images"}
        found = [] if own == want.record else [f"{own} for {want.record}"]
        if decode:
            found += differences(want, images=images)
        elif images != [path.read_bytes() for path in want.images]:
            found.append("other bytes of a picture")
        else:
            Image.open(io.BytesIO(images[0])).verify()
        report.record(record["id"], *found)
    for record_id in sorted(left):
        report.record(record_id, replaced=True)


def check_prepared(report: Report, folder: Path, copy: Path) -> None:
    """Energon prepares the shards by the command of the card, and finds what we wrote."""
    (command,) = re.findall("`(energon prepare .*)`", (folder / "README.md").read_text())
    (copy / "shards").mkdir(parents=True)
    for tar in sorted((folder / "shards").glob("*.tar")):
        (copy / "shards" / tar.name).symlink_to(tar)
    shutil.copytree(folder / ".nv-meta", copy / ".nv-meta")
    line = [str(copy) if word == "FOLDER" else word for word in shlex.split(command)]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        report.fail(f"{command}: {done.stdout[-500:]} {done.stderr[-500:]}")
        return
    for tar in sorted((folder / "shards").glob("*.tar")):
        name = f"{tar.name}.idx"
        if (copy / "shards" / name).read_bytes() != (folder / "shards" / name).read_bytes():
            report.fail(f"{name}: not the index that Energon makes")
    ours, theirs = (one / ".nv-meta" for one in (folder, copy))
    if counts(ours) != counts(theirs):
        report.fail(".info.json: not the numbers that Energon counts")
    if parts(ours) != parts(theirs):
        report.fail("split.yaml: not the splits that Energon makes")
    if not (theirs / "index.sqlite").is_file():
        report.fail(f"{command}: made no index by keys")


def counts(meta: Path) -> dict[str, int]:
    return json.loads((meta / ".info.json").read_text())["shard_counts"]


def parts(meta: Path) -> dict[str, list[str]]:
    """Shards of each split; Energon folds numbers in their names into braces."""
    told = yaml.safe_load((meta / "split.yaml").read_text())["split_parts"]
    return {split: sorted(name for one in names for name in unfolded(one))
            for split, names in told.items()}  # fmt: skip


def unfolded(name: str) -> list[str]:
    from braceexpand import braceexpand

    return list(braceexpand(name))


if __name__ == "__main__":
    sys.exit(main())
