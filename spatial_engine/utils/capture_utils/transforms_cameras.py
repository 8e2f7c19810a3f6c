"""Cameras of a `transforms.json`: intrinsics, sizes and distortion, for all frames or by frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.cameras import camera_fault
from spatial_engine.utils.preparation import plain_json

REMEDY = "correct the camera in this file, or export it again"
PERSPECTIVE = ("", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "PERSPECTIVE")
FISHEYE = ("OPENCV_FISHEYE", "FISHEYE")
HALF_PIXEL = 0.5  # pixel centres are at n + 0.5 in these files and at n in OpenCV
_PARAMETERS = ("k1", "k2", "k3", "k4", "p1", "p2")  # in the order of `distortion_params`
# Keys by which instant-ngp says that a lens is none of these.
_OTHER_LENSES = ("ftheta_p0", "latlong", "equirectangular")
MAX_DISTORTION = 10.0


@dataclass(frozen=True)
class Camera:
    """`intrinsic` is (3, 3) with pixel centres at whole numbers; `distortion` is in OpenCV's order:
    k1 k2 p1 p2 k3, of a fisheye k1 k2 k3 k4; empty where there is none."""

    intrinsic: np.ndarray
    size: tuple[int, int]  # (width, height)
    distortion: tuple[float, ...]
    fisheye: bool


def read_camera(
    top: Mapping[str, Any],
    frame: Mapping[str, Any],
    where: str,
    image_size: Callable[[], tuple[int, int]],
    given: tuple[float, float, float, float] | None = None,
) -> Camera:
    """Camera of a frame; what the frame does not say holds for all. `image_size` reads the size of
    its image, and is asked where no size is stated. `given` (fx, fy, cx, cy, in OpenCV's pixels)
    replaces what the file says.

    Raises `BadDataError` for a lens that is neither perspective nor a fisheye of OpenCV.
    """
    values = {**top, **frame}
    fisheye = _is_fisheye(values, where)
    size = _size(values, where, image_size)
    distortion = _distortion(values, fisheye, where)
    width, height = size
    fx, fy, cx, cy = given or _four(values, width, height, where)
    intrinsic = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    if fault := camera_fault(intrinsic, size):
        raise BadDataError(f"{where}: {fault}; {REMEDY}")
    return Camera(intrinsic, size, distortion, fisheye)


def _four(
    values: Mapping[str, Any], width: int, height: int, where: str
) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy with pixel centres at whole numbers."""
    fx = _focal_length(values, "x", width, where)
    if fx is None:
        raise BadDataError(f"{where}: no focal length (fl_x, camera_angle_x or x_fov); {REMEDY}")
    fy = _focal_length(values, "y", height, where) or fx
    cx = _value(values, "cx", where, width / 2) - HALF_PIXEL
    cy = _value(values, "cy", where, height / 2) - HALF_PIXEL
    return fx, fy, cx, cy


def _value(values: Mapping[str, Any], key: str, where: str, default: float) -> float:
    if values.get(key) is None:
        return default
    return plain_json.number(values[key], key, where, REMEDY)


def _is_fisheye(values: Mapping[str, Any], where: str) -> bool:
    model = values.get("camera_model")
    model = str("" if model is None else model).upper()
    other = next((key for key in _OTHER_LENSES if values.get(key)), None)
    if other or model not in PERSPECTIVE + FISHEYE:
        raise BadDataError(
            f"{where}: the camera is {(other or model)[:40]}, which is no perspective camera; "
            "make perspective images of it first"
        )
    return model in FISHEYE or values.get("is_fisheye") is True


def _size(
    values: Mapping[str, Any], where: str, image_size: Callable[[], tuple[int, int]]
) -> tuple[int, int]:
    if values.get("w") is None or values.get("h") is None:
        return image_size()
    sides = [plain_json.side(values[key], key, where, REMEDY) for key in ("w", "h")]
    return sides[0], sides[1]


def _focal_length(values: Mapping[str, Any], axis: str, side: int, where: str) -> float | None:
    """In pixels; None where it is not stated. Angles are of the whole field of view."""
    if values.get(f"fl_{axis}") is not None:
        return _value(values, f"fl_{axis}", where, 0)
    for key, to_radians in ((f"camera_angle_{axis}", 1.0), (f"{axis}_fov", math.pi / 180)):
        if values.get(key) is None:
            continue
        angle = _value(values, key, where, 0) * to_radians
        if not 0 < angle < math.pi:
            raise BadDataError(f"{where}: {key} is {values[key]}, no field of view; {REMEDY}")
        return 0.5 * side / math.tan(angle / 2)
    return None


def _distortion(values: Mapping[str, Any], fisheye: bool, where: str) -> tuple[float, ...]:
    if values.get("distortion_params") is not None:
        given = plain_json.numbers(
            values["distortion_params"], len(_PARAMETERS), "distortion_params", where, REMEDY
        )
    else:
        given = [_value(values, key, where, 0.0) for key in _PARAMETERS]
    k1, k2, k3, k4, p1, p2 = map(float, given)
    found = (k1, k2, k3, k4) if fisheye else (k1, k2, p1, p2, k3)
    unused = (p1, p2) if fisheye else (k4,)
    if any(unused):
        raise BadDataError(
            f"{where}: has {'p1 or p2' if fisheye else 'k4'}, which OpenCV's model of such a lens "
            "does not know; undistort the images first"
        )
    if max(map(abs, found)) > MAX_DISTORTION:
        raise BadDataError(f"{where}: distortion {found} is of no lens; {REMEDY}")
    # A fisheye bends without any coefficients too; a perspective lens does not.
    return found if fisheye or any(found) else ()
