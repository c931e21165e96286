import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from support.indexes import (
    CONGRUENT,
    FILTERS,
    KEYS,
    MAYBE_FILTERS,
    PAIRS,
    Congruence,
    alike,
    grows_and_shrinks,
    no_classes,
    some_classes,
    works_for_many_at_once,
)
from tusou.index.base import VectorIndex
from tusou.index.embedded import EmbeddedIndex
from tusou.index.planner import Planner
from tusou.types import Classes, ClassFilter, ClassTerm, Keys, Vector, Vectors

DIMENSION = 16
TOLERANCE = 0.02
"""Bytes instead of floats, at so few dimensions."""


def unit_vectors(count: int, seed: int = 0, dimension: int = DIMENSION) -> Vectors:
    drawn = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)


def filled(index: EmbeddedIndex, count: int, seed: int = 0) -> Vectors:
    """Add rows 0 … count - 1 with `some_classes`, in calls of different size."""
    vectors, classes = unit_vectors(count, seed), some_classes(count)
    cuts = [0, *range(1, count, 70), count]
    for start, end in pairwise(cuts):
        index.add(np.arange(start, end), vectors[start:end], classes[start:end])
    return vectors


def found(index: EmbeddedIndex, vector: Vector, limit: int = 1) -> list[int]:
    keys, _ = index.search(vector, limit)
    return [int(key) for key in keys]


@pytest.fixture
def make() -> Iterator[Callable[..., EmbeddedIndex]]:
    made: list[EmbeddedIndex] = []

    def make_one(dimension: int = DIMENSION, **knobs: object) -> EmbeddedIndex:
        made.append(EmbeddedIndex(dimension, **knobs))  # type: ignore[arg-type]
        return made[-1]

    yield make_one
    for index in made:
        index.close()


@pytest.fixture(params=["whole", "grouped"])
def index(request: pytest.FixtureRequest, make: Callable[..., EmbeddedIndex]) -> EmbeddedIndex:
    """An index that scans everything, or one that groups from 100 rows on."""
    return make(group_rows=100 if request.param == "grouped" else 10**9, chunk_rows=32)


def test_an_embedded_index_keeps_the_contract() -> None:
    index: VectorIndex = EmbeddedIndex(DIMENSION)
    index.close()


def test_an_empty_index_finds_nothing(index: EmbeddedIndex) -> None:
    keys, scores = index.search(unit_vectors(1)[0], 10)
    assert len(index) == len(keys) == len(scores) == 0
    index.add(np.empty(0, np.int64), unit_vectors(0), no_classes(0))
    assert len(index) == 0


def test_the_nearest_come_first_with_their_inner_products(index: EmbeddedIndex) -> None:
    vectors = filled(index, 400)
    index.settle()
    for query in unit_vectors(20, seed=2):
        keys, scores = index.search(query, 25)
        truth = np.sort(vectors @ query)[::-1][:25]
        assert keys.dtype == np.int64
        assert scores.dtype == np.float32
        assert np.all(np.diff(scores) <= 0)
        np.testing.assert_allclose(scores, vectors[keys] @ query, atol=TOLERANCE)
        np.testing.assert_allclose(scores, truth, atol=TOLERANCE)


def test_a_row_finds_itself_with_a_score_of_one_and_no_more(index: EmbeddedIndex) -> None:
    vectors = filled(index, 300)
    index.settle()
    scores = np.array([index.search(vector, 1)[1][0] for vector in vectors])
    assert [found(index, vector) for vector in vectors] == [[key] for key in range(300)]
    assert np.all(scores <= 1)
    assert np.all(scores > 1 - TOLERANCE)


@pytest.mark.parametrize("dimension", [1, 2, 7, 32, 384])
def test_any_dimension_will_do(make: Callable[..., EmbeddedIndex], dimension: int) -> None:
    index, vectors = make(dimension), unit_vectors(50, dimension=dimension)
    index.add(np.arange(50), vectors, no_classes(50))
    keys, scores = index.search(vectors[7], 50)
    np.testing.assert_allclose(scores, vectors[keys] @ vectors[7], atol=TOLERANCE)


def test_vectors_that_all_point_the_same_way_keep_their_order(
    make: Callable[..., EmbeddedIndex],
) -> None:
    index, dimension = make(384), 384
    spikes = np.eye(dimension, dtype=np.float32)[:3] + np.float32(1e-9)
    index.add(np.arange(3), spikes, no_classes(3))
    keys, scores = index.search(spikes[1], 3)
    assert keys[0] == 1
    np.testing.assert_allclose(scores, [1, 0, 0], atol=0.01)


def test_a_limit_beyond_the_size_gives_every_row(index: EmbeddedIndex) -> None:
    filled(index, 250)
    index.settle()
    assert sorted(found(index, unit_vectors(1, 5)[0], 10**6)) == list(range(250))


