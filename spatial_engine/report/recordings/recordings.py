"""A rerun recording of either kind: how it is written, its one timeline, its camera."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import rerun as rr

from spatial_engine.errors import SettingsError
from spatial_engine.utils.storage.files import atomic_path

TIMELINE = "frame"
WORLD, CAMERA, IMAGE = "world", "world/camera", "world/camera/image"
# Rows are put together by their sizes, not by the clock: a busy machine would cut them elsewhere.
_BATCHES = rr.ChunkBatcherConfig(flush_tick=timedelta(days=1))
FRUSTUM_M = 0.4  # how far before the camera its image is shown


@contextmanager
def write_recording(
    path: Path, kind: str, name: str, blueprint: rr.blueprint.Blueprint
) -> Iterator[rr.RecordingStream]:
    """Give a stream that is written to `path`, whole or not at all.

    `kind` names the application, for which the viewer keeps one layout; `name` is the recording.
    Nothing of the clock is recorded, so the same data gives a recording that `rerun rrd compare`
    calls equal; its bytes differ, since rerun numbers rows by the clock. It is kept in memory until
    it is whole: rerun's own writer tells a full disk sometimes, or hangs.
    Raises `SettingsError` where it cannot be written.
    """
    rr.set_strict_mode(True)  # what cannot be recorded is an error, not a warning
    stream = rr.RecordingStream(
        f"spatial_engine_{kind}", recording_id=name, send_properties=False, batcher_config=_BATCHES
    )
    rr.set_log_time_enabled(False, recording=stream)
    memory = stream.memory_recording()
    stream.send_blueprint(blueprint)
    stream.send_recording_name(name)
    yield stream
    data = memory.drain_as_bytes()
    try:
        with atomic_path(path) as partial:
            partial.write_bytes(data)
    except OSError as error:
        raise SettingsError(f"{path}: could not be written ({error.strerror})") from None


def spread_evenly(count: int, at_most: int) -> list[int]:
    """Numbers 0 .. count - 1, or `at_most` of them evenly spread, the first and last among them."""
    return np.linspace(0, count - 1, min(count, at_most)).round().astype(int).tolist()


def log_path(stream: rr.RecordingStream, positions: np.ndarray) -> None:
    """The path (n, 3) of the camera in metres."""
    path = rr.LineStrips3D([positions], colors=[(90, 160, 255)], radii=rr.Radius.ui_points(1))
    stream.log(f"{WORLD}/camera_path", path, static=True)


def log_lens(
    stream: rr.RecordingStream,
    entity: str,
    intrinsic: np.ndarray,
    size: tuple[int, int],
    of_all: bool = True,
) -> None:
    """Intrinsics (3, 3) of images of (width, height), for all frames or the present one."""
    lens = rr.Pinhole(
        image_from_camera=intrinsic,
        resolution=size,
        camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=FRUSTUM_M,
    )
    stream.log(entity, lens, static=of_all)


def log_view(stream: rr.RecordingStream, frame: int, pose: np.ndarray, jpeg: bytes) -> None:
    """Go to a frame: where the camera is, (4, 4) world_from_cam, and its image as it is stored."""
    stream.set_time(TIMELINE, sequence=frame)
    stream.log(CAMERA, rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3]))
    stream.log(IMAGE, rr.EncodedImage(contents=jpeg, media_type="image/jpeg"))
