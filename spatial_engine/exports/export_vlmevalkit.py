"""The MultiSPA benchmark as a table for VLMEvalKit.

Reads  evaluation_data/multispa/v1_0/multispa.jsonl, and the images with --base64.
Writes evaluation_data/exports/vlmevalkit/MultiSPA.tsv (MultiSPA_frames.tsv of the benchmark `--name
       multispa_frames`, MultiSPA_debiased.tsv of `--benchmark multispa_debiased.jsonl`): index, id,
       question (without image marks: images come first, in order), answer, image_path (absolute; of
       several images a list), task; with --base64 image instead of image_path, so that the table is
       all that is needed. With --upstream FOLDER instead what a pull request to VLMEvalKit has: a
       class with a scorer that needs no judge, tables without pictures, and a script that puts
       these in their places (docs/upstream.md).
Costs  little; with --base64 the table holds all images (docs/performance.md).

Put the table into $LMUData (a link will do) and run, for example,
    python run.py --data MultiSPA --model InternVL2-8B --mode infer
Score the table of predictions it writes with spatial_engine/evaluation/score_predictions.py.

The images of --base64 are the files' own bytes. Of a table over 1 GB VLMEvalKit unpacks and encodes
them again by itself, with loss: without --base64 it reads the files as they are.
"""

from __future__ import annotations

import argparse
import base64
import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spatial_engine.errors import SettingsError
from spatial_engine.exports.shared.export_files import chosen_benchmark, exports_dir
from spatial_engine.exports.upstream.folder import (
    add_upstream,
    check_upstream,
    present_benchmarks,
    write_files,
)
from spatial_engine.exports.upstream.vlmevalkit_folder import vlmevalkit_files
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.questions.plain_record import answer_of, without_image_marks
from spatial_engine.utils.questions.record_files import read_uniform
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import files
from spatial_engine.utils.storage.provenance import digest, file_fingerprint

# VLMEvalKit chooses how to prompt and score by words in a table's name: none may be in ours.
WORDS = ("mmbench", "ccbench", "circular", "mmcr")
REMEDY = "make the benchmark again"
COLUMNS = ("index", "id", "question", "answer", "image_path", "task")
COLUMNS_BASE64 = ("index", "id", "question", "answer", "task")  # and image


def rows(records: Iterator[Mapping[str, Any]], root: Path, with_images: bool) -> Iterator[dict]:
    """A row for each uniform record; `image` is base64 of the files as they are.

    It comes without `image_path`: with both, VLMEvalKit gives the images these names and encodes
    them again, with loss; of a table over 1 GB it would find none.
    """
    for index, record in enumerate(records):
        paths = [root / name for name in record["image"]]
        row = {
            "index": index,
            "id": record["id"],
            "question": without_image_marks(record["text"]),
            "answer": answer_of(record),
            "task": record["task"],
        }
        if with_images:
            encoded = [base64.b64encode(jpeg.load(path, REMEDY)).decode() for path in paths]
            row["image"] = _one_or_list(encoded)
        else:
            row["image_path"] = _one_or_list([str(path) for path in paths])
        yield row


def write_tsv(path: Path, table: Iterator[dict], with_images: bool) -> int:
    """Write rows one by one; return how many."""
    written = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        columns = COLUMNS_BASE64 if with_images else COLUMNS
        file.write("\t".join((*columns, "image") if with_images else columns) + "\n")
        for row in table:
            line = io.StringIO()
            texts = [row[name] for name in columns]
            csv.writer(line, delimiter="\t", lineterminator="\n").writerow(texts)
            # Base64 and lists of it hold nothing that has to be quoted, and csv would take minutes
            # to find out.
            image = f"\t{row['image']}\n" if with_images else "\n"
            file.write(line.getvalue().removesuffix("\n") + image)
            written += 1
    return written


def base64_bytes(benchmark: Path, root: Path) -> int:
    """Bytes of all images of the benchmark as base64."""
    return sum(4 * (path.stat().st_size // 3 + 1) for path in images(benchmark, root))


def images(benchmark: Path, root: Path) -> Iterator[Path]:
    """The images of all questions, in their order."""
    return (root / name for record in read_uniform(benchmark) for name in record["image"])


def table_name(benchmark: str) -> str:
    """Name of the table of a benchmark: MultiSPA_frames of multispa_frames."""
    name = benchmark.replace("multispa", "MultiSPA", 1)
    if word := next((word for word in WORDS if word in name.lower()), ""):
        why = f"VLMEvalKit scores tables with {word!r} in their names in another way"
        raise SettingsError(f"--benchmark: {why}; give the file another name")
    return name


def write_upstream(args: argparse.Namespace) -> int:
    """Write the folder for a pull request."""
    benchmarks = present_benchmarks(args.root, args.version)
    write_files(args.upstream, vlmevalkit_files(benchmarks, args.root, args.url))
    print(f"{args.upstream}: {', '.join(benchmarks)}; MULTISPA_PULL_REQUEST.md says how to go on")
    return 0


def _one_or_list(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else repr(texts)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__, overwrite=True)
    cli.add_benchmark(parser)
    text = "put the images into the table"
    parser.add_argument("--base64", action="store_true", help=text)
    add_upstream(parser, "VLMEvalKit")
    text = "with --upstream: address of the folder from which the tables will be downloaded"
    parser.add_argument("--url", default="", help=text)
    args = parser.parse_args(argv)
    check_upstream(args, {"--base64": args.base64}, {"--url": args.url})
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    if args.upstream:
        return write_upstream(args)
    stem, benchmark = chosen_benchmark(args)
    name = table_name(stem)
    root = args.root.absolute()
    output = exports_dir(args.root, "val", "vlmevalkit", args.version) / f"{name}.tsv"
    step = Step("export_vlmevalkit", args, {"base64": args.base64, "root": str(root)}, __file__)

    def write(path: Path) -> int:
        if args.base64:
            files.check_disk(path.parent, 1, base64_bytes(benchmark, root))
        return write_tsv(path, rows(read_uniform(benchmark), root, args.base64), args.base64)

    inputs = {"benchmark": file_fingerprint(benchmark, args.root)}
    if args.base64:
        inputs["images"] = digest([file_fingerprint(p, root) for p in images(benchmark, root)])
    step.make_file(name, output, inputs, write)
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
