"""What Qwen's trainer needs (qwen-vl-finetune): its data sets, and how to start it; for Qwen2.5-VL
copies whose coordinates are pixels.

Reads  every file of records of training_data/; with --coordinates pixels also of evaluation_data/,
       and with --benchmarks the benchmarks (--benchmark FILE: that of a file).
Writes training_data/exports/qwen/native.py, the data sets of the files of records as they are (with
       --files uniform uniform.py, of those of export_uniform.py), and native.sh, which starts the
       trainer; prints both.
       With --coordinates pixels {training,evaluation}_data/exports/qwen/<task>*.jsonl, a copy of
       each file in uniform form, pixels.py and pixels.sh, and copies of the benchmarks,
       evaluation_data/exports/qwen/benchmarks/<name>.jsonl, which ask_model.py and
       score_predictions.py take with --benchmark.
Costs  little; copies the time to read and write all records.

Qwen3-VL and Qwen2-VL count coordinates from 0 to 1000, as records do. Qwen2.5-VL counts pixels of
the image as its processor resizes it, which --factor, --min-pixels and --max-pixels say: train and
ask with the same ones. Copies hold them, so that the scorer knows.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from spatial_engine.errors import SettingsError
from spatial_engine.exports.qwen.pixel_copies import copy_benchmark, write_pixels
from spatial_engine.exports.qwen.pixel_records import Pixels, Resizing
from spatial_engine.exports.qwen.registration import (
    Entry,
    datasets_file,
    entries_of,
    is_taken_for_mixture,
    launch_line,
)
from spatial_engine.exports.shared.export_files import (
    add_splits,
    chosen_benchmark,
    exports_dir,
    present_benchmark,
)
from spatial_engine.exports.shared.record_export import Form, export_records
from spatial_engine.utils.paths import BENCHMARKS
from spatial_engine.utils.questions.pixel_sentences import load_pixel_sentences
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import provenance

# Of the image processor: sides are multiples of it. 28 of Qwen2-VL and Qwen2.5-VL, 32 of Qwen3-VL.
FACTOR = 28
# Pixels of an image at least and at most as the model looks at it; the trainer's own defaults,
# 16 * 28 * 28 and 576 * 28 * 28.
MIN_PIXELS, MAX_PIXELS = 12544, 451584

MODELS = {
    "thousandths": "Qwen/Qwen3-VL-8B-Instruct",
    "pixels": "Qwen/Qwen2.5-VL-7B-Instruct",
}


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    resizing = Resizing(args.factor, args.min_pixels, args.max_pixels)
    where = (args.root, args.version, args.datasets_of_scenes)
    if args.coordinates == "thousandths":
        step = Step("export_qwen", args, asdict(resizing), __file__)
        entries = entries_of(*where, args.files)
        return register(step, args.files, entries, resizing)
    sources = {name: present_benchmark(args.root, args.version, name) for name in args.benchmarks}
    if args.benchmark:
        name, path = chosen_benchmark(args)
        sources[name] = path
    pixels = Pixels(resizing, load_pixel_sentences())
    sentences = provenance.digest({name: asdict(said) for name, said in pixels.sentences.items()})
    step = Step("export_qwen", args, {**asdict(resizing), "sentences": sentences}, __file__)
    export_records(step, "qwen", args.splits, [Form(".jsonl", partial(write_pixels, pixels), 1.5)])
    for name, source in sources.items():
        copy_benchmark(step, name, source, pixels)
    if "train" in args.splits:
        return register(step, "pixels", entries_of(*where, "pixels"), resizing)
    return step.close()


def register(step: Step, kind: str, entries: Sequence[Entry], resizing: Resizing) -> int:
    """Write and print the data sets and the command line; returns the exit code."""
    args = step.options
    folder = exports_dir(args.root, "train", "qwen", args.version)
    model = args.model or MODELS[args.coordinates]
    line = launch_line(entries, resizing, model)
    depth = len(folder.relative_to(args.root).parts)
    texts = {".py": datasets_file(entries, depth), ".sh": f"{line}\n"}
    for suffix, text in texts.items():

        def write(path: Path, text: str = text) -> int:
            path.write_text(text, encoding="utf-8")
            return len(entries)

        name = f"{kind}{suffix}"
        step.make_file(name, folder / name, {name: provenance.digest(text)}, write)
    code = step.close()
    print("at the end of qwenvl/data/__init__.py:")
    print("    import runpy")
    path = str((folder / f"{kind}.py").absolute())
    print(f'    data_dict.update(runpy.run_path({path!r})["DATASETS"])')
    script = shlex.quote(str((folder / f"{kind}.sh").absolute()))
    print(f"then, in the folder qwen-vl-finetune, bash {script}, which is")
    print(line)
    if is_taken_for_mixture(model):
        print(
            f"the trainer takes {model} for a mixture of experts, because the last folder of its "
            'path holds the letter "a": give that another name'
        )
    return code


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True, workers=True)
    add_splits(parser)
    text = "how the model counts coordinates; pixels: copies for Qwen2.5-VL (default: %(default)s)"
    parser.add_argument("--coordinates", choices=MODELS, default="thousandths", help=text)
    text = "files to train on: those of the question scripts, or of export_uniform.py"
    choices = ("native", "uniform")
    parser.add_argument("--files", choices=choices, help=f"{text} (default: native)")
    text = f"also copies of these benchmarks, of {' and '.join(BENCHMARKS)}"
    cli.add_choices(parser, "--benchmarks", BENCHMARKS, [], text)
    text = "and of the benchmark in this file"
    parser.add_argument("--benchmark", type=flag_types.file, metavar="FILE", help=text)
    text = "sides of an image as the model looks at it are multiples of it"
    cli.add_constant(parser, "FACTOR", FACTOR, text, 1, 1024)
    largest = 2**28  # pixels of an image, which no processor is given
    text = "pixels of an image at least, as the model looks at it"
    cli.add_constant(parser, "MIN_PIXELS", MIN_PIXELS, text, 1, largest)
    text = "pixels of an image at most, as the model looks at it"
    cli.add_constant(parser, "MAX_PIXELS", MAX_PIXELS, text, 1, largest)
    text = "name or folder of the model, in the command line (default: a Qwen3-VL, or Qwen2.5-VL)"
    parser.add_argument("--model", metavar="NAME", help=text)
    args = parser.parse_args(argv)
    if args.min_pixels > args.max_pixels:
        raise SettingsError("--min-pixels is more than --max-pixels")
    if args.max_pixels < args.factor**2:
        raise SettingsError(f"--max-pixels holds no square of --factor, {args.factor**2} pixels")
    if args.coordinates == "pixels" and args.files:
        raise SettingsError("--files is for thousandths: --coordinates pixels makes its own files")
    if args.coordinates != "pixels" and (args.benchmarks or args.benchmark):
        raise SettingsError("--benchmarks is for --coordinates pixels: others need no copy")
    args.files = args.files or "native"
    return args


if __name__ == "__main__":
    sys.exit(cli.run(main))
