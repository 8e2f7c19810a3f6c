"""Plots of a task as SVG files that are read on light and on dark pages.

Lines and texts have the colour of the page's own text: a variable in the SVG, which follows the
reader's choice of light or dark. The same numbers give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spatial_engine.errors import EngineError
from spatial_engine.report.gather import OVERLAP_BINS, Group
from spatial_engine.report.record_view import UNITS
from spatial_engine.utils.questions.tasks import (
    COORDINATES,
    FRAME_COUNTS,
    LETTER,
    NAMED_POINT,
    TASKS,
    VECTOR,
)
from spatial_engine.utils.scenes.pair_balance import MAX_OVERLAP
from spatial_engine.utils.storage import files
from spatial_engine.utils.tables.pair_table import open_pairs

SIZE_INCHES = (4.2, 2.5)
COLORS = {"train": "#3a7bd5", "val": "#e8912d"}  # told apart by the colour-blind, on any ground
MARGINS = (0.13, 0.18, 0.98, 0.86)  # left, bottom, right, top: room for ticks and names
NUM_BINS = 40
KINDS = ("answers", "frames", "overlap", "asked", "answered")  # of plots
MAX_WORDS = 8  # bars; further words, which are mistakes, make one more
FEW_VALUES = 1000  # in a histogram: with fewer, narrow bins show chance only
FEW_POINTS = 4000  # in a heat map: with fewer, small cells are mostly empty
# What an axis of numbers is called where that is not their unit.
AXES = {"degree": "degrees", "signed degree": "degrees, to the left positive", "count": "objects"}
OUTLIERS = 0.5  # percent at either end of a histogram that stand in its first and last bin
_INK = "#010203"  # stands for the colour of the page's text until the file is written
_STYLE = (
    "<style>:root{--ink:#3b4048}@media(prefers-color-scheme:dark){:root{--ink:#c3c8d0}}</style>"
)
_SETTINGS = {
    "svg.fonttype": "none",  # letters, not outlines: small, and the reader's own font
    "svg.hashsalt": "spatial_engine",  # ids that do not change from run to run
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.parse_math": False,  # a `$` in an answer is a dollar sign
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.35,
    **{
        name: _INK
        for name in (
            "text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color",
            "grid.color",
        )
    },
}  # fmt: skip

Groups = Mapping[str, Group]  # by split


@dataclass(frozen=True)
class Plot:
    """A file in the folder of plots, its title, and what it shows in words."""

    name: str
    title: str
    description: str


def overlap_of_all_pairs(tables: Sequence[Path]) -> np.ndarray:
    """How many pairs of frames overlap by how much, of the pair tables that are there:
    (OVERLAP_BINS,) int64. Pairs without any overlap are left out.

    A table that cannot be read raises its own `EngineError`.
    """
    counts = np.zeros(OVERLAP_BINS, np.int64)
    for path in tables:
        if path.is_file():
            table = open_pairs(path)
            for scene_id in table.scene_ids:
                overlap = table.read(scene_id, ["overlap"])["overlap"].to_numpy()
                counts += np.histogram(overlap[overlap > 0], OVERLAP_BINS, (0, 100))[0]
    return counts


def read_overlap(tables: Sequence[Path], faults: dict[str, str]) -> np.ndarray:
    """The same; a table that cannot be read is a fault, and counts as absent."""
    try:
        return overlap_of_all_pairs(tables)
    except EngineError as error:
        faults["pair tables"] = str(error)
        return np.zeros(OVERLAP_BINS, np.int64)


def is_plot(name: str) -> bool:
    """Whether a file of that name is a plot that `draw_plots` writes."""
    task, _, kind = name.removesuffix(".svg").rpartition("_")
    return task in TASKS and kind in KINDS


def draw_plots(task: str, groups: Groups, all_pairs: np.ndarray, folder: Path) -> list[Plot]:
    """Write the plots of a task into `folder`; those without anything to show are left out."""
    filled = {split: group for split, group in groups.items() if group.records}
    plots = []
    for kind, title, draw in _plots_of(task, filled, all_pairs):
        name = f"{task}_{kind}.svg"
        plots.append(Plot(name, title, _write(folder / name, title, draw)))
    return plots


def _plots_of(
    task: str, groups: Groups, all_pairs: np.ndarray
) -> list[tuple[str, str, Callable[[Axes], str]]]:
    """(kind, title, function that draws and describes) of each plot that there is."""
    form, unit = TASKS[task].answer, TASKS[task].unit
    found: list[tuple[str, str, Callable[[Axes], str]]] = []
    if any(group.words for group in groups.values()):
        found.append(("answers", "Answers", lambda axes: draw_words(axes, task, groups)))
    if any(len(group.values) for group in groups.values()):
        title = "Lengths of the vectors" if form == VECTOR else "Answers"
        found.append(("answers", title, lambda axes: draw_numbers(axes, groups, unit)))
    if any(group.counts for group in groups.values()):
        found.append(("frames", "Images of a record", lambda axes: draw_counts(axes, groups)))
    if any(group.overlaps.any() for group in groups.values()):
        title = "Overlap"
        found.append(("overlap", title, lambda axes: draw_overlap(axes, groups, all_pairs)))
    is_asked = form in (LETTER, NAMED_POINT, COORDINATES)  # where a point is
    answered = "Right answers" if is_asked else "Where the points are in Image-2"
    for kind, title in (("asked", "Points asked about"), ("answered", answered)):
        grid = sum(getattr(group, kind) for group in groups.values())
        if np.any(grid):
            found.append((kind, title, lambda axes, grid=grid: draw_heat_map(axes, grid)))
    return found


def draw_words(axes: Axes, task: str, groups: Groups) -> str:
    """Bars: the share of each word or letter, by split. Of answers of several letters each is
    counted, so that the shares sum up to more than 100 percent."""
    total = set().union(*(group.words for group in groups.values()))
    options = TASKS[task].options
    words = [*options, *sorted(word for word in total if word not in options)][:MAX_WORDS]
    names = [word if len(word) <= 14 else f"{word[:13]}…" for word in words]
    shares = {
        split: [100 * group.words[word] / group.records for word in words]
        for split, group in groups.items()
    }
    if others := total.difference(words):
        names.append("other")
        for split, group in groups.items():
            shares[split].append(100 * sum(group.words[word] for word in others) / group.records)
    return _draw_bars(axes, names, shares)


def draw_counts(axes: Axes, groups: Groups) -> str:
    """Bars: the share of records with each number of images, by split."""
    total = set().union(*(group.counts for group in groups.values()))
    numbers = sorted({*FRAME_COUNTS, *total})[:MAX_WORDS]
    shares = {
        split: [100 * group.counts[number] / group.records for number in numbers]
        for split, group in groups.items()
    }
    return _draw_bars(axes, [str(number) for number in numbers], shares)


def _draw_bars(axes: Axes, names: Sequence[str], shares: Mapping[str, Sequence[float]]) -> str:
    """Bars of the shares of records in percent, by split, in the order of `names`."""
    width = 0.8 / len(shares)
    told = []
    for number, (split, mine) in enumerate(shares.items()):
        places = np.arange(len(mine)) + (number - (len(shares) - 1) / 2) * width
        bars = axes.bar(places, mine, width * 0.94, color=COLORS[split], label=split)
        axes.bar_label(bars, fmt="%.0f", fontsize=7.5, padding=1)
        listing = ", ".join(f"{n} {s:.0f} %" for n, s in zip(names, mine, strict=True))
        told.append(f"{split}: {listing}")
    axes.set_xticks(range(len(names)), names)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("% of records")
    axes.margins(y=0.12)
    _legend(axes, len(shares))
    return "; ".join(told)


def draw_numbers(axes: Axes, groups: Groups, unit: str) -> str:
    """Histograms of values, by split, as shares; outliers are in the outermost bins."""
    values = {split: np.frombuffer(group.values) for split, group in groups.items()}
    low, high = np.percentile(np.concatenate(list(values.values())), [OUTLIERS, 100 - OUTLIERS])
    low = 0.0 if 0 < low < high / 4 else low
    bins = NUM_BINS if min(map(len, values.values())) >= FEW_VALUES else NUM_BINS // 2
    width = max(
        np.ceil((high - low) / bins), 1.0
    )  # whole, as answers are: no bin gets more of them
    edges = np.floor(low) + width * np.arange(np.floor((high - np.floor(low)) / width) + 2)
    told = []
    for number, (split, mine) in enumerate(values.items()):
        clipped = np.clip(mine, edges[0], edges[-1])
        shares = 100 * np.histogram(clipped, edges)[0] / len(mine)
        if number == 0:
            axes.stairs(shares, edges, fill=True, color=COLORS[split], alpha=0.75, label=split)
        else:
            axes.stairs(shares, edges, color=COLORS[split], linewidth=1.6, label=split)
        middle = np.median(mine)
        sign = f" {UNITS.get(unit, unit)}".rstrip()
        told.append(
            f"{split}: median {middle:,.0f}{sign}, from {mine.min():,.0f} to {mine.max():,.0f}"
        )
    axes.set_xlabel(AXES.get(unit, unit))
    axes.set_ylabel("% of records")
    axes.grid(axis="y")
    _legend(axes, len(groups))
    return "; ".join(told)


def draw_overlap(axes: Axes, groups: Groups, all_pairs: np.ndarray) -> str:
    """The overlap of the pairs that are asked about, against that of all pairs that overlap."""
    told = []
    few = min(group.overlaps.sum() for group in groups.values()) < FEW_VALUES
    width = 2 if few else 1  # percent
    edges = np.arange(0, OVERLAP_BINS + 1, width)
    last = MAX_OVERLAP
    if all_pairs.any():
        shares = 100 * all_pairs / all_pairs.sum()
        last = max(last, int(np.searchsorted(np.cumsum(shares), 99.5)))
        shares = shares.reshape(-1, width).sum(axis=1)
        axes.stairs(shares, edges, fill=True, color=_INK, alpha=0.22, label="all that overlap")
        told.append(f"all {all_pairs.sum():,} pairs that overlap: {_share_in_range(all_pairs)}")
    for split, group in groups.items():
        if group.overlaps.any():
            shares = 100 * group.overlaps.reshape(-1, width).sum(axis=1) / group.overlaps.sum()
            axes.stairs(shares, edges, color=COLORS[split], linewidth=1.6, label=split)
            last = max(last, int(np.flatnonzero(group.overlaps)[-1]))
            told.append(f"{split}: {_share_in_range(group.overlaps)}")
    axes.set_xlim(0, min(last + 2, OVERLAP_BINS))
    axes.set_xlabel("overlap of two images, %")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel("% of pairs")
    axes.grid(axis="y")
    _legend(axes, 2)
    return "; ".join(told)


def draw_heat_map(axes: Axes, grid: np.ndarray) -> str:
    """How often points are where in the image; `grid` is (columns, rows) counts."""
    total = int(grid.sum())
    if total < FEW_POINTS:  # cells twice as wide and high
        columns, rows = grid.shape
        grid = grid.reshape(columns // 2, 2, rows // 2, 2).sum(axis=(1, 3))
    axes.set_position((0.12, 0.1, 0.72, 0.76))
    picture = axes.imshow(
        np.ma.masked_equal(grid.T, 0), extent=(0, 1000, 1000, 0), aspect="auto", cmap="viridis",
        vmin=0, interpolation="nearest",
    )  # fmt: skip
    for spine in axes.spines.values():
        spine.set_visible(True)
    axes.set_xticks([0, 250, 500, 750, 1000])
    axes.set_yticks([0, 250, 500, 750, 1000])
    bar = axes.figure.colorbar(picture, cax=axes.figure.add_axes((0.87, 0.1, 0.025, 0.76)))
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(5, integer=True)
    left = 100 * int(grid[: len(grid) // 2].sum()) / total
    top = 100 * int(grid[:, : grid.shape[1] // 2].sum()) / total
    return (
        f"{total:,} points, counted by cell; {left:.0f} % in the left half, "
        f"{top:.0f} % in the upper half"
    )


def _share_in_range(counts: np.ndarray) -> str:
    middle = np.searchsorted(np.cumsum(counts), counts.sum() / 2)
    return f"median {middle} to {middle + 1} %"


def _legend(axes: Axes, entries: int) -> None:
    if entries > 1:
        axes.legend(
            frameon=False, fontsize=7.5, loc="lower right", bbox_to_anchor=(1, 0.98),
            ncols=3, borderpad=0, handlelength=1.2, columnspacing=1.2,
        )  # fmt: skip


def _write(path: Path, title: str, draw: Callable[[Axes], str]) -> str:
    """Draw one plot and write it; returns its description."""
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=SIZE_INCHES)
        figure.subplots_adjust(*MARGINS)
        axes = figure.add_subplot()
        description = draw(axes)
        axes.set_title(title, loc="left", fontsize=9, fontweight="bold")
        buffer = io.StringIO()
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue().replace(_INK, "var(--ink)")
    head, tag, rest = text.partition("<defs>")
    with files.atomic_path(path) as partial:
        partial.write_text(f"{head}{_STYLE}{tag}{rest}", encoding="utf-8")
    return description
