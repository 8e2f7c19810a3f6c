"""The visibility table: which vertices each frame sees. This module owns its format.

Columns `scene_id`, `image_id` (strings) and two ascending lists of int32, one row per valid frame,
one row group per scene: `point_index`, the vertices that a frame sees by the published rule, and
`surface_index`, those that lie on the surface that it shows (SPEC 4). A reader takes one of them.
Ascending numbers are stored as differences (under a byte a vertex), which costs no more time than
storing them plainly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from spatial_engine.errors import BadDataError
from spatial_engine.utils.tables.scene_table import DEPTH_SIZES, SceneTable, merge_parts, write_part

REMEDY = "run spatial_engine/utils/scannet_utils/make_visibility_info.py"
MAX_POINTS = 10_000_000  # vertices of a mesh; ScanNet has 150,000, and memory goes by this number
PUBLISHED, SURFACE = "published", "surface"  # what it means that a frame sees a vertex
RULES = {PUBLISHED: "point_index", SURFACE: "surface_index"}  # and the column of each
# The flag of the constant `SEEN_RULE`, which says by which rule a script asks (`cli.add_constant`).
SEEN_RULE_FLAG = {
    "meaning": "by which a frame sees vertices",
    "choices": tuple(RULES),
    "published": PUBLISHED,
}
_NUMBERS = pa.list_(pa.field("element", pa.int32(), nullable=False))
_SCHEMA = pa.schema(  # nothing is ever missing, which makes reading a fifth faster
    [pa.field(name, pa.string(), nullable=False) for name in ("scene_id", "image_id")]
    + [pa.field(column, _NUMBERS, nullable=False) for column in RULES.values()]
)
_ENCODING = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": ["scene_id"],
    "column_encoding": {f"{name}.list.element": "DELTA_BINARY_PACKED" for name in RULES.values()},
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
    ascending int32; `geometry_hash` says for which poses and points it holds."""
    columns = [
        pa.array([scene_id] * len(image_ids), pa.string()),
        pa.array(list(image_ids), pa.string()),
        *(_list_column(seen[rule]) for rule in RULES),
    ]
    table = pa.Table.from_arrays(columns, schema=_SCHEMA)
    facts = {"geometry": geometry_hash, "num_points": num_points}
    write_part(path, table, scene_id, facts)


def _list_column(lists: Sequence[np.ndarray]) -> pa.ListArray:
    ends = np.cumsum([0, *map(len, lists)], dtype=np.int32)
    values = np.concatenate([np.zeros(0, np.int32), *lists])
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values), type=_NUMBERS)


def merge_visibility(parts: Sequence[Path], output: Path) -> None:
    """Join the scenes' parts into the table of a split."""
    merge_parts(parts, output, **_ENCODING)


class SceneVisibility:
    """What the frames of one scene see by one rule. `image_ids` in the order of the table."""

    def __init__(self, image_ids: list[str], ends: np.ndarray, values: np.ndarray, num_points: int):
        self.image_ids = image_ids
        self.num_points = num_points
        self._row = {image_id: row for row, image_id in enumerate(image_ids)}
        self._ends, self._values = ends, values

    def points(self, image_id: str) -> np.ndarray:
        """Numbers of the vertices that an image sees, ascending int32."""
        row = self._row[image_id]
        return self._values[self._ends[row] : self._ends[row + 1]]

    def point_lists(self) -> list[np.ndarray]:
        """`points` of all images, in the order of `image_ids`."""
        return np.split(self._values, self._ends[1:-1]) if self.image_ids else []

    @property
    def num_seen(self) -> np.ndarray:
        """How many vertices each image sees, (images,) int32."""
        return np.diff(self._ends)

    def draw_points(self, rng: np.random.Generator, rows: np.ndarray, count: int) -> np.ndarray:
        """For each of the images `rows` (n,), which must see something, `count` independent draws
        from the vertices that it sees: (n, count) int32."""
        starts, sizes = self._ends[rows, None], self.num_seen[rows, None]
        return self._values[starts + rng.integers(sizes, size=(len(rows), count))]

    def sees(self, rows: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Whether each of the images `rows` (n,) sees each of its vertices (n, count): bool.

        All are looked up at once by halving steps; a list of vertices is never walked through.
        """
        if not len(self._values):
            return np.zeros(points.shape, bool)
        starts, stops = self._ends[rows, None], self._ends[rows + 1, None]
        last = np.broadcast_to(starts - 1, points.shape)  # the last one known to be <= the vertex
        step = 1 << int(self.num_seen.max()).bit_length()
        while step := step >> 1:
            ahead = last + step
            inside = ahead < stops
            smaller = self._values[np.where(inside, ahead, 0)] <= points
            last = np.where(inside & smaller, ahead, last)
        return (last >= starts) & (self._values[np.maximum(last, 0)] == points)

    def in_common(self, row: int, other: int) -> np.ndarray:
        """Vertices that two images, by their rows, both see, ascending int32."""
        seen = np.zeros(self.num_points, bool)
        seen[self._values[self._ends[other] : self._ends[other + 1]]] = True
        mine = self._values[self._ends[row] : self._ends[row + 1]]
        return mine[seen[mine]]

    @cached_property
    def images_by_point(self) -> tuple[np.ndarray, np.ndarray]:
        """The inverse as (starts, rows): vertex p is seen by rows[starts[p] : starts[p + 1]].

        Rows count in `image_ids` and ascend.
        """
        rows = np.repeat(np.arange(len(self.image_ids), dtype=np.int32), np.diff(self._ends))
        order = np.argsort(self._values, kind="stable")
        counts = np.bincount(self._values, minlength=self.num_points)
        return np.concatenate([[0], np.cumsum(counts)]), rows[order]


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

    def check_is_about(
        self, scene_id: str, geometry_hash: str, depth_sizes: str | None = None
    ) -> None:
        """Raise `BadDataError` unless the table was made from these poses, sizes and points, and,
        where it is given, from depth images of this digest (`SceneTable.is_of_other_depth`)."""
        facts = self._table.facts(scene_id) if scene_id in self.scene_ids else {}
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

    def _read_scene(self, scene_id: str) -> SceneVisibility:
        table = self._table.read(scene_id, ["image_id", self._column])
        num_points = self.num_points(scene_id)
        column = table[self._column].combine_chunks()
        values = column.values.to_numpy()
        ends = column.offsets.to_numpy()
        if len(values) and (values.min() < 0 or values.max() >= num_points):
            raise BadDataError(
                f"{self._table.path}: {scene_id} names vertices that are not there; {REMEDY}"
            )
        falls = 1 + np.flatnonzero(values[1:] <= values[:-1])
        if not np.isin(falls, ends).all():  # only from one image to the next may numbers fall
            raise BadDataError(f"{self._table.path}: {scene_id} is out of order; {REMEDY}")
        return SceneVisibility(table["image_id"].to_pylist(), ends, values, num_points)
