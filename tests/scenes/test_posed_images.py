from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from helpers import raises_one_line, random_pose

from spatial_engine.errors import BadDataError
from spatial_engine.utils.pictures import png
from spatial_engine.utils.scenes import posed_images

EXTRACT = "extract_posed_images.py"
SHAPES = [(1, 1), (1, 7), (5, 1), (48, 64), (97, 33)]


def random_depth(rng, shape, noise: bool) -> np.ndarray:
    rows, columns = np.indices(shape)
    smooth = (rows * 37 + columns * 11) % 65536
    return (rng.integers(0, 65536, shape) if noise else smooth).astype(np.uint16)


def png_file(width, height, depth=16, kind=0, data=b"\0" * 10) -> bytes:
    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.fixture
def path(tmp_path):
    return tmp_path / "00005.png"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise", [False, True])
def test_depth_reads_back_exactly(path, shape, noise):
    depth = random_depth(np.random.default_rng(0), shape, noise)
    for image in (depth, np.zeros_like(depth), np.full_like(depth, 65535)):
        path.write_bytes(png.encode(image))
        size = (shape[1], shape[0])
        found = posed_images.read_depth(path, size)
        assert found.dtype == np.uint16
        np.testing.assert_array_equal(found, image)
        np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), image)
        assert posed_images.read_image_size(path) == size


def test_depth_written_by_other_tools_is_read(path):
    depth = random_depth(np.random.default_rng(1), (30, 40), True)
    for level in (0, 9):
        cv2.imwrite(str(path), depth, [cv2.IMWRITE_PNG_COMPRESSION, level])
        np.testing.assert_array_equal(posed_images.read_depth(path, (40, 30)), depth)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in depth)
    path.write_bytes(png_file(40, 30, data=rows))
    np.testing.assert_array_equal(posed_images.read_depth(path, (40, 30)), depth)


def test_a_depth_image_cut_at_any_length_is_never_taken_for_whole(path):
    for noise in (False, True):
        depth = random_depth(np.random.default_rng(2), (24, 32), noise)
        data = png.encode(depth)
        for length in range(len(data)):
            path.write_bytes(data[:length])
            with raises_one_line(BadDataError, path, EXTRACT):
                posed_images.read_depth(path, (32, 24))


def test_a_depth_image_with_a_part_missing_or_zeroed_is_refused(path):
    data = png.encode(random_depth(np.random.default_rng(3), (24, 32), True))
    end = len(data) - 12  # IEND
    for start in range(33, end, 97):
        for damaged in (data[:start] + data[end:], data[:start] + bytes(end - start) + data[end:]):
            path.write_bytes(damaged)
            with raises_one_line(BadDataError, path):
                posed_images.read_depth(path, (32, 24))


def test_a_wrong_bit_is_noticed_or_does_no_harm(path):
    depth = random_depth(np.random.default_rng(4), (12, 16), True)
    data = png.encode(depth)
    refused = 0
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            np.testing.assert_array_equal(posed_images.read_depth(path, (16, 12)), depth)
        except BadDataError:
            refused += 1
    assert refused > 0.9 * len(data)


def test_images_of_other_kinds_and_sizes_are_refused(path):
    image = random_depth(np.random.default_rng(5), (24, 32), False)
    others = {
        "8 bit": cv2.imencode(".png", image.astype(np.uint8))[1],
        "colour": cv2.imencode(".png", np.dstack([image] * 3))[1],
        "with alpha": cv2.imencode(".png", np.dstack([image] * 4))[1],
        "one bit": np.frombuffer(png_file(32, 24, 1, 0, b"\0" * 24 * 5), np.uint8),
        "palette": np.frombuffer(png_file(32, 24, 8, 3, b"\0" * 24 * 33), np.uint8),
        "jpeg": cv2.imencode(".jpg", image.astype(np.uint8))[1],
        "turned": cv2.imencode(".png", image.T)[1],
        "larger": cv2.imencode(".png", np.zeros((48, 64), np.uint16))[1],
        "text": np.frombuffer(b"a depth image\n" * 20, np.uint8),
    }
    for data in others.values():
        path.write_bytes(data.tobytes())
        with raises_one_line(BadDataError, path, "16-bit", "32x24"):
            posed_images.read_depth(path, (32, 24))
    path.unlink()
    with raises_one_line(BadDataError, path, "no such image"):
        posed_images.read_depth(path, (32, 24))


