"""What happens in each sample clip, as data: bodies, how they move, how the camera walks.

In every play some body only shifts, some turn as they go, one moves in a part of the clip only, one
moves little for long and much at the end (a long tail of displacements), and two move alike. Plays
of cars (`drive_plays`) have one body each.
"""

from __future__ import annotations

import math

from spatial_engine.sample_data.tapvid3d.clip_spec import Body, Motion, Play
from spatial_engine.sample_data.tapvid3d.drive_plays import DRIVE_PLAYS


def _motion(*keys: tuple[float, ...]) -> Motion:
    """Key rows may stop early: what is left out is 0."""
    return Motion(tuple((*key, *(0.0,) * (7 - len(key))) for key in keys))


def _roll(
    start: tuple[float, float], end: tuple[float, float], radius: float, t0: float, t1: float
) -> Motion:
    """A ball that rolls over the floor in a line, from time t0 to t1."""
    yaw = math.degrees(math.atan2(end[1] - start[1], end[0] - start[0]))
    pitch = math.degrees(math.dist(start, end) / radius)
    first, last = (*start, radius, yaw, 0.0, 0.0), (*end, radius, yaw, pitch, 0.0)
    keys = [(0.0, *first)] * (t0 > 0) + [(t0, *first), (t1, *last)] + [(1.0, *last)] * (t1 < 1)
    return Motion(tuple(keys))


def _late(
    start: tuple[float, float, float], end: tuple[float, float, float], turn: float, yaw: float = 0
) -> Motion:
    """Creeps to a tenth of the way, then goes the rest in the last eighth of the clip."""
    x, y, z = (a + 0.1 * (b - a) for a, b in zip(start, end, strict=True))
    return _motion((0, *start, yaw), (0.88, x, y, z, yaw + 0.1 * turn), (1, *end, yaw + turn))


def _pair(name: str, kind: str, gap: float, first: dict, second: dict) -> tuple[Body, Body]:
    """Two bodies side by side, `gap` metres from middle to middle, on one motion."""
    return (
        Body(f"{name} left", kind, name, (-gap / 2, 0, 0), 0, first),
        Body(f"{name} right", kind, name, (gap / 2, 0, 0), 12, second),
    )


_BLUE = {"color": "2f6db5", "mark": "f2c53d"}
_YELLOW = {"color": "e9b824", "mark": "b3372f"}
_GREEN = {"color": "3f9a58", "mark": "f4efe2"}
_LEATHER = {"colors": ("e0701c", "3a2417")}
_SMALL = {"size": (0.15, 0.15, 0.14)}
_MIDDLE = {"size": (0.26, 0.26, 0.24)}

MEAL = Play(
    room="apartment",
    bodies=(
        Body("carton", "carton", "slide", turn=25),
        Body("ball", "ball", "ball"),
        Body("jug", "jug", "pour"),
        *_pair("crates", "crate", 0.5, _BLUE, _YELLOW),
        Body("chair", "piece", "chair", options={"name": "chair", "seat": "fabric:b8433a"}),
    ),
    motions={
        "slide": _motion(
            (0, -2.2, -1.5, 0), (0.3, -1.5, -0.9, 0), (0.65, -0.6, -0.75, 0), (1, 0.3, -0.6, 0)
        ),
        "ball": _roll((0.1, 0.75), (-2.3, 0.1), 0.16, 0, 1),
        "pour": _motion(
            (0, 1.4, -0.6, 0.74), (0.3, 1.4, -0.6, 0.74),
            (0.5, 1.7, -0.5, 1.12, 60, 20), (0.7, 2.0, -0.4, 0.74, 130), (1, 2.0, -0.4, 0.74, 130),
        ),
        "crates": _motion(
            (0, 0.1, -1.85, 0, 10), (0.5, -0.7, -1.65, 0, 50), (1, -1.5, -1.6, 0, 110)
        ),
        "chair": _late((1.5, -1.2, 0), (0.9, -1.75, 0), 75, yaw=185),
    },
    camera=(
        (-2.5, 0.7, 1.55, -35, -24),
        (-2.3, 0.6, 1.50, -24, -20),
        (-1.8, 0.7, 1.55, -32, -26),
        (-1.2, 0.6, 1.50, -40, -24),
        (-0.7, 0.6, 1.60, -52, -28),
        (-0.6, 0.7, 1.55, -70, -24),
    ),
)  # fmt: skip

