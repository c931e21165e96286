"""Whether two pictures show the same: one homography that explains enough of their keypoints.

    candidates  mutual nearest descriptors
    agreement   each proposes a similarity, by its two frames; the one that most others agree with
    homography  MAGSAC on those that agree
    support     all points matched anew where the homography puts them: how many, and what share of
                those that could have been confirmed

Support is what tells a picture from its near-twins: a stranger that happens to share a logo, a face
or a frame confirms few of the points that lie in the common area.
"""

from collections.abc import Iterable
from concurrent.futures import Executor
from functools import partial
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tusou.types import Keypoints, Match
from tusou.vision.keypoints import mirrored

Floats = NDArray[np.float32]
Plane = NDArray[np.float64]
"""[3 × 3] a homography."""
Pairs = NDArray[np.intp]
"""[K × 2] indices of a point of the query and one of the stored picture."""

SIDE: Final = 640.0
"""Pictures are compared as if their longer side had so many pixels; lengths below are in these."""
LEAST: Final = 5
"""Fewer points than these fit some homography by chance."""
CANDIDATES: Final = 200
"""Matches looked at, the most distinctive first; bounds the cost of agreement."""
TURN: Final = np.cos(np.pi / 6)
"""Cosine of the most that the direction of a point may be off."""
OCTAVES: Final = 0.8
"""The most that the scale of a point may be off."""
NEAR: Final = 12.0
SLOPE: Final = 0.15
"""A point agrees with a similarity within NEAR + SLOPE × its distance from the proposing point:
frames are coarse, and a photo is bent and seen at an angle."""
INLIER: Final = 5.0
"""How far from its place under the homography a point may be."""
ALIKE: Final = 1.1
"""Squared distance of descriptors up to which points at the right place are the same."""
ROUNDS: Final = 2
"""Homography and confirmation in turn: the second fit has the points that the first confirmed."""
LARGEST: Final = 25.0
"""The most that a picture is enlarged or reduced."""
FLATTEST: Final = 0.2
"""Smallest ratio of the depths of the corners: a photo taken more obliquely shows nothing."""

EVEN: Final = 0.27
"""Points × support² at which a match is as likely as not. The form is that of a logistic fit to
2,125 copies (crop, rotation, reduction, blur, photo …) of 100 pool pictures and to 122 chance
matches among 15,000 pairs of other pictures, most pairs of one kind, weighted 10 : 1. The fit's own
.18 is raised so that the best pair of strangers stays out."""
EVEN_FOR_PAGES: Final = 0.05
"""The same for a photo, with hands and glare, of a page that is expected to be there: less of it
can be confirmed, and pages resemble each other less than goods in a shop window do
(`benchmarks/page_photos.py`)."""
ENOUGH: Final = 30
"""Fewer points than these count less where one picture is a small part of the other: whatever came
back in 10,000 searches for pictures that were not there (`benchmarks/strangers.py`) had 4 to 15,
in a corner or in lettering, and showed less than a quarter of one of the two."""
VERIFIED: Final = 0.5
CERTAIN: Final = 0.99
"""At a higher score nobody looks whether the mirror image fits better."""


class Frames(NamedTuple):
    """Keypoints at the size of comparison."""

    points: Floats
    scales: Floats
    angles: Floats
    extent: Floats
    """[2] width and height."""
    pixels: Plane
    """From pixels of the picture to these coordinates."""


class Side(NamedTuple):
    """A query as it is compared: upright or in the mirror."""

    query: Keypoints
    frames: Frames
    factors: Floats
    mirror: bool


class Transfer(NamedTuple):
    """Points as a homography puts them; not a number where it puts them behind the camera."""

    points: Floats
    scales: Floats
    """[N] how much the homography enlarges there."""
    angles: Floats
    """[N] how far it turns there."""


def verify_many(
    query: Keypoints,
    stored: Iterable[Keypoints],
    executor: Executor | None = None,
    even: float = EVEN,
) -> list[Match | None]:
    """`verify` a picture against many, in the executor's threads if there is one."""
    run = map if executor is None else executor.map
    return list(run(partial(_verify, _sides(query), even=even), stored))


def verify(query: Keypoints, stored: Keypoints, even: float = EVEN) -> Match | None:
    """Compare two pictures; None where it is less likely than not that they show the same.

    Mirror images are found too; a picture that is like its own mirror image counts as upright.

    Args:
        query: one.
        stored: the other.
        even: see `score`.
    """
    return _verify(_sides(query), stored, even)


def score(points: int, support: float, overlap: float = 1.0, even: float = EVEN) -> float:
    """The probability that two pictures are the same.

    Args:
        points: how many confirmed pairs are also each other's nearest among all points; in a dense
            or repeated pattern most places have something alike, but rarely the most alike.
        support: the share of those that could be which were, 0–1.
        overlap: the share of the one picture that the other shows, or of the other, if smaller.
        even: points × support² at which it is as likely as not, if there are `ENOUGH`.

    ======  =======  =======  =====
    points  support  overlap  score
    ======  =======  =======  =====
    400     1.00     1.00     1.000  the identical picture
    140     .35      .40      1.000  an easy photo of a page
    25      .50      .10      .997   a crop to a tenth of the area
    20      .20      1.00     .898
    20      .20      .10      .722
    28      .143     .10      .785   two covers with the same logo
    15      .211     .09      .433   the best of 10,000 searches for what is not there
    ======  =======  =======  =====
    """
    weight = max(min(points / ENOUGH, 1) ** 1.5, overlap)
    odds = (points * support**2 * weight / even) ** 2
    return float(round(odds / (1 + odds), 6))


