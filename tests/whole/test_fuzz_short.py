"""A short run of the fuzzer over every reader, and that the fuzzer finds what there is to find.

The long run: `python tests/fuzz/run_fuzz.py --cases 100000 --processes 2` (tests/fuzz/run_fuzz.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE, REPOSITORY

CASES = 80  # of each reader: some 20 s on one core
# Any text has an answer or none; provenance and marks of finished folders are good or not; of
# records and tables the audit complains.
READERS_WITHOUT_REFUSAL = {
    "answer", "meta", "done_mark", "audit_camera", "audit_depth", "audit_correspondence",
    "audit_object", "audit_movement", "audit_visibility", "audit_coverage",
}  # fmt: skip
FAULTS = {
    "faulty_crash": "crash",
    "faulty_hang": "hang",
    "faulty_memory": "memory",
    "faulty_error": "KeyError",
    "faulty_quit": "SystemExit",
}


CALM = ("--hang-seconds", "120")  # a case may load a library, beside much else


def fuzz(tmp_path: Path, *flags: str) -> tuple[int, dict[str, dict[str, int]], list[Path]]:
    """Exit code, counts by reader, saved findings."""
    found, report = tmp_path / "found", tmp_path / "report.json"
    line = [sys.executable, "tests/fuzz/run_fuzz.py", "--findings", str(found)]
    line += ["--report", str(report), *flags]
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE)
    assert report.exists(), done.stdout + done.stderr
    return done.returncode, json.loads(report.read_text()), sorted(found.glob("*"))


def test_every_reader_takes_or_refuses_whatever_it_is_given(tmp_path):
    code, counts, found = fuzz(tmp_path, "--cases", str(CASES), "--seed", "1", *CALM)
    texts = [path.read_text()[-600:] for path in found if path.suffix == ".txt"]
    assert (code, texts) == (0, [])
    for name, row in counts.items():
        assert row["cases"] == row["right"] + row["refused"] == CASES, name
        assert row["right"], f"{name}: nothing was read, so that little was tried"
        assert row["refused"] or name in READERS_WITHOUT_REFUSAL, name


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is watched on Linux only")
def test_the_fuzzer_sees_every_kind_of_fault_and_goes_on_behind_it(tmp_path):
    flags = ("--cases", "2", "--hang-seconds", "5", "--targets", *FAULTS, "faulty_right")
    code, counts, found = fuzz(tmp_path, *flags)
    assert code == 1
    kinds = {name: [p for p in found if p.name.startswith(name)] for name in FAULTS}
    for name, kind in FAULTS.items():
        assert counts[name]["cases"] == 2, "the case behind the fault was not tried"
        assert kinds[name] and all(kind in path.name for path in kinds[name])
        assert kinds[name][0].read_bytes() == name.removeprefix("faulty_")[:1].encode()
    assert counts["faulty_right"]["refused"] == 2 and counts["faulty_right"]["findings"] == 0


def test_the_same_seed_gives_the_same_files(tmp_path):
    code = (
        "import sys, hashlib; sys.path.insert(0, 'tests/fuzz')\n"
        "from run_fuzz import Cases, TARGETS\n"
        "for seed in sys.argv[1:]:\n"
        "    for name in ('sens', 'pose', 'pairs', 'clip', 'scene_info'):\n"
        "        cases = Cases(name, int(seed))\n"
        "        print(name, [hashlib.md5(cases[k]).hexdigest() for k in (20, 7, 40, 8)])\n"
    )
    one, two = (
        subprocess.run(
            [sys.executable, "-c", code, *seeds], cwd=REPOSITORY, capture_output=True, text=True,
            check=True,
        ).stdout.splitlines()
        for seeds in (["3"], ["4", "3"])
    )  # fmt: skip
    assert len(one) == 5 and len(two) == 10
    assert two[5:] == one
    assert not set(two[:5]) & set(one)


def test_the_audit_agrees_with_what_its_files_are_changed_from():
    """Else the checks would stop at the first field, and the changed files would reach no other."""
    code = (
        "import sys; sys.path.insert(0, 'tests/fuzz')\n"
        "import audit_seeds as made, audit_targets as targets\n"
        "path = made.new_folder() / 'x'\n"
        "tables = {'object_visibility.pkl': made.visibility_pickles,\n"
        "          'merged_train_object_coverage_height.pkl': made.coverage_pickles}\n"
        "def files():\n"
        "    for kind in made.KINDS:\n"
        "        for line in made.lines_of(kind):\n"
        "            path.write_bytes(line)\n"
        "            yield kind, list(targets.complaints_of(path))\n"
        "    for name, make in tables.items():\n"
        "        for data in make():\n"
        "            path.write_bytes(data)\n"
        "            yield name, targets.reports_of_table(path, name)\n"
        "for name, (report,) in files():\n"
        "    print(name, report.checked, report.complaints.kept, report.unread)\n"
    )
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    found = done.stdout.splitlines()
    assert len(found) == 16 + 16 + 8 + 16 + 32 + 8
    assert [text for text in found if not text.endswith(" 1 [] {}")] == []
