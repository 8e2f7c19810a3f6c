"""Frames of a video by number, whatever is wrong with it."""

from __future__ import annotations

import resource

import cv2
import numpy as np
import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures.scannetpp import write_video
from spatial_engine.utils.preparation.images import video

SIZE = (320, 260)
NUMBER = 30


def opened(path) -> video.Video:
    return video.Video(path, "get it again")


def marked_images(number: int = NUMBER) -> list[np.ndarray]:
    """Noise that shows its number as eight bright or dark squares."""
    images = []
    for k in range(number):
        image = np.random.default_rng(k).integers(0, 60, (*SIZE[::-1], 3)).astype(np.uint8)
        for bit in range(8):
            image[:40, 40 * bit : 40 * bit + 40] = 255 * (k >> bit & 1)
        images.append(image)
    return images


def shown(image: np.ndarray) -> int:
    return sum(int(image[20, 40 * bit + 20].mean() > 128) << bit for bit in range(8))


def coded(path, codec: str, images) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), 60, SIZE)
    for image in images:
        writer.write(image)
    writer.release()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rgb.mkv"


def test_wanted_frames_are_exact(path):
    images = marked_images()
    write_video(path, SIZE, images)
    found = opened(path)
    assert found.size == SIZE and found.count == NUMBER
    for wanted in (range(NUMBER), [0], [NUMBER - 1], [3, 4, 17], []):
        for number, image in zip(wanted, found.read(wanted), strict=True):
            np.testing.assert_array_equal(image, images[number])


@pytest.mark.parametrize("codec, ending", [("MJPG", "mkv"), ("mp4v", "mkv"), ("mp4v", "mp4")])
def test_other_codecs_and_containers(tmp_path, codec, ending):
    path = tmp_path / f"rgb.{ending}"
    coded(path, codec, marked_images())
    wanted = [0, 1, 12, 28]
    assert [shown(image) for image in opened(path).read(wanted)] == wanted


def test_a_note_that_images_are_to_be_turned_is_not_followed(tmp_path, monkeypatch):
    path = tmp_path / "rgb.mp4"
    data = bytearray(coded(path, "mp4v", marked_images(3)))
    upright = np.array([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000], ">i4").tobytes()
    turned = np.array([0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000], ">i4").tobytes()
    place = data.index(upright, data.index(b"tkhd"))
    data[place : place + len(turned)] = turned
    path.write_bytes(data)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    assert capture.read()[1].shape == (*SIZE, 3)  # what OpenCV makes of it by itself
    found = opened(path)
    assert found.size == SIZE and [shown(image) for image in found.read([1, 2])] == [1, 2]


def test_a_video_that_ends_early_is_told_before_anything_is_decoded(path, monkeypatch):
    write_video(path, SIZE, marked_images())
    found = opened(path)
    assert len(list(found.read([29]))) == 1
    with raises_one_line(BadDataError, path, "ends after 30 frames, before frame 40"):
        next(found.read([0, 40]))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_cut_off_gives_the_frames_before_or_is_told(path, share):
    images = marked_images()
    write_video(path, SIZE, images)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    there = int(share * NUMBER) - 3
    for number, image in enumerate(opened(path).read(range(there))):
        np.testing.assert_array_equal(image, images[number])
    with raises_one_line(BadDataError, path):
        list(opened(path).read([NUMBER - 1]))


@pytest.mark.parametrize("length", [0, 4, 40, 300])
def test_a_file_cut_off_in_its_header_is_told(path, length):
    write_video(path, SIZE, marked_images(3))
    path.write_bytes(path.read_bytes()[:length])
    with raises_one_line(BadDataError, path):
        list(opened(path).read([0]))


def test_frames_that_the_decoder_jumps_over_move_no_number(path, monkeypatch):
    """As a damaged key frame of HEVC makes FFmpeg jump to the next one, without a word."""
    write_video(path, SIZE, marked_images())

    class Jumping:
        def __init__(self, *arguments):
            self.inner, self.grabbed = opencv(*arguments), 0

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def grab(self):
            self.grabbed += 1
            if self.grabbed == 6 and self.inner.get(cv2.CAP_PROP_FORMAT) != -1:
                for _ in range(4):
                    self.inner.grab()
            return self.inner.grab()

    opencv = cv2.VideoCapture
    monkeypatch.setattr(video.cv2, "VideoCapture", Jumping)
    found = opened(path)
    assert [shown(image) for image in found.read([2, 4, 9, 20])] == [2, 4, 9, 20]
    with raises_one_line(BadDataError, path, "frame 7 cannot be decoded"):
        list(found.read([2, 7]))


def claiming(data: bytes, width: int, height: int) -> bytes:
    """A Matroska file that says that its images are of another size."""
    for mark, side, claimed in ((b"\xb0\x82", SIZE[0], width), (b"\xba\x82", SIZE[1], height)):
        assert data.count(mark + side.to_bytes(2, "big")) == 1
        data = data.replace(mark + side.to_bytes(2, "big"), mark + claimed.to_bytes(2, "big"))
    return data


@pytest.mark.parametrize("size", [(16_000, 16_000), (65_000, 65_000), (5_000, 260), (0, 0)])
def test_a_size_that_no_phone_has_is_refused_before_memory_is_taken(path, size):
    write_video(path, SIZE, marked_images(3))
    path.write_bytes(claiming(path.read_bytes(), *size))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with raises_one_line(BadDataError, path):
        opened(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize("number", [0, 1])
def test_images_of_another_size_than_the_file_says_are_refused(path, number):
    """JPEG images of 16000x16000 pixels in a video of 320x260, from the given one on."""
    data = bytearray(coded(path, "MJPG", marked_images(4)))
    marks = [k for k in range(len(data)) if data.startswith(b"\xff\xc0\x00\x11\x08", k)]
    for mark in marks[number:]:
        data[mark + 5 : mark + 9] = (16_000).to_bytes(2, "big") * 2
    path.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with raises_one_line(BadDataError, path):
        list(opened(path).read([number]))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


OTHERS = {
    "a list of files": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "a list to join": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "a web page": b"<html><body>no</body></html>",
    "an AVI": b"RIFF\0\0\0\0AVI LIST" + bytes(100),
    "noise": np.random.default_rng(0).bytes(1000),
    "the mark alone": b"\x1a\x45\xdf\xa3",
    "the mark and noise": b"\x1a\x45\xdf\xa3" + np.random.default_rng(0).bytes(1000),
    "mp4 and noise": b"\0\0\0\x20ftypisom" + np.random.default_rng(0).bytes(1000),
    "a picture": cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes(),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_refused_in_one_line_and_nothing_is_printed(path, name, capfd):
    path.write_bytes(OTHERS[name])
    with raises_one_line(BadDataError, path):
        opened(path)
    assert capfd.readouterr() == ("", "")


def test_no_file_is_told(path):
    with raises_one_line(BadDataError, path, "no such file"):
        opened(path)


def test_flipped_bytes_raise_no_error_but_ours(path):
    coded(path, "MJPG", marked_images(4))
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = {"read": 0, "refused": 0}
    for k in range(60):
        flipped = bytearray(data)
        for place in rng.integers(0, 700 if k % 2 else len(data), 4):
            flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            list(opened(path).read([0, 2]))
            outcomes["read"] += 1
        except BadDataError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 5, outcomes
