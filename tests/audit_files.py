"""What the audit says of a whole file or table, as its command does, within this process."""

from __future__ import annotations

from pathlib import Path

from spatial_engine.audit.label_checks import Job, check_place
from spatial_engine.audit.label_complaints import Complaints
from spatial_engine.audit.label_lines import ids_of_split, index_file
from spatial_engine.audit.label_records import LabelFile, Made, label_file
from spatial_engine.audit.label_tables import check_tables
from spatial_engine.audit.records.constants import constants_of

# What tells the audit that the published rules and constants were used.
PUBLISHED = {
    "SEEN_RULE": "published",
    "MIN_OBJECT_SEEN": 0.0,
    "MIN_SIZE_M": 0.02,
    "MAX_BOX_SLACK": 0.0,
    "REQUIRE_UNIQUE_CATEGORY": False,
}


def file_complaints(path: Path, root: Path, split: str) -> list[str]:
    """ "file: ..." and "line N: ..." in order, and scenes or clips whose lines were not checked. A
    file that does not tell its constants was made with the published ones."""
    file = LabelFile(path, "", "", {"": Made(PUBLISHED, None)})
    if constants_of(path):
        file = label_file(path, root)
    file = file._replace(name=path.name, split=split)
    index = index_file(file, root, -1, 0, ids_of_split(root, split))
    complaints, unread = Complaints(), []
    complaints.extend(index.complaints)
    for place, lines in sorted(index.of_place.items()):
        found = check_place(Job(place, {0: file}, {0: lines}, root))[0]
        complaints.extend(found.complaints)
        if len(found.unread):
            unread.append(f"{place[1]}: {len(found.unread)} lines not checked: {found.why}")
    texts = [f"line {c.where}: {c.text}" if c.where else c.text for c in complaints.ordered()]
    assert not [text for text in texts if "the check stopped" in text], texts
    return texts + unread


def table_complaints(root: Path) -> dict[str, list[str]]:
    """{path of each table about objects: "scene X: ..." or "file: ..."}."""
    return {
        report.name: [
            f"scene {c.where}: {c.text}" if c.where else c.text for c in report.complaints.ordered()
        ]
        + [f"scene {scene}: not checked: {why}" for scene, (_, why) in report.unread.items()]
        for report in check_tables(root, -1, 0, lambda work, jobs, what: map(work, jobs))
    }
