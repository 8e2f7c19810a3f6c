"""Small whole files of every kind that the readers know, made in memory by the engine's writers."""

from __future__ import annotations

import io
import json
import pickle
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import mutations
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from plyfile import PlyData, PlyElement

from spatial_engine.utils.pictures import jpeg, png
from spatial_engine.utils.questions import records
from spatial_engine.utils.questions.record_files import RecordFile, to_uniform
from spatial_engine.utils.questions.templates import Phrase
from spatial_engine.utils.running.scene_runner import (
    DONE_FILE,
    PartResult,
    RunResult,
    SceneJob,
    run_scenes,
)
from spatial_engine.utils.scannet_utils.sens import SensFrame, SensHeader, write_sens
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables import coverage_table, info_table, object_table, pair_table
from spatial_engine.utils.tables.object_table import SeenObject
from spatial_engine.utils.tables.visibility_table import (
    RULES,
    merge_visibility,
    write_scene_visibility,
)

SCENES = ("scene0000_00", "scene0000_01")
IMAGES = ("00000", "00005", "00010")
DEPTH_SIZE, COLOR_SIZE = (8, 6), (16, 12)
CAMERA = np.array([[16.0, 0, 8, 0], [0, 16, 6, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
NUM_POINTS = 40
TEMPLATES = Path(object_table.__file__).parents[2] / "object_perception/templates"


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _written(write, name: str = "x") -> bytes:
    """What `write(path)` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def jpegs() -> list[bytes]:
    """Small pictures of one size: baseline colour, progressive, gray."""
    from PIL import Image

    picture = _rng().integers(0, 255, (COLOR_SIZE[1], COLOR_SIZE[0], 3)).astype(np.uint8)
    made = [jpeg.encode(picture)]
    for image, options in (
        (Image.fromarray(picture), {"progressive": True}),
        (Image.fromarray(picture[..., 0]), {"optimize": True}),
    ):
        file = io.BytesIO()
        image.save(file, "JPEG", **options)
        made.append(file.getvalue())
    return made


def depth_pngs() -> list[bytes]:
    width, height = DEPTH_SIZE
    depth = _rng().integers(0, 5000, (height, width)).astype(np.uint16)
    return [png.encode(depth), png.encode(0 * depth)]


def sens() -> list[bytes]:
    import cv2

    width, height = COLOR_SIZE
    raw_depth = _rng().integers(0, 5000, DEPTH_SIZE[::-1]).astype("<u2").tobytes()
    picture = _rng().integers(0, 255, (height, width, 3)).astype(np.uint8)
    colors = {
        "jpeg": jpegs()[0],
        "png": cv2.imencode(".png", picture)[1].tobytes(),
        "raw": picture.tobytes(),
    }
    depths = {"zlib": zlib.compress(raw_depth), "raw": raw_depth}
    made = []
    for color, depth, shift in (
        ("jpeg", "zlib", 1000.0),
        ("png", "raw", 1000.0),
        ("raw", "zlib", 5000.0),
    ):
        header = SensHeader(
            *[CAMERA] * 4, COLOR_SIZE, DEPTH_SIZE, 3, shift,
            color, depth,
        )  # fmt: skip
        frames = [
            SensFrame(np.eye(4), colors[color], stored) for stored in (depths[depth], b"") * 2
        ][:3]
        made.append(_written(lambda path, h=header, f=frames: write_sens(path, h, f)))
    return made


def meshes() -> list[bytes]:
    fields = [(name, "f4") for name in "xyz"]
    fields += [(name, "u1") for name in ("red", "green", "blue", "alpha")]
    vertices = np.zeros(12, fields)
    for name, _ in fields:
        vertices[name] = _rng().integers(0, 99, 12)
    faces = np.zeros(5, [("vertex_indices", "i4", (3,)), ("object_id", "i4")])
    elements = [
        PlyElement.describe(vertices, "vertex"),
        PlyElement.describe(faces, "face", len_types={"vertex_indices": "u1"}),
    ]
    return [
        _written(lambda path, o=options: PlyData(elements, **o).write(str(path)))
        for options in ({"text": False, "byte_order": "<"}, {"text": False, "byte_order": ">"},
                        {"text": True})
    ]  # fmt: skip


def aggregations() -> list[bytes]:
    groups = [
        {"id": k, "objectId": k, "segments": [3 * k, 3 * k + 1], "label": f"office chair {k}"}
        for k in range(3)
    ]
    value = {"sceneId": f"scannet.{SCENES[0]}", "appId": "x", "segGroups": groups}
    return [json.dumps(value).encode()]


def segments() -> list[bytes]:
    return [json.dumps({"params": {}, "segIndices": [0, 1, 1, 7, 900, 3]}).encode()]


def scene_texts() -> list[bytes]:
    row = " ".join(map(str, np.eye(4).ravel()))
    text = f"axisAlignment = {row}\ncolorHeight = 968\nnumDepthFrames = 9\nsceneType = Office\n"
    return [text.encode(), text.replace("\n", "\r\n").encode(), b"colorHeight = 968\n"]


def label_tables() -> list[bytes]:
    head = "id\traw_category\tcategory\tcount\tnyu40id\teigen13id\tnyuClass\n"
    rows = "1\twall\twall\t8277\t1\t12\twall\n2\toffice chair\tchair\t4646\t5\t4\tchair\n"
    return [(head + rows).encode(), (head + rows + '3\ta "b" c\tx\t1\t\t\t\n').encode()]


def poses() -> list[bytes]:
    lost = np.full((4, 4), -np.inf)
    return [posed_images.format_matrix(matrix).encode() for matrix in (_pose(0.125), lost)]


def intrinsics() -> list[bytes]:
    return [posed_images.format_matrix(matrix).encode() for matrix in (CAMERA, CAMERA[:3, :3])]


def _pose(shift: float) -> np.ndarray:
    """(4, 4) of a camera that stands off the origin."""
    pose = np.eye(4)
    pose[:3, 3] = shift
    return pose


def infos() -> dict[str, Any]:
    """Scene infos as the third preparation script writes them."""
    images = {
        name: {
            "image_path": f"posed_images/x/{name}.jpg",
            "depth_image_path": f"posed_images/x/{name}.png",
            "extrinsic_matrix": _pose(k / 10),
        }
        for k, name in enumerate(IMAGES)
    }
    box = np.arange(7.0)
    item = {"aligned_bbox": box, "unaligned_bbox": box, "raw_category": "chair"}
    info = {
        0: item, 1: item, "axis_align_matrix": np.eye(4), "num_objects": 2, "points_digest": "d",
        "num_posed_images": len(images), "intrinsic_matrix": CAMERA, "images_info": images,
        "color_size": COLOR_SIZE, "depth_size": DEPTH_SIZE,
    }  # fmt: skip
    return dict.fromkeys(SCENES, info)


def _info_part(path: Path, scene: str) -> None:
    info_table.write_scene_info(path, scene, infos()[scene])


def info_tables() -> list[bytes]:
    return _tables(_info_part, info_table.merge_infos)


def arrays() -> list[bytes]:
    made = []
    for array in (np.ones((NUM_POINTS, 6)), np.zeros(NUM_POINTS, np.int32)):
        file = io.BytesIO()
        np.save(file, array)
        made.append(file.getvalue())
    return made


def _visibility_part(path: Path, scene: str) -> None:
    lists = [np.arange(k, NUM_POINTS, k + 2, dtype=np.int32) for k in range(len(IMAGES))]
    write_scene_visibility(path, scene, IMAGES, dict.fromkeys(RULES, lists), NUM_POINTS, "geometry")


def _pair_part(path: Path, scene: str) -> None:
    poses = np.tile(np.eye(4), (len(IMAGES), 1, 1))
    overlap = np.array([[100, 10, 0], [10, 100, 20.5], [0, 20.5, 100]])
    columns = pair_table.relate_frames(IMAGES, poses, overlap)
    pair_table.write_scene_pairs(path, scene, IMAGES, columns, "geometry")


def _object_part(path: Path, scene: str) -> None:
    ends = np.zeros((2, len(IMAGES), 3)) + np.array([0, 1])[:, None, None]
    counts = np.arange(len(IMAGES)) + 7
    seen = [
        SeenObject(k, "chair", np.ones(3), 1.0, list(IMAGES), counts, counts / 9.0, counts, *ends)
        for k in (0, 2)
    ]
    object_table.write_scene_objects(path, scene, seen, {"geometry": "g", "objects": "o"}, {})


def _merged(write_part, merge) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        parts = []
        for scene in SCENES:
            parts.append(Path(folder) / scene)
            write_part(parts[-1], scene)
        merge(parts, Path(folder) / "table.parquet")
        return (Path(folder) / "table.parquet").read_bytes()


def _bare(table: bytes) -> bytes:
    """The same without compression and checksums, so that wrong bits come through to decoders."""
    read = pq.ParquetFile(io.BytesIO(table))
    file = io.BytesIO()
    with pq.ParquetWriter(file, read.schema_arrow, compression="none") as writer:
        for number in range(read.num_row_groups):
            writer.write_table(read.read_row_group(number, use_threads=False))
        notes = {k: v for k, v in read.metadata.metadata.items() if k != b"ARROW:schema"}
        writer.add_key_value_metadata(notes)
    return file.getvalue()


def _tables(write_part, merge) -> list[bytes]:
    whole = _merged(write_part, merge)
    return [whole, _bare(whole), _bare(whole)]  # most changes are to come through to the data


def visibility_tables() -> list[bytes]:
    return _tables(_visibility_part, merge_visibility)


def pair_tables() -> list[bytes]:
    return _tables(_pair_part, pair_table.merge_pairs)


def object_tables() -> list[bytes]:
    return _tables(_object_part, object_table.merge_objects)


def parts() -> list[bytes]:
    """Scenes' parts of all tables."""
    writers = (_visibility_part, _pair_part, _object_part, _info_part, _coverage_part)
    return [_written(lambda path, w=write: w(path, SCENES[0])) for write in writers]


def _coverage_part(path: Path, scene: str) -> None:
    sets = {1: [("00000",)], 2: [("00000", "00005"), ("00005", "00010")]}
    coverage_table.write_scene_sets(path, scene, {0: sets, 7: {2: sets[2]}})


def coverage_tables() -> list[bytes]:
    return _tables(_coverage_part, coverage_table.merge_sets)


def npz(**changes: Any) -> bytes:
    """A clip of three frames and four points; None leaves an array out."""
    rng = _rng()
    tracks = rng.uniform([-1, -1, 2], [1, 1, 4], (3, 4, 3)).astype(np.float32)
    queries = tracks[1, :, :2] / tracks[1, :, 2:] * [30, 31] + [8, 6]  # all in the second frame
    made = {
        "images_jpeg_bytes": np.array(jpegs()[:1] * 3),
        "queries_xyt": np.column_stack([queries, np.ones(4)]).astype(np.float32),
        "tracks_XYZ": tracks,
        "visibility": rng.random((3, 4)) < 0.7,
        "fx_fy_cx_cy": np.array([30, 31, 8, 6], np.float32),
        "extrinsics_w2c": np.tile(np.eye(4, dtype=np.float32), (3, 1, 1)),
    } | changes
    members = {}
    for key, value in made.items():
        if value is not None:
            file = io.BytesIO()
            np.save(file, value)
            members[f"{key}.npy"] = file.getvalue()
    return mutations.zip_of(members)


def clips() -> list[bytes]:
    objects = np.empty(3, object)
    objects[:] = jpegs()[:1] * 3
    return [npz(), npz(images_jpeg_bytes=objects), npz(extrinsics_w2c=None)]


NUM_ITEMS = 3


def object_arrays() -> list[bytes]:
    """What stands behind the header of a `.npy` of objects."""
    items = np.empty(NUM_ITEMS, object)
    items[:] = [b"one", b"\xff\xd8\xff\xd9", b""]
    return [pickle.dumps(items, protocol) for protocol in (2, 3, 4, 5)]


def id_lists() -> list[bytes]:
    return [b"scene0000_00\nscene0000_01\n", b"Lite_release_x+y_3\r\n\r\n  b.2-3  \n", b"\n"]


def record(split: str = "train", number: int = 0) -> dict[str, Any]:
    return records.make_record(
        split, f"id{number}", [f"{SCENES[0]}/{name}.jpg" for name in IMAGES[:2]],
        [(1296, 968)] * 2, "camera_x_movement",
        Phrase("Look.\nWhich way?", "It went `{answer}`.", ""), "right", {"overlap": 12.5},
    )  # fmt: skip


def record_file(path: Path) -> RecordFile:
    """`path` as a file of the records above."""
    return RecordFile(path, "train", "camera_x_movement", path.parent)


def jsonls() -> list[bytes]:
    own = [record("train", 1), record("val", 2), {"id": "x", "prediction": "`left`"}]
    own = [record("train", 0), *own]
    root = Path("/root-of-data")
    uniform = [to_uniform(item, record_file(root / "x.jsonl"), root) for item in own[:3]]
    lines = [_written(lambda path, r=r: records.write_jsonl(path, r)) for r in (own[:3], uniform)]
    return [*lines, b'{"id": "id0", "prediction": "left"}\n{"id":"id1","text":"`5` mm"}']


def templates() -> list[bytes]:
    return [path.read_bytes() for path in sorted(TEMPLATES.glob("*.json"))]


def metas() -> list[bytes]:
    facts = {
        "step": "s", "settings": {"seed": 0}, "inputs": {SCENES[0]: ["d", 1]}, "common": {},
        "version": "0.0.1", "records": 3, "drops": {"a": 1}, "notes": {}, "companions": {},
    }  # fmt: skip

    def write(path: Path) -> None:
        path.write_bytes(b"data")
        provenance.write_meta(path, facts, {"seconds": 1.5, "command": "x", "host": "y"})
        provenance.meta_path(path).rename(path)

    return [_written(write)]


def folder_jobs() -> list[SceneJob]:
    return [SceneJob(scene, None, {"x.sens": ["d", 1]}) for scene in SCENES]


def folder_work(_: None, folder: Path) -> PartResult:
    (folder / "x").write_bytes(b"made")
    return PartResult({"images": 3}, {"images": {"no pose": 1}}, {"images": {"gray": 2}}, ["odd"])


def run_folders(folder: Path, jobs: list[SceneJob]) -> RunResult:
    """A run of a command that makes a folder for each scene."""
    settings = {"seed": 0, "size": [16, 12]}
    return run_scenes("make_folders", folder_work, jobs, folder, settings, num_workers=1)


def done_marks() -> list[bytes]:
    """What a finished folder says of itself, before and after a change of constants."""
    with tempfile.TemporaryDirectory() as folder:
        run_folders(Path(folder), folder_jobs()[:1])
        now = (Path(folder) / SCENES[0] / DONE_FILE).read_bytes()
    before = json.loads(now)
    before["origin"] |= {"settings": {"seed": 1}, "version": "0.0.1"}
    return [now, json.dumps(before).encode()]


def prediction_tables() -> list[bytes]:
    text = "index\tprediction\n0\t`left`\n1\tI think `right`.\n"
    return [text.encode(), b"id\tprediction\nid0\tleft\nid1\t\n", b'id\ttext\n"id0"\t"a\nb"\n']


def prediction_csvs() -> list[bytes]:
    return [data.replace(b"\t", b",") for data in prediction_tables()]


def workbooks() -> list[bytes]:
    made = []
    for key, values in (("index", [0, 1]), ("id", ["id0", "id1"])):
        table = pd.DataFrame({key: values, "prediction": ["`left`", "5"], "question": ["a", "b"]})
        data = _written(lambda path, t=table: t.to_excel(path, index=False), "x.xlsx")
        members = mutations.members_of(data)
        del members["docProps/core.xml"]  # tells when it was made
        made.append(mutations.zip_of(members, zipfile.ZIP_DEFLATED))
    return made


def answers() -> list[bytes]:
    texts = (
        "``left``", "The answer is `B`.", "<think>`3`</think> about 1,234 mm, i.e. 1.2 m",
        "`[ 12 , -345 , 6.5e2 ]`", "[500, 250]", "(1 m, 2 m, 3 m)", "It turned by 15°, I am sure",
        "Image-1 shows A, so: **A**", "4 ft (1219 mm)", "up or down? Final answer: down",
        r"$\boxed{1.2\text{ m}}$", "<think>A</think><answer>B</answer>", "答案是B", "1m20cm ± 5 mm",
        "393 mm left, z: -1.07 m, y = 355", "1\u202f200,5 mm (x 10³)", "**B**\n\nWait, actually C",
    )  # fmt: skip
    return [text.encode() for text in texts]
