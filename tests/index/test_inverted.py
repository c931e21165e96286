import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial

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
from tusou.index.base import WordIndex
from tusou.index.gate import Gate
from tusou.index.inverted import InvertedIndex
from tusou.index.worker import Worker
from tusou.types import Classes, ClassFilter, ClassTerm, Keys, Words

Bag = list[tuple[int, int]]
"""Words and signatures of a picture's features."""

VOCABULARY = 500
AFFINITIES = np.array([1, 0.75, 0.5, 0.25] + [0] * 29, np.float32)
KNOBS: dict[str, dict[str, int]] = {
    "tail": {"tail_rows": 8192},
    "segments": {"tail_rows": 16, "segment_rows": 128},
    "bulk": {"tail_rows": 1, "segment_rows": 32},
}


def some_words(count: int, seed: int = 0, length: int = 20) -> list[Words]:
    dice = np.random.default_rng(seed)
    numbers = dice.integers(0, VOCABULARY, (count, length), dtype=np.uint16)
    signatures = dice.integers(0, 1 << 3, (count, length), dtype=np.uint32)
    return [Words(*pair) for pair in zip(numbers, signatures, strict=True)]


def pairs_of(words: Words) -> Bag:
    return list(zip(words.numbers.tolist(), words.signatures.tolist(), strict=True))


def words_of(*words: int, signature: int = 0) -> Words:
    return Words(np.array(words, np.uint16), np.full(len(words), signature, np.uint32))


def filled(index: InvertedIndex, count: int, seed: int = 0, call: int = 7) -> list[Words]:
    """Add pictures 0 … count - 1 with `some_classes`, in many calls."""
    words, classes = some_words(count, seed), some_classes(count)
    for start in range(0, count, call):
        keys = np.arange(start, min(start + call, count))
        index.add(keys, words[start : start + call], classes[keys])
    return words


def found(index: InvertedIndex, words: Words, limit: int = 1) -> list[int]:
    keys, _ = index.search(words, limit)
    return [int(key) for key in keys]


def everything() -> Words:
    return words_of(*range(VOCABULARY))


def scores_of(held: Mapping[int, Bag], words: Words) -> dict[int, float]:
    """Scores of the pictures that have a feature like one of the query's, as they should be."""
    counts = Counter(word for bag in held.values() for word, _ in bag)
    rarity = {word: len(held) / count for word, count in counts.items()}
    query = defaultdict[int, list[int]](list)
    for word, signature in pairs_of(words):
        query[word].append(signature)
    scores = {key: _score(bag, query, rarity) for key, bag in held.items()}
    return {key: score for key, score in scores.items() if score > 0}


def _score(bag: Bag, query: dict[int, list[int]], rarity: dict[int, float]) -> float:
    times = Counter(word for word, _ in bag)
    total = sum(
        np.log1p(rarity[word]) ** 2
        * AFFINITIES[(signature ^ asked).bit_count()]
        / min(times[word], 4) ** 0.5
        for word, signature in bag
        for asked in query.get(word, [])
    )
    return float(total / max(len(bag), 1) ** 0.5)


@pytest.fixture
def make() -> Iterator[Callable[..., InvertedIndex]]:
    made: list[InvertedIndex] = []

    def make_one(vocabulary: int = VOCABULARY, **knobs: object) -> InvertedIndex:
        made.append(InvertedIndex(vocabulary, AFFINITIES, **knobs))  # type: ignore[arg-type]
        return made[-1]

    yield make_one
    for index in made:
        index.close()


@pytest.fixture(params=list(KNOBS))
def index(request: pytest.FixtureRequest, make: Callable[..., InvertedIndex]) -> InvertedIndex:
    """An index that is all tail, one of tail and segments, or one of segments alone."""
    return make(**KNOBS[request.param])


def test_an_inverted_file_keeps_the_contract() -> None:
    index: WordIndex = InvertedIndex(VOCABULARY, AFFINITIES)
    index.close()


def test_an_empty_index_finds_nothing(index: InvertedIndex) -> None:
    keys, scores = index.search(everything(), 10)
    assert len(index) == len(keys) == len(scores) == 0
    index.add(np.empty(0, np.int64), [], no_classes(0))
    assert len(index) == 0


def test_the_most_alike_come_first_with_their_scores(index: InvertedIndex) -> None:
    held = {key: pairs_of(bag) for key, bag in enumerate(filled(index, 300))}
    index.settle()
    for query in some_words(20, seed=2, length=40):
        keys, scores = index.search(query, 25)
        truth = scores_of(held, query)
        assert keys.dtype == np.int64
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, sorted(truth.values())[::-1][:25], rtol=1e-4)
        np.testing.assert_allclose(scores, [truth[key] for key in keys.tolist()], rtol=1e-4)