def _sides(query: Keypoints) -> tuple[Side, Side]:
    """Prepare the query as it is and as in the mirror."""
    flipped = mirrored(query)
    return (
        Side(query, _frames(query), _factors(query.descriptors), mirror=False),
        Side(query, _frames(flipped, mirror=True), _factors(flipped.descriptors), mirror=True),
    )


def _verify(sides: tuple[Side, Side], stored: Keypoints, even: float) -> Match | None:
    if min(len(sides[0].query), len(stored)) < LEAST:
        return None
    target, factors = _frames(stored), _cofactors(stored.descriptors)
    matches = list[Match]()
    for side in sides:
        match = _compare(side, stored, target, side.factors @ factors, even)
        if match is not None:
            matches.append(match)
            if match.score > CERTAIN:
                break
    return max(matches, key=lambda match: match.score, default=None)


def _compare(
    side: Side, stored: Keypoints, target: Frames, distances: Floats, even: float
) -> Match | None:
    source, query = side.frames, side.query
    np.maximum(distances, 1e-6, out=distances)
    mutual = _mutual(distances)
    pairs = _agreeing(source, target, mutual[:CANDIDATES])
    plane = None
    for _ in range(ROUNDS):
        plane = _homography(source, target, pairs)
        if plane is None:
            return None
        pairs = _confirmed(source, target, plane, distances)
    if plane is None or len(pairs) < LEAST:
        return None
    points = len(set(map(tuple, pairs.tolist())) & set(map(tuple, mutual.tolist())))
    shares = _overlap(plane, source.extent, target.extent)
    probability = score(points, _support(source, target, plane, pairs), min(shares), even)
    if probability < VERIFIED:
        return None
    whole = _inverse(target.pixels) @ plane @ source.pixels
    return Match(
        homography=whole / whole[2, 2],
        query_points=query.points[pairs[:, 0]],
        stored_points=stored.points[pairs[:, 1]],
        query_overlap=shares[0],
        stored_overlap=shares[1],
        mirrored=side.mirror,
        score=probability,
    )


def _frames(keypoints: Keypoints, mirror: bool = False) -> Frames:
    width, height = keypoints.size
    factor = SIDE / max(width, height)
    # The middle of the first pixel is (0, 0) in pixels and (.5, .5) × factor here.
    pixels = np.array([[factor, 0, factor / 2], [0, factor, factor / 2], [0, 0, 1]])
    if mirror:
        pixels = pixels @ np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]])
    return Frames(
        points=(keypoints.points + np.float32(0.5)) * np.float32(factor),
        scales=keypoints.scales * np.float32(factor),
        angles=keypoints.angles,
        extent=np.array([width, height], np.float32) * np.float32(factor),
        pixels=pixels,
    )


def _factors(descriptors: Floats) -> Floats:
    """Rows [N × 66] whose products with `_cofactors` are squared distances of descriptors."""
    squares = (descriptors * descriptors).sum(axis=1, keepdims=True)
    return np.hstack([-2 * descriptors, squares, np.ones_like(squares)])


def _cofactors(descriptors: Floats) -> Floats:
    """Columns [66 × M], see `_factors`."""
    squares = (descriptors * descriptors).sum(axis=1, keepdims=True)
    return np.hstack([descriptors, np.ones_like(squares), squares]).T


def _mutual(distances: Floats) -> Pairs:
    """Mutual nearest neighbours, those much nearer than the second nearest first."""
    nearest = distances.argmin(axis=1)
    # Least values of columns come much faster than their places, which only few columns need.
    least = distances[np.arange(len(nearest)), nearest]
    likely = np.flatnonzero(distances.min(axis=0)[nearest] == least)
    rows = likely[distances[:, nearest[likely]].argmin(axis=0) == likely]
    columns, lines = nearest[rows], np.arange(len(rows))
    others = distances[rows]
    firsts = others[lines, columns]
    others[lines, columns] = np.inf
    best = np.argsort(firsts / others.min(axis=1), kind="stable")
    return np.stack([rows[best], columns[best]], axis=1)


def _agreeing(source: Frames, target: Frames, pairs: Pairs) -> Pairs:
    """The largest set of pairs that agree with the similarity that one of them proposes.

    Every pair is tried, so that chance plays no part and few true pairs among many are enough.
    """
    one, other = pairs.T
    octaves = np.log2(target.scales[other] / source.scales[one])
    turns = target.angles[other] - source.angles[one]
    factors = np.exp2(octaves)[:, None]
    cos, sin = factors * np.cos(turns)[:, None], factors * np.sin(turns)[:, None]
    x, y = source.points[one].T
    u, v = target.points[other].T
    x, y, u, v = (axis - axis[:, None] for axis in (x, y, u, v))
    dx, dy = cos * x - sin * y - u, sin * x + cos * y - v
    allowed = NEAR + SLOPE * factors * np.sqrt(x * x + y * y)  # `hypot` takes five times as long
    agree = (
        (dx * dx + dy * dy < allowed * allowed)
        & (np.abs(octaves - octaves[:, None]) < OCTAVES)
        & (np.cos(turns - turns[:, None]) > TURN)
    )
    most = agree.sum(axis=1).argmax()
    return np.asarray(pairs[agree[most]])


