"""Whether the frames of a scene agree with each other, and which convention would make them.

Points that were fused from depth agree with the poses that they were fused with, however wrong.
Two frames that measure one surface do not. Where there is a mesh, it tells depth of another scale
from another focal length, which frames alone do not: `scene_faults` looks at it.
"""

from __future__ import annotations

from spatial_engine.checks.inputs.scene_look import Scene
from spatial_engine.utils.preparation.agreement import (
    CLEARLY,
    DEPTH_SCALE,
    LEAST_DEPTH_M,
    MOST_DEPTH_M,
    DepthView,
    choose_pairs,
    wrong_convention,
)
from spatial_engine.utils.tables.suspects import Suspect


def find_convention_fault(scene: Scene, figures: dict) -> list[Suspect]:
    """The convention that is wrong, if that is clear; adds to the `figures`."""
    pairs = choose_pairs(scene.poses)
    numbers = sorted({number for pair in pairs for number in pair})
    views = {n: DepthView(scene.poses[n], scene.cameras[n], scene.depth(n)) for n in numbers}
    share, wrong = wrong_convention(views, pairs)
    figures["share_frames_agree"] = share
    if wrong is None:
        return []
    if wrong.depth_m is not None:
        limit = MOST_DEPTH_M if wrong.depth_m > MOST_DEPTH_M else LEAST_DEPTH_M
        return [Suspect(wrong.fault, wrong.depth_m, limit, "m", wrong.sentence)]
    if wrong.fault == DEPTH_SCALE and not scene.gaps:
        return []
    reason = f"{wrong.sentence}: frames then agree on {wrong.after:.0%} of their depth"
    limit = wrong.after - CLEARLY
    return [Suspect(wrong.fault, wrong.before, limit, "share of depth", reason)]
