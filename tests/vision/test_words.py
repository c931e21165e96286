"""Visual words: stable numbers, near the truth, shared by copies and not by strangers."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from support.pictures import scene
from tusou.types import Keypoints, Rgb
from tusou.vision.keypoints import extract, mirrored
from tusou.vision.words import BITS, COUNT, TOLERANCE, affinities, assign, signatures, vocabulary


@pytest.fixture(scope="module")
def found() -> Keypoints:
    return extract(scene(1, 600, 450))


@pytest.fixture(scope="module")
def stranger() -> Keypoints:
    return extract(scene(2, 600, 450))


def _shared(query: Keypoints, stored: Keypoints) -> float:
    """The share of the query's words that the stored picture has."""
    return float(np.isin(assign(query.descriptors)[:, 0], assign(stored.descriptors)).mean())


def _rotated(rgb: Rgb, degrees: float, scale: float = 1.0) -> Rgb:
    height, width = rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    return np.asarray(cv2.warpAffine(rgb, matrix, (width, height)), np.uint8)


def _exhaustive(descriptors: NDArray[np.float32]) -> NDArray[np.intp]:
    words = vocabulary().words.reshape(COUNT, 64)
    gains = descriptors @ words.T - (words**2).sum(axis=1) / 2
    return np.asarray(gains.argmax(axis=1))


def test_words_are_numbers_of_the_vocabulary(found: Keypoints) -> None:
    words = assign(found.descriptors, 3)
    assert words.shape == (len(found), 3)
    assert words.dtype == np.uint16
    assert words.max() < COUNT
    assert vocabulary().words.size == COUNT * 64


def test_the_words_of_a_feature_differ_and_the_first_is_the_only_one(found: Keypoints) -> None:
    several = assign(found.descriptors, 5)
    assert all(len(set(row)) == 5 for row in several.tolist())
    np.testing.assert_array_equal(several[:, :1], assign(found.descriptors))


def test_a_feature_gets_the_same_words_alone_and_in_a_crowd(found: Keypoints) -> None:
    together = assign(found.descriptors, 2)
    np.testing.assert_array_equal(together, assign(found.descriptors.copy(), 2))
    crowd = np.tile(found.descriptors, (12, 1))
    np.testing.assert_array_equal(assign(crowd, 2), np.tile(together, (12, 1)))
    alone = [assign(row[None], 2)[0] for row in found.descriptors[:60]]
    np.testing.assert_array_equal(alone, together[:60])


def test_nearly_every_word_is_the_true_nearest(found: Keypoints) -> None:
    assert (assign(found.descriptors)[:, 0] == _exhaustive(found.descriptors)).mean() > 0.95


def test_words_come_nearest_first(found: Keypoints) -> None:
    words = vocabulary().words.reshape(COUNT, 64)[assign(found.descriptors, 4)]
    distances = np.linalg.norm(words - found.descriptors[:, None], axis=2)
    assert (np.diff(distances, axis=1) > -1e-5).all()


@pytest.mark.parametrize(("degrees", "scale"), [(30, 1.0), (90, 1.0), (0, 0.6)], ids=str)
def test_a_rotated_or_smaller_picture_keeps_its_words(
    degrees: float, scale: float, found: Keypoints, stranger: Keypoints
) -> None:
    copy = extract(_rotated(scene(1, 600, 450), degrees, scale))
    assert _shared(copy, found) > 2 * _shared(copy, stranger)


def test_the_words_of_a_mirrored_picture_need_no_look_at_it(found: Keypoints) -> None:
    flipped = extract(np.ascontiguousarray(scene(1, 600, 450)[:, ::-1]))
    assert _shared(mirrored(flipped), found) > 0.6
    assert _shared(mirrored(flipped), found) > 2 * _shared(flipped, found)


def test_signatures_are_near_for_copies_and_far_for_strangers(found: Keypoints) -> None:
    random = np.random.default_rng(0)
    words = assign(found.descriptors)
    blurred = found.descriptors + random.normal(0, 0.01, found.descriptors.shape)
    signs = signatures(found.descriptors, words)
    close = np.bitwise_count(signs ^ signatures(blurred.astype(np.float32), words))
    far = np.bitwise_count(signs ^ np.roll(signs, 1, axis=0))
    assert signs.dtype == np.uint32
    assert signs.shape == words.shape
    assert np.median(close) < BITS / 8 < BITS / 3 < np.median(far)


def test_a_match_weighs_less_the_more_bits_differ() -> None:
    weights = affinities()
    assert weights.shape == (BITS + 1,)
    assert weights[0] == 1
    assert (np.diff(weights[: TOLERANCE + 1]) < 0).all()
    assert not weights[TOLERANCE + 1 :].any()


def test_no_features_give_no_words() -> None:
    nothing = np.empty((0, 64), np.float32)
    words = assign(nothing, 3)
    assert words.shape == (0, 3)
    assert words.dtype == np.uint16
    assert signatures(nothing, words).shape == (0, 3)
