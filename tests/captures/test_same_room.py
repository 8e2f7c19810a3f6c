"""The comparison of captures with their room finds what readers get wrong."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from captures.same_room import Tolerance, check_same_room, differences
from scipy.spatial.transform import Rotation

from spatial_engine.sample_data.captures.room import CaptureRoom, make_room
from spatial_engine.sample_data.scannet.frames import encode_jpeg
from spatial_engine.utils.preparation.capture import AnnotatedMesh, Capture, MeshObject, Picture

OPENGL = np.diag([1.0, -1, -1, 1])
Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # of the z-up room


@pytest.fixture(scope="module")
def room() -> CaptureRoom:
    return make_room((96, 72), (48, 36), num_frames=6, focus=0.02)


def capture_of(room: CaptureRoom, world_from_room: np.ndarray | None = None) -> Capture:
    """The room as a faultless reader opens it, in a world of its own."""
    world = np.eye(4) if world_from_room is None else world_from_room

    def images(wanted) -> Iterator[Picture]:
        for frame in room.frames:
            if frame.number in wanted:
                depth_mm = np.round(frame.depth * 1000).astype(np.uint16)
                yield Picture(frame.number, encode_jpeg(frame.image), depth_mm)

    points = room.vertices @ world[:3, :3].T + world[:3, 3]
    objects = [MeshObject(number, label) for number, label in room.labels.items()]
    mesh = AnnotatedMesh(np.hstack([points, room.colors]), room.instances, objects)
    return Capture(
        numbers=np.array([frame.number for frame in room.frames]),
        poses=np.stack([world @ frame.pose for frame in room.frames]),
        intrinsics=np.stack([frame.K for frame in room.frames]),
        color_size=room.color_size,
        images=images,
        up=world[:3, 2],
        mesh=lambda: mesh,
    )


def with_images(capture: Capture, change: Callable[[Picture], Picture]) -> Capture:
    return replace(capture, images=lambda wanted: map(change, capture.images(wanted)))


def with_mesh(capture: Capture, **changes) -> Capture:
    mesh = replace(capture.mesh(), **changes)
    return replace(capture, mesh=lambda: mesh)


@pytest.mark.parametrize("turn", [(0, 0, 0), (0, 0, 70), (-90, 0, 0), (20, 130, 50)])
def test_a_room_is_itself_in_any_world(room, turn):
    world = np.eye(4)
    world[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    world[:3, 3] = (3, -20, 1.5)
    check_same_room(capture_of(room, world), room)


def test_what_a_format_does_not_hold_is_not_asked_for(room):
    check_same_room(replace(capture_of(room), up=None, mesh=None), room)
    few = replace(room, frames=room.frames[1::2])
    capture = replace(capture_of(few), numbers=np.array([10, 20, 30]))

    def images(wanted):
        for picture in capture_of(few).images([1, 3, 5]):
            if 5 * (picture.number + 1) in wanted:
                yield replace(picture, number=5 * (picture.number + 1))

    check_same_room(replace(capture, images=images), room, numbers={10: 1, 20: 3, 30: 5})


def test_a_world_of_other_units_is_the_room_where_they_are_told(room):
    capture, feet = capture_of(room), 1 / 0.3048
    capture.poses[:, :3, 3] *= feet
    mesh = capture.mesh()
    scaled = with_mesh(capture, points=mesh.points * ([feet] * 3 + [1] * 3))
    check_same_room(scaled, room, metres_per_unit=0.3048)
    assert any("poses: a camera is" in line for line in differences(scaled, room))


def transposed(poses: np.ndarray) -> np.ndarray:
    wrong = poses.copy()
    wrong[:, :3, :3] = np.swapaxes(poses[:, :3, :3], 1, 2)
    return wrong


@pytest.mark.parametrize(
    "change",
    [
        np.linalg.inv,
        lambda poses: poses @ OPENGL,
        lambda poses: OPENGL @ poses @ OPENGL,  # and a world turned over, as up shows too
        transposed,
        lambda poses: np.diag([1.0, 1, -1, 1]) @ poses,  # a mirrored world
        lambda poses: np.diag([1.0, 1, -1, 1]) @ poses @ np.diag([1.0, 1, -1, 1]),
        lambda poses: np.roll(poses, 1, axis=0),
    ],
    ids=["w2c", "opengl", "opengl both", "transposed", "mirrored", "left-handed", "neighbour"],
)
@pytest.mark.parametrize("world", [np.eye(4), Y_UP], ids=["z-up", "y-up"])
def test_wrong_poses_are_found(room, change, world):
    capture = capture_of(room, world)
    found = list(differences(replace(capture, poses=change(capture.poses), mesh=None), room))
    assert any(line.startswith("poses") for line in found)


def test_an_up_that_is_not_is_found(room):
    for up in ([0.0, 0, -1], [0.0, 1, 0], [0, np.sin(0.01), np.cos(0.01)], [0.0, 0, 2]):
        (line,) = differences(replace(capture_of(room), up=np.array(up)), room)
        assert line.startswith("up")


def test_intrinsics_of_other_images_are_found(room):
    capture = capture_of(room)
    half = np.diag([0.5, 0.5, 1.0]) @ capture.intrinsics
    swapped = capture.intrinsics.copy()
    swapped[:, :2, 2] = swapped[:, 1::-1, 2]
    first = np.repeat(capture.intrinsics[:1], len(capture.numbers), axis=0)
    for wrong in (half, swapped, first, np.swapaxes(capture.intrinsics, 1, 2)):
        (line,) = differences(replace(capture, intrinsics=wrong), room)
        assert line.startswith("intrinsics") and "pixels off" in line
    found = list(differences(replace(capture, color_size=room.depth_size), room))
    assert found[0].startswith("intrinsics: for images of (48, 36)")
    check_same_room(replace(capture, intrinsics=first), room, Tolerance(pixels=4))


def test_wrong_depth_is_found(room):
    capture = capture_of(room)
    changes = (
        lambda depth: depth // 5,
        lambda depth: np.round(depth * 1.003).astype(np.uint16),
        lambda depth: depth[:, ::-1],
        lambda depth: np.where(depth == 0, 65535, depth).astype(np.uint16),
        lambda depth: np.where(np.arange(48) == 7, 0, depth).astype(np.uint16),
        lambda depth: depth.astype(np.float32),
        lambda depth: cv2.resize(depth, (96, 72), interpolation=cv2.INTER_NEAREST),
    )
    for change in changes:
        wrong = with_images(capture, lambda p, f=change: replace(p, depth_mm=f(p.depth_mm)))
        found = list(differences(wrong, room))
        assert found and all(line.startswith("depth") for line in found)
    column = with_images(capture, lambda p: replace(p, depth_mm=changes[4](p.depth_mm)))
    check_same_room(column, room, Tolerance(depth_share=0.03))


def test_truncated_depth_is_within_a_millimetre(room):
    def cut(picture: Picture) -> Picture:
        depth = room.frames[picture.number].depth.astype(float) * 1000
        return replace(picture, depth_mm=depth.astype(np.uint16))

    capture = with_images(capture_of(room), cut)
    assert list(differences(capture, room))
    check_same_room(capture, room, Tolerance(depth_mm=1))


def test_wrong_pictures_are_found(room):
    capture = capture_of(room)
    changes = (
        lambda p: replace(p, color=room.frames[p.number].image),  # RGB, not BGR
        lambda p: replace(p, color=room.frames[p.number].image[:, ::-1, ::-1]),
        lambda p: replace(p, color=encode_jpeg(cv2.resize(room.frames[p.number].image, (48, 36)))),
        lambda p: replace(p, color=room.frames[(p.number + 1) % 6].image[..., ::-1]),
    )
    for change in changes:
        found = list(differences(with_images(capture, change), room))
        assert found and all(line.startswith("images") for line in found)
    plain = with_images(capture, lambda p: replace(p, color=room.frames[p.number].image[..., ::-1]))
    check_same_room(plain, room, Tolerance(color=0))


def test_wrong_frames_are_found(room):
    capture = capture_of(room)
    keep = slice(1, None)
    less = replace(
        capture,
        numbers=capture.numbers[keep],
        poses=capture.poses[keep],
        intrinsics=capture.intrinsics[keep],
    )
    assert next(differences(less, room)).startswith("frames: [1, 2, 3, 4, 5]")
    assert "shapes" in next(differences(replace(capture, poses=capture.poses[keep]), room))
    late = replace(capture, images=lambda wanted: reversed(list(capture.images(wanted))))
    assert all("wanted" in line for line in differences(late, room))
    everything = replace(capture, images=lambda wanted: capture.images(range(6)))
    assert list(differences(everything, room)) == [
        "images: of frames [0, 1, 2, 3, 4, 5], wanted [1, 4]"
    ]


def test_a_wrong_mesh_is_found(room):
    capture = capture_of(room)
    mesh = capture.mesh()
    moved = with_mesh(capture, points=mesh.points + ([0.001] * 3 + [0] * 3))
    assert [line[:14] for line in differences(moved, room)] == ["mesh: vertices"]
    gone = with_mesh(capture, points=mesh.points[1:], instances=mesh.instances[1:])
    assert "expected" in next(differences(gone, room))
    bgr = with_mesh(capture, points=mesh.points[:, [0, 1, 2, 5, 4, 3]])
    assert [line[:11] for line in differences(bgr, room)] == ["mesh: the c"]


def test_wrong_objects_are_found(room):
    capture = capture_of(room)
    mesh = capture.mesh()
    none = np.zeros_like(mesh.instances)
    for wrong in (
        with_mesh(capture, instances=mesh.instances - 1),
        with_mesh(capture, instances=np.minimum(mesh.instances, 5)),
        with_mesh(capture, instances=none, objects=[]),
        with_mesh(capture, instances=np.where(mesh.instances == 3, 0, mesh.instances)),
        with_mesh(capture, objects=mesh.objects[1:]),
        with_mesh(capture, objects=[*mesh.objects, MeshObject(99, "ghost")]),
        with_mesh(capture, objects=[replace(o, label=o.label.upper()) for o in mesh.objects]),
    ):
        found = list(differences(wrong, room))
        assert found and all(line.startswith("objects") for line in found)


def test_objects_may_bear_other_ids_and_be_fewer(room):
    capture = capture_of(room)
    mesh = capture.mesh()
    ids = {number: 3 * number + 5 for number in room.labels}
    table = np.array([0, *(ids[number] + 1 for number in sorted(ids))])
    objects = [MeshObject(ids[number], label) for number, label in room.labels.items()]
    other = with_mesh(capture, instances=table[mesh.instances], objects=objects)
    check_same_room(other, room)

    pictures = {number: "Picture" for number, label in room.labels.items() if label == "picture"}
    kept = np.isin(mesh.instances, [number + 1 for number in pictures])
    boxes = with_mesh(
        capture,
        instances=np.where(kept, mesh.instances, 0),
        objects=[MeshObject(number, label) for number, label in pictures.items()],
    )
    check_same_room(boxes, room, labels=pictures)
    stray = np.flatnonzero(~kept)[:3]
    boxes.mesh().instances[stray] = next(iter(pictures)) + 1
    assert [line[:8] for line in differences(boxes, room, labels=pictures)] == ["objects:"]
    check_same_room(boxes, room, Tolerance(vertex_share=0.005), labels=pictures)
