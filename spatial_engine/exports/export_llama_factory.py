"""Entries of the training files for LLaMA-Factory.

Reads  the names of training_data/exports/uniform/*.jsonl (export_uniform.py); with --videos also
       of training_data/exports/videos/*.jsonl (export_videos.py).
Writes training_data/exports/llama_factory/dataset_info.json, an entry for each.
Costs  little.

In LLaMA-Factory's training yaml, with ROOT for the folder given here as --root:
    dataset_dir: ROOT/training_data/exports/llama_factory
    media_dir: ROOT
    dataset: camera_x_movement,depth_estimation_dot       # this command prints all names
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatial_engine.exports.export_videos import find_videos
from spatial_engine.exports.shared.export_files import exports_dir, find_uniform
from spatial_engine.utils.questions.record_files import relative_root
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import files


def entry(file_name: str, videos: bool = False) -> dict[str, Any]:
    """What LLaMA-Factory has to know of one file. Its default tags fit: from, value, human, gpt."""
    shown = {"videos": "videos"} if videos else {"images": "image"}
    return {
        "file_name": file_name,
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", **shown},
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True)
    text = "also entries <name>_video of the files of export_videos.py"
    parser.add_argument("--videos", action="store_true", help=text)
    args = parser.parse_args(argv)
    uniform = find_uniform(args.root, "train", args.version, args.datasets_of_scenes)
    folder = exports_dir(args.root, "train", "llama_factory", args.version)
    away = relative_root(uniform[0].parent, folder)  # LLaMA-Factory looks from its dataset_dir
    entries = {path.stem: entry(f"{away}{path.name}") for path in uniform}
    for path in find_videos(args.root, args.version) if args.videos else ():
        away = relative_root(path.parent, folder)
        entries[f"{path.stem}_video"] = entry(f"{away}{path.name}", videos=True)

    def write(path: Path) -> int:
        files.dump_json(entries, path)
        return len(entries)

    step = Step("export_llama_factory", args, {}, __file__)
    inputs = {"entries": entries}
    step.make_file("dataset_info", folder / "dataset_info.json", inputs, write)
    code = step.close()
    print(f"dataset_dir: {folder.absolute()}")
    print(f"media_dir: {args.root.absolute()}")
    print(f"dataset: {','.join(entries)}")
    return code


if __name__ == "__main__":
    sys.exit(cli.run(main))
