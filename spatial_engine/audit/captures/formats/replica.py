"""Reads Replica as rendered for iMAP and nice-slam: `traj.txt`, `results/frame%06d.jpg` and
`depth%06d.png`, `cam_params.json`, and a mesh where one is there.

What was chosen where the format leaves a choice:
- The mesh is `habitat/mesh_semantic.ply` with `info_semantic.json` where they are there, else
  `<scene>_mesh.ply` beside the scene's folder, without objects.
- An object is an entry of `objects`, by its id; a vertex is of the object that most of its faces
  are of, of several the least id. Ids without an entry, and negative ones, are no object.
"""

from __future__ import annotations

import numpy as np

from spatial_engine.audit.captures.formats.numbered import by_number, rows_of
from spatial_engine.audit.captures.images import colour_of, depth_of, jpeg_of
from spatial_engine.audit.captures.ply import read_elements, read_vertices, vertices_of
from spatial_engine.audit.captures.rotations import is_finite_pose
from spatial_engine.audit.captures.scan import SourceFrame, SourceMesh, SourceScan
from spatial_engine.audit.captures.sources import Source, camera_matrix
from spatial_engine.audit.captures.tree import Tree, floats
from spatial_engine.audit.raw.annotations import MAX_OBJECTS
from spatial_engine.audit.raw.limits import RawDataError

USUAL = (600.0, 600.0, 599.5, 339.5)
UNITS_PER_METRE = 6553.5
SEMANTIC = "habitat/mesh_semantic.ply"


def read(source: Source) -> SourceScan:
    tree = Tree(source.path)
    poses = rows_of(tree, "traj.txt")
    names = tree.names("results")
    colours = by_number(names, r"frame([0-9]+)\.(?:jpg|png)")
    depths = by_number(names, r"depth([0-9]+)\.png")
    K, units = _camera(source)
    mm = 1000.0 / units if source.depth_unit is None else 1000.0 * source.depth_unit
    frames = {}
    for number in sorted(colours.keys() & depths.keys()):
        if number >= len(poses):
            continue
        if len(poses[number]) != 16:
            raise RawDataError(f"{tree.full('traj.txt')}: line {number + 1} is not 16 numbers")
        pose = floats(poses[number], tree.full("traj.txt")).reshape(4, 4)
        if is_finite_pose(pose):
            colour, depth = f"results/{colours[number]}", f"results/{depths[number]}"
            frames[number] = SourceFrame(
                number, pose, K, colour_of(tree, colour), depth_of(tree, depth, mm),
                jpeg_of(tree, colour),
            )  # fmt: skip
    beside = f"{source.path.name}_mesh.ply"
    if tree.has(SEMANTIC):
        return SourceScan(frames, mesh=lambda: _semantic_mesh(tree))
    if (source.path.parent / beside).is_file():
        return SourceScan(frames, mesh=lambda: _plain_mesh(Tree(source.path.parent), beside))
    return SourceScan(frames)


def _camera(source: Source) -> tuple[np.ndarray, float]:
    """(3, 3) K, and units of depth per metre."""
    for folder in (source.path, source.path.parent):
        if (folder / "cam_params.json").is_file():
            tree = Tree(folder)
            told = tree.json("cam_params.json").get("camera")
            fields = ("fx", "fy", "cx", "cy", "scale")
            told = told if isinstance(told, dict) else {}
            where = tree.full("cam_params.json")
            *camera, units = floats([told.get(name) for name in fields], where).tolist()
            if not units > 0:
                raise RawDataError(f"{where}: scale is {units}")
            break
    else:
        camera, units = list(USUAL), UNITS_PER_METRE
    told_by_hand = source.camera()
    return camera_matrix(*camera) if told_by_hand is None else told_by_hand, units


def _plain_mesh(tree: Tree, name: str) -> SourceMesh:
    vertices = read_vertices(tree, name)
    return SourceMesh(vertices, np.zeros(len(vertices), dtype=np.int64), {})


def _semantic_mesh(tree: Tree) -> SourceMesh:
    elements = read_elements(tree, SEMANTIC, ("vertex", "face"))
    where = tree.full(SEMANTIC)
    vertices = vertices_of(elements["vertex"], where)
    labels = _labels(tree)
    faces = elements["face"]
    corners = faces.get("vertex_indices", faces.get("vertex_index"))
    owner_of_face = faces.get("object_id")
    if not isinstance(corners, list) or not isinstance(owner_of_face, np.ndarray):
        raise RawDataError(f"{where}: faces without vertex_indices and object_id")
    counts = [len(face) for face in corners]
    vertex = np.array([v for face in corners for v in face], dtype=np.int64)
    if len(vertex) and not 0 <= vertex.min() <= vertex.max() < len(vertices):
        raise RawDataError(f"{where}: a face of a vertex that is not there")
    owner = np.repeat(owner_of_face.astype(np.int64), counts)
    pairs, votes = np.unique(np.stack([vertex, owner], axis=1), axis=0, return_counts=True)
    owners = np.zeros(len(vertices), dtype=np.int64)
    # from the fewest votes to the most, and of equal ones the least id last, which then has it
    for k in np.lexsort((-pairs[:, 1], votes)):
        owners[pairs[k, 0]] = pairs[k, 1] + 1 if int(pairs[k, 1]) in labels else 0
    return SourceMesh(vertices, owners, labels)


def _labels(tree: Tree) -> dict[int, str]:
    name = "habitat/info_semantic.json"
    objects = tree.json(name).get("objects")
    if not isinstance(objects, list):
        raise RawDataError(f"{tree.full(name)}: no list objects")
    labels = {}
    for item in objects:
        item = item if isinstance(item, dict) else {}
        object_id, label = item.get("id"), item.get("class_name")
        if type(object_id) is not int or object_id >= MAX_OBJECTS or not isinstance(label, str):
            raise RawDataError(f"{tree.full(name)}: an object without id and class_name")
        if object_id >= 0:
            labels[object_id] = label
    return labels
