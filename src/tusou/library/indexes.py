"""The indexes over one library, kept in step: by vector, and by visual words where it has them."""

from collections.abc import Sequence

import numpy as np

from tusou.index.base import VectorIndex, WordIndex
from tusou.storage.items import Items
from tusou.types import Classes, Features, Keys
from tusou.vision import keypoints
from tusou.vision.words import assign

_BACKFILL_ROWS = 1000
_SQL_KEYS = 500
"""Numbers in one statement; SQLite takes 32,766, older ones 999."""


class Indexes:
    """What a library is searched by. Changes are made by one thread at a time."""

    def __init__(self, vectors: VectorIndex, words: WordIndex | None) -> None:
        self.vectors = vectors
        self.words = words

    def __len__(self) -> int:
        return len(self.vectors)

    def load(self, items: Items, pack: str) -> None:
        """Fill empty indexes with all pictures of a library."""
        if self.words is not None:
            _give_missing_words(items)
        self._take(items, pack, None)

    def renew(self, items: Items, pack: str, changed: Sequence[int]) -> None:
        """Take pictures in as they are now, or out where they are gone."""
        self.remove(np.array(changed, np.int64))
        for start in range(0, len(changed), _SQL_KEYS):
            self._take(items, pack, changed[start : start + _SQL_KEYS])

    def _take(self, items: Items, pack: str, which: Sequence[int] | None) -> None:
        for keys, vectors, classes in items.scan(pack, which):
            self.vectors.add(keys, vectors, classes)
        if self.words is not None:
            for keys, words, classes in items.scan_words(which):
                self.words.add(keys, words, classes)

    def add(self, key: int, features: Features, classes: tuple[int, int]) -> None:
        """Add one picture."""
        keys, rows = np.array([key]), np.array([classes], np.uint16)
        self.vectors.add(keys, features.vector[None], rows)
        if self.words is not None and features.words is not None:
            self.words.add(keys, [features.words], rows)

    def remove(self, keys: Keys) -> None:
        """Take pictures out."""
        self.vectors.remove(keys)
        if self.words is not None:
            self.words.remove(keys)

    def reclass(self, keys: Keys, classes: Classes) -> None:
        """Give pictures new classes [N × 2]."""
        self.vectors.reclass(keys, classes)
        if self.words is not None:
            self.words.reclass(keys, classes)

    def catch_up(self, older: float) -> None:
        """Follow changes that other processes made and did not bring here; there are none."""

    def close(self) -> None:
        """Stop background work."""
        self.vectors.close()
        if self.words is not None:
            self.words.close()


def _give_missing_words(items: Items) -> None:
    """Pictures added before there were words get theirs, once."""
    while missing := items.without_words(_BACKFILL_ROWS):
        items.give_words(
            {key: assign(keypoints.unpack(data).descriptors) for key, data in missing.items()}
        )
