"""Whether two pictures agree once the one is laid on the other, place by place.

Keypoints tell that two pictures have a frame, a pose, a pattern in common; goods photographed alike
have that, too. What the pictures show between the points tells a copy from those: all of it agrees,
but for what was written or stuck over it.
"""

from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tusou.types import Rgb

Floats = NDArray[np.float32]
Plane = NDArray[np.float64]
"""[3 × 3] a homography."""
Mask = NDArray[np.bool_]

SIDE: Final = 96
"""Pixels of the longer side of the picture that the other is laid on."""
SMALLEST: Final = 24
"""Fewer pixels of the longer side show nothing."""
WINDOW: Final = 3.0
"""Standard deviation in pixels of the window within which structure is compared."""
NOISE: Final = 4.0
"""Variance of grey that is taken for noise."""
STRUCTURE: Final = 25.0
"""Variance of grey from which there is something to compare."""
LEVELS: Final = 24.0
"""By how many levels a colour may differ, light and shade aside."""
LEAST: Final = 20
"""Fewer pixels in common say nothing."""
GRAIN: Final = 0.7
"""Standard deviation in pixels of the blur before pictures are compared point by point."""
CLEAR: Final = 0.5
"""By how many standard deviations of the picture a point must differ: what is clear in a dark
picture is lost in a vivid one, ..."""
FAINT: Final = 6.0
PLAIN: Final = 16.0
"""... but by these many levels at least and at most."""
_GREY: Final = np.array([0.299, 0.587, 0.114], np.float32)
_FITS: Final = 4
_STEPS: Final = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 1e-4)


class Agreement(NamedTuple):
    """How well two pictures agree where they overlap."""

    structure: float
    """Mean correlation of grey within windows that show anything, up to 1."""
    edges: float
    """The same, each window counting by how much it shows."""
    colour: float
    """Share of the area in which colours are the same, 0–1."""
    corners: float
    """The same, each place counting by how much structure both ways is there. By a homography that
    was fitted to it, a frame agrees along all its edges, and plain ground with any other, whatever
    the pictures show; neither counts here."""
    differing: float
    """Share of the area in which the one shows what the other does not, 0–1: not by a shift of a
    pixel, nor by another light on the whole."""
    contrast: float
    """By how many levels it differs there, 0–255: the median."""


def agreement(
    one: Rgb,
    other: Rgb,
    plane: Plane,
    one_size: tuple[int, int],
    other_size: tuple[int, int],
) -> Agreement | None:
    """Lay a picture on another that it contains, and compare; None where too little is in common.

    Args:
        one: The picture that shows more, in any resolution.
        other: The picture that is contained in it; likewise.
        plane: The homography from pixels of `one` to those of `other`, in their full sizes.
        one_size: Full width and height in pixels.
        other_size: Likewise.
    """
    ground = _shrunk(other, SIDE / max(other.shape[:2]))
    top, enlarged = _matched(one, ground, plane, one_size, other_size)
    if enlarged > 1:  # compared at what the coarser of the two can show
        ground = _shrunk(ground, max(1 / enlarged, SMALLEST / max(ground.shape[:2])))
    plane = _scaling(ground, other_size) @ plane @ np.linalg.inv(_scaling(top, one_size))
    laid, mask = _refined(top, ground, plane)
    mask = cv2.erode(np.pad(mask.astype(np.uint8), 1), np.ones((3, 3), np.uint8))[1:-1, 1:-1] > 0
    return _compare(laid.astype(np.float32), ground.astype(np.float32), mask)


def _compare(laid: Floats, ground: Floats, mask: Mask) -> Agreement | None:
    if mask.sum() < LEAST:
        return None
    share = mask.astype(np.float32)
    weight = np.maximum(_blurred(share), 1e-3)

    def mean(field: Floats) -> Floats:
        return np.asarray(_blurred(field * share) / weight, np.float32)

    one, other = laid @ _GREY, ground @ _GREY
    light, shade = mean(one), mean(other)
    first = np.maximum(mean(one * one) - light * light, 0)
    second = np.maximum(mean(other * other) - shade * shade, 0)
    common = mean(one * other) - light * shade
    correlation = common / np.sqrt((first + NOISE) * (second + NOISE))
    contrast = np.maximum(first, second)
    shown = mask & (contrast > STRUCTURE)
    if shown.sum() < LEAST:
        shown = mask
    counting = np.sqrt(contrast[mask]) + 1e-6
    both_ways = np.maximum(_corners(one, mask, weight), _corners(other, mask, weight))[mask] + 1e-6
    differences = np.abs(laid - (light - shade)[..., None] - ground).max(axis=2)
    alike = differences[mask] < LEVELS
    differing, levels = _differing(laid, ground, mask)
    return Agreement(
        structure=float(correlation[shown].mean()),
        edges=float((correlation[mask] * counting).sum() / counting.sum()),
        colour=float(alike.mean()),
        corners=float((alike * both_ways).sum() / both_ways.sum()),
        differing=differing,
        contrast=levels,
    )


def _differing(laid: Floats, ground: Floats, mask: Mask) -> tuple[float, float]:
    """How much of the common area differs, and by how many levels."""
    one, other = (
        np.asarray(cv2.GaussianBlur(each, (0, 0), GRAIN), np.float32) for each in (laid, ground)
    )
    one = _in_light_of(other, one, mask)
    apart = np.minimum(_beyond(one, other), _beyond(other, one))[mask]
    spread = float(other[mask].std(axis=0).mean())
    clear = apart > min(max(CLEAR * spread, FAINT), PLAIN)
    if not clear.any():
        return 0.0, 0.0
    levels = np.abs(one - other).max(axis=2)[mask]
    return float(clear.mean()), float(np.median(levels[clear]))


