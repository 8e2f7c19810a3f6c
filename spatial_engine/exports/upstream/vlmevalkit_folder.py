"""The benchmarks as a data set of VLMEvalKit's own, as a pull request to it has them.

Static files are in vlmevalkit/; filled in are where the tables are, and their digests. Tables have
no pictures: their paths below the root and SHA-256.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError
from spatial_engine.evaluation.rewards import solution_of
from spatial_engine.exports.upstream.folder import listed
from spatial_engine.exports.upstream.scorer_copy import scorer_files
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.questions.plain_record import answer_of, without_image_marks
from spatial_engine.utils.questions.record_files import read_uniform
from spatial_engine.utils.questions.tasks import TASKS, benchmark_with

SOURCES = Path(__file__).parent / "vlmevalkit"
NAMES = {"multispa": "MultiSPA", "multispa_frames": "MultiSPA_frames"}  # the class has them, too
REMEDY = "make the benchmark again"


def vlmevalkit_files(benchmarks: Mapping[str, Path], root: Path, url: str) -> dict[str, str]:
    """The files by their path in a checkout, and the tables; `url` is the place from which these
    can be downloaded, empty for `$LMUData`."""
    tables = {f"{NAMES[name]}.tsv": table(path, root) for name, path in benchmarks.items()}
    urls = {Path(name).stem: f"{url.rstrip('/')}/{name}" if url else "" for name in tables}
    digests = {
        Path(name).stem: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        for name, text in tables.items()
    }
    code = _read("multispa.py")
    for name, values in (("DATASET_URL", urls), ("DATASET_MD5", digests)):
        filled = "".join(
            f"        {json.dumps(key)}: {json.dumps(value)},  # noqa: E501\n"
            for key, value in values.items()
        )
        code = code.replace(f"    {name} = {{}}\n", f"    {name} = {{\n{filled}    }}\n")
    scorer = {f"vlmeval/dataset/utils/multispa/{name}": x for name, x in scorer_files().items()}
    return {
        "vlmeval/dataset/multispa.py": code,
        **scorer,
        "scripts/multispa_fill_in.py": _read("fill_in.py"),
        **tables,
        "MULTISPA_PULL_REQUEST.md": _read("PULL_REQUEST.md").replace("TABLES", listed(tables)),
    }


def table(benchmark: Path, root: Path) -> str:
    """The table of a benchmark as text."""
    text = io.StringIO()
    rows = rows_of(benchmark, root)
    first = next(rows)
    writer = csv.DictWriter(text, list(first), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerow(first)
    writer.writerows(rows)
    return text.getvalue()


def rows_of(benchmark: Path, root: Path) -> Iterator[dict[str, Any]]:
    """A row for each question. `record` is what scoring needs, `category` the row of the benchmark.

    Raises `BadDataError` for a question whose images do not stand before it: the class puts them
    there.
    """

    @cache
    def digest(name: str) -> str:
        return hashlib.sha256(jpeg.load(root / name, REMEDY)).hexdigest()

    rows = benchmark_with(record["task"] for record in read_uniform(benchmark)).rows
    category = {task: row for row, tasks in rows.items() for task in tasks}
    for index, record in enumerate(read_uniform(benchmark)):
        names, question = record["image"], without_image_marks(record["text"])
        label = "Image-{}: <image>\n" if len(names) > 1 else "<image>\n"
        before = "".join(label.format(number) for number in range(1, len(names) + 1))
        if record["text"] != before + question:
            raise BadDataError(f"{benchmark}: {record['id']}: images within the text; {REMEDY}")
        yield {
            "index": index,
            "id": record["id"],
            "question": question,
            "answer": answer_of(record),
            "category": category[record["task"]],
            "task": TASKS[record["task"]].name,
            "image_path": _one_or_list(names),
            "image_sha256": _one_or_list([digest(name) for name in names]),
            "record": solution_of(record),
        }


def _one_or_list(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else repr(texts)


def _read(name: str) -> str:
    return (SOURCES / name).read_text(encoding="utf-8")
