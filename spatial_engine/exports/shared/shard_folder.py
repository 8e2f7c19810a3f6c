"""A folder of shards: made when stale, gone with their records, described to the programs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_engine.errors import BadDataError
from spatial_engine.exports.shared.export_files import by_output, obsolete
from spatial_engine.exports.shared.image_shards import (
    Form,
    Shard,
    Source,
    image_size,
    plan_shards,
    read_shard,
)  # fmt: skip
from spatial_engine.utils.questions.record_files import relative_root
from spatial_engine.utils.running.closing_table import UP_TO_DATE, Row, Tally
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import files, provenance


@dataclass(frozen=True)
class Held:
    """Shards of a split in a folder: (records, bytes as planned, digest of what is in it) by
    name."""

    split: str
    shards: dict[str, tuple[int, int, str]]

    @property
    def records(self) -> int:
        return sum(records for records, _, _ in self.shards.values())

    @property
    def num_bytes(self) -> int:
        return sum(size for _, size, _ in self.shards.values())


def export_shards(
    step: Step,
    folder: Path,
    sources: Sequence[Source],
    form: Form,
    splits: Mapping[str, bool],
    describe: Callable[[list[Held]], None],
    others: Collection[str] = (),
) -> None:
    """Bring the shards of the sources in `folder` up to date.

    `splits` are all that the folder can have, and whether this run makes them: shards of the others
    stay. So do those of the `others`, `<split>-<name>` of sources that are left out.

    `describe` writes what tells the programs which shards there are. It is called first, so that
    they refuse a folder in which not all shards are in their places.
    """
    root = step.root
    image_size.cache_clear()  # images may have changed since another run in this process
    shards = [shard for source in sources for shard in plan_shards(source, root, form)]
    jobs = by_output([_job(shard, root, folder, form) for shard in shards])
    there = {path: path.stem.rpartition("-")[0] for path in sorted(folder.glob(f"*{form.suffix}"))}
    other = {path for path, name in there.items() if name in others or not splits.get(_split(name))}
    gone = obsolete(step, (path for path in there if path not in other), jobs)
    gone = {path for path in gone if provenance.read_meta(path).get("step") == step.name}
    held = {path.name: _told_of(path) for path in there if path not in jobs and path not in gone}
    held |= {path.name: _told(job.inputs) for path, job in jobs.items()}
    by_split: dict[str, dict[str, tuple[int, int, str]]] = {split: {} for split in splits}
    for name in sorted(held):
        by_split[_split(name)][name] = held[name]
    parts_dir = folder.parent.with_name(f"{folder.parent.name}{files.PARTS_SUFFIX}")
    ahead = step.unfinished(list(step.outdated(jobs, form.beside).values()), parts_dir)
    num_files, num_bytes = (sum(job.num_files for job in ahead), sum(j.num_bytes for j in ahead))
    files.check_disk(folder, num_files, num_bytes)
    describe([Held(split, some) for split, some in by_split.items() if some])
    step.make_files(jobs, _write, parts_dir, form.beside)
    step.retire(gone)
    for path in (path for path in gone if not path.exists()):
        for ending in form.beside:
            files.remove(path.with_name(path.name + ending))
    step.table.rows = _gathered(step.table.rows)


def put(path: Path, data: bytes) -> None:
    """Write a small file whole, unless it holds that already."""
    if not path.is_file() or path.read_bytes() != data:
        with files.atomic_path(path) as partial:
            partial.write_bytes(data)


def _split(name: str) -> str:
    return name.partition("-")[0]


def _told_of(path: Path) -> tuple[int, int, str]:
    """The same of a shard that was made before; `BadDataError` where it is not told."""
    try:
        return _told(provenance.read_inputs(path)[path.name])
    except (KeyError, IndexError, TypeError, ValueError):
        raise BadDataError(f"{path}: was not made by this command; move it away") from None


def _told(inputs: list) -> tuple[int, int, str]:
    """(records, bytes as planned, digest) of a shard, by the inputs of its job."""
    _, records, _, num_bytes = inputs[0]
    return int(records), int(num_bytes), provenance.digest(inputs)


def _job(shard: Shard, root: Path, folder: Path, form: Form) -> tuple[Path, SceneJob]:
    name = f"{shard.stem}{form.suffix}"
    inputs = [
        [provenance.relative(shard.source.path, root), shard.records, shard.lines, shard.num_bytes],
        relative_root(shard.source.file.image_root, root) if shard.source.file else "",
        shard.images,
    ]
    count = 1 + len(form.beside)
    return folder / name, SceneJob(name, (shard, root, form), inputs, count, shard.num_bytes)


def _write(arguments: tuple[Shard, Path, Form], part_dir: Path) -> PartResult:
    shard, root, form = arguments
    name = f"{shard.stem}{form.suffix}"
    try:
        form.write(read_shard(shard, root), root, part_dir / name)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        place = f"{shard.source.path}:{shard.first}"
        why = f"of these {shard.records} records one has a field of another type ({error})"
        raise BadDataError(f"{place}: {why}; check_records.py names it") from None
    return PartResult(counts={name: shard.records})


def _gathered(rows: Sequence[Row]) -> list[Row]:
    """One row of the closing table for all shards of a source."""
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        by_source.setdefault(row.name.rpartition("-")[0], []).append(row)
    gathered = []
    for name, some in by_source.items():
        new = [row for row in some if row.remark != UP_TO_DATE]
        remarks = sorted({row.remark for row in new if row.remark})
        if len(new) < len(some):
            remarks.insert(0, f"{len(new)} of {len(some)} shards made" if new else UP_TO_DATE)
        tally = Tally(sum(row.tally.records for row in some), {}, {})
        path, seconds = f"{Path(some[0].path).parent.as_posix()}/{name}-*", some[-1].seconds
        gathered.append(Row(name, tally, seconds, path, "; ".join(remarks)))
    return gathered
