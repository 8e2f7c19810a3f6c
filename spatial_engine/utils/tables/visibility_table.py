"""The visibility table: which vertices each frame sees. This module owns its format.

Columns `scene_id`, `image_id` (strings) and two ascending lists of int32, one row per valid frame,
one row group per scene: `point_index`, the vertices that a frame sees by the published rule, and
`surface_index`, those that lie on the surface that it shows (SPEC 4). Lists are for whoever reads
the table without this module. `point_bits` and `surface_bits` say the same, a bit for each vertex
of the mesh (`point_bits.bit_words`): of these a reader here takes one, which is there in a seventh
of the time that a list takes, and most of what is asked of it is asked of bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.point_bits import (
    WORD,
    WORD_BITS,
    PointRanks,
    are_set,
    bit_words,
    points_of,
    points_of_all,
    words_for,
)
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables.parquet.table_writer import DIGEST, Source, merge_parts, write_part
from spatial_engine.utils.tables.scene_table import DEPTH_SIZES, SceneTable

REMEDY = "run spatial_engine/utils/scannet_utils/make_visibility_info.py"
MAX_POINTS = 10_000_000  # vertices of a mesh; ScanNet has 150,000, and memory goes by this number
PUBLISHED, SURFACE = "published", "surface"  # what it means that a frame sees a vertex
RULES = {PUBLISHED: "point_index", SURFACE: "surface_index"}  # and the lists of each
BITS = {PUBLISHED: "point_bits", SURFACE: "surface_bits"}
# The flag of the constant `SEEN_RULE`, which says by which rule a script asks (`cli.add_constant`).
SEEN_RULE_FLAG = {
    "meaning": "by which a frame sees vertices",
    "choices": tuple(RULES),
    "published": PUBLISHED,
}
NUMBERS = pa.list_(pa.field("element", pa.int32(), nullable=False))
_SCHEMA = pa.schema(  # nothing is ever missing, which makes reading a fifth faster
    [pa.field(name, pa.string(), nullable=False) for name in ("scene_id", "image_id")]
    + [pa.field(column, NUMBERS, nullable=False) for column in RULES.values()]
    + [pa.field(column, pa.binary(), nullable=False) for column in BITS.values()]
)
_LISTED = [f"{name}.list.element" for name in RULES.values()]  # columns as parquet names them
_PACKED = ["scene_id", "image_id", *_LISTED]
_ENCODING = {
    # Every question opens the bits of its scene: LZ4 unpacks them in half the time of zstd.
    "compression": {
        **dict.fromkeys(_PACKED, "zstd"),
        **dict.fromkeys(BITS.values(), "lz4"),
    },
    "compression_level": dict.fromkeys(_PACKED, 1),
    "use_dictionary": ["scene_id"],
    "column_encoding": dict.fromkeys(_LISTED, "DELTA_BINARY_PACKED"),
    "write_statistics": ["scene_id"],
    "data_page_size": 2**24,  # a scene is read whole, so pages need not be small
}


def write_scene_visibility(
    path: Path,
    scene_id: str,
    image_ids: Sequence[str],
    seen: Mapping[str, Sequence[np.ndarray]],
    num_points: int,
    geometry_hash: str,
) -> None:
    """Write one scene's part. `seen` holds by rule (`RULES`) the vertices that each image sees,
    ascending int32 below `num_points`; `geometry_hash` says for which poses and points it holds."""
    columns = [
        pa.array([scene_id] * len(image_ids), pa.string()),
        pa.array(list(image_ids), pa.string()),
        *(list_column(seen[rule]) for rule in RULES),
        *(_bits_column(bit_words(seen[rule], num_points)) for rule in BITS),
    ]
    table = pa.Table.from_arrays(columns, schema=_SCHEMA)
    facts = {"geometry": geometry_hash, "num_points": num_points}
    write_part(path, table, scene_id, facts, **_ENCODING)


def list_column(lists: Sequence[np.ndarray]) -> pa.ListArray:
    """A column of lists of ascending numbers."""
    ends = np.cumsum([0, *map(len, lists)], dtype=np.int32)
    values = np.concatenate([np.zeros(0, np.int32), *lists])
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values), type=NUMBERS)


def _bits_column(words: np.ndarray) -> pa.Array:
    """A column of the bits (n, words) of each image."""
    ends = np.arange(len(words) + 1, dtype=np.int32) * (words.itemsize * words.shape[1])
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(words))]
    return pa.Array.from_buffers(pa.binary(), len(words), buffers)


def _bits_of(column: pa.BinaryArray, num_words: int) -> np.ndarray | None:
    """The bits (n, words) of such a column; None where one of them has not so many words."""
    ends = np.frombuffer(column.buffers()[1] or b"\0\0\0\0", np.int32)
    ends = ends[column.offset : column.offset + len(column) + 1]
    if (np.diff(ends) != WORD.itemsize * num_words).any():
        return None
    octets = np.frombuffer(column.buffers()[2] or b"", np.uint8)[ends[0] : ends[-1]]
    return octets.view(WORD).reshape(len(column), num_words)


def merge_visibility(parts: Sequence[Source], output: Path) -> None:
    """Join the scenes' parts into the table of a split."""
    merge_parts(parts, output)


