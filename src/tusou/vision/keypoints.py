"""Local features of a picture: SIFT points with small descriptors, and their form in storage.

A descriptor is RootSIFT projected on 64 principal axes (half whitened) and rounded to 16 levels,
which `training/train_descriptor_pca.py` chose so that a mirror image only changes signs.
"""

import struct
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tusou.types import Keypoints, Rgb

LIMIT: Final = 400
"""Points kept of a stored picture: 38 bytes each, 16 KiB in all with its sketch."""
SIDE: Final = 512
"""The longer side, in pixels, at which features are looked for."""
ENLARGE: Final = 2.0
"""Small pictures are enlarged at most so many times: beyond it there is nothing new to see."""
CONTRAST: Final = 0.006
"""SIFT's contrast threshold: low, because plain pictures need what they have and `LIMIT` bounds."""
CELLS: Final = 6
"""Rows and columns of the grid whose cells each get a share of the points."""
CELL_WEIGHT: Final = 0.7
"""Below 1 a feature comes earlier by its rank in its cell than by its rank in the picture."""

VERSION: Final = 1
HEADER: Final = struct.Struct("<BIIH")
POINT: Final = np.dtype(
    [("x", "<u2"), ("y", "<u2"), ("scale", "u1"), ("angle", "u1"), ("codes", "u1", (32,))]
)
"""x, y: 65535ths of width and height; scale: 16ths of an octave from 2⁻¹⁴ of the longer side;
angle: 256ths of a turn; codes: 64 levels of 4 bits."""


class Projection(NamedTuple):
    """How 128 numbers become 64, see `training/train_descriptor_pca.py`."""

    mean: NDArray[np.float32]
    basis: NDArray[np.float32]
    steps: NDArray[np.float32]
    """[64] the distance between two levels."""
    parities: NDArray[np.int8]
    """[64] the sign that each component is multiplied by in a mirror image."""


@cache
def projection() -> Projection:
    """Read the bundled projection once."""
    source = resources.files("tusou.vision") / "models" / "descriptor_pca.npz"
    with source.open("rb") as file, np.load(file) as arrays:
        return Projection(**{name: arrays[name] for name in Projection._fields})


def extract(rgb: Rgb, limit: int = LIMIT, side: int = SIDE) -> Keypoints:
    """Find up to `limit` local features; a plain picture gives few or none.

    Descriptors come as storage keeps them, so that nothing changes by `pack` and `unpack`.
    """
    frames, rows = detect(rgb, limit, side)
    return Keypoints(
        points=frames[:, :2],
        scales=frames[:, 2],
        angles=frames[:, 3],
        descriptors=_levels_to_vectors(_levels(_project(rows))),
        size=(rgb.shape[1], rgb.shape[0]),
    )