def test_a_limit_of_none_gives_no_row(index: EmbeddedIndex) -> None:
    filled(index, 250)
    assert found(index, unit_vectors(1)[0], 0) == []


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_only_rows_that_pass_the_filter_are_found_and_all_of_them(
    index: EmbeddedIndex, wanted: ClassFilter
) -> None:
    filled(index, 400)
    passing = np.flatnonzero(wanted.mask(some_classes(400)))
    for _ in range(2):
        keys, _scores = index.search(unit_vectors(1, 3)[0], 400, wanted)
        np.testing.assert_array_equal(np.sort(keys), passing)
        index.settle()


def test_a_key_that_is_there_already_is_refused_and_nothing_is_added(index: EmbeddedIndex) -> None:
    vectors = filled(index, 200)
    with pytest.raises(ValueError, match="already"):
        index.add(np.array([500, 7]), unit_vectors(2, 9), no_classes(2))
    with pytest.raises(ValueError, match="twice"):
        index.add(np.array([500, 500]), unit_vectors(2, 9), no_classes(2))
    assert len(index) == 200
    assert found(index, vectors[7]) == [7]
    index.add(np.array([500]), unit_vectors(1, 9), no_classes(1))
    assert found(index, unit_vectors(1, 9)[0]) == [500]


@pytest.mark.parametrize(
    ("keys", "vectors", "classes"),
    [
        (np.arange(2), unit_vectors(3), no_classes(2)),
        (np.arange(2), unit_vectors(2), no_classes(3)),
        (np.arange(2), unit_vectors(2, dimension=8), no_classes(2)),
        (np.arange(2), unit_vectors(2)[0], no_classes(2)),
        (np.arange(2), unit_vectors(2), np.zeros(2, np.uint16)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    index: EmbeddedIndex, keys: Keys, vectors: Vectors, classes: Classes
) -> None:
    with pytest.raises(ValueError, match="not"):
        index.add(keys, vectors, classes)
    assert len(index) == 0


def test_a_query_of_another_dimension_is_refused(index: EmbeddedIndex) -> None:
    with pytest.raises(ValueError, match="not"):
        index.search(unit_vectors(1, dimension=8)[0], 1)


def test_a_removed_row_is_gone_at_once(index: EmbeddedIndex) -> None:
    vectors = filled(index, 300)
    index.settle()
    index.remove(np.array([5, 250, 250, 99_999]))
    assert len(index) == 298
    assert 5 not in found(index, vectors[5], 300)
    assert 250 not in found(index, vectors[250], 300)
    index.remove(np.arange(300))
    assert len(index) == 0
    assert found(index, vectors[0], 300) == []


def test_a_removed_key_can_come_back_with_another_vector(index: EmbeddedIndex) -> None:
    vectors, other = filled(index, 300), unit_vectors(1, 77)
    index.remove(np.array([5]))
    index.add(np.array([5]), other, no_classes(1))
    assert found(index, other[0]) == [5]
    assert found(index, vectors[5]) != [5]


def test_new_classes_count_at_once(index: EmbeddedIndex) -> None:
    filled(index, 300)
    index.settle()
    index.reclass(np.array([3, 290, 99_999]), np.array([[9, 0], [0, 9], [9, 9]], np.uint16))
    keys, _ = index.search(unit_vectors(1)[0], 300, ClassFilter((ClassTerm(9, None),)))
    assert sorted(keys.tolist()) == [3, 290]


def test_rows_added_after_grouping_are_found_at_once(make: Callable[..., EmbeddedIndex]) -> None:
    index = make(group_rows=100, chunk_rows=32)
    filled(index, 150)
    index.settle()
    for key, vector in enumerate(unit_vectors(200, seed=8), start=1000):
        index.add(np.array([key]), vector[None], no_classes(1))
        assert found(index, vector) == [key]
    index.settle()
    assert len(found(index, unit_vectors(1)[0], 1000)) == 350


def test_an_index_may_grow_shrink_and_grow_again(index: EmbeddedIndex) -> None:
    anything = unit_vectors(1)[0]
    grows_and_shrinks(index, unit_vectors, lambda: set(found(index, anything, 10_000)))


def test_a_page_is_full_however_far_away_the_rows_that_pass(
    make: Callable[..., EmbeddedIndex],
) -> None:
    planner = Planner(exact_rows=0, depth=1, first=0, first_rows=0)
    index = make(group_rows=1000, chunk_rows=256, planner=planner)
    vectors = unit_vectors(4000)
    far = vectors @ vectors[0] < np.quantile(vectors @ vectors[0], 0.05)
    index.add(np.arange(4000), vectors, np.stack([far, far], axis=1).astype(np.uint16))
    index.settle()
    keys, _ = index.search(vectors[0], 150, ClassFilter((ClassTerm(1, 0),)))
    assert len(keys) == 150
    assert far[keys].all()


def clustered(count: int, dimension: int, seed: int) -> Vectors:
    dice = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((200, dimension))
    drawn = centres[dice.integers(200, size=count)] + dice.standard_normal((count, dimension))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        ClassFilter((ClassTerm(1, 0),)),
        ClassFilter((ClassTerm(2, 0),)),
        ClassFilter((ClassTerm(1, 1),)),
    ],
    ids=["all", "one in a hundred", "one in five", "one side of the space"],
)
@pytest.mark.parametrize("limit", [10, 300])
def test_nearly_all_of_the_nearest_are_found_whatever_the_filter(
    crowd: tuple[EmbeddedIndex, Vectors, Classes], wanted: ClassFilter | None, limit: int
) -> None:
    index, vectors, classes = crowd
    passing = np.ones(len(vectors), np.bool_) if wanted is None else wanted.mask(classes)
    parts: list[np.bool_] = []
    for query in clustered(30, vectors.shape[1], seed=5):
        truth = np.sort((vectors @ query)[passing])[::-1][:limit]
        keys, _ = index.search(query, limit, wanted)
        assert len(keys) == len(truth)
        assert passing[keys].all()
        parts.extend(vectors[keys] @ query >= truth[-1] - 0.001)
    assert np.mean(parts) >= 0.98


