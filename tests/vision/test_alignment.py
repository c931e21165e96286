"""Laying one picture on another: copies agree, things photographed alike do not."""

import cv2
import numpy as np
import pytest

from support.pictures import scene
from tusou.library.likeness import LEAST_CERTAINTY, certainty
from tusou.types import Rgb
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
    assert min(found) > 0.95
