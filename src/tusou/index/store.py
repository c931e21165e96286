"""What an embedded index holds: its rows, the chunks of new ones and the groups of settled ones."""

import numpy as np

from tusou.index.planner import Planner
from tusou.index.rows import Rows, Slots
from tusou.index.scan import NOTHING, Chunk, Found, Grouped, Points
from tusou.types import ClassFilter

_PORTIONS = 8
"""A chunk that is to go to the groups is so many times smaller than others."""


class Store:
    """Rows with their codes, each in one chunk or one group. Its owner holds the gate."""

    def __init__(self, chunk_rows: int, planner: Planner) -> None:
        self.rows = Rows()
        self.grouped: Grouped | None = None
        self.full: list[Chunk] = []
        """Chunks that no longer change."""
        self._open: Chunk | None = None
        self._chunk_rows = chunk_rows
        self._planner = planner

    @property
    def chunks(self) -> list[Chunk]:
        """All chunks, the one that still grows among them."""
        return self.full if self._open is None else [*self.full, self._open]

    def append(self, points: Points, slots: Slots) -> None:
        """Take in less than a chunk of rows: points [N × D], slots [N]."""
        if not len(points):
            return
        # What is not in a group is scanned by every search; without groups one large chunk is best.
        most = self._chunk_rows if self.grouped is None else self._chunk_rows // _PORTIONS
        if self._open is not None and len(self._open) + len(points) > most:
            self.seal()
        if self._open is None:
            self._open = Chunk(points, slots)
        else:
            self._open.append(points, slots)

    def seal(self) -> list[Chunk]:
        """Let the chunk that grows be the last of the full ones, and list them."""
        self.full, self._open = self.chunks, None
        return list(self.full)

    def replace(self, old: list[Chunk], new: list[Chunk]) -> None:
        """Exchange full chunks."""
        self.full = [chunk for chunk in self.full if chunk not in old] + new

    def scan(self, query: Points, limit: int, classes: ClassFilter | None) -> Found:
        """Find the best rows for `query` [1 × D]: the `limit` best by falling score."""
        passing = self.rows.passing(classes)
        count = int(np.count_nonzero(passing))
        limit = min(limit, count)
        if limit <= 0:
            return NOTHING
        wanted = None if count == len(passing) else passing
        found = [chunk.scan(query, limit, wanted) for chunk in self.chunks]
        if self.grouped is not None:
            found.append(self._planner.probe(self.grouped, query, limit, wanted, count))
        return Found.join(found).best(limit).falling()
