"""What the documents say is there, is there; what they show runs; what the code cites exists."""

import ast
import importlib
import json
import re
import subprocess
import sys
import tokenize
from functools import cache
from pathlib import Path

import pytest
from conftest import COMMANDS, EVALUATION, FRAME_COMMANDS, REPOSITORY

from spatial_engine.depth_perception import depth_engine
from spatial_engine.utils.questions import record_rules
from spatial_engine.utils.questions.tasks import SUBTASKS, TASKS
from spatial_engine.visual_correspondence import correspondence_engine

TRACKED = subprocess.run(
    ["git", "ls-files", "*.md"], cwd=REPOSITORY, capture_output=True, text=True
).stdout.split()
DOCUMENTS = TRACKED or [str(p.relative_to(REPOSITORY)) for p in REPOSITORY.glob("*.md")]
PAGES = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in DOCUMENTS}
COSTS = "docs/performance.md"  # the one page of figures about time, memory and disk
MODULES = sorted(
    path
    for folder in ("spatial_engine", "tests", "benchmarks")
    for path in (REPOSITORY / folder).rglob("*.py")
)

LOOKS = (
    "spatial_engine/audit/audit_labels.py",
    "spatial_engine/report/make_report.py",
    "spatial_engine/report/make_contact_sheets.py",
    "spatial_engine/report/view_scene.py",
)


