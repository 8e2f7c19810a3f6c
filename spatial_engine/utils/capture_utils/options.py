"""What a user says about a capture that its files do not tell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CaptureOptions:
    """Each None or False: as the format has it. Readers ignore what has no meaning for them."""

    intrinsics: tuple[float, float, float, float] | None = None  # fx fy cx cy of the colour images
    registered: bool = False  # depth pixels lie on the colour pixels of the same place already
    confidence: int | None = None  # least confidence of a depth pixel that is kept
    depth_unit: float | None = None  # metres per unit of the depth images
