"""The size at which Qwen2-VL, Qwen2.5-VL and Qwen3-VL look at an image: their `smart_resize`.

Their image processors resize each image to sides that are multiples of `factor` (28, of Qwen3-VL
32), with `min_pixels` to `max_pixels` in all, and keep its proportions as far as that allows.
Floating point is part of the rule: the sizes are those of the image processor in transformers to
the last one (tests/clients/check_qwen.py). The package qwen-vl-utils differs from it where a side
is under half the factor, or would be under the factor in an image that is shrunk.
"""

from __future__ import annotations

import math
from functools import lru_cache

MAX_RATIO = 200  # of the longer side to the shorter; the processors refuse more


@lru_cache  # images of a data set have few sizes
def smart_resize(
    height: int, width: int, factor: int, min_pixels: int, max_pixels: int
) -> tuple[int, int]:
    """(height, width) at which an image of (height, width) is looked at.

    Raises `ValueError` for sides of over 200:1.
    """
    if max(height, width) / min(height, width) > MAX_RATIO:
        raise ValueError(f"an image of {width}x{height} is over {MAX_RATIO}:1")
    nearest = [round(side / factor) * factor for side in (height, width)]
    if math.prod(nearest) > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        nearest = [
            max(factor, math.floor(side / shrink / factor) * factor) for side in (height, width)
        ]
    elif math.prod(nearest) < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        nearest = [math.ceil(side * grow / factor) * factor for side in (height, width)]
    return nearest[0], nearest[1]
