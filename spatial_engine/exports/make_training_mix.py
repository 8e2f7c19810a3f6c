"""The training mix of 3 million records, ready to start: for InternVL, LLaMA-Factory and ms-swift.

Reads  the training files under --root, to count their lines; with --add the records added.
Writes training_data/mix3M.json, the meta json of InternVL's trainer (data/configs/internvl_paper.sh
       starts it), and beside it for the other two mix3M.llama_factory.yaml, with its
       mix3M.llama_factory/dataset_info.json, and mix3M.ms_swift.sh: the same shares, of the files
       of export_uniform.py. With --full-set the same in data/configs/, the mix of the full-size
       set, which needs no files. With --output all of it beside that file, under its name.
       With `--frames N` also up to N records of three to eight frames, evenly over their tasks, in
       mix3M.frames/: a file for each task and number of images, as InternVL divides
       max_dynamic_patch by the number of images.
       With `--add NAME=META.json:COUNT` also COUNT records of one's own meta json of InternVL, in
       its own shares; for the other two as parquet in mix3M.added/. The paper adds 60,000 of
       general instructions: `--add general=META.json:60000`.
Costs  the time to read the training files once; nothing for --full-set.

Paths are relative to --root: start the trainer there, or use --absolute-paths. Paths in META.json
start from the current directory, as in the trainer, and become absolute.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from spatial_engine.errors import SettingsError
from spatial_engine.exports.mix import added as mix_added
from spatial_engine.exports.mix import clients as mix_clients
from spatial_engine.exports.mix import files as mix_files
from spatial_engine.exports.mix import frames as mix_frames
from spatial_engine.exports.mix import shares as mix_shares
from spatial_engine.exports.mix import summary
from spatial_engine.exports.shared.export_files import UNIFORM_REMEDY
from spatial_engine.utils.paths import FOLDERS
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.files import dump_json, remove

TOTAL = mix_shares.TOTAL  # records of the mix
MAX_REPEAT = 1  # times that a record may be used, at most


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse_args(argv)
    root, version = args.root, args.version
    files, of_frames = (
        (mix_files.full_set(), [])
        if args.full_set
        else mix_files.files_on_disk(root, version, args.datasets_of_scenes)
    )
    plan = mix_shares.plan_mix(files, args.total, args.max_repeat) if files else None
    planned = mix_shares.make_meta(files, plan.wanted) if plan else {}
    taken = mix_frames.draw(of_frames, args.frames) if args.frames else {}
    if not planned and not taken:
        more = ", or add those of three to eight frames with --frames N" if of_frames else ""
        raise SettingsError(f"the mix is empty: raise --max-repeat or make more records{more}")
    default = "data/configs/mix3M.json" if args.full_set else f"{FOLDERS['train']}/mix3M.json"
    output = args.output or root / default
    if not args.full_set:
        mix_files.refuse_to_lose(output, root)

    draws = mix_clients.draws_of(root, version, files, plan.wanted if plan else [], taken)
    added = [entry for one in args.add for entry in mix_added.plan_added(one)]
    planned = mix_added.merge_added(planned, added, draws)
    absent = mix_clients.missing(draws.values())
    others = mix_clients.client_files(output)
    frames_dir, added_dir = mix_files.frames_dir(output), mix_files.added_dir(output)
    videos = 0

    def write(path: Path) -> int:
        nonlocal videos
        meta, more, folder = dict(planned), {}, path.parent
        if added:
            more, videos = mix_clients.write_added(folder / added_dir.name, added_dir, added)
        if taken:
            place = folder / frames_dir.name
            meta |= mix_frames.write_mix_frames(root, place, frames_dir, taken)
        is_absolute = args.absolute_paths
        mix_clients.write_clients(folder, output, root, draws | more, bool(taken), is_absolute)
        dump_json(mix_files.with_absolute_paths(meta, root) if is_absolute else meta, path)
        return sum(
            mix_shares.taken(entry["repeat_time"], entry["length"]) for entry in meta.values()
        )

    step = Step("make_training_mix", args, _settings(args, output), __file__)
    inputs = mix_files.inputs_of(root, files if not args.full_set else [], of_frames, added)
    folders = [frames_dir] * bool(taken) + [added_dir] * bool(added)
    companions = {path.name: path for path in (*folders, *others)}
    others[-1].parent.mkdir(parents=True, exist_ok=True)
    before = provenance.read_meta(output).get("companions", {})
    step.make_file("mix", output, inputs, write, companions)
    now = provenance.read_meta(output).get("companions", before)
    for folder in (frames_dir, added_dir):  # of the mix before, which has been replaced
        if folder.name in before and folder.name not in now:
            remove(folder)
    code = step.close()

    if plan:
        summary.say_what_is_in_it(files, plan, args.total)
    if args.frames:
        summary.say_which_frames(_entries_in(output, frames_dir), args.frames)
    elif of_frames:
        print(f"left out: {len(of_frames)} files of three to eight frames (--frames N)")
    summary.say_what_is_added(added)
    if videos:
        print(f"left out for LLaMA-Factory and ms-swift: {videos:,} records of videos")
    if absent and not args.full_set:
        print(
            f"LLaMA-Factory and ms-swift need {absent} files that are not there: {UNIFORM_REMEDY}"
        )
    print(*(output, *others[:-1]), sep="\n")
    return code


def _settings(args: argparse.Namespace, output: Path) -> dict[str, Any]:
    """The flags that decide what is written."""
    return {
        "total": args.total, "max_repeat": args.max_repeat, "frames": args.frames,
        "full_set": args.full_set, "added": [[one.name, one.count] for one in args.add],
        "root": str(args.root.resolve()) if args.absolute_paths else "",
        "place": provenance.relative(output, args.root),
    }  # fmt: skip


def _entries_in(output: Path, folder: Path) -> Mapping[str, Any]:
    """The entries of a finished mix whose records are in a folder."""
    meta = orjson.loads(output.read_bytes())
    return {k: v for k, v in meta.items() if Path(v["annotation"]).parent.name == folder.name}


def _parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True)
    cli.add_constant(parser, "TOTAL", TOTAL, "number of records in the mix", 1)
    cli.add_constant(parser, "MAX_REPEAT", MAX_REPEAT, "how often a record may be used", 1)
    text = "also so many records of three to eight frames, at most (default: none)"
    parser.add_argument("--frames", type=flag_types.whole_number(1), metavar="N", help=text)
    text = "also records of this meta json of InternVL, so many (default: as many as it asks for)"
    parser.add_argument(
        "--add", type=mix_added.addition, action="append", default=[],
        metavar="NAME=META.json[:COUNT]", help=text,
    )  # fmt: skip
    text = "describe the full-size set instead of the files under --root"
    parser.add_argument("--full-set", action="store_true", help=text)
    parser.add_argument("--absolute-paths", action="store_true", help="write absolute paths")
    parser.add_argument(
        "--output",
        type=flag_types.file,
        metavar="FILE",
        help="path of the meta json (default: the path above)",
    )
    args = parser.parse_args(argv)
    if args.full_set and (args.frames or args.add):
        flag = "--frames" if args.frames else "--add"
        raise SettingsError(f"--full-set reads no records; leave {flag} out")
    return args


if __name__ == "__main__":
    sys.exit(cli.run(main))
