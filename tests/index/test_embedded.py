import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

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


def no_classes(count: int) -> Classes:
    return np.zeros((count, 2), np.uint16)


def some_classes(count: int, seed: int = 1) -> Classes:
    return np.random.default_rng(seed).integers(0, 4, (count, 2), dtype=np.uint16)


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


FILTERS = [
    ClassFilter((ClassTerm(1, None),)),
    ClassFilter((ClassTerm(1, 0),)),
    ClassFilter((ClassTerm(2, 1),)),
    ClassFilter((ClassTerm(1, 0), ClassTerm(2, 1)), "all"),
    ClassFilter((ClassTerm(1, 0), ClassTerm(2, 1)), "any"),
    ClassFilter((ClassTerm(1, None), ClassTerm(3, None)), "all"),
    ClassFilter((ClassTerm(9, None),)),
]


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
    kept: set[int] = set()
    for turn in range(8):
        keys = np.arange(turn * 1000, turn * 1000 + 500)
        index.add(keys, unit_vectors(500, turn), some_classes(500))
        gone = keys[: 100 if turn % 3 else 490]
        index.remove(gone)
        kept |= set(keys.tolist()) - set(gone.tolist())
        if turn % 2:
            index.settle()
        assert set(found(index, unit_vectors(1)[0], 10_000)) == kept
    index.settle()
    assert set(found(index, unit_vectors(1)[0], 10_000)) == kept


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
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        vectors = unit_vectors(900, seed=100 + writer)
        for turn, start in enumerate(range(0, 900, 30)):
            keys = np.arange(start, start + 30) + writer * 10_000
            mine = vectors[start : start + 30]
            index.add(keys, mine, some_classes(30))
            assert [found(index, vector) for vector in mine[:3]] == [[key] for key in keys[:3]]
            if turn % 2:
                index.remove(keys)
                assert not set(found(index, mine[0], 500)) & set(keys.tolist())

    def read() -> None:
        queries, limit = unit_vectors(60, seed=200), 50
        for query in queries:
            keys, scores = index.search(query, limit, FILTERS[0])
            assert len(set(keys.tolist())) == len(keys) == len(scores)

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    jobs: list[Callable[[], None]] = [lambda n=n: write(n) for n in range(3)]  # type: ignore[misc]
    threads = [threading.Thread(target=guarded, args=(job,)) for job in [*jobs, read, read]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    index.settle()
    assert len(index) == len(found(index, unit_vectors(1)[0], 10_000)) == 3 * 450


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


class Model:
    """What an index should do, in numpy and floats."""

    def __init__(self) -> None:
        self.vectors: dict[int, Vector] = {}
        self.classes: dict[int, tuple[int, int]] = {}

    def scores(self, query: Vector, wanted: ClassFilter | None) -> dict[int, float]:
        keys = list(self.vectors)
        classes = np.array([self.classes[key] for key in keys], np.uint16).reshape(-1, 2)
        passing = [True] * len(keys) if wanted is None else wanted.mask(classes).tolist()
        pairs = zip(keys, passing, strict=True)
        return {key: float(self.vectors[key] @ query) for key, passes in pairs if passes}


class Congruence(RuleBasedStateMachine):
    """Any sequence of operations leaves the index and the model in agreement."""

    keys = st.integers(0, 300)
    pairs = st.tuples(st.integers(0, 3), st.integers(0, 3))
    terms = st.builds(ClassTerm, st.integers(0, 3), st.sampled_from([None, 0, 1]))
    matches: st.SearchStrategy[Literal["all", "any"]] = st.sampled_from(["all", "any"])
    filters = st.none() | st.builds(
        ClassFilter, st.lists(terms, min_size=1, max_size=3).map(tuple), matches
    )

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.index = EmbeddedIndex(
            DIMENSION, group_rows=60, chunk_rows=16, planner=Planner(exact_rows=10**9)
        )

    @rule(start=keys, count=st.integers(0, 80), seed=st.integers(0, 10**6), pair=pairs)
    def add(self, start: int, count: int, seed: int, pair: tuple[int, int]) -> None:
        vectors, keys = unit_vectors(count, seed), range(start, start + count)
        classes = np.array([pair] * count, np.uint16).reshape(-1, 2)
        if self.model.vectors.keys() & set(keys):
            with pytest.raises(ValueError, match="already"):
                self.index.add(np.array(keys), vectors, classes)
            return
        self.index.add(np.array(keys, np.int64), vectors, classes)
        self.model.vectors.update(zip(keys, vectors, strict=True))
        self.model.classes.update(dict.fromkeys(keys, pair))

    @rule(start=keys, count=st.integers(0, 150))
    def remove(self, start: int, count: int) -> None:
        self.index.remove(np.arange(start, start + count))
        for key in range(start, start + count):
            self.model.vectors.pop(key, None)

    @rule(start=keys, count=st.integers(0, 40), pair=pairs)
    def reclass(self, start: int, count: int, pair: tuple[int, int]) -> None:
        classes = np.array([pair] * count, np.uint16).reshape(-1, 2)
        self.index.reclass(np.arange(start, start + count), classes)
        self.model.classes.update(dict.fromkeys(range(start, start + count), pair))

    @rule()
    def settle(self) -> None:
        self.index.settle()

    @rule(seed=st.integers(0, 10**6), limit=st.integers(1, 400), wanted=filters)
    def search(self, seed: int, limit: int, wanted: ClassFilter | None) -> None:
        query = unit_vectors(1, seed)[0]
        truth = self.model.scores(query, wanted)
        keys, scores = self.index.search(query, limit, wanted)
        assert len(set(keys.tolist())) == len(keys) == min(limit, len(truth))
        best = sorted(truth.values(), reverse=True)[: len(keys)]
        np.testing.assert_allclose(scores, best, atol=TOLERANCE)
        np.testing.assert_allclose(scores, [truth[key] for key in keys.tolist()], atol=TOLERANCE)

    @invariant()
    def sizes_agree(self) -> None:
        assert len(self.index) == len(self.model.vectors)

    def teardown(self) -> None:
        self.index.close()


TestCongruence = Congruence.TestCase
TestCongruence.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
