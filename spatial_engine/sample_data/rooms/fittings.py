"""Smaller things of a room, on tables, walls and the floor; built like the furniture.

Own frame of a piece: x right, y away from the viewer, z up; the front looks towards -y. Pieces that
stand at a wall have their origin in the middle of their back edge (y = 0 is the wall), free ones
(lamps, plant, rug, trash can, sheet of paper) in their middle. All sizes in metres.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spatial_engine.sample_data.rooms.furniture import STEEL
from spatial_engine.sample_data.rooms.solids import Quad, Thing, box, moved, panel, prism, tilted


def monitor(name: str = "desktop", z: float = 0.765, keyboard: bool = True) -> list[Thing]:
    """A screen on a desk at y = 0 (the wall), a keyboard before it."""
    quads = box((0.24, 0.18, 0.015), (0, -0.18, z), "metal:2a2a2d")
    quads += box((0.05, 0.03, 0.2), (0, -0.14, z), "metal:2a2a2d")
    quads += box((0.56, 0.03, 0.34), (0, -0.17, z + 0.14), "metal:2a2a2d", front=f"screen:{name}")
    things = [Thing("monitor", quads)]
    if keyboard:
        keys = box((0.44, 0.15, 0.02), (0, -0.45, z), "metal:303236", top="appliance:keyboard")
        things.append(Thing("keyboard", keys))
    return things


def television(w: float = 1.2, z: float = 0.5) -> list[Thing]:
    quads = box((0.4, 0.2, 0.02), (0, -0.22, z), "metal:1c1c1e")
    quads += box((0.08, 0.04, 0.1), (0, -0.22, z), "metal:1c1c1e")
    face = "screen:film"
    quads += box((w, 0.05, 0.58 * w), (0, -0.22, z + 0.07), "metal:1c1c1e", front=face)
    return [Thing("tv", quads)]


def floor_lamp(color: str = "f2dcae") -> list[Thing]:
    quads = prism(12, (0.15, 0.14), 0.03, (0, 0, 0), STEEL, top=STEEL)
    quads += prism(6, (0.014, 0.014), 1.3, (0, 0, 0.03), STEEL)
    return [Thing("lamp", quads + prism(12, (0.22, 0.14), 0.3, (0, 0, 1.3), f"glow:{color}"))]


def table_lamp(z: float = 0.5, color: str = "f6e3b8") -> list[Thing]:
    quads = prism(8, (0.07, 0.03), 0.2, (0, 0, z), "stone:6f8f8a")
    shade = prism(10, (0.14, 0.09), 0.18, (0, 0, z + 0.2), f"glow:{color}", top=f"glow:{color}")
    return [Thing("lamp", quads + shade)]


def trash_can(color: str = "4a4f57", label: str = "trash can") -> list[Thing]:
    quads = prism(10, (0.12, 0.15), 0.36, (0, 0, 0), f"metal:{color}", top="metal:15161a")
    return [Thing(label, quads)]


def plant(h: float = 1.1, seed: int = 0) -> list[Thing]:
    """A pot and long leaves that fan out."""
    rng = np.random.default_rng([seed, 78])
    quads = prism(10, (0.13, 0.18), 0.32, (0, 0, 0), "stone:a8573a", top="carpet:3a2b20")
    for number in range(14):
        length, width = h * rng.uniform(0.45, 0.8), rng.uniform(0.06, 0.1)
        stalk = box((width, 0.008, length), (0, 0, 0.3), "leaf:3f7d3a")
        lean = tilted(stalk, rng.uniform(8, 42), (0, 0, 0.3))
        quads += moved(lean, number * 137.5, (0, 0, 0))
    return [Thing("plant", quads)]


def rug(w: float = 2.0, d: float = 1.4, name: str = "persian") -> list[Thing]:
    edge = "fabric:8a7a5c"
    return [Thing("rug", box((w, d, 0.012), (0, 0, 0), edge, top=f"rug:{name}"))]


def picture(
    name: str, w: float = 0.6, h: float = 0.8, z: float = 1.2, wood: str = "black"
) -> list[Thing]:
    quads = box((w, 0.03, h), (0, -0.015, z), f"wood:{wood}")
    return [Thing("picture", quads + panel(w - 0.05, h - 0.05, (0, -0.032, z + 0.025), name))]


def clock(z: float = 1.95) -> list[Thing]:
    quads = box((0.3, 0.04, 0.3), (0, -0.02, z), "wood:black", front="paper:clock")
    return [Thing("clock", quads)]


def calendar(z: float = 1.3) -> list[Thing]:
    quads = box((0.3, 0.008, 0.4), (0, -0.004, z), "plaster:fafafa", front="paper:calendar")
    return [Thing("calendar", quads)]


def whiteboard(w: float = 1.8, h: float = 1.05, z: float = 0.95) -> list[Thing]:
    quads = box((w, 0.03, h), (0, -0.015, z), "metal:b4b8bb", front="whiteboard:plan")
    return [Thing("whiteboard", quads + box((w * 0.6, 0.08, 0.02), (0, -0.06, z - 0.01), STEEL))]


def radiator(w: float = 1.0) -> list[Thing]:
    quads = box((w, 0.1, 0.55), (0, -0.08, 0.14), "plaster:eceae4", front="appliance:radiator")
    return [Thing("radiator", quads)]


def curtain(w: float = 0.4, h: float = 2.0, z: float = 0.25, color: str = "8a4b3a") -> list[Thing]:
    quads: list[Quad] = []
    folds = max(2, round(w / 0.1))
    for i in range(folds):
        x = (i - (folds - 1) / 2) * w / folds
        deep = 0.05 + 0.035 * (i % 2)
        quads += box((w / folds, deep, h), (x, -0.03 - deep / 2, z), f"curtain:{color}")
    return [Thing("curtain", quads)]


def blinds(w: float = 1.3, h: float = 0.5, z: float = 1.6, color: str = "e2dccb") -> list[Thing]:
    return [Thing("blinds", box((w, 0.04, h), (0, -0.04, z), f"slats:{color}"))]


def carton(size: float = 0.4, z: float = 0.0, label: str | None = "box") -> list[Thing]:
    quads = box((size, size * 0.75, size * 0.7), (0, -size / 2, z), "paper:carton")
    return [Thing(label, quads)]


def sheet(z: float = 0.74, label: str | None = None) -> list[Thing]:
    """A sheet of paper lying about; nobody annotates it."""
    return [Thing(label, box((0.21, 0.3, 0.006), (0, 0, z), "plaster:fafafa", top="paper:sheet"))]


def backpack(color: str = "7a3b52") -> list[Thing]:
    quads = box((0.32, 0.18, 0.44), (0, -0.12, 0), f"fabric:{color}", front=f"cushion:{color}")
    quads += box((0.24, 0.07, 0.2), (0, -0.24, 0.04), f"fabric:{color}", front=f"cushion:{color}")
    return [Thing("backpack", tilted(quads, 10, (0, -0.12, 0)))]


BUILDERS: dict[str, Callable[..., list[Thing]]] = {
    function.__name__: function
    for function in (
        monitor, television, floor_lamp, table_lamp, trash_can, plant, rug,
        picture, clock, calendar, whiteboard, radiator, curtain, blinds,
        carton, sheet, backpack,
    )
}  # fmt: skip
