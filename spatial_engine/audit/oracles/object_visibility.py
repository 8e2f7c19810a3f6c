"""Checks what `object_visibility.pkl` says of a scene against its raw scan (SPEC 8.1).

How docs/spec.md was read where it leaves a choice, by section:
- 8.1 objects that no image sees and images that see no object may be absent or have an empty list;
  objects that are left out, and frames without a valid pose, may not be there at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from spatial_engine.audit.oracles.object_views import (
    AS_PUBLISHED,
    ObjectRules,
    RawObject,
    raw_objects,
    why_not,
)
from spatial_engine.audit.raw.ids import frame_or_name
from spatial_engine.audit.raw.posed import PosedScene

PERCENT_TOLERANCE = 1e-9


def check_scene_visibility(
    entry: object,
    scene: PosedScene,
    images: Iterable[str] | None = None,
    rules: ObjectRules = AS_PUBLISHED,
) -> list[str]:
    """Complaints about one scene of `object_visibility.pkl`.

    images: those whose rows are recomputed, by default every valid frame.
    """
    if not isinstance(entry, dict) or set(entry) != {"object_to_images", "image_to_objects"}:
        return [f"{entry!r:.80} does not hold exactly object_to_images and image_to_objects"]
    by_object, complaints = _read_rows(entry["object_to_images"], "image_id", str)
    by_image, found = _read_rows(entry["image_to_objects"], "object_id", int)
    if complaints or found:
        return [f"object_to_images: {text}" for text in complaints] + [
            f"image_to_objects: {text}" for text in found
        ]
    flipped = {(object_id, image): row for (image, object_id), row in by_image.items()}
    for key in sorted({*by_object, *flipped}, key=repr):
        one, other = by_object.get(key), flipped.get(key)
        if one != other:
            where = f"object {key[0]}, image {key[1]}"
            complaints.append(f"{where}: {one} by object_to_images, {other} by image_to_objects")
    for object_id in entry["object_to_images"]:
        reason = why_not(scene, object_id)
        complaints += [reason] if reason else []
    named = {*map(frame_or_name, entry["image_to_objects"]), *(image for _, image in by_object)}
    for image in sorted(named - set(scene.valid_frame_ids), key=repr):
        complaints.append(f"image {image!r} is no D5 frame with a valid pose")
    chosen = scene.valid_frame_ids if images is None else list(images)
    for object_id, thing in raw_objects(scene, rules).items():
        if thing.left_out:
            continue
        for image in chosen:
            wrong = _check_row(by_object.get((object_id, image)), thing, image)
            complaints += [f"object {object_id}, image {image}: {wrong}"] if wrong else []
    return complaints


def _read_rows(table: object, other: str, other_type: type) -> tuple[dict, list[str]]:
    """{(key, other id): (count, percent)} of {key: [row]}, and complaints about its form."""
    if not isinstance(table, dict):
        return {}, [f"is no dict but {table!r:.80}"]
    found: dict[tuple, tuple[int, float]] = {}
    complaints = []
    key_type = int if other_type is str else str
    for key, rows in table.items():
        if type(key) is not key_type or not isinstance(rows, list):
            complaints.append(f"{key!r}: {rows!r:.80} is not {key_type.__name__}: list")
            continue
        for row in rows:
            fields = {other, "intersection_count", "visibility"}
            if not isinstance(row, dict) or set(row) != fields:
                complaints.append(f"{key!r}: {row!r:.120} does not hold {sorted(fields)}")
                continue
            count, percent = row["intersection_count"], row["visibility"]
            types = type(row[other]), type(count), type(percent)
            if types not in ((other_type, int, float), (other_type, int, int)):
                complaints.append(f"{key!r}: {row!r:.120} holds a value of another type")
                continue
            pair = frame_or_name(key), frame_or_name(row[other])
            if pair in found:
                complaints.append(f"{key!r}: {row[other]!r} twice")
            found[pair] = count, percent
    return found, complaints


def _check_row(row: tuple[int, float] | None, thing: RawObject, image: str) -> str:
    """Complaint about what is recorded of an object in an image, or ""."""
    least, most = thing.counts(image)
    total = len(thing.vertices)
    truth = f"{least} to {most} of {total} vertices are seen, {thing.needed} needed"
    if row is None:
        return f"missing, {truth}" if thing.sees(image) else ""
    count, percent = row
    if not least <= count <= most:
        return f"intersection_count {count}, {truth}"
    if count < thing.needed:
        return f"listed with intersection_count {count}, {truth}"
    if not abs(percent - 100.0 * count / total) <= PERCENT_TOLERANCE:
        return f"visibility {percent!r}, expected {100.0 * count / total}"
    return ""
