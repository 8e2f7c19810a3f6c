"""Images of captures: pictures, depth and masks, each from the bytes of a file of a `Tree`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spatial_engine.audit.captures.tree import Tree
from spatial_engine.audit.raw.limits import MAX_PIXELS, RawDataError
from spatial_engine.audit.raw.npz_file import parse_npy
from spatial_engine.audit.raw.pictures import (
    MAX_FILE_BYTES,
    PictureError,
    is_jpeg,
    read_grey_png,
    read_picture,
)

NUMBERS_OF_NPY = ("<f2", "<f4", "<f8", "|u1", "<u2", "<u4", "<i2", "<i4")


def colour_of(tree: Tree, name: str) -> Callable[[], np.ndarray]:
    """(H, W, 3) int64 RGB of a JPEG or PNG, when asked for."""
    return lambda: _read(tree, name, read_picture)


def jpeg_of(tree: Tree, name: str) -> Callable[[], bytes] | None:
    """The bytes of a JPEG, when asked for; None of a file that is named as another one."""
    if not name.lower().endswith((".jpg", ".jpeg")):
        return None

    def read() -> bytes:
        content = tree.read(name, MAX_FILE_BYTES)
        if not is_jpeg(content):
            raise RawDataError(f"{tree.full(name)}: is no JPEG")
        return content

    return read


def grey(tree: Tree, name: str) -> np.ndarray:
    """(H, W) int64 of a grey PNG."""
    return _read(tree, name, read_grey_png)


def depth_values(tree: Tree, name: str) -> np.ndarray:
    """(h, w) float64 as stored in a grey PNG or an `.npy` of two dimensions."""
    if not name.lower().endswith(".npy"):
        return grey(tree, name).astype(np.float64)
    try:
        descr, fortran, shape, data = parse_npy(tree.read(name, MAX_FILE_BYTES * 8))
    except RawDataError:
        raise
    except ValueError as err:
        raise RawDataError(f"{tree.full(name)}: {err}") from err
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    fits = len(shape) == 2 and 0 < shape[0] * shape[1] <= MAX_PIXELS
    if descr not in NUMBERS_OF_NPY or not fits:
        raise RawDataError(f"{tree.full(name)}: is {descr} {shape}, no depth image")
    if len(data) != shape[0] * shape[1] * np.dtype(descr).itemsize:
        raise RawDataError(f"{tree.full(name)}: has {len(data)} bytes, {descr} {shape}")
    values = np.frombuffer(data, descr).reshape(shape, order="F" if fortran else "C")
    return values.astype(np.float64)


def depth_of(
    tree: Tree, name: str, mm: float = 1.0, none: tuple[float, ...] = ()
) -> Callable[[], np.ndarray]:
    """(h, w) float64 millimetres, when asked for. mm: of a stored unit; none: values that mean
    that nothing was measured, beside 0."""

    def read() -> np.ndarray:
        values = depth_values(tree, name)
        return np.where(np.isin(values, none), 0.0, values) * mm

    return read


def confident(
    depth: Callable[[], np.ndarray],
    levels: Callable[[], np.ndarray] | None,
    least: int | None,
    name: str,
) -> Callable[[], np.ndarray]:
    """The depth where it is at least so sure, else 0. levels: (h, w) of the same size."""
    if least is None or levels is None:
        return depth

    def read() -> np.ndarray:
        values, sure = depth(), levels()
        if sure.shape != values.shape:
            raise RawDataError(f"{name}: confidence of {sure.shape}, depth of {values.shape}")
        return np.where(sure >= least, values, 0.0)

    return read


def _read(tree: Tree, name: str, read: Callable[[bytes], np.ndarray]) -> np.ndarray:
    try:
        return read(tree.read(name, MAX_FILE_BYTES))
    except PictureError as err:
        raise RawDataError(f"{tree.full(name)}: {err}") from err
