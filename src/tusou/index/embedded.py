"""A vector index in this process: new rows are scanned whole, settled ones by groups.

New rows go to chunks, which every search scans whole. Once there are many, a thread groups all
rows by nearest centroid, and from then on moves full chunks into the groups. A removed row is
masked out at once; its codes are dropped later.
"""

import numpy as np

from tusou.index.gate import Gate
from tusou.index.planner import Planner
from tusou.index.scan import Chunk, Codec
from tusou.index.store import Store
from tusou.index.upkeep import Upkeep
from tusou.types import Classes, ClassFilter, Keys, Vector, Vectors

_NO_SLOTS = np.empty(0, np.int64)


class EmbeddedIndex:
    """The `VectorIndex` of one machine.

    Each call of `add` takes effect as a whole; a bulk is best cut into calls of some ten thousand
    rows, for searches wait while a call puts its rows in place (milliseconds for that many).

    Args:
        dimension: D of the vectors.
        group_rows: From how many rows on they are grouped; fewer are scanned whole.
        chunk_rows: Rows of a full chunk; as many move into the groups at a time.
        planner: How much of the groups a search scans.
    """

    def __init__(
        self,
        dimension: int,
        *,
        group_rows: int = 50_000,
        chunk_rows: int = 8192,
        planner: Planner | None = None,
    ) -> None:
        self._dimension = dimension
        self._chunk_rows = chunk_rows
        self._codec = Codec(dimension)
        self._gate = Gate()
        self._store = Store(chunk_rows, planner or Planner())
        self._upkeep = Upkeep(self._store, self._gate, group_rows, chunk_rows)

    def __len__(self) -> int:
        return len(self._store.rows)

    def add(self, keys: Keys, vectors: Vectors, classes: Classes) -> None:
        """Add rows; see `VectorIndex.add`."""
        self._check(keys, classes)
        if vectors.shape != (len(keys), self._dimension):
            raise ValueError(f"{len(keys)} vectors of {self._dimension}, not {vectors.shape}")
        whole = len(keys) - len(keys) % self._chunk_rows
        pieces = [
            slice(start, start + self._chunk_rows) for start in range(0, whole, self._chunk_rows)
        ]
        full = [Chunk(self._codec.points(vectors[piece]), _NO_SLOTS) for piece in pieces]
        rest = self._codec.points(vectors[whole:])
        with self._gate.writing():
            slots = self._store.rows.insert(keys, classes)
            for chunk, piece in zip(full, pieces, strict=True):
                chunk.slots = slots[piece]
            self._store.replace([], full)
            self._store.append(rest, slots[whole:])
            self._upkeep.wake()

    def remove(self, keys: Keys) -> None:
        """Take rows out; see `VectorIndex.remove`."""
        with self._gate.writing():
            self._store.rows.remove(keys)
            self._upkeep.wake()

    def reclass(self, keys: Keys, classes: Classes) -> None:
        """Give rows new classes; see `VectorIndex.reclass`."""
        self._check(keys, classes)
        with self._gate.writing():
            self._store.rows.reclass(keys, classes)

    def search(
        self, vector: Vector, limit: int, classes: ClassFilter | None = None
    ) -> tuple[Keys, Vector]:
        """Find the nearest rows; see `VectorIndex.search`."""
        if vector.shape != (self._dimension,):
            raise ValueError(f"a vector of {self._dimension}, not {vector.shape}")
        query, factor = self._codec.query(vector)
        with self._gate.reading():
            found = self._store.scan(query, limit, classes)
            keys = self._store.rows.keys_at(found.slots)
        return keys, np.clip(found.scores * np.float32(factor), -1.0, 1.0)

    def settle(self) -> None:
        """Wait until no background work is left."""
        self._upkeep.settle()

    def close(self) -> None:
        """Stop background work; searches and writes may go on."""
        self._upkeep.close()

    def _check(self, keys: Keys, classes: Classes) -> None:
        if classes.shape != (len(keys), 2):
            raise ValueError(f"{len(keys)} rows of two classes, not {classes.shape}")
