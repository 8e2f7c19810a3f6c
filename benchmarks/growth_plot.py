"""How time and memory grow with a set, from what `bench_ten_thousand.py` has kept: slopes, plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

# By stage and number of scenes or records, as text, what it costs: "cpu" and "peak_mib".
Costs = Mapping[str, Mapping[str, Mapping[str, float]]]

MOST_SCENES = 99_999  # more are records
MOST_SLOPE = 1.1  # of log time or memory over log number: no stage may grow faster than its input
SHORTEST = 0.05  # seconds, below which a figure says nothing
WIDTH, HEIGHT = 8.3, 3.1  # inches of a row of panels: 800 px, as wide as a page
FONT = 8.0  # points, 11 px
LABELLED = 10  # lines of a panel at most; of more, the costliest are named and the others grey
STYLE = {"svg.hashsalt": "growth", "svg.fonttype": "none", "font.size": FONT}
START, STARTS = "start of ", "starts of finished commands"
KINDS = (("cpu", "processor seconds", "of_time"), ("peak_mib", "peak MiB", "of_memory"))
FEW_LABELLED = 4  # of the costliest where there are more


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


def panels(stages: Costs) -> dict[str, list[Stage]]:
    """What is drawn together, by title: what is done with tables, starts of commands, records."""
    found: dict[str, list[Stage]] = {}
    for what, counts in groups(stages).items():
        for stage in stages_of(stages, counts):
            is_start = stage.name.startswith(START)
            title = STARTS if is_start else "tables" if what == "scenes" else "records"
            name = stage.name.removeprefix(START).removesuffix(".py").replace("_engine", "")
            name = name.removeprefix("visual_")
            found.setdefault(title, []).append(Stage(name, stage.costs))
    return found


def draw(stages: Costs, path: Path) -> None:
    """Write the plot: a row of time and memory for each of `panels`, log over log, each line named
    at its end, with its last slope."""
    with matplotlib.rc_context(STYLE):
        there = panels(stages)
        figure = Figure(figsize=(WIDTH, HEIGHT * len(there)))
        axes = figure.subplots(len(there), 2, squeeze=False)
        rows = len(there)
        figure.subplots_adjust(0.06, 0.15 / rows, 0.71, 1 - 0.1 / rows, wspace=1.95, hspace=0.37)
        for row, (title, mine) in zip(axes, there.items(), strict=True):
            for plot, (kind, label, slope_of) in zip(row, KINDS, strict=True):
                _draw_panel(plot, mine, kind, slope_of)
                plot.set_title(f"{title}: {label}", loc="left", fontsize=FONT + 1)
                plot.set_xlabel("records" if title == "records" else "scenes")
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw_panel(plot: Axes, stages: Sequence[Stage], kind: str, slope_of: str) -> None:
    """Lines of one cost of some stages. The grey band has the slope 1."""
    costliest = sorted(stages, key=lambda stage: -_ends(stage, kind)[1])
    named = costliest if len(stages) <= LABELLED else costliest[:FEW_LABELLED]
    ends = {}
    for stage in costliest:
        color = f"C{named.index(stage) % 10}" if stage in named else "0.7"
        values = [cost[kind] for cost in stage.costs.values()]
        plot.loglog(list(stage.costs), values, color=color, marker=".", lw=1.2)
        slope = getattr(stage, slope_of)
        text = stage.name if slope is None else f"{stage.name} ({slope:z.2f})"
        if stage in named:
            ends[text] = (*_ends(stage, kind), color)
    if others := costliest[len(named) :]:
        ends[f"{len(others)} others"] = (*_ends(others[0], kind), "0.5")
    counts = sorted({count for stage in stages for count in stage.costs})
    low, high = plot.get_ylim()
    high = max(high, 10 * low)  # lines that differ little do not look as if they grew
    low *= (high / low) ** -0.1  # room for the lowest names
    plot.set_ylim(low, high)
    band = [low, low * counts[-1] / counts[0]]
    plot.loglog([counts[0], counts[-1]], band, color="0.9", lw=5, zorder=0, scaley=False)
    # 3 M: in full it would run into its neighbour.
    ticks = [f"{n / 1e6:g} M" if n >= 1_000_000 else f"{n:,}" for n in counts]
    plot.set_xticks(counts, ticks, minor=False)
    plot.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    plot.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    plot.minorticks_off()
    for side in ("top", "right"):
        plot.spines[side].set_visible(False)
    _name_lines(plot, ends)


def _ends(stage: Stage, kind: str) -> tuple[int, float]:
    """The largest number of a stage, and what it costs there."""
    count = max(stage.costs)
    return count, stage.costs[count][kind]


def _name_lines(plot: Axes, ends: Mapping[str, tuple[int, float, str]]) -> None:
    """Write each text (with where its line ends, and its colour) beside the panel, at the height of
    that end or as near to it as others leave room."""
    low, high = map(math.log, plot.get_ylim())
    points = plot.get_window_extent().height * 72 / plot.figure.dpi
    gap = 1.25 * FONT / points  # as a share of the height of the panel
    order = sorted(ends, key=lambda text: ends[text][1])
    places = [(math.log(ends[text][1]) - low) / (high - low) for text in order]
    for _ in range(100):  # each two that are too near push each other apart, and below the title
        places[-1] = min(places[-1], 1 - gap / 2)
        for number in range(1, len(places)):
            push = max(places[number - 1] + gap - places[number], 0) / 2
            places[number - 1] -= push
            places[number] += push
    for text, place in zip(order, places, strict=True):
        count, cost, color = ends[text]
        plot.annotate(
            text, (count, cost), (1.06, place), textcoords="axes fraction", color=color,
            va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "lw": 0.5, "shrinkA": 0, "shrinkB": 2,
                        "relpos": (0, 0.5)},
        )  # fmt: skip