def _homography(source: Frames, target: Frames, pairs: Pairs) -> Plane | None:
    if len(pairs) < LEAST:
        return None
    # USAC draws its samples from a generator with a fixed seed: equal input gives equal output.
    plane, _ = cv2.findHomography(
        source.points[pairs[:, 0]],
        target.points[pairs[:, 1]],
        cv2.USAC_MAGSAC,
        INLIER,
        maxIters=1000,
        confidence=0.999,
    )
    found = np.asarray(plane, np.float64)  # of no shape where OpenCV gives None
    return found if found.shape == (3, 3) and _is_sane(found, source.extent) else None


def _is_sane(plane: Plane, extent: Floats) -> bool:
    """Tell whether the picture is a convex quadrilateral of possible size, the right way up."""
    corners = _corners(extent)
    depths = corners @ plane[2, :2] + plane[2, 2]
    if not depths.min() > FLATTEST * depths.max():
        return False
    edges = np.diff(_move(corners, plane), axis=0, append=_move(corners[:1], plane))
    x, y = edges.T
    bends = x * np.roll(y, -1) - y * np.roll(x, -1)
    enlargement = np.sqrt(bends.mean() / extent.prod()) if bends.min() > 0 else 0.0
    return bool(1 / LARGEST < enlargement < LARGEST)


def _confirmed(source: Frames, target: Frames, plane: Plane, distances: Floats) -> Pairs:
    """Match all points anew, near where the homography puts them; each at most once."""
    one, other = np.nonzero(distances < ALIKE)
    moved = _transfer(plane, source)
    errors = np.hypot(*(moved.points[one] - target.points[other]).T)
    octaves = np.log2(target.scales[other] / (moved.scales * source.scales)[one])
    allowed = (
        (errors < INLIER * np.maximum(moved.scales, 1)[one])
        & (np.abs(octaves) < OCTAVES)
        & (np.cos(target.angles[other] - (moved.angles + source.angles)[one]) > TURN)
    )
    one, other = one[allowed], other[allowed]
    order = np.argsort(distances[one, other], kind="stable")
    one, other = one[order], other[order]
    firsts = np.intersect1d(
        np.unique(one, return_index=True)[1], np.unique(other, return_index=True)[1]
    )
    return np.stack([one[firsts], other[firsts]], axis=1)


def _support(source: Frames, target: Frames, plane: Plane, pairs: Pairs) -> float:
    """The share of the points in the common area, in the picture with fewer, that `pairs` has."""
    seen = _transfer(plane, source).points
    sees = _transfer(_inverse(plane), target).points
    common = min(_count_within(seen, target.extent), _count_within(sees, source.extent))
    return min(len(pairs) / max(common, 1), 1.0)


def _count_within(points: Floats, extent: Floats) -> int:
    return int(((points >= 0) & (points <= extent)).all(axis=1).sum())


def _transfer(plane: Plane, frames: Frames) -> Transfer:
    depths = frames.points @ plane[2, :2] + plane[2, 2]
    depths = np.where(depths > 1e-6, depths, np.nan)[:, None]
    moved = (frames.points @ plane[:2, :2].T + plane[:2, 2]) / depths
    jacobians = (plane[:2, :2] - moved[:, :, None] * plane[2, :2]) / depths[:, :, None]
    (a, b), (c, d) = jacobians.transpose(1, 2, 0)
    return Transfer(
        moved.astype(np.float32),
        np.sqrt(np.abs(a * d - b * c)).astype(np.float32),
        np.arctan2(c - b, a + d).astype(np.float32),
    )


def _overlap(plane: Plane, source: Floats, target: Floats) -> tuple[float, float]:
    """The shares of the query's and of the stored picture's area that the other shows, 0–1."""
    seen = _move(_corners(source), plane).astype(np.float32)
    area, common = cv2.intersectConvexConvex(seen, _corners(target))
    if area <= 0:
        return 0.0, 0.0
    polygon = np.asarray(common, np.float32).reshape(-1, 2)
    back = _move(polygon, _inverse(plane)).astype(np.float32)
    shares = cv2.contourArea(back) / float(source.prod()), area / float(target.prod())
    return min(shares[0], 1.0), min(shares[1], 1.0)


def _corners(extent: Floats) -> Floats:
    width, height = extent
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def _move(points: Floats, plane: Plane) -> Plane:
    return np.asarray(cv2.perspectiveTransform(points[None].astype(np.float64), plane)[0])


def _inverse(plane: Plane) -> Plane:
    return np.asarray(np.linalg.inv(plane), np.float64)
