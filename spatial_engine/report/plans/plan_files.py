"""The plans of the shown records as files beside the page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from PIL import Image

from spatial_engine.report.gather import Drawn
from spatial_engine.report.plans.plan import Plan, draw_plan
from spatial_engine.report.spread import Workers, spread
from spatial_engine.utils.storage import files
from spatial_engine.utils.storage.provenance import digest

CHUNK = 32  # plans that a process draws at a time
_NAME = re.compile(r"[0-9a-f]{32}\.png")


def plan_name(drawn: Drawn) -> str:
    """File of the plan of a record."""
    return f"{digest(drawn.record)}.png"


def write_plans(records: Iterable[Drawn], folder: Path, workers: Workers) -> None:
    """Bring `folder` up to date: the plans of these records, and none of others."""
    plans = {plan_name(one): one.plan for one in records if isinstance(one.plan, Plan)}
    folder.mkdir(parents=True, exist_ok=True)
    spread(partial(_write, folder), list(plans.items()), workers, "plans", "plan", CHUNK)
    for old in folder.iterdir():
        if _NAME.fullmatch(old.name.removesuffix(files.PARTIAL_SUFFIX)) and old.name not in plans:
            files.remove(old)


def _write(folder: Path, job: tuple[str, Plan]) -> None:
    name, plan = job
    with files.atomic_path(folder / name, sync=False) as partial_path:
        few = draw_plan(plan).quantize(256, Image.Quantize.FASTOCTREE)  # a third of the bytes
        few.save(partial_path, "PNG")
