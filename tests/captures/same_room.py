"""Whether a `Capture`, as the reader of a format opens it, is the room that its files were written
from. Tests of every format use it: `from captures.same_room import check_same_room`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame
from spatial_engine.utils.preparation.capture import Capture, Picture


@dataclass(frozen=True)
class Tolerance:
    """How far a format may round. The defaults are for one that stores depth in whole millimetres,
    all else with six decimals, and pictures as JPEG of quality 90."""

    metres: float = 1e-5  # of camera positions and vertices
    degrees: float = 1e-3  # of camera rotations and of up
    pixels: float = 1e-3  # of intrinsics
    depth_mm: float = 0.501
    depth_share: float = 0.0  # of an image's pixels whose depth may differ by more
    color: float = 6.0  # grey levels by which an image may differ in the mean
    vertex_share: float = 0.0  # of the vertices that may belong to another object


EXACT_ROUNDING = Tolerance()


def check_same_room(
    capture: Capture,
    room: CaptureRoom,
    tolerance: Tolerance = EXACT_ROUNDING,
    *,
    numbers: Mapping[int, int] | None = None,
    metres_per_unit: float = 1.0,
    labels: Mapping[int, str] | None = None,
) -> None:
    """Fail with all that differs, a line each.

    numbers: by number of a frame in the capture its number in the room (default: the same), for all
    frames that the capture must have. metres_per_unit: of its world. labels: by object id of the
    room what the capture must call it, for the objects that the format holds (default: all). Object
    ids may differ. A capture without mesh is not asked for one.
    """
    faults = list(differences(capture, room, tolerance, numbers, metres_per_unit, labels))
    assert not faults, "\n".join(faults)


def differences(
    capture: Capture,
    room: CaptureRoom,
    tolerance: Tolerance = EXACT_ROUNDING,
    numbers: Mapping[int, int] | None = None,
    metres_per_unit: float = 1.0,
    labels: Mapping[int, str] | None = None,
) -> Iterator[str]:
    """What differs, a line each; arguments as of `check_same_room`."""
    by_number = {frame.number: frame for frame in room.frames}
    if numbers is not None:
        by_number = {number: by_number[of_room] for number, of_room in numbers.items()}
    if capture.numbers.tolist() != sorted(by_number):
        yield f"frames: {capture.numbers.tolist()}, expected {sorted(by_number)}"
        return
    frames = [by_number[number] for number in sorted(by_number)]
    shapes = capture.poses.shape, capture.intrinsics.shape
    if shapes != ((len(frames), 4, 4), (len(frames), 3, 3)):
        yield f"shapes of poses and intrinsics for {len(frames)} frames: {shapes}"
        return
    scaled = capture.poses.copy()
    scaled[:, :3, 3] *= metres_per_unit
    room_from_world = aligned(scaled, np.stack([frame.pose for frame in frames]))
    yield from _poses(room_from_world @ scaled, frames, tolerance)
    yield from _up(capture, room_from_world, tolerance)
    yield from _intrinsics(capture, room, frames, tolerance)
    yield from _images(capture, by_number, capture.numbers.tolist(), tolerance)
    yield from _images(capture, by_number, capture.numbers[1::3].tolist(), tolerance)
    if capture.mesh is not None:
        mesh = capture.mesh()
        vertices = mesh.points[:, :3] * metres_per_unit
        vertices = vertices @ room_from_world[:3, :3].T + room_from_world[:3, 3]
        if len(vertices) != len(room.vertices):
            yield f"mesh: {len(vertices)} vertices, expected {len(room.vertices)}"
            return
        off = np.linalg.norm(vertices - room.vertices, axis=1).max()
        if not off <= tolerance.metres:
            yield f"mesh: vertices are up to {off:.6f} m beside their place"
        if not (mesh.points[:, 3:] == room.colors).all():
            yield "mesh: the colours of the vertices differ"
        names = {item.object_id: item.label for item in mesh.objects}
        held = room.labels if labels is None else labels
        yield from _objects(mesh.instances, names, room, held, tolerance)


def aligned(poses: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """(4, 4) rigid motion that, put before `poses` (n, 4, 4) world_from_cam, brings their rotations
    closest to those of `onto`, and their positions in the mean."""
    u, _, vt = np.linalg.svd(np.einsum("nij,nkj->ik", onto[:, :3, :3], poses[:, :3, :3]))
    motion = np.eye(4)
    motion[:3, :3] = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    motion[:3, 3] = onto[:, :3, 3].mean(0) - motion[:3, :3] @ poses[:, :3, 3].mean(0)
    return motion


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """Degrees between two rotations (3, 3); of what is none, by how far it is off in entries."""
    return float(np.degrees(2 * np.arcsin(min(np.linalg.norm(a - b) / np.sqrt(8), 1))))


def _poses(poses: np.ndarray, frames: list[RoomFrame], tolerance: Tolerance) -> Iterator[str]:
    metres = [np.linalg.norm(p[:3, 3] - f.pose[:3, 3]) for p, f in zip(poses, frames, strict=True)]
    degrees = [angle(p[:3, :3], f.pose[:3, :3]) for p, f in zip(poses, frames, strict=True)]
    if not (poses[:, 3] == (0, 0, 0, 1)).all():
        yield "poses: the last row is not 0 0 0 1"
    if not max(metres) <= tolerance.metres:
        worst = frames[int(np.argmax(metres))].number
        yield f"poses: a camera is {max(metres):.6f} m beside its place (frame {worst} of the room)"
    if not max(degrees) <= tolerance.degrees:
        worst = frames[int(np.argmax(degrees))].number
        yield f"poses: a camera is turned by {max(degrees):.4f} degrees (frame {worst} of the room)"


def _up(capture: Capture, room_from_world: np.ndarray, tolerance: Tolerance) -> Iterator[str]:
    if capture.up is None:
        return
    up = room_from_world[:3, :3] @ capture.up
    degrees = np.degrees(np.arctan2(np.linalg.norm(up[:2]), up[2]))
    if not degrees <= tolerance.degrees:
        yield f"up: {degrees:.4f} degrees beside the room's"
    if not np.isclose(np.linalg.norm(up), 1):
        yield f"up: {capture.up} is not of length 1"


def _intrinsics(
    capture: Capture, room: CaptureRoom, frames: list[RoomFrame], tolerance: Tolerance
) -> Iterator[str]:
    if capture.color_size != room.color_size:
        yield f"intrinsics: for images of {capture.color_size}, expected {room.color_size}"
    off = np.abs(capture.intrinsics - np.stack([frame.K for frame in frames])).max((1, 2))
    if not off.max() <= tolerance.pixels:
        worst = frames[int(off.argmax())].number
        yield f"intrinsics: {off.max():.4f} pixels off (frame {worst} of the room)"


def _images(
    capture: Capture, by_number: Mapping[int, RoomFrame], wanted: list[int], tolerance: Tolerance
) -> Iterator[str]:
    found = []
    alone = list(capture.depth_images(wanted))
    for picture, depth_mm in zip(capture.images(wanted), alone, strict=False):
        found.append(picture.number)
        if not np.array_equal(picture.depth_mm, depth_mm):
            yield f"frame {picture.number}: its depth alone differs from that of its picture"
        if picture.number in by_number:
            yield from _picture(capture, picture, by_number[picture.number], tolerance)
    if found != wanted:
        yield f"images: of frames {found}, wanted {wanted}"


def _picture(
    capture: Capture, picture: Picture, frame: RoomFrame, tolerance: Tolerance
) -> Iterator[str]:
    where = f"frame {frame.number} of the room"
    image = picture.color
    if isinstance(image, bytes):
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        image = cv2.imdecode(np.frombuffer(image, np.uint8), flags)
    if image.shape != frame.image.shape or image.shape[1::-1] != capture.color_size:
        yield f"images: of shape {image.shape}, expected {frame.image.shape} ({where})"
    else:
        off = np.abs(image[..., ::-1].astype(int) - frame.image).mean()
        if not off <= tolerance.color:
            yield f"images: colours differ by {off:.1f} in the mean ({where})"
    yield from _depth(picture.depth_mm, frame.depth, where, tolerance)


def _depth(
    depth_mm: np.ndarray, metres: np.ndarray, where: str, tolerance: Tolerance
) -> Iterator[str]:
    if depth_mm.shape != metres.shape or depth_mm.dtype != np.uint16:
        yield f"depth: {depth_mm.dtype} of shape {depth_mm.shape}, expected {metres.shape}"
        return
    expected = 1000 * metres.astype(float)
    wrong = np.abs(depth_mm - expected) > tolerance.depth_mm
    wrong |= (depth_mm == 0) != (expected == 0)
    if wrong.mean() > tolerance.depth_share:
        both = (depth_mm > 0) & (expected > 0)
        ratio = np.median(depth_mm[both] / expected[both]) if both.any() else np.nan
        yield f"depth: {wrong.mean():.3%} differ, {ratio:.4f} of the room's in the median ({where})"


def _objects(
    instances: np.ndarray,
    names: Mapping[int, str],
    room: CaptureRoom,
    labels: Mapping[int, str],
    tolerance: Tolerance,
) -> Iterator[str]:
    """Differences of the objects: each of the room has one of its own, with its label."""
    unknown = set(np.unique(instances[instances > 0]) - 1) - set(names)
    if unknown or (instances < 0).any():
        yield f"objects: instances name objects that are not there: {sorted(unknown)}"
    expected = np.zeros_like(instances)
    owner: dict[int, int] = {}
    for number, label in labels.items():
        own = room.instances == number + 1
        mark = int(np.bincount(np.maximum(instances[own], 0)).argmax())
        if mark == 0 or names.get(mark - 1) != label:
            yield f"objects: {label!r} (object {number} of the room) is {names.get(mark - 1)!r}"
        elif mark in owner:
            yield f"objects: {owner[mark]} and {number} of the room are one"
        owner[mark] = number
        expected[own] = mark
    if extra := sorted(names[number] for number in set(names) - {mark - 1 for mark in owner}):
        yield f"objects: not in the room: {extra}"
    share = (instances != expected).mean()
    if share > tolerance.vertex_share:
        yield f"objects: {share:.3%} of the vertices belong to another object"