@pytest.fixture(scope="module")
def crowd() -> Iterator[tuple[EmbeddedIndex, Vectors, Classes]]:
    """20,000 grouped rows: 1% have a first class of 1, 20% one of 2; the second goes with looks."""
    vectors = clustered(20_000, 64, seed=4)
    lot = np.random.default_rng(6).random(len(vectors))
    looks = vectors[:, 0] > np.quantile(vectors[:, 0], 0.8)
    classes = np.stack([np.select([lot < 0.01, lot < 0.21], [1, 2]), looks], 1).astype(np.uint16)
    index = EmbeddedIndex(64, group_rows=10_000, planner=Planner(exact_rows=100))
    index.add(np.arange(len(vectors)), vectors, classes)
    index.settle()
    yield index, vectors, classes
    index.close()


def test_writes_and_searches_at_once_see_what_has_returned(
    make: Callable[..., EmbeddedIndex],
) -> None:
    index = make(group_rows=300, chunk_rows=64)
    left = works_for_many_at_once(index, unit_vectors, partial(found, index))
    assert len(index) == len(found(index, unit_vectors(1)[0], 10_000)) == left


def test_a_closed_index_stops_grouping_and_still_answers(
    make: Callable[..., EmbeddedIndex],
) -> None:
    index = make(group_rows=1000, chunk_rows=256)
    vectors = filled(index, 5000)
    index.close()
    index.add(np.array([9999]), unit_vectors(1, 50), no_classes(1))
    assert found(index, vectors[17]) == [17]
    assert found(index, unit_vectors(1, 50)[0]) == [9999]
    assert "index-upkeep" not in {thread.name for thread in threading.enumerate()}


class VectorCongruence(Congruence):
    """Vectors: scores are inner products, and none is missing."""

    def __init__(self) -> None:
        super().__init__()
        planner = Planner(exact_rows=10**9)
        self.index = EmbeddedIndex(DIMENSION, group_rows=60, chunk_rows=16, planner=planner)

    @rule(start=KEYS, count=st.integers(0, 80), seed=st.integers(0, 10**6), pair=PAIRS)
    def add(self, start: int, count: int, seed: int, pair: tuple[int, int]) -> None:
        vectors, keys = unit_vectors(count, seed), range(start, start + count)
        if self.held.keys() & set(keys):
            with pytest.raises(ValueError, match="already"):
                self.index.add(np.array(keys), vectors, alike(count, pair))
            return
        self.index.add(np.array(keys, np.int64), vectors, alike(count, pair))
        self.held.update(zip(keys, vectors, strict=True))
        self.classes.update(dict.fromkeys(keys, pair))

    @rule(seed=st.integers(0, 10**6), limit=st.integers(1, 400), wanted=MAYBE_FILTERS)
    def search(self, seed: int, limit: int, wanted: ClassFilter | None) -> None:
        query = unit_vectors(1, seed)[0]
        truth = {
            key: float(vector @ query)
            for key, vector in self.held.items()
            if self.passes(key, wanted)
        }
        keys, scores = self.index.search(query, limit, wanted)
        assert len(set(keys.tolist())) == len(keys) == min(limit, len(truth))
        best = sorted(truth.values(), reverse=True)[: len(keys)]
        np.testing.assert_allclose(scores, best, atol=TOLERANCE)
        np.testing.assert_allclose(scores, [truth[key] for key in keys.tolist()], atol=TOLERANCE)


TestCongruence = VectorCongruence.TestCase
TestCongruence.settings = CONGRUENT
