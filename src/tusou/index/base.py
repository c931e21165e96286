"""The contracts that every vector index and every word index keep."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tusou.types import Classes, ClassFilter, Keys, Vector, Vectors, Words

Weights = NDArray[np.float32]
"""[N] weights or scores, 0 or more."""
Range = tuple[int, int]
"""Keys greater than the first, up to the second."""


class VectorIndex(Protocol):
    """Nearest vectors by inner product, filtered by class.

    Safe to call from many threads: searches run beside each other and beside writes.
    A write that has returned is seen by every later search.
    """

    def __len__(self) -> int:
        """How many vectors can be found."""
        ...

    def add(self, keys: Keys, vectors: Vectors, classes: Classes) -> None:
        """Add rows: keys [N], vectors [N × D] of unit length, classes [N × 2].

        Raises:
            ValueError: a key is in the index already, or the shapes do not fit.
        """
        ...

    def remove(self, keys: Keys) -> None:
        """Take rows out at once; keys that are not there are passed over."""
        ...

    def reclass(self, keys: Keys, classes: Classes) -> None:
        """Give rows new classes [N × 2]; keys that are not there are passed over."""
        ...

    def search(
        self, vector: Vector, limit: int, classes: ClassFilter | None = None
    ) -> tuple[Keys, Vector]:
        """Find the `limit` nearest rows that pass the filter, fewer only where fewer pass.

        Returns:
            Keys [≤ limit] and inner products [≤ limit], falling.
        """
        ...

    def close(self) -> None:
        """Stop background work."""
        ...


class SharedVectorIndex(VectorIndex, Protocol):
    """One that outlives this process, and that others write to, too. A key that is added again is
    replaced.
    """

    def clear(self) -> None:
        """Take all rows out."""
        ...

    def differing(self, keys: Keys, vectors: Vectors, classes: Classes, within: Range) -> list[int]:
        """All keys within a range under which it has not these rows, but others, none, or too many.

        It sees all that was written before. Of more than some thousand rows in the range it may
        look at a part only: then it finds more keys than were given.
        """
        ...


class WordIndex(Protocol):
    """Pictures that share visual words with a query, filtered by class.

    As safe to call from many threads as a `VectorIndex`, with the same promises.
    """

    def __len__(self) -> int:
        """How many pictures can be found."""
        ...

    def add(self, keys: Keys, words: Sequence[Words], classes: Classes) -> None:
        """Add pictures: keys [N], the words of each, classes [N × 2].

        Raises:
            ValueError: a key is in the index already, a word is not in the vocabulary, or the
                shapes do not fit.
        """
        ...

    def remove(self, keys: Keys) -> None:
        """Take pictures out at once; keys that are not there are passed over."""
        ...

    def reclass(self, keys: Keys, classes: Classes) -> None:
        """Give pictures new classes [N × 2]; keys that are not there are passed over."""
        ...

    def search(
        self, words: Words, limit: int, classes: ClassFilter | None = None
    ) -> tuple[Keys, Weights]:
        """Find the `limit` pictures most like a query, fewer only where fewer share a word with it.

        Returns:
            Keys [≤ limit] and scores [≤ limit], falling. Scores of two queries do not compare,
            unless they are of the same features in another form.

        Raises:
            ValueError: a word is not in the vocabulary, or the shapes do not fit.
        """
        ...

    def close(self) -> None:
        """Stop background work."""
        ...


class SharedWordIndex(WordIndex, Protocol):
    """Likewise."""

    def clear(self) -> None:
        """Take all pictures out."""
        ...

    def differing(
        self, keys: Keys, words: Sequence[Words], classes: Classes, within: Range
    ) -> list[int]:
        """Keys whose pictures are not these; see `SharedVectorIndex.differing`."""
        ...
