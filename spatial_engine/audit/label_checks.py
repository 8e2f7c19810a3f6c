"""The check of all drawn lines of one scene or clip, in however many files they stand.

Its raw data is read once and dropped after; lines are read one at a time. A worker of the command
runs these functions, each with what it takes and gives as plain data.
"""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spatial_engine.audit.captures.opened import raw_scene
from spatial_engine.audit.label_complaints import Complaints
from spatial_engine.audit.label_lines import Lines, Place
from spatial_engine.audit.label_records import LabelFile, checker, read_record
from spatial_engine.audit.raw.clip import RawClip
from spatial_engine.audit.raw.ids import DATASETS
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.posed import PosedScene

RAW_DATA = "raw data: "  # opens what the oracle says of a record that it could not judge


class Job(NamedTuple):
    """A scene or clip with its lines, by the number of their file in `files`."""

    place: Place
    files: dict[int, LabelFile]
    lines: dict[int, Lines]
    root: Path


class Findings(NamedTuple):
    """Of one file and one scene or clip. unread: (n,) int64 numbers of lines that could not be
    judged, and why is the first reason."""

    complaints: Complaints
    unread: np.ndarray
    why: str


def check_place(job: Job) -> dict[int, Findings]:
    """Check the lines of one scene or clip; findings by number of file."""
    try:
        raw = open_raw(job.place, job.root)
    except RawDataError as err:
        return {k: Findings(Complaints(), of.numbers, str(err)) for k, of in job.lines.items()}
    return {k: _check_lines(job.files[k], lines, raw, job.root) for k, lines in job.lines.items()}


def open_raw(place: Place, root: Path) -> PosedScene | RawClip:
    """The raw data of a place; `RawDataError` names the file that is missing or damaged."""
    source, name = place
    return RawClip(root, source, name) if source in DATASETS else raw_scene(root, source, name)


def _check_lines(file: LabelFile, lines: Lines, raw: PosedScene | RawClip, root: Path) -> Findings:
    complaints, unread, why = Complaints(), array("q"), ""
    checks: dict = {}
    with open(file.path, "rb") as f:
        for number, start in zip(lines.numbers.tolist(), lines.starts.tolist(), strict=True):
            f.seek(start)
            record, images = read_record(f.readline(), file, root)
            key = record["task"], images
            if key not in checks:
                checks[key] = checker(record["task"], raw, file, images, root)
            try:
                found = checks[key](record)
            except Exception as err:  # one strange record must not end hours of work
                found = [f"audit: the check stopped: {type(err).__name__}: {err}"]
            for text in found:
                if text.startswith(RAW_DATA):
                    unread.append(number)
                    why = why or text.removeprefix(RAW_DATA)
                else:
                    complaints.add(number, text, record)
    return Findings(complaints, np.unique(np.array(unread, np.int64)), why)
