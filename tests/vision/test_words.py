"""Visual words: stable numbers, near the truth, shared by copies and not by strangers."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from support.pictures import scene
from tusou.types import Keypoints, Rgb, Words
from tusou.vision.keypoints import extract, mirrored
from tusou.vision.words import BITS, COUNT, TOLERANCE, affinities, assign, vocabulary


@pytest.fixture(scope="module")
def found() -> Keypoints:
    return extract(scene(1, 600, 450))


@pytest.fixture(scope="module")
def stranger() -> Keypoints:
    return extract(scene(2, 600, 450))


def _shared(query: Keypoints, stored: Keypoints) -> float:
    """The share of the query's words that the stored picture has."""
    return float(
        np.isin(assign(query.descriptors).numbers, assign(stored.descriptors).numbers).mean()
    )


def _rotated(rgb: Rgb, degrees: float, scale: float = 1.0) -> Rgb:
    height, width = rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    return np.asarray(cv2.warpAffine(rgb, matrix, (width, height)), np.uint8)


def _exhaustive(descriptors: NDArray[np.float32]) -> NDArray[np.intp]:
    words = vocabulary().words.reshape(COUNT, 64)
    gains = descriptors @ words.T - (words**2).sum(axis=1) / 2
    return np.asarray(gains.argmax(axis=1))


def test_each_feature_has_a_word_of_the_vocabulary_and_a_signature(found: Keypoints) -> None:
    numbers, signatures = assign(found.descriptors)
    assert numbers.shape == signatures.shape == (len(found),)
    assert numbers.dtype == np.uint16
    assert signatures.dtype == np.uint32
    assert numbers.max() < COUNT
    assert vocabulary().words.size == COUNT * 64


def test_a_feature_gets_the_same_word_alone_and_in_a_crowd(found: Keypoints) -> None:
    together = assign(found.descriptors)
    crowd = assign(np.tile(found.descriptors, (12, 1)))
    alone = Words.join(assign(row[None]) for row in found.descriptors[:60])
    for kind in range(2):
        np.testing.assert_array_equal(crowd[kind], np.tile(together[kind], 12))
        np.testing.assert_array_equal(alone[kind], together[kind][:60])


def test_nearly_every_word_is_the_true_nearest(found: Keypoints) -> None:
    same = assign(found.descriptors).numbers == _exhaustive(found.descriptors)
    assert same.mean() > 0.95


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
    blurred = found.descriptors + random.normal(0, 0.01, found.descriptors.shape)
    words, copies = assign(found.descriptors), assign(blurred.astype(np.float32))
    same = words.numbers == copies.numbers
    close = np.bitwise_count(words.signatures ^ copies.signatures)[same]
    far = np.bitwise_count(words.signatures ^ np.roll(words.signatures, 1))
    assert same.mean() > 0.8
    assert np.median(close) < BITS / 8 < BITS / 3 < np.median(far)


def test_a_match_weighs_less_the_more_bits_differ() -> None:
    weights = affinities()
    assert weights.shape == (BITS + 1,)
    assert weights[0] == 1
    assert (np.diff(weights[: TOLERANCE + 1]) < 0).all()
    assert not weights[TOLERANCE + 1 :].any()


def test_no_features_give_no_words() -> None:
    numbers, signatures = assign(np.empty((0, 64), np.float32))
    assert numbers.shape == signatures.shape == (0,)
    assert numbers.dtype == np.uint16
    assert signatures.dtype == np.uint32
