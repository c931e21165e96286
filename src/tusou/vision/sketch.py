"""Sketches: whole pictures at a glance, for those too plain or too small to have keypoints.

Two sketches agree if their fine structure does, in one of the eight positions of a sheet of paper,
and their colours. What is left out is coarse light and shade, which a thousand pictures share.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from tusou.types import Keypoints, Match, Rgb, Sketch
from tusou.vision.embed import resize

SIDE: Final = 32
"""Pixels of the sketch each way."""
TINTS: Final = 4
"""Fields of colour each way."""
COARSE: Final = 1.5
"""Standard deviation in pixels of the blur that is taken for light and shade."""
FLOOR: Final = 0.25
"""Grey levels (root mean square) of fine structure that noise and rounding make."""
BLANK: Final = 0.75
"""Grey levels of fine structure below which a sketch does not even match itself."""
FEW: Final = 100
"""A picture of fewer keypoints is plain, ..."""
SMALL: Final = 100
"""... one whose shorter side is below so many pixels is small: only these need sketches."""
TINGE: Final = 8.0
"""Levels by which the colours of the fields may differ on average."""
EVEN: Final = 0.9
"""Correlation of fine structure at which a match is as likely as not. Of 16 million pairs of
different pool pictures 120 match by it, 22 of them fashion, most others one texture in two
versions; of 200 pictures reduced to a quarter of their size 92 % match the original."""
_GREY: Final = np.array([0.299, 0.587, 0.114], np.float32)


def draw(rgb: Rgb) -> Sketch:
    """Sketch a picture [H × W × 3]."""
    small = resize(rgb, SIDE, SIDE).astype(np.float32)
    grey = small @ _GREY
    fields = cv2.resize(small - grey[:, :, None], (TINTS, TINTS), interpolation=cv2.INTER_AREA)
    return Sketch(
        np.round(grey).astype(np.uint8),
        np.asarray(np.round(np.asarray(fields) / 2), np.int8),
    )


def is_blank(sketch: Sketch) -> bool:
    """Tell whether there is too little to compare."""
    return float(np.sqrt((_fine(sketch) ** 2).mean())) < BLANK


def pack(sketch: Sketch) -> bytes:
    """Write the storage form, 1,072 bytes."""
    return sketch.grey.tobytes() + sketch.tints.tobytes()


def unpack(data: bytes) -> Sketch:
    """Read what `pack` wrote.

    Raises:
        ValueError: the length does not fit.
    """
    grey = np.frombuffer(data, np.uint8, SIDE**2)
    tints = np.frombuffer(data, np.int8, offset=SIDE**2)
    return Sketch(grey.reshape(SIDE, SIDE), tints.reshape(TINTS, TINTS, 3))


def are_needed(one: Keypoints, other: Keypoints) -> bool:
    """Tell whether keypoints may fail these pictures: one of them is plain or small."""
    return min(len(one), len(other)) < FEW or min(*one.size, *other.size) < SMALL


def match(
    query: Sketch, stored: Sketch, query_size: tuple[int, int], stored_size: tuple[int, int]
) -> Match | None:
    """Compare two whole pictures; None where it is less likely than not that they are the same.

    Args:
        query: one.
        stored: the other.
        query_size: width and height in pixels, for the match's homography.
        stored_size: likewise.
    """
    fine, own = _fine(stored), _fine(query)
    lengths = [np.hypot(np.linalg.norm(each), FLOOR * SIDE) for each in (fine, own)]
    likeness = [float((_turned(own, position) * fine).sum()) for position in range(8)]
    position = int(np.argmax(likeness))
    correlation = float(likeness[position] / (lengths[0] * lengths[1]))
    tints = _turned(query.tints.astype(np.float32), position) - stored.tints
    if correlation < EVEN or 2 * np.abs(tints).mean() > TINGE:
        return None
    none = np.empty((0, 2), np.float32)
    plane = _plane(position, query_size, stored_size)
    return Match(plane, none, none, 1.0, 1.0, position >= 4, _score(correlation))


def _score(correlation: float) -> float:
    odds = ((1 - EVEN) / max(1 - correlation, 1e-6)) ** 2
    return round(odds / (1 + odds), 6)


def _fine(sketch: Sketch) -> NDArray[np.float32]:
    grey = sketch.grey.astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), COARSE, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(fine - fine.mean(), np.float32)


def _turned(field: NDArray[np.float32], position: int) -> NDArray[np.float32]:
    """Turn a square field by quarters, anticlockwise; from position 4 on in the mirror before."""
    return np.rot90(field[:, ::-1] if position >= 4 else field, position % 4)


def _plane(position: int, query: tuple[int, int], stored: tuple[int, int]) -> NDArray[np.float64]:
    """The homography from the query's pixels to the stored picture's, edge to edge."""
    quarter = np.array([[0, 1, 0], [-1, 0, 1], [0, 0, 1]], np.float64)
    flip = np.array([[-1, 0, 1], [0, 1, 0], [0, 0, 1]], np.float64)
    turn = np.linalg.matrix_power(quarter, position % 4) @ (flip if position >= 4 else np.eye(3))
    return np.asarray(_pixels(stored) @ turn @ np.linalg.inv(_pixels(query)))


def _pixels(size: tuple[int, int]) -> NDArray[np.float64]:
    """From shares of width and height to pixels, whose middles are whole numbers."""
    width, height = size
    return np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1]], np.float64)
