"""Names how colour lies beside depth: of another time, drawn to another scale, or shifted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from spatial_engine.checks.inputs import camera_motion, color_shift
from spatial_engine.checks.inputs.scene_faults import some
from spatial_engine.checks.inputs.scene_look import Scene
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables.suspects import Suspect

PRECISION_PX = 0.5  # to which the shift of colour against depth is measured
FRAMES = 8  # looked at
# A frame in which the image moves so far between it and its neighbours shows whose colour it has.
FAST_PX, FEWEST_FAST = 20, 3
# Of colour and depth that belong together, without doubt; of others it is 4.3 at most where two
# are tried, and nearly as much where many are.
CLEAR_CONTRAST, LEAST_CONTRAST = 5.0, 4.0
BETTER_CONTRAST = 1.3  # times that of its own time and scale: colour of another
# Of the colour image; tried where it is unclear as it is. Cameras of a Kinect differ by a tenth.
ZOOMS = tuple(zoom for zoom in np.arange(0.84, 1.165, 0.02).round(2) if zoom != 1)
FINER = 0.01


@dataclass
class Images:
    """The colour and depth images of a scene, compared; each pair of images once."""

    scenes: SceneInfoHandler
    scene_id: str
    scene: Scene
    _profiles: dict[tuple, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def compare(self, numbers: Sequence[int], lag: int = 0, zoom: float = 1.0) -> Match:
        """Frames, with the colour of the frame `lag` after, drawn `zoom` times as large."""
        sums, counts = zip(*(self._profile(n, lag, zoom) for n in numbers), strict=True)
        total, count = np.sum(sums, axis=0), np.sum(counts, axis=0)
        return Match(color_shift.contrast(total, count), color_shift.shift_of(total, count))

    def best_zoom(self, numbers: Sequence[int]) -> tuple[float, Match]:
        """The scale of colour at which frames match best, and how they do."""
        tried = {zoom: self.compare(numbers, zoom=zoom) for zoom in ZOOMS}
        best = max(tried, key=lambda zoom: np.nan_to_num(tried[zoom].contrast))
        tried |= {z: self.compare(numbers, zoom=z) for z in (best - FINER, best + FINER)}
        best = max(tried, key=lambda zoom: np.nan_to_num(tried[zoom].contrast))
        return best, tried[best]

    def _profile(self, number: int, lag: int, zoom: float) -> tuple[np.ndarray, np.ndarray]:
        key = number, lag, zoom
        if key not in self._profiles:
            color = self.scenes.color(self.scene_id, self.scene.image_ids[number + lag])
            gray = cv2.cvtColor(color, cv2.COLOR_BGR2GRAY)
            self._profiles[key] = color_shift.profiles(self.scene.depth(number), gray, zoom)
        return self._profiles[key]


@dataclass(frozen=True)
class Match:
    """How clearly colour has the silhouettes of depth (NaN: too few of them), and where."""

    contrast: float
    shift: color_shift.Shift

    def explains(self, other: Match, least: float) -> bool:
        """Whether colour and depth belong together so, with this contrast at least, and not as in
        the other match."""
        better = self.contrast > BETTER_CONTRAST * np.nan_to_num(other.contrast)
        return better and self.contrast > least and bool(np.isfinite(self.shift.outward))


def find_color_faults(
    images: Images, numbers: Sequence[int], window_px: int, figures: dict
) -> Iterator[Suspect]:
    """How colour lies beside depth, in time and place, by frames `numbers`; adds to the `figures`.

    `window_px` is that of the surface rule, in pixels of the depth images.
    """
    measured = [n for n in numbers if images.scene.view(n).measured]
    if len(measured) < 2:
        return
    if late := _of_another_time(images, measured, figures):
        yield late
        return
    chosen = some(measured, FRAMES)
    match = images.compare(chosen)
    figures |= {"color_shift_x_px": match.shift.x, "color_shift_y_px": match.shift.y}
    if match.contrast < CLEAR_CONTRAST:
        zoom, other = images.best_zoom(chosen)
        if other.explains(match, CLEAR_CONTRAST):
            width = images.scene.depth(chosen[0]).shape[1]
            yield _of_another_scale(1 / zoom, width, window_px)
            return
    if match.shift.length > window_px + PRECISION_PX:
        yield _beside(match.shift.length, window_px)


def _of_another_time(images: Images, measured: Sequence[int], figures: dict) -> Suspect | None:
    scene = images.scene
    poses = np.array([scene.aligned(n) for n in range(len(scene.image_ids))])
    moving = camera_motion.image_motion(poses, scene.intrinsic[0, 0])
    fast = [n for n in measured if min(moving[n : n + 2]) > FAST_PX]
    if len(fast) < FEWEST_FAST:
        return None
    match = images.compare(fast)
    figures["color_contrast"] = match.contrast
    for lag, word in ((-1, "before"), (1, "after")) if match.contrast < CLEAR_CONTRAST else ():
        if images.compare(fast, lag).explains(match, LEAST_CONTRAST):
            reason = f"edges of depth are those of the colour image one frame {word}"
            return Suspect("time shift", 1, 0.5, "frames", reason)
    return None


def _of_another_scale(scale: float, width: int, window_px: int) -> Suspect:
    """Colour that is drawn `scale` times as large as depth."""
    border = abs(scale - 1) * width / 2
    reason = (
        f"colour is drawn {scale:.2f} times as large as depth, and lies up to {border:.0f} pixels "
        "beside it; register the images (the cameras have other focal lengths), or leave the "
        "scene out"
    )
    return Suspect("colour beside depth", border, window_px + PRECISION_PX, "px", reason)


def _beside(length: float, window_px: int) -> Suspect:
    """Colour that lies so many pixels beside depth."""
    reason = (
        f"colour lies {length:.1f} pixels beside depth, so labels at silhouettes may be of what is "
        "beside them; run make_visibility_info.py and this check with "
        f"--surface-window-px {int(np.ceil(length))}, or leave the scene out"
    )
    return Suspect("colour beside depth", length, window_px + PRECISION_PX, "px", reason)
