"""What stands out is found where it is, and a mere scene has no subject."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from support.pictures import goods
from tusou.errors import Problem, TusouError
from tusou.vision.subject import Finder, subjects


@pytest.fixture(scope="module")
def finder() -> Iterator[Finder]:
    finder = Finder()
    yield finder
    finder.close()


@pytest.mark.parametrize("place", [(120, 160), (240, 160), (350, 150)])
def test_a_thing_is_found_where_it_is(finder: Finder, place: tuple[int, int]) -> None:
    found = finder.find(goods(place))[0]
    x, y = place
    box = np.array([found.left, found.top, found.right, found.bottom])
    assert np.abs(box - [x - 55, y - 55, x + 55, y + 55]).max() < 30
    assert 0.02 < found.share < 0.3


def test_two_things_are_two_subjects(finder: Finder) -> None:
    found = finder.find(goods((110, 160), (370, 160)))
    assert len(found) == 2
    assert found[0].share >= found[1].share


def test_a_plain_picture_has_no_subject(finder: Finder) -> None:
    assert finder.find(np.full((300, 300, 3), 128, np.uint8)) == []


def test_boxes_stay_inside_the_picture() -> None:
    saliency = np.zeros((160, 160), np.float32)
    saliency[:80, 120:] = 1
    (found,) = subjects(saliency, 320, 640)
    assert (found.left, found.top, found.right, found.bottom) == (214, 0, 320, 346)
    assert found.share == pytest.approx(0.125)


def test_specks_are_no_subjects() -> None:
    saliency = np.zeros((160, 160), np.float32)
    saliency[:20, :20] = 1
    assert subjects(saliency, 500, 500) == []


def test_many_threads_ask_at_once(finder: Finder) -> None:
    pictures = [goods((80 + 20 * number, 160)) for number in range(12)]
    alone = [finder.find(picture) for picture in pictures]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(finder.find, pictures))
    for one, other in zip(alone, together, strict=True):
        assert abs(one[0].left - other[0].left) <= 2


def test_a_closed_finder_says_so() -> None:
    finder = Finder()
    finder.find(goods((240, 160)))
    finder.close()
    with pytest.raises(TusouError) as caught:
        finder.find(goods((240, 160)))
    assert caught.value.problem is Problem.UNAVAILABLE


def test_a_small_picture_can_be_asked_about(finder: Finder) -> None:
    small = cv2.resize(goods((240, 160)), (60, 40), interpolation=cv2.INTER_AREA)
    assert all(box.right <= 60 and box.bottom <= 40 for box in finder.find(np.asarray(small)))
