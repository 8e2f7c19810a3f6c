"""The rooms of the sample clips, as data: an apartment, a small bright room, a capture dome, and a
garage.

Walls are numbered as in `layouts`. There is room on the floor: things move here.
"""

from __future__ import annotations

import numpy as np

from spatial_engine.sample_data.rooms.rooms import Layout, Opening, at, on

_OCTAGON = np.radians(np.arange(8) * 45 + 22.5)

APARTMENT = Layout(
    name="apartment",
    scene_type="Apartment",
    polygon=((-3.2, -2.6), (3.2, -2.6), (3.2, 2.6), (-3.2, 2.6)),
    height=2.6,
    floor="parquet:oak",
    walls=("plaster:e9dfc8", "brick:a85a44", "wallpaper:e6dcc8-6f9486", "plaster:cfdbe2"),
    ceiling="plaster:f3f1ec",
    openings=(
        Opening("window", 3, 1.7, 1.7, 0.85, 1.35, "hills"),
        Opening("door", 1, 0.5, 0.9, 0.0, 2.05, "walnut"),
    ),
    items=(
        on(2, "sofa", 2.1, gap=0.04, w=2.1, color="4f7a86", pillow="d98f3f"),
        on(2, "picture", 2.1, name="poster:mountains", z=1.35),
        on(2, "cabinet", 4.6, w=1.5, d=0.42, h=0.8, doors=3, kind="ash"),
        on(2, "picture", 4.6, name="poster:ship", z=1.3),
        at("rug", -1.0, -0.35, w=2.4, d=1.6, name="persian"),
        at("table", -1.1, 1.2, w=1.1, d=0.55, h=0.42, wood="walnut", label="coffee table"),
        at("table", 1.75, -0.55, w=1.5, d=0.9, wood="oak", label="dining table"),
        at("chair", 1.4, 0.15, 4, seat="fabric:4a6a54"),
        at("chair", 2.15, 0.12, -5, seat="fabric:4a6a54"),
        on(1, "picture", 3.2, name="poster:letters", z=1.2, w=0.66, h=0.88),
        on(0, "cabinet", 4.3, w=1.7, d=0.42, h=0.5, doors=3, kind="ash", label="tv stand"),
        on(0, "television", 4.3, w=1.15, z=0.5),
        on(0, "picture", 1.5, name="poster:bands", z=1.3, w=0.9, h=0.6),
        on(3, "plant", 0.45, gap=0.4, seed=4),
        on(3, "radiator", 2.55, w=1.2),
    ),
    lamps=((-1.0, -0.2), (1.7, -0.4)),
    path=(),
)

LITE = Layout(
    name="lite",
    scene_type="Apartment",
    polygon=((-2.2, -2.0), (2.2, -2.0), (2.2, 2.0), (-2.2, 2.0)),
    height=2.5,
    floor="carpet:9a948a",
    walls=("plaster:dfe5e8", "plaster:e8d9b8", "plaster:dfe5e8", "plaster:b9cdb4"),
    ceiling="plaster:f3f1ec",
    openings=(Opening("window", 2, 1.5, 1.4, 0.9, 1.2, "town"),),
    items=(
        at("table", 0.0, 0.1, w=1.7, d=1.0, wood="pine"),
        on(2, "cabinet", 0.7, w=1.0, d=0.4, h=0.9, doors=2, kind="cherry"),
        on(1, "picture", 2.0, name="poster:circles", z=1.3),
        on(3, "picture", 2.0, name="poster:map", z=1.25, w=0.9, h=0.68),
        on(0, "cabinet", 2.2, w=1.6, d=0.45, h=1.1, doors=3, kind="2f5d62"),
        at("stool", -1.35, -0.5, color="4a7a4f"),
    ),
    lamps=((0.0, 0.0),),
    path=(),
)

DOME = Layout(
    name="dome",
    scene_type="Studio",
    polygon=tuple((round(3.1 * np.cos(a), 4), round(3.1 * np.sin(a), 4)) for a in _OCTAGON),
    height=3.2,
    floor="carpet:6f7a80",
    walls=("plaster:b9c4cc", "plaster:c9ced1") * 4,
    ceiling="plaster:d8dcde",
    openings=(),
    items=(
        on(1, "whiteboard", 1.2, w=1.2, z=0.8),
        on(2, "picture", 1.2, name="poster:letters", z=1.0),
        on(3, "clock", 1.2, z=1.8),
        at("table", 1.35, 1.2, -20, w=0.9, d=0.6, wood="ash"),
        at("stool", -1.7, 1.3, color="4a7a4f"),
    ),
    lamps=((-0.9, -0.3), (0.9, -0.3)),
    path=(),
)

GARAGE = Layout(
    name="garage",
    scene_type="Garage",
    polygon=((-9.5, -6.0), (9.5, -6.0), (9.5, 6.0), (-9.5, 6.0)),
    height=3.4,
    floor="stone:8a8d92",
    walls=("plaster:c9ced1", "brick:a85a44", "plaster:b9c4cc", "plaster:cfdbe2"),
    ceiling="plaster:d8dcde",
    openings=(Opening("window", 2, 8.0, 3.0, 1.2, 1.4, "town"),),
    items=(
        at("pillar", -1.2, -2.6),
        at("pillar", -0.8, 2.6, color="b3372f"),
        at("pillar", 5.2, -2.6),
        at("parked_car", 7.2, 4.2, 90),
        at("parked_car", 6.6, -4.6, 85, color="f4efe2", trim="7a2f8a"),
        on(1, "picture", 6.0, name="poster:letters", z=1.2, w=1.6, h=1.2),
    ),
    lamps=((-6.0, 0.0), (0.0, 0.0), (6.0, 0.0)),
    path=(),
)

CLIP_ROOMS = {layout.name: layout for layout in (APARTMENT, LITE, DOME, GARAGE)}
# By kind of clip, the rooms that it is filmed in.
ROOMS_OF = {"adt": (APARTMENT, LITE), "pstudio": (DOME,), "drivetrack": (GARAGE,)}
