"""The indexes over one library in an engine that several servers share."""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tusou.index.base import Range, SharedVectorIndex, SharedWordIndex
from tusou.library.indexes import Indexes
from tusou.storage.items import Items, VectorRows, WordRows
from tusou.storage.stale import Entry, SharedClock, Stale
from tusou.types import Classes, Features, Keys

_PORTION = 500
"""Marks that are settled at a time; changes of the same pictures wait as long."""
_COMPARED = 2000
"""Pictures that are read from SQL and from the engine at a time, to compare them."""
_LAST = (1 << 62) - 1

OtherVectors = Callable[[str], SharedVectorIndex | None]
"""Opens the library's vectors of another pack; None where this server does not have the pack."""
Tell = Callable[[int, int, float], bool]
"""Is told up to which number pictures are done, how many more these are, and how many seconds they
took; False: break off."""


class SharedIndexes(Indexes):
    """What a library is searched by, the same for all servers.

    What a change says it changed is not looked at: the entries are written as SQL has them by then.
    """

    def __init__(
        self,
        vectors: SharedVectorIndex,
        words: SharedWordIndex | None,
        stale: Stale,
        pack: str,
        dimension: int,
        clocks: Sequence[SharedClock],
        other_vectors: OtherVectors,
    ) -> None:
        super().__init__(vectors, words)
        self._own = vectors
        self._own_words = words
        self._stale = stale
        self._pack = pack
        self._dimension = dimension
        self._clocks = clocks
        self._other_vectors = other_vectors

    def load(self, items: Items, pack: str) -> None:
        """Leave filling them to the server whose duty it is; it is done once."""
        self._stale.begin(self._clear, self._clocks)

    def add(self, key: int, features: Features, classes: tuple[int, int]) -> None:
        """Add one picture."""
        self.settle([key])

    def remove(self, keys: Keys) -> None:
        """Take pictures out."""
        self.settle(keys.tolist())

    def reclass(self, keys: Keys, classes: Classes) -> None:
        """Give pictures new classes."""
        self.settle(keys.tolist())

    def renew(self, items: Items, pack: str, changed: Sequence[int]) -> None:
        """Write the vectors of pictures that got new ones; others are as they were."""
        self._replace(changed)

    def settle(self, keys: Sequence[int]) -> None:
        """Bring the indexes after pictures that are marked.

        Raises:
            TusouError: UNAVAILABLE, the engine does not answer; the marks stay.
        """
        for some in _cut(keys):
            self._stale.settle(some, self._write, self._clocks)

    def catch_up(self, older: float) -> None:
        """Settle what others marked more than `older` seconds ago and left behind."""
        while keys := self._stale.waiting(_PORTION, older):
            self.settle(keys)

    def mend(self, items: Items, after: int, tell: Tell) -> bool:
        """Compare all pictures of numbers greater than `after` with SQL, and mend what differs.

        What is right is not touched, so that searches go on finding it. False: broken off.
        """
        while after < _LAST:
            started = time.monotonic()
            keys = items.numbers(after, _COMPARED)
            within = after, (keys[-1] if len(keys) == _COMPARED else _LAST)
            # More than there should be in all: so it did not look at all there is.
            while self._mend(items, keys, within) > len(keys):
                pass
            after = within[1]
            if not tell(keys[-1] if keys else 0, len(keys), time.monotonic() - started):
                return False
        return True

    def _mend(self, items: Items, keys: Sequence[int], within: Range) -> int:
        """Mend what differs within a range; returns how many that were, in one index or other."""
        found = list(items.scan(self._pack, keys)) or [_none(self._dimension)]
        vectors = {key for rows in found for key in self._own.differing(*rows, within)}
        self._replace(sorted(vectors))
        if self._own_words is None:
            return len(vectors)
        bags = list(items.scan_words(keys)) or [_no_words()]
        words = {key for rows in bags for key in self._own_words.differing(*rows, within)}
        for some in _cut(sorted(words)):
            self._stale.mend(some, self._write_words, self._clocks)
        return max(len(vectors), len(words))

    def _replace(self, keys: Sequence[int]) -> None:
        """Write vectors of the own pack, as SQL has them."""

        def write(keys: Sequence[int], entries: Sequence[Entry], _: object) -> None:
            _write_vectors(self._own, self._pack, keys, entries)

        for some in _cut(keys):
            self._stale.mend(some, write, self._clocks)

    def _clear(self) -> None:
        self._own.clear()
        if self._own_words is not None:
            self._own_words.clear()

    def _write(self, keys: Sequence[int], entries: Sequence[Entry], packs: Sequence[str]) -> None:
        """Let all indexes have these entries under these keys, and those of other packs, too."""
        for pack in {self._pack, *packs}:
            index = self._own if pack == self._pack else self._other_vectors(pack)
            if index is not None:
                _write_vectors(index, pack, keys, entries)
        self._write_words(keys, entries, packs)

    def _write_words(self, keys: Sequence[int], entries: Sequence[Entry], _: object) -> None:
        if self._own_words is None:
            return
        worded = [(entry, entry.words) for entry in entries if entry.words is not None]
        there = [entry for entry, _ in worded]
        _remove(self._own_words, keys, there)
        if there:
            self._own_words.add(_keys(there), [bag for _, bag in worded], _classes(there))


def _write_vectors(
    index: SharedVectorIndex, pack: str, keys: Sequence[int], entries: Sequence[Entry]
) -> None:
    there = [entry for entry in entries if pack in entry.vectors]
    _remove(index, keys, there)
    if there:
        rows = np.stack([entry.vectors[pack] for entry in there])
        index.add(_keys(there), rows, _classes(there))


def _remove(
    index: SharedVectorIndex | SharedWordIndex, keys: Sequence[int], there: Sequence[Entry]
) -> None:
    """Take out only what is away for good: an index replaces what it is given again."""
    gone = sorted(set(keys) - {entry.key for entry in there})
    if gone:
        index.remove(np.array(gone, np.int64))


def _none(dimension: int) -> VectorRows:
    return np.empty(0, np.int64), np.empty((0, dimension), np.float32), np.empty((0, 2), np.uint16)


def _no_words() -> WordRows:
    return np.empty(0, np.int64), [], np.empty((0, 2), np.uint16)


def _keys(entries: Sequence[Entry]) -> Keys:
    return np.array([entry.key for entry in entries], np.int64)


def _classes(entries: Sequence[Entry]) -> Classes:
    return np.array([entry.classes for entry in entries], np.uint16)


def _cut(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    return (keys[start : start + _PORTION] for start in range(0, len(keys), _PORTION))
