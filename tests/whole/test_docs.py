"""What the documents say is there, is there."""

import re
import subprocess

import pytest
from conftest import COMMANDS, EVALUATION, REPOSITORY

TRACKED = subprocess.run(
    ["git", "ls-files", "*.md"], cwd=REPOSITORY, capture_output=True, text=True
).stdout.split()
DOCUMENTS = TRACKED or [str(p.relative_to(REPOSITORY)) for p in REPOSITORY.glob("*.md")]

LOOKS = (
    "spatial_engine/audit/audit_labels.py",
    "spatial_engine/report/make_report.py",
    "spatial_engine/report/make_contact_sheets.py",
    "spatial_engine/report/view_scene.py",
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_pictures_lead_somewhere(name):
    path = REPOSITORY / name
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith(("https://", "http://")):
            assert (path.parent / target).exists(), f"{name} links {target}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_is_left_to_be_filled_in(name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert not re.findall(r"TODO|TBD|FIXME|XXX|^[A-Z]+_[A-Z]+$", text, re.MULTILINE)


def test_readme_types_every_command():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for command in (*COMMANDS, *EVALUATION, *LOOKS):
        assert (REPOSITORY / command).is_file()
        shell = "bash" if command.endswith(".sh") else "python"
        assert re.search(rf"`{shell} {re.escape(command)}( [A-Z-][A-Za-z -]*)?`", text), command


def test_every_file_that_a_document_names_exists():
    for name in DOCUMENTS:
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        for path in re.findall(r"(?:spatial_engine|benchmarks|requirements)/[\w/]+\.\w+", text):
            assert (REPOSITORY / path).exists(), f"{name} names {path}"