def rule_of(path: Path) -> dict[str, Any]:
    """The constants that a table was made with, as its provenance tells them."""
    told: Any = provenance.read_meta(path).get("settings", {})
    return {name: value for name, value in told.items() if name.isupper()}


class SceneVisibility:
    """What the frames of one scene see by one rule. `image_ids` in the order of the table; `bits`
    (images, words) as of `point_bits.bit_words`."""

    def __init__(self, image_ids: list[str], bits: np.ndarray, num_points: int):
        self.image_ids = image_ids
        self.num_points = num_points
        self.bits = bits
        self._row = {image_id: row for row, image_id in enumerate(image_ids)}

    @classmethod
    def of_lists(
        cls, image_ids: list[str], point_lists: Sequence[np.ndarray], num_points: int
    ) -> SceneVisibility:
        """Of the vertices that each image sees."""
        return cls(image_ids, bit_words(point_lists, num_points), num_points)

    def points(self, image_id: str) -> np.ndarray:
        """Numbers of the vertices that an image sees, ascending int32."""
        return points_of(self.bits[self._row[image_id]])

    def point_lists(self) -> list[np.ndarray]:
        """`points` of all images, in the order of `image_ids`."""
        return list(map(points_of, self.bits))

    @property
    def num_seen(self) -> np.ndarray:
        """How many vertices each image sees, (images,) int32."""
        return self._ranks.sizes

    def draw_points(self, rng: np.random.Generator, rows: np.ndarray, count: int) -> np.ndarray:
        """For each of the images `rows` (n,), which must see something, `count` independent draws
        from the vertices that it sees: (n, count) int32."""
        return self.points_at(rows, self.draw_places(rng, rows, count))

    def draw_places(self, rng: np.random.Generator, rows: np.ndarray, count: int) -> np.ndarray:
        """The same by places in the list of vertices of each image, from 0 on (`points_at`)."""
        return rng.integers(self.num_seen[rows, None], size=(len(rows), count))

    def points_at(self, rows: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Of the images `rows` (n,) the vertices (n, count) int32 at these places (n, count) of
        their lists."""
        return self._ranks.find(rows, places)

    def sees(self, rows: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Whether each of the images `rows` (n,) sees each of its vertices (n, count): bool."""
        return are_set(self.bits, rows[:, None], points)

    def in_common(
        self, rows: np.ndarray, others: np.ndarray, among: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Vertices that the images `rows` (n,) and `others` (n,) both see, of those whose bits are
        set in `among` (words,): the number of the pair (k,) of each, and the vertices (k,),
        ascending int32 in each pair."""
        shared = self.bits[rows] & self.bits[others]
        if among is not None:
            shared &= among
        return points_of_all(shared)

    def num_images(self) -> np.ndarray:
        """How many images see each vertex, (vertices,) int."""
        seen = np.concatenate([np.zeros(0, np.int32), *self.point_lists()])
        return np.bincount(seen, minlength=self.num_points)

    def images_of(self, points: np.ndarray) -> np.ndarray:
        """Which images see each of the vertices `points` (n,), (n, images) bool."""
        rows = np.arange(len(self.image_ids))
        return are_set(self.bits, rows[:, None], points).T

    @cached_property
    def images_by_point(self) -> tuple[np.ndarray, np.ndarray]:
        """The inverse as (starts, rows): vertex p is seen by rows[starts[p] : starts[p + 1]].

        Rows count in `image_ids` and ascend.
        """
        rows = np.repeat(np.arange(len(self.image_ids), dtype=np.int32), self.num_seen)
        seen = np.concatenate([np.zeros(0, np.int32), *self.point_lists()])
        counts = np.bincount(seen, minlength=self.num_points)
        order = np.argsort(seen, kind="stable")
        return np.concatenate([[0], np.cumsum(counts)]), rows[order]

    @cached_property
    def _ranks(self) -> PointRanks:
        return PointRanks(self.bits)


class VisibilityInfoHandler:
    """Reads the visibility table of a split, one scene at a time; the last one stays open.

    `rule` says what it means that a frame sees a vertex: a key of `RULES`.
    """

    def __init__(self, path: str | Path, rule: str = PUBLISHED):
        self.rule = rule
        self._column = RULES[rule]
        self._table = SceneTable(path, REMEDY, schema=_SCHEMA)
        self._open: tuple[str, SceneVisibility] | None = None

    @property
    def scene_ids(self) -> list[str]:
        return self._table.scene_ids

    def num_points(self, scene_id: str) -> int:
        """Vertices of a scene's mesh, from the file's metadata."""
        number = self._table.facts(scene_id).get("num_points", 0)
        if type(number) is not int or not 0 <= number <= MAX_POINTS:
            raise BadDataError(f"{self._table.path}: {scene_id} has {number!r} vertices; {REMEDY}")
        return number

    def depth_sizes(self, scene_id: str) -> str | None:
        """Digest of the depth images that a scene was made from; None where that is unknown."""
        return self._table.made_from(scene_id).get(DEPTH_SIZES)

    def digest(self, scene_id: str) -> str | None:
        """Of all that the table holds of a scene; None for a table that does not tell it."""
        return self._table.facts(scene_id).get(DIGEST)

    def check_is_about(
        self, scene_id: str, geometry_hash: str, depth_sizes: str | None = None
    ) -> None:
        """Raise `BadDataError` unless the table was made from these poses, sizes and points, and,
        where it is given, from depth images of this digest (`SceneTable.is_of_other_depth`)."""
        facts = self._table.facts(scene_id) if scene_id in self._table else {}
        if facts.get("geometry") != geometry_hash:
            raise BadDataError(
                f"{self._table.path}: stale or without {scene_id}, the scene's poses or points "
                f"have changed since; {REMEDY}"
            )
        if self._table.is_of_other_depth(scene_id, depth_sizes):
            raise BadDataError(
                f"{self._table.path}: {scene_id} is stale, its depth images have changed since; "
                f"{REMEDY}"
            )

    def get_image_to_points_info(self, scene_id: str, image_id: str) -> np.ndarray:
        """Vertices that an image sees, ascending int32; `BadDataError` for an unknown image."""
        scene = self.load_scene(scene_id)
        if image_id not in scene.image_ids:
            raise BadDataError(f"{self._table.path}: no image {image_id} of {scene_id}; {REMEDY}")
        return scene.points(image_id)

    def get_point_to_images_info(self, scene_id: str, point: int) -> list[str]:
        """Ids of the images that see a vertex, in the order of the table."""
        scene = self.load_scene(scene_id)
        if not 0 <= point < scene.num_points:
            raise BadDataError(f"{self._table.path}: no vertex {point} in {scene_id}; {REMEDY}")
        starts, rows = scene.images_by_point
        return [scene.image_ids[row] for row in rows[starts[point] : starts[point + 1]]]

    def get_co_visible_points(self, scene_id: str, image_id1: str, image_id2: str) -> np.ndarray:
        """Vertices that two images both see, ascending int32."""
        first = self.get_image_to_points_info(scene_id, image_id1)
        second = self.get_image_to_points_info(scene_id, image_id2)
        return np.intersect1d(first, second, assume_unique=True)

    def load_scene(self, scene_id: str) -> SceneVisibility:
        """All that is known about one scene."""
        if self._open is None or self._open[0] != scene_id:
            self._open = None  # the last one's memory is free before the next is read
            self._open = (scene_id, self._read_scene(scene_id))
        return self._open[1]

    def read_lists(self, scene_id: str) -> list[np.ndarray]:
        """The lists of a scene, as who reads the table without this module finds them: each
        image's vertices, int32, in the order of the table."""
        column = self._table.read(scene_id, [RULES[self.rule]])[RULES[self.rule]].combine_chunks()
        ends = column.offsets.to_numpy()
        return np.split(column.values.to_numpy(), ends[1:-1]) if len(column) else []

    def _read_scene(self, scene_id: str) -> SceneVisibility:
        table = self._table.read(scene_id, ["image_id", BITS[self.rule]])
        num_points = self.num_points(scene_id)
        words = _bits_of(table[BITS[self.rule]].combine_chunks(), words_for(num_points))
        if words is None:
            raise BadDataError(
                f"{self._table.path}: {scene_id} has not a bit for each vertex; {REMEDY}"
            )
        if (beyond := num_points % WORD_BITS) and (words[:, -1] >> np.uint64(beyond)).any():
            raise BadDataError(
                f"{self._table.path}: {scene_id} names vertices that are not there; {REMEDY}"
            )
        return SceneVisibility(table["image_id"].to_pylist(), words, num_points)
