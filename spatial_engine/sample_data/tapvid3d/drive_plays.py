"""What happens in the sample clips of drivetrack, as data: one car each, and a camera that drives.

The frames of a real clip are a tenth of a second apart. A play goes by within ten frames or more,
so that speeds and changes of speed are those of cars.
"""

from __future__ import annotations

import numpy as np

from spatial_engine.sample_data.tapvid3d.clip_spec import Body, Motion, Play

_KEYS = 9  # of a motion that is not even
_CAMERA_KEYS = 6


def _stands(x: float, y: float, yaw: float) -> Motion:
    place = (x, y, 0.0, yaw, 0.0, 0.0)
    return Motion(((0.0, *place), (1.0, *place)))


def _drives(start: tuple[float, float, float], end: tuple[float, float, float]) -> Motion:
    """From one (x, y, yaw) to another, evenly."""
    rows = [(time, x, y, 0.0, yaw, 0.0, 0.0) for time, (x, y, yaw) in ((0.0, start), (1.0, end))]
    return Motion(tuple(rows))


def _starts(start: tuple[float, float, float], end: tuple[float, float, float]) -> Motion:
    """The same, speeding up evenly from a stand."""
    rows = []
    for key in range(_KEYS + 1):
        time = key / _KEYS
        x, y, yaw = (a + time**2 * (b - a) for a, b in zip(start, end, strict=True))
        rows.append((time, x, y, 0.0, yaw, 0.0, 0.0))
    return Motion(tuple(rows))


def _play(
    motion: Motion, start: tuple[float, ...], end: tuple[float, ...], **options: object
) -> Play:
    """A car with this motion, before a camera that drives evenly from one (x, y, z, yaw, pitch) to
    another."""
    body = Body("car", "car", "drive", options=options)
    camera = tuple(map(tuple, np.linspace(start, end, _CAMERA_KEYS).tolist()))
    return Play("garage", (body,), {"drive": motion}, camera)


DRIVE_PAST = _play(
    _drives((5.6, 3.4, 196.0), (-2.4, 1.1, 196.0)),
    (-8.4, -3.0, 1.8, 24, -7),
    (-6.8, -2.4, 1.8, 30, -8),
)
PARKED = _play(
    _stands(2.6, 0.4, 62.0),
    (-7.6, 1.6, 1.8, -6, -7),
    (-4.8, 1.2, 1.8, -9, -10),
    color="3f9a58",
)
DRIFT = _play(
    _stands(1.4, -1.8, 170.0),
    (-7.8, -3.6, 1.8, 12, -6),
    (-5.8, -3.2, 1.8, 12, -8),
    color="e9b824",
    trim="3a2417",
)
START = _play(
    _starts((3.0, -3.0, 118.0), (1.5, 0.6, 110.0)),
    (-7.8, -1.0, 1.8, -4, -6),
    (-6.2, -1.0, 1.8, 4, -8),
    color="2f6db5",
    roof=0.9,
)

DRIVE_PLAYS: dict[str, Play] = {
    "drive past": DRIVE_PAST,
    "parked": PARKED,
    "drift": DRIFT,
    "start": START,
}
