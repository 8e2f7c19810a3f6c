"""From a layout (data) to the things in a room: walls with openings, floor, ceiling, furniture.

The room's frame is the axis-aligned one of the scene: metres, z up, floor at z = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from spatial_engine.sample_data.rooms import fittings, furniture, vehicles
from spatial_engine.sample_data.rooms.solids import Quad, Thing, box, moved, panel

BUILDERS = furniture.BUILDERS | fittings.BUILDERS | vehicles.BUILDERS
DOOR_DEPTH = 0.06  # metres a door leaf stands back from the wall's face
WINDOW_DEPTH = 0.14
CEILING = 1  # number of the ceiling among the things of any room


@dataclass(frozen=True)
class Opening:
    """A window or door in a wall. `left` is its left edge, seen from inside the room, in metres
    from the wall's left end; `bottom` its lower edge; `look` a view or a wood."""

    kind: str
    wall: int
    left: float
    width: float
    bottom: float
    height: float
    look: str


@dataclass(frozen=True)
class Item:
    """A piece of furniture: either `wall` >= 0 and `x` metres along it (from its left end, seen
    from inside), or standing free at (x, y) turned by `turn` degrees."""

    kind: str
    x: float
    y: float = 0.0
    turn: float = 0.0
    wall: int = -1
    options: dict[str, Any] = field(default_factory=dict)


def at(piece: str, x: float, y: float, turn: float = 0.0, **options: Any) -> Item:
    """A free-standing piece, middle at (x, y); turn 0 looks to -y, 90 to +x."""
    return Item(piece, x, y, turn, options=options)


def on(wall: int, piece: str, along: float, gap: float = 0.0, **options: Any) -> Item:
    """A piece at a wall, its middle `along` metres from the wall's left end."""
    return Item(piece, along, -gap, wall=wall, options=options)


@dataclass(frozen=True)
class Layout:
    """A room as data.

    polygon: corners (x, y) in metres, counter-clockwise; wall k runs from corner k to k + 1.
    `walls` names one material a wall. `lamps` are (x, y) of ceiling lights. `path` has one key
    position a row: x, y, z in metres, yaw, pitch in degrees (yaw 0 looks to +x, 90 to +y).
    """

    name: str
    scene_type: str
    polygon: tuple[tuple[float, float], ...]
    height: float
    floor: str
    walls: tuple[str, ...]
    ceiling: str
    openings: tuple[Opening, ...]
    items: tuple[Item, ...]
    lamps: tuple[tuple[float, float], ...]
    path: tuple[tuple[float, float, float, float, float], ...]
    scanned_ceiling: bool = False  # real meshes mostly lack the ceiling


def wall_frame(layout: Layout, wall: int) -> tuple[np.ndarray, float, float]:
    """Left end (3,) of a wall seen from inside, its turn in degrees, its length in metres.

    In the frame with that origin and turn, x runs along the wall and y into it.
    """
    corners = np.array(layout.polygon)
    start, end = corners[wall], corners[(wall + 1) % len(corners)]
    right = (start - end) / np.linalg.norm(start - end)
    turn = float(np.degrees(np.arctan2(right[1], right[0])))
    return np.array([*end, 0.0]), turn, float(np.linalg.norm(start - end))


def furnish(layout: Layout, rng: np.random.Generator) -> list[Thing]:
    """All things of a room: floor, ceiling, walls, the rest.

    The generator shifts the materials, so that two tables of one wood do not look alike.
    """
    things = _shell(layout)
    for opening in layout.openings:
        origin, turn, _ = wall_frame(layout, opening.wall)
        thing = (_window if opening.kind == "window" else _door)(opening)
        things.append(replace(thing, quads=moved(thing.quads, turn, origin)))
    for item in layout.items:
        for thing in BUILDERS[item.kind](**item.options):
            quads = _placed(layout, item, thing.quads)
            shifts = rng.uniform(0, 1, (len(quads), 2)).round(3).tolist()
            shifted = [
                replace(q, shift=tuple(shift)) for q, shift in zip(quads, shifts, strict=True)
            ]
            things.append(Thing(thing.label, shifted))
    return things


def _placed(layout: Layout, item: Item, quads: list[Quad]) -> list[Quad]:
    if item.wall < 0:
        return moved(quads, item.turn, (item.x, item.y, 0))
    origin, turn, _ = wall_frame(layout, item.wall)
    return moved(moved(quads, 0, (item.x, item.y, 0)), turn, origin)