DECORATION = Play(
    room="apartment",
    bodies=(
        Body("poster", "poster_board", "carry", options={"name": "circles"}),
        Body("truck", "truck", "drive"),
        Body("crate", "crate", "slide", options=_GREEN),
        *_pair("cartons", "carton", 0.55, {}, {"size": (0.36, 0.36, 0.36)}),
        Body("jug", "jug", "set down", options={"color": "b5489a"}),
    ),
    motions={
        "carry": _motion(
            (0, 0.3, 1.5, 0.25, -30), (0.4, 0.5, 0.6, 0.5, 0), (0.7, 0.6, -0.4, 0.6, 40, 0, 8),
            (1, 0.3, -1.3, 0.3, 85),
        ),
        "drive": _late((-2.0, -0.2, 0), (-0.3, -0.75, 0), -30, yaw=0),
        "slide": _motion(
            (0, 0.9, -1.9, 0), (0.35, 0.2, -1.55, 0), (0.7, -0.6, -1.75, 0), (1, -1.6, -1.5, 0)
        ),
        "cartons": _motion(
            (0, -0.2, 0.7, 0, 0), (0.3, -0.5, 0.5, 0, 20), (0.7, -1.3, 0.4, 0, 70),
            (1, -2.0, 0.5, 0, 120),
        ),
        "set down": _motion(
            (0, -1.4, 1.15, 0.42), (0.25, -1.4, 1.15, 0.42), (0.45, -1.1, 1.2, 0.75, -50),
            (0.6, -0.85, 1.2, 0.42, -90), (1, -0.85, 1.2, 0.42, -90),
        ),
    },
    camera=(
        (-1.2, -1.9, 1.60, 62, -20),
        (-1.4, -1.8, 1.55, 70, -24),
        (-1.9, -1.7, 1.60, 58, -26),
        (-2.4, -1.5, 1.55, 36, -22),
        (-2.6, -1.1, 1.50, 18, -24),
        (-2.6, -0.6, 1.55, 0, -26),
    ),
)  # fmt: skip

CLEAN = Play(
    room="apartment",
    bodies=(
        Body("stool", "piece", "stool", options={"name": "stool", "color": "c93f6b"}),
        Body("ball", "ball", "ball", options={"colors": ("2b7fc4", "f4efe2", "e9b824")}),
        Body("truck", "truck", "truck", options={"color": "3f9a58"}),
        *_pair("jugs", "jug", 0.34, {}, {"color": "d2642c"}),
        Body("carton", "carton", "lift"),
    ),
    motions={
        "stool": _late((-0.1, 0.8, 0), (-0.9, 0.2, 0), 120),
        "ball": _roll((-2.3, -1.7), (0.4, -0.2), 0.16, 0, 1),
        "truck": _motion(
            (0, 0.4, -1.9, 0, 154), (0.55, 0.0, -1.71, 0, 154), (1, -2.0, -0.74, 0, 154)
        ),
        "jugs": _motion(
            (0, 1.35, -0.8, 0.74, 0), (0.5, 2.1, -0.7, 0.74, 120), (1, 1.5, -0.4, 0.74, 260)
        ),
        "lift": _motion(
            (0, -1.1, 1.2, 0.42), (0.4, -1.1, 1.2, 0.42), (0.6, -1.6, 0.9, 0.9, 40),
            (0.8, -2.2, 0.7, 0, 80), (1, -2.2, 0.7, 0, 80),
        ),
    },
    camera=(
        (2.4, -2.0, 1.60, 146, -22),
        (2.1, -1.9, 1.55, 150, -24),
        (1.5, -1.8, 1.60, 142, -20),
        (1.2, -1.9, 1.55, 132, -24),
        (1.0, -2.0, 1.50, 120, -22),
    ),
)  # fmt: skip

WORK = Play(
    room="apartment",
    bodies=(
        Body("chair", "piece", "chair", options={"name": "office_chair", "color": "7a2f8a"}),
        *_pair("crates", "crate", 0.5, _GREEN, _BLUE),
        Body("carton", "carton", "slide"),
        Body("ball", "ball", "ball", options={"colors": ("ef7f1a", "f4efe2")}),
        Body("jug", "jug", "pour", options={"color": "c93f3f"}),
    ),
    motions={
        "chair": _motion(
            (0, 0.6, -1.2, 0, 190), (0.5, 0.0, -1.0, 0, 260), (1, -0.9, -1.2, 0, 390)
        ),
        "crates": _late((-0.1, 0.5, 0), (-1.5, 0.2, 0), 60),
        "slide": _motion((0, -2.4, -0.2, 0), (0.5, -2.0, -1.2, 0), (1, -1.3, -1.9, 0)),
        "ball": _roll((0.9, 1.2), (0.5, -0.4), 0.16, 0.2, 0.75),
        "pour": _motion(
            (0, 1.5, -0.8, 0.74), (0.4, 1.5, -0.8, 0.74), (0.55, 1.7, -0.5, 1.1, 40),
            (0.7, 1.8, -0.3, 0.74, 90), (1, 1.8, -0.3, 0.74, 90),
        ),
    },
    camera=(
        (-1.9, 1.7, 1.60, -50, -24),
        (-1.6, 1.6, 1.55, -56, -26),
        (-1.0, 1.6, 1.60, -64, -24),
        (-0.4, 1.7, 1.55, -78, -26),
        (0.1, 1.9, 1.55, -95, -24),
    ),
)  # fmt: skip

MUG = Play(
    room="lite",
    bodies=(
        Body("mug", "jug", "mug", options={"height": 0.13, "radius": 0.06, "color": "c93f3f"}),
        *_pair("cubes", "crate", 0.24, _BLUE | _SMALL, _YELLOW | _SMALL),
        Body("box", "carton", "box", options={"size": (0.26, 0.18, 0.16)}),
        Body("ball", "ball", "ball", options={"radius": 0.1}),
        Body("stool", "piece", "stool", options={"name": "stool", "color": "3f5fa8"}),
    ),
    motions={
        "mug": _motion(
            (0, 0.3, -0.15, 0.74), (0.3, 0.3, -0.15, 0.74), (0.5, 0.15, -0.2, 1.02, 120, 15),
            (0.7, -0.05, -0.2, 0.74, 220), (1, -0.05, -0.2, 0.74, 220),
        ),
        "cubes": _motion(
            (0, -0.55, 0.25, 0.74), (0.5, -0.25, 0.3, 0.74, 50), (1, 0.1, 0.3, 0.74, 120)
        ),
        "box": _motion((0, 0.62, 0.4, 0.74), (0.6, 0.66, 0.1, 0.74), (1, 0.5, -0.2, 0.74)),
        "ball": _roll((1.3, -1.2), (-1.2, -1.0), 0.1, 0, 1),
        "stool": _late((1.3, 0.7, 0), (1.6, -0.3, 0), 80),
    },
    camera=(
        (-0.9, -1.45, 1.55, 54, -30),
        (-0.7, -1.45, 1.50, 58, -32),
        (-0.2, -1.4, 1.55, 76, -34),
        (0.3, -1.35, 1.50, 96, -30),
    ),
)  # fmt: skip

_STANDS = ((0.0, -2.75, 1.75, 90.0, -19.0),)  # the camera of the dome

BOXES = Play(
    room="dome",
    bodies=(
        Body("crate below", "crate", "stack", options=_BLUE),
        Body("crate above", "crate", "stack", (0, 0, 0.3), 20, _YELLOW | _MIDDLE),
        Body("carton", "carton", "slide"),
        Body("crate", "crate", "lift", options=_GREEN),
        Body("ball", "ball", "ball"),
        Body("stool", "piece", "stool", options={"name": "stool", "color": "c93f6b"}),
    ),
    motions={
        "stack": _motion((0, -1.5, 0.9, 0), (0.5, -0.7, 0.5, 0.0, 50), (1, -0.1, 0.9, 0, 130)),
        "slide": _motion((0, -1.5, -0.3, 0), (0.4, -0.8, -0.6, 0), (1, 0.9, -0.5, 0)),
        "lift": _motion(
            (0, 0.9, 0.3, 0), (0.35, 0.9, 0.3, 0), (0.55, 0.6, 0.1, 0.7, 40, 15),
            (0.75, 0.3, 0.0, 0, 90), (1, 0.3, 0.0, 0, 90),
        ),
        "ball": _roll((1.6, -0.15), (-1.3, -0.05), 0.16, 0, 1),
        "stool": _late((0.9, 1.6, 0), (0.1, 1.8, 0), 100),
    },
    camera=_STANDS,
)  # fmt: skip

