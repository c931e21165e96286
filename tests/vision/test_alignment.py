"""Laying one picture on another: copies agree, things photographed alike do not."""

import cv2
import numpy as np
import pytest

from support.pictures import scene
from tusou.library.likeness import LEAST_CERTAINTY, certainty, likeness, shows_another_thing
from tusou.types import Match, Rgb
from tusou.vision.alignment import agreement

SAME = np.eye(3)


def shirt(print_: int) -> Rgb:
    """One outline before white; a print of its own."""
    canvas = np.full((320, 320, 3), 250, np.uint8)
    outline = np.array([[90, 60], [230, 60], [290, 130], [240, 150], [240, 300], [80, 300]])
    outline = np.vstack([outline, [[80, 150], [30, 130]]]).astype(np.int32)
    inside = np.zeros(canvas.shape[:2], np.uint8)
    cv2.fillPoly(inside, [outline], 1)
    canvas[inside > 0] = scene(print_, 320, 320)[inside > 0]
    return canvas


def sure(one: Rgb, other: Rgb, plane: np.ndarray = SAME, score: float = 0.999) -> float:
    sizes = [(rgb.shape[1], rgb.shape[0]) for rgb in (one, other)]
    found = agreement(one, other, plane, sizes[0], sizes[1])
    assert found is not None
    return certainty(score, found)


@pytest.mark.parametrize("seed", range(3))
def test_lettering_a_reduction_and_a_darker_copy_agree(seed: int) -> None:
    rgb = scene(seed)
    lettered = cv2.putText(
        rgb.copy(), "SALE", (40, 200), cv2.FONT_HERSHEY_DUPLEX, 2, (255, 0, 0), 3
    )
    small = cv2.resize(rgb, (100, 80), interpolation=cv2.INTER_AREA)
    dark = (rgb * 0.8).astype(np.uint8)
    assert sure(rgb, np.asarray(lettered, np.uint8)) > LEAST_CERTAINTY
    assert sure(rgb, dark) > LEAST_CERTAINTY
    shrink = np.diag([0.25, 0.25, 1])
    assert sure(rgb, np.asarray(small, np.uint8), shrink) > LEAST_CERTAINTY


def test_a_part_agrees_even_where_its_place_is_known_roughly() -> None:
    rgb = scene(7)
    part = np.ascontiguousarray(rgb[40:240, 60:300])
    rough = np.array([[1, 0, -61.5], [0.004, 1, -39], [0, 0, 1]])
    assert sure(rgb, part, rough) > LEAST_CERTAINTY


def test_one_outline_with_another_print_does_not_agree() -> None:
    assert sure(shirt(1), shirt(1)) > LEAST_CERTAINTY
    assert sure(shirt(1), shirt(2)) < LEAST_CERTAINTY


def turned(rgb: Rgb) -> Rgb:
    """Turned by 30°, on a grey ground large enough for all of it."""
    height, width = rgb.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 30, 1)
    side = round(height * 0.5 + width * 0.866)
    turn[:, 2] += (side - width) / 2
    laid = cv2.warpAffine(rgb, turn, (side, side), borderValue=(128, 128, 128))
    return np.asarray(laid, np.uint8)


def small_goods(print_: int) -> Rgb:
    """Something small before much white."""
    canvas = np.full((320, 320, 3), 255, np.uint8)
    canvas[120:200, 80:240] = scene(print_, 160, 80)
    return canvas


def test_a_frame_in_common_says_nothing_of_what_is_in_it() -> None:
    one, other = turned(small_goods(1)), turned(small_goods(2))
    assert sure(one, one) > LEAST_CERTAINTY
    assert sure(one, other) < LEAST_CERTAINTY
    assert sure(turned(shirt(1)), turned(shirt(2))) < LEAST_CERTAINTY


