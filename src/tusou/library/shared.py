"""The indexes over one library in an engine that several servers share."""

from collections.abc import Sequence

import numpy as np

from tusou.index.base import SharedVectorIndex, SharedWordIndex
from tusou.library.indexes import Indexes
from tusou.storage.items import Items
from tusou.storage.stale import Entry, SharedClock, Stale
from tusou.types import Classes, Features, Keys

_PORTION = 500
"""Marks that are settled at a time; changes of the same pictures wait as long."""


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
        clocks: Sequence[SharedClock],
    ) -> None:
        super().__init__(vectors, words)
        self._clear_vectors = vectors.clear
        self._clear_words = words.clear if words is not None else lambda: None
        self._stale = stale
        self._pack = pack
        self._clocks = clocks

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
        """Bring the indexes after pictures that changed; others are as they were."""
        self.settle(changed)

    def settle(self, keys: Sequence[int]) -> None:
        """Bring the indexes after pictures that are marked.

        Raises:
            TusouError: UNAVAILABLE, the engine does not answer; the marks stay.
        """
        for start in range(0, len(keys), _PORTION):
            self._stale.settle(keys[start : start + _PORTION], self._apply, self._clocks)

    def catch_up(self, older: float) -> None:
        """Settle what others marked more than `older` seconds ago and left behind."""
        while keys := self._stale.waiting(_PORTION, older):
            self.settle(keys)

    def _clear(self) -> None:
        self._clear_vectors()
        self._clear_words()

    def _apply(self, keys: Sequence[int], entries: Sequence[Entry]) -> None:
        # Only what is away for good: an index replaces what it is given again.
        gone = np.array(sorted(set(keys) - {entry.key for entry in entries}), np.int64)
        if gone.size:
            self.vectors.remove(gone)
            if self.words is not None:
                self.words.remove(gone)
        there = [entry for entry in entries if self._pack in entry.vectors]
        if there:
            rows = np.stack([entry.vectors[self._pack] for entry in there])
            self.vectors.add(_keys(there), rows, _classes(there))
        worded = [(entry, entry.words) for entry in entries if entry.words is not None]
        if self.words is not None and worded:
            them = [entry for entry, _ in worded]
            self.words.add(_keys(them), [bag for _, bag in worded], _classes(them))


def _keys(entries: Sequence[Entry]) -> Keys:
    return np.array([entry.key for entry in entries], np.int64)


def _classes(entries: Sequence[Entry]) -> Classes:
    return np.array([entry.classes for entry in entries], np.uint16)
