"""Sets of frames of a scene of which no object can be asked about."""

from collections import Counter
from types import SimpleNamespace

import numpy as np

from spatial_engine.object_relations.direction_sets import DirectionSets


def test_directions_of_no_objects_are_none():
    none, of_sets = np.zeros((0, 0, 0), bool), np.zeros((4, 0), bool)
    shown = SimpleNamespace(
        are_seen=lambda sets: of_sets, are_unique=lambda sets: of_sets,
        share_a_frame=lambda sets: np.zeros((4, 0, 0), bool),
    )  # fmt: skip
    scene = SimpleNamespace(
        shown=shown, close=none, at_border=none, sectors=none.astype(int),
        _lie_within=lambda targets: np.zeros(len(targets), bool),
    )  # fmt: skip
    sets, drops = np.zeros((4, 3), np.int32), Counter()
    found = DirectionSets.judge(scene, np.random.default_rng(0), sets, drops)
    assert len(found.sets) == len(found.targets) == len(found.answers) == 0
    assert not +drops
