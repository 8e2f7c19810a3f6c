"""Files of records and benchmarks, copied with coordinates in pixels (`pixel_records`)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError
from spatial_engine.exports.qwen.pixel_records import Pixels
from spatial_engine.exports.shared.export_files import exports_dir
from spatial_engine.exports.shared.record_export import uniform_records
from spatial_engine.utils.questions.record_files import RecordFile, read_uniform
from spatial_engine.utils.questions.records import write_jsonl
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import provenance

log = logging.getLogger(__name__)

DROPPED = "two points on one pixel"


def write_pixels(pixels: Pixels, file: RecordFile, root: Path, path: Path) -> PartResult:
    """Write a file of records in pixels; those whose points fall together are left out."""
    left_out = 0

    def kept() -> Iterator[dict[str, Any]]:
        nonlocal left_out
        for record in uniform_records(file, root, pixels):
            if record is not None:
                yield record
            left_out += record is None

    written = write_jsonl(path, kept())
    return PartResult(counts={path.name: written}, drops={path.name: {DROPPED: left_out}})


def copy_benchmark(step: Step, name: str, source: Path, pixels: Pixels) -> None:
    """Bring the copy of a benchmark in pixels up to date."""
    args = step.options

    def changed() -> Iterator[dict[str, Any]]:
        for number, record in enumerate(read_uniform(source), 1):
            try:
                copy = pixels(record)
            except ValueError as error:
                raise BadDataError(f"{source}:{number}: {error}; make it again") from None
            if copy is None:
                log.warning("%s:%d: %s, left out", source, number, DROPPED)
            else:
                yield copy

    folder = exports_dir(args.root, "val", "qwen", args.version) / "benchmarks"
    inputs = {name: provenance.file_fingerprint(source, args.root)}
    step.make_file(
        name, folder / f"{name}.jsonl", inputs, lambda path: write_jsonl(path, changed())
    )
