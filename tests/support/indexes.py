"""What tests of the vector index and of the inverted file share: classes, filters, laws."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tusou.types import Classes, ClassFilter, ClassTerm

Index = Any
"""Of vectors or of words: what is said here holds for both."""


class Some(Protocol):
    """Makes so many pictures of a seed, as an index takes them."""

    def __call__(self, count: int, seed: int = 0, /) -> Any: ...


FILTERS = [
    ClassFilter((ClassTerm(1, None),)),
    ClassFilter((ClassTerm(1, 0),)),
    ClassFilter((ClassTerm(2, 1),)),
    ClassFilter((ClassTerm(1, 0), ClassTerm(2, 1)), "all"),
    ClassFilter((ClassTerm(1, 0), ClassTerm(2, 1)), "any"),
    ClassFilter((ClassTerm(1, None), ClassTerm(3, None)), "all"),
    ClassFilter((ClassTerm(9, None),)),
]
CONGRUENT = settings(max_examples=60, stateful_step_count=25, deadline=None)

KEYS = st.integers(0, 300)
PAIRS = st.tuples(st.integers(0, 3), st.integers(0, 3))
_TERMS = st.builds(ClassTerm, st.integers(0, 3), st.sampled_from([None, 0, 1]))
_MATCHES: st.SearchStrategy[Literal["all", "any"]] = st.sampled_from(["all", "any"])
MAYBE_FILTERS = st.none() | st.builds(
    ClassFilter, st.lists(_TERMS, min_size=1, max_size=3).map(tuple), _MATCHES
)


def no_classes(count: int) -> Classes:
    """Classes of pictures that have none."""
    return np.zeros((count, 2), np.uint16)


def some_classes(count: int, seed: int = 1) -> Classes:
    """Classes 0 to 3 by lot."""
    return np.random.default_rng(seed).integers(0, 4, (count, 2), dtype=np.uint16)


def alike(count: int, pair: tuple[int, int]) -> Classes:
    """The same classes for all."""
    return np.array([pair] * count, np.uint16).reshape(-1, 2)


def grows_and_shrinks(index: Index, some: Some, all_keys: Callable[[], set[int]]) -> None:
    """Rounds of adds and removals; nothing is lost and nothing comes back.

    Args:
        index: An empty one.
        some: Makes so many pictures from a seed.
        all_keys: What a search that everything fits finds.
    """
    kept: set[int] = set()
    for turn in range(8):
        keys = np.arange(turn * 1000, turn * 1000 + 400)
        index.add(keys, some(400, turn), some_classes(400))
        gone = keys[: 100 if turn % 3 else 390]
        index.remove(gone)
        kept |= set(keys.tolist()) - set(gone.tolist())
        if turn % 2:
            index.settle()
        assert all_keys() == kept
    index.settle()
    assert all_keys() == kept


def works_for_many_at_once(
    index: Index,
    some: Some,
    found: Callable[[Any, int], list[int]],
) -> int:
    """Three write, two search; who has written finds it. Returns how many pictures are left.

    Args:
        index: An empty one.
        some: Makes so many pictures from a seed.
        found: The keys that a search for a picture finds, so many at most.
    """

    def write(writer: int) -> None:
        pictures = some(900, 100 + writer)
        for turn, start in enumerate(range(0, 900, 30)):
            keys = np.arange(start, start + 30) + writer * 10_000
            mine = pictures[start : start + 30]
            index.add(keys, mine, some_classes(30))
            assert [found(one, 1) for one in mine[:3]] == [[key] for key in keys[:3]]
            if turn % 2:
                index.remove(keys)
                assert not set(found(mine[0], 500)) & set(keys.tolist())

    def read() -> None:
        for query in some(60, 200):
            keys, scores = index.search(query, 50, FILTERS[0])
            assert len(set(keys.tolist())) == len(keys) == len(scores)
            assert np.all(np.diff(scores) <= 0)

    jobs: list[Callable[[], None]] = [lambda n=n: write(n) for n in range(3)]  # type: ignore[misc]
    at_once([*jobs, read, read])
    index.settle()
    return 3 * 450


def at_once(jobs: Sequence[Callable[[], None]]) -> None:
    """Run each in a thread of its own; what one raises is raised."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Congruence(RuleBasedStateMachine):
    """Any sequence of operations leaves an index and what was put into it in agreement.

    Those of an index add how pictures come in, and what a search finds.
    """

    index: Index

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, Any] = {}
        """What each picture is to be found by."""
        self.classes: dict[int, tuple[int, int]] = {}

    def passes(self, key: int, wanted: ClassFilter | None) -> bool:
        """Whether a picture has the classes that are asked for."""
        classes = alike(1, self.classes.get(key, (0, 0)))
        return wanted is None or bool(wanted.mask(classes)[0])

    @rule(start=KEYS, count=st.integers(0, 150))
    def remove(self, start: int, count: int) -> None:
        self.index.remove(np.arange(start, start + count))
        for key in range(start, start + count):
            self.held.pop(key, None)

    @rule(start=KEYS, count=st.integers(0, 40), pair=PAIRS)
    def reclass(self, start: int, count: int, pair: tuple[int, int]) -> None:
        self.index.reclass(np.arange(start, start + count), alike(count, pair))
        self.classes.update(dict.fromkeys(range(start, start + count), pair))

    @rule()
    def settle(self) -> None:
        self.index.settle()

    @invariant()
    def sizes_agree(self) -> None:
        assert len(self.index) == len(self.held)

    def teardown(self) -> None:
        self.index.close()
