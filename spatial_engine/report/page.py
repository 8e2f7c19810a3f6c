"""Writes the page: `index.html`, its style and scripts, and the shown records as data.

Text of records reaches the page in two ways only: through templates that escape it, and as JSON
from which the page's script makes text, never markup.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from spatial_engine.report import record_view
from spatial_engine.report.frames_view import choices_of, known, notes_of
from spatial_engine.report.gather import Drawn, Group, Key
from spatial_engine.report.overview import Overview, human_bytes, reasons
from spatial_engine.report.pictures.thumbnails import Thumbnail
from spatial_engine.report.plans.plan_files import plan_name
from spatial_engine.report.plots import OUTLIERS, Plot
from spatial_engine.report.verdicts import KINDS, Verdicts
from spatial_engine.utils.paths import FOLDERS
from spatial_engine.utils.questions.record_files import dataset_shown, scene_of
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.storage import files

TEMPLATES = Path(__file__).parent / "templates"
ALPINE = "alpine-csp-3.17.4.min.js"
LICENCES = ("LICENSE-alpine.txt", "LICENSE-vue.txt")
DATA = "data.js"
SUSPECTS_SHOWN = 50  # rows; all are in inputs_check.json
THUMBNAILS, PLOTS, PLANS = "thumbnails", "plots", "plans"  # folders beside the page
_NUMBERS = re.compile(r"\[\s+(-?[\d.e+-]+(?:,\s+-?[\d.e+-]+)*)\s+\]")  # an array over many lines
# What could end a script or a line of it; the same in JSON when written by number.
_ESCAPED = {mark: f"\\u{ord(mark):04x}".encode() for mark in ("<", ">", "&", "\u2028", "\u2029")}


def write_page(
    output: Path,
    groups: Mapping[Key, Group],
    overview: Overview,
    plots: Mapping[str, Sequence[Plot]],
    thumbnails: Mapping[Path, Thumbnail],
    args: argparse.Namespace,
    faults: Sequence[str],
    verdicts: Verdicts | None = None,
) -> None:
    """Write everything but plots and thumbnails; the page itself comes last.

    `args` are the flags it was made with, `faults` what went wrong, a line each. With `verdicts` it
    is a page of these.
    """
    data = page_data(output, args.root, groups, thumbnails, verdicts)
    with files.atomic_path(output / DATA) as partial:
        partial.write_bytes(b"window.reportData = " + script_json(data) + b";\n")
    for name in ("report.css", "report.js", *(f"third_party/{n}" for n in (ALPINE, *LICENCES))):
        with files.atomic_path(output / Path(name).name) as partial:
            partial.write_bytes((TEMPLATES / name).read_bytes())
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"bytes": human_bytes, "reasons": reasons, "text": record_view.escaped}
    html = environment.get_template("index.html.j2").render(
        overview=overview,
        plots=plots,
        plots_folder=PLOTS,
        scenes=data["scenes"],
        datasets=data["datasets"],
        splits=[split for split in FOLDERS if any(split == mine for _, mine in groups)],
        questions={task: group for (task, _), group in groups.items()},
        models=verdicts.models if verdicts else [],
        outcomes=verdicts.names if verdicts else {},
        kinds=KINDS,
        shown=len(data["records"]),
        doubtful=sum(bool(record["warnings"]) for record in data["records"]),
        scripts=(DATA, "report.js", ALPINE),
        args=args,
        faults=faults,
        outliers=OUTLIERS,
        suspects_shown=SUSPECTS_SHOWN,
    )
    with files.atomic_path(output / "index.html") as partial:
        partial.write_text(html, encoding="utf-8")


def page_data(
    output: Path,
    root: Path,
    groups: Mapping[Key, Group],
    thumbnails: Mapping[Path, Thumbnail],
    verdicts: Verdicts | None = None,
) -> dict[str, Any]:
    """What the page's script needs: tasks, scenes, data sets and images once, and records that
    number them.

    Addresses are relative to `output`.
    """
    tasks = list(dict.fromkeys(task for task, _ in groups))
    shown = [
        (task, split, drawn) for (task, split), group in groups.items() for drawn in group.drawn
    ]
    scenes = sorted({_scene(drawn) for *_, drawn in shown})
    told = [_dataset(root, drawn) for _, _, drawn in shown]
    datasets = sorted({record_view.escaped(name) for name in told})
    numbers: dict[Path, int] = {}
    images = []
    for *_, drawn in shown:
        for name, path in zip(drawn.record["image"], drawn.image_paths, strict=True):
            if path not in numbers:
                numbers[path] = len(numbers)
                images.append(_image(output, name, path, thumbnails[path]))
    scene_numbers = {scene: number for number, scene in enumerate(scenes)}
    records = [
        {
            **_texts(drawn),
            "task": tasks.index(task),
            "split": split,
            "scene": scene_numbers[_scene(drawn)],
            "dataset": datasets.index(record_view.escaped(dataset)),
            "images": [numbers[path] for path in drawn.image_paths],
            "marks": [
                [mark.image, mark.kind, mark.x, mark.y, record_view.escaped(mark.label)[:8]]
                for mark in record_view.marks_of(drawn.record)
            ],
            "dotted": TASKS[drawn.record["task"]].marked,
            "lines": [list(line) for line in drawn.box.lines] if drawn.box else [],
            **(_of_frames(drawn) if TASKS[drawn.record["task"]].of_frames else {}),
        }
        for (task, split, drawn), dataset in zip(shown, told, strict=True)
    ]
    models = verdicts.models if verdicts else []
    if verdicts:
        for record, (*_, drawn) in zip(records, shown, strict=True):
            said = verdicts.shown(drawn.record)
            record |= said | {"marks": record["marks"] + said["marks"]}
    names = record_view.NAMES | dict(zip(record_view.SAID, _names_of_points(models), strict=False))
    return {
        "tasks": tasks, "scenes": scenes, "datasets": datasets, "images": images, "names": names,
        "models": [record_view.escaped(model) for model in models], "records": records,
    }  # fmt: skip


def _names_of_points(models: Sequence[str]) -> list[str]:
    """What the points that models answered with are called."""
    if len(models) == 1:
        return ["prediction"]
    return [record_view.escaped(f"prediction of {model}") for model in models]


def script_json(value: Any) -> bytes:
    """JSON that can be put into a script, in a page or in a file of its own."""
    text = orjson.dumps(value)
    for mark, by_number in _ESCAPED.items():
        text = text.replace(mark.encode(), by_number)
    return text


def _dataset(root: Path, drawn: Drawn) -> str:
    """The data set that a record shows; "" where a record of clips does not say which."""
    task = TASKS[drawn.record["task"]]
    if "clip_set" in task.fields and known(drawn.record, "clip_set") is None:
        return ""
    return dataset_shown(root, drawn.record, drawn.image_paths[0])


def _of_frames(drawn: Drawn) -> dict[str, Any]:
    """What only records of many frames have: choices, notes on images, names of objects, a plan or
    why there is none."""
    made = {
        "ending": record_view.question_of(drawn.record).ending,
        "choices": [list(choice) for choice in choices_of(drawn.record)],
        "notes": [list(note) for note in notes_of(drawn.record)],
        "labels": [list(label) for label in drawn.box.labels] if drawn.box else [],
    }
    if isinstance(drawn.plan, str):
        return made | {"planText": f"no plan: {drawn.plan}" if drawn.plan else ""}
    name, size = f"{PLANS}/{plan_name(drawn)}", drawn.plan.ground.size
    return made | {"plan": name, "planSize": size, "planText": drawn.plan.caption}


def _scene(drawn: Drawn) -> str:
    return record_view.escaped(scene_of(drawn.record["image"][0]))


def _texts(drawn: Drawn) -> dict[str, Any]:
    record = drawn.record
    said = record_view.question_of(record)
    other = orjson.dumps(record_view.other_fields(record), option=orjson.OPT_INDENT_2).decode()
    # A line break is never within a text: JSON writes it by number.
    other = _NUMBERS.sub(lambda found: "[" + " ".join(found[1].split()) + "]", other)
    return {
        "id": record_view.escaped(record["id"]),
        "description": said.description,
        "question": said.question,
        "answer": record_view.spoken_answer(record),
        "value": record_view.value_of(record),
        "warnings": drawn.warnings,
        "facts": drawn.facts,
        "other": record_view.escaped(other),
    }


def _image(output: Path, name: str, path: Path, thumbnail: Thumbnail) -> dict[str, Any]:
    """A small copy for the page, and the image itself for a closer look, where it still is."""
    small = f"{THUMBNAILS}/{thumbnail.name}" if thumbnail.name else ""
    large = quote(Path(os.path.relpath(path, output)).as_posix())
    width, height = thumbnail.size
    return {
        "name": record_view.escaped(name), "small": small, "large": large if small else "",
        "width": width, "height": height,
    }  # fmt: skip
