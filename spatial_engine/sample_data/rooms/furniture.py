"""Furniture, piece by piece: every function returns the annotated things that a piece consists of.

Own frame of a piece: x right, y away from the viewer, z up; the front looks towards -y. Pieces that
stand at a wall have their origin in the middle of their back edge (y = 0 is the wall), free ones
(table, chair, stool) in their middle. All sizes in metres.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spatial_engine.sample_data.materials.textures import WOODS
from spatial_engine.sample_data.rooms.solids import Quad, Thing, box, moved, prism, tilted

STEEL = "metal:8f9499"


def _legs(width: float, depth: float, height: float, thick: float, material: str) -> list[Quad]:
    """Four square legs at the corners of a rectangle centred on the origin."""
    x, y = (width - thick) / 2, (depth - thick) / 2
    feet = [(-x, -y), (x, -y), (x, y), (-x, y)]
    return [q for fx, fy in feet for q in box((thick, thick, height), (fx, fy, 0), material)]


def table(
    w: float = 1.4, d: float = 0.8, h: float = 0.74, wood: str = "oak", label: str = "table"
) -> list[Thing]:
    quads = box((w, d, 0.04), (0, 0, h - 0.04), f"wood:{wood}", top=f"board:{wood}")
    quads += box((w - 0.16, d - 0.16, 0.08), (0, 0, h - 0.12), f"wood:{wood}")
    return [Thing(label, quads + _legs(w - 0.06, d - 0.06, h - 0.04, 0.07, f"upright:{wood}"))]


def chair(wood: str = "oak", seat: str = "fabric:7a2f2f", label: str = "chair") -> list[Thing]:
    quads = _legs(0.42, 0.42, 0.43, 0.04, f"upright:{wood}")
    quads += box((0.45, 0.45, 0.05), (0, 0, 0.43), f"wood:{wood}", top=seat)
    back = [
        q for x in (-0.2, 0.2) for q in box((0.04, 0.04, 0.5), (x, 0.2, 0.46), f"upright:{wood}")
    ]
    for z in (0.58, 0.76):
        back += box((0.38, 0.03, 0.12), (0, 0.2, z), seat)
    return [Thing(label, quads + tilted(back, 7, (0, 0.2, 0.46)))]


def office_chair(color: str = "2b3440", label: str = "office chair") -> list[Thing]:
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


def stool(h: float = 0.48, color: str = "c98b1e") -> list[Thing]:
    quads = prism(12, (0.17, 0.17), 0.05, (0, 0, h - 0.05), f"fabric:{color}", f"fabric:{color}")
    return [Thing("stool", quads + _legs(0.26, 0.26, h - 0.05, 0.035, "upright:black"))]


def sofa(
    w: float = 2.0, color: str = "5b7a8c", pillow: str = "d98f3f", label: str = "sofa"
) -> list[Thing]:
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


def bed(
    w: float = 1.6, length: float = 2.05, wood: str = "walnut", cover: str = "plaid:2f4f6f-c9d6df"
) -> list[Thing]:
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
    w: float = 0.9, d: float = 0.45, h: float = 0.9, doors: int = 2, kind: str = "oak",
    rows: int = 1, z: float = 0.0, top: str | None = None, label: str = "cabinet",
) -> list[Thing]:  # fmt: skip
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
    w: float = 0.9, h: float = 1.9, d: float = 0.3, rows: int = 5, wood: str = "oak", seed: int = 0
) -> list[Thing]:
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


def desk(w: float = 1.4, d: float = 0.7, wood: str = "ash", drawers: str = "right") -> list[Thing]:
    y, h = -d / 2, 0.73
    quads = box((w, d, 0.035), (0, y, h), f"wood:{wood}", top=f"board:{wood}")
    x = (w / 2 - 0.22) * (1 if drawers == "right" else -1)
    for row in range(3):
        face = f"front:{wood}-d"
        quads += box((0.4, d - 0.06, 0.23), (x, y, 0.03 + 0.233 * row), f"wood:{wood}", front=face)
    quads += box((0.04, d - 0.06, h), (-x * (w / 2 - 0.05) / abs(x), y, 0), f"upright:{wood}")
    quads += box((w - 0.5, 0.02, 0.35), (-x / 3, -0.08, 0.35), f"wood:{wood}")
    return [Thing("desk", quads)]


def refrigerator(h: float = 1.75) -> list[Thing]:
    quads = box((0.65, 0.62, h), (0, -0.33, 0), "metal:c9ced1", front="appliance:fridge")
    return [Thing("refrigerator", quads)]


def stove() -> list[Thing]:
    top, face = "appliance:hob", "appliance:oven"
    return [
        Thing("stove", box((0.6, 0.6, 0.9), (0, -0.31, 0), "metal:c9ced1", front=face, top=top))
    ]


def counter(w: float = 1.8, kind: str = "2f5d62", sink: bool = True) -> list[Thing]:
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


BUILDERS: dict[str, Callable[..., list[Thing]]] = {
    function.__name__: function
    for function in (
        table, chair, office_chair, stool, sofa, bed, cabinet, bookshelf,
        desk, refrigerator, stove, counter,
    )
}  # fmt: skip
