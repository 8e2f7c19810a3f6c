from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from helpers import plain_camera, raises_one_line

from spatial_engine.errors import BadDataError, EngineError
from spatial_engine.utils.scannet_utils import extract_posed_images
from spatial_engine.utils.scannet_utils.extract_posed_images import color_jpeg, to_millimetres
from spatial_engine.utils.scannet_utils.sens import SensFrame, SensHeader, SensReader, write_sens

SIZE = (64, 48)


def test_millimetres_stay_as_they_are():
    depth = np.random.default_rng(0).integers(0, 65536, (24, 32)).astype(np.uint16)
    np.testing.assert_array_equal(to_millimetres(depth, 1000.0), depth)


@pytest.mark.parametrize("shift", [1.0, 100.0, 500.0, 999.0, 1001.0, 4000.0, 5000.0, 10**6])
def test_other_shifts_are_rescaled_to_the_nearest_millimetre(shift):
    depth = np.arange(65536).astype(np.uint16).reshape(256, 256)
    found = to_millimetres(depth, shift)
    assert found.dtype == np.uint16
    exact = depth.astype(np.float64) * 1000 / shift
    fits = np.rint(exact) <= 65535
    assert (found[depth == 0] == 0).all()  # not measured stays so
    assert np.abs(found[fits] - exact[fits]).max(initial=0) <= 0.5 + 1e-9
    assert (found[~fits] == 65535).all()  # beyond what a PNG holds: never wrapped round


def test_the_input_of_the_rescaling_is_not_changed():
    depth = np.arange(100, dtype=np.uint16)
    to_millimetres(depth, 500.0)
    np.testing.assert_array_equal(depth, np.arange(100))


@pytest.fixture
def reader(tmp_path):
    """Opens a `.sens` without frames whose colour is stored in the given way."""
    opened = []

    def make(compression) -> SensReader:
        cameras = [plain_camera(SIZE)] * 4
        header = SensHeader(*cameras, SIZE, (4, 3), 0, color_compression=compression)
        write_sens(tmp_path / "x.sens", header, [])
        opened.append(SensReader(tmp_path / "x.sens"))
        return opened[-1]

    yield make
    for sens in opened:
        sens.__exit__()


def test_a_file_without_frames_is_refused(tmp_path, reader):
    path = reader("jpeg").path
    with raises_one_line(BadDataError, path, "holds no frames", "download the scene again"):
        extract_posed_images.extract_scene((path, 5), tmp_path)


def picture() -> np.ndarray:
    """(48, 64, 3) BGR: red left, blue right, smooth enough for JPEG."""
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    image[:, :32, 2] = 200
    image[:, 32:, 0] = 200
    return image


def frame_of(data: bytes) -> SensFrame:
    return SensFrame(np.eye(4), data, b"")


def test_stored_jpeg_bytes_are_kept_as_they_are(reader):
    data = cv2.imencode(".jpg", picture())[1].tobytes()
    assert color_jpeg(reader("jpeg"), 0, frame_of(data)) == data


@pytest.mark.parametrize("kind", ["raw", "png"])
def test_other_colour_becomes_a_jpeg_of_the_same_picture(reader, kind):
    if kind == "raw":
        data = picture()[..., ::-1].tobytes()  # red, green, blue
    else:
        data = cv2.imencode(".png", picture())[1].tobytes()
    jpeg = color_jpeg(reader(kind), 0, frame_of(data))
    assert jpeg[:2] + jpeg[-2:] == b"\xff\xd8\xff\xd9"
    found = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(found.astype(int) - picture()).mean() < 5


DAMAGED = {
    "jpeg": [b"", b"\xff", b"\0" * 50, cv2.imencode(".png", picture())[1].tobytes(),
             cv2.imencode(".jpg", picture()[:24, :32])[1].tobytes()],
    "png": [b"", b"x" * 50, cv2.imencode(".png", picture()[:20])[1].tobytes(),
            cv2.imencode(".png", picture())[1].tobytes()[:60]],
    "raw": [b"", picture().tobytes()[:-1], picture().tobytes() + b"\0", b"\xff\xd8"],
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGED)
def test_colour_that_is_not_what_the_header_says_names_file_and_frame(reader, kind):
    sens = reader(kind)
    for data in DAMAGED[kind]:
        with raises_one_line(BadDataError, sens.path, "frame 7"):
            color_jpeg(sens, 7, frame_of(data))


@pytest.mark.parametrize("skip", ["0", "-5"])
def test_a_frame_skip_that_is_no_step_is_refused_by_the_command(tmp_path, skip):
    lists = tmp_path / "data/scannet/meta_data"
    scan = tmp_path / "data/scannet/scans/scene0000_00"
    for folder in (lists, scan):
        folder.mkdir(parents=True)
    (lists / "scannetv2_train.txt").write_text("scene0000_00\n")
    write_sens(
        scan / "scene0000_00.sens", SensHeader(*[plain_camera(SIZE)] * 4, SIZE, (4, 3), 0), []
    )
    flags = ["--root", str(tmp_path), "--frame-skip", skip, "--num-workers", "1"]
    with pytest.raises((SystemExit, EngineError)) as refused:  # by argparse, or by our own
        extract_posed_images.main(flags)
    assert getattr(refused.value, "code", 2) == 2


@pytest.mark.parametrize("side", [20_000, 60_000])
def test_a_png_that_claims_another_size_takes_no_memory(reader, side):
    """Its blank lines take 3 kB for each MB that they unpack to."""
    data = bytearray(cv2.imencode(".png", picture())[1].tobytes())
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    lines = zlib.compress(bytes(16 * 2**20), 9)
    chunk = b"IDAT" + lines
    end = bytes(data[-12:])
    data[33:] = struct.pack(">I", len(lines)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + end
    sens = reader("png")
    with raises_one_line(BadDataError, sens.path, "frame 7"):
        color_jpeg(sens, 7, frame_of(bytes(data)))
