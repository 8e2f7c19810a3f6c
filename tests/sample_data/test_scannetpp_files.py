"""Sample scenes of ScanNet++ as files: what the owners' tools and others' loaders rely on."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from scannetpp.hand_room import COLOR, SCENE, hand_room

from spatial_engine.sample_data.captures import scannetpp
from spatial_engine.sample_data.captures.scannetpp import DEFLATE, EXTRACTED, LZ4, STREAM, Quirks

ROOM = hand_room(4)
PIXELS = 192 * 256


@pytest.fixture
def scene(tmp_path):
    def write(**quirks) -> Path:
        scannetpp.write(ROOM, tmp_path / SCENE, Quirks(**quirks))
        return tmp_path / SCENE

    return write


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


SCANS = [
    f"scans/{name}"
    for name in (
        "mesh_aligned_0.05.ply", "mesh_aligned_0.05_mask.txt", "segments.json",
        "segments_anno.json",
    )
]  # fmt: skip


def test_a_download_has_its_files(scene):
    expected = ["iphone/depth.bin", "iphone/pose_intrinsic_imu.json", "iphone/rgb.mkv"]
    assert names(scene()) == expected + SCANS


def test_extracted_frames_are_numbered_from_0_with_six_digits(scene):
    folder = scene(color=EXTRACTED, depth=EXTRACTED, masks=EXTRACTED, more_frames=1)
    images = [
        f"iphone/{kind}/frame_{k:06d}.{ending}"
        for kind, ending in (("depth", "png"), ("rgb", "jpg"), ("rgb_masks", "png"))
        for k in range(5)
    ]
    assert names(folder) == sorted([*images, "iphone/pose_intrinsic_imu.json", *SCANS])
    depth = cv2.imread(str(folder / images[0]), cv2.IMREAD_UNCHANGED)
    assert (depth.shape, depth.dtype) == ((192, 256), np.uint16)
    mask = cv2.imread(str(folder / "iphone/rgb_masks/frame_000000.png"), cv2.IMREAD_UNCHANGED)
    assert mask.ndim == 2 and (mask == 255).all()


def test_entries_have_the_keys_of_the_owners_and_cameras_are_for_full_images(scene):
    entries = json.loads((scene() / "iphone/pose_intrinsic_imu.json").read_text())
    assert list(entries) == [f"frame_{k:06d}" for k in range(4)]
    for entry, frame in zip(entries.values(), ROOM.frames, strict=True):
        assert set(entry) == {"timestamp", "pose", "intrinsic", "imu", "aligned_pose"}
        np.testing.assert_array_equal(entry["aligned_pose"], frame.pose)
        assert np.abs(np.array(entry["pose"]) - frame.pose).max() > 0.1  # another world
        np.testing.assert_allclose(np.array(entry["intrinsic"])[0] * COLOR[0] / 1920, frame.K[0])
    assert [entry["timestamp"] for entry in entries.values()] == sorted(
        entry["timestamp"] for entry in entries.values()
    )


def test_lz4_blocks_hold_millimetres(scene):
    data = (scene(depth=LZ4) / "iphone/depth.bin").read_bytes()
    for frame in ROOM.frames:
        (size,) = struct.unpack("<I", data[:4])
        block, data = data[4 : 4 + size], data[4 + size :]
        assert size == 98_691 and block[0] == 0xF0
        depth = np.frombuffer(block[-2 * PIXELS :], "<u2").reshape(192, 256)
        np.testing.assert_array_equal(depth, np.rint(frame.depth * 1000))
    assert not data


def test_deflated_frames_and_streams_hold_metres(scene, tmp_path):
    data = (scene(depth=DEFLATE) / "iphone/depth.bin").read_bytes()
    whole = scannetpp.depth_bin([frame.depth for frame in ROOM.frames], STREAM)
    stream = zlib.decompress(whole, -15)
    for k, frame in enumerate(ROOM.frames):
        (size,) = struct.unpack("<I", data[:4])
        raw, data = zlib.decompress(data[4 : 4 + size], -15), data[4 + size :]
        np.testing.assert_array_equal(np.frombuffer(raw, "<f4"), frame.depth.ravel())
        assert stream[4 * PIXELS * k : 4 * PIXELS * (k + 1)] == raw
    assert not data and len(stream) == 4 * PIXELS * len(ROOM.frames)


def test_the_mesh_has_the_header_of_real_ones(scene):
    data = (scene() / "scans/mesh_aligned_0.05.ply").read_bytes()
    head, _, body = data.partition(b"end_header\n")
    assert head.decode().splitlines() == [
        "ply", "format binary_little_endian 1.0", "element vertex 100", "property float x",
        "property float y", "property float z", "property uchar red", "property uchar green",
        "property uchar blue", "element face 40", "property list uchar int vertex_indices",
    ]  # fmt: skip
    assert len(body) == 100 * 15 + 40 * 13


def test_every_vertex_is_a_segment_and_objects_count_from_1(scene):
    folder = scene(shared_vertices=True, removed=True)
    assert json.loads((folder / SCANS[2]).read_text())["segIndices"] == list(range(100))
    content = json.loads((folder / SCANS[3]).read_text())
    assert content["sceneId"] == f"scannetpp.{SCENE}" and content["appId"] == "stk.v1"
    groups = content["segGroups"]
    assert [group["objectId"] for group in groups] == [1, 2, 3, 4]
    assert [group["label"] for group in groups] == ["wall", "office chair", "cup", "remove"]
    keys = {"id", "objectId", "label", "segments", "obb", "dominantNormal", "partId", "index"}
    for group in groups:
        assert set(group) == keys
        box, points = group["obb"], ROOM.vertices[group["segments"]]
        axes = np.array(box["normalizedAxes"]).reshape(3, 3)  # rows
        reach = np.abs(axes.T) @ np.array(box["axesLengths"]) / 2
        np.testing.assert_allclose(np.array(box["centroid"]) - reach, box["min"])
        np.testing.assert_allclose(np.array(box["centroid"]) + reach, box["max"])
        np.testing.assert_allclose(points.min(0), box["min"])
    assert set(groups[2]["segments"]) < set(groups[0]["segments"])
