"""What changes between two runs: nothing old is mixed in, and the closing table says why."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from pathlib import Path

import cv2
import pytest
from conftest import COMMANDS, FEWER, PLAIN, link_root, own_file
from helpers import load_pickle, raises_one_line
from kill_runs import WRITING, data_of, root_before, written_by

import spatial_engine
from spatial_engine.depth_perception import depth_questions
from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.utils.running import cli, scene_runner, step
from spatial_engine.utils.storage import engine_code

EXTRACT, INFOS, VISIBILITY, RELATIONS, CAMERA = COMMANDS[1:6]
SCRIPTS = [c for c in COMMANDS if c.endswith(".py") and not c.endswith(PLAIN)]
OBJECTS = "spatial_engine/object_perception/compute_object_visibility.py"
COVERAGE = "spatial_engine/object_perception/single_object_coverage_finder.py"
MERGE = "spatial_engine/object_perception/merge_object_coverage.py"
DEPTH_COOR = "spatial_engine/depth_perception/depth_estimation_coor_engine.py"
DEPTH_DOT = "spatial_engine/depth_perception/depth_estimation_dot_engine.py"
COOR = "spatial_engine/visual_correspondence/visual_correspondence_qa_engine_coor_2_coor.py"
MOVEMENT = "spatial_engine/object_movement/single_object_movement_engine_coord.py"
UNIFORM = "spatial_engine/exports/export_uniform.py"
BENCHMARK = "spatial_engine/evaluation/make_benchmark.py"
CHANGES = [  # command, flags, what the table says of them
    (EXTRACT, ["--frame-skip", "10"], "FRAME_SKIP"),
    (OBJECTS, ["--min-visible-share", "0.3"], "MIN_VISIBLE_SHARE"),
    (CAMERA, ["--min-direction-mm", "60"], "MIN_DIRECTION_MM"),
    (CAMERA, ["--seed", "3"], "seed"),
    (DEPTH_DOT, ["--dot-radius-px", "14", "--seed", "3"], "DOT_RADIUS_PX, seed"),
    (COOR, ["--train-max-samples", "20"], "max_samples"),
    (MOVEMENT, ["--seed", "3"], "seed"),
]


class Bench:
    """Runs commands in this process, with one worker, as their command line would."""

    def __init__(self, made: Path, raw: Path, folder: Path, capsys):
        self.made, self.raw, self.folder, self.capsys = made, raw, folder, capsys

    def run(self, command: str, root: Path, *flags: str) -> str:
        """The closing table; the command must end well."""
        self.capsys.readouterr()
        module = importlib.import_module(command.removesuffix(".py").replace("/", "."))
        line = ["--root", str(root), *FEWER.get(command, ()), *flags]
        if command in COMMANDS:
            line += ["--num-workers", "1"]
        code = cli.run(module.main, line)
        said = self.capsys.readouterr()
        assert code == 0, said.out + said.err
        return said.out

    def without(self, command: str, name: str) -> Path:
        """A root on which all but `command` has run."""
        return root_before(command, self.made, self.raw, self.folder / name)

    def stop(self, command: str, root: Path, monkeypatch, *flags: str) -> None:
        """Run until all scenes are finished and nothing is in its place."""
        with monkeypatch.context() as patch, pytest.raises(AssertionError):
            patch.setattr(step.Step, "_publish", _interrupt)
            self.run(command, root, *flags)


def _interrupt(*args):
    raise KeyboardInterrupt


def made_by(command: str, root: Path) -> dict[str, bytes]:
    """What a command has written under a root."""
    return data_of(root, below=written_by(command, root))


@pytest.fixture
def bench(made_root, raw_root, tmp_path, capsys) -> Bench:
    return Bench(made_root, raw_root, tmp_path, capsys)


@pytest.mark.parametrize(("command", "flags", "names"), CHANGES)
def test_a_changed_constant_or_seed_makes_all_anew_and_is_named(bench, command, flags, names):
    fresh, stale = bench.without(command, "fresh"), link_root(bench.made, bench.folder / "stale")
    assert "again" not in bench.run(command, fresh, *flags)
    table = bench.run(command, stale, *flags)
    assert table.count(f"again: constants changed ({names})") >= 1 + (command != EXTRACT)
    decides_the_draw = names == "max_samples" or command == CAMERA  # who is asked what
    assert "inputs changed" not in table or decides_the_draw
    expected = made_by(command, fresh)
    assert expected and made_by(command, stale) == expected
    assert expected != made_by(command, bench.made)
    assert "again" not in bench.run(command, stale, *flags)


@pytest.mark.parametrize(("command", "flags", "names"), CHANGES[1:5])
def test_finished_scenes_of_a_stopped_run_are_not_taken_under_other_constants(
    bench, command, flags, names, monkeypatch
):
    fresh, stopped = bench.without(command, "fresh"), bench.without(command, "stopped")
    bench.stop(command, stopped, monkeypatch)
    assert list(stopped.rglob("*.parts/*/*/.done.json"))
    table = bench.run(command, stopped, *flags)
    assert f"scenes done again: constants changed ({names})" in table
    bench.run(command, fresh, *flags)
    assert made_by(command, stopped) == made_by(command, fresh) != {}


@pytest.mark.parametrize("command", [INFOS, CAMERA, OBJECTS, DEPTH_DOT, MOVEMENT])
def test_another_version_makes_all_anew_and_is_named(bench, command, monkeypatch):
    root = link_root(bench.made, bench.folder / "root")
    stopped = bench.without(command, "stopped")
    bench.stop(command, stopped, monkeypatch)
    monkeypatch.setattr(spatial_engine, "__version__", "99.0")
    expected = made_by(command, bench.made)
    table = bench.run(command, root)
    assert table.count("again: made by version") == table.count("again") >= 2
    assert "this is 99.0" in table and "up to date" not in table
    assert "done again: made by version" in bench.run(command, stopped)
    assert made_by(command, root) == made_by(command, stopped) == expected
    assert "again" not in bench.run(command, root)


@pytest.mark.parametrize("command", [EXTRACT, INFOS, CAMERA, OBJECTS, DEPTH_DOT, MOVEMENT, UNIFORM])
def test_other_code_of_the_same_version_makes_all_anew_and_is_named(bench, command, monkeypatch):
    """As after an edit, or another state of the repository."""
    roots = [link_root(bench.made, bench.folder / "root")]
    if command == UNIFORM:
        bench.run(command, roots[0])
    expected = made_by(command, roots[0])
    if command not in (EXTRACT, UNIFORM):  # which put each scene, or file, in its place
        roots.append(bench.without(command, "stopped"))
        bench.stop(command, roots[1], monkeypatch)
    edit_code(monkeypatch)
    for root in roots:
        table = bench.run(command, root)
        assert "again: code changed (x.py)" in table
        assert "constants changed" not in table and "up to date" not in table
        assert made_by(command, root) == expected != {}
        assert "again" not in bench.run(command, root)


@pytest.mark.parametrize("command", [EXTRACT, INFOS, CAMERA, OBJECTS, DEPTH_DOT, MOVEMENT, UNIFORM])
def test_what_other_code_made_is_kept_where_that_is_accepted(bench, command, monkeypatch):
    root = link_root(bench.made, bench.folder / "root")
    if command == UNIFORM:
        bench.run(command, root)
    times = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    edit_code(monkeypatch)
    table = bench.run(command, root, "--accept-finished")
    assert "again" not in table and "accepted: " in table and "code changed (x.py)" in table
    touched = {path for path in times if path.stat().st_mtime_ns != times[path]}
    assert touched and all(path.name.endswith((".meta.json", ".done.json")) for path in touched)
    assert {path for path in root.rglob("*") if path.is_file()} == set(times)
    assert "accepted" not in (table := bench.run(command, root)) and "again" not in table
    table = bench.run(command, root, "--overwrite")
    assert "again: --overwrite" in table or ("again" not in table and command == MOVEMENT)


def test_coverage_of_other_code_is_accepted_chunk_by_chunk(bench, monkeypatch):
    root = link_root(bench.made, bench.folder / "root")
    folder = root / "training_data/object_perception"
    parts = {path: path.stat().st_mtime_ns for path in folder.glob("train_*_*/*.pkl")}
    before = data_of(root)
    edit_code(monkeypatch)
    for start, end in ((0, 2), (2, 3)):
        chunk = ("--start", str(start), "--end", str(end))
        table = bench.run(COVERAGE, root, *chunk, "--published", "--accept-finished")
        assert "again" not in table and "accepted: " in table
    assert parts and {path: path.stat().st_mtime_ns for path in parts} == parts
    bench.run(MERGE, root, "--splits", "train")
    assert data_of(root) == before


def test_edited_sentences_are_those_of_all_records(bench, monkeypatch):
    """In the same process too: nothing keeps those that were read before."""
    root = link_root(bench.made, bench.folder / "root")
    folder = shutil.copytree(depth_questions._TEMPLATES, bench.folder / "templates")
    monkeypatch.setattr(depth_questions, "_TEMPLATES", folder)
    assert "up to date" in bench.run(DEPTH_COOR, root)
    path = folder / "depth_estimation_coor.json"
    sentences = json.loads(path.read_text())
    edited = {
        name: [f"{text}(edited)" for text in ([group] if isinstance(group, str) else group)]
        for name, group in sentences.items()
    }
    path.write_text(json.dumps(edited))
    assert "made again: constants changed (templates)" in bench.run(DEPTH_COOR, root)
    made = [text for name, text in made_by(DEPTH_COOR, root).items() if name.endswith(".jsonl")]
    lines = [line for text in made for line in text.splitlines()]
    assert lines and all(b"(edited)" in line for line in lines)


@pytest.mark.parametrize("command", [c for c in SCRIPTS if "engine" in Path(c).name])
def test_what_a_scene_is_made_from_comes_with_its_job(bench, command, monkeypatch):
    """No data file of the engine is opened while a scene is done: on another machine, or a moment
    later, another may be there than the one whose digest is in the settings."""
    root = link_root(bench.made, bench.folder / "root")
    engine, watching, opened = str(Path(spatial_engine.__file__).parent), [False], []

    def watch(event, arguments):
        if event == "open" and watching[0]:
            opened.append(str(arguments[0]))

    def do_watched(task, do=scene_runner._do_scene):
        watching[0] = True
        try:
            return do(task)
        finally:
            watching[0] = False

    sys.addaudithook(watch)  # for good, and idle after this
    monkeypatch.setattr(scene_runner, "_do_scene", do_watched)
    bench.run(command, root, "--overwrite")
    assert any(name.endswith(".done.json") for name in opened)
    mine = [name for name in opened if name.startswith(engine)]
    assert [name for name in mine if not name.endswith((".py", ".pyc"))] == []


def edit_code(monkeypatch) -> None:
    real = engine_code.digests_of
    monkeypatch.setattr(engine_code, "digests_of", lambda module: {**real(module), "x.py": "new"})


def test_scenes_of_other_code_are_not_joined_with_new_ones(bench, monkeypatch):
    """A trial after an edit, and a full run in which the scan of a finished scene is gone."""
    load = COMMANDS[0]
    root = link_root(bench.made, bench.folder / "root")
    infos = "data/scannet/scannet_instance_data/scenes_train_val_info.parquet"
    before = (root / infos).read_bytes()
    edit_code(monkeypatch)
    with raises_one_line(SettingsError, "scene0000_00", "other code", "without --scenes"):
        module = importlib.import_module(load.removesuffix(".py").replace("/", "."))
        module.main(["--root", str(root), "--num-workers", "1", "--scenes", "scene0001_00"])
    assert (root / infos).read_bytes() == before
    shutil.rmtree(root / "data/scannet/scans/scene0000_00")
    with raises_one_line(MissingInputError, "scene0000_00", infos, "--overwrite"):
        module.main(["--root", str(root), "--num-workers", "1"])
    assert (root / infos).read_bytes() == before
    table = bench.run(load, root, "--overwrite")
    assert "1 left out: made by other code or constants before" in table
    scenes = load_pickle((root / infos).with_suffix(".pkl"))
    assert "scene0000_00" not in scenes and "scene0001_00" in scenes


def test_pictures_that_are_lost_are_made_again(bench):
    for damage in ("gone", "cut off"):
        root = link_root(bench.made, bench.folder / damage)
        path = next((root / "training_data/depth_estimation_dot/v1_0/images").glob("*/*.jpg"))
        path.unlink() if damage == "gone" else os.truncate(own_file(path), 0)
        assert "made again: files changed or gone" in bench.run(DEPTH_DOT, root)
        assert made_by(DEPTH_DOT, root) == made_by(DEPTH_DOT, bench.made)
        assert "again" not in bench.run(DEPTH_DOT, root)


def test_a_table_that_holds_images_follows_them(bench):
    export = "spatial_engine/exports/export_vlmevalkit.py"
    root = link_root(bench.made, bench.folder / "root")
    bench.run(BENCHMARK, root)
    for flags in ([], ["--base64"]):
        bench.run(export, root, *flags)
        assert "up to date" in bench.run(export, root, *flags)
    (table,) = root.glob("evaluation_data/exports/vlmevalkit/*.tsv")
    before = table.read_bytes()
    name = (root / "evaluation_data/multispa/v1_0/images.txt").read_text().split()[0]
    image = own_file(root / name)
    cv2.imwrite(str(image), 255 - cv2.imread(str(image)))
    assert "made again: inputs changed of images" in bench.run(export, root, "--base64")
    assert table.read_bytes() != before


@pytest.mark.parametrize("command", [INFOS, CAMERA, UNIFORM, BENCHMARK])
def test_what_a_kill_leaves_beside_a_whole_output_is_removed(bench, command):
    """As between the renaming of an output, or of what tells of it, and the end."""
    root = link_root(bench.made, bench.folder / "root")
    bench.run(command, root)
    expected = {path.name for path in root.rglob("*")}
    outputs = [path for path in written_by(command, root) if path.is_file()]
    if command == INFOS:  # its tables are renamed from a folder of parts, as pictures are
        outputs = [path for path in outputs if path.suffix != ".parquet"]
    outputs += [path for folder in written_by(command, root) for path in folder.rglob("*.json*")]
    for path in outputs:
        path.with_name(f"{path.name}.partial").mkdir(exist_ok=True)
    assert "again" not in bench.run(command, root)
    assert {path.name for path in root.rglob("*")} == expected


def test_the_pose_of_a_frame_changes(bench):
    """Every step that depends on it makes its scene anew, and says which."""
    scene = "scene0000_00"
    pose = f"data/scannet/posed_images/{scene}/00005.txt"
    steps = (INFOS, VISIBILITY, RELATIONS, CAMERA, OBJECTS)
    stale, fresh = (link_root(bench.made, bench.folder / name) for name in ("stale", "fresh"))
    for command in steps:
        fresh = root_before(command, fresh, bench.raw, bench.folder / Path(command).stem)
    lines = (stale / pose).read_text().splitlines()
    first = lines[0].split()
    first[3] = str(float(first[3]) + 0.2)  # moved by 0.2 m
    for root in (stale, fresh):
        (root / pose).write_text("\n".join([" ".join(first), *lines[1:]]) + "\n")
    for command in steps:
        table = bench.run(command, stale)
        assert f"made again: inputs changed of {scene}" in table, command
        bench.run(command, fresh)
        assert made_by(command, stale) == made_by(command, fresh) != made_by(command, bench.made)


def test_a_copy_whose_files_have_other_times_is_up_to_date(bench):
    """As `cp -r` makes it: each step finds its inputs by what is in them."""
    root = bench.folder / "another" / "root"
    shutil.copytree(bench.made, root, copy_function=shutil.copyfile)
    for number, path in enumerate(sorted(root.rglob("*"))):
        os.utime(path, (10**9 + number, 10**9 + number))
    before = data_of(root)
    for command in SCRIPTS:
        table = bench.run(command, root)
        assert "again" not in table, (command, table)
    assert data_of(root) == before == data_of(bench.made)
    assert not list(root.rglob("*.parts"))


@pytest.mark.parametrize("place", [0, 0.5, 1])  # larger ones are read in samples
def test_a_scan_with_another_byte_is_read_again_though_size_and_time_are_the_same(bench, place):
    root = link_root(bench.made, bench.folder / "root")
    (scan,) = root.glob("data/scannet/scans/scene0001_00/*.sens")
    data, status = bytearray(scan.read_bytes()), scan.stat()
    data[int((len(data) - 1) * place)] ^= 1
    scan.write_bytes(data)
    os.utime(scan, ns=(status.st_atime_ns, status.st_mtime_ns))
    module = importlib.import_module(EXTRACT.removesuffix(".py").replace("/", "."))
    cli.run(module.main, ["--root", str(root), "--num-workers", "1"])  # may be damaged by it
    said = bench.capsys.readouterr()
    assert "1 scene done again: inputs changed" in said.out or "failed: scene0001_00" in said.out


def test_a_digit_of_a_pose_changes_and_neither_size_nor_time(bench):
    root = link_root(bench.made, bench.folder / "root")
    pose = root / "data/scannet/posed_images/scene0000_00/00005.txt"
    text, status = pose.read_text(), pose.stat()
    place = text.index(".") + 3  # a thousandth, far less than what rotations are checked for
    pose.write_text(f"{text[:place]}{(int(text[place]) + 1) % 10}{text[place + 1 :]}")
    os.utime(pose, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert pose.stat().st_size == status.st_size
    assert "made again: inputs changed of scene0000_00" in bench.run(INFOS, root)


def test_a_colour_image_changes(bench):
    """It is marked anew; the questions are the same, as they depend on depth alone."""
    roots = link_root(bench.made, bench.folder / "stale"), bench.without(DEPTH_DOT, "fresh")
    folder = f"data/scannet/posed_images/{split_lists(bench.made)['train'][0]}"
    for root in roots:
        for path in (root / folder).glob("*.jpg"):
            cv2.imwrite(str(own_file(path)), 255 - cv2.imread(str(path)))
    tables = [bench.run(DEPTH_DOT, root) for root in roots]
    assert f"made again: inputs changed of {Path(folder).name}" in tables[0]
    stale, fresh = (made_by(DEPTH_DOT, root) for root in roots)
    assert stale == fresh != made_by(DEPTH_DOT, bench.made)


def split_lists(root: Path) -> dict[str, list[str]]:
    folder = root / "data/scannet/meta_data"
    return {s: (folder / f"scannetv2_{s}.txt").read_text().split() for s in ("train", "val")}


def test_a_scene_leaves_the_split_list_and_comes_back(bench):
    left_out = split_lists(bench.made)["train"][-1]
    steps = (COMMANDS[0], INFOS, VISIBILITY, RELATIONS, CAMERA, DEPTH_DOT, OBJECTS)
    stale = link_root(bench.made, bench.folder / "stale")
    fresh = link_root(bench.raw, bench.folder / "fresh")
    path = "data/scannet/meta_data/scannetv2_train.txt"
    whole = (stale / path).read_text()
    for root in (stale, fresh):
        (root / path).write_text(whole.replace(f"{left_out}\n", ""))
    bench.run(EXTRACT, fresh)
    for command in steps:
        table = bench.run(command, stale)
        assert f"{left_out} left out" in table, command
        bench.run(command, fresh)
        kept = {
            name: data
            for name, data in made_by(command, stale).items()
            if f"instance_data/{left_out}/" not in name  # folders of scenes stay
        }
        assert kept == made_by(command, fresh) != made_by(command, bench.made)
    (stale / path).write_text(whole)
    for command in steps:
        table = bench.run(command, stale)
        assert f"{left_out} added" in table, command
        assert made_by(command, stale) == made_by(command, bench.made)


@pytest.fixture
def done(monkeypatch) -> list[str]:
    """Scenes whose work is done, in turn."""
    found: list[str] = []

    def note(name, work, jobs, *args, **options):
        run = run_scenes(name, work, jobs, *args, **options)
        found.extend(sorted(run.results))
        return run

    run_scenes = step.run_scenes
    monkeypatch.setattr(step, "run_scenes", note)
    return found


def told_by(paths: list[Path]) -> dict[str, object]:
    """What provenance says of outputs, but for the run."""
    metas = [meta for path in paths for meta in ([path] if path.is_file() else path.rglob("*"))]
    told = {m.name: json.loads(m.read_text()) for m in metas if m.name.endswith(".meta.json")}
    return {name: {k: v for k, v in meta.items() if k != "run"} for name, meta in told.items()}


TABLES = {
    INFOS: (), VISIBILITY: (), RELATIONS: (), OBJECTS: (),
    COVERAGE: ("--end", "10", "--published"),
}  # fmt: skip


def test_a_scene_that_comes_goes_or_changes_costs_its_own_work(
    prepared_root, raw_root, tmp_path, capsys, done
):
    bench = Bench(prepared_root, raw_root, tmp_path, capsys)
    root, lists = link_root(prepared_root, tmp_path / "grown"), split_lists(prepared_root)
    last = lists["train"][-1]
    others = dict.fromkeys(TABLES, len(lists["train"]) - 1)
    others[INFOS] += len(lists["val"])  # of both splits together
    path = own_file(root / "data/scannet/meta_data/scannetv2_train.txt")
    whole = path.read_text()

    def run(command: str, told: str, scenes: list[str]) -> tuple[object, object]:
        """What there is and what is told of it when the command has done these scenes."""
        done.clear()
        assert told in bench.run(command, root, *TABLES[command]), command
        assert done == scenes, command
        own = "find_object_coverage.sh" if command == COVERAGE else command
        return made_by(own, root), told_by(written_by(own, root))

    for command in TABLES:
        bench.run(command, root, *TABLES[command])
    wanted = {command: run(command, "up to date", []) for command in TABLES}
    path.write_text(whole.replace(f"{last}\n", ""))
    bench.run(COMMANDS[0], root)
    for command in TABLES:
        assert run(command, f"0 scenes made, {others[command]} taken over", []) != wanted[command]
    path.write_text(whole)
    bench.run(COMMANDS[0], root)
    for command in TABLES:
        assert (
            run(command, f"1 scene made, {others[command]} taken over", [last]) == wanted[command]
        )
    image = own_file(root / f"data/scannet/posed_images/{last}/00000.png")
    cv2.imwrite(str(image), cv2.imread(str(image), cv2.IMREAD_UNCHANGED) // 2)
    for command in TABLES:
        run(command, f"1 scene made, {others[command]} taken over", [last])


def test_what_is_made_of_records_follows_them(bench):
    roots = [link_root(bench.made, bench.folder / name) for name in ("stale", "fresh")]
    for command in (BENCHMARK, UNIFORM):
        bench.run(command, roots[0])
    for root in roots:
        bench.run(COOR, root, "--seed", "3")
    benchmark, uniform = (bench.run(command, roots[0]) for command in (BENCHMARK, UNIFORM))
    for command in (BENCHMARK, UNIFORM):
        assert "again" not in bench.run(command, roots[1])
    name = "visual_correspondence_coor_2_coor"
    assert "made again: inputs changed of" in benchmark and name in benchmark
    assert uniform.count("made again: inputs changed") == 2  # train and val
    for command in (BENCHMARK, UNIFORM):
        assert command in WRITING
        assert made_by(command, roots[0]) == made_by(command, roots[1]) != {}


@pytest.mark.parametrize(
    ("damage", "why"),
    [("truncated", "files changed or gone"), ("gone", ""), ("overwrite", "--overwrite")],
)
def test_an_output_that_is_not_as_it_was_is_made_again(bench, damage, why):
    root = link_root(bench.made, bench.folder / "root")
    path = root / "training_data/camera_movement/v1_0/z_movement_train.jsonl"
    if damage == "truncated":
        own_file(path).write_bytes(path.read_bytes()[:-10])
    elif damage == "gone":
        path.unlink()
    table = bench.run(CAMERA, root, *(["--overwrite"] if damage == "overwrite" else []))
    assert f"made again: {why}" in table
    assert made_by(CAMERA, root) == made_by(CAMERA, bench.made)
