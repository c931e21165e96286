"""Whether two pictures show the same, and where."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from support.pictures import scene
from tusou.types import Keypoints, Match, Rgb
from tusou.vision.geometry import verify, verify_many
from tusou.vision.keypoints import extract, pack, unpack

Plane = NDArray[np.float64]
WIDTH, HEIGHT = 480, 360
GRID = np.array([[x, y] for x in range(60, 421, 90) for y in range(60, 301, 60)], np.float64)
"""Points of the stored picture, away from its border."""


@pytest.fixture(scope="module")
def stored() -> Keypoints:
    return unpack(pack(extract(scene(1, WIDTH, HEIGHT))))


def _warped(plane: Plane, width: int, height: int) -> Rgb:
    """The stored picture as `plane` moves it."""
    rgb = cv2.warpPerspective(
        scene(1, WIDTH, HEIGHT), plane, (width, height), borderValue=(99, 120, 80)
    )
    return np.asarray(rgb, np.uint8)


def _found(rgb: Rgb, stored: Keypoints) -> Match:
    match = verify(extract(np.ascontiguousarray(rgb)), stored)
    assert match is not None
    return match


def _miss(match: Match, plane: Plane, points: Plane = GRID) -> float:
    """How far off, in pixels of the stored picture, the match puts points at worst."""
    seen = cv2.perspectiveTransform(points[None], plane)
    back = cv2.perspectiveTransform(seen, match.homography)[0]
    return float(np.linalg.norm(back - points, axis=1).max())


def _rotation(degrees: float) -> tuple[Plane, int, int]:
    """Turn about the middle of a canvas that holds the whole picture."""
    side = int(np.hypot(WIDTH, HEIGHT)) + 2
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, 1)
    shift = np.array([[1, 0, (side - WIDTH) / 2], [0, 1, (side - HEIGHT) / 2], [0, 0, 1]])
    return shift @ np.vstack([turn, [0, 0, 1]]), side, side


def test_the_identical_picture_scores_one(stored: Keypoints) -> None:
    match = _found(scene(1, WIDTH, HEIGHT), stored)
    assert match.score == 1.0
    assert not match.mirrored
    assert match.query_overlap == pytest.approx(1, abs=0.01)
    assert match.stored_overlap == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(match.homography, np.eye(3), atol=0.02)


def test_unrelated_pictures_do_not_match(stored: Keypoints) -> None:
    for seed in range(50, 60):
        assert verify(extract(scene(seed)), stored) is None


@pytest.mark.parametrize("degrees", [5, 30, 90, 135, 180, 271])
def test_a_turned_picture_is_found(degrees: float, stored: Keypoints) -> None:
    plane, width, height = _rotation(degrees)
    match = _found(_warped(plane, width, height), stored)
    assert match.score > 0.9
    assert not match.mirrored
    assert _miss(match, plane) < 2


@pytest.mark.parametrize("degrees", [0, 90, 160])
def test_a_mirror_image_is_found(degrees: float, stored: Keypoints) -> None:
    turn, width, height = _rotation(degrees)
    plane = np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]]) @ turn
    match = _found(_warped(plane, width, height), stored)
    assert match.score > 0.9
    assert match.mirrored
    assert np.linalg.det(match.homography[:2, :2]) < 0
    assert _miss(match, plane) < 2


@pytest.mark.parametrize(("x", "y", "width", "height"), [(60, 40, 340, 254), (260, 150, 200, 180)])
def test_a_crop_is_found_and_its_share_is_right(
    x: int, y: int, width: int, height: int, stored: Keypoints
) -> None:
    match = _found(scene(1, WIDTH, HEIGHT)[y : y + height, x : x + width], stored)
    share = width * height / (WIDTH * HEIGHT)
    assert match.score > 0.9
    assert match.query_overlap == pytest.approx(1, abs=0.03)
    assert match.stored_overlap == pytest.approx(share, rel=0.05)
    inner = GRID[(([x, y] < GRID) & ([x + width, y + height] > GRID)).all(axis=1)]
    assert _miss(match, np.array([[1.0, 0, -x], [0, 1, -y], [0, 0, 1]]), inner) < 2


def test_a_picture_within_another_is_found(stored: Keypoints) -> None:
    canvas = scene(77, 900, 700)
    canvas[200 : 200 + HEIGHT, 300 : 300 + WIDTH] = scene(1, WIDTH, HEIGHT)
    match = _found(canvas, stored)
    assert match.score > 0.9
    assert match.stored_overlap == pytest.approx(1, abs=0.03)
    assert match.query_overlap == pytest.approx(WIDTH * HEIGHT / (900 * 700), rel=0.05)


def test_perspective_is_undone(stored: Keypoints) -> None:
    corners = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], np.float32)
    seen = np.array([[70, 30], [430, 80], [460, 330], [20, 350]], np.float32)
    plane = np.asarray(cv2.getPerspectiveTransform(corners, seen), np.float64)
    match = _found(_warped(plane, WIDTH, HEIGHT), stored)
    assert match.score > 0.9
    assert _miss(match, plane) < 3


@pytest.mark.parametrize(
    "change",
    [
        lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 2),
        lambda rgb: cv2.resize(rgb, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA),
        lambda rgb: (rgb * 0.5 + 60).astype(np.uint8),
        lambda rgb: cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 15])[1], 1),
    ],
    ids=["blurred", "small", "pale", "compressed"],
)
def test_a_poor_copy_is_found(change: Callable[[Rgb], Rgb], stored: Keypoints) -> None:
    match = _found(change(scene(1, WIDTH, HEIGHT)), stored)
    assert match.score > 0.9
    assert match.query_overlap == pytest.approx(1, abs=0.03)


def test_the_points_of_a_match_are_where_its_homography_puts_them(stored: Keypoints) -> None:
    match = _found(scene(1, WIDTH, HEIGHT)[:, ::-1], stored)
    mapped = cv2.perspectiveTransform(match.query_points[None], match.homography)[0]
    assert mapped.shape == match.stored_points.shape
    assert np.linalg.norm(mapped - match.stored_points, axis=1).max() < 6
    assert (match.query_points >= -0.5).all()
    assert (match.query_points < [WIDTH, HEIGHT]).all()


def test_more_in_common_scores_higher(stored: Keypoints) -> None:
    whole = scene(1, WIDTH, HEIGHT)
    banner = scene(60, WIDTH, HEIGHT)
    banner[:70] = whole[:70]
    twin = verify(extract(banner), stored)
    poor = _found(np.asarray(cv2.GaussianBlur(whole, (0, 0), 3), np.uint8), stored)
    assert twin is not None
    assert twin.score < poor.score < 1


def test_a_picture_with_too_few_points_does_not_match(stored: Keypoints) -> None:
    flat = extract(np.full((100, 100, 3), 77, np.uint8))
    few = extract(scene(1, WIDTH, HEIGHT), 3)
    assert len(flat) == 0
    assert len(few) == 3
    for one in (flat, few):
        assert verify(one, stored) is None
        assert verify(stored, one) is None
        assert verify(one, one) is None


def test_many_at_once_give_what_each_gives_alone(stored: Keypoints) -> None:
    query = extract(scene(1, WIDTH, HEIGHT)[50:300, 100:400])
    others = [stored, extract(scene(2)), extract(scene(1, WIDTH, HEIGHT)[::-1].copy())] * 5
    alone = [verify(query, other) for other in others]
    with ThreadPoolExecutor(4) as pool:
        together = verify_many(query, others, pool)
    for one, other in zip(alone, together, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            np.testing.assert_array_equal(one.homography, other.homography)
            assert one.score == other.score
