"""The same random operations on every index: what they find must be what a list of rows says."""

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import pytest

from support import engines
from tusou.index.base import VectorIndex, WordIndex
from tusou.index.embedded import EmbeddedIndex
from tusou.index.inverted import InvertedIndex
from tusou.types import ClassFilter, ClassTerm, Vector, Words

DIMENSION = 24
VOCABULARY = 500
STEPS = 40
NUMBERS = count(1)

FILTERS = [
    None,
    ClassFilter((ClassTerm(1, 0),)),
    ClassFilter((ClassTerm(2, None),)),
    ClassFilter((ClassTerm(1, 0), ClassTerm(3, 1)), "all"),
    ClassFilter((ClassTerm(1, 0), ClassTerm(65_535, 1)), "any"),
    ClassFilter((ClassTerm(77, None),)),
]
Row = tuple[tuple[int, int], Vector]


@pytest.fixture(params=engines.INDEXES)
def make_vectors(request: pytest.FixtureRequest) -> Iterator[Callable[[], VectorIndex]]:
    if request.param == "embedded":
        made = [EmbeddedIndex(DIMENSION, group_rows=60, chunk_rows=16) for _ in range(2)]
        yield iter(made).__next__
        for index in made:
            index.close()
        return
    from tusou.index.milvus import Milvus, OwnClock

    milvus = Milvus(request.getfixturevalue("milvus_address"))
    yield lambda: milvus.vectors("contract@1", DIMENSION, next(NUMBERS), OwnClock())
    milvus.close()


@pytest.fixture(params=engines.INDEXES)
def make_words(request: pytest.FixtureRequest) -> Iterator[Callable[[], WordIndex]]:
    if request.param == "embedded":
        equal = np.ones(33, np.float32)  # signatures count for nothing, as in Milvus
        made = [InvertedIndex(VOCABULARY, equal, tail_rows=16) for _ in range(2)]
        yield iter(made).__next__
        for index in made:
            index.close()
        return
    from tusou.index.milvus import Milvus, OwnClock

    milvus = Milvus(request.getfixturevalue("milvus_lite_address"))
    yield lambda: milvus.words(VOCABULARY, next(NUMBERS), OwnClock())
    milvus.close()


