"""Rewards of the spatial data engine for ms-swift's GRPO, by its scorer.

    swift rlhf --rlhf_type grpo --external_plugins reward_plugin.py \\
        --reward_funcs spatial spatial_format ...

`spatial` grades the answer from 0 to 1, `spatial_format` is 1 for the bare answer in backticks. It
needs the spatial_engine package (Python 3.11 or newer) and orjson beside ms-swift, and nothing else
of the engine's packages: `pip install --no-deps -e . orjson` in its repository.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from spatial_engine.evaluation.rewards import format_reward, reward

try:
    from swift.rewards import ORM, orms
except ImportError:  # ms-swift 3
    from swift.plugin import ORM, orms


class SpatialReward(ORM):
    """How near each completion is to the truth."""

    def __call__(
        self, completions: Sequence[str], solution: Sequence[str], **_: Any
    ) -> list[float]:
        pairs = zip(solution, completions, strict=True)
        return [reward(json.loads(truth), said) for truth, said in pairs]


class SpatialFormat(ORM):
    """Whether each completion is the bare answer in backticks."""

    def __call__(
        self, completions: Sequence[str], solution: Sequence[str], **_: Any
    ) -> list[float]:
        pairs = zip(solution, completions, strict=True)
        return [format_reward(json.loads(truth), said) for truth, said in pairs]


orms["spatial"] = SpatialReward
orms["spatial_format"] = SpatialFormat
