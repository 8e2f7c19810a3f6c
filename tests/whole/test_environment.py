"""The ground the engine stands on: pinned packages, the set-up and the three commands in bash."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import install
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements"
SCRIPTS = [*ROOT.glob("*.sh"), *REQUIREMENTS.glob("*.sh"), ROOT / ".ci" / "run"]
ALL_LISTS = ["data_engine.txt", "ask.txt", "cluster.txt", "viewer.txt", "dev.txt"]
GROUND_FILES = [*REQUIREMENTS.glob("*.*"), *SCRIPTS, *ROOT.glob("*.toml"), *ROOT.glob(".*.yaml")]


def pinned(*names: str) -> dict[str, Requirement]:
    """Pins of the named lists by canonical package name."""
    pins = [Requirement(pin) for name in names for pin in install.read_pins(REQUIREMENTS / name)]
    return {canonicalize_name(pin.name): pin for pin in pins}


def version_of(pin: Requirement) -> str:
    """The one version that a pin allows; fails for anything but `name==version`."""
    (specifier,) = pin.specifier
    assert specifier.operator == "==" and "*" not in specifier.version, f"{pin} is not exact"
    return specifier.version


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned_pythons() -> list[str]:
    """The Pythons that the pinned lists are for, "3.11" and so on."""
    return [name.rpartition(" ")[2] for name in project()["classifiers"]]


# -- the lists


@pytest.mark.parametrize(
    ("extra", "lists"),
    [
        ("", ["data_engine.txt"]),
        ("sample", ["data_engine.txt"]),
        ("cluster", ["cluster.txt"]),
        ("viewer", ["viewer.txt"]),
        ("ask", ["ask.txt"]),
        ("dev", ALL_LISTS),
    ],
)
def test_every_range_of_the_project_has_a_pin_inside_it(extra, lists):
    pins = pinned(*lists)
    wanted = project()["optional-dependencies"][extra] if extra else project()["dependencies"]
    ranges = [Requirement(text) for text in wanted]
    ranges = [wanted for wanted in ranges if wanted.name != project()["name"]]
    assert ranges
    for wanted in ranges:
        pin = pins[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version_of(pin)), f"{pin} is outside {wanted}"


@pytest.mark.pins
def test_the_lists_are_closed():
    """Installation does not resolve anything, so what a pinned package needs must be pinned too."""
    pins = pinned(*ALL_LISTS)
    checked = 0
    for name, pin in pins.items():
        if pin.marker and not pin.marker.evaluate():
            continue
        if name == install.OPENCV:
            name = install.installed_opencv()
        for text in importlib.metadata.requires(name) or []:
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                found = pins.get(canonicalize_name(need.name))
                assert found, f"{name} needs {need}, which no list pins"
                assert need.specifier.contains(version_of(found)), f"{name} needs {need}"
                checked += 1
    assert checked > 30


MACHINES = [  # sys_platform, platform_system and platform_machine, as markers name them
    ("linux", "Linux", "x86_64"),
    ("linux", "Linux", "aarch64"),
    ("darwin", "Darwin", "x86_64"),
    ("darwin", "Darwin", "arm64"),
]


@pytest.mark.pins
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: f"{machine[1]}-{machine[2]}")
@pytest.mark.parametrize("python", pinned_pythons())
def test_the_lists_are_closed_for_every_python_and_machine(python, machine):
    """As far as the packages of this environment tell: those that only others need are not here."""
    there = dict(zip(("sys_platform", "platform_system", "platform_machine"), machine, strict=True))
    there |= {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    pins = pinned(*ALL_LISTS)
    checked = 0
    for name, pin in pins.items():
        if name == install.OPENCV:
            name = install.installed_opencv()
        try:
            metadata = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            assert pin.marker and not pin.marker.evaluate(), f"{pin} is not installed"
            continue
        if pin.marker and not pin.marker.evaluate(there):
            continue
        assert metadata["Version"] == version_of(pin), f"{pin} is not installed"
        pythons = SpecifierSet(metadata.get("Requires-Python", ""))
        assert pythons.contains(f"{python}.0"), f"{pin} is not for Python {python}"
        for need in map(Requirement, metadata.get_all("Requires-Dist") or []):
            if need.marker is None or need.marker.evaluate(there):
                found = pins.get(canonicalize_name(need.name))
                assert found, f"{name} needs {need}, which no list pins"
                assert found.marker is None or found.marker.evaluate(there), f"{name} needs {need}"
                assert need.specifier.contains(version_of(found)), f"{name} needs {need}"
                checked += 1
    assert checked > 30


@pytest.mark.pins
@pytest.mark.parametrize("name", ["ask", "cluster", "viewer"])
def test_what_an_extra_needs_is_in_its_list_and_that_of_the_engine(name):
    pins = pinned("data_engine.txt", f"{name}.txt")
    here = [
        p for p, pin in pinned(f"{name}.txt").items() if not pin.marker or pin.marker.evaluate()
    ]
    needed = [need for p in here for need in importlib.metadata.requires(p) or []]
    needs = [Requirement(text) for text in needed]
    names = [n.name for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})]
    assert names
    assert {canonicalize_name(name) for name in names} <= set(pins)


def test_no_package_is_pinned_in_two_versions():
    pins = {pin for path in REQUIREMENTS.glob("*.txt") for pin in install.read_pins(path)}
    names = [canonicalize_name(Requirement(pin).name) for pin in pins]
    assert len(names) == len(set(names))


def test_conda_installs_the_same_list():
    environment = yaml.safe_load((REQUIREMENTS / "data_engine.yaml").read_text())
    assert environment["name"] == "data_engine"
    python, pip, from_pip = environment["dependencies"]
    assert pip == "pip"
    assert python.removeprefix("python=") in pinned_pythons()
    (reference,) = from_pip["pip"]  # conda and pip read the path from the folder of the yaml
    assert (REQUIREMENTS / reference.removeprefix("-r ")).samefile(install.RUN_LIST)


@pytest.mark.parametrize("path", GROUND_FILES, ids=lambda path: path.name)
def test_no_address_and_no_place_of_a_machine(path):
    """Where packages come from is the business of each machine's own settings."""
    text = path.read_text()
    assert text.strip()
    assert not re.search(r"://|--index|--extra-index|--find-links|/(home|work|root|Users)/", text)


