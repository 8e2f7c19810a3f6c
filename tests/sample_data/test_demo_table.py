"""The table at the end of the demo."""

from pathlib import Path

import pandas as pd
import pytest
from helpers import raises_one_line

from spatial_engine.errors import MissingInputError
from spatial_engine.sample_data import demo_table


@pytest.fixture
def root(tmp_path: Path) -> Path:
    def put(path: str, content: bytes) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)

    put("data/scannet/posed_images/scene0000_00/00000.jpg", b"x" * 1_000_000)
    put("data/scannet/posed_images/scene0001_00/00000.jpg", b"x" * 500_000)
    put("training_data/camera_movement/v1_0/x_movement_train.jsonl", b"{}\n" * 3)
    put("training_data/camera_movement/v1_0/x_movement_train.jsonl.meta.json", b"{}\n" * 50)
    put("training_data/camera_movement/v1_0/y_movement_train.jsonl", b"{}\n" * 1200)
    put("training_data/depth/v1_0/images/scene0000_00/1.jpg", b"x")
    put("evaluation_data/camera_movement/v1_0/x_movement_val.jsonl", b"{}\n" * 7)
    table = tmp_path / "training_data/camera_movement/train_camera_info_D5.parquet"
    pd.DataFrame({"overlap": range(45)}).to_parquet(table)
    return tmp_path


def test_sums_up_files_and_records_by_folder(root):
    rows = demo_table.collect(root)
    assert [(str(folder), row.files, row.records) for folder, row in rows.items()] == [
        ("data/scannet/posed_images", 2, 0),
        ("training_data/camera_movement", 1, 45),
        ("training_data/camera_movement/v1_0", 2, 1203),
        ("training_data/depth/v1_0/images", 1, 0),
        ("evaluation_data/camera_movement/v1_0", 1, 7),
    ]
    assert rows[Path("data/scannet/posed_images")].bytes == 1_500_000


def test_prints_totals_and_a_command_to_look(root, capsys):
    assert demo_table.main(["--root", str(root)]) == 0
    text = capsys.readouterr().out
    assert "evaluation_data/camera_movement/v1_0" in text and "1.5 MB" in text
    assert "1,203 questions for training" in text and "7 questions for evaluation" in text
    assert f"head -n 1 {root}/training_data/camera_movement/v1_0/x_movement_train.jsonl" in text


def test_an_empty_folder_is_an_error(tmp_path):
    with raises_one_line(MissingInputError, tmp_path, "run_demo.sh"):
        demo_table.main(["--root", str(tmp_path)])
