"""Cars and pillars of the garage that sample clips drive through.

Own frame of a car: it drives towards +x, y to its left, z up; the origin is the middle of the
ground below it. All sizes in metres.
"""

from __future__ import annotations

from collections.abc import Callable

from spatial_engine.sample_data.rooms.solids import Quad, Thing, box

_GLASS, _TYRE = "metal:2b3440", "metal:232427"


def car(color: str = "d8392b", trim: str = "f4efe2", roof: float = 0.55) -> list[Quad]:
    """A car, 4 m long, with stripes along its sides; a higher roof makes it a van."""
    side, paint = f"wallpaper:{color}-{trim}", f"metal:{color}"
    quads = box(
        (4.0, 1.7, 0.6), (0, 0, 0.25), paint, front=side, back=side, left=f"dotted:{color}-{trim}",
        right=f"plaid:{color}-{trim}",
    )  # fmt: skip
    quads += box((2.1, 1.5, roof), (-0.4, 0, 0.85), _GLASS, top=f"plaid:{trim}-{color}")
    for x in (-1.3, 1.3):
        for y in (-0.75, 0.75):
            quads += box((0.62, 0.22, 0.62), (x, y, 0), _TYRE)
    return quads


def parked_car(color: str = "3f5fa8", trim: str = "f4efe2") -> list[Thing]:
    return [Thing("car", car(color, trim))]


def pillar(width: float = 0.5, height: float = 3.4, color: str = "e9b824") -> list[Thing]:
    """A concrete pillar with a painted foot."""
    quads = box((width, width, 1.1), (0, 0, 0), f"fabric:{color}")
    return [Thing("column", quads + box((width, width, height - 1.1), (0, 0, 1.1), "stone:9a9c9e"))]


BUILDERS: dict[str, Callable[..., list[Thing]]] = {
    function.__name__: function for function in (parked_car, pillar)
}
