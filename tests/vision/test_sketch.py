"""Sketches: plain and small pictures are recognised as a whole, in any position of the sheet."""

import cv2
import numpy as np
import pytest

from support.pictures import scene
from tusou.types import Match, Rgb
from tusou.vision.keypoints import extract
from tusou.vision.sketch import are_needed, draw, is_blank, match, pack, unpack

POSITIONS = [(turns, flip) for flip in (False, True) for turns in range(4)]


def _size(rgb: Rgb) -> tuple[int, int]:
    return rgb.shape[1], rgb.shape[0]


def _match(query: Rgb, stored: Rgb) -> Match | None:
    return match(draw(query), draw(stored), _size(query), _size(stored))


def _small(rgb: Rgb, factor: float) -> Rgb:
    return np.asarray(
        cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8
    )


def _plain(seed: int) -> Rgb:
    """Soft blots on a ground, nearly without keypoints."""
    dice = np.random.default_rng(seed)
    canvas = np.full((240, 320, 3), dice.integers(120, 200), np.uint8)
    for _ in range(6):
        centre = (int(dice.integers(20, 300)), int(dice.integers(20, 220)))
        tint = tuple(int(part) for part in dice.integers(60, 240, 3))
        cv2.circle(canvas, centre, int(dice.integers(10, 40)), tint, -1)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 6), np.uint8)


def test_a_thumbnail_is_the_picture() -> None:
    found = _match(_small(scene(1, 400, 300), 1 / 8), scene(1, 400, 300))
    assert found is not None
    assert found.score > 0.7
    assert (found.query_overlap, found.stored_overlap, found.mirrored) == (1, 1, False)


@pytest.mark.parametrize(("turns", "flip"), POSITIONS)
def test_a_turned_or_mirrored_picture_is_found_where_it_lies(turns: int, flip: bool) -> None:
    stored = _plain(1)
    query = np.ascontiguousarray(np.rot90(stored[:, ::-1] if flip else stored, turns))
    found = _match(query, stored)
    assert found is not None
    assert found.score > 0.99
    assert found.mirrored is flip
    marked = np.zeros(stored.shape[:2], np.uint8)
    marked[50, 70] = 1
    rows, columns = np.nonzero(np.rot90(marked[:, ::-1] if flip else marked, turns))
    place = found.homography @ [columns[0], rows[0], 1]
    np.testing.assert_allclose(place[:2] / place[2], [70, 50], atol=1e-6)


@pytest.mark.parametrize("quality", [40, 20, 10])
def test_a_plain_picture_is_found_after_a_hard_compression(quality: int) -> None:
    stored = _plain(2)
    bgr = np.ascontiguousarray(stored[:, :, ::-1])
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    again = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    assert _match(np.ascontiguousarray(again[:, :, ::-1]), stored) is not None


def test_a_darker_copy_is_the_same_and_one_of_other_colours_is_not() -> None:
    stored = _plain(3)
    assert _match((stored * 0.9).astype(np.uint8), stored) is not None
    red = stored.copy()
    red[:, :, 0] = np.minimum(red[:, :, 0].astype(int) + 50, 255)
    assert _match(red, stored) is None


def test_no_two_of_many_plain_pictures_are_the_same() -> None:
    sketches = [draw(_plain(seed)) for seed in range(60)]
    size = (320, 240)
    for place, one in enumerate(sketches):
        same = [match(one, other, size, size) is not None for other in sketches]
        assert np.flatnonzero(same).tolist() == [place]


def test_light_and_shade_alone_are_nothing_to_go_by() -> None:
    across = np.linspace(60, 200, 320, dtype=np.float32)[None, :, None]
    shade = np.broadcast_to(across, (240, 320, 3)).astype(np.uint8)
    down = np.linspace(80, 190, 240, dtype=np.float32)[:, None, None]
    other = np.broadcast_to(down, (240, 320, 3)).astype(np.uint8)
    assert _match(shade, other) is None
    assert is_blank(draw(np.full((90, 90, 3), 7, np.uint8)))
    assert not is_blank(draw(_plain(1)))


def test_a_sketch_is_kept_as_bytes() -> None:
    drawn = draw(_plain(4))
    data = pack(drawn)
    assert len(data) == 1072
    again = unpack(data)
    np.testing.assert_array_equal(again.grey, drawn.grey)
    np.testing.assert_array_equal(again.tints, drawn.tints)
    with pytest.raises(ValueError, match="reshape"):
        unpack(data[:-1])


def test_only_plain_and_small_pictures_need_sketches() -> None:
    rich, plain, small = scene(1, 640, 480), _plain(1), scene(1, 60, 50)
    points = [extract(rgb) for rgb in (rich, plain, small)]
    needed = [are_needed(points[0], other) for other in points]
    assert needed == [False, True, True]
