"""ScanNet's files beside the `.sens`, written as the real ones are: mesh, annotations, `.txt`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spatial_engine.sample_data.rendering.mesh import Mesh
from spatial_engine.sample_data.rendering.render import Camera
from spatial_engine.sample_data.scannet.quirks import Quirks

FAR_SEGMENT = 7_000_000  # larger than any vertex number: such segments occur in no mesh


def write_ply(path: Path, vertices: np.ndarray, colors: np.ndarray, faces: np.ndarray) -> None:
    """Binary little-endian mesh: vertices (n, 3) metres, colors (n, 3) uint8, faces (m, 3).

    By hand, because plyfile writes lists (the faces) one at a time: seconds for a true-size mesh.
    """
    vertex = [(name, "<f4") for name in "xyz"]
    vertex += [(name, "u1") for name in ("red", "green", "blue", "alpha")]
    table = np.zeros(len(vertices), vertex)
    for name, column in zip(table.dtype.names, (*vertices.T, *colors.T), strict=False):
        table[name] = column
    table["alpha"] = 255
    triangles = np.zeros(len(faces), [("count", "u1"), ("vertex_indices", "<i4", 3)])
    triangles["count"], triangles["vertex_indices"] = 3, faces
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {len(table)}",
        *(f"property {'float' if kind == '<f4' else 'uchar'} {name}" for name, kind in vertex),
        f"element face {len(triangles)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    with open(path, "wb") as file:
        file.write("".join(line + "\n" for line in header).encode())
        file.write(table.tobytes())
        file.write(triangles.tobytes())


def write_mesh(folder: Path, scene_id: str, mesh: Mesh, groups: list[dict], old: bool) -> None:
    """The mesh in the frame of the scan, its segments, and the annotation by `groups` of them."""
    name = f"{scene_id}_vh_clean_2"
    write_ply(folder / f"{name}.ply", mesh.vertices, mesh.colors, mesh.faces)
    write_segments(folder / f"{name}.0.010000.segs.json", scene_id, mesh.segment)
    write_aggregation(folder / f"{scene_id}.aggregation.json", scene_id, groups, old)


def write_segments(path: Path, scene_id: str, segment: np.ndarray) -> None:
    """`segs.json`: one sparse id a vertex."""
    content = {
        "params": {"kThresh": "0.010000", "segMinVerts": "20"},
        "sceneId": scene_id,
        "segIndices": segment.tolist(),
    }
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def segment_groups(mesh: Mesh, labels: Sequence[str | None], quirks: Quirks) -> list[dict]:
    """What annotators made of the mesh: one group an object, in the order of the things.

    Things without label or without a vertex are left out, as are segments that were missed.
    """
    groups = []
    for thing, label in enumerate(labels):
        segments = np.unique(mesh.segment[(mesh.thing == thing) & ~mesh.missed])
        if label is not None and len(segments):
            groups.append({"segments": segments.tolist(), "label": label})
    if quirks.object_without_vertices:
        ghost = {"segments": [FAR_SEGMENT, FAR_SEGMENT + 25], "label": "box"}
        groups.insert(len(groups) // 2, ghost)
    if quirks.segment_claimed_twice:
        _claim_twice(groups)
    return [
        {"id": k, "objectId": k, "segments": group["segments"], "label": group["label"]}
        for k, group in enumerate(groups)
    ]


def _claim_twice(groups: list[dict]) -> None:
    """Give a segment of a bookshelf, bed or sofa to the books or pillow on it as well."""
    on_top = next(k for k, group in enumerate(groups) if group["label"] in ("books", "pillow"))
    groups[on_top]["segments"].append(groups[on_top - 1]["segments"][0])


def write_aggregation(path: Path, scene_id: str, groups: list[dict], old: bool) -> None:
    """`aggregation.json`; the old style has no `scannet.` before ids and another appId."""
    prefix = "" if old else "scannet."
    content = {
        "sceneId": prefix + scene_id,
        "appId": "Aggregator.v1" if old else "Aggregator.v2",
        "segGroups": groups,
        "segmentsFile": f"{prefix}{scene_id}_vh_clean_2.0.010000.segs.json",
    }
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def write_scene_text(
    path: Path,
    color: Camera,
    depth: Camera,
    num_frames: int,
    scene_type: str,
    aligned_from_scan: np.ndarray | None,
    line_end: str,
) -> None:
    """`<scene>.txt`: `key = value` lines; no axisAlignment line when there is no matrix."""
    lines = {}
    if aligned_from_scan is not None:
        numbers = " ".join(f"{value:.6f}" for value in aligned_from_scan.ravel())
        lines["axisAlignment"] = numbers + " "
    lines["colorHeight"] = color.size[1]
    lines["colorToDepthExtrinsics"] = " ".join(f"{value:.6f}" for value in np.eye(4).ravel())
    lines["colorWidth"] = color.size[0]
    lines["depthHeight"], lines["depthWidth"] = depth.size[1], depth.size[0]
    for name, camera in (("color", color), ("depth", depth)):
        lines[f"fx_{name}"], lines[f"fy_{name}"] = f"{camera.K[0, 0]:.6f}", f"{camera.K[1, 1]:.6f}"
    for name, camera in (("color", color), ("depth", depth)):
        lines[f"mx_{name}"], lines[f"my_{name}"] = f"{camera.K[0, 2]:.6f}", f"{camera.K[1, 2]:.6f}"
    lines["numColorFrames"] = lines["numDepthFrames"] = num_frames
    lines["numIMUmeasurements"] = 0
    lines["sceneType"] = scene_type
    text = "".join(f"{key} = {value}{line_end}" for key, value in lines.items())
    path.write_bytes(text.encode())
