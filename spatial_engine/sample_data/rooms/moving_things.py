"""Rigid things that move in sample clips, in loud colours and patterns, so that one sees them turn.

Own frame of a thing: x right, y away from the viewer, z up, the front looks towards -y; the origin
is the middle of a ball and the middle of the bottom of anything else. All sizes in metres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from spatial_engine.sample_data.rooms import furniture
from spatial_engine.sample_data.rooms.solids import Quad, box, prism
from spatial_engine.sample_data.rooms.vehicles import car


def ball(
    radius: float = 0.16, colors: Sequence[str] = ("e0482f", "f4efe2"), sides: int = 12
) -> list[Quad]:
    """A beach ball: `sides` stripes from pole to pole in turn of the colours."""
    rings = sides // 2
    tilt = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    turn = np.arange(sides + 1) * 2 * np.pi / sides
    across = np.cos(tilt)[:, None, None] * np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1)
    up = np.sin(tilt)[:, None, None] * np.array([0.0, 0, 1])
    corner = radius * (across + up)
    corner[0], corner[-1] = (0, 0, -radius), (0, 0, radius)
    quads = []
    for ring in range(rings):
        for side in range(sides):
            low, high = corner[ring, side : side + 2], corner[ring + 1, side : side + 2]
            four = np.stack([low[0], low[1], high[1], high[0]])
            if ring == 0:  # a triangle: its first edge must have a length
                four = np.roll(four, 2, axis=0)
            quads.append(Quad(four, f"fabric:{colors[side % len(colors)]}"))
    return quads


def crate(
    size: tuple[float, float, float] = (0.34, 0.34, 0.3),
    color: str = "2f6db5",
    mark: str = "f2c53d",
) -> list[Quad]:
    """A box with dots on three sides, stripes of the other colour on the fourth, checks on top."""
    dots, checks = f"dotted:{color}-{mark}", f"plaid:{color}-{mark}"
    return box(size, (0, 0, 0), dots, left=f"wallpaper:{mark}-{color}", top=checks)


def carton(size: tuple[float, float, float] = (0.4, 0.3, 0.28)) -> list[Quad]:
    """A parcel of brown cardboard."""
    return box(size, (0, 0, 0), "paper:carton")


def truck(color: str = "d8392b") -> list[Quad]:
    """A toy lorry, 0.5 m long, that drives towards +x."""
    quads = box((0.3, 0.22, 0.18), (-0.1, 0, 0.07), f"fabric:{color}", top=f"plaid:{color}-f4efe2")
    quads += box((0.15, 0.2, 0.22), (0.15, 0, 0.07), "fabric:f0b429", right="fabric:8fc3e8")
    for x in (-0.18, 0.14):
        for y in (-0.11, 0.11):
            quads += box((0.12, 0.05, 0.12), (x, y, 0), "metal:232427")
    return quads


def jug(color: str = "1f8a8a", height: float = 0.26, radius: float = 0.09) -> list[Quad]:
    """A drum with a handle; two of its sides have another colour."""
    quads = prism(12, (radius, radius), height, (0, 0, 0), f"fabric:{color}", "metal:20302f")
    quads = [
        Quad(quad.corners, "fabric:f4efe2") if side in (2, 3) else quad
        for side, quad in enumerate(quads)
    ]
    grip = (0.07, 0.025, 0.025)
    for z in (0.3 * height, 0.75 * height):
        quads += box(grip, (radius + 0.03, 0, z), f"fabric:{color}")
    return quads + box(
        (0.025, 0.025, 0.45 * height + 0.025), (radius + 0.065, 0, 0.3 * height), f"fabric:{color}"
    )


def poster_board(name: str = "circles") -> list[Quad]:
    """A framed picture that is carried about, 0.7 m x 0.9 m."""
    face = f"poster:{name}"
    return box((0.7, 0.05, 0.9), (0, 0, 0), "wood:black", front=face, back=face)


def bat(color: str = "c98b1e") -> list[Quad]:
    """A club, 0.9 m long, upright, with a dark grip."""
    quads = prism(8, (0.025, 0.03), 0.4, (0, 0, 0), "fabric:26272b")
    return quads + prism(8, (0.03, 0.06), 0.5, (0, 0, 0.4), f"fabric:{color}", f"fabric:{color}")


def piece(name: str, **options: object) -> list[Quad]:
    """A piece of furniture, e.g. a chair that is pushed."""
    return [quad for thing in furniture.BUILDERS[name](**options) for quad in thing.quads]


MOVING: dict[str, Callable[..., list[Quad]]] = {
    function.__name__: function
    for function in (ball, crate, carton, truck, jug, poster_board, bat, piece, car)
}