def detect(
    rgb: Rgb, limit: int = LIMIT, side: int = SIDE
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find features where the longer side has `side` pixels, strongest first.

    Returns:
        Frames [N × 4]: x, y, scale in pixels of `rgb`, angle in radians, clockwise;
        RootSIFT descriptors [N × 128] of unit length.
    """
    height, width = rgb.shape[:2]
    factor = min(side / max(height, width), ENLARGE)
    shape = (max(round(width * factor), 1), max(round(height * factor), 1))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    gray = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), shape, interpolation=method)
    sift = cv2.SIFT.create(contrastThreshold=CONTRAST, enable_precise_upscale=True)
    found = sift.detect(gray)
    if not found:
        return np.empty((0, 4), np.float32), np.empty((0, 128), np.float32)
    # Thousands are found: what only those that are kept need is asked of them alone.
    points = np.asarray(cv2.KeyPoint.convert(found), np.float32)
    strengths = np.array([point.response * point.size for point in found], np.float32)
    kept = [found[index] for index in _choose(points, strengths, shape)[:limit]]
    _, rows = sift.compute(gray, kept)
    frames = np.array([(*point.pt, point.size, point.angle) for point in kept], np.float32)
    frames[:, 0] = (frames[:, 0] + 0.5) * (width / shape[0]) - 0.5
    frames[:, 1] = (frames[:, 1] + 0.5) * (height / shape[1]) - 0.5
    frames[:, 2] /= factor
    frames[:, 3] = np.radians(frames[:, 3])
    sums = rows.sum(axis=1, keepdims=True)
    return frames, np.sqrt(rows / np.maximum(sums, 1e-9)).astype(np.float32)


def _choose(
    points: NDArray[np.float32], strengths: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.intp]:
    """Order features so that the first of them are strong, large and from all over the picture.

    A strength is the response by the size.

    Large ones survive a reduction or a blur, which fine ones, whose contrast is often higher, do
    not; a small crop needs some from each place.
    """
    order = np.argsort(-strengths, kind="stable")
    columns, rows = (points[order] / shape * CELLS).astype(np.intp).clip(0, CELLS - 1).T
    cells = rows * CELLS + columns
    grouped = np.argsort(cells, kind="stable")
    ranks = np.empty(len(order), np.intp)
    ranks[grouped] = np.arange(len(order)) - np.searchsorted(cells[grouped], cells[grouped])
    turns = np.minimum(np.arange(len(order)), ranks * CELLS**2 * CELL_WEIGHT)
    return order[np.argsort(turns, kind="stable")]


def mirrored(keypoints: Keypoints) -> Keypoints:
    """Give the features of the left-right mirror image, without looking at it."""
    flip = np.array([-1, 1], np.float32)
    return replace(
        keypoints,
        points=keypoints.points * flip + np.array([keypoints.size[0] - 1, 0], np.float32),
        angles=(np.pi - keypoints.angles) % np.float32(2 * np.pi),
        descriptors=keypoints.descriptors * projection().parities,
    )


def pack(keypoints: Keypoints) -> bytes:
    """Write the storage form: a header, then 38 bytes a point."""
    width, height = keypoints.size
    turns = keypoints.angles / (2 * np.pi)
    octaves = np.log2(np.maximum(keypoints.scales, 1e-6) / max(width, height))
    levels = _levels(keypoints.descriptors)
    table = np.empty(len(keypoints), POINT)
    table["x"] = _round((keypoints.points[:, 0] + 0.5) / width * 65535, 65535)
    table["y"] = _round((keypoints.points[:, 1] + 0.5) / height * 65535, 65535)
    table["scale"] = _round((octaves + 14) * 16, 255)
    table["angle"] = np.round(turns * 256).astype(np.int64) % 256
    table["codes"] = levels[:, ::2] << 4 | levels[:, 1::2]
    return HEADER.pack(VERSION, width, height, len(table)) + table.tobytes()


def unpack(data: bytes) -> Keypoints:
    """Read what `pack` wrote.

    Raises:
        ValueError: another version, or the length does not fit.
    """
    if data[:1] != bytes([VERSION]) or len(data) < HEADER.size:
        raise ValueError(f"not keypoints of version {VERSION}")
    _, width, height, count = HEADER.unpack_from(data)
    if len(data) != HEADER.size + count * POINT.itemsize:
        raise ValueError(f"{len(data)} bytes are not {count} keypoints")
    table = np.frombuffer(data, POINT, count, HEADER.size)
    extent = np.array([width, height], np.float32)
    shares = np.stack([table["x"], table["y"]], axis=1).astype(np.float32) / 65535
    codes = np.ascontiguousarray(table["codes"])
    levels = np.empty((count, 64), np.uint8)
    levels[:, ::2], levels[:, 1::2] = codes >> 4, codes & 15
    return Keypoints(
        points=np.asarray(shares * extent - 0.5, np.float32),
        scales=np.exp2(table["scale"] / np.float32(16) - 14) * np.float32(max(width, height)),
        angles=table["angle"] * np.float32(2 * np.pi / 256),
        descriptors=_levels_to_vectors(levels),
        size=(width, height),
    )


def _project(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    mean, basis, _, _ = projection()
    return np.asarray((rows - mean) @ basis, np.float32)


def _levels(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round to levels 0–15; they lie at odd halves, so that a mirror image is exact."""
    return _round(vectors / projection().steps + np.float32(7.5), 15).astype(np.uint8)


def _levels_to_vectors(levels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (levels - np.float32(7.5)) * projection().steps


def _round(values: NDArray[Any], top: int) -> NDArray[Any]:
    return np.clip(np.round(values), 0, top)