def test_a_picture_finds_itself(index: InvertedIndex) -> None:
    words = filled(index, 200)
    assert [found(index, bag) for bag in words] == [[key] for key in range(200)]


def test_the_only_picture_of_a_library_is_found(index: InvertedIndex) -> None:
    index.add(np.array([7]), [words_of(3, 4)], no_classes(1))
    assert found(index, words_of(4, 9)) == [7]


def test_a_picture_that_shares_no_word_is_not_found(index: InvertedIndex) -> None:
    index.add(np.arange(3), [words_of(1, 2), words_of(3), words_of()], no_classes(3))
    assert len(index) == 3
    assert found(index, words_of(1, 9), 10) == [0]
    assert found(index, words_of(9), 10) == found(index, words_of(), 10) == []


def test_a_rare_word_weighs_more_than_a_frequent_one(index: InvertedIndex) -> None:
    frequent = [words_of(1, 5 + key) for key in range(50)]
    index.add(np.arange(51), [*frequent, words_of(2, 3)], no_classes(51))
    assert found(index, words_of(1, 2)) == [50]


def test_a_word_that_repeats_weighs_more_but_not_in_proportion(index: InvertedIndex) -> None:
    words = [words_of(1, 1, 1, 1, 8), words_of(1, 9, 9, 9, 9), words_of(1, 2, 7, 7, 7)]
    index.add(np.arange(3), words, no_classes(3))
    _, scores = index.search(words_of(1), 3)
    np.testing.assert_allclose(scores[0] / scores[1:], 2, rtol=1e-4)
    assert found(index, words_of(1, 2)) == [2]


def test_a_feature_weighs_less_the_more_its_signature_differs(index: InvertedIndex) -> None:
    differing = (0b0, 0b100, 0b1100, 0b11100, 0b111100)
    words = [words_of(1, signature=signature) for signature in differing]
    index.add(np.arange(5), words, no_classes(5))
    keys, scores = index.search(words_of(1), 5)
    assert keys.tolist() == [0, 1, 2, 3]  # the last is not the same feature any more
    np.testing.assert_allclose(scores / scores[0], AFFINITIES[:4], rtol=1e-4)


def test_the_first_and_the_last_word_of_the_largest_vocabulary_count(
    make: Callable[..., InvertedIndex],
) -> None:
    for knobs in KNOBS.values():
        index = make(1 << 16, **knobs)
        index.add(np.arange(2), [words_of(0), words_of(65535)], no_classes(2))
        assert found(index, words_of(0), 5) == [0]
        assert found(index, words_of(65535), 5) == [1]


@pytest.mark.parametrize("knobs", KNOBS.values(), ids=KNOBS)
def test_near_twins_are_found_however_many_they_are(
    make: Callable[..., InvertedIndex], knobs: dict[str, int]
) -> None:
    index = make(**knobs)
    twins = [words_of(*range(20), 100 + key) for key in range(60)]
    index.add(np.arange(60), twins, no_classes(60))
    assert found(index, twins[7]) == [7]
    assert len(found(index, words_of(*range(20)), 60)) == 60


@pytest.mark.parametrize(
    "knobs", [{"vocabulary": 65537}, {"segment_rows": 16385}, {"tail_rows": 8193}], ids=str
)
def test_more_than_16_bits_can_number_is_refused(
    make: Callable[..., InvertedIndex], knobs: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match="16 bits"):
        make(**knobs)


def test_a_search_reads_the_rarest_words_first_and_no_more_than_it_may(
    make: Callable[..., InvertedIndex],
) -> None:
    words = [words_of(1), words_of(1), words_of(2), words_of(1, 3)]
    for most, expected in ((1, [2]), (2, [2, 3]), (4, [2, 3]), (5, [0, 1, 2, 3])):
        index = make(most_postings=most)
        index.add(np.arange(4), words, no_classes(4))
        assert sorted(found(index, words_of(1, 2, 3), 9)) == expected


def test_a_limit_beyond_the_size_gives_every_picture(index: InvertedIndex) -> None:
    filled(index, 150)
    assert sorted(found(index, everything(), 10**6)) == list(range(150))


def test_a_limit_of_none_gives_no_picture(index: InvertedIndex) -> None:
    filled(index, 50)
    assert found(index, everything(), 0) == []


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_only_pictures_that_pass_the_filter_are_found_and_all_of_them(
    index: InvertedIndex, wanted: ClassFilter
) -> None:
    filled(index, 300)
    passing = np.flatnonzero(wanted.mask(some_classes(300)))
    for _ in range(2):
        keys, _scores = index.search(everything(), 300, wanted)
        np.testing.assert_array_equal(np.sort(keys), passing)
        index.settle()


