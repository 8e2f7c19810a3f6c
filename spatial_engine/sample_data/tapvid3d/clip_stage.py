"""A room with moving bodies at each frame of a clip: surfaces, poses, owners, light.

The world of an adt clip is the room's frame (z up); the world of a pstudio clip is its camera; that
of drivetrack has the axes of the room, and its origin far away.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache

import numpy as np

from spatial_engine.sample_data.materials.atlas import Atlas, build_atlas
from spatial_engine.sample_data.rendering.camera_path import camera_path, pose
from spatial_engine.sample_data.rendering.lighting import Light, bake
from spatial_engine.sample_data.rendering.surfaces import RayCaster, Surfaces, gather
from spatial_engine.sample_data.rooms.clip_rooms import CLIP_ROOMS
from spatial_engine.sample_data.rooms.moving_things import MOVING
from spatial_engine.sample_data.rooms.rooms import Layout, furnish
from spatial_engine.sample_data.rooms.solids import Thing, moved
from spatial_engine.sample_data.tapvid3d.clip_plays import PLAYS
from spatial_engine.sample_data.tapvid3d.clip_spec import Body, ClipSpec, Play

DRIVE_ORIGIN = (-2841.5, 1206.25, 31.75)  # the room's, in the world of drivetrack, metres


@dataclass(frozen=True)
class EmptyRoom:
    """A room without its bodies. The atlas holds the materials of all bodies of all its plays."""

    layout: Layout
    things: list[Thing]
    atlas: Atlas
    surfaces: Surfaces
    seed: int

    @cached_property
    def light(self) -> Light:
        """Light without any body, baked when first asked for."""
        rng = np.random.default_rng([self.seed, 1])
        caster = RayCaster(self.surfaces)
        return bake(self.surfaces, caster, self.layout.lamps, self.layout.height, rng)


@lru_cache(maxsize=4)
def empty_room(name: str, seed: int) -> EmptyRoom:
    """A room of `CLIP_ROOMS`; clips of one room share it."""
    layout = CLIP_ROOMS[name]
    things = furnish(layout, np.random.default_rng([seed, 0]))
    bodies = [body for play in PLAYS.values() if play.room == name for body in play.bodies]
    quads = [quad for thing in things for quad in thing.quads]
    quads += [quad for body in bodies for quad in body_thing(body).quads]
    atlas = build_atlas([quad.material for quad in quads], seed)
    return EmptyRoom(layout, things, atlas, gather(things, atlas), seed)


def body_thing(body: Body) -> Thing:
    """A body in the frame of its motion."""
    return Thing(body.name, moved(MOVING[body.kind](**body.options), body.turn, body.at))


def part(surfaces: Surfaces, quads: slice) -> Surfaces:
    """Some faces alone."""
    return Surfaces(**{f.name: getattr(surfaces, f.name)[quads] for f in fields(Surfaces)})


@dataclass(frozen=True)
class Stage:
    """All that is seen in a clip, by frame.

    rest: faces of room and bodies, bodies in the frames of their motions; owner (Q,): index of the
    body a face belongs to, -1 for the room; room_from_body (B, T, 4, 4); room_from_cam and
    cam_from_world (T, 4, 4); motion (B,): number of each body's motion, equal where two move alike.
    """

    spec: ClipSpec
    room: EmptyRoom
    play: Play
    rest: Surfaces
    owner: np.ndarray
    room_from_body: np.ndarray
    room_from_cam: np.ndarray
    cam_from_world: np.ndarray
    motion: np.ndarray

    @property
    def moving(self) -> slice:
        """The faces of the bodies: they come last."""
        return slice(len(self.room.surfaces), len(self.rest))

    def surfaces(self, frame: int) -> Surfaces:
        """All faces where they are at a frame, in the room's frame."""
        faces, owner = part(self.rest, self.moving), self.owner[self.moving]
        poses = self.room_from_body[owner, frame]
        turned = {
            name: np.einsum("qij,qj->qi", poses[:, :3, :3], getattr(faces, name))
            for name in ("right", "up", "normal")
        }
        turned["corners"] = np.einsum("qij,qkj->qki", poses[:, :3, :3], faces.corners)
        turned["corners"] += poses[:, None, :3, 3]
        start = self.moving.start
        joined = {
            name: np.concatenate([getattr(self.rest, name)[:start], value])
            for name, value in turned.items()
        }
        return replace(self.rest, **joined)

    def caster(self, frame: int) -> RayCaster:
        return RayCaster(self.surfaces(frame))


def build_stage(spec: ClipSpec) -> Stage:
    """The stage of a clip; light is not computed yet."""
    play = PLAYS[spec.play]
    room = empty_room(play.room, spec.seed)
    bodies = [body_thing(body) for body in play.bodies]
    rest = gather(room.things + bodies, room.atlas)
    names = list(play.motions)
    motion = np.array([names.index(body.motion) for body in play.bodies])
    times = np.linspace(0, 1, spec.num_frames)
    by_motion = np.stack([play.motions[name].poses(times) for name in names])
    room_from_cam = _camera_poses(spec, play)
    return Stage(
        spec=spec,
        room=room,
        play=play,
        rest=rest,
        owner=np.maximum(rest.thing - len(room.things), -1),
        room_from_body=by_motion[motion],
        room_from_cam=room_from_cam,
        cam_from_world=_cam_from_world(spec, room_from_cam),
        motion=motion,
    )


def _cam_from_world(spec: ClipSpec, room_from_cam: np.ndarray) -> np.ndarray:
    if spec.kind == "pstudio":
        return np.tile(np.eye(4), (spec.num_frames, 1, 1))
    cam_from_room = np.linalg.inv(room_from_cam)
    if spec.kind == "adt":
        return cam_from_room
    room_from_world = np.eye(4)
    room_from_world[:3, 3] = np.negative(DRIVE_ORIGIN)
    return cam_from_room @ room_from_world


def _camera_poses(spec: ClipSpec, play: Play) -> np.ndarray:
    """(T, 4, 4) room_from_cam."""
    if spec.kind == "pstudio":
        x, y, z, yaw, pitch = play.camera[0]
        return np.tile(pose(np.array([x, y, z]), yaw, pitch, 0.0), (spec.num_frames, 1, 1))
    return camera_path(np.array(play.camera), spec.num_frames, spec.generator("path"))