# -- which OpenCV

PINS = ["numpy==2.2.6", "opencv-python==4.13.0.92"]
PINS_HEADLESS = ["numpy==2.2.6", "opencv-python-headless==4.13.0.92"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux wheels link libGL")
@pytest.mark.parametrize("missing", ["libGL.so.1", "libgthread-2.0.so.0"])
def test_opencv_without_windows_where_a_library_is_missing(missing):
    def load(library):
        if library == missing:
            raise OSError(library)

    assert install.opencv_for_this_machine(load) == install.HEADLESS


def test_opencv_itself_where_its_libraries_load():
    assert install.opencv_for_this_machine(lambda library: None) == install.OPENCV


@pytest.fixture
def machine(monkeypatch):
    """A machine of make-believe: `calls` are the commands given to pip; `loads` can be imported."""

    class Machine:
        calls: list
        loads: set
        guess: str

    def run(*command):
        machine.calls.append(command)
        return subprocess.CompletedProcess(command, 0, "")

    def cv2_problem():
        last = [name for call in machine.calls for name in call if name.startswith("opencv")][-1]
        return "" if last.split("==")[0] in machine.loads else "no libGL"

    machine = Machine()
    machine.calls, machine.loads, machine.guess = [], {install.HEADLESS}, install.OPENCV
    monkeypatch.setattr(install, "run", run)
    monkeypatch.setattr(install, "pip_install", lambda *pins: run("install", *pins))
    monkeypatch.setattr(install, "cv2_problem", cv2_problem)
    monkeypatch.setattr(install, "opencv_for_this_machine", lambda: machine.guess)
    return machine


def test_a_guess_that_loads_stays(machine):
    machine.loads = {install.OPENCV}
    install.install_packages(PINS, present=None)
    assert machine.calls == [("install", *PINS)]


def test_a_bare_machine_never_gets_the_other(machine):
    machine.guess = install.HEADLESS
    install.install_packages(PINS, present=None)
    assert machine.calls == [("install", *PINS_HEADLESS)]


def test_a_wrong_guess_is_removed_before_the_other_comes(machine):
    install.install_packages(PINS, present=None)
    assert machine.calls == [
        ("install", *PINS),
        ("pip", "uninstall", "-y", install.OPENCV),
        ("install", *PINS_HEADLESS),
    ]


def test_a_users_own_opencv_is_not_removed(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(SystemExit, match=r"no libGL.*apt-get install"):
        install.install_packages(PINS, present=install.OPENCV)
    assert machine.calls == [("install", *PINS)]


@pytest.mark.parametrize("prefix", [ROOT / ".venv", Path("anywhere/envs/data_engine")])
def test_in_an_environment_of_ours_it_is(machine, monkeypatch, prefix):
    monkeypatch.setattr(sys, "prefix", str(prefix))
    install.install_packages(PINS, present=install.OPENCV)
    assert machine.calls[-1] == ("install", *PINS_HEADLESS)


def test_headless_stays_where_it_is_in_use(machine):
    install.install_packages(PINS, present=install.HEADLESS)
    assert machine.calls == [("install", *PINS_HEADLESS)]


def test_opencv_that_never_loads_is_an_error(machine):
    machine.loads = set()
    with pytest.raises(SystemExit, match="does not load"):
        install.install_packages(PINS, present=None)


# -- when to install, and what is said when it fails


@pytest.mark.parametrize(
    ("stamp", "asked", "installs"),
    [
        (None, [], True),
        ("{digest}", [], False),
        ("{digest} ask cluster dev viewer", [], False),
        ("{digest} ask cluster dev viewer", ["dev"], False),
        ("{digest} ask cluster dev viewer", ["viewer"], False),
        ("{digest}", ["dev"], True),
        ("{digest}", ["viewer"], True),
        ("older", [], True),
    ],
)
def test_installs_when_the_stamp_differs(machine, monkeypatch, tmp_path, stamp, asked, installs):
    machine.loads = {install.OPENCV, install.HEADLESS}
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    file = tmp_path / ".spatial_engine"
    if stamp:
        file.write_text(stamp.format(digest=install.digest_of_inputs()))
    install.main(asked)
    assert bool(machine.calls) == installs
    if installs:
        lists = ["ask", "cluster", "dev", "viewer"] if asked == ["dev"] else asked
        assert file.read_text() == " ".join([install.digest_of_inputs(), *lists])
        words = [word for call in machine.calls for word in call]
        assert any("pytest==" in word for word in words) == ("dev" in lists)
        assert any("rerun-sdk==" in word for word in words) == ("viewer" in lists)


def test_an_unknown_list_is_refused():
    with pytest.raises(SystemExit, match="no such list"):
        install.main(["devel"])


@pytest.mark.parametrize("changed", ["data_engine", "ask", "cluster", "viewer", "dev"])
def test_the_digest_follows_the_lists(monkeypatch, tmp_path, changed):
    before = install.digest_of_inputs()
    copy = tmp_path / "list.txt"
    copy.write_text((REQUIREMENTS / f"{changed}.txt").read_text() + "\n")
    if changed == "data_engine":
        monkeypatch.setattr(install, "RUN_LIST", copy)
    else:
        monkeypatch.setitem(install.MORE_LISTS, changed, copy)
    assert install.digest_of_inputs() != before


def test_a_failed_installation_is_one_line_with_its_log(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    done = subprocess.CompletedProcess(["python", "-m", "pip"], 1, "a\nERROR: no space left\nb\n")
    with pytest.raises(SystemExit) as stopped:
        install.demand(done)
    message = str(stopped.value)
    assert "no space left" in message and "\n" not in message
    assert "ERROR: no space left" in (tmp_path / "spatial_engine_setup.log").read_text()


# -- setup_env.sh, with Pythons of make-believe


@pytest.fixture
def checkout(tmp_path):
    """A copy of the set-up alone, where neither a .venv nor a Python can be found."""
    shutil.copytree(REQUIREMENTS, tmp_path / "a folder" / "requirements")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "dirname", "mkdir", "rm", "tail"):
        (tools / tool).symlink_to(shutil.which(tool))
    return tmp_path


def put_script(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{shutil.which('bash')}\n{body}\n")
    path.chmod(0o755)


def set_up(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", str(checkout / "a folder" / "requirements" / "setup_env.sh"), *arguments],
        env={"PATH": str(checkout / "bin"), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def assert_one_line(done: subprocess.CompletedProcess, *words: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("setup: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


OLD_PYTHON = "exit 1"  # says no when asked whether it suits
# As Debian's without python3-venv: it suits, and asked for an environment it leaves half of one.
NO_VENV = f"""case "$*" in
*version_info*) exit 0;;
"-m venv"*) "{shutil.which("mkdir")}" -p "${{@: -1}}"; exit 1;;
*) exit 1;;
esac"""


def test_the_pythons_that_suit_are_those_that_packages_are_pinned_for():
    text = (REQUIREMENTS / "setup_env.sh").read_text()
    suits = re.search(r"sys\.exit\(not (.*)\)'", text).group(1)
    wanted = Requirement("python" + project()["requires-python"]).specifier
    assert all(wanted.contains(f"{python}.0") for python in pinned_pythons())
    for minor in range(8, 20):
        version = type("sys", (), {"version_info": (3, minor, 1)})
        assert eval(suits, {"sys": version}) == (f"3.{minor}" in pinned_pythons()), minor


def test_no_python(checkout):
    assert_one_line(set_up(checkout), "no Python 3.11 to 3.14")


def test_old_python(checkout):
    put_script(checkout / "bin" / "python3", OLD_PYTHON)
    assert_one_line(set_up(checkout), "no Python 3.11 to 3.14")


def test_python_without_venv(checkout):
    put_script(checkout / "bin" / "python3", NO_VENV)
    assert_one_line(set_up(checkout), "apt-get install python3-venv")
    assert not (checkout / "a folder" / ".venv").exists()


def test_another_python_is_tried_where_one_cannot_make_an_environment(checkout):
    put_script(checkout / "bin" / "python3.13", NO_VENV)
    environment = '"${@: -1}/bin"'  # the last argument of `python3 -m venv --clear FOLDER`
    make = f'"{shutil.which("mkdir")}" -p {environment}; ln -s "$0" {environment}/python'
    body = f'case "$*" in "-m venv"*) {make};; *install.py*) echo installed;; esac'
    (checkout / "bin" / "ln").symlink_to(shutil.which("ln"))
    put_script(checkout / "bin" / "python3", body)
    done = set_up(checkout)
    assert done.stdout == f"{checkout}/a folder/.venv/bin/python\n", done.stderr
    assert "installed" in done.stderr


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_the_active_environment_is_used(checkout, variable):
    put_script(checkout / "mine" / "bin" / "python", 'echo "asked: $*"')
    done = set_up(checkout, "dev", **{variable: str(checkout / "mine")})
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == str(checkout / "mine" / "bin" / "python")
    assert "install.py dev" in done.stderr


def test_an_active_environment_that_does_not_suit_is_named(checkout):
    put_script(checkout / "mine" / "bin" / "python", OLD_PYTHON)
    done = set_up(checkout, VIRTUAL_ENV=str(checkout / "mine"))
    assert_one_line(done, str(checkout / "mine"), "deactivate")


def test_nothing_is_installed_into_condas_base(checkout):
    put_script(checkout / "conda" / "bin" / "python", "exit 0")
    done = set_up(checkout, CONDA_PREFIX=str(checkout / "conda"), CONDA_DEFAULT_ENV="base")
    assert_one_line(done, "no Python 3.11 to 3.14")


# -- the commands


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_bash_reads_it(path):
    done = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("dash") is None, reason="no other shell is here")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_another_shell_is_told_that_bash_is_needed(path):
    done = subprocess.run(["dash", str(path)], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == f"error: {path} needs bash; type: bash {path}\n"


def test_ci_can_be_started():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def demo_scripts() -> list[str]:
    text = (ROOT / "run_demo.sh").read_text()
    return re.findall(r"^step (?:python|bash) (\S+\.(?:py|sh))", text, re.MULTILINE)


def test_the_demo_names_scripts_that_are_there():
    assert len(demo_scripts()) >= 6
    assert [script for script in demo_scripts() if not (ROOT / script).is_file()] == []


def run_demo(checkout: Path, python: str, **variables: str) -> subprocess.CompletedProcess:
    """Run the demo's script, from elsewhere, with a Python of make-believe."""
    put_script(checkout / "mine" / "bin" / "python", python)
    shutil.copy(ROOT / "run_demo.sh", checkout / "a folder")
    put_script(checkout / "a folder" / "find_object_coverage.sh", "exit 0")
    return subprocess.run(
        ["bash", str(checkout / "a folder" / "run_demo.sh")],
        cwd=checkout,
        env={
            "PATH": str(checkout / "bin"),
            "VIRTUAL_ENV": str(checkout / "mine"),
            **variables,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def test_the_demo_runs_every_step_and_ends_with_the_table(checkout):
    done = run_demo(checkout, 'case "$*" in *demo_table*) echo "table for $4";; esac')
    assert done.returncode == 0, done.stderr
    *steps, table, look = done.stdout.splitlines()
    assert table == "table for demo"
    assert look.endswith("demo/report/index.html")
    commands = [re.fullmatch(r"(.*) \.\.\. \d+[.,]\d s", step).group(1) for step in steps]
    samples = "python -m spatial_engine.sample_data --root demo"
    made, captures, answers = [command for command in commands if " -m " in command]
    assert (made, captures) == (samples, f"{samples} --captures transforms")
    assert answers.startswith("python -m spatial_engine.sample_data.clip_answers --clip demo/")
    assert [command.split()[1] for command in commands if " -m " not in command] == demo_scripts()
    assert (checkout / "a folder" / "demo" / "logs").is_dir()


def test_the_demo_takes_another_folder(checkout):
    done = run_demo(checkout, "exit 0", DEMO_ROOT="else where")
    assert done.returncode == 0, done.stderr
    assert f"--root {checkout}/else where" in done.stdout
    assert not (checkout / "a folder" / "demo").exists()


def test_the_demo_stops_where_there_is_no_environment(checkout):
    done = run_demo(checkout, OLD_PYTHON)
    assert_one_line(done, "the active environment")


def test_a_step_that_fails_ends_the_demo_and_is_named(checkout):
    body = 'case "$*" in *extract_posed_images*) echo "no such scan"; exit 3;; esac'
    done = run_demo(checkout, body)
    assert done.returncode == 1
    assert "extract_posed_images.py" in done.stderr and "failed" in done.stderr
    assert "no such scan" in done.stdout
    assert "update_info_file_with_images" not in done.stdout
