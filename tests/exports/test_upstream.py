"""Folders for pull requests: their scorer is ours, and they run without the engine."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from hashlib import md5, sha256
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import REPOSITORY
from frame_records import write_frame_records
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.evaluation import make_benchmark
from spatial_engine.evaluation.predictions import Predictions
from spatial_engine.evaluation.results import MEAN, score_model
from spatial_engine.evaluation.rewards import solution_of
from spatial_engine.evaluation.scoring import score_record
from spatial_engine.exports import export_lmms_eval, export_vlmevalkit
from spatial_engine.exports.upstream import scorer_copy
from spatial_engine.utils.paths import BENCHMARKS, benchmark_path
from spatial_engine.utils.questions.plain_record import answer_of
from spatial_engine.utils.questions.record_files import read_uniform
from spatial_engine.utils.questions.tasks import BENCHMARKS as BY_NAME
from spatial_engine.utils.questions.tasks import TASKS, metric_name

FRAMES = "multispa_frames"
WAYS = (
    "`{right}`", "`{other}`", "I looked closely. The answer is {right}.", "**{other}**",
    "I cannot tell from these images.", "", "It is `{right}` or `{other}`.", "{right} m",
    "<think>{other}?</think>{right}",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(made_root, tmp_path_factory) -> Path:
    """Both benchmarks, and the images of their records."""
    root = tmp_path_factory.mktemp("upstream") / "root"
    for name in ("data", "evaluation_data"):
        shutil.copytree(made_root / name, root / name, copy_function=os.link)
    assert make_benchmark.main(["--root", str(root)]) == 0
    write_frame_records(root, 6)
    assert make_benchmark.main(["--root", str(root), "--name", FRAMES]) == 0
    return root


@pytest.fixture(scope="module")
def lmms_eval(root, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lmms_eval")
    flags = ["--upstream", str(folder), "--hub", "someone/"]
    assert export_lmms_eval.main(["--root", str(root), *flags]) == 0
    return folder


@pytest.fixture(scope="module")
def vlmevalkit(root, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("vlmevalkit")
    flags = ["--upstream", str(folder), "--url", "https://example.org/tables/"]
    assert export_vlmevalkit.main(["--root", str(root), *flags]) == 0
    return folder


def records_of(root: Path, name: str) -> list[dict]:
    return list(read_uniform(benchmark_path(root, "v1_0", name)))


def answers(records: list[dict]) -> list[list[str]]:
    """What is said to each record, in every way."""
    right = [answer_of(record) for record in records]
    other = [*right[1:], right[0]]
    pairs = zip(right, other, strict=True)
    return [[way.format(right=mine, other=its) for way in WAYS] for mine, its in pairs]


def run_alone(folder: Path, code: str, given: object = None) -> object:
    """What a program prints as JSON that has `folder` and the standard library, not the engine."""
    line = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, sys.argv[1])\n{code}",
    ]
    done = subprocess.run(
        [*line, str(folder)], input=json.dumps(given), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# The scorer


SCORE = """
import json
from PACKAGE.scoring import score_record
from PACKAGE.rows import mean_of_rows, row_scores
from PACKAGE.tasks import ROWS
found = {}
for name, given in json.load(sys.stdin).items():
    scores = [[score_record(record, text) for text in said] for record, said in given]
    told = [[[s.task, s.correct, s.parsed, s.unread, s.measures] for s in some] for some in scores]
    one_each = [some[n % len(some)] for n, some in enumerate(scores)]
    verdicts = [(score.task, score.correct) for score in one_each]
    rows = row_scores(verdicts, ROWS[name])
    found[name] = [told, rows, mean_of_rows(verdicts, ROWS[name])]
