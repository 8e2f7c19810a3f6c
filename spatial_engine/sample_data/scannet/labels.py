"""A label table with ScanNet's columns and NYU40's ids; the rows are our own choice of words."""

from __future__ import annotations

NYU40 = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf",
    "picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror",
    "floor mat", "clothes", "ceiling", "books", "refridgerator", "television", "paper", "towel",
    "shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink", "lamp",
    "bathtub", "bag", "otherstructure", "otherfurniture", "otherprop",
)  # fmt: skip

# What an annotator writes -> the NYU40 class that it counts as. "trashcan" is missing on purpose.
CATEGORIES = {
    "wall": "wall", "floor": "floor", "ceiling": "ceiling", "door": "door", "window": "window",
    "chair": "chair", "office chair": "chair", "armchair": "chair", "stool": "chair",
    "table": "table", "coffee table": "table", "dining table": "table", "end table": "table",
    "desk": "desk", "sofa": "sofa", "couch": "sofa", "bed": "bed", "pillow": "pillow",
    "cabinet": "cabinet", "kitchen cabinet": "cabinet", "file cabinet": "cabinet",
    "tv stand": "cabinet", "wardrobe": "otherfurniture", "dresser": "dresser",
    "nightstand": "night stand", "bookshelf": "bookshelf", "shelf": "shelves", "books": "books",
    "picture": "picture", "poster": "picture", "clock": "otherprop", "calendar": "otherprop",
    "whiteboard": "whiteboard", "tv": "television", "monitor": "otherprop",
    "keyboard": "otherprop", "lamp": "lamp", "trash can": "otherfurniture", "plant": "otherprop",
    "rug": "floor mat", "mat": "floor mat", "radiator": "otherstructure", "curtain": "curtain",
    "blinds": "blinds", "box": "box", "backpack": "bag", "bag": "bag", "counter": "counter",
    "sink": "sink", "refrigerator": "refridgerator", "stove": "otherfurniture",
    "microwave": "otherprop", "mirror": "mirror", "towel": "towel", "toilet": "toilet",
    "bathtub": "bathtub", "shower curtain": "shower curtain", "paper": "paper",
    "clothes": "clothes", "person": "person", "object": "otherprop", "column": "otherstructure",
}  # fmt: skip

# NYU40 class -> (eigen13 id, eigen13 class)
_EIGEN13 = {
    "bed": (1, "Bed"), "books": (2, "Books"), "ceiling": (3, "Ceiling"), "chair": (4, "Chair"),
    "floor": (5, "Floor"), "picture": (8, "Picture"), "sofa": (9, "Sofa"), "table": (10, "Table"),
    "television": (11, "TV"), "wall": (12, "Wall"), "window": (13, "Window"),
    "otherprop": (7, "Objects"), "bag": (7, "Objects"), "box": (7, "Objects"),
}  # fmt: skip
_COLUMNS = (
    "id", "raw_category", "category", "count", "nyu40id", "eigen13id", "nyuClass", "nyu40class",
    "eigen13class", "ModelNet40", "ModelNet10", "ShapeNetCore55",
)  # fmt: skip
_MODELNET = {"chair": "chair", "table": "table", "bed": "bed", "sofa": "sofa", "desk": "desk"}


def label_table() -> str:
    """The table as text, tab-separated, with CRLF line ends as some copies have them.

    The last columns are often empty, as in the real table.
    """
    lines = ["\t".join(_COLUMNS)]
    for number, (raw, nyu40) in enumerate(CATEGORIES.items(), start=1):
        eigen_id, eigen = _EIGEN13.get(nyu40, (6, "Furniture"))
        known = nyu40 if nyu40.startswith("other") or " " in raw else raw
        model = _MODELNET.get(raw, "")
        count = 9000 // (number + 1)
        row = (
            number, raw, raw, count, NYU40.index(nyu40) + 1, eigen_id, known, nyu40, eigen,
            model, model, model,
        )  # fmt: skip
        lines.append("\t".join(str(value) for value in row))
    return "".join(line + "\r\n" for line in lines)
