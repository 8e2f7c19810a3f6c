"""Kills commands at random moments, starts them again, and compares with an undisturbed run.

    python tests/kill_runs.py --times 20 --seed 0 [--commands extract_posed make_report]

Each command is started as typed, with one worker and with two, on a copy of the small sample data
on which all others have run; the whole process group, in every fourth run the parent alone, gets
SIGKILL; most moments are after it has begun to write. Then it is started again, to its end. Each
is also started twice at once on one root. Prints what was survived, and any difference.
`test_kill.py` does each command once.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

import orjson
import psutil
import pyarrow.parquet as pq
from conftest import (
    COMMANDS,
    EVALUATION,
    FEWER,
    FRAME_COMMANDS,
    PATIENCE,
    PLAIN,
    REPOSITORY,
    copy_root,
    link_root,
    made_once,
    run_commands,
    run_here,
)

from spatial_engine.utils.questions.records import read_jsonl

OBJECTS = "*_data/object_perception"
INFOS = "data/scannet/scannet_instance_data"
BENCHMARK = "evaluation_data/multispa/v1_0"
# What each command writes below the root, as patterns; whatever begins so is its own.
WRITES = {
    "batch_load_scannet_data": [
        f"{INFOS}.meta", f"{INFOS}/scene*_00", f"{INFOS}/scenes_train_val_info.",
    ],
    "extract_posed_images": ["data/scannet/posed_images"],
    "update_info_file_with_images": [f"{INFOS}/scenes_*_i_D5."],
    "make_visibility_info": [f"{INFOS}/*_visibility_info_D5.parquet"],
    "calculate_frames_relations": ["*_data/camera_movement/*_camera_info_D5.parquet"],
    "camera_movement_engine_train_val": ["*_data/camera_movement/v1_0"],
    "depth_estimation_dot_engine": ["*_data/depth_estimation_dot"],
    "depth_estimation_coor_engine": ["*_data/depth_estimation_coor"],
    "depth_comparison_dot_engine": ["*_data/depth_comparison_dot"],
    "depth_comparison_coor_engine": ["*_data/depth_comparison_coor"],
    "visual_correspondence_qa_engine_dot_2_multichoice": [
        "*_data/visual_correspondence_dot_2_multichoice",
    ],
    "visual_correspondence_qa_engine_coor_2_coor": ["*_data/visual_correspondence_coor_2_coor"],
    "compute_object_visibility": [f"{OBJECTS}/object_visibility"],
    "find_object_coverage": [f"{OBJECTS}/train_*_", f"{OBJECTS}/val_*_"],
    "merge_object_coverage": [f"{OBJECTS}/merged_"],
    "single_object_perception_engine": [f"{OBJECTS}/object_perception_"],
    "copy_adt_extrinsics": ["data/tapvid3d_dataset/adt/*.npz"],
    "make_split_lists": ["data/tapvid3d_dataset/meta_data"],
    "single_object_movement_engine_coord": ["*_data/object_movement_coord"],
    "single_object_movement_engine_dot": [
        "*_data/object_movement_dot", "data/my_tapvid3d_images", "data/clip_bodies",
    ],
    "camera_path_engine": ["*_data/camera_frames"],
    "depth_views_engine": ["*_data/depth_frames"],
    "correspondence_views_engine": ["*_data/correspondence_frames"],
    "point_path_engine": ["*_data/movement_frames"],
    "check_records": ["records_check.json"],
    "make_benchmark": [f"{BENCHMARK}/multispa.jsonl", f"{BENCHMARK}/images.txt"],
    "make_baselines": [f"{BENCHMARK}/baselines"],
    "score_predictions": ["scores"],
    "make_training_mix": ["training_data/mix3M"],
    "export_uniform": ["*_data/exports/uniform"],
    "export_llama_factory": ["training_data/exports/llama_factory"],
    "export_trl": ["training_data/exports/trl"],
    "export_qwen": ["*_data/exports/qwen"],
    "export_hub": ["training_data/exports/hub"],
    "export_webdataset": ["training_data/exports/webdataset"],
    "export_vlmevalkit": ["evaluation_data/exports/vlmevalkit"],
    "export_lmms_eval": ["evaluation_data/exports/lmms_eval"],
    "resize_images": ["small"],
    "audit_labels": ["label_audit.json"],
    "audit_tables": ["table_audit.json"],
    "make_report": ["report/[!s]"],
    "make_contact_sheets": ["report/sheets"],
}  # fmt: skip
LOOKING = (
    "spatial_engine/audit/audit_labels.py", "spatial_engine/report/make_report.py",
    "spatial_engine/report/make_contact_sheets.py",
)  # fmt: skip
# Of the others, export_ms_swift without flags writes nothing, view_scene not the same bytes again.
WRITING = [c for c in (*COMMANDS, *EVALUATION, *LOOKING) if Path(c).stem in WRITES]
WORKERS_BY_FLAG = {
    "check_records", "export_uniform", "export_qwen", "export_hub", "export_webdataset",
    "resize_images", "audit_labels", "audit_tables", "make_report", "make_contact_sheets",
}  # fmt: skip
TEMPORARY = re.compile(r"\.(partial|parts|buckets|over|replaced)\b")
FINISHED_BEFORE = re.compile(r": (\d+) scenes were finished before")
PROVENANCE = (".meta.json", ".done.json")
STARTUP_SHARE = 0.2  # of the kills, before anything is written


def flags_of(command: str, root: Path, workers: int) -> list[str]:
    """The flags with which a command is typed here."""
    name = Path(command).stem
    flags = list(FEWER.get(command, ()))
    if command in (*COMMANDS, *FRAME_COMMANDS) or name in WORKERS_BY_FLAG:
        flags += ["--num-workers", str(workers)]
    flags += {
        "score_predictions": [
            "--paper", str(root / BENCHMARK / "baselines/random.jsonl"),
            "--output", str(root / "scores"),
        ],
        "export_uniform": ["--formats", "jsonl", "parquet"],
        "export_qwen": ["--coordinates", "pixels", "--benchmarks", "multispa"],
        "resize_images": ["--output", str(root / "small")],
        "audit_labels": ["--sample", "1"],
        "audit_tables": ["--sample", "1"],
        "make_contact_sheets": ["--records-per-sheet", "1", "--splits", "val"],
    }.get(name, [])  # fmt: skip
    return flags


def finish_root(root: Path) -> None:
    """Run, on a root with the records of all commands, those that make something of them."""
    for command in WRITING:
        if command not in COMMANDS:
            run_commands([command], root, *flags_of(command, root, 1), run=run_here)


def finished_once(shared_folder: Path, made_root: Path) -> Path:
    """The root on which everything has run, made once for all test processes; not to be written
    to."""
    return made_once(
        shared_folder / "finished", lambda folder: finish_root(copy_root(made_root, folder))
    )


def command_of(name: str) -> str:
    """A command by the name of its file."""
    return next(command for command in WRITING if Path(command).stem == name)


def written_by(command: str, root: Path) -> list[Path]:
    """What there is of a command's own, its temporary files included."""
    patterns = WRITES[Path(command).stem]
    return sorted(path for pattern in patterns for path in root.glob(f"{pattern}*"))


