"""Exports and baselines of a benchmark in a file of one's own, `--benchmark FILE`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from frame_records import write_frame_records
from helpers import raises_one_line

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.evaluation import make_baselines, make_benchmark
from spatial_engine.exports import export_hub, export_lmms_eval, export_qwen, export_vlmevalkit
from spatial_engine.utils.paths import benchmark_path
from spatial_engine.utils.questions.record_files import read_uniform
from spatial_engine.utils.questions.records import write_jsonl

FRAMES = "multispa_frames"
EXPORTS = Path("evaluation_data/exports")
MAINS = {
    "vlmevalkit": (export_vlmevalkit.main,),
    "lmms_eval": (export_lmms_eval.main,),
    "hub": (export_hub.main, "--only-benchmark", "--num-workers", "1"),
    "qwen": (export_qwen.main, "--coordinates", "pixels", "--splits", "val"),
}


@pytest.fixture
def root(tmp_path) -> Path:
    """A root with the benchmark of three to eight frames, and a file of every third question."""
    root = tmp_path / "root"
    write_frame_records(root, 6)
    assert make_benchmark.main(["--root", str(root), "--name", FRAMES]) == 0
    records = list(read_uniform(benchmark_path(root, "v1_0", FRAMES)))
    write_jsonl(root / "multispa_third.jsonl", records[::3])
    return root


def run(name: str, root: Path, *flags: str | Path) -> int:
    main, *own = MAINS[name]
    return main(["--root", str(root), *own, *map(str, flags)])


def ids(path: Path) -> list[str]:
    return [record["id"] for record in read_uniform(path)]


def test_each_export_takes_the_file_and_is_named_after_it(root):
    given = root / "multispa_third.jsonl"
    for name in ("vlmevalkit", "lmms_eval", "hub"):
        assert run(name, root, "--benchmark", given) == 0
    table = pd.read_csv(root / EXPORTS / "vlmevalkit/MultiSPA_third.tsv", sep="\t")
    assert table["id"].tolist() == ids(given)
    text = (root / EXPORTS / "lmms_eval/multispa_third/multispa_third.yaml").read_text()
    task = yaml.safe_load(text.replace("!function ", ""))
    assert task["task"] == "multispa_third"
    assert task["dataset_kwargs"]["data_files"]["test"] == str(given)
    metrics = [metric["metric"] for metric in task["metric_list"]]
    assert metrics[0] == "multispa_frames_mean" and len(metrics) == 7
    (shard,) = (root / EXPORTS / "hub/multispa_third/data").glob("*.parquet")
    assert pq.read_table(shard)["id"].to_pylist() == ids(given)


def test_a_copy_in_pixels_is_made_of_the_file(root):
    records = [
        r for r in read_uniform(root / "multispa_third.jsonl") if "movement" not in r["task"]
    ]
    given = root / "multispa_still.jsonl"
    write_jsonl(given, records)  # the points of the others are not in sentences of the engine
    run("qwen", root, "--benchmark", given)
    assert ids(root / EXPORTS / "qwen/benchmarks/multispa_still.jsonl") == ids(given) != []


def test_baselines_of_the_file_lie_beside_it(root):
    given = root / "multispa_third.jsonl"
    assert make_baselines.main(["--root", str(root), "--benchmark", str(given)]) == 0
    folder = root / "multispa_third_baselines"
    assert (folder / "frames.json").is_file()  # as of the benchmark that has these tasks
    assert sorted(ids_of(folder / "truth.jsonl")) == sorted(ids(given))
    assert not (benchmark_path(root, "v1_0", FRAMES).parent / "baselines").exists()


def ids_of(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", ["vlmevalkit", "lmms_eval", "hub"])
def test_the_file_of_a_name_is_as_good_as_the_name(root, name):
    def bytes_below(folder: Path) -> dict[str, bytes]:
        found = (path for path in folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in found
            if not path.name.endswith(".meta.json")
        }

    assert run(name, root, "--name", FRAMES) == 0
    before = bytes_below(root / EXPORTS)
    shutil.rmtree(root / EXPORTS)
    assert run(name, root, "--benchmark", benchmark_path(root, "v1_0", FRAMES)) == 0
    assert bytes_below(root / EXPORTS) == before and before


@pytest.mark.parametrize("name", MAINS)
def test_a_file_that_would_take_the_place_of_another_is_refused(root, name, tmp_path):
    other = tmp_path / f"{FRAMES}.jsonl"
    shutil.copyfile(root / "multispa_third.jsonl", other)
    with raises_one_line(SettingsError, str(other), "take the place", "another name"):
        run(name, root, "--benchmark", other)
    with raises_one_line(MissingInputError, "no such file", "--benchmark"):
        run(name, root, "--benchmark", tmp_path / "none.jsonl")
    odd = tmp_path / "a b.jsonl"
    shutil.copyfile(root / "multispa_third.jsonl", odd)
    with raises_one_line(SettingsError, "a b", "another name"):
        run(name, root, "--benchmark", odd)
    assert not (root / EXPORTS).exists()


def test_a_name_by_which_vlmevalkit_would_score_in_another_way_is_refused(root):
    odd = root / "my_mmbench.jsonl"
    shutil.copyfile(root / "multispa_third.jsonl", odd)
    with raises_one_line(SettingsError, "mmbench", "another name"):
        run("vlmevalkit", root, "--benchmark", odd)


def test_flags_that_do_not_go_together_are_refused(root, capsys):
    given = ["--root", str(root), "--benchmark", str(root / "multispa_third.jsonl")]
    for main in (export_vlmevalkit.main, export_lmms_eval.main, make_baselines.main):
        with pytest.raises(SystemExit):
            main([*given, "--name", FRAMES])
        assert "not allowed with argument" in capsys.readouterr().err
    with raises_one_line(SettingsError, "--only-benchmark"):
        export_hub.main(given)
    with raises_one_line(SettingsError, "--coordinates pixels"):
        export_qwen.main(given)