SOFTBALL = Play(
    room="dome",
    bodies=(
        Body("softball", "ball", "throw", options={"radius": 0.11, "colors": ("e9e24a", "3c4a2a")}),
        Body("bat", "bat", "swing"),
        *_pair("bases", "crate", 0.55, _BLUE, _GREEN),
        Body("ball", "ball", "roll", options={"colors": ("d8392b", "2b7fc4", "f4efe2")}),
        Body("bucket", "jug", "bucket", options={"height": 0.34, "radius": 0.16}),
    ),
    motions={
        "throw": _motion(
            (0, -1.6, 0.2, 1.1), (0.25, -0.8, 0.2, 1.75, 0, 200), (0.5, 0.0, 0.2, 1.5, 0, 400),
            (0.75, 0.8, 0.2, 1.0, 0, 600), (1, 1.5, 0.2, 0.3, 0, 800),
        ),
        "swing": _motion(
            (0, 1.0, 0.7, 0.9, 0, 30), (0.45, 1.0, 0.7, 0.9, 0, 30),
            (0.55, 0.95, 0.65, 0.9, 60, 70), (0.7, 0.8, 0.6, 0.9, 190, 80),
            (0.8, 0.8, 0.6, 0.9, 200, 75), (1, 0.8, 0.6, 0.9, 200, 75),
        ),
        "bases": _motion((0, -0.9, 0.9, 0), (0.5, -0.6, 0.3, 0), (1, -1.1, -0.4, 0)),
        "roll": _roll((-0.6, -0.9), (1.3, -0.5), 0.16, 0, 0.9),
        "bucket": _late((0.3, 1.5, 0), (0.6, 0.7, 0), -90),
    },
    camera=_STANDS,
)  # fmt: skip

BASKETBALL = Play(
    room="dome",
    bodies=(
        Body("basketball", "ball", "bounce", options=_LEATHER | {"radius": 0.13}),
        Body("ball", "ball", "roll", options={"colors": ("2b7fc4", "f4efe2")}),
        *_pair("crates", "crate", 0.5, _YELLOW, _GREEN),
        Body("carton", "carton", "slide", options={"size": (0.36, 0.36, 0.4)}),
        Body("stool", "piece", "stool", options={"name": "stool", "color": "3f5fa8"}),
    ),
    motions={
        "bounce": _motion(
            (0, -1.0, 0.3, 1.3), (0.2, -0.7, 0.3, 0.13, 0, 80), (0.4, -0.35, 0.3, 1.05, 0, 160),
            (0.6, 0.0, 0.3, 0.13, 0, 240), (0.8, 0.35, 0.3, 0.8, 0, 320),
            (1, 0.7, 0.3, 0.13, 0, 400),
        ),
        "roll": _roll((1.4, 0.9), (-1.25, 1.05), 0.16, 0, 1),
        "crates": _motion((0, -0.2, -0.6, 0), (0.5, -0.8, -0.5, 0, 50), (1, -1.3, -0.2, 0, 120)),
        "slide": _motion(
            (0, 0.6, -0.9, 0), (0.3, 0.6, -0.9, 0), (0.6, 1.2, -0.4, 0), (1, 1.2, -0.4, 0)
        ),
        "stool": _late((0.2, 2.0, 0), (1.0, 1.9, 0), 90),
    },
    camera=_STANDS,
)  # fmt: skip

PLAYS: dict[str, Play] = {
    "meal": MEAL,
    "decoration": DECORATION,
    "clean": CLEAN,
    "work": WORK,
    "mug": MUG,
    "boxes": BOXES,
    "softball": SOFTBALL,
    "basketball": BASKETBALL,
    **DRIVE_PLAYS,
}