def root_before(command: str, finished: Path, raw: Path, target: Path) -> Path:
    """A copy of a finished root without what `command` makes."""
    link_root(finished, target)
    for path in written_by(command, target):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if "copy_adt_extrinsics" in command:  # it changes what is there
        clips = "data/tapvid3d_dataset/adt"
        shutil.copytree(raw / clips, target / clips, dirs_exist_ok=True)
    return target


def data_of(root: Path, below: Sequence[Path] | None = None) -> dict[str, bytes]:
    """All files under a root, or those at and below some of its paths, that are to be the same: not
    provenance, which holds times. Where files name the root, one name stands for all."""
    return {
        path.relative_to(root).as_posix(): _without_place(path, root)
        for place in ([root] if below is None else below)
        for path in ([place] if place.is_file() else sorted(place.rglob("*")))
        if path.is_file() and not path.name.endswith(PROVENANCE)
    }


def names_of(root: Path) -> set[str]:
    """All files and folders under a root."""
    top = f"{root}{os.sep}"
    return {
        f"{folder}{os.sep}{name}".removeprefix(top)
        for folder, folders, files in os.walk(root)
        for name in (*folders, *files)
    }


def differing(root: Path, finished: Path) -> dict[str, tuple[bytes, bytes | None]]:
    """Files under a root that are not as in the finished root: their bytes here and there (None:
    there is no such file). Not provenance. What is still a link to the file there is not read."""
    found = {}
    for name in sorted(names_of(root)):
        here, there = (_file_at(f"{place}{os.sep}{name}") for place in (root, finished))
        if name.endswith(PROVENANCE) or not here or (there and os.path.samestat(here, there)):
            continue
        data = _without_place(root / name, root, finished)
        expected = _without_place(finished / name, finished) if there else None
        if data != expected:
            found[name] = data, expected
    return found


