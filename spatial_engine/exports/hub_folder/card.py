"""The card of a folder for the Hub: `README.md` with front matter that `datasets` reads.

Front matter: https://huggingface.co/docs/hub/datasets-cards
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mmengine
import pyarrow as pa
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from spatial_engine.exports.hub_folder import fill_in
from spatial_engine.exports.shared.shard_folder import Held
from spatial_engine.utils.storage import provenance

TEMPLATES = Path(__file__).parent / "templates"
# Names of the Hub for how large a data set is, each with the number of records that is too many.
SIZES = (
    ("n<1K", 10**3), ("1K<n<10K", 10**4), ("10K<n<100K", 10**5), ("100K<n<1M", 10**6),
    ("1M<n<10M", 10**7), ("10M<n<100M", 10**8), ("100M<n<1B", 10**9), ("1B<n<10B", 10**10),
)  # fmt: skip
# Which datasets a folder is of, in whose hands its pictures are.
LICENSE = {
    "license": "other",
    "license_name": "scannet-terms-of-use",
    "license_link": "http://www.scan-net.org/",
}


def size_category(records: int) -> str:
    """The Hub's name for so many records."""
    return next(name for name, too_many in SIZES if records < too_many)


def front_matter(
    name: str,
    held: Sequence[Held],
    features: Sequence[Mapping[str, Any]],
    pattern: str,
    with_images: bool = True,
) -> str:
    """What programs read of a card; `pattern` are the files of a split, with `{}` for its name.
    Bytes are told where images are inside: what else there is is little beside them."""
    contents = provenance.digest([list(one.shards.items()) for one in held])
    files = [{"split": one.split, "path": pattern.format(one.split)} for one in held]
    told = {
        **LICENSE,
        "language": ["en"],
        "pretty_name": name,
        "tags": ["spatial-reasoning", "multi-image"],
        "size_categories": [size_category(sum(one.records for one in held))],
        "task_categories": ["visual-question-answering", "image-text-to-text"],
        "configs": [{"config_name": "default", "data_files": files, "default": True}],
        "dataset_info": {
            "config_name": "default",
            # By this alone `datasets` sees that it has loaded other contents of this folder before.
            "description": f"contents {contents}",
            "features": list(features),
            "splits": [
                {"name": one.split}
                | ({"num_bytes": one.num_bytes} if with_images else {})
                | {"num_examples": one.records}
                for one in held
            ],
        },
    }
    text = mmengine.dump(told, file_format="yaml", sort_keys=False, allow_unicode=True)
    return f"---\n{text}---\n"


def parquet_features(with_images: bool) -> list[dict[str, Any]]:
    """Columns of the shards as front matter has them."""

    def told(kind: pa.DataType) -> dict[str, str]:
        if not pa.types.is_list(kind):
            return {"dtype": str(kind)}
        of = kind.value_type
        return {"sequence": "image" if of == fill_in.IMAGE else str(of)}

    return [{"name": field.name, **told(field.type)} for field in fill_in.schema(with_images)]


def card(template: str, front: str, **told: Any) -> bytes:
    """A card: front matter, and a text for people."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return (front + environment.get_template(template).render(told)).encode()