outside = sorted({x.split(".")[0] for x in sys.modules} - {*sys.stdlib_module_names, "__main__"})
print(json.dumps([found, outside]))
"""


@pytest.mark.parametrize("form", ["uniform", "what scoring needs"])
def test_the_copy_scores_every_answer_as_the_scorer_does(root, lmms_eval, form):
    records = {name: records_of(root, name) for name in BENCHMARKS}
    said = {name: answers(some) for name, some in records.items()}
    given = {
        name: [
            [json.loads(solution_of(record)) if form != "uniform" else record, texts]
            for record, texts in zip(records[name], said[name], strict=True)
        ]
        for name in BENCHMARKS
    }
    scorer = "lmms_eval.tasks.multispa.scorer"
    found, outside = run_alone(lmms_eval, SCORE.replace("PACKAGE", scorer), given)
    assert outside == ["lmms_eval"]
    for name, (told, rows, mean) in found.items():
        assert {record["task"] for record in records[name]} <= BY_NAME[name].tasks.keys()
        kinds = set()
        for record, texts, scores in zip(records[name], said[name], told, strict=True):
            for text, score in zip(texts, scores, strict=True):
                ours = score_record(record, text)
                assert score == [
                    ours.task, ours.correct, ours.parsed, ours.unread, ours.measures
                ], (record["id"], text)  # fmt: skip
                kinds.add((ours.correct, ours.parsed is None))
        assert kinds == {(True, False), (False, False), (False, True)}
        mixed = {r["id"]: said[name][n][n % len(WAYS)] for n, r in enumerate(records[name])}
        compare(rows | {MEAN: mean}, records[name], mixed)


def compare(rows: dict[str, float], records: list[dict], said: dict[str, str]) -> None:
    """The rows and their mean are those of score_predictions.py."""
    results = score_model(records, Predictions(said, {}, 0))
    ours = {line.name: line.score for line in results.rows if line.questions}
    assert rows.keys() == ours.keys()
    assert len({*ours.values()}) > 1
    assert all(abs(rows[name] - ours[name]) <= 1e-9 for name in ours)


def test_tasks_of_the_copy_are_those_of_the_engine(tmp_path):
    for name, text in scorer_copy.scorer_files().items():
        (tmp_path / "scorer").mkdir(exist_ok=True)
        (tmp_path / "scorer" / name).write_text(text, encoding="utf-8")
    names = ("name", "answer", "unit", "bare", "form", "num_numbers", "of_frames")
    code = f"""
