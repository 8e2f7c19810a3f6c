"""How client tests run, with clients of make-believe; real ones are run by run_client_tests.sh."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import checks
import common
import environments
import planted
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import run_clients
from environments import LISTS, UV_LIST, ClientError
from packaging.requirements import Requirement
from PIL import Image

FOLDER = Path(__file__).parent
HEAD = f"""
import sys
sys.path.insert(0, {str(FOLDER)!r})
from common import Report, arguments, differences, expected, uniform
args = arguments()
report = Report("x", "1.0")
"""
READS = """
for want in expected(uniform(args.root, "train"), args.root):
    report.record(want.id, *differences(want, images=want.images))
"""
READS_ITSELF = """
import json
for path in uniform(args.root, "train"):
    for want, line in zip(expected([path], args.root), open(path)):
        got = json.loads(line)
        text = got["conversations"][0]["value"].replace("<image>", "")
        images = [args.root / name for name in got["image"]]
        marks = got["conversations"][0]["value"].count("<image>")
        report.record(want.id, *differences(want, images=images[:marks], text=text))
"""
CLOSE = "sys.exit(report.close('a note'))"


@pytest.fixture
def root(tmp_path) -> Path:
    """A root with two exported files of eight records, and pictures."""
    root = tmp_path / "root"
    for number in range(2):
        path = root / f"data/{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (9, 99 * number, 9)).save(path)
    said = {"from": "gpt", "value": "`left`"}
    for name in ("a", "b"):
        path = root / f"training_data/exports/uniform/{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            {
                "id": f"{name}{number}",
                "image": ["data/0.jpg", "data/1.jpg"],
                "conversations": [
                    {"from": "human", "value": "Image-1: <image>\nImage-2: <image>\nWhere?"},
                    said,
                ],
                "task": "t",
            }
            for number in range(8)
        ]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (root / "evaluation_data").mkdir()
    return root


@pytest.fixture
def clients(tmp_path, monkeypatch):
    """Add clients of make-believe: `clients(name, code of the check)`."""
    lists, folder = tmp_path / "lists", tmp_path / "checks"
    lists.mkdir()
    folder.mkdir()
    monkeypatch.setattr(run_clients, "LISTS", lists)
    monkeypatch.setattr(checks, "CHECKS", folder)
    monkeypatch.setattr(run_clients, "environment", lambda *_: Path(sys.executable))

    def add(name: str, code: str) -> None:
        (lists / f"{name}.txt").write_text("x==1\n")
        (folder / f"check_{name}.py").write_text(code)

    return add


def run(root: Path, *words: str) -> int:
    return run_clients.main(["--root", str(root), "--folder", str(root.parent / "own"), *words])


def digests(root: Path) -> dict[Path, str]:
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_line_for_each_client_and_the_exit_code_of_all(root, clients, capsys):
    clients("good", HEAD + READS + CLOSE)
    clients("other", HEAD + READS + "report.fail('a score')\n" + CLOSE)
    clients("broken", HEAD + "raise ValueError('no such thing')")
    clients("silent", HEAD)
    clients("empty", HEAD + CLOSE)
    clients("liar", HEAD + READS + "report.close('a note')\nsys.exit(1)")
    before = digests(root)
    assert run(root) == 1
    said = capsys.readouterr().out.splitlines()
    lines = {line.split()[0]: line for line in said}
    assert list(lines) == [
        "client", "broken", "empty", "good", "liar", "other", "silent", "clients:"
    ]  # fmt: skip
    assert re.fullmatch(r"good +1\.0 +16 +0 +0 +\d+ +passed: a note", lines["good"])
    assert re.match(r"other +1\.0 +16 +0 +1 +\d+ +FAILED: a note \(what differs", lines["other"])
    assert "FAILED: ValueError: no such thing" in lines["broken"]
    assert all("FAILED" in lines[name] for name in ("silent", "empty", "liar"))
    assert said[-1].startswith("clients: 1 of 6 passed, broken failed")
    assert digests(root) == before
    log = root.parent / "own/work/other.log"
    assert "a score" in log.read_text()


def test_a_check_is_offline_and_may_write_into_its_root(root, clients, capsys):
    offline = """
import os
assert os.environ["HF_HUB_OFFLINE"] == "1" and "PYTHONPATH" not in os.environ
assert not os.environ["CUDA_VISIBLE_DEVICES"] and args.work.name in os.environ["HOME"]
for path in uniform(args.root, "train"):
    made = path.with_name("made")
    made.write_text("x")
    made.replace(path)
