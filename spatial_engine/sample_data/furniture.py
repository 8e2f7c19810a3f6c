"""Furniture, piece by piece: every function returns the annotated things that a piece consists of.

Own frame of a piece: x right, y away from the viewer, z up; the front looks towards -y. Pieces that
stand at a wall have their origin in the middle of their back edge (y = 0 is the wall), free ones
(table, chair, rug, plant, trash can, lamps) in their middle. All sizes in metres.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spatial_engine.sample_data.solids import Quad, Thing, box, moved, panel, prism, tilted
from spatial_engine.sample_data.textures import WOODS

STEEL = "metal:8f9499"


def _legs(width: float, depth: float, height: float, thick: float, material: str) -> list[Quad]:
    """Four square legs at the corners of a rectangle centred on the origin."""
    x, y = (width - thick) / 2, (depth - thick) / 2
    feet = [(-x, -y), (x, -y), (x, y), (-x, y)]
    return [q for fx, fy in feet for q in box((thick, thick, height), (fx, fy, 0), material)]


def table(w: float = 1.4, d: float = 0.8, h: float = 0.74, wood: str = "oak", label="table"):
    quads = box((w, d, 0.04), (0, 0, h - 0.04), f"wood:{wood}", top=f"board:{wood}")
    quads += box((w - 0.16, d - 0.16, 0.08), (0, 0, h - 0.12), f"wood:{wood}")
    return [Thing(label, quads + _legs(w - 0.06, d - 0.06, h - 0.04, 0.07, f"upright:{wood}"))]


def chair(wood: str = "oak", seat: str = "fabric:7a2f2f", label="chair"):
    quads = _legs(0.42, 0.42, 0.43, 0.04, f"upright:{wood}")
    quads += box((0.45, 0.45, 0.05), (0, 0, 0.43), f"wood:{wood}", top=seat)
    back = [
        q for x in (-0.2, 0.2) for q in box((0.04, 0.04, 0.5), (x, 0.2, 0.46), f"upright:{wood}")
    ]
    for z in (0.58, 0.76):
        back += box((0.38, 0.03, 0.12), (0, 0.2, z), seat)
    return [Thing(label, quads + tilted(back, 7, (0, 0.2, 0.46)))]


def office_chair(color: str = "2b3440", label="office chair"):
    quads = [
        q
        for angle in range(0, 360, 72)
        for q in moved(box((0.28, 0.05, 0.05), (0.15, 0, 0.04), STEEL), angle, (0, 0, 0))
    ]
    quads += prism(8, (0.03, 0.03), 0.36, (0, 0, 0.08), STEEL)
    quads += box((0.5, 0.48, 0.08), (0, 0, 0.44), f"fabric:{color}")
    back = box((0.46, 0.07, 0.55), (0, 0.25, 0.56), f"fabric:{color}", front=f"cushion:{color}")
    arms = [
        q
        for x in (-0.27, 0.27)
        for q in box((0.05, 0.3, 0.03), (x, 0, 0.68), "metal:303236")
        + box((0.04, 0.04, 0.2), (x, 0.1, 0.5), "metal:303236")
    ]
    return [Thing(label, quads + tilted(back, 8, (0, 0.25, 0.56)) + arms)]


def sofa(w: float = 2.0, color: str = "5b7a8c", pillow: str = "d98f3f", label="sofa"):
    cloth, soft = f"fabric:{color}", f"cushion:{color}"
    quads = box((w, 0.85, 0.3), (0, -0.45, 0.08), cloth)
    quads += box((w, 0.22, 0.5), (0, -0.13, 0.36), cloth, front=soft)
    for x in (-1, 1):
        quads += box((0.2, 0.86, 0.55), (x * (w - 0.2) / 2, -0.45, 0.06), cloth, top=soft)
    seats = max(1, round((w - 0.4) / 0.75))
    step = (w - 0.42) / seats
    for i in range(seats):
        x = (i - (seats - 1) / 2) * step
        quads += box((step - 0.02, 0.62, 0.12), (x, -0.55, 0.36), cloth, top=soft, front=soft)
    things = [Thing(label, quads)]
    for x in (-1, 1) if w > 1.4 else (0,):
        cushion = box((0.42, 0.12, 0.4), (x * (w / 2 - 0.45), -0.32, 0.48), f"cushion:{pillow}")
        things.append(Thing("pillow", tilted(cushion, 18, (0, -0.32, 0.48))))
    return things


def bed(w: float = 1.6, length: float = 2.05, wood: str = "walnut", cover="plaid:2f4f6f-c9d6df"):
    y = -length / 2
    quads = box((w + 0.06, length, 0.22), (0, y, 0.08), f"wood:{wood}")
    quads += box((w, length - 0.06, 0.22), (0, y, 0.28), "cushion:ece7dc")
    quads += box((w + 0.04, length * 0.66, 0.06), (0, -length * 0.665, 0.46), cover)
    for x in (-1, 1):
        side = (0.02, length * 0.66, 0.26)
        quads += box(side, (x * (w / 2 + 0.04), -length * 0.665, 0.25), cover)
    quads += box((w + 0.1, 0.06, 0.75), (0, -0.03, 0.25), f"wood:{wood}", front=f"board:{wood}")
    things = [Thing("bed", quads)]
    for x in (-1, 1) if w > 1.3 else (0,):
        soft = box((0.6, 0.14, 0.4), (x * w / 4, -0.28, 0.5), "cushion:f3f0ea")
        things.append(Thing("pillow", tilted(soft, 35, (0, -0.28, 0.5))))
    return things


def cabinet(
    w: float = 0.9, d: float = 0.45, h: float = 0.9, doors: int = 2, kind="oak", rows: int = 1,
    z: float = 0.0, top: str | None = None, label="cabinet",
):  # fmt: skip
    """A cabinet with `doors` doors beside each other, or with `rows` > 1 of drawers."""
    body = f"upright:{kind}" if kind in WOODS else f"plaster:{kind}"
    quads = box((w, d, h), (0, -d / 2, z), body, top=top or body)
    step_x, step_z = (w - 0.04) / doors, (h - 0.08) / rows
    for i in range(doors):
        for row in range(rows):
            side = "d" if rows > 1 else "lr"[i % 2 == 0]
            at = ((i - (doors - 1) / 2) * step_x, -d - 0.01, z + 0.06 + row * step_z)
            size = (step_x - 0.01, 0.02, step_z - 0.01)
            quads += box(size, at, body, front=f"front:{kind}-{side}")
    return [Thing(label, quads)]


def bookshelf(
    w: float = 0.9, h: float = 1.9, d: float = 0.3, rows: int = 5, wood="oak", seed: int = 0
):
    """Open shelves with rows of books of mixed colours; `seed` chooses the books."""
    rng = np.random.default_rng([seed, 77])
    grain = f"upright:{wood}"
    frame = box((w, 0.02, h), (0, -0.01, 0), grain)
    for x in (-1, 1):
        frame += box((0.03, d, h), (x * (w / 2 - 0.015), -d / 2, 0), grain)
    step = (h - 0.1) / rows
    books: list[Quad] = []
    for row in range(rows + 1):
        z = 0.06 + row * step
        frame += box((w - 0.06, d - 0.02, 0.025), (0, -d / 2 - 0.01, z), f"wood:{wood}")
        x = -w / 2 + 0.04
        fill = rng.uniform(0.55, 1.0)
        while row < rows and x < -w / 2 + fill * w - 0.09:
            thick, tall = rng.uniform(0.025, 0.06), step * rng.uniform(0.55, 0.85)
            deep = rng.uniform(0.6, 0.85) * d
            name = f"spine:{int(rng.integers(24))}"
            at = (x + thick / 2, -0.03 - deep / 2, z + 0.025)
            faces = box(
                (thick, deep, tall), at, name, top="plaster:e9e3d3", bottom="plaster:e9e3d3"
            )
            books += [faces[0], *faces[2:5]]  # back and bottom are never seen
            x += thick + (0.12 if rng.uniform() < 0.12 else 0.003)
    return [Thing("bookshelf", frame), Thing("books", books)]


def desk(w: float = 1.4, d: float = 0.7, wood: str = "ash", drawers: str = "right"):
    y, h = -d / 2, 0.73
    quads = box((w, d, 0.035), (0, y, h), f"wood:{wood}", top=f"board:{wood}")
    x = (w / 2 - 0.22) * (1 if drawers == "right" else -1)
    for row in range(3):
        face = f"front:{wood}-d"
        quads += box((0.4, d - 0.06, 0.23), (x, y, 0.03 + 0.233 * row), f"wood:{wood}", front=face)
    quads += box((0.04, d - 0.06, h), (-x * (w / 2 - 0.05) / abs(x), y, 0), f"upright:{wood}")
    quads += box((w - 0.5, 0.02, 0.35), (-x / 3, -0.08, 0.35), f"wood:{wood}")
    return [Thing("desk", quads)]


def monitor(name: str = "desktop", z: float = 0.765, keyboard: bool = True):
    """A screen on a desk at y = 0 (the wall), a keyboard before it."""
    quads = box((0.24, 0.18, 0.015), (0, -0.18, z), "metal:2a2a2d")
    quads += box((0.05, 0.03, 0.2), (0, -0.14, z), "metal:2a2a2d")
    quads += box((0.56, 0.03, 0.34), (0, -0.17, z + 0.14), "metal:2a2a2d", front=f"screen:{name}")
    things = [Thing("monitor", quads)]
    if keyboard:
        keys = box((0.44, 0.15, 0.02), (0, -0.45, z), "metal:303236", top="appliance:keyboard")
        things.append(Thing("keyboard", keys))
    return things


def television(w: float = 1.2, z: float = 0.5):
    quads = box((0.4, 0.2, 0.02), (0, -0.22, z), "metal:1c1c1e")
    quads += box((0.08, 0.04, 0.1), (0, -0.22, z), "metal:1c1c1e")
    face = "screen:film"
    quads += box((w, 0.05, 0.58 * w), (0, -0.22, z + 0.07), "metal:1c1c1e", front=face)
    return [Thing("tv", quads)]


def floor_lamp(color: str = "f2dcae"):
    quads = prism(12, (0.15, 0.14), 0.03, (0, 0, 0), STEEL, top=STEEL)
    quads += prism(6, (0.014, 0.014), 1.3, (0, 0, 0.03), STEEL)
    return [Thing("lamp", quads + prism(12, (0.22, 0.14), 0.3, (0, 0, 1.3), f"glow:{color}"))]


def table_lamp(z: float = 0.5, color: str = "f6e3b8"):
    quads = prism(8, (0.07, 0.03), 0.2, (0, 0, z), "stone:6f8f8a")
    shade = prism(10, (0.14, 0.09), 0.18, (0, 0, z + 0.2), f"glow:{color}", top=f"glow:{color}")
    return [Thing("lamp", quads + shade)]


def trash_can(color: str = "4a4f57", label="trash can"):
    quads = prism(10, (0.12, 0.15), 0.36, (0, 0, 0), f"metal:{color}", top="metal:15161a")
    return [Thing(label, quads)]


def plant(h: float = 1.1, seed: int = 0):
    """A pot and long leaves that fan out."""
    rng = np.random.default_rng([seed, 78])
    quads = prism(10, (0.13, 0.18), 0.32, (0, 0, 0), "stone:a8573a", top="carpet:3a2b20")
    for number in range(14):
        length, width = h * rng.uniform(0.45, 0.8), rng.uniform(0.06, 0.1)
        stalk = box((width, 0.008, length), (0, 0, 0.3), "leaf:3f7d3a")
        lean = tilted(stalk, rng.uniform(8, 42), (0, 0, 0.3))
        quads += moved(lean, number * 137.5, (0, 0, 0))
    return [Thing("plant", quads)]


def rug(w: float = 2.0, d: float = 1.4, name: str = "persian"):
    edge = "fabric:8a7a5c"
    return [Thing("rug", box((w, d, 0.012), (0, 0, 0), edge, top=f"rug:{name}"))]


def picture(name: str, w: float = 0.6, h: float = 0.8, z: float = 1.2, wood: str = "black"):
    quads = box((w, 0.03, h), (0, -0.015, z), f"wood:{wood}")
    return [Thing("picture", quads + panel(w - 0.05, h - 0.05, (0, -0.032, z + 0.025), name))]


def clock(z: float = 1.95):
    quads = box((0.3, 0.04, 0.3), (0, -0.02, z), "wood:black", front="paper:clock")
    return [Thing("clock", quads)]


def calendar(z: float = 1.3):
    quads = box((0.3, 0.008, 0.4), (0, -0.004, z), "plaster:fafafa", front="paper:calendar")
    return [Thing("calendar", quads)]


def whiteboard(w: float = 1.8, h: float = 1.05, z: float = 0.95):
    quads = box((w, 0.03, h), (0, -0.015, z), "metal:b4b8bb", front="whiteboard:plan")
    return [Thing("whiteboard", quads + box((w * 0.6, 0.08, 0.02), (0, -0.06, z - 0.01), STEEL))]


def radiator(w: float = 1.0):
    quads = box((w, 0.1, 0.55), (0, -0.08, 0.14), "plaster:eceae4", front="appliance:radiator")
    return [Thing("radiator", quads)]


def curtain(w: float = 0.4, h: float = 2.0, z: float = 0.25, color: str = "8a4b3a"):
    quads: list[Quad] = []
    folds = max(2, round(w / 0.1))
    for i in range(folds):
        x = (i - (folds - 1) / 2) * w / folds
        deep = 0.05 + 0.035 * (i % 2)
        quads += box((w / folds, deep, h), (x, -0.03 - deep / 2, z), f"curtain:{color}")
    return [Thing("curtain", quads)]


def blinds(w: float = 1.3, h: float = 0.5, z: float = 1.6, color: str = "e2dccb"):
    return [Thing("blinds", box((w, 0.04, h), (0, -0.04, z), f"slats:{color}"))]


def carton(size: float = 0.4, z: float = 0.0, label: str | None = "box"):
    quads = box((size, size * 0.75, size * 0.7), (0, -size / 2, z), "paper:carton")
    return [Thing(label, quads)]


def sheet(z: float = 0.74, label: str | None = None):
    """A sheet of paper lying about; nobody annotates it."""
    return [Thing(label, box((0.21, 0.3, 0.006), (0, 0, z), "plaster:fafafa", top="paper:sheet"))]


def backpack(color: str = "7a3b52"):
    quads = box((0.32, 0.18, 0.44), (0, -0.12, 0), f"fabric:{color}", front=f"cushion:{color}")
    quads += box((0.24, 0.07, 0.2), (0, -0.24, 0.04), f"fabric:{color}", front=f"cushion:{color}")
    return [Thing("backpack", tilted(quads, 10, (0, -0.12, 0)))]


def refrigerator(h: float = 1.75):
    quads = box((0.65, 0.62, h), (0, -0.33, 0), "metal:c9ced1", front="appliance:fridge")
    return [Thing("refrigerator", quads)]


def stove():
    top, face = "appliance:hob", "appliance:oven"
    return [
        Thing("stove", box((0.6, 0.6, 0.9), (0, -0.31, 0), "metal:c9ced1", front=face, top=top))
    ]


def counter(w: float = 1.8, kind: str = "2f5d62", sink: bool = True):
    """A kitchen counter: cabinets below, a stone top, a sink with a tap let into it."""
    things = cabinet(w, 0.58, 0.86, round(w / 0.45), kind, label="kitchen cabinet")
    stone = box((w, 0.62, 0.04), (0, -0.31, 0.86), "stone:cfc6b5")
    things.append(Thing("counter", stone))
    if sink:
        basin = box((0.5, 0.4, 0.006), (0, -0.32, 0.9), "metal:aeb4b8", top="appliance:sink")
        tap = box((0.03, 0.03, 0.25), (0, -0.1, 0.9), STEEL)
        tap += box((0.03, 0.18, 0.03), (0, -0.18, 1.13), STEEL)
        things.append(Thing("sink", basin + tap))
    return things


def stool(h: float = 0.48, color: str = "c98b1e"):
    quads = prism(12, (0.17, 0.17), 0.05, (0, 0, h - 0.05), f"fabric:{color}", f"fabric:{color}")
    return [Thing("stool", quads + _legs(0.26, 0.26, h - 0.05, 0.035, "upright:black"))]


BUILDERS: dict[str, Callable[..., list[Thing]]] = {
    function.__name__: function
    for function in (
        table, chair, office_chair, sofa, bed, cabinet, bookshelf, desk, monitor, television,
        floor_lamp, table_lamp, trash_can, plant, rug, picture, clock, calendar, whiteboard,
        radiator, curtain, blinds, carton, sheet, backpack, refrigerator, stove, counter, stool,
    )
}  # fmt: skip
