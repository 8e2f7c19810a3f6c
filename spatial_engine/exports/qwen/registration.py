"""What Qwen's trainer has to be told: its data sets, and how it is started.

The trainer (qwen-vl-finetune in QwenLM/Qwen3-VL) knows data sets by entries of a dict in
`qwenvl/data/__init__.py`. They are written as a Python file that finds the root from where it lies
itself: a root that is moved, or looked at on another machine, needs no other entries.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_engine.exports.qwen.pixel_records import Resizing
from spatial_engine.exports.shared.export_files import export_name, exports_dir, find_uniform
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.questions.record_files import find_record_files, relative_root
from spatial_engine.utils.questions.tasks import TASKS

TEXT_TOKENS = 1024  # of a question and its answer at most, with those around them; usually 100

_DATASETS = '''"""Data sets for Qwen's trainer, made by export_qwen.py. At the end of its
qwenvl/data/__init__.py add, with the path of this file:

    import runpy

    data_dict.update(runpy.run_path("THIS FILE")["DATASETS"])
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[{depth}]
FILES = [  # name, file of records, folder that its images are relative to
{lines}
]
DATASETS = {{
    name: {{"annotation_path": str(ROOT / records), "data_path": str(ROOT / images)}}
    for name, records, images in FILES
}}
'''


@dataclass(frozen=True)
class Entry:
    """A data set of the trainer: `records` and the folder `images` are relative to the root;
    `most_images` is how many images a record has at most."""

    name: str
    records: str
    images: str
    most_images: int


def entries_of(
    root: Path, version: str, datasets: Sequence[Dataset] | None, files: str
) -> list[Entry]:
    """The data sets of the training files that are there: native, uniform, or in pixels."""
    found = find_record_files(root, ["train"], version, datasets)
    most = {export_name(file): max(TASKS[file.task].image_counts) for file in found}
    if files == "native":
        return [
            Entry(
                export_name(file),
                file.path.relative_to(root).as_posix(),
                relative_root(file.image_root, root).rstrip("/"),
                most[export_name(file)],
            )
            for file in found
        ]
    if files == "uniform":
        paths = find_uniform(root, "train", version, datasets)
    else:
        folder = exports_dir(root, "train", "qwen", version)
        every = sorted(folder / f"{name}.jsonl" for name in most)
        paths = [path for path in every if path.is_file()]  # one may have failed
    return [
        Entry(path.stem, path.relative_to(root).as_posix(), ".", most.get(path.stem, 8))
        for path in paths
    ]


def datasets_file(entries: Sequence[Entry], depth: int) -> str:
    """The Python file of the entries, to lie `depth` + 1 folders below the root."""
    lines = (
        f"    ({_quoted(one.name)}, {_quoted(one.records)}, {_quoted(one.images)}),"
        for one in entries
    )
    return _DATASETS.format(depth=depth, lines="\n".join(lines))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def max_length(entries: Sequence[Entry], resizing: Resizing) -> int:
    """Tokens that the trainer must not cut off: `model_max_length`, a power of 2."""
    images = max(one.most_images for one in entries)
    needed = images * (resizing.max_pixels // resizing.factor**2) + TEXT_TOKENS
    return 1 << (needed - 1).bit_length()


def launch_line(entries: Sequence[Entry], resizing: Resizing, model: str) -> str:
    """The command that starts the trainer, with the flags whose defaults do not fit."""
    flags = {
        "model_name_or_path": model,
        "dataset_use": ",".join(one.name for one in entries),
        "model_max_length": max_length(entries, resizing),
        "max_pixels": resizing.max_pixels,
        "min_pixels": resizing.min_pixels,
        "tune_mm_llm": True,
        "tune_mm_mlp": True,
        "tune_mm_vision": False,
        "bf16": True,
        "output_dir": "output",
    }
    told = (f"--{name} {shlex.quote(str(value))}" for name, value in flags.items())
    return " \\\n    ".join(("torchrun --nproc_per_node 8 qwenvl/train/train_qwen.py", *told))


def is_taken_for_mixture(model: str) -> bool:
    """Whether the trainer loads a model with the class of mixtures of experts by mistake: it does
    so where the path holds "qwen3" and its last folder the letter "a", as of "A3B"."""
    name = Path(model).name.lower()
    is_mixture = re.search(r"\d+b-a\d+b", name) is not None
    return "qwen3" in model.lower() and "a" in name and not is_mixture