import json
from scorer.tasks import ROWS, TASKS, metric_name
told = {{n: [*(getattr(t, x) for x in {names}), *t.options] for n, t in TASKS.items()}}
print(json.dumps([told, ROWS, [metric_name(row) for rows in ROWS.values() for row in rows]]))
"""
    told, rows, metrics = run_alone(tmp_path, code)
    ours = {n: [*(getattr(t, x) for x in names), *t.options] for n, t in TASKS.items()}
    assert told == ours
    assert rows == {name: benchmark.rows for name, benchmark in BY_NAME.items()}
    assert metrics == [metric_name(row) for one in BY_NAME.values() for row in one.rows]


def test_a_module_that_imports_what_has_no_copy_is_refused():
    text = "from spatial_engine.evaluation.rewards import reward\n"
    with raises_one_line(BadDataError, "x.py", "no copy"):
        scorer_copy._within("x.py", text, {"scoring"})


# lmms-eval


class _Loader(yaml.SafeLoader):
    """Reads `!function utils.name` as its name."""


_Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def yaml_of(path: Path) -> dict:
    return yaml.load(path.read_text(encoding="utf-8"), _Loader)


def test_the_tasks_of_lmms_eval_have_metrics_of_all_rows_and_functions_that_are_there(lmms_eval):
    task = lmms_eval / "lmms_eval/tasks/multispa"
    defined = {
        node.name
        for node in ast.parse((task / "utils.py").read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    template = yaml_of(task / "_default_template_yaml")
    for name, benchmark in BY_NAME.items():
        told = yaml_of(task / f"{name}.yaml")
        assert told["include"] == "_default_template_yaml"
        assert (told["task"], told["dataset_path"]) == (name, f"someone/{name}")
        metrics = [metric["metric"] for metric in told["metric_list"]]
        assert metrics == [f"{name}_mean", *map(metric_name, benchmark.rows)]
        functions = [metric["aggregation"] for metric in told["metric_list"]]
        functions += [value for key, value in template.items() if key.startswith(("doc_", "proc"))]
        assert {name.removeprefix("utils.") for name in functions} <= defined
    assert yaml_of(task / "multispa_all.yaml") == {"group": "multispa_all", "task": [*BENCHMARKS]}
    readme = (task / "README.md").read_text(encoding="utf-8")
    assert "someone/multispa" in readme and not re.search(r"\b(DATASETS|TABLE|TASKS)\b", readme)


def test_the_tests_of_the_task_pass_without_the_engine(lmms_eval, tmp_path):
    copy = tmp_path / "checkout"
    shutil.copytree(lmms_eval, copy)
    tests = copy / "lmms_eval/tasks/multispa/tests"
    done = run_tests_of(tests, copy)
    assert re.search(r"\b(\d{2,}) passed", done.stdout) and done.returncode == 0, done.stdout
    cases = json.loads((tests / "cases.json").read_text())
    assert {case["doc"]["task"] for case in cases} >= BY_NAME[FRAMES].tasks.keys()
    cases[0]["said"][0]["correct"] = not cases[0]["said"][0]["correct"]
    (tests / "cases.json").write_text(json.dumps(cases))
    assert "1 failed" in run_tests_of(tests, copy).stdout


def run_tests_of(tests: Path, folder: Path) -> subprocess.CompletedProcess:
    blocked = "import sys; sys.modules['spatial_engine'] = sys.modules['orjson'] = None\n"
    (tests / "conftest.py").write_text(blocked)
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
    return subprocess.run(
        line, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True,
        text=True, timeout=600,
    )  # fmt: skip


# VLMEvalKit


def test_tables_hold_no_picture_and_are_those_of_the_class(root, vlmevalkit):
    code = (vlmevalkit / "vlmeval/dataset/multispa.py").read_text(encoding="utf-8")
    for name, table_name in (("multispa", "MultiSPA"), (FRAMES, "MultiSPA_frames")):
        path = vlmevalkit / f"{table_name}.tsv"
        assert f'"{table_name}": "https://example.org/tables/{table_name}.tsv"' in code
        assert f'"{table_name}": "{md5(path.read_bytes()).hexdigest()}"' in code
        table = pd.read_csv(path, sep="\t")
        records = records_of(root, name)
        assert table["index"].tolist() == list(range(len(records)))
        assert table["id"].tolist() == [record["id"] for record in records]
        assert "image" not in table and "<image>" not in path.read_text(encoding="utf-8")
        for row, record in zip(table.to_dict("records"), records, strict=True):
            names, digests = (listed(row[x]) for x in ("image_path", "image_sha256"))
            assert names == record["image"]
            assert digests == [sha256((root / x).read_bytes()).hexdigest() for x in names]
            assert row["task"] in BY_NAME[name].rows[row["category"]]
            assert score_record(json.loads(row["record"]), f"`{row['answer']}`").correct


def listed(cell: str) -> list[str]:
    return ast.literal_eval(cell) if cell.startswith("[") else [cell]


STUB = {  # as in VLMEvalKit, as far as the class needs it
    "vlmeval/smp.py": '''
import os
import pandas as pd
def toliststr(s):
    if isinstance(s, str) and s[0] == "[" and s[-1] == "]":
        return [str(x) for x in eval(s)]
    return [s] if isinstance(s, str) else [str(x) for x in s]
def load(path):
    return pd.read_excel(path)
def d2df(D):
    return pd.DataFrame({x: [D[x]] for x in D})
def dump(data, path):
    data.to_csv(path, index=False) if path.endswith("csv") else data.to_excel(path, index=False)
def get_intermediate_file_path(path, suffix):
    return path.replace(".xlsx", suffix + (".csv" if suffix == "_acc" else ".xlsx"))
''',
    "vlmeval/dataset/image_base.py": '''
import os
import pandas as pd
from vlmeval.smp import toliststr
class ImageBaseDataset:
    def __init__(self, dataset):
        self.dataset_name = dataset
        self.img_root = os.path.join(os.environ["LMUData"], "images", dataset)
        data = pd.read_csv(os.path.join(os.environ["LMUData"], dataset + ".tsv"), sep="\\t")
        paths = [toliststr(x) for x in data["image_path"]]
        data["image_path"] = [x[0] if len(x) == 1 else x for x in paths]
        self.data = data
        self.post_build(dataset)
''',
}  # fmt: skip

EVALUATE = """
import json, sys
sys.modules["spatial_engine"] = sys.modules["orjson"] = None
from vlmeval.dataset.multispa import MultiSPA
name, said = sys.argv[1:]
dataset = MultiSPA(name)
data = dataset.data.copy()
data["prediction"] = [json.loads(line) for line in open(said)]
data.to_excel("model_" + name + ".xlsx", index=False)
prompts = [dataset.build_prompt(n) for n in range(len(data))]
print(json.dumps([dataset.evaluate("model_" + name + ".xlsx", model="exact_matching"), prompts]))
"""


@pytest.fixture
def checkout(vlmevalkit, tmp_path) -> Path:
    """A checkout of what stands for VLMEvalKit, with the files of the pull request."""
    folder = tmp_path / "checkout"
    shutil.copytree(vlmevalkit, folder)
    for name, text in STUB.items():
        (folder / name).write_text(text)
    return folder


def run_script(folder: Path, *words: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(folder), "LMUData": str(folder)}, timeout=600,
    )  # fmt: skip


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_class_asks_with_filled_in_pictures_and_scores_as_the_scorer_does(root, checkout, name):
    table = {"multispa": "MultiSPA", FRAMES: "MultiSPA_frames"}[name]
    records = records_of(root, name)
    said = {
        r["id"]: texts[n % len(WAYS)]
        for n, (r, texts) in enumerate(zip(records, answers(records), strict=True))
    }
    lines = [json.dumps(text or None) for text in said.values()]
    (checkout / "said.jsonl").write_text("".join(f"{line}\n" for line in lines))
    before = run_script(checkout, "-c", EVALUATE, table, "said.jsonl")
    assert "run scripts/multispa_fill_in.py" in before.stderr.splitlines()[-1]
    fill = ("scripts/multispa_fill_in.py", "--root", root, f"{table}.tsv")
    for _ in range(2):
        done = run_script(checkout, *fill)
        assert done.returncode == 0, done.stderr
    images = {image for record in records for image in record["image"]}
    assert done.stdout == f"{len(images):,} pictures: images/{table}\n"
    done = run_script(checkout, "-c", EVALUATE, table, "said.jsonl")
    assert done.returncode == 0, done.stderr
    scores, prompts = json.loads(done.stdout)
    compare({MEAN: scores.pop("overall"), **scores}, records, said)
    assert (checkout / f"model_{table}_acc.csv").is_file()
    hits = pd.read_excel(checkout / f"model_{table}_score.xlsx")["hit"].tolist()
    assert hits == [int(score_record(r, said[r["id"]]).correct) for r in records]
    for record, prompt in zip(records, prompts, strict=True):
        texts = [part["value"] for part in prompt if part["type"] == "text"]
        pictures = [part["value"] for part in prompt if part["type"] == "image"]
        marked = "".join("<image>" if p["type"] == "image" else p["value"] for p in prompt)
        assert re.sub(r"\s", "", marked) == re.sub(r"\s", "", record["text"])
        assert texts[-1] and len(pictures) == len(record["image"])
        for picture, image in zip(pictures, record["image"], strict=True):
            assert Path(picture).read_bytes() == (root / image).read_bytes()


def test_pictures_that_are_missing_or_others_are_named(root, checkout, tmp_path):
    records, other = records_of(root, FRAMES), tmp_path / "other"
    fill = ("scripts/multispa_fill_in.py", "--root", other, "MultiSPA_frames.tsv")
    images = sorted({image for record in records for image in record["image"]})
    for image in images[1:]:
        (other / image).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / image, other / image)
    done = run_script(checkout, *fill)
    assert done.returncode == 2 and done.stderr.startswith("error: ")
    assert f"1 pictures are missing: {images[0]};" in done.stderr
    assert not (checkout / "images").exists()
    (other / images[0]).parent.mkdir(parents=True, exist_ok=True)
    (other / images[0]).write_bytes(b"another")
    done = run_script(checkout, *fill)
    assert done.returncode == 2 and f"{other / images[0]}: is another picture" in done.stderr
    table = checkout / "MultiSPA_frames.tsv"
    for text, cause in (
        ("index\tquestion\n0\tWhere?\n", "is no table of MultiSPA"),
        ("image_path\timage_sha256\n../secret\tabc\n", "is no path below the root"),
        ("image_path\timage_sha256\n['a', 'b']\t['c']\n", "is no table of MultiSPA"),
    ):
        table.write_text(text)
        done = run_script(checkout, *fill)
        assert done.returncode == 2 and cause in done.stderr and done.stderr.count("\n") == 1


# Both


def test_flags_that_have_no_meaning_are_refused(root, tmp_path):
    given, folder = ["--root", str(root)], ["--upstream", str(tmp_path / "folder")]
    for main, flags, told in (
        (export_lmms_eval.main, folder, "--hub NAME"),
        (export_lmms_eval.main, ["--hub", "x"], "--hub is of --upstream"),
        (export_lmms_eval.main, [*folder, "--hub", "x", "--name", FRAMES], "leave --name out"),
        (export_vlmevalkit.main, ["--url", "x"], "--url is of --upstream"),
        (export_vlmevalkit.main, [*folder, "--base64"], "leave --base64 out"),
        (export_vlmevalkit.main, [*folder, "--benchmark", "x.jsonl"], "leave --benchmark out"),
    ):
        with raises_one_line(SettingsError, told):
            main([*given, *flags])
    assert not (tmp_path / "folder").exists()
    with raises_one_line(MissingInputError, "make_benchmark.py"):
        export_vlmevalkit.main(["--root", str(tmp_path), *folder])


def test_a_folder_of_one_benchmark_names_no_other(root, tmp_path):
    small = tmp_path / "small"
    shutil.copytree(root, small, copy_function=os.link)
    shutil.rmtree(benchmark_path(small, "v1_0", FRAMES).parents[1])
    flags = ["--root", str(small), "--upstream", str(tmp_path / "out")]
    assert export_lmms_eval.main([*flags, "--hub", "x"]) == 0
    assert export_vlmevalkit.main(flags) == 0
    task = tmp_path / "out/lmms_eval/tasks/multispa"
    assert [path.name for path in sorted(task.glob("*.yaml"))] == ["multispa.yaml"]
    assert [path.name for path in (tmp_path / "out").glob("*.tsv")] == ["MultiSPA.tsv"]
    assert '"MultiSPA": "",' in (tmp_path / "out/vlmeval/dataset/multispa.py").read_text()


def test_the_sources_are_part_of_the_package():
    listed = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert '"exports/upstream/*/**"' in listed