def test_a_page_is_full_however_unlike_the_pictures_that_pass(index: InvertedIndex) -> None:
    near = [words_of(1, 2, 3, 10 + key) for key in range(60)]
    far = [words_of(1, *range(100, 120)) for _ in range(20)]
    classes = np.array([[0, 0]] * 60 + [[1, 0]] * 20, np.uint16)
    index.add(np.arange(80), near + far, classes)
    keys, _ = index.search(words_of(1, 2, 3), 20, ClassFilter((ClassTerm(1, 0),)))
    assert sorted(keys.tolist()) == list(range(60, 80))


def test_a_key_that_is_there_already_is_refused_and_nothing_is_added(index: InvertedIndex) -> None:
    words = filled(index, 100)
    for keys, message in [(np.array([500, 7]), "already"), (np.array([500, 500]), "twice")]:
        with pytest.raises(ValueError, match=message):
            index.add(keys, some_words(2, 9), no_classes(2))
    assert len(index) == 100
    assert sorted(found(index, everything(), 1000)) == list(range(100))
    assert found(index, words[7]) == [7]
    index.add(np.array([500]), some_words(1, 9), no_classes(1))
    assert found(index, some_words(1, 9)[0]) == [500]


@pytest.mark.parametrize(
    ("keys", "words", "classes"),
    [
        (np.arange(2), some_words(3), no_classes(2)),
        (np.arange(2), some_words(2), no_classes(3)),
        (np.arange(2), some_words(2), np.zeros(2, np.uint16)),
        (
            np.arange(1),
            [Words(np.zeros((2, 2), np.uint16), np.zeros((2, 2), np.uint32))],
            no_classes(1),
        ),
        (np.arange(1), [Words(np.zeros(2, np.uint16), np.zeros(3, np.uint32))], no_classes(1)),
        (np.arange(1), [words_of(VOCABULARY)], no_classes(1)),
    ],
)
def test_what_does_not_fit_is_refused(
    index: InvertedIndex, keys: Keys, words: list[Words], classes: Classes
) -> None:
    with pytest.raises(ValueError, match="not"):
        index.add(keys, words, classes)
    assert len(index) == 0


@pytest.mark.parametrize(
    "words",
    [
        words_of(VOCABULARY),
        Words(np.zeros((1, 1), np.uint16), np.zeros((1, 1), np.uint32)),
        Words(np.zeros(3, np.uint16), np.zeros(2, np.uint32)),
        Words(np.zeros(3, np.uint16), np.zeros(3, np.uint16)),
        Words(np.zeros(3, np.float32), np.zeros(3, np.uint32)),
    ],
)
def test_a_query_that_does_not_fit_is_refused(index: InvertedIndex, words: Words) -> None:
    with pytest.raises(ValueError, match="not"):
        index.search(words, 1)


def test_a_removed_picture_is_gone_at_once(index: InvertedIndex) -> None:
    words = filled(index, 200)
    index.remove(np.array([5, 150, 150, 99_999]))
    assert len(index) == 198
    assert not {5, 150} & set(found(index, Words.join([words[5], words[150]]), 300))
    index.remove(np.arange(200))
    assert len(index) == 0
    assert found(index, everything(), 300) == []
    index.settle()
    assert found(index, everything(), 300) == []


def test_a_removed_key_can_come_back_with_other_words(index: InvertedIndex) -> None:
    words, other = filled(index, 100), some_words(1, 77)
    index.remove(np.array([5]))
    index.add(np.array([5]), other, no_classes(1))
    assert found(index, other[0]) == [5]
    assert found(index, words[5]) != [5]


def test_new_classes_count_at_once(index: InvertedIndex) -> None:
    filled(index, 200)
    index.reclass(np.array([3, 190, 99_999]), np.array([[9, 0], [0, 9], [9, 9]], np.uint16))
    keys, _ = index.search(everything(), 300, ClassFilter((ClassTerm(9, None),)))
    assert sorted(keys.tolist()) == [3, 190]
    with pytest.raises(ValueError, match="not"):
        index.reclass(np.arange(2), no_classes(3))


def test_an_index_may_grow_shrink_and_grow_again(index: InvertedIndex) -> None:
    grows_and_shrinks(index, some_words, lambda: set(found(index, everything(), 10_000)))