def _file_at(path: str) -> os.stat_result | None:
    """What the system says of a file, by its name as text: thousands of them are looked at."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found if S_ISREG(found.st_mode) else None


def _without_place(path: Path, *places: Path) -> bytes:
    """The bytes of a file in which one name stands for all roots; of a packed file that names its
    root those of its rows."""
    packed = path.parent.name == "trl" and path.suffix == ".parquet"
    data = orjson.dumps(pq.read_table(path).to_pylist()) if packed else path.read_bytes()
    for place in places:
        data = data.replace(str(place).encode(), b"ROOT")
    return data


@dataclass(frozen=True)
class Kill:
    """What came of one: when it hit ("before", "during" or "after" the writing), what differs."""

    moment: str
    faults: list[str]


class Trial:
    """One command on a root of its own, killed and started again."""

    def __init__(self, command: str, root: Path, finished: Path):
        self.command, self.root, self.finished = command, root, finished
        self.orphans: list[psutil.Process] = []
        self.at_start = written_by(command, root)

    def has_begun(self) -> bool:
        return written_by(self.command, self.root) != self.at_start

    def start(self, workers: int, stderr: int = subprocess.DEVNULL) -> psutil.Popen:
        """The command as typed, in a process group of its own."""
        line = [sys.executable, self.command, "--root", str(self.root)]
        if not self.command.endswith(PLAIN):
            line += flags_of(self.command, self.root, workers)
        environment = dict(os.environ)
        if self.command.endswith(".sh"):
            line = ["bash", self.command, "0", "2", str(workers)]
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            flags = " ".join(FEWER[self.command])
            environment |= {"ROOT": str(self.root), "PATH": path, "FLAGS": flags}
        return psutil.Popen(
            line, cwd=REPOSITORY, env=environment, start_new_session=True, preexec_fn=heed_signals,
            stdout=subprocess.DEVNULL, stderr=stderr,
        )  # fmt: skip

    def measure(self) -> tuple[float, float]:
        """Seconds of an undisturbed run before it writes, and from then on; its output stays."""
        start = time.perf_counter()
        process = self.start(1)
        self._wait_until_it_writes(process)
        began = time.perf_counter()
        process.wait()
        return began - start, time.perf_counter() - began

    def kill(self, rng: random.Random, workers: int, alone: bool, seconds: tuple) -> str:
        """Start and kill; returns "before", "during" or "after" the writing."""
        in_startup = rng.random() < STARTUP_SHARE
        wait = rng.uniform(0, seconds[0] if in_startup else 0.9 * seconds[1])
        process = self.start(workers)
        if not in_startup:
            self._wait_until_it_writes(process)
        time.sleep(wait)
        children = process.children(recursive=True) if process.poll() is None else []
        with suppress(ProcessLookupError):
            (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
        if process.wait() == 0:
            return "after"
        self.orphans = children
        return "during" if self.has_begun() else "before"

    def _wait_until_it_writes(self, process: psutil.Popen) -> None:
        while process.poll() is None and not self.has_begun():
            time.sleep(0.005)

    def check_again(self) -> list[str]:
        """Start again, in this process, to the end; what is not as in an undisturbed run."""
        faults = list(self._records_without_picture())
        finished = (p for p in self.root.rglob(".done.json") if ".partial" not in str(p))
        marks = {path: _state(path) for path in finished}
        parts = Counter(path.parents[2] for path in marks if ".parts" in str(path))
        if self.command.endswith(".sh"):  # its chunks end a moment after it
            psutil.wait_procs(self.orphans, timeout=PATIENCE)
        done = self._run()
        said = f"{done.stdout[-1500:]}{done.stderr[-1500:]}"
        if done.returncode or "Traceback" in said:
            faults.append(f"exit code {done.returncode}: {said}")
        _, alive = psutil.wait_procs(self.orphans, timeout=PATIENCE)
        faults += [f"a worker outlived its parent: {process}" for process in alive]
        for path in (path for path in marks if ".parts" not in str(path)):
            if not path.exists() or marks[path] != _state(path):
                faults.append(f"done again: {path.parent}")
        told = Counter(map(int, FINISHED_BEFORE.findall(done.stderr)))
        if Counter(parts.values()) - told and "up to date" not in done.stdout:
            faults.append(f"finished {dict(parts)}, taken up {list(told)}")
        names, wanted = names_of(self.root), names_of(self.finished)
        faults += [f"left: {name}" for name in sorted(names) if TEMPORARY.search(name)]
        faults += [f"missing or too much: {name}" for name in sorted(names ^ wanted)]
        faults += [f"differs: {n}" for n in differing(self.root, self.finished) if n in wanted]
        return faults

    def _run(self) -> subprocess.CompletedProcess:
        flags = [] if self.command.endswith(".sh") else flags_of(self.command, self.root, 1)
        return run_here(self.command, self.root, *flags)

    def _records_without_picture(self) -> Iterator[str]:
        """Of the tasks whose pictures are made with their records: none may be without."""
        if "_dot" in self.command and "engine" in self.command:
            for path in written_by(self.command, self.root):
                for jsonl in path.rglob("v1_0/**/*.jsonl"):
                    if TEMPORARY.search(str(jsonl)):
                        continue
                    for record in read_jsonl(jsonl):
                        for name in record["image"]:
                            if not (jsonl.parent / "images" / name).is_file():
                                yield f"{jsonl}: a record without {name}"


def heed_signals() -> None:
    """As a process that is typed at a terminal does; these tests may run in the background."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def kill_once(
    command: str, finished: Path, raw: Path, folder: Path, rng: random.Random,
    seconds: tuple[float, float], number: int,
) -> Kill:  # fmt: skip
    """Kill `command` once, on a root in `folder`; by `number`, with one worker or two, and the
    whole group or (every fourth) the parent alone."""
    trial = Trial(command, root_before(command, finished, raw, folder), finished)
    moment = trial.kill(rng, 1 + number % 2, number % 4 == 3, seconds)
    return Kill(moment, trial.check_again())


