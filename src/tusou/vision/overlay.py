"""A drawing of two pictures side by side, and of what they have in common."""

import cv2
import numpy as np
from numpy.typing import NDArray

from tusou.types import Match, Rgb

_HEIGHT = 480
"""Pixels of each picture."""
_WIDEST = 1600
_GAP = 16
_MOST_LINES = 80
"""More would hide the pictures."""
_PAPER = 255
_OUTLINE = (230, 60, 20)
_SHADOW = (255, 255, 255)

_Points = NDArray[np.float64]


def draw(query: Rgb, stored: Rgb, match: Match | None) -> bytes:
    """Draw the query left and the stored picture right, as a PNG file.

    The outline of each lies on the other, where it is in sight, and lines join the points that
    agree.
    """
    left, left_scale = _fitted(query)
    right, right_scale = _fitted(stored)
    height = max(left.shape[0], right.shape[0])
    canvas = np.full((height, left.shape[1] + _GAP + right.shape[1], 3), _PAPER, np.uint8)
    canvas[: left.shape[0], : left.shape[1]] = left
    begin = left.shape[1] + _GAP
    canvas[: right.shape[0], begin:] = right
    if match is not None:
        own = match.query_points.astype(np.float64) * left_scale
        others = match.stored_points.astype(np.float64) * right_scale + (begin, 0)
        _draw_lines(canvas, own, others)
        back = np.asarray(np.linalg.inv(match.homography), np.float64)
        _draw_outline(canvas[:, begin:], query, match.homography, right_scale)
        _draw_outline(canvas[:, : left.shape[1]], stored, back, left_scale)
    _, file = cv2.imencode(".png", cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))
    return file.tobytes()


def _fitted(picture: Rgb) -> tuple[Rgb, float]:
    """A picture at the height of the drawing, and its scale."""
    height, width = picture.shape[:2]
    scale = min(_HEIGHT / height, _WIDEST / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.uint8), scale


def _outline(picture: Rgb, homography: _Points) -> _Points | None:
    """The corners of a picture [4 × 2] on the other; None where they have no place there."""
    height, width = picture.shape[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64)
    placed = corners @ homography.T
    # Beyond the horizon of the homography.
    return None if (placed[:, 2] <= 1e-6).any() else placed[:, :2] / placed[:, 2:]


def _draw_lines(canvas: Rgb, own: _Points, others: _Points) -> None:
    chosen = np.unique(np.linspace(0, len(own) - 1, min(len(own), _MOST_LINES)).astype(int))
    for number, place in enumerate(chosen):
        colour = _colour(number / max(1, len(chosen)))
        ends = [tuple(map(round, point[place])) for point in (own, others)]
        cv2.line(canvas, ends[0], ends[1], colour, 1, cv2.LINE_AA)
        for end in ends:
            cv2.circle(canvas, end, 3, colour, -1, cv2.LINE_AA)


def _draw_outline(canvas: Rgb, picture: Rgb, homography: _Points, scale: float) -> None:
    """Draw where a picture lies on the other, which is shown in a part of the canvas."""
    corners = _outline(picture, homography)
    if corners is None:
        return
    limit = 4.0 * max(canvas.shape)  # OpenCV's coordinates end somewhere
    line = np.clip(corners * scale, -limit, limit).round().astype(np.int32)[None]
    cv2.polylines(canvas, [line], True, _SHADOW, 5, cv2.LINE_AA)
    cv2.polylines(canvas, [line], True, _OUTLINE, 3, cv2.LINE_AA)


def _colour(share: float) -> tuple[int, int, int]:
    """One of a circle of light colours."""
    hue = np.array([[[round(179 * share), 190, 240]]], np.uint8)
    red, green, blue = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue
