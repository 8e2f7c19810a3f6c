"""When a request is sent again, and how long to wait before: as the package openai does.

Written here, since its versions differ, and since a reply that is not whole is retried as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0  # seconds, of waits that double
SHORTER_BY = 0.25  # a wait is shorter by up to this share, so that requests do not come at once
LONGEST_ASKED_FOR = 60.0  # seconds that a server may ask for


def is_retried(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a request that was answered by an error is sent again; header names in lower case."""
    told = headers.get("x-should-retry")
    if told in ("true", "false"):
        return told == "true"
    return status in (408, 409, 429) or status >= 500


def seconds_to_wait(retries: int, headers: Mapping[str, str], draw: float, now: float) -> float:
    """How long to wait after a request, and so many retries before: as the server asks for, else
    twice as long each time. `draw` is from 0 to 1, `now` in seconds since 1970."""
    asked_for = _asked_for(headers, now)
    if asked_for is not None and 0 < asked_for <= LONGEST_ASKED_FOR:
        return asked_for
    return min(FIRST_WAIT * 2.0 ** min(retries, 16), LONGEST_WAIT) * (1 - SHORTER_BY * draw)


def _asked_for(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a server asks to wait; None where it does not."""
    for name, share in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return float(headers[name]) / share
        except (KeyError, ValueError):
            continue
    try:
        date = parsedate_tz(headers.get("retry-after", ""))
        return mktime_tz(date) - now if date else None
    except (ValueError, OverflowError):
        return None