def _unit(draw: np.random.Generator) -> Vector:
    vector = draw.standard_normal(DIMENSION, dtype=np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def _bag(draw: np.random.Generator) -> Words:
    numbers = draw.integers(0, VOCABULARY, draw.integers(1, 60), dtype=np.uint16)
    return Words(np.sort(numbers), np.zeros(len(numbers), np.uint32))


def _classes(draw: np.random.Generator) -> tuple[int, int]:
    first, second = draw.choice([0, 1, 2, 3, 65_535], 2)
    return int(first), int(second)


def _passes(classes: tuple[int, int], wanted: ClassFilter | None) -> bool:
    return wanted is None or bool(wanted.mask(np.array([classes], np.uint16))[0])


def test_vectors_are_found_as_a_list_of_them_says(make_vectors: Callable[[], VectorIndex]) -> None:
    draw = np.random.default_rng(5)
    index, other = make_vectors(), make_vectors()
    other.add(np.array([10**6]), _unit(draw)[None], np.array([(1, 1)], np.uint16))
    rows: dict[int, Row] = {}
    for step in range(STEPS):
        keys = np.arange(step * 10, step * 10 + draw.integers(1, 9))
        added = [(_classes(draw), _unit(draw)) for _ in keys]
        rows |= dict(zip(keys.tolist(), added, strict=True))
        shown = np.array([classes for classes, _ in added], np.uint16)
        index.add(keys, np.stack([vector for _, vector in added]), shown)
        some = draw.choice(list(rows), min(len(rows), 3), replace=False)
        if step % 2:
            index.remove(np.append(some, 10**7))
            rows = {key: row for key, row in rows.items() if key not in some}
        elif step % 4 == 0:
            new = [_classes(draw) for _ in some]
            index.reclass(some, np.array(new, np.uint16))
            rows |= {int(k): (c, rows[int(k)][1]) for k, c in zip(some, new, strict=True)}
        _compare(index, rows, _unit(draw), FILTERS[step % len(FILTERS)], int(draw.integers(1, 30)))
    assert len(index) == len(rows)
    assert len(other) == 1


def _compare(
    index: VectorIndex, rows: dict[int, Row], query: Vector, wanted: ClassFilter | None, limit: int
) -> None:
    keys, scores = index.search(query, limit, wanted)
    passing = {key: vector for key, (c, vector) in rows.items() if _passes(c, wanted)}
    assert set(keys.tolist()) <= set(passing)
    assert len(set(keys.tolist())) == len(keys) == min(limit, len(passing))
    assert np.all(np.diff(scores) <= 0)
    truth = sorted((float(vector @ query) for vector in passing.values()), reverse=True)
    np.testing.assert_allclose(scores, truth[: len(keys)], atol=0.03)
    assert keys.dtype == np.int64
    assert scores.dtype == np.float32


def test_words_are_found_as_a_list_of_them_says(make_words: Callable[[], WordIndex]) -> None:
    draw = np.random.default_rng(6)
    index, other = make_words(), make_words()
    other.add(np.array([10**6]), [_bag(draw)], np.array([(1, 1)], np.uint16))
    rows: dict[int, tuple[tuple[int, int], Words]] = {}
    for step in range(STEPS):
        keys = np.arange(step * 10, step * 10 + draw.integers(1, 9))
        added = [(_classes(draw), _bag(draw)) for _ in keys]
        rows |= dict(zip(keys.tolist(), added, strict=True))
        index.add(keys, [bag for _, bag in added], np.array([c for c, _ in added], np.uint16))
        some = draw.choice(list(rows), min(len(rows), 3), replace=False)
        if step % 2:
            index.remove(np.append(some, 10**7))
            rows = {key: row for key, row in rows.items() if key not in some}
        elif step % 4 == 0:
            new = [_classes(draw) for _ in some]
            index.reclass(some, np.array(new, np.uint16))
            rows |= {int(k): (c, rows[int(k)][1]) for k, c in zip(some, new, strict=True)}
        wanted, query = FILTERS[step % len(FILTERS)], _bag(draw)
        found, scores = index.search(query, 10_000, wanted)
        sharing = {
            key
            for key, (classes, bag) in rows.items()
            if _passes(classes, wanted) and np.isin(bag.numbers, query.numbers).any()
        }
        assert set(found.tolist()) == sharing
        assert np.all(np.diff(scores) <= 0)
        if rows:
            key, (_, bag) = next(iter(rows.items()))
            assert index.search(bag, 1)[0].tolist() == [key]
    assert len(index) == len(rows)
    assert len(other) == 1


def test_a_picture_without_words_is_found_by_none(make_words: Callable[[], WordIndex]) -> None:
    index = make_words()
    nothing = Words(np.empty(0, np.uint16), np.empty(0, np.uint32))
    index.add(np.array([4]), [nothing], np.array([(0, 0)], np.uint16))
    assert len(index) == 1
    assert len(index.search(nothing, 5)[0]) == 0
    with pytest.raises(ValueError, match="words below"):
        index.search(Words(np.array([VOCABULARY], np.uint16), np.zeros(1, np.uint32)), 5)


@pytest.mark.cluster
def test_a_library_is_emptied_and_no_other(milvus_address: str) -> None:
    from tusou.index.milvus import Milvus, OwnClock

    milvus = Milvus(milvus_address)
    some, other = (
        milvus.vectors("contract@1", DIMENSION, next(NUMBERS), OwnClock()) for _ in range(2)
    )
    draw = np.random.default_rng(7)
    for index, first in ((some, 0), (other, 100)):
        vectors = np.stack([_unit(draw) for _ in range(20)])
        index.add(np.arange(first, first + 20), vectors, np.zeros((20, 2), np.uint16))
    some.clear()
    assert (len(some), len(other)) == (0, 20)
    assert len(some.search(_unit(draw), 5)[0]) == 0
    milvus.close()


@pytest.mark.cluster
def test_rows_that_are_not_as_they_should_be_are_told(
    milvus_address: str, milvus_lite_address: str
) -> None:
    from tusou.index.milvus import Milvus, OwnClock

    draw = np.random.default_rng(8)
    dense, sparse = Milvus(milvus_address), Milvus(milvus_lite_address)
    number, other = next(NUMBERS), next(NUMBERS)
    vectors = dense.vectors("contract@1", DIMENSION, number, OwnClock())
    words = sparse.words(VOCABULARY, number, OwnClock())
    dense.vectors("contract@1", DIMENSION, other, OwnClock()).add(
        np.array([9015]), _unit(draw)[None], np.zeros((1, 2), np.uint16)
    )
    keys = np.arange(9000, 9030)
    rows, bags = np.stack([_unit(draw) for _ in keys]), [_bag(draw) for _ in keys]
    bags[3] = Words(np.empty(0, np.uint16), np.empty(0, np.uint32))
    classes = np.array([_classes(draw) for _ in keys], np.uint16)
    vectors.add(np.delete(keys, 15), np.delete(rows, 15, 0), np.delete(classes, 15, 0))
    words.add(keys, bags, classes)
    assert vectors.differing(keys, rows, classes, (8999, 9029)) == [9015]  # missing
    assert words.differing(keys, bags, classes, (8999, 9029)) == []
    some = np.array([9001, 9002])
    others = np.array([(40, 41)] * 2, np.uint16)
    vectors.reclass(some, others)
    words.reclass(some, others)
    assert vectors.differing(keys[2:3], rows[2:3], classes[2:3], (9001, 9002)) == [9002]
    assert words.differing(keys, bags, classes, (8999, 9029)) == [9001, 9002]
    rows[20], bags[20] = _unit(draw), _bag(draw)
    found = vectors.differing(keys[:25], rows[:25], classes[:25], (8999, 1 << 60))
    assert found == [9001, 9002, 9015, 9020, *range(9025, 9030)]
    assert words.differing(keys[19:25], bags[19:25], classes[19:25], (9018, 9025)) == [9020, 9025]
    nothing = np.empty(0, np.int64), rows[:0], classes[:0]
    assert vectors.differing(*nothing, (9027, 1 << 60)) == [9028, 9029]
    dense.close()
    sparse.close()


@pytest.mark.cluster
def test_an_index_that_does_not_answer_is_told_as_unavailable() -> None:
    pytest.importorskip("pymilvus", reason="scripts/install cluster installs pymilvus")
    from tusou.errors import Problem, TusouError
    from tusou.index.milvus import Milvus

    with pytest.raises(TusouError) as caught:
        Milvus("http://127.0.0.1:9")
    assert caught.value.problem is Problem.UNAVAILABLE