def test_stripes_which_have_structure_one_way_are_compared_by_it() -> None:
    one, other = (
        np.repeat(random.integers(0, 256, (1, 40, 3), np.uint8), 8, axis=1).repeat(320, axis=0)
        for random in map(np.random.default_rng, (1, 2))
    )
    assert sure(one, (one * 0.8).astype(np.uint8)) > LEAST_CERTAINTY
    assert sure(one, other) < LEAST_CERTAINTY


def test_pictures_that_hardly_meet_say_nothing() -> None:
    rgb = scene(1)
    away = np.array([[1, 0, 399.0], [0, 1, 319], [0, 0, 1]])
    assert agreement(rgb, rgb, away, (400, 320), (400, 320)) is None


def test_a_thumbnail_stands_for_its_picture() -> None:
    rgb = scene(3, 640, 480)
    thumbnail = np.asarray(cv2.resize(rgb, (320, 240), interpolation=cv2.INTER_AREA), np.uint8)
    mirror = np.array([[-1.0, 0, 639], [0, 1, 0], [0, 0, 1]])
    flipped = np.ascontiguousarray(thumbnail[:, ::-1])
    found = agreement(thumbnail, flipped, mirror, (640, 480), (640, 480))
    assert found is not None
    assert min(found.structure, found.edges, found.colour, found.corners) > 0.95
    assert found.differing == 0


def tile(seed: int, dark: float = 1) -> Rgb:
    """A ground of fine structure, as games have them."""
    grain = np.random.default_rng(seed).normal(110, 45, (56, 56, 3)).clip(0, 255)
    return np.asarray(cv2.resize(grain * dark, (224, 224)), np.uint8)


def crossed(rgb: Rgb, other: Rgb) -> Rgb:
    """A path over it, of other ground."""
    path = rgb.copy()
    path[90:130] = other[90:130] // 4 + np.array([110, 80, 50], np.uint8)
    return path


@pytest.mark.parametrize("dark", [1, 0.4])
def test_a_tile_with_a_path_over_the_same_ground_is_another(dark: float) -> None:
    one, path = tile(1, dark), crossed(tile(1), tile(2))
    path = (path * dark).astype(np.uint8)
    for pair in ((one, path), (path, one)):
        found = agreement(*pair, SAME, (224, 224), (224, 224))
        assert found is not None
        assert found.differing > 0.1
        assert shows_another_thing(found)


def test_a_tile_that_was_stamped_encoded_or_lit_anew_stays_what_it_is() -> None:
    one = tile(1)
    stamped = cv2.circle(one.copy(), (170, 50), 24, (20, 90, 220), -1)
    cv2.putText(stamped, "SALE", (20, 150), cv2.FONT_HERSHEY_DUPLEX, 1, (255, 40, 40), 2)
    _, poor = cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 30])
    lit = (one * 0.7 + 30).astype(np.uint8)
    for copy in (stamped, cv2.imdecode(poor, cv2.IMREAD_COLOR), lit):
        found = agreement(one, np.asarray(copy, np.uint8), SAME, (224, 224), (224, 224))
        assert found is not None
        assert not shows_another_thing(found)


def test_small_pictures_show_nothing_else_anywhere_and_large_ones_may_be_marked() -> None:
    one, path = tile(1), crossed(tile(1), tile(2))
    mark = cv2.circle(one.copy(), (112, 112), 30, (255, 255, 255), -1)
    marked = np.asarray(cv2.addWeighted(one, 0.8, mark, 0.2, 0), np.uint8)
    none = np.empty((0, 2), np.float32)
    match = Match(SAME, none, none, 1.0, 1.0, mirrored=False, score=0.999)

    def sure(other: Rgb, side: int) -> float:
        return likeness(match, (one, other), [(side, side)] * 2)

    assert sure(one, 224) > LEAST_CERTAINTY
    assert sure(path, 224) < LEAST_CERTAINTY
    assert sure(marked, 224) < LEAST_CERTAINTY
    assert sure(marked, 640) > LEAST_CERTAINTY
