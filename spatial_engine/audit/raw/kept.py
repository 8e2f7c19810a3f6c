"""Results that a scene or clip keeps for as long as it is open."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any


def kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(raw, *args)`, computed once for each scene or clip and each `args`.

    What it returns must not refer to `raw`: the two would outlive their use.
    """

    @wraps(function)
    def call(raw: object, *args: object) -> Any:
        results = vars(raw).setdefault("_kept", {})
        key = function, args
        if key not in results:
            results[key] = function(raw, *args)
        return results[key]

    return call