def _in_light_of(other: Floats, one: Floats, mask: Mask) -> Floats:
    """Change each channel's brightness and contrast so that most of two pictures is equal.

    What differs has no say: it is left out, and the change is found anew.
    """
    equal, lit = mask, one
    for _ in range(_FITS):
        source, target = one[equal], other[equal]
        middle, aim = source.mean(axis=0), target.mean(axis=0)
        common = ((source - middle) * (target - aim)).mean(axis=0)
        gain = (common + NOISE) / (source.var(axis=0) + NOISE)
        lit = np.asarray((one - middle) * np.clip(gain, 0.5, 2) + aim, np.float32)
        apart = np.abs(lit - other).max(axis=2)
        equal = mask & (apart < max(LEVELS / 2, 2 * float(np.median(apart[mask]))))
        if equal.sum() < LEAST:
            break
    return lit


def _beyond(one: Floats, other: Floats) -> Floats:
    """By how many levels the one is beyond all that the other has within a pixel."""
    near = np.ones((3, 3), np.uint8)
    above, below = one - cv2.dilate(other, near), cv2.erode(other, near) - one
    return np.asarray(np.maximum(np.maximum(above, below), 0).max(axis=2), np.float32)


def _corners(grey: Floats, mask: Mask, weight: Floats) -> Floats:
    """How much grey varies in the direction in which it varies least: not at all along an edge."""
    across, down = (
        cv2.Sobel(grey, cv2.CV_32F, x, y, ksize=3, scale=1 / 8) for x, y in ((1, 0), (0, 1))
    )
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
    xx, yy, xy = (
        _blurred(np.asarray(product * inside, np.float32)) / weight
        for product in (across * across, down * down, across * down)
    )
    # the root of the smaller eigenvalue of the structure tensor
    least = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy * xy)
    return np.asarray(np.sqrt(np.maximum(least, 0)), np.float32)


def _matched(
    one: Rgb, ground: Rgb, plane: Plane, one_size: tuple[int, int], other_size: tuple[int, int]
) -> tuple[Rgb, float]:
    """Bring `one` to the scale of the ground; also how much it would have to be enlarged."""
    whole = _scaling(ground, other_size) @ plane @ np.linalg.inv(_scaling(one, one_size))
    height, width = ground.shape[:2]
    middle = np.linalg.inv(whole) @ np.array([width / 2, height / 2, 1])
    x, y = middle[:2] / middle[2]
    corner, right, below = _move(np.array([[x, y], [x + 1, y], [x, y + 1]]), whole)
    edges = np.array([right - corner, below - corner])
    factor = float(np.sqrt(abs(np.linalg.det(edges))))
    return _shrunk(one, factor), factor


def _refined(top: Rgb, ground: Rgb, plane: Plane) -> tuple[Rgb, Mask]:
    """Lay `top` on the ground by a homography, or by a better one that is found near it."""
    laid, mask = _lay(top, ground, plane)
    grounds, tops = _grey(ground), _grey(top)
    try:
        _, back = cv2.findTransformECC(
            grounds,
            tops,
            np.linalg.inv(plane).astype(np.float32),
            cv2.MOTION_HOMOGRAPHY,
            _STEPS,
            np.ones(tops.shape, np.uint8),
            3,
        )
        again, shown = _lay(top, ground, np.linalg.inv(np.asarray(back, np.float64)))
    except (cv2.error, np.linalg.LinAlgError):  # it does not converge where there is no structure
        return laid, mask
    better = _likeness(again, ground, shown) > _likeness(laid, ground, mask)
    return (again, shown) if shown.sum() > 0.9 * mask.sum() and better else (laid, mask)


def _likeness(laid: Rgb, ground: Rgb, mask: Mask) -> float:
    if mask.sum() < LEAST:
        return -1.0
    one, other = (_grey(each)[mask].astype(np.float64) for each in (laid, ground))
    one, other = one - one.mean(), other - other.mean()
    return float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-9))


def _lay(top: Rgb, ground: Rgb, plane: Plane) -> tuple[Rgb, Mask]:
    """The picture as it lies on the ground, and where it covers it."""
    size = (ground.shape[1], ground.shape[0])
    cover = cv2.warpPerspective(np.ones(top.shape[:2], np.float32), plane, size)
    laid = cv2.warpPerspective(top, plane, size, flags=cv2.INTER_LINEAR)
    return np.asarray(laid, np.uint8), np.asarray(cover) > 0.99


def _shrunk(rgb: Rgb, factor: float) -> Rgb:
    if factor >= 1:
        return rgb
    height, width = (max(8, round(side * factor)) for side in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _scaling(rgb: Rgb, size: tuple[int, int]) -> Plane:
    """From pixels of the full size to those of a smaller one; middles are whole numbers."""
    x, y = rgb.shape[1] / size[0], rgb.shape[0] / size[1]
    return np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5], [0, 0, 1]])


def _move(points: Plane, plane: Plane) -> Plane:
    return np.asarray(cv2.perspectiveTransform(points[None], plane)[0])


def _grey(rgb: Rgb) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _blurred(field: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(field, (0, 0), WINDOW), np.float32)
