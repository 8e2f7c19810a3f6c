"""The readers of phones' captures as targets: archives whole, and the files of folders one by one.

`read` gets the damaged file and puts the others of its capture beside it.
"""

from __future__ import annotations

import functools
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import mutations
import numpy as np
import texts
from target import Target

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures import polycam as polycam_files
from spatial_engine.sample_data.captures import record3d as record3d_files
from spatial_engine.sample_data.captures import stray as stray_files
from spatial_engine.sample_data.captures import transforms as transforms_files
from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame
from spatial_engine.utils.capture_utils import polycam, record3d, stray, transforms
from spatial_engine.utils.capture_utils.codings import exr, lzfse
from spatial_engine.utils.geometry.cameras import camera_fault, is_rigid
from spatial_engine.utils.preparation.images import image_data

LIMIT = 4 * 12 * 16  # bytes of a depth image of the room


@functools.cache
def room() -> CaptureRoom:
    """A wall seen by three cameras beside each other."""
    random = np.random.default_rng(0)
    frames = []
    for number in range(3):
        pose = np.array([[1.0, 0, 0, 0.1 * number], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
        image = random.integers(0, 256, (48, 64, 3), np.uint8)
        depth = np.full((12, 16), 2.0, np.float32)
        K = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
        frames.append(RoomFrame(number, number / 10, image, depth, pose, K))
    return CaptureRoom(
        (64, 48), (16, 12), np.zeros((1, 3)), np.zeros((1, 3), np.uint8),
        np.zeros((0, 3), np.int32), np.zeros(1, np.int32), {}, frames,
    )  # fmt: skip


@functools.cache
def files_of(kind: str) -> dict[str, bytes]:
    """The files of the room in a format, by name within its folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if kind == "transforms":
            transforms_files.write(room(), folder, masks=True)
        elif kind == "transforms_npy":
            transforms_files.write(room(), folder, instant_ngp=True, by_frame=True, depth="npy")
        elif kind == "record3d":
            record3d_files.write(room(), folder)
        elif kind == "polycam":
            polycam_files.write(room(), folder)
        else:
            stray_files.write(room(), folder, by_frame=kind == "stray_cameras")
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def reader(module: ModuleType, kind: str, name: str) -> Callable[[Path], None]:
    """Reads the capture of which the damaged file is the file `name`."""

    def read(path: Path) -> None:
        folder = path.with_name("capture")
        for other, data in files_of(kind).items():
            target = folder / other
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        path.replace(folder / name)
        look(module, folder)

    return read


def archive(module: ModuleType) -> Callable[[Path], None]:
    return lambda path: look(module, path)


def look(module: ModuleType, path: Path) -> None:
    """Open a capture and read it through: it must be as its dataclass says."""
    module.looks_like(path)
    capture = module.open_capture(path)
    count = len(capture.numbers)
    assert count and (np.diff(capture.numbers) > 0).all()
    assert capture.poses.shape == (count, 4, 4) and is_rigid(capture.poses).all()
    assert all(camera_fault(matrix, capture.color_size) == "" for matrix in capture.intrinsics)
    for picture, number in zip(
        capture.images(capture.numbers.tolist()), capture.numbers, strict=True
    ):
        assert picture.number == number and picture.depth_mm.dtype == np.uint16
        if isinstance(picture.color, bytes):
            assert image_data.color_size(picture.color, "x", "y") == capture.color_size
        else:
            assert picture.color.shape == (*capture.color_size[::-1], 3)


def read_lzfse(path: Path) -> None:
    try:
        assert len(lzfse.decompress(path.read_bytes(), LIMIT)) <= LIMIT
    except lzfse.LzfseError as error:
        raise BadDataError(str(error)) from None


def read_exr(path: Path) -> None:
    image = exr.read_channel(path.read_bytes(), str(path), "get it")
    assert image.dtype == np.float32 and image.ndim == 2


def read_npy(path: Path) -> None:
    depth = image_data.depth_npy(path.read_bytes(), str(path), "get it")
    assert image_data.depth_mm(depth, 0.001).dtype == np.uint16


def one(kind: str, name: str) -> Callable[[], list[bytes]]:
    return lambda: [files_of(kind)[name]]


def zipped(kind: str) -> Callable[[], list[bytes]]:
    return lambda: [mutations.zip_of(files_of(kind))]


def lzfse_streams() -> list[bytes]:
    """Blocks of raw bytes and of LZVN; streams of the other kinds are in tests/captures_formats."""
    lzvn = b"\xe3abc\x08\x03\xe1d\x06" + bytes(7)
    block = b"bvxn" + np.array([13, len(lzvn)], "<u4").tobytes() + lzvn
    return [record3d_files.lzfse(bytes(range(200))), block + b"bvx$"]


def exr_images() -> list[bytes]:
    depth = room().frames[0].depth
    return [record3d_files.exr_image(depth), record3d_files.exr_image(depth, packed=False)]


def arrays() -> list[bytes]:
    file = io.BytesIO()
    np.save(file, room().frames[0].depth)
    return [file.getvalue()]


JSON = {"reshape": (mutations.json_tree,), "tokens": texts.JSON_TOKENS}
ZIP = {"binary": True, "tokens": texts.ZIP_TOKENS}
ROWS = {"tokens": (*texts.MATRIX_TOKENS, b",", b", ")}

PHONE_TARGETS: dict[str, Target] = {
    "transforms": Target(
        reader(transforms, "transforms", "transforms.json"),
        one("transforms", "transforms.json"),
        texts=texts.JSON,
        **JSON,
    ),
    "transforms_ngp": Target(
        reader(transforms, "transforms_npy", "transforms.json"),
        one("transforms_npy", "transforms.json"),
        tokens=(*texts.JSON_TOKENS, b"//", b"/*", b"*/", b"\\"),
    ),
    "record3d": Target(
        reader(record3d, "record3d", "metadata"), one("record3d", "metadata"), **JSON
    ),
    "r3d": Target(
        archive(record3d),
        zipped("record3d"),
        "x.r3d",
        reshape=(mutations.zip_members(lambda rng, data: mutations.damage(rng, data, [data], ())),),
        **ZIP,
    ),
    "polycam": Target(
        reader(polycam, "polycam", "keyframes/corrected_cameras/998100000.json"),
        one("polycam", "keyframes/corrected_cameras/998100000.json"),
        **JSON,
    ),
    "polycam_zip": Target(
        archive(polycam),
        zipped("polycam"),
        "x.zip",
        reshape=(mutations.zip_members(lambda rng, data: mutations.damage(rng, data, [data], ())),),
        **ZIP,
    ),
    "stray": Target(reader(stray, "stray", "odometry.csv"), one("stray", "odometry.csv"), **ROWS),
    "stray_cameras": Target(
        reader(stray, "stray_cameras", "odometry.csv"), one("stray_cameras", "odometry.csv"), **ROWS
    ),
    "stray_video": Target(
        reader(stray, "stray", "rgb.mp4"),
        one("stray", "rgb.mp4"),
        binary=True,
        memory_mb=1024,
        tokens=(b"moov", b"mdat", b"ftyp", b"stsz", b"#EXTM3U\n", b"\xff\xff\xff\xff"),
    ),
    "lzfse": Target(
        read_lzfse, lzfse_streams, binary=True, tokens=(b"bvx-", b"bvx1", b"bvx2", b"bvxn", b"bvx$")
    ),
    "exr": Target(read_exr, exr_images, binary=True, tokens=(b"dataWindow\0box2i\0",)),
    "depth_npy": Target(read_npy, arrays, reshape=(mutations.npy,), binary=True),
}
