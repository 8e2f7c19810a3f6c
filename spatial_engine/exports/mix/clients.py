"""The training mix for LLaMA-Factory and ms-swift: the same shares, as files that start them.

Both take a number of records of each file, at random (InternVL takes the first), of the uniform
files. What is added with `--add` is written for them as parquet, of one schema: images are lists
of absolute paths, with a mark for each.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from spatial_engine.exports.export_llama_factory import entry
from spatial_engine.exports.mix.added import Added
from spatial_engine.exports.mix.shares import MixFile
from spatial_engine.exports.mix.trainable import images_of
from spatial_engine.exports.shared.export_files import export_name, exports_dir
from spatial_engine.exports.shared.parquet_export import write_parquet
from spatial_engine.utils.questions.plain_record import IMAGE_MARK
from spatial_engine.utils.questions.record_files import RecordFile, relative_root
from spatial_engine.utils.storage.files import atomic_path, dump_json, remove

TEMPLATES = Path(__file__).parent / "templates"
MAX_TOKENS = 8192  # of a record of two images, about 1,600 tokens each, there is room enough
MAX_TOKENS_FRAMES = 16384  # of eight images
_TURN = pa.struct([("from", pa.string()), ("value", pa.string())])
SCHEMA = pa.schema(
    [("id", pa.string()), ("image", pa.list_(pa.string())), ("conversations", pa.list_(_TURN))]
)


@dataclass(frozen=True)
class Draw:
    """So many records of a file, at random; above its length they are used more than once."""

    path: Path
    records: int


def draws_of(
    root: Path,
    version: str,
    files: Sequence[MixFile],
    wanted: Sequence[int],
    frames: Mapping[RecordFile, int],
) -> dict[str, Draw]:
    """What the two clients draw of the uniform files, by name."""
    folder = exports_dir(root, "train", "uniform", version)
    pairs = zip(files, wanted, strict=True) if wanted else ()
    numbers = {file.uniform: number for file, number in pairs if number}
    numbers |= {export_name(file): number for file, number in frames.items()}
    return {name: Draw(folder / f"{name}.jsonl", number) for name, number in numbers.items()}


def write_added(folder: Path, place: Path, added: Sequence[Added]) -> tuple[dict[str, Draw], int]:
    """Write what is added as parquet into a new `folder` that will be at `place`; what to draw of
    it by name, and how many records of videos are left out. All records are checked."""
    draws: dict[str, Draw] = {}
    left_out = 0
    folder.mkdir()
    for one in added:
        name, used = f"{one.name}.parquet", min(one.records, one.length)
        written = write_parquet(folder / name, _plain_records(one), SCHEMA)
        left_out += used - written
        if written:
            draws[one.name] = Draw(place / name, one.records * written // used)
        else:
            remove(folder / name)
    return draws, left_out


def client_files(output: Path) -> list[Path]:
    """The files beside a mix that start the two clients, and the dataset_info.json of the first:
    `<mix>.llama_factory.yaml`, `<mix>.ms_swift.sh`, `<mix>.llama_factory/dataset_info.json`."""
    beside = output.parent / output.stem
    ends = (".llama_factory.yaml", ".ms_swift.sh", ".llama_factory/dataset_info.json")
    return [beside.parent / f"{beside.name}{end}" for end in ends]


def write_clients(
    folder: Path, output: Path, root: Path, draws: Mapping[str, Draw], frames: bool, absolute: bool
) -> None:
    """Write the `client_files` of a mix into a folder, under their names. Paths are relative to the
    root, or absolute."""
    config, command, listed = client_files(output)
    info = listed.parent

    def place(path: Path, start: Path = root) -> str:
        folder = f"{path.parent.resolve()}/" if absolute else relative_root(path.parent, start)
        return f"{'' if folder == './' else folder}{path.name}"

    entries = {
        name: {**entry(place(draw.path, info)), "num_samples": draw.records}
        for name, draw in draws.items()
    }
    dump_json(entries, folder / listed.name)
    tokens = str(MAX_TOKENS_FRAMES if frames else MAX_TOKENS)
    start = str(root.resolve()) if absolute else "."
    datasets = [f"{place(draw.path)}#{draw.records}" for draw in draws.values()]
    values = {
        "CONFIG": place(config),
        "INFO": orjson.dumps(place(info)).decode(),  # JSON text is YAML, too
        "MEDIA": orjson.dumps(start).decode(),
        "DATASETS": ",".join(entries),
        "NAME": output.stem,
        "TOKENS": tokens,
    }
    _fill("llama_factory.yaml", folder / config.name, values)
    up = shlex.quote(start if absolute else relative_root(root, output.parent))
    lines = "\n".join(f"    {shlex.quote(one)}" for one in datasets)
    values = {"COMMAND": command.name, "NAME": output.stem, "TOKENS": tokens, "DATASETS": lines}
    start = up if absolute else f'$(dirname "$0")/{up}'
    _fill("ms_swift.sh", folder / command.name, values | {"ROOT": start})


def missing(draws: Iterable[Draw]) -> int:
    """How many of the files are not there."""
    return sum(not draw.path.is_file() for draw in draws)


def _plain_records(added: Added) -> Iterator[dict[str, Any]]:
    """Records for the other clients; those of videos are left out."""
    root = Path(added.entry["root"])
    for number, record in enumerate(added.read(), 1):
        if record.get("video"):
            continue
        images = [str(root / name) for name in images_of(record)]
        turns = [{"from": turn["from"], "value": turn["value"]} for turn in record["conversations"]]
        if images and not any(IMAGE_MARK in turn["value"] for turn in turns):
            first = next(turn for turn in turns if turn["from"] == "human")
            first["value"] = f"{IMAGE_MARK}\n{first['value']}"  # as the trainer of InternVL does
        name = f"{added.name}_{number}"
        yield {"id": name, "image": images, "conversations": turns}


def _fill(name: str, path: Path, values: Mapping[str, str]) -> None:
    """Write a template with its words in capitals between @ replaced."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
