"""What the embedder promises of a picture's vector."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tusou.errors import Problem, TusouError
from tusou.types import Rgb
from tusou.vision import packs
from tusou.vision.embed import Embedder, resize, resize_fast, square, stack

PACK = packs.bundled()["base"]
Resize = Callable[[Rgb, int, int], Rgb]


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    with Embedder(PACK) as embedder:
        yield embedder


def draw(seed: int, height: int = 300, width: int = 400) -> Rgb:
    """A few shapes in a few colours on a plain ground."""
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), random.integers(0, 256, 3), np.uint8)
    for _ in range(12):
        x, y = int(random.integers(width)), int(random.integers(height))
        size = int(random.integers(5, 60))
        colour = [int(part) for part in random.integers(0, 256, 3)]
        if random.random() < 0.5:
            cv2.circle(picture, (x, y), size, colour, -1)
        else:
            cv2.rectangle(picture, (x, y), (x + size, y + size // 2), colour, -1)
    return picture


def test_a_vector_has_the_packs_dimension_and_unit_length(embedder: Embedder) -> None:
    vector = embedder.embed(draw(1))
    assert vector.shape == (embedder.dimension,) == (PACK.dimension,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert embedder.id == PACK.id


def test_the_same_picture_gives_the_same_vector(embedder: Embedder) -> None:
    np.testing.assert_array_equal(embedder.embed(draw(2)), embedder.embed(draw(2)))


def test_an_embedder_loaded_again_gives_the_same_vector(embedder: Embedder) -> None:
    with Embedder(PACK) as again:
        np.testing.assert_allclose(again.embed(draw(3)), embedder.embed(draw(3)), atol=1e-6)


def test_a_picture_does_not_change_when_it_is_embedded(embedder: Embedder) -> None:
    picture = draw(4, PACK.size, PACK.size)
    before = picture.copy()
    embedder.embed(picture)
    np.testing.assert_array_equal(picture, before)


def test_a_view_of_a_picture_gives_what_a_copy_gives(embedder: Embedder) -> None:
    view = draw(5)[20:-20, ::-1]
    np.testing.assert_array_equal(embedder.embed(view), embedder.embed(view.copy()))


def test_the_same_picture_scores_one_and_another_less(embedder: Embedder) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    here, again, other = (embedder.embed(picture) for picture in (draw(6), draw(6), noise))
    assert embedder.score(float(here @ again)) == 1
    assert embedder.score(float(here @ other)) < 0.5


def test_a_smaller_recompressed_copy_is_closer_than_any_other_picture(
    embedder: Embedder,
) -> None:
    pictures = [draw(seed, 480, 640) for seed in range(20, 28)]
    vectors = np.stack([embedder.embed(picture) for picture in pictures])
    for place, picture in enumerate(pictures):
        _, data = cv2.imencode(".jpg", resize(picture, 320, 240), [cv2.IMWRITE_JPEG_QUALITY, 70])
        copy = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
        assert (vectors @ embedder.embed(copy)).argmax() == place


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 20), (20, 1), (50, 1000), (1000, 50), (4096, 205), (205, 4096), (224, 224)],
)
def test_any_size_and_aspect_can_be_embedded(embedder: Embedder, height: int, width: int) -> None:
    vector = embedder.embed(draw(8, height, width))
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("grey", [0, 127, 255])
def test_a_plain_picture_can_be_embedded(embedder: Embedder, grey: int) -> None:
    vector = embedder.embed(np.full((60, 60, 3), grey, np.uint8))
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_many_threads_at_once_get_what_each_gets_alone(embedder: Embedder) -> None:
    pictures = [draw(seed) for seed in range(30, 54)]
    alone = [embedder.embed(picture) for picture in pictures]
    with ThreadPoolExecutor(len(pictures)) as threads:
        together = list(threads.map(embedder.embed, pictures))
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_closed_embedder_is_unavailable() -> None:
    embedder = Embedder(PACK, threads=1)
    embedder.close()
    with pytest.raises(TusouError) as caught:
        embedder.embed(draw(1))
    assert caught.value.problem is Problem.UNAVAILABLE


@pytest.mark.parametrize("stretch", [1, 1.5, float("inf")])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (30, 600), (900, 45), (64, 64)])
def test_any_picture_becomes_a_square(height: int, width: int, stretch: float) -> None:
    made = square(draw(9, height, width), 64, stretch)
    assert made.shape == (64, 64, 3)
    assert made.dtype == np.uint8


@pytest.mark.parametrize(
    ("height", "width", "stretch", "filled"),
    [
        (100, 100, 1, (64, 64)),
        (100, 150, 1.5, (64, 64)),
        (100, 300, 1.5, (32, 64)),
        (300, 100, 1.5, (64, 32)),
        (100, 200, 1, (32, 64)),
        (50, 1000, 2, (6, 64)),
        (1, 5000, 1, (1, 64)),
        (50, 1000, float("inf"), (64, 64)),
    ],
)
def test_what_may_not_be_stretched_away_becomes_margins(
    height: int, width: int, stretch: float, filled: tuple[int, int]
) -> None:
    made = square(np.full((height, width, 3), 255, np.uint8), 64, stretch)
    rows, columns = (made == 255).all(axis=2).any(axis=1), (made == 255).all(axis=2).any(axis=0)
    assert (rows.sum(), columns.sum()) == filled
    assert set(np.unique(made)) <= {127, 255}
    assert abs(rows.argmax() - rows[::-1].argmax()) <= 1
    assert abs(columns.argmax() - columns[::-1].argmax()) <= 1


@pytest.mark.parametrize("way", [resize, resize_fast])
@pytest.mark.parametrize(
    ("width", "height"), [(64, 64), (200, 64), (64, 200), (200, 200), (30, 45), (10, 100), (7, 3)]
)
def test_resizing_keeps_the_mean_colour(way: Resize, width: int, height: int) -> None:
    picture = draw(10, 100, 100)
    made = way(picture, width, height)
    assert made.shape == (height, width, 3)
    assert made.dtype == np.uint8
    np.testing.assert_allclose(made.mean(axis=(0, 1)), picture.mean(axis=(0, 1)), atol=3)


@pytest.mark.parametrize("way", [resize, resize_fast])
@pytest.mark.parametrize("height", [100, 190, 600])
def test_shrinking_a_fine_pattern_gives_its_mean_and_no_moire(way: Resize, height: int) -> None:
    stripes = np.zeros((600, 600, 3), np.uint8)
    stripes[:, ::2] = 254
    small = way(stripes, 100, height)
    assert small.min() == small.max() == 127


def test_what_is_resized_fast_looks_the_same_to_a_model(embedder: Embedder) -> None:
    picture = draw(11, 480, 640)
    size = embedder.pack.size
    one, other = (embedder.embed(way(picture, size, size)) for way in (resize, resize_fast))
    assert one @ other > 0.99


@given(st.integers(1, 700), st.integers(1, 700))
def test_a_stacked_strip_is_whole_and_about_square(width: int, height: int) -> None:
    strip = np.arange(height * width, dtype=np.uint32).reshape(height, width, 1)
    stacked = stack(strip)  # type: ignore[arg-type]
    high, wide = stacked.shape[:2]
    assert len(np.unique(stacked)) == stacked.size  # nothing comes twice
    lost = strip.size - stacked.size  # what does not fill a piece
    assert lost < min(height, width) * round((max(height, width) / min(height, width)) ** 0.5)
    if min(height, width) >= 10:
        assert max(high, wide) < 2.5 * min(high, wide)


def test_a_picture_of_an_ordinary_aspect_is_not_cut() -> None:
    picture = draw(1, 200, 400)
    np.testing.assert_array_equal(stack(picture), picture)


def test_a_strip_is_cut_across_its_length() -> None:
    row = np.repeat(np.arange(4, dtype=np.uint8), 10)[None, :, None].repeat(4, 0).repeat(3, 2)
    stacked = stack(row)
    assert stacked.shape == (12, 13, 3)
    assert stacked[0, 0, 0] == 0
    assert stacked[-1, -1, 0] == 3