def test_a_block_of_16384_pictures_numbers_them_all(make: Callable[..., InvertedIndex]) -> None:
    count, index = (1 << 14) + 3, make(dead_part=0)
    words = [words_of(key % 499, 499) if key % 4096 == 0 else words_of(499) for key in range(count)]
    words[-1] = words[(1 << 14) - 1] = words_of(498)
    index.add(np.arange(count), words, no_classes(count))
    assert sorted(found(index, words_of(498), count)) == [(1 << 14) - 1, count - 1]
    index.remove(np.array([0, 1, 2]))
    index.settle()
    assert sorted(found(index, words_of(498), count)) == [(1 << 14) - 1, count - 1]
    assert len(index) == count - 3


def test_writes_and_searches_at_once_see_what_has_returned(
    make: Callable[..., InvertedIndex],
) -> None:
    index = make(tail_rows=64, segment_rows=512, dead_part=0.05)
    bags = partial(some_words, length=30)
    left = works_for_many_at_once(index, bags, partial(found, index))
    assert len(index) == len(found(index, everything(), 10_000)) == left


def test_a_closed_index_still_takes_pictures_and_answers(
    make: Callable[..., InvertedIndex],
) -> None:
    index = make(tail_rows=8, segment_rows=64)
    index.close()
    words = filled(index, 200)
    index.remove(np.array([9]))
    assert found(index, words[17]) == [17]
    assert len(found(index, everything(), 300)) == 199
    assert "words-upkeep" not in {thread.name for thread in threading.enumerate()}


def test_background_work_that_fails_is_logged_and_leaves_no_thread(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate, begun = Gate(), threading.Event()

    def fail() -> None:
        begun.set()
        raise RuntimeError("a job went wrong")

    worker = Worker("failing", gate, lambda: fail)
    with gate.writing():
        worker.wake()
    assert begun.wait(10)
    worker.close()
    with gate.writing():
        worker.wake()
    worker.settle()
    assert "failing" not in {thread.name for thread in threading.enumerate()}
    assert ["a job went wrong" in str(record.exc_text) for record in caplog.records] == [True]


class WordCongruence(Congruence):
    """Words: who shares one is found, and scores are as they should be."""

    def __init__(self) -> None:
        super().__init__()
        self.index = InvertedIndex(
            VOCABULARY, AFFINITIES, tail_rows=16, segment_rows=64, dead_part=0
        )

    def scores(self, query: Words, wanted: ClassFilter | None) -> dict[int, float]:
        """Of those that pass; how rare a word is goes by all."""
        found = scores_of(self.held, query)
        return {key: score for key, score in found.items() if self.passes(key, wanted)}

    @rule(
        start=KEYS,
        count=st.integers(0, 80),
        seed=st.integers(0, 10**6),
        length=st.integers(0, 30),
        pair=PAIRS,
    )
    def add(self, start: int, count: int, seed: int, length: int, pair: tuple[int, int]) -> None:
        words, keys = some_words(count, seed, length), range(start, start + count)
        for bag in words[: count // 2]:
            bag.numbers[: length // 2] %= 7  # repeats
        if self.held.keys() & set(keys):
            with pytest.raises(ValueError, match="already"):
                self.index.add(np.array(keys), words, alike(count, pair))
            return
        self.index.add(np.array(keys, np.int64), words, alike(count, pair))
        self.held.update(zip(keys, map(pairs_of, words), strict=True))
        self.classes.update(dict.fromkeys(keys, pair))

    @rule(seed=st.integers(0, 10**6), wanted=MAYBE_FILTERS)
    def find_all(self, seed: int, wanted: ClassFilter | None) -> None:
        query = some_words(1, seed)[0]
        keys, scores = self.index.search(query, 10**6, wanted)
        assert len(set(keys.tolist())) == len(keys)
        assert set(keys.tolist()) == set(self.scores(query, wanted))
        assert np.all(np.diff(scores) <= 0)

    @rule(seed=st.integers(0, 10**6), limit=st.integers(1, 400), wanted=MAYBE_FILTERS)
    def rank(self, seed: int, limit: int, wanted: ClassFilter | None) -> None:
        """Scores agree once nothing removed is left: until then it counts in the idf."""
        numbers, signatures = some_words(1, seed)[0]
        query = Words(numbers // np.uint16(2), signatures)
        self.index.settle()
        keys, scores = self.index.search(query, limit, wanted)
        truth = self.scores(query, wanted)
        best = sorted(truth.values(), reverse=True)[:limit]
        np.testing.assert_allclose(scores, best, rtol=1e-4)
        np.testing.assert_allclose(scores, [truth[key] for key in keys.tolist()], rtol=1e-4)


TestCongruence = WordCongruence.TestCase
TestCongruence.settings = CONGRUENT