@pytest.mark.parametrize("size", [(0, 0), (2**31 - 1, 1), (16_384, 16_384), (40_000, 40_000)])
def test_a_vast_image_without_data_is_refused_even_where_its_size_is_expected(path, size):
    path.write_bytes(png_file(*size))
    with raises_one_line(BadDataError, path):
        posed_images.read_depth(path, size)


def peak_of_reading(path, size) -> int:
    """KiB that refusing an image takes, in a process of its own, since OpenCV takes them."""
    code = (
        "import sys; from pathlib import Path\n"
        "from spatial_engine.errors import BadDataError\n"
        "from spatial_engine.utils.scenes import posed_images\n"
        "status = Path('/proc/self/status')\n"
        "def peak(): return int(status.read_text().split('VmHWM:')[1].split()[0])\n"
        "before = peak()\n"
        "try: posed_images.read_depth(Path(sys.argv[1]), (int(sys.argv[2]), int(sys.argv[3])))\n"
        "except BadDataError: print(peak() - before)\n"
    )
    command = [sys.executable, "-c", code, str(path), *map(str, size)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="its memory is told by Linux")
def test_a_chunk_that_claims_half_a_gigabyte_takes_no_memory(path):
    data = bytearray(png_file(32, 24))
    place = data.index(b"IDAT") - 4
    data[place : place + 4] = (2**29).to_bytes(4, "big")
    path.write_bytes(data)
    assert peak_of_reading(path, (32, 24)) < 50_000


def test_colour_is_read_whole_or_not_at_all(path):
    rng = np.random.default_rng(6)
    image = cv2.GaussianBlur(rng.integers(0, 256, (48, 64, 3)).astype(np.uint8), (5, 5), 0)
    data = cv2.imencode(".jpg", image)[1].tobytes()
    path.write_bytes(data)
    found = posed_images.read_color(path)
    assert (found.shape, found.dtype) == ((48, 64, 3), np.uint8)
    assert np.abs(found.astype(int) - image).mean() < 10
    for length in range(0, len(data) - 2):  # the last two bytes only say that it ends
        path.write_bytes(data[:length])
        with raises_one_line(BadDataError, path, EXTRACT):
            posed_images.read_color(path)
    path.unlink()
    with raises_one_line(BadDataError, path, "no such image"):
        posed_images.read_color(path)


def test_image_size_of_what_is_no_image_is_refused(path):
    with raises_one_line(BadDataError, path, "no such image"):
        posed_images.read_image_size(path)
    for data in (b"", b"x" * 99, png_file(30, 20)[:20], png_file(100_000, 100_000)):
        path.write_bytes(data)
        with raises_one_line(BadDataError, path, EXTRACT):
            posed_images.read_image_size(path)


def test_matrices_read_back_as_the_same_floats(tmp_path):
    rng = np.random.default_rng(7)
    special = [-np.inf, np.inf, np.nan, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3, 1e16]
    pose = random_pose(rng)
    for matrix in (pose, np.resize(special, (4, 4)), np.full((4, 4), -np.inf)):
        (tmp_path / "00005.txt").write_text(posed_images.format_matrix(matrix))
        found = posed_images.read_pose(tmp_path, "00005")
        np.testing.assert_array_equal(found, matrix)
        assert np.array_equal(np.signbit(found), np.signbit(matrix))


def test_poses_of_another_form_are_refused(tmp_path):
    path = tmp_path / "00005.txt"
    with raises_one_line(BadDataError, path, "no such file"):
        posed_images.read_pose(tmp_path, "00005")
    for data in (b"", b"1 " * 9, b"1 " * 12, b"1 " * 15, b"1 " * 17, b"x " * 16, b"\xff" * 16):
        path.write_bytes(data)
        with raises_one_line(BadDataError, path):
            posed_images.read_pose(tmp_path, "00005")


def test_intrinsics_of_3x3_are_filled_up_and_others_are_refused(tmp_path):
    path = tmp_path / "intrinsic.txt"
    full = np.eye(4)
    full[:3, :3] = [[1170.2, 0, 647.7], [0, 1170.2, 483.7], [0, 0, 1]]
    for matrix, end in ((full, "\n"), (full[:3, :3], "\n"), (full[:3, :3], "\r\n")):
        path.write_bytes(posed_images.format_matrix(matrix).replace("\n", end).encode())
        np.testing.assert_array_equal(posed_images.read_intrinsic(tmp_path, (1296, 968)), full)
    for text in ("", "1 " * 12, "1 " * 8 + "nan", "inf " * 16, "1 " * 15 + "x", "é"):
        path.write_text(text)
        with raises_one_line(BadDataError, path):
            posed_images.read_intrinsic(tmp_path, (1296, 968))


