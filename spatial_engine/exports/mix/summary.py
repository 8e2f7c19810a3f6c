"""What the command prints about a training mix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from spatial_engine.exports.mix.added import Added
from spatial_engine.exports.mix.shares import GROUP_RECORDS, TILES, Mix, MixFile
from spatial_engine.utils.questions.tasks import TASKS


def say_what_is_in_it(files: Sequence[MixFile], plan: Mix, total: int) -> None:
    """Print records by group, of several data sets of scenes also by these, and what limits the
    mix."""
    groups = dict.fromkeys(GROUP_RECORDS, 0)
    datasets: Counter[str] = Counter()
    for file, wanted in zip(files, plan.wanted, strict=True):
        groups[TASKS[file.task].group] += wanted
        if not TASKS[file.task].of_clips:
            datasets[file.dataset] += wanted
    for group, number in groups.items():
        print(f"  {group:<20} {number:>9,}" + ("" if number else "  (no file)"))
    print(f"  {'together':<20} {sum(plan.wanted):>9,} of {total:,}")
    if len(datasets) > 1:
        listed = ", ".join(f"{number:,} of {name}" for name, number in datasets.items())
        print(f"about scenes: {listed}")
    if plan.short:
        print(
            f"smaller than requested: too few records of {plan.short} to keep the proportions; "
            "make more, or raise --max-repeat"
        )


def say_which_frames(entries: Mapping[str, Mapping[str, Any]], wanted: int) -> None:
    """Print how many records of three to eight frames are in the mix, by number of images."""
    numbers: Counter[int] = Counter()
    for entry in entries.values():
        numbers[entry["max_dynamic_patch"] // TILES] += entry["length"]
    print(f"  {'frames':<20} {numbers.total():>9,} of {wanted:,}")
    print("images: " + ", ".join(f"{number:,} of {n}" for n, number in sorted(numbers.items())))


def say_what_is_added(added: Sequence[Added]) -> None:
    """Print records of one's own by entry, and how often each is used where that is over once."""
    for one in added:
        times = -(-one.records // one.length)
        used = f", each used up to {times} times" if times > 1 else ""
        print(f"  {one.name:<20} {one.records:>9,} of {one.length:,} in {one.annotation}{used}")