def anchors(name: str) -> set[str]:
    """What the headings of a page can be linked by."""
    titles = re.findall(r"^#+ (.*)$", PAGES[name], re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_pictures_lead_somewhere(name):
    path = REPOSITORY / name
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", PAGES[name]):
        if target.startswith(("https://", "http://")):
            continue
        place = (path.parent / target).resolve() if target else path
        assert place.exists(), f"{name} links {target}"
        if anchor:
            page = place.relative_to(REPOSITORY).as_posix()
            assert anchor in anchors(page), f"{name} links {target}#{anchor}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_is_left_to_be_filled_in(name):
    assert not re.findall(r"TODO|TBD|FIXME|XXX|^[A-Z]+_[A-Z]+$", PAGES[name], re.MULTILINE)


def test_readme_types_every_command():
    for command in (*COMMANDS, *FRAME_COMMANDS, *EVALUATION, *LOOKS):
        assert (REPOSITORY / command).is_file()
        shell = "bash" if command.endswith(".sh") else "python"
        typed = rf"`{shell} {re.escape(command)}( [A-Z-][A-Za-z -]*)?`"
        assert re.search(typed, PAGES["README.md"]), command


def test_readme_fits_on_a_few_screens():
    assert len(PAGES["README.md"].splitlines()) <= 200


def test_readme_and_specification_name_every_task():
    for page, tasks in (("README.md", SUBTASKS), ("docs/spec.md", TASKS)):
        named = set(re.findall(r"`(\w+)`", PAGES[page]))
        assert not set(tasks) - named, page


def test_every_page_can_be_reached_from_the_readme():
    linked = {target for target in re.findall(r"\]\((docs/[\w.]+)", PAGES["README.md"])}
    assert sorted(name for name in PAGES if name.startswith("docs/")) == sorted(
        name for name in linked if name.endswith(".md")
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_a_document_names_exists(name):
    """Paths from the repository, short ones from the package, names of scripts alone."""
    for path in re.findall(r"(?:spatial_engine|benchmarks|requirements)/[\w/]+\.\w+", PAGES[name]):
        assert (REPOSITORY / path).exists(), f"{name} names {path}"
    rooms = "utils|checks|exports|evaluation|audit|sample_data|object_movement"
    for path in re.findall(rf"`((?:{rooms})/[\w/.]*)`", PAGES[name]):
        assert (REPOSITORY / "spatial_engine" / path).exists(), f"{name} names {path}"
    scripts = {path.name for path in MODULES}
    for script in re.findall(r"`(\w+\.py)\b", PAGES[name]):
        assert script in scripts or script.startswith(("internvl_", "gcs_")), (
            f"{name} names {script}"
        )


# -- what is shown runs


def test_python_of_the_readme_opens_a_scene(made_root, tmp_path):
    (tmp_path / "demo").symlink_to(made_root)
    (code,) = re.findall(r"```python\n(.*?)```", PAGES["README.md"], re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    scene, frames, shape = done.stdout.split(maxsplit=2)
    assert scene.startswith("scene") and int(frames) > 1
    assert re.fullmatch(r"\([1-9]\d*, 3\)\n", shape)


def test_the_record_of_the_readme_is_sound():
    (text,) = re.findall(r"```json\n(.*?)```", PAGES["README.md"], re.DOTALL)
    record = json.loads(text)
    assert record_rules.check_record(record, "train") == []
    assert len(record["image"]) == record["conversations"][0]["value"].count("<image>")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_python_of_the_documents_is_python(name):
    for code in re.findall(r"```python\n(.*?)```", PAGES[name], re.DOTALL):
        assert ast.parse(code).body, f"{name} shows a piece of Python with nothing in it"


# -- messages


def test_every_message_of_the_troubleshooting_page_is_one_of_the_engine():
    texts = []
    for path in MODULES:
        if path.is_relative_to(REPOSITORY / "spatial_engine"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    code = "\n".join(texts)
    rows = re.findall(r"^\| (`.*?) \| ", PAGES["docs/troubleshooting.md"], re.MULTILINE)
    told = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    parts = {part.strip(" ,") for text in told for part in text.split("...") if "libGL" not in text}
    assert len(parts) > 30
    assert sorted(part for part in parts if part not in code) == []


# -- figures


def test_costs_are_in_one_page():
    """Time, memory and disk of a unit of work are stated there and linked elsewhere."""
    unit = r"(?:microseconds?|ms|s|seconds|minutes?|hours?|kB|MB|GB|TB|MiB)"
    thing = r"(?:scene|frame|record|picture|image|clip|million)"
    stated = rf"\d {unit} (?:for |of one core )?(?:a|an|each|per) {thing}s?\b"
    found = [f"{name}: {re.findall(stated, text)}" for name, text in PAGES.items()
             if name != COSTS and re.search(stated, text)]  # fmt: skip
    for path in MODULES:
        if path.is_relative_to(REPOSITORY / "spatial_engine"):
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            for costs in re.findall(r"^Costs .*?(?=\n\n|\n\w|\Z)", text, re.DOTALL | re.M):
                found += [f"{path.name}: {costs}"] if re.search(rf"\d {unit}\b", costs) else []
    assert found == []


def test_the_total_of_the_readme_is_the_measured_one():
    (hours,) = re.findall(r"\| together \| \| ([\d.]+) \|", PAGES[COSTS])
    assert f"about {hours} core hours" in PAGES["README.md"]
    assert f"about {hours} core hours" in PAGES["docs/resuming.md"]
    (disk,) = re.findall(r"\| together, without downloads \| \| (about [\d.]+ TB) \|", PAGES[COSTS])
    assert f"{disk} of disk" in PAGES["README.md"]


def test_constants_are_listed_with_their_values():
    """Every constant that has a flag, by the script whose --help shows it."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \| (.*?) \|", PAGES["docs/constants.md"], re.M)
    flags = set()
    for path in MODULES:
        if path.is_relative_to(REPOSITORY / "spatial_engine"):
            code = path.read_text(encoding="utf-8")
            flags |= set(re.findall(r'add_constant\(\s*parser,\s*"([A-Z_]+)"', code))
    flags |= set(depth_engine.FLAGS) | set(correspondence_engine.FLAGS)
    assert flags - {name for name, *_ in rows} == set()
    scripts = {path.name: path for path in MODULES}
    for name, value, where in rows:
        for script in _expanded(re.findall(r"`([\w{},]+\.py)`", where)):
            place = scripts[script].relative_to(REPOSITORY).with_suffix("")
            module = importlib.import_module(".".join(place.parts))
            assert str(getattr(module, name)) == value, f"{script} {name}"


def _expanded(names: list[str]) -> list[str]:
    """File names with their braces `{a,b}` written out."""
    for name in names:
        if found := re.search(r"\{([^}]*)\}", name):
            one, rest = names.index(name), [name.replace(found[0], x) for x in found[1].split(",")]
            return _expanded([*names[:one], *rest, *names[one + 1 :]])
    return names


# -- what the code cites

SECTIONS = set(re.findall(r"^#+ (\d+(?:\.\d+)?) ", PAGES["docs/spec.md"], re.MULTILINE))
NUMBER = r"\d+(?:\.\d+)?"
READINGS = "How docs/spec.md was read where it leaves a choice"  # a list by sections, in the audit


@cache
def words_of(path: Path) -> str:
    """The comments and texts of a module; identifiers cite nothing."""
    with open(path, "rb") as file:
        kinds = (tokenize.COMMENT, tokenize.STRING)
        return "\n".join(t.string for t in tokenize.tokenize(file.readline) if t.type in kinds)


CITING = [path for path in MODULES if path != Path(__file__).resolve()]


def test_every_citation_of_the_specification_leads_to_a_section():
    lost = []
    for path in CITING:
        words = words_of(path)
        cited = re.findall(rf"\bSPEC\b(?: {NUMBER}(?:(?:, | to | and ){NUMBER})*)?", words)
        if READINGS in words:
            _, _, readings = words.partition(READINGS)
            cited += re.findall(rf"^- {NUMBER}(?:, {NUMBER})* ", readings, re.MULTILINE)
        for text in cited:
            numbers = set(re.findall(NUMBER, text))
            if not numbers or numbers - SECTIONS:
                lost.append(f"{path.name}: {text}")
    assert lost == []


def test_every_oracle_says_how_it_read_the_specification():
    oracles = [path for path in CITING if path.match("audit/oracles/[a-z]*.py")]
    assert len(oracles) >= 8
    assert [path.name for path in oracles if READINGS not in words_of(path)] == []


def test_every_page_that_the_code_cites_exists():
    lost = []
    for path in CITING:
        words = words_of(path)
        for page in re.findall(r"\b(?:docs|spatial_engine)/[\w/]+\.md\b", words):
            if not (REPOSITORY / page).is_file():
                lost.append(f"{path.name}: {page}")
        lost += [f"{path.name}: {name}" for name in re.findall(r"\bFORMATS\b|\bCLIENTS\b", words)]
    assert lost == []


def test_sections_of_the_specification_are_numbered_in_order():
    numbers = [tuple(map(int, n.split("."))) for n in re.findall(
        rf"^#+ ({NUMBER}) ", PAGES["docs/spec.md"], re.MULTILINE
    )]  # fmt: skip
    assert numbers == sorted(set(numbers))
    assert {n[0] for n in numbers} == set(range(1, 14))


def test_each_measured_table_has_a_benchmark_and_each_benchmark_its_table():
    marks = re.findall(r"^<!-- measured: (.*) -->$", PAGES[COSTS], re.MULTILINE)
    page = (REPOSITORY / "benchmarks/performance_tables.py").read_text(encoding="utf-8")
    (tables,) = re.findall(r"^TABLES.*? = \{$(.*?)^\}$", page, re.MULTILINE | re.DOTALL)
    names = re.findall(r'^    "(.*?)": ', tables, re.MULTILINE)
    assert sorted(marks) == sorted(names) and len(names) > 10
