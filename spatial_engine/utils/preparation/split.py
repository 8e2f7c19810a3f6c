"""Which scenes of a data set without lists of its own are for evaluation."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence


def split_scenes(
    new: Iterable[str], known: Mapping[str, Sequence[str]], val_share: float, seed: int
) -> dict[str, list[str]]:
    """Lists by split: scenes that are `known` stay where they are, and of the `new` ones so many go
    to "val" that these are `val_share` of all. A single scene goes to "train".

    Which ones is drawn by seed and name, so that it does not depend on the order.
    """
    lists = {split: sorted(known.get(split, ())) for split in ("train", "val")}
    listed = {scene for ids in lists.values() for scene in ids}
    new = sorted(set(new) - listed, key=lambda scene: (_draw(scene, seed), scene))
    total = len(listed) + len(new)
    wanted = min(round(val_share * total), total - 1) - len(lists["val"])
    if val_share and total > 1 and not lists["val"]:
        wanted = max(wanted, 1)
    wanted = max(wanted, 0)
    lists["val"] = sorted([*lists["val"], *new[:wanted]])
    lists["train"] = sorted([*lists["train"], *new[wanted:]])
    return lists


def _draw(scene: str, seed: int) -> int:
    return zlib.crc32(f"{seed} {scene}".encode())
