"""Features: where they are, what is stored of them, what a mirror does to them."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.pictures import scene
from tusou.types import Keypoints, Rgb
from tusou.vision.keypoints import LIMIT, extract, mirrored, pack, unpack


def _drawn(seed: int, count: int, width: int, height: int) -> Keypoints:
    """Made-up features, anywhere and of any look."""
    random = np.random.default_rng(seed)
    return Keypoints(
        points=(random.random((count, 2)) * [width - 1, height - 1]).astype(np.float32),
        scales=random.uniform(1, 100, count).astype(np.float32),
        angles=random.uniform(0, 2 * np.pi, count).astype(np.float32),
        descriptors=random.normal(0, 0.2, (count, 64)).astype(np.float32),
        size=(width, height),
    )


def _same(one: Keypoints, other: Keypoints) -> None:
    assert one.size == other.size
    for name in ("points", "scales", "angles", "descriptors"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize(("width", "height"), [(150, 120), (640, 400), (1600, 1200)])
def test_points_are_in_pixels_of_the_original_picture(width: int, height: int) -> None:
    rgb = np.full((height, width, 3), 255, np.uint8)
    centres = [(width * x // 5, height * y // 4) for x in range(1, 5) for y in range(1, 4)]
    for centre in centres:
        cv2.circle(rgb, centre, height // 40, (20, 40, 60), -1, cv2.LINE_AA)
    found = extract(rgb)
    assert found.size == (width, height)
    distances = np.linalg.norm(np.array(centres)[:, None] - found.points, axis=2).min(axis=1)
    assert distances.max() < 0.3 + width / 640


def test_the_limit_is_kept_and_points_come_from_all_over_the_picture() -> None:
    rgb = np.full((400, 600, 3), 90, np.uint8)
    rgb[:, :300] = scene(3, 300, 400)
    rgb[:, 300:] = 90 + scene(4, 300, 400) // 16
    found = extract(rgb, 100)
    assert len(found) == 100
    assert (found.points[:, 0] > 320).sum() >= 20


def test_a_prefix_is_what_a_smaller_limit_gives() -> None:
    long, short = extract(scene(5), 200), extract(scene(5), 50)
    np.testing.assert_array_equal(long.points[:50], short.points)


@pytest.mark.parametrize("shape", [(60, 80), (1, 1), (1, 50), (300, 2)])
def test_a_plain_picture_has_no_features_and_packs(shape: tuple[int, int]) -> None:
    found = extract(np.full((*shape, 3), 128, np.uint8))
    assert len(found) == 0
    _same(unpack(pack(found)), found)


def test_storage_takes_at_most_16_kib() -> None:
    found = extract(scene(6, 800, 600))
    assert len(found) == LIMIT
    assert len(pack(found)) <= 16 * 1024


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 40),
    width=st.integers(1, 9000),
    height=st.integers(1, 9000),
)
def test_what_is_packed_comes_back(seed: int, count: int, width: int, height: int) -> None:
    before = _drawn(seed, count, width, height)
    data = pack(before)
    after = unpack(data)
    assert pack(after) == data
    assert after.size == before.size
    assert len(after) == count
    np.testing.assert_allclose(after.points, before.points, atol=max(width, height) / 65535)
    turns = (after.angles - before.angles + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(turns, 0, atol=2 * np.pi / 500)


def test_descriptors_and_scales_survive_packing() -> None:
    before = extract(scene(7))
    after = unpack(pack(before))
    np.testing.assert_array_equal(after.descriptors, before.descriptors)
    np.testing.assert_allclose(np.log2(after.scales / before.scales), 0, atol=1 / 30)


def test_bytes_that_are_not_keypoints_are_refused() -> None:
    data = pack(extract(scene(8), 10))
    for wrong in (b"", data[:5], data[:-1], data + b"\0", b"\xff" + data[1:]):
        with pytest.raises(ValueError, match="keypoints"):
            unpack(wrong)


def test_a_mirror_image_is_known_without_looking_at_it() -> None:
    rgb = scene(9)
    guessed = mirrored(extract(rgb, 2000))
    seen = extract(np.ascontiguousarray(rgb[:, ::-1]), 2000)
    one, other = np.nonzero(
        (np.linalg.norm(guessed.points[:, None] - seen.points, axis=2) < 0.5)
        & (np.cos(guessed.angles[:, None] - seen.angles) > 0.99)
    )
    alike = np.linalg.norm(guessed.descriptors[one] - seen.descriptors[other], axis=1) < 0.2
    assert len(np.unique(one[alike])) > 0.9 * len(guessed)


def test_two_mirrors_are_none() -> None:
    before = extract(scene(10))
    after = mirrored(mirrored(before))
    np.testing.assert_allclose(after.points, before.points, atol=1e-3)
    np.testing.assert_allclose(np.cos(after.angles - before.angles), 1, atol=1e-5)
    np.testing.assert_array_equal(after.descriptors, before.descriptors)


def test_threads_find_the_same_features() -> None:
    pictures: list[Rgb] = [scene(seed) for seed in range(4)] * 2
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(extract, pictures))
    for one, other in zip(together, map(extract, pictures), strict=True):
        _same(one, other)