def start_two(command: str, finished: Path, raw: Path, folder: Path) -> list[str]:
    """Start `command` twice at once on one root: each is to end well or refuse in one clear line,
    and what is there is right; where one refused, the next start has nothing to mend."""
    trial = Trial(command, root_before(command, finished, raw, folder), finished)
    both = [trial.start(1, stderr=subprocess.PIPE) for _ in range(2)]
    ended = [
        (process.communicate(timeout=PATIENCE)[1].decode(), process.returncode) for process in both
    ]
    faults = [
        f"exit code {code}: {text[-1500:]}"
        for text, code in ended
        if (code and "another run is writing here" not in text) or "Traceback" in text
    ]
    # The chunks of coverage may be shared out between the two.
    if all(code for _, code in ended) and not command.endswith(".sh"):
        faults.append(f"none of the two ended well: {ended}")
    return faults + trial.check_again()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20, help="kills of each command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--commands", nargs="+", default=[""], help="only those with such names")
    parser.add_argument("--finished", type=Path, help="folder to keep the finished root in")
    args = parser.parse_args(argv)
    total, bad = Counter(), 0
    with tempfile.TemporaryDirectory(prefix="kill_runs_") as scratch:
        base = args.finished or Path(scratch)
        raw, finished = make_roots(base)
        for command in WRITING:
            if not any(name in command for name in args.commands):
                continue
            rng = random.Random(f"{args.seed} {command}")
            folder = Path(scratch) / "trial"
            before = root_before(command, finished, raw, folder)
            seconds = Trial(command, before, finished).measure()
            found: Counter[str] = Counter()
            shutil.rmtree(folder)
            together = start_two(command, finished, raw, folder)
            for fault in together[:5]:
                print(f"  {command}, two at once: {fault}", flush=True)
            for number in range(args.times):
                shutil.rmtree(folder)
                kill = kill_once(command, finished, raw, folder, rng, seconds, number)
                found[kill.moment] += 1
                found["faults"] += bool(kill.faults)
                for fault in kill.faults[:5]:
                    print(f"  {command}, kill {number} ({kill.moment}): {fault}", flush=True)
            shutil.rmtree(folder)
            survived = sum(found[m] for m in ("before", "during", "after")) - found["faults"]
            print(
                f"{Path(command).stem:<50} survived {survived}/{args.times}: before writing "
                f"{found['before']}, during {found['during']}, after {found['after']}; two at once "
                f"{'WRONG' if together else 'right'}; undisturbed {seconds[0]:.1f} + "
                f"{seconds[1]:.1f} s",
                flush=True,
            )
            total += found
            bad += found["faults"] + bool(together)
    print(f"{sum(total[m] for m in ('before', 'during', 'after'))} kills, {bad} faults")
    return 1 if bad else 0


def make_roots(base: Path) -> tuple[Path, Path]:
    """The raw sample data, and a root on which all commands have run undisturbed."""
    from spatial_engine.sample_data import write_sample_clips, write_sample_scenes

    raw, finished = base / "raw", base / "finished"
    if not (base / "whole").exists():
        write_sample_scenes(raw, small=True)
        write_sample_clips(raw, small=True)
        shutil.rmtree(finished, ignore_errors=True)
        run_commands(COMMANDS, copy_root(raw, finished), "--num-workers", "2")
        finish_root(finished)
        (base / "whole").touch()
    return raw, finished


if __name__ == "__main__":
    sys.exit(main())
