"""How time and memory grow with a set, from what `bench_ten_thousand.py` has kept: slopes, plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

# By stage and number of scenes or records, as text, what it costs: "cpu" and "peak_mib".
Costs = Mapping[str, Mapping[str, Mapping[str, float]]]

MOST_SCENES = 99_999  # more are records
MOST_SLOPE = 1.1  # of log time or memory over log number: no stage may grow faster than its input
SHORTEST = 0.05  # seconds, below which a figure says nothing
STYLE = {"svg.hashsalt": "growth", "svg.fonttype": "none", "font.size": 8.0}


@dataclass(frozen=True)
class Stage:
    """What a stage costs by number; the slopes are those between the last two numbers, None where
    there are not two, or where the time is too short to tell."""

    name: str
    costs: Mapping[int, Mapping[str, float]]

    @property
    def of_time(self) -> float | None:
        """Slope of processor seconds."""
        return self._slope("cpu", SHORTEST)

    @property
    def of_memory(self) -> float | None:
        """Slope of peak memory."""
        return self._slope("peak_mib", 0)

    def _slope(self, kind: str, least: float) -> float | None:
        *_, (few, before), (many, after) = [(0, {}), (0, {}), *sorted(self.costs.items())]
        if not few or before[kind] <= least:
            return None
        return math.log(after[kind] / before[kind]) / math.log(many / few)


def groups(stages: Costs) -> dict[str, list[int]]:
    """The numbers at which stages were measured, by what they are numbers of."""
    numbers = {int(n) for costs in stages.values() if len(costs) > 1 for n in costs}
    found = {
        "scenes": sorted(n for n in numbers if n <= MOST_SCENES),
        "records": sorted(n for n in numbers if n > MOST_SCENES),
    }
    return {name: counts for name, counts in found.items() if counts}


def stages_of(stages: Costs, counts: Sequence[int]) -> list[Stage]:
    """The stages that were measured at two of these numbers or more."""
    found = []
    for name, costs in stages.items():
        mine = {number: costs[str(number)] for number in counts if str(number) in costs}
        if len(mine) > 1:
            found.append(Stage(name, mine))
    return found


def draw(stages: Costs, path: Path) -> None:
    """Write the plot: time and memory over scenes and over records, log over log."""
    with matplotlib.rc_context(STYLE):
        there = groups(stages)
        figure = Figure(figsize=(10, 6 * len(there)), layout="constrained")
        axes = figure.subplots(len(there), 2, squeeze=False)
        for row, (what, counts) in zip(axes, there.items(), strict=True):
            kinds = (("cpu", "processor seconds", "of_time"),
                     ("peak_mib", "peak MiB", "of_memory"))  # fmt: skip
            for plot, (kind, label, slope_of) in zip(row, kinds, strict=True):
                for number, stage in enumerate(stages_of(stages, counts)):
                    slope = getattr(stage, slope_of)
                    text = stage.name if slope is None else f"{stage.name} ({slope:.2f})"
                    values = [cost[kind] for cost in stage.costs.values()]
                    style = ("-", "--", ":")[number // 10 % 3]
                    plot.loglog(list(stage.costs), values, style, marker=".", label=text)
                ends = counts[0], counts[-1]
                low = plot.get_ylim()[0]
                plot.loglog(ends, [low, low * ends[1] / ends[0]], color="0.8", lw=4, zorder=0)
                plot.set_xlabel(f"{what}; in brackets the slope of the last step; grey: slope 1")
                plot.set_ylabel(label)
                plot.legend(fontsize=5, loc="upper left", bbox_to_anchor=(0, -0.1), ncols=2)
        figure.savefig(path, metadata={"Date": None})