def _shell(layout: Layout) -> list[Thing]:
    """Floor, ceiling and walls. Floor and ceiling fill the bounding rectangle; what lies outside
    of the polygon is hidden behind the walls."""
    corners = np.array(layout.polygon)
    (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
    ground = np.array([[x0, y0, 0], [x1, y0, 0], [x1, y1, 0], [x0, y1, 0]])
    above = ground[[1, 0, 3, 2]] + (0, 0, layout.height)
    ceiling_label = "ceiling" if layout.scanned_ceiling else None
    things = [
        Thing("floor", [Quad(ground, layout.floor)]),
        Thing(ceiling_label, [Quad(above, layout.ceiling)]),
    ]
    for wall, material in enumerate(layout.walls):
        origin, turn, length = wall_frame(layout, wall)
        holes = sorted((o for o in layout.openings if o.wall == wall), key=lambda o: o.left)
        quads = _wall(length, layout.height, holes, material)
        skirting = box((length, 0.015, 0.08), (length / 2, -0.0075, 0), "plaster:f2efe8")
        if not any(o.kind == "door" for o in holes):
            quads += [skirting[0], skirting[4]]
        things.append(Thing("wall", moved(quads, turn, origin)))
    return things


def _wall(length: float, height: float, holes: list[Opening], material: str) -> list[Quad]:
    """A wall's face around its openings; the material runs on from piece to piece."""
    quads: list[Quad] = []

    def piece(left: float, right: float, low: float, high: float) -> None:
        if right - left > 1e-6 and high - low > 1e-6:
            face = panel(right - left, high - low, ((left + right) / 2, 0, low), material)[0]
            quads.append(replace(face, shift=(left, low)))

    left = 0.0
    for hole in holes:
        right = hole.left + hole.width
        piece(left, hole.left, 0, height)
        piece(hole.left, right, 0, hole.bottom)
        piece(hole.left, right, hole.bottom + hole.height, height)
        left = right
    piece(left, length, 0, height)
    return quads


def _reveal(opening: Opening, depth: float, material: str) -> list[Quad]:
    """The four inner faces of an opening, from the wall's face to `depth` behind it."""
    x0, x1 = opening.left, opening.left + opening.width
    z0, z1 = opening.bottom, opening.bottom + opening.height
    front = [(x0, z0), (x1, z0), (x1, z1), (x0, z1)]
    quads = []
    for k in range(4):
        (ax, az), (bx, bz) = front[k], front[(k + 1) % 4]
        corners = [[ax, 0, az], [bx, 0, bz], [bx, depth, bz], [ax, depth, az]]
        quads.append(Quad(np.array(corners, float), material))
    return quads


def _window(opening: Opening) -> Thing:
    """Glass with a view, a frame with a cross, a sill that stands out a little."""
    white, middle = "plaster:f6f5f1", opening.left + opening.width / 2
    quads = _reveal(opening, WINDOW_DEPTH, "plaster:efece4")
    glass = (middle, WINDOW_DEPTH, opening.bottom)
    quads += panel(opening.width, opening.height, glass, f"view:{opening.look}")
    y, bar = WINDOW_DEPTH - 0.03, 0.06
    for x in (opening.left + bar / 2, middle, opening.left + opening.width - bar / 2):
        quads += box((bar, 0.05, opening.height), (x, y, opening.bottom), white)
    for z in (opening.bottom, opening.bottom + opening.height - bar):
        quads += box((opening.width, 0.05, bar), (middle, y, z), white)
    sill = box((opening.width + 0.1, 0.14, 0.03), (middle, -0.02, opening.bottom - 0.03), white)
    return Thing("window", quads + sill)


def _door(opening: Opening) -> Thing:
    """A shut door leaf, a frame around it, a handle."""
    kind, middle = opening.look, opening.left + opening.width / 2
    quads = _reveal(opening, DOOR_DEPTH, "plaster:efece4")
    leaf = (middle, DOOR_DEPTH, opening.bottom)
    quads += panel(opening.width, opening.height, leaf, f"door:{kind}")
    x = opening.left + 0.09
    quads += box((0.13, 0.03, 0.02), (x + 0.04, DOOR_DEPTH - 0.06, 1.03), "metal:c0c2c4")
    quads += box((0.04, 0.02, 0.18), (x, DOOR_DEPTH - 0.01, 0.95), "metal:c0c2c4")
    for side in (opening.left - 0.04, opening.left + opening.width + 0.04):
        quads += box((0.08, 0.02, opening.height + 0.08), (side, -0.01, 0), f"upright:{kind}")
    top = (middle, -0.01, opening.height)
    return Thing("door", quads + box((opening.width, 0.02, 0.08), top, f"wood:{kind}"))
