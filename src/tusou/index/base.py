"""The contract every vector index keeps."""

from typing import Protocol

from tusou.types import Classes, ClassFilter, Keys, Vector, Vectors


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
