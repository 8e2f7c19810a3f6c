"""What the task sends to a model and how it scores; cases.json holds a question of each subtask."""

import hashlib
import json
from pathlib import Path

import pytest
from lmms_eval.tasks.multispa import utils
from lmms_eval.tasks.multispa.scorer.tasks import ROWS
from PIL import Image

CASES = json.loads((Path(__file__).parent / "cases.json").read_text(encoding="utf-8"))
SAID = [(case["doc"], said) for case in CASES for said in case["said"]]


@pytest.mark.parametrize("doc, said", SAID)
def test_each_answer_gets_its_verdict(doc, said):
    verdicts = utils.multispa_process_results(doc, [said["text"]])
    assert len(verdicts) == 2
    assert set(verdicts.values()) == {(doc["task"], said["correct"])}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_the_mean_is_that_of_the_rows(name):
    verdicts = [(task, False) for tasks in ROWS[name].values() for task in tasks]
    first = next(iter(ROWS[name].values()))
    right = [(task, task in first) for task, _ in verdicts]
    assert utils.multispa_mean(verdicts) == 0
    assert utils.multispa_mean(right) == pytest.approx(100 / len(ROWS[name]))
    assert utils.multispa_row([one for one in right if one[0] in first]) == 100
    half = [
        ("depth_comparison_dot", True),
        ("depth_comparison_dot", False),
        ("depth_comparison_coor", True),
    ]
    assert utils.multispa_row(half) == 75


@pytest.fixture
def doc(tmp_path, monkeypatch):
    Image.new("RGB", (4, 2), "red").save(tmp_path / "one.png")
    Image.new("RGB", (2, 4), "blue").save(tmp_path / "two.png")
    names = ["one.png", "two.png"]
    digests = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in names]
    monkeypatch.setenv(utils.ROOT, str(tmp_path))
    return {
        "question": "Image-1: <image>\nImage-2: <image>\nWhich way?",
        "image_paths": names,
        "image_sha256": digests,
    }


def test_pictures_stand_at_their_places(doc):
    (message,) = utils.multispa_doc_to_messages(doc)
    kinds = [part["type"] for part in message["content"]]
    assert kinds == ["text", "image", "text", "image", "text"]
    assert [part["url"].size for part in message["content"] if part["type"] == "image"] == [
        (4, 2),
        (2, 4),
    ]
    assert [part["text"] for part in message["content"] if part["type"] == "text"] == [
        "Image-1: ",
        "\nImage-2: ",
        "\nWhich way?",
    ]
    assert utils.multispa_doc_to_text(doc) == "Which way?"


def test_another_picture_and_one_that_is_not_there_are_refused(doc, tmp_path, monkeypatch):
    Image.new("RGB", (4, 2), "green").save(tmp_path / "one.png")
    with pytest.raises(ValueError, match="another picture"):
        utils.multispa_doc_to_visual(doc)
    (tmp_path / "one.png").unlink()
    with pytest.raises(FileNotFoundError, match="no such picture"):
        utils.multispa_doc_to_visual(doc)
    monkeypatch.delenv(utils.ROOT)
    with pytest.raises(FileNotFoundError, match="MULTISPA_ROOT is not set"):
        utils.multispa_doc_to_visual(doc)
