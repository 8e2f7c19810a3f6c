"""The oddities of real scans, each of which has broken a loader somewhere (docs/formats.md)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quirks:
    """What is odd about a scene; by default nothing. Frames are numbers in the `.sens`.

    lost_pose: frames whose pose is all -inf; no_depth: a frame with 0 bytes of depth; zero_depth:
    a frame whose depth is all 0; without_alignment: no axisAlignment line, the scan itself is
    aligned; depth_shift: depth units in a metre; raw_depth: depth not compressed; no_imu_tail: the
    `.sens` ends after its last frame; one_frame_more: the `.txt` counts one more; crlf: line ends
    of the `.txt`; old_aggregation: older style of ids; object_without_vertices: its segments occur
    nowhere; segment_claimed_twice: by two objects, the later one wins.
    """

    lost_pose: tuple[int, ...] = ()
    no_depth: int | None = None
    zero_depth: int | None = None
    without_alignment: bool = False
    depth_shift: float = 1000.0
    raw_depth: bool = False
    no_imu_tail: bool = False
    one_frame_more: bool = False
    crlf: bool = False
    old_aggregation: bool = False
    object_without_vertices: bool = False
    segment_claimed_twice: bool = False


NO_QUIRKS = Quirks()
