"""Questions about a user's own frames, and the answers as curves."""

from __future__ import annotations

import csv
import json
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.evaluation import ask_about_frames, plot_rewards
from spatial_engine.evaluation.asking.questions import Questions
from spatial_engine.evaluation.own_frames import curves, questions
from spatial_engine.evaluation.own_frames.frames import take_images, take_video
from spatial_engine.sample_data import clip_answers
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.questions import templates
from spatial_engine.utils.questions.records import read_jsonl, write_jsonl
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.storage import files

SIZE = (64, 48)


def picture(number: int) -> np.ndarray:
    """A picture whose brightness tells its number, darker on its left half."""
    image = np.full((SIZE[1], SIZE[0], 3), 20 + 10 * number, np.uint8)
    image[:, : SIZE[0] // 2] //= 2
    return image


@pytest.fixture
def images(tmp_path) -> list[Path]:
    paths = [tmp_path / f"shot{number}.jpg" for number in range(4)]
    for number, path in enumerate(paths):
        path.write_bytes(jpeg.encode(picture(number)))
    return paths


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("video") / "arm.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, SIZE)
    for number in range(12):
        writer.write(picture(number))
    writer.release()
    return path


def asked(folder: Path) -> list[dict]:
    return list(read_jsonl(folder / "questions.jsonl"))


def ask(folder: Path, *flags: object) -> list[dict]:
    assert ask_about_frames.main([*map(str, flags), "--output", str(folder)]) == 0
    return asked(folder)


def facts(record: dict) -> dict:
    return json.loads(record["extra"])


# Frames


def test_images_are_copied_as_they_are(images, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    frames = take_images(images[::-1], folder)
    assert [frame.name for frame in frames] == [f"{number:05d}.jpg" for number in range(4)]
    assert all(frame.size == SIZE and np.isnan(frame.seconds) for frame in frames)
    for path, frame in zip(images[::-1], frames, strict=True):
        assert (folder / frame.name).read_bytes() == path.read_bytes()
        assert not (folder / frame.name).samefile(path)


def test_an_image_that_its_file_says_to_turn_is_turned(images, tmp_path):
    """Servers show the pixels as stored; coordinates are of the picture as a person sees it."""
    turn = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x112, 3, 1, 6, 0, 0)  # a quarter turn
    data = images[0].read_bytes()
    segment = b"Exif\0\0" + turn
    length = struct.pack(">H", len(segment) + 2)
    images[0].write_bytes(data[:2] + b"\xff\xe1" + length + segment + data[2:])
    folder = tmp_path / "frames"
    folder.mkdir()
    (frame,) = take_images(images[:1], folder)
    assert frame.size == SIZE[::-1]
    written = cv2.imread(str(folder / frame.name), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert written.shape[:2] == SIZE
    assert written[: SIZE[0] // 4].mean() < written[-SIZE[0] // 4 :].mean() - 5  # dark left is up


def test_every_third_frame_of_a_video(video, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    frames = take_video(video, 3, folder)
    assert [frame.number for frame in frames] == [0, 3, 6, 9]
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.3, 0.6, 0.9])
    for frame in frames:
        right = cv2.imread(str(folder / frame.name))[8:-8, SIZE[0] * 3 // 4 :]
        assert abs(right.mean() - (20 + 10 * frame.number)) < 4


def test_files_that_are_none_are_named(video, images, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    with raises_one_line(MissingInputError, "no such image"):
        take_images([tmp_path / "none.jpg"], folder)
    (tmp_path / "text.jpg").write_text("no image")
    with raises_one_line(BadDataError, "text.jpg: is no image"):
        take_images([tmp_path / "text.jpg"], folder)
    (tmp_path / "empty.jpg").touch()
    with raises_one_line(BadDataError, "is no image"):
        take_images([tmp_path / "empty.jpg"], folder)
    with raises_one_line(BadDataError, "is no video"):
        take_video(tmp_path / "text.jpg", 1, folder)
    cut = tmp_path / "cut.mp4"
    data = bytearray(video.read_bytes())
    half = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 3
    data[half : data.index(b"moov") - 4] = bytes(data.index(b"moov") - 4 - half)
    cut.write_bytes(data)
    with raises_one_line(BadDataError, "cut.mp4"):
        take_video(cut, 1, folder)


# Questions


@pytest.mark.parametrize("name", sorted(questions.ASKABLE))
def test_every_task_is_asked_in_the_words_of_the_benchmark(name, images, tmp_path):
    found = ask(tmp_path / "own", *images, "--tasks", name, "--point", 16, 12)
    task = questions.ASKABLE[name]
    assert len(found) == (3 if task.num_images == 2 else 4)
    (plain,) = {
        text
        for variant in templates.check_file(templates.template_files()[task.sentences]).variants
        for text in variant.plain
    }  # fmt: skip
    said = plain.replace("{point}", "[ 250 , 250 ]") if task.num_points else plain
    for record in found:
        assert said in record["text"] and "{" not in record["text"]
        assert "gt_value" not in record and record["task"] == task.name
        assert (facts(record).get("p1") == [250, 250]) == bool(task.num_points)
    assert len({record["text"] for record in found}) == 1  # the frames alone differ
    checked = Questions.of(tmp_path / "own/questions.jsonl", tmp_path / "own")
    assert checked.count == len(found) and not checked.scored


def test_which_pairs_are_asked_about(images, tmp_path):
    wanted = {
        "first": [[0, 1], [0, 2], [0, 3]],
        "consecutive": [[0, 1], [1, 2], [2, 3]],
        "all": [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]],
    }
    for which, pairs in wanted.items():
        found = ask(tmp_path / which, *images, "--pairs", which)
        assert [facts(record)["frames"] for record in found] == pairs
        assert {record["task"] for record in found} == {"camera_total_distance"}
        assert len({record["id"] for record in found}) == len(found)


def test_points_of_each_frame(images, tmp_path):
    places = tmp_path / "points.txt"
    places.write_text("32 24\n\n0, 0\n63.9 47.9\n")
    found = ask(tmp_path / "own", *images, "--pairs", "consecutive", "--points", places)
    assert [(facts(r)["frames"], facts(r)["p1"]) for r in found] == [
        ([0, 1], [500, 500]), ([2, 3], [0, 0]),
    ]  # fmt: skip


def test_wordings_and_seeds(images, tmp_path):
    texts = {
        (wording, seed): ask(
            tmp_path / f"{wording}{seed}", *images, "--wording", wording, "--seed", seed
        )[0]["text"]
        for wording in ("plain", "seen", "heldout")
        for seed in (0, 1)
    }
    assert texts["heldout", 0] not in (texts["plain", 0], texts["seen", 0])
    assert texts["seen", 0] != texts["seen", 1]


@pytest.mark.parametrize(
    ("flags", "error", "told"),
    [
        (["--tasks", "depth_estimation_coor"], SettingsError, "give --point X Y"),
        (["--point", "64", "3"], SettingsError, "outside 00000.jpg"),
        (["--point", "1", "1", "--pairs", "all"], SettingsError, "give --points FILE"),
        (["--points", "POINTS"], BadDataError, "2 lines for 4 frames"),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(flags, error, told, images, tmp_path):
    (tmp_path / "POINTS").write_text("1 1\n2 2\n")
    flags = [str(tmp_path / flag) if flag == "POINTS" else flag for flag in flags]
    with raises_one_line(error, told):
        ask_about_frames.main([*map(str, images), *flags, "--output", str(tmp_path / "own")])
    assert not (tmp_path / "own/questions.jsonl").exists()


def test_frames_of_the_user_are_never_removed(images, tmp_path):
    own = tmp_path / "own/frames"
    own.mkdir(parents=True)
    (own / "precious.jpg").write_bytes(images[0].read_bytes())
    with raises_one_line(SettingsError, "not from here"):
        ask_about_frames.main([*map(str, images), "--output", str(own.parent)])
    assert (own / "precious.jpg").is_file()


def test_a_second_start_makes_the_same_bytes_and_fewer_frames(images, tmp_path):
    ask(tmp_path / "own", *images)
    first = (tmp_path / "own/questions.jsonl").read_bytes()
    ask(tmp_path / "own", *images)
    assert (tmp_path / "own/questions.jsonl").read_bytes() == first
    ask(tmp_path / "own", *images[:2])
    assert len(list((tmp_path / "own/frames").iterdir())) == 2


def test_a_run_that_ends_before_its_frames_are_there_is_made_again(images, tmp_path, monkeypatch):
    ask(tmp_path / "own", *images[:2])

    def killed(partial, path, sync=True):
        if path.name == "frames":
            raise KeyboardInterrupt
        put(partial, path, sync)

    put = files.put_in_place
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files, "put_in_place", killed)
        ask(tmp_path / "own", *images)
    assert not (tmp_path / "own/frames").exists()  # so the questions are refused
    with raises_one_line(MissingInputError, "no such image"):
        Questions.of(tmp_path / "own/questions.jsonl", tmp_path / "own")
    assert len(ask(tmp_path / "own", *images)) == 3
    assert len(list((tmp_path / "own/frames").iterdir())) == 4


# Curves


def predictions(folder: Path, said: dict[str, str], name: str = "model") -> Path:
    path = folder / "questions_predictions" / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    write_jsonl(path, ({"id": key, "prediction": text} for key, text in said.items()))
    return path


def plotted(path: Path) -> list[dict]:
    assert plot_rewards.main([str(path)]) == 0
    assert path.with_suffix(".rewards.png").read_bytes().startswith(b"\x89PNG")
    with open(path.with_suffix(".rewards.csv"), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_curve_of_pairs_with_the_first_frame(images, tmp_path, capsys):
    found = ask(tmp_path / "own", *images, "--point", 16, 12)
    said = {found[0]["id"]: "`100`", found[2]["id"]: "It moved 0.3 m."}
    table = plotted(predictions(tmp_path / "own", said))
    assert [(row["image_2"], row["value"], row["unread"]) for row in table] == [
        ("1", "100.0", ""), ("2", "", "missing"), ("3", "300.0", ""),
    ]  # fmt: skip
    assert "2 answers read, 1 without (missing)" in capsys.readouterr().out


def test_steps_are_added_up_and_vectors_measured(images, tmp_path):
    found = ask(tmp_path / "own", *images, "--pairs", "consecutive",
                "--tasks", "camera_total_distance", "camera_displacement_vector")  # fmt: skip
    texts = iter(["`10`", "`20`", "`5`", "`[ 3 , 4 , 0 ]`", "`[ 0 , 0 , 2 ]`", "no idea"])
    said = [curves.answered(record, next(texts)) for record in found]
    numbers, values, what = curves.curve(said[:3])
    assert numbers.tolist() == [1, 2, 3] and values.tolist() == [10, 30, 35] and what == "added up"
    _, values, _ = curves.curve(said[3:])
    assert values[:2].tolist() == [5, 7] and np.isnan(values[2])
    table = curves.rows("model", said)
    assert table[3][7:10] == [3, 4, 0] and table[5][10] and table[0][7:10] == ["", "", ""]


def test_depth_is_drawn_for_each_frame(images, tmp_path):
    found = ask(tmp_path / "own", *images, "--point", 5, 5, "--tasks", "depth_estimation_coor")
    said = [curves.answered(record, f"`{1000 + k}`") for k, record in enumerate(found)]
    numbers, values, what = curves.curve(said)
    assert numbers.tolist() == [0, 1, 2, 3] and values.tolist() == [1000, 1001, 1002, 1003]
    assert what == "in each frame"


def test_answers_in_words_have_no_curve(images, tmp_path):
    found = ask(tmp_path / "own", *images, "--tasks", "camera_x_movement")
    path = predictions(tmp_path / "own", {found[0]["id"]: "`left`"})
    with raises_one_line(SettingsError, "no question is answered by numbers"):
        plot_rewards.main([str(path)])


def test_the_truth_of_a_sample_clip(made_root, tmp_path):
    """Distances of a track, recomputed here from the arrays of the file."""
    clip = sorted((made_root / "data/tapvid3d_dataset/adt").glob("*.npz"))[0]
    with np.load(clip) as arrays:
        tracks, camera = arrays["tracks_XYZ"].astype(float), arrays["fx_fy_cx_cy"]
        pose = np.linalg.inv(arrays["extrinsics_w2c"].astype(float))
    shown = sorted((made_root / "data/my_tapvid3d_images" / clip.stem).glob("*.jpg"))
    pixels = tracks[0, :, :2] / tracks[0, :, 2:] * camera[:2] + camera[2:]
    height, width = cv2.imread(str(shown[0])).shape[:2]
    world = np.array([tracks[t] @ pose[t, :3, :3].T + pose[t, :3, 3] for t in range(len(shown))])
    ways = np.linalg.norm(world - world[0], axis=2)
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1) & (tracks[0, :, 2] > 0)
    inside &= np.isfinite(ways).all(axis=0)
    number = int(np.where(inside, np.nan_to_num(ways[-1]), -1).argmax())
    x, y = pixels[number]
    found = ask(tmp_path / "own", *shown, "--point", x, y)
    path = predictions(tmp_path / "own", {"x": "y"}, "truth")
    lines = ["--clip", clip, "--questions", tmp_path / "own/questions.jsonl", "--output", path]
    assert clip_answers.main(list(map(str, lines))) == 0
    table = plotted(path)
    assert len(table) == len(found) == len(shown) - 1
    values = [float(row["value"]) for row in table]
    assert values == pytest.approx((1000 * ways[1:, number]).tolist(), abs=1)
    assert TASKS[found[0]["task"]].sentences == table[0]["task"]