report.record("one")
"""
    clients("good", HEAD + offline + CLOSE)
    before = digests(root)
    assert run(root, "good") == 0
    assert digests(root) == before
    assert capsys.readouterr().out.endswith("clients: 1 of 1 passed\n")
    assert not (root.parent / "own/work").exists()


def test_what_cannot_run_is_refused_in_one_line(root, clients, tmp_path):
    clients("good", HEAD + CLOSE)
    with pytest.raises(SystemExit, match=r"^run_client_tests\.sh: bad: no such client; .* good$"):
        run(root, "good", "bad")
    with pytest.raises(SystemExit, match="no such folder; run the demo first"):
        run(tmp_path / "nowhere")
    (root.parent / "own").mkdir(exist_ok=True)
    with open(root.parent / "own/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SystemExit, match="in use by another run"):
            run(root)


def test_planted_faults_must_be_noticed(root, clients, capsys):
    clients("sharp", "EXPORTS = ['x']\n" + HEAD + READS_ITSELF + CLOSE)
    clients("blind", "EXPORTS = ['x']\n" + HEAD + READS + CLOSE)
    folder = root / "training_data/exports/uniform"
    write_uniform_parquet(folder / "a.parquet")
    before = digests(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_clients, "make_exports", lambda *_: None)
        assert run(root, "--planted", "sharp") == 0
        said = capsys.readouterr().out
        assert said.count("noticed: of 16 records 2 differ") == 2, said
        assert said.endswith("planted faults: all noticed\n")
        assert run(root, "--planted", "blind") == 1
        said = capsys.readouterr().out
        assert said.count("NOT NOTICED") == 2 and "blind: an <image> too few" in said
        clients("never", "EXPORTS = ['x']\n" + HEAD + "raise ValueError('always')")
        assert run(root, "--planted", "never") == 1, "it fails without a fault, too"
        assert "never: none FAILED" in capsys.readouterr().out
    assert digests(root) == before


def write_uniform_parquet(path: Path) -> None:
    schema = pa.schema([("id", pa.string()), ("height_list", pa.list_(pa.int64()))])
    rows = [{"id": str(number), "height_list": [number]} for number in range(3)]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


# Faults


def test_each_fault_changes_the_last_record_alone(root):
    path = root / "training_data/exports/uniform/a.jsonl"
    shared = root / "link.jsonl"
    shared.hardlink_to(path)
    before = list(common.lines_of(path))
    assert planted.plant_in_all(root, planted.without_image) == 2
    after = list(common.lines_of(path))
    assert after[:-1] == before[:-1] and after[-1] | {"image": before[-1]["image"]} == before[-1]
    assert after[-1]["image"] == [f"data/{planted.GONE}", "data/1.jpg"]
    assert list(common.lines_of(shared)) == before
    assert planted.plant_in_jsonl(shared, planted.without_mark)
    changed = list(common.lines_of(shared))[-1]["conversations"][0]["value"]
    assert changed == "Image-1: \nImage-2: <image>\nWhere?"


@pytest.mark.parametrize(
    ("value", "image", "mark"),
    [
        (
            {"images": [{"bytes": b"1", "path": "a.jpg"}, {"bytes": b"2", "path": "b.jpg"}]},
            {"images": [{"bytes": None, "path": planted.GONE}, {"bytes": b"2", "path": "b.jpg"}]},
            None,
        ),
        (
            {"prompt": [{"content": [{"type": "image"}, {"type": "text", "text": "x"}]}]},
            None,
            {"prompt": [{"content": [{"type": "text", "text": "x"}]}]},
        ),
        (
            {"text": "<video>\nx <video>", "videos": [["a/0.png", "a/1.png"]]},
            {"text": "<video>\nx <video>", "videos": [[f"a/{planted.GONE}", "a/1.png"]]},
            {"text": "\nx <video>", "videos": [["a/0.png", "a/1.png"]]},
        ),
    ],
)
def test_faults_in_other_forms_of_records(value, image, mark):
    assert planted.without_image(value) == (image or value, image is not None)
    assert planted.without_mark(value) == (mark or value, mark is not None)


def test_faults_in_parquet_keep_the_schema(tmp_path):
    path = tmp_path / "x.parquet"
    metadata = {"huggingface": "{}"}
    schema = pa.schema([("text", pa.string()), ("n", pa.list_(pa.int64()))], metadata)
    rows = [{"text": "<image>a", "n": [1]}, {"text": "<image>b", "n": [2]}]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    schema = pq.read_schema(path)
    assert planted.plant_in_parquet(path, planted.without_mark)
    table = pq.read_table(path)
    assert table.schema.equals(schema, check_metadata=True)
    assert table.to_pylist() == [rows[0], {"text": "b", "n": [2]}]
    assert not planted.plant_in_parquet(path, planted.without_image)
    assert planted.as_int32(path) and not planted.as_int32(path)
    assert pq.read_schema(path).field("n").type == pa.list_(pa.int32())
    assert pq.read_table(path).to_pylist()[0] == rows[0]


@pytest.mark.parametrize("change", [planted.without_image, planted.without_mark])
def test_a_fault_in_a_tar_moves_no_byte(tmp_path, change):
    path = tmp_path / "x.tar"
    for name, text in (("json", '{"text": "<image> where?"}'), ("img0.jpg", "x" * 700)):
        (tmp_path / name).write_text(text)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for key in ("one", "two"):
            for name in ("json", "img0.jpg"):
                tar.add(tmp_path / name, f"{key}.{name}")
    places = tar_places(path)
    assert planted.plant_in_tar(path, change)
    after = tar_places(path)
    assert list(after.values()) == list(places.values())
    names = ["one.json", "one.img0.jpg", "two.json"]
    of_image = change is planted.without_image
    assert list(after) == [*names, "two.gone.jpg" if of_image else "two.img0.jpg"]
    with tarfile.open(path) as tar:
        texts = [json.loads(tar.extractfile(f"{key}.json").read()) for key in ("one", "two")]
    whole = {"text": "<image> where?"}
    assert texts == [whole, whole if of_image else {"text": " where?"}]


@pytest.mark.parametrize(
    ("column", "images", "gone", "less"),
    [
        (
            "image_path",
            "['/x/a.jpg', '/x/b.jpg']",
            f"['/x/{planted.GONE}', '/x/b.jpg']",
            "/x/b.jpg",
        ),
        ("image_path", "a.jpg", planted.GONE, "[]"),
        ("image", f"['{'/9j' * 50_000}', '/9j=', '/9k=']", None, "['/9j=', '/9k=']"),
    ],
)
def test_a_fault_in_a_table_changes_the_images_of_its_last_row(
    tmp_path, column, images, gone, less
):
    path = tmp_path / "x.tsv"
    limit = csv.field_size_limit()
    for change, fault in ((planted.without_image, gone), (planted.without_mark, less)):
        path.write_text(f'index\tquestion\t{column}\n0\ta\t{images}\n1\t"b\nc"\t{images}\n')
        assert planted.plant_in_tsv(path, change)
        text = path.read_text()
        assert text.startswith(f"index\tquestion\t{column}\n0\ta\t{images}\n1\t")
        fault = fault or f"['{planted.GONE}', '/9j=', '/9k=']"
        assert text.endswith(f'"b\nc"\t{fault}\n')
    assert csv.field_size_limit() == limit
    for text in (f"index\t{column}\n", "index\tquestion\n0\ta\n"):
        path.write_text(text)
        assert not planted.plant_in_tsv(path, planted.without_mark) and path.read_text() == text


def tar_places(path: Path) -> dict[str, tuple[int, int]]:
    with tarfile.open(path) as tar:
        return {member.name: (member.offset_data, member.size) for member in tar}


def test_faults_are_planted_into_exports_and_into_records_but_not_into_tables(root):
    shutil.copy(root / "training_data/exports/uniform/a.jsonl", root / "training_data/native.jsonl")
    for name in ("training_data/empty.jsonl", "evaluation_data/m/baselines/x.jsonl"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    pq.write_table(pa.table({"image": ["a.jpg"]}), root / "training_data/table.parquet")
    found = [path.relative_to(root / "training_data") for path in planted.exported(root, "*.jsonl")]
    files = ["empty.jsonl", "exports/uniform/a.jsonl", "exports/uniform/b.jsonl", "native.jsonl"]
    assert list(map(str, found)) == files and not list(planted.exported(root, "*.parquet"))
    assert planted.plant_in_all(root, planted.without_image) == 3


def test_a_small_root_keeps_some_of_each_type(root, tmp_path):
    path = root / "training_data/x.jsonl"
    lines = [{"id": n, "task": "ab"[n % 2]} for n in range(20)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    planted.shorten(root)
    kept = list(common.lines_of(path))
    assert kept == lines[: 2 * planted.RECORDS]
    assert len(list(common.lines_of(root / "training_data/exports/uniform/a.jsonl"))) == 8


# What checks share


def test_a_record_is_read_in_the_order_of_its_text(root):
    (want, *_) = common.expected([root / "training_data/exports/uniform/a.jsonl"], root)
    first, second = (root / "data/0.jpg", root / "data/1.jpg")
    assert want.parts == ["Image-1: ", first, "\nImage-2: ", second, "\nWhere?"]
    assert want.images == [first, second] and want.answer == "`left`"
    assert want.question == "Image-1: <image>\nImage-2: <image>\nWhere?"
    assert want.text == "Image-1: \nImage-2: \nWhere?"
    with pytest.raises(ValueError, match="2 marks for 1"):
        common.in_order("<image><image>", [first])


def test_differences_are_seen_in_texts_pixels_and_answers(root):
    (want, *_) = common.expected([root / "training_data/exports/uniform/a.jsonl"], root)
    first, second = map(Image.open, want.images)
    texts = [part for part in want.parts if isinstance(part, str)]
    right = [texts[0], first, texts[1], second, texts[2]]
    assert not common.differences(want, right, want.images, want.text, "`left`")
    assert not common.differences(want, images=[first, second])
    assert common.differences(want, images=[second, first]) and common.differences(want, images=[])
    assert common.differences(want, images=[first, root / "none.jpg"])
    assert common.differences(want, [texts[0], second, texts[1], first, texts[2]])
    assert common.differences(want, [right[0].strip(), *right[1:]])
    assert common.differences(want, text=want.text + " ") and common.differences(want, answer="x")


@pytest.mark.parametrize(
    ("problems", "asked", "code"), [([()], 1, 0), ([], 0, 1), ([("x",)], 1, 1), ([()], 2, 1)]
)
def test_a_report_fails_unless_all_was_read_and_nothing_differs(problems, asked, code, capsys):
    report = common.Report("x", "1")
    for each in problems:
        report.record("id", *each)
    assert report.close("note", asked) == code
    last = json.loads(capsys.readouterr().out)
    assert last["records"] == len(problems) and bool(last["differing"]) == (code and asked > 0)


# Environments


@pytest.fixture
def installer(tmp_path, monkeypatch):
    """uv of make-believe; `calls` are its commands, `fails` makes the next installation fail."""

    class Installer:
        calls: list
        fails = False

    def run(command, log, env=None):
        words = [str(word) for word in command]
        Installer.calls.append(words[1])
        home = tmp_path / "own/one"
        if words[1] == "venv":
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
        elif Installer.fails:
            raise ClientError("no space left")

    Installer.calls = []
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "one.txt").write_text("x==1\n")
    monkeypatch.setattr(environments, "LISTS", lists)
    monkeypatch.setattr(environments, "run", run)
    monkeypatch.setattr(environments, "_uv", lambda _: Path("uv"))
    monkeypatch.setattr(environments, "_base_python", lambda _: sys.executable)
    return Installer


def test_an_environment_is_kept_until_its_list_changes(installer, tmp_path):
    folder = tmp_path / "own"
    python = environments.environment(folder, "one")
    assert python == folder / "one/bin/python" and installer.calls == ["venv", "pip"]
    environments.environment(folder, "one")
    assert installer.calls == ["venv", "pip"]
    (tmp_path / "lists/one.txt").write_text("x==2\n")
    installer.fails = True
    with pytest.raises(ClientError):
        environments.environment(folder, "one")
    installer.fails = False
    environments.environment(folder, "one")
    assert installer.calls == ["venv", "pip"] * 3, "half an environment is made again"


def test_a_command_that_fails_is_one_line_with_its_log(tmp_path):
    log = tmp_path / "x.log"
    with pytest.raises(ClientError, match=r"ValueError: no \(all of it: .*x\.log\)$") as raised:
        environments.run([sys.executable, "-c", "raise ValueError('no')"], log)
    assert "\n" not in str(raised.value)


# Lists and checks


def test_every_list_is_exact_and_has_a_check():
    lists = sorted(LISTS.glob("*.txt"))
    assert lists
    for path in lists:
        check = checks.check_file(path.stem)
        assert check.is_file(), f"{path.name} has no check"
        for line in checks.exports_of(check):
            assert (checks.ENGINE / line.split()[0]).is_file(), line
        lines = path.read_text().splitlines()
        pins = [Requirement(line) for line in lines if line != "-e ."]
        assert len(pins) > 10 and len({pin.name for pin in pins}) == len(pins)
        for pin in pins:
            assert re.fullmatch(r"==[\w.+!]+", str(pin.specifier)), f"{path.name}: {pin}"


def test_every_check_has_a_list():
    stems = {checks.check_file(path.stem).name for path in LISTS.glob("*.txt")}
    assert {path.name for path in FOLDER.glob("check_*.py")} == stems


def test_uv_itself_is_pinned():
    (line,) = UV_LIST.read_text().splitlines()
    assert re.fullmatch(r"uv==[\d.]+", line)


def test_help_names_the_clients():
    line = [sys.executable, FOLDER / "run_clients.py", "--help"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0 and "lmms_eval" in done.stdout
