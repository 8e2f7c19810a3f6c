"""What text, one frame and two give away of each task of three to eight frames: as a table, and as
json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatial_engine.evaluation.baselines.frame_baselines import CHOOSERS, Record, Way, best_way
from spatial_engine.evaluation.results import Line, Results
from spatial_engine.evaluation.score_tables import print_frames
from spatial_engine.utils.storage.files import dump_json

Ways = dict[str, dict[str, Way]]  # task -> "single" or "pair" -> the best way to answer


def best_ways(by_task: Mapping[str, Sequence[Record]], seed: int) -> Ways:
    """The best way to answer each task from single frames, and from pairs."""
    return {
        task: {kind: best_way(records, kind, seed) for kind in CHOOSERS}
        for task, records in by_task.items()
    }


def say_what_frames_give_away(
    models: Mapping[str, Results], ways: Ways, path: Path
) -> dict[str, dict[str, Any]]:
    """Print, and write, the scores of each task by text, single frames and pairs beside chance, and
    whether it needs more frames than two: its pair's interval does not lie above chance."""
    lines = {name: {line.name: line for line in model.subtasks} for name, model in models.items()}
    facts: dict[str, dict[str, Any]] = {}
    for task, mine in ways.items():
        pair, text = lines["pair"][task], lines.get("wording", {}).get(task)
        facts[task] = {
            "questions": pair.questions,
            "chance": None if pair.chance != pair.chance else pair.chance,
            "text": _score(text) if text and text.unparsable < text.questions else None,
            **{
                kind: _score(lines[kind][task]) | {"frames": way.frames, "rule": way.rule}
                for kind, way in mine.items()
            },
            "multi_frame": bool(pair.low <= pair.chance),
        }
    print_frames(facts)
    dump_json(facts, path)
    return facts


def _score(line: Line) -> dict[str, Any]:
    return {"score": line.score, "low": line.low, "high": line.high}