def test_intrinsics_of_images_of_another_size_are_refused_with_both(tmp_path):
    path = tmp_path / "intrinsic.txt"
    path.write_text("1165.7 0 647.9\n0 1165.7 483.6\n0 0 1\n")
    for size in ((1296, 968), (1440, 1080), (1000, 800)):
        assert posed_images.read_intrinsic(tmp_path, size)[0, 2] == 647.9
    for width, height in ((648, 484), (640, 480), (320, 240), (968, 400)):
        with raises_one_line(BadDataError, path, "647.9", "483.6", f"{width}x{height}", EXTRACT):
            posed_images.read_intrinsic(tmp_path, (width, height))
    for text in ("1165.7 0 0\n0 1165.7 0\n647.9 483.6 1\n", "0.9 0 0.5\n0 1.2 0.5\n0 0 1\n",
                 "-1165.7 0 647.9\n0 -1165.7 483.6\n0 0 1\n"):  # fmt: skip
        path.write_text(text)
        with raises_one_line(BadDataError, path, "1296x968", EXTRACT):
            posed_images.read_intrinsic(tmp_path, (1296, 968))


@pytest.mark.filterwarnings("error")
def test_a_pose_that_is_no_rigid_motion_is_refused_and_one_of_six_digits_is_read(tmp_path):
    path, pose = tmp_path / "00005.txt", random_pose(np.random.default_rng(8))
    for digits in ("%.6f", "%.5e", "%.18e"):
        np.savetxt(path, pose.astype(np.float32), digits)
        np.testing.assert_allclose(posed_images.read_pose(tmp_path, "00005"), pose, atol=1e-5)
    for matrix in (pose.T, pose * 1000, pose * [1, 1, -1, 1], pose * [1.01, 1, 1, 1], pose * 1e300):
        np.savetxt(path, matrix)
        with raises_one_line(BadDataError, path, "not a rigid motion", EXTRACT):
            posed_images.read_pose(tmp_path, "00005")
    for matrix in (pose * [1, 0, 1, 1], pose * 0, pose[:, [0, 1, 1, 3]]):  # cannot be used, as lost
        np.savetxt(path, matrix)
        np.testing.assert_array_equal(posed_images.read_pose(tmp_path, "00005"), matrix)


def test_frames_are_listed_by_their_colour_image_and_step(tmp_path):
    numbers = [0, 3, 5, 10, 99995, 12]
    for name in [*(posed_images.frame_id(k) for k in numbers), "cover", "00007x", "-0005"]:
        (tmp_path / f"{name}.jpg").touch()
    for name in ("00020.png", "00020.txt", "intrinsic.txt", "00025.jpeg"):
        (tmp_path / name).touch()
    expected = ["00000", "00005", "00010", "99995"]
    assert posed_images.frames_among(os.listdir(tmp_path), 5, tmp_path) == expected
    assert len(posed_images.frames_among(os.listdir(tmp_path), 1, tmp_path)) == len(numbers)


def test_names_of_frames_stay_and_go_by_their_numbers(tmp_path):
    names = [f"{name}.jpg" for name in ("100", "00095", "5", "000010", "0", "7")]
    assert posed_images.frames_among(names, 5, tmp_path) == ["0", "5", "000010", "00095", "100"]
    assert posed_images.by_number(["100", "00095", "5"], tmp_path) == ["5", "00095", "100"]


def test_two_names_of_one_frame_are_refused_and_one_that_is_no_number(tmp_path):
    with raises_one_line(BadDataError, tmp_path, "00005 and 5 are both frame 5"):
        posed_images.frames_among(["5.jpg", "0.jpg", "00005.jpg"], 5, tmp_path)
    assert posed_images.frames_among(["7.jpg", "07.jpg", "0.jpg"], 5, tmp_path) == ["0"]
    for name in ("frame5", "-5", "٣", "5.0"):
        with raises_one_line(BadDataError, tmp_path, "not the number of a frame"):
            posed_images.by_number([name], tmp_path)
